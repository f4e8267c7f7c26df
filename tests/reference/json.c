// JSON text: stepping over values, checking them, and reading single ones.
#include <math.h>
#include <stdlib.h>

#include "base/units.h"
#include "tests/reference/decode.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_space(struct k_str text, uint32_t *at)
{
    while (*at < text.length && is_space(text.data[*at])) ++*at;
}

static const char *skip_string(struct k_str text, uint32_t *at)
{
    for (++*at; *at < text.length; ++*at) {
        unsigned char c = (unsigned char)text.data[*at];
        if (c == '"') {
            ++*at;
            return NULL;
        }
        if (c < 0x20) return "json";
        if (c == '\\') ++*at;
    }
    return "json";
}

static bool ends_scalar(char c)
{
    return is_space(c) || strchr(",:{}[]\"", c) != NULL; // the NUL, too
}

const char *json_skip(struct k_str text, uint32_t *at, uint32_t depth)
{
    if (*at >= text.length) return "json";
    char stack[JSON_DEPTH_MAX];
    uint32_t open = 0;
    do {
        if (*at >= text.length) return "json";
        char c = text.data[*at];
        if (c == '"') {
            const char *why = skip_string(text, at);
            if (why) return why;
        } else if (c == '{' || c == '[') {
            if (depth + open >= JSON_DEPTH_MAX) return "depth";
            stack[open++] = c == '{' ? '}' : ']';
            ++*at;
        } else if (c == '}' || c == ']') {
            if (open == 0 || stack[--open] != c) return "json";
            ++*at;
        } else if (open && (is_space(c) || c == ',' || c == ':')) {
            ++*at;
        } else {
            uint32_t start = *at;
            while (*at < text.length && !ends_scalar(text.data[*at])) {
                if ((unsigned char)text.data[*at] < 0x20) return "json";
                ++*at;
            }
            if (*at == start) return "json";
        }
    } while (open);
    return NULL;
}

static int hex4(const char *at)
{
    int code = 0;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
        if (digit < 0) return -1;
        code = code * 16 + digit;
    }
    return code;
}

static char *put_utf8(char *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (char)c;
        return to;
    }
    int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    *to++ = (char)((0xF00 >> (more + 1) & 0xFF) | c >> 6 * more);
    while (more--) *to++ = (char)(0x80 | (c >> 6 * more & 0x3F));
    return to;
}

// Behind "\u"; at moves behind the escape.
static const char *read_unicode(const char **at, const char *end, char **to)
{
    int code = end - *at >= 4 ? hex4(*at) : -1;
    if (code < 0) return "json";
    *at += 4;
    if (code >= 0xDC00 && code < 0xE000) return "utf8";
    if (code >= 0xD800 && code < 0xDC00) {
        if (end - *at < 2 || (*at)[0] != '\\' || (*at)[1] != 'u') return "utf8";
        int low = end - *at >= 6 ? hex4(*at + 2) : -1;
        if (low < 0) return "json";
        if (low < 0xDC00 || low >= 0xE000) return "utf8";
        code = 0x10000 + (code - 0xD800) * 0x400 + (low - 0xDC00);
        *at += 6;
    }
    *to = put_utf8(*to, (uint32_t)code);
    return NULL;
}

// The content of a string token, with its quotes.
static const char *read_string(struct k_str token, struct k_arena *arena, struct k_str *ret)
{
    static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    if (token.length < 2 || token.data[0] != '"') return "json";
    const char *at = token.data + 1, *end = token.data + token.length - 1;
    char *start = k_arena_get(arena, token.length), *to = start;
    while (at < end) {
        if (*at != '\\') {
            *to++ = *at++;
            continue;
        }
        at++;
        const char *letter = at < end && *at ? strchr(letters, *at) : NULL;
        if (letter) {
            *to++ = meant[letter - letters];
            at++;
        } else if (at < end && *at == 'u') {
            at++;
            const char *why = read_unicode(&at, end, &to);
            if (why) return why;
        } else {
            return "json";
        }
    }
    *ret = (struct k_str){start, (uint32_t)(to - start)};
    return utf8_valid(*ret) ? NULL : "utf8";
}

