// The example of every line of the function table is true, and every line is described.
#include "tests/operators/expr_test.h"

static void run_example(const struct k_function_doc *doc, const char *arrow)
{
    struct k_arena arena;
    k_arena_init(&arena);
    const char *left = k_arena_copy(&arena, doc->example, (size_t)(arrow - doc->example));
    const char *right = arrow + strlen(" → ");
    const char *shown[2];
    for (int i = 0; i < 2; i++) {
        struct k_expr *expr = test_compile(&arena, i ? right : left);
        struct k_value nothing[TEST_FIELDS];
        memset(nothing, 0, sizeof nothing);
        for (int k = 0; k < TEST_FIELDS; k++) nothing[k].null = true;
        struct k_expr_errors errors = {0};
        struct k_value value = k_expr_eval_row(expr, &test_schema, nothing, &arena, &errors);
        shown[i] = test_value(&arena, &value, &errors);
    }
    if (strcmp(shown[0], shown[1]) != 0) fail_msg("%s: is %s", doc->example, shown[0]);
    k_arena_fini(&arena);
}

static void run_aggregate(const struct k_function_doc *doc)
{
    struct k_arena arena;
    k_arena_init(&arena);
    struct k_diags diags = {0};
    struct k_aggregate_call calls[1];
    struct k_schema groups = {0};
    uint32_t count = 0;
    struct k_expr *expr = k_expr_compile_aggregate(&arena, k_str_of(doc->example), &test_scope, &groups, &test_place,
                                                   &diags, NULL, calls, &count, 1);
    if (!expr || count != 1) fail_msg("%s\n%s", doc->example, test_print(&arena, &diags));
    k_arena_fini(&arena);
}

static void examples_are_true(void **state)
{
    (void)state;
    uint32_t count, examples = 0, aggregates = 0;
    const struct k_function_doc *docs = k_function_docs(&count);
    for (uint32_t i = 0; i < count; i++) {
        if (!docs[i].example) continue;
        const char *arrow = strstr(docs[i].example, " → ");
        if (arrow) run_example(&docs[i], arrow);
        else run_aggregate(&docs[i]);
        examples += arrow != NULL;
        aggregates += arrow == NULL;
    }
    assert_true(examples > 90);
    assert_int_equal(aggregates, 25);
}

static void everything_is_described(void **state)
{
    (void)state;
    uint32_t count;
    const struct k_function_doc *docs = k_function_docs(&count);
    for (uint32_t i = 0; i < count; i++) {
        assert_non_null(docs[i].name);
        assert_non_null(strstr(docs[i].signature, docs[i].name));
        size_t length = strlen(docs[i].doc);
        if (docs[i].doc[length - 1] != '.') fail_msg("%s: %s", docs[i].signature, docs[i].doc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_are_true),
        cmocka_unit_test(everything_is_described),
    };
    return cmocka_run_group_tests_name("expr_functions", tests, NULL, NULL);
}
