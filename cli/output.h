// What verbs print: the choice of a form (-o), rows as an aligned table, and questions before something changes.
#pragma once
#include "base/json_out.h"
#include "cli/command.h"

#include <stdio.h>

enum output_form { OUTPUT_TABLE, OUTPUT_JSON, OUTPUT_JSONL };
// The option -o of a verb that prints rows, and of one that prints a document or text.
#define OPTION_OUTPUT_ROWS                                                                             \
    {                                                                                                  \
        .name = "output", .letter = 'o', .argument = "table|json|jsonl", .help = "form of the output", \
        .text = "table"                                                                                \
    }
#define OPTION_OUTPUT_TEXT                                                                                     \
    {                                                                                                          \
        .name = "output", .letter = 'o', .argument = "text|json", .help = "form of the output", .text = "text" \
    }
K_CHECKED int output_rows_form(struct call *call, uint32_t option, enum output_form *ret, struct k_error *err);
K_CHECKED int output_is_json(struct call *call, uint32_t option, bool *ret, struct k_error *err);

#define OPTION_YES                                                   \
    {                                                                \
        .name = "yes", .letter = 'y', .help = "do it without asking" \
    }
#define OPTION_DRY_RUN                                                      \
    {                                                                       \
        .name = "dry-run", .help = "say what would be done, and do nothing" \
    }
// Before something changes: asks on a terminal, needs --yes elsewhere. 0: go on; 1: the answer was no; 64: --yes is
// missing. what reads like "import 3 shards into kappa-state".
int output_confirm(struct call *call, bool yes, const char *what);

// Words with line breaks at width columns, every line indented; ends with a line break unless text is empty.
void output_paragraph(FILE *out, const char *text, uint32_t indent, uint32_t width);

// How long ago, in units that a person wants: "40ms", "7s", "1h2m", "12d".
void output_age(struct k_buf *out, int64_t us);

// A table of text cells. Widths come from the first rows; after those each row is printed at once, so that a long
// table needs no memory, and a cell that is wider moves the rest of its line.
struct columns;
// right: per column, whether cells are aligned to the right; NULL: none. headings are borrowed.
struct columns *columns_create(FILE *out, const char *const *headings, const bool *right, uint32_t count);
void columns_cell(struct columns *columns, struct k_str text); // the next cell; control characters are escaped
void columns_printf(struct columns *columns, const char *format, ...) K_PRINTF(2, 3);
void columns_end(struct columns *columns); // prints what is left, frees; NULL-safe
