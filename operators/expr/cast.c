// Casts: between types, and from text. Text is read as PostgreSQL reads it: blanks around it do not count.
#include "operators/expr/kernels.h"

#include <math.h>
#include <strings.h>

#include "base/double_text.h"
#include "base/error.h"
#include "base/units.h"
#include "proto/json_text.h"

static struct k_str trim(struct k_str text)
{
    while (text.length && strchr(" \t\n\v\f\r", text.data[0])) text = (struct k_str){text.data + 1, text.length - 1};
    while (text.length && strchr(" \t\n\v\f\r", text.data[text.length - 1])) text.length--;
    return text;
}

static bool is_word(struct k_str text, const char *word)
{
    return text.length == strlen(word) && strncasecmp(text.data, word, text.length) == 0;
}

// Any beginning of true, false, yes, no; on, off, 1, 0; o alone could be either.
static bool text_to_bool(struct k_str text, bool *ret)
{
    static const struct {
        const char *word;
        uint32_t shortest;
        bool value;
    } table[] = {{"true", 1, true}, {"false", 1, false}, {"yes", 1, true}, {"no", 1, false},
                 {"on", 2, true},   {"off", 2, false},   {"1", 1, true},   {"0", 1, false}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (text.length < table[i].shortest || text.length > strlen(table[i].word)) continue;
        if (strncasecmp(text.data, table[i].word, text.length) != 0) continue;
        *ret = table[i].value;
        return true;
    }
    return false;
}

static bool text_to_int64(struct k_str text, int64_t *ret)
{
    uint32_t at = 0;
    bool negative = text.length && text.data[0] == '-';
    if (text.length && (text.data[0] == '-' || text.data[0] == '+')) at = 1;
    int64_t value = 0; // counted downwards, where there is one number more
    if (at == text.length) return false;
    for (; at < text.length; at++) {
        unsigned digit = (unsigned)(text.data[at] - '0');
        if (digit > 9) return false;
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_sub_overflow(value, digit, &value)) return false;
    }
    *ret = value;
    return negative || !__builtin_sub_overflow(0, value, ret);
}

static bool text_to_double(struct k_str text, double *ret)
{
    struct k_str bare = text;
    bool negative = text.length && text.data[0] == '-';
    if (text.length && (text.data[0] == '-' || text.data[0] == '+'))
        bare = (struct k_str){text.data + 1, text.length - 1};
    if (is_word(bare, "nan")) *ret = NAN;
    else if (is_word(bare, "infinity") || is_word(bare, "inf")) *ret = negative ? -INFINITY : INFINITY;
    else return text.length && k_double_parse(text.data, text.length, ret) == 0;
    return true;
}

// Besides what RFC 3339 has: a date alone, a time without seconds, an offset of hours alone or without a colon, as web
// servers write it.
static bool text_to_timestamp(struct k_str text, int64_t *ret)
{
    char whole[64];
    if (text.length < 10 || text.length > sizeof whole - 10) return false;
    memcpy(whole, text.data, text.length);
    uint32_t length = text.length;
    const char *more = "";
    if (length == 10) more = "T00:00:00";
    else if (length == 16) more = ":00";
    else if (length > 19 && (whole[length - 3] == '+' || whole[length - 3] == '-')) more = ":00";
    else if (length > 19 && (whole[length - 5] == '+' || whole[length - 5] == '-')) {
        memmove(whole + length - 1, whole + length - 2, 2);
        whole[length++ - 2] = ':';
    }
    memcpy(whole + length, more, strlen(more));
    return k_time_parse((struct k_str){whole, length + (uint32_t)strlen(more)}, ret);
}

const char *k_text_to_value(struct k_str text, enum k_type type, struct k_value *ret_value)
{
    struct k_value value = {.type = type};
    const char *why = NULL;
    struct k_str bare = trim(text);
    switch (type) {
    case K_BOOL:
        if (!text_to_bool(bare, &value.b)) why = "is not a bool";
        break;
    case K_INT64:
        if (!text_to_int64(bare, &value.i)) why = "is not an int64";
        break;
    case K_DOUBLE:
        if (!text_to_double(bare, &value.d)) why = "is not a double";
        break;
    case K_TIMESTAMP:
        if (!text_to_timestamp(bare, &value.i)) why = "is not a timestamp such as 2026-01-01 12:30:00";
        break;
    case K_INTERVAL:
        if (!k_interval_parse(bare, &value.interval)) why = "is not an interval such as 1 day 02:30:00";
        break;
    case K_STRING: value.s = text; break;
    case K_BYTES: why = "cannot be read as bytes"; break;
    case K_JSON:
        why = k_json_check(text) ? "is not json" : NULL;
        value.s = text;
        break;
    case K_NO_TYPE: K_ASSERT(!"text for no type");
    }
    if (!why) *ret_value = value;
    return why;
}

void k_kernel_cast_string_any(struct k_call *call)
{
    enum k_type type = call->node->type;
    K_EACH_ROW(call->rows, r, {
        if (k_call_null(call, r)) continue;
        struct k_str text = K_ARG(call, 0, struct k_str, r);
        struct k_value value;
        const char *why = k_text_to_value(text, type, &value);
        if (why) {
            k_call_fail(call, r, "cast", "\"%.*s\"%s %s", (int)(text.length < 60 ? text.length : 60), text.data,
                        text.length < 60 ? "" : "…", why);
            continue;
        }
        switch (type) {
        case K_BOOL: ((uint8_t *)call->out)[r] = value.b; break;
        case K_DOUBLE: ((double *)call->out)[r] = value.d; break;
        case K_INTERVAL: ((struct k_interval *)call->out)[r] = value.interval; break;
        case K_JSON: ((struct k_str *)call->out)[r] = value.s; break;
        default: ((int64_t *)call->out)[r] = value.i; break;
        }
    });
}

