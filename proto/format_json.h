// Inside the JSON decoder: what its two readers, format_json.c and format_json_template.c, share.
#pragma once
#include "proto/decoder.h"
#include "proto/digits.h"
#include "proto/json_place.h"
#include "proto/scalar.h"

struct k_json_object;
struct k_json_template;

// A key that leads to a field that is read: to columns, to keys below it, or to both.
struct k_json_member {
    struct k_str key;
    char begin[16]; // of the key, with zeros behind it
    struct k_json_member *next_of_hash;
    int32_t first_slot;           // columns read from here, linked by next_slot; -1: none
    struct k_slot *integer;       // the only one of them, if it is an int64; else NULL
    struct k_slot *json;          // the same, if it is a json
    struct k_json_object *object; // the keys below; NULL: none
    uint64_t seen;                // the stamp of the last record that had the key
};

enum { K_JSON_BUCKETS = 256 };
struct k_json_object {
    struct k_json_member *table[K_JSON_BUCKETS];
};

struct k_json_decoder {
    struct k_decoder base;
    struct k_json_object *root;
    bool validate_full;
    struct k_json_template *shapes; // NULL: the full reader reads every record
    int32_t *next_slot;             // per column: the next one of the same member, or -1
    uint32_t read_count;            // columns that are read
    // of the record being read
    struct k_json_text texts[2]; // its text, and that of the next one
    struct k_json_text *text;    // one of them
    uint32_t row;
    uint64_t stamp;       // counts records, so that nothing needs to be cleared between them
    uint64_t *found;      // per column: the stamp of the last record that had a value or null for it
    uint32_t found_count; // columns found in this record
};

// The member for a key token (with its quotes), or NULL when nobody reads it.
struct k_json_member *k_json_key_find(struct k_json_decoder *json, struct k_json_object *object, struct k_str token);
// Reads the value into all columns of the member. false: the row is bad now.
bool k_json_read_slots_(struct k_json_decoder *json, const struct k_json_member *member, struct k_str token);
// The same of a member with one integer, whose value is known.
static inline void k_json_read_integer(struct k_json_decoder *json, const struct k_json_member *member, int64_t value)
{
    ((int64_t *)(void *)member->integer->data)[json->row] = value;
    json->found[member->first_slot] = json->stamp;
    json->found_count++;
}
// The same of a member with one json, whose text is known to be that.
static inline void k_json_read_checked(struct k_json_decoder *json, const struct k_json_member *member,
                                       struct k_str token)
{
    ((struct k_str *)(void *)member->json->data)[json->row] = token;
    json->found[member->first_slot] = json->stamp;
    json->found_count++;
}
static inline bool k_json_read_slots(struct k_json_decoder *json, const struct k_json_member *member,
                                     struct k_str token)
{
    int64_t value;
    if (member->integer && json->text->end - token.data >= 8 && k_short_number(token.data, token.length, &value)) {
        k_json_read_integer(json, member, value);
        return true;
    }
    return k_json_read_slots_(json, member, token);
}
// Makes the columns NULL that the record did not have. false: the row is bad now.
bool k_json_fill_missing(struct k_json_decoder *json);

// Every record goes through the full reader from now on: for the tests that compare the two ways.
void k_json_full_only(struct k_decoder *decoder);
// The same for what every processor has.
void k_json_plain_only(struct k_decoder *decoder);
