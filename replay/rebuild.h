// Rebuilding a state that is lost or suspect: from where can the journal still be followed?
//
// Following is what a worker with an empty directory does anyway; this says beforehand whether it can come to its end,
// so that nobody waits an hour to hear that the last record is gone.
#pragma once
#include "engine/plan.h"
#include "engine/log.h"
#include "proto/internal.pb-c.h"

struct k_rebuild {
    int64_t journal_offset; // where following begins, and where the journal ends now
    int64_t journal_end;
    uint64_t records;       // journal records on the way, if it begins at the start
};
// snapshot: the position of an export, or NULL for the journal's start. K_E_NOT_FOUND: the pipeline has no journal.
// K_E_LOST_RANGE: the journal or a source no longer reaches back, with the exact offsets. K_E_CONFIG: the snapshot is
// none of this journal.
K_CHECKED int k_rebuild_check(struct k_log *log, const struct k_plan *plan, uint32_t shard,
                              const Kappa__Internal__Position *snapshot, struct k_rebuild *ret, struct k_error *err);
