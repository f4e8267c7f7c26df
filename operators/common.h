// What the operators share: planning of expressions, names and durations; edges; columns that operators make.
#pragma once
#include "operators/operator.h"
#include "proto/codes.h"
#include "proto/graph.h"

// Reports an error at a field of the operator's message.
void k_plan_error(struct k_planner *planner, const void *message, const char *field, int index, const char *code,
                  const char *format, ...) __attribute__((format(printf, 6, 7)));
// Reads a file that the graph names in `field`, relative to the graph's own place; its content lies in the plan's arena
// and counts into the graph's fingerprint. False after a report.
bool k_plan_file(struct k_planner *planner, const void *message, const char *field, const char *name,
                 uint32_t bytes_max, struct k_str *ret);
// Whether the text is one character that may stand between the fields of comma-separated values.
bool k_csv_delimiter_is_good(const char *text);
// True if the text is there. Reports K0401 with the advice otherwise, unless the field was written but unreadable.
bool k_plan_need(struct k_planner *planner, const struct k_node *node, const void *message, const char *field,
                 const char *text, const char *advice);
// Where a string of the message stands, for the compiler of expressions; offset: where the expression begins in it.
const struct k_expr_place *k_plan_place(struct k_planner *planner, const void *message, const char *field, int index,
                                        size_t offset);
// A condition: compiled and of type bool; NULL after a report.
struct k_expr *k_plan_condition(struct k_planner *planner, const struct k_edge *input, const void *message,
                                const char *field, int index, const char *text);
// A duration between least and K_DURATION_MAX. Absent (text NULL): *us stays as it is, true.
#define K_DURATION_MAX (INT64_C(1) << 60)
bool k_plan_duration(struct k_planner *planner, const void *message, const char *field, const char *text,
                     int64_t least_us, int64_t *us);
// The index of a visible column of the edge, or -1 after a report with the nearest name. what: "key".
int32_t k_plan_column(struct k_planner *planner, const void *message, const char *field, int index, const char *name,
                      const struct k_edge *edge, const char *what);
// The nearest of the schema's visible columns, or NULL.
const char *k_nearest_column(const struct k_schema *schema, const char *name);
// A column of the output computed by an expression. False after a report: a type that cannot leave an expression.
bool k_plan_field(struct k_planner *planner, const void *message, const char *field, int index, const char *name,
                  const struct k_expr *expr, enum k_on_error on_error, struct k_field *ret_field);
// Reports names that occur twice. from[i]: the text from which field i was made ("select", index), for the position.
struct k_column_origin {
    const char *field;
    int index;
};
bool k_plan_distinct_names(struct k_planner *planner, const void *message, const struct k_schema *schema,
                           const struct k_column_origin *from);
// The visible columns of a schema, and which they are.
void k_visible_columns(struct k_arena *arena, const struct k_schema *schema, struct k_schema *ret_visible,
                       uint32_t **ret_indices);
// What an edge with other columns keeps of its input; from[i]: the input's column that column i is, or -1.
void k_edge_map(struct k_arena *arena, struct k_edge *edge, const struct k_edge *input, const int32_t *from);

// A column under construction; rows are written in any order, each at most once.
struct k_made {
    enum k_type type;
    char *data;
    uint8_t *valid;
    bool has_null;
};
void k_made_init(struct k_made *made, enum k_type type, uint32_t rows, struct k_arena *arena);
struct k_column k_made_column(const struct k_made *made);
void k_made_null(struct k_made *made, uint32_t row);
void k_made_value(struct k_made *made, uint32_t row, const struct k_value *value);
static inline void k_made_i(struct k_made *made, uint32_t row, int64_t value) { ((int64_t *)made->data)[row] = value; }
// rows 0, 1, 2 …: a selection of everything.
const uint32_t *k_all_rows(struct k_arena *arena, uint32_t rows);
