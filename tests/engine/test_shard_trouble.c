// What a shard does when something is refused, lost or full: it goes the one way back, or stops and says why.
#include "tests/base/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/trace.h"
#include "engine/shard_private.h"
#include "tests/engine/cluster.h"
#include "tests/engine/graphs.h"

static const int64_t SECOND = 1000000;

static void begin(struct cluster *c, const char *graph, int32_t partitions, bool compacted)
{
    cluster_init(c, graph, 1);
    cluster_topic(c, "t", partitions, compacted);
    cluster_prepare(c);
}

static void run(struct cluster *c, int64_t us)
{
    int code = cluster_run(c, us);
    if (code) fail_msg("%s", c->error.text);
}

static void put_n(struct cluster *c, int first, int count)
{
    for (int i = first; i < first + count; i++) {
        char value[64];
        snprintf(value, sizeof value, "{\"k\":\"%c\",\"n\":%d}", 'a' + i % 3, i);
        cluster_put(c, "t", 0, i * 1000, NULL, value);
    }
}

static void assert_outputs(struct cluster *c, int count)
{
    struct k_buf wanted = {0};
    k_buf_add_text(&wanted, "");
    for (int i = 0; i < count; i++) k_buf_printf(&wanted, "{\"k\":\"%c\",\"n\":%d} ", 'a' + i % 3, i);
    assert_string_equal(cluster_read(c, "o", 0), k_buf_str(&wanted).data);
    k_buf_fini(&wanted);
}

// The shard stops with this code, and its text says this.
static void assert_refused(struct cluster *c, int wanted, const char *said)
{
    int code = cluster_run(c, 20 * SECOND);
    if (code != wanted || !strstr(c->error.text, said)) fail_msg("%s: %s", k_error_name(code), c->error.text);
}

// A worker that leads, has written n records, and has stopped in order.
static void lead_and_stop(struct cluster *c, const char *graph, int count)
{
    begin(c, graph, 1, false);
    put_n(c, 0, count);
    cluster_start(c, 0);
    cluster_until(c, 0, 0, K_SHARD_LEAD);
    run(c, 2 * SECOND);
    cluster_stop(c, 0);
}

static void test_the_state_of_another_graph(void **state)
{
    (void)state;
    struct cluster c;
    lead_and_stop(&c, GRAPH_TABLE, 3);
    cluster_plan(&c, GRAPH_OTHER, 1);
    cluster_start(&c, 0);
    assert_refused(&c, K_E_CONFIG, "table \"last\" is another");
    cluster_kill(&c, 0);
    // On an empty disk the journal says it.
    cluster_start(&c, 1);
    assert_refused(&c, K_E_CONFIG, "runs another graph");
    cluster_fini(&c);
}

static void test_another_number_of_shards(void **state)
{
    (void)state;
    struct cluster c;
    cluster_init(&c, GRAPH_SPREAD, 1);
    cluster_topic(&c, "t", 2, false);
    cluster_prepare(&c);
    cluster_start(&c, 0);
    cluster_until(&c, 0, 0, K_SHARD_LEAD);
    run(&c, SECOND);
    cluster_stop(&c, 0);
    cluster_plan(&c, GRAPH_SPREAD, 2);
    cluster_prepare(&c);
    cluster_start(&c, 0);
    assert_refused(&c, K_E_CONFIG, "the number of shards");
    cluster_kill(&c, 0);
    cluster_start(&c, 1);
    assert_refused(&c, K_E_CONFIG, "the number is fixed");
    cluster_fini(&c);
}

// The same cloud and disks, but topics of the same names that are others: another cloud that has them.
static void new_cloud(struct cluster *c, int32_t partitions)
{
    int64_t now_us = k_cloud_now(c->cloud);
    k_cloud_destroy(c->cloud);
    c->cloud = k_cloud_create(2, NULL, now_us);
    cluster_topic(c, "t", partitions, false);
    cluster_prepare(c);
}

