// RocksDB as the writer and the reader both use it: options, messages, iterators, figures.
//
// Memory: one budget, three quarters of it for an LRU cache that index and filter blocks are charged to as well; the
// rest is for files that are being made or compacted. Memtables are never filled (store_rocks_apply.c). Filters and
// indexes are cut into partitions of 4 KiB, so that blocks are small beside the cache. The cache keeps to its capacity
// but for what is in use at the moment; it is not "strict", because a strict cache refuses what does not fit, and then
// compactions fail and with them the next write (met at 4 MiB).
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "state/encoding.h"
#include "state/store_rocks.h"

enum {
    MEMORY_MIN = 8 << 20,        // less is rounded up to this
    BUILDING_SHARE = 4,          // of the budget: a quarter is not the cache's
    FILE_SHARE = 6,              // one file below level 0 is a sixth
    MEMTABLE = 64 << 10,         // the least that RocksDB takes
    BLOCK = 8 << 10,
    PARTITION = 4 << 10,         // of filters and indexes
    CACHE_SHARD_BITS = 2,        // one thread reads, two compact: few locks, large shards
    FILTER_BITS = 10,            // per key: 1 % false positives
    LEVEL0_COMPACT = 4,          // files
    FILES_MIN = 64, FILES_MAX = 4096,
    FILES_SHARE = 8,             // of what the process may open: sockets and other stores need the rest
    LOG_FILES = 2, LOG_BYTES = 1 << 20,
    WARN = 2,                    // rocksdb's InfoLogLevel
    SYNC_BYTES = 1 << 20,
    ROOM = 4 << 20,              // on the disk, beside what a compaction takes
};

struct k_store_iterator {
    struct k_rocks_store *store;
    rocksdb_readoptions_t *options;
    rocksdb_iterator_t *iterator;
    char *to;     // owned: RocksDB borrows the bound for as long as the iterator lives
    bool started; // next moves on before it looks
};

static int files_allowed(struct k_error *err, int *ret_files)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) limit.rlim_cur = limit.rlim_max = 1024;
    if (limit.rlim_cur < limit.rlim_max) {
        struct rlimit raised = {limit.rlim_max, limit.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
    }
    if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur / FILES_SHARE < FILES_MIN)
        return k_fail(err, K_E_CONFIG, "the process may open %llu files; the state needs at least %d (ulimit -n)",
                      (unsigned long long)limit.rlim_cur, FILES_MIN * FILES_SHARE);
    uint64_t files = limit.rlim_cur == RLIM_INFINITY ? FILES_MAX : limit.rlim_cur / FILES_SHARE;
    *ret_files = (int)(files < FILES_MAX ? files : FILES_MAX);
    return 0;
}

static void set_table_options(struct k_rocks_store *store, uint64_t memory_bytes)
{
    rocksdb_lru_cache_options_t *cache = rocksdb_lru_cache_options_create();
    rocksdb_lru_cache_options_set_capacity(cache, memory_bytes - memory_bytes / BUILDING_SHARE);
    rocksdb_lru_cache_options_set_num_shard_bits(cache, CACHE_SHARD_BITS);
    store->cache = rocksdb_cache_create_lru_opts(cache);
    rocksdb_lru_cache_options_destroy(cache);
    rocksdb_block_based_table_options_t *table = store->table_options = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_block_cache(table, store->cache);
    rocksdb_block_based_options_set_block_size(table, BLOCK);
    rocksdb_block_based_options_set_format_version(table, 5);
    rocksdb_block_based_options_set_filter_policy(table, rocksdb_filterpolicy_create_bloom_full(FILTER_BITS));
    rocksdb_block_based_options_set_whole_key_filtering(table, 1);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks_with_high_priority(table, 1);
    rocksdb_block_based_options_set_index_type(table, rocksdb_block_based_table_index_type_two_level_index_search);
    rocksdb_block_based_options_set_partition_filters(table, 1);
    rocksdb_block_based_options_set_metadata_block_size(table, PARTITION);
    // Pinned, they would grow with the database until the cache is full of them.
    rocksdb_block_based_options_set_pin_top_level_index_and_filter(table, 0);
    rocksdb_options_set_block_based_table_factory(store->options, table);
}

static void set_writer_options(rocksdb_options_t *options, uint64_t memory_bytes)
{
    uint64_t file = memory_bytes / FILE_SHARE;
    rocksdb_options_set_write_buffer_size(options, MEMTABLE);
    rocksdb_options_set_target_file_size_base(options, file);
    rocksdb_options_set_max_bytes_for_level_base(options, file * LEVEL0_COMPACT);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(options, 1);
    rocksdb_options_set_level0_file_num_compaction_trigger(options, LEVEL0_COMPACT);
    rocksdb_options_set_compression(options, rocksdb_lz4_compression);
    rocksdb_options_set_max_background_jobs(options, 2);
    // Written out steadily rather than in gusts; nothing waits for it.
    rocksdb_options_set_bytes_per_sync(options, SYNC_BYTES);
}

