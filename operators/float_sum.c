// Exact sums of doubles.
//
// Invariant: |chunk| < 2^32 · adds, and adds < 2^31, so that no chunk overflows.
#include "operators/float_sum.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/memory.h"

#define MASK UINT64_C(0xffffffff)
enum { ADDS_MAX = INT32_MAX - 1 };

static const int64_t *chunks_of(const struct k_float_sum *sum, int *ret_first, int *ret_count)
{
    *ret_first = sum->far ? 0 : sum->base;
    *ret_count = sum->far ? K_SUM_CHUNKS : K_SUM_NEAR;
    return sum->far ? sum->all : sum->near;
}

// Passes carries upwards; returns what is left above the last chunk: 0, or -1 for a negative number.
static int64_t pass_carries(const int64_t *wide, uint32_t *chunk)
{
    int64_t carry = 0;
    for (int i = 0; i < K_SUM_CHUNKS; i++) {
        int64_t total = wide[i] + carry; // |wide| < 2^63 − 2^32 and |carry| < 2^32
        chunk[i] = (uint32_t)((uint64_t)total & MASK);
        carry = total >> 32;
    }
    return carry;
}

void k_float_sum_magnitude(const struct k_float_sum *sum, struct k_float_magnitude *ret)
{
    int first, count;
    const int64_t *chunks = chunks_of(sum, &first, &count);
    int64_t wide[K_SUM_CHUNKS] = {0};
    for (int i = 0; i < count && first + i < K_SUM_CHUNKS; i++) wide[first + i] = chunks[i];
    ret->negative = pass_carries(wide, ret->chunk) < 0;
    if (ret->negative) {
        for (int i = 0; i < K_SUM_CHUNKS; i++) wide[i] = -wide[i];
        pass_carries(wide, ret->chunk);
    }
    ret->first = 0;
    ret->last = K_SUM_CHUNKS - 1;
    while (ret->last >= 0 && ret->chunk[ret->last] == 0) ret->last--;
    while (ret->first <= ret->last && ret->chunk[ret->first] == 0) ret->first++;
}

static void go_far(struct k_float_sum *sum)
{
    int64_t *all = k_new_array(int64_t, K_SUM_CHUNKS);
    for (int i = 0; i < K_SUM_NEAR && sum->base + i < K_SUM_CHUNKS; i++) all[sum->base + i] = sum->near[i];
    sum->all = all;
    sum->far = true;
}

static bool near_is_zero(const struct k_float_sum *sum, int from, int to)
{
    for (int i = from; i < to; i++)
        if (sum->near[i]) return false;
    return true;
}

// Where chunks first … first + 2 are, moving the near ones if those that fall out are empty.
static int64_t *reach(struct k_float_sum *sum, int first)
{
    if (!sum->far && (first < sum->base || first + 3 > sum->base + K_SUM_NEAR)) {
        int shift = first < sum->base ? sum->base - first : first + 3 - K_SUM_NEAR - sum->base;
        if (near_is_zero(sum, 0, K_SUM_NEAR)) {
            sum->base = (uint8_t)first;
        } else if (shift >= K_SUM_NEAR) {
            go_far(sum);
        } else if (first < sum->base && near_is_zero(sum, K_SUM_NEAR - shift, K_SUM_NEAR)) {
            memmove(sum->near + shift, sum->near, (size_t)(K_SUM_NEAR - shift) * sizeof sum->near[0]);
            memset(sum->near, 0, (size_t)shift * sizeof sum->near[0]);
            sum->base = (uint8_t)(sum->base - shift);
        } else if (first > sum->base && near_is_zero(sum, 0, shift)) {
            memmove(sum->near, sum->near + shift, (size_t)(K_SUM_NEAR - shift) * sizeof sum->near[0]);
            memset(sum->near + K_SUM_NEAR - shift, 0, (size_t)shift * sizeof sum->near[0]);
            sum->base = (uint8_t)(sum->base + shift);
        } else {
            go_far(sum);
        }
    }
    return sum->far ? sum->all + first : sum->near + (first - sum->base);
}

// Makes the sum hold exactly this; whatever it held is forgotten.
static void put_magnitude(struct k_float_sum *sum, const struct k_float_magnitude *magnitude)
{
    int length = magnitude->last - magnitude->first + 1;
    if (!sum->far) memset(sum->near, 0, sizeof sum->near);
    if (!sum->far && length > K_SUM_NEAR) go_far(sum);
    if (sum->far) memset(sum->all, 0, K_SUM_CHUNKS * sizeof sum->all[0]);
    else if (length > 0) sum->base = (uint8_t)magnitude->first;
    int64_t *chunks = sum->far ? sum->all + magnitude->first : sum->near;
    for (int i = 0; i < length; i++) {
        int64_t chunk = magnitude->chunk[magnitude->first + i];
        chunks[i] = magnitude->negative ? -chunk : chunk;
    }
    sum->adds = 1;
}

static void settle(struct k_float_sum *sum)
{
    struct k_float_magnitude magnitude;
    k_float_sum_magnitude(sum, &magnitude);
    put_magnitude(sum, &magnitude);
}

