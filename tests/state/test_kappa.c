// libkappa as other programs use it, and its example program.
#include <kappa.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "tests/state/tables.h"

static int count_row(void *context, const struct kappa_table *table, const struct kappa_value *values)
{
    assert_string_equal(table->columns[1].name, "owner");
    assert_int_equal(values[1].type, KAPPA_STRING);
    assert_true(values[5].is_null);
    return ++*(int *)context != 5; // the fifth row ends the scan
}

static void test_reading(void **unused)
{
    (void)unused;
    char *top = make_two_shards();
    kappa_reader *reader;
    assert_int_equal(kappa_open(top, "bank", "live", &reader), KAPPA_OK);
    const struct kappa_table *tables, *table;
    size_t count;
    assert_int_equal(kappa_tables(reader, &tables, &count), KAPPA_OK);
    assert_int_equal(count, 2);
    assert_string_equal(tables[0].name, "accounts");
    assert_int_equal(tables[0].column_count, 6);
    assert_int_equal(tables[0].columns[2].type, KAPPA_INT64);
    assert_int_equal(tables[0].key_count, 2);
    assert_int_equal(tables[0].key[1], 2);
    assert_int_equal(tables[0].retention_us, 1000);

    const struct kappa_value *values;
    const char *key[] = {"ann", "12"};
    assert_int_equal(kappa_get(reader, "accounts", key, 2, &table, &values), KAPPA_OK);
    assert_true(values[0].as.real == 3);
    assert_int_equal(values[1].as.text.length, 3);
    assert_memory_equal(values[1].as.text.data, "ann", 3);
    assert_int_equal(values[2].as.integer, 12);
    assert_int_equal(values[3].as.boolean, 1);
    assert_int_equal(values[4].as.integer, 7);
    const struct kappa_answer *answer = kappa_last_answer(reader);
    assert_int_equal(answer->shard_count, 2);
    assert_int_equal(answer->shards_total, 3);
    assert_int_equal(answer->shards[0].journal_offset, 10);
    assert_int_equal(answer->shards[1].frontier_us, 6000);

    int rows = 0;
    assert_int_equal(kappa_scan(reader, "accounts", NULL, count_row, &rows), KAPPA_OK);
    assert_int_equal(rows, 5);
    rows = 0;
    const char *prefix[] = {"b"}, *from[] = {"bea"};
    struct kappa_range range = {.prefix = prefix, .prefix_count = 1, .prefix_begins = 1, .from = from, .from_count = 1};
    assert_int_equal(kappa_scan(reader, "accounts", &range, count_row, &rows), KAPPA_OK);
    assert_int_equal(rows, 2);
    kappa_close(reader);
    remove_directory(top);
}

static int ask_again(void *context, const struct kappa_table *table, const struct kappa_value *values)
{
    const struct kappa_table *tables;
    const struct kappa_value *got;
    const char *key[] = {"ann", "12"};
    size_t count;
    assert_int_equal(kappa_get(context, "accounts", key, 2, &tables, &got), KAPPA_USAGE);
    assert_int_equal(kappa_tables(context, &tables, &count), KAPPA_USAGE);
    assert_string_equal(table->columns[1].name, "owner");
    assert_int_equal(values[1].type, KAPPA_STRING);
    return 1;
}

static void test_scan_that_asks(void **unused)
{
    (void)unused;
    char *top = make_two_shards();
    kappa_reader *reader;
    int rows = 0;
    assert_int_equal(kappa_open(top, NULL, NULL, &reader), KAPPA_OK);
    for (int i = 0; i < 2; i++) assert_int_equal(kappa_scan(reader, "accounts", NULL, ask_again, reader), KAPPA_OK);
    assert_int_equal(kappa_scan(reader, "accounts", NULL, count_row, &rows), KAPPA_OK);
    assert_int_equal(rows, 5);
    kappa_close(reader);
    remove_directory(top);
}

static void test_refusals(void **unused)
{
    (void)unused;
    char *top = make_two_shards();
    kappa_reader *reader;
    assert_int_equal(kappa_open("/nonexistent", NULL, NULL, &reader), KAPPA_NOT_FOUND);
    assert_non_null(strstr(kappa_error(reader), "/nonexistent"));
    const struct kappa_table *table;
    const struct kappa_value *values;
    const char *key[] = {"ann", "12"}, *bad[] = {"ann", "x"}, *none[] = {"zoe", "1"};
    assert_int_equal(kappa_get(reader, "accounts", key, 2, &table, &values), KAPPA_USAGE);
    kappa_close(reader);

    assert_int_equal(kappa_open(top, NULL, NULL, &reader), KAPPA_OK);
    assert_int_equal(kappa_get(reader, "account", key, 2, &table, &values), KAPPA_NOT_FOUND);
    assert_int_equal(kappa_get(reader, "accounts", key, 1, &table, &values), KAPPA_USAGE);
    assert_int_equal(kappa_get(reader, "accounts", key, 3, &table, &values), KAPPA_USAGE);
    assert_int_equal(kappa_get(reader, "accounts", bad, 2, &table, &values), KAPPA_USAGE);
    int result = kappa_get(reader, "accounts", none, 2, &table, &values);
    assert_true(result == KAPPA_NOT_FOUND || result == KAPPA_UNAVAILABLE);
    int rows = 0;
    struct kappa_range range = {.prefix = key, .prefix_count = 2, .prefix_begins = 1}; // of a number
    assert_int_equal(kappa_scan(reader, "accounts", &range, count_row, &rows), KAPPA_USAGE);
    assert_int_equal(rows, 0);
    kappa_close(reader);
    remove_directory(top);
}

