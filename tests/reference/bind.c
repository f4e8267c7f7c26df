// Types: every part of an expression gets its own, and values are brought to those that the parts around them take.
//
// PostgreSQL's rules for few types: a quoted literal or NULL takes the type of what it meets, and unasked only int64
// becomes double.
#include "tests/reference/expr.h"

struct binder {
    struct k_arena *arena;
    const char *text;
    const struct scope *scope;
    const struct scope *input; // of aggregate calls; NULL: there may be none
    struct call **calls;
    struct k_error *err;
    int failed;
};

static void wrong(struct binder *b, const char *what, const char *name)
{
    if (!b->failed) b->failed = k_fail(b->err, K_E_CONFIG, "expression \"%s\": %s%s", b->text, what, name ? name : "");
}

int32_t scope_find(const struct scope *scope, struct k_str name)
{
    for (uint32_t i = 0; i < scope->count; i++)
        if (k_str_equal(name, k_str_of(scope->columns[i].name))) return (int32_t)i;
    return -1;
}

// The value with the wanted type.
static struct expr *coerce(struct binder *b, struct expr *expr, enum type type)
{
    if (expr->type == type || type == TYPE_NONE) return expr;
    if (expr->literal && expr->kind == E_CONST) {
        struct value value = value_null(type);
        if (!expr->value.null && !value_from_text(expr->value.s, type, &value))
            wrong(b, "a literal is no such value", NULL);
        struct expr *constant = expr_node(b->arena, E_CONST, 0);
        constant->value = value;
        constant->type = type;
        return constant;
    }
    bool widens = expr->type == TYPE_INT64 && type == TYPE_DOUBLE;
    if (expr->type != TYPE_NONE && !widens) wrong(b, "types do not fit", NULL);
    if (expr->kind == E_CONST) {
        struct expr *constant = expr_node(b->arena, E_CONST, 0);
        constant->value = expr->value.null ? value_null(type) : value_double((double)expr->value.i);
        constant->type = type;
        return constant;
    }
    struct expr *cast = expr_node(b->arena, E_CAST, 1);
    cast->args[0] = expr;
    cast->type = type;
    return cast;
}

// The type in which all of args meet; NULL entries are left out.
static enum type common_type(struct binder *b, struct expr *const *args, uint32_t count)
{
    enum type type = TYPE_NONE;
    for (uint32_t i = 0; i < count; i++) {
        if (!args[i] || args[i]->literal || args[i]->type == TYPE_NONE) continue;
        enum type other = args[i]->type;
        bool numbers = (type == TYPE_INT64 || type == TYPE_DOUBLE) && (other == TYPE_INT64 || other == TYPE_DOUBLE);
        if (type == TYPE_NONE || type == other) type = other;
        else if (numbers) type = TYPE_DOUBLE;
        else wrong(b, "types are mixed", NULL);
    }
    if (type != TYPE_NONE) return type;
    return TYPE_STRING;
}

static void coerce_all(struct binder *b, struct expr **args, uint32_t count, enum type type)
{
    for (uint32_t i = 0; i < count; i++)
        if (args[i]) args[i] = coerce(b, args[i], type);
}

static void bind(struct binder *b, struct expr *expr);

static void bind_column(struct binder *b, struct expr *expr)
{
    expr->index = scope_find(b->scope, k_str_of(expr->name));
    if (expr->index < 0) {
        wrong(b, "there is no column ", expr->name);
        expr->index = 0;
        return;
    }
    expr->type = b->scope->columns[expr->index].type;
    if (b->scope->read) b->scope->read[expr->index] = true;
}

static struct call *new_call(struct binder *b, const struct expr *expr)
{
    static const char *const names[] = {"count", "sum", "avg", "min", "max", "arg_min", "arg_max",
                                        "var_pop", "var_samp", "stddev_pop", "stddev_samp", "first", "last"};
    const char *name = strcmp(expr->name, "variance") == 0 ? "var_samp"
                       : strcmp(expr->name, "stddev") == 0 ? "stddev_samp"
                                                           : expr->name;
    struct call *call = k_arena_zeroed(b->arena, sizeof *call);
    while (strcmp(names[call->function], name) != 0) call->function++;
    bool pair = call->function == AGG_ARG_MIN || call->function == AGG_ARG_MAX;
    bool good = pair ? expr->count == 2 : expr->count == 1 || (call->function == AGG_COUNT && expr->count == 0);
    if (!good) wrong(b, "a wrong number of arguments for ", expr->name);
    for (uint32_t i = 0; i < expr->count && i < 2; i++) call->args[i] = expr->args[i];
    call->filter = expr->filter;
    if (expr->distinct) call->function = AGG_COUNT_DISTINCT;
    return call;
}

