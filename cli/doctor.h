// What the parts of `kappa doctor` share: the findings, and what was found out so far.
#pragma once
#include "cli/facts.h"
#include "cli/kafka.h"
#include "cli/load.h"

struct doctor {
    struct call *call;
    bool json;
    // What run would be given.
    const char *state_dir;
    uint64_t memory_bytes;
    int64_t transaction_timeout_us;
    uint32_t shards;
    int32_t replication;
    // Found out on the way; NULL: not there.
    struct k_plan *plan;
    struct facts *facts;
    struct k_log *log;

    struct k_buf document; // JSON of the findings
    uint32_t findings;
    int worst; // exit status
};

// A finding about one check. advice: what to do, a sentence; NULL: nothing.
void doctor_ok(struct doctor *doctor, const char *check, const char *format, ...) K_PRINTF(3, 4);
void doctor_warn(struct doctor *doctor, const char *check, const char *advice, const char *format, ...)
    K_PRINTF(4, 5);
void doctor_fail(struct doctor *doctor, const char *check, int code, const char *advice, const char *format, ...)
    K_PRINTF(5, 6);

void doctor_machine(struct doctor *doctor); // memory, files, the state directory and what it holds
void doctor_broker(struct doctor *doctor);  // the rest; closes what it opens
