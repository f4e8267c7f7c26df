// libFuzzer harness of the formats that fuzz_records.c does not know: CC=clang meson setup -Dfuzz=true …, then
// tests/proto/fuzz_formats CORPUS. The first byte chooses what is done with the rest. Beside crashes it looks for
// records that are cut out of a message and then read as something else, and for descriptor sets that pass and then
// lead somewhere that does not exist.
#include <stdlib.h>

#include "base/memory.h"
#include "proto/csv.h"
#include "proto/format.h"
#include "proto/format_protobuf.h"
#include "proto/json_path.h"
#include "proto/unpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { COLUMNS = 7 };
static struct k_field fields[COLUMNS] = {{.name = "i", .type = K_INT64, .not_null = true},
                                         {.name = "s", .type = K_STRING},
                                         {.name = "d", .type = K_DOUBLE},
                                         {.name = "t", .type = K_TIMESTAMP},
                                         {.name = "e", .type = K_STRING},
                                         {.name = "b", .type = K_BYTES},
                                         {.name = "p", .type = K_BOOL, .json_path = "$.o.p"}};
static const struct k_schema protobuf_schema = {fields, COLUMNS}, csv_schema = {fields, COLUMNS - 1};
static const bool read_all[COLUMNS] = {true, true, true, true, true, true, true};

static struct k_pb_value values[] = {{"MINUS", -5}, {"ZERO", 0}, {"ONE", 1}};
static const struct k_pb_enum choice = {"Choice", values, 3};
static struct k_pb_field instant_fields[] = {{.name = "seconds", .number = 1, .type = K_PB_INT64, .oneof = -1},
                                             {.name = "nanos", .number = 2, .type = K_PB_INT32, .oneof = -1}};
static const struct k_pb_message instant = {"google.protobuf.Timestamp", instant_fields, 2, 0, false};
static struct k_pb_field inner_fields[] = {{.name = "p", .number = 1, .type = K_PB_BOOL, .oneof = -1}};
static const struct k_pb_message inner = {"Inner", inner_fields, 1, 0, false};
static struct k_pb_field record_fields[] = {
    {.name = "i", .number = 1, .type = K_PB_UINT64, .has_presence = true, .oneof = -1},
    {.name = "s", .number = 2, .type = K_PB_STRING, .has_presence = true, .oneof = 0},
    {.name = "d", .number = 3, .type = K_PB_FLOAT, .oneof = -1},
    {.name = "t", .number = 4, .type = K_PB_MESSAGE, .has_presence = true, .oneof = -1, .message = &instant},
    {.name = "e", .number = 5, .type = K_PB_ENUM, .oneof = -1, .enumeration = &choice},
    {.name = "b", .number = 6, .type = K_PB_BYTES, .oneof = -1},
    {.name = "o", .number = 7, .type = K_PB_MESSAGE, .has_presence = true, .oneof = 0, .message = &inner}};
static const struct k_pb_message record = {"Record", record_fields, COLUMNS, 1, false};

static void touch(const struct k_decode_result *result, const struct k_schema *schema, uint32_t rows)
{
    struct k_batch batch = {.schema = schema, .columns = result->columns, .rows = rows};
    struct k_buf out = {0};
    for (uint32_t row = 0; row < rows; row++) k_row_json(&out, &batch, row);
    for (uint32_t i = 0; i < result->bad_count; i++) K_ASSERT(*result->bad[i].text);
    k_buf_fini(&out);
}

// Alone, as a message, and packed, as many: each record in memory of its own, of exactly its size.
static void decode(struct k_decoder *decoder, const struct k_schema *schema, const struct k_packing *packing,
                   struct k_str value, struct k_arena *arena)
{
    struct k_message whole = {.value = value, .has_value = true};
    const struct k_message *one = &whole;
    struct k_decode_result result;
    k_decode(decoder, &one, 1, arena, &result);
    touch(&result, schema, 1);
    uint32_t at = 0;
    struct k_str piece;
    const char *why;
    while (k_unpack(packing, value, &at, &piece, &why)) {
        if (why) {
            K_ASSERT(at == value.length);
            continue;
        }
        char *copy = malloc(piece.length + !piece.length);
        if (piece.length) memcpy(copy, piece.data, piece.length);
        struct k_message part = {.value = {copy, piece.length}, .has_value = true, .whole = &whole};
        one = &part;
        k_decode(decoder, &one, 1, arena, &result);
        touch(&result, schema, 1);
        if (packing->kind == K_PACKING_CSV) {
            // What was cut out as one record is read as one.
            struct k_str again;
            uint32_t end = 0;
            (void)k_csv_record(part.value, packing->delimiter, &end, &again);
            K_ASSERT(end == piece.length && again.length == piece.length);
        }
        free(copy);
    }
    k_decoder_destroy(decoder);
}

static void fuzz_csv(struct k_str value, bool header, struct k_arena *arena)
{
    struct k_decoder_options options = {.schema = &csv_schema, .read = read_all, .delimiter = ',', .header = header};
    struct k_packing packing = {K_PACKING_CSV, ',', header};
    struct k_decoder *decoder;
    struct k_error err;
    if (k_decoder_csv(&options, &decoder, &err)) abort();
    decode(decoder, &csv_schema, &packing, value, arena);
}

static void fuzz_protobuf(struct k_str value, struct k_arena *arena)
{
    struct k_decoder_options options = {.schema = &protobuf_schema, .read = read_all, .message = &record};
    struct k_packing packing = {.kind = K_PACKING_LENGTHS};
    struct k_decoder *decoder;
    struct k_error err;
    if (k_decoder_protobuf(&options, &decoder, &err)) abort();
    decode(decoder, &protobuf_schema, &packing, value, arena);
}

// Any set that is read can be walked, and makes decoders.
static void fuzz_types(struct k_str value, struct k_arena *arena)
{
    struct k_pb_set set;
    struct k_error err;
    if (k_pb_read(value, arena, &set, &err) != 0) return;
    for (uint32_t m = 0; m < set.message_count && m < 20; m++) {
        const struct k_pb_message *message = set.messages[m];
        K_ASSERT(k_pb_find(&set, message->name));
        for (uint32_t f = 0; f < message->count && f < 20; f++) {
            struct k_field column = {.name = message->fields[f].name, .type = K_INT64};
            struct k_schema schema = {&column, 1};
            struct k_decoder_options options = {.schema = &schema, .read = read_all, .message = message};
            struct k_decoder *decoder;
            if (k_decoder_protobuf(&options, &decoder, &err)) continue;
            struct k_message one = {.value = value, .has_value = true};
            const struct k_message *messages = &one;
            struct k_decode_result result;
            k_decode(decoder, &messages, 1, arena, &result);
            touch(&result, &schema, 1);
            k_decoder_destroy(decoder);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    struct k_str value = {(const char *)data + 1, (uint32_t)(size - 1)};
    struct k_arena arena;
    k_arena_init(&arena);
    switch (data[0] % 4) {
    case 0: fuzz_csv(value, false, &arena); break;
    case 1: fuzz_csv(value, true, &arena); break;
    case 2: fuzz_protobuf(value, &arena); break;
    default: fuzz_types(value, &arena);
    }
    k_arena_fini(&arena);
    return 0;
}
