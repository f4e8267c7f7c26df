// The life of a shard on a log that does nothing wrong: leading, following in step, taking over, stopping, ending.
#include "tests/base/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
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

// Output i stands in the outputs once, in order.
static void assert_outputs(struct cluster *c, int count)
{
    struct k_buf wanted = {0};
    k_buf_add_text(&wanted, "");
    for (int i = 0; i < count; i++) k_buf_printf(&wanted, "{\"k\":\"%c\",\"n\":%d} ", 'a' + i % 3, i);
    assert_string_equal(cluster_read(c, "o", 0), k_buf_str(&wanted).data);
    k_buf_fini(&wanted);
}

static void assert_same_state(struct cluster *c, uint32_t one, uint32_t other)
{
    struct k_buf a = {0}, b = {0};
    cluster_dump(c, one, 0, &a);
    cluster_dump(c, other, 0, &b);
    assert_true(a.length > 0);
    assert_string_equal(a.data, b.data);
    k_buf_fini(&a);
    k_buf_fini(&b);
}

static void test_leads_and_goes_on_after_a_stop(void **state)
{
    (void)state;
    struct cluster c;
    begin(&c, GRAPH_TABLE, 1, false);
    put_n(&c, 0, 10);
    cluster_start(&c, 0);
    cluster_until(&c, 0, 0, K_SHARD_LEAD);
    run(&c, 2 * SECOND);
    assert_outputs(&c, 10);
    assert_int_equal(cluster_report(&c, 0, 0).leaderships, 1);
    cluster_stop(&c, 0);
    put_n(&c, 10, 5);
    cluster_start(&c, 0);
    run(&c, 2 * SECOND);
    assert_outputs(&c, 15);
    assert_int_equal(cluster_report(&c, 0, 0).records, 5); // stopped at the journal's end: nothing is read again
    cluster_fini(&c);
}

static void test_a_standby_follows_and_takes_over(void **state)
{
    (void)state;
    struct cluster c;
    begin(&c, GRAPH_TABLE, 1, false);
    cluster_start(&c, 0);
    cluster_until(&c, 0, 0, K_SHARD_LEAD);
    cluster_start(&c, 1);
    cluster_until(&c, 1, 0, K_SHARD_STANDBY);
    put_n(&c, 0, 20);
    run(&c, 2 * SECOND);
    assert_int_equal(k_shard_state(c.live[0][0]), K_SHARD_LEAD);
    assert_int_equal(k_shard_state(c.live[1][0]), K_SHARD_STANDBY); // a newcomer does not take a shard
    assert_int_equal(cluster_report(&c, 1, 0).records, 20);
    cluster_kill(&c, 0);
    put_n(&c, 20, 10);
    cluster_until(&c, 1, 0, K_SHARD_LEAD);
    run(&c, 2 * SECOND);
    assert_outputs(&c, 30);
    assert_int_equal(cluster_report(&c, 1, 0).records_followed_after_takeover, 20); // all that it ever followed
    // The dead one comes back, follows what the other led, and comes to the same state.
    cluster_start(&c, 0);
    run(&c, 5 * SECOND);
    assert_int_equal(k_shard_state(c.live[0][0]), K_SHARD_STANDBY);
    cluster_stop(&c, 0);
    cluster_stop(&c, 1);
    assert_same_state(&c, 0, 1);
    cluster_fini(&c);
}

