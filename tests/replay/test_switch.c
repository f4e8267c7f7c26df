// Two generations with different graphs on one pipeline: what comes out before and after a switch, what a shadow holds,
// and what is refused.
#include "tests/base/test.h"

#include "tests/replay/pipeline.h"

// Outputs change their graph at the switch, and no input is left out or taken twice.
static void test_there_and_back(void **state)
{
    (void)state;
    struct pipeline p;
    begin(&p, GRAPH_TWO);
    start(&p, 0);
    for (int i = 0; i < 4; i++) put(&p, "t", i), put(&p, "u", i);
    run(&p, 2 * SECOND);
    start(&p, 1); // it begins at the beginning
    run(&p, 2 * SECOND);
    assert_int_equal(k_shard_state(p.c.live[1][0]), K_SHARD_FOLLOW);
    assert_int_equal(cluster_report(&p.c, 1, 0).records, 4); // of its own topic only
    assert_false(k_overseer_may_serve(p.overseers[1]));
    switch_to(&p, 2);
    assert_true(k_overseer_may_serve(p.overseers[1]));
    assert_false(k_overseer_may_serve(p.overseers[0]));
    for (int i = 4; i < 6; i++) put(&p, "t", i), put(&p, "u", i);
    run(&p, 2 * SECOND);
    assert_int_equal(k_shard_state(p.c.live[1][0]), K_SHARD_LEAD);
    assert_int_not_equal(k_shard_state(p.c.live[0][0]), K_SHARD_LEAD);
    switch_to(&p, 0);
    for (int i = 6; i < 8; i++) put(&p, "t", i);
    run(&p, 2 * SECOND);
    assert_string_equal(
        cluster_read(&p.c, "o", 0),
        "{\"k\":\"a\",\"n\":0} {\"k\":\"b\",\"n\":2} {\"k\":\"a\",\"n\":4} {\"k\":\"b\",\"n\":6} "
        "{\"k\":\"a\",\"n\":12} {\"k\":\"b\",\"n\":15} {\"k\":\"a\",\"n\":12} {\"k\":\"b\",\"n\":14} ");
    // Generation 1 took everything: also what the other's graph leaves out, when it led again.
    cluster_stop(&p.c, 0);
    Kappa__Internal__Position *position = cluster_position(&p.c, 0, 0);
    for (size_t i = 0; i < position->n_partition; i++)
        assert_int_equal(position->partition[i]->next, strcmp(position->partition[i]->source, "in") == 0 ? 8 : 6);
    kappa__internal__position__free_unpacked(position, NULL);
    finish(&p);
}

// A shadow that was there from the start, and one that begins afterwards, hold the same at the same place.
static void test_a_fresh_run_along_the_same_journal(void **state)
{
    (void)state;
    struct pipeline p;
    begin(&p, GRAPH_TWO);
    start(&p, 0);
    start(&p, 1);
    for (int i = 0; i < 50; i++) {
        put(&p, "t", i);
        put(&p, "u", i);
        run(&p, SECOND / 10);
    }
    switch_to(&p, 2);
    switch_to(&p, 0);
    start(&p, 2);
    run(&p, 2 * SECOND);
    struct k_marking mark = {0};
    ask(&p, k_marking, &mark);
    put(&p, "t", 50);
    run(&p, 3 * SECOND);
    for (uint32_t w = 0; w < WORKERS; w++) assert_int_equal(p.kept[w], mark.mark);
    assert_true(p.copies[1].length > 0);
    assert_string_equal(p.copies[1].data, p.copies[2].data);
    assert_string_not_equal(p.copies[0].data, p.copies[1].data); // another graph
    finish(&p);
}

// Made without saying where the source joins, as nobody should.
static void test_an_added_source_without_a_place(void **state)
{
    (void)state;
    struct pipeline p;
    begin(&p, GRAPH_MORE);
    start(&p, 0);
    put(&p, "t", 1);
    run(&p, 2 * SECOND);
    start(&p, 1);
    int code = 0;
    for (int n = 0; n < 1000 && !code; n++) code = step(&p);
    assert_int_equal(code, K_E_CONFIG);
    assert_non_null(strstr(p.c.error.text, "source \"new\" (topic v) is new"));
    finish(&p);
}

// Generation 1 leads alone, and 2 is asked to; the number of the switch.
static uint64_t ask_alone(struct pipeline *p, int64_t give_up_us)
{
    begin(p, GRAPH_TWO);
    start(p, 0);
    put(p, "t", 1);
    run(p, 2 * SECOND);
    struct k_switch wish = {.to = 2, .give_up_us = give_up_us};
    ask(p, k_switch, &wish);
    return wish.seq;
}

