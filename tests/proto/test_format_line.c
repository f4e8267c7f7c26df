// Lines and raw values: groups to columns, casts from text, line ends, bounds, and refusals of patterns.
#include "tests/proto/decode.h"

static void decode_line(struct decode *d, const char *pattern, const char *const *fields)
{
    decode_fields(d, fields);
    d->options.pattern = pattern;
    if (k_decoder_line(&d->options, &d->decoder, &d->err) != 0) fail_msg("%s", d->err.text);
}

static void test_groups(void **state)
{
    (void)state;
    struct decode d;
    decode_line(&d, "^(?<ip>\\S+) (?<path>\\S*)(?: (?<status>\\d+))?$",
                (const char *const[]){"path string", "-ip string", "status int64", NULL});
    static const struct decode_case cases[] = {
        {"1.2.3.4 /a 200", "{\"path\":\"/a\",\"status\":200}"}, {"1.2.3.4 /a", "{\"path\":\"/a\",\"status\":null}"},
        {"1.2.3.4 /a 200\n", "{\"path\":\"/a\",\"status\":200}"},
        {"1.2.3.4 /a 200\r\n", "{\"path\":\"/a\",\"status\":200}"},
        {"1.2.3.4 ", "{\"path\":\"\",\"status\":null}"}, {"1.2.3.4 /ü 1", "{\"path\":\"/ü\",\"status\":1}"},
        {"1.2.3.4 /a 200\r", "line"}, {"", "line"}, {"\n", "line"}, {"x", "line"},
        {"1.2.3.4 /\xff 200", "utf8"}, {"\xff /a 200", "utf8"}, {"1.2.3.4 /a 99999999999999999999", "range"},
    };
    DECODE_CASES(&d, cases);
    decode_fini(&d);
}

static void check(const char *field, const struct decode_case *cases, size_t count)
{
    struct decode d;
    decode_line(&d, "^<(?<x>(?s).*)>$", (const char *const[]){field, NULL});
    decode_cases(&d, cases, count);
    decode_fini(&d);
}
#define CHECK(field, cases) check(field, cases, sizeof(cases) / sizeof(cases)[0])

static void test_casts(void **state)
{
    (void)state;
    static const struct decode_case bools[] = {
        {"<true>", "{\"x\":true}"}, {"<T>", "{\"x\":true}"}, {"< yes >", "{\"x\":true}"}, {"<On>", "{\"x\":true}"},
        {"<1>", "{\"x\":true}"}, {"<FALSE>", "{\"x\":false}"}, {"<n>", "{\"x\":false}"}, {"<of>", "{\"x\":false}"},
        {"<0>", "{\"x\":false}"}, {"<o>", "type"}, {"<>", "type"}, {"<truee>", "type"}, {"<2>", "type"},
        {"<\x11>", "type"},
    };
    static const struct decode_case integers[] = {
        {"<1>", "{\"x\":1}"}, {"<+1>", "{\"x\":1}"}, {"<-0>", "{\"x\":0}"}, {"< 007\t>", "{\"x\":7}"},
        {"<9223372036854775807>", "{\"x\":9223372036854775807}"},
        {"<-9223372036854775808>", "{\"x\":-9223372036854775808}"},
        {"<9223372036854775808>", "range"}, {"<-9223372036854775809>", "range"}, {"<1.0>", "type"}, {"<1e3>", "type"},
        {"<>", "type"}, {"<->", "type"}, {"<1 2>", "type"}, {"<0x1>", "type"}, {"<99999999999999999999x>", "type"},
    };
    static const struct decode_case doubles[] = {
        {"<1>", "{\"x\":1}"}, {"<+.5>", "{\"x\":0.5}"}, {"<5.>", "{\"x\":5}"}, {"<-1.5e3>", "{\"x\":-1500}"},
        {"<NaN>", "{\"x\":\"NaN\"}"}, {"<-Infinity>", "{\"x\":\"-Infinity\"}"}, {"<inf>", "{\"x\":\"Infinity\"}"},
        {"<1e-400>", "{\"x\":0}"}, {"<00.5>", "{\"x\":0.5}"}, {"<1e309>", "range"},
        {"<1e+99999999999999999999>", "range"},
        {"<>", "type"}, {"<.>", "type"}, {"<e5>", "type"}, {"<1e>", "type"}, {"<1e5.0>", "type"}, {"<1.2.3>", "type"},
        {"<0x10>", "type"}, {"<-nan>", "type"}, {"<1,5>", "type"}, {"<infinit>", "type"}, {"<--1>", "type"},
        {"<1e--1>", "type"},
    };
    static const struct decode_case times[] = {
        {"<2026-01-01T00:00:07Z>", "{\"x\":\"2026-01-01T00:00:07Z\"}"},
        {"< 2026-01-01 00:00:07 >", "{\"x\":\"2026-01-01T00:00:07Z\"}"},
        {"<1767225607000>", "type"}, {"<now>", "type"}, {"<>", "type"},
    };
    static const struct decode_case texts[] = {
        {"< a >", "{\"x\":\" a \"}"}, {"<>", "{\"x\":\"\"}"}, {"<\\n>", "{\"x\":\"\\\\n\"}"},
        {"<null>", "{\"x\":\"null\"}"},
    };
    static const struct decode_case bytes[] = {{"<abc>", "{\"x\":\"YWJj\"}"}, {"<>", "{\"x\":\"\"}"}};
    static const struct decode_case jsons[] = {
        {"< {\"a\":[1]} >", "{\"x\":{\"a\":[1]}}"}, {"<1>", "{\"x\":1}"}, {"<a>", "type"}, {"<>", "type"},
        {"<{>", "type"},
    };
    CHECK("x bool", bools);
    CHECK("x int64", integers);
    CHECK("x double", doubles);
    CHECK("x timestamp", times);
    CHECK("x string", texts);
    CHECK("x bytes", bytes);
    CHECK("x json", jsons);
}

