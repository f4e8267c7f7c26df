// Asking for a mark, and waiting for the copies.
#include "cli/parity_mark.h"

#include "cli/shard_dirs.h"
#include "replay/generations.h"
#include "base/units.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_US = 50000, FILES_OPEN = 16 };
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

int parity_mark_with(struct k_log *log, struct parity_mark *mark, char **ret_directory, struct k_error *err)
{
    struct k_control control;
    struct k_marking ask = {0};
    int code = k_control_change_now(log, mark->graph, k_marking, &ask, ASK_US, &control, err);
    if (code) return code;
    say_starts(mark, &control);
    mark->number = ask.mark;
    char *copies = k_format("%s/.marks/%llu", mark->state_dir, (unsigned long long)ask.mark);
    code = wait_for(mark, copies, err);
    if (code) free(copies);
    else *ret_directory = copies;
    return code;
}

// What lies below a shard's directory goes. The directory stays: a generation that follows the mark once more, from a
// checkpoint before it, would else take the copy for one that is still to be made.
static int empty_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    enum { SHARD_LEVEL = 3 }; // below that of the mark: graph, generation, shard
    (void)status, (void)type;
    return ftw->level > SHARD_LEVEL ? remove(path) : 0;
}

// Of an earlier mark, which every generation here has passed with a checkpoint: only what is empty goes.
static int remove_empty(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status, (void)ftw;
    if (type == FTW_DP) (void)!rmdir(path);
    return 0;
}

void parity_drop_copies(const char *state_dir, uint64_t mark)
{
    char *marks = k_format("%s/.marks", state_dir), *own = k_format("%s/%llu", marks, (unsigned long long)mark);
    nftw(own, empty_one, FILES_OPEN, FTW_DEPTH | FTW_PHYS);
    DIR *all = opendir(marks);
    const struct dirent *entry;
    while (all && (entry = readdir(all))) {
        uint64_t other = strtoull(entry->d_name, NULL, 10); // 0: it is none
        char *path = k_format("%s/%s", marks, entry->d_name);
        if (other && other < mark) nftw(path, remove_empty, FILES_OPEN, FTW_DEPTH | FTW_PHYS);
        free(path);
    }
    if (all) closedir(all);
    free(own);
    free(marks);
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
