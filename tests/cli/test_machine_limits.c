// Limits of memory, read from made-up trees of /proc and /sys.
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/machine_limits.h"
#include "tests/base/test.h"

static char *root;

static void write_file(const char *path, const char *text)
{
    char *full = k_format("%s/%s", root, path);
    for (char *c = full + strlen(root) + 1; *c; c++) {
        if (*c != '/') continue;
        *c = '\0';
        mkdir(full, 0700);
        *c = '/';
    }
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    free(full);
}

static int make_root(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    root = k_format("%s/kappa-limits-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(root)) return 1;
    write_file("proc/meminfo", "MemTotal:       16777216 kB\nMemFree: 1 kB\n");
    return 0;
}

static int remove_root(void **state)
{
    (void)state;
    char *command = k_format("rm -r '%s'", root);
    int status = system(command);
    free(command);
    free(root);
    return status;
}

static uint64_t limit(const char *wanted_where)
{
    char where[400];
    uint64_t bytes = limits_memory_bytes(root, where, sizeof where);
    assert_string_equal(where + strlen(root), wanted_where);
    return bytes;
}

static void test_machine_only(void **state)
{
    (void)state;
    assert_int_equal(limit("/proc/meminfo"), 16ull << 30);
}

static void test_version_2(void **state)
{
    (void)state;
    write_file("proc/self/cgroup", "0::/user/app\n");
    write_file("sys/fs/cgroup/user/app/memory.max", "max\n");
    assert_int_equal(limit("/proc/meminfo"), 16ull << 30);
    write_file("sys/fs/cgroup/user/memory.max", "1073741824\n");
    assert_int_equal(limit("/sys/fs/cgroup/user/memory.max"), 1 << 30);
    write_file("sys/fs/cgroup/user/app/memory.max", "536870912\n");
    assert_int_equal(limit("/sys/fs/cgroup/user/app/memory.max"), 512 << 20);
}

static void test_version_1(void **state)
{
    (void)state;
    write_file("proc/self/cgroup", "7:cpu,memory:/docker/abc\n1:name=systemd:/x\n");
    // Inside a container only the root of the hierarchy is there.
    write_file("sys/fs/cgroup/memory/memory.limit_in_bytes", "50331648\n");
    assert_int_equal(limit("/sys/fs/cgroup/memory/memory.limit_in_bytes"), 48 << 20);
}

static void test_no_limit_of_version_1(void **state)
{
    (void)state;
    write_file("proc/self/cgroup", "7:memory:/\n");
    write_file("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    assert_int_equal(limit("/proc/meminfo"), 16ull << 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_machine_only, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_version_2, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_version_1, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_no_limit_of_version_1, make_root, remove_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
