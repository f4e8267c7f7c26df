// From text to our own tree, by PostgreSQL's parser. This file and scan.c are the only users of libpg_query.
//
// The text is parsed as "SELECT <text>", which must turn out to be one target and nothing else. The parser hands over
// its tree as protobuf, whose nesting is checked before it is unpacked; our tree is bounded again by its own depth.
#include "operators/expr/ast.h"

#include <ctype.h>
#include <errno.h>
#include <pg_query.h>
#include <pg_query/pg_query.pb-c.h>
#include <stdlib.h>
#include <strings.h>

#include "base/double_text.h"
#include "proto/codes.h"

#define PREFIX "SELECT "
enum {
    PREFIX_LENGTH = sizeof PREFIX - 1,
    NESTING_MAX = 5 * K_EXPR_DEPTH_MAX, // messages: a level of an expression takes up to four
};

struct parse {
    struct k_expr_report *report;
    uint32_t depth;
};

typedef PgQuery__Node Node;

static uint32_t place(int32_t location)
{
    return location < PREFIX_LENGTH ? 0 : (uint32_t)location - PREFIX_LENGTH;
}

static struct k_ast *convert(struct parse *parse, const Node *node);

static struct k_ast *make(struct parse *parse, enum k_ast_kind kind, int32_t location, uint32_t count)
{
    struct k_ast *ast = k_arena_zeroed(parse->report->arena, sizeof *ast);
    ast->kind = kind;
    ast->offset = place(location);
    ast->count = count;
    ast->args = k_arena_zeroed(parse->report->arena, count * sizeof *ast->args);
    return ast;
}

static const char *copy(struct parse *parse, const char *text)
{
    return k_arena_copy(parse->report->arena, text, strlen(text));
}

static struct k_ast *unsupported(struct parse *parse, int32_t location, const char *what)
{
    k_expr_report(parse->report, place(location), K0304, "%s is not supported here", what);
    return NULL;
}

// Converts into a place of args; a failure is already reported and leaves NULL there, which fails the whole.
static bool convert_into(struct parse *parse, struct k_ast *ast, uint32_t at, const Node *node)
{
    ast->args[at] = convert(parse, node);
    return ast->args[at] != NULL;
}

static bool convert_all(struct parse *parse, struct k_ast *ast, uint32_t from, Node *const *nodes, size_t count)
{
    bool good = true;
    for (size_t i = 0; i < count; i++)
        if (!convert_into(parse, ast, from + (uint32_t)i, nodes[i])) good = false;
    return good;
}

// The literal of a number with a point, an exponent, or more digits than 32 bits hold.
static struct k_ast *convert_number(struct parse *parse, const char *text, int32_t location)
{
    bool whole = text[strspn(text, "+-0123456789")] == 0;
    struct k_ast *ast = make(parse, whole ? K_AST_INT : K_AST_DOUBLE, location, 0);
    if (whole) {
        errno = 0;
        ast->i = strtoll(text, NULL, 10);
        if (errno == 0) return ast;
        k_expr_report(parse->report, place(location), K0305, "%s is out of the range of int64", text);
        return NULL;
    }
    if (k_double_parse(text, strlen(text), &ast->d) == 0) return ast;
    k_expr_report(parse->report, place(location), K0305, "%s is out of the range of double", text);
    return NULL;
}

static struct k_ast *convert_const(struct parse *parse, const PgQuery__AConst *node)
{
    struct k_ast *ast;
    if (node->isnull) return make(parse, K_AST_NULL, node->location, 0);
    switch ((int)node->val_case) {
    case PG_QUERY__A__CONST__VAL_IVAL:
        ast = make(parse, K_AST_INT, node->location, 0);
        ast->i = node->ival->ival;
        return ast;
    case PG_QUERY__A__CONST__VAL_FVAL: return convert_number(parse, node->fval->fval, node->location);
    case PG_QUERY__A__CONST__VAL_BOOLVAL:
        ast = make(parse, K_AST_BOOL, node->location, 0);
        ast->b = node->boolval->boolval;
        return ast;
    case PG_QUERY__A__CONST__VAL_SVAL:
        ast = make(parse, K_AST_STRING, node->location, 0);
        ast->s = k_str_of(copy(parse, node->sval->sval));
        return ast;
    case PG_QUERY__A__CONST__VAL_BSVAL: return unsupported(parse, node->location, "a bit string");
    default: return unsupported(parse, node->location, "this constant");
    }
}

