// filter: what is true stays, what is false or NULL is filtered, what fails goes by policy.
#include "tests/operators/harness.h"

#include <stdio.h>

#define GRAPH(more)                                                                                             \
    "name: 'g' schema { name: 'S' field: 'a int64' field: 'b int64' }"                                          \
    "source { name: 's' kafka { topic: 't' } format { json {} } schema: 'S' }"                                  \
    "node { name: 'n' input: 's' filter { where: '10 / a > b' } " more "}"

static const struct row rows[] = {
    {"{\"a\":1,\"b\":2}", 1, INT64_MIN, 0}, {"{\"a\":10,\"b\":2}", 2, INT64_MIN, 0},
    {"{\"a\":0,\"b\":2}", 3, INT64_MIN, 0}, {"{\"a\":null,\"b\":2}", 4, INT64_MIN, 0},
    {"{\"a\":2,\"b\":4}", 5, INT64_MIN, 0},
};

static void run(const char *graph, uint32_t batch, struct harness *h, int expected)
{
    harness_open(h, graph, NULL);
    assert_int_equal(harness_feed(h, rows, 5, batch), expected);
}

static void keeps_what_is_true(void **unused)
{
    (void)unused;
    for (uint32_t batch = 1; batch <= 5; batch += 2) {
        struct harness h;
        run(GRAPH(""), batch, &h, 0);
        assert_text(&h.emitted, "0 +1 1 {\"a\":1,\"b\":2}\n0 +1 5 {\"a\":2,\"b\":4}\n");
        assert_int_equal(h.counters.processed, 2);
        assert_int_equal(h.counters.filtered, 2);
        assert_int_equal(h.counters.dead_lettered, 1);
        assert_text(&h.letters, "division_by_zero {\"a\":0,\"b\":2}\n");
        harness_check_sums(&h);
        harness_close(&h);
    }
}

static void goes_by_policy(void **unused)
{
    (void)unused;
    struct harness h;
    run(GRAPH("policy { on_error: DROP }"), 5, &h, 0);
    assert_int_equal(h.counters.dropped, 1);
    harness_check_sums(&h);
    harness_close(&h);
    run(GRAPH("policy { on_error: PASS_NULL }"), 5, &h, 0);
    assert_int_equal(h.counters.filtered, 3);
    assert_int_equal(h.counters.dead_lettered + h.counters.dropped, 0);
    harness_check_sums(&h);
    harness_close(&h);
    run(GRAPH("policy { on_error: STOP }"), 1, &h, K_E_DATA);
    assert_int_equal(h.counters.out, 1);
    harness_close(&h);
}

static void refuses(const char *graph, const char *text)
{
    struct harness h;
    harness_plan(&h, graph, NULL);
    assert_false(h.planned);
    assert_string_equal(harness_diags(&h), text);
    harness_close(&h);
}

static void says_what_is_wrong(void **unused)
{
    (void)unused;
    static const char head[] = "name: 'g' schema { name: 'S' field: 'status int64' }\n"
                               "source { name: 's' kafka { topic: 't' } format { json {} } schema: 'S' }\n";
    char graph[1000];
    snprintf(graph, sizeof graph, "%snode { name: 'n' input: 's' filter { } }", head);
    refuses(graph, "g:3:29: error[K0401]: \"n\" needs where; add  where: \"CONDITION\"\n");
    snprintf(graph, sizeof graph, "%snode { name: 'n' input: 's' filter { where: 'status + 1' } }", head);
    refuses(graph, "g:3:45: error[K0403]: \"where\" must be a condition, of type bool; it is of type int64\n");
    snprintf(graph, sizeof graph, "%snode { name: 'n' input: 's' filter { where: 'stats = 1' } }", head);
    refuses(
        graph,
        "g:3:46: error[K0310]: unknown column \"stats\"; \"s\" offers status (int64); did you mean \"status\"?\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_is_true),
        cmocka_unit_test(goes_by_policy),
        cmocka_unit_test(says_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
