// What the files of flatten share.
//
//   flatten_plan.c      the message becomes columns: the element in the array's place, or the fields of its schema
//   flatten_elements.c  the text of an array, cut into its elements
//   flatten.c           rows: one per element, in batches of bounded size whatever the arrays hold
#pragma once
#include "operators/common.h"
#include "proto/format.h"

struct k_flatten_config {
    uint32_t array; // the input's column
    bool outer;
    int32_t *from;          // per column of the output: the input's column, or -1
    int32_t element;        // the output's column that holds the element itself, or -1
    uint32_t first_field;   // of the output: where the schema's fields are
    struct k_schema fields; // of the schema; count 0: none
};

bool k_flatten_plan(struct k_planner *planner, struct k_node *node);

// An array on its way into elements.
struct k_elements {
    const char *at, *end;
    bool more;   // not all elements have been handed out
    bool broken; // the text is no JSON
};
// false: the text is no array. The text may have white space around.
bool k_elements_begin(struct k_str text, struct k_elements *ret);
// The next elements, at most max, without white space around. They borrow from the text.
uint32_t k_elements_next(struct k_elements *elements, struct k_str *ret, uint32_t max);
