// Expressions of the reference: PostgreSQL's scalar syntax, read by a parser of its own (precedence climbing), typed,
// and evaluated for one row at a time by walking the tree. Only what is needed is evaluated.
//
// It refuses what it cannot compute and otherwise trusts that the engine has validated the graph.
#pragma once
#include "base/error.h"
#include "tests/reference/value.h"

struct column {
    const char *name;
    enum type type;
    bool not_null;
    bool hidden;      // a system column: `*`, tables and sinks leave it out
    const char *path; // sources: "$.a.b", or NULL
};

// What an expression may name. read[i] is set when it names column i; may be NULL.
struct scope {
    const struct column *columns;
    uint32_t count;
    bool *read;
};
int32_t scope_find(const struct scope *scope, struct k_str name);

enum kind {
    E_CONST,
    E_COLUMN,   // index
    E_CALL,     // name(args)
    E_ARITH,    // op: + - * / %
    E_NEGATE,
    E_COMPARE,  // op: = ! (<>) < l (<=) > g (>=)
    E_CONCAT,
    E_LIKE,     // args: text, pattern, escape (may be NULL)
    E_AND,
    E_OR,
    E_NOT,
    E_IS,       // op: n NULL, t TRUE, f FALSE; negated
    E_DISTINCT, // IS [NOT] DISTINCT FROM
    E_IN,       // args: operand, list…
    E_BETWEEN,  // args: operand, low, high; when bound: operand, low, operand, high
    E_CASE,     // args: operand (may be NULL), when, then, …, else (may be NULL)
    E_COALESCE,
    E_NULLIF,
    E_CAST,     // args[0] to type
    E_AGGREGATE // name(args), before binding only
};

struct expr {
    enum kind kind;
    enum type type;
    char op;
    bool negated;
    bool literal; // a quoted literal or NULL, whose type is that of what it meets
    int32_t index;
    const char *name;
    struct value value;
    struct expr **args;
    uint32_t count;
    struct expr *filter; // of an aggregate
    bool distinct;       // count(DISTINCT …)
};

enum aggregate { AGG_COUNT, AGG_SUM, AGG_AVG, AGG_MIN, AGG_MAX, AGG_ARG_MIN, AGG_ARG_MAX, AGG_VAR_POP,
                 AGG_VAR_SAMP, AGG_STDDEV_POP, AGG_STDDEV_SAMP, AGG_FIRST, AGG_LAST, AGG_COUNT_DISTINCT };

// One aggregate call inside a select.
struct call {
    enum aggregate function;
    struct expr *args[2]; // NULL where absent: count(*) has none
    struct expr *filter;  // NULL: none
    enum type type;       // of the result
    struct call *next;
};

// "expr", "expr AS name", a bare column. *ret_name: what AS says, the column's own name, or NULL. K_E_CONFIG.
K_CHECKED int expr_compile(struct k_arena *arena, const char *text, const struct scope *scope, struct expr **ret,
                           const char **ret_name, struct k_error *err);
// A select of an aggregate: over the group's columns, and behind them one column for each call. Calls are appended to
// the list that *calls heads, in order; their arguments are over the input.
K_CHECKED int expr_compile_select(struct k_arena *arena, const char *text, const struct scope *input,
                                  const struct scope *groups, struct call **calls, struct expr **ret,
                                  const char **ret_name, struct k_error *err);
// "column = expr".
K_CHECKED int expr_compile_set(struct k_arena *arena, const char *text, const struct scope *scope, struct expr **ret,
                               const char **ret_name, struct k_error *err);

// The value for a row. *reason stays as it is, or becomes why there is none ("overflow", "division_by_zero", "cast",
// "argument", "like", "underflow"); the value is then NULL. What is made lies in the arena.
struct value expr_eval(const struct expr *expr, const struct value *row, struct k_arena *arena, const char **reason);
// TRUE, not NULL or false.
static inline bool value_is_true(struct value value) { return !value.null && value.b; }

// --- between the files of the expressions -------------------------------------------------------------------------
struct parsed {
    struct expr *expr;
    const char *name; // AS, or of "name = expr"
};
// The tree as it was written, without types. set: "name = expr".
K_CHECKED int expr_parse(struct k_arena *arena, const char *text, bool set, struct parsed *ret, struct k_error *err);
struct expr *expr_node(struct k_arena *arena, enum kind kind, uint32_t count);
// The functions by name: the type of the result, and the types that the arguments are brought to. false: no such.
bool function_types(const char *name, const enum type *given, uint32_t count, enum type *args, enum type *ret_result);
struct value function_call(const char *name, const struct value *args, uint32_t count, struct k_arena *arena,
                           const char **reason);
// LIKE; escape NULL: the backslash.
// numbers.c: one of the functions of one number; false: it is none of them.
bool number_call(const char *name, const struct value *arg, struct value *ret, const char **reason);
// texts.c: one of the functions that take a string apart; false: it is none of them.
bool text_call(const char *name, const struct value *args, uint32_t count, struct k_arena *arena, struct value *ret,
               const char **reason);
// A field of a timestamp, in any case. false: no such field.
bool time_part(struct k_str field, int64_t us, double *ret);
// The start of the bin. 1: no such bin; -1: out of range.
int time_bin(struct interval size, int64_t us, int64_t origin, int64_t *ret_us);
struct value function_like(struct k_str text, struct k_str pattern, const struct k_str *escape, const char **reason);
