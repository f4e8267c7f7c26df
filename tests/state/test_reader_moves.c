// How a reader learns that its state moved on, and that it is no longer there.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/directory.h"
#include "state/reader.h"
#include "tests/state/tables.h"

// Nothing is new, once the writer's store is through with what it does by itself: compactions are written down as
// checkpoints are, and whoever asks is told of them too.
static void expect_unmoved(struct k_state_reader *reader, struct k_view **view)
{
    struct k_error err = {0};
    bool moved = true;
    for (int i = 0; i < 100; i++) {
        check_ok(k_view_moved(*view, &moved, &err), &err);
        if (!moved) return;
        usleep(50000);
        k_view_close(*view);
        check_ok(k_view_open(reader, view, &err), &err);
    }
    assert_false(moved);
}

static void expect_offset(const struct k_view *view, int64_t offset)
{
    uint32_t count, total;
    assert_int_equal(k_view_shards(view, &count, &total)[0].journal_offset, offset);
}

static void open_both(const struct k_reader_options *options, struct k_state_reader **ret_reader,
                      struct k_view **ret_view)
{
    struct k_error err = {0};
    check_ok(k_reader_open(options, ret_reader, &err), &err);
    check_ok(k_view_open(*ret_reader, ret_view, &err), &err);
    expect_unmoved(*ret_reader, ret_view);
}

// What a new view would show, and whether the old one says that there is something new.
static void expect_moved(struct k_state_reader *reader, struct k_view **view, int64_t offset)
{
    struct k_error err = {0};
    bool moved;
    for (int i = 0; i < 2; i++) { // to have been asked is not to have looked
        check_ok(k_view_moved(*view, &moved, &err), &err);
        assert_true(moved);
    }
    k_view_close(*view);
    check_ok(k_view_open(reader, view, &err), &err);
    expect_unmoved(reader, view);
    expect_offset(*view, offset);
}

static void test_moves(void **unused)
{
    (void)unused;
    char *top = make_state_directory(), *directory = shard_directory(top, 0);
    struct k_state *state = open_writer(directory);
    put_identity(state, 0, 1);
    struct table_writer table = make_table(state, "accounts", -1);
    put_row(&table, "ann", 1, 1, K_TABLE_NEVER);
    commit(state, 1, 0);
    struct k_reader_options options = {.state_dir = top};
    struct k_state_reader *reader;
    struct k_view *view;
    open_both(&options, &reader, &view);
    commit(state, 2, 0); // as a checkpoint without a changed row
    expect_moved(reader, &view, 2);
    put_row(&table, "ann", 1, 2, K_TABLE_NEVER);
    expect_unmoved(reader, &view); // it is in the writer's memory
    expect_offset(view, 2);
    commit(state, 3, 0);
    expect_moved(reader, &view, 3);
    // Whoever opens the state for writing begins another MANIFEST.
    for (int64_t offset = 4; offset < 8; offset++) {
        k_state_destroy(state);
        state = open_writer(directory);
        table = make_table(state, "accounts", -1);
        put_row(&table, "ann", 1, (double)offset, K_TABLE_NEVER);
        commit(state, offset, 0);
        expect_moved(reader, &view, offset);
    }
    k_view_close(view);
    k_reader_close(reader);
    k_state_destroy(state);
    free(directory);
    remove_directory(top);
}

// Whose state it is, is known from the first checkpoint on, also to who opened it before.
static void test_before_the_first_checkpoint(void **unused)
{
    (void)unused;
    char *top = make_state_directory(), *directory = shard_directory(top, 2);
    struct k_state *state = open_writer(directory);
    struct k_reader_options options = {.state_dir = directory};
    struct k_state_reader *reader;
    struct k_view *view;
    struct k_error err = {0};
    uint32_t count, total;
    check_ok(k_reader_open(&options, &reader, &err), &err);
    check_ok(k_view_open(reader, &view, &err), &err);
    assert_int_equal(k_view_shards(view, &count, &total)[0].journal_offset, -1);
    assert_int_equal(total, 1);
    k_view_close(view);
    put_identity(state, 2, 3);
    make_table(state, "accounts", -1);
    commit(state, 1, 0);
    check_ok(k_view_open(reader, &view, &err), &err);
    const struct k_shard_view *shards = k_view_shards(view, &count, &total);
    assert_int_equal(count, 1);
    assert_int_equal(total, 3);
    assert_int_equal(shards[0].shard, 2);
    assert_string_equal(shards[0].generation, "1");
    k_view_close(view);
    k_reader_close(reader);
    k_state_destroy(state);
    free(directory);
    remove_directory(top);
}

