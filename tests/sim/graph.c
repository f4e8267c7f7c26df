// Random graphs, as the text that people write. A stream is what a node offers: its columns, and what may be done next.
#include "tests/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/document.h"

enum { STREAMS_MAX = 24, COLUMNS_MAX = 24 };

struct column {
    char name[32];
    char type; // s, i, d, b, t
    bool nullable;
};
struct stream {
    char name[32];
    struct column columns[COLUMNS_MAX];
    uint32_t count;
    bool updating, stateless, has_k, window;
    bool made;  // its rows are made at a window's close, in an order that is open
    bool loose; // only its net is fixed
    struct column unique[8]; // of an updating or windowed stream: its group's columns
    uint32_t unique_count;
    uint32_t depth;
};
struct drawing {
    struct scenario *s;
    uint64_t *random;
    struct stats *stats;
    struct stream streams[STREAMS_MAX];
    uint32_t count, nodes;
    bool used[STREAMS_MAX];
};

#define SAY(...) k_buf_printf(&g->s->text, __VA_ARGS__)
#define SEEN(feature) (g->stats->features.feature++)
#define PICK(array) ((array)[k_random_below(g->random, sizeof(array) / sizeof *(array))])

static void add_column(struct stream *s, const char *name, char type, bool nullable)
{
    if (s->count == COLUMNS_MAX) return;
    struct column *c = &s->columns[s->count++];
    snprintf(c->name, sizeof c->name, "%s", name);
    c->type = type;
    c->nullable = nullable;
}

static const struct column *column_of(struct drawing *g, const struct stream *s, const char *types)
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

static void condition(struct drawing *g, const struct stream *s, struct k_buf *out)
{
    predicate(g, s, out);
    if (!one_in(g->random, 3)) return;
    k_buf_add_text(out, one_in(g->random, 2) ? " AND " : " OR ");
    predicate(g, s, out);
}

// --- nodes ---

// Notes that the node, table or sink reads a stream of which only the net is fixed.
static void note_loose(struct drawing *g, const struct stream *in, const char *name)
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

static struct stream *new_stream(struct drawing *g, const char *name)
{
    K_ASSERT(g->count < STREAMS_MAX);
    struct stream *s = &g->streams[g->count++];
    *s = (struct stream){0};
    snprintf(s->name, sizeof s->name, "%s", name);
    return s;
}

static struct stream *like(struct drawing *g, const struct stream *from, const char *name)
{
    struct stream copy = *from, *s = new_stream(g, name);
    *s = copy;
    snprintf(s->name, sizeof s->name, "%s", name);
    s->depth++;
    return s;
}

static void policy(struct drawing *g)
{
    switch (k_random_below(g->random, 8)) {
    case 0: SEEN(drop_policy); SAY(" policy { on_error: DROP }"); break;
    case 1: SEEN(pass_null_policy); SAY(" policy { on_error: PASS_NULL }"); break;
    default: break;
    }
}

static void draw_filter(struct drawing *g, const struct stream *in, const char *name)
{
    SEEN(filter);
    SAY("node { name: \"%s\" input: \"%s\" filter { where: \"", name, in->name);
    condition(g, in, &g->s->text);
    SAY("\" }");
    policy(g);
    SAY(" }\n");
    like(g, in, name);
}

// Leaves a column out that nothing else depends on.
static void drop_one(struct drawing *g, const struct stream *in, struct stream *out)
{
    uint32_t at = (uint32_t)k_random_below(g->random, out->count);
    const char *name = out->columns[at].name;
    bool kept = at >= in->count || strcmp(name, "k") == 0 || strncmp(name, "window_", 7) == 0;
    for (uint32_t i = 0; i < in->unique_count; i++) kept |= strcmp(in->unique[i].name, name) == 0;
    if (kept || out->count < 3) return;
    SEEN(drop);
    SAY(" drop: \"%s\"", name);
    memmove(&out->columns[at], &out->columns[at + 1], (--out->count - at) * sizeof out->columns[0]);
}

