// The topics of keyed sinks over switches: what each key's last message is at the end of each part, and what a
// difference added.
//
// A difference is of the keys whose rows differ where the switch stands, told here by what the references of the graphs
// of who led before and of who leads then have shown of them up to there. Each is written once in the part behind the
// switch, with the value of its own record.
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/judge_made.h"

struct part { // records [from, to) of a journal that one generation led without another between
    uint64_t from, to;
    uint64_t before; // who led before it; 0: nobody
    bool difference; // it begins with a switch whose difference is wanted
    bool done;       // and was written to its end within the part
    bool exact;      // no work was left where it begins, and none where it ends
};

static bool next_part(const struct walk *walk, struct part *part)
{
    uint64_t from = part->to;
    const struct walked *records = walk->records;
    while (from < walk->count && records[from].leader != walk->generation) from++;
    *part = (struct part){.from = from, .to = from};
    if (from == walk->count) return false;
    while (part->to < walk->count && records[part->to].leader == walk->generation) part->to++;
    part->before = from ? records[from - 1].leader : 0;
    part->difference = records[from].difference_from != NULL;
    for (uint64_t n = from; n < part->to && part->difference; n++)
        part->done |= records[n].difference_done && records[n].difference_seq == records[from].control_seq;
    part->exact = (from == 0 || !records[from - 1].work_left) && !records[part->to - 1].work_left;
    return true;
}

// A keyed sink, and what the references of all generations have shown at its topic.
struct shown {
    struct judging *j;
    const struct walk *walk;
    uint32_t topic;
    bool table;                         // a difference of it can be told: its rows stand in a table
    bool expires[GENERATIONS_MAX];      // whose rows may go (or there is none), by generation - 1
    struct mades made[GENERATIONS_MAX]; // by generation - 1
};

static const struct k_node *find_sink(const struct scenario *s, const char *topic)
{
    for (uint32_t i = 0; i < s->plan->node_count; i++) {
        const struct k_node *node = &s->plan->nodes[i];
        if (k_plan_is_keyed_sink(node) && strcmp(node->topics[0], topic) == 0) return node;
    }
    return NULL;
}

static bool expires(const struct scenario *s, const char *table)
{
    for (uint32_t i = 0; i < s->plan->node_count; i++) {
        const struct k_node *node = &s->plan->nodes[i];
        if (strcmp(node->type->name, "table") == 0 && strcmp(node->name, table) == 0)
            return ((const Kappa__V1__Table *)node->message)->retention != NULL;
    }
    return false;
}

static void shown_init(struct shown *shown, struct judging *j, const struct walk *walk, uint32_t topic)
{
    *shown = (struct shown){.j = j, .walk = walk, .topic = topic};
    const struct k_node *sink = find_sink(walk->scenario, walk_topic(j->w, topic));
    int32_t table = sink ? k_plan_table_of_sink(walk->scenario->plan, sink) : -1;
    shown->table = table >= 0;
    for (uint64_t g = 1; g <= j->w->generations.count; g++) {
        const struct walk *one = judging_walk(j, g, walk->shard);
        made_by_reference(j, one, topic, &shown->made[g - 1]);
        mades_sort_by_key(&shown->made[g - 1]);
        shown->expires[g - 1] = table < 0 || expires(one->scenario, walk->scenario->plan->nodes[table].name);
    }
}

static const struct mades *made_of(const struct shown *shown, uint64_t generation)
{
    return &shown->made[generation - 1];
}

// Whether rows are there as long as they are not taken back, in this generation and in that from before.
static bool is_strict(const struct shown *s, uint64_t before)
{
    return s->j->w->generations.count > 1 && !s->expires[s->walk->generation - 1] &&
           (!before || !s->expires[before - 1]);
}

static void shown_fini(struct shown *shown)
{
    for (int g = 0; g < GENERATIONS_MAX; g++) mades_fini(&shown->made[g]);
}

static int key_order(const struct made *a, const char *line, size_t length)
{
    size_t least = a->key_length < length ? a->key_length : length;
    int order = memcmp(a->line, line, least);
    return order ? order : (a->key_length > length) - (a->key_length < length);
}

