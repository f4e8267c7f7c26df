// libFuzzer harness of everything that reads the bytes of records: CC=clang meson setup -Dfuzz=true …, then
// tests/proto/fuzz_records CORPUS. The first byte chooses what is done with the rest; NUL bytes part it into records.
// Beside crashes it looks for JSON records on which the template (with what this processor has, and
// with what every one has) and the full reader differ, and for JSON values that
// k_json_check passes but that do not keep its promises.
#include <stdlib.h>

#include "base/memory.h"
#include "proto/format_json.h"
#include "proto/parse_value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { COLUMNS = 7, RECORDS_MAX = 32 };
static struct k_field fields[COLUMNS] = {
    {.name = "i", .type = K_INT64, .not_null = true}, {.name = "s", .type = K_STRING}, {.name = "d", .type = K_DOUBLE},
    {.name = "t", .type = K_TIMESTAMP}, {.name = "j", .type = K_JSON}, {.name = "b", .type = K_BYTES},
    {.name = "p", .type = K_BOOL, .json_path = "$.o.p"}};
static const struct k_schema schema = {fields, COLUMNS};
static const bool read_all[COLUMNS] = {true, true, true, true, true, true, true};
static const struct k_decoder_options options = {.schema = &schema, .read = read_all};

// Each record lies in memory of its own, of exactly its size.
struct records {
    struct k_message messages[RECORDS_MAX];
    const struct k_message *pointers[RECORDS_MAX];
    uint32_t count;
};

static void split(struct records *records, const uint8_t *data, size_t size)
{
    size_t begin = 0;
    for (size_t at = 0; at <= size && records->count < RECORDS_MAX; at++) {
        if (at < size && data[at] != 0) continue;
        uint32_t length = (uint32_t)(at - begin), i = records->count++;
        char *copy = malloc(length + !length);
        if (length) memcpy(copy, data + begin, length);
        records->messages[i] = (struct k_message){.value = {copy, length}, .has_value = true};
        records->pointers[i] = &records->messages[i];
        begin = at + 1;
    }
}

static void rows_text(struct k_buf *out, const struct k_decode_result *result, uint32_t rows)
{
    struct k_batch batch = {.schema = &schema, .columns = result->columns, .rows = rows};
    for (uint32_t row = 0; row < rows; row++) k_row_json(out, &batch, row);
    for (uint32_t i = 0; i < result->bad_count; i++) {
        k_buf_printf(out, "%u %s %s\n", result->bad[i].row, result->bad[i].reason, result->bad[i].text);
    }
}

static void decode(struct k_decoder *decoder, const struct records *records, struct k_arena *arena, struct k_buf *out)
{
    struct k_decode_result result;
    k_decode(decoder, records->pointers, records->count, arena, &result);
    rows_text(out, &result, records->count);
    k_decoder_destroy(decoder);
}

static void fuzz_json(const struct records *records, struct k_arena *arena)
{
    struct k_decoder *fast, *plain, *full, *strict;
    struct k_decoder_options strict_options = options;
    strict_options.validate_full = true;
    struct k_error err;
    if (k_decoder_json(&options, &fast, &err) || k_decoder_json(&options, &plain, &err) ||
        k_decoder_json(&options, &full, &err) || k_decoder_json(&strict_options, &strict, &err)) {
        abort();
    }
    k_json_full_only(full);
    k_json_plain_only(plain);
    struct k_buf out[4] = {0};
    decode(fast, records, arena, &out[0]);
    decode(full, records, arena, &out[1]);
    decode(plain, records, arena, &out[2]);
    decode(strict, records, arena, &out[3]);
    K_ASSERT(k_str_equal(k_buf_str(&out[0]), k_buf_str(&out[1])));
    K_ASSERT(k_str_equal(k_buf_str(&out[2]), k_buf_str(&out[1])));
    for (int i = 0; i < 4; i++) k_buf_fini(&out[i]);
}

static void fuzz_line(const struct records *records, struct k_arena *arena)
{
    struct k_decoder_options line = options;
    line.pattern = "^(?<i>\\S+)(?: (?<s>.*?))?(?:;(?<d>[^;]*)"
                   "(?:;(?<t>[^;]*)(?:;(?<j>[^;]*)(?:;(?<b>[^;]*)(?:;(?<p>.*))?)?)?)?)?$";
    struct k_decoder *decoder;
    struct k_error err;
    if (k_decoder_line(&line, &decoder, &err)) abort();
    struct k_buf out = {0};
    decode(decoder, records, arena, &out);
    k_buf_fini(&out);
}

static void fuzz_values(const struct records *records, struct k_arena *arena)
{
    for (uint32_t i = 0; i < records->count; i++) {
        struct k_value value;
        struct k_error err;
        struct k_buf out = {0};
        for (uint32_t j = 0; j < COLUMNS; j++) {
            struct k_str text = records->messages[i].value;
            if (k_value_parse_json(text, &fields[j], K_UNIT_NS, arena, &value, &err) == 0) {
                // What was read is printed as JSON that is read again.
                k_buf_clear(&out);
                k_value_json(&out, &value);
                K_ASSERT(k_json_check(k_buf_str(&out)) == NULL);
                K_ASSERT(k_value_parse_json(k_buf_str(&out), &fields[j], K_UNIT_NS, arena, &value, &err) == 0);
            }
            if (k_value_parse_text(text, fields[j].type, arena, &value, &err) == 0) {
                k_value_json(&out, &value);
            }
        }
        k_buf_fini(&out);
    }
}

static void fuzz_declarations(const struct records *records, struct k_arena *arena)
{
    for (uint32_t i = 0; i < records->count; i++) {
        struct k_field field;
        size_t offset = 0, length = records->messages[i].value.length;
        const char *why;
        if (!k_field_parse(arena, records->messages[i].value, &field, &offset, &why)) {
            K_ASSERT(offset <= length);
            continue;
        }
        // Any declaration makes a decoder.
        struct k_schema one = {&field, 1};
        struct k_decoder_options made = {.schema = &one, .read = read_all};
        struct k_decoder *decoder;
        struct k_error err;
        if (k_decoder_json(&made, &decoder, &err)) abort();
        k_decoder_destroy(decoder);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    static void (*const targets[])(const struct records *, struct k_arena *) = {fuzz_json, fuzz_line, fuzz_values,
                                                                                fuzz_declarations};
    struct records records = {.count = 0};
    split(&records, data + 1, size - 1);
    struct k_arena arena;
    k_arena_init(&arena);
    targets[data[0] % 4](&records, &arena);
    k_arena_fini(&arena);
    for (uint32_t i = 0; i < records.count; i++) free((char *)records.messages[i].value.data);
    return 0;
}
