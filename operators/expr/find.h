// Where something lies in a text. Bytes, which is safe in UTF-8, as no character is inside another.
#pragma once
#include "base/bytes.h"

// The place of the first such byte at or behind `at`, which is at most the length of the text; or this length.
uint32_t k_find_byte(struct k_str text, uint32_t at, char byte);
// The place of `what`, which is not empty, at or behind `at`, which is at most the length of the text; or this length.
uint32_t k_find(struct k_str text, uint32_t at, struct k_str what);
// The n-th part, n from 1, between bytes of this kind; false: there are fewer.
bool k_find_part(struct k_str text, char byte, uint64_t n, struct k_str *ret_part);

static inline uint64_t k_load8(const char *data)
{
    uint64_t word;
    memcpy(&word, data, sizeof word);
    return word;
}

static inline uint32_t k_load4(const char *data)
{
    uint32_t word;
    memcpy(&word, data, sizeof word);
    return word;
}

// Whether so many bytes are the same; without a call for short ones. Words may overlap.
static inline bool k_same_bytes(const char *a, const char *b, uint32_t length)
{
    if (length > 16) return memcmp(a, b, length) == 0;
    if (length >= 8) return ((k_load8(a) ^ k_load8(b)) | (k_load8(a + length - 8) ^ k_load8(b + length - 8))) == 0;
    if (length >= 4) return ((k_load4(a) ^ k_load4(b)) | (k_load4(a + length - 4) ^ k_load4(b + length - 4))) == 0;
    for (uint32_t i = 0; i < length; i++)
        if (a[i] != b[i]) return false;
    return true;
}
