// Message types of other people, read at run time from a descriptor set: what protoc writes with
// --descriptor_set_out=FILE --include_imports. Everything lies in the arena that it was read into.
#pragma once
#include "base/bytes.h"
#include "base/error.h"
#include "base/memory.h"

// The numbers are protobuf's.
enum k_pb_type {
    K_PB_DOUBLE = 1,
    K_PB_FLOAT,
    K_PB_INT64,
    K_PB_UINT64,
    K_PB_INT32,
    K_PB_FIXED64,
    K_PB_FIXED32,
    K_PB_BOOL,
    K_PB_STRING,
    K_PB_GROUP,
    K_PB_MESSAGE,
    K_PB_BYTES,
    K_PB_UINT32,
    K_PB_ENUM,
    K_PB_SFIXED32,
    K_PB_SFIXED64,
    K_PB_SINT32,
    K_PB_SINT64,
};
const char *k_pb_type_name(enum k_pb_type type); // "int64"

struct k_pb_value {
    const char *name;
    int32_t number;
};
struct k_pb_enum {
    const char *name;          // "shop.Color"
    struct k_pb_value *values; // by number; of several with one number the first that was declared comes first
    uint32_t count;
};

struct k_pb_message;
struct k_pb_field {
    const char *name;
    uint32_t number;
    enum k_pb_type type;
    bool repeated, required;
    bool has_presence;                  // absent can be told from zero
    int32_t oneof;                      // its number in the message, or -1
    const struct k_pb_message *message; // of a message or group
    const struct k_pb_enum *enumeration;
};
struct k_pb_message {
    const char *name;          // "shop.Order"
    struct k_pb_field *fields; // by number
    uint32_t count, oneof_count;
    bool map_entry;
};

struct k_pb_set {
    struct k_pb_message **messages; // by name
    uint32_t message_count;
    struct k_pb_enum **enums; // by name
    uint32_t enum_count;
};

enum { K_PB_SET_BYTES_MAX = 64 << 20 };
// K_E_CONFIG: the bytes are no descriptor set, or one of a kind that is not supported. They need not live on.
K_CHECKED int k_pb_read(struct k_str bytes, struct k_arena *arena, struct k_pb_set *ret, struct k_error *err);

// NULL: there is none.
const struct k_pb_message *k_pb_find(const struct k_pb_set *set, const char *name);
const struct k_pb_field *k_pb_field_named(const struct k_pb_message *message, struct k_str name);
const char *k_pb_enum_name(const struct k_pb_enum *enumeration, int32_t number);
// The number of a choice. false: there is none of the name.
bool k_pb_enum_number(const struct k_pb_enum *enumeration, struct k_str name, int32_t *ret);
