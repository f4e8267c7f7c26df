// Readers: one partition each, read_committed, each with a queue of its own.
//
// librdkafka's simple consumer serves them (start, stop, a queue): no group, no rebalance, no assignment that readers
// would share. A reader belongs to the consumer of the thread that opened it; another thread gets another consumer,
// and with it another connection and another thread of librdkafka. A second reader of the same partition on the same
// thread also gets another consumer, because a consumer fetches a partition once.
//
// Invariants
// 1. raw[0, at) has been handed out or was no message, and is destroyed by the next fetch; raw[at, count) is next.
// 2. position is the offset behind the last message handed out, or beyond it when librdkafka has seen that only
//    markers and aborted records follow; it never passes a message that was not handed out.
// 3. A seek makes a new queue, so nothing that was fetched before it can be seen after it (librdkafka 2.0.2 mixes
//    them up in batches, #4208).
// 4. A lost range is reported by every fetch until a seek.
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "engine/log_kafka.h"

enum {
    BATCH = 4096,
    OP_BYTES = 320,        // what librdkafka holds for a queued message besides its value
    STALL_US = 4000,       // a queue that did not grow for so long may need a wake-up
    LISTEN_US = 100000,    // how often an idle reader looks at what its consumer has to say
};

struct k_kafka_consumer {
    struct k_kafka_consumer *next;
    struct k_kafka_handle handle;
    pthread_t thread;          // who opens readers here
    struct k_reader *readers;  // under kafka->lock
    atomic_llong woken_us, listened_us;
};

struct k_reader {
    struct k_kafka *kafka;
    struct k_kafka_consumer *consumer;
    struct k_reader *next;
    char *topic;
    int32_t partition;
    rd_kafka_topic_t *rkt;
    rd_kafka_queue_t *queue;
    rd_kafka_topic_partition_list_t *asked; // one element, for rd_kafka_position

    rd_kafka_message_t **raw;
    struct k_message *messages;
    const struct k_message **pointers;
    uint32_t capacity, at, count;
    struct k_arena headers;

    int64_t position, end; // end: where librdkafka last saw the stable end; -1: not yet
    bool read;             // a message was handed out since the start or the last seek
    int lost;              // K_E_LOST_RANGE until a seek
    struct k_error lost_text;
    size_t mean_bytes;     // of a message, of late
    size_t length;         // of the queue after the last pop
    int64_t grown_us;      // when the queue was last seen to have grown
};

// --- consumers ---

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

