// What source_plan.c and source.c share: the configuration of a planned source.
#pragma once
#include "operators/common.h"
#include "operators/sources.h"
#include "proto/format.h"
#include "proto/unpack.h"

// The hidden columns that follow a source's declared ones: what the message itself says.
#define K_SYSTEM_COLUMNS(X)                                                                    \
    X(K_SYSTEM_KEY, "_key", K_BYTES, false)                 /* NULL: no key */                 \
    X(K_SYSTEM_TIMESTAMP, "_timestamp", K_TIMESTAMP, false) /* NULL: none */                   \
    X(K_SYSTEM_PARTITION, "_partition", K_INT64, true)                                         \
    X(K_SYSTEM_OFFSET, "_offset", K_INT64, true)                                               \
    X(K_SYSTEM_HEADERS, "_headers", K_JSON, true)     /* [{"name": …, "value": …}, …] */ \
    X(K_SYSTEM_TOMBSTONE, "_tombstone", K_BOOL, true) /* the message has no value */           \
    X(K_SYSTEM_INDEX, "_index", K_INT64, true)        /* of the record in its message */

enum {
#define X(number, name, type, not_null) number,
    K_SYSTEM_COLUMNS(X)
#undef X
        K_SYSTEM_COUNT
};

enum k_source_format { K_FORMAT_JSON, K_FORMAT_LINE, K_FORMAT_RAW, K_FORMAT_CSV, K_FORMAT_PROTOBUF };

struct k_source_config {
    struct k_schema declared; // the first columns of the edge's schema
    enum k_source_format format;
    enum k_time_unit timestamp_unit;
    struct k_packing packing;
    const char *pattern;                // line
    char delimiter;                     // csv
    bool header;                        // csv
    const struct k_pb_message *message; // protobuf
    bool validate_full;
    struct k_expr *time; // NULL: the message's timestamp
};

// Reads the source's format, checks it against the declared columns, and fills the config. False after a report.
// has_schema: the declared columns are all there; else what they lack was said already.
bool k_source_format_plan(struct k_planner *planner, const char *name, const void *message, bool has_schema,
                          struct k_source_config *config);

// Where a source stands inside a message that holds several records.
struct k_unpacking {
    uint32_t at, index; // behind the last record that was taken, and the number of the next; 0: at its beginning
};
// Cuts messages into records until there are K_BATCH_ROWS of them or no message is left; a message without a value is
// one record. *ret_used: how many messages are used up; the next call begins with the one behind. A record that cannot
// be told from what follows has a reason. All in the arena.
struct k_unpacked {
    const struct k_message **records;
    uint32_t count;
    const char **reasons, **texts; // NULL, or why a record is malformed
};
void k_source_unpack(const struct k_packing *packing, struct k_unpacking *unpacking,
                     const struct k_message *const *messages, uint32_t count, struct k_arena *arena,
                     struct k_unpacked *ret, uint32_t *ret_used);

// Makes a decoder for the columns that are flagged in read.
K_CHECKED int k_source_decoder(const struct k_source_config *config, const bool *read, struct k_decoder **ret,
                               struct k_error *err);

// The system column of one kind for a batch of messages, in the arena.
struct k_column k_system_column(uint32_t kind, const struct k_message *const *messages, uint32_t count,
                                struct k_arena *arena);
