// Trimming the journal: cut is what nobody could follow any more, and never anything else.
#include "tests/base/test.h"

#include <stdio.h>

#include "tests/engine/cluster.h"
#include "tests/engine/graphs.h"

static const int64_t SECOND = 1000000;

static void begin(struct cluster *c, bool compacted)
{
    cluster_init(c, GRAPH_TABLE, 1);
    c->options.trim_interval_us = 10 * SECOND;
    cluster_topic(c, "t", 1, compacted);
    cluster_prepare(c);
    cluster_start(c, 0);
    cluster_until(c, 0, 0, K_SHARD_LEAD);
}

static void run(struct cluster *c, int64_t us)
{
    int code = cluster_run(c, us);
    if (code) fail_msg("%s", c->error.text);
}

// A record every second, each in a journal record of its own.
static void flow(struct cluster *c, int first, int count)
{
    for (int i = first; i < first + count; i++) {
        char value[64];
        snprintf(value, sizeof value, "{\"k\":\"%c\",\"n\":%d}", 'a' + i % 3, i);
        cluster_put(c, "t", 0, i * 1000, "k", value);
        run(c, SECOND);
    }
}

static int64_t journal_start(struct cluster *c)
{
    int64_t start;
    struct k_error err;
    if (c->logs[0]->ops->offsets(c->logs[0], "p.journal.0", 0, true, &start, NULL, &err)) fail_msg("%s", err.text);
    return start;
}

static void lose(struct cluster *c, int64_t before)
{
    struct k_error err;
    if (c->logs[0]->ops->delete_records(c->logs[0], "t", 0, before, &err)) fail_msg("%s", err.text);
}

static void test_what_the_sources_have_is_kept(void **state)
{
    (void)state;
    struct cluster c;
    begin(&c, false);
    flow(&c, 0, 60);
    assert_int_equal(journal_start(&c), 0);
    assert_int_equal(cluster_report(&c, 0, 0).trimmed_records, 0);
    // Whoever begins with nothing follows it from its beginning.
    cluster_start(&c, 1);
    cluster_until(&c, 1, 0, K_SHARD_STANDBY);
    assert_int_equal(cluster_report(&c, 1, 0).records, 60);
    cluster_fini(&c);
}

static void test_what_nobody_can_follow_is_cut(void **state)
{
    (void)state;
    struct cluster c;
    begin(&c, false);
    flow(&c, 0, 30);
    cluster_start(&c, 1);
    run(&c, 5 * SECOND);
    lose(&c, 30);
    flow(&c, 30, 30);
    int64_t start = journal_start(&c);
    assert_true(start > 0);
    // Cut again and again, each time as far as the lists of inputs allow.
    lose(&c, 60);
    flow(&c, 60, 30);
    assert_true(journal_start(&c) > start);
    assert_int_equal(cluster_report(&c, 0, 0).trimmed_records, journal_start(&c));
    // A standby that dies goes on from its checkpoint, and takes over.
    cluster_kill(&c, 1);
    cluster_start(&c, 1);
    cluster_until(&c, 1, 0, K_SHARD_STANDBY);
    cluster_kill(&c, 0);
    cluster_until(&c, 1, 0, K_SHARD_LEAD);
    run(&c, 20 * SECOND);
    cluster_start(&c, 0);
    cluster_until(&c, 0, 0, K_SHARD_STANDBY);
    cluster_stop(&c, 0);
    cluster_stop(&c, 1);
    struct k_buf one = {0}, other = {0};
    cluster_dump(&c, 0, 0, &one);
    cluster_dump(&c, 1, 0, &other);
    assert_string_equal(one.data, other.data);
    k_buf_fini(&one);
    k_buf_fini(&other);
    // Who has nothing cannot be brought up to date, and is told so.
    cluster_lose_disk(&c, 0);
    cluster_start(&c, 0);
    assert_int_equal(cluster_run(&c, 20 * SECOND), K_E_LOST_RANGE);
    assert_non_null(strstr(c.error.text, "the state stands at offset 0 of p.journal.0, which now begins at"));
    cluster_fini(&c);
}

static void test_a_living_record_ends_it(void **state)
{
    (void)state;
    struct cluster c;
    begin(&c, false);
    flow(&c, 0, 30);
    // Half of them: what is followed from the first that is left is there, whoever follows it.
    lose(&c, 15);
    flow(&c, 30, 30);
    int64_t start = journal_start(&c);
    assert_true(start > 0);
    struct k_reader *reader;
    const struct k_message *const *messages;
    uint32_t count;
    struct k_error err;
    const struct k_log_ops *ops = c.logs[0]->ops;
    assert_int_equal(ops->reader_open(c.logs[0], "p.journal.0", 0, start, &reader, &err), 0);
    assert_int_equal(ops->fetch(reader, 1, 1 << 20, 0, &messages, &count, &err), 0);
    assert_int_equal(count, 1);
    Kappa__Internal__JournalRecord *first = kappa__internal__journal_record__unpack(
        NULL, messages[0]->value.length, (const uint8_t *)messages[0]->value.data);
    assert_non_null(first);
    assert_true(first->leadership || first->n_input == 1); // its ranges can be understood
    assert_true(first->n_range == 0 || first->range[0]->first < 15);
    kappa__internal__journal_record__free_unpacked(first, NULL);
    ops->reader_close(reader);
    cluster_fini(&c);
}

static void test_young_records_are_kept(void **state)
{
    (void)state;
    struct cluster c;
    begin(&c, false);
    cluster_kill(&c, 0);
    c.options.journal_keep_us = 3600 * SECOND;
    cluster_start(&c, 0);
    cluster_until(&c, 0, 0, K_SHARD_LEAD);
    flow(&c, 0, 30);
    lose(&c, 30);
    flow(&c, 30, 30);
    assert_int_equal(journal_start(&c), 0);
    flow(&c, 60, 3600);
    assert_true(journal_start(&c) > 0);
    cluster_fini(&c);
}

// The journal holds the records of a compacted topic: they are not lost there, whatever becomes of the topic.
static void test_embedded_records_are_kept(void **state)
{
    (void)state;
    struct cluster c;
    begin(&c, true);
    flow(&c, 0, 30);
    lose(&c, 30);
    flow(&c, 30, 30);
    assert_int_equal(journal_start(&c), 0);
    cluster_lose_disk(&c, 1);
    cluster_start(&c, 1);
    cluster_until(&c, 1, 0, K_SHARD_STANDBY);
    assert_int_equal(cluster_report(&c, 1, 0).records, 60);
    cluster_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_the_sources_have_is_kept), cmocka_unit_test(test_what_nobody_can_follow_is_cut),
        cmocka_unit_test(test_a_living_record_ends_it),       cmocka_unit_test(test_young_records_are_kept),
        cmocka_unit_test(test_embedded_records_are_kept),
    };
    return cmocka_run_group_tests_name("trim", tests, NULL, NULL);
}
