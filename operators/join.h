// What the files of the join share.
//
//   join_plan.c   the message becomes a typed configuration and an output edge
//   join.c        rows come in and wait; the frontier takes them in order
//
// State
//   sort/<name>   rows of both inputs until the frontier has passed them (sorter.h): the key's value, of the table
//                 whether it is a tombstone, then the columns that the selects need
//   join/<name>   the table. Key: its key's value. Value: the columns that the selects need, as a row
#pragma once
#include "operators/common.h"
#include "operators/sources.h"
#include "operators/row_value.h"
#include "operators/sorter.h"

enum { K_JOIN_STREAM, K_JOIN_TABLE, K_JOIN_INPUTS }; // the inputs' ports

// One column of the output: a column of both inputs that passes through, or an expression.
struct k_join_output {
    struct k_expr *expr; // NULL: passes
    uint32_t column;     // in `both`
};

struct k_join_config {
    bool left; // rows without a match come out, too
    const char *late_topic;
    struct k_schema both;          // the stream's columns, then the table's, named "input.column"
    uint32_t first[K_JOIN_INPUTS]; // where an input's columns begin there
    const struct k_expr *key;      // over `both`: what the stream looks up
    uint32_t table_key, tombstone; // columns of the table
    uint32_t *kept[K_JOIN_INPUTS], kept_count[K_JOIN_INPUTS]; // an input's columns that the selects need
    struct k_join_output *outputs;
    uint32_t output_count;
    const char *sort_family, *table_family;
    uint32_t inline_capacity;
    struct k_family_type type;
};

bool k_join_plan(struct k_planner *planner, struct k_node *node);
