// Comma-separated values: one record a message, or one of a message that unpack.c has cut into records.
//
// A decoder knows which field of a record fills which column. Without a header that is the order of the schema; with
// one it is read from the header, which is almost always the header of the message before and then costs a comparison.
#include <stdlib.h>

#include "proto/csv.h"
#include "proto/decoder.h"
#include "proto/scalar.h"

struct csv_decoder {
    struct k_decoder base;
    char delimiter;
    bool has_header;
    uint32_t field_count;       // that a record must have
    int32_t *column_of;         // per field: the column that it fills, or -1; capacity of them
    struct k_csv_field *fields; // of the record under way; capacity of them
    uint32_t capacity;
    struct k_buf header; // the last one, with its end; empty: none yet
    int32_t missing;     // a column that is read and that this header does not name; -1: none
};

// The content of a field: quotes that are doubled become one.
static struct k_str content(const struct k_csv_field *field, struct k_arena *arena)
{
    if (!field->doubled) return field->text;
    char *copy = k_arena_get(arena, field->text.length);
    uint32_t length = 0;
    for (uint32_t i = 0; i < field->text.length; i++) {
        copy[length++] = field->text.data[i];
        if (field->text.data[i] == '"') i++;
    }
    return (struct k_str){copy, length};
}

static void fill_column_of(struct csv_decoder *csv, uint32_t field, int32_t column)
{
    if (field == csv->capacity) {
        csv->capacity = csv->capacity ? csv->capacity * 2 : 16;
        csv->column_of = k_realloc(csv->column_of, csv->capacity * sizeof *csv->column_of);
        csv->fields = k_realloc(csv->fields, csv->capacity * sizeof *csv->fields);
    }
    csv->column_of[field] = column;
}

// The column that a field of the header names, unless a field before it did.
static int32_t named_column(const struct csv_decoder *csv, struct k_str name, uint32_t fields)
{
    int32_t column = k_schema_find(csv->base.schema, name);
    for (uint32_t i = 0; i < fields; i++)
        if (csv->column_of[i] == column) return -1;
    return column;
}

static void learn_header(struct csv_decoder *csv, struct k_str text, uint32_t begin)
{
    uint32_t at = begin;
    struct k_csv_field field;
    csv->field_count = 0;
    csv->missing = -1;
    do {
        k_csv_field(text, csv->delimiter, &at, &field);
        int32_t column = named_column(csv, content(&field, csv->base.arena), csv->field_count);
        fill_column_of(csv, csv->field_count++, column);
    } while (!field.last);
    for (uint32_t c = 0; c < csv->base.schema->count; c++) {
        bool found = !csv->base.slots[c].read;
        for (uint32_t i = 0; i < csv->field_count && !found; i++) found = csv->column_of[i] == (int32_t)c;
        if (!found && csv->missing < 0) csv->missing = (int32_t)c;
    }
    k_buf_clear(&csv->header);
    k_buf_add(&csv->header, text.data, at);
}

// Moves *at behind the header of the message. false: the row is bad now.
static bool read_header(struct csv_decoder *csv, struct k_str text, uint32_t row, uint32_t *at)
{
    struct k_str known = k_buf_str(&csv->header), header;
    bool ended = known.length && known.data[known.length - 1] == '\n';
    uint32_t begin = *at;
    if (ended && text.length >= known.length && memcmp(text.data, known.data, known.length) == 0) {
        *at = known.length;
    } else {
        const char *why = k_csv_record(text, csv->delimiter, at, &header);
        if (why) {
            char excerpt[K_EXCERPT];
            k_decoder_bad(&csv->base, row, "csv", "the header has %s: %s", why, k_excerpt(header, excerpt));
            return false;
        }
        learn_header(csv, text, begin);
    }
    if (csv->missing < 0) return true;
    char excerpt[K_EXCERPT];
    k_decoder_bad(&csv->base, row, "columns", "the header does not name the column \"%s\": %s",
                  csv->base.schema->fields[csv->missing].name, k_excerpt(k_buf_str(&csv->header), excerpt));
    return false;
}

