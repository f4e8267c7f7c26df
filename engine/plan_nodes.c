// The second half of planning: in the order inputs → readers, each source and operator plans itself, then outputs are
// linked to those who read them.
#include "engine/plan_private.h"
#include "operators/catalogue.h"

#include "proto/codes.h"
#include "proto/protobuf.h"

static enum k_on_error on_error_of(const Kappa__V1__Policy *own, const Kappa__V1__Policy *graph)
{
    const Kappa__V1__Policy *policy = own && own->has_on_error ? own : graph;
    if (!policy || !policy->has_on_error) return K_ON_ERROR_DEAD_LETTER;
    switch (policy->on_error) {
    case KAPPA__V1__POLICY__ON_ERROR__DROP: return K_ON_ERROR_DROP;
    case KAPPA__V1__POLICY__ON_ERROR__STOP: return K_ON_ERROR_STOP;
    case KAPPA__V1__POLICY__ON_ERROR__PASS_NULL: return K_ON_ERROR_PASS_NULL;
    default: return K_ON_ERROR_DEAD_LETTER;
    }
}

static const char *dead_letter_topic_of(const struct planning *p, const Kappa__V1__Policy *own)
{
    return own && own->dead_letter_topic ? own->dead_letter_topic : p->plan->dead_letter_topic;
}

// The output of another thing that an input means.
static struct k_edge *edge_of(struct planning *p, const struct thing *from, const char *route_case,
                              uint32_t *ret_port)
{
    *ret_port = 0;
    if (from->source) return &p->plan->sources[from->planned].edge;
    struct k_node *node = &p->plan->nodes[from->planned];
    if (!route_case) return node->output_count ? &node->outputs[0] : NULL;
    const Kappa__V1__Route *route = from->node->route;
    uint32_t port = (uint32_t)route->n_case_;
    for (uint32_t i = 0; i < route->n_case_; i++)
        if (route->case_[i]->name && strcmp(route->case_[i]->name, route_case) == 0) port = i;
    *ret_port = port;
    return port < node->output_count ? &node->outputs[port] : NULL;
}

// Which oneof arm a node has: the operator, and the arm's message. Both are found through the descriptor, so that a new
// operator is a line in the .proto and a line in the catalogue, and no third list.
static const struct k_operator *operator_of(const Kappa__V1__Node *node, const void **ret_message)
{
    const ProtobufCMessageDescriptor *d = node->base.descriptor;
    for (unsigned i = 0; i < d->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &d->fields[i];
        if (!(f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) || f->id != (uint32_t)node->operator_case) continue;
        *ret_message = *(void *const *)((const char *)node + f->offset);
        const struct k_operator *type = k_operator_find(f->name);
        K_ASSERT(type); // every arm has its operator: a test makes sure
        return type;
    }
    return NULL;
}

static bool identify(struct planning *p, struct thing *t, struct k_node *node)
{
    const Kappa__V1__Policy *policy = NULL;
    node->name = t->name ? t->name : "";
    node->owner = t->message;
    node->message = t->message;
    if (t->table) {
        node->type = k_operator_find("table");
    } else if (t->sink) {
        if (t->sink->transport_case == KAPPA__V1__SINK__TRANSPORT_KAFKA) node->type = k_operator_find("kafka");
        else if (!k_graph_is_broken(p->graph, t->sink))
            k_diag_error(p->diags, k_graph_pos(p->graph, t->sink, NULL, -1), K0207,
                         "sink \"%s\" writes nowhere; add  kafka { topic: \"…\" }", node->name);
    } else {
        policy = t->node->policy;
        node->type = operator_of(t->node, &node->message);
        if (!node->type && !k_graph_is_broken(p->graph, t->node))
            k_diag_error(p->diags, k_graph_pos(p->graph, t->node, NULL, -1), K0207,
                         "node \"%s\" has no operator, such as  filter { where: \"…\" }", node->name);
    }
    node->on_error = on_error_of(policy, p->plan->message->policy);
    node->dead_letter_topic = dead_letter_topic_of(p, policy);
    return node->type != NULL;
}

