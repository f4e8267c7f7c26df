// What the files of the table operator share: table.c writes the rows, table_now.c gives them back as they are.
#pragma once
#include "operators/common.h"

struct table_config {
    struct k_schema schema; // visible columns
    uint32_t *columns;      // which they are in the input
    uint32_t *key;          // in the input's columns
    uint32_t *stored_key;   // in the table's
    uint32_t key_count;
    int64_t retention_us;     // -1: for ever
    uint32_t inline_capacity; // bytes in place in each value
    const char *family;
    struct k_family_type type;
};

struct table {
    struct k_host *host;
    const struct k_node *node;
    const struct table_config *config;
    struct k_family *family;
    struct k_buf row;
};

// The rows of these keys (encoded; at most K_BATCH_ROWS) as the state has them now; data NULL: there is none. Borrowed
// until the state is changed or trimmed.
K_CHECKED int k_table_find(struct table *table, const struct k_str *keys, uint32_t count, struct k_arena *arena,
                           struct k_str *ret_rows, struct k_error *err);
// Such rows as one batch of the table's input: what a sink that reads the same rows would be handed. Row i of it is of
// keys[i]. One that is not there, or past its retention at this frontier, has weight -1, and of its columns only the
// key's. Columns that a table does not keep are NULL. The batch lies in the arena and borrows from rows and keys.
K_CHECKED int k_table_rows(const struct table *table, const struct k_str *keys, const struct k_str *rows,
                           uint32_t count, int64_t frontier_us, struct k_arena *arena, struct k_batch *ret,
                           struct k_error *err);
