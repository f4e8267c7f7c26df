// Arithmetic of intervals, and timestamps out of numbers and bins. The three parts of an interval (months, days,
// microseconds) are counted apart, as in PostgreSQL; what leaves the range of any is an error of its row.
#include "operators/expr/kernels.h"

#include <math.h>

#include "base/double_text.h"

#define SECOND INT64_C(1000000)
#define DAY (86400 * SECOND)

static void interval_overflow(struct k_call *call, uint32_t row)
{
    k_call_fail(call, row, "overflow", "the interval is out of range");
}

static bool interval_add(struct k_interval a, struct k_interval b, struct k_interval *ret)
{
    return !__builtin_add_overflow(a.months, b.months, &ret->months) &&
           !__builtin_add_overflow(a.days, b.days, &ret->days) && !__builtin_add_overflow(a.us, b.us, &ret->us);
}

static bool interval_subtract(struct k_interval a, struct k_interval b, struct k_interval *ret)
{
    return !__builtin_sub_overflow(a.months, b.months, &ret->months) &&
           !__builtin_sub_overflow(a.days, b.days, &ret->days) && !__builtin_sub_overflow(a.us, b.us, &ret->us);
}

void k_kernel_interval_add(struct k_call *call)
{
    K_BINARY_LOOP(call, struct k_interval, struct k_interval, struct k_interval, {
        if (!k_call_null(call, r) && !interval_add(a, b, &out[r])) interval_overflow(call, r);
    });
}

void k_kernel_interval_subtract(struct k_call *call)
{
    K_BINARY_LOOP(call, struct k_interval, struct k_interval, struct k_interval, {
        if (!k_call_null(call, r) && !interval_subtract(a, b, &out[r])) interval_overflow(call, r);
    });
}

void k_kernel_interval_negate(struct k_call *call)
{
    K_UNARY_LOOP(call, struct k_interval, struct k_interval, {
        if (!k_call_null(call, r) && !interval_subtract((struct k_interval){0}, a, &out[r]))
            interval_overflow(call, r);
    });
}

// A number of months or days, of which the whole part counts.
static bool to_int32(double value, int32_t *ret)
{
    if (!(value >= INT32_MIN && value <= INT32_MAX)) return false; // also NaN
    *ret = (int32_t)value;
    return true;
}

// To the microsecond, in seconds or days: what a product of fractions has beyond is an error of rounding.
static double clean(double value)
{
    return rint(value * 1000000) / 1000000;
}

// The interval whose months, days and microseconds are these. What months have beyond a whole number becomes days,
// thirty to the month, and what days have becomes time.
static bool interval_of(double months, double days, double us, struct k_interval *ret)
{
    int32_t carried;
    if (!to_int32(months, &ret->months) || !to_int32(days, &ret->days)) return false;
    double month_days = clean((months - ret->months) * 30);
    int32_t whole_days = (int32_t)month_days;
    double seconds = clean((days - ret->days + month_days - whole_days) * 86400);
    if (fabs(seconds) >= 86400) {
        carried = (int32_t)(seconds / 86400);
        if (__builtin_add_overflow(ret->days, carried, &ret->days)) return false;
        seconds -= (double)carried * 86400;
    }
    if (__builtin_add_overflow(ret->days, whole_days, &ret->days)) return false;
    double time = rint(us + seconds * 1000000);
    if (!(time >= -0x1p63 && time < 0x1p63)) return false;
    ret->us = (int64_t)time;
    return true;
}

static void scale(struct k_call *call, uint32_t interval)
{
    struct k_interval *out = call->out;
    K_EACH_ROW(call->rows, r, {
        if (k_call_null(call, r)) continue;
        struct k_interval a = K_ARG(call, interval, struct k_interval, r);
        double factor = K_ARG(call, 1 - interval, double, r);
        if (!interval_of(a.months * factor, a.days * factor, (double)a.us * factor, &out[r]))
            interval_overflow(call, r);
    });
}

void k_kernel_interval_multiply(struct k_call *call)
{
    scale(call, 0);
}
void k_kernel_interval_multiply_swapped(struct k_call *call)
{
    scale(call, 1);
}

void k_kernel_interval_divide(struct k_call *call)
{
    K_BINARY_LOOP(call, struct k_interval, double, struct k_interval, {
        if (k_call_null(call, r)) continue;
        if (b == 0) k_call_fail(call, r, "division_by_zero", "interval / 0");
        else if (!interval_of(a.months / b, a.days / b, (double)a.us / b, &out[r])) interval_overflow(call, r);
    });
}

// In PostgreSQL's steps, counted from 2000, whose roundings are seen in the microseconds.
static const double epoch_2000 = 946684800;

void k_kernel_to_timestamp(struct k_call *call)
{
    K_UNARY_LOOP(call, double, int64_t, {
        if (k_call_null(call, r)) continue;
        double us = rint((a - epoch_2000) * 1000000);
        char shown[K_DOUBLE_TEXT + 1];
        if (!(us >= -0x1p63 && us < 0x1p63) ||
            __builtin_add_overflow((int64_t)us, (int64_t)epoch_2000 * SECOND, &out[r]))
            k_call_fail(call, r, "overflow", "to_timestamp(%s) is out of the range of timestamp",
                        k_double_show(a, shown));
    });
}

// --- date_bin ---

static const char bin_months[] = "date_bin cannot count in months or years: they differ in length";
static const char bin_size[] = "date_bin needs an interval greater than zero";

// NULL, or what is wrong with the interval.
static const char *bin_of(struct k_interval size, int64_t *ret_us)
{
    if (size.months) return bin_months;
    k_int128_ us = (k_int128_)size.days * DAY + size.us;
    if (us <= 0) return bin_size;
    *ret_us = us > INT64_MAX ? INT64_MAX : (int64_t)us;
    return NULL;
}

const char *k_check_date_bin(const struct k_value *const *constants, uint32_t *ret_argument)
{
    int64_t us;
    *ret_argument = 0;
    return constants[0] ? bin_of(constants[0]->interval, &us) : NULL;
}

void k_kernel_date_bin(struct k_call *call)
{
    int64_t *out = call->out;
    K_EACH_ROW(call->rows, r, {
        int64_t size = 1;
        if (k_call_null(call, r)) continue;
        const char *why = bin_of(K_ARG(call, 0, struct k_interval, r), &size);
        if (why) {
            k_call_fail(call, r, "argument", "%s", why);
            continue;
        }
        int64_t us = K_ARG(call, 1, int64_t, r), origin = K_ARG(call, 2, int64_t, r), past;
        if (__builtin_sub_overflow(us, origin, &past)) {
            k_call_fail(call, r, "overflow", "the time since the origin is out of range");
            continue;
        }
        past %= size;
        if (past < 0) past += size;
        if (__builtin_sub_overflow(us, past, &out[r]))
            k_call_fail(call, r, "overflow", "the timestamp is out of range");
    });
}