static bool check_input_count(struct planning *p, const struct thing *t, const struct k_node *node)
{
    uint32_t least = node->type->inputs_max ? node->type->inputs_min : 1;
    uint32_t most = node->type->inputs_max ? node->type->inputs_max : 1;
    if (node->input_count >= least && node->input_count <= most) return true;
    const char *how = most == 1
                          ? "one input"
                          : k_arena_format(&p->plan->arena, "%s%u inputs", most > least ? "at least " : "", least);
    int index = node->input_count > most ? (int)most : 0;
    k_diag_error(p->diags, k_graph_pos(p->graph, t->message, "input", index), K0206,
                 "node \"%s\": %s takes %s, not %u", node->name, node->type->name, how, node->input_count);
    return false;
}

// Rows of a table that replace one another mean something to a join only.
static bool check_tables(struct planning *p, const struct thing *t, const struct k_node *node)
{
    for (uint32_t i = 0; i < node->input_count; i++) {
        if (!node->inputs[i]->is_table || node->type == &k_operator_join) continue;
        k_diag_error(p->diags, k_graph_pos(p->graph, t->message, "input", (int)i), K0411,
                     "\"%s\": source \"%s\" has a key, which makes it a table, and tables are read by joins; leave out "
                     "its key, or add a source of the same topic without one",
                     node->name, node->inputs[i]->name);
        return false;
    }
    return true;
}

static void plan_node(struct planning *p, struct k_planner *planner, struct thing *t)
{
    struct k_node *node = &p->plan->nodes[p->plan->node_count];
    t->planned = p->plan->node_count++;
    bool known = identify(p, t, node);
    node->inputs = k_arena_array(&p->plan->arena, struct k_edge *, t->input_count + 1);
    node->input_count = t->input_count;
    for (uint32_t i = 0; i < t->input_count; i++) {
        uint32_t port;
        node->inputs[i] =
            t->from && t->from[i] >= 0 ? edge_of(p, &p->things[t->from[i]], t->from_case[i], &port) : NULL;
        if (!node->inputs[i] || (t->from[i] >= 0 && p->things[t->from[i]].failed)) t->failed = true;
    }
    if (!known || t->failed) {
        t->failed = true;
        return;
    }
    if (!check_input_count(p, t, node) || !check_tables(p, t, node)) {
        t->failed = true;
        return;
    }
    if (!node->type->plan(planner, node)) t->failed = true;
}

static void plan_source(struct planning *p, struct k_planner *planner, struct thing *t)
{
    struct k_source_plan *source = &p->plan->sources[p->plan->source_count];
    uint32_t number = 0;
    t->planned = p->plan->source_count++;
    while (p->plan->message->source[number] != t->source) number++;
    source->on_error = on_error_of(t->source->policy, p->plan->message->policy);
    source->dead_letter_topic = dead_letter_topic_of(p, t->source->policy);
    if (k_graph_is_broken(p->graph, t->source) || !k_source_plan(planner, t->source, source)) t->failed = true;
    source->number = number;
}

static void link_outputs(struct planning *p)
{
    struct k_plan *plan = p->plan;
    plan->source_links = k_arena_zeroed(&plan->arena, (plan->source_count + 1) * sizeof *plan->source_links);
    plan->node_links = k_arena_zeroed(&plan->arena, (plan->node_count + 1) * sizeof *plan->node_links);
    for (uint32_t i = 0; i < plan->node_count; i++)
        plan->node_links[i] =
            k_arena_zeroed(&plan->arena, (plan->nodes[i].output_count + 1) * sizeof **plan->node_links);
    for (uint32_t o = 0; o < p->order_count; o++) {
        struct thing *t = &p->things[p->order[o]];
        for (uint32_t i = 0; i < t->input_count; i++) {
            struct thing *from = &p->things[t->from[i]];
            uint32_t port;
            edge_of(p, from, t->from_case[i], &port);
            struct k_links *links =
                from->source ? &plan->source_links[from->planned] : &plan->node_links[from->planned][port];
            struct k_link *items = k_arena_array(&plan->arena, struct k_link, links->count + 1);
            if (links->count) memcpy(items, links->items, links->count * sizeof *items);
            items[links->count] = (struct k_link){t->planned, i};
            *links = (struct k_links){items, links->count + 1};
        }
    }
}

