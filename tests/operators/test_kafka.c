// The kafka sink: messages, keys, tombstones, and rows that become too large.
#include "tests/operators/harness.h"

#define HEAD                                                                                              \
    "name: 'g' schema { name: 'S' field: 'v int64' field: 'k string' }\n"                                 \
    "source { name: 's' kafka { topic: 't' } format { json {} } schema: 'S' }\n"
#define SINK(more) HEAD "sink { name: 'o' input: 's' kafka { topic: 'out' } format { json {} } " more " }"

static void rows_become_messages(void **unused)
{
    (void)unused;
    static const struct row rows[] = {{"{\"v\":1,\"k\":\"a\\\"b\"}", 1, INT64_MIN, 0},
                                      {"{\"v\":null,\"k\":null}", 2, INT64_MIN, 0}};
    struct harness h;
    harness_open(&h, SINK(""), NULL);
    assert_int_equal(harness_feed(&h, rows, 2, 2), 0);
    assert_text(&h.outputs, "out - {\"v\":1,\"k\":\"a\\\"b\"}\nout - {\"v\":null,\"k\":null}\n");
    assert_int_equal(h.node.topic_count, 1);
    assert_string_equal(h.node.topics[0], "out");
    harness_close(&h);
    harness_open(&h, SINK("key: 'k'"), NULL);
    assert_int_equal(harness_feed(&h, rows, 2, 2), 0);
    assert_text(&h.outputs, "out a\"b {\"v\":1,\"k\":\"a\\\"b\"}\n");
    assert_text(&h.letters, "null_key {\"v\":null,\"k\":null}\n");
    harness_check_sums(&h);
    harness_close(&h);
    harness_open(&h, SINK("key: 'v' key: 'k'"), NULL);
    assert_int_equal(harness_feed(&h, rows, 2, 2), 0);
    assert_text(&h.outputs, "out [1,\"a\\\"b\"] {\"v\":1,\"k\":\"a\\\"b\"}\nout [null,null] {\"v\":null,\"k\":null}\n");
    harness_close(&h);
}

static void what_goes_leaves_a_tombstone(void **unused)
{
    (void)unused;
    static const struct row rows[] = {
        {"{\"v\":1,\"k\":\"a\"}", 1, INT64_MIN, 1},  {"{\"v\":1,\"k\":\"a\"}", 1, INT64_MIN, -1},
        {"{\"v\":2,\"k\":\"a\"}", 1, INT64_MIN, 1},  {"{\"v\":2,\"k\":\"a\"}", 1, INT64_MIN, -1},
        {"{\"v\":3,\"k\":\"b\"}", 1, INT64_MIN, 1},  {"{\"v\":3,\"k\":\"b\"}", 1, INT64_MIN, -1},
        {"{\"v\":3,\"k\":null}", 1, INT64_MIN, -1},
    };
    struct harness h;
    struct harness_input input = {.updating = true};
    harness_open(&h, SINK("key: 'k'"), &input);
    assert_int_equal(harness_feed(&h, rows, 7, 7), 0);
    assert_text(
        &h.outputs,
        "out a {\"v\":1,\"k\":\"a\"}\nout a {\"v\":2,\"k\":\"a\"}\nout a -\nout b {\"v\":3,\"k\":\"b\"}\nout b -\n");
    assert_int_equal(h.counters.dropped, 1);
    assert_int_equal(h.counters.processed, 6);
    harness_check_sums(&h);
    harness_close(&h);
    // Rows that only happen to come next to each other are no change: they might have come in two batches.
    input.spread = true;
    harness_open(&h, SINK("key: 'k'"), &input);
    assert_int_equal(harness_feed(&h, rows, 3, 3), 0);
    assert_text(&h.outputs, "out a {\"v\":1,\"k\":\"a\"}\nout a -\nout a {\"v\":2,\"k\":\"a\"}\n");
    harness_close(&h);
}

// The counters are part of the state: they may not depend on who leads.
static void too_large_is_too_large_for_followers(void **unused)
{
    (void)unused;
    static const struct row rows[] = {{"{\"v\":1,\"k\":\"a\"}", 1, INT64_MIN, 1},
                                      {"{\"v\":1,\"k\":\"a\"}", 1, INT64_MIN, -1},
                                      {"{\"v\":1000,\"k\":\"a\"}", 1, INT64_MIN, 1},
                                      {"{\"v\":1000,\"k\":\"a\"}", 1, INT64_MIN, -1},
                                      {"{\"v\":9,\"k\":\"a\"}", 1, INT64_MIN, 1}};
    static const char graph[] = HEAD "sink { name: 'o' input: 's' kafka { topic: 'out' max_message_bytes: '16' } "
                                     "format { json {} } key: 'k' }";
    for (int wanted = 0; wanted < 2; wanted++) {
        struct harness h;
        struct harness_input input = {.updating = true};
        harness_open(&h, graph, &input);
        h.host.outputs_wanted = wanted;
        assert_int_equal(harness_feed(&h, rows, 5, 5), 0);
        assert_int_equal(h.counters.dead_lettered, 1);
        assert_int_equal(h.counters.processed, 4);
        // The old row must not stay where its successor could not be sent.
        assert_text(&h.outputs, wanted ? "out a {\"v\":1,\"k\":\"a\"}\nout a -\nout a {\"v\":9,\"k\":\"a\"}\n" : "");
        assert_text(&h.letters, "too_large {\"v\":1000,\"k\":\"a\"}\n");
        harness_close(&h);
    }
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
    refuses(SINK(""), &updating,
            "g:3:1: error[K0407]: sink \"o\" has no key, but rows of \"s\" are replaced and taken back; "
            "add  key: \"COLUMN\"\n");
    refuses(SINK("key: 'q'"), NULL, "g:3:76: error[K0406]: key: unknown column \"q\"; \"s\" offers v, k\n");
    refuses(HEAD "sink { name: 'o' input: 's' kafka { partitions: 0 max_message_bytes: 'many' } }", NULL,
            "g:3:1: error[K0207]: sink \"o\" has no format; add  format { json {} }\n"
            "g:3:29: error[K0401]: \"o\" needs topic; add  topic: \"TOPIC\"\n"
            "g:3:49: error[K0402]: partitions: 0 is less than 1\n"
            "g:3:70: error[K0402]: max_message_bytes: \"many\" is not a size, such as \"1MB\"\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_become_messages),
        cmocka_unit_test(what_goes_leaves_a_tombstone),
        cmocka_unit_test(too_large_is_too_large_for_followers),
        cmocka_unit_test(says_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
