// Asking for a mark, and waiting for the copies.
#include "cli/parity_mark.h"

#include "cli/shard_dirs.h"
#include "replay/generations.h"
#include "base/units.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

enum { LOOK_US = 50000 };
static const int64_t ASK_US = 20000000;

// Whether the generation's shards that are in the state directory are all copied.
static int is_kept(const struct parity_mark *mark, const char *generation, const char *copies, bool *ret,
                   struct k_error *err)
{
    struct shard_dirs here = {0};
    int code = shard_dirs_find(mark->state_dir, mark->graph, generation, &here, err);
    *ret = true;
    for (uint32_t i = 0; i < here.count && !code; i++) {
        char *copy = k_format("%s/%s/%s/%u", copies, mark->graph, generation, here.items[i].shard);
        struct stat status;
        *ret &= stat(copy, &status) == 0;
        free(copy);
    }
    shard_dirs_fini(&here);
    return code;
}

static int wait_for(const struct parity_mark *mark, const char *copies, struct k_error *err)
{
    int64_t until_us = k_clock_us(CLOCK_MONOTONIC) + mark->timeout_us;
    for (;;) {
        const char *missing = NULL;
        for (int i = 0; i < 2 && mark->generations[i]; i++) {
            bool kept;
            int code = is_kept(mark, mark->generations[i], copies, &kept, err);
            if (code) return code;
            if (!kept) missing = mark->generations[i];
        }
        if (!missing) return 0;
        if (k_clock_us(CLOCK_MONOTONIC) >= until_us)
            return k_fail(err, K_E_TIMEOUT,
                          "generation %s has not come to the mark in time; it must be hosted on this machine, with "
                          "state directory %s",
                          missing, mark->state_dir);
        struct timespec pause = {.tv_nsec = LOOK_US * 1000};
        nanosleep(&pause, NULL);
    }
}

// Who compares should know that one of them has never seen what the other counts.
static void say_starts(const struct parity_mark *mark, struct k_control *control)
{
    for (int i = 0; i < 2 && mark->generations[1]; i++) {
        const struct k_generation *g = k_control_find(control, strtoull(mark->generations[i], NULL, 10));
        if (g && g->start[0])
            fprintf(stderr, "generation %s begins as said by %s: its tables are made of later records only\n",
                    mark->generations[i], g->start);
    }
}

int parity_take_mark(struct call *call, uint32_t kafka, struct parity_mark *mark, char **ret_directory,
                     struct k_error *err)
{
    struct k_log *log = NULL;
    bool ignored;
    // Before anything is asked for: both are here.
    int code = is_kept(mark, mark->generations[0], "", &ignored, err);
    if (!code) code = is_kept(mark, mark->generations[1], "", &ignored, err);
    if (!code) code = kafka_open(call, kafka, &log, err);
    if (!code) code = parity_mark_with(log, mark, ret_directory, err);
    if (log) log->ops->close(log);
    return code;
}

// Who comes to the mark must find that somebody waits for it here.
struct asking {
    struct k_marking marking;
    struct parity_mark *mark;
};

static int claim_and_ask(void *context, struct k_control *control, bool *ret_write, struct k_error *err)
{
    struct asking *ask = context;
    int code = k_marking(&ask->marking, control, ret_write, err);
    return code ? code : k_mark_claim(&ask->mark->claim, ask->marking.mark, err);
}

int parity_mark_with(struct k_log *log, struct parity_mark *mark, char **ret_directory, struct k_error *err)
{
    struct k_control control;
    struct asking ask = {.mark = mark};
    mark->claim = (struct k_mark_claim){.state_dir = mark->state_dir, .graph = mark->graph, .file = -1};
    int code = k_control_change_now(log, mark->graph, claim_and_ask, &ask, ASK_US, &control, err);
    mark->number = ask.marking.mark;
    char *copies = k_format("%s/.marks/%llu", mark->state_dir, (unsigned long long)mark->number);
    if (!code) say_starts(mark, &control);
    if (!code) code = wait_for(mark, copies, err);
    if (!code) {
        *ret_directory = copies;
        return 0;
    }
    free(copies);
    parity_mark_end(mark, false);
    return code;
}

void parity_mark_end(struct parity_mark *mark, bool keep)
{
    mark->claim.keep = keep;
    k_mark_leave(&mark->claim, mark->number);
}

int parity_keep_report(struct call *call, uint32_t kafka, const char *graph, const struct k_parity_report *report,
                       struct k_error *err)
{
    struct k_log *log = NULL;
    struct k_control control;
    struct k_reporting ask = {*report};
    int code = kafka_open(call, kafka, &log, err);
    if (!code) {
        ask.report.time_us = log->ops->now_us(log);
        code = k_control_change_now(log, graph, k_reporting, &ask, ASK_US, &control, err);
    }
    if (log) log->ops->close(log);
    return code ? k_wrap(err, code, "the report is not kept") : 0;
}
