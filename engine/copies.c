#include "engine/copies.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/directory.h"

enum { READ_MEMORY = 8 << 20 };

static char *above_of(const struct k_copy_place *p, uint64_t seq)
{
    return k_format("%s/.marks/switch-%llu/%s", p->state_dir, (unsigned long long)seq, p->graph);
}

// For what RocksDB notes while this shard reads the copies: beside its own.
static char *notes_of(const struct k_copy_place *p, uint64_t seq)
{
    char *above = above_of(p, seq), *path = k_format("%s/%s/%u.notes", above, p->generation, p->shard);
    free(above);
    return path;
}

static int keep(void *context, struct k_store *store, uint64_t seq, struct k_error *err)
{
    const struct k_copy_place *p = context;
    char *top = above_of(p, seq), *above = k_format("%s/%s", top, p->generation);
    char *path = k_format("%s/%u", above, p->shard), *part = k_format("%s.part.%lld", path, (long long)getpid());
    int code = k_directories_make(above, 0700, err);
    k_tree_remove(part);
    if (!code) code = store->ops->export_to(store, part, err);
    k_tree_remove(path); // of an attempt that came to nothing
    if (!code) code = k_path_rename(part, path, err);
    free(top);
    free(above);
    free(path);
    free(part);
    return code;
}

static int open_copy(void *context, uint64_t seq, const char *generation, struct k_store **ret, struct k_error *err)
{
    const struct k_copy_place *p = context;
    char *above = above_of(p, seq), *path = k_format("%s/%s/%u", above, generation, p->shard);
    char *all_notes = notes_of(p, seq), *notes = k_format("%s/%s", all_notes, generation);
    struct stat status;
    int code = 0;
    if (stat(path, &status) != 0)
        code = k_fail(err, K_E_NOT_FOUND, "generation %s has left no copy of its state yet (%s)", generation, path);
    if (!code) code = k_directories_make(notes, 0700, err);
    if (!code) code = k_store_rocks_open_reader(path, notes, false, READ_MEMORY, ret, err);
    free(above);
    free(path);
    free(all_notes);
    free(notes);
    return code;
}

// What this shard's copies were for is over, of whatever generation they are: one that nobody hosts any more, or that
// was retired, would leave its own for ever.
static void drop(void *context, uint64_t seq)
{
    const struct k_copy_place *p = context;
    char *above = above_of(p, seq), *top = k_strdup(above);
    *strrchr(top, '/') = 0;
    DIR *all = opendir(above);
    const struct dirent *entry;
    while (all && (entry = readdir(all))) {
        if (entry->d_name[0] == '.') continue;
        char *generation = k_format("%s/%s", above, entry->d_name), *path = k_format("%s/%u", generation, p->shard);
        char *notes = k_format("%s.notes", path);
        k_tree_remove(path);
        k_tree_remove(notes);
        rmdir(generation); // if it is empty now
        free(generation);
        free(path);
        free(notes);
    }
    if (all) closedir(all);
    rmdir(above);
    rmdir(top);
    free(above);
    free(top);
}

const struct k_copies k_copies_on_disk = {.keep = keep, .open = open_copy, .drop = drop};
