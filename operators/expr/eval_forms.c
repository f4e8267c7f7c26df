// The forms that choose which rows their parts are evaluated for: AND, OR, CASE, COALESCE; and IN and IS DISTINCT
// FROM, which are built on the comparisons of the function table.
#include "operators/expr/eval.h"

#include "base/error.h"
#include "operators/expr/kernels.h"
#include "operators/expr/text_table.h"

// Values of a type are moved by their width alone.
static void move_rows(enum k_type type, void *to, const struct k_vec *from, struct k_rows rows)
{
    switch (k_type_width(type)) {
#define MOVE(T)                                                                        \
    do {                                                                               \
        T *out = to;                                                                   \
        const T *in = from->column.data;                                               \
        if (from->constant) K_EACH_ROW(rows, r, out[r] = in[0];);                        \
        else K_EACH_ROW(rows, r, out[r] = in[r];);                                       \
    } while (0)
    case 0: return;
    case sizeof(uint8_t): MOVE(uint8_t); return;
    case sizeof(uint64_t): MOVE(uint64_t); return;
    case sizeof(struct k_str): MOVE(struct k_str); return;
#undef MOVE
    default: K_ASSERT(!"a width that no type has");
    }
}
_Static_assert(sizeof(struct k_str) == sizeof(struct k_interval), "move_rows knows three widths");

static void move_valid(uint8_t *to, const struct k_vec *from, struct k_rows rows)
{
    const uint8_t *valid = from->column.valid;
    if (!valid) K_EACH_ROW(rows, r, to[r] = 1;);
    else if (from->constant) K_EACH_ROW(rows, r, to[r] = valid[0];);
    else K_EACH_ROW(rows, r, to[r] = valid[r];);
}

