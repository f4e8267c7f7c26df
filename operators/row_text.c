// Rows as JSON objects, fast: what does not change from row to row is prepared, room is reserved once a row, and the
// commonest values, integers and strings that need no escape, are written in place.
#include "operators/row_text.h"

#include "base/error.h"
#include "base/json_out.h"

struct member {
    uint32_t column;
    struct k_str prefix; // `{"name":` or `,"name":`
};

struct k_row_text {
    uint32_t count;
    size_t fixed_bytes; // room for all but strings and what k_value_json writes
    struct member members[];
};

enum { SCALAR_MAX = 24 }; // an int64, true, false, null

struct k_row_text *k_row_text_make(struct k_arena *arena, const struct k_schema *schema)
{
    struct k_row_text *text = k_arena_get(arena, sizeof *text + schema->count * sizeof text->members[0]);
    struct k_buf prefix = {0};
    text->count = 0;
    text->fixed_bytes = 2; // the end, or an object of nothing
    for (uint32_t i = 0; i < schema->count; i++) {
        if (schema->fields[i].hidden) continue;
        k_buf_clear(&prefix);
        k_buf_add_char(&prefix, text->count ? ',' : '{');
        k_json_string(&prefix, k_str_of(schema->fields[i].name));
        k_buf_add_char(&prefix, ':');
        struct k_str own = {k_arena_copy(arena, prefix.data, prefix.length), (uint32_t)prefix.length};
        text->members[text->count++] = (struct member){i, own};
        text->fixed_bytes += prefix.length + SCALAR_MAX;
    }
    k_buf_fini(&prefix);
    return text;
}

static char *put_int(char *at, int64_t value)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
                                "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
                                "8081828384858687888990919293949596979899";
    char digits[20], *from = digits + sizeof digits;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    while (rest >= 100) {
        from -= 2;
        memcpy(from, &pairs[rest % 100 * 2], 2);
        rest /= 100;
    }
    if (rest >= 10) {
        from -= 2;
        memcpy(from, &pairs[rest * 2], 2);
    } else {
        *--from = (char)('0' + rest);
    }
    if (value < 0) *at++ = '-';
    size_t length = (size_t)(digits + sizeof digits - from);
    memcpy(at, from, length);
    return at + length;
}

// Whether all bytes are ASCII that stands in JSON as it is; eight at a time (Lamport 1975; Warren, Hacker's Delight).
static bool is_plain(struct k_str text)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    uint32_t at = 0;
    uint64_t odd = 0;
    for (; at + 8 <= text.length; at += 8) {
        uint64_t eight;
        memcpy(&eight, text.data + at, 8);
        uint64_t quote = eight ^ (ones * '"'), backslash = eight ^ (ones * '\\');
        odd |= eight | (eight - ones * ' ') | (quote - ones) | (backslash - ones);
    }
    bool plain = (odd & tops) == 0;
    for (; at < text.length; at++) {
        uint8_t byte = (uint8_t)text.data[at];
        plain &= byte >= ' ' && byte < 0x80 && byte != '"' && byte != '\\';
    }
    return plain;
}

static char *put_text(char *at, const char *text, size_t length)
{
    memcpy(at, text, length);
    return at + length;
}

void k_row_text_add(const struct k_row_text *text, struct k_buf *out, const struct k_batch *batch, uint32_t row)
{
    K_ASSERT(row < batch->rows);
    char *at = k_buf_reserve(out, text->fixed_bytes);
    if (text->count == 0) *at++ = '{';
    for (uint32_t i = 0; i < text->count; i++) {
        const struct member *member = &text->members[i];
        const struct k_column *column = &batch->columns[member->column];
        at = put_text(at, member->prefix.data, member->prefix.length);
        if (!column->data || k_column_null(column, row)) {
            at = put_text(at, "null", 4);
            continue;
        }
        if (column->type == K_INT64) {
            at = put_int(at, column->i[row]);
            continue;
        }
        if (column->type == K_BOOL) {
            at = column->b[row] ? put_text(at, "true", 4) : put_text(at, "false", 5);
            continue;
        }
        // Of a length that is not known beforehand: behind it, there must be room for the rest again.
        out->length = (size_t)(at - out->data);
        if (column->type == K_STRING && is_plain(column->s[row])) {
            struct k_str value = column->s[row];
            at = k_buf_reserve(out, value.length + 2 + text->fixed_bytes);
            *at++ = '"';
            if (value.length) at = put_text(at, value.data, value.length);
            *at++ = '"';
            continue;
        }
        struct k_value value = k_column_value(column, row);
        k_value_json(out, &value);
        at = k_buf_reserve(out, text->fixed_bytes);
    }
    *at++ = '}';
    *at = 0;
    out->length = (size_t)(at - out->data);
}
