// The in-memory log: the cloud, its time, its faults, and the connection of one worker.
#include "engine/log_memory_private.h"

#include <stdlib.h>

// --- time and faults ---

struct k_cloud *k_cloud_create(uint64_t seed, const struct k_fault_rates *rates, int64_t now_us)
{
    struct k_cloud *cloud = k_new(struct k_cloud);
    cloud->random = seed ^ 0x6B61707061u;
    cloud->wall_us = now_us;
    if (rates) cloud->rates = *rates;
    k_arena_init(&cloud->arena);
    return cloud;
}

void k_cloud_destroy(struct k_cloud *cloud)
{
    if (!cloud) return;
    memory_groups_free(cloud);
    memory_transactions_free(cloud);
    memory_topics_free(cloud);
    k_arena_fini(&cloud->arena);
    free(cloud);
}

void k_cloud_advance(struct k_cloud *cloud, int64_t us)
{
    K_ASSERT(us >= 0);
    cloud->elapsed_us += us;
    cloud->wall_us += us;
    memory_transactions_tick(cloud);
    memory_groups_tick(cloud);
    if (FAULT(cloud, retention)) memory_retention(cloud);
    if (FAULT(cloud, offsets_expired))
        for (struct group *g = cloud->groups; g; g = g->next) g->offsets = NULL;
}

void k_cloud_set_clock(struct k_cloud *cloud, int64_t now_us) { cloud->wall_us = now_us; }
int64_t k_cloud_now(const struct k_cloud *cloud) { return cloud->wall_us; }
void k_cloud_set_rates(struct k_cloud *cloud, const struct k_fault_rates *rates) { cloud->rates = *rates; }
const struct k_fault_counts *k_cloud_fault_counts(const struct k_cloud *cloud) { return &cloud->counts; }

void k_cloud_settle(struct k_cloud *cloud)
{
    memory_transactions_settle(cloud);
}

int64_t memory_delay(struct k_cloud *cloud)
{
    return 1000ll << k_random_below(&cloud->random, 13);
}

// --- the connection ---

static int dead(struct memory_log *log, struct k_error *err)
{
    log->crashed = true;
    return k_fail(err, K_E_CRASHED, "the simulated worker %s is dead", log->worker);
}

void k_cloud_set_pause(struct k_cloud *cloud, uint32_t rate, k_cloud_pause pause, void *context)
{
    cloud->pause_rate = rate;
    cloud->pause = pause;
    cloud->pause_context = context;
}

static void maybe_pause(struct memory_log *log)
{
    struct k_cloud *cloud = log->cloud;
    if (!cloud->pause_rate || log->paused || k_random_below(&cloud->random, cloud->pause_rate)) return;
    log->paused = true;
    cloud->pause(cloud->pause_context, &log->log);
    log->paused = false;
}

void k_cloud_crash_at(struct k_cloud *cloud, uint64_t point) { cloud->crash_at = point; }
uint64_t k_cloud_points(const struct k_cloud *cloud) { return cloud->points; }

int memory_enter(struct memory_log *log, struct k_error *err)
{
    if (!log->crashed) maybe_pause(log);
    bool here = ++log->cloud->points == log->cloud->crash_at;
    if (log->crashed || here || FAULT(log->cloud, crash_before_call)) return dead(log, err);
    return 0;
}

int memory_leave(struct memory_log *log, int code, struct k_error *err)
{
    maybe_pause(log);
    bool here = ++log->cloud->points == log->cloud->crash_at;
    if (log->crashed || here || FAULT(log->cloud, crash_after_call)) return dead(log, err);
    return code;
}

int memory_request(struct memory_log *log, const char *what, struct k_error *err)
{
    if (!FAULT(log->cloud, request_lost)) return 0;
    if (k_random_below(&log->cloud->random, 2)) return k_fail(err, K_E_RETRY, "%s: the request got lost", what);
    return k_fail(err, K_E_UNAVAILABLE, "%s: no answer from the broker", what);
}

static int64_t now_us(struct k_log *base) { return memory_log_of(base)->cloud->wall_us; }

static void wait(struct k_log *base, struct k_reader *const *readers, uint32_t count, int64_t timeout_us)
{
    (void)base, (void)readers, (void)count, (void)timeout_us; // time is the cloud's
}

static void close_log(struct k_log *base)
{
    struct memory_log *log = memory_log_of(base);
    free(log->worker);
    free(log);
}

static struct k_log_ops ops = {
    .now_us = now_us,
    .wait = wait,
    .topic_info = memory_topic_info,
    .topic_create = memory_topic_create,
    .topic_delete = memory_topic_delete,
    .offsets = memory_offsets,
    .delete_records = memory_delete_records,
    .close = close_log,
};

struct k_log *k_cloud_connect(struct k_cloud *cloud, const char *worker)
{
    if (!ops.fetch) {
        memory_reader_ops(&ops);
        memory_producer_ops(&ops);
        memory_member_ops(&ops);
    }
    struct memory_log *log = k_new(struct memory_log);
    log->log.ops = &ops;
    log->cloud = cloud;
    log->worker = k_strdup(worker);
    return &log->log;
}

bool k_log_memory_crashed(const struct k_log *log) { return ((const struct memory_log *)log)->crashed; }
void k_log_memory_crash(struct k_log *log) { memory_log_of(log)->crashed = true; }
