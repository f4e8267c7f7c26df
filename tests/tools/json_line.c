// Reading and writing of one Kafka message as one line of JSON. The reader knows the few members that there
// are and decodes strings in place: an escape is never shorter than what it stands for.
#include "tests/tools/json_line.h"

#include <stdlib.h>
#include <string.h>

struct reader {
    char *at, *end;
    const char *wrong; // the first thing that was wrong, or NULL
};

static bool wrong(struct reader *in, const char *what)
{
    if (!in->wrong) in->wrong = what;
    return false;
}

static char peek(struct reader *in)
{
    while (in->at < in->end && (*in->at == ' ' || *in->at == '\t' || *in->at == '\r' || *in->at == '\n')) in->at++;
    return in->at < in->end ? *in->at : '\0';
}

static bool take(struct reader *in, char c)
{
    if (peek(in) != c) return false;
    in->at++;
    return true;
}

static bool take_word(struct reader *in, const char *word)
{
    size_t length = strlen(word);
    if (peek(in) != word[0] || (size_t)(in->end - in->at) < length || memcmp(in->at, word, length) != 0) return false;
    in->at += length;
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex4(struct reader *in, uint32_t *ret_code)
{
    uint32_t code = 0;
    if (in->end - in->at < 4) return wrong(in, "a \\u escape is cut short");
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(*in->at++);
        if (digit < 0) return wrong(in, "a \\u escape is not hexadecimal");
        code = code << 4 | (uint32_t)digit;
    }
    *ret_code = code;
    return true;
}

