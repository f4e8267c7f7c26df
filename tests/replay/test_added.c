// A generation with a source that the live one lacks: what the topic holds when the generation is made is history, and
// the rest is read when it leads.
#include "tests/base/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "replay/beginning.h"
#include "tests/replay/pipeline.h"

// Both topics in windows that wait for each other, and the new one's records counted for ever.
#define GRAPH_TIMED(TIME)                                                                                     \
    "name: \"p\" schema { name: \"E\" field: \"k string not null\" field: \"n int64\" }\n"                    \
    "source { name: \"in\" kafka { topic: \"t\" } format { json {} } schema: \"E\" }\n"                       \
    "source { name: \"new\" kafka { topic: \"v\" } format { json {} } schema: \"E\" " TIME " }\n"             \
    "node { name: \"both\" union { } input: \"in\" input: \"new\" }\n"                                        \
    "node { name: \"sums\" input: \"both\" aggregate { group_by: \"k\" window { tumbling { size: \"5ms\" } }" \
    "  select: \"sum(n) AS total\" select: \"count(*) AS c\" } }\n"                                           \
    "node { name: \"all\" input: \"new\" aggregate { group_by: \"k\" select: \"count(*) AS c\" } }\n"         \
    "table { name: \"totals\" input: \"sums\" key: \"k\" key: \"window_start\" }\n"                           \
    "table { name: \"counts\" input: \"all\" key: \"k\" }\n"                                                  \
    "sink { name: \"out\" input: \"all\" key: \"k\" kafka { topic: \"o\" } format { json {} } }\n"
#define GRAPH_ADDED GRAPH_TIMED("")
// The new one goes on with the wall clock when it has rested for a while.
#define GRAPH_RESTS GRAPH_TIMED("time { idle: \"10s\" }")

static struct k_start joins[] = {{.topic = "v", .partition = 0, .joins = true}};

// Workers 1 and 2 host the generation that has it.
static void start_added(struct pipeline *p, uint32_t worker)
{
    start_from(p, worker, worker ? joins : NULL);
}

static void finish_all(struct pipeline *p)
{
    for (uint32_t w = 0; w < WORKERS; w++) end(p, w);
    finish(p);
}

// The same graph from the first day on, over the same records.
static char *fresh(const char *graph, int in, int new)
{
    struct pipeline p;
    begin(&p, graph);
    p.c.options.starts = NULL;
    p.c.options.start_count = 0;
    cluster_plan(&p.c, graph, 1);
    start(&p, 0);
    for (int n = 0; n < in; n++) put(&p, "t", n);
    for (int n = 0; n < new; n++) put(&p, "v", n);
    run(&p, 40 * SECOND);
    char *tables = tables_of(&p, 0);
    finish_all(&p);
    return tables;
}

static void put_all(struct pipeline *p, int *in, int *new, int count)
{
    for (int i = 0; i < count; i++) {
        put(p, "t", (*in)++);
        put(p, "v", (*new)++);
        run(p, SECOND / 20);
    }
}

// The pipeline, with history of the new topic, and generation 2 in step: killed now and then meanwhile.
static void begin_added(struct pipeline *p, const char *graph, int *in, int *new, int kill)
{
    begin(p, graph);
    start_added(p, 0);
    put_all(p, in, new, 30);
    joins[0].join = *new;
    start_added(p, 1);
    for (int n = 1; kill && n < 20; n++) {
        for (int i = 0; i < kill * n; i++) assert_int_equal(step(p), 0);
        end(p, 1);
        start_added(p, 1);
    }
    run(p, 3 * SECOND);
}

static void test_it_equals_a_fresh_run(void **state)
{
    (void)state;
    for (int kill = 0; kill < 4; kill++) {
        struct pipeline p;
        int in = 0, new = 0;
        begin_added(&p, GRAPH_ADDED, &in, &new, kill);
        int seen = new;
        put_all(&p, &in, &new, 20); // not yet: who leads does not read it
        run(&p, 3 * SECOND);
        char *got = tables_of(&p, 1), *want = fresh(GRAPH_ADDED, in, seen);
        assert_true(strlen(want) > 500);
        assert_string_equal(got, want);
        free(got), free(want);
        finish_all(&p);
    }
}

