// Values of the reference: one cell of a row, with its own idea of types, order and text.
//
// A value borrows its strings; whoever keeps one copies it into an arena of its own (value_keep).
#pragma once
#include "base/bytes.h"
#include "base/memory.h"

enum type {
    TYPE_NONE, // a bare NULL
    TYPE_BOOL,
    TYPE_INT64,
    TYPE_DOUBLE,
    TYPE_STRING,
    TYPE_BYTES,
    TYPE_TIMESTAMP, // microseconds since 1970 UTC
    TYPE_JSON,      // the text of one JSON value
    TYPE_INTERVAL,  // inside expressions only
};

struct interval {
    int64_t us;
    int32_t months, days;
};

struct value {
    enum type type;
    bool null;
    union {
        bool b;
        int64_t i; // int64, timestamp
        double d;
        struct k_str s; // string, bytes, json
        struct interval v;
    };
};

static inline struct value value_null(enum type type) { return (struct value){.type = type, .null = true}; }
static inline struct value value_bool(bool b) { return (struct value){.type = TYPE_BOOL, .b = b}; }
static inline struct value value_int(int64_t i) { return (struct value){.type = TYPE_INT64, .i = i}; }
static inline struct value value_double(double d) { return (struct value){.type = TYPE_DOUBLE, .d = d}; }
static inline struct value value_string(struct k_str s) { return (struct value){.type = TYPE_STRING, .s = s}; }
static inline struct value value_time(int64_t us) { return (struct value){.type = TYPE_TIMESTAMP, .i = us}; }

// A type by any of the names that people give it.
bool type_of_name(struct k_str name, enum type *ret_type);

// The order of PostgreSQL: NaN equals itself and is the greatest number; strings by bytes; intervals with months of 30
// days of 24 hours. Both of one type and not NULL. <0, 0, >0.
int value_compare(const struct value *a, const struct value *b);

// As it stands in a row of JSON.
void value_json(struct k_buf *out, const struct value *value);

// From text, as a cast in PostgreSQL reads it. false: no such value.
bool value_from_text(struct k_str text, enum type type, struct value *ret);
// To text, as a cast in PostgreSQL writes it; the result lies in the arena.
struct k_str value_to_text(const struct value *value, struct k_arena *arena);

// A copy whose strings lie in the arena.
struct value value_keep(const struct value *value, struct k_arena *arena);

// Is it UTF-8 (RFC 3629)?
bool utf8_valid(struct k_str text);
// Bytes of the character that begins with this byte, in valid UTF-8.
static inline uint32_t utf8_length(char first)
{
    unsigned char c = (unsigned char)first;
    return c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
}

// "1 day 02:30:00", "90 s".
bool interval_from_text(struct k_str text, struct interval *ret);
// The moment an interval later (sign 1) or earlier (-1): months first, with the day cut to the month's length, then
// days, then microseconds. false: out of range.
bool time_add(int64_t us, struct interval interval, int sign, int64_t *ret_us);
// The start of the unit; unit in any case. 1: no such unit; -1: out of range.
int time_trunc(struct k_str unit, int64_t us, int64_t *ret_us);
