// nexmark: what the benchmark needs besides the engine.
//   nexmark produce BROKERS TOPIC EVENTS RATE [UNIFORM_BIDDERS]   the topic's 4 partitions, event n in n mod 4
//   nexmark drain BROKERS TOPIC                                   reads everything, does nothing
//   nexmark hand QUERY BROKERS TOPIC OUTPUT                       the query written by hand
//   nexmark digest BROKERS TOPIC                                  count and order-independent hash of what is committed
//   nexmark echo QUERY BROKERS TOPIC OUTPUT COMMIT_MS             the query written by hand in transactions, for ever
//   nexmark pace BROKERS TOPIC OUTPUT …                           events at a pace, and how late they come out (pace.h)
// Each prints one JSON line. Exit 1 on any error.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "tests/bench/client.h"
#include "tests/bench/hand.h"
#include "tests/bench/nexmark.h"
#include "tests/bench/pace.h"

enum { PARTITIONS = HAND_PARTITIONS };

static int produce(int argc, char **argv)
{
    if (argc < 6) bench_die("produce", "BROKERS TOPIC EVENTS RATE");
    struct nexmark g = {.events_per_second = strtoull(argv[5], NULL, 10),
                        .base_ms = 1767225600000,
                        .uniform_bidders = argc > 6 ? strtoull(argv[6], NULL, 10) : 0};
    uint64_t events = strtoull(argv[4], NULL, 10), bytes = 0;
    rd_kafka_t *rk = bench_producer(argv[2], NULL);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, argv[3], NULL);
    char event[NEXMARK_EVENT_MAX];
    for (uint64_t n = 0; n < events; n++) {
        int64_t ms;
        size_t length = nexmark_event(&g, n, event, &ms);
        bytes += length;
        bench_send(topic, rk, (int32_t)(n % PARTITIONS), NULL, 0, event, length);
        if (n % 1000 == 0) rd_kafka_poll(rk, 0);
    }
    if (rd_kafka_flush(rk, 120000)) bench_die("flush", "timed out");
    printf("{\"events\":%llu,\"bytes\":%llu}\n", (unsigned long long)events, (unsigned long long)bytes);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(rk);
    return 0;
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
    bench_send(run->topic, run->out, RD_KAFKA_PARTITION_UA, key, key_length, value, length);
    if (++run->sent % 1000 == 0) rd_kafka_poll(run->out, 0);
}

static void take(void *context, const rd_kafka_message_t *m)
{
    struct run *run = context;
    run->query->take(run->state, m->partition, m->payload, m->len, emit, run);
}

static int hand(int argc, char **argv)
{
    if (argc != 6) bench_die("hand", "QUERY BROKERS TOPIC OUTPUT");
    struct run run = {.query = hand_query_find(argv[2])};
    if (!run.query) bench_die(argv[2], "no such query");
    run.state = run.query->create();
    run.out = bench_producer(argv[3], NULL);
    run.topic = rd_kafka_topic_new(run.out, argv[5], NULL);
    struct bench_reading *r = calloc(1, sizeof *r);
    bench_reading_start(r, argv[3], argv[4], false);
    uint64_t events = bench_read_all(r, take, &run);
    run.query->finish(run.state, emit, &run);
    if (rd_kafka_flush(run.out, 120000)) bench_die("flush", "timed out");
    printf("{\"events\":%llu,\"sent\":%llu}\n", (unsigned long long)events, (unsigned long long)run.sent);
    bench_reading_end(r);
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
    if (argc != 4) bench_die(argv[1], "BROKERS TOPIC");
    struct bench_reading *r = calloc(1, sizeof *r);
    struct run run = {0};
    bench_reading_start(r, argv[2], argv[3], false);
    uint64_t events = bench_read_all(r, digest ? add_to_digest : NULL, &run);
    printf("{\"events\":%llu,\"digest\":\"%016llx\"}\n", (unsigned long long)events, (unsigned long long)run.sum);
    bench_reading_end(r);
    free(r);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "produce") == 0) return produce(argc, argv);
    if (argc > 1 && strcmp(argv[1], "drain") == 0) return drain(argc, argv, false);
    if (argc > 1 && strcmp(argv[1], "digest") == 0) return drain(argc, argv, true);
    if (argc > 1 && strcmp(argv[1], "hand") == 0) return hand(argc, argv);
    if (argc > 1 && strcmp(argv[1], "echo") == 0) return pace_echo(argc, argv);
    if (argc > 1 && strcmp(argv[1], "pace") == 0) return pace(argc, argv);
    bench_die("usage", "produce | drain | hand | digest | echo | pace");
}
