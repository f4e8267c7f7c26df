// The plan of a change: what a new graph keeps of the one that lives. By names, as state is.
//
// A node or table is kept if nothing that its rows depend on has changed: its own definition, how it treats errors, its
// inputs up to the sources, and, where it waits for the frontier, the times of every source (the frontier is the
// shard's). What is kept must come out equal in a comparison, whether a replay computes it or takes it over
// (takeover.h).
#pragma once
#include "engine/plan.h"

enum k_fate { K_FATE_KEEP, K_FATE_REBUILD, K_FATE_REMOVE, K_FATE_ADD };
const char *k_fate_name(enum k_fate fate); // "keep", …

struct k_change_item {
    const char *kind, *name; // "source", or the operator's; of one of the plans
    enum k_fate fate;
    const char *reason; // NULL: kept
};
struct k_change {
    struct k_change_item *items; // sources, then nodes as in the new plan, then what is removed
    uint32_t count;
    const char *why_frontier; // why event time runs in another way than before; NULL: it does not
};
// Whether it waits for the frontier: so do also rows that expire.
bool k_node_waits(const struct k_plan *plan, const struct k_node *node);
// why_all: a reason to rebuild everything that the two graphs do not show (another version of the operators, another
// content of a file that they name); NULL: none. Everything lies in the arena, but for names: the plans must outlive
// it.
void k_change_make(const struct k_plan *old, const struct k_plan *new, const char *why_all, struct k_arena *arena,
                   struct k_change *ret);
