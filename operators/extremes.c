// min, max, arg_min and arg_max of rows that are never taken back: the one value that is best so far.
//
// Of several rows that are equally good, arg_min and arg_max take the one with the least argument, so that the result
// does not depend on the order of the rows. NULLs are left out; for arg_* those of what is compared.
#include <math.h>
#include <stdlib.h>

#include "operators/accumulate.h"
#include "state/encoding.h"

// --- values of fixed width, as numbers that are ordered like them ---

struct least {
    int64_t rank;
    int64_t has;
};

// Its own inverse. Both zeros are one, and every NaN is one, above all numbers.
static int64_t rank_of_bits(int64_t bits)
{
    return bits < 0 ? bits ^ INT64_MAX : bits;
}

static int64_t rank_of_double(double value)
{
    if (value == 0) return 0;
    if (isnan(value)) return INT64_C(0x7ff8000000000000);
    int64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return rank_of_bits(bits);
}

static inline void least_take(const struct k_part *part, struct least *slot, int64_t rank)
{
    if (slot->has && (part->greatest ? rank <= slot->rank : rank >= slot->rank)) return;
    slot->rank = rank;
    slot->has = 1;
}

static void least_add(const struct k_part *part, const struct k_hits *hits)
{
    const struct k_column *argument = &hits->arguments[0];
    switch (argument->type) {
    case K_BOOL:
        K_EACH_HIT(part, hits, struct least, {
            (void)weight;
            least_take(part, slot, argument->b[row]);
        });
        return;
    case K_DOUBLE:
        K_EACH_HIT(part, hits, struct least, {
            (void)weight;
            least_take(part, slot, rank_of_double(argument->d[row]));
        });
        return;
    default:
        K_EACH_HIT(part, hits, struct least, {
            (void)weight;
            least_take(part, slot, argument->i[row]);
        });
        return;
    }
}

static bool least_result(const struct k_part *part, const void *value, struct k_arena *arena, struct k_made *out,
                         uint32_t row)
{
    (void)arena;
    const struct least *slot = k_part_of(part, value);
    struct k_value result = {.type = part->type, .null = !slot->has};
    int64_t bits = rank_of_bits(slot->rank);
    if (part->type == K_BOOL) result.b = slot->rank != 0;
    else if (part->type == K_DOUBLE) memcpy(&result.d, &bits, sizeof bits);
    else result.i = slot->rank;
    k_made_value(out, row, &result);
    return true;
}

static void least_merge(const struct k_part *part, void *to, const void *from)
{
    const struct least *other = k_part_of(part, from);
    if (other->has) least_take(part, k_part_of(part, to), other->rank);
}

static void least_encode(const struct k_part *part, const void *value, struct k_buf *out)
{
    const struct least *slot = k_part_of(part, value);
    k_buf_add_char(out, (char)slot->has);
    if (slot->has) k_buf_add_zigzag(out, slot->rank);
}

static size_t least_decode(const struct k_part *part, void *value, const char *data, size_t length)
{
    struct least *slot = k_part_of(part, value);
    if (length == 0) return 0;
    if (data[0] == 0) return 1;
    slot->has = 1;
    size_t used = k_get_zigzag(data + 1, length - 1, &slot->rank);
    return used ? used + 1 : 0;
}

const struct k_accumulator k_accumulate_least = {
    .name = "least", .size = sizeof(struct least), .add = least_add, .result = least_result, .merge = least_merge,
    .encode = least_encode, .decode = least_decode,
};

// --- bytes of any length, in memory of the value's own ---

struct bytes {
    char *data;
    uint32_t length, capacity;
    uint32_t by_length; // pairs: how many of the bytes are what is compared
    bool has;
};

static void bytes_put(struct bytes *slot, struct k_str bytes, uint32_t by_length)
{
    if (bytes.length > slot->capacity) {
        slot->data = k_realloc(slot->data, bytes.length);
        slot->capacity = bytes.length;
    }
    if (bytes.length) memcpy(slot->data, bytes.data, bytes.length);
    slot->length = bytes.length;
    slot->by_length = by_length;
    slot->has = true;
}

static struct k_str bytes_get(const struct bytes *slot)
{
    return (struct k_str){slot->data ? slot->data : "", slot->length};
}

static void bytes_encode(const struct k_part *part, const void *value, struct k_buf *out)
{
    const struct bytes *slot = k_part_of(part, value);
    k_buf_add_varint(out, slot->has ? (uint64_t)slot->length + 1 : 0);
    if (!slot->has) return;
    k_buf_add_varint(out, slot->by_length);
    if (slot->length) k_buf_add(out, slot->data, slot->length);
}

