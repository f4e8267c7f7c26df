// What source_plan.c and source.c share: the configuration of a planned source.
#pragma once
#include "operators/common.h"
#include "proto/format.h"

// The hidden columns that follow a source's declared ones: what the message itself says.
#define K_SYSTEM_COLUMNS(X)                                                                   \
    X(K_SYSTEM_KEY, "_key", K_BYTES, false)              /* NULL: no key */                   \
    X(K_SYSTEM_TIMESTAMP, "_timestamp", K_TIMESTAMP, false) /* NULL: none */                  \
    X(K_SYSTEM_PARTITION, "_partition", K_INT64, true)                                        \
    X(K_SYSTEM_OFFSET, "_offset", K_INT64, true)                                              \
    X(K_SYSTEM_HEADERS, "_headers", K_JSON, true)        /* [{"name": …, "value": …}, …] */   \
    X(K_SYSTEM_TOMBSTONE, "_tombstone", K_BOOL, true)    /* the message has no value */

enum {
#define X(number, name, type, not_null) number,
    K_SYSTEM_COLUMNS(X)
#undef X
    K_SYSTEM_COUNT
};

enum k_source_format { K_FORMAT_JSON, K_FORMAT_LINE, K_FORMAT_RAW };

struct k_source_config {
    struct k_schema declared; // the first columns of the edge's schema
    enum k_source_format format;
    enum k_time_unit timestamp_unit;
    const char *pattern;   // line
    bool validate_full;
    struct k_expr *time;   // NULL: the message's timestamp
};

// Makes a decoder for the columns that are flagged in read.
K_CHECKED int k_source_decoder(const struct k_source_config *config, const bool *read, struct k_decoder **ret,
                               struct k_error *err);

// The system column of one kind for a batch of messages, in the arena.
struct k_column k_system_column(uint32_t kind, const struct k_message *const *messages, uint32_t count,
                                struct k_arena *arena);
