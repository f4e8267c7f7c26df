// Exact sums of doubles.
#include "tests/reference/sum.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

static void add_at(struct sum *sum, int word, uint64_t what)
{
    for (; what && word < SUM_WORDS; word++) what = __builtin_add_overflow(sum->words[word], what, &sum->words[word]);
}

static void subtract_at(struct sum *sum, int word, uint64_t what)
{
    for (; what && word < SUM_WORDS; word++) what = __builtin_sub_overflow(sum->words[word], what, &sum->words[word]);
}

void sum_add(struct sum *sum, double value, int weight)
{
    if (isnan(value)) {
        sum->nan += weight;
        return;
    }
    if (isinf(value)) {
        *(value > 0 ? &sum->plus : &sum->minus) += weight;
        return;
    }
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    int exponent = (int)(bits >> 52 & 0x7FF);
    uint64_t mantissa = bits & ((UINT64_C(1) << 52) - 1);
    if (exponent) mantissa |= UINT64_C(1) << 52;
    else exponent = 1; // subnormal: the same unit, without the hidden bit
    int bit = exponent - 1, word = bit / 64, shift = bit % 64;
    void (*apply)(struct sum *, int, uint64_t) = (bits >> 63) == (weight < 0) ? add_at : subtract_at;
    apply(sum, word, mantissa << shift);
    if (shift) apply(sum, word + 1, mantissa >> (64 - shift));
}

static bool bit_at(const uint64_t *words, int bit)
{
    return words[bit / 64] >> bit % 64 & 1;
}

double sum_result(const struct sum *sum)
{
    if (sum->nan || (sum->plus && sum->minus)) return NAN;
    if (sum->plus || sum->minus) return sum->plus ? INFINITY : -INFINITY;
    uint64_t words[SUM_WORDS];
    memcpy(words, sum->words, sizeof words);
    bool negative = words[SUM_WORDS - 1] >> 63;
    if (negative) {
        bool carry = true;
        for (int i = 0; i < SUM_WORDS; i++) {
            words[i] = ~words[i] + carry;
            carry = carry && words[i] == 0;
        }
    }
    int top = SUM_WORDS * 64 - 1;
    while (top >= 0 && !bit_at(words, top)) top--;
    if (top < 0) return 0;
    int low = top > 52 ? top - 52 : 0; // the unit of the result's last bit
    uint64_t mantissa = 0;
    for (int bit = top; bit >= low; bit--) mantissa = mantissa << 1 | bit_at(words, bit);
    if (low > 0 && bit_at(words, low - 1)) {
        bool more = false;
        for (int bit = low - 2; bit >= 0 && !more; bit--) more = bit_at(words, bit);
        if (more || mantissa & 1) mantissa++;
    }
    double result = ldexp((double)mantissa, low - 1074);
    return negative ? -result : result;
}