static size_t bytes_decode(const struct k_part *part, void *value, const char *data, size_t length)
{
    uint64_t stored, by_length;
    size_t at = k_get_varint(data, length, &stored);
    if (at == 0 || stored == 0) return at;
    stored--;
    size_t used = k_get_varint(data + at, length - at, &by_length);
    at += used;
    if (used == 0 || by_length > stored || stored > length - at || stored > UINT32_MAX) return 0;
    bytes_put(k_part_of(part, value), (struct k_str){data + at, (uint32_t)stored}, (uint32_t)by_length);
    return at + stored;
}

static void bytes_fini(const struct k_part *part, void *value)
{
    free(((struct bytes *)k_part_of(part, value))->data);
}

static size_t bytes_owned(const struct k_part *part, const void *value)
{
    return ((const struct bytes *)k_part_of(part, value))->capacity;
}

static void string_take(const struct k_part *part, struct bytes *slot, struct k_str text)
{
    if (slot->has) {
        int order = k_str_compare(text, bytes_get(slot));
        if (part->greatest ? order <= 0 : order >= 0) return;
    }
    bytes_put(slot, text, 0);
}

static void string_add(const struct k_part *part, const struct k_hits *hits)
{
    const struct k_str *argument = hits->arguments[0].s;
    K_EACH_HIT(part, hits, struct bytes, {
        (void)weight;
        string_take(part, slot, argument[row]);
    });
}

static bool string_result(const struct k_part *part, const void *value, struct k_arena *arena, struct k_made *out,
                          uint32_t row)
{
    const struct bytes *slot = k_part_of(part, value);
    struct k_value result = {.type = part->type, .null = !slot->has};
    // A copy: the group's own bytes change with the next row.
    if (slot->has) result.s = (struct k_str){k_arena_copy(arena, bytes_get(slot).data, slot->length), slot->length};
    k_made_value(out, row, &result);
    return true;
}

static void string_merge(const struct k_part *part, void *to, const void *from)
{
    const struct bytes *other = k_part_of(part, from);
    if (other->has) string_take(part, k_part_of(part, to), bytes_get(other));
}

const struct k_accumulator k_accumulate_least_string = {
    .name = "least string", .size = sizeof(struct bytes), .add = string_add, .result = string_result,
    .merge = string_merge, .encode = bytes_encode, .decode = bytes_decode, .fini = bytes_fini,
    .owned_bytes = bytes_owned,
};

// --- pairs: what is compared, then the argument, both as key bytes, whose order is that of the values ---

static void pair_take(const struct k_part *part, struct bytes *slot, struct k_str pair, uint32_t by_length)
{
    if (slot->has) {
        struct k_str mine = bytes_get(slot);
        int order = k_str_compare((struct k_str){pair.data, by_length}, (struct k_str){mine.data, slot->by_length});
        if (part->greatest) order = -order;
        if (order == 0) order = k_str_compare(pair, mine); // equal up to the argument
        if (order >= 0) return;
    }
    bytes_put(slot, pair, by_length);
}

static void pair_add(const struct k_part *part, const struct k_hits *hits)
{
    const struct k_column *argument = &hits->arguments[0], *by = &hits->arguments[1];
    for (uint32_t i = 0; i < hits->count; i++) {
        uint32_t row = hits->rows[i];
        if (k_column_null(by, row)) continue;
        struct k_value key = k_column_value(by, row), carried = k_column_value(argument, row);
        k_buf_clear(hits->scratch);
        k_key_add_value(hits->scratch, &key);
        uint32_t by_length = (uint32_t)hits->scratch->length;
        k_key_add_value(hits->scratch, &carried);
        pair_take(part, k_part_of(part, hits->values[i]), k_buf_str(hits->scratch), by_length);
    }
}

static bool pair_result(const struct k_part *part, const void *value, struct k_arena *arena, struct k_made *out,
                        uint32_t row)
{
    const struct bytes *slot = k_part_of(part, value);
    struct k_value result = {.type = part->type, .null = true};
    if (slot->has) {
        size_t used;
        uint32_t length = slot->length - slot->by_length;
        struct k_str key = {k_arena_copy(arena, slot->data + slot->by_length, length), length};
        int code = k_key_decode(key, 1, arena, &result, &used, NULL);
        K_ASSERT(code == 0); // our own bytes; what comes from the store was checked when it was decoded
    }
    k_made_value(out, row, &result);
    return true;
}

static void pair_merge(const struct k_part *part, void *to, const void *from)
{
    const struct bytes *other = k_part_of(part, from);
    if (other->has) pair_take(part, k_part_of(part, to), bytes_get(other), other->by_length);
}

const struct k_accumulator k_accumulate_least_pair = {
    .name = "least pair", .size = sizeof(struct bytes), .add = pair_add, .result = pair_result, .merge = pair_merge,
    .encode = bytes_encode, .decode = bytes_decode, .fini = bytes_fini, .owned_bytes = bytes_owned,
};
