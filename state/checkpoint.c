// The checkpoint: everything dirty, pending meta entries and the position as one atomic write.
//
// Gathering reads memory and the store and changes neither; only after the store has taken the write are entries marked
// clean. So a checkpoint that fails has changed nothing.
#include <stdlib.h>

#include "state/cache.h"

enum {
    // A few keys are removed one by one, which costs readers nothing; many as one range.
    SINGLE_REMOVES_MAX = 256,
    AHEAD = 8, // entries that are fetched while one is encoded
    LINE = 64,
};

struct gathering {
    struct k_state *state;
    struct k_write *writes;
    size_t count, capacity;
    uint64_t bytes;
    struct k_buf value;
    struct k_sorted_entry *sorted;
    uint32_t sorted_capacity;
};

// A run of neighbouring segments whose store keys are void.
struct void_range {
    struct k_str from, to; // in the checkpoint's arena
    uint64_t stored;       // keys in it that the store may hold
    bool to_segment_end;
};

static void add_write(struct gathering *gathering, struct k_write write)
{
    if (gathering->count == gathering->capacity) {
        gathering->capacity = gathering->capacity ? gathering->capacity * 2 : 64;
        gathering->writes = k_realloc(gathering->writes, gathering->capacity * sizeof *gathering->writes);
    }
    gathering->writes[gathering->count++] = write;
    gathering->bytes += write.key.length + (write.remove ? 0 : write.value.length);
}

static struct k_str copy(struct gathering *gathering, struct k_str bytes)
{
    return (struct k_str){k_arena_copy(&gathering->state->checkpoint_arena, bytes.data, bytes.length), bytes.length};
}

static void add_meta(struct gathering *gathering, const char *name, struct k_str value, bool remove)
{
    size_t length = strlen(name) + 1; // its 0x00 stands in front instead of behind
    char *key = k_arena_get(&gathering->state->checkpoint_arena, length);
    key[0] = 0;
    memcpy(key + 1, name, length - 1);
    struct k_write write = {.key = {key, (uint32_t)length}, .remove = remove};
    if (!remove) write.value = value;
    add_write(gathering, write);
}

static void add_entry(struct gathering *gathering, const struct k_segment *segment, struct k_entry *entry)
{
    const struct k_family *family = segment->family;
    bool remove = k_entry_flags(entry) & K_ENTRY_REMOVED;
    k_buf_clear(&gathering->value);
    if (!remove) family->type->encode(entry->value, family->context, &gathering->value);
    struct k_str key = k_entry_key(family, entry), value = k_buf_str(&gathering->value);
    char *bytes = k_arena_get(&gathering->state->checkpoint_arena, K_STORE_PREFIX + (size_t)key.length + value.length);
    k_store_prefix(bytes, family->number, segment->id);
    char *at = bytes + K_STORE_PREFIX;
    if (key.length > 0) memcpy(at, key.data, key.length);
    at += key.length;
    struct k_write write = {.key = {bytes, K_STORE_PREFIX + key.length}, .remove = remove};
    if (!remove) {
        memcpy(at, value.data, value.length);
        write.value = (struct k_str){at, value.length};
    }
    add_write(gathering, write);
}

static void gather_dirty(struct gathering *gathering, const struct k_segment *segment)
{
    uint32_t live = segment->dirty_count - segment->dirty_holes, n = 0;
    if (live > gathering->sorted_capacity) {
        gathering->sorted = k_realloc(gathering->sorted, live * sizeof *gathering->sorted);
        gathering->sorted_capacity = live;
    }
    for (uint32_t i = 0; i < segment->dirty_count; i++)
        if (segment->dirty[i]) gathering->sorted[n++].entry = segment->dirty[i];
    k_entries_sort(segment->family, gathering->sorted, n);
    for (uint32_t i = 0; i < n; i++) {
        // In the order of keys they lie anywhere in memory, across two lines as often as not.
        if (i + AHEAD < n) {
            const char *next = (const char *)gathering->sorted[i + AHEAD].entry;
            __builtin_prefetch(next);
            __builtin_prefetch(next + LINE);
        }
        add_entry(gathering, segment, gathering->sorted[i].entry);
    }
}

