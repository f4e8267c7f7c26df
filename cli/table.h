// What the verbs of `kappa table` share: finding the state, waiting for a position, and saying where an answer comes
// from.
#pragma once
#include "cli/output.h"
#include "state/reader.h"

// In a verb's table of options, first of all.
enum {
    TABLE_STATE_DIR,
    TABLE_GRAPH,
    TABLE_GENERATION,
    TABLE_OUTPUT,
    TABLE_WAIT_FOR,
    TABLE_TIMEOUT,
    TABLE_MEMORY,
    TABLE_OPTION_COUNT
};
#define OPTION_GRAPH                                                                     \
    {                                                                                    \
        .name = "graph", .argument = "NAME", .help = "which graph, if there are several" \
    }
#define OPTION_GENERATION                                                                       \
    {                                                                                           \
        .name = "generation", .argument = "G", .help = "which generation of it", .text = "live" \
    }
#define TABLE_OPTIONS                                                                                            \
    [TABLE_STATE_DIR] = OPTION_STATE_DIR, [TABLE_GRAPH] = OPTION_GRAPH, [TABLE_GENERATION] = OPTION_GENERATION,  \
    [TABLE_OUTPUT] = OPTION_OUTPUT_ROWS,                                                                         \
    [TABLE_WAIT_FOR] = {.name = "wait-for",                                                                      \
                        .argument = "POSITION",                                                                  \
                        .help = "answer only from this position on: SHARD:OFFSET,… of the journal as answers " \
                                "name it, or SOURCE/PARTITION:OFFSET of a source (the next one to read)",        \
                        .repeated = true},                                                                       \
    [TABLE_TIMEOUT] = {.name = "timeout",                                                                        \
                       .argument = "DURATION",                                                                   \
                       .help = "how long to wait at most",                                                       \
                       .text = "30s"},                                                                           \
    [TABLE_MEMORY] = {.name = "memory", .argument = "SIZE", .help = "budget for reading the state", .text = "64MiB"}

struct table_call {
    struct call *call;
    enum output_form form;
    struct k_state_reader *reader;
    struct k_view *view;
};
// Reads the shared options, opens the state and a view of it that stands at --wait-for or behind. On failure the error
// is told and *ret_status is the exit status; table_close in every case.
bool table_open(struct call *call, struct table_call *ret, int *ret_status);
void table_close(struct table_call *table);

// Where the answer comes from: one line on stderr, for people.
void table_say_position(const struct table_call *table);
// The same as members of a JSON object: "generation":…,"position":…,"age_ms":…,"shards":[…],"shards_total":n
void table_json_position(const struct table_call *table, struct k_buf *out);

// A row as a JSON object; a value as a person reads it (strings bare, NULL as NULL).
void table_json_row(struct k_buf *out, const struct k_schema *schema, const struct k_value *values);
void table_text_value(struct k_buf *out, const struct k_value *value);
// The columns for rows of a table: key and other columns in their order.
struct columns *table_columns(const struct k_table_info *table, const char ***ret_headings);
void table_add_row(struct columns *columns, const struct k_schema *schema, const struct k_value *values,
                   struct k_buf *scratch);
