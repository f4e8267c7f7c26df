// kappa parity: do two states hold the same tables? Exit status 0: they do; 1: they differ, like diff.
#include "replay/parity.h"

#include <stdlib.h>
#include <unistd.h>

#include "cli/output.h"
#include "cli/parity_mark.h"
#include "cli/parity_report.h"
#include "cli/shard_dirs.h"
#include "cli/table.h"

enum {
    GRAPH,
    GENERATION,
    TABLE,
    LIMIT,
    ANY_POSITION,
    OUTPUT,
    MEMORY,
    STATE_DIR,
    KEEP,
    REPORT,
    TIMEOUT,
    KAFKA_OPTIONS
};
static const struct k_option options[] = {
    [GRAPH] = OPTION_GRAPH,
    [GENERATION] = OPTION_GENERATION,
    [TABLE] = {.name = "table", .argument = "NAME", .help = "only this table"},
    [LIMIT] = {.name = "limit",
               .argument = "N",
               .help = "of each table at most so many keys that differ are shown; all are counted",
               .text = "10"},
    [ANY_POSITION] = {.name = "any-position", .help = "compare them also where they stand at different positions"},
    [OUTPUT] = OPTION_OUTPUT_ROWS,
    [MEMORY] = {.name = "memory", .argument = "SIZE", .help = "budget for reading both states", .text = "128MiB"},
    [STATE_DIR] = OPTION_STATE_DIR,
    [KEEP] = {.name = "keep", .help = "with GRAPH: the copies that were compared stay, and are named"},
    [REPORT] = {.name = "report",
                .argument = "N",
                .help =
                    "with GRAPH alone: what differed by that report, as JSON lines; up to 1,000 keys of each table "
                    "are kept"},
    [TIMEOUT] = {.name = "timeout",
                 .argument = "DURATION",
                 .help = "with GRAPH: how long to wait until both have come to the mark",
                 .text = "1m"},
    KAFKA_OPTION_TABLE(KAFKA_OPTIONS),
};

struct side {
    const char *name;      // as people know it
    const char *directory; // of the state
    const char *graph, *generation;
    struct k_state_reader *reader;
    struct k_view *view;
};
struct comparison {
    struct call *call;
    struct side left, right;
    enum output_form form;
    const char *table;
    uint64_t limit, shown, kept; // keys of the present table
    uint32_t tables, differing;
    bool any_position, same_position;
    struct k_parity_report report; // of two generations; mark 0: none is made
    struct report_keys report_keys;
    struct k_buf keys, tables_out; // JSON of the present table's keys; of the tables that are through
};

static void say_row(const struct k_schema *schema, const char *sign, const struct k_value *values)
{
    if (!values) return;
    struct k_buf out = {0};
    table_json_row(&out, schema, values);
    printf("  %s %s\n", sign, out.data);
    k_buf_fini(&out);
}

// {"table":…,"difference":"changed","key":{…},"left":{…},"right":{…}}
static void add_key(struct k_buf *out, const struct k_parity_table *table, enum k_difference difference,
                    const struct k_value *left, const struct k_value *right)
{
    const struct k_table_info *info = table->left;
    const struct k_value *any = left ? left : right;
    k_buf_add_text(out, "{\"table\":");
    k_json_string(out, k_str_of(table->name));
    k_buf_printf(out, ",\"difference\":\"%s\",\"key\":", k_difference_name(difference));
    for (uint32_t i = 0; i < info->key_count; i++) {
        k_buf_add_char(out, i ? ',' : '{');
        k_json_string(out, k_str_of(info->schema.fields[info->key[i]].name));
        k_buf_add_char(out, ':');
        k_value_json(out, &any[info->key[i]]);
    }
    k_buf_add_text(out, "},\"left\":");
    if (left) table_json_row(out, &info->schema, left);
    else k_buf_add_text(out, "null");
    k_buf_add_text(out, ",\"right\":");
    if (right) table_json_row(out, &info->schema, right);
    else k_buf_add_text(out, "null");
    k_buf_add_char(out, '}');
}

