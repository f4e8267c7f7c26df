// A worker in this process, its steward, and the signals that end it.
#include "cli/hosting.h"
#include "cli/allocator.h"
#include "replay/leftovers.h"
#include "replay/steward.h"
#include "replay/suffixed.h"

#include "base/trace.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { SIGNALS_US = 250000 }; // from one look for signals to the next

static int at_least(struct call *call, uint32_t index, int64_t value, int64_t low, const char *wanted,
                    struct k_error *err)
{
    return value < low ? k_options_refuse(&call->options, index, wanted, err) : 0;
}

static int read_durations(struct call *call, struct k_worker_options *w, struct k_error *err)
{
    const struct k_options *o = &call->options;
    int code = k_options_duration(o, HOST_COMMIT_INTERVAL, &w->commit_interval_us, err);
    if (!code) code = k_options_duration(o, HOST_CHECKPOINT_INTERVAL, &w->checkpoint_interval_us, err);
    if (!code) code = k_options_duration(o, HOST_BACKLOG_CHECKPOINT_INTERVAL, &w->backlog_checkpoint_interval_us, err);
    if (!code) code = k_options_duration(o, HOST_JOURNAL_TRIM_INTERVAL, &w->trim_interval_us, err);
    if (!code) code = k_options_duration(o, HOST_JOURNAL_KEEP, &w->journal_keep_us, err);
    if (!code) code = k_options_duration(o, HOST_TRANSACTION_TIMEOUT, &w->transaction_timeout_us, err);
    if (!code) code = k_options_duration(o, HOST_SESSION_TIMEOUT, &w->kafka.session_timeout_us, err);
    if (!code)
        code = at_least(call, HOST_COMMIT_INTERVAL, w->commit_interval_us, 1000, "a duration of at least 1ms", err);
    if (!code)
        code = at_least(call, HOST_TRANSACTION_TIMEOUT, w->transaction_timeout_us, 1000000,
                        "a duration of at least 1s", err);
    if (!code)
        code = at_least(call, HOST_SESSION_TIMEOUT, w->kafka.session_timeout_us, 1000000, "a duration of at least 1s",
                        err);
    if (!code && w->commit_interval_us * 2 > w->transaction_timeout_us)
        code = k_options_refuse(o, HOST_COMMIT_INTERVAL, "at most half of --transaction-timeout", err);
    return code;
}

static int read_trace(struct call *call, struct k_error *err)
{
    static const char *const levels[] = {"error", "warn", "info", "debug"}, *const formats[] = {"text", "json"};
    uint32_t level = K_TRACE_WARN, format = 0;
    int code = k_options_choice(&call->options, HOST_LOG_LEVEL, levels, 4, &level, err);
    if (!code) code = k_options_choice(&call->options, HOST_LOG_FORMAT, formats, 2, &format, err);
    if (!code) k_trace_setup((enum k_trace_level)level, format == 1);
    return code;
}

int hosting_budget(const struct k_options *options, uint32_t index, uint32_t shards, uint64_t *ret_bytes,
                   struct k_error *err)
{
    char wanted[64];
    uint64_t least = k_budget_least(shards);
    int code = k_options_size(options, index, ret_bytes, err);
    if (code || *ret_bytes >= least) return code;
    snprintf(wanted, sizeof wanted, "a size of at least %lluMiB%s", (unsigned long long)least >> 20,
             shards > 1 ? " with so many shards" : "");
    return k_options_refuse(options, index, wanted, err);
}

int hosting_read(struct call *call, struct hosting *h, struct k_error *err)
{
    const struct k_options *o = &call->options;
    struct k_worker_options *w = &h->worker;
    int64_t replication = -1;
    h->shards = 1;
    w->memory_bytes = 512 << 20;
    w->state_dir = k_options_text(o, HOST_STATE_DIR);
    int code = kafka_options(call, HOST_KAFKA, &w->kafka, err);
    if (!code) code = read_durations(call, w, err);
    if (!code) code = k_options_integer(o, HOST_SHARDS, 1, 1024, &h->shards, err);
    if (!code) code = hosting_budget(o, HOST_MEMORY, (uint32_t)h->shards, &w->memory_bytes, err);
    if (!code) allocator_fit(w->memory_bytes);
    if (!code) code = k_options_integer(o, HOST_GENERATION, 1, INT64_MAX, &h->wanted, err);
    if (!code) code = k_options_flag(o, HOST_ONCE, &w->once, err);
    if (!code) code = k_options_integer(o, HOST_REPLICATION, -1, 100, &replication, err);
    if (!code) code = progress_read(call, HOST_PROGRESS, HOST_STATS, &h->progress, err);
    if (!code) code = read_trace(call, err);
    w->worker = w->kafka.worker;
    w->lag = h->progress.line || h->progress.plain || h->progress.stats;
    h->topics = (struct k_topics_options){.create = true, .replication = (int32_t)replication, .partitions = -1};
    return code;
}

