// Which function a call means, and how values get from one type to another.
//
// The rules are PostgreSQL's, for few types. A literal in quotes has no type of its own: beside a value of some type
// it takes that type, else it is a string. Unasked, only int64 becomes double. Of several functions that fit, the one
// with the most arguments of exactly its types wins, then the one that stands first in the table.
#include "operators/expr/bind.h"

#include "base/error.h"
#include "proto/codes.h"

static bool is_literal_string(const struct k_expr *expr) { return expr->literal && expr->type == K_STRING; }
static bool is_literal_null(const struct k_expr *expr) { return expr->literal && expr->type == K_NO_TYPE; }

bool k_type_comparable(enum k_type type)
{
    return type != K_JSON && type != K_NO_TYPE;
}

bool k_can_coerce(const struct k_expr *expr, enum k_type type)
{
    return expr->literal || expr->type == type || (expr->type == K_INT64 && type == K_DOUBLE);
}

static const struct k_function *find_cast(enum k_type from, enum k_type to)
{
    uint32_t count;
    const struct k_function *functions = k_functions(&count);
    for (uint32_t i = 0; i < count; i++)
        if ((functions[i].flags & K_FN_CAST) && functions[i].args[0] == from && functions[i].result == to)
            return &functions[i];
    return NULL;
}

static struct k_expr *make_call(struct k_binder *binder, const struct k_function *function, enum k_type type,
                                uint32_t offset, struct k_expr **args, uint32_t count, const void *prepared)
{
    struct k_expr *node = k_node(binder, K_NODE_CALL, type, offset, count);
    node->function = function;
    node->prepared = prepared;
    node->not_null = true;
    for (uint32_t i = 0; i < count; i++) {
        node->args[i] = args[i];
        node->not_null = node->not_null && args[i]->not_null;
        // A strict function of a NULL is NULL, whatever else it is given.
        if (!(function->flags & (K_FN_NULLS | K_FN_LOOSE)) && args[i]->kind == K_NODE_CONST && args[i]->value.null)
            return k_node_const(binder, offset, (struct k_value){.type = type, .null = true});
    }
    if (function->flags & K_FN_PARTIAL) node->not_null = false;
    if (function->flags & K_FN_NULLS) node->not_null = true;
    if (function->flags & K_FN_LOOSE) node->not_null = args[0]->not_null;
    return k_node_done(binder, node);
}

// A string literal as a value of a type, checked now.
static struct k_expr *read_literal(struct k_binder *binder, const struct k_expr *expr, enum k_type type)
{
    struct k_value value = {.type = type};
    if (type == K_STRING) return k_node_const(binder, expr->offset, expr->value);
    const char *why = k_text_to_value(expr->value.s, type, &value);
    if (!why) return k_node_const(binder, expr->offset, value);
    k_expr_report(binder->report, expr->offset, K0305, "\"%.*s\" %s", (int)expr->value.s.length, expr->value.s.data,
                  why);
    return NULL;
}

struct k_expr *k_coerce(struct k_binder *binder, struct k_expr *expr, enum k_type type)
{
    if (is_literal_null(expr)) return k_node_const(binder, expr->offset, (struct k_value){.type = type, .null = true});
    if (is_literal_string(expr)) return read_literal(binder, expr, type);
    if (expr->type == type) return expr;
    K_ASSERT(expr->type == K_INT64 && type == K_DOUBLE);
    return make_call(binder, find_cast(K_INT64, K_DOUBLE), K_DOUBLE, expr->offset, &expr, 1, NULL);
}

bool k_common_type(struct k_binder *binder, struct k_expr **exprs, uint32_t count, const char *what,
                   enum k_type *ret_type)
{
    enum k_type type = K_NO_TYPE;
    for (uint32_t i = 0; i < count; i++) {
        enum k_type other = exprs[i]->type;
        if (exprs[i]->literal) {
            continue;
        } else if (type == K_NO_TYPE || other == type) {
            type = other;
        } else if ((type == K_INT64 && other == K_DOUBLE) || (type == K_DOUBLE && other == K_INT64)) {
            type = K_DOUBLE;
        } else {
            k_expr_report(binder->report, exprs[i]->offset, K0322, "%s mixes %s and %s; cast one of them", what,
                          k_type_name(type), k_type_name(other));
            return false;
        }
    }
    *ret_type = type != K_NO_TYPE ? type : K_STRING; // only literals and NULLs
    return true;
}

// The type that the function takes there; its last one again where it may be repeated.
static uint8_t arg_type(const struct k_function *function, uint32_t at)
{
    return function->args[at < function->count ? at : function->count - 1u];
}

