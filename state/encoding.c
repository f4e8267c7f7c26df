// Keys whose byte order is the order of their values, and rows: the public encoding of the state.
//
// What is written here stays readable for as long as K_STATE_FORMAT stays the same; docs/state-format.md describes it,
// and tests/state/encoding_test.c holds its worked example.
#include "state/encoding.h"

#include <math.h>

enum {
    TAG_NULL = 0x01,
    TAG_TYPE = 0x10, // + the number of the type
    FIXED = 9,       // a tag and eight bytes
};
// Every NaN is this one: quiet, positive, above infinity.
#define NAN_BITS UINT64_C(0x7ff8000000000000)
#define SIGN (UINT64_C(1) << 63)

static char *put_u64(char *at, uint64_t value)
{
    value = __builtin_bswap64(value);
    memcpy(at, &value, 8);
    return at + 8;
}

static uint64_t get_u64(const char *data)
{
    uint64_t value;
    memcpy(&value, data, 8);
    return __builtin_bswap64(value);
}

static uint64_t double_bits(double value)
{
    if (value == 0) return 0; // the negative zero too: equal values have equal keys
    if (isnan(value)) return NAN_BITS;
    uint64_t bits;
    memcpy(&bits, &value, 8);
    return bits;
}

static double double_of(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, 8);
    return value;
}

static uint64_t double_to_order(double value)
{
    uint64_t bits = double_bits(value);
    return bits & SIGN ? ~bits : bits | SIGN;
}

static double double_from_order(uint64_t order)
{
    return double_of(order & SIGN ? order & ~SIGN : ~order);
}

// The bytes that a string takes in a key, without the tag.
static size_t escaped_length(struct k_str text)
{
    size_t length = (size_t)text.length + 2;
    if (text.length == 0) return length; // an empty string may have no address
    const char *at = text.data, *end = text.data + text.length;
    while (at < end && (at = memchr(at, 0, (size_t)(end - at))) != NULL) {
        length++;
        at++;
    }
    return length;
}

static char *put_escaped(char *to, struct k_str text)
{
    const char *at = text.data, *end = text.length ? text.data + text.length : at;
    while (at < end) {
        const char *zero = memchr(at, 0, (size_t)(end - at));
        size_t run = (size_t)((zero ? zero + 1 : end) - at);
        memcpy(to, at, run);
        to += run;
        at += run;
        if (zero) *to++ = '\xff';
    }
    *to++ = 0;
    *to++ = 0;
    return to;
}

static size_t key_length(const struct k_value *value)
{
    if (value->null || value->type == K_NO_TYPE) return 1;
    switch (value->type) {
    case K_BOOL: return 2;
    case K_INT64:
    case K_TIMESTAMP:
    case K_DOUBLE: return FIXED;
    case K_STRING:
    case K_BYTES:
    case K_JSON: return 1 + escaped_length(value->s);
    case K_NO_TYPE:
    case K_INTERVAL: break;
    }
    K_ASSERT(!"a type that cannot be stored");
}

static char *put_key(char *at, const struct k_value *value)
{
    if (value->null || value->type == K_NO_TYPE) {
        *at++ = TAG_NULL;
        return at;
    }
    *at++ = (char)(TAG_TYPE + value->type);
    switch (value->type) {
    case K_BOOL: *at++ = value->b; return at;
    case K_INT64:
    case K_TIMESTAMP: return put_u64(at, (uint64_t)value->i ^ SIGN);
    case K_DOUBLE: return put_u64(at, double_to_order(value->d));
    case K_STRING:
    case K_BYTES:
    case K_JSON: return put_escaped(at, value->s);
    case K_NO_TYPE:
    case K_INTERVAL: break;
    }
    K_ASSERT(!"a type that cannot be stored");
}

void k_key_add_value(struct k_buf *key, const struct k_value *value)
{
    size_t length = key_length(value);
    put_key(k_buf_reserve(key, length), value);
    key->length += length;
}

void k_key_add_i64(struct k_buf *key, int64_t value)
{
    k_key_put_i64(k_buf_reserve(key, 8), value);
    key->length += 8;
}

void k_key_put_i64(char *data, int64_t value)
{
    put_u64(data, (uint64_t)value ^ SIGN);
}

int64_t k_key_get_i64(const char *data)
{
    return (int64_t)(get_u64(data) ^ SIGN);
}

