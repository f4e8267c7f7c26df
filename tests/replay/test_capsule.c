// The parts of a capsule: records in files, and the note.
#include "tests/base/test.h"

#include <stdlib.h>
#include <unistd.h>

#include "engine/log_memory.h"
#include "replay/capsule.h"
#include "replay/capsule_spool.h"

static void test_a_record(void **state)
{
    (void)state;
    const struct k_header headers[] = {{K_STR("h"), K_STR("x\0y"), false}, {K_STR("none"), {0}, true}};
    const struct k_message messages[] = {
        {.key = K_STR("k"),
         .has_key = true,
         .value = K_STR("v\0\xff"),
         .has_value = true,
         .offset = 5,
         .timestamp_us = -1,
         .headers = headers,
         .header_count = 2},
        {.offset = 6, .timestamp_us = 1767225600000000},
        {.has_key = true, .has_value = true, .offset = INT64_MAX, .timestamp_us = INT64_MIN}};
    for (int i = 0; i < 3; i++) {
        struct k_buf bytes = {0};
        struct k_arena arena;
        struct k_message *got = NULL;
        struct k_error err = {0};
        size_t used;
        k_arena_init(&arena);
        k_shelf_add(&bytes, &messages[i]);
        for (size_t cut = 0; cut < bytes.length; cut++) {
            assert_int_equal(k_shelf_get((struct k_str){bytes.data, (uint32_t)cut}, &arena, &got, &used, &err), 0);
            assert_int_equal(used, 0);
        }
        assert_int_equal(k_shelf_get(k_buf_str(&bytes), &arena, &got, &used, &err), 0);
        assert_int_equal(used, bytes.length);
        assert_true(got->has_key == messages[i].has_key && got->has_value == messages[i].has_value);
        assert_true(k_str_equal(got->key, messages[i].key) && k_str_equal(got->value, messages[i].value));
        assert_true(got->offset == messages[i].offset && got->timestamp_us == messages[i].timestamp_us);
        assert_int_equal(got->header_count, messages[i].header_count);
        for (uint32_t h = 0; h < got->header_count; h++) {
            assert_true(k_str_equal(got->headers[h].name, headers[h].name));
            assert_true(k_str_equal(got->headers[h].value, headers[h].value));
            assert_int_equal(got->headers[h].null, headers[h].null);
        }
        k_arena_fini(&arena);
        k_buf_fini(&bytes);
    }
}

#define NOTE                                                                                  \
    "kappa capsule 1\nsemantics 2\nfingerprint abc\nshards 2\ngraph my graph\ntopic 3 1 in\n" \
    "state 1\npartition 0 2 5 9 4 in\npartition 1 0 0 7 7 g.journal.1\n"                      \
    "digest 12 00000000000000000000000000000000000000000000000000000000000000ff my table\n"

static void test_a_note(void **state)
{
    (void)state;
    struct k_capsule c;
    struct k_error err = {0};
    struct k_buf out = {0};
    assert_int_equal(k_capsule_read_note(K_STR(NOTE), &c, &err), 0);
    assert_string_equal(c.graph, "my graph");
    assert_false(c.has_state[0]);
    assert_true(c.has_state[1]);
    assert_int_equal(c.partitions[0].at.start, 5);
    assert_int_equal(c.digests[0].digest.sum[31], 0xff);
    assert_string_equal(c.digests[0].table, "my table");
    k_capsule_note(&c, &out);
    assert_string_equal(out.data, NOTE);
    k_buf_fini(&out);
    k_capsule_fini(&c);
}

static void test_damaged_notes(void **state)
{
    (void)state;
    static const char *const notes[] = {"",
                                        "kappa capsule 2\n",
                                        "kappa capsule 1\n",
                                        "kappa capsule 1\nshards 0\n",
                                        "kappa capsule 1\nshards 5000\n",
                                        "kappa capsule 1\nshards 1\nshards 2\n",
                                        "kappa capsule 1\nstate 0\n",
                                        "kappa capsule 1\nshards 1\nstate 1\n",
                                        "kappa capsule 1\nshards 1\npartition 1 0 0 0 0 t\n",
                                        "kappa capsule 1\nshards 1\npartition 0 0 0 0 t\n",
                                        "kappa capsule 1\ndigest 1 abc t\n",
                                        "kappa capsule 1\ntopic 1\n",
                                        "kappa capsule 1\nword\n"};
    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++) {
        struct k_capsule c;
        struct k_error err = {0};
        assert_int_equal(k_capsule_read_note(k_str_of(notes[i]), &c, &err), K_E_CORRUPT);
        assert_true(err.text[0]);
    }
}

// --- the records that the journal names