// The call leaves the expression: its arguments are over the input, and in its place stands a column.
static void bind_aggregate(struct binder *b, struct expr *expr)
{
    if (!b->input) {
        wrong(b, "an aggregate function stands where none may be", NULL);
        return;
    }
    struct call *call = new_call(b, expr);
    struct binder inner = *b;
    inner.scope = b->input;
    inner.input = NULL;
    for (int i = 0; i < 2; i++)
        if (call->args[i]) bind(&inner, call->args[i]);
    if (call->filter) bind(&inner, call->filter);
    b->failed = inner.failed;
    if (b->failed) return;
    if (call->filter) call->filter = coerce(b, call->filter, TYPE_BOOL);
    call->type = call->function == AGG_COUNT || call->function == AGG_COUNT_DISTINCT ? TYPE_INT64
                 : call->function == AGG_AVG ||
                         (call->function >= AGG_VAR_POP && call->function <= AGG_STDDEV_SAMP)
                     ? TYPE_DOUBLE
                     : call->args[0]->type;
    struct call **end = b->calls;
    int32_t number = 0;
    for (; *end; end = &(*end)->next) number++;
    *end = call;
    expr->kind = E_COLUMN;
    expr->type = call->type;
    expr->index = (int32_t)b->scope->count + number;
}

static void bind_arithmetic(struct binder *b, struct expr *expr)
{
    enum type left = expr->args[0]->type, right = expr->args[1]->type;
    bool times = left == TYPE_TIMESTAMP || right == TYPE_TIMESTAMP;
    if (times && expr->op == '-' && left == TYPE_TIMESTAMP && (right == TYPE_TIMESTAMP || right == TYPE_INTERVAL)) {
        expr->type = right == TYPE_TIMESTAMP ? TYPE_INTERVAL : TYPE_TIMESTAMP;
    } else if (times && expr->op == '-' && expr->args[1]->literal) {
        expr->args[1] = coerce(b, expr->args[1], TYPE_TIMESTAMP);
        expr->type = TYPE_INTERVAL;
    } else if (times && expr->op == '+') {
        for (int i = 0; i < 2; i++)
            if (expr->args[i]->literal) expr->args[i] = coerce(b, expr->args[i], TYPE_INTERVAL);
        if (expr->args[0]->type == expr->args[1]->type) wrong(b, "two timestamps have no sum", NULL);
        expr->type = TYPE_TIMESTAMP;
    } else {
        expr->type = common_type(b, expr->args, 2);
        if (expr->type == TYPE_STRING && expr->args[0]->literal && expr->args[1]->literal) expr->type = TYPE_INT64;
        if (expr->type != TYPE_INT64 && expr->type != TYPE_DOUBLE) wrong(b, "this is no number", NULL);
        coerce_all(b, expr->args, 2, expr->type);
    }
}

static void bind_case(struct binder *b, struct expr *expr)
{
    // args: operand, when, then, …, else
    struct expr **whens = k_arena_zeroed(b->arena, (expr->count + 1) * sizeof *whens), **thens = whens;
    uint32_t pairs = (expr->count - 2) / 2;
    whens[0] = expr->args[0];
    for (uint32_t i = 0; i < pairs; i++) whens[i + 1] = expr->args[1 + 2 * i];
    enum type type = expr->args[0] ? common_type(b, whens, pairs + 1) : TYPE_BOOL;
    if (expr->args[0]) expr->args[0] = coerce(b, expr->args[0], type);
    for (uint32_t i = 0; i < pairs; i++) expr->args[1 + 2 * i] = coerce(b, expr->args[1 + 2 * i], type);
    for (uint32_t i = 0; i < pairs; i++) thens[i] = expr->args[2 + 2 * i];
    thens[pairs] = expr->args[expr->count - 1];
    expr->type = common_type(b, thens, pairs + 1);
    for (uint32_t i = 0; i < pairs; i++) expr->args[2 + 2 * i] = coerce(b, expr->args[2 + 2 * i], expr->type);
    if (thens[pairs]) expr->args[expr->count - 1] = coerce(b, thens[pairs], expr->type);
}

