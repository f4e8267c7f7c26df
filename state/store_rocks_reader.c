// The store on RocksDB, for processes that only read: a secondary of a live or stopped database.
//
// A secondary takes no lock and writes nothing into the database's directory. It knows what is in the MANIFEST, and
// there is nothing else, since everything that is written is an ingested file (store_rocks_apply.c). So what an
// iterator shows is always the end of one apply. Two lookups with a catch-up between them may not be of the same one:
// whoever needs both takes them from one iterator.
// Catching up costs RocksDB a list of the directory and several files opened, some hundred µs. As everything that is
// written shows in the MANIFEST, a look at its size tells for a hundredth of that whether there is anything at all.
// (A file that the MANIFEST names and that is gone already was deleted after a later entry, so the MANIFEST has grown.)
//
// A directory that is removed, or made anew, is another database. RocksDB does not see that: without CURRENT it takes
// itself for up to date, a MANIFEST of the same name for the one that it has open, a file of the same number for one of
// its own. So after it has looked we ask whether what it looked at is still what was opened; when it is not, this store
// is of no use any more.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "state/store_rocks.h"

enum {
    // The writer deletes files between the moment a reader learns of them and the moment it opens them.
    // Then the reader looks again; the pause grows from 1 ms, together some 0.5 s.
    TRIES = 10,
};

// What tells whether anything was written: which MANIFEST is the current one, and how long it is.
struct mark {
    ino_t current;           // CURRENT is replaced by another file whenever a new MANIFEST begins
    struct timespec changed; // which a copy of an older file does not bring back, as it does the time of writing
    off_t length;
};

// Which database it is.
struct origin {
    int directory; // held open, so that no other directory can get its number; -1: not open
    dev_t device;
    ino_t number;
    char identity[64]; // RocksDB's file IDENTITY; empty: there was none, as in a copy that nobody has written yet
};

struct reader_store {
    struct k_rocks_store rocks; // first
    char *scratch;
    bool moves; // a secondary; else open for reading only, as of then
    char *current_path;
    char *manifest_path;   // NULL: to be found
    struct mark caught_up; // to here, at least; zero: not yet
    struct origin origin;
    bool replaced; // since it was opened: what RocksDB shows may be a mixture
};

static void pause_before(int attempt)
{
    struct timespec pause = {.tv_nsec = 1000000L << (attempt < 7 ? attempt : 7)};
    nanosleep(&pause, NULL);
}

// The first line of a file of the database; false: it cannot be read.
static bool read_line(const struct reader_store *store, const char *name, char *out, int size)
{
    char *path = k_format("%s/%s", store->rocks.directory, name);
    FILE *file = fopen(path, "r");
    free(path);
    if (!file) return false;
    bool read = fgets(out, size, file) != NULL;
    fclose(file);
    return read;
}

static char *read_manifest_path(const struct reader_store *store)
{
    char name[64];
    if (!read_line(store, "CURRENT", name, sizeof name) || !strchr(name, '\n')) return NULL;
    name[strcspn(name, "\n")] = '\0';
    return k_format("%s/%s", store->rocks.directory, name);
}