// false: the row is bad now.
static bool read_slot(struct csv_decoder *csv, uint32_t column, const struct k_csv_field *field, uint32_t row)
{
    struct k_slot *slot = &csv->base.slots[column];
    const char *name = slot->field->name;
    if (!field->quoted && field->text.length == 0) {
        if (slot->field->not_null) {
            k_decoder_bad(&csv->base, row, "missing", "column \"%s\" is empty, which is NULL, and it is not null",
                          name);
            return false;
        }
        k_slot_null(&csv->base, slot, row);
        return true;
    }
    struct k_str text = content(field, csv->base.arena);
    const char *why = k_scalar_text(text, slot->field->type, csv->base.arena, k_slot_cell(slot, row));
    if (!why) return true;
    char excerpt[K_EXCERPT];
    k_decoder_bad(&csv->base, row, why, "column \"%s\": found \"%s\", wanted %s%s", name, k_excerpt(text, excerpt),
                  k_type_name(slot->field->type), strcmp(why, "range") == 0 ? " in its range" : "");
    return false;
}

// Takes a record apart: what is wrong with it comes before what is wrong with its values. false: the row is bad now.
static bool read_record(struct csv_decoder *csv, struct k_str text, uint32_t at, bool alone, uint32_t row)
{
    uint32_t begin = at, fields = 0;
    const char *why = NULL;
    struct k_csv_field field;
    char excerpt[K_EXCERPT];
    do {
        k_csv_field(text, csv->delimiter, &at, &field);
        if (!why) why = field.why;
        if (fields < csv->field_count) csv->fields[fields] = field;
        fields++;
    } while (!field.last);
    struct k_str rest = {text.data + begin, text.length - begin};
    if (why) k_decoder_bad(&csv->base, row, "csv", "the record has %s: %s", why, k_excerpt(rest, excerpt));
    else if (alone && at < text.length)
        k_decoder_bad(&csv->base, row, "csv", "behind the first record there is more; is it  packed { csv {} }? %s",
                      k_excerpt((struct k_str){text.data + at, text.length - at}, excerpt));
    else if (fields != csv->field_count)
        k_decoder_bad(&csv->base, row, "columns", "the record has %u columns, the %s %u: %s", fields,
                      csv->has_header ? "header" : "schema", csv->field_count, k_excerpt(rest, excerpt));
    else return true;
    return false;
}

static void csv_row(struct k_decoder *decoder, const struct k_message *message, uint32_t row)
{
    struct csv_decoder *csv = (struct csv_decoder *)decoder;
    const struct k_message *whole = message->whole ? message->whole : message;
    struct k_str text = message->value;
    if (!text.data) text = K_STR("");
    uint32_t at = message->whole ? 0 : k_csv_begin(text), header_at = at;
    if (csv->has_header) {
        if (message->whole) header_at = k_csv_begin(whole->value);
        if (!read_header(csv, message->whole ? whole->value : text, row, &header_at)) return;
        if (!message->whole && (at = header_at) == text.length) {
            k_decoder_bad(decoder, row, "csv", "the message ends behind its header");
            return;
        }
    }
    if (!read_record(csv, text, at, !message->whole, row)) return;
    for (uint32_t i = 0; i < csv->field_count; i++) {
        int32_t column = csv->column_of[i];
        if (column >= 0 && decoder->slots[column].read && !read_slot(csv, (uint32_t)column, &csv->fields[i], row))
            return;
    }
}

static void csv_destroy(struct k_decoder *decoder)
{
    struct csv_decoder *csv = (struct csv_decoder *)decoder;
    free(csv->column_of);
    free(csv->fields);
    k_buf_fini(&csv->header);
    k_decoder_fini(decoder);
    free(csv);
}

static const struct k_format csv_format = {.name = "csv", .row = csv_row, .destroy = csv_destroy};

int k_decoder_csv(const struct k_decoder_options *options, struct k_decoder **ret, struct k_error *err)
{
    (void)err;
    K_ASSERT(options->delimiter);
    struct csv_decoder *csv = k_new(struct csv_decoder);
    k_decoder_init(&csv->base, &csv_format, options);
    csv->delimiter = options->delimiter;
    csv->has_header = options->header;
    csv->missing = -1;
    for (uint32_t i = 0; !options->header && i < options->schema->count; i++)
        fill_column_of(csv, csv->field_count++, (int32_t)i);
    *ret = &csv->base;
    return 0;
}
