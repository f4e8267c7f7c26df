// Tree → message, by the descriptor: which field a name means, whether it may be given again, and the
// places of everything for later checks. What is wrong is reported and left out, and its message marked as
// broken; the rest is built. Scalars are in build_scalar.c.
#include "proto/reading.h"

#include <stdlib.h>

// A message under construction, and whom it is in: for the words of an error.
struct frame {
    struct k_reading *reading;
    const ProtobufCMessageDescriptor *type;
    const struct k_tree_value *tree;
    void *message;
    const char *word; // what people call it: the name of the field that it is in
    const struct frame *parent;
};

static void build_message(struct frame *frame, struct k_spot introduced);

// What the alternatives of a type's oneof are called, where "field" would be too dull.
static const char *word_of_alternatives(const ProtobufCMessageDescriptor *type)
{
    if (strcmp(type->short_name, "Node") == 0) return "operator";
    return strcmp(type->short_name, "Format") == 0 ? "format" : "field";
}

static bool is_alternative(const ProtobufCFieldDescriptor *field) { return field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF; }

// Whether a name can go into an error text, which ends up on a terminal.
static bool is_showable(struct k_str name)
{
    for (uint32_t i = 0; i < name.length; i++)
        if ((unsigned char)name.data[i] < ' ' || name.data[i] == 0x7F) return false;
    return name.length <= 100 && k_utf8_valid(name.data, name.length);
}

// Appends `node "errors"`, or `filter of node "errors"` for a message that has no name itself.
static void add_label(struct k_buf *out, const struct frame *frame)
{
    k_buf_add_text(out, frame->word);
    for (const struct k_tree_field *field = frame->tree->fields; field; field = field->next) {
        if (!k_str_equal(field->name, K_STR("name")) || field->value->kind != K_TREE_STRING) continue;
        if (!is_showable(field->value->text)) break;
        k_buf_printf(out, " \"%.*s\"", (int)field->value->text.length, field->value->text.data);
        return;
    }
    if (frame->parent && frame->parent->parent) {
        k_buf_add_text(out, " of ");
        add_label(out, frame->parent);
    }
}

static void wrong(const struct frame *frame, struct k_spot at, const char *code, const char *text)
{
    k_reading_error(frame->reading, at, code, "%s", text);
    k_places_find(&frame->reading->document->places, frame->message, 0, -1)->broken = true;
}

// out_of_order → outOfOrder, as JSON names it.
static bool is_camel_name(struct k_str name, const char *snake)
{
    uint32_t at = 0;
    for (; *snake; snake++) {
        char c = *snake;
        if (c == '_' && snake[1]) {
            c = *++snake;
            if (c >= 'a' && c <= 'z') c = (char)(c - 'a' + 'A');
        }
        if (at == name.length || name.data[at++] != c) return false;
    }
    return at == name.length;
}

static const ProtobufCFieldDescriptor *field_named(
    const struct frame *frame, const ProtobufCMessageDescriptor *type, struct k_str name)
{
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        if (k_str_equal(name, k_str_of(field->name))) return field;
        if (frame->reading->document->form == K_FORM_JSON && is_camel_name(name, field->name)) return field;
    }
    return NULL;
}

static bool is_given(const struct frame *frame, const ProtobufCFieldDescriptor *field)
{
    for (const struct k_tree_field *other = frame->tree->fields; other; other = other->next)
        if (field_named(frame, frame->type, other->name) == field) return true;
    return false;
}

// Where an unknown name would be right: the field of this message inside which it belongs, preferably one
// that is given; NULL: nowhere, or in more than one.
static const ProtobufCFieldDescriptor *home_of(const struct frame *frame, struct k_str name)
{
    const ProtobufCFieldDescriptor *home = NULL;
    unsigned homes = 0;
    for (unsigned i = 0; i < frame->type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &frame->type->fields[i];
        if (field->type != PROTOBUF_C_TYPE_MESSAGE || !field_named(frame, field->descriptor, name)) continue;
        if (is_given(frame, field)) return field;
        home = field;
        homes++;
    }
    return homes == 1 ? home : NULL;
}

static void unknown_field(const struct frame *frame, const struct k_tree_field *given)
{
    const ProtobufCMessageDescriptor *type = frame->type;
    const char **names = k_new_array(const char *, type->n_fields);
    for (unsigned i = 0; i < type->n_fields; i++) names[i] = type->fields[i].name;
    char *name = k_strndup(given->name.data, given->name.length);
    const ProtobufCFieldDescriptor *home = home_of(frame, given->name);
    const char *near = k_nearest(name, names, type->n_fields);
    // An unknown message in a type with alternatives is most likely meant to be one of them.
    const char *word = "field";
    const ProtobufCFieldDescriptor *near_field = near ? field_named(frame, type, k_str_of(near)) : NULL;
    if (near_field ? is_alternative(near_field) : given->value->kind == K_TREE_MESSAGE)
        word = word_of_alternatives(type);
    bool alternatives = strcmp(word, "field") != 0;

    struct k_buf text = {0};
    add_label(&text, frame);
    k_buf_printf(&text, " has no %s \"%.*s\"", word, (int)given->name.length, given->name.data);
    if (home) {
        k_buf_printf(&text, "; it belongs inside \"%s\"", home->name);
    } else if (frame->parent && field_named(frame, frame->parent->type, given->name)) {
        k_buf_printf(&text, "; it belongs to the %s around it", frame->parent->word);
    } else if (near) {
        k_buf_printf(&text, "; did you mean \"%s\"?", near);
    } else if (type->n_fields) {
        const char *separator = alternatives ? "; there are " : "; it has ";
        for (unsigned i = 0; i < type->n_fields; i++) {
            if (alternatives && !is_alternative(&type->fields[i])) continue;
            k_buf_printf(&text, "%s%s", separator, names[i]);
            separator = ", ";
        }
    }
    wrong(frame, given->at, K0102, text.data);
    k_buf_fini(&text);
    free(name);
    free(names);
}

