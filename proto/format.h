// Record formats: from the bytes of messages to columns. One format per file: format_json.c, format_line.c (the
// only user of pcre2 here), format_csv.c, format_protobuf.c, format_raw.c.
//
// A decoder is made once per source from the schema and the set of fields that the graph reads (projection): other
// fields are not decoded and, unless `validate_full`, not validated. It turns messages into rows one to one: row i is
// message i. A malformed message is not an error of the call: its row gets a reason. Messages that hold several records
// are cut into such of one record before (unpack.h).
#pragma once
#include "base/error.h"
#include "proto/batch.h"

struct k_decoder;
struct k_pb_message;

// Why a message is malformed: a stable reason word ("json", "type", "range", "missing", "utf8", "depth", "line", "csv",
// "columns", "protobuf", "registry") and a text for people, with at most 80 bytes of the data. Borrowed from the arena
// of the decode call.
struct k_bad_row {
    uint32_t row;
    const char *reason;
    const char *text;
};

struct k_decode_result {
    struct k_column *columns; // schema->count; a column that is not read has data == NULL
    struct k_bad_row *bad;    // ascending by row
    uint32_t bad_count;
};

enum k_time_unit { K_UNIT_MS, K_UNIT_S, K_UNIT_US, K_UNIT_NS };

struct k_decoder_options {
    const struct k_schema *schema;      // declared columns; borrowed for the decoder's life
    const bool *read;                   // per column: does the graph read it?
    bool validate_full;                 // json: validate every field of the record
    enum k_time_unit timestamp_unit;    // of integer timestamps in the input
    const char *pattern;                // line: the regular expression
    char delimiter;                     // csv: what stands between fields
    bool header;                        // csv: each message begins with the names of its columns
    const struct k_pb_message *message; // protobuf: the type; borrowed for the decoder's life
};

// JSON objects, one a message. A declared field that is absent is NULL, or bad ("missing") when not null; a value of
// another JSON type is bad ("type"): no coercion, except integral doubles ("5.0") are bad for int64 and integers are
// fine for double. int64 beyond 64 bits is bad ("range"). json-typed fields keep the raw text. bytes are base64.
// `at $.a.b.c` walks objects only: below a key that is absent or null all is NULL, anything else there is bad ("type").
// Of members with one key the first counts. What else makes a record malformed: format_json.c.
int k_decoder_json(const struct k_decoder_options *options, struct k_decoder **ret, struct k_error *err);
// One line a message, matched by the pattern (pcre2, bounded match and depth limits, no JIT); named groups become
// columns by name; a group that did not take part is NULL. No match is bad ("line"). A trailing "\n" or "\r\n" is cut.
// Columns that are not strings are read as casts from text would read them; bytes are the group's own. The line is
// UTF-8, or bad ("utf8"). Every column of the schema must have a group.
int k_decoder_line(const struct k_decoder_options *options, struct k_decoder **ret, struct k_error *err);
// One record of comma-separated values a message (proto/csv.h says how it is written), in the order of the schema; with
// a header, by the names in it. Another number of fields is bad ("columns"), and so is a header without a column that
// is read; what is not CSV is bad ("csv"). A field that is empty and not quoted is NULL, or bad ("missing") when not
// null. Fields are read as casts from text would read them; bytes are the field's own.
int k_decoder_csv(const struct k_decoder_options *options, struct k_decoder **ret, struct k_error *err);
// One protobuf message of a type from a descriptor set; each column is a field of it (format_protobuf.h says which, and
// what fits). What is not well framed is bad ("protobuf"). Of a field that is written several times the last counts. A
// field that is absent is NULL, or bad ("missing") when not null or required; one that cannot be absent (proto3 without
// `optional`) is then zero, but NULL inside a message that is absent. An unsigned number beyond int64, and an enum's
// number without a name where the column is a string, are bad ("range"); a field that is written as another type's
// would be is bad ("type").
int k_decoder_protobuf(const struct k_decoder_options *options, struct k_decoder **ret, struct k_error *err);
// The whole value: column "value" (bytes or string, as declared; string must be UTF-8).
int k_decoder_raw(const struct k_decoder_options *options, struct k_decoder **ret, struct k_error *err);

// Whether a value begins as a schema registry's clients write them: a byte 0, then four bytes, the schema's id.
static inline bool k_has_registry_frame(struct k_str value)
{
    return value.length >= 5 && value.data[0] == 0;
}

// Checks a line pattern and lists its named groups, for validation: names in the arena. Returns K_E_CONFIG with the
// offset in *ret_offset when it does not compile.
int k_line_groups(const char *pattern, struct k_arena *arena, const char ***ret_names, uint32_t *ret_count,
                  size_t *ret_offset, struct k_error *err);

// Decodes count (≤ K_BATCH_ROWS) messages that all have a value. Everything returned lives in the arena or in the
// messages. The system columns (_key, …) are not the decoder's.
void k_decode(struct k_decoder *decoder, const struct k_message *const *messages, uint32_t count,
              struct k_arena *arena, struct k_decode_result *ret);
void k_decoder_destroy(struct k_decoder *decoder);
