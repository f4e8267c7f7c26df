// kappa run: one process of a pipeline, until it is stopped (or, with --once, until it is through); or a job.
#include "cli/hosting.h"
#include "cli/run_job.h"
#include "cli/run_rebuild.h"

#include "base/trace.h"

#include <stdio.h>

enum {
    FINAL = HOST_OPTION_COUNT,
    SNAPSHOT_DIR,
    SNAPSHOT_INTERVAL,
    SNAPSHOT_KEEP,
    FROM,
    UNTIL,
    INTO,
    RATE,
    OUTPUT,
    REBUILD,
};
static const struct k_option options[] = {
    HOST_OPTIONS,
    [FINAL] = {.name = "final",
               .help = "with --once or --into: the input is complete, so that windows close and speak"},
    [SNAPSHOT_DIR] = {.name = "snapshot-dir", .argument = "DIR", .help = "export the state there regularly"},
    [SNAPSHOT_INTERVAL] = {.name = "snapshot-interval",
                           .argument = "DURATION",
                           .help = "from one export to the next",
                           .text = "1h"},
    [SNAPSHOT_KEEP] = {.name = "snapshot-keep", .argument = "N", .help = "how many exports are kept", .text = "3"},
    RUN_JOB_OPTIONS(FROM, UNTIL, INTO, RATE, OUTPUT),
    [REBUILD] = RUN_REBUILD_OPTION,
};

struct settings {
    struct hosting host;
    struct run_job job;
    bool rebuild;
};

static int read_settings(struct call *call, struct settings *s, struct k_error *err)
{
    static const uint32_t job[] = {FROM, UNTIL, INTO, RATE, OUTPUT};
    static const int no_job[] = {HOST_STATE_DIR, HOST_COMMIT_INTERVAL, HOST_CHECKPOINT_INTERVAL,
                                 HOST_BACKLOG_CHECKPOINT_INTERVAL, HOST_ONCE,
                                 HOST_GENERATION, SNAPSHOT_DIR, HOST_REPLICATION, REBUILD, -1};
    const struct k_options *o = &call->options;
    struct k_worker_options *w = &s->host.worker;
    int64_t keep = 3;
    w->snapshot_dir = k_options_text(o, SNAPSHOT_DIR);
    int code = hosting_read(call, &s->host, err);
    if (!code) code = k_options_duration(o, SNAPSHOT_INTERVAL, &w->snapshot_interval_us, err);
    if (!code) code = k_options_flag(o, FINAL, &w->final, err);
    if (!code) code = k_options_flag(o, REBUILD, &s->rebuild, err);
    if (!code) code = run_job_read(call, job, no_job, &s->job, err);
    if (!code && w->final && !w->once && !s->job.wanted)
        code = k_fail(err, K_E_USAGE, "--final goes with --once, or with --into: it declares the input complete");
    if (!code) code = k_options_integer(o, SNAPSHOT_KEEP, 1, 1000, &keep, err);
    w->snapshot_keep = (uint32_t)keep;
    return code;
}

// Said at each start, not refused: Kafka keeps records for seven days unless told otherwise, and few would get past.
static void say_what_is_outlived(struct k_log *log, const struct settings *s)
{
    const struct k_plan *plan = s->host.worker.plan;
    for (uint32_t i = 0; i < plan->source_count && !s->host.worker.snapshot_dir; i++) {
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

static int prepare(struct settings *s, struct k_log *log, struct k_error *err)
{
    struct hosting *h = &s->host;
    uint64_t generation = 1;
    if (s->job.wanted) {
        h->worker.generation = "1";
        int code = run_job_begin(&s->job, log, &h->worker, err);
        return code ? code : hosting_count_readers(h, log, err);
    }
    int code = k_topics_prepare(log, h->worker.plan, &h->topics, err);
    if (!code) code = hosting_count_readers(h, log, err);
    if (!code) say_what_is_outlived(log, s);
    if (!code) code = hosting_choose(h, log, &generation, err);
    if (!code && s->rebuild) {
        char name[24];
        snprintf(name, sizeof name, "%llu", (unsigned long long)generation);
        struct k_worker_options worker = h->worker;
        worker.generation = name;
        code = run_rebuild(log, &worker, err);
    }
    return code ? code : hosting_begin(h, log, generation, err);
}

static int start(struct call *call, struct settings *s)
{
    struct k_error err = {0};
    struct k_log *log = NULL;
    sigset_t signals;
    hosting_catch_signals(&signals);
    int code = k_log_kafka_open(&s->host.worker.kafka, &log, &err);
    if (!code) code = prepare(s, log, &err);
    if (log) log->ops->close(log);
    if (code) return command_failed(call, code, &err);
    int status = hosting_run(call, &s->host, &signals);
    return !status && s->job.wanted ? run_job_end(call, &s->job, s->host.stopped) : status;
}

static int run(struct call *call)
{
    struct settings s = {0};
    struct k_error err = {0};
    int code = read_settings(call, &s, &err);
    if (code) return command_misused(call, &err);
    struct loaded loaded;
    int status = load_plan(call, call->options.operands[0], HOST_SET, (uint32_t)s.host.shards, &loaded);
    if (status) return status;
    s.host.worker.plan = loaded.plan;
    status = start(call, &s);
    hosting_fini(&s.host);
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
