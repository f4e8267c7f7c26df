// The reference judged by hand: each case was computed on paper from the comments of kappa.proto.
#include <stdio.h>

#include "tests/reference/graphs.h"

#define T "1970-01-01T00:00:"
#define WINDOW(k, from, to, rest) \
    "{\"table\":\"t\",\"row\":{\"k\":\"" k "\",\"window_start\":\"" T from "Z\",\"window_end\":\"" T to "Z\"," \
    rest "}}\n"

// What one counter of a source or node says.
static uint64_t counter(struct run *run, const char *name, size_t offset)
{
    uint32_t count;
    const struct reference_counters *counters = reference_counters(run->reference, &count);
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(counters[i].name, name) == 0) return *(const uint64_t *)((const char *)&counters[i] + offset);
    fail_msg("no counters of %s", name);
    return 0;
}
#define COUNTER(run, name, field) counter(run, name, offsetof(struct reference_counters, field))

#define TUMBLING(more)                                                                                          \
    "node { name: 'w' input: 'in' aggregate { group_by: 'k' window { tumbling { size: '10s' } } "        \
    "select: 'count(*) AS n' select: 'sum(v) AS s' " more " } } table { name: 't' input: 'w' key: 'k' " \
    "key: 'window_start' }"

// W = 12 s after the second row: the window to 10 s is over, and what comes for it is late.
static void test_late(void **state)
{
    (void)state;
    struct run run;
    run_open(&run, "", TUMBLING("late_topic: 'late'"), 1);
    run_row(&run, 0, "a", 1, 1);
    run_row(&run, 0, "a", 2, 12);
    run_row(&run, 0, "a", 4, 9);
    run_row(&run, 0, "a", 8, 10);
    run_final(&run);
    run_expect(&run, REFERENCE_TABLES, NULL,
               WINDOW("a", "00", "10", "\"n\":1,\"s\":1") WINDOW("a", "10", "20", "\"n\":2,\"s\":10"));
    run_expect(&run, REFERENCE_TOPICS, "late",
               "{\"message\":\"late\",\"key\":null,\"value\":\"{\\\"k\\\":\\\"a\\\",\\\"v\\\":4,\\\"d\\\":null,"
               "\\\"ts\\\":\\\"" T "09Z\\\"}\"}\n");
    assert_int_equal(COUNTER(&run, "w", late), 1);
    assert_int_equal(COUNTER(&run, "w", processed), 3);
    run_close(&run);
}

