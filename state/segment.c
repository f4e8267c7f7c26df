// A segment's entries in memory: hash table, slabs, dirty list. Nothing here knows the store.
//
// Invariants
// 1. slots is a table with linear probing, at most three quarters full, without tombstones: what is taken out makes the
//    entries behind it move up.
// 2. segment->filling has the newest slab, or is NULL; all other slabs are only ever emptied.
// 3. state->held is what this file has from malloc, plus what the values own as last measured.
#include <stdlib.h>

#include "state/cache.h"

enum {
    SLOTS_FIRST = 8,
    SLAB_ENTRIES_FIRST = 8, // a small segment is cheap
    // Of memory, header and all: with a header on top of 64 KiB the allocator's next size is 80, a fifth of it unused.
    SLAB_LAST = (64 << 10) - sizeof(struct k_slab),
};
#define ADDRESS_BITS 48

static uint64_t slot_of(const struct k_entry *entry, uint16_t tag)
{
    uint64_t address = (uint64_t)(uintptr_t)entry;
    K_ASSERT(address >> ADDRESS_BITS == 0);
    return address | (uint64_t)tag << ADDRESS_BITS;
}

struct k_segment *k_segment_create(struct k_family *family, int64_t id)
{
    struct k_segment *segment = k_new(struct k_segment);
    segment->family = family;
    segment->id = id;
    family->state->held += sizeof *segment;
    return segment;
}

// The ring of all slabs.
static struct k_slab *slab_create(struct k_segment *segment, uint32_t size)
{
    struct k_state *state = segment->family->state;
    // Not zeroed: a new entry's value is, and that is all that anybody reads.
    struct k_slab *slab = k_realloc(NULL, sizeof *slab + size);
    *slab = (struct k_slab){.segment = segment, .size = size};
    if (state->hand) {
        // Behind the hand, so that it comes round to the newest last.
        slab->ring_next = state->hand;
        slab->ring_prev = state->hand->ring_prev;
        slab->ring_prev->ring_next = slab->ring_next->ring_prev = slab;
    } else {
        slab->ring_next = slab->ring_prev = state->hand = slab;
    }
    state->slab_count++;
    state->held += sizeof *slab + size;
    return slab;
}

static void slab_destroy(struct k_slab *slab)
{
    struct k_state *state = slab->segment->family->state;
    if (slab->segment->filling == slab) slab->segment->filling = NULL;
    if (state->hand == slab) state->hand = slab->ring_next == slab ? NULL : slab->ring_next;
    slab->ring_prev->ring_next = slab->ring_next;
    slab->ring_next->ring_prev = slab->ring_prev;
    state->slab_count--;
    state->held -= sizeof *slab + slab->size;
    free(slab);
}

// Memory for an entry of this size; grows the slabs from small to large, so that neither a segment of one entry nor
// one of a million wastes much.
static struct k_entry *entry_allocate(struct k_segment *segment, uint32_t size)
{
    struct k_slab *slab = segment->filling;
    if (!slab || slab->size - slab->used < size) {
        uint64_t next = slab ? (uint64_t)slab->size * 2 : (uint64_t)size * SLAB_ENTRIES_FIRST;
        if (segment->count >= SLAB_ENTRIES_FIRST && next < (uint64_t)size * segment->count / 2)
            next = (uint64_t)size * segment->count / 2;
        if (next > SLAB_LAST) next = SLAB_LAST;
        if (next < size) next = size;
        slab = segment->filling = slab_create(segment, (uint32_t)next & ~15u);
    }
    struct k_entry *entry = (struct k_entry *)(void *)(slab->data + slab->used);
    entry->slab_offset = (uint32_t)(((char *)entry - (char *)slab) / 16);
    slab->used += size;
    slab->live += size;
    return entry;
}

static void entry_release(struct k_segment *segment, struct k_entry *entry)
{
    struct k_slab *slab = k_slab_of(entry);
    slab->live -= k_entry_size(segment->family, entry);
    k_entry_set_flags(entry, K_ENTRY_FREE);
    if (slab->live == 0 && !slab->pinned) slab_destroy(slab);
}

