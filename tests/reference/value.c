// Values: order, text and JSON.
#include "tests/reference/value.h"

#include <math.h>
#include <stdlib.h>

#include "base/double_text.h"
#include "base/json_out.h"
#include "base/units.h"
#include "tests/reference/decode.h"

__extension__ typedef __int128 wide;

static struct k_str lower_ascii(struct k_str text, char *to, size_t room)
{
    if (text.length > room) return K_STR("");
    for (uint32_t i = 0; i < text.length; i++)
        to[i] = text.data[i] >= 'A' && text.data[i] <= 'Z' ? (char)(text.data[i] + 32) : text.data[i];
    return (struct k_str){to, text.length};
}

bool type_of_name(struct k_str name, enum type *ret_type)
{
    static const struct {
        const char *name;
        enum type type;
    } names[] = {
        {"bool", TYPE_BOOL},           {"boolean", TYPE_BOOL},     {"int64", TYPE_INT64},     {"bigint", TYPE_INT64},
        {"int8", TYPE_INT64},          {"int", TYPE_INT64},        {"integer", TYPE_INT64},   {"int4", TYPE_INT64},
        {"int2", TYPE_INT64},          {"double", TYPE_DOUBLE},    {"float8", TYPE_DOUBLE},   {"string", TYPE_STRING},
        {"text", TYPE_STRING},         {"varchar", TYPE_STRING},   {"bytes", TYPE_BYTES},     {"bytea", TYPE_BYTES},
        {"timestamp", TYPE_TIMESTAMP}, {"json", TYPE_JSON},        {"interval", TYPE_INTERVAL},
        {"timestamptz", TYPE_TIMESTAMP},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!k_str_equal(name, k_str_of(names[i].name))) continue;
        *ret_type = names[i].type;
        return true;
    }
    return false;
}

static int order(wide a, wide b)
{
    return (a > b) - (a < b);
}

static wide interval_span(struct interval v)
{
    return ((wide)v.months * 30 + v.days) * 86400000000 + v.us;
}

int value_compare(const struct value *a, const struct value *b)
{
    switch (a->type) {
    case TYPE_BOOL: return a->b - b->b;
    case TYPE_INT64:
    case TYPE_TIMESTAMP: return order(a->i, b->i);
    case TYPE_DOUBLE:
        if (isnan(a->d) || isnan(b->d)) return !!isnan(a->d) - !!isnan(b->d);
        return (a->d > b->d) - (a->d < b->d);
    case TYPE_STRING:
    case TYPE_BYTES:
    case TYPE_JSON: return k_str_compare(a->s, b->s);
    case TYPE_INTERVAL: return order(interval_span(a->v), interval_span(b->v));
    case TYPE_NONE: break;
    }
    return 0;
}

void value_json(struct k_buf *out, const struct value *value)
{
    if (value->null) {
        k_buf_add_text(out, "null");
        return;
    }
    switch (value->type) {
    case TYPE_BOOL: k_buf_add_text(out, value->b ? "true" : "false"); break;
    case TYPE_INT64: k_json_int(out, value->i); break;
    case TYPE_DOUBLE: k_json_double(out, value->d); break;
    case TYPE_STRING: k_json_string(out, value->s); break;
    case TYPE_BYTES: k_json_base64(out, value->s); break;
    case TYPE_TIMESTAMP: k_json_time(out, value->i); break;
    case TYPE_JSON: k_buf_add(out, value->s.data, value->s.length); break;
    case TYPE_NONE:
    case TYPE_INTERVAL: k_buf_add_text(out, "null"); break;
    }
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct k_str trim(struct k_str text)
{
    while (text.length && is_space(text.data[0])) text.data++, text.length--;
    while (text.length && is_space(text.data[text.length - 1])) text.length--;
    return text;
}

// Any beginning of true, false, yes, no; "on", "of", "off", "1", "0". "o" alone could be either.
static bool bool_from_text(struct k_str text, bool *ret)
{
    static const struct {
        const char *word;
        uint32_t least;
        bool value;
    } words[] = {{"true", 1, true}, {"false", 1, false}, {"yes", 1, true}, {"no", 1, false},
                 {"on", 2, true},   {"off", 2, false},   {"1", 1, true},   {"0", 1, false}};
    char room[8];
    struct k_str word = lower_ascii(text, room, sizeof room);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        struct k_str whole = k_str_of(words[i].word);
        if (word.length < words[i].least || word.length > whole.length) continue;
        if (memcmp(word.data, whole.data, word.length) != 0) continue;
        *ret = words[i].value;
        return true;
    }
    return false;
}

