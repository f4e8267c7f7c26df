// The join of stream and table, on random records: it gives what a few lines say that take everything in order at
// once, row by row and in that order, however the partitions interleave and whenever the worker dies.
#include "tests/base/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "tests/engine/cluster.h"

enum { RECORDS = 240, TABLE_PARTITIONS = 2, STREAM_PARTITIONS = 3, KEYS = 5, SEEDS = 100 };

#define GRAPH(TYPE, ON)                                                                                              \
    "name: \"p\" schema { name: \"S\" field: \"id int64 not null\" field: \"k string\" }\n"                          \
    "schema { name: \"T\" field: \"k string not null\" field: \"v int64\" }\n"                                       \
    "source { name: \"s\" kafka { topic: \"s\" } format { json {} } schema: \"S\" time { out_of_order: \"1s\" } }\n" \
    "source { name: \"t\" kafka { topic: \"t\" } format { json {} } schema: \"T\" key: \"k\"\n"                      \
    "         time { out_of_order: \"2s\" } }\n"                                                                     \
    "node { name: \"j\" input: \"s\" input: \"t\" join { type: " TYPE " on: \"" ON "\" select: \"s.id\"\n"           \
    "       select: \"t.v + 1 AS v\" } }\n"                                                                          \
    "sink { name: \"out\" input: \"j\" kafka { topic: \"o\" } format { json {} } }\n"

static const int64_t SECOND = 1000000;

struct record {
    int64_t time_us;
    int table; // 1: of the table, else of the stream
    int partition;
    int64_t offset;
    int key;    // -1: NULL
    int number; // id, or v; -1: a tombstone
    bool late;
};

static int by_order(const void *a, const void *b)
{
    const struct record *l = a, *r = b;
    if (l->time_us != r->time_us) return l->time_us < r->time_us ? -1 : 1;
    if (l->table != r->table) return r->table - l->table;
    if (l->partition != r->partition) return l->partition - r->partition;
    return l->offset < r->offset ? -1 : l->offset > r->offset;
}

// What the join must give, in its order.
static void expect(const struct record *records, bool left, struct k_buf *out)
{
    struct record sorted[RECORDS];
    int values[KEYS];
    for (int k = 0; k < KEYS; k++) values[k] = -1;
    memcpy(sorted, records, sizeof sorted);
    qsort(sorted, RECORDS, sizeof *sorted, by_order);
    for (int i = 0; i < RECORDS; i++) {
        const struct record *r = &sorted[i];
        int value = r->key >= 0 ? values[r->key] : -1;
        if (r->late) continue;
        if (r->table) values[r->key] = r->number;
        else if (value >= 0) k_buf_printf(out, "{\"id\":%d,\"v\":%d} ", r->number, value + 1);
        else if (left) k_buf_printf(out, "{\"id\":%d,\"v\":null} ", r->number);
    }
}

static void make_record(struct record *r, int number, uint64_t *seed, int64_t (*largest)[STREAM_PARTITIONS])
{
    int64_t late_us = (r->table = k_random_below(seed, 3) == 0) ? 2 * SECOND : SECOND;
    r->partition = (int)k_random_below(seed, r->table ? TABLE_PARTITIONS : STREAM_PARTITIONS);
    r->time_us = (int64_t)(number / 12 + (int)k_random_below(seed, 4)) * SECOND + 7000;
    r->key = (int)k_random_below(seed, KEYS + 1) - (r->table ? 0 : 1);
    if (r->key == KEYS) r->key = 0;
    r->number = r->table && k_random_below(seed, 4) == 0 ? -1 : number;
    int64_t *most = &largest[r->table][r->partition];
    r->late = *most - late_us > r->time_us;
    if (r->time_us > *most) *most = r->time_us;
}

static void put(struct cluster *c, struct record *r)
{
    char key[8], value[64];
    snprintf(key, sizeof key, "k%d", r->key);
    if (r->table) snprintf(value, sizeof value, "{\"k\":\"%s\",\"v\":%d}", key, r->number);
    else if (r->key < 0) snprintf(value, sizeof value, "{\"id\":%d}", r->number);
    else snprintf(value, sizeof value, "{\"id\":%d,\"k\":\"%s\"}", r->number, key);
    r->offset = cluster_put(c, r->table ? "t" : "s", r->partition, r->time_us, r->table ? key : NULL,
                            r->number < 0 ? NULL : value);
}

