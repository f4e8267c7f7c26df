// The parts of the reference by themselves: expressions, record decoders, exact sums.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>

#include "base/hash.h"
#include "tests/reference/decode.h"
#include "tests/reference/sum.h"

struct expr_case {
    const char *text, *result; // JSON, the reason of a failure, or "wrong" when it does not compile
};

static const struct column columns[] = {
    {"i", TYPE_INT64, false, false, NULL},     {"d", TYPE_DOUBLE, false, false, NULL},
    {"s", TYPE_STRING, false, false, NULL},    {"b", TYPE_BOOL, false, false, NULL},
    {"t", TYPE_TIMESTAMP, false, false, NULL}, {"n", TYPE_INT64, false, false, NULL},
    {"Q q", TYPE_INT64, false, false, NULL},
};

static void check_expr(const struct expr_case *c)
{
    const struct value row[] = {value_int(7), value_double(2.5), value_string(K_STR("h\xC3\xA4user")), value_bool(true),
                                value_time(INT64_C(1767225845123456)), value_null(TYPE_INT64), value_int(5)};
    struct scope scope = {columns, sizeof columns / sizeof columns[0], NULL};
    struct k_arena arena;
    struct k_error err = {0};
    struct expr *expr;
    const char *name, *reason = NULL;
    struct k_buf out = {0};
    k_arena_init(&arena);
    if (expr_compile(&arena, c->text, &scope, &expr, &name, &err)) {
        k_buf_add_text(&out, "wrong");
    } else {
        struct value value = expr_eval(expr, row, &arena, &reason);
        if (reason) k_buf_add_text(&out, reason);
        else value_json(&out, &value);
    }
    if (strcmp(out.data, c->result) != 0) fail_msg("%s: %s, not %s (%s)", c->text, out.data, c->result, err.text);
    k_buf_fini(&out);
    k_arena_fini(&arena);
}

