// For tests of record formats: a decoder from field texts, and records as short texts of what came out of them.
#pragma once
#include "tests/base/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/json_out.h"
#include "proto/format.h"
#include "proto/json_text.h"

enum { FIELDS_MAX = 16 };

struct decode {
    struct k_arena schema_arena, arena;
    struct k_field fields[FIELDS_MAX];
    bool read[FIELDS_MAX];
    struct k_schema schema;
    struct k_decoder_options options;
    struct k_decoder *decoder;
    struct k_buf out;
    struct k_error err;
};

// fields: NULL-terminated; one that begins with '-' is declared but not read.
static inline void decode_fields(struct decode *d, const char *const *fields)
{
    *d = (struct decode){0};
    k_arena_init(&d->schema_arena);
    k_arena_init(&d->arena);
    for (; fields[d->schema.count]; d->schema.count++) {
        const char *text = fields[d->schema.count], *why = "";
        size_t offset = 0;
        d->read[d->schema.count] = text[0] != '-';
        struct k_field *field = &d->fields[d->schema.count];
        if (!k_field_parse(&d->schema_arena, k_str_of(text + (text[0] == '-')), field, &offset, &why)) {
            fail_msg("%s: byte %zu: %s", text, offset, why);
        }
    }
    d->schema.fields = d->fields;
    d->options.schema = &d->schema;
    d->options.read = d->read;
}

static inline void decode_json(struct decode *d, const char *const *fields, bool validate_full)
{
    decode_fields(d, fields);
    d->options.validate_full = validate_full;
    assert_int_equal(k_decoder_json(&d->options, &d->decoder, &d->err), 0);
}

static inline void decode_fini(struct decode *d)
{
    k_decoder_destroy(d->decoder);
    k_arena_fini(&d->arena);
    k_arena_fini(&d->schema_arena);
    k_buf_fini(&d->out);
}

// Memory of exactly the record's size, so that a sanitizer sees any step beyond.
static inline char *exact_copy(struct k_str text)
{
    char *copy = malloc(text.length ? text.length : 1);
    assert_non_null(copy);
    if (text.length) memcpy(copy, text.data, text.length);
    return copy;
}

// The row of the fields that are read as a JSON object, or the reason word of a bad row. *ret_text (may be NULL): the
// text for people. Valid until the next call.
static inline const char *decode_one(struct decode *d, struct k_str record, const char **ret_text)
{
    k_arena_reset(&d->arena);
    k_buf_clear(&d->out);
    char *copy = exact_copy(record);
    struct k_message message = {.value = {copy, record.length}, .has_value = true};
    const struct k_message *messages[] = {&message};
    struct k_decode_result result;
    k_decode(d->decoder, messages, 1, &d->arena, &result);
    if (result.bad_count) {
        assert_int_equal(result.bad_count, 1);
        assert_int_equal(result.bad[0].row, 0);
        assert_true(k_utf8_valid(result.bad[0].text, strlen(result.bad[0].text)));
        k_buf_add_text(&d->out, result.bad[0].reason);
        if (ret_text) *ret_text = result.bad[0].text;
    } else {
        k_buf_add_char(&d->out, '{');
        for (uint32_t i = 0; i < d->schema.count; i++) {
            if (!d->read[i]) {
                assert_null(result.columns[i].data);
                continue;
            }
            struct k_value value = k_column_value(&result.columns[i], 0);
            assert_int_equal(value.type, d->fields[i].type);
            if (d->out.length > 1) k_buf_add_char(&d->out, ',');
            k_json_string(&d->out, k_str_of(d->fields[i].name));
            k_buf_add_char(&d->out, ':');
            k_value_json(&d->out, &value);
        }
        k_buf_add_char(&d->out, '}');
    }
    free(copy);
    return d->out.data;
}

// Cases of one field "x": the record, and what comes out.
struct decode_case {
    const char *record, *out;
};

static inline void decode_cases(struct decode *d, const struct decode_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *text = "", *out = decode_one(d, k_str_of(cases[i].record), &text);
        if (strcmp(out, cases[i].out) != 0) {
            fail_msg("%s\n  gave   %s (%s)\n  wanted %s", cases[i].record, out, text, cases[i].out);
        }
    }
}
#define DECODE_CASES(d, cases) decode_cases(d, cases, sizeof(cases) / sizeof(cases)[0])
