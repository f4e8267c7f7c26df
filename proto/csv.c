// See csv.h.
#include "proto/csv.h"

static bool ends_line(struct k_str text, uint32_t at)
{
    return text.data[at] == '\n' || (text.data[at] == '\r' && at + 1 < text.length && text.data[at + 1] == '\n');
}

// Moves behind the end of a field, at which *at stands. true: it was that of a record.
static bool step_over_end(struct k_str text, uint32_t *at)
{
    if (*at == text.length) return true;
    bool line = ends_line(text, *at);
    *at += line && text.data[*at] == '\r' ? 2 : 1;
    return line;
}

// The place of the next delimiter, quote, CR or LF, or the end; eight bytes at a time (a zero byte of a word is where
// subtracting ones borrows: Warren, Hacker's Delight).
static uint32_t next_special(struct k_str text, char delimiter, uint32_t at)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    for (; at + 8 <= text.length; at += 8) {
        uint64_t eight;
        memcpy(&eight, text.data + at, 8);
        uint64_t a = eight ^ (ones * (uint8_t)delimiter), b = eight ^ (ones * '"'), c = eight ^ (ones * '\r'),
                 d = eight ^ (ones * '\n');
        uint64_t found = (((a - ones) & ~a) | ((b - ones) & ~b) | ((c - ones) & ~c) | ((d - ones) & ~d)) & tops;
        // The lowest bit is always a true one; those above it may be due to the borrow.
        if (found && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) return at + (uint32_t)__builtin_ctzll(found) / 8;
        if (found) break;
    }
    for (; at < text.length; at++) {
        char c = text.data[at];
        if (c == delimiter || c == '"' || c == '\r' || c == '\n') break;
    }
    return at;
}

static void read_bare(struct k_str text, char delimiter, uint32_t *at, struct k_csv_field *field)
{
    uint32_t begin = *at;
    for (;; ++*at) {
        *at = next_special(text, delimiter, *at);
        if (*at == text.length || text.data[*at] == delimiter || ends_line(text, *at)) break;
        if (text.data[*at] == '"') field->why = "a quote inside a field that is not quoted"; // else a CR alone
    }
    field->text = (struct k_str){text.data + begin, *at - begin};
}

static void read_quoted(struct k_str text, char delimiter, uint32_t *at, struct k_csv_field *field)
{
    uint32_t begin = ++*at, end;
    field->quoted = true;
    for (;;) {
        const char *quote = *at < text.length ? memchr(text.data + *at, '"', text.length - *at) : NULL;
        if (!quote) {
            field->text = (struct k_str){text.data + begin, text.length - begin};
            field->why = "a quoted field without its closing quote";
            *at = text.length;
            return;
        }
        end = (uint32_t)(quote - text.data);
        *at = end + 1;
        if (*at == text.length || text.data[*at] != '"') break;
        field->doubled = true;
        ++*at;
    }
    field->text = (struct k_str){text.data + begin, end - begin};
    for (; *at < text.length && text.data[*at] != delimiter && !ends_line(text, *at); ++*at)
        field->why = "something between a closing quote and the end of its field";
}

void k_csv_field(struct k_str text, char delimiter, uint32_t *at, struct k_csv_field *ret)
{
    *ret = (struct k_csv_field){0};
    if (*at < text.length && text.data[*at] == '"') read_quoted(text, delimiter, at, ret);
    else read_bare(text, delimiter, at, ret);
    ret->end = *at;
    ret->last = step_over_end(text, at);
}

const char *k_csv_record(struct k_str text, char delimiter, uint32_t *at, struct k_str *ret_record)
{
    uint32_t begin = *at;
    const char *why = NULL;
    struct k_csv_field field;
    do {
        k_csv_field(text, delimiter, at, &field);
        if (!why) why = field.why;
    } while (!field.last);
    *ret_record = (struct k_str){text.data + begin, field.end - begin};
    return why;
}

uint32_t k_csv_begin(struct k_str text)
{
    return text.length >= 3 && memcmp(text.data, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
}
