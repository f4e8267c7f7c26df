#include "tests/sim/beginning.h"

#include "replay/beginning.h"
#include "tests/sim/sim.h"

void beginning_init(struct world *w, struct beginning *b, bool elsewhere)
{
    k_starts_init(&b->starts);
    b->later = elsewhere && one_in(&w->random, 3);
    // Nobody who lost its disk could follow again; nor could who stands at an older checkpoint.
    bool can = !w->own.lose_disk && !(w->uses.drawn && w->uses.use == USE_capsule);
    b->cut = elsewhere && one_in(&w->random, 2) && can;
}

void beginning_fini(struct beginning *b)
{
    k_starts_fini(&b->starts);
}

// One of the records that are there, or behind them all.
static void draw_later(struct world *w, uint64_t generation, struct beginning *b)
{
    const struct scenario *graph = generation_graph(w, generation);
    for (uint32_t s = 0; s < w->scenario.source_count; s++) {
        const struct sim_source *source = &w->scenario.sources[s];
        for (int32_t p = 0; p < source->partitions && scenario_reads(graph, source->name); p++) {
            const struct records *records = &w->input.records[s][p];
            uint64_t at = k_random_below(&w->random, records->count + 1);
            int64_t offset = at < records->count ? records->items[at].offset
                             : at                ? records->items[at - 1].offset + 1
                                                 : 0;
            if (!offset || one_in(&w->random, 4)) continue; // from its beginning
            k_starts_add(&b->starts, source->topic, p, offset);
        }
    }
}

// The starts that the journals want besides. false: they do not show their first records yet.
static bool complete(struct world *w, uint64_t generation, struct beginning *b)
{
    struct k_error err;
    bool needed;
    world_without_faults(w);
    struct k_log *log = k_cloud_connect(w->cloud, "command");
    int code = k_beginning_choose(log, generation_graph(w, generation)->plan, b->later, &b->starts, &needed, &err);
    if (!code && b->cut) cut_name(w, generation, log);
    log->ops->close(log);
    world_with_faults(w);
    if (code && code != K_E_NOT_FOUND && code != K_E_TIMEOUT)
        world_fail(w, "generation %s: %s", generation_of(w, generation)->name, err.text);
    return code == 0;
}

static bool cut_before(const struct world *w)
{
    bool cut = false;
    for (uint64_t n = 1; n <= GENERATIONS_MAX; n++)
        cut |= generation_of(w, n)->beginning.cut && generation_of(w, n)->beginning.drawn;
    return cut;
}

bool beginning_draw(struct world *w, uint64_t generation)
{
    struct beginning *b = &w->generations.each[generation - 1].beginning;
    bool late = w->healed || w->once, adds = generation_adds(w, generation);
    if (b->drawn) return true;
    if (!late && (b->later || b->cut || adds) && w->input.made < w->generations.not_before) return false;
    bool over = cut_before(w); // somebody cut them already
    if (b->cut && !over && !cut_journals(w)) {
        if (!late) return false;
        b->cut = false; // nobody ever could
    }
    b->cut |= over;
    if (b->later) draw_later(w, generation, b);
    uint32_t later = b->starts.count;
    b->drawn = !(b->cut || adds) || complete(w, generation, b);
    if (b->drawn) {
        w->stats.started_later += later;
    } else {
        k_starts_fini(&b->starts);
        k_starts_init(&b->starts);
    }
    return b->drawn;
}

int64_t beginning_journal(const struct beginning *b, uint32_t shard)
{
    return b->starts.journal_from ? b->starts.journal_from[shard] : 0;
}

int64_t beginning_offset(const struct world *w, uint64_t generation, const char *topic, uint32_t partition)
{
    const struct k_starts *starts = &generation_of(w, generation)->beginning.starts;
    const struct k_start *start = k_starts_find(starts, topic, (int32_t)partition);
    return start ? start->offset : 0;
}

int64_t beginning_join(const struct beginning *b, const char *topic, uint32_t partition)
{
    const struct k_start *start = k_starts_find(&b->starts, topic, (int32_t)partition);
    return start && start->joins ? start->join : -1;
}
