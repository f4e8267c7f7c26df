// Reads programs, has them evaluated, and writes what came of it: the evaluator's main.
#include "tests/postgres/wire.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/error.h"

static char *line;
static size_t line_capacity;

static _Noreturn void broken(const char *what)
{
    fprintf(stderr, "evaluate: %s: %s\n", what, line ? line : "");
    exit(2);
}

static char *next_word(char **at)
{
    char *word = strsep(at, " ");
    if (!word || !*word) broken("a word is missing");
    return word;
}

static uint32_t next_count(char **at, uint32_t most)
{
    unsigned long count = strtoul(next_word(at), NULL, 10);
    if (count > most) broken("a count is too large");
    return (uint32_t)count;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    broken("not a hexadecimal digit");
}

static struct k_str read_bytes(struct k_arena *arena, const char *word)
{
    size_t length = strlen(word) / 2;
    char *bytes = k_arena_get(arena, length + 1);
    for (size_t i = 0; i < length; i++) bytes[i] = (char)(digit(word[2 * i]) << 4 | digit(word[2 * i + 1]));
    bytes[length] = 0;
    return (struct k_str){bytes, (uint32_t)length};
}

static uint64_t read_integer(struct k_str bytes, uint32_t from, uint32_t size)
{
    uint64_t value = 0;
    if (bytes.length < from + size) broken("a value is too short");
    for (uint32_t i = 0; i < size; i++) value = value << 8 | (uint8_t)bytes.data[from + i];
    return value;
}

static struct k_value read_value(struct k_arena *arena, const char *word, enum k_type type)
{
    struct k_value value = {.type = type, .null = *word == '-'};
    if (value.null) return value;
    if (*word != 'x') broken("not a value");
    struct k_str bytes = read_bytes(arena, word + 1);
    uint64_t bits;
    switch (type) {
    case K_BOOL: value.b = read_integer(bytes, 0, 1) != 0; break;
    case K_INT64:
    case K_TIMESTAMP: value.i = (int64_t)read_integer(bytes, 0, 8); break;
    case K_DOUBLE:
        bits = read_integer(bytes, 0, 8);
        memcpy(&value.d, &bits, sizeof bits);
        break;
    case K_INTERVAL:
        value.interval.us = (int64_t)read_integer(bytes, 0, 8);
        value.interval.days = (int32_t)read_integer(bytes, 8, 4);
        value.interval.months = (int32_t)read_integer(bytes, 12, 4);
        break;
    case K_STRING:
    case K_BYTES:
    case K_JSON: value.s = bytes; break;
    case K_NO_TYPE: broken("a value without a type");
    }
    return value;
}

void wire_write(struct k_buf *out, const struct k_value *value)
{
    uint64_t bits;
    if (value->null) {
        k_buf_add_char(out, '-');
        return;
    }
    k_buf_add_char(out, 'x');
    switch (value->type) {
    case K_BOOL: k_buf_printf(out, "%02x", value->b); break;
    case K_INT64:
    case K_TIMESTAMP: k_buf_printf(out, "%016" PRIx64, (uint64_t)value->i); break;
    case K_DOUBLE:
        memcpy(&bits, &value->d, sizeof bits);
        k_buf_printf(out, "%016" PRIx64, bits);
        break;
    case K_INTERVAL:
        k_buf_printf(out, "%016" PRIx64 "%08x%08x", (uint64_t)value->interval.us, (unsigned)value->interval.days,
                     (unsigned)value->interval.months);
        break;
    case K_STRING:
    case K_BYTES:
    case K_JSON:
        for (uint32_t i = 0; i < value->s.length; i++) k_buf_printf(out, "%02x", (uint8_t)value->s.data[i]);
        break;
    case K_NO_TYPE: K_ASSERT(!"a value without a type that is not NULL");
    }
}

const char *wire_result(struct program *program, const struct k_value *value, const char *reason)
{
    if (reason) return k_arena_format(&program->arena, "!%s", reason);
    struct k_buf text = {0};
    wire_write(&text, value);
    const char *copy = k_arena_copy(&program->arena, text.data, text.length);
    k_buf_fini(&text);
    return copy;
}

