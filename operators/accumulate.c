// Counts, sums and averages.
#include "operators/accumulate.h"

#include <math.h>

#include "operators/float_sum.h"

__extension__ typedef __int128 wide;
__extension__ typedef unsigned __int128 wide_bits;

void k_part_reset(const struct k_part *part, void *value)
{
    if (part->kind->size == 0) return;
    if (part->kind->fini) part->kind->fini(part, value);
    memset(k_part_of(part, value), 0, part->kind->size);
}

// --- count ---

static bool rows_result(const struct k_part *part, const void *value, struct k_arena *arena, struct k_made *out,
                        uint32_t row)
{
    (void)part, (void)arena;
    k_made_i(out, row, ((const struct k_group *)value)->rows);
    return true;
}

const struct k_accumulator k_accumulate_rows = {.name = "rows", .size = 0, .result = rows_result};

static void count_add(const struct k_part *part, const struct k_hits *hits)
{
    if (!hits->arguments) { // count(*) with a filter
        for (uint32_t i = 0; i < hits->count; i++)
            *(int64_t *)k_part_of(part, hits->values[i]) += hits->weight ? hits->weight[hits->rows[i]] : 1;
        return;
    }
    K_EACH_HIT(part, hits, int64_t, {
        (void)row;
        *slot += weight;
    });
}

static bool count_result(const struct k_part *part, const void *value, struct k_arena *arena, struct k_made *out,
                         uint32_t row)
{
    (void)arena;
    k_made_i(out, row, *(const int64_t *)k_part_of(part, value));
    return true;
}

static void count_merge(const struct k_part *part, void *to, const void *from)
{
    *(int64_t *)k_part_of(part, to) += *(const int64_t *)k_part_of(part, from);
}

static void count_encode(const struct k_part *part, const void *value, struct k_buf *out)
{
    k_buf_add_zigzag(out, *(const int64_t *)k_part_of(part, value));
}

static size_t count_decode(const struct k_part *part, void *value, const char *data, size_t length)
{
    return k_get_zigzag(data, length, k_part_of(part, value));
}

static const struct k_accumulator count = {
    .name = "count", .size = sizeof(int64_t), .add = count_add, .result = count_result, .merge = count_merge,
    .encode = count_encode, .decode = count_decode,
};

// --- sum and avg of int64 ---
// 128 bits hold the sum of 2^64 rows: only the result can overflow, and it does so in whatever order the rows came.

struct int_sum {
    int64_t count; // of rows that are not NULL
    uint64_t low;
    int64_t high;
};

static wide int_sum_get(const struct int_sum *sum)
{
    return (wide)((wide_bits)(wide)sum->high << 64 | sum->low);
}

static void int_sum_put(struct int_sum *sum, wide value)
{
    sum->low = (uint64_t)value;
    sum->high = (int64_t)(value >> 64);
}

static void int_sum_add(const struct k_part *part, const struct k_hits *hits)
{
    const int64_t *argument = hits->arguments[0].i;
    K_EACH_HIT(part, hits, struct int_sum, {
        slot->count += weight;
        int_sum_put(slot, int_sum_get(slot) + (wide)argument[row] * weight);
    });
}

static bool int_sum_result(const struct k_part *part, const void *value, struct k_arena *arena, struct k_made *out,
                           uint32_t row)
{
    (void)arena;
    const struct int_sum *sum = k_part_of(part, value);
    wide total = int_sum_get(sum);
    bool fits = total >= INT64_MIN && total <= INT64_MAX;
    if (sum->count == 0 || !fits) k_made_null(out, row);
    else k_made_i(out, row, (int64_t)total);
    return fits;
}

static bool int_avg_result(const struct k_part *part, const void *value, struct k_arena *arena, struct k_made *out,
                           uint32_t row)
{
    (void)arena;
    const struct int_sum *sum = k_part_of(part, value);
    if (sum->count == 0) k_made_null(out, row);
    else ((double *)out->data)[row] = (double)int_sum_get(sum) / (double)sum->count;
    return true;
}

static void int_sum_merge(const struct k_part *part, void *to, const void *from)
{
    struct int_sum *a = k_part_of(part, to);
    const struct int_sum *b = k_part_of(part, from);
    a->count += b->count;
    int_sum_put(a, int_sum_get(a) + int_sum_get(b));
}

static void int_sum_encode(const struct k_part *part, const void *value, struct k_buf *out)
{
    const struct int_sum *sum = k_part_of(part, value);
    k_buf_add_zigzag(out, sum->count);
    k_buf_add_varint(out, sum->low);
    k_buf_add_zigzag(out, sum->high);
}

static size_t int_sum_decode(const struct k_part *part, void *value, const char *data, size_t length)
{
    struct int_sum *sum = k_part_of(part, value);
    size_t a = k_get_zigzag(data, length, &sum->count);
    size_t b = a ? k_get_varint(data + a, length - a, &sum->low) : 0;
    size_t c = b ? k_get_zigzag(data + a + b, length - a - b, &sum->high) : 0;
    return c ? a + b + c : 0;
}

static const struct k_accumulator int_sum = {
    .name = "sum of int64", .size = sizeof(struct int_sum), .add = int_sum_add, .result = int_sum_result,
    .merge = int_sum_merge, .encode = int_sum_encode, .decode = int_sum_decode,
};
static const struct k_accumulator int_avg = {
    .name = "avg of int64", .size = sizeof(struct int_sum), .add = int_sum_add, .result = int_avg_result,
    .merge = int_sum_merge, .encode = int_sum_encode, .decode = int_sum_decode,
};

