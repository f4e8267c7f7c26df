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
    // Of the whole graph's sources, which are all that the input has.
    int64_t next[SOURCES_MAX][PARTITIONS_MAX];
    uint32_t at[SOURCES_MAX][PARTITIONS_MAX]; // among the input's records
    int64_t history[SOURCES_MAX][PARTITIONS_MAX]; // where history ended, of sources that were not added
    bool read[SOURCES_MAX];                       // by the reference's graph
    uint32_t inputs[SOURCES_MAX];             // the leader's list: which source has this number
    uint32_t input_count;
    bool final;
    int64_t from; // records up to this offset are not followed: the generation begins behind it, with history; 0: none
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
struct reference_record walk_record_of(uint32_t partition, const struct record *record);
// Tells a record to the reference, if its graph reads the source, and the generation the offset.
void walk_feed(struct walk *walk, uint32_t source, uint32_t partition, const struct record *record);
// walk_history.c. At a leadership, before its ranges: a source that the leader before lacked goes on where this one has
// it from its history; what lies between is told to the reference of who has not.
void walk_join(struct walk *walk, const Kappa__Internal__JournalRecord *record);
// Where a partition's history ends for this generation; of a source that it does not add: at the walk's place.
int64_t walk_history_end(const struct walk *walk, uint32_t source, uint32_t partition);
// Tells it to the reference, up to the walk's place, where the journal's clock may be known already (INT64_MIN: not).
void walk_history(struct walk *walk, int64_t clock_us);
// A boundary, with this walk's declaration that the input is complete, if there was one.
void walk_settle(struct walk *walk, int64_t clock_us, const struct reference_partition *ends, uint32_t count);
// Walks to the end, with the graph of this generation; fails the world where the journal is wrong. Returns the walk's
// reference, NULL: there is none; it belongs to the walk.
struct reference *walk_journal(struct world *w, uint32_t shard, uint64_t generation, struct walk *walk);
// Another reference of generation 1's graph, fed with the same input in another order: partition after partition.
struct reference *walk_partitions(struct world *w);
// The topics of all outputs of the whole graph: sinks, then late rows; and behind them the dead letters'.
uint32_t walk_topic_count(const struct world *w);
const char *walk_topic(const struct world *w, uint32_t number);