// One expression as a new column, or in place of an old one of the same type.
static void draw_set(struct drawing *g, const struct stream *in, struct stream *out, const char *fresh, bool replace)
{
    const struct column *n = column_of(g, in, "i"), *s = column_of(g, in, "s"), *d = column_of(g, in, "d");
    char text[128] = "";
    char type = 'i';
    switch (k_random_below(g->random, 8)) {
    case 0: if (n) snprintf(text, sizeof text, "%s * 2 + 1", n->name); break;
    case 1: if (n) snprintf(text, sizeof text, "100 / %s", n->name); break;
    case 2: if (s) type = 's', snprintf(text, sizeof text, "upper(%s)", s->name); break;
    case 3: if (s) type = 's', snprintf(text, sizeof text, "coalesce(%s, 'none') || '!'", s->name); break;
    case 4: if (s) snprintf(text, sizeof text, "%s::int64", s->name); break;
    case 5: if (n) type = 'd', snprintf(text, sizeof text, "%s / 4.0", n->name); break;
    case 6:
        if (n) type = 's', snprintf(text, sizeof text, "CASE %s %% 3 WHEN 0 THEN 'a' WHEN 1 THEN 'b' END", n->name);
        break;
    default:
        if (d) type = 'd', snprintf(text, sizeof text, "CASE WHEN %s > 2 THEN %s * 4 ELSE 0.5 END", d->name, d->name);
    }
    if (!text[0]) return;
    replace &= type != 'd';
    SAY(" set: \"%s = %s\"", !replace ? fresh : type == 'i' ? "deep" : "opt", text);
    if (!replace) add_column(out, fresh, type, true);
}

static void draw_map(struct drawing *g, const struct stream *in, const char *name)
{
    SEEN(map);
    SAY("node { name: \"%s\" input: \"%s\" map { select: \"*\"", name, in->name);
    struct stream out = *in;
    if (in->depth == 0 && one_in(g->random, 4)) {
        SEEN(system_columns);
        SAY(" select: \"_offset AS off\" select: \"_partition AS part\" select: \"_key AS mkey\""
            " select: \"_timestamp AS stamp\" select: \"_tombstone AS gone\"");
        add_column(&out, "off", 'i', false);
        add_column(&out, "part", 'i', false);
        add_column(&out, "mkey", 'x', true);
        add_column(&out, "stamp", 't', true);
        add_column(&out, "gone", 'b', false);
    }
    char fresh[32];
    for (int i = (int)between(g->random, 1, 3); i > 0; i--) {
        snprintf(fresh, sizeof fresh, "%s_%d", name, i);
        draw_set(g, in, &out, fresh, i == 1 && strcmp(in->name, "in1") == 0 && one_in(g->random, 3));
    }
    if (one_in(g->random, 3)) drop_one(g, in, &out);
    SAY(" }");
    policy(g);
    SAY(" }\n");
    struct stream *made = like(g, in, name);
    out.depth = made->depth;
    *made = out;
    snprintf(made->name, sizeof made->name, "%s", name);
}

static void draw_route(struct drawing *g, const struct stream *in, const char *name)
{
    SEEN(route);
    struct stream from = *in;
    int cases = (int)between(g->random, 1, 2);
    SAY("node { name: \"%s\" input: \"%s\" route {", name, from.name);
    for (int i = 0; i < cases; i++) {
        SAY(" case { name: \"c%d\" when: \"", i);
        condition(g, &from, &g->s->text);
        SAY("\" }");
    }
    SAY(" }");
    policy(g);
    SAY(" }\n");
    for (int i = 0; i <= cases; i++) {
        char port[32];
        if (i < cases) snprintf(port, sizeof port, "%s.c%d", name, i);
        else snprintf(port, sizeof port, "%s.else", name);
        if (g->count < STREAMS_MAX - 1) like(g, &from, port);
    }
}

