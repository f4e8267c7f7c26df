// Consumers, on which readers live; and waiting for any of them.
//
// A reader belongs to the consumer of the thread that opened it; another thread gets another consumer, and with it
// another connection and another thread of librdkafka. A second reader of the same partition on the same thread also
// gets another consumer, because a consumer fetches a partition once. A consumer without readers is given to whoever
// asks next; all live until the log is closed.
//
// A broker is asked for all partitions of a consumer at once, and may sit on the question while it has nothing. The
// longer it may, the less a pipeline with nothing to do costs; but a partition that is not in the question, because its
// queue was full or its reader has just begun, waits for as long. So readers that have had nothing for seconds rest on
// a patient consumer of their own (log_kafka_reader.c).
//
// Order of locks: kafka->lock, then librdkafka's, then kafka->wake_lock.
#include "engine/log_kafka_reader.h"
#include "base/units.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    STALL_US = 4000,   // between two wake-ups of a consumer
    FETCH_MS = 50,     // how long a broker may sit on a fetch that has nothing
    PATIENCE_MS = 250, // and on one of a patient consumer
};

// Called inside librdkafka's queue lock, when a queue is no longer empty.
static void on_queue(rd_kafka_t *rk, void *opaque)
{
    (void)rk;
    struct k_kafka *kafka = opaque;
    pthread_mutex_lock(&kafka->wake_lock);
    kafka->wakes++;
    pthread_cond_broadcast(&kafka->wake);
    pthread_mutex_unlock(&kafka->wake_lock);
}

void k_kafka_watch(struct k_kafka *kafka, rd_kafka_queue_t *queue)
{
    rd_kafka_queue_cb_event_enable(queue, on_queue, kafka);
}

void k_kafka_unwatch(rd_kafka_queue_t *queue)
{
    rd_kafka_queue_cb_event_enable(queue, NULL, NULL);
}

static struct k_kafka_consumer *consumer_new(struct k_kafka *kafka, bool patient, struct k_error *err)
{
    struct k_kafka_consumer *consumer = k_new(struct k_kafka_consumer);
    int fetch_ms = patient ? PATIENCE_MS : kafka->fetch_wait_us > 0 ? k_kafka_ms(kafka->fetch_wait_us) : FETCH_MS;
    rd_kafka_conf_t *conf = k_kafka_conf(kafka, NULL);
    k_kafka_set(conf, "isolation.level", "read_committed");
    k_kafka_set(conf, "auto.offset.reset", "error");
    k_kafka_set(conf, "check.crcs", "true");
    k_kafka_set(conf, "enable.auto.commit", "false");
    k_kafka_set(conf, "enable.auto.offset.store", "false");
    k_kafka_set(conf, "enable.partition.eof", "true");
    k_kafka_set_int(conf, "fetch.wait.max.ms", fetch_ms);
    k_kafka_set(conf, "fetch.error.backoff.ms", "100");
    // Both bounds are per partition. Half of the share is for values, half for what librdkafka holds around them.
    int64_t share = (int64_t)k_kafka_max((int64_t)kafka->reader_queue_bytes, 1 << 18);
    k_kafka_set_int(conf, "queued.max.messages.kbytes", k_kafka_min(share / 2 / 1024, 2000000));
    k_kafka_set_int(conf, "queued.min.messages", k_kafka_min(share / 2 / K_KAFKA_OP_BYTES, 10000000));
    // What one fetch brings is compressed and comes on top of a queue that is just not full: a sixteenth leaves room
    // for it to grow. (Data that shrink a hundredfold do exceed the share.)
    k_kafka_set_int(conf, "fetch.message.max.bytes", k_kafka_max(65536, k_kafka_min(share / 16, 4 << 20)));
    if (k_kafka_handle_open(&consumer->handle, kafka, RD_KAFKA_CONSUMER, conf, err) != 0) {
        free(consumer);
        return NULL;
    }
    consumer->patient = patient;
    consumer->next = kafka->consumers;
    kafka->consumers = consumer;
    return consumer;
}

static bool reads(const struct k_kafka_consumer *consumer, const char *topic, int32_t partition)
{
    for (const struct k_reader *reader = consumer->readers; reader != NULL; reader = reader->next)
        if (reader->partition == partition && strcmp(reader->topic, topic) == 0) return true;
    return false;
}

static bool suits(const struct k_kafka_consumer *consumer, const char *topic, int32_t partition, bool patient)
{
    if (consumer->patient != patient) return false;
    if (consumer->readers == NULL) return true;
    return pthread_equal(consumer->thread, pthread_self()) && !reads(consumer, topic, partition);
}

