// Two generations with different graphs on one pipeline: what comes out before and after a switch, what a shadow holds,
// and what is refused.
#include "tests/base/test.h"

#include <stdio.h>

#include "replay/generations.h"
#include "replay/overseer.h"
#include "tests/engine/cluster.h"

static const int64_t SECOND = 1000000;

// Doubles n, from one of two topics.
#define GRAPH_ONE                                                                          \
    "name: \"p\" schema { name: \"E\" field: \"k string not null\" field: \"n int64\" }\n" \
    "source { name: \"other\" kafka { topic: \"u\" } format { json {} } schema: \"E\" }\n" \
    "source { name: \"in\" kafka { topic: \"t\" } format { json {} } schema: \"E\" }\n"    \
    "node { name: \"both\" input: \"in\" map { select: \"k\" select: \"n * 2 AS n\" } }\n" \
    "table { name: \"last\" input: \"both\" key: \"k\" }\n"                                \
    "table { name: \"others\" input: \"other\" key: \"k\" }\n"                             \
    "sink { name: \"out\" input: \"both\" kafka { topic: \"o\" } format { json {} } }\n"
// The other topic is left out, and the expression is corrected.
#define GRAPH_TWO                                                                          \
    "name: \"p\" schema { name: \"E\" field: \"k string not null\" field: \"n int64\" }\n" \
    "source { name: \"in\" kafka { topic: \"t\" } format { json {} } schema: \"E\" }\n"    \
    "node { name: \"both\" input: \"in\" map { select: \"k\" select: \"n * 3 AS n\" } }\n" \
    "table { name: \"last\" input: \"both\" key: \"k\" }\n"                                \
    "sink { name: \"out\" input: \"both\" kafka { topic: \"o\" } format { json {} } }\n"
// A topic more.
#define GRAPH_MORE                                                                                 \
    GRAPH_ONE "source { name: \"new\" kafka { topic: \"v\" } format { json {} } schema: \"E\" }\n" \
              "table { name: \"news\" input: \"new\" key: \"k\" }\n"

struct generation {
    struct k_graph *graph;
    struct k_plan *plan;
};
struct pipeline;
struct host { // whose shard or overseer asks
    struct pipeline *p;
    uint32_t worker;
};
struct pipeline {
    struct cluster c; // worker 0 hosts generation 1, workers 1 and 2 generation 2
    struct generation two;
    struct k_log *logs[WORKERS];
    struct k_overseer *overseers[WORKERS];
    uint64_t kept[WORKERS]; // the last mark kept
    struct k_buf copies[WORKERS];
    struct host hosts[WORKERS];
};

static void make_generation(struct generation *g, const char *text)
{
    struct k_diags diags = {0};
    struct k_buf why = {0};
    int code = k_graph_read("two.textproto", k_str_of(text), K_FORM_TEXT, &diags, &g->graph);
    if (!code) code = k_plan_make(g->graph, 1, &diags, &g->plan);
    k_diags_print(&diags, &why);
    if (code) fail_msg("%s", why.data);
    k_diags_fini(&diags);
    k_buf_fini(&why);
}

static bool report(void *context, uint32_t shard, struct k_shard_report *ret)
{
    const struct host *host = context;
    struct pipeline *p = host->p;
    uint32_t worker = host->worker;
    if (!p->c.live[worker][shard]) return false;
    k_shard_report(p->c.live[worker][shard], ret);
    return true;
}

static int keep_mark(void *context, struct k_store *store, uint64_t mark, struct k_error *err)
{
    const struct host *host = context;
    struct pipeline *p = host->p;
    uint32_t worker = host->worker;
    (void)store, (void)err;
    if (p->kept[worker] == mark) return 0; // asked again after a crash
    p->kept[worker] = mark;
    k_buf_clear(&p->copies[worker]);
    cluster_dump(&p->c, worker, 0, &p->copies[worker]);
    return 0;
}

static void start(struct pipeline *p, uint32_t worker)
{
    struct k_error err;
    p->logs[worker] = k_cloud_connect(p->c.cloud, "overseer");
    struct k_overseer_options options = {.log = p->logs[worker],
                                         .graph = "p",
                                         .generation = worker ? 2 : 1,
                                         .shards = 1,
                                         .report = report,
                                         .context = &p->hosts[worker],
                                         .seed = worker + 1};
    p->hosts[worker] = (struct host){p, worker};
    assert_int_equal(k_overseer_create(&options, &p->overseers[worker], &err), 0);
    p->c.options.orders = k_overseer_orders(p->overseers[worker]);
    p->c.options.generation = worker ? "2" : "1";
    p->c.options.plan = worker ? p->two.plan : p->c.plan;
    p->c.options.keep_mark = keep_mark;
    p->c.options.mark_context = &p->hosts[worker];
    cluster_start(&p->c, worker);
}

