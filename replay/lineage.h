// Lineage: which steps made a value. A step is one record fed, or one unit of frontier work; of each it is noted which
// keys of the state it read and which it wrote. Going backwards from the last step that wrote the value, a step belongs
// to it if it wrote something that was read on the way to it.
//
// A step that writes a key without having read it makes what was there before irrelevant.
#pragma once
#include "base/bytes.h"
#include "base/memory.h"

struct k_lineage_step {
    int64_t offset;     // of the record in its partition; of work: of the journal record
    int64_t time_us;    // the record's timestamp; of work: the journal's clock
    int32_t input;      // which input of the machine; -1: frontier work
    uint32_t key_count; // its keys are keys[first_key ..]
    uint64_t first_key;
    bool contributes;   // set by k_lineage_trace
};
struct k_lineage {
    struct k_lineage_step *steps; // in the order in which they happened
    uint64_t step_count, step_capacity;
    struct k_lineage_key *keys;
    uint64_t key_count, key_capacity;
};
struct k_lineage_key {
    uint64_t hash;
    uint32_t family;
    bool written;
};
void k_lineage_fini(struct k_lineage *lineage); // also of a zeroed struct
// What the step under way does; the family's number is taken from the store key. Keys of notes are left out.
void k_lineage_read(struct k_lineage *lineage, struct k_str store_key);
void k_lineage_write(struct k_lineage *lineage, struct k_str store_key);
// The step under way ends. One that wrote nothing is forgotten (*ret false).
bool k_lineage_step(struct k_lineage *lineage, int32_t input, int64_t offset, int64_t time_us);
uint64_t k_lineage_bytes(const struct k_lineage *lineage);

// Whether what is read in one family may go into what the same step writes in another: a step may pass through several
// nodes, and not all of them lie on one way.
typedef bool (*k_lineage_feeds)(void *context, uint32_t read_family, uint32_t written_family);

// Marks the steps that made what the store key held after step `last`. families (grown, freed by the caller): pairs of
// (step, family) for each write that matters, from the last step backwards.
struct k_lineage_touch {
    uint64_t step;
    uint32_t family;
};
void k_lineage_trace(struct k_lineage *lineage, struct k_str store_key, uint64_t last, k_lineage_feeds feeds,
                     void *context, struct k_lineage_touch **ret_touches, uint64_t *ret_count);