// The parts of a name with dots between them; NULL: there is a * among them.
static const char *dotted(struct parse *parse, Node *const *parts, size_t count)
{
    size_t length = 0;
    for (size_t i = 0; i < count; i++) {
        if (parts[i]->node_case != PG_QUERY__NODE__NODE_STRING) return NULL;
        length += strlen(parts[i]->string->sval) + 1;
    }
    char *name = k_arena_get(parse->report->arena, length + 1), *at = name;
    for (size_t i = 0; i < count; i++) at = stpcpy(stpcpy(at, i ? "." : ""), parts[i]->string->sval);
    return name;
}

static struct k_ast *convert_column(struct parse *parse, const PgQuery__ColumnRef *node)
{
    struct k_ast *ast = make(parse, K_AST_COLUMN, node->location, 0);
    ast->name = dotted(parse, node->fields, node->n_fields);
    if (ast->name) return ast;
    k_expr_report(parse->report, place(node->location), K0301, "\"*\" is not one expression");
    return NULL;
}

static const char *function_name(struct parse *parse, const PgQuery__FuncCall *node)
{
    // The grammar itself puts pg_catalog before the functions behind its special forms.
    size_t skip = node->n_funcname == 2 && strcmp(node->funcname[0]->string->sval, "pg_catalog") == 0;
    const char *name = dotted(parse, node->funcname + skip, node->n_funcname - skip);
    if (node->funcformat != PG_QUERY__COERCION_FORM__COERCE_SQL_SYNTAX) return name;
    // The name behind the form is not what people wrote.
    return strcmp(name, "timezone") == 0 ? "AT TIME ZONE" : name;
}

static struct k_ast *convert_call(struct parse *parse, const PgQuery__FuncCall *node)
{
    if (node->over) return unsupported(parse, node->location, "OVER (a window function)");
    if (node->agg_within_group) return unsupported(parse, node->location, "WITHIN GROUP");
    if (node->n_agg_order) return unsupported(parse, node->location, "ORDER BY inside a call");
    if (node->func_variadic) return unsupported(parse, node->location, "VARIADIC");
    struct k_ast *ast = make(parse, K_AST_CALL, node->location, (uint32_t)node->n_args);
    ast->name = function_name(parse, node);
    ast->star = node->agg_star;
    ast->distinct = node->agg_distinct;
    bool good = convert_all(parse, ast, 0, node->args, node->n_args);
    if (node->agg_filter) {
        ast->filter = convert(parse, node->agg_filter);
        if (!ast->filter) good = false;
    }
    return good ? ast : NULL;
}

static struct k_ast *convert_cast(struct parse *parse, const PgQuery__TypeCast *node)
{
    const PgQuery__TypeName *type = node->type_name;
    struct k_ast *ast = make(parse, K_AST_CAST, node->location >= 0 ? node->location : type->location, 1);
    size_t skip = type->n_names == 2 && strcmp(type->names[0]->string->sval, "pg_catalog") == 0;
    ast->name = dotted(parse, type->names + skip, type->n_names - skip);
    if (type->n_array_bounds) return unsupported(parse, type->location, "an array");
    if (type->n_typmods) {
        k_expr_report(parse->report, place(type->location), K0304,
                      "a length, precision or field behind the type %s is not supported here", ast->name);
        return NULL;
    }
    return convert_into(parse, ast, 0, node->arg) ? ast : NULL;
}

