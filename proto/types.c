// Types and schemas: the one table of types (K_TYPES in the header), and the reader of a field's declaration.
//
// A name or a part of a path stands bare or in double quotes, where "" is a quote; quotes let a column be called
// "user agent" and a path name a JSON key that holds a dot. The path is kept as text in its field and read again by
// the decoders with k_path_next, so that there is one reader of it.
#include "proto/types.h"

#include "base/error.h"
#include "base/memory.h"
#include "proto/json_path.h"

const char *k_type_name(enum k_type type)
{
    switch (type) {
    case K_NO_TYPE: return "null";
#define X(name, number, text) \
    case name: return text;
        K_TYPES(X)
#undef X
    }
    K_ASSERT(!"a type outside the table");
}

bool k_type_parse(struct k_str name, enum k_type *ret_type)
{
#define X(type, number, text)              \
    if (k_str_equal(name, K_STR(text))) {  \
        *ret_type = type;                  \
        return true;                       \
    }
    K_TYPES(X)
#undef X
    return false;
}

size_t k_type_width(enum k_type type)
{
    switch (type) {
    case K_NO_TYPE: return 0;
    case K_BOOL: return sizeof(uint8_t);
    case K_INT64:
    case K_TIMESTAMP: return sizeof(int64_t);
    case K_DOUBLE: return sizeof(double);
    case K_STRING:
    case K_BYTES:
    case K_JSON: return sizeof(struct k_str);
    case K_INTERVAL: return sizeof(struct k_interval);
    }
    K_ASSERT(!"a type outside the table");
}

int32_t k_schema_find(const struct k_schema *schema, struct k_str name)
{
    for (uint32_t i = 0; i < schema->count; i++) {
        if (k_str_equal(name, k_str_of(schema->fields[i].name))) return (int32_t)i;
    }
    return -1;
}

// Names that other systems give to our types: refused, for there is one name for one thing, but with advice.
static const struct {
    const char *name, *why;
} foreign_types[] = {
    {"boolean", "the type is written bool"},        {"int", "the type is written int64"},
    {"integer", "the type is written int64"},       {"bigint", "the type is written int64"},
    {"smallint", "the type is written int64"},      {"int32", "the type is written int64"},
    {"long", "the type is written int64"},          {"float", "the type is written double"},
    {"float8", "the type is written double"},       {"real", "the type is written double"},
    {"number", "the type is written double or int64"}, {"text", "the type is written string"},
    {"varchar", "the type is written string"},      {"bytea", "the type is written bytes"},
    {"timestamptz", "the type is written timestamp"}, {"datetime", "the type is written timestamp"},
    {"jsonb", "the type is written json"},          {"interval", "interval exists inside expressions only"},
    {"decimal", "decimal is not supported yet; use double, or int64 in the smallest unit"},
    {"date", "date is not supported yet; use timestamp"},
};

