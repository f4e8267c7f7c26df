// Writing JSON. Nothing here asks the locale, and every output is valid UTF-8.
#include "base/json_out.h"

#include <math.h>

#include "base/double_text.h"
#include "base/units.h"

// The length of the valid UTF-8 character at data (RFC 3629: shortest form, no surrogates, at most
// U+10FFFF); or minus the length of the broken part that becomes one U+FFFD, as Unicode recommends
// (the longest start of a valid character, at least one byte). For bytes from 0x80 on.
static int character(const uint8_t *data, size_t length)
{
    uint8_t first = data[0], low = 0x80, high = 0xBF;
    int more;
    if (first >= 0xC2 && first <= 0xDF) more = 1;
    else if (first >= 0xE0 && first <= 0xEF) more = 2;
    else if (first >= 0xF0 && first <= 0xF4) more = 3;
    else return -1;
    if (first == 0xE0) low = 0xA0;
    if (first == 0xED) high = 0x9F;
    if (first == 0xF0) low = 0x90;
    if (first == 0xF4) high = 0x8F;
    for (int i = 1; i <= more; i++) {
        if ((size_t)i >= length || data[i] < low || data[i] > high) return -i;
        low = 0x80;
        high = 0xBF;
    }
    return more + 1;
}

static void add_escape(struct k_buf *out, uint8_t byte)
{
    static const char hex[] = "0123456789abcdef", letters[] = "btnvfr"; // from 8 on
    if (byte >= '\b' && byte <= '\r' && byte != '\v') {
        k_buf_add(out, (char[]){'\\', letters[byte - '\b']}, 2);
    } else if (byte == '"' || byte == '\\') {
        k_buf_add(out, (char[]){'\\', (char)byte}, 2);
    } else {
        k_buf_add(out, (char[]){'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]}, 6);
    }
}

void k_json_string(struct k_buf *out, struct k_str text)
{
    const uint8_t *data = (const uint8_t *)text.data;
    uint32_t start = 0, at = 0; // [start, at) is good as it is and not yet written
    k_buf_add_char(out, '"');
    while (at < text.length) {
        uint8_t byte = data[at];
        if (byte >= ' ' && byte < 0x80 && byte != '"' && byte != '\\') {
            at++;
            continue;
        }
        int length = byte < 0x80 ? 0 : character(data + at, text.length - at);
        if (length > 0) {
            at += (uint32_t)length;
            continue;
        }
        k_buf_add(out, data + start, at - start);
        if (length == 0) {
            add_escape(out, byte);
            at++;
        } else {
            k_buf_add_text(out, "\uFFFD");
            at += (uint32_t)-length;
        }
        start = at;
    }
    if (at > start) k_buf_add(out, data + start, at - start);
    k_buf_add_char(out, '"');
}

void k_json_double(struct k_buf *out, double value)
{
    if (isnan(value)) {
        k_buf_add_text(out, "\"NaN\"");
    } else if (isinf(value)) {
        k_buf_add_text(out, value < 0 ? "\"-Infinity\"" : "\"Infinity\"");
    } else {
        char *end = k_buf_reserve(out, K_DOUBLE_TEXT);
        size_t length = k_double_print(end, value);
        end[length] = '\0';
        out->length += length;
    }
}

void k_json_int(struct k_buf *out, int64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do digits[--at] = (char)('0' + rest % 10);
    while ((rest /= 10) > 0);
    if (value < 0) digits[--at] = '-';
    k_buf_add(out, digits + at, sizeof digits - at);
}

void k_json_time(struct k_buf *out, int64_t us)
{
    char *text = k_buf_reserve(out, K_TIME_TEXT + 2);
    size_t length = k_time_print(text + 1, us);
    text[0] = text[length + 1] = '"';
    text[length + 2] = '\0';
    out->length += length + 2;
}

void k_json_base64(struct k_buf *out, struct k_str bytes)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t length = ((size_t)bytes.length + 2) / 3 * 4 + 2;
    char *text = k_buf_reserve(out, length), *to = text;
    const uint8_t *from = (const uint8_t *)bytes.data;
    *to++ = '"';
    for (uint32_t left = bytes.length; left > 0;) {
        uint32_t taken = left < 3 ? left : 3, group = (uint32_t)from[0] << 16;
        if (taken > 1) group |= (uint32_t)from[1] << 8;
        if (taken > 2) group |= from[2];
        *to++ = letters[group >> 18];
        *to++ = letters[group >> 12 & 63];
        *to++ = taken > 1 ? letters[group >> 6 & 63] : '=';
        *to++ = taken > 2 ? letters[group & 63] : '=';
        from += taken;
        left -= taken;
    }
    *to++ = '"';
    *to = '\0';
    out->length += length;
}
