// Readers beside the workers of a run on RocksDB: whatever a view shows must be a checkpoint that was taken, all of it
// and nothing else.
#pragma once
#include "tests/sim/lines.h"

// The rows of a table, in the order of its keys, as JSON: of a store, as of this frontier; of a view.
void rows_of_store(struct world *w, struct k_store *store, const char *table, int64_t frontier_us,
                   struct lines *lines);
void rows_of_view(struct world *w, struct k_view *view, const char *table, struct lines *lines);

// A store that hands everything on to `inner`, which it owns. It asks for faults before each apply, as the in-memory
// store does, and notes of each checkpoint what its tables held.
struct k_store *disk_watch(struct disk *disk, struct k_store *inner);
// A reader opens a view of some worker's disk, or looks at the one that it opened some time ago.
void readers_step(struct world *w);
void readers_end(struct world *w);
