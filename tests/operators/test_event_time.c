// event_time: the new event time, what it does to watermarks, and rows that have none.
#include "tests/operators/harness.h"

#define HEAD                                                                                             \
    "name: 'g' schema { name: 'S' field: 'a int64' field: 't timestamp' field: 'ws timestamp not null' " \
    "field: 'we timestamp not null' }\n"                                                                 \
    "source { name: 's' kafka { topic: 't' } format { json {} } schema: 'S' }\n"
#define NODE(fields, more) HEAD "node { name: 'e' input: 's' event_time { " fields " } " more " }"
#define ROW(a, t) "{\"a\":" a ",\"t\":" t ",\"ws\":0,\"we\":0}"
#define OUT(a, t) "{\"a\":" a ",\"t\":" t ",\"ws\":null,\"we\":null}" // what nobody reads is not there

static void rows_get_another_time(void **unused)
{
    (void)unused;
    struct harness h;
    static const struct row rows[] = {{ROW("1", "5"), 7, 100, 0}, {ROW("2", "9"), 8, INT64_MIN, 0}};
    harness_open(&h, NODE("expr: 't' behind: '2s'", ""), NULL);
    assert_int_equal(h.node.outputs[0].delay_us, 2 * SECOND);
    assert_int_equal(harness_feed(&h, rows, 2, 2), 0);
    assert_text(
        &h.emitted,
        "0 +1 5000 " OUT("null", "\"1970-01-01T00:00:00.005Z\"") "\n"
                                                                 "0 +1 9000 " OUT(
                                                                     "null", "\"1970-01-01T00:00:00.009Z\"") "\n");
    // The watermark that rows carry stays behind by 2 s; a row that is never late stays so.
    assert_int_equal(h.watermarks[0], 100 - 2 * SECOND);
    assert_int_equal(h.watermarks[1], INT64_MIN);
    harness_check_sums(&h);
    harness_close(&h);
}

static const struct row bad[] = {
    {ROW("0", "5"), 7, 0, 0}, {ROW("1", "null"), 8, 0, 0}, {ROW("-1", "5"), 9, 0, 0}, {ROW("1", "5"), 10, 0, 0}};
static void rows_without_a_time_are_failures(void **unused)
{
    (void)unused;
    struct harness h;
    harness_open(&h, NODE("expr: 'CASE WHEN 1 / a > 0 THEN t END'", ""), NULL);
    assert_int_equal(harness_feed(&h, bad, 4, 4), 0);
    assert_text(&h.emitted, "0 +1 5000 " OUT("1", "\"1970-01-01T00:00:00.005Z\"") "\n");
    assert_text(
        &h.letters,
        "division_by_zero " OUT(
            "0", "\"1970-01-01T00:00:00.005Z\"") "\n"
                                                 "no_event_time " OUT(
                                                     "1", "null") "\n"
                                                                  "no_event_time " OUT(
                                                                      "-1", "\"1970-01-01T00:00:00.005Z\"") "\n");
    harness_check_sums(&h);
    harness_close(&h);
    // With PASS_NULL they keep the time that they had.
    harness_open(&h, NODE("expr: 'CASE WHEN 1 / a > 0 THEN t END'", "policy { on_error: PASS_NULL }"), NULL);
    assert_int_equal(harness_feed(&h, bad, 3, 3), 0);
    assert_text(
        &h.emitted,
        "0 +1 7 " OUT("0", "\"1970-01-01T00:00:00.005Z\"") "\n"
                                                           "0 +1 8 " OUT(
                                                               "1", "null") "\n"
                                                                            "0 +1 9 " OUT(
                                                                                "-1",
                                                                                "\"1970-01-01T00:00:00.005Z\"") "\n");
    harness_close(&h);
}

static void says_what_is_wrong(void **unused)
{
    (void)unused;
    struct harness h;
    struct harness_input made = {.made = true};
    harness_plan(&h, NODE("expr: 'a' behind: '-1s'", ""), &made);
    assert_string_equal(
        harness_diags(&h),
        "g:3:29: error[K0405]: \"e\" dates rows of \"s\" anew, but an aggregate made them for a window, "
        "and the windows that follow close by that event time; put event_time before the aggregate\n"
        "g:3:48: error[K0403]: the event time must be of type timestamp; \"a\" is of type int64\n"
        "g:3:60: error[K0402]: behind: \"-1s\" is not a duration, such as \"90s\", \"5m\" or \"1h30m\"\n");
    harness_close(&h);
    harness_plan(&h, NODE("", ""), NULL);
    assert_string_equal(harness_diags(&h), "g:3:29: error[K0401]: \"e\" needs expr; add  expr: \"COLUMN\"\n");
    harness_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_get_another_time),
        cmocka_unit_test(rows_without_a_time_are_failures),
        cmocka_unit_test(says_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
