// Threads: one a shard, nothing shared on the record path. What others may see of a shard is copied out under a lock
// between steps, a few times a second.
#include "engine/worker.h"

#include "base/directory.h"
#include "base/trace.h"
#include "engine/marks.h"
#include "engine/snapshots.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

// FIGURES_US: just below a second, which is how often --stats writes them.
enum { REPORT_US = 100000, FIGURES_US = 900000, COUNTERS_MAX = 1024 };

struct hosted {
    struct k_worker *worker;
    uint32_t shard;
    pthread_t thread;
    bool started;
    char *directory;
    struct k_copy_place copies;
    struct k_log *kafka, *log; // log: what the shard works on, by default kafka

    pthread_mutex_t lock; // guards what follows
    bool stop, done;
    int code;
    struct k_error error;
    struct k_shard_report report;
    struct k_counters *counters;
    uint32_t counters_count;
};

struct k_worker {
    struct k_worker_options options;
    struct k_budget budget;
    struct hosted *hosted;
    uint32_t count;
    pthread_cond_t changed;
    pthread_mutex_t lock; // with changed
};

// Not counted one by one, so left free: a checkpoint under way (half of the cache's size, when rows are small), what
// librdkafka holds around its queues (about as much again), and slack of the allocator: 77 % of what is shared out, as
// peaks with 64 and 256 MiB show, and BUDGET_BASE, which does not depend on it: code, stacks and connections (22 MiB
// resident when nothing is done), buffers of files being written.
static const uint64_t BUDGET_BASE = 48u << 20, BUDGET_SHARD_MIN = 16u << 20;

uint64_t k_budget_least(uint32_t shards)
{
    return BUDGET_BASE + shards * BUDGET_SHARD_MIN;
}

struct k_budget k_budget_of(uint64_t memory_bytes, uint32_t shards)
{
    K_ASSERT(memory_bytes >= k_budget_least(shards));
    uint64_t share = (memory_bytes - BUDGET_BASE) / shards;
    return (struct k_budget){
        .cache_bytes = share / 100 * 34, .store_bytes = share / 100 * 20, .queue_bytes = share / 100 * 9};
}

static int open_store(void *context, struct k_store **ret, struct k_error *err)
{
    struct hosted *h = context;
    int code = k_directories_make(h->directory, 0700, err);
    if (!code) code = k_store_rocks_open(h->directory, true, h->worker->budget.store_bytes, ret, err);
    return code;
}

static int keep_mark(void *context, struct k_store *store, uint64_t mark, struct k_error *err)
{
    const struct hosted *h = context;
    (void)err;
    k_mark_keep(&h->copies, store, mark);
    return 0;
}

static void publish(struct hosted *h, struct k_shard *shard, bool with_figures)
{
    struct k_machine *machine = k_shard_machine(shard);
    struct k_state_figures figures = h->report.figures; // written by this thread only
    if (with_figures) k_shard_figures(shard, &figures);
    pthread_mutex_lock(&h->lock);
    k_shard_report(shard, &h->report);
    h->report.figures = figures;
    if (machine) {
        uint32_t n = k_machine_counters_count(machine);
        if (!h->counters) h->counters = k_new_array(struct k_counters, n + 1);
        h->counters_count = n;
        const char *name;
        for (uint32_t i = 0; i < n; i++) h->counters[i] = *k_machine_counters(machine, i, &name);
    }
    if (h->stop) k_shard_stop(shard);
    pthread_mutex_unlock(&h->lock);
}

