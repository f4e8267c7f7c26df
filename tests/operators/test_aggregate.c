// aggregate: groups, calls, windows and what is said when; brute force is in test_windows.
#include "tests/operators/harness.h"

#include <stdio.h>

#define FIELDS "field: 'k string' field: 'v int64' field: 'd double' field: 's string' field: 'ws timestamp not null' "\
               "field: 'we timestamp not null' "
#define HEAD                                                                      \
    "name: 'g' schema { name: 'S' " FIELDS "}\n"                                  \
    "source { name: 's' kafka { topic: 't' } format { json {} } schema: 'S' }\n"
#define AGGREGATE(body) HEAD "node { name: 'n' input: 's' aggregate { " body " } }"
#define ROW(k, v, time, watermark, weight) \
    {"{\"k\":" k ",\"v\":" v ",\"ws\":0,\"we\":60000}", (time) * SECOND, (watermark) * SECOND, weight}
#define NEVER (INT64_MIN / SECOND)

static void check(const char *graph, const struct harness_input *input, const struct row *rows, uint32_t count,
                  uint32_t batch, int64_t frontier_us, const char *expected)
{
    struct harness h;
    harness_open(&h, graph, input);
    assert_int_equal(harness_feed(&h, rows, count, batch), 0);
    if (h.node.frontier) harness_frontier(&h, frontier_us, 3);
    assert_text(&h.emitted, expected);
    harness_check_sums(&h);
    harness_close(&h);
}

static void every_update_is_said(void **unused)
{
    (void)unused;
    static const struct row rows[] = {
        ROW("\"a\"", "1", 1, NEVER, 1), ROW("\"a\"", "5", 2, NEVER, 1), ROW("null", "2", 3, NEVER, 1),
        ROW("\"a\"", "5", 4, NEVER, 1), ROW("null", "null", 5, NEVER, 1),
    };
    for (uint32_t batch = 1; batch <= 5; batch += 4)
        check(AGGREGATE("group_by: 'k' select: 'count(v) AS n' select: 'max(v) + 1 AS m'"), NULL, rows, 5, batch, 0,
              "0 +1 1000000 {\"k\":\"a\",\"n\":1,\"m\":2}\n"
              "0 -1 2000000 {\"k\":\"a\",\"n\":1,\"m\":2}\n0 +1 2000000 {\"k\":\"a\",\"n\":2,\"m\":6}\n"
              "0 +1 3000000 {\"k\":null,\"n\":1,\"m\":3}\n"
              "0 -1 4000000 {\"k\":\"a\",\"n\":2,\"m\":6}\n0 +1 4000000 {\"k\":\"a\",\"n\":3,\"m\":6}\n"
              // the last row changes nothing, so that nothing is said
        );
}

static void without_groups_all_is_one(void **unused)
{
    (void)unused;
    static const struct row rows[] = {ROW("\"a\"", "1", 1, NEVER, 1), ROW("\"b\"", "2", 2, NEVER, 1),
                                      ROW("\"a\"", "1", 3, NEVER, -1), ROW("\"b\"", "2", 4, NEVER, -1)};
    struct harness_input input = {.updating = true};
    check(AGGREGATE("select: 'sum(v) AS t'"), NULL, rows, 0, 1, 0, "");
    for (uint32_t batch = 1; batch <= 4; batch += 3)
        check(AGGREGATE("select: 'sum(v) AS t' select: 'min(v) AS m'"), &input, rows, 4, batch, 0,
              "0 +1 1000000 {\"t\":1,\"m\":1}\n0 -1 2000000 {\"t\":1,\"m\":1}\n0 +1 2000000 {\"t\":3,\"m\":1}\n"
              "0 -1 3000000 {\"t\":3,\"m\":1}\n0 +1 3000000 {\"t\":2,\"m\":2}\n0 -1 4000000 {\"t\":2,\"m\":2}\n");
}

