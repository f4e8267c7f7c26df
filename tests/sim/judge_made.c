// The topics of a run whose generations have different graphs: split at the switches, each part is what the generation
// that led there makes of it, and nothing else.
//
// What its reference makes at a journal record, the engine brings out there, or at a later record if work was left. So
// near a switch that came while work was left it is open who brought some rows out; all the rest is not.
#include "tests/sim/judge_made.h"

#include <stdlib.h>

enum made_who made_who(const struct walk *walk, uint64_t record)
{
    bool own = false, other = false;
    uint64_t until = made_until(walk, record);
    for (uint64_t n = record; n <= until && n < walk->count; n++) {
        own |= walk->records[n].leader == walk->generation;
        other |= walk->records[n].leader != walk->generation;
    }
    return !own ? MADE_BY_OTHER : other ? MADE_BY_EITHER : MADE_BY_IT;
}

static void tell(struct judging *j, const struct walk *walk, uint32_t topic, const char *what, const char *line)
{
    world_fail(j->w, "topic %s, shard %u, generation %llu: %s:\n  %s", walk_topic(j->w, topic), walk->shard,
               (unsigned long long)walk->generation, what, line);
}

static void copy(struct mades *to, const struct made *one)
{
    if (to->count == to->capacity) {
        to->capacity = to->capacity ? to->capacity * 2 : 64;
        to->items = k_realloc(to->items, to->capacity * sizeof *to->items);
    }
    to->items[to->count++] = *one;
}

void made_pick(const struct mades *all, const struct walk *walk, struct mades *ret)
{
    for (uint32_t i = 0; i < all->count; i++)
        if (all->items[i].generation == walk->generation && all->items[i].shard == walk->shard)
            copy(ret, &all->items[i]);
}

static uint32_t same_lines(const struct mades *m, uint32_t from, const char *line)
{
    uint32_t to = from;
    while (to < m->count && strcmp(m->items[to].line, line) == 0) to++;
    return to;
}

void judge_parts(struct judging *j, const struct walk *walk, uint32_t topic, const struct mades *all,
                 made_who_fn by, struct mades *ret_extra, bool *ret_open)
{
    struct mades got = {0}, wanted = {0};
    made_pick(all, walk, &got);
    made_by_reference(j, walk, topic, &wanted);
    mades_sort(&got);
    mades_sort(&wanted);
    *ret_open = false;
    for (uint32_t i = 0, k = 0; (i < got.count || k < wanted.count) && !j->w->failure.length;) {
        bool ours = k == wanted.count || (i < got.count && strcmp(got.items[i].line, wanted.items[k].line) <= 0);
        const char *line = ours ? got.items[i].line : wanted.items[k].line;
        uint32_t i_end = same_lines(&got, i, line), k_end = same_lines(&wanted, k, line), must = 0, may = 0;
        for (; k < k_end; k++) {
            enum made_who who = by(walk, wanted.items[k].record);
            must += who == MADE_BY_IT;
            may += who == MADE_BY_EITHER;
        }
        if (i_end - i < must) tell(j, walk, topic, "only the reference has this, at a record where it led", line);
        j->w->stats.outputs += must;
        j->w->stats.made_by_either += may;
        *ret_open |= may > 0;
        for (i += must + may; i < i_end; i++) copy(ret_extra, &got.items[i]);
        i = i_end;
    }
    mades_fini(&got);
    mades_fini(&wanted);
}

const char *made_shown(const struct mades *sorted, uint32_t from, uint32_t to, uint64_t count)
{
    const struct made *last = NULL;
    for (uint32_t i = from; i < to; i++)
        if (sorted->items[i].at < count) last = &sorted->items[i];
    return made_value(last);
}

// --- all of it

static bool has_topic(const struct scenario *s, const struct world *w, uint32_t topic)
{
    if (topic >= w->scenario.sink_count) return true; // without the node nothing is there, nor wanted
    bool has = false;
    for (uint32_t i = 0; i < s->sink_count; i++) has |= strcmp(s->sinks[i].topic, walk_topic(w, topic)) == 0;
    return has;
}

static void judge_walk(struct judging *j, const struct walk *walk, uint32_t topic, const struct mades *all)
{
    const struct world *w = j->w;
    bool sink = topic < w->scenario.sink_count, keyed = sink && w->scenario.sinks[topic].keyed, open;
    if (!has_topic(walk->scenario, w, topic)) {
        struct mades got = {0};
        made_pick(all, walk, &got);
        if (got.count) tell(j, walk, topic, "this graph has no such sink", got.items[0].line);
        free(got.items);
        return;
    }
    if (sink && w->scenario.sinks[topic].updating) {
        judge_updates(j, walk, topic, all);
        return;
    }
    struct mades extra = {0};
    judge_parts(j, walk, topic, all, made_who, &extra, &open);
    if (keyed && !j->w->failure.length) judge_extra(j, walk, topic, &extra, open);
    else if (extra.count && !j->w->failure.length)
        tell(j, walk, topic, "the reference does not make this, or another generation led then", extra.items[0].line);
    free(extra.items);
}

void judge_made(struct judging *j)
{
    struct world *w = j->w;
    for (uint32_t t = 0; t < walk_topic_count(w) && !w->failure.length; t++) {
        struct mades all = {0};
        made_read(j, t, "", &all);
        for (uint32_t g = 1; g <= w->generations.count; g++)
            for (uint32_t s = 0; s < w->scenario.shards && !w->failure.length; s++)
                judge_walk(j, judging_walk(j, g, s), t, &all);
        bool keyed = t < w->scenario.sink_count && w->scenario.sinks[t].keyed;
        if (keyed && !w->failure.length) judge_consumer(j, t, &all);
        mades_fini(&all);
    }
    for (uint32_t s = 0; s < w->scenario.shards && !w->failure.length; s++) judge_differences(j, s);
}
