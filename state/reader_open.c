// Which directories a reader reads: DIR/<graph>/<generation>/<shard>/.
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "state/reader_private.h"

struct names {
    char **items;
    uint32_t count;
};

static void names_fini(struct names *names)
{
    for (uint32_t i = 0; i < names->count; i++) free(names->items[i]);
    free(names->items);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_directory(const char *parent, const char *name)
{
    char *path = k_format("%s/%s", parent, name);
    struct stat status;
    bool is = stat(path, &status) == 0 && S_ISDIR(status.st_mode);
    free(path);
    return is;
}

static int list_directories(const char *parent, struct names *ret, struct k_error *err)
{
    DIR *dir = opendir(parent);
    if (!dir) {
        int code = errno == ENOENT || errno == ENOTDIR ? K_E_NOT_FOUND : errno == EACCES ? K_E_DENIED : K_E_IO;
        return k_fail(err, code, "cannot open state directory \"%s\": %s", parent, strerror(errno));
    }
    const struct dirent *entry;
    while ((entry = readdir(dir))) {
        if (entry->d_name[0] == '.' || !is_directory(parent, entry->d_name)) continue;
        ret->items = k_realloc(ret->items, (ret->count + 1) * sizeof *ret->items);
        ret->items[ret->count++] = k_strdup(entry->d_name);
    }
    closedir(dir);
    if (ret->count > 0) qsort(ret->items, ret->count, sizeof *ret->items, compare_names);
    return 0;
}

static void join(const struct names *names, char *out, size_t capacity)
{
    size_t length = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < names->count; i++) {
        if (i > 0) length = k_join_cut(out, capacity, length < capacity ? length : capacity - 1, ", ");
        length = k_join_cut(out, capacity, length < capacity ? length : capacity - 1, names->items[i]);
    }
}

// Chooses a sub-directory by name, or the only one. *ret_name is owned by the caller.
static int choose(const char *parent, const char *what, const char *wanted, char **ret_name, struct k_error *err)
{
    struct names names = {0};
    int rc = list_directories(parent, &names, err);
    char all[300] = "";
    if (rc == 0) join(&names, all, sizeof all);
    if (rc) {
    } else if (wanted) {
        if (is_directory(parent, wanted)) *ret_name = k_strdup(wanted);
        else rc = k_fail(err, K_E_NOT_FOUND, "\"%s\" has no %s \"%s\"; there is: %s", parent, what, wanted, all);
    } else if (names.count == 1) {
        *ret_name = k_strdup(names.items[0]);
    } else if (names.count == 0) {
        rc = k_fail(err, K_E_NOT_FOUND, "\"%s\" holds no %s", parent, what);
    } else {
        rc = k_fail(err, K_E_USAGE, "\"%s\" holds several: choose a %s of %s", parent, what, all);
    }
    names_fini(&names);
    return rc;
}

// What DIR/<graph>/LIVE says; NULL: there is no such file.
static char *live_generation(const struct k_live *live)
{
    char name[256] = "";
    FILE *file = fopen(live->path, "r");
    if (!file) return NULL;
    if (!fgets(name, sizeof name, file)) name[0] = '\0';
    fclose(file);
    name[strcspn(name, "\r\n")] = '\0';
    return name[0] ? k_strdup(name) : NULL;
}

// Whether the file is another one than at the last time.
static bool live_changed(struct k_live *live)
{
    struct stat status;
    if (stat(live->path, &status) != 0) status = (struct stat){0};
    if (status.st_ino == live->number && status.st_ctim.tv_sec == live->changed.tv_sec &&
        status.st_ctim.tv_nsec == live->changed.tv_nsec)
        return false;
    live->number = status.st_ino;
    live->changed = status.st_ctim;
    return true;
}

bool k_reader_is_past(struct k_state_reader *reader)
{
    if (!reader->live.path || !live_changed(&reader->live)) return reader->live.past;
    char *name = live_generation(&reader->live);
    reader->live.past = name && strcmp(name, reader->generation) != 0;
    free(name);
    return reader->live.past;
}

static bool is_database(const char *directory)
{
    char *path = k_format("%s/CURRENT", directory);
    bool is = access(path, F_OK) == 0;
    free(path);
    return is;
}

static void add_shard(struct k_state_reader *reader, char *directory, uint32_t number)
{
    reader->shards = k_realloc(reader->shards, (reader->shard_count + 1) * sizeof *reader->shards);
    reader->shards[reader->shard_count++] =
        (struct k_reader_shard){.directory = directory, .number = number, .seen_offset = INT64_MIN};
}

static int compare_shards(const void *a, const void *b)
{
    const struct k_reader_shard *left = a, *right = b;
    return (left->number > right->number) - (left->number < right->number);
}

static int find_shards(struct k_state_reader *reader, const char *directory, struct k_error *err)
{
    struct names names = {0};
    int rc = list_directories(directory, &names, err);
    for (uint32_t i = 0; i < names.count; i++) {
        char *end;
        unsigned long number = strtoul(names.items[i], &end, 10);
        char *shard = k_format("%s/%s", directory, names.items[i]);
        if (*end == '\0' && number <= UINT32_MAX && is_database(shard)) add_shard(reader, shard, (uint32_t)number);
        else free(shard);
    }
    names_fini(&names);
    if (rc == 0 && reader->shard_count == 0)
        rc = k_fail(err, K_E_NOT_FOUND, "\"%s\" holds no shard's state", directory);
    if (rc == 0) qsort(reader->shards, reader->shard_count, sizeof *reader->shards, compare_shards);
    return rc;
}

int k_reader_find(struct k_state_reader *reader, const struct k_reader_options *options, struct k_error *err)
{
    if (is_database(options->state_dir)) {
        add_shard(reader, k_strdup(options->state_dir), 0); // its identity says which
        return 0;
    }
    char *graph = NULL, *graph_directory = NULL, *directory = NULL;
    int rc = choose(options->state_dir, "graph", options->graph, &graph, err);
    if (rc == 0) {
        graph_directory = k_format("%s/%s", options->state_dir, graph);
        bool live = !options->generation || strcmp(options->generation, "live") == 0;
        if (live) {
            reader->live.path = k_format("%s/LIVE", graph_directory);
            (void)live_changed(&reader->live); // before it is read: what comes later shows the next time
        }
        char *wanted = live ? live_generation(&reader->live) : k_strdup(options->generation);
        rc = choose(graph_directory, "generation", wanted, &reader->generation, err);
        free(wanted);
    }
    if (rc == 0) {
        directory = k_format("%s/%s", graph_directory, reader->generation);
        rc = find_shards(reader, directory, err);
    }
    free(graph);
    free(graph_directory);
    free(directory);
    return rc;
}
