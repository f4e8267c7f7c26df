// Minimal replay, on this machine: a copy of the live generation's state at a mark, made into the beginning of the new
// one's.
#pragma once
#include "cli/load.h"
#include "replay/starts.h"
#include "replay/control.h"
#include "replay/takeover.h"

struct takeover {
    const char *state_dir; // borrowed, as is the plan
    const struct k_plan *new;
    uint64_t from;     // the live generation
    char why_not[512]; // why everything is computed; empty: it is not
    struct loaded old;
    struct k_arena arena;
    struct k_taking taking;
    uint32_t *shards; // of the live generation, here
    uint32_t shard_count;
    char *place; // below which the states lie that are made; NULL: none yet
    int lock;    // held while they are; -1: not
};

// Whether each shard of a generation has a state here: then it goes on as it began.
bool takeover_is_placed(const char *state_dir, const struct k_plan *plan, uint64_t generation);
// What could be taken over, by the graphs. Never fails: what cannot be said is a reason to compute everything.
void takeover_decide(struct takeover *t, const char *state_dir, const struct k_plan *plan,
                     const struct k_control *control);
// Asks for a mark, waits for the copies, and makes them into states of the new graph that begins at starts. Never
// fails: where that does not come to an end, everything is computed, and why_not says why.
void takeover_prepare(struct takeover *t, struct k_log *log,
                      const struct k_starts *starts); // NULL: with the journal
// Puts what was prepared where the new generation's state belongs; where there is one already, it stays.
K_CHECKED int takeover_place(struct takeover *t, uint64_t generation, struct k_error *err);
void takeover_say(const struct takeover *t, const char *command);
void takeover_fini(struct takeover *t); // removes what was prepared and not placed
