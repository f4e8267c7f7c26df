// Parity: do two states hold the same tables? For two directories, exports, or generations at one mark.
//
// Each side's tables are digested by one scan; where the digests of a range of keys differ (replay/digest.h), the range
// is read again on both sides and each key that differs is told with both values.
#pragma once
#include "replay/digest.h"

// Where a view stands, for comparing: shards with their place in the journal, and every partition of the sources.
// Appended as one line for people.
K_CHECKED int k_parity_position(struct k_view *view, struct k_buf *out, struct k_error *err);
// Whether two views stand at the same position: at the same place of the same journals, or, where the journals are
// others, at the same offsets of the same sources. *ret_journals: it was the journals that agreed.
K_CHECKED int k_parity_same_position(struct k_view *a, struct k_view *b, bool *ret_same, bool *ret_journals,
                                     struct k_error *err);

enum k_difference { K_ONLY_LEFT, K_ONLY_RIGHT, K_CHANGED };
const char *k_difference_name(enum k_difference difference); // "only_left", …

// What became of one table. A table that only one side has, or that has other columns or another key there, differs as
// a whole: its digests are then those of what there is, and nothing is said of keys.
struct k_parity_table {
    const char *name;
    const struct k_table_info *left, *right; // NULL: that side has no such table
    bool same_columns;
    struct k_digest left_digest, right_digest;
    uint64_t only_left, only_right, changed; // keys
    uint32_t ranges, ranges_read;            // of the left side; read a second time
};
bool k_parity_equal(const struct k_parity_table *table);

struct k_parity_visit {
    // A key that differs; the values of a side that lacks it are NULL. In key order. False: no more of this table is
    // wanted, keys are still counted.
    bool (*key)(void *context, const struct k_parity_table *table, enum k_difference difference,
                const struct k_value *left, const struct k_value *right);
    void (*table)(void *context, const struct k_parity_table *table); // it is through
    void *context;
};
// Compares one table (name), or all of both sides by name (NULL). K_E_NOT_FOUND: neither side has it. The views must
// have all shards of their pipelines, or the same ones.
K_CHECKED int k_parity(struct k_view *left, struct k_view *right, const char *name, const struct k_parity_visit *visit,
                       struct k_error *err);
