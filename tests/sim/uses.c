#include "tests/sim/uses.h"

#include <stdio.h>
#include <stdlib.h>

#include "replay/aside.h"
#include "state/table.h"
#include "tests/sim/made.h"

// --- what a state holds

static struct k_str note(struct k_store *store, struct k_arena *arena, const char *what, const char *table)
{
    struct k_error err;
    struct k_str value = {0};
    char *text = k_arena_format(arena, "%c%s%s", 0, what, table);
    struct k_str key = {text, (uint32_t)(1 + strlen(what) + strlen(table))};
    return store->ops->get(store, 1, &key, arena, &value, &err) ? (struct k_str){0} : value;
}

// A number for the rows of a table that have not expired, with their keys, in the order of keys: all of their bytes, or
// without the time from which they expire.
static uint64_t hash_of(struct world *w, struct k_store *store, const char *table, bool whole)
{
    // Bytes of that time, and of a key's family: its number is given in the order in which states were opened.
    enum { BASE = 8, FAMILY = 5 };
    struct k_arena arena;
    struct k_error err = {0};
    uint64_t hash = 1;
    k_arena_init(&arena);
    struct k_str position = note(store, &arena, "position", ""), info = note(store, &arena, "table/", table);
    struct k_str family = note(store, &arena, "family/table/", table);
    if (!info.data || family.length != 4 || !position.data) {
        k_arena_fini(&arena);
        return hash; // never written: empty
    }
    Kappa__Internal__Position *at =
        kappa__internal__position__unpack(NULL, position.length, (const uint8_t *)position.data);
    Kappa__Internal__TableInfo *columns =
        kappa__internal__table_info__unpack(NULL, info.length, (const uint8_t *)info.data);
    K_ASSERT(at && columns);
    int64_t frontier_us = at->has_frontier_us ? at->frontier_us : INT64_MIN;
    char from[5] = {1}, to[6] = {1};
    memcpy(from + 1, family.data, 4);
    memcpy(to + 1, family.data, 4);
    to[5] = (char)0xFF;
    struct k_store_iterator *rows;
    struct k_str key, row;
    int code = store->ops->iterate(store, (struct k_str){from, 5}, (struct k_str){to, 6}, &rows, &err);
    while (!code && store->ops->next(rows, &key, &row, &err)) {
        int64_t base_us;
        struct k_value values[64];
        code = k_table_row_decode(row, (uint32_t)columns->n_column, &base_us, values, &err);
        if (code || k_table_row_expired(base_us, columns->has_retention_us ? columns->retention_us : -1, frontier_us))
            continue;
        uint32_t cut = whole ? 0 : BASE;
        hash = k_hash_seeded(key.data + FAMILY, key.length - FAMILY, hash);
        hash = k_hash_seeded(row.data + cut, row.length - cut, hash);
        w->stats.use_rows++;
    }
    if (code || err.code) world_fail(w, "table %s cannot be read: %s", table, err.text);
    if (rows) store->ops->iterate_end(rows);
    kappa__internal__position__free_unpacked(at, NULL);
    kappa__internal__table_info__free_unpacked(columns, NULL);
    k_arena_fini(&arena);
    return hash;
}

uint64_t uses_hash(struct world *w, struct k_memory_disk *disk, const char *table)
{
    struct k_store *store;
    struct k_error err;
    int code = k_store_memory_open(disk, NULL, NULL, &store, &err);
    K_ASSERT(code == 0);
    uint64_t hash = hash_of(w, store, table, false);
    store->ops->close(store);
    return hash;
}

struct hashes {
    uint64_t tables[TABLES_MAX];
};

static struct hashes hashes_of(struct world *w, const struct scenario *s, struct k_memory_disk *disk, bool whole)
{
    struct hashes h = {0};
    struct k_store *store;
    struct k_error err;
    int code = k_store_memory_open(disk, NULL, NULL, &store, &err);
    K_ASSERT(code == 0);
    for (uint32_t t = 0; t < s->table_count; t++) h.tables[t] = hash_of(w, store, s->tables[t], whole);
    store->ops->close(store);
    return h;
}

static void compare(struct world *w, const struct scenario *s, const struct hashes *a, const struct hashes *b,
                    const char *who, const char *other, bool pure)
{
    for (uint32_t t = 0; t < s->table_count; t++)
        if (a->tables[t] != b->tables[t] && !(pure && s->overwritten[t]))
            world_fail(w, "table %s of %s is not that of %s, byte by byte", s->tables[t], who, other);
}

