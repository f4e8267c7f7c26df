// Writing JSON: strings of any bytes, numbers, times, base64.
#include "tests/base/test.h"

#include "base/hash.h"
#include "base/json_out.h"

static void assert_json_string(struct k_str text, const char *expected)
{
    struct k_buf out = {0};
    k_buf_add_char(&out, '>');
    k_json_string(&out, text);
    assert_int_equal(out.data[out.length], '\0');
    assert_string_equal(out.data + 1, expected);
    k_buf_fini(&out);
}

static void test_strings(void **state)
{
    (void)state;
    assert_json_string((struct k_str){NULL, 0}, "\"\"");
    assert_json_string(K_STR("plain/text"), "\"plain/text\"");
    assert_json_string(K_STR("\"\\\b\t\n\v\f\r"), "\"\\\"\\\\\\b\\t\\n\\u000b\\f\\r\"");
    assert_json_string((struct k_str){"a\0\x1f\x7f", 4}, "\"a\\u0000\\u001f\x7f\"");
    assert_json_string(K_STR("é€😀"), "\"é€😀\"");
}

static void test_broken_utf8_is_replaced(void **state)
{
    (void)state;
#define R "\xEF\xBF\xBD"
    assert_json_string(K_STR("\x80"), "\"" R "\"");
    assert_json_string(K_STR("a\xff" "b"), "\"a" R "b\"");
    assert_json_string(K_STR("\xC0\xAF"), "\"" R R "\"");             // overlong "/"
    assert_json_string(K_STR("\xE0\x80\xAF"), "\"" R R R "\"");       // overlong
    assert_json_string(K_STR("\xED\xA0\x80"), "\"" R R R "\"");       // a surrogate
    assert_json_string(K_STR("\xF4\x90\x80\x80"), "\"" R R R R "\""); // beyond U+10FFFF
    assert_json_string(K_STR("\xF0\x80\x80\xAF"), "\"" R R R R "\""); // overlong
    assert_json_string(K_STR("\xF5"), "\"" R "\"");
    assert_json_string(K_STR("\xE2\x82"), "\"" R "\""); // cut short at the end: one mark
    assert_json_string(K_STR("\xF0\x9F\x98"), "\"" R "\"");
    assert_json_string(K_STR("\xE2\x82x"), "\"" R "x\"");
    assert_json_string(K_STR("\xE2\"x"), "\"" R "\\\"x\""); // the quote behind it is still escaped
    assert_json_string(K_STR("\xED\x9F\xBF\xEE\x80\x80\xF4\x8F\xBF\xBF"),
                       "\"\xED\x9F\xBF\xEE\x80\x80\xF4\x8F\xBF\xBF\""); // the valid neighbours stay
    // The view ends inside a character: what stands behind must not be looked at.
    assert_json_string((struct k_str){"€", 2}, "\"" R "\"");
#undef R
}

// Random bytes: the output is closed, free of controls, and a second pass of it changes nothing more.
static void test_any_bytes_give_valid_output(void **state)
{
    (void)state;
    uint64_t seed = 99;
    for (int round = 0; round < 5000; round++) {
        char bytes[24];
        uint32_t length = (uint32_t)k_random_below(&seed, sizeof bytes + 1);
        for (uint32_t i = 0; i < length; i++) {
            uint64_t r = k_random(&seed);
            bytes[i] = (char)(r & 1 ? r >> 8 : 0x80 | (r >> 8 & 0x7f)); // broken sequences are common
        }
        struct k_buf once = {0}, twice = {0};
        k_json_string(&once, (struct k_str){bytes, length});
        for (size_t i = 0; i < once.length; i++) assert_true((uint8_t)once.data[i] >= ' ');
        k_json_string(&twice, k_buf_str(&once));
        // Valid UTF-8 gets no further U+FFFD: only quotes and backslashes grow.
        size_t marks_once = 0, marks_twice = 0;
        for (char *at = once.data; (at = strstr(at, "\uFFFD")) != NULL; at++) marks_once++;
        for (char *at = twice.data; (at = strstr(at, "\uFFFD")) != NULL; at++) marks_twice++;
        assert_int_equal(marks_once, marks_twice);
        k_buf_fini(&once);
        k_buf_fini(&twice);
    }
}

static void test_integers(void **state)
{
    (void)state;
    static const struct {
        int64_t value;
        const char *text;
    } cases[] = {{0, "0"}, {7, "7"}, {-1, "-1"}, {10, "10"}, {INT64_MAX, "9223372036854775807"},
                 {INT64_MIN, "-9223372036854775808"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct k_buf out = {0};
        k_json_int(&out, cases[i].value);
        assert_string_equal(out.data, cases[i].text);
        k_buf_fini(&out);
    }
}

static void test_times_and_doubles(void **state)
{
    (void)state;
    struct k_buf out = {0};
    k_json_time(&out, 1767225607000000);
    k_buf_add_char(&out, ' ');
    k_json_time(&out, INT64_MIN);
    k_buf_add_char(&out, ' ');
    k_json_double(&out, 0.1);
    k_buf_add_char(&out, ' ');
    k_json_double(&out, __builtin_nan(""));
    k_json_double(&out, __builtin_inf());
    k_json_double(&out, -__builtin_inf());
    assert_string_equal(out.data, "\"2026-01-01T00:00:07Z\" \"-290308-12-21T19:59:05.224192Z\" 0.1 "
                                  "\"NaN\"\"Infinity\"\"-Infinity\"");
    k_buf_fini(&out);
}

static void test_base64(void **state)
{
    (void)state;
    // RFC 4648, section 10, and the two last letters.
    static const char *const cases[][2] = {{"", "\"\""}, {"f", "\"Zg==\""}, {"fo", "\"Zm8=\""}, {"foo", "\"Zm9v\""},
                                           {"foob", "\"Zm9vYg==\""}, {"fooba", "\"Zm9vYmE=\""},
                                           {"foobar", "\"Zm9vYmFy\""}, {"\xff\xff\xfe\xfb", "\"///++w==\""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct k_buf out = {0};
        k_json_base64(&out, k_str_of(cases[i][0]));
        assert_string_equal(out.data, cases[i][1]);
        k_buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_broken_utf8_is_replaced),
        cmocka_unit_test(test_any_bytes_give_valid_output),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_times_and_doubles),
        cmocka_unit_test(test_base64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
