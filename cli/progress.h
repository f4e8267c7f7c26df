// What run shows while it works: a progress line on a terminal, plain lines otherwise, statistics as JSON lines, and
// the sums at the end.
#pragma once
#include "cli/command.h"
#include "engine/worker.h"

#include <stdio.h>

struct progress_options {
    bool line;        // a line that is overwritten (terminal)
    bool plain;       // a line now and then (--progress yes, no terminal)
    const char *stats; // file; NULL: none
    bool once;
};
struct progress;

// Reads --progress and --stats at these indices of the verb's options.
K_CHECKED int progress_read(struct call *call, uint32_t progress, uint32_t stats, struct progress_options *ret,
                            struct k_error *err);
K_CHECKED int progress_start(const struct progress_options *options, const struct k_plan *plan, struct k_worker *worker,
                             struct progress **ret, struct k_error *err);
void progress_tick(struct progress *progress); // call about ten times a second; NULL-safe
void progress_end(struct progress *progress);  // last statistics, clears the line, frees; NULL-safe
// The sums of every source and node, as a table; checks that they hold. Returns an exit status: 0, or 70 if they do
// not.
int progress_totals(const struct k_plan *plan, struct k_worker *worker, FILE *out);