static void test_the_journal_is_made_anew(void **state)
{
    (void)state;
    struct cluster c;
    lead_and_stop(&c, GRAPH_TABLE, 3);
    new_cloud(&c, 1);
    cluster_start(&c, 0);
    assert_refused(&c, K_E_CORRUPT, "the journal was deleted and made anew");
    cluster_kill(&c, 0);
    // The same when the new one has grown as long: the running hash tells.
    cluster_start(&c, 1);
    cluster_until(&c, 1, 0, K_SHARD_LEAD);
    for (int i = 0; i < 10; i++) {
        put_n(&c, i, 1);
        run(&c, SECOND);
    }
    cluster_start(&c, 0);
    assert_refused(&c, K_E_CORRUPT, "the running hash");
    cluster_fini(&c);
}

struct writer {
    struct k_log *log;
    struct k_producer *producer;
};

// Each record in a transaction of its own, as a leader writes them: the offsets stay what they are.
static void write_journal(void *context, const struct k_message *message)
{
    struct writer *to = context;
    struct k_error err;
    bool tainted;
    struct k_out_message copy = {.topic = "p.journal.0", .partition = 0, .value = message->value, .has_value = true,
                                 .timestamp_us = message->timestamp_us};
    assert_int_equal(to->log->ops->begin(to->producer, &err), 0);
    assert_int_equal(to->log->ops->produce(to->producer, &copy, &err), 0);
    assert_int_equal(to->log->ops->commit(to->producer, &tainted, &err), 0);
}

// Another cloud with the same journal, and the source's topic made anew.
static void move_journal(struct cluster *c, int32_t partitions)
{
    struct k_cloud *old = c->cloud;
    struct writer writer;
    struct k_error err;
    c->cloud = k_cloud_create(2, NULL, k_cloud_now(old));
    cluster_topic(c, "t", partitions, false);
    cluster_prepare(c);
    writer.log = k_cloud_connect(c->cloud, "writer");
    assert_int_equal(writer.log->ops->producer_open(writer.log, "p-0", SECOND, &writer.producer, &err), 0);
    k_cloud_read(old, "p.journal.0", 0, write_journal, &writer);
    writer.log->ops->producer_close(writer.producer);
    writer.log->ops->close(writer.log);
    k_cloud_destroy(old);
}

// A source that was deleted and made anew shows by the last record that was read.
static void test_the_source_is_made_anew(void **state)
{
    (void)state;
    struct cluster c;
    lead_and_stop(&c, GRAPH_TABLE, 3);
    move_journal(&c, 1);
    for (int i = 0; i < 5; i++) cluster_put(&c, "t", 0, 555000 + i, NULL, "{\"k\":\"new\",\"n\":1}");
    cluster_start(&c, 0);
    assert_refused(&c, K_E_LOST_RANGE, "is not the one that was read before");
    cluster_kill(&c, 0);
    // An empty disk finds other records in the ranges that the journal names.
    cluster_start(&c, 1);
    assert_refused(&c, K_E_LOST_RANGE, "the log now shows others");
    cluster_fini(&c);
}

static void test_retention_has_passed(void **state)
{
    (void)state;
    struct cluster c;
    struct k_error err;
    lead_and_stop(&c, GRAPH_TABLE, 3);
    put_n(&c, 3, 4);
    cluster_start(&c, 0);
    // Below what the state needs records may go, the last one that was read included.
    assert_int_equal(c.logs[0]->ops->delete_records(c.logs[0], "t", 0, 3, &err), 0);
    cluster_until(&c, 0, 0, K_SHARD_LEAD);
    run(&c, 2 * SECOND);
    assert_outputs(&c, 7);
    cluster_stop(&c, 0);
    put_n(&c, 7, 4);
    cluster_start(&c, 0);
    assert_int_equal(c.logs[0]->ops->delete_records(c.logs[0], "t", 0, 9, &err), 0);
    assert_refused(&c, K_E_LOST_RANGE, "offsets 7 to 8 are lost");
    cluster_kill(&c, 0);
    // An empty disk needs all that the journal names.
    cluster_start(&c, 1);
    assert_refused(&c, K_E_LOST_RANGE, "offsets 0 to 8 are lost");
    cluster_fini(&c);
}

static void test_partitions_were_added(void **state)
{
    (void)state;
    struct cluster c;
    lead_and_stop(&c, GRAPH_TABLE, 3);
    move_journal(&c, 2);
    put_n(&c, 0, 3);
    cluster_start(&c, 0);
    assert_refused(&c, K_E_CONFIG, "partitions were added");
    cluster_kill(&c, 0);
    // An empty disk is told by the journal.
    cluster_start(&c, 1);
    assert_refused(&c, K_E_CONFIG, "was led with 1 partitions of topic t");
    cluster_fini(&c);
}

