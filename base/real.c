// Each function is computed in more digits than a double has, and rounded once. First as a long double: if all values
// within its error round to the same double, that is the one. Else, rarely, with 113 bits, by software, and put on
// the place between two doubles where it is as close to it as the error. So the outcome depends neither on the CPU nor
// on how good the library is, as long as its errors keep the bounds.
#include "base/real.h"

#include <float.h>
#include <math.h>

#if LDBL_MANT_DIG == 113
typedef long double quad;
#define QUAD(name) name##l
#else
__extension__ typedef __float128 quad;
#define QUAD(name) name##f128
// libm has these for every compiler; its header shows them only to some.
quad expf128(quad x);
quad logf128(quad x);
quad log10f128(quad x);
quad cbrtf128(quad x);
quad powf128(quad x, quad y);
#endif

// libm says that the errors of its long doubles are at most 2 units in the last place.
#define SLACK (8 * LDBL_EPSILON)

// Whether the long double leaves no doubt about the double.
static inline int is_sure(long double value, double *ret)
{
    if (value == 0 || value - value != 0) { // no slack around zero, infinity and NaN
        *ret = (double)value;
        return 1;
    }
    long double slack = value * SLACK;
    double low = (double)(value - slack), high = (double)(value + slack);
    *ret = low;
    return low == high;
}

// 110 bits stay, so that an exact result between two doubles is that again, whatever the error, and ties go to even. No
// fewer: the root of 1 − 2^−53 is 2^−109 away from such a place, and its reciprocal 2^−106.
static double round_quad(quad value)
{
    quad big = value * 9, rounded = big - (big - value);
    // Infinity, NaN, and what would become infinite on the way.
    return rounded - rounded == 0 ? (double)rounded : (double)value;
}

#define REAL(name, function)                                 \
    double k_real_##name(double x)                           \
    {                                                        \
        double result;                                       \
        if (is_sure(function##l(x), &result)) return result; \
        return round_quad(QUAD(function)((quad)x));          \
    }
REAL(exp, exp)
REAL(ln, log)
REAL(log10, log10)
REAL(cbrt, cbrt)

double k_real_power(double x, double y)
{
    double result;
    if (y == 2) return x * x; // rounds once by itself
    if (isinf(x)) return pow(x, y); // nothing to round; glibc's powl has infinity for −∞ to the power of −2^63
    if (y >= 3 && y <= 8 && y == (int)y) {
        // Multiplied, half a unit is lost at each step; and powl takes twenty times as long.
        long double product = x;
        for (int i = 1; i < (int)y; i++) product *= x;
        if (is_sure(product, &result)) return result;
    } else if (is_sure(powl(x, y), &result)) {
        return result;
    }
    return round_quad(QUAD(pow)((quad)x, (quad)y));
}
