// Functions on strings. Positions and lengths are characters, as in SQL, never bytes. What is a part of its argument
// borrows from it; what is new lies in the batch's arena.
#include "operators/expr/find.h"
#include "operators/expr/kernels.h"

#include <utf8proc.h>

#define EACH_STRING(call, r, ...)                            \
    struct k_str *out = (call)->out;                         \
    K_EACH_ROW((call)->rows, r, {                            \
        if (k_call_null(call, r)) continue;                  \
        struct k_str text = K_ARG(call, 0, struct k_str, r); \
        __VA_ARGS__                                          \
    })

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

static int64_t count_characters(struct k_str text)
{
    int64_t count = 0;
    for (uint32_t i = 0; i < text.length; i++) count += !is_continuation(text.data[i]);
    return count;
}

void k_kernel_string_concat(struct k_call *call)
{
    EACH_STRING(call, r, {
        struct k_str more = K_ARG(call, 1, struct k_str, r);
        if ((uint64_t)text.length + more.length > UINT32_MAX) {
            k_call_fail(call, r, "overflow", "a string longer than 4 GiB");
            continue;
        }
        uint32_t length = text.length + more.length;
        char *data = k_arena_get(k_call_arena(call), length);
        if (text.length) memcpy(data, text.data, text.length);
        if (more.length) memcpy(data + text.length, more.data, more.length);
        out[r] = (struct k_str){data, length};
    });
}

// utf8proc makes ß a capital that Unicode's simple mapping does not have.
static utf8proc_int32_t to_upper(utf8proc_int32_t c)
{
    return c == 0xDF ? c : utf8proc_toupper(c);
}

// Each character through a table that comes with the program, so that no locale and no system changes the result.
// Mappings are one to one; a character may take more bytes than before, at most half as many again.
static struct k_str map_characters(struct k_arena *arena, struct k_str text,
                                   utf8proc_int32_t (*map)(utf8proc_int32_t))
{
    char *out = k_arena_get(arena, text.length + text.length / 2 + 4);
    uint32_t length = 0;
    for (uint32_t at = 0; at < text.length;) {
        utf8proc_int32_t c;
        utf8proc_ssize_t read = utf8proc_iterate((const uint8_t *)text.data + at, text.length - at, &c);
        if (read <= 0) {
            out[length++] = text.data[at++]; // not UTF-8, which no source lets in: left as it is
            continue;
        }
        length += (uint32_t)utf8proc_encode_char(map(c), (uint8_t *)out + length);
        at += (uint32_t)read;
    }
    return (struct k_str){out, length};
}

// Eight bytes at a time; the last eight may be looked at twice.
static const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;

// Turns the case of the letters from `first` on, in eight ASCII bytes.
static inline uint64_t turn8(uint64_t word, char first)
{
    uint64_t from = word + ones * (uint64_t)(0x80 - first), behind = word + ones * (uint64_t)(0x80 - first - 26);
    return word ^ (((from & ~behind) & highs) >> 2);
}

static inline void store8(char *out, uint64_t word)
{
    memcpy(out, &word, sizeof word);
}

// Puts the text with its case turned into out, which has as much room; false: it is not all ASCII.
static inline bool map_ascii(struct k_str text, char first, char *out)
{
    const char *data = text.data;
    uint32_t length = text.length;
    uint64_t all = 0;
    if (length >= 8) {
        uint64_t word = all = k_load8(data); // once more than needed of eight bytes: one way for all up to 16
        store8(out, turn8(word, first));
        for (uint32_t i = 8; i + 8 < length; i += 8) {
            all |= word = k_load8(data + i);
            store8(out + i, turn8(word, first));
        }
        word = k_load8(data + length - 8);
        store8(out + length - 8, turn8(word, first));
        return ((all | word) & highs) == 0;
    }
    if (length >= 4) {
        uint64_t word = k_load4(data) | (uint64_t)k_load4(data + length - 4) << 32, turned = turn8(word, first);
        uint32_t begin = (uint32_t)turned, end = (uint32_t)(turned >> 32);
        memcpy(out, &begin, sizeof begin);
        memcpy(out + length - 4, &end, sizeof end);
        return (word & highs) == 0;
    }
    for (uint32_t i = 0; i < length; i++) {
        char c = data[i];
        all |= (unsigned char)c;
        out[i] = (char)(c ^ (((unsigned char)(c - first) < 26) << 5));
    }
    return (all & highs) == 0;
}

static inline struct k_str map_case(struct k_arena *arena, struct k_str text, char first,
                                    utf8proc_int32_t (*map)(utf8proc_int32_t))
{
    char *out = k_arena_get(arena, text.length);
    return map_ascii(text, first, out) ? (struct k_str){out, text.length} : map_characters(arena, text, map);
}

struct k_str k_string_lower(struct k_arena *arena, struct k_str text)
{
    return map_case(arena, text, 'A', utf8proc_tolower);
}