// With several shards, rows of one key must meet in one shard: everything keyed has to follow the source's partitions.
static void check_shards(struct planning *p)
{
    struct k_plan *plan = p->plan;
    if (plan->shards <= 1) return;
    for (uint32_t i = 0; i < plan->node_count; i++) {
        struct k_node *node = &plan->nodes[i];
        if (!node->state || !node->input_count || !node->inputs[0] || p->diags->errors) continue;
        const struct k_edge *out = node->output_count ? &node->outputs[0] : node->inputs[0];
        if (out->keyed_by_partition && out->partition_column >= 0) continue;
        k_diag_error(p->diags, k_graph_pos(p->graph, node->owner, "name", 0), K0209,
                     "with --shards %u, %s \"%s\" would need rows of one key from several shards; give its source  "
                     "partitioned_by: \"COLUMN\"  "
                     "and group by that column, or run with --shards 1",
                     plan->shards, node->type->name, node->name);
    }
}

// A topic that the pipeline writes is none that it reads, its journals included: it would feed on itself.
static void check_written(struct planning *p, const void *owner, const char *kind, const char *name,
                          const char *topic)
{
    const struct k_plan *plan = p->plan;
    struct k_pos pos = k_graph_pos(p->graph, owner, "name", 0);
    for (uint32_t i = 0; i < plan->source_count; i++)
        if (strcmp(plan->sources[i].topic, topic) == 0)
            k_diag_error(p->diags, pos, K0204,
                         "%s \"%s\" writes to topic %s, which source \"%s\" reads; a graph has "
                         "no cycles",
                         kind, name, topic, plan->sources[i].name);
    const char *journal = k_arena_format(&p->plan->arena, "%s.journal.", plan->name ? plan->name : "");
    for (uint32_t s = 0; s < plan->shards; s++)
        if (strcmp(k_arena_format(&p->plan->arena, "%s%u", journal, s), topic) == 0)
            k_diag_error(p->diags, pos, K0202, "%s \"%s\" writes to topic %s, which is a journal of this pipeline",
                         kind, name, topic);
}

static void check_topics(struct planning *p)
{
    const struct k_plan *plan = p->plan;
    uint32_t before = p->diags->errors;
    for (uint32_t i = 0; i < plan->source_count && p->diags->errors == before; i++)
        if (plan->sources[i].on_error == K_ON_ERROR_DEAD_LETTER || plan->sources[i].on_error == K_ON_ERROR_PASS_NULL)
            check_written(p, plan->sources[i].message, "source", plan->sources[i].name,
                          plan->sources[i].dead_letter_topic);
    for (uint32_t i = 0; i < plan->node_count; i++) {
        const struct k_node *node = &plan->nodes[i];
        const char *kind = node->output_count ? "node" : node->topic_count ? "sink" : "table";
        for (uint32_t t = 0; t < node->topic_count; t++)
            check_written(p, node->owner, kind, node->name, node->topics[t]);
        // The topic of dead letters is mostly the same one for all: said once.
        if (node->on_error == K_ON_ERROR_DEAD_LETTER && p->diags->errors == before)
            check_written(p, node->owner, kind, node->name, node->dead_letter_topic);
    }
}

void k_plan_things(struct planning *p)
{
    struct k_plan *plan = p->plan;
    struct k_planner planner = {.arena = &plan->arena,
                                .diags = p->diags,
                                .graph = p->graph,
                                .shards = plan->shards,
                                .graph_name = plan->name ? plan->name : "",
                                .files = &p->files};
    plan->sources = k_arena_zeroed(&plan->arena, (p->thing_count + 1) * sizeof *plan->sources);
    plan->nodes = k_arena_zeroed(&plan->arena, (p->thing_count + 1) * sizeof *plan->nodes);
    bool failed = false;
    for (uint32_t o = 0; o < p->order_count; o++) {
        struct thing *t = &p->things[p->order[o]];
        if (t->source) plan_source(p, &planner, t);
        else plan_node(p, &planner, t);
        failed |= t->failed;
    }
    if (failed) return;
    for (uint32_t i = plan->node_count; i > 0; i--) {
        const struct k_node *node = &plan->nodes[i - 1];
        if (node->type->read_back) node->type->read_back(node);
    }
    link_outputs(p);
    check_shards(p);
    check_topics(p);
}

