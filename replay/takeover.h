// Minimal replay: what a new generation takes over from a copy of another one's state instead of computing it.
//
// The copy stands at a mark of the journal. What is kept by the plan of a change (replay/change.h) has there the state
// that a replay would compute. So a node can be taken over unless one that is computed reads it, directly or through
// others: that one needs all that it ever gave, and no state has that. Nodes without state that nobody computed reads
// are not run before the mark either, changed or not: what they give goes nowhere. The engine's part is in
// engine/takeover.c.
#pragma once
#include "engine/shard.h"
#include "replay/change.h"

enum k_taking_how {
    K_TAKING_COMPUTE, // from the journal's beginning
    K_TAKING_OVER,    // from the copy
    K_TAKING_LATER,   // has no state, and begins at the copy's place
};
const char *k_taking_name(enum k_taking_how how); // "computed", "taken over", "begins there"

struct k_taking_item {
    const char *name;
    enum k_taking_how how;
    const char *why; // NULL, or why it is computed though it did not change
};
struct k_taking {
    struct k_taking_item *items; // as the new plan's nodes
    uint32_t count;
    // As its sources. Taken over: nothing that is computed wants its records from before the copy's place.
    struct k_taking_item *sources;
    uint32_t source_count;
    const bool *kept_sources; // as the new plan's sources
    const char *why_not;      // why nothing is gained, in words; NULL: something is
    bool same_sources;        // none changed, came or went
    bool whole;               // nothing is computed, and no source changed: nothing is read again
};
// Everything lies in the arena, but for names: the plans must outlive it.
void k_taking_decide(const struct k_plan *old, const struct k_plan *new, const struct k_change *change,
                     struct k_arena *arena, struct k_taking *ret);

// Makes a copy of a shard's state at a mark, with its own generation's plan `old`, into the beginning of a state of the
// new plan, by one write. Where the new generation begins must be where the copy's did. K_E_CONFIG: it cannot be taken
// over, with the reason; the copy has not changed.
K_CHECKED int k_takeover_make(struct k_store *copy, const struct k_plan *old, const struct k_plan *new,
                              const struct k_taking *taking, const struct k_start *starts, uint32_t start_count,
                              struct k_error *err);
