// A shadow whose outputs go to topics with a suffix: exactly once, whoever dies, and until its generation leads.
#include "tests/base/test.h"

#include <stdlib.h>

#include "replay/suffixed.h"
#include "tests/replay/pipeline.h"

static void begin_with_suffix(struct pipeline *p, const char *two)
{
    const struct k_topics_options options = {.create = true, .replication = 1, .partitions = 1};
    struct k_error err;
    begin(p, two);
    struct k_log *log = k_cloud_connect(p->c.cloud, "command");
    assert_int_equal(k_suffixed_prepare(log, p->two.plan, 2, ".new", &options, &err), 0);
    assert_int_equal(k_suffixed_prepare(log, p->two.plan, 2, ".new", &options, &err), 0); // what is there, stays
    log->ops->close(log);
}

// Generation 2 has the suffix.
static void start_one(struct pipeline *p, uint32_t worker)
{
    p->c.options.output_suffix = worker ? ".new" : NULL;
    start(p, worker);
}

static int32_t partitions_of(struct k_log *log, const char *topic)
{
    struct k_topic_info info;
    struct k_error err;
    return log->ops->topic_info(log, topic, &info, &err) ? 0 : info.partitions;
}

// Made as the real ones are; nothing that is there already; removed, and nothing else.
static void test_topics(void **state)
{
    (void)state;
    const struct k_topics_options options = {.create = true, .replication = 1, .partitions = 1};
    struct pipeline p;
    struct k_error err;
    struct k_buf names = {0};
    begin(&p, GRAPH_TWO);
    struct k_log *log = k_cloud_connect(p.c.cloud, "command");
    assert_int_equal(log->ops->topic_delete(log, "o", &err), 0);
    cluster_topic(&p.c, "o", 5, true);
    cluster_topic(&p.c, "o.x", 1, false);
    cluster_topic(&p.c, "t.new", 1, false); // of somebody else
    assert_int_equal(k_suffixed_check(log, p.two.plan, ".x", &names, &err), K_E_CONFIG);
    assert_string_equal(err.text, "topic o.x is there already; choose another suffix");
    k_buf_clear(&names);
    assert_int_equal(k_suffixed_check(log, p.two.plan, ".new", &names, &err), 0);
    assert_string_equal(names.data, "p.dead-letters.new\no.new\n");
    assert_int_equal(k_suffixed_prepare(log, p.two.plan, 2, ".new", &options, &err), 0);
    assert_int_equal(partitions_of(log, "o.new"), 5);
    assert_int_equal(partitions_of(log, "p.outputs.2"), 2);
    // Interrupted, and begun again: the list goes last.
    assert_int_equal(log->ops->topic_delete(log, "p.dead-letters.new", &err), 0);
    k_buf_clear(&names);
    assert_int_equal(k_suffixed_remove(log, "p", 2, true, &names, &err), 0);
    assert_string_equal(names.data, "o.new\np.outputs.2\n");
    assert_int_equal(partitions_of(log, "o.new"), 5);
    assert_int_equal(k_suffixed_remove(log, "p", 2, false, NULL, &err), 0);
    assert_int_equal(k_suffixed_remove(log, "p", 2, false, NULL, &err), 0);
    const char *const gone[] = {"o.new", "p.dead-letters.new", "p.outputs.2"}, *const left[] = {"o", "o.x", "t.new"};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(partitions_of(log, gone[i]), 0);
        assert_int_not_equal(partitions_of(log, left[i]), 0);
    }
    k_buf_fini(&names);
    log->ops->close(log);
    finish(&p);
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

// The journal records that the messages name as theirs, each behind its generation.
static void add_maker(void *context, const struct k_message *message)
{
    for (uint32_t i = 0; i < message->header_count; i++)
        if (k_str_equal(message->headers[i].name, K_STR("kappa")))
            k_buf_printf(context, "%.*s ", (int)message->headers[i].value.length, message->headers[i].value.data);
}

// The same graph: each names the record that the live one named, and its own generation.
static void expect_makers(struct pipeline *p)
{
    struct k_buf live = {0}, shadow = {0};
    k_cloud_read(p->c.cloud, "o", 0, add_maker, &live);
    k_cloud_read(p->c.cloud, "o.new", 0, add_maker, &shadow);
    k_buf_add_char(&shadow, 0);
    k_buf_add_char(&live, 0);
    for (char *at = strstr(live.data, "1/0/"); at; at = strstr(at + 1, "1/0/"))
        if (at == live.data || at[-1] == ' ') *at = '2';
    assert_string_equal(shadow.data, live.data);
    k_buf_fini(&live);
    k_buf_fini(&shadow);
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
    expect_makers(&p);
    finish(&p);
}

// Killed and started again at any moment, alone or with another process that waits for its place.
static void test_exactly_once(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 40; seed++) {
        struct pipeline p;
        unsigned random = seed * 2654435761u + 1;
        // Commits that are known may be visible only later.
        const struct k_fault_rates late = {.marker_late = 2}, none = {0};
        begin_with_suffix(&p, GRAPH_ONE);
        start_one(&p, 0);
        k_cloud_set_rates(p.c.cloud, seed % 4 >= 2 ? &late : &none);
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
        k_cloud_set_rates(p.c.cloud, &none);
        run(&p, 60 * SECOND);
        expect_same(&p, "o", "o.new");
        expect_makers(&p);
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
        cmocka_unit_test(test_topics),       cmocka_unit_test(test_same_graph),
        cmocka_unit_test(test_exactly_once), cmocka_unit_test(test_until_it_leads),
        cmocka_unit_test(test_note_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
