// kappa table list: the tables of a state, as the state itself describes them.
#include "cli/table.h"

#include "base/units.h"

static const struct k_option options[] = {TABLE_OPTIONS};

static void json_table(struct k_buf *out, const struct k_table_info *table)
{
    k_buf_add_text(out, "{\"name\":");
    k_json_string(out, k_str_of(table->name));
    k_buf_add_text(out, ",\"key\":[");
    for (uint32_t i = 0; i < table->key_count; i++) {
        if (i) k_buf_add_char(out, ',');
        k_json_string(out, k_str_of(table->schema.fields[table->key[i]].name));
    }
    k_buf_add_text(out, "],\"columns\":[");
    for (uint32_t i = 0; i < table->schema.count; i++) {
        const struct k_field *field = &table->schema.fields[i];
        k_buf_printf(out, "%s{\"name\":", i ? "," : "");
        k_json_string(out, k_str_of(field->name));
        k_buf_printf(out, ",\"type\":\"%s\",\"not_null\":%s}", k_type_name(field->type),
                     field->not_null ? "true" : "false");
    }
    k_buf_add_text(out, "],\"retention_us\":");
    if (table->retention_us < 0) k_buf_add_text(out, "null");
    else k_json_int(out, table->retention_us);
    k_buf_add_char(out, '}');
}

static void print_json(const struct table_call *call, const struct k_table_info *const *tables, uint32_t count)
{
    struct k_buf out = {0};
    if (call->form == OUTPUT_JSON) {
        k_buf_add_text(&out, "{\"kind\":\"tables\",");
        table_json_position(call, &out);
        k_buf_add_text(&out, ",\"tables\":[");
    }
    for (uint32_t i = 0; i < count; i++) {
        if (i && call->form == OUTPUT_JSON) k_buf_add_char(&out, ',');
        json_table(&out, tables[i]);
        if (call->form == OUTPUT_JSONL) k_buf_add_char(&out, '\n');
    }
    if (call->form == OUTPUT_JSON) k_buf_add_text(&out, "]}\n");
    fwrite(out.data, 1, out.length, stdout);
    k_buf_fini(&out);
}

static void print_table(const struct k_table_info *const *tables, uint32_t count)
{
    static const char *const headings[] = {"table", "key", "retention", "columns"};
    struct columns *columns = columns_create(stdout, headings, NULL, 4);
    struct k_buf text = {0};
    for (uint32_t i = 0; i < count; i++) {
        const struct k_table_info *table = tables[i];
        columns_cell(columns, k_str_of(table->name));
        for (uint32_t k = 0; k < table->key_count; k++)
            k_buf_printf(&text, "%s%s", k ? ", " : "", table->schema.fields[table->key[k]].name);
        columns_cell(columns, k_buf_str(&text));
        k_buf_clear(&text);
        if (table->retention_us < 0) k_buf_add_text(&text, "for ever");
        else k_duration_print(&text, table->retention_us);
        columns_cell(columns, k_buf_str(&text));
        k_buf_clear(&text);
        for (uint32_t c = 0; c < table->schema.count; c++) {
            const struct k_field *field = &table->schema.fields[c];
            k_buf_printf(&text, "%s%s %s%s", c ? ", " : "", field->name, k_type_name(field->type),
                         field->not_null ? " not null" : "");
        }
        columns_cell(columns, k_buf_str(&text));
        k_buf_clear(&text);
    }
    columns_end(columns);
    k_buf_fini(&text);
}

static int run(struct call *call)
{
    struct table_call table;
    struct k_error err = {0};
    const struct k_table_info *const *tables;
    uint32_t count;
    int status = 0;
    if (table_open(call, &table, &status)) {
        int code = k_view_tables(table.view, &tables, &count, &err);
        if (code) {
            status = command_failed(call, code, &err);
        } else if (table.form == OUTPUT_TABLE) {
            print_table(tables, count);
            fflush(stdout);
            table_say_position(&table);
        } else {
            print_json(&table, tables, count);
        }
    }
    table_close(&table);
    return status;
}

const struct command command_table_list = {.name = "table list",
                                           .doc = "list the tables of a state directory",
                                           .options = options,
                                           .option_count = sizeof options / sizeof *options,
                                           .run = run};
