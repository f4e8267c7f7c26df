// Taking a segment in key order: what memory holds, sorted once, merged with what the store holds.
//
// Taken keys leave no tombstones. The segment remembers the last one instead (gone_to): everything up to it is void in
// the store, and the next checkpoint removes it there. When the take comes to its end all of the segment is void
// (gone_all).
#include <stdlib.h>

#include "state/cache.h"

struct taking {
    struct k_family *family;
    struct k_segment *segment;
    struct k_store_iterator *iterator; // NULL: the store has nothing
    struct k_str key, value;           // what the iterator stands at
    bool at_key;
    k_family_visit visit;
    void *context;
};

static void make_run(struct k_segment *segment)
{
    uint32_t live = k_segment_live(segment), n = 0;
    struct k_sorted_entry *sorted = k_new_array(struct k_sorted_entry, live);
    for (uint32_t i = 0; i < segment->slot_count; i++) {
        struct k_entry *entry = k_slot_entry(segment->slots[i]);
        if (entry && !(k_entry_flags(entry) & K_ENTRY_REMOVED)) sorted[n++].entry = entry;
    }
    k_entries_sort(segment->family, sorted, n);
    segment->run = k_new_array(struct k_entry *, n);
    for (uint32_t i = 0; i < n; i++) segment->run[i] = sorted[i].entry;
    free(sorted);
    segment->run_count = n;
    segment->run_at = 0;
    segment->family->state->held += (uint64_t)n * sizeof *segment->run;
}

// Everything up to key is void in the store from now on.
static void gone(struct k_segment *segment, struct k_str key)
{
    if (segment->gone_to &&
        k_str_compare(key, (struct k_str){segment->gone_to, segment->gone_length}) <= 0) return;
    if (!segment->gone_to || key.length > segment->gone_capacity) {
        uint32_t capacity = key.length < 32 ? 32 : key.length * 2;
        segment->gone_to = k_realloc(segment->gone_to, capacity);
        segment->family->state->held += capacity - segment->gone_capacity;
        segment->gone_capacity = capacity;
    }
    if (key.length > 0) memcpy(segment->gone_to, key.data, key.length);
    segment->gone_length = key.length;
}

static int open_store(struct taking *taking, struct k_error *err)
{
    struct k_segment *segment = taking->segment;
    if (segment->complete) return 0;
    struct k_state *state = taking->family->state;
    struct k_str from, to;
    k_arena_reset(&state->arena);
    k_segment_store_range(segment, &state->arena, &from, &to);
    return state->store->ops->iterate(state->store, from, to, &taking->iterator, err);
}

// Moves the iterator to the next key.
static int advance(struct taking *taking, struct k_error *err)
{
    struct k_error failure = {0};
    taking->at_key = taking->iterator && taking->family->state->store->ops->next(taking->iterator, &taking->key,
                                                                                 &taking->value, &failure);
    if (!taking->at_key && failure.code) {
        if (err) *err = failure;
        return failure.code;
    }
    if (taking->at_key) {
        taking->key.data += K_STORE_PREFIX;
        taking->key.length -= K_STORE_PREFIX;
    }
    return 0;
}

static int take_entry(struct taking *taking, struct k_entry *entry, struct k_error *err)
{
    struct k_segment *segment = taking->segment;
    struct k_str key = k_entry_key(taking->family, entry);
    int rc = taking->visit(taking->context, key, entry->value, err);
    if (rc) return rc;
    if (k_entry_flags(entry) & K_ENTRY_IN_STORE) segment->gone_stored++;
    gone(segment, key);
    k_segment_free(segment, entry);
    return 0;
}

// An entry that only the store has: it is never cached.
static int take_stored(struct taking *taking, struct k_error *err)
{
    struct k_family *family = taking->family;
    memset(family->scratch, 0, family->type->size);
    int rc = k_family_decode(family, taking->segment->id, taking->value, family->scratch, err);
    if (rc == 0) rc = taking->visit(taking->context, taking->key, family->scratch, err);
    if (family->type->fini) family->type->fini(family->scratch, family->context);
    if (rc) return rc;
    taking->segment->gone_stored++;
    gone(taking->segment, taking->key);
    return 0;
}

// Takes the least of what memory and the store have. *ret_done: there is nothing.
static int take_one(struct taking *taking, bool *ret_done, uint32_t *taken, struct k_error *err)
{
    struct k_segment *segment = taking->segment;
    for (;;) {
        struct k_entry *head = segment->run_at < segment->run_count ? segment->run[segment->run_at] : NULL;
        *ret_done = !head && !taking->at_key;
        if (*ret_done) return 0;
        int order = !head ? 1 : !taking->at_key ? -1 : k_str_compare(k_entry_key(taking->family, head), taking->key);
        if (order <= 0) {
            // Memory has the newer value of a key that both have.
            int rc = take_entry(taking, head, err);
            if (rc) return rc;
            segment->run_at++;
            ++*taken;
            return order == 0 ? advance(taking, err) : 0;
        }
        uint32_t hash;
        uint16_t tag;
        k_hash_key(taking->key, &hash, &tag);
        bool removed = k_segment_find(segment, taking->key, hash, tag) != NULL; // live ones are in the run
        int rc = removed ? 0 : take_stored(taking, err);
        if (rc) return rc;
        *taken += !removed;
        rc = advance(taking, err);
        if (rc || !removed) return rc;
    }
}

int k_family_take(struct k_family *family, int64_t id, uint32_t max, k_family_visit visit, void *context,
                  uint32_t *ret_taken, struct k_error *err)
{
    *ret_taken = 0;
    struct k_segment *segment = k_family_segment(family, id);
    if (!segment && !(family->unknown && id >= family->unknown_from)) return 0;
    if (!segment) segment = k_family_segment_make(family, id);
    struct taking taking = {.family = family, .segment = segment, .visit = visit, .context = context};
    int rc = open_store(&taking, err);
    if (rc) return rc;
    if (!segment->run) make_run(segment);
    segment->taking = true;
    rc = advance(&taking, err);
    bool done = false;
    while (rc == 0 && !done && *ret_taken < max) rc = take_one(&taking, &done, ret_taken, err);
    segment->taking = false;
    family->state->store->ops->iterate_end(taking.iterator);
    if (done) {
        k_segment_drop_run(segment);
        segment->complete = segment->gone_all = true;
        if (segment->count == 0) k_segment_clear(segment); // its table goes now, the segment with the next checkpoint
    }
    return rc;
}