static struct k_ast *operator_of(struct parse *parse, const char *name, int32_t location, const Node *left,
                                 const Node *right)
{
    struct k_ast *ast = make(parse, K_AST_OPERATOR, location, (left != NULL) + (right != NULL));
    ast->name = copy(parse, name);
    bool good = true;
    if (left && !convert_into(parse, ast, 0, left)) good = false;
    if (right && !convert_into(parse, ast, ast->count - 1, right)) good = false;
    return good ? ast : NULL;
}

static struct k_ast *negate(struct parse *parse, struct k_ast *inner)
{
    if (!inner) return NULL;
    struct k_ast *ast = make(parse, K_AST_OPERATOR, 0, 1);
    ast->offset = inner->offset;
    ast->name = "NOT";
    ast->args[0] = inner;
    return ast;
}

static struct k_ast *form(struct parse *parse, const PgQuery__AExpr *node, enum k_ast_kind kind, bool negated)
{
    bool list = node->rexpr->node_case == PG_QUERY__NODE__NODE_LIST;
    size_t count = list ? node->rexpr->list->n_items : 1;
    struct k_ast *ast = make(parse, kind, node->location, (uint32_t)count + 1);
    ast->negated = negated;
    bool good = convert_into(parse, ast, 0, node->lexpr);
    Node *const *items = list ? node->rexpr->list->items : &node->rexpr;
    if (!convert_all(parse, ast, 1, items, count)) good = false;
    return good ? ast : NULL;
}

// Operators that people bring from other languages, and those that PostgreSQL has and this does not.
static const char *operator_advice(const char *name)
{
    static const struct {
        const char *name, *advice;
    } table[] = {
        {"==", "use ="},         {"===", "use ="},        {"!==", "use <>"},       {"&&", "use AND"},
        {"!", "use NOT"},        {"=>", "use >="},        {"=<", "use <="},        {"**", "use ^"},
        {"=~", "use ~"},         {"~~", "use LIKE"},      {"!~~", "use NOT LIKE"},
        {"!<", "use >="},        {"!>", "use <="},        {"//", "use /"},
        {"<=>", "use IS NOT DISTINCT FROM"},              {":=", "use ="},         {"??", "use COALESCE"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (strcmp(name, table[i].name) == 0) return table[i].advice;
    return NULL;
}

static struct k_ast *convert_operator(struct parse *parse, const PgQuery__AExpr *node)
{
    static const char *const known[] = {"+", "-", "*", "/", "%", "=", "<>", "<", "<=", ">", ">=", "||", "&", "|", "#",
                                        "<<", ">>", "~", "~*", "^", "->", "->>", "#>", "#>>"};
    const char *name = node->n_name == 1 ? node->name[0]->string->sval : dotted(parse, node->name, node->n_name);
    bool two = node->lexpr && node->rexpr;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(name, known[i]) != 0) continue;
        if (!two && !strchr("-+~", name[0])) continue;
        return operator_of(parse, name, node->location, node->lexpr, node->rexpr);
    }
    if (two && (strcmp(name, "!~") == 0 || strcmp(name, "!~*") == 0))
        return negate(parse, operator_of(parse, name + 1, node->location, node->lexpr, node->rexpr));
    const char *advice = operator_advice(name);
    k_expr_report(parse->report, place(node->location), K0303, "`%s` is not an operator%s%s", name, advice ? "; " : "",
                  advice ? advice : "");
    return NULL;
}

