// Binding: gives every part of an expression its meaning and type. Overloads and conversions are overload.c's,
// aggregate calls aggregate.c's. All errors of an expression are reported, not only the first: a part that failed is
// NULL, and what is around it stays silent.
#include "operators/expr/bind.h"

#include <stdlib.h>
#include <strings.h>

#include "base/error.h"
#include "operators/expr/text_table.h"
#include "proto/codes.h"

struct k_expr *k_node(struct k_binder *binder, enum k_node_kind kind, enum k_type type, uint32_t offset,
                      uint32_t count)
{
    struct k_expr *node = k_arena_zeroed(binder->report->arena, sizeof *node);
    node->kind = kind;
    node->type = type;
    node->offset = offset;
    node->count = count;
    node->args = k_arena_zeroed(binder->report->arena, count * sizeof *node->args);
    return node;
}

struct k_expr *k_node_const(struct k_binder *binder, uint32_t offset, struct k_value value)
{
    struct k_expr *node = k_node(binder, K_NODE_CONST, value.type, offset, 0);
    node->value = value;
    node->not_null = !value.null;
    return node;
}

static struct k_expr *fold(struct k_binder *binder, struct k_expr *node)
{
    const char *error = NULL;
    struct k_value value = k_expr_fold(binder->report->arena, node, &error);
    if (error) {
        k_expr_report(binder->report, node->offset, K0324, "this fails for every row: %s", error);
        return NULL;
    }
    return k_node_const(binder, node->offset, value);
}

// Whether a row may be an error of this call's own.
static bool is_fallible(const struct k_expr *call)
{
    const struct k_function *function = call->function;
    if (!(function->flags & K_FN_CHECKED)) return function->flags & K_FN_FALLIBLE;
    static const struct k_value *const none[K_FUNCTION_ARGS];
    uint32_t argument = 0;
    function->check(none, &argument); // which one it looks at
    return call->args[argument]->kind != K_NODE_CONST;
}

struct k_expr *k_node_done(struct k_binder *binder, struct k_expr *node)
{
    bool constant = true;
    for (uint32_t i = 0; i < node->count; i++) {
        const struct k_expr *arg = node->args[i];
        constant = constant && arg->kind == K_NODE_CONST;
        node->cost += arg->cost;
    }
    node->fails = node->kind == K_NODE_CALL && is_fallible(node);
    node->cost += node->kind == K_NODE_CALL && (node->function->flags & K_FN_COSTLY) ? 20 : 1;
    return constant ? fold(binder, node) : node;
}

struct k_expr *k_bind_settle(struct k_binder *binder, struct k_expr *expr)
{
    if (!expr || !expr->literal || expr->type != K_STRING) return expr;
    return k_node_const(binder, expr->offset, expr->value);
}

