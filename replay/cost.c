// Measuring what a replay will cost.
#include "replay/cost.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "engine/journal.h"

enum {
    SAMPLE = 256, // records of a partition that are read
    PLACES = 3,   // of a long one, at so many places
    FETCH_US = 100000,
    FETCHES_MAX = 50,
    JOURNAL = 2048 // records at the beginning and at the end of a journal, by which the rate is measured
};
static const int64_t WINDOW_US = 1000000; // the rate that was kept up for so long

typedef Kappa__Internal__JournalRecord Record;

// --- bytes

struct sample {
    uint64_t records, bytes;
};

// Up to max records from an offset on, none at or behind end. *ret_next: where it came to.
static int read_sample(struct k_log *log, const char *topic, int32_t partition, int64_t from, int64_t end,
                       uint32_t max, struct sample *sample, int64_t *ret_next, struct k_error *err)
{
    struct k_reader *reader;
    int code = log->ops->reader_open(log, topic, partition, from, &reader, err);
    if (code) return code;
    uint32_t taken = 0;
    for (int i = 0; i < FETCHES_MAX && !code && taken < max && log->ops->position(reader) < end; i++) {
        const struct k_message *const *messages;
        uint32_t count = 0;
        code = log->ops->fetch(reader, max - taken, 4 << 20, FETCH_US, &messages, &count, err);
        for (uint32_t m = 0; m < count && messages[m]->offset < end; m++) {
            sample->records++;
            sample->bytes += messages[m]->key.length + messages[m]->value.length;
        }
        taken += count;
    }
    *ret_next = log->ops->position(reader);
    log->ops->reader_close(reader);
    return code;
}

static int bytes_of(struct k_log *log, const char *topic, int32_t partition, int64_t from, int64_t end,
                    uint64_t *ret_bytes, bool *exact, struct k_error *err)
{
    struct sample sample = {0};
    int64_t span = end - from, next = from;
    if (span <= 0) return 0;
    bool whole = span <= SAMPLE;
    int code = 0;
    for (int i = 0; i < (whole ? 1 : PLACES) && !code; i++) {
        // The last place ends at the end.
        int64_t at = whole ? from : from + (span - SAMPLE / PLACES) / (PLACES - 1) * i;
        code = read_sample(log, topic, partition, at, end, whole ? SAMPLE : SAMPLE / PLACES, &sample, &next, err);
    }
    if (code) return code;
    if (whole && next >= end) {
        *ret_bytes += sample.bytes;
        return 0;
    }
    *exact = false;
    if (sample.records) *ret_bytes += (uint64_t)((double)sample.bytes / (double)sample.records * (double)span);
    return 0;
}

// --- rate

// Records fed within a window of the journal's clock.
struct measuring {
    int64_t begin_us; // of the window; INT64_MIN: none yet
    uint64_t records;
    double best;
};

static void note_record(struct measuring *m, const Record *record)
{
    if (m->begin_us == INT64_MIN) { // since when what it holds was fed is not known
        m->begin_us = record->clock_us;
        return;
    }
    for (size_t i = 0; i < record->n_range; i++) m->records += record->range[i]->count;
    int64_t passed_us = record->clock_us - m->begin_us;
    if (passed_us < WINDOW_US) return;
    double rate = (double)m->records * 1e6 / (double)passed_us;
    if (rate > m->best) m->best = rate;
    m->begin_us = record->clock_us;
    m->records = 0;
}

static int measure_from(struct k_log *log, const char *journal, int64_t from, int64_t end, struct measuring *m,
                        struct k_error *err)
{
    struct k_reader *reader;
    uint32_t taken = 0;
    int code = log->ops->reader_open(log, journal, 0, from, &reader, err);
    if (code) return code;
    m->begin_us = INT64_MIN;
    m->records = 0;
    for (int i = 0; i < FETCHES_MAX && !code && taken < JOURNAL && log->ops->position(reader) < end; i++) {
        const struct k_message *const *messages;
        uint32_t count = 0;
        code = log->ops->fetch(reader, JOURNAL - taken, 4 << 20, FETCH_US, &messages, &count, err);
        for (uint32_t r = 0; r < count; r++) {
            Record *record = kappa__internal__journal_record__unpack(NULL, messages[r]->value.length,
                                                                     (const uint8_t *)messages[r]->value.data);
            if (record) note_record(m, record);
            if (record) kappa__internal__journal_record__free_unpacked(record, NULL);
        }
        taken += count;
    }
    log->ops->reader_close(reader);
    return code;
}

// --- disk

