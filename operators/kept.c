// Bytes that a group keeps for a call.
#include "operators/kept.h"

#include <stdlib.h>

#include "state/encoding.h"

void k_kept_put(struct k_kept *slot, struct k_str bytes, uint32_t by_length)
{
    if (bytes.length > slot->capacity) {
        slot->data = k_realloc(slot->data, bytes.length);
        slot->capacity = bytes.length;
    }
    if (bytes.length) memcpy(slot->data, bytes.data, bytes.length);
    slot->length = bytes.length;
    slot->by_length = by_length;
    slot->has = true;
}

struct k_str k_kept_get(const struct k_kept *slot)
{
    return (struct k_str){slot->data ? slot->data : "", slot->length};
}

void k_kept_encode(const struct k_part *part, const void *value, struct k_buf *out)
{
    const struct k_kept *slot = k_part_of(part, value);
    k_buf_add_varint(out, slot->has ? (uint64_t)slot->length + 1 : 0);
    if (!slot->has) return;
    k_buf_add_varint(out, slot->by_length);
    if (slot->length) k_buf_add(out, slot->data, slot->length);
}

size_t k_kept_decode(const struct k_part *part, void *value, const char *data, size_t length)
{
    uint64_t stored, by_length;
    size_t at = k_get_varint(data, length, &stored);
    if (at == 0 || stored == 0) return at;
    stored--;
    size_t used = k_get_varint(data + at, length - at, &by_length);
    at += used;
    if (used == 0 || by_length > stored || stored > length - at || stored > UINT32_MAX) return 0;
    k_kept_put(k_part_of(part, value), (struct k_str){data + at, (uint32_t)stored}, (uint32_t)by_length);
    return at + stored;
}

void k_kept_fini(const struct k_part *part, void *value)
{
    free(((struct k_kept *)k_part_of(part, value))->data);
}

size_t k_kept_owned(const struct k_part *part, const void *value)
{
    return ((const struct k_kept *)k_part_of(part, value))->capacity;
}
