// Planning a join: what its condition compares, which columns it must remember, and the edge that it gives.
#include <stdlib.h>

#include "operators/join.h"

struct planning {
    struct k_planner *planner;
    struct k_node *node;
    const Kappa__V1__Join *message;
    struct k_join_config *config;
    struct k_scope scope; // of both inputs
    struct k_schema out;
    struct k_column_origin *from;
    int32_t *passed; // of out: the stream's column that it is, or -1
    bool good;
};

static void fail_input(struct planning *p, uint32_t port, const char *code, const char *text)
{
    k_diag_error(p->planner->diags, k_graph_pos(p->planner->graph, p->node->owner, "input", (int)port), code,
                 "join \"%s\": %s", p->node->name, text);
    p->good = false;
}

static bool check_inputs(struct planning *p)
{
    const struct k_edge *stream = p->node->inputs[K_JOIN_STREAM], *table = p->node->inputs[K_JOIN_TABLE];
    struct k_arena *arena = p->planner->arena;
    if (!table->is_table)
        fail_input(p, K_JOIN_TABLE, K0421,
                   k_arena_format(arena,
                                  "its second input \"%s\" is a stream, and a join of two streams is not there "
                                  "yet; make it a table: a source with  key: \"COLUMN\"",
                                  table->name));
    if (stream->is_table)
        fail_input(p, K_JOIN_STREAM, K0411,
                   k_arena_format(arena, "its first input \"%s\" is a table; the stream comes first", stream->name));
    if (stream->updating)
        fail_input(p, K_JOIN_STREAM, K0407,
                   k_arena_format(arena,
                                  "\"%s\" takes rows back, which a join cannot; let its windows speak ON_CLOSE",
                                  stream->name));
    return p->good;
}

// Both inputs' columns under the names by which the expressions call them.
static void name_both(struct planning *p)
{
    struct k_join_config *config = p->config;
    struct k_arena *arena = p->planner->arena;
    uint32_t most = p->node->inputs[0]->schema.count + p->node->inputs[1]->schema.count;
    config->both.fields = k_arena_array(arena, struct k_field, most);
    for (uint32_t port = 0; port < K_JOIN_INPUTS; port++) {
        const struct k_edge *input = p->node->inputs[port];
        config->first[port] = config->both.count;
        for (uint32_t i = 0; i < input->schema.count; i++) {
            struct k_field *field = &config->both.fields[config->both.count++];
            *field = input->schema.fields[i];
            field->name = k_arena_format(arena, "%s.%s", input->name, input->schema.fields[i].name);
            // Without a match there is nothing of the table.
            if (port == K_JOIN_TABLE && config->left) field->not_null = false;
        }
    }
    p->scope = (struct k_scope){&config->both, p->node->name, k_arena_zeroed(arena, most)};
}

static void add(struct planning *p, struct k_field field, struct k_join_output output, int index)
{
    field.hidden = false;
    field.json_path = NULL;
    uint32_t at = p->out.count++, column = output.column;
    bool of_stream = !output.expr && column < p->config->first[K_JOIN_TABLE];
    p->out.fields[at] = field;
    p->config->outputs[at] = output;
    p->from[at] = (struct k_column_origin){"select", index};
    p->passed[at] = of_stream ? (int32_t)column : -1;
}

// The input that "NAME.*" means, or -1.
static int star_of(const struct planning *p, const char *text)
{
    size_t lead = strspn(text, " \t\r\n");
    for (int port = 0; port < K_JOIN_INPUTS; port++) {
        const char *name = p->node->inputs[port]->name, *rest = text + lead + strlen(name);
        if (strncmp(text + lead, name, strlen(name)) != 0 || strncmp(rest, ".*", 2) != 0) continue;
        if (rest[2 + strspn(rest + 2, " \t\r\n")] == 0) return port;
    }
    return -1;
}

static void add_all(struct planning *p, int port, int index)
{
    const struct k_edge *input = p->node->inputs[port];
    for (uint32_t i = 0; i < input->schema.count; i++) {
        if (input->schema.fields[i].hidden) continue;
        uint32_t column = p->config->first[port] + i;
        struct k_field field = p->config->both.fields[column];
        field.name = input->schema.fields[i].name;
        p->scope.read[column] = true;
        add(p, field, (struct k_join_output){NULL, column}, index);
    }
}