void k_slab_unpin(struct k_slab *slab)
{
    slab->pinned = false;
    if (slab->live == 0) slab_destroy(slab);
}

struct k_entry *k_segment_find(const struct k_segment *segment, struct k_str key, uint32_t hash, uint16_t tag)
{
    if (segment->slot_count == 0) return NULL;
    uint32_t mask = segment->slot_count - 1;
    for (uint32_t at = hash & mask; segment->slots[at]; at = (at + 1) & mask) {
        if (segment->slots[at] >> ADDRESS_BITS != tag) continue;
        struct k_entry *entry = k_slot_entry(segment->slots[at]);
        if (entry->hash == hash && k_str_equal(k_entry_key(segment->family, entry), key)) return entry;
    }
    return NULL;
}

static void resize(struct k_segment *segment, uint32_t slot_count)
{
    uint64_t *old = segment->slots;
    uint32_t old_count = segment->slot_count, mask = slot_count - 1;
    segment->slots = k_new_array(uint64_t, slot_count);
    segment->slot_count = slot_count;
    segment->family->state->held += (uint64_t)slot_count * sizeof *old;
    segment->family->state->held -= (uint64_t)old_count * sizeof *old;
    enum { AHEAD = 8 }; // entries lie anywhere: fetch them before they are needed
    for (uint32_t i = 0; i < old_count; i++) {
        if (i + AHEAD < old_count && old[i + AHEAD]) __builtin_prefetch(k_slot_entry(old[i + AHEAD]));
        if (!old[i]) continue;
        uint32_t at = k_slot_entry(old[i])->hash & mask;
        while (segment->slots[at]) at = (at + 1) & mask;
        segment->slots[at] = old[i];
    }
    free(old);
}

void k_segment_shrink(struct k_segment *segment)
{
    uint32_t wanted = segment->slot_count;
    while (wanted > SLOTS_FIRST && (uint64_t)segment->count * 4 < wanted) wanted /= 2;
    if (wanted * UINT64_C(4) <= segment->slot_count) resize(segment, wanted);
}

// A key comes to life: what is known to be empty up to some key may be so no longer.
static void note_added(struct k_segment *segment, struct k_str key)
{
    if (segment->id < segment->family->empty_below) segment->family->empty_below = segment->id;
    if (segment->swept_to && k_str_compare(key, (struct k_str){segment->swept_to, segment->swept_length}) <= 0)
        k_segment_set_swept(segment, NULL, 0);
    if (segment->gone_to && k_str_compare(key, (struct k_str){segment->gone_to, segment->gone_length}) <= 0)
        segment->gone_refilled = true;
}

struct k_entry *k_segment_add(struct k_segment *segment, struct k_str key, uint32_t hash, uint16_t tag)
{
    const struct k_family *family = segment->family;
    K_ASSERT(key.length <= K_KEY_LENGTH_MAX);
    if (segment->run) k_segment_drop_run(segment);
    note_added(segment, key);
    if (((uint64_t)segment->count + 1) * 4 > (uint64_t)segment->slot_count * 3)
        resize(segment, segment->slot_count ? segment->slot_count * 2 : SLOTS_FIRST);
    struct k_entry *entry = entry_allocate(segment, k_entry_size_for(family, key.length));
    entry->hash = hash;
    entry->length_flags = key.length << K_ENTRY_FLAG_BITS;
    entry->dirty_index = K_NOT_DIRTY;
    memset(entry->value, 0, family->key_offset);
    if (key.length > 0) memcpy(entry->value + family->key_offset, key.data, key.length);

    uint32_t mask = segment->slot_count - 1, at = hash & mask;
    while (segment->slots[at]) at = (at + 1) & mask;
    segment->slots[at] = slot_of(entry, tag);
    segment->count++;
    return entry;
}