static void run(struct cluster *c, int64_t us)
{
    if (cluster_run(c, us)) fail_msg("%s", c->error.text);
}

static void check(uint64_t seed, bool left, bool compacted)
{
    struct cluster c;
    struct record records[RECORDS];
    int64_t largest[2][STREAM_PARTITIONS];
    for (int i = 0; i < 2 * STREAM_PARTITIONS; i++)
        largest[i / STREAM_PARTITIONS][i % STREAM_PARTITIONS] = -9 * SECOND;
    cluster_init(&c, left ? GRAPH("LEFT", "s.k = t.k") : GRAPH("INNER", "t.k = lower(s.k)"), 1);
    cluster_topic(&c, "s", STREAM_PARTITIONS, false);
    cluster_topic(&c, "t", TABLE_PARTITIONS, compacted);
    cluster_prepare(&c);
    cluster_start(&c, 0);
    for (int i = 0; i < RECORDS; i++) {
        make_record(&records[i], i, &seed, largest);
        put(&c, &records[i]);
        if (k_random_below(&seed, 4) == 0) run(&c, (int64_t)k_random_below(&seed, 1500000));
        if (k_random_below(&seed, 60) == 0) {
            cluster_kill(&c, 0);
            if (k_random_below(&seed, 3) == 0) cluster_lose_disk(&c, 0);
            cluster_start(&c, 0);
        }
    }
    cluster_until(&c, 0, 0, K_SHARD_LEAD);
    run(&c, 3 * SECOND);
    cluster_stop(&c, 0);
    c.options.once = c.options.final = true;
    cluster_start(&c, 0);
    cluster_until(&c, 0, 0, K_SHARD_STOPPED);
    struct k_buf wanted = {0};
    k_buf_add_text(&wanted, "");
    expect(records, left, &wanted);
    assert_true(wanted.length > 200);
    assert_string_equal(cluster_read(&c, "o", 0), wanted.data);
    k_buf_fini(&wanted);
    cluster_fini(&c);
}

static void every_row_meets_its_time(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) check(seed, seed % 2, seed % 4 < 2);
}

// Feeds a graph of one shard to its end; ends with the topic's values.
static const char *run_to_end(struct cluster *c)
{
    cluster_start(c, 0);
    cluster_until(c, 0, 0, K_SHARD_LEAD);
    run(c, SECOND);
    cluster_stop(c, 0);
    c->options.once = c->options.final = true;
    cluster_start(c, 0);
    cluster_until(c, 0, 0, K_SHARD_STOPPED);
    return cluster_read(c, "o", 0);
}

#define TWO_SOURCES(MORE)                                                                                          \
    "name: \"p\" schema { name: \"S\" field: \"id int64 not null\" field: \"k string\" field: \"x int64\" field: " \
    "\"a json\" }\n"                                                                                               \
    "schema { name: \"T\" field: \"k string not null\" field: \"v int64\" field: \"w int64\" }\n"                  \
    "source { name: \"s\" kafka { topic: \"s\" " MORE " } format { json {} } schema: \"S\" }\n"

