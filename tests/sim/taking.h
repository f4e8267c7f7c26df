// Minimal replay: the first process of a generation takes over what did not change from a copy of the live one's state.
// It asks for a mark, waits for the copies of all shards, and makes the beginnings of its own states of them, while the
// copied generation goes on; it may die at each of these steps, and then begins anew.
#pragma once
#include "tests/sim/sim.h"

// Before the worker's shards are made, with its connection. false: not now, it is started again later.
bool taking_begin(struct world *w, struct worker *worker);
// Whether a node's counters may begin where some generation took over, so that they are not those of a replay.
bool taking_begins_later(const struct world *w, const struct worker *worker, uint32_t shard, const char *node);
void taking_forget(struct worker *worker); // its disks are empty again
