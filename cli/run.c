// kappa run: one process of a pipeline, until it is stopped (or, with --once, until it is through).
#include "cli/kafka.h"
#include "cli/load.h"
#include "cli/progress.h"
#include "cli/run_job.h"
#include "engine/topics.h"
#include "engine/worker.h"

#include "base/trace.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SET,
    STATE_DIR,
    MEMORY,
    COMMIT_INTERVAL,
    CHECKPOINT_INTERVAL,
    TRANSACTION_TIMEOUT,
    SESSION_TIMEOUT,
    SHARDS,
    ONCE,
    FINAL,
    SNAPSHOT_DIR,
    SNAPSHOT_INTERVAL,
    SNAPSHOT_KEEP,
    REPLICATION,
    STATS,
    PROGRESS,
    LOG_LEVEL,
    LOG_FORMAT,
    FROM,
    UNTIL,
    INTO,
    RATE,
    OUTPUT,
    KAFKA_OPTIONS
};
static const struct k_option options[] = {
    [SET] = OPTION_SET,
    [STATE_DIR] = OPTION_STATE_DIR,
    [MEMORY] = {.name = "memory",
                .argument = "SIZE",
                .help = "budget of cache, RocksDB and Kafka queues together",
                .text = "512MiB"},
    [COMMIT_INTERVAL] = {.name = "commit-interval",
                         .argument = "DURATION",
                         .help = "from one transaction to the next",
                         .text = "100ms"},
    [CHECKPOINT_INTERVAL] = {.name = "checkpoint-interval",
                             .argument = "DURATION",
                             .help = "from one checkpoint to the next",
                             .text = "1s"},
    [TRANSACTION_TIMEOUT] = {.name = "transaction-timeout",
                             .argument = "DURATION",
                             .help = "after which the broker aborts a transaction",
                             .text = "10s"},
    [SESSION_TIMEOUT] = {.name = "session-timeout",
                         .argument = "DURATION",
                         .help = "after which a silent worker loses its shards",
                         .text = "6s"},
    [SHARDS] = OPTION_SHARDS,
    [ONCE] = {.name = "once", .help = "stop when every source has reached the end that it had at the start"},
    [FINAL] = {.name = "final",
               .help = "with --once or --into: the input is complete, so that windows close and speak"},
    [SNAPSHOT_DIR] = {.name = "snapshot-dir", .argument = "DIR", .help = "export the state there regularly"},
    [SNAPSHOT_INTERVAL] = {.name = "snapshot-interval",
                           .argument = "DURATION",
                           .help = "from one export to the next",
                           .text = "1h"},
    [SNAPSHOT_KEEP] = {.name = "snapshot-keep", .argument = "N", .help = "how many exports are kept", .text = "3"},
    [REPLICATION] = {.name = "replication",
                     .argument = "N",
                     .help = "replicas of topics that are made; -1: the broker's default",
                     .text = "-1"},
    [STATS] = {.name = "stats",
               .argument = "FILE",
               .help = "write counters and figures there as JSON lines, once a second"},
    [PROGRESS] = {.name = "progress",
                  .argument = "auto|yes|no",
                  .help = "the progress line on stderr",
                  .text = "auto"},
    [LOG_LEVEL] = {.name = "log-level",
                   .argument = "error|warn|info|debug",
                   .help = "which diagnostics are shown",
                   .text = "warn"},
    [LOG_FORMAT] = {.name = "log-format", .argument = "text|json", .help = "how they are shown", .text = "text"},
    RUN_JOB_OPTIONS(FROM, UNTIL, INTO, RATE, OUTPUT),
    KAFKA_OPTION_TABLE(KAFKA_OPTIONS),
};

struct settings {
    struct k_worker_options worker;
    struct k_topics_options topics;
    struct progress_options progress;
    struct run_job job;
    int64_t shards;
    bool stopped; // by a signal
};

static int at_least(struct call *call, uint32_t index, int64_t value, int64_t low, const char *wanted,
                    struct k_error *err)
{
    return value < low ? k_options_refuse(&call->options, index, wanted, err) : 0;
}

