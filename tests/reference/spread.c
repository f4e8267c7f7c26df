// Exact variances: numbers and their squares as whole numbers, wide enough for every double in units of the least one,
// and for its square in units of the square of that. Slow, large and obvious.
#include "tests/reference/spread.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

__extension__ typedef unsigned __int128 wide;
enum { BITS = 64 * SPREAD_WORDS };

static void add_words(uint64_t *to, const uint64_t *from, bool subtracts)
{
    bool carry = subtracts;
    for (int i = 0; i < SPREAD_WORDS; i++) {
        uint64_t what = subtracts ? ~from[i] : from[i];
        bool first = __builtin_add_overflow(to[i], what, &to[i]);
        carry = __builtin_add_overflow(to[i], (uint64_t)carry, &to[i]) || first;
    }
}

// to = value · 2^bit
static void place(uint64_t *to, wide value, int bit)
{
    memset(to, 0, SPREAD_WORDS * sizeof *to);
    for (int i = 0; i < 128; i++)
        if (value >> i & 1) to[(bit + i) / 64] |= UINT64_C(1) << (bit + i) % 64;
}

// One number: sign · magnitude · 2^exponent.
static void add(struct spread *spread, bool negative, uint64_t magnitude, int exponent, int weight)
{
    uint64_t words[SPREAD_WORDS];
    spread->count += weight;
    place(words, magnitude, exponent + SPREAD_UNIT);
    add_words(spread->sum, words, negative != (weight < 0));
    place(words, (wide)magnitude * magnitude, 2 * (exponent + SPREAD_UNIT));
    add_words(spread->squares, words, weight < 0);
}

void spread_add_int(struct spread *spread, int64_t value, int weight)
{
    add(spread, value < 0, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 0, weight);
}

void spread_add_double(struct spread *spread, double value, int weight)
{
    int exponent;
    if (!isfinite(value)) {
        spread->count += weight;
        spread->infinite += weight;
        return;
    }
    if (isinf(value * value)) spread->beyond += weight;
    double mantissa = frexp(fabs(value), &exponent);
    add(spread, value < 0, (uint64_t)ldexp(mantissa, 53), value == 0 ? 0 : exponent - 53, weight);
}

// to = a · b, the plain way: digit by digit.
static void multiply(uint64_t *to, const uint64_t *a, const uint64_t *b)
{
    memset(to, 0, SPREAD_WORDS * sizeof *to);
    for (int i = 0; i < SPREAD_WORDS; i++) {
        wide carry = 0;
        for (int j = 0; a[i] && i + j < SPREAD_WORDS; j++) {
            carry += (wide)a[i] * b[j] + to[i + j];
            to[i + j] = (uint64_t)carry;
            carry >>= 64;
        }
    }
}

static bool bit_at(const uint64_t *words, int bit)
{
    return words[bit / 64] >> bit % 64 & 1;
}

double spread_result(const struct spread *spread, bool sample)
{
    uint64_t n[SPREAD_WORDS] = {(uint64_t)spread->count}, all[SPREAD_WORDS], sum[SPREAD_WORDS] = {0},
             mean[SPREAD_WORDS];
    if (spread->infinite) return NAN;
    add_words(sum, spread->sum, spread->sum[SPREAD_WORDS - 1] >> 63);
    multiply(all, spread->squares, n);
    multiply(mean, sum, sum);
    add_words(all, mean, true);
    if (all[SPREAD_WORDS - 1] >> 63) return 0;
    int top = BITS - 1;
    while (top >= 0 && !bit_at(all, top)) top--;
    if (top < 0) return 0;
    int low = top > 52 ? top - 52 : 0;
    uint64_t mantissa = 0;
    for (int bit = top; bit >= low; bit--) mantissa = mantissa << 1 | bit_at(all, bit);
    if (low > 0 && bit_at(all, low - 1)) {
        bool more = false;
        for (int bit = low - 2; bit >= 0 && !more; bit--) more = bit_at(all, bit);
        if (more || mantissa & 1) mantissa++;
    }
    double divisor = (double)spread->count * (double)(sample ? spread->count - 1 : spread->count);
    return ldexp((double)mantissa / divisor, low - 2 * SPREAD_UNIT);
}