// --- the workers of the run

// How a worker came to its state, for the count.
static void count_use(struct world *w, const struct worker *worker)
{
    if (worker->led) w->stats.use_lead++;
    else if (worker->generation > 1) w->stats.use_shadow++;
    else w->stats.use_standby++;
    if (worker->died) w->stats.use_recovery++;
    if (worker->emptied) w->stats.use_emptied++;
}

static void compare_workers(struct judging *j)
{
    struct world *w = j->w;
    for (uint32_t shard = 0; shard < w->scenario.shards; shard++) {
        const struct worker *first[GENERATIONS_MAX] = {NULL}; // whose states must be the same
        struct hashes hashes[GENERATIONS_MAX];
        for (uint32_t i = 0; i < w->worker_count && !w->failure.length; i++) {
            const struct worker *worker = &w->workers[i];
            if (worker->gone) continue;
            uint64_t which = generation_agrees(w, worker->generation) ? 0 : worker->generation - 1;
            const struct scenario *s = judging_walk(j, worker->generation, shard)->scenario;
            struct hashes own = hashes_of(w, s, worker->disks[shard].memory, true);
            count_use(w, worker);
            if (first[which]) compare(w, s, &own, &hashes[which], worker->name, first[which]->name, false);
            else first[which] = worker, hashes[which] = own;
        }
    }
}

// --- another process, when all is over

static int open_store(void *context, struct k_store **ret, struct k_error *err)
{
    return k_store_memory_open(context, NULL, NULL, ret, err);
}

static void step_through(struct world *w, struct k_shard *shard, int64_t end)
{
    for (int n = 0; k_shard_state(shard) != K_SHARD_STOPPED; n++) {
        struct k_error err = {0};
        int64_t wait_us;
        struct k_shard_report report;
        int code = k_shard_step(shard, &wait_us, &err);
        k_shard_report(shard, &report);
        if (code || n > 200000) {
            world_fail(w, "another process stands at %lld, to come to %lld: %s", (long long)report.offset,
                       (long long)end, code ? err.text : report.trouble);
            return;
        }
        // A generation may begin behind all of the journal: its history is still before it then.
        bool follows = k_shard_state(shard) != K_SHARD_RESET && k_shard_state(shard) != K_SHARD_HISTORY;
        if (end >= 0 && follows && report.offset >= end) k_shard_stop(shard);
        if (wait_us > 0) k_cloud_advance(w->cloud, wait_us);
    }
}

// A job has no history: it reads all there is in the one order.
static void take_starts(const struct k_starts *from, bool job, struct k_shard_options *options)
{
    struct k_start *starts = k_new_array(struct k_start, from->count + 1);
    for (uint32_t i = 0; i < from->count; i++) {
        starts[i] = from->items[i];
        if (job) starts[i].joins = false;
    }
    options->starts = starts;
    options->start_count = from->count;
}

// Comes to the end of the walk on this disk, through this log; a job leads on the log's private journal.
static void run_process(struct judging *j, const struct walk *walk, struct k_log *log, struct k_memory_disk *disk,
                        bool job)
{
    struct world *w = j->w;
    struct k_error err;
    struct k_shard *shard;
    struct k_shard_options options = w->options;
    const struct generation *own = generation_of(w, walk->generation);
    options.plan = &own->plan;
    options.generation = job ? "batch" : own->name;
    take_starts(&own->beginning.starts, job, &options);
    options.journal_from = job ? 0 : beginning_journal(&own->beginning, walk->shard);
    options.shard = walk->shard;
    options.log = log;
    options.worker = "another";
    options.open_store = open_store;
    options.store_context = disk;
    options.trim_interval_us = 0;
    options.can_lead = options.once = options.final = options.in_order = options.mute = job;
    int code = k_shard_create(&options, &shard, &err);
    K_ASSERT(code == 0);
    step_through(w, shard, job ? -1 : walk->point.offset);
    k_shard_destroy(shard);
    free((void *)options.starts);
}

