// union: columns by name, what the rows bring along, and the order where ways through the graph meet again.
#include "tests/operators/harness.h"

#define HEAD                                                                       \
    "name: 'g' schema { name: 'S' field: 'a int64 not null' field: 'b string' }\n" \
    "source { name: 's' kafka { topic: 't' } format { json {} } schema: 'S' }\n"
#define UNION HEAD "node { name: 'u' input: 's' input: 's' union {} }"

static const struct row rows[] = {
    {"{\"a\":1,\"b\":\"x\"}", 1, 0, 0},
    {"{\"a\":2,\"b\":null}", 2, 0, 0},
    {"{\"a\":3,\"b\":\"y\"}", 3, 0, 0},
    {"{\"a\":4,\"b\":\"z\"}", 4, 0, 0},
};

// One source on two ways: record by record, as batches of one record would come.
static void ways_meet_in_the_order_of_the_records(void **unused)
{
    (void)unused;
    for (uint32_t batch = 1; batch <= 4; batch++) {
        struct harness h;
        harness_open(&h, UNION, NULL);
        assert_true(h.node.gathers);
        assert_int_equal(h.node.outputs[0].source_count, 1);
        assert_int_equal(harness_feed(&h, rows, 4, batch), 0);
        assert_text(&h.emitted, "0 +1 1 {\"a\":1,\"b\":\"x\"}\n0 +1 2 {\"a\":2,\"b\":null}\n"
                                "0 +1 3 {\"a\":3,\"b\":\"y\"}\n0 +1 4 {\"a\":4,\"b\":\"z\"}\n");
        assert_int_equal(h.counters.processed, 4);
        harness_check_sums(&h);
        harness_close(&h);
    }
}

// A change's two sides come by one way and stay neighbours; a row taken back alone has no +1 behind it.
static void sides_of_a_change_stay_together(void **unused)
{
    (void)unused;
    static const struct row changes[] = {
        {"{\"a\":1}", 1, 0, -1}, {"{\"a\":2}", 1, 0, 1}, {"{\"a\":3}", 2, 0, -1}, {"{\"a\":4}", 3, 0, 1}};
    struct harness h;
    struct harness_input input = {.updating = true};
    harness_open(&h, UNION, &input);
    assert_true(h.node.outputs[0].updating);
    assert_int_equal(h.node.outputs[0].unique_count, 0);
    assert_int_equal(harness_feed(&h, changes, 4, 4), 0);
    assert_text(&h.emitted, "0 -1 1 {\"a\":1,\"b\":null}\n0 +1 1 {\"a\":2,\"b\":null}\n"
                            "0 -1 2 {\"a\":3,\"b\":null}\n0 +1 3 {\"a\":4,\"b\":null}\n");
    assert_int_equal(h.pairs, 1);
    harness_close(&h);
}

// More rows than a batch holds, each a change: no pair is torn.
static void large_batches_are_cut_between_changes(void **unused)
{
    (void)unused;
    enum { COUNT = K_BATCH_ROWS };
    static struct row many[COUNT];
    struct harness h;
    struct harness_input input = {.updating = true, .spread = false};
    harness_open(&h, UNION, &input);
    for (uint32_t i = 0; i < COUNT; i++) many[i] = (struct row){"{\"a\":7}", i / 2, 0, i % 2 || i < 3 ? 1 : -1};
    assert_int_equal(harness_feed(&h, many, COUNT, COUNT), 0);
    assert_int_equal(h.counters.out, COUNT);
    assert_int_equal(h.pairs, COUNT / 2 - 2);
    harness_close(&h);
}

static void a_union_of_one_source_with_itself_reads_once_what_is_read(void **unused)
{
    (void)unused;
    struct harness h;
    harness_plan(&h, UNION, NULL);
    assert_true(h.planned);
    assert_true(h.source.edge.read[0] && h.source.edge.read[1]);
    assert_false(h.source.edge.read[2]); // _key: nobody reads it
    assert_true(h.node.outputs[0].schema.fields[0].not_null);
    assert_false(h.node.outputs[0].schema.fields[1].not_null);
    harness_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ways_meet_in_the_order_of_the_records),
        cmocka_unit_test(sides_of_a_change_stay_together),
        cmocka_unit_test(large_batches_are_cut_between_changes),
        cmocka_unit_test(a_union_of_one_source_with_itself_reads_once_what_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
