// Entries in memory, and the segments that hold them. Only state/ includes this; cache.h is about the rest.
//
// An entry is a header of 16 bytes, the value, the key. Entries lie in slabs, filled from one end and never reused: a
// slab without a live entry is freed at once, a sparse one is emptied by trim, which alone may move entries. A
// segment's hash table has slots of 8 bytes: 48 bits of address, 16 bits of the hash.
#pragma once
#include "base/hash.h"
#include "state/encoding.h"
#include "state/state.h"

enum {
    K_ENTRY_REMOVED = 1,    // a tombstone: absent, but the store may hold it until the next checkpoint
    K_ENTRY_IN_STORE = 2,   // the store may hold the key; without it a removal leaves no tombstone
    K_ENTRY_REFERENCED = 4, // used since the clock's hand last came by
    K_ENTRY_FREE = 8,       // dead memory inside a slab
    K_ENTRY_FLAG_BITS = 4,
};
#define K_KEY_LENGTH_MAX (UINT32_MAX >> K_ENTRY_FLAG_BITS)
#define K_NOT_DIRTY UINT32_MAX

struct k_entry {
    uint32_t hash;         // the lower half
    uint32_t length_flags; // length of the key << K_ENTRY_FLAG_BITS | flags
    uint32_t slab_offset;  // distance to its slab, in units of 16 bytes
    uint32_t dirty_index;  // place in the segment's dirty list, or K_NOT_DIRTY
    char value[];          // value, [owned bytes: 8], key
};
_Static_assert(sizeof(struct k_entry) == 16, "values are aligned to 16 bytes");

struct k_slab {
    struct k_slab *ring_next, *ring_prev; // all slabs of the state; the clock's hand walks them
    struct k_segment *segment;
    uint32_t size, used; // bytes of data
    uint32_t live;       // bytes of entries that are not free
    uint32_t dirty;      // bytes of dirty entries among them
    bool pinned;         // stays, even without a live entry
    char data[] __attribute__((aligned(16)));
};

struct k_segment {
    struct k_family *family;
    int64_t id;
    uint64_t *slots;
    uint32_t slot_count; // a power of two, or 0
    uint32_t count;      // entries in the table, tombstones included
    uint32_t removed;    // tombstones among them
    struct k_slab *filling;
    struct k_entry **dirty; // with holes (NULL) where a dirty entry was removed without a trace
    uint32_t dirty_count, dirty_capacity, dirty_holes;

    // Everything that the store has of this segment is in memory too (or below gone_to).
    bool complete;
    // Keys up to this one, itself included, were taken: whatever the store has of them is void, and goes at the next
    // checkpoint. NULL: none.
    char *gone_to;
    uint32_t gone_length, gone_capacity;
    uint64_t gone_stored; // keys among them that the store may hold
    bool gone_all;        // nothing of this segment in the store is valid
    bool gone_refilled;   // keys up to gone_to have been added since
    // What was gone at the last checkpoint: the store has no key up to this one, so that the next look starts behind
    // it instead of passing over what RocksDB remembers of removed keys. NULL: not known; forgotten when a key below
    // is added.
    char *swept_to;
    uint32_t swept_length;

    // A take in progress: the live entries in key order when it began; derived, dropped when the segment changes.
    struct k_entry **run;
    uint32_t run_count, run_at;
    bool taking; // a visit is under way: nothing may change the segment
};

struct k_family {
    struct k_state *state;
    char *name;
    uint32_t number;
    const struct k_family_type *type;
    const void *context;
    bool write_only;
    uint32_t owned_offset, key_offset; // in an entry's value; owned_offset 0: the type has no owned_bytes
    struct k_segment **segments;         // ascending by id
    uint32_t segment_count, segment_capacity;
    struct k_segment *last; // the segment of the last lookup
    // The store holds nothing of this family in segments at or behind this one that are not listed above, unless
    // `unknown`: then it may hold segments at or behind unknown_from that nobody has looked at.
    bool unknown;
    int64_t unknown_from;
    int64_t empty_below; // no segment before this one holds an entry, here or in the store
    void *scratch;        // one value, for entries that are visited without being cached
    struct k_buf sweep_key; // where the retention sweep goes on; empty: at the beginning
};

