#include "engine/copies.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES_OPEN = 16, READ_MEMORY = 8 << 20 };

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status, (void)type, (void)ftw;
    return remove(path);
}

static void remove_tree(const char *path)
{
    nftw(path, remove_one, FILES_OPEN, FTW_DEPTH | FTW_PHYS);
}

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

static int make_directories(const char *path, struct k_error *err)
{
    char *copy = k_strdup(path);
    int code = 0;
    for (char *c = copy + 1; !code; c++) {
        if (*c != '/' && *c) continue;
        char kept = *c;
        *c = 0;
        if (mkdir(copy, 0700) != 0 && errno != EEXIST)
            code = k_fail(err, errno == ENOSPC ? K_E_DISK_FULL : K_E_IO, "directory %s cannot be made: %s", copy,
                          strerror(errno));
        *c = kept;
        if (!kept) break;
    }
    free(copy);
    return code;
}

static int keep(void *context, struct k_store *store, uint64_t seq, struct k_error *err)
{
    const struct k_copy_place *p = context;
    char *top = above_of(p, seq), *above = k_format("%s/%s", top, p->generation);
    char *path = k_format("%s/%u", above, p->shard), *part = k_format("%s.part.%lld", path, (long long)getpid());
    int code = make_directories(above, err);
    remove_tree(part);
    if (!code) code = store->ops->export_to(store, part, err);
    remove_tree(path); // of an attempt that came to nothing
    if (!code && rename(part, path) != 0)
        code = k_fail(err, K_E_IO, "%s cannot be renamed: %s", part, strerror(errno));
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
    if (!code) code = make_directories(notes, err);
    if (!code) code = k_store_rocks_open_reader(path, notes, false, READ_MEMORY, ret, err);
    free(above);
    free(path);
    free(all_notes);
    free(notes);
    return code;
}

static void drop(void *context, uint64_t seq)
{
    const struct k_copy_place *p = context;
    char *above = above_of(p, seq), *mine = k_format("%s/%s", above, p->generation);
    char *path = k_format("%s/%u", mine, p->shard), *notes = notes_of(p, seq), *top = k_strdup(above);
    *strrchr(top, '/') = 0;
    remove_tree(path);
    remove_tree(notes);
    rmdir(mine); // those that are empty now
    rmdir(above);
    rmdir(top);
    free(notes);
    free(above);
    free(mine);
    free(path);
    free(top);
}

const struct k_copies k_copies_on_disk = {.keep = keep, .open = open_copy, .drop = drop};