static bool show_key(void *context, const struct k_parity_table *table, enum k_difference difference,
                     const struct k_value *left, const struct k_value *right)
{
    struct comparison *c = context;
    if (c->report_keys.file && c->kept < REPORT_KEYS_MAX) {
        struct k_buf line = {0};
        add_key(&line, table, difference, left, right);
        report_keys_add(&c->report_keys, k_buf_str(&line));
        k_buf_fini(&line);
        c->kept++;
    }
    bool more = c->report_keys.file && c->kept < REPORT_KEYS_MAX;
    if (c->shown == c->limit) return more;
    if (c->form == OUTPUT_TABLE) {
        if (c->shown == 0) printf("table %s:\n", table->name);
        say_row(&table->left->schema, "-", left);
        say_row(&table->left->schema, "+", right);
    } else {
        if (c->form == OUTPUT_JSON && c->shown) k_buf_add_char(&c->keys, ',');
        add_key(&c->keys, table, difference, left, right);
        if (c->form == OUTPUT_JSONL) {
            k_buf_add_char(&c->keys, '\n');
            fwrite(c->keys.data, 1, c->keys.length, stdout);
            k_buf_clear(&c->keys);
        }
    }
    return ++c->shown < c->limit || more;
}

static void say_table(const struct comparison *c, const struct k_parity_table *t)
{
    uint64_t differ = t->only_left + t->only_right + t->changed;
    if (!t->left || !t->right) {
        printf("table %s: only %s has it, with %llu rows\n", t->name, t->left ? c->left.name : c->right.name,
               (unsigned long long)(t->left ? t->left_digest.rows : t->right_digest.rows));
    } else if (!t->same_columns) {
        printf("table %s: its columns or its key are others\n", t->name);
    } else if (k_parity_equal(t)) {
        char hex[2 * K_DIGEST_BYTES + 1];
        k_digest_hex(&t->left_digest, hex);
        printf("table %s: equal, %llu rows, digest %s\n", t->name, (unsigned long long)t->left_digest.rows, hex);
    } else {
        if (differ > c->shown) printf("  … and %llu more\n", (unsigned long long)(differ - c->shown));
        printf("table %s: different, %llu and %llu rows: %llu changed, %llu only in %s, %llu only in %s\n", t->name,
               (unsigned long long)t->left_digest.rows, (unsigned long long)t->right_digest.rows,
               (unsigned long long)t->changed, (unsigned long long)t->only_left, c->left.name,
               (unsigned long long)t->only_right, c->right.name);
    }
}

static void add_digest(struct k_buf *out, const char *name, const struct k_table_info *table,
                       const struct k_digest *digest)
{
    char hex[2 * K_DIGEST_BYTES + 1];
    k_digest_hex(digest, hex);
    if (table)
        k_buf_printf(out, ",\"%s\":{\"rows\":%llu,\"digest\":\"%s\"}", name, (unsigned long long)digest->rows, hex);
    else k_buf_printf(out, ",\"%s\":null", name);
}

static void show_table(void *context, const struct k_parity_table *t)
{
    struct comparison *c = context;
    c->tables++;
    c->differing += !k_parity_equal(t);
    if (!k_parity_equal(t) && c->differing == 1) snprintf(c->report.first, sizeof c->report.first, "%s", t->name);
    c->report.changed += t->changed;
    c->report.only_left += t->only_left;
    c->report.only_right += t->only_right;
    if (c->form == OUTPUT_TABLE) {
        say_table(c, t);
    } else if (c->form == OUTPUT_JSON) {
        struct k_buf *out = &c->tables_out;
        if (c->tables > 1) k_buf_add_char(out, ',');
        k_buf_add_text(out, "\n{\"table\":");
        k_json_string(out, k_str_of(t->name));
        k_buf_printf(out, ",\"equal\":%s,\"same_columns\":%s", k_parity_equal(t) ? "true" : "false",
                     t->same_columns ? "true" : "false");
        add_digest(out, "left", t->left, &t->left_digest);
        add_digest(out, "right", t->right, &t->right_digest);
        k_buf_printf(out, ",\"changed\":%llu,\"only_left\":%llu,\"only_right\":%llu,\"ranges\":%u,\"ranges_read\":%u",
                     (unsigned long long)t->changed, (unsigned long long)t->only_left,
                     (unsigned long long)t->only_right, t->ranges, t->ranges_read);
        k_buf_add_text(out, ",\"keys\":[");
        k_buf_add(out, k_buf_str(&c->keys).data, c->keys.length);
        k_buf_add_text(out, "]}");
        k_buf_clear(&c->keys);
    }
    c->shown = c->kept = 0;
}