static inline uint32_t k_entry_flags(const struct k_entry *entry)
{
    return entry->length_flags & ((1u << K_ENTRY_FLAG_BITS) - 1);
}
static inline void k_entry_set_flags(struct k_entry *entry, uint32_t flags)
{
    entry->length_flags = entry->length_flags >> K_ENTRY_FLAG_BITS << K_ENTRY_FLAG_BITS | flags;
}
static inline uint32_t k_entry_key_length(const struct k_entry *entry)
{
    return entry->length_flags >> K_ENTRY_FLAG_BITS;
}
static inline struct k_str k_entry_key(const struct k_family *family, const struct k_entry *entry)
{
    return (struct k_str){entry->value + family->key_offset, k_entry_key_length(entry)};
}
static inline uint32_t k_entry_size_for(const struct k_family *family, uint32_t key_length)
{
    return (uint32_t)((sizeof(struct k_entry) + family->key_offset + (uint64_t)key_length + 15) & ~(uint64_t)15);
}
static inline uint32_t k_entry_size(const struct k_family *family, const struct k_entry *entry)
{
    return k_entry_size_for(family, k_entry_key_length(entry));
}
static inline struct k_entry *k_entry_of_value(void *value)
{
    return (struct k_entry *)((char *)value - sizeof(struct k_entry));
}
static inline struct k_entry *k_slot_entry(uint64_t slot)
{
    return (struct k_entry *)(uintptr_t)(slot & ((UINT64_C(1) << 48) - 1));
}
static inline struct k_slab *k_slab_of(const struct k_entry *entry)
{
    return (struct k_slab *)((char *)(uintptr_t)entry - (size_t)entry->slab_offset * 16);
}

// segment.c: entries in memory.
struct k_segment *k_segment_create(struct k_family *family, int64_t id);
void k_segment_clear(struct k_segment *segment);   // frees every entry, the table, the dirty list, the run
void k_segment_destroy(struct k_segment *segment); // the same, and the segment; its family forgets it elsewhere
static inline uint32_t k_segment_live(const struct k_segment *segment) { return segment->count - segment->removed; }
struct k_entry *k_segment_find(const struct k_segment *segment, struct k_str key, uint32_t hash, uint16_t tag);
// A new entry with a zeroed value, clean, without flags. The key must not be in the segment.
struct k_entry *k_segment_add(struct k_segment *segment, struct k_str key, uint32_t hash, uint16_t tag);
// Takes the entry out of the table and frees it, value and all.
void k_segment_free(struct k_segment *segment, struct k_entry *entry);
// Moves the entry's bytes to the slab that is being filled; the old place is free afterwards.
void k_segment_move(struct k_segment *segment, struct k_entry *entry);
// Ends slab->pinned; frees the slab if nothing in it lives.
void k_slab_unpin(struct k_slab *slab);
void k_segment_shrink(struct k_segment *segment); // the table, when it is far too large
// A live entry becomes a tombstone, and the other way round; neither touches the dirty list.
void k_entry_bury(struct k_segment *segment, struct k_entry *entry);
void k_entry_revive(struct k_segment *segment, struct k_entry *entry);
void k_entry_dirty(struct k_segment *segment, struct k_entry *entry);
void k_entry_clean(struct k_segment *segment, struct k_entry *entry); // does not take it out of the dirty list
void k_entry_fini_value(struct k_segment *segment, struct k_entry *entry); // what the value owns; zeroes it
void k_entry_measure(struct k_segment *segment, struct k_entry *entry); // what the value owns by now
void k_segment_drop_run(struct k_segment *segment);
void k_segment_set_swept(struct k_segment *segment, char *swept_to, uint32_t length); // takes the memory
static inline void k_hash_key(struct k_str key, uint32_t *ret_hash, uint16_t *ret_tag)
{
    uint64_t hash = k_hash(key.data, key.length);
    *ret_hash = (uint32_t)hash;
    *ret_tag = (uint16_t)(hash >> 48);
}

// sort.c: entries by key.
struct k_sorted_entry {
    uint64_t prefix;
    struct k_entry *entry;
};
// Fills sorted (count of them; entries set by the caller) in key order. All are of one family.
void k_entries_sort(const struct k_family *family, struct k_sorted_entry *sorted, uint32_t count);