// How well a function fits: -1 not at all, else how many arguments have exactly its types. `literal`: the type that
// string literals have for this look; K_NO_TYPE: any.
static int fit(const struct k_function *function, struct k_expr *const *args, uint32_t count, enum k_type literal)
{
    int score = 0;
    if (function->count != count && !((function->flags & K_FN_VARIADIC) && count > function->count)) return -1;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t type = arg_type(function, i);
        enum k_type want = (enum k_type)type;
        enum k_type have = is_literal_string(args[i]) ? literal : args[i]->type;
        if (type == K_ANY || (type == K_COMPARABLE && args[i]->type != K_JSON)) score++;
        else if (type == K_COMPARABLE) return -1;
        else if (have == want) score++;
        else if (!args[i]->literal && !k_can_coerce(args[i], want)) return -1;
        else if (is_literal_string(args[i]) && literal != K_NO_TYPE) return -1;
    }
    return score;
}

static const struct k_function *best_fit(const char *name, uint16_t kind, struct k_expr *const *args, uint32_t count,
                                         enum k_type literal)
{
    uint32_t functions_count;
    const struct k_function *functions = k_functions(&functions_count), *best = NULL;
    int best_score = -1;
    for (uint32_t i = 0; i < functions_count; i++) {
        const struct k_function *function = &functions[i];
        if ((function->flags & (K_FN_OPERATOR | K_FN_AGGREGATE | K_FN_FORM | K_FN_STAR)) != kind) continue;
        if (strcmp(function->name, name) != 0) continue;
        int score = fit(function, args, count, literal);
        if (score > best_score) {
            best = function;
            best_score = score;
        }
    }
    return best;
}

// The types of the arguments as people read them: "(string, int64)", or around an operator "string + int64".
static void add_arguments(struct k_buf *out, const char *name, uint16_t kind, struct k_expr *const *args,
                          uint32_t count)
{
    const char *types[2] = {count > 0 ? k_type_name(args[0]->type) : "", count > 1 ? k_type_name(args[1]->type) : ""};
    if (kind & K_FN_OPERATOR) {
        bool behind = strncmp(name, "IS ", 3) == 0;
        if (count == 2) k_buf_printf(out, "%s %s %s", types[0], name, types[1]);
        else k_buf_printf(out, "%s %s", behind ? types[0] : name, behind ? name : types[0]);
        return;
    }
    k_buf_printf(out, "%s(", name);
    for (uint32_t i = 0; i < count; i++) k_buf_printf(out, "%s%s", i ? ", " : "", k_type_name(args[i]->type));
    k_buf_add_text(out, ")");
}

static bool is_called(const struct k_function *function, const char *name, uint16_t kind)
{
    uint16_t own = function->flags & (K_FN_OPERATOR | K_FN_AGGREGATE | K_FN_FORM);
    return own == kind && strcmp(function->name, name) == 0;
}

// Lists what there is of the name: with as many arguments, or if there is no such, with any number.
static void list_signatures(struct k_buf *out, const char *name, uint16_t kind, uint32_t count)
{
    uint32_t functions_count, shown = 0;
    const struct k_function *functions = k_functions(&functions_count);
    for (int any = 0; any < 2 && !shown; any++)
        for (uint32_t i = 0; i < functions_count; i++)
            if (is_called(&functions[i], name, kind) && (any || functions[i].count == count))
                k_buf_printf(out, "%s %s", shown++ ? "," : "; there is", functions[i].signature);
}

static bool is_comparison(const char *name, uint16_t kind)
{
    uint32_t count;
    const struct k_function *functions = k_functions(&count);
    for (uint32_t i = 0; i < count; i++)
        if (is_called(&functions[i], name, kind)) return functions[i].flags & K_FN_COMPARISON;
    return false;
}

static void report_no_overload(struct k_binder *binder, const char *name, uint16_t kind, uint32_t offset,
                               struct k_expr *const *args, uint32_t count)
{
    struct k_buf text = {0};
    k_buf_add_text(&text, "there is no ");
    add_arguments(&text, name, kind, args, count);
    if (is_comparison(name, kind)) {
        bool json = args[0]->type == K_JSON || args[1]->type == K_JSON;
        k_buf_add_text(&text, json ? "; json cannot be compared: cast it, as in x::string"
                                   : "; cast one side to the type of the other, as in x::string");
    } else {
        bool bits = (strcmp(name, "&") == 0 || strcmp(name, "|") == 0) && args[0]->type == K_BOOL;
        list_signatures(&text, name, kind, count);
        if (bits) k_buf_printf(&text, "; of bools, use %s", name[0] == '&' ? "AND" : "OR");
        bool joins = strcmp(name, "||") == 0 || (strncmp(name, "concat", 6) == 0 && count > 0);
        if (joins) k_buf_add_text(&text, "; cast what is no string, as in x::string");
    }
    k_expr_report(binder->report, offset, K0321, "%s", text.data);
    k_buf_fini(&text);
}

