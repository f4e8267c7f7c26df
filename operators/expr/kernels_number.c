// Arithmetic. Nothing wraps: a result outside the type is an error of its row.
//
// The fast loop computes every row, also those that are NULL, and only notes whether anything was out of range; the
// slow loop then finds the rows that count.
#include "operators/expr/kernels.h"

#include <math.h>

#include "base/double_text.h"

static void int64_overflow(struct k_call *call, uint32_t row, int64_t a, const char *name, int64_t b)
{
    k_call_fail(call, row, "overflow", "%lld %s %lld is out of the range of int64", (long long)a, name, (long long)b);
}

#define INT64_KERNEL(name, text, builtin)                                                                   \
    void k_kernel_##name(struct k_call *call)                                                               \
    {                                                                                                       \
        bool bad = false;                                                                                   \
        K_BINARY_WIDE(call, int64_t, int64_t, int64_t, {                                                    \
            int64_t result;                                                                                 \
            bad |= builtin(a, b, &result);                                                                  \
            out[r] = result;                                                                                \
        });                                                                                                 \
        if (!bad) return;                                                                                   \
        K_BINARY_LOOP(call, int64_t, int64_t, int64_t, {                                                    \
            if (builtin(a, b, &out[r]) && !k_call_null(call, r)) int64_overflow(call, r, a, text, b);       \
        });                                                                                                 \
    }

// Overflow by the signs, which vectorises; the builtins do not.
static inline bool add_overflow(int64_t a, int64_t b, int64_t *ret)
{
    *ret = (int64_t)((uint64_t)a + (uint64_t)b);
    return ((a ^ *ret) & (b ^ *ret)) < 0;
}
static inline bool subtract_overflow(int64_t a, int64_t b, int64_t *ret)
{
    *ret = (int64_t)((uint64_t)a - (uint64_t)b);
    return ((a ^ b) & (a ^ *ret)) < 0;
}
INT64_KERNEL(int64_add, "+", add_overflow)
INT64_KERNEL(int64_subtract, "-", subtract_overflow)
INT64_KERNEL(int64_multiply, "*", __builtin_mul_overflow)

void k_kernel_int64_divide(struct k_call *call)
{
    K_BINARY_LOOP(call, int64_t, int64_t, int64_t, {
        // 0 and -1 are what can go wrong; a loop over a constant divisor loses this test.
        if (b != 0 && b != -1) {
            out[r] = a / b;
        } else if (b == 0) {
            if (!k_call_null(call, r)) k_call_fail(call, r, "division_by_zero", "%lld / 0", (long long)a);
        } else if (__builtin_sub_overflow(0, a, &out[r]) && !k_call_null(call, r)) {
            int64_overflow(call, r, a, "/", b);
        }
    });
}

void k_kernel_int64_modulo(struct k_call *call)
{
    K_BINARY_LOOP(call, int64_t, int64_t, int64_t, {
        if (b != 0) out[r] = b == -1 ? 0 : a % b; // the machine traps on INT64_MIN % -1
        else if (!k_call_null(call, r)) k_call_fail(call, r, "division_by_zero", "%lld %% 0", (long long)a);
    });
}

void k_kernel_int64_negate(struct k_call *call)
{
    K_UNARY_LOOP(call, int64_t, int64_t, {
        if (__builtin_sub_overflow(0, a, &out[r]) && !k_call_null(call, r))
            k_call_fail(call, r, "overflow", "-(%lld) is out of the range of int64", (long long)a);
    });
}

// Unary plus, of int64 and double: eight bytes that stay what they are.
void k_kernel_int64_identity(struct k_call *call)
{
    K_UNARY_WIDE(call, uint64_t, uint64_t, out[r] = a;);
}

const char *k_double_show(double value, char *text)
{
    if (!isfinite(value)) return isnan(value) ? "NaN" : value < 0 ? "-Infinity" : "Infinity";
    text[k_double_print(text, value)] = 0;
    return text;
}

static void double_range(struct k_call *call, uint32_t row, double a, const char *name, double b, double result)
{
    bool over = isinf(result);
    char left[K_DOUBLE_TEXT + 1], right[K_DOUBLE_TEXT + 1];
    k_call_fail(call, row, over ? "overflow" : "underflow", "%s %s %s is %s for a double", k_double_show(a, left),
                name, k_double_show(b, right), over ? "too large" : "too small");
}

static void double_by_zero(struct k_call *call, uint32_t row, double a, const char *name)
{
    char text[K_DOUBLE_TEXT + 1];
    k_call_fail(call, row, "division_by_zero", "%s %s 0", k_double_show(a, text), name);
}

// As PostgreSQL: infinite from finite numbers, and zero from a product or quotient without a zero, are errors.
static inline bool is_over(double a, double b, double result) { return isinf(result) && !isinf(a) && !isinf(b); }
static inline bool is_bad_sum(double a, double b, double result) { return is_over(a, b, result); }
static inline bool is_bad_product(double a, double b, double result)
{
    return is_over(a, b, result) || (result == 0 && a != 0 && b != 0);
}
static inline bool is_bad_quotient(double a, double b, double result)
{
    return (isinf(result) && !isinf(a)) || (result == 0 && a != 0 && !isinf(b));
}

// suspect: a cheap test, true wherever bad is.
#define DOUBLE_KERNEL(name, text, operator, suspect, bad)                                               \
    void k_kernel_##name(struct k_call *call)                                                           \
    {                                                                                                   \
        bool any = false;                                                                               \
        K_BINARY_WIDE(call, double, double, double, {                                                   \
            double result = a operator b;                                                               \
            any |= suspect;                                                                             \
            out[r] = result;                                                                            \
        });                                                                                             \
        if (!any) return;                                                                               \
        K_BINARY_LOOP(call, double, double, double, {                                                   \
            double result = out[r];                                                                     \
            if (bad(a, b, result) && !k_call_null(call, r)) double_range(call, r, a, text, b, result);  \
        });                                                                                             \
    }
DOUBLE_KERNEL(double_add, "+", +, !(result - result == 0), is_bad_sum)
DOUBLE_KERNEL(double_subtract, "-", -, !(result - result == 0), is_bad_sum)
DOUBLE_KERNEL(double_multiply, "*", *, !(result - result == 0) | (result == 0), is_bad_product)

void k_kernel_double_divide(struct k_call *call)
{
    bool any = false;
    K_BINARY_WIDE(call, double, double, double, {
        double result = a / b;
        any |= !(result - result == 0) | (result == 0);
        out[r] = result;
    });
    if (!any) return;
    K_BINARY_LOOP(call, double, double, double, {
        if (k_call_null(call, r)) continue;
        double result = out[r];
        if (b == 0 && !isnan(a)) double_by_zero(call, r, a, "/");
        else if (is_bad_quotient(a, b, result)) double_range(call, r, a, "/", b, result);
    });
}

void k_kernel_double_modulo(struct k_call *call)
{
    K_BINARY_LOOP(call, double, double, double, {
        out[r] = fmod(a, b);
        if (b == 0 && !isnan(a) && !k_call_null(call, r)) double_by_zero(call, r, a, "%");
    });
}

void k_kernel_double_negate(struct k_call *call)
{
    K_UNARY_WIDE(call, double, double, out[r] = -a;);
}
