// The functions of expressions, and LIKE. Positions and lengths are characters.
#include <strings.h>
#include <utf8proc.h>

#include "tests/reference/expr.h"

static const struct function {
    const char *name;
    uint32_t count;
    enum type args[3], result;
} functions[] = {
    {"lower", 1, {TYPE_STRING}, TYPE_STRING},
    {"upper", 1, {TYPE_STRING}, TYPE_STRING},
    {"length", 1, {TYPE_STRING}, TYPE_INT64},
    {"char_length", 1, {TYPE_STRING}, TYPE_INT64},
    {"character_length", 1, {TYPE_STRING}, TYPE_INT64},
    {"octet_length", 1, {TYPE_STRING}, TYPE_INT64},
    {"split_part", 3, {TYPE_STRING, TYPE_STRING, TYPE_INT64}, TYPE_STRING},
    {"substring", 2, {TYPE_STRING, TYPE_INT64}, TYPE_STRING},
    {"substring", 3, {TYPE_STRING, TYPE_INT64, TYPE_INT64}, TYPE_STRING},
    {"btrim", 1, {TYPE_STRING}, TYPE_STRING},
    {"btrim", 2, {TYPE_STRING, TYPE_STRING}, TYPE_STRING},
    {"ltrim", 1, {TYPE_STRING}, TYPE_STRING},
    {"ltrim", 2, {TYPE_STRING, TYPE_STRING}, TYPE_STRING},
    {"rtrim", 1, {TYPE_STRING}, TYPE_STRING},
    {"rtrim", 2, {TYPE_STRING, TYPE_STRING}, TYPE_STRING},
    {"left", 2, {TYPE_STRING, TYPE_INT64}, TYPE_STRING},
    {"right", 2, {TYPE_STRING, TYPE_INT64}, TYPE_STRING},
    {"strpos", 2, {TYPE_STRING, TYPE_STRING}, TYPE_INT64},
    {"starts_with", 2, {TYPE_STRING, TYPE_STRING}, TYPE_BOOL},
    {"replace", 3, {TYPE_STRING, TYPE_STRING, TYPE_STRING}, TYPE_STRING},
    {"reverse", 1, {TYPE_STRING}, TYPE_STRING},
    {"repeat", 2, {TYPE_STRING, TYPE_INT64}, TYPE_STRING},
    {"lpad", 2, {TYPE_STRING, TYPE_INT64}, TYPE_STRING},
    {"lpad", 3, {TYPE_STRING, TYPE_INT64, TYPE_STRING}, TYPE_STRING},
    {"rpad", 2, {TYPE_STRING, TYPE_INT64}, TYPE_STRING},
    {"rpad", 3, {TYPE_STRING, TYPE_INT64, TYPE_STRING}, TYPE_STRING},
    {"mod", 2, {TYPE_INT64, TYPE_INT64}, TYPE_INT64},
    {"date_trunc", 2, {TYPE_STRING, TYPE_TIMESTAMP}, TYPE_TIMESTAMP},
    {"date_part", 2, {TYPE_STRING, TYPE_TIMESTAMP}, TYPE_DOUBLE},
    {"date_bin", 3, {TYPE_INTERVAL, TYPE_TIMESTAMP, TYPE_TIMESTAMP}, TYPE_TIMESTAMP},
    {"abs", 1, {TYPE_DOUBLE}, TYPE_DOUBLE},
    {"abs", 1, {TYPE_INT64}, TYPE_INT64},
    {"sign", 1, {TYPE_DOUBLE}, TYPE_DOUBLE},
    {"round", 1, {TYPE_DOUBLE}, TYPE_DOUBLE},
    {"trunc", 1, {TYPE_DOUBLE}, TYPE_DOUBLE},
    {"floor", 1, {TYPE_DOUBLE}, TYPE_DOUBLE},
    {"ceil", 1, {TYPE_DOUBLE}, TYPE_DOUBLE},
    {"ceiling", 1, {TYPE_DOUBLE}, TYPE_DOUBLE},
    {"sqrt", 1, {TYPE_DOUBLE}, TYPE_DOUBLE},
};

