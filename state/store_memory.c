// The in-memory store: the second implementation of the store seam, for tests and for `kappa test`.
//
// Owns: the disk, an immutable sorted array of pairs that each apply replaces by a new one. An iterator holds the array
// it began with, so it sees one moment, and a failed apply has nothing to undo.
// Invariants
// 1. items of a version are sorted by key, keys are unique.
// 2. A pair belongs to the disk. One that left the newest version waits in `left` until no iterator is open.
#include <stdlib.h>

#include "state/store.h"

struct pair {
    uint32_t key_length, value_length;
    char bytes[]; // key, value
};

struct version {
    uint32_t holders; // the disk, and iterators
    size_t count;
    struct pair *items[];
};

struct k_memory_disk {
    struct version *newest;
    struct pair **left;
    size_t left_count, left_capacity;
    uint32_t iterators;
    uint64_t bytes;
};

struct memory_store {
    struct k_store base;
    struct k_memory_disk *disk;
    k_disk_fault fault;
    void *fault_context;
    bool crashed;
};

struct k_store_iterator {
    struct memory_store *store;
    struct version *version;
    size_t at;
    char *to; // owned
    uint32_t to_length;
    bool bounded;
};

static struct k_str key_of(const struct pair *pair) { return (struct k_str){pair->bytes, pair->key_length}; }

static struct k_str value_of(const struct pair *pair)
{
    return (struct k_str){pair->bytes + pair->key_length, pair->value_length};
}

static struct version *version_create(size_t count)
{
    struct version *version = k_alloc(sizeof *version + count * sizeof(struct pair *));
    version->holders = 1;
    return version;
}

static void version_release(struct version *version)
{
    if (--version->holders == 0) free(version);
}

// The index of the first pair whose key is at or behind key.
static size_t lower_bound(const struct version *version, struct k_str key)
{
    size_t low = 0, high = version->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (k_str_compare(key_of(version->items[middle]), key) < 0) low = middle + 1;
        else high = middle;
    }
    return low;
}

struct k_memory_disk *k_memory_disk_create(void)
{
    struct k_memory_disk *disk = k_new(struct k_memory_disk);
    disk->newest = version_create(0);
    return disk;
}

static void free_left(struct k_memory_disk *disk)
{
    for (size_t i = 0; i < disk->left_count; i++) free(disk->left[i]);
    disk->left_count = 0;
}

void k_memory_disk_destroy(struct k_memory_disk *disk)
{
    if (!disk) return;
    K_ASSERT(disk->iterators == 0);
    free_left(disk);
    for (size_t i = 0; i < disk->newest->count; i++) free(disk->newest->items[i]);
    version_release(disk->newest);
    free(disk->left);
    free(disk);
}

static int check_alive(const struct memory_store *store, struct k_error *err)
{
    return store->crashed ? k_fail(err, K_E_CRASHED, "the simulated machine is dead") : 0;
}

static int memory_get(struct k_store *base, uint32_t n, const struct k_str *keys, struct k_arena *arena,
                      struct k_str *ret_values, struct k_error *err)
{
    struct memory_store *store = (struct memory_store *)base;
    int rc = check_alive(store, err);
    if (rc) return rc;
    const struct version *version = store->disk->newest;
    for (uint32_t i = 0; i < n; i++) {
        size_t at = lower_bound(version, keys[i]);
        ret_values[i] = (struct k_str){0};
        if (at == version->count || !k_str_equal(key_of(version->items[at]), keys[i])) continue;
        struct k_str value = value_of(version->items[at]);
        ret_values[i] = (struct k_str){k_arena_copy(arena, value.data, value.length), value.length};
    }
    return 0;
}

static void leave(struct k_memory_disk *disk, struct pair *pair)
{
    if (disk->left_count == disk->left_capacity) {
        disk->left_capacity = disk->left_capacity ? disk->left_capacity * 2 : 64;
        disk->left = k_realloc(disk->left, disk->left_capacity * sizeof *disk->left);
    }
    disk->left[disk->left_count++] = pair;
    disk->bytes -= pair->key_length + pair->value_length;
}

