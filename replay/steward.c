// A thread around an overseer, and the LIVE file.
#include "replay/steward.h"

#include "replay/leftovers.h"
#include "replay/presence.h"

#include "base/trace.h"
#include "base/units.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LIVE_US = 500000, SAY_US = 1000000, CLEAR_US = 10000000, ERROR_US = 1000000, FETCH_WAIT_US = 1000000 };

struct k_steward {
    struct k_steward_options options;
    struct k_log *log;
    struct k_overseer *overseer;
    pthread_t thread;
    pthread_mutex_t lock; // guards worker
    struct k_worker *worker;
    atomic_bool stop, retired;
    struct k_producer *saying; // NULL until needed
    bool can_say;              // the topic is there
};

static bool report(void *context, uint32_t shard, struct k_shard_report *ret)
{
    struct k_steward *s = context;
    pthread_mutex_lock(&s->lock);
    bool there = s->worker != NULL;
    if (there) k_worker_report(s->worker, shard, ret);
    pthread_mutex_unlock(&s->lock);
    return there;
}

// --- LIVE ---

static bool is_there(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0;
}

static void read_live(const char *path, char *out, size_t size)
{
    FILE *file = fopen(path, "r");
    out[0] = 0;
    if (!file) return;
    if (!fgets(out, (int)size, file)) out[0] = 0;
    out[strcspn(out, "\r\n")] = 0;
    fclose(file);
}

static void write_live(const char *directory, const char *path, const char *name)
{
    char *part = k_format("%s/LIVE.part", directory);
    FILE *file = fopen(part, "w");
    bool good = file && fprintf(file, "%s\n", name) > 0;
    if (file) good &= fclose(file) == 0;
    if (!good || rename(part, path) != 0)
        k_trace(K_TRACE_WARN, "steward", "%s cannot be written: %s", path, strerror(errno));
    free(part);
}

// The generation that LIVE may name from now on, as far as this process can tell; false: leave it.
static bool may_name_live(struct k_steward *s, const char *directory, const char *now)
{
    const struct k_control *control = k_overseer_control(s->overseer);
    if (control->revision == 0) return false; // there is only one
    if (control->live == s->options.generation) return k_overseer_may_serve(s->overseer);
    // Whoever hosts the live generation here sees to it; if nobody does, readers are told whom they miss.
    char *other = k_format("%s/%llu", directory, (unsigned long long)control->live);
    bool absent = !is_there(other) || (!now[0] && k_control_is_settled(control));
    free(other);
    return absent;
}

static void keep_live(struct k_steward *s)
{
    char *directory = k_format("%s/%s", s->options.state_dir, s->options.plan->name),
         *path = k_format("%s/LIVE", directory);
    char now[24], wanted[24];
    read_live(path, now, sizeof now);
    snprintf(wanted, sizeof wanted, "%llu", (unsigned long long)k_overseer_control(s->overseer)->live);
    if (is_there(directory) && strcmp(now, wanted) != 0 && may_name_live(s, directory, now))
        write_live(directory, path, wanted);
    free(directory);
    free(path);
}

// --- where this process stands ---

// Nobody asks while there is one generation. A broker that does not take it, or may not, is no reason to stop.
static void say(struct k_steward *s)
{
    struct k_error error = {0};
    if (k_overseer_control(s->overseer)->revision == 0) return;
    uint32_t shards = s->options.plan->shards, n = 0;
    struct k_shard_report *reports = k_new_array(struct k_shard_report, shards + 1);
    while (n < shards && report(s, n, &reports[n])) n++;
    int code = s->can_say ? 0 : k_presence_prepare(s->log, s->options.plan->name, -1, &error);
    s->can_say = code == 0;
    if (!code && n == shards)
        code = k_presence_say(s->log, s->options.plan, s->options.kafka.worker, s->options.generation, reports,
                              &s->saying, &error);
    if (code) k_trace(K_TRACE_INFO, "steward", "where it stands was not told: %s", error.text);
    free(reports);
}

// --- the thread ---

static void note_retirement(struct k_steward *s)
{
    struct k_control control = *k_overseer_control(s->overseer);
    const struct k_generation *own = k_control_find(&control, s->options.generation);
    if (own ? own->role == K_ROLE_RETIRED : control.revision > 0) atomic_store(&s->retired, true);
}

static void *follow(void *context)
{
    struct k_steward *s = context;
    int64_t live_us = 0, said_us = 0, cleared_us = k_clock_us(CLOCK_MONOTONIC); // when that was done
    while (!atomic_load(&s->stop)) {
        struct k_error error = {0};
        int64_t wait_us = 0;
        int code = k_overseer_step(s->overseer, &wait_us, &error);
        if (code) {
            k_trace(k_control_again(code) ? K_TRACE_INFO : K_TRACE_WARN, "steward", "%s", error.text);
            wait_us = ERROR_US / 4;
        }
        note_retirement(s);
        int64_t now = k_clock_us(CLOCK_MONOTONIC);
        if (now - live_us >= LIVE_US) {
            keep_live(s);
            live_us = now;
        }
        if (now - said_us >= SAY_US) {
            say(s);
            said_us = now;
        }
        if (now - cleared_us >= CLEAR_US) {
            k_leftovers_remove(s->log, s->options.state_dir, s->options.plan->name, s->options.generation,
                               k_overseer_control(s->overseer));
            cleared_us = now;
        }
        k_overseer_wait(s->overseer, wait_us);
    }
    return NULL;
}

int k_steward_start(const struct k_steward_options *options, struct k_steward **ret, struct k_error *err)
{
    struct k_steward *s = k_new(struct k_steward);
    s->options = *options;
    s->options.kafka.queue_bytes = 1 << 20;
    s->options.kafka.readers_expected = 1;
    // A control record is answered as soon as it is there; until then a fetch costs a tenth of a millisecond, day and
    // night.
    s->options.kafka.fetch_wait_us = FETCH_WAIT_US;
    pthread_mutex_init(&s->lock, NULL);
    int code = k_log_kafka_open(&s->options.kafka, &s->log, err);
    if (!code) {
        const struct k_overseer_options overseer = {.log = s->log,
                                                    .graph = options->plan->name,
                                                    .generation = options->generation,
                                                    .shards = options->plan->shards,
                                                    .report = report,
                                                    .context = s,
                                                    .seed = (uint64_t)getpid() * 2654435761u};
        code = k_overseer_create(&overseer, &s->overseer, err);
    }
    if (!code) {
        note_retirement(s);
        int failed = pthread_create(&s->thread, NULL, follow, s);
        if (failed) code = k_fail(err, K_E_NO_MEMORY, "no thread to follow the control record: %s", strerror(failed));
    }
    if (!code) {
        *ret = s;
        return 0;
    }
    k_overseer_destroy(s->overseer);
    if (s->log) s->log->ops->close(s->log);
    pthread_mutex_destroy(&s->lock);
    free(s);
    return code;
}

const struct k_orders *k_steward_orders(const struct k_steward *s)
{
    return k_overseer_orders(s->overseer);
}

void k_steward_attach(struct k_steward *s, struct k_worker *worker)
{
    pthread_mutex_lock(&s->lock);
    s->worker = worker;
    pthread_mutex_unlock(&s->lock);
}

bool k_steward_is_retired(const struct k_steward *s)
{
    return atomic_load(&s->retired);
}

void k_steward_stop(struct k_steward *s)
{
    if (!s) return;
    atomic_store(&s->stop, true);
    pthread_join(s->thread, NULL);
    k_overseer_destroy(s->overseer);
    s->log->ops->producer_close(s->saying);
    s->log->ops->close(s->log);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
