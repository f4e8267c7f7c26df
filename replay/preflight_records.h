// Whether the sources' topics are still those that the journal read.
#pragma once
#include "engine/log.h"
#include "engine/plan.h"
#include "replay/starts.h"

// from: the offset of the journal record with which the generation begins, or 0; end: the journal's. K_E_LOST_RANGE
// names a topic, partition and offsets where the log shows other records than the journal names. starts may be NULL.
K_CHECKED int preflight_records(struct k_log *log, const struct k_plan *plan, uint32_t shard, int64_t from,
                                int64_t end, const struct k_starts *starts, struct k_error *err);
