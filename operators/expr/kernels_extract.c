// extract(field FROM timestamp or interval): one number of a calendar's date and time, in UTC and the proleptic
// Gregorian calendar, with weeks of ISO 8601. Numbers with a fraction are the double nearest to the exact value.
#include "operators/expr/kernels.h"

#include "base/units.h"

#define SECOND INT64_C(1000000)
#define DAY (86400 * SECOND)
#define UNIX_EPOCH_JULIAN 2440588

enum field {
    MICROSECONDS,
    MILLISECONDS,
    SECONDS,
    MINUTE,
    HOUR,
    DAY_OF_MONTH,
    WEEK,
    MONTH,
    QUARTER,
    YEAR,
    DECADE,
    CENTURY,
    MILLENNIUM,
    DOW,
    ISODOW,
    DOY,
    ISOYEAR,
    JULIAN,
    EPOCH,
    FIELD_COUNT,
};

// The names are PostgreSQL's, between blanks.
static const struct {
    const char *names;
    bool interval; // whether an interval has it, too
} fields[FIELD_COUNT] = {
    [MICROSECONDS] = {" microseconds microsecond us usec usecs useconds ", true},
    [MILLISECONDS] = {" milliseconds millisecond ms msec msecs mseconds ", true},
    [SECONDS] = {" second seconds s sec secs ", true},
    [MINUTE] = {" minute minutes m min mins ", true},
    [HOUR] = {" hour hours h hr hrs ", true},
    [DAY_OF_MONTH] = {" day days d ", true},
    [WEEK] = {" week weeks w ", false},
    [MONTH] = {" month months mon mons ", true},
    [QUARTER] = {" quarter qtr ", true},
    [YEAR] = {" year years y yr yrs ", true},
    [DECADE] = {" decade decades dec decs ", true},
    [CENTURY] = {" century centuries c cent ", true},
    [MILLENNIUM] = {" millennium millennia mil mils ", true},
    [DOW] = {" dow ", false},
    [ISODOW] = {" isodow ", false},
    [DOY] = {" doy ", false},
    [ISOYEAR] = {" isoyear ", false},
    [JULIAN] = {" julian j jd ", false},
    [EPOCH] = {" epoch ", true},
};

// FIELD_COUNT: there is none of the name.
static enum field find_field(struct k_str name, bool interval)
{
    enum field field = 0;
    while (field < FIELD_COUNT && !((fields[field].interval || !interval) && k_is_among(name, fields[field].names)))
        field++;
    return field;
}

static int64_t floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

// The double nearest to a / b, where b is positive.
static double quotient(k_int128_ a, int64_t b)
{
    k_int128_ whole = a / b;
    if (whole * b == a) return (double)whole;
    // Both operands exact: the division rounds once.
    if (a > -(INT64_C(1) << 53) && a < INT64_C(1) << 53) return (double)(int64_t)a / (double)b;
    // More bits than a double holds, whose last says that there is more. a has at most 73.
    __extension__ typedef unsigned __int128 wide;
    wide scaled = (wide)(a < 0 ? -a : a) << 50, result = scaled / (wide)b;
    if (result * (wide)b != scaled) result |= 1;
    double value = (double)result * 0x1p-50;
    return a < 0 ? -value : value;
}

// --- of timestamps ---

// The days of a timestamp, kept from row to row: those that follow mostly lie in the same one.
struct date {
    int64_t days; // since 1970
    struct k_civil civil;
};

static int64_t day_of_year(const struct date *date)
{
    struct k_civil first = {.year = date->civil.year, .month = 1, .day = 1};
    struct k_civil day = {.year = date->civil.year, .month = date->civil.month, .day = date->civil.day};
    // In a year of the same length within the range: at its ends the first day of the year may lie outside.
    first.year = day.year = 2000 + (date->civil.year % 400 + 400) % 400;
    return (k_civil_us(&day) - k_civil_us(&first)) / DAY + 1;
}