// --- sum and avg of double ---

struct double_sum {
    int64_t count; // of rows that are not NULL
    struct k_float_sum sum;
};

static void double_sum_add(const struct k_part *part, const struct k_hits *hits)
{
    const double *argument = hits->arguments[0].d;
    K_EACH_HIT(part, hits, struct double_sum, {
        slot->count += weight;
        k_float_sum_add(&slot->sum, argument[row], weight);
    });
}

static bool double_result(const struct k_part *part, const void *value, struct k_made *out, uint32_t row, bool average)
{
    const struct double_sum *sum = k_part_of(part, value);
    double total = k_float_sum_result(&sum->sum);
    // PostgreSQL's rule: an infinite result of finite numbers is an overflow.
    bool fits = !isinf(total) || !k_float_sum_is_finite(&sum->sum);
    if (sum->count == 0 || !fits) k_made_null(out, row);
    else ((double *)out->data)[row] = average ? total / (double)sum->count : total;
    return fits;
}

static bool double_sum_result(const struct k_part *part, const void *value, struct k_arena *arena, struct k_made *out,
                              uint32_t row)
{
    (void)arena;
    return double_result(part, value, out, row, false);
}

static bool double_avg_result(const struct k_part *part, const void *value, struct k_arena *arena, struct k_made *out,
                              uint32_t row)
{
    (void)arena;
    return double_result(part, value, out, row, true);
}

static void double_sum_merge(const struct k_part *part, void *to, const void *from)
{
    struct double_sum *a = k_part_of(part, to);
    const struct double_sum *b = k_part_of(part, from);
    a->count += b->count;
    k_float_sum_merge(&a->sum, &b->sum);
}

static void double_sum_encode(const struct k_part *part, const void *value, struct k_buf *out)
{
    const struct double_sum *sum = k_part_of(part, value);
    k_buf_add_zigzag(out, sum->count);
    k_float_sum_encode(&sum->sum, out);
}

static size_t double_sum_decode(const struct k_part *part, void *value, const char *data, size_t length)
{
    struct double_sum *sum = k_part_of(part, value);
    size_t a = k_get_zigzag(data, length, &sum->count);
    size_t b = a ? k_float_sum_decode(&sum->sum, data + a, length - a) : 0;
    return b ? a + b : 0;
}

static void double_sum_fini(const struct k_part *part, void *value)
{
    k_float_sum_fini(&((struct double_sum *)k_part_of(part, value))->sum);
}

static size_t double_sum_owned(const struct k_part *part, const void *value)
{
    return k_float_sum_owned(&((const struct double_sum *)k_part_of(part, value))->sum);
}

static const struct k_accumulator double_sum = {
    .name = "sum of double", .size = sizeof(struct double_sum), .add = double_sum_add, .result = double_sum_result,
    .merge = double_sum_merge, .encode = double_sum_encode, .decode = double_sum_decode, .fini = double_sum_fini,
    .owned_bytes = double_sum_owned,
};
static const struct k_accumulator double_avg = {
    .name = "avg of double", .size = sizeof(struct double_sum), .add = double_sum_add, .result = double_avg_result,
    .merge = double_sum_merge, .encode = double_sum_encode, .decode = double_sum_decode, .fini = double_sum_fini,
    .owned_bytes = double_sum_owned,
};

// --- which one ---

static const struct k_accumulator *extreme_for(enum k_type type, bool updating)
{
    if (updating) return &k_accumulate_multiset;
    bool text = type == K_STRING || type == K_BYTES || type == K_JSON;
    return text ? &k_accumulate_least_string : &k_accumulate_least;
}

// Whether every row counts: what is proved of an expression does not hold where its failures pass as NULL.
static bool counts_all(const struct k_aggregate_call *call, bool pass_null)
{
    const struct k_expr *argument = call->arguments[0];
    return !call->filter && k_expr_not_null(argument) && (!pass_null || k_expr_column(argument) >= 0);
}

const struct k_accumulator *k_accumulator_for(const struct k_aggregate_call *call, bool updating, bool pass_null)
{
    enum k_type type = call->arguments[0] ? k_expr_type(call->arguments[0]) : K_NO_TYPE;
    switch (call->function) {
    case K_AGG_COUNT_STAR: return call->filter ? &count : &k_accumulate_rows;
    case K_AGG_COUNT: return counts_all(call, pass_null) ? &k_accumulate_rows : &count;
    case K_AGG_SUM: return type == K_DOUBLE ? &double_sum : &int_sum;
    case K_AGG_AVG: return type == K_DOUBLE ? &double_avg : &int_avg;
    case K_AGG_MIN:
    case K_AGG_MAX: return extreme_for(type, updating);
    case K_AGG_ARG_MIN:
    case K_AGG_ARG_MAX: return updating ? &k_accumulate_multiset : &k_accumulate_least_pair;
    case K_AGG_FIRST:
    case K_AGG_LAST: return &k_accumulate_end;
    case K_AGG_COUNT_DISTINCT: return &k_accumulate_distinct;
    case K_AGG_VAR_POP:
    case K_AGG_VAR_SAMP:
    case K_AGG_STDDEV_POP:
    case K_AGG_STDDEV_SAMP: return type == K_DOUBLE ? &k_accumulate_double_spread : &k_accumulate_int_spread;
    }
    K_ASSERT(!"an aggregate function outside the list");
}