static int run_shard(struct hosted *h, struct k_shard *shard, struct k_error *err)
{
    struct k_log *log = h->log;
    struct k_snapshots snapshots;
    k_snapshots_init(&snapshots, h->worker->options.snapshot_dir, h->worker->options.plan->name,
                     h->worker->options.generation, h->shard, h->worker->options.snapshot_interval_us,
                     h->worker->options.snapshot_keep);
    int64_t published = 0, figured = 0, wait_us = 0;
    int code = 0;
    while (!code) {
        code = k_shard_step(shard, &wait_us, err);
        int64_t now = log->ops->now_us(log);
        bool stopped = k_shard_state(shard) == K_SHARD_STOPPED;
        if (stopped || now - published >= REPORT_US || wait_us > 0) {
            bool with_figures = stopped || now - figured >= FIGURES_US || now < figured;
            publish(h, shard, with_figures);
            published = now;
            if (with_figures) figured = now;
        }
        if (!code) k_snapshots_maybe(&snapshots, shard, now);
        const struct k_worker_hooks *hooks = h->worker->options.hooks;
        if (!code && hooks) hooks->stepped(hooks->context, shard, log);
        if (stopped) break;
        if (!code && wait_us > 0) k_shard_wait(shard, wait_us);
    }
    k_snapshots_fini(&snapshots);
    if (!code && k_shard_machine(shard)) code = k_machine_check_sums(k_shard_machine(shard), err);
    publish(h, shard, true);
    return code;
}

static void *shard_thread(void *context)
{
    struct hosted *h = context;
    struct k_worker *w = h->worker;
    const struct k_worker_options *o = &w->options;
    struct k_error error = {0};
    struct k_shard_options options = {.plan = o->plan,
                                      .shard = h->shard,
                                      .worker = o->worker,
                                      .generation = o->generation,
                                      .open_store = open_store,
                                      .store_context = h,
                                      .state = {.cache_bytes = w->budget.cache_bytes},
                                      .commit_interval_us = o->commit_interval_us,
                                      .checkpoint_interval_us = o->checkpoint_interval_us,
                                      .backlog_checkpoint_interval_us = o->backlog_checkpoint_interval_us,
                                      .transaction_timeout_us = o->transaction_timeout_us,
                                      .trim_interval_us = o->trim_interval_us,
                                      .journal_keep_us = o->journal_keep_us,
                                      .step_budget_us = 200000,
                                      .once = o->once,
                                      .final = o->final,
                                      .lag = o->lag,
                                      .orders = o->orders,
                                      .keep_mark = keep_mark,
                                      .mark_context = h,
                                      .copies = o->orders ? &k_copies_on_disk : NULL,
                                      .copies_context = &h->copies,
                                      .can_lead = true,
                                      .mute = o->mute,
                                      .follow_rate = (o->follow_rate + o->plan->shards - 1) / o->plan->shards,
                                      .starts = o->starts,
                                      .start_count = o->start_count,
                                      .journal_from = o->journal_from ? o->journal_from[h->shard] : 0,
                                      .output_suffix = o->output_suffix,
                                      .in_order = o->in_order};
    struct k_kafka_options kafka = o->kafka;
    kafka.queue_bytes = w->budget.queue_bytes;
    struct k_shard *shard = NULL;
    int code = k_log_kafka_open(&kafka, &h->kafka, &error);
    h->log = h->kafka;
    if (!code && o->hooks) code = o->hooks->log(o->hooks->context, h->shard, h->kafka, &h->log, &error);
    options.log = h->log;
    if (!code) code = k_shard_create(&options, &shard, &error);
    if (!code) code = run_shard(h, shard, &error);
    k_shard_destroy(shard);
    if (h->log && h->log != h->kafka) h->log->ops->close(h->log);
    if (h->kafka) h->kafka->ops->close(h->kafka);
    pthread_mutex_lock(&h->lock);
    h->done = true;
    h->code = code;
    h->error = error;
    pthread_mutex_unlock(&h->lock);
    pthread_mutex_lock(&w->lock);
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

int k_worker_start(const struct k_worker_options *options, struct k_worker **ret, struct k_error *err)
{
    struct k_worker *w = k_new(struct k_worker);
    w->options = *options;
    w->count = options->plan->shards;
    w->budget = k_budget_of(options->memory_bytes, w->count);
    w->hosted = k_new_array(struct hosted, w->count);
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&w->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    for (uint32_t i = 0; i < w->count; i++) {
        struct hosted *h = &w->hosted[i];
        h->worker = w;
        h->shard = i;
        h->report.lag_records = -1;
        h->directory = k_format("%s/%s/%s/%u", options->state_dir, options->plan->name, options->generation, i);
        h->copies = (struct k_copy_place){options->state_dir, options->plan->name, options->generation, i};
        pthread_mutex_init(&h->lock, NULL);
    }
    for (uint32_t i = 0; i < w->count; i++) {
        struct hosted *h = &w->hosted[i];
        int failed = pthread_create(&h->thread, NULL, shard_thread, h);
        if (failed) {
            k_worker_stop(w);
            k_worker_destroy(w); // waits for those that run
            return k_fail(err, K_E_NO_MEMORY, "no thread for shard %u: %s", i, strerror(failed));
        }
        h->started = true;
    }
    *ret = w;
    return 0;
}

void k_worker_stop(struct k_worker *w)
{
    for (uint32_t i = 0; i < w->count; i++) {
        pthread_mutex_lock(&w->hosted[i].lock);
        w->hosted[i].stop = true;
        pthread_mutex_unlock(&w->hosted[i].lock);
    }
}

static bool all_done(struct k_worker *w, int *ret_code, struct k_error *err)
{
    bool done = true;
    *ret_code = 0;
    for (uint32_t i = 0; i < w->count; i++) {
        pthread_mutex_lock(&w->hosted[i].lock);
        done &= w->hosted[i].done;
        if (w->hosted[i].code && !*ret_code) {
            *ret_code = w->hosted[i].code;
            *err = w->hosted[i].error;
        }
        pthread_mutex_unlock(&w->hosted[i].lock);
    }
    return done;
}

int k_worker_wait(struct k_worker *w, int64_t timeout_us, bool *ret_done, struct k_error *err)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + timeout_us % 1000000 * 1000;
    until.tv_sec += timeout_us / 1000000 + ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    int code;
    pthread_mutex_lock(&w->lock);
    while (!(*ret_done = all_done(w, &code, err))) {
        if (code) k_worker_stop(w); // one shard that stopped by an error stops the worker
        if (pthread_cond_timedwait(&w->changed, &w->lock, &until) == ETIMEDOUT) break;
    }
    pthread_mutex_unlock(&w->lock);
    return *ret_done ? code : 0;
}

