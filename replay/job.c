// Jobs: the note in the directory, and what a worker is told so that its shards read windows of the log.
#include "replay/job.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/directory.h"
#include "proto/internal.pb-c.h"

enum { COMMIT_US = 1000000, CHECKPOINT_US = 10000000 };

struct k_job {
    struct k_job_options options;
    struct k_worker_hooks hooks;
    struct k_aside_window *windows;
    uint32_t window_count;
    struct k_buf name; // of the job: the first lines of its note
    int note;          // the note's file, locked; -1: not yet
};

// --- the directory

static void name_job(struct k_job *job)
{
    const struct k_job_options *o = &job->options;
    k_buf_printf(&job->name, "kappa job 1\ngraph %s\nfingerprint %s\nshards %u\nfrom %s\nuntil %s\nfinal %s\n",
                 o->plan->name, o->plan->fingerprint, o->plan->shards, o->from, o->until, o->final ? "yes" : "no");
}

static int write_note(struct k_job *job, const char *state, struct k_error *err)
{
    struct k_buf out = {0};
    k_buf_add(&out, job->name.data, job->name.length);
    k_buf_printf(&out, "state %s\n", state);
    for (uint32_t i = 0; i < job->window_count; i++)
        k_buf_printf(&out, "window %s,%d,%lld,%lld\n", job->windows[i].topic, job->windows[i].partition,
                     (long long)job->windows[i].from, (long long)job->windows[i].until);
    bool good = ftruncate(job->note, 0) == 0 && pwrite(job->note, out.data, out.length, 0) == (ssize_t)out.length &&
                fsync(job->note) == 0;
    k_buf_fini(&out);
    if (good) return 0;
    return k_fail(err, errno == ENOSPC ? K_E_DISK_FULL : K_E_IO, "%s/JOB cannot be written: %s",
                  job->options.directory, strerror(errno));
}

// What an interrupted run of the same job has left.
static int remove_remains(const struct k_job *job, struct k_error *err)
{
    char *path = k_format("%s/%s/%s", job->options.directory, job->options.plan->name, K_JOB_GENERATION);
    int code = 0;
    if (!k_tree_remove(path))
        code = k_fail(err, K_E_IO, "%s, which an interrupted job left, cannot be removed: %s", path, strerror(errno));
    free(path);
    return code;
}

static bool is_empty(const char *directory)
{
    DIR *dir = opendir(directory);
    bool empty = true;
    for (struct dirent *entry; dir && empty && (entry = readdir(dir));)
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    if (dir) closedir(dir);
    return empty;
}

// Reads the note that is there, if any. *ret_other: the first line in which it differs from this job's.
static int judge_note(struct k_job *job, struct k_error *err)
{
    char text[4096];
    ssize_t length = pread(job->note, text, sizeof text - 1, 0);
    if (length < 0)
        return k_fail(err, K_E_IO, "%s/JOB cannot be read: %s", job->options.directory, strerror(errno));
    if (length == 0) return 0; // made, and then interrupted
    text[length] = 0;
    const char *there = text, *ours = job->name.data;
    while (*ours) {
        size_t n = strcspn(ours, "\n"), m = strcspn(there, "\n");
        if (n != m || memcmp(ours, there, n) != 0)
            return k_fail(err, K_E_CONFIG,
                          "%s belongs to another job: it has \"%.*s\", this one is \"%.*s\"; choose another --into",
                          job->options.directory, (int)m, there, (int)n, ours);
        ours += n + (ours[n] == '\n');
        there += m + (there[m] == '\n');
    }
    if (strncmp(there, "state complete\n", 15) == 0)
        return k_fail(err, K_E_CONFIG,
                      "%s holds the complete result of this job; read it with kappa table, or choose another --into",
                      job->options.directory);
    return remove_remains(job, err);
}

