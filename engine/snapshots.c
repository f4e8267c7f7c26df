// Exports are directories named by the time they were taken: DIR/<graph>/<generation>/<shard>/20260101T000000Z, made
// under a name with ".part" and then renamed, so that a half one is never taken for whole.
#include "engine/snapshots.h"

#include "base/directory.h"
#include "base/trace.h"
#include "base/units.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

void k_snapshots_init(struct k_snapshots *s, const char *directory, const char *graph, const char *generation,
                      uint32_t shard, int64_t interval_us, uint32_t keep)
{
    *s = (struct k_snapshots){.directory =
                                  directory ? k_format("%s/%s/%s/%u", directory, graph, generation, shard) : NULL,
                              .shard = shard,
                              .interval_us = interval_us,
                              .keep = keep};
}

void k_snapshots_fini(struct k_snapshots *s)
{
    free(s->directory);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_snapshot(const struct dirent *entry)
{
    return strlen(entry->d_name) >= 16 && entry->d_name[8] == 'T';
}

// Keeps the newest `keep`; left-over parts go too.
static void prune(const struct k_snapshots *s)
{
    struct dirent **entries;
    int n = scandir(s->directory, &entries, is_snapshot, by_name);
    int whole = 0;
    for (int i = n - 1; i >= 0; i--) {
        bool part = strstr(entries[i]->d_name, ".part") != NULL;
        if (part || ++whole > (int)s->keep) {
            char *path = k_format("%s/%s", s->directory, entries[i]->d_name);
            k_tree_remove(path);
            free(path);
        }
        free(entries[i]);
    }
    if (n >= 0) free(entries);
}

static void make_parents(const char *path)
{
    char *copy = k_strdup(path);
    for (char *c = copy + 1; *c; c++)
        if (*c == '/') {
            *c = 0;
            mkdir(copy, 0700); // an error shows when the export is made
            *c = '/';
        }
    mkdir(copy, 0700);
    free(copy);
}

void k_snapshots_maybe(struct k_snapshots *s, struct k_shard *shard, int64_t now_us)
{
    if (!s->directory || now_us - s->taken_us < s->interval_us) return;
    struct k_shard_report report;
    k_shard_report(shard, &report);
    if (report.checkpoints == s->checkpoints || !k_shard_working_state(shard)) return;
    s->taken_us = now_us;
    make_parents(s->directory);
    struct k_civil c = k_civil_of(now_us);
    char *name = k_format("%s/%04lld%02d%02dT%02d%02d%02dZ", s->directory, (long long)c.year, c.month, c.day, c.hour,
                          c.minute, c.second);
    char *part = k_format("%s.part", name);
    struct k_store *store = k_state_store(k_shard_working_state(shard));
    struct k_error error = {0};
    int code = store->ops->export_to(store, part, &error);
    if (!code && rename(part, name) != 0)
        code = k_fail(&error, K_E_IO, "%s cannot be renamed: %s", part, strerror(errno));
    if (code) k_trace(K_TRACE_WARN, "snapshots", "shard %u: %s", s->shard, error.text);
    else s->checkpoints = report.checkpoints;
    prune(s);
    free(part);
    free(name);
}
