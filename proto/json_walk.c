// The walk through an array or object, one level deep, as its text stands. What lies deeper is skipped by counting
// brackets: no recursion, no allocation.
#include "proto/json_walk.h"

#include "proto/json_plain.h"
#include "proto/json_text.h"

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && k_json_space(*at)) at++;
    return at;
}

static bool begin(struct k_str text, char bracket, struct k_elements *ret)
{
    const char *end = text.data + text.length, *at = skip_space(text.data, end);
    if (at == end || *at != bracket) return false;
    char closing = bracket == '[' ? ']' : '}';
    at = skip_space(at + 1, end);
    *ret = (struct k_elements){
        .begin = text.data, .at = at, .end = end, .more = at < end && *at != closing, .broken = at == end};
    return true;
}

bool k_elements_begin(struct k_str text, struct k_elements *ret)
{
    return begin(text, '[', ret);
}

bool k_members_begin(struct k_str text, struct k_elements *ret)
{
    return begin(text, '{', ret);
}

// Behind a string, at its opening quote; NULL: it does not end.
static const char *skip_string(const char *begin, const char *at, const char *end)
{
    at++;
    while (at < end) {
        at = k_json_plain_end(begin, at, end);
        if (at == end) break;
        if (*at == '"') return at + 1;
        at += *at == '\\' ? 2 : 1;
    }
    return NULL;
}

// The comma or bracket that ends the value at `at`; NULL: there is none.
static const char *find_end(const char *begin, const char *at, const char *end)
{
    uint32_t open = 0;
    while (at && at < end) {
        switch (*at) {
        case '"': at = skip_string(begin, at, end); continue;
        case '[':
        case '{': open++; break;
        case ']':
        case '}':
            if (open == 0) return at;
            open--;
            break;
        case ',':
            if (open == 0) return at;
            break;
        default: break;
        }
        at++;
    }
    return NULL;
}

// Takes the value at elements->at and moves behind the comma.
static bool next_value(struct k_elements *elements, struct k_str *ret)
{
    const char *start = elements->at, *stop = find_end(elements->begin, start, elements->end);
    if (!stop) {
        elements->more = false;
        elements->broken = true;
        return false;
    }
    *ret = k_json_trim((struct k_str){start, (uint32_t)(stop - start)});
    elements->more = *stop == ',';
    elements->at = skip_space(stop + 1, elements->end);
    return true;
}

uint32_t k_elements_next(struct k_elements *elements, struct k_str *ret, uint32_t max)
{
    uint32_t count = 0;
    while (elements->more && count < max && next_value(elements, &ret[count])) count++;
    return count;
}

bool k_members_next(struct k_elements *members, struct k_str *ret_key, struct k_str *ret_value)
{
    if (!members->more) return false;
    const char *key = members->at, *end = members->end;
    const char *behind = key < end && *key == '"' ? skip_string(members->begin, key, end) : NULL;
    const char *colon = behind ? skip_space(behind, end) : end;
    if (colon == end || *colon != ':') {
        members->more = false;
        members->broken = true;
        return false;
    }
    members->at = skip_space(colon + 1, end);
    *ret_key = (struct k_str){key, (uint32_t)(behind - key)};
    return next_value(members, ret_value);
}
