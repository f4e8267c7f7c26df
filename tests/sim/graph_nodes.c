// Random expressions, and the nodes that remember nothing.
#include <stdio.h>

#include "tests/sim/graph.h"

void stream_add(struct stream *s, const char *name, char type, bool nullable)
{
    if (s->count == COLUMNS_MAX) return;
    struct column *c = &s->columns[s->count++];
    snprintf(c->name, sizeof c->name, "%s", name);
    c->type = type;
    c->nullable = nullable;
}

const struct column *stream_column(struct drawing *g, const struct stream *s, const char *types)
{
    const struct column *found[COLUMNS_MAX];
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->count; i++)
        if (strchr(types, s->columns[i].type)) found[n++] = &s->columns[i];
    return n ? found[k_random_below(g->random, n)] : NULL;
}

// --- expressions ---

static void predicate(struct drawing *g, const struct stream *s, struct k_buf *out)
{
    const struct column *c = &s->columns[k_random_below(g->random, s->count)];
    int64_t n = between(g->random, -3, 9);
    switch (c->type) {
    case 'i': {
        static const char *const forms[] = {"%s > %d", "%s %% 3 = %d", "10 / %s >= %d", "%s <> %d"};
        const char *form = PICK(forms);
        char text[80];
        snprintf(text, sizeof text, form, c->name, (int)n);
        k_buf_add_text(out, text);
        return;
    }
    case 's': {
        static const char *const forms[] = {"%s <> 'a'", "%s LIKE 'b%%'", "%s IS NOT NULL", "length(%s) < 2",
                                            "%s IN ('a', 'c', '7')", "%s::int64 < 5", "coalesce(%s, 'z') >= 'b'"};
        char text[80];
        snprintf(text, sizeof text, PICK(forms), c->name);
        k_buf_add_text(out, text);
        return;
    }
    case 'd': k_buf_printf(out, "%s < %d.5", c->name, (int)n); return;
    case 'b': k_buf_printf(out, one_in(g->random, 2) ? "%s" : "NOT %s", c->name); return;
    default: k_buf_printf(out, "%s IS NOT NULL", c->name); return;
    }
}

void draw_condition(struct drawing *g, const struct stream *s, struct k_buf *out)
{
    predicate(g, s, out);
    if (!one_in(g->random, 3)) return;
    k_buf_add_text(out, one_in(g->random, 2) ? " AND " : " OR ");
    predicate(g, s, out);
}

// --- nodes ---

// Notes that the node, table or sink reads a stream of which only the net is fixed.
void draw_note_loose(struct drawing *g, const struct stream *in, const char *name)
{
    if (!in->loose) return;
    K_ASSERT(g->s->loose_count < LOOSE_MAX);
    snprintf(g->s->loose[g->s->loose_count++], sizeof g->s->loose[0], "%s", name);
}

bool scenario_is_loose(const struct scenario *s, struct k_str name)
{
    for (uint32_t i = 0; i < s->loose_count; i++)
        if (k_str_equal(k_str_of(s->loose[i]), name)) return true;
    return false;
}

bool scenario_reads(const struct scenario *s, const char *source)
{
    for (uint32_t i = 0; i < s->source_count; i++)
        if (strcmp(s->sources[i].name, source) == 0) return true;
    return false;
}

struct stream *stream_new(struct drawing *g, const char *name)
{
    K_ASSERT(g->count < STREAMS_MAX);
    struct stream *s = &g->streams[g->count++];
    *s = (struct stream){0};
    snprintf(s->name, sizeof s->name, "%s", name);
    return s;
}

struct stream *stream_like(struct drawing *g, const struct stream *from, const char *name)
{
    struct stream copy = *from, *s = stream_new(g, name);
    *s = copy;
    snprintf(s->name, sizeof s->name, "%s", name);
    s->depth++;
    return s;
}

void draw_policy(struct drawing *g)
{
    switch (k_random_below(g->random, 8)) {
    case 0: SEEN(drop_policy); SAY(" policy { on_error: DROP }"); break;
    case 1: SEEN(pass_null_policy); SAY(" policy { on_error: PASS_NULL }"); break;
    default: break;
    }
}

void draw_filter(struct drawing *g, const struct stream *in, const char *name)
{
    SEEN(filter);
    SAY("node { name: \"%s\" input: \"%s\" filter { where: \"", name, in->name);
    draw_condition(g, in, &g->s->text);
    SAY("\" }");
    draw_policy(g);
    SAY(" }\n");
    stream_like(g, in, name);
}

// Leaves a column out that nothing else depends on.
static void drop_one(struct drawing *g, const struct stream *in, struct stream *out)
{
    uint32_t at = (uint32_t)k_random_below(g->random, out->count);
    const char *name = out->columns[at].name;
    bool kept = at >= in->count || strcmp(name, "k") == 0 || strncmp(name, "window_", 7) == 0;
    for (uint32_t i = 0; i < in->unique_count; i++) kept |= strcmp(in->unique[i].name, name) == 0;
    uint32_t others = 0; // something to group by must be left
    for (uint32_t i = 0; i < out->count; i++) others += strncmp(out->columns[i].name, "window_", 7) != 0;
    if (kept || others < 2) return;
    SEEN(drop);
    SAY(" drop: \"%s\"", name);
    memmove(&out->columns[at], &out->columns[at + 1], (--out->count - at) * sizeof out->columns[0]);
}

