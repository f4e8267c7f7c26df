// The reader against a live writer in another process: every view must be a state that was, whole and never older
// than one before. Then its lookups, scans, retention and refusals on a state that stands still.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/units.h"
#include "state/reader.h"
#include "tests/state/tables.h"

enum { ACCOUNTS = 300, VIEWS_MIN = 60 };
#define VIEWING_US 2000000

// Moves money about for ever. The sum of all balances is 0, and row (“counter”, 0) holds the position, in every
// commit.
static void write_for_ever(const char *directory, uint64_t seed)
{
    struct k_state *state = open_writer(directory);
    put_identity(state, 0, 1);
    struct table_writer table = make_table(state, "accounts", -1);
    double balances[ACCOUNTS] = {0};
    for (int64_t offset = 0;; offset++) {
        for (uint64_t n = 1 + k_random_below(&seed, 200); n > 0; n--) {
            uint64_t from = k_random_below(&seed, ACCOUNTS), to = k_random_below(&seed, ACCOUNTS);
            double amount = (double)k_random_below(&seed, 1000);
            balances[from] -= amount;
            balances[to] += amount;
            put_row(&table, "a", (int64_t)from, balances[from], K_TABLE_NEVER);
            put_row(&table, "a", (int64_t)to, balances[to], K_TABLE_NEVER);
        }
        put_row(&table, "counter", 0, (double)offset, K_TABLE_NEVER);
        // Ballast, so that files are made, compacted and deleted while the reader looks.
        char *owner = k_format("ballast %0400llu", (unsigned long long)k_random(&seed));
        for (int64_t i = 0; i < 100; i++) put_row(&table, owner, i, 0, K_TABLE_NEVER);
        free(owner);
        commit(state, offset, 0);
        k_state_trim(state);
    }
}

struct audit {
    double sum, counter;
    uint64_t rows;
};

static bool audit_row(void *context, const struct k_value *values, const struct k_shard_view *shard)
{
    (void)shard;
    struct audit *audit = context;
    if (k_str_equal(values[1].s, K_STR("a"))) audit->sum += values[0].d;
    if (k_str_equal(values[1].s, K_STR("counter"))) audit->counter = values[0].d;
    audit->rows++;
    return true;
}

static void audit_view(struct k_state_reader *reader, int64_t *last_offset, uint64_t *changes)
{
    struct k_error err = {0};
    struct k_view *view;
    check_ok(k_view_open(reader, &view, &err), &err);
    uint32_t count, total;
    const struct k_shard_view *shards = k_view_shards(view, &count, &total);
    assert_int_equal(count, 1);
    assert_true(shards[0].journal_offset >= *last_offset);
    *changes += shards[0].journal_offset > *last_offset;
    *last_offset = shards[0].journal_offset;

    const struct k_table_info *table;
    check_ok(k_view_table(view, "accounts", &table, &err), &err);
    struct audit audit = {.counter = -1};
    struct k_value to = {.type = K_STRING, .s = K_STR("b")};
    struct k_scan some = {.to = &to, .to_count = 1};
    check_ok(k_view_scan(view, table, &some, audit_row, &audit, &err), &err);
    struct k_value prefix = {.type = K_STRING, .s = K_STR("counter")};
    struct k_scan one = {.prefix = &prefix, .prefix_count = 1};
    check_ok(k_view_scan(view, table, &one, audit_row, &audit, &err), &err);
    if (audit.sum != 0 || audit.counter != (double)*last_offset)
        fail_msg("at position %lld the sum is %f, the counter %f", (long long)*last_offset, audit.sum, audit.counter);
    assert_true(audit.rows > 1);
    struct k_value key[] = {{.type = K_STRING, .s = K_STR("counter")}, {.type = K_INT64, .i = 0}}, values[6];
    bool found;
    check_ok(k_view_get(view, table, key, &found, values, &err), &err);
    assert_true(found && values[0].d == (double)*last_offset);
    k_view_close(view);
}

static void wait_for_table(const char *top, struct k_state_reader **ret_reader)
{
    struct k_reader_options options = {.state_dir = top};
    int64_t give_up_us = k_clock_us(CLOCK_MONOTONIC) + 20000000;
    for (;;) {
        struct k_error err = {0};
        struct k_view *view = NULL;
        const struct k_table_info *table;
        int rc = k_reader_open(&options, ret_reader, &err);
        if (rc == 0) rc = k_view_open(*ret_reader, &view, &err);
        if (rc == 0) rc = k_view_table(view, "accounts", &table, &err);
        k_view_close(view);
        if (rc == 0) return;
        if (*ret_reader) k_reader_close(*ret_reader);
        *ret_reader = NULL;
        // While the writer makes its directory there is nothing, or nothing whole, to open.
        if (rc != K_E_NOT_FOUND || k_clock_us(CLOCK_MONOTONIC) > give_up_us) check_ok(rc, &err);
    }
}

