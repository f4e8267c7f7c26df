// kappa table scan: the rows of a table in the order of their keys, one after the other; nothing is gathered first.
#include "cli/table.h"
#include "cli/color.h"

#include "base/diag.h"
#include "operators/expr/expr.h"
#include "proto/codes.h"

#include <stdlib.h>

enum { PREFIX = TABLE_OPTION_COUNT, FROM, TO, LIMIT, WHERE };
static const struct k_option options[] = {
    TABLE_OPTIONS,
    [PREFIX] = {.name = "prefix",
                .argument = "VALUE",
                .help = "only keys that begin so; once for each column from the first on, the last may be the "
                        "beginning of a string",
                .repeated = true},
    [FROM] = {.name = "from",
              .argument = "VALUE",
              .help = "only keys at or behind this one; once for each column from the first on",
              .repeated = true},
    [TO] = {.name = "to",
            .argument = "VALUE",
            .help = "only keys before this one; once for each column from the first on",
            .repeated = true},
    [LIMIT] = {.name = "limit", .argument = "N", .help = "at most so many rows"},
    [WHERE] = {.name = "where", .argument = "EXPR", .help = "only rows for which this SQL condition is true"},
};

struct scanning {
    struct table_call *call;
    const struct k_table_info *table;
    struct k_expr *where; // NULL: all rows
    struct k_arena arena; // of one row's condition
    uint64_t limit, rows; // limit 0: none
    struct columns *columns;
    struct k_buf out;
    int code;
    struct k_error err;
};

static struct k_pos where_pos(const void *context, size_t offset)
{
    (void)context;
    return (struct k_pos){"--where", 1, (uint32_t)offset + 1};
}

// Every mistake of the condition, as for a graph.
static int compile_where(const struct k_table_info *table, const char *text, struct k_arena *arena,
                         struct k_expr **ret, int *ret_status)
{
    struct k_diags diags = {0};
    const struct k_scope scope = {&table->schema, table->name, NULL};
    const struct k_expr_place place = {where_pos, NULL};
    *ret = k_expr_compile(arena, k_str_of(text), &scope, &place, &diags, NULL);
    if (*ret && k_expr_type(*ret) != K_BOOL)
        k_diag_error(&diags, where_pos(NULL, 0), K0322, "the condition is of type %s, not bool",
                     k_type_name(k_expr_type(*ret)));
    int code = diags.errors ? K_E_USAGE : 0;
    if (code) {
        struct k_buf out = {0};
        color_diags(&diags, &out);
        fwrite(out.data, 1, out.length, stderr);
        k_buf_fini(&out);
        *ret_status = k_error_status(K_E_USAGE);
    }
    k_diags_fini(&diags);
    return code;
}

static bool is_wanted(struct scanning *s, const struct k_value *values)
{
    if (!s->where) return true;
    struct k_expr_errors errors = {0};
    struct k_value verdict = k_expr_eval_row(s->where, &s->table->schema, values, &s->arena, &errors);
    bool wanted = !verdict.null && verdict.b;
    if (errors.count) {
        struct k_buf row = {0};
        table_json_row(&row, &s->table->schema, values);
        s->code = k_fail(&s->err, K_E_DATA, "--where fails (%s: %s) for the row %.*s", errors.items[0].reason,
                         errors.items[0].text, row.length < 500 ? (int)row.length : 500, row.data);
        k_buf_fini(&row);
        wanted = false;
    }
    k_arena_reset(&s->arena);
    return wanted;
}

static bool flush(struct scanning *s)
{
    bool good = fwrite(s->out.data, 1, s->out.length, stdout) == s->out.length;
    k_buf_clear(&s->out);
    return good;
}

static bool visit(void *context, const struct k_value *values, const struct k_shard_view *shard)
{
    (void)shard;
    struct scanning *s = context;
    if (!is_wanted(s, values)) return s->code == 0;
    s->rows++;
    if (s->call->form == OUTPUT_TABLE) {
        table_add_row(s->columns, &s->table->schema, values, &s->out);
        k_buf_clear(&s->out);
    } else {
        if (s->call->form == OUTPUT_JSON) k_buf_add_text(&s->out, s->rows > 1 ? ",\n" : "\n");
        table_json_row(&s->out, &s->table->schema, values);
        if (s->call->form == OUTPUT_JSONL) k_buf_add_char(&s->out, '\n');
        if (s->out.length >= 65536 && !flush(s)) return false;
    }
    return s->rows != s->limit && !ferror(stdout);
}

