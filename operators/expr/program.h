// A compiled expression: a tree of typed nodes, each evaluated over a selection into a vector; and the table of
// functions, through which alone binding and evaluation know what can be computed.
//
// Rules of evaluation
// 1. A vector is indexed by physical row. A constant is a vector of one value, never copied per row on the way to a
//    kernel.
// 2. A node is evaluated for the rows that SQL evaluates it for, and no others: the right side of AND where the left
//    is not false, a branch of CASE where it is chosen. Which rows are in the batch never matters.
// 3. A row's first error is its error; where evaluation goes on, the row's value is NULL. The order of evaluation
//    within a row is fixed by the tree.
// 4. The string of a NULL row is never looked at.
// 5. Numbers may also be computed for rows that nobody asked for, out of whatever lies there, where this is cheaper
//    than choosing the rows (call->wide). Nothing looks at the results, and errors are only those of the rows.
#pragma once
#include "operators/expr/expr.h"

enum k_node_kind {
    K_NODE_COLUMN,   // index
    K_NODE_CONST,    // value
    K_NODE_CALL,     // function(args…)
    K_NODE_AND,      // args…
    K_NODE_OR,       // args…
    K_NODE_CASE,     // args: when, result, …, else
    K_NODE_COALESCE, // args…
    K_NODE_IN,       // args[0] among the constants of set
    K_NODE_DISTINCT, // args[0] IS DISTINCT FROM args[1]; function is their `=`
    K_NODE_LET,      // args[0] is computed once and is slot `index` inside args[1]
    K_NODE_SLOT,     // index
};

struct k_function;

struct k_text_table;

// The constants of an IN list, sorted, without repetitions and NULLs.
struct k_in_set {
    struct k_value *values;
    uint32_t count;
    bool has_null;
    const struct k_text_table *texts; // the same, where they are strings; else NULL
};

// A CASE whose first branches ask whether one and the same text is this or that constant.
struct k_switch {
    const struct k_expr *text;
    const struct k_text_table *texts; // by branch
    uint32_t branches;
};

struct k_expr {
    enum k_node_kind kind;
    enum k_type type;
    bool not_null;
    bool literal;  // CONST: a string literal, or NULL, that still takes the type of what it meets
    bool fails;    // some row may be an error, of this call and not only of its arguments
    bool cheap;    // part of AND or OR, condition of CASE: makes no row an error, and choosing rows would cost more
    bool blend;    // CASE: all conditions are cheap, all outcomes constant
    uint32_t cost; // roughly nanoseconds a row
    uint32_t offset; // in the text
    uint32_t index;
    uint32_t share;   // CALL: calls with one number, from 1, are equal; 0: there is no other
    const char *name; // COLUMN
    struct k_value value;
    const struct k_function *function;
    const void *prepared; // CALL: what function->prepare made
    struct k_expr **args;
    uint32_t count;
    struct k_in_set *set;
    const struct k_switch *choice; // CASE: NULL if it is none
};

// Rows to work on: ascending; dense when they are first, first + 1, ….
struct k_rows {
    const uint32_t *list;
    uint32_t count, first;
    bool dense;
};
struct k_rows k_rows_of(const uint32_t *list, uint32_t count);
// A dense span that has these rows among others, if they are at least half of it; else the same rows.
struct k_rows k_rows_widen(struct k_rows rows);

struct k_vec {
    struct k_column column; // indexed by physical row, or by 0 if constant
    bool constant;
};

struct k_eval; // one evaluation over one batch

// What a kernel gets: its arguments, its rows, and where to put the results (uninitialised). For a strict function
// valid says which rows have no NULL argument (NULL: all); the kernel may make more rows NULL with k_call_valid.
// Functions that are not strict start with valid NULL.
struct k_call {
    struct k_eval *eval;
    const struct k_expr *node;
    const struct k_vec *args;
    uint32_t count;
    struct k_rows rows;
    struct k_rows wide; // k_rows_widen(rows): what may also be computed, of numbers, without errors
    void *out;
    const uint8_t *valid;
    bool valid_owned;
};
typedef void (*k_kernel)(struct k_call *call);

