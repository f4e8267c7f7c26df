// ON_UPDATE: every input row that changes a group's row says so, in the order of the rows: -1 the old row, +1 the
// new.
//
// Target i makes row 2 i (the group's row before it) and row 2 i + 1 (after it). Each accumulator goes over all
// targets in order and writes both results, so that a batch of 4096 says what 4096 batches of one would. A group that
// falls to no rows is gone: its parts are reset at once, and its entry is removed at the end of the batch.
#include <stdlib.h>

#include "operators/aggregate.h"

struct update {
    struct k_aggregator *aggregate;
    const struct k_aggregate_input *input;
    const struct k_targets *targets;
    void **values;
    int64_t *before, *after; // net rows of the group around each target
    struct k_making making;
    struct k_misfit *misfits;
    uint32_t misfit_count;
};

static int weight_of(const struct update *u, uint32_t target)
{
    const int8_t *weight = u->input->batch->weight;
    return weight ? weight[u->targets->rows[target]] : 1;
}

static void count_rows(struct update *u)
{
    for (uint32_t i = 0; i < u->targets->count; i++) {
        struct k_group *group = u->values[i];
        u->before[i] = group->rows;
        u->after[i] = group->rows += weight_of(u, i);
    }
}

static void misfit(struct update *u, uint32_t row, uint32_t call)
{
    u->misfits[u->misfit_count++] = (struct k_misfit){row, call};
}

static int run_distinct(struct update *u, uint32_t call, struct k_error *err)
{
    const struct k_aggregate_config *config = u->aggregate->config;
    const struct k_part *part = &config->parts[call];
    struct k_made *out = &u->making.columns[config->named_count + call];
    struct k_distinct_hits hits;
    int code = k_distinct_find(u->aggregate, call, u->input, u->targets, &hits, err);
    if (code) return code;
    for (uint32_t i = 0; i < u->targets->count; i++) {
        k_made_i(out, 2 * i, *(const int64_t *)k_part_of(part, u->values[i]));
        k_distinct_apply(part, u->values[i], hits.values[i], weight_of(u, i));
        if (u->after[i] == 0) k_part_reset(part, u->values[i]);
        k_made_i(out, 2 * i + 1, *(const int64_t *)k_part_of(part, u->values[i]));
    }
    return k_distinct_settle(u->aggregate, &hits, err);
}

static void run_call(struct update *u, uint32_t call)
{
    const struct k_aggregate_config *config = u->aggregate->config;
    const struct k_part *part = &config->parts[call];
    struct k_made *out = &u->making.columns[config->named_count + call];
    if (part->kind == &k_accumulate_rows) {
        for (uint32_t i = 0; i < u->targets->count; i++) {
            k_made_i(out, 2 * i, u->before[i]);
            k_made_i(out, 2 * i + 1, u->after[i]);
        }
        return;
    }
    struct k_arena *arena = u->input->batch->arena;
    const uint8_t *passes = u->input->passes[call];
    struct k_hits hits = {.count = 1,
                          .weight = u->input->batch->weight,
                          .arguments = config->calls[call].argument_count ? u->input->arguments[call] : NULL,
                          .batch = u->input->batch,
                          .scratch = &u->aggregate->scratch};
    for (uint32_t i = 0; i < u->targets->count; i++) {
        if (u->before[i] > 0 && !part->kind->result(part, u->values[i], arena, out, 2 * i)) misfit(u, 2 * i, call);
        hits.rows = &u->targets->rows[i];
        hits.values = &u->values[i];
        if (!passes || passes[u->targets->rows[i]]) part->kind->add(part, &hits);
        if (u->after[i] == 0) k_part_reset(part, u->values[i]);
        else if (u->after[i] > 0 && !part->kind->result(part, u->values[i], arena, out, 2 * i + 1))
            misfit(u, 2 * i + 1, call);
    }
}

