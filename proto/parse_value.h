// Single values from text: keys typed by people, rows of tests. The same readers as the record formats.
#pragma once
#include "proto/format.h"

// A JSON value as the JSON format reads the field (white space around is fine): the declared type, "not null", integer
// timestamps in the unit. The value borrows from the text and the arena. K_E_DATA when it is not such a value.
int k_value_parse_json(struct k_str json, const struct k_field *field, enum k_time_unit unit, struct k_arena *arena,
                       struct k_value *ret, struct k_error *err) K_CHECKED;

// A plain text (a command line argument, a piece of a line) as a cast from text reads it; never NULL. Strings and bytes
// are the text itself.
int k_value_parse_text(struct k_str text, enum k_type type, struct k_arena *arena, struct k_value *ret,
                       struct k_error *err) K_CHECKED;
