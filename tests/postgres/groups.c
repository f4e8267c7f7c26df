// Aggregates: a whole aggregate node, in two ways that must agree. With windows, which say each group once at their
// close; and without, on an updating input in small batches, which says every change: rows are added that are none of
// the case and taken back again, so that what remains must be what the case says.
#include "tests/operators/harness.h"
#include "tests/postgres/wire.h"

#include "base/json_out.h"

enum { SMALL = 7 };

// What is known of a group: the row that was said last and not taken back, and whether it failed since. A batch tells
// its failures before it tells its rows, so that a failure knows its place among them.
struct outcome {
    const char *said, *failed; // NULL: no
    uint32_t failed_row, failed_batch;
};

struct run {
    struct harness harness; // first: hosts become runs
    struct program *program;
    struct outcome *outcomes; // by group
    uint32_t batch;           // how many were fed
};

static uint32_t group_of(const struct k_batch *batch, uint32_t row)
{
    int32_t column = k_schema_find(batch->schema, K_STR("g"));
    K_ASSERT(column >= 0);
    return (uint32_t)batch->columns[column].i[row];
}

static int on_emit(struct k_host *host, uint32_t port, const struct k_batch *batch, struct k_error *err)
{
    struct run *run = (struct run *)host;
    int32_t column = k_schema_find(batch->schema, K_STR("r"));
    K_ASSERT(port == 0 && column >= 0);
    (void)err;
    for (uint32_t i = 0; i < batch->selected; i++) {
        uint32_t row = batch->selection[i];
        struct outcome *outcome = &run->outcomes[group_of(batch, row)];
        struct k_value value = k_column_value(&batch->columns[column], row);
        const char *text = wire_result(run->program, &value, NULL);
        if (batch->weight && batch->weight[row] < 0) {
            bool known = outcome->said && strcmp(outcome->said, text) == 0;
            outcome->said = known ? NULL : "? what is taken back was not said";
            continue;
        }
        outcome->said = text;
        if (outcome->failed_batch != run->batch || outcome->failed_row < row) outcome->failed = NULL;
    }
    return 0;
}

static int on_output(struct k_host *host, const struct k_output *output, struct k_error *err)
{
    (void)host, (void)output;
    return k_fail(err, K_E_DATA, "an aggregate wrote a message");
}

static int on_fail(struct k_host *host, const struct k_batch *batch, uint32_t row, const char *reason,
                   const char *text, struct k_error *err)
{
    struct run *run = (struct run *)host;
    (void)err, (void)text;
    struct outcome *outcome = &run->outcomes[group_of(batch, row)];
    outcome->failed = wire_result(run->program, NULL, reason);
    outcome->failed_row = row;
    outcome->failed_batch = run->batch;
    return 0;
}

static int on_late(struct k_host *host, const struct k_batch *batch, uint32_t row, const char *topic,
                   struct k_error *err)
{
    (void)host, (void)batch, (void)row, (void)topic;
    return k_fail(err, K_E_DATA, "a row is late");
}

static const struct k_host_ops ops = {on_emit, on_output, on_fail, on_late};

// A graph with the aggregate; the select stands in it as JSON writes strings, which text form reads, too.
static const char *graph_of(struct program *program, bool windowed)
{
    struct k_buf text = {0};
    k_buf_add_text(&text, "name: 'g' schema { name: 'S' field: 'g int64 not null' ");
    for (uint32_t c = 0; c < program->schema.count; c++)
        k_buf_printf(&text, "field: '%s %s' ", program->fields[c].name, k_type_name(program->fields[c].type));
    k_buf_add_text(&text, "}\nsource { name: 's' kafka { topic: 't' } format { json {} } schema: 'S' }\n"
                          "node { name: 'n' input: 's' aggregate { group_by: 'g' ");
    if (windowed) k_buf_add_text(&text, "window { tumbling { size: '1m' } } ");
    k_buf_add_text(&text, "select: ");
    const char *select = k_arena_format(&program->arena, "%s AS r", program->text.data);
    k_json_string(&text, k_str_of(select));
    k_buf_add_text(&text, " } }");
    const char *copy = k_arena_copy(&program->arena, text.data, text.length);
    k_buf_fini(&text);
    return copy;
}