// The grammar of numbers: -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?
static bool read_number(struct k_str token, bool *ret_integer)
{
    uint32_t at = 0;
#define DIGITS() while (at < token.length && token.data[at] >= '0' && token.data[at] <= '9') at++
    if (at < token.length && token.data[at] == '-') at++;
    uint32_t start = at;
    DIGITS();
    if (at == start || (token.data[start] == '0' && at > start + 1)) return false;
    *ret_integer = at == token.length;
    if (at < token.length && token.data[at] == '.') {
        start = ++at;
        DIGITS();
        if (at == start) return false;
    }
    if (at < token.length && (token.data[at] | 32) == 'e') {
        at++;
        if (at < token.length && (token.data[at] == '+' || token.data[at] == '-')) at++;
        start = at;
        DIGITS();
        if (at == start) return false;
    }
#undef DIGITS
    return at == token.length;
}

static const char *check_value(struct k_str text, uint32_t *at, uint32_t depth);

// Behind the opening bracket: the members or elements, and the closing one.
static const char *check_inside(struct k_str text, uint32_t *at, uint32_t depth, bool object)
{
    char close = object ? '}' : ']';
    const char *why;
    skip_space(text, at);
    if (*at < text.length && text.data[*at] == close) {
        ++*at;
        return NULL;
    }
    for (;;) {
        skip_space(text, at);
        if (object) {
            if (*at >= text.length || text.data[*at] != '"') return "json";
            if ((why = check_value(text, at, depth))) return why;
            skip_space(text, at);
            if (*at >= text.length || text.data[(*at)++] != ':') return "json";
        }
        if ((why = check_value(text, at, depth))) return why;
        skip_space(text, at);
        if (*at >= text.length) return "json";
        char c = text.data[(*at)++];
        if (c == close) return NULL;
        if (c != ',') return "json";
    }
}

static const char *check_value(struct k_str text, uint32_t *at, uint32_t depth)
{
    skip_space(text, at);
    if (*at >= text.length) return "json";
    char c = text.data[*at];
    if (c == '{' || c == '[') {
        if (depth >= JSON_DEPTH_MAX) return "depth";
        ++*at;
        return check_inside(text, at, depth + 1, c == '{');
    }
    uint32_t start = *at;
    const char *why = json_skip(text, at, depth);
    struct k_str token = {text.data + start, *at - start}, content;
    if (why) return why;
    if (c == '"') {
        struct k_arena scratch;
        k_arena_init(&scratch);
        why = read_string(token, &scratch, &content);
        k_arena_fini(&scratch);
        return why;
    }
    bool integer;
    bool good = k_str_equal(token, K_STR("true")) || k_str_equal(token, K_STR("false")) ||
                k_str_equal(token, K_STR("null")) || read_number(token, &integer);
    return good ? NULL : "json";
}