static int64_t iso_day_of_week(int64_t days)
{
    return ((days + 3) % 7 + 7) % 7 + 1;
} // 1970 began on a Thursday

// The year that the week belongs to: that of its Thursday.
static void iso_week(const struct date *date, int64_t *ret_year, int64_t *ret_week)
{
    int64_t thursday = day_of_year(date) + 4 - iso_day_of_week(date->days), year = date->civil.year;
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    int64_t before = year - 1;
    bool leap_before = before % 4 == 0 && (before % 100 != 0 || before % 400 == 0);
    if (thursday < 1) {
        year--;
        thursday += 365 + leap_before;
    } else if (thursday > 365 + leap) {
        year++;
        thursday -= 365 + leap;
    }
    *ret_year = year;
    *ret_week = (thursday - 1) / 7 + 1;
}

// There is no year 0 among people: the one before 1 is -1.
static int64_t shown_year(int64_t year)
{
    return year > 0 ? year : year - 1;
}

// Centuries and millennia begin with their year 1, also backwards.
static int64_t shown_hundred(int64_t year, int64_t size)
{
    return year > 0 ? (year + size - 1) / size : -((size - year) / size);
}

static double date_field(enum field field, const struct date *date)
{
    int64_t year, week;
    switch (field) {
    case DAY_OF_MONTH: return date->civil.day;
    case MONTH: return date->civil.month;
    case QUARTER: return (date->civil.month - 1) / 3 + 1;
    case YEAR: return (double)shown_year(date->civil.year);
    case DECADE: return (double)floor_divide(date->civil.year, 10);
    case CENTURY: return (double)shown_hundred(date->civil.year, 100);
    case MILLENNIUM: return (double)shown_hundred(date->civil.year, 1000);
    case DOW: return (double)(iso_day_of_week(date->days) % 7);
    case ISODOW: return (double)iso_day_of_week(date->days);
    case DOY: return (double)day_of_year(date);
    case WEEK: iso_week(date, &year, &week); return (double)week;
    default: iso_week(date, &year, &week); return (double)shown_year(year); // ISOYEAR
    }
}

static double timestamp_field(enum field field, struct date *date, int64_t us)
{
    int64_t days = floor_divide(us, DAY), rest = us % DAY + (us % DAY < 0 ? DAY : 0);
    switch (field) {
    case MICROSECONDS: return (double)(rest % (60 * SECOND));
    case MILLISECONDS: return quotient(rest % (60 * SECOND), 1000);
    case SECONDS: return quotient(rest % (60 * SECOND), SECOND);
    case MINUTE: return (double)(rest / (60 * SECOND) % 60);
    case HOUR: return (double)(rest / (3600 * SECOND));
    case EPOCH: return quotient(us, SECOND);
    case JULIAN: return quotient((k_int128_)us + (k_int128_)UNIX_EPOCH_JULIAN * DAY, DAY);
    default: break;
    }
    if (days != date->days || date->civil.month == 0) {
        date->days = days;
        date->civil = k_civil_of(us);
    }
    return date_field(field, date);
}

// --- of intervals ---

static double interval_field(enum field field, struct k_interval v)
{
    int64_t years = v.months / 12;
    switch (field) {
    case MICROSECONDS: return (double)(v.us % (60 * SECOND));
    case MILLISECONDS: return quotient(v.us % (60 * SECOND), 1000);
    case SECONDS: return quotient(v.us % (60 * SECOND), SECOND);
    case MINUTE: return (double)(v.us / (60 * SECOND) % 60);
    case HOUR: return (double)(v.us / (3600 * SECOND));
    case DAY_OF_MONTH: return v.days;
    case MONTH: return v.months % 12;
    case QUARTER: return (double)(v.months % 12 / 3 + 1);
    case YEAR: return (double)years;
    case DECADE: return (double)(years / 10);
    case CENTURY: return (double)(years / 100);
    case MILLENNIUM: return (double)(years / 1000);
    default: break;
    }
    // EPOCH: years of 365.25 days, the months beyond them of 30.
    k_int128_ quarter_days = (k_int128_)years * 1461 + (k_int128_)(v.months % 12) * 120 + (k_int128_)v.days * 4;
    return quotient(quarter_days * (DAY / 4) + v.us, SECOND);
}

