// See wire.h.
#include "proto/wire.h"

static const char *const cut_short = "it is cut short";

static const char *read_tag(const char **at, const char *end, struct k_wire *ret)
{
    uint64_t tag;
    if (!k_wire_varint(at, end, &tag)) return *at < end && end - *at >= 10 ? "a number is too long" : cut_short;
    if (tag > UINT32_MAX || tag >> 3 == 0) return "a field has a number that none may have";
    ret->number = (uint32_t)tag >> 3;
    ret->type = (enum k_wire_type)(tag & 7);
    return NULL;
}

static const char *read_fixed(const char **at, const char *end, uint32_t width, uint64_t *ret)
{
    if (end - *at < (ptrdiff_t)width) return cut_short;
    *ret = 0;
    for (uint32_t i = width; i-- > 0;) *ret = *ret << 8 | (uint8_t)(*at)[i];
    *at += width;
    return NULL;
}

static const char *read_bytes(const char **at, const char *end, struct k_str *ret)
{
    uint64_t length;
    if (!k_wire_varint(at, end, &length) || length > (uint64_t)(end - *at)) return cut_short;
    *ret = (struct k_str){*at, (uint32_t)length};
    *at += length;
    return NULL;
}

// Everything but groups, which hold other fields.
static const char *read_plain(const char **at, const char *end, struct k_wire *ret)
{
    switch (ret->type) {
    case K_WIRE_VARINT: return k_wire_varint(at, end, &ret->value) ? NULL : cut_short;
    case K_WIRE_64: return read_fixed(at, end, 8, &ret->value);
    case K_WIRE_32: return read_fixed(at, end, 4, &ret->value);
    case K_WIRE_BYTES: return read_bytes(at, end, &ret->bytes);
    case K_WIRE_GROUP:
    case K_WIRE_GROUP_END: break;
    }
    return "a field is of a kind that does not exist";
}

// Moves behind the end of the group that has begun.
static const char *skip_group(const char **at, const char *end, struct k_wire *ret)
{
    uint32_t open[K_WIRE_DEPTH_MAX], depth = 0;
    open[depth++] = ret->number;
    const char *begin = *at;
    while (depth > 0) {
        struct k_wire inner;
        const char *field = *at;
        if (*at == end) return cut_short;
        const char *why = read_tag(at, end, &inner);
        if (why) return why;
        if (inner.type == K_WIRE_GROUP) {
            if (depth == K_WIRE_DEPTH_MAX) return "groups lie too deep inside each other";
            open[depth++] = inner.number;
        } else if (inner.type == K_WIRE_GROUP_END) {
            if (open[--depth] != inner.number) return "a group ends that did not begin";
            ret->bytes = (struct k_str){begin, (uint32_t)(field - begin)};
        } else {
            why = read_plain(at, end, &inner);
            if (why) return why;
        }
    }
    return NULL;
}

const char *k_wire_next(const char **at, const char *end, struct k_wire *ret)
{
    const char *why = read_tag(at, end, ret);
    if (why) return why;
    if (ret->type == K_WIRE_GROUP) return skip_group(at, end, ret);
    if (ret->type == K_WIRE_GROUP_END) return "a group ends that did not begin";
    return read_plain(at, end, ret);
}
