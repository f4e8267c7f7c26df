// The frontier of an aggregate: what can get no more rows is worked off, the least end first.
//
//   pane ≤ least window   the pane's groups are merged into its windows      a unit a group
//   else the window       ON_CLOSE: its groups speak, ON_UPDATE: they go      a unit a group
//   then its values       what count(DISTINCT …) has seen in it goes            a unit a value
//
// The cursor is the state itself: what was taken is gone from it. A pane comes before a window that ends with it, so
// that a window speaks only when all its panes are in it.
#include "operators/aggregate.h"
#include "state/encoding.h"

// A window is taken in slices: small ones first, for most windows that close late in life hold little, and room for a
// slice is made before it is known how much comes.
enum { SLICE_MIN = 64, SLICE_GROWTH = 4 };

// Rows on their way out of one window.
struct closing {
    struct k_aggregator *aggregate;
    int64_t end_us;
    struct k_making making;
    uint32_t count;
    struct k_misfit *misfits;
    uint32_t misfit_count;
};

static int speak(void *context, struct k_str key, void *value, struct k_error *err)
{
    struct closing *c = context;
    const struct k_aggregate_config *config = c->aggregate->config;
    struct k_arena *arena = &c->aggregate->arena;
    if (((const struct k_group *)value)->rows <= 0) return 0; // all its rows were taken back
    struct k_value *values = k_arena_array(arena, struct k_value, config->key_count);
    size_t used;
    // The key is the entry's, which is gone before the row is.
    struct k_str copy = {k_arena_copy(arena, key.data, key.length), key.length};
    int code = k_key_decode(copy, config->key_count, arena, values, &used, err);
    if (code) return code;
    uint32_t row = c->count++;
    for (uint32_t g = 0; g < config->group_count; g++) k_made_value(&c->making.columns[g], row, &values[g]);
    bool inherit = config->window.kind == K_WINDOW_INHERIT;
    k_made_i(&c->making.columns[config->group_count], row,
             inherit ? values[config->group_count].i : c->end_us - config->window.size_us);
    k_made_i(&c->making.columns[config->group_count + 1], row, c->end_us);
    for (uint32_t i = 0; i < config->call_count; i++) {
        const struct k_part *part = &config->parts[i];
        if (!part->kind->result(part, value, arena, &c->making.columns[config->named_count + i], row))
            c->misfits[c->misfit_count++] = (struct k_misfit){row, i};
    }
    return 0;
}

static int emit(struct closing *c, struct k_error *err)
{
    if (c->count == 0) return 0;
    struct k_aggregator *aggregate = c->aggregate;
    struct k_host *host = aggregate->host;
    struct k_arena *arena = &aggregate->arena;
    const uint32_t *all = k_all_rows(arena, c->count);
    struct k_batch out;
    struct k_expr_errors errors;
    k_aggregate_finish(aggregate, &c->making, c->count, all, c->count, c->misfits, c->misfit_count, arena, &out,
                       &errors);
    int64_t *time = k_arena_array(arena, int64_t, c->count);
    for (uint32_t i = 0; i < c->count; i++) time[i] = c->end_us - 1;
    out.time = time;
    uint64_t failed_before = host->counters->dropped + host->counters->dead_lettered;
    int code = k_drop_failed(host, aggregate->node->on_error, &out, &errors, &out.selection, &out.selected, err);
    if (code) return code;
    // What failed was no input row; it is counted in, so that each row in ends as exactly one thing.
    host->counters->in += host->counters->dropped + host->counters->dead_lettered - failed_before;
    return out.selected ? host->ops->emit(host, 0, &out, err) : 0;
}

static int close_window(struct k_aggregator *aggregate, int64_t end_us, uint32_t max, uint32_t *ret_taken,
                        struct k_error *err)
{
    struct k_arena *arena = &aggregate->arena;
    struct closing c = {.aggregate = aggregate, .end_us = end_us};
    c.misfits = k_arena_array(arena, struct k_misfit, (size_t)max * aggregate->config->call_count);
    k_making_init(aggregate, &c.making, max, arena);
    int code = k_family_take(aggregate->groups, end_us, max, speak, &c, ret_taken, err);
    return code ? code : emit(&c, err);
}

static int forget(void *context, struct k_str key, void *value, struct k_error *err)
{
    (void)context, (void)key, (void)value, (void)err;
    return 0;
}

// A pane on its way into its windows.
struct merging {
    struct k_aggregator *aggregate;
    int64_t *ends;
    struct k_str *keys;
    void **values;
};

