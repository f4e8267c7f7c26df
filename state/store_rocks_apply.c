// How the writer changes a RocksDB: each apply is one sorted file, made beside the database and then ingested. Its
// entry in the MANIFEST is the moment at which all of it is there, so that an apply is atomic, for readers too.
//
// A store that lasts has no other kind of write: no batch, and so never anything in a memtable or the WAL. That is the
// cheapest way in (a third of the CPU of batches, which are sorted once more, logged and flushed), and keeps readers
// simple: a secondary reads the MANIFEST, then the WAL, and with both kinds it can show a later batch without an
// earlier file.
//
// In a file every key has the same sequence number, and a removal of a range takes only what is older. So a put inside
// a removed range stays, wherever the two stand.
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "state/store_rocks.h"

enum {
    // RocksDB lets batches wait when so many files lie at level 0, but not what is ingested.
    LEVEL0_FILES_MAX = 32,
    WAIT_TRIES = 6000,
};
#define SCRATCH_BYTES "8388608" // of the memtable
static const struct timespec wait_pause = {.tv_nsec = 10000000};

// Asked before anything is written: where RocksDB itself finds no room, it recovers, or waits for ever, or an assertion
// of its own ends the process (all three seen).
static int check_room(const struct k_rocks_store *store, const struct k_write *writes, size_t n, struct k_error *err)
{
    struct statvfs disk;
    if (statvfs(store->directory, &disk) != 0) return 0; // what there is to say about it, the write will say
    uint64_t needed = store->room_bytes, there = (uint64_t)disk.f_bavail * disk.f_frsize;
    for (size_t i = 0; i < n; i++) needed += 2 * ((uint64_t)writes[i].key.length + writes[i].value.length);
    if (there >= needed) return 0;
    return k_fail(err, K_E_DISK_FULL,
                  "state directory \"%s\": no room on the disk: %llu MiB are free, %llu MiB are needed",
                  store->directory, (unsigned long long)(there >> 20), (unsigned long long)(needed >> 20) + 1);
}

// A writer that is ahead of compaction waits for it, a minute at most.
static void wait_for_compaction(struct k_rocks_store *store)
{
    uint32_t files = LEVEL0_FILES_MAX;
    uint64_t debt;
    for (int i = 0; i < WAIT_TRIES; i++) {
        k_rocks_pressure(&store->base, &files, &debt);
        if (files < LEVEL0_FILES_MAX) return;
        nanosleep(&wait_pause, NULL);
    }
}

static bool is_range(const struct k_write *write)
{
    return write->remove && write->to.data;
}

// Merges neighbouring runs, each ending at ends[i], of which there are `runs`; answers how many are left.
static size_t merge_pairs(const struct k_write *const *from, const struct k_write **to, size_t *ends, size_t runs)
{
    size_t left = 0, start = 0;
    for (size_t run = 0; run < runs; run += 2) {
        size_t middle = ends[run], end = run + 1 < runs ? ends[run + 1] : middle, a = start, b = middle;
        for (size_t at = start; at < end; at++)
            to[at] = b == end || (a < middle && k_str_compare(from[a]->key, from[b]->key) < 0) ? from[a++] : from[b++];
        ends[left++] = start = end;
    }
    return left;
}

// Whether the writes of single keys ascend as they stand.
static bool is_sorted(const struct k_write *writes, size_t n)
{
    const struct k_write *last = NULL;
    for (size_t i = 0; i < n; i++) {
        if (is_range(&writes[i])) continue;
        if (last && k_str_compare(last->key, writes[i].key) >= 0) return false;
        last = &writes[i];
    }
    return true;
}

// The writes of single keys in ascending order, *ret_count of them; the caller frees. They come as a few runs that
// ascend already: checkpoint.c sorts each segment, and only what is removed key by key stands apart.
static const struct k_write **sort_points(const struct k_write *writes, size_t n, size_t *ret_count)
{
    const struct k_write **points = k_new_array(const struct k_write *, n ? n : 1), **other = NULL;
    size_t count = 0, *ends = NULL, runs = 0;
    for (size_t i = 0; i < n; i++) {
        if (is_range(&writes[i])) continue;
        if (count > 0 && k_str_compare(points[count - 1]->key, writes[i].key) >= 0) {
            if ((runs & (runs + 1)) == 0) ends = k_realloc(ends, (2 * runs + 2) * sizeof *ends);
            ends[runs++] = count;
        }
        points[count++] = &writes[i];
    }
    if (runs > 0) {
        ends[runs++] = count;
        other = k_new_array(const struct k_write *, count);
    }
    while (runs > 1) {
        runs = merge_pairs(points, other, ends, runs);
        const struct k_write **swap = points;
        points = other;
        other = swap;
    }
    free(ends);
    free(other);
    *ret_count = count;
    return points;
}

