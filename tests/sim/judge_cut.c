// A generation of the same graph whose journals were cut off: tables come out as the live one's, byte by byte, but for
// those that kappa plan names.
#include "tests/sim/made.h"

// NULL: they are all gone.
static const struct worker *worker_of(const struct world *w, uint64_t generation)
{
    for (uint32_t i = 0; i < w->worker_count; i++)
        if (w->workers[i].generation == generation && !w->workers[i].gone) return &w->workers[i];
    return NULL;
}

void judge_cut(struct judging *j, uint64_t generation)
{
    struct world *w = j->w;
    const struct generation *own = generation_of(w, generation);
    const struct beginning *b = &own->beginning;
    if (!b->cut || b->later || own->changed != generation_of(w, 1)->changed) return;
    const struct scenario *graph = generation_graph(w, generation);
    const struct worker *first = worker_of(w, 1), *one = worker_of(w, generation);
    if (!first || !one) return;
    for (uint32_t shard = 0; shard < graph->shards; shard++)
        for (uint32_t t = 0; t < graph->table_count; t++) {
            const char *table = graph->tables[t];
            bool same =
                uses_hash(w, first->disks[shard].memory, table) == uses_hash(w, one->disks[shard].memory, table);
            bool named = b->named >> t & 1;
            if (!same && !named) world_fail(w, "table %s is another behind history, and nothing names it", table);
            w->stats.cut_same += same && !named;
            w->stats.cut_named += named;
        }
}