static void test_expressions(void **state)
{
    (void)state;
    static const struct expr_case cases[] = {
        // precedence
        {"1 + 2 * 3", "7"}, {"(1 + 2) * 3", "9"}, {"10 - 4 - 3", "3"}, {"-2 + 5", "3"}, {"- -2", "2"},
        {"2 * -3", "-6"}, {"7 % 4 * 2", "6"}, {"NOT true OR true", "true"}, {"NOT (true OR true)", "false"},
        {"true OR false AND false", "true"}, {"1 < 2 AND 2 < 3", "true"}, {"NOT 1 = 2", "true"},
        {"1 = 1 IS TRUE", "true"}, {"1 + 1 = 2", "true"}, {"'a' || 'b' = 'ab'", "true"}, {"-'1'::int64", "-1"},
        {"1 < 2 = true", "wrong"}, {"1 BETWEEN 0 AND 2 AND false", "false"}, {"NOT i IS NULL", "true"},
        {"i + 1 IN (8, 9)", "true"}, {"s LIKE 'h%' || 'r'", "true"}, {"2 + 3::string = '5'", "wrong"},
        // numbers
        {"7 / 2", "3"}, {"-7 / 2", "-3"}, {"-7 % 2", "-1"}, {"7.0 / 2", "3.5"}, {"i / 0", "division_by_zero"},
        {"d / 0", "division_by_zero"}, {"9223372036854775807 + 1", "overflow"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"-(-9223372036854775808)", "overflow"}, {"-9223372036854775808 / -1", "overflow"},
        {"-9223372036854775808 % -1", "0"}, {"1e308 * 10", "overflow"}, {"1e-308 * 1e-308", "underflow"},
        {"i + d", "9.5"},
        {"i * NULL", "null"}, {"n + 1", "null"}, {"1e3", "1000"}, {".5 + 1", "1.5"}, {"mod(7, 4)", "3"},
        // three values
        {"n = 1", "null"}, {"n = 1 AND false", "false"}, {"n = 1 OR true", "true"}, {"NOT (n = 1)", "null"},
        {"n IS NULL", "true"}, {"n IS NOT NULL", "false"}, {"(n = 1) IS UNKNOWN", "true"},
        {"n IS DISTINCT FROM 1", "true"},
        {"n IS NOT DISTINCT FROM NULL", "true"}, {"n IN (1)", "null"}, {"1 IN (2, n)", "null"}, {"1 IN (1, n)", "true"},
        {"1 NOT IN (2, n)", "null"}, {"1 NOT IN (2, 3)", "true"}, {"n BETWEEN 1 AND 2", "null"},
        {"3 BETWEEN n AND 2", "false"}, {"3 NOT BETWEEN 1 AND 2", "true"},
        // only what is needed
        {"false AND 1 / 0 = 1", "false"}, {"true OR 1 / 0 = 1", "true"}, {"true AND 1 / 0 = 1", "division_by_zero"},
        {"CASE WHEN i > 0 THEN 1 ELSE 1 / 0 END", "1"}, {"COALESCE(1, 1 / 0)", "1"}, {"COALESCE(n, i)", "7"},
        {"CASE i WHEN 7 THEN 'x' WHEN 1 / 0 THEN 'y' END", "\"x\""}, {"CASE WHEN false THEN 1 END", "null"},
        {"CASE n WHEN NULL THEN 1 ELSE 2 END", "2"}, {"NULLIF(i, 7)", "null"}, {"NULLIF(i, 8)", "7"},
        {"COALESCE(1, 2.5)", "1"}, {"1 IN (1, 1 / 0)", "true"},
        // strings
        {"lower('\xC3\x84" "B')", "\"\xC3\xA4" "b\""}, {"upper(s)", "\"H\xC3\x84USER\""}, {"length(s)", "6"},
        {"char_length('')", "0"}, {"octet_length(s)", "7"}, {"substring(s, 2, 2)", "\"\xC3\xA4u\""},
        {"substring(s FROM 3)", "\"user\""}, {"substring(s FROM 0 FOR 2)", "\"h\""}, {"substring(s, -5, 7)", "\"h\""},
        {"substring(s, 2, -1)", "argument"}, {"split_part('a,b,c', ',', 2)", "\"b\""},
        {"split_part('a,b,c', ',', 9)", "\"\""},
        {"split_part('a,b,c', ',', -1)", "\"c\""}, {"split_part('a,b', ',', 0)", "argument"},
        {"split_part('ab', '', 1)", "\"ab\""},
        {"s LIKE 'h_user'", "true"}, {"s NOT LIKE '%x%'", "true"}, {"'a%b' LIKE 'a\\%b'", "true"},
        {"'axb' LIKE 'a\\%b'", "false"},
        {"'a_b' LIKE '%!_b' ESCAPE '!'", "true"}, {"'a' LIKE 'a\\'", "like"}, {"'' LIKE '%'", "true"},
        {"'abcbc' LIKE '%bc'", "true"},
        {"'it''s'", "\"it's\""}, {"E'a\\n'", "\"a\\n\""}, {"\"Q q\" + 1", "6"},
        // casts
        {"'12'::int64 + 1", "13"}, {"CAST(' -12 ' AS bigint)", "-12"}, {"lower('x')::int64", "cast"},
        {"2.5::int64", "2"},
        {"3.5::int64", "4"}, {"1e19::int64", "cast"}, {"i::string || 'x'", "\"7x\""}, {"0.1::string", "\"0.1\""},
        {"1e15::string", "\"1e+15\""}, {"123456.5::string", "\"123456.5\""}, {"0.00001::string", "\"1e-05\""},
        {"100.0::string", "\"100\""}, {"'NaN'::double = 'NaN'::double", "true"}, {"'NaN'::double > 1e300", "true"},
        {"'t'::bool", "true"}, {"lower('OF')::bool", "false"}, {"lower('o')::bool", "cast"}, {"b::int64", "1"},
        {"i::bool", "true"}, {"t::string", "\"2026-01-01 00:04:05.123456\""},
        // time
        {"date_trunc('minute', t)", "\"2026-01-01T00:04:00Z\""}, {"date_trunc('week', t)", "\"2025-12-29T00:00:00Z\""},
        {"date_trunc('quarter', TIMESTAMP '2026-05-06')", "\"2026-04-01T00:00:00Z\""},
        {"date_trunc('eon', t)", "argument"},
        {"date_trunc('day', TIMESTAMP '1969-12-31 12:00')", "\"1969-12-31T00:00:00Z\""},
        {"t > '2026-01-01'", "true"}, {"t - INTERVAL '5 s'", "\"2026-01-01T00:04:00.123456Z\""},
        {"TIMESTAMP '2026-01-31' + INTERVAL '1 month'", "\"2026-02-28T00:00:00Z\""},
        {"TIMESTAMP '2026-01-02' - TIMESTAMP '2026-01-01' = INTERVAL '24 hours'", "true"},
        {"t + '1 day 02:00:00'", "\"2026-01-02T02:04:05.123456Z\""},
        // what is no expression
        {"", "wrong"}, {"1 +", "wrong"}, {"1 2", "wrong"}, {"nope", "wrong"}, {"'open", "wrong"}, {"i = 'x'", "wrong"},
        {"count(*)", "wrong"}, {"nope(1)", "wrong"}, {"s + 1", "wrong"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) check_expr(&cases[i]);
}

// Decodes one record with the format's text and the columns x (read, of the type) and y (int64, not read, not null).
static void check_json(const char *type, const char *record, const char *expected)
{
    Kappa__V1__Source__Format__Json json = KAPPA__V1__SOURCE__FORMAT__JSON__INIT;
    Kappa__V1__Source__Format format = KAPPA__V1__SOURCE__FORMAT__INIT;
    struct column columns_of_record[] = {{.name = "x"}, {.name = "y", .type = TYPE_INT64, .not_null = true}};
    static const bool read[] = {true, false};
    struct decoder_options options = {.format = &format, .columns = columns_of_record, .count = 2, .read = read};
    struct decoder *decoder;
    struct k_arena arena;
    struct value values[2];
    struct k_buf out = {0};
    struct k_error err = {0};
    format.kind_case = KAPPA__V1__SOURCE__FORMAT__KIND_JSON;
    format.json = &json;
    char name[32], path[32] = "";
    int found = sscanf(type, "%31s at %31s", name, path);
    assert_true(type_of_name(k_str_of(name), &columns_of_record[0].type));
    if (found == 2) columns_of_record[0].path = path;
    k_arena_init(&arena);
    assert_int_equal(decoder_create(&arena, &options, &decoder, &err), 0);
    const char *why = decode(decoder, k_str_of(record), false, &arena, values);
    if (why) k_buf_add_text(&out, why);
    else value_json(&out, &values[0]);
    if (strcmp(out.data, expected) != 0) fail_msg("%s: %s, not %s", record, out.data, expected);
    decoder_destroy(decoder);
    k_buf_fini(&out);
    k_arena_fini(&arena);
}

static void test_json(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"int64", "{\"x\":42}", "42"}, {"int64", " { \"y\":[1,{\"x\":7}], \"x\" : -0 } ", "0"}, {"int64", "{}", "null"},
        {"int64", "{\"x\":9223372036854775807}", "9223372036854775807"},
        {"int64", "{\"x\":9223372036854775808}", "range"},
        {"int64", "{\"x\":1.0}", "type"}, {"int64", "{\"x\":01}", "json"}, {"int64", "{\"x\":1,}", "json"},
        {"int64", "{\"x\":1 2}", "json"}, {"int64", "{\"x\":1}{}", "json"}, {"int64", "[]", "json"},
        {"int64", "", "json"},
        {"int64", "{\"x\":1,\"x\":2}", "1"}, {"int64", "{\"\\u0078\":3}", "3"},
        {"int64", "{\"x\":null,\"x\":2}", "null"},
        {"int64", "{\"y\":nonsense,\"x\":1}", "1"}, {"int64", "{\"y\":{]},\"x\":1}", "json"},
        {"int64", "{\"y\":a\"b,c\",\"x\":1}", "json"}, {"int64", "{\"x\":1,\"y\":\"\t\"}", "json"},
        {"int64", "{\"y\":[1,,2:3],\"x\":1}", "1"},
        {"double", "{\"x\":-0}", "-0.0"}, {"double", "{\"x\":1e309}", "range"}, {"double", "{\"x\":1e-400}", "0"},
        {"double", "{\"x\":1.}", "json"}, {"double", "{\"x\":\"1\"}", "type"},
        {"string", "{\"x\":\"a\\u00e9\\ud83d\\ude00\\n\"}", "\"a\xC3\xA9\xF0\x9F\x98\x80\\n\""},
        {"string", "{\"x\":\"\\ud83d\"}", "utf8"}, {"string", "{\"x\":\"\xff\"}", "utf8"},
        {"string", "{\"x\":\"\\q\"}", "json"},
        {"string", "{\"x\":\"a\nb\"}", "json"}, {"string", "{\"x\":1}", "type"},
        {"string", "{\"x\":\"\\ud83d\\u12\"}", "json"},
        {"bool", "{\"x\":true}", "true"}, {"bool", "{\"x\":1}", "type"}, {"bool", "{\"x\":tru}", "json"},
        {"bytes", "{\"x\":\"AAE=\"}", "\"AAE=\""}, {"bytes", "{\"x\":\"AAF=\"}", "type"},
        {"bytes", "{\"x\":\"AA\"}", "type"},
        {"bytes", "{\"x\":\"\"}", "\"\""}, {"bytes", "{\"x\":\"A===\"}", "type"},
        {"timestamp", "{\"x\":1767225607000}", "\"2026-01-01T00:00:07Z\""}, {"timestamp", "{\"x\":1.5}", "type"},
        {"timestamp", "{\"x\":\"2026-01-01T02:00:07.5+02:00\"}", "\"2026-01-01T00:00:07.500Z\""},
        {"timestamp", "{\"x\":9223372036854776}", "range"}, {"timestamp", "{\"x\":\"2026-02-30T00:00:00Z\"}", "type"},
        {"json", "{\"x\":{\"a\": [1, 2.5e3]} }", "{\"a\": [1, 2.5e3]}"}, {"json", "{\"x\":[1,]}", "json"},
        {"json", "{\"x\":[\"\\ud800\"]}", "utf8"},
        {"int64 at $.a.b", "{\"a\":{\"c\":1,\"b\":2}}", "2"},
        {"int64 at $.a.b", "{\"a\":{\"c\":1},\"a\":{\"b\":2}}", "null"},
        {"int64 at $.a.b", "{\"a\":7}", "type"}, {"int64 at $.a.b", "{\"a\":null}", "null"},
        {"int64 at $.\"a.b\"", "{\"a.b\":1}", "1"}, {"int64 at $.a.b", "{\"a\":{\"b\":5]}", "json"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) check_json(cases[i][0], cases[i][1], cases[i][2]);
}

