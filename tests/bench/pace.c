// The event time of event n is when it should be sent, by the wall clock, so what comes out tells by itself how late it
// is; if the sender itself falls behind, that counts too (an open loop). One process sends and reads: one clock.
#include "tests/bench/pace.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/units.h"
#include "tests/bench/client.h"
#include "tests/bench/hand.h"
#include "tests/bench/nexmark.h"

enum { PARTITIONS = HAND_PARTITIONS, TIMEOUT_MS = 10000, READ_MS = 5, GRACE_S = 30 };

static int64_t now_us(void)
{
    return k_clock_us(CLOCK_REALTIME);
}

// The echo.

static volatile sig_atomic_t ended;

static void on_end(int signal)
{
    (void)signal;
    ended = 1;
}

struct echo {
    const struct hand_query *query;
    void *state;
    rd_kafka_t *out;
    rd_kafka_topic_t *topic;
    const char *source;
    int64_t next[PARTITIONS]; // offsets to go on from; -1: nothing was read
    int64_t begun_us;         // of the transaction; 0: none
    uint64_t events, commits;
};

static void check(const char *what, rd_kafka_error_t *error)
{
    if (error) bench_die(what, rd_kafka_error_string(error));
}

static void emit(void *context, const char *key, size_t key_length, const char *value, size_t length)
{
    struct echo *e = context;
    bench_send(e->topic, e->out, RD_KAFKA_PARTITION_UA, key, key_length, value, length);
}

static void echo_take(void *context, const rd_kafka_message_t *m)
{
    struct echo *e = context;
    if (!e->begun_us) {
        check("begin", rd_kafka_begin_transaction(e->out));
        e->begun_us = now_us();
    }
    e->query->take(e->state, m->partition, m->payload, m->len, emit, e);
    e->next[m->partition] = m->offset + 1;
    e->events++;
}

static void echo_commit(struct echo *e, rd_kafka_t *consumer)
{
    rd_kafka_topic_partition_list_t *offsets = rd_kafka_topic_partition_list_new(PARTITIONS);
    for (int p = 0; p < PARTITIONS; p++)
        if (e->next[p] >= 0) rd_kafka_topic_partition_list_add(offsets, e->source, p)->offset = e->next[p];
    rd_kafka_consumer_group_metadata_t *group = rd_kafka_consumer_group_metadata(consumer);
    check("offsets", rd_kafka_send_offsets_to_transaction(e->out, offsets, group, TIMEOUT_MS));
    check("commit", rd_kafka_commit_transaction(e->out, TIMEOUT_MS));
    rd_kafka_consumer_group_metadata_destroy(group);
    rd_kafka_topic_partition_list_destroy(offsets);
    e->begun_us = 0;
    e->commits++;
}

int pace_echo(int argc, char **argv)
{
    if (argc != 7) bench_die("echo", "QUERY BROKERS TOPIC OUTPUT COMMIT_MS");
    struct echo e = {.query = hand_query_find(argv[2]), .source = argv[4], .next = {-1, -1, -1, -1}};
    int64_t commit_us = atoll(argv[6]) * 1000;
    if (!e.query || commit_us <= 0) bench_die("echo", "no such query, or no commit interval");
    signal(SIGTERM, on_end);
    e.state = e.query->create();
    e.out = bench_producer(argv[3], argv[5]);
    check("transactions", rd_kafka_init_transactions(e.out, TIMEOUT_MS));
    e.topic = rd_kafka_topic_new(e.out, argv[5], NULL);
    struct bench_reading *r = calloc(1, sizeof *r);
    bench_reading_start(r, argv[3], argv[4], false);
    while (!ended) {
        bench_read(r, READ_MS, echo_take, &e);
        rd_kafka_poll(e.out, 0);
        if (e.begun_us && now_us() - e.begun_us >= commit_us) echo_commit(&e, r->rk);
    }
    if (e.begun_us) echo_commit(&e, r->rk);
    printf("{\"events\":%llu,\"commits\":%llu}\n", (unsigned long long)e.events, (unsigned long long)e.commits);
    e.query->finish(e.state, emit, &e);
    bench_reading_end(r);
    free(r);
    rd_kafka_topic_destroy(e.topic);
    rd_kafka_destroy(e.out);
    return 0;
}

// The pace.