static struct k_kafka_consumer *consumer_new(struct k_kafka *kafka, struct k_error *err)
{
    struct k_kafka_consumer *consumer = k_new(struct k_kafka_consumer);
    rd_kafka_conf_t *conf = k_kafka_conf(kafka, NULL);
    k_kafka_set(conf, "isolation.level", "read_committed");
    k_kafka_set(conf, "auto.offset.reset", "error");
    k_kafka_set(conf, "check.crcs", "true");
    k_kafka_set(conf, "enable.auto.commit", "false");
    k_kafka_set(conf, "enable.auto.offset.store", "false");
    k_kafka_set(conf, "enable.partition.eof", "true");
    // How long the broker may sit on a fetch that has nothing. Longer costs less when idle (30 ms: 0.4 % of a core);
    // but a partition whose queue was full when the fetch was sent waits for as long although it has been drained.
    k_kafka_set(conf, "fetch.wait.max.ms", "30");
    k_kafka_set(conf, "fetch.error.backoff.ms", "100");
    // Both bounds are per partition. Half of the share is for values, half for what librdkafka holds around them.
    int64_t share = (int64_t)k_kafka_max((int64_t)kafka->reader_queue_bytes, 1 << 18);
    k_kafka_set_int(conf, "queued.max.messages.kbytes", k_kafka_min(share / 2 / 1024, 2000000));
    k_kafka_set_int(conf, "queued.min.messages", k_kafka_min(share / 2 / OP_BYTES, 10000000));
    k_kafka_set_int(conf, "fetch.message.max.bytes", k_kafka_max(65536, k_kafka_min(share / 4, 4 << 20)));
    if (k_kafka_handle_open(&consumer->handle, kafka, RD_KAFKA_CONSUMER, conf, err) != 0) {
        free(consumer);
        return NULL;
    }
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

// Under kafka->lock.
static struct k_kafka_consumer *consumer_for(struct k_kafka *kafka, const char *topic, int32_t partition,
                                             struct k_error *err)
{
    struct k_kafka_consumer *consumer = kafka->consumers;
    while (consumer != NULL && !(consumer->readers == NULL ||
                                 (pthread_equal(consumer->thread, pthread_self()) &&
                                  !reads(consumer, topic, partition))))
        consumer = consumer->next;
    if (consumer == NULL) consumer = consumer_new(kafka, err);
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
static void wake_brokers(struct k_reader *reader, int64_t now_us)
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

// --- open, seek, close ---

// Whether the topic has the partition; what is known stays known, so that a hundred readers ask once.
static int check_partition(struct k_kafka *kafka, const char *topic, int32_t partition, struct k_error *err)
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

static int start(struct k_reader *reader, int64_t offset, struct k_error *err)
{
    rd_kafka_t *rk = reader->consumer->handle.rk;
    reader->queue = rd_kafka_queue_new(rk);
    rd_kafka_queue_cb_event_enable(reader->queue, on_queue, reader->kafka);
    reader->position = offset;
    reader->end = -1;
    reader->read = false;
    reader->length = 0;
    reader->grown_us = k_kafka_clock_us();
    if (rd_kafka_consume_start_queue(reader->rkt, reader->partition, offset, reader->queue) == 0) return 0;
    return k_kafka_fail(reader->kafka, NULL, err, rd_kafka_last_error(), NULL,
                        "reading topic \"%s\" partition %d from offset %lld", reader->topic, reader->partition,
                        (long long)offset);
}

static void release(struct k_reader *reader)
{
    for (uint32_t i = 0; i < reader->at; i++) rd_kafka_message_destroy(reader->raw[i]);
    if (reader->at < reader->count && reader->at > 0)
        memmove(reader->raw, reader->raw + reader->at, (reader->count - reader->at) * sizeof reader->raw[0]);
    reader->count -= reader->at;
    reader->at = 0;
    if (reader->headers.used > 0) k_arena_reset(&reader->headers);
}

static void stop(struct k_reader *reader)
{
    reader->at = reader->count;
    release(reader);
    rd_kafka_consume_stop(reader->rkt, reader->partition);
    rd_kafka_queue_cb_event_enable(reader->queue, NULL, NULL);
    rd_kafka_queue_destroy(reader->queue);
    reader->queue = NULL;
}

int k_kafka_reader_open(struct k_log *log, const char *topic, int32_t partition, int64_t offset,
                        struct k_reader **ret, struct k_error *err)
{
    K_ASSERT(offset >= 0 && partition >= 0);
    struct k_kafka *kafka = k_kafka_of(log);
    int code = check_partition(kafka, topic, partition, err);
    if (code != 0) return code;

    struct k_reader *reader = k_new(struct k_reader);
    *reader = (struct k_reader){.kafka = kafka, .partition = partition, .mean_bytes = 256};
    pthread_mutex_lock(&kafka->lock);
    reader->consumer = consumer_for(kafka, topic, partition, err);
    if (reader->consumer == NULL) {
        pthread_mutex_unlock(&kafka->lock);
        free(reader);
        return K_E_CONFIG;
    }
    reader->topic = k_strdup(topic);
    reader->next = reader->consumer->readers;
    reader->consumer->readers = reader;
    pthread_mutex_unlock(&kafka->lock);