// The rows from..to, all of one weight.
static void feed(struct run *run, uint32_t from, uint32_t to, int8_t sign)
{
    struct program *program = run->program;
    const struct k_schema *schema = &run->harness.source.edge.schema;
    struct k_arena *arena = &program->arena;
    uint32_t rows = program->rows;
    struct k_column *columns = k_arena_zeroed(arena, schema->count * sizeof *columns);
    for (uint32_t i = 0; i < schema->count; i++) columns[i].type = schema->fields[i].type;
    int64_t *groups = k_arena_array(arena, int64_t, rows + 1);
    int64_t *time = k_arena_zeroed(arena, (rows + 1) * sizeof *time);
    int8_t *weight = k_arena_get(arena, rows + 1);
    uint32_t *selection = k_arena_array(arena, uint32_t, rows + 1);
    for (uint32_t row = 0; row < rows; row++) {
        groups[row] = program->group[row];
        time[row] = row; // first and last mean the order of the case's rows
    }
    memset(weight, sign, rows);
    for (uint32_t row = from; row < to; row++) selection[row - from] = row;
    columns[0].i = groups;
    for (uint32_t c = 0; c < program->schema.count; c++) columns[c + 1] = wire_column(program, c, 1, 0);
    struct k_batch batch = {.schema = schema,
                            .columns = columns,
                            .rows = rows,
                            .selection = selection,
                            .selected = to - from,
                            .time = time,
                            .arena = &run->harness.arena,
                            .weight = run->harness.source.edge.updating ? weight : NULL};
    struct k_error err = {0};
    run->harness.counters.in += to - from;
    run->batch++;
    if (run->harness.node.type->on_batch(run->harness.instance, 0, &batch, &err) != 0) fail_msg("%s", err.text);
    k_arena_reset(&run->harness.arena);
}

static void feed_windowed(struct run *run)
{
    feed(run, 0, run->program->rows, 1);
    harness_frontier(&run->harness, 60 * SECOND, 100);
}

// Rows that stay, in small batches, the last first.
static void feed_staying(struct run *run)
{
    for (uint32_t end = run->program->rows; end > 0; end -= end < SMALL ? end : SMALL)
        feed(run, end < SMALL ? 0 : end - SMALL, end, 1);
}

static void feed_updating(struct run *run)
{
    uint32_t rows = run->program->rows;
    if (!run->harness.source.edge.updating) {
        feed_staying(run);
        return;
    }
    for (uint32_t at = 0; at < rows; at += SMALL) {
        uint32_t to = at + SMALL < rows ? at + SMALL : rows;
        feed(run, at, to, 1);
        feed(run, at, to, 1);
    }
    for (uint32_t at = 0; at < rows; at += SMALL) feed(run, at, at + SMALL < rows ? at + SMALL : rows, -1);
}

// false after "refused": the program's output says why.
static bool evaluate(struct program *program, bool windowed, const char **ret_texts, const char **ret_type)
{
    struct run run = {.program = program};
    run.outcomes = k_arena_zeroed(&program->arena, program->groups * sizeof *run.outcomes);
    struct harness_input input = {.updating = !windowed};
    const char *graph = graph_of(program, windowed);
    harness_plan(&run.harness, graph, &input);
    // first and last are refused where rows are taken back.
    if (!run.harness.planned && !windowed && strstr(harness_diags(&run.harness), "K0407")) {
        harness_close(&run.harness);
        input.updating = false;
        harness_plan(&run.harness, graph, &input);
    }
    bool planned = run.harness.planned;
    if (!planned) wire_refuse(program, &run.harness.diags);
    harness_close(&run.harness);
    if (!planned) return false;
    harness_open(&run.harness, graph, &input);
    run.harness.host.ops = &ops;
    const struct k_schema *schema = &run.harness.node.outputs[0].schema;
    *ret_type = k_type_name(schema->fields[k_schema_find(schema, K_STR("r"))].type);
    if (windowed) feed_windowed(&run);
    else feed_updating(&run);
    harness_close(&run.harness);
    for (uint32_t g = 0; g < program->groups; g++) {
        const struct outcome *outcome = &run.outcomes[g];
        ret_texts[g] = outcome->failed ? outcome->failed : outcome->said;
        if (!ret_texts[g]) ret_texts[g] = "? nothing was said of the group";
    }
    return true;
}

void evaluate_groups(struct program *program)
{
    const char **closed = k_arena_zeroed(&program->arena, program->groups * sizeof *closed);
    const char **updated = k_arena_zeroed(&program->arena, program->groups * sizeof *updated);
    const char *type = NULL;
    if (!evaluate(program, true, closed, &type) || !evaluate(program, false, updated, &type)) return;
    k_buf_printf(&program->out, "type %s\n", type);
    for (uint32_t g = 0; g < program->groups; g++) {
        if (strcmp(closed[g], updated[g]) == 0) k_buf_printf(&program->out, "%s\n", closed[g]);
        else k_buf_printf(&program->out, "? %s with a window, %s from updates\n", closed[g], updated[g]);
    }
}