static void calls_and_nulls(void **unused)
{
    (void)unused;
    static const struct row rows[] = {
        {"{\"k\":\"a\",\"v\":3,\"d\":0.5,\"s\":\"x\",\"ws\":0,\"we\":0}", 0, INT64_MIN, 0},
        {"{\"k\":\"a\",\"v\":null,\"d\":null,\"s\":null,\"ws\":0,\"we\":0}", 0, INT64_MIN, 0},
        {"{\"k\":\"a\",\"v\":-4,\"d\":-0.0,\"s\":\"\",\"ws\":0,\"we\":0}", 0, INT64_MIN, 0},
        {"{\"k\":\"b\",\"v\":null,\"d\":null,\"s\":null,\"ws\":0,\"we\":0}", 0, INT64_MIN, 0},
        {"{\"k\":\"a\",\"v\":3,\"d\":2,\"s\":\"w\",\"ws\":0,\"we\":0}", 0, INT64_MIN, 0},
    };
    static const char graph[] = AGGREGATE(
        "group_by: 'k' window { tumbling { size: '1m' } } select: 'count(*) AS n' select: 'count(v) AS c' "
        "select: 'sum(v) AS t' select: 'avg(v) AS a' select: 'min(v) AS l' select: 'max(v) AS g' "
        "select: 'sum(d) AS td' select: 'avg(d) AS ad' select: 'min(d) AS ld' select: 'max(d) AS gd' "
        "select: 'min(s) AS ls' select: 'max(s) AS gs' select: 'arg_min(s, v) AS am' select: 'arg_max(s, v) AS ax' "
        "select: 'count(*) FILTER (WHERE v > 0) AS f' select: 'sum(12 / v) FILTER (WHERE v <> 0) AS q'");
    static const char expected[] =
        "0 +1 59999999 "
        "{\"k\":\"a\",\"window_start\":\"1970-01-01T00:00:00Z\",\"window_end\":\"1970-01-01T00:01:00Z\","
        "\"n\":4,\"c\":3,\"t\":2,\"a\":0.6666666666666666,\"l\":-4,\"g\":3,\"td\":2.5,\"ad\":0.8333333333333334,"
        "\"ld\":0,\"gd\":2,"
        "\"ls\":\"\",\"gs\":\"x\",\"am\":\"\",\"ax\":\"w\",\"f\":2,\"q\":5}\n"
        "0 +1 59999999 "
        "{\"k\":\"b\",\"window_start\":\"1970-01-01T00:00:00Z\",\"window_end\":\"1970-01-01T00:01:00Z\","
        "\"n\":1,\"c\":0,\"t\":null,\"a\":null,\"l\":null,\"g\":null,\"td\":null,\"ad\":null,\"ld\":null,\"gd\":null,"
        "\"ls\":null,\"gs\":null,\"am\":null,\"ax\":null,\"f\":0,\"q\":null}\n";
    struct harness_input windowed = {.updating = true, .window_start = "ws", .window_end = "we"};
    for (uint32_t batch = 1; batch <= 5; batch += 4) {
        check(graph, NULL, rows, 5, batch, 60 * SECOND, expected);
        check(graph, &windowed, rows, 5, batch, 60 * SECOND, expected); // with multisets behind min, max and arg_*
    }
}

#define END(s, time) {"{\"s\":" s ",\"ws\":0,\"we\":0}", time, INT64_MIN, 0}
#define WINDOW "\"window_start\":\"1970-01-01T00:00:00Z\",\"window_end\":\"1970-01-01T00:01:00Z\","

static void check_ends(const struct row *rows, const struct place *places, uint32_t count,
                       const char *expected)
{
    for (uint32_t batch = 1; batch <= count; batch += count - 1) {
        struct harness h;
        struct k_buf state = {0};
        harness_open(&h,
                     AGGREGATE("window { hopping { size: '1m' every: '30s' } } select: 'first(s) AS f' "
                               "select: 'last(s) AS l' select: 'last(s) FILTER (WHERE s IS NOT NULL) AS n'"),
                     NULL);
        h.places = places;
        assert_int_equal(harness_feed(&h, rows, count, batch), 0);
        harness_dump(&h, &state); // a checkpoint
        harness_reopen(&h);
        harness_frontier(&h, 60 * SECOND, 1);
        const char *second = strchr(h.emitted.data, '\n') + 1; // the first window began before 1970
        assert_string_equal(second, expected);
        k_buf_fini(&state);
        harness_close(&h);
    }
}

