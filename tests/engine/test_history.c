// A state that begins in the middle of a journal: history first, merged by event time, then the journal.
#include "tests/base/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/journal.h"
#include "tests/engine/cluster.h"

static const int64_t SECOND = 1000000;

// Sums by windows (pure), over two topics of which one has two partitions; the windows of one wait for the other. And
// the last n of each k: that depends on the order in which partitions are taken. LAST: of the second, which is more.
#define GRAPH_PAST(LAST)                                                                                     \
    "name: \"p\" schema { name: \"E\" field: \"k string not null\" field: \"n int64\" }\n"                   \
    "source { name: \"in\" kafka { topic: \"t\" } format { json {} } schema: \"E\"\n"                        \
    "         time { out_of_order: \"2s\" } }\n"                                                             \
    "source { name: \"other\" kafka { topic: \"u\" } format { json {} } schema: \"E\" }\n"                   \
    "node { name: \"sums\" input: \"in\" aggregate { group_by: \"k\" window { tumbling { size: \"3s\" } }\n" \
    "       select: \"sum(n) AS total\" select: \"count(*) AS c\" } }\n"                                     \
    "node { name: \"all\" input: \"other\" aggregate { group_by: \"k\" select: \"sum(n) AS total\" } }\n"    \
    "table { name: \"totals\" input: \"sums\" key: \"k\" key: \"window_start\" }\n"                          \
    "table { name: \"others\" input: \"all\" key: \"k\" }\n" LAST                                            \
    "sink { name: \"out\" input: \"sums\" kafka { topic: \"o\" } format { json {} } }\n"
#define GRAPH_PURE GRAPH_PAST("")
#define GRAPH_ORDERED GRAPH_PAST("table { name: \"last\" input: \"in\" key: \"k\" }\n")

enum { RECORDS = 12000, LATER = 3000 };

static void run(struct cluster *c, int64_t us)
{
    if (cluster_run(c, us)) fail_msg("%s", c->error.text);
}

// The n-th record: somewhat out of order, now and then late. Z comes twice, from two partitions, and later with the
// earlier time.
static void put(struct cluster *c, int n)
{
    char value[64];
    int64_t time_us = n * 5000 + (int64_t)(n * 7919 % 997) * 2000 - (n % 501 == 500 ? 8 * SECOND : 0);
    snprintf(value, sizeof value, "{\"k\":\"%c\",\"n\":%d}", n == 0 || n == 301 ? 'Z' : 'a' + n * 31 % 7, n);
    if (n == 0) time_us = 10 * SECOND;
    if (n == 301) time_us = 0;
    cluster_put(c, n % 3 == 2 ? "u" : "t", n % 3 == 2 ? 0 : n % 3, time_us < 0 ? 0 : time_us, "k", value);
}

// Records from..to, led by worker 0, a portion at a time.
static void lead(struct cluster *c, int from, int to)
{
    for (int n = from; n < to; n++) {
        put(c, n);
        if (n % 100 == 99) run(c, SECOND / 5);
    }
    run(c, 3 * SECOND);
}

// hurried: a leader that leaves frontier work over, from one record to the next.
static void begin_led(struct cluster *c, const char *graph, bool compacted, bool hurried, struct k_orders *orders)
{
    cluster_init(c, graph, 1);
    c->options.orders = orders;
    c->options.work_portion = hurried ? 1 : 0;
    c->options.step_budget_us = hurried ? 0 : c->options.step_budget_us;
    c->options.trim_interval_us = hurried ? 1 : SECOND; // so that inputs are listed; young records are kept
    c->options.journal_keep_us = 1000000 * SECOND;
    cluster_topic(c, "t", 2, false);
    cluster_topic(c, "u", 1, compacted);
    cluster_prepare(c);
    cluster_start(c, 0);
    cluster_until(c, 0, 0, K_SHARD_LEAD);
    lead(c, 0, RECORDS);
}

static void begin(struct cluster *c, const char *graph, bool compacted)
{
    begin_led(c, graph, compacted, false, NULL);
}

