// Doubles as text: the one place that turns one into digits.
#pragma once
#include <stddef.h>
#ifdef __cplusplus
extern "C" {
#endif

// The shortest decimal that reads back to the same double, in the form that JavaScript has ("1", "0.1",
// "1e+21", "5e-324"), except "-0.0" for the negative zero. value is finite. Never asks the locale. Writes
// at most K_DOUBLE_TEXT bytes with no NUL; returns the length.
enum { K_DOUBLE_TEXT = 32 };
size_t k_double_print(char *out, double value);

// The double nearest to the whole of text: an optional minus or plus, digits with an optional point, an
// optional exponent; no blanks, no hexadecimal, and no "nan" or "inf". 0, or -1: not a number, or beyond
// the range of a double.
int k_double_parse(const char *text, size_t length, double *ret_value);

#ifdef __cplusplus
}
#endif
