// Batches of an aggregate: expressions are computed for the whole batch, rows find their windows and groups, and each
// accumulator goes over all rows at once.
#include "operators/aggregate.h"
#include "state/encoding.h"

#include <math.h>
#include <stdlib.h>

static int aggregate_open(void *instance, const struct k_node *node, struct k_host *host, struct k_error *err)
{
    struct k_aggregator *aggregate = instance;
    const struct k_aggregate_config *config = node->config;
    aggregate->host = host;
    aggregate->node = node;
    aggregate->config = config;
    k_arena_init(&aggregate->arena);
    int code = k_state_family(host->state, config->family, &config->type, config, &aggregate->groups, err);
    if (!code && config->distinct)
        code = k_state_family(host->state, config->value_family, &k_distinct_family, NULL, &aggregate->values, err);
    if (code || !config->panes) return code;
    return k_state_family(host->state, config->pane_family, &config->type, config, &aggregate->panes, err);
}

static void aggregate_close(void *instance)
{
    struct k_aggregator *aggregate = instance;
    k_buf_fini(&aggregate->scratch);
    k_arena_fini(&aggregate->arena);
}

// Values that are one group must look the same in every row of it: zeros have one sign, and NaN is one.
static void unify_doubles(struct k_column *column, const struct k_batch *batch)
{
    double *copy = NULL;
    for (uint32_t i = 0; i < batch->selected; i++) {
        uint32_t row = batch->selection[i];
        if (k_column_null(column, row)) continue;
        double value = copy ? copy[row] : column->d[row];
        bool negative_zero = value == 0 && signbit(value);
        if (!negative_zero && !isnan(value)) continue;
        if (!copy) {
            copy = k_arena_array(batch->arena, double, batch->rows);
            memcpy(copy, column->d, batch->rows * sizeof *copy);
            column->d = copy;
        }
        copy[row] = negative_zero ? 0 : (double)NAN;
    }
}

// Computes everything about the batch's rows; those that fail are left out of what is returned.
static int evaluate(struct k_aggregator *aggregate, const struct k_batch *batch, struct k_aggregate_input *input,
                    const uint32_t **ret_selection, uint32_t *ret_selected, struct k_error *err)
{
    const struct k_aggregate_config *config = aggregate->config;
    struct k_arena *arena = batch->arena;
    struct k_expr_errors errors = {0};
    input->batch = batch;
    input->groups = k_arena_array(arena, struct k_column, config->key_count);
    input->key = k_arena_array(arena, const struct k_column *, config->key_count);
    input->arguments = k_arena_zeroed(arena, config->call_count * sizeof *input->arguments);
    input->passes = k_arena_zeroed(arena, config->call_count * sizeof *input->passes);
    for (uint32_t i = 0; i < config->group_count; i++) {
        input->groups[i] = k_expr_eval(config->groups[i], batch, batch->selection, batch->selected, &errors);
        if (input->groups[i].type == K_DOUBLE) unify_doubles(&input->groups[i], batch);
    }
    if (config->window.kind == K_WINDOW_INHERIT)
        input->groups[config->group_count] = batch->columns[config->input_window_start];
    for (uint32_t i = 0; i < config->key_count; i++) input->key[i] = &input->groups[i];
    for (uint32_t i = 0; i < config->call_count; i++) {
        const struct k_aggregate_call *call = &config->calls[i];
        const uint32_t *rows = batch->selection;
        uint32_t count = batch->selected;
        if (call->filter) { // arguments are computed where the filter is true, and nowhere else
            uint32_t *passing = k_arena_array(arena, uint32_t, batch->selected);
            count = k_expr_filter(call->filter, batch, rows, count, passing, &errors);
            rows = passing;
            uint8_t *passes = k_arena_zeroed(arena, batch->rows);
            for (uint32_t r = 0; r < count; r++) passes[rows[r]] = 1;
            input->passes[i] = passes;
        }
        for (uint32_t a = 0; a < call->argument_count; a++)
            input->arguments[i][a] = k_expr_eval(call->arguments[a], batch, rows, count, &errors);
    }
    return k_drop_failed(aggregate->host, aggregate->node->on_error, batch, &errors, ret_selection, ret_selected, err);
}

