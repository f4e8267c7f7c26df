// Evaluation: walks the tree, gives each node its rows, and collects the rows that are errors.
//
// Everything is allocated from the batch's arena. The forms that choose rows (AND, CASE, …) are eval_forms.c's.
#include "operators/expr/eval.h"

#include <stdarg.h>

#include "base/error.h"
#include "operators/expr/kernels.h"

struct k_rows k_rows_of(const uint32_t *list, uint32_t count)
{
    struct k_rows rows = {.list = list, .count = count};
    if (count) {
        rows.first = list[0];
        rows.dense = list[count - 1] - list[0] == count - 1;
    }
    return rows;
}

struct k_rows k_rows_widen(struct k_rows rows)
{
    if (rows.dense || rows.count == 0) return rows;
    uint32_t span = rows.list[rows.count - 1] - rows.first + 1;
    return rows.count >= span / 2 ? (struct k_rows){.first = rows.first, .count = span, .dense = true} : rows;
}

struct k_arena *k_call_arena(struct k_call *call)
{
    return call->eval->arena;
}

uint8_t *k_eval_valid_copy(struct k_eval *eval, struct k_rows rows, const uint8_t *from)
{
    uint8_t *valid = k_arena_get(eval->arena, eval->size);
    if (!from) memset(valid, 1, eval->size);
    else if (rows.dense) memcpy(valid + rows.first, from + rows.first, rows.count);
    else
        for (uint32_t k = 0; k < rows.count; k++) valid[rows.list[k]] = from[rows.list[k]];
    return valid;
}

uint8_t *k_call_valid(struct k_call *call)
{
    if (!call->valid_owned) {
        call->valid = k_eval_valid_copy(call->eval, call->rows, call->valid);
        call->valid_owned = true;
    }
    return (uint8_t *)call->valid;
}

void k_call_fail(struct k_call *call, uint32_t row, const char *reason, const char *format, ...)
{
    struct k_eval *eval = call->eval;
    k_call_valid(call)[row] = 0;
    if (!eval->failed) eval->failed = k_arena_zeroed(eval->arena, eval->size * sizeof *eval->failed);
    if (eval->failed[row]) return;
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    k_format_cut(text, sizeof text, format, arguments);
    va_end(arguments);
    struct k_expr_error *error = k_arena_get(eval->arena, sizeof *error);
    *error = (struct k_expr_error){row, reason, k_arena_copy(eval->arena, text, strlen(text))};
    eval->failed[row] = error;
    eval->failures++;
}

static struct k_vec constant_of(const struct k_value *value)
{
    static const uint8_t null = 0;
    static const struct k_interval zero; // the widest value, for NULLs of any type
    struct k_vec vec = {.constant = true, .column = {.type = value->type}};
    if (value->null) {
        vec.column.valid = &null;
        vec.column.data = &zero;
        return vec;
    }
    switch (value->type) {
    case K_BOOL: vec.column.data = &value->b; break;
    case K_INT64:
    case K_TIMESTAMP: vec.column.data = &value->i; break;
    case K_DOUBLE: vec.column.data = &value->d; break;
    case K_STRING:
    case K_BYTES:
    case K_JSON: vec.column.data = &value->s; break;
    case K_INTERVAL: vec.column.data = &value->interval; break;
    case K_NO_TYPE: K_ASSERT(!"a value without a type that is not NULL");
    }
    return vec;
}

void *k_eval_values(struct k_eval *eval, enum k_type type)
{
    return k_arena_get(eval->arena, eval->size * k_type_width(type));
}

// Rows where no argument is NULL; borrowed if only one argument has NULLs.
static void strict_valid(struct k_call *call)
{
    for (uint32_t i = 0; i < call->count; i++) {
        const struct k_vec *arg = &call->args[i];
        if (!arg->column.valid) continue;
        if (arg->constant) {
            if (arg->column.valid[0]) continue;
            call->valid = k_arena_zeroed(call->eval->arena, call->eval->size);
            call->valid_owned = true;
            return;
        }
        if (!call->valid) {
            call->valid = arg->column.valid;
            continue;
        }
        uint8_t *valid = k_call_valid(call);
        const uint8_t *other = arg->column.valid;
        const struct k_rows *rows = &call->rows;
        if (rows->dense)
            for (uint32_t r = rows->first; r < rows->first + rows->count; r++) valid[r] &= other[r];
        else
            for (uint32_t k = 0; k < rows->count; k++) valid[rows->list[k]] &= other[rows->list[k]];
    }
}

