#include "tests/sim/marks.h"

#include <stdio.h>
#include <stdlib.h>

#include "replay/generations.h"
#include "tests/sim/walk.h"

enum { COPIES_MAX = 200 }; // of one run

void marks_ask(struct world *w)
{
    if (!w->generations.there || w->healed || !w->own.command || !one_in(&w->random, 2 * w->own.command)) return;
    struct k_log *log = k_cloud_connect(w->cloud, "command");
    struct k_control control;
    struct k_error err;
    struct k_marking ask = {0};
    int code = k_control_change(log, "sim", k_marking, &ask, &control, &err);
    log->ops->close(log);
    w->stats.mark_asked += code == 0;
    if (code && code != K_E_CRASHED && !k_control_again(code)) world_fail(w, "a mark: %s", err.text);
}

int marks_keep(void *context, struct k_store *store, uint64_t mark, struct k_error *err)
{
    const struct copy_place *place = context;
    struct marks *m = &place->world->generations.marks;
    if (m->count == COPIES_MAX) return 0;
    if (m->count == m->capacity) {
        m->capacity = m->capacity ? m->capacity * 2 : 16;
        m->items = k_realloc(m->items, m->capacity * sizeof *m->items);
    }
    bool dies = !place->world->healed && one_in(&place->world->random, place->world->own.disk_crash);
    place->world->stats.mark_died += dies;
    if (dies && one_in(&place->world->random, 2)) return k_fail(err, K_E_CRASHED, "before the copy was there");
    struct k_memory_disk *disk = copies_of_store(store, err);
    if (!disk) return err->code;
    m->items[m->count++] = (struct mark_copy){mark, strtoull(place->generation, NULL, 10), place->shard, disk};
    return dies ? k_fail(err, K_E_CRASHED, "when the copy was there") : 0;
}

void marks_judge(struct walk *walk, uint64_t mark)
{
    struct world *w = walk->w;
    for (uint32_t i = 0; i < w->generations.marks.count && !w->failure.length; i++) {
        const struct mark_copy *copy = &w->generations.marks.items[i];
        if (copy->mark != mark || copy->generation != walk->generation || copy->shard != walk->shard) continue;
        struct k_store *store;
        struct k_error err;
        char where[64];
        snprintf(where, sizeof where, "generation %llu, shard %u at mark %llu", (unsigned long long)copy->generation,
                 copy->shard, (unsigned long long)mark);
        int code = k_store_memory_open(copy->disk, NULL, NULL, &store, &err);
        K_ASSERT(code == 0);
        Kappa__Internal__Position *position = store_position(store);
        K_ASSERT(position);
        int64_t frontier_us = position->has_frontier_us ? position->frontier_us : INT64_MIN;
        if (position->journal_offset != walk->point.offset)
            world_fail(w, "%s: the copy stands at %lld, the mark at %lld", where, (long long)position->journal_offset,
                       (long long)walk->point.offset);
        kappa__internal__position__free_unpacked(position, NULL);
        for (uint32_t t = 0; t < walk->scenario->table_count && !w->failure.length; t++)
            judge_table(w, walk->reference, store, walk->scenario->tables[t], where, frontier_us);
        store->ops->close(store);
        w->stats.mark_judged++;
        w->stats.mark_changed += !generation_agrees(w, walk->generation);
    }
}

void marks_fini(struct world *w)
{
    struct marks *m = &w->generations.marks;
    for (uint32_t i = 0; i < m->count; i++) k_memory_disk_destroy(m->items[i].disk);
    free(m->items);
    *m = (struct marks){0};
}