uint32_t k_worker_shards(const struct k_worker *w)
{
    return w->count;
}

void k_worker_report(struct k_worker *w, uint32_t shard, struct k_shard_report *ret)
{
    struct hosted *h = &w->hosted[shard];
    pthread_mutex_lock(&h->lock);
    *ret = h->report;
    pthread_mutex_unlock(&h->lock);
}

uint32_t k_worker_counters(struct k_worker *w, struct k_counters *ret, const char **ret_names, uint32_t max)
{
    const struct k_plan *plan = w->options.plan;
    uint32_t count = plan->source_count + plan->node_count;
    if (count > max) count = max;
    for (uint32_t i = 0; i < count; i++) {
        ret_names[i] = i < plan->source_count ? plan->sources[i].name : plan->nodes[i - plan->source_count].name;
        ret[i] = (struct k_counters){0};
    }
    for (uint32_t s = 0; s < w->count; s++) {
        struct hosted *h = &w->hosted[s];
        pthread_mutex_lock(&h->lock);
        for (uint32_t i = 0; i < count && i < h->counters_count; i++) {
            const struct k_counters *c = &h->counters[i];
            ret[i].in += c->in;
            ret[i].processed += c->processed;
            ret[i].filtered += c->filtered;
            ret[i].late += c->late;
            ret[i].dropped += c->dropped;
            ret[i].dead_lettered += c->dead_lettered;
            ret[i].out += c->out;
        }
        pthread_mutex_unlock(&h->lock);
    }
    return count;
}

void k_worker_destroy(struct k_worker *w)
{
    if (!w) return;
    for (uint32_t i = 0; i < w->count; i++) {
        if (w->hosted[i].started) pthread_join(w->hosted[i].thread, NULL);
        pthread_mutex_destroy(&w->hosted[i].lock);
        free(w->hosted[i].directory);
        free(w->hosted[i].counters);
    }
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->changed);
    free(w->hosted);
    free(w);
}
