#include "proto/json_place.h"

bool k_json_place_at(const struct k_json_text *text, const char *at, struct k_json_place *ret)
{
    const uint32_t *low = text->quotes.at, offset = (uint32_t)(at - text->begin);
    for (uint32_t count = text->quotes.count; count > 0;) { // the first one that is not before
        uint32_t half = count / 2;
        if (low[half] < offset) low += half + 1, count -= half + 1;
        else count = half;
    }
    *ret = (struct k_json_place){at, low};
    return *at != '"' || *low == offset;
}

const char k_json_too_deep[] = "fewer levels";

const char *k_json_pass_nested(struct k_json_text *text, struct k_json_place *place, uint32_t level)
{
    char closing[K_JSON_DEPTH_MAX]; // the brackets that are waited for, by level
    uint32_t depth = level;
    do {
        char c = k_json_here(text, place);
        switch (c) {
        case '"':
            if (place->at == text->begin + *place->quote) {
                k_json_pass_string(text, place);
                continue;
            }
            break; // escaped, outside of any string: nothing in here is looked at
        case '{':
        case '[':
            if (depth == K_JSON_DEPTH_MAX) return k_json_too_deep;
            closing[depth++] = c == '{' ? '}' : ']';
            break;
        case '}':
        case ']':
            if (closing[--depth] != c) return "the other closing bracket";
            break;
        case 0:
            if (place->at == text->end) return "a closing bracket";
            break;
        default: break;
        }
        place->at++;
    } while (depth > level);
    return NULL;
}