static struct k_ast *convert_a_expr(struct parse *parse, const PgQuery__AExpr *node)
{
    const char *name = node->n_name ? node->name[0]->string->sval : "";
    struct k_ast *like;
    bool fold = (int)node->kind == PG_QUERY__A__EXPR__KIND__AEXPR_ILIKE;
    switch ((int)node->kind) {
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP: return convert_operator(parse, node);
    case PG_QUERY__A__EXPR__KIND__AEXPR_DISTINCT: return form(parse, node, K_AST_DISTINCT, false);
    case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_DISTINCT: return form(parse, node, K_AST_DISTINCT, true);
    case PG_QUERY__A__EXPR__KIND__AEXPR_NULLIF: return form(parse, node, K_AST_NULLIF, false);
    case PG_QUERY__A__EXPR__KIND__AEXPR_IN:
        if (node->rexpr->node_case != PG_QUERY__NODE__NODE_LIST) break;
        return form(parse, node, K_AST_IN, strcmp(name, "<>") == 0);
    case PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN: return form(parse, node, K_AST_BETWEEN, false);
    case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN: return form(parse, node, K_AST_BETWEEN, true);
    case PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN_SYM: return form(parse, node, K_AST_SYMMETRIC, false);
    case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN_SYM: return form(parse, node, K_AST_SYMMETRIC, true);
    case PG_QUERY__A__EXPR__KIND__AEXPR_LIKE:
    case PG_QUERY__A__EXPR__KIND__AEXPR_ILIKE:
        like = operator_of(parse, fold ? "ILIKE" : "LIKE", node->location, node->lexpr, node->rexpr);
        return name[0] == '!' ? negate(parse, like) : like;
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP_ANY: return unsupported(parse, node->location, "ANY");
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP_ALL: return unsupported(parse, node->location, "ALL");
    case PG_QUERY__A__EXPR__KIND__AEXPR_SIMILAR: return unsupported(parse, node->location, "SIMILAR TO");
    default: break;
    }
    return unsupported(parse, node->location, "this operator");
}

static struct k_ast *convert_bool_expr(struct parse *parse, const PgQuery__BoolExpr *node)
{
    enum k_ast_kind kind = node->boolop == PG_QUERY__BOOL_EXPR_TYPE__AND_EXPR ? K_AST_AND
                           : node->boolop == PG_QUERY__BOOL_EXPR_TYPE__OR_EXPR ? K_AST_OR : K_AST_OPERATOR;
    struct k_ast *ast = make(parse, kind, node->location, (uint32_t)node->n_args);
    ast->name = "NOT";
    return convert_all(parse, ast, 0, node->args, node->n_args) ? ast : NULL;
}

static struct k_ast *convert_null_test(struct parse *parse, const PgQuery__NullTest *node)
{
    bool null = node->nulltesttype == PG_QUERY__NULL_TEST_TYPE__IS_NULL;
    return operator_of(parse, null ? "IS NULL" : "IS NOT NULL", node->location, node->arg, NULL);
}

static struct k_ast *convert_bool_test(struct parse *parse, const PgQuery__BooleanTest *node)
{
    static const char *const names[] = {[PG_QUERY__BOOL_TEST_TYPE__IS_TRUE] = "IS TRUE",
        [PG_QUERY__BOOL_TEST_TYPE__IS_NOT_TRUE] = "IS NOT TRUE", [PG_QUERY__BOOL_TEST_TYPE__IS_FALSE] = "IS FALSE",
        [PG_QUERY__BOOL_TEST_TYPE__IS_NOT_FALSE] = "IS NOT FALSE",
        [PG_QUERY__BOOL_TEST_TYPE__IS_UNKNOWN] = "IS UNKNOWN",
        [PG_QUERY__BOOL_TEST_TYPE__IS_NOT_UNKNOWN] = "IS NOT UNKNOWN"};
    return operator_of(parse, names[node->booltesttype], node->location, node->arg, NULL);
}

