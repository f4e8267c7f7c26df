// Scalars: a value as it was written → a value of its field's type, in a message's struct.
#include "base/double_text.h"
#include "proto/reading.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

struct scalar {
    struct k_reading *reading;
    const ProtobufCFieldDescriptor *field;
    const struct k_tree_value *value;
    const char *what; // `field "x" of node "y"`
    bool is_json;
};

static bool wrong(const struct scalar *scalar, const char *code, const char *format, ...) K_PRINTF(3, 4);
static bool wrong(const struct scalar *scalar, const char *code, const char *format, ...)
{
    struct k_buf text = {0};
    char problem[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(problem, sizeof(problem), format, arguments);
    va_end(arguments);
    k_buf_printf(&text, "%s %s", scalar->what, problem);
    k_reading_error(scalar->reading, scalar->value->at, code, "%s", text.data);
    k_buf_fini(&text);
    return false;
}

// The value as it was written, cut for an error text.
static int shown(const struct scalar *scalar)
{
    return scalar->value->text.length > 60 ? 60 : (int)scalar->value->text.length;
}

static bool wrong_type(const struct scalar *scalar, const char *wanted)
{
    static const char *const kinds[] = {[K_TREE_MESSAGE] = "a message", [K_TREE_LIST] = "a list",
        [K_TREE_STRING] = "a string", [K_TREE_NUMBER] = "a number", [K_TREE_WORD] = "a word"};
    bool is_object = scalar->value->kind == K_TREE_MESSAGE && scalar->is_json;
    return wrong(scalar, K0105, "wants %s, not %s", wanted, is_object ? "an object" : kinds[scalar->value->kind]);
}

// ---- whole numbers ----

enum integer { INTEGER, NO_INTEGER, TOO_LARGE };

static enum integer parse_digits(const char *text, unsigned base, uint64_t *ret)
{
    uint64_t value = 0;
    if (!*text) return NO_INTEGER;
    for (; *text; text++) {
        unsigned digit = *text >= '0' && *text <= '9' ? (unsigned)(*text - '0')
            : *text >= 'a' && *text <= 'f'            ? (unsigned)(*text - 'a' + 10)
            : *text >= 'A' && *text <= 'F'            ? (unsigned)(*text - 'A' + 10)
                                                      : 99;
        if (digit >= base) return NO_INTEGER;
        if (__builtin_mul_overflow(value, (uint64_t)base, &value)) return TOO_LARGE;
        if (__builtin_add_overflow(value, (uint64_t)digit, &value)) return TOO_LARGE;
    }
    *ret = value;
    return INTEGER;
}

// Sign and magnitude. Text also has octal and hexadecimal numbers, JSON also 1e3 and 1.0.
static enum integer parse_integer(const struct scalar *scalar, bool *ret_minus, uint64_t *ret)
{
    const char *text = scalar->value->text.data;
    *ret_minus = *text == '-';
    if (*ret_minus) text++;
    if (!scalar->is_json && text[0] == '0' && text[1])
        return text[1] == 'x' || text[1] == 'X' ? parse_digits(text + 2, 16, ret) : parse_digits(text + 1, 8, ret);
    if (scalar->is_json && strpbrk(text, ".eE")) {
        double value;
        if (k_double_parse(text, strlen(text), &value) || value != floor(value)) return NO_INTEGER;
        if (value > 9007199254740992.0) return TOO_LARGE; // not every whole number beyond it is a double
        *ret = (uint64_t)value;
        return INTEGER;
    }
    return parse_digits(text, 10, ret);
}

static bool build_signed(const struct scalar *scalar, int64_t least, int64_t most, int64_t *ret)
{
    bool minus;
    uint64_t magnitude;
    enum integer outcome = parse_integer(scalar, &minus, &magnitude);
    if (outcome == NO_INTEGER)
        return wrong(scalar, K0105, "wants a whole number, not %.*s", shown(scalar), scalar->value->text.data);
    if (outcome == TOO_LARGE || magnitude > (uint64_t)most + minus) // there is one more below zero than above
        return wrong(scalar, K0106, "lies between %lld and %lld; %.*s does not", (long long)least, (long long)most,
            shown(scalar), scalar->value->text.data);
    *ret = minus ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}

static bool build_unsigned(const struct scalar *scalar, uint64_t most, uint64_t *ret)
{
    bool minus;
    uint64_t magnitude;
    enum integer outcome = parse_integer(scalar, &minus, &magnitude);
    if (outcome == NO_INTEGER)
        return wrong(scalar, K0105, "wants a whole number, not %.*s", shown(scalar), scalar->value->text.data);
    // protoc refuses -0 here; JSON knows no difference from 0.
    if (outcome == TOO_LARGE || magnitude > most || (minus && (magnitude || !scalar->is_json)))
        return wrong(scalar, K0106, "lies between 0 and %llu; %.*s does not", (unsigned long long)most, shown(scalar),
            scalar->value->text.data);
    *ret = magnitude;
    return true;
}

static bool build_integer(const struct scalar *scalar, void *destination)
{
    bool is_text_number = scalar->is_json && scalar->value->kind == K_TREE_STRING; // JSON's way to 64 bits
    if (scalar->value->kind != K_TREE_NUMBER && !is_text_number) return wrong_type(scalar, "a whole number");
    int64_t number;
    uint64_t positive;
    switch (scalar->field->type) {
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        if (!build_unsigned(scalar, UINT32_MAX, &positive)) return false;
        *(uint32_t *)destination = (uint32_t)positive;
        return true;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64: return build_unsigned(scalar, UINT64_MAX, destination);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64: return build_signed(scalar, INT64_MIN, INT64_MAX, destination);
    default:
        if (!build_signed(scalar, INT32_MIN, INT32_MAX, &number)) return false;
        *(int32_t *)destination = (int32_t)number;
        return true;
    }
}

// ---- other numbers, truth ----

static bool build_double(const struct scalar *scalar, double *ret)
{
    const struct k_tree_value *value = scalar->value;
    if (value->kind == K_TREE_MESSAGE) return wrong_type(scalar, "a number");
    const char *text = value->text.data;
    bool minus = value->text.length && *text == '-';
    const char *plain = minus ? text + 1 : text;
    bool is_name = value->kind == (scalar->is_json ? K_TREE_STRING : K_TREE_WORD);
    bool is_infinite = scalar->is_json ? strcmp(plain, "Infinity") == 0
                                       : strcasecmp(plain, "inf") == 0 || strcasecmp(plain, "infinity") == 0;
    if (is_name && is_infinite) {
        *ret = minus ? -(double)INFINITY : (double)INFINITY;
        return true;
    }
    if (is_name && (scalar->is_json ? strcmp(text, "NaN") == 0 : strcasecmp(plain, "nan") == 0)) {
        *ret = minus ? -(double)NAN : (double)NAN;
        return true;
    }
    bool is_text_number = scalar->is_json && value->kind == K_TREE_STRING;
    if (value->kind != K_TREE_NUMBER && !is_text_number) return wrong_type(scalar, "a number");
    size_t length = strlen(text);
    bool is_based = !scalar->is_json && plain[0] == '0' && plain[1] && !strpbrk(plain, ".eEfF");
    if (is_based || (plain[0] == '0' && (plain[1] == 'x' || plain[1] == 'X')))
        return wrong(scalar, K0105, "wants a decimal number, not %.*s", shown(scalar), text);
    if (!scalar->is_json && length && (text[length - 1] == 'f' || text[length - 1] == 'F')) length--;
    if (k_double_parse(text, length, ret) == 0) return true;
    // A string was never looked at by the parser; a number can only be too large or too small.
    if (value->kind == K_TREE_STRING) return wrong_type(scalar, "a number");
    return wrong(scalar, K0106, "is no number of 64 bits; %.*s is beyond them", shown(scalar), text);
}

static bool build_real(const struct scalar *scalar, void *destination)
{
    double number;
    if (!build_double(scalar, &number)) return false;
    if (scalar->field->type == PROTOBUF_C_TYPE_DOUBLE) {
        *(double *)destination = number;
        return true;
    }
    *(float *)destination = (float)number;
    if (isinf(*(float *)destination) && !isinf(number))
        return wrong(scalar, K0106, "is no number of 32 bits; %.*s is beyond them", shown(scalar),
            scalar->value->text.data);
    return true;
}

static bool build_bool(const struct scalar *scalar, protobuf_c_boolean *ret)
{
    static const struct {
        const char *text;
        bool value, also_json;
    } words[] = {{"true", true, true}, {"false", false, true}, {"True", true, false}, {"False", false, false},
        {"t", true, false}, {"f", false, false}};
    const struct k_tree_value *value = scalar->value;
    if (value->kind == K_TREE_NUMBER && !scalar->is_json) {
        bool minus;
        uint64_t number;
        if (parse_integer(scalar, &minus, &number) == INTEGER && number <= 1 && !minus) {
            *ret = (protobuf_c_boolean)number;
            return true;
        }
    }
    for (size_t i = 0; value->kind == K_TREE_WORD && i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(words[i].text, value->text.data) != 0 || (scalar->is_json && !words[i].also_json)) continue;
        *ret = words[i].value;
        return true;
    }
    if (value->kind == K_TREE_MESSAGE) return wrong_type(scalar, "true or false");
    const char *quote = value->kind == K_TREE_STRING ? "\"" : "";
    return wrong(scalar, K0105, "wants true or false, not %s%.*s%s", quote, shown(scalar), value->text.data, quote);
}

