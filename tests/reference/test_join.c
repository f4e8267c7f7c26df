// The reference's join, on input small enough to be worked out by hand.
#include <stdio.h>

#include "tests/reference/graphs.h"

#define TABLE_SOURCE(MORE)                                                                                       \
    "schema { name: 'T' field: 'id string not null' field: 'name string' field: 'at timestamp not null' } "      \
    "source { name: 't' kafka { topic: 't' } format { json {} } schema: 'T' key: 'id' time { expr: 'at' } " MORE \
    " } "
#define JOIN(WORDS)                                                 \
    TABLE_SOURCE("")                                                \
    "node { name: 'j' input: 'in' input: 't' join { " WORDS " } } " \
    "sink { name: 'o' input: 'j' kafka { topic: 'o' } format { json {} } }"

static void open_graph(struct run *run, const char *rest, int32_t partitions)
{
    int32_t both[] = {partitions, 1};
    struct k_diags diags = {0};
    struct k_error err = {0};
    *run = (struct run){0};
    k_buf_printf(&run->text,
                 "name: 'g' schema { name: 'S' field: 'k string' field: 'v int64' field: 'ts timestamp' } "
                 "source { name: 'in' kafka { topic: 'in' } format { json {} } schema: 'S' "
                 "time { expr: 'ts' max_ahead: '365d' } } %s",
                 rest);
    assert_int_equal(k_graph_read("test", k_buf_str(&run->text), K_FORM_TEXT, &diags, &run->graph), 0);
    if (reference_create(k_graph_message(run->graph), both, &run->reference, &err)) fail_msg("%s", err.text);
}

// A record of the table; name NULL: a tombstone. Its message's timestamp is its event time, too.
static void table_row(struct run *run, const char *id, const char *name, int seconds)
{
    char value[128];
    struct k_error err = {0};
    snprintf(value, sizeof value, "{\"id\":\"%s\",\"name\":\"%s\",\"at\":%d}", id, name ? name : "", seconds * 1000);
    struct reference_record record = {.offset = run->next[7]++,
                                      .timestamp_us = seconds * INT64_C(1000000),
                                      .key = k_str_of(id),
                                      .has_key = true,
                                      .value = k_str_of(value),
                                      .has_value = name != NULL};
    assert_int_equal(reference_feed(run->reference, "t", &record, &err), 0);
}

static void expect_values(struct run *run, const char *topic, const char *expected)
{
    struct k_buf out = {0};
    uint32_t count;
    const struct reference_message *messages = reference_topic(run->reference, topic, &count);
    for (uint32_t i = 0; i < count; i++)
        k_buf_printf(&out, "%.*s\n", (int)messages[i].value.length, messages[i].value.data);
    assert_string_equal(out.data, expected);
    k_buf_fini(&out);
}

static void test_order(void **state)
{
    (void)state;
    struct run run;
    open_graph(&run, JOIN("on: 'in.k = t.id' select: 'in.v' select: 't.name'"), 2);
    run_row(&run, 0, "a", 1, 3);    // before the table says anything
    table_row(&run, "a", "one", 3); // at the same time, so before it
    table_row(&run, "a", "two", 5);
    table_row(&run, "a", NULL, 7);
    run_row(&run, 0, "a", 2, 4);
    run_row(&run, 0, "a", 3, 5);
    run_row(&run, 1, "a", 4, 2); // its own partition lags behind; nothing is known of a yet
    run_row(&run, 1, "b", 5, 6);
    run_row(&run, 0, "a", 6, 7); // the row has just gone
    run_settle(&run);            // partition 1 stands at 6
    expect_values(&run, "o",
                  "{\"v\":1,\"name\":\"one\"}\n"
                  "{\"v\":2,\"name\":\"one\"}\n"
                  "{\"v\":3,\"name\":\"two\"}\n");
    run_close(&run);
}

static void test_left(void **state)
{
    (void)state;
    struct run run;
    open_graph(&run,
               JOIN("type: LEFT on: 'lower(in.k) = t.id' select: 'in.*' select: \"coalesce(t.name, 'none') AS n\" "
                    "select: '10 / in.v AS tenth' late_topic: 'late'"),
               1);
    table_row(&run, "a", "one", 1);
    run_row(&run, 0, "A", 1, 2);
    run_row(&run, 0, "b", 2, 2);
    run_feed(&run, 0, "{\"v\":5,\"ts\":3000}"); // NULL equals nothing
    run_row(&run, 0, "a", 4, 2);                // late
    run_row(&run, 0, "a", 0, 4);                // fails when it comes out
    run_final(&run);
    expect_values(&run, "o",
                  "{\"k\":\"A\",\"v\":1,\"ts\":"
                  "\"1970-01-01T00:00:02Z\",\"n\":\"one\",\"tenth\":10}\n"
                  "{\"k\":\"b\",\"v\":2,\"ts\":"
                  "\"1970-01-01T00:00:02Z\",\"n\":\"none\",\"tenth\":5}\n"
                  "{\"k\":null,\"v\":5,\"ts\":"
                  "\"1970-01-01T00:00:03Z\",\"n\":\"none\",\"tenth\":2}\n");
    expect_values(&run, "late",
                  "{\"k\":\"a\",\"v\":4,\"ts\":"
                  "\"1970-01-01T00:00:02Z\"}\n");
    uint32_t count;
    const struct reference_counters *counters = reference_counters(run.reference, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(counters[i].name, "j") != 0) continue;
        assert_int_equal(counters[i].in, 7); // six rows, and the one that failed once more
        assert_int_equal(counters[i].processed, 5);
        assert_int_equal(counters[i].late, 1);
        assert_int_equal(counters[i].dead_lettered, 1);
    }
    run_close(&run);
}

// A removal needs a key; a record without a value that has none is no row.
static void test_tombstones(void **state)
{
    (void)state;
    struct run run;
    struct k_error err = {0};
    uint32_t count;
    open_graph(&run, JOIN("on: 'in.k = t.id' select: 'in.v'"), 1);
    struct reference_record record = {.offset = run.next[7]++, .timestamp_us = 1000000};
    assert_int_equal(reference_feed(run.reference, "t", &record, &err), 0);
    const struct reference_dead_letter *letters = reference_dead_letters(run.reference, &count);
    assert_int_equal(count, 1);
    assert_string_equal(letters[0].reason, "tombstone_key");
    run_close(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order), cmocka_unit_test(test_left),
                                       cmocka_unit_test(test_tombstones)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