// A damaged description fails each call that needs the tables, also of a view that has seen it before.
static void test_damaged_table(void **unused)
{
    (void)unused;
    char *top = make_state_directory(), *directory = shard_directory(top, 0);
    struct k_state *state = open_writer(directory);
    put_identity(state, 0, 1);
    struct table_writer table = make_table(state, "accounts", -1);
    put_row(&table, "ann", 12, 1, K_TABLE_NEVER);
    k_state_put_meta(state, "table/broken", K_STR("\xff\xff"));
    commit(state, 1, 0);
    k_state_destroy(state);
    kappa_reader *reader;
    const struct kappa_table *tables, *described;
    const struct kappa_value *values;
    const char *key[] = {"ann", "12"};
    size_t count;
    assert_int_equal(kappa_open(top, NULL, NULL, &reader), KAPPA_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(kappa_tables(reader, &tables, &count), KAPPA_CORRUPT);
        assert_int_equal(kappa_get(reader, "accounts", key, 2, &described, &values), KAPPA_CORRUPT);
    }
    kappa_close(reader);
    free(directory);
    remove_directory(top);
}

static void name_live(const char *top, const char *generation)
{
    char *part = k_format("%s/bank/LIVE.part", top), *live = k_format("%s/bank/LIVE", top);
    FILE *file = fopen(part, "w");
    assert_non_null(file);
    fprintf(file, "%s\n", generation);
    fclose(file);
    assert_int_equal(rename(part, live), 0);
    free(part);
    free(live);
}

static void expect_generation(kappa_reader *reader, const char *generation, double balance)
{
    const struct kappa_table *table;
    const struct kappa_value *values;
    const char *key[] = {"ann", "12"};
    assert_int_equal(kappa_get(reader, "accounts", key, 2, &table, &values), KAPPA_OK);
    assert_true(values[0].as.real == balance);
    assert_string_equal(kappa_last_answer(reader)->shards[0].generation, generation);
}

// A reader of the live generation goes over to the next one, and back; one of a generation stays.
static void test_live(void **unused)
{
    (void)unused;
    char *top = make_two_shards(), *other = k_format("%s/bank/2", top), *directory = k_format("%s/0", other);
    kappa_reader *live, *first;
    assert_int_equal(kappa_open(top, NULL, NULL, &live), KAPPA_OK);
    assert_int_equal(kappa_open(top, NULL, "1", &first), KAPPA_OK);
    expect_generation(live, "1", 3);
    assert_int_equal(mkdir(other, 0777), 0);
    struct k_state *state = open_writer(directory);
    put_identity(state, 0, 3);
    struct table_writer table = make_table(state, "accounts", -1);
    put_row(&table, "ann", 12, 20, K_TABLE_NEVER);
    commit(state, 3, 0); // before where the other one stands
    expect_generation(live, "1", 3);
    name_live(top, "1");
    expect_generation(live, "1", 3);
    name_live(top, "2");
    expect_generation(live, "2", 20);
    expect_generation(live, "2", 20);
    // One that is not here is not answered for by another.
    name_live(top, "3");
    const struct kappa_table *tables;
    size_t count;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(kappa_tables(live, &tables, &count), KAPPA_NOT_FOUND);
        assert_non_null(strstr(kappa_error(live), "\"3\""));
    }
    name_live(top, "1");
    expect_generation(live, "1", 3);
    name_live(top, "2");
    expect_generation(live, "2", 20);
    expect_generation(first, "1", 3);
    k_state_destroy(state);
    kappa_close(live);
    kappa_close(first);
    free(directory);
    free(other);
    remove_directory(top);
}

static void check_example(const char *top, const char *arguments, int status, const char *expected)
{
    char *command = k_format("%s %s %s 2>&1", getenv("READ_TABLE"), top, arguments);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    char output[2000];
    output[fread(output, 1, sizeof output - 1, pipe)] = '\0';
    assert_int_equal(pclose(pipe), status << 8);
    if (!strstr(output, expected)) fail_msg("%s: \"%s\" lacks \"%s\"", command, output, expected);
    free(command);
}

static void test_example(void **unused)
{
    (void)unused;
    char *top = make_two_shards();
    check_example(top, "accounts ann 12", 0, "balance=3  owner=ann  number=12  open=true  since=1970-01-01T00:00:00Z  "
                                             "note=NULL\n");
    check_example(top, "accounts", 0, "owner=carl  number=3");
    check_example(top, "accounts", 0, "shard 2 of 3, generation 1, at journal offset 12\n");
    check_example(top, "nothing", KAPPA_NOT_FOUND, "there is: accounts, other");
    remove_directory(top);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_scan_that_asks),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_damaged_table),
        cmocka_unit_test(test_live),
        cmocka_unit_test(test_example),
    };
    return cmocka_run_group_tests_name("kappa", tests, NULL, NULL);
}