// ---- choices ----

static void add_choices(struct k_buf *out, const ProtobufCEnumDescriptor *type)
{
    for (unsigned i = 0; i < type->n_values; i++) k_buf_printf(out, "%s%s", i ? ", " : "", type->values[i].name);
}

static bool build_enum(const struct scalar *scalar, uint32_t *ret)
{
    const ProtobufCEnumDescriptor *type = scalar->field->descriptor;
    const struct k_tree_value *value = scalar->value;
    enum k_tree_kind word = scalar->is_json ? K_TREE_STRING : K_TREE_WORD;
    const char *near = NULL;
    if (value->kind == word || value->kind == K_TREE_STRING) {
        const char **names = k_new_array(const char *, type->n_values);
        for (unsigned i = 0; i < type->n_values; i++) {
            names[i] = type->values[i].name;
            if (value->kind != word || strcmp(names[i], value->text.data) != 0) continue;
            *ret = (uint32_t)type->values[i].value;
            free(names);
            return true;
        }
        near = k_nearest(value->text.data, names, type->n_values);
        free(names);
    } else if (value->kind == K_TREE_NUMBER) {
        int64_t number;
        if (!build_signed(scalar, INT32_MIN, INT32_MAX, &number)) return false;
        if (protobuf_c_enum_descriptor_get_value(type, (int)number)) {
            *ret = (uint32_t)(int32_t)number;
            return true;
        }
    }
    struct k_buf choices = {0};
    add_choices(&choices, type);
    if (value->kind == K_TREE_MESSAGE) wrong(scalar, K0107, "is one of %s", choices.data);
    else if (near && strcmp(near, value->text.data) == 0) wrong(scalar, K0107, "is written without quotes: %s", near);
    else if (near) wrong(scalar, K0107, "has no choice \"%s\"; did you mean %s?", value->text.data, near);
    else wrong(scalar, K0107, "has no choice \"%.*s\"; it is one of %s", shown(scalar), value->text.data, choices.data);
    k_buf_fini(&choices);
    return false;
}