// As who leads does: a copy of a state in the middle of work is of no use to a replay.
static void test_who_follows_knows_that_no_work_is_left(void **state)
{
    (void)state;
    struct cluster c;
    begin(&c, GRAPH_WINDOWS(""), 1, false);
    cluster_start(&c, 0);
    cluster_until(&c, 0, 0, K_SHARD_LEAD);
    cluster_start(&c, 1);
    cluster_until(&c, 1, 0, K_SHARD_STANDBY);
    cluster_put(&c, "t", 0, 100, NULL, "{\"k\":\"a\"}");
    cluster_put(&c, "t", 0, 60 * SECOND, NULL, "{\"k\":\"a\"}");
    run(&c, 5 * SECOND);
    assert_string_equal(cluster_read(&c, "o", 0), "{\"k\":\"a\",\"c\":1} ");
    for (uint32_t worker = 2; worker-- > 0;) {
        cluster_stop(&c, worker);
        Kappa__Internal__Position *position = cluster_position(&c, worker, 0);
        assert_true(position && position->work_units > 0);
        assert_false(position->work_pending);
        kappa__internal__position__free_unpacked(position, NULL);
    }
    assert_same_state(&c, 0, 1);
    cluster_fini(&c);
}

static void step(struct cluster *c, uint32_t worker)
{
    int64_t wait_us;
    if (k_shard_step(c->live[worker][0], &wait_us, &c->error)) fail_msg("%s", c->error.text);
}

// In step is who has the journal as it is, not as it was when it began to follow.
static void test_joins_only_in_step(void **state)
{
    (void)state;
    struct cluster c;
    begin(&c, GRAPH_TABLE, 1, false);
    cluster_start(&c, 0);
    cluster_until(&c, 0, 0, K_SHARD_LEAD);
    for (int i = 0; i < 5; i++) {
        put_n(&c, i, 1);
        run(&c, SECOND);
    }
    cluster_start(&c, 1);
    while (!c.live[1][0]->following.record) step(&c, 1);
    // It stands in the middle of what it has fetched, and slowly; the leader goes on.
    for (int i = 0; i < 20; i++) {
        put_n(&c, 5 + i, 1);
        for (int n = 0; n < 3; n++) step(&c, 0);
        k_cloud_advance(c.cloud, 150000);
    }
    while (k_shard_state(c.live[1][0]) == K_SHARD_FOLLOW) step(&c, 1);
    assert_in_range(c.live[0][0]->point.sequence, 15, 40);
    assert_int_equal(c.live[1][0]->point.sequence, c.live[0][0]->point.sequence);
    cluster_fini(&c);
}

// Work that a killed leader had not committed is done by the next, once.
static void test_a_crash_in_the_middle_of_a_transaction(void **state)
{
    (void)state;
    struct cluster c;
    begin(&c, GRAPH_TABLE, 1, false);
    cluster_start(&c, 0);
    cluster_until(&c, 0, 0, K_SHARD_LEAD);
    run(&c, SECOND);
    put_n(&c, 0, 10);
    for (int i = 0; i < 2; i++) assert_int_equal(cluster_step(&c), 0); // fed, not committed
    assert_outputs(&c, 0);
    cluster_kill(&c, 0);
    cluster_start(&c, 1);
    cluster_until(&c, 1, 0, K_SHARD_LEAD);
    run(&c, 2 * SECOND);
    assert_outputs(&c, 10);
    cluster_fini(&c);
}

static void test_once_ends_where_the_sources_ended(void **state)
{
    (void)state;
    struct cluster c;
    begin(&c, GRAPH_WINDOWS(""), 3, false);
    cluster_put(&c, "t", 0, 100, NULL, "{\"k\":\"a\"}");
    cluster_put(&c, "t", 0, 200, NULL, "{\"k\":\"a\"}");
    cluster_put(&c, "t", 2, 1500000, NULL, "{\"k\":\"b\"}");
    c.options.once = true;
    cluster_start(&c, 0);
    cluster_until(&c, 0, 0, K_SHARD_STOPPED);
    assert_string_equal(cluster_read(&c, "o", 0), ""); // partition 1 is empty, so no window may close
    cluster_kill(&c, 0);
    // The same once more with --final: what is open speaks.
    c.options.final = true;
    cluster_start(&c, 0);
    cluster_until(&c, 0, 0, K_SHARD_STOPPED);
    assert_string_equal(cluster_read(&c, "o", 0), "{\"k\":\"a\",\"c\":2} {\"k\":\"b\",\"c\":1} ");
    cluster_kill(&c, 0);
    // And again: there is nothing to say twice.
    cluster_start(&c, 0);
    cluster_until(&c, 0, 0, K_SHARD_STOPPED);
    assert_string_equal(cluster_read(&c, "o", 0), "{\"k\":\"a\",\"c\":2} {\"k\":\"b\",\"c\":1} ");
    cluster_fini(&c);
}

