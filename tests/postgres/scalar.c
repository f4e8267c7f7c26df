// Scalar expressions, evaluated in each way that there is; all ways must agree:
// a dense batch, a batch whose selection leaves rows out that would give other values or errors, each row alone,
// and as a filter where the expression is a condition.
#include "tests/postgres/wire.h"

struct batch {
    struct k_batch batch;
    struct k_column columns[COLUMNS_MAX];
    uint32_t selection[ROWS_MAX];
};

static void make_batch(struct program *program, struct batch *ret, uint32_t stride, uint32_t shift)
{
    for (uint32_t c = 0; c < program->schema.count; c++) ret->columns[c] = wire_column(program, c, stride, shift);
    for (uint32_t row = 0; row < program->rows; row++) ret->selection[row] = row * stride + shift;
    ret->batch = (struct k_batch){.schema = &program->schema,
                                  .columns = ret->columns,
                                  .rows = program->rows * stride + shift,
                                  .selection = ret->selection,
                                  .selected = program->rows,
                                  .arena = &program->arena};
}

static const char *reason_at(const struct k_expr_errors *errors, uint32_t row)
{
    for (uint32_t i = 0; i < errors->count; i++)
        if (errors->items[i].row == row) return errors->items[i].reason;
    return NULL;
}

// The results of one batch, as they are written; its errors must be of selected rows, ascending.
static const char **run_batch(struct program *program, const struct k_expr *expr, const struct batch *batch)
{
    const char **texts = k_arena_array(&program->arena, const char *, program->rows);
    struct k_expr_errors errors = {0};
    struct k_column column = k_expr_eval(expr, &batch->batch, batch->selection, program->rows, &errors);
    uint32_t used = 0;
    for (uint32_t row = 0; row < program->rows; row++) {
        uint32_t at = batch->selection[row];
        const char *reason = reason_at(&errors, at);
        used += reason != NULL;
        struct k_value value = k_column_value(&column, at);
        if (reason && !value.null) texts[row] = "? a row in error is not NULL";
        else texts[row] = wire_result(program, &value, reason);
    }
    if (used != errors.count) texts[0] = "? an error of a row that is not selected, or two of one row";
    return texts;
}

static const char *run_row(struct program *program, const struct k_expr *expr, uint32_t row)
{
    struct k_expr_errors errors = {0};
    static const struct k_value none;
    const struct k_value *values = program->schema.count ? program_value(program, row, 0) : &none;
    struct k_value value = k_expr_eval_row(expr, &program->schema, values, &program->arena, &errors);
    return wire_result(program, &value, errors.count ? errors.items[0].reason : NULL);
}

// As a condition: the rows that are true, and the same errors.
static void check_filter(struct program *program, const struct k_expr *expr, const struct batch *batch,
                         const char **texts)
{
    uint32_t passed[ROWS_MAX], at = 0;
    struct k_expr_errors errors = {0};
    uint32_t count = k_expr_filter(expr, &batch->batch, batch->selection, program->rows, passed, &errors);
    for (uint32_t row = 0; row < program->rows; row++) {
        bool passes = at < count && passed[at] == batch->selection[row];
        at += passes;
        bool fails = reason_at(&errors, batch->selection[row]) != NULL;
        if (passes != (strcmp(texts[row], "x01") == 0) || fails != (texts[row][0] == '!'))
            texts[row] = k_arena_format(&program->arena, "? as a filter it %s, else it is %s",
                                        fails    ? "fails"
                                        : passes ? "passes"
                                                 : "does not pass",
                                        texts[row]);
    }
    if (at != count) texts[0] = "? a filter passed rows that are not selected";
}

void evaluate_scalar(struct program *program)
{
    struct k_diags diags = {0};
    struct k_scope scope = {.schema = &program->schema, .offers = "input"};
    struct k_expr *expr = k_expr_compile(&program->arena, program->text, &scope, NULL, &diags, NULL);
    if (!expr) {
        wire_refuse(program, &diags);
        k_diags_fini(&diags);
        return;
    }
    static struct batch dense, sparse;
    make_batch(program, &dense, 1, 0);
    make_batch(program, &sparse, 3, 1);
    const char **texts = run_batch(program, expr, &dense), **others = run_batch(program, expr, &sparse);
    for (uint32_t row = 0; row < program->rows; row++) {
        if (strcmp(others[row], texts[row]) != 0)
            texts[row] =
                k_arena_format(&program->arena, "? %s in a dense batch, %s in a sparse one", texts[row], others[row]);
        const char *alone = run_row(program, expr, row);
        if (strcmp(alone, texts[row]) != 0 && texts[row][0] != '?')
            texts[row] = k_arena_format(&program->arena, "? %s in a batch, %s alone", texts[row], alone);
    }
    if (k_expr_type(expr) == K_BOOL) {
        check_filter(program, expr, &dense, texts);
        check_filter(program, expr, &sparse, texts);
    }
    k_buf_printf(&program->out, "type %s\n", k_type_name(k_expr_type(expr)));
    for (uint32_t row = 0; row < program->rows; row++) k_buf_printf(&program->out, "%s\n", texts[row]);
    k_diags_fini(&diags);
}
