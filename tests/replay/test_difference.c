// The difference of a switch: what of a keyed topic is written after it, by whom, how often and with which values.
#include "tests/base/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/copies.h"
#include "tests/engine/cluster.h"

static const int64_t SECOND = 1000000;

// The last n of each k, times some factor; generation 2 leaves out what is below 0.
#define TABLE(expression, where)                                                                              \
    "name: \"p\" schema { name: \"E\" field: \"k string not null\" field: \"n int64\" }\n"                    \
    "source { name: \"in\" kafka { topic: \"t\" } format { json {} } schema: \"E\" }\n"                       \
    "node { name: \"some\" input: \"in\" filter { where: \"" where "\" } }\n"                                 \
    "node { name: \"both\" input: \"some\" aggregate { group_by: \"k\" select: \"" expression " AS n\" } }\n" \
    "table { name: \"last\" input: \"both\" key: \"k\" }\n"
#define GRAPH(expression, where) \
    TABLE(expression, where)     \
    "sink { name: \"out\" input: \"both\" key: \"k\" kafka { topic: \"o\" } format { json {} } }\n"
#define GRAPH_ONE GRAPH("sum(n)", "n < 1000")
#define GRAPH_WITHOUT TABLE("sum(n)", "n < 1000")
#define GRAPH_TWO GRAPH("sum(n % 10)", "k <> 'x'")

struct scene {
    struct cluster c; // worker 0: generation 1; workers 1 and 2: generation 2
    struct k_graph *graph;
    struct k_plan *two;
    struct k_orders orders[WORKERS];
    struct k_copy_place places[WORKERS];
    char directory[64];
    int64_t begin; // of the messages that are looked at
    struct k_buf text;
};

static void begin(struct scene *s)
{
    memset(s, 0, sizeof *s);
    snprintf(s->directory, sizeof s->directory, "/tmp/kappa-difference-XXXXXX");
    assert_non_null(mkdtemp(s->directory));
    cluster_init(&s->c, GRAPH_ONE, 1);
    cluster_topic(&s->c, "t", 1, false);
    cluster_prepare(&s->c);
    struct k_diags diags = {0};
    assert_int_equal(k_graph_read("two.textproto", k_str_of(GRAPH_TWO), K_FORM_TEXT, &diags, &s->graph), 0);
    assert_int_equal(k_plan_make(s->graph, 1, &diags, &s->two), 0);
    k_diags_fini(&diags);
    for (uint32_t w = 0; w < WORKERS; w++) atomic_store(&s->orders[w].order, k_order_of(0, w == 0));
}

static void start(struct scene *s, uint32_t w)
{
    s->places[w] = (struct k_copy_place){s->directory, "p", w ? "2" : "1", 0};
    s->c.options.orders = &s->orders[w];
    s->c.options.generation = w ? "2" : "1";
    s->c.options.plan = w ? s->two : s->c.plan;
    s->c.options.copies = &k_copies_on_disk;
    s->c.options.copies_context = &s->places[w];
    cluster_start(&s->c, w);
}

static void finish(struct scene *s)
{
    cluster_fini(&s->c);
    k_plan_destroy(s->two);
    k_graph_destroy(s->graph);
    k_buf_fini(&s->text);
    char *command = k_format("rm -rf %s", s->directory);
    assert_int_equal(system(command), 0);
    free(command);
}

static void run(struct scene *s, int64_t us)
{
    if (cluster_run(&s->c, us)) fail_msg("%s", s->c.error.text);
}

static void put(struct scene *s, const char *k, int n)
{
    char value[64];
    snprintf(value, sizeof value, "{\"k\":\"%s\",\"n\":%d}", k, n);
    cluster_put(&s->c, "t", 0, 1000, NULL, value);
}

// Asks for switch `seq`; the switch counts as complete only by complete().
static void switch_to(struct scene *s, uint32_t generation, uint64_t seq, bool difference)
{
    for (uint32_t w = 0; w < WORKERS; w++) {
        atomic_store(&s->orders[w].difference, difference ? seq : 0);
        atomic_store(&s->orders[w].order, k_order_of(seq, (w == 0) == (generation == 1)));
    }
}

static void complete(struct scene *s, uint64_t seq)
{
    for (uint32_t w = 0; w < WORKERS; w++) atomic_store(&s->orders[w].done, seq);
}

static void add_message(void *context, const struct k_message *message)
{
    struct scene *s = context;
    if (message->offset < s->begin) return;
    k_buf_printf(&s->text, "%.*s=", (int)message->key.length, message->key.data);
    if (!message->has_value) k_buf_add_text(&s->text, "- ");
    else k_buf_printf(&s->text, "%.*s ", (int)message->value.length, message->value.data);
}

