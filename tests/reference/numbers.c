// Functions of numbers and of the calendar, by other ways than the engine's: integers and text where it has the
// processor's rounding and 128 bits.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/units.h"
#include "tests/reference/expr.h"

#define SECOND INT64_C(1000000)
#define DAY (86400 * SECOND)

// The whole part; a double without a fraction, also infinity and NaN, is its own.
static double whole_part(double d)
{
    if (!(fabs(d) < 0x1p52)) return d;
    return copysign((double)(int64_t)d, d);
}

static double floor_of(double d)
{
    double whole = whole_part(d);
    return whole > d ? whole - 1 : whole;
}

// Halves to the even neighbour; what becomes zero keeps its sign.
static double round_of(double d)
{
    double low = floor_of(d), rest = d - low;
    if (rest == 0 || !(fabs(d) < 0x1p52)) return d;
    bool odd = ((int64_t)low & 1) != 0;
    return copysign(rest > 0.5 || (rest == 0.5 && odd) ? low + 1 : low, d);
}

bool number_call(const char *name, const struct value *arg, struct value *ret, const char **reason)
{
    double d = arg->d;
    if (strcmp(name, "abs") == 0 && arg->type == TYPE_INT64) {
        if (arg->i == INT64_MIN) *reason = "overflow";
        *ret = value_int(arg->i < 0 && arg->i != INT64_MIN ? -arg->i : arg->i);
    } else if (strcmp(name, "abs") == 0) {
        *ret = value_double(signbit(d) ? -d : d);
    } else if (strcmp(name, "sign") == 0) {
        *ret = value_double(d > 0 ? 1 : d < 0 ? -1 : 0);
    } else if (strcmp(name, "round") == 0) {
        *ret = value_double(round_of(d));
    } else if (strcmp(name, "trunc") == 0) {
        *ret = value_double(whole_part(d));
    } else if (strcmp(name, "floor") == 0) {
        *ret = value_double(floor_of(d));
    } else if (strcmp(name, "ceil") == 0 || strcmp(name, "ceiling") == 0) {
        *ret = value_double(-floor_of(-d));
    } else if (strcmp(name, "sqrt") == 0) {
        if (d < 0) *reason = "argument";
        *ret = value_double(sqrt(d));
    } else {
        return false;
    }
    return true;
}

// The quotient by a power of ten, read from its digits.
static double decimal(int64_t whole, int places)
{
    char text[32];
    uint64_t size = whole < 0 ? 0 - (uint64_t)whole : (uint64_t)whole;
    snprintf(text, sizeof text, "%s%llue-%d", whole < 0 ? "-" : "", (unsigned long long)size, places);
    return strtod(text, NULL);
}

bool time_part(struct k_str field, int64_t us, double *ret)
{
    char word[16] = {0};
    for (uint32_t i = 0; i < field.length && i < sizeof word - 1; i++)
        word[i] = field.data[i] >= 'A' && field.data[i] <= 'Z' ? (char)(field.data[i] + 32) : field.data[i];
    if (field.length > 15) return false;
    struct k_civil now = k_civil_of(us);
    // 400 years nearer to 1970, where the calendar is the same and nothing leaves the range.
    int64_t near = us < 0 ? us + 146097 * DAY : us - 146097 * DAY;
    int64_t day = near / DAY - (near % DAY < 0), weekday = ((day + 4) % 7 + 7) % 7; // Sunday is 0
    int64_t thursday = day - (weekday + 6) % 7 + 3;
    struct k_civil of_week = k_civil_of(thursday * DAY), of_day = k_civil_of(near);
    struct k_civil first = {.year = of_day.year, .month = 1, .day = 1};
    struct k_civil first_of_week = {.year = of_week.year, .month = 1, .day = 1};
    int64_t iso_year = of_week.year + (us < 0 ? -400 : 400);
    if (strcmp(word, "year") == 0) *ret = (double)(now.year > 0 ? now.year : now.year - 1);
    else if (strcmp(word, "quarter") == 0) *ret = 1 + (now.month > 3) + (now.month > 6) + (now.month > 9);
    else if (strcmp(word, "month") == 0) *ret = now.month;
    else if (strcmp(word, "day") == 0) *ret = now.day;
    else if (strcmp(word, "hour") == 0) *ret = now.hour;
    else if (strcmp(word, "minute") == 0) *ret = now.minute;
    else if (strcmp(word, "second") == 0) *ret = decimal(now.second * SECOND + now.microsecond, 6);
    else if (strcmp(word, "epoch") == 0) *ret = decimal(us, 6);
    else if (strcmp(word, "dow") == 0) *ret = (double)weekday;
    else if (strcmp(word, "isodow") == 0) *ret = weekday ? (double)weekday : 7;
    else if (strcmp(word, "doy") == 0) *ret = (double)(day - k_civil_us(&first) / DAY + 1);
    else if (strcmp(word, "week") == 0) *ret = (double)((thursday - k_civil_us(&first_of_week) / DAY) / 7 + 1);
    else if (strcmp(word, "isoyear") == 0) *ret = (double)(iso_year > 0 ? iso_year : iso_year - 1);
    else return false;
    return true;
}

int time_bin(struct interval size, int64_t us, int64_t origin, int64_t *ret_us)
{
    __extension__ typedef __int128 wide;
    wide width = (wide)size.days * DAY + size.us, past = (wide)us - origin;
    if (size.months || width <= 0) return 1;
    if (past != (int64_t)past) return -1;
    wide bins = past / width - (past % width < 0), start = origin + bins * width;
    if (start < INT64_MIN) return -1;
    *ret_us = (int64_t)start;
    return 0;
}