// The column that was probably meant: the same but for capitals, which need quotes to be kept.
static const char *same_but_case(const struct k_schema *schema, const char *name)
{
    for (uint32_t i = 0; i < schema->count; i++) {
        const char *column = schema->fields[i].name;
        if (strcasecmp(column, name) == 0 && strpbrk(column, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")) return column;
    }
    return NULL;
}

static void list_columns(struct k_arena *arena, struct k_buf *out, const struct k_schema *schema, const char *name)
{
    const char **names = k_arena_array(arena, const char *, schema->count);
    uint32_t shown = 0, visible = 0;
    for (uint32_t i = 0; i < schema->count; i++) names[i] = schema->fields[i].name;
    const char *nearest = k_nearest(name, names, schema->count);
    for (uint32_t i = 0; i < schema->count; i++) {
        if (schema->fields[i].hidden) continue;
        visible++;
        // The nearest is always among those shown, for it is the one that people want to read about.
        bool near = nearest && strcmp(nearest, names[i]) == 0;
        if (shown >= 8 && !near) continue;
        k_buf_printf(out, "%s%s", shown ? ", " : "", names[i]);
        if (near) k_buf_printf(out, " (%s)", k_type_name(schema->fields[i].type));
        shown++;
    }
    if (visible == 0) k_buf_add_text(out, "no columns");
    if (visible > shown) k_buf_add_text(out, ", …");
    if (nearest) k_buf_printf(out, "; did you mean \"%s\"?", nearest);
}

static void report_unknown_column(struct k_binder *binder, const struct k_schema *schema, const struct k_ast *ast)
{
    const char *cased = same_but_case(schema, ast->name);
    if (cased) {
        k_expr_report(binder->report, ast->offset, K0311,
                      "unknown column \"%s\"; names without quotes are read in lower case: write \"%s\" in double "
                      "quotes", ast->name, cased);
        return;
    }
    struct k_buf list = {0};
    list_columns(binder->report->arena, &list, schema, ast->name);
    k_expr_report(binder->report, ast->offset, K0310, "unknown column \"%s\"; \"%s\" offers %s", ast->name,
                  binder->scope->offers ? binder->scope->offers : "the input", list.data);
    k_buf_fini(&list);
}

static struct k_expr *bind_column(struct k_binder *binder, const struct k_ast *ast)
{
    bool grouped = binder->aggregates && !binder->inside_aggregate;
    const struct k_schema *schema = grouped ? binder->aggregates->groups : binder->scope->schema;
    int32_t found = k_schema_find(schema, k_str_of(ast->name));
    if (found < 0 && grouped && k_schema_find(binder->scope->schema, k_str_of(ast->name)) >= 0) {
        k_expr_report(binder->report, ast->offset, K0332,
                      "column \"%s\" must appear in group_by or be used in an aggregate function", ast->name);
        return NULL;
    }
    if (found < 0) {
        report_unknown_column(binder, binder->scope->schema, ast);
        return NULL;
    }
    if (!grouped && binder->scope->read) binder->scope->read[found] = true;
    struct k_expr *node = k_node(binder, K_NODE_COLUMN, schema->fields[found].type, ast->offset, 0);
    node->index = (uint32_t)found;
    node->name = k_arena_copy(binder->report->arena, ast->name, strlen(ast->name));
    node->not_null = schema->fields[found].not_null;
    return node;
}

// A value that stands in several places but is computed once: a leaf as it is, all else through a slot.
struct shared {
    struct k_expr *value, *use;
};

static bool share(struct k_binder *binder, const struct k_ast *ast, struct shared *ret)
{
    ret->value = ret->use = k_bind(binder, ast);
    if (!ret->value) return false;
    if (ret->value->kind == K_NODE_CONST || ret->value->kind == K_NODE_COLUMN) return true;
    ret->use = k_node(binder, K_NODE_SLOT, ret->value->type, ret->value->offset, 0);
    ret->use->index = binder->slots++;
    ret->use->not_null = ret->value->not_null;
    return true;
}

static struct k_expr *unshare(struct k_binder *binder, const struct shared *shared, struct k_expr *body)
{
    if (shared->use == shared->value) return body;
    binder->slots--;
    if (!body) return NULL;
    if (body->kind == K_NODE_IN && body->args[0] == shared->use) {
        // A set looks at its operand once.
        body->args[0] = shared->value;
        return k_node_done(binder, body);
    }
    struct k_expr *let = k_node(binder, K_NODE_LET, body->type, body->offset, 2);
    let->index = shared->use->index;
    let->args[0] = shared->value;
    let->args[1] = body;
    let->not_null = body->not_null;
    return k_node_done(binder, let);
}

struct k_expr *k_bind_bool(struct k_binder *binder, const struct k_ast *ast, const char *what)
{
    struct k_expr *expr = k_bind(binder, ast);
    if (!expr) return NULL;
    if (k_can_coerce(expr, K_BOOL)) return k_coerce(binder, expr, K_BOOL);
    k_expr_report(binder->report, expr->offset, K0322, "%s must be bool, not %s", what, k_type_name(expr->type));
    return NULL;
}

static struct k_expr *logic(struct k_binder *binder, enum k_node_kind kind, uint32_t offset, struct k_expr **args,
                            uint32_t count)
{
    struct k_expr *node = k_node(binder, kind, K_BOOL, offset, count);
    node->not_null = true;
    for (uint32_t i = 0; i < count; i++) {
        if (!args[i]) return NULL;
        node->args[i] = args[i];
        node->not_null = node->not_null && args[i]->not_null;
    }
    return k_node_done(binder, node);
}

static struct k_expr *bind_logic(struct k_binder *binder, const struct k_ast *ast)
{
    bool and = ast->kind == K_AST_AND;
    struct k_expr **args = k_arena_array(binder->report->arena, struct k_expr *, ast->count);
    for (uint32_t i = 0; i < ast->count; i++)
        args[i] = k_bind_bool(binder, ast->args[i], and ? "each side of AND" : "each side of OR");
    return logic(binder, and ? K_NODE_AND : K_NODE_OR, ast->offset, args, ast->count);
}

static struct k_expr *call2(struct k_binder *binder, const char *name, uint32_t offset, struct k_expr *a,
                            struct k_expr *b)
{
    if (!a || !b) return NULL;
    return k_bind_call(binder, name, true, offset, (struct k_expr *[]){a, b}, 2);
}

static struct k_expr *negated(struct k_binder *binder, bool negate, struct k_expr *expr)
{
    if (!negate || !expr) return expr;
    return k_bind_call(binder, "NOT", true, expr->offset, &expr, 1);
}

static struct k_expr *bind_between(struct k_binder *binder, const struct k_ast *ast)
{
    struct shared x;
    if (!share(binder, ast->args[0], &x)) return NULL;
    struct k_expr *low = k_bind(binder, ast->args[1]), *high = k_bind(binder, ast->args[2]);
    struct k_expr *both[2] = {call2(binder, ">=", ast->offset, x.use, low),
                              call2(binder, "<=", ast->offset, x.use, high)};
    struct k_expr *body = logic(binder, K_NODE_AND, ast->offset, both, 2);
    return negated(binder, ast->negated, unshare(binder, &x, body));
}

// Between the bounds in the one order or in the other. The bounds are looked at twice, so they are shared, too.
static struct k_expr *bind_symmetric(struct k_binder *binder, const struct k_ast *ast)
{
    struct shared parts[3];
    uint32_t bound = 0;
    while (bound < 3 && share(binder, ast->args[bound], &parts[bound])) bound++;
    struct k_expr *body = NULL, *either[2];
    for (uint32_t i = 0; i < 2 && bound == 3; i++) {
        struct k_expr *both[2] = {call2(binder, ">=", ast->offset, parts[0].use, parts[1 + i].use),
                                  call2(binder, "<=", ast->offset, parts[0].use, parts[2 - i].use)};
        either[i] = logic(binder, K_NODE_AND, ast->offset, both, 2);
        if (i == 0 && !either[0]) break; // the other order says the same again
        if (i == 1) body = logic(binder, K_NODE_OR, ast->offset, either, 2);
    }
    while (bound > 0) body = unshare(binder, &parts[--bound], body);
    return negated(binder, ast->negated, body);
}

static int order_values(const void *a, const void *b)
{
    return k_value_order(a, b);
}

// IN over constants only: a sorted set instead of one comparison an item.
static struct k_expr *in_set(struct k_binder *binder, uint32_t offset, struct k_expr **args, uint32_t count)
{
    struct k_in_set *set = k_arena_zeroed(binder->report->arena, sizeof *set);
    set->values = k_arena_array(binder->report->arena, struct k_value, count);
    for (uint32_t i = 1; i < count; i++) {
        if (args[i]->value.null) set->has_null = true;
        else set->values[set->count++] = args[i]->value;
    }
    qsort(set->values, set->count, sizeof *set->values, order_values);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < set->count; i++)
        if (kept == 0 || k_value_order(&set->values[kept - 1], &set->values[i]) != 0)
            set->values[kept++] = set->values[i];
    set->count = kept;
    if (args[0]->type == K_STRING) {
        struct k_str *texts = k_arena_array(binder->report->arena, struct k_str, kept);
        struct k_text_table *table = k_arena_get(binder->report->arena, sizeof *table);
        for (uint32_t i = 0; i < kept; i++) texts[i] = set->values[i].s;
        *table = k_text_table_make(binder->report->arena, texts, kept);
        set->texts = table;
    }
    struct k_expr *node = k_node(binder, K_NODE_IN, K_BOOL, offset, 1);
    node->args[0] = args[0];
    node->set = set;
    node->not_null = args[0]->not_null && !set->has_null;
    return k_node_done(binder, node);
}

static struct k_expr *in_list(struct k_binder *binder, uint32_t offset, struct k_expr **args, uint32_t count)
{
    bool constant = true;
    for (uint32_t i = 1; i < count; i++) constant = constant && args[i]->kind == K_NODE_CONST;
    if (constant) return in_set(binder, offset, args, count);
    struct k_expr **equal = k_arena_array(binder->report->arena, struct k_expr *, count - 1);
    for (uint32_t i = 1; i < count; i++) equal[i - 1] = call2(binder, "=", offset, args[0], args[i]);
    return count == 2 ? equal[0] : logic(binder, K_NODE_OR, offset, equal, count - 1);
}

static struct k_expr *bind_in(struct k_binder *binder, const struct k_ast *ast)
{
    struct shared x;
    if (!share(binder, ast->args[0], &x)) return NULL;
    struct k_expr **args = k_arena_array(binder->report->arena, struct k_expr *, ast->count), *body = NULL;
    bool good = true;
    args[0] = x.use;
    for (uint32_t i = 1; i < ast->count; i++)
        if (!(args[i] = k_bind(binder, ast->args[i]))) good = false;
    enum k_type type;
    if (good && k_common_type(binder, args, ast->count, "IN", &type)) {
        if (!k_type_comparable(type)) {
            k_expr_report(binder->report, ast->offset, K0322, "IN cannot compare values of type %s", k_type_name(type));
            good = false;
        }
        for (uint32_t i = 0; i < ast->count && good; i++)
            if (!(args[i] = k_coerce(binder, args[i], type))) good = false;
        if (good) body = in_list(binder, ast->offset, args, ast->count);
    }
    return negated(binder, ast->negated, unshare(binder, &x, body));
}

static struct k_expr *bind_distinct(struct k_binder *binder, const struct k_ast *ast)
{
    struct k_expr *args[2] = {k_bind(binder, ast->args[0]), k_bind(binder, ast->args[1])};
    if (!args[0] || !args[1]) return NULL;
    const struct k_function *equal = k_overload(binder, "=", K_FN_OPERATOR, ast->offset, args, 2);
    if (!equal) return NULL;
    struct k_expr *node = k_node(binder, K_NODE_DISTINCT, K_BOOL, ast->offset, 2);
    node->function = equal;
    node->not_null = true;
    for (uint32_t i = 0; i < 2; i++)
        if (!(node->args[i] = k_coerce(binder, args[i], (enum k_type)equal->args[i]))) return NULL;
    return negated(binder, ast->negated, k_node_done(binder, node));
}

// Makes CASE of whens and results (pairs) and an else, all bound, the results not yet of one type.
static struct k_expr *make_case(struct k_binder *binder, uint32_t offset, struct k_expr **whens,
                                struct k_expr **results, uint32_t count)
{
    enum k_type type;
    if (!k_common_type(binder, results, count + 1, "CASE", &type)) return NULL;
    struct k_expr *node = k_node(binder, K_NODE_CASE, type, offset, 2 * count + 1);
    node->not_null = true;
    for (uint32_t i = 0; i <= count; i++) {
        struct k_expr *result = k_coerce(binder, results[i], type);
        if (!result) return NULL;
        node->args[i < count ? 2 * i + 1 : 2 * count] = result;
        if (i < count) node->args[2 * i] = whens[i];
        node->not_null = node->not_null && result->not_null;
    }
    return k_node_done(binder, node);
}

static struct k_expr *null_literal(struct k_binder *binder, uint32_t offset)
{
    struct k_expr *node = k_node_const(binder, offset, (struct k_value){.type = K_NO_TYPE, .null = true});
    node->literal = true;
    return node;
}

static struct k_expr *bind_case(struct k_binder *binder, const struct k_ast *ast)
{
    uint32_t count = (ast->count - 2) / 2;
    struct k_expr **whens = k_arena_array(binder->report->arena, struct k_expr *, count + 1);
    struct k_expr **results = k_arena_array(binder->report->arena, struct k_expr *, count + 1);
    struct shared x = {0};
    bool good = true;
    if (ast->args[0] && !share(binder, ast->args[0], &x)) return NULL;
    for (uint32_t i = 0; i < count; i++) {
        const struct k_ast *when = ast->args[1 + 2 * i];
        whens[i] = ast->args[0] ? call2(binder, "=", when->offset, x.use, k_bind(binder, when))
                                : k_bind_bool(binder, when, "the condition of WHEN");
        results[i] = k_bind(binder, ast->args[2 + 2 * i]);
        if (!whens[i] || !results[i]) good = false;
    }
    const struct k_ast *otherwise = ast->args[ast->count - 1];
    results[count] = otherwise ? k_bind(binder, otherwise) : null_literal(binder, ast->offset);
    if (!results[count]) good = false;
    struct k_expr *body = good ? make_case(binder, ast->offset, whens, results, count) : NULL;
    return ast->args[0] ? unshare(binder, &x, body) : body;
}

// NULLIF(a, b) is CASE WHEN a = b THEN NULL ELSE a END, with a computed once.
static struct k_expr *bind_nullif(struct k_binder *binder, const struct k_ast *ast)
{
    struct shared a;
    if (!share(binder, ast->args[0], &a)) return NULL;
    struct k_expr *equal = call2(binder, "=", ast->offset, a.use, k_bind(binder, ast->args[1])), *body = NULL;
    if (equal) {
        struct k_expr *results[2] = {null_literal(binder, ast->offset), a.use};
        body = make_case(binder, ast->offset, &equal, results, 1);
    }
    return unshare(binder, &a, body);
}

static struct k_expr *bind_coalesce(struct k_binder *binder, const struct k_ast *ast)
{
    struct k_expr *node = k_node(binder, K_NODE_COALESCE, K_NO_TYPE, ast->offset, ast->count);
    bool good = true;
    for (uint32_t i = 0; i < ast->count; i++)
        if (!(node->args[i] = k_bind(binder, ast->args[i]))) good = false;
    if (!good || !k_common_type(binder, node->args, ast->count, "COALESCE", &node->type)) return NULL;
    for (uint32_t i = 0; i < ast->count; i++) {
        if (!(node->args[i] = k_coerce(binder, node->args[i], node->type))) return NULL;
        node->not_null = node->not_null || node->args[i]->not_null;
    }
    return k_node_done(binder, node);
}

static struct k_expr *bind_call(struct k_binder *binder, const struct k_ast *ast)
{
    bool is_operator = ast->kind == K_AST_OPERATOR;
    if (!is_operator && k_is_aggregate(ast->name)) return k_bind_aggregate(binder, ast);
    if (ast->star || ast->distinct || ast->filter) {
        k_expr_report(binder->report, ast->offset, K0331, "%s is for aggregate functions; %s is none",
                      ast->star ? "*" : ast->distinct ? "DISTINCT" : "FILTER", ast->name);
        return NULL;
    }
    struct k_expr **args = k_arena_array(binder->report->arena, struct k_expr *, ast->count);
    bool good = true;
    for (uint32_t i = 0; i < ast->count; i++)
        if (!(args[i] = k_bind(binder, ast->args[i]))) good = false;
    return good ? k_bind_call(binder, ast->name, is_operator, ast->offset, args, ast->count) : NULL;
}

static struct k_expr *bind_literal(struct k_binder *binder, const struct k_ast *ast)
{
    struct k_value value = {0};
    switch (ast->kind) {
    case K_AST_NULL: return null_literal(binder, ast->offset);
    case K_AST_BOOL: value = (struct k_value){.type = K_BOOL, .b = ast->b}; break;
    case K_AST_INT: value = (struct k_value){.type = K_INT64, .i = ast->i}; break;
    case K_AST_DOUBLE: value = (struct k_value){.type = K_DOUBLE, .d = ast->d}; break;
    default: value = (struct k_value){.type = K_STRING, .s = ast->s}; break;
    }
    struct k_expr *node = k_node_const(binder, ast->offset, value);
    node->literal = ast->kind == K_AST_STRING;
    return node;
}

struct k_expr *k_bind(struct k_binder *binder, const struct k_ast *ast)
{
    switch (ast->kind) {
    case K_AST_NULL:
    case K_AST_BOOL:
    case K_AST_INT:
    case K_AST_DOUBLE:
    case K_AST_STRING: return bind_literal(binder, ast);
    case K_AST_COLUMN: return bind_column(binder, ast);
    case K_AST_CALL:
    case K_AST_OPERATOR: return bind_call(binder, ast);
    case K_AST_CAST: return k_bind_cast(binder, ast);
    case K_AST_AND:
    case K_AST_OR: return bind_logic(binder, ast);
    case K_AST_CASE: return bind_case(binder, ast);
    case K_AST_COALESCE: return bind_coalesce(binder, ast);
    case K_AST_IN: return bind_in(binder, ast);
    case K_AST_BETWEEN: return bind_between(binder, ast);
    case K_AST_SYMMETRIC: return bind_symmetric(binder, ast);
    case K_AST_NULLIF: return bind_nullif(binder, ast);
    case K_AST_DISTINCT: return bind_distinct(binder, ast);
    }
    K_ASSERT(!"an unknown kind of tree");
}
