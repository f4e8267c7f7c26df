// Durations and sizes, read and printed. Instants are in time.c.
//
// All arithmetic is checked: a quantity that does not fit is refused, never wrapped. Numbers may have a
// fraction ("1.5h") as long as the result is a whole number of microseconds or bytes.
#include "base/units.h"

#include <stdlib.h>

struct unit {
    const char *name;
    uint64_t factor;
};

// A decimal number: whole + fraction / scale.
struct number {
    uint64_t whole, fraction, scale;
};

struct cursor {
    const char *at, *end;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

enum { FRACTION_DIGITS = 9 };

static bool read_number(struct cursor *in, struct number *ret_number)
{
    struct number number = {0, 0, 1};
    const char *start = in->at;
    for (; in->at < in->end && is_digit(*in->at); in->at++) {
        if (__builtin_mul_overflow(number.whole, 10, &number.whole)) return false;
        if (__builtin_add_overflow(number.whole, (uint64_t)(*in->at - '0'), &number.whole)) return false;
    }
    if (in->at == start) return false;
    if (in->at < in->end && *in->at == '.') {
        const char *first = ++in->at;
        for (; in->at < in->end && is_digit(*in->at); in->at++) {
            if (in->at - first >= FRACTION_DIGITS) return false;
            number.fraction = number.fraction * 10 + (uint64_t)(*in->at - '0');
            number.scale *= 10;
        }
        if (in->at == first) return false;
    }
    *ret_number = number;
    return true;
}

// *total += number * factor, exactly.
static bool add_times(uint64_t *total, struct number number, uint64_t factor)
{
    uint64_t part;
    if (__builtin_mul_overflow(number.whole, factor, &part)) return false;
    if (__builtin_add_overflow(*total, part, total)) return false;
    if (number.fraction == 0) return true;
    // factor * fraction / scale without a wider type: factor = q * scale + r.
    uint64_t q = factor / number.scale, r = factor % number.scale;
    if ((r * number.fraction) % number.scale != 0) return false; // r, fraction < 10^9
    if (__builtin_mul_overflow(q, number.fraction, &part)) return false;
    if (__builtin_add_overflow(part, r * number.fraction / number.scale, &part)) return false;
    return !__builtin_add_overflow(*total, part, total);
}

static const struct unit duration_units[] = {
    {"d", 86400000000}, {"h", 3600000000}, {"m", 60000000}, {"s", 1000000}, {"ms", 1000}, {"us", 1}};
enum { DURATION_UNITS = sizeof duration_units / sizeof duration_units[0] };

static bool is_whole_name(const struct cursor *in, const char *name)
{
    size_t length = strlen(name), left = (size_t)(in->end - in->at);
    if (length > left || memcmp(in->at, name, length) != 0) return false;
    return length == left || is_digit(in->at[length]);
}

// "1h30m": each unit at most once, the larger ones first.
static bool read_plain(struct cursor *in, uint64_t *ret_us)
{
    uint64_t total = 0;
    int next = 0; // the largest unit that may still come
    while (in->at < in->end) {
        struct number number;
        if (!read_number(in, &number)) return false;
        while (next < DURATION_UNITS && !is_whole_name(in, duration_units[next].name)) next++;
        if (next == DURATION_UNITS) return false;
        if (!add_times(&total, number, duration_units[next].factor)) return false;
        in->at += strlen(duration_units[next++].name);
    }
    *ret_us = total;
    return true;
}

// "P7D", "P2W", "PT1M30.5S", "P1DT12H"; in is behind the P. Only the last number may have a fraction.
static bool read_iso(struct cursor *in, uint64_t *ret_us)
{
    static const struct unit units[] = {{"W", 604800000000}, {"D", 86400000000}, {"T", 0},
                                        {"H", 3600000000},   {"M", 60000000},    {"S", 1000000}};
    enum { COUNT = sizeof units / sizeof units[0], WEEK = 0, TIME = 2 };
    uint64_t total = 0;
    int next = 0, parts = 0;
    while (in->at < in->end) {
        if (*in->at == 'T') {
            if (next > TIME || ++in->at == in->end) return false;
            next = TIME + 1;
            continue;
        }
        struct number number;
        if (!read_number(in, &number) || in->at == in->end) return false;
        int limit = next > TIME ? COUNT : TIME;
        while (next < limit && units[next].name[0] != *in->at) next++;
        if (next == limit || !add_times(&total, number, units[next].factor)) return false;
        in->at++;
        parts++;
        // Weeks stand alone, and nothing follows a fraction.
        if ((next == WEEK || number.scale > 1) && in->at < in->end) return false;
        next++;
    }
    *ret_us = total;
    return parts > 0;
}

bool k_duration_parse(struct k_str text, int64_t *ret_us)
{
    if (text.length == 0) return false;
    struct cursor in = {text.data, text.data + text.length};
    uint64_t us = 0;
    if (*in.at == 'P') {
        in.at++;
        if (!read_iso(&in, &us)) return false;
    } else if (!k_str_equal(text, K_STR("0")) && !read_plain(&in, &us)) {
        // Only nothing needs no unit.
        return false;
    }
    if (us > INT64_MAX) return false;
    *ret_us = (int64_t)us;
    return true;
}

void k_duration_print(struct k_buf *out, int64_t us)
{
    if (us == 0) {
        k_buf_add_text(out, "0s");
        return;
    }
    if (us < 0) k_buf_add_char(out, '-');
    uint64_t left = us < 0 ? 0 - (uint64_t)us : (uint64_t)us;
    for (int i = 0; i < DURATION_UNITS; i++) {
        uint64_t whole = left / duration_units[i].factor;
        left %= duration_units[i].factor;
        if (whole > 0) k_buf_printf(out, "%llu%s", (unsigned long long)whole, duration_units[i].name);
    }
}

bool k_size_parse(struct k_str text, uint64_t *ret_bytes)
{
    static const struct unit units[] = {{"", 1},
                                        {"B", 1},
                                        {"kB", 1000},
                                        {"MB", 1000000},
                                        {"GB", 1000000000},
                                        {"TB", 1000000000000},
                                        {"KiB", 1024},
                                        {"MiB", (uint64_t)1 << 20},
                                        {"GiB", (uint64_t)1 << 30},
                                        {"TiB", (uint64_t)1 << 40}};
    if (text.length == 0) return false;
    struct cursor in = {text.data, text.data + text.length};
    struct number number;
    if (!read_number(&in, &number)) return false;
    // One blank, as k_size_print writes it; but it must lead to a unit.
    if (in.end - in.at > 1 && *in.at == ' ') in.at++;
    struct k_str name = {in.at, (uint32_t)(in.end - in.at)};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (!k_str_equal(name, k_str_of(units[i].name))) continue;
        uint64_t bytes = 0;
        if (!add_times(&bytes, number, units[i].factor)) return false;
        *ret_bytes = bytes;
        return true;
    }
    return false;
}

void k_size_print(struct k_buf *out, uint64_t bytes)
{
    static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (bytes < 1024) {
        k_buf_printf(out, "%u B", (unsigned)bytes);
        return;
    }
    // The unit is found after rounding to tenths, so that nothing prints as "1024 KiB".
    unsigned shift = 10, tenths;
    for (;; shift += 10) {
        uint64_t whole = bytes >> shift, rest = bytes & (((uint64_t)1 << shift) - 1);
        // At most 2^60 * 10 + 2^59: fits.
        tenths = (unsigned)((rest * 10 + ((uint64_t)1 << (shift - 1))) >> shift);
        if (whole * 10 + tenths < 10240 || shift == 60) {
            tenths += (unsigned)whole * 10;
            break;
        }
    }
    k_buf_printf(out, "%u", tenths / 10);
    if (tenths % 10 > 0) k_buf_printf(out, ".%u", tenths % 10);
    k_buf_printf(out, " %s", names[shift / 10]);
}
