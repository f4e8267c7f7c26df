// The watched store. An iterator that is left before its end has been asked for one key more than was wanted (whoever
// takes n looks at the next), so the last key of such a one does not count as read.
#include "replay/watch.h"

#include <stdlib.h>

struct watched {
    struct k_store store;
    struct k_store *inner;
    struct k_watcher watcher;
};
struct k_store_iterator {
    struct watched *of;
    struct k_store_iterator *inner;
    struct k_buf last; // handed out, and not yet told
    bool has_last;
};

static struct watched *watched_of(struct k_store *store)
{
    return (struct watched *)store;
}

static int get(struct k_store *store, uint32_t n, const struct k_str *keys, struct k_arena *arena,
               struct k_str *ret_values, struct k_error *err)
{
    struct watched *w = watched_of(store);
    int code = w->inner->ops->get(w->inner, n, keys, arena, ret_values, err);
    for (uint32_t i = 0; !code && i < n; i++)
        if (ret_values[i].data) w->watcher.read(w->watcher.context, keys[i]);
    return code;
}

static int apply(struct k_store *store, const struct k_write *writes, size_t n, struct k_error *err)
{
    struct watched *w = watched_of(store);
    int code = w->inner->ops->apply(w->inner, writes, n, err);
    for (size_t i = 0; !code && i < n; i++) {
        if (writes[i].remove && writes[i].to.data) continue;
        struct k_str value = writes[i].remove ? (struct k_str){0} : writes[i].value;
        if (!writes[i].remove && !value.data) value.data = "";
        w->watcher.write(w->watcher.context, writes[i].key, value);
    }
    return code;
}

static int iterate(struct k_store *store, struct k_str from, struct k_str to, struct k_store_iterator **ret,
                   struct k_error *err)
{
    struct watched *w = watched_of(store);
    struct k_store_iterator *inner;
    int code = w->inner->ops->iterate(w->inner, from, to, &inner, err);
    if (code) return code;
    *ret = k_new(struct k_store_iterator);
    (*ret)->of = w;
    (*ret)->inner = inner;
    return 0;
}

static bool next(struct k_store_iterator *i, struct k_str *ret_key, struct k_str *ret_value, struct k_error *err)
{
    if (i->has_last) i->of->watcher.read(i->of->watcher.context, k_buf_str(&i->last));
    i->has_last = i->of->inner->ops->next(i->inner, ret_key, ret_value, err);
    if (!i->has_last) return false;
    k_buf_clear(&i->last);
    k_buf_add(&i->last, ret_key->data, ret_key->length);
    return true;
}

static void seek(struct k_store_iterator *i, struct k_str key)
{
    i->has_last = false;
    i->of->inner->ops->seek(i->inner, key);
}

static void iterate_end(struct k_store_iterator *i)
{
    if (!i) return;
    i->of->inner->ops->iterate_end(i->inner);
    k_buf_fini(&i->last);
    free(i);
}

static int export_to(struct k_store *store, const char *directory, struct k_error *err)
{
    struct watched *w = watched_of(store);
    return w->inner->ops->export_to(w->inner, directory, err);
}

static void pressure(struct k_store *store, uint32_t *ret_level0_files, uint64_t *ret_debt_bytes)
{
    struct watched *w = watched_of(store);
    w->inner->ops->pressure(w->inner, ret_level0_files, ret_debt_bytes);
}

static uint64_t memory_used(struct k_store *store)
{
    struct watched *w = watched_of(store);
    return w->inner->ops->memory_used(w->inner);
}

static uint64_t disk_used(struct k_store *store)
{
    struct watched *w = watched_of(store);
    return w->inner->ops->disk_used(w->inner);
}

static void close_store(struct k_store *store)
{
    struct watched *w = watched_of(store);
    w->inner->ops->close(w->inner);
    free(w);
}

struct k_store *k_watch_store(struct k_store *store, const struct k_watcher *watcher)
{
    static const struct k_store_ops ops = {.get = get,
                                           .apply = apply,
                                           .iterate = iterate,
                                           .next = next,
                                           .seek = seek,
                                           .iterate_end = iterate_end,
                                           .export_to = export_to,
                                           .pressure = pressure,
                                           .memory_used = memory_used,
                                           .disk_used = disk_used,
                                           .close = close_store};
    struct watched *w = k_new(struct watched);
    *w = (struct watched){.store.ops = &ops, .inner = store, .watcher = *watcher};
    return &w->store;
}
