// The log on the side over the in-memory log: windows, the private journal, what is handed out and what is dropped.
#include "tests/base/test.h"

#include <stdio.h>

#include "engine/log_memory.h"
#include "replay/aside.h"

struct fixture {
    struct k_cloud *cloud;
    struct k_log *inner, *log;
    uint32_t handed;
};

static void on_handed(void *context, const struct k_aside_window *window, const struct k_message *message)
{
    (void)window, (void)message;
    ((struct fixture *)context)->handed++;
}

static void open(struct fixture *f, int64_t from, int64_t until, uint32_t portion)
{
    const struct k_fault_rates rates = {0};
    const struct k_topic_spec spec = {.partitions = 2, .replication = -1, .retention_ms = -1};
    struct k_error err = {0};
    *f = (struct fixture){.cloud = k_cloud_create(1, &rates, 1000)};
    assert_int_equal(k_cloud_create_topic(f->cloud, "t", &spec, &err), 0);
    for (int i = 0; i < 10; i++) {
        char value[8];
        snprintf(value, sizeof value, "%d", i);
        const struct k_out_message message = {
            .topic = "t", .partition = 0, .value = k_str_of(value), .has_value = true, .timestamp_us = i};
        k_cloud_produce(f->cloud, &message);
    }
    f->inner = k_cloud_connect(f->cloud, "w");
    const struct k_aside_window windows[] = {{"t", 0, from, until}, {"t", 1, 0, 0}};
    const struct k_aside_options options = {.log = f->inner,
                                            .windows = windows,
                                            .window_count = 2,
                                            .portion = portion,
                                            .handed = on_handed,
                                            .context = f};
    f->log = k_aside_open(&options);
}

static void fini(struct fixture *f)
{
    f->log->ops->close(f->log);
    f->inner->ops->close(f->inner);
    k_cloud_destroy(f->cloud);
}

static void test_a_window(void **state)
{
    (void)state;
    for (uint32_t portion = 0; portion < 4; portion += 3) {
        struct fixture f;
        struct k_error err = {0};
        struct k_reader *reader;
        int64_t start, end;
        open(&f, 3, 7, portion);
        const struct k_log_ops *ops = f.log->ops;
        assert_int_equal(ops->offsets(f.log, "t", 0, true, &start, &end, &err), 0);
        assert_int_equal(start, 3);
        assert_int_equal(end, 7);
        assert_int_equal(ops->reader_open(f.log, "t", 0, 3, &reader, &err), 0);
        char got[16] = "";
        while (!k_aside_drained(f.log, "t", 0)) {
            const struct k_message *const *messages;
            uint32_t count;
            assert_int_equal(ops->fetch(reader, 100, 1 << 20, 0, &messages, &count, &err), 0);
            assert_true(!portion || count <= portion);
            for (uint32_t i = 0; i < count; i++) strncat(got, messages[i]->value.data, messages[i]->value.length);
        }
        assert_string_equal(got, "3456");
        assert_int_equal(f.handed, 4);
        assert_int_equal(ops->position(reader), 7);
        assert_true(ops->at_end(reader));
        assert_int_equal(ops->seek(reader, 5, &err), 0);
        assert_int_equal(ops->position(reader), 5);
        assert_false(ops->at_end(reader));
        ops->reader_close(reader);
        fini(&f);
    }
}

static void send(struct fixture *f, struct k_producer *producer, const char *topic, const char *value, bool tracked)
{
    struct k_error err = {0};
    const struct k_out_message message = {
        .topic = topic, .partition = 0, .value = k_str_of(value), .has_value = true, .tracked = tracked};
    assert_int_equal(f->log->ops->produce(producer, &message, &err), 0);
}

static void test_a_private_journal(void **state)
{
    (void)state;
    struct fixture f;
    struct k_error err = {0};
    struct k_producer *producer;
    struct k_reader *reader;
    struct k_member *member;
    enum k_membership membership;
    bool tainted;
    open(&f, 0, 10, 0);
    const struct k_log_ops *ops = f.log->ops;
    assert_int_equal(ops->member_join(f.log, "g", "j", "0", &member, &err), 0);
    assert_int_equal(ops->member_poll(member, &membership, &err), 0);
    assert_int_equal(membership, K_MEMBER_ASSIGNED);
    assert_int_equal(ops->producer_open(f.log, "id", 1000, &producer, &err), 0);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(ops->begin(producer, &err), 0);
        send(&f, producer, "out", "x", false);
        send(&f, producer, "j", i == 2 ? "aborted" : "kept", true);
        if (i == 2) {
            assert_int_equal(ops->abort(producer, &err), 0);
            continue;
        }
        assert_int_equal(ops->commit(producer, &tainted, &err), 0);
        assert_false(tainted);
        assert_int_equal(ops->tracked_offset(producer), i < 2 ? i : i - 1);
    }
    assert_int_equal(k_aside_dropped(f.log), 5);
    k_aside_forget(f.log, 3);
    int64_t start, end;
    assert_int_equal(ops->offsets(f.log, "j", 0, true, &start, &end, &err), 0);
    assert_int_equal(start, 3);
    assert_int_equal(end, 4);
    assert_int_equal(ops->reader_open(f.log, "j", 0, 3, &reader, &err), 0);
    const struct k_message *const *messages;
    uint32_t count;
    assert_int_equal(ops->fetch(reader, 100, 1 << 20, 0, &messages, &count, &err), 0);
    assert_int_equal(count, 1);
    assert_int_equal(messages[0]->offset, 3);
    assert_true(k_str_equal(messages[0]->value, K_STR("kept")));
    // Nothing of all this is in the real log.
    struct k_topic_info info;
    assert_int_equal(f.inner->ops->topic_info(f.inner, "j", &info, &err), K_E_NOT_FOUND);
    assert_int_equal(f.inner->ops->topic_info(f.inner, "out", &info, &err), K_E_NOT_FOUND);
    ops->reader_close(reader);
    ops->producer_close(producer);
    ops->member_leave(member);
    fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_window),
        cmocka_unit_test(test_a_private_journal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
