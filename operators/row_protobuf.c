// Rows as protobuf messages: each column the field of its name. NULL is an absent field.
#include "base/utf8.h"
#include "operators/plan_protobuf.h"
#include "operators/row_writer.h"
#include "proto/format_protobuf.h"
#include "proto/json_path.h"
#include "proto/wire.h"

struct column {
    uint32_t index; // in the input
    const struct k_pb_field *field;
};

struct k_row_protobuf {
    uint32_t count;
    struct column columns[];
};

// What can be read from a field can be written to it, but for what a column may hold and the field may not.
static bool can_write(const struct k_pb_field *field, enum k_type type)
{
    if (field->repeated || !k_pb_fits(field, type)) return false;
    if (type == K_TIMESTAMP) return k_pb_is_timestamp(field); // of an integer nobody says what it counts
    return type != K_BYTES || field->type == K_PB_BYTES;
}

static const struct k_pb_field *find_field(struct k_planner *planner, const struct k_node *node, const void *format,
                                           const struct k_pb_message *message, const struct k_field *column)
{
    // The path of a source's column is no part of its name.
    struct k_field named = {.name = column->name, .type = column->type};
    const struct k_pb_field *path[K_PATH_KEYS_MAX];
    uint32_t count;
    struct k_error error;
    if (k_pb_resolve(message, &named, path, &count, &error) != 0) {
        k_plan_error(planner, format, "message", 0, K0408, "sink \"%s\": %s", node->name, error.text);
        return NULL;
    }
    if (can_write(path[0], column->type)) return path[0];
    k_plan_error(planner, format, "message", 0, K0408,
                 "sink \"%s\": column \"%s\" of type %s cannot be written to field \"%s\" of message %s, of type %s; "
                 "compute one that can be with  map",
                 node->name, column->name, k_type_name(column->type), path[0]->name, message->name,
                 k_pb_type_name(path[0]->type));
    return NULL;
}

static bool check_oneofs(struct k_planner *planner, const struct k_node *node, const void *format,
                         const struct k_row_protobuf *writer)
{
    for (uint32_t i = 0; i < writer->count; i++)
        for (uint32_t j = 0; j < i; j++) {
            const struct k_pb_field *a = writer->columns[j].field, *b = writer->columns[i].field;
            if (a->oneof < 0 || a->oneof != b->oneof) continue;
            k_plan_error(
                planner, format, "message", 0, K0408,
                "sink \"%s\": columns \"%s\" and \"%s\" belong to one oneof, of which a message has one field",
                node->name, a->name, b->name);
            return false;
        }
    return true;
}

static bool check_required(struct k_planner *planner, const struct k_node *node, const void *format,
                           const struct k_pb_message *message, const struct k_row_protobuf *writer)
{
    for (uint32_t f = 0; f < message->count; f++) {
        bool found = !message->fields[f].required;
        for (uint32_t i = 0; i < writer->count && !found; i++)
            found = writer->columns[i].field == &message->fields[f];
        if (found) continue;
        k_plan_error(planner, format, "message", 0, K0408,
                     "sink \"%s\": field \"%s\" of message %s is required, and \"%s\" has no such column", node->name,
                     message->fields[f].name, message->name, node->inputs[0]->name);
        return false;
    }
    return true;
}

struct k_row_protobuf *k_row_protobuf_plan(struct k_planner *planner, const struct k_node *node,
                                           const Kappa__V1__Sink__Format__Protobuf *format)
{
    const struct k_schema *schema = &node->inputs[0]->schema;
    const struct k_pb_message *message =
        k_plan_protobuf(planner, format, "sink", node->name, format->descriptor_set, format->message);
    if (!message) return NULL;
    struct k_row_protobuf *writer =
        k_arena_zeroed(planner->arena, sizeof *writer + schema->count * sizeof writer->columns[0]);
    bool good = true;
    for (uint32_t i = 0; i < schema->count; i++) {
        if (schema->fields[i].hidden) continue;
        const struct k_pb_field *field = find_field(planner, node, format, message, &schema->fields[i]);
        if (field) writer->columns[writer->count++] = (struct column){i, field};
        else good = false;
    }
    good =
        good && check_oneofs(planner, node, format, writer) && check_required(planner, node, format, message, writer);
    return good ? writer : NULL;
}

static void add_tag(struct k_buf *out, const struct k_pb_field *field, enum k_wire_type type)
{
    k_buf_add_varint(out, (uint64_t)field->number << 3 | type);
}

static void add_fixed(struct k_buf *out, uint64_t bits, uint32_t width)
{
    char bytes[8];
    for (uint32_t i = 0; i < width; i++) bytes[i] = (char)(bits >> 8 * i);
    k_buf_add(out, bytes, width);
}

