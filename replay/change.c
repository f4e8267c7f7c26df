// Each thing of the new plan is looked up by its name in the old one; inputs come before those who read them, so that
// one pass in the plan's order is enough.
#include "replay/change.h"

#include "proto/protobuf.h"

#include <string.h>

struct changing {
    const struct k_plan *old, *new;
    Kappa__V1__Graph *old_graph, *new_graph; // canonical: without comments
    struct k_arena *arena;
    struct k_change *change;
    const char *why_all, *why_frontier; // NULL: not
};

const char *k_fate_name(enum k_fate fate)
{
    static const char *const names[] = {"keep", "rebuild", "remove", "add"};
    return names[fate];
}

static Kappa__V1__Graph *canonical(const struct k_plan *plan)
{
    struct k_buf bytes = {0};
    k_graph_canonical(plan->message, &bytes);
    Kappa__V1__Graph *graph = kappa__v1__graph__unpack(NULL, bytes.length, (const uint8_t *)bytes.data);
    k_buf_fini(&bytes);
    K_ASSERT(graph);
    return graph;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_bytes(const ProtobufCMessage *a, const ProtobufCMessage *b)
{
    return a && b ? k_protobuf_equal(a, b) : a == b;
}

#define FINDER(function, field)                                                              \
    static const ProtobufCMessage *function(const Kappa__V1__Graph *graph, const char *name) \
    {                                                                                        \
        for (size_t i = 0; i < graph->n_##field; i++)                                        \
            if (same_text(graph->field[i]->name, name)) return &graph->field[i]->base;       \
        return NULL;                                                                         \
    }
FINDER(source_message, source)
FINDER(schema_message, schema)
FINDER(node_message, node)
FINDER(table_message, table)
FINDER(sink_message, sink)

// Of a node, table or sink: they share one namespace.
static const ProtobufCMessage *definition(const Kappa__V1__Graph *graph, const char *name)
{
    const ProtobufCMessage *found = node_message(graph, name);
    if (!found) found = table_message(graph, name);
    return found ? found : sink_message(graph, name);
}

static void add(struct changing *c, const char *kind, const char *name, enum k_fate fate, const char *reason)
{
    c->change->items[c->change->count++] = (struct k_change_item){kind, name, fate, reason};
}

static const struct k_change_item *item_of(const struct changing *c, const char *name)
{
    for (uint32_t i = 0; i < c->change->count; i++)
        if (strcmp(c->change->items[i].name, name) == 0) return &c->change->items[i];
    return NULL;
}

// --- sources

static const struct k_source_plan *find_source(const struct k_plan *plan, const char *name)
{
    for (uint32_t i = 0; i < plan->source_count; i++)
        if (strcmp(plan->sources[i].name, name) == 0) return &plan->sources[i];
    return NULL;
}

// A record is malformed by what is read of it: who reads another column may lose, or gain, a record.
static const char *other_reads(const struct changing *c, const struct k_source_plan *old,
                               const struct k_source_plan *new)
{
    for (uint32_t i = 0; i < new->edge.schema.count; i++) {
        if (old->edge.read[i] == new->edge.read[i]) continue;
        return k_arena_format(c->arena, "its column %s is %s, so that other records may be malformed",
                              new->edge.schema.fields[i].name, new->edge.read[i] ? "read now" : "not read any more");
    }
    return NULL;
}

static const char *judge_source(const struct changing *c, const struct k_source_plan *old,
                                const struct k_source_plan *new)
{
    const Kappa__V1__Source *before = (const void *)source_message(c->old_graph, old->name);
    const Kappa__V1__Source *now = (const void *)source_message(c->new_graph, new->name);
    if (!same_bytes(&before->base, &now->base)) return "its definition is another";
    if (!same_bytes(schema_message(c->old_graph, before->schema), schema_message(c->new_graph, now->schema)))
        return "its schema is another";
    if (old->on_error != new->on_error || !same_text(old->dead_letter_topic, new->dead_letter_topic))
        return "the graph's policy for errors is another";
    if (c->why_all) return c->why_all;
    return other_reads(c, old, new);
}

static bool same_times(const struct k_source_plan *a, const struct k_source_plan *b)
{
    return a->out_of_order_us == b->out_of_order_us && a->idle_us == b->idle_us && a->max_ahead_us == b->max_ahead_us;
}

static void judge_sources(struct changing *c)
{
    for (uint32_t i = 0; i < c->new->source_count; i++) {
        const struct k_source_plan *new = &c->new->sources[i], *old = find_source(c->old, new->name);
        if (!old || !same_text(old->topic, new->topic)) {
            add(c, "source", new->name, K_FATE_ADD,
                k_arena_format(c->arena,
                               "what topic %s holds when the generation is made is history, the rest comes when it "
                               "leads",
                               new->topic));
            c->why_frontier = "it waits for every source, and there is a new one";
            continue;
        }
        const char *reason = judge_source(c, old, new);
        add(c, "source", new->name, reason ? K_FATE_REBUILD : K_FATE_KEEP, reason);
        // What decides which records have a time, and which, may hide in any difference.
        if (reason || !same_times(old, new))
            c->why_frontier = k_arena_format(c->arena, "it waits for every source, and \"%s\" changed", new->name);
    }
    for (uint32_t i = 0; i < c->old->source_count; i++)
        if (!find_source(c->new, c->old->sources[i].name))
            c->why_frontier =
                k_arena_format(c->arena, "it waits for every source, and \"%s\" is gone", c->old->sources[i].name);
}

// --- nodes, tables, sinks

static const struct k_node *find_node(const struct k_plan *plan, const char *name)
{
    for (uint32_t i = 0; i < plan->node_count; i++)
        if (strcmp(plan->nodes[i].name, name) == 0) return &plan->nodes[i];
    return NULL;
}

static const char *input_name(const struct changing *c, const struct k_node *node, uint32_t input)
{
    int32_t source, from;
    uint32_t port;
    bool found = k_plan_find_output(c->new, node->inputs[input]->name, &source, &from, &port);
    K_ASSERT(found);
    return source >= 0 ? c->new->sources[source].name : c->new->nodes[from].name;
}

bool k_node_waits(const struct k_plan *plan, const struct k_node *node)
{
    const Kappa__V1__Table *table = (const void *)table_message(plan->message, node->name);
    return node->frontier || (table && table->retention);
}

static const char *judge_node(const struct changing *c, const struct k_node *new)
{
    const struct k_node *old = find_node(c->old, new->name);
    if (!old) return "it is new";
    if (old->type != new->type ||
        !same_bytes(definition(c->old_graph, new->name), definition(c->new_graph, new->name)))
        return "its definition is another";
    if (c->why_all) return c->why_all;
    if (old->on_error != new->on_error || !same_text(old->dead_letter_topic, new->dead_letter_topic))
        return "the graph's policy for errors is another";
    for (uint32_t i = 0; i < new->input_count; i++) {
        const struct k_change_item *input = item_of(c, input_name(c, new, i));
        if (input->fate == K_FATE_KEEP) continue;
        return k_arena_format(c->arena, "its input \"%s\" %s", input->name,
                              input->fate == K_FATE_ADD ? "is new" : "changes");
    }
    return k_node_waits(c->new, new) ? c->why_frontier : NULL;
}

void k_change_make(const struct k_plan *old, const struct k_plan *new, const char *why_all, struct k_arena *arena,
                   struct k_change *ret)
{
    size_t most = old->source_count + old->node_count + new->source_count + new->node_count;
    *ret = (struct k_change){.items = k_arena_array(arena, struct k_change_item, most + 1)};
    struct changing c = {old, new, canonical(old), canonical(new), arena, ret, why_all, NULL};
    judge_sources(&c);
    ret->why_frontier = c.why_frontier;
    for (uint32_t i = 0; i < new->node_count; i++) {
        const struct k_node *n = &new->nodes[i];
        const char *reason = judge_node(&c, n);
        add(&c, n->type->name, n->name, reason ? K_FATE_REBUILD : K_FATE_KEEP, reason);
    }
    for (uint32_t i = 0; i < old->source_count; i++)
        if (!find_source(new, old->sources[i].name))
            add(&c, "source", old->sources[i].name, K_FATE_REMOVE, "the new graph does not read it");
    for (uint32_t i = 0; i < old->node_count; i++)
        if (!find_node(new, old->nodes[i].name))
            add(&c, old->nodes[i].type->name, old->nodes[i].name, K_FATE_REMOVE, "the new graph does not have it");
    kappa__v1__graph__free_unpacked(c.old_graph, NULL);
    kappa__v1__graph__free_unpacked(c.new_graph, NULL);
}
