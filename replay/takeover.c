// What can be taken over: the new plan's nodes from the last to the first, so that those who read a node come before
// it.
#include "replay/takeover.h"

#include <string.h>

#include "operators/catalogue.h"

struct deciding {
    const struct k_plan *old, *new;
    const struct k_change *change;
    struct k_arena *arena;
    struct k_taking *taking;
};

const char *k_taking_name(enum k_taking_how how)
{
    static const char *const names[] = {"computed", "taken over", "begins there"};
    return names[how];
}

static bool is_kept(const struct deciding *d, const char *name)
{
    for (uint32_t i = 0; i < d->change->count; i++)
        if (strcmp(d->change->items[i].name, name) == 0) return d->change->items[i].fate == K_FATE_KEEP;
    return false;
}

static const struct k_node *find_node(const struct k_plan *plan, const char *name)
{
    for (uint32_t i = 0; i < plan->node_count; i++)
        if (strcmp(plan->nodes[i].name, name) == 0) return &plan->nodes[i];
    return NULL;
}

// Of rows that wait in a join, those columns are kept that anybody reads of its inputs.
static bool reads_others(const struct k_node *old, const struct k_node *new)
{
    if (new->type != &k_operator_join) return false;
    for (uint32_t i = 0; i < new->input_count; i++)
        if (memcmp(old->inputs[i]->read, new->inputs[i]->read,
                   new->inputs[i]->schema.count * sizeof *new->inputs[i]->read) != 0)
            return true;
    return false;
}

static void compute(struct deciding *d, uint32_t node, const char *why)
{
    struct k_taking_item *item = &d->taking->items[node];
    if (item->how == K_TAKING_COMPUTE) return;
    item->how = K_TAKING_COMPUTE;
    item->why = is_kept(d, item->name) ? why : NULL;
}

static void decide_node(struct deciding *d, uint32_t n)
{
    const struct k_node *node = &d->new->nodes[n];
    bool kept = is_kept(d, node->name);
    if (node->state && !kept) compute(d, n, NULL);
    else if (node->state && reads_others(find_node(d->old, node->name), node))
        compute(d, n, "other columns of its inputs are read now");
    if (d->taking->items[n].how != K_TAKING_COMPUTE || K_PLANT(taken_unfed)) return;
    const char *why = k_arena_format(d->arena, "\"%s\" needs what it gave before", node->name);
    for (uint32_t i = 0; i < node->input_count; i++) {
        int32_t source, from;
        uint32_t port;
        bool found = k_plan_find_output(d->new, node->inputs[i]->name, &source, &from, &port);
        K_ASSERT(found);
        if (from >= 0) compute(d, (uint32_t)from, why);
    }
}

// Sources whose records reach nothing that is computed are not read; unless a source changed, since event time is then
// not that of the copy, or a window, join or table whose rows expire is computed, since these wait for every source.
static void decide_sources(struct deciding *d)
{
    bool any = d->taking->same_sources;
    for (uint32_t n = 0; n < d->new->node_count; n++)
        any &= !(d->taking->items[n].how == K_TAKING_COMPUTE && k_node_waits(d->new, &d->new->nodes[n]));
    for (uint32_t s = 0; s < d->new->source_count; s++) {
        const struct k_links *links = &d->new->source_links[s];
        bool wanted = !any;
        for (uint32_t l = 0; l < links->count; l++)
            wanted |= d->taking->items[links->items[l].node].how == K_TAKING_COMPUTE;
        d->taking->sources[s] =
            (struct k_taking_item){d->new->sources[s].name, wanted ? K_TAKING_COMPUTE : K_TAKING_OVER, NULL};
    }
}

static const char *why_not(const struct deciding *d)
{
    bool taken = d->taking->whole;
    if (strcmp(d->old->fingerprint, d->new->fingerprint) == 0)
        return "the graph is the same, so that a replay of it is a proof";
    for (uint32_t n = 0; n < d->new->node_count; n++)
        taken |= d->new->nodes[n].state && d->taking->items[n].how == K_TAKING_OVER;
    return taken ? NULL : "all that has state changes, or something that changes needs what it gave before";
}

void k_taking_decide(const struct k_plan *old, const struct k_plan *new, const struct k_change *change,
                     struct k_arena *arena, struct k_taking *ret)
{
    *ret = (struct k_taking){.items = k_arena_array(arena, struct k_taking_item, new->node_count + 1),
                             .count = new->node_count,
                             .sources = k_arena_array(arena, struct k_taking_item, new->source_count + 1),
                             .source_count = new->source_count};
    struct deciding d = {old, new, change, arena, ret};
    for (uint32_t n = 0; n < new->node_count; n++) {
        const char *name = new->nodes[n].name;
        ret->items[n] = (struct k_taking_item){name, is_kept(&d, name) ? K_TAKING_OVER : K_TAKING_LATER, NULL};
    }
    for (uint32_t n = new->node_count; n > 0; n--) decide_node(&d, n - 1);
    ret->same_sources = old->source_count == new->source_count && !change->why_frontier;
    bool *kept = k_arena_array(arena, bool, new->source_count + 1);
    for (uint32_t s = 0; s < new->source_count; s++) {
        kept[s] = is_kept(&d, new->sources[s].name);
        ret->same_sources &= kept[s];
    }
    ret->kept_sources = kept;
    decide_sources(&d);
    ret->whole = ret->same_sources;
    for (uint32_t n = 0; n < new->node_count; n++) ret->whole &= ret->items[n].how != K_TAKING_COMPUTE;
    ret->why_not = why_not(&d);
}