// In order: by event time, then input, then offset, also where a partition's own records are out of order; what gives
// no row goes at once, and a partition without records holds nobody up.
static void test_history_is_merged_by_event_time(void **state)
{
    (void)state;
    static const char *const graphs[] = {
        GRAPH_ORDER("time { expr: \"ts\" max_ahead: \"30d\" }"),
        GRAPH_ORDER("time { expr: \"ts\" max_ahead: \"30d\" } policy { on_error: DROP }"),
    };
    for (int i = 0; i < 2; i++) {
        struct cluster c;
        begin(&c, graphs[i], 3, false);
        // The messages' own timestamps say the opposite.
        static const struct {
            int32_t partition;
            int64_t time_us;
            const char *value;
        } records[] = {{0, 90, "{\"n\":1,\"ts\":1000}"}, {0, 80, "{\"n\":3,\"ts\":3000}"},
                       {0, 70, "{\"n\":4,\"ts\":2000}"}, {0, 60, "{\"n\":6,\"ts\":5000}"},
                       {1, 50, "{\"n\":2,\"ts\":1000}"}, {1, 40, "garbage"},
                       {1, 30, "{\"n\":5,\"ts\":4000}"}, {1, 20, "{\"n\":7,\"ts\":5000}"}};
        for (size_t r = 0; r < sizeof records / sizeof *records; r++)
            cluster_put(&c, "t", records[r].partition, records[r].time_us, NULL, records[r].value);
        c.options.once = c.options.in_order = true;
        cluster_start(&c, 0);
        cluster_until(&c, 0, 0, K_SHARD_STOPPED);
        assert_string_equal(cluster_read(&c, "o", 0),
                            "{\"n\":1} {\"n\":2} {\"n\":3} {\"n\":4} {\"n\":5} {\"n\":6} {\"n\":7} ");
        cluster_fini(&c);
    }
}

// Two workers with --once: the second ends too, although it never leads, while the first goes on for ever.
static void test_once_ends_beside_a_leader_that_goes_on(void **state)
{
    (void)state;
    struct cluster c;
    begin(&c, GRAPH_WINDOWS(""), 2, false);
    cluster_put(&c, "t", 0, 100, NULL, "{\"k\":\"a\"}");
    cluster_start(&c, 0);
    cluster_until(&c, 0, 0, K_SHARD_LEAD);
    run(&c, SECOND);
    c.options.once = true;
    cluster_start(&c, 1);
    cluster_until(&c, 1, 0, K_SHARD_STOPPED);
    assert_int_equal(cluster_report(&c, 1, 0).leaderships, 0);
    cluster_until(&c, 0, 0, K_SHARD_LEAD); // it led all the time, but for the rebalance
    cluster_fini(&c);
}

// More shards than partitions: a shard without any still begins, leads and ends.
static void test_a_shard_without_partitions(void **state)
{
    (void)state;
    struct cluster c;
    cluster_init(&c, GRAPH_SPREAD, 3);
    cluster_topic(&c, "t", 2, false);
    cluster_prepare(&c);
    cluster_put(&c, "t", k_murmur2_partition(K_STR("x"), 2), 0, "x", "{\"k\":\"x\"}");
    c.options.once = c.options.final = true;
    cluster_start(&c, 0);
    for (uint32_t s = 0; s < 3; s++) cluster_until(&c, 0, s, K_SHARD_STOPPED);
    assert_string_equal(cluster_read(&c, "o", 0), "{\"k\":\"x\",\"c\":1} ");
    cluster_fini(&c);
}