// Windows on what the walk has seen; with those on the journal for who follows.
static struct k_log *open_aside(struct judging *j, const struct walk *walk, struct k_log *log, bool job)
{
    struct k_aside_window windows[SOURCES_MAX * PARTITIONS_MAX + 1];
    const struct scenario *s = &j->w->scenario;
    char journal[32];
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->source_count; i++)
        for (int32_t p = 0; p < s->sources[i].partitions && walk->read[i]; p++) {
            int64_t end = walk_history_end(walk, i, (uint32_t)p); // the journal may not go on with an added source
            if (end < walk->next[i][p]) end = walk->next[i][p];
            windows[count++] = (struct k_aside_window){s->sources[i].topic, p, 0, end};
        }
    snprintf(journal, sizeof journal, "sim.journal.%u", walk->shard);
    if (!job) windows[count++] = (struct k_aside_window){journal, 0, 0, walk->point.offset};
    return k_aside_open(&(struct k_aside_options){.log = log, .windows = windows, .window_count = count});
}

// Only that is the same in any order of the partitions; and a job knows no idleness.
static bool is_pure(const struct judging *j, const struct walk *walk)
{
    const struct world *w = j->w;
    bool pure = w->scenario.shards == 1;
    for (uint32_t i = 0; i < walk->scenario->plan->source_count; i++)
        pure &= walk->scenario->plan->sources[i].idle_us < 0;
    return pure;
}

static void run_use(struct judging *j, enum sim_use use, const struct walk *walk, const struct worker *model)
{
    struct world *w = j->w;
    struct k_memory_disk *disk = use == USE_capsule ? w->uses.checkpoint[walk->shard] : k_memory_disk_create();
    struct k_log *log = k_cloud_connect(w->cloud, "another");
    struct k_log *aside = use == USE_cold ? NULL : open_aside(j, walk, log, use == USE_job);
    static const char *const names[] = {
#define X(name, text) text,
        SIM_USES(X)
#undef X
    };
    run_process(j, walk, aside ? aside : log, disk, use == USE_job);
    if (!w->failure.length) {
        struct hashes own = hashes_of(w, walk->scenario, disk, use != USE_job);
        struct hashes other = hashes_of(w, walk->scenario, model->disks[walk->shard].memory, use != USE_job);
        compare(w, walk->scenario, &own, &other, names[use], model->name, use == USE_job);
    }
    uint64_t *counts[] = {
#define X(name, text) &w->stats.use_##name,
        SIM_USES(X)
#undef X
    };
    (*counts[use])++;
    if (aside) aside->ops->close(aside);
    log->ops->close(log);
    if (use != USE_capsule) k_memory_disk_destroy(disk);
}

void uses_prepare(struct world *w)
{
    struct uses *u = &w->uses;
    // What retention took cannot be read again.
    bool can = !w->rocks && !w->rates.retention;
    u->drawn = can && (w->use_each || one_in(&w->random, 8));
    u->use = (enum sim_use)k_random_below(&w->random, USE_COUNT);
}

void uses_step(struct world *w)
{
    struct uses *u = &w->uses;
    if (!u->drawn || u->use != USE_capsule || !one_in(&w->random, 100)) return;
    const struct worker *worker = &w->workers[k_random_below(&w->random, w->worker_count)];
    if (worker->generation != 1) return;
    for (uint32_t s = 0; s < w->scenario.shards; s++) {
        Kappa__Internal__Position *at = u->checkpoint[s] ? NULL : disk_position((struct disk *)&worker->disks[s]);
        if (!at) continue;
        u->checkpoint[s] = copies_of_disk(worker->disks[s].memory);
        kappa__internal__position__free_unpacked(at, NULL);
    }
}

void uses_judge(struct judging *j)
{
    struct world *w = j->w;
    struct uses *u = &w->uses;
    if (w->rocks) return;
    compare_workers(j);
    if (!u->drawn) return;
    uint64_t generation = u->use == USE_capsule ? 1 : (uint64_t)between(&w->random, 1, w->generations.count);
    if (u->use == USE_cold && !cut_reaches(w, generation)) return;
    const struct worker *model = NULL;
    for (uint32_t i = 0; i < w->worker_count && !model; i++)
        if (w->workers[i].generation == generation && !w->workers[i].gone) model = &w->workers[i];
    if (!model) return; // it is retired
    for (uint32_t s = 0; s < w->scenario.shards && !w->failure.length; s++) {
        const struct walk *walk = judging_walk(j, generation, s);
        if (u->use == USE_capsule && !u->checkpoint[s]) continue;
        if (u->use == USE_job && !is_pure(j, walk)) continue;
        run_use(j, u->use, walk, model);
    }
}

void uses_fini(struct world *w)
{
    for (uint32_t s = 0; s < SHARDS_MAX; s++) k_memory_disk_destroy(w->uses.checkpoint[s]);
}
