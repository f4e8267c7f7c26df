// Explaining a row: the journal is followed from its start into a state aside, one record and one unit of work at a
// time, with a note of what each read and wrote (lineage.h); then the way back from the row shows the records that made
// it.
#pragma once
#include "engine/plan.h"
#include "engine/shard.h"
#include "replay/lineage.h"

// What a state took of a partition before its journal: up to which offset, and what it hashes to (k_record_hash).
struct k_explain_history {
    uint32_t source, partition; // the plan's
    int64_t until;
    uint64_t hash;
};

struct k_explain_options {
    struct k_log *log; // Kafka's; borrowed
    const struct k_plan *plan;
    uint32_t shard;
    const char *table;
    const char *const *key; // as people type it
    uint32_t key_count;
    const struct k_start *starts; // where the generation begins, if not with the journal
    uint32_t start_count;
    int64_t journal_from; // the journal record behind which it begins, with history before it; 0: with the journal
    // That of the state which is explained: another one is refused, for it would explain another row. May be NULL.
    const struct k_explain_history *history;
    uint32_t history_count;
    int64_t journal_end;    // follow up to here; -1: up to the end that the journal has now
    uint64_t memory_bytes;  // of notes; the state lies on the disk, below TMPDIR
    // Asked now and then: true stops with K_E_TIMEOUT. May be NULL.
    bool (*stop)(void *context, uint64_t records);
    void *context;
};

// What happened to the row, or led to it.
struct k_explain_event {
    int32_t source;     // -1: frontier work
    int32_t partition;
    int64_t offset;     // of work: of the journal record at whose commit it was done
    int64_t time_us;    // the record's timestamp; of work: the journal's clock
    bool contributes;   // the row as it stands comes of it
    bool changed;       // it changed the row: from before to after
    struct k_str before, after; // bytes of the row (state/table.h); data NULL: there was none
    const char **families;      // pieces of state that it wrote on the way to the row
    uint32_t family_count;
};
struct k_explanation {
    struct k_arena arena;
    struct k_schema schema; // of the table
    const uint32_t *key;
    uint32_t key_count;
    struct k_value *key_values;
    struct k_str row;    // as it stands at the end; data NULL: there is none
    int64_t journal_end; // up to which it was followed
    uint64_t records;    // that were followed
    struct k_explain_event *events; // in their order
    uint64_t event_count;
};
// K_E_NOT_FOUND: no such table; K_E_USAGE: the key is none of it; K_E_LOST_RANGE, K_E_CORRUPT and the like: the journal
// cannot be followed from its start. On failure there is nothing to be freed.
K_CHECKED int k_explain(const struct k_explain_options *options, struct k_explanation *ret, struct k_error *err);
void k_explanation_fini(struct k_explanation *explanation); // also of a zeroed struct
