// Workers and their disks. A worker is a process: its connection and its shards die together, its disks stay.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/sim/lives.h"
#include "tests/sim/readers.h"
#include "tests/sim/taking.h"

enum { SECOND = 1000000 };

// --- disks ---

int disk_fault(void *context, bool *ret_written)
{
    struct disk *disk = context;
    struct world *w = disk->world;
    *ret_written = false;
    if (++w->writes == w->disk_at) {
        *ret_written = w->disk_fault == WRITE_DONE;
        return w->disk_fault == WRITE_REFUSED ? K_E_DISK_FULL : K_E_CRASHED;
    }
    if (w->healed || w->single) return 0;
    if (w->elapsed_us < disk->full_until_us) return K_E_DISK_FULL;
    if (one_in(&w->random, w->own.full)) {
        w->stats.disk_full++;
        disk->full_until_us = w->elapsed_us + between(&w->random, 0, 3 * SECOND);
        return K_E_DISK_FULL;
    }
    if (one_in(&w->random, w->own.error)) return w->stats.disk_error++, K_E_IO;
    if (one_in(&w->random, w->own.disk_crash)) {
        w->stats.disk_crashed++;
        *ret_written = one_in(&w->random, 2);
        return K_E_CRASHED;
    }
    return 0;
}

int disk_open(struct disk *disk, bool with_faults, struct k_store **ret, struct k_error *err)
{
    if (disk->memory) return k_store_memory_open(disk->memory, with_faults ? disk_fault : NULL, disk, ret, err);
    int code = k_store_rocks_open(disk->directory, true, 16u << 20, ret, err);
    if (!code && with_faults) *ret = disk_watch(disk, *ret);
    return code;
}

int disk_open_store(void *context, struct k_store **ret, struct k_error *err)
{
    return disk_open(context, true, ret, err);
}

void disk_make(struct world *w, struct disk *disk, const char *worker, uint32_t shard)
{
    *disk = (struct disk){.world = w};
    if (!w->rocks) {
        disk->memory = k_memory_disk_create();
        return;
    }
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(disk->directory, sizeof disk->directory, "%s/kappa-sim-%d-%s-%u", base, (int)getpid(), worker, shard);
}

void disk_drop(struct disk *disk)
{
    if (disk->world && disk->world->reading.disk == disk) readers_end(disk->world);
    k_memory_disk_destroy(disk->memory);
    disk->memory = NULL;
    free(disk->moments);
    disk->moments = NULL;
    disk->moment_count = 0;
    if (!disk->directory[0]) return;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", disk->directory);
    if (system(command) != 0) fprintf(stderr, "sim: %s failed\n", command);
}

Kappa__Internal__Position *store_position(struct k_store *store)
{
    struct k_error err = {0};
    struct k_arena arena;
    k_arena_init(&arena);
    struct k_str key = K_STR("\0position"), value = {0};
    int code = store->ops->get(store, 1, &key, &arena, &value, &err);
    Kappa__Internal__Position *position = NULL;
    if (!code && value.length)
        position = kappa__internal__position__unpack(NULL, value.length, (const uint8_t *)value.data);
    k_arena_fini(&arena);
    return position;
}

Kappa__Internal__Position *disk_position(struct disk *disk)
{
    struct k_store *store;
    struct k_error err = {0};
    if (disk_open(disk, false, &store, &err)) return NULL;
    Kappa__Internal__Position *position = store_position(store);
    store->ops->close(store);
    return position;
}

// --- workers ---

void worker_end(struct worker *worker, bool killed)
{
    if (killed) k_log_memory_crash(worker->log); // so that nothing of what is freed says good-bye
    for (uint32_t s = 0; s < SHARDS_MAX; s++) {
        k_shard_destroy(worker->shards[s]);
        worker->shards[s] = NULL;
    }
    k_overseer_destroy(worker->overseer);
    worker->overseer = NULL;
    worker->log->ops->close(worker->log);
    worker->log = NULL;
    worker->stopping = false;
    worker->paused_until_us = 0;
}

static void note_reports(struct world *w, struct worker *worker)
{
    for (uint32_t s = 0; s < w->scenario.shards; s++) {
        struct k_shard_report report;
        if (!worker->shards[s]) continue;
        k_shard_report(worker->shards[s], &report);
        w->stats.takeover += report.leaderships;
        worker->led += report.leaderships;
        w->stats.reset += report.resets;
        w->stats.followed += report.records_followed_after_takeover;
        w->stats.trimmed += report.trimmed_records;
    }
}

void worker_kill(struct world *w, struct worker *worker)
{
    note_reports(w, worker);
    worker->died = true;
    worker_end(worker, true);
    worker->down_until_us =
        w->elapsed_us + (w->healed ? 0 : between(&w->random, 0, 4) * between(&w->random, 0, 2 * SECOND));
    if (w->healed || !one_in(&w->random, w->own.lose_disk)) return;
    w->stats.disk_lost++;
    worker->emptied = true;
    taking_forget(worker);
    for (uint32_t s = 0; s < w->scenario.shards; s++) {
        disk_drop(&worker->disks[s]);
        disk_make(w, &worker->disks[s], worker->name, s);
    }
}

void worker_retire(struct world *w, struct worker *worker)
{
    note_reports(w, worker);
    worker_end(worker, one_in(&w->random, 2));
    for (uint32_t s = 0; s < w->scenario.shards; s++) {
        disk_drop(&worker->disks[s]);
        disk_make(w, &worker->disks[s], worker->name, s);
    }
    worker->done = worker->gone = true;
    w->stats.worker_retired++;
}