static int merge(void *context, struct k_str key, void *value, struct k_error *err)
{
    struct merging *m = context;
    const struct k_aggregate_config *config = m->aggregate->config;
    uint32_t windows = config->window.count;
    for (uint32_t w = 0; w < windows; w++) m->keys[w] = key;
    int code = k_family_find(m->aggregate->groups, K_FIND_OR_CREATE, windows, m->ends, m->keys, m->values, NULL, err);
    if (code) return code;
    for (uint32_t w = 0; w < windows; w++) {
        ((struct k_group *)m->values[w])->rows += ((const struct k_group *)value)->rows;
        for (uint32_t i = 0; i < config->call_count; i++)
            if (config->parts[i].kind->size) config->parts[i].kind->merge(&config->parts[i], m->values[w], value);
        k_family_dirty(m->aggregate->groups, m->values[w]);
    }
    return 0;
}

static int merge_pane(struct k_aggregator *aggregate, int64_t end_us, uint32_t max, uint32_t *ret_taken,
                      struct k_error *err)
{
    const struct k_window *window = &aggregate->config->window;
    struct k_arena *arena = &aggregate->arena;
    struct merging m = {aggregate, k_arena_array(arena, int64_t, window->count),
                        k_arena_array(arena, struct k_str, window->count), k_arena_array(arena, void *, window->count)};
    for (uint32_t w = 0; w < window->count; w++) m.ends[w] = end_us + (int64_t)w * window->every_us;
    return k_family_take(aggregate->panes, end_us, max, merge, &m, ret_taken, err);
}

// What there is to work off at one end, in this order.
enum what { PANE, GROUPS, VALUES };

// What comes first: the end of the least pane, window or its values, INT64_MAX when there is neither.
static int first_end(struct k_aggregator *aggregate, int64_t *ret_end_us, enum what *ret_what, struct k_error *err)
{
    struct k_family *families[] = {[PANE] = aggregate->panes, [GROUPS] = aggregate->groups,
                                   [VALUES] = aggregate->values};
    *ret_end_us = INT64_MAX;
    *ret_what = GROUPS;
    for (int what = PANE; what <= VALUES; what++) {
        int64_t segment;
        bool found = false;
        int code = families[what] ? k_family_first_segment(families[what], &segment, &found, err) : 0;
        if (code) return code;
        if (!found || segment >= *ret_end_us) continue;
        *ret_end_us = segment;
        *ret_what = (enum what)what;
    }
    return 0;
}

static int work_off(struct k_aggregator *aggregate, int64_t end_us, enum what what, uint32_t max, uint32_t *ret_taken,
                    struct k_error *err)
{
    k_arena_reset(&aggregate->arena);
    if (what == VALUES) return k_family_take(aggregate->values, end_us, max, forget, NULL, ret_taken, err);
    if (what == PANE) return merge_pane(aggregate, end_us, max, ret_taken, err);
    if (aggregate->config->on_update)
        return k_family_take(aggregate->groups, end_us, max, forget, NULL, ret_taken, err);
    return close_window(aggregate, end_us, max, ret_taken, err);
}

int k_aggregate_on_frontier(void *instance, int64_t frontier_us, uint64_t max, uint64_t *ret_done, struct k_error *err)
{
    struct k_aggregator *aggregate = instance;
    uint32_t slice = SLICE_MIN;
    *ret_done = 0;
    while (*ret_done < max) {
        int64_t end_us;
        enum what what;
        int code = first_end(aggregate, &end_us, &what, err);
        if (code) return code;
        if (end_us == INT64_MAX || !k_window_over(end_us, aggregate->config->window.grace_us, frontier_us)) return 0;
        uint64_t left = max - *ret_done;
        uint32_t some = left < slice ? (uint32_t)left : slice, taken = 0;
        code = work_off(aggregate, end_us, what, some, &taken, err);
        if (code) return code;
        K_ASSERT(taken > 0); // a segment that is first holds an entry
        *ret_done += taken;
        slice = taken < slice ? SLICE_MIN : slice < K_BATCH_ROWS ? slice * SLICE_GROWTH : K_BATCH_ROWS;
    }
    return 0;
}

int k_aggregate_next_frontier(void *instance, int64_t *ret_us, struct k_error *err)
{
    struct k_aggregator *aggregate = instance;
    *ret_us = INT64_MAX;
    if (aggregate->config->window.kind == K_WINDOW_NONE) return 0;
    int64_t end_us;
    enum what what;
    int code = first_end(aggregate, &end_us, &what, err);
    if (code || end_us == INT64_MAX) return code;
    if (__builtin_add_overflow(end_us, aggregate->config->window.grace_us, ret_us)) *ret_us = INT64_MAX - 1;
    return 0;
}
