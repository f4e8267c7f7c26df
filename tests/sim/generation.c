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
    const struct generation *g = generation_of(w, number);
    return !g->changed && !g->starts_later;
}

int64_t generation_begin(const struct world *w, uint64_t number, const char *topic, uint32_t partition)
{
    const struct generation *g = generation_of(w, number);
    for (uint32_t i = 0; i < g->start_count; i++)
        if (strcmp(g->starts[i].topic, topic) == 0 && (uint32_t)g->starts[i].partition == partition)
            return g->starts[i].offset;
    return 0;
}

static struct generation *make(struct world *w, uint64_t number)
{
    struct generation *g = &w->generations.each[number - 1];
    g->number = number;
    snprintf(g->name, sizeof g->name, "%u", (unsigned)number);
    g->plan = *w->scenario.plan;
    return g;
}

void generation_first(struct world *w)
{
    (void)make(w, 1);
}

// As `kappa replay start --to-offset` and the like: one of the records that are there, or behind them all.
void generation_draw_starts(struct world *w, uint64_t number)
{
    struct generation *g = &w->generations.each[number - 1];
    const struct scenario *graph = generation_graph(w, number);
    g->starts_drawn = true;
    for (uint32_t s = 0; s < w->scenario.source_count; s++) {
        const struct sim_source *source = &w->scenario.sources[s];
        bool has = false;
        for (uint32_t i = 0; i < graph->source_count; i++) has |= strcmp(graph->sources[i].name, source->name) == 0;
        for (int32_t p = 0; p < source->partitions && has; p++) {
            const struct records *records = &w->input.records[s][p];
            uint64_t at = k_random_below(&w->random, records->count + 1);
            int64_t offset = at < records->count ? records->items[at].offset
                             : at                ? records->items[at - 1].offset + 1
                                                 : 0;
            if (!offset || one_in(&w->random, 4)) continue; // from its beginning
            K_ASSERT(g->start_count < STARTS_MAX);
            g->starts[g->start_count++] = (struct k_start){.topic = source->topic, .partition = p, .offset = offset};
            w->stats.started_later++;
        }
    }
}

void generation_draw(struct world *w, uint64_t number, uint64_t from)
{
    struct generation *g = make(w, number);
    struct scenario *changed = k_new(struct scenario);
    uint64_t *r = &w->random;
    if (!one_in(r, 3) && change_draw(generation_graph(w, from), r, &w->stats, changed)) {
        g->changed = changed;
        g->plan = *changed->plan;
        w->stats.changed_graph++;
        if (w->verbose) printf("--- generation %s:\n%.*s", g->name, (int)changed->text.length, changed->text.data);
    } else {
        free(changed);
        if (one_in(r, 2)) {
            snprintf(g->plan.fingerprint, sizeof g->plan.fingerprint, "another %u", (unsigned)number);
            w->stats.foreign_graph++;
        }
    }
    // Who takes over begins with the journal, and makes no outputs before.
    g->takes = one_in(r, 2);
    g->starts_later = !g->takes && one_in(r, 3);
    static const char *const suffixes[] = {"", ".new", ".more"};
    g->suffix = !g->takes && one_in(r, 2) ? suffixes[number - 1] : NULL;
    w->stats.suffixed += g->suffix != NULL;
}

void generation_fini(struct generation *g)
{
    if (g->changed) scenario_fini(g->changed);
    free(g->changed);
    g->changed = NULL;
}
