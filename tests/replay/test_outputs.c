// A shadow whose outputs go to topics with a suffix: exactly once, whoever dies, and until its generation leads.
#include "tests/base/test.h"

#include <stdlib.h>

#include "tests/replay/pipeline.h"

static void begin_with_suffix(struct pipeline *p, const char *two)
{
    begin(p, two);
    const struct k_topic_spec progress = {.partitions = 1, .replication = 1, .compacted = true, .retention_ms = -1};
    struct k_error err;
    assert_int_equal(k_cloud_create_topic(p->c.cloud, "p.outputs.2", &progress, &err), 0);
    cluster_topic(&p->c, "o.new", 1, false);
    cluster_topic(&p->c, "p.dead-letters.new", 1, false);
}

// Generation 2 has the suffix.
static void start_one(struct pipeline *p, uint32_t worker)
{
    p->c.options.output_suffix = worker ? ".new" : NULL;
    start(p, worker);
}

static char *copy_of(struct pipeline *p, const char *topic)
{
    return strdup(cluster_read(&p->c, topic, 0));
}

static void expect_same(struct pipeline *p, const char *a, const char *b)
{
    char *one = copy_of(p, a);
    assert_true(one[0]);
    assert_string_equal(cluster_read(&p->c, b, 0), one);
    free(one);
}

// The same graph: what it writes is what the live one wrote. Another graph writes its own; dead letters, too.
static void test_same_graph(void **state)
{
    (void)state;
    struct pipeline p;
    begin_with_suffix(&p, GRAPH_ONE);
    start_one(&p, 0);
    for (int n = 0; n < 20; n++) put(&p, "t", n);
    cluster_put(&p.c, "t", 0, 1, NULL, "garbage");
    run(&p, 2 * SECOND);
    start_one(&p, 1);
    run(&p, 20 * SECOND);
    expect_same(&p, "o", "o.new");
    expect_same(&p, "p.dead-letters", "p.dead-letters.new");
    put(&p, "t", 20);
    run(&p, 2 * SECOND);
    expect_same(&p, "o", "o.new");
    finish(&p);
}

// Killed and started again at any moment, alone or with another process that waits for its place.
static void test_exactly_once(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 40; seed++) {
        struct pipeline p;
        unsigned random = seed * 2654435761u + 1;
        begin_with_suffix(&p, GRAPH_ONE);
        start_one(&p, 0);
        for (int n = 0; n < 200; n++) {
            if (n % 2) put(&p, "t", n);
            run(&p, SECOND / 20);
            random = random * 1664525 + 1013904223;
            uint32_t worker = 1 + (random >> 20) % (seed % 2 ? 2 : 1);
            unsigned what = (random >> 8) % 16;
            if (n == 10 || (!p.overseers[worker] && what < 8)) {
                if (!p.overseers[worker]) start_one(&p, worker);
            } else if (p.overseers[worker] && what == 0) {
                for (unsigned s = (random >> 4) % 64; s; s--) step(&p);
                end(&p, worker);
            } else if (p.overseers[worker] && what == 1) {
                cluster_stop(&p.c, worker);
                end(&p, worker);
            } else if (!p.overseers[worker] && what == 15 && seed % 3 == 0) {
                cluster_lose_disk(&p.c, worker);
            }
        }
        if (!p.overseers[1]) start_one(&p, 1);
        run(&p, 60 * SECOND);
        expect_same(&p, "o", "o.new");
        finish(&p);
    }
}

// Outputs with a suffix end where the generation takes over, and do not begin again; its real ones begin there.
static void test_until_it_leads(void **state)
{
    (void)state;
    struct pipeline p;
    begin_with_suffix(&p, GRAPH_TWO);
    start_one(&p, 0);
    start_one(&p, 1);
    for (int n = 0; n < 4; n++) put(&p, "t", n);
    run(&p, 20 * SECOND);
    const char *want = "{\"k\":\"a\",\"n\":0} {\"k\":\"b\",\"n\":3} {\"k\":\"a\",\"n\":6} {\"k\":\"b\",\"n\":9} ";
    assert_string_equal(cluster_read(&p.c, "o.new", 0), want);
    switch_to(&p, 2);
    for (int n = 4; n < 6; n++) put(&p, "t", n);
    run(&p, 2 * SECOND);
    switch_to(&p, 0);
    for (int n = 6; n < 8; n++) put(&p, "t", n);
    run(&p, 2 * SECOND);
    end(&p, 1);
    start_one(&p, 1); // from its checkpoint
    start_one(&p, 2); // from the journal's beginning
    put(&p, "t", 8);
    run(&p, 60 * SECOND);
    assert_string_equal(cluster_read(&p.c, "o.new", 0), want);
    assert_string_equal(cluster_read(&p.c, "o", 0),
                        "{\"k\":\"a\",\"n\":0} {\"k\":\"b\",\"n\":2} {\"k\":\"a\",\"n\":4} {\"k\":\"b\",\"n\":6} "
                        "{\"k\":\"a\",\"n\":12} {\"k\":\"b\",\"n\":15} {\"k\":\"a\",\"n\":12} {\"k\":\"b\",\"n\":14} "
                        "{\"k\":\"a\",\"n\":16} ");
    for (uint32_t w = 1; w < WORKERS; w++)
        assert_int_equal(cluster_report(&p.c, w, 0).offset, cluster_report(&p.c, 0, 0).offset);
    finish(&p);
}

// Without the note of how far outputs are committed nobody could tell; it is not begun again from anywhere.
static void test_note_is_gone(void **state)
{
    (void)state;
    struct pipeline p;
    begin_with_suffix(&p, GRAPH_ONE);
    start_one(&p, 0);
    p.c.options.output_suffix = NULL;
    start(&p, 1);
    put(&p, "t", 1);
    run(&p, 5 * SECOND);
    cluster_stop(&p.c, 1);
    end(&p, 1);
    start_one(&p, 1);
    int code = 0;
    for (int n = 0; n < 1000 && !code; n++) code = step(&p);
    assert_int_equal(code, K_E_CORRUPT);
    assert_non_null(strstr(p.c.error.text, "topic p.outputs.2 does not say how far outputs are committed"));
    finish(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_graph),
        cmocka_unit_test(test_exactly_once),
        cmocka_unit_test(test_until_it_leads),
        cmocka_unit_test(test_note_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
