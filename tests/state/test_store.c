// The contract of the store, over both implementations; then what only a real directory can be: foreign, newer,
// damaged, locked, full.
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rocksdb/c.h>

#include "tests/state/support.h"

enum { BUDGET = 8 << 20 };

struct fixture {
    struct k_store *store;
    struct k_memory_disk *disk;
    char *directory;
};

static void open_fixture(struct fixture *fixture, bool rocks)
{
    struct k_error err = {0};
    if (rocks) {
        if (!fixture->directory) fixture->directory = make_directory();
        check_ok(k_store_rocks_open(fixture->directory, true, BUDGET, &fixture->store, &err), &err);
    } else {
        if (!fixture->disk) fixture->disk = k_memory_disk_create();
        check_ok(k_store_memory_open(fixture->disk, NULL, NULL, &fixture->store, &err), &err);
    }
}

static void close_fixture(struct fixture *fixture)
{
    fixture->store->ops->close(fixture->store);
    k_memory_disk_destroy(fixture->disk);
    if (fixture->directory) remove_directory(fixture->directory);
}

static struct k_write put(const char *key, const char *value)
{
    return (struct k_write){.key = k_str_of(key), .value = k_str_of(value)};
}
static struct k_write drop(const char *key) { return (struct k_write){.key = k_str_of(key), .remove = true}; }
static struct k_write drop_range(const char *from, const char *to)
{
    return (struct k_write){.key = k_str_of(from), .to = k_str_of(to), .remove = true};
}

static void apply(struct k_store *store, const struct k_write *writes, size_t n)
{
    struct k_error err = {0};
    check_ok(store->ops->apply(store, writes, n, &err), &err);
}

// All pairs of an iterator as "key=value " text; keys below "a" (the format) are left out.
static void check_pairs(struct k_store *store, struct k_store_iterator *iterator, const char *expected)
{
    char text[1000] = "";
    struct k_str key, value;
    struct k_error err = {0};
    while (store->ops->next(iterator, &key, &value, &err)) {
        if (key.data[0] < 'a') continue;
        size_t length = strlen(text);
        snprintf(text + length, sizeof text - length, "%.*s=%.*s ", (int)key.length, key.data, (int)value.length,
                 value.data);
    }
    assert_int_equal(err.code, 0);
    assert_string_equal(text, expected);
}

static void check_range(struct k_store *store, struct k_str from, struct k_str to, const char *expected)
{
    struct k_error err = {0};
    struct k_store_iterator *iterator;
    check_ok(store->ops->iterate(store, from, to, &iterator, &err), &err);
    check_pairs(store, iterator, expected);
    store->ops->iterate_end(iterator);
}

static void check_all(struct k_store *store, const char *expected)
{
    check_range(store, K_STR(""), (struct k_str){0}, expected);
}

