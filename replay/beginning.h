// Where in the journals, as they are now, a new generation can begin. If they go back to their first records: there. If
// they were cut off: behind the first record that says where its inputs stand, with what the sources still have from
// before. And a source that the pipeline does not read is read up to where it ends now; from there on the journal will
// order it.
#pragma once
#include "engine/log.h"
#include "engine/plan.h"
#include "proto/internal.pb-c.h"
#include "replay/starts.h"

struct k_beginning {
    int64_t from; // the record's offset; 0: it is the journal's first ever
    Kappa__Internal__JournalRecord *record;
    Kappa__Internal__JournalRecord__Input **inputs; // that it lists; the record's own
    size_t input_count;
};
// from: the record's offset, or -1: the first one with which a state can begin. K_E_NOT_FOUND: there is no journal, or
// nothing in it. K_E_LOST_RANGE: it is gone, or no record says where its inputs stand. K_E_CONFIG: the pipeline has
// another number of shards.
K_CHECKED int k_beginning_read(struct k_log *log, const struct k_plan *plan, uint32_t shard, int64_t from,
                               struct k_beginning *ret, struct k_error *err);
void k_beginning_fini(struct k_beginning *beginning); // also of a zeroed struct
// The input of the list that is this source; -1: it is not among them.
int32_t k_beginning_input(const struct k_beginning *beginning, const struct k_source_plan *source);
// Where it says that a partition of an input stands; -1: not begun.
int64_t k_beginning_next(const struct k_beginning *beginning, const struct k_plan *plan, int32_t input,
                         uint32_t partition);

// Completes the starts of a generation that is to be made: what was asked for (given: something was), and what the
// journals want. *ret_needed: it does not simply begin with the journals, so that its starts must be noted.
// K_E_LOST_RANGE: the journals were cut off, and a source no longer begins at offset 0, so that nobody knows whether
// that is all there ever was: then it must be asked for.
K_CHECKED int k_beginning_choose(struct k_log *log, const struct k_plan *plan, bool given, struct k_starts *starts,
                                 bool *ret_needed, struct k_error *err);