static void bind_function(struct binder *b, struct expr *expr)
{
    enum type types[3], given[3];
    for (uint32_t i = 0; i < expr->count && i < 3; i++) given[i] = expr->args[i]->type;
    if (expr->count > 3 || !function_types(expr->name, given, expr->count, types, &expr->type)) {
        wrong(b, "there is no function ", expr->name);
        return;
    }
    for (uint32_t i = 0; i < expr->count; i++) expr->args[i] = coerce(b, expr->args[i], types[i]);
}

// A whole number and its kin become what they are called; a literal is read now.
static void bind_cast(struct binder *b, struct expr *expr)
{
    struct expr *from = expr->args[0];
    if (!from->literal) return;
    if (expr->type == TYPE_BYTES || expr->type == TYPE_JSON) {
        if (!from->value.null) wrong(b, "there is no such cast", NULL);
        from->value = value_null(expr->type);
    }
    expr->args[0] = coerce(b, from, expr->type);
}

// Two comparisons, each in the type in which its own two sides meet: so the operand stands twice.
static void bind_between(struct binder *b, struct expr *expr)
{
    struct expr **args = k_arena_zeroed(b->arena, 5 * sizeof *args);
    for (int i = 0; i < 2; i++) {
        struct expr *sides[2] = {expr->args[0], expr->args[i + 1]};
        enum type type = common_type(b, sides, 2);
        if (type == TYPE_JSON) wrong(b, "json cannot be compared", NULL);
        args[2 * i] = coerce(b, sides[0], type);
        args[2 * i + 1] = coerce(b, sides[1], type);
    }
    expr->args = args;
    expr->count = 4;
    expr->type = TYPE_BOOL;
}

// Compared in the common type, but given back as it is: so the first stands twice.
static void bind_nullif(struct binder *b, struct expr *expr)
{
    enum type type = common_type(b, expr->args, 2);
    struct expr **args = k_arena_zeroed(b->arena, 4 * sizeof *args);
    expr->type = expr->args[0]->literal ? type : expr->args[0]->type;
    args[0] = coerce(b, expr->args[0], type);
    args[1] = coerce(b, expr->args[1], type);
    args[2] = coerce(b, expr->args[0], expr->type);
    expr->args = args;
    expr->count = 3;
}

static void bind_parts(struct binder *b, struct expr *expr)
{
    enum type type;
    switch (expr->kind) {
    case E_CONST:
    case E_COLUMN:
    case E_AGGREGATE: break;
    case E_CALL: bind_function(b, expr); break;
    case E_ARITH: bind_arithmetic(b, expr); break;
    case E_NEGATE:
        if (expr->args[0]->literal) expr->args[0] = coerce(b, expr->args[0], TYPE_DOUBLE);
        expr->type = expr->args[0]->type;
        if (expr->type != TYPE_INT64 && expr->type != TYPE_DOUBLE) wrong(b, "this is no number", NULL);
        break;
    case E_COMPARE:
    case E_DISTINCT:
    case E_IN:
        type = common_type(b, expr->args, expr->count);
        if (type == TYPE_JSON) wrong(b, "json cannot be compared", NULL);
        coerce_all(b, expr->args, expr->count, type);
        expr->type = TYPE_BOOL;
        break;
    case E_CONCAT:
    case E_LIKE:
        coerce_all(b, expr->args, expr->count, TYPE_STRING);
        expr->type = expr->kind == E_LIKE ? TYPE_BOOL : TYPE_STRING;
        break;
    case E_AND:
    case E_OR:
    case E_NOT:
        coerce_all(b, expr->args, expr->count, TYPE_BOOL);
        expr->type = TYPE_BOOL;
        break;
    case E_IS:
        if (expr->op != 'n') expr->args[0] = coerce(b, expr->args[0], TYPE_BOOL);
        expr->type = TYPE_BOOL;
        break;
    case E_BETWEEN: bind_between(b, expr); break;
    case E_CASE: bind_case(b, expr); break;
    case E_COALESCE:
        expr->type = common_type(b, expr->args, expr->count);
        coerce_all(b, expr->args, expr->count, expr->type);
        break;
    case E_NULLIF:
        bind_nullif(b, expr);
        break;
    case E_CAST: bind_cast(b, expr); break;
    }
}