static char *put_utf8(char *to, uint32_t code)
{
    if (code < 0x80) {
        *to++ = (char)code;
    } else if (code < 0x800) {
        *to++ = (char)(0xC0 | code >> 6);
        *to++ = (char)(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        *to++ = (char)(0xE0 | code >> 12);
        *to++ = (char)(0x80 | (code >> 6 & 0x3F));
        *to++ = (char)(0x80 | (code & 0x3F));
    } else {
        *to++ = (char)(0xF0 | code >> 18);
        *to++ = (char)(0x80 | (code >> 12 & 0x3F));
        *to++ = (char)(0x80 | (code >> 6 & 0x3F));
        *to++ = (char)(0x80 | (code & 0x3F));
    }
    return to;
}

static bool read_escape(struct reader *in, char **to)
{
    if (in->at == in->end) return wrong(in, "an escape is cut short");
    char c = *in->at++;
    switch (c) {
    case 'n': *(*to)++ = '\n'; return true;
    case 't': *(*to)++ = '\t'; return true;
    case 'r': *(*to)++ = '\r'; return true;
    case 'b': *(*to)++ = '\b'; return true;
    case 'f': *(*to)++ = '\f'; return true;
    case '"': case '\\': case '/': *(*to)++ = c; return true;
    case 'u': break;
    default: return wrong(in, "an unknown escape");
    }
    uint32_t code, low;
    if (!read_hex4(in, &code)) return false;
    if (code >= 0xDC00 && code < 0xE000) return wrong(in, "a lone low surrogate");
    if (code >= 0xD800 && code < 0xDC00) {
        if (in->end - in->at < 6 || in->at[0] != '\\' || in->at[1] != 'u') return wrong(in, "a lone high surrogate");
        in->at += 2;
        if (!read_hex4(in, &low)) return false;
        if (low < 0xDC00 || low >= 0xE000) return wrong(in, "a lone high surrogate");
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    *to = put_utf8(*to, code);
    return true;
}

static bool read_string(struct reader *in, struct line_bytes *ret_bytes)
{
    if (!take(in, '"')) return wrong(in, "a string was expected");
    char *start = in->at, *to = in->at;
    for (;;) {
        // Most strings have no escape: then nothing moves, and this only looks for the end.
        char *stop = in->at;
        while (stop < in->end && *stop != '"' && *stop != '\\') stop++;
        if (to != in->at) memmove(to, in->at, (size_t)(stop - in->at));
        to += stop - in->at;
        in->at = stop;
        if (in->at == in->end) return wrong(in, "a string has no end");
        if (*in->at++ == '"') break;
        if (!read_escape(in, &to)) return false;
    }
    *ret_bytes = (struct line_bytes){start, (size_t)(to - start)};
    return true;
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static bool read_base64(struct reader *in, struct line_bytes *ret_bytes)
{
    struct line_bytes text;
    if (!read_string(in, &text)) return false;
    char *to = text.data;
    uint32_t bits = 0;
    int held = 0;
    for (size_t i = 0; i < text.length && text.data[i] != '='; i++) {
        int digit = base64_digit(text.data[i]);
        if (digit < 0) return wrong(in, "not base64");
        bits = bits << 6 | (uint32_t)digit;
        held += 6;
        if (held >= 8) *to++ = (char)(bits >> (held -= 8));
    }
    *ret_bytes = (struct line_bytes){text.data, (size_t)(to - text.data)};
    return true;
}

// Skips one JSON value and takes its own text.
static bool read_raw(struct reader *in, struct line_bytes *ret_bytes)
{
    if (peek(in) == '\0') return wrong(in, "a value was expected");
    char *start = in->at;
    int depth = 0;
    bool in_string = false;
    for (; in->at < in->end; in->at++) {
        char c = *in->at;
        if (in_string) {
            if (c == '\\' && in->at + 1 < in->end) in->at++;
            else if (c == '"') in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            if (depth == 0) break;
            depth--;
        } else if (c == ',' && depth == 0) {
            break;
        }
    }
    if (depth != 0 || in_string) return wrong(in, "a value has no end");
    char *end = in->at;
    while (end > start && (end[-1] == ' ' || end[-1] == '\n' || end[-1] == '\r' || end[-1] == '\t')) end--;
    if (end == start) return wrong(in, "a value was expected");
    *ret_bytes = (struct line_bytes){start, (size_t)(end - start)};
    return true;
}

static bool read_bytes(struct reader *in, struct line_bytes *ret_bytes)
{
    if (take_word(in, "null")) {
        *ret_bytes = (struct line_bytes){NULL, 0};
        return true;
    }
    return peek(in) == '"' ? read_string(in, ret_bytes) : read_raw(in, ret_bytes);
}

static bool read_integer(struct reader *in, int64_t *ret_number)
{
    struct line_bytes text;
    char *end;
    if (!read_raw(in, &text)) return false;
    char after = text.data[text.length];
    text.data[text.length] = '\0';
    *ret_number = strtoll(text.data, &end, 10);
    bool whole = end == text.data + text.length;
    text.data[text.length] = after;
    return whole || wrong(in, "an integer was expected");
}

static bool read_headers(struct reader *in, struct line *line)
{
    if (take_word(in, "null")) return true;
    if (!take(in, '[')) return wrong(in, "headers are a list of [name, value]");
    if (take(in, ']')) return true;
    do {
        if (line->header_count == LINE_HEADERS_MAX) return wrong(in, "too many headers");
        struct line_header *header = &line->headers[line->header_count++];
        if (!take(in, '[')) return wrong(in, "headers are a list of [name, value]");
        if (!read_string(in, &header->name) || !take(in, ',') || !read_bytes(in, &header->value))
            return wrong(in, "a header is [name, value]");
        if (take(in, ',') && !read_base64(in, &header->value)) return false;
        if (!take(in, ']')) return wrong(in, "a header is [name, value]");
    } while (take(in, ','));
    return take(in, ']') || wrong(in, "headers have no end");
}

static bool is(struct line_bytes name, const char *text)
{
    return name.length == strlen(text) && memcmp(name.data, text, name.length) == 0;
}

static bool read_member(struct reader *in, struct line *line)
{
    struct line_bytes name;
    int64_t number;
    if (!read_string(in, &name)) return false;
    if (!take(in, ':')) return wrong(in, "a colon was expected");
    if (is(name, "value")) return read_bytes(in, &line->value);
    if (is(name, "key")) return read_bytes(in, &line->key);
    if (is(name, "topic")) return read_string(in, &line->topic);
    if (is(name, "value_base64")) return read_base64(in, &line->value);
    if (is(name, "key_base64")) return read_base64(in, &line->key);
    if (is(name, "headers")) return read_headers(in, line);
    if (is(name, "timestamp")) return read_integer(in, &line->timestamp);
    if (is(name, "offset")) return read_integer(in, &line->offset); // what consume wrote can be produced again
    if (is(name, "partition")) {
        if (!read_integer(in, &number)) return false;
        if (number < -1 || number > INT32_MAX) return wrong(in, "no such partition");
        line->partition = (int32_t)number;
        return true;
    }
    return wrong(in, "an unknown member");
}

const char *line_read(char *text, size_t length, struct line *ret_line)
{
    struct reader in = {.at = text, .end = text + length};
    ret_line->topic = ret_line->key = ret_line->value = (struct line_bytes){NULL, 0};
    ret_line->partition = -1;
    ret_line->timestamp = ret_line->offset = -1;
    ret_line->header_count = 0;
    if (!take(&in, '{')) return "not a JSON object";
    if (!take(&in, '}')) {
        do {
            if (!read_member(&in, ret_line)) return in.wrong;
        } while (take(&in, ','));
        if (!take(&in, '}')) return "the object has no end";
    }
    return peek(&in) == '\0' ? NULL : "something stands behind the object";
}

// The length of the UTF-8 sequence at data, or 0 where it is not one (overlong, surrogate, cut short).
static size_t utf8_length(const unsigned char *data, size_t left)
{
    unsigned char c = data[0];
    size_t length = c < 0x80 ? 1 : c < 0xC2 ? 0 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : c < 0xF5 ? 4 : 0;
    if (length == 0 || length > left) return 0;
    for (size_t i = 1; i < length; i++)
        if ((data[i] & 0xC0) != 0x80) return 0;
    if ((c == 0xE0 && data[1] < 0xA0) || (c == 0xED && data[1] > 0x9F)) return 0;
    if ((c == 0xF0 && data[1] < 0x90) || (c == 0xF4 && data[1] > 0x8F)) return 0;
    return length;
}

static bool is_utf8(struct line_bytes bytes)
{
    const unsigned char *data = (const unsigned char *)bytes.data;
    for (size_t i = 0; i < bytes.length;) {
        size_t length = utf8_length(data + i, bytes.length - i);
        if (length == 0) return false;
        i += length;
    }
    return true;
}

static void write_string(FILE *out, struct line_bytes text)
{
    putc_unlocked('"', out);
    size_t start = 0;
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        fwrite(text.data + start, 1, i - start, out);
        start = i + 1;
        if (c == '"' || c == '\\') fprintf(out, "\\%c", c);
        else if (c == '\n') fputs("\\n", out);
        else fprintf(out, "\\u%04x", c);
    }
    fwrite(text.data + start, 1, text.length - start, out);
    putc_unlocked('"', out);
}

static void write_base64(FILE *out, struct line_bytes bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *data = (const unsigned char *)bytes.data;
    putc_unlocked('"', out);
    for (size_t i = 0; i < bytes.length; i += 3) {
        size_t left = bytes.length - i;
        uint32_t bits = (uint32_t)data[i] << 16 | (left > 1 ? (uint32_t)data[i + 1] << 8 : 0) |
            (left > 2 ? data[i + 2] : 0);
        putc_unlocked(digits[bits >> 18], out);
        putc_unlocked(digits[bits >> 12 & 63], out);
        putc_unlocked(left > 1 ? digits[bits >> 6 & 63] : '=', out);
        putc_unlocked(left > 2 ? digits[bits & 63] : '=', out);
    }
    putc_unlocked('"', out);
}

static void write_bytes(FILE *out, const char *name, struct line_bytes bytes)
{
    if (!bytes.data) {
        fprintf(out, ",\"%s\":null", name);
    } else if (is_utf8(bytes)) {
        fprintf(out, ",\"%s\":", name);
        write_string(out, bytes);
    } else {
        fprintf(out, ",\"%s_base64\":", name);
        write_base64(out, bytes);
    }
}

void line_write(FILE *out, const struct line *line, int64_t offset)
{
    fputs("{\"topic\":", out);
    write_string(out, line->topic);
    fprintf(out, ",\"partition\":%d", line->partition);
    if (offset >= 0) fprintf(out, ",\"offset\":%lld", (long long)offset);
    if (line->timestamp >= 0) fprintf(out, ",\"timestamp\":%lld", (long long)line->timestamp);
    write_bytes(out, "key", line->key);
    write_bytes(out, "value", line->value);
    fputs(",\"headers\":[", out);
    for (size_t i = 0; i < line->header_count; i++) {
        const struct line_header *header = &line->headers[i];
        fputs(i ? ",[" : "[", out);
        write_string(out, header->name);
        if (!header->value.data) {
            fputs(",null", out);
        } else if (is_utf8(header->value)) {
            putc_unlocked(',', out);
            write_string(out, header->value);
        } else {
            fputs(",null,", out);
            write_base64(out, header->value);
        }
        putc_unlocked(']', out);
    }
    fputs("]}\n", out);
}