// Whether the call was computed for all of these rows, which come before in the order of evaluation.
static bool is_kept(struct k_eval *eval, struct k_kept *kept, struct k_rows rows)
{
    uint32_t first = kept->rows.first, end = first + kept->rows.count;
    if (kept->rows.count == 0) return false;
    if (kept->rows.dense) {
        uint32_t last = rows.dense ? rows.first + rows.count - 1 : rows.list[rows.count - 1];
        return rows.first >= first && last < end;
    }
    if (!rows.dense && rows.list == kept->rows.list && rows.count == kept->rows.count) return true;
    if (!kept->done) {
        kept->done = k_arena_zeroed(eval->arena, eval->size);
        K_EACH_ROW(kept->rows, r, kept->done[r] = 1;);
    }
    uint8_t all = 1;
    K_EACH_ROW(rows, r, all &= kept->done[r];);
    return all;
}

static void keep(struct k_kept *kept, const struct k_vec *vec, struct k_rows rows)
{
    if (rows.count > kept->rows.count) *kept = (struct k_kept){.vec = *vec, .rows = rows};
}

static struct k_vec eval_call(struct k_eval *eval, const struct k_expr *node, struct k_rows rows)
{
    struct k_kept *kept = node->share ? &eval->kept[node->share - 1] : NULL;
    if (kept && is_kept(eval, kept, rows)) return kept->vec;
    struct k_vec few[K_FUNCTION_ARGS], *args = few;
    if (node->count > K_FUNCTION_ARGS) args = k_arena_array(eval->arena, struct k_vec, node->count);
    for (uint32_t i = 0; i < node->count; i++) args[i] = k_eval_node(eval, node->args[i], rows);
    struct k_call call = {
        .eval = eval, .node = node, .args = args, .count = node->count, .rows = rows, .wide = k_rows_widen(rows)};
    call.out = k_eval_values(eval, node->type);
    if (!(node->function->flags & (K_FN_NULLS | K_FN_LOOSE))) strict_valid(&call);
    node->function->kernel(&call);
    struct k_vec vec = {.column = {.type = node->type, .valid = call.valid, .data = call.out}};
    if (kept) keep(kept, &vec, rows);
    return vec;
}

static struct k_vec eval_column(struct k_eval *eval, const struct k_expr *node)
{
    const struct k_column *column = &eval->batch->columns[node->index];
    K_ASSERT(node->index < eval->batch->schema->count && column->type == node->type);
    K_ASSERT(column->data || eval->batch->rows == 0); // else it was not marked as read
    return (struct k_vec){.column = *column};
}

struct k_vec k_eval_node(struct k_eval *eval, const struct k_expr *node, struct k_rows rows)
{
    switch (node->kind) {
    case K_NODE_COLUMN: return eval_column(eval, node);
    case K_NODE_CONST: return constant_of(&node->value);
    case K_NODE_CALL: return eval_call(eval, node, rows);
    case K_NODE_AND:
    case K_NODE_OR: return k_eval_logic(eval, node, rows);
    case K_NODE_CASE: return k_eval_case(eval, node, rows);
    case K_NODE_COALESCE: return k_eval_coalesce(eval, node, rows);
    case K_NODE_IN: return k_eval_in(eval, node, rows);
    case K_NODE_DISTINCT: return k_eval_distinct(eval, node, rows);
    case K_NODE_LET:
        K_ASSERT(node->index < K_EVAL_SLOTS);
        eval->slots[node->index] = k_eval_node(eval, node->args[0], rows);
        return k_eval_node(eval, node->args[1], rows);
    case K_NODE_SLOT: return eval->slots[node->index];
    }
    K_ASSERT(!"an unknown kind of node");
}

static struct k_eval eval_of(const struct k_batch *batch)
{
    // One row at least, so that no allocation is empty.
    return (struct k_eval){.batch = batch, .arena = batch->arena, .size = batch->rows ? batch->rows : 1};
}

