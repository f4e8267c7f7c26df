// Rounding, powers, roots and logarithms. What has no value is an error of its row, never a silent NaN or infinity;
// the special cases are PostgreSQL's.
//
// All results are correctly rounded, so that they are the same on every machine.
#include "operators/expr/kernels.h"

#include <math.h>
#include <stdio.h>

#include "base/double_text.h"
#include "base/real.h"

// What a domain or range error says; the argument is shown.
static void fail1(struct k_call *call, uint32_t row, const char *name, double a, const char *reason, const char *text)
{
    char shown[K_DOUBLE_TEXT + 1];
    k_call_fail(call, row, reason, "%s(%s): %s", name, k_double_show(a, shown), text);
}

void k_kernel_int64_abs(struct k_call *call)
{
    bool bad = false;
    K_UNARY_LOOP(call, int64_t, int64_t, {
        bad |= a == INT64_MIN;
        out[r] = a < 0 ? (int64_t) - (uint64_t)a : a;
    });
    if (!bad) return;
    K_UNARY_LOOP(call, int64_t, int64_t, {
        if (a == INT64_MIN && !k_call_null(call, r))
            k_call_fail(call, r, "overflow", "abs(%lld) is out of the range of int64", (long long)a);
        else out[r] = a < 0 ? (int64_t) - (uint64_t)a : a;
    });
}

// NaN has no sign: 0, as PostgreSQL has it.
static inline double sign_of(double a)
{
    return (double)((a > 0) - (a < 0));
}

#define EXACT_KERNEL(name, expression)                            \
    void k_kernel_##name(struct k_call *call)                     \
    {                                                             \
        K_UNARY_WIDE(call, double, double, out[r] = expression;); \
    }
EXACT_KERNEL(double_abs, fabs(a))
EXACT_KERNEL(double_round, nearbyint(a))
EXACT_KERNEL(double_trunc, trunc(a))
EXACT_KERNEL(double_floor, floor(a))
EXACT_KERNEL(double_ceil, ceil(a))
EXACT_KERNEL(double_sign, sign_of(a))
EXACT_KERNEL(double_cbrt, k_real_cbrt(a))

void k_kernel_double_sqrt(struct k_call *call)
{
    bool bad = false;
    K_UNARY_LOOP(call, double, double, {
        bad |= a < 0;
        out[r] = sqrt(a);
    });
    if (!bad) return;
    K_UNARY_LOOP(call, double, double, {
        if (a < 0 && !k_call_null(call, r))
            fail1(call, r, "sqrt", a, "argument", "a negative number has no square root");
        else out[r] = sqrt(a);
    });
}

void k_kernel_double_exp(struct k_call *call)
{
    K_UNARY_LOOP(call, double, double, {
        out[r] = k_real_exp(a);
        if (__builtin_expect(!isfinite(a) || (out[r] > 0 && isfinite(out[r])), 1) || k_call_null(call, r)) continue;
        if (out[r] > 0) fail1(call, r, "exp", a, "overflow", "too large for a double");
        else fail1(call, r, "exp", a, "underflow", "too small for a double");
    });
}

#define LOG_KERNEL(name, function, text)                                                    \
    void k_kernel_##name(struct k_call *call)                                               \
    {                                                                                       \
        K_UNARY_LOOP(call, double, double, {                                                \
            out[r] = function(a);                                                           \
            if (__builtin_expect(!(a <= 0), 1) || k_call_null(call, r)) continue;           \
            fail1(call, r, text, a, "argument",                                             \
                  a == 0 ? "zero has no logarithm" : "a negative number has no logarithm"); \
        });                                                                                 \
    }
LOG_KERNEL(double_ln, k_real_ln, "ln")
LOG_KERNEL(double_log, k_real_log10, "log")

static void fail_power(struct k_call *call, uint32_t row, double a, double b, const char *reason, const char *text)
{
    char left[K_DOUBLE_TEXT + 1], right[K_DOUBLE_TEXT + 1];
    k_call_fail(call, row, reason, "power(%s, %s): %s", k_double_show(a, left), k_double_show(b, right), text);
}

