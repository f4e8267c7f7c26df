// What the random test of the cache does not reach: meta entries, failing reads, retention, many segments, memory.
#include <stdio.h>
#include <stdlib.h>

#include "state/state.h"
#include "state/table.h"
#include "tests/state/support.h"

// A store that passes everything on, and fails the n-th read.
struct failing_store {
    struct k_store base;
    struct k_store *inner;
    int fail_in;       // reads until one fails; 0: none will
    uint32_t keys_read; // by get
};
static struct failing_store *failing; // the one under test

static int failing_get(struct k_store *base, uint32_t n, const struct k_str *keys, struct k_arena *arena,
                       struct k_str *ret_values, struct k_error *err)
{
    (void)base;
    if (failing->fail_in > 0 && --failing->fail_in == 0) return k_fail(err, K_E_IO, "the disk cannot be read");
    failing->keys_read += n;
    return failing->inner->ops->get(failing->inner, n, keys, arena, ret_values, err);
}
static int failing_apply(struct k_store *base, const struct k_write *writes, size_t n, struct k_error *err)
{
    (void)base;
    return failing->inner->ops->apply(failing->inner, writes, n, err);
}
static int failing_iterate(struct k_store *base, struct k_str from, struct k_str to, struct k_store_iterator **ret,
                           struct k_error *err)
{
    (void)base;
    if (failing->fail_in > 0 && --failing->fail_in == 0) return k_fail(err, K_E_IO, "the disk cannot be read");
    return failing->inner->ops->iterate(failing->inner, from, to, ret, err);
}
static bool failing_next(struct k_store_iterator *iterator, struct k_str *ret_key, struct k_str *ret_value,
                         struct k_error *err)
{
    if (failing->fail_in > 0 && --failing->fail_in == 0) {
        k_fail(err, K_E_IO, "the disk cannot be read");
        return false;
    }
    return failing->inner->ops->next(iterator, ret_key, ret_value, err);
}
static void failing_seek(struct k_store_iterator *iterator, struct k_str key)
{
    failing->inner->ops->seek(iterator, key);
}
static void failing_iterate_end(struct k_store_iterator *iterator) { failing->inner->ops->iterate_end(iterator); }
static uint64_t failing_bytes(struct k_store *base)
{
    (void)base;
    return failing->inner->ops->disk_used(failing->inner);
}
static void failing_pressure(struct k_store *base, uint32_t *ret_level0_files, uint64_t *ret_debt_bytes)
{
    (void)base;
    failing->inner->ops->pressure(failing->inner, ret_level0_files, ret_debt_bytes);
}
static void failing_close(struct k_store *base)
{
    (void)base;
    failing->inner->ops->close(failing->inner);
}
static const struct k_store_ops failing_ops = {
    .get = failing_get, .apply = failing_apply, .iterate = failing_iterate, .next = failing_next,
    .seek = failing_seek, .iterate_end = failing_iterate_end, .memory_used = failing_bytes,
    .disk_used = failing_bytes, .pressure = failing_pressure, .close = failing_close};

struct fixture {
    struct k_memory_disk *disk;
    struct failing_store store;
    struct k_state *state;
    struct k_family *things, *plains;
};

static void open_fixture(struct fixture *fixture, uint64_t cache_bytes)
{
    struct k_error err = {0};
    if (!fixture->disk) fixture->disk = k_memory_disk_create();
    fixture->store = (struct failing_store){.base = {&failing_ops}};
    failing = &fixture->store;
    check_ok(k_store_memory_open(fixture->disk, NULL, NULL, &fixture->store.inner, &err), &err);
    struct k_state_options options = {.cache_bytes = cache_bytes};
    check_ok(k_state_open(&fixture->store.base, &options, &fixture->state, &err), &err);
    check_ok(k_state_family(fixture->state, "things", &thing_type, NULL, &fixture->things, &err), &err);
    check_ok(k_state_family(fixture->state, "plains", &plain_type, NULL, &fixture->plains, &err), &err);
}