static uint32_t slot_index(const struct k_segment *segment, const struct k_entry *entry)
{
    uint32_t mask = segment->slot_count - 1, at = entry->hash & mask;
    while (k_slot_entry(segment->slots[at]) != entry) {
        K_ASSERT(segment->slots[at]);
        at = (at + 1) & mask;
    }
    return at;
}

// Empties a slot and moves up what probing would no longer find (Knuth, algorithm R).
static void slot_clear(struct k_segment *segment, uint32_t hole)
{
    uint32_t mask = segment->slot_count - 1;
    for (uint32_t at = (hole + 1) & mask; segment->slots[at]; at = (at + 1) & mask) {
        uint32_t home = k_slot_entry(segment->slots[at])->hash & mask;
        if (((at - home) & mask) < ((at - hole) & mask)) continue;
        segment->slots[hole] = segment->slots[at];
        hole = at;
    }
    segment->slots[hole] = 0;
}

static void dirty_forget(struct k_segment *segment, struct k_entry *entry)
{
    segment->dirty[entry->dirty_index] = NULL;
    segment->dirty_holes++;
    k_entry_clean(segment, entry);
    if (segment->dirty_holes <= 64 || segment->dirty_holes <= segment->dirty_count / 2) return;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < segment->dirty_count; i++) {
        if (!segment->dirty[i]) continue;
        segment->dirty[kept] = segment->dirty[i];
        segment->dirty[kept]->dirty_index = kept;
        kept++;
    }
    segment->dirty_count = kept;
    segment->dirty_holes = 0;
}

void k_segment_free(struct k_segment *segment, struct k_entry *entry)
{
    if (k_entry_flags(entry) & K_ENTRY_REMOVED) segment->removed--;
    else k_entry_fini_value(segment, entry);
    slot_clear(segment, slot_index(segment, entry));
    segment->count--;
    if (entry->dirty_index != K_NOT_DIRTY) dirty_forget(segment, entry);
    entry_release(segment, entry);
}

void k_segment_move(struct k_segment *segment, struct k_entry *entry)
{
    uint32_t size = k_entry_size(segment->family, entry), at = slot_index(segment, entry);
    if (segment->filling == k_slab_of(entry)) segment->filling = NULL;
    struct k_entry *moved = entry_allocate(segment, size);
    uint32_t offset = moved->slab_offset;
    memcpy(moved, entry, size);
    moved->slab_offset = offset;
    segment->slots[at] = slot_of(moved, (uint16_t)(segment->slots[at] >> ADDRESS_BITS));
    if (moved->dirty_index != K_NOT_DIRTY) {
        segment->dirty[moved->dirty_index] = moved;
        k_slab_of(moved)->dirty += size;
        k_slab_of(entry)->dirty -= size;
    }
    entry_release(segment, entry);
}

static uint64_t *owned_of(const struct k_segment *segment, struct k_entry *entry)
{
    uint32_t offset = segment->family->owned_offset;
    return offset ? (uint64_t *)(void *)(entry->value + offset) : NULL;
}

void k_entry_measure(struct k_segment *segment, struct k_entry *entry)
{
    uint64_t *owned = owned_of(segment, entry);
    if (!owned || k_entry_flags(entry) & K_ENTRY_REMOVED) return;
    struct k_state *state = segment->family->state;
    uint64_t now = segment->family->type->owned_bytes(entry->value, segment->family->context);
    state->held += now - *owned;
    if (entry->dirty_index != K_NOT_DIRTY) state->figures.dirty_bytes += now - *owned;
    *owned = now;
}

void k_entry_dirty(struct k_segment *segment, struct k_entry *entry)
{
    k_entry_measure(segment, entry);
    if (entry->dirty_index != K_NOT_DIRTY) return;
    struct k_state *state = segment->family->state;
    if (segment->dirty_count == segment->dirty_capacity) {
        uint32_t capacity = segment->dirty_capacity ? segment->dirty_capacity * 2 : 4;
        segment->dirty = k_realloc(segment->dirty, capacity * sizeof *segment->dirty);
        state->held += (capacity - segment->dirty_capacity) * sizeof *segment->dirty;
        segment->dirty_capacity = capacity;
    }
    entry->dirty_index = segment->dirty_count;
    segment->dirty[segment->dirty_count++] = entry;
    uint32_t size = k_entry_size(segment->family, entry);
    uint64_t *owned = owned_of(segment, entry);
    k_slab_of(entry)->dirty += size;
    state->figures.dirty_entries++;
    state->figures.dirty_bytes += size + (owned ? *owned : 0);
}

