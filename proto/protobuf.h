// Protobuf messages as bytes.
#pragma once
#include <protobuf-c/protobuf-c.h>

#include "base/bytes.h"

// Adds the message's bytes to the buffer.
static inline void k_protobuf_pack(const ProtobufCMessage *message, struct k_buf *out)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    protobuf_c_message_pack(message, (uint8_t *)k_buf_reserve(out, size));
    out->length += size;
}

// Whether both are the same, byte for byte.
static inline bool k_protobuf_equal(const ProtobufCMessage *a, const ProtobufCMessage *b)
{
    struct k_buf left = {0}, right = {0};
    k_protobuf_pack(a, &left);
    k_protobuf_pack(b, &right);
    bool equal = k_str_equal(k_buf_str(&left), k_buf_str(&right));
    k_buf_fini(&left);
    k_buf_fini(&right);
    return equal;
}
