// Protobuf records: one message of a type that is only known at run time, as wire.c takes it apart.
//
// The fields that are read form a tree (struct node a message type on the way, struct entry a field), and one walk over
// the bytes notes the last value of each: later ones replace earlier ones, and a message that comes in several pieces
// is their union, as protobuf has it. The values are converted when the walk is over. What nobody reads is stepped
// over.
//
// Nothing is cleared between records: each appearance of a message has a number of its own, its epoch, and a value
// counts only if it was noted in the present epoch of the message around it.
#include "proto/format_protobuf.h"

#include <stdlib.h>

#include "base/utf8.h"
#include "proto/decoder.h"
#include "proto/json_path.h"
#include "proto/scalar.h"
#include "proto/wire.h"

enum { DIRECT = 64, SECONDS = 1, NANOS = 2 };

struct node;
struct entry {
    const struct k_pb_field *field;
    int32_t first_slot; // columns read from here, linked by next_slot; -1: none
    struct node *node;  // the fields inside that are read; NULL: none
    bool wanted;        // else it is here because it may end another field of its oneof
    enum k_wire_type wire;
    uint64_t epoch; // of the message in which it was met last
    uint64_t value; // what was met there
    struct k_str bytes;
};

struct oneof {
    uint64_t epoch;
    const struct entry *last; // the member that was met last in that epoch
};

struct node {
    const struct k_pb_message *message;
    uint32_t direct[DIRECT]; // by field number: index of the entry + 1
    struct entry *entries;
    uint32_t count;
    struct oneof *oneofs;
    uint64_t epoch;
};

struct protobuf_decoder {
    struct k_decoder base;
    struct node *root;
    int32_t *next_slot; // per column: the next one of the same entry, or -1
    uint64_t epochs;    // handed out so far
    uint32_t row;
};

// --- the tree -----------------------------------------------------------------------------------------------------

static enum k_wire_type wire_of(enum k_pb_type type)
{
    switch (type) {
    case K_PB_DOUBLE:
    case K_PB_FIXED64:
    case K_PB_SFIXED64: return K_WIRE_64;
    case K_PB_FLOAT:
    case K_PB_FIXED32:
    case K_PB_SFIXED32: return K_WIRE_32;
    case K_PB_STRING:
    case K_PB_MESSAGE:
    case K_PB_BYTES: return K_WIRE_BYTES;
    case K_PB_GROUP: return K_WIRE_GROUP;
    case K_PB_INT64:
    case K_PB_UINT64:
    case K_PB_INT32:
    case K_PB_BOOL:
    case K_PB_UINT32:
    case K_PB_ENUM:
    case K_PB_SINT32:
    case K_PB_SINT64: break;
    }
    return K_WIRE_VARINT;
}

static struct node *node_make(const struct k_pb_message *message)
{
    struct node *node = k_new(struct node);
    node->message = message;
    node->entries = k_new_array(struct entry, message->count);
    node->oneofs = k_new_array(struct oneof, message->oneof_count);
    return node;
}

static void node_destroy(struct node *node)
{
    if (!node) return;
    for (uint32_t i = 0; i < node->count; i++) node_destroy(node->entries[i].node);
    free(node->entries);
    free(node->oneofs);
    free(node);
}

static struct entry *find(struct node *node, uint32_t number)
{
    if (number < DIRECT) return node->direct[number] ? &node->entries[node->direct[number] - 1] : NULL;
    for (uint32_t i = 0; i < node->count; i++)
        if (node->entries[i].field->number == number) return &node->entries[i];
    return NULL;
}

// All entries have room from the start, so that they never move.
static struct entry *add_entry(struct node *node, const struct k_pb_field *field)
{
    struct entry *entry = find(node, field->number);
    if (entry) return entry;
    entry = &node->entries[node->count++];
    *entry = (struct entry){.field = field, .first_slot = -1, .wire = wire_of(field->type)};
    if (field->number < DIRECT) node->direct[field->number] = node->count;
    return entry;
}

// With the other members of its oneof, any of which ends it.
static struct entry *plant(struct node *node, const struct k_pb_field *field)
{
    struct entry *entry = add_entry(node, field);
    entry->wanted = true;
    for (uint32_t i = 0; field->oneof >= 0 && i < node->message->count; i++)
        if (node->message->fields[i].oneof == field->oneof) (void)add_entry(node, &node->message->fields[i]);
    return entry;
}

static void plant_column(struct protobuf_decoder *pb, uint32_t column, const struct k_pb_field *const *path,
                         uint32_t count)
{
    struct node *node = pb->root;
    struct entry *entry = NULL;
    for (uint32_t i = 0; i < count; i++) {
        entry = plant(node, path[i]);
        bool inside = i + 1 < count || k_pb_is_timestamp(path[i]);
        if (inside && !entry->node) entry->node = node_make(path[i]->message);
        node = entry->node;
    }
    pb->next_slot[column] = entry->first_slot;
    entry->first_slot = (int32_t)column;
    if (!node) return;
    for (uint32_t number = SECONDS; number <= NANOS; number++)
        for (uint32_t i = 0; i < node->message->count; i++)
            if (node->message->fields[i].number == number) (void)plant(node, &node->message->fields[i]);
}

