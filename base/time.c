// Instants: RFC 3339 text, and the proleptic Gregorian calendar behind it.
//
// All arithmetic is checked or saturates; no time zone of the machine is ever asked.
#include "base/units.h"

enum { SECOND = 1000000 };
static const int64_t minute_us = (int64_t)60 * SECOND, hour_us = (int64_t)3600 * SECOND,
                     day_us = (int64_t)86400 * SECOND;

__extension__ typedef __int128 wide;

// Rounds towards the past, as the calendar does before 1970.
static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

// Days since 1970-01-01 of the first day of a month, month 1–12. |year| stays below 2^40 at the callers.
static int64_t days_from_civil(int64_t year, int month)
{
    // Years start in March here, so that the leap day is the last one.
    int64_t y = year - (month <= 2), era = floor_div(y, 400), of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719468;
}

struct k_civil k_civil_of(int64_t us)
{
    // The remainder comes from %, not from the days: their product would overflow at the far past.
    int64_t days = floor_div(us, day_us), left = us % day_us + (us % day_us < 0 ? day_us : 0);
    int64_t shifted = days + 719468, era = floor_div(shifted, 146097), of_era = shifted - era * 146097;
    int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int month_from_march = (int)((5 * day_of_year + 2) / 153);
    int month = month_from_march + (month_from_march < 10 ? 3 : -9);
    return (struct k_civil){
        .year = year_of_era + era * 400 + (month <= 2),
        .month = month,
        .day = (int32_t)(day_of_year - (153 * month_from_march + 2) / 5 + 1),
        .hour = (int32_t)(left / hour_us),
        .minute = (int32_t)(left % hour_us / minute_us),
        .second = (int32_t)(left % minute_us / SECOND),
        .microsecond = (int32_t)(left % SECOND),
    };
}

static wide civil_wide(const struct k_civil *civil)
{
    // int32_t months make at most 2^28 years; a year beyond the clamp is out of range whatever follows.
    const int64_t year_max = (int64_t)1 << 38;
    int64_t year = civil->year > year_max ? year_max : civil->year < -year_max ? -year_max : civil->year;
    int64_t carry = floor_div((int64_t)civil->month - 1, 12);
    int month = (int)((int64_t)civil->month - carry * 12);
    int64_t days = days_from_civil(year + carry, month) + civil->day - 1;
    return (wide)days * day_us + civil->hour * hour_us + civil->minute * minute_us + (int64_t)civil->second * SECOND +
           civil->microsecond;
}

int64_t k_civil_us(const struct k_civil *civil)
{
    wide us = civil_wide(civil);
    return us > INT64_MAX ? INT64_MAX : us < INT64_MIN ? INT64_MIN : (int64_t)us;
}

struct cursor {
    const char *at, *end;
};

static bool read_char(struct cursor *in, char c)
{
    if (in->at == in->end || *in->at != c) return false;
    in->at++;
    return true;
}

// As many digits as there are, up to most.
static int read_digits(struct cursor *in, int most, int32_t *ret_value)
{
    int count = 0;
    int32_t value = 0;
    for (; count < most && in->at < in->end && *in->at >= '0' && *in->at <= '9'; count++)
        value = value * 10 + (*in->at++ - '0');
    *ret_value = value;
    return count;
}

static bool read_two(struct cursor *in, int32_t low, int32_t high, int32_t *ret_value)
{
    return read_digits(in, 2, ret_value) == 2 && *ret_value >= low && *ret_value <= high;
}

static int32_t days_in_month(int64_t year, int32_t month)
{
    if (month == 2) return 28 + ((year % 4 == 0 && year % 100 != 0) || year % 400 == 0);
    return 30 + ((month + month / 8) & 1);
}

// Four digits; with a sign, up to six, as k_time_print writes them.
static bool read_year(struct cursor *in, int64_t *ret_year)
{
    bool minus = read_char(in, '-'), sign = minus || read_char(in, '+');
    int32_t year;
    if (read_digits(in, sign ? 6 : 4, &year) < 4 || (minus && year == 0)) return false;
    *ret_year = minus ? -year : year;
    return true;
}