// Nobody hosts generation 2: the switch is taken back, and generation 1 goes on.
static void test_taken_back(void **state)
{
    (void)state;
    struct pipeline p;
    ask_alone(&p, 5 * SECOND);
    run(&p, 2 * SECOND);
    assert_int_not_equal(k_shard_state(p.c.live[0][0]), K_SHARD_LEAD);
    run(&p, 10 * SECOND);
    assert_int_equal(k_shard_state(p.c.live[0][0]), K_SHARD_LEAD);
    const struct k_control *control = k_overseer_control(p.overseers[0]);
    assert_int_equal(control->seq, 2);
    assert_int_equal(control->done, 2);
    assert_int_equal(control->live, 1);
    put(&p, "t", 2);
    run(&p, 2 * SECOND);
    assert_string_equal(cluster_read(&p.c, "o", 0), "{\"k\":\"b\",\"n\":2} {\"k\":\"a\",\"n\":4} ");
    finish(&p);
}

// A machine that slept did not wait: whoever should have made the switch may have slept, too.
static void test_a_machine_that_slept(void **state)
{
    (void)state;
    struct pipeline p;
    uint64_t seq = ask_alone(&p, 30 * SECOND);
    run(&p, SECOND);
    k_cloud_advance(p.c.cloud, 3600 * SECOND);
    start(&p, 1);
    run(&p, 10 * SECOND);
    const struct k_control *control = k_overseer_control(p.overseers[0]);
    assert_int_equal(control->seq, seq);
    assert_int_equal(control->live, 2);
    finish(&p);
}

// A shadow with a rate takes its time; once it is to lead it does not.
static void test_rate(void **state)
{
    (void)state;
    struct pipeline p;
    begin(&p, GRAPH_ONE);
    start(&p, 0);
    run(&p, SECOND);
    for (int n = 0; n < 1000; n++) put(&p, "t", n);
    run(&p, 2 * SECOND);
    assert_int_equal(cluster_report(&p.c, 0, 0).records, 1000);
    p.c.options.follow_rate = 100;
    start(&p, 1);
    run(&p, 4 * SECOND);
    uint64_t records = cluster_report(&p.c, 1, 0).records;
    assert_in_range(records, 350, 420);
    for (int n = 1000; n < 2000; n++) put(&p, "t", n);
    run(&p, 4 * SECOND);
    assert_in_range(cluster_report(&p.c, 1, 0).records, 750, 820);
    struct k_switch wish = {.to = 2, .give_up_us = 30 * SECOND};
    ask(&p, k_switch, &wish);
    run(&p, 4 * SECOND);
    assert_int_equal(cluster_report(&p.c, 1, 0).records, 2000);
    assert_int_equal(k_shard_state(p.c.live[1][0]), K_SHARD_LEAD);
    finish(&p);
}

static void note_marks(void *context, const struct k_message *message)
{
    Kappa__Internal__JournalRecord *record =
        kappa__internal__journal_record__unpack(NULL, message->value.length, (const uint8_t *)message->value.data);
    if (record->mark) k_buf_printf(context, "%llu ", (unsigned long long)record->mark);
    kappa__internal__journal_record__free_unpacked(record, NULL);
}

// Two who ask at the same moment wait each for their own mark; of many that nobody saw, the last are enough.
static void test_marks_at_once(void **state)
{
    (void)state;
    struct pipeline p;
    struct k_buf marks = {0};
    begin(&p, GRAPH_TWO);
    start(&p, 0);
    put(&p, "t", 1);
    run(&p, 2 * SECOND);
    for (int n = 0; n < 2; n++) {
        struct k_marking mark = {0};
        ask(&p, k_marking, &mark);
    }
    run(&p, 2 * SECOND);
    end(&p, 0);
    for (int n = 0; n < 20; n++) {
        struct k_marking mark = {0};
        ask(&p, k_marking, &mark);
    }
    start(&p, 0);
    run(&p, 20 * SECOND);
    k_cloud_read(p.c.cloud, "p.journal.0", 0, note_marks, &marks);
    k_buf_add_char(&marks, 0);
    assert_string_equal(marks.data, "1 2 15 16 17 18 19 20 21 22 ");
    k_buf_fini(&marks);
    finish(&p);
}

// A mark comes into the journal with the last records; the end of the input is declared behind it, and not over it.
static void test_a_mark_at_the_end(void **state)
{
    (void)state;
    struct pipeline p;
    begin(&p, GRAPH_TWO);
    for (int n = 0; n < 5; n++) put(&p, "t", n);
    struct k_marking mark = {0};
    ask(&p, k_marking, &mark);
    p.c.options.once = p.c.options.final = true;
    start(&p, 0);
    run(&p, 10 * SECOND);
    assert_int_equal(k_shard_state(p.c.live[0][0]), K_SHARD_STOPPED);
    assert_int_equal(p.kept[0], mark.mark);
    finish(&p);
}

#define WINDOWS(window)                                                                                             \
    "name: \"p\" schema { name: \"E\" field: \"k string not null\" field: \"n int64\" }\n"                          \
    "source { name: \"in\" kafka { topic: \"t\" } format { json {} } schema: \"E\" time { out_of_order: \"60s\" } " \
    "}\n"                                                                                                           \
    "node { name: \"counted\" input: \"in\" aggregate { group_by: \"k\" window { " window                           \
    " } select: \"count(*) AS n\" } }\n"                                                                            \
    "table { name: \"counts\" input: \"counted\" key: \"k\" key: \"window_start\" }\n"

