// The plan of a change, shown: a new graph against one that is stored or in a file.
#pragma once
#include "cli/load.h"

// The graph of the live generation, as its state on this machine holds it. K_E_NOT_FOUND: there is none here.
// *ret_why_all: see k_change_make.
K_CHECKED int change_load_live(const char *state_dir, const char *graph, struct loaded *ret, const char **ret_why_all,
                               struct k_error *err);
// A line a source, node and table, as text or as a member "change":[…] of a JSON object. Returns how many are refused.
uint32_t change_print(const struct k_plan *old, const struct k_plan *new, const char *why_all, bool json,
                      struct k_buf *out);
