// Exact variances, in any order and with taking back.
#pragma once
#include <stdbool.h>
#include <stdint.h>

// Units of 2^-SPREAD_UNIT, and of the square of that; doubles reach from 2^-1074 to 2^1024.
enum { SPREAD_WORDS = 72, SPREAD_UNIT = 1074 };

// Zeroed is nothing; numbers in two's complement, the least word first.
struct spread {
    int64_t count, infinite, beyond; // beyond: of numbers whose square is beyond a double
    uint64_t sum[SPREAD_WORDS], squares[SPREAD_WORDS];
};

void spread_add_int(struct spread *spread, int64_t value, int weight);
void spread_add_double(struct spread *spread, double value, int weight);
// n Σx² − (Σx)², rounded once, by n (n − 1) or n².
double spread_result(const struct spread *spread, bool sample);
