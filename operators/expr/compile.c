// The entry points of compilation, and the canonical text of a program.
#include "operators/expr/bind.h"

#include "base/error.h"
#include "base/json_out.h"
#include "proto/codes.h"

// The name of an output: what AS says, else the column's own.
static bool name_target(struct k_binder *binder, const struct k_target *target, const char **ret_name)
{
    struct k_expr_report *report = binder->report;
    if (!ret_name) {
        if (!target->name) return true;
        k_expr_report(report, target->name_offset, K0306, "no name is needed here; leave out AS \"%s\"", target->name);
        return false;
    }
    if (target->name) {
        *ret_name = target->name;
        return true;
    }
    if (target->ast->kind == K_AST_COLUMN) {
        const char *dot = strrchr(target->ast->name, '.');
        *ret_name = dot ? dot + 1 : target->ast->name;
        return true;
    }
    k_expr_report(report, target->ast->offset, K0306, "this needs a name; add  AS name");
    return false;
}

static struct k_expr *compile(struct k_binder *binder, const char **ret_name)
{
    struct k_target target;
    const char *name = NULL;
    if (!k_expr_parse(binder->report, binder->scope, &target)) return NULL;
    bool named = name_target(binder, &target, ret_name ? &name : NULL);
    struct k_expr *expr = k_bind_settle(binder, k_bind(binder, target.ast));
    if (!expr || !named) return NULL;
    if (ret_name && (expr->type == K_NO_TYPE || expr->type == K_INTERVAL)) {
        if (expr->type == K_NO_TYPE)
            k_expr_report(binder->report, expr->offset, K0334, "the type of NULL is not known; write NULL::int64, say");
        else k_expr_report(binder->report, expr->offset, K0334, "an interval cannot leave an expression");
        return NULL;
    }
    if (ret_name) *ret_name = name;
    k_expr_share(binder->report->arena, expr);
    k_expr_choices(binder->report->arena, expr);
    return expr;
}

struct k_expr_report k_expr_report_of(struct k_arena *arena, struct k_str text, const struct k_expr_place *place,
                                      struct k_diags *diags)
{
    struct k_str copy = {k_arena_copy(arena, text.data ? text.data : "", text.length), text.length};
    return (struct k_expr_report){.arena = arena, .text = copy, .place = place, .diags = diags};
}

struct k_expr *k_expr_compile(struct k_arena *arena, struct k_str text, const struct k_scope *scope,
                              const struct k_expr_place *place, struct k_diags *diags, const char **ret_name)
{
    struct k_expr_report report = k_expr_report_of(arena, text, place, diags);
    struct k_binder binder = {.report = &report, .scope = scope};
    struct k_expr *expr = compile(&binder, ret_name);
    K_ASSERT(expr || report.errors);
    return report.errors ? NULL : expr;
}

struct k_expr *k_expr_compile_aggregate(struct k_arena *arena, struct k_str text, const struct k_scope *scope,
                                        const struct k_schema *groups, const struct k_expr_place *place,
                                        struct k_diags *diags, const char **ret_name,
                                        struct k_aggregate_call *calls, uint32_t *calls_count, uint32_t calls_max)
{
    struct k_expr_report report = k_expr_report_of(arena, text, place, diags);
    struct k_aggregate_binding aggregates = {groups, calls, calls_count, calls_max};
    struct k_binder binder = {.report = &report, .scope = scope, .aggregates = &aggregates};
    struct k_expr *expr = compile(&binder, ret_name);
    K_ASSERT(expr || report.errors);
    return report.errors ? NULL : expr;
}

enum k_type k_expr_type(const struct k_expr *expr) { return expr->type; }
bool k_expr_not_null(const struct k_expr *expr) { return expr->not_null; }
int32_t k_expr_column(const struct k_expr *expr)
{
    return expr->kind == K_NODE_COLUMN ? (int32_t)expr->index : -1;
}

static void print_value(const struct k_value *value, struct k_buf *out)
{
    if (value->type == K_INTERVAL && !value->null)
        k_buf_printf(out, "%dmonths %ddays %lldus", value->interval.months, value->interval.days,
                     (long long)value->interval.us);
    else k_value_json(out, value);
    k_buf_printf(out, "::%s", k_type_name(value->type));
}

static void print_args(const struct k_expr *expr, struct k_buf *out)
{
    k_buf_add_char(out, '(');
    for (uint32_t i = 0; i < expr->count; i++) {
        if (i) k_buf_add_text(out, ", ");
        k_expr_print(expr->args[i], out);
    }
    k_buf_add_char(out, ')');
}

static void print_set(const struct k_in_set *set, struct k_buf *out)
{
    k_buf_add_text(out, " in [");
    for (uint32_t i = 0; i < set->count; i++) {
        if (i) k_buf_add_text(out, ", ");
        print_value(&set->values[i], out);
    }
    k_buf_add_text(out, set->has_null ? ", null]" : "]");
}

void k_expr_print(const struct k_expr *expr, struct k_buf *out)
{
    switch (expr->kind) {
    case K_NODE_COLUMN:
        k_json_string(out, k_str_of(expr->name));
        k_buf_printf(out, "::%s", k_type_name(expr->type));
        return;
    case K_NODE_CONST: print_value(&expr->value, out); return;
    case K_NODE_SLOT: k_buf_printf(out, "$%u", expr->index); return;
    // Types of arguments choose the function and are in the text, so the name and the result's type are enough.
    case K_NODE_CALL: k_buf_printf(out, "%s:%s", expr->function->name, k_type_name(expr->type)); break;
    case K_NODE_AND: k_buf_add_text(out, "and"); break;
    case K_NODE_OR: k_buf_add_text(out, "or"); break;
    case K_NODE_CASE: k_buf_add_text(out, "case"); break;
    case K_NODE_COALESCE: k_buf_add_text(out, "coalesce"); break;
    case K_NODE_DISTINCT: k_buf_add_text(out, "distinct"); break;
    case K_NODE_LET: k_buf_printf(out, "let $%u", expr->index); break;
    case K_NODE_IN: break;
    }
    print_args(expr, out);
    if (expr->kind == K_NODE_IN) print_set(expr->set, out);
}
