// Intervals, and what they and the units of the calendar do to timestamps; in UTC.
#include <stdlib.h>

#include "base/units.h"
#include "tests/reference/value.h"

#define SECOND INT64_C(1000000)
#define DAY (86400 * SECOND)

__extension__ typedef __int128 wide;

// One unit, by all its names between blanks.
static const struct unit {
    const char *names;
    int32_t months, days;
    int64_t us;
} units[] = {
    {" us usec usecs microsecond microseconds ", 0, 0, 1},
    {" ms msec msecs millisecond milliseconds ", 0, 0, 1000},
    {" s sec secs second seconds ", 0, 0, SECOND},
    {" m min mins minute minutes ", 0, 0, 60 * SECOND},
    {" h hr hrs hour hours ", 0, 0, 3600 * SECOND},
    {" d day days ", 0, 1, 0},
    {" w week weeks ", 0, 7, 0},
    {" mon mons month months ", 1, 0, 0},
    {" y yr yrs year years ", 12, 0, 0},
};

static const struct unit *unit_of(const char *at, size_t length)
{
    char word[32] = " ";
    if (length == 0 || length > 20) return NULL;
    for (size_t i = 0; i < length; i++)
        word[i + 1] = at[i] >= 'A' && at[i] <= 'Z' ? (char)(at[i] + 32) : at[i];
    memcpy(word + length + 1, " ", 2);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strstr(units[i].names, word)) return &units[i];
    return NULL;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// Digits, and behind a point up to six more as millionths.
static bool read_number(const char **at, const char *end, int64_t *ret_whole, int64_t *ret_millionths)
{
    int64_t whole = 0, fraction = 0;
    const char *start = *at;
    for (; *at < end && is_digit(**at); ++*at) {
        if (whole > INT64_MAX / 1000000000) return false;
        whole = whole * 10 + (**at - '0');
    }
    if (*at == start) return false;
    if (*at < end && **at == '.') {
        int64_t scale = SECOND / 10;
        for (++*at; *at < end && is_digit(**at); ++*at, scale /= 10) fraction += (**at - '0') * scale;
    }
    *ret_whole = whole;
    *ret_millionths = fraction;
    return true;
}

// "02:30", "02:30:10.5", behind the hours.
static bool read_clock(const char **at, const char *end, int64_t hours, int64_t *ret_us)
{
    int64_t minutes, seconds = 0, millionths = 0;
    ++*at;
    if (!read_number(at, end, &minutes, &millionths) || millionths || minutes > 59) return false;
    if (*at < end && **at == ':') {
        ++*at;
        if (!read_number(at, end, &seconds, &millionths) || seconds > 59) return false;
    }
    wide us = ((wide)hours * 3600 + minutes * 60 + seconds) * SECOND + millionths;
    *ret_us = (int64_t)us;
    return us <= INT64_MAX;
}

bool interval_from_text(struct k_str text, struct interval *ret)
{
    const char *at = text.data, *end = at + text.length;
    wide us = 0, days = 0, months = 0;
    bool any = false;
    for (;; any = true) {
        while (at < end && *at == ' ') at++;
        if (at == end) break;
        int sign = *at == '-' ? -1 : 1;
        if (*at == '-' || *at == '+') at++;
        int64_t whole, millionths, clock;
        if (!read_number(&at, end, &whole, &millionths)) return false;
        if (at < end && *at == ':') {
            if (millionths || !read_clock(&at, end, whole, &clock)) return false;
            us += sign * (wide)clock;
            continue;
        }
        while (at < end && *at == ' ') at++;
        const char *word = at;
        while (at < end && ((*at | 32) >= 'a' && (*at | 32) <= 'z')) at++;
        const struct unit *unit = unit_of(word, (size_t)(at - word));
        if (!unit || (unit->months && millionths)) return false;
        months += sign * (wide)whole * unit->months;
        days += sign * (wide)whole * unit->days;
        us += sign * ((wide)whole * unit->us + (wide)millionths * (unit->us + unit->days * DAY) / SECOND);
    }
    if (!any || months != (int32_t)months || days != (int32_t)days || us != (int64_t)us) return false;
    *ret = (struct interval){.us = (int64_t)us, .months = (int32_t)months, .days = (int32_t)days};
    return true;
}

static int days_of_month(int64_t year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

bool time_add(int64_t us, struct interval interval, int sign, int64_t *ret_us)
{
    if (interval.months) {
        struct k_civil civil = k_civil_of(us);
        int64_t month = civil.year * 12 + (civil.month - 1) + (int64_t)sign * interval.months;
        civil.year = month / 12 - (month % 12 < 0);
        civil.month = (int32_t)(month - civil.year * 12) + 1;
        int last = days_of_month(civil.year, civil.month);
        if (civil.day > last) civil.day = last;
        us = k_civil_us(&civil);
        if (us == INT64_MAX || us == INT64_MIN) return false; // saturated
    }
    wide sum = (wide)us + sign * ((wide)interval.days * DAY + interval.us);
    if (sum > INT64_MAX || sum < INT64_MIN) return false;
    *ret_us = (int64_t)sum;
    return true;
}

int time_trunc(struct k_str unit, int64_t us, int64_t *ret_us)
{
    static const struct {
        const char *name;
        int64_t us;
        int months;
    } units_of_trunc[] = {{"microseconds", 1, 0},     {"microsecond", 1, 0}, {"milliseconds", 1000, 0},
                          {"millisecond", 1000, 0},   {"second", SECOND, 0}, {"minute", 60 * SECOND, 0},
                          {"hour", 3600 * SECOND, 0}, {"day", DAY, 0},       {"week", 7 * DAY, 0},
                          {"month", 0, 1},            {"quarter", 0, 3},     {"year", 0, 12}};
    char word[16] = {0};
    for (uint32_t i = 0; i < unit.length && i < sizeof word - 1; i++)
        word[i] = unit.data[i] >= 'A' && unit.data[i] <= 'Z' ? (char)(unit.data[i] + 32) : unit.data[i];
    for (size_t i = 0; i < sizeof units_of_trunc / sizeof units_of_trunc[0]; i++) {
        if (unit.length > 15 || strcmp(word, units_of_trunc[i].name) != 0) continue;
        if (units_of_trunc[i].months) {
            struct k_civil civil = k_civil_of(us);
            civil.month -= (civil.month - 1) % units_of_trunc[i].months;
            civil.day = 1;
            civil.hour = civil.minute = civil.second = civil.microsecond = 0;
            *ret_us = k_civil_us(&civil);
            return *ret_us == INT64_MIN ? -1 : 0;
        }
        // 1970 began on a Thursday, and weeks begin on Mondays.
        int64_t step = units_of_trunc[i].us, shift = step == 7 * DAY ? 3 * DAY : 0;
        wide shifted = (wide)us + shift, rest = shifted % step;
        wide start = shifted - (rest < 0 ? rest + step : rest) - shift;
        if (start < INT64_MIN) return -1;
        *ret_us = (int64_t)start;
        return 0;
    }
    return 1;
}
