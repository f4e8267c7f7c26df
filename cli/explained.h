// What kappa explain follows: a graph, where its generation begins, and how far its journals are followed.
#pragma once
#include "cli/load.h"
#include "replay/explain.h"
#include "replay/starts.h"
#include "state/reader.h"

enum { EXPLAINED_SHARDS_MAX = 1024 };
struct explained {
    struct loaded loaded;
    int64_t at[EXPLAINED_SHARDS_MAX]; // per shard: the journal's offset; -1: its end
    struct k_starts starts; // of the generation, by its state; where it has history, by the note of its starts
    uint64_t generation;    // of the state; 0: there is none
    struct k_explain_history *history; // what the state has read before its journals, of all shards
    uint32_t history_count;
    bool noted; // its beginning stands in the note only
};
void explained_init(struct explained *e);
void explained_fini(struct explained *e);

// Graph, beginning and position of a state. K_E_CONFIG: it does not hold its graph; K_E_UNAVAILABLE: it still reads its
// history.
K_CHECKED int explained_by_state(struct explained *e, const struct k_reader_options *options, struct k_error *err);
// Of a generation with history: where it began, from the topic of its starts. Of others nothing is read.
K_CHECKED int explained_read_note(struct explained *e, struct k_log *log, struct k_error *err);
// The journal record behind which the generation begins in a shard; 0: it begins with the journal.
int64_t explained_from(const struct explained *e, uint32_t shard);
