// What a message says beside its value: the system columns, and where its key lies.
#include <stdio.h>

#include "base/json_out.h"
#include "operators/source.h"
#include "proto/json_text.h"

// Header values are bytes that anyone may have written: those that are not UTF-8 are given as base64.
static struct k_str headers_json(const struct k_message *message, struct k_buf *scratch, struct k_arena *arena)
{
    k_buf_clear(scratch);
    k_buf_add_char(scratch, '[');
    for (uint32_t i = 0; i < message->header_count; i++) {
        const struct k_header *header = &message->headers[i];
        k_buf_add_text(scratch, i ? ",{\"name\":" : "{\"name\":");
        k_json_string(scratch, header->name);
        bool text = !header->null && k_utf8_valid(header->value.data, header->value.length);
        k_buf_add_text(scratch, header->null || text ? ",\"value\":" : ",\"base64\":");
        if (header->null) k_buf_add_text(scratch, "null");
        else if (text) k_json_string(scratch, header->value);
        else k_json_base64(scratch, header->value);
        k_buf_add_char(scratch, '}');
    }
    k_buf_add_char(scratch, ']');
    return (struct k_str){k_arena_copy(arena, scratch->data, scratch->length), (uint32_t)scratch->length};
}

struct k_column k_system_column(uint32_t kind, const struct k_message *const *messages, uint32_t count,
                                struct k_arena *arena)
{
#define X(number, name, type, not_null) [number] = type,
    static const enum k_type types[] = {K_SYSTEM_COLUMNS(X)};
#undef X
    struct k_made made;
    struct k_buf scratch = {0};
    k_made_init(&made, types[kind], count, arena);
    for (uint32_t i = 0; i < count; i++) {
        const struct k_message *message = messages[i];
        struct k_value value = {.type = types[kind]};
        switch (kind) {
        case K_SYSTEM_KEY: value.null = !message->has_key, value.s = message->key; break;
        case K_SYSTEM_TIMESTAMP: value.null = message->timestamp_us == -1, value.i = message->timestamp_us; break;
        case K_SYSTEM_PARTITION: value.i = message->partition; break;
        case K_SYSTEM_OFFSET: value.i = message->offset; break;
        case K_SYSTEM_HEADERS: value.s = headers_json(message, &scratch, arena); break;
        case K_SYSTEM_TOMBSTONE: value.b = !message->has_value; break;
        default: K_ASSERT(!"a system column outside the table");
        }
        k_made_value(&made, i, &value);
    }
    k_buf_fini(&scratch);
    return k_made_column(&made);
}

// CRC-32 as zlib has it (reflected 0x04C11DB7), a nibble at a time: rd_crc32 of librdkafka is the same function.
static uint32_t crc32_of(struct k_str data)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    uint32_t crc = 0xffffffff;
    for (uint32_t i = 0; i < data.length; i++) {
        crc ^= (uint8_t)data.data[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

int32_t k_crc32_partition(struct k_str key, int32_t partitions)
{
    K_ASSERT(partitions > 0);
    return (int32_t)(crc32_of(key) % (uint32_t)partitions);
}

struct k_str k_key_text(const struct k_value *value, struct k_buf *scratch)
{
    K_ASSERT(!value->null);
    if (value->type == K_STRING || value->type == K_BYTES || value->type == K_JSON) return value->s;
    k_buf_clear(scratch);
    k_value_json(scratch, value);
    struct k_str text = k_buf_str(scratch);
    // A timestamp, and a double that JSON has no number for, come in quotes, which no producer puts around a key.
    if (text.length >= 2 && text.data[0] == '"') return (struct k_str){text.data + 1, text.length - 2};
    return text;
}
