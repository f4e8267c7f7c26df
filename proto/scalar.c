// Readers of single values, one per type and language (JSON, plain text).
#include "proto/scalar.h"

#include <math.h>

#include "base/double_text.h"
#include "base/units.h"
#include "proto/digits.h"
#include "proto/json_text.h"

static const char *read_int64(struct k_str digits, int64_t *ret_value)
{
    const char *at = digits.data, *end = at + digits.length;
    bool minus = *at == '-';
    if (minus || *at == '+') at++;
    if (at == end) return "type";
    uint64_t value = 0, limit = (uint64_t)INT64_MAX + minus;
    bool beyond = false;
    for (; at < end; at++) {
        if (*at < '0' || *at > '9') return "type";
        unsigned digit = (unsigned)(*at - '0');
        beyond = beyond || value > (limit - digit) / 10;
        value = value * 10 + digit;
    }
    if (beyond) return "range";
    *ret_value = minus ? (int64_t)(0 - value) : (int64_t)value;
    return NULL;
}

// The powers of ten that a double holds exactly.
static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

// Digits with an optional point, few enough that digits and power of ten are exact doubles: then one division rounds
// once, and so correctly (Clinger 1990). false: not such a text.
static bool read_short_double(struct k_str text, double *ret_value)
{
    if (text.length > 17) return false;
    uint32_t at = text.data[0] == '-', digits = 0, fraction = 0;
    uint64_t value = 0;
    bool point = false;
    for (; at < text.length; at++) {
        char c = text.data[at];
        if (c == '.' && !point) {
            point = true;
        } else if (c >= '0' && c <= '9') {
            value = value * 10 + (unsigned)(c - '0');
            digits++;
            fraction += point;
        } else {
            return false;
        }
    }
    if (digits == 0 || digits > 15) return false;
    double magnitude = (double)value / powers[fraction];
    *ret_value = text.data[0] == '-' ? -magnitude : magnitude;
    return true;
}

// The power of ten of the first digit that is not 0; false when all digits are 0. The text is a number.
static bool leading_power(struct k_str text, int64_t *ret_power)
{
    int64_t before = 0, after = 0, exponent = 0;
    bool point = false, found = false;
    uint32_t at = 0;
    for (; at < text.length && (text.data[at] | 0x20) != 'e'; at++) {
        char c = text.data[at];
        if (c == '.') point = true;
        if (c < '0' || c > '9') continue;
        if (c != '0') found = true;
        if (found && !point) before++;
        if (!found && point) after++;
    }
    bool minus = at + 1 < text.length && text.data[at + 1] == '-';
    for (at++; at < text.length; at++) {
        char c = text.data[at];
        // An exponent beyond this decides alone: no record has as many digits.
        if (c >= '0' && c <= '9' && exponent < (int64_t)1 << 40) exponent = exponent * 10 + (c - '0');
    }
    *ret_power = before - after + (minus ? -exponent : exponent);
    return found;
}

// text is a number by the grammar of its language, so a failure to read it can only be its size.
static const char *read_double(struct k_str text, double *ret_value)
{
    if (read_short_double(text, ret_value) || k_double_parse(text.data, text.length, ret_value) == 0) {
        return isinf(*ret_value) ? "range" : NULL;
    }
    int64_t power;
    if (leading_power(text, &power) && power > 0) return "range";
    // Nearer to zero than to the smallest double.
    *ret_value = text.data[0] == '-' ? -0.0 : 0.0;
    return NULL;
}

const char *k_scalar_time(int64_t value, enum k_time_unit unit, int64_t *ret_us)
{
    bool beyond = false;
    switch (unit) {
    case K_UNIT_MS: beyond = __builtin_mul_overflow(value, 1000, ret_us); break;
    case K_UNIT_S: beyond = __builtin_mul_overflow(value, 1000000, ret_us); break;
    case K_UNIT_US: *ret_us = value; break;
    case K_UNIT_NS: *ret_us = value / 1000 - (value % 1000 < 0); break; // towards the past
    }
    return beyond ? "range" : NULL;
}

// The value of a base64 digit; above 63: none (RFC 4648, the standard alphabet).
static uint8_t base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z') return (uint8_t)(c - 'A');
    if (c >= 'a' && c <= 'z') return (uint8_t)(c - 'a' + 26);
    if (c >= '0' && c <= '9') return (uint8_t)(c - '0' + 52);
    return c == '+' ? 62 : c == '/' ? 63 : 64;
}