static void add_bytes(struct k_buf *out, const struct k_pb_field *field, struct k_str bytes)
{
    add_tag(out, field, K_WIRE_BYTES);
    k_buf_add_varint(out, bytes.length);
    if (bytes.length) k_buf_add(out, bytes.data, bytes.length);
}

// false: the field cannot hold the number.
static bool add_integer(struct k_buf *out, const struct k_pb_field *field, int64_t value)
{
    bool is_32 = field->type == K_PB_INT32 || field->type == K_PB_SINT32 || field->type == K_PB_SFIXED32 ||
                 field->type == K_PB_ENUM;
    bool is_u32 = field->type == K_PB_UINT32 || field->type == K_PB_FIXED32;
    bool is_u64 = field->type == K_PB_UINT64 || field->type == K_PB_FIXED64;
    if (is_32 && (value < INT32_MIN || value > INT32_MAX)) return false;
    if (is_u32 && (value < 0 || value > UINT32_MAX)) return false;
    if (is_u64 && value < 0) return false;
    switch (field->type) {
    case K_PB_FIXED32:
    case K_PB_SFIXED32:
        add_tag(out, field, K_WIRE_32);
        add_fixed(out, (uint64_t)value, 4);
        return true;
    case K_PB_FIXED64:
    case K_PB_SFIXED64:
        add_tag(out, field, K_WIRE_64);
        add_fixed(out, (uint64_t)value, 8);
        return true;
    case K_PB_SINT32:
    case K_PB_SINT64:
        add_tag(out, field, K_WIRE_VARINT);
        k_buf_add_zigzag(out, value);
        return true;
    default:
        add_tag(out, field, K_WIRE_VARINT);
        k_buf_add_varint(out, (uint64_t)value);
        return true;
    }
}

static void add_double(struct k_buf *out, const struct k_pb_field *field, double value)
{
    if (field->type == K_PB_FLOAT) {
        float narrow = (float)value;
        uint32_t bits;
        memcpy(&bits, &narrow, sizeof bits);
        add_tag(out, field, K_WIRE_32);
        add_fixed(out, bits, 4);
        return;
    }
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    add_tag(out, field, K_WIRE_64);
    add_fixed(out, bits, 8);
}

// google.protobuf.Timestamp: whole seconds towards the past, and nanoseconds from there on.
static void add_instant(struct k_buf *out, const struct k_pb_field *field, int64_t us)
{
    int64_t seconds = us / 1000000 - (us % 1000000 < 0), nanos = (us - seconds * 1000000) * 1000;
    struct k_buf inner = {0};
    k_buf_add_char(&inner, 1 << 3 | K_WIRE_VARINT);
    k_buf_add_varint(&inner, (uint64_t)seconds);
    k_buf_add_char(&inner, 2 << 3 | K_WIRE_VARINT);
    k_buf_add_varint(&inner, (uint64_t)nanos);
    add_bytes(out, field, k_buf_str(&inner));
    k_buf_fini(&inner);
}

// false: it cannot be written.
static bool add_value(struct k_buf *out, const struct k_pb_field *field, const struct k_value *value)
{
    int32_t number;
    switch (value->type) {
    case K_BOOL:
        add_tag(out, field, K_WIRE_VARINT);
        k_buf_add_char(out, (char)value->b);
        return true;
    case K_INT64: return add_integer(out, field, value->i);
    case K_DOUBLE: add_double(out, field, value->d); return true;
    case K_TIMESTAMP: add_instant(out, field, value->i); return true;
    case K_STRING:
        if (field->type != K_PB_ENUM) add_bytes(out, field, value->s);
        else if (!k_pb_enum_number(field->enumeration, value->s, &number)) return false;
        else return add_integer(out, field, number);
        return true;
    case K_BYTES: add_bytes(out, field, value->s); return true;
    case K_JSON:
    case K_NO_TYPE:
    case K_INTERVAL: break;
    }
    K_ASSERT(!"can_write lets no other type through");
}

const char *k_row_protobuf_add(const struct k_row_protobuf *writer, struct k_buf *out, const struct k_batch *batch,
                               uint32_t row, const char **ret_text)
{
    for (uint32_t i = 0; i < writer->count; i++) {
        const struct k_pb_field *field = writer->columns[i].field;
        struct k_value value = k_column_value(&batch->columns[writer->columns[i].index], row);
        if (value.null && field->required) {
            *ret_text = k_arena_format(batch->arena, "\"%s\" is NULL, and the field is required", field->name);
            return "missing";
        }
        if (value.null || add_value(out, field, &value)) continue;
        *ret_text = k_arena_format(batch->arena, "\"%s\" is nothing that a field of type %s can hold", field->name,
                                   field->enumeration ? field->enumeration->name : k_pb_type_name(field->type));
        return "range";
    }
    return NULL;
}
