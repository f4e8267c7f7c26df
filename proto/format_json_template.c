// A shape is what a record looks like with its values taken out:
//
//     {"event_type":  2  ,"bid":{"auction":  1007  ,"price":  120  }}
//     literal 0     value  literal 1        value   literal 2  value  literal 3
//
// A record has the shape when the literals stand in it byte for byte and between them lie values that end where the
// next literal begins. Then its framing is good by the rules of format_json.c, for the literals were taken from a good
// record and each value keeps rule 3; every quote is the quote it seems to be, for no backslash is passed outside of
// strings.
// Only when all of it has matched are values decoded, in their order, by the same functions as ever: so nothing has to
// be undone when it does not match, and the first bad value is the same one.
//
// A few shapes are kept, because topics mix a few kinds of records, and tried from the one that matched last. Learning
// is paid for by matches, so that a topic without any stable shape pays it seldom.
#include "proto/format_json_template.h"

#include <stdlib.h>

#include "proto/json_plain.h"

enum {
    SHAPES = 4,
    STEPS_MAX = 64,
    TEXT_MAX = 4096, // all literals of a shape
    BLOCKS = 2,      // a literal of up to so many blocks of 16 bytes is compared as such
    BLOCKS_MAX = BLOCKS * 16,
    CREDIT_MAX = 64,
    LEARNING_COST = 8,
    LEARNING_EVERY = 256, // without credit, one record in so many is learned from
    FAILURES_MAX = 64,    // after so many records without a shape, only one
    TRIED_EVERY = 16,     // in so many is compared with them
};

struct literal {
    char block[BLOCKS][16]; // the text, with zeros behind it
    uint32_t bits;          // one for each of its bytes
    uint32_t length;
    const char *text;
};

// One value: the literal before it, and who reads it.
struct step {
    struct literal before;
    const struct k_json_member *member; // NULL: nobody
    uint32_t level; // of the object around it
    bool null_only; // in this shape the value is null; any other has keys below it that are read
};

struct shape {
    struct step steps[STEPS_MAX];
    uint32_t count; // 0: the shape is free
    struct literal end;
    char text[TEXT_MAX];
    uint32_t text_length;
};

struct k_json_template {
    struct shape shapes[SHAPES];
    uint32_t last; // the shape that matched last
    uint32_t next; // the one to forget next
    uint32_t credit, misses;
    uint32_t failures; // records in a row that had none of the shapes
    uint64_t matched; // records
    bool scalar[256]; // bytes of a scalar that is no string, by rule 3
    struct value {
        const struct k_json_member *member;
        struct k_str text;
    } values[STEPS_MAX + 1];
};

struct k_json_template *k_json_template_create(void)
{
    struct k_json_template *shapes = k_new(struct k_json_template);
    shapes->credit = CREDIT_MAX;
    for (int c = ' ' + 1; c < 256; c++) shapes->scalar[c] = !strchr("\",:[]{}\\", c);
    return shapes;
}

void k_json_template_destroy(struct k_json_template *shapes)
{
    free(shapes);
}

uint64_t k_json_template_matched(const struct k_json_template *shapes)
{
    return shapes->matched;
}

static struct literal literal_of(const char *text, uint32_t length)
{
    struct literal literal = {.text = text, .length = length};
    if (length > BLOCKS_MAX) return literal;
    memcpy(literal.block, text, length);
    literal.bits = (uint32_t)((UINT64_C(1) << length) - 1);
    return literal;
}

static inline bool literal_stands(const struct literal *literal, const char *at, const char *end)
{
#ifdef __SSE2__
    if (literal->length <= 16 && end - at >= 16)
        return (k_equal16(literal->block[0], at) & literal->bits) == literal->bits;
    if (literal->length <= BLOCKS_MAX && end - at >= BLOCKS_MAX) {
        uint32_t equal = k_equal16(literal->block[0], at) | k_equal16(literal->block[1], at + 16) << 16;
        return (equal & literal->bits) == literal->bits;
    }
#endif
    // Near the end of the record, where the braces are.
    if ((size_t)(end - at) < literal->length) return false;
    if (literal->length > 2) return memcmp(at, literal->text, literal->length) == 0;
    return at[0] == literal->text[0] && at[literal->length - 1] == literal->text[literal->length - 1];
}

