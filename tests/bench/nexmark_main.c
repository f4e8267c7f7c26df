// nexmark: what the benchmark needs besides the engine.
//   nexmark produce BROKERS TOPIC EVENTS RATE [UNIFORM_BIDDERS]   the topic's 4 partitions, event n in n mod 4
//   nexmark drain BROKERS TOPIC                                   reads everything, does nothing
//   nexmark hand QUERY BROKERS TOPIC OUTPUT                       the query written by hand
// nexmark digest BROKERS TOPIC                                  count and order-independent hash of all committed
// values Each prints one JSON line. Exit 1 on any error.
#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "tests/bench/hand.h"
#include "tests/bench/nexmark.h"

enum { PARTITIONS = HAND_PARTITIONS, BATCH = 4096, TIMEOUT_MS = 10000 };

static _Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "nexmark: %s: %s\n", what, why);
    exit(1);
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[512];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof why) != RD_KAFKA_CONF_OK) die(name, why);
}

static rd_kafka_t *create(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
    char why[512];
    rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof why);
    if (!rk) die("client", why);
    return rk;
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    (void)rk, (void)opaque;
    if (message->err) die("delivery", rd_kafka_err2str(message->err));
}

static rd_kafka_t *producer(const char *brokers)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", brokers);
    set(conf, "enable.idempotence", "true");
    set(conf, "linger.ms", "2");
    set(conf, "partitioner", "murmur2_random");
    set(conf, "queue.buffering.max.messages", "500000");
    set(conf, "queue.buffering.max.kbytes", "131072");
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    return create(RD_KAFKA_PRODUCER, conf);
}

static void send_message(rd_kafka_topic_t *topic, rd_kafka_t *rk, int32_t partition, const char *key,
                         size_t key_length, const char *value, size_t length)
{
    while (rd_kafka_produce(topic, partition, RD_KAFKA_MSG_F_COPY, (void *)value, length, key, key_length, NULL) !=
           0) {
        if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            die("produce", rd_kafka_err2str(rd_kafka_last_error()));
        rd_kafka_poll(rk, 10);
    }
}

static int produce(int argc, char **argv)
{
    if (argc < 6) die("produce", "BROKERS TOPIC EVENTS RATE");
    struct nexmark g = {.events_per_second = strtoull(argv[5], NULL, 10),
                        .base_ms = 1767225600000,
                        .uniform_bidders = argc > 6 ? strtoull(argv[6], NULL, 10) : 0};
    uint64_t events = strtoull(argv[4], NULL, 10), bytes = 0;
    rd_kafka_t *rk = producer(argv[2]);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, argv[3], NULL);
    char event[NEXMARK_EVENT_MAX];
    for (uint64_t n = 0; n < events; n++) {
        int64_t ms;
        size_t length = nexmark_event(&g, n, event, &ms);
        bytes += length;
        send_message(topic, rk, (int32_t)(n % PARTITIONS), NULL, 0, event, length);
        if (n % 1000 == 0) rd_kafka_poll(rk, 0);
    }
    if (rd_kafka_flush(rk, 120000)) die("flush", "timed out");
    printf("{\"events\":%llu,\"bytes\":%llu}\n", (unsigned long long)events, (unsigned long long)bytes);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(rk);
    return 0;
}

// Reads all partitions up to their stable ends as of now.
struct reading {
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    int partitions, open;
    bool done[64];
    rd_kafka_message_t *messages[BATCH];
};

static void reading_start(struct reading *r, const char *brokers, const char *topic)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", brokers);
    set(conf, "group.id", "nexmark-bench");
    set(conf, "enable.auto.commit", "false");
    set(conf, "enable.partition.eof", "true");
    set(conf, "isolation.level", "read_committed");
    set(conf, "auto.offset.reset", "error");
    set(conf, "queued.min.messages", "1000000");
    set(conf, "queued.max.messages.kbytes", "65536");
    set(conf, "fetch.message.max.bytes", "4194304");
    set(conf, "fetch.wait.max.ms", "10");
    r->rk = create(RD_KAFKA_CONSUMER, conf);
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t *t = rd_kafka_topic_new(r->rk, topic, NULL);
    rd_kafka_resp_err_t code = rd_kafka_metadata(r->rk, 0, t, &metadata, TIMEOUT_MS);
    if (code) die(topic, rd_kafka_err2str(code));
    r->partitions = r->open = metadata->topics[0].partition_cnt;
    if (r->partitions > 64) die(topic, "too many partitions");
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(t);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(r->partitions);
    for (int p = 0; p < r->partitions; p++)
        rd_kafka_topic_partition_list_add(list, topic, p)->offset = RD_KAFKA_OFFSET_BEGINNING;
    code = rd_kafka_assign(r->rk, list);
    if (code) die(topic, rd_kafka_err2str(code));
    rd_kafka_topic_partition_list_destroy(list);
    r->queue = rd_kafka_queue_get_consumer(r->rk);
}