// --- the kernels ---

#define DATE_FIELDS "week, dow, isodow, doy, isoyear, julian, "
#define BOTH_FIELDS                                                                                                 \
    "microseconds, milliseconds, second, minute, hour, day, month, quarter, year, decade, century, millennium and " \
    "epoch"
static const char timestamp_fields[] = "a timestamp has the fields " DATE_FIELDS BOTH_FIELDS;
static const char interval_fields[] = "an interval has the fields " BOTH_FIELDS;

// Hours and minutes of many timestamps, without a look at the field for each of them. In units of 256 µs, 234375 of
// which are a minute, a timestamp of either sign becomes a number of 57 bits without one when whole days are added, and
// what is left of a day is one of 32 bits.
static bool clock_field(struct k_call *call, enum field field)
{
    enum { MINUTE_UNITS = 60 * 1000000 / 256, DAY_UNITS = 1440 * MINUTE_UNITS };
    const uint64_t days = UINT64_C(150000000) * DAY_UNITS; // more than all timestamps have
    const int64_t *us = call->args[1].column.data;
    double *out = call->out;
    if (call->args[1].constant) return false;
    if (field == HOUR)
        K_EACH_ROW(call->wide, r, {
            uint32_t rest = (uint32_t)(((uint64_t)(us[r] >> 8) + days) % DAY_UNITS);
            out[r] = (double)(int32_t)(rest / (60 * MINUTE_UNITS));
        });
    else if (field == MINUTE)
        K_EACH_ROW(call->wide, r, {
            uint32_t rest = (uint32_t)(((uint64_t)(us[r] >> 8) + days) % (60 * MINUTE_UNITS));
            out[r] = (double)(int32_t)(rest / MINUTE_UNITS);
        });
    else return false;
    return true;
}

#define EXTRACT_KERNEL(name, T, is_interval, texts, expression)                              \
    void k_kernel_extract_##name(struct k_call *call)                                        \
    {                                                                                        \
        double *out = call->out;                                                             \
        bool constant = call->args[0].constant;                                              \
        struct date date = {0};                                                              \
        enum field field = FIELD_COUNT;                                                      \
        (void)date;                                                                          \
        if (constant) field = find_field(K_ARG(call, 0, struct k_str, 0), is_interval);      \
        if (!is_interval && constant && clock_field(call, field)) return;                    \
        K_EACH_ROW(call->rows, r, {                                                          \
            if (k_call_null(call, r)) continue;                                              \
            if (!constant) field = find_field(K_ARG(call, 0, struct k_str, r), is_interval); \
            T value = K_ARG(call, 1, T, r);                                                  \
            if (field == FIELD_COUNT) k_call_fail(call, r, "argument", "%s", texts);         \
            else out[r] = expression;                                                        \
        });                                                                                  \
    }
EXTRACT_KERNEL(timestamp, int64_t, false, timestamp_fields, timestamp_field(field, &date, value))
EXTRACT_KERNEL(interval, struct k_interval, true, interval_fields, interval_field(field, value))

const char *k_check_extract_timestamp(const struct k_value *const *constants, uint32_t *ret_argument)
{
    *ret_argument = 0;
    return constants[0] && find_field(constants[0]->s, false) == FIELD_COUNT ? timestamp_fields : NULL;
}

const char *k_check_extract_interval(const struct k_value *const *constants, uint32_t *ret_argument)
{
    *ret_argument = 0;
    return constants[0] && find_field(constants[0]->s, true) == FIELD_COUNT ? interval_fields : NULL;
}
