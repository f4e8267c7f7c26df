// variance and stddev: how many, their sum, and the sum of their squares, all exact.
//
// So the result depends neither on the order of the rows nor on what came and was taken back. Squares of doubles are
// kept as the two doubles that are exactly the square; below 1e-146 the second is cut, and beyond 1.3e154 there is no
// first: the result is then an overflow.
#include <math.h>

#include "operators/accumulate.h"
#include "operators/plant.h"
#include "operators/spread.h"

__extension__ typedef unsigned __int128 wide_bits;

static bool is_sample(const struct k_part *part)
{
    return part->spread == K_SPREAD_VAR_SAMP || part->spread == K_SPREAD_STDDEV_SAMP;
}

// Of n values whose spread is known; false: beyond a double.
static bool finish(const struct k_part *part, double variance, struct k_made *out, uint32_t row)
{
    bool root = part->spread == K_SPREAD_STDDEV_POP || part->spread == K_SPREAD_STDDEV_SAMP;
    bool fits = !isinf(variance);
    if (fits) ((double *)out->data)[row] = root ? sqrt(variance) : variance;
    else k_made_null(out, row);
    return fits;
}

// Whether so many values have a result, and by what the spread is divided.
static bool divisor_of(const struct k_part *part, int64_t n, double *ret)
{
    if (n < 1 || (n == 1 && is_sample(part))) return false;
    *ret = (double)n * (double)(is_sample(part) ? n - 1 : n);
    return true;
}

// --- of int64 ---

struct int_spread {
    int64_t count;       // of rows that are not NULL
    uint64_t sum[2];     // two's complement, the low word first, as is:
    uint64_t squares[3]; // 2^63 squares of 2^126 are below 2^190
};

static void add_words(uint64_t *to, const uint64_t *from, int count, bool subtracts)
{
    unsigned char carry = subtracts;
    for (int i = 0; i < count; i++) {
        wide_bits total = (wide_bits)to[i] + (subtracts ? ~from[i] : from[i]) + carry;
        to[i] = (uint64_t)total;
        carry = (unsigned char)(total >> 64);
    }
}

static void int_spread_take(struct int_spread *slot, int64_t x, int weight)
{
    uint64_t absolute = x < 0 ? 0 - (uint64_t)x : (uint64_t)x;
    wide_bits square = (wide_bits)absolute * absolute;
    uint64_t value[2] = {(uint64_t)x, x < 0 ? UINT64_MAX : 0};
    uint64_t squares[3] = {(uint64_t)square, (uint64_t)(square >> 64), 0};
    slot->count += weight;
    add_words(slot->sum, value, 2, weight < 0);
    add_words(slot->squares, squares, 3, weight < 0 && !K_OPERATOR_PLANT(spread_keeps_taken));
}

static void int_spread_add(const struct k_part *part, const struct k_hits *hits)
{
    const int64_t *argument = hits->arguments[0].i;
    K_EACH_HIT(part, hits, struct int_spread, int_spread_take(slot, argument[row], weight););
}

// The magnitude of a number in two's complement, as words of 32 bits.
static bool magnitude(const uint64_t *from, int count, uint32_t *to)
{
    bool negative = from[count - 1] >> 63;
    uint64_t copy[3] = {0};
    add_words(copy, from, count, negative);
    for (int i = 0; i < count; i++) {
        to[2 * i] = (uint32_t)copy[i];
        to[2 * i + 1] = (uint32_t)(copy[i] >> 32);
    }
    return negative;
}

static bool int_spread_result(const struct k_part *part, const void *value, struct k_arena *arena, struct k_made *out,
                              uint32_t row)
{
    (void)arena;
    const struct int_spread *slot = k_part_of(part, value);
    double divisor;
    uint32_t sum[4], squares[6];
    if (!divisor_of(part, slot->count, &divisor)) {
        k_made_null(out, row);
        return true;
    }
    magnitude(slot->sum, 2, sum);
    // For a moment, between a row's taking back and its coming, the squares may be fewer than nothing.
    bool negative = magnitude(slot->squares, 3, squares);
    double variance = negative ? 0
                               : k_spread((struct k_words){sum, 4, 0}, (struct k_words){squares, 6, 0},
                                          (uint64_t)slot->count, divisor);
    return finish(part, variance, out, row);
}

static void int_spread_merge(const struct k_part *part, void *to, const void *from)
{
    struct int_spread *a = k_part_of(part, to);
    const struct int_spread *b = k_part_of(part, from);
    a->count += b->count;
    add_words(a->sum, b->sum, 2, false);
    add_words(a->squares, b->squares, 3, false);
}

static void int_spread_encode(const struct k_part *part, const void *value, struct k_buf *out)
{
    const struct int_spread *slot = k_part_of(part, value);
    k_buf_add_zigzag(out, slot->count);
    k_buf_add_varint(out, slot->sum[0]);
    k_buf_add_zigzag(out, (int64_t)slot->sum[1]);
    for (int i = 0; i < 3; i++) k_buf_add_varint(out, slot->squares[i]);
}

