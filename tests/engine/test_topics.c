// What k_topics_prepare makes, and all that it refuses.
#include "tests/base/test.h"

#include <stdlib.h>

#include "engine/log_memory_private.h"
#include "engine/topics.h"
#include "tests/engine/cluster.h"

static const char *const GRAPH =
    "name: \"p\" schema { name: \"E\" field: \"k string not null\" }\n"
    "source { name: \"in\" kafka { topic: \"t\" } format { json {} } schema: \"E\" }\n"
    "source { name: \"more\" kafka { topic: \"u\" } format { json {} } schema: \"E\" policy { on_error: DROP } }\n"
    "node { name: \"n\" input: \"in\" aggregate { group_by: \"k\" window { tumbling { size: \"1s\" } }\n"
    "       select: \"count(*) AS c\" late_topic: \"late\" } policy { dead_letter_topic: \"bad\" } }\n"
    "sink { name: \"out\" input: \"n\" kafka { topic: \"o\" partitions: 3 } format { json {} } }\n"
    "sink { name: \"out2\" input: \"more\" kafka { topic: \"o2\" } format { json {} } }\n";

struct fixture {
    struct cluster c;
    struct k_log *log;
    struct k_error err;
};

static int setup(void **state)
{
    struct fixture *f = k_new(struct fixture);
    cluster_init(&f->c, GRAPH, 1);
    f->log = k_cloud_connect(f->c.cloud, "x");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    f->log->ops->close(f->log);
    cluster_fini(&f->c);
    free(f);
    return 0;
}

static int prepare(struct fixture *f, bool create)
{
    struct k_topics_options options = {.create = create, .replication = -1, .partitions = 2};
    f->err = (struct k_error){0};
    return k_topics_prepare(f->log, f->c.plan, &options, &f->err);
}

static struct k_topic_info *info(struct fixture *f, const char *topic)
{
    struct topic *t = memory_topic(f->c.cloud, topic);
    return t ? &t->info : NULL;
}

static void sources(struct fixture *f)
{
    cluster_topic(&f->c, "t", 4, false);
    cluster_topic(&f->c, "u", 4, true);
}

static void test_makes_what_is_absent(void **state)
{
    struct fixture *f = *state;
    sources(f);
    assert_int_equal(prepare(f, true), 0);
    assert_int_equal(info(f, "p.journal.0")->partitions, 1);
    assert_int_equal(info(f, "p.journal.0")->retention_ms, -1);
    assert_false(info(f, "p.journal.0")->compacted);
    assert_int_equal(info(f, "o")->partitions, 3);
    assert_int_equal(info(f, "o2")->partitions, 2);
    assert_int_equal(info(f, "late")->partitions, 2);
    assert_int_equal(info(f, "bad")->retention_ms, -1);
    assert_int_equal(info(f, "p.dead-letters")->partitions, 1);
    assert_null(info(f, "p.journal.1"));
    assert_int_equal(prepare(f, true), 0); // and again, as a second worker does
    assert_int_equal(prepare(f, false), 0);
}

static void test_says_all_that_is_missing(void **state)
{
    struct fixture *f = *state;
    cluster_topic(&f->c, "t", 4, false);
    assert_int_equal(prepare(f, true), K_E_UNAVAILABLE);
    assert_non_null(strstr(f->err.text, "source topic u does not exist"));
    assert_null(info(f, "o")); // nothing is made for a pipeline that cannot run
    cluster_topic(&f->c, "u", 4, false);
    assert_int_equal(prepare(f, false), K_E_UNAVAILABLE);
    static const char *const missing[] = {"p.journal.0", "topic o ", "topic o2 ", "topic late ", "topic bad ",
                                          "p.dead-letters"};
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++)
        if (!strstr(f->err.text, missing[i])) fail_msg("%s: %s", missing[i], f->err.text);
    struct k_topics_options fine = {.absent_is_fine = true};
    assert_int_equal(k_topics_prepare(f->log, f->c.plan, &fine, &f->err), 0);
    assert_null(info(f, "o"));
}

static void test_refuses_other_settings(void **state)
{
    struct fixture *f = *state;
    sources(f);
    assert_int_equal(prepare(f, true), 0);
    struct k_topic_info *journal = info(f, "p.journal.0"), good = *journal;
    static const struct {
        struct k_topic_info changed;
        const char *said;
    } cases[] = {
        {{.partitions = 2, .deletes = true, .retention_ms = -1, .retention_bytes = -1}, "has 2 partitions"},
        {{.partitions = 1, .compacted = true, .retention_ms = -1, .retention_bytes = -1}, "is compacted"},
        {{.partitions = 1, .deletes = true, .retention_ms = 5, .retention_bytes = -1}, "retention.ms=-1"},
        {{.partitions = 1, .deletes = true, .retention_ms = -1, .retention_bytes = 7}, "retention.bytes=-1"},
        // u is compacted: its records, of up to 1 MB, are embedded.
        {{.partitions = 1, .deletes = true, .retention_ms = -1, .retention_bytes = -1, .max_message_bytes = 1048588},
         "max.message.bytes=67108864"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        *journal = cases[i].changed;
        assert_int_equal(prepare(f, true), K_E_CONFIG);
        if (!strstr(f->err.text, cases[i].said)) fail_msg("%s", f->err.text);
    }
    *journal = good;
    assert_int_equal(prepare(f, true), 0);
    info(f, "u")->deletes = true; // it compacts, too: keys would vanish without a tombstone
    info(f, "o")->partitions = 4;
    assert_int_equal(prepare(f, true), K_E_CONFIG);
    assert_non_null(strstr(f->err.text, "source topic u both compacts and deletes"));
    assert_non_null(strstr(f->err.text, "topic o has 4 partitions, the graph says 3")); // both are told
    info(f, "o")->partitions = 3;
}

static void test_a_broker_that_does_not_answer(void **state)
{
    struct fixture *f = *state;
    struct k_fault_rates rates = {.request_lost = 1};
    sources(f);
    k_cloud_set_rates(f->c.cloud, &rates);
    int code = prepare(f, true);
    assert_true(code == K_E_RETRY || code == K_E_UNAVAILABLE);
    assert_true(f->err.text[0] != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_makes_what_is_absent, setup, teardown),
        cmocka_unit_test_setup_teardown(test_says_all_that_is_missing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refuses_other_settings, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_broker_that_does_not_answer, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
