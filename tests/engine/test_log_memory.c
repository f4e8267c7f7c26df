// The in-memory log keeps the promises that the protocol was model-checked against, and breaks what a real one breaks.
#include <stdlib.h>

#include "tests/base/test.h"

#include "engine/log_memory.h"

#define MINUTE_US 60000000ll

struct world {
    struct k_cloud *cloud;
    struct k_log *a, *b; // two workers
};

static int setup(void **state)
{
    struct world *w = k_new(struct world);
    struct k_error err;
    w->cloud = k_cloud_create(7, NULL, 1000000000000);
    assert_int_equal(k_cloud_create_topic(w->cloud, "in", &(struct k_topic_spec){.partitions = 3}, &err), 0);
    assert_int_equal(k_cloud_create_topic(w->cloud, "out", &(struct k_topic_spec){.partitions = 1}, &err), 0);
    w->a = k_cloud_connect(w->cloud, "a");
    w->b = k_cloud_connect(w->cloud, "b");
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    w->a->ops->close(w->a);
    w->b->ops->close(w->b);
    k_cloud_destroy(w->cloud);
    free(w);
    return 0;
}

static struct k_producer *producer(struct k_log *log, const char *id)
{
    struct k_producer *p = NULL;
    struct k_error err;
    assert_int_equal(log->ops->producer_open(log, id, 10000000, &p, &err), 0);
    return p;
}

static int put(struct k_log *log, struct k_producer *p, const char *topic, const char *value)
{
    struct k_error err;
    struct k_out_message m = {.topic = topic, .partition = 0, .value = k_str_of(value), .has_value = true,
                              .timestamp_us = -1, .tracked = true};
    return log->ops->produce(p, &m, &err);
}

static int commit(struct k_log *log, struct k_producer *p)
{
    bool tainted = true;
    struct k_error err;
    int code = log->ops->commit(p, &tainted, &err);
    if (!code) assert_false(tainted);
    return code;
}

// What a fresh read_committed reader gets of partition 0, as one text; moves *position.
static const char *seen(struct k_log *log, const char *topic, int64_t *position, bool *at_end)
{
    static char text[256];
    struct k_reader *r;
    struct k_error err;
    const struct k_message *const *messages;
    uint32_t count;
    assert_int_equal(log->ops->reader_open(log, topic, 0, 0, &r, &err), 0);
    assert_int_equal(log->ops->fetch(r, 100, 1 << 20, 0, &messages, &count, &err), 0);
    text[0] = 0;
    for (uint32_t i = 0; i < count; i++) strncat(text, messages[i]->value.data, messages[i]->value.length);
    if (position) *position = log->ops->position(r);
    if (at_end) *at_end = log->ops->at_end(r);
    log->ops->reader_close(r);
    return text;
}

static void test_commit_shows_and_abort_hides(void **state)
{
    struct world *w = *state;
    struct k_error err;
    int64_t position;
    bool at_end;
    struct k_producer *p = producer(w->a, "t");
    assert_int_equal(w->a->ops->begin(p, &err), 0);
    assert_int_equal(put(w->a, p, "out", "x"), 0);
    assert_string_equal(seen(w->b, "out", &position, &at_end), "");
    assert_int_equal(position, 0);
    assert_true(at_end);
    int64_t end;
    assert_int_equal(w->b->ops->offsets(w->b, "out", 0, true, NULL, &end, &err), 0);
    assert_int_equal(end, 0);
    assert_int_equal(w->b->ops->offsets(w->b, "out", 0, false, NULL, &end, &err), 0);
    assert_int_equal(end, 1);
    assert_int_equal(commit(w->a, p), 0);
    assert_int_equal(w->a->ops->tracked_offset(p), 0);
    assert_string_equal(seen(w->b, "out", &position, &at_end), "x");
    assert_int_equal(position, 2); // the marker takes an offset
    assert_int_equal(w->a->ops->begin(p, &err), 0);
    assert_int_equal(put(w->a, p, "out", "y"), 0);
    assert_int_equal(w->a->ops->abort(p, &err), 0);
    assert_string_equal(seen(w->b, "out", &position, &at_end), "x");
    assert_int_equal(position, 4);
    assert_true(at_end);
    w->a->ops->producer_close(p);
}