static struct k_ast *convert_case(struct parse *parse, const PgQuery__CaseExpr *node)
{
    struct k_ast *ast = make(parse, K_AST_CASE, node->location, 2 + 2 * (uint32_t)node->n_args);
    bool good = true;
    if (node->arg && !convert_into(parse, ast, 0, node->arg)) good = false;
    for (uint32_t i = 0; i < node->n_args; i++) {
        const PgQuery__CaseWhen *when = node->args[i]->case_when;
        if (!convert_into(parse, ast, 1 + 2 * i, when->expr)) good = false;
        if (!convert_into(parse, ast, 2 + 2 * i, when->result)) good = false;
    }
    if (node->defresult && !convert_into(parse, ast, ast->count - 1, node->defresult)) good = false;
    return good ? ast : NULL;
}

// CURRENT_USER and its kin, which the grammar also sees where people meant a column.
static struct k_ast *convert_value_function(struct parse *parse, const PgQuery__SQLValueFunction *node)
{
    const char *text = parse->report->text.data + place(node->location);
    int length = 0;
    while (isalpha((unsigned char)text[length]) || text[length] == '_') length++;
    k_expr_report(parse->report, place(node->location), K0311,
                  "%.*s without quotes is a function of SQL, which is not supported here; if a column is meant, "
                  "write \"%.*s\" in double quotes", length, text, length, text);
    return NULL;
}

static struct k_ast *convert_node(struct parse *parse, const Node *node)
{
    struct k_ast *ast;
    switch ((int)node->node_case) {
    case PG_QUERY__NODE__NODE_A_CONST: return convert_const(parse, node->a_const);
    case PG_QUERY__NODE__NODE_COLUMN_REF: return convert_column(parse, node->column_ref);
    case PG_QUERY__NODE__NODE_FUNC_CALL: return convert_call(parse, node->func_call);
    case PG_QUERY__NODE__NODE_TYPE_CAST: return convert_cast(parse, node->type_cast);
    case PG_QUERY__NODE__NODE_A_EXPR: return convert_a_expr(parse, node->a_expr);
    case PG_QUERY__NODE__NODE_BOOL_EXPR: return convert_bool_expr(parse, node->bool_expr);
    case PG_QUERY__NODE__NODE_BOOLEAN_TEST: return convert_bool_test(parse, node->boolean_test);
    case PG_QUERY__NODE__NODE_CASE_EXPR: return convert_case(parse, node->case_expr);
    case PG_QUERY__NODE__NODE_NULL_TEST: return convert_null_test(parse, node->null_test);
    case PG_QUERY__NODE__NODE_COALESCE_EXPR:
        ast = make(parse, K_AST_COALESCE, node->coalesce_expr->location, (uint32_t)node->coalesce_expr->n_args);
        return convert_all(parse, ast, 0, node->coalesce_expr->args, node->coalesce_expr->n_args) ? ast : NULL;
    case PG_QUERY__NODE__NODE_SQLVALUE_FUNCTION: return convert_value_function(parse, node->sqlvalue_function);
    case PG_QUERY__NODE__NODE_MIN_MAX_EXPR:
        ast = make(parse, K_AST_CALL, node->min_max_expr->location, (uint32_t)node->min_max_expr->n_args);
        ast->name = node->min_max_expr->op == PG_QUERY__MIN_MAX_OP__IS_GREATEST ? "greatest" : "least";
        return convert_all(parse, ast, 0, node->min_max_expr->args, node->min_max_expr->n_args) ? ast : NULL;
    case PG_QUERY__NODE__NODE_SUB_LINK: return unsupported(parse, node->sub_link->location, "a subquery");
    case PG_QUERY__NODE__NODE_A_ARRAY_EXPR: return unsupported(parse, node->a_array_expr->location, "ARRAY");
    case PG_QUERY__NODE__NODE_ROW_EXPR: return unsupported(parse, node->row_expr->location, "a row of values");
    case PG_QUERY__NODE__NODE_PARAM_REF:
        return unsupported(parse, node->param_ref->location, "a parameter such as $1 (graphs have ${NAME})");
    case PG_QUERY__NODE__NODE_COLLATE_CLAUSE: return unsupported(parse, node->collate_clause->location, "COLLATE");
    case PG_QUERY__NODE__NODE_GROUPING_FUNC: return unsupported(parse, node->grouping_func->location, "GROUPING");
    case PG_QUERY__NODE__NODE_NAMED_ARG_EXPR:
        return unsupported(parse, node->named_arg_expr->location, "an argument by name");
    case PG_QUERY__NODE__NODE_A_INDIRECTION: {
        struct k_ast *inner = convert(parse, node->a_indirection->arg);
        if (inner)
            k_expr_report(parse->report, inner->offset, K0304,
                          "a subscript or field behind a value is not supported here");
        return NULL;
    }
    case PG_QUERY__NODE__NODE_XML_EXPR: return unsupported(parse, node->xml_expr->location, "XML");
    case PG_QUERY__NODE__NODE_SET_TO_DEFAULT: return unsupported(parse, node->set_to_default->location, "DEFAULT");
    default: return unsupported(parse, 0, "a part of this expression");
    }
}

