// Conditions of joins: equalities between two rows, joined by AND.
#include "operators/expr/bind.h"

#include "proto/codes.h"

enum { PAIRS_MAX = 16 };

void k_expr_columns(const struct k_expr *expr, bool *used)
{
    if (expr->kind == K_NODE_COLUMN) used[expr->index] = true;
    for (uint32_t i = 0; i < expr->count; i++)
        if (expr->args[i]) k_expr_columns(expr->args[i], used);
}

static bool bind_pair(struct k_binder *binder, const struct k_ast *ast, struct k_expr_pair *ret)
{
    struct k_expr *equal = k_bind_settle(binder, k_bind(binder, ast));
    if (!equal) return false;
    // Constants fold, and "=" of a type that has none is reported: what is left is the call with both sides converted.
    if (equal->kind != K_NODE_CALL || equal->count != 2) {
        k_expr_report(binder->report, ast->offset, K0410, "this compares no columns of the two inputs");
        return false;
    }
    *ret = (struct k_expr_pair){.sides = {equal->args[0], equal->args[1]}, .offset = ast->offset};
    return true;
}

static bool bind_pairs(struct k_binder *binder, const struct k_ast *ast, struct k_expr_pair *pairs, uint32_t *count)
{
    if (ast->kind == K_AST_AND) {
        for (uint32_t i = 0; i < ast->count; i++)
            if (!bind_pairs(binder, ast->args[i], pairs, count)) return false;
        return true;
    }
    if (ast->kind != K_AST_OPERATOR || strcmp(ast->name, "=") != 0 || ast->count != 2) {
        k_expr_report(binder->report, ast->offset, K0410,
                      "a join compares with = only, and joins comparisons by AND; filter before it, or behind it");
        return false;
    }
    if (*count == PAIRS_MAX) {
        k_expr_report(binder->report, ast->offset, K0410, "a join has at most %d comparisons", PAIRS_MAX);
        return false;
    }
    return bind_pair(binder, ast, &pairs[(*count)++]);
}

const struct k_expr_pair *k_expr_compile_pairs(struct k_arena *arena, struct k_str text, const struct k_scope *scope,
                                               const struct k_expr_place *place, struct k_diags *diags,
                                               uint32_t *ret_count)
{
    struct k_expr_report report = k_expr_report_of(arena, text, place, diags);
    struct k_binder binder = {.report = &report, .scope = scope};
    struct k_expr_pair *pairs = k_arena_array(arena, struct k_expr_pair, PAIRS_MAX);
    struct k_target target;
    *ret_count = 0;
    if (!k_expr_parse(&report, scope, &target)) return NULL;
    if (target.name) k_expr_report(&report, target.name_offset, K0306, "no name is needed here; leave out AS");
    bind_pairs(&binder, target.ast, pairs, ret_count);
    return report.errors ? NULL : pairs;
}