void wire_refuse(struct program *program, struct k_diags *diags)
{
    struct k_str text = k_str_of(diags->items[0].text);
    k_buf_printf(&program->out, "refused %s x", diags->items[0].code);
    for (uint32_t i = 0; i < text.length && i < REFUSED_TEXT; i++)
        k_buf_printf(&program->out, "%02x", (uint8_t)text.data[i]);
    k_buf_add_char(&program->out, '\n');
}

static void put(enum k_type type, void *data, uint32_t at, const struct k_value *value)
{
    switch (type) {
    case K_BOOL: ((uint8_t *)data)[at] = value->b; break;
    case K_INT64:
    case K_TIMESTAMP: ((int64_t *)data)[at] = value->i; break;
    case K_DOUBLE: ((double *)data)[at] = value->d; break;
    case K_INTERVAL: ((struct k_interval *)data)[at] = value->interval; break;
    case K_STRING:
    case K_BYTES:
    case K_JSON:
        // The address of a NULL faults: kernels never look at it.
        ((struct k_str *)data)[at] = value->null ? (struct k_str){(const char *)(uintptr_t)8, 7} : value->s;
        break;
    case K_NO_TYPE: K_ASSERT(!"a column without a type");
    }
}

struct k_column wire_column(struct program *program, uint32_t column, uint32_t stride, uint32_t shift)
{
    enum k_type type = program->schema.fields[column].type;
    uint32_t rows = program->rows, physical = rows * stride + shift;
    void *data = k_arena_zeroed(&program->arena, (physical + 1) * k_type_width(type));
    uint8_t *valid = k_arena_get(&program->arena, physical + 1);
    bool has_null = false;
    for (uint32_t at = 0; at < physical; at++) {
        bool alive = at >= shift && (at - shift) % stride == 0;
        const struct k_value *value =
            program_value(program, alive ? (at - shift) / stride : (at * 7 + 3) % rows, column);
        valid[at] = !value->null;
        has_null |= value->null;
        put(type, data, at, value);
    }
    return (struct k_column){.type = type, .valid = has_null ? valid : NULL, .data = data};
}

static char *read_line(void)
{
    ssize_t length = getline(&line, &line_capacity, stdin);
    if (length <= 0) return NULL;
    if (line[length - 1] == '\n') line[length - 1] = 0;
    return line;
}

static void read_rows(struct program *program, bool grouped)
{
    uint32_t columns = program->schema.count;
    program->values = k_arena_array(&program->arena, struct k_value, (size_t)program->rows * columns + 1);
    program->group = k_arena_array(&program->arena, uint32_t, program->rows + 1);
    for (uint32_t row = 0; row < program->rows; row++) {
        char *at = read_line();
        if (grouped) program->group[row] = next_count(&at, program->groups - 1);
        for (uint32_t c = 0; c < columns; c++)
            program->values[(size_t)row * columns + c] =
                read_value(&program->arena, next_word(&at), program->fields[c].type);
    }
}

static bool read_program(struct program *program)
{
    static char names[COLUMNS_MAX][2];
    char *at = read_line();
    if (!at) return false;
    bool grouped = strcmp(next_word(&at), "groups") == 0;
    program->text = read_bytes(&program->arena, next_word(&at));
    program->rows = next_count(&at, ROWS_MAX);
    program->groups = grouped ? next_count(&at, ROWS_MAX) : 0;
    program->schema = (struct k_schema){program->fields, 0};
    while (at && *at) {
        if (program->schema.count == COLUMNS_MAX) broken("too many columns");
        struct k_field *field = &program->fields[program->schema.count];
        names[program->schema.count][0] = (char)('a' + program->schema.count);
        *field = (struct k_field){.name = names[program->schema.count++]};
        if (!k_type_parse(k_str_of(next_word(&at)), &field->type)) broken("an unknown type");
    }
    read_rows(program, grouped);
    return true;
}

int main(void)
{
    struct program program = {0};
    k_arena_init(&program.arena);
    while (read_program(&program)) {
        if (program.groups) evaluate_groups(&program);
        else evaluate_scalar(&program);
        fwrite(program.out.data, 1, program.out.length, stdout);
        k_buf_clear(&program.out);
        k_arena_reset(&program.arena);
    }
    k_buf_fini(&program.out);
    k_arena_fini(&program.arena);
    free(line);
    return 0;
}
