// From the text of one value to a cell of a column: the one place that says what a text means as a type.
//
// A cell is k_type_width(type) bytes, laid out as the type's column has it. The readers return NULL when all is well,
// else the stable reason word of a bad row, and then the cell is undefined. Strings borrow from the text or lie in the
// arena. NULL is the caller's: no reader is asked about it.
#pragma once
#include "base/error.h"
#include "proto/format.h"

// A JSON value: the token without white space around. Of objects and arrays only json columns are read.
// "type": a JSON value of another type, or a string that is not what the type needs; "range": a number that does not
// fit; "json", "utf8", "depth": not a value at all.
const char *k_scalar_json(struct k_str token, enum k_type type, enum k_time_unit unit, struct k_arena *arena,
                          void *ret_cell);

// A piece of a line or an argument, as PostgreSQL's casts from text have it: white space around is ignored (but in
// strings and bytes), bool reads true, t, yes, y, on, 1 and their opposites in any case, double also reads "NaN" and
// "Infinity". A timestamp is RFC 3339; bytes are the text's own bytes; json is checked. "type", "range", "utf8".
const char *k_scalar_text(struct k_str text, enum k_type type, struct k_arena *arena, void *ret_cell);

// An integer that counts units since 1970, as a timestamp. "range".
const char *k_scalar_time(int64_t value, enum k_time_unit unit, int64_t *ret_us);

// What a JSON token is, for messages: "a string", "an object", "a number with a fraction", "no JSON value".
const char *k_json_what(struct k_str token);

// At most 60 bytes of data that anyone may have written, made safe for a message: control characters and bytes that
// are not UTF-8 become '?', "…" shows the cut.
enum { K_EXCERPT = 64 };
const char *k_excerpt(struct k_str data, char ret_text[K_EXCERPT]);