// The rows and what stands around them.
static void print_rows(struct scanning *s, const struct k_scan *scan)
{
    const char **headings = NULL;
    if (s->call->form == OUTPUT_TABLE) {
        s->columns = table_columns(s->table, &headings);
    } else if (s->call->form == OUTPUT_JSON) {
        k_buf_add_text(&s->out, "{\"kind\":\"rows\",\"table\":");
        k_json_string(&s->out, k_str_of(s->table->name));
        k_buf_add_char(&s->out, ',');
        table_json_position(s->call, &s->out);
        k_buf_add_text(&s->out, ",\"rows\":[");
    }
    int code = k_view_scan(s->call->view, s->table, scan, visit, s, s->code ? NULL : &s->err);
    if (code) s->code = code;
    columns_end(s->columns);
    free(headings);
    // Half a document is none: without its end nobody takes it for whole.
    if (s->call->form == OUTPUT_JSON && !s->code) k_buf_add_text(&s->out, "\n]}\n");
    flush(s);
    fflush(stdout);
    if (s->call->form != OUTPUT_JSON) table_say_position(s->call);
}

// A bound from the texts of a repeated option.
static int read_bound(struct scanning *s, uint32_t option, struct k_arena *arena, const struct k_value **ret_values,
                      uint32_t *ret_count, struct k_error *err)
{
    const struct k_option_value *value = &s->call->call->options.values[option];
    struct k_value *values = k_arena_array(arena, struct k_value, value->count + 1);
    int code = k_view_key(s->table, value->texts, value->count, arena, values, err);
    *ret_values = values;
    *ret_count = value->count;
    return code ? k_wrap(err, code, "--%s", s->call->call->command->options[option].name) : 0;
}

static int scan(struct scanning *s, struct k_arena *arena)
{
    struct call *call = s->call->call;
    struct k_error err = {0};
    struct k_scan scan = {0};
    int64_t limit = 0;
    int status = 0;
    int code = k_options_integer(&call->options, LIMIT, 1, INT64_MAX, &limit, &err);
    if (!code) code = k_view_table(s->call->view, call->options.operands[0], &s->table, &err);
    if (!code) code = read_bound(s, PREFIX, arena, &scan.prefix, &scan.prefix_count, &err);
    if (!code) code = read_bound(s, FROM, arena, &scan.from, &scan.from_count, &err);
    if (!code) code = read_bound(s, TO, arena, &scan.to, &scan.to_count, &err);
    if (code) return code == K_E_USAGE ? command_misused(call, &err) : command_failed(call, code, &err);
    scan.prefix_begins = scan.prefix_count && scan.prefix[scan.prefix_count - 1].type == K_STRING;
    s->limit = (uint64_t)limit;
    const char *where = k_options_text(&call->options, WHERE);
    if (where && compile_where(s->table, where, arena, &s->where, &status)) return status;
    print_rows(s, &scan);
    return s->code ? command_failed(call, s->code, &s->err) : 0;
}

static int run(struct call *call)
{
    struct table_call table;
    struct scanning s = {.call = &table};
    struct k_arena arena;
    int status = 0;
    k_arena_init(&arena);
    k_arena_init(&s.arena);
    if (table_open(call, &table, &status)) status = scan(&s, &arena);
    table_close(&table);
    k_buf_fini(&s.out);
    k_arena_fini(&s.arena);
    k_arena_fini(&arena);
    return status;
}

const struct command command_table_scan = {.name = "table scan",
                                           .operands = "TABLE",
                                           .doc = "print the rows of a table in the order of their keys",
                                           .more = "kappa table scan orders --prefix alice --from 2026-01-01 …: "
                                                   "values for the columns of the key, in its order.",
                                           .options = options,
                                           .option_count = sizeof options / sizeof *options,
                                           .operands_min = 1,
                                           .operands_max = 1,
                                           .run = run};
