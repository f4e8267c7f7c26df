// LIKE. A pattern is matched by characters; the escape character is the backslash, and ESCAPE rewrites the pattern to
// it. A constant pattern of one of the common shapes (a, a%, %a, %a%) is a comparison of bytes, which is safe in
// UTF-8 since no character is inside another.
#include "operators/expr/find.h"
#include "operators/expr/kernels.h"

static const char dangling[] = "the pattern of LIKE ends with the escape character";

// Whether the last character of the pattern is an escape that escapes nothing.
static bool is_dangling(struct k_str pattern)
{
    bool escaped = false;
    for (uint32_t i = 0; i < pattern.length; i++) escaped = !escaped && pattern.data[i] == '\\';
    return escaped;
}

static uint32_t character_length(struct k_str text, uint32_t at)
{
    uint32_t end = at + 1;
    while (end < text.length && ((unsigned char)text.data[end] & 0xC0) == 0x80) end++;
    return end - at;
}

// The general matcher: greedy, with one way back, to the last % and one character more; so it is bounded by the
// product of the lengths.
static bool match(struct k_str text, struct k_str pattern)
{
    uint32_t t = 0, p = 0, retry_t = 0, retry_p = 0;
    bool can_retry = false;
    while (t < text.length || p < pattern.length) {
        if (p < pattern.length && pattern.data[p] == '%') {
            can_retry = true;
            retry_p = ++p;
            retry_t = t;
            continue;
        }
        if (p < pattern.length && t < text.length) {
            if (pattern.data[p] == '_') {
                t += character_length(text, t);
                p++;
                continue;
            }
            uint32_t literal = p + (pattern.data[p] == '\\');
            if (pattern.data[literal] == text.data[t]) {
                p = literal + 1;
                t++;
                continue;
            }
        }
        // With the text at its end, a later beginning would only leave less of it.
        if (!can_retry || t >= text.length) return false;
        retry_t += character_length(text, retry_t);
        t = retry_t;
        p = retry_p;
    }
    return true;
}

enum shape { GENERAL, WHOLE, PREFIX, SUFFIX, INSIDE };

// The literal of a pattern without wildcards but at its ends, without the escapes before its characters.
static enum shape shape_of(struct k_str pattern, struct k_arena *arena, struct k_str *ret_literal)
{
    char *literal = k_arena_get(arena, pattern.length + 1);
    uint32_t at = 0, length = 0;
    bool before = pattern.length && pattern.data[0] == '%', behind = false;
    for (at = before; at < pattern.length; at++) {
        char c = pattern.data[at];
        behind = c == '%' && at + 1 == pattern.length;
        if (behind) break;
        if (c == '%' || c == '_') return GENERAL;
        if (c == '\\' && ++at == pattern.length) return GENERAL;
        literal[length++] = pattern.data[at];
    }
    *ret_literal = (struct k_str){literal, length};
    return before ? (behind ? INSIDE : SUFFIX) : behind ? PREFIX : WHOLE;
}

static bool match_shape(enum shape shape, struct k_str text, struct k_str literal)
{
    if (text.length < literal.length) return false;
    if (literal.length == 0) return shape != WHOLE || text.length == 0;
    switch (shape) {
    case WHOLE: return k_str_equal(text, literal);
    case PREFIX: return memcmp(text.data, literal.data, literal.length) == 0;
    case SUFFIX: return memcmp(text.data + text.length - literal.length, literal.data, literal.length) == 0;
    default: return k_find(text, 0, literal) < text.length;
    }
}

// With fold, both are looked at in small letters, as PostgreSQL does it.
static struct k_str folded(struct k_call *call, bool fold, struct k_str text)
{
    return fold ? k_string_lower(k_call_arena(call), text) : text;
}

static void like_constant(struct k_call *call, bool fold)
{
    uint8_t *out = call->out;
    struct k_str pattern = folded(call, fold, K_ARG(call, 1, struct k_str, 0)), literal = {0};
    enum shape shape = shape_of(pattern, k_call_arena(call), &literal);
    bool bad = is_dangling(pattern);
    if (shape == INSIDE && literal.length && !fold) {
        K_EACH_ROW(call->rows, r, {
            if (k_call_null(call, r)) continue;
            struct k_str text = K_ARG(call, 0, struct k_str, r);
            out[r] = k_find(text, 0, literal) < text.length;
        });
        return;
    }
    K_EACH_ROW(call->rows, r, {
        if (k_call_null(call, r)) continue;
        struct k_str text = folded(call, fold, K_ARG(call, 0, struct k_str, r));
        if (bad) k_call_fail(call, r, "like", "%s", dangling);
        else out[r] = shape == GENERAL ? match(text, pattern) : match_shape(shape, text, literal);
    });
}

static void like(struct k_call *call, bool fold)
{
    uint8_t *out = call->out;
    if (call->args[1].constant && !k_vec_null(&call->args[1], 0)) {
        like_constant(call, fold);
        return;
    }
    K_EACH_ROW(call->rows, r, {
        if (k_call_null(call, r)) continue;
        struct k_str pattern = folded(call, fold, K_ARG(call, 1, struct k_str, r));
        if (is_dangling(pattern)) k_call_fail(call, r, "like", "%s", dangling);
        else out[r] = match(folded(call, fold, K_ARG(call, 0, struct k_str, r)), pattern);
    });
}

void k_kernel_like(struct k_call *call)
{
    like(call, false);
}

void k_kernel_ilike(struct k_call *call)
{
    like(call, true);
}

const char *k_check_like(const struct k_value *const *constants, uint32_t *ret_argument)
{
    *ret_argument = 1;
    return constants[1] && is_dangling(constants[1]->s) ? dangling : NULL;
}

// The pattern with another escape character, written with backslashes. An empty escape means that there is none.
static struct k_str rewrite(struct k_arena *arena, struct k_str pattern, struct k_str escape)
{
    char *out = k_arena_get(arena, 2 * (size_t)pattern.length + 1);
    uint32_t length = 0;
    for (uint32_t i = 0; i < pattern.length;) {
        if (escape.length && pattern.length - i >= escape.length &&
            memcmp(pattern.data + i, escape.data, escape.length) == 0) {
            out[length++] = '\\';
            i += escape.length;
            // The character behind an escape stands for itself, whatever it is.
            if (i < pattern.length) {
                uint32_t one = character_length(pattern, i);
                memcpy(out + length, pattern.data + i, one);
                length += one;
                i += one;
            }
            continue;
        }
        if (pattern.data[i] == '\\') out[length++] = '\\';
        out[length++] = pattern.data[i++];
    }
    return (struct k_str){out, length};
}

static const char bad_escape[] = "ESCAPE takes one character or none";

static bool is_escape(struct k_str escape)
{
    return escape.length == 0 || character_length(escape, 0) == escape.length;
}

void k_kernel_like_escape(struct k_call *call)
{
    struct k_str *out = call->out;
    K_EACH_ROW(call->rows, r, {
        if (k_call_null(call, r)) continue;
        struct k_str escape = K_ARG(call, 1, struct k_str, r);
        if (!is_escape(escape)) k_call_fail(call, r, "like", "%s", bad_escape);
        else out[r] = rewrite(k_call_arena(call), K_ARG(call, 0, struct k_str, r), escape);
    });
}

const char *k_check_like_escape(const struct k_value *const *constants, uint32_t *ret_argument)
{
    *ret_argument = 1;
    return constants[1] && !is_escape(constants[1]->s) ? bad_escape : NULL;
}