void k_float_sum_add(struct k_float_sum *sum, double value, int weight)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint64_t mantissa = bits & ((UINT64_C(1) << 52) - 1);
    int exponent = (int)(bits >> 52 & 0x7ff);
    bool negative = bits >> 63;
    if (exponent == 0x7ff) {
        if (mantissa) sum->nan += weight;
        else if (negative) sum->minus += weight;
        else sum->plus += weight;
        return;
    }
    if (exponent == 0) {
        if (mantissa == 0) return;
        exponent = 1; // subnormal: the same unit, without the implicit bit
    } else {
        mantissa |= UINT64_C(1) << 52;
    }
    if (sum->adds >= ADDS_MAX) settle(sum);
    sum->adds++;
    int64_t *chunk = reach(sum, exponent >> 5);
    int shift = exponent & 31;
    // The mantissa, shifted, has up to 84 bits: three chunks.
    uint64_t low = (mantissa & MASK) << shift, high = (mantissa >> 32) << shift;
    int64_t parts[3] = {(int64_t)(low & MASK), (int64_t)((low >> 32) + (high & MASK)), (int64_t)(high >> 32)};
    if (negative != (weight < 0)) {
        for (int i = 0; i < 3; i++) chunk[i] -= parts[i];
    } else {
        for (int i = 0; i < 3; i++) chunk[i] += parts[i];
    }
}

void k_float_sum_merge(struct k_float_sum *to, const struct k_float_sum *from)
{
    to->nan += from->nan;
    to->plus += from->plus;
    to->minus += from->minus;
    struct k_float_magnitude magnitude;
    k_float_sum_magnitude(from, &magnitude);
    if (magnitude.first > magnitude.last) return;
    if (to->adds >= ADDS_MAX) settle(to);
    to->adds++;
    for (int at = magnitude.first; at <= magnitude.last; at += 3) {
        int first = at > K_SUM_CHUNKS - 3 ? K_SUM_CHUNKS - 3 : at;
        int64_t *chunk = reach(to, first);
        for (int i = at; i < at + 3 && i <= magnitude.last; i++) {
            int64_t part = magnitude.chunk[i];
            chunk[i - first] += magnitude.negative ? -part : part;
        }
    }
}

bool k_float_sum_is_finite(const struct k_float_sum *sum)
{
    return !sum->nan && !sum->plus && !sum->minus;
}

double k_float_sum_result(const struct k_float_sum *sum)
{
    if (sum->nan || (sum->plus && sum->minus)) return NAN;
    if (sum->plus) return INFINITY;
    if (sum->minus) return -INFINITY;
    struct k_float_magnitude m;
    k_float_sum_magnitude(sum, &m);
    if (m.first > m.last) return 0;
    // The 64 highest bits, the top one set, and whether anything lies below them.
    uint64_t top = m.chunk[m.last], next = m.last > 0 ? m.chunk[m.last - 1] : 0,
             third = m.last > 1 ? m.chunk[m.last - 2] : 0;
    int shift = __builtin_clzll(top) - 32; // 0 … 31: top has 1 … 32 bits
    uint64_t bits = top << (32 + shift) | next << shift | (shift ? third >> (32 - shift) : 0);
    bool rest = (shift ? third << shift & MASK : third) != 0 || m.first < m.last - 2;
    int exponent = 32 * (m.last - 1) - shift - 1075; // of the lowest of the 64 bits
    uint64_t below = bits & 0x7ff, half = 0x400;
    bits >>= 11;
    if (below > half || (below == half && (rest || (bits & 1)))) bits++;
    // All of it is a multiple of the least subnormal, so that nothing below is rounded a second time.
    double result = ldexp((double)bits, exponent + 11);
    return m.negative ? -result : result;
}

void k_float_sum_fini(struct k_float_sum *sum)
{
    if (sum->far) free(sum->all);
}

size_t k_float_sum_owned(const struct k_float_sum *sum)
{
    return sum->far ? K_SUM_CHUNKS * sizeof sum->all[0] : 0;
}

void k_float_sum_encode(const struct k_float_sum *sum, struct k_buf *out)
{
    struct k_float_magnitude m;
    k_float_sum_magnitude(sum, &m);
    bool special = !k_float_sum_is_finite(sum);
    bool zero = m.first > m.last;
    k_buf_add_char(out, (char)((special ? 2 : 0) | (m.negative && !zero ? 1 : 0)));
    if (special) {
        k_buf_add_zigzag(out, sum->nan);
        k_buf_add_zigzag(out, sum->plus);
        k_buf_add_zigzag(out, sum->minus);
    }
    int length = zero ? 0 : m.last - m.first + 1;
    k_buf_add_varint(out, (uint64_t)length);
    if (length) k_buf_add_varint(out, (uint64_t)m.first);
    for (int i = 0; i < length; i++) k_buf_add_varint(out, m.chunk[m.first + i]);
}

size_t k_float_sum_decode(struct k_float_sum *sum, const char *data, size_t length)
{
    size_t at = 1, used = 1;
    if (length == 0 || (data[0] & ~3)) return 0;
    if (data[0] & 2) {
        int64_t *special[3] = {&sum->nan, &sum->plus, &sum->minus};
        for (int i = 0; i < 3 && used; i++, at += used) used = k_get_zigzag(data + at, length - at, special[i]);
        if (!used) return 0;
    }
    struct k_float_magnitude m = {.negative = data[0] & 1};
    uint64_t count, first = 0;
    if (!(used = k_get_varint(data + at, length - at, &count)) || count > K_SUM_CHUNKS) return 0;
    at += used;
    if (count) {
        if (!(used = k_get_varint(data + at, length - at, &first)) || first + count > K_SUM_CHUNKS) return 0;
        at += used;
    }
    for (uint64_t i = 0; i < count; i++) {
        uint64_t chunk;
        if (!(used = k_get_varint(data + at, length - at, &chunk)) || chunk > MASK) return 0;
        at += used;
        m.chunk[first + i] = (uint32_t)chunk;
    }
    m.first = (int)first;
    m.last = (int)(first + count) - 1;
    put_magnitude(sum, &m);
    return at;
}