static void test_init_fences(void **state)
{
    struct world *w = *state;
    struct k_error err;
    struct k_producer *old = producer(w->a, "t");
    assert_int_equal(w->a->ops->begin(old, &err), 0);
    assert_int_equal(put(w->a, old, "out", "x"), 0);
    struct k_producer *new = producer(w->b, "t");
    int64_t position;
    assert_string_equal(seen(w->b, "out", &position, NULL), "");
    assert_int_equal(position, 2); // record and abort marker are there when init returns
    assert_int_equal(put(w->a, old, "out", "y"), K_E_FENCED);
    assert_int_equal(commit(w->a, old), K_E_FENCED);
    assert_int_equal(w->b->ops->begin(new, &err), 0);
    assert_int_equal(put(w->b, new, "out", "z"), 0);
    assert_int_equal(commit(w->b, new), 0);
    assert_string_equal(seen(w->a, "out", NULL, NULL), "z");
    w->a->ops->producer_close(old);
    w->b->ops->producer_close(new);
}

static void test_another_id_is_not_fenced_but_blocks_readers(void **state)
{
    struct world *w = *state;
    struct k_error err;
    struct k_producer *old = producer(w->a, "t1"), *new = producer(w->b, "t2");
    assert_int_equal(w->a->ops->begin(old, &err), 0);
    assert_int_equal(put(w->a, old, "out", "x"), 0);
    assert_int_equal(w->b->ops->begin(new, &err), 0);
    assert_int_equal(put(w->b, new, "out", "y"), 0);
    assert_int_equal(commit(w->b, new), 0);
    assert_string_equal(seen(w->b, "out", NULL, NULL), ""); // stable end: before the open transaction
    assert_int_equal(commit(w->a, old), 0);
    assert_string_equal(seen(w->b, "out", NULL, NULL), "xy");
    w->a->ops->producer_close(old);
    w->b->ops->producer_close(new);
}

static void test_transaction_timeout_fences(void **state)
{
    struct world *w = *state;
    struct k_error err;
    struct k_producer *p = producer(w->a, "t");
    assert_int_equal(w->a->ops->begin(p, &err), 0);
    assert_int_equal(put(w->a, p, "out", "x"), 0);
    k_cloud_advance(w->cloud, 10000001);
    assert_int_equal(commit(w->a, p), K_E_FENCED);
    int64_t position;
    assert_string_equal(seen(w->b, "out", &position, NULL), "");
    assert_int_equal(position, 2);
    w->a->ops->producer_close(p);
}

static void test_late_end_ends_the_next_transaction(void **state)
{
    struct world *w = *state;
    struct k_error err;
    bool tainted;
    struct k_producer *p = producer(w->a, "t");
    assert_int_equal(w->a->ops->begin(p, &err), 0);
    assert_int_equal(put(w->a, p, "out", "1"), 0);
    k_cloud_set_rates(w->cloud, &(struct k_fault_rates){.commit_doubled = 1});
    assert_int_equal(w->a->ops->commit(p, &tainted, &err), 0);
    assert_true(tainted);
    k_cloud_set_rates(w->cloud, &(struct k_fault_rates){0});
    // Whoever goes on all the same sees half of the next transaction committed by the copy, the rest by itself.
    assert_int_equal(w->a->ops->begin(p, &err), 0);
    assert_int_equal(put(w->a, p, "out", "2"), 0);
    k_cloud_advance(w->cloud, 5000000);
    assert_string_equal(seen(w->b, "out", NULL, NULL), "12");
    assert_int_equal(put(w->a, p, "out", "3"), 0);
    assert_int_equal(w->a->ops->abort(p, &err), 0);
    assert_string_equal(seen(w->b, "out", NULL, NULL), "12");
    assert_int_equal(k_cloud_fault_counts(w->cloud)->commit_doubled, 1);
    w->a->ops->producer_close(p);
}

static void test_late_end_does_nothing_after_a_new_epoch(void **state)
{
    struct world *w = *state;
    struct k_error err;
    bool tainted;
    struct k_producer *p = producer(w->a, "t");
    assert_int_equal(w->a->ops->begin(p, &err), 0);
    assert_int_equal(put(w->a, p, "out", "1"), 0);
    k_cloud_set_rates(w->cloud, &(struct k_fault_rates){.commit_late = 1});
    assert_int_equal(w->a->ops->commit(p, &tainted, &err), K_E_DOUBTFUL);
    k_cloud_set_rates(w->cloud, &(struct k_fault_rates){0});
    w->a->ops->producer_close(p);
    p = producer(w->a, "t");
    k_cloud_advance(w->cloud, 5000000);
    assert_string_equal(seen(w->b, "out", NULL, NULL), "");
    w->a->ops->producer_close(p);
}

