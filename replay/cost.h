// What a replay will cost: bytes to read, time and disk, as far as they can be measured before it begins.
//
// Bytes are those of keys and values. Where a partition is short all of it is read; else some records at three places
// of it, and the sum is an estimate. The rate is the highest that the pipeline itself kept up for a second, in the
// first and last records of its journals: where it began, it usually caught up. The disk is that of the live
// generation's state, if that lies in the same state directory: the new one's takes as much, unless somebody knows
// better.
#pragma once
#include "replay/preflight.h"

struct k_cost_options {
    const char *state_dir;
    uint64_t live;       // the generation that lives
    uint64_t own;        // the generation that is to be hosted, if it is there already; 0: a new one
    uint64_t rate;       // records a second, as it was asked for; 0: as fast as it goes
    uint64_t disk_bytes; // as somebody knows better; 0: as much as the live one's
};
struct k_cost {
    uint64_t bytes, journal_bytes;
    bool exact;      // of the bytes: everything was read
    double measured; // records a second; 0: nothing was measured
    double seconds;  // of the shard that takes longest, at the rate asked for, or measured; -1: not known
    bool disk_known;
    uint64_t disk_needed; // in all
    uint64_t disk_there;  // of that, what the generation's own state takes already
    uint64_t disk_free;
};
K_CHECKED int k_cost_measure(struct k_log *log, const struct k_plan *plan, const struct k_preflight *found,
                             const struct k_cost_options *options, struct k_cost *ret, struct k_error *err);
// Only the disk, which asks no broker.
K_CHECKED int k_cost_disk(const struct k_plan *plan, const struct k_cost_options *options, struct k_cost *cost,
                          struct k_error *err);
// K_E_DISK_FULL, with the exact bytes: less is free than it will need.
K_CHECKED int k_cost_check(const struct k_cost *cost, const struct k_cost_options *options, struct k_error *err);