struct k_kafka_consumer *k_kafka_consumer_for(struct k_kafka *kafka, const char *topic, int32_t partition,
                                              bool patient, struct k_error *err)
{
    struct k_kafka_consumer *consumer = kafka->consumers;
    while (consumer != NULL && !suits(consumer, topic, partition, patient)) consumer = consumer->next;
    if (consumer == NULL) consumer = consumer_new(kafka, patient, err);
    if (consumer != NULL) consumer->thread = pthread_self();
    return consumer;
}

void k_kafka_consumers_close(struct k_kafka *kafka)
{
    while (kafka->consumers != NULL) {
        struct k_kafka_consumer *consumer = kafka->consumers;
        K_ASSERT(consumer->readers == NULL);
        kafka->consumers = consumer->next;
        k_kafka_handle_close(&consumer->handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
        free(consumer);
    }
    for (size_t i = 0; i < kafka->topic_count_count; i++) free(kafka->topic_counts[i].topic);
    free(kafka->topic_counts);
}

// When every partition of a broker has a full queue, librdkafka 2.0.2 puts that broker's thread to sleep for up to a
// second, and popping messages does not wake it. The one public call that does, and nothing else that matters, is to
// set the credentials again that the client has already.
void k_kafka_wake_brokers(struct k_reader *reader, int64_t now_us)
{
    struct k_kafka *kafka = reader->kafka;
    if (now_us - atomic_load(&reader->consumer->woken_us) < STALL_US) return;
    atomic_store(&reader->consumer->woken_us, now_us);
    const char *protocol = k_kafka_properties_get(&kafka->properties, "security.protocol");
    const char *user = "-", *password = "-";
    if (protocol != NULL && (protocol[0] == 's' || protocol[0] == 'S') && (protocol[1] == 'a' || protocol[1] == 'A')) {
        user = k_kafka_properties_get(&kafka->properties, "sasl.username");
        password = k_kafka_properties_get(&kafka->properties, "sasl.password");
        if (user == NULL || password == NULL) return; // tickets and tokens: leave them alone
    }
    rd_kafka_error_t *error = rd_kafka_sasl_set_credentials(reader->consumer->handle.rk, user, password);
    if (error != NULL) rd_kafka_error_destroy(error);
}

int k_kafka_check_partition(struct k_kafka *kafka, const char *topic, int32_t partition, struct k_error *err)
{
    pthread_mutex_lock(&kafka->lock);
    bool known = false;
    for (size_t i = 0; i < kafka->topic_count_count; i++)
        known |= strcmp(kafka->topic_counts[i].topic, topic) == 0 && partition < kafka->topic_counts[i].partitions;
    pthread_mutex_unlock(&kafka->lock);
    if (known) return 0;
    int32_t partitions;
    int code = k_kafka_partitions(kafka, topic, &partitions, err);
    if (code != 0) return code;
    if (partition >= partitions)
        return k_fail(err, K_E_NOT_FOUND, "topic \"%s\" has no partition %d, only %d (brokers at %s)", topic, partition,
                      partitions, kafka->brokers);
    pthread_mutex_lock(&kafka->lock);
    kafka->topic_counts =
        k_realloc(kafka->topic_counts, (kafka->topic_count_count + 1) * sizeof *kafka->topic_counts);
    kafka->topic_counts[kafka->topic_count_count++] = (struct k_kafka_topic_count){k_strdup(topic), partitions};
    pthread_mutex_unlock(&kafka->lock);
    return 0;
}

// --- waiting ---

static bool has_something(const struct k_reader *reader)
{
    return reader->at < reader->count || reader->lost != 0 || rd_kafka_queue_length(reader->queue) > 0;
}

void k_kafka_wait(struct k_log *log, struct k_reader *const *readers, uint32_t count, int64_t timeout_us)
{
    struct k_kafka *kafka = k_kafka_of(log);
    if (timeout_us <= 0) return;
    // The number is taken before the queues are looked at, so that what comes in between is not slept through. The
    // queues are looked at without wake_lock, which librdkafka takes inside their locks.
    pthread_mutex_lock(&kafka->wake_lock);
    uint64_t wakes = kafka->wakes;
    pthread_mutex_unlock(&kafka->wake_lock);
    int64_t now = k_clock_us(CLOCK_MONOTONIC);
    for (uint32_t i = 0; i < count; i++) {
        if (has_something(readers[i])) return;
        if (readers[i]->read && readers[i]->end != readers[i]->position) k_kafka_wake_brokers(readers[i], now);
    }
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t nsec = until.tv_nsec + timeout_us % 1000000 * 1000;
    until.tv_sec += timeout_us / 1000000 + nsec / 1000000000;
    until.tv_nsec = nsec % 1000000000;
    pthread_mutex_lock(&kafka->wake_lock);
    while (kafka->wakes == wakes && pthread_cond_timedwait(&kafka->wake, &kafka->wake_lock, &until) == 0) {}
    pthread_mutex_unlock(&kafka->wake_lock);
}