static void check_contract(bool rocks, bool scratch)
{
    struct fixture fixture = {0};
    open_fixture(&fixture, rocks);
    if (scratch) {
        // What a memtable says of a range holds for the files below it as well.
        apply(fixture.store, (struct k_write[]){put("bb", "gone"), put("c", "older"), put("d", "older")}, 3);
        k_store_rocks_be_scratch(fixture.store);
        apply(fixture.store, (struct k_write[]){drop("d"), drop_range("b", "d")}, 2);
    }
    struct k_store *store = fixture.store;
    struct k_error err = {0};
    apply(store, (struct k_write[]){put("d", "4"), put("b", "2"), put("a", ""), put("c", "3")}, 4);
    check_all(store, "a= b=2 c=3 d=4 ");
    check_range(store, K_STR("b"), K_STR("d"), "b=2 c=3 ");
    check_range(store, K_STR("bb"), K_STR("c"), "");

    // Any order; a range goes first wherever it stands.
    struct k_store_iterator *before;
    check_ok(store->ops->iterate(store, K_STR("a"), (struct k_str){0}, &before, &err), &err);
    apply(store, (struct k_write[]){put("c", "new"), drop("d"), drop_range("b", "d"), put("e", "5"), drop("zz")}, 5);
    check_all(store, "a= c=new e=5 ");
    apply(store, (struct k_write[]){drop_range("a", "b"), drop_range("aa", "c"), put("b", "x")}, 3);
    check_all(store, "b=x c=new e=5 ");
    // An iterator sees the moment of its making.
    check_pairs(store, before, "a= b=2 c=3 d=4 ");
    store->ops->seek(before, K_STR("c"));
    check_pairs(store, before, "c=3 d=4 ");
    store->ops->seek(before, K_STR("a"));
    check_pairs(store, before, "a= b=2 c=3 d=4 ");
    store->ops->iterate_end(before);
    store->ops->iterate_end(NULL);

    enum { MANY = 200 };
    struct k_str keys[MANY], values[MANY];
    for (int i = 0; i < MANY; i++) keys[i] = i % 3 ? K_STR("nothing") : i % 2 ? K_STR("e") : K_STR("c");
    struct k_arena arena;
    k_arena_init(&arena);
    check_ok(store->ops->get(store, MANY, keys, &arena, values, &err), &err);
    for (int i = 0; i < MANY; i++)
        if (i % 3) assert_null(values[i].data);
        else assert_true(k_str_equal(values[i], i % 2 ? K_STR("5") : K_STR("new")));
    k_arena_fini(&arena);

    if (scratch) { // what it has need not last
        close_fixture(&fixture);
        return;
    }
    store->ops->close(store);
    open_fixture(&fixture, rocks);
    check_all(fixture.store, "b=x c=new e=5 ");
    assert_true(fixture.store->ops->memory_used(fixture.store) > 0);
    close_fixture(&fixture);
}

static void test_contract_memory(void **unused)
{
    (void)unused;
    check_contract(false, false);
}
static void test_contract_rocks(void **unused)
{
    (void)unused;
    check_contract(true, false);
}
static void test_contract_scratch(void **unused)
{
    (void)unused;
    check_contract(true, true);
}

static void check_export(bool rocks)
{
    struct fixture fixture = {0};
    open_fixture(&fixture, rocks);
    char *top = make_directory(), *copy = k_format("%s/copy", top);
    struct k_error err = {0};
    apply(fixture.store, (struct k_write[]){put("a", "1"), put("b", "2")}, 2);
    check_ok(fixture.store->ops->export_to(fixture.store, copy, &err), &err);
    apply(fixture.store, (struct k_write[]){put("a", "later")}, 1);
    struct k_store *exported;
    check_ok(k_store_rocks_open(copy, false, BUDGET, &exported, &err), &err);
    check_all(exported, "a=1 b=2 ");
    apply(exported, (struct k_write[]){put("c", "3")}, 1);
    exported->ops->close(exported);
    check_all(fixture.store, "a=later b=2 ");
    assert_int_not_equal(fixture.store->ops->export_to(fixture.store, copy, &err), rocks ? 0 : 1);
    close_fixture(&fixture);
    free(copy);
    remove_directory(top);
}

static void test_export(void **unused)
{
    (void)unused;
    check_export(false);
    check_export(true);
}

static void expect_refusal(const char *directory, bool create, int code, const char *words)
{
    struct k_store *store;
    struct k_error err = {0};
    assert_int_equal(k_store_rocks_open(directory, create, BUDGET, &store, &err), code);
    assert_int_equal(err.code, code);
    if (!strstr(err.text, words)) fail_msg("\"%s\" does not say \"%s\"", err.text, words);
    if (!strstr(err.text, directory)) fail_msg("\"%s\" does not name the directory", err.text);
}

