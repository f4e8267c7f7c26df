// The store on RocksDB, for the process that writes.
//
// One column family. What is written, and how, is store_rocks_apply.c: after a crash of the process or of the machine
// nothing that apply acknowledged is lost, and what is there is always the state of one apply.
//
// A directory is never wiped. It becomes a state by a file OWNER, written before RocksDB makes its files, and the key
// "\0format", written last; a directory that has neither belongs to somebody else.
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/directory.h"
#include "state/encoding.h"
#include "state/store_rocks.h"

enum {
    GET_BATCH = 64, // keys of one multi-get: bounds the blocks that it pins in the cache
};

// Neighbours lie in the same blocks, and are asked for by the same parts of index and filter: in order, a batch of
// thousands of keys finds most of those in the cache, or even at hand from the key before.
struct sought {
    struct k_str key;
    uint32_t index; // where the caller has it
};

static int by_key(const void *a, const void *b)
{
    return k_str_compare(((const struct sought *)a)->key, ((const struct sought *)b)->key);
}

static int get_batch(struct k_rocks_store *store, uint32_t n, const struct sought *sought, struct k_arena *arena,
                     struct k_str *ret_values, struct k_error *err)
{
    const char *data[GET_BATCH];
    size_t lengths[GET_BATCH];
    rocksdb_pinnableslice_t *slices[GET_BATCH] = {0};
    char *messages[GET_BATCH] = {0};
    for (uint32_t i = 0; i < n; i++) {
        data[i] = sought[i].key.data;
        lengths[i] = sought[i].key.length;
    }
    rocksdb_batched_multi_get_cf(store->db, store->read_options, store->family, n, data, lengths, slices, messages,
                                 true);
    int rc = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (messages[i] && rc == 0) rc = k_rocks_fail(store, messages[i], err);
        else rocksdb_free(messages[i]);
        struct k_str *value = &ret_values[sought[i].index];
        *value = (struct k_str){0};
        if (!slices[i]) continue;
        size_t length;
        const char *bytes = rocksdb_pinnableslice_value(slices[i], &length);
        *value = (struct k_str){k_arena_copy(arena, bytes, length), (uint32_t)length};
        rocksdb_pinnableslice_destroy(slices[i]);
    }
    return rc;
}

static int rocks_get(struct k_store *base, uint32_t n, const struct k_str *keys, struct k_arena *arena,
                     struct k_str *ret_values, struct k_error *err)
{
    struct k_rocks_store *store = (struct k_rocks_store *)base;
    struct sought *sought = k_arena_array(arena, struct sought, n);
    for (uint32_t i = 0; i < n; i++) sought[i] = (struct sought){keys[i], i};
    qsort(sought, n, sizeof *sought, by_key);
    int rc = 0;
    for (uint32_t from = 0; rc == 0 && from < n; from += GET_BATCH)
        rc = get_batch(store, n - from < GET_BATCH ? n - from : GET_BATCH, sought + from, arena, ret_values, err);
    return rc;
}

static const struct k_store_ops rocks_ops = {
    .get = rocks_get,
    .apply = k_rocks_apply,
    .iterate = k_rocks_iterate,
    .next = k_rocks_next,
    .seek = k_rocks_seek,
    .iterate_end = k_rocks_iterate_end,
    .export_to = k_rocks_export,
    .pressure = k_rocks_pressure,
    .memory_used = k_rocks_memory_used,
    .disk_used = k_rocks_disk_used,
    .close = k_rocks_close,
};

// What stands in a directory before it is opened.
struct survey {
    bool exists, rocksdb, owner, foreign;
};

static int fail_errno(struct k_error *err, const char *what, const char *path)
{
    int code = errno == EACCES || errno == EPERM || errno == EROFS ? K_E_DENIED
               : errno == ENOSPC || errno == EDQUOT                ? K_E_DISK_FULL
                                                                   : K_E_IO;
    return k_fail(err, code, "cannot %s \"%s\": %s", what, path, strerror(errno));
}

static int survey_directory(const char *directory, struct survey *survey, struct k_error *err)
{
    *survey = (struct survey){0};
    DIR *dir = opendir(directory);
    if (!dir && errno == ENOENT) return 0;
    if (!dir && errno == ENOTDIR) return k_fail(err, K_E_CORRUPT, "\"%s\" is no directory", directory);
    if (!dir) return fail_errno(err, "open state directory", directory);
    survey->exists = true;
    const struct dirent *entry;
    while ((entry = readdir(dir))) {
        const char *name = entry->d_name, *dot = strrchr(name, '.');
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
        if (strcmp(name, "OWNER") == 0) survey->owner = true;
        else if (strcmp(name, "CURRENT") == 0) survey->rocksdb = true;
        // What an open that was cut short may leave behind; anything else has to belong to a RocksDB.
        else if (strcmp(name, "OWNER.new") != 0 && strcmp(name, "LOCK") != 0 && strcmp(name, "IDENTITY") != 0 &&
                 strncmp(name, "LOG", 3) != 0 && strncmp(name, "MANIFEST-", 9) != 0 &&
                 !(dot && strcmp(dot, ".dbtmp") == 0))
            survey->foreign = true;
    }
    closedir(dir);
    return 0;
}