// The value that a generation's reference shows of this key at a record's end; before the first record: none.
static const char *value_at(const struct shown *s, uint64_t generation, const char *line, size_t length,
                            uint64_t records)
{
    const struct mades *m = made_of(s, generation);
    const struct walk *walk = judging_walk(s->j, generation, s->walk->shard);
    uint32_t low = 0, high = m->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (key_order(&m->items[middle], line, length) < 0) low = middle + 1;
        else high = middle;
    }
    uint32_t end = low;
    while (end < m->count && key_order(&m->items[end], line, length) == 0) end++;
    return made_shown(m, low, end, records ? walk->records[records - 1].made[s->topic] : 0);
}

// No table holds a row with a null in its key, so no difference has it.
static bool has_null(const char *line, size_t length)
{
    char *key = k_strndup(line, length);
    bool has = strcmp(key, "null") == 0 || strstr(key, "[null") || strstr(key, ",null");
    free(key);
    return has;
}

static bool differs(const struct shown *s, const struct part *part, const char *line, size_t length)
{
    return part->difference && !has_null(line, length) &&
           strcmp(value_at(s, s->walk->generation, line, length, part->from),
                  value_at(s, part->before, line, length, part->from)) != 0;
}

static void tell(const struct shown *s, const char *what, const char *line, size_t length, const char *got,
                 const char *wanted, const struct part *part)
{
    world_fail(s->j->w,
               "topic %s, shard %u, key %.*s, records %llu to %llu by generation %llu: %s: %s, reference: %s",
               walk_topic(s->j->w, s->topic), s->walk->shard, (int)length, line, (unsigned long long)part->from,
               (unsigned long long)part->to - 1, (unsigned long long)s->walk->generation, what, got, wanted);
}

// --- updates

// One key in all parts. got: its messages, [from, to) of a list by key.
static void judge_key(const struct shown *s, const char *line, size_t length, const struct mades *got, uint32_t from,
                      uint32_t to)
{
    struct part part = {0};
    struct world *w = s->j->w;
    while (next_part(s->walk, &part) && !w->failure.length) {
        const struct made *last = NULL;
        bool added = false; // one may be the difference's
        for (uint32_t i = from; i < to; i++) {
            const struct made *m = &got->items[i];
            if (m->record < part.from || m->record >= part.to) continue;
            last = m;
            added |= m->extra;
        }
        if (!part.exact) {
            w->stats.made_by_either++;
            continue;
        }
        bool strict = is_strict(s, part.before);
        const char *before = value_at(s, s->walk->generation, line, length, part.from);
        const char *after = value_at(s, s->walk->generation, line, length, part.to);
        if (last && strcmp(made_value(last), after) != 0 && !(added && !strict))
            tell(s, "the last message", line, length, made_value(last), after, &part);
        if (!last && strcmp(before, after) != 0) tell(s, "nothing was written", line, length, "-", after, &part);
        if (part.done && strict && !added && differs(s, &part, line, length))
            tell(s, "it differs, and the difference does not have it", line, length, "-", after, &part);
        w->stats.outputs += last != NULL;
    }
}

void judge_updates(struct judging *j, const struct walk *walk, uint32_t sink, const struct mades *all)
{
    struct mades got = {0};
    struct shown shown;
    shown_init(&shown, j, walk, sink);
    made_pick(all, walk, &got);
    mades_sort_by_key(&got);
    // Keys of either side, and of the generations from before, which the difference may have taken back.
    enum { LISTS = 1 + GENERATIONS_MAX };
    const struct mades *lists[LISTS] = {&got};
    uint32_t at[LISTS] = {0};
    for (int g = 0; g < GENERATIONS_MAX; g++) lists[1 + g] = &shown.made[g];
    while (!j->w->failure.length) {
        const struct made *least = NULL;
        for (int i = 0; i < LISTS; i++) {
            const struct made *m = at[i] < lists[i]->count ? &lists[i]->items[at[i]] : NULL;
            if (m && (!least || key_order(m, least->line, least->key_length) < 0)) least = m;
        }
        if (!least) break;
        uint32_t from = at[0];
        for (int i = 0; i < LISTS; i++)
            while (at[i] < lists[i]->count && key_order(&lists[i]->items[at[i]], least->line, least->key_length) == 0)
                at[i]++;
        judge_key(&shown, least->line, least->key_length, &got, from, at[0]);
    }
    shown_fini(&shown);
    free(got.items);
}