static void draw_call(struct drawing *g, const struct stream *in, int number, struct stream *out)
{
    const struct column *n = column_of(g, in, "i"), *d = column_of(g, in, "id"), *c = column_of(g, in, "sidt");
    const struct column *any = &in->columns[k_random_below(g->random, in->count)];
    char name[16], call[96] = "count(*)";
    char type = 'i';
    bool nullable = false;
    snprintf(name, sizeof name, "a%d", number);
    uint64_t which = k_random_below(g->random, 8);
    if (which == 1) SEEN(count), snprintf(call, sizeof call, "count(%s)", any->name);
    else if (which == 2 && n) SEEN(sum), nullable = true, snprintf(call, sizeof call, "sum(%s)", n->name);
    else if (which == 3 && d)
        SEEN(avg), nullable = true, type = 'd', snprintf(call, sizeof call, "avg(%s)", d->name);
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
    } else SEEN(count_star);
    SAY(" select: \"%s", call);
    if (one_in(g->random, 4)) {
        SEEN(where);
        SAY(" FILTER (WHERE ");
        const struct column *b = column_of(g, in, "b");
        if (b && one_in(g->random, 2)) SAY("%s", b->name);
        else if (n) SAY("%s > %d", n->name, (int)between(g->random, -2, 5));
        else SAY("true");
        SAY(")");
    }
    SAY(" AS %s\"", name);
    add_column(out, name, type, nullable);
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
        add_column(out, "k", 's', false);
        out->has_k = true;
        if (!one_in(g->random, 2)) return;
    }
    const struct column *c = column_of(g, in, one_in(g->random, 6) ? "sibd" : "sib");
    if (!c && !with_k) c = &in->columns[in->count - 1];
    if (!c || (with_k && strcmp(c->name, "k") == 0)) return;
    if (c->type == 'i') {
        SAY(" group_by: \"%s %% 3 AS g%u\"", c->name, g->nodes);
        char name[16];
        snprintf(name, sizeof name, "g%u", g->nodes);
        add_column(out, name, 'i', true);
    } else {
        SAY(" group_by: \"%s\"", c->name);
        add_column(out, c->name, c->type, c->nullable);
    }
}

static void draw_aggregate(struct drawing *g, const struct stream *from, const char *name)
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
        add_column(&out, "window_start", 't', false);
        add_column(&out, "window_end", 't', false);
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
    policy(g);
    SAY(" }\n");
    out.depth = in.depth + 1;
    out.made = in.made || (windowed && !out.updating);
    out.loose = in.loose || (out.updating && in.made);
    *new_stream(g, name) = out;
}

// --- ends ---

static void key_of(struct drawing *g, const struct stream *s, bool *ret_has_k)
{
    *ret_has_k = false;
    for (uint32_t i = 0; i < s->unique_count; i++) {
        SAY(" key: \"%s\"", s->unique[i].name);
        *ret_has_k |= strcmp(s->unique[i].name, "k") == 0;
    }
}

static bool draw_table(struct drawing *g, const struct stream *s)
{
    if (g->s->table_count == TABLES_MAX) return false;
    bool keyless = s->unique_count == 0;
    if (keyless && !(s->has_k && s->stateless)) return false;
    SEEN(table);
    char *name = g->s->tables[g->s->table_count++];
    bool has_k;
    snprintf(name, 16, "t%u", g->s->table_count);
    note_loose(g, s, name);
    SAY("table { name: \"%s\" input: \"%s\"", name, s->name);
    g->s->overwritten[g->s->table_count - 1] = keyless;
    if (keyless) SAY(" key: \"k\"");
    else key_of(g, s, &has_k);
    bool retention = one_in(g->random, 3);
    // Without a window a row's time is that of its last change, and which that is depends on the order.
    if (retention && !s->window) g->s->overwritten[g->s->table_count - 1] = true;
    if (retention) SEEN(retention), SAY(" retention: \"%ds\"", (int)between(g->random, 1, 30));
    SAY(" }\n");
    return true;
}

