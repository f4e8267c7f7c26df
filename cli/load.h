// From a file to a plan: what validate, plan, run and test have in common.
#pragma once
#include "cli/command.h"
#include "engine/plan.h"
#include "proto/params.h"

struct loaded {
    char *content;
    struct k_params *params;
    struct k_graph *graph;
    struct k_plan *plan;
};
// Reads a file whole. Text NUL-terminated; the caller frees it.
K_CHECKED int load_file(const char *path, struct k_buf *ret, struct k_error *err);
// Reads, puts in the parameters (--set at option index `set`), plans. Diagnostics go to stderr, secrets masked.
// Returns an exit status: 0, 78 for a wrong graph, 65 or 74 when the file cannot be read.
int load_plan(struct call *call, const char *path, uint32_t set, uint32_t shards, struct loaded *ret);
// The plan of a binary graph that somebody has stored, such as a state's identity. The bytes are copied.
K_CHECKED int load_binary(struct k_str bytes, uint32_t shards, struct loaded *ret, struct k_error *err);
void loaded_fini(struct loaded *loaded);