bool function_types(const char *name, const enum type *given, uint32_t count, enum type *args, enum type *ret_result)
{
    const struct function *found = NULL;
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        if (functions[i].count != count || strcmp(functions[i].name, name) != 0) continue;
        // Of several the one with just these types, else the first.
        if (!found || memcmp(functions[i].args, given, count * sizeof *given) == 0) found = &functions[i];
    }
    if (!found) return false;
    memcpy(args, found->args, sizeof found->args);
    *ret_result = found->result;
    return true;
}

static struct value fail(const char **reason, const char *why, enum type type)
{
    *reason = why;
    return value_null(type);
}

static int64_t characters(struct k_str text)
{
    int64_t count = 0;
    for (uint32_t at = 0; at < text.length; at += utf8_length(text.data[at])) count++;
    return count;
}

// Character by character through the simple mapping, one to one.
static struct value change_case(struct k_str text, bool upper, struct k_arena *arena)
{
    utf8proc_uint8_t *to = k_arena_get(arena, (size_t)text.length * 2 + 4);
    utf8proc_ssize_t length = 0;
    for (utf8proc_ssize_t at = 0; at < (utf8proc_ssize_t)text.length;) {
        utf8proc_int32_t c;
        utf8proc_ssize_t used =
            utf8proc_iterate((const utf8proc_uint8_t *)text.data + at, (utf8proc_ssize_t)text.length - at, &c);
        if (used <= 0) {
            to[length++] = (utf8proc_uint8_t)text.data[at++];
            continue;
        }
        // Unicode has no simple capital of ß; utf8proc has one of its own.
        if (c != 0xDF) c = upper ? utf8proc_toupper(c) : utf8proc_tolower(c);
        length += utf8proc_encode_char(c, to + length);
        at += used;
    }
    return value_string((struct k_str){(const char *)to, (uint32_t)length});
}

// Where the delimiter stands at or behind `at`; the text's length if nowhere.
static uint32_t find(struct k_str text, struct k_str delimiter, uint32_t at)
{
    for (; at + (uint64_t)delimiter.length <= text.length; at++)
        if (memcmp(text.data + at, delimiter.data, delimiter.length) == 0) return at;
    return text.length;
}

static struct value split_part(struct k_str text, struct k_str delimiter, int64_t n, const char **reason)
{
    if (n == 0) return fail(reason, "argument", TYPE_STRING);
    if (text.length == 0) return value_string(K_STR(""));
    if (delimiter.length == 0) return value_string(n == 1 || n == -1 ? text : K_STR(""));
    int64_t parts = 1;
    for (uint32_t at = find(text, delimiter, 0); at < text.length; parts++)
        at = find(text, delimiter, at + delimiter.length);
    if (n < 0) n = n < -parts ? 0 : parts + n + 1;
    if (n < 1 || n > parts) return value_string(K_STR(""));
    uint32_t start = 0;
    for (int64_t i = 1; i < n; i++) start = find(text, delimiter, start) + delimiter.length;
    uint32_t end = find(text, delimiter, start);
    return value_string((struct k_str){text.data + start, end - start});
}

// Characters begin (from 1) up to before end; both may lie outside the text.
static struct value between(struct k_str text, int64_t begin, int64_t end)
{
    uint32_t at = 0;
    int64_t number = 1;
    for (; at < text.length && number < begin; number++) at += utf8_length(text.data[at]);
    uint32_t start = at;
    for (; at < text.length && number < end; number++) at += utf8_length(text.data[at]);
    return value_string((struct k_str){text.data + start, at - start});
}