// Cuts the journal, by hand, at about half; returns the offset of the first record there that lists inputs. left: and
// behind which frontier work is left.
static int64_t cut_where(struct cluster *c, bool left)
{
    int64_t end, found = -1;
    struct k_error err;
    struct k_reader *reader;
    const struct k_message *const *messages;
    uint32_t count;
    const struct k_log_ops *ops = c->logs[0]->ops;
    assert_int_equal(ops->offsets(c->logs[0], "p.journal.0", 0, true, NULL, &end, &err), 0);
    assert_int_equal(ops->delete_records(c->logs[0], "p.journal.0", 0, end / 2, &err), 0);
    assert_int_equal(ops->reader_open(c->logs[0], "p.journal.0", 0, end / 2, &reader, &err), 0);
    while (found < 0) {
        assert_int_equal(ops->fetch(reader, 1, 1 << 20, 0, &messages, &count, &err), 0);
        assert_int_equal(count, 1);
        struct k_journal_point point;
        Kappa__Internal__JournalRecord *record;
        if (k_journal_decode_first(messages[0], "p", 0, &point, &record, &err)) continue;
        if (record->work_left || !left) found = messages[0]->offset;
        assert_true(point.sequence > 50);
        kappa__internal__journal_record__free_unpacked(record, NULL);
    }
    ops->reader_close(reader);
    return found;
}

static int64_t cut(struct cluster *c)
{
    return cut_where(c, false);
}

// Worker 1 hosts a generation that begins there, and only follows.
static void start_there(struct cluster *c, uint32_t worker, int64_t from)
{
    struct k_shard_options before = c->options;
    c->options.generation = "2";
    c->options.can_lead = false;
    c->options.journal_from = from;
    cluster_start(c, worker);
    c->options = before;
}

static char *dump(struct cluster *c, uint32_t worker)
{
    struct k_buf text = {0};
    cluster_stop(c, worker);
    cluster_dump(c, worker, 0, &text);
    k_buf_add_char(&text, 0);
    return text.data;
}

// Follows to the journal's end. kill: it is killed again and again, ever later after it has begun to read; 0: not.
static void follow(struct cluster *c, uint32_t worker, int64_t from, int kill)
{
    bool within = false; // its history, and behind a boundary
    start_there(c, worker, from);
    for (int n = 1; kill && n < 40; n++) {
        for (int i = 0; i < kill * n * 8;) {
            if (cluster_step(c)) fail_msg("%s", c->error.text);
            struct k_shard_report report = cluster_report(c, worker, 0);
            i += report.records > 0 || report.state > K_SHARD_HISTORY;
        }
        cluster_kill(c, worker);
        Kappa__Internal__Position *position = cluster_position(c, worker, 0);
        within |= position && position->history;
        if (position) kappa__internal__position__free_unpacked(position, NULL);
        start_there(c, worker, from);
    }
    assert_true(within || !kill);
    cluster_until(c, worker, 0, K_SHARD_FOLLOW);
    run(c, 5 * SECOND);
}

// More records, and then both states are the same.
static void must_go_on_alike(struct cluster *c, uint32_t one, uint32_t other)
{
    lead(c, RECORDS, RECORDS + LATER);
    run(c, 5 * SECOND);
    char *first = dump(c, one), *second = dump(c, other);
    assert_string_equal(second, first);
    free(first), free(second);
}

static void test_pure_nodes_end_as_live(void **state)
{
    (void)state;
    for (int kill = 0; kill < 4; kill++) {
        struct cluster c;
        begin(&c, GRAPH_PURE, false);
        int64_t from = cut(&c);
        if (kill) c.options.checkpoint_interval_us = 0; // at every boundary
        follow(&c, 1, from, kill);
        if (!kill) assert_int_equal(cluster_report(&c, 1, 0).records, RECORDS);
        must_go_on_alike(&c, 0, 1);
        cluster_fini(&c);
    }
}

// The same graph with history before it is another state than that of who leads: what is left of that one's work at the
// record with which it begins, has been done here.
static void test_work_was_left(void **state)
{
    (void)state;
    struct cluster c;
    begin_led(&c, GRAPH_PURE, false, true, NULL);
    follow(&c, 1, cut_where(&c, true), 0);
    lead(&c, RECORDS, RECORDS + LATER);
    run(&c, 60 * SECOND); // until the leader has done it all
    char *one = dump(&c, 0), *other = dump(&c, 1);
    assert_string_equal(other, one);
    free(one), free(other);
    cluster_fini(&c);
}