static int note_origin(struct reader_store *store, struct k_error *err)
{
    struct origin *origin = &store->origin;
    struct stat status;
    origin->directory = open(store->rocks.directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (origin->directory < 0 || fstat(origin->directory, &status) != 0)
        return k_fail(err, K_E_IO, "cannot open state directory \"%s\": %s", store->rocks.directory, strerror(errno));
    origin->device = status.st_dev;
    origin->number = status.st_ino;
    if (!read_line(store, "IDENTITY", origin->identity, sizeof origin->identity)) origin->identity[0] = '\0';
    return 0;
}

// What cannot be told is left to RocksDB, which will say something about it.
static bool is_replaced(struct reader_store *store)
{
    struct origin *origin = &store->origin;
    struct stat status;
    // RocksDB replaces CURRENT by renaming: it is always there.
    if (stat(store->current_path, &status) != 0) return errno == ENOENT || errno == ENOTDIR;
    if (stat(store->rocks.directory, &status) != 0) return false;
    if (status.st_dev != origin->device || status.st_ino != origin->number) return true;
    char identity[sizeof origin->identity];
    if (!read_line(store, "IDENTITY", identity, sizeof identity)) return false;
    if (!origin->identity[0]) memcpy(origin->identity, identity, sizeof identity);
    return strcmp(identity, origin->identity) != 0;
}

// False: it cannot be told, as when files are being replaced.
static bool take_mark(struct reader_store *store, struct mark *ret)
{
    struct stat current, manifest;
    if (stat(store->current_path, &current) != 0) return false;
    const struct mark *last = &store->caught_up;
    if (!store->manifest_path || last->current != current.st_ino || last->changed.tv_sec != current.st_ctim.tv_sec ||
        last->changed.tv_nsec != current.st_ctim.tv_nsec) {
        free(store->manifest_path);
        store->manifest_path = read_manifest_path(store);
    }
    if (!store->manifest_path || stat(store->manifest_path, &manifest) != 0) return false;
    *ret = (struct mark){current.st_ino, current.st_ctim, manifest.st_size};
    return true;
}

static bool same_mark(const struct mark *a, const struct mark *b)
{
    return a->current == b->current && a->length == b->length && a->changed.tv_sec == b->changed.tv_sec &&
           a->changed.tv_nsec == b->changed.tv_nsec;
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

static int open_database(struct reader_store *store, struct k_error *err)
{
    const char *directory = store->rocks.directory;
    if (!store->moves && !k_store_rocks_is_open(directory, NULL)) {
        int rc = open_still(store, err);
        if (rc == 0 || !k_store_rocks_is_open(directory, NULL)) return rc; // else somebody began at this moment
    }
    store->moves = true;
    return open_secondary(store, err);
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
    free(store->current_path);
    free(store->manifest_path);
    if (store->origin.directory >= 0) close(store->origin.directory);
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
    struct k_rocks_store *rocks = NULL;
    int rc = access(current, F_OK) == 0 ? k_rocks_create(directory, K_ROCKS_READER, memory_bytes, &rocks, err)
                                        : k_fail(err, K_E_NOT_FOUND, "there is no state in \"%s\"", directory);
    if (rc) {
        free(current);
        return rc;
    }
    struct reader_store *store = k_realloc(rocks, sizeof *store);
    *store = (struct reader_store){
        .rocks = store->rocks, .scratch = k_strdup(scratch), .moves = moves, .current_path = current};
    store->rocks.base.ops = &reader_ops;
    bool empty = false;
    rc = note_origin(store, err);
    if (rc == 0) rc = open_database(store, err);
    if (rc == 0) rc = k_rocks_check_format(&store->rocks, &empty, err);
    if (rc == 0 && empty) rc = k_fail(err, K_E_NOT_FOUND, "the state in \"%s\" is still empty", directory);
    if (rc) {
        reader_close(&store->rocks.base);
        return rc;
    }
    *ret = &store->rocks.base;
    return 0;
}

int k_store_rocks_catch_up(struct k_store *base, bool *ret_moved, struct k_error *err)
{
    struct reader_store *store = (struct reader_store *)base;
    K_ASSERT(base->ops == &reader_ops);
    *ret_moved = false;
    if (!store->moves) return 0;
    for (int attempt = 0; !store->replaced; attempt++) {
        // Taken before: what is written meanwhile shows the next time, whether or not it was seen now.
        struct mark mark;
        bool marked = take_mark(store, &mark);
        if (marked && same_mark(&mark, &store->caught_up)) return 0;
        char *message = NULL;
        rocksdb_try_catch_up_with_primary(store->rocks.db, &message);
        store->replaced = is_replaced(store);
        if (store->replaced) {
            rocksdb_free(message);
            break;
        }
        if (!message) {
            store->caught_up = marked ? mark : (struct mark){0};
            *ret_moved = true;
            return 0;
        }
        int rc = k_rocks_fail(&store->rocks, message, err);
        if (attempt == TRIES) return rc;
        pause_before(attempt);
    }
    return k_fail(err, K_E_UNAVAILABLE,
                  "the state in \"%s\" was removed or replaced since it was opened; open it again",
                  store->rocks.directory);
}
