// Which nodes may come out otherwise than they did live, when a part of what the journal ordered is merged as history:
// those whose result depends on the order of partitions, on idleness, or on records that a compacted topic no longer
// has; and whoever reads them.
#pragma once
#include "engine/plan.h"
#include "replay/preflight.h"

struct k_past_item {
    const char *kind, *name; // of the plan
    const char *reason;
};
struct k_past {
    struct k_past_item *items; // as in the plan
    uint32_t count;
};
// found: of a generation that begins behind a later record of the journal. Everything lies in the arena, but for names.
void k_past_make(const struct k_plan *plan, const struct k_preflight *found, struct k_arena *arena, struct k_past *ret);
