// One pass in the plan's order: inputs come before those who read them.
#include "replay/past.h"

#include <string.h>

#include "replay/change.h"

static const char *idle_source(const struct k_plan *plan)
{
    for (uint32_t s = 0; s < plan->source_count; s++)
        if (plan->sources[s].idle_us >= 0) return plan->sources[s].name;
    return NULL;
}

static bool vanishes(const struct k_preflight *found, const char *topic)
{
    for (uint32_t i = 0; i < found->range_count; i++)
        if (found->ranges[i].history && found->ranges[i].compacted && strcmp(found->ranges[i].topic, topic) == 0)
            return true;
    return false;
}

static const char *of_input(const struct k_plan *plan, const struct k_preflight *found, const struct k_node *node,
                            uint32_t input, struct k_arena *arena, const struct k_past *past)
{
    int32_t source, from;
    uint32_t port;
    bool known = k_plan_find_output(plan, node->inputs[input]->name, &source, &from, &port);
    K_ASSERT(known);
    if (source >= 0)
        return vanishes(found, plan->sources[source].topic)
                   ? k_arena_format(arena, "topic %s is compacted, and has not all that was",
                                    plan->sources[source].topic)
                   : NULL;
    for (uint32_t i = 0; i < past->count; i++)
        if (strcmp(past->items[i].name, plan->nodes[from].name) == 0)
            return k_arena_format(arena, "its input \"%s\" may differ", plan->nodes[from].name);
    return NULL;
}

static const char *reason_of(const struct k_plan *plan, const struct k_preflight *found, const struct k_node *node,
                             struct k_arena *arena, const struct k_past *past)
{
    const char *reason = NULL, *idle = idle_source(plan);
    for (uint32_t i = 0; i < node->input_count && !reason; i++) reason = of_input(plan, found, node, i, arena, past);
    bool journalled = node->journalled;
    journalled |= node->output_count == 0 && node->inputs[0]->order == K_JOURNALLED;
    for (uint32_t i = 0; i < node->output_count; i++) journalled |= node->outputs[i].order == K_JOURNALLED;
    if (!reason && journalled) reason = "it depends on the order of partitions, which only the journal knew";
    if (!reason && idle && k_node_waits(plan, node))
        reason = k_arena_format(arena, "it waits for event time, and source \"%s\" could be idle", idle);
    return reason;
}

void k_past_make(const struct k_plan *plan, const struct k_preflight *found, struct k_arena *arena,
                 struct k_past *ret)
{
    *ret = (struct k_past){.items = k_arena_array(arena, struct k_past_item, plan->node_count + 1)};
    for (uint32_t i = 0; i < plan->node_count; i++) {
        const struct k_node *node = &plan->nodes[i];
        const char *reason = reason_of(plan, found, node, arena, ret);
        if (reason) ret->items[ret->count++] = (struct k_past_item){node->type->name, node->name, reason};
    }
}
