// Characters of UTF-8. Text is valid by the time that it is a string; what is not is taken byte by byte, and nothing
// is read beyond the end.
#pragma once
#include "base/bytes.h"

// Whether the byte continues a character.
static inline bool k_is_inside(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

static inline int64_t k_characters(struct k_str text)
{
    int64_t count = 0;
    for (uint32_t i = 0; i < text.length; i++) count += !k_is_inside(text.data[i]);
    return count;
}

// How many bytes the character at this byte has.
static inline uint32_t k_character_length(struct k_str text, uint32_t at)
{
    uint32_t end = at + 1;
    while (end < text.length && k_is_inside(text.data[end])) end++;
    return end - at;
}

// The byte at which the character with this number, from 0, begins; the length of the text if there is none, 0 if the
// number is negative.
static inline uint32_t k_character_at(struct k_str text, int64_t number)
{
    uint32_t at = 0;
    for (; number > 0 && at < text.length; number--) at += k_character_length(text, at);
    return at;
}
