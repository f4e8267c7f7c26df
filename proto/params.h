// The parameters of a graph: where their values come from, and how they get into its strings.
//
// A value comes from --set NAME=value, else the environment's KAPPA_VAR_NAME, else the param's default.
// Every string of the graph outside its `param`s may hold references to declared params:
//   ${NAME}            the value; without one the graph is wrong
//   ${NAME:-text}      the value, or text if there is none or it is empty
//   ${NAME:?message}   the value; if there is none or it is empty, the graph is wrong, with this message
//   $${                ${ itself
#pragma once
#include "proto/graph.h"

struct k_params;

// sets: NAME=value each, the last of a name counts. environment: looks up a variable, NULL if there is none;
// itself NULL for the process's own. Both are borrowed for the life of the result.
struct k_params *k_params_create(
    const char *const *sets, size_t set_count, const char *(*environment)(const char *name));
void k_params_destroy(struct k_params *params); // NULL-safe

// Replaces the references in all strings of the graph; their positions stay right (k_graph_pos_in).
// K_E_CONFIG: diags says what is wrong; the references concerned stay as they are and their messages count
// as broken (k_graph_is_broken), the others are replaced.
K_CHECKED int k_params_apply(struct k_params *params, struct k_graph *graph, struct k_diags *diags);

// Replaces every value of a secret param in text by "***", also where it is escaped as in JSON or in the
// text form. To be used on whatever is shown of a graph, its diagnostics included.
void k_params_mask(const struct k_params *params, struct k_buf *text);