// The order in which rows come says nothing, but of one record.
static void ends_go_by_place(void **unused)
{
    (void)unused;
    static const struct row rows[] = {
        END("\"p1o9\"", 5), END("null", 5), // this is the last
        END("\"p1o8\"", 5), END("\"early\"", 4),
        END("\"z\"", 3), // this is the first: of its record the first to come
        END("\"a\"", 3),    END("\"0\"", 3),  END("\"p0o99\"", 5),
    };
    static const struct place places[] = {{1, 9}, {1, 10}, {1, 8}, {1, 11}, {0, 7}, {0, 7}, {1, 6}, {0, 99}};
    check_ends(rows, places, 8, "0 +1 59999999 {" WINDOW "\"f\":\"z\",\"l\":null,\"n\":\"p1o9\"}\n");
}

// What a window made has no place but its time, so that the value decides.
static void ends_of_made_rows(void **unused)
{
    (void)unused;
    static const struct row rows[] = {END("\"c\"", 5), END("null", 5), END("\"z\"", 5), END("\"d\"", 5)};
    check_ends(rows, NULL, 4, "0 +1 59999999 {" WINDOW "\"f\":null,\"l\":\"z\",\"n\":\"z\"}\n");
}

static void sums_overflow_at_the_end_only(void **unused)
{
    (void)unused;
    static const struct row rows[] = {
        ROW("\"a\"", "9223372036854775807", 1, NEVER, 1), ROW("\"b\"", "9223372036854775807", 1, NEVER, 1),
        ROW("\"a\"", "9223372036854775807", 2, NEVER, 1), ROW("\"b\"", "1", 2, NEVER, 1),
        ROW("\"a\"", "-9223372036854775807", 3, NEVER, 1),
    };
    struct harness h;
    harness_open(
        &h, AGGREGATE("group_by: 'k' window { tumbling { size: '1m' } } select: 'sum(v) AS t' select: 'avg(v) AS a'"),
        NULL);
    assert_int_equal(harness_feed(&h, rows, 5, 5), 0);
    harness_frontier(&h, 60 * SECOND, 100);
    assert_text(&h.emitted,
                "0 +1 59999999 {\"k\":\"a\",\"window_start\":\"1970-01-01T00:00:00Z\","
                "\"window_end\":\"1970-01-01T00:01:00Z\",\"t\":9223372036854775807,\"a\":3074457345618258400}\n");
    assert_text(&h.letters, "overflow {\"k\":\"b\",\"window_start\":\"1970-01-01T00:00:00Z\","
                            "\"window_end\":\"1970-01-01T00:01:00Z\",\"t\":null,\"a\":4611686018427388000}\n");
    harness_check_sums(&h);
    harness_close(&h);
    // Results and expressions that fail beside each other.
    static const struct row both[] = {
        ROW("\"a\"", "9223372036854775807", 1, NEVER, 1), ROW("\"a\"", "7", 1, NEVER, 1),
        ROW("\"b\"", "7", 2, NEVER, 1), ROW("\"c\"", "8", 2, NEVER, 1),
    };
    harness_open(&h,
                 AGGREGATE("group_by: 'k' window { tumbling { size: '1m' } } select: 'sum(v) AS t' "
                           "select: '1 / (min(v) - 7) AS q'"),
                 NULL);
    assert_int_equal(harness_feed(&h, both, 4, 4), 0);
    harness_frontier(&h, 60 * SECOND, 100);
    assert_int_equal(h.counters.out, 1);
    assert_memory_equal(h.letters.data, "overflow {\"k\":\"a\"", 17);
    assert_non_null(strstr(h.letters.data, "\ndivision_by_zero {\"k\":\"b\""));
    assert_int_equal(h.counters.dead_lettered, 2); // of one row's failures the first
    harness_check_sums(&h);
    harness_close(&h);
    // ON_UPDATE: the row that cannot be said is no row; what it replaced goes, and what replaces it comes.
    harness_open(&h, AGGREGATE("group_by: 'k' select: 'sum(v) AS t'"), NULL);
    assert_int_equal(harness_feed(&h, rows, 5, 5), 0);
    assert_text(
        &h.emitted,
        "0 +1 1000000 {\"k\":\"a\",\"t\":9223372036854775807}\n0 +1 1000000 {\"k\":\"b\",\"t\":9223372036854775807}\n"
        "0 -1 2000000 {\"k\":\"a\",\"t\":9223372036854775807}\n0 -1 2000000 {\"k\":\"b\",\"t\":9223372036854775807}\n"
        "0 +1 3000000 {\"k\":\"a\",\"t\":9223372036854775807}\n");
    assert_text(&h.letters, "overflow {\"k\":\"a\",\"t\":null}\noverflow {\"k\":\"b\",\"t\":null}\n");
    harness_check_sums(&h);
    harness_close(&h);
}

