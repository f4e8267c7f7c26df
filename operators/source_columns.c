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

bool k_source_reads_headers(const struct k_source_plan *plan)
{
    const struct k_source_config *config = plan->config;
    return plan->edge.read[config->declared.count + K_SYSTEM_HEADERS];
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
        case K_SYSTEM_INDEX: value.i = message->index; break;
        default: K_ASSERT(!"a system column outside the table");
        }
        k_made_value(&made, i, &value);
    }
    k_buf_fini(&scratch);
    return k_made_column(&made);
}
