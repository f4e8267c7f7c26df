// Protobuf's wire format, field by field: the one place that says what is well framed.
#pragma once
#include "base/bytes.h"

enum k_wire_type { K_WIRE_VARINT, K_WIRE_64, K_WIRE_BYTES, K_WIRE_GROUP, K_WIRE_GROUP_END, K_WIRE_32 };
enum { K_WIRE_DEPTH_MAX = 100 }; // groups inside each other

struct k_wire {
    uint32_t number;
    enum k_wire_type type;
    uint64_t value;     // of a varint, and of 64 and 32 bits
    struct k_str bytes; // of bytes, and of a group, without its end
};

// Moves *at behind the varint. false: it is cut short or longer than ten bytes. What lies beyond 64 bits is dropped.
static inline bool k_wire_varint(const char **at, const char *end, uint64_t *ret)
{
    uint64_t value = 0;
    const char *p = *at;
    if (p < end && (uint8_t)*p < 0x80) {
        *ret = (uint8_t)*p;
        *at = p + 1;
        return true;
    }
    for (unsigned shift = 0; p < end && shift < 70; shift += 7) {
        uint8_t byte = (uint8_t)*p++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte >= 0x80) continue;
        *ret = value;
        *at = p;
        return true;
    }
    return false;
}

// Reads the field at *at (< end) and moves *at behind it. NULL, or how it is malformed.
const char *k_wire_next(const char **at, const char *end, struct k_wire *ret);
