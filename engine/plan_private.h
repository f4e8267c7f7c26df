// What plan.c and plan_nodes.c share while a plan is being made.
#pragma once
#include "engine/plan.h"

#include <stdlib.h>

// A source, node, table or sink on its way into the plan.
struct thing {
    const char *kind; // "source", "node", "table", "sink"
    const char *name;
    const void *message;
    const Kappa__V1__Source *source; // exactly one of these four
    const Kappa__V1__Node *node;
    const Kappa__V1__Table *table;
    const Kappa__V1__Sink *sink;
    char *const *inputs; // as written
    uint32_t input_count;
    int32_t *from;          // index of the thing that each input names; -1: unknown
    const char **from_case; // and the case, of a route
    bool is_end;            // gives no rows: table, sink
    bool read, failed, in_cycle;
    int visit;
    uint32_t planned; // index among the plan's sources or nodes
};

struct planning {
    struct k_plan *plan;
    struct k_graph *graph;
    struct k_diags *diags;
    struct thing *things;
    uint32_t thing_count;
    uint32_t *order; // indices of things, inputs first
    uint32_t order_count;
    struct k_buf files; // hashes of the files that the graph names, for the fingerprint
};

// Second half: plans each thing in order and links outputs to their readers.
void k_plan_things(struct planning *planning);
