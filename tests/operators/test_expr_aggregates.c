// Aggregate calls: what leaves the expression, what stays, and what is refused.
#include "tests/operators/expr_test.h"

enum { CALLS_MAX = 4 };

static struct k_field group_fields[] = {{.name = "s", .type = K_STRING}, {.name = "hour", .type = K_TIMESTAMP}};
static const struct k_schema groups = {group_fields, 2};

struct result {
    struct k_arena arena;
    struct k_diags diags;
    struct k_aggregate_call calls[CALLS_MAX];
    uint32_t count;
    struct k_expr *expr;
    const char *name;
};

static void compile(struct result *result, const char *text)
{
    result->expr = k_expr_compile_aggregate(&result->arena, k_str_of(text), &test_scope, &groups, &test_place,
                                            &result->diags, &result->name, result->calls, &result->count, CALLS_MAX);
}

static void init(struct result *result)
{
    *result = (struct result){0};
    k_arena_init(&result->arena);
}

static void fini(struct result *result)
{
    k_diags_fini(&result->diags);
    k_arena_fini(&result->arena);
}

static void calls_become_columns(void **state)
{
    (void)state;
    struct result r;
    init(&r);
    compile(&r, "sum(i) / count(*) + count(*) AS x");
    assert_non_null(r.expr);
    assert_string_equal(r.name, "x");
    assert_int_equal(r.count, 2); // the second count(*) is the first
    assert_int_equal(r.calls[0].function, K_AGG_SUM);
    assert_int_equal(r.calls[0].type, K_INT64);
    assert_false(r.calls[0].not_null);
    assert_int_equal(k_expr_column(r.calls[0].arguments[0]), 0);
    assert_int_equal(r.calls[1].function, K_AGG_COUNT_STAR);
    assert_int_equal(r.calls[1].argument_count, 0);
    assert_true(r.calls[1].not_null);

    // Over the groups, then the calls: s, hour, sum, count.
    struct k_field row_fields[] = {{.name = "s", .type = K_STRING}, {.name = "hour", .type = K_TIMESTAMP},
                                   {.name = "0", .type = K_INT64}, {.name = "1", .type = K_INT64}};
    struct k_schema row_schema = {row_fields, 4};
    struct k_value row[4] = {{.null = true}, {.null = true}, {.i = 17}, {.i = 5}};
    struct k_expr_errors errors = {0};
    struct k_value value = k_expr_eval_row(r.expr, &row_schema, row, &r.arena, &errors);
    assert_int_equal(value.i, 8);

    // Further selects add their calls behind, and share.
    compile(&r, "max(lower(p)) FILTER (WHERE i > 3) AS worst");
    assert_non_null(r.expr);
    assert_int_equal(r.count, 3);
    assert_int_equal(r.calls[2].type, K_STRING);
    assert_int_equal(k_expr_type(r.calls[2].filter), K_BOOL);
    assert_int_equal(k_expr_column(r.expr), 4);
    compile(&r, "max(lower(p)) AS all_worst"); // without the filter it is another
    assert_int_equal(r.count, 4);
    compile(&r, "count(*) AS n");
    assert_int_equal(r.count, 4);
    assert_int_equal(k_expr_column(r.expr), 3);
    assert_true(k_expr_not_null(r.expr));
    struct k_buf text = {0};
    k_expr_print(r.expr, &text);
    assert_string_equal(text.data, "\"count(*)\"::int64");
    k_buf_fini(&text);
    fini(&r);
}

static void groups_are_columns(void **state)
{
    (void)state;
    struct result r;
    init(&r);
    compile(&r, "s");
    assert_non_null(r.expr);
    assert_int_equal(k_expr_column(r.expr), 0);
    assert_string_equal(r.name, "s");
    compile(&r, "date_trunc('day', hour) AS day");
    assert_non_null(r.expr);
    assert_int_equal(r.count, 0);
    fini(&r);
}

