// Binary → message. protobuf-c unpacks by recursion without a limit (some 8,700 levels overflow a stack of
// 8 MB), cuts strings at a NUL, keeps unknown fields aside and takes any number for an enum. So the bytes
// are checked first, and only what passes is unpacked.
#include "proto/reading.h"

// A check on its way down.
struct scan {
    struct k_reading *reading;
    bool failed; // something is reported that makes the rest meaningless
};

static void *arena_get(void *arena, size_t size) { return k_arena_get(arena, size); }
static void arena_keep(void *arena, void *memory)
{
    (void)arena; // freed with the document
    (void)memory;
}

static void report(struct scan *scan, const char *code, const char *text)
{
    k_reading_error(scan->reading, (struct k_spot){0, 0}, code, "%s", text);
}

static void damaged(struct scan *scan, const ProtobufCMessageDescriptor *type)
{
    if (scan->failed) return;
    scan->failed = true;
    k_reading_error(scan->reading, (struct k_spot){0, 0}, K0110,
        "the file is damaged or of another kind: the bytes of a message %s make no sense", type->short_name);
}

static void check_choice(
    struct scan *scan, const ProtobufCMessageDescriptor *type, const ProtobufCFieldDescriptor *field, uint64_t value)
{
    if (protobuf_c_enum_descriptor_get_value(field->descriptor, (int)(int32_t)(uint32_t)value)) return;
    struct k_buf text = {0};
    k_buf_printf(&text, "field \"%s\" of a message %s has the choice %d, which this version of kappa does not know",
        field->name, type->short_name, (int)(int32_t)(uint32_t)value);
    report(scan, K0111, text.data);
    k_buf_fini(&text);
}

static void check_string(struct scan *scan, const ProtobufCMessageDescriptor *type,
    const ProtobufCFieldDescriptor *field, struct k_str value)
{
    bool is_nul = value.length && memchr(value.data, 0, value.length);
    if (!is_nul && k_utf8_valid(value.data, value.length)) return;
    struct k_buf text = {0};
    k_buf_printf(&text, "field \"%s\" of a message %s is text, but %s", field->name, type->short_name,
        is_nul ? "holds a NUL character" : "is not UTF-8");
    report(scan, K0108, text.data);
    k_buf_fini(&text);
}

static void scan_message(struct scan *scan, const ProtobufCMessageDescriptor *type, struct k_str bytes, unsigned depth);

// A value with a length: a string, a message, or packed numbers.
static void scan_delimited(struct scan *scan, const ProtobufCMessageDescriptor *type,
    const ProtobufCFieldDescriptor *field, struct k_str value, unsigned depth)
{
    uint64_t number;
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) scan_message(scan, field->descriptor, value, depth + 1);
    if (field->type == PROTOBUF_C_TYPE_STRING) check_string(scan, type, field, value);
    if (field->type != PROTOBUF_C_TYPE_ENUM) return;
    for (uint32_t at = 0; at < value.length;) {
        size_t length = k_get_varint(value.data + at, value.length - at, &number);
        if (length == 0) {
            damaged(scan, type);
            return;
        }
        check_choice(scan, type, field, number);
        at += (uint32_t)length;
    }
}

static void unknown(struct scan *scan, const ProtobufCMessageDescriptor *type, uint64_t number)
{
    struct k_buf text = {0};
    k_buf_printf(&text, "a message %s has field number %llu, which this version of kappa does not know",
        type->short_name, (unsigned long long)number);
    report(scan, K0111, text.data);
    k_buf_fini(&text);
}

static void scan_message(struct scan *scan, const ProtobufCMessageDescriptor *type, struct k_str bytes, unsigned depth)
{
    if (depth > K_DEPTH_MAX && !scan->failed) {
        scan->failed = true;
        k_reading_error(scan->reading, (struct k_spot){0, 0}, K0109, "messages are nested more than %d levels deep",
            K_DEPTH_MAX);
    }
    uint32_t at = 0;
    while (at < bytes.length && !scan->failed) {
        uint64_t tag = 0, number = 0;
        size_t step = k_get_varint(bytes.data + at, bytes.length - at, &tag);
        const ProtobufCFieldDescriptor *field =
            tag >> 3 <= 0x1FFFFFFF ? protobuf_c_message_descriptor_get_field(type, (unsigned)(tag >> 3)) : NULL;
        at += (uint32_t)step;
        uint32_t left = bytes.length - at;
        bool is_sound = step && tag >> 3 && tag >> 3 <= 0x1FFFFFFF;
        struct k_str value = {0};
        if (is_sound && (tag & 7) == 0) {
            step = k_get_varint(bytes.data + at, left, &number);
            is_sound = step > 0;
        } else if (is_sound && (tag & 7) == 2) {
            step = k_get_varint(bytes.data + at, left, &number);
            is_sound = step > 0 && number <= left - step;
            if (is_sound) value = (struct k_str){bytes.data + at + step, (uint32_t)number};
            step += value.length;
        } else {
            step = (tag & 7) == 1 ? 8 : 4;
            is_sound = is_sound && ((tag & 7) == 1 || (tag & 7) == 5) && left >= step;
        }
        if (!is_sound) {
            damaged(scan, type);
            return;
        }
        at += (uint32_t)step;
        if (!field) unknown(scan, type, tag >> 3);
        else if ((tag & 7) == 2) scan_delimited(scan, type, field, value, depth);
        else if ((tag & 7) == 0 && field->type == PROTOBUF_C_TYPE_ENUM) check_choice(scan, type, field, number);
    }
}

bool k_binary_parse(struct k_reading *reading, const ProtobufCMessageDescriptor *type)
{
    struct k_document *document = reading->document;
    struct scan scan = {.reading = reading};
    scan_message(&scan, type, reading->content, 1);
    if (reading->errors) return false;
    ProtobufCAllocator allocator = {arena_get, arena_keep, &document->arena};
    const uint8_t *bytes = (const uint8_t *)(reading->content.data ? reading->content.data : "");
    document->message = protobuf_c_message_unpack(type, &allocator, reading->content.length, bytes);
    if (!document->message) damaged(&scan, type);
    return document->message != NULL;
}