// Padding is demanded and the bits behind the last byte are zero, so that equal bytes have one text only.
static const char *read_base64(struct k_str text, struct k_arena *arena, struct k_str *ret_bytes)
{
    if (text.length % 4 != 0) return "type";
    uint32_t padding = 0, count = 0;
    while (padding < 2 && padding < text.length && text.data[text.length - 1 - padding] == '=') padding++;
    char *out = k_arena_get(arena, text.length / 4 * 3 + 1);
    for (uint32_t i = 0; i < text.length; i += 4) {
        uint32_t bits = 0, digits = i + 4 == text.length ? 4 - padding : 4;
        for (uint32_t j = 0; j < digits; j++) {
            uint8_t digit = base64_digit(text.data[i + j]);
            if (digit > 63) return "type";
            bits |= (uint32_t)digit << (18 - 6 * j);
        }
        if (digits == 3 && (bits & 0xFF)) return "type";
        if (digits == 2 && (bits & 0xFFFF)) return "type";
        for (uint32_t j = 0; j + 1 < digits; j++) out[count++] = (char)(bits >> (16 - 8 * j));
    }
    *ret_bytes = (struct k_str){out, count};
    return NULL;
}

static bool is_word(struct k_str token, const char *word)
{
    return token.length == strlen(word) && memcmp(token.data, word, token.length) == 0;
}

const char *k_json_what(struct k_str token)
{
    if (token.length == 0) return "nothing";
    switch (token.data[0]) {
    case '"': return "a string";
    case '{': return "an object";
    case '[': return "an array";
    default: break;
    }
    if (is_word(token, "true") || is_word(token, "false")) return "a bool";
    if (is_word(token, "null")) return "null";
    switch (k_json_number(token)) {
    case K_JSON_INTEGER: return "an integer";
    case K_JSON_DECIMAL: return "a number with a fraction or an exponent";
    case K_JSON_NO_NUMBER: break;
    }
    return "no JSON value";
}

// The reason for a token that is not of the wanted type: it may be no value at all.
static const char *other_type(struct k_str token)
{
    char first = token.data[0];
    if (first == '"' || first == '{' || first == '[') return "type";
    if (is_word(token, "true") || is_word(token, "false") || is_word(token, "null")) return "type";
    return k_json_number(token) == K_JSON_NO_NUMBER ? "json" : "type";
}

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
// 1 to 8 bytes as k_add_up_digits wants them, without a loop and without a step beyond: the loads overlap.
static uint64_t load_few(const char *data, uint32_t length)
{
    if (length >= 4) {
        uint32_t first, last;
        memcpy(&first, data, 4);
        memcpy(&last, data + length - 4, 4);
        return first | (uint64_t)last << (8 * (length - 4));
    }
    uint32_t middle = length / 2, last = length - 1;
    return (uint64_t)(uint8_t)data[0] | (uint64_t)(uint8_t)data[middle] << (8 * middle) |
           (uint64_t)(uint8_t)data[last] << (8 * last);
}

