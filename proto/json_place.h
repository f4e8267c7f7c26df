// A place in a JSON text, and how to get behind what stands there. Strings are passed by the quotes that were found
// before (json_quotes.h); what lies between them is so little that it is looked at byte by byte.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "proto/json_quotes.h"
#include "proto/json_text.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

// The text that is walked through.
struct k_json_text {
    const char *begin, *end;
    struct k_json_quotes quotes; // of the text, when they were asked for
    bool has_quotes;
    const char *broken; // what they say against it
};

// Never inside a string. quote: the first one at or behind `at`; behind the last one stands the length of the text.
struct k_json_place {
    const char *at;
    const uint32_t *quote;
};

static inline void k_json_text_begin(struct k_json_text *text, struct k_str record)
{
    text->begin = record.data;
    text->end = record.data + record.length;
    text->has_quotes = false;
}
// Finds the quotes, once. Without them there are no places. Returns what k_json_quotes_find does.
static inline const char *k_json_text_broken(struct k_json_text *text)
{
    if (text->has_quotes) return text->broken;
    text->has_quotes = true;
    return text->broken = k_json_quotes_find(&text->quotes, text->begin, (uint32_t)(text->end - text->begin));
}

// The place of a byte outside of strings. false: the byte is a quote that neither begins nor ends a string.
bool k_json_place_at(const struct k_json_text *text, const char *at, struct k_json_place *ret);

// Whether a scalar that is no string may have the byte: all above ' ' that are no quote, backslash or structure.
static inline bool k_json_scalar(char c)
{
    static const uint64_t bits[4] = {0xFBFFEFFA00000000u, 0xD7FFFFFFC7FFFFFFu, UINT64_MAX, UINT64_MAX};
    return bits[(uint8_t)c / 64] >> (uint8_t)c % 64 & 1;
}

static inline char k_json_here(const struct k_json_text *text, const struct k_json_place *place)
{
    return place->at < text->end ? *place->at : 0;
}

// Behind the white space, if there is any; then what stands there.
static inline char k_json_pass_space(const struct k_json_text *text, struct k_json_place *place)
{
    char c = k_json_here(text, place);
    if (__builtin_expect((uint8_t)c > ' ', 1)) return c;
    while (place->at < text->end && k_json_space(*place->at)) place->at++;
    return k_json_here(text, place);
}

// A string begins here, for no quote that is met outside of strings and nested values is an escaped one.
static inline void k_json_pass_string(const struct k_json_text *text, struct k_json_place *place)
{
    place->at = text->begin + place->quote[1] + 1;
    place->quote += 2;
}

// Behind the scalar at `at` that is no string; `at` itself when there is none. Most are a few digits, whose end is
// found without a loop over them.
static inline const char *k_json_pass_scalar(const struct k_json_text *text, const char *at)
{
    const char *end = text->end;
#ifdef __SSE2__
    if (end - at >= 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        __m128i offsets = _mm_sub_epi8(bytes, _mm_set1_epi8('0'));
        __m128i digits = _mm_cmpeq_epi8(_mm_min_epu8(offsets, _mm_set1_epi8(9)), offsets);
        at += __builtin_ctz(~(unsigned)_mm_movemask_epi8(digits)); // 16 when all are digits: the bits above are set
    }
#endif
    while (at < end && *at != ',' && k_json_scalar(*at)) at++;
    return at;
}

extern const char k_json_too_deep[];
// Behind the object or array that begins here, in an object of that level. Returns NULL, or what should stand at the
// place instead of what does; or k_json_too_deep.
const char *k_json_pass_nested(struct k_json_text *text, struct k_json_place *place, uint32_t level);

// The same of any value.
static inline const char *k_json_pass_value(struct k_json_text *text, struct k_json_place *place, uint32_t level)
{
    char c = k_json_here(text, place);
    if (c == '"') {
        k_json_pass_string(text, place);
    } else if (c == '{' || c == '[') {
        return k_json_pass_nested(text, place, level);
    } else {
        const char *begin = place->at;
        place->at = k_json_pass_scalar(text, begin);
        if (place->at == begin) return "a value";
    }
    return NULL;
}
