// Limits of memory and files, read from where Linux tells them.
#include "cli/machine_limits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/memory.h"

struct least {
    uint64_t bytes;
    char *where;
    size_t where_size;
};

static void consider(struct least *least, uint64_t bytes, const char *where)
{
    if (bytes >= least->bytes) return;
    least->bytes = bytes;
    snprintf(least->where, least->where_size, "%s", where);
}

// "max", or a number of bytes; version 1 says "no limit" by a number beyond all memory.
static void read_limit(struct least *least, const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file) return;
    char text[64] = "", *end;
    if (!fgets(text, sizeof text, file)) text[0] = '\0';
    fclose(file);
    errno = 0;
    unsigned long long bytes = strtoull(text, &end, 10);
    if (end != text && errno == 0) consider(least, bytes, path);
}

// The group itself and those above it. Inside a container the path may be one of the outside world: then only the root
// of the hierarchy is there.
static void walk_up(struct least *least, const char *hierarchy, const char *group, const char *name)
{
    char *at = k_strdup(group);
    for (;;) {
        char *path = k_format("%s%s/%s", hierarchy, strcmp(at, "/") == 0 ? "" : at, name);
        read_limit(least, path);
        free(path);
        char *slash = strrchr(at, '/');
        if (!slash || at[0] == '\0') break;
        *slash = '\0';
    }
    free(at);
}

static void read_groups(struct least *least, const char *root)
{
    char *path = k_format("%s/proc/self/cgroup", root), line[4096];
    char *v1 = k_format("%s/sys/fs/cgroup/memory", root), *v2 = k_format("%s/sys/fs/cgroup", root);
    FILE *file = fopen(path, "r");
    // "0::/group" of version 2; "5:memory:/group" of version 1, perhaps with other controllers.
    while (file && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group) continue;
        *group++ = '\0';
        controllers++;
        if (!*controllers) walk_up(least, v2, group, "memory.max");
        char *rest = controllers;
        for (const char *word; (word = strsep(&rest, ","));)
            if (strcmp(word, "memory") == 0) walk_up(least, v1, group, "memory.limit_in_bytes");
    }
    if (file) fclose(file);
    free(path);
    free(v1);
    free(v2);
}

uint64_t limits_memory_bytes(const char *root, char *ret_where, size_t where_size)
{
    struct least least = {UINT64_MAX, ret_where, where_size};
    ret_where[0] = '\0';
    char *path = k_format("%s/proc/meminfo", root), line[256];
    FILE *file = fopen(path, "r");
    unsigned long long kib;
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "MemTotal: %llu kB", &kib) == 1) consider(&least, kib * 1024, path);
    if (file) fclose(file);
    free(path);
    read_groups(&least, root);
    return least.bytes;
}

uint64_t limits_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
    struct rlimit raised = {limit.rlim_max, limit.rlim_max};
    if (limit.rlim_cur < limit.rlim_max && setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
    return limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
}
