// Printing the text form, with the comments of the document that the message comes from.
#include "base/double_text.h"
#include "base/json_out.h"
#include "proto/print.h"
#include "proto/protobuf.h"
#include "proto/reading.h"

#include <inttypes.h>
#include <math.h>

struct printer {
    const struct k_document *document;
    struct k_buf *out;
};

static void print_fields(const struct printer *printer, const ProtobufCMessage *message, uint32_t level, bool first);

bool k_document_has_comments(const struct k_document *document) { return document->comment_count > 0; }

void k_print_text_string(struct k_buf *out, struct k_str text, bool bytes)
{
    static const char named[] = "\n\r\t\\", letters[] = "nrt\\";
    bool has_double = text.length && memchr(text.data, '"', text.length);
    bool has_single = text.length && memchr(text.data, '\'', text.length);
    char quote = has_double && !has_single ? '\'' : '"';
    k_buf_add_char(out, quote);
    for (uint32_t i = 0; i < text.length; i++) {
        char c = text.data[i];
        const char *name = c ? strchr(named, c) : NULL;
        if (name) k_buf_printf(out, "\\%c", letters[name - named]);
        else if (c == quote) k_buf_printf(out, "\\%c", c);
        else if ((unsigned char)c < ' ' || c == 0x7F || (bytes && (unsigned char)c > 0x7F))
            k_buf_printf(out, "\\%03o", (unsigned)(unsigned char)c);
        else k_buf_add_char(out, c);
    }
    k_buf_add_char(out, quote);
}

static void print_double(struct k_buf *out, double value)
{
    if (isnan(value)) {
        k_buf_add_text(out, signbit(value) ? "-nan" : "nan");
    } else if (isinf(value)) {
        k_buf_add_text(out, value < 0 ? "-inf" : "inf");
    } else {
        char text[K_DOUBLE_TEXT];
        k_buf_add(out, text, k_double_print(text, value));
    }
}

static void print_scalar(struct k_buf *out, const ProtobufCFieldDescriptor *field, const void *value)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_BOOL: k_buf_add_text(out, *(const protobuf_c_boolean *)value ? "true" : "false"); return;
    case PROTOBUF_C_TYPE_ENUM: {
        const ProtobufCEnumValue *choice = protobuf_c_enum_descriptor_get_value(field->descriptor, *(const int *)value);
        K_ASSERT(choice); // no reader lets another number in
        k_buf_add_text(out, choice->name);
        return;
    }
    case PROTOBUF_C_TYPE_STRING: k_print_text_string(out, k_str_of(*(char *const *)value), false); return;
    case PROTOBUF_C_TYPE_BYTES: {
        const ProtobufCBinaryData *bytes = value;
        k_print_text_string(out, (struct k_str){(const char *)bytes->data, (uint32_t)bytes->len}, true);
        return;
    }
    case PROTOBUF_C_TYPE_FLOAT: print_double(out, (double)*(const float *)value); return;
    case PROTOBUF_C_TYPE_DOUBLE: print_double(out, *(const double *)value); return;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32: k_buf_printf(out, "%" PRIu32, *(const uint32_t *)value); return;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64: k_buf_printf(out, "%" PRIu64, *(const uint64_t *)value); return;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64: k_buf_printf(out, "%" PRId64, *(const int64_t *)value); return;
    case PROTOBUF_C_TYPE_MESSAGE: break;
    default: k_buf_printf(out, "%" PRId32, *(const int32_t *)value); return;
    }
    K_ASSERT(!"a message is no scalar");
}

static void indent(struct k_buf *out, uint32_t level)
{
    for (uint32_t i = 0; i < level; i++) k_buf_add_text(out, "  ");
}

static const struct k_notes *notes_of(
    const struct printer *printer, const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, size_t index)
{
    static const struct k_notes none;
    const struct k_place *place = k_places_find(&printer->document->places, message, field->id, (int32_t)index);
    return place && place->notes ? place->notes : &none;
}

static const struct k_comment *tail_of(const struct printer *printer, const ProtobufCMessage *message)
{
    const struct k_place *place = k_places_find(&printer->document->places, message, 0, -1);
    return place ? place->tail : NULL;
}

