// Families and their segments: which exist in memory, and what the store may hold beside them.
//
// Invariants
// 1. segments is sorted by id. A segment that is not in it has nothing in the store, unless the family is `unknown` and
//    the id is at or behind unknown_from.
// 2. A segment that is complete has nothing in the store that is not in memory, or void (gone_to, gone_all).
#include <stdlib.h>

#include "state/cache.h"

enum {
    // A family that is declared over an old store looks which segments exist there, one seek each, so that new ones
    // need no lookups in the store. Beyond this many it stays unknown.
    LEARN_SEGMENTS_MAX = 1024,
    LEARN_MORE = 64, // at a time, when those are gone through
};

static uint32_t lower_bound(const struct k_family *family, int64_t id)
{
    uint32_t low = 0, high = family->segment_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (family->segments[middle]->id < id) low = middle + 1;
        else high = middle;
    }
    return low;
}

struct k_segment *k_family_segment(struct k_family *family, int64_t id)
{
    if (family->last && family->last->id == id) return family->last;
    uint32_t at = lower_bound(family, id);
    if (at == family->segment_count || family->segments[at]->id != id) return NULL;
    return family->last = family->segments[at];
}

struct k_segment *k_family_segment_make(struct k_family *family, int64_t id)
{
    struct k_segment *segment = k_family_segment(family, id);
    if (segment) return segment;
    segment = k_segment_create(family, id);
    segment->complete = !family->unknown || id < family->unknown_from;
    if (family->segment_count == family->segment_capacity) {
        uint32_t capacity = family->segment_capacity ? family->segment_capacity * 2 : 4;
        family->segments = k_realloc(family->segments, capacity * sizeof *family->segments);
        family->state->held += (capacity - family->segment_capacity) * sizeof *family->segments;
        family->segment_capacity = capacity;
    }
    // New segments are nearly always the last: windows move on with time.
    uint32_t at = lower_bound(family, id);
    memmove(family->segments + at + 1, family->segments + at,
            (family->segment_count - at) * sizeof *family->segments);
    family->segments[at] = segment;
    family->segment_count++;
    return family->last = segment;
}

static bool forgettable(const struct k_segment *segment)
{
    return segment->count == 0 && segment->complete && !segment->gone_to && !segment->gone_all;
}

void k_family_tidy(struct k_family *family)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < family->segment_count; i++) {
        struct k_segment *segment = family->segments[i];
        // An unknown family remembers which segments it has looked at.
        if (forgettable(segment) && (!family->unknown || segment->id < family->unknown_from)) {
            k_segment_destroy(segment);
        } else {
            family->segments[kept++] = segment;
        }
    }
    if (kept != family->segment_count) family->last = NULL;
    family->segment_count = kept;
}

void k_family_destroy(struct k_family *family)
{
    for (uint32_t i = 0; i < family->segment_count; i++) k_segment_destroy(family->segments[i]);
    family->state->held -= (uint64_t)family->segment_capacity * sizeof *family->segments;
    k_buf_fini(&family->sweep_key);
    free(family->segments);
    free(family->scratch);
    free(family->name);
    free(family);
}

void k_store_prefix(char out[K_STORE_PREFIX], uint32_t number, int64_t segment)
{
    uint32_t number_big = __builtin_bswap32(number);
    uint64_t segment_big = __builtin_bswap64((uint64_t)segment ^ UINT64_C(1) << 63);
    out[0] = 1;
    memcpy(out + 1, &number_big, 4);
    memcpy(out + 5, &segment_big, 8);
}

void k_family_store_end(const struct k_family *family, char out[5])
{
    char prefix[K_STORE_PREFIX];
    k_store_prefix(prefix, family->number + 1, 0);
    memcpy(out, prefix, 5);
}

void k_segment_store_range(const struct k_segment *segment, struct k_arena *arena, struct k_str *ret_from,
                           struct k_str *ret_to)
{
    const struct k_family *family = segment->family;
    const char *behind = segment->gone_to ? segment->gone_to : segment->swept_to;
    uint32_t length = segment->gone_to ? segment->gone_length + 1 : behind ? segment->swept_length + 1 : 0;
    char *from = k_arena_get(arena, K_STORE_PREFIX + (size_t)length), *to = k_arena_get(arena, K_STORE_PREFIX);
    k_store_prefix(from, family->number, segment->id);
    if (behind) {
        // The first key behind it: the same with a zero byte.
        memcpy(from + K_STORE_PREFIX, behind, length - 1);
        from[K_STORE_PREFIX + length - 1] = 0;
    }
    *ret_from = (struct k_str){from, K_STORE_PREFIX + length};
    if (segment->id < INT64_MAX) {
        k_store_prefix(to, family->number, segment->id + 1);
        *ret_to = (struct k_str){to, K_STORE_PREFIX};
    } else {
        k_family_store_end(family, to);
        *ret_to = (struct k_str){to, 5};
    }
}

