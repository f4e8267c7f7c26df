// What the parts of the cache share. Only state/ includes this.
//
//   segment.c     entries in memory: hash tables, slabs, dirty lists (segment.h); nothing there knows the store
//   family.c      families and segments: which exist, what the store may still hold of them
//   find.c        lookups, creations, removals
//   take.c        taking a segment in key order; sort.c sorts for it and for checkpoints
//   checkpoint.c  dirty entries → one atomic write
//   trim.c        eviction and compaction
//   retention.c   removing expired rows of tables
//   state.c       the whole: opening, meta entries, figures
#pragma once
#include "state/segment.h"

struct k_pending_meta {
    char *name; // without 0x00
    struct k_buf value;
    bool remove;
};

// An entry that a find call has just made, or a tombstone that it has brought back to life.
struct k_fresh {
    uint32_t index;
    bool asks_store, revived;
    struct k_entry *entry;
};

struct k_state {
    struct k_store *store;
    struct k_state_options options;
    struct k_family **families;
    uint32_t family_count, family_capacity, next_number;
    struct k_buf position;
    struct k_pending_meta *meta;
    uint32_t meta_count;
    struct k_slab *hand;     // of the clock; NULL without slabs
    uint64_t slab_count;
    uint64_t held;         // bytes of slabs, tables, dirty lists, runs, segments, and what values own
    uint64_t futile_at;    // a trim that freed nothing held so much; 0: none
    struct k_state_figures figures;
    // Scratch of lookups, reused.
    struct k_segment **of_key;
    uint32_t *hashes;
    uint16_t *tags;
    uint32_t key_capacity;
    struct k_fresh *fresh;
    uint32_t fresh_count, fresh_capacity;
    struct k_arena arena;            // reset by whoever uses it
    struct k_arena checkpoint_arena; // keys and values of one checkpoint
};

// family.c: which segments there are.
struct k_segment *k_family_segment(struct k_family *family, int64_t id); // or NULL
struct k_segment *k_family_segment_make(struct k_family *family, int64_t id);
// Forgets segments about which there is nothing to remember.
void k_family_tidy(struct k_family *family);
int k_family_learn_segments(struct k_family *family, struct k_error *err);
void k_family_destroy(struct k_family *family);
// Whether the store may hold a valid value of a key that is not in memory.
static inline bool k_segment_asks_store(const struct k_segment *segment, struct k_str key)
{
    if (segment->complete || segment->gone_all) return false;
    struct k_str gone = {segment->gone_to, segment->gone_length}, swept = {segment->swept_to, segment->swept_length};
    if (gone.data && k_str_compare(key, gone) <= 0) return false;
    return !swept.data || k_str_compare(key, swept) > 0;
}
// Store keys: prefix of a family's segment, and the first key behind a segment.
enum { K_STORE_PREFIX = 13 };
void k_store_prefix(char out[K_STORE_PREFIX], uint32_t number, int64_t segment);
// from: the segment's first key that is not gone; to: behind its last. Both in the arena.
void k_segment_store_range(const struct k_segment *segment, struct k_arena *arena, struct k_str *ret_from,
                         struct k_str *ret_to);
void k_family_store_end(const struct k_family *family, char out[5]); // behind the family's last key
int k_family_decode(const struct k_family *family, int64_t segment, struct k_str bytes, void *value,
                  struct k_error *err);