static void test_not_null(void **state)
{
    (void)state;
    struct decode d;
    decode_line(&d, "^(?<x>a)?b", (const char *const[]){"x string not null", NULL});
    assert_string_equal(decode_one(&d, K_STR("ab"), NULL), "{\"x\":\"a\"}");
    assert_string_equal(decode_one(&d, K_STR("b"), NULL), "missing");
    decode_fini(&d);
}

static void test_repeated_name(void **state)
{
    (void)state;
    struct decode d;
    decode_line(&d, "(?J)^(?:a(?<x>.)|b(?<x>.)|c)$", (const char *const[]){"x string", NULL});
    assert_string_equal(decode_one(&d, K_STR("a1"), NULL), "{\"x\":\"1\"}");
    assert_string_equal(decode_one(&d, K_STR("b2"), NULL), "{\"x\":\"2\"}");
    assert_string_equal(decode_one(&d, K_STR("c"), NULL), "{\"x\":null}");
    decode_fini(&d);
}

// Patterns that would run for ever, or take all memory, are given up; the next line is read as ever.
static void test_bounds(void **state)
{
    (void)state;
    static const char *const patterns[] = {"^(?<x>(a|aa)+)$", "^(?<x>(?:a*)*b?)c", "^(?<x>(a+)+)$",
    "^(?<x>(?:(.)(?1)?)+)!$"};
    struct k_buf text = {0};
    for (int i = 0; i < 20000; i++) k_buf_add_char(&text, 'a');
    k_buf_add_char(&text, 'b');
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        struct decode d;
        decode_line(&d, patterns[i], (const char *const[]){"x string", NULL});
        const char *why = "";
        assert_string_equal(decode_one(&d, k_buf_str(&text), &why), "line");
        assert_true(strlen(why) < 240);
        decode_fini(&d);
    }
    struct decode d;
    decode_line(&d, patterns[0], (const char *const[]){"x string", NULL});
    const char *why = "";
    assert_string_equal(decode_one(&d, k_buf_str(&text), &why), "line");
    assert_non_null(strstr(why, "given up"));
    assert_string_equal(decode_one(&d, K_STR("aaa"), NULL), "{\"x\":\"aaa\"}");
    decode_fini(&d);
    k_buf_fini(&text);
}