static void test_line(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"7 a", "7 \"a\""}, {"7 a\n", "7 \"a\""}, {"7 a\r\n", "7 \"a\""}, {"7 ", "7 null"}, {"x a", "type"},
        {"7", "line"},
        {"7 \xff", "utf8"}, {"99999999999999999999 a", "range"}, {"7 a\nb", "line"},
    };
    Kappa__V1__Source__Format__Line line = KAPPA__V1__SOURCE__FORMAT__LINE__INIT;
    Kappa__V1__Source__Format format = KAPPA__V1__SOURCE__FORMAT__INIT;
    line.pattern = (char[]){"^(?<x>\\S+) (?<y>\\S+)?$"};
    format.kind_case = KAPPA__V1__SOURCE__FORMAT__KIND_LINE;
    format.line = &line;
    static const struct column fields[] = {{"x", TYPE_INT64, true, false, NULL},
                                           {"y", TYPE_STRING, false, false, NULL}};
    static const bool read[] = {true, true};
    struct decoder_options options = {.format = &format, .columns = fields, .count = 2, .read = read};
    struct decoder *decoder;
    struct k_arena arena;
    struct k_error err = {0};
    k_arena_init(&arena);
    assert_int_equal(decoder_create(&arena, &options, &decoder, &err), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct value values[2];
        struct k_buf out = {0};
        const char *why = decode(decoder, k_str_of(cases[i][0]), false, &arena, values);
        if (why) k_buf_add_text(&out, why);
        for (int c = 0; c < 2 && !why; c++) {
            if (c) k_buf_add_char(&out, ' ');
            value_json(&out, &values[c]);
        }
        assert_string_equal(out.data, cases[i][1]);
        k_buf_fini(&out);
    }
    decoder_destroy(decoder);
    k_arena_fini(&arena);
}