void k_kernel_cast_bool_int64(struct k_call *call)
{
    K_UNARY_WIDE(call, uint8_t, int64_t, out[r] = a != 0;);
}

void k_kernel_cast_int64_bool(struct k_call *call)
{
    K_UNARY_WIDE(call, int64_t, uint8_t, out[r] = a != 0;);
}

void k_kernel_cast_int64_double(struct k_call *call)
{
    K_UNARY_WIDE(call, int64_t, double, out[r] = (double)a;);
}

void k_kernel_cast_double_int64(struct k_call *call)
{
    K_UNARY_LOOP(call, double, int64_t, {
        double whole = rint(a); // halves to even
        if (whole >= -0x1p63 && whole < 0x1p63) out[r] = (int64_t)whole;
        else if (!k_call_null(call, r)) k_call_fail(call, r, "cast", "%g is out of the range of int64", a);
    });
}

void k_kernel_cast_bool_string(struct k_call *call)
{
    K_UNARY_LOOP(call, uint8_t, struct k_str, out[r] = a ? K_STR("true") : K_STR("false"););
}

void k_kernel_cast_json_string(struct k_call *call)
{
    K_UNARY_LOOP(call, struct k_str, struct k_str, out[r] = a;);
}

static struct k_str print_int64(struct k_arena *arena, int64_t value)
{
    char *end = (char *)k_arena_get(arena, 20) + 20, *at = end;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do *--at = (char)('0' + rest % 10);
    while (rest /= 10);
    if (value < 0) *--at = '-';
    return (struct k_str){at, (uint32_t)(end - at)};
}

void k_kernel_cast_int64_string(struct k_call *call)
{
    struct k_arena *arena = k_call_arena(call);
    K_UNARY_LOOP(call, int64_t, struct k_str, out[r] = print_int64(arena, a););
}

// The digits of a shortest decimal, and the power of ten of the first one.
static uint32_t digits_of(double value, char *ret_digits, int *ret_exponent)
{
    char text[K_DOUBLE_TEXT];
    size_t length = k_double_print(text, value);
    uint32_t count = 0;
    int point = -1, exponent = 0, leading = 0;
    size_t i = 0;
    for (; i < length && text[i] != 'e'; i++) {
        if (text[i] == '.') point = (int)count + leading;
        else if (text[i] == '0' && count == 0) leading++;
        else if (text[i] != '-') ret_digits[count++] = text[i];
    }
    if (point < 0) point = (int)count + leading;
    for (size_t k = i + 2; k < length; k++) exponent = exponent * 10 + (text[k] - '0');
    if (i < length && text[i + 1] == '-') exponent = -exponent;
    *ret_exponent = exponent + point - leading - 1;
    while (count > 1 && ret_digits[count - 1] == '0') count--;
    return count;
}

// As PostgreSQL prints double precision: plain from 1e-4 to below 1e15, else with an exponent of two digits or more.
static struct k_str print_double(struct k_arena *arena, double value)
{
    if (isnan(value)) return K_STR("NaN");
    if (isinf(value)) return value < 0 ? K_STR("-Infinity") : K_STR("Infinity");
    if (value == 0) return signbit(value) ? K_STR("-0") : K_STR("0");
    char digits[K_DOUBLE_TEXT];
    int exponent;
    uint32_t count = digits_of(value, digits, &exponent);
    char *out = k_arena_get(arena, K_DOUBLE_TEXT + 16), *at = out;
    if (value < 0) *at++ = '-';
    if (exponent < -4 || exponent >= 15) {
        *at++ = digits[0];
        if (count > 1) *at++ = '.';
        at = mempcpy(at, digits + 1, count - 1);
        *at++ = 'e';
        *at++ = exponent < 0 ? '-' : '+';
        unsigned size = (unsigned)(exponent < 0 ? -exponent : exponent);
        if (size >= 100) *at++ = (char)('0' + size / 100);
        *at++ = (char)('0' + size / 10 % 10);
        *at++ = (char)('0' + size % 10);
        return (struct k_str){out, (uint32_t)(at - out)};
    }
    for (int i = exponent < 0 ? exponent : 0; i < (int)count || i <= exponent; i++) {
        if (i == exponent + 1 && i > 0) *at++ = '.';
        *at++ = i < 0 || i >= (int)count ? '0' : digits[i];
        if (i < 0 && i == exponent) *at++ = '.';
    }
    return (struct k_str){out, (uint32_t)(at - out)};
}

void k_kernel_cast_double_string(struct k_call *call)
{
    struct k_arena *arena = k_call_arena(call);
    K_UNARY_LOOP(call, double, struct k_str, out[r] = print_double(arena, a););
}

// As PostgreSQL prints a timestamp: 2026-01-01 12:30:00.25, in UTC, without saying so.
static struct k_str print_timestamp(struct k_arena *arena, int64_t us)
{
    char *out = k_arena_get(arena, K_TIME_TEXT);
    uint32_t length = (uint32_t)k_time_print(out, us);
    for (uint32_t i = 0; i < length; i++)
        if (out[i] == 'T') out[i] = ' ';
    length--; // the Z
    if (memchr(out, '.', length))
        while (out[length - 1] == '0') length--;
    return (struct k_str){out, length};
}

void k_kernel_cast_timestamp_string(struct k_call *call)
{
    struct k_arena *arena = k_call_arena(call);
    K_UNARY_LOOP(call, int64_t, struct k_str, out[r] = print_timestamp(arena, a););
}
