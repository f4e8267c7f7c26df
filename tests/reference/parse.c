// From the text of an expression to its tree: tokens, and precedence climbing with PostgreSQL's precedences.
#include <stdio.h>
#include <stdlib.h>

#include "base/double_text.h"
#include "tests/reference/expr.h"

// How strongly operators bind, the weakest first.
enum {
    BIND_OR = 1, BIND_AND, BIND_NOT, BIND_IS, BIND_COMPARE, BIND_RANGE, BIND_OTHER, BIND_SUM, BIND_PRODUCT, BIND_SIGN,
    BIND_CAST
};

enum token { T_END, T_WORD, T_NAME, T_NUMBER, T_STRING, T_SYMBOL };

struct parser {
    struct k_arena *arena;
    const char *text, *at; // at: behind the token
    enum token token;
    struct k_str value; // words in lower case; strings and names without their quotes
    struct k_error *err;
    int failed;
    int depth;
};

static void wrong(struct parser *p, const char *what)
{
    if (!p->failed) p->failed = k_fail(p->err, K_E_CONFIG, "expression \"%s\": %s", p->text, what);
    p->token = T_END; // every loop ends
}

static bool is_letter(char c)
{
    return ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '_' || (c & 0x80);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void read_quoted(struct parser *p, char quote, bool escapes)
{
    char *to = k_arena_get(p->arena, strlen(p->at) + 1);
    p->value.data = to;
    for (p->at++;; p->at++) {
        char c = *p->at;
        if (!c) {
            wrong(p, "a quote has no end");
            return;
        }
        if (c == quote && *++p->at != quote) break;
        if (c == '\\' && escapes) {
            c = *++p->at;
            c = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
        }
        *to++ = c;
    }
    p->value.length = (uint32_t)(to - p->value.data);
    p->token = quote == '"' ? T_NAME : T_STRING;
}

static void read_number(struct parser *p)
{
    const char *start = p->at;
    while (is_digit(*p->at)) p->at++;
    if (*p->at == '.') p->at++;
    while (is_digit(*p->at)) p->at++;
    if ((*p->at | 32) == 'e') {
        const char *e = p->at + 1;
        if (*e == '+' || *e == '-') e++;
        if (is_digit(*e)) {
            while (is_digit(*e)) e++;
            p->at = e;
        }
    }
    p->token = T_NUMBER;
    p->value = (struct k_str){start, (uint32_t)(p->at - start)};
}

static void next(struct parser *p)
{
    static const char *const symbols[] = {"::", "<=", ">=", "<>", "!=", "||"};
    if (p->failed) return;
    while (*p->at == ' ' || (*p->at >= '\t' && *p->at <= '\r')) p->at++;
    const char *start = p->at;
    if (!*start) {
        p->token = T_END;
    } else if ((start[0] == 'e' || start[0] == 'E') && start[1] == '\'') {
        p->at++;
        read_quoted(p, '\'', true);
    } else if (*start == '\'' || *start == '"') {
        read_quoted(p, *start, false);
    } else if (is_digit(*start) || (*start == '.' && is_digit(start[1]))) {
        read_number(p);
    } else if (is_letter(*start)) {
        while (is_letter(*p->at) || is_digit(*p->at) || *p->at == '$') p->at++;
        char *word = k_arena_copy(p->arena, start, (size_t)(p->at - start));
        p->token = T_WORD;
        p->value = (struct k_str){word, (uint32_t)(p->at - start)};
        for (; *word; word++)
            if (*word >= 'A' && *word <= 'Z') *word = (char)(*word + 32);
    } else {
        p->at++;
        for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++)
            if (strncmp(start, symbols[i], 2) == 0) p->at = start + 2;
        p->token = T_SYMBOL;
        p->value = (struct k_str){start, (uint32_t)(p->at - start)};
    }
}

static bool is(const struct parser *p, const char *what)
{
    enum token token = is_letter(what[0]) ? T_WORD : T_SYMBOL;
    return p->token == token && k_str_equal(p->value, k_str_of(what));
}

static bool take(struct parser *p, const char *what)
{
    if (!is(p, what)) return false;
    next(p);
    return true;
}

