// The store on RocksDB, for processes that only read: a secondary of a live or stopped database.
//
// A secondary takes no lock and writes nothing into the database's directory. It knows what is in the MANIFEST, and
// there is nothing else, since everything that is written is an ingested file (store_rocks_apply.c). So what an
// iterator shows is always the end of one apply. Two lookups with a catch-up between them may not be of the same one:
// whoever needs both takes them from one iterator.
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "state/store_rocks.h"

enum {
    // The writer deletes files between the moment a reader learns of them and the moment it opens them.
    // Then the reader looks again; the pause grows from 1 ms, together some 0.5 s.
    TRIES = 10,
};

struct reader_store {
    struct k_rocks_store rocks; // first
    char *scratch;
    bool moves; // a secondary; else open for reading only, as of then
};

static void pause_before(int attempt)
{
    struct timespec pause = {.tv_nsec = 1000000L << (attempt < 7 ? attempt : 7)};
    nanosleep(&pause, NULL);
}

// RocksDB's own lock says whether somebody writes.
static bool is_written(const char *directory)
{
    char *path = k_format("%s/LOCK", directory);
    int fd = open(path, O_RDWR);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    bool held = fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    if (fd >= 0) close(fd);
    free(path);
    return held;
}

// A secondary takes a file that it cannot read for one that is not there yet, and shows an older state.
static int open_still(struct reader_store *store, struct k_error *err)
{
    struct k_rocks_store *rocks = &store->rocks;
    char *message = NULL;
    rocksdb_options_set_db_log_dir(rocks->options, store->scratch); // it would lie among the files otherwise
    rocks->db = rocksdb_open_for_read_only(rocks->options, rocks->directory, 0, &message);
    if (!message) return 0;
    rocks->db = NULL;
    return k_rocks_fail(rocks, message, err);
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

int k_store_rocks_open_reader(const char *directory, const char *scratch, bool moves, uint64_t memory_bytes,
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
    store->moves = moves || is_written(directory);
    if (!store->moves) {
        rc = open_still(store, err);
        store->moves = rc && is_written(directory); // somebody began at this moment
    }
    if (store->moves) rc = open_secondary(store, err);
    if (rc == 0) rc = k_rocks_check_format(&store->rocks, &empty, err);
    if (rc == 0 && empty) rc = k_fail(err, K_E_NOT_FOUND, "the state in \"%s\" is still empty", directory);
    if (rc) {
        reader_close(&store->rocks.base);
        return rc;
    }
    *ret = &store->rocks.base;
    return 0;
}

int k_store_rocks_catch_up(struct k_store *base, struct k_error *err)
{
    struct reader_store *store = (struct reader_store *)base;
    K_ASSERT(base->ops == &reader_ops);
    for (int attempt = 0; store->moves; attempt++) {
        char *message = NULL;
        rocksdb_try_catch_up_with_primary(store->rocks.db, &message);
        if (!message) return 0;
        int rc = k_rocks_fail(&store->rocks, message, err);
        if (attempt == TRIES) return rc;
        pause_before(attempt);
    }
    return 0;
}
