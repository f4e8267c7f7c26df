// Directories of retired generations, and whether anybody has one open.
#include "replay/leftovers.h"

#include <dirent.h>
#include <stdlib.h>

#include "base/directory.h"
#include "base/trace.h"
#include "replay/starts.h"
#include "replay/suffixed.h"
#include "state/store.h"

static char *path_of(const char *state_dir, const char *graph, uint64_t generation)
{
    return k_format("%s/%s/%llu", state_dir, graph, (unsigned long long)generation);
}

void k_generation_remove(const char *state_dir, const char *graph, uint64_t generation)
{
    char *path = path_of(state_dir, graph, generation);
    k_tree_remove(path);
    free(path);
}

int k_generation_remove_topics(struct k_log *log, const char *graph, uint64_t generation, struct k_error *err)
{
    int code = k_suffixed_remove(log, graph, generation, false, NULL, err);
    return code ? code : k_starts_remove(log, graph, generation, err);
}

// False: there is none, or it is somebody's.
static bool may_go(const char *path)
{
    DIR *directory = opendir(path);
    if (!directory) return false;
    bool open = false;
    for (struct dirent *entry; !open && (entry = readdir(directory));) {
        char *shard = k_format("%s/%s", path, entry->d_name);
        open = entry->d_name[0] != '.' && k_store_rocks_is_open(shard, NULL);
        free(shard);
    }
    closedir(directory);
    return !open;
}

void k_leftovers_remove(struct k_log *log, const char *state_dir, const char *graph, uint64_t own,
                        const struct k_control *control)
{
    for (uint32_t i = 0; i < control->generation_count; i++) {
        const struct k_generation *g = &control->generations[i];
        if (g->role != K_ROLE_RETIRED || g->number == own) continue;
        char *path = path_of(state_dir, graph, g->number);
        struct k_error error = {0};
        if (may_go(path)) {
            int code = k_generation_remove_topics(log, graph, g->number, &error);
            // The state goes last: as long as it is there, the rest is tried again.
            if (!code && !k_tree_remove(path)) code = k_fail(&error, K_E_IO, "%s stays", path);
            if (code)
                k_trace(K_TRACE_WARN, "leftovers", "generation %llu: %s", (unsigned long long)g->number, error.text);
            else
                k_trace(K_TRACE_INFO, "leftovers", "generation %llu was retired; its state is removed",
                        (unsigned long long)g->number);
        }
        free(path);
    }
}
