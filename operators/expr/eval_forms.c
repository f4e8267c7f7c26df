// The forms that are not calls: AND and OR, which choose the rows that their parts are evaluated for, IN, and IS
// DISTINCT FROM, which is built on the comparisons of the function table. CASE and COALESCE are eval_case.c's.
#include "operators/expr/eval.h"

#include "base/error.h"
#include "operators/expr/kernels.h"
#include "operators/expr/text_table.h"

// Values of a type are moved by their width alone.
static void move_values(enum k_type type, void *to, const struct k_vec *from, struct k_rows rows)
{
    switch (k_type_width(type)) {
#define MOVE(T)                                                   \
    do {                                                          \
        T *out = to;                                              \
        const T *in = from->column.data;                          \
        if (from->constant) K_EACH_ROW(rows, r, out[r] = in[0];); \
        else K_EACH_ROW(rows, r, out[r] = in[r];);                \
    } while (0)
    case 0: return;
    case sizeof(uint8_t): MOVE(uint8_t); return;
    case sizeof(uint64_t): MOVE(uint64_t); return;
    case sizeof(struct k_str): MOVE(struct k_str); return;
#undef MOVE
    default: K_ASSERT(!"a width that no type has");
    }
}
_Static_assert(sizeof(struct k_str) == sizeof(struct k_interval), "move_values knows three widths");

static void move_valid(uint8_t *to, const struct k_vec *from, struct k_rows rows)
{
    const uint8_t *valid = from->column.valid;
    if (!valid) K_EACH_ROW(rows, r, to[r] = 1;);
    else if (from->constant) K_EACH_ROW(rows, r, to[r] = valid[0];);
    else K_EACH_ROW(rows, r, to[r] = valid[r];);
}

void k_eval_move(struct k_eval *eval, struct k_column *to, const struct k_vec *from, struct k_rows rows)
{
    move_values(to->type, (void *)to->data, from, rows);
    if (from->column.valid && !to->valid) {
        uint8_t *valid = k_arena_get(eval->arena, eval->size);
        memset(valid, 1, eval->size);
        to->valid = valid;
    }
    if (to->valid) move_valid((uint8_t *)to->valid, from, rows);
}

struct k_vec k_eval_pick(struct k_eval *eval, const struct k_column *values, const uint8_t *which, struct k_rows rows)
{
    struct k_column column = {.type = values->type, .data = k_eval_values(eval, values->type)};
    switch (k_type_width(values->type)) {
#define PICK(T)                                       \
    do {                                              \
        const T *restrict from = values->data;        \
        T *restrict to = (void *)column.data;         \
        K_EACH_ROW(rows, r, to[r] = from[which[r]];); \
    } while (0)
    case 0: break;
    case sizeof(uint8_t): PICK(uint8_t); break;
    case sizeof(uint64_t): PICK(uint64_t); break;
    case sizeof(struct k_str): PICK(struct k_str); break;
#undef PICK
    default: K_ASSERT(!"a width that no type has");
    }
    if (values->valid) {
        uint8_t *valid = k_arena_get(eval->arena, eval->size);
        K_EACH_ROW(rows, r, valid[r] = values->valid[which[r]];);
        column.valid = valid;
    }
    return (struct k_vec){.column = column};
}

struct k_vec k_eval_flat(struct k_eval *eval, const struct k_vec *vec, struct k_rows rows)
{
    if (!vec->constant) return *vec;
    void *values = k_eval_values(eval, vec->column.type);
    move_values(vec->column.type, values, vec, rows);
    uint8_t *valid = NULL;
    if (vec->column.valid) {
        valid = k_arena_get(eval->arena, eval->size);
        move_valid(valid, vec, rows);
    }
    return (struct k_vec){.column = {.type = vec->column.type, .valid = valid, .data = values}};
}

// Three-valued AND and OR. `settles` is the value that settles the outcome whatever else there is: false for AND.
// The accumulator always holds 0 or 1 in values, and a validity unless none of the rows can be NULL.
struct logic {
    uint8_t *values, *valid;
    uint8_t settles;
};

// Without branches, so that it vectorises. The value of a NULL is whatever it comes to; nothing looks at it.
#define COMBINE(ln, rn)                                                \
    K_EACH_ROW(rows, r, {                                              \
        uint8_t lv = v[r] == s, rv = (b[r] != 0) == s, l = ln, n = rn; \
        uint8_t settled = (uint8_t)((l & lv) | (n & rv));              \
        valid[r] = (uint8_t)(settled | (l & n));                       \
        v[r] = settled == s;                                           \
    })

static void combine(struct logic *into, const struct k_column *with, struct k_rows rows)
{
    uint8_t *restrict v = into->values, *restrict valid = into->valid;
    const uint8_t *restrict b = with->b, *restrict other = with->valid;
    const uint8_t s = into->settles; // 0: AND, 1: OR
    if (valid && other) COMBINE(valid[r], other[r] != 0);
    else if (valid) COMBINE(valid[r], 1);
    else if (s) K_EACH_ROW(rows, r, v[r] |= b[r] != 0;);
    else K_EACH_ROW(rows, r, v[r] &= b[r] != 0;);
}

