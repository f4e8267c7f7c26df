// What a view is besides its tables: the notes beside the rows (whose state it is, and where it stands), and the whole,
// to be verified or copied.
#include <stdlib.h>

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

static int read_all(struct k_view *view, uint32_t index,
                    int (*take)(void *context, struct k_str key, struct k_str value, struct k_error *err),
                    void *context, struct k_error *err)
{
    const struct k_store_ops *ops = view->reader->shards[index].store->ops;
    struct k_error failure = {0};
    struct k_str key, value;
    int rc = 0;
    ops->seek(view->iterators[index], (struct k_str){"", 0});
    while (rc == 0 && ops->next(view->iterators[index], &key, &value, &failure)) rc = take(context, key, value, err);
    if (rc == 0 && failure.code) {
        rc = failure.code;
        if (err) *err = failure;
    }
    return rc;
}

static int only_read(void *context, struct k_str key, struct k_str value, struct k_error *err)
{
    (void)err;
    struct k_view_size *size = context;
    size->keys++;
    size->bytes += key.length + value.length;
    return 0;
}

int k_view_verify(struct k_view *view, uint32_t index, struct k_view_size *ret, struct k_error *err)
{
    K_ASSERT(index < view->reader->shard_count);
    *ret = (struct k_view_size){0};
    return read_all(view, index, only_read, ret, err);
}

// Writes are gathered up to this many, or bytes: a copy needs little memory.
enum { COPY_WRITES = 4096, COPY_BYTES = 4 << 20 };

struct copying {
    struct k_store *store;
    struct k_arena arena;
    struct k_write writes[COPY_WRITES];
    uint32_t count;
};

static int write_out(struct copying *copying, struct k_error *err)
{
    int rc = copying->store->ops->apply(copying->store, copying->writes, copying->count, err);
    copying->count = 0;
    k_arena_reset(&copying->arena);
    return rc;
}

static int copy_one(void *context, struct k_str key, struct k_str value, struct k_error *err)
{
    struct copying *copying = context;
    copying->writes[copying->count++] =
        (struct k_write){.key = {k_arena_copy(&copying->arena, key.data, key.length), key.length},
                         .value = {k_arena_copy(&copying->arena, value.data, value.length), value.length}};
    return copying->count == COPY_WRITES || copying->arena.used >= COPY_BYTES ? write_out(copying, err) : 0;
}

int k_view_copy(struct k_view *view, uint32_t index, const char *directory, uint64_t memory_bytes,
                struct k_error *err)
{
    K_ASSERT(index < view->reader->shard_count);
    struct copying *copying = k_new(struct copying);
    k_arena_init(&copying->arena);
    int rc = k_store_rocks_open(directory, true, memory_bytes, &copying->store, err);
    if (rc == 0) {
        rc = read_all(view, index, copy_one, copying, err);
        if (rc == 0 && copying->count) rc = write_out(copying, err);
        copying->store->ops->close(copying->store);
    }
    k_arena_fini(&copying->arena);
    free(copying);
    return rc;
}