static int read_durations(struct call *call, struct k_worker_options *w, struct k_error *err)
{
    const struct k_options *o = &call->options;
    int code = k_options_duration(o, COMMIT_INTERVAL, &w->commit_interval_us, err);
    if (!code) code = k_options_duration(o, CHECKPOINT_INTERVAL, &w->checkpoint_interval_us, err);
    if (!code) code = k_options_duration(o, TRANSACTION_TIMEOUT, &w->transaction_timeout_us, err);
    if (!code) code = k_options_duration(o, SESSION_TIMEOUT, &w->kafka.session_timeout_us, err);
    if (!code) code = k_options_duration(o, SNAPSHOT_INTERVAL, &w->snapshot_interval_us, err);
    if (!code) code = at_least(call, COMMIT_INTERVAL, w->commit_interval_us, 1000, "a duration of at least 1ms", err);
    if (!code)
        code =
            at_least(call, TRANSACTION_TIMEOUT, w->transaction_timeout_us, 1000000, "a duration of at least 1s", err);
    if (!code)
        code =
            at_least(call, SESSION_TIMEOUT, w->kafka.session_timeout_us, 1000000, "a duration of at least 1s", err);
    if (!code && w->commit_interval_us * 2 > w->transaction_timeout_us)
        code = k_options_refuse(o, COMMIT_INTERVAL, "at most half of --transaction-timeout", err);
    return code;
}

static int read_trace(struct call *call, struct k_error *err)
{
    static const char *const levels[] = {"error", "warn", "info", "debug"}, *const formats[] = {"text", "json"};
    uint32_t level = K_TRACE_WARN, format = 0;
    int code = k_options_choice(&call->options, LOG_LEVEL, levels, 4, &level, err);
    if (!code) code = k_options_choice(&call->options, LOG_FORMAT, formats, 2, &format, err);
    if (!code) k_trace_setup((enum k_trace_level)level, format == 1);
    return code;
}

static int read_settings(struct call *call, struct settings *s, struct k_error *err)
{
    const struct k_options *o = &call->options;
    struct k_worker_options *w = &s->worker;
    int64_t replication = -1, keep = 3;
    s->shards = 1;
    w->memory_bytes = 512 << 20;
    w->generation = "1";
    w->state_dir = k_options_text(o, STATE_DIR);
    w->snapshot_dir = k_options_text(o, SNAPSHOT_DIR);
    int code = kafka_options(call, KAFKA_OPTIONS, &w->kafka, err);
    if (!code) code = read_durations(call, w, err);
    if (!code) code = k_options_size(o, MEMORY, &w->memory_bytes, err);
    if (!code && w->memory_bytes < 32u << 20) code = k_options_refuse(o, MEMORY, "a size of at least 32MiB", err);
    if (!code) code = k_options_integer(o, SHARDS, 1, 1024, &s->shards, err);
    if (!code) code = k_options_flag(o, ONCE, &w->once, err);
    if (!code) code = k_options_flag(o, FINAL, &w->final, err);
    static const uint32_t job[] = {FROM, UNTIL, INTO, RATE, OUTPUT};
    static const int no_job[] = {STATE_DIR,    COMMIT_INTERVAL, CHECKPOINT_INTERVAL, ONCE, SNAPSHOT_DIR,
                                 REPLICATION, -1};
    if (!code) code = run_job_read(call, job, no_job, &s->job, err);
    if (!code && w->final && !w->once && !s->job.wanted)
        code = k_fail(err, K_E_USAGE, "--final goes with --once, or with --into: it declares the input complete");
    if (!code) code = k_options_integer(o, REPLICATION, -1, 100, &replication, err);
    if (!code) code = k_options_integer(o, SNAPSHOT_KEEP, 1, 1000, &keep, err);
    if (!code) code = progress_read(call, PROGRESS, STATS, &s->progress, err);
    if (!code) code = read_trace(call, err);
    w->worker = w->kafka.worker;
    w->lag = s->progress.line || s->progress.plain || s->progress.stats;
    w->snapshot_keep = (uint32_t)keep;
    s->topics = (struct k_topics_options){.create = true, .replication = (int32_t)replication, .partitions = -1};
    return code;
}

// SIGTERM and SIGINT are blocked in every thread and taken here: the first stops in order, the second at once.
static bool stop_wanted(const sigset_t *signals)
{
    struct timespec none = {0, 0};
    return sigtimedwait(signals, NULL, &none) > 0;
}