// The committed messages of the sink's topic behind s->begin.
static const char *shown(struct scene *s)
{
    k_buf_clear(&s->text);
    k_buf_add_text(&s->text, "");
    k_cloud_read(s->c.cloud, "o", 0, add_message, s);
    return s->text.data ? s->text.data : "";
}

static void look_from_here(struct scene *s)
{
    struct k_log *log = k_cloud_connect(s->c.cloud, "looker");
    struct k_error err;
    assert_int_equal(log->ops->offsets(log, "o", 0, true, NULL, &s->begin, &err), 0);
    log->ops->close(log);
}

// The topic is new: all of it is written, also what both tables have alike.
static void test_a_new_sink(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    cluster_plan(&s.c, GRAPH_WITHOUT, 1);
    start(&s, 0);
    start(&s, 1);
    put(&s, "a", 5);
    put(&s, "b", 12);
    run(&s, 3 * SECOND);
    switch_to(&s, 2, 1, true);
    cluster_until(&s.c, 1, 0, K_SHARD_LEAD);
    complete(&s, 1);
    run(&s, 3 * SECOND);
    assert_string_equal(shown(&s), "a={\"k\":\"a\",\"n\":5} b={\"k\":\"b\",\"n\":2} ");
    finish(&s);
}

// Both follow the same; generation 2 leads, and its switch is not complete yet.
static void switched(struct scene *s)
{
    begin(s);
    start(s, 0);
    run(s, SECOND);
    put(s, "a", 5);    // the same in both
    put(s, "b", 12);   // 12 and 2
    put(s, "c", 2000); // only in 2: 0
    put(s, "d", 7);
    put(s, "e", 31); // 31 and 1
    put(s, "x", 1);  // only in 1
    start(s, 1);
    run(s, 3 * SECOND);
    switch_to(s, 2, 1, true);
    cluster_until(&s->c, 1, 0, K_SHARD_LEAD);
    run(s, 2 * SECOND);
    look_from_here(s);
}

static void test_what_differs(void **state)
{
    (void)state;
    struct scene s;
    switched(&s);
    assert_string_equal(shown(&s), ""); // while it may be taken back
    put(&s, "e", 3);                    // changes before it is written
    run(&s, SECOND);
    look_from_here(&s);
    complete(&s, 1);
    run(&s, 3 * SECOND);
    assert_string_equal(shown(&s), "b={\"k\":\"b\",\"n\":2} c={\"k\":\"c\",\"n\":0} e={\"k\":\"e\",\"n\":4} x=- ");
    struct k_shard_report report = cluster_report(&s.c, 1, 0);
    assert_true(report.difference_done);
    assert_int_equal(report.difference_seq, 1);
    assert_int_equal(report.difference_compared, 6);
    assert_int_equal(report.difference_written, 4);
    report = cluster_report(&s.c, 0, 0); // who follows knows it, too
    assert_true(report.difference_done);
    assert_int_equal(report.difference_written, 4);
    char *copies = k_format("%s/.marks/switch-1", s.directory);
    assert_int_not_equal(access(copies, F_OK), 0);
    free(copies);
    finish(&s);
}

enum { KEYS = 200 };

// Many keys, all but every fifth different; the leader is killed in the middle, and some keys change before and after.
// Returns whether every key that differs was written once, and the topic shows generation 2's table in the end.
static bool killed_in_the_middle(struct scene *s)
{
    begin(s);
    s->c.options.difference_rows = 7;
    s->c.options.checkpoint_interval_us = 60 * SECOND; // so that the journal alone knows how far it is
    start(s, 0);
    run(s, SECOND);
    for (int i = 0; i < KEYS; i++) {
        char k[16];
        snprintf(k, sizeof k, "k%03d", i);
        put(s, k, i % 5 ? 10 + i % 10 : i % 10);
    }
    start(s, 1);
    run(s, 3 * SECOND);
    switch_to(s, 2, 1, true);
    cluster_until(&s->c, 1, 0, K_SHARD_LEAD);
    run(s, 2 * SECOND);
    look_from_here(s);
    complete(s, 1);
    while (cluster_report(&s->c, 1, 0).difference_written < KEYS / 3)
        if (cluster_step(&s->c)) fail_msg("%s", s->c.error.text);
    assert_false(cluster_report(&s->c, 1, 0).difference_done);
    cluster_kill(&s->c, 1);
    run(s, SECOND);
    start(s, 1);
    for (int n = 0; n < 200 && !cluster_report(&s->c, 1, 0).difference_done; n++) run(s, SECOND / 10);
    assert_true(cluster_report(&s->c, 1, 0).difference_done);
    bool once = true;
    const char *text = shown(s);
    for (int i = 0; i < KEYS; i++) {
        char wanted[64];
        snprintf(wanted, sizeof wanted, "k%03d={\"k\":\"k%03d\",\"n\":%d} ", i, i, i % 10);
        const char *found = strstr(text, wanted);
        once &= (i % 5 != 0) == (found != NULL) && !(found && strstr(found + 1, wanted));
    }
    return once;
}