static void reopen(struct fixture *fixture, uint64_t cache_bytes)
{
    k_state_destroy(fixture->state);
    open_fixture(fixture, cache_bytes);
}

static void close_fixture(struct fixture *fixture)
{
    k_state_destroy(fixture->state);
    k_memory_disk_destroy(fixture->disk);
}

static void checkpoint(struct fixture *fixture)
{
    struct k_error err = {0};
    check_ok(k_state_checkpoint(fixture->state, K_STR("here"), &err), &err);
}

static struct k_str number_key(uint64_t number, char bytes[10])
{
    // As the key of an int64 column, and one byte more.
    bytes[0] = 0x12;
    uint64_t big = __builtin_bswap64(number ^ UINT64_C(1) << 63);
    memcpy(bytes + 1, &big, 8);
    bytes[9] = 1;
    return (struct k_str){bytes, 10};
}

static void *find(struct k_family *family, enum k_find how, int64_t segment, uint64_t number)
{
    char bytes[10];
    struct k_str key = number_key(number, bytes);
    struct k_error err = {0};
    void *value;
    check_ok(k_family_find(family, how, 1, &segment, &key, &value, NULL, &err), &err);
    return value;
}

static void put_plains(struct fixture *fixture, int64_t segment, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++) {
        struct plain *plain = find(fixture->plains, K_FIND_OR_CREATE, segment, i);
        plain->a = (int64_t)i;
        k_family_dirty(fixture->plains, plain);
    }
}

static int visit_nothing(void *context, struct k_str key, void *value, struct k_error *err)
{
    (void)context, (void)key, (void)value, (void)err;
    return 0;
}

static uint32_t take(struct fixture *fixture, int64_t segment, uint32_t max)
{
    struct k_error err = {0};
    uint32_t taken;
    check_ok(k_family_take(fixture->plains, segment, max, visit_nothing, NULL, &taken, &err), &err);
    return taken;
}

static struct k_state_figures figures_of(struct fixture *fixture)
{
    struct k_state_figures figures;
    k_state_figures(fixture->state, &figures);
    return figures;
}

static void test_meta(void **unused)
{
    (void)unused;
    struct fixture fixture = {0};
    open_fixture(&fixture, 1 << 20);
    struct k_arena arena;
    k_arena_init(&arena);
    struct k_error err = {0};
    struct k_str value;
    assert_int_equal(k_state_position(fixture.state).length, 0);
    check_ok(k_state_get_meta(fixture.state, "identity", &arena, &value, &err), &err);
    assert_null(value.data);
    k_state_put_meta(fixture.state, "identity", K_STR("me"));
    k_state_put_meta(fixture.state, "identity", K_STR("myself"));
    check_ok(k_state_get_meta(fixture.state, "identity", &arena, &value, &err), &err);
    assert_true(k_str_equal(value, K_STR("myself")));
    // Before a checkpoint it is nowhere but here.
    reopen(&fixture, 1 << 20);
    check_ok(k_state_get_meta(fixture.state, "identity", &arena, &value, &err), &err);
    assert_null(value.data);
    k_state_put_meta(fixture.state, "identity", K_STR("I"));
    checkpoint(&fixture);
    reopen(&fixture, 1 << 20);
    check_ok(k_state_get_meta(fixture.state, "identity", &arena, &value, &err), &err);
    assert_true(k_str_equal(value, K_STR("I")));
    assert_true(k_str_equal(k_state_position(fixture.state), K_STR("here")));
    // What k_state_position gave out may be handed in again.
    check_ok(k_state_checkpoint(fixture.state, k_state_position(fixture.state), &err), &err);
    assert_true(k_str_equal(k_state_position(fixture.state), K_STR("here")));
    k_arena_fini(&arena);
    close_fixture(&fixture);
}