// Also with columns that nothing else reads.
static void late_rows_are_sent_whole(void **state)
{
    (void)state;
    struct cluster c;
    cluster_init(&c,
                 TWO_SOURCES("") "source { name: \"t\" kafka { topic: \"t\" } format { json {} } schema: \"T\" "
                                 "key: \"k\" }\n"
                                 "node { name: \"j\" input: \"s\" input: \"t\" join { on: \"s.k = t.k\" "
                                 "select: \"s.id\" late_topic: \"o\" } }\n"
                                 "sink { name: \"out\" input: \"j\" kafka { topic: \"p\" } format { json {} } }\n",
                 1);
    cluster_topic(&c, "s", 1, false);
    cluster_topic(&c, "t", 1, false);
    cluster_prepare(&c);
    cluster_put(&c, "s", 0, 9 * SECOND, NULL, "{\"id\":1,\"k\":\"a\",\"x\":5}");
    cluster_put(&c, "s", 0, 8 * SECOND, NULL, "{\"id\":2,\"k\":\"b\",\"x\":6}");
    cluster_put(&c, "t", 0, 9 * SECOND, "a", "{\"k\":\"a\",\"v\":7,\"w\":8}");
    cluster_put(&c, "t", 0, 7 * SECOND, "a", "{\"k\":\"a\",\"v\":9,\"w\":10}");
    const char *got = run_to_end(&c);
    assert_non_null(strstr(got, "{\"id\":2,\"k\":\"b\",\"x\":6,\"a\":null} "));
    assert_non_null(strstr(got, "{\"k\":\"a\",\"v\":9,\"w\":10} "));
    cluster_fini(&c);
}

// Behind a join there is no record to send; a row that fails is sent as it is, with columns that nobody reads.
static void check_failed(const char *between, const char *expected)
{
    struct cluster c;
    struct k_buf graph = {0};
    k_buf_printf(&graph,
                 TWO_SOURCES("") "source { name: \"t\" kafka { topic: \"t\" } format { json {} } schema: \"T\" "
                                 "key: \"k\" }\n"
                                 "node { name: \"j\" input: \"s\" input: \"t\" join { on: \"s.k = t.k\" "
                                 "select: \"s.*\" select: \"t.v\" } }\n"
                                 "%s"
                                 "node { name: \"m\" input: \"u\" map { select: \"10 / x AS y\" } policy { "
                                 "dead_letter_topic: \"o\" } }\n"
                                 "sink { name: \"out\" input: \"m\" kafka { topic: \"p\" } format { json {} } }\n",
                 between);
    cluster_init(&c, graph.data, 1);
    cluster_topic(&c, "s", 1, false);
    cluster_topic(&c, "t", 1, false);
    cluster_prepare(&c);
    cluster_put(&c, "t", 0, 8 * SECOND, "a", "{\"k\":\"a\",\"v\":7}");
    cluster_put(&c, "s", 0, 9 * SECOND, NULL, "{\"id\":1,\"k\":\"a\",\"x\":0,\"a\":[5]}");
    assert_string_equal(run_to_end(&c), expected);
    cluster_fini(&c);
    k_buf_fini(&graph);
}

static void failed_rows_are_sent_whole(void **state)
{
    (void)state;
    check_failed("node { name: \"f\" input: \"j\" filter { where: \"id > 1\" } }\n"
                 "node { name: \"u\" input: \"j\" input: \"f\" union {} }\n",
                 "{\"id\":1,\"k\":\"a\",\"x\":0,\"a\":[5],\"v\":7} ");
    check_failed("node { name: \"u\" input: \"j\" flatten { field: \"a\" as: \"item\" } }\n",
                 "{\"id\":1,\"k\":\"a\",\"x\":0,\"item\":5,\"v\":7} ");
}

// Whether a plan for two shards is made, by the partitioners of the two topics.
static bool is_planned(const char *stream, const char *table)
{
    struct k_diags diags = {0};
    struct k_buf text = {0};
    struct k_graph *graph = NULL;
    struct k_plan *plan = NULL;
    k_buf_printf(
        &text,
        TWO_SOURCES("partitioned_by: \"k\" partitioner: %s") "source { name: \"t\" kafka { topic: \"t\" "
                                                             "partitioned_by: \"k\" partitioner: %s } "
                                                             "format { json {} } schema: \"T\" key: \"k\" }\n"
                                                             "node { name: \"j\" input: \"s\" input: \"t\" join { "
                                                             "on: \"s.k = t.k\" select: \"s.*\" } }\n"
                                                             "sink { name: \"out\" input: \"j\" kafka { topic: \"p\" "
                                                             "} format { json {} } }\n",
        stream, table);
    int code = k_graph_read("test.textproto", k_buf_str(&text), K_FORM_TEXT, &diags, &graph);
    assert_int_equal(code, 0);
    code = k_plan_make(graph, 2, &diags, &plan);
    k_plan_destroy(plan);
    k_graph_destroy(graph);
    k_diags_fini(&diags);
    k_buf_fini(&text);
    return code == 0;
}