// Copies values of input rows to both rows of their targets.
static void gather(const struct update *u, const struct k_column *from, struct k_made *to)
{
    size_t width = k_type_width(from->type);
    const char *data = from->data;
    for (uint32_t i = 0; i < u->targets->count; i++) {
        uint32_t row = u->targets->rows[i];
        if (k_column_null(from, row)) {
            k_made_null(to, 2 * i);
            k_made_null(to, 2 * i + 1);
            continue;
        }
        memcpy(to->data + 2 * i * width, data + row * width, width);
        memcpy(to->data + (2 * i + 1) * width, data + row * width, width);
    }
}

static void fill_named(struct update *u)
{
    const struct k_aggregate_config *config = u->aggregate->config;
    const struct k_window *window = &config->window;
    for (uint32_t g = 0; g < config->group_count; g++) gather(u, &u->input->groups[g], &u->making.columns[g]);
    if (window->kind == K_WINDOW_NONE) return;
    struct k_made *start = &u->making.columns[config->group_count], *end = start + 1;
    const int64_t *inherited =
        window->kind == K_WINDOW_INHERIT ? u->input->batch->columns[config->input_window_start].i : NULL;
    for (uint32_t i = 0; i < u->targets->count; i++) {
        int64_t end_us = u->targets->segments[i];
        int64_t start_us = inherited ? inherited[u->targets->rows[i]] : end_us - window->size_us;
        for (uint32_t row = 2 * i; row < 2 * i + 2; row++) {
            k_made_i(start, row, start_us);
            k_made_i(end, row, end_us);
        }
    }
}

// Event time, watermark, weight and cause of the rows that are made.
static void fill_meta(const struct update *u, struct k_batch *out)
{
    const struct k_batch *batch = u->input->batch;
    bool windowed = u->aggregate->config->window.kind != K_WINDOW_NONE;
    uint32_t rows = 2 * u->targets->count;
    int64_t *time = k_arena_array(batch->arena, int64_t, rows);
    int8_t *weight = k_arena_array(batch->arena, int8_t, rows);
    uint32_t *cause = k_arena_array(batch->arena, uint32_t, rows);
    int64_t *watermark = batch->watermark && !windowed ? k_arena_array(batch->arena, int64_t, rows) : NULL;
    for (uint32_t row = 0; row < rows; row++) {
        uint32_t from = u->targets->rows[row / 2];
        time[row] = windowed ? u->targets->segments[row / 2] - 1 : batch->time[from];
        if (watermark) watermark[row] = batch->watermark[from];
        weight[row] = row & 1 ? 1 : -1;
        cause[row] = batch->cause ? batch->cause[from] : from;
    }
    out->time = time;
    out->cause = cause;
    out->weight = weight;
    out->watermark = watermark;
}

static bool same_cell(const struct k_column *column, uint32_t a, uint32_t b)
{
    bool null_a = k_column_null(column, a), null_b = k_column_null(column, b);
    if (null_a || null_b) return null_a && null_b;
    if (column->type == K_STRING || column->type == K_BYTES || column->type == K_JSON)
        return k_str_equal(column->s[a], column->s[b]);
    size_t width = k_type_width(column->type);
    return memcmp((const char *)column->data + a * width, (const char *)column->data + b * width, width) == 0;
}

static bool same_row(const struct update *u, const struct k_batch *out, uint32_t a, uint32_t b)
{
    const struct k_aggregate_config *config = u->aggregate->config;
    for (uint32_t i = 0; i < config->select_count; i++)
        if (!same_cell(&out->columns[config->named_count + i], a, b)) return false;
    return true;
}

static int by_row(const void *a, const void *b)
{
    const struct k_expr_error *const *left = a, *const *right = b;
    if ((*left)->row != (*right)->row) return (*left)->row < (*right)->row ? -1 : 1;
    return *left < *right ? -1 : *left > *right;
}

// Rows that failed are no rows of the output. Only the new side is told: the old one was told when it was new.
static int drop_failed(const struct update *u, const struct k_batch *out, const struct k_expr_errors *errors,
                       bool *alive, struct k_error *err)
{
    if (errors->count == 0 || u->aggregate->node->on_error == K_ON_ERROR_PASS_NULL) return 0;
    const struct k_expr_error **sorted = k_arena_array(out->arena, const struct k_expr_error *, errors->count);
    for (uint32_t i = 0; i < errors->count; i++) sorted[i] = &errors->items[i];
    qsort(sorted, errors->count, sizeof *sorted, by_row);
    for (uint32_t i = 0; i < errors->count; i++) {
        uint32_t row = sorted[i]->row;
        if (!alive[row]) continue; // its first error was told
        alive[row] = false;
        int code = row & 1 ? k_aggregate_fail(u->aggregate, out, sorted[i], err) : 0;
        if (code) return code;
    }
    return 0;
}