// The client's queue budget is per partition, so it is divided by how many a shard reads: its share of the sources, and
// the journal.
int hosting_count_readers(struct hosting *h, struct k_log *log, struct k_error *err)
{
    uint32_t partitions = 0, shards = h->worker.plan->shards;
    for (uint32_t i = 0; i < h->worker.plan->source_count; i++) {
        struct k_topic_info info;
        int code = log->ops->topic_info(log, h->worker.plan->sources[i].topic, &info, err);
        if (code) return code;
        partitions += ((uint32_t)info.partitions + shards - 1) / shards;
    }
    h->worker.kafka.readers_expected = partitions + 1;
    return 0;
}

// SIGTERM and SIGINT are blocked in every thread and taken here: the first stops in order, the second at once.
static bool stop_wanted(const sigset_t *signals)
{
    struct timespec none = {0, 0};
    return sigtimedwait(signals, NULL, &none) > 0;
}

// *ret_retired: it stopped because its generation was retired.
static int supervise(struct call *call, struct k_worker *worker, struct hosting *h, const sigset_t *signals,
                     bool *ret_retired)
{
    struct k_error err = {0};
    struct progress *progress;
    int code = progress_start(&h->progress, h->worker.plan, worker, &progress, &err);
    if (code) k_worker_stop(worker);
    bool done = false, stopping = false;
    int ended = 0;
    struct k_error why = {0};
    while (!done) {
        ended = k_worker_wait(worker, SIGNALS_US, &done, &why);
        progress_tick(progress);
        if (!done && !stopping && h->steward && k_steward_is_retired(h->steward)) {
            *ret_retired = stopping = true;
            k_worker_stop(worker);
        }
        if (!done && stop_wanted(signals)) {
            if (h->stopped) {
                fprintf(stderr, "kappa %s: stopped at once; what was not committed is read again at the next start\n",
                        call->command->name);
                _Exit(128 + SIGINT);
            }
            h->stopped = stopping = true;
            k_worker_stop(worker);
        }
    }
    progress_end(progress);
    if (code) return command_failed(call, code, &err);
    if (ended) return command_failed(call, ended, &why);
    return progress_totals(h->worker.plan, worker, stderr);
}

void hosting_catch_signals(sigset_t *ret)
{
    sigemptyset(ret);
    sigaddset(ret, SIGINT);
    sigaddset(ret, SIGTERM);
    pthread_sigmask(SIG_BLOCK, ret, NULL);
}

// What the control record says of where the generation begins, and of its outputs.
static int prepare_generation(struct hosting *h, struct k_log *log, struct k_error *err)
{
    struct k_control control;
    int code = k_control_read(log, h->worker.plan->name, &control, err);
    const struct k_generation *g = code ? NULL : k_control_find(&control, h->generation);
    if (!g || g->role == K_ROLE_RETIRED) return code;
    if (g->start[0]) {
        k_starts_init(&h->starts);
        code = k_starts_read(log, h->worker.plan->name, h->generation, &h->starts, err);
        h->worker.starts = h->starts.items;
        h->worker.start_count = h->starts.count;
        h->worker.journal_from = h->starts.journal_from;
        if (!code && h->starts.journal_from && h->starts.shards != h->worker.plan->shards)
            code = k_fail(err, K_E_CORRUPT, "generation %llu was made for %u shards, the graph has %u",
                          (unsigned long long)h->generation, h->starts.shards, h->worker.plan->shards);
    }
    if (code || !g->suffix[0]) return code;
    snprintf(h->suffix, sizeof h->suffix, "%s", g->suffix);
    h->worker.output_suffix = h->suffix;
    return k_suffixed_prepare(log, h->worker.plan, h->generation, h->suffix, &h->topics, err);
}

