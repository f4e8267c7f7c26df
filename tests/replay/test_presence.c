// Where processes say they stand: what is heard of them, and the rates and ETAs that follow from it.
#include "tests/base/test.h"

#include <math.h>

#include "replay/presence.h"
#include "tests/engine/cluster.h"

static const int64_t SECOND = 1000000;

#define GRAPH                                                                                         \
    "name: \"p\" schema { name: \"E\" field: \"k string not null\" field: \"n int64\" }\n"            \
    "source { name: \"in\" kafka { topic: \"t\" } format { json {} } schema: \"E\" }\n"               \
    "node { name: \"sums\" input: \"in\" aggregate { group_by: \"k\" select: \"sum(n) AS n\" } }\n"   \
    "node { name: \"twice\" input: \"sums\" map { select: \"k\" select: \"2 * n AS n\" } }\n"         \
    "table { name: \"last\" input: \"sums\" key: \"k\" }\n"                                           \
    "sink { name: \"plain\" input: \"in\" kafka { topic: \"a\" } format { json {} } }\n"              \
    "sink { name: \"found\" input: \"sums\" key: \"k\" kafka { topic: \"b\" } format { json {} } }\n" \
    "sink { name: \"unfound\" input: \"twice\" key: \"k\" kafka { topic: \"c\" } format { json {} } }\n"

struct scene {
    struct cluster c;
    struct k_log *log;
    struct k_producer *producers[2];
};

static void begin(struct scene *s)
{
    struct k_error err;
    *s = (struct scene){0};
    cluster_init(&s->c, GRAPH, 1);
    s->log = k_cloud_connect(s->c.cloud, "process");
    assert_int_equal(k_presence_prepare(s->log, "p", 1, &err), 0);
}

static void finish(struct scene *s)
{
    for (int i = 0; i < 2; i++) s->log->ops->producer_close(s->producers[i]);
    s->log->ops->close(s->log);
    cluster_fini(&s->c);
}

static void say(struct scene *s, int process, int64_t offset)
{
    struct k_error err;
    struct k_shard_report report = {.state = process ? K_SHARD_FOLLOW : K_SHARD_LEAD, .offset = offset};
    int code = k_presence_say(s->log, s->c.plan, process ? "follower" : "leader", process ? 2 : 1, &report,
                              &s->producers[process], &err);
    if (code) fail_msg("%s", err.text);
}

// The follower's rate, and its ETA with `behind`.
static double rate(struct scene *s, int64_t behind, double *ret_eta)
{
    struct k_presences all;
    struct k_error err;
    assert_int_equal(k_presence_read(s->log, "p", K_PRESENCE_AGE_US, &all, &err), 0);
    assert_int_equal(all.count, 2);
    double got = k_presence_rate(&all.items[1].shards[0]);
    *ret_eta = k_presence_eta(&all, &all.items[1], 0, behind);
    k_presences_fini(&all);
    return got;
}

static void test_rates(void **state)
{
    (void)state;
    struct scene s;
    double eta;
    begin(&s);
    say(&s, 0, 1000000);
    say(&s, 1, 0);
    assert_true(rate(&s, 1000, &eta) < 0 && eta < 0); // heard of once
    k_cloud_advance(s.c.cloud, SECOND);
    say(&s, 1, 300);
    assert_true(rate(&s, 1000, &eta) > 0 && eta < 0); // at which rate the journal grows is not known
    say(&s, 0, 1000100);
    double got = rate(&s, 1000, &eta);
    assert_true(fabs(got - 300) < 1 && fabs(eta - 1000 / 200.0) < 0.1);
    assert_true(rate(&s, 0, &eta) > 0 && eta == 0);
    k_cloud_advance(s.c.cloud, SECOND);
    say(&s, 0, 1001000);
    say(&s, 1, 500);
    assert_true(rate(&s, 1000, &eta) > 0 && isinf(eta)); // 250 a second, and the journal grows by 500
    finish(&s);
}

// Only the last half minute counts, and nothing from before a start.
static void test_what_counts(void **state)
{
    (void)state;
    struct scene s;
    double eta;
    begin(&s);
    for (int i = 0; i < 60; i++) {
        say(&s, 0, 0);
        say(&s, 1, i < 30 ? i * 1000 : 29000 + (i - 29) * 10);
        k_cloud_advance(s.c.cloud, SECOND);
    }
    assert_true(fabs(rate(&s, 10000, &eta) - 10) < 1);
    assert_true(fabs(eta - 1000) < 100);
    say(&s, 1, 7);
    assert_true(rate(&s, 10000, &eta) < 0 && eta < 0);
    finish(&s);
}

static void test_sinks(void **state)
{
    (void)state;
    struct scene s;
    struct k_presences all;
    struct k_error err;
    begin(&s);
    say(&s, 0, 1);
    assert_int_equal(k_presence_read(s.log, "p", K_PRESENCE_AGE_US, &all, &err), 0);
    assert_int_equal(all.count, 1);
    assert_int_equal(all.items[0].sink_count, 2); // with a key
    assert_string_equal(all.items[0].sinks[0].topic, "b");
    assert_string_equal(all.items[0].sinks[0].key, "k");
    assert_string_equal(all.items[0].sinks[0].table, "last");
    assert_string_equal(all.items[0].sinks[1].name, "unfound");
    assert_null(all.items[0].sinks[1].table);
    k_presences_fini(&all);
    finish(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rates),
        cmocka_unit_test(test_what_counts),
        cmocka_unit_test(test_sinks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
