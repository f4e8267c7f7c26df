// Aggregate calls inside the expressions of an aggregate node. Each call leaves the expression: its arguments and its
// filter become programs over the input's columns, and in its place stands a column of the row that the aggregate
// node makes, behind the group columns. Calls that print alike are one.
#include "operators/expr/bind.h"

#include "base/error.h"
#include "proto/codes.h"

bool k_is_aggregate(const char *name)
{
    uint32_t count;
    const struct k_function *functions = k_functions(&count);
    for (uint32_t i = 0; i < count; i++)
        if ((functions[i].flags & K_FN_AGGREGATE) && strcmp(functions[i].name, name) == 0) return true;
    return false;
}

static bool is_allowed_here(struct k_binder *binder, const struct k_ast *ast)
{
    if (binder->inside_aggregate)
        k_expr_report(binder->report, ast->offset, K0331, "%s stands inside another aggregate function", ast->name);
    else if (!binder->aggregates)
        k_expr_report(binder->report, ast->offset, K0330,
                      "%s is an aggregate function: it belongs in the select of an aggregate node", ast->name);
    else if (ast->distinct && (strcmp(ast->name, "count") != 0 || ast->count != 1))
        k_expr_report(binder->report, ast->offset, K0331, "DISTINCT inside %s is not supported; count(DISTINCT x) is",
                      ast->name);
    else return true;
    return false;
}

static const struct k_function *star(void)
{
    uint32_t count;
    const struct k_function *functions = k_functions(&count);
    for (uint32_t i = 0; i < count; i++)
        if (functions[i].flags & K_FN_STAR) return &functions[i];
    K_ASSERT(!"count(*) is not in the table");
}

static bool same_text(const struct k_expr *a, const struct k_expr *b)
{
    if (!a || !b) return a == b;
    struct k_buf left = {0}, right = {0};
    k_expr_print(a, &left);
    k_expr_print(b, &right);
    bool same = k_str_equal(k_buf_str(&left), k_buf_str(&right));
    k_buf_fini(&left);
    k_buf_fini(&right);
    return same;
}

static bool same_call(const struct k_aggregate_call *a, const struct k_aggregate_call *b)
{
    return a->function == b->function && a->argument_count == b->argument_count &&
           same_text(a->arguments[0], b->arguments[0]) && same_text(a->arguments[1], b->arguments[1]) &&
           same_text(a->filter, b->filter);
}

// The call as the name of its column, so that the text of the expression around it tells all.
static const char *call_text(struct k_binder *binder, const char *name, const struct k_aggregate_call *call)
{
    struct k_buf text = {0};
    k_buf_printf(&text, "%s(%s", name,
                 call->function == K_AGG_COUNT_STAR       ? "*"
                 : call->function == K_AGG_COUNT_DISTINCT ? "DISTINCT "
                                                          : "");
    for (uint32_t i = 0; i < call->argument_count; i++) {
        if (i) k_buf_add_text(&text, ", ");
        k_expr_print(call->arguments[i], &text);
    }
    k_buf_add_char(&text, ')');
    if (call->filter) {
        k_buf_add_text(&text, " FILTER ");
        k_expr_print(call->filter, &text);
    }
    const char *copy = k_arena_copy(binder->report->arena, text.data, text.length);
    k_buf_fini(&text);
    return copy;
}

// Which values are the same must be known: that of two JSON texts is not.
static bool make_distinct(struct k_binder *binder, const struct k_ast *ast, struct k_aggregate_call *call)
{
    enum k_type type = call->arguments[0]->type;
    call->function = K_AGG_COUNT_DISTINCT;
    if (type != K_JSON && type != K_INTERVAL && type != K_NO_TYPE) return true;
    k_expr_report(binder->report, ast->offset, K0331,
                  "count(DISTINCT …) cannot tell values of type %s apart; convert them first", k_type_name(type));
    return false;
}

// The function and its arguments, bound over the input's columns.
static bool bind_arguments(struct k_binder *binder, const struct k_ast *ast, struct k_aggregate_call *call)
{
    struct k_expr *args[K_FUNCTION_ARGS] = {0};
    bool good = true;
    if (ast->count > 2) {
        k_expr_report(binder->report, ast->offset, K0321, "%s does not take %u arguments", ast->name, ast->count);
        return false;
    }
    for (uint32_t i = 0; i < ast->count; i++)
        if (!(args[i] = k_bind(binder, ast->args[i]))) good = false;
    if (ast->filter && !(call->filter = k_bind_bool(binder, ast->filter, "the condition of FILTER"))) good = false;
    if (!good) return false;
    const struct k_function *function =
        ast->star && strcmp(ast->name, "count") == 0
            ? star() : k_overload(binder, ast->name, K_FN_AGGREGATE, ast->offset, args, ast->count);
    if (!function) return false;
    for (uint32_t i = 0; i < ast->count; i++) {
        call->arguments[i] = function->args[i] < K_ANY ? k_coerce(binder, args[i], (enum k_type)function->args[i])
                                                       : k_bind_settle(binder, args[i]);
        if (!call->arguments[i]) return false;
    }
    call->function = (enum k_aggregate)function->aggregate;
    call->argument_count = ast->count;
    if (ast->distinct && !make_distinct(binder, ast, call)) return false;
    call->type = function->result == K_FIRST ? call->arguments[0]->type : (enum k_type)function->result;
    call->not_null = call->function == K_AGG_COUNT_STAR || call->function == K_AGG_COUNT ||
                     call->function == K_AGG_COUNT_DISTINCT;
    if (call->type != K_NO_TYPE) return true;
    k_expr_report(binder->report, ast->offset, K0334, "the type of NULL is not known; write NULL::int64, say");
    return false;
}

struct k_expr *k_bind_aggregate(struct k_binder *binder, const struct k_ast *ast)
{
    if (!is_allowed_here(binder, ast)) return NULL;
    struct k_aggregate_binding *to = binder->aggregates;
    struct k_aggregate_call call = {0};
    uint32_t slots = binder->slots;
    binder->inside_aggregate = true;
    binder->slots = 0; // the arguments are programs of their own
    bool good = bind_arguments(binder, ast, &call);
    binder->inside_aggregate = false;
    binder->slots = slots;
    if (!good) return NULL;
    uint32_t at = 0;
    while (at < *to->calls_count && !same_call(&to->calls[at], &call)) at++;
    if (at == to->calls_max) {
        k_expr_report(binder->report, ast->offset, K0333, "an aggregate node has at most %u aggregate calls",
                      to->calls_max);
        return NULL;
    }
    if (at == *to->calls_count) to->calls[(*to->calls_count)++] = call;
    struct k_expr *node = k_node(binder, K_NODE_COLUMN, call.type, ast->offset, 0);
    node->name = call_text(binder, ast->name, &call);
    node->index = to->groups->count + at;
    node->not_null = call.not_null;
    return node;
}
