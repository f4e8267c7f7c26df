// route: the first case that is true takes the row, "else" the rest; failures of all cases in the order of the rows.
#include "tests/operators/harness.h"

#define HEAD                                                                        \
    "name: 'g' schema { name: 'S' field: 'a int64' field: 'b int64' }\n"            \
    "source { name: 's' kafka { topic: 't' } format { json {} } schema: 'S' }\n"
#define ROUTE(more)                                                                                       \
    HEAD "node { name: 'r' input: 's' route { case { name: 'ten' when: '10 / a = 1' } "                   \
         "case { name: 'big' when: '100 / b > 4' } } " more " }"

static const struct row rows[] = {
    {"{\"a\":10,\"b\":1}", 1, INT64_MIN, 0}, {"{\"a\":1,\"b\":0}", 2, INT64_MIN, 0},
    {"{\"a\":0,\"b\":1}", 3, INT64_MIN, 0},  {"{\"a\":1,\"b\":5}", 4, INT64_MIN, 0},
    {"{\"a\":1,\"b\":99}", 5, INT64_MIN, 0}, {"{\"a\":null,\"b\":null}", 6, INT64_MIN, 0},
};

static void first_case_takes_the_row(void **unused)
{
    (void)unused;
    struct harness h;
    harness_open(&h, ROUTE(""), NULL);
    assert_int_equal(h.node.output_count, 3);
    assert_string_equal(h.node.outputs[0].name, "r.ten");
    assert_string_equal(h.node.outputs[2].name, "r.else");
    assert_ptr_equal(h.node.outputs[1].read, h.source.edge.read); // what is read of us reaches the source
    assert_int_equal(harness_feed(&h, rows, 6, 6), 0);
    assert_text(&h.emitted, "0 +1 1 {\"a\":10,\"b\":1}\n"
                            "1 +1 4 {\"a\":1,\"b\":5}\n"
                            "2 +1 5 {\"a\":1,\"b\":99}\n"
                            "2 +1 6 {\"a\":null,\"b\":null}\n");
    // The second case failed on an earlier row than the first did.
    assert_text(&h.letters, "division_by_zero {\"a\":1,\"b\":0}\ndivision_by_zero {\"a\":0,\"b\":1}\n");
    assert_int_equal(h.counters.processed, 4);
    harness_check_sums(&h);
    harness_close(&h);
}

static void a_failed_condition_passes_as_null(void **unused)
{
    (void)unused;
    struct harness h;
    harness_open(&h, ROUTE("policy { on_error: PASS_NULL }"), NULL);
    assert_int_equal(harness_feed(&h, rows + 1, 2, 2), 0);
    assert_text(&h.emitted, "1 +1 3 {\"a\":0,\"b\":1}\n2 +1 2 {\"a\":1,\"b\":0}\n");
    harness_check_sums(&h);
    harness_close(&h);
}

static void says_what_is_wrong(void **unused)
{
    (void)unused;
    struct harness h;
    harness_plan(&h, HEAD "node { name: 'r' input: 's' route { case { name: 'else' when: 'a = 1' }\n"
                          "case { when: 'a' } case { name: 'x' when: 'true' } case { name: 'x' } } }", NULL);
    assert_string_equal(harness_diags(&h),
                        "g:3:50: error[K0201]: case \"else\": \"else\" is the name of what no case wants\n"
                        "g:4:1: error[K0401]: \"r\" needs name; add  name: \"NAME\"  to the case\n"
                        "g:4:14: error[K0403]: \"when\" must be a condition, of type bool; it is of type int64\n"
                        "g:4:52: error[K0401]: \"r\" needs when; add  when: \"CONDITION\"  to the case\n"
                        "g:4:65: error[K0202]: there are two cases \"x\" in \"r\"\n");
    harness_close(&h);
    harness_plan(&h, HEAD "node { name: 'r' input: 's' route { } }", NULL);
    assert_string_equal(harness_diags(&h),
                        "g:3:29: error[K0401]: route \"r\" has no case; add  case { name: \"NAME\" when: "
                        "\"CONDITION\" }\n");
    harness_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_case_takes_the_row),
        cmocka_unit_test(a_failed_condition_passes_as_null),
        cmocka_unit_test(says_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