static struct pair *pair_create(struct k_memory_disk *disk, const struct k_write *write)
{
    struct pair *pair = k_alloc(sizeof *pair + write->key.length + write->value.length);
    pair->key_length = write->key.length;
    pair->value_length = write->value.length;
    memcpy(pair->bytes, write->key.data, write->key.length);
    if (write->value.length > 0) memcpy(pair->bytes + write->key.length, write->value.data, write->value.length);
    disk->bytes += write->key.length + write->value.length;
    return pair;
}

static int compare_writes(const void *a, const void *b)
{
    return k_str_compare((*(const struct k_write *const *)a)->key, (*(const struct k_write *const *)b)->key);
}

static bool is_range(const struct k_write *write) { return write->remove && write->to.data; }

// The next version: the old one without the removed ranges, merged with the single writes in key order.
static struct version *merge(struct k_memory_disk *disk, const struct k_write *const *ranges, size_t range_count,
                             const struct k_write *const *singles, size_t single_count)
{
    const struct version *old = disk->newest;
    struct version *next = version_create(old->count + single_count);
    size_t range = 0, single = 0;
    struct k_str gone_to = {0}; // the furthest end of the ranges that began already
    for (size_t i = 0; i <= old->count; i++) {
        struct pair *pair = i < old->count ? old->items[i] : NULL;
        bool replaced = false;
        while (single < single_count) {
            const struct k_write *write = singles[single];
            int order = pair ? k_str_compare(write->key, key_of(pair)) : -1;
            if (order > 0) break;
            if (!write->remove) next->items[next->count++] = pair_create(disk, write);
            single++;
            replaced |= order == 0;
        }
        if (!pair) break;
        for (; range < range_count && k_str_compare(ranges[range]->key, key_of(pair)) <= 0; range++)
            if (!gone_to.data || k_str_compare(gone_to, ranges[range]->to) < 0) gone_to = ranges[range]->to;
        bool gone = gone_to.data && k_str_compare(key_of(pair), gone_to) < 0;
        if (replaced || gone) leave(disk, pair);
        else next->items[next->count++] = pair;
    }
    return next;
}

static void write_all(struct k_memory_disk *disk, const struct k_write *writes, size_t n)
{
    const struct k_write **sorted = k_new_array(const struct k_write *, n);
    size_t range_count = 0;
    for (size_t i = 0; i < n; i++)
        if (is_range(&writes[i])) sorted[range_count++] = &writes[i];
    size_t at = range_count;
    for (size_t i = 0; i < n; i++)
        if (!is_range(&writes[i])) sorted[at++] = &writes[i];
    const struct k_write **singles = sorted + range_count;
    size_t single_count = n - range_count;
    qsort(sorted, range_count, sizeof *sorted, compare_writes);
    qsort(singles, single_count, sizeof *sorted, compare_writes);
    for (size_t i = 1; i < single_count; i++) K_ASSERT(!k_str_equal(singles[i - 1]->key, singles[i]->key));

    struct version *next = merge(disk, sorted, range_count, singles, single_count);
    version_release(disk->newest);
    disk->newest = next;
    if (disk->iterators == 0) free_left(disk);
    free(sorted);
}

static int memory_apply(struct k_store *base, const struct k_write *writes, size_t n, struct k_error *err)
{
    struct memory_store *store = (struct memory_store *)base;
    int rc = check_alive(store, err);
    if (rc) return rc;
    bool written = false;
    int fault = store->fault ? store->fault(store->fault_context, &written) : 0;
    if (fault == 0 || (fault == K_E_CRASHED && written)) write_all(store->disk, writes, n);
    if (fault == K_E_CRASHED) store->crashed = true;
    return fault ? k_fail(err, fault, "the simulated disk: %s", k_error_meaning(fault)) : 0;
}

