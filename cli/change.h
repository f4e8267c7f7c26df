// The plan of a change, shown: a new graph against one that is stored or in a file.
#pragma once
#include "cli/load.h"

// The graph of a generation ("live", or its number), as its state on this machine holds it. K_E_NOT_FOUND: there is
// none here. *ret_why_all: see k_change_make.
K_CHECKED int change_load(const char *state_dir, const char *graph, const char *generation, struct loaded *ret,
                          const char **ret_why_all, struct k_error *err);
// A line a source, node and table, as text or as members "change":[…] and "taking":{…} of a JSON object, with what
// would be taken over from a copy of the old one's state.
// why_full: why everything is computed in any case; NULL: it need not be. *ret_whole: nothing would be read again.
void change_print(const struct k_plan *old, const struct k_plan *new, const char *why_all, const char *why_full,
                  bool json, struct k_buf *out, bool *ret_whole);