// Whether memory has something to say about a store key: then that is written, and no removal.
static bool written_anyway(struct k_family *family, struct k_str stored)
{
    int64_t id = k_key_get_i64(stored.data + 5);
    const struct k_segment *segment = k_family_segment(family, id);
    struct k_str key = {stored.data + K_STORE_PREFIX, stored.length - K_STORE_PREFIX};
    uint32_t hash;
    uint16_t tag;
    k_hash_key(key, &hash, &tag);
    return segment && k_segment_find(segment, key, hash, tag);
}

static int remove_singly(struct gathering *gathering, struct k_family *family, const struct void_range *range,
                         struct k_error *err)
{
    struct k_store *store = gathering->state->store;
    struct k_store_iterator *iterator;
    int rc = store->ops->iterate(store, range->from, range->to, &iterator, err);
    if (rc) return rc;
    struct k_error failure = {0};
    struct k_str key, value;
    while (store->ops->next(iterator, &key, &value, &failure))
        if (!written_anyway(family, key))
            add_write(gathering, (struct k_write){.key = copy(gathering, key), .remove = true});
    store->ops->iterate_end(iterator);
    if (failure.code && err) *err = failure;
    return failure.code;
}

static int remove_range(struct gathering *gathering, struct k_family *family, struct void_range *range,
                        struct k_error *err)
{
    int rc = 0;
    if (range->stored > SINGLE_REMOVES_MAX)
        add_write(gathering, (struct k_write){.key = range->from, .to = range->to, .remove = true});
    else if (range->stored > 0)
        rc = remove_singly(gathering, family, range, err);
    *range = (struct void_range){0};
    return rc;
}

// What of the segment is void in the store.
static struct void_range void_of(struct k_arena *arena, const struct k_segment *segment)
{
    char *start = k_arena_get(arena, K_STORE_PREFIX + (size_t)segment->swept_length);
    k_store_prefix(start, segment->family->number, segment->id);
    if (segment->swept_to) memcpy(start + K_STORE_PREFIX, segment->swept_to, segment->swept_length);
    struct k_str behind_gone, end;
    k_segment_store_range(segment, arena, &behind_gone, &end);
    return (struct void_range){
        .from = {start, K_STORE_PREFIX + segment->swept_length},
        .to = segment->gone_all ? end : behind_gone,
        .stored = segment->gone_stored,
        .to_segment_end = segment->gone_all,
    };
}

// The removals of a family. Segments close in the order of time, so their ranges mostly are one.
static int gather_void(struct gathering *gathering, struct k_family *family, struct k_error *err)
{
    struct void_range open = {0};
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < family->segment_count; i++) {
        const struct k_segment *segment = family->segments[i];
        if (!segment->gone_to && !segment->gone_all) {
            rc = remove_range(gathering, family, &open, err);
            continue;
        }
        struct void_range range = void_of(&gathering->state->checkpoint_arena, segment);
        // Between two listed segments the store has nothing, except where nobody has looked yet.
        bool joins = open.to_segment_end && !(family->unknown && segment->id >= family->unknown_from);
        if (!joins) rc = remove_range(gathering, family, &open, err);
        if (joins) range = (struct void_range){open.from, range.to, open.stored + range.stored, range.to_segment_end};
        open = range;
    }
    return rc ? rc : remove_range(gathering, family, &open, err);
}

static void settle_segment(struct k_segment *segment)
{
    for (uint32_t i = 0; i < segment->dirty_count; i++) {
        struct k_entry *entry = segment->dirty[i];
        if (!entry) continue;
        k_entry_measure(segment, entry);
        k_entry_clean(segment, entry);
        if (k_entry_flags(entry) & K_ENTRY_REMOVED) k_segment_free(segment, entry);
        else entry->length_flags |= K_ENTRY_IN_STORE;
    }
    segment->family->state->held -= segment->dirty_capacity * sizeof *segment->dirty + segment->gone_capacity;
    free(segment->dirty);
    bool swept = segment->gone_to && !segment->gone_all && !segment->gone_refilled;
    if (swept) k_segment_set_swept(segment, segment->gone_to, segment->gone_length);
    else free(segment->gone_to);
    segment->dirty = NULL;
    segment->gone_to = NULL;
    segment->dirty_count = segment->dirty_capacity = segment->dirty_holes = 0;
    segment->gone_length = segment->gone_capacity = 0;
    segment->gone_stored = 0;
    segment->gone_all = segment->gone_refilled = false;
    if (segment->family->write_only && segment->count > 0) {
        segment->complete = false;
        k_segment_clear(segment);
    }
}

