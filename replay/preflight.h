// What can be known of a replay before it begins: whether the journal goes back to its beginning, reads the graph's
// sources, and whether the sources still hold what the journal orders.
#pragma once
#include "engine/log.h"
#include "engine/plan.h"
#include "replay/starts.h"

// What is to be read of one partition of a source: offsets [from, end).
struct k_preflight_range {
    const char *topic; // borrowed from the plan
    int32_t partition;
    uint32_t shard;
    int64_t from, end;
    bool history;  // it is read before the journal is followed
    bool compacted;
    bool embedded; // its records stand in the journal
};
struct k_preflight {
    char fingerprint[40];     // of the graph that leads where it begins
    struct k_preflight_range *ranges;
    uint32_t range_count;
    uint64_t records;         // at most so many are to be read: offsets, which count transaction markers and gaps too
    uint64_t journal_records; // the same of the journals
};
// K_E_NOT_FOUND: there is no journal, or nothing in it. K_E_LOST_RANGE names the topic, partition and offsets that are
// gone. K_E_CONFIG: another number of shards, or a source that the pipeline does not read.
// starts: where the generation begins, if not where the journal does (NULL: it does), completed by k_beginning_choose
// or as they were noted. On failure there is nothing to be
// freed.
K_CHECKED int k_preflight(struct k_log *log, const struct k_plan *plan, const struct k_starts *starts,
                          struct k_preflight *ret, struct k_error *err);
void k_preflight_fini(struct k_preflight *found); // also of a zeroed struct