static void build_file(struct k_rocks_store *store, const char *path, const struct k_write *writes, size_t n,
                       char **message)
{
    rocksdb_envoptions_t *environment = rocksdb_envoptions_create();
    rocksdb_sstfilewriter_t *writer = rocksdb_sstfilewriter_create(environment, store->options);
    rocksdb_sstfilewriter_open(writer, path, message);
    for (size_t i = 0; i < n && !*message; i++)
        if (is_range(&writes[i]))
            rocksdb_sstfilewriter_delete_range(writer, writes[i].key.data, writes[i].key.length, writes[i].to.data,
                                               writes[i].to.length, message);
    // Mostly they ascend, and then a million of them need no second array.
    size_t count = n;
    const struct k_write **points = is_sorted(writes, n) ? NULL : sort_points(writes, n, &count);
    for (size_t i = 0; i < count && !*message; i++) {
        const struct k_write *write = points ? points[i] : &writes[i];
        if (is_range(write)) continue;
        if (write->remove) rocksdb_sstfilewriter_delete(writer, write->key.data, write->key.length, message);
        else
            rocksdb_sstfilewriter_put(writer, write->key.data, write->key.length,
                                      write->value.data ? write->value.data : "", write->value.length, message);
    }
    free(points);
    if (!*message) rocksdb_sstfilewriter_finish(writer, message); // with fsync
    rocksdb_sstfilewriter_destroy(writer);
    rocksdb_envoptions_destroy(environment);
}

void k_store_rocks_be_scratch(struct k_store *base)
{
    struct k_rocks_store *store = (struct k_rocks_store *)base;
    char *message = NULL;
    const char *names[] = {"write_buffer_size"}, *values[] = {SCRATCH_BYTES};
    rocksdb_set_options_cf(store->db, store->family, 1, names, values, &message);
    rocksdb_free(message); // then it is only slower
    store->scratch = rocksdb_writeoptions_create();
    rocksdb_writeoptions_disable_WAL(store->scratch, 1);
}

// A batch is written in its order, so ranges come first.
static int apply_batch(struct k_rocks_store *store, const struct k_write *writes, size_t n, struct k_error *err)
{
    char *message = NULL;
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    for (size_t i = 0; i < n; i++)
        if (is_range(&writes[i]))
            rocksdb_writebatch_delete_range(batch, writes[i].key.data, writes[i].key.length, writes[i].to.data,
                                            writes[i].to.length);
    for (size_t i = 0; i < n; i++) {
        if (is_range(&writes[i])) continue;
        if (writes[i].remove) rocksdb_writebatch_delete(batch, writes[i].key.data, writes[i].key.length);
        else
            rocksdb_writebatch_put(batch, writes[i].key.data, writes[i].key.length,
                                   writes[i].value.data ? writes[i].value.data : "", writes[i].value.length);
    }
    rocksdb_write(store->db, store->scratch, batch, &message);
    rocksdb_writebatch_destroy(batch);
    return message ? k_rocks_fail(store, message, err) : 0;
}

int k_rocks_apply(struct k_store *base, const struct k_write *writes, size_t n, struct k_error *err)
{
    struct k_rocks_store *store = (struct k_rocks_store *)base;
    if (n == 0) return 0; // there is no file without a key
    int rc = check_room(store, writes, n, err);
    if (rc) return rc;
    if (store->scratch) return apply_batch(store, writes, n, err);
    wait_for_compaction(store);
    char *message = NULL, *path = k_format("%s/" K_ROCKS_BUILDING, store->directory);
    build_file(store, path, writes, n, &message);
    if (!message) {
        rocksdb_ingestexternalfileoptions_t *options = rocksdb_ingestexternalfileoptions_create();
        rocksdb_ingestexternalfileoptions_set_move_files(options, 1);
        const char *files[] = {path};
        rocksdb_ingest_external_file_cf(store->db, store->family, files, 1, options, &message);
        rocksdb_ingestexternalfileoptions_destroy(options);
    }
    unlink(path); // moved by a hard link, or given up
    free(path);
    return message ? k_rocks_fail(store, message, err) : 0;
}