static void failed_arguments_pass_as_null(void **unused)
{
    (void)unused;
    static const struct row rows[] = {ROW("\"a\"", "0", 1, NEVER, 1), ROW("\"a\"", "5", 2, NEVER, 1)};
    check(HEAD "node { name: 'n' input: 's' policy { on_error: PASS_NULL } aggregate { "
               "select: 'count(10 / coalesce(v, 1)) AS c' select: 'count(NULL) AS z' select: 'count(*) AS n' } }",
          NULL, rows, 2, 2, 0,
          "0 +1 1000000 {\"c\":0,\"z\":0,\"n\":1}\n"
          "0 -1 2000000 {\"c\":0,\"z\":0,\"n\":1}\n0 +1 2000000 {\"c\":1,\"z\":0,\"n\":2}\n");
}

// Many windows, each with little, and one with much, in portions of every size.
static void closes_a_large_window_whole(void **unused)
{
    (void)unused;
    enum { GROUPS = 9000 };
    static struct row rows[GROUPS];
    static char json[GROUPS][64];
    for (uint32_t i = 0; i < GROUPS; i++) {
        snprintf(json[i], sizeof json[i], "{\"v\":%u,\"ws\":0,\"we\":0}", i);
        rows[i] = (struct row){json[i], (i < 100 ? (int64_t)i * 60 : 7000) * SECOND, INT64_MIN, 0};
    }
    for (uint64_t portion = 1; portion <= 100000; portion = portion * 7 + 93) {
        struct harness h;
        harness_open(&h, AGGREGATE("group_by: 'v' window { tumbling { size: '1m' } }"), NULL);
        assert_int_equal(harness_feed(&h, rows, GROUPS, 4096), 0);
        harness_frontier(&h, INT64_MAX, portion);
        assert_int_equal(h.last_units, GROUPS);
        uint32_t lines = 0, last = 0, v;
        for (const char *line = h.emitted.data; *line; line = strchr(line, '\n') + 1, lines++) {
            assert_int_equal(sscanf(strchr(line, '{'), "{\"v\":%u", &v), 1);
            assert_true(lines == 0 || v == last + 1);
            last = v;
        }
        assert_int_equal(lines, GROUPS);
        harness_close(&h);
    }
}

