// Binding: from the tree as written to the typed program. Names meet columns, calls meet the function table, literals
// meet types, constants are folded.
#pragma once
#include "operators/expr/ast.h"
#include "operators/expr/program.h"

struct k_aggregate_binding; // aggregate.c

struct k_binder {
    struct k_expr_report *report;
    const struct k_scope *scope;
    struct k_aggregate_binding *aggregates; // NULL: aggregate calls are errors
    bool inside_aggregate;                  // binding the arguments or the filter of an aggregate call
    uint32_t slots;                         // LETs around the place that is being bound
};

// All return NULL after a report. What they return may still be a literal without a type; k_bind_settle makes it one.
struct k_expr *k_bind(struct k_binder *binder, const struct k_ast *ast);
struct k_expr *k_bind_settle(struct k_binder *binder, struct k_expr *expr);
// Binds and demands bool; what: "WHERE of FILTER", "the condition of WHEN", for the message.
struct k_expr *k_bind_bool(struct k_binder *binder, const struct k_ast *ast, const char *what);

struct k_expr *k_node(struct k_binder *binder, enum k_node_kind kind, enum k_type type, uint32_t offset,
                      uint32_t count);
struct k_expr *k_node_const(struct k_binder *binder, uint32_t offset, struct k_value value);
// Sets what follows from the arguments (fails, cost), and folds if all of them are constants.
struct k_expr *k_node_done(struct k_binder *binder, struct k_expr *node);

// overload.c: the function for a call, chosen by types; its arguments, converted. flags_set: those of K_FN_OPERATOR
// and K_FN_AGGREGATE that the function must have exactly.
struct k_expr *k_bind_call(struct k_binder *binder, const char *name, bool is_operator, uint32_t offset,
                           struct k_expr **args, uint32_t count);
const struct k_function *k_overload(struct k_binder *binder, const char *name, uint16_t kind, uint32_t offset,
                                    struct k_expr **args, uint32_t count);
// Converts where SQL does so unasked: literals to anything, int64 to double. NULL after a report.
struct k_expr *k_coerce(struct k_binder *binder, struct k_expr *expr, enum k_type type);
bool k_can_coerce(const struct k_expr *expr, enum k_type type);
// The type in which all of them can meet; false after a report that begins with what ("CASE", "COALESCE").
bool k_common_type(struct k_binder *binder, struct k_expr **exprs, uint32_t count, const char *what,
                   enum k_type *ret_type);
// CAST(args[0] AS name).
struct k_expr *k_bind_cast(struct k_binder *binder, const struct k_ast *ast);

// aggregate.c
struct k_aggregate_binding {
    const struct k_schema *groups;
    struct k_aggregate_call *calls;
    uint32_t *calls_count;
    uint32_t calls_max;
};
bool k_is_aggregate(const char *name);
struct k_expr *k_bind_aggregate(struct k_binder *binder, const struct k_ast *ast);