static void test_markers_come_late_and_init_waits_for_them(void **state)
{
    struct world *w = *state;
    struct k_error err;
    struct k_producer *p = producer(w->a, "t");
    k_cloud_set_rates(w->cloud, &(struct k_fault_rates){.marker_late = 1});
    assert_int_equal(w->a->ops->begin(p, &err), 0);
    assert_int_equal(put(w->a, p, "out", "1"), 0);
    assert_int_equal(put(w->a, p, "in", "1"), 0);
    assert_int_equal(commit(w->a, p), 0);
    assert_string_equal(seen(w->b, "out", NULL, NULL), "");
    w->a->ops->producer_close(p);
    p = producer(w->b, "t");
    assert_string_equal(seen(w->b, "out", NULL, NULL), "1");
    assert_string_equal(seen(w->b, "in", NULL, NULL), "1");
    w->b->ops->producer_close(p);
}

static enum k_membership poll(struct k_log *log, struct k_member *m)
{
    enum k_membership is;
    struct k_error err;
    assert_int_equal(log->ops->member_poll(m, &is, &err), 0);
    return is;
}

static void test_lowest_rank_leads_and_zombies_are_refused(void **state)
{
    struct world *w = *state;
    struct k_error err;
    struct k_member *one, *two;
    assert_int_equal(w->a->ops->member_join(w->a, "g", "in", "5", &one, &err), 0);
    assert_int_equal(poll(w->a, one), K_MEMBER_ASSIGNED);
    assert_int_equal(w->b->ops->member_join(w->b, "g", "in", "3", &two, &err), 0);
    assert_int_equal(poll(w->b, two), K_MEMBER_WAITING); // the other has not given up yet
    assert_int_equal(poll(w->a, one), K_MEMBER_LOST);
    assert_int_equal(poll(w->a, one), K_MEMBER_WAITING);
    assert_int_equal(poll(w->b, two), K_MEMBER_ASSIGNED);

    // Two falls silent: one gets the partition, and two's offsets are refused, though it does not know yet.
    struct k_producer *p = producer(w->b, "t");
    struct k_topic_offset offset = {"in", 1, 5};
    for (int i = 0; i < 14; i++) {
        k_cloud_advance(w->cloud, 500000);
        poll(w->a, one);
    }
    assert_int_equal(poll(w->a, one), K_MEMBER_ASSIGNED);
    assert_int_equal(w->b->ops->begin(p, &err), 0);
    assert_int_equal(w->b->ops->send_offsets(p, two, &offset, 1, &err), K_E_ABORTED);
    assert_int_equal(w->b->ops->abort(p, &err), 0);
    assert_int_equal(poll(w->b, two), K_MEMBER_LOST);
    w->b->ops->producer_close(p);
    w->a->ops->member_leave(one);
    w->b->ops->member_leave(two);
}

static void test_offsets_follow_the_transaction(void **state)
{
    struct world *w = *state;
    struct k_error err;
    struct k_member *m;
    assert_int_equal(w->a->ops->member_join(w->a, "g", "in", "0", &m, &err), 0);
    assert_int_equal(poll(w->a, m), K_MEMBER_ASSIGNED);
    struct k_producer *p = producer(w->a, "t");
    struct k_topic_offset offset = {"in", 1, 5};
    assert_int_equal(w->a->ops->begin(p, &err), 0);
    assert_int_equal(w->a->ops->send_offsets(p, m, &offset, 1, &err), 0);
    assert_int_equal(k_cloud_group_offset(w->cloud, "g", "in", 1), -1);
    assert_int_equal(commit(w->a, p), 0);
    assert_int_equal(k_cloud_group_offset(w->cloud, "g", "in", 1), 5);
    k_cloud_set_rates(w->cloud, &(struct k_fault_rates){.offsets_expired = 1});
    k_cloud_advance(w->cloud, 1);
    assert_int_equal(k_cloud_group_offset(w->cloud, "g", "in", 1), -1);
    w->a->ops->producer_close(p);
    w->a->ops->member_leave(m);
}

