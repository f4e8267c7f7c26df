// Exact sums: against a table of Python's math.fsum, against 128-bit floats, in any order, merged and taken back.
#include "tests/base/test.h"

#include <math.h>
#include <stdio.h>

#include "base/hash.h"
#include "operators/float_sum.h"

__extension__ typedef __float128 quad;

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static double double_of(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static double sum_of(const double *values, uint32_t count)
{
    struct k_float_sum sum = {0};
    for (uint32_t i = 0; i < count; i++) k_float_sum_add(&sum, values[i], 1);
    double result = k_float_sum_result(&sum);
    k_float_sum_fini(&sum);
    return result;
}

static void known_sums(void **unused)
{
    (void)unused;
    // What Python's math.fsum gives; it rounds the exact sum once, half to even.
    static const struct {
        double values[6], sum;
    } cases[] = {
        {{0.1, 0.1, 0.1}, 0.30000000000000004},
        {{1e16, 1, -1e16}, 1},
        {{1e100, 1, -1e100, 1e-100}, 1},
        {{1e308, 1e308, -1e308}, 1e308},
        {{0x1p53, 1}, 0x1p53},                       // a tie, to even
        {{0x1p53, 1, 0x1p-60}, 0x1.0000000000001p53}, // just above the tie
        {{0x1.8p53, 1}, 0x1.8p53},
        {{0x1.0000000000001p53, 1}, 0x1.0000000000002p53}, // a tie, to even, upwards
        {{0x1p-1074, 0x1p-1074}, 0x1p-1073},
        {{0x1p-1022, -0x1p-1074}, 0x0.fffffffffffffp-1022},
        {{0x1p1023, 0x1p-1074, -0x1p1023}, 0x1p-1074},
        {{-0x1p1023, 0x1p-1074, 0x1p1023, -0x1p-1073}, -0x1p-1074},
        {{0x1.fffffffffffffp1023, 0x1p969}, 0x1.fffffffffffffp1023},
        {{-0.0, -0.0}, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(bits_of(sum_of(cases[i].values, 6)), bits_of(cases[i].sum));
    static const double beyond[] = {0x1.fffffffffffffp1023, 0x1p970};
    assert_true(sum_of(beyond, 2) == INFINITY);
}

static double random_double(uint64_t *seed, int spread)
{
    switch (spread) {
    case 0: return (double)(int64_t)k_random_below(seed, 20001) / 100 - 100;       // prices
    case 1: return ldexp((double)k_random(seed) - 0x1p63, (int)k_random_below(seed, 60) - 90);
    default: {
        double value;
        do value = double_of(k_random(seed));
        while (!isfinite(value));
        return value;
    }
    }
}

static struct k_buf encoded(const struct k_float_sum *sum)
{
    struct k_buf out = {0};
    k_float_sum_encode(sum, &out);
    return out;
}

static void assert_same(const struct k_float_sum *a, const struct k_float_sum *b)
{
    struct k_buf left = encoded(a), right = encoded(b);
    assert_true(k_str_equal(k_buf_str(&left), k_buf_str(&right)));
    k_buf_fini(&left);
    k_buf_fini(&right);
}

static void any_order_any_split(void **unused)
{
    (void)unused;
    uint64_t seed = 20260101;
    print_message("seed %llu\n", (unsigned long long)seed);
    double values[200];
    for (int round = 0; round < 600; round++) {
        int spread = round % 3;
        uint32_t count = 1 + (uint32_t)k_random_below(&seed, 200);
        struct k_float_sum forward = {0}, backward = {0}, left = {0}, right = {0}, back = {0}, decoded = {0},
                           none = {0};
        for (uint32_t i = 0; i < count; i++) {
            values[i] = random_double(&seed, spread);
            k_float_sum_add(&forward, values[i], 1);
            k_float_sum_add(k_random_below(&seed, 2) ? &left : &right, values[i], 1);
        }
        for (uint32_t i = count; i > 0; i--) k_float_sum_add(&backward, values[i - 1], 1);
        assert_same(&forward, &backward);
        k_float_sum_merge(&left, &right);
        assert_same(&forward, &left);
        struct k_buf bytes = encoded(&forward);
        assert_int_equal(k_float_sum_decode(&decoded, bytes.data, bytes.length), bytes.length);
        assert_int_equal(bits_of(k_float_sum_result(&decoded)), bits_of(k_float_sum_result(&forward)));
        for (size_t cut = 0; cut < bytes.length; cut++) {
            struct k_float_sum part = {0};
            assert_int_equal(k_float_sum_decode(&part, bytes.data, cut), 0);
            k_float_sum_fini(&part);
        }
        for (uint32_t i = 0; i < count; i++) k_float_sum_add(&decoded, values[i], -1);
        assert_same(&decoded, &none);
        // Taking half of it back leaves the other half.
        for (uint32_t i = 0; i < count; i++) k_float_sum_add(&back, values[i], 1);
        for (uint32_t i = 0; i < count / 2; i++) k_float_sum_add(&back, values[i], -1);
        assert_int_equal(bits_of(k_float_sum_result(&back)), bits_of(sum_of(values + count / 2, count - count / 2)));
        k_buf_fini(&bytes);
        struct k_float_sum *all[] = {&forward, &backward, &left, &right, &back, &decoded};
        for (int i = 0; i < 6; i++) k_float_sum_fini(all[i]);
    }
}

// Numbers whose exact sum fits the 113 bits of a quad: there the quad is exact, and rounds once when it becomes a
// double.
static void as_quads_say(void **unused)
{
    (void)unused;
    uint64_t seed = 42;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (int round = 0; round < 5000; round++) {
        double values[64];
        uint32_t count = 1 + (uint32_t)k_random_below(&seed, 64);
        int low = (int)k_random_below(&seed, 1900) - 1000;
        quad exact = 0;
        for (uint32_t i = 0; i < count; i++) {
            int64_t mantissa = (int64_t)(k_random(&seed) >> 11);
            values[i] = ldexp((double)(k_random_below(&seed, 2) ? -mantissa : mantissa),
                              low + (int)k_random_below(&seed, 50));
            exact += values[i];
        }
        assert_int_equal(bits_of(sum_of(values, count)), bits_of((double)exact + 0.0));
    }
}

static void special_values(void **unused)
{
    (void)unused;
    struct k_float_sum sum = {0};
    k_float_sum_add(&sum, INFINITY, 1);
    k_float_sum_add(&sum, 5, 1);
    assert_true(k_float_sum_result(&sum) == INFINITY);
    k_float_sum_add(&sum, -INFINITY, 1);
    assert_true(isnan(k_float_sum_result(&sum)));
    struct k_buf bytes = encoded(&sum);
    struct k_float_sum again = {0};
    assert_int_equal(k_float_sum_decode(&again, bytes.data, bytes.length), bytes.length);
    assert_same(&sum, &again);
    k_buf_fini(&bytes);
    k_float_sum_add(&again, NAN, 1);
    k_float_sum_add(&again, NAN, -1);
    k_float_sum_add(&again, INFINITY, -1);
    assert_true(k_float_sum_result(&again) == -INFINITY);
    k_float_sum_add(&again, -INFINITY, -1);
    assert_true(k_float_sum_result(&again) == 5); // taken back without a trace
}

static void most_sums_need_no_memory(void **unused)
{
    (void)unused;
    uint64_t seed = 1;
    struct k_float_sum sum = {0};
    for (int i = 0; i < 100000; i++) k_float_sum_add(&sum, random_double(&seed, 0), 1);
    assert_int_equal(k_float_sum_owned(&sum), 0);
    k_float_sum_fini(&sum);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_sums),     cmocka_unit_test(any_order_any_split),      cmocka_unit_test(as_quads_say),
        cmocka_unit_test(special_values), cmocka_unit_test(most_sums_need_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
