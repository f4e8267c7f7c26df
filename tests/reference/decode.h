// From the bytes of a message to the declared columns of its source.
//
// A message is malformed when its framing is or a field that is read; other fields are only stepped over.
#pragma once
#include "base/error.h"
#include "proto/graph.h"
#include "tests/reference/expr.h"

struct decoder;

struct decoder_options {
    const Kappa__V1__Source__Format *format;
    const struct column *columns; // declared; borrowed
    uint32_t count;
    const bool *read;             // per column; borrowed
    bool validate_full;
};

// The decoder lies in the arena but for what decoder_destroy frees. K_E_CONFIG.
K_CHECKED int decoder_create(struct k_arena *arena, const struct decoder_options *options, struct decoder **ret,
                             struct k_error *err);
void decoder_destroy(struct decoder *decoder); // NULL-safe

// Fills the columns that are read (the others with NULL) from a value. NULL, or why the message is malformed: "json",
// "type", "range", "missing", "utf8", "depth", "line", "csv", "columns", "protobuf", "registry". lenient: a malformed
// field that may be NULL is NULL.
const char *decode(struct decoder *decoder, struct k_str value, bool lenient, struct k_arena *arena,
                   struct value *ret_columns);

// --- between the files of the decoders ----------------------------------------------------------------------------
// A piece of a line or a raw value as a column.
const char *text_to_column(struct k_str text, enum type type, struct value *ret);
// Whether the text is one JSON value; NULL, or "json", "utf8", "depth".
const char *json_check(struct k_str text, uint32_t depth);
// A JSON token as a column.
const char *json_to_column(struct k_str token, enum type type, int unit, uint32_t depth, struct k_arena *arena,
                           struct value *ret);
const char *decode_json(struct decoder *decoder, struct k_str text, bool lenient, struct k_arena *arena,
                        struct value *ret_columns);
// An integer of a unit (as the enum of the graph) as µs.
const char *integer_to_time(int64_t value, int unit, int64_t *ret);
// The next record at *at of a message that holds several, moving *at on; empty lines are none. false: none is left.
bool cut_record(const Kappa__V1__Source__Format__Packed *packed, struct k_str value, uint32_t *at,
                struct k_str *ret_record);
// The same of records behind their lengths. *ret_why: from here on the message is none, and the record is the rest.
bool cut_lengths(struct k_str value, uint32_t *at, struct k_str *ret_record, const char **ret_why);
K_CHECKED int create_protobuf(struct k_arena *arena, struct decoder *decoder, struct k_error *err);
void destroy_protobuf(struct decoder *decoder);
const char *decode_protobuf(const struct decoder *decoder, struct k_str value, bool lenient, struct k_arena *arena,
                            struct value *columns);
const char *decode_csv(struct decoder *decoder, struct k_str text, bool lenient, struct k_arena *arena,
                       struct value *ret_columns);
// Behind the token at *at, which is not white space; strings and brackets are matched, nothing else is looked at.
const char *json_skip(struct k_str text, uint32_t *at, uint32_t depth);

enum { JSON_DEPTH_MAX = 1024 }; // objects and arrays inside each other, the record being the first

struct decoder {
    struct decoder_options options;
    struct k_str **paths;   // json, protobuf: per column its keys, the outermost first
    uint32_t *path_lengths;
    uint32_t *matched;      // json: per column how many of its keys have been met in this record
    int unit;               // json, protobuf: of integer timestamps, as the enum of the graph
    void *code, *match, *context; // line: of pcre2
    int32_t *groups;        // line: per column and group number whether the group fills the column, by name
    uint32_t group_count;
    struct protobuf *protobuf;
};