static void need(struct parser *p, const char *what)
{
    if (!take(p, what)) wrong(p, k_arena_format(p->arena, "\"%s\" is missing", what));
}

static const char *take_name(struct parser *p)
{
    if (p->token != T_WORD && p->token != T_NAME) {
        wrong(p, "a name is missing");
        return "";
    }
    const char *name = k_arena_copy(p->arena, p->value.data, p->value.length);
    next(p);
    return name;
}

struct expr *expr_node(struct k_arena *arena, enum kind kind, uint32_t count)
{
    struct expr *expr = k_arena_zeroed(arena, sizeof *expr);
    expr->kind = kind;
    expr->count = count;
    expr->args = k_arena_zeroed(arena, (count + 1) * sizeof *expr->args);
    return expr;
}

static struct expr *parse(struct parser *p, int least);

static struct expr *node2(struct parser *p, enum kind kind, char op, struct expr *left, struct expr *right)
{
    struct expr *expr = expr_node(p->arena, kind, right ? 2 : 1);
    expr->op = op;
    expr->args[0] = left;
    if (right) expr->args[1] = right;
    return expr;
}

static struct expr *constant(struct parser *p, struct value value, bool literal)
{
    struct expr *expr = expr_node(p->arena, E_CONST, 0);
    expr->value = value;
    expr->type = value.type;
    expr->literal = literal;
    return expr;
}

static void append(struct parser *p, struct expr *expr, struct expr *arg)
{
    struct expr **args = k_arena_zeroed(p->arena, (expr->count + 2) * sizeof *args);
    memcpy(args, expr->args, expr->count * sizeof *args);
    args[expr->count++] = arg;
    expr->args = args;
}

static void append_list(struct parser *p, struct expr *expr)
{
    do append(p, expr, parse(p, 0));
    while (take(p, ","));
    need(p, ")");
}

static struct expr *parse_number(struct parser *p, bool negative)
{
    bool whole = true;
    struct value value = {0};
    for (uint32_t i = 0; i < p->value.length; i++) whole = whole && is_digit(p->value.data[i]);
    // The least int64 has no positive counterpart, so the sign is read with the digits.
    const char *digits = k_arena_format(p->arena, "%s%.*s", negative ? "-" : "", (int)p->value.length, p->value.data);
    if (!whole || !value_from_text(k_str_of(digits), TYPE_INT64, &value)) {
        value = value_double(0);
        if (k_double_parse(digits, strlen(digits), &value.d)) wrong(p, "a number is out of range");
    }
    next(p);
    return constant(p, value, false);
}

static struct expr *parse_case(struct parser *p)
{
    struct expr *expr = expr_node(p->arena, E_CASE, 0);
    append(p, expr, is(p, "when") ? NULL : parse(p, 0));
    if (!is(p, "when")) wrong(p, "CASE has no WHEN");
    while (take(p, "when")) {
        append(p, expr, parse(p, 0));
        need(p, "then");
        append(p, expr, parse(p, 0));
    }
    append(p, expr, take(p, "else") ? parse(p, 0) : NULL);
    need(p, "end");
    return expr;
}

static struct expr *cast_to(struct parser *p, struct expr *what)
{
    struct expr *expr = node2(p, E_CAST, 0, what, NULL);
    const char *name = take_name(p);
    if (strcmp(name, "double") == 0 && is(p, "precision")) next(p);
    if (strcmp(name, "timestamp") == 0 && (is(p, "with") || is(p, "without"))) {
        next(p);
        need(p, "time");
        need(p, "zone");
    }
    if (!type_of_name(k_str_of(name), &expr->type)) wrong(p, "a type is not known");
    return expr;
}