const char *json_check(struct k_str text, uint32_t depth)
{
    uint32_t at = 0;
    const char *why = check_value(text, &at, depth);
    skip_space(text, &at);
    return why ? why : at == text.length ? NULL : "json";
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

// The standard alphabet, with padding, and no bits that mean nothing.
static bool read_base64(struct k_str text, struct k_arena *arena, struct k_str *ret)
{
    if (text.length % 4) return false;
    char *start = k_arena_get(arena, text.length), *to = start;
    uint32_t padding = 0;
    while (padding < 2 && padding < text.length && text.data[text.length - 1 - padding] == '=') padding++;
    uint32_t bits = 0, held = 0;
    for (uint32_t i = 0; i < text.length - padding; i++) {
        int digit = base64_digit(text.data[i]);
        if (digit < 0) return false;
        bits = (bits << 6 | (uint32_t)digit) & 0xFFFFFF;
        held += 6;
        if (held >= 8) *to++ = (char)(bits >> (held -= 8));
    }
    *ret = (struct k_str){start, (uint32_t)(to - start)};
    return (bits & ((1u << held) - 1)) == 0 && held == (padding == 1 ? 2u : padding == 2 ? 4u : 0u);
}

const char *integer_to_time(int64_t value, int unit, int64_t *ret)
{
    int64_t factor = unit == KAPPA__V1__SOURCE__FORMAT__JSON__TIMESTAMP_UNIT__SECONDS        ? 1000000
                     : unit == KAPPA__V1__SOURCE__FORMAT__JSON__TIMESTAMP_UNIT__MILLISECONDS ? 1000
                                                                                             : 1;
    if (unit == KAPPA__V1__SOURCE__FORMAT__JSON__TIMESTAMP_UNIT__NANOSECONDS)
        value = value / 1000 - (value % 1000 < 0); // towards the past
    return __builtin_mul_overflow(value, factor, ret) ? "range" : NULL;
}

static const char *number_to_time(struct k_str token, int unit, struct value *ret)
{
    if (!value_from_text(token, TYPE_INT64, ret)) return "range";
    ret->type = TYPE_TIMESTAMP;
    return integer_to_time(ret->i, unit, &ret->i);
}

static const char *number_to_column(struct k_str token, bool integer, enum type type, int unit, struct k_arena *arena,
                                    struct value *ret)
{
    if (type == TYPE_DOUBLE) {
        *ret = value_double(strtod(k_arena_copy(arena, token.data, token.length), NULL));
        return isinf(ret->d) ? "range" : NULL;
    }
    if (!integer) return "type";
    if (type == TYPE_TIMESTAMP) return number_to_time(token, unit, ret);
    if (type == TYPE_INT64) return value_from_text(token, TYPE_INT64, ret) ? NULL : "range";
    return "type";
}

static const char *string_to_column(struct k_str token, enum type type, struct k_arena *arena, struct value *ret)
{
    struct k_str content;
    const char *why = read_string(token, arena, &content);
    if (why) return why;
    ret->type = type;
    ret->null = false;
    ret->s = content;
    if (type == TYPE_STRING) return NULL;
    if (type == TYPE_BYTES) return read_base64(content, arena, &ret->s) ? NULL : "type";
    if (type == TYPE_TIMESTAMP) return k_time_parse(content, &ret->i) ? NULL : "type";
    return "type";
}

const char *json_to_column(struct k_str token, enum type type, int unit, uint32_t depth, struct k_arena *arena,
                           struct value *ret)
{
    char c = token.length ? token.data[0] : '\0';
    bool integer;
    *ret = value_null(type);
    if (k_str_equal(token, K_STR("null"))) return NULL;
    if (type == TYPE_JSON) {
        const char *why = json_check(token, depth);
        *ret = (struct value){.type = TYPE_JSON, .s = token};
        return why;
    }
    if (c == '"') return string_to_column(token, type, arena, ret);
    if (c == '{' || c == '[') return "type";
    if (k_str_equal(token, K_STR("true")) || k_str_equal(token, K_STR("false"))) {
        *ret = value_bool(c == 't');
        return type == TYPE_BOOL ? NULL : "type";
    }
    if (!read_number(token, &integer)) return "json";
    return number_to_column(token, integer, type, unit, arena, ret);
}

// --- records ------------------------------------------------------------------------------------------------------

struct reading {
    struct decoder *decoder;
    struct k_str text;
    bool lenient;
    struct k_arena *arena;
    struct value *columns;
};

static const char *read_object(struct reading *in, uint32_t *at, uint32_t level, const bool *inside);

// Whether the column lies at or below this key of this object, and this is the first key of the name in it. inside:
// which columns lie in the object at all.
static bool wants(const struct decoder *decoder, const bool *inside, uint32_t column, uint32_t level, struct k_str key)
{
    return decoder->options.read[column] && inside[column] && decoder->matched[column] == level &&
           level < decoder->path_lengths[column] && k_str_equal(decoder->paths[column][level], key);
}

static const char *read_leaf(struct reading *in, uint32_t column, struct k_str token, uint32_t depth)
{
    const struct column *c = &in->decoder->options.columns[column];
    const char *why = json_to_column(token, c->type, in->decoder->unit, depth, in->arena, &in->columns[column]);
    bool of_field = why && (strcmp(why, "type") == 0 || strcmp(why, "range") == 0);
    if (why) in->columns[column] = value_null(c->type);
    return of_field && in->lenient && !c->not_null ? NULL : why;
}

// A value that columns below want, but that is no object: they have nothing (null), or are malformed.
static const char *read_no_object(struct reading *in, uint32_t level, const bool *below, struct k_str token)
{
    struct value ignored;
    const char *why = json_to_column(token, TYPE_NONE, 0, level, in->arena, &ignored);
    if (!why || strcmp(why, "type") != 0) return why; // null, or not a value at all
    if (!in->lenient) return why;
    for (uint32_t i = 0; i < in->decoder->options.count; i++) {
        if (below[i] && in->decoder->options.columns[i].not_null) return why;
    }
    return NULL;
}

static const char *read_member(struct reading *in, uint32_t *at, uint32_t level, const bool *inside, struct k_str key)
{
    struct decoder *decoder = in->decoder;
    uint32_t start = *at;
    const char *why = json_skip(in->text, at, level + 1);
    struct k_str token = {in->text.data + start, *at - start};
    bool *below = NULL; // columns that lie deeper
    for (uint32_t i = 0; i < decoder->options.count && !why; i++) {
        if (!wants(decoder, inside, i, level, key)) continue;
        decoder->matched[i] = level + 1;
        if (decoder->path_lengths[i] == level + 1) {
            why = read_leaf(in, i, token, level + 1);
            continue;
        }
        if (!below) below = k_arena_zeroed(in->arena, decoder->options.count * sizeof *below);
        below[i] = true;
    }
    if (why || !below) return why;
    if (token.data[0] == '{') return read_object(in, &start, level + 1, below);
    return read_no_object(in, level, below, token);
}

// The members of an object; level: how many keys lead to it.
static const char *read_object(struct reading *in, uint32_t *at, uint32_t level, const bool *inside)
{
    ++*at;
    skip_space(in->text, at);
    if (*at < in->text.length && in->text.data[*at] == '}') {
        ++*at;
        return NULL;
    }
    for (;;) {
        struct k_str key = {0};
        skip_space(in->text, at);
        uint32_t start = *at;
        if (start >= in->text.length || in->text.data[start] != '"') return "json";
        const char *why = skip_string(in->text, at);
        if (why) return why;
        struct k_str token = {in->text.data + start, *at - start};
        bool readable = !read_string(token, in->arena, &key); // what is no name is nobody's
        skip_space(in->text, at);
        if (*at >= in->text.length || in->text.data[(*at)++] != ':') return "json";
        skip_space(in->text, at);
        why = readable ? read_member(in, at, level, inside, key) : json_skip(in->text, at, level + 1);
        if (why) return why;
        skip_space(in->text, at);
        if (*at >= in->text.length) return "json";
        char c = in->text.data[(*at)++];
        if (c == '}') return NULL;
        if (c != ',') return "json";
    }
}

const char *decode_json(struct decoder *decoder, struct k_str text, bool lenient, struct k_arena *arena,
                        struct value *ret_columns)
{
    struct reading in = {decoder, text, lenient, arena, ret_columns};
    uint32_t at = 0;
    for (uint32_t i = 0; i < decoder->options.count; i++) {
        decoder->matched[i] = 0;
        ret_columns[i] = value_null(decoder->options.columns[i].type);
    }
    skip_space(text, &at);
    if (at >= text.length || text.data[at] != '{') return "json";
    const char *why = decoder->options.validate_full ? json_check(text, 0) : NULL;
    bool *all = k_arena_array(arena, bool, decoder->options.count);
    memset(all, true, decoder->options.count * sizeof *all);
    if (!why) why = read_object(&in, &at, 0, all);
    if (why) return why;
    skip_space(text, &at);
    if (at != text.length) return "json";
    for (uint32_t i = 0; i < decoder->options.count; i++) {
        bool needed = decoder->options.read[i] && decoder->options.columns[i].not_null;
        if (needed && ret_columns[i].null) return "missing";
    }
    return NULL;
}
