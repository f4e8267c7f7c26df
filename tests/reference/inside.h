// What the files of the reference share.
//
//   build.c      the graph's message becomes nodes, joined by outputs
//   source.c     records become rows; watermarks, idleness, the frontier
//   stateless.c  filter, map, route
//   reorder.c    union, event_time: what becomes of order and time; join.c: a stream and a table
//   aggregate.c  groups and windows; group.c: what a group remembers of each call
//   store.c      tables and sinks
//   reference.c  the interface, dead letters, counters
//   order.c      the order of history
//   results.c    what came out, as arrays and as text
#pragma once
#include "tests/reference/decode.h"
#include "tests/reference/map.h"
#include "tests/reference/reference.h"

#define NO_TIME INT64_MIN

// A row on its way through the graph. Borrowed for the call.
struct row {
    const struct value *values;
    int64_t time;      // event time
    int64_t watermark; // of its own partition just after it; NO_TIME: never late (rows that a window made)
    int weight;        // +1 or -1
    int64_t window_start, window_end; // of the window that made it; NO_TIME: none
    const struct reference_record *origin; // the record behind it; NULL: an aggregate made it
    const struct source *source;           // of origin
    uint32_t index;                        // of the row in a message of several; without origin 0
};

struct node;

// What a node gives and others read.
struct output {
    const char *name;
    struct node *owner;
    struct column *columns;
    uint32_t count;
    bool *read;         // per column; shared where columns pass as they are
    bool updating;      // may take rows back
    int64_t delay;      // the sum of the graces before it
    int32_t window_end; // the column with the end of the row's window, or -1
    struct node **readers;
    uint32_t reader_count;
    struct map *net;    // row as JSON → int64_t weight; NULL: nobody asked
    const struct reference_net *net_items;
};

enum node_kind { NODE_SOURCE, NODE_FILTER, NODE_MAP, NODE_ROUTE, NODE_UNION, NODE_FLATTEN, NODE_EVENT_TIME,
                 NODE_AGGREGATE, NODE_JOIN, NODE_TABLE, NODE_SINK };

struct node {
    enum node_kind kind;
    const char *name;
    struct output *input; // NULL for a source; of a union the first
    struct output **inputs;
    uint32_t input_count;
    struct output *outputs;
    uint32_t output_count;
    Kappa__V1__Policy__OnError on_error;
    const char *dead_letter_topic;
    struct reference_counters counters;

    struct source *source;
    // filter: one condition; route: one a case; event_time: one; map: one expression a column, NULL where column
    // `from` passes; union: `from` has a row of columns for each input
    struct expr **exprs;
    int32_t *from;
    int64_t behind;           // event_time
    struct flattening *flattening;
    struct waiting *waiting;  // union; grows in the scratch arena
    uint32_t waiting_count, waiting_room;
    struct aggregation *aggregation;
    struct joining *joining;
    struct store *store; // table and sink
};

struct partition {
    bool disowned, touched, joins; // joins: its rest does not count before it is at its end
    int64_t time_max, watermark; // NO_TIME: no record yet
    int64_t last_clock;          // at the first boundary behind its last record; NO_TIME: none
};

struct source {
    const Kappa__V1__Source *message;
    struct decoder *decoder;
    uint32_t declared;
    struct expr *time; // NULL: the message's timestamp
    int64_t out_of_order, idle, max_ahead; // idle -1: never
    const char *topic;
    int32_t partitioned_by, key; // columns, or -1; with a key it is a table
    struct partition *partitions;
    int32_t partition_count, number; // number: in the order of the graph
    bool grows; // partitions appear as they are fed
};

struct aggregation {
    struct expr **groups;
    struct column *named; // groups and window columns
    uint32_t group_count, named_count;
    struct call *calls;
    uint32_t call_count;
    struct expr **selects;
    uint32_t select_count;
    bool windowed, inherit, on_update, updating_input;
    int64_t size, every, grace;
    const char *late_topic;
    struct map map;    // group → struct group
    int64_t least_end; // no open window ends before
};