static int memory_iterate(struct k_store *base, struct k_str from, struct k_str to, struct k_store_iterator **ret,
                          struct k_error *err)
{
    struct memory_store *store = (struct memory_store *)base;
    int rc = check_alive(store, err);
    if (rc) return rc;
    struct k_store_iterator *iterator = k_new(struct k_store_iterator);
    iterator->store = store;
    iterator->version = store->disk->newest;
    iterator->version->holders++;
    iterator->at = lower_bound(iterator->version, from);
    if (to.data) {
        iterator->bounded = true;
        iterator->to = k_strndup(to.data, to.length);
        iterator->to_length = to.length;
    }
    store->disk->iterators++;
    *ret = iterator;
    return 0;
}

static bool memory_next(struct k_store_iterator *iterator, struct k_str *ret_key, struct k_str *ret_value,
                        struct k_error *err)
{
    err->code = check_alive(iterator->store, err);
    if (err->code || iterator->at == iterator->version->count) return false;
    const struct pair *pair = iterator->version->items[iterator->at];
    struct k_str to = {iterator->to, iterator->to_length};
    if (iterator->bounded && k_str_compare(key_of(pair), to) >= 0) return false;
    iterator->at++;
    *ret_key = key_of(pair);
    *ret_value = value_of(pair);
    return true;
}

static void memory_seek(struct k_store_iterator *iterator, struct k_str key)
{
    iterator->at = lower_bound(iterator->version, key);
}

static void memory_iterate_end(struct k_store_iterator *iterator)
{
    if (!iterator) return;
    struct k_memory_disk *disk = iterator->store->disk;
    version_release(iterator->version);
    if (--disk->iterators == 0) free_left(disk);
    free(iterator->to);
    free(iterator);
}

// A directory needs a real disk, so the copy is a RocksDB: what a simulation left behind can be looked into with the
// same tools as any state.
static int memory_export(struct k_store *base, const char *directory, struct k_error *err)
{
    struct memory_store *store = (struct memory_store *)base;
    int rc = check_alive(store, err);
    if (rc) return rc;
    enum { EXPORT_MEMORY = 16 << 20 };
    struct k_store *copy;
    rc = k_store_rocks_open(directory, true, EXPORT_MEMORY, &copy, err);
    if (rc) return k_wrap(err, rc, "export");
    const struct version *version = store->disk->newest;
    struct k_write *writes = k_new_array(struct k_write, version->count);
    for (size_t i = 0; i < version->count; i++)
        writes[i] = (struct k_write){.key = key_of(version->items[i]), .value = value_of(version->items[i])};
    rc = copy->ops->apply(copy, writes, version->count, err);
    free(writes);
    copy->ops->close(copy);
    return rc;
}

static void memory_pressure(struct k_store *base, uint32_t *ret_level0_files, uint64_t *ret_debt_bytes)
{
    (void)base; // nothing is ever compacted
    *ret_level0_files = 0;
    *ret_debt_bytes = 0;
}

static uint64_t memory_bytes(struct k_store *base) { return ((struct memory_store *)base)->disk->bytes; }

static void memory_close(struct k_store *base) { free(base); }

static const struct k_store_ops memory_ops = {
    .get = memory_get,
    .apply = memory_apply,
    .iterate = memory_iterate,
    .next = memory_next,
    .seek = memory_seek,
    .iterate_end = memory_iterate_end,
    .export_to = memory_export,
    .pressure = memory_pressure,
    .memory_used = memory_bytes,
    .disk_used = memory_bytes,
    .close = memory_close,
};

int k_store_memory_open(struct k_memory_disk *disk, k_disk_fault fault, void *context, struct k_store **ret,
                        struct k_error *err)
{
    (void)err; // a disk in memory is always there
    struct memory_store *store = k_new(struct memory_store);
    store->base.ops = &memory_ops;
    store->disk = disk;
    store->fault = fault;
    store->fault_context = context;
    *ret = &store->base;
    return 0;
}
