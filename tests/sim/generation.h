// One generation of a pipeline in the simulator: its graph, where it begins, and where its outputs go until it leads.
//
// The first has the run's graph, or lacks one of its sources, which is then an added one for the others. Others have a
// corrected graph in two thirds of all cases (change.h), else the run's, so that what they write adds up to one whole;
// in half of these they seem to be another (their fingerprint is), and the units of work in a journal then count for
// their leader only.
#pragma once
#include "engine/plan.h"
#include "tests/sim/beginning.h"

struct world;
struct scenario;
enum { GENERATIONS_MAX = 3 };
struct generation {
    uint64_t number;
    char name[8];
    const char *suffix;       // of the topics to which it writes until it leads; NULL: it does not
    struct scenario *changed; // where its graph is not the run's; else NULL
    struct k_plan plan;       // shares everything with its scenario's
    bool takes; // what did not change from a copy of the live one, where that makes sense
    struct beginning beginning;
    // By the control record, as watched.
    bool lived, retired;
    bool asked_to_end; // somebody may have
    int64_t hold_until_us;
};
void generation_first(struct world *w, bool others); // the run's graph is drawn
// Another one, which has this number. Its graph is made of that of `from`.
void generation_draw(struct world *w, uint64_t number, uint64_t from);
void generation_fini(struct generation *generation);
const struct generation *generation_of(const struct world *w, uint64_t number);
const struct scenario *generation_graph(const struct world *w, uint64_t number);
bool generation_adds(const struct world *w, uint64_t number); // a source that the first lacks
// Whether it holds what the first does where they stand at the same place.
bool generation_agrees(const struct world *w, uint64_t number);