struct value function_call(const char *name, const struct value *args, uint32_t count, struct k_arena *arena,
                           const char **reason)
{
    struct k_str text = args[0].s;
    if (strcmp(name, "lower") == 0 || strcmp(name, "upper") == 0) return change_case(text, name[0] == 'u', arena);
    if (strcmp(name, "octet_length") == 0) return value_int(text.length);
    if (strcmp(name, "split_part") == 0) return split_part(text, args[1].s, args[2].i, reason);
    if (strcmp(name, "substring") == 0) {
        int64_t end = INT64_MAX;
        if (count == 3 && args[2].i < 0) return fail(reason, "argument", TYPE_STRING);
        if (count == 3 && __builtin_add_overflow(args[1].i, args[2].i, &end)) end = INT64_MAX;
        return between(text, args[1].i, end);
    }
    if (strcmp(name, "mod") == 0) {
        if (args[1].i == 0) return fail(reason, "division_by_zero", TYPE_INT64);
        return value_int(args[1].i == -1 ? 0 : args[0].i % args[1].i);
    }
    if (strcmp(name, "date_trunc") == 0) {
        int64_t us = 0;
        int code = time_trunc(text, args[1].i, &us);
        if (code) return fail(reason, code > 0 ? "argument" : "overflow", TYPE_TIMESTAMP);
        return value_time(us);
    }
    if (strcmp(name, "date_part") == 0) {
        double part = 0;
        if (!time_part(text, args[1].i, &part)) return fail(reason, "argument", TYPE_DOUBLE);
        return value_double(part);
    }
    if (strcmp(name, "date_bin") == 0) {
        int64_t us = 0;
        int code = time_bin(args[0].v, args[1].i, args[2].i, &us);
        if (code) return fail(reason, code > 0 ? "argument" : "overflow", TYPE_TIMESTAMP);
        return value_time(us);
    }
    struct value made;
    if (number_call(name, &args[0], &made, reason)) return *reason ? value_null(made.type) : made;
    if (text_call(name, args, count, arena, &made, reason)) return made;
    return value_int(characters(text));
}

// One character of a pattern: itself, or with `plain` unset one of the two wildcards.
struct piece {
    const char *at;
    uint32_t length;
    bool plain;
};

// false: at the end. *ret_dangling: there is an escape with nothing behind it.
static bool next_piece(struct k_str pattern, struct k_str escape, uint32_t *at, struct piece *ret, bool *ret_dangling)
{
    if (*at >= pattern.length) return false;
    bool escaped = escape.length && pattern.length - *at >= escape.length &&
                   memcmp(pattern.data + *at, escape.data, escape.length) == 0;
    if (escaped) *at += escape.length;
    if (*at >= pattern.length) {
        *ret_dangling = true;
        return false;
    }
    const char *c = pattern.data + *at;
    *ret = (struct piece){c, utf8_length(*c), escaped || (*c != '%' && *c != '_')};
    *at += ret->length;
    return true;
}

static bool matches(struct k_str text, struct k_str pattern, struct k_str escape, uint32_t at)
{
    struct piece piece;
    bool dangling = false;
    uint32_t t = 0;
    while (next_piece(pattern, escape, &at, &piece, &dangling)) {
        if (!piece.plain && *piece.at == '%') {
            // The rest is tried from each character on.
            for (;; t += utf8_length(text.data[t])) {
                struct k_str rest = {text.data + t, text.length - t};
                if (matches(rest, pattern, escape, at)) return true;
                if (t >= text.length) return false;
            }
        }
        if (t >= text.length) return false;
        uint32_t length = utf8_length(text.data[t]);
        if (piece.plain && (length != piece.length || memcmp(text.data + t, piece.at, length) != 0)) return false;
        t += length;
    }
    return t == text.length;
}

struct value function_like(struct k_str text, struct k_str pattern, const struct k_str *escape, const char **reason)
{
    struct k_str sign = escape ? *escape : K_STR("\\");
    struct piece piece;
    bool dangling = false;
    if (sign.length && sign.length != utf8_length(sign.data[0])) return fail(reason, "like", TYPE_BOOL);
    for (uint32_t at = 0; next_piece(pattern, sign, &at, &piece, &dangling);) continue;
    if (dangling) return fail(reason, "like", TYPE_BOOL);
    return value_bool(matches(text, pattern, sign, 0));
}