static bool int_from_text(struct k_str text, int64_t *ret)
{
    uint32_t at = text.length > 0 && (text.data[0] == '-' || text.data[0] == '+');
    bool minus = at && text.data[0] == '-';
    if (at == text.length) return false;
    wide value = 0;
    for (; at < text.length; at++) {
        if (text.data[at] < '0' || text.data[at] > '9') return false;
        value = value * 10 + (text.data[at] - '0');
        if (value > (wide)INT64_MAX + 1) return false;
    }
    if (minus) value = -value;
    if (value > INT64_MAX) return false;
    *ret = (int64_t)value;
    return true;
}

static bool double_from_text(struct k_str text, double *ret)
{
    char room[12];
    struct k_str word = lower_ascii(text, room, sizeof room);
    if (k_str_equal(word, K_STR("nan"))) {
        *ret = NAN;
        return true;
    }
    bool minus = word.length && word.data[0] == '-';
    struct k_str bare = word;
    if (word.length && (word.data[0] == '-' || word.data[0] == '+')) bare.data++, bare.length--;
    if (k_str_equal(bare, K_STR("inf")) || k_str_equal(bare, K_STR("infinity"))) {
        *ret = minus ? -INFINITY : INFINITY;
        return true;
    }
    return text.length > 0 && k_double_parse(text.data, text.length, ret) == 0;
}

// RFC 3339 and what PostgreSQL prints: also a date alone, a time without seconds, an offset of hours alone.
static bool time_from_text(struct k_str text, int64_t *ret)
{
    char room[80];
    if (text.length < 10 || text.length > 60) return false;
    memcpy(room, text.data, text.length);
    uint32_t length = text.length;
    const char *rest = length == 10 ? "T00:00:00" : length == 16 ? ":00" : "";
    char sign = length > 19 ? room[length - 3] : ' ';
    if (sign == '+' || sign == '-') rest = ":00";
    memcpy(room + length, rest, strlen(rest));
    return k_time_parse((struct k_str){room, length + (uint32_t)strlen(rest)}, ret);
}

bool value_from_text(struct k_str text, enum type type, struct value *ret)
{
    struct value value = {.type = type};
    struct k_str bare = trim(text);
    bool good = false;
    switch (type) {
    case TYPE_BOOL: good = bool_from_text(bare, &value.b); break;
    case TYPE_INT64: good = int_from_text(bare, &value.i); break;
    case TYPE_DOUBLE: good = double_from_text(bare, &value.d); break;
    case TYPE_TIMESTAMP: good = time_from_text(bare, &value.i); break;
    case TYPE_INTERVAL: good = interval_from_text(bare, &value.v); break;
    case TYPE_STRING:
        value.s = text;
        good = true;
        break;
    case TYPE_JSON: // as it is, white space too
        value.s = text;
        good = !json_check(text, 0);
        break;
    case TYPE_BYTES:
    case TYPE_NONE: break;
    }
    if (good) *ret = value;
    return good;
}

