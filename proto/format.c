// The part that all record formats share: the columns of a call, NULLs, and bad rows.
//
// Every cell of every column that is read has been written when a call ends: rows that are NULL or bad hold zeros, so
// that vectorised code may read them without harm.
#include "proto/format.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/decoder.h"

void k_decoder_init(struct k_decoder *decoder, const struct k_format *format, const struct k_decoder_options *options)
{
    const struct k_schema *schema = options->schema;
    *decoder = (struct k_decoder){.format = format, .schema = schema, .timestamp_unit = options->timestamp_unit};
    decoder->slots = k_new_array(struct k_slot, schema->count);
    for (uint32_t i = 0; i < schema->count; i++) {
        const struct k_field *field = &schema->fields[i];
        K_ASSERT(field->type != K_NO_TYPE && field->type != K_INTERVAL);
        decoder->slots[i] =
            (struct k_slot){.field = field, .read = options->read[i], .width = (uint32_t)k_type_width(field->type)};
    }
}

void k_decoder_fini(struct k_decoder *decoder)
{
    free(decoder->slots);
    decoder->slots = NULL;
}

void k_decoder_destroy(struct k_decoder *decoder)
{
    if (decoder) decoder->format->destroy(decoder);
}

void k_slot_null(struct k_decoder *decoder, struct k_slot *slot, uint32_t row)
{
    if (!slot->valid) {
        slot->valid = k_arena_get(decoder->arena, decoder->rows);
        memset(slot->valid, 1, decoder->rows);
    }
    slot->valid[row] = 0;
    memset(k_slot_cell(slot, row), 0, slot->width);
}

void k_decoder_bad(struct k_decoder *decoder, uint32_t row, const char *reason, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    K_ASSERT(length >= 0);
    if ((size_t)length >= sizeof text) length = sizeof text - 1;
    if (!decoder->bad) decoder->bad = k_arena_array(decoder->arena, struct k_bad_row, decoder->rows);
    K_ASSERT(decoder->bad_count == 0 || decoder->bad[decoder->bad_count - 1].row < row);
    decoder->bad[decoder->bad_count++] =
        (struct k_bad_row){.row = row, .reason = reason, .text = k_arena_copy(decoder->arena, text, (size_t)length)};
    for (uint32_t i = 0; i < decoder->schema->count; i++) {
        struct k_slot *slot = &decoder->slots[i];
        if (slot->read) memset(k_slot_cell(slot, row), 0, slot->width);
    }
}

void k_decoder_bad_registry(struct k_decoder *decoder, uint32_t row, struct k_str value, const char *wanted)
{
    const uint8_t *id = (const uint8_t *)value.data + 1;
    k_decoder_bad(decoder, row, "registry",
                  "this looks like a schema registry's framing (byte 0, then the schema id %u); registries are not "
                  "supported yet: let the producers write %s without it",
                  (unsigned)id[0] << 24 | (unsigned)id[1] << 16 | (unsigned)id[2] << 8 | id[3], wanted);
}

// What another core has just received. The processor sees by itself that the rest of a value follows its beginning.
static void prefetch(const struct k_message *const *messages, uint32_t row, uint32_t count)
{
    enum { AHEAD = 6, LINE = 64 };
    if (row + AHEAD >= count) return;
    uintptr_t value = (uintptr_t)messages[row + AHEAD]->value.data; // NULL where it is empty
    __builtin_prefetch((const void *)value);
    __builtin_prefetch((const void *)(value + LINE));
}

void k_decode(struct k_decoder *decoder, const struct k_message *const *messages, uint32_t count,
              struct k_arena *arena, struct k_decode_result *ret)
{
    K_ASSERT(count <= K_BATCH_ROWS);
    uint32_t columns = decoder->schema->count;
    decoder->arena = arena;
    decoder->rows = count;
    decoder->bad = NULL;
    decoder->bad_count = 0;
    for (uint32_t i = 0; i < columns; i++) {
        struct k_slot *slot = &decoder->slots[i];
        slot->data = slot->read ? k_arena_get(arena, (size_t)count * slot->width) : NULL;
        slot->valid = NULL;
    }
    for (uint32_t row = 0; row < count; row++) K_ASSERT(messages[row]->has_value);
    uint32_t row = 0;
    if (decoder->format->pair)
        for (; row + 1 < count; row += 2) {
            prefetch(messages, row, count);
            prefetch(messages, row + 1, count);
            decoder->format->pair(decoder, &messages[row], row);
        }
    for (; row < count; row++) decoder->format->row(decoder, messages[row], row);
    ret->columns = k_arena_array(arena, struct k_column, columns);
    for (uint32_t i = 0; i < columns; i++) {
        const struct k_slot *slot = &decoder->slots[i];
        ret->columns[i] = (struct k_column){.type = slot->field->type, .valid = slot->valid, .data = slot->data};
    }
    ret->bad = decoder->bad;
    ret->bad_count = decoder->bad_count;
    decoder->arena = NULL;
}