static void add_expression(struct planning *p, int index)
{
    const char *text = p->message->select[index], *name = NULL;
    struct k_expr *expr =
        k_expr_compile(p->planner->arena, k_str_of(text), &p->scope,
                       k_plan_place(p->planner, p->message, "select", index, 0), p->planner->diags, &name);
    struct k_field field;
    if (!expr || !k_plan_field(p->planner, p->message, "select", index, name, expr, p->node->on_error, &field)) {
        p->good = false;
        return;
    }
    int32_t column = k_expr_column(expr);
    add(p, field, (struct k_join_output){column >= 0 ? NULL : expr, column >= 0 ? (uint32_t)column : 0}, index);
}

static void plan_selects(struct planning *p)
{
    const Kappa__V1__Join *message = p->message;
    uint32_t most = (uint32_t)message->n_select * (p->config->both.count + 1);
    p->out.fields = k_arena_array(p->planner->arena, struct k_field, most);
    p->config->outputs = k_arena_array(p->planner->arena, struct k_join_output, most);
    p->from = k_arena_array(p->planner->arena, struct k_column_origin, most);
    p->passed = k_arena_array(p->planner->arena, int32_t, most);
    if (message->n_select == 0 && !k_graph_is_broken(p->planner->graph, message)) {
        k_plan_error(p->planner, message, NULL, -1, K0401, "join \"%s\" selects nothing; add  select: \"%s.*\"",
                     p->node->name, p->node->inputs[K_JOIN_STREAM]->name);
        p->good = false;
    }
    for (int i = 0; i < (int)message->n_select; i++) {
        int port = star_of(p, message->select[i]);
        if (port >= 0) add_all(p, port, i);
        else add_expression(p, i);
    }
    p->config->output_count = p->out.count;
    p->good &= k_plan_distinct_names(p->planner, message, &p->out, p->from);
}

static void keep_columns(struct planning *p)
{
    for (uint32_t port = 0; port < K_JOIN_INPUTS; port++) {
        const struct k_edge *input = p->node->inputs[port];
        p->config->kept[port] = k_arena_array(p->planner->arena, uint32_t, input->schema.count);
        for (uint32_t i = 0; i < input->schema.count; i++) {
            if (p->config->late_topic && !input->schema.fields[i].hidden) input->read[i] = true; // it is sent whole
            if (!p->scope.read[p->config->first[port] + i]) continue;
            p->config->kept[port][p->config->kept_count[port]++] = i;
            input->read[i] = true;
        }
    }
}

// Whether an expression names columns of this input, and of no other.
static bool is_of(const struct planning *p, const struct k_expr *expr, uint32_t port)
{
    const struct k_join_config *config = p->config;
    bool *used = k_arena_zeroed(p->planner->arena, config->both.count);
    bool own = false, other = false;
    k_expr_columns(expr, used);
    for (uint32_t i = 0; i < config->both.count; i++)
        if (used[i]) *((i >= config->first[K_JOIN_TABLE]) == (port == K_JOIN_TABLE) ? &own : &other) = true;
    return own && !other;
}

// The condition must compare something of the stream with the table's key, and nothing else.
static void plan_on(struct planning *p)
{
    const Kappa__V1__Join *message = p->message;
    struct k_planner *planner = p->planner;
    const struct k_edge *stream = p->node->inputs[K_JOIN_STREAM], *table = p->node->inputs[K_JOIN_TABLE];
    struct k_join_config *config = p->config;
    const char *key = config->both.fields[config->first[K_JOIN_TABLE] + table->table_key].name;
    const char *advice = k_arena_format(planner->arena, "on: \"%s.COLUMN = %s\"", stream->name, key);
    bool *read = p->scope.read;
    p->good = false;
    if (!k_plan_need(planner, p->node, message, "on", message->on, advice)) return;
    uint32_t count;
    p->scope.read = k_arena_zeroed(planner->arena, config->both.count);
    const struct k_expr_pair *pairs =
        k_expr_compile_pairs(planner->arena, k_str_of(message->on), &p->scope,
                             k_plan_place(planner, message, "on", 0, 0), planner->diags, &count);
    for (uint32_t i = 0; pairs && i < stream->schema.count; i++) stream->read[i] |= p->scope.read[i];
    p->scope.read = read;
    if (!pairs) return;
    uint32_t side = count == 1 && is_of(p, pairs[0].sides[1], K_JOIN_TABLE) ? 1 : 0;
    int32_t column = count == 1 ? k_expr_column(pairs[0].sides[side]) : -1;
    if (column != (int32_t)(config->first[K_JOIN_TABLE] + table->table_key) ||
        !is_of(p, pairs[0].sides[1 - side], K_JOIN_STREAM)) {
        k_plan_error(planner, message, "on", 0, K0410,
                     "on: \"%s\" must compare something of \"%s\" with the key of \"%s\", in the key's own type, and "
                     "nothing else; write  %s",
                     message->on, stream->name, table->name, advice);
        return;
    }
    config->key = pairs[0].sides[1 - side];
    p->good = true;
}