// Families keep their numbers, whatever the order in which they are declared.
static void test_families_by_name(void **unused)
{
    (void)unused;
    struct fixture fixture = {0};
    open_fixture(&fixture, 1 << 20);
    put_plains(&fixture, 0, 0, 3);
    checkpoint(&fixture);
    k_state_destroy(fixture.state);
    struct k_error err = {0};
    struct k_family *others;
    check_ok(k_store_memory_open(fixture.disk, NULL, NULL, &fixture.store.inner, &err), &err);
    struct k_state_options options = {.cache_bytes = 1 << 20};
    check_ok(k_state_open(&fixture.store.base, &options, &fixture.state, &err), &err);
    check_ok(k_state_family(fixture.state, "others", &plain_type, NULL, &others, &err), &err);
    check_ok(k_state_family(fixture.state, "plains", &plain_type, NULL, &fixture.plains, &err), &err);
    assert_null(find(others, K_FIND, 0, 1));
    struct plain *plain = find(fixture.plains, K_FIND, 0, 1);
    assert_int_equal(plain->a, 1);
    close_fixture(&fixture);
}

// A new state asks the store for nothing; a reopened one only where it holds something.
static void test_store_reads(void **unused)
{
    (void)unused;
    struct fixture fixture = {0};
    open_fixture(&fixture, 1 << 20);
    uint32_t before = fixture.store.keys_read;
    put_plains(&fixture, 5, 0, 100);
    checkpoint(&fixture);
    for (uint64_t i = 50; i < 150; i++) find(fixture.plains, K_FIND, 5, i);
    assert_int_equal(fixture.store.keys_read, before);
    reopen(&fixture, 1 << 20);
    before = fixture.store.keys_read;
    put_plains(&fixture, 6, 0, 100); // a segment that the store does not have
    assert_int_equal(fixture.store.keys_read, before);
    for (uint64_t i = 0; i < 100; i++) find(fixture.plains, K_FIND_BLIND, 5, i); // overwritten without a look
    assert_int_equal(fixture.store.keys_read, before);
    reopen(&fixture, 1 << 20);
    before = fixture.store.keys_read;
    put_plains(&fixture, 5, 0, 100);
    assert_int_equal(fixture.store.keys_read, before + 100);
    close_fixture(&fixture);
}

static int visit_in_order(void *context, struct k_str key, void *value, struct k_error *err)
{
    (void)value, (void)err;
    struct k_buf *last = context;
    assert_true(k_str_compare(k_buf_str(last), key) < 0);
    k_buf_clear(last);
    k_buf_add(last, key.data, key.length);
    return 0;
}

// Keys that differ only behind what the sort looks at first.
static void test_long_keys_in_order(void **unused)
{
    (void)unused;
    enum { KEYS = 900 };
    struct fixture fixture = {0};
    open_fixture(&fixture, 1 << 20);
    uint64_t random = test_seed("long keys");
    struct k_error err = {0};
    for (uint32_t i = 0; i < KEYS; i++) {
        char bytes[64];
        int length = snprintf(bytes, sizeof bytes, "%s%llu", i % 2 ? "one long beginning " : "another long beginning ",
                              (unsigned long long)(k_random_below(&random, 100) * KEYS + i));
        struct k_str key = {bytes, (uint32_t)length};
        void *value;
        check_ok(k_family_find(fixture.plains, K_FIND_OR_CREATE, 1, NULL, &key, &value, NULL, &err), &err);
    }
    struct k_buf last = {0};
    uint32_t taken;
    check_ok(k_family_take(fixture.plains, 0, KEYS + 1, visit_in_order, &last, &taken, &err), &err);
    assert_int_equal(taken, KEYS);
    k_buf_fini(&last);
    close_fixture(&fixture);
}