// --- the walk -----------------------------------------------------------------------------------------------------

static bool bad_frame(struct protobuf_decoder *pb, const struct node *node, const char *why)
{
    k_decoder_bad(&pb->base, pb->row, "protobuf", "the record is no message %s: %s", node->message->name, why);
    return false;
}

static bool met(const struct node *node, const struct entry *entry)
{
    if (entry->epoch != node->epoch) return false;
    return entry->field->oneof < 0 || node->oneofs[entry->field->oneof].last == entry;
}

static void switch_oneof(struct node *node, struct entry *entry)
{
    struct oneof *oneof = &node->oneofs[entry->field->oneof];
    if (oneof->epoch == node->epoch && oneof->last == entry) return;
    *oneof = (struct oneof){node->epoch, entry};
    entry->epoch = 0; // what it was before another member came is gone
}

// false: the row is bad now.
static bool walk(struct protobuf_decoder *pb, struct node *node, struct k_str bytes)
{
    const char *at = bytes.data, *end = bytes.length ? bytes.data + bytes.length : at;
    while (at < end) {
        struct k_wire field;
        const char *why = k_wire_next(&at, end, &field);
        if (why) return bad_frame(pb, node, why);
        struct entry *entry = find(node, field.number);
        if (!entry) continue;
        if (field.type != entry->wire) {
            if (!entry->wanted) continue;
            k_decoder_bad(
                &pb->base, pb->row, "type",
                "field %u of message %s is not written as \"%s\" of type %s is; is it another message type?",
                field.number, node->message->name, entry->field->name, k_pb_type_name(entry->field->type));
            return false;
        }
        if (entry->field->oneof >= 0) switch_oneof(node, entry);
        bool again = entry->epoch == node->epoch;
        entry->epoch = node->epoch;
        entry->value = field.value;
        entry->bytes = field.bytes;
        if (!entry->node) continue;
        if (!again) entry->node->epoch = ++pb->epochs;
        if (!walk(pb, entry->node, field.bytes)) return false;
    }
    return true;
}

// --- values -------------------------------------------------------------------------------------------------------

// NULL or the reason. Numbers beyond their type are cut as protobuf cuts them.
static const char *integer(enum k_pb_type type, uint64_t value, int64_t *ret)
{
    switch (type) {
    case K_PB_INT32:
    case K_PB_ENUM:
    case K_PB_SFIXED32: *ret = (int32_t)value; return NULL;
    case K_PB_UINT32:
    case K_PB_FIXED32: *ret = (uint32_t)value; return NULL;
    case K_PB_SINT32: *ret = (int32_t)((uint32_t)value >> 1 ^ (0 - ((uint32_t)value & 1))); return NULL;
    case K_PB_SINT64: *ret = (int64_t)(value >> 1 ^ (0 - (value & 1))); return NULL;
    case K_PB_UINT64:
    case K_PB_FIXED64: *ret = (int64_t)value; return value > INT64_MAX ? "range" : NULL;
    default: *ret = (int64_t)value; return NULL;
    }
}

static double floating(enum k_pb_type type, uint64_t value)
{
    double wide;
    float narrow;
    uint32_t bits = (uint32_t)value;
    memcpy(&wide, &value, sizeof wide);
    memcpy(&narrow, &bits, sizeof narrow);
    return type == K_PB_FLOAT ? (double)narrow : wide;
}

static const char *instant(struct node *node, int64_t *ret_us)
{
    const struct entry *seconds = find(node, SECONDS), *nanos = find(node, NANOS);
    int64_t s = seconds && met(node, seconds) ? (int64_t)seconds->value : 0;
    int64_t n = nanos && met(node, nanos) ? (int32_t)nanos->value : 0;
    if (n < 0 || n > 999999999 || __builtin_mul_overflow(s, 1000000, ret_us) ||
        __builtin_add_overflow(*ret_us, n / 1000, ret_us))
        return "range";
    return NULL;
}

static const char *convert(struct protobuf_decoder *pb, const struct entry *entry, uint64_t value, struct k_str bytes,
                           const struct k_slot *slot)
{
    void *cell = k_slot_cell(slot, pb->row);
    int64_t number;
    const char *why;
    switch (slot->field->type) {
    case K_BOOL: *(uint8_t *)cell = value != 0; return NULL;
    case K_DOUBLE: *(double *)cell = floating(entry->field->type, value); return NULL;
    case K_INT64: return integer(entry->field->type, value, cell);
    case K_TIMESTAMP:
        if (entry->node) return instant(entry->node, cell);
        why = integer(entry->field->type, value, &number);
        return why ? why : k_scalar_time(number, pb->base.timestamp_unit, cell);
    case K_STRING:
        if (entry->field->type == K_PB_ENUM) {
            const char *name = k_pb_enum_name(entry->field->enumeration, (int32_t)value);
            if (name) *(struct k_str *)cell = k_str_of(name);
            return name ? NULL : "range";
        }
        if (!k_utf8_valid(bytes.data, bytes.length)) return "utf8";
        *(struct k_str *)cell = bytes;
        return NULL;
    case K_BYTES: *(struct k_str *)cell = bytes; return NULL;
    default: K_ASSERT(!"k_pb_fits lets no other type through");
    }
}

