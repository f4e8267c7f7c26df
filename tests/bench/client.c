// Clients of Kafka for the programs of the benchmark: set up as a careful programmer would, and dead on any error.
#include "tests/bench/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TIMEOUT_MS = 10000, AHEAD = 8, LINE = 64 };

_Noreturn void bench_die(const char *what, const char *why)
{
    fprintf(stderr, "nexmark: %s: %s\n", what, why);
    exit(1);
}

void bench_set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[512];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof why) != RD_KAFKA_CONF_OK) bench_die(name, why);
}

static rd_kafka_t *bench_create(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
    char why[512];
    rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof why);
    if (!rk) bench_die("client", why);
    return rk;
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    (void)rk, (void)opaque;
    if (message->err) bench_die("delivery", rd_kafka_err2str(message->err));
}

rd_kafka_t *bench_producer(const char *brokers, const char *transactional_id)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    bench_set(conf, "bootstrap.servers", brokers);
    bench_set(conf, "enable.idempotence", "true");
    // Batches fill up long before where much is written. Where little is, librdkafka 2.0.2 spins as long as one waits.
    bench_set(conf, "linger.ms", transactional_id ? "2" : "50");
    bench_set(conf, "partitioner", "murmur2_random");
    bench_set(conf, "queue.buffering.max.messages", "500000");
    bench_set(conf, "queue.buffering.max.kbytes", "131072");
    if (transactional_id) bench_set(conf, "transactional.id", transactional_id);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    return bench_create(RD_KAFKA_PRODUCER, conf);
}

void bench_send(rd_kafka_topic_t *topic, rd_kafka_t *rk, int32_t partition, const char *key, size_t key_length,
                const char *value, size_t length)
{
    while (rd_kafka_produce(topic, partition, RD_KAFKA_MSG_F_COPY, (void *)value, length, key, key_length, NULL) !=
           0) {
        if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            bench_die("produce", rd_kafka_err2str(rd_kafka_last_error()));
        rd_kafka_poll(rk, 10);
    }
}

// The end of a partition, also of a topic so new that its broker does not know yet that it leads it.
static int64_t end_of(rd_kafka_t *rk, const char *topic, int partition)
{
    enum { PAUSE_US = 10000 };
    int64_t low, high;
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    for (int tries = TIMEOUT_MS * 1000 / PAUSE_US; tries > 0; tries--) {
        code = rd_kafka_query_watermark_offsets(rk, topic, partition, &low, &high, TIMEOUT_MS);
        if (!code) return high;
        if (code != RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION && code != RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE) break;
        usleep(PAUSE_US);
    }
    bench_die(topic, rd_kafka_err2str(code));
}

void bench_reading_start(struct bench_reading *r, const char *brokers, const char *topic, bool from_end)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    bench_set(conf, "bootstrap.servers", brokers);
    bench_set(conf, "group.id", "nexmark-bench");
    bench_set(conf, "enable.auto.commit", "false");
    bench_set(conf, "enable.partition.eof", "true");
    bench_set(conf, "isolation.level", "read_committed");
    bench_set(conf, "auto.offset.reset", "error");
    bench_set(conf, "queued.min.messages", "1000000");
    bench_set(conf, "queued.max.messages.kbytes", "65536");
    bench_set(conf, "fetch.message.max.bytes", "4194304");
    bench_set(conf, "fetch.wait.max.ms", "10");
    r->rk = bench_create(RD_KAFKA_CONSUMER, conf);
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t *t = rd_kafka_topic_new(r->rk, topic, NULL);
    rd_kafka_resp_err_t code = rd_kafka_metadata(r->rk, 0, t, &metadata, TIMEOUT_MS);
    if (code) bench_die(topic, rd_kafka_err2str(code));
    r->partitions = r->open = metadata->topics[0].partition_cnt;
    if (r->partitions > BENCH_PARTITIONS_MAX) bench_die(topic, "too many partitions");
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(t);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(r->partitions);
    for (int p = 0; p < r->partitions; p++)
        rd_kafka_topic_partition_list_add(list, topic, p)->offset =
            from_end ? end_of(r->rk, topic, p) : RD_KAFKA_OFFSET_BEGINNING;
    code = rd_kafka_assign(r->rk, list);
    if (code) bench_die(topic, rd_kafka_err2str(code));
    rd_kafka_topic_partition_list_destroy(list);
    r->queue = rd_kafka_queue_get_consumer(r->rk);
}

void bench_reading_end(struct bench_reading *r)
{
    rd_kafka_queue_destroy(r->queue);
    rd_kafka_consumer_close(r->rk);
    rd_kafka_destroy(r->rk);
}

size_t bench_read(struct bench_reading *r, int timeout_ms, bench_visit_fn visit, void *context)
{
    size_t count = 0;
    ssize_t n = rd_kafka_consume_batch_queue(r->queue, timeout_ms, r->messages, BENCH_BATCH);
    for (ssize_t i = 0; i < n; i++) {
        rd_kafka_message_t *m = r->messages[i];
        // Another core has just written both: what is fetched while it is needed is most of what a filter costs.
        if (visit && i + 2 * AHEAD < n) __builtin_prefetch(r->messages[i + 2 * AHEAD]);
        if (visit && i + AHEAD < n) {
            const char *payload = r->messages[i + AHEAD]->payload;
            __builtin_prefetch(payload);
            __builtin_prefetch(payload + LINE);
        }
        if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            if (!r->done[m->partition]) r->open--;
            r->done[m->partition] = true;
        } else if (m->err) {
            bench_die("consume", rd_kafka_message_errstr(m));
        } else {
            count++;
            if (visit) visit(context, m);
        }
        rd_kafka_message_destroy(m);
    }
    return count;
}

uint64_t bench_read_all(struct bench_reading *r, bench_visit_fn visit, void *context)
{
    uint64_t count = 0;
    while (r->open > 0) count += bench_read(r, 5, visit, context);
    return count;
}