// --- what is there besides

static void judge_one_extra(const struct shown *s, const struct made *extra)
{
    struct part part = {0};
    bool found = false;
    while (!found && next_part(s->walk, &part)) found = extra->record >= part.from && extra->record < part.to;
    if (!found || !extra->extra || !part.difference || !s->table) {
        tell(s, "a message that no difference made", extra->line, extra->key_length, extra->line, "nothing", &part);
        return;
    }
    if (!is_strict(s, part.before)) return;
    const char *value = value_at(s, s->walk->generation, extra->line, extra->key_length, extra->record + 1);
    s->j->w->stats.difference_rows++;
    if (!differs(s, &part, extra->line, extra->key_length))
        tell(s, "the difference has a row that is the same", extra->line, extra->key_length, made_value(extra), value,
             &part);
    if (strcmp(made_value(extra), value) != 0)
        tell(s, "the difference's row", extra->line, extra->key_length, made_value(extra), value, &part);
}

// How many keys differ where the part begins.
static uint32_t count_differing(const struct shown *s, const struct part *part)
{
    uint32_t count = 0;
    const struct mades *own = made_of(s, s->walk->generation), *lists[] = {own, own};
    if (part->before) lists[1] = made_of(s, part->before);
    for (int which = 0; which < 2; which++)
        for (uint32_t i = 0; i < lists[which]->count; i++) {
            const struct made *m = &lists[which]->items[i];
            bool again = i > 0 && key_order(m - 1, m->line, m->key_length) == 0;
            if (again || !differs(s, part, m->line, m->key_length)) continue;
            // Of the old ones only those that the own ones lack.
            bool has = false;
            for (uint32_t k = 0; which == 1 && k < own->count && !has; k++)
                has = key_order(&own->items[k], m->line, m->key_length) == 0;
            count += !has;
        }
    return count;
}

void judge_extra(struct judging *j, const struct walk *walk, uint32_t sink, const struct mades *extra, bool open)
{
    struct shown shown;
    struct part part = {0};
    shown_init(&shown, j, walk, sink);
    for (uint32_t i = 0; i < extra->count && !open && !j->w->failure.length; i++)
        judge_one_extra(&shown, &extra->items[i]);
    while (next_part(walk, &part) && !open && !j->w->failure.length) {
        if (!is_strict(&shown, part.before)) continue;
        uint32_t count = 0, wanted = count_differing(&shown, &part);
        for (uint32_t i = 0; i < extra->count; i++)
            count += extra->items[i].record >= part.from && extra->items[i].record < part.to;
        if (!part.difference || !part.exact || (part.done ? count == wanted : count <= wanted)) continue;
        world_fail(j->w, "topic %s, shard %u: the difference of switch %llu has %u rows, not %u",
                   walk_topic(j->w, sink), walk->shard, (unsigned long long)walk->records[part.from].control_seq,
                   count, wanted);
    }
    shown_fini(&shown);
}

// --- who reads a topic

// Whether in this shard every change of hands was followed by its difference, to its end.
static bool is_consistent(const struct judging *j, uint32_t shard)
{
    const struct walk *walk = &j->walks[0][shard];
    uint8_t leader = 0;
    bool consistent = true, done = true;
    uint64_t seq = 0;
    for (uint64_t n = 0; n < walk->count; n++) {
        const struct walked *r = &walk->records[n];
        if (r->leader != leader) {
            consistent &= done && (!leader || (r->difference_from && !walk->records[n - 1].work_left));
            done = !leader;
            seq = r->control_seq;
            leader = r->leader;
        }
        done |= r->difference_done && r->difference_seq == seq;
    }
    return consistent && done;
}