// A state whose writer is gone, as of this offset.
static void make_state(const char *directory, int64_t offset)
{
    struct k_state *state = open_writer(directory);
    put_identity(state, 0, 1);
    struct table_writer table = make_table(state, "accounts", -1);
    put_row(&table, "ann", 1, (double)offset, K_TABLE_NEVER);
    commit(state, offset, 0);
    k_state_destroy(state);
}

// Removes what the directory holds, but not the directory.
static void empty_directory(const char *directory)
{
    DIR *dir = opendir(directory);
    assert_non_null(dir);
    for (const struct dirent *entry; (entry = readdir(dir));) {
        char *path = k_format("%s/%s", directory, entry->d_name);
        if (entry->d_name[0] != '.') assert_int_equal(unlink(path), 0);
        free(path);
    }
    closedir(dir);
}

static void expect_gone(struct k_state_reader *reader)
{
    struct k_view *view;
    struct k_error err = {0};
    assert_int_equal(k_view_open(reader, &view, &err), K_E_UNAVAILABLE);
    assert_non_null(strstr(err.text, "open it again"));
}

enum replacing { REMOVED, MADE_ANEW, FILLED_ANEW, RESTORED, PUT_BACK, REPLACINGS };

// The new state has files of the same names; it may stand before, at or behind where the old one was.
static void replace(enum replacing how, char *directory, struct k_state_reader *reader, int64_t offset)
{
    char *aside = k_format("%s.aside", directory);
    switch (how) {
    case REMOVED: k_tree_remove(directory); break;
    case MADE_ANEW:
        k_tree_remove(directory);
        make_state(directory, offset);
        break;
    case FILLED_ANEW:
        empty_directory(directory);
        make_state(directory, offset);
        break;
    case RESTORED: { // a copy of the same database, which goes on in its own way
        char *command = k_format("cp -a '%s' '%s'", directory, aside);
        assert_int_equal(system(command), 0);
        free(command);
        k_tree_remove(directory);
        assert_int_equal(rename(aside, directory), 0);
        make_state(directory, offset);
        break;
    }
    case PUT_BACK: // the old one is there again, but another one was seen in between
        assert_int_equal(rename(directory, aside), 0);
        make_state(directory, offset);
        expect_gone(reader);
        k_tree_remove(directory);
        assert_int_equal(rename(aside, directory), 0);
        break;
    case REPLACINGS: break;
    }
    free(aside);
}

// A reader whose state is no longer there does not go on to answer from what it knows.
static void test_replaced(void **unused)
{
    (void)unused;
    for (int i = 0; i < REPLACINGS * 3; i++) {
        char *top = make_state_directory(), *directory = shard_directory(top, 0);
        make_state(directory, 10);
        struct k_reader_options options = {.state_dir = directory};
        struct k_state_reader *reader;
        struct k_view *view;
        struct k_error err = {0};
        bool moved;
        open_both(&options, &reader, &view);
        replace((enum replacing)(i / 3), directory, reader, 5 + 5 * (i % 3));
        assert_int_equal(k_view_moved(view, &moved, &err), K_E_UNAVAILABLE);
        k_view_close(view);
        expect_gone(reader);
        k_reader_close(reader);
        if (i / 3 != REMOVED) {
            check_ok(k_reader_open(&options, &reader, &err), &err);
            check_ok(k_view_open(reader, &view, &err), &err);
            k_view_close(view);
            k_reader_close(reader);
        }
        free(directory);
        remove_directory(top);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_before_the_first_checkpoint),
        cmocka_unit_test(test_replaced),
    };
    return cmocka_run_group_tests_name("reader moves", tests, NULL, NULL);
}
