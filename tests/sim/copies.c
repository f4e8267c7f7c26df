#include "tests/sim/copies.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/sim.h"

static struct copy *find(struct copy_place *place, uint64_t seq, const char *generation)
{
    struct copies *all = &place->world->generations.copies;
    for (uint32_t i = 0; i < all->count; i++) {
        struct copy *c = &all->items[i];
        if (!c->dropped && c->seq == seq && c->shard == place->shard && strcmp(c->generation, generation) == 0)
            return c;
    }
    return NULL;
}

static int copy_all(struct k_store *from, struct k_store *to, struct k_error *err)
{
    struct k_store_iterator *iterator;
    struct k_str key, value;
    struct k_error failure = {0};
    int code = from->ops->iterate(from, K_STR(""), (struct k_str){NULL, 0}, &iterator, err);
    if (code) return code;
    while (!code && from->ops->next(iterator, &key, &value, &failure)) {
        const struct k_write write = {.key = key, .value = value};
        code = to->ops->apply(to, &write, 1, err);
    }
    from->ops->iterate_end(iterator);
    if (!code && failure.code) *err = failure;
    return code ? code : failure.code;
}

struct k_memory_disk *copies_of_store(struct k_store *from, struct k_error *err)
{
    struct k_memory_disk *disk = k_memory_disk_create();
    struct k_store *copy;
    int code = k_store_memory_open(disk, NULL, NULL, &copy, err);
    if (!code) code = copy_all(from, copy, err);
    if (!code) copy->ops->close(copy);
    if (!code) return disk;
    k_memory_disk_destroy(disk);
    return NULL;
}

struct k_memory_disk *copies_of_disk(struct k_memory_disk *from)
{
    struct k_store *store;
    struct k_error err;
    int code = k_store_memory_open(from, NULL, NULL, &store, &err);
    K_ASSERT(code == 0);
    struct k_memory_disk *disk = copies_of_store(store, &err);
    K_ASSERT(disk);
    store->ops->close(store);
    return disk;
}

static void drop(void *context, uint64_t seq)
{
    struct copy_place *place = context;
    struct copy *copy = find(place, seq, place->generation);
    if (copy) copy->dropped = true;
}

static int keep(void *context, struct k_store *store, uint64_t seq, struct k_error *err)
{
    struct copy_place *place = context;
    struct copies *all = &place->world->generations.copies;
    struct k_memory_disk *disk = copies_of_store(store, err);
    if (!disk) return err->code;
    drop(context, seq);
    if (all->count == all->capacity) {
        all->capacity = all->capacity ? all->capacity * 2 : 16;
        all->items = k_realloc(all->items, all->capacity * sizeof *all->items);
    }
    struct copy *new = &all->items[all->count++];
    *new = (struct copy){.seq = seq, .shard = place->shard, .disk = disk};
    snprintf(new->generation, sizeof new->generation, "%s", place->generation);
    place->world->stats.difference_copied++;
    return 0;
}

static int open_copy(void *context, uint64_t seq, const char *generation, struct k_store **ret, struct k_error *err)
{
    struct copy *copy = find(context, seq, generation);
    if (!copy) return k_fail(err, K_E_NOT_FOUND, "generation %s has left no copy", generation);
    return k_store_memory_open(copy->disk, NULL, NULL, ret, err);
}

const struct k_copies sim_copies = {.keep = keep, .open = open_copy, .drop = drop};

void copies_fini(struct copies *copies)
{
    for (uint32_t i = 0; i < copies->count; i++) k_memory_disk_destroy(copies->items[i].disk);
    free(copies->items);
    *copies = (struct copies){0};
}
