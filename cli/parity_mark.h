// Two generations of a running pipeline, compared at one mark of its journals.
#pragma once
#include "cli/kafka.h"
#include "engine/marks.h"
#include "replay/control.h"

struct parity_mark {
    const char *state_dir, *graph; // borrowed
    const char *generations[2];    // the second NULL: only one is waited for
    int64_t timeout_us;
    uint64_t number;           // out
    struct k_mark_claim claim; // held until parity_mark_end
};
// Asks for a mark and waits until both generations have kept a copy of each of their shards that is on this machine:
// hard links, below *ret_directory (a state directory for reading; the caller frees it). On success
// parity_mark_end ends it.
// K_E_NOT_FOUND: no such generation here. K_E_TIMEOUT: one did not come to the mark in time.
K_CHECKED int parity_take_mark(struct call *call, uint32_t kafka, struct parity_mark *mark, char **ret_directory,
                               struct k_error *err);
// The same, with a connection that is there.
K_CHECKED int parity_mark_with(struct k_log *log, struct parity_mark *mark, char **ret_directory,
                               struct k_error *err);
// Keeps what the comparison at the mark found, in the pipeline's control record.
K_CHECKED int parity_keep_report(struct call *call, uint32_t kafka, const char *graph,
                                 const struct k_parity_report *report, struct k_error *err);
// Removes the copies, or leaves them where they are.
void parity_mark_end(struct parity_mark *mark, bool keep);