static void write_file(const char *directory, const char *name, const char *text)
{
    char *path = k_format("%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    free(path);
}

static rocksdb_t *open_raw(const char *directory)
{
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(options, 1);
    char *message = NULL;
    rocksdb_t *db = rocksdb_open(options, directory, &message);
    assert_null(message);
    rocksdb_options_destroy(options);
    return db;
}

static void put_raw(rocksdb_t *db, const char *key, size_t length, const char *value)
{
    rocksdb_writeoptions_t *options = rocksdb_writeoptions_create();
    char *message = NULL;
    rocksdb_put(db, options, key, length, value, strlen(value), &message);
    assert_null(message);
    rocksdb_writeoptions_destroy(options);
}

static void test_absent(void **unused)
{
    (void)unused;
    char *top = make_directory(), *deep = k_format("%s/a/b/c", top);
    expect_refusal(deep, false, K_E_NOT_FOUND, "no state");
    expect_refusal(top, false, K_E_NOT_FOUND, "no state");
    struct k_store *store;
    struct k_error err = {0};
    check_ok(k_store_rocks_open(deep, true, BUDGET, &store, &err), &err);
    store->ops->close(store);
    check_ok(k_store_rocks_open(deep, false, BUDGET, &store, &err), &err);
    store->ops->close(store);
    write_file(top, "file", "x");
    char *file = k_format("%s/file", top);
    expect_refusal(file, true, K_E_CORRUPT, "no directory");
    free(file);
    free(deep);
    remove_directory(top);
}

static void test_foreign(void **unused)
{
    (void)unused;
    char *directory = make_directory();
    write_file(directory, "thesis.txt", "years of work");
    expect_refusal(directory, true, K_E_CORRUPT, "not empty");
    char *path = k_format("%s/thesis.txt", directory);
    assert_int_equal(access(path, F_OK), 0);
    free(path);
    remove_directory(directory);

    // Somebody else's RocksDB, empty or not, stays as it is.
    directory = make_directory();
    rocksdb_close(open_raw(directory));
    expect_refusal(directory, true, K_E_CORRUPT, "no state of kappa");
    rocksdb_t *db = open_raw(directory);
    put_raw(db, "k", 1, "v");
    rocksdb_close(db);
    expect_refusal(directory, true, K_E_CORRUPT, "no state of kappa");
    remove_directory(directory);
}

static void test_other_formats(void **unused)
{
    (void)unused;
    static const struct { const char *format, *words; } cases[] = {
        {"2", "has format 2"}, {"999999999", "format 999999999"}, {"", "no state"}, {"one", "no state"},
        {"0", "no state"}, {"1 ", "no state"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *directory = make_directory();
        rocksdb_t *db = open_raw(directory);
        put_raw(db, "\0format", 7, cases[i].format);
        rocksdb_close(db);
        expect_refusal(directory, true, K_E_CORRUPT, cases[i].words);
        remove_directory(directory);
    }
}

// A creation may be cut short at any point before the format is written: the next one goes on.
static void test_creation_cut_short(void **unused)
{
    (void)unused;
    struct k_error err = {0};
    struct k_store *store;
    char *directory = make_directory();
    write_file(directory, "OWNER", "kappa state\n");
    check_ok(k_store_rocks_open(directory, true, BUDGET, &store, &err), &err);
    store->ops->close(store);
    remove_directory(directory);

    directory = make_directory();
    write_file(directory, "OWNER", "kappa state\n");
    rocksdb_close(open_raw(directory));
    check_ok(k_store_rocks_open(directory, true, BUDGET, &store, &err), &err);
    store->ops->close(store);
    remove_directory(directory);
}

static void for_each_table_file(const char *directory, void (*act)(const char *path))
{
    char *command = k_format("ls %s/*.sst", directory), path[500];
    FILE *list = popen(command, "r");
    int found = 0;
    while (fgets(path, sizeof path, list)) {
        path[strcspn(path, "\n")] = '\0';
        act(path);
        found++;
    }
    pclose(list);
    free(command);
    assert_true(found > 0);
}

static void flip_bits(const char *path)
{
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    fseek(file, 20, SEEK_SET);
    int byte = fgetc(file);
    fseek(file, 20, SEEK_SET);
    fputc(byte ^ 0x55, file);
    fclose(file);
}
static void delete_file(const char *path) { assert_int_equal(unlink(path), 0); }

static char *make_flushed(void)
{
    char *top = make_directory(), *directory = k_format("%s/state", top), *source = k_format("%s/source", top);
    struct k_error err = {0};
    struct k_store *store;
    check_ok(k_store_rocks_open(source, true, BUDGET, &store, &err), &err);
    apply(store, (struct k_write[]){put("a", "1"), put("b", "2")}, 2);
    check_ok(store->ops->export_to(store, directory, &err), &err); // an export has table files only
    store->ops->close(store);
    free(source);
    free(directory);
    return top;
}

static void test_damaged(void **unused)
{
    (void)unused;
    char *top = make_flushed(), *directory = k_format("%s/state", top);
    for_each_table_file(directory, delete_file);
    expect_refusal(directory, true, K_E_CORRUPT, "");
    char *current = k_format("%s/CURRENT", directory);
    delete_file(current);
    free(current);
    write_file(directory, "000001.sst", "");
    expect_refusal(directory, true, K_E_CORRUPT, "not empty");
    write_file(directory, "OWNER", "kappa state\n");
    expect_refusal(directory, true, K_E_CORRUPT, "CURRENT is gone");
    free(directory);
    remove_directory(top);

    // A flipped bit is found when it is read.
    top = make_flushed();
    directory = k_format("%s/state", top);
    for_each_table_file(directory, flip_bits);
    expect_refusal(directory, true, K_E_CORRUPT, "");
    free(directory);
    remove_directory(top);
}

static void test_locked(void **unused)
{
    (void)unused;
    char *directory = make_directory();
    int ready[2], done[2];
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(done), 0);
    pid_t child = fork();
    if (child == 0) {
        struct k_store *store;
        struct k_error err = {0};
        char byte = 1;
        check_ok(k_store_rocks_open(directory, true, BUDGET, &store, &err), &err);
        if (write(ready[1], &byte, 1) != 1 || read(done[0], &byte, 1) != 1) _exit(1);
        store->ops->close(store);
        _exit(0);
    }
    char byte, *holder = k_format("process %ld", (long)child);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    expect_refusal(directory, true, K_E_UNAVAILABLE, holder);
    expect_refusal(directory, true, K_E_UNAVAILABLE, "fuser");
    assert_int_equal(write(done[1], &byte, 1), 1);
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    struct k_store *store;
    struct k_error err = {0};
    check_ok(k_store_rocks_open(directory, false, BUDGET, &store, &err), &err);
    expect_refusal(directory, true, K_E_UNAVAILABLE, "in use"); // twice in one process
    store->ops->close(store);
    free(holder);
    remove_directory(directory);
}

static void test_too_few_files(void **unused)
{
    (void)unused;
    char *directory = make_directory();
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit = {100, 100};
        struct k_store *store;
        struct k_error err = {0};
        setrlimit(RLIMIT_NOFILE, &limit);
        int rc = k_store_rocks_open(directory, true, BUDGET, &store, &err);
        _exit(rc == K_E_CONFIG && strstr(err.text, "100 files") ? 0 : 1);
    }
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    remove_directory(directory);
}

