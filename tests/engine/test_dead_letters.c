// What becomes of records that cannot be processed, under each policy, on the real shard.
#include "tests/base/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/trace.h"
#include "tests/engine/cluster.h"
#include "tests/engine/graphs.h"

static const int64_t SECOND = 1000000;

#define GRAPH(POLICY)                                                                              \
    "name: \"p\" schema { name: \"E\" field: \"k string not null\" field: \"n int64\" }\n"         \
    "source { name: \"in\" kafka { topic: \"t\" } format { json {} } schema: \"E\" " POLICY " }\n" \
    "sink { name: \"out\" input: \"in\" kafka { topic: \"o\" } format { json {} } }\n"

static void begin(struct cluster *c, const char *graph)
{
    cluster_init(c, graph, 1);
    cluster_topic(c, "t", 1, false);
    cluster_prepare(c);
    cluster_start(c, 0);
    cluster_until(c, 0, 0, K_SHARD_LEAD);
}

static void run(struct cluster *c)
{
    int code = cluster_run(c, 2 * SECOND);
    if (code) fail_msg("%s", c->error.text);
}

static const struct k_counters *counters(struct cluster *c, const char *of)
{
    struct k_machine *m = k_shard_machine(c->live[0][0]);
    for (uint32_t i = 0; i < k_machine_counters_count(m); i++) {
        const char *name;
        const struct k_counters *found = k_machine_counters(m, i, &name);
        if (strcmp(name, of) == 0) return found;
    }
    fail_msg("nobody is called %s", of);
    return NULL;
}

struct seen {
    uint32_t count, value_length, key_length;
    char headers[2000];
    char value[100];
};

static void look(void *context, const struct k_message *m)
{
    struct seen *s = context;
    size_t used = 0;
    s->count++;
    s->value_length = m->value.length;
    s->key_length = m->key.length;
    snprintf(s->value, sizeof s->value, "%.*s", (int)(m->value.length < 90 ? m->value.length : 90),
             m->value.length ? m->value.data : "");
    for (uint32_t i = 0; i < m->header_count && used < sizeof s->headers; i++)
        used += (size_t)snprintf(s->headers + used, sizeof s->headers - used, "%.*s=%.*s\n",
                                 (int)m->headers[i].name.length, m->headers[i].name.data,
                                 (int)m->headers[i].value.length, m->headers[i].value.data);
}

static struct seen letters(struct cluster *c, const char *topic)
{
    struct seen s = {0};
    k_cloud_read(c->cloud, topic, 0, look, &s);
    return s;
}

static void assert_said(const struct seen *s, const char *line)
{
    if (!strstr(s->headers, line)) fail_msg("no %s in\n%s", line, s->headers);
}

static void test_dead_letter(void **state)
{
    (void)state;
    struct cluster c;
    begin(&c, GRAPH(""));
    cluster_put(&c, "t", 0, 1000, NULL, "{\"k\":\"a\",\"n\":1}");
    cluster_put(&c, "t", 0, 2000, "key", "{\"k\":\"b\",\"n\":\"x\"}");
    run(&c);
    assert_string_equal(cluster_read(&c, "o", 0), "{\"k\":\"a\",\"n\":1} ");
    struct seen s = letters(&c, "p.dead-letters");
    assert_int_equal(s.count, 1);
    assert_string_equal(s.value, "{\"k\":\"b\",\"n\":\"x\"}"); // untouched
    assert_int_equal(s.key_length, 3);
    assert_said(&s, "kappa.node=in\n");
    assert_said(&s, "kappa.reason=type\n");
    assert_said(&s, "kappa.topic=t\n");
    assert_said(&s, "kappa.partition=0\n");
    assert_said(&s, "kappa.offset=1\n");
    assert_said(&s, "kappa=1/0/1\n"); // generation, shard, journal record
    assert_int_equal(counters(&c, "in")->in, 2);
    assert_int_equal(counters(&c, "in")->processed, 1);
    assert_int_equal(counters(&c, "in")->dead_lettered, 1);
    cluster_fini(&c);
}

static void test_one_of_several_records(void **state)
{
    (void)state;
    struct cluster c;
    begin(&c, "name: \"p\" schema { name: \"E\" field: \"k string not null\" field: \"n int64\" }\n"
              "source { name: \"in\" kafka { topic: \"t\" } format { packed { json {} } } schema: \"E\" }\n"
              "sink { name: \"out\" input: \"in\" kafka { topic: \"o\" } format { json {} } }\n");
    cluster_put(&c, "t", 0, 1000, NULL, "{\"k\":\"a\",\"n\":1}");
    cluster_put(&c, "t", 0, 2000, "key", "{\"k\":\"b\",\"n\":1}\n{\"k\":\"b\",\"n\":\"x\"}\n{\"k\":\"c\",\"n\":2}\n");
    run(&c);
    assert_string_equal(cluster_read(&c, "o", 0),
                        "{\"k\":\"a\",\"n\":1} {\"k\":\"b\",\"n\":1} {\"k\":\"c\",\"n\":2} ");
    struct seen s = letters(&c, "p.dead-letters");
    assert_int_equal(s.count, 1);
    assert_string_equal(s.value, "{\"k\":\"b\",\"n\":\"x\"}"); // that record alone, untouched
    assert_int_equal(s.key_length, 3);
    assert_said(&s, "kappa.offset=1\n");
    assert_said(&s, "kappa.index=1\n");
    assert_int_equal(counters(&c, "in")->in, 4);
    assert_int_equal(counters(&c, "in")->processed, 3);
    assert_int_equal(counters(&c, "in")->dead_lettered, 1);
    cluster_fini(&c);
}

