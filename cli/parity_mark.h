// Two generations of a running pipeline, compared at one mark of its journals.
#pragma once
#include "cli/kafka.h"

struct parity_mark {
    const char *state_dir, *graph; // borrowed
    const char *generations[2];
    int64_t timeout_us;
};
// Asks for a mark and waits until both generations have kept a copy of each of their shards that is on this machine:
// hard links, below *ret_directory (a state directory for reading; the caller frees it).
// K_E_NOT_FOUND: no such generation here. K_E_TIMEOUT: one did not come to the mark in time.
K_CHECKED int parity_take_mark(struct call *call, uint32_t kafka, const struct parity_mark *mark,
                               char **ret_directory, struct k_error *err);
