// What an operator is: one constant at the bottom of its own file, found through the catalogue (catalogue.c).
//
// An operator computes; it has no clock, no random numbers, no threads, no I/O. What it is fed and in which order is
// all that it sees, which is what makes a replay equal to the live run. The engine makes one instance per shard and
// feeds it; the instance speaks through its host.
//
// Life: plan (once, while the graph is validated; may report any number of diagnostics) → open (an instance per
// shard) → on_batch, on_frontier … → close.
#pragma once
#include "base/diag.h"
#include "base/error.h"
#include "operators/expr/expr.h"
#include "proto/batch.h"
#include "state/state.h"

// Version of what all operators compute. A change of any result from the same input needs a new number: a follower
// with another one refuses to follow.
enum { K_SEMANTICS = 2 };

// How repeatable an edge is (plan shows it). Net content of PURE does not depend on how partitions interleave; SORTED
// was put in a fixed order; JOURNALLED is repeatable by the journal only.
enum k_order { K_PURE, K_SORTED, K_JOURNALLED };

struct k_source_plan;

// What flows on an edge: made by the producer's plan, read by its consumers'.
struct k_edge {
    const char *name;        // as a consumer writes it: "parsed", "router.bad"
    struct k_schema schema;
    bool *read;              // per column: does anyone read it? Operators that pass columns through share their
                             // input's array, so that a read reaches the source
    bool updating;           // may carry weight -1; the two sides of one change, -1 and +1, are the physical rows r and
                             // r + 1 of one batch, and no other +1 stands directly behind a -1
    enum k_order order;
    // The columns that identify a row of an updating edge; 0: none known.
    const uint32_t *unique;
    uint32_t unique_count;
    // Columns of the window that made the rows, or -1; then the row's event time is window_end − 1 µs.
    int32_t window_start, window_end;
    int64_t delay_us;        // how far the edge lags behind the shard's frontier: the sum of the graces before it
    bool keyed_by_partition; // all rows of one group of `partition_column` come from one partition of each source
    int32_t partition_column; // index of that column here, or -1
    bool rejoined;           // rows of one record may have come on several ways
    bool made;               // rows may be made for a window: they are never late, because their event time lies in it
    const struct k_source_plan *const *sources; // from whose records the rows come, each once
    uint32_t source_count;
    bool is_table;            // of a source with a key: a row replaces the one before it, a tombstone removes it
    uint32_t table_key;       // its column
};

// Whether rows may have no record behind them. Of such a row the dead letter is the row itself, so that who copies rows
// copies what is there of them, also columns that nobody reads.
static inline bool k_edge_whole(const struct k_edge *edge)
{
    return edge->made || edge->updating;
}

struct k_graph;
// What plan works with. pos(field, index, offset): where the operator's own message has that field (see
// proto/graph.h).
struct k_planner {
    struct k_arena *arena; // of the plan: everything that outlives planning lies here
    struct k_diags *diags;
    struct k_graph *graph; // for positions
    uint32_t shards;
    const char *graph_name;
    struct k_buf *files; // what the fingerprint is to know of the files that the graph names; NULL: nobody asks
};

enum k_on_error { K_ON_ERROR_DEAD_LETTER, K_ON_ERROR_DROP, K_ON_ERROR_STOP, K_ON_ERROR_PASS_NULL };

// A node, table or sink after planning. The engine fills the first part, the operator's plan the second.
struct k_node {
    const char *name;
    const struct k_operator *type;
    const void *message;  // the oneof arm, a Kappa__V1__Table or a Kappa__V1__Sink
    const void *owner;    // the Kappa__V1__Node around it (or the same as message)
    struct k_edge **inputs;
    uint32_t input_count;
    enum k_on_error on_error;
    const char *dead_letter_topic;

    struct k_edge *outputs; // arena
    uint32_t output_count;
    void *config;           // arena, read-only afterwards, shared by all shards
    bool frontier;          // wants on_frontier
    bool gathers;           // wants on_flush
    bool journalled;        // a table: which of several rows it keeps depends on the journal's order
    const char *const *topics; // topics that it writes
    uint32_t topic_count;
    const char *state;      // what it keeps and what bounds it, in words, for `plan`; NULL: stateless
    const char *families[3]; // names of the state's families that may be its own; NULL behind the last
};