static int open_side(struct side *side, uint64_t memory_bytes, struct k_error *err)
{
    const struct k_reader_options reader = {.state_dir = side->directory,
                                            .graph = side->graph,
                                            .generation = side->generation,
                                            .memory_bytes = memory_bytes,
                                            .one_view = true};
    int code = k_reader_open(&reader, &side->reader, err);
    if (!code) code = k_view_open(side->reader, &side->view, err);
    return code ? k_wrap(err, code, "%s", side->name) : 0;
}

// Comparing what stands at different places says nothing about either.
static int check_positions(struct comparison *c, struct k_error *err)
{
    bool journals;
    int code = k_parity_same_position(c->left.view, c->right.view, &c->same_position, &journals, err);
    if (code || c->same_position || c->any_position) return code;
    struct k_buf left = {0}, right = {0};
    code = k_parity_position(c->left.view, &left, err);
    if (!code) code = k_parity_position(c->right.view, &right, err);
    if (!code)
        code = k_fail(err, K_E_DATA,
                      "the states stand at different positions, so that a comparison would say nothing; %s: %s; %s: "
                      "%s. --any-position compares them all the same",
                      c->left.name, left.data, c->right.name, right.data);
    k_buf_fini(&left);
    k_buf_fini(&right);
    return code;
}

// What cutover asks for: of all tables.
static int keep_report(struct comparison *c, struct k_error *err)
{
    struct k_parity_report *r = &c->report;
    if (c->table) r->mark = 0;
    if (!r->mark) return 0;
    r->tables = c->tables;
    r->differing = c->differing;
    return parity_keep_report(c->call, KAFKA_OPTIONS, c->left.graph, r, err);
}

static void say_result(const struct comparison *c)
{
    unsigned long long report = c->report.mark;
    if (c->form == OUTPUT_JSON) {
        printf("{\"kind\":\"parity\",\"equal\":%s,\"same_position\":%s,", c->differing ? "false" : "true",
               c->same_position ? "true" : "false");
        if (report) printf("\"report\":%llu,", report);
        printf("\"tables\":[%s]}\n", k_buf_str(&c->tables_out).data);
    } else if (report) {
        FILE *out = c->form == OUTPUT_TABLE ? stdout : stderr;
        fprintf(out, "report %llu: generations %llu and %llu ", report, (unsigned long long)c->report.left,
                (unsigned long long)c->report.right);
        if (c->differing) fprintf(out, "differ in %u of %u tables\n", c->differing, c->tables);
        else fprintf(out, "are equal\n");
    }
}

static int compare(struct comparison *c)
{
    uint64_t memory_bytes = 128u << 20;
    int64_t limit = 10;
    struct k_error err = {0};
    const struct k_options *o = &c->call->options;
    int code = output_rows_form(c->call, OUTPUT, &c->form, &err);
    if (!code) code = k_options_integer(o, LIMIT, 1, INT64_MAX, &limit, &err);
    if (!code) code = k_options_size(o, MEMORY, &memory_bytes, &err);
    if (!code) code = k_options_flag(o, ANY_POSITION, &c->any_position, &err);
    if (code) return command_misused(c->call, &err);
    c->limit = (uint64_t)limit;
    c->table = k_options_text(o, TABLE);
    code = open_side(&c->left, memory_bytes / 2, &err);
    if (!code) code = open_side(&c->right, memory_bytes / 2, &err);
    if (!code) code = check_positions(c, &err);
    if (!code && c->report.mark && !c->table)
        report_keys_begin(&c->report_keys, k_options_text(o, STATE_DIR), c->left.graph, c->report.mark);
    const struct k_parity_visit visit = {.key = show_key, .table = show_table, .context = c};
    if (!code) code = k_parity(c->left.view, c->right.view, c->table, &visit, &err);
    if (!code) code = keep_report(c, &err);
    report_keys_end(&c->report_keys, code == 0);
    if (code) {
        fflush(stdout);
        int status = code == K_E_USAGE ? command_misused(c->call, &err) : command_failed(c->call, code, &err);
        // 1 says "they differ", and nothing else.
        return status == 1 ? k_error_status(K_E_DATA) : status;
    }
    if (c->form == OUTPUT_TABLE && c->tables == 0) puts("neither state has a table");
    say_result(c);
    fflush(stdout);
    return c->differing ? 1 : 0;
}

