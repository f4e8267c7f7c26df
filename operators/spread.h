// How far numbers lie apart: Σ(x − mean)², from their exact sum and the exact sum of their squares.
//
// n Σx² − (Σx)² is computed in whole numbers of any length, so that nothing is lost where the two are nearly equal, and
// numbers that are all the same have a spread of exactly 0. Rounded once.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "operators/float_sum.h"

// A number without sign: `count` words, the least first, in units of 2^unit.
struct k_words {
    const uint32_t *words;
    int count, unit;
};

// (n squares − sum²) / divisor; 0 where rounding of tiny squares would make it negative. May be +∞.
double k_spread(struct k_words sum, struct k_words squares, uint64_t n, double divisor);
