// Accumulators: what a group remembers for one aggregate call, in place in the group's value.
//
// All of them are independent of the order of the rows, and can be merged; rows of weight -1 take back what the same
// row of weight +1 added. A part that is zeroed is one that saw nothing, and a part from which everything was taken
// back is the same state again.
#pragma once
#include "operators/common.h"

// A group's value begins with this; the parts follow.
struct k_group {
    int64_t rows; // net
};

struct k_accumulator;

enum k_spread_kind { K_SPREAD_VAR_POP, K_SPREAD_VAR_SAMP, K_SPREAD_STDDEV_POP, K_SPREAD_STDDEV_SAMP };

// One call's part of every group's value.
struct k_part {
    const struct k_accumulator *kind;
    uint32_t offset;
    enum k_type type;     // of the result
    enum k_type argument; // of the first argument
    enum k_type by;       // arg_min, arg_max: of what is compared
    bool greatest;        // max, arg_max, last
    enum k_spread_kind spread; // variance and stddev
};

// Rows on their way into groups: row rows[i] belongs to the group values[i].
struct k_hits {
    uint32_t count;
    const uint32_t *rows;
    void *const *values;
    const int8_t *weight;             // by row; NULL: all +1
    const struct k_column *arguments; // of the call, by row
    const struct k_batch *batch;      // that the rows are of
    struct k_buf *scratch;
};

struct k_accumulator {
    const char *name;
    uint32_t size; // of the part; a multiple of 8
    void (*add)(const struct k_part *part, const struct k_hits *hits);
    // Writes the result; false: it does not fit its type ("overflow"), and NULL was written.
    bool (*result)(const struct k_part *part, const void *value, struct k_arena *arena, struct k_made *out,
                   uint32_t row);
    void (*merge)(const struct k_part *part, void *to, const void *from);
    void (*encode)(const struct k_part *part, const void *value, struct k_buf *out);
    // Bytes read, 0 when they are none of its own. The part is zeroed.
    size_t (*decode)(const struct k_part *part, void *value, const char *data, size_t length);
    void (*fini)(const struct k_part *part, void *value);               // NULL: owns nothing
    size_t (*owned_bytes)(const struct k_part *part, const void *value); // NULL: owns nothing
};

// The kind of accumulator for a call. updating: rows may be taken back; pass_null: a failed argument is NULL.
const struct k_accumulator *k_accumulator_for(const struct k_aggregate_call *call, bool updating, bool pass_null);
extern const struct k_accumulator k_accumulate_rows; // the group's own count of rows: no part at all

// The kinds that lie in other files.
extern const struct k_accumulator k_accumulate_least, k_accumulate_least_string; // extremes.c
extern const struct k_accumulator k_accumulate_least_pair, k_accumulate_end; // pairs.c
extern const struct k_accumulator k_accumulate_multiset;                                                // multiset.c
extern const struct k_accumulator k_accumulate_int_spread, k_accumulate_double_spread; // variance.c
extern const struct k_accumulator k_accumulate_distinct; // distinct.c

static inline void *k_part_of(const struct k_part *part, const void *value)
{
    return (char *)value + part->offset;
}
// Makes a part as if it had seen nothing.
void k_part_reset(const struct k_part *part, void *value);

// Runs BODY for each hit whose argument is not NULL, with `row`, `weight` and `slot` in scope; without NULLs and
// retractions, the commonest case, neither is looked at.
#define K_EACH_HIT(part, hits, type, BODY)                                                        \
    do {                                                                                          \
        const uint8_t *valid_ = (hits)->arguments[0].valid;                                       \
        const int8_t *weights_ = (hits)->weight;                                                  \
        if (!valid_ && !weights_) {                                                               \
            for (uint32_t i_ = 0; i_ < (hits)->count; i_++) {                                     \
                uint32_t row = (hits)->rows[i_];                                                  \
                type *slot = k_part_of(part, (hits)->values[i_]);                                 \
                const int weight = 1;                                                             \
                BODY                                                                              \
            }                                                                                     \
        } else {                                                                                  \
            for (uint32_t i_ = 0; i_ < (hits)->count; i_++) {                                     \
                uint32_t row = (hits)->rows[i_];                                                  \
                if (valid_ && !valid_[row]) continue;                                             \
                type *slot = k_part_of(part, (hits)->values[i_]);                                 \
                const int weight = weights_ ? weights_[row] : 1;                                  \
                BODY                                                                              \
            }                                                                                     \
        }                                                                                         \
    } while (0)