struct pace {
    const char *brokers, *topic, *output;
    struct bench_reading *reading; // of the output, from where it ended before the first event was sent
    uint64_t events, expected;     // to be sent, and of them those that come out
    int64_t from_ms;               // event time: only what was sent then or later is measured
    atomic_uint_fast64_t came;
    uint32_t *late_us; // of what is measured
    size_t measured;
    atomic_bool stop;
};

static void note(void *context, const rd_kafka_message_t *m)
{
    static const char name[] = "\"date_time\":";
    struct pace *p = context;
    const char *at = memmem(m->payload, m->len, name, sizeof name - 1);
    if (!at) bench_die(p->output, "a message without date_time");
    int64_t ms = 0;
    for (at += sizeof name - 1; *at >= '0' && *at <= '9'; at++) ms = ms * 10 + (*at - '0');
    int64_t late_us = now_us() - ms * 1000;
    if (ms >= p->from_ms && p->measured < p->expected)
        p->late_us[p->measured++] = late_us > 0 ? (uint32_t)late_us : 0;
    p->came++;
}

static void *listen_for_output(void *context)
{
    struct pace *p = context;
    while (!p->stop) bench_read(p->reading, READ_MS, note, p);
    return NULL;
}

static void send_all(struct pace *p, const struct nexmark *g)
{
    rd_kafka_t *rk = bench_producer(p->brokers, NULL);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, p->topic, NULL);
    char event[NEXMARK_EVENT_MAX];
    for (uint64_t n = 0; n < p->events; n++) {
        int64_t ms, early_us;
        size_t length = nexmark_event(g, n, event, &ms);
        while ((early_us = ms * 1000 - now_us()) > 0) {
            rd_kafka_poll(rk, 0);
            nanosleep(&(struct timespec){.tv_nsec = early_us < 1000 ? early_us * 1000 : 1000000}, NULL);
        }
        bench_send(topic, rk, (int32_t)(n % PARTITIONS), NULL, 0, event, length);
    }
    if (rd_kafka_flush(rk, 120000)) bench_die("flush", "timed out");
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(rk);
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double quantile_ms(const struct pace *p, double q)
{
    return p->late_us[(size_t)(q * (double)(p->measured - 1))] / 1000.0;
}

int pace(int argc, char **argv)
{
    if (argc != 10) bench_die("pace", "BROKERS TOPIC OUTPUT RATE SECONDS WARM_UP_S (all|bids) UNIFORM_BIDDERS");
    uint64_t rate = strtoull(argv[5], NULL, 10);
    double seconds = atof(argv[6]), warm_up_s = atof(argv[7]);
    if (!rate || seconds <= 0) bench_die("pace", "nothing to send");
    struct pace p = {.brokers = argv[2], .topic = argv[3], .output = argv[4]};
    p.events = (uint64_t)((double)rate * (warm_up_s + seconds));
    bool bids = strcmp(argv[8], "bids") == 0;
    p.expected = p.events;
    if (bids) // the first four of fifty are none
        p.expected -= p.events / 50 * 4 + (p.events % 50 < 4 ? p.events % 50 : 4);
    p.late_us = calloc(p.expected, sizeof *p.late_us);
    p.reading = calloc(1, sizeof *p.reading);
    bench_reading_start(p.reading, p.brokers, p.output, true);
    struct nexmark g = {
        .events_per_second = rate, .base_ms = now_us() / 1000 + 1000, .uniform_bidders = strtoull(argv[9], NULL, 10)};
    p.from_ms = g.base_ms + (int64_t)(warm_up_s * 1000);
    pthread_t listener;
    if (pthread_create(&listener, NULL, listen_for_output, &p)) bench_die("pace", "no thread");
    send_all(&p, &g);
    int64_t deadline_us = now_us() + GRACE_S * (int64_t)1000000;
    while (p.came < p.expected && now_us() < deadline_us) nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    p.stop = true;
    pthread_join(listener, NULL);
    bench_reading_end(p.reading);
    free(p.reading);
    if (!p.measured) bench_die(p.output, "nothing came");
    qsort(p.late_us, p.measured, sizeof *p.late_us, by_size);
    printf("{\"sent\":%llu,\"expected\":%llu,\"came\":%llu,\"measured\":%zu,\"p50_ms\":%.1f,\"p99_ms\":%.1f,"
           "\"max_ms\":%.1f}\n",
           (unsigned long long)p.events, (unsigned long long)p.expected, (unsigned long long)p.came, p.measured,
           quantile_ms(&p, 0.5), quantile_ms(&p, 0.99), quantile_ms(&p, 1));
    free(p.late_us);
    return 0;
}
