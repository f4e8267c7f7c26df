// Rows of several ways through the graph, put into one order: by their cause, then by the way, then as they came.
//
// Rows are copied in, for batches are borrowed, and what comes may come in portions whose memory is used again. The two
// sides of one change stay neighbours, and behind a row that is taken back alone stays a gap: a +1 directly behind it
// would be read as its other side.
#include "operators/union.h"

#include <stdlib.h>

// What one call brought: `count` rows, compact.
struct k_union_part {
    uint32_t port, count;
    const struct k_column *columns;
    const int64_t *time, *watermark;
    const int8_t *weight;
    const uint32_t *cause;
    const struct k_message **origin;
    const bool *other_side; // the row is the new side of the change whose old side is the row before
};

// A row that waits.
struct waiting {
    uint32_t cause, port, part, row;
};

void k_union_merge_init(struct k_union_merge *merge, const struct k_edge *edge)
{
    *merge = (struct k_union_merge){.schema = &edge->schema, .read = edge->read, .whole = k_edge_whole(edge)};
    k_arena_init(&merge->arena);
}

void k_union_merge_fini(struct k_union_merge *merge)
{
    free(merge->parts);
    k_arena_fini(&merge->arena);
}

static bool is_wanted(const struct k_union_merge *merge, uint32_t column)
{
    return merge->read[column] || (merge->whole && !merge->schema->fields[column].hidden);
}

static bool is_text(enum k_type type)
{
    return type == K_STRING || type == K_BYTES || type == K_JSON;
}

// Moves one cell; data: of the new column.
static void copy_cell(struct k_made *to, uint32_t at, const struct k_column *from, uint32_t row,
                      struct k_arena *texts)
{
    size_t width = k_type_width(from->type);
    if (!from->data || k_column_null(from, row)) { // without data: nobody reads it, so it was not decoded
        k_made_null(to, at);
        return;
    }
    memcpy(to->data + at * width, (const char *)from->data + row * width, width);
    if (!texts || !is_text(from->type)) return;
    struct k_str *text = (struct k_str *)to->data + at;
    text->data = k_arena_copy(texts, text->data, text->length);
}

static void copy_columns(struct k_union_merge *merge, const struct k_batch *batch, struct k_union_part *part)
{
    struct k_column *columns = k_arena_zeroed(&merge->arena, merge->schema->count * sizeof *columns);
    for (uint32_t c = 0; c < merge->schema->count; c++) {
        columns[c].type = merge->schema->fields[c].type;
        if (!is_wanted(merge, c)) continue;
        struct k_made made;
        k_made_init(&made, columns[c].type, part->count, &merge->arena);
        for (uint32_t i = 0; i < part->count; i++)
            copy_cell(&made, i, &batch->columns[c], batch->selection[i], &merge->arena);
        columns[c] = k_made_column(&made);
    }
    part->columns = columns;
}

static void copy_rows(struct k_union_merge *merge, const struct k_batch *batch, struct k_union_part *part)
{
    struct k_arena *arena = &merge->arena;
    uint32_t count = part->count, *cause = k_arena_array(arena, uint32_t, count);
    int64_t *time = k_arena_array(arena, int64_t, count), *watermark = k_arena_array(arena, int64_t, count);
    int8_t *weight = k_arena_array(arena, int8_t, count);
    bool *other_side = k_arena_zeroed(arena, count);
    const struct k_message **origin = k_arena_array(arena, const struct k_message *, count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = batch->selection[i];
        time[i] = batch->time[row];
        watermark[i] = batch->watermark ? batch->watermark[row] : INT64_MIN;
        weight[i] = batch->weight ? batch->weight[row] : 1;
        cause[i] = batch->cause ? batch->cause[row] : row;
        origin[i] = batch->origin ? batch->origin[row] : NULL;
        other_side[i] = i > 0 && weight[i - 1] < 0 && weight[i] > 0 && batch->selection[i - 1] + 1 == row;
    }
    part->time = time;
    part->watermark = watermark;
    part->weight = weight;
    part->cause = cause;
    part->origin = origin;
    part->other_side = other_side;
}

void k_union_merge_take(struct k_union_merge *merge, uint32_t port, const struct k_batch *batch)
{
    if (merge->part_count == merge->part_room) {
        merge->part_room = merge->part_room ? merge->part_room * 2 : 8;
        merge->parts = k_realloc(merge->parts, merge->part_room * sizeof *merge->parts);
    }
    struct k_union_part *part = k_arena_zeroed(&merge->arena, sizeof *part);
    part->port = port;
    part->count = batch->selected;
    copy_columns(merge, batch, part);
    copy_rows(merge, batch, part);
    merge->parts[merge->part_count++] = part;
    merge->source = batch->source;
    merge->rows += part->count;
}

// --- out ---

