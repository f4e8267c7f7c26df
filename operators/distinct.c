// count(DISTINCT x): which values a group has, and how often each.
//
// The values lie in a family of their own, one entry a value, so that a group may have more of them than memory holds;
// the group's part only counts them. Key: the group's, the number of the call, and the value, as key bytes
// (state/encoding.h); segment: the group's. An entry is gone when its value is. Counts may be negative for the moment
// between a row's taking back and its coming; only values that are there more than no time are counted.
#include "operators/aggregate.h"
#include "operators/plant.h"
#include "state/encoding.h"

struct k_distinct_value {
    int64_t times; // net
};

static void value_encode(const void *value, const void *context, struct k_buf *out)
{
    (void)context;
    k_buf_add_zigzag(out, ((const struct k_distinct_value *)value)->times);
}

static int value_decode(struct k_str bytes, const void *context, void *value, struct k_error *err)
{
    (void)context;
    size_t used = k_get_zigzag(bytes.data, bytes.length, &((struct k_distinct_value *)value)->times);
    if (used && used == bytes.length) return 0;
    return k_fail(err, K_E_CORRUPT, "a value of %u bytes that count(DISTINCT …) remembers is damaged", bytes.length);
}

const struct k_family_type k_distinct_family = {
    .size = sizeof(struct k_distinct_value), .encode = value_encode, .decode = value_decode};

// --- the group's part ---

static bool distinct_result(const struct k_part *part, const void *value, struct k_arena *arena, struct k_made *out,
                            uint32_t row)
{
    (void)arena;
    k_made_i(out, row, *(const int64_t *)k_part_of(part, value));
    return true;
}

static void distinct_encode(const struct k_part *part, const void *value, struct k_buf *out)
{
    k_buf_add_zigzag(out, *(const int64_t *)k_part_of(part, value));
}

static size_t distinct_decode(const struct k_part *part, void *value, const char *data, size_t length)
{
    return k_get_zigzag(data, length, k_part_of(part, value));
}

// No add and no merge: they need the group's key (below), and groups with values of their own are never merged.
const struct k_accumulator k_accumulate_distinct = {
    .name = "distinct",
    .size = sizeof(int64_t),
    .result = distinct_result,
    .encode = distinct_encode,
    .decode = distinct_decode,
};

// --- rows ---

static struct k_str key_of(struct k_aggregator *aggregate, struct k_str group, uint32_t call,
                           const struct k_value *value, struct k_arena *arena)
{
    struct k_buf *key = &aggregate->scratch;
    k_buf_clear(key);
    k_buf_add(key, group.data, group.length);
    k_buf_add_char(key, (char)call); // of at most 256
    k_key_add_value(key, value);
    return (struct k_str){k_arena_copy(arena, key->data, key->length), (uint32_t)key->length};
}

int k_distinct_find(struct k_aggregator *aggregate, uint32_t call, const struct k_aggregate_input *input,
                    const struct k_targets *targets, struct k_distinct_hits *ret, struct k_error *err)
{
    struct k_arena *arena = input->batch->arena;
    const struct k_column *column = &input->arguments[call][0];
    uint32_t *which = k_arena_array(arena, uint32_t, targets->count);
    int64_t *segments = k_arena_array(arena, int64_t, targets->count);
    void **found = k_arena_array(arena, void *, targets->count);
    *ret = (struct k_distinct_hits){.keys = k_arena_array(arena, struct k_str, targets->count),
                                    .segments = segments,
                                    .values = k_arena_zeroed(arena, targets->count * sizeof *ret->values),
                                    .found = (struct k_distinct_value **)found};
    for (uint32_t i = 0; i < targets->count; i++) {
        uint32_t row = targets->rows[i];
        if (input->passes[call] && !input->passes[call][row]) continue;
        if (k_column_null(column, row)) continue;
        struct k_value value = k_column_value(column, row);
        ret->keys[ret->count] = key_of(aggregate, targets->keys[i], call, &value, arena);
        segments[ret->count] = targets->segments ? targets->segments[i] : 0;
        which[ret->count++] = i;
    }
    if (ret->count == 0) return 0;
    int code = k_family_find(aggregate->values, K_FIND_OR_CREATE, ret->count, segments, ret->keys, found, NULL, err);
    for (uint32_t i = 0; i < ret->count && code == 0; i++) ret->values[which[i]] = found[i];
    return code;
}

void k_distinct_apply(const struct k_part *part, void *group, struct k_distinct_value *value, int weight)
{
    int64_t *count = k_part_of(part, group);
    if (!value) return;
    bool before = value->times > 0;
    value->times += weight;
    if (before && K_OPERATOR_PLANT(distinct_once)) return;
    *count += (value->times > 0) - before;
}

int k_distinct_settle(struct k_aggregator *aggregate, const struct k_distinct_hits *hits, struct k_error *err)
{
    struct k_family *family = aggregate->values;
    uint32_t gone = 0;
    // All are looked at before the first goes: a value may have been hit several times.
    for (uint32_t i = 0; i < hits->count; i++) {
        if (hits->found[i]->times) k_family_dirty(family, hits->found[i]);
        else hits->keys[gone] = hits->keys[i], hits->segments[gone++] = hits->segments[i];
    }
    int code = 0;
    for (uint32_t i = 0; i < gone && code == 0; i++)
        code = k_family_remove(family, hits->segments[i], hits->keys[i], err);
    return code;
}

int k_distinct_add(struct k_aggregator *aggregate, uint32_t call, const struct k_aggregate_input *input,
                   const struct k_targets *targets, void *const *groups, struct k_error *err)
{
    struct k_distinct_hits hits;
    int code = k_distinct_find(aggregate, call, input, targets, &hits, err);
    if (code) return code;
    const int8_t *weight = input->batch->weight;
    for (uint32_t i = 0; i < targets->count; i++)
        k_distinct_apply(&aggregate->config->parts[call], groups[i], hits.values[i],
                         weight ? weight[targets->rows[i]] : 1);
    return k_distinct_settle(aggregate, &hits, err);
}
