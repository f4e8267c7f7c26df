// Types by name, the declaration of fields, and values as JSON.
#include "tests/proto/decode.h"

#include "base/memory.h"
#include "proto/parse_value.h"

static void test_type_names(void **state)
{
    (void)state;
    enum k_type type;
    static const enum k_type all[] = {K_BOOL, K_INT64, K_DOUBLE, K_STRING, K_BYTES, K_TIMESTAMP, K_JSON, K_INTERVAL};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        assert_true(k_type_parse(k_str_of(k_type_name(all[i])), &type));
        assert_int_equal(type, all[i]);
        assert_true(k_type_width(all[i]) > 0);
    }
    assert_string_equal(k_type_name(K_NO_TYPE), "null");
    static const char *const others[] = {"", "null", "Int64", "int", "boolean", "text", "int64 ", "decimal", "date"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) assert_false(k_type_parse(k_str_of(others[i]),
    &type));
    // The numbers are in state and journals.
    assert_int_equal(K_BOOL, 1);
    assert_int_equal(K_JSON, 7);
    assert_int_equal(K_INTERVAL, 10);
}

static void test_fields(void **state)
{
    (void)state;
    static const struct {
        const char *text, *name;
        enum k_type type;
        bool not_null;
        const char *path;
    } cases[] = {
        {"price int64", "price", K_INT64, false, NULL}, {"price int64 not null", "price", K_INT64, true, NULL},
        {"price int64 not null at $.bid.price", "price", K_INT64, true, "$.bid.price"},
        {" a_1\tstring  NOT\nNULL  AT $.x ", "a_1", K_STRING, true, "$.x"}, {"at at_1", NULL, 0, false, NULL},
        {"at timestamp at $.at", "at", K_TIMESTAMP, false, "$.at"}, {"not bool", "not", K_BOOL, false, NULL},
        {"\"user agent\" string", "user agent", K_STRING, false, NULL},
        {"\"a\"\"b\" json", "a\"b", K_JSON, false, NULL},
        {"x bytes at $.\"a b\".\"c\"\"d\".e", "x", K_BYTES, false, "$.\"a b\".\"c\"\"d\".e"},
        {"x double at $.é.@timestamp.a-b", "x", K_DOUBLE, false, "$.é.@timestamp.a-b"},
    };
    struct k_arena arena;
    k_arena_init(&arena);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct k_field field = {0};
        size_t offset = 0;
        const char *why = "";
        bool read = k_field_parse(&arena, k_str_of(cases[i].text), &field, &offset, &why);
        assert_int_equal(read, cases[i].name != NULL);
        if (!read) continue;
        assert_string_equal(field.name, cases[i].name);
        assert_int_equal(field.type, cases[i].type);
        assert_int_equal(field.not_null, cases[i].not_null);
        if (cases[i].path) assert_string_equal(field.json_path, cases[i].path);
        else assert_null(field.json_path);
    }
    k_arena_fini(&arena);
}

static void test_fields_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t offset;
        const char *why;
    } cases[] = {
        {"", 0, "expected a name"}, {"  ", 2, "expected a name"}, {"x", 1, "expected a type"},
        {"1x int64", 0, "a name is"},
        {"a.b int64", 1, "a name is"}, {"\"\" int64", 0, "expected a name"}, {"\"x int64", 0, "no closing quote"},
        {"\"x\"int64", 3, "expected a space"}, {"x bigint", 2, "is written int64"}, {"x text", 2, "is written string"},
        {"x blob", 2, "unknown type"}, {"x interval", 2, "inside expressions only"},
        {"x decimal", 2, "not supported yet"},
        {"x int64 not", 11, "expected null"}, {"x int64 not nil", 12, "expected null"},
        {"x int64 null", 8, "expected \"not null\""},
        {"x int64 at", 10, "begins with $"}, {"x int64 at a.b", 11, "begins with $"},
        {"x int64 at $", 12, "at least one key"},
        {"x int64 at $.", 13, "expected a key"}, {"x int64 at $..a", 13, "expected a key"},
        {"x int64 at $a", 12, "expected ."},
        {"x int64 at $.a[0]", 14, "no indices"}, {"x int64 at $.*", 14, "no wildcards"},
        {"x int64 at $.a.\"b", 15, "no closing quote"},
        {"x int64 at $.\"a\"b", 16, "expected ."}, {"x int64 at $.a not null", 15, "the end"},
        {"x int64 int64", 8, "the end"},
    };
    struct k_arena arena;
    k_arena_init(&arena);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct k_field field = {.name = "untouched"};
        size_t offset = 777;
        const char *why = NULL;
        // Exactly as long as it is: nothing behind the text may be looked at.
        char *copy = exact_copy(k_str_of(cases[i].text));
        struct k_str text = {copy, (uint32_t)strlen(cases[i].text)};
        if (k_field_parse(&arena, text, &field, &offset, &why)) fail_msg("read: %s", cases[i].text);
        if (offset != cases[i].offset || !strstr(why, cases[i].why)) {
            fail_msg("%s: byte %zu: %s", cases[i].text, offset, why);
        }
        assert_string_equal(field.name, "untouched");
        free(copy);
    }
    k_arena_fini(&arena);
}

