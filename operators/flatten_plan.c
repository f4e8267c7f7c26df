// Planning a flatten: the array's column gives place to the element, or to the fields of its schema.
#include <stdlib.h>

#include "operators/flatten.h"

struct planning {
    struct k_planner *planner;
    struct k_node *node;
    const Kappa__V1__Flatten *message;
    const struct k_edge *input;
    struct k_flatten_config *config;
    struct k_schema out;
    bool good;
};

static const Kappa__V1__Schema *find_schema(struct planning *p)
{
    const Kappa__V1__Graph *graph = k_graph_message(p->planner->graph);
    const char **names = k_new_array(const char *, graph->n_schema + 1);
    size_t named = 0;
    const Kappa__V1__Schema *found = NULL;
    for (size_t i = 0; i < graph->n_schema && !found; i++) {
        if (!graph->schema[i]->name) continue;
        if (strcmp(graph->schema[i]->name, p->message->schema) == 0) found = graph->schema[i];
        names[named++] = graph->schema[i]->name;
    }
    if (!found) {
        const char *nearest = k_nearest(p->message->schema, names, named);
        k_plan_error(p->planner, p->message, "schema", 0, K0221, "flatten \"%s\": there is no schema \"%s\"%s%s%s",
                     p->node->name, p->message->schema, nearest ? "; did you mean \"" : "", nearest ? nearest : "",
                     nearest ? "\"?" : "");
        p->good = false;
    }
    free(names);
    return found;
}

// What is wrong in a schema that a source has, too, is said there.
static bool source_has(const struct planning *p)
{
    const Kappa__V1__Graph *graph = k_graph_message(p->planner->graph);
    for (size_t i = 0; i < graph->n_source; i++)
        if (graph->source[i]->schema && strcmp(graph->source[i]->schema, p->message->schema) == 0) return true;
    return false;
}

static void read_schema(struct planning *p)
{
    const Kappa__V1__Schema *schema = find_schema(p);
    if (!schema) return;
    struct k_schema *fields = &p->config->fields;
    bool loud = !source_has(p);
    fields->fields = k_arena_array(p->planner->arena, struct k_field, schema->n_field);
    for (size_t i = 0; i < schema->n_field; i++) {
        size_t offset;
        const char *why;
        struct k_field *field = &fields->fields[fields->count];
        if (k_field_parse(p->planner->arena, k_str_of(schema->field[i]), field, &offset, &why)) {
            fields->count++;
            continue;
        }
        p->good = false;
        if (!loud) continue;
        k_diag_error(p->planner->diags, k_graph_pos_in(p->planner->graph, schema, "field", (int)i, offset), K0220,
                     "field \"%s\" of schema \"%s\": %s", schema->field[i], schema->name, why);
    }
    if (schema->n_field) return;
    if (loud && !k_graph_is_broken(p->planner->graph, schema))
        k_plan_error(p->planner, schema, NULL, -1, K0220,
                     "schema \"%s\" has no field; add one, such as  field: \"id string not null\"",
                     p->message->schema);
    p->good = false;
}

static void add(struct planning *p, struct k_field field, int32_t from)
{
    p->config->from[p->out.count] = from;
    field.json_path = NULL;
    p->out.fields[p->out.count++] = field;
}

// What an element becomes. Where there is none, or one that failed and may, all of it is NULL.
static void add_element(struct planning *p)
{
    bool always = !p->config->outer && p->node->on_error != K_ON_ERROR_PASS_NULL;
    if (p->message->as) {
        p->config->element = (int32_t)p->out.count;
        add(p, (struct k_field){.name = p->message->as, .type = K_JSON}, -1);
    }
    p->config->first_field = p->out.count;
    for (uint32_t i = 0; i < p->config->fields.count; i++) {
        struct k_field field = p->config->fields.fields[i];
        field.not_null &= always;
        add(p, field, -1);
    }
}

static bool names_are_distinct(struct planning *p)
{
    bool distinct = true;
    for (uint32_t i = 0; i < p->out.count; i++) {
        int32_t first = k_schema_find(&p->out, k_str_of(p->out.fields[i].name));
        if (first == (int32_t)i) continue;
        // Of the two, the one that this node adds is at fault.
        uint32_t made = p->config->from[i] < 0 ? i : (uint32_t)first;
        bool by_as = (int32_t)made == p->config->element;
        k_plan_error(p->planner, p->message, by_as ? "as" : "schema", 0, K0404,
                     "there would be two columns \"%s\"; %s", p->out.fields[i].name,
                     by_as ? "give the element another name" : "rename the other one with a map before");
        distinct = false;
    }
    return distinct;
}

static bool plan_array(struct planning *p)
{
    const char *name = p->message->field;
    if (!k_plan_need(p->planner, p->node, p->message, "field", name, "field: \"COLUMN\"")) return false;
    int32_t column = k_plan_column(p->planner, p->message, "field", 0, name, p->input, "field");
    if (column < 0) return false;
    enum k_type type = p->input->schema.fields[column].type;
    p->config->array = (uint32_t)column;
    p->input->read[column] = true;
    if (type == K_JSON) return true;
    k_plan_error(p->planner, p->message, "field", 0, K0403,
                 "field: \"%s\" is of type %s; flatten takes arrays, which are of type json", name,
                 k_type_name(type));
    return false;
}

static void make_edge(struct planning *p)
{
    struct k_arena *arena = p->planner->arena;
    struct k_edge *edge = k_arena_zeroed(arena, sizeof *edge);
    edge->name = p->node->name;
    edge->schema = p->out;
    edge->read = k_arena_zeroed(arena, p->out.count + 1);
    k_edge_map(arena, edge, p->input, p->config->from);
    edge->unique_count = 0; // a row of the input may have become several
    p->node->outputs = edge;
    p->node->output_count = 1;
}

bool k_flatten_plan(struct k_planner *planner, struct k_node *node)
{
    const Kappa__V1__Flatten *message = node->message;
    struct k_arena *arena = planner->arena;
    struct k_flatten_config *config = node->config = k_arena_zeroed(arena, sizeof *config);
    struct planning p = {.planner = planner,
                         .node = node,
                         .message = message,
                         .input = node->inputs[0],
                         .config = config,
                         .good = true};
    config->outer = message->has_outer && message->outer;
    config->element = -1;
    p.good &= plan_array(&p);
    if (message->schema) read_schema(&p);
    if (!message->as && !message->schema)
        p.good &= k_plan_need(planner, node, message, "as", NULL,
                              "as: \"NAME\"  for the element, or  schema: \"NAME\"  for the fields of elements "
                              "that are objects");
    if (message->as && !*message->as) p.good &= k_plan_need(planner, node, message, "as", "", "as: \"NAME\"");
    if (!p.good) return false;
    size_t most = p.input->schema.count + config->fields.count + 1;
    p.out.fields = k_arena_array(arena, struct k_field, most);
    config->from = k_arena_array(arena, int32_t, most);
    for (uint32_t i = 0; i < p.input->schema.count; i++) {
        if (i == config->array) add_element(&p);
        else add(&p, p.input->schema.fields[i], (int32_t)i);
    }
    if (!names_are_distinct(&p)) return false;
    make_edge(&p);
    return true;
}