    k_arena_init(&reader->headers);
    reader->asked = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(reader->asked, topic, partition);
    reader->rkt = rd_kafka_topic_new(reader->consumer->handle.rk, topic, NULL);
    K_ASSERT(reader->rkt != NULL);
    code = start(reader, offset, err);
    if (code != 0) {
        k_kafka_reader_close(reader);
        return code;
    }
    *ret = reader;
    return 0;
}

void k_kafka_reader_close(struct k_reader *reader)
{
    if (reader == NULL) return;
    stop(reader);
    rd_kafka_topic_destroy(reader->rkt);
    rd_kafka_topic_partition_list_destroy(reader->asked);
    pthread_mutex_lock(&reader->kafka->lock);
    struct k_reader **link = &reader->consumer->readers;
    while (*link != reader) link = &(*link)->next;
    *link = reader->next;
    pthread_mutex_unlock(&reader->kafka->lock);
    k_arena_fini(&reader->headers);
    free(reader->raw);
    free(reader->messages);
    free(reader->pointers);
    free(reader->topic);
    free(reader);
}

int k_kafka_seek(struct k_reader *reader, int64_t offset, struct k_error *err)
{
    K_ASSERT(offset >= 0);
    stop(reader);
    reader->lost = 0;
    return start(reader, offset, err);
}

int64_t k_kafka_position(struct k_reader *reader)
{
    return reader->position;
}

bool k_kafka_at_end(struct k_reader *reader)
{
    return reader->end == reader->position && reader->at == reader->count &&
           rd_kafka_queue_length(reader->queue) == 0;
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
    int64_t now = k_kafka_clock_us();
    for (uint32_t i = 0; i < count; i++) {
        if (has_something(readers[i])) return;
        if (readers[i]->read && readers[i]->end != readers[i]->position) wake_brokers(readers[i], now);
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

// --- fetching ---

static void grow(struct k_reader *reader, uint32_t wanted)
{
    if (wanted <= reader->capacity) return;
    uint32_t capacity = reader->capacity > 0 ? reader->capacity : 64;
    while (capacity < wanted) capacity *= 2;
    reader->raw = k_realloc(reader->raw, capacity * sizeof reader->raw[0]);
    reader->messages = k_realloc(reader->messages, capacity * sizeof reader->messages[0]);
    reader->pointers = k_realloc(reader->pointers, capacity * sizeof reader->pointers[0]);
    for (uint32_t i = 0; i < capacity; i++) reader->pointers[i] = &reader->messages[i];
    reader->capacity = capacity;
}

// Pops what is there, without waiting: a batch call with a timeout waits for a full batch.
static void pop(struct k_reader *reader, uint32_t max, size_t max_bytes)
{
    size_t fitting = max_bytes / reader->mean_bytes + 1;
    uint32_t wanted = max < BATCH ? max : BATCH;
    if (wanted > fitting) wanted = (uint32_t)fitting;
    grow(reader, wanted);
    int64_t now = k_kafka_clock_us();
    size_t before = rd_kafka_queue_length(reader->queue);
    if (before > reader->length) reader->grown_us = now;
    ssize_t got = before > 0 ? rd_kafka_consume_batch_queue(reader->queue, 0, reader->raw, wanted) : 0;
    reader->count = got > 0 ? (uint32_t)got : 0;
    reader->length = rd_kafka_queue_length(reader->queue);
    if (now - reader->grown_us > STALL_US && reader->end != reader->position &&
        reader->length * (reader->mean_bytes + OP_BYTES) < reader->kafka->reader_queue_bytes / 2)
        wake_brokers(reader, now);
}

static void fill_headers(struct k_reader *reader, const rd_kafka_message_t *raw, struct k_message *message)
{
    rd_kafka_headers_t *headers;
    if (rd_kafka_message_headers(raw, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return;
    size_t count = rd_kafka_header_cnt(headers);
    struct k_header *all = k_arena_array(&reader->headers, struct k_header, count);
    for (size_t i = 0; i < count; i++) {
        const char *name;
        const void *value;
        size_t size;
        rd_kafka_header_get_all(headers, i, &name, &value, &size);
        all[i] = (struct k_header){k_str_of(name), {value, (uint32_t)(value != NULL ? size : 0)}, value == NULL};
    }
    message->headers = all;
    message->header_count = (uint32_t)count;
}

static void fill(struct k_reader *reader, const rd_kafka_message_t *raw, struct k_message *message)
{
    rd_kafka_timestamp_type_t kind;
    int64_t ms = rd_kafka_message_timestamp(raw, &kind);
    *message = (struct k_message){
        .key = {raw->key, (uint32_t)raw->key_len},
        .value = {raw->payload, (uint32_t)raw->len},
        .has_key = raw->key != NULL,
        .has_value = raw->payload != NULL,
        .partition = raw->partition,
        .offset = raw->offset,
        .timestamp_us = kind == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE || ms < 0 ? -1 : ms * 1000,
    };
    fill_headers(reader, raw, message);
}

// The brokers say that the position is outside of the log. Names what the log has; an offset that is inside after all
// (a replica that lagged behind has become leader and caught up) is simply read again.
static int lost(struct k_reader *reader, struct k_error *err)
{
    int64_t first, next;
    int code = k_kafka_offsets(&reader->kafka->log, reader->topic, reader->partition, false, &first, &next, err);
    if (code != 0) return code;
    if (first <= reader->position && reader->position <= next) return k_kafka_seek(reader, reader->position, err);
    reader->lost = k_fail(&reader->lost_text, K_E_LOST_RANGE,
                          "topic \"%s\" partition %d: offset %lld is not in the log, which has %lld to %lld (brokers "
                          "at %s)", reader->topic, reader->partition, (long long)reader->position, (long long)first,
                          (long long)next, reader->kafka->brokers);
    *err = reader->lost_text;
    return reader->lost;
}

// An entry of the queue that is no message. 0: go on.
static int event(struct k_reader *reader, const rd_kafka_message_t *raw, struct k_error *err)
{
    if (raw->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        reader->end = raw->offset;
        if (raw->offset > reader->position) reader->position = raw->offset;
        return 0;
    }
    if (raw->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET || raw->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE)
        return lost(reader, err);
    return k_kafka_fail(reader->kafka, NULL, err, raw->err, rd_kafka_message_errstr(raw),
                        "reading topic \"%s\" partition %d at offset %lld", reader->topic, reader->partition,
                        (long long)reader->position);
}

// Hands out from raw[at] on. An error waits until the messages before it have been handed out.
static int hand_out(struct k_reader *reader, uint32_t max, size_t max_bytes, uint32_t *ret_count, struct k_error *err)
{
    uint32_t out = 0;
    size_t bytes = 0;
    int code = 0;
    while (code == 0 && reader->at < reader->count && out < max) {
        const rd_kafka_message_t *raw = reader->raw[reader->at];
        if (raw->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            if (out > 0 && raw->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) break;
            reader->at++;
            rd_kafka_queue_t *queue = reader->queue;
            code = event(reader, raw, err);
            if (queue != reader->queue) break; // sought, so nothing is left of this batch
            continue;
        }
        if (out > 0 && bytes + raw->len + raw->key_len > max_bytes) break;
        bytes += raw->len + raw->key_len;
        reader->at++;
        fill(reader, raw, &reader->messages[out++]);
        reader->position = raw->offset + 1;
        reader->read = true;
    }
    if (out > 0) reader->mean_bytes = (reader->mean_bytes + bytes / out) / 2 + 1;
    *ret_count = out;
    return code;
}

// When all that was popped has been handed out, librdkafka's own position may be further: behind markers.
static void follow_markers(struct k_reader *reader)
{
    if (!reader->read || reader->at < reader->count) return;
    rd_kafka_position(reader->consumer->handle.rk, reader->asked);
    if (reader->asked->elems[0].offset > reader->position) reader->position = reader->asked->elems[0].offset;
}

static int listen_now_and_then(struct k_reader *reader, struct k_error *err)
{
    int64_t now = k_kafka_clock_us();
    struct k_kafka_consumer *consumer = reader->consumer;
    if (now - atomic_load(&consumer->listened_us) < LISTEN_US) return 0;
    atomic_store(&consumer->listened_us, now);
    k_kafka_listen(&consumer->handle);
    if (!atomic_exchange(&consumer->handle.refused, false)) return 0;
    return k_kafka_fail(reader->kafka, &consumer->handle, err, RD_KAFKA_RESP_ERR__AUTHENTICATION, NULL,
                        "reading topic \"%s\" partition %d", reader->topic, reader->partition);
}

int k_kafka_fetch(struct k_reader *reader, uint32_t max, size_t max_bytes, int64_t timeout_us,
                  const struct k_message *const **ret_messages, uint32_t *ret_count, struct k_error *err)
{
    struct k_error local;
    if (err == NULL) err = &local;
    release(reader);
    if (reader->lost != 0) {
        *err = reader->lost_text;
        return reader->lost;
    }
    int64_t deadline_us = timeout_us > 0 ? k_kafka_clock_us() + timeout_us : 0;
    uint32_t count = 0;
    for (;;) {
        if (reader->at == reader->count) {
            release(reader);
            pop(reader, max, max_bytes);
        }
        int code = hand_out(reader, max, max_bytes, &count, err);
        if (code == 0 && count == 0) code = listen_now_and_then(reader, err);
        if (code != 0) return code;
        follow_markers(reader);
        int64_t left_us = timeout_us > 0 ? deadline_us - k_kafka_clock_us() : 0;
        if (count > 0 || left_us <= 0) break;
        k_kafka_wait(&reader->kafka->log, &reader, 1, left_us);
    }
    *ret_messages = reader->pointers;
    *ret_count = count;
    return 0;
}
