// What the files of the aggregate share.
//
//   aggregate_plan.c    the message becomes a typed configuration and an output edge
//   aggregate.c         batches: expressions, windows, lateness, and into the groups
//   aggregate_update.c  ON_UPDATE: what each row changes, old and new
//   aggregate_close.c   the frontier: panes are merged, windows close and speak
//
// State
//   aggregate/<name>        groups. Segment: the window's end; 0 without windows. Key: the group's values; with
//                           window { inherit {} } also the window's start. Value: net rows, then a part per call.
//   aggregate/<name>/panes  hopping windows that speak ON_CLOSE: rows are added once, to their pane (segment: its end),
//                           and when its first window may close, the pane is merged into all of its windows. A row that
//                           is late for that first window but not for all goes into the groups of the others directly.
//   aggregate/<name>/values what count(DISTINCT …) has seen: an entry a group, call and value (distinct.c). Segment:
//                           the group's; gone when the window is, after its groups. With it there are no panes: each
//                           row goes into each of its windows.
// A pane is merged before its first window speaks, and both only when no row can come for them any more.
#pragma once
#include "operators/accumulate.h"
#include "operators/window.h"

enum { K_EMIT_HITS = K_BATCH_ROWS / 2 }; // a hit gives up to two rows

struct k_aggregate_config {
    struct k_window window;
    bool on_update, panes;
    const char *late_topic;

    // The made columns: groups, then window_start and window_end if there are windows, then calls. Selects are
    // expressions over them.
    struct k_expr **groups;
    uint32_t group_count;
    uint32_t named_count; // of groups and window columns: the first columns of the output, too
    struct k_aggregate_call *calls;
    struct k_part *parts;
    uint32_t call_count;
    struct k_schema made;
    struct k_expr **selects;
    uint32_t select_count;

    int32_t input_window_start, input_window_end; // inherit
    uint32_t key_count;       // values in a key
    uint32_t value_size;
    struct k_family_type type;
    const char *family, *pane_family, *value_family;
    bool distinct;            // some call is count(DISTINCT …)
};

struct k_aggregator {
    struct k_host *host;
    const struct k_node *node;
    const struct k_aggregate_config *config;
    struct k_family *groups, *panes, *values; // panes, values: NULL where there are none
    struct k_buf scratch;
    struct k_arena arena; // of a slice of frontier work: there may be many of them before the engine resets its own
};

// A batch whose expressions are computed.
struct k_aggregate_input {
    const struct k_batch *batch;
    struct k_column *groups;          // by row; with inherit the window's start behind them
    const struct k_column **key;      // the same, as pointers
    struct k_column (*arguments)[2];  // per call
    const uint8_t **passes;           // per call: which rows pass its filter; NULL: all
};

// Rows and the windows that they go into.
struct k_targets {
    uint32_t count;
    const uint32_t *rows;
    const struct k_str *keys;
    const int64_t *segments; // NULL: all 0
};

// What a call of count(DISTINCT …) remembers (distinct.c): targets and their values.
struct k_distinct_value;
struct k_distinct_hits {
    struct k_distinct_value **values; // per target; NULL: the row does not count
    uint32_t count;                   // of those that count; the rest is of them
    struct k_str *keys;
    int64_t *segments;
    struct k_distinct_value **found;
};
extern const struct k_family_type k_distinct_family;
K_CHECKED int k_distinct_find(struct k_aggregator *aggregate, uint32_t call, const struct k_aggregate_input *input,
                              const struct k_targets *targets, struct k_distinct_hits *ret, struct k_error *err);
void k_distinct_apply(const struct k_part *part, void *group, struct k_distinct_value *value, int weight);
// Values that are there no more go; to be called once for what was found.
K_CHECKED int k_distinct_settle(struct k_aggregator *aggregate, const struct k_distinct_hits *hits,
                                struct k_error *err);
// All three for all targets.
K_CHECKED int k_distinct_add(struct k_aggregator *aggregate, uint32_t call, const struct k_aggregate_input *input,
                             const struct k_targets *targets, void *const *groups, struct k_error *err);

bool k_aggregate_plan(struct k_planner *planner, struct k_node *node);

// Adds the rows' arguments to the groups that values point to.
K_CHECKED int k_aggregate_add(struct k_aggregator *aggregate, const struct k_aggregate_input *input,
                              const struct k_targets *targets, void *const *values, struct k_error *err);
// The same for ON_UPDATE: at most K_EMIT_HITS targets, each emitting what it changed.
K_CHECKED int k_aggregate_update(struct k_aggregator *aggregate, const struct k_aggregate_input *input,
                                 const struct k_targets *targets, struct k_error *err);

// Rows of the made columns on their way out.
struct k_making {
    struct k_made *columns; // config->made.count
    uint32_t rows;
};
void k_making_init(const struct k_aggregator *aggregate, struct k_making *making, uint32_t rows, struct k_arena *arena);
// A result that did not fit its type.
struct k_misfit {
    uint32_t row, call;
};
// Evaluates the selects of rows (selection) of the made columns into an output batch; `errors` gets the rows that
// failed, those of misfits among them.
void k_aggregate_finish(const struct k_aggregator *aggregate, const struct k_making *making, uint32_t rows,
                        const uint32_t *selection, uint32_t selected, const struct k_misfit *misfits,
                        uint32_t misfit_count, struct k_arena *arena, struct k_batch *ret_batch,
                        struct k_expr_errors *ret_errors);
// A made row that failed, under the node's policy. It is counted as a row that came in, too: input rows have been
// counted already, and each row counted in must end as exactly one thing.
K_CHECKED int k_aggregate_fail(const struct k_aggregator *aggregate, const struct k_batch *batch,
                               const struct k_expr_error *error, struct k_error *err);

int k_aggregate_on_frontier(void *instance, int64_t frontier_us, uint64_t max, uint64_t *ret_done, struct k_error *err);
int k_aggregate_next_frontier(void *instance, int64_t *ret_us, struct k_error *err);
