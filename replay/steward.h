// The overseer of a process that runs on a real machine: a thread of its own that follows the control record, and the
// file DIR/<graph>/LIVE by which readers of the state directory find the generation that the stable name shows. It also
// clears away what generations left there that were retired while nobody hosted them.
#pragma once
#include "engine/worker.h"
#include "replay/overseer.h"

struct k_steward_options {
    struct k_kafka_options kafka; // of its own connection
    const struct k_plan *plan;    // borrowed
    const char *state_dir;        // borrowed
    uint64_t generation;
};
struct k_steward;
// Reads the control record and begins to follow it. The topic must be there.
K_CHECKED int k_steward_start(const struct k_steward_options *options, struct k_steward **ret, struct k_error *err);
// For the worker's options; as long as the steward.
const struct k_orders *k_steward_orders(const struct k_steward *steward);
// The worker whose shards' reports it reads from now on; NULL: none any more.
void k_steward_attach(struct k_steward *steward, struct k_worker *worker);
// Whether the generation has been retired: its processes stop, and its state goes.
bool k_steward_is_retired(const struct k_steward *steward);
void k_steward_stop(struct k_steward *steward); // ends the thread and frees; NULL-safe