static void test_two_shards_over_two_workers(void **state)
{
    (void)state;
    struct cluster c;
    cluster_init(&c, GRAPH_SPREAD, 2);
    cluster_topic(&c, "t", 4, false);
    cluster_prepare(&c);
    static const char *const keys[] = {"x", "y", "z", "v", "w"};
    cluster_start(&c, 0);
    cluster_start(&c, 1);
    run(&c, 5 * SECOND);
    for (int i = 0; i < 20; i++) {
        char value[32];
        struct k_str key = k_str_of(keys[i % 5]);
        snprintf(value, sizeof value, "{\"k\":\"%s\"}", keys[i % 5]);
        cluster_put(&c, "t", k_murmur2_partition(key, 4), 0, keys[i % 5], value);
    }
    run(&c, 5 * SECOND);
    for (uint32_t s = 0; s < 2; s++) // each shard has one leader
        assert_int_equal((k_shard_state(c.live[0][s]) == K_SHARD_LEAD) + (k_shard_state(c.live[1][s]) == K_SHARD_LEAD),
                         1);
    const char *out = cluster_read(&c, "o", 0);
    for (int i = 0; i < 5; i++) {
        char row[48];
        snprintf(row, sizeof row, "{\"k\":\"%s\",\"c\":4}", keys[i]);
        assert_non_null(strstr(out, row));
    }
    cluster_kill(&c, 0);
    cluster_put(&c, "t", k_murmur2_partition(K_STR("x"), 4), 0, "x", "{\"k\":\"x\"}");
    cluster_put(&c, "t", k_murmur2_partition(K_STR("y"), 4), 0, "y", "{\"k\":\"y\"}");
    cluster_until(&c, 1, 0, K_SHARD_LEAD);
    cluster_until(&c, 1, 1, K_SHARD_LEAD);
    run(&c, 2 * SECOND);
    assert_non_null(strstr(cluster_read(&c, "o", 0), "{\"k\":\"x\",\"c\":5}"));
    assert_non_null(strstr(cluster_read(&c, "o", 0), "{\"k\":\"y\",\"c\":5}"));
    cluster_fini(&c);
}

// A record that its partitioner would have put elsewhere is in no shard's keys: refused, naming where it belongs.
static void test_a_record_in_the_wrong_partition(void **state)
{
    (void)state;
    struct cluster c;
    cluster_init(&c, GRAPH_SPREAD, 2);
    cluster_topic(&c, "t", 2, false);
    cluster_prepare(&c);
    int32_t right = k_murmur2_partition(K_STR("x"), 2);
    cluster_put(&c, "t", 1 - right, 0, "x", "{\"k\":\"x\"}");
    cluster_start(&c, 0);
    assert_int_equal(cluster_run(&c, 2 * SECOND), K_E_DATA);
    assert_non_null(strstr(c.error.text, "partitioned_by"));
    cluster_fini(&c);
}

// The records of a compacted topic are in the journal: a follower needs the topic no more.
static void test_embedded_records_outlive_their_topic(void **state)
{
    (void)state;
    struct cluster c;
    begin(&c, GRAPH_TABLE, 1, true);
    put_n(&c, 0, 10);
    struct k_header header = {K_STR("h"), K_STR("v"), false};
    struct k_out_message last = {.topic = "t", .partition = 0, .timestamp_us = 77000, .key = K_STR("a"),
                                 .has_key = true, .value = K_STR("{\"k\":\"b\",\"n\":10}"), .has_value = true,
                                 .headers = &header, .header_count = 1};
    k_cloud_produce(c.cloud, &last);
    cluster_start(&c, 0);
    cluster_until(&c, 0, 0, K_SHARD_LEAD);
    run(&c, 2 * SECOND);
    assert_outputs(&c, 11);
    // Everything in the topic vanishes.
    struct k_error err;
    assert_int_equal(c.logs[0]->ops->delete_records(c.logs[0], "t", 0, 11, &err), 0);
    cluster_start(&c, 1);
    cluster_until(&c, 1, 0, K_SHARD_STANDBY);
    cluster_kill(&c, 0);
    cluster_until(&c, 1, 0, K_SHARD_LEAD);
    put_n(&c, 11, 2);
    run(&c, 2 * SECOND);
    assert_outputs(&c, 13);
    cluster_start(&c, 0); // from its own checkpoint, after it was killed
    run(&c, 2 * SECOND);
    cluster_stop(&c, 0);
    cluster_stop(&c, 1);
    assert_same_state(&c, 0, 1);
    cluster_fini(&c);
}

