#include "tests/sim/generation.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/change.h"

const struct generation *generation_of(const struct world *w, uint64_t number)
{
    K_ASSERT(number >= 1 && number <= GENERATIONS_MAX);
    return &w->generations.each[number - 1];
}

const struct scenario *generation_graph(const struct world *w, uint64_t number)
{
    const struct generation *g = generation_of(w, number);
    return g->changed ? g->changed : &w->scenario;
}

bool generation_agrees(const struct world *w, uint64_t number)
{
    const struct generation *g = generation_of(w, number), *first = generation_of(w, 1);
    return g->changed == first->changed && !g->beginning.later && !g->beginning.cut;
}

bool generation_adds(const struct world *w, uint64_t number)
{
    const struct scenario *own = generation_graph(w, number), *first = generation_graph(w, 1);
    for (uint32_t s = 0; s < own->source_count; s++)
        if (!scenario_reads(first, own->sources[s].name)) return true;
    return false;
}

static struct generation *make(struct world *w, uint64_t number)
{
    struct generation *g = &w->generations.each[number - 1];
    g->number = number;
    snprintf(g->name, sizeof g->name, "%u", (unsigned)number);
    g->plan = *w->scenario.plan;
    return g;
}

static void take_graph(struct world *w, struct generation *g, struct scenario *changed)
{
    g->changed = changed;
    g->plan = *changed->plan;
    if (w->verbose) printf("--- generation %s:\n%.*s", g->name, (int)changed->text.length, changed->text.data);
}

void generation_first(struct world *w, bool others)
{
    struct generation *g = make(w, 1);
    struct scenario *changed = k_new(struct scenario);
    if (others && one_in(&w->random, 3) && change_lacks(&w->scenario, &w->random, changed)) take_graph(w, g, changed);
    else free(changed);
}

void generation_draw(struct world *w, uint64_t number, uint64_t from)
{
    struct generation *g = make(w, number);
    struct scenario *changed = k_new(struct scenario);
    uint64_t *r = &w->random;
    bool adds = from == 1 && generation_of(w, 1)->changed; // so it has something that is another already
    const struct scenario *model = adds ? &w->scenario : generation_graph(w, from);
    g->takes = one_in(r, 2); // who takes over begins with the journal, and makes no outputs before
    beginning_init(w, &g->beginning, !g->takes);
    if (!one_in(r, adds || g->beginning.cut ? 2 : 3) && change_draw(model, r, &w->stats, changed)) {
        take_graph(w, g, changed);
        w->stats.changed_graph++;
    } else {
        free(changed);
        if (!adds && one_in(r, 2)) {
            snprintf(g->plan.fingerprint, sizeof g->plan.fingerprint, "another %u", (unsigned)number);
            w->stats.foreign_graph++;
        }
    }
    w->stats.added_source += generation_adds(w, number);
    static const char *const suffixes[] = {"", ".new", ".more"};
    g->suffix = !g->takes && one_in(r, 2) ? suffixes[number - 1] : NULL;
    w->stats.suffixed += g->suffix != NULL;
}

void generation_fini(struct generation *g)
{
    beginning_fini(&g->beginning);
    if (g->changed) scenario_fini(g->changed);
    free(g->changed);
    g->changed = NULL;
}
