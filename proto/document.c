// Documents: chooses the reader, owns what was read, and answers where things stand.
#include "proto/reading.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

static bool ends_with(const char *name, const char *ending)
{
    size_t length = strlen(name), ending_length = strlen(ending);
    return length >= ending_length && strcasecmp(name + length - ending_length, ending) == 0;
}

enum k_form k_form_of(const char *file, struct k_str content)
{
    static const struct {
        const char *ending;
        enum k_form form;
    } endings[] = {{".textproto", K_FORM_TEXT}, {".txtpb", K_FORM_TEXT}, {".pbtxt", K_FORM_TEXT},
        {".prototxt", K_FORM_TEXT}, {".json", K_FORM_JSON}, {".binpb", K_FORM_BINARY}, {".pb", K_FORM_BINARY},
        {".bin", K_FORM_BINARY}};
    for (size_t i = 0; file && i < sizeof(endings) / sizeof(endings[0]); i++)
        if (ends_with(file, endings[i].ending)) return endings[i].form;

    // The tags and lengths of a binary message are control characters sooner or later; text has none, and
    // cannot begin with a brace, with which JSON must.
    uint32_t first = 0;
    for (uint32_t i = 0; i < content.length; i++)
        if ((unsigned char)content.data[i] < ' ' && !memchr("\t\n\v\f\r", content.data[i], 5)) return K_FORM_BINARY;
    if (content.length >= 3 && memcmp(content.data, "\xEF\xBB\xBF", 3) == 0) first = 3;
    while (first < content.length && memchr(" \t\n\v\f\r", content.data[first], 6)) first++;
    return first < content.length && content.data[first] == '{' ? K_FORM_JSON : K_FORM_TEXT;
}

void k_reading_error(struct k_reading *reading, struct k_spot at, const char *code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char text[2048];
    int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (length >= (int)sizeof(text)) memcpy(text + sizeof(text) - 4, "…", 4);
    k_diag_error(reading->diags, (struct k_pos){reading->document->file, at.line, at.column}, code, "%s", text);
    reading->errors++;
}

int k_document_read_draft(const ProtobufCMessageDescriptor *type, const char *file, struct k_str content,
    enum k_form form, struct k_diags *diags, struct k_document **ret_document)
{
    struct k_document *document = k_new(struct k_document);
    struct k_reading reading = {.document = document, .content = content, .diags = diags};
    struct k_tree_value tree;
    if (!reading.content.data) reading.content.data = "";
    k_arena_init(&document->arena);
    document->file = file;
    document->form = form == K_FORM_AUTO ? k_form_of(file, content) : form;
    bool is_read = document->form == K_FORM_BINARY ? k_binary_parse(&reading, type)
        : document->form == K_FORM_JSON            ? k_json_parse(&reading, &tree)
                                                   : k_text_parse(&reading, &tree);
    if (!is_read) {
        K_ASSERT(reading.errors > 0);
        k_document_destroy(document);
        return K_E_CONFIG;
    }
    if (document->form != K_FORM_BINARY) k_build(&reading, type, &tree);
    document->is_draft = reading.errors > 0;
    *ret_document = document;
    return 0;
}

int k_document_read(const ProtobufCMessageDescriptor *type, const char *file, struct k_str content, enum k_form form,
    struct k_diags *diags, struct k_document **ret_document)
{
    struct k_document *document;
    int code = k_document_read_draft(type, file, content, form, diags, &document);
    if (code == 0 && document->is_draft) {
        k_document_destroy(document);
        code = K_E_CONFIG;
    }
    if (code == 0) *ret_document = document;
    return code;
}

bool k_document_is_broken(const struct k_document *document, const void *message)
{
    const struct k_place *place = k_places_find(&document->places, message, 0, -1);
    return place && place->broken;
}

void k_document_destroy(struct k_document *document)
{
    if (!document) return;
    k_places_fini(&document->places);
    k_arena_fini(&document->arena);
    free(document);
}

const ProtobufCMessage *k_document_message(const struct k_document *document) { return document->message; }
const char *k_document_file(const struct k_document *document) { return document->file; }

static struct k_pos pos_of(const struct k_document *document, struct k_spot at)
{
    return (struct k_pos){document->file, at.line, at.column};
}

// The number of a field of this message; asking for one that its type lacks is a bug.
static uint32_t field_number(const void *message, const char *name)
{
    const ProtobufCMessageDescriptor *type = ((const ProtobufCMessage *)message)->descriptor;
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field_by_name(type, name);
    K_ASSERT(field);
    return field->id;
}

struct k_pos k_document_pos(const struct k_document *document, const void *message, const char *field, int index)
{
    const struct k_place *place = NULL;
    if (field) place = k_places_find(&document->places, message, field_number(message, field), index);
    if (place) return pos_of(document, index < 0 ? place->name : place->value);
    place = k_places_find(&document->places, message, 0, -1);
    return pos_of(document, place ? place->name : (struct k_spot){0, 0});
}

struct k_pos k_document_pos_in(
    const struct k_document *document, const void *message, const char *field, int index, size_t offset)
{
    const struct k_place *place = k_places_find(&document->places, message, field_number(message, field), index);
    if (!place) return k_document_pos(document, message, NULL, -1);
    return pos_of(document, k_spans_at(&place->spans, place->value, offset));
}
