// Lookups, creations and removals of single entries.
//
// A find call works in rounds over blocks of keys, so that the memory of one key is on its way while others are worked
// on: hash and prefetch the slot; read the slot and prefetch the entry; compare. Whatever is not in memory becomes a
// fresh entry at once (equal keys of the same call find it); then one batched read of the store decides about those
// that the store may hold. A failure frees all fresh entries: nothing has changed.
#include "state/cache.h"

enum { BLOCK = 32 };

static void reserve(struct k_state *state, uint32_t n)
{
    if (n <= state->key_capacity) return;
    state->of_key = k_realloc(state->of_key, n * sizeof *state->of_key);
    state->hashes = k_realloc(state->hashes, n * sizeof *state->hashes);
    state->tags = k_realloc(state->tags, n * sizeof *state->tags);
    state->key_capacity = n;
}

static void add_fresh(struct k_state *state, struct k_fresh fresh)
{
    if (state->fresh_count == state->fresh_capacity) {
        state->fresh_capacity = state->fresh_capacity ? state->fresh_capacity * 2 : 64;
        state->fresh = k_realloc(state->fresh, state->fresh_capacity * sizeof *state->fresh);
    }
    state->fresh[state->fresh_count++] = fresh;
}

static void prefetch_slots(struct k_family *family, const int64_t *segments, const struct k_str *keys, uint32_t from,
                           uint32_t to, bool create)
{
    struct k_state *state = family->state;
    for (uint32_t i = from; i < to; i++) {
        int64_t id = segments ? segments[i] : 0;
        struct k_segment *segment = create ? k_family_segment_make(family, id) : k_family_segment(family, id);
        if (!segment && family->unknown && id >= family->unknown_from) segment = k_family_segment_make(family, id);
        k_hash_key(keys[i], &state->hashes[i], &state->tags[i]);
        state->of_key[i] = segment;
        if (segment && segment->slot_count)
            __builtin_prefetch(&segment->slots[state->hashes[i] & (segment->slot_count - 1)]);
    }
}

static void prefetch_entries(struct k_family *family, uint32_t from, uint32_t to)
{
    struct k_state *state = family->state;
    for (uint32_t i = from; i < to; i++) {
        const struct k_segment *segment = state->of_key[i];
        if (!segment || !segment->slot_count) continue;
        uint32_t mask = segment->slot_count - 1, at = state->hashes[i] & mask;
        while (segment->slots[at] && segment->slots[at] >> 48 != state->tags[i]) at = (at + 1) & mask;
        if (!segment->slots[at]) continue;
        // An entry lies across two lines as often as not.
        const struct k_entry *entry = k_slot_entry(segment->slots[at]);
        __builtin_prefetch(entry, 1);
        __builtin_prefetch(entry->value + family->key_offset);
    }
}

// What a tombstone is to a lookup: absent, or made anew.
static void *find_removed(struct k_state *state, uint32_t i, struct k_entry *entry, enum k_find how, bool *ret_created)
{
    if (how == K_FIND) {
        state->figures.absent++;
        return NULL;
    }
    k_entry_revive(state->of_key[i], entry);
    add_fresh(state, (struct k_fresh){.index = i, .revived = true, .entry = entry});
    *ret_created = true;
    return entry->value;
}

// Looks one key up in memory. What is not there, but may be in the store or shall be created, becomes fresh.
static void *find_one(struct k_state *state, uint32_t i, enum k_find how, struct k_str key, bool *ret_created)
{
    struct k_segment *segment = state->of_key[i];
    *ret_created = false;
    if (!segment) {
        state->figures.absent++;
        return NULL;
    }
    struct k_entry *entry = k_segment_find(segment, key, state->hashes[i], state->tags[i]);
    if (entry) {
        if (k_entry_flags(entry) & K_ENTRY_REMOVED) return find_removed(state, i, entry, how, ret_created);
        entry->length_flags |= K_ENTRY_REFERENCED;
        state->figures.hits++;
        return entry->value;
    }
    bool in_store = k_segment_asks_store(segment, key), asks = in_store && how != K_FIND_BLIND;
    if (how == K_FIND && !asks) {
        state->figures.absent++;
        return NULL;
    }
    entry = k_segment_add(segment, key, state->hashes[i], state->tags[i]);
    // Not marked as used: what is used only once shall not push out what is used again.
    entry->length_flags |= in_store ? K_ENTRY_IN_STORE : 0;
    add_fresh(state, (struct k_fresh){.index = i, .asks_store = asks, .entry = entry});
    *ret_created = !asks;
    return entry->value;
}

