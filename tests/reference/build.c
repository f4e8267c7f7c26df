// From the graph's message to nodes joined by outputs.
//
// Which columns are read is known only when all nodes are there: who names a column in an expression reads it; tables
// and sinks read all; what passes as it is, is read when it is read behind.
#include "base/units.h"
#include "tests/reference/join.h"
#include "tests/reference/source.h"

int need_duration(const char *text, int64_t *us, struct k_error *err)
{
    if (!text || k_duration_parse(k_str_of(text), us)) return 0;
    return k_fail(err, K_E_CONFIG, "\"%s\" is not a duration", text);
}

int32_t find_column(const struct output *output, const char *name)
{
    struct scope scope = {output->columns, output->count, NULL};
    return scope_find(&scope, k_str_of(name));
}

struct output *find_output(struct reference *r, const char *name)
{
    for (uint32_t n = 0; n < r->node_count; n++)
        for (uint32_t i = 0; i < r->nodes[n]->output_count; i++)
            if (strcmp(r->nodes[n]->outputs[i].name, name) == 0) return &r->nodes[n]->outputs[i];
    return NULL;
}

void make_output(struct reference *r, struct node *node, uint32_t index, const char *name, struct column *columns,
                 uint32_t count)
{
    if (!node->outputs) {
        node->outputs = k_arena_zeroed(&r->arena, (index + 1) * sizeof *node->outputs);
        node->output_count = index + 1;
    }
    struct output *output = &node->outputs[index];
    *output = (struct output){.name = name, .owner = node, .columns = columns, .count = count, .window_end = -1};
    output->read = k_arena_zeroed(&r->arena, count + 1);
    if (!node->input) return;
    output->updating = node->input->updating;
    output->delay = node->input->delay;
}

// A node that hands its rows on as they are.
static void pass_output(struct reference *r, struct node *node, uint32_t index, const char *name)
{
    make_output(r, node, index, name, node->input->columns, node->input->count);
    node->outputs[index].read = node->input->read;
    node->outputs[index].window_end = node->input->window_end;
}

static void set_policy(struct reference *r, struct node *node, const Kappa__V1__Policy *own)
{
    const Kappa__V1__Policy *all = r->graph->policy;
    if (own && own->has_on_error) node->on_error = own->on_error;
    else if (all && all->has_on_error) node->on_error = all->on_error;
    if (own && own->dead_letter_topic) node->dead_letter_topic = own->dead_letter_topic;
    else if (all && all->dead_letter_topic) node->dead_letter_topic = all->dead_letter_topic;
    else node->dead_letter_topic = k_arena_format(&r->arena, "%s.dead-letters", r->graph->name);
}

static struct node *new_node(struct reference *r, enum node_kind kind, const char *name,
                             const Kappa__V1__Policy *policy)
{
    struct node *node = k_arena_zeroed(&r->arena, sizeof *node);
    node->kind = kind;
    node->name = node->counters.name = name ? name : "";
    set_policy(r, node, policy);
    return node;
}

static int condition(struct reference *r, struct node *node, uint32_t index, const char *text, struct k_error *err)
{
    struct scope scope = {node->input->columns, node->input->count, node->input->read};
    const char *name;
    if (!text) return k_fail(err, K_E_CONFIG, "a condition is missing");
    int code = expr_compile(&r->arena, text, &scope, &node->exprs[index], &name, err);
    if (!code && node->exprs[index]->type != TYPE_BOOL)
        return k_fail(err, K_E_CONFIG, "\"%s\" is no condition", text);
    return code;
}

static int build_filter(struct reference *r, struct node *node, const Kappa__V1__Filter *message, struct k_error *err)
{
    node->exprs = k_arena_array(&r->arena, struct expr *, 1);
    pass_output(r, node, 0, node->name);
    return condition(r, node, 0, message->where, err);
}

