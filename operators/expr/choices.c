// CASE WHEN lower(s) = 'a' THEN … WHEN lower(s) = 'b' THEN …: where the first branches compare one text with one
// constant after the other, a table finds the branch in one look. What a row comes to stays the same: the first of
// equal constants counts, and a NULL is none of them.
#include "operators/expr/kernels.h"
#include "operators/expr/text_table.h"

enum { BRANCHES_MIN = 2, BRANCHES_MAX = 256 };

// Whether the condition compares a text with a constant, which is not NULL.
static bool is_comparison(const struct k_expr *when, const struct k_expr **ret_text, struct k_str *ret_constant)
{
    if (when->kind != K_NODE_CALL || when->function->kernel != k_kernel_string_eq) return false;
    bool swapped = when->args[0]->kind == K_NODE_CONST;
    const struct k_expr *constant = when->args[!swapped];
    if (constant->kind != K_NODE_CONST || constant->value.null) return false;
    *ret_text = when->args[swapped];
    *ret_constant = constant->value.s;
    return true;
}

void k_expr_choices(struct k_arena *arena, struct k_expr *expr)
{
    for (uint32_t i = 0; i < expr->count; i++) k_expr_choices(arena, expr->args[i]);
    if (expr->kind != K_NODE_CASE) return;
    struct k_str constants[BRANCHES_MAX];
    const struct k_expr *text = NULL, *other;
    uint32_t branches = 0;
    for (; branches < BRANCHES_MAX && 2 * branches + 1 < expr->count; branches++) {
        if (!is_comparison(expr->args[2 * branches], &other, &constants[branches])) break;
        if (text && !k_expr_same(text, other)) break;
        text = other;
    }
    if (branches < BRANCHES_MIN) return;
    struct k_str *texts = k_arena_array(arena, struct k_str, branches);
    struct k_text_table *table = k_arena_get(arena, sizeof *table);
    struct k_switch *choice = k_arena_get(arena, sizeof *choice);
    memcpy(texts, constants, branches * sizeof *texts);
    *table = k_text_table_make(arena, texts, branches);
    *choice = (struct k_switch){text, table, branches};
    expr->choice = choice;
}
