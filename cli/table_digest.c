// kappa table digest: what tables hold, as numbers that another state, or another program, can be compared with.
//
// A verb of `table` and not of `state show`: it reads every row, it takes the tables' names, and it can wait for a
// position; `state show` reads notes only and answers at once.
#include <stdlib.h>

#include "cli/table.h"
#include "replay/digest.h"

enum { RANGES = TABLE_OPTION_COUNT };
static const struct k_option options[] = {
    TABLE_OPTIONS,
    [RANGES] = {.name = "ranges", .help = "also the digest of each range of keys (with -o json or jsonl)"},
};

struct digests {
    struct table_call *call;
    bool ranges;
    struct columns *columns;
    struct k_buf out;
    uint32_t tables;
    struct k_digest all;
};

static void add_digest(struct k_buf *out, const struct k_digest *digest)
{
    char hex[2 * K_DIGEST_BYTES + 1];
    k_digest_hex(digest, hex);
    k_buf_printf(out, "\"rows\":%llu,\"digest\":\"%s\"", (unsigned long long)digest->rows, hex);
}

// The key with which a range begins, as an array; of the first range null.
static int add_first(struct k_buf *out, const struct k_table_info *table, struct k_str first, struct k_error *err)
{
    if (!first.length) {
        k_buf_add_text(out, "null");
        return 0;
    }
    struct k_arena arena;
    k_arena_init(&arena);
    struct k_value *values = k_arena_array(&arena, struct k_value, table->key_count);
    size_t used;
    int code = k_key_decode(first, table->key_count, &arena, values, &used, err);
    for (uint32_t i = 0; !code && i < table->key_count; i++) {
        k_buf_add_char(out, i ? ',' : '[');
        k_value_json(out, &values[i]);
    }
    k_buf_add_char(out, ']');
    k_arena_fini(&arena);
    return code;
}

static int add_table(struct digests *d, const struct k_table_info *table, const struct k_table_digest *digest,
                     struct k_error *err)
{
    if (d->call->form == OUTPUT_TABLE) {
        char hex[2 * K_DIGEST_BYTES + 1];
        k_digest_hex(&digest->all, hex);
        columns_cell(d->columns, k_str_of(table->name));
        columns_printf(d->columns, "%llu", (unsigned long long)digest->all.rows);
        columns_cell(d->columns, k_str_of(hex));
        return 0;
    }
    if (d->call->form == OUTPUT_JSON) k_buf_add_text(&d->out, d->tables ? ",\n" : "\n");
    k_buf_add_text(&d->out, "{\"table\":");
    k_json_string(&d->out, k_str_of(table->name));
    k_buf_add_char(&d->out, ',');
    add_digest(&d->out, &digest->all);
    if (d->ranges) k_buf_add_text(&d->out, ",\"ranges\":[");
    int code = 0;
    for (uint32_t i = 0; d->ranges && !code && i < digest->range_count; i++) {
        k_buf_add_text(&d->out, i ? ",{\"first\":" : "{\"first\":");
        code = add_first(&d->out, table, digest->ranges[i].first, err);
        k_buf_add_char(&d->out, ',');
        add_digest(&d->out, &digest->ranges[i].digest);
        k_buf_add_char(&d->out, '}');
    }
    k_buf_add_text(&d->out, d->ranges ? "]}" : "}");
    if (d->call->form == OUTPUT_JSONL) k_buf_add_char(&d->out, '\n');
    return code;
}

static int one_table(struct digests *d, const struct k_table_info *table, struct k_error *err)
{
    struct k_table_digest digest;
    int code = k_table_digest(d->call->view, table, &digest, err);
    if (code) return code;
    code = add_table(d, table, &digest, err);
    k_digest_add(&d->all, &digest.all);
    d->tables++;
    k_table_digest_fini(&digest);
    return code;
}

static int some_tables(struct digests *d, struct k_error *err)
{
    const struct k_options *o = &d->call->call->options;
    const struct k_table_info *const *tables, *named;
    uint32_t count;
    int code = 0;
    for (uint32_t i = 0; !code && i < o->operand_count; i++) {
        code = k_view_table(d->call->view, o->operands[i], &named, err);
        if (!code) code = one_table(d, named, err);
    }
    if (code || o->operand_count) return code;
    code = k_view_tables(d->call->view, &tables, &count, err);
    for (uint32_t i = 0; !code && i < count; i++) code = one_table(d, tables[i], err);
    return code;
}

static int print(struct digests *d)
{
    static const char *const headings[] = {"table", "rows", "digest"};
    static const bool right[] = {false, true, false};
    struct k_error err = {0};
    int code = k_options_flag(&d->call->call->options, RANGES, &d->ranges, &err);
    if (!code && d->ranges && d->call->form == OUTPUT_TABLE)
        code = k_fail(&err, K_E_USAGE, "--ranges goes with -o json or -o jsonl");
    if (code) return command_misused(d->call->call, &err);
    if (d->call->form == OUTPUT_JSON) {
        k_buf_add_text(&d->out, "{\"kind\":\"digests\",");
        table_json_position(d->call, &d->out);
        k_buf_add_text(&d->out, ",\"tables\":[");
    }
    if (d->call->form == OUTPUT_TABLE) d->columns = columns_create(stdout, headings, right, 3);
    code = some_tables(d, &err);
    columns_end(d->columns);
    if (!code && d->call->form == OUTPUT_JSON) {
        k_buf_add_text(&d->out, "\n],");
        add_digest(&d->out, &d->all);
        k_buf_add_text(&d->out, "}\n");
    }
    // Half a document is none; lines are whole each.
    if (d->out.length && (!code || d->call->form == OUTPUT_JSONL)) fwrite(d->out.data, 1, d->out.length, stdout);
    fflush(stdout);
    if (code) return command_failed(d->call->call, code, &err);
    if (d->call->form != OUTPUT_JSON) table_say_position(d->call);
    return 0;
}

static int run(struct call *call)
{
    struct table_call table;
    struct digests d = {.call = &table};
    int status = 0;
    if (table_open(call, &table, &status)) status = print(&d);
    table_close(&table);
    k_buf_fini(&d.out);
    return status;
}

const struct command command_table_digest = {
    .name = "table digest",
    .operands = "[TABLE…]",
    .doc = "print a digest of each table, to compare it with another state",
    .more = "A digest is the number of rows and the sum of the SHA-256 of each, modulo 2^256: equal tables have equal "
            "digests,\n"
            "whatever the order of their rows, and docs/state-format.md says how another program computes it.",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .operands_max = 1024,
    .run = run};