static int by_cause(const void *left, const void *right)
{
    const struct waiting *a = left, *b = right;
    if (a->cause != b->cause) return a->cause < b->cause ? -1 : 1;
    if (a->port != b->port) return a->port < b->port ? -1 : 1;
    if (a->part != b->part) return a->part < b->part ? -1 : 1;
    return (a->row > b->row) - (a->row < b->row);
}

static struct waiting *in_order(struct k_union_merge *merge)
{
    struct waiting *all = k_arena_array(&merge->arena, struct waiting, merge->rows);
    size_t count = 0;
    for (uint32_t p = 0; p < merge->part_count; p++) {
        const struct k_union_part *part = merge->parts[p];
        for (uint32_t row = 0; row < part->count; row++)
            all[count++] = (struct waiting){part->cause[row], part->port, p, row};
    }
    qsort(all, count, sizeof *all, by_cause);
    return all;
}

// A batch under construction: some of the rows, at places that leave gaps.
struct making {
    uint32_t count, places; // rows, and places behind the last
    uint32_t place[K_BATCH_ROWS];
    const struct waiting *rows[K_BATCH_ROWS];
};

static const struct k_union_part *part_of(const struct k_union_merge *merge, const struct waiting *row)
{
    return merge->parts[row->part];
}

// Places the next row; false: the batch is full, and begins anew with this row.
static bool place(const struct k_union_merge *merge, struct making *making, const struct waiting *row)
{
    bool other_side = part_of(merge, row)->other_side[row->row], gap = false;
    if (making->count && !other_side) {
        const struct waiting *before = making->rows[making->count - 1];
        gap = part_of(merge, before)->weight[before->row] < 0;
    }
    uint32_t at = making->places + gap;
    // Room for the other side that may come: both sides of a change lie in one batch.
    if (at + (other_side ? 0 : 1) >= K_BATCH_ROWS) return false;
    making->place[making->count] = at;
    making->rows[making->count++] = row;
    making->places = at + 1;
    return true;
}

static int emit(struct k_union_merge *merge, struct making *making, struct k_host *host, struct k_arena *arena,
                struct k_error *err)
{
    uint32_t places = making->places;
    struct k_column *columns = k_arena_zeroed(arena, merge->schema->count * sizeof *columns);
    int64_t *time = k_arena_zeroed(arena, places * sizeof *time);
    int64_t *watermark = k_arena_zeroed(arena, places * sizeof *watermark);
    int8_t *weight = k_arena_zeroed(arena, places);
    uint32_t *cause = k_arena_zeroed(arena, places * sizeof *cause);
    const struct k_message **origin = k_arena_zeroed(arena, places * sizeof *origin);
    for (uint32_t i = 0; i < making->count; i++) {
        const struct k_union_part *part = part_of(merge, making->rows[i]);
        uint32_t at = making->place[i], row = making->rows[i]->row;
        time[at] = part->time[row];
        watermark[at] = part->watermark[row];
        weight[at] = part->weight[row];
        cause[at] = part->cause[row];
        origin[at] = part->origin[row];
    }
    for (uint32_t c = 0; c < merge->schema->count; c++) {
        columns[c].type = merge->schema->fields[c].type;
        if (!is_wanted(merge, c)) continue;
        struct k_made made;
        k_made_init(&made, columns[c].type, places, arena);
        for (uint32_t i = 0; i < making->count; i++)
            copy_cell(&made, making->place[i], &part_of(merge, making->rows[i])->columns[c], making->rows[i]->row,
                      NULL);
        columns[c] = k_made_column(&made);
    }
    struct k_batch out = {.schema = merge->schema,
                          .columns = columns,
                          .rows = places,
                          .selection = making->place,
                          .selected = making->count,
                          .time = time,
                          .watermark = watermark,
                          .weight = weight,
                          .cause = cause,
                          .origin = origin,
                          .source = merge->source,
                          .arena = arena};
    return host->ops->emit(host, 0, &out, err);
}

int k_union_merge_emit(struct k_union_merge *merge, struct k_host *host, struct k_error *err)
{
    if (merge->rows == 0) return 0;
    const struct waiting *all = in_order(merge);
    struct making *making = k_arena_get(&merge->arena, sizeof *making);
    struct k_arena arena; // of one batch: there may be many
    int code = 0;
    k_arena_init(&arena);
    making->count = making->places = 0;
    for (uint64_t i = 0; i < merge->rows && code == 0; i++) {
        if (place(merge, making, &all[i])) continue;
        code = emit(merge, making, host, &arena, err);
        k_arena_reset(&arena);
        making->count = making->places = 0;
        bool placed = place(merge, making, &all[i]);
        K_ASSERT(placed);
    }
    if (code == 0) code = emit(merge, making, host, &arena, err);
    k_arena_fini(&arena);
    merge->part_count = 0;
    merge->rows = 0;
    k_arena_reset(&merge->arena);
    return code;
}