static void look_for_the_end(void *context, const struct k_message *message)
{
    Kappa__Internal__JournalRecord *record =
        kappa__internal__journal_record__unpack(NULL, message->value.length, (const uint8_t *)message->value.data);
    if (record->final) *(int *)context = record->work_left ? 2 : 1;
    kappa__internal__journal_record__free_unpacked(record, NULL);
}

// Both are started again, and this time the input is declared complete.
static void start_for_the_end(struct pipeline *p)
{
    end(p, 0);
    end(p, 1);
    p->c.options.once = p->c.options.final = true;
    start(p, 0);
    start(p, 1);
}

// The input is declared complete, and the leader dies when it has done its last unit of work, but has not said so yet.
// A generation with another graph has more to do, and waits to hear that nothing is left: whoever comes back says it.
static void test_the_end_with_work_left(void **state)
{
    (void)state;
    struct pipeline p;
    begin(&p, WINDOWS("tumbling { size: \"1s\" }"));
    cluster_plan(&p.c, WINDOWS("hopping { size: \"4s\" every: \"1s\" }"), 1);
    p.c.options.work_portion = 1;
    p.c.options.step_budget_us = 0;
    start(&p, 0);
    put(&p, "t", 10);
    run(&p, 2 * SECOND);
    start(&p, 1);
    run(&p, 2 * SECOND);
    switch_to(&p, 2);
    start_for_the_end(&p);
    int seen = 0;
    for (int n = 0; n < 10000 && !seen; n++) {
        if (step(&p)) fail_msg("%s", p.c.error.text);
        k_cloud_read(p.c.cloud, "p.journal.0", 0, look_for_the_end, &seen);
    }
    assert_int_equal(seen, 2);
    end(&p, 1);
    run(&p, 20 * SECOND);
    assert_int_not_equal(k_shard_state(p.c.live[0][0]), K_SHARD_STOPPED);
    start(&p, 1);
    run(&p, 20 * SECOND);
    assert_int_equal(k_shard_state(p.c.live[1][0]), K_SHARD_STOPPED);
    assert_int_equal(k_shard_state(p.c.live[0][0]), K_SHARD_STOPPED);
    finish(&p);
}

#define JOINED_WINDOWS(size)                                                                                    \
    WINDOWS("tumbling { size: \"" size "\" }")                                                                  \
    "source { name: \"names\" kafka { topic: \"u\" } format { json {} } schema: \"E\" key: \"k\" }\n"           \
    "node { name: \"named\" input: \"counted\" input: \"names\" join { type: LEFT on: \"counted.k = names.k\" " \
    "select: \"counted.*\" select: \"names.n AS name\" } }\n"                                                   \
    "node { name: \"first\" input: \"named\" filter { where: \"name = 7\" } }\n"                                \
    "table { name: \"named_counts\" input: \"first\" key: \"k\" key: \"window_start\" }\n"

// A leader closes windows in portions, and then has none before the join. A generation with more windows leaves the
// join until they are closed, too: else it would be past their rows, and a later name in place of theirs.
static void test_node_after_node(void **state)
{
    (void)state;
    struct pipeline p;
    begin(&p, JOINED_WINDOWS("8s"));
    cluster_plan(&p.c, JOINED_WINDOWS("1s"), 1);
    p.c.options.work_portion = 2;
    p.c.options.step_budget_us = 0;
    start(&p, 0);
    start(&p, 1);
    run(&p, 2 * SECOND);
    for (int i = 0; i < 5; i++)
        cluster_put(&p.c, "t", 0, i * SECOND, NULL, i < 4 ? "{\"k\":\"a\",\"n\":1}" : "{\"k\":\"b\",\"n\":1}");
    cluster_put(&p.c, "u", 0, 0, "a", "{\"k\":\"a\",\"n\":7}");
    cluster_put(&p.c, "u", 0, 10 * SECOND, "a", "{\"k\":\"a\",\"n\":8}");
    switch_to(&p, 2);
    run(&p, 2 * SECOND);
    start_for_the_end(&p);
    run(&p, 20 * SECOND);
    assert_int_equal(k_shard_state(p.c.live[0][0]), K_SHARD_STOPPED);
    Kappa__Internal__Position *position = cluster_position(&p.c, 0, 0);
    uint64_t processed = 0;
    for (size_t i = 0; i < position->n_counters; i++)
        if (strcmp(position->counters[i]->node, "named_counts") == 0) processed = position->counters[i]->processed;
    assert_int_equal(processed, 4); // the name that held then
    kappa__internal__position__free_unpacked(position, NULL);
    finish(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_a_fresh_run_along_the_same_journal),
        cmocka_unit_test(test_an_added_source_without_a_place),
        cmocka_unit_test(test_taken_back),
        cmocka_unit_test(test_a_machine_that_slept),
        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_marks_at_once),
        cmocka_unit_test(test_a_mark_at_the_end),
        cmocka_unit_test(test_the_end_with_work_left),
        cmocka_unit_test(test_node_after_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