void judge_consumer(struct judging *j, uint32_t sink, const struct mades *all)
{
    for (uint32_t shard = 0; shard < j->w->scenario.shards && !j->w->failure.length; shard++) {
        const struct walk *walk = judging_walk(j, j->walks[0][shard].leading, shard);
        struct shown shown;
        struct mades got = {0};
        shown_init(&shown, j, walk, sink);
        for (uint64_t g = 1; g <= j->w->generations.count; g++) made_pick(all, judging_walk(j, g, shard), &got);
        mades_sort_by_key(&got);
        bool judged = is_consistent(j, shard);
        for (uint64_t g = 1; g <= j->w->generations.count; g++) judged &= is_strict(&shown, g);
        j->w->stats.difference_consumer += judged;
        for (int side = 0; side < 2 && judged; side++) {
            const struct mades *list = side ? made_of(&shown, walk->generation) : &got;
            for (uint32_t i = 0; i < list->count; i++) {
                const struct made *m = &list->items[i];
                bool later = i + 1 < list->count && key_order(m + 1, m->line, m->key_length) == 0;
                if (later || has_null(m->line, m->key_length)) continue;
                uint32_t from = 0, to = 0;
                while (from < got.count && key_order(&got.items[from], m->line, m->key_length) < 0) from++;
                for (to = from; to < got.count && key_order(&got.items[to], m->line, m->key_length) == 0;) to++;
                const char *has = made_shown(&got, from, to, UINT64_MAX);
                const char *wanted = value_at(&shown, walk->generation, m->line, m->key_length, walk->count);
                struct part whole = {.to = walk->count};
                if (strcmp(has, wanted) != 0)
                    tell(&shown, "who reads it has in the end", m->line, m->key_length, has, wanted, &whole);
            }
        }
        shown_fini(&shown);
        free(got.items);
    }
}

// --- the journal

// How many rows the difference that begins with this part must have; false: that cannot be told.
static bool rows_wanted(struct judging *j, const struct walk *walk, const struct part *part, uint64_t *ret)
{
    bool sure = part->exact;
    *ret = 0;
    for (uint32_t t = 0; t < j->w->scenario.sink_count; t++) {
        if (!find_sink(walk->scenario, walk_topic(j->w, t))) continue;
        struct shown shown;
        shown_init(&shown, j, walk, t);
        sure &= is_strict(&shown, part->before);
        *ret += count_differing(&shown, part);
        shown_fini(&shown);
    }
    return sure;
}

void judge_differences(struct judging *j, uint32_t shard)
{
    struct world *w = j->w;
    for (uint64_t g = 1; g <= w->generations.count && !w->failure.length; g++) {
        const struct walk *walk = judging_walk(j, g, shard);
        struct part part = {0};
        while (next_part(walk, &part) && !w->failure.length) {
            if (!part.difference) continue;
            if (!part.before || strcmp(walk->records[part.from].difference_from, generation_of(w, part.before)->name))
                world_fail(w, "shard %u: the difference of record %llu is of generation %s; %llu led before", shard,
                           (unsigned long long)part.from, walk->records[part.from].difference_from,
                           (unsigned long long)part.before);
            uint64_t compared = 0, written = 0, wanted;
            for (uint64_t n = part.from; n < part.to; n++) {
                const struct walked *r = &walk->records[n];
                if (!r->has_difference || r->difference_seq != walk->records[part.from].control_seq) continue;
                if (r->compared < compared || r->written < written)
                    world_fail(w, "journal record %llu: a difference goes back: %llu keys of %llu before",
                               (unsigned long long)n, (unsigned long long)r->compared, (unsigned long long)compared);
                compared = r->compared;
                written = r->written;
            }
            if (!part.done) continue;
            w->stats.difference_written += written > 0;
            if (rows_wanted(j, walk, &part, &wanted) && wanted != written)
                world_fail(w, "shard %u: the difference that begins at record %llu has %llu rows, the reference %llu",
                           shard, (unsigned long long)part.from, (unsigned long long)written,
                           (unsigned long long)wanted);
        }
    }
}