// GRAPH G1 G2: both sides are copies at one mark of the running pipeline.
static int compare_generations(struct comparison *c)
{
    const struct k_options *o = &c->call->options;
    struct parity_mark mark = {.state_dir = k_options_text(o, STATE_DIR),
                               .graph = o->operands[0],
                               .generations = {o->operands[1], o->operands[2]},
                               .timeout_us = 60000000};
    struct k_error err = {0};
    bool keep = false;
    char *copies = NULL;
    int code = k_options_duration(o, TIMEOUT, &mark.timeout_us, &err);
    if (!code) code = k_options_flag(o, KEEP, &keep, &err);
    if (code) return command_misused(c->call, &err);
    code = parity_take_mark(c->call, KAFKA_OPTIONS, &mark, &copies, &err);
    if (code) {
        int status = command_failed(c->call, code, &err);
        return status == 1 ? k_error_status(K_E_DATA) : status; // 1 says "they differ", and nothing else
    }
    char *names[2] = {k_format("generation %s", mark.generations[0]), k_format("generation %s", mark.generations[1])};
    c->left = (struct side){.name = names[0], .directory = copies, .graph = mark.graph, .generation = o->operands[1]};
    c->right =
        (struct side){.name = names[1], .directory = copies, .graph = mark.graph, .generation = o->operands[2]};
    c->report = (struct k_parity_report){.mark = mark.number,
                                         .left = strtoull(mark.generations[0], NULL, 10),
                                         .right = strtoull(mark.generations[1], NULL, 10)};
    int status = compare(c);
    if (keep) fprintf(stderr, "the copies are in %s\n", copies);
    parity_mark_end(&mark, keep);
    free(names[0]);
    free(names[1]);
    free(copies);
    return status;
}

static int compare_directories(struct comparison *c)
{
    const struct k_options *o = &c->call->options;
    const char *graph = k_options_text(o, GRAPH), *generation = k_options_text(o, GENERATION);
    c->left =
        (struct side){.name = o->operands[0], .directory = o->operands[0], .graph = graph, .generation = generation};
    c->right =
        (struct side){.name = o->operands[1], .directory = o->operands[1], .graph = graph, .generation = generation};
    return compare(c);
}

static int show_report(struct call *call)
{
    struct k_error err = {0};
    int64_t report = 0, limit = 10;
    const struct k_options *o = &call->options;
    int code = 0;
    if (o->operand_count != 1 || !k_options_text(o, REPORT))
        code = k_fail(&err, K_E_USAGE, "what is wanted is DIR1 DIR2, GRAPH G1 G2, or GRAPH --report N");
    if (!code) code = k_options_integer(o, REPORT, 1, INT64_MAX, &report, &err);
    if (!code) code = k_options_integer(o, LIMIT, 1, INT64_MAX, &limit, &err);
    if (code) return command_misused(call, &err);
    code = report_keys_print(k_options_text(o, STATE_DIR), o->operands[0], (uint64_t)report, k_options_text(o, TABLE),
                             (uint64_t)limit, &err);
    int status = code ? command_failed(call, code, &err) : 0;
    return status == 1 ? k_error_status(K_E_DATA) : status; // 1 says "they differ", and nothing else
}

static int run(struct call *call)
{
    struct comparison c = {.call = call};
    if (call->options.operand_count == 1 || k_options_text(&call->options, REPORT)) return show_report(call);
    int status = call->options.operand_count == 3 ? compare_generations(&c) : compare_directories(&c);
    k_view_close(c.left.view);
    k_view_close(c.right.view);
    k_reader_close(c.left.reader);
    k_reader_close(c.right.reader);
    k_buf_fini(&c.keys);
    k_buf_fini(&c.tables_out);
    return status;
}

const struct command command_parity = {
    .name = "parity",
    .operands = "DIR1 DIR2 | GRAPH G1 G2 | GRAPH --report N",
    .doc = "compare the tables of two states that stand at the same position",
    .more =
        "Of a running pipeline, by its name: generations G1 and G2, which both have their state in --state-dir,\n"
        "are compared at one mark of its journals, while they go on; the result is kept under a number that\n"
        "kappa cutover asks for (not that of one --table). GRAPH --report N shows what differed by that report.\n"
        "A state is a state directory, an export, or what `kappa run --into` made. Exit status 0: the tables are\n"
        "equal; 1: they differ, and the keys that do are shown with both values; 65: they stand at different\n"
        "positions, or one is damaged.",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .operands_min = 1,
    .operands_max = 3,
    .run = run};
