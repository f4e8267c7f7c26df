// Evaluation of one expression for one row. Three-valued logic; only what is needed is evaluated.
#include <math.h>

#include "tests/reference/expr.h"

struct eval {
    const struct value *row;
    struct k_arena *arena;
    const char **reason;
};

static struct value fail(struct eval *e, const char *reason, enum type type)
{
    *e->reason = reason;
    return value_null(type);
}

static struct value eval(struct eval *e, const struct expr *expr)
{
    return expr_eval(expr, e->row, e->arena, e->reason);
}

static struct value arith_int(struct eval *e, char op, int64_t a, int64_t b)
{
    int64_t result = 0;
    if ((op == '/' || op == '%') && b == 0) return fail(e, "division_by_zero", TYPE_INT64);
    bool over = op == '+'   ? __builtin_add_overflow(a, b, &result)
                : op == '-' ? __builtin_sub_overflow(a, b, &result)
                : op == '*' ? __builtin_mul_overflow(a, b, &result)
                            : op == '/' && a == INT64_MIN && b == -1;
    if (over) return fail(e, "overflow", TYPE_INT64);
    if (op == '/') result = a / b;
    if (op == '%') result = b == -1 ? 0 : a % b;
    return value_int(result);
}

// As PostgreSQL: infinite from finite numbers, and zero from what is not, are errors.
static struct value arith_double(struct eval *e, char op, double a, double b)
{
    if ((op == '/' || op == '%') && b == 0 && !isnan(a)) return fail(e, "division_by_zero", TYPE_DOUBLE);
    double result = op == '+' ? a + b : op == '-' ? a - b : op == '*' ? a * b : op == '/' ? a / b : fmod(a, b);
    if (isinf(result) && !isinf(a) && (op == '/' || !isinf(b))) return fail(e, "overflow", TYPE_DOUBLE);
    bool lost = result == 0 && ((op == '*' && a != 0 && b != 0) || (op == '/' && a != 0 && !isinf(b)));
    return lost ? fail(e, "underflow", TYPE_DOUBLE) : value_double(result);
}

static struct value arith_time(struct eval *e, const struct expr *expr, const struct value *a, const struct value *b)
{
    struct value result = {.type = expr->type};
    if (expr->type == TYPE_INTERVAL) {
        if (__builtin_sub_overflow(a->i, b->i, &result.v.us)) return fail(e, "overflow", TYPE_INTERVAL);
        return result;
    }
    const struct value *time = a->type == TYPE_TIMESTAMP ? a : b, *interval = time == a ? b : a;
    bool fits = time_add(time->i, interval->v, expr->op == '-' ? -1 : 1, &result.i);
    return fits ? result : fail(e, "overflow", TYPE_TIMESTAMP);
}

static struct value eval_binary(struct eval *e, const struct expr *expr)
{
    struct value a = eval(e, expr->args[0]);
    if (*e->reason) return value_null(expr->type);
    struct value b = eval(e, expr->args[1]);
    if (*e->reason || a.null || b.null) return value_null(expr->type);
    if (expr->kind == E_CONCAT) {
        char *text = k_arena_get(e->arena, (size_t)a.s.length + b.s.length);
        if (a.s.length) memcpy(text, a.s.data, a.s.length);
        if (b.s.length) memcpy(text + a.s.length, b.s.data, b.s.length);
        return value_string((struct k_str){text, a.s.length + b.s.length});
    }
    if (expr->kind == E_ARITH) {
        if (expr->type == TYPE_INT64) return arith_int(e, expr->op, a.i, b.i);
        return expr->type == TYPE_DOUBLE ? arith_double(e, expr->op, a.d, b.d) : arith_time(e, expr, &a, &b);
    }
    int order = value_compare(&a, &b);
    switch (expr->op) {
    case '=': return value_bool(order == 0);
    case '!': return value_bool(order != 0);
    case '<': return value_bool(order < 0);
    case 'l': return value_bool(order <= 0);
    case '>': return value_bool(order > 0);
    default: return value_bool(order >= 0);
    }
}

// The second is not looked at where the first settles it: false for AND, true for OR.
static struct value eval_logic(struct eval *e, const struct expr *expr)
{
    bool settles = expr->kind == E_OR;
    struct value a = eval(e, expr->args[0]);
    if (*e->reason || (!a.null && a.b == settles)) return a;
    struct value b = eval(e, expr->args[1]);
    if (*e->reason || (!b.null && b.b == settles)) return b;
    return a.null ? a : b;
}

static struct value eval_is(struct eval *e, const struct expr *expr)
{
    struct value a = eval(e, expr->args[0]);
    if (*e->reason) return value_null(TYPE_BOOL);
    bool is = expr->op == 'n' ? a.null : !a.null && a.b == (expr->op == 't');
    return value_bool(is != expr->negated);
}

static struct value eval_distinct(struct eval *e, const struct expr *expr)
{
    struct value a = eval(e, expr->args[0]);
    struct value b = *e->reason ? a : eval(e, expr->args[1]);
    if (*e->reason) return value_null(TYPE_BOOL);
    bool distinct = a.null || b.null ? a.null != b.null : value_compare(&a, &b) != 0;
    return value_bool(distinct != expr->negated);
}

static struct value eval_in(struct eval *e, const struct expr *expr)
{
    struct value a = eval(e, expr->args[0]);
    bool unknown = a.null;
    for (uint32_t i = 1; i < expr->count && !*e->reason; i++) {
        struct value item = eval(e, expr->args[i]);
        if (*e->reason) break;
        if (a.null || item.null) unknown = true;
        else if (value_compare(&a, &item) == 0) return value_bool(!expr->negated);
    }
    if (*e->reason || unknown) return value_null(TYPE_BOOL);
    return value_bool(expr->negated);
}

