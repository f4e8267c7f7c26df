#include "tests/sim/readers.h"

#include <stdlib.h>

#include "state/reader.h"

// What the tables held at a checkpoint; of two at one position the later counts.
struct moment {
    int64_t journal_offset;
    uint64_t sequence, digest;
};

static uint64_t add_lines(uint64_t digest, struct lines *lines)
{
    for (size_t i = 0; i < lines->count; i++)
        digest =
            k_hash(lines->items[i], strlen(lines->items[i])) ^ (digest << 7 | digest >> 57) * 0x9E3779B97F4A7C15u;
    lines_free(lines);
    return digest + 1; // so that an empty table is not as if there were none
}

// --- what is written ---

struct watched {
    struct k_store base;
    struct k_store *inner;
    struct disk *disk;
};
static struct k_store *inner_of(struct k_store *store)
{
    return ((struct watched *)store)->inner;
}

static int watched_get(struct k_store *store, uint32_t n, const struct k_str *keys, struct k_arena *arena,
                       struct k_str *ret_values, struct k_error *err)
{
    return inner_of(store)->ops->get(inner_of(store), n, keys, arena, ret_values, err);
}

static int watched_iterate(struct k_store *store, struct k_str from, struct k_str to, struct k_store_iterator **ret,
                           struct k_error *err)
{
    return inner_of(store)->ops->iterate(inner_of(store), from, to, ret, err);
}

static int watched_export(struct k_store *store, const char *directory, struct k_error *err)
{
    return inner_of(store)->ops->export_to(inner_of(store), directory, err);
}

static void watched_pressure(struct k_store *store, uint32_t *ret_level0_files, uint64_t *ret_debt_bytes)
{
    inner_of(store)->ops->pressure(inner_of(store), ret_level0_files, ret_debt_bytes);
}

static uint64_t watched_memory(struct k_store *store)
{
    return inner_of(store)->ops->memory_used(inner_of(store));
}
static uint64_t watched_disk(struct k_store *store)
{
    return inner_of(store)->ops->disk_used(inner_of(store));
}

static void watched_close(struct k_store *store)
{
    inner_of(store)->ops->close(inner_of(store));
    free(store);
}

static void note_moment(struct disk *disk, struct k_store *store, struct k_str position)
{
    Kappa__Internal__Position *at =
        kappa__internal__position__unpack(NULL, position.length, (const uint8_t *)position.data);
    K_ASSERT(at);
    struct moment moment = {at->journal_offset, at->sequence, 0};
    const struct scenario *s = &disk->world->scenario;
    for (uint32_t t = 0; t < s->table_count; t++) {
        struct lines lines = {0};
        rows_of_store(disk->world, store, s->tables[t], at->has_frontier_us ? at->frontier_us : INT64_MIN, &lines);
        moment.digest = add_lines(moment.digest, &lines);
    }
    kappa__internal__position__free_unpacked(at, NULL);
    disk->moments = k_realloc(disk->moments, (disk->moment_count + 1) * sizeof *disk->moments);
    disk->moments[disk->moment_count++] = moment;
}

static int watched_apply(struct k_store *store, const struct k_write *writes, size_t n, struct k_error *err)
{
    struct disk *disk = ((struct watched *)store)->disk;
    bool written;
    int fault = disk_fault(disk, &written);
    int code = fault && !written ? 0 : inner_of(store)->ops->apply(inner_of(store), writes, n, err);
    for (size_t i = 0; !code && (!fault || written) && i < n; i++)
        if (k_str_equal(writes[i].key, K_STR("\0position"))) note_moment(disk, inner_of(store), writes[i].value);
    return fault ? k_fail(err, fault, "a fault of the disk") : code;
}

struct k_store *disk_watch(struct disk *disk, struct k_store *inner)
{
    static struct k_store_ops ops;
    ops = *inner->ops; // what takes an iterator has no need of the store
    ops.get = watched_get;
    ops.apply = watched_apply;
    ops.iterate = watched_iterate;
    ops.export_to = watched_export;
    ops.pressure = watched_pressure;
    ops.memory_used = watched_memory;
    ops.disk_used = watched_disk;
    ops.close = watched_close;
    struct watched *watched = k_new(struct watched);
    *watched = (struct watched){{&ops}, inner, disk};
    return &watched->base;
}

// --- what is read ---

static void open_view(struct world *w)
{
    struct worker *worker = &w->workers[k_random_below(&w->random, w->worker_count)];
    struct disk *disk = &worker->disks[k_random_below(&w->random, w->scenario.shards)];
    const struct k_reader_options options = {.state_dir = disk->directory, .memory_bytes = 8 << 20};
    struct k_error err;
    int code = 0;
    if (w->reading.disk != disk) {
        readers_end(w);
        code = k_reader_open(&options, &w->reading.reader, &err);
        if (code == K_E_NOT_FOUND) return; // nothing there yet
        w->reading.disk = disk;
    }
    if (!code) code = k_view_open(w->reading.reader, &w->reading.view, &err);
    if (code) world_fail(w, "a reader cannot open %s: %s", disk->directory, err.text);
}

static void check_view(struct world *w)
{
    uint32_t count, total;
    const struct k_shard_view *shard = k_view_shards(w->reading.view, &count, &total);
    const struct disk *disk = w->reading.disk;
    size_t at = disk->moment_count;
    while (at > 0 && (disk->moments[at - 1].journal_offset != shard->journal_offset ||
                      disk->moments[at - 1].sequence != shard->sequence))
        at--;
    if (shard->journal_offset < 0) return; // before the first checkpoint
    if (!at) {
        world_fail(w, "a reader is shown position %lld, at which no checkpoint was taken",
                   (long long)shard->journal_offset);
        return;
    }
    uint64_t digest = 0;
    for (uint32_t t = 0; t < w->scenario.table_count; t++) {
        struct lines lines = {0};
        rows_of_view(w, w->reading.view, w->scenario.tables[t], &lines);
        digest = add_lines(digest, &lines);
    }
    w->stats.views++;
    w->stats.old_views += at < disk->moment_count;
    if (digest != disk->moments[at - 1].digest)
        world_fail(w, "a reader is shown position %lld with rows that were not the checkpoint's",
                   (long long)shard->journal_offset);
}

void readers_step(struct world *w)
{
    if (!w->reading.view) {
        if (one_in(&w->random, 4)) open_view(w);
    } else if (one_in(&w->random, 8)) {
        check_view(w);
        k_view_close(w->reading.view);
        w->reading.view = NULL;
    }
}

void readers_end(struct world *w)
{
    k_view_close(w->reading.view);
    k_reader_close(w->reading.reader);
    w->reading = (struct reading){0};
}