// One expression as a new column, or in place of an old one of the same type.
static void draw_set(struct drawing *g, const struct stream *in, struct stream *out, const char *fresh, bool replace)
{
    const struct column *n = stream_column(g, in, "i"), *s = stream_column(g, in, "s"), *d = stream_column(g, in, "d");
    char text[128] = "";
    char type = 'i';
    const struct column *t = stream_column(g, in, "t");
    switch (k_random_below(g->random, 15)) {
    case 0: if (n) snprintf(text, sizeof text, "%s * 2 + 1", n->name); break;
    case 1: if (n) snprintf(text, sizeof text, "100 / %s", n->name); break;
    case 2: if (s) type = 's', snprintf(text, sizeof text, "upper(%s)", s->name); break;
    case 3: if (s) type = 's', snprintf(text, sizeof text, "coalesce(%s, 'none') || '!'", s->name); break;
    case 4: if (s) snprintf(text, sizeof text, "%s::int64", s->name); break;
    case 5: if (n) type = 'd', snprintf(text, sizeof text, "%s / 4.0", n->name); break;
    case 6:
        if (n) type = 's', snprintf(text, sizeof text, "CASE %s %% 3 WHEN 0 THEN 'a' WHEN 1 THEN 'b' END", n->name);
        break;
    case 7: if (n) snprintf(text, sizeof text, "abs(%s - 4)", n->name); break;
    case 8: if (d) type = 'd', snprintf(text, sizeof text, "sqrt(%s) + floor(%s)", d->name, d->name); break;
    case 9: if (d) type = 'd', snprintf(text, sizeof text, "round(%s * 3) - sign(%s)", d->name, d->name); break;
    case 10: if (t) type = 'd', snprintf(text, sizeof text, "date_part('second', %s)", t->name); break;
    case 11: if (s) type = 's', snprintf(text, sizeof text, "replace(reverse(%s), 'a', 'äb')", s->name); break;
    case 12:
        if (s) type = 's', snprintf(text, sizeof text, "rpad(ltrim(%s, 'ab'), 3, 'é') || left(%s, 1)", s->name,
                                    s->name);
        break;
    case 13: if (s) snprintf(text, sizeof text, "strpos(%s, 'b') + length(btrim(%s))", s->name, s->name); break;
    default:
        if (d) type = 'd', snprintf(text, sizeof text, "CASE WHEN %s > 2 THEN %s * 4 ELSE 0.5 END", d->name, d->name);
    }
    if (!text[0]) return;
    replace &= type != 'd';
    SAY(" set: \"%s = %s\"", !replace ? fresh : type == 'i' ? "deep" : "opt", text);
    if (!replace) stream_add(out, fresh, type, true);
}

void draw_map(struct drawing *g, const struct stream *in, const char *name)
{
    SEEN(map);
    SAY("node { name: \"%s\" input: \"%s\" map { select: \"*\"", name, in->name);
    struct stream out = *in;
    if (in->depth == 0 && one_in(g->random, 4)) {
        SEEN(system_columns);
        SAY(" select: \"_offset AS off\" select: \"_partition AS part\" select: \"_key AS mkey\""
            " select: \"_timestamp AS stamp\" select: \"_tombstone AS gone\" select: \"_index AS nth\"");
        stream_add(&out, "off", 'i', false);
        stream_add(&out, "part", 'i', false);
        stream_add(&out, "mkey", 'x', true);
        stream_add(&out, "stamp", 't', true);
        stream_add(&out, "gone", 'b', false);
        stream_add(&out, "nth", 'i', false);
    }
    char fresh[32];
    for (int i = (int)between(g->random, 1, 3); i > 0; i--) {
        snprintf(fresh, sizeof fresh, "%s_%d", name, i);
        draw_set(g, in, &out, fresh, i == 1 && strcmp(in->name, "in1") == 0 && one_in(g->random, 3));
    }
    if (one_in(g->random, 3)) drop_one(g, in, &out);
    SAY(" }");
    draw_policy(g);
    SAY(" }\n");
    struct stream *made = stream_like(g, in, name);
    out.depth = made->depth;
    *made = out;
    snprintf(made->name, sizeof made->name, "%s", name);
}

void draw_route(struct drawing *g, const struct stream *in, const char *name)
{
    SEEN(route);
    struct stream from = *in;
    int cases = (int)between(g->random, 1, 2);
    SAY("node { name: \"%s\" input: \"%s\" route {", name, from.name);
    for (int i = 0; i < cases; i++) {
        SAY(" case { name: \"c%d\" when: \"", i);
        draw_condition(g, &from, &g->s->text);
        SAY("\" }");
    }
    SAY(" }");
    draw_policy(g);
    SAY(" }\n");
    for (int i = 0; i <= cases; i++) {
        char port[32];
        if (i < cases) snprintf(port, sizeof port, "%s.c%d", name, i);
        else snprintf(port, sizeof port, "%s.else", name);
        if (g->count < STREAMS_MAX - 1) stream_like(g, &from, port);
    }
}