static void test_partitions_are_added_while_it_leads(void **state)
{
    (void)state;
    struct cluster c;
    begin(&c, GRAPH_TABLE, 2, false);
    put_n(&c, 0, 3);
    cluster_start(&c, 0);
    cluster_until(&c, 0, 0, K_SHARD_LEAD);
    run(&c, 2 * SECOND);
    k_cloud_add_partition(c.cloud, "t");
    assert_int_equal(cluster_run(&c, 40 * SECOND), K_E_CONFIG);
    if (!strstr(c.error.text, "topic t has 3 partitions now, and had 2")) fail_msg("%s", c.error.text);
    cluster_fini(&c);
}

// Nothing was read of the second partition, but it was there when the pipeline began: what retention takes of it is
// lost, also for one who has only the journal to tell.
static void test_retention_takes_what_nobody_has_read(void **state)
{
    (void)state;
    struct cluster c;
    begin(&c, GRAPH_TABLE, 2, false);
    put_n(&c, 0, 3);
    cluster_start(&c, 0);
    cluster_until(&c, 0, 0, K_SHARD_LEAD);
    run(&c, 2 * SECOND);
    cluster_stop(&c, 0);
    run(&c, 2 * SECOND);
    for (int i = 0; i < 3; i++) cluster_put(&c, "t", 1, i, NULL, "{\"k\":\"z\",\"n\":1}");
    struct k_error err = {0};
    struct k_log *log = k_cloud_connect(c.cloud, "admin");
    assert_int_equal(log->ops->delete_records(log, "t", 1, 2, &err), 0);
    log->ops->close(log);
    cluster_start(&c, 1); // with an empty disk
    assert_refused(&c, K_E_LOST_RANGE, "topic t, partition 1");
    cluster_fini(&c);
}

static void test_the_disk_is_full(void **state)
{
    (void)state;
    struct cluster c;
    begin(&c, GRAPH_TABLE, 1, false);
    cluster_start(&c, 0);
    cluster_start(&c, 1);
    cluster_until(&c, 0, 0, K_SHARD_LEAD);
    run(&c, 5 * SECOND);
    uint32_t leader = k_shard_state(c.live[0][0]) == K_SHARD_LEAD ? 0 : 1;
    c.disks[0][0].full = c.disks[1][0].full = true;
    put_n(&c, 0, 5);
    run(&c, 5 * SECOND);
    struct k_shard_report report = cluster_report(&c, leader, 0);
    assert_true(report.stalled);
    assert_non_null(strstr(report.trouble, "no room"));
    uint64_t records[] = {cluster_report(&c, 0, 0).records, cluster_report(&c, 1, 0).records};
    // Nothing more is read, by the leader or by the one that follows: it could only stay in memory.
    put_n(&c, 5, 5);
    run(&c, 5 * SECOND);
    assert_int_equal(cluster_report(&c, 0, 0).records, records[0]);
    assert_int_equal(cluster_report(&c, 1, 0).records, records[1]);
    assert_true(cluster_report(&c, 1 - leader, 0).stalled);
    // Room is back: it goes on by itself, and nothing was lost.
    c.disks[0][0].full = c.disks[1][0].full = false;
    run(&c, 5 * SECOND);
    assert_outputs(&c, 10);
    assert_false(cluster_report(&c, 0, 0).stalled || cluster_report(&c, 1, 0).stalled);
    assert_int_equal(cluster_report(&c, 0, 0).resets + cluster_report(&c, 1, 0).resets <= 2, 1);
    // A stop does not wait for room: what is not saved is in the journal.
    c.disks[leader][0].full = true;
    put_n(&c, 10, 5);
    run(&c, 3 * SECOND);
    cluster_stop(&c, leader);
    cluster_until(&c, 1 - leader, 0, K_SHARD_LEAD);
    run(&c, 2 * SECOND);
    assert_outputs(&c, 15);
    cluster_fini(&c);
}

