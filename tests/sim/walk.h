// One walk through a shard's journal, and the reference that was fed on the way.
#pragma once
#include "engine/journal.h"
#include "tests/reference/reference.h"
#include "tests/sim/sim.h"

struct walk {
    struct world *w;
    uint32_t shard;
    struct reference *reference;
    struct k_journal_point point;
    int64_t next[SOURCES_MAX][PARTITIONS_MAX];
    uint32_t at[SOURCES_MAX][PARTITIONS_MAX]; // among the input's records
    bool final;
    // Who led: the generation, by journal record. An output message says which record made it.
    uint8_t *leads;
    uint64_t lead_count, lead_capacity;
    uint8_t leading;
};

void walk_fini(struct walk *walk); // with its reference
// Walks to the end; fails the world where the journal is wrong. Returns the walk's reference, NULL: there is none; it
// belongs to the walk.
struct reference *walk_journal(struct world *w, uint32_t shard, struct walk *walk);
// Another reference, fed with the same input in another order: partition after partition.
struct reference *walk_partitions(struct world *w);