static int take_directory(struct k_job *job, struct k_error *err)
{
    const char *directory = job->options.directory;
    int code = k_directories_make(directory, 0700, err);
    if (code) return code;
    char *path = k_format("%s/JOB", directory);
    bool fresh = access(path, F_OK) != 0;
    if (fresh && !is_empty(directory)) {
        free(path);
        return k_fail(err, K_E_CONFIG, "%s is not empty, and no job made what is in it; choose another --into",
                      directory);
    }
    job->note = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    free(path);
    if (job->note < 0) return k_fail(err, K_E_IO, "%s/JOB cannot be made: %s", directory, strerror(errno));
    if (flock(job->note, LOCK_EX | LOCK_NB) != 0)
        return k_fail(err, K_E_UNAVAILABLE, "another process is at work in %s", directory);
    code = judge_note(job, err);
    return code ? code : write_note(job, "running", err);
}

// --- what the worker is told

static int open_log(void *context, uint32_t shard, struct k_log *kafka, struct k_log **ret, struct k_error *err)
{
    (void)shard, (void)err;
    struct k_job *job = context;
    uint64_t shards = job->options.plan->shards;
    const struct k_aside_options options = {.log = kafka,
                                            .windows = job->windows,
                                            .window_count = job->window_count,
                                            .rate = (job->options.rate + shards - 1) / shards};
    *ret = k_aside_open(&options);
    return 0;
}

// The journal is needed from the last checkpoint on, in case the shard has to start again from there.
static void stepped(void *context, struct k_shard *shard, struct k_log *log)
{
    (void)context;
    struct k_shard_report report;
    k_shard_report(shard, &report);
    struct k_state *state = k_shard_working_state(shard);
    if (!state || !k_aside_grown(log, report.checkpoints)) return;
    struct k_str bytes = k_state_position(state);
    Kappa__Internal__Position *position =
        kappa__internal__position__unpack(NULL, bytes.length, (const uint8_t *)bytes.data);
    if (!position) return;
    k_aside_forget(log, position->journal_offset);
    kappa__internal__position__free_unpacked(position, NULL);
}

void k_job_worker(struct k_job *job, struct k_worker_options *options)
{
    job->hooks = (struct k_worker_hooks){.context = job, .log = open_log, .stepped = stepped};
    options->hooks = &job->hooks;
    options->generation = K_JOB_GENERATION;
    options->state_dir = job->options.directory;
    options->once = options->mute = options->in_order = true;
    options->final = job->options.final;
    options->lag = false;
    // Nobody waits for what a job has so far: only memory makes it write earlier.
    options->commit_interval_us = COMMIT_US;
    options->checkpoint_interval_us = CHECKPOINT_US;
}

const struct k_aside_window *k_job_windows(const struct k_job *job, uint32_t *ret_count)
{
    *ret_count = job->window_count;
    return job->windows;
}

int k_job_begin(struct k_log *log, const struct k_job_options *options, int64_t now_us, struct k_job **ret,
                struct k_error *err)
{
    struct k_job *job = k_new(struct k_job);
    struct k_place from = {0}, until = {0};
    job->options = *options;
    job->note = -1;
    for (uint32_t i = 0; i < options->plan->source_count; i++) options->plan->sources[i].idle_us = -1;
    name_job(job);
    int code = k_place_parse(options->from, now_us, &from, err);
    if (!code) code = k_place_parse(options->until, now_us, &until, err);
    if (!code)
        code = k_place_windows(log, options->plan, &from, &until, &job->windows, &job->window_count, err);
    if (!code) code = take_directory(job, err);
    k_place_fini(&from);
    k_place_fini(&until);
    if (code) {
        k_job_destroy(job);
        return code;
    }
    *ret = job;
    return 0;
}

int k_job_complete(struct k_job *job, struct k_error *err)
{
    return write_note(job, "complete", err);
}

void k_job_destroy(struct k_job *job)
{
    if (!job) return;
    if (job->note >= 0) close(job->note); // and so unlocks it
    k_buf_fini(&job->name);
    free(job->windows);
    free(job);
}
