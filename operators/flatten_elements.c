// The text of a JSON array, cut into its elements. That the text is JSON was checked when it was read or made; here it
// only must not lead beyond its end.
#include "operators/flatten.h"
#include "proto/json_text.h"

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && k_json_space(*at)) at++;
    return at;
}

bool k_elements_begin(struct k_str text, struct k_elements *ret)
{
    const char *end = text.data + text.length, *at = skip_space(text.data, end);
    if (at == end || *at != '[') return false;
    at = skip_space(at + 1, end);
    *ret = (struct k_elements){.at = at, .end = end, .more = at < end && *at != ']', .broken = at == end};
    return true;
}

// Behind a string, at its opening quote; NULL: it does not end.
static const char *skip_string(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++)
        if (*at == '\\') at++;
    return at < end ? at + 1 : NULL;
}

// The comma or bracket that ends the element at `at`; NULL: there is none.
static const char *find_end(const char *at, const char *end)
{
    uint32_t open = 0;
    while (at && at < end) {
        switch (*at) {
        case '"': at = skip_string(at, end); continue;
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

uint32_t k_elements_next(struct k_elements *elements, struct k_str *ret, uint32_t max)
{
    uint32_t count = 0;
    while (elements->more && count < max) {
        const char *start = elements->at, *stop = find_end(start, elements->end);
        if (!stop) {
            elements->more = false;
            elements->broken = true;
            break;
        }
        ret[count++] = k_json_trim((struct k_str){start, (uint32_t)(stop - start)});
        elements->more = *stop == ',';
        elements->at = skip_space(stop + 1, elements->end);
    }
    return count;
}