static int keep_mark(void *context, struct k_store *store, uint64_t mark, struct k_error *err)
{
    (void)store, (void)mark, (void)err;
    ++*(int *)context;
    return 0;
}

// Nobody waits for a copy at a mark that lies before the beginning, and nobody would remove it.
static void test_an_earlier_mark(void **state)
{
    (void)state;
    struct cluster c;
    struct k_orders orders = {.order = k_order_of(0, true), .mark = 1};
    int kept = 0;
    begin_led(&c, GRAPH_PURE, false, false, &orders);
    c.options.keep_mark = keep_mark;
    c.options.mark_context = &kept;
    c.options.checkpoint_interval_us = 0;
    follow(&c, 1, cut(&c), 2);
    cluster_kill(&c, 1);
    Kappa__Internal__Position *position = cluster_position(&c, 1, 0);
    assert_int_equal(position->mark, 1);
    assert_int_equal(kept, 0);
    kappa__internal__position__free_unpacked(position, NULL);
    atomic_store(&orders.mark, 2);
    start_there(&c, 1, 0);
    run(&c, 5 * SECOND);
    assert_int_equal(kept, 1);
    cluster_fini(&c);
}

// What depends on the order is not as live; but whoever does it gets the same.
static void test_all_who_do_it_agree(void **state)
{
    (void)state;
    struct cluster c;
    begin(&c, GRAPH_ORDERED, false);
    int64_t from = cut(&c);
    follow(&c, 1, from, 0);
    c.options.checkpoint_interval_us = 0;
    follow(&c, 2, from, 3);
    char *one = dump(&c, 0), *two = dump(&c, 1), *three = dump(&c, 2);
    assert_string_equal(two, three);
    assert_string_not_equal(one, two);
    free(one), free(two), free(three);
    cluster_fini(&c);
}

// The records of a compacted topic lie in the journal, from where it begins; before that, in the topic.
static void test_compacted(void **state)
{
    (void)state;
    struct cluster c;
    begin(&c, GRAPH_PURE, true);
    int64_t from = cut(&c);
    c.options.checkpoint_interval_us = 0;
    follow(&c, 1, from, 2);
    must_go_on_alike(&c, 0, 1);
    cluster_fini(&c);
}

// It leads afterwards, and whoever follows it with a state from the beginning comes to the same.
static void test_it_leads(void **state)
{
    (void)state;
    struct cluster c;
    begin(&c, GRAPH_PURE, true);
    int64_t from = cut(&c);
    cluster_kill(&c, 0);
    c.options.generation = "2";
    c.options.journal_from = from;
    cluster_start(&c, 1);
    cluster_until(&c, 1, 0, K_SHARD_LEAD);
    c.options.generation = "1";
    c.options.can_lead = false;
    cluster_start(&c, 0);
    c.options.generation = "2"; // and one of its own kind
    cluster_start(&c, 2);
    lead(&c, RECORDS, RECORDS + LATER);
    run(&c, 5 * SECOND);
    char *two = dump(&c, 1), *three = dump(&c, 2), *one = dump(&c, 0);
    assert_string_equal(two, one);
    assert_string_equal(two, three);
    free(one), free(two), free(three);
    cluster_fini(&c);
}

// Outputs to topics with a suffix, once, whoever dies when.
static void test_outputs(void **state)
{
    (void)state;
    char *want = NULL;
    for (int kill = 0; kill < 6; kill++) {
        struct cluster c;
        begin(&c, GRAPH_PURE, false);
        int64_t from = cut(&c);
        cluster_topic(&c, "o.new", 1, false);
        cluster_topic(&c, "p.outputs.2", 1, true);
        c.options.output_suffix = ".new";
        if (kill) c.options.checkpoint_interval_us = 0, c.options.commit_interval_us = 1;
        follow(&c, 1, from, kill);
        run(&c, 30 * SECOND); // the group waits for those that died
        char *got = k_strdup(cluster_read(&c, "o.new", 0));
        assert_true(strlen(got) > 1000);
        if (want) assert_string_equal(got, want);
        free(want);
        want = got;
        cluster_fini(&c);
    }
    free(want);
}