static void test_large_line(void **state)
{
    (void)state;
    struct decode d;
    decode_line(&d, "^(?<x>.*) end$", (const char *const[]){"x string", NULL});
    struct k_buf text = {0};
    char *memory = k_buf_reserve(&text, 10 << 20);
    memset(memory, 'y', 10 << 20);
    text.length = 10 << 20;
    k_buf_add_text(&text, " end");
    assert_int_equal(strlen(decode_one(&d, k_buf_str(&text), NULL)), (10 << 20) + strlen("{\"x\":\"\"}"));
    k_buf_fini(&text);
    decode_fini(&d);
}

static void test_refused_patterns(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
    } cases[] = {
        {"(?<x>", "the pattern is wrong at byte 5"}, {"(?<x>a)(?<x>b)", "the pattern is wrong at byte"},
        {"(?<x>[z-a])", "the pattern is wrong at byte"}, {"(?<y>a)", "no group named \"x\""},
        {"a", "no group named \"x\""},
        {"(*UCP)(?<x>\\w)", "the pattern is wrong"}, {"(?<x>\\C)", "the pattern is wrong"},
        {"(?<x>\xff)", "the pattern is wrong"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct decode d;
        decode_fields(&d, (const char *const[]){"x string", NULL});
        d.options.pattern = cases[i].pattern;
        assert_int_equal(k_decoder_line(&d.options, &d.decoder, &d.err), K_E_CONFIG);
        if (!strstr(d.err.text, cases[i].text)) fail_msg("%s: %s", cases[i].pattern, d.err.text);
        assert_null(d.decoder);
        decode_fini(&d);
    }
}

static void test_line_groups(void **state)
{
    (void)state;
    struct k_arena arena;
    k_arena_init(&arena);
    const char **names;
    uint32_t count;
    size_t offset = 77;
    struct k_error err;
    assert_int_equal(k_line_groups("(?J)(?<b>.)(.)(?<a>.)(?<b>.)", &arena, &names, &count, &offset, &err), 0);
    assert_int_equal(count, 2);
    assert_string_equal(names[0], "a");
    assert_string_equal(names[1], "b");
    assert_int_equal(k_line_groups(".", &arena, &names, &count, &offset, &err), 0);
    assert_int_equal(count, 0);
    assert_int_equal(k_line_groups("a(b", &arena, &names, &count, &offset, &err), K_E_CONFIG);
    assert_int_equal(offset, 3);
    k_arena_fini(&arena);
}

static void test_raw(void **state)
{
    (void)state;
    static const struct {
        const char *field;
        struct decode_case one;
    } cases[] = {
        {"value string", {"any text\n", "{\"value\":\"any text\\n\"}"}},
        {"value string not null", {"", "{\"value\":\"\"}"}},
        {"value string", {"a\xff", "utf8"}}, {"value bytes", {"a\xff", "{\"value\":\"Yf8=\"}"}},
        {"-value string", {"\xff", "{}"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct decode d;
        decode_fields(&d, (const char *const[]){cases[i].field, NULL});
        assert_int_equal(k_decoder_raw(&d.options, &d.decoder, &d.err), 0);
        decode_cases(&d, &cases[i].one, 1);
        decode_fini(&d);
    }
}

static void test_raw_schemas(void **state)
{
    (void)state;
    static const char *const schemas[][3] = {
        {"value int64", NULL}, {"val string", NULL}, {"value string", "more string", NULL}, {NULL}};
    for (size_t i = 0; i < sizeof schemas / sizeof schemas[0]; i++) {
        struct decode d;
        decode_fields(&d, schemas[i]);
        assert_int_equal(k_decoder_raw(&d.options, &d.decoder, &d.err), K_E_CONFIG);
        decode_fini(&d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups), cmocka_unit_test(test_casts), cmocka_unit_test(test_not_null),
        cmocka_unit_test(test_repeated_name), cmocka_unit_test(test_bounds), cmocka_unit_test(test_large_line),
        cmocka_unit_test(test_refused_patterns), cmocka_unit_test(test_line_groups), cmocka_unit_test(test_raw),
        cmocka_unit_test(test_raw_schemas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
