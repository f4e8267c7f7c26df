// Printing JSON: snake_case names, repeated fields as arrays, what fits on a line on one.
#include "base/json_out.h"
#include "proto/print.h"
#include "proto/reading.h"

#include <inttypes.h>

static void print_message(struct k_buf *out, const ProtobufCMessage *message, uint32_t level, bool flat);

// Numbers beyond 2^53 are strings, since many readers of JSON have only doubles.
static void print_integer(struct k_buf *out, bool minus, uint64_t magnitude)
{
    const char *quote = magnitude > UINT64_C(1) << 53 ? "\"" : "";
    k_buf_printf(out, "%s%s%" PRIu64 "%s", quote, minus ? "-" : "", magnitude, quote);
}

static void print_signed(struct k_buf *out, int64_t value)
{
    print_integer(out, value < 0, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

static void print_scalar(struct k_buf *out, const ProtobufCFieldDescriptor *field, const void *value)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_BOOL: k_buf_add_text(out, *(const protobuf_c_boolean *)value ? "true" : "false"); return;
    case PROTOBUF_C_TYPE_ENUM: {
        const ProtobufCEnumValue *choice = protobuf_c_enum_descriptor_get_value(field->descriptor, *(const int *)value);
        K_ASSERT(choice); // no reader lets another number in
        k_buf_printf(out, "\"%s\"", choice->name);
        return;
    }
    case PROTOBUF_C_TYPE_STRING: k_json_string(out, k_str_of(*(char *const *)value)); return;
    case PROTOBUF_C_TYPE_BYTES: {
        const ProtobufCBinaryData *bytes = value;
        k_json_base64(out, (struct k_str){(const char *)bytes->data, (uint32_t)bytes->len});
        return;
    }
    case PROTOBUF_C_TYPE_FLOAT: k_json_double(out, (double)*(const float *)value); return;
    case PROTOBUF_C_TYPE_DOUBLE: k_json_double(out, *(const double *)value); return;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32: print_integer(out, false, *(const uint32_t *)value); return;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64: print_integer(out, false, *(const uint64_t *)value); return;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64: print_signed(out, *(const int64_t *)value); return;
    case PROTOBUF_C_TYPE_MESSAGE: break;
    default: print_signed(out, *(const int32_t *)value); return;
    }
    K_ASSERT(!"a message is no scalar");
}

static void new_line(struct k_buf *out, uint32_t level, bool flat)
{
    if (flat) {
        k_buf_add_char(out, ' ');
        return;
    }
    k_buf_add_char(out, '\n');
    for (uint32_t i = 0; i < level; i++) k_buf_add_text(out, "  ");
}

static void print_items(struct k_buf *out, const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
    uint32_t level, bool flat)
{
    size_t count = k_field_count(message, field);
    k_buf_add_char(out, '[');
    for (size_t i = 0; i < count; i++) {
        const void *value = k_field_at(message, field, i);
        if (!flat) new_line(out, level + 1, false);
        else if (i) k_buf_add_char(out, ' ');
        if (field->type == PROTOBUF_C_TYPE_MESSAGE)
            print_message(out, *(ProtobufCMessage *const *)value, level + 1, flat);
        else print_scalar(out, field, value);
        if (i + 1 < count) k_buf_add_char(out, ',');
    }
    if (!flat) new_line(out, level, false);
    k_buf_add_char(out, ']');
}

// A member's value: on one line if it fits, else over several.
static void print_member(struct k_buf *out, const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
    uint32_t level, bool flat)
{
    const void *value = k_field_at(message, field, 0);
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        size_t start = out->length, line = start;
        while (!flat && line > 0 && out->data[line - 1] != '\n') line--;
        print_items(out, message, field, level, true);
        if (flat || out->length - line < K_PRINT_COLUMNS) return; // a comma may follow
        out->length = start;
        print_items(out, message, field, level, false);
    } else if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        print_message(out, *(ProtobufCMessage *const *)value, level, flat);
    } else {
        print_scalar(out, field, value);
    }
}

static void print_members(struct k_buf *out, const ProtobufCMessage *message, uint32_t level, bool flat)
{
    bool first = true;
    k_buf_add_char(out, '{');
    for (unsigned f = 0; f < message->descriptor->n_fields; f++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[f];
        if (k_field_count(message, field) == 0) continue;
        if (!first) k_buf_add_char(out, ',');
        new_line(out, level + 1, flat);
        k_buf_printf(out, "\"%s\": ", field->name);
        print_member(out, message, field, level + 1, flat);
        first = false;
    }
    if (!first) new_line(out, level, flat);
    k_buf_add_char(out, '}');
}

static void print_message(struct k_buf *out, const ProtobufCMessage *message, uint32_t level, bool flat)
{
    size_t start = out->length, line = start;
    while (!flat && line > 0 && out->data[line - 1] != '\n') line--;
    print_members(out, message, level, true);
    if (flat || out->length - line < K_PRINT_COLUMNS) return; // a comma may follow
    out->length = start;
    print_members(out, message, level, false);
}

void k_print_json(const ProtobufCMessage *message, struct k_buf *out)
{
    print_members(out, message, 0, false);
    k_buf_add_char(out, '\n');
}
