#include "base/directory.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"

enum { FILES_OPEN = 16 };

static int fail_to_make(const char *path, struct k_error *err)
{
    int code = errno == EACCES || errno == EPERM || errno == EROFS ? K_E_DENIED
               : errno == ENOSPC || errno == EDQUOT                ? K_E_DISK_FULL
                                                                   : K_E_IO;
    return k_fail(err, code, "directory %s cannot be made: %s", path, strerror(errno));
}

int k_directories_make_above(const char *path, mode_t mode, struct k_error *err)
{
    char *copy = k_strdup(path);
    int code = 0;
    for (char *c = copy; !code && *c; c++) {
        if (*c != '/' || c == copy) continue;
        *c = 0;
        if (mkdir(copy, mode) != 0 && errno != EEXIST) code = fail_to_make(copy, err);
        *c = '/';
    }
    free(copy);
    return code;
}

int k_directories_make(const char *path, mode_t mode, struct k_error *err)
{
    int code = k_directories_make_above(path, mode, err);
    return code || mkdir(path, mode) == 0 || errno == EEXIST ? code : fail_to_make(path, err);
}

int k_path_rename(const char *from, const char *to, struct k_error *err)
{
    if (rename(from, to) == 0) return 0;
    return k_fail(err, K_E_IO, "%s cannot be renamed to %s: %s", from, to, strerror(errno));
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status, (void)type, (void)ftw;
    return remove(path);
}

bool k_tree_remove(const char *path)
{
    return nftw(path, remove_one, FILES_OPEN, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT;
}
