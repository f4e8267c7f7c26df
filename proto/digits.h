// Few digits at once: most integers of records.
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define K_DIGITS_AT_ONCE
// Eight bytes, the first one lowest, become what they are worth if they are digits.
static inline uint64_t k_digits_load(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word ^ 0x3030303030303030u;
}

// The highest bit of each byte that is no digit; right up to the first such byte.
static inline uint64_t k_digits_others(uint64_t digits)
{
    return ((digits + 0x7676767676767676u) | digits) & 0x8080808080808080u;
}

// The number of the first 1 to 8 digits, in three multiplications (Lemire, "Quickly parsing eight digits").
static inline uint64_t k_digits_value(uint64_t digits, uint32_t count)
{
    digits <<= 64 - 8 * count; // zeros in front
    digits = digits * 10 + (digits >> 8);
    return ((digits & 0x000000FF000000FFu) * 0x000F424000000064u +
            (digits >> 16 & 0x000000FF000000FFu) * 0x0000271000000001u) >>
           32;
}

// 1 to 8 digits, the first one in the lowest byte of the word, whatever above the last one. false: not all are digits.
static inline bool k_add_up_digits(uint64_t word, uint32_t count, uint64_t *ret_value)
{
    uint64_t digits = word ^ 0x3030303030303030u;
    if (k_digits_others(digits << (64 - 8 * count))) return false;
    *ret_value = k_digits_value(digits, count);
    return true;
}
#endif

// A whole number of up to 8 digits, without a sign and zeros in front, that at least 8 bytes can be read of; false: it
// is something else.
static inline bool k_short_number(const char *data, uint32_t length, int64_t *ret_value)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint64_t word, value;
    if (length - 1 >= 8 || (data[0] == '0' && length > 1)) return false;
    memcpy(&word, data, sizeof word);
    if (!k_add_up_digits(word, length, &value)) return false;
    *ret_value = (int64_t)value;
    return true;
#else
    (void)data, (void)length, (void)ret_value;
    return false;
#endif
}