struct k_vec k_eval_flat(struct k_eval *eval, const struct k_vec *vec, struct k_rows rows)
{
    if (!vec->constant) return *vec;
    void *values = k_eval_values(eval, vec->column.type);
    move_rows(vec->column.type, values, vec, rows);
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
#define COMBINE(ln, rn)                                                    \
    K_EACH_ROW(rows, r, {                                                  \
        uint8_t lv = v[r] == s, rv = (b[r] != 0) == s, l = ln, n = rn;     \
        uint8_t settled = (uint8_t)((l & lv) | (n & rv));                  \
        valid[r] = (uint8_t)(settled | (l & n));                           \
        v[r] = settled == s;                                               \
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
    // What is cheap and cannot fail is computed for all rows: choosing them would cost more than it saves.
    enum { CHEAP = 8 };
    struct logic logic = {k_eval_values(eval, K_BOOL), NULL, node->kind == K_NODE_OR};
    struct k_rows open = rows;
    memset(logic.values, !logic.settles, eval->size);
    for (uint32_t i = 0; i < node->count && open.count; i++) {
        const struct k_expr *arg = node->args[i];
        if (i > 0 && (arg->fallible || arg->cost > CHEAP)) open = unsettled(eval, &logic, open);
        if (open.count == 0) break;
        struct k_vec vec = k_eval_node(eval, arg, open);
        vec = k_eval_flat(eval, &vec, open);
        if (vec.column.valid && !logic.valid) {
            logic.valid = k_arena_get(eval->arena, eval->size);
            memset(logic.valid, 1, eval->size);
        }
        combine(&logic, &vec.column, open);
    }
    return (struct k_vec){.column = {.type = K_BOOL, .valid = logic.valid, .b = logic.values}};
}

// Splits rows by whether the condition is TRUE.
static void split(struct k_eval *eval, const struct k_vec *condition, struct k_rows rows, struct k_rows *ret_true,
                  struct k_rows *ret_rest)
{
    uint32_t *yes = k_arena_array(eval->arena, uint32_t, rows.count), yes_count = 0;
    uint32_t *no = k_arena_array(eval->arena, uint32_t, rows.count), no_count = 0;
    struct k_vec flat = k_eval_flat(eval, condition, rows);
    const uint8_t *b = flat.column.b, *valid = flat.column.valid;
    K_EACH_ROW(rows, r, {
        bool is = b[r] && (!valid || valid[r]);
        yes[yes_count] = r;
        no[no_count] = r;
        yes_count += is;
        no_count += !is;
    });
    *ret_true = k_rows_of(yes, yes_count);
    *ret_rest = k_rows_of(no, no_count);
}

// Puts what a branch comes to into the rows that chose it. The outcome has a validity from the first branch on that
// may be NULL.
static void eval_branch(struct k_eval *eval, const struct k_expr *branch, struct k_rows rows, struct k_column *out)
{
    if (rows.count == 0) return;
    struct k_vec result = k_eval_node(eval, branch, rows);
    move_rows(out->type, (void *)out->data, &result, rows);
    if (result.column.valid && !out->valid) {
        uint8_t *valid = k_arena_get(eval->arena, eval->size);
        memset(valid, 1, eval->size);
        out->valid = valid;
    }
    if (out->valid) move_valid((uint8_t *)out->valid, &result, rows);
}

// The branches that ask which text it is, all at once. Returns the rows that are in none of them.
static struct k_rows eval_choice(struct k_eval *eval, const struct k_expr *node, struct k_rows rows,
                                 struct k_column *out)
{
    const struct k_switch *choice = node->choice;
    const struct k_text_table table = *choice->texts;
    // ends[i + 1] first counts the rows of branch i, then says where its list ends; none is the last branch.
    uint32_t none = choice->branches, *ends = k_arena_zeroed(eval->arena, (none + 2) * sizeof *ends);
    uint32_t *list = k_arena_array(eval->arena, uint32_t, rows.count);
    uint32_t *chosen = k_arena_array(eval->arena, uint32_t, rows.count), *next = chosen;
    struct k_vec text = k_eval_node(eval, choice->text, rows);
    text = k_eval_flat(eval, &text, rows);
    const struct k_str *texts = text.column.s;
    const uint8_t *valid = text.column.valid;
    K_EACH_ROW(rows, r, {
        uint32_t branch = valid && !valid[r] ? none : k_text_table_find(&table, texts[r]);
        *next = branch < none ? branch : none;
        ends[*next++ + 1]++;
    });
    for (uint32_t i = 0; i < none; i++) ends[i + 1] += ends[i];
    next = chosen;
    K_EACH_ROW(rows, r, list[ends[*next++]++] = r;);
    // Each end has moved to that of its branch.
    uint32_t begin = 0;
    for (uint32_t i = 0; i < none; begin = ends[i++])
        eval_branch(eval, node->args[2 * i + 1], k_rows_of(list + begin, ends[i] - begin), out);
    return k_rows_of(list + begin, ends[none] - begin);
}

struct k_vec k_eval_case(struct k_eval *eval, const struct k_expr *node, struct k_rows rows)
{
    struct k_column out = {.type = node->type, .data = k_eval_values(eval, node->type)};
    struct k_rows rest = rows;
    uint32_t i = 0;
    if (node->choice) {
        rest = eval_choice(eval, node, rows, &out);
        i = 2 * node->choice->branches;
    }
    for (; i < node->count && rest.count; i += 2) {
        struct k_rows chosen = rest;
        if (i + 1 < node->count) {
            struct k_vec condition = k_eval_node(eval, node->args[i], rest);
            split(eval, &condition, rest, &chosen, &rest);
        }
        eval_branch(eval, node->args[i + 1 < node->count ? i + 1 : i], chosen, &out);
    }
    return (struct k_vec){.column = out};
}

struct k_vec k_eval_coalesce(struct k_eval *eval, const struct k_expr *node, struct k_rows rows)
{
    struct k_vec first = k_eval_node(eval, node->args[0], rows);
    if (!first.column.valid) return first;
    void *values = k_eval_values(eval, node->type);
    uint8_t *valid = k_arena_get(eval->arena, eval->size);
    struct k_rows rest = rows;
    for (uint32_t i = 0; i < node->count && rest.count; i++) {
        struct k_vec vec = i ? k_eval_node(eval, node->args[i], rest) : first;
        move_rows(node->type, values, &vec, rest);
        move_valid(valid, &vec, rest);
        uint32_t *list = k_arena_array(eval->arena, uint32_t, rest.count), count = 0;
        K_EACH_ROW(rest, r, list[count] = r; count += !valid[r];);
        rest = k_rows_of(list, count);
    }
    return (struct k_vec){.column = {.type = node->type, .valid = valid, .data = values}};
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
    struct k_call call = {.eval = eval, .node = node, .args = args, .count = 2, .rows = rows, .out = equal,
                          .valid = both, .valid_owned = true};
    node->function->kernel(&call);
    K_EACH_ROW(rows, r, {
        bool nulls = k_vec_null(&args[0], r) && k_vec_null(&args[1], r);
        values[r] = both[r] ? !equal[r] : !nulls;
    });
    return (struct k_vec){.column = {.type = K_BOOL, .valid = NULL, .b = values}};
}
