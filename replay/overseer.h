// One process's part in the pipeline's generations: it follows the control record, tells its shards who shall lead, and
// finishes what a command asked for, whichever process comes to it first.
//
// It completes a switch when the journals of all shards, as this process's shards have followed them, say that it is
// settled; it takes one back that does not come to its end in time (counted from when this process first saw it, while
// it looks: clocks of machines differ, and machines sleep); it retires warm generations whose hold is over. One thread
// drives it; the shards only read its orders, and it only reads their reports.
#pragma once
#include "engine/shard.h"
#include "replay/control.h"

struct k_overseer_options {
    struct k_log *log;   // borrowed
    const char *graph;   // borrowed
    uint64_t generation; // of this process's shards
    uint32_t shards;     // all of the pipeline: every process hosts them
    // The last report of one of them; false: it has none yet.
    bool (*report)(void *context, uint32_t shard, struct k_shard_report *ret);
    void *context;
    uint64_t seed; // for pauses of random length
};

struct k_overseer;
// Reads the control record to its end, so that no shard acts on none. K_E_RETRY, …: see k_control_again.
K_CHECKED int k_overseer_create(const struct k_overseer_options *options, struct k_overseer **ret,
                                struct k_error *err);
void k_overseer_destroy(struct k_overseer *overseer);                        // NULL-safe
const struct k_orders *k_overseer_orders(const struct k_overseer *overseer); // for k_shard_options; as long as it
const struct k_control *k_overseer_control(const struct k_overseer *overseer);

// One step. *ret_wait_us: when to call again. An error is one of now (the next step tries again), or K_E_CRASHED.
int k_overseer_step(struct k_overseer *overseer, int64_t *ret_wait_us, struct k_error *err);

// Until there may be a new control record, at most timeout_us.
void k_overseer_wait(struct k_overseer *overseer, int64_t timeout_us);

// Whether the stable name may show this process's generation, by its own checkpoints: the switch is complete, and each
// of its shards' checkpoints stands behind the place where the generation took over.
bool k_overseer_may_serve(struct k_overseer *overseer);
