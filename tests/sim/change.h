// A corrected graph: what people make of the one that runs, for the second generation.
#pragma once
#include "tests/sim/sim.h"

// Changes the graph of `from` in one place or two. false: nothing of what was tried is a graph; *ret is then zeroed.
// ret has the same names, topics and sources as `from`, as far as they are still there; freed by scenario_fini.
bool change_draw(const struct scenario *from, uint64_t *random, struct stats *stats, struct scenario *ret);
// The graph of `from` without one of its sources and all that reads nothing else; otherwise as change_draw.
bool change_lacks(const struct scenario *from, uint64_t *random, struct scenario *ret);
// Whether a sink, late topic or table of `second` has the same rows as in `first`, by what kappa plan says of them.
bool change_keeps(const struct scenario *first, const struct scenario *second, const char *name);