struct store {
    uint32_t *visible, visible_count;
    uint32_t *key, key_count; // columns of the input
    int64_t retention;        // table; -1: for ever
    struct map map;           // table: key as JSON → struct stored
    const char *topic;        // sink
    uint64_t bytes_max;
    bool raw_key, owes;       // owes: of a sink, a row is gone, and its tombstone waits for a successor
    struct k_buf owed_key;
    const struct reference_row *rows;
};
struct stored {
    struct k_str row_json;
    int64_t time;
};

struct topic {
    const char *name;
    struct reference_message *messages;
    uint32_t count, capacity;
};

struct reference {
    const Kappa__V1__Graph *graph;
    struct k_arena arena;   // for life
    struct k_arena scratch; // reset after each record and each closed window
    struct node **nodes;    // sources, then inputs before those who read them
    uint32_t node_count;
    struct node **by_graph; // in the order of the graph's message, for counters
    struct reference_counters *counters;
    int64_t frontier, final_frontier; // final_frontier: what the frontier was when the input was declared complete
    bool final;
    struct topic *topics;
    uint32_t topic_count;
    const char **topic_names;
    struct reference_dead_letter *letters;
    uint32_t letter_count, letter_capacity;
    struct k_buf text; // scratch
};

// build.c
K_CHECKED int build(struct reference *r, const int32_t *partitions, struct k_error *err);
K_CHECKED int need_duration(const char *text, int64_t *us, struct k_error *err); // absent: *us stays
int32_t find_column(const struct output *output, const char *name);
struct output *find_output(struct reference *r, const char *name);
void make_output(struct reference *r, struct node *node, uint32_t index, const char *name, struct column *columns,
                 uint32_t count);
K_CHECKED int build_aggregate(struct reference *r, struct node *node, const Kappa__V1__Aggregate *message,
                              struct k_error *err);
K_CHECKED int build_map(struct reference *r, struct node *node, const Kappa__V1__Map *message, struct k_error *err);
K_CHECKED int build_table(struct reference *r, struct node *node, const Kappa__V1__Table *message, struct k_error *err);
K_CHECKED int build_sink(struct reference *r, struct node *node, const Kappa__V1__Sink *message, struct k_error *err);

// The work of each kind of node on one row.
// All that became of one record is there: unions hand it on, and sinks send what they owe.
K_CHECKED int settle_record(struct reference *r, struct k_error *err);
K_CHECKED int filter_take(struct reference *r, struct node *node, const struct row *row, struct k_error *err);
K_CHECKED int map_take(struct reference *r, struct node *node, const struct row *row, struct k_error *err);
K_CHECKED int route_take(struct reference *r, struct node *node, const struct row *row, struct k_error *err);
K_CHECKED int aggregate_take(struct reference *r, struct node *node, const struct row *row, struct k_error *err);
K_CHECKED int aggregate_close(struct reference *r, struct node *node, int64_t frontier, struct k_error *err);
K_CHECKED int table_take(struct reference *r, struct node *node, const struct row *row, struct k_error *err);
K_CHECKED int sink_take(struct reference *r, struct node *node, const struct row *row, struct k_error *err);
void sink_settle(struct reference *r, struct node *node); // sends the tombstone that it owes

// reference.c
K_CHECKED int emit(struct reference *r, struct output *output, const struct row *row, struct k_error *err);
// A row that failed, under the node's policy. columns: of the row, for rows without a record behind them.
K_CHECKED int fail(struct reference *r, struct node *node, const struct row *row, const struct output *shape,
                   const char *reason, struct k_error *err);
void send(struct reference *r, const char *topic, const char *sink, const struct k_str *key, const struct k_str *value);
// Columns as a JSON object; only: which ones, NULL: all.
void row_json(struct k_buf *out, const struct column *columns, const struct value *values, const uint32_t *only,
              uint32_t count);
// An expression under the node's policy: true, and NULL where it failed and may; false: the row fails for *reason.
bool compute(struct reference *r, const struct node *node, const struct expr *expr, const struct value *values,
             struct value *ret, const char **reason);

// group.c: what a group remembers of one call.
struct memory;
struct memory *memory_new(struct k_arena *arena, const struct call *call);
void memory_add(struct memory *memory, const struct call *call, const struct value *args, const struct row *row,
                bool updating, struct k_arena *arena);
// *reason: "overflow" when the result does not fit its type.
struct value memory_result(const struct memory *memory, const struct call *call, const char **reason);
