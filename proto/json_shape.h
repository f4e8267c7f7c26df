// A shape: what a record looks like with its values taken out.
//
//     {"event_type":  2  ,"bid":{"auction":  1007  ,"price":  120  }}
//     literal 0     value  literal 1        value   literal 2  value  literal 3
#pragma once
#include "proto/format_json.h"

enum {
    K_JSON_STEPS_MAX = 64,
    K_JSON_LITERALS_MAX = 4096, // bytes of all literals of a shape
    K_JSON_LITERAL_BLOCK = 32,
};

// One value, and the literal before it.
struct k_json_step {
    char block[K_JSON_LITERAL_BLOCK]; // the begin of the literal, with zeros behind it
    uint32_t bits;                    // one for each byte of the literal in the block
    uint32_t length;                  // of the literal
    const char *literal;
    uint32_t room;  // so many bytes must be left of the record for the fast way
    uint32_t level; // of the object around the value
    bool json;      // the value is read as json, and checked as such: an object or array with its framing, in one go
    bool null_only; // in this shape the value is null; any other has keys below it that are read
};

struct k_json_shape {
    struct k_json_step steps[K_JSON_STEPS_MAX];
    uint32_t count;         // of values; 0: the shape is free
    struct k_json_step end; // the last literal, without a value
    struct k_json_read {
        const struct k_json_member *member;
        uint32_t step;
    } reads[K_JSON_STEPS_MAX]; // the values that are read
    uint32_t read_count;
    char literals[K_JSON_LITERALS_MAX];
    uint32_t literals_length;
};

enum { K_JSON_UNKNOWN = -1, K_JSON_CHECKED = -2 };
// A value.
struct k_json_piece {
    const char *begin, *end;
    // What it is, if that is known already; or UNKNOWN; CHECKED: an object or array, as k_json_check has it.
    int64_t number;
};

// For one kind of processor.
struct k_json_matcher {
    // Does the record have the shape? Then values are those of its steps.
    bool (*one)(const struct k_json_shape *shape, struct k_json_text *text, struct k_json_piece *values);
    // The same of two records, each with its shape: bit 0 for the first, bit 1 for the second. Where a value ends is
    // known late, and where the next one begins waits for it; so two records at a time take hardly longer than one.
    uint32_t (*two)(const struct k_json_shape *const *shapes, struct k_json_text *texts,
                    struct k_json_piece (*values)[K_JSON_STEPS_MAX]);
};
extern const struct k_json_matcher k_json_matcher_any; // for every processor; the tests compare them
const struct k_json_matcher *k_json_matcher_best(void);

// Sets the literal of the step.
void k_json_step_literal(struct k_json_step *step, const char *literal, uint32_t length);