// Most integers: up to 16 digits, which fit whatever they are. false: something else, or longer.
static bool read_short_int64(struct k_str token, int64_t *ret_value)
{
    static const int64_t scale[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
    bool minus = token.data[0] == '-';
    const char *data = token.data + minus;
    uint32_t length = token.length - minus;
    if (length == 0 || length > 16 || (data[0] == '0' && length > 1)) return false;
    uint64_t value, more = 0;
    if (length <= 8) {
        if (!k_add_up_digits(load_few(data, length), length, &value)) return false;
    } else {
        uint64_t first, last;
        memcpy(&first, data, 8);
        memcpy(&last, data + length - 8, 8);
        if (!k_add_up_digits(first, 8, &value)) return false;
        if (!k_add_up_digits(last >> (8 * (16 - length)), length - 8, &more)) return false;
        value = value * (uint64_t)scale[length - 8] + more;
    }
    *ret_value = minus ? -(int64_t)value : (int64_t)value;
    return true;
}
#else
static bool read_short_int64(struct k_str token, int64_t *ret_value)
{
    (void)token, (void)ret_value;
    return false;
}
#endif

static const char *json_int64(struct k_str token, int64_t *ret_value)
{
    if (read_short_int64(token, ret_value)) return NULL;
    if (k_json_number(token) != K_JSON_INTEGER) return other_type(token);
    return read_int64(token, ret_value);
}

static const char *json_string_as(struct k_str token, enum k_type type, struct k_arena *arena, void *ret_cell)
{
    if (token.data[0] != '"') return other_type(token);
    struct k_str content;
    const char *why = k_json_string_read(token, arena, &content);
    if (why) return why;
    if (type == K_BYTES) return read_base64(content, arena, ret_cell);
    if (type == K_TIMESTAMP) return k_time_parse(content, ret_cell) ? NULL : "type";
    *(struct k_str *)ret_cell = content;
    return NULL;
}

const char *k_scalar_json(struct k_str token, enum k_type type, enum k_time_unit unit, struct k_arena *arena,
                          void *ret_cell)
{
    if (token.length == 0) return "json";
    const char *why;
    switch (type) {
    case K_BOOL:
        if (!is_word(token, "true") && !is_word(token, "false")) return other_type(token);
        *(uint8_t *)ret_cell = token.data[0] == 't';
        return NULL;
    case K_INT64: return json_int64(token, ret_cell);
    case K_DOUBLE:
        if (k_json_number(token) == K_JSON_NO_NUMBER) return other_type(token);
        return read_double(token, ret_cell);
    case K_TIMESTAMP: {
        if (token.data[0] == '"') return json_string_as(token, type, arena, ret_cell);
        int64_t value;
        why = json_int64(token, &value);
        return why ? why : k_scalar_time(value, unit, ret_cell);
    }
    case K_STRING:
    case K_BYTES: return json_string_as(token, type, arena, ret_cell);
    case K_JSON:
        why = k_json_check(token);
        if (!why) *(struct k_str *)ret_cell = token;
        return why;
    case K_NO_TYPE:
    case K_INTERVAL: break;
    }
    K_ASSERT(!"a type that no record has");
}

static char lower_case(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

// PostgreSQL's bool words, each as its shortest unique start.
static const char *text_bool(struct k_str text, uint8_t *ret_value)
{
    static const struct {
        const char *word;
        uint32_t least;
        uint8_t value;
    } words[] = {{"true", 1, 1},  {"yes", 1, 1}, {"on", 2, 1},  {"1", 1, 1},
                 {"false", 1, 0}, {"no", 1, 0},  {"off", 2, 0}, {"0", 1, 0}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (text.length < words[i].least || text.length > strlen(words[i].word)) continue;
        uint32_t same = 0;
        while (same < text.length && lower_case(text.data[same]) == words[i].word[same]) same++;
        if (same < text.length) continue;
        *ret_value = words[i].value;
        return NULL;
    }
    return "type";
}

// More than JSON has: a plus, ".5", "5.", and the values that are no numbers.
static const char *text_double(struct k_str text, double *ret_value)
{
    uint32_t sign = text.length && (text.data[0] == '-' || text.data[0] == '+');
    struct k_str word = {text.data + sign, text.length - sign};
    char lower[9] = {0};
    for (uint32_t i = 0; i < word.length && word.length < sizeof lower; i++) lower[i] = lower_case(word.data[i]);
    if (strcmp(lower, "nan") == 0 && !sign) {
        *ret_value = (double)NAN;
        return NULL;
    }
    if (strcmp(lower, "infinity") == 0 || strcmp(lower, "inf") == 0) {
        *ret_value = sign && text.data[0] == '-' ? -(double)INFINITY : (double)INFINITY;
        return NULL;
    }
    uint32_t digits = 0, at = 0;
    for (bool point = false; at < word.length && (word.data[at] | 0x20) != 'e'; at++) {
        if (word.data[at] == '.' && !point) point = true;
        else if (word.data[at] >= '0' && word.data[at] <= '9') digits++;
        else return "type";
    }
    if (digits == 0) return "type";
    if (at < word.length) {
        struct k_str exponent = {word.data + at + 1, word.length - at - 1};
        int64_t ignored;
        const char *why = exponent.length ? read_int64(exponent, &ignored) : "type";
        if (why && strcmp(why, "type") == 0) return why;
    }
    return read_double(text.data[0] == '+' ? word : text, ret_value);
}

const char *k_scalar_text(struct k_str text, enum k_type type, struct k_arena *arena, void *ret_cell)
{
    (void)arena; // every value borrows from the text so far; bytes in another coding would need it
    struct k_str trimmed = k_json_trim(text);
    const char *why;
    switch (type) {
    case K_STRING:
        if (!k_utf8_valid(text.data, text.length)) return "utf8";
        *(struct k_str *)ret_cell = text;
        return NULL;
    case K_BYTES: *(struct k_str *)ret_cell = text; return NULL;
    case K_BOOL: return text_bool(trimmed, ret_cell);
    case K_INT64: return trimmed.length ? read_int64(trimmed, ret_cell) : "type";
    case K_DOUBLE: return trimmed.length ? text_double(trimmed, ret_cell) : "type";
    case K_TIMESTAMP: return k_time_parse(trimmed, ret_cell) ? NULL : "type";
    case K_JSON:
        why = k_json_check(trimmed);
        if (why) return strcmp(why, "utf8") == 0 ? why : "type";
        *(struct k_str *)ret_cell = trimmed;
        return NULL;
    case K_NO_TYPE:
    case K_INTERVAL: break;
    }
    K_ASSERT(!"a type that no record has");
}

const char *k_excerpt(struct k_str data, char ret_text[K_EXCERPT])
{
    enum { MOST = 60 };
    uint32_t length = data.length > MOST ? MOST : data.length;
    // A cut never splits a character.
    while (length < data.length && length > MOST - 4 && ((uint8_t)data.data[length] & 0xC0) == 0x80) length--;
    bool valid = k_utf8_valid(data.data, length);
    for (uint32_t i = 0; i < length; i++) {
        uint8_t c = (uint8_t)data.data[i];
        ret_text[i] = c < 0x20 || c == 0x7F || (c >= 0x80 && !valid) ? '?' : (char)c;
    }
    strcpy(ret_text + length, length < data.length ? "…" : "");
    return ret_text;
}