static void free_fresh(struct k_state *state)
{
    for (uint32_t f = 0; f < state->fresh_count; f++) {
        struct k_segment *segment = state->of_key[state->fresh[f].index];
        if (state->fresh[f].revived) k_entry_bury(segment, state->fresh[f].entry);
        else k_segment_free(segment, state->fresh[f].entry);
    }
    state->fresh_count = 0;
}

// Reads from the store what the fresh entries may be there. *ret_values has one value for each fresh entry that asks,
// in order.
static int read_store(struct k_family *family, const struct k_str *keys, uint32_t asking, struct k_str **ret_values,
                      struct k_error *err)
{
    struct k_state *state = family->state;
    k_arena_reset(&state->arena);
    struct k_str *wanted = k_arena_array(&state->arena, struct k_str, asking);
    *ret_values = k_arena_array(&state->arena, struct k_str, asking);
    uint32_t n = 0;
    for (uint32_t f = 0; f < state->fresh_count; f++) {
        const struct k_fresh *fresh = &state->fresh[f];
        if (!fresh->asks_store) continue;
        struct k_str key = keys[fresh->index];
        char *stored = k_arena_get(&state->arena, K_STORE_PREFIX + (size_t)key.length);
        k_store_prefix(stored, family->number, state->of_key[fresh->index]->id);
        if (key.length > 0) memcpy(stored + K_STORE_PREFIX, key.data, key.length);
        wanted[n++] = (struct k_str){stored, K_STORE_PREFIX + key.length};
    }
    int rc = state->store->ops->get(state->store, asking, wanted, &state->arena, *ret_values, err);
    return rc ? k_wrap(err, rc, "family \"%s\"", family->name) : 0;
}

static int decode_found(struct k_family *family, const struct k_str *values, struct k_error *err)
{
    struct k_state *state = family->state;
    uint32_t at = 0;
    for (uint32_t f = 0; f < state->fresh_count; f++) {
        const struct k_fresh *fresh = &state->fresh[f];
        if (!fresh->asks_store) continue;
        struct k_str bytes = values[at++];
        struct k_segment *segment = state->of_key[fresh->index];
        if (!bytes.data) continue;
        int rc = k_family_decode(family, segment->id, bytes, fresh->entry->value, err);
        if (rc) return rc;
        k_entry_measure(segment, fresh->entry);
    }
    return 0;
}

// The fresh entries are settled: found in the store, created, or, for K_FIND, absent.
static void settle(struct k_family *family, enum k_find how, const struct k_str *values, bool *created)
{
    struct k_state *state = family->state;
    uint32_t at = 0;
    for (uint32_t f = 0; f < state->fresh_count; f++) {
        struct k_fresh *fresh = &state->fresh[f];
        struct k_segment *segment = state->of_key[fresh->index];
        if (fresh->asks_store && values[at++].data) {
            state->figures.misses++;
            continue;
        }
        state->figures.absent++;
        if (fresh->asks_store) fresh->entry->length_flags &= ~(uint32_t)K_ENTRY_IN_STORE;
        if (how == K_FIND) {
            // Freed below, when the results that point here are gone.
            fresh->entry->length_flags |= K_ENTRY_FREE;
            continue;
        }
        k_entry_dirty(segment, fresh->entry);
        if (created) created[fresh->index] = true;
    }
}