bool k_plan_find_output(const struct k_plan *plan, const char *name, int32_t *ret_source, int32_t *ret_node,
                        uint32_t *ret_port)
{
    *ret_source = *ret_node = -1;
    *ret_port = 0;
    for (uint32_t i = 0; i < plan->source_count; i++)
        if (strcmp(plan->sources[i].name, name) == 0) {
            *ret_source = (int32_t)i;
            return true;
        }
    for (uint32_t i = 0; i < plan->node_count; i++)
        for (uint32_t port = 0; port < plan->nodes[i].output_count; port++)
            if (strcmp(plan->nodes[i].outputs[port].name, name) == 0) {
                *ret_node = (int32_t)i;
                *ret_port = port;
                return true;
            }
    return false;
}

static void need(struct k_topic_need *needs, uint32_t *count, const char *topic, enum k_topic_use use,
                 int32_t partitions)
{
    for (uint32_t i = 0; i < *count; i++)
        if (strcmp(needs[i].topic, topic) == 0) return;
    needs[(*count)++] = (struct k_topic_need){topic, use, partitions};
}

uint32_t k_plan_topics(struct k_plan *plan, const struct k_topic_need **ret)
{
    uint32_t most = plan->shards + plan->source_count * 2, count = 0;
    for (uint32_t i = 0; i < plan->node_count; i++) most += plan->nodes[i].topic_count + 1;
    struct k_topic_need *needs = k_arena_zeroed(&plan->arena, most * sizeof *needs);
    for (uint32_t i = 0; i < plan->source_count; i++) need(needs, &count, plan->sources[i].topic, K_TOPIC_SOURCE, -1);
    for (uint32_t i = 0; i < plan->source_count; i++)
        if (plan->sources[i].on_error == K_ON_ERROR_DEAD_LETTER || plan->sources[i].on_error == K_ON_ERROR_PASS_NULL)
            need(needs, &count, plan->sources[i].dead_letter_topic, K_TOPIC_DEAD_LETTERS, 1);
    for (uint32_t i = 0; i < plan->node_count; i++) {
        const struct k_node *node = &plan->nodes[i];
        const Kappa__V1__Sink *sink = node->output_count == 0 && node->topic_count ? node->owner : NULL;
        int32_t partitions = sink && sink->kafka && sink->kafka->has_partitions ? sink->kafka->partitions : -1;
        for (uint32_t t = 0; t < node->topic_count; t++)
            need(needs, &count, node->topics[t], K_TOPIC_OUTPUT, partitions);
        if (node->on_error == K_ON_ERROR_DEAD_LETTER)
            need(needs, &count, node->dead_letter_topic, K_TOPIC_DEAD_LETTERS, 1);
    }
    for (uint32_t s = 0; s < plan->shards; s++)
        need(needs, &count, k_arena_format(&plan->arena, "%s.journal.%u", plan->name, s), K_TOPIC_JOURNAL, 1);
    *ret = needs;
    return count;
}

void k_graph_canonical(const Kappa__V1__Graph *graph, struct k_buf *out)
{
    // A deep copy by way of bytes: what is taken out must not be taken from the graph itself.
    struct k_buf bytes = {0};
    k_protobuf_pack(&graph->base, &bytes);
    Kappa__V1__Graph *copy = kappa__v1__graph__unpack(NULL, bytes.length, (const uint8_t *)bytes.data);
    k_buf_fini(&bytes);
    K_ASSERT(copy);
    size_t tests = copy->n_test, params = copy->n_param;
    copy->n_test = copy->n_param = 0;
    free(copy->comment);
    copy->comment = NULL;
    for (size_t i = 0; i < copy->n_source; i++) free(copy->source[i]->comment), copy->source[i]->comment = NULL;
    for (size_t i = 0; i < copy->n_node; i++) free(copy->node[i]->comment), copy->node[i]->comment = NULL;
    for (size_t i = 0; i < copy->n_table; i++) free(copy->table[i]->comment), copy->table[i]->comment = NULL;
    for (size_t i = 0; i < copy->n_sink; i++) free(copy->sink[i]->comment), copy->sink[i]->comment = NULL;
    for (size_t i = 0; i < copy->n_schema; i++) free(copy->schema[i]->comment), copy->schema[i]->comment = NULL;
    k_protobuf_pack(&copy->base, out);
    copy->n_test = tests;
    copy->n_param = params;
    kappa__v1__graph__free_unpacked(copy, NULL);
}
