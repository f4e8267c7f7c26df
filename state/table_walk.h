// The keys in which one table differs in two stores: for two states of one pipeline at one place, of one shard.
//
// Both sides are scanned once, side by side, in the order of their keys. Rows that are expired at a side's own frontier
// are left out of it. Rows are equal if their columns are, whatever their expiry base. Where the two have other columns
// every key of either differs.
#pragma once
#include "state/store.h"

struct k_table_walk;
// The stores are borrowed, and hold still. A table that only the left lacks, or left NULL, is empty there.
// K_E_NOT_FOUND: the right store has no such table. K_E_CONFIG: its key is another one on the left, so that rows cannot
// be told to be the same.
K_CHECKED int k_table_walk_open(struct k_store *left, struct k_store *right, const char *table,
                                struct k_table_walk **ret, struct k_error *err);
void k_table_walk_close(struct k_table_walk *walk); // NULL-safe
// Goes on behind this key.
void k_table_walk_seek(struct k_table_walk *walk, struct k_str after);
// The next key of either side; differs: whether it does; end: there is none. key and right (that side's row as the
// state has it, data NULL: none) are borrowed until the next call.
struct k_table_step {
    struct k_str key, right;
    bool differs, end;
};
K_CHECKED int k_table_walk_next(struct k_table_walk *walk, struct k_table_step *ret, struct k_error *err);
// A note beside the state ("position", …; see state.h), copied into the arena; data NULL: there is none.
K_CHECKED int k_store_note(struct k_store *store, const char *name, struct k_arena *arena, struct k_str *ret,
                           struct k_error *err);
