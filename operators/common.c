// What the operators share while a graph is planned, and while rows pass.
#include "operators/common.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/units.h"

void k_plan_error(struct k_planner *planner, const void *message, const char *field, int index, const char *code,
                  const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    k_diag_error(planner->diags, k_graph_pos(planner->graph, message, field, index), code, "%s", text);
}

bool k_plan_need(struct k_planner *planner, const struct k_node *node, const void *message, const char *field,
                 const char *text, const char *advice)
{
    if (text && *text) return true;
    // What was written but could not be read has been reported by the reader already.
    if (!text && k_graph_is_broken(planner->graph, message)) return false;
    k_plan_error(planner, message, text ? field : NULL, text ? 0 : -1, K0401, "\"%s\" needs %s; add  %s", node->name,
                 field, advice);
    return false;
}

bool k_csv_delimiter_is_good(const char *text)
{
    unsigned char c = (unsigned char)text[0];
    return c && !text[1] && c < 0x80 && c != '"' && c != '\r' && c != '\n';
}

struct place {
    struct k_expr_place place;
    const struct k_graph *graph;
    const void *message;
    const char *field;
    int index;
    size_t offset;
};

static struct k_pos place_pos(const void *context, size_t offset)
{
    const struct place *place = context;
    return k_graph_pos_in(place->graph, place->message, place->field, place->index, place->offset + offset);
}

const struct k_expr_place *k_plan_place(struct k_planner *planner, const void *message, const char *field, int index,
                                        size_t offset)
{
    struct place *place = k_arena_get(planner->arena, sizeof *place);
    *place = (struct place){.place = {place_pos, place},
                            .graph = planner->graph,
                            .message = message,
                            .field = field,
                            .index = index,
                            .offset = offset};
    return &place->place;
}

struct k_expr *k_plan_condition(struct k_planner *planner, const struct k_edge *input, const void *message,
                                const char *field, int index, const char *text)
{
    struct k_scope scope = {&input->schema, input->name, input->read};
    struct k_expr *expr = k_expr_compile(planner->arena, k_str_of(text), &scope,
                                         k_plan_place(planner, message, field, index, 0), planner->diags, NULL);
    if (!expr || k_expr_type(expr) == K_BOOL) return expr;
    k_plan_error(planner, message, field, index, K0403, "\"%s\" must be a condition, of type bool; it is of type %s",
                 field, k_type_name(k_expr_type(expr)));
    return NULL;
}

bool k_plan_duration(struct k_planner *planner, const void *message, const char *field, const char *text,
                     int64_t least_us, int64_t *us)
{
    if (!text) return true;
    int64_t value;
    if (!k_duration_parse(k_str_of(text), &value)) {
        k_plan_error(planner, message, field, 0, K0402,
                     "%s: \"%s\" is not a duration, such as \"90s\", \"5m\" or \"1h30m\"", field, text);
        return false;
    }
    if (value < least_us || value > K_DURATION_MAX) {
        k_plan_error(planner, message, field, 0, K0402, "%s: \"%s\" is %s", field, text,
                     value < least_us ? "too short; it must be longer than 0s" : "too long");
        return false;
    }
    *us = value;
    return true;
}

const char *k_nearest_column(const struct k_schema *schema, const char *name)
{
    const char **names = k_new_array(const char *, schema->count);
    uint32_t count = 0;
    for (uint32_t i = 0; i < schema->count; i++)
        if (!schema->fields[i].hidden) names[count++] = schema->fields[i].name;
    const char *nearest = k_nearest(name, names, count);
    free(names);
    return nearest;
}