int k_family_decode(const struct k_family *family, int64_t segment, struct k_str bytes, void *value,
                    struct k_error *err)
{
    int rc = family->type->decode(bytes, family->context, value, err);
    return rc ? k_wrap(err, rc, "family \"%s\" segment %lld", family->name, (long long)segment) : 0;
}

// Looks which segments at or behind `from` the store has keys of; the family knows the first max of them from then on.
// The look begins at `from`: before it lies what was removed, and RocksDB would pass over that each time.
static int learn(struct k_family *family, int64_t from, uint32_t max, struct k_error *err)
{
    char prefix[K_STORE_PREFIX], end[5];
    struct k_store *store = family->state->store;
    struct k_store_iterator *iterator;
    struct k_str key, value;
    struct k_error failure = {0};
    k_store_prefix(prefix, family->number, from);
    k_family_store_end(family, end);
    int rc =
        store->ops->iterate(store, (struct k_str){prefix, K_STORE_PREFIX}, (struct k_str){end, 5}, &iterator, err);
    if (rc) return rc;
    bool more = store->ops->next(iterator, &key, &value, &failure), cut = false;
    for (uint32_t n = 0; more && !cut; n++) {
        if (key.length < K_STORE_PREFIX) {
            k_fail(&failure, K_E_CORRUPT, "family \"%s\" holds a key of %u bytes", family->name, key.length);
            break;
        }
        from = k_key_get_i64(key.data + 5);
        cut = n == max;
        if (!cut && !k_family_segment(family, from)) k_family_segment_make(family, from)->complete = false;
        if (cut || from == INT64_MAX) break;
        k_store_prefix(prefix, family->number, from + 1);
        store->ops->seek(iterator, (struct k_str){prefix, K_STORE_PREFIX});
        more = store->ops->next(iterator, &key, &value, &failure);
    }
    store->ops->iterate_end(iterator);
    if (failure.code) {
        if (err) *err = failure;
        return failure.code;
    }
    family->unknown = cut;
    if (cut) family->unknown_from = from;
    return 0;
}

int k_family_learn_segments(struct k_family *family, struct k_error *err)
{
    return learn(family, INT64_MIN, LEARN_SEGMENTS_MAX, err);
}

// Whether the store holds a key of the segment that is valid. One that memory knows as removed is not, and one that
// memory holds would have been found there.
static int store_has_valid(struct k_segment *segment, bool *ret_has, struct k_error *err)
{
    struct k_state *state = segment->family->state;
    struct k_str from, to, key, value;
    struct k_store_iterator *iterator;
    k_arena_reset(&state->arena);
    k_segment_store_range(segment, &state->arena, &from, &to);
    int rc = state->store->ops->iterate(state->store, from, to, &iterator, err);
    if (rc) return rc;
    *ret_has = false;
    struct k_error failure = {0};
    while (!*ret_has && state->store->ops->next(iterator, &key, &value, &failure)) {
        struct k_str rest = {key.data + K_STORE_PREFIX, key.length - K_STORE_PREFIX};
        uint32_t hash;
        uint16_t tag;
        k_hash_key(rest, &hash, &tag);
        *ret_has = k_segment_find(segment, rest, hash, tag) == NULL;
    }
    state->store->ops->iterate_end(iterator);
    if (failure.code && err) *err = failure;
    return failure.code;
}

int k_family_first_segment(struct k_family *family, int64_t *ret_segment, bool *ret_found, struct k_error *err)
{
    for (uint32_t i = lower_bound(family, family->empty_below);; i++) {
        while (family->unknown && (i == family->segment_count || family->segments[i]->id >= family->unknown_from)) {
            int rc = learn(family, family->unknown_from, LEARN_MORE, err);
            if (rc) return rc;
        }
        if (i == family->segment_count) break;
        struct k_segment *segment = family->segments[i];
        bool has = k_segment_live(segment) > 0;
        if (!has && !segment->complete) {
            int rc = store_has_valid(segment, &has, err);
            if (rc) return rc;
            // All that the store has is known to be void: the next question needs no look into it.
            if (!has) segment->complete = true;
        }
        if (!has) continue;
        *ret_segment = family->empty_below = segment->id;
        *ret_found = true;
        return 0;
    }
    family->empty_below = INT64_MAX;
    *ret_found = false;
    return 0;
}
