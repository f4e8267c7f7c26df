// Exact sums of doubles: the result is the real sum, rounded once, whatever the order of the additions, and taking a
// number back leaves no trace of it.
//
// After R. M. Neal, "Fast exact summation using small and large superaccumulators", 2015: the sum is a fixed-point
// number in chunks of 32 bits that covers the whole range of a double; each chunk is a signed 64-bit number, so that
// carries need not be passed on for two thousand million additions. Most sums need a few neighbouring chunks only:
// those lie in place, and all of them in memory of its own only when they do not suffice.
#pragma once
#include "base/bytes.h"

// Chunk k counts units of 2^(32 k − 1075). A finite double touches three chunks of the first 66; the rest takes
// carries.
enum { K_SUM_CHUNKS = 70, K_SUM_NEAR = 4 };

// Zeroed is the empty sum.
struct k_float_sum {
    int64_t nan, plus, minus; // how often NaN, +∞ and −∞ were added, net
    uint32_t adds;            // since carries were passed on
    uint8_t base;             // first chunk of near
    bool far;                 // all chunks are in memory of the sum's own
    union {
        int64_t near[K_SUM_NEAR];
        int64_t *all;
    };
};

// The value of a sum: sign and magnitude, chunks below 2^32, in units of 2^K_SUM_UNIT.
enum { K_SUM_UNIT = -1075 };
struct k_float_magnitude {
    bool negative;
    int first, last; // chunks that are not zero; first > last: the sum is zero
    uint32_t chunk[K_SUM_CHUNKS];
};
void k_float_sum_magnitude(const struct k_float_sum *sum, struct k_float_magnitude *ret);

void k_float_sum_add(struct k_float_sum *sum, double value, int weight); // weight: +1 or -1
void k_float_sum_merge(struct k_float_sum *to, const struct k_float_sum *from);
// The sum rounded to nearest, ties to even. Finite numbers whose sum is beyond a double give ±∞.
double k_float_sum_result(const struct k_float_sum *sum);
bool k_float_sum_is_finite(const struct k_float_sum *sum); // neither NaN nor ∞ was added
void k_float_sum_fini(struct k_float_sum *sum);
size_t k_float_sum_owned(const struct k_float_sum *sum);
// Equal sums have equal encodings.
void k_float_sum_encode(const struct k_float_sum *sum, struct k_buf *out);
// Bytes read, 0 when they are no sum. sum is zeroed.
size_t k_float_sum_decode(struct k_float_sum *sum, const char *data, size_t length);