struct spooling {
    struct k_cloud *cloud;
    struct k_log *log;
    char folder[32];
    struct k_spool spool;
};

static void open_spool(struct spooling *s, const struct k_spool_window *windows, uint32_t count)
{
    const struct k_fault_rates rates = {0};
    const struct k_topic_spec spec = {.partitions = 1, .replication = -1, .retention_ms = -1};
    struct k_error err = {0};
    *s =
        (struct spooling){.cloud = k_cloud_create(1, &rates, 1000), .folder = "spoolXXXXXX", .spool = {.topic = "t"}};
    assert_non_null(mkdtemp(s->folder));
    assert_int_equal(k_cloud_create_topic(s->cloud, "t", &spec, &err), 0);
    for (int i = 0; i < 10; i++) {
        const struct k_out_message message = {
            .topic = "t", .value = K_STR("v"), .has_value = true, .timestamp_us = i};
        k_cloud_produce(s->cloud, &message);
    }
    s->log = k_cloud_connect(s->cloud, "w");
    for (uint32_t i = 0; i < count; i++) k_spool_add_window(&s->spool, windows[i]);
}

static int copy(struct spooling *s, int64_t first, int64_t next, uint32_t count)
{
    struct k_error err = {0};
    return k_spool_copy(&s->spool, s->log, s->folder, (struct k_spool_range){first, next, count}, &err);
}

// What is in the file then, as digits; it is removed.
static void end_spool(struct spooling *s, const char *want)
{
    struct k_error err = {0};
    char path[64], got[32] = "";
    assert_int_equal(k_spool_end(&s->spool, s->log, s->folder, &err), 0);
    snprintf(path, sizeof path, "%s/t.0", s->folder);
    const struct k_shelf_topic topic = {"t", 1, false};
    const struct k_shelf_partition partition = {"t", 0, path, s->spool.start, 10};
    struct k_log *shelf = k_shelf_open(&topic, 1, &partition, 1);
    struct k_reader *reader;
    assert_int_equal(shelf->ops->reader_open(shelf, "t", 0, 0, &reader, &err), 0);
    while (!k_shelf_drained(shelf, "t", 0)) {
        const struct k_message *const *messages;
        uint32_t count;
        assert_int_equal(shelf->ops->fetch(reader, 3, 1000, 0, &messages, &count, &err), 0);
        for (uint32_t i = 0; i < count; i++)
            snprintf(got + strlen(got), sizeof got - strlen(got), "%d", (int)messages[i]->offset);
    }
    assert_string_equal(got, want);
    assert_int_equal(s->spool.records, strlen(want));
    shelf->ops->reader_close(reader);
    shelf->ops->close(shelf);
    s->log->ops->close(s->log);
    k_cloud_destroy(s->cloud);
    unlink(path);
    rmdir(s->folder);
}

static void test_one_source(void **state)
{
    (void)state;
    struct spooling s;
    open_spool(&s, &(struct k_spool_window){2, 7}, 1);
    assert_int_equal(s.spool.start, 2);
    assert_int_equal(copy(&s, 2, 4, 2), 0);
    assert_int_equal(copy(&s, 4, 7, 3), 0);
    end_spool(&s, "23456");
    open_spool(&s, &(struct k_spool_window){0, 10}, 1);
    assert_int_equal(copy(&s, 0, 3, 4), K_E_LOST_RANGE);
    end_spool(&s, "012");
}

// Two sources, each at its own pace: what either names is there once, in order.
static void test_shared_topic(void **state)
{
    (void)state;
    struct spooling s;
    open_spool(&s, (struct k_spool_window[]){{5, 8}, {1, 4}}, 2);
    assert_int_equal(s.spool.start, 1);
    assert_int_equal(copy(&s, 5, 7, 2), 0); // the other one will come to 1 to 3
    assert_int_equal(copy(&s, 1, 3, 2), 0);
    assert_int_equal(copy(&s, 7, 8, 1), 0);
    assert_int_equal(copy(&s, 3, 4, 1), 0);
    end_spool(&s, "123567");
    open_spool(&s, (struct k_spool_window[]){{0, 6}, {0, 6}}, 2);
    assert_int_equal(copy(&s, 0, 2, 2), 0);
    assert_int_equal(copy(&s, 0, 5, 5), 0);
    assert_int_equal(copy(&s, 2, 6, 4), 0);
    assert_int_equal(copy(&s, 6, 8, 3), K_E_LOST_RANGE);
    end_spool(&s, "012345");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_record),   cmocka_unit_test(test_a_note),       cmocka_unit_test(test_damaged_notes),
        cmocka_unit_test(test_one_source), cmocka_unit_test(test_shared_topic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
