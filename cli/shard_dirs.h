// Where states lie: DIR/<graph>/<generation>/<shard>/, as `run --state-dir` and `state export` make it; or, as `run
// --snapshot-dir` makes it, a directory named by its time in each of these, of which the newest whole one counts.
#pragma once
#include "cli/command.h"

struct shard_dir {
    char *graph, *generation, *path;
    uint32_t shard;
};
struct shard_dirs {
    struct shard_dir *items; // by graph, generation, shard
    uint32_t count;
};
// graph, generation: only these; NULL: all. K_E_NOT_FOUND: there is none.
K_CHECKED int shard_dirs_find(const char *root, const char *graph, const char *generation, struct shard_dirs *ret,
                              struct k_error *err);
void shard_dirs_fini(struct shard_dirs *dirs);

// Whether there is nothing at path, or an empty directory.
bool is_vacant(const char *path);