static uint64_t disk_of(const char *path)
{
    struct stat status;
    if (lstat(path, &status) != 0) return 0;
    if (!S_ISDIR(status.st_mode)) return (uint64_t)status.st_blocks * 512;
    uint64_t bytes = 0;
    DIR *dir = opendir(path);
    const struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        char *below = k_format("%s/%s", path, entry->d_name);
        bytes += disk_of(below);
        free(below);
    }
    if (dir) closedir(dir);
    return bytes;
}

static uint64_t generation_disk(const char *state_dir, const char *graph, uint64_t generation)
{
    char *path = k_format("%s/%s/%llu", state_dir, graph, (unsigned long long)generation);
    uint64_t bytes = disk_of(path);
    free(path);
    return bytes;
}

// Of what is there of the path to the directory.
static int free_below(const char *directory, uint64_t *ret, struct k_error *err)
{
    char *at = directory[0] == '/' ? k_strdup(directory) : k_format("./%s", directory);
    struct statvfs fs;
    int failed;
    while ((failed = statvfs(at, &fs)) != 0 && errno == ENOENT) {
        char *slash = strrchr(at, '/');
        if (!slash || slash == at) break;
        *slash = 0;
    }
    int code = failed ? k_fail(err, K_E_IO, "%s: %s", at, strerror(errno)) : 0;
    free(at);
    if (!code) *ret = (uint64_t)fs.f_bavail * fs.f_frsize;
    return code;
}

int k_cost_disk(const struct k_plan *plan, const struct k_cost_options *options, struct k_cost *cost,
                struct k_error *err)
{
    cost->disk_needed =
        options->disk_bytes ? options->disk_bytes : generation_disk(options->state_dir, plan->name, options->live);
    cost->disk_known = cost->disk_needed > 0;
    if (options->own) cost->disk_there = generation_disk(options->state_dir, plan->name, options->own);
    return free_below(options->state_dir, &cost->disk_free, err);
}

// --- together

static int measure_shard(struct k_log *log, const struct k_plan *plan, uint32_t shard,
                         const struct k_preflight *found, const struct k_cost_options *options, struct k_cost *cost,
                         struct k_error *err)
{
    char journal[300];
    int64_t start, end;
    struct measuring m = {0};
    uint64_t records = 0;
    snprintf(journal, sizeof journal, "%s.journal.%u", plan->name, shard);
    for (uint32_t i = 0; i < found->range_count; i++)
        if (found->ranges[i].shard == shard) records += (uint64_t)(found->ranges[i].end - found->ranges[i].from);
    int code = log->ops->offsets(log, journal, 0, true, &start, &end, err);
    if (!code) code = bytes_of(log, journal, 0, start, end, &cost->journal_bytes, &cost->exact, err);
    if (!code) code = measure_from(log, journal, start, end, &m, err);
    if (!code && end - start > JOURNAL) code = measure_from(log, journal, end - JOURNAL, end, &m, err);
    if (code) return code;
    cost->measured += m.best;
    double rate = options->rate ? (double)options->rate / plan->shards : m.best;
    double seconds = rate > 0 ? (double)records / rate : records ? -1 : 0;
    if (seconds < 0 || cost->seconds < 0) cost->seconds = -1;
    else if (seconds > cost->seconds) cost->seconds = seconds;
    return 0;
}

int k_cost_measure(struct k_log *log, const struct k_plan *plan, const struct k_preflight *found,
                   const struct k_cost_options *options, struct k_cost *ret, struct k_error *err)
{
    int code = 0;
    *ret = (struct k_cost){.exact = true};
    for (uint32_t i = 0; i < found->range_count && !code; i++) {
        const struct k_preflight_range *r = &found->ranges[i];
        if (r->embedded) continue; // they are among the journal's
        code = bytes_of(log, r->topic, r->partition, r->from, r->end, &ret->bytes, &ret->exact, err);
    }
    for (uint32_t s = 0; s < plan->shards && !code; s++) code = measure_shard(log, plan, s, found, options, ret, err);
    return code ? code : k_cost_disk(plan, options, ret, err);
}

int k_cost_check(const struct k_cost *cost, const struct k_cost_options *options, struct k_error *err)
{
    if (!cost->disk_known || cost->disk_needed <= cost->disk_there + cost->disk_free) return 0;
    unsigned long long needed = cost->disk_needed - cost->disk_there, free = cost->disk_free;
    return k_fail(
        err, K_E_DISK_FULL,
        "%llu bytes of disk are needed (%s), and %llu are free under %s: %llu too few. Make room, or choose "
        "another --state-dir; --disk SIZE says how much it will take, if that is known better",
        needed, options->disk_bytes ? "as --disk says" : "as much as the live generation's state takes", free,
        options->state_dir, needed - free);
}
