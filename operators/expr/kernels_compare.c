// Comparisons, and the tests that take NULL: IS NULL, IS TRUE and their kin. Doubles have PostgreSQL's order: NaN is
// equal to itself and greater than everything else.
#include "operators/expr/kernels.h"

#include "base/error.h"

#define SIMPLE(type, T, expression)                                          \
    void k_kernel_##type(struct k_call *call)                                \
    {                                                                        \
        K_BINARY_WIDE(call, T, T, uint8_t, out[r] = (uint8_t)(expression);); \
    }

SIMPLE(int64_eq, int64_t, a == b)
SIMPLE(int64_ne, int64_t, a != b)
SIMPLE(int64_lt, int64_t, a < b)
SIMPLE(int64_le, int64_t, a <= b)
SIMPLE(int64_gt, int64_t, a > b)
SIMPLE(int64_ge, int64_t, a >= b)

SIMPLE(bool_eq, uint8_t, a == b)
SIMPLE(bool_ne, uint8_t, a != b)
SIMPLE(bool_lt, uint8_t, a < b)
SIMPLE(bool_le, uint8_t, a <= b)
SIMPLE(bool_gt, uint8_t, a > b)
SIMPLE(bool_ge, uint8_t, a >= b)

// a != a says that a is NaN, in a form that vectorises.
SIMPLE(double_eq, double, (a == b) | ((a != a) & (b != b)))
SIMPLE(double_ne, double, !((a == b) | ((a != a) & (b != b))))
SIMPLE(double_lt, double, (a < b) | ((a == a) & (b != b)))
SIMPLE(double_le, double, (a <= b) | (b != b))
SIMPLE(double_gt, double, (a > b) | ((a != a) & (b == b)))
SIMPLE(double_ge, double, (a >= b) | (a != a))

SIMPLE(interval_eq, struct k_interval, k_interval_span(a) == k_interval_span(b))
SIMPLE(interval_ne, struct k_interval, k_interval_span(a) != k_interval_span(b))
SIMPLE(interval_lt, struct k_interval, k_interval_span(a) < k_interval_span(b))
SIMPLE(interval_le, struct k_interval, k_interval_span(a) <= k_interval_span(b))
SIMPLE(interval_gt, struct k_interval, k_interval_span(a) > k_interval_span(b))
SIMPLE(interval_ge, struct k_interval, k_interval_span(a) >= k_interval_span(b))

// Strings compare by bytes, which for UTF-8 is the order of code points, in every locale. NULL rows have no string.
#define STRINGS(type, expression)                                                                               \
    void k_kernel_##type(struct k_call *call)                                                                   \
    {                                                                                                           \
        if (call->valid)                                                                                        \
            K_BINARY_LOOP(call, struct k_str, struct k_str, uint8_t, out[r] = call->valid[r] && (expression);); \
        else K_BINARY_LOOP(call, struct k_str, struct k_str, uint8_t, out[r] = (uint8_t)(expression););         \
    }
STRINGS(string_eq, k_str_equal(a, b))
STRINGS(string_ne, !k_str_equal(a, b))
STRINGS(string_lt, k_str_compare(a, b) < 0)
STRINGS(string_le, k_str_compare(a, b) <= 0)
STRINGS(string_gt, k_str_compare(a, b) > 0)
STRINGS(string_ge, k_str_compare(a, b) >= 0)

#define NULL_TEST(name, valid_is)                                                                 \
    void k_kernel_##name(struct k_call *call)                                                     \
    {                                                                                             \
        const struct k_vec *vec = &call->args[0];                                                 \
        uint8_t *out = call->out;                                                                 \
        const uint8_t *valid = vec->column.valid;                                                 \
        if (!valid) K_EACH_ROW(call->rows, r, out[r] = valid_is;);                                \
        else if (vec->constant) K_EACH_ROW(call->rows, r, out[r] = (valid[0] != 0) == valid_is;); \
        else K_EACH_ROW(call->rows, r, out[r] = (valid[r] != 0) == valid_is;);                    \
    }
NULL_TEST(is_null, 0)
NULL_TEST(is_not_null, 1)

// known: the value of the argument where it is not NULL; unknown: the outcome for NULL.
#define TRUTH_TEST(name, known, unknown)                                         \
    void k_kernel_##name(struct k_call *call)                                    \
    {                                                                            \
        const struct k_vec *vec = &call->args[0];                                \
        uint8_t *out = call->out;                                                \
        K_EACH_ROW(call->rows, r, {                                              \
            bool value = K_ARG(call, 0, uint8_t, r) != 0;                        \
            out[r] = k_vec_null(vec, r) ? unknown : (value == known) != unknown; \
        });                                                                      \
    }
TRUTH_TEST(is_true, true, false)
TRUTH_TEST(is_not_true, true, true)
TRUTH_TEST(is_false, false, false)
TRUTH_TEST(is_not_false, false, true)

void k_kernel_logic_not(struct k_call *call)
{
    K_UNARY_WIDE(call, uint8_t, uint8_t, out[r] = !a;);
}

static int order(bool less, bool greater)
{
    return greater - less;
}

int k_value_order(const struct k_value *a, const struct k_value *b)
{
    K_ASSERT(a->type == b->type && !a->null && !b->null);
    switch (a->type) {
    case K_BOOL: return order(a->b<b->b, a->b> b->b);
    case K_INT64:
    case K_TIMESTAMP: return order(a->i<b->i, a->i> b->i);
    case K_DOUBLE:
        if (a->d != a->d || b->d != b->d) return order(a->d == a->d, b->d == b->d);
        return order(a->d<b->d, a->d> b->d);
    case K_STRING:
    case K_BYTES: return k_str_compare(a->s, b->s);
    case K_INTERVAL:
        return order(k_interval_span(a->interval) < k_interval_span(b->interval),
                     k_interval_span(a->interval) > k_interval_span(b->interval));
    case K_JSON:
    case K_NO_TYPE: break;
    }
    K_ASSERT(!"a type without an order");
}
