// One state, come to in many ways: by leading, standing by, recovering, as a shadow, by a cold follower, from an older
// checkpoint as a capsule does it, and by a bounded replay in the order of event time. Whatever the use, the tables are
// the same, byte by byte.
#pragma once
#include "state/store.h"
#include "tests/sim/seen.h"

struct world;
struct judging;
enum sim_use {
#define X(name, text) USE_##name,
    SIM_USES(X)
#undef X
    USE_COUNT
};
struct uses {
    bool drawn;       // the run ends with one
    enum sim_use use; // which
    struct k_memory_disk *checkpoint[2]; // by shard, of generation 1 on the way; NULL: not yet
};
void uses_prepare(struct world *w);
void uses_step(struct world *w); // takes a checkpoint aside, perhaps
void uses_judge(struct judging *j);
// A number for the rows of a state's table, without the time from which they expire.
uint64_t uses_hash(struct world *w, struct k_memory_disk *disk, const char *table);
void uses_fini(struct world *w);
