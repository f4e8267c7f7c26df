// Exports are directories named by the time they were taken: DIR/<graph>/<generation>/<shard>/20260101T000000Z, made
// under a name with ".part" and then renamed, so that a half one is never taken for whole.
#include "engine/snapshots.h"

#include "base/directory.h"
#include "base/trace.h"
#include "base/units.h"

#include <dirent.h>
#include <stdlib.h>
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

void k_snapshots_maybe(struct k_snapshots *s, struct k_shard *shard, int64_t now_us)
{
    if (!s->directory || now_us - s->taken_us < s->interval_us) return;
    struct k_shard_report report;
    k_shard_report(shard, &report);
    if (report.checkpoints == s->checkpoints || !k_shard_working_state(shard)) return;
    s->taken_us = now_us;
    struct k_civil c = k_civil_of(now_us);
    char *name = k_format("%s/%04lld%02d%02dT%02d%02d%02dZ", s->directory, (long long)c.year, c.month, c.day, c.hour,
                          c.minute, c.second);
    char *part = k_format("%s.part", name);
    struct k_store *store = k_state_store(k_shard_working_state(shard));
    struct k_error error = {0};
    int code = k_directories_make(s->directory, 0700, &error);
    if (!code) code = store->ops->export_to(store, part, &error);
    if (!code) code = k_path_rename(part, name, &error);
    if (code) k_trace(K_TRACE_WARN, "snapshots", "shard %u: %s", s->shard, error.text);
    else s->checkpoints = report.checkpoints;
    prune(s);
    free(part);
    free(name);
}
