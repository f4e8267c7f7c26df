// Expressions: SQL scalar expressions in strings, in PostgreSQL's syntax, typed when the graph is validated,
// compiled to a vectorised program over columns with a selection vector.
//
// scan.c and parse.c are the only users of libpg_query; functions.c holds every function and operator in one table;
// typing, compilation and evaluation know functions only through that table.
#pragma once
#include "base/diag.h"
#include "proto/batch.h"

// Where an expression stands: maps a byte offset inside its text to a position in the file.
struct k_expr_place {
    struct k_pos (*pos)(const void *context, size_t offset);
    const void *context;
};

// What an expression may name: the columns of one input. `offers` is the input's name for messages
// (unknown column "respnse"; "parsed" offers clientip, request, …).
struct k_scope {
    const struct k_schema *schema;
    const char *offers;
    bool *read; // per column, set to true when an expression reads it; may be NULL
};

struct k_expr; // typed and compiled; lives in the arena of its compilation

enum k_aggregate {
    K_AGG_COUNT_STAR, K_AGG_COUNT, K_AGG_SUM, K_AGG_AVG, K_AGG_MIN, K_AGG_MAX, K_AGG_ARG_MIN, K_AGG_ARG_MAX,
    K_AGG_COUNT_DISTINCT, K_AGG_VAR_POP, K_AGG_VAR_SAMP, K_AGG_STDDEV_POP, K_AGG_STDDEV_SAMP,
    K_AGG_FIRST, K_AGG_LAST
};

// One aggregate call found inside a select of an aggregate node.
struct k_aggregate_call {
    enum k_aggregate function;
    struct k_expr *arguments[2]; // over the input's columns; NULL where absent
    uint32_t argument_count;
    struct k_expr *filter; // FILTER (WHERE …), bool; NULL: none
    enum k_type type;      // of the result
    bool not_null;         // count never is NULL
};

// "expr", "expr AS name", or a bare column (named by itself; "a.id" by what is behind the dot).
// Returns NULL after reporting at least one diagnostic, K03xx. ret_name may be NULL where no name is needed: then AS is
// an error; else *ret_name (arena) is the name, and an expression that is neither a bare column nor has AS is an error
// that asks for AS, as is one whose type is not known (NULL) or cannot leave an expression (interval).
struct k_expr *k_expr_compile(struct k_arena *arena, struct k_str text, const struct k_scope *scope,
                              const struct k_expr_place *place, struct k_diags *diags, const char **ret_name);

// A select of an aggregate node: aggregate calls anywhere inside a scalar expression, e.g. "sum(a) / count(*) AS x".
// `groups` are the group columns, which may be named outside aggregate calls. The returned expression is over the
// schema: groups->fields, then one column per call appended to calls (capacity calls_max, *calls_count updated; equal
// calls may be shared).
struct k_expr *k_expr_compile_aggregate(struct k_arena *arena, struct k_str text, const struct k_scope *scope,
                                        const struct k_schema *groups, const struct k_expr_place *place,
                                        struct k_diags *diags, const char **ret_name,
                                        struct k_aggregate_call *calls, uint32_t *calls_count, uint32_t calls_max);

// The condition of a join: "a.x = b.y AND …", in which each side of a comparison is an expression over the scope. Both
// sides of a pair have one type, converted where SQL does so. NULL after at least one report.
struct k_expr_pair {
    const struct k_expr *sides[2];
    size_t offset; // of the comparison in the text
};
const struct k_expr_pair *k_expr_compile_pairs(struct k_arena *arena, struct k_str text, const struct k_scope *scope,
                                               const struct k_expr_place *place, struct k_diags *diags,
                                               uint32_t *ret_count);
// Sets used[i] for each column i of the schema that the expression names.
void k_expr_columns(const struct k_expr *expr, bool *used);

enum k_type k_expr_type(const struct k_expr *expr); // K_NO_TYPE for a bare NULL (compile reports it for outputs)
bool k_expr_not_null(const struct k_expr *expr);    // proved never NULL
// The column index if the expression is just one column, else -1.
int32_t k_expr_column(const struct k_expr *expr);
// The canonical text, for fingerprints: equal programs have equal text.
void k_expr_print(const struct k_expr *expr, struct k_buf *out);

// A row that could not be computed: overflow, division by zero, a cast that failed.
struct k_expr_error {
    uint32_t row;
    const char *reason; // stable word: "overflow", "division_by_zero", "cast", …
    const char *text;   // for people; arena
};
struct k_expr_errors {
    struct k_expr_error *items; // arena; ascending by row, at most one per row
    uint32_t count;
};

// Evaluates for the selected rows of the batch. The column is indexed by physical row (rows outside the selection are
// undefined); it lives in the batch's arena or is an input column itself. Rows in error are NULL in the result.
// Errors are appended; the caller takes those rows out. No allocation but from the arena.
struct k_column k_expr_eval(const struct k_expr *expr, const struct k_batch *batch, const uint32_t *selection,
                            uint32_t selected, struct k_expr_errors *errors);

// Evaluates a bool expression as a filter: writes the rows that are TRUE (not NULL) to ret_selection (capacity
// selected) and returns how many. Rows in error are not among them.
uint32_t k_expr_filter(const struct k_expr *expr, const struct k_batch *batch, const uint32_t *selection,
                       uint32_t selected, uint32_t *ret_selection, struct k_expr_errors *errors);

// Evaluation without a batch, for tests, table --where and constants: one row.
struct k_value k_expr_eval_row(const struct k_expr *expr, const struct k_schema *schema, const struct k_value *values,
                               struct k_arena *arena, struct k_expr_errors *errors);

// A value of the type from its text, as casts read it. NULL, or what is wrong in words.
const char *k_text_to_value(struct k_str text, enum k_type type, struct k_value *ret_value);

// The table of functions, for `kappa functions` and the reference page.
struct k_function_doc {
    const char *name;      // "split_part"
    const char *signature; // "split_part(string, string, int64) → string"
    const char *doc;       // one sentence
    const char *example;   // "split_part('a,b', ',', 2) → 'b'"; run by a test
};
const struct k_function_doc *k_function_docs(uint32_t *ret_count);
