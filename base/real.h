// Exponentials, logarithms, powers and roots, correctly rounded: the double nearest to the true value. libm's own for
// doubles are wrong in the last digit now and then, and not on every machine in the same places, so that two machines
// would disagree about one record.
//
// The special cases are C's: an infinite, zero or NaN result says that there is no better one.
#pragma once

double k_real_exp(double x);
double k_real_ln(double x);
double k_real_log10(double x);
double k_real_cbrt(double x);
double k_real_power(double x, double y);
