// Digests of tables: what a table holds, as a number that does not depend on the order of its rows, nor on how they
// lie on the disk. Documented in docs/state-format.md, so that another program can compute it.
//
// The hash of a row is SHA-256 over (name of the table, key, columns), each with its length before it. The digest of
// some rows is their number and the sum of their hashes modulo 2^256: a row that is there twice, or two rows that
// change places, do not cancel. Rows past retention are left out, as for every reader.
//
// A table is cut into ranges of about K_DIGEST_SPAN rows: a range begins at a key whose CRC-32 is divisible by that. So
// where ranges begin depends on the keys alone, two tables that have the same keys somewhere have the same ranges
// there, and a difference is found by reading the ranges that differ.
#pragma once
#include "state/reader.h"

enum { K_DIGEST_BYTES = 32, K_DIGEST_SPAN = 4096 };

struct k_digest {
    uint64_t rows;
    uint8_t sum[K_DIGEST_BYTES]; // big-endian
};
void k_digest_add(struct k_digest *to, const struct k_digest *what);
bool k_digest_equal(const struct k_digest *a, const struct k_digest *b);
void k_digest_hex(const struct k_digest *digest, char ret_text[2 * K_DIGEST_BYTES + 1]);

struct k_digest_range {
    struct k_str first; // the key that it begins with, encoded; of the first range: empty, for it begins before all
    struct k_digest digest;
};
struct k_table_digest {
    struct k_digest all;
    struct k_digest_range *ranges; // ascending; at least one
    uint32_t range_count;
    struct k_arena arena; // keys
};
// Scans the table. On failure there is nothing to be freed.
K_CHECKED int k_table_digest(struct k_view *view, const struct k_table_info *table, struct k_table_digest *ret,
                             struct k_error *err);
void k_table_digest_fini(struct k_table_digest *digest); // also of a zeroed struct

// The bytes of a row that are hashed: its key and its columns, appended.
void k_digest_key(const struct k_table_info *table, const struct k_value *values, struct k_buf *out);
void k_digest_columns(const struct k_table_info *table, const struct k_value *values, struct k_buf *out);