// ---- strings ----

static bool build_string(const struct scalar *scalar, char **ret)
{
    const struct k_tree_value *value = scalar->value;
    if (value->kind == K_TREE_WORD || value->kind == K_TREE_NUMBER)
        return wrong(scalar, K0105, "wants a string; put %.*s in quotes", shown(scalar), value->text.data);
    if (value->kind != K_TREE_STRING) return wrong_type(scalar, "a string");
    uint32_t at = 0;
    for (uint32_t step; at < value->text.length && value->text.data[at]; at += step)
        if (!(step = k_utf8_length(value->text.data + at, value->text.length - at))) break;
    if (at < value->text.length) {
        k_reading_error(scalar->reading, k_spans_at(&value->spans, value->at, at), K0108,
            "%s is text, but byte 0x%02x %s", scalar->what, (unsigned)(unsigned char)value->text.data[at],
            value->text.data[at] ? "is not UTF-8" : "cannot stand in it");
        return false;
    }
    *ret = (char *)value->text.data; // in the document's arena, with a NUL behind it
    return true;
}

static int base64_of(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

// Both alphabets, padded or not; false: it is not base64.
static bool decode_base64(struct k_str text, uint8_t *bytes, size_t *ret_length)
{
    uint32_t length = text.length, bits = 0, held = 0;
    while (length && text.length - length < 2 && text.data[length - 1] == '=') length--;
    if (length != text.length && text.length % 4 != 0) return false;
    if (length % 4 == 1) return false;
    *ret_length = 0;
    for (uint32_t i = 0; i < length; i++) {
        int value = base64_of(text.data[i]);
        if (value < 0) return false;
        held = held << 6 | (uint32_t)value;
        bits += 6;
        if (bits < 8) continue;
        bits -= 8;
        bytes[(*ret_length)++] = (uint8_t)(held >> bits);
    }
    return true;
}

static bool build_bytes(const struct scalar *scalar, ProtobufCBinaryData *ret)
{
    const struct k_tree_value *value = scalar->value;
    if (value->kind != K_TREE_STRING) return wrong_type(scalar, "a string");
    if (!scalar->is_json) {
        *ret = (ProtobufCBinaryData){value->text.length, (uint8_t *)value->text.data};
        return true;
    }
    ret->data = k_arena_get(&scalar->reading->document->arena, value->text.length + 1u);
    if (!decode_base64(value->text, ret->data, &ret->len)) return wrong(scalar, K0105, "wants bytes in base64");
    return true;
}

bool k_build_scalar(struct k_reading *reading, const ProtobufCFieldDescriptor *field,
    const struct k_tree_value *value, const char *what, void *destination)
{
    struct scalar scalar = {reading, field, value, what, reading->document->form == K_FORM_JSON};
    switch (field->type) {
    case PROTOBUF_C_TYPE_BOOL: return build_bool(&scalar, destination);
    case PROTOBUF_C_TYPE_ENUM: return build_enum(&scalar, destination);
    case PROTOBUF_C_TYPE_STRING: return build_string(&scalar, destination);
    case PROTOBUF_C_TYPE_BYTES: return build_bytes(&scalar, destination);
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE: return build_real(&scalar, destination);
    default: return build_integer(&scalar, destination);
    }
}