static struct k_ast *convert(struct parse *parse, const Node *node)
{
    if (parse->depth >= K_EXPR_DEPTH_MAX) {
        // Said once: each of the levels below would say it again.
        if (parse->depth++ == K_EXPR_DEPTH_MAX)
            k_expr_report(parse->report, 0, K0302, "the expression is nested more than %d levels deep",
                          K_EXPR_DEPTH_MAX);
        return NULL;
    }
    parse->depth++;
    struct k_ast *ast = convert_node(parse, node);
    if (parse->depth <= K_EXPR_DEPTH_MAX) parse->depth--;
    return ast;
}

// Whether messages of the type nest at most `levels` deep in these bytes. Bounded by levels itself.
static bool nesting_is_bounded(const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t length, int levels)
{
    if (levels == 0) return false;
    for (size_t at = 0; at < length;) {
        uint64_t tag, size;
        size_t got = k_get_varint((const char *)data + at, length - at, &tag);
        if (got == 0) return false;
        at += got;
        switch (tag & 7) {
        case 0:
        case 2:
            got = k_get_varint((const char *)data + at, length - at, &size);
            if (got == 0) return false;
            at += got;
            break;
        case 1: size = 8; break;
        case 5: size = 4; break;
        default: return false;
        }
        if ((tag & 7) == 0) continue;
        if (size > length - at) return false;
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field(type, (unsigned)(tag >> 3));
        if (field && field->type == PROTOBUF_C_TYPE_MESSAGE &&
            !nesting_is_bounded(field->descriptor, data + at, size, levels - 1))
            return false;
        at += size;
    }
    return true;
}

// The column that is written at the offset, if the word there names one (in any case).
static const char *column_at(const struct k_scope *scope, struct k_str text, size_t offset)
{
    size_t end = offset;
    while (end < text.length && (isalnum((unsigned char)text.data[end]) || text.data[end] == '_')) end++;
    for (uint32_t i = 0; scope && i < scope->schema->count; i++) {
        const char *name = scope->schema->fields[i].name;
        if (strlen(name) == end - offset && strncasecmp(name, text.data + offset, end - offset) == 0) return name;
    }
    return NULL;
}

static bool report_word(struct k_expr_report *report, const struct k_scope *scope, size_t offset)
{
    const char *column = column_at(scope, report->text, offset);
    if (!column) return false;
    k_expr_report(report, offset, K0311, "\"%s\" is a word of SQL; to name the column, put it in double quotes",
                  column);
    return true;
}

// The clauses of SELECT that are no part of an expression.
static const char *clause_of(const PgQuery__SelectStmt *select)
{
    if (select->op != PG_QUERY__SET_OPERATION__SETOP_NONE) return "UNION, INTERSECT or EXCEPT";
    if (select->n_distinct_clause) return "DISTINCT";
    if (select->into_clause) return "INTO";
    if (select->n_from_clause) return "FROM";
    if (select->where_clause) return "WHERE";
    if (select->n_group_clause) return "GROUP BY";
    if (select->having_clause) return "HAVING";
    if (select->n_window_clause) return "WINDOW";
    if (select->n_values_lists) return "VALUES";
    if (select->n_sort_clause) return "ORDER BY";
    if (select->limit_offset) return "OFFSET";
    if (select->limit_count) return "LIMIT";
    if (select->n_locking_clause) return "FOR UPDATE or SHARE";
    if (select->with_clause) return "WITH";
    return NULL;
}