// What people look for that cannot be here, or goes by another name.
static const char *function_advice(const char *name)
{
    static const struct {
        const char *name, *advice;
    } table[] = {
        {"now", "an outcome depends on the records alone, so that a replay gives the same; use a timestamp of theirs"},
        {"random", "an outcome depends on the records alone, so that a replay gives the same"},
        {"clock_timestamp", "an outcome depends on the records alone; use a timestamp of theirs"},
        {"if", "use CASE WHEN … THEN … ELSE … END"},
        {"ifnull", "use COALESCE"},
        {"isnull", "use IS NULL"},
        {"nvl", "use COALESCE"},
        {"len", "use length"},
        {"tolower", "use lower"},
        {"toupper", "use upper"},
        {"substr", "use substring"},
        {"mean", "use avg"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (strcmp(name, table[i].name) == 0) return table[i].advice;
    return NULL;
}

static void report_unknown_function(struct k_binder *binder, const char *name, uint32_t offset)
{
    uint32_t count, found = 0;
    const struct k_function *functions = k_functions(&count);
    const char **names = k_arena_array(binder->report->arena, const char *, count);
    for (uint32_t i = 0; i < count; i++)
        if (!(functions[i].flags & (K_FN_OPERATOR | K_FN_FORM | K_FN_CAST))) names[found++] = functions[i].name;
    const char *nearest = k_nearest(name, names, found);
    const char *advice = function_advice(name);
    bool mean = !advice && nearest;
    k_expr_report(binder->report, offset, K0320, "there is no function \"%s\"; %s%s%s", name,
                  mean ? "did you mean \"" : "", advice ? advice : mean ? nearest : "`kappa functions` lists all",
                  mean ? "\"?" : "");
}

static bool is_known(const char *name, uint16_t kind)
{
    uint32_t count;
    const struct k_function *functions = k_functions(&count);
    for (uint32_t i = 0; i < count; i++)
        if (is_called(&functions[i], name, kind)) return true;
    return false;
}

const struct k_function *k_overload(struct k_binder *binder, const char *name, uint16_t kind, uint32_t offset,
                                    struct k_expr **args, uint32_t count)
{
    if (!is_known(name, kind)) {
        report_unknown_function(binder, name, offset);
        return NULL;
    }
    // A literal first takes the type of the value that it meets; then it is a string; then whatever fits.
    enum k_type met = K_NO_TYPE;
    for (uint32_t i = 0; i < count; i++)
        if (!args[i]->literal) met = args[i]->type;
    const struct k_function *found = NULL;
    if ((kind & K_FN_OPERATOR) && count == 2 && met != K_NO_TYPE) found = best_fit(name, kind, args, count, met);
    if (!found) found = best_fit(name, kind, args, count, K_STRING);
    if (!found) found = best_fit(name, kind, args, count, K_NO_TYPE);
    if (!found) report_no_overload(binder, name, kind, offset, args, count);
    return found;
}

// Where in the text a byte of a string literal stands: behind the quote, if what is before it is written as it is.
static size_t place_within(const struct k_binder *binder, const struct k_expr *literal, size_t within)
{
    struct k_str text = binder->report->text;
    size_t first = literal->offset + 1u;
    bool plain = first + within <= text.length && text.data[literal->offset] == '\'' &&
                 memcmp(text.data + first, literal->value.s.data, within) == 0;
    return plain ? first + within : literal->offset;
}

// What the function has to say about constant arguments, and what it makes of them. false after a report.
static bool check_constants(struct k_binder *binder, const struct k_function *function, struct k_expr *const *args,
                            uint32_t count, const void **ret_prepared)
{
    const struct k_value *constants[K_FUNCTION_ARGS] = {0};
    bool has_null = false;
    for (uint32_t i = 0; i < count && i < K_FUNCTION_ARGS; i++) {
        if (args[i]->kind != K_NODE_CONST) continue;
        if (args[i]->value.null) has_null = true;
        else constants[i] = &args[i]->value;
    }
    uint32_t argument = 0;
    size_t within = 0;
    const char *why = function->check ? function->check(constants, &argument) : NULL;
    if (!why && function->prepare && !has_null) {
        struct k_prepare call = {.arena = binder->report->arena, .constants = constants, .count = count};
        *ret_prepared = function->prepare(&call);
        why = call.why;
        argument = call.argument;
        within = call.within;
    }
    if (!why) return true;
    const struct k_expr *wrong = args[argument];
    k_expr_report(binder->report, within ? place_within(binder, wrong, within) : wrong->offset, K0324, "%s", why);
    return false;
}

struct k_expr *k_bind_call(struct k_binder *binder, const char *name, bool is_operator, uint32_t offset,
                           struct k_expr **args, uint32_t count)
{
    const struct k_function *function =
        k_overload(binder, name, is_operator ? K_FN_OPERATOR : 0, offset, args, count);
    if (!function) return NULL;
    enum k_type result = (enum k_type)function->result, common = K_NO_TYPE;
    if (function->result == K_FIRST) { // all of them have one type, which is the result's
        if (!k_common_type(binder, args, count, function->name, &common)) return NULL;
        result = common;
    }
    struct k_expr **given = k_arena_array(binder->report->arena, struct k_expr *, count);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t type = arg_type(function, i);
        if (type == K_ANY) given[i] = k_bind_settle(binder, args[i]);
        else given[i] = k_coerce(binder, args[i], type == K_COMPARABLE ? common : (enum k_type)type);
        if (!given[i]) return NULL;
    }
    const void *prepared = NULL;
    if (!check_constants(binder, function, given, count, &prepared)) return NULL;
    return make_call(binder, function, result, offset, given, count, prepared);
}

// The names that PostgreSQL and we have for a type.
static const struct {
    const char *name;
    enum k_type type;
    const char *advice; // with K_NO_TYPE: what to do instead
} type_names[] = {
    {"bool", K_BOOL, NULL},           {"boolean", K_BOOL, NULL},        {"int64", K_INT64, NULL},
    {"bigint", K_INT64, NULL},        {"int8", K_INT64, NULL},          {"int", K_INT64, NULL},
    {"integer", K_INT64, NULL},       {"int4", K_INT64, NULL},          {"int2", K_INT64, NULL},
    {"double", K_DOUBLE, NULL},       {"float8", K_DOUBLE, NULL},       {"string", K_STRING, NULL},
    {"text", K_STRING, NULL},         {"varchar", K_STRING, NULL},      {"timestamp", K_TIMESTAMP, NULL},
    {"timestamptz", K_TIMESTAMP, NULL}, {"interval", K_INTERVAL, NULL}, {"json", K_JSON, NULL},
    {"jsonb", K_NO_TYPE, "use json"},   {"bytes", K_BYTES, NULL},       {"bytea", K_BYTES, NULL},
    {"numeric", K_NO_TYPE, "decimal is not supported yet; use double, or int64 in the smallest unit"},
    {"decimal", K_NO_TYPE, "decimal is not supported yet; use double, or int64 in the smallest unit"},
    {"float4", K_NO_TYPE, "use double"},
    {"date", K_NO_TYPE, "date is not supported yet; use date_trunc('day', …)"},
    {"bpchar", K_NO_TYPE, "use string"},
};

static bool find_type(struct k_binder *binder, const struct k_ast *ast, enum k_type *ret_type)
{
    const char *names[sizeof type_names / sizeof type_names[0]];
    size_t count = sizeof type_names / sizeof type_names[0];
    for (size_t i = 0; i < count; i++) {
        names[i] = type_names[i].name;
        if (strcmp(ast->name, names[i]) != 0) continue;
        *ret_type = type_names[i].type;
        if (!type_names[i].advice) return true;
        k_expr_report(binder->report, ast->offset, K0323, "no type \"%s\"; %s", ast->name, type_names[i].advice);
        return false;
    }
    const char *nearest = k_nearest(ast->name, names, count);
    k_expr_report(binder->report, ast->offset, K0323,
                  "unknown type \"%s\"; the types are bool, int64, double, string, timestamp, interval%s%s%s",
                  ast->name, nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    return false;
}

struct k_expr *k_bind_cast(struct k_binder *binder, const struct k_ast *ast)
{
    enum k_type type;
    bool known = find_type(binder, ast, &type);
    struct k_expr *expr = k_bind(binder, ast->args[0]);
    if (!known || !expr) return NULL;
    if (expr->literal || expr->type == type) {
        if (is_literal_string(expr) && type == K_BYTES) {
            k_expr_report(binder->report, ast->offset, K0323, "there is no cast from string to bytes");
            return NULL;
        }
        return k_coerce(binder, expr, type);
    }
    const struct k_function *cast = find_cast(expr->type, type);
    if (cast) return make_call(binder, cast, type, ast->offset, &expr, 1, NULL);
    k_expr_report(binder->report, ast->offset, K0323, "there is no cast from %s to %s", k_type_name(expr->type),
                  k_type_name(type));
    return NULL;
}
