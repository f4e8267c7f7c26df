// Files that a graph names: found beside the graph, read whole, and part of its fingerprint.
#include <errno.h>
#include <stdio.h>

#include "base/hash.h"
#include "operators/common.h"

// A relative name is relative to the graph's own place, wherever the command was typed.
static const char *place_of(struct k_planner *planner, const char *name)
{
    const char *graph = k_document_file(k_graph_document(planner->graph));
    const char *slash = graph ? strrchr(graph, '/') : NULL;
    if (name[0] == '/' || !slash) return name;
    return k_arena_format(planner->arena, "%.*s%s", (int)(slash + 1 - graph), graph, name);
}

// NULL or why not.
static const char *read_all(struct k_planner *planner, const char *path, uint32_t bytes_max, struct k_str *ret)
{
    FILE *file = fopen(path, "rb");
    if (!file) return strerror(errno);
    struct k_buf content = {0};
    const char *why = NULL;
    for (size_t n = 1; n > 0 && !why;) {
        n = fread(k_buf_reserve(&content, 65536), 1, 65536, file);
        content.length += n;
        if (content.length > bytes_max) why = k_arena_format(planner->arena, "it is larger than %u bytes", bytes_max);
        else if (n == 0 && ferror(file)) why = strerror(errno);
    }
    fclose(file);
    if (!why)
        *ret = (struct k_str){k_arena_copy(planner->arena, content.data, content.length), (uint32_t)content.length};
    k_buf_fini(&content);
    return why;
}

bool k_plan_file(struct k_planner *planner, const void *message, const char *field, const char *name,
                 uint32_t bytes_max, struct k_str *ret)
{
    const char *path = place_of(planner, name);
    const char *why = read_all(planner, path, bytes_max, ret);
    if (why) {
        k_plan_error(planner, message, field, 0, K0430, "%s: cannot read \"%s\": %s", field, path, why);
        return false;
    }
    if (planner->files) {
        char hash[33];
        k_hash128_hex(ret->data, ret->length, hash);
        k_buf_printf(planner->files, "%s\n", hash);
    }
    return true;
}
