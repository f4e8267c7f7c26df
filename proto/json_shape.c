// A record has the shape when the literals stand in it byte for byte and between them lie values that end where the
// next literal begins. Then its framing is good by the rules of format_json.c, for the literals were taken from a good
// record and each value keeps rule 3; every quote is the quote it seems to be, for no backslash is passed outside of
// strings.
//
// What most steps are, a short literal with a plain string or a few digits behind it and enough of the record left, has
// a fast way without loops over bytes. Strings with escapes need the quotes of the whole record, which are found at the
// first of them.
#include "proto/json_shape.h"

#include "proto/json_plain.h"
#ifdef __x86_64__
#include <immintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline))

void k_json_step_literal(struct k_json_step *step, const char *literal, uint32_t length)
{
    bool fits = length <= K_JSON_LITERAL_BLOCK;
    step->literal = literal;
    step->length = length;
    memset(step->block, 0, sizeof step->block);
    memcpy(step->block, literal, fits ? length : K_JSON_LITERAL_BLOCK);
    step->bits = (uint32_t)((UINT64_C(1) << (fits ? length : K_JSON_LITERAL_BLOCK)) - 1);
    // The literal, a quote, and the first bytes of the value at once.
    step->room = fits && !step->null_only ? length + 1 + 32 : UINT32_MAX;
}

static inline bool literal_stands(const struct k_json_step *step, const char *at, const char *end)
{
#ifdef __SSE2__
    if (step->length <= 16 && end - at >= 16) return !(step->bits & ~k_equal16(step->block, at));
#endif
    // Near the end of the record, where the braces are.
    if ((size_t)(end - at) < step->length) return false;
    if (step->length > 2) return memcmp(at, step->literal, step->length) == 0;
    return at[0] == step->literal[0] && at[step->length - 1] == step->literal[step->length - 1];
}

// Behind the value at `at`, which is a string with escapes or holds one; NULL: not sure.
static __attribute__((noinline)) const char *hard_value_end(struct k_json_text *text, const char *at, uint32_t level)
{
    struct k_json_place place;
    if (k_json_text_broken(text) || !k_json_place_at(text, at, &place)) return NULL;
    return k_json_pass_value(text, &place, level) ? NULL : place.at;
}

// Behind the object or array that begins at `at`; NULL: not sure. Without the quotes of the whole record, since most
// have no escapes.
static const char *nested_end(const struct k_json_text *text, const char *at, uint32_t level)
{
    char closing[K_JSON_DEPTH_MAX];
    uint32_t depth = level;
    do {
        if (at == text->end) return NULL;
        switch (*at) {
        case '"':
            at = k_json_plain_end(text->begin, at + 1, text->end);
            if (at == text->end || *at != '"') return NULL;
            break;
        case '{':
        case '[':
            if (depth == K_JSON_DEPTH_MAX) return NULL;
            closing[depth++] = *at == '{' ? '}' : ']';
            break;
        case '}':
        case ']':
            if (closing[--depth] != *at) return NULL;
            break;
        case '\\': return NULL; // it would change what the next quote is
        default: break;
        }
        at++;
    } while (depth > level);
    return at;
}

// The same of any value, which begins at value->begin.
static __attribute__((noinline)) const char *value_end(const struct k_json_step *step, struct k_json_text *text,
                                                       struct k_json_piece *value)
{
    const char *at = value->begin;
    uint32_t level = step->level;
    char c = at < text->end ? *at : 0;
    value->number = K_JSON_UNKNOWN;
    if (c == '"') {
        const char *end = k_json_plain_end(text->begin, at + 1, text->end);
        return end != text->end && *end == '"' ? end + 1 : hard_value_end(text, at, level);
    }
    if (c == '{' || c == '[') {
        const char *end = step->json ? k_json_value_end(at, text->end, K_JSON_DEPTH_MAX - level) : NULL;
        if (end) {
            value->number = K_JSON_CHECKED;
            return end;
        }
        end = nested_end(text, at, level);
        return end ? end : hard_value_end(text, at, level);
    }
    const char *end = k_json_pass_scalar(text, at);
    return end == at ? NULL : end;
}

static __attribute__((noinline)) const char *step_slowly(const struct k_json_step *step, struct k_json_text *text,
                                                         const char *at, struct k_json_piece *value)
{
    if (!literal_stands(step, at, text->end)) return NULL;
    const char *begin = at + step->length;
    value->begin = begin;
    value->end = at = value_end(step, text, value);
    if (at && step->null_only && (at - begin != 4 || memcmp(begin, "null", 4) != 0)) return NULL;
    return at;
}

// Behind the digits at `at`, where there may be none; *ret_number: what they are, or UNKNOWN. In few steps, for the
// next literal waits.
INLINE const char *digits_end(const char *at, int64_t *ret_number)
{
    *ret_number = K_JSON_UNKNOWN;
#ifdef K_DIGITS_AT_ONCE
    uint64_t digits = k_digits_load(at), others = k_digits_others(digits);
    uint32_t count = others ? (uint32_t)__builtin_ctzll(others) / 8 : 0;
    if (count > 0 && ((digits & 0xFF) || count == 1)) *ret_number = (int64_t)k_digits_value(digits, count);
    return at + count;
#else
    return at;
#endif
}

struct vectors {
    uint32_t (*equal)(const char *, const char *); // a bit for each of 32 bytes that are the same
    uint32_t (*special)(const char *);             // a bit for each of 32 bytes that is not plain inside a string
};

