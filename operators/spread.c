// Whole numbers of any length, as far as variances need them.
#include "operators/spread.h"

#include <math.h>

#include "base/error.h"

enum { WORDS = 2 * K_SUM_CHUNKS + 8 }; // of the square of the longest sum, and of the squares in its units

struct big {
    uint32_t words[WORDS]; // the least first
    int first, end;        // outside, all words are 0
};

// to += from · factor · 2^(32 · word)
static void add_product(struct big *to, const uint32_t *from, int count, uint32_t factor, int word)
{
    uint64_t carry = 0;
    int at = word;
    for (int i = 0; i < count; i++, at++) {
        carry += (uint64_t)from[i] * factor + to->words[at]; // at most 2^64 − 1 in all
        to->words[at] = (uint32_t)carry;
        carry >>= 32;
    }
    for (; carry; at++) {
        carry += to->words[at];
        to->words[at] = (uint32_t)carry;
        carry >>= 32;
    }
}

static void trim(struct k_words *number)
{
    while (number->count && number->words[number->count - 1] == 0) number->count--;
    while (number->count && number->words[0] == 0) number->words++, number->count--, number->unit += 32;
}

// sum², in units of 2^unit.
static void square(struct big *to, struct k_words sum, int unit)
{
    int word = (2 * sum.unit - unit) / 32;
    for (int i = 0; i < sum.count; i++) add_product(to, sum.words, sum.count, sum.words[i], word + i);
}

// n · squares, in units of 2^unit.
static void multiply(struct big *to, struct k_words squares, uint64_t n, int unit)
{
    int shift = squares.unit - unit, word = shift / 32, bits = shift % 32;
    // n · 2^bits has up to 95 bits: three words.
    uint64_t low = (n & UINT32_MAX) << bits, high = (n >> 32) << bits;
    uint64_t middle = (low >> 32) + (high & UINT32_MAX);
    uint32_t factors[3] = {(uint32_t)low, (uint32_t)middle, (uint32_t)((high >> 32) + (middle >> 32))};
    for (int i = 0; i < 3; i++) add_product(to, squares.words, squares.count, factors[i], word + i);
}

// a − b, which must not be negative; true if it is not.
static bool subtract(struct big *a, const struct big *b)
{
    int64_t borrow = 0;
    for (int i = 0; i < WORDS; i++) {
        int64_t left = (int64_t)a->words[i] - b->words[i] + borrow;
        a->words[i] = (uint32_t)left;
        borrow = left < 0 ? -1 : 0;
    }
    return borrow == 0;
}

// The number is *ret_mantissa · 2^*ret_exponent, the mantissa below 2^53, rounded to nearest, ties to even.
static void round_off(const struct big *big, double *ret_mantissa, int *ret_exponent)
{
    int top = WORDS - 1;
    *ret_mantissa = 0;
    *ret_exponent = 0;
    while (top >= 0 && big->words[top] == 0) top--;
    if (top < 0) return;
    uint64_t first = big->words[top], second = top > 0 ? big->words[top - 1] : 0,
             third = top > 1 ? big->words[top - 2] : 0;
    int shift = __builtin_clzll(first) - 32;
    uint64_t bits = first << (32 + shift) | second << shift | (shift ? third >> (32 - shift) : 0);
    bool rest = shift ? third << shift & UINT32_MAX : third;
    for (int i = 0; i < top - 2 && !rest; i++) rest = big->words[i];
    uint64_t below = bits & 0x7ff;
    bits >>= 11;
    if (below > 0x400 || (below == 0x400 && (rest || bits & 1))) bits++;
    *ret_mantissa = (double)bits;
    *ret_exponent = 32 * (top - 1) - shift + 11;
}

double k_spread(struct k_words sum, struct k_words squares, uint64_t n, double divisor)
{
    struct big all = {0}, mean = {0};
    trim(&sum);
    trim(&squares);
    if (squares.count == 0) return 0;
    // The least unit of both, a whole number of words below the sum's square.
    int unit = sum.count ? 2 * sum.unit : squares.unit;
    while (unit > squares.unit) unit -= 32;
    K_ASSERT((squares.unit - unit) / 32 + squares.count + 4 <= WORDS);
    K_ASSERT(sum.count == 0 || (2 * sum.unit - unit) / 32 + 2 * sum.count + 1 <= WORDS);
    multiply(&all, squares, n, unit);
    square(&mean, sum, unit);
    double mantissa;
    int exponent;
    if (!subtract(&all, &mean)) return 0;
    round_off(&all, &mantissa, &exponent);
    return ldexp(mantissa / divisor, exponent + unit);
}