// C's pow knows the cases of NaN and infinity as PostgreSQL does; what it lets pass is what has no real value, and
// what leaves the range of a double.
void k_kernel_double_power(struct k_call *call)
{
    K_BINARY_LOOP(call, double, double, double, {
        double result = k_real_power(a, b);
        out[r] = result;
        if (__builtin_expect(isfinite(result) && result != 0, 1) || k_call_null(call, r)) continue;
        if (a == 0 && b < 0) fail_power(call, r, a, b, "argument", "zero to a negative power has no value");
        else if (a < 0 && isfinite(b) && floor(b) != b)
            fail_power(call, r, a, b, "argument", "a negative number to a fraction has no real value");
        else if (isfinite(a) && isfinite(b) && isinf(result))
            fail_power(call, r, a, b, "overflow", "too large for a double");
        else if (isfinite(a) && isfinite(b) && a != 0 && result == 0)
            fail_power(call, r, a, b, "underflow", "too small for a double");
    });
}

// --- round and trunc to a number of decimal places ---

enum { DIGITS = 15 }; // that every double keeps through its decimal text
static const int64_t tens[] = {1,
                               10,
                               100,
                               1000,
                               10000,
                               100000,
                               1000000,
                               10000000,
                               100000000,
                               1000000000,
                               10000000000,
                               100000000000,
                               1000000000000,
                               10000000000000,
                               100000000000000,
                               1000000000000000,
                               10000000000000000,
                               100000000000000000,
                               1000000000000000000};

// Drops the last `drop` digits, 0 to 18; half away from zero if round.
static uint64_t cut(uint64_t digits, int64_t drop, bool round)
{
    uint64_t unit = (uint64_t)tens[drop];
    return (digits + (round ? unit / 2 : 0)) / unit;
}

// Reads the double as the decimal of 15 digits that it means, as PostgreSQL's cast to numeric does, so that 2.675
// rounds to 2.68. false: the rounded value is beyond a double.
static bool decimal_places(double a, int64_t places, bool round, double *ret)
{
    char text[48];
    if (!isfinite(a) || places < -400) {
        *ret = isfinite(a) ? 0 : a;
        return true;
    }
    // d.ddddddddddddddde±xxx
    snprintf(text, sizeof text, "%.*e", DIGITS - 1, fabs(a));
    uint64_t digits = 0;
    char *at = text;
    for (; *at != 'e'; at++)
        if (*at >= '0' && *at <= '9') digits = digits * 10 + (uint64_t)(*at - '0');
    int exponent = 0;
    sscanf(at + 1, "%d", &exponent);
    exponent -= DIGITS - 1;
    // digits × 10^exponent; what lies behind the places goes.
    if (exponent < -places) {
        int64_t drop = -places - exponent;
        digits = drop > DIGITS ? 0 : cut(digits, drop, round);
        exponent = (int)-places;
    }
    if (digits == 0) {
        *ret = 0;
        return true;
    }
    int length = snprintf(text, sizeof text, "%s%llue%d", a < 0 ? "-" : "", (unsigned long long)digits, exponent);
    return k_double_parse(text, (size_t)length, ret) == 0;
}

static void places_all(struct k_call *call, const char *name, bool round)
{
    K_BINARY_LOOP(call, double, int64_t, double, {
        if (k_call_null(call, r) || decimal_places(a, b, round, &out[r])) continue;
        char shown[K_DOUBLE_TEXT + 1];
        k_call_fail(call, r, "overflow", "%s(%s, %lld): too large for a double", name, k_double_show(a, shown),
                    (long long)b);
    });
}

void k_kernel_double_round_places(struct k_call *call)
{
    places_all(call, "round", true);
}
void k_kernel_double_trunc_places(struct k_call *call)
{
    places_all(call, "trunc", false);
}

void k_kernel_int64_round_places(struct k_call *call)
{
    K_BINARY_LOOP(call, int64_t, int64_t, int64_t, {
        if (k_call_null(call, r)) continue;
        uint64_t size = a < 0 ? -(uint64_t)a : (uint64_t)a;
        uint64_t unit = b >= 0 ? 1 : b < -19 ? 0 : b == -19 ? UINT64_C(10000000000000000000) : (uint64_t)tens[-b];
        uint64_t rest = unit ? size % unit : size, rounded = size - rest;
        if (unit > 1 && rest >= unit / 2) rounded += unit;
        if (rounded > (uint64_t)INT64_MAX + (a < 0))
            k_call_fail(call, r, "overflow", "round(%lld, %lld) is out of the range of int64", (long long)a,
                        (long long)b);
        else out[r] = (int64_t)(a < 0 ? -rounded : rounded);
    });
}

void k_kernel_int64_trunc_places(struct k_call *call)
{
    K_BINARY_LOOP(call, int64_t, int64_t, int64_t, { out[r] = b >= 0 ? a : b < -18 ? 0 : a - a % tens[-b]; });
}