// The closing quote of the string of which the bytes before `at` are plain and the one there is not; NULL: not a string
// by rule 1.
static __attribute__((noinline)) const char *escaped_end(const char *begin, const char *at, const char *end)
{
    while (at != end) {
        if (*at == '"') return at;
        if (*at != '\\' || end - at < 2 || (uint8_t)at[1] < ' ') return NULL;
        at = k_json_plain_end(begin, at + 2, end);
    }
    return NULL;
}

// The same of the string whose content begins at `at`.
static inline const char *string_end(const char *begin, const char *at, const char *end)
{
    at = k_json_plain_end(begin, at, end);
    return at != end && *at == '"' ? at : escaped_end(begin, at, end);
}

// Behind the object or array that begins at `at`; NULL: not sure.
static const char *nested_end(struct k_json_decoder *json, const char *at, const char *end, uint32_t level)
{
    uint32_t depth = level;
    do {
        if (at == end) return NULL;
        switch (*at) {
        case '"':
            at = string_end(json->text.data, at + 1, end);
            if (!at) return NULL;
            break;
        case '{':
        case '[':
            if (depth == K_JSON_DEPTH_MAX) return NULL;
            json->closing[depth++] = *at == '{' ? '}' : ']';
            break;
        case '}':
        case ']':
            if (json->closing[--depth] != *at) return NULL;
            break;
        case '\\': return NULL; // it would change what the next quote is
        default: break;
        }
        at++;
    } while (depth > level);
    return at;
}

// Behind the scalar at `at`, which is no string; `at` itself when there is none. Most are a few digits, whose end is
// found without a loop over them.
static inline const char *scalar_end(const struct k_json_template *shapes, const char *at, const char *end)
{
#ifdef __SSE2__
    if (end - at >= 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        __m128i offsets = _mm_sub_epi8(bytes, _mm_set1_epi8('0'));
        __m128i digits = _mm_cmpeq_epi8(_mm_min_epu8(offsets, _mm_set1_epi8(9)), offsets);
        at += __builtin_ctz(~(unsigned)_mm_movemask_epi8(digits)); // 16 when all are digits: the bits above are set
    }
#endif
    while (at < end && shapes->scalar[(uint8_t)*at]) at++;
    return at;
}

// Behind the value at `at`; NULL: not sure, or not a value of this shape.
static inline const char *value_end(const struct k_json_template *shapes, struct k_json_decoder *json,
                                    const struct step *step, const char *at, const char *end)
{
    if (at == end) return NULL;
    const char *begin = at;
    if (*at == '"') {
        at = string_end(json->text.data, at + 1, end);
        if (at) at++;
    } else if (*at == '{' || *at == '[') {
        at = nested_end(json, at, end, step->level);
    } else {
        at = scalar_end(shapes, at, end);
        if (at == begin) return NULL;
    }
    if (step->null_only && at && (at - begin != 4 || memcmp(begin, "null", 4) != 0)) return NULL;
    return at;
}

// Does the record have the shape? Then shapes->values are those that somebody reads, up to *ret_end.
static bool shape_matches(struct k_json_template *shapes, const struct shape *shape, struct k_json_decoder *json,
                          const struct value **ret_end)
{
    const char *at = json->text.data, *end = at + json->text.length;
    struct value *value = shapes->values;
    for (const struct step *step = shape->steps, *behind = step + shape->count; step < behind; step++) {
        if (!literal_stands(&step->before, at, end)) return false;
        at += step->before.length;
        const char *begin = at;
        at = value_end(shapes, json, step, at, end);
        if (!at) return false;
        // Written in any case, and kept if somebody reads it.
        *value = (struct value){step->member, {begin, (uint32_t)(at - begin)}};
        value += step->member != NULL;
    }
    *ret_end = value;
    return (size_t)(end - at) == shape->end.length && literal_stands(&shape->end, at, end);
}

