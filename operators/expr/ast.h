// The tree of an expression as it was written: our own, small, and independent of libpg_query. Everything lies in
// the arena of the compilation. Offsets count bytes of the expression's text.
#pragma once
#include "operators/expr/expr.h"

enum k_ast_kind {
    K_AST_NULL,
    K_AST_BOOL,     // b
    K_AST_INT,      // i
    K_AST_DOUBLE,   // d
    K_AST_STRING,   // s: a literal that takes the type of what it meets
    K_AST_COLUMN,   // name, "a" or "a.b"
    K_AST_CALL,     // name(args…), with star, distinct and filter of aggregates
    K_AST_OPERATOR, // name is "+", "IS NULL", "NOT", "LIKE", …; one or two args
    K_AST_CAST,     // args[0] as the type called name; NULL name: already reported
    K_AST_AND,      // args…
    K_AST_OR,       // args…
    K_AST_CASE,     // args: operand (may be NULL), then when, result, …, then else (may be NULL)
    K_AST_COALESCE, // args…
    K_AST_IN,       // args: operand, then the list
    K_AST_BETWEEN,  // args: operand, low, high
    K_AST_SYMMETRIC, // args: operand, two bounds in any order
    K_AST_NULLIF,   // args: value, what counts as NULL
    K_AST_DISTINCT, // args: two values
};

struct k_ast {
    enum k_ast_kind kind;
    uint32_t offset;
    const char *name;
    union {
        bool b;
        int64_t i;
        double d;
        struct k_str s;
    };
    struct k_ast **args;
    uint32_t count;
    bool negated; // IN, BETWEEN, SYMMETRIC, DISTINCT: the form with NOT
    bool star, distinct;
    struct k_ast *filter;
};

// Where errors of one expression go. The text is a copy that ends with a NUL.
struct k_expr_report {
    struct k_arena *arena;
    struct k_str text;
    const struct k_expr_place *place; // NULL: errors have no position
    struct k_diags *diags;
    uint32_t errors;
};
// A report for this text, copied so that it ends with a NUL, as the parser needs it.
struct k_expr_report k_expr_report_of(struct k_arena *arena, struct k_str text, const struct k_expr_place *place,
                                      struct k_diags *diags);
void k_expr_report(struct k_expr_report *report, size_t offset, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

enum {
    K_EXPR_TEXT_MAX = 65536, // bytes
    K_EXPR_DEPTH_MAX = 100,  // levels of the tree
};

// A target as it was written: the expression, and its name if AS gave one.
struct k_target {
    struct k_ast *ast;
    const char *name;   // NULL: no AS
    size_t name_offset;
};

// What a look at the tokens alone tells, before anything recursive sees the text: false after a report if the text
// is empty, no UTF-8, holds a comment or a semicolon, is too long or too deeply nested, or cannot be cut into tokens.
struct k_scan {
    bool has_as;          // the last token but one is AS
    size_t first_offset, last_offset; // of the first and the last token
    size_t clause_offset; // of the first word outside parentheses that begins a clause of SELECT; else 0
};
// PostgreSQL's positions count characters from 1: the byte in the text.
size_t k_expr_cursor(struct k_str text, int cursor);
bool k_expr_scan(struct k_expr_report *report, struct k_scan *ret_scan);

// Parses the text as exactly one target. false after at least one report.
bool k_expr_parse(struct k_expr_report *report, const struct k_scope *scope, struct k_target *ret_target);