static bool is_aggregate(const char *name)
{
    static const char *const names[] = {"count", "sum", "avg", "min", "max", "arg_min", "arg_max",
                                        "variance", "var_pop", "var_samp", "stddev", "stddev_pop", "stddev_samp",
                                        "first", "last"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

// Behind "name(".
static struct expr *parse_call(struct parser *p, const char *name)
{
    struct expr *expr = expr_node(p->arena, E_CALL, 0);
    expr->name = name;
    if (strcmp(name, "coalesce") == 0) expr->kind = E_COALESCE;
    if (strcmp(name, "nullif") == 0) expr->kind = E_NULLIF;
    if (is_aggregate(name)) expr->kind = E_AGGREGATE;
    if (strcmp(name, "cast") == 0) {
        struct expr *what = parse(p, 0);
        need(p, "as");
        expr = cast_to(p, what);
        need(p, ")");
        return expr;
    }
    if (expr->kind == E_AGGREGATE && take(p, "*")) {
        need(p, ")");
    } else if (!take(p, ")")) {
        expr->distinct = expr->kind == E_AGGREGATE && take(p, "distinct");
        append(p, expr, parse(p, 0));
        bool from = take(p, "from");
        if (from) append(p, expr, parse(p, 0));
        if (take(p, "for")) {
            if (!from) append(p, expr, constant(p, value_int(1), false));
            append(p, expr, parse(p, 0));
        }
        if (take(p, ",")) append_list(p, expr);
        else need(p, ")");
    }
    if (expr->kind == E_AGGREGATE && take(p, "filter")) {
        need(p, "(");
        need(p, "where");
        expr->filter = parse(p, 0);
        need(p, ")");
    }
    return expr;
}

static struct expr *parse_word(struct parser *p)
{
    bool quoted = p->token == T_NAME;
    enum type type;
    const char *name = take_name(p);
    if (!quoted) {
        if (strcmp(name, "null") == 0) return constant(p, value_null(TYPE_NONE), true);
        if (strcmp(name, "true") == 0) return constant(p, value_bool(true), false);
        if (strcmp(name, "false") == 0) return constant(p, value_bool(false), false);
        if (strcmp(name, "case") == 0) return parse_case(p);
        if (p->token == T_STRING && type_of_name(k_str_of(name), &type)) { // TIMESTAMP '2026-01-01'
            struct expr *cast = node2(p, E_CAST, 0, constant(p, value_string(p->value), true), NULL);
            cast->type = type;
            next(p);
            return cast;
        }
        if (take(p, "(")) return parse_call(p, name);
    }
    while (take(p, ".")) name = k_arena_format(p->arena, "%s.%s", name, take_name(p)); // of a join's input
    struct expr *column = expr_node(p->arena, E_COLUMN, 0);
    column->name = name;
    return column;
}

static struct expr *parse_first(struct parser *p)
{
    if (take(p, "(")) {
        struct expr *inner = parse(p, 0);
        need(p, ")");
        return inner;
    }
    if (take(p, "not")) return node2(p, E_NOT, 0, parse(p, BIND_NOT), NULL);
    if (take(p, "-")) {
        if (p->token == T_NUMBER && k_str_equal(p->value, K_STR("9223372036854775808"))) return parse_number(p, true);
        return node2(p, E_NEGATE, 0, parse(p, BIND_SIGN), NULL);
    }
    if (take(p, "+")) return parse(p, BIND_SIGN);
    if (p->token == T_NUMBER) return parse_number(p, false);
    if (p->token == T_STRING) {
        struct expr *literal = constant(p, value_string(p->value), true);
        next(p);
        return literal;
    }
    if (p->token == T_WORD || p->token == T_NAME) return parse_word(p);
    wrong(p, "a value is missing");
    return constant(p, value_null(TYPE_NONE), true);
}

static struct expr *parse_is(struct parser *p, struct expr *left)
{
    bool negated = take(p, "not");
    struct expr *expr = node2(p, E_IS, 'n', left, NULL);
    if (take(p, "distinct")) {
        need(p, "from");
        expr = node2(p, E_DISTINCT, 0, left, parse(p, BIND_IS + 1));
    } else if (take(p, "true")) {
        expr->op = 't';
    } else if (take(p, "false")) {
        expr->op = 'f';
    } else if (!take(p, "unknown")) {
        need(p, "null");
    }
    expr->negated = negated;
    return expr;
}

static struct expr *parse_range(struct parser *p, struct expr *left)
{
    struct expr *expr;
    bool negated = take(p, "not");
    if (take(p, "between")) {
        expr = expr_node(p->arena, E_BETWEEN, 0);
        append(p, expr, left);
        append(p, expr, parse(p, BIND_RANGE + 1));
        need(p, "and");
        append(p, expr, parse(p, BIND_RANGE + 1));
    } else if (take(p, "in")) {
        expr = expr_node(p->arena, E_IN, 0);
        append(p, expr, left);
        need(p, "(");
        append_list(p, expr);
    } else {
        need(p, "like");
        expr = expr_node(p->arena, E_LIKE, 0);
        append(p, expr, left);
        append(p, expr, parse(p, BIND_RANGE + 1));
        append(p, expr, take(p, "escape") ? parse(p, BIND_RANGE + 1) : NULL);
    }
    expr->negated = negated;
    return expr;
}

static char comparison(const struct parser *p)
{
    static const struct {
        const char *symbol;
        char op;
    } symbols[] = {{"=", '='}, {"<>", '!'}, {"!=", '!'}, {"<", '<'}, {"<=", 'l'}, {">", '>'}, {">=", 'g'}};
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++)
        if (is(p, symbols[i].symbol)) return symbols[i].op;
    return 0;
}

// NOT stands before BETWEEN, IN and LIKE, or it begins nothing here.
static bool at_range(struct parser *p)
{
    if (!is(p, "not")) return is(p, "between") || is(p, "in") || is(p, "like");
    struct parser ahead = *p;
    next(&ahead);
    return is(&ahead, "between") || is(&ahead, "in") || is(&ahead, "like");
}

static struct expr *parse(struct parser *p, int least)
{
    if (++p->depth > 200) wrong(p, "it is nested too deeply");
    struct expr *left = parse_first(p);
    int bound = BIND_CAST; // operators that do not chain: a second one of that strength is an error
    while (!p->failed) {
        char op = comparison(p);
        // Behind the list of IN stronger operators take the whole, and the chain begins anew.
        if (is(p, "::") || is(p, "*") || is(p, "/") || is(p, "%") || is(p, "+") || is(p, "-") || is(p, "||"))
            bound = BIND_CAST;
        if (is(p, "::")) {
            next(p);
            left = cast_to(p, left);
        } else if (least <= BIND_PRODUCT && (is(p, "*") || is(p, "/") || is(p, "%"))) {
            op = p->value.data[0];
            next(p);
            left = node2(p, E_ARITH, op, left, parse(p, BIND_PRODUCT + 1));
        } else if (least <= BIND_SUM && (is(p, "+") || is(p, "-"))) {
            op = p->value.data[0];
            next(p);
            left = node2(p, E_ARITH, op, left, parse(p, BIND_SUM + 1));
        } else if (least <= BIND_OTHER && take(p, "||")) {
            left = node2(p, E_CONCAT, 0, left, parse(p, BIND_OTHER + 1));
        } else if (least <= BIND_RANGE && bound != BIND_RANGE && at_range(p)) {
            left = parse_range(p, left);
            bound = BIND_RANGE;
        } else if (least <= BIND_COMPARE && bound != BIND_COMPARE && op) {
            next(p);
            left = node2(p, E_COMPARE, op, left, parse(p, BIND_COMPARE + 1));
            bound = BIND_COMPARE;
        } else if (least <= BIND_IS && take(p, "is")) {
            left = parse_is(p, left);
            bound = BIND_IS;
        } else if (least <= BIND_IS && (is(p, "isnull") || is(p, "notnull"))) {
            bool negated = is(p, "notnull");
            next(p);
            left = node2(p, E_IS, 'n', left, NULL);
            left->negated = negated;
        } else if (least <= BIND_AND && take(p, "and")) {
            left = node2(p, E_AND, 0, left, parse(p, BIND_AND + 1));
        } else if (least <= BIND_OR && take(p, "or")) {
            left = node2(p, E_OR, 0, left, parse(p, BIND_OR + 1));
        } else {
            break;
        }
    }
    p->depth--;
    return left;
}

int expr_parse(struct k_arena *arena, const char *text, bool set, struct parsed *ret, struct k_error *err)
{
    struct parser p = {.arena = arena, .text = text, .at = text, .err = err};
    next(&p);
    ret->name = NULL;
    if (set) {
        ret->name = take_name(&p);
        need(&p, "=");
    }
    ret->expr = parse(&p, 0);
    if (!set && take(&p, "as")) ret->name = take_name(&p);
    if (!p.failed && p.token != T_END) wrong(&p, "something stands behind it");
    return p.failed;
}
