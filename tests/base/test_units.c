// Durations and sizes: what is read, what is refused, and that what is printed reads back.
#include "tests/base/test.h"

#include <stdio.h>

#include "base/hash.h"
#include "base/units.h"

static void test_durations_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
    } cases[] = {
        {"0", 0}, {"0s", 0}, {"250us", 250}, {"100ms", 100000}, {"90s", 90000000}, {"5m", 300000000},
        {"2h", 7200000000}, {"7d", 604800000000}, {"1h30m", 5400000000}, {"1d1us", 86400000001},
        {"1m1ms", 60001000}, {"1.5s", 1500000}, {"0.5ms", 500}, {"1.5h", 5400000000}, {"1.000000s", 1000000},
        {"0.000001s", 1}, {"PT1M30S", 90000000}, {"P7D", 604800000000}, {"P2W", 1209600000000},
        {"P1DT12H", 129600000000}, {"PT0.25S", 250000}, {"PT36H", 129600000000}, {"PT0S", 0},
        {"9223372036854775807us", INT64_MAX}, {"106751991d", 106751991 * 86400000000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t us = -1;
        if (!k_duration_parse(k_str_of(cases[i].text), &us)) fail_msg("refused: %s", cases[i].text);
        assert_int_equal(us, cases[i].us);
    }
}

static void test_durations_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "", " ", "s", "10", "-5s", "+5s", "5 s", " 5s", "5s ", "5S", "5sec", "1m1h", "1s1s", "1.s", ".5s", "1.5us",
        "0.0000001s", "1e3s", "5µs", "0x5s", "00", "P", "PT", "P1", "P1M", "P1Y", "P1DT", "PT1D", "P1H", "PT1S1M",
        "P1W1D", "P1DT1", "PT1.5M1S", "PT1.0000001S", "p1d", "PT1s", "PTT1S", "P1DT1HT1M", "9223372036854775808us",
        "106751992d", "99999999999999999999s", "18446744073709551616us", "18446744073709551615d", "1.0000000000s"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t us = 77;
        if (k_duration_parse(k_str_of(cases[i]), &us)) fail_msg("read: %s", cases[i]);
        assert_int_equal(us, 77);
    }
    // A view ends where it ends, whatever stands behind.
    int64_t us;
    assert_false(k_duration_parse((struct k_str){"10s", 2}, &us));
    assert_true(k_duration_parse((struct k_str){"10msx", 4}, &us));
    assert_int_equal(us, 10000);
}

static void assert_duration_prints(int64_t us, const char *expected)
{
    struct k_buf out = {0};
    k_duration_print(&out, us);
    assert_string_equal(out.data, expected);
    k_buf_fini(&out);
}

static void test_durations_print(void **state)
{
    (void)state;
    assert_duration_prints(0, "0s");
    assert_duration_prints(90000000, "1m30s");
    assert_duration_prints(100000, "100ms");
    assert_duration_prints(1500000, "1s500ms");
    assert_duration_prints(604800000000, "7d");
    assert_duration_prints(86400000001, "1d1us");
    assert_duration_prints(-1000, "-1ms");
    assert_duration_prints(INT64_MAX, "106751991d4h54s775ms807us");
    assert_duration_prints(INT64_MIN, "-106751991d4h54s775ms808us");
}

static void test_durations_round_trip(void **state)
{
    (void)state;
    uint64_t seed = 3;
    for (int i = 0; i < 5000; i++) {
        int64_t us = (int64_t)(k_random(&seed) >> (1 + k_random_below(&seed, 63))), back = -1;
        struct k_buf out = {0};
        k_duration_print(&out, us);
        assert_true(k_duration_parse(k_buf_str(&out), &back));
        assert_int_equal(back, us);
        k_buf_fini(&out);
    }
}

static void test_sizes_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } cases[] = {
        {"0", 0}, {"4096", 4096}, {"7B", 7}, {"500kB", 500000}, {"10MB", 10000000}, {"2GB", 2000000000},
        {"1TB", 1000000000000}, {"1KiB", 1024}, {"64MiB", 64 << 20}, {"1GiB", 1 << 30}, {"1.5GiB", 3u << 29},
        {"1.5 GiB", 3u << 29}, {"2TiB", (uint64_t)2 << 40}, {"0.5KiB", 512}, {"18446744073709551615", UINT64_MAX},
        {"16777215TiB", (uint64_t)16777215 << 40},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t bytes = 1;
        if (!k_size_parse(k_str_of(cases[i].text), &bytes)) fail_msg("refused: %s", cases[i].text);
        assert_true(bytes == cases[i].bytes);
    }
    static const char *const refused[] = {"", " ", "B", "MiB", "-1", "+1", "1 ", "1  MiB", " 1", "1mib", "1KB", "1M",
                                          "1.5", "0.3KiB", "1.", ".5MiB", "1MiBx", "18446744073709551616",
                                          "16777216TiB", "18446744073709551615KiB", "1e3"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        uint64_t bytes = 77;
        if (k_size_parse(k_str_of(refused[i]), &bytes)) fail_msg("read: %s", refused[i]);
        assert_true(bytes == 77);
    }
}

static void assert_size_prints(uint64_t bytes, const char *expected)
{
    struct k_buf out = {0};
    k_size_print(&out, bytes);
    assert_string_equal(out.data, expected);
    k_buf_fini(&out);
}

static void test_sizes_print(void **state)
{
    (void)state;
    assert_size_prints(0, "0 B");
    assert_size_prints(1023, "1023 B");
    assert_size_prints(1024, "1 KiB");
    assert_size_prints(3u << 29, "1.5 GiB");
    assert_size_prints(64 << 20, "64 MiB");
    assert_size_prints((1 << 20) - 1, "1 MiB"); // not "1024 KiB"
    assert_size_prints(1996, "1.9 KiB");        // 1.949
    assert_size_prints(1997, "2 KiB");          // 1.950
    assert_size_prints(1 << 30, "1 GiB");
    assert_size_prints((uint64_t)1 << 60, "1 EiB");
    assert_size_prints(UINT64_MAX, "16 EiB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durations_read),       cmocka_unit_test(test_durations_refused),
        cmocka_unit_test(test_durations_print),      cmocka_unit_test(test_durations_round_trip),
        cmocka_unit_test(test_sizes_read),           cmocka_unit_test(test_sizes_print),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
