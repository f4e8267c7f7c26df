// One walk through a shard's journal, and the reference that was fed on the way.
#pragma once
#include "engine/journal.h"
#include "tests/reference/reference.h"
#include "tests/sim/sim.h"

struct walk {
    struct world *w;
    uint32_t shard;
    uint64_t generation;             // whose graph the reference has
    const struct scenario *scenario; // that one
    struct reference *reference;
    struct k_journal_point point;
    // Of the first graph's sources, which are all that the input has.
    int64_t next[SOURCES_MAX][PARTITIONS_MAX];
    uint32_t at[SOURCES_MAX][PARTITIONS_MAX]; // among the input's records
    bool read[SOURCES_MAX];                   // by the reference's graph
    uint32_t inputs[SOURCES_MAX];             // the leader's list: which source has this number
    uint32_t input_count;
    bool final;
    struct walked *records;
    uint64_t count, capacity;
    uint8_t leading;
};
// What was to be seen of a journal record, and of the reference behind it.
struct walked {
    uint8_t leader; // the generation; an output message says which record made it
    bool work_left;
    bool has_difference, difference_done;
    uint64_t control_seq, difference_seq, compared, written;
    const char *difference_from; // at the first leadership of a switch whose difference is wanted; arena of the input
    uint32_t *made;              // by topic, as topics_of has them: how many messages the reference has made so far
};

// judge.c: a store's table, read at this frontier, is the reference's; `where`: for people.
void judge_table(struct world *w, struct reference *reference, struct k_store *store, const char *table,
                 const char *where, int64_t frontier_us);
void walk_fini(struct walk *walk); // with its reference
// Walks to the end, with the graph of this generation; fails the world where the journal is wrong. Returns the walk's
// reference, NULL: there is none; it belongs to the walk.
struct reference *walk_journal(struct world *w, uint32_t shard, uint64_t generation, struct walk *walk);
// Another reference of the first graph, fed with the same input in another order: partition after partition.
struct reference *walk_partitions(struct world *w);
// The topics of all outputs of the first graph: sinks, then late rows; and behind them the dead letters'.
uint32_t walk_topic_count(const struct world *w);
const char *walk_topic(const struct world *w, uint32_t number);