static void test_deep_path(void **state)
{
    (void)state;
    struct k_buf text = {0};
    struct k_arena arena;
    k_arena_init(&arena);
    struct k_field field;
    size_t offset;
    const char *why;
    k_buf_add_text(&text, "x int64 at $");
    for (int i = 0; i < 32; i++) k_buf_add_text(&text, ".a");
    assert_true(k_field_parse(&arena, k_buf_str(&text), &field, &offset, &why));
    k_buf_add_text(&text, ".a");
    assert_false(k_field_parse(&arena, k_buf_str(&text), &field, &offset, &why));
    assert_non_null(strstr(why, "32 keys"));
    k_arena_fini(&arena);
    k_buf_fini(&text);
}

static void test_schema_find(void **state)
{
    (void)state;
    struct k_field fields[] = {{.name = "a", .type = K_INT64}, {.name = "ab", .type = K_INT64}};
    struct k_schema schema = {fields, 2};
    assert_int_equal(k_schema_find(&schema, K_STR("ab")), 1);
    assert_int_equal(k_schema_find(&schema, K_STR("a")), 0);
    assert_int_equal(k_schema_find(&schema, K_STR("A")), -1);
    assert_int_equal(k_schema_find(&schema, K_STR("")), -1);
}

static void check_value(struct k_value value, const char *json)
{
    struct k_buf out = {0};
    k_value_json(&out, &value);
    assert_string_equal(out.data, json);
    k_buf_fini(&out);
}

static void test_values(void **state)
{
    (void)state;
    check_value((struct k_value){.type = K_NO_TYPE, .null = true}, "null");
    check_value((struct k_value){.type = K_INT64, .null = true, .i = 5}, "null");
    check_value((struct k_value){.type = K_BOOL, .b = true}, "true");
    check_value((struct k_value){.type = K_INT64, .i = INT64_MIN}, "-9223372036854775808");
    check_value((struct k_value){.type = K_DOUBLE, .d = 0.1}, "0.1");
    check_value((struct k_value){.type = K_STRING, .s = K_STR("a\"b")}, "\"a\\\"b\"");
    check_value((struct k_value){.type = K_BYTES, .s = K_STR("\xff")}, "\"/w==\"");
    check_value((struct k_value){.type = K_TIMESTAMP, .i = 7000000}, "\"1970-01-01T00:00:07Z\"");
    check_value((struct k_value){.type = K_JSON, .s = K_STR("{\"a\": 1}")}, "{\"a\": 1}");
    check_value((struct k_value){.type = K_INTERVAL}, "\"PT0S\"");
    check_value((struct k_value){.type = K_INTERVAL, .interval = {.months = 14, .days = -3}}, "\"P14M-3D\"");
    check_value((struct k_value){.type = K_INTERVAL, .interval = {.us = -1500000, .days = 1}}, "\"P1DT-1.5S\"");
    check_value((struct k_value){.type = K_INTERVAL, .interval = {.us = INT64_MIN}}, "\"PT-9223372036854.775808S\"");
}

