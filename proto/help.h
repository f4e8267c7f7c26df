// The comments of the .proto files at run time: `kappa operators`, the JSON Schema and the reference pages
// say what they say.
#pragma once
#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

struct k_help {
    const char *name; // "kappa.v1.Node", "kappa.v1.Node.filter", "kappa.v1.Aggregate.Emit.ON_CLOSE"
    const char *text; // its comment, as one paragraph
};
extern const struct k_help k_help_table[]; // sorted by name, byte order
extern const size_t k_help_count;

// The comment of a thing; NULL if it has none.
const char *k_help_of(const char *name);
const char *k_help_of_field(const ProtobufCMessageDescriptor *type, const ProtobufCFieldDescriptor *field);
const char *k_help_of_choice(const ProtobufCEnumDescriptor *type, const ProtobufCEnumValue *choice);
