// Instants: RFC 3339 read and printed, and the calendar against the C library's.
#include "tests/base/test.h"

#include <time.h>

#include "base/hash.h"
#include "base/units.h"

static void test_times_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-01-01T00:00:07Z", 1767225607000000},
        {"2026-01-01t00:00:07z", 1767225607000000},
        {"2026-01-01 00:00:07", 1767225607000000},
        {"2026-01-01T01:30:07+01:30", 1767225607000000},
        {"2025-12-31T22:30:07-01:30", 1767225607000000},
        {"2026-01-01T00:00:07.5Z", 1767225607500000},
        {"2026-01-01T00:00:07.123456Z", 1767225607123456},
        {"2026-01-01T00:00:07.123456999Z", 1767225607123456}, // cut, not rounded
        {"1969-12-31T23:59:59.999999Z", -1},
        {"1969-12-31T23:59:59.9999999Z", -1},
        {"2000-02-29T23:59:59Z", 951868799000000},
        {"2024-02-29T00:00:00-00:00", 1709164800000000},
        {"0000-01-01T00:00:00Z", -62167219200000000},
        {"9999-12-31T23:59:59.999999Z", 253402300799999999},
        {"+294247-01-10T04:00:54.775807Z", INT64_MAX},
        {"-290308-12-21T19:59:05.224192Z", INT64_MIN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t us = 1;
        if (!k_time_parse(k_str_of(cases[i].text), &us)) fail_msg("refused: %s", cases[i].text);
        assert_int_equal(us, cases[i].us);
    }
}

static void test_times_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "", "2026", "2026-01-01", "2026-01-01T", "2026-01-01T00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T23:60:00Z",
        "2016-12-31T23:59:60Z", "2026-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2026-04-31T00:00:00Z",
        "2026-00-01T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-00T00:00:00Z", "2026-01-32T00:00:00Z",
        "2026-1-01T00:00:00Z", "026-01-01T00:00:00Z", "12026-01-01T00:00:00Z", "-0000-01-01T00:00:00Z",
        "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00.1234567890Z", "2026-01-01T00:00:00,5Z",
        "2026-01-01T00:00:00+0100", "2026-01-01T00:00:00+01", "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00+01:60", "2026-01-01T00:00:00 Z", "2026-01-01T00:00:00ZZ", " 2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00Z ", "2026-01-01  00:00:00Z", "2026-01-01T-1:00:00Z", "2026/01/01T00:00:00Z",
        "+294247-01-10T04:00:54.775808Z", "-290308-12-21T19:59:05.224191Z", "+999999-12-31T00:00:00Z",
        "+294247-01-10T04:00:54.775807-00:01"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t us = 77;
        if (k_time_parse(k_str_of(cases[i]), &us)) fail_msg("read: %s", cases[i]);
        assert_int_equal(us, 77);
    }
    int64_t us;
    static const char whole[] = "2026-01-01T00:00:07.123456+01:00";
    // Every cut of a whole text is refused, except where a shorter form ends.
    for (uint32_t length = 0; length < sizeof whole - 1; length++) {
        bool ends = length == 19 || (length >= 21 && length <= 26);
        assert_int_equal(k_time_parse((struct k_str){whole, length}, &us), ends);
    }
}

static void assert_prints(int64_t us, const char *expected)
{
    char text[K_TIME_TEXT + 1];
    size_t length = k_time_print(text, us);
    assert_true(length <= K_TIME_TEXT);
    text[length] = '\0';
    assert_string_equal(text, expected);
}