// Fills a small file system by checkpoints until one is refused. It must have changed nothing, reads go on, and when
// there is room again, so do writes.
static void fill_disk(const char *directory)
{
    struct k_error err = {0};
    struct k_store *store;
    struct k_state *state;
    struct k_family *family;
    struct k_state_options options = {.cache_bytes = 64 << 20};
    check_ok(k_store_rocks_open(directory, true, BUDGET, &store, &err), &err);
    check_ok(k_state_open(store, &options, &state, &err), &err);
    check_ok(k_state_family(state, "f", &thing_type, NULL, &family, &err), &err);
    char *ballast = k_format("%s/../ballast", directory), text[4000];
    uint64_t random = 1;
    int rc = 0, round = 0;
    for (; rc == 0 && round < 1000; round++) {
        for (uint64_t i = 0; i < 100; i++) {
            for (size_t b = 0; b < sizeof text; b += 8) {
                uint64_t noise = k_random(&random);
                memcpy(text + b, &noise, 8);
            }
            uint64_t id = i + 100 * (uint64_t)(round % 20);
            struct k_str key = {(const char *)&id, 8};
            void *value;
            check_ok(k_family_find(family, K_FIND_OR_CREATE, 1, NULL, &key, &value, NULL, &err), &err);
            thing_set(value, round, (struct k_str){text, sizeof text});
            k_family_dirty(family, value);
        }
        struct k_str position = {(const char *)&round, sizeof round};
        rc = k_state_checkpoint(state, position, &err);
        if (rc == 0) k_state_trim(state);
    }
    if (rc != K_E_DISK_FULL) {
        fprintf(stderr, "# child: expected a full disk, got %s: %s\n", k_error_name(rc), err.text);
        _exit(2);
    }
    int stored = -1;
    memcpy(&stored, k_state_position(state).data, sizeof stored);
    struct k_state_figures figures;
    k_state_figures(state, &figures);
    if (stored != round - 2 || figures.dirty_entries != 100) _exit(3);
    // Reads go on.
    struct k_str key = K_STR("\0position"), value;
    struct k_arena arena;
    k_arena_init(&arena);
    check_ok(store->ops->get(store, 1, &key, &arena, &value, &err), &err);
    if (value.length != sizeof stored || memcmp(value.data, &stored, sizeof stored) != 0) _exit(4);
    k_arena_fini(&arena);
    // Room again: the very same checkpoint succeeds, by itself, after a while.
    unlink(ballast);
    stored++;
    for (int tries = 0;; tries++) {
        rc = k_state_checkpoint(state, (struct k_str){(const char *)&stored, sizeof stored}, &err);
        if (rc == 0) break;
        if (rc != K_E_DISK_FULL || tries == 3000) check_ok(rc, &err);
        usleep(10000);
    }
    k_state_destroy(state);
    check_ok(k_store_rocks_open(directory, false, BUDGET, &store, &err), &err);
    check_ok(k_state_open(store, &options, &state, &err), &err);
    if (memcmp(k_state_position(state).data, &stored, sizeof stored) != 0) _exit(5);
    k_state_destroy(state);
    free(ballast);
    _exit(0);
}