static void end(struct pipeline *p, uint32_t worker)
{
    if (!p->overseers[worker]) return;
    if (p->c.logs[worker]) cluster_kill(&p->c, worker);
    k_overseer_destroy(p->overseers[worker]);
    p->logs[worker]->ops->close(p->logs[worker]);
    p->overseers[worker] = NULL;
}

static void begin(struct pipeline *p, const char *two)
{
    memset(p, 0, sizeof *p);
    cluster_init(&p->c, GRAPH_ONE, 1);
    cluster_topic(&p->c, "t", 1, false);
    cluster_topic(&p->c, "u", 1, false);
    cluster_topic(&p->c, "v", 1, false);
    cluster_prepare(&p->c);
    make_generation(&p->two, two);
    struct k_log *log = k_cloud_connect(p->c.cloud, "command");
    struct k_error err;
    struct k_control control;
    struct k_new_shadow ask = {
        .fingerprint = p->two.plan->fingerprint, .live_fingerprint = p->c.plan->fingerprint, .now_us = 1};
    assert_int_equal(k_control_prepare(log, "p", 1, &err), 0);
    assert_int_equal(k_control_change(log, "p", k_new_shadow, &ask, &control, &err), 0);
    log->ops->close(log);
}

static void finish(struct pipeline *p)
{
    for (uint32_t w = 0; w < WORKERS; w++) {
        end(p, w);
        k_buf_fini(&p->copies[w]);
    }
    cluster_fini(&p->c);
    k_plan_destroy(p->two.plan);
    k_graph_destroy(p->two.graph);
}

static int step(struct pipeline *p)
{
    for (uint32_t w = 0; w < WORKERS; w++) {
        int64_t wait_us;
        struct k_error err;
        if (p->overseers[w]) assert_int_equal(k_overseer_step(p->overseers[w], &wait_us, &err), 0);
    }
    return cluster_step(&p->c);
}

static void run(struct pipeline *p, int64_t us)
{
    for (int64_t until = k_cloud_now(p->c.cloud) + us; k_cloud_now(p->c.cloud) < until;)
        if (step(p)) fail_msg("%s", p->c.error.text);
}

static void put(struct pipeline *p, const char *topic, int n)
{
    char value[64];
    snprintf(value, sizeof value, "{\"k\":\"%c\",\"n\":%d}", 'a' + n % 2, n);
    cluster_put(&p->c, topic, 0, n * 1000, NULL, value);
}

static void ask(struct pipeline *p, k_control_decide decision, void *context)
{
    struct k_log *log = k_cloud_connect(p->c.cloud, "command");
    struct k_control control;
    struct k_error err = {0};
    int code;
    while (k_control_again(code = k_control_change(log, "p", decision, context, &control, &err))) {
    }
    if (code) fail_msg("%s", err.text);
    log->ops->close(log);
}

static void switch_to(struct pipeline *p, uint64_t to)
{
    struct k_switch wish = {.to = to};
    ask(p, k_switch, &wish);
    for (int n = 0; n < 20000 && k_overseer_control(p->overseers[0])->done < wish.seq; n++)
        if (step(p)) fail_msg("%s", p->c.error.text);
    assert_int_equal(k_overseer_control(p->overseers[0])->done, wish.seq);
    assert_int_equal(k_overseer_control(p->overseers[0])->live, wish.target);
}

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

static void test_an_added_source_is_refused(void **state)
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

// Nobody hosts generation 2: the switch is taken back, and generation 1 goes on.
static void test_taken_back(void **state)
{
    (void)state;
    struct pipeline p;
    begin(&p, GRAPH_TWO);
    start(&p, 0);
    put(&p, "t", 1);
    run(&p, 2 * SECOND);
    struct k_switch wish = {.to = 2, .give_up_us = 5 * SECOND};
    ask(&p, k_switch, &wish);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_a_fresh_run_along_the_same_journal),
        cmocka_unit_test(test_an_added_source_is_refused),
        cmocka_unit_test(test_taken_back),
        cmocka_unit_test(test_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
