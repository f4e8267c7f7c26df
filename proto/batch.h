// The micro-batch: up to K_BATCH_ROWS rows in columns. Everything that flows between operators is one.
//
// Rules
// 1. A row is an index below `rows`; `selection` lists, ascending, the rows that are still alive. Operators drop
//    rows by handing on a shorter selection, never by moving values.
// 2. Columns, selection and strings are borrowed for the call that passes them; they live in the batch's arena, in
//    the Kafka messages, or in state that no one changes before the call returns.
// 3. Values of rows that are not selected, or whose validity byte is 0, are undefined but readable.
#pragma once
#include "base/memory.h"
#include "proto/types.h"

enum { K_BATCH_ROWS = 4096 };

struct k_column {
    enum k_type type;
    const uint8_t *valid; // one byte a row, 1: not NULL; NULL: no row is NULL
    union {
        const void *data;
        const uint8_t *b;
        const int64_t *i; // int64, timestamp
        const double *d;
        const struct k_str *s; // string, bytes, json
        const struct k_interval *interval;
    };
};

// A message as the log seam hands it over. Borrowed until the fetch is released.
struct k_header {
    struct k_str name, value;
    bool null;
};
struct k_message {
    struct k_str key, value;
    bool has_key, has_value; // false: null (a tombstone when the value is null)
    int32_t partition;
    int64_t offset;
    int64_t timestamp_us; // the message's own time; -1 when it has none
    const struct k_header *headers;
    uint32_t header_count;
    // A record that was cut out of a message with several (proto/unpack.h): that message, and the number of the record
    // in it. NULL and 0: it is the message itself.
    const struct k_message *whole;
    uint32_t index;
};

struct k_batch {
    const struct k_schema *schema;
    const struct k_column *columns; // schema->count of them
    uint32_t rows;                  // physical rows; row indices are below this
    const uint32_t *selection;
    uint32_t selected;
    const int64_t *time;      // event time of each row, µs
    const int64_t *watermark; // watermark of the row's own source partition just after this row, µs; INT64_MIN:
                              // never late (rows that an operator made at a window's close); NULL: all such
    const int8_t *weight;     // +1 or -1; NULL: all +1
    // Per row, the row that it comes of in the batch of a source, or made for a window, from which all this started;
    // ascending over the batches of one start. NULL: the row's own index. Where ways through the graph meet again, it
    // puts the rows into the order that batches of one row would give.
    const uint32_t *cause;
    const struct k_message *const *origin; // the message behind each row, for dead letters; NULL (all or one): made
    uint32_t source;                       // the number of the source of those messages, in the order of the graph
    struct k_arena *arena;                 // reset after the whole batch has gone through the graph
};

static inline bool k_column_null(const struct k_column *column, uint32_t row)
{
    return column->valid && !column->valid[row];
}
// One value of a column, borrowed.
struct k_value k_column_value(const struct k_column *column, uint32_t row);
// A row as a JSON object, columns in order, without hidden ones.
void k_row_json(struct k_buf *out, const struct k_batch *batch, uint32_t row);