static void windows_close_in_order(void **unused)
{
    (void)unused;
    static const struct row rows[] = {
        ROW("\"b\"", "1", 61, NEVER, 1), ROW("\"a\"", "1", 59, NEVER, 1), ROW("\"b\"", "1", 0, NEVER, 1),
        ROW("\"b\"", "1", -1, NEVER, 1), ROW("\"a\"", "1", 60, NEVER, 1), ROW("\"c\"", "1", 59, NEVER, 1),
    };
    struct harness h;
    harness_open(&h, AGGREGATE("group_by: 'k' window { tumbling { size: '1m' } } grace: '5s' select: 'count(*) AS n' "
                               "select: 'window_end AS e'"), NULL);
    assert_int_equal(harness_feed(&h, rows, 6, 6), 0);
    const struct k_edge *edge = &h.node.outputs[0];
    assert_false(edge->updating);
    assert_int_equal(edge->delay_us, 5 * SECOND);
    assert_int_equal(edge->window_end, 2);
    assert_int_equal(edge->unique_count, 2); // the group and the start of its window
    harness_frontier(&h, 5 * SECOND - 1, 100);
    assert_text(&h.emitted, "");
    harness_frontier(&h, 65 * SECOND, 2);
    assert_int_equal(h.last_units, 4);
    assert_text(
        &h.emitted,
        "0 +1 -1 "
        "{\"k\":\"b\",\"window_start\":\"1969-12-31T23:59:00Z\",\"window_end\":\"1970-01-01T00:00:00Z\",\"n\":1,"
        "\"e\":\"1970-01-01T00:00:00Z\"}\n"
        "0 +1 59999999 "
        "{\"k\":\"a\",\"window_start\":\"1970-01-01T00:00:00Z\",\"window_end\":\"1970-01-01T00:01:00Z\",\"n\":1,"
        "\"e\":\"1970-01-01T00:01:00Z\"}\n"
        "0 +1 59999999 "
        "{\"k\":\"b\",\"window_start\":\"1970-01-01T00:00:00Z\",\"window_end\":\"1970-01-01T00:01:00Z\",\"n\":1,"
        "\"e\":\"1970-01-01T00:01:00Z\"}\n"
        "0 +1 59999999 "
        "{\"k\":\"c\",\"window_start\":\"1970-01-01T00:00:00Z\",\"window_end\":\"1970-01-01T00:01:00Z\",\"n\":1,"
        "\"e\":\"1970-01-01T00:01:00Z\"}\n");
    k_buf_clear(&h.emitted);
    harness_frontier(&h, INT64_MAX, 100); // the input is complete
    assert_int_equal(h.last_units, 2);
    harness_check_sums(&h);
    harness_close(&h);
}

static void late_is_late_to_the_microsecond(void **unused)
{
    (void)unused;
    static const struct row rows[] = {
        {"{\"k\":\"a\",\"ws\":0,\"we\":0}", 59 * SECOND, 65 * SECOND - 1, 0},
        {"{\"k\":\"b\",\"ws\":0,\"we\":0}", 59 * SECOND, 65 * SECOND, 0},
        {"{\"k\":\"c\",\"ws\":0,\"we\":0}", 60 * SECOND, 65 * SECOND, 0},
    };
    struct harness h;
    harness_open(&h, AGGREGATE("group_by: 'k' window { tumbling { size: '1m' } } grace: '5s' select: 'count(*) AS n' "
                               "late_topic: 'lates'"), NULL);
    assert_int_equal(h.node.topic_count, 1);
    assert_int_equal(harness_feed(&h, rows, 3, 3), 0);
    assert_int_equal(h.counters.late, 1);
    assert_memory_equal(h.late.data, "lates {\"k\":\"b\"", 14);
    assert_int_equal(h.counters.processed, 2);
    harness_check_sums(&h);
    harness_close(&h);
}

static void windows_speak_on_update(void **unused)
{
    (void)unused;
    static const struct row rows[] = {ROW("\"a\"", "1", 5, NEVER, 1), ROW("\"a\"", "1", 6, NEVER, 1),
                                      ROW("\"a\"", "1", 9, 12, 1)};
    static const char graph[] =
        AGGREGATE("group_by: 'k' window { hopping { size: '10s' every: '5s' } } emit: ON_UPDATE "
                  "select: 'count(*) AS n'");
    for (uint32_t batch = 1; batch <= 3; batch += 2) {
        struct harness h;
        harness_open(&h, graph, NULL);
        assert_true(h.node.outputs[0].updating);
        assert_int_equal(harness_feed(&h, rows, 3, batch), 0);
        harness_frontier(&h, 10 * SECOND, 100);
        assert_int_equal(h.last_units, 1); // its window is over; nothing is said, the row stays as it is
        assert_text(&h.emitted, "0 +1 9999999 "
                                "{\"k\":\"a\",\"window_start\":\"1970-01-01T00:00:00Z\",\"window_end\":\"1970-01-"
                                "01T00:00:10Z\",\"n\":1}\n"
                                "0 +1 14999999 "
                                "{\"k\":\"a\",\"window_start\":\"1970-01-01T00:00:05Z\",\"window_end\":\"1970-01-"
                                "01T00:00:15Z\",\"n\":1}\n"
                                "0 -1 9999999 "
                                "{\"k\":\"a\",\"window_start\":\"1970-01-01T00:00:00Z\",\"window_end\":\"1970-01-"
                                "01T00:00:10Z\",\"n\":1}\n"
                                "0 +1 9999999 "
                                "{\"k\":\"a\",\"window_start\":\"1970-01-01T00:00:00Z\",\"window_end\":\"1970-01-"
                                "01T00:00:10Z\",\"n\":2}\n"
                                "0 -1 14999999 "
                                "{\"k\":\"a\",\"window_start\":\"1970-01-01T00:00:05Z\",\"window_end\":\"1970-01-"
                                "01T00:00:15Z\",\"n\":1}\n"
                                "0 +1 14999999 "
                                "{\"k\":\"a\",\"window_start\":\"1970-01-01T00:00:05Z\",\"window_end\":\"1970-01-"
                                "01T00:00:15Z\",\"n\":2}\n"
                                "0 -1 14999999 "
                                "{\"k\":\"a\",\"window_start\":\"1970-01-01T00:00:05Z\",\"window_end\":\"1970-01-"
                                "01T00:00:15Z\",\"n\":2}\n"
                                "0 +1 14999999 "
                                "{\"k\":\"a\",\"window_start\":\"1970-01-01T00:00:05Z\",\"window_end\":\"1970-01-"
                                "01T00:00:15Z\",\"n\":3}\n");
        harness_check_sums(&h);
        harness_close(&h);
    }
}