// A clock that jumps back stops nothing: commits, checkpoints and waits go by what has passed, not by its sign.
static void test_the_clock_jumps_back(void **state)
{
    (void)state;
    struct cluster c;
    begin(&c, GRAPH_TABLE, 1, false);
    cluster_start(&c, 0);
    cluster_until(&c, 0, 0, K_SHARD_LEAD);
    run(&c, 2 * SECOND);
    put_n(&c, 0, 3);
    assert_int_equal(cluster_step(&c), 0); // a transaction is open
    k_cloud_set_clock(c.cloud, k_cloud_now(c.cloud) - 3600 * SECOND);
    run(&c, 3 * SECOND);
    assert_outputs(&c, 3);
    assert_int_equal(cluster_report(&c, 0, 0).resets, 0);
    assert_int_equal(cluster_report(&c, 0, 0).figures.dirty_bytes, 0); // checkpointed
    // The same while a follower waits for its next try.
    c.disks[0][0].full = true;
    put_n(&c, 3, 3);
    run(&c, 2 * SECOND);
    assert_true(cluster_report(&c, 0, 0).stalled);
    k_cloud_set_clock(c.cloud, k_cloud_now(c.cloud) - 3600 * SECOND);
    c.disks[0][0].full = false;
    run(&c, 3 * SECOND);
    assert_false(cluster_report(&c, 0, 0).stalled);
    cluster_fini(&c);
}

// In every state that a shard can be asked to stop in, it stops, and nothing is lost or told twice.
static void test_stops_in_every_state(void **state)
{
    (void)state;
    for (int steps = 0; steps < 40; steps++) {
        struct cluster c;
        begin(&c, GRAPH_TABLE, 1, false);
        put_n(&c, 0, 5);
        cluster_start(&c, 0);
        for (int i = 0; i < steps; i++) {
            if (i == 20) put_n(&c, 5, 5);
            assert_int_equal(cluster_step(&c), 0);
        }
        cluster_stop(&c, 0);
        cluster_start(&c, 1); // with an empty disk: all that it knows it has from the journal
        cluster_until(&c, 1, 0, K_SHARD_LEAD);
        run(&c, 2 * SECOND);
        assert_outputs(&c, steps > 20 ? 10 : 5);
        cluster_fini(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leads_and_goes_on_after_a_stop),
        cmocka_unit_test(test_a_standby_follows_and_takes_over),
        cmocka_unit_test(test_who_follows_knows_that_no_work_is_left),
        cmocka_unit_test(test_joins_only_in_step),
        cmocka_unit_test(test_a_crash_in_the_middle_of_a_transaction),
        cmocka_unit_test(test_once_ends_where_the_sources_ended),
        cmocka_unit_test(test_history_is_merged_by_event_time),
        cmocka_unit_test(test_once_ends_beside_a_leader_that_goes_on),
        cmocka_unit_test(test_a_shard_without_partitions),
        cmocka_unit_test(test_two_shards_over_two_workers),
        cmocka_unit_test(test_a_record_in_the_wrong_partition),
        cmocka_unit_test(test_embedded_records_outlive_their_topic),
        cmocka_unit_test(test_the_clock_jumps_back),
        cmocka_unit_test(test_stops_in_every_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
