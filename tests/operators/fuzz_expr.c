// libFuzzer harness for expressions: whatever the text is, compiling it ends with a program or with diagnostics; and a
// program gives each row of a batch what it gives the row alone.
// Built with -Dfuzz=true and clang; run it with -dict=tests/operators/expr.dict.
#include <stdlib.h>

#include "base/error.h"
#include "operators/expr/expr.h"

enum { FIELDS = 7, ROWS = 8 };

static struct k_field fields[FIELDS] = {
    {.name = "i", .type = K_INT64, .not_null = true}, {.name = "j", .type = K_INT64}, {.name = "d", .type = K_DOUBLE},
    {.name = "s", .type = K_STRING}, {.name = "t", .type = K_TIMESTAMP}, {.name = "b", .type = K_BOOL},
    {.name = "js", .type = K_JSON},
};
static const struct k_schema schema = {fields, FIELDS};

static const uint8_t valid[ROWS] = {1, 0, 1, 1, 0, 1, 1, 1};
static const int64_t ints[ROWS] = {0, 1, -1, 2, INT64_MAX, INT64_MIN, 7, 100};
static const double doubles[ROWS] = {0, -0.0, 1.5, 1e308, -1e-308, 2, 3, 9007199254740993.0};
static const uint8_t bools[ROWS] = {0, 1, 1, 0, 1, 0, 1, 0};
static const int64_t times[ROWS] = {0, -1, 1767225600000000, 86400000000, -86400000001, INT64_MAX, INT64_MIN, 1};
static const struct k_str strings[ROWS] = {{"", 0}, {NULL, 0}, {"a,b", 3}, {"ä%", 3}, {NULL, 0}, {"12", 2},
                                           {"2026-01-01", 10}, {"\\_", 2}};

static void columns_from(uint32_t first, struct k_column columns[FIELDS])
{
    columns[0] = (struct k_column){.type = K_INT64, .i = ints + first};
    columns[1] = (struct k_column){.type = K_INT64, .valid = valid + first, .i = ints + first};
    columns[2] = (struct k_column){.type = K_DOUBLE, .valid = valid + first, .d = doubles + first};
    columns[3] = (struct k_column){.type = K_STRING, .valid = valid + first, .s = strings + first};
    columns[4] = (struct k_column){.type = K_TIMESTAMP, .valid = valid + first, .i = times + first};
    columns[5] = (struct k_column){.type = K_BOOL, .valid = valid + first, .b = bools + first};
    columns[6] = (struct k_column){.type = K_JSON, .valid = valid + first, .s = strings + first};
}

// Each row's outcome as text.
static void run(const struct k_expr *expr, uint32_t first, uint32_t rows, struct k_arena *arena, struct k_buf *out)
{
    static const uint32_t all[ROWS] = {0, 1, 2, 3, 4, 5, 6, 7};
    struct k_column columns[FIELDS];
    columns_from(first, columns);
    struct k_batch batch = {.schema = &schema, .columns = columns, .rows = rows, .selection = all, .selected = rows,
                            .arena = arena};
    struct k_expr_errors errors = {0};
    struct k_column column = k_expr_eval(expr, &batch, all, rows, &errors);
    uint32_t error = 0;
    for (uint32_t r = 0; r < rows; r++) {
        if (error < errors.count && errors.items[error].row == r) {
            k_buf_printf(out, "%s\n", errors.items[error++].text);
            K_ASSERT(k_column_null(&column, r));
            continue;
        }
        struct k_value value = k_column_value(&column, r);
        if (value.type == K_INTERVAL) k_buf_printf(out, "%d ", value.null ? 0 : value.interval.days);
        else k_value_json(out, &value);
        K_ASSERT(!value.null || !k_expr_not_null(expr));
    }
    K_ASSERT(error == errors.count);
}

static void check_rows(const struct k_expr *expr, struct k_arena *arena)
{
    struct k_buf together = {0}, alone = {0};
    run(expr, 0, ROWS, arena, &together);
    for (uint32_t r = 0; r < ROWS; r++) run(expr, r, 1, arena, &alone);
    K_ASSERT(k_str_equal(k_buf_str(&together), k_buf_str(&alone)));
    k_buf_fini(&together);
    k_buf_fini(&alone);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct k_arena arena;
    struct k_diags diags = {0};
    struct k_scope scope = {.schema = &schema, .offers = "input"};
    struct k_str text = {(const char *)data, (uint32_t)size};
    struct k_aggregate_call calls[4];
    struct k_schema groups = {fields + 3, 1};
    uint32_t count = 0;
    struct k_buf printed = {0};
    k_arena_init(&arena);
    struct k_expr *expr = k_expr_compile(&arena, text, &scope, NULL, &diags, NULL);
    K_ASSERT((expr == NULL) == (diags.errors > 0));
    if (expr) {
        check_rows(expr, &arena);
        k_expr_print(expr, &printed);
    }
    uint32_t errors = diags.errors;
    expr = k_expr_compile_aggregate(&arena, text, &scope, &groups, NULL, &diags, NULL, calls, &count, 4);
    K_ASSERT((expr == NULL) == (diags.errors > errors));
    for (uint32_t i = 0; expr && i < count; i++)
        for (uint32_t a = 0; a < calls[i].argument_count; a++) check_rows(calls[i].arguments[a], &arena);
    k_buf_fini(&printed);
    k_diags_fini(&diags);
    k_arena_fini(&arena);
    return 0;
}
