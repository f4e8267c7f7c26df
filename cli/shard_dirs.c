// Finding, making and removing directories of states.
#include "cli/shard_dirs.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int is_shown(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

// The names in a directory, sorted; freed with free_names. No directory: no names.
static int names_in(const char *path, struct dirent ***ret)
{
    int count = scandir(path, ret, is_shown, alphasort);
    if (count < 0) *ret = NULL;
    return count < 0 ? 0 : count;
}

static void free_names(struct dirent **names, int count)
{
    for (int i = 0; i < count; i++) free(names[i]);
    free(names);
}

static bool is_database(const char *path)
{
    char *current = k_format("%s/CURRENT", path);
    bool is = access(current, F_OK) == 0;
    free(current);
    return is;
}

static bool is_time(const char *name)
{
    return strlen(name) == 16 && name[8] == 'T' && name[15] == 'Z';
}

// The state in a shard's directory: the directory itself, or its newest snapshot. NULL: none.
static char *state_in(char *path)
{
    if (is_database(path)) return path;
    struct dirent **names;
    int count = names_in(path, &names);
    char *found = NULL;
    for (int i = count - 1; i >= 0 && !found; i--) {
        if (!is_time(names[i]->d_name)) continue;
        found = k_format("%s/%s", path, names[i]->d_name);
        if (is_database(found)) break;
        free(found);
        found = NULL;
    }
    free_names(names, count);
    free(path);
    return found;
}

static int compare(const void *a, const void *b)
{
    const struct shard_dir *left = a, *right = b;
    int order = strcmp(left->graph, right->graph);
    if (order == 0) order = strcmp(left->generation, right->generation);
    return order ? order : (left->shard > right->shard) - (left->shard < right->shard);
}

static void find_shards(const char *directory, const char *graph, const char *generation, struct shard_dirs *dirs)
{
    struct dirent **names;
    int count = names_in(directory, &names);
    for (int i = 0; i < count; i++) {
        char *end, *path;
        unsigned long number = strtoul(names[i]->d_name, &end, 10);
        if (*end || number > UINT32_MAX || !(path = state_in(k_format("%s/%s", directory, names[i]->d_name))))
            continue;
        dirs->items = k_realloc(dirs->items, (dirs->count + 1) * sizeof *dirs->items);
        dirs->items[dirs->count++] =
            (struct shard_dir){k_strdup(graph), k_strdup(generation), path, (uint32_t)number};
    }
    free_names(names, count);
}

int shard_dirs_find(const char *root, const char *graph, const char *generation, struct shard_dirs *ret,
                    struct k_error *err)
{
    struct dirent **graphs, **generations;
    if (access(root, R_OK | X_OK) != 0)
        return k_fail(err, errno == ENOENT || errno == ENOTDIR ? K_E_NOT_FOUND : K_E_DENIED, "%s: %s", root,
                      strerror(errno));
    int graph_count = names_in(root, &graphs);
    for (int i = 0; i < graph_count; i++) {
        if (graph && strcmp(graphs[i]->d_name, graph) != 0) continue;
        char *above = k_format("%s/%s", root, graphs[i]->d_name);
        int generation_count = names_in(above, &generations);
        for (int g = 0; g < generation_count; g++) {
            if (generation && strcmp(generations[g]->d_name, generation) != 0) continue;
            char *directory = k_format("%s/%s", above, generations[g]->d_name);
            find_shards(directory, graphs[i]->d_name, generations[g]->d_name, ret);
            free(directory);
        }
        free_names(generations, generation_count);
        free(above);
    }
    free_names(graphs, graph_count);
    if (!ret->count)
        return k_fail(err, K_E_NOT_FOUND, "%s holds no state%s%s%s%s", root, graph ? " of graph " : "",
                      graph ? graph : "", generation ? ", generation " : "", generation ? generation : "");
    qsort(ret->items, ret->count, sizeof *ret->items, compare);
    return 0;
}

void shard_dirs_fini(struct shard_dirs *dirs)
{
    for (uint32_t i = 0; i < dirs->count; i++) {
        free(dirs->items[i].graph);
        free(dirs->items[i].generation);
        free(dirs->items[i].path);
    }
    free(dirs->items);
}

bool is_vacant(const char *path)
{
    struct dirent **names;
    struct stat status;
    if (lstat(path, &status) != 0) return true;
    if (!S_ISDIR(status.st_mode)) return false;
    int count = names_in(path, &names);
    free_names(names, count);
    return count == 0;
}