// Appends the fields on one line, with a blank before each. false if that cannot be: there are comments
// inside, or the line grows beyond `limit` bytes.
static bool print_flat(const struct printer *printer, const ProtobufCMessage *message, struct k_buf *out, size_t limit)
{
    if (tail_of(printer, message)) return false;
    for (unsigned f = 0; f < message->descriptor->n_fields; f++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[f];
        size_t count = k_field_count(message, field);
        for (size_t i = 0; i < count; i++) {
            const struct k_notes *notes = notes_of(printer, message, field, i);
            if (notes->above || notes->behind) return false;
            const void *value = k_field_at(message, field, i);
            k_buf_printf(out, " %s", field->name);
            if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
                k_buf_add_text(out, " {");
                if (!print_flat(printer, *(ProtobufCMessage *const *)value, out, limit)) return false;
                k_buf_add_text(out, out->data[out->length - 1] == '{' ? "}" : " }");
            } else {
                k_buf_add_text(out, ": ");
                print_scalar(out, field, value);
            }
            if (out->length > limit) return false;
        }
    }
    return true;
}

// Comments on lines of their own. first: nothing stands before them in their message.
static void print_comments(struct k_buf *out, const struct k_comment *comment, uint32_t level, bool first)
{
    for (; comment; comment = comment->next, first = false) {
        if (comment->blank_before && !first) k_buf_add_char(out, '\n');
        indent(out, level);
        k_buf_add_text(out, comment->text);
        k_buf_add_char(out, '\n');
    }
}

static void print_message(const struct printer *printer, const ProtobufCFieldDescriptor *field,
    const ProtobufCMessage *message, uint32_t level)
{
    struct k_buf *out = printer->out;
    size_t start = out->length;
    k_buf_printf(out, "%s {", field->name);
    size_t open = out->length;
    size_t around = 2 * level + 2; // the blanks before it, and " }"
    size_t room = around < K_PRINT_COLUMNS ? K_PRINT_COLUMNS - around : 0;
    bool is_flat = print_flat(printer, message, out, start + room);
    if (is_flat) {
        k_buf_add_text(out, out->length > open ? " }" : "}");
        return;
    }
    out->length = open;
    k_buf_add_char(out, '\n');
    print_fields(printer, message, level + 1, true);
    indent(out, level);
    k_buf_add_char(out, '}');
}

static void print_value(const struct printer *printer, const ProtobufCMessage *message,
    const ProtobufCFieldDescriptor *field, size_t index, uint32_t level, bool first)
{
    struct k_buf *out = printer->out;
    const struct k_notes *notes = notes_of(printer, message, field, index);
    // Only one comment can stand behind a value; more of them (from a list's end) go above it.
    const struct k_comment *behind = notes->behind && !notes->behind->next ? notes->behind : NULL;
    print_comments(out, notes->above, level, first);
    if (!behind) print_comments(out, notes->behind, level, first && !notes->above);
    bool starts = first && !notes->above && !(notes->behind && !behind);
    if (notes->blank_before && !starts) k_buf_add_char(out, '\n');
    indent(out, level);
    const void *value = k_field_at(message, field, index);
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        print_message(printer, field, *(ProtobufCMessage *const *)value, level);
    } else {
        k_buf_printf(out, "%s: ", field->name);
        print_scalar(out, field, value);
    }
    if (behind) k_buf_printf(out, "  %s", behind->text);
    k_buf_add_char(out, '\n');
}

// first: nothing stands before the fields on their level.
static void print_fields(const struct printer *printer, const ProtobufCMessage *message, uint32_t level, bool first)
{
    for (unsigned f = 0; f < message->descriptor->n_fields; f++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[f];
        size_t count = k_field_count(message, field);
        for (size_t i = 0; i < count; i++, first = false) print_value(printer, message, field, i, level, first);
    }
    print_comments(printer->out, tail_of(printer, message), level, first);
}

void k_print(const struct k_document *document, enum k_form form, struct k_buf *out)
{
    K_ASSERT(form != K_FORM_AUTO);
    if (form == K_FORM_BINARY) {
        k_protobuf_pack(document->message, out);
        out->data[out->length] = 0;
    } else if (form == K_FORM_JSON) {
        k_print_json(document->message, out);
    } else {
        struct printer printer = {document, out};
        print_comments(out, document->head, 0, true);
        print_fields(&printer, document->message, 0, !document->head);
    }
}
