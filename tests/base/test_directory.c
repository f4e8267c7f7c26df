// Directories: whole paths made, trees removed, and what is in the way.
#include "tests/base/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/directory.h"
#include "base/memory.h"

static char *top;

static int set_up(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    top = k_format("%s/kappa-directory-XXXXXX", base ? base : "/tmp");
    return mkdtemp(top) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    bool gone = k_tree_remove(top);
    free(top);
    return gone ? 0 : -1;
}

// Below top.
static const char *at(const char *name)
{
    static char paths[4][300];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", top, name);
    return path;
}

static void put_file(const char *name)
{
    FILE *file = fopen(at(name), "w");
    assert_non_null(file);
    fclose(file);
}

static bool is_there(const char *name)
{
    struct stat status;
    return lstat(at(name), &status) == 0;
}

static void test_make(void **state)
{
    (void)state;
    struct k_error err;
    struct stat status;
    assert_int_equal(k_directories_make_above(at("a/b/c"), 0700, &err), 0);
    assert_true(is_there("a/b") && !is_there("a/b/c"));
    for (int i = 0; i < 2; i++) assert_int_equal(k_directories_make(at("a/b/c"), 0700, &err), 0);
    assert_int_equal(stat(at("a/b/c"), &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    put_file("a/file");
    assert_int_equal(k_directories_make(at("a/file/below"), 0700, &err), K_E_IO);
    assert_non_null(strstr(err.text, "a/file/below cannot be made: Not a directory"));
}

static void test_rename(void **state)
{
    (void)state;
    struct k_error err;
    put_file("one");
    assert_int_equal(k_path_rename(at("one"), at("two"), &err), 0);
    assert_true(!is_there("one") && is_there("two"));
    assert_int_equal(k_path_rename(at("one"), at("two"), &err), K_E_IO);
    assert_non_null(strstr(err.text, "/two: No such file or directory"));
}

static void test_remove(void **state)
{
    (void)state;
    struct k_error err;
    assert_int_equal(k_directories_make(at("tree/inner"), 0700, &err), 0);
    assert_int_equal(k_directories_make(at("other"), 0700, &err), 0);
    put_file("tree/inner/file");
    put_file("other/file");
    assert_int_equal(symlink(at("other"), at("tree/link")), 0);
    for (int i = 0; i < 2; i++) assert_true(k_tree_remove(at("tree")));
    assert_true(!is_there("tree") && is_there("other/file"));
    assert_true(k_tree_remove(at("other/file")));
    assert_false(is_there("other/file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_make, set_up, tear_down),
                                       cmocka_unit_test_setup_teardown(test_rename, set_up, tear_down),
                                       cmocka_unit_test_setup_teardown(test_remove, set_up, tear_down)};
    return cmocka_run_group_tests_name("directory", tests, NULL, NULL);
}