static double sum_of(const double *values, int count)
{
    struct sum sum = {0};
    for (int i = 0; i < count; i++) sum_add(&sum, values[i], 1);
    return sum_result(&sum);
}

static void test_sums(void **state)
{
    (void)state;
    assert_true(sum_of((double[]){1e16, 1, -1e16}, 3) == 1);
    assert_true(sum_of((double[]){1, 0x1p-53}, 2) == 1);                        // half: to even
    assert_true(sum_of((double[]){1, 0x1p-53, 0x1p-1074}, 3) == 1 + 0x1p-52);    // more than half
    assert_true(sum_of((double[]){1 + 0x1p-52, 0x1p-53}, 2) == 1 + 0x1p-51);     // half: to even, upwards
    assert_true(sum_of((double[]){0x1p-1074, 0x1p-1074}, 2) == 0x1p-1073);
    assert_true(sum_of((double[]){-1, 0x1p-1074}, 2) == -1);
    assert_true(sum_of((double[]){1.7976931348623157e308, 1.7976931348623157e308}, 2) == INFINITY);
    assert_true(sum_of((double[]){1.7976931348623157e308, 1e308, -1e308}, 3) == 1.7976931348623157e308);
    assert_true(isnan(sum_of((double[]){INFINITY, -INFINITY}, 2)));
    assert_true(sum_of((double[]){-INFINITY, 1}, 2) == -INFINITY);
}

// Random numbers in random order, some taken back: against sums of integers, which are exact in a double.
static void test_sums_by_chance(void **state)
{
    (void)state;
    uint64_t seed = 7;
    for (int round = 0; round < 200; round++) {
        struct sum sum = {0};
        int64_t exact = 0;
        double scale = ldexp(1, (int)k_random_below(&seed, 1900) - 1000), noise[20];
        for (int i = 0; i < 20; i++) {
            noise[i] = ldexp((double)k_random_below(&seed, 1000000), (int)k_random_below(&seed, 1800) - 1000);
            sum_add(&sum, noise[i], 1);
        }
        for (int i = 0; i < 50; i++) {
            int64_t value = (int64_t)k_random_below(&seed, UINT64_C(1) << 40) - (INT64_C(1) << 39);
            int weight = k_random_below(&seed, 3) ? 1 : -1;
            exact += weight * value;
            sum_add(&sum, (double)value * scale, weight);
        }
        for (int i = 19; i >= 0; i--) sum_add(&sum, noise[i], -1);
        assert_true(sum_result(&sum) == (double)exact * scale);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expressions), cmocka_unit_test(test_json), cmocka_unit_test(test_line),
        cmocka_unit_test(test_sums), cmocka_unit_test(test_sums_by_chance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
