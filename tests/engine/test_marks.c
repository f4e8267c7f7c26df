// Copies at marks: made only while somebody on this machine waits for them, and gone when nobody does any more.
#include "tests/base/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/directory.h"
#include "engine/marks.h"

static char dir[64];
static pid_t leaves_meanwhile; // who asked, and dies while the copy is made; 0: nobody

static int export_to(struct k_store *store, const char *directory, struct k_error *err)
{
    (void)store;
    if (leaves_meanwhile) {
        kill(leaves_meanwhile, SIGKILL);
        waitpid(leaves_meanwhile, NULL, 0);
    }
    // As RocksDB does.
    return mkdir(directory, 0700) ? k_fail(err, K_E_IO, "%s is there", directory) : 0;
}

static const struct k_store_ops ops = {.export_to = export_to};
static struct k_store store = {.ops = &ops};

static bool is_there(const char *path)
{
    char *whole = k_format("%s/.marks/%s", dir, path);
    struct stat status;
    bool there = stat(whole, &status) == 0;
    free(whole);
    return there;
}

static void keep(const char *graph, const char *generation, uint64_t mark)
{
    const struct k_copy_place place = {.state_dir = dir, .graph = graph, .generation = generation, .shard = 0};
    k_mark_keep(&place, &store, mark);
}

// A process that asks for a mark, and waits until it is killed.
static pid_t asker(const char *graph, uint64_t mark)
{
    int ends[2];
    char byte;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct k_mark_claim claim = {.state_dir = dir, .graph = graph, .file = -1};
        struct k_error err;
        if (k_mark_claim(&claim, mark, &err) || write(ends[1], "x", 1) != 1) _exit(1);
        pause();
        _exit(0);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static int begin(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/test_marks.XXXXXX");
    leaves_meanwhile = 0;
    return mkdtemp(dir) ? 0 : -1;
}

static int finish(void **state)
{
    (void)state;
    k_tree_remove(dir);
    return 0;
}

// Whoever follows a journal comes to marks that somebody asked for long ago, or on another machine.
static void test_nobody_waits(void **state)
{
    (void)state;
    keep("g", "1", 7);
    assert_false(is_there(""));
    pid_t pid = asker("g", 7), other = asker("h", 8);
    keep("g", "1", 6);
    keep("g", "1", 8);
    assert_false(is_there("6"));
    assert_false(is_there("8"));
    keep("g", "1", 7);
    assert_true(is_there("7/g/1/0"));
    end(pid);
    end(other);
    keep("g", "2", 7);
    assert_false(is_there("7/g/2"));
}

// Two pipelines in one directory count their marks each for itself, and two who ask at once may get the same.
static void test_whose(void **state)
{
    (void)state;
    pid_t one = asker("g", 7), two = asker("h", 7);
    keep("g", "1", 7);
    keep("h", "1", 7);
    struct k_mark_claim claim = {.state_dir = dir, .graph = "g", .file = -1};
    struct k_error err;
    assert_int_equal(k_mark_claim(&claim, 6, &err), 0); // that another got meanwhile
    assert_int_equal(k_mark_claim(&claim, 7, &err), 0);
    k_mark_leave(&claim, 7);
    assert_true(is_there("7/g/1/0"));
    end(one);
    claim.file = -1;
    assert_int_equal(k_mark_claim(&claim, 7, &err), 0);
    k_mark_leave(&claim, 7);
    assert_false(is_there("7/g"));
    assert_true(is_there("7/h/1/0"));
    end(two);
}

static void test_who_died(void **state)
{
    (void)state;
    pid_t pid = asker("g", 7);
    keep("g", "1", 7);
    end(pid);
    assert_true(is_there("7/g/1/0"));
    struct k_mark_claim claim = {.state_dir = dir, .graph = "g", .file = -1, .keep = true};
    struct k_error err;
    pid = asker("g", 8);
    keep("g", "1", 8);
    assert_int_equal(k_mark_claim(&claim, 8, &err), 0);
    k_mark_leave(&claim, 8); // removes what the dead one left
    end(pid);
    assert_false(is_there("7"));
    assert_true(is_there("8/g/1/0"));
    claim.keep = false;
    assert_int_equal(k_mark_claim(&claim, 9, &err), 0);
    k_mark_leave(&claim, 9);
    assert_true(is_there("8/g/1/0")); // that was to be kept
}

static void test_it_leaves_while_the_copy_is_made(void **state)
{
    (void)state;
    leaves_meanwhile = asker("g", 7);
    keep("g", "1", 7);
    assert_false(is_there("7"));
}

// What a killed process with the same number left is in nobody's way; in a container all have the same.
static void test_half_a_copy(void **state)
{
    (void)state;
    pid_t pid = asker("g", 7);
    char *part = k_format("%s/.marks/7/g/1/0.part.%lld", dir, (long long)getpid());
    struct k_error err;
    assert_int_equal(k_directories_make(part, 0700, &err), 0);
    keep("g", "1", 7);
    assert_true(is_there("7/g/1/0"));
    free(part);
    end(pid);
}

// When the difference of a switch is over, also the copy goes of a generation that nobody hosts any more.
static void test_copies_of_a_switch(void **state)
{
    (void)state;
    struct k_copy_place places[] = {{dir, "g", "1", 0}, {dir, "g", "2", 0}, {dir, "g", "2", 1}, {dir, "h", "2", 0}};
    struct k_error err;
    for (size_t i = 0; i < 4; i++) assert_int_equal(k_copies_on_disk.keep(&places[i], &store, 3, &err), 0);
    assert_true(is_there("switch-3/g/1/0"));
    k_copies_on_disk.drop(&places[1], 3);
    assert_false(is_there("switch-3/g/1"));
    assert_false(is_there("switch-3/g/2/0"));
    assert_true(is_there("switch-3/g/2/1"));
    k_copies_on_disk.drop(&places[2], 3);
    assert_false(is_there("switch-3/g"));
    assert_true(is_there("switch-3/h/2/0"));
    k_copies_on_disk.drop(&places[3], 3);
    assert_false(is_there("switch-3"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nobody_waits, begin, finish),
        cmocka_unit_test_setup_teardown(test_whose, begin, finish),
        cmocka_unit_test_setup_teardown(test_who_died, begin, finish),
        cmocka_unit_test_setup_teardown(test_it_leaves_while_the_copy_is_made, begin, finish),
        cmocka_unit_test_setup_teardown(test_half_a_copy, begin, finish),
        cmocka_unit_test_setup_teardown(test_copies_of_a_switch, begin, finish),
    };
    return cmocka_run_group_tests_name("marks", tests, NULL, NULL);
}