// Commits that are doubtful, doubled, refused, and markers that come late: each output is there once.
static void test_doubt(void **state)
{
    (void)state;
    static const struct k_fault_rates rates[] = {
        {.commit_answer_lost = 3}, {.commit_request_lost = 3}, {.commit_late = 3}, {.commit_doubled = 2},
        {.request_refused = 20},   {.marker_late = 2},         {.request_lost = 20}, {.transaction_timeout = 10},
    };
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        struct cluster c;
        begin(&c, GRAPH_TABLE, 1, false);
        cluster_start(&c, 0);
        cluster_until(&c, 0, 0, K_SHARD_LEAD);
        k_cloud_set_rates(c.cloud, &rates[i]);
        for (int n = 0; n < 30; n++) {
            put_n(&c, n, 1);
            run(&c, SECOND);
        }
        static const struct k_fault_rates none;
        k_cloud_set_rates(c.cloud, &none);
        cluster_until(&c, 0, 0, K_SHARD_LEAD);
        run(&c, 20 * SECOND);
        k_cloud_settle(c.cloud);
        assert_outputs(&c, 30);
        struct k_shard_report report = cluster_report(&c, 0, 0);
        if (!rates[i].marker_late) assert_true(report.resets > 0);
        cluster_fini(&c);
    }
}

// A refusal that does not pass is not asked for without a pause.
static void test_no_storm_of_resets(void **state)
{
    (void)state;
    struct cluster c;
    begin(&c, GRAPH_TABLE, 1, false);
    cluster_start(&c, 0);
    cluster_until(&c, 0, 0, K_SHARD_LEAD);
    struct k_fault_rates rates = {.request_refused = 1};
    k_cloud_set_rates(c.cloud, &rates);
    put_n(&c, 0, 1);
    run(&c, 10 * SECOND);
    uint64_t resets = cluster_report(&c, 0, 0).resets;
    assert_in_range(resets, 1, 60);
    cluster_fini(&c);
}

// --- a journal that somebody else has written to ---

static void read_point(void *context, const struct k_message *message)
{
    struct k_journal_point *point = context;
    struct k_error err;
    Kappa__Internal__JournalRecord *record;
    assert_int_equal(k_journal_decode(message, "p", 0, point, &record, &err), 0);
    kappa__internal__journal_record__free_unpacked(record, NULL);
}

// What a forger who knows the running hash appends. The fields that a test leaves out are those of an honest leader.
struct forgery {
    int64_t clock_us;
    struct k_range range; // count > 0: there is one
    struct k_at_end end;  // next > 0: there is one
    uint64_t work;
    const char *said;
};

static void forge(struct cluster *c, const struct forgery *f)
{
    struct k_journal_point point = {0};
    struct k_pending pending = {0};
    struct k_buf bytes = {0};
    struct k_message m = {.offset = f->range.first, .value = K_STR("{}"), .has_value = true};
    const struct k_message *list = &m;
    k_cloud_read(c->cloud, "p.journal.0", 0, read_point, &point);
    if (f->range.count)
        k_pending_add(&pending, f->range.source, f->range.partition, f->range.first, f->range.next, &list, 1,
                      f->range.embedded);
    struct k_input input = {.source = f->end.input, .partition = 0};
    struct k_at_end end = {0, f->end.next};
    struct k_journal_facts facts = {.pipeline = "p", .clock_us = f->clock_us, .ends = &end, .inputs = &input,
                                    .end_count = f->end.next > 0, .work = f->work};
    k_journal_encode(&point, &pending, &facts, &bytes);
    struct k_out_message message = {.topic = "p.journal.0", .partition = 0, .value = k_buf_str(&bytes),
                                    .has_value = true, .timestamp_us = 0};
    k_cloud_produce(c->cloud, &message);
    k_pending_fini(&pending);
    k_buf_fini(&bytes);
}

