// kappa run --into: what a job is told, and its result: the windows that it read, and the digest of each table.
#include "cli/run_job.h"

#include <stdlib.h>

#include "replay/digest.h"

enum { JOB_FROM, JOB_UNTIL, JOB_INTO, JOB_RATE, JOB_OUTPUT };

int run_job_read(struct call *call, const uint32_t indices[5], const int *others, struct run_job *ret,
                 struct k_error *err)
{
    const struct k_options *o = &call->options;
    int64_t rate = 0;
    ret->options.directory = k_options_text(o, indices[JOB_INTO]);
    ret->wanted = ret->options.directory != NULL;
    static const int with_into[] = {JOB_FROM, JOB_UNTIL, JOB_RATE, JOB_OUTPUT};
    for (uint32_t i = 0; i < 4 && !ret->wanted; i++)
        if (k_options_given(o, indices[with_into[i]]))
            return k_fail(err, K_E_USAGE, "--%s goes with --into DIR: a job that reads a part of the log",
                          call->command->options[indices[with_into[i]]].name);
    for (; ret->wanted && *others >= 0; others++)
        if (o->values[*others].origin == K_OPTION_FLAG)
            return k_fail(err, K_E_USAGE, "--%s makes no sense with --into: a job ends where --until says, and has "
                          "nothing but its directory", call->command->options[*others].name);
    if (!ret->wanted) return 0;
    if (!*ret->options.directory) return k_options_refuse(o, indices[JOB_INTO], "a directory", err);
    ret->options.from = k_options_text(o, indices[JOB_FROM]);
    ret->options.until = k_options_text(o, indices[JOB_UNTIL]);
    if (!ret->options.from) ret->options.from = "earliest";
    if (!ret->options.until) ret->options.until = "latest";
    int code = k_options_integer(o, indices[JOB_RATE], 1, INT64_MAX / 1000000, &rate, err);
    ret->options.rate = (uint64_t)rate;
    if (!code) code = output_is_json(call, indices[JOB_OUTPUT], &ret->json, err);
    return code;
}

int run_job_begin(struct run_job *job, struct k_log *log, struct k_worker_options *worker, struct k_error *err)
{
    job->options.plan = worker->plan;
    job->options.final = worker->final;
    int code = k_job_begin(log, &job->options, log->ops->now_us(log), &job->job, err);
    if (!code) k_job_worker(job->job, worker);
    return code;
}

static void add_digest(struct k_buf *out, const struct k_digest *digest)
{
    char hex[2 * K_DIGEST_BYTES + 1];
    k_digest_hex(digest, hex);
    k_buf_printf(out, "\"rows\":%llu,\"digest\":\"%s\"", (unsigned long long)digest->rows, hex);
}

static void add_windows(struct k_buf *out, const struct run_job *job)
{
    uint32_t count;
    const struct k_aside_window *windows = k_job_windows(job->job, &count);
    for (uint32_t i = 0; i < count; i++) {
        k_buf_add_text(out, i ? ",{\"topic\":" : "{\"topic\":");
        k_json_string(out, k_str_of(windows[i].topic));
        k_buf_printf(out, ",\"partition\":%d,\"from\":%lld,\"until\":%lld}", windows[i].partition,
                     (long long)windows[i].from, (long long)windows[i].until);
    }
}

static void say_windows(const struct run_job *job)
{
    static const char *const headings[] = {"topic", "partition", "from", "until"};
    static const bool right[] = {false, true, true, true};
    uint32_t count;
    const struct k_aside_window *windows = k_job_windows(job->job, &count);
    struct columns *columns = columns_create(stdout, headings, right, 4);
    for (uint32_t i = 0; i < count; i++) {
        columns_cell(columns, k_str_of(windows[i].topic));
        columns_printf(columns, "%d", windows[i].partition);
        columns_printf(columns, "%lld", (long long)windows[i].from);
        columns_printf(columns, "%lld", (long long)windows[i].until);
    }
    columns_end(columns);
    puts("");
}

static int print_tables(const struct run_job *job, struct k_view *view, struct k_error *err)
{
    static const char *const headings[] = {"table", "rows", "digest"};
    static const bool right[] = {false, true, false};
    const struct k_table_info *const *tables;
    struct k_digest all = {0};
    struct k_buf out = {0};
    uint32_t count;
    int code = k_view_tables(view, &tables, &count, err);
    struct columns *columns = job->json || code ? NULL : columns_create(stdout, headings, right, 3);
    k_buf_add_text(&out, "{\"kind\":\"job\",\"graph\":");
    k_json_string(&out, k_str_of(job->options.plan->name));
    k_buf_printf(&out, ",\"fingerprint\":\"%s\",\"windows\":[", job->options.plan->fingerprint);
    add_windows(&out, job);
    k_buf_add_text(&out, "],\"tables\":[");
    for (uint32_t i = 0; !code && i < count; i++) {
        struct k_table_digest digest;
        code = k_table_digest(view, tables[i], &digest, err);
        if (code) break;
        char hex[2 * K_DIGEST_BYTES + 1];
        k_digest_hex(&digest.all, hex);
        k_digest_add(&all, &digest.all);
        k_buf_add_text(&out, i ? ",{\"table\":" : "{\"table\":");
        k_json_string(&out, k_str_of(tables[i]->name));
        k_buf_add_char(&out, ',');
        add_digest(&out, &digest.all);
        k_buf_add_char(&out, '}');
        if (columns) {
            columns_cell(columns, k_str_of(tables[i]->name));
            columns_printf(columns, "%llu", (unsigned long long)digest.all.rows);
            columns_cell(columns, k_str_of(hex));
        }
        k_table_digest_fini(&digest);
    }
    k_buf_add_text(&out, "],");
    add_digest(&out, &all);
    k_buf_add_char(&out, '}');
    columns_end(columns);
    if (!code && job->json) puts(out.data);
    k_buf_fini(&out);
    return code;
}

static int print_result(const struct run_job *job, struct k_error *err)
{
    const struct k_reader_options options = {.state_dir = job->options.directory,
                                             .graph = job->options.plan->name,
                                             .generation = K_JOB_GENERATION,
                                             .one_view = true};
    struct k_state_reader *reader = NULL;
    struct k_view *view = NULL;
    int code = k_reader_open(&options, &reader, err);
    if (!code) code = k_view_open(reader, &view, err);
    if (!code && !job->json) say_windows(job);
    if (!code) code = print_tables(job, view, err);
    k_view_close(view);
    k_reader_close(reader);
    return code;
}

int run_job_end(struct call *call, struct run_job *job, bool stopped)
{
    struct k_error err = {0};
    if (stopped) {
        fprintf(stderr, "kappa run: stopped before the end; %s holds no result. The same command begins again\n",
                job->options.directory);
        return 1;
    }
    int code = print_result(job, &err);
    if (!code) code = k_job_complete(job->job, &err);
    fflush(stdout);
    return code ? command_failed(call, code, &err) : 0;
}

void run_job_fini(struct run_job *job)
{
    k_job_destroy(job->job);
}