int k_rocks_create(const char *directory, enum k_rocks_role role, uint64_t memory_bytes, struct k_rocks_store **ret,
                 struct k_error *err)
{
    int files = FILES_MIN;
    int rc = files_allowed(err, &files);
    if (rc) return rc;
    if (memory_bytes < MEMORY_MIN) memory_bytes = MEMORY_MIN;
    struct k_rocks_store *store = k_new(struct k_rocks_store);
    store->directory = k_strdup(directory);
    store->room_bytes = memory_bytes / 2 + ROOM;
    rocksdb_options_t *options = store->options = rocksdb_options_create();
    rocksdb_options_set_paranoid_checks(options, 1);
    rocksdb_options_set_keep_log_file_num(options, LOG_FILES);
    rocksdb_options_set_max_log_file_size(options, LOG_BYTES);
    rocksdb_options_set_info_log_level(options, WARN);
    rocksdb_options_set_stats_dump_period_sec(options, 0);
    rocksdb_options_set_stats_persist_period_sec(options, 0);
    rocksdb_options_set_skip_stats_update_on_db_open(options, 1);
    set_table_options(store, memory_bytes);
    if (role == K_ROCKS_WRITER) {
        set_writer_options(options, memory_bytes);
        rocksdb_options_set_max_open_files(options, files);
        // What is scanned is not what is looked up: it shall not push that out of the cache.
        store->iterators_fill_cache = false;
    } else {
        // A reader looks up by iterators, too: without the cache each lookup would read and unpack its blocks anew.
        store->iterators_fill_cache = true;
        // It keeps every file open: the writer deletes files that a reader still needs.
        rocksdb_options_set_max_open_files(options, -1);
        // Else each catching up starts sixteen threads to open what is mostly one new file.
        rocksdb_options_set_max_file_opening_threads(options, 1);
    }
    store->read_options = rocksdb_readoptions_create();
    *ret = store;
    return 0;
}

void k_rocks_destroy(struct k_rocks_store *store)
{
    if (!store) return;
    if (store->family) rocksdb_column_family_handle_destroy(store->family);
    if (store->db) rocksdb_close(store->db);
    if (store->scratch) rocksdb_writeoptions_destroy(store->scratch);
    rocksdb_readoptions_destroy(store->read_options);
    rocksdb_options_destroy(store->options);
    rocksdb_block_based_options_destroy(store->table_options);
    rocksdb_cache_destroy(store->cache);
    free(store->directory);
    free(store);
}

// The C interface hands over text only.
static int code_of(const char *message)
{
    static const struct {
        const char *part;
        int code;
    } known[] = {
        {"No space left on device", K_E_DISK_FULL}, {"NoSpace", K_E_DISK_FULL},
        {"Disk quota exceeded", K_E_DISK_FULL},     {"File too large", K_E_DISK_FULL},
        {"Permission denied", K_E_DENIED},          {"Read-only file system", K_E_DENIED},
        {"Memory limit", K_E_NO_MEMORY},            {"LRU cache being full", K_E_NO_MEMORY},
        {"Corruption", K_E_CORRUPT},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strstr(message, known[i].part)) return known[i].code;
    return K_E_IO;
}

int k_rocks_fail(const struct k_rocks_store *store, char *message, struct k_error *err)
{
    int code = k_fail(err, code_of(message), "state directory \"%s\": %s", store->directory, message);
    rocksdb_free(message);
    return code;
}

int k_rocks_check_format(struct k_rocks_store *store, bool *ret_empty, struct k_error *err)
{
    struct k_str key = {"", 0}, value, name = K_STR("\0format");
    struct k_store_iterator *iterator;
    struct k_error failure = {0};
    int rc = k_rocks_iterate(&store->base, key, (struct k_str){0}, &iterator, err);
    if (rc) return rc;
    *ret_empty = !k_rocks_next(iterator, &key, &value, &failure);
    char text[16] = "";
    if (!*ret_empty) {
        k_rocks_seek(iterator, name);
        if (k_rocks_next(iterator, &key, &value, &failure) && k_str_equal(key, name) && value.length < sizeof text)
            memcpy(text, value.data, value.length);
    }
    k_rocks_iterate_end(iterator);
    if (failure.code) {
        if (err) *err = failure;
        return failure.code;
    }
    if (*ret_empty) return 0;
    char *end = text;
    long format = strtol(text, &end, 10);
    if (end == text || *end || format < 1)
        return k_fail(err, K_E_CORRUPT, "\"%s\" is a RocksDB, but no state of kappa", store->directory);
    if (format > K_STATE_FORMAT)
        return k_fail(err, K_E_CORRUPT, "the state in \"%s\" has format %ld; this kappa knows formats up to %d",
                      store->directory, format, K_STATE_FORMAT);
    return 0;
}

