// Reading of "$.a.b". A path has at least one key, for a record is an object and no field is the whole of it.
#include "proto/json_path.h"

static bool fail(const char **ret_why, const char *why)
{
    *ret_why = why;
    return false;
}

bool k_path_next(struct k_str path, size_t *at, char *scratch, struct k_str *ret_key, const char **ret_why)
{
    if (*at == 0) {
        if (path.length == 0 || path.data[0] != '$') return fail(ret_why, "a path begins with $, for example $.a.b");
        *at = 1;
        if (path.length == 1) return fail(ret_why, "a path names at least one key, for example $.a");
    }
    if (*at == path.length) return false;
    if (path.data[*at] == '[') return fail(ret_why, "a path walks objects only; there are no indices");
    if (path.data[*at] != '.') return fail(ret_why, "expected . before the next key of the path");
    size_t begin = *at + 1;
    if (begin < path.length && path.data[begin] == '"') {
        *at = begin;
        struct k_str key = {scratch, 0};
        if (!k_quoted_read(path, at, scratch, &key.length)) {
            return fail(ret_why, "the quoted key has no closing quote");
        }
        *ret_key = key;
        return true;
    }
    size_t end = begin;
    while (end < path.length && path.data[end] != '.' && path.data[end] != '[' && path.data[end] != '"') end++;
    *at = end;
    if (end == begin) return fail(ret_why, "expected a key after . in the path");
    if (path.data[begin] == '*') return fail(ret_why, "a path has no wildcards");
    *ret_key = (struct k_str){path.data + begin, (uint32_t)(end - begin)};
    return true;
}