// Every read of every operation fails once; nothing must have changed, and the operation then succeeds.
static void test_failing_reads(void **unused)
{
    (void)unused;
    struct fixture fixture = {0};
    open_fixture(&fixture, 1 << 20);
    put_plains(&fixture, 1, 0, 10);
    put_plains(&fixture, 2, 0, 10);
    checkpoint(&fixture);
    for (int n = 1; n < 40; n++) {
        reopen(&fixture, 1 << 20);
        struct k_error err = {0};
        char bytes[3][10];
        struct k_str keys[] = {number_key(3, bytes[0]), number_key(77, bytes[1]), number_key(5, bytes[2])};
        int64_t segments[] = {1, 1, 1}, first;
        void *values[3];
        bool found;
        uint32_t taken;
        // 5 is a tombstone, 3 is stored, 77 is nowhere.
        check_ok(k_family_remove(fixture.plains, 1, keys[2], &err), &err);
        struct k_state_figures before = figures_of(&fixture);
        fixture.store.fail_in = n;
        int rc = k_family_find(fixture.plains, K_FIND_OR_CREATE, 3, segments, keys, values, NULL, &err);
        if (rc) {
            assert_int_equal(rc, K_E_IO);
            struct k_state_figures after = figures_of(&fixture);
            assert_int_equal(before.entries, after.entries);
            assert_int_equal(before.dirty_entries, after.dirty_entries);
            assert_int_equal(before.dirty_bytes, after.dirty_bytes);
            fixture.store.fail_in = 0;
            assert_null(find(fixture.plains, K_FIND, 1, 77));
            assert_null(find(fixture.plains, K_FIND, 1, 5));
            continue;
        }
        assert_int_equal(((struct plain *)values[0])->a, 3);
        assert_int_equal(((struct plain *)values[1])->a, 0);
        assert_int_equal(((struct plain *)values[2])->a, 0);
        rc = k_family_take(fixture.plains, 1, 20, visit_nothing, NULL, &taken, &err);
        if (rc) {
            fixture.store.fail_in = 0;
            assert_int_equal(taken + take(&fixture, 1, 20), 11);
            continue;
        }
        assert_int_equal(taken, 11);
        rc = k_family_first_segment(fixture.plains, &first, &found, &err);
        if (rc == 0) {
            assert_true(found && first == 2);
            rc = k_state_checkpoint(fixture.state, K_STR("there"), &err);
        }
        if (rc == 0) {
            assert_true(n > 15); // that many reads there were to fail
            break;
        }
        assert_int_equal(rc, K_E_IO);
        assert_true(n < 39);
    }
    close_fixture(&fixture);
}

// More segments than a family learns about at once.
static void test_unknown_segments(void **unused)
{
    (void)unused;
    enum { SEGMENTS = 2500 };
    struct fixture fixture = {0};
    open_fixture(&fixture, 1 << 24);
    for (int64_t s = 0; s < SEGMENTS; s++) put_plains(&fixture, s * 10, 0, 1 + (uint64_t)s % 3);
    checkpoint(&fixture);
    reopen(&fixture, 1 << 24);
    assert_non_null(find(fixture.plains, K_FIND, (SEGMENTS - 1) * 10, 0));
    assert_null(find(fixture.plains, K_FIND, (SEGMENTS - 1) * 10 + 1, 0));
    put_plains(&fixture, SEGMENTS * 10 - 15, 7, 8); // a new one between the unknown
    char bytes[10];
    struct k_error err = {0};
    check_ok(k_family_remove(fixture.plains, (SEGMENTS - 3) * 10, number_key(0, bytes), &err), &err);
    for (int64_t s = 0;; s++) {
        int64_t segment;
        bool found;
        check_ok(k_family_first_segment(fixture.plains, &segment, &found, &err), &err);
        if (!found) {
            assert_int_equal(s, SEGMENTS + 1);
            break;
        }
        assert_int_equal(segment, s < SEGMENTS - 1 ? s * 10 : s == SEGMENTS - 1 ? SEGMENTS * 10 - 15
                                                                              : (SEGMENTS - 1) * 10);
        assert_true(take(&fixture, segment, 10) > 0);
        if (s % 700 == 0) checkpoint(&fixture);
    }
    checkpoint(&fixture);
    reopen(&fixture, 1 << 24);
    int64_t segment;
    bool found;
    check_ok(k_family_first_segment(fixture.plains, &segment, &found, &err), &err);
    assert_false(found);
    close_fixture(&fixture);
}

