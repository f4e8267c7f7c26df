// Lineage: the notes, and the way back through them.
#include "replay/lineage.h"

#include <stdlib.h>

#include "base/hash.h"

enum { FAMILY_AT = 1, PREFIX = 13 }; // of a store key: 0x01, the family's number, the segment

void k_lineage_fini(struct k_lineage *l)
{
    free(l->steps);
    free(l->keys);
    *l = (struct k_lineage){0};
}

static uint64_t under_way(const struct k_lineage *l)
{
    if (l->step_count == 0) return 0;
    const struct k_lineage_step *last = &l->steps[l->step_count - 1];
    return last->first_key + last->key_count;
}

static void note(struct k_lineage *l, struct k_str key, bool written)
{
    if (key.length < PREFIX || key.data[0] != 1) return;
    if (l->key_count == l->key_capacity) {
        l->key_capacity = l->key_capacity ? l->key_capacity * 2 : 1024;
        l->keys = k_realloc(l->keys, l->key_capacity * sizeof *l->keys);
    }
    const uint8_t *f = (const uint8_t *)key.data + FAMILY_AT;
    uint32_t family = (uint32_t)f[0] << 24 | (uint32_t)f[1] << 16 | (uint32_t)f[2] << 8 | f[3];
    l->keys[l->key_count++] = (struct k_lineage_key){k_hash(key.data, key.length), family, written};
}

void k_lineage_read(struct k_lineage *l, struct k_str store_key)
{
    note(l, store_key, false);
}

void k_lineage_write(struct k_lineage *l, struct k_str store_key)
{
    note(l, store_key, true);
}

bool k_lineage_step(struct k_lineage *l, int32_t input, int64_t offset, int64_t time_us)
{
    uint64_t first = under_way(l);
    bool writes = false;
    for (uint64_t i = first; i < l->key_count; i++) writes |= l->keys[i].written;
    if (!writes) {
        l->key_count = first;
        return false;
    }
    if (l->step_count == l->step_capacity) {
        l->step_capacity = l->step_capacity ? l->step_capacity * 2 : 1024;
        l->steps = k_realloc(l->steps, l->step_capacity * sizeof *l->steps);
    }
    l->steps[l->step_count++] = (struct k_lineage_step){
        .offset = offset, .time_us = time_us, .input = input, .key_count = (uint32_t)(l->key_count - first),
        .first_key = first};
    return true;
}

uint64_t k_lineage_bytes(const struct k_lineage *l)
{
    return l->step_capacity * sizeof *l->steps + l->key_capacity * sizeof *l->keys;
}

// --- the set of keys that matter: hashes, open addressing; a hash of 0 stands as 1

struct set {
    uint64_t *slots;
    uint64_t count, capacity; // a power of two
};

static uint64_t *slot_of(const struct set *set, uint64_t hash)
{
    uint64_t at = hash & (set->capacity - 1);
    while (set->slots[at] && set->slots[at] != hash) at = (at + 1) & (set->capacity - 1);
    return &set->slots[at];
}

static void set_add(struct set *set, uint64_t hash)
{
    if (2 * (set->count + 1) > set->capacity) {
        struct set grown = {.capacity = set->capacity ? set->capacity * 2 : 64};
        grown.slots = k_new_array(uint64_t, grown.capacity);
        for (uint64_t i = 0; i < set->capacity; i++)
            if (set->slots[i]) *slot_of(&grown, set->slots[i]) = set->slots[i];
        grown.count = set->count;
        free(set->slots);
        *set = grown;
    }
    uint64_t *slot = slot_of(set, hash);
    set->count += *slot == 0;
    *slot = hash;
}

// Those behind it in the same run move up, so that they are found.
static void set_remove(struct set *set, uint64_t hash)
{
    uint64_t mask = set->capacity - 1, at = (uint64_t)(slot_of(set, hash) - set->slots);
    if (!set->slots[at]) return;
    set->slots[at] = 0;
    set->count--;
    for (uint64_t i = (at + 1) & mask; set->slots[i]; i = (i + 1) & mask) {
        uint64_t moved = set->slots[i];
        set->slots[i] = 0;
        *slot_of(set, moved) = moved;
    }
}

static uint64_t hash_in_set(uint64_t hash)
{
    return hash ? hash : 1;
}

static bool reads(const struct k_lineage_key *keys, uint32_t count, uint64_t hash)
{
    for (uint32_t i = 0; i < count; i++)
        if (!keys[i].written && keys[i].hash == hash) return true;
    return false;
}

// The keys of a step that matter, on the way to what matters already. touched: which of its writes do.
static void pass_step(struct set *matters, const struct k_lineage_key *keys, uint32_t count, const bool *touched,
                      k_lineage_feeds feeds, void *context)
{
    for (uint32_t i = 0; i < count; i++)
        if (touched[i] && !reads(keys, count, keys[i].hash)) set_remove(matters, hash_in_set(keys[i].hash));
    for (uint32_t i = 0; i < count; i++) {
        bool goes_in = false;
        for (uint32_t w = 0; w < count && !keys[i].written && !goes_in; w++)
            goes_in = touched[w] && feeds(context, keys[i].family, keys[w].family);
        if (goes_in) set_add(matters, hash_in_set(keys[i].hash));
    }
}

void k_lineage_trace(struct k_lineage *l, struct k_str store_key, uint64_t last, k_lineage_feeds feeds, void *context,
                     struct k_lineage_touch **ret_touches, uint64_t *ret_count)
{
    struct set matters = {0};
    struct k_lineage_touch *touches = NULL;
    uint64_t count = 0, capacity = 0;
    bool *touched = NULL;
    uint32_t touched_capacity = 0;
    set_add(&matters, hash_in_set(k_hash(store_key.data, store_key.length)));
    for (uint64_t s = last + 1; s-- > 0;) {
        struct k_lineage_step *step = &l->steps[s];
        const struct k_lineage_key *keys = l->keys + step->first_key;
        if (step->key_count > touched_capacity)
            touched = k_realloc(touched, (touched_capacity = 2 * step->key_count) * sizeof *touched);
        step->contributes = false;
        for (uint32_t i = 0; i < step->key_count; i++) {
            touched[i] = keys[i].written && *slot_of(&matters, hash_in_set(keys[i].hash)) != 0;
            if (!touched[i]) continue;
            step->contributes = true;
            if (count == capacity) {
                capacity = capacity ? capacity * 2 : 64;
                touches = k_realloc(touches, capacity * sizeof *touches);
            }
            touches[count++] = (struct k_lineage_touch){s, keys[i].family};
        }
        if (step->contributes) pass_step(&matters, keys, step->key_count, touched, feeds, context);
    }
    free(touched);
    free(matters.slots);
    *ret_touches = touches;
    *ret_count = count;
}