// Exactly at the bound: window_end + grace ≤ W is late, one microsecond before is not.
static void test_grace_and_out_of_order(void **state)
{
    (void)state;
    static const struct {
        const char *time, *grace, *last;
        bool late;
    } cases[] = {
        {"", "", "10000", true},
        {"timestamp", "", "9999", false},
        {"out_of_order: \"5s\"", "", "14999", false},
        {"out_of_order: \"5s\"", "", "15000", true},
        {"", "grace: \"3s\"", "12999", false},
        {"", "grace: \"3s\"", "13000", true},
        {"out_of_order: \"5s\"", "grace: \"3s\"", "17999", false},
        {"out_of_order: \"5s\"", "grace: \"3s\"", "18000", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct run run;
        char rest[600], value[64];
        snprintf(rest, sizeof rest,
                 "node { name: 'w' input: 'in' aggregate { group_by: 'k' window { tumbling { size: '10s' } } "
                 "select: 'count(*) AS n' %s } } table { name: 't' input: 'w' key: 'k' key: 'window_start' }",
                 cases[i].grace);
        run_open(&run, strcmp(cases[i].time, "timestamp") == 0 ? "" : cases[i].time, rest, 1);
        snprintf(value, sizeof value, "{\"k\":\"a\",\"ts\":%s}", cases[i].last);
        assert_int_equal(run_feed(&run, 0, value), 0);
        run_row(&run, 0, "a", 1, 5);
        if (COUNTER(&run, "w", late) != cases[i].late) fail_msg("case %zu", i);
        run_close(&run);
    }
}

// Lateness looks at the row's own partition only; the window closes at the least watermark of both.
static void test_partitions(void **state)
{
    (void)state;
    struct run run;
    run_open(&run, "", TUMBLING(""), 2);
    run_row(&run, 0, "a", 1, 30);
    run_settle(&run);
    assert_true(reference_frontier(run.reference) == INT64_MIN);
    run_row(&run, 1, "a", 2, 5);
    run_row(&run, 0, "a", 4, 5); // late in its partition
    run_settle(&run);
    assert_int_equal(reference_frontier(run.reference), 5000000);
    run_expect(&run, REFERENCE_TABLES, NULL, "");
    run_row(&run, 1, "a", 8, 20);
    run_settle(&run);
    run_expect(&run, REFERENCE_TABLES, NULL, WINDOW("a", "00", "10", "\"n\":1,\"s\":2"));
    assert_int_equal(COUNTER(&run, "w", late), 1);
    run_final(&run);
    run_expect(&run, REFERENCE_TABLES, NULL,
               WINDOW("a", "00", "10", "\"n\":1,\"s\":2") WINDOW("a", "20", "30", "\"n\":1,\"s\":8")
                   WINDOW("a", "30", "40", "\"n\":1,\"s\":1"));
    run_close(&run);
}

// 10 s windows each 5 s: an instant lies in two, and may be late for the first of them only.
static void test_hopping(void **state)
{
    (void)state;
    struct run run;
    run_open(&run, "",
             "node { name: 'w' input: 'in' aggregate { group_by: 'k' window { hopping { size: '10s' every: "
             "'5s' } } select: 'sum(v) AS s' } } table { name: 't' input: 'w' key: 'k' key: 'window_start' }",
             1);
    run_row(&run, 0, "a", 1, 7);  // [0, 10) and [5, 15)
    run_row(&run, 0, "a", 2, 12); // [5, 15) and [10, 20)
    run_row(&run, 0, "a", 4, 9);  // late for [0, 10), not for [5, 15)
    run_row(&run, 0, "a", 8, 4);  // late for [0, 10) and [-5, 5)
    run_final(&run);
    run_expect(&run, REFERENCE_TABLES, NULL,
               WINDOW("a", "00", "10", "\"s\":1") WINDOW("a", "05", "15", "\"s\":7")
                   WINDOW("a", "10", "20", "\"s\":2"));
    assert_int_equal(COUNTER(&run, "w", late), 1);
    run_close(&run);
}

// Before 1970 windows still begin at multiples of their step.
static void test_before_1970(void **state)
{
    (void)state;
    struct run run;
    run_open(&run, "", TUMBLING(""), 1);
    run_row(&run, 0, "a", 1, -1);
    run_row(&run, 0, "a", 2, -10);
    run_final(&run);
    run_expect(&run, REFERENCE_TABLES, NULL,
               "{\"table\":\"t\",\"row\":{\"k\":\"a\",\"window_start\":\"1969-12-31T23:59:50Z\",\"window_end\":\"" T
               "00Z\",\"n\":2,\"s\":3}}\n");
    run_close(&run);
}

// The second aggregate counts in the first one's windows and closes with them; the third in windows of its own.
static void test_chain(void **state)
{
    (void)state;
    struct run run;
    run_open(&run, "", TUMBLING("grace: \"5s\"")
             "node { name: 'all' input: 'w' aggregate { window { inherit {} } select: 'max(s) AS top' select: "
             "'arg_max(k, s) AS who' } } table { name: 'tops' input: 'all' key: 'window_start' }"
             "node { name: 'wide' input: 'w' aggregate { window { tumbling { size: '20s' } } select: 'sum(n) AS n' "
             "} } table { name: 'wides' input: 'wide' key: 'window_start' }", 1);
    run_row(&run, 0, "a", 5, 1);
    run_row(&run, 0, "b", 7, 2);
    run_row(&run, 0, "b", 1, 14);
    run_row(&run, 0, "a", 1, 9); // within the grace
    run_row(&run, 0, "c", 1, 24); // W = 24: the windows to 10 are over, those to 20 with grace 5 are not
    run_settle(&run);
    run_expect(&run, REFERENCE_TABLES, "tops",
               "{\"table\":\"tops\",\"row\":{\"window_start\":\"" T "00Z\",\"window_end\":\"" T
               "10Z\",\"top\":7,\"who\":\"b\"}}\n");
    run_final(&run);
    run_expect(&run, REFERENCE_TABLES, "wides",
               "{\"table\":\"wides\",\"row\":{\"window_start\":\"" T "00Z\",\"window_end\":\"" T "20Z\",\"n\":4}}\n"
               "{\"table\":\"wides\",\"row\":{\"window_start\":\"" T "20Z\",\"window_end\":\"" T "40Z\",\"n\":1}}\n");
    run_close(&run);
}

// An unbounded aggregate over an unbounded aggregate: rows are taken back.
static void test_updates(void **state)
{
    (void)state;
    struct run run;
    run_open(&run, "",
             "node { name: 'per' input: 'in' aggregate { group_by: 'k' select: 'sum(v) AS s' } }"
             "node { name: 'hist' input: 'per' aggregate { group_by: 's' select: 'count(*) AS n' select: "
             "'min(k) AS first' select: 'arg_max(k, s) AS who' } }"
             "table { name: 't' input: 'hist' key: 's' }"
             "sink { name: 'o' input: 'hist' kafka { topic: 'o' } format { json {} } key: 's' }", 1);
    assert_int_equal(reference_watch(run.reference, "per", NULL), 0);
    run_row(&run, 0, "b", 1, 1); // s=1: {b}
    run_row(&run, 0, "a", 1, 1); // s=1: {a, b}
    run_row(&run, 0, "b", 2, 1); // s=1: {a}, s=3: {b}
    run_row(&run, 0, "a", 2, 1); // s=1: nobody, s=3: {a, b}
    run_row(&run, 0, "a", 0, 1); // nothing changes
    run_final(&run);
    run_expect(&run, REFERENCE_TABLES, NULL,
               "{\"table\":\"t\",\"row\":{\"s\":3,\"n\":2,\"first\":\"a\",\"who\":\"a\"}}\n");
    run_expect(&run, REFERENCE_LAST, "o",
               "{\"last\":\"o\",\"key\":\"[1]\",\"value\":null}\n"
               "{\"last\":\"o\",\"key\":\"[3]\",\"value\":\"{\\\"s\\\":3,\\\"n\\\":2,\\\"first\\\":\\\"a\\\","
               "\\\"who\\\":\\\"a\\\"}\"}\n");
    uint32_t count;
    const struct reference_message *messages = reference_topic(run.reference, "o", &count);
    assert_int_equal(count, 6); // each change once, and no tombstone before a successor
    assert_false(messages[4].has_value);
    const struct reference_net *net = reference_net(run.reference, "per", &count);
    assert_int_equal(count, 2);
    assert_string_equal(net[0].row_json.data, "{\"k\":\"a\",\"s\":3}");
    assert_int_equal(net[0].weight, 1);
    run_close(&run);
}

static void test_route_and_map(void **state)
{
    (void)state;
    struct run run;
    run_open(&run, "",
             "node { name: 'r' input: 'in' route { case { name: 'big' when: 'v > 10' } case { name: 'odd' when: "
             "\"v % 2 = 1\" } } }"
             "node { name: 'm' input: 'r.odd' map { select: 'k' select: 'v * 2 AS w' set: 'k = upper(k)' set: "
             "\"x = v\" } }"
             "node { name: 'e' input: 'r.else' map { drop: 'd' drop: 'ts' } }"
             "sink { name: 'm' input: 'm' kafka { topic: 'm' } format { json {} } key: 'k' }"
             "sink { name: 'e' input: 'e' kafka { topic: 'e' } format { json {} } }"
             "sink { name: 'b' input: 'r.big' kafka { topic: 'b' max_message_bytes: '80B' } format { json {} } }", 1);
    run_row(&run, 0, "a", 11, 1);
    run_row(&run, 0, "b", 3, 1);
    run_row(&run, 0, "c", 4, 1);
    run_feed(&run, 0, "{}");
    run_feed(&run, 0, "{\"k\":\"0123456789012345678901234567890123456789\",\"v\":99,\"ts\":0}");
    run_final(&run);
    run_expect(&run, REFERENCE_TOPICS, "m",
               "{\"message\":\"m\",\"key\":\"B\",\"value\":\"{\\\"k\\\":\\\"B\\\",\\\"w\\\":6,\\\"x\\\":3}\"}\n");
    run_expect(&run, REFERENCE_TOPICS, "e",
               "{\"message\":\"e\",\"key\":null,\"value\":\"{\\\"k\\\":\\\"c\\\",\\\"v\\\":4}\"}\n");
    uint32_t count;
    const struct reference_dead_letter *letters = reference_dead_letters(run.reference, &count);
    assert_int_equal(count, 2);
    assert_string_equal(letters[0].reason, "no_event_time");
    assert_string_equal(letters[0].node, "in");
    assert_int_equal(letters[0].offset, 3);
    assert_string_equal(letters[1].reason, "too_large");
    assert_string_equal(letters[1].node, "b");
    assert_string_equal(letters[1].dead_letter_topic, "g.dead-letters");
    (void)reference_topic(run.reference, "g.dead-letters", &count);
    assert_int_equal(count, 2);
    run_close(&run);
}

static void test_policies(void **state)
{
    (void)state;
    static const struct {
        const char *policy;
        int code;
        uint64_t processed, dropped, dead_lettered;
        uint32_t out;
    } cases[] = {
        {"", 0, 1, 0, 1, 1},
        {"policy { on_error: DROP }", 0, 1, 1, 0, 1},
        {"policy { on_error: PASS_NULL }", 0, 2, 0, 0, 2},
        {"policy { on_error: STOP }", K_E_DATA, 1, 0, 0, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct run run;
        char rest[400];
        snprintf(rest, sizeof rest,
                 "node { name: 'm' input: 'in' map { select: '10 / v AS q' } %s } sink { name: 'o' input: 'm' "
                 "kafka { topic: 'o' } format { json {} } }", cases[i].policy);
        run_open(&run, "", rest, 1);
        run_row(&run, 0, "a", 3, 1);
        assert_int_equal(run_feed(&run, 0, "{\"v\":0,\"ts\":0}"), cases[i].code);
        assert_int_equal(COUNTER(&run, "m", processed), cases[i].processed);
        assert_int_equal(COUNTER(&run, "m", dropped), cases[i].dropped);
        assert_int_equal(COUNTER(&run, "m", dead_lettered), cases[i].dead_lettered);
        uint32_t count;
        const struct reference_message *messages = reference_topic(run.reference, "o", &count);
        assert_int_equal(count, cases[i].out);
        if (count == 2) assert_string_equal(messages[1].value.data, "{\"q\":null}");
        const struct reference_dead_letter *letters = reference_dead_letters(run.reference, &count);
        if (count) assert_string_equal(letters[0].reason, "division_by_zero");
        run_close(&run);
    }
}

// A window's row that cannot be computed is counted in where it failed.
static void test_failure_at_close(void **state)
{
    (void)state;
    struct run run;
    run_open(&run, "",
             "node { name: 'w' input: 'in' aggregate { group_by: 'k' window { tumbling { size: '10s' } } select: "
             "'sum(v) / count(d) AS q' } } table { name: 't' input: 'w' key: 'k' key: 'window_start' }", 1);
    run_row(&run, 0, "a", 3, 1);
    run_final(&run);
    assert_int_equal(COUNTER(&run, "w", in), 2);
    assert_int_equal(COUNTER(&run, "w", dead_lettered), 1);
    uint32_t count;
    const struct reference_dead_letter *letters = reference_dead_letters(run.reference, &count);
    assert_null(letters[0].source);
    assert_string_equal(letters[0].value.data, "{\"k\":\"a\",\"window_start\":\"" T "00Z\",\"window_end\":\"" T
                        "10Z\",\"q\":null}");
    run_close(&run);
}

// A partition at its end for `idle` holds nothing open: its watermark goes on with the clock.
static void test_idle(void **state)
{
    (void)state;
    struct run run;
    static const struct reference_partition ends[] = {{"in", 0}, {"in", 1}};
    const int64_t second = 1000000, start = 1000 * second;
    run_open(&run, "idle: \"1m\"", TUMBLING(""), 2);
    run_row(&run, 0, "a", 1, 25);
    run_row(&run, 1, "a", 2, 3);
    reference_boundary(run.reference, start, ends, 2);
    assert_int_equal(reference_frontier(run.reference), 3 * second);
    reference_boundary(run.reference, start + 59 * second, ends, 2);
    assert_int_equal(reference_frontier(run.reference), 3 * second);
    reference_boundary(run.reference, start + 60 * second, ends, 1); // partition 1 has something unread
    assert_int_equal(reference_frontier(run.reference), 3 * second);
    reference_boundary(run.reference, start + 61 * second, ends, 2);
    assert_int_equal(reference_frontier(run.reference), 64 * second);
    run_settle(&run);
    run_expect(&run, REFERENCE_TABLES, NULL,
               WINDOW("a", "00", "10", "\"n\":1,\"s\":2") WINDOW("a", "20", "30", "\"n\":1,\"s\":1"));
    run_row(&run, 1, "a", 4, 50); // late: its partition's watermark is 64 s
    assert_int_equal(COUNTER(&run, "w", late), 1);
    run_close(&run);
}

// A row goes when its window's end + retention ≤ F; the end of the input takes nothing away.
static void test_retention(void **state)
{
    (void)state;
    struct run run;
    run_open(&run, "",
             "node { name: 'w' input: 'in' aggregate { group_by: 'k' window { tumbling { size: '10s' } } select: "
             "'count(*) AS n' } } table { name: 't' input: 'w' key: 'k' retention: '15s' }"
             "table { name: 'l' input: 'in' key: 'k' retention: '15s' }", 1);
    run_row(&run, 0, "a", 1, 1);
    run_row(&run, 0, "b", 1, 24);
    run_settle(&run);
    uint32_t count;
    reference_table(run.reference, "t", &count);
    assert_int_equal(count, 1);
    reference_table(run.reference, "l", &count);
    assert_int_equal(count, 1); // a: 1 + 15 ≤ 24
    run_row(&run, 0, "c", 1, 25);
    run_settle(&run);
    reference_table(run.reference, "t", &count);
    assert_int_equal(count, 0); // 10 + 15 ≤ 25
    run_final(&run);
    reference_table(run.reference, "t", &count);
    assert_int_equal(count, 2);
    run_close(&run);
}

// NULL keys, replaced rows, and which fields can make a record malformed.
static void test_table_keys(void **state)
{
    (void)state;
    struct run run;
    run_open(&run, "", "node { name: 'm' input: 'in' map { select: 'k' select: 'v' } } "
             "table { name: 't' input: 'm' key: 'k' }", 1);
    run_row(&run, 0, "a", 1, 5);
    run_row(&run, 0, "a", 2, 1);
    run_feed(&run, 0, "{\"v\":1,\"ts\":0}");                            // no key
    run_feed(&run, 0, "{\"k\":\"b\",\"v\":3,\"ts\":0,\"d\":\"unread\"}"); // nobody reads d
    run_feed(&run, 0, "{\"k\":\"b\",\"v\":\"x\",\"ts\":0}");
    run_final(&run);
    run_expect(&run, REFERENCE_TABLES, NULL,
               "{\"table\":\"t\",\"row\":{\"k\":\"a\",\"v\":2}}\n{\"table\":\"t\",\"row\":{\"k\":\"b\",\"v\":3}}\n");
    uint32_t count;
    const struct reference_dead_letter *letters = reference_dead_letters(run.reference, &count);
    assert_int_equal(count, 2);
    assert_string_equal(letters[0].reason, "null_key");
    assert_string_equal(letters[1].reason, "type");
    run_close(&run);
}

static void test_aggregates(void **state)
{
    (void)state;
    struct run run;
    run_open(&run, "",
             "node { name: 'w' input: 'in' aggregate { select: 'count(*) AS n' select: 'count(d) AS nd' select: "
             "'sum(d) AS s' select: 'avg(v) AS a' select: 'min(d) AS lo' select: 'max(k) AS hi' select: "
             "'arg_min(k, v) AS am' select: 'count(*) FILTER (WHERE v > 1) + 100 AS f' } } "
             "sink { name: 'o' input: 'w' kafka { topic: 'o' } format { json {} } key: 'n' }", 1);
    run_feed(&run, 0, "{\"k\":\"z\",\"v\":1,\"d\":1e16,\"ts\":0}");
    run_feed(&run, 0, "{\"k\":\"y\",\"v\":1,\"d\":1,\"ts\":0}");
    run_feed(&run, 0, "{\"k\":\"x\",\"v\":2,\"d\":-1e16,\"ts\":0}");
    run_feed(&run, 0, "{\"ts\":0}");
    run_final(&run);
    uint32_t count;
    const struct reference_message *messages = reference_topic(run.reference, "o", &count);
    assert_int_equal(count, 7); // four new rows, three tombstones
    assert_string_equal(messages[6].value.data, "{\"n\":4,\"nd\":3,\"s\":1,\"a\":1.3333333333333333,"
                        "\"lo\":-10000000000000000,\"hi\":\"z\",\"am\":\"y\",\"f\":101}");
    run_close(&run);
}

// The result does not depend on how the partitions interleave.
static void test_interleavings(void **state)
{
    (void)state;
    static const int rows[2][4][2] = {{{1, 1}, {2, 13}, {3, 8}, {4, 31}}, {{5, 4}, {6, 2}, {7, 23}, {8, 11}}};
    struct k_buf first = {0};
    for (unsigned order = 0; order < 256; order++) {
        if (__builtin_popcount(order) != 4) continue;
        struct run run;
        struct k_buf out = {0};
        int next[2] = {0, 0};
        run_open(&run, "out_of_order: \"2s\"", TUMBLING("grace: \"1s\""), 2);
        for (int i = 0; i < 8; i++) {
            int p = order >> i & 1;
            run_row(&run, p, "a", rows[p][next[p]][0], rows[p][next[p]][1]);
            next[p]++;
            run_settle(&run);
        }
        run_final(&run);
        reference_print(run.reference, REFERENCE_TABLES | REFERENCE_TOPICS | REFERENCE_COUNTERS, NULL, &out);
        if (!first.data) k_buf_add(&first, out.data, out.length);
        assert_string_equal(out.data, first.data);
        k_buf_fini(&out);
        run_close(&run);
    }
    assert_non_null(strstr(first.data, "\"late\":2"));
    k_buf_fini(&first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_late),          cmocka_unit_test(test_grace_and_out_of_order),
        cmocka_unit_test(test_partitions),    cmocka_unit_test(test_hopping),
        cmocka_unit_test(test_before_1970),   cmocka_unit_test(test_chain),
        cmocka_unit_test(test_updates),       cmocka_unit_test(test_route_and_map),
        cmocka_unit_test(test_policies),      cmocka_unit_test(test_failure_at_close),
        cmocka_unit_test(test_idle),          cmocka_unit_test(test_retention),
        cmocka_unit_test(test_table_keys),    cmocka_unit_test(test_aggregates),
        cmocka_unit_test(test_interleavings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
