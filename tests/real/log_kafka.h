// What the programs and parts of tests/real/log_kafka*.c share: reports, clocks, a connection.
#pragma once
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "engine/log.h"

enum { SECOND = 1000000, SESSION_US = 2 * SECOND };
extern const char *brokers; // KAPPA_BROKERS
extern char unique[64];     // part of every name that this run makes

// Prints "ok NAME: …" or "FAIL NAME: …", and remembers the latter.
void report(const char *name, bool good, const char *format, ...) __attribute__((format(printf, 3, 4)));
void sleep_us(int64_t us);
struct k_kafka_options options(void);
struct k_log *open_log(struct k_kafka_options with); // ends the program if it cannot
// Opening a connection, or asking it for a topic, fails within 10 s, with this code and a text that holds wanted_text.
void expect_refusal(const char *name, struct k_kafka_options with, int wanted, const char *wanted_text);

// The parts of log_kafka_faults.c.
void stale(void);
void security(void);
void doubt(void);
// log_kafka_rest.c.
void resting(void);