// A large segment leaves the store as one range, between checkpoints, and never more than what was taken.
static void test_large_takes(void **unused)
{
    (void)unused;
    enum { KEYS = 5000 };
    struct fixture fixture = {0};
    open_fixture(&fixture, 1 << 24);
    put_plains(&fixture, 1, 0, KEYS);
    put_plains(&fixture, 2, 0, KEYS);
    put_plains(&fixture, 3, 0, 5);
    checkpoint(&fixture);
    assert_int_equal(take(&fixture, 1, KEYS + 1), KEYS);
    assert_int_equal(take(&fixture, 2, 2000), 2000);
    uint64_t written = figures_of(&fixture).checkpoint_bytes;
    checkpoint(&fixture);
    assert_true(figures_of(&fixture).checkpoint_bytes - written < 200); // a range, not thousands of removals
    reopen(&fixture, 1 << 24);
    assert_null(find(fixture.plains, K_FIND, 1, KEYS - 1));
    assert_null(find(fixture.plains, K_FIND, 2, 1999));
    assert_non_null(find(fixture.plains, K_FIND, 2, 2000));
    assert_non_null(find(fixture.plains, K_FIND, 3, 0));
    assert_int_equal(take(&fixture, 2, KEYS), KEYS - 2000);
    // What is put into a segment that was taken is there, also behind the checkpoint that empties the store.
    put_plains(&fixture, 2, 100, 103);
    put_plains(&fixture, 2, KEYS + 1, KEYS + 2);
    checkpoint(&fixture);
    reopen(&fixture, 1 << 24);
    assert_non_null(find(fixture.plains, K_FIND, 2, 101));
    assert_null(find(fixture.plains, K_FIND, 2, 2500));
    assert_int_equal(take(&fixture, 2, KEYS), 4);
    close_fixture(&fixture);
}

static void put_row(struct k_family *family, uint64_t number, int64_t base_us)
{
    struct thing *thing = find(family, K_FIND_BLIND, 0, number);
    struct k_buf row = {0};
    struct k_value value = {.type = K_INT64, .i = (int64_t)number};
    k_table_row_encode_values(&row, base_us, &value, 1);
    // thing_type puts its number in front: the base stands there instead.
    int64_t base;
    memcpy(&base, row.data, 8);
    thing_set(thing, base, (struct k_str){row.data + 8, (uint32_t)row.length - 8});
    k_family_dirty(family, thing);
    k_buf_fini(&row);
}

static uint32_t sweep(struct fixture *fixture, int64_t frontier_us, uint32_t max)
{
    uint32_t removed;
    struct k_error err = {0};
    check_ok(k_state_sweep(fixture->things, frontier_us, 100, max, &removed, &err), &err);
    return removed;
}

static void test_retention(void **unused)
{
    (void)unused;
    struct fixture fixture = {0};
    open_fixture(&fixture, 1 << 20);
    k_family_write_only(fixture.things);
    for (uint64_t i = 0; i < 50; i++) put_row(fixture.things, i, i % 5 == 0 ? K_TABLE_NEVER : (int64_t)i);
    assert_int_equal(sweep(&fixture, INT64_MAX, 1000), 0); // nothing is stored yet
    checkpoint(&fixture);
    assert_int_equal(sweep(&fixture, 100, 1000), 0);
    // Row i goes at frontier i + 100. In slices of 7 keys, going on where the last one stopped.
    uint32_t removed = 0;
    put_row(fixture.things, 13, 5000); // changed since: it stays
    for (int i = 0; i < 8; i++) {
        uint32_t now = sweep(&fixture, 120, 7);
        assert_true(now <= 7);
        removed += now;
    }
    assert_int_equal(removed, 20 - 4 - 1); // 1 to 20 without 5, 10, 15, 20, and 13
    checkpoint(&fixture);
    reopen(&fixture, 1 << 20);
    for (uint64_t i = 0; i < 50; i++)
        assert_int_equal(find(fixture.things, K_FIND, 0, i) == NULL, i >= 1 && i <= 20 && i % 5 != 0 && i != 13);
    // A clean row in the cache goes too.
    assert_int_equal(sweep(&fixture, 140, 1000), 16);
    assert_null(find(fixture.things, K_FIND, 0, 21));
    uint32_t none;
    struct k_error err = {0};
    check_ok(k_state_sweep(fixture.things, INT64_MAX, -1, 1000, &none, &err), &err);
    assert_int_equal(none, 0);
    close_fixture(&fixture);
}