// The batch's rows that are not late for all their windows, and the end of each one's first window.
static int drop_late(struct k_aggregator *aggregate, const struct k_batch *batch, const uint32_t *selection,
                     uint32_t selected, uint32_t *ret_rows, int64_t *ret_first_ends, uint32_t *ret_count,
                     struct k_error *err)
{
    const struct k_aggregate_config *config = aggregate->config;
    const struct k_window *window = &config->window;
    const int64_t *inherited =
        window->kind == K_WINDOW_INHERIT ? batch->columns[config->input_window_end].i : NULL;
    int64_t span_us = (int64_t)(window->count - 1) * window->every_us; // from the first window's end to the last one's
    uint32_t count = 0;
    for (uint32_t i = 0; i < selected; i++) {
        uint32_t row = selection[i];
        int64_t end_us = inherited ? inherited[row] : k_pane_end(window, batch->time[row]);
        if (batch->watermark && k_window_over(end_us + span_us, window->grace_us, batch->watermark[row])) {
            int code = aggregate->host->ops->late(aggregate->host, batch, row, config->late_topic, err);
            if (code) return code;
            continue;
        }
        ret_rows[count] = row;
        ret_first_ends[count++] = end_us;
    }
    *ret_count = count;
    return 0;
}

int k_aggregate_add(struct k_aggregator *aggregate, const struct k_aggregate_input *input,
                    const struct k_targets *targets, void *const *values, struct k_error *err)
{
    const uint32_t *rows = targets->rows;
    uint32_t count = targets->count;
    const struct k_aggregate_config *config = aggregate->config;
    struct k_arena *arena = input->batch->arena;
    for (uint32_t i = 0; i < config->call_count; i++) {
        const struct k_part *part = &config->parts[i];
        if (!part->kind->size) continue;
        if (part->kind == &k_accumulate_distinct) {
            int code = k_distinct_add(aggregate, i, input, targets, values, err);
            if (code) return code;
            continue;
        }
        struct k_hits hits = {.count = count, .rows = rows, .values = values, .weight = input->batch->weight,
                              .arguments = config->calls[i].argument_count ? input->arguments[i] : NULL,
                              .batch = input->batch,
                              .scratch = &aggregate->scratch};
        if (input->passes[i]) {
            uint32_t *passing = k_arena_array(arena, uint32_t, count), passed = 0;
            void **passing_values = k_arena_array(arena, void *, count);
            for (uint32_t h = 0; h < count; h++) {
                if (!input->passes[i][rows[h]]) continue;
                passing[passed] = rows[h];
                passing_values[passed++] = values[h];
            }
            hits.rows = passing;
            hits.values = passing_values;
            hits.count = passed;
        }
        part->kind->add(part, &hits);
    }
    return 0;
}

// Rows into the groups of one family, without a word.
static int accumulate(struct k_aggregator *aggregate, struct k_family *family, const struct k_aggregate_input *input,
                      const struct k_targets *targets, struct k_error *err)
{
    if (targets->count == 0) return 0;
    void **values = k_arena_array(input->batch->arena, void *, targets->count);
    int code =
        k_family_find(family, K_FIND_OR_CREATE, targets->count, targets->segments, targets->keys, values, NULL, err);
    if (code) return code;
    const int8_t *weight = input->batch->weight;
    for (uint32_t h = 0; h < targets->count; h++)
        ((struct k_group *)values[h])->rows += weight ? weight[targets->rows[h]] : 1;
    code = k_aggregate_add(aggregate, input, targets, values, err);
    if (code) return code;
    for (uint32_t h = 0; h < targets->count; h++) k_family_dirty(family, values[h]);
    return 0;
}

// Targets that are gathered until there are enough of them.
struct gathering {
    struct k_aggregator *aggregate;
    const struct k_aggregate_input *input;
    uint32_t *rows;
    struct k_str *keys;
    int64_t *segments;
    uint32_t count;
};

static void gathering_init(struct gathering *g, struct k_aggregator *aggregate, const struct k_aggregate_input *input)
{
    struct k_arena *arena = input->batch->arena;
    *g = (struct gathering){aggregate,
                            input,
                            k_arena_array(arena, uint32_t, K_EMIT_HITS),
                            k_arena_array(arena, struct k_str, K_EMIT_HITS),
                            k_arena_array(arena, int64_t, K_EMIT_HITS),
                            0};
}

static int gathering_flush(struct gathering *g, struct k_error *err)
{
    struct k_targets targets = {g->count, g->rows, g->keys, g->segments};
    g->count = 0;
    if (g->aggregate->config->on_update) return k_aggregate_update(g->aggregate, g->input, &targets, err);
    return accumulate(g->aggregate, g->aggregate->groups, g->input, &targets, err);
}

// The row's windows from the first that it is not late for.
static int gather_windows(struct gathering *g, uint32_t row, struct k_str key, int64_t first_end_us,
                          struct k_error *err)
{
    const struct k_window *window = &g->aggregate->config->window;
    const int64_t *watermark = g->input->batch->watermark;
    for (uint32_t w = 0; w < window->count; w++) {
        int64_t end_us = first_end_us + (int64_t)w * window->every_us;
        if (watermark && k_window_over(end_us, window->grace_us, watermark[row])) continue;
        g->rows[g->count] = row;
        g->keys[g->count] = key;
        g->segments[g->count++] = end_us;
        if (g->count < K_EMIT_HITS) continue;
        int code = gathering_flush(g, err);
        if (code) return code;
    }
    return 0;
}

