// The texts inside JSON: UTF-8, strings with escapes, numbers, and the check of a whole value. Both JSON decoders and
// the reader of single values stand on these functions, so a value means the same wherever it is read.
//
// A function that returns `const char *` returns NULL when all is well, else the stable reason word of a bad row
// ("json", "utf8", "depth").
#pragma once
#include "base/utf8.h"
#include "base/bytes.h"
#include "base/memory.h"

// Objects and arrays inside each other, the record itself being the first. Deeper is bad ("depth").
enum { K_JSON_DEPTH_MAX = 1024 };

static inline bool k_json_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
// Without the white space before and behind.
struct k_str k_json_trim(struct k_str text);


// What a text is, as the JSON grammar has numbers: "-0", "12" are integers, "1.0", "1e3" decimals.
enum k_json_number { K_JSON_NO_NUMBER, K_JSON_INTEGER, K_JSON_DECIMAL };
enum k_json_number k_json_number(struct k_str text);
// The end of the number at `at`, or NULL when there is none.
const char *k_json_number_end(const char *at, const char *end, enum k_json_number *ret_kind);

// The content of a string token (with its quotes). It borrows from the token unless it has escapes; then it lies in the
// arena. "json": not a string; "utf8": not UTF-8, or half of a surrogate pair.
const char *k_json_string_read(struct k_str token, struct k_arena *arena, struct k_str *ret_content);

// May this stand between the quotes of a string, if it is UTF-8? Half of a surrogate pair may not ("utf8").
const char *k_json_content_check(const char *begin, const char *end);

// Is the text one JSON value (with white space around) of valid UTF-8? No recursion, no allocation.
const char *k_json_check(struct k_str text);

// The end of the JSON value that begins at `at`, no white space, with at most so many objects and arrays inside each
// other: what k_json_check passes. NULL: there is none, whatever the reason.
const char *k_json_value_end(const char *at, const char *end, uint32_t depth_max);
