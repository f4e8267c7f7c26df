// Computes, renames and drops columns. Every expression sees the input's columns, never another's result.
#include <stdlib.h>

#include "operators/common.h"

// One column of the output: an input column that passes through, or an expression.
struct output {
    struct k_expr *expr; // NULL: passes
    int32_t column;
};

struct map_config {
    struct output *outputs;
};

struct map {
    struct k_host *host;
    const struct k_node *node;
};

struct planning {
    struct k_planner *planner;
    struct k_node *node;
    const Kappa__V1__Map *message;
    const struct k_edge *input;
    struct k_scope scope;
    struct k_schema out;
    struct output *outputs;
    struct k_column_origin *from;
    bool good;
};

static void add(struct planning *p, uint32_t at, struct k_field field, struct output output, const char *origin,
                int index)
{
    field.hidden = false; // who selects a system column by name wants to see it
    field.json_path = NULL;
    p->out.fields[at] = field;
    p->outputs[at] = output;
    p->from[at] = (struct k_column_origin){origin, index};
    if (at == p->out.count) p->out.count++;
}

static void add_all(struct planning *p, const char *origin, int index)
{
    for (uint32_t i = 0; i < p->input->schema.count; i++) {
        if (p->input->schema.fields[i].hidden) continue;
        p->input->read[i] = true;
        add(p, p->out.count, p->input->schema.fields[i], (struct output){NULL, (int32_t)i}, origin, index);
    }
}

static bool is_star(const char *text)
{
    size_t lead = strspn(text, " \t\r\n");
    return text[lead] == '*' && text[lead + 1 + strspn(text + lead + 1, " \t\r\n")] == 0;
}

// Compiles an expression into the column at an index, which may be the next one.
static void add_expression(struct planning *p, const char *origin, int index, const char *text, size_t offset,
                           const char *set_name)
{
    const char *name = set_name;
    struct k_expr *expr = k_expr_compile(p->planner->arena, k_str_of(text + offset), &p->scope,
                                         k_plan_place(p->planner, p->message, origin, index, offset), p->planner->diags,
                                         set_name ? NULL : &name);
    struct k_field field;
    if (!expr || !k_plan_field(p->planner, p->message, origin, index, name, expr, p->node->on_error, &field)) {
        p->good = false;
        return;
    }
    int32_t column = k_expr_column(expr), existing = set_name ? k_schema_find(&p->out, k_str_of(name)) : -1;
    add(p, existing >= 0 ? (uint32_t)existing : p->out.count, field, (struct output){column >= 0 ? NULL : expr, column},
        origin, index);
}

// Reads the column before the first '=' of a set; returns the offset behind the '=', 0 when there is none.
static size_t split_set(struct k_arena *arena, const char *text, const char **ret_name)
{
    size_t at = strspn(text, " \t\r\n");
    char *name = k_arena_get(arena, strlen(text) + 1);
    size_t length = 0;
    if (text[at] == '"') {
        for (at++; text[at] && (text[at] != '"' || text[at + 1] == '"'); at++) {
            name[length++] = text[at];
            if (text[at] == '"') at++;
        }
        if (text[at++] != '"') return 0;
    } else {
        while (text[at] == '_' || (text[at] >= '0' && text[at] <= '9') ||
               ((text[at] | 32) >= 'a' && (text[at] | 32) <= 'z') || (unsigned char)text[at] >= 0x80)
            name[length++] = text[at++];
    }
    name[length] = 0;
    at += strspn(text + at, " \t\r\n");
    if (length == 0 || text[at] != '=' || text[at + 1] == '=') return 0;
    *ret_name = name;
    return at + 1;
}

static void plan_set(struct planning *p, int index)
{
    const char *text = p->message->set[index], *name;
    size_t offset = split_set(p->planner->arena, text, &name);
    if (offset == 0) {
        k_plan_error(p->planner, p->message, "set", index, K0401,
                     "set: \"%s\" is not of the form  column = expression, such as \"name = lower(name)\"", text);
        p->good = false;
        return;
    }
    for (int before = 0; before < index; before++) {
        const char *other;
        if (!split_set(p->planner->arena, p->message->set[before], &other) || strcmp(other, name) != 0) continue;
        k_plan_error(p->planner, p->message, "set", index, K0404, "set: \"%s\" is set twice", name);
        p->good = false;
        return;
    }
    add_expression(p, "set", index, text, offset, name);
}

