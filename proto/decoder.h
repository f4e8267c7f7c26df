// What a record format is to format.c, and what format.c gives to it. Only the formats include this.
//
// A format embeds struct k_decoder first in its own struct and calls k_decoder_init. k_decode lays out the columns and
// asks the format for one row after another; for each row the format fills the cell of every slot that is read, with
// a value or k_slot_null, or calls k_decoder_bad once.
#pragma once
#include "base/error.h"
#include "proto/format.h"

struct k_format {
    const char *name;
    void (*row)(struct k_decoder *decoder, const struct k_message *message, uint32_t row);
    // NULL, or the rows row and row + 1 from two messages.
    void (*pair)(struct k_decoder *decoder, const struct k_message *const *messages, uint32_t row);
    void (*destroy)(
        struct k_decoder *decoder); // frees what the format owns, and the decoder itself; NULL-safe inside
};

// One declared column. data and valid live in the arena of the call.
struct k_slot {
    const struct k_field *field;
    bool read;
    uint32_t width;
    char *data;
    uint8_t *valid; // NULL until the first NULL
};

struct k_decoder {
    const struct k_format *format;
    const struct k_schema *schema;
    enum k_time_unit timestamp_unit;
    struct k_slot *slots; // schema->count
    // of the running call
    struct k_arena *arena;
    uint32_t rows;
    struct k_bad_row *bad;
    uint32_t bad_count;
};

void k_decoder_init(struct k_decoder *decoder, const struct k_format *format,
                    const struct k_decoder_options *options);
void k_decoder_fini(struct k_decoder *decoder);

static inline void *k_slot_cell(const struct k_slot *slot, uint32_t row)
{
    return slot->data + (size_t)row * slot->width;
}
// The row's value is NULL. The slot's field must allow it.
void k_slot_null(struct k_decoder *decoder, struct k_slot *slot, uint32_t row);
// The row is malformed: what was written of it before is made void.
void k_decoder_bad(struct k_decoder *decoder, uint32_t row, const char *reason, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
// The row is malformed because of its registry frame (see k_has_registry_frame). format: what the source wants instead.
void k_decoder_bad_registry(struct k_decoder *decoder, uint32_t row, struct k_str value, const char *wanted);
