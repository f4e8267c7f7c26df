// How keys and rows lie in the state: public, versioned (K_STATE_FORMAT), described in docs/state-format.md.
//
// A key is a concatenation of values; memcmp order of the bytes is the order of the values, column by column, NULL
// first. One tag byte a value: 0x01 NULL; else 0x10 + type number, then
//   bool       one byte
//   int64, timestamp   8 bytes big-endian, sign bit flipped
//   double     8 bytes big-endian, sign bit flipped if positive, all bits flipped if negative; -0 is stored as 0, every
//              NaN as one NaN above infinity
//   string, bytes, json   the bytes with 00 → 00 FF, then 00 00
// A row value: varint count of columns, then per column the tag byte (0x01 NULL) and, not NULL,
//   bool one byte; int64, timestamp zigzag varint; double 8 bytes little-endian; string, bytes, json varint length
//   and bytes.
#pragma once
#include "base/error.h"
#include "proto/batch.h"

enum { K_STATE_FORMAT = 1 };

void k_key_add_value(struct k_buf *key, const struct k_value *value);
void k_key_add_i64(struct k_buf *key, int64_t value); // 8 bytes big-endian, sign flipped, without tag
void k_key_put_i64(char *data, int64_t value);        // the same, in place
int64_t k_key_get_i64(const char *data);              // the reverse

// The keys of the selected rows over some columns, hot path: ret_keys[i] (arena) is the key of row selection[i].
void k_keys_of_rows(const struct k_column *const *columns, uint32_t count, const uint32_t *selection,
                    uint32_t selected, struct k_arena *arena, struct k_str *ret_keys);

// Decodes a key of count columns; strings are copied to the arena only where they held escapes, else borrowed.
// K_E_CORRUPT when the bytes are not such a key. *ret_used: bytes read.
int k_key_decode(struct k_str key, uint32_t count, struct k_arena *arena, struct k_value *ret_values,
                 size_t *ret_used, struct k_error *err);

void k_row_add_value(struct k_buf *row, const struct k_value *value);
void k_row_encode(struct k_buf *row, const struct k_column *const *columns, uint32_t count, uint32_t index);
// Strings are borrowed from the row. Columns that the row lacks (written by an older graph) are NULL.
int k_row_decode(struct k_str row, uint32_t count, struct k_value *ret_values, struct k_error *err);