int k_rocks_iterate(struct k_store *base, struct k_str from, struct k_str to, struct k_store_iterator **ret,
                  struct k_error *err)
{
    (void)err; // errors show at the first key
    struct k_rocks_store *store = (struct k_rocks_store *)base;
    struct k_store_iterator *iterator = k_new(struct k_store_iterator);
    iterator->store = store;
    iterator->options = rocksdb_readoptions_create();
    rocksdb_readoptions_set_fill_cache(iterator->options, store->iterators_fill_cache);
    if (to.data) {
        iterator->to = k_strndup(to.data, to.length);
        rocksdb_readoptions_set_iterate_upper_bound(iterator->options, iterator->to, to.length);
    }
    iterator->iterator = rocksdb_create_iterator(store->db, iterator->options);
    k_rocks_seek(iterator, from);
    *ret = iterator;
    return 0;
}

bool k_rocks_next(struct k_store_iterator *iterator, struct k_str *ret_key, struct k_str *ret_value,
                struct k_error *err)
{
    if (iterator->started && rocksdb_iter_valid(iterator->iterator)) rocksdb_iter_next(iterator->iterator);
    iterator->started = true;
    if (rocksdb_iter_valid(iterator->iterator)) {
        size_t length;
        ret_key->data = rocksdb_iter_key(iterator->iterator, &length);
        ret_key->length = (uint32_t)length;
        ret_value->data = rocksdb_iter_value(iterator->iterator, &length);
        ret_value->length = (uint32_t)length;
        return true;
    }
    char *message = NULL;
    rocksdb_iter_get_error(iterator->iterator, &message);
    err->code = message ? k_rocks_fail(iterator->store, message, err) : 0;
    return false;
}

void k_rocks_seek(struct k_store_iterator *iterator, struct k_str key)
{
    rocksdb_iter_seek(iterator->iterator, key.data ? key.data : "", key.length);
    iterator->started = false;
}

void k_rocks_iterate_end(struct k_store_iterator *iterator)
{
    if (!iterator) return;
    rocksdb_iter_destroy(iterator->iterator);
    rocksdb_readoptions_destroy(iterator->options);
    free(iterator->to);
    free(iterator);
}

int k_rocks_export(struct k_store *base, const char *directory, struct k_error *err)
{
    struct k_rocks_store *store = (struct k_rocks_store *)base;
    char *message = NULL;
    rocksdb_checkpoint_t *checkpoint = rocksdb_checkpoint_object_create(store->db, &message);
    if (message) return k_rocks_fail(store, message, err);
    rocksdb_checkpoint_create(checkpoint, directory, 0, &message);
    rocksdb_checkpoint_object_destroy(checkpoint);
    if (!message) return 0;
    int rc = k_rocks_fail(store, message, err);
    return k_wrap(err, rc, "export to \"%s\"", directory);
}

static uint64_t property(const struct k_rocks_store *store, const char *name)
{
    uint64_t value = 0;
    return rocksdb_property_int(store->db, name, &value) == 0 ? value : 0;
}

void k_rocks_pressure(struct k_store *base, uint32_t *ret_level0_files, uint64_t *ret_debt_bytes)
{
    struct k_rocks_store *store = (struct k_rocks_store *)base;
    char *files = rocksdb_property_value(store->db, "rocksdb.num-files-at-level0");
    *ret_level0_files = files ? (uint32_t)strtoul(files, NULL, 10) : 0;
    rocksdb_free(files);
    *ret_debt_bytes = property(store, "rocksdb.estimate-pending-compaction-bytes");
}

uint64_t k_rocks_memory_used(struct k_store *base)
{
    struct k_rocks_store *store = (struct k_rocks_store *)base;
    return property(store, "rocksdb.cur-size-all-mem-tables") + property(store, "rocksdb.estimate-table-readers-mem") +
           rocksdb_cache_get_usage(store->cache);
}

uint64_t k_rocks_disk_used(struct k_store *base)
{
    return property((struct k_rocks_store *)base, "rocksdb.total-sst-files-size");
}

void k_rocks_close(struct k_store *base) { k_rocks_destroy((struct k_rocks_store *)base); }

bool k_store_rocks_is_open(const char *directory, long *ret_process)
{
    char *path = k_format("%s/LOCK", directory);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int file = open(path, O_RDWR | O_CLOEXEC);
    bool open = file >= 0 && fcntl(file, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    if (open && ret_process) *ret_process = (long)lock.l_pid;
    if (file >= 0) close(file);
    free(path);
    return open;
}