static void test_forged_records(void **state)
{
    (void)state;
    const int64_t later = INT64_C(1) << 60;
    const struct forgery forgeries[] = {
        {.clock_us = 5, .said = "goes back in time"},
        {.clock_us = -5, .said = "goes back in time"},
        {.clock_us = INT64_MAX, .said = "no leader wrote it"},
        {.clock_us = later, .range = {.first = 3, .next = 1, .count = 1}, .said = "or in a partition"},
        {.clock_us = later, .range = {.first = -3, .next = 1, .count = 1}, .said = "or in a partition"},
        {.clock_us = later, .range = {.source = 77, .first = 3, .next = 4, .count = 1}, .said = "names input 77"},
        {.clock_us = later, .range = {.partition = 4000000000, .first = 3, .next = 4, .count = 1},
         .said = "partition 4000000000, which does not belong"},
        {.clock_us = later,
         .range = {.first = 9, .next = 10, .count = 1},
         .said = "at offset 9, the state stands at 3"},
        {.clock_us = later, .end = {.input = 9, .next = 3}, .said = "names input 9"},
        {.clock_us = later, .work = 1ull << 60, .said = "units of work"},
    };
    for (size_t i = 0; i < sizeof forgeries / sizeof *forgeries; i++) {
        struct cluster c;
        lead_and_stop(&c, GRAPH_TABLE, 3);
        forge(&c, &forgeries[i]);
        cluster_start(&c, i % 2); // with the state that stands before it, and from the beginning
        assert_refused(&c, K_E_CORRUPT, forgeries[i].said);
        cluster_fini(&c);
    }
}

// A record of a compacted topic that only just fits there fits into the journal, too, and never shares a record of the
// journal with so many others that it would not.
static void test_large_embedded_records(void **state)
{
    (void)state;
    struct cluster c;
    begin(&c, GRAPH_TABLE, 1, true);
    struct k_buf value = {0};
    cluster_start(&c, 0);
    cluster_until(&c, 0, 0, K_SHARD_LEAD);
    int64_t sizes[] = {400000, 900000, 10, 1000000, 500000, 500000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        k_buf_clear(&value);
        k_buf_printf(&value, "{\"k\":\"a\",\"n\":%zu,\"filler\":\"", i);
        char *filler = k_buf_reserve(&value, (size_t)sizes[i]);
        memset(filler, 'x', (size_t)sizes[i]);
        value.length += (size_t)sizes[i];
        k_buf_add_text(&value, "\"}");
        cluster_put(&c, "t", 0, 0, "a", value.data);
    }
    run(&c, 3 * SECOND);
    const char *out = cluster_read(&c, "o", 0);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char row[32];
        snprintf(row, sizeof row, "\"n\":%zu}", i);
        assert_non_null(strstr(out, row));
    }
    assert_int_equal(cluster_report(&c, 0, 0).resets, 0);
    k_buf_fini(&value);
    cluster_fini(&c);
}

// A partition that is behind in event time and never at rest does not keep the others from being read.
static void test_nobody_starves(void **state)
{
    (void)state;
    struct cluster c;
    begin(&c, GRAPH_TABLE, 2, false);
    cluster_start(&c, 0);
    cluster_until(&c, 0, 0, K_SHARD_LEAD);
    run(&c, SECOND);
    cluster_put(&c, "t", 1, 900 * SECOND, NULL, "{\"k\":\"z\",\"n\":0}");
    cluster_put(&c, "t", 1, 900 * SECOND, NULL, "{\"k\":\"z\",\"n\":1}");
    assert_int_equal(cluster_step(&c), 0);
    for (int i = 0; i < 500; i++) {
        cluster_put(&c, "t", 1, 900 * SECOND, NULL, "{\"k\":\"z\",\"n\":1}");
        cluster_put(&c, "t", 0, i, NULL, "{\"k\":\"a\",\"n\":1}");
        assert_int_equal(cluster_step(&c), 0);
    }
    uint32_t count;
    struct k_input *inputs = k_machine_inputs(k_shard_machine(c.live[0][0]), &count);
    assert_true(inputs[0].records > 300);
    assert_true(inputs[1].records > 300);
    cluster_fini(&c);
}

int main(void)
{
    k_trace_setup(K_TRACE_ERROR, false);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_state_of_another_graph),
        cmocka_unit_test(test_another_number_of_shards),
        cmocka_unit_test(test_the_journal_is_made_anew),
        cmocka_unit_test(test_the_source_is_made_anew),
        cmocka_unit_test(test_retention_has_passed),
        cmocka_unit_test(test_partitions_were_added),
        cmocka_unit_test(test_partitions_are_added_while_it_leads),
        cmocka_unit_test(test_retention_takes_what_nobody_has_read),
        cmocka_unit_test(test_the_disk_is_full),
        cmocka_unit_test(test_doubt),
        cmocka_unit_test(test_forged_records),
        cmocka_unit_test(test_no_storm_of_resets),
        cmocka_unit_test(test_large_embedded_records),
        cmocka_unit_test(test_nobody_starves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