static void settle(struct k_state *state, struct k_str position)
{
    for (uint32_t f = 0; f < state->family_count; f++) {
        struct k_family *family = state->families[f];
        for (uint32_t i = 0; i < family->segment_count; i++) settle_segment(family->segments[i]);
        k_family_tidy(family);
    }
    for (uint32_t i = 0; i < state->meta_count; i++) {
        free(state->meta[i].name);
        k_buf_fini(&state->meta[i].value);
    }
    state->meta_count = 0;
    // The caller may hand in what k_state_position gave out.
    if (position.data != state->position.data) {
        k_buf_clear(&state->position);
        k_buf_add(&state->position, position.data, position.length);
    }
    state->futile_at = 0;
}

// Room for what is known to be written: grown by doubling, the array alone would take more than all that is dirty.
static void reserve(struct gathering *gathering)
{
    struct k_state *state = gathering->state;
    gathering->capacity = state->meta_count + 1;
    for (uint32_t f = 0; f < state->family_count; f++)
        for (uint32_t i = 0; i < state->families[f]->segment_count; i++)
            gathering->capacity += state->families[f]->segments[i]->dirty_count + 1; // and what is gone
    gathering->writes = k_new_array(struct k_write, gathering->capacity);
}

static int by_key(const void *a, const void *b)
{
    return k_str_compare(((const struct k_write *)a)->key, ((const struct k_write *)b)->key);
}

// The family with the least number above this one, or NULL. There are a few dozen.
static struct k_family *family_behind(const struct k_state *state, const struct k_family *last)
{
    struct k_family *next = NULL;
    for (uint32_t f = 0; f < state->family_count; f++) {
        struct k_family *family = state->families[f];
        if ((!last || family->number > last->number) && (!next || family->number < next->number)) next = family;
    }
    return next;
}

// In the order of the store's keys, but for what is removed key by key: what is in order needs no memory to be sorted.
static int gather(struct gathering *gathering, struct k_str position, struct k_error *err)
{
    struct k_state *state = gathering->state;
    reserve(gathering);
    for (uint32_t i = 0; i < state->meta_count; i++)
        add_meta(gathering, state->meta[i].name, k_buf_str(&state->meta[i].value), state->meta[i].remove);
    add_meta(gathering, "position", position, false);
    qsort(gathering->writes, gathering->count, sizeof *gathering->writes, by_key);
    for (struct k_family *family = NULL; (family = family_behind(state, family));) {
        int rc = gather_void(gathering, family, err);
        if (rc) return k_wrap(err, rc, "family \"%s\"", family->name);
        for (uint32_t i = 0; i < family->segment_count; i++)
            if (family->segments[i]->dirty_count > 0) gather_dirty(gathering, family->segments[i]);
    }
    free(gathering->sorted);
    gathering->sorted = NULL;
    return 0;
}

int k_state_checkpoint(struct k_state *state, struct k_str position, struct k_error *err)
{
    k_arena_reset(&state->checkpoint_arena);
    struct gathering gathering = {.state = state};
    int rc = gather(&gathering, position, err);
    if (rc == 0) rc = state->store->ops->apply(state->store, gathering.writes, gathering.count, err);
    if (rc == 0) {
        settle(state, position);
        state->figures.checkpoints++;
        state->figures.checkpoint_bytes += gathering.bytes;
    }
    k_arena_reset(&state->checkpoint_arena);
    k_buf_fini(&gathering.value);
    free(gathering.writes);
    free(gathering.sorted);
    return rc ? k_wrap(err, rc, "checkpoint") : 0;
}
