// ktool: what the tests ask of a Kafka cluster from outside the engine, in librdkafka's own terms. It shares
// no code with the engine, so that a mistake there cannot hide itself here.
#pragma once
#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>

enum { KTOOL_WAIT_MS = 30000 }; // bound of one request to the cluster

// What the command line says; one struct for all commands, each reads its own part.
struct ktool_options {
    const char *brokers;      // NULL: a setting names them
    const char *settings[64]; // "name=value" of librdkafka, in the order given
    int setting_count;
    // create
    int partitions;
    const char *configs[64]; // "name=value"
    int config_count;
    bool if_absent;
    // produce
    const char *transaction; // transactional.id, or NULL
    bool abort, plain;
    int64_t every; // records a transaction; 0: one for all
    // consume, offsets
    bool uncommitted;
    int32_t partition;  // -1: all
    int64_t from, count; // -1: from the start; -1: up to the stable end
    int timeout_ms, settle_ms;
};

// Ends the program with status 1 and one line on stderr.
_Noreturn void ktool_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

// A configuration of the pairs of name and value, closed by NULL, and over them what the command line says.
rd_kafka_conf_t *ktool_conf(const struct ktool_options *options, ...);

// A handle; takes conf.
rd_kafka_t *ktool_open(rd_kafka_type_t type, rd_kafka_conf_t *conf);

// The partitions of a topic; ends the program when it does not exist.
int ktool_partitions(rd_kafka_t *rk, const char *topic);

// Lines of JSON from stdin (json_line.h) to the topic, NULL: each line names its own; prints {"produced":N}.
void ktool_produce(const struct ktool_options *options, const char *topic);

// Messages of the topics as lines of JSON, up to their stable end or up to a number of messages.
void ktool_consume(const struct ktool_options *options, char **topics, int count);

// One line a partition: {"partition":0,"low":0,"stable":7,"high":9}.
void ktool_offsets(const struct ktool_options *options, const char *topic);