// It leads, leads no more, and leads again: each record counts once, and none is late.
static void test_forth_and_back(void **state)
{
    (void)state;
    struct pipeline p;
    int in = 0, new = 0;
    begin_added(&p, GRAPH_ADDED, &in, &new, 0);
    start_added(&p, 2);
    run(&p, 2 * SECOND);
    for (int round = 0; round < 4; round++) {
        put_all(&p, &in, &new, 20);
        switch_to(&p, round % 2 ? 0 : 2);
        put_all(&p, &in, &new, 20);
        if (round % 2) {
            end(&p, 2);
            start_added(&p, 2);
        }
    }
    switch_to(&p, 2);
    put_all(&p, &in, &new, 20);
    run(&p, 5 * SECOND);
    char *one = tables_of(&p, 1), *two = tables_of(&p, 2), *want = fresh(GRAPH_ADDED, in, new);
    assert_string_equal(one, want);
    assert_string_equal(two, want);
    free(one), free(two), free(want);
    finish_all(&p);
}

// Worker 2 hosts a third generation, that of the second's graph. orders: by which it leads; NULL: it only follows.
static void start_third(struct pipeline *p, int join, const struct k_orders *orders)
{
    joins[0].join = join;
    p->c.options.starts = joins;
    p->c.options.start_count = 1;
    p->c.options.generation = "3";
    p->c.options.plan = p->two.plan;
    p->c.options.can_lead = orders != NULL;
    p->c.options.orders = orders;
    cluster_start(&p->c, 2);
}

// The journal has it already, of a generation that led before; a later one passes that over, as it is its history.
static void test_it_was_read_before(void **state)
{
    (void)state;
    struct pipeline p;
    int in = 0, new = 0;
    begin_added(&p, GRAPH_ADDED, &in, &new, 0);
    put_all(&p, &in, &new, 10);
    switch_to(&p, 2);
    put_all(&p, &in, &new, 20);
    end(&p, 2);
    start_third(&p, new - 7, NULL); // in the middle of what is in the journal
    put_all(&p, &in, &new, 20);
    run(&p, 5 * SECOND);
    char *one = tables_of(&p, 1), *three = tables_of(&p, 2), *want = fresh(GRAPH_ADDED, in, new);
    assert_string_equal(one, want);
    assert_string_equal(three, want);
    free(one), free(three), free(want);
    finish_all(&p);
}

// Of the other topic only, with a pause behind each.
static void put_others(struct pipeline *p, int *in, int count, int64_t pause_us)
{
    for (int i = 0; i < count; i++) {
        put(p, "t", (*in)++);
        run(p, pause_us);
    }
}

// Nobody knew what came behind its history until it leads: that was no rest, and what comes soon is not late. When it
// has rested since, its windows close.
static void test_it_rests(void **state)
{
    (void)state;
    for (int more = 0; more < 40; more += 20) {
        struct pipeline p;
        int in = 0, new = 0;
        begin_added(&p, GRAPH_RESTS, &in, &new, more ? 3 : 0);
        put_others(&p, &in, 10, 6 * SECOND);
        switch_to(&p, 2);
        if (more) put_others(&p, &in, 10, SECOND / 5);
        put_all(&p, &in, &new, more);
        run(&p, 40 * SECOND);
        char *one = tables_of(&p, 1), *want = fresh(GRAPH_RESTS, in, new);
        assert_string_equal(one, want);
        free(one), free(want);
        finish_all(&p);
    }
}

// Where it rested while another generation led, lies in the history of a later one: no rest behind that.
static void test_it_rested_before(void **state)
{
    (void)state;
    struct pipeline p;
    int in = 0, new = 0;
    begin_added(&p, GRAPH_RESTS, &in, &new, 0);
    switch_to(&p, 2);
    put_others(&p, &in, 10, 6 * SECOND);
    switch_to(&p, 0);
    put_all(&p, &in, &new, 20);
    start_third(&p, new, NULL);
    run(&p, 2 * SECOND);
    switch_to(&p, 2);
    put_all(&p, &in, &new, 20);
    put_others(&p, &in, 4, 6 * SECOND);
    char *three = tables_of(&p, 2), *want = fresh(GRAPH_RESTS, in, new);
    assert_string_equal(three, want);
    free(three), free(want);
    finish_all(&p);
}

