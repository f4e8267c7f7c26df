// Where rows need not be chosen one way after the other. What a row comes to stays the same.
//
// 1. CASE WHEN lower(s) = 'a' THEN … WHEN lower(s) = 'b' THEN …: where the first branches compare one text with one
//    constant after the other, a table finds the branch in one look. The first of equal constants counts, and a NULL is
//    none of them.
// 2. A part of AND or OR, or a condition of CASE, that cannot fail and costs less than making a list of rows is
//    computed for all of them. What was computed before for the same rows (share.c) costs nothing and cannot fail anew.
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

static void find_switch(struct k_arena *arena, struct k_expr *expr)
{
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

enum { CHEAP = 8 }; // as k_expr.cost has it

// What is left to compute where the shared parts in `known`, a bit each, are there.
static uint32_t cost_left(const struct k_expr *expr, uint32_t known, bool *fallible)
{
    if (expr->share && known >> (expr->share - 1) & 1) return 0;
    uint32_t cost = expr->cost;
    for (uint32_t i = 0; i < expr->count; i++) cost -= expr->args[i]->cost; // its own
    if (expr->fails) *fallible = true;
    for (uint32_t i = 0; i < expr->count; i++) cost += cost_left(expr->args[i], known, fallible);
    return cost;
}

static bool is_cheap(const struct k_expr *expr, uint32_t known)
{
    bool fallible = false;
    return cost_left(expr, known, &fallible) <= CHEAP && !fallible;
}

// Marks what is cheap, in the order of evaluation. Returns what is known for all rows of the expression behind it.
static uint32_t mark(struct k_expr *expr, uint32_t known);

static uint32_t mark_all(struct k_expr *expr, uint32_t known)
{
    for (uint32_t i = 0; i < expr->count; i++) known = mark(expr->args[i], known);
    return known;
}

// Each part is computed for rows for which those before it were computed.
static uint32_t mark_logic(struct k_expr *expr, uint32_t known)
{
    uint32_t for_all = known;
    bool all = true;
    for (uint32_t i = 0; i < expr->count; i++) {
        struct k_expr *arg = expr->args[i];
        arg->cheap = i == 0 || is_cheap(arg, known);
        all = all && arg->cheap;
        known = mark(arg, known);
        if (all) for_all = known;
    }
    return for_all;
}

static uint32_t mark_case(struct k_expr *expr, uint32_t known)
{
    // The conditions of a switch are not computed, only its text.
    uint32_t begin = expr->choice ? 2 * expr->choice->branches : 0;
    if (expr->choice) known = mark_all(expr->args[0], known);
    bool few = expr->count / 2 < UINT8_MAX; // so that a byte has room for the number of a branch
    uint32_t for_all = known;
    expr->blend = !expr->choice && few;
    for (uint32_t i = begin; i + 1 < expr->count; i += 2) {
        struct k_expr *when = expr->args[i];
        when->cheap = i == 0 || is_cheap(when, known);
        expr->blend = expr->blend && when->cheap;
        known = mark(when, known);
        if (i == 0) for_all = known;
    }
    for (uint32_t i = 0; i < expr->count; i++) {
        bool is_outcome = i % 2 || i + 1 == expr->count;
        if (is_outcome) mark(expr->args[i], known);
        if (is_outcome && expr->args[i]->kind != K_NODE_CONST) expr->blend = false;
    }
    return expr->blend ? known : for_all;
}

static uint32_t mark(struct k_expr *expr, uint32_t known)
{
    switch (expr->kind) {
    case K_NODE_AND:
    case K_NODE_OR: known = mark_logic(expr, known); break;
    case K_NODE_CASE: known = mark_case(expr, known); break;
    case K_NODE_COALESCE:
        known = mark(expr->args[0], known);
        for (uint32_t i = 1, behind = known; i < expr->count; i++) behind = mark(expr->args[i], behind);
        break;
    default: known = mark_all(expr, known);
    }
    return expr->share ? known | 1u << (expr->share - 1) : known;
}

static void find_switches(struct k_arena *arena, struct k_expr *expr)
{
    for (uint32_t i = 0; i < expr->count; i++) find_switches(arena, expr->args[i]);
    if (expr->kind == K_NODE_CASE) find_switch(arena, expr);
}

void k_expr_choices(struct k_arena *arena, struct k_expr *expr)
{
    find_switches(arena, expr);
    mark(expr, 0);
}
