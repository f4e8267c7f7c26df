// Searching in texts, 16 bytes at a time where the machine has SSE2. The C library's memchr and memmem are made for
// long texts: on those of some dozen bytes that records have, this takes a third of their time.
//
// Blocks lie within the text, always: the last one ends where the text ends, and what it has in common with the one
// before is cut off. Texts too short for a block are looked at byte by byte.
#include "operators/expr/find.h"

#ifdef __SSE2__
#include <emmintrin.h>

enum { BLOCK = 16 };

// A bit for each byte of the block that is the one.
static inline uint32_t equal_bytes(const char *block, char byte)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)block);
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte)));
}

// A bit for each of the next bytes, at most 64, that is the one; the text has a block.
static inline uint64_t marks(struct k_str text, uint32_t at, char byte)
{
    uint32_t count = text.length - at < 64 ? text.length - at : 64, i = 0;
    if (count < BLOCK) return equal_bytes(text.data + text.length - BLOCK, byte) >> (BLOCK - count);
    uint64_t found = 0;
    for (; i + BLOCK <= count; i += BLOCK) found |= (uint64_t)equal_bytes(text.data + at + i, byte) << i;
    if (i < count) found |= (uint64_t)equal_bytes(text.data + at + count - BLOCK, byte) << (count - BLOCK);
    return found;
}

uint32_t k_find_byte(struct k_str text, uint32_t at, char byte)
{
    if (text.length >= BLOCK) {
        for (; at < text.length; at += 64) {
            uint64_t found = marks(text, at, byte);
            if (found) return at + (uint32_t)__builtin_ctzll(found);
        }
        return text.length;
    }
    while (at < text.length && text.data[at] != byte) at++;
    return at;
}

bool k_find_part(struct k_str text, char byte, uint64_t n, struct k_str *ret_part)
{
    uint32_t begin = 0;
    if (text.length >= BLOCK) {
        for (uint32_t at = 0; at < text.length; at += 64) {
            uint64_t found = marks(text, at, byte);
            for (; n > 1 && found; found &= found - 1)
                if (--n == 1) begin = at + (uint32_t)__builtin_ctzll(found) + 1;
            if (n > 1 || !found) continue;
            *ret_part = (struct k_str){text.data + begin, at + (uint32_t)__builtin_ctzll(found) - begin};
            return true;
        }
    } else {
        for (uint32_t at = 0; at < text.length; at++) {
            if (text.data[at] != byte) continue;
            if (n == 1) {
                *ret_part = (struct k_str){text.data + begin, at - begin};
                return true;
            }
            if (--n == 1) begin = at + 1;
        }
    }
    if (n > 1) return false;
    *ret_part =
        (struct k_str){begin ? text.data + begin : text.data, text.length - begin}; // an empty text may be NULL
    return true;
}

// Candidates are the places where the first and the last byte fit. An adversary's text has many of them, so that a
// long needle, which would be compared at each, is left to memmem and its linear bound.
enum { SHORT = 64 };

// The first of the places, a bit each from `at` on, where the whole needle is; or NOWHERE. Not part of the loop that
// calls it, which so keeps its bytes in registers.
enum { NOWHERE = -1 };
static __attribute__((noinline)) int64_t check_places(struct k_str text, uint32_t at, uint32_t places,
                                                      struct k_str what)
{
    for (; places; places &= places - 1) {
        uint32_t place = at + (uint32_t)__builtin_ctz(places);
        if (k_same_bytes(text.data + place, what.data, what.length)) return place;
    }
    return NOWHERE;
}

static uint32_t find_bytewise(struct k_str text, uint32_t at, struct k_str what)
{
    for (; at + what.length <= text.length; at++)
        if (text.data[at] == what.data[0] && k_same_bytes(text.data + at, what.data, what.length)) return at;
    return text.length;
}

static __attribute__((noinline)) uint32_t find_long(struct k_str text, uint32_t at, struct k_str what)
{
    const char *found = memmem(text.data + at, text.length - at, what.data, what.length);
    return found ? (uint32_t)(found - text.data) : text.length;
}

uint32_t k_find(struct k_str text, uint32_t at, struct k_str what)
{
    if (text.length - at < what.length) return text.length;
    if (what.length > SHORT) return find_long(text, at, what);
    uint32_t end = text.length - what.length + 1; // a match begins before this
    if (end < BLOCK) return find_bytewise(text, at, what);
    const char *first = text.data, *last = text.data + what.length - 1;
    const char first_byte = what.data[0], last_byte = what.data[what.length - 1];
    for (; at + BLOCK <= end; at += BLOCK) {
        uint32_t places = equal_bytes(first + at, first_byte) & equal_bytes(last + at, last_byte);
        if (!places) continue;
        int64_t found = check_places(text, at, places, what);
        if (found != NOWHERE) return (uint32_t)found;
    }
    if (at == end) return text.length;
    uint32_t places = equal_bytes(first + end - BLOCK, first_byte) & equal_bytes(last + end - BLOCK, last_byte);
    int64_t found = check_places(text, at, places >> (BLOCK - (end - at)), what);
    return found != NOWHERE ? (uint32_t)found : text.length;
}

#else

uint32_t k_find_byte(struct k_str text, uint32_t at, char byte)
{
    const char *found = at < text.length ? memchr(text.data + at, byte, text.length - at) : NULL;
    return found ? (uint32_t)(found - text.data) : text.length;
}

bool k_find_part(struct k_str text, char byte, uint64_t n, struct k_str *ret_part)
{
    uint32_t begin = 0, end;
    for (; (end = k_find_byte(text, begin, byte)) < text.length && n > 1; n--) begin = end + 1;
    if (n > 1) return false;
    *ret_part = (struct k_str){begin ? text.data + begin : text.data, end - begin};
    return true;
}

uint32_t k_find(struct k_str text, uint32_t at, struct k_str what)
{
    if (text.length - at < what.length) return text.length;
    const char *found = memmem(text.data + at, text.length - at, what.data, what.length);
    return found ? (uint32_t)(found - text.data) : text.length;
}

#endif