// A copy of its generation it is only if it began alike.
static void test_no_copy(void **state)
{
    (void)state;
    struct cluster c;
    static const struct k_start starts[] = {{.topic = "u", .partition = 0, .offset = 999}};
    begin(&c, GRAPH_PURE, false);
    c.options.journal_from = cut(&c);
    cluster_kill(&c, 0);
    c.options.generation = "2";
    cluster_start(&c, 1);
    cluster_until(&c, 1, 0, K_SHARD_LEAD);
    c.options.starts = starts;
    c.options.start_count = 1;
    cluster_start(&c, 2);
    assert_int_equal(cluster_run(&c, 5 * SECOND), K_E_CONFIG);
    assert_non_null(strstr(c.error.text, "generation 2 is led by a state that began elsewhere"));
    cluster_fini(&c);
}

static int64_t start_of(struct cluster *c, const char *topic)
{
    int64_t start;
    struct k_error err;
    assert_int_equal(c->logs[0]->ops->offsets(c->logs[0], topic, 0, true, &start, NULL, &err), 0);
    return start;
}

// What the sources have lost is missed, and nothing else; a state in the middle of its history, too, whose journal was
// cut, says so.
static void test_lost(void **state)
{
    (void)state;
    struct cluster c;
    struct k_error err;
    begin(&c, GRAPH_PURE, false);
    int64_t from = cut(&c);
    assert_int_equal(c.logs[0]->ops->delete_records(c.logs[0], "u", 0, 1000, &err), 0);
    follow(&c, 1, from, 0);
    assert_int_equal(cluster_report(&c, 1, 0).records, RECORDS - 1000);
    cluster_kill(&c, 1);
    cluster_lose_disk(&c, 1);
    const struct k_start early[] = {{.topic = "u", .partition = 0, .offset = 999}};
    c.options.starts = early;
    c.options.start_count = 1;
    start_there(&c, 1, from);
    assert_int_equal(cluster_run(&c, 5 * SECOND), K_E_LOST_RANGE);
    assert_non_null(strstr(c.error.text,
                           "topic u, partition 0: the state needs records from offset 999 on, but the log "
                           "begins at 1000"));
    cluster_kill(&c, 1);
    cluster_lose_disk(&c, 1);
    c.options.starts = NULL;
    c.options.start_count = 0;
    assert_int_equal(c.logs[0]->ops->delete_records(c.logs[0], "p.journal.0", 0, from + 1, &err), 0);
    assert_true(start_of(&c, "p.journal.0") > from);
    start_there(&c, 1, from);
    assert_int_equal(cluster_run(&c, 5 * SECOND), K_E_LOST_RANGE);
    assert_non_null(strstr(c.error.text, "which now begins at"));
    cluster_fini(&c);
}

// A record that does not say where its inputs stand is no place to begin at.
static void test_no_place_to_begin_at(void **state)
{
    (void)state;
    struct cluster c;
    begin(&c, GRAPH_PURE, false);
    int64_t from = cut(&c);
    start_there(&c, 1, from + 2); // behind the marker
    assert_int_equal(cluster_run(&c, 5 * SECOND), K_E_NOT_FOUND);
    assert_non_null(strstr(c.error.text, "does not say where its inputs stand"));
    cluster_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pure_nodes_end_as_live),
        cmocka_unit_test(test_work_was_left),
        cmocka_unit_test(test_an_earlier_mark),
        cmocka_unit_test(test_all_who_do_it_agree),
        cmocka_unit_test(test_compacted),
        cmocka_unit_test(test_it_leads),
        cmocka_unit_test(test_outputs),
        cmocka_unit_test(test_no_copy),
        cmocka_unit_test(test_lost),
        cmocka_unit_test(test_no_place_to_begin_at),
    };
    return cmocka_run_group_tests_name("history", tests, NULL, NULL);
}