static void test_live_writer(void **unused)
{
    (void)unused;
    uint64_t seed = test_seed("reader beside a writer");
    char *top = make_state_directory(), *directory = shard_directory(top, 0);
    pid_t child = fork();
    if (child == 0) {
        write_for_ever(directory, seed);
        _exit(1);
    }
    struct k_state_reader *reader = NULL;
    wait_for_table(top, &reader);
    int64_t offset = -1, end_us = k_clock_us(CLOCK_MONOTONIC) + VIEWING_US;
    uint64_t views = 0, changes = 0;
    while (k_clock_us(CLOCK_MONOTONIC) < end_us || views < VIEWS_MIN) {
        audit_view(reader, &offset, &changes);
        views++;
    }
    // A writer that dies in the middle of whatever it does leaves a state that can be read, and that can be opened.
    kill(child, SIGKILL);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status)); // it wrote until then
    audit_view(reader, &offset, &changes);
    k_reader_close(reader);
    k_state_destroy(open_writer(directory));
    struct k_reader_options options = {.state_dir = directory};
    struct k_error err = {0};
    check_ok(k_reader_open(&options, &reader, &err), &err);
    audit_view(reader, &offset, &changes);
    k_reader_close(reader);
    fprintf(stderr, "# %llu views, %llu of them new, last position %lld\n", (unsigned long long)views,
            (unsigned long long)changes, (long long)offset);
    assert_true(changes > 10);
    free(directory);
    remove_directory(top);
}

struct rows {
    char text[4096];
    uint32_t limit;
};

static bool note_row(void *context, const struct k_value *values, const struct k_shard_view *shard)
{
    struct rows *rows = context;
    size_t length = strlen(rows->text);
    snprintf(rows->text + length, sizeof rows->text - length, "%.*s/%lld@%u ", (int)values[1].s.length,
             values[1].s.data, (long long)values[2].i, shard->shard);
    return true;
}

static void check_scan(struct k_view *view, const char *table_name, const struct k_scan *scan, const char *expected)
{
    struct k_error err = {0};
    const struct k_table_info *table;
    check_ok(k_view_table(view, table_name, &table, &err), &err);
    struct rows rows = {.text = ""};
    check_ok(k_view_scan(view, table, scan, note_row, &rows, &err), &err);
    assert_string_equal(rows.text, expected);
}

static void test_scans(void **unused)
{
    (void)unused;
    char *top = make_two_shards();
    struct k_error err = {0};
    struct k_state_reader *reader;
    struct k_view *view;
    struct k_reader_options options = {.state_dir = top, .graph = "bank", .generation = "live"};
    check_ok(k_reader_open(&options, &reader, &err), &err);
    check_ok(k_view_open(reader, &view, &err), &err);
    uint32_t count, total;
    const struct k_shard_view *shards = k_view_shards(view, &count, &total);
    assert_int_equal(count, 2);
    assert_int_equal(total, 3);
    assert_int_equal(shards[1].shard, 2);
    assert_int_equal(shards[1].journal_offset, 12);
    assert_int_equal(shards[1].frontier_us, 6000);
    assert_int_equal(shards[1].taken_us, 42);
    assert_string_equal(shards[1].generation, "1");

    const struct k_table_info *const *tables;
    check_ok(k_view_tables(view, &tables, &count, &err), &err);
    assert_int_equal(count, 2);
    assert_string_equal(tables[0]->name, "accounts");
    assert_string_equal(tables[1]->name, "other");
    assert_int_equal(tables[0]->retention_us, 1000);
    assert_int_equal(tables[1]->retention_us, -1);

    struct k_value ann = {.type = K_STRING, .s = K_STR("ann")}, b = {.type = K_STRING, .s = K_STR("b")};
    struct k_value bea[] = {{.type = K_STRING, .s = K_STR("bea")}, {.type = K_INT64, .i = 1}};
    struct k_value bo[] = {{.type = K_STRING, .s = K_STR("bo")}, {.type = K_INT64, .i = 12}};
    check_scan(view, "accounts", &(struct k_scan){0}, "ann/-7@0 ann/1@0 ann/12@0 b/3@0 bea/1@2 bo/12@2 carl/3@2 ");
    check_scan(view, "accounts", &(struct k_scan){.limit = 2}, "ann/-7@0 ann/1@0 ");
    check_scan(view, "accounts", &(struct k_scan){.prefix = &ann, .prefix_count = 1}, "ann/-7@0 ann/1@0 ann/12@0 ");
    check_scan(view, "accounts", &(struct k_scan){.prefix = &b, .prefix_count = 1}, "b/3@0 ");
    check_scan(view, "accounts", &(struct k_scan){.prefix = &b, .prefix_count = 1, .prefix_begins = true},
               "b/3@0 bea/1@2 bo/12@2 ");
    check_scan(view, "accounts", &(struct k_scan){.from = bea, .from_count = 2, .to = bo, .to_count = 2}, "bea/1@2 ");
    check_scan(view, "accounts", &(struct k_scan){.from = bo, .from_count = 1}, "bo/12@2 carl/3@2 ");
    check_scan(view, "accounts",
               &(struct k_scan){.prefix = &b, .prefix_count = 1, .prefix_begins = true, .to = bea, .to_count = 2},
               "b/3@0 ");
    check_scan(view, "other", &(struct k_scan){0}, "x/9@2 ");
    k_view_close(view);
    k_reader_close(reader);
    remove_directory(top);
}

