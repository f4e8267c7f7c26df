// CASE and COALESCE: the forms that choose one of several parts for a row.
#include "operators/expr/eval.h"
#include "operators/expr/kernels.h"
#include "operators/expr/text_table.h"

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

static void eval_branch(struct k_eval *eval, const struct k_expr *branch, struct k_rows rows, struct k_column *out)
{
    if (rows.count == 0) return;
    struct k_vec result = k_eval_node(eval, branch, rows);
    k_eval_move(eval, out, &result, rows);
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

// The outcomes are constants and the conditions cheap: each row gets the number of its branch, without any lists.
static struct k_vec eval_blend(struct k_eval *eval, const struct k_expr *node, struct k_rows rows)
{
    const uint8_t none = (uint8_t)(node->count / 2);
    struct k_rows wide = k_rows_widen(rows);
    uint8_t *which = k_arena_get(eval->arena, eval->size);
    memset(which, none, eval->size);
    for (uint8_t i = 0; i < none; i++) {
        struct k_vec condition = k_eval_node(eval, node->args[2 * i], rows);
        condition = k_eval_flat(eval, &condition, rows);
        const uint8_t *b = condition.column.b, *valid = condition.column.valid;
        if (valid) K_EACH_ROW(wide, r, which[r] = ((which[r] == none) & (b[r] != 0) & (valid[r] != 0)) ? i : which[r];);
        else K_EACH_ROW(wide, r, which[r] = ((which[r] == none) & (b[r] != 0)) ? i : which[r];);
    }
    uint8_t *valid = k_arena_get(eval->arena, none + 1u);
    memset(valid, 1, none + 1u);
    struct k_column outcomes = {.type = node->type,
                                .data = k_arena_get(eval->arena, (none + 1) * sizeof(struct k_str))};
    for (uint32_t i = 0; i <= none; i++) {
        struct k_vec outcome = k_eval_node(eval, node->args[i < none ? 2 * i + 1 : 2 * i], rows);
        if (outcome.column.valid) outcomes.valid = valid;
        k_eval_move(eval, &outcomes, &outcome, (struct k_rows){.first = i, .count = 1, .dense = true});
    }
    return k_eval_pick(eval, &outcomes, which, wide);
}

struct k_vec k_eval_case(struct k_eval *eval, const struct k_expr *node, struct k_rows rows)
{
    if (node->blend) return eval_blend(eval, node, rows);
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
    struct k_column out = {.type = node->type, .data = k_eval_values(eval, node->type)};
    struct k_rows rest = rows;
    for (uint32_t i = 0; i < node->count && rest.count; i++) {
        struct k_vec vec = i ? k_eval_node(eval, node->args[i], rest) : first;
        k_eval_move(eval, &out, &vec, rest);
        uint32_t *list = k_arena_array(eval->arena, uint32_t, rest.count), count = 0;
        K_EACH_ROW(rest, r, list[count] = r; count += !out.valid[r];);
        rest = k_rows_of(list, count);
    }
    return (struct k_vec){.column = out};
}
