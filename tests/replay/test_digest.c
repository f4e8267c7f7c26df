// Digests of tables over states of two shards: what counts, and what does not.
#include "tests/state/tables.h"

#include <stdlib.h>

#include "replay/digest.h"
#include "replay/plant.h"
#include "state/reader.h"

static struct k_digest digest_of(const char *directory, const char *name)
{
    const struct k_reader_options options = {.state_dir = directory};
    struct k_state_reader *reader;
    struct k_view *view;
    const struct k_table_info *table;
    struct k_table_digest digest;
    struct k_error err = {0};
    check_ok(k_reader_open(&options, &reader, &err), &err);
    check_ok(k_view_open(reader, &view, &err), &err);
    check_ok(k_view_table(view, name, &table, &err), &err);
    check_ok(k_table_digest(view, table, &digest, &err), &err);
    struct k_digest sum = {0}, all = digest.all;
    for (uint32_t i = 0; i < digest.range_count; i++) k_digest_add(&sum, &digest.ranges[i].digest);
    assert_true(k_digest_equal(&sum, &all));
    k_table_digest_fini(&digest);
    k_view_close(view);
    k_reader_close(reader);
    return all;
}

// One shard with a table "accounts" of these rows, in this order; retention 1000 µs.
struct row {
    const char *owner;
    int64_t number;
    double balance;
    int64_t base_us;
};
static struct k_digest digest_of_rows(const struct row *rows, size_t count, int64_t frontier_us)
{
    char *top = make_state_directory(), *directory = shard_directory(top, 0);
    struct k_state *state = open_writer(directory);
    put_identity(state, 0, 1);
    struct table_writer table = make_table(state, "accounts", 1000);
    for (size_t i = 0; i < count; i++)
        put_row(&table, rows[i].owner, rows[i].number, rows[i].balance, rows[i].base_us);
    commit(state, 10, frontier_us);
    k_state_destroy(state);
    free(directory);
    struct k_digest digest = digest_of(top, "accounts");
    remove_directory(top);
    return digest;
}

static void test_sums_carry(void **state)
{
    (void)state;
    struct k_digest a = {.rows = 1}, one = {.rows = 2};
    char hex[2 * K_DIGEST_BYTES + 1];
    memset(a.sum, 0xff, sizeof a.sum);
    one.sum[K_DIGEST_BYTES - 1] = 1;
    k_digest_add(&a, &one);
    k_digest_hex(&a, hex);
    assert_string_equal(hex, "0000000000000000000000000000000000000000000000000000000000000000");
    assert_int_equal(a.rows, 3);
    k_digest_add(&a, &one);
    k_digest_add(&a, &one);
    k_digest_hex(&a, hex);
    assert_string_equal(hex, "0000000000000000000000000000000000000000000000000000000000000002");
}

static void test_order_and_shards_do_not_show(void **state)
{
    (void)state;
    const struct row rows[] = {{"ann", 1, 1, K_TABLE_NEVER}, {"bea", 2, 2, K_TABLE_NEVER}, {"carl", 3, 3, 5001}};
    const struct row other[] = {{"carl", 3, 3, 5500}, {"ann", 1, 1, 9000}, {"bea", 2, 2, K_TABLE_NEVER}};
    struct k_digest a = digest_of_rows(rows, 3, 100), b = digest_of_rows(other, 3, 100);
    assert_int_equal(a.rows, 3);
    assert_true(k_digest_equal(&a, &b)); // nor does the time from which retention counts
}

static void test_expired_rows_are_left_out(void **state)
{
    (void)state;
    const struct row rows[] = {{"ann", 1, 1, 5000}, {"bea", 2, 2, 5001}, {"carl", 3, 3, K_TABLE_NEVER}};
    struct k_digest before = digest_of_rows(rows, 3, 5999), at = digest_of_rows(rows, 3, 6000);
    struct k_digest without = digest_of_rows(rows + 1, 2, 0);
    assert_int_equal(before.rows, 3);
    assert_true(k_digest_equal(&at, &without));
    // The same over two shards, each with its own frontier.
    char *top = make_two_shards();
    struct k_digest both = digest_of(top, "accounts");
    assert_int_equal(both.rows, 7);
    remove_directory(top);
}

// Whether the sums of these two states are told apart, and from nothing.
static bool are_told_apart(const struct k_digest *a, const struct k_digest *b)
{
    static const uint8_t nothing[K_DIGEST_BYTES];
    assert_int_equal(a->rows, b->rows);
    return memcmp(a->sum, b->sum, sizeof a->sum) != 0 && memcmp(a->sum, nothing, sizeof nothing) != 0;
}

// Two rows that have each other's value, or each other's half of a key.
static bool swaps_show(void)
{
    const struct row rows[] = {{"ann", 1, 1, K_TABLE_NEVER}, {"bea", 2, 2, K_TABLE_NEVER}};
    const struct row swapped[] = {{"ann", 1, 2, K_TABLE_NEVER}, {"bea", 2, 1, K_TABLE_NEVER}};
    const struct row shifted[] = {{"ann", 2, 1, K_TABLE_NEVER}, {"bea", 1, 2, K_TABLE_NEVER}};
    struct k_digest a = digest_of_rows(rows, 2, 0), b = digest_of_rows(swapped, 2, 0),
                    c = digest_of_rows(shifted, 2, 0);
    return are_told_apart(&a, &b) && are_told_apart(&a, &c) && are_told_apart(&b, &c);
}

// One row that two shards have, which no engine should leave behind.
static struct k_digest digest_of_twice(const char *owner)
{
    char *top = make_state_directory();
    for (uint32_t shard = 0; shard < 2; shard++) {
        char *directory = shard_directory(top, (int)shard);
        struct k_state *state = open_writer(directory);
        put_identity(state, shard, 2);
        struct table_writer table = make_table(state, "accounts", 1000);
        put_row(&table, owner, 1, 1, K_TABLE_NEVER);
        commit(state, 10, 0);
        k_state_destroy(state);
        free(directory);
    }
    struct k_digest digest = digest_of(top, "accounts");
    remove_directory(top);
    assert_int_equal(digest.rows, 2);
    return digest;
}

static bool rows_that_are_twice_show(void)
{
    struct k_digest ann = digest_of_twice("ann"), bea = digest_of_twice("bea");
    return are_told_apart(&ann, &bea);
}

static void test_nothing_cancels(void **state)
{
    (void)state;
    k_digest_planted = K_DIGEST_PLANT_NONE;
    assert_true(swaps_show());
    assert_true(rows_that_are_twice_show());
}

static void test_planted_cancelling_shows(void **state)
{
    (void)state;
    k_digest_planted = K_DIGEST_PLANT_exclusive_or;
    assert_false(rows_that_are_twice_show());
    k_digest_planted = K_DIGEST_PLANT_by_column;
    assert_false(swaps_show());
    k_digest_planted = K_DIGEST_PLANT_NONE;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums_carry),
        cmocka_unit_test(test_order_and_shards_do_not_show),
        cmocka_unit_test(test_expired_rows_are_left_out),
        cmocka_unit_test(test_nothing_cancels),
        cmocka_unit_test(test_planted_cancelling_shows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
