// Exact sums of doubles: one integer, wide enough for every double in units of the least one, in two's complement.
// So the order of additions cannot matter, and what is taken back leaves no trace. Slow, large and obvious.
#pragma once
#include <stdint.h>

// Doubles reach from bit 0 (2^-1074) to bit 2097; the rest is room for 2^77 additions and the sign.
enum { SUM_WORDS = 34 };

// Zeroed is the empty sum.
struct sum {
    uint64_t words[SUM_WORDS]; // the least first
    int64_t nan, plus, minus;  // how many NaN, +∞ and −∞, net
};

void sum_add(struct sum *sum, double value, int weight);
// Rounded once, to nearest, ties to even; beyond the doubles ±∞. NaN and infinities as addition has them.
double sum_result(const struct sum *sum);