// K_FIND: what the store does not have either leaves memory again.
static void drop_absent(struct k_state *state, uint32_t n, void **values)
{
    for (uint32_t i = 0; i < n; i++)
        if (values[i] && k_entry_flags(k_entry_of_value(values[i])) & K_ENTRY_FREE) values[i] = NULL;
    for (uint32_t f = 0; f < state->fresh_count; f++) {
        struct k_entry *entry = state->fresh[f].entry;
        if (!(k_entry_flags(entry) & K_ENTRY_FREE)) continue;
        entry->length_flags &= ~(uint32_t)K_ENTRY_FREE;
        k_segment_free(state->of_key[state->fresh[f].index], entry);
    }
}

int k_family_find(struct k_family *family, enum k_find how, uint32_t n, const int64_t *segments,
                  const struct k_str *keys, void **ret_values, bool *ret_created, struct k_error *err)
{
    struct k_state *state = family->state;
    reserve(state, n);
    state->fresh_count = 0;
    for (uint32_t i = 0; i < n; i++)
        if (keys[i].length > K_KEY_LENGTH_MAX)
            return k_fail(err, K_E_DATA, "family \"%s\": a key of %u bytes is too long", family->name, keys[i].length);

    for (uint32_t from = 0; from < n; from += BLOCK) {
        uint32_t to = from + BLOCK < n ? from + BLOCK : n;
        prefetch_slots(family, segments, keys, from, to, how != K_FIND);
        prefetch_entries(family, from, to);
        for (uint32_t i = from; i < to; i++) {
            bool created;
            ret_values[i] = find_one(state, i, how, keys[i], &created);
            if (ret_created) ret_created[i] = created;
        }
    }
    if (state->fresh_count == 0) return 0;

    uint32_t asking = 0;
    for (uint32_t f = 0; f < state->fresh_count; f++) asking += state->fresh[f].asks_store;
    struct k_str *values = NULL;
    int rc = asking ? read_store(family, keys, asking, &values, err) : 0;
    if (rc == 0 && asking) rc = decode_found(family, values, err);
    if (rc) {
        free_fresh(state);
        return rc;
    }
    settle(family, how, values, ret_created);
    if (how == K_FIND) drop_absent(state, n, ret_values);
    return 0;
}

void k_family_dirty(struct k_family *family, void *value)
{
    struct k_entry *entry = k_entry_of_value(value);
    if (entry->dirty_index != K_NOT_DIRTY && family->owned_offset == 0) return;
    k_entry_dirty(k_slab_of(entry)->segment, entry);
}

int k_family_remove(struct k_family *family, int64_t id, struct k_str key, struct k_error *err)
{
    if (key.length > K_KEY_LENGTH_MAX)
        return k_fail(err, K_E_DATA, "family \"%s\": a key of %u bytes is too long", family->name, key.length);
    struct k_segment *segment = k_family_segment(family, id);
    if (!segment && !(family->unknown && id >= family->unknown_from)) return 0;
    if (!segment) segment = k_family_segment_make(family, id);
    uint32_t hash;
    uint16_t tag;
    k_hash_key(key, &hash, &tag);
    struct k_entry *entry = k_segment_find(segment, key, hash, tag);
    if (entry && k_entry_flags(entry) & K_ENTRY_REMOVED) return 0;
    if (entry && !(k_entry_flags(entry) & K_ENTRY_IN_STORE)) {
        if (segment->run) k_segment_drop_run(segment);
        k_segment_free(segment, entry);
        return 0;
    }
    if (!entry) {
        if (!k_segment_asks_store(segment, key)) return 0;
        // Not looked up: removing what is not there costs less than asking.
        entry = k_segment_add(segment, key, hash, tag);
        entry->length_flags |= K_ENTRY_IN_STORE;
    }
    k_entry_bury(segment, entry);
    k_entry_dirty(segment, entry);
    return 0;
}