static void test_drop_and_pass_null(void **state)
{
    (void)state;
    struct cluster c;
    begin(&c, GRAPH("policy { on_error: DROP }"));
    cluster_put(&c, "t", 0, 1000, NULL, "{\"k\":\"b\",\"n\":\"x\"}");
    cluster_put(&c, "t", 0, 1000, NULL, "{\"k\":\"a\",\"n\":1}");
    run(&c);
    assert_string_equal(cluster_read(&c, "o", 0), "{\"k\":\"a\",\"n\":1} ");
    assert_int_equal(counters(&c, "in")->dropped, 1);
    cluster_fini(&c);

    begin(&c, GRAPH("policy { on_error: PASS_NULL }"));
    cluster_put(&c, "t", 0, 1000, NULL, "{\"k\":\"b\",\"n\":\"x\"}");
    cluster_put(&c, "t", 0, 1000, NULL, "{\"k\":7,\"n\":1}"); // k may not be NULL
    cluster_put(&c, "t", 0, 1000, NULL, "not json");
    run(&c);
    assert_string_equal(cluster_read(&c, "o", 0), "{\"k\":\"b\",\"n\":null} ");
    assert_int_equal(letters(&c, "p.dead-letters").count, 2);
    assert_int_equal(counters(&c, "in")->dead_lettered, 2);
    cluster_fini(&c);
}

// STOP stops before the record, at every start, and commits nothing of its batch.
static void test_stop(void **state)
{
    (void)state;
    struct cluster c;
    begin(&c, GRAPH("policy { on_error: STOP }"));
    cluster_put(&c, "t", 0, 1000, NULL, "{\"k\":\"a\",\"n\":1}");
    run(&c);
    cluster_put(&c, "t", 0, 1000, NULL, "{\"k\":\"b\",\"n\":\"x\"}");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(cluster_run(&c, 10 * SECOND), K_E_DATA);
        assert_non_null(strstr(c.error.text, "topic t, partition 0, offset 1"));
        assert_non_null(strstr(c.error.text, "policy STOP"));
        assert_string_equal(cluster_read(&c, "o", 0), "{\"k\":\"a\",\"n\":1} ");
        cluster_kill(&c, 0);
        cluster_start(&c, 0);
    }
    cluster_fini(&c);
}

// A text of n bytes around "x"s.
static char *large(const char *before, size_t n, const char *after)
{
    char *filler = k_alloc(n + 1);
    memset(filler, 'x', n);
    char *text = k_format("%s%s%s", before, filler, after);
    free(filler);
    return text;
}

static void test_too_large_is_cut(void **state)
{
    (void)state;
    struct cluster c;
    begin(&c, GRAPH(""));
    char *bad = large("{\"k\":", 950000, "");
    cluster_put(&c, "t", 0, 1000, NULL, bad);
    run(&c);
    struct seen s = letters(&c, "p.dead-letters");
    assert_int_equal(s.count, 1);
    assert_int_equal(s.value_length, 65536);
    assert_said(&s, "kappa.cut-from-bytes=950005\n");
    free(bad);
    cluster_fini(&c);
}

// A late row is told as JSON, which may be longer than the record was.
static void test_a_late_row_too_large_is_cut(void **state)
{
    (void)state;
    struct cluster c;
    begin(&c, "name: \"p\" schema { name: \"E\" field: \"k string not null\" }\n"
              "source { name: \"in\" kafka { topic: \"t\" } format { json {} } schema: \"E\" }\n"
              "node { name: \"wide\" input: \"in\" map { select: \"k\" select: \"k AS k2\" select: \"k AS k3\" } }\n"
              "node { name: \"n\" input: \"wide\" aggregate { group_by: \"k\" window { tumbling { size: \"1s\" } }\n"
              "       select: \"count(k2) AS c\" select: \"count(k3) AS d\" late_topic: \"late\" } }\n"
              "sink { name: \"out\" input: \"n\" kafka { topic: \"o\" } format { json {} } }\n");
    cluster_put(&c, "t", 0, 5 * SECOND, NULL, "{\"k\":\"a\"}");
    char *late = large("{\"k\":\"", 700000, "\"}");
    cluster_put(&c, "t", 0, SECOND, NULL, late);
    cluster_put(&c, "t", 0, SECOND, NULL, "{\"k\":\"b\"}");
    run(&c);
    struct seen s = letters(&c, "late");
    assert_int_equal(s.count, 2);
    assert_string_equal(s.value, "{\"k\":\"b\",\"k2\":\"b\",\"k3\":\"b\"}");
    assert_int_equal(counters(&c, "n")->late, 2);
    free(late);
    cluster_fini(&c);
}

int main(void)
{
    k_trace_setup(K_TRACE_ERROR, false);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dead_letter),
        cmocka_unit_test(test_drop_and_pass_null),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_too_large_is_cut),
        cmocka_unit_test(test_a_late_row_too_large_is_cut),
        cmocka_unit_test(test_one_of_several_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