static void windows_are_inherited(void **unused)
{
    (void)unused;
    static const struct row rows[] = {
        {"{\"k\":\"a\",\"v\":1,\"ws\":0,\"we\":60000}", 60 * SECOND - 1, INT64_MIN, 1},
        {"{\"k\":\"b\",\"v\":5,\"ws\":0,\"we\":60000}", 60 * SECOND - 1, INT64_MIN, 1},
        {"{\"k\":\"b\",\"v\":5,\"ws\":0,\"we\":60000}", 60 * SECOND - 1, INT64_MIN, -1},
        {"{\"k\":\"b\",\"v\":7,\"ws\":30000,\"we\":90000}", 90 * SECOND - 1, INT64_MIN, 1},
        {"{\"k\":\"c\",\"v\":9,\"ws\":0,\"we\":30000}", 30 * SECOND - 1, INT64_MIN, 1},
        {"{\"k\":\"c\",\"v\":9,\"ws\":0,\"we\":30000}", 30 * SECOND - 1, INT64_MIN, -1},
    };
    static const char graph[] =
        AGGREGATE("window { inherit {} } grace: '1s' select: 'max(v) AS m' select: 'arg_max(k, v) AS k'");
    struct harness_input input = {.updating = true, .window_start = "ws", .window_end = "we"};
    struct harness h;
    harness_open(&h, graph, &input);
    assert_int_equal(harness_feed(&h, rows, 6, 6), 0);
    harness_frontier(&h, 61 * SECOND, 100);
    assert_text(&h.emitted,
                "0 +1 59999999 {\"window_start\":\"1970-01-01T00:00:00Z\",\"window_end\":\"1970-01-01T00:01:00Z\","
                "\"m\":1,\"k\":\"a\"}\n"); // of the window from which all was taken back nothing is said
    harness_close(&h);
}

static void unbounded_groups_keep_a_window_column(void **unused)
{
    (void)unused;
    struct harness_input input = {.updating = true, .window_start = "ws", .window_end = "we"};
    struct harness h;
    harness_open(&h, AGGREGATE("group_by: 'k' group_by: 'we' group_by: 'ws' select: 'count(*) AS n'"), &input);
    assert_int_equal(h.node.outputs[0].window_end, 1);
    assert_int_equal(h.node.outputs[0].window_start, 2);
    assert_false(h.node.frontier);
    harness_close(&h);
    harness_open(&h, AGGREGATE("group_by: 'k' select: 'count(*) AS n'"), &input);
    assert_int_equal(h.node.outputs[0].window_end, -1);
    harness_close(&h);
}

static void group_values_look_alike(void **unused)
{
    (void)unused;
    static const struct row rows[] = {{"{\"d\":-0.0,\"ws\":0,\"we\":0}", 1, INT64_MIN, 0},
                                      {"{\"d\":0,\"ws\":0,\"we\":0}", 2, INT64_MIN, 0}};
    check(AGGREGATE("group_by: 'd' select: 'count(*) AS n'"), NULL, rows, 2, 1, 0,
          "0 +1 1 {\"d\":0,\"n\":1}\n0 -1 2 {\"d\":0,\"n\":1}\n0 +1 2 {\"d\":0,\"n\":2}\n");
}

