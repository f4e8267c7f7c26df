// The working state of one shard: a write-back cache of typed values over a store.
//
// Owns: the cache's entries, and the rule that nothing reaches the store but by a checkpoint.
// Invariants
// 1. A dirty entry stays in memory until k_state_checkpoint has written it together with the position. Only clean
//    entries are evicted, and only in k_state_trim.
// 2. A value's address stays valid until the next k_state_trim, k_state_checkpoint, or its removal.
// 3. What a caller sees never depends on what happens to be cached: the store is consulted on a miss.
//
// Families: every piece of state that an operator declares is a family, found by name. A family is an ordered map,
// cut into segments (a window's end in µs, or 0 when there are none); its keys are memcmp-ordered (encoding.h).
// In the store: 0x01, family number (4 bytes big-endian), segment (8 bytes, order-preserving), key.
// Meta keys: 0x00 followed by a word: "format", "identity", "position", "family/<name>", "table/<name>".
#pragma once
#include "state/store.h"

// How values of a family live in memory. Memory form: `size` bytes, zeroed at creation, in place, aligned to 16; it
// may own memory of its own, but nothing points into it: k_state_trim may move it. Two values are the same state if and
// only if their encodings are equal.
struct k_family_type {
    uint32_t size;
    void (*encode)(const void *value, const void *context, struct k_buf *out);
    int (*decode)(struct k_str bytes, const void *context, void *value, struct k_error *err); // value is zeroed
    // Frees what the value owns; may be NULL. Also called for a value that is still zeroed, or that decode left half
    // done.
    void (*fini)(void *value, const void *context);
    size_t (*owned_bytes)(const void *value, const void *context); // may be NULL: none
};

struct k_state;
struct k_family;

struct k_state_options {
    uint64_t cache_bytes; // budget of entries, keys and values; the store has its own
};

// The state takes the store (closes it, also on failure). Reads what the store has: position may be empty (new).
int k_state_open(struct k_store *store, const struct k_state_options *options, struct k_state **ret,
                 struct k_error *err);
void k_state_destroy(struct k_state *state); // forgets what is dirty; NULL-safe

// The bytes saved by the last checkpoint; empty for a new state. Borrowed until the next checkpoint.
struct k_str k_state_position(const struct k_state *state);

// Meta entries, written with the next checkpoint; get sees what was put. Names as in the file's comment, without 0x00.
void k_state_put_meta(struct k_state *state, const char *name, struct k_str value);
int k_state_get_meta(struct k_state *state, const char *name, struct k_arena *arena, struct k_str *ret_value,
                     struct k_error *err); // data NULL when absent

// Declares a family, creating it if the store does not know it. context is handed to the type's functions and must
// outlive the state.
int k_state_family(struct k_state *state, const char *name, const struct k_family_type *type, const void *context,
                   struct k_family **ret, struct k_error *err);

// Families whose names begin with prefix lose it, with the next checkpoint. Before they are declared by their shorter
// names; K_E_CORRUPT: there is one of that name already.
K_CHECKED int k_state_uncover(struct k_state *state, const char *prefix, struct k_error *err);

enum k_find {
    K_FIND,          // ret_values[i] is NULL when absent
    K_FIND_OR_CREATE, // absent ones are created, zeroed, and dirty from then on
    K_FIND_BLIND,    // as K_FIND_OR_CREATE but without looking into the store: what was there is overwritten
};
// Looks up n keys at once (hashes first, prefetches, then one batched read of the store for the misses). segments may
// be NULL: all 0. Equal keys may occur several times and get the same value. ret_created may be NULL.
// A caller that changes a found value calls k_family_dirty.
int k_family_find(struct k_family *family, enum k_find how, uint32_t n, const int64_t *segments,
                  const struct k_str *keys, void **ret_values, bool *ret_created, struct k_error *err);
void k_family_dirty(struct k_family *family, void *value);
// Removes an entry by its key; absent is fine. The value's address is dead afterwards.
int k_family_remove(struct k_family *family, int64_t segment, struct k_str key, struct k_error *err);

// The least segment that holds an entry, in memory or in the store. *ret_found false: the family is empty.
int k_family_first_segment(struct k_family *family, int64_t *ret_segment, bool *ret_found, struct k_error *err);

// Takes up to max entries of a segment, in key order: visits each, then removes it. The value is valid during the
// visit only. visit returns 0, or an error code that stops before the removal of that entry. *ret_taken counts, also
// when an error is returned; fewer than max (without error) means that the segment is now empty. visit may work on
// other segments and families, not on this segment (an assertion), nor take from the same family. Adding to the segment
// between two slices is correct, but the next slice then sorts the whole segment again.
// A visit that returns K_TAKE_ENOUGH leaves that entry and all behind it; k_family_take then returns it, too.
enum { K_TAKE_ENOUGH = 1 };
typedef int (*k_family_visit)(void *context, struct k_str key, void *value, struct k_error *err);
int k_family_take(struct k_family *family, int64_t segment, uint32_t max, k_family_visit visit, void *context,
                  uint32_t *ret_taken, struct k_error *err);

// One atomic write of everything dirty, pending meta entries and the position. On failure nothing has changed, in
// memory or in the store (K_E_DISK_FULL: try again later). Families that a graph declares as write-only (see
// k_family_write_only) leave the cache here.
int k_state_checkpoint(struct k_state *state, struct k_str position, struct k_error *err);
void k_family_write_only(struct k_family *family);

// Removes rows of a table (state/table.h) that are expired at this frontier, with the next checkpoint: looks at no
// more than max_keys keys of the store, and goes on where it stopped the last time. Readers leave expired rows out
// anyway, so this is invisible and needs no place in the journal. retention_us < 0: nothing expires.
int k_state_sweep(struct k_family *family, int64_t frontier_us, int64_t retention_us, uint32_t max_keys,
                  uint32_t *ret_removed, struct k_error *err);

// Evicts clean entries until the cache is within its budget. Called between batches.
void k_state_trim(struct k_state *state);

struct k_state_figures {
    uint64_t entries, dirty_entries;
    uint64_t cache_bytes, dirty_bytes; // held now
    uint64_t hits, misses, absent;     // lookups answered by the cache, by the store, by "nowhere" (bloom or known)
    uint64_t checkpoints, checkpoint_bytes;
    uint64_t store_memory_bytes, store_disk_bytes;
    uint32_t store_level0_files; // how far compaction is behind: files that were not merged yet,
    uint64_t store_debt_bytes;   // and the bytes that it has to rewrite
};
void k_state_figures(struct k_state *state, struct k_state_figures *ret);
uint64_t k_state_dirty_bytes(const struct k_state *state); // cheap: asked between batches
struct k_store *k_state_store(struct k_state *state); // borrowed: export, pressure, reading after a checkpoint