static size_t int_spread_decode(const struct k_part *part, void *value, const char *data, size_t length)
{
    struct int_spread *slot = k_part_of(part, value);
    int64_t high = 0;
    size_t at = k_get_zigzag(data, length, &slot->count), used = at;
    if (used) at += used = k_get_varint(data + at, length - at, &slot->sum[0]);
    if (used) at += used = k_get_zigzag(data + at, length - at, &high);
    for (int i = 0; i < 3 && used; i++) at += used = k_get_varint(data + at, length - at, &slot->squares[i]);
    slot->sum[1] = (uint64_t)high;
    return used ? at : 0;
}

const struct k_accumulator k_accumulate_int_spread = {
    .name = "spread of int64",
    .size = sizeof(struct int_spread),
    .add = int_spread_add,
    .result = int_spread_result,
    .merge = int_spread_merge,
    .encode = int_spread_encode,
    .decode = int_spread_decode,
};

// --- of double ---

struct double_spread {
    int64_t count;  // of rows that are not NULL
    int64_t beyond; // of those whose square is beyond a double, net
    struct k_float_sum sum, squares;
};

static void double_spread_take(struct double_spread *slot, double x, int weight)
{
    double high = x * x;
    slot->count += weight;
    k_float_sum_add(&slot->sum, x, weight); // NaN and infinities are noted there
    if (!isfinite(x)) return;
    if (isinf(high)) {
        slot->beyond += weight;
        return;
    }
    k_float_sum_add(&slot->squares, high, weight);
    k_float_sum_add(&slot->squares, fma(x, x, -high), weight);
}

static void double_spread_add(const struct k_part *part, const struct k_hits *hits)
{
    const double *argument = hits->arguments[0].d;
    K_EACH_HIT(part, hits, struct double_spread, double_spread_take(slot, argument[row], weight););
}

static bool double_spread_result(const struct k_part *part, const void *value, struct k_arena *arena,
                                 struct k_made *out, uint32_t row)
{
    (void)arena;
    const struct double_spread *slot = k_part_of(part, value);
    double divisor;
    if (!divisor_of(part, slot->count, &divisor)) {
        k_made_null(out, row);
        return true;
    }
    if (!k_float_sum_is_finite(&slot->sum)) {
        ((double *)out->data)[row] = NAN;
        return true;
    }
    if (slot->beyond) {
        k_made_null(out, row);
        return false;
    }
    struct k_float_magnitude sum, squares;
    k_float_sum_magnitude(&slot->sum, &sum);
    k_float_sum_magnitude(&slot->squares, &squares);
    double variance = squares.negative ? 0
                                       : k_spread((struct k_words){sum.chunk, K_SUM_CHUNKS, K_SUM_UNIT},
                                                  (struct k_words){squares.chunk, K_SUM_CHUNKS, K_SUM_UNIT},
                                                  (uint64_t)slot->count, divisor);
    return finish(part, variance, out, row);
}

static void double_spread_merge(const struct k_part *part, void *to, const void *from)
{
    struct double_spread *a = k_part_of(part, to);
    const struct double_spread *b = k_part_of(part, from);
    a->count += b->count;
    a->beyond += b->beyond;
    k_float_sum_merge(&a->sum, &b->sum);
    k_float_sum_merge(&a->squares, &b->squares);
}

static void double_spread_encode(const struct k_part *part, const void *value, struct k_buf *out)
{
    const struct double_spread *slot = k_part_of(part, value);
    k_buf_add_zigzag(out, slot->count);
    k_buf_add_zigzag(out, slot->beyond);
    k_float_sum_encode(&slot->sum, out);
    k_float_sum_encode(&slot->squares, out);
}

static size_t double_spread_decode(const struct k_part *part, void *value, const char *data, size_t length)
{
    struct double_spread *slot = k_part_of(part, value);
    size_t at = k_get_zigzag(data, length, &slot->count), used = at;
    if (used) at += used = k_get_zigzag(data + at, length - at, &slot->beyond);
    if (used) at += used = k_float_sum_decode(&slot->sum, data + at, length - at);
    if (used) at += used = k_float_sum_decode(&slot->squares, data + at, length - at);
    return used ? at : 0;
}

static void double_spread_fini(const struct k_part *part, void *value)
{
    struct double_spread *slot = k_part_of(part, value);
    k_float_sum_fini(&slot->sum);
    k_float_sum_fini(&slot->squares);
}

static size_t double_spread_owned(const struct k_part *part, const void *value)
{
    const struct double_spread *slot = k_part_of(part, value);
    return k_float_sum_owned(&slot->sum) + k_float_sum_owned(&slot->squares);
}

const struct k_accumulator k_accumulate_double_spread = {
    .name = "spread of double",
    .size = sizeof(struct double_spread),
    .add = double_spread_add,
    .result = double_spread_result,
    .merge = double_spread_merge,
    .encode = double_spread_encode,
    .decode = double_spread_decode,
    .fini = double_spread_fini,
    .owned_bytes = double_spread_owned,
};