int hosting_begin(struct hosting *h, struct k_log *log, uint64_t generation, struct k_error *err)
{
    h->generation = generation;
    snprintf(h->generation_name, sizeof h->generation_name, "%llu", (unsigned long long)generation);
    h->worker.generation = h->generation_name;
    int code = k_control_prepare(log, h->worker.plan->name, h->topics.replication, err);
    if (code == K_E_DENIED && generation == 1) {
        // As it was before there were generations: who may not make the topic can still run the only one.
        k_trace(K_TRACE_WARN, "run", "%s; without it there is no replay beside this pipeline", err->text);
        return 0;
    }
    if (!code) code = prepare_generation(h, log, err);
    if (code) return code;
    const struct k_steward_options options = {.kafka = h->worker.kafka,
                                              .plan = h->worker.plan,
                                              .state_dir = h->worker.state_dir,
                                              .generation = generation};
    for (int attempt = 0;; attempt++) {
        code = k_steward_start(&options, &h->steward, err);
        if (!k_control_again(code) || code == K_E_UNAVAILABLE || attempt == 20) break;
    }
    if (!code) h->worker.orders = k_steward_orders(h->steward);
    return code;
}

// Of a retired generation: its state, and the topics of its outputs.
static void remove_generation(struct call *call, struct hosting *h)
{
    struct k_log *log = NULL;
    struct k_error err = {0};
    k_generation_remove(h->worker.state_dir, h->worker.plan->name, h->generation);
    int code = k_log_kafka_open(&h->worker.kafka, &log, &err);
    if (!code) code = k_generation_remove_topics(log, h->worker.plan->name, h->generation, &err);
    if (log) log->ops->close(log);
    if (code)
        fprintf(stderr, "kappa %s: topics of generation %s are left: %s; kappa replay abort %s %s tries again\n",
                call->command->name, h->generation_name, err.text, h->worker.plan->name, h->generation_name);
}

int hosting_run(struct call *call, struct hosting *h, const sigset_t *signals)
{
    struct k_error err = {0};
    struct k_worker *worker = NULL;
    bool retired = h->steward && k_steward_is_retired(h->steward);
    int code = retired ? k_fail(&err, K_E_CONFIG, "generation %s is retired", h->generation_name)
                       : k_worker_start(&h->worker, &worker, &err);
    if (code) return command_failed(call, code, &err);
    if (h->steward) k_steward_attach(h->steward, worker);
    int status = supervise(call, worker, h, signals, &retired);
    if (h->steward) k_steward_attach(h->steward, NULL);
    k_worker_destroy(worker);
    if (!retired) return status;
    fprintf(stderr, "kappa %s: generation %s is retired; its state is removed\n", call->command->name,
            h->generation_name);
    remove_generation(call, h);
    return status;
}

void hosting_fini(struct hosting *h)
{
    k_steward_stop(h->steward);
    h->steward = NULL;
    k_starts_fini(&h->starts);
}

static bool has_graph(const struct k_generation *g, const char *fingerprint)
{
    return g->role != K_ROLE_RETIRED && strcmp(g->fingerprint, fingerprint) == 0;
}

int hosting_choose(struct hosting *h, struct k_log *log, uint64_t *ret, struct k_error *err)
{
    struct k_control control;
    const char *fingerprint = h->worker.plan->fingerprint;
    int code = k_control_read(log, h->worker.plan->name, &control, err);
    if (code) return code;
    const struct k_generation *live = k_control_find(&control, control.live), *found = NULL;
    if (h->wanted) {
        found = k_control_find(&control, (uint64_t)h->wanted);
        if (!found || found->role == K_ROLE_RETIRED)
            return k_fail(err, K_E_NOT_FOUND, "generation %lld %s", (long long)h->wanted,
                          found ? "is retired" : "does not exist");
        if (found->fingerprint[0] && strcmp(found->fingerprint, fingerprint) != 0)
            return k_fail(err, K_E_CONFIG, "generation %lld has another graph", (long long)h->wanted);
    } else if (!live->fingerprint[0] || has_graph(live, fingerprint)) {
        found = live; // where nobody noted its graph, the journal says whether it is this one
    } else {
        for (uint32_t i = 0; i < control.generation_count; i++)
            if (has_graph(&control.generations[i], fingerprint)) found = &control.generations[i];
    }
    if (!found)
        return k_fail(
            err, K_E_CONFIG,
            "the pipeline \"%s\" runs another graph (generation %llu, fingerprint %s, this one has %s); build "
            "a new generation from the changed graph (kappa replay start)",
            h->worker.plan->name, (unsigned long long)control.live, live->fingerprint, fingerprint);
    *ret = found->number;
    return 0;
}
