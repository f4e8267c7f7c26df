// Random aggregates: groups, windows, calls.
#include <stdio.h>

#include "tests/sim/graph.h"

static void draw_call(struct drawing *g, const struct stream *in, int number, struct stream *out)
{
    const struct column *n = stream_column(g, in, "i"), *d = stream_column(g, in, "id"),
                        *c = stream_column(g, in, "sidt");
    const struct column *any = &in->columns[k_random_below(g->random, in->count)];
    char name[16], call[96] = "count(*)";
    char type = 'i';
    bool nullable = false;
    snprintf(name, sizeof name, "a%d", number);
    uint64_t which = k_random_below(g->random, 11);
    if (which == 1) SEEN(count), snprintf(call, sizeof call, "count(%s)", any->name);
    else if (which == 2 && n) SEEN(sum), nullable = true, snprintf(call, sizeof call, "sum(%s)", n->name);
    else if (which == 3 && d) SEEN(avg), nullable = true, type = 'd', snprintf(call, sizeof call, "avg(%s)", d->name);
    else if (which == 4 && d)
        SEEN(sum), nullable = true, type = d->type, snprintf(call, sizeof call, "sum(%s)", d->name);
    else if (which == 5 && c)
        SEEN(min), nullable = true, type = c->type, snprintf(call, sizeof call, "min(%s)", c->name);
    else if (which == 6 && c)
        SEEN(max), nullable = true, type = c->type, snprintf(call, sizeof call, "max(%s)", c->name);
    else if (which == 7 && c && n) {
        bool least = one_in(g->random, 2);
        if (least) SEEN(arg_min);
        else SEEN(arg_max);
        nullable = true;
        type = n->type;
        snprintf(call, sizeof call, "%s(%s, %s)", least ? "arg_min" : "arg_max", n->name, c->name);
    } else if (which == 8 && d) {
        static const char *const names[] = {"variance", "var_pop", "var_samp", "stddev", "stddev_pop", "stddev_samp"};
        SEEN(variance);
        nullable = true;
        type = 'd';
        snprintf(call, sizeof call, "%s(%s)", PICK(names), d->name);
    } else if (which == 9 && any->type != 'j') {
        SEEN(count_distinct);
        snprintf(call, sizeof call, "count(DISTINCT %s)", any->name);
    } else if (which == 10 && !in->updating) {
        SEEN(first_last);
        nullable = true;
        type = any->type;
        snprintf(call, sizeof call, "%s(%s)", one_in(g->random, 2) ? "first" : "last", any->name);
    } else SEEN(count_star);
    SAY(" select: \"%s", call);
    if (one_in(g->random, 4)) {
        SEEN(where);
        SAY(" FILTER (WHERE ");
        const struct column *b = stream_column(g, in, "b");
        if (b && one_in(g->random, 2)) SAY("%s", b->name);
        else if (n) SAY("%s > %d", n->name, (int)between(g->random, -2, 5));
        else SAY("true");
        SAY(")");
    }
    SAY(" AS %s\"", name);
    stream_add(out, name, type, nullable);
}

static void draw_window(struct drawing *g, const struct stream *in, bool inherit)
{
    int64_t every = between(g->random, 1, 6) * 1000;
    if (inherit && in->window) {
        SEEN(aggregate_inherit);
        SAY(" window { inherit {} }");
        return;
    }
    if (one_in(g->random, 3)) {
        SEEN(aggregate_hopping);
        SAY(" window { hopping { size: \"%lldms\" every: \"%lldms\" } }",
            (long long)(every * between(g->random, 2, 4)), (long long)every);
        return;
    }
    SEEN(aggregate_tumbling);
    SAY(" window { tumbling { size: \"%lldms\" } }", (long long)every);
}

static void draw_group(struct drawing *g, const struct stream *in, bool windowed, struct stream *out)
{
    // One group of all rows, only where it closes: an updating row without a key cannot be shown.
    bool all = windowed && g->s->shards == 1 && one_in(g->random, 8);
    bool with_k = g->s->shards > 1 || (in->has_k && one_in(g->random, 2));
    if (all) return;
    if (with_k) {
        SAY(" group_by: \"k\"");
        stream_add(out, "k", 's', false);
        out->has_k = true;
        if (!one_in(g->random, 2)) return;
    }
    const struct column *c = stream_column(g, in, one_in(g->random, 6) ? "sibd" : "sib");
    if (!c && !with_k) c = &in->columns[in->count - 1];
    if (!c || (with_k && strcmp(c->name, "k") == 0)) return;
    if (c->type == 'i') {
        SAY(" group_by: \"%s %% 3 AS g%u\"", c->name, g->nodes);
        char name[16];
        snprintf(name, sizeof name, "g%u", g->nodes);
        stream_add(out, name, 'i', true);
    } else {
        SAY(" group_by: \"%s\"", c->name);
        stream_add(out, c->name, c->type, c->nullable);
    }
}

void draw_aggregate(struct drawing *g, const struct stream *from, const char *name)
{
    struct stream in = *from, out = {0};
    bool windowed = !in.updating && one_in(g->random, 3) == false;
    bool inherit = windowed && in.window && one_in(g->random, 2);
    snprintf(out.name, sizeof out.name, "%s", name);
    SAY("node { name: \"%s\" input: \"%s\" aggregate {", name, in.name);
    draw_group(g, &in, windowed, &out);
    memcpy(out.unique, out.columns, sizeof out.unique);
    out.unique_count = out.count;
    out.updating = !windowed;
    if (windowed) {
        draw_window(g, &in, inherit);
        stream_add(&out, "window_start", 't', false);
        stream_add(&out, "window_end", 't', false);
        out.window = true;
        if (one_in(g->random, 2) && !inherit) SEEN(grace), SAY(" grace: \"%dms\"", (int)between(g->random, 1, 5000));
        if (one_in(g->random, 4)) SEEN(on_update), out.updating = true, SAY(" emit: ON_UPDATE");
        else SEEN(on_close);
        if (one_in(g->random, 2) && g->s->late_count < SINKS_MAX) {
            SEEN(late_topic);
            char *topic = g->s->late_topics[g->s->late_count++];
            snprintf(topic, 16, "late-%s", name);
            SAY(" late_topic: \"%s\"", topic);
        }
        snprintf(out.unique[out.unique_count++].name, sizeof out.unique[0].name, "window_start");
    } else if (in.updating) SEEN(aggregate_over_updates);
    else SEEN(aggregate_unbounded);
    int calls = (int)between(g->random, 1, 3);
    for (int i = 0; i < calls; i++) draw_call(g, &in, (int)g->nodes * 4 + i, &out);
    SAY(" }");
    draw_policy(g);
    SAY(" }\n");
    out.depth = in.depth + 1;
    out.sources = in.sources;
    out.made = in.made || (windowed && !out.updating);
    out.loose = in.loose || (out.updating && in.made);
    *stream_new(g, name) = out;
}