// What becomes of rows; the sums are checked by the engine: in = processed + filtered + late + dropped +
// dead_lettered.
struct k_counters {
    uint64_t in, processed, filtered, late, dropped, dead_lettered, out;
};

// A message for a topic, as an operator makes it. Borrowed for the call.
struct k_output {
    const char *topic;
    struct k_str key, value;
    bool has_key, has_value;
    int64_t timestamp_us; // event time; -1: none
    const struct k_header *headers; // the engine adds its own (generation, position)
    uint32_t header_count;
};

// The engine's side of one instance. All calls return 0 or an error code that the operator hands on at once.
struct k_host {
    const struct k_host_ops *ops;
    struct k_arena *arena;    // of the running batch or unit of work
    struct k_counters *counters;
    struct k_state *state;
    bool outputs_wanted;      // false while following: output() may be skipped, its messages need not be made
};
struct k_host_ops {
    // Hands rows to whoever reads output port `port`. Counts them as out.
    int (*emit)(struct k_host *host, uint32_t port, const struct k_batch *batch, struct k_error *err);
    // A message for a topic.
    int (*output)(struct k_host *host, const struct k_output *output, struct k_error *err);
    // A row that could not be processed, under the node's policy: dead letter (counted), drop (counted) or STOP (an
    // error naming topic, partition, offset). Not to be called under PASS_NULL for failed expressions.
    int (*fail)(struct k_host *host, const struct k_batch *batch, uint32_t row, const char *reason,
                const char *text, struct k_error *err);
    // A row that is late for all its windows: counted, and sent to late_topic if not NULL.
    int (*late)(struct k_host *host, const struct k_batch *batch, uint32_t row, const char *late_topic,
                struct k_error *err);
};

struct k_operator {
    const char *name; // of the oneof arm; "table" and "kafka" (sink)
    const char *doc;  // one sentence
    uint32_t inputs_min, inputs_max; // 0 and 0: exactly one
    // Checks the message against the inputs, reports every diagnostic, fills the node's second part. Returns false
    // when it reported an error (outputs must then still be filled as far as they are known, or output_count be 0).
    bool (*plan)(struct k_planner *planner, struct k_node *node);
    // When all nodes are planned, readers before those whom they read: what is read of the outputs becomes read of the
    // inputs. NULL: the outputs share their input's read flags, or all that is read was marked while planning.
    void (*read_back)(const struct k_node *node);
    uint32_t instance_size; // zeroed before open
    int (*open)(void *instance, const struct k_node *node, struct k_host *host, struct k_error *err);
    // Rows of input `port`. Everything is borrowed for the call.
    int (*on_batch)(void *instance, uint32_t port, const struct k_batch *batch, struct k_error *err);
    // All that comes of one batch of a source, or of one batch that was made for a window, has been handed in. Only for
    // a node that gathers; those whom it reads are flushed before it. NULL: never.
    int (*on_flush)(void *instance, struct k_error *err);
    // Does up to max units of work that the frontier (of this node: the shard's minus the inputs' delay) allows.
    // *ret_done < max means that nothing is left to do at this frontier. Only at commit boundaries. NULL: never any.
    int (*on_frontier)(void *instance, int64_t frontier_us, uint64_t max, uint64_t *ret_done, struct k_error *err);
    // The least frontier at which on_frontier would find work; INT64_MAX: none. Asked at every commit interval, so
    // that an idle pipeline writes nothing. NULL: never any.
    int (*next_frontier)(void *instance, int64_t *ret_us, struct k_error *err);
    // Housekeeping before a checkpoint, in bounded portions, that no result and no reader shows (expired rows of
    // tables). NULL: none.
    int (*tidy)(void *instance, int64_t frontier_us, struct k_error *err);
    void (*close)(void *instance); // frees what open made, also of a half-opened instance
};

// The catalogue: every operator, one line each, in the order of the reference.
extern const struct k_operator *const k_operators[];
extern const uint32_t k_operator_count;
const struct k_operator *k_operator_find(const char *name);

// A helper of operators that evaluate expressions: takes the rows in error out of the selection under the node's
// policy (fail for each, or nothing under PASS_NULL), and returns the shorter selection (arena) through ret_*.
int k_drop_failed(struct k_host *host, enum k_on_error on_error, const struct k_batch *batch,
                  const struct k_expr_errors *errors, const uint32_t **ret_selection, uint32_t *ret_selected,
                  struct k_error *err);