// Rows of one key must meet in one shard.
static void both_sides_are_spread_alike(void **state)
{
    (void)state;
    assert_true(is_planned("MURMUR2", "MURMUR2"));
    assert_true(is_planned("CRC32", "CRC32"));
    assert_false(is_planned("CRC32", "MURMUR2"));
    assert_false(is_planned("MURMUR2", "CRC32"));
}

static void put_orders(struct cluster *c, int first, int count)
{
    struct record r = {0};
    for (r.number = first; r.number < first + count; r.number++) {
        r.time_us = r.number * INT64_C(1000);
        put(c, &r);
    }
}

// Records of the stream in a journal record, and whether work was left over when it was written.
struct written {
    uint64_t records;
    bool work_left;
};

static uint32_t read_journal(struct cluster *c, struct written *ret, uint32_t max)
{
    struct k_reader *reader;
    struct k_error err;
    const struct k_log_ops *ops = c->logs[0]->ops;
    uint32_t n = 0, count = 1;
    assert_int_equal(ops->reader_open(c->logs[0], "p.journal.0", 0, 0, &reader, &err), 0);
    while (count > 0) {
        const struct k_message *const *messages;
        assert_int_equal(ops->fetch(reader, 64, 1 << 20, 0, &messages, &count, &err), 0);
        for (uint32_t i = 0; i < count; i++) {
            Kappa__Internal__JournalRecord *record = kappa__internal__journal_record__unpack(
                NULL, messages[i]->value.length, (const uint8_t *)messages[i]->value.data);
            assert_true(record && n < max);
            ret[n] = (struct written){.work_left = record->work_left};
            for (size_t r = 0; r < record->n_range; r++) ret[n].records += record->range[r]->count;
            n++;
            kappa__internal__journal_record__free_unpacked(record, NULL);
        }
    }
    ops->reader_close(reader);
    return n;
}

// Else it would pile up rows that wait, as fast as it can read.
static void work_that_is_left_holds_back_the_feed(void **state)
{
    (void)state;
    enum { FIRST = 5000, MORE = 30000, MOST = 1000 };
    static struct written written[MOST];
    struct cluster c;
    struct record table = {.time_us = 100 * SECOND, .table = 1};
    uint32_t held_back = 0;
    cluster_init(&c, GRAPH("LEFT", "s.k = t.k"), 1);
    c.options.step_budget_us = 0;
    c.options.work_portion = 100; // of each transaction, so
    cluster_topic(&c, "s", 1, false);
    cluster_topic(&c, "t", 1, false);
    cluster_prepare(&c);
    put(&c, &table);
    put_orders(&c, 0, FIRST);
    cluster_start(&c, 0);
    cluster_until(&c, 0, 0, K_SHARD_LEAD);
    while (cluster_report(&c, 0, 0).records <= FIRST || cluster_report(&c, 0, 0).commits < 4)
        assert_int_equal(cluster_step(&c), 0);
    put_orders(&c, FIRST, MORE);
    while (cluster_report(&c, 0, 0).records <= FIRST + MORE) assert_int_equal(cluster_step(&c), 0);
    run(&c, SECOND);
    uint32_t n = read_journal(&c, written, MOST);
    for (uint32_t i = 1; i < n; i++) {
        if (!written[i - 1].work_left || !written[i].records) continue;
        assert_true(written[i].records <= K_BATCH_ROWS);
        held_back++;
    }
    assert_true(held_back >= MORE / K_BATCH_ROWS);
    cluster_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_meets_its_time), cmocka_unit_test(work_that_is_left_holds_back_the_feed),
        cmocka_unit_test(late_rows_are_sent_whole), cmocka_unit_test(failed_rows_are_sent_whole),
        cmocka_unit_test(both_sides_are_spread_alike)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