static void state_comes_back(void **unused)
{
    (void)unused;
    static const struct row rows[] = {
        {"{\"k\":\"a\",\"v\":3,\"d\":1e300,\"s\":\"x\",\"ws\":0,\"we\":0}", 1, INT64_MIN, 1},
        {"{\"k\":\"a\",\"v\":4,\"d\":1e-300,\"s\":\"y\",\"ws\":0,\"we\":0}", 2, INT64_MIN, 1},
        {"{\"k\":\"a\",\"v\":3,\"d\":1e300,\"s\":\"x\",\"ws\":0,\"we\":0}", 3, INT64_MIN, -1},
        {"{\"k\":\"a\",\"v\":null,\"d\":null,\"s\":null,\"ws\":0,\"we\":0}", 4, INT64_MIN, 1},
    };
    static const char graph[] =
        AGGREGATE("group_by: 'k' select: 'sum(v) AS t' select: 'sum(d) AS td' select: 'min(s) AS l' "
                  "select: 'max(v) AS g' select: 'arg_min(s, d) AS m' select: 'count(v) AS c'");
    struct harness_input input = {.updating = true};
    struct harness whole, broken;
    harness_open(&whole, graph, &input);
    harness_open(&broken, graph, &input);
    assert_int_equal(harness_feed(&whole, rows, 4, 4), 0);
    for (int i = 0; i < 4; i++) { // the store after every row
        struct k_buf dump = {0};
        assert_int_equal(harness_feed(&broken, &rows[i], 1, 1), 0);
        harness_dump(&broken, &dump);
        harness_reopen(&broken);
        k_buf_fini(&dump);
    }
    assert_text(&broken.emitted, whole.emitted.data);
    assert_non_null(strstr(whole.emitted.data, "0 +1 3 {\"k\":\"a\",\"t\":4,\"td\":1e-300,\"l\":\"y\",\"g\":4,"
                                               "\"m\":\"y\",\"c\":1}\n"));
    harness_close(&whole);
    harness_close(&broken);
}

// More different values than the cache holds in a window: they lie in the store one by one, and go portion by portion.
static void many_distinct_values_close_in_portions(void **unused)
{
    (void)unused;
    enum { VALUES = 30000 };
    struct harness h;
    static struct row rows[VALUES];
    static char json[VALUES][80];
    harness_open(&h, AGGREGATE("window { tumbling { size: '1m' } } select: 'count(DISTINCT v) AS n'"), NULL);
    for (uint32_t i = 0; i < VALUES; i++) {
        snprintf(json[i], sizeof json[i], "{\"k\":\"a\",\"v\":%u,\"d\":null,\"s\":null,\"ws\":0,\"we\":0}",
                 i / 2 * 7919);
        rows[i] = (struct row){json[i], i, NEVER, 1};
    }
    assert_int_equal(harness_feed(&h, rows, VALUES, 1000), 0);
    struct k_buf dump = {0};
    harness_dump(&h, &dump); // a checkpoint: from here on values may leave memory
    k_state_trim(h.state);
    harness_frontier(&h, 60 * SECOND, 777);
    assert_text(&h.emitted, "0 +1 59999999 {\"window_start\":\"1970-01-01T00:00:00Z\","
                            "\"window_end\":\"1970-01-01T00:01:00Z\",\"n\":15000}\n");
    assert_int_equal(h.last_units, 1 + VALUES / 2); // the group, then its values
    k_buf_clear(&dump);
    harness_dump(&h, &dump);
    assert_int_equal(dump.length, 0);
    k_buf_fini(&dump);
    harness_close(&h);
}

static void refuses(const char *graph, const struct harness_input *input, const char *text)
{
    struct harness h;
    harness_plan(&h, graph, input);
    assert_string_equal(harness_diags(&h), text);
    harness_close(&h);
}