static int emit(struct update *u, struct k_error *err)
{
    struct k_arena *arena = u->input->batch->arena;
    uint32_t rows = 2 * u->targets->count, made = 0, selected = 0;
    uint32_t *selection = k_arena_array(arena, uint32_t, rows), *kept = k_arena_array(arena, uint32_t, rows);
    bool *alive = k_arena_zeroed(arena, rows);
    for (uint32_t row = 0; row < rows; row++) {
        alive[row] = (row & 1 ? u->after : u->before)[row / 2] > 0;
        if (alive[row]) selection[made++] = row;
    }
    struct k_batch out;
    struct k_expr_errors errors;
    k_aggregate_finish(u->aggregate, &u->making, rows, selection, made, u->misfits, u->misfit_count, arena, &out,
                       &errors);
    fill_meta(u, &out);
    int code = drop_failed(u, &out, &errors, alive, err);
    if (code) return code;
    for (uint32_t old = 0; old < rows; old += 2) {
        if (alive[old] && alive[old + 1] && same_row(u, &out, old, old + 1)) continue;
        if (alive[old]) kept[selected++] = old;
        if (alive[old + 1]) kept[selected++] = old + 1;
    }
    out.selection = kept;
    out.selected = selected;
    return selected ? u->aggregate->host->ops->emit(u->aggregate->host, 0, &out, err) : 0;
}

// Groups without rows go; several targets may be of one group, which is looked at once.
static int settle_entries(struct update *u, struct k_error *err)
{
    const struct k_targets *targets = u->targets;
    struct k_family *family = u->aggregate->groups;
    uint32_t gone = 0, *going = k_arena_array(u->input->batch->arena, uint32_t, targets->count);
    for (uint32_t i = 0; i < targets->count; i++) {
        struct k_group *group = u->values[i];
        if (group->rows == 0) {
            going[gone++] = i;
            group->rows = INT64_MIN; // seen
        } else if (group->rows != INT64_MIN) {
            k_family_dirty(family, group);
        }
    }
    int code = 0;
    for (uint32_t i = 0; i < gone && code == 0; i++)
        code = k_family_remove(family, targets->segments ? targets->segments[going[i]] : 0, targets->keys[going[i]],
                               err);
    return code;
}

int k_aggregate_update(struct k_aggregator *aggregate, const struct k_aggregate_input *input,
                       const struct k_targets *targets, struct k_error *err)
{
    K_ASSERT(targets->count <= K_EMIT_HITS);
    if (targets->count == 0) return 0;
    struct k_arena *arena = input->batch->arena;
    uint32_t count = targets->count;
    const struct k_aggregate_config *config = aggregate->config;
    struct update u = {.aggregate = aggregate,
                       .input = input,
                       .targets = targets,
                       .values = k_arena_array(arena, void *, count),
                       .before = k_arena_array(arena, int64_t, count),
                       .after = k_arena_array(arena, int64_t, count),
                       .misfits = k_arena_array(arena, struct k_misfit, (size_t)2 * count * config->call_count)};
    int code = k_family_find(aggregate->groups, K_FIND_OR_CREATE, count, targets->segments, targets->keys, u.values,
                             NULL, err);
    if (code) return code;
    count_rows(&u);
    k_making_init(aggregate, &u.making, 2 * count, arena);
    for (uint32_t call = 0; call < config->call_count && code == 0; call++) {
        if (config->parts[call].kind == &k_accumulate_distinct) code = run_distinct(&u, call, err);
        else run_call(&u, call);
    }
    if (code) return code;
    fill_named(&u);
    code = settle_entries(&u, err);
    return code ? code : emit(&u, err);
}