static bool bad_value(struct protobuf_decoder *pb, const struct node *node, const struct entry *entry,
                      const struct k_slot *slot, uint64_t value, const char *why)
{
    const char *field = entry->field->name, *type = k_pb_type_name(entry->field->type);
    if (strcmp(why, "utf8") == 0)
        k_decoder_bad(&pb->base, pb->row, why, "field \"%s\" of message %s is not UTF-8", field, node->message->name);
    else if (entry->field->type == K_PB_ENUM)
        k_decoder_bad(&pb->base, pb->row, why, "field \"%s\" of message %s: %d is no choice of %s", field,
                      node->message->name, (int32_t)value, entry->field->enumeration->name);
    else
        k_decoder_bad(&pb->base, pb->row, why, "field \"%s\" of message %s: a %s that %s cannot hold", field,
                      node->message->name, type, k_type_name(slot->field->type));
    return false;
}

// Fills the columns of a field that was not written, or that lies inside a message that was not.
static bool fill_absent(struct protobuf_decoder *pb, const struct node *node, const struct entry *entry, bool inside)
{
    if (inside && entry->field->required && entry->wanted) {
        k_decoder_bad(&pb->base, pb->row, "missing", "field \"%s\" of message %s is required, and missing",
                      entry->field->name, node->message->name);
        return false;
    }
    for (int32_t i = entry->first_slot; i >= 0; i = pb->next_slot[i]) {
        struct k_slot *slot = &pb->base.slots[i];
        if (inside && !entry->field->has_presence) {
            const char *why = convert(pb, entry, 0, (struct k_str){"", 0}, slot);
            if (why) return bad_value(pb, node, entry, slot, 0, why);
            continue;
        }
        if (slot->field->not_null) {
            k_decoder_bad(&pb->base, pb->row, "missing", "field \"%s\" of message %s is missing", entry->field->name,
                          node->message->name);
            return false;
        }
        k_slot_null(&pb->base, slot, pb->row);
    }
    for (uint32_t i = 0; entry->node && i < entry->node->count; i++)
        if (!fill_absent(pb, entry->node, &entry->node->entries[i], false)) return false;
    return true;
}

static bool fill(struct protobuf_decoder *pb, struct node *node)
{
    for (uint32_t i = 0; i < node->count; i++) {
        struct entry *entry = &node->entries[i];
        if (!met(node, entry)) {
            if (!fill_absent(pb, node, entry, true)) return false;
            continue;
        }
        for (int32_t s = entry->first_slot; s >= 0; s = pb->next_slot[s]) {
            const struct k_slot *slot = &pb->base.slots[s];
            const char *why = convert(pb, entry, entry->value, entry->bytes, slot);
            if (why) return bad_value(pb, node, entry, slot, entry->value, why);
        }
        if (entry->node && !fill(pb, entry->node)) return false;
    }
    return true;
}

static void protobuf_row(struct k_decoder *decoder, const struct k_message *message, uint32_t row)
{
    struct protobuf_decoder *pb = (struct protobuf_decoder *)decoder;
    pb->row = row;
    // No field has the number 0, so this is no message in any case.
    if (k_has_registry_frame(message->value)) {
        k_decoder_bad_registry(decoder, row, message->value, "plain protobuf messages");
        return;
    }
    pb->root->epoch = ++pb->epochs;
    if (walk(pb, pb->root, message->value)) (void)fill(pb, pb->root);
}

static void protobuf_destroy(struct k_decoder *decoder)
{
    struct protobuf_decoder *pb = (struct protobuf_decoder *)decoder;
    node_destroy(pb->root);
    free(pb->next_slot);
    k_decoder_fini(decoder);
    free(pb);
}

static const struct k_format protobuf_format = {.name = "protobuf", .row = protobuf_row, .destroy = protobuf_destroy};

int k_decoder_protobuf(const struct k_decoder_options *options, struct k_decoder **ret, struct k_error *err)
{
    K_ASSERT(options->message);
    struct protobuf_decoder *pb = k_new(struct protobuf_decoder);
    k_decoder_init(&pb->base, &protobuf_format, options);
    pb->root = node_make(options->message);
    pb->next_slot = k_new_array(int32_t, options->schema->count);
    for (uint32_t i = 0; i < options->schema->count; i++) {
        const struct k_pb_field *path[K_PATH_KEYS_MAX];
        uint32_t count;
        int code = k_pb_resolve(options->message, &options->schema->fields[i], path, &count, err);
        if (code) {
            protobuf_destroy(&pb->base);
            return code;
        }
        if (options->read[i]) plant_column(pb, i, path, count);
    }
    *ret = &pb->base;
    return 0;
}