static void start_worker(struct world *w, struct worker *worker)
{
    worker->log = k_cloud_connect(w->cloud, worker->name);
    if (w->generations.there && !generations_start(w, worker)) {
        worker_kill(w, worker);
        return;
    }
    if (worker->overseer && lives_are_over(worker)) {
        worker_retire(w, worker);
        return;
    }
    if (worker->overseer && !taking_begin(w, worker)) {
        worker_end(worker, true);
        worker->down_until_us = w->elapsed_us + between(&w->random, 10, 300) * 1000;
        return;
    }
    for (uint32_t s = 0; s < w->scenario.shards; s++) {
        struct k_shard_options options = w->options;
        struct k_error err;
        options.shard = s;
        options.log = worker->log;
        options.worker = worker->name;
        options.store_context = &worker->disks[s];
        options.can_lead = !worker->follower;
        options.once = options.final = w->once && !worker->follower;
        const struct generation *own = generation_of(w, worker->generation);
        options.generation = own->name;
        options.plan = &own->plan;
        options.output_suffix = own->suffix;
        options.starts = own->beginning.starts.items;
        options.start_count = own->beginning.starts.count;
        options.journal_from = beginning_journal(&own->beginning, s);
        worker->places[s] = (struct copy_place){w, options.generation, s};
        options.copies = w->generations.there ? &sim_copies : NULL;
        options.copies_context = options.mark_context = &worker->places[s];
        options.keep_mark = w->generations.there ? marks_keep : NULL;
        options.difference_rows = w->generations.difference_rows;
        if (worker->overseer) options.orders = k_overseer_orders(worker->overseer);
        worker->shard_done[s] = false;
        int code = k_shard_create(&options, &worker->shards[s], &err);
        K_ASSERT(code == 0);
    }
}

// A process that ended by an error that its surroundings made is started again, as a supervisor would.
static bool passes(const struct world *w, int code)
{
    if (w->healed) return false;
    return code == K_E_IO || code == K_E_UNAVAILABLE || code == K_E_DISK_FULL;
}

static void count_record(void *context, const struct k_message *message)
{
    (void)message;
    ++*(uint64_t *)context;
}

bool worker_is_through(struct world *w, struct worker *worker)
{
    bool through = true;
    for (uint32_t i = 0; i < w->worker_count; i++) through &= w->workers[i].follower || w->workers[i].done;
    for (uint32_t s = 0; s < w->scenario.shards && through; s++) {
        Kappa__Internal__Position *position = disk_position(&worker->disks[s]);
        char journal[32];
        uint64_t records = 0;
        snprintf(journal, sizeof journal, "sim.journal.%u", s);
        k_cloud_read(w->cloud, journal, 0, count_record, &records);
        through = position && position->final && position->sequence == records;
        if (position) kappa__internal__position__free_unpacked(position, NULL);
    }
    return through;
}

// One step of one shard. Returns how long nothing will be due.
static int64_t step_shard(struct world *w, struct worker *worker, uint32_t s)
{
    int64_t wait_us = 0;
    struct k_error err = {0};
    w->steps++;
    int code = k_shard_step(worker->shards[s], &wait_us, &err);
    if (code == K_E_CRASHED) {
        w->stats.worker_crashed++;
        worker_kill(w, worker);
        return 0;
    }
    if (code && passes(w, code)) {
        worker_kill(w, worker);
        return 0;
    }
    if (code) {
        world_fail(w, "worker %s, shard %u stopped: %s: %s", worker->name, s, k_error_name(code), err.text);
        return 0;
    }
    if (k_shard_state(worker->shards[s]) != K_SHARD_STOPPED) return wait_us;
    worker->shard_done[s] = true;
    bool all = true;
    for (uint32_t i = 0; i < w->scenario.shards; i++) all &= worker->shard_done[i];
    if (!all) return 0;
    note_reports(w, worker);
    worker->done = w->once && (worker->follower ? worker_is_through(w, worker) : !worker->stopping);
    if (worker->done && worker->follower) w->stats.follower++;
    if (!w->once && !worker->stopping) world_fail(w, "worker %s stopped, and nobody asked it to", worker->name);
    worker_end(worker, false);
    worker->down_until_us = w->elapsed_us + (w->healed ? 0 : between(&w->random, 0, SECOND));
    return 0;
}

int64_t worker_step(struct world *w, struct worker *worker)
{
    if (worker->done || worker->in_call || worker->generation > w->generations.count) return SECOND;
    if (!worker->log) {
        if (w->elapsed_us < worker->down_until_us) return worker->down_until_us - w->elapsed_us;
        start_worker(w, worker);
        return 0;
    }
    if (w->elapsed_us < worker->paused_until_us) return worker->paused_until_us - w->elapsed_us;
    uint32_t s = (uint32_t)k_random_below(&w->random, w->scenario.shards);
    if (worker->overseer && w->elapsed_us >= worker->overseer_at_us) return generations_step(w, worker);
    return worker->shard_done[s] ? 0 : step_shard(w, worker, s);
}

void worker_stop(struct world *w, struct worker *worker)
{
    worker->stopping = true;
    for (uint32_t s = 0; s < w->scenario.shards; s++) k_shard_stop(worker->shards[s]);
}
