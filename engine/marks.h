// Copies of states at a mark of the journal, as directories of hard links in the state directory:
// DIR/.marks/<mark>/<graph>/<generation>/<shard>. They hold the disk space of a whole state, so one is made only while
// somebody waits for it on this machine: whoever asks for a mark claims it first, by a lock that ends with the process.
//
// The lock lies on the byte of the mark's number in DIR/.marks/asked.<graph>; several may hold it.
#pragma once
#include "engine/copies.h"

struct k_mark_claim {
    const char *state_dir, *graph; // borrowed
    int file;                      // -1: nothing is claimed
    bool keep;                     // the copies stay when it ends
};
// Before the mark is asked for. One claim may be of several marks, where a number had to be asked for again.
K_CHECKED int k_mark_claim(struct k_mark_claim *claim, uint64_t mark, struct k_error *err);
// The copies at the mark go, unless somebody else waits for them, and those that dead processes left.
void k_mark_leave(struct k_mark_claim *claim, uint64_t mark);

// Keeps a copy of this shard's state, unless there is one, or nobody here waits for it. What cannot be kept is told by
// a trace: it is no reason to stop the pipeline.
void k_mark_keep(const struct k_copy_place *place, struct k_store *store, uint64_t mark);
