// Two generations of one pipeline in the simulator: workers of the second beside those of the first, people who ask for
// switches, and a watch over the control record.
//
// Both have the same graph, so that one reference tells what both must come to; in half of the runs the second seems to
// be another (its fingerprint is), and the units of work in a journal then count for their leader only.
#pragma once
#include "engine/plan.h"
#include "replay/overseer.h"
#include "tests/sim/copies.h"

struct world;
struct worker;
struct generations {
    bool there;
    struct copies copies;
    struct k_plan other_plan; // of generation 2; shares everything with the scenario's
    uint64_t last_revision, last_seq, last_done, last_target; // of the control record, as watched
};
void generations_prepare(struct world *w);
bool generations_start(struct world *w, struct worker *worker); // false: not now
int64_t generations_step(struct world *w, struct worker *worker);
void generations_trouble(struct world *w, bool surely); // somebody types a command, perhaps
void generations_watch(struct world *w); // fails the world when the control record, or what it says, cannot be
bool generations_are_settled(struct world *w);
void generations_judge(struct world *w); // at the end
