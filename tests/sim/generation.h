// One generation of a pipeline in the simulator: its graph, where it begins, and where its outputs go until it leads.
//
// The first has the run's graph. Others have a corrected one in two thirds of all cases (change.h), else the same, so
// that what they write adds up to one whole; in half of these they seem to be another (their fingerprint is), and the
// units of work in a journal then count for their leader only.
#pragma once
#include "engine/plan.h"
#include "engine/shard.h"

struct world;
struct scenario;
enum { GENERATIONS_MAX = 3, STARTS_MAX = 12 }; // a partition each
struct generation {
    uint64_t number;
    char name[8];
    const char *suffix;       // of the topics to which it writes until it leads; NULL: it does not
    struct scenario *changed; // where its graph is not the first's; else NULL
    struct k_plan plan;       // shares everything with its scenario's
    bool takes; // what did not change from a copy of the live one, where that makes sense
    // Where it begins, drawn when its first process starts, from what is there.
    bool starts_later, starts_drawn;
    struct k_start starts[STARTS_MAX];
    uint32_t start_count;
    // By the control record, as watched.
    bool lived, retired;
    bool asked_to_end; // somebody may have
    int64_t hold_until_us;
};
void generation_first(struct world *w); // the run's graph is drawn
// Another one, which has this number. Its graph is made of that of `from`.
void generation_draw(struct world *w, uint64_t number, uint64_t from);
void generation_draw_starts(struct world *w, uint64_t number);
void generation_fini(struct generation *generation);
const struct generation *generation_of(const struct world *w, uint64_t number);
const struct scenario *generation_graph(const struct world *w, uint64_t number);
int64_t generation_begin(const struct world *w, uint64_t number, const char *topic, uint32_t partition); // 0: nowhere
// Whether it holds what the first does where they stand at the same place.
bool generation_agrees(const struct world *w, uint64_t number);
