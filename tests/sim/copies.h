// Copies of states as they stand before a switch, for its difference: in memory, and seen by all workers, as if they
// had one state directory. They stay until the world ends, because somebody may be reading.
#pragma once
#include "engine/shard.h"

struct world;
struct copy {
    uint64_t seq;
    char generation[8];
    uint32_t shard;
    bool dropped;
    struct k_memory_disk *disk;
};
struct copies {
    struct copy *items;
    uint32_t count, capacity;
};
struct copy_place { // whose shard keeps or reads them
    struct world *world;
    const char *generation;
    uint32_t shard;
};
extern const struct k_copies sim_copies; // its context is a struct copy_place
// As it is now; the caller's. NULL: err says why.
struct k_memory_disk *copies_of_store(struct k_store *from, struct k_error *err);
struct k_memory_disk *copies_of_disk(struct k_memory_disk *from); // as it is now; the caller's
void copies_fini(struct copies *copies);
