#include "tests/sim/taking.h"

#include "replay/generations.h"
#include "replay/takeover.h"

enum { MS = 1000, SECOND = 1000000 };

// What a generation takes over from another one, by their graphs alone.
static void decide(const struct world *w, uint64_t from, uint64_t to, struct k_arena *arena, struct k_taking *ret)
{
    const struct k_plan *old = &generation_of(w, from)->plan, *new = &generation_of(w, to)->plan;
    struct k_change change;
    k_change_make(old, new, NULL, arena, &change);
    k_taking_decide(old, new, &change, arena, ret);
}

static bool is_wanted(const struct world *w, const struct worker *worker, uint64_t from)
{
    const struct generation *g = generation_of(w, worker->generation);
    struct k_arena arena;
    struct k_taking taking;
    // Who leads is what others would take over from.
    if (!g->takes || g->beginning.cut || from == g->number) return false;
    k_arena_init(&arena);
    decide(w, from, g->number, &arena, &taking);
    bool wanted = !taking.why_not;
    k_arena_fini(&arena);
    return wanted;
}

static bool is_placed(const struct world *w, const struct worker *worker)
{
    bool all = true;
    for (uint32_t s = 0; s < w->scenario.shards; s++) all &= worker->taking.from[s] != 0;
    return all;
}

// One of the copies that the generation's workers made at the mark; NULL: there is none yet.
static struct k_memory_disk *find_copy(struct world *w, const struct taking *t, uint32_t shard)
{
    struct k_memory_disk *found = NULL;
    uint64_t count = 0;
    for (uint32_t i = 0; i < w->generations.marks.count; i++) {
        const struct mark_copy *copy = &w->generations.marks.items[i];
        if (copy->mark != t->mark || copy->generation != t->live || copy->shard != shard) continue;
        if (k_random_below(&w->random, ++count) == 0) found = copy->disk;
    }
    return found;
}

static bool has_all(struct world *w, const struct taking *t)
{
    bool all = true;
    for (uint32_t s = 0; s < w->scenario.shards && all; s++) all = find_copy(w, t, s) != NULL;
    return all;
}

static int make(struct world *w, struct worker *worker, uint32_t shard, struct k_memory_disk *disk,
                struct k_error *err)
{
    const struct generation *g = generation_of(w, worker->generation);
    struct k_arena arena;
    struct k_taking taking;
    struct k_store *store;
    int code = k_store_memory_open(disk, disk_fault, &worker->disks[shard], &store, err);
    if (code) return code;
    k_arena_init(&arena);
    decide(w, worker->taking.live, g->number, &arena, &taking);
    code = k_takeover_make(store, &generation_of(w, worker->taking.live)->plan, &g->plan, &taking,
                           g->beginning.starts.items, g->beginning.starts.count, err);
    w->stats.take_whole += !code && taking.whole;
    for (uint32_t i = 0; i < taking.source_count && !code; i++)
        w->stats.take_unread += !taking.whole && taking.sources[i].how == K_TAKING_OVER;
    k_arena_fini(&arena);
    store->ops->close(store);
    return code;
}

// Makes and places what is not placed yet. Who dies between two shards has one of them.
static int take(struct world *w, struct worker *worker, struct k_error *err)
{
    struct k_memory_disk *made[SHARDS_MAX] = {NULL};
    int code = 0;
    for (uint32_t s = 0; s < w->scenario.shards && !code; s++) {
        made[s] = copies_of_disk(find_copy(w, &worker->taking, s));
        code = make(w, worker, s, made[s], err);
        if (!code && !w->healed && one_in(&w->random, 8)) code = k_fail(err, K_E_CRASHED, "before it is placed");
    }
    for (uint32_t s = 0; s < w->scenario.shards; s++) {
        if (code || worker->taking.from[s]) {
            k_memory_disk_destroy(made[s]);
            continue;
        }
        k_memory_disk_destroy(worker->disks[s].memory);
        worker->disks[s].memory = made[s];
        worker->taking.from[s] = worker->taking.live;
        w->stats.take_made++;
        if (!w->healed && s + 1 < w->scenario.shards && one_in(&w->random, 4))
            code = k_fail(err, K_E_CRASHED, "between two shards");
    }
    return code;
}

static bool ask(struct world *w, struct worker *worker, uint64_t live)
{
    struct taking *t = &worker->taking;
    struct k_marking ask = {0};
    struct k_control control;
    struct k_error err;
    int code = k_control_change(worker->log, "sim", k_marking, &ask, &control, &err);
    if (!code) {
        t->mark = ask.mark;
        t->live = live;
        t->asked_us = w->elapsed_us;
        // The generation moves on meanwhile, and others with it.
        t->not_before_us = w->elapsed_us + (one_in(&w->random, 2) ? between(&w->random, 0, 3 * SECOND) : 0);
        w->stats.take_asked++;
    } else if (code != K_E_CRASHED && !k_control_again(code)) {
        world_fail(w, "%s asks for a mark: %s", worker->name, err.text);
    }
    return false;
}

// Everything is computed instead.
static bool give_up(struct world *w, struct worker *worker)
{
    w->stats.take_given_up++;
    worker->taking.given_up = true;
    return true;
}

bool taking_begin(struct world *w, struct worker *worker)
{
    struct taking *t = &worker->taking;
    uint64_t live = w->generations.live ? w->generations.live : 1;
    struct k_error err;
    if (t->given_up || t->begun || is_placed(w, worker)) return t->begun = true;
    if (!t->mark && !is_wanted(w, worker, live)) return t->begun = true;
    if (w->once) return give_up(w, worker); // whoever would keep a copy may have ended
    if (!t->mark) return ask(w, worker, live);
    if (w->elapsed_us < t->not_before_us) return false;
    if (!has_all(w, t)) return w->elapsed_us - t->asked_us > 20 * SECOND ? give_up(w, worker) : false;
    int code = take(w, worker, &err);
    t->mark = 0;                                       // who died takes another
    if (code == K_E_CONFIG) return give_up(w, worker); // as of who begins elsewhere
    if (!code) return t->begun = true;
    w->stats.take_died++;
    if (code != K_E_CRASHED && code != K_E_IO && code != K_E_DISK_FULL)
        world_fail(w, "%s cannot take over: %s", worker->name, err.text);
    return false;
}

void taking_forget(struct worker *worker)
{
    worker->taking = (struct taking){0};
}

// The copy may be of a state that was itself begun with one of some other generation.
static bool begins_later(const struct world *w, uint64_t from, uint64_t to, const char *node, int depth)
{
    struct k_arena arena;
    struct k_taking taking;
    enum k_taking_how how = K_TAKING_COMPUTE;
    k_arena_init(&arena);
    decide(w, from, to, &arena, &taking);
    for (uint32_t i = 0; i < taking.count && !taking.why_not; i++)
        if (strcmp(taking.items[i].name, node) == 0) how = taking.items[i].how;
    k_arena_fini(&arena);
    bool later = how == K_TAKING_LATER;
    for (uint64_t n = 1; n <= w->generations.count && how == K_TAKING_OVER && depth > 0 && !later; n++)
        later = n != from && generation_of(w, from)->takes && begins_later(w, n, from, node, depth - 1);
    return later;
}

bool taking_begins_later(const struct world *w, const struct worker *worker, uint32_t shard, const char *node)
{
    uint64_t from = worker->taking.from[shard];
    return from && begins_later(w, from, worker->generation, node, GENERATIONS_MAX);
}
