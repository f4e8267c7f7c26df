// Functions of real numbers: exact where the true value is, ties to even, C's special cases, and never further from
// the true value than half a unit.
#include "base/real.h"

#include <float.h>
#include <math.h>

#include "tests/base/test.h"

static void same(double found, double wanted)
{
    if (isnan(wanted) ? isnan(found) : found == wanted && !signbit(found) == !signbit(wanted)) return;
    fail_msg("%a is not %a", found, wanted);
}

static void exact_values_are_exact(void **state)
{
    (void)state;
    double power = 1;
    for (int n = 0; n <= 22; n++, power *= 10) { // 10^22 is the last that is a double
        same(k_real_log10(power), n);
        same(k_real_power(10, n), power);
    }
    same(k_real_power(-INFINITY, -0x1p63), 0);
    for (int n = -1074; n < 1024; n++) same(k_real_power(2, n), ldexp(1, n));
    for (int n = -200000; n < 200000; n += 7) same(k_real_cbrt((double)n * n * n), n);
    for (int n = 1; n < 3000; n++) same(k_real_power((double)n * n, 0.5), n);
    same(k_real_exp(0), 1);
    same(k_real_ln(1), 0);
}

static void ties_go_to_even(void **state)
{
    (void)state;
    // Cubes of odd numbers with 54 bits lie between two doubles.
    uint64_t ties = 0;
    for (uint64_t n = 208065; n < 262144; n += 2) {
        uint64_t cube = n * n * n;
        if (cube >> 53 != 1) continue;
        ties++;
        same(k_real_power((double)n, 3), (double)cube);
        same(k_real_power(-(double)n, 3), -(double)cube);
    }
    assert_true(ties > 20000);
    for (uint64_t n = (1 << 26) + 1; n < (1 << 26) + 2000; n += 2) same(k_real_power((double)n, 2), (double)(n * n));
    // Powers of 3 with 54 bits: 3^34.
    same(k_real_power(3, 34), 16677181699666568.0);
    same(k_real_power(9, 17), 16677181699666568.0);
}

// So close to the middle of two doubles that more than twice their digits are needed to see on which side.
static void near_ties_are_seen(void **state)
{
    (void)state;
    for (int n = -500; n <= 500; n++) {
        double below = ldexp(1 - 0x1p-53, 2 * n), above = ldexp(1 + 0x1p-52, 2 * n);
        same(k_real_power(below, 0.5), sqrt(below));
        same(k_real_power(above, 0.5), sqrt(above));
        same(k_real_power(below, -1), 1 / below);
        same(k_real_power(above, -1), 1 / above);
    }
    same(k_real_exp(0x1p-53), 1 + 0x1p-52);
    same(k_real_exp(-0x1p-54), 1);
    same(k_real_power(1 - 0x1p-53, 1.5), 1 - 0x1p-53);
}

static void special_cases_are_those_of_c(void **state)
{
    (void)state;
    static const double values[] = {0.0, -0.0,     1,         -1,  0.5,    -0.5,    2,        -2,    3,
                                    -3,  INFINITY, -INFINITY, NAN, 5e-324, DBL_MAX, -DBL_MAX, 1e300, -7.5};
    enum { COUNT = sizeof values / sizeof values[0] };
    for (int i = 0; i < COUNT; i++) {
        double x = values[i];
        if (!isfinite(x) || x == 0) {
            same(k_real_exp(x), exp(x));
            same(k_real_ln(x), log(x));
            same(k_real_log10(x), log10(x));
            same(k_real_cbrt(x), cbrt(x));
        }
        for (int k = 0; k < COUNT; k++) {
            double y = values[k], wanted = pow(x, y);
            if (!isfinite(wanted) || wanted == 0 || wanted == 1) same(k_real_power(x, y), wanted);
        }
    }
    same(k_real_exp(709.782712893384), exp(709.782712893384));
    same(k_real_exp(709.7827128933841), INFINITY);
    same(k_real_exp(-745.1332191019412), 0);
    same(k_real_exp(-745.13321910194), 5e-324);
}

// A 64-bit generator: splitmix64.
static uint64_t next(uint64_t *seed)
{
    uint64_t z = (*seed += 0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
}

// libm is nearly as good, its log10 a little less: a wrong branch would show as more than a few units.
static void near_libm(double found, double libm)
{
    if (fabs(found - libm) > 4 * (nextafter(fabs(libm), INFINITY) - fabs(libm)))
        fail_msg("%a is far from %a", found, libm);
}

static void all_is_near_libm(void **state)
{
    (void)state;
    uint64_t seed = 7;
    for (int i = 0; i < 100000; i++) {
        double x = ldexp((double)(next(&seed) >> 11), (int)(next(&seed) % 120) - 110);
        double y = ldexp((double)(int64_t)next(&seed), -60);
        near_libm(k_real_exp(y), exp(y));
        near_libm(k_real_ln(x), log(x));
        near_libm(k_real_log10(x), log10(x));
        near_libm(k_real_cbrt(x), cbrt(x));
        near_libm(k_real_power(x, y), pow(x, y));
        near_libm(k_real_power(x, rint(y)), pow(x, rint(y)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_values_are_exact), cmocka_unit_test(ties_go_to_even),
        cmocka_unit_test(near_ties_are_seen),     cmocka_unit_test(special_cases_are_those_of_c),
        cmocka_unit_test(all_is_near_libm),
    };
    return cmocka_run_group_tests_name("real", tests, NULL, NULL);
}