static const char *why_not_a_type(struct k_str name)
{
    for (size_t i = 0; i < sizeof foreign_types / sizeof foreign_types[0]; i++) {
        if (k_str_equal(name, k_str_of(foreign_types[i].name))) return foreign_types[i].why;
    }
    return "unknown type; the types are bool, int64, double, string, bytes, timestamp and json";
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t skip_spaces(struct k_str text, size_t at)
{
    while (at < text.length && is_space(text.data[at])) at++;
    return at;
}

static struct k_str word_at(struct k_str text, size_t at)
{
    size_t end = at;
    while (end < text.length && !is_space(text.data[end])) end++;
    return (struct k_str){text.data + at, (uint32_t)(end - at)};
}

static bool word_is(struct k_str word, const char *lower)
{
    if (word.length != strlen(lower)) return false;
    for (uint32_t i = 0; i < word.length; i++) {
        if ((word.data[i] | 0x20) != lower[i]) return false;
    }
    return true;
}

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool k_quoted_read(struct k_str text, size_t *at, char *ret_name, uint32_t *ret_length)
{
    K_ASSERT(*at < text.length && text.data[*at] == '"');
    uint32_t length = 0;
    for (size_t i = *at + 1; i < text.length; i++) {
        if (text.data[i] == '"') {
            if (i + 1 == text.length || text.data[i + 1] != '"') {
                *at = i + 1;
                *ret_length = length;
                return true;
            }
            i++;
        }
        ret_name[length++] = text.data[i];
    }
    return false;
}

// Where a reader of a field stopped, and why.
struct stop {
    size_t offset;
    const char *why;
};

static bool read_name(struct k_arena *arena, struct k_str text, size_t *at, const char **ret_name, struct stop *stop)
{
    char *name = k_arena_get(arena, text.length + 1);
    uint32_t length = 0;
    size_t begin = *at;
    if (begin < text.length && text.data[begin] == '"') {
        if (!k_quoted_read(text, at, name, &length)) {
            *stop = (struct stop){begin, "the quoted name has no closing quote"};
            return false;
        }
        if (*at < text.length && !is_space(text.data[*at])) {
            *stop = (struct stop){*at, "expected a space after the quoted name"};
            return false;
        }
    } else {
        for (; *at < text.length && !is_space(text.data[*at]); (*at)++) {
            char c = text.data[*at];
            if (!is_name_start(c) && !(length > 0 && c >= '0' && c <= '9')) {
                *stop = (struct stop){*at, "a name is letters, digits and _; put another one in double quotes"};
                return false;
            }
            name[length++] = c;
        }
    }
    if (length == 0 || memchr(name, 0, length)) {
        *stop = (struct stop){begin, length == 0 ? "expected a name" : "a name cannot hold a NUL"};
        return false;
    }
    name[length] = 0;
    *ret_name = name;
    return true;
}

// The end of the path that begins at `begin`: a space inside quotes does not end it.
static size_t path_end(struct k_str text, size_t begin)
{
    bool quoted = false;
    size_t end = begin;
    for (; end < text.length && (quoted || !is_space(text.data[end])); end++) {
        if (text.data[end] == '"') quoted = !quoted;
    }
    return end;
}

static bool read_path(struct k_arena *arena, struct k_str text, size_t *at, const char **ret_path, struct stop *stop)
{
    size_t end = path_end(text, *at);
    struct k_str path = {text.data + *at, (uint32_t)(end - *at)};
    size_t walked = 0;
    const char *why = NULL;
    struct k_str key;
    char *scratch = k_arena_get(arena, path.length + 1);
    if (memchr(path.data, 0, path.length)) why = "a path cannot hold a NUL";
    // The decoder walks a path by recursion.
    for (uint32_t keys = 0; !why && k_path_next(path, &walked, scratch, &key, &why);) {
        if (++keys > K_PATH_KEYS_MAX) why = "a path has at most 32 keys";
    }
    if (why) {
        *stop = (struct stop){*at + walked, why};
        return false;
    }
    *ret_path = k_arena_copy(arena, path.data, path.length);
    *at = end;
    return true;
}

static bool read_field(struct k_arena *arena, struct k_str text, struct k_field *ret_field, struct stop *stop)
{
    struct k_field field = {0};
    size_t at = skip_spaces(text, 0);
    if (!read_name(arena, text, &at, &field.name, stop)) return false;
    at = skip_spaces(text, at);
    struct k_str word = word_at(text, at);
    if (!k_type_parse(word, &field.type) || field.type == K_INTERVAL) {
        *stop = (struct stop){at, word.length ? why_not_a_type(word) : "expected a type after the name"};
        return false;
    }
    at = skip_spaces(text, at + word.length);
    word = word_at(text, at);
    if (word_is(word, "not")) {
        at = skip_spaces(text, at + word.length);
        word = word_at(text, at);
        if (!word_is(word, "null")) {
            *stop = (struct stop){at, "expected null after not"};
            return false;
        }
        field.not_null = true;
        at = skip_spaces(text, at + word.length);
        word = word_at(text, at);
    }
    if (word_is(word, "at")) {
        at = skip_spaces(text, at + word.length);
        if (!read_path(arena, text, &at, &field.json_path, stop)) return false;
        at = skip_spaces(text, at);
    }
    if (at < text.length) {
        *stop = (struct stop){at, "expected \"not null\", \"at $.path\" or the end"};
        return false;
    }
    *ret_field = field;
    return true;
}

bool k_field_parse(struct k_arena *arena, struct k_str text, struct k_field *ret_field, size_t *ret_offset,
                   const char **ret_why)
{
    struct stop stop = {0};
    if (read_field(arena, text, ret_field, &stop)) return true;
    *ret_offset = stop.offset;
    *ret_why = stop.why;
    return false;
}