void k_kernel_string_lower(struct k_call *call)
{
    struct k_arena *arena = k_call_arena(call);
    EACH_STRING(call, r, { out[r] = map_case(arena, text, 'A', utf8proc_tolower); });
}

void k_kernel_string_upper(struct k_call *call)
{
    struct k_arena *arena = k_call_arena(call);
    EACH_STRING(call, r, { out[r] = map_case(arena, text, 'a', to_upper); });
}

void k_kernel_string_length(struct k_call *call)
{
    int64_t *out = call->out;
    K_EACH_ROW(call->rows, r, {
        if (!k_call_null(call, r)) out[r] = count_characters(K_ARG(call, 0, struct k_str, r));
    });
}

void k_kernel_string_bytes(struct k_call *call)
{
    int64_t *out = call->out;
    K_EACH_ROW(call->rows, r, {
        if (!k_call_null(call, r)) out[r] = K_ARG(call, 0, struct k_str, r).length;
    });
}

// The n-th part from 1; past the last: empty.
static inline struct k_str part_at(struct k_str text, struct k_str delimiter, int64_t n)
{
    uint32_t begin = 0;
    struct k_str part = {text.data, 0};
    if (delimiter.length == 1) {
        k_find_part(text, delimiter.data[0], (uint64_t)n, &part);
        return part;
    }
    for (;; n--) {
        uint32_t end = k_find(text, begin, delimiter);
        if (n == 1) return (struct k_str){text.data + begin, end - begin};
        if (end == text.length) return part;
        begin = end + delimiter.length;
    }
}

static int64_t count_parts(struct k_str text, struct k_str delimiter)
{
    int64_t count = 1;
    for (uint32_t at = 0; (at = k_find(text, at, delimiter)) < text.length; count++) at += delimiter.length;
    return count;
}

static struct k_str split_part(struct k_str text, struct k_str delimiter, int64_t n)
{
    struct k_str empty = {"", 0};
    if (text.length == 0) return empty;
    if (delimiter.length == 0) return n == 1 || n == -1 ? text : empty;
    if (n < 0) {
        int64_t count = count_parts(text, delimiter);
        if (n < -count) return empty;
        n += count + 1;
    }
    return part_at(text, delimiter, n);
}

static const char zero_field[] = "split_part counts fields from 1, or from -1 at the end; 0 is none";

void k_kernel_split_part(struct k_call *call)
{
    if (call->args[1].constant && call->args[2].constant && !k_vec_null(&call->args[1], 0) &&
        !k_vec_null(&call->args[2], 0)) {
        struct k_str delimiter = K_ARG(call, 1, struct k_str, 0);
        int64_t n = K_ARG(call, 2, int64_t, 0);
        if (n > 0 && delimiter.length) {
            EACH_STRING(call, r, out[r] = text.length ? part_at(text, delimiter, n) : text;);
            return;
        }
    }
    EACH_STRING(call, r, {
        int64_t n = K_ARG(call, 2, int64_t, r);
        if (n == 0) k_call_fail(call, r, "argument", "%s", zero_field);
        else out[r] = split_part(text, K_ARG(call, 1, struct k_str, r), n);
    });
}

const char *k_check_split_part(const struct k_value *const *constants, uint32_t *ret_argument)
{
    *ret_argument = 2;
    return constants[2] && constants[2]->i == 0 ? zero_field : NULL;
}

// Characters from position `begin` (from 1) up to before `end`; both may lie outside the text.
static struct k_str substring(struct k_str text, int64_t begin, int64_t end)
{
    int64_t position = 0;
    uint32_t at = 0, first = text.length;
    for (; at < text.length; at++) {
        if (is_continuation(text.data[at])) continue;
        position++;
        if (position >= end) break;
        if (position >= begin && first == text.length) first = at;
    }
    return first < at ? (struct k_str){text.data + first, at - first} : (struct k_str){"", 0};
}

static const char negative_length[] = "the length of a substring cannot be negative";

void k_kernel_substring_2(struct k_call *call)
{
    EACH_STRING(call, r, { out[r] = substring(text, K_ARG(call, 1, int64_t, r), INT64_MAX); });
}

void k_kernel_substring_3(struct k_call *call)
{
    EACH_STRING(call, r, {
        int64_t begin = K_ARG(call, 1, int64_t, r);
        int64_t length = K_ARG(call, 2, int64_t, r);
        int64_t end;
        if (length < 0) {
            k_call_fail(call, r, "argument", "%s", negative_length);
            continue;
        }
        if (__builtin_add_overflow(begin, length, &end)) end = INT64_MAX;
        out[r] = substring(text, begin, end);
    });
}

const char *k_check_substring(const struct k_value *const *constants, uint32_t *ret_argument)
{
    *ret_argument = 2;
    return constants[2] && constants[2]->i < 0 ? negative_length : NULL;
}
