// Functions on timestamps and intervals, in UTC and the proleptic Gregorian calendar.
#include "operators/expr/kernels.h"

#include <ctype.h>

#include "base/error.h"
#include "base/units.h"

#define SECOND INT64_C(1000000)
#define DAY (86400 * SECOND)

enum unit_kind { FIXED, WEEK, MONTHS };

// A unit of date_trunc: a number of microseconds, weeks from Monday, or a number of months. Centuries and millennia
// begin with a year 1.
static const struct unit {
    const char *names; // PostgreSQL's, between blanks
    enum unit_kind kind;
    int64_t size;
} units[] = {
    {" microsecond microseconds us usec usecs useconds ", FIXED, 1},
    {" millisecond milliseconds ms msec msecs mseconds ", FIXED, 1000},
    {" second seconds s sec secs ", FIXED, SECOND},
    {" minute minutes m min mins ", FIXED, 60 * SECOND},
    {" hour hours h hr hrs ", FIXED, 3600 * SECOND},
    {" day days d ", FIXED, DAY},
    {" week weeks w ", WEEK, 7 * DAY},
    {" month months mon mons ", MONTHS, 1},
    {" quarter qtr ", MONTHS, 3},
    {" year years y yr yrs ", MONTHS, 12},
    {" decade decades dec decs ", MONTHS, 120},
    {" century centuries c cent ", MONTHS, 1200},
    {" millennium millennia mil mils ", MONTHS, 12000},
};

bool k_is_among(struct k_str word, const char *names)
{
    char wanted[24] = " ";
    if (word.length == 0 || word.length > sizeof wanted - 3) return false;
    for (uint32_t i = 0; i < word.length; i++) {
        if (!isalpha((unsigned char)word.data[i])) return false;
        wanted[i + 1] = (char)tolower((unsigned char)word.data[i]);
    }
    wanted[word.length + 1] = ' ';
    return strstr(names, wanted) != NULL;
}

static const struct unit *find_unit(struct k_str name)
{
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (k_is_among(name, units[i].names)) return &units[i];
    return NULL;
}

static int64_t floor_to(int64_t value, int64_t step)
{
    int64_t rest = value % step;
    return rest < 0 ? rest + step : rest;
}

// The months that a timestamp was last found in: those that follow mostly lie there, too.
struct span {
    int64_t begin, end; // empty at first
};

// The first moment of a month, counted from January of the year 0.
static int64_t month_us(int64_t month)
{
    struct k_civil civil = {.month = (int32_t)month + 1, .day = 1};
    return k_civil_us(&civil);
}

static bool truncate_months(struct span *last, int64_t months, int64_t us, int64_t *ret)
{
    if (us < last->begin || us >= last->end) {
        struct k_civil civil = k_civil_of(us);
        int64_t month = civil.year * 12 + civil.month - 1;
        int64_t first = months >= 1200 ? 12 : 0;
        month -= floor_to(month - first, months);
        last->begin = month_us(month);
        last->end = month_us(month + months);
    }
    *ret = last->begin;
    return *ret != INT64_MIN; // saturated
}

// false: the result lies before the first timestamp.
static bool truncate(const struct unit *unit, struct span *last, int64_t us, int64_t *ret)
{
    if (unit->kind == MONTHS) return truncate_months(last, unit->size, us, ret);
    // 1970 began on a Thursday; weeks begin on Mondays.
    int64_t shift = unit->kind == WEEK ? 3 * DAY : 0;
    int64_t past = floor_to(floor_to(us, unit->size) + shift, unit->size);
    return !__builtin_sub_overflow(us, past, ret);
}

static const char bad_unit[] = "date_trunc knows microsecond, millisecond, second, minute, hour, day, week, month, "
                               "quarter, year, decade, century and millennium";