static void draw_sink(struct drawing *g, const struct stream *s)
{
    K_ASSERT(g->s->sink_count < SINKS_MAX);
    K_ASSERT(!s->updating || s->unique_count);
    struct sim_sink *sink = &g->s->sinks[g->s->sink_count++];
    bool has_k = false;
    snprintf(sink->name, sizeof sink->name, "s%u", g->s->sink_count);
    snprintf(sink->topic, sizeof sink->topic, "out%u", g->s->sink_count);
    note_loose(g, s, sink->name);
    SAY("sink { name: \"%s\" input: \"%s\" kafka { topic: \"%s\" partitions: %d } format { json {} }", sink->name,
        s->name, sink->topic, (int)between(g->random, 1, 3));
    sink->updating = s->updating;
    sink->keyed = s->updating || one_in(g->random, 2);
    if (!sink->keyed) SEEN(unkeyed_sink);
    else if (s->unique_count) SEEN(keyed_sink), key_of(g, s, &has_k);
    else if (s->has_k) SEEN(keyed_sink), SAY(" key: \"k\"");
    else sink->keyed = false;
    if (s->updating) SEEN(updating_sink);
    sink->ordered = sink->keyed && s->stateless && g->s->shards == 1;
    SAY(" }\n");
}

// --- sources ---

static void draw_time(struct drawing *g, bool has_ts)
{
    if (!has_ts && one_in(g->random, 2)) return;
    SAY(" time {");
    if (has_ts) SAY(" expr: \"ts\"");
    if (!one_in(g->random, 3)) SAY(" out_of_order: \"%dms\"", (int)between(g->random, 0, 4000));
    if (g->s->idle) SEEN(idle), SAY(" idle: \"%dms\"", (int)between(g->random, 100, 20000));
    if (one_in(g->random, 4)) SAY(" max_ahead: \"%ds\"", (int)between(g->random, 10, 600));
    SAY(" }");
}

static void draw_source(struct drawing *g)
{
    struct sim_source *source = &g->s->sources[g->s->source_count++];
    bool first = g->s->source_count == 1;
    snprintf(source->name, sizeof source->name, "in%u", g->s->source_count);
    snprintf(source->topic, sizeof source->topic, "topic%u", g->s->source_count);
    source->kind = first || one_in(g->random, 2) ? SOURCE_JSON : one_in(g->random, 2) ? SOURCE_LINE : SOURCE_RAW;
    source->partitions = (int32_t)between(g->random, g->s->shards, PARTITIONS_MAX);
    source->partitioned = g->s->shards > 1;
    source->crc32 = source->partitioned && one_in(g->random, 3);
    if (source->crc32) SEEN(crc32);
    source->compacted = one_in(g->random, 10);
    if (source->compacted) SEEN(compacted_source);
    static const char *const schemas[] = {"Event", "Line", "Raw"};
    static const char *const formats[] = {
        "json {}", "line { pattern: \"^(?<k>\\\\w+) (?<n>-?\\\\d+)( (?<opt>\\\\w+))?$\" }", "raw {}"};
    SAY("source { name: \"%s\" kafka { topic: \"%s\"%s } format { %s } schema: \"%s\"", source->name, source->topic,
        !source->partitioned ? ""
        : source->crc32      ? " partitioned_by: \"k\" partitioner: CRC32"
                             : " partitioned_by: \"k\"", formats[source->kind], schemas[source->kind]);
    draw_time(g, source->kind == SOURCE_JSON);
    if (one_in(g->random, 6)) SEEN(validate_full), SAY(" validate: FULL");
    policy(g);
    SAY(" }\n");
    struct stream *s = new_stream(g, source->name);
    s->stateless = true;
    if (source->kind == SOURCE_JSON) {
        SEEN(json);
        add_column(s, "k", 's', false);
        add_column(s, "k2", 's', true);
        add_column(s, "n", 'i', true);
        add_column(s, "d", 'd', true);
        add_column(s, "b", 'b', true);
        add_column(s, "opt", 's', true);
        add_column(s, "deep", 'i', true);
        add_column(s, "ts", 't', false);
    } else if (source->kind == SOURCE_LINE) {
        SEEN(line);
        add_column(s, "k", 's', false);
        add_column(s, "n", 'i', true);
        add_column(s, "opt", 's', true);
    } else {
        SEEN(raw);
        add_column(s, "value", 's', false);
    }
    s->has_k = source->kind != SOURCE_RAW;
}