// Where a field of this message stands first.
static struct k_spot first_of(const struct frame *frame, const ProtobufCFieldDescriptor *field)
{
    return k_places_find(&frame->reading->document->places, frame->message, field->id, -1)->name;
}

static void given_twice(
    const struct frame *frame, const ProtobufCFieldDescriptor *field, const struct k_tree_field *given)
{
    struct k_spot first = first_of(frame, field);
    struct k_buf text = {0};
    k_buf_printf(&text, "field \"%s\" of ", field->name);
    add_label(&text, frame);
    k_buf_printf(&text, " is given twice; the first is at %u:%u", first.line, first.column);
    wrong(frame, given->at, K0103, text.data);
    k_buf_fini(&text);
}

static void given_besides(const struct frame *frame, const ProtobufCFieldDescriptor *field,
    const ProtobufCFieldDescriptor *other, const struct k_tree_field *given)
{
    struct k_spot first = first_of(frame, other);
    const char *word = word_of_alternatives(frame->type);
    struct k_buf text = {0};
    add_label(&text, frame);
    k_buf_printf(&text, " has two %s%s, \"%s\" at %u:%u and \"%s\"; only one of them can be given",
        strcmp(word, "field") == 0 ? "alternatives" : word, strcmp(word, "field") == 0 ? "" : "s", other->name,
        first.line, first.column, field->name);
    wrong(frame, given->at, K0104, text.data);
    k_buf_fini(&text);
}

// Reports a value of a shape that the field cannot have: a list, or a scalar for a message and so on.
static void wrong_shape(
    const struct frame *frame, const ProtobufCFieldDescriptor *field, struct k_spot at, const char *problem)
{
    struct k_buf text = {0};
    k_buf_printf(&text, "field \"%s\" of ", field->name);
    add_label(&text, frame);
    k_buf_printf(&text, " %s", problem);
    wrong(frame, at, K0105, text.data);
    k_buf_fini(&text);
}

// One value of a field, list items included → *destination.
static bool build_value(struct frame *frame, const ProtobufCFieldDescriptor *field, const struct k_tree_field *given,
    const struct k_tree_value *value, void *destination)
{
    struct k_document *document = frame->reading->document;
    bool is_json = document->form == K_FORM_JSON;
    if (field->type != PROTOBUF_C_TYPE_MESSAGE) {
        struct k_buf what = {0};
        k_buf_printf(&what, "field \"%s\" of ", field->name);
        add_label(&what, frame);
        bool fine = k_build_scalar(frame->reading, field, value, what.data, destination);
        if (!fine) k_places_find(&document->places, frame->message, 0, -1)->broken = true;
        k_buf_fini(&what);
        return fine;
    }
    if (value->kind != K_TREE_MESSAGE) {
        char *problem = k_format(is_json ? "is an object: \"%s\": { … }" : "is a message: %s { … }", field->name);
        wrong_shape(frame, field, value->at, problem);
        free(problem);
        return false;
    }
    const ProtobufCMessageDescriptor *type = field->descriptor;
    struct frame inner = {.reading = frame->reading, .type = type, .tree = value, .word = field->name, .parent = frame};
    build_message(&inner, given->at);
    memcpy(destination, &inner.message, sizeof(void *));
    return true;
}

// Notes where a field stands first (index -1) or a value of it does.
static void note_place(struct frame *frame, const ProtobufCFieldDescriptor *field, const struct k_tree_field *given,
    const struct k_tree_value *value, int32_t index)
{
    k_places_add(&frame->reading->document->places,
        (struct k_place){.message = frame->message, .field = field->id, .index = index, .name = given->at,
            .value = value->at, .spans = value->spans, .notes = index >= 0 ? &value->notes : NULL});
}

