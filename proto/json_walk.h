// Arrays and objects inside a JSON text that was checked when it was read or made: their elements and members, one
// after the other. A text that is no JSON leads to `broken`, never beyond its end.
#pragma once
#include "base/bytes.h"

// An array or object on its way into elements or members.
struct k_elements {
    const char *begin, *at, *end;
    bool more;   // not all have been handed out
    bool broken; // the text is no JSON
};
// false: the text is no array. The text may have white space around.
bool k_elements_begin(struct k_str text, struct k_elements *ret);
// The next elements, at most max, without white space around. They borrow from the text.
uint32_t k_elements_next(struct k_elements *elements, struct k_str *ret, uint32_t max);

// false: the text is no object.
bool k_members_begin(struct k_str text, struct k_elements *ret);
// The next member: its key, a string token with its quotes, and its value. false: there is no other.
bool k_members_next(struct k_elements *members, struct k_str *ret_key, struct k_str *ret_value);
