// What the test and its evaluator say to each other: lines of words, values in hexadecimal as PostgreSQL's *_send
// functions write them (big-endian; a timestamp counts from 1970, as ours do).
//
//   scalar TEXT ROWS TYPE…             an expression (hexadecimal) over columns a, b, c, … of these types
//   groups TEXT ROWS GROUPS TYPE…      a select of an aggregate node over the same columns; its rows belong to groups
//   one line a row: [group] VALUE…     "-" is NULL, else "x" and the bytes
//
// The answer: "refused CODE TEXT" with the first diagnostic, or "type NAME" and a line per row (group): a value,
// "!REASON" for a row in error, or "?" and words: two ways of evaluation that must agree did not.
#pragma once
#include <stdio.h>

#include "operators/expr/expr.h"

enum { COLUMNS_MAX = 8, ROWS_MAX = 1024, REFUSED_TEXT = 600 };

struct program {
    struct k_arena arena; // reset after each program
    struct k_str text;
    uint32_t rows, groups;
    struct k_field fields[COLUMNS_MAX];
    struct k_schema schema;
    struct k_value *values; // by row, then by column
    uint32_t *group;        // by row
    struct k_buf out;
};

static inline const struct k_value *program_value(const struct program *program, uint32_t row, uint32_t column)
{
    return &program->values[(size_t)row * program->schema.count + column];
}

// Appends the value as it is written.
void wire_write(struct k_buf *out, const struct k_value *value);
// A result, an error's reason where there is one, as text in the program's arena.
const char *wire_result(struct program *program, const struct k_value *value, const char *reason);
// "refused …", with the first diagnostic.
void wire_refuse(struct program *program, struct k_diags *diags);
// One column of the program's rows, at `stride` physical rows each from `shift` on; rows between hold other rows'
// values. What a NULL row points to must not be looked at, and cannot be.
struct k_column wire_column(struct program *program, uint32_t column, uint32_t stride, uint32_t shift);

void evaluate_scalar(struct program *program);
void evaluate_groups(struct program *program);