// The validity of the results, to be written: allocated and filled on first use.
uint8_t *k_call_valid(struct k_call *call);
// The row is an error; its result becomes NULL. text is formatted into the arena.
void k_call_fail(struct k_call *call, uint32_t row, const char *reason, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
struct k_arena *k_call_arena(struct k_call *call);
static inline bool k_call_null(const struct k_call *call, uint32_t row)
{
    return call->valid && !call->valid[row];
}
static inline uint32_t k_vec_row(const struct k_vec *vec, uint32_t row) { return vec->constant ? 0 : row; }
static inline bool k_vec_null(const struct k_vec *vec, uint32_t row)
{
    return k_column_null(&vec->column, k_vec_row(vec, row));
}

// The function table. Types of arguments and results beyond enum k_type:
enum {
    K_ANY = 100,        // any type
    K_COMPARABLE = 101, // any type that `<` knows
    K_FIRST = 102,      // result: the type of the first argument
};
enum {
    K_FN_OPERATOR = 1,   // written as an operator, not as name(…)
    K_FN_AGGREGATE = 2,  // belongs to aggregate nodes; no kernel
    K_FN_FORM = 4,       // a form of its own (CASE, AND, …), listed for its description; no kernel
    K_FN_CAST = 8,
    K_FN_COMPARISON = 16,
    K_FN_NULLS = 32,     // not strict: called also with NULLs; never yields NULL
    K_FN_FALLIBLE = 64,  // a row may be an error
    K_FN_COSTLY = 128,   // more than a few nanoseconds a row
    K_FN_STAR = 256,     // count(*)
    K_FN_LOOSE = 512,    // not strict: called also with NULLs; may yield NULL, but not if its first argument is none
    K_FN_VARIADIC = 1024, // the last argument may be repeated
    K_FN_PARTIAL = 2048, // strict, and may yield NULL of arguments that are none
    K_FN_CHECKED = 4096, // a row is an error only by the argument that `check` looks at: never, if this is constant
};
enum { K_FUNCTION_ARGS = 6 };

// What a function makes once of its constant arguments, when the expression is compiled.
struct k_prepare {
    struct k_arena *arena;                     // lives as long as the expression
    const struct k_value *const *constants;    // by argument: NULL where not constant; none is NULL
    uint32_t count;
    const char *why;                           // to be set: what is wrong, NULL if nothing
    uint32_t argument;                         // with which argument
    size_t within;                             // and behind which byte of its string
};

struct k_function {
    const char *name;
    uint8_t args[K_FUNCTION_ARGS];
    uint8_t count;
    uint8_t result;
    uint16_t flags;
    uint8_t aggregate; // enum k_aggregate
    k_kernel kernel;
    // Checks constant arguments (NULL where not constant) when the graph is validated: NULL, or what is wrong with
    // argument *ret_argument.
    const char *(*check)(const struct k_value *const *constants, uint32_t *ret_argument);
    // NULL, or makes what the kernel finds in node->prepared; the kernel is called only with what this has made. Not
    // called where an argument is a constant NULL, which makes the call one.
    const void *(*prepare)(struct k_prepare *call);
    const char *signature, *doc, *example;
};
// The table itself, functions.c.
const struct k_function *k_functions(uint32_t *ret_count);

// Numbers the calls of an expression that stand in it several times, the dearest few.
enum { K_EXPR_SHARED = 8 };
void k_expr_share(struct k_arena *arena, struct k_expr *expr);

// Finds where rows need not be chosen. What is shared must be numbered.
void k_expr_choices(struct k_arena *arena, struct k_expr *expr);
// Whether two expressions are the same in all that matters to their value.
bool k_expr_same(const struct k_expr *a, const struct k_expr *b);

// Evaluates a tree of constants; a failure is in *ret_error (not NULL) with the text for people.
struct k_value k_expr_fold(struct k_arena *arena, const struct k_expr *expr, const char **ret_error);
// How values of one comparable type are ordered: <0, 0, >0; NaN is the greatest double and equal to itself.
int k_value_order(const struct k_value *a, const struct k_value *b);
bool k_type_comparable(enum k_type type);
