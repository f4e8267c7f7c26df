// A generation that begins later than the journal: it holds what a pipeline would that never saw the earlier records.
#include "tests/base/test.h"

#include <stdlib.h>

#include "tests/replay/pipeline.h"

// Windows in it, so that a start shows in watermarks, too.
#define GRAPH_WINDOWS                                                                                      \
    "name: \"p\" schema { name: \"E\" field: \"k string not null\" field: \"n int64\" }\n"                  \
    "source { name: \"in\" kafka { topic: \"t\" } format { json {} } schema: \"E\" }\n"                     \
    "node { name: \"sums\" input: \"in\" aggregate { group_by: \"k\" window { tumbling { size: \"5ms\" } }" \
    "  select: \"sum(n) AS total\" } }\n"                                                                  \
    "table { name: \"totals\" input: \"sums\" key: \"k\" key: \"window_start\" }\n"                        \
    "sink { name: \"out\" input: \"sums\" kafka { topic: \"o\" } format { json {} } }\n"

static const struct k_start starts[] = {{.topic = "t", .partition = 0, .offset = 7}};

static void start_later(struct pipeline *p, uint32_t worker)
{
    start_from(p, worker, worker ? starts : NULL);
}

// The same graph on a pipeline whose topic has only the later records.
static char *only_later(int from, int to)
{
    struct pipeline p;
    begin(&p, GRAPH_WINDOWS);
    p.c.options.starts = NULL;
    p.c.options.start_count = 0;
    start(&p, 0);
    start(&p, 1);
    for (int n = from; n < to; n++) put(&p, "t", n);
    run(&p, 3 * SECOND);
    char *tables = tables_of(&p, 1);
    finish(&p);
    return tables;
}

// The start lies in the middle of a range of the journal; what lies before it is gone, or still there.
static void test_later(void **state)
{
    (void)state;
    char *want = only_later(7, 40);
    for (int gone = 0; gone < 2; gone++) {
        struct pipeline p;
        begin(&p, GRAPH_WINDOWS);
        p.c.options.starts = NULL;
        start_later(&p, 0);
        for (int n = 0; n < 20; n++) put(&p, "t", n);
        run(&p, 2 * SECOND);
        struct k_error err;
        struct k_log *log = k_cloud_connect(p.c.cloud, "retention");
        if (gone) assert_int_equal(log->ops->delete_records(log, "t", 0, 7, &err), 0);
        log->ops->close(log);
        start_later(&p, 1);
        run(&p, 2 * SECOND);
        assert_int_equal(cluster_report(&p.c, 1, 0).records, 13);
        end(&p, 1);
        start_later(&p, 1); // it knows where it began, from its own state
        for (int n = 20; n < 40; n++) put(&p, "t", n);
        run(&p, 3 * SECOND);
        char *got = tables_of(&p, 1);
        assert_string_equal(got, want);
        free(got);
        end(&p, 1);
        finish(&p);
    }
    free(want);
}

// It leads, is followed by its own kind and by the other, which has the same graph from the beginning, and all agree.
static void test_it_leads(void **state)
{
    (void)state;
    struct pipeline p;
    begin(&p, GRAPH_WINDOWS);
    cluster_plan(&p.c, GRAPH_WINDOWS, 1);
    start_later(&p, 0);
    for (int n = 0; n < 20; n++) put(&p, "t", n);
    run(&p, 2 * SECOND);
    start_later(&p, 1);
    start_later(&p, 2);
    run(&p, 2 * SECOND);
    switch_to(&p, 2);
    for (int n = 20; n < 40; n++) {
        put(&p, "t", n);
        run(&p, SECOND / 10);
    }
    switch_to(&p, 0);
    for (int n = 40; n < 60; n++) {
        put(&p, "t", n);
        run(&p, SECOND / 10);
    }
    switch_to(&p, 2);
    run(&p, 3 * SECOND);
    char *want = only_later(7, 60), *one = tables_of(&p, 1), *two = tables_of(&p, 2), *other = tables_of(&p, 0);
    assert_string_equal(one, want);
    assert_string_equal(two, want);
    assert_string_not_equal(other, want); // it has the windows from before
    free(want), free(one), free(two), free(other);
    for (uint32_t w = 0; w < WORKERS; w++) end(&p, w);
    finish(&p);
}

// It leads before its beginning has come, and is started again there; and its source is compacted, so that the journal
// has the records.
static void test_before_its_beginning(void **state)
{
    (void)state;
    char *want = only_later(7, 30);
    for (int compacted = 0; compacted < 2; compacted++) {
        struct pipeline p;
        struct k_error err;
        begin(&p, GRAPH_WINDOWS);
        struct k_log *log = k_cloud_connect(p.c.cloud, "command");
        assert_int_equal(log->ops->topic_delete(log, "t", &err), 0);
        cluster_topic(&p.c, "t", 1, compacted);
        log->ops->close(log);
        cluster_plan(&p.c, GRAPH_WINDOWS, 1);
        start_later(&p, 0);
        put(&p, "t", 0);
        run(&p, 2 * SECOND);
        start_later(&p, 1);
        run(&p, SECOND);
        switch_to(&p, 2);
        for (int n = 1; n < 5; n++) put(&p, "t", n);
        run(&p, 2 * SECOND);
        cluster_stop(&p.c, 1);
        end(&p, 1);
        p.c.options.starts = NULL;
        p.c.options.start_count = 0;
        start(&p, 1); // only its state says where it begins
        for (int n = 5; n < 10; n++) put(&p, "t", n);
        run(&p, 10 * SECOND);
        start_later(&p, 2);
        for (int n = 10; n < 30; n++) put(&p, "t", n);
        run(&p, 10 * SECOND);
        for (uint32_t w = 1; w < WORKERS; w++) {
            char *got = tables_of(&p, w);
            assert_string_equal(got, want);
            free(got);
            end(&p, w);
        }
        finish(&p);
    }
    free(want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_later),
        cmocka_unit_test(test_it_leads),
        cmocka_unit_test(test_before_its_beginning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