int32_t k_plan_column(struct k_planner *planner, const void *message, const char *field, int index, const char *name,
                      const struct k_edge *edge, const char *what)
{
    int32_t column = k_schema_find(&edge->schema, k_str_of(name));
    if (column >= 0) return column;
    struct k_buf offers = {0};
    for (uint32_t i = 0, shown = 0; i < edge->schema.count; i++) {
        if (edge->schema.fields[i].hidden) continue;
        if (shown == 8) {
            k_buf_add_text(&offers, ", …");
            break;
        }
        if (shown++) k_buf_add_text(&offers, ", ");
        k_buf_add_text(&offers, edge->schema.fields[i].name);
    }
    const char *nearest = k_nearest_column(&edge->schema, name);
    k_plan_error(planner, message, field, index, K0406, "%s: unknown column \"%s\"; \"%s\" offers %s%s%s%s", what,
                 name, edge->name, offers.data ? offers.data : "nothing", nearest ? "; did you mean \"" : "",
                 nearest ? nearest : "", nearest ? "\"?" : "");
    k_buf_fini(&offers);
    return -1;
}

bool k_plan_field(struct k_planner *planner, const void *message, const char *field, int index, const char *name,
                  const struct k_expr *expr, enum k_on_error on_error, struct k_field *ret_field)
{
    enum k_type type = k_expr_type(expr);
    if (type == K_INTERVAL || type == K_NO_TYPE) {
        k_plan_error(planner, message, field, index, K0403, "column \"%s\" would be of type %s, which %s", name,
                     k_type_name(type),
                     type == K_INTERVAL ? "exists inside expressions only" : "says nothing; add a cast");
        return false;
    }
    // Under PASS_NULL a failed expression is NULL, whatever is proved about it otherwise.
    bool not_null = k_expr_not_null(expr) && (on_error != K_ON_ERROR_PASS_NULL || k_expr_column(expr) >= 0);
    *ret_field = (struct k_field){.name = name, .type = type, .not_null = not_null};
    return true;
}

bool k_plan_distinct_names(struct k_planner *planner, const void *message, const struct k_schema *schema,
                           const struct k_column_origin *from)
{
    bool distinct = true;
    for (uint32_t i = 1; i < schema->count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            if (strcmp(schema->fields[i].name, schema->fields[j].name) != 0) continue;
            k_plan_error(planner, message, from[i].field, from[i].index, K0404,
                         "there are two columns \"%s\"; name one of them otherwise with AS", schema->fields[i].name);
            distinct = false;
            break;
        }
    }
    return distinct;
}

void k_visible_columns(struct k_arena *arena, const struct k_schema *schema, struct k_schema *ret_visible,
                       uint32_t **ret_indices)
{
    struct k_field *fields = k_arena_array(arena, struct k_field, schema->count);
    uint32_t *indices = k_arena_array(arena, uint32_t, schema->count), count = 0;
    for (uint32_t i = 0; i < schema->count; i++) {
        if (schema->fields[i].hidden) continue;
        fields[count] = schema->fields[i];
        indices[count++] = i;
    }
    *ret_visible = (struct k_schema){fields, count};
    *ret_indices = indices;
}

static int32_t mapped(const struct k_edge *edge, const int32_t *from, int32_t column)
{
    if (column < 0) return -1;
    for (uint32_t i = 0; i < edge->schema.count; i++)
        if (from[i] == column) return (int32_t)i;
    return -1;
}

void k_edge_map(struct k_arena *arena, struct k_edge *edge, const struct k_edge *input, const int32_t *from)
{
    edge->updating = input->updating;
    edge->order = input->order;
    edge->delay_us = input->delay_us;
    edge->made = input->made;
    edge->rejoined = input->rejoined;
    edge->sources = input->sources;
    edge->source_count = input->source_count;
    edge->window_start = mapped(edge, from, input->window_start);
    edge->window_end = mapped(edge, from, input->window_end);
    edge->partition_column = mapped(edge, from, input->partition_column);
    edge->keyed_by_partition = input->keyed_by_partition && edge->partition_column >= 0;
    uint32_t *unique = k_arena_array(arena, uint32_t, input->unique_count);
    edge->unique = unique;
    edge->unique_count = 0;
    for (uint32_t i = 0; i < input->unique_count; i++) {
        int32_t column = mapped(edge, from, (int32_t)input->unique[i]);
        if (column < 0) {
            edge->unique_count = 0; // a part of the identity is gone, and with it the identity
            return;
        }
        unique[edge->unique_count++] = (uint32_t)column;
    }
}