// Behind the plain string whose content begins at `at`; NULL: it is not plain, or does not end. At least 32 bytes of
// the record are left.
INLINE const char *plain_string_end(const char *at, const char *end, struct vectors vectors)
{
    const char *last = end - 32;
    uint32_t special;
    do {
        special = vectors.special(at);
        if (special) break;
        at += 32;
    } while (at <= last);
    if (!special && at < end) special = vectors.special(last) >> (at - last); // without those that were seen
    at += __builtin_ctz(special | 1u << 31);
    return special && *at == '"' ? at + 1 : NULL;
}

// Behind the literal and the value; NULL: not this shape, or not sure.
INLINE const char *pass_step(const struct k_json_step *step, struct k_json_text *text, const char *at,
                             const char *end, struct k_json_piece *value, struct vectors vectors)
{
    if (__builtin_expect((size_t)(end - at) < step->room, 0)) return step_slowly(step, text, at, value);
    if (step->bits & ~vectors.equal(step->block, at)) return NULL;
    value->begin = at += step->length;
    if (*at == '"') {
        value->number = K_JSON_UNKNOWN;
        at = plain_string_end(at + 1, end, vectors);
        if (!at) at = value_end(step, text, value);
    } else {
        at = digits_end(at, &value->number);
        if (at == value->begin || (*at != ',' && *at != '}')) at = value_end(step, text, value);
    }
    value->end = at;
    return at;
}

// The steps from that one on, and the end.
INLINE bool pass_rest(const struct k_json_shape *shape, uint32_t i, struct k_json_text *text, const char *at,
                      struct k_json_piece *values, struct vectors vectors)
{
    for (; at && i < shape->count; i++) at = pass_step(&shape->steps[i], text, at, text->end, &values[i], vectors);
    return at && (size_t)(text->end - at) == shape->end.length && literal_stands(&shape->end, at, text->end);
}

INLINE uint32_t match_two(const struct k_json_shape *const *shapes, struct k_json_text *texts,
                          struct k_json_piece (*values)[K_JSON_STEPS_MAX], struct vectors vectors)
{
    const struct k_json_step *a = shapes[0]->steps, *b = shapes[1]->steps;
    const char *at_a = texts[0].begin, *at_b = texts[1].begin, *end_a = texts[0].end, *end_b = texts[1].end;
    uint32_t i = 0, both = shapes[0]->count < shapes[1]->count ? shapes[0]->count : shapes[1]->count;
    while (i < both && (at_a = pass_step(&a[i], &texts[0], at_a, end_a, &values[0][i], vectors)) &&
           (at_b = pass_step(&b[i], &texts[1], at_b, end_b, &values[1][i], vectors)))
        i++;
    // Where the second stopped, the first is a step ahead.
    bool first = pass_rest(shapes[0], i + !at_b, &texts[0], at_a, values[0], vectors);
    return first | (uint32_t)pass_rest(shapes[1], i, &texts[1], at_b, values[1], vectors) << 1;
}

#ifdef __SSE2__
INLINE uint32_t equal_any(const char *a, const char *b)
{
    return k_equal16(a, b) | k_equal16(a + 16, b + 16) << 16;
}
#else
INLINE uint32_t equal_any(const char *a, const char *b)
{
    uint32_t bits = 0;
    for (int i = 0; i < 32; i++) bits |= (uint32_t)(a[i] == b[i]) << i;
    return bits;
}
#endif

static bool one_any(const struct k_json_shape *shape, struct k_json_text *text, struct k_json_piece *values)
{
    return pass_rest(shape, 0, text, text->begin, values, (struct vectors){equal_any, k_json_special32});
}

static uint32_t two_any(const struct k_json_shape *const *shapes, struct k_json_text *texts,
                        struct k_json_piece (*values)[K_JSON_STEPS_MAX])
{
    return match_two(shapes, texts, values, (struct vectors){equal_any, k_json_special32});
}

#ifdef __x86_64__
#define AVX2 __attribute__((target("avx2,bmi,bmi2")))

INLINE AVX2 __m256i load32(const char *at)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)at);
}

INLINE AVX2 uint32_t equal_avx2(const char *a, const char *b)
{
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(load32(a), load32(b)));
}

INLINE AVX2 uint32_t special_avx2(const char *at)
{
    __m256i bytes = load32(at);
    __m256i quotes = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('"'));
    __m256i backslashes = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\\'));
    __m256i controls = _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, _mm256_set1_epi8(0x1F)), bytes);
    return (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(_mm256_or_si256(quotes, backslashes), controls));
}

AVX2 static bool one_avx2(const struct k_json_shape *shape, struct k_json_text *text, struct k_json_piece *values)
{
    return pass_rest(shape, 0, text, text->begin, values, (struct vectors){equal_avx2, special_avx2});
}

AVX2 static uint32_t two_avx2(const struct k_json_shape *const *shapes, struct k_json_text *texts,
                              struct k_json_piece (*values)[K_JSON_STEPS_MAX])
{
    return match_two(shapes, texts, values, (struct vectors){equal_avx2, special_avx2});
}

#endif

const struct k_json_matcher k_json_matcher_any = {one_any, two_any};

const struct k_json_matcher *k_json_matcher_best(void)
{
#ifdef __x86_64__
    static const struct k_json_matcher avx2 = {one_avx2, two_avx2};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2")) return &avx2;
#endif
    return &k_json_matcher_any;
}