static bool is_constant(const struct expr *expr)
{
    return !expr || expr->kind == E_CONST;
}

static bool is_null(const struct expr *expr)
{
    return expr && expr->kind == E_CONST && expr->value.null;
}

static bool is_strict(const struct expr *expr)
{
    return expr->kind == E_CALL || expr->kind == E_ARITH || expr->kind == E_NEGATE || expr->kind == E_COMPARE ||
           expr->kind == E_CONCAT || expr->kind == E_LIKE || expr->kind == E_NOT || expr->kind == E_CAST;
}

// As PostgreSQL simplifies: what is constant is computed once, and a strict function of a constant NULL is NULL without
// a look at its other arguments (which might fail). IN, BETWEEN, NULLIF and CASE compare with their operand.
static void simplify(struct binder *b, struct expr *expr)
{
    bool constant = true, null = false;
    const char *reason = NULL;
    for (uint32_t i = 0; i < expr->count; i++) {
        constant = constant && is_constant(expr->args[i]);
        null = null || (is_strict(expr) && is_null(expr->args[i]));
    }
    bool compares = expr->kind == E_IN || expr->kind == E_BETWEEN || expr->kind == E_NULLIF;
    if (compares && is_null(expr->args[0])) null = true;
    if (expr->kind == E_CASE && is_null(expr->args[0])) { // equal to nothing
        expr->args[0] = NULL;
        expr->args[1] = expr->args[expr->count - 1];
        expr->count = 2;
        return;
    }
    if (!constant && !null) return;
    struct value value = null ? value_null(expr->type) : expr_eval(expr, NULL, b->arena, &reason);
    if (reason) return; // it fails for every row that needs it
    value.type = expr->type;
    *expr = (struct expr){.kind = E_CONST, .type = expr->type, .value = value};
}

static void bind(struct binder *b, struct expr *expr)
{
    if (b->failed) return;
    if (expr->kind == E_COLUMN) {
        bind_column(b, expr);
    } else if (expr->kind == E_AGGREGATE) {
        bind_aggregate(b, expr);
    } else {
        for (uint32_t i = 0; i < expr->count; i++)
            if (expr->args[i]) bind(b, expr->args[i]);
        if (!b->failed) bind_parts(b, expr);
        if (!b->failed && expr->kind != E_CONST) simplify(b, expr);
    }
}

static int compile(struct binder *b, bool set, struct expr **ret, const char **ret_name)
{
    struct parsed parsed;
    int code = expr_parse(b->arena, b->text, set, &parsed, b->err);
    if (code) return code;
    const char *own = parsed.expr->kind == E_COLUMN ? parsed.expr->name : NULL;
    bind(b, parsed.expr);
    if (b->failed) return b->failed;
    if (parsed.expr->type == TYPE_NONE) parsed.expr = coerce(b, parsed.expr, TYPE_STRING);
    *ret = parsed.expr;
    *ret_name = parsed.name ? parsed.name : own;
    return b->failed;
}

int expr_compile(struct k_arena *arena, const char *text, const struct scope *scope, struct expr **ret,
                 const char **ret_name, struct k_error *err)
{
    struct binder b = {.arena = arena, .text = text, .scope = scope, .err = err};
    return compile(&b, false, ret, ret_name);
}

int expr_compile_set(struct k_arena *arena, const char *text, const struct scope *scope, struct expr **ret,
                     const char **ret_name, struct k_error *err)
{
    struct binder b = {.arena = arena, .text = text, .scope = scope, .err = err};
    return compile(&b, true, ret, ret_name);
}

int expr_compile_select(struct k_arena *arena, const char *text, const struct scope *input, const struct scope *groups,
                        struct call **calls, struct expr **ret, const char **ret_name, struct k_error *err)
{
    struct binder b = {.arena = arena, .text = text, .scope = groups, .input = input, .calls = calls, .err = err};
    return compile(&b, false, ret, ret_name);
}