// Appends one value to a repeated field.
static void build_item(struct frame *frame, const ProtobufCFieldDescriptor *field, const struct k_tree_field *given,
    const struct k_tree_value *value)
{
    char built[sizeof(ProtobufCBinaryData)] = {0};
    if (!build_value(frame, field, given, value, built)) return;
    size_t size = k_field_size(field);
    char *message = frame->message;
    size_t *count = (size_t *)(message + field->quantifier_offset);
    char **items = (char **)(message + field->offset);
    // Full at every power of two: doubling then needs no capacity beside the count.
    if ((*count & (*count - 1)) == 0) {
        char *grown = k_arena_get(&frame->reading->document->arena, size * (*count ? *count * 2 : 1));
        if (*count) memcpy(grown, *items, size * *count);
        *items = grown;
    }
    memcpy(*items + size * *count, built, size);
    note_place(frame, field, given, value, (int32_t)*count);
    ++*count;
}

static void build_list(struct frame *frame, const ProtobufCFieldDescriptor *field, const struct k_tree_field *given)
{
    struct k_notes *around = &given->value->notes;
    for (struct k_tree_value *item = given->value->items; item; item = item->next) {
        // Comments around the whole list go to its ends.
        if (item == given->value->items) {
            struct k_comment **last = &around->above;
            while (*last) last = &(*last)->next;
            *last = item->notes.above;
            item->notes.above = around->above;
            item->notes.blank_before = around->blank_before;
        }
        if (!item->next) {
            struct k_comment **last = &item->notes.behind;
            while (*last) last = &(*last)->next;
            *last = around->behind;
        }
        if (item->kind == K_TREE_LIST)
            wrong_shape(frame, field, item->at, "is a list; a list in it makes no sense");
        else if (item->kind == K_TREE_WORD && k_str_equal(item->text, K_STR("null")) &&
                 frame->reading->document->form == K_FORM_JSON)
            wrong_shape(frame, field, item->at, "is a list; null cannot stand in it");
        else
            build_item(frame, field, given, item);
    }
}

static void build_singular(
    struct frame *frame, const ProtobufCFieldDescriptor *field, const struct k_tree_field *given)
{
    char *message = frame->message;
    if (given->value->kind == K_TREE_LIST) {
        wrong_shape(frame, field, given->value->at, "takes one value, not a list");
        return;
    }
    uint32_t *quantifier = (uint32_t *)(message + field->quantifier_offset);
    if (is_alternative(field) && *quantifier) {
        const ProtobufCFieldDescriptor *other = protobuf_c_message_descriptor_get_field(frame->type, *quantifier);
        given_besides(frame, field, other, given);
        return;
    }
    note_place(frame, field, given, given->value, 0);
    // Defaults of the type stay when the value is wrong.
    char value[sizeof(ProtobufCBinaryData)] = {0};
    if (!build_value(frame, field, given, given->value, value)) return;
    memcpy(message + field->offset, value, k_field_size(field));
    if (is_alternative(field)) *quantifier = field->id;
    else if (field->type != PROTOBUF_C_TYPE_MESSAGE && field->type != PROTOBUF_C_TYPE_STRING)
        *(protobuf_c_boolean *)(message + field->quantifier_offset) = 1;
}

static void build_field(
    struct frame *frame, const ProtobufCFieldDescriptor *field, const struct k_tree_field *given)
{
    bool is_json = frame->reading->document->form == K_FORM_JSON;
    bool is_repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
    if (!given->colon && field->type != PROTOBUF_C_TYPE_MESSAGE) {
        char *problem = k_format("is not a message; write %s: …", field->name);
        wrong_shape(frame, field, given->value->at, problem);
        free(problem);
        return;
    }
    if (!k_places_find(&frame->reading->document->places, frame->message, field->id, -1)) {
        note_place(frame, field, given, given->value, -1);
    } else if (!is_repeated || is_json) {
        given_twice(frame, field, given);
        return;
    }
    if (!is_repeated) build_singular(frame, field, given);
    else if (given->value->kind == K_TREE_LIST) build_list(frame, field, given);
    else build_item(frame, field, given, given->value);
}

// Makes the frame's message from its tree.
static void build_message(struct frame *frame, struct k_spot introduced)
{
    struct k_document *document = frame->reading->document;
    const struct k_tree_value *tree = frame->tree;
    frame->message = k_arena_get(&document->arena, frame->type->sizeof_message);
    frame->type->message_init(frame->message);
    k_places_add(&document->places, (struct k_place){.message = frame->message, .index = -1, .name = introduced,
                                        .value = tree->at, .tail = tree->tail, .broken = tree->broken});
    for (const struct k_tree_field *given = frame->tree->fields; given; given = given->next) {
        const ProtobufCFieldDescriptor *field = field_named(frame, frame->type, given->name);
        if (field) build_field(frame, field, given);
        else unknown_field(frame, given);
    }
}

void k_build(struct k_reading *reading, const ProtobufCMessageDescriptor *type, const struct k_tree_value *tree)
{
    struct k_document *document = reading->document;
    char *word = k_arena_copy(&document->arena, type->short_name, strlen(type->short_name));
    for (char *c = word; *c; c++)
        if (*c >= 'A' && *c <= 'Z') *c = (char)(*c - 'A' + 'a');
    struct frame frame = {.reading = reading, .type = type, .tree = tree, .word = word};
    build_message(&frame, tree->at);
    document->message = frame.message;
    document->head = tree->head;
}