// Microseconds; digits beyond the sixth are cut.
static bool read_fraction(struct cursor *in, int32_t *ret_us)
{
    int32_t value;
    int digits = read_digits(in, 9, &value);
    if (digits == 0) return false;
    for (; digits < 6; digits++) value *= 10;
    for (; digits > 6; digits--) value /= 10;
    *ret_us = value;
    return true;
}

// "Z", "+01:00", or nothing (UTC). Microseconds east of Greenwich.
static bool read_offset(struct cursor *in, int64_t *ret_us)
{
    *ret_us = 0;
    if (in->at == in->end || read_char(in, 'Z') || read_char(in, 'z')) return true;
    bool west = read_char(in, '-');
    int32_t hour, minute;
    if (!west && !read_char(in, '+')) return false;
    if (!read_two(in, 0, 23, &hour) || !read_char(in, ':') || !read_two(in, 0, 59, &minute)) return false;
    *ret_us = (hour * hour_us + minute * minute_us) * (west ? -1 : 1);
    return true;
}

bool k_time_parse(struct k_str text, int64_t *ret_us)
{
    if (text.length == 0) return false;
    struct cursor in = {text.data, text.data + text.length};
    struct k_civil civil = {0};
    if (!read_year(&in, &civil.year) || !read_char(&in, '-') || !read_two(&in, 1, 12, &civil.month)) return false;
    if (!read_char(&in, '-') || !read_two(&in, 1, days_in_month(civil.year, civil.month), &civil.day)) return false;
    if (!read_char(&in, 'T') && !read_char(&in, 't') && !read_char(&in, ' ')) return false;
    if (!read_two(&in, 0, 23, &civil.hour) || !read_char(&in, ':')) return false;
    if (!read_two(&in, 0, 59, &civil.minute) || !read_char(&in, ':')) return false;
    // A leap second has no number of its own in microseconds since 1970: refused, not folded.
    if (!read_two(&in, 0, 59, &civil.second)) return false;
    if (read_char(&in, '.') && !read_fraction(&in, &civil.microsecond)) return false;
    int64_t offset;
    if (!read_offset(&in, &offset) || in.at != in.end) return false;
    wide us = civil_wide(&civil) - offset;
    if (us > INT64_MAX || us < INT64_MIN) return false;
    *ret_us = (int64_t)us;
    return true;
}

static char *put_digits(char *out, int64_t value, int count)
{
    for (int i = count; i-- > 0; value /= 10) out[i] = (char)('0' + value % 10);
    return out + count;
}

static char *put_year(char *out, int64_t year)
{
    int64_t magnitude = year < 0 ? -year : year;
    if (year < 0) *out++ = '-';
    else if (year > 9999) *out++ = '+';
    return put_digits(out, magnitude, magnitude > 99999 ? 6 : magnitude > 9999 ? 5 : 4);
}

size_t k_time_print(char *out, int64_t us)
{
    struct k_civil civil = k_civil_of(us);
    char *at = put_year(out, civil.year);
    *at++ = '-';
    at = put_digits(at, civil.month, 2);
    *at++ = '-';
    at = put_digits(at, civil.day, 2);
    *at++ = 'T';
    at = put_digits(at, civil.hour, 2);
    *at++ = ':';
    at = put_digits(at, civil.minute, 2);
    *at++ = ':';
    at = put_digits(at, civil.second, 2);
    if (civil.microsecond != 0) {
        bool short_enough = civil.microsecond % 1000 == 0;
        *at++ = '.';
        at = put_digits(at, short_enough ? civil.microsecond / 1000 : civil.microsecond, short_enough ? 3 : 6);
    }
    *at++ = 'Z';
    return (size_t)(at - out);
}

int64_t k_clock_us(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}
