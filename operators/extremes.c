// min and max of rows that are never taken back: the one value that is best so far. NULLs are left out.
#include <math.h>

#include "operators/kept.h"
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
    .name = "least",
    .size = sizeof(struct least),
    .add = least_add,
    .result = least_result,
    .merge = least_merge,
    .encode = least_encode,
    .decode = least_decode,
};

// --- bytes of any length ---

static void string_take(const struct k_part *part, struct k_kept *slot, struct k_str text)
{
    if (slot->has) {
        int order = k_str_compare(text, k_kept_get(slot));
        if (part->greatest ? order <= 0 : order >= 0) return;
    }
    k_kept_put(slot, text, 0);
}

static void string_add(const struct k_part *part, const struct k_hits *hits)
{
    const struct k_str *argument = hits->arguments[0].s;
    K_EACH_HIT(part, hits, struct k_kept, {
        (void)weight;
        string_take(part, slot, argument[row]);
    });
}

static bool string_result(const struct k_part *part, const void *value, struct k_arena *arena, struct k_made *out,
                          uint32_t row)
{
    const struct k_kept *slot = k_part_of(part, value);
    struct k_value result = {.type = part->type, .null = !slot->has};
    // A copy: the group's own bytes change with the next row.
    if (slot->has) result.s = (struct k_str){k_arena_copy(arena, k_kept_get(slot).data, slot->length), slot->length};
    k_made_value(out, row, &result);
    return true;
}

static void string_merge(const struct k_part *part, void *to, const void *from)
{
    const struct k_kept *other = k_part_of(part, from);
    if (other->has) string_take(part, k_part_of(part, to), k_kept_get(other));
}

const struct k_accumulator k_accumulate_least_string = {
    .name = "least string",
    .size = sizeof(struct k_kept),
    .add = string_add,
    .result = string_result,
    .merge = string_merge,
    .encode = k_kept_encode,
    .decode = k_kept_decode,
    .fini = k_kept_fini,
    .owned_bytes = k_kept_owned,
};