static void draw_nodes(struct drawing *g)
{
    uint32_t wanted = (uint32_t)between(g->random, 1, 7);
    for (; g->nodes < wanted && g->count < STREAMS_MAX - 4; g->nodes++) {
        uint32_t at = (uint32_t)k_random_below(g->random, g->count);
        if (one_in(g->random, 2)) at = g->count - 1; // rather deep than wide
        struct stream *in = &g->streams[at];
        if (in->depth > 5) continue;
        g->used[at] = true;
        char name[16];
        snprintf(name, sizeof name, "n%u", g->nodes);
        note_loose(g, in, name);
        switch (k_random_below(g->random, in->updating ? 3 : 6)) {
        case 0: draw_filter(g, in, name); break;
        case 1: draw_map(g, in, name); break;
        case 2:
            if (in->updating) draw_aggregate(g, in, name);
            else draw_route(g, in, name);
            break;
        default: draw_aggregate(g, in, name);
        }
    }
}

static void draw_ends(struct drawing *g)
{
    for (uint32_t i = 0; i < g->count; i++) {
        bool last = !g->used[i];
        if (last || one_in(g->random, 4)) {
            bool shown = !last && one_in(g->random, 2);
            if (!shown || one_in(g->random, 2)) shown |= draw_table(g, &g->streams[i]);
            if (!shown || one_in(g->random, 2)) draw_sink(g, &g->streams[i]);
        }
    }
    if (g->s->sink_count + g->s->table_count == 0) draw_sink(g, &g->streams[0]);
}

static bool make_plan(struct scenario *s, struct k_buf *why)
{
    struct k_diags diags = {0};
    int code = k_graph_read("sim.textproto", k_buf_str(&s->text), K_FORM_TEXT, &diags, &s->graph);
    if (!code) code = k_plan_make(s->graph, s->shards, &diags, &s->plan);
    if (code) {
        k_buf_add_text(why, "the graph was refused:\n");
        k_diags_print(&diags, why);
    }
    k_diags_fini(&diags);
    return code == 0;
}

bool scenario_draw(struct scenario *s, uint64_t *random, struct stats *stats, struct k_buf *why)
{
    *s = (struct scenario){.shards = one_in(random, 5) ? 2 : 1, .idle = one_in(random, 4)};
    struct drawing *g = k_new(struct drawing);
    g->s = s;
    g->random = random;
    g->stats = stats;
    if (s->shards > 1) SEEN(two_shards);
    SAY("name: \"sim\"\n");
    s->dead_letters = "sim.dead-letters";
    if (one_in(random, 4)) {
        SEEN(dead_letter_topic);
        s->dead_letters = "dead";
        SAY("policy { dead_letter_topic: \"dead\" }\n");
    }
    SAY("schema { name: \"Event\" field: \"k string not null\" field: \"k2 string\" field: \"n int64\" field: \"d "
        "double\"\n"
        "         field: \"b bool\" field: \"opt string\" field: \"deep int64 at $.x.deep\" field: \"ts timestamp "
        "not null\" }\n"
        "schema { name: \"Line\" field: \"k string not null\" field: \"n int64\" field: \"opt string\" }\n"
        "schema { name: \"Raw\" field: \"value string not null\" }\n");
    draw_source(g);
    if (s->shards == 1 && one_in(random, 3)) SEEN(two_sources), draw_source(g);
    draw_nodes(g);
    draw_ends(g);
    bool good = make_plan(s, why);
    free(g);
    return good;
}

void scenario_fini(struct scenario *s)
{
    k_plan_destroy(s->plan);
    k_graph_destroy(s->graph);
    k_buf_fini(&s->text);
}