static void test_rows(void **state)
{
    (void)state;
    struct k_field fields[] = {{.name = "a b", .type = K_INT64}, {.name = "s", .type = K_STRING}, {.name = "u",
    .type = K_BOOL}};
    struct k_schema schema = {fields, 3};
    const uint8_t valid[] = {0, 1};
    const struct k_str strings[] = {{"", 0}, {"x", 1}};
    const int64_t integers[] = {1, 2};
    struct k_column columns[] = {{.type = K_INT64, .i = integers}, {.type = K_STRING, .valid = valid, .s = strings},
                                 {.type = K_BOOL}};
    struct k_batch batch = {.schema = &schema, .columns = columns, .rows = 2};
    struct k_buf out = {0};
    k_row_json(&out, &batch, 0);
    k_row_json(&out, &batch, 1);
    assert_string_equal(out.data, "{\"a b\":1,\"s\":null,\"u\":null}{\"a b\":2,\"s\":\"x\",\"u\":null}");
    k_buf_fini(&out);
}

static void test_parse_json(void **state)
{
    (void)state;
    static const struct {
        enum k_type type;
        const char *json, *out; // out: NULL: refused
    } cases[] = {
        {K_INT64, " 7\n", "7"}, {K_INT64, "null", "null"}, {K_INT64, "\"7\"", NULL}, {K_INT64, "", NULL},
        {K_INT64, "7 8", NULL},
        {K_STRING, "\"a\\u00e9\"", "\"aé\""}, {K_STRING, "\"a\"b\"", NULL}, {K_STRING, "\"a\tb\"", NULL},
        {K_STRING, "a", NULL},
        {K_STRING, "\"", NULL}, {K_DOUBLE, "1e2", "100"}, {K_BOOL, "true", "true"},
        {K_TIMESTAMP, "7000", "\"1970-01-01T00:00:07Z\""},
        {K_TIMESTAMP, "\"1970-01-01T00:00:07Z\"", "\"1970-01-01T00:00:07Z\""}, {K_BYTES, "\"/w==\"", "\"/w==\""},
        {K_JSON, " [1, 2] ", "[1, 2]"}, {K_JSON, "[1, 2", NULL}, {K_JSON, "[1] 2", NULL}, {K_BOOL, "{}", NULL},
    };
    struct k_arena arena;
    k_arena_init(&arena);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct k_field field = {.name = "x", .type = cases[i].type};
        struct k_value value;
        struct k_error err = {0};
        char *copy = exact_copy(k_str_of(cases[i].json));
        struct k_str text = {copy, (uint32_t)strlen(cases[i].json)};
        int status = k_value_parse_json(text, &field, K_UNIT_MS, &arena, &value, &err);
        if (status != (cases[i].out ? 0 : K_E_DATA)) fail_msg("%s: %d %s", cases[i].json, status, err.text);
        if (status == 0) check_value(value, cases[i].out);
        else assert_non_null(strstr(err.text, "field \"x\": found "));
        free(copy);
    }
    struct k_field field = {.name = "x", .type = K_INT64, .not_null = true};
    struct k_value value;
    struct k_error err;
    assert_int_equal(k_value_parse_json(K_STR("null"), &field, K_UNIT_MS, &arena, &value, &err), K_E_DATA);
    k_arena_fini(&arena);
}

static void test_parse_text(void **state)
{
    (void)state;
    struct k_arena arena;
    k_arena_init(&arena);
    struct k_value value;
    struct k_error err;
    assert_int_equal(k_value_parse_text(K_STR("2026-01-01T00:00:07Z"), K_TIMESTAMP, &arena, &value, &err), 0);
    check_value(value, "\"2026-01-01T00:00:07Z\"");
    assert_int_equal(k_value_parse_text(K_STR("-12"), K_INT64, &arena, &value, &err), 0);
    check_value(value, "-12");
    assert_int_equal(k_value_parse_text((struct k_str){0}, K_STRING, &arena, &value, &err), 0);
    check_value(value, "\"\"");
    assert_int_equal(k_value_parse_text((struct k_str){0}, K_INT64, &arena, &value, &err), K_E_DATA);
    assert_int_equal(k_value_parse_text(K_STR("12x"), K_INT64, &arena, &value, &err), K_E_DATA);
    assert_string_equal(err.text, "found 12x, wanted int64");
    k_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_type_names), cmocka_unit_test(test_fields), cmocka_unit_test(test_fields_refused),
        cmocka_unit_test(test_deep_path), cmocka_unit_test(test_schema_find), cmocka_unit_test(test_values),
        cmocka_unit_test(test_rows), cmocka_unit_test(test_parse_json), cmocka_unit_test(test_parse_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
