// Clients of Kafka for the programs of the benchmark. Every function ends the process with a sentence when something
// fails.
#pragma once
#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BENCH_BATCH = 4096, BENCH_PARTITIONS_MAX = 64 };

_Noreturn void bench_die(const char *what, const char *why);
void bench_set(rd_kafka_conf_t *conf, const char *name, const char *value);

// Idempotent, and transactional if there is an id (the caller then begins with rd_kafka_init_transactions). A message
// that cannot be delivered ends the process.
rd_kafka_t *bench_producer(const char *brokers, const char *transactional_id);

// Copies key and value. Waits while the producer's queue is full.
void bench_send(rd_kafka_topic_t *topic, rd_kafka_t *rk, int32_t partition, const char *key, size_t key_length,
                const char *value, size_t length);

// Reads all partitions of a topic, committed messages only.
struct bench_reading {
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    int partitions, open; // open: those whose end was not reached yet
    bool done[BENCH_PARTITIONS_MAX];
    rd_kafka_message_t *messages[BENCH_BATCH];
};
typedef void (*bench_visit_fn)(void *context, const rd_kafka_message_t *message);

// From their beginnings, or from where they end now.
void bench_reading_start(struct bench_reading *r, const char *brokers, const char *topic, bool from_end);
void bench_reading_end(struct bench_reading *r);

// What comes within the time, at most BENCH_BATCH messages; visit may be NULL. Returns their number.
size_t bench_read(struct bench_reading *r, int timeout_ms, bench_visit_fn visit, void *context);

// Up to the stable ends as of now.
uint64_t bench_read_all(struct bench_reading *r, bench_visit_fn visit, void *context);
