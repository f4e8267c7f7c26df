// map: select, set and drop; what an edge keeps of its input; failures by policy.
#include "tests/operators/harness.h"

#include <stdio.h>

#define HEAD                                                                                                        \
    "name: 'g' schema { name: 'S' field: 'a int64 not null' field: 'b int64' field: 'c string' }\n"                \
    "source { name: 's' kafka { topic: 't' partitioned_by: 'c' } format { json {} } schema: 'S' }\n"
#define MAP(body) HEAD "node { name: 'n' input: 's' map { " body " } }"

static const struct row one = {"{\"a\":6,\"b\":3,\"c\":\"X\"}", 7, INT64_MIN, 0};

static void gives(const char *graph, const char *expected)
{
    struct harness h;
    harness_open(&h, graph, NULL);
    assert_int_equal(harness_feed(&h, &one, 1, 1), 0);
    assert_text(&h.emitted, expected);
    harness_check_sums(&h);
    harness_close(&h);
}

static void computes_columns(void **unused)
{
    (void)unused;
    gives(MAP("select: 'a' select: 'b * 2 AS d'"), "0 +1 7 {\"a\":6,\"d\":6}\n");
    gives(MAP("select: ' * ' select: 'a + 1 AS d'"), "0 +1 7 {\"a\":6,\"b\":3,\"c\":\"X\",\"d\":7}\n");
    gives(MAP("set: 'c = lower(c)'"), "0 +1 7 {\"a\":6,\"b\":3,\"c\":\"x\"}\n");
    gives(MAP("set: 'd=a = 6'"), "0 +1 7 {\"a\":6,\"b\":3,\"c\":\"X\",\"d\":true}\n");
    gives(MAP("set: '\"a =\"\"b\" = 1'"), "0 +1 7 {\"a\":6,\"b\":3,\"c\":\"X\",\"a =\\\"b\":1}\n");
    gives(MAP("drop: 'b'"), "0 +1 7 {\"a\":6,\"c\":\"X\"}\n");
    gives(MAP("drop: 'a' drop: 'c'"), "0 +1 7 {\"b\":3}\n");
}

static void sees_the_input_only(void **unused)
{
    (void)unused;
    gives(MAP("set: 'a = b' set: 'b = a'"), "0 +1 7 {\"a\":3,\"b\":6,\"c\":\"X\"}\n");
    gives(MAP("select: 'a + 1 AS b' set: 'a = b * 10'"), "0 +1 7 {\"b\":7,\"a\":30}\n");
}

static void selects_system_columns(void **unused)
{
    (void)unused;
    struct harness h;
    harness_open(&h, MAP("select: 'a' select: '_offset'"), NULL);
    const struct k_edge *edge = &h.node.outputs[0];
    assert_int_equal(edge->schema.count, 2);
    assert_false(edge->schema.fields[1].hidden);
    assert_true(h.source.edge.read[k_schema_find(&h.source.edge.schema, K_STR("_offset"))]);
    assert_false(h.source.edge.read[k_schema_find(&h.source.edge.schema, K_STR("b"))]);
    harness_close(&h);
}

static void keeps_what_passes_unchanged(void **unused)
{
    (void)unused;
    struct harness h;
    struct harness_input input = {.updating = true, .unique = "a", .window_start = "a", .window_end = "b"};
    harness_open(&h, MAP("select: 'b AS e' select: 'a' select: 'c AS k'"), &input);
    const struct k_edge *edge = &h.node.outputs[0];
    assert_true(edge->updating);
    assert_int_equal(edge->unique_count, 1);
    assert_int_equal(edge->unique[0], 1);
    assert_int_equal(edge->window_end, 0);
    assert_int_equal(edge->window_start, 1);
    assert_true(edge->keyed_by_partition);
    assert_int_equal(edge->partition_column, 2);
    assert_true(edge->schema.fields[1].not_null);
    harness_close(&h);
    input.unique = "b"; // stays, but without its other part it identifies nothing
    input.unique_too = "a";
    harness_open(&h, MAP("set: 'a = a + 0' set: 'c = upper(c)'"), &input);
    edge = &h.node.outputs[0];
    assert_int_equal(edge->unique_count, 0);
    assert_int_equal(edge->window_start, -1);
    assert_false(edge->keyed_by_partition);
    harness_close(&h);
}

static void fails_by_policy(void **unused)
{
    (void)unused;
    static const struct row rows[] = {{"{\"a\":6,\"b\":0,\"c\":\"X\"}", 7, INT64_MIN, 1},
                                      {"{\"a\":6,\"b\":2,\"c\":\"X\"}", 8, INT64_MIN, 1},
                                      {"{\"a\":6,\"b\":0,\"c\":\"X\"}", 9, INT64_MIN, -1}};
    struct harness h;
    struct harness_input input = {.updating = true};
    harness_open(&h, MAP("select: 'a / b AS q' select: '1 % b AS r'"), &input);
    assert_int_equal(harness_feed(&h, rows, 3, 3), 0);
    assert_text(&h.emitted, "0 +1 8 {\"q\":3,\"r\":1}\n");
    assert_text(&h.letters, "division_by_zero {\"a\":6,\"b\":0,\"c\":\"X\"}\n"); // once: the taking back is no news
    assert_int_equal(h.counters.dropped, 1);
    harness_check_sums(&h);
    harness_close(&h);
    harness_open(&h, HEAD "node { name: 'n' input: 's' policy { on_error: PASS_NULL } map { select: 'a / 0 AS q' "
                          "select: 'a' } }", &input);
    assert_false(h.node.outputs[0].schema.fields[0].not_null);
    assert_int_equal(harness_feed(&h, rows, 1, 1), 0);
    assert_text(&h.emitted, "0 +1 7 {\"q\":null,\"a\":6}\n");
    harness_close(&h);
}

static void refuses(const char *graph, const char *text)
{
    struct harness h;
    harness_plan(&h, graph, NULL);
    assert_string_equal(harness_diags(&h), text);
    harness_close(&h);
}

static void says_what_is_wrong(void **unused)
{
    (void)unused;
    refuses(MAP(""), "g:3:29: error[K0401]: map \"n\" changes nothing; add select, set or drop\n");
    refuses(MAP("select: 'a' select: 'b AS a'"),
            "g:3:55: error[K0404]: there are two columns \"a\"; name one of them otherwise with AS\n");
    refuses(MAP("drop: 'cc'"), "g:3:41: error[K0406]: drop: there is no column \"cc\"\n");
    refuses(MAP("drop: 'a' drop: 'b' drop: 'c'"), "g:3:29: error[K0401]: map \"n\" leaves no column\n");
    refuses(MAP("set: 'lower(c)'"), "g:3:40: error[K0401]: set: \"lower(c)\" is not of the form  column = expression, "
                                    "such as \"name = lower(name)\"\n");
    refuses(MAP("set: 'a = 1' set: 'a = 2'"), "g:3:53: error[K0404]: set: \"a\" is set twice\n");
    refuses(MAP("set: 'd =  bb'"),
            "g:3:46: error[K0310]: unknown column \"bb\"; \"s\" offers a, b, c\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(computes_columns),      cmocka_unit_test(sees_the_input_only),
        cmocka_unit_test(selects_system_columns), cmocka_unit_test(keeps_what_passes_unchanged),
        cmocka_unit_test(fails_by_policy),       cmocka_unit_test(says_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