// The promise about memory: a million keys of 10 bytes with a value of 16.
static void test_memory_per_entry(void **unused)
{
    (void)unused;
    enum { KEYS = 1000000 };
    struct fixture fixture = {0};
    open_fixture(&fixture, UINT64_C(1) << 32);
    put_plains(&fixture, 7, 0, KEYS);
    assert_true(figures_of(&fixture).cache_bytes < 80000000);
    assert_int_equal(figures_of(&fixture).entries, KEYS);
    while (take(&fixture, 7, 100000) == 100000) continue;
    assert_true(figures_of(&fixture).cache_bytes < 2000); // it went back at once
    close_fixture(&fixture);
}

static void test_trim(void **unused)
{
    (void)unused;
    enum { BUDGET = 400000 };
    struct fixture fixture = {0};
    open_fixture(&fixture, BUDGET);
    put_plains(&fixture, 7, 0, 20000);
    k_state_trim(fixture.state); // all is dirty: nothing can go
    assert_int_equal(figures_of(&fixture).entries, 20000);
    checkpoint(&fixture);
    k_state_trim(fixture.state);
    assert_true(figures_of(&fixture).cache_bytes <= BUDGET);
    uint64_t kept = figures_of(&fixture).entries;
    assert_true(kept > 2000);
    // What was used lately stays rather than what was not.
    for (uint64_t i = 0; i < 500; i++) find(fixture.plains, K_FIND, 7, i);
    for (uint64_t i = 0; i < 10; i++) {
        for (uint64_t n = 0; n < 500; n++) find(fixture.plains, K_FIND, 7, n);
        for (uint64_t n = 0; n < 1000; n++) find(fixture.plains, K_FIND, 7, 1000 + i * 1000 + n);
        k_state_trim(fixture.state);
        assert_true(figures_of(&fixture).cache_bytes <= BUDGET);
    }
    uint64_t misses = figures_of(&fixture).misses;
    for (uint64_t n = 0; n < 500; n++) assert_non_null(find(fixture.plains, K_FIND, 7, n));
    assert_true(figures_of(&fixture).misses - misses < 50);
    // What a value owns counts, and its growth is noticed.
    struct thing *thing = find(fixture.things, K_FIND_OR_CREATE, 0, 1);
    char *text = k_alloc(100000);
    uint64_t before = figures_of(&fixture).cache_bytes;
    thing_set(thing, 1, (struct k_str){text, 100000});
    k_family_dirty(fixture.things, thing);
    assert_int_equal(figures_of(&fixture).cache_bytes - before, 100000);
    assert_true(figures_of(&fixture).dirty_bytes >= 100000);
    free(text);
    checkpoint(&fixture);
    close_fixture(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_meta),          cmocka_unit_test(test_families_by_name),
        cmocka_unit_test(test_store_reads),   cmocka_unit_test(test_failing_reads),
        cmocka_unit_test(test_long_keys_in_order),
        cmocka_unit_test(test_unknown_segments), cmocka_unit_test(test_large_takes),
        cmocka_unit_test(test_retention),     cmocka_unit_test(test_memory_per_entry),
        cmocka_unit_test(test_trim),
    };
    return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
