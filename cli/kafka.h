// Options of every verb that talks to Kafka, and the connection that they make.
#pragma once
#include "cli/command.h"
#include "engine/log.h"
#include "engine/plan.h"

// At base + these, in a verb's table: `KAFKA_OPTION_TABLE(FIRST)` puts them there.
enum { KAFKA_BROKERS, KAFKA_CONFIG, KAFKA_TIMEOUT, KAFKA_OPTION_COUNT };
#define KAFKA_OPTION_TABLE(first)               \
    [(first) + KAFKA_BROKERS] = OPTION_BROKERS, \
    [(first) + KAFKA_CONFIG] = OPTION_KAFKA_CONFIG, \
    [(first) + KAFKA_TIMEOUT] = OPTION_TIMEOUT

// Fills what the options say; the rest is as a short-lived command needs it.
K_CHECKED int kafka_options(struct call *call, uint32_t first, struct k_kafka_options *ret, struct k_error *err);
K_CHECKED int kafka_open(struct call *call, uint32_t first, struct k_log **ret, struct k_error *err);
// Whether all topics that exist fit, and sources exist; makes nothing.
K_CHECKED int kafka_check_topics(struct k_log *log, struct k_plan *plan, struct k_error *err);
