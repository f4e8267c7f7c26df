// Is a text one JSON value (RFC 8259)? In one pass, without recursion or allocation: what the next byte must be follows
// from the innermost bracket that is open. Columns of json pay for this with each record, so a short string, a few
// digits and the mark behind them are passed without loops over bytes; the rest is left to json_text.c.
#include "proto/digits.h"
#include "proto/json_plain.h"
#include "proto/json_text.h"

#define INLINE static inline __attribute__((always_inline))

struct check {
    const char *begin, *end;
    const char *why; // NULL: nothing is wrong yet
    uint32_t depth_max;
    char kinds[K_JSON_DEPTH_MAX]; // the closing brackets that are waited for, by level
};

static const char *fail(struct check *in, const char *why)
{
    in->why = why;
    return NULL;
}

// A string with escapes, or one that is none.
static __attribute__((noinline)) const char *string_slowly(struct check *in, const char *at)
{
    const char *begin = ++at;
    for (; at < in->end && *at != '"'; at++) {
        if (*at == '\\' && ++at == in->end) return fail(in, "json");
    }
    if (at >= in->end) return fail(in, "json");
    const char *why = k_json_content_check(begin, at);
    return why ? fail(in, why) : at + 1;
}

// Behind the string that begins at `at`. Bytes above ASCII are somebody else's: the whole text is UTF-8.
INLINE const char *pass_string(struct check *in, const char *at)
{
    const char *content = at + 1;
#ifdef __SSE2__
    if (in->end - content >= 16) {
        uint32_t special = k_json_special16(content);
        const char *stop = content + __builtin_ctz(special | 1u << 16);
        if (special && *stop == '"') return stop + 1;
        content = stop;
    }
#endif
    const char *stop = k_json_plain_end(in->begin, content, in->end);
    return stop != in->end && *stop == '"' ? stop + 1 : string_slowly(in, at);
}

static __attribute__((noinline)) const char *scalar_slowly(struct check *in, const char *at)
{
    char first = at < in->end ? *at : 0;
    struct k_str word = first == 't' ? K_STR("true") : first == 'f' ? K_STR("false") : K_STR("null");
    if (first == 't' || first == 'f' || first == 'n') {
        if ((size_t)(in->end - at) < word.length || memcmp(at, word.data, word.length) != 0) return fail(in, "json");
        return at + word.length;
    }
    enum k_json_number kind;
    at = k_json_number_end(at, in->end, &kind);
    return at ? at : fail(in, "json");
}

// Behind the number or word that begins at `at`.
INLINE const char *pass_scalar(struct check *in, const char *at)
{
#ifdef K_DIGITS_AT_ONCE
    if (in->end - at >= 16) {
        uint64_t digits = k_digits_load(at), others = k_digits_others(digits);
        const char *stop = at;
        if (!others) others = k_digits_others(k_digits_load(stop += 8));
        stop += others ? __builtin_ctzll(others) / 8 : 0;
        // A number, if no 0 begins it and nothing else of it can follow.
        if (stop > at && (digits & 0xFF) && (*stop == ',' || *stop == '}')) return stop;
    }
#endif
    return scalar_slowly(in, at);
}

INLINE const char *pass_space(const struct check *in, const char *at)
{
    while (at < in->end && __builtin_expect(k_json_space(*at), 0)) at++;
    return at;
}

// What stands at `at`; 0 at the end.
INLINE char here(const struct check *in, const char *at)
{
    return at < in->end ? *at : 0;
}

// Behind the key and its colon, and the white space around them; NULL: there is none.
INLINE const char *pass_key(struct check *in, const char *at)
{
    at = pass_space(in, at);
    if (here(in, at) != '"') return fail(in, "json");
    at = pass_string(in, at);
    if (!at) return NULL;
    at = pass_space(in, at);
    if (here(in, at) != ':') return fail(in, "json");
    return pass_space(in, at + 1);
}

// Behind the value that begins at `at`; NULL: in->why says why not.
static const char *pass_value(struct check *in, const char *at)
{
    uint32_t depth = 0;
    for (;;) {
        char c = here(in, at);
        if (c == '{' || c == '[') {
            char closing = c == '{' ? '}' : ']';
            if (depth == in->depth_max) return fail(in, "depth");
            at = pass_space(in, at + 1);
            if (here(in, at) != closing) {
                in->kinds[depth++] = closing;
                if (closing == '}' && !(at = pass_key(in, at))) return NULL;
                continue;
            }
            at++; // nothing in it
        } else {
            at = c == '"' ? pass_string(in, at) : pass_scalar(in, at);
            if (!at) return NULL;
        }
        // Behind a value: what ends here is closed.
        for (;;) {
            if (depth == 0) return at;
            at = pass_space(in, at);
            c = here(in, at++);
            if (c == ',') break;
            if (c != in->kinds[--depth]) return fail(in, "json");
        }
        if (in->kinds[depth - 1] == ']') at = pass_space(in, at);
        else if (!(at = pass_key(in, at))) return NULL;
    }
}

const char *k_json_value_end(const char *at, const char *end, uint32_t depth_max)
{
    struct check in;
    in.begin = at;
    in.end = end;
    in.depth_max = depth_max;
    const char *stop = pass_value(&in, at);
    return stop && k_utf8_valid(at, (size_t)(stop - at)) ? stop : NULL;
}

const char *k_json_check(struct k_str text)
{
    if (text.length == 0) return "json";
    if (!k_utf8_valid(text.data, text.length)) return "utf8";
    struct check in;
    in.begin = text.data;
    in.end = text.data + text.length;
    in.depth_max = K_JSON_DEPTH_MAX;
    const char *at = pass_value(&in, pass_space(&in, text.data));
    if (!at) return in.why;
    return pass_space(&in, at) == in.end ? NULL : "json";
}
