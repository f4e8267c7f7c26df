// What the files of flatten share.
//
//   flatten_plan.c      the message becomes columns: the element in the array's place, or the fields of its schema
//   flatten.c           rows: one per element, in batches of bounded size whatever the arrays hold
#pragma once
#include "operators/common.h"
#include "proto/format.h"
#include "proto/json_walk.h"

struct k_flatten_config {
    uint32_t array; // the input's column
    bool outer;
    int32_t *from;          // per column of the output: the input's column, or -1
    int32_t element;        // the output's column that holds the element itself, or -1
    uint32_t first_field;   // of the output: where the schema's fields are
    struct k_schema fields; // of the schema; count 0: none
};

bool k_flatten_plan(struct k_planner *planner, struct k_node *node);
