// Byte strings, growable buffers, variable-length integers and bounded text.
#include "base/bytes.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/memory.h"

int k_str_compare(struct k_str a, struct k_str b)
{
    uint32_t common = a.length < b.length ? a.length : b.length;
    int order = common > 0 ? memcmp(a.data, b.data, common) : 0;
    if (order != 0) return order;
    return (a.length > b.length) - (a.length < b.length);
}

void k_buf_fini(struct k_buf *buf)
{
    if (buf == NULL) return;
    free(buf->data);
    *buf = (struct k_buf){0};
}

char *k_buf_reserve(struct k_buf *buf, size_t more)
{
    K_ASSERT(more <= UINT32_MAX - buf->length);
    size_t needed = buf->length + more + 1;
    if (needed > buf->capacity) {
        size_t capacity = buf->capacity + buf->capacity / 2;
        if (capacity < needed) capacity = needed;
        if (capacity < 64) capacity = 64;
        buf->data = k_realloc(buf->data, capacity);
        buf->capacity = capacity;
    }
    return buf->data + buf->length;
}

void k_buf_add(struct k_buf *buf, const void *data, size_t length)
{
    char *end = k_buf_reserve(buf, length);
    if (length > 0) memcpy(end, data, length);
    end[length] = '\0';
    buf->length += length;
}

void k_buf_add_text(struct k_buf *buf, const char *text)
{
    k_buf_add(buf, text, strlen(text));
}

void k_buf_add_char(struct k_buf *buf, char c)
{
    k_buf_add(buf, &c, 1);
}

void k_buf_printf(struct k_buf *buf, const char *format, ...)
{
    // First into what is free already; only a text that does not fit is formatted again.
    char *end = k_buf_reserve(buf, 64);
    size_t room = buf->capacity - buf->length;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(end, room, format, arguments);
    va_end(arguments);
    K_ASSERT(length >= 0);
    if ((size_t)length >= room) {
        end = k_buf_reserve(buf, (size_t)length);
        va_start(arguments, format);
        vsnprintf(end, (size_t)length + 1, format, arguments);
        va_end(arguments);
    }
    buf->length += (size_t)length;
}

enum { VARINT_MAX = 10 }; // bytes that 64 bits need, 7 in each

void k_buf_add_varint(struct k_buf *buf, uint64_t value)
{
    char *out = k_buf_reserve(buf, VARINT_MAX);
    size_t length = 0;
    for (; value >= 0x80; value >>= 7) out[length++] = (char)(value | 0x80);
    out[length++] = (char)value;
    out[length] = '\0';
    buf->length += length;
}

void k_buf_add_zigzag(struct k_buf *buf, int64_t value)
{
    k_buf_add_varint(buf, ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0));
}

size_t k_get_varint(const char *data, size_t length, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (size_t i = 0; i < length && i < VARINT_MAX; i++) {
        uint8_t byte = (uint8_t)data[i];
        // The tenth byte has room for one bit only.
        if (i == VARINT_MAX - 1 && byte > 1) return 0;
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *ret_value = value;
            return i + 1;
        }
    }
    return 0;
}

size_t k_get_zigzag(const char *data, size_t length, int64_t *ret_value)
{
    uint64_t value;
    size_t read = k_get_varint(data, length, &value);
    if (read > 0) *ret_value = (int64_t)((value >> 1) ^ (~(value & 1) + 1));
    return read;
}

// Ends a full buffer in "…", in place of the last characters that do not fit with it.
static size_t cut(char *out, size_t capacity)
{
    static const char ellipsis[] = "…";
    K_ASSERT(capacity >= sizeof ellipsis);
    size_t at = capacity - sizeof ellipsis;
    // Back to the start of a character: continuation bytes are 10xxxxxx.
    while (at > 0 && ((uint8_t)out[at] & 0xC0) == 0x80) at--;
    memcpy(out + at, ellipsis, sizeof ellipsis);
    return at + sizeof ellipsis - 1;
}

size_t k_format_cut(char *out, size_t capacity, const char *format, va_list arguments)
{
    int length = vsnprintf(out, capacity, format, arguments);
    K_ASSERT(length >= 0);
    return (size_t)length < capacity ? (size_t)length : cut(out, capacity);
}

size_t k_join_cut(char *out, size_t capacity, size_t length, const char *text)
{
    K_ASSERT(length < capacity);
    size_t more = strlen(text), room = capacity - 1 - length;
    memcpy(out + length, text, more < room ? more : room);
    if (more > room) return cut(out, capacity);
    out[length + more] = '\0';
    return length + more;
}
