#include "base/directory.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"

enum { FILES_OPEN = 16 };

int k_directories_make(const char *what, const char *path, struct k_error *err)
{
    char *copy = k_strdup(path);
    int code = 0;
    for (char *c = copy + 1; !code; c++) {
        if (*c != '/' && *c) continue;
        char kept = *c;
        *c = 0;
        if (mkdir(copy, 0700) != 0 && errno != EEXIST)
            code = k_fail(err, errno == ENOSPC ? K_E_DISK_FULL : K_E_IO, "%s %s cannot be made: %s", what, copy,
                          strerror(errno));
        *c = kept;
        if (!kept) break;
    }
    free(copy);
    return code;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status, (void)type, (void)ftw;
    return remove(path);
}

void k_tree_remove(const char *path)
{
    nftw(path, remove_one, FILES_OPEN, FTW_DEPTH | FTW_PHYS);
}