static bool convert_target(struct k_expr_report *report, const struct k_scan *scan, const PgQuery__ResTarget *target,
                           struct k_target *ret)
{
    struct parse parse = {.report = report};
    if (target->name && target->name[0]) {
        if (!scan->has_as) {
            k_expr_report(report, scan->last_offset, K0301, "expected an operator, or AS before the name \"%s\"",
                          target->name);
            return false;
        }
        ret->name = copy(&parse, target->name);
        ret->name_offset = scan->last_offset;
    }
    ret->ast = convert(&parse, target->val);
    return ret->ast != NULL;
}

static bool convert_result(struct k_expr_report *report, const struct k_scope *scope, const struct k_scan *scan,
                           const PgQuery__ParseResult *tree, struct k_target *ret)
{
    if (tree->n_stmts != 1 || tree->stmts[0]->stmt->node_case != PG_QUERY__NODE__NODE_SELECT_STMT) {
        k_expr_report(report, 0, K0301, "one expression is expected");
        return false;
    }
    const PgQuery__SelectStmt *select = tree->stmts[0]->stmt->select_stmt;
    const char *clause = clause_of(select);
    if (clause) {
        // A column called limit begins a clause, too.
        if (report_word(report, scope, scan->clause_offset)) return false;
        k_expr_report(report, scan->clause_offset, K0301, "%s is not part of an expression", clause);
        return false;
    }
    if (select->n_target_list != 1) {
        uint32_t offset = select->n_target_list < 2 ? 0 : place(select->target_list[1]->res_target->location);
        k_expr_report(report, offset, K0301, "one expression is expected, not %zu", select->n_target_list);
        return false;
    }
    return convert_target(report, scan, select->target_list[0]->res_target, ret);
}

static void report_syntax(struct k_expr_report *report, const struct k_scope *scope, const PgQueryError *error)
{
    size_t offset = k_expr_cursor(report->text, error->cursorpos - PREFIX_LENGTH);
    if (!report_word(report, scope, offset)) k_expr_report(report, offset, K0300, "%s", error->message);
}

bool k_expr_parse(struct k_expr_report *report, const struct k_scope *scope, struct k_target *ret_target)
{
    struct k_scan scan;
    *ret_target = (struct k_target){0};
    if (!k_expr_scan(report, &scan)) return false;
    char *query = k_arena_get(report->arena, PREFIX_LENGTH + report->text.length + 1);
    memcpy(query, PREFIX, PREFIX_LENGTH);
    memcpy(query + PREFIX_LENGTH, report->text.data, report->text.length);
    query[PREFIX_LENGTH + report->text.length] = 0;
    PgQueryProtobufParseResult result = pg_query_parse_protobuf(query);
    bool good = false;
    if (result.error) {
        report_syntax(report, scope, result.error);
    } else {
        const uint8_t *data = (const uint8_t *)result.parse_tree.data;
        size_t length = result.parse_tree.len;
        PgQuery__ParseResult *tree = NULL;
        if (nesting_is_bounded(&pg_query__parse_result__descriptor, data, length, NESTING_MAX))
            tree = pg_query__parse_result__unpack(NULL, length, data);
        if (tree) good = convert_result(report, scope, &scan, tree, ret_target);
        else k_expr_report(report, 0, K0302, "the expression is nested too deeply");
        if (tree) pg_query__parse_result__free_unpacked(tree, NULL);
    }
    pg_query_free_protobuf_parse_result(result);
    return good;
}