// args: the operand as it meets the low end, the low end, the operand as it meets the high end, the high end.
static struct value eval_between(struct eval *e, const struct expr *expr)
{
    bool unknown = false;
    for (int i = 0; i < 4; i += 2) {
        struct value a = eval(e, expr->args[i]);
        struct value end = *e->reason ? a : eval(e, expr->args[i + 1]);
        if (*e->reason) return value_null(TYPE_BOOL);
        int order = a.null || end.null ? 0 : value_compare(&a, &end);
        if (i ? order > 0 : order < 0) return value_bool(expr->negated); // outside, whatever the other end is
        unknown = unknown || a.null || end.null;
    }
    return unknown ? value_null(TYPE_BOOL) : value_bool(!expr->negated);
}

static struct value eval_case(struct eval *e, const struct expr *expr)
{
    struct value operand = expr->args[0] ? eval(e, expr->args[0]) : value_null(TYPE_NONE);
    for (uint32_t i = 1; i + 1 < expr->count && !*e->reason; i += 2) {
        struct value when = eval(e, expr->args[i]);
        if (*e->reason) break;
        bool taken = expr->args[0] ? !operand.null && !when.null && value_compare(&operand, &when) == 0
                                   : value_is_true(when);
        if (taken) return eval(e, expr->args[i + 1]);
    }
    const struct expr *otherwise = expr->args[expr->count - 1];
    return *e->reason || !otherwise ? value_null(expr->type) : eval(e, otherwise);
}

static struct value eval_coalesce(struct eval *e, const struct expr *expr)
{
    struct value value = value_null(expr->type);
    for (uint32_t i = 0; i < expr->count && value.null && !*e->reason; i++) value = eval(e, expr->args[i]);
    return value;
}

static struct value eval_nullif(struct eval *e, const struct expr *expr)
{
    struct value a = eval(e, expr->args[0]);
    struct value b = *e->reason ? a : eval(e, expr->args[1]);
    if (*e->reason || (!a.null && !b.null && value_compare(&a, &b) == 0)) return value_null(expr->type);
    return eval(e, expr->args[2]);
}

static struct value cast(struct eval *e, const struct value *from, enum type to)
{
    struct value value = value_null(to);
    if (from->null) return value;
    if (from->type == to) return *from;
    if (to == TYPE_STRING) return value_string(value_to_text(from, e->arena));
    if (from->type == TYPE_STRING) {
        if (!value_from_text(from->s, to, &value)) return fail(e, "cast", to);
        return value;
    }
    if (from->type == TYPE_BOOL && to == TYPE_INT64) return value_int(from->b);
    if (from->type == TYPE_INT64 && to == TYPE_BOOL) return value_bool(from->i != 0);
    if (from->type == TYPE_INT64 && to == TYPE_DOUBLE) return value_double((double)from->i);
    if (from->type == TYPE_DOUBLE && to == TYPE_INT64) {
        double whole = rint(from->d); // halves to even
        // 2^63 is a double, 2^63 − 1 is not.
        if (whole >= -0x1p63 && whole < 0x1p63) return value_int((int64_t)whole);
    }
    return fail(e, "cast", to);
}

static struct value eval_strict(struct eval *e, const struct expr *expr)
{
    struct value args[3] = {{0}};
    bool null = false;
    for (uint32_t i = 0; i < expr->count; i++) {
        if (!expr->args[i]) continue;
        args[i] = eval(e, expr->args[i]);
        if (*e->reason) return value_null(expr->type);
        null = null || args[i].null;
    }
    if (null) return value_null(expr->type);
    if (expr->kind == E_CALL) return function_call(expr->name, args, expr->count, e->arena, e->reason);
    struct value like = function_like(args[0].s, args[1].s, expr->args[2] ? &args[2].s : NULL, e->reason);
    return like.null ? like : value_bool(like.b != expr->negated);
}

struct value expr_eval(const struct expr *expr, const struct value *row, struct k_arena *arena, const char **reason)
{
    struct eval e = {row, arena, reason};
    struct value a;
    switch (expr->kind) {
    case E_CONST: return expr->value;
    case E_COLUMN: return row[expr->index];
    case E_ARITH:
    case E_COMPARE:
    case E_CONCAT: return eval_binary(&e, expr);
    case E_NEGATE:
        a = eval(&e, expr->args[0]);
        if (a.null) return a;
        if (a.type == TYPE_DOUBLE) return value_double(-a.d);
        return a.i == INT64_MIN ? fail(&e, "overflow", TYPE_INT64) : value_int(-a.i);
    case E_AND:
    case E_OR: return eval_logic(&e, expr);
    case E_NOT:
        a = eval(&e, expr->args[0]);
        return a.null ? a : value_bool(!a.b);
    case E_IS: return eval_is(&e, expr);
    case E_DISTINCT: return eval_distinct(&e, expr);
    case E_IN: return eval_in(&e, expr);
    case E_BETWEEN: return eval_between(&e, expr);
    case E_CASE: return eval_case(&e, expr);
    case E_COALESCE: return eval_coalesce(&e, expr);
    case E_NULLIF: return eval_nullif(&e, expr);
    case E_CAST:
        a = eval(&e, expr->args[0]);
        return *reason ? value_null(expr->type) : cast(&e, &a, expr->type);
    case E_CALL:
    case E_LIKE: return eval_strict(&e, expr);
    case E_AGGREGATE: break; // binding leaves none
    }
    return value_null(expr->type);
}
