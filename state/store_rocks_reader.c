// The store on RocksDB, for processes that only read: a secondary of a live or stopped database.
//
// A secondary takes no lock and writes nothing into the database's directory. It reads the MANIFEST, then the WAL.
// Point lookups on it may answer from an old memtable what a newer file has, so everything here goes through iterators:
// an iterator fixes a sequence number, and with one kind of write (checkpoint.c) that is always the end of one apply.
//
// One trap remains, and it was met: between the MANIFEST and the WAL the writer may flush a memtable and delete its
// log. The reader then knows neither the log nor the new file, but reads the next log: a later batch without an earlier
// one. So catching up counts only if the same logs were there before and after: whatever had been deleted before was in
// the MANIFEST by then, and nothing was deleted or begun in between.
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "state/store_rocks.h"

enum {
    LOGS_MAX = 256, // more logs than this at one time are taken for no answer
    // The writer deletes files, logs too, between the moment a reader learns of them and the moment it opens them.
    // Then the reader looks again; the pause grows from 1 ms, together some 0.5 s.
    TRIES = 10,
    CATCH_UPS = 200, // with other logs before than after
};

struct reader_store {
    struct k_rocks_store rocks; // first
    char *scratch;
};

static void pause_before(int attempt)
{
    struct timespec pause = {.tv_nsec = 1000000L << (attempt < 7 ? attempt : 7)};
    nanosleep(&pause, NULL);
}

static int open_secondary(struct reader_store *store, struct k_error *err)
{
    struct k_rocks_store *rocks = &store->rocks;
    for (int attempt = 0;; attempt++) {
        char *message = NULL;
        rocks->db = rocksdb_open_as_secondary(rocks->options, rocks->directory, store->scratch, &message);
        if (!message) return 0;
        rocks->db = NULL;
        int rc = k_rocks_fail(rocks, message, err);
        if (rc != K_E_IO && rc != K_E_CORRUPT) return rc;
        if (attempt == TRIES) return rc;
        pause_before(attempt);
    }
}

// One iterator for all keys: a lookup is a seek.
static int reader_get(struct k_store *base, uint32_t n, const struct k_str *keys, struct k_arena *arena,
                      struct k_str *ret_values, struct k_error *err)
{
    struct k_store_iterator *iterator;
    int rc = k_rocks_iterate(base, (struct k_str){"", 0}, (struct k_str){0}, &iterator, err);
    if (rc) return rc;
    struct k_error failure = {0};
    for (uint32_t i = 0; failure.code == 0 && i < n; i++) {
        struct k_str key, value;
        ret_values[i] = (struct k_str){0};
        k_rocks_seek(iterator, keys[i]);
        if (k_rocks_next(iterator, &key, &value, &failure) && k_str_equal(key, keys[i]))
            ret_values[i] = (struct k_str){k_arena_copy(arena, value.data, value.length), value.length};
    }
    k_rocks_iterate_end(iterator);
    if (failure.code && err) *err = failure;
    return failure.code;
}

static int reader_apply(struct k_store *base, const struct k_write *writes, size_t n, struct k_error *err)
{
    (void)writes, (void)n;
    return k_fail(err, K_E_DENIED, "the state in \"%s\" is open for reading only",
                  ((struct k_rocks_store *)base)->directory);
}

static void reader_close(struct k_store *base)
{
    struct reader_store *store = (struct reader_store *)base;
    free(store->scratch);
    k_rocks_destroy(&store->rocks);
}

static const struct k_store_ops reader_ops = {
    .get = reader_get,
    .apply = reader_apply,
    .iterate = k_rocks_iterate,
    .next = k_rocks_next,
    .seek = k_rocks_seek,
    .iterate_end = k_rocks_iterate_end,
    .export_to = k_rocks_export,
    .pressure = k_rocks_pressure,
    .memory_used = k_rocks_memory_used,
    .disk_used = k_rocks_disk_used,
    .close = reader_close,
};

int k_store_rocks_open_reader(const char *directory, const char *scratch, uint64_t memory_bytes,
                              struct k_store **ret, struct k_error *err)
{
    char *current = k_format("%s/CURRENT", directory);
    bool present = access(current, F_OK) == 0;
    free(current);
    if (!present) return k_fail(err, K_E_NOT_FOUND, "there is no state in \"%s\"", directory);

    struct k_rocks_store *rocks;
    int rc = k_rocks_create(directory, K_ROCKS_READER, memory_bytes, &rocks, err);
    if (rc) return rc;
    struct reader_store *store = k_realloc(rocks, sizeof *store);
    store->scratch = k_strdup(scratch);
    store->rocks.base.ops = &reader_ops;
    bool empty = false;
    rc = open_secondary(store, err);
    if (rc == 0) rc = k_rocks_check_format(&store->rocks, &empty, err);
    if (rc == 0 && empty) rc = k_fail(err, K_E_NOT_FOUND, "the state in \"%s\" is still empty", directory);
    if (rc) {
        reader_close(&store->rocks.base);
        return rc;
    }
    *ret = &store->rocks.base;
    return 0;
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

// The numbers of the logs that there are, ascending.
static int list_logs(const struct reader_store *store, uint64_t logs[LOGS_MAX], uint32_t *ret_count,
                     struct k_error *err)
{
    const char *directory = store->rocks.directory;
    DIR *dir = opendir(directory);
    if (!dir) return k_fail(err, K_E_IO, "cannot list \"%s\": %s", directory, strerror(errno));
    const struct dirent *entry;
    *ret_count = 0;
    while ((entry = readdir(dir)) && *ret_count < LOGS_MAX) {
        char *end;
        uint64_t number = strtoull(entry->d_name, &end, 10);
        if (end != entry->d_name && strcmp(end, ".log") == 0) logs[(*ret_count)++] = number;
    }
    closedir(dir);
    qsort(logs, *ret_count, sizeof *logs, compare_numbers);
    return 0;
}

static int catch_up_once(struct reader_store *store, struct k_error *err)
{
    for (int attempt = 0;; attempt++) {
        char *message = NULL;
        rocksdb_try_catch_up_with_primary(store->rocks.db, &message);
        if (!message) return 0;
        int rc = k_rocks_fail(&store->rocks, message, err);
        if (attempt == TRIES) return rc;
        pause_before(attempt);
    }
}

int k_store_rocks_catch_up(struct k_store *base, struct k_error *err)
{
    struct reader_store *store = (struct reader_store *)base;
    K_ASSERT(base->ops == &reader_ops);
    uint64_t before[LOGS_MAX], after[LOGS_MAX];
    uint32_t before_count, after_count;
    for (int attempt = 0; attempt < CATCH_UPS; attempt++) {
        int rc = list_logs(store, before, &before_count, err);
        if (rc == 0) rc = catch_up_once(store, err);
        if (rc == 0) rc = list_logs(store, after, &after_count, err);
        if (rc) return rc;
        if (before_count == after_count && after_count < LOGS_MAX &&
            memcmp(before, after, after_count * sizeof *after) == 0)
            return 0;
    }
    return k_fail(err, K_E_UNAVAILABLE, "the state in \"%s\" changes faster than it can be read",
                  store->rocks.directory);
}
