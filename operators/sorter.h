// The sorter: rows of several sides wait until the frontier has passed their event time, and come out in an order that
// does not depend on how they came in: event time, side, partition, offset, number of the record in its message. What
// is still equal after that (rows that operators made) is told apart by its bytes, and where those are equal, too, the
// rows are.
//
// A row that is not late has an event time ≥ the watermark of its own partition, so ≥ the frontier: nothing that comes
// later belongs before what was taken.
//
// State: family "sort/<name>". Segment: the event time, rounded down to a tenth of a second. Key: event time (8 bytes,
// order-preserving), side (1), partition (4), offset (8), number (4), the row. Value: how many such rows wait.
#pragma once
#include "operators/operator.h"

struct k_sorter {
    struct k_family *family;
    int64_t next_us; // the least event time that waits, if it is known
    bool next_known;
};

int k_sorter_open(struct k_sorter *sorter, struct k_state *state, const char *family, struct k_error *err);

// Whether a row comes too late to be put in order: judged in its own partition.
static inline bool k_sorter_late(const struct k_batch *batch, uint32_t row)
{
    return batch->watermark && batch->watermark[row] > batch->time[row];
}

// Keeps rows of a batch, each as the bytes in `bytes`; none may be late.
int k_sorter_add(struct k_sorter *sorter, uint8_t side, const struct k_batch *batch, const uint32_t *rows,
                 const struct k_str *bytes, uint32_t count, struct k_error *err);

struct k_sorted {
    int64_t time_us;
    uint8_t side;
    uint64_t times; // equal rows
    struct k_str bytes;
};
// Takes up to max entries that lie before the frontier, in order; bytes are copied to the arena. Fewer than max: no
// more wait before it.
int k_sorter_take(struct k_sorter *sorter, int64_t frontier_us, uint32_t max, struct k_arena *arena,
                  struct k_sorted *ret_rows, uint32_t *ret_count, struct k_error *err);
// The least frontier at which something could be taken; INT64_MAX: nothing waits.
int k_sorter_next(struct k_sorter *sorter, int64_t *ret_us, struct k_error *err);