static int get(struct k_view *view, const char *owner, const char *number, bool *ret_found, double *ret_balance,
               struct k_error *err)
{
    const struct k_table_info *table;
    const char *texts[] = {owner, number};
    struct k_value key[2], values[6];
    struct k_arena arena;
    k_arena_init(&arena);
    int rc = k_view_table(view, "accounts", &table, err);
    if (rc == 0) rc = k_view_key(table, texts, number ? 2 : 1, &arena, key, err);
    if (rc == 0) rc = k_view_get(view, table, key, ret_found, values, err);
    if (rc == 0 && *ret_found) {
        *ret_balance = values[0].d;
        assert_true(k_str_equal(values[1].s, k_str_of(owner)));
        assert_true(values[3].b);
        assert_int_equal(values[4].i, 7);
        assert_true(values[5].null && values[5].type == K_STRING);
    }
    k_arena_fini(&arena);
    return rc;
}

static void test_gets(void **unused)
{
    (void)unused;
    char *top = make_two_shards();
    struct k_error err = {0};
    struct k_state_reader *reader;
    struct k_view *view;
    struct k_reader_options options = {.state_dir = top};
    check_ok(k_reader_open(&options, &reader, &err), &err);
    check_ok(k_view_open(reader, &view, &err), &err);
    bool found = false;
    double balance = 0;
    check_ok(get(view, "ann", "12", &found, &balance, &err), &err);
    assert_true(found && balance == 3);
    check_ok(get(view, "ann", "-7", &found, &balance, &err), &err);
    assert_true(found && balance == 2);
    check_ok(get(view, "carl", "3", &found, &balance, &err), &err);
    assert_true(found && balance == 4);

    // Absent: whether that says something depends on whose key it is.
    bool here = false, elsewhere = false;
    for (int i = 0; i < 40; i++) {
        char owner[16];
        snprintf(owner, sizeof owner, "nobody %d", i);
        struct k_value value = {.type = K_STRING, .s = k_str_of(owner)};
        int rc = get(view, owner, "1", &found, &balance, &err);
        if (k_table_shard_of(&value, false, 8, 3) == 1) {
            assert_int_equal(rc, K_E_UNAVAILABLE);
            assert_non_null(strstr(err.text, "shard 1 of 3"));
            elsewhere = true;
        } else {
            check_ok(rc, &err);
            assert_false(found);
            here = true;
        }
    }
    assert_true(here && elsewhere);

    // A row past its retention is gone at that shard's frontier, though it is still stored.
    int rc = get(view, "bea", "-7", &found, &balance, &err);
    assert_true(rc == K_E_UNAVAILABLE || (rc == 0 && !found));

    assert_int_equal(get(view, "ann", "twelve", &found, &balance, &err), K_E_USAGE);
    assert_non_null(strstr(err.text, "\"number\" (int64)"));
    const struct k_table_info *table;
    assert_int_equal(k_view_table(view, "acounts", &table, &err), K_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "did you mean \"accounts\""));
    assert_int_equal(k_view_table(view, "zzz", &table, &err), K_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "accounts, other"));
    k_view_close(view);
    k_reader_close(reader);
    remove_directory(top);
}

static void expect_refusal(const char *directory, const char *graph, const char *generation, int code,
                           const char *words)
{
    struct k_reader_options options = {.state_dir = directory, .graph = graph, .generation = generation};
    struct k_state_reader *reader;
    struct k_error err = {0};
    assert_int_equal(k_reader_open(&options, &reader, &err), code);
    if (!strstr(err.text, words)) fail_msg("\"%s\" does not say \"%s\"", err.text, words);
}

static void test_choosing(void **unused)
{
    (void)unused;
    char *top = make_two_shards();
    expect_refusal("/nonexistent", NULL, NULL, K_E_NOT_FOUND, "/nonexistent");
    expect_refusal(top, "bonk", NULL, K_E_NOT_FOUND, "there is: bank");
    expect_refusal(top, "bank", "7", K_E_NOT_FOUND, "there is: 1");
    char *other = k_format("%s/bank/2", top);
    assert_int_equal(mkdir(other, 0777), 0);
    expect_refusal(top, NULL, NULL, K_E_USAGE, "1, 2");
    expect_refusal(top, NULL, "2", K_E_NOT_FOUND, "no shard");
    // Which generation is live stands beside them.
    char *live = k_format("%s/bank/LIVE", top);
    FILE *file = fopen(live, "w");
    assert_non_null(file);
    fputs("1\n", file);
    fclose(file);
    struct k_reader_options options = {.state_dir = top};
    struct k_state_reader *reader;
    struct k_error err = {0};
    check_ok(k_reader_open(&options, &reader, &err), &err);
    k_reader_close(reader);
    free(live);
    free(other);
    remove_directory(top);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_live_writer),
        cmocka_unit_test(test_scans),
        cmocka_unit_test(test_gets),
        cmocka_unit_test(test_choosing),
    };
    return cmocka_run_group_tests_name("reader", tests, NULL, NULL);
}
