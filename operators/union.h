// What union.c and union_merge.c share: rows that wait until all that became of one batch is there.
#pragma once
#include "operators/common.h"
#include "operators/sources.h"

struct k_union_part;

// Rows of all inputs on their way into one order. Zeroed but for the schema it is empty.
struct k_union_merge {
    const struct k_schema *schema; // of the union
    const bool *read;              // its columns that are read
    bool whole;                    // the others are handed on, too, where they are there (k_edge_whole)
    struct k_arena arena;          // of what waits
    struct k_union_part **parts;
    uint32_t part_count, part_room;
    uint64_t rows;
    uint32_t source; // of what waits: all of it began with one batch
};

void k_union_merge_init(struct k_union_merge *merge, const struct k_edge *edge); // of the union
void k_union_merge_fini(struct k_union_merge *merge);
// Copies the batch's rows, with its strings: whoever hands on a batch may do so in a portion of its own.
void k_union_merge_take(struct k_union_merge *merge, uint32_t port, const struct k_batch *batch);
// Emits all rows that wait, by their cause, then by port, and as they came; merge is empty then. batches: where they
// are made; host: whose port 0 gets them.
K_CHECKED int k_union_merge_emit(struct k_union_merge *merge, struct k_host *host, struct k_error *err);
