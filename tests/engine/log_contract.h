// What engine/log.h promises, as cases that run on any implementation of it: on Kafka itself (tests/real) and on the
// in-memory log. A case that passes on one and fails on the other has found a difference that the simulator would hide.
#pragma once
#include "engine/log.h"

struct log_contract {
    // A worker's connection, closed by the contract. Never NULL.
    struct k_log *(*connect)(struct log_contract *contract, const char *worker);
    // Lets time pass for the log.
    void (*pass)(struct log_contract *contract, int64_t us);
    const char *unique;      // part of every topic, group and id, so that cases do not meet others' data
    int64_t patience_us;     // how long something may take that happens by itself (a rebalance)
    int64_t session_timeout_us;
    const char *only;        // NULL: every case; else those whose name contains it
    // The case under way:
    const char *name;
    char topic[128];
    char failure[512];       // empty: none
};

// Runs the cases, prints "ok NAME" or "FAIL NAME: what" for each, and returns how many failed.
int log_contract_run(struct log_contract *contract);
