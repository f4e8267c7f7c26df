// Where the plain part of a JSON string ends: what scanning a record mostly does.
#pragma once
#include <stdint.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#ifdef __SSE2__
// A bit for each of 16 bytes that are the same.
static inline uint32_t k_equal16(const char *a, const char *b)
{
    __m128i x = _mm_loadu_si128((const __m128i *)(const void *)a),
            y = _mm_loadu_si128((const __m128i *)(const void *)b);
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(x, y));
}

// A bit for each of 16 bytes that is not plain inside a string.
static inline uint32_t k_json_special16(const char *at)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
    __m128i quotes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
    __m128i backslashes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    __m128i controls = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1F)), bytes);
    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quotes, backslashes), controls));
}
static inline uint32_t k_json_special32(const char *at)
{
    return k_json_special16(at) | k_json_special16(at + 16) << 16;
}
#else
static inline uint32_t k_json_special32(const char *at)
{
    uint32_t bits = 0;
    for (int i = 0; i < 32; i++) bits |= (uint32_t)((uint8_t)at[i] < ' ' || at[i] == '"' || at[i] == '\\') << i;
    return bits;
}
#endif

// The first byte from `at` that is not plain inside a string: a quote, a backslash, a control character; or the end.
// begin: of the record.
static inline const char *k_json_plain_end(const char *begin, const char *at, const char *end)
{
#ifdef __SSE2__
    for (; end - at >= 32; at += 32) {
        uint32_t special = k_json_special32(at);
        if (special) return at + __builtin_ctz(special);
    }
    if (end - begin >= 32) {
        // The last 32 bytes once more, without those that were seen.
        uint64_t special = (uint64_t)k_json_special32(end - 32) >> (32 - (end - at));
        return special ? at + __builtin_ctzll(special) : end;
    }
#else
    (void)begin;
#endif
    while (at < end && (uint8_t)*at >= ' ' && *at != '"' && *at != '\\') at++;
    return at;
}