// The rows whose outcome is still open.
static struct k_rows unsettled(struct k_eval *eval, const struct logic *logic, struct k_rows rows)
{
    uint32_t *list = k_arena_array(eval->arena, uint32_t, rows.count), count = 0;
    const uint8_t *v = logic->values, *valid = logic->valid;
    const uint8_t s = logic->settles;
    if (valid) K_EACH_ROW(rows, r, list[count] = r; count += !(valid[r] & (v[r] == s)););
    else K_EACH_ROW(rows, r, list[count] = r; count += v[r] != s;);
    return k_rows_of(list, count);
}

struct k_vec k_eval_logic(struct k_eval *eval, const struct k_expr *node, struct k_rows rows)
{
    struct logic logic = {k_eval_values(eval, K_BOOL), NULL, node->kind == K_NODE_OR};
    struct k_rows open = rows;
    memset(logic.values, !logic.settles, eval->size);
    for (uint32_t i = 0; i < node->count && open.count; i++) {
        const struct k_expr *arg = node->args[i];
        if (!arg->cheap) open = unsettled(eval, &logic, open);
        if (open.count == 0) break;
        struct k_vec vec = k_eval_node(eval, arg, open);
        vec = k_eval_flat(eval, &vec, open);
        if (vec.column.valid && !logic.valid) {
            logic.valid = k_arena_get(eval->arena, eval->size);
            memset(logic.valid, 1, eval->size);
        }
        // Also for rows that are settled, and stay so whatever they are combined with.
        combine(&logic, &vec.column, k_rows_widen(open));
    }
    return (struct k_vec){.column = {.type = K_BOOL, .valid = logic.valid, .b = logic.values}};
}

static bool in_ints(const struct k_in_set *set, int64_t value)
{
    uint32_t low = 0, high = set->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (set->values[middle].i < value) low = middle + 1;
        else high = middle;
    }
    return low < set->count && set->values[low].i == value;
}

static bool in_values(const struct k_in_set *set, const struct k_value *value)
{
    uint32_t low = 0, high = set->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = k_value_order(&set->values[middle], value);
        if (order == 0) return true;
        if (order < 0) low = middle + 1;
        else high = middle;
    }
    return false;
}

struct k_vec k_eval_in(struct k_eval *eval, const struct k_expr *node, struct k_rows rows)
{
    const struct k_in_set *set = node->set;
    struct k_vec vec = k_eval_node(eval, node->args[0], rows);
    vec = k_eval_flat(eval, &vec, rows);
    uint8_t *values = k_eval_values(eval, K_BOOL);
    const uint8_t *valid = vec.column.valid;
    if (vec.column.type == K_INT64 || vec.column.type == K_TIMESTAMP)
        K_EACH_ROW(rows, r, values[r] = in_ints(set, vec.column.i[r]););
    else if (set->texts)
        K_EACH_ROW(rows, r, {
            values[r] = !(valid && !valid[r]) && k_text_table_find(set->texts, vec.column.s[r]) != UINT32_MAX;
        });
    else
        K_EACH_ROW(rows, r, {
            struct k_value value = k_column_value(&vec.column, r);
            values[r] = !value.null && in_values(set, &value);
        });
    if (set->has_null) {
        // Not found among values of which one is unknown: unknown.
        uint8_t *known = k_eval_valid_copy(eval, rows, valid);
        K_EACH_ROW(rows, r, known[r] &= values[r];);
        valid = known;
    }
    return (struct k_vec){.column = {.type = K_BOOL, .valid = valid, .b = values}};
}

struct k_vec k_eval_distinct(struct k_eval *eval, const struct k_expr *node, struct k_rows rows)
{
    struct k_vec args[2];
    for (uint32_t i = 0; i < 2; i++) {
        args[i] = k_eval_node(eval, node->args[i], rows);
        args[i] = k_eval_flat(eval, &args[i], rows);
    }
    uint8_t *both = k_arena_get(eval->arena, eval->size), *equal = k_eval_values(eval, K_BOOL);
    uint8_t *values = k_eval_values(eval, K_BOOL);
    K_EACH_ROW(rows, r, both[r] = !k_vec_null(&args[0], r) && !k_vec_null(&args[1], r););
    struct k_call call = {.eval = eval,
                          .node = node,
                          .args = args,
                          .count = 2,
                          .rows = rows,
                          .out = equal,
                          .wide = k_rows_widen(rows),
                          .valid = both,
                          .valid_owned = true};
    node->function->kernel(&call);
    K_EACH_ROW(rows, r, {
        bool nulls = k_vec_null(&args[0], r) && k_vec_null(&args[1], r);
        values[r] = both[r] ? !equal[r] : !nulls;
    });
    return (struct k_vec){.column = {.type = K_BOOL, .valid = NULL, .b = values}};
}