static void test_crash_is_for_ever_and_leaves_the_transaction_open(void **state)
{
    struct world *w = *state;
    struct k_error err;
    struct k_producer *p = producer(w->a, "t");
    assert_int_equal(w->a->ops->begin(p, &err), 0);
    k_cloud_set_rates(w->cloud, &(struct k_fault_rates){.crash_after_call = 1});
    assert_int_equal(put(w->a, p, "out", "x"), K_E_CRASHED);
    k_cloud_set_rates(w->cloud, &(struct k_fault_rates){0});
    assert_true(k_log_memory_crashed(w->a));
    assert_int_equal(put(w->a, p, "out", "y"), K_E_CRASHED);
    assert_int_equal(commit(w->a, p), K_E_CRASHED);
    int64_t end;
    assert_int_equal(w->b->ops->offsets(w->b, "out", 0, false, NULL, &end, &err), 0);
    assert_int_equal(end, 1); // the first had its effect, the second not
    assert_int_equal(w->b->ops->offsets(w->b, "out", 0, true, NULL, &end, &err), 0);
    assert_int_equal(end, 0);
    w->a->ops->producer_close(p);
}

static void test_retention_and_lost_ranges(void **state)
{
    struct world *w = *state;
    struct k_error err;
    struct k_reader *r;
    const struct k_message *const *messages;
    uint32_t count;
    struct k_out_message m = {.topic = "out", .value = K_STR("v"), .has_value = true, .timestamp_us = 1234567};
    for (int i = 0; i < 10; i++) assert_int_equal(k_cloud_produce(w->cloud, &m), i);
    assert_int_equal(w->a->ops->reader_open(w->a, "out", 0, 0, &r, &err), 0);
    assert_int_equal(w->a->ops->fetch(r, 4, 1 << 20, 0, &messages, &count, &err), 0);
    assert_int_equal(count, 4);
    assert_int_equal(w->a->ops->position(r), 4);
    assert_false(w->a->ops->at_end(r));
    assert_int_equal(messages[3]->offset, 3);
    assert_int_equal(messages[3]->timestamp_us, 1234000); // Kafka keeps milliseconds
    assert_int_equal(w->a->ops->delete_records(w->a, "out", 0, 6, &err), 0);
    assert_int_equal(w->a->ops->fetch(r, 4, 1 << 20, 0, &messages, &count, &err), K_E_LOST_RANGE);
    assert_int_equal(w->a->ops->seek(r, 6, &err), 0);
    assert_int_equal(w->a->ops->fetch(r, 9, 2, 0, &messages, &count, &err), 0);
    assert_int_equal(count, 2); // bytes
    assert_int_equal(w->a->ops->seek(r, 11, &err), 0);
    assert_int_equal(w->a->ops->fetch(r, 4, 1 << 20, 0, &messages, &count, &err), K_E_LOST_RANGE);
    w->a->ops->reader_close(r);
    int64_t start;
    k_cloud_set_rates(w->cloud, &(struct k_fault_rates){.retention = 1});
    k_cloud_allow_retention(w->cloud, "out", 0, 8);
    for (int i = 0; i < 50; i++) k_cloud_advance(w->cloud, MINUTE_US);
    assert_int_equal(w->a->ops->offsets(w->a, "out", 0, true, &start, NULL, &err), 0);
    assert_int_equal(start, 8);
}

static void test_compaction_keeps_the_last_of_each_key(void **state)
{
    struct world *w = *state;
    struct k_error err;
    struct k_topic_spec spec = {.partitions = 1, .compacted = true};
    assert_int_equal(k_cloud_create_topic(w->cloud, "c", &spec, &err), 0);
    const char *keys[] = {"a", "b", "a", "c", "b", "a"};
    for (int i = 0; i < 6; i++) {
        char digit[2] = {(char)('0' + i), 0};
        k_cloud_produce(w->cloud, &(struct k_out_message){.topic = "c", .partition = -1, .key = k_str_of(keys[i]),
            .has_key = true, .value = k_str_of(digit), .has_value = true, .timestamp_us = -1});
    }
    k_cloud_allow_retention(w->cloud, "c", 0, 5);
    k_cloud_set_rates(w->cloud, &(struct k_fault_rates){.retention = 1});
    for (int i = 0; i < 50; i++) k_cloud_advance(w->cloud, MINUTE_US);
    assert_string_equal(seen(w->a, "c", NULL, NULL), "2345");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(test_commit_shows_and_abort_hides),
        T(test_init_fences),
        T(test_another_id_is_not_fenced_but_blocks_readers),
        T(test_transaction_timeout_fences),
        T(test_late_end_ends_the_next_transaction),
        T(test_late_end_does_nothing_after_a_new_epoch),
        T(test_markers_come_late_and_init_waits_for_them),
        T(test_lowest_rank_leads_and_zombies_are_refused),
        T(test_offsets_follow_the_transaction),
        T(test_crash_is_for_ever_and_leaves_the_transaction_open),
        T(test_retention_and_lost_ranges),
        T(test_compaction_keeps_the_last_of_each_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