void k_entry_clean(struct k_segment *segment, struct k_entry *entry)
{
    struct k_state *state = segment->family->state;
    uint32_t size = k_entry_size(segment->family, entry);
    uint64_t *owned = owned_of(segment, entry);
    entry->dirty_index = K_NOT_DIRTY;
    k_slab_of(entry)->dirty -= size;
    state->figures.dirty_entries--;
    state->figures.dirty_bytes -= size + (owned ? *owned : 0);
}

void k_entry_fini_value(struct k_segment *segment, struct k_entry *entry)
{
    const struct k_family *family = segment->family;
    uint64_t *owned = owned_of(segment, entry);
    if (owned) {
        family->state->held -= *owned;
        if (entry->dirty_index != K_NOT_DIRTY) family->state->figures.dirty_bytes -= *owned;
    }
    if (family->type->fini) family->type->fini(entry->value, family->context);
    memset(entry->value, 0, family->key_offset);
}

void k_entry_bury(struct k_segment *segment, struct k_entry *entry)
{
    if (segment->run) k_segment_drop_run(segment);
    k_entry_fini_value(segment, entry);
    entry->length_flags |= K_ENTRY_REMOVED;
    segment->removed++;
}

void k_entry_revive(struct k_segment *segment, struct k_entry *entry)
{
    if (segment->run) k_segment_drop_run(segment);
    entry->length_flags &= ~(uint32_t)K_ENTRY_REMOVED;
    segment->removed--;
    note_added(segment, k_entry_key(segment->family, entry));
}

void k_segment_drop_run(struct k_segment *segment)
{
    K_ASSERT(!segment->taking); // a visit may not change the segment that it is called from
    segment->family->state->held -= (uint64_t)segment->run_count * sizeof *segment->run;
    free(segment->run);
    segment->run = NULL;
    segment->run_count = segment->run_at = 0;
}

void k_segment_set_swept(struct k_segment *segment, char *swept_to, uint32_t length)
{
    segment->family->state->held += (uint64_t)length;
    segment->family->state->held -= segment->swept_length;
    free(segment->swept_to);
    segment->swept_to = swept_to;
    segment->swept_length = length;
}

void k_segment_clear(struct k_segment *segment)
{
    struct k_state *state = segment->family->state;
    k_segment_drop_run(segment);
    for (uint32_t i = 0; i < segment->dirty_count; i++)
        if (segment->dirty[i]) k_entry_clean(segment, segment->dirty[i]);
    for (uint32_t i = 0; i < segment->slot_count; i++) {
        if (!segment->slots[i]) continue;
        struct k_entry *entry = k_slot_entry(segment->slots[i]);
        if (!(k_entry_flags(entry) & K_ENTRY_REMOVED)) k_entry_fini_value(segment, entry);
        entry_release(segment, entry);
    }
    state->held -= (uint64_t)segment->slot_count * sizeof *segment->slots +
                   (uint64_t)segment->dirty_capacity * sizeof *segment->dirty;
    free(segment->slots);
    free(segment->dirty);
    segment->slots = NULL;
    segment->dirty = NULL;
    segment->slot_count = segment->count = segment->removed = 0;
    segment->dirty_count = segment->dirty_capacity = segment->dirty_holes = 0;
}

void k_segment_destroy(struct k_segment *segment)
{
    k_segment_clear(segment);
    k_segment_set_swept(segment, NULL, 0);
    segment->family->state->held -= sizeof *segment + segment->gone_capacity;
    free(segment->gone_to);
    free(segment);
}