void k_kernel_date_trunc(struct k_call *call)
{
    int64_t *out = call->out;
    const struct unit *unit = NULL;
    struct span last = {0};
    bool constant = call->args[0].constant;
    if (constant) unit = find_unit(K_ARG(call, 0, struct k_str, 0));
    K_EACH_ROW(call->rows, r, {
        if (k_call_null(call, r)) continue;
        if (!constant) {
            unit = find_unit(K_ARG(call, 0, struct k_str, r));
            last = (struct span){0};
        }
        if (!unit) k_call_fail(call, r, "argument", "%s", bad_unit);
        else if (!truncate(unit, &last, K_ARG(call, 1, int64_t, r), &out[r]))
            k_call_fail(call, r, "overflow", "the truncated timestamp is out of range");
    });
}

const char *k_check_date_trunc(const struct k_value *const *constants, uint32_t *ret_argument)
{
    *ret_argument = 0;
    return constants[0] && !find_unit(constants[0]->s) ? bad_unit : NULL;
}

static int32_t month_days(int64_t year, int32_t month)
{
    static const int32_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

// As PostgreSQL: first months (the day is cut to the month's length), then days, then microseconds.
static bool add_interval(int64_t us, struct k_interval interval, int sign, int64_t *ret)
{
    if (interval.months) {
        struct k_civil civil = k_civil_of(us);
        int64_t month = civil.year * 12 + civil.month - 1 + (int64_t)sign * interval.months;
        civil.month = (int32_t)floor_to(month, 12) + 1;
        civil.year = (month - floor_to(month, 12)) / 12;
        int32_t last = month_days(civil.year, civil.month);
        if (civil.day > last) civil.day = last;
        us = k_civil_us(&civil);
        if (us == INT64_MIN || us == INT64_MAX) return false; // saturated
    }
    // In 128 bits: days and time may each lead out of the range and together back into it.
    k_int128_ sum = us + sign * ((k_int128_)interval.days * DAY + interval.us);
    *ret = (int64_t)sum;
    return *ret == sum;
}

static void add_all(struct k_call *call, uint32_t timestamp, int sign)
{
    int64_t *out = call->out;
    K_EACH_ROW(call->rows, r, {
        int64_t us = K_ARG(call, timestamp, int64_t, r);
        struct k_interval interval = K_ARG(call, 1 - timestamp, struct k_interval, r);
        if (!k_call_null(call, r) && !add_interval(us, interval, sign, &out[r]))
            k_call_fail(call, r, "overflow", "the timestamp is out of range");
    });
}

void k_kernel_timestamp_add(struct k_call *call) { add_all(call, 0, 1); }
void k_kernel_timestamp_add_swapped(struct k_call *call) { add_all(call, 1, 1); }
void k_kernel_timestamp_subtract(struct k_call *call) { add_all(call, 0, -1); }

void k_kernel_timestamp_difference(struct k_call *call)
{
    K_BINARY_LOOP(call, int64_t, int64_t, struct k_interval, {
        int64_t us;
        if (k_call_null(call, r)) continue;
        if (__builtin_sub_overflow(a, b, &us)) k_call_fail(call, r, "overflow", "the interval is out of range");
        else out[r] = (struct k_interval){.days = (int32_t)(us / DAY), .us = us % DAY};
    });
}

// One unit of an interval: how many months, days or microseconds it has.
static const struct part {
    const char *names; // all of them, between blanks
    int32_t months, days;
    int64_t us;
} parts[] = {
    {" microsecond microseconds us usec usecs ", 0, 0, 1},
    {" millisecond milliseconds ms msec msecs ", 0, 0, 1000},
    {" second seconds s sec secs ", 0, 0, SECOND},
    {" minute minutes m min mins ", 0, 0, 60 * SECOND},
    {" hour hours h hr hrs ", 0, 0, 3600 * SECOND},
    {" day days d ", 0, 1, 0},
    {" week weeks w ", 0, 7, 0},
    {" month months mon mons ", 1, 0, 0},
    {" year years y yr yrs ", 12, 0, 0},
};

static const struct part *find_part(const char *word, size_t length)
{
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (k_is_among((struct k_str){word, (uint32_t)length}, parts[i].names)) return &parts[i];
    return NULL;
}

struct cursor {
    const char *at, *end;
};

static bool is_digit(const struct cursor *in) { return in->at < in->end && *in->at >= '0' && *in->at <= '9'; }

static bool read_number(struct cursor *in, int64_t *ret)
{
    int64_t value = 0;
    if (!is_digit(in)) return false;
    for (; is_digit(in); in->at++)
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, *in->at - '0', &value))
            return false;
    *ret = value;
    return true;
}

