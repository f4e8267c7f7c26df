// Doubles as text: form, shortest digits, round trip, and no locale.
#include "tests/base/test.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/double_text.h"
#include "base/hash.h"

static size_t print(char text[K_DOUBLE_TEXT + 1], double value)
{
    memset(text, '#', K_DOUBLE_TEXT + 1);
    size_t length = k_double_print(text, value);
    assert_true(length <= K_DOUBLE_TEXT);
    text[length] = '\0';
    return length;
}

static void test_forms(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0, "0"}, {-0.0, "-0.0"}, {1, "1"}, {-1, "-1"}, {100, "100"}, {0.1, "0.1"}, {-2.5, "-2.5"},
        {123.456, "123.456"},
        {9007199254740992, "9007199254740992"}, {-9007199254740992, "-9007199254740992"},
        {1e20, "100000000000000000000"},
        {1e21, "1e+21"}, {1.5e300, "1.5e+300"}, {0.000001, "0.000001"}, {1e-7, "1e-7"}, {1.25e-7, "1.25e-7"},
        {0.3, "0.3"}, {0.1 + 0.2, "0.30000000000000004"}, {5e-324, "5e-324"}, {DBL_MIN, "2.2250738585072014e-308"},
        {DBL_MAX, "1.7976931348623157e+308"}, {-DBL_MAX, "-1.7976931348623157e+308"}, {1.0 / 3, "0.3333333333333333"},
        {-1.2345678901234567e-6, "-0.0000012345678901234567"}, {5e20, "500000000000000000000"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[K_DOUBLE_TEXT + 1];
        print(text, cases[i].value);
        assert_string_equal(text, cases[i].text);
    }
}

static int significant_digits(const char *text)
{
    int count = 0, zeros = 0;
    for (; *text != '\0' && *text != 'e'; text++) {
        if (*text == '0') zeros += count > 0;
        else if (*text >= '1' && *text <= '9') {
            count += 1 + zeros;
            zeros = 0;
        }
    }
    return count;
}

static void test_random_bits_round_trip_with_fewest_digits(void **state)
{
    (void)state;
    uint64_t seed = 2026;
    for (int i = 0; i < 100000; i++) {
        uint64_t bits = k_random(&seed), back_bits;
        double value, back;
        memcpy(&value, &bits, sizeof value);
        if (i % 3 == 0) value = (double)(int64_t)k_random_below(&seed, 1000000) / 1000;
        if (!isfinite(value)) continue;
        char text[K_DOUBLE_TEXT + 1], fewer[64];
        size_t length = print(text, value);
        back = strtod(text, NULL);
        assert_memory_equal(&back, &value, sizeof value);
        assert_int_equal(k_double_parse(text, length, &back), 0);
        memcpy(&back_bits, &back, sizeof back);
        memcpy(&bits, &value, sizeof bits);
        assert_true(back_bits == bits);
        // One digit less does not come back.
        int digits = significant_digits(text);
        if (digits < 2) continue;
        snprintf(fewer, sizeof fewer, "%.*e", digits - 2, value);
        assert_true(strtod(fewer, NULL) != value);
    }
}

static void test_parse(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double value;
    } good[] = {{"0", 0}, {"-0", -0.0}, {"+1.5", 1.5}, {"-1.5e3", -1500}, {".5", 0.5}, {"1.", 1}, {"1E-2", 0.01},
                {"00012", 12}, {"1e+2", 100}, {"9007199254740993", 9007199254740992}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        double value = 42;
        assert_int_equal(k_double_parse(good[i].text, strlen(good[i].text), &value), 0);
        assert_memory_equal(&value, &good[i].value, sizeof value);
    }
    static const char *const bad[] = {"", "+", "-", ".", "e5", "+-1", "--1", "1e", "1e+", "0x10", "nan", "inf",
                                      "-inf", " 1", "1 ", "1,5", "1e400", "-1e400", "1.5.2", "infinity"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        double value = 42;
        if (k_double_parse(bad[i], strlen(bad[i]), &value) == 0) fail_msg("read: %s", bad[i]);
        assert_true(value == 42);
    }
}

// A decimal comma must change nothing. Where no such locale is installed, one cannot look.
static void test_locale_is_not_asked(void **state)
{
    (void)state;
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE"};
    const char *set = NULL;
    for (size_t i = 0; i < 4 && set == NULL; i++) set = setlocale(LC_ALL, names[i]);
    if (set == NULL) skip();
    char text[K_DOUBLE_TEXT + 1];
    double value;
    print(text, 1.5);
    int read = k_double_parse("2.5", 3, &value);
    setlocale(LC_ALL, "C");
    assert_string_equal(text, "1.5");
    assert_int_equal(read, 0);
    assert_true(value == 2.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_random_bits_round_trip_with_fewest_digits),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_locale_is_not_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