static void says_what_is_wrong(void **unused)
{
    (void)unused;
    struct harness_input updating = {.updating = true};
    refuses(AGGREGATE(""), NULL,
            "g:3:29: error[K0401]: \"n\" says neither how to group nor what to compute; add  select: "
            "\"count(*) AS n\"\n");
    refuses(AGGREGATE("select: 'count(*) AS n' window { tumbling { } }"), NULL,
            "g:3:74: error[K0401]: the window of \"n\" needs size, such as  size: \"1m\"\n");
    refuses(AGGREGATE("select: 'count(*) AS n' window { hopping { size: '10s' every: '3s' } }"), NULL,
            "g:3:90: error[K0405]: size \"10s\" is not a multiple of every \"3s\"\n");
    refuses(AGGREGATE("select: 'count(*) AS n' window { hopping { size: '7d' every: '1s' } }"), NULL,
            "g:3:102: error[K0405]: every row would lie in 604800 windows; at most 10000 are allowed\n");
    refuses(AGGREGATE("select: 'count(*) AS n' window { inherit { } }"), NULL,
            "g:3:65: error[K0405]: \"n\" inherits the window of \"s\", which has none (window_start and window_end "
            "must still be "
            "there); use tumbling or hopping\n");
    refuses(AGGREGATE("select: 'count(*) AS n' window { tumbling { size: '1m' } }"), &updating,
            "g:3:65: error[K0405]: \"n\" has a window, but rows of \"s\" are replaced and taken back at any time, "
            "which has no "
            "event time; aggregate by window before that, or leave the window out\n");
    refuses(
        AGGREGATE("select: 'count(*) AS n' emit: ON_CLOSE grace: '1s' late_topic: 'l'"), NULL,
        "g:3:65: error[K0409]: \"n\" has no window, so it never closes; use  emit: ON_UPDATE  or add a window\n"
        "g:3:80: error[K0409]: \"n\" has no window, so nothing is ever late; leave grace out or add a window\n"
        "g:3:92: error[K0409]: \"n\" has no window, so nothing is ever late; leave late_topic out or add a window\n");
    refuses(AGGREGATE("group_by: 'v AS window_start' window { tumbling { size: '1m' } } select: 'count(*) AS k' "
                      "select: 'max(k) AS k'"),
            NULL,
            "g:3:51: error[K0404]: \"window_start\" is reserved: it is the window's own column, which the output has "
            "anyway\n"
            "g:3:138: error[K0404]: there are two columns \"k\"; name one of them otherwise with AS\n");
    refuses(AGGREGATE("select: \"arg_min(we - ws, v) > interval '1s' AS x\""), NULL,
            "g:3:49: error[K0403]: an aggregate function cannot remember a value of type interval; convert it first\n");
    refuses(AGGREGATE("select: 'last(v) AS x'"), &updating,
            "g:3:49: error[K0407]: rows of \"s\" are replaced and taken back, so that none stays the last; say what "
            "orders them:  arg_max(VALUE, COLUMN)\n");
    refuses(AGGREGATE("group_by: 'kk' select: 'sum(s) AS x'"), NULL,
            "g:3:52: error[K0310]: unknown column \"kk\"; \"s\" offers k, v, d, s, ws, we\n"
            "g:3:65: error[K0321]: there is no sum(string); there is sum(int64) → int64, sum(double) → double\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_update_is_said),      cmocka_unit_test(without_groups_all_is_one),
        cmocka_unit_test(calls_and_nulls),           cmocka_unit_test(sums_overflow_at_the_end_only),
        cmocka_unit_test(failed_arguments_pass_as_null), cmocka_unit_test(closes_a_large_window_whole),
        cmocka_unit_test(windows_close_in_order),    cmocka_unit_test(late_is_late_to_the_microsecond),
        cmocka_unit_test(windows_speak_on_update),   cmocka_unit_test(windows_are_inherited),
        cmocka_unit_test(unbounded_groups_keep_a_window_column), cmocka_unit_test(group_values_look_alike),
        cmocka_unit_test(ends_go_by_place),          cmocka_unit_test(ends_of_made_rows),
        cmocka_unit_test(state_comes_back),          cmocka_unit_test(many_distinct_values_close_in_portions),
        cmocka_unit_test(says_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