// One column that is never NULL and of fixed width, the commonest key: no lengths to work out.
static void keys_of_integers(const struct k_column *column, const uint32_t *selection, uint32_t selected,
                             struct k_arena *arena, struct k_str *ret_keys)
{
    char *at = k_arena_get(arena, (size_t)selected * FIXED);
    for (uint32_t i = 0; i < selected; i++) {
        ret_keys[i] = (struct k_str){at, FIXED};
        *at = (char)(TAG_TYPE + column->type);
        at = put_u64(at + 1, (uint64_t)column->i[selection[i]] ^ SIGN);
    }
}

void k_keys_of_rows(const struct k_column *const *columns, uint32_t count, const uint32_t *selection,
                    uint32_t selected, struct k_arena *arena, struct k_str *ret_keys)
{
    if (count == 1 && columns[0]->data && !columns[0]->valid &&
        (columns[0]->type == K_INT64 || columns[0]->type == K_TIMESTAMP)) {
        keys_of_integers(columns[0], selection, selected, arena, ret_keys);
        return;
    }
    size_t total = 0;
    for (uint32_t i = 0; i < selected; i++) {
        size_t length = 0;
        for (uint32_t c = 0; c < count; c++) {
            struct k_value value = k_column_value(columns[c], selection[i]);
            length += key_length(&value);
        }
        K_ASSERT(length <= UINT32_MAX);
        ret_keys[i].length = (uint32_t)length;
        total += length;
    }
    char *at = k_arena_get(arena, total);
    for (uint32_t i = 0; i < selected; i++) {
        ret_keys[i].data = at;
        for (uint32_t c = 0; c < count; c++) {
            struct k_value value = k_column_value(columns[c], selection[i]);
            at = put_key(at, &value);
        }
    }
}

static bool type_of_tag(uint8_t tag, enum k_type *ret_type)
{
    switch (tag) {
    case TAG_TYPE + K_BOOL:
    case TAG_TYPE + K_INT64:
    case TAG_TYPE + K_DOUBLE:
    case TAG_TYPE + K_STRING:
    case TAG_TYPE + K_BYTES:
    case TAG_TYPE + K_TIMESTAMP:
    case TAG_TYPE + K_JSON: *ret_type = (enum k_type)(tag - TAG_TYPE); return true;
    default: return false;
    }
}

// Reads an escaped string; returns the bytes read, 0 when it does not end.
static size_t get_escaped(struct k_str key, struct k_arena *arena, struct k_str *ret_text)
{
    size_t at = 0, escapes = 0;
    for (;;) {
        const char *zero = at < key.length ? memchr(key.data + at, 0, key.length - at) : NULL;
        if (!zero) return 0;
        at = (size_t)(zero - key.data) + 1;
        if (at == key.length) return 0;
        if (key.data[at] == 0) break;
        if ((uint8_t)key.data[at] != 0xff) return 0;
        at++;
        escapes++;
    }
    size_t length = at - 1;
    *ret_text = (struct k_str){key.data, (uint32_t)length};
    if (escapes > 0) {
        char *copy = k_arena_get(arena, length - escapes), *to = copy;
        for (size_t i = 0; i < length; i++) {
            *to++ = key.data[i];
            if (key.data[i] == 0) i++; // over the ff
        }
        *ret_text = (struct k_str){copy, (uint32_t)(length - escapes)};
    }
    return at + 1;
}

// Reads what follows the tag; returns the bytes read. *ret_value has its type already.
static bool get_key(struct k_str rest, struct k_arena *arena, struct k_value *value, size_t *ret_used)
{
    switch (value->type) {
    case K_BOOL:
        if (rest.length < 1 || (uint8_t)rest.data[0] > 1) return false;
        value->b = rest.data[0] != 0;
        *ret_used = 1;
        return true;
    case K_INT64:
    case K_TIMESTAMP:
    case K_DOUBLE:
        if (rest.length < 8) return false;
        if (value->type == K_DOUBLE) value->d = double_from_order(get_u64(rest.data));
        else value->i = k_key_get_i64(rest.data);
        *ret_used = 8;
        return true;
    default: return (*ret_used = get_escaped(rest, arena, &value->s)) > 0;
    }
}

