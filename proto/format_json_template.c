// The shapes that records had: finding the one that a record has, and learning new ones. Only when all of it has
// matched (json_shape.c) are values decoded, in their order, by the same functions as ever: so nothing has to be undone
// when it does not match, and the first bad value is the same one.
//
// A few shapes are kept, because topics mix a few kinds of records, and tried from the one that matched last. Learning
// is paid for by matches, so that a topic without any stable shape pays it seldom.
#include "proto/format_json_template.h"

#include <stdlib.h>

#include "proto/json_shape.h"

enum {
    SHAPES = 4,
    CREDIT_MAX = 64,
    LEARNING_COST = 8,
    LEARNING_EVERY = 256, // without credit, one record in so many is learned from
    FAILURES_MAX = 64,    // after so many records without a shape, only one
    TRIED_EVERY = 16,     // in so many is compared with them
};

struct k_json_template {
    const struct k_json_matcher *matcher;
    struct k_json_shape shapes[SHAPES];
    uint32_t last[2]; // the shape that matched last, of each place in a pair
    uint32_t next;    // the one to forget next
    uint32_t credit, misses;
    uint32_t failures; // records in a row that had none of the shapes
    uint64_t matched;  // records
    struct k_json_piece values[2][K_JSON_STEPS_MAX];
};

struct k_json_template *k_json_template_create(void)
{
    struct k_json_template *shapes = k_new(struct k_json_template);
    shapes->credit = CREDIT_MAX;
    shapes->matcher = k_json_matcher_best();
    return shapes;
}

void k_json_template_destroy(struct k_json_template *shapes)
{
    free(shapes);
}

void k_json_template_plain(struct k_json_template *shapes)
{
    if (shapes) shapes->matcher = &k_json_matcher_any;
}

uint64_t k_json_template_matched(const struct k_json_template *shapes)
{
    return shapes->matched;
}

// The record has the shape that was last of its place in the pair.
static void read_values(struct k_json_template *shapes, struct k_json_decoder *json, uint32_t place)
{
    const struct k_json_shape *shape = &shapes->shapes[shapes->last[place]];
    if (shapes->credit < CREDIT_MAX) shapes->credit++;
    shapes->failures = 0;
    shapes->matched++;
    json->stamp++;
    json->found_count = 0;
    const struct k_json_read *read = shape->reads, *last = read + shape->read_count;
    for (; read < last; read++) {
        const struct k_json_piece *value = &shapes->values[place][read->step];
        struct k_str token = {value->begin, (uint32_t)(value->end - value->begin)};
        if (value->number >= 0 && read->member->integer) k_json_read_integer(json, read->member, value->number);
        else if (value->number == K_JSON_CHECKED) k_json_read_checked(json, read->member, token);
        else if (!k_json_read_slots(json, read->member, token)) return;
    }
    if (json->found_count < json->read_count) (void)k_json_fill_missing(json);
}

uint32_t k_json_template_pair(struct k_json_template *shapes, struct k_json_decoder *json)
{
    const struct k_json_shape *guesses[] = {&shapes->shapes[shapes->last[0]], &shapes->shapes[shapes->last[1]]};
    if (shapes->failures > 0 || !guesses[0]->count || !guesses[1]->count) return 0;
    return shapes->matcher->two(guesses, json->texts, shapes->values);
}

void k_json_template_read(struct k_json_template *shapes, struct k_json_decoder *json)
{
    read_values(shapes, json, json->text == &json->texts[1]);
}

bool k_json_template_row(struct k_json_template *shapes, struct k_json_decoder *json)
{
    uint32_t place = json->text == &json->texts[1];
    if (shapes->failures > FAILURES_MAX && shapes->failures++ % TRIED_EVERY) return false;
    for (uint32_t i = 0; i < SHAPES; i++) {
        uint32_t candidate = (shapes->last[place] + i) % SHAPES;
        const struct k_json_shape *shape = &shapes->shapes[candidate];
        if (shape->count == 0 || !shapes->matcher->one(shape, json->text, shapes->values[place])) continue;
        shapes->last[place] = candidate;
        read_values(shapes, json, place);
        return true;
    }
    shapes->failures++;
    return false;
}