static void test_disk_full(void **unused)
{
    (void)unused;
    char *mount_point = make_directory();
    pid_t child = fork();
    if (child == 0) {
        // A mount of its own, which nobody else sees; not everybody may.
        if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
            mount("tmpfs", mount_point, "tmpfs", 0, "size=64m") != 0)
            _exit(77);
        char *ballast = k_format("%s/ballast", mount_point), *directory = k_format("%s/state", mount_point);
        int fd = open(ballast, O_CREAT | O_WRONLY, 0600);
        if (fd < 0 || posix_fallocate(fd, 0, 44 << 20) != 0) _exit(6);
        close(fd);
        fill_disk(directory);
    }
    int status;
    waitpid(child, &status, 0);
    remove_directory(mount_point);
    if (status == 77 << 8) {
        fprintf(stderr, "# mounting a file system is not allowed here\n");
        skip();
    }
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        // First: a child has none of the threads that RocksDB has started in its parent by then.
        cmocka_unit_test(test_disk_full),
        cmocka_unit_test(test_contract_memory), cmocka_unit_test(test_contract_rocks),
        cmocka_unit_test(test_contract_scratch),
        cmocka_unit_test(test_export),          cmocka_unit_test(test_absent),
        cmocka_unit_test(test_foreign),         cmocka_unit_test(test_other_formats),
        cmocka_unit_test(test_creation_cut_short), cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_locked),          cmocka_unit_test(test_too_few_files),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