// Merges the failures of this evaluation into errors: ascending by row, the older one first for a row.
static void merge_errors(struct k_eval *eval, struct k_expr_errors *errors)
{
    if (!eval->failures) return;
    struct k_expr_error *all = k_arena_array(eval->arena, struct k_expr_error, errors->count + eval->failures);
    uint32_t count = 0, old = 0;
    for (uint32_t row = 0; row < eval->size; row++) {
        bool had = false;
        for (; old < errors->count && errors->items[old].row <= row; old++) {
            had = errors->items[old].row == row;
            all[count++] = errors->items[old];
        }
        if (!had && eval->failed[row]) all[count++] = *eval->failed[row];
    }
    for (; old < errors->count; old++) all[count++] = errors->items[old];
    errors->items = all;
    errors->count = count;
}

struct k_column k_expr_eval(const struct k_expr *expr, const struct k_batch *batch, const uint32_t *selection,
                            uint32_t selected, struct k_expr_errors *errors)
{
    struct k_eval eval = eval_of(batch);
    struct k_rows rows = k_rows_of(selection, selected);
    struct k_column column = {.type = expr->type};
    if (expr->type == K_NO_TYPE) {
        column.valid = k_arena_zeroed(eval.arena, eval.size);
        column.data = column.valid;
        return column;
    }
    if (selected == 0 && expr->kind != K_NODE_COLUMN) {
        column.data = k_eval_values(&eval, expr->type);
        return column;
    }
    struct k_vec vec = k_eval_node(&eval, expr, rows);
    column = k_eval_flat(&eval, &vec, rows).column;
    if (eval.failures) {
        uint8_t *valid = k_eval_valid_copy(&eval, rows, column.valid);
        for (uint32_t k = 0; k < selected; k++)
            if (eval.failed[selection[k]]) valid[selection[k]] = 0;
        column.valid = valid;
        merge_errors(&eval, errors);
    }
    return column;
}

uint32_t k_expr_filter(const struct k_expr *expr, const struct k_batch *batch, const uint32_t *selection,
                       uint32_t selected, uint32_t *ret_selection, struct k_expr_errors *errors)
{
    K_ASSERT(expr->type == K_BOOL || expr->type == K_NO_TYPE);
    if (expr->type == K_NO_TYPE || selected == 0) return 0;
    struct k_eval eval = eval_of(batch);
    struct k_rows rows = k_rows_of(selection, selected);
    struct k_vec vec = k_eval_node(&eval, expr, rows);
    struct k_column column = k_eval_flat(&eval, &vec, rows).column;
    const uint8_t *b = column.b, *valid = column.valid;
    uint32_t kept = 0;
    // Without branches: a filter's outcome is what a branch predictor cannot know.
    for (uint32_t k = 0; k < selected; k++) {
        uint32_t row = selection[k];
        ret_selection[kept] = row;
        kept += (b[row] != 0) & (valid ? valid[row] != 0 : 1);
    }
    if (!eval.failures) return kept;
    uint32_t good = 0;
    for (uint32_t k = 0; k < kept; k++)
        if (!eval.failed[ret_selection[k]]) ret_selection[good++] = ret_selection[k];
    merge_errors(&eval, errors);
    return good;
}

struct k_value k_expr_eval_row(const struct k_expr *expr, const struct k_schema *schema, const struct k_value *values,
                               struct k_arena *arena, struct k_expr_errors *errors)
{
    struct k_column *columns = k_arena_array(arena, struct k_column, schema->count);
    for (uint32_t i = 0; i < schema->count; i++) {
        struct k_value *value = k_arena_get(arena, sizeof *value);
        *value = values[i];
        value->type = schema->fields[i].type;
        columns[i] = constant_of(value).column;
    }
    static const uint32_t zero = 0;
    struct k_batch batch = {
        .schema = schema, .columns = columns, .rows = 1, .selection = &zero, .selected = 1, .arena = arena};
    struct k_column column = k_expr_eval(expr, &batch, &zero, 1, errors);
    return k_column_value(&column, 0);
}

struct k_value k_expr_fold(struct k_arena *arena, const struct k_expr *expr, const char **ret_error)
{
    static const struct k_schema none;
    struct k_expr_errors errors = {0};
    struct k_value value = k_expr_eval_row(expr, &none, NULL, arena, &errors);
    if (errors.count) *ret_error = errors.items[0].text;
    return value;
}