// Learning: a walk through a record that is known to be good.
struct learner {
    struct k_json_decoder *json;
    struct k_json_shape *shape;
    struct k_json_place place;
    const char *from; // where the literal begins that is being gathered
};

// Ends the literal here. false: there is no room.
static bool end_literal(struct learner *learner, struct k_json_step *step)
{
    struct k_json_shape *shape = learner->shape;
    size_t length = (size_t)(learner->place.at - learner->from);
    if (length > K_JSON_LITERALS_MAX - shape->literals_length) return false;
    char *literal = shape->literals + shape->literals_length;
    memcpy(literal, learner->from, length);
    shape->literals_length += (uint32_t)length;
    k_json_step_literal(step, literal, (uint32_t)length);
    return true;
}

// Behind the byte that stands here, and the white space behind it.
static void pass_byte(struct learner *learner)
{
    learner->place.at++;
    k_json_pass_space(learner->json->text, &learner->place);
}

static bool learn_value(struct learner *learner, const struct k_json_member *member, uint32_t level)
{
    struct k_json_shape *shape = learner->shape;
    bool null = *learner->place.at == 'n';
    // The same piece of text would be a value and hold values.
    if (member && member->object && member->first_slot >= 0 && !null) return false;
    if (shape->count == K_JSON_STEPS_MAX) return false;
    if (member) shape->reads[shape->read_count++] = (struct k_json_read){member, shape->count};
    struct k_json_step *step = &shape->steps[shape->count++];
    *step = (struct k_json_step){
        .level = level, .json = member && member->json && !member->object, .null_only = member && member->object};
    if (!end_literal(learner, step)) return false;
    const char *wanted = k_json_pass_value(learner->json->text, &learner->place, level);
    K_ASSERT(!wanted);
    learner->from = learner->place.at;
    return true;
}

// The learner stands at the opening brace, and is moved behind the closing one.
static bool learn_object(struct learner *learner, struct k_json_object *object, uint32_t level)
{
    struct k_json_decoder *json = learner->json;
    struct k_json_place *place = &learner->place;
    for (pass_byte(learner); *place->at != '}';) {
        struct k_str key = {place->at, 0};
        k_json_pass_string(json->text, place);
        key.length = (uint32_t)(place->at - key.data);
        k_json_pass_space(json->text, place);
        pass_byte(learner); // the colon
        struct k_json_member *member = k_json_key_find(json, object, key);
        if (member && member->seen == json->stamp) member = NULL; // a key that came before
        if (member) member->seen = json->stamp;
        bool below = member && member->object && member->first_slot < 0 && *place->at == '{';
        bool fits = below ? learn_object(learner, member->object, level + 1) : learn_value(learner, member, level);
        if (!fits) return false;
        k_json_pass_space(json->text, place);
        if (*place->at == ',') pass_byte(learner);
    }
    place->at++;
    return true;
}

void k_json_template_learn(struct k_json_template *shapes, struct k_json_decoder *json)
{
    if (shapes->credit >= LEARNING_COST) shapes->credit -= LEARNING_COST;
    else if (++shapes->misses % LEARNING_EVERY != 0) return;
    struct k_json_shape *shape = &shapes->shapes[shapes->next];
    shape->count = shape->read_count = shape->literals_length = 0;
    json->stamp++; // to see anew which of equal keys is the first
    struct learner learner = {json, shape, {json->text->begin, json->text->quotes.at}, json->text->begin};
    k_json_pass_space(json->text, &learner.place);
    bool fits = learn_object(&learner, json->root, 1);
    learner.place.at = json->text->end;
    if (!fits || !end_literal(&learner, &shape->end)) {
        shape->count = 0;
        return;
    }
    shapes->last[json->text == &json->texts[1]] = shapes->next;
    shapes->next = (shapes->next + 1) % SHAPES;
}