// Up to six digits behind a point, in millionths.
static bool read_fraction(struct cursor *in, int64_t *ret)
{
    *ret = 0;
    if (in->at == in->end || *in->at != '.') return true;
    in->at++;
    int64_t scale = 100000;
    if (!is_digit(in)) return false;
    for (; is_digit(in); in->at++, scale /= 10) {
        if (scale == 0 && *in->at != '0') return false;
        *ret += (*in->at - '0') * scale;
    }
    return true;
}

// hh:mm or hh:mm:ss.ffffff, behind the hours.
static bool read_clock(struct cursor *in, int64_t hours, int64_t *ret_us)
{
    int64_t minutes, seconds = 0, fraction = 0;
    in->at++;
    if (!read_number(in, &minutes) || minutes > 59) return false;
    if (in->at < in->end && *in->at == ':') {
        in->at++;
        if (!read_number(in, &seconds) || seconds > 59 || !read_fraction(in, &fraction)) return false;
    }
    return !__builtin_mul_overflow(hours, 3600 * SECOND, ret_us) &&
           !__builtin_add_overflow(*ret_us, (minutes * 60 + seconds) * SECOND + fraction, ret_us);
}

static bool add32(int32_t *to, int64_t count, int32_t size, int sign)
{
    int64_t product;
    return !__builtin_mul_overflow(count, (int64_t)size * sign, &product) && !__builtin_add_overflow(*to, product, to);
}

static bool read_part(struct cursor *in, struct k_interval *interval)
{
    int64_t count, fraction, us = 0;
    int sign = 1;
    if (*in->at == '+' || *in->at == '-') sign = *in->at++ == '-' ? -1 : 1;
    if (!read_number(in, &count)) return false;
    if (in->at < in->end && *in->at == ':') {
        if (!read_clock(in, count, &us)) return false;
        return !__builtin_add_overflow(interval->us, sign * us, &interval->us);
    }
    if (!read_fraction(in, &fraction)) return false;
    while (in->at < in->end && isspace((unsigned char)*in->at)) in->at++;
    const char *word = in->at;
    while (in->at < in->end && isalpha((unsigned char)*in->at)) in->at++;
    const struct part *part = find_part(word, (size_t)(in->at - word));
    if (!part || (fraction && part->months)) return false; // a part of a month has no length
    if (!add32(&interval->months, count, part->months, sign) || !add32(&interval->days, count, part->days, sign))
        return false;
    if (__builtin_mul_overflow(count, part->us, &us)) return false;
    // A fraction of a week is days, and of a day time.
    int64_t days = fraction * part->days;
    if (!add32(&interval->days, days / 1000000, 1, sign)) return false;
    k_int128_ millionths = (k_int128_)fraction * part->us + (k_int128_)(days % 1000000) * DAY;
    if (__builtin_add_overflow(us, (int64_t)(millionths / 1000000), &us)) return false;
    return !__builtin_add_overflow(interval->us, sign * us, &interval->us);
}

bool k_interval_parse(struct k_str text, struct k_interval *ret_interval)
{
    struct cursor in = {text.data, text.data + text.length};
    struct k_interval interval = {0};
    bool any = false;
    for (;;) {
        while (in.at < in.end && isspace((unsigned char)*in.at)) in.at++;
        if (in.at == in.end) break;
        if (!read_part(&in, &interval)) return false;
        any = true;
    }
    if (any) *ret_interval = interval;
    return any;
}