// Each row into each of its windows: hopping windows that speak ON_UPDATE, or that count distinct values.
static int into_windows(struct k_aggregator *aggregate, const struct k_aggregate_input *input,
                        const struct k_targets *rows, struct k_error *err)
{
    struct gathering gathering;
    gathering_init(&gathering, aggregate, input);
    for (uint32_t i = 0; i < rows->count; i++) {
        int code = gather_windows(&gathering, rows->rows[i], rows->keys[i], rows->segments[i], err);
        if (code) return code;
    }
    return gathering_flush(&gathering, err);
}

// Rows into their panes; those that are late for the pane's first window into their later windows one by one.
static int into_panes(struct k_aggregator *aggregate, const struct k_aggregate_input *input,
                      const struct k_targets *rows, struct k_error *err)
{
    const struct k_window *window = &aggregate->config->window;
    const struct k_batch *batch = input->batch;
    uint32_t *pane_rows = k_arena_array(batch->arena, uint32_t, rows->count);
    struct k_str *pane_keys = k_arena_array(batch->arena, struct k_str, rows->count);
    int64_t *pane_ends = k_arena_array(batch->arena, int64_t, rows->count);
    struct k_targets panes = {0, pane_rows, pane_keys, pane_ends};
    struct gathering late;
    gathering_init(&late, aggregate, input);
    for (uint32_t i = 0; i < rows->count; i++) {
        uint32_t row = rows->rows[i];
        if (batch->watermark && k_window_over(rows->segments[i], window->grace_us, batch->watermark[row])) {
            int code = gather_windows(&late, row, rows->keys[i], rows->segments[i], err);
            if (code) return code;
            continue;
        }
        pane_rows[panes.count] = row;
        pane_keys[panes.count] = rows->keys[i];
        pane_ends[panes.count++] = rows->segments[i];
    }
    int code = gathering_flush(&late, err);
    return code ? code : accumulate(aggregate, aggregate->panes, input, &panes, err);
}

// One group a row: rows in portions of what one emission may take.
static int update_each(struct k_aggregator *aggregate, const struct k_aggregate_input *input,
                       const struct k_targets *rows, struct k_error *err)
{
    int code = 0;
    for (uint32_t at = 0; at < rows->count && code == 0; at += K_EMIT_HITS) {
        uint32_t left = rows->count - at;
        struct k_targets some = {left < K_EMIT_HITS ? left : K_EMIT_HITS, rows->rows + at, rows->keys + at,
                                 rows->segments ? rows->segments + at : NULL};
        code = k_aggregate_update(aggregate, input, &some, err);
    }
    return code;
}

static int aggregate_on_batch(void *instance, uint32_t port, const struct k_batch *batch, struct k_error *err)
{
    (void)port;
    struct k_aggregator *aggregate = instance;
    const struct k_aggregate_config *config = aggregate->config;
    struct k_arena *arena = batch->arena;
    struct k_aggregate_input input;
    struct k_targets rows = {0};
    const uint32_t *selection;
    int code = evaluate(aggregate, batch, &input, &selection, &rows.count, err);
    if (code) return code;
    rows.rows = selection;
    if (config->window.kind != K_WINDOW_NONE) {
        uint32_t *timely = k_arena_array(arena, uint32_t, rows.count);
        int64_t *first_ends = k_arena_array(arena, int64_t, rows.count);
        code = drop_late(aggregate, batch, selection, rows.count, timely, first_ends, &rows.count, err);
        if (code) return code;
        rows.rows = timely;
        rows.segments = first_ends;
    }
    aggregate->host->counters->processed += rows.count;
    if (rows.count == 0) return 0;
    struct k_str *keys = k_arena_array(arena, struct k_str, rows.count);
    k_keys_of_rows(input.key, config->key_count, rows.rows, rows.count, arena, keys);
    rows.keys = keys;
    if (config->panes) return into_panes(aggregate, &input, &rows, err);
    if (!config->on_update && config->window.count <= 1)
        return accumulate(aggregate, aggregate->groups, &input, &rows, err);
    return config->window.count > 1 ? into_windows(aggregate, &input, &rows, err)
                                    : update_each(aggregate, &input, &rows, err);
}

const struct k_operator k_operator_aggregate = {
    .name = "aggregate",
    .doc = "Groups rows, by columns and by windows of time, and computes one row per group.",
    .plan = k_aggregate_plan,
    .instance_size = sizeof(struct k_aggregator),
    .open = aggregate_open,
    .on_batch = aggregate_on_batch,
    .on_frontier = k_aggregate_on_frontier,
    .next_frontier = k_aggregate_next_frontier,
    .close = aggregate_close,
};