int k_key_decode(struct k_str key, uint32_t count, struct k_arena *arena, struct k_value *ret_values,
                 size_t *ret_used, struct k_error *err)
{
    size_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct k_value value = {0};
        if (at == key.length)
            return k_fail(err, K_E_CORRUPT, "a key ends before its column %u of %u", i + 1, count);
        uint8_t tag = (uint8_t)key.data[at++];
        if (tag == TAG_NULL) {
            value.null = true;
        } else {
            size_t used = 0;
            struct k_str rest = {key.data + at, (uint32_t)(key.length - at)};
            if (!type_of_tag(tag, &value.type) || !get_key(rest, arena, &value, &used))
                return k_fail(err, K_E_CORRUPT, "column %u of a key is damaged (tag 0x%02x)", i + 1, tag);
            at += used;
        }
        ret_values[i] = value;
    }
    *ret_used = at;
    return 0;
}

static void add_u64_little(struct k_buf *row, uint64_t value)
{
    char *at = k_buf_reserve(row, 8);
    for (int i = 0; i < 8; i++) at[i] = (char)(value >> (8 * i));
    row->length += 8;
}

void k_row_add_value(struct k_buf *row, const struct k_value *value)
{
    if (value->null || value->type == K_NO_TYPE) {
        k_buf_add_char(row, TAG_NULL);
        return;
    }
    k_buf_add_char(row, (char)(TAG_TYPE + value->type));
    switch (value->type) {
    case K_BOOL: k_buf_add_char(row, value->b); return;
    case K_INT64:
    case K_TIMESTAMP: k_buf_add_zigzag(row, value->i); return;
    case K_DOUBLE: add_u64_little(row, double_bits(value->d)); return;
    case K_STRING:
    case K_BYTES:
    case K_JSON:
        k_buf_add_varint(row, value->s.length);
        k_buf_add(row, value->s.data, value->s.length);
        return;
    case K_NO_TYPE:
    case K_INTERVAL: break;
    }
    K_ASSERT(!"a type that cannot be stored");
}

void k_row_encode(struct k_buf *row, const struct k_column *const *columns, uint32_t count, uint32_t index)
{
    k_buf_add_varint(row, count);
    for (uint32_t i = 0; i < count; i++) {
        struct k_value value = k_column_value(columns[i], index);
        k_row_add_value(row, &value);
    }
}

// Reads what follows the tag of a row's value; 0 when it is cut short.
static size_t get_row(const char *data, size_t length, struct k_value *value)
{
    switch (value->type) {
    case K_BOOL:
        if (length < 1 || (uint8_t)data[0] > 1) return 0;
        value->b = data[0] != 0;
        return 1;
    case K_INT64:
    case K_TIMESTAMP: return k_get_zigzag(data, length, &value->i);
    case K_DOUBLE: {
        if (length < 8) return 0;
        uint64_t bits = 0;
        for (int i = 0; i < 8; i++) bits |= (uint64_t)(uint8_t)data[i] << (8 * i);
        value->d = double_of(bits);
        return 8;
    }
    default: {
        uint64_t size;
        size_t used = k_get_varint(data, length, &size);
        if (used == 0 || size > length - used) return 0;
        value->s = (struct k_str){data + used, (uint32_t)size};
        return used + size;
    }
    }
}

int k_row_decode(struct k_str row, uint32_t count, struct k_value *ret_values, struct k_error *err)
{
    uint64_t stored;
    size_t at = k_get_varint(row.data, row.length, &stored);
    if (at == 0) return k_fail(err, K_E_CORRUPT, "a row has no count of columns");
    for (uint64_t i = 0; i < stored; i++) {
        struct k_value value = {0};
        if (at == row.length) return k_fail(err, K_E_CORRUPT, "a row ends before its column %llu of %llu",
                                            (unsigned long long)i + 1, (unsigned long long)stored);
        uint8_t tag = (uint8_t)row.data[at++];
        if (tag == TAG_NULL) {
            value.null = true;
        } else {
            size_t used = 0;
            if (type_of_tag(tag, &value.type)) used = get_row(row.data + at, row.length - at, &value);
            if (used == 0)
                return k_fail(err, K_E_CORRUPT, "column %llu of a row is damaged (tag 0x%02x)",
                              (unsigned long long)i + 1, tag);
            at += used;
        }
        if (i < count) ret_values[i] = value;
    }
    if (at != row.length) return k_fail(err, K_E_CORRUPT, "a row has bytes behind its last column");
    for (uint64_t i = stored; i < count; i++) ret_values[i] = (struct k_value){.null = true};
    return 0;
}
