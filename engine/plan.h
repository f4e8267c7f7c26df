// The plan: a graph, checked and typed, as the engine runs it. validate, plan, run and test all make it by this one
// function, so nothing passes one and fails another for a reason that was knowable.
#pragma once
#include "operators/sources.h"
#include "proto/graph.h"

// Who reads an output: input `port` of nodes[node].
struct k_link {
    uint32_t node, port;
};
struct k_links {
    struct k_link *items;
    uint32_t count;
};

struct k_plan {
    struct k_arena arena;
    const Kappa__V1__Graph *message; // borrowed from the graph, which must outlive the plan
    const char *name;
    const char *dead_letter_topic;   // the graph's own
    char fingerprint[33];            // XXH3-128 of k_graph_canonical and the files that it names, in hex
    uint32_t shards;

    struct k_source_plan *sources;
    struct k_links *source_links; // of each source's one output
    uint32_t source_count;

    struct k_node *nodes; // nodes, tables and sinks; inputs come before those who read them
    struct k_links **node_links; // [node][output port]
    uint32_t node_count;
};

// Makes the plan of a graph (after substitution of parameters). Every error that can be found is in diags; with any
// error, *ret_plan is NULL and K_E_CONFIG is returned. The graph is borrowed and must outlive the plan.
K_CHECKED int k_plan_make(struct k_graph *graph, uint32_t shards, struct k_diags *diags, struct k_plan **ret_plan);
void k_plan_destroy(struct k_plan *plan); // NULL-safe

// What a graph computes, as bytes: a binary kappa.v1.Graph without tests, parameters and comments. Appended to out.
void k_graph_canonical(const Kappa__V1__Graph *graph, struct k_buf *out);

// Finds who offers an output called name ("parsed", "router.bad"). Exactly one of *ret_source and *ret_node is ≥ 0.
bool k_plan_find_output(const struct k_plan *plan, const char *name, int32_t *ret_source, int32_t *ret_node,
                        uint32_t *ret_port);

// Whether a node is a sink whose messages have a key, so that the last one of each key is what its topic shows.
bool k_plan_is_keyed_sink(const struct k_node *node);
// The table that remembers what such a sink shows: it reads the same rows and has the same key columns. Its index among
// the nodes, -1: there is none.
int32_t k_plan_table_of_sink(const struct k_plan *plan, const struct k_node *sink);

// The topics that a run needs: sources (must exist), sinks, late and dead-letter topics (made when absent), journals
// (made by the engine). For `plan`, `doctor` and the start of a run. Names in the plan's arena; without duplicates.
enum k_topic_use { K_TOPIC_SOURCE, K_TOPIC_OUTPUT, K_TOPIC_DEAD_LETTERS, K_TOPIC_JOURNAL };
struct k_topic_need {
    const char *topic;
    enum k_topic_use use;
    int32_t partitions; // to make it with; -1: the broker's default
};
uint32_t k_plan_topics(struct k_plan *plan, const struct k_topic_need **ret);
