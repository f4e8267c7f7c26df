// The rows of serving tables in the state: the one place that knows their bytes, for the engine that writes them and
// for readers.
//
// A table is the family "table/<name>", segment 0. Key: the table's key columns (encoding.h). Value: 8 bytes expiry
// base (order-preserving), then the row with all columns in schema order. Retention counts from the expiry base: the
// row's window_end, else the event time of its last change; a row is gone when base + retention ≤ frontier.
#pragma once
#include "state/encoding.h"

#define K_TABLE_NEVER INT64_MAX // an expiry base: the row never expires

// Appends the value of one row of a batch: all columns of the table in schema order.
void k_table_row_encode(struct k_buf *out, int64_t expiry_base_us, const struct k_column *const *columns,
                        uint32_t count, uint32_t row);
// The same from single values.
void k_table_row_encode_values(struct k_buf *out, int64_t expiry_base_us, const struct k_value *values,
                               uint32_t count);
// The expiry base and the columns; strings are borrowed from the bytes. K_E_CORRUPT. ret_values may be NULL with
// count 0: only the base is wanted.
int k_table_row_decode(struct k_str bytes, uint32_t count, int64_t *ret_expiry_base_us, struct k_value *ret_values,
                       struct k_error *err);
// Whether a row is gone at this frontier. retention_us < 0: rows are kept for ever.
bool k_table_row_expired(int64_t expiry_base_us, int64_t retention_us, int64_t frontier_us);

// The shard that a key belongs to when keys are spread by one column: the partition that the producer gives to the
// column's text, modulo shards. The text is what a producer of the source used as message key: a string's bytes, a
// number in decimal, a timestamp in RFC 3339, a bool true or false. A NULL belongs to no shard: -1.
int32_t k_table_shard_of(const struct k_value *value, bool crc32, uint32_t partitions, uint32_t shards);