static void test_once_over_a_kill(void **state)
{
    (void)state;
    struct scene s;
    assert_true(killed_in_the_middle(&s));
    struct k_shard_report report = cluster_report(&s.c, 1, 0);
    assert_int_equal(report.difference_compared, KEYS);
    assert_int_equal(report.difference_written, KEYS * 4 / 5);
    finish(&s);
}

static void test_planted_twice(void **state)
{
    (void)state;
    struct scene s;
    k_planted = K_PLANT_difference_twice;
    assert_false(killed_in_the_middle(&s));
    k_planted = K_PLANT_NONE;
    finish(&s);
}

static void test_planted_old_value(void **state)
{
    (void)state;
    struct scene s;
    k_planted = K_PLANT_difference_old;
    switched(&s);
    put(&s, "e", 3);
    run(&s, SECOND);
    look_from_here(&s);
    complete(&s, 1);
    run(&s, 3 * SECOND);
    assert_non_null(strstr(shown(&s), "e={\"k\":\"e\",\"n\":1}")); // it is 4
    k_planted = K_PLANT_NONE;
    finish(&s);
}

// A switch that is taken back leaves the topic as it is; so does one that is undone before it is written.
static void test_taken_back(void **state)
{
    (void)state;
    struct scene s;
    switched(&s);
    switch_to(&s, 1, 2, false);
    cluster_until(&s.c, 0, 0, K_SHARD_LEAD);
    complete(&s, 2);
    run(&s, 3 * SECOND);
    assert_string_equal(shown(&s), "");
    assert_int_equal(cluster_report(&s.c, 1, 0).difference_seq, 0);
    char *copies = k_format("%s/.marks/switch-1", s.directory);
    assert_int_not_equal(access(copies, F_OK), 0);
    free(copies);
    finish(&s);
}

// There and back with both differences: the topic shows the first table again.
static void test_and_back(void **state)
{
    (void)state;
    struct scene s;
    switched(&s);
    complete(&s, 1);
    run(&s, 3 * SECOND);
    switch_to(&s, 1, 2, true);
    cluster_until(&s.c, 0, 0, K_SHARD_LEAD);
    look_from_here(&s);
    complete(&s, 2);
    run(&s, 3 * SECOND);
    assert_string_equal(shown(&s), "b={\"k\":\"b\",\"n\":12} c=- e={\"k\":\"e\",\"n\":31} x={\"k\":\"x\",\"n\":1} ");
    finish(&s);
}

// Whoever led before is dead: the difference waits for its copy, and the pipeline goes on.
static void test_waits_for_the_copy(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    start(&s, 0);
    start(&s, 1);
    put(&s, "b", 12);
    run(&s, 3 * SECOND);
    cluster_kill(&s.c, 0);
    switch_to(&s, 2, 1, true);
    cluster_until(&s.c, 1, 0, K_SHARD_LEAD);
    complete(&s, 1);
    look_from_here(&s);
    put(&s, "b", 1);
    run(&s, 3 * SECOND);
    assert_string_equal(shown(&s), "b={\"k\":\"b\",\"n\":3} ");
    assert_non_null(strstr(cluster_report(&s.c, 1, 0).difference_waits, "generation 1 has left no copy"));
    start(&s, 0);
    run(&s, 4 * SECOND);
    assert_string_equal(shown(&s), "b={\"k\":\"b\",\"n\":3} b={\"k\":\"b\",\"n\":3} ");
    assert_string_equal(cluster_report(&s.c, 1, 0).difference_waits, "");
    assert_true(cluster_report(&s.c, 1, 0).difference_done);
    finish(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_new_sink),        cmocka_unit_test(test_what_differs),
        cmocka_unit_test(test_once_over_a_kill),  cmocka_unit_test(test_planted_twice),
        cmocka_unit_test(test_planted_old_value), cmocka_unit_test(test_taken_back),
        cmocka_unit_test(test_and_back),          cmocka_unit_test(test_waits_for_the_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