static int supervise(struct call *call, struct k_worker *worker, struct settings *s, const sigset_t *signals)
{
    struct k_error err = {0};
    struct progress *progress;
    int code = progress_start(&s->progress, s->worker.plan, worker, &progress, &err);
    if (code) k_worker_stop(worker);
    bool done = false, stopping = false;
    int ended = 0;
    struct k_error why = {0};
    while (!done) {
        ended = k_worker_wait(worker, 100000, &done, &why);
        progress_tick(progress);
        if (!done && stop_wanted(signals)) {
            if (stopping) {
                fputs("kappa run: stopped at once; what was not committed is read again at the next start\n", stderr);
                _Exit(128 + SIGINT);
            }
            stopping = true;
            k_worker_stop(worker);
        }
    }
    progress_end(progress);
    s->stopped = stopping;
    if (code) return command_failed(call, code, &err);
    if (ended) return command_failed(call, ended, &why);
    return progress_totals(s->worker.plan, worker, stderr);
}

// Said at each start, not refused: Kafka keeps records for seven days unless told otherwise, and few would get past.
static void say_what_is_outlived(struct k_log *log, const struct settings *s)
{
    const struct k_plan *plan = s->worker.plan;
    for (uint32_t i = 0; i < plan->source_count && !s->worker.snapshot_dir; i++) {
        struct k_topic_info info;
        struct k_error ignored = {0};
        struct k_buf kept = {0};
        const char *table;
        if (!log->ops->topic_info(log, plan->sources[i].topic, &info, &ignored) &&
            k_topics_outlived(plan, &info, &table, &kept))
            k_trace(K_TRACE_WARN, "run", "table \"%s\" keeps rows longer than source topic %s keeps records (%s). %s",
                    table, plan->sources[i].topic, kept.data, K_TOPICS_OUTLIVED_HINT);
        k_buf_fini(&kept);
    }
}

// The client's queue budget is per partition, so it is divided by how many a shard reads: its share of the sources, and
// the journal.
static int count_readers(struct k_log *log, struct settings *s, struct k_error *err)
{
    uint32_t partitions = 0, shards = s->worker.plan->shards;
    for (uint32_t i = 0; i < s->worker.plan->source_count; i++) {
        struct k_topic_info info;
        int code = log->ops->topic_info(log, s->worker.plan->sources[i].topic, &info, err);
        if (code) return code;
        partitions += ((uint32_t)info.partitions + shards - 1) / shards;
    }
    s->worker.kafka.readers_expected = partitions + 1;
    return 0;
}

static int start(struct call *call, struct settings *s)
{
    struct k_error err = {0};
    struct k_log *log = NULL;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    int code = k_log_kafka_open(&s->worker.kafka, &log, &err);
    if (!code && s->job.wanted) code = run_job_begin(&s->job, log, &s->worker, &err);
    else if (!code) code = k_topics_prepare(log, s->worker.plan, &s->topics, &err);
    if (!code) code = count_readers(log, s, &err);
    if (!code && !s->job.wanted) say_what_is_outlived(log, s);
    if (log) log->ops->close(log);
    struct k_worker *worker = NULL;
    if (!code) code = k_worker_start(&s->worker, &worker, &err);
    if (code) return command_failed(call, code, &err);
    int status = supervise(call, worker, s, &signals);
    k_worker_destroy(worker);
    if (!status && s->job.wanted) status = run_job_end(call, &s->job, s->stopped);
    return status;
}

static int run(struct call *call)
{
    struct settings s = {0};
    struct k_error err = {0};
    int code = read_settings(call, &s, &err);
    if (code) return command_misused(call, &err);
    struct loaded loaded;
    int status = load_plan(call, call->options.operands[0], SET, (uint32_t)s.shards, &loaded);
    if (status) return status;
    s.worker.plan = loaded.plan;
    status = start(call, &s);
    run_job_fini(&s.job);
    loaded_fini(&loaded);
    return status;
}

const struct command command_run = {
    .name = "run",
    .operands = "FILE",
    .doc = "run a graph: one process of its pipeline",
    .options = options,
    .more = "Several processes of one graph, each with a state directory of its own, share its shards and stand by "
            "for each\n"
            "other. SIGTERM and Ctrl-C finish the batch, commit, checkpoint, and exit with 0.\n\n"
            "With --into it is a job instead: it reads the sources from --from until --until, merged by event time, "
            "and ends by\n"
            "itself. The pipeline, if it runs, does not notice. A job that was interrupted begins again from the "
            "start when the same\n"
            "command is given again.",
    .option_count = sizeof options / sizeof *options,
    .operands_min = 1,
    .operands_max = 1,
    .run = run};