static int check_survey(const char *directory, const struct survey *survey, bool create, struct k_error *err)
{
    if (!survey->exists && !create) return k_fail(err, K_E_NOT_FOUND, "there is no state directory \"%s\"", directory);
    if (survey->rocksdb) return 0;
    if (survey->foreign)
        return k_fail(err, K_E_CORRUPT, survey->owner ? "the state in \"%s\" is damaged: its file CURRENT is gone"
                                                      : "\"%s\" is not empty and holds no state of kappa",
                      directory);
    return create ? 0 : k_fail(err, K_E_NOT_FOUND, "there is no state in \"%s\"", directory);
}

// Says whose directory this is: for people, and for the check above.
static int write_owner(const char *directory, struct k_error *err)
{
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    char *path = k_format("%s/OWNER", directory), *fresh = k_format("%s/OWNER.new", directory);
    FILE *file = fopen(fresh, "w");
    int rc = 0;
    if (file)
        fprintf(file, "kappa state, format %d; last written by process %ld on %s\n", K_STATE_FORMAT, (long)getpid(),
                host);
    if (!file || fclose(file) != 0 || rename(fresh, path) != 0) rc = fail_errno(err, "write", path);
    free(path);
    free(fresh);
    return rc;
}

static int fail_locked(const char *directory, struct k_error *err)
{
    char line[256] = "";
    char *path = k_format("%s/OWNER", directory);
    FILE *file = fopen(path, "r");
    if (file && fgets(line, sizeof line, file)) line[strcspn(line, "\n")] = '\0';
    if (file) fclose(file);
    free(path);
    const char *by = strstr(line, "last written by ");
    return k_fail(err, K_E_UNAVAILABLE, "the state in \"%s\" is in use%s%s; `fuser %s/LOCK` names the process",
                  directory, by ? ", " : "", by ? by : "", directory);
}

static int open_database(struct k_rocks_store *store, bool create, struct k_error *err)
{
    rocksdb_options_set_create_if_missing(store->options, create);
    const char *name = "default";
    const rocksdb_options_t *options = store->options;
    char *message = NULL;
    store->db = rocksdb_open_column_families(store->options, store->directory, 1, &name, &options, &store->family,
                                             &message);
    if (!message) return 0;
    if (strstr(message, "lock file") || strstr(message, "lock hold")) {
        rocksdb_free(message);
        return fail_locked(store->directory, err);
    }
    return k_rocks_fail(store, message, err);
}

// An empty RocksDB is ours if we announced it.
static int write_format(struct k_rocks_store *store, bool announced, struct k_error *err)
{
    if (!announced)
        return k_fail(err, K_E_CORRUPT, "\"%s\" is an empty RocksDB, but no state of kappa", store->directory);
    char text[16];
    int length = snprintf(text, sizeof text, "%d", K_STATE_FORMAT);
    struct k_write write = {.key = K_STR("\0format"), .value = {text, (uint32_t)length}};
    return k_rocks_apply(&store->base, &write, 1, err);
}

int k_store_rocks_open(const char *directory, bool create, uint64_t memory_bytes, struct k_store **ret,
                       struct k_error *err)
{
    struct survey survey;
    int rc = survey_directory(directory, &survey, err);
    if (rc == 0) rc = check_survey(directory, &survey, create, err);
    if (rc == 0 && !survey.exists) rc = k_directories_make(directory, 0777, err);
    if (rc == 0 && !survey.rocksdb && !survey.owner) rc = write_owner(directory, err);
    if (rc) return rc;

    struct k_rocks_store *store;
    rc = k_rocks_create(directory, K_ROCKS_WRITER, memory_bytes, &store, err);
    if (rc) return rc;
    store->base.ops = &rocks_ops;
    char *building = k_format("%s/" K_ROCKS_BUILDING, directory); // by a process that died over it
    unlink(building);
    free(building);
    bool empty = false;
    rc = open_database(store, !survey.rocksdb, err);
    if (rc == 0) rc = k_rocks_check_format(store, &empty, err);
    if (rc == 0 && empty) rc = write_format(store, survey.owner || !survey.rocksdb, err);
    if (rc == 0) rc = write_owner(directory, err);
    if (rc) {
        k_rocks_destroy(store);
        return rc;
    }
    *ret = &store->base;
    return 0;
}
