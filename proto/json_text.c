// Strings and numbers of JSON (RFC 8259), byte by byte, with a fast way for plain ASCII.
#include "proto/json_text.h"

#include "base/error.h"

static const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;

static uint64_t load8(const char *data)
{
    uint64_t word;
    memcpy(&word, data, sizeof word);
    return word;
}

// Not zero when one of the eight bytes needs care inside a JSON string: above ASCII, a control character, a quote or a
// backslash. May be wrong only towards "needs care".
static uint64_t needs_care(uint64_t word)
{
    uint64_t quote = word ^ (ones * '"'), backslash = word ^ (ones * '\\');
    return (word | (word - ones * 0x20) | (quote - ones) | (backslash - ones)) & highs;
}

static bool plain_string(const char *data, size_t length)
{
    if (length < 8) {
        for (size_t i = 0; i < length; i++) {
            uint8_t c = (uint8_t)data[i];
            if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\') return false;
        }
        return true;
    }
    uint64_t care = needs_care(load8(data + length - 8));
    for (size_t i = 0; i + 8 <= length; i += 8) care |= needs_care(load8(data + i));
    return care == 0;
}

struct k_str k_json_trim(struct k_str text)
{
    while (text.length && k_json_space(text.data[text.length - 1])) text.length--;
    while (text.length && k_json_space(text.data[0])) {
        text.data++;
        text.length--;
    }
    return text;
}

static const char *skip_digits(const char *at, const char *end)
{
    while (at < end && *at >= '0' && *at <= '9') at++;
    return at;
}

const char *k_json_number_end(const char *at, const char *end, enum k_json_number *ret_kind)
{
    *ret_kind = K_JSON_INTEGER;
    if (at < end && *at == '-') at++;
    const char *digits = at;
    at = skip_digits(at, end);
    if (at == digits || (*digits == '0' && at - digits > 1)) return NULL;
    if (at < end && *at == '.') {
        *ret_kind = K_JSON_DECIMAL;
        digits = ++at;
        at = skip_digits(at, end);
        if (at == digits) return NULL;
    }
    if (at < end && (*at | 0x20) == 'e') {
        *ret_kind = K_JSON_DECIMAL;
        at++;
        if (at < end && (*at == '+' || *at == '-')) at++;
        digits = at;
        at = skip_digits(at, end);
        if (at == digits) return NULL;
    }
    return at;
}

enum k_json_number k_json_number(struct k_str text)
{
    enum k_json_number kind;
    const char *end = text.data + text.length;
    return text.length && k_json_number_end(text.data, end, &kind) == end ? kind : K_JSON_NO_NUMBER;
}

// The four hexadecimal digits at `at`; -1: there are not four.
static int32_t read_hex4(const char *at, const char *end)
{
    if (end - at < 4) return -1;
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        char c = at[i], lower = (char)(c | 0x20);
        if (c >= '0' && c <= '9') value = value * 16 + (c - '0');
        else if (lower >= 'a' && lower <= 'f') value = value * 16 + (lower - 'a' + 10);
        else return -1;
    }
    return value;
}

static char *put_utf8(char *out, uint32_t code)
{
    if (code < 0x80) {
        *out++ = (char)code;
    } else if (code < 0x800) {
        *out++ = (char)(0xC0 | code >> 6);
        *out++ = (char)(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        *out++ = (char)(0xE0 | code >> 12);
        *out++ = (char)(0x80 | (code >> 6 & 0x3F));
        *out++ = (char)(0x80 | (code & 0x3F));
    } else {
        *out++ = (char)(0xF0 | code >> 18);
        *out++ = (char)(0x80 | (code >> 12 & 0x3F));
        *out++ = (char)(0x80 | (code >> 6 & 0x3F));
        *out++ = (char)(0x80 | (code & 0x3F));
    }
    return out;
}

// Reads the escape behind a backslash at *at and moves on. A pair of surrogates is one escape.
static const char *read_escape(const char **at, const char *end, uint32_t *ret_code)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    if (*at == end) return "json";
    char c = *(*at)++;
    if (c != 'u') {
        const char *found = c ? strchr(letters, c) : NULL;
        if (!found) return "json";
        *ret_code = (uint8_t)meanings[found - letters];
        return NULL;
    }
    int32_t code = read_hex4(*at, end);
    if (code < 0) return "json";
    *at += 4;
    if (code >= 0xDC00 && code <= 0xDFFF) return "utf8";
    if (code >= 0xD800 && code <= 0xDBFF) {
        if (end - *at < 2 || (*at)[0] != '\\' || (*at)[1] != 'u') return "utf8";
        int32_t low = read_hex4(*at + 2, end);
        if (low < 0) return "json";
        if (low < 0xDC00 || low > 0xDFFF) return "utf8";
        *at += 6;
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    *ret_code = (uint32_t)code;
    return NULL;
}

// out: NULL to check only, else room for the content as it stands: an escape is never shorter than what it means.
static const char *read_content(const char *at, const char *end, char *out, uint32_t *ret_length)
{
    char *start = out, character[4];
    while (at < end) {
        uint8_t c = (uint8_t)*at;
        if (c < 0x20 || c == '"') return "json";
        if (c != '\\') {
            if (out) *out++ = (char)c;
            at++;
            continue;
        }
        at++;
        uint32_t code;
        const char *why = read_escape(&at, end, &code);
        if (why) return why;
        if (out) {
            size_t size = (size_t)(put_utf8(character, code) - character);
            memcpy(out, character, size);
            out += size;
        }
    }
    if (out) *ret_length = (uint32_t)(out - start);
    return NULL;
}

const char *k_json_content_check(const char *begin, const char *end)
{
    return read_content(begin, end, NULL, NULL);
}

const char *k_json_string_read(struct k_str token, struct k_arena *arena, struct k_str *ret_content)
{
    if (token.length < 2 || token.data[0] != '"' || token.data[token.length - 1] != '"') return "json";
    struct k_str content = {token.data + 1, token.length - 2};
    if (!plain_string(content.data, content.length)) {
        if (!k_utf8_valid(content.data, content.length)) return "utf8";
        bool escaped = memchr(content.data, '\\', content.length) != NULL;
        char *out = escaped ? k_arena_get(arena, content.length) : NULL;
        const char *why = read_content(content.data, content.data + content.length, out, &content.length);
        if (why) return why;
        if (escaped) content.data = out;
    }
    *ret_content = content;
    return NULL;
}
