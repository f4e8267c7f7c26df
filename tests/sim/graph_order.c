// Random nodes that change order, number or time of rows: union, flatten, event_time.
#include <stdio.h>

#include "tests/sim/graph.h"

static bool same_columns(const struct stream *a, const struct stream *b)
{
    if (a->count != b->count) return false;
    for (uint32_t i = 0; i < a->count; i++)
        if (strcmp(a->columns[i].name, b->columns[i].name) != 0 || a->columns[i].type != b->columns[i].type)
            return false;
    return true;
}

// Another stream with the columns of this one; if there is none, a part of it.
static struct stream *find_partner(struct drawing *g, const struct stream *in, const char *name)
{
    uint32_t from = (uint32_t)k_random_below(g->random, g->count);
    for (uint32_t i = 0; i < g->count; i++) {
        struct stream *other = &g->streams[(from + i) % g->count];
        if (strcmp(other->name, in->name) == 0 || !same_columns(in, other) || other->depth > DEPTH_MAX) continue;
        if (other->updating != in->updating) continue;
        return other;
    }
    char part[16];
    snprintf(part, sizeof part, "%sp", name);
    draw_note_loose(g, in, part);
    draw_filter(g, in, part);
    return &g->streams[g->count - 1];
}

void draw_union(struct drawing *g, const struct stream *from, const char *name)
{
    struct stream in = *from;
    struct stream *partner = find_partner(g, &in, name), other = *partner;
    g->used[partner - g->streams] = true;
    draw_note_loose(g, &other, name);
    if (in.sources & other.sources) SEEN(union_of_ways);
    else SEEN(union_of_sources);
    bool third = one_in(g->random, 5);
    SAY("node { name: \"%s\" input: \"%s\" input: \"%s\"", name, in.name, other.name);
    if (third) SAY(" input: \"%s\"", in.name);
    SAY(" union {} }\n");
    struct stream *made = stream_like(g, &in, name);
    for (uint32_t i = 0; i < made->count; i++) made->columns[i].nullable |= other.columns[i].nullable;
    made->sorted |= other.sorted;
    made->made |= made->sorted; // how joined rows stand to others is open
    made->stateless &= other.stateless && !made->sorted;
    made->exact = false;
    made->has_k &= other.has_k;
    made->window &= other.window;
    made->made |= other.made;
    made->loose |= other.loose;
    made->unique_count = 0; // both may have rows of one key
    made->depth = (in.depth > other.depth ? in.depth : other.depth) + 1;
    made->sources |= other.sources;
    if (!made->updating) return;
    // Updates without a key can only be counted up; nothing else is drawn over them.
    char counted[16];
    snprintf(counted, sizeof counted, "%sa", name);
    g->used[made - g->streams] = true;
    draw_note_loose(g, made, counted);
    draw_aggregate(g, made, counted);
    made->depth = DEPTH_NONE;
}

void draw_event_time(struct drawing *g, const struct stream *from, const char *name)
{
    struct stream in = *from;
    const struct column *t = stream_column(g, &in, "t"), *n = stream_column(g, &in, "i");
    if (!t) {
        draw_filter(g, from, name);
        return;
    }
    SEEN(event_time);
    SAY("node { name: \"%s\" input: \"%s\" event_time { expr: \"", name, in.name);
    switch (k_random_below(g->random, 4)) {
    case 0: SAY("%s - interval '%d seconds'", t->name, (int)between(g->random, 1, 6)); break;
    case 1: SAY("%s + interval '%d seconds'", t->name, (int)between(g->random, 1, 6)); break;
    case 2: SAY("date_trunc('minute', %s)", t->name); break;
    default:
        if (n) SAY("CASE WHEN %s <> %d THEN %s END", n->name, (int)between(g->random, -2, 5), t->name);
        else SAY("%s", t->name);
    }
    SAY("\"");
    if (!one_in(g->random, 3)) SAY(" behind: \"%dms\"", (int)between(g->random, 1, 9000));
    SAY(" }");
    draw_policy(g);
    SAY(" }\n");
    stream_like(g, &in, name);
}

void draw_flatten(struct drawing *g, const struct stream *from, const char *name)
{
    struct stream in = *from, out = *from;
    uint32_t at = 0;
    while (at < in.count && strcmp(in.columns[at].name, "items") != 0) at++;
    if (at == in.count) {
        draw_map(g, from, name);
        return;
    }
    SEEN(flatten);
    bool fields = !one_in(g->random, 3), element = !fields || one_in(g->random, 2);
    SAY("node { name: \"%s\" input: \"%s\" flatten { field: \"items\"", name, in.name);
    out.count = at;
    if (element) SAY(" as: \"item\""), stream_add(&out, "item", 'j', true);
    if (fields) {
        SAY(" schema: \"Item\"");
        stream_add(&out, "x", 'i', true);
        stream_add(&out, "y", 's', true);
    }
    for (at++; at < in.count; at++) stream_add(&out, in.columns[at].name, in.columns[at].type, in.columns[at].nullable);
    if (one_in(g->random, 2)) SAY(" outer: true");
    SAY(" }");
    draw_policy(g);
    SAY(" }\n");
    struct stream *made = stream_like(g, &in, name);
    memcpy(made->columns, out.columns, sizeof made->columns);
    made->count = out.count;
    made->unique_count = 0;
    made->exact = false;
}
