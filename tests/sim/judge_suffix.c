// Topics with a suffix: they hold what its generation's reference makes up to the first record at which it
// leads, each message once, and nothing of what comes behind.
#include <stdlib.h>

#include "tests/sim/judge_made.h"

// The first record that the walk's generation led; the journal's length: it never did.
static uint64_t end_of(const struct walk *walk)
{
    uint64_t end = 0;
    while (end < walk->count && walk->records[end].leader != walk->generation) end++;
    return end;
}

static enum made_who who_before(const struct walk *walk, uint64_t record)
{
    uint64_t end = end_of(walk);
    return record >= end ? MADE_BY_OTHER : made_until(walk, record) < end ? MADE_BY_IT : MADE_BY_EITHER;
}

static bool same_key(const struct made *a, const struct made *b)
{
    return a->key_length == b->key_length && memcmp(a->line, b->line, a->key_length) == 0;
}

// The last of each key, in both lists by key.
static void judge_last(struct judging *j, const struct walk *walk, uint32_t topic, const struct mades *all)
{
    struct mades got = {0}, wanted = {0};
    struct lines shown[2] = {0};
    uint64_t end = end_of(walk);
    made_pick(all, walk, &got);
    made_by_reference(j, walk, topic, &wanted);
    mades_sort_by_key(&got);
    mades_sort_by_key(&wanted);
    uint32_t made = end ? walk->records[end - 1].made[topic] : 0;
    for (int side = 0; side < 2; side++) {
        const struct mades *m = side ? &wanted : &got;
        for (uint32_t i = 0, next; i < m->count; i = next) {
            struct k_buf text = {0};
            for (next = i; next < m->count && same_key(&m->items[next], &m->items[i]);) next++;
            const char *value = made_shown(m, i, next, side ? made : UINT64_MAX);
            if (value[0] == '-') continue;
            k_buf_printf(&text, "%.*s\t%s", (int)m->items[i].key_length, m->items[i].line, value);
            lines_add(&shown[side], &text);
            k_buf_fini(&text);
        }
    }
    // Where work was left it is open how far it came.
    bool open = end > 0 && end < walk->count && walk->records[end - 1].work_left;
    if (!open) lines_compare(j->w, "a topic with a suffix (the last of each key)", &shown[0], &shown[1]);
    j->w->stats.suffixed_messages += open ? 0 : got.count;
    lines_free(&shown[0]);
    lines_free(&shown[1]);
    mades_fini(&wanted);
    free(got.items);
}

static void judge_all(struct judging *j, const struct walk *walk, uint32_t topic, const struct mades *all)
{
    struct mades extra = {0};
    bool open;
    judge_parts(j, walk, topic, all, who_before, &extra, &open);
    if (extra.count && !j->w->failure.length)
        world_fail(j->w, "topic %s%s, shard %u: the reference does not make this, or not before record %llu:\n  %s",
                   walk_topic(j->w, topic), generation_of(j->w, walk->generation)->suffix, walk->shard,
                   (unsigned long long)end_of(walk), extra.items[0].line);
    j->w->stats.suffixed_messages += all->count;
    free(extra.items);
}

void judge_suffixed(struct judging *j, const struct generation *g)
{
    struct world *w = j->w;
    for (uint32_t t = 0; t < walk_topic_count(w) && !w->failure.length; t++) {
        struct mades all = {0};
        made_read(j, t, g->suffix, &all);
        for (uint32_t i = 0; i < all.count; i++)
            if (all.items[i].generation != g->number)
                world_fail(w, "generation %llu wrote to the topics of generation %s",
                           (unsigned long long)all.items[i].generation, g->name);
        for (uint32_t s = 0; s < w->scenario.shards && !w->failure.length; s++) {
            const struct walk *walk = judging_walk(j, g->number, s);
            if (g->retired && end_of(walk) == walk->count) continue; // nobody says how far it came
            if (t < w->scenario.sink_count && w->scenario.sinks[t].updating) judge_last(j, walk, t, &all);
            else judge_all(j, walk, t, &all);
            w->stats.suffixed_ended += t == 0 && end_of(walk) < walk->count;
        }
        mades_fini(&all);
    }
}
