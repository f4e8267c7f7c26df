// Byte strings: borrowed views (k_str), and a growable buffer (k_buf) that the caller owns.
#pragma once
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// A borrowed view of bytes; not NUL-terminated. data may be NULL only when length is 0.
struct k_str {
    const char *data;
    uint32_t length;
};
#define K_STR(literal) ((struct k_str){(literal), sizeof(literal) - 1})
static inline struct k_str k_str_of(const char *text)
{
    return (struct k_str){text, text ? (uint32_t)strlen(text) : 0};
}
static inline uint64_t k_load8(const char *data)
{
    uint64_t word;
    memcpy(&word, data, sizeof word);
    return word;
}

static inline uint32_t k_load4(const char *data)
{
    uint32_t word;
    memcpy(&word, data, sizeof word);
    return word;
}

// Whether so many bytes are the same; without a call for short ones. Words may overlap.
static inline bool k_same_bytes(const char *a, const char *b, uint32_t length)
{
    if (length > 16) return memcmp(a, b, length) == 0;
    if (length >= 8) return ((k_load8(a) ^ k_load8(b)) | (k_load8(a + length - 8) ^ k_load8(b + length - 8))) == 0;
    if (length >= 4) return ((k_load4(a) ^ k_load4(b)) | (k_load4(a + length - 4) ^ k_load4(b + length - 4))) == 0;
    for (uint32_t i = 0; i < length; i++)
        if (a[i] != b[i]) return false;
    return true;
}

static inline bool k_str_equal(struct k_str a, struct k_str b)
{
    return a.length == b.length && k_same_bytes(a.data, b.data, a.length);
}
// Byte order, shorter first among equals: <0, 0, >0.
int k_str_compare(struct k_str a, struct k_str b);

// A growable buffer. Zero-initialised is empty and valid; k_buf_fini frees. It holds at most UINT32_MAX
// bytes, so that its view is always whole; more is a bug and aborts. What is added never lies in it.
struct k_buf {
    char *data; // NUL-terminated after every append, the NUL not counted
    size_t length, capacity;
};
void k_buf_fini(struct k_buf *buf); // NULL-safe
static inline void k_buf_clear(struct k_buf *buf) { buf->length = 0; }
char *k_buf_reserve(struct k_buf *buf, size_t more); // room for more bytes (+ NUL) at the end; returns the end
void k_buf_add(struct k_buf *buf, const void *data, size_t length);
void k_buf_add_text(struct k_buf *buf, const char *text);
void k_buf_add_char(struct k_buf *buf, char c);
void k_buf_printf(struct k_buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline struct k_str k_buf_str(const struct k_buf *buf)
{
    return (struct k_str){buf->data ? buf->data : "", (uint32_t)buf->length};
}
// Unsigned LEB128 and zigzag, as protobuf has them. k_get_* return the bytes read, or 0 if cut short or
// overlong.
void k_buf_add_varint(struct k_buf *buf, uint64_t value);
void k_buf_add_zigzag(struct k_buf *buf, int64_t value);
size_t k_get_varint(const char *data, size_t length, uint64_t *ret_value);
size_t k_get_zigzag(const char *data, size_t length, int64_t *ret_value);

// Bounded text, always NUL-terminated; what does not fit is cut with "…", never inside a UTF-8 character.
// capacity counts the NUL and is at least 4. Both return the length of the whole text.
size_t k_format_cut(char *out, size_t capacity, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));
// Puts text behind the first length bytes of out; text must not lie in out.
size_t k_join_cut(char *out, size_t capacity, size_t length, const char *text);
