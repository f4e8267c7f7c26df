// Doubles as text, on the standard library's charconv: the one library at hand that prints the shortest
// digits and reads correctly rounded without asking the locale, and it has no C interface.
#include "base/double_text.h"

#include <charconv>
#include <cstring>
#include <system_error>

namespace {
// Digits d1 d2 … dn without leading or trailing zeros, and the exponent of d1.d2…dn.
struct decimal {
    char digits[20];
    int count, exponent;
};

decimal shortest(double magnitude)
{
    char text[K_DOUBLE_TEXT];
    auto end = std::to_chars(text, text + sizeof text, magnitude, std::chars_format::scientific).ptr;
    decimal result = {};
    const char *at = text;
    for (; at < end && *at != 'e'; at++)
        if (*at != '.') result.digits[result.count++] = *at;
    at++; // the e
    if (at < end && *at == '+') at++;
    std::from_chars(at, end, result.exponent);
    return result;
}

char *put(char *out, const char *text, int length)
{
    std::memcpy(out, text, static_cast<size_t>(length));
    return out + length;
}

char *put_zeros(char *out, int count)
{
    for (; count > 0; count--) *out++ = '0';
    return out;
}
} // namespace

extern "C" size_t k_double_print(char *out, double value)
{
    char *to = out;
    if (__builtin_signbit(value)) {
        *to++ = '-';
        value = -value;
        // "-0" would be read as the integer zero, which has no sign.
        if (!(value > 0)) return static_cast<size_t>(put(to, "0.0", 3) - out);
    }
    decimal d = shortest(value);
    int before = d.exponent + 1; // digits before the point
    if (before > 0 && before <= 21) {
        int whole = d.count < before ? d.count : before;
        to = put_zeros(put(to, d.digits, whole), before - whole);
        if (d.count > before) {
            *to++ = '.';
            to = put(to, d.digits + before, d.count - before);
        }
    } else if (before > -6 && before <= 0) {
        to = put_zeros(put(to, "0.", 2), -before);
        to = put(to, d.digits, d.count);
    } else {
        *to++ = d.digits[0];
        if (d.count > 1) {
            *to++ = '.';
            to = put(to, d.digits + 1, d.count - 1);
        }
        *to++ = 'e';
        if (d.exponent > 0) *to++ = '+';
        to = std::to_chars(to, out + K_DOUBLE_TEXT, d.exponent).ptr;
    }
    return static_cast<size_t>(to - out);
}

extern "C" int k_double_parse(const char *text, size_t length, double *ret_value)
{
    const char *at = text, *end = text + length;
    if (at < end && *at == '+') at++; // from_chars knows the minus only
    else if (at < end && *at == '-') at++;
    // A digit or a point must follow: that refuses a second sign, "nan" and "inf".
    if (at == end || !((*at >= '0' && *at <= '9') || *at == '.')) return -1;
    double magnitude = 0;
    auto read = std::from_chars(at, end, magnitude);
    if (read.ec != std::errc() || read.ptr != end) return -1;
    *ret_value = text[0] == '-' ? -magnitude : magnitude;
    return 0;
}
