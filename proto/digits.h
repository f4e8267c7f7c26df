// Few digits at once: most integers of records.
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
// 1 to 8 digits, the first one in the lowest byte of the word, whatever above the last one. Eight digits are added up
// in three multiplications (Lemire, "Quickly parsing eight digits"). false: not all are digits.
static inline bool k_add_up_digits(uint64_t word, uint32_t count, uint64_t *ret_value)
{
    uint32_t unused = 64 - 8 * count;
    uint64_t digits = (word ^ 0x3030303030303030u) << unused; // zeros in front
    if (((digits + 0x7676767676767676u) | digits) & 0x8080808080808080u) return false;
    digits = digits * 10 + (digits >> 8);
    *ret_value = ((digits & 0x000000FF000000FFu) * 0x000F424000000064u +
                  (digits >> 16 & 0x000000FF000000FFu) * 0x0000271000000001u) >>
                 32;
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