static int build_route(struct reference *r, struct node *node, const Kappa__V1__Route *message, struct k_error *err)
{
    uint32_t cases = (uint32_t)message->n_case_;
    node->exprs = k_arena_array(&r->arena, struct expr *, cases);
    pass_output(r, node, cases, k_arena_format(&r->arena, "%s.else", node->name));
    for (uint32_t i = 0; i < cases; i++) {
        pass_output(r, node, i, k_arena_format(&r->arena, "%s.%s", node->name, message->case_[i]->name));
        int code = condition(r, node, i, message->case_[i]->when, err);
        if (code) return code;
    }
    return 0;
}

static int build_operator(struct reference *r, struct node *node, const Kappa__V1__Node *message, struct k_error *err)
{
    switch (message->operator_case) {
    case KAPPA__V1__NODE__OPERATOR_FILTER: return build_filter(r, node, message->filter, err);
    case KAPPA__V1__NODE__OPERATOR_MAP: return build_map(r, node, message->map, err);
    case KAPPA__V1__NODE__OPERATOR_ROUTE: return build_route(r, node, message->route, err);
    case KAPPA__V1__NODE__OPERATOR_UNION: return build_union(r, node, err);
    case KAPPA__V1__NODE__OPERATOR_FLATTEN: return build_flatten(r, node, message->flatten, err);
    case KAPPA__V1__NODE__OPERATOR_EVENT_TIME: return build_event_time(r, node, message->event_time, err);
    case KAPPA__V1__NODE__OPERATOR_JOIN: return build_join(r, node, message->join, err);
    case KAPPA__V1__NODE__OPERATOR_AGGREGATE: return build_aggregate(r, node, message->aggregate, err);
    default: return k_fail(err, K_E_CONFIG, "an operator that the reference does not know");
    }
}

static enum node_kind kind_of(const Kappa__V1__Node *message)
{
    switch (message->operator_case) {
    case KAPPA__V1__NODE__OPERATOR_FILTER: return NODE_FILTER;
    case KAPPA__V1__NODE__OPERATOR_MAP: return NODE_MAP;
    case KAPPA__V1__NODE__OPERATOR_ROUTE: return NODE_ROUTE;
    case KAPPA__V1__NODE__OPERATOR_UNION: return NODE_UNION;
    case KAPPA__V1__NODE__OPERATOR_FLATTEN: return NODE_FLATTEN;
    case KAPPA__V1__NODE__OPERATOR_EVENT_TIME: return NODE_EVENT_TIME;
    case KAPPA__V1__NODE__OPERATOR_JOIN: return NODE_JOIN;
    default: return NODE_AGGREGATE;
    }
}

static int join(struct reference *r, struct node *node, const char *input, struct k_error *err)
{
    struct output *from = input ? find_output(r, input) : NULL;
    if (!from) return k_fail(err, K_E_CONFIG, "\"%s\" has no input \"%s\"", node->name, input ? input : "");
    bool reads_already = false;
    for (uint32_t i = 0; i < node->input_count; i++) reads_already |= node->inputs[i] == from;
    struct node **readers = k_arena_array(&r->arena, struct node *, from->reader_count + 1);
    if (from->readers) memcpy(readers, from->readers, from->reader_count * sizeof *readers);
    readers[from->reader_count] = node;
    from->reader_count += !reads_already;
    from->readers = readers;
    if (!node->input) node->input = from;
    struct output **inputs = k_arena_array(&r->arena, struct output *, node->input_count + 1);
    if (node->inputs) memcpy(inputs, node->inputs, node->input_count * sizeof *inputs);
    inputs[node->input_count++] = from;
    node->inputs = inputs;
    return 0;
}

static bool has_inputs(struct reference *r, const Kappa__V1__Node *message)
{
    for (size_t i = 0; i < message->n_input; i++)
        if (!find_output(r, message->input[i])) return false;
    return true;
}