static void find_leadership(void *context, const struct k_message *message)
{
    Kappa__Internal__JournalRecord *record =
        kappa__internal__journal_record__unpack(NULL, message->value.length, (const uint8_t *)message->value.data);
    if (record->leadership) *(int64_t *)context = message->offset;
    kappa__internal__journal_record__free_unpacked(record, NULL);
}

// The same where the journal was cut off, so that there is a clock at the end of the history.
static void test_it_rests_behind_a_cut(void **state)
{
    (void)state;
    struct pipeline p;
    struct k_error err;
    int in = 0, new = 0;
    int64_t from = 0;
    begin(&p, GRAPH_RESTS);
    start_added(&p, 0);
    put_all(&p, &in, &new, 30);
    end(&p, 0);
    start_added(&p, 0);
    run(&p, 20 * SECOND);
    k_cloud_read(p.c.cloud, "p.journal.0", 0, find_leadership, &from);
    assert_true(from > 10);
    assert_int_equal(p.logs[0]->ops->delete_records(p.logs[0], "p.journal.0", 0, from, &err), 0);
    joins[0].join = new;
    p.c.options.journal_from = from;
    start_added(&p, 1);
    put_others(&p, &in, 10, 6 * SECOND);
    switch_to(&p, 2);
    put_others(&p, &in, 10, SECOND / 5);
    put_all(&p, &in, &new, 20);
    put_others(&p, &in, 4, 6 * SECOND);
    char *one = tables_of(&p, 1), *want = fresh(GRAPH_RESTS, in, new);
    assert_string_equal(one, want);
    free(one), free(want);
    finish_all(&p);
}

// Another generation leads first, which was made later, and has more of it as history: the journal goes on behind that,
// and the one that was made before takes what lies between.
static void test_another_had_more(void **state)
{
    (void)state;
    struct k_orders orders = {.order = k_order_of(100, true)};
    for (int more = 0; more < 40; more += 20) {
        struct pipeline p;
        int in = 0, new = 0;
        begin_added(&p, GRAPH_ADDED, &in, &new, 0);
        put_all(&p, &in, &new, 20);
        start_third(&p, new, &orders);
        run(&p, 2 * SECOND);
        end(&p, 0);
        cluster_until(&p.c, 2, 0, K_SHARD_LEAD);
        put_others(&p, &in, 20, SECOND / 5);
        put_all(&p, &in, &new, more);
        run(&p, 5 * SECOND);
        char *one = tables_of(&p, 1), *three = tables_of(&p, 2), *want = fresh(GRAPH_ADDED, in, new);
        assert_string_equal(three, want);
        assert_string_equal(one, want);
        free(one), free(three), free(want);
        finish_all(&p);
    }
}

// A journal in which there is only what was aborted has not begun: there is nothing to replay yet, and nothing is lost.
static void test_nothing_but_aborted(void **state)
{
    (void)state;
    struct pipeline p;
    struct k_error err;
    struct k_producer *producer;
    struct k_beginning beginning;
    begin(&p, GRAPH_ADDED);
    struct k_log *log = k_cloud_connect(p.c.cloud, "another");
    assert_int_equal(log->ops->producer_open(log, "p-0", 60 * SECOND, &producer, &err), 0);
    assert_int_equal(log->ops->begin(producer, &err), 0);
    struct k_out_message message = {.topic = "p.journal.0", .value = K_STR("x"), .has_value = true};
    assert_int_equal(log->ops->produce(producer, &message, &err), 0);
    assert_int_equal(log->ops->abort(producer, &err), 0);
    assert_int_equal(k_beginning_read(log, p.two.plan, 0, -1, &beginning, &err), K_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "has no journal yet"));
    log->ops->producer_close(producer);
    log->ops->close(log);
    finish(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_equals_a_fresh_run), cmocka_unit_test(test_forth_and_back),
        cmocka_unit_test(test_it_was_read_before),    cmocka_unit_test(test_it_rests),
        cmocka_unit_test(test_it_rested_before),      cmocka_unit_test(test_it_rests_behind_a_cut),
        cmocka_unit_test(test_another_had_more),
        cmocka_unit_test(test_nothing_but_aborted),
    };
    return cmocka_run_group_tests_name("added", tests, NULL, NULL);
}