static void plan_drop(struct planning *p, int index)
{
    const char *name = p->message->drop[index];
    int32_t at = k_schema_find(&p->out, k_str_of(name));
    if (at < 0) {
        const char *nearest = k_nearest_column(&p->out, name);
        k_plan_error(p->planner, p->message, "drop", index, K0406, "drop: there is no column \"%s\"%s%s%s", name,
                     nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
        p->good = false;
        return;
    }
    uint32_t behind = --p->out.count - (uint32_t)at;
    memmove(&p->out.fields[at], &p->out.fields[at + 1], behind * sizeof p->out.fields[0]);
    memmove(&p->outputs[at], &p->outputs[at + 1], behind * sizeof p->outputs[0]);
    memmove(&p->from[at], &p->from[at + 1], behind * sizeof p->from[0]);
}

static void make_edge(struct planning *p)
{
    struct k_arena *arena = p->planner->arena;
    struct k_edge *edge = k_arena_zeroed(arena, sizeof *edge);
    struct map_config *config = k_arena_zeroed(arena, sizeof *config);
    int32_t *passed = k_arena_array(arena, int32_t, p->out.count);
    for (uint32_t i = 0; i < p->out.count; i++) passed[i] = p->outputs[i].column;
    edge->name = p->node->name;
    edge->schema = p->out;
    edge->read = k_arena_zeroed(arena, p->out.count);
    k_edge_map(arena, edge, p->input, passed);
    config->outputs = p->outputs;
    p->node->config = config;
    p->node->outputs = edge;
    p->node->output_count = 1;
}

static bool map_plan(struct k_planner *planner, struct k_node *node)
{
    const Kappa__V1__Map *message = node->message;
    const struct k_edge *input = node->inputs[0];
    struct k_arena *arena = planner->arena;
    size_t most = (message->n_select + 1) * ((size_t)input->schema.count + 1) + message->n_set;
    struct planning p = {.planner = planner, .node = node, .message = message, .input = input, .good = true,
                         .scope = {&input->schema, input->name, input->read}};
    p.out.fields = k_arena_array(arena, struct k_field, most);
    p.outputs = k_arena_array(arena, struct output, most);
    p.from = k_arena_array(arena, struct k_column_origin, most);
    if (message->n_select == 0) add_all(&p, "select", -1);
    for (size_t i = 0; i < message->n_select; i++) {
        if (is_star(message->select[i])) add_all(&p, "select", (int)i);
        else add_expression(&p, "select", (int)i, message->select[i], 0, NULL);
    }
    p.good &= k_plan_distinct_names(planner, message, &p.out, p.from);
    for (size_t i = 0; i < message->n_set; i++) plan_set(&p, (int)i);
    // What failed above would be missed below: an echo.
    for (size_t i = 0; i < message->n_drop && p.good; i++) plan_drop(&p, (int)i);
    if (p.good && p.out.count == 0) {
        k_plan_error(planner, message, NULL, -1, K0401, "map \"%s\" leaves no column", node->name);
        p.good = false;
    }
    if (message->n_select + message->n_set + message->n_drop == 0 && !k_graph_is_broken(planner->graph, message)) {
        k_plan_error(planner, message, NULL, -1, K0401, "map \"%s\" changes nothing; add select, set or drop",
                     node->name);
        p.good = false;
    }
    if (p.good) make_edge(&p);
    return p.good;
}

static int map_open(void *instance, const struct k_node *node, struct k_host *host, struct k_error *err)
{
    (void)err;
    *(struct map *)instance = (struct map){host, node};
    return 0;
}

static int map_on_batch(void *instance, uint32_t port, const struct k_batch *batch, struct k_error *err)
{
    (void)port;
    struct map *map = instance;
    const struct map_config *config = map->node->config;
    const struct k_schema *schema = &map->node->outputs[0].schema;
    struct k_column *columns = k_arena_array(batch->arena, struct k_column, schema->count);
    struct k_expr_errors errors = {0};
    for (uint32_t i = 0; i < schema->count; i++) {
        const struct output *output = &config->outputs[i];
        columns[i] = output->expr ? k_expr_eval(output->expr, batch, batch->selection, batch->selected, &errors)
                                  : batch->columns[output->column];
    }
    struct k_batch out = *batch;
    out.schema = schema;
    out.columns = columns;
    int code = k_drop_failed(map->host, map->node->on_error, batch, &errors, &out.selection, &out.selected, err);
    if (code) return code;
    map->host->counters->processed += out.selected;
    return out.selected ? map->host->ops->emit(map->host, 0, &out, err) : 0;
}

static void map_close(void *instance)
{
    (void)instance;
}

const struct k_operator k_operator_map = {
    .name = "map",
    .doc = "Computes, renames and drops columns.",
    .plan = map_plan,
    .instance_size = sizeof(struct map),
    .open = map_open,
    .on_batch = map_on_batch,
    .close = map_close,
};
