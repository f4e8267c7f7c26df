// One Kafka message as one line of JSON, for ktool: what it reads when it produces and writes when it consumes.
//
//   {"topic":"t","partition":0,"key":"k","value":"v","timestamp":1767225600000,"headers":[["name","text"]]}
//
// A key, value or header that is not UTF-8 travels as "key_base64", "value_base64", and a header as
// ["name",null,"base64"]. A value may also be JSON that is not a string: its own text is the message.
// null is no value (a tombstone). Reading needs nothing but "value"; timestamps are milliseconds.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { LINE_HEADERS_MAX = 64 };

struct line_bytes {
    char *data; // NULL: null or absent
    size_t length;
};

struct line_header {
    struct line_bytes name, value;
};

struct line {
    struct line_bytes topic, key, value;
    int32_t partition;  // -1: absent
    int64_t timestamp;  // -1: absent
    int64_t offset;     // -1: absent; read only
    struct line_header headers[LINE_HEADERS_MAX];
    size_t header_count;
};

// Reads one line; decodes in place, so all bytes of the result point into text, which it changes.
// text[length] must be writable. NULL, or what is wrong with it (a static string).
const char *line_read(char *text, size_t length, struct line *ret_line);

// Writes one line. offset is written where it is not negative.
void line_write(FILE *out, const struct line *line, int64_t offset);