static void types_of_results(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum k_type type;
        bool not_null;
    } cases[] = {
        {"count(s)", K_INT64, true},       {"sum(i)", K_INT64, false},  {"sum(d)", K_DOUBLE, false},
        {"avg(i)", K_DOUBLE, false},       {"avg(d)", K_DOUBLE, false}, {"min(t)", K_TIMESTAMP, false},
        {"max(s)", K_STRING, false},       {"min(b)", K_BOOL, false},   {"arg_min(s, t)", K_STRING, false},
        {"arg_max(js, i)", K_JSON, false}, {"max(i) + 0.5", K_DOUBLE, false}, {"COALESCE(sum(i), 0)", K_INT64, true},
        {"count(NULL)", K_INT64, true},    {"max('a')", K_STRING, false},
        {"first(js)", K_JSON, false},      {"last(b)", K_BOOL, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct result r;
        char text[64];
        init(&r);
        snprintf(text, sizeof text, "%s AS x", cases[i].text);
        compile(&r, text);
        if (!r.expr) fail_msg("%s: %s", text, test_print(&r.arena, &r.diags));
        assert_int_equal(k_expr_type(r.expr), cases[i].type);
        assert_int_equal(k_expr_not_null(r.expr), cases[i].not_null);
        // Integers are added as such: as doubles they would be rounded first.
        if (strcmp(cases[i].text, "avg(i)") == 0) assert_int_equal(k_expr_type(r.calls[0].arguments[0]), K_INT64);
        assert_int_equal(r.count, 1);
        fini(&r);
    }
}

static void arguments_are_marked_as_read(void **state)
{
    (void)state;
    struct result r;
    init(&r);
    bool read[TEST_FIELDS] = {false};
    struct k_scope scope = {&test_schema, "parsed", read};
    r.expr = k_expr_compile_aggregate(&r.arena, K_STR("s || max(p) FILTER (WHERE b) AS x"), &scope, &groups,
                                      &test_place, &r.diags, &r.name, r.calls, &r.count, CALLS_MAX);
    assert_non_null(r.expr);
    for (int i = 0; i < TEST_FIELDS; i++) assert_int_equal(read[i], i == 5 || i == 7); // p and b; s is a group
    fini(&r);
}

static void messages(void **state)
{
    (void)state;
    static const struct {
        const char *text, *diagnostics;
    } cases[] = {
        {"i AS x", "f:1:1: error[K0332]: column \"i\" must appear in group_by or be used in an aggregate function\n"},
        {"sum(i) + j AS x",
         "f:1:10: error[K0332]: column \"j\" must appear in group_by or be used in an aggregate function\n"},
        {"sum(max(i)) AS x", "f:1:5: error[K0331]: max stands inside another aggregate function\n"},
        {"sum(i) FILTER (WHERE max(i) > 3) AS x",
         "f:1:22: error[K0331]: max stands inside another aggregate function\n"},
        {"sum(DISTINCT i) AS x",
         "f:1:1: error[K0331]: DISTINCT inside sum is not supported; count(DISTINCT x) is\n"},
        {"sum(i ORDER BY j) AS x", "f:1:1: error[K0304]: ORDER BY inside a call is not supported here\n"},
        {"sum(i) OVER () AS x", "f:1:1: error[K0304]: OVER (a window function) is not supported here\n"},
        {"sum(s) AS x",
         "f:1:1: error[K0321]: there is no sum(string); there is sum(int64) → int64, sum(double) → double\n"},
        {"max(js) AS x", "f:1:1: error[K0321]: there is no max(json); there is max(comparable) → the same type\n"},
        {"max() AS x", "f:1:1: error[K0321]: there is no max(); there is max(comparable) → the same type\n"},
        {"sum(*) AS x", "f:1:1: error[K0321]: there is no sum(); there is sum(int64) → int64, sum(double) → double\n"},
        {"count(i, j, d) AS x", "f:1:1: error[K0321]: count does not take 3 arguments\n"},
        {"sum(i) FILTER (WHERE i) AS x",
         "f:1:22: error[K0322]: the condition of FILTER must be bool, not int64\n"},
        {"max(NULL) AS x", "f:1:1: error[K0334]: the type of NULL is not known; write NULL::int64, say\n"},
        {"sum(i)", "f:1:1: error[K0306]: this needs a name; add  AS name\n"},
        {"sum(q) AS x", "f:1:5: error[K0310]: unknown column \"q\"; \"parsed\" offers i, j, d, e, s, p, t, b, …\n"},
        {"sum(i) + sum(j) + sum(i + 1) + sum(i + 2) + sum(i + 3) AS x",
         "f:1:45: error[K0333]: an aggregate node has at most 4 aggregate calls\n"},
    };
    uint32_t wrong = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct result r;
        init(&r);
        compile(&r, cases[i].text);
        const char *said = test_print(&r.arena, &r.diags);
        if (r.expr || strcmp(said, cases[i].diagnostics) != 0) {
            print_error("%s\n  expected %s  said     %s\n", cases[i].text, cases[i].diagnostics, said);
            wrong++;
        }
        fini(&r);
    }
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_become_columns),
        cmocka_unit_test(groups_are_columns),
        cmocka_unit_test(types_of_results),
        cmocka_unit_test(arguments_are_marked_as_read),
        cmocka_unit_test(messages),
    };
    return cmocka_run_group_tests_name("expr_aggregates", tests, NULL, NULL);
}