void k_made_init(struct k_made *made, enum k_type type, uint32_t rows, struct k_arena *arena)
{
    // Cells of rows that are never written must be readable, a string among them.
    *made = (struct k_made){.type = type,
                            .data = k_arena_zeroed(arena, (size_t)rows * k_type_width(type)),
                            .valid = k_arena_get(arena, rows)};
    memset(made->valid, 1, rows);
}

struct k_column k_made_column(const struct k_made *made)
{
    return (struct k_column){.type = made->type, .valid = made->has_null ? made->valid : NULL, .data = made->data};
}

void k_made_null(struct k_made *made, uint32_t row)
{
    made->valid[row] = 0;
    made->has_null = true;
}

void k_made_value(struct k_made *made, uint32_t row, const struct k_value *value)
{
    if (value->null) {
        k_made_null(made, row);
        return;
    }
    K_ASSERT(value->type == made->type);
    switch (made->type) {
    case K_BOOL: ((uint8_t *)made->data)[row] = value->b; return;
    case K_INT64:
    case K_TIMESTAMP: ((int64_t *)made->data)[row] = value->i; return;
    case K_DOUBLE: ((double *)made->data)[row] = value->d; return;
    case K_STRING:
    case K_BYTES:
    case K_JSON: ((struct k_str *)made->data)[row] = value->s; return;
    case K_NO_TYPE:
    case K_INTERVAL: break;
    }
    K_ASSERT(!"a type that no column has");
}

const uint32_t *k_all_rows(struct k_arena *arena, uint32_t rows)
{
    uint32_t *all = k_arena_array(arena, uint32_t, rows);
    for (uint32_t i = 0; i < rows; i++) all[i] = i;
    return all;
}

// Ascending by row, and of one row's errors the first that was found stays first.
static int by_row(const void *a, const void *b)
{
    const struct k_expr_error *const *left = a, *const *right = b;
    if ((*left)->row != (*right)->row) return (*left)->row < (*right)->row ? -1 : 1;
    return *left < *right ? -1 : *left > *right;
}

int k_drop_failed(struct k_host *host, enum k_on_error on_error, const struct k_batch *batch,
                  const struct k_expr_errors *errors, const uint32_t **ret_selection, uint32_t *ret_selected,
                  struct k_error *err)
{
    *ret_selection = batch->selection;
    *ret_selected = batch->selected;
    if (errors->count == 0 || on_error == K_ON_ERROR_PASS_NULL) return 0;
    const struct k_expr_error **sorted = k_arena_array(batch->arena, const struct k_expr_error *, errors->count);
    for (uint32_t i = 0; i < errors->count; i++) sorted[i] = &errors->items[i];
    qsort(sorted, errors->count, sizeof *sorted, by_row);
    uint32_t *kept = k_arena_array(batch->arena, uint32_t, batch->selected), count = 0, e = 0;
    for (uint32_t i = 0; i < batch->selected; i++) {
        uint32_t row = batch->selection[i];
        while (e < errors->count && sorted[e]->row < row) e++;
        if (e == errors->count || sorted[e]->row != row) {
            kept[count++] = row;
            continue;
        }
        // What is taken back failed when it was given, and was reported then.
        if (batch->weight && batch->weight[row] < 0) {
            host->counters->dropped++;
            continue;
        }
        int code = host->ops->fail(host, batch, row, sorted[e]->reason, sorted[e]->text, err);
        if (code) return code;
    }
    *ret_selection = kept;
    *ret_selected = count;
    return 0;
}
