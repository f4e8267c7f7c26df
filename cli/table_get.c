// kappa table get: one row by its key.
#include "cli/table.h"

#include <stdlib.h>

static const struct k_option options[] = {TABLE_OPTIONS};

static void print_row(const struct table_call *call, const struct k_table_info *table, const struct k_value *values)
{
    struct k_buf out = {0};
    if (call->form == OUTPUT_TABLE) {
        const char **headings;
        struct columns *columns = table_columns(table, &headings);
        table_add_row(columns, &table->schema, values, &out);
        columns_end(columns);
        free(headings);
        fflush(stdout);
        table_say_position(call);
    } else {
        if (call->form == OUTPUT_JSON) {
            k_buf_add_text(&out, "{\"kind\":\"row\",\"table\":");
            k_json_string(&out, k_str_of(table->name));
            k_buf_add_char(&out, ',');
            table_json_position(call, &out);
            k_buf_add_text(&out, ",\"row\":");
        }
        table_json_row(&out, &table->schema, values);
        k_buf_add_text(&out, call->form == OUTPUT_JSON ? "}\n" : "\n");
        fwrite(out.data, 1, out.length, stdout);
    }
    k_buf_fini(&out);
}

static int wrong_count(const struct k_table_info *table, uint32_t given, struct k_error *err)
{
    struct k_buf names = {0};
    for (uint32_t i = 0; i < table->key_count; i++)
        k_buf_printf(&names, "%s%s", i ? ", " : "", table->schema.fields[table->key[i]].name);
    int code = k_fail(err, K_E_USAGE, "the key of table \"%s\" is %s: %u value%s, not %u", table->name, names.data,
                      table->key_count, table->key_count == 1 ? "" : "s", given);
    k_buf_fini(&names);
    return code;
}

static int get(struct table_call *call)
{
    const struct k_options *o = &call->call->options;
    const struct k_table_info *table = NULL;
    struct k_error err = {0};
    struct k_value *key = NULL, *values = NULL;
    struct k_arena arena;
    bool found = false;
    k_arena_init(&arena);
    int code = k_view_table(call->view, o->operands[0], &table, &err);
    if (!code) {
        key = k_new_array(struct k_value, table->key_count + 1);
        values = k_new_array(struct k_value, table->schema.count + 1);
        if (o->operand_count - 1 != table->key_count) code = wrong_count(table, o->operand_count - 1, &err);
        else code = k_view_key(table, o->operands + 1, table->key_count, &arena, key, &err);
    }
    if (!code) code = k_view_get(call->view, table, key, &found, values, &err);
    if (!code && found) {
        print_row(call, table, values);
    } else if (!code) {
        if (call->form == OUTPUT_TABLE) table_say_position(call);
        code = k_fail(&err, K_E_NOT_FOUND, "not found");
    }
    free(key);
    free(values);
    k_arena_fini(&arena);
    if (!code) return 0;
    return code == K_E_USAGE ? command_misused(call->call, &err) : command_failed(call->call, code, &err);
}

static int run(struct call *call)
{
    struct table_call table;
    int status = 0;
    if (table_open(call, &table, &status)) status = get(&table);
    table_close(&table);
    return status;
}

const struct command command_table_get = {
    .name = "table get",
    .operands = "TABLE KEY…",
    .doc = "look up one row of a table by its key",
    .more = "KEY: a value for each column of the key, in its order; before one that begins with \"-\" put \"--\". "
            "Exit status\n"
            "1: there is no such row; 69: its shard's state is not on this machine.",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .operands_min = 2,
    .operands_max = 64,
    .run = run};