static int add_node(struct reference *r, uint32_t place, const Kappa__V1__Node *message, struct k_error *err)
{
    struct node *node = new_node(r, kind_of(message), message->name, message->policy);
    int code = 0;
    for (size_t i = 0; i < message->n_input && !code; i++) code = join(r, node, message->input[i], err);
    if (!code) code = build_operator(r, node, message, err);
    r->by_graph[place] = r->nodes[r->node_count++] = node;
    return code ? k_wrap(err, code, "node \"%s\"", node->name) : 0;
}

// A node is built when its input is there; the graph may name them in any order.
static int add_nodes(struct reference *r, struct k_error *err)
{
    const Kappa__V1__Graph *graph = r->graph;
    size_t left = graph->n_node;
    while (left > 0) {
        size_t before = left;
        for (size_t i = 0; i < graph->n_node; i++) {
            uint32_t place = (uint32_t)(graph->n_source + i);
            const Kappa__V1__Node *message = graph->node[i];
            if (message->n_input != 1 && !(message->n_input && (message->union_ || message->join)))
                return k_fail(err, K_E_CONFIG, "node \"%s\" has not one input", message->name);
            if (r->by_graph[place] || !has_inputs(r, message)) continue;
            int code = add_node(r, place, message, err);
            if (code) return code;
            left--;
        }
        if (left == before) return k_fail(err, K_E_CONFIG, "a node has no input that exists, or there is a cycle");
    }
    return 0;
}

static int add_stores(struct reference *r, struct k_error *err)
{
    const Kappa__V1__Graph *graph = r->graph;
    uint32_t place = (uint32_t)(graph->n_source + graph->n_node);
    for (size_t i = 0; i < graph->n_table + graph->n_sink; i++) {
        bool table = i < graph->n_table;
        const Kappa__V1__Table *t = table ? graph->table[i] : NULL;
        const Kappa__V1__Sink *s = table ? NULL : graph->sink[i - graph->n_table];
        struct node *node = new_node(r, table ? NODE_TABLE : NODE_SINK, table ? t->name : s->name, NULL);
        r->by_graph[place++] = r->nodes[r->node_count++] = node;
        int code = join(r, node, table ? t->input : s->input, err);
        if (!code) code = table ? build_table(r, node, t, err) : build_sink(r, node, s, err);
        if (code) return k_wrap(err, code, "\"%s\"", node->name);
    }
    return 0;
}

int build(struct reference *r, const int32_t *partitions, struct k_error *err)
{
    const Kappa__V1__Graph *graph = r->graph;
    size_t all = graph->n_source + graph->n_node + graph->n_table + graph->n_sink;
    r->nodes = k_arena_zeroed(&r->arena, all * sizeof *r->nodes);
    r->by_graph = k_arena_zeroed(&r->arena, all * sizeof *r->by_graph);
    int code = 0;
    for (size_t i = 0; i < graph->n_source && !code; i++) {
        struct node *node = new_node(r, NODE_SOURCE, graph->source[i]->name, graph->source[i]->policy);
        r->by_graph[i] = r->nodes[r->node_count++] = node;
        code = build_source(r, node, graph->source[i], partitions ? partitions[i] : 0, err);
        if (!code) node->source->number = (int32_t)i;
        if (code) return k_wrap(err, code, "source \"%s\"", node->name);
    }
    if (!code) code = add_nodes(r, err);
    if (!code) code = add_stores(r, err);
    // From the readers to the sources.
    for (uint32_t n = r->node_count; n-- > 0 && !code;) {
        struct node *node = r->nodes[n];
        bool passes = node->kind == NODE_MAP || node->kind == NODE_FLATTEN;
        for (uint32_t c = 0; passes && c < node->outputs[0].count; c++)
            if (node->from[c] >= 0 && node->outputs[0].read[c]) node->input->read[node->from[c]] = true;
        for (uint32_t i = 0; node->kind == NODE_UNION && i < node->input_count; i++)
            for (uint32_t c = 0; c < node->outputs[0].count; c++)
                if (node->outputs[0].read[c]) node->inputs[i]->read[node->from[i * node->input->count + c]] = true;
        if (node->kind == NODE_SOURCE) code = open_source(r, node, err);
    }
    return code;
}