// The digits are the shortest that mean the same double; plain from 1e-4 to below 1e15, else with an exponent.
static struct k_str double_to_text(double d, struct k_arena *arena)
{
    if (isnan(d)) return K_STR("NaN");
    if (isinf(d)) return d < 0 ? K_STR("-Infinity") : K_STR("Infinity");
    if (d == 0) return signbit(d) ? K_STR("-0") : K_STR("0");
    char shortest[K_DOUBLE_TEXT + 1], digits[K_DOUBLE_TEXT];
    shortest[k_double_print(shortest, fabs(d))] = '\0';
    // Taken apart into digits without leading zeros, and the power of ten of the first one.
    int count = 0, power = -1, exponent = 0;
    bool behind = false;
    const char *at = shortest;
    for (; *at && *at != 'e'; at++) {
        if (*at == '.') {
            behind = true;
        } else if (count || *at != '0') {
            digits[count++] = *at;
            power += !behind;
        } else {
            power -= behind;
        }
    }
    if (*at == 'e') exponent = atoi(at + 1);
    while (count > 1 && digits[count - 1] == '0') count--;
    power += exponent;
    struct k_buf out = {0};
    if (d < 0) k_buf_add_char(&out, '-');
    if (power < -4 || power >= 15) {
        k_buf_add_char(&out, digits[0]);
        if (count > 1) k_buf_printf(&out, ".%.*s", count - 1, digits + 1);
        k_buf_printf(&out, "e%c%02d", power < 0 ? '-' : '+', abs(power));
    } else if (power < 0) {
        k_buf_add_text(&out, "0.");
        for (int i = -1; i > power; i--) k_buf_add_char(&out, '0');
        k_buf_add(&out, digits, (size_t)count);
    } else {
        for (int i = 0; i <= power || i < count; i++) {
            if (i == power + 1) k_buf_add_char(&out, '.');
            k_buf_add_char(&out, i < count ? digits[i] : '0');
        }
    }
    struct k_str text = {k_arena_copy(arena, out.data, out.length), (uint32_t)out.length};
    k_buf_fini(&out);
    return text;
}

static struct k_str time_to_text(int64_t us, struct k_arena *arena)
{
    struct k_buf out = {0};
    struct k_civil c = k_civil_of(us);
    char room[K_TIME_TEXT];
    size_t length = k_time_print(room, us);
    // The date as RFC 3339 has it; the fraction without its last zeros.
    for (size_t i = 0; i < length && room[i] != 'T'; i++) k_buf_add_char(&out, room[i]);
    k_buf_printf(&out, " %02d:%02d:%02d", c.hour, c.minute, c.second);
    if (c.microsecond) {
        k_buf_printf(&out, ".%06d", c.microsecond);
        while (out.data[out.length - 1] == '0') out.length--;
    }
    struct k_str text = {k_arena_copy(arena, out.data, out.length), (uint32_t)out.length};
    k_buf_fini(&out);
    return text;
}

struct k_str value_to_text(const struct value *value, struct k_arena *arena)
{
    switch (value->type) {
    case TYPE_BOOL: return value->b ? K_STR("true") : K_STR("false");
    case TYPE_INT64: return k_str_of(k_arena_format(arena, "%lld", (long long)value->i));
    case TYPE_DOUBLE: return double_to_text(value->d, arena);
    case TYPE_TIMESTAMP: return time_to_text(value->i, arena);
    case TYPE_STRING:
    case TYPE_JSON:
    case TYPE_BYTES: return value->s;
    case TYPE_NONE:
    case TYPE_INTERVAL: break;
    }
    return K_STR("");
}

struct value value_keep(const struct value *value, struct k_arena *arena)
{
    struct value kept = *value;
    bool text = value->type == TYPE_STRING || value->type == TYPE_BYTES || value->type == TYPE_JSON;
    if (text && !value->null) kept.s.data = k_arena_copy(arena, value->s.data, value->s.length);
    return kept;
}

bool utf8_valid(struct k_str text)
{
    const unsigned char *at = (const unsigned char *)text.data, *end = at + text.length;
    while (at < end) {
        unsigned char c = *at;
        int more = c < 0x80 ? 0 : c >= 0xC2 && c <= 0xDF ? 1 : (c & 0xF0) == 0xE0 ? 2 : c >= 0xF0 && c <= 0xF4 ? 3 : -1;
        if (more < 0 || end - at <= more) return false;
        for (int i = 1; i <= more; i++)
            if ((at[i] & 0xC0) != 0x80) return false;
        // Not the shortest form, a surrogate, beyond U+10FFFF.
        if ((c == 0xE0 && at[1] < 0xA0) || (c == 0xED && at[1] > 0x9F)) return false;
        if ((c == 0xF0 && at[1] < 0x90) || (c == 0xF4 && at[1] > 0x8F)) return false;
        at += more + 1;
    }
    return true;
}