static void test_times_print(void **state)
{
    (void)state;
    assert_prints(0, "1970-01-01T00:00:00Z");
    assert_prints(1767225607000000, "2026-01-01T00:00:07Z");
    assert_prints(1767225607120000, "2026-01-01T00:00:07.120Z");
    assert_prints(1767225607123456, "2026-01-01T00:00:07.123456Z");
    assert_prints(1767225607000001, "2026-01-01T00:00:07.000001Z");
    assert_prints(-1, "1969-12-31T23:59:59.999999Z");
    assert_prints(-62167219200000000, "0000-01-01T00:00:00Z");
    assert_prints(-62167219200000001, "-0001-12-31T23:59:59.999999Z");
    assert_prints(253402300799999999, "9999-12-31T23:59:59.999999Z");
    assert_prints(253402300800000000, "+10000-01-01T00:00:00Z");
    assert_prints(INT64_MAX, "+294247-01-10T04:00:54.775807Z");
    assert_prints(INT64_MIN, "-290308-12-21T19:59:05.224192Z");
}

static void test_calendar_agrees_with_the_library(void **state)
{
    (void)state;
    uint64_t seed = 11;
    for (int i = 0; i < 20000; i++) {
        int64_t us = (int64_t)k_random(&seed) >> k_random_below(&seed, 40), back;
        struct k_civil civil = k_civil_of(us);
        time_t seconds = us / 1000000 - (us % 1000000 < 0);
        struct tm tm;
        assert_non_null(gmtime_r(&seconds, &tm));
        assert_int_equal(civil.year, (int64_t)tm.tm_year + 1900);
        assert_int_equal(civil.month, tm.tm_mon + 1);
        assert_int_equal(civil.day, tm.tm_mday);
        assert_int_equal(civil.hour, tm.tm_hour);
        assert_int_equal(civil.minute, tm.tm_min);
        assert_int_equal(civil.second, tm.tm_sec);
        assert_int_equal(civil.microsecond, us - (int64_t)seconds * 1000000);
        assert_int_equal(k_civil_us(&civil), us);
        char text[K_TIME_TEXT];
        size_t length = k_time_print(text, us);
        assert_true(k_time_parse((struct k_str){text, (uint32_t)length}, &back));
        assert_int_equal(back, us);
    }
}

static void assert_civil(struct k_civil civil, const char *expected)
{
    assert_prints(k_civil_us(&civil), expected);
}

static void test_calendar_carries_and_saturates(void **state)
{
    (void)state;
    assert_civil((struct k_civil){2026, 13, 1, 0, 0, 0, 0}, "2027-01-01T00:00:00Z");
    assert_civil((struct k_civil){2026, 0, 1, 0, 0, 0, 0}, "2025-12-01T00:00:00Z");
    assert_civil((struct k_civil){2026, -12, 1, 0, 0, 0, 0}, "2024-12-01T00:00:00Z");
    assert_civil((struct k_civil){2026, 3, 0, 0, 0, 0, 0}, "2026-02-28T00:00:00Z");
    assert_civil((struct k_civil){2026, 1, 31, 24, 60, 60, 1000000}, "2026-02-01T01:01:01Z");
    assert_civil((struct k_civil){2026, 1, 1, 0, 0, 0, -1}, "2025-12-31T23:59:59.999999Z");
    assert_int_equal(k_civil_us(&(struct k_civil){INT64_MAX, 12, 31, 0, 0, 0, 0}), INT64_MAX);
    assert_int_equal(k_civil_us(&(struct k_civil){INT64_MIN, 1, 1, 0, 0, 0, 0}), INT64_MIN);
    assert_int_equal(k_civil_us(&(struct k_civil){294248, 1, 1, 0, 0, 0, 0}), INT64_MAX);
    assert_int_equal(k_civil_us(&(struct k_civil){0, INT32_MIN, INT32_MIN, INT32_MIN, INT32_MIN, INT32_MIN, INT32_MIN}),
                     INT64_MIN);
    assert_int_equal(k_civil_us(&(struct k_civil){0, INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX}),
                     INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times_read),
        cmocka_unit_test(test_times_refused),
        cmocka_unit_test(test_times_print),
        cmocka_unit_test(test_calendar_agrees_with_the_library),
        cmocka_unit_test(test_calendar_carries_and_saturates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
