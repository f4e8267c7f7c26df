// What stands beside the rows of a view: whose state it is, and where it stands, in full.
#include "state/reader_private.h"

int k_view_meta(struct k_view *view, uint32_t index, const char *name, struct k_arena *arena, struct k_str *ret_value,
                struct k_error *err)
{
    K_ASSERT(index < view->reader->shard_count);
    struct k_buf key = {0};
    struct k_str value;
    k_buf_add_char(&key, 0);
    k_buf_add_text(&key, name);
    int rc = k_view_value(view, index, k_buf_str(&key), &value, err);
    k_buf_fini(&key);
    if (rc) return rc;
    *ret_value = (struct k_str){value.data ? k_arena_copy(arena, value.data, value.length) : NULL, value.length};
    return 0;
}

const char *k_view_directory(const struct k_view *view, uint32_t index)
{
    K_ASSERT(index < view->reader->shard_count);
    return view->reader->shards[index].directory;
}
