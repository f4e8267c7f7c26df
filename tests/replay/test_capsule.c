// The parts of a capsule: records in files, and the note.
#include "tests/base/test.h"

#include "replay/capsule.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_record),
        cmocka_unit_test(test_a_note),
        cmocka_unit_test(test_damaged_notes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