static void reading_end(struct reading *r)
{
    rd_kafka_queue_destroy(r->queue);
    rd_kafka_consumer_close(r->rk);
    rd_kafka_destroy(r->rk);
}

typedef void (*visit_fn)(void *context, const rd_kafka_message_t *message);

static uint64_t read_all(struct reading *r, visit_fn visit, void *context)
{
    uint64_t count = 0;
    while (r->open > 0) {
        ssize_t n = rd_kafka_consume_batch_queue(r->queue, 5, r->messages, BATCH);
        for (ssize_t i = 0; i < n; i++) {
            rd_kafka_message_t *m = r->messages[i];
            if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
                if (!r->done[m->partition]) r->open--;
                r->done[m->partition] = true;
            } else if (m->err) {
                die("consume", rd_kafka_message_errstr(m));
            } else {
                count++;
                if (visit) visit(context, m);
            }
            rd_kafka_message_destroy(m);
        }
    }
    return count;
}

struct run {
    const struct hand_query *query;
    void *state;
    rd_kafka_t *out;
    rd_kafka_topic_t *topic;
    uint64_t sent, count, sum;
};

static void emit(void *context, const char *key, size_t key_length, const char *value, size_t length)
{
    struct run *run = context;
    send_message(run->topic, run->out, RD_KAFKA_PARTITION_UA, key, key_length, value, length);
    if (++run->sent % 1000 == 0) rd_kafka_poll(run->out, 0);
}

static void take(void *context, const rd_kafka_message_t *m)
{
    struct run *run = context;
    run->query->take(run->state, m->partition, m->payload, m->len, emit, run);
}

static int hand(int argc, char **argv)
{
    if (argc != 6) die("hand", "QUERY BROKERS TOPIC OUTPUT");
    struct run run = {0};
    for (int i = 0; i < hand_query_count; i++)
        if (strcmp(hand_queries[i].name, argv[2]) == 0) run.query = &hand_queries[i];
    if (!run.query) die(argv[2], "no such query");
    run.state = run.query->create();
    run.out = producer(argv[3]);
    run.topic = rd_kafka_topic_new(run.out, argv[5], NULL);
    struct reading *r = calloc(1, sizeof *r);
    reading_start(r, argv[3], argv[4]);
    uint64_t events = read_all(r, take, &run);
    run.query->finish(run.state, emit, &run);
    if (rd_kafka_flush(run.out, 120000)) die("flush", "timed out");
    printf("{\"events\":%llu,\"sent\":%llu}\n", (unsigned long long)events, (unsigned long long)run.sent);
    reading_end(r);
    free(r);
    rd_kafka_topic_destroy(run.topic);
    rd_kafka_destroy(run.out);
    return 0;
}

static void add_to_digest(void *context, const rd_kafka_message_t *m)
{
    struct run *run = context;
    run->count++;
    run->sum += k_hash(m->payload, m->len);
}

static int drain(int argc, char **argv, bool digest)
{
    if (argc != 4) die(argv[1], "BROKERS TOPIC");
    struct reading *r = calloc(1, sizeof *r);
    struct run run = {0};
    reading_start(r, argv[2], argv[3]);
    uint64_t events = read_all(r, digest ? add_to_digest : NULL, &run);
    printf("{\"events\":%llu,\"digest\":\"%016llx\"}\n", (unsigned long long)events, (unsigned long long)run.sum);
    reading_end(r);
    free(r);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "produce") == 0) return produce(argc, argv);
    if (argc > 1 && strcmp(argv[1], "drain") == 0) return drain(argc, argv, false);
    if (argc > 1 && strcmp(argv[1], "digest") == 0) return drain(argc, argv, true);
    if (argc > 1 && strcmp(argv[1], "hand") == 0) return hand(argc, argv);
    die("usage", "produce | drain | hand | digest");
}