// With several shards both must lie where their keys say, so that they meet in one.
static void plan_edge(struct planning *p)
{
    const struct k_edge *stream = p->node->inputs[K_JOIN_STREAM], *table = p->node->inputs[K_JOIN_TABLE];
    struct k_edge *out = k_arena_zeroed(p->planner->arena, sizeof *out);
    out->name = p->node->name;
    out->schema = p->out;
    out->read = k_arena_zeroed(p->planner->arena, p->out.count + 1);
    k_edge_map(p->planner->arena, out, stream, p->passed);
    out->made = true; // what was put in order is never late again
    const struct k_source_plan **sources =
        k_arena_array(p->planner->arena, const struct k_source_plan *, stream->source_count + 1);
    memcpy(sources, stream->sources, stream->source_count * sizeof *sources);
    out->source_count = stream->source_count;
    bool own = false;
    for (uint32_t i = 0; i < stream->source_count; i++) own |= sources[i] == table->sources[0];
    if (!own) sources[out->source_count++] = table->sources[0];
    out->sources = sources;
    out->order = stream->order == K_JOURNALLED ? K_JOURNALLED : K_SORTED;
    out->delay_us = stream->delay_us > table->delay_us ? stream->delay_us : table->delay_us;
    bool together = p->config->key && k_expr_column(p->config->key) == stream->partition_column &&
                    table->partition_column == (int32_t)table->table_key;
    for (uint32_t s = 1; s < out->source_count; s++) together &= sources[s]->crc32 == sources[0]->crc32;
    out->keyed_by_partition = out->keyed_by_partition && together && table->keyed_by_partition;
    p->node->outputs = out;
    p->node->output_count = 1;
}

bool k_join_plan(struct k_planner *planner, struct k_node *node)
{
    const Kappa__V1__Join *message = node->message;
    struct k_join_config *config = k_arena_zeroed(planner->arena, sizeof *config);
    struct planning p = {.planner = planner, .node = node, .message = message, .config = config, .good = true};
    node->config = config;
    config->left = message->has_type && message->type == KAPPA__V1__JOIN__TYPE__LEFT;
    config->late_topic = message->late_topic;
    if (!check_inputs(&p)) return false;
    const struct k_edge *table = node->inputs[K_JOIN_TABLE];
    config->table_key = table->table_key;
    config->tombstone = (uint32_t)k_schema_find(&table->schema, K_STR("_tombstone"));
    name_both(&p);
    plan_selects(&p);
    bool selects = p.good;
    keep_columns(&p);
    table->read[config->table_key] = table->read[config->tombstone] = true;
    plan_on(&p);
    plan_edge(&p);
    node->frontier = true;
    config->sort_family = k_arena_format(planner->arena, "sort/%s", node->name);
    config->table_family = k_arena_format(planner->arena, "join/%s", node->name);
    node->families[0] = config->sort_family;
    node->families[1] = config->table_family;
    config->inline_capacity = k_row_inline_capacity(&table->schema, 0);
    config->type = k_row_value_type(&config->inline_capacity);
    if (config->late_topic) {
        node->topics = &config->late_topic;
        node->topic_count = 1;
    }
    node->state = k_arena_format(planner->arena,
                                 "rows of \"%s\" by %s, kept until removed; rows of both until the "
                                 "frontier has passed them",
                                 table->name, table->schema.fields[config->table_key].name);
    return p.good && selects;
}