bool k_json_template_row(struct k_json_template *shapes, struct k_json_decoder *json)
{
    const struct shape *shape = NULL;
    const struct value *end;
    if (shapes->failures > FAILURES_MAX && shapes->failures++ % TRIED_EVERY) return false;
    for (uint32_t i = 0; i < SHAPES && !shape; i++) {
        uint32_t candidate = (shapes->last + i) % SHAPES;
        if (shapes->shapes[candidate].count == 0 || !shape_matches(shapes, &shapes->shapes[candidate], json, &end))
            continue;
        shape = &shapes->shapes[candidate];
        shapes->last = candidate;
    }
    shapes->failures++;
    if (!shape) return false;
    shapes->failures = 0;
    if (shapes->credit < CREDIT_MAX) shapes->credit++;
    shapes->matched++;
    json->stamp++;
    json->found_count = 0;
    for (const struct value *value = shapes->values; value < end; value++)
        if (!k_json_read_slots(json, value->member, value->text)) return true;
    if (json->found_count < json->read_count) (void)k_json_fill_missing(json);
    return true;
}

// Learning: a walk over the tokens of a record that is known to be good.
struct learner {
    struct k_json_decoder *json;
    struct shape *shape;
    uint32_t t;    // the token that is looked at
    uint32_t from; // where in the record the literal begins that is being gathered
};

// Ends the literal before `to` in the record. false: there is no room.
static bool end_literal(struct learner *learner, uint32_t to, struct literal *ret_literal)
{
    struct shape *shape = learner->shape;
    uint32_t length = to - learner->from;
    if (length > TEXT_MAX - shape->text_length) return false;
    char *text = shape->text + shape->text_length;
    memcpy(text, learner->json->text.data + learner->from, length);
    shape->text_length += length;
    *ret_literal = literal_of(text, length);
    return true;
}

static char learner_char(const struct learner *learner)
{
    return learner->json->text.data[learner->json->tokens[learner->t]];
}

// Moves behind the value and says where in the record it ends.
static uint32_t pass_value(struct learner *learner)
{
    const struct k_json_decoder *json = learner->json;
    uint32_t depth = 0, begin = json->tokens[learner->t];
    char first = json->text.data[begin];
    do {
        char c = learner_char(learner);
        depth += c == '{' || c == '[';
        depth -= c == '}' || c == ']';
        learner->t++;
    } while (depth > 0);
    if (first == '{' || first == '[') return json->tokens[learner->t - 1] + 1;
    return begin + k_json_token_text(json, learner->t - 1).length;
}

static bool learn_value(struct learner *learner, const struct k_json_member *member, uint32_t level)
{
    struct shape *shape = learner->shape;
    bool null = learner_char(learner) == 'n';
    // The same piece of text would be a value and hold values.
    if (member && member->object && member->first_slot >= 0 && !null) return false;
    if (shape->count == STEPS_MAX) return false;
    struct step *step = &shape->steps[shape->count++];
    *step = (struct step){.member = member, .level = level, .null_only = member && member->object};
    if (!end_literal(learner, learner->json->tokens[learner->t], &step->before)) return false;
    learner->from = pass_value(learner);
    return true;
}

// The learner stands at the opening brace, and is moved behind the closing one.
static bool learn_object(struct learner *learner, struct k_json_object *object, uint32_t level)
{
    struct k_json_decoder *json = learner->json;
    for (learner->t++; learner_char(learner) != '}'; learner->t += learner_char(learner) == ',') {
        struct k_json_member *member = k_json_key_find(json, object, k_json_token_text(json, learner->t));
        if (member && member->seen == json->stamp) member = NULL; // a key that came before
        if (member) member->seen = json->stamp;
        learner->t += 2;
        bool below = member && member->object && member->first_slot < 0 && learner_char(learner) == '{';
        bool fits = below ? learn_object(learner, member->object, level + 1) : learn_value(learner, member, level);
        if (!fits) return false;
    }
    learner->t++;
    return true;
}

void k_json_template_learn(struct k_json_template *shapes, struct k_json_decoder *json)
{
    if (shapes->credit >= LEARNING_COST) shapes->credit -= LEARNING_COST;
    else if (++shapes->misses % LEARNING_EVERY != 0) return;
    struct shape *shape = &shapes->shapes[shapes->next];
    shape->count = 0;
    shape->text_length = 0;
    json->stamp++; // to see anew which of equal keys is the first
    struct learner learner = {.json = json, .shape = shape};
    if (!learn_object(&learner, json->root, 1) || !end_literal(&learner, json->text.length, &shape->end)) {
        shape->count = 0;
        return;
    }
    shapes->last = shapes->next;
    shapes->next = (shapes->next + 1) % SHAPES;
}
