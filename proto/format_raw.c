// Raw records: the whole value of the message is the one column "value".
#include <stdlib.h>

#include "proto/decoder.h"
#include "proto/json_text.h"

static void raw_row(struct k_decoder *decoder, const struct k_message *message, uint32_t row)
{
    struct k_slot *slot = &decoder->slots[0];
    if (!slot->read) return;
    struct k_str value = message->value;
    if (slot->field->type == K_STRING && !k_utf8_valid(value.data, value.length)) {
        k_decoder_bad(decoder, row, "utf8", "the value is not UTF-8; declare \"value bytes\" to take any bytes");
        return;
    }
    *(struct k_str *)k_slot_cell(slot, row) = value;
}

static void raw_destroy(struct k_decoder *decoder)
{
    k_decoder_fini(decoder);
    free(decoder);
}

static const struct k_format raw_format = {.name = "raw", .row = raw_row, .destroy = raw_destroy};

int k_decoder_raw(const struct k_decoder_options *options, struct k_decoder **ret, struct k_error *err)
{
    const struct k_schema *schema = options->schema;
    bool fits = schema->count == 1 && strcmp(schema->fields[0].name, "value") == 0 &&
                (schema->fields[0].type == K_STRING || schema->fields[0].type == K_BYTES);
    if (!fits) {
        return k_fail(err, K_E_CONFIG, "the raw format has one column: \"value bytes\" or \"value string\"");
    }
    struct k_decoder *decoder = k_new(struct k_decoder);
    k_decoder_init(decoder, &raw_format, options);
    *ret = decoder;
    return 0;
}
