// The types of values, and schemas: what a row looks like on an edge of the graph.
#pragma once
#include "base/bytes.h"

// The numbers are written into state and journals: never renumber. 8 and 9 are kept for decimal and date.
// name, number, name as people write it
#define K_TYPES(X)                                                                  \
    X(K_BOOL, 1, "bool")           /* uint8_t, 0 or 1 */                            \
    X(K_INT64, 2, "int64")         /* int64_t */                                    \
    X(K_DOUBLE, 3, "double")       /* double */                                     \
    X(K_STRING, 4, "string")       /* struct k_str, UTF-8 */                        \
    X(K_BYTES, 5, "bytes")         /* struct k_str */                               \
    X(K_TIMESTAMP, 6, "timestamp") /* int64_t, microseconds since 1970 UTC */       \
    X(K_JSON, 7, "json")           /* struct k_str, the text of one JSON value */   \
    X(K_INTERVAL, 10, "interval")  /* struct k_interval; inside expressions only */

enum k_type {
    K_NO_TYPE = 0, // the type of a bare NULL inside an expression
#define X(name, number, text) name = number,
    K_TYPES(X)
#undef X
};

struct k_interval { int64_t us; int32_t days, months; };

const char *k_type_name(enum k_type type);                        // "int64"; "null" for K_NO_TYPE
bool k_type_parse(struct k_str name, enum k_type *ret_type);      // also "boolean", "bigint", "text" … are refused
size_t k_type_width(enum k_type type);                            // bytes of one value in a column

struct k_field {
    const char *name; // owned by the schema's arena or static
    enum k_type type;
    bool not_null;
    bool hidden;           // a system column (_key, …): can be named, but `*`, sinks and tables leave it out
    const char *json_path; // sources only: "$.a.b"; NULL: the field's own name at the top level
};

// Columns of an edge, in order. Borrowed arrays: a schema lives as long as the plan that made it.
struct k_schema {
    struct k_field *fields;
    uint32_t count;
};
// The index of a column, or -1.
int32_t k_schema_find(const struct k_schema *schema, struct k_str name);

// "price int64 not null at $.bid.price" → a field whose strings lie in the arena.
// On failure false, *ret_offset is the byte where it went wrong and *ret_why a static sentence.
struct k_arena;
bool k_field_parse(struct k_arena *arena, struct k_str text, struct k_field *ret_field,
                   size_t *ret_offset, const char **ret_why);

// One value, for places that are not columns (keys typed by people, rows of tables, tests).
struct k_value {
    enum k_type type; // K_NO_TYPE and null for a bare NULL
    bool null;
    union {
        bool b;
        int64_t i; // int64, timestamp
        double d;
        struct k_str s; // string, bytes, json; borrowed
        struct k_interval interval;
    };
};
struct k_buf;
// The value as JSON (timestamps RFC 3339, bytes base64, json as it is, NULL null).
void k_value_json(struct k_buf *out, const struct k_value *value);
// What a producer uses as message key for this value (not NULL): a string's bytes, a number in decimal, a timestamp in
// RFC 3339, a bool true or false. scratch holds it where the value does not.
struct k_str k_key_text(const struct k_value *value, struct k_buf *scratch);
