// greatest and least: one of several values of one type. NULLs are left out; only where all are NULL is the outcome.
// Of equal values the first is taken, which a double can show: 0.0 and -0.0 are equal.
#include "base/error.h"
#include "operators/expr/kernels.h"

static bool has_nulls(const struct k_call *call)
{
    for (uint32_t i = 0; i < call->count; i++)
        if (call->args[i].column.valid) return true;
    return false;
}

// `better` says whether x is to replace y. Argument by argument, so that each loop is one over columns.
#define CHOOSE(name, T, better)                                       \
    static void name(struct k_call *call)                             \
    {                                                                 \
        T *restrict out = call->out;                                  \
        uint8_t *valid = has_nulls(call) ? k_call_valid(call) : NULL; \
        if (valid) K_EACH_ROW(call->rows, r, valid[r] = 0;);          \
        for (uint32_t i = 0; i < call->count; i++) {                  \
            const struct k_vec *arg = &call->args[i];                 \
            const T *data = arg->column.data;                         \
            uint32_t step = !arg->constant;                           \
            if (valid) {                                              \
                K_EACH_ROW(call->rows, r, {                           \
                    if (k_vec_null(arg, r)) continue;                 \
                    T x = data[r * step];                             \
                    if (valid[r]) {                                   \
                        T y = out[r];                                 \
                        if (!(better)) continue;                      \
                    }                                                 \
                    out[r] = x;                                       \
                    valid[r] = 1;                                     \
                });                                                   \
            } else if (i == 0) {                                      \
                K_EACH_ROW(call->rows, r, out[r] = data[r * step];);  \
            } else {                                                  \
                K_EACH_ROW(call->rows, r, {                           \
                    T x = data[r * step], y = out[r];                 \
                    out[r] = (better) ? x : y;                        \
                });                                                   \
            }                                                         \
        }                                                             \
    }

// NaN is the greatest double.
#define DOUBLE_LESS(x, y) (((x) < (y)) | (((x) == (x)) & ((y) != (y))))
CHOOSE(greatest_bool, uint8_t, x > y)
CHOOSE(greatest_int64, int64_t, x > y)
CHOOSE(greatest_double, double, DOUBLE_LESS(y, x))
CHOOSE(greatest_string, struct k_str, k_str_compare(x, y) > 0)
CHOOSE(greatest_interval, struct k_interval, k_interval_span(x) > k_interval_span(y))
CHOOSE(least_bool, uint8_t, x < y)
CHOOSE(least_int64, int64_t, x < y)
CHOOSE(least_double, double, DOUBLE_LESS(x, y))
CHOOSE(least_string, struct k_str, k_str_compare(x, y) < 0)
CHOOSE(least_interval, struct k_interval, k_interval_span(x) < k_interval_span(y))

void k_kernel_greatest(struct k_call *call)
{
    switch (call->node->type) {
    case K_BOOL: greatest_bool(call); return;
    case K_INT64:
    case K_TIMESTAMP: greatest_int64(call); return;
    case K_DOUBLE: greatest_double(call); return;
    case K_STRING:
    case K_BYTES: greatest_string(call); return;
    case K_INTERVAL: greatest_interval(call); return;
    case K_JSON:
    case K_NO_TYPE: break;
    }
    K_ASSERT(!"a type without an order");
}

void k_kernel_least(struct k_call *call)
{
    switch (call->node->type) {
    case K_BOOL: least_bool(call); return;
    case K_INT64:
    case K_TIMESTAMP: least_int64(call); return;
    case K_DOUBLE: least_double(call); return;
    case K_STRING:
    case K_BYTES: least_string(call); return;
    case K_INTERVAL: least_interval(call); return;
    case K_JSON:
    case K_NO_TYPE: break;
    }
    K_ASSERT(!"a type without an order");
}
