// Random graphs, as the text that people write. A stream is what a node offers: its columns, and what may be done next.
#include <stdio.h>
#include <stdlib.h>

#include "proto/document.h"
#include "tests/sim/graph.h"

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
    draw_note_loose(g, s, name);
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

static void draw_sink(struct drawing *g, const struct stream *s, bool has_table)
{
    K_ASSERT(g->s->sink_count < SINKS_MAX);
    K_ASSERT(!s->updating || s->unique_count);
    struct sim_sink *sink = &g->s->sinks[g->s->sink_count++];
    bool has_k = false;
    snprintf(sink->name, sizeof sink->name, "s%u", g->s->sink_count);
    snprintf(sink->topic, sizeof sink->topic, "out%u", g->s->sink_count);
    draw_note_loose(g, s, sink->name);
    SAY("sink { name: \"%s\" input: \"%s\" kafka { topic: \"%s\" partitions: %d } format { json {} }", sink->name,
        s->name, sink->topic, (int)between(g->random, 1, 3));
    sink->updating = s->updating;
    sink->keyed = s->updating || !one_in(g->random, g->s->shown ? 5 : 2);
    if (!sink->keyed) SEEN(unkeyed_sink);
    else if (s->unique_count) SEEN(keyed_sink), key_of(g, s, &has_k);
    else if (s->has_k) SEEN(keyed_sink), SAY(" key: \"k\"");
    else sink->keyed = false;
    if (s->updating) SEEN(updating_sink);
    sink->ordered = sink->keyed && s->stateless && g->s->shards == 1;
    SAY(" }\n");
    if (g->s->shown && sink->keyed && !has_table && !one_in(g->random, 12)) draw_table(g, s);
}

// --- sources ---

void draw_time(struct drawing *g, bool has_ts)
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
    static const enum source_kind others[] = {SOURCE_LINE, SOURCE_CSV, SOURCE_RAW, SOURCE_PROTOBUF};
    source->kind = first || one_in(g->random, 2) ? SOURCE_JSON : others[k_random_below(g->random, 4)];
    source->packed = one_in(g->random, 4);
    if (source->packed) SEEN(packed);
    source->partitions = (int32_t)between(g->random, g->s->shards, PARTITIONS_MAX);
    source->partitioned = g->s->shards > 1;
    source->crc32 = source->partitioned && one_in(g->random, 3);
    if (source->crc32) SEEN(crc32);
    source->compacted = one_in(g->random, 10);
    if (source->compacted) SEEN(compacted_source);
    static const char *const schemas[] = {"Event", "Line", "Raw", "Line", "Buyer"};
    static const char *const formats[] = {
        "json {}", "line { pattern: \"^(?<k>\\\\w+) (?<n>-?\\\\d+)( (?<opt>\\\\w+))?$\" }", "raw {}",
        "csv { delimiter: \";\" }", "protobuf { descriptor_set: \"" TYPES "\" message: \"shop.Buyer\" }"};
    SAY("source { name: \"%s\" kafka { topic: \"%s\"%s } format { %s%s%s } schema: \"%s\"", source->name, source->topic,
        !source->partitioned ? ""
        : source->crc32      ? " partitioned_by: \"k\" partitioner: CRC32"
                             : " partitioned_by: \"k\"", source->packed ? "packed { " : "", formats[source->kind],
        source->packed ? " }" : "", schemas[source->kind]);
    draw_time(g, source->kind == SOURCE_JSON);
    if (one_in(g->random, 6)) SEEN(validate_full), SAY(" validate: FULL");
    draw_policy(g);
    SAY(" }\n");
    struct stream *s = stream_new(g, source->name);
    s->stateless = s->exact = true;
    s->sources = 1u << (g->s->source_count - 1);
    if (source->kind == SOURCE_JSON) {
        SEEN(json);
        stream_add(s, "k", 's', false);
        stream_add(s, "k2", 's', true);
        stream_add(s, "n", 'i', true);
        stream_add(s, "d", 'd', true);
        stream_add(s, "b", 'b', true);
        stream_add(s, "opt", 's', true);
        stream_add(s, "deep", 'i', true);
        stream_add(s, "ts", 't', false);
        stream_add(s, "items", 'j', true);
    } else if (source->kind != SOURCE_RAW) {
        if (source->kind == SOURCE_LINE) SEEN(line);
        else if (source->kind == SOURCE_CSV) SEEN(csv);
        else SEEN(protobuf);
        stream_add(s, "k", 's', false);
        stream_add(s, "n", 'i', true);
        stream_add(s, "opt", 's', true);
    } else {
        SEEN(raw);
        stream_add(s, "value", 's', false);
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
        if (in->depth > DEPTH_MAX) continue;
        g->used[at] = true;
        char name[16];
        snprintf(name, sizeof name, "n%u", g->nodes);
        draw_note_loose(g, in, name);
        switch (k_random_below(g->random, in->updating ? 5 : 12)) {
        case 0: draw_filter(g, in, name); break;
        case 1: draw_map(g, in, name); break;
        case 2:
            if (in->updating) draw_aggregate(g, in, name);
            else draw_route(g, in, name);
            break;
        case 5: draw_flatten(g, in, name); break;
        case 3: draw_union(g, in, name); break;
        case 4:
            if (in->window || in->sorted) draw_filter(g, in, name);
            else draw_event_time(g, in, name);
            break;
        case 6:
        case 7: draw_join(g, in, name); break;
        default: draw_aggregate(g, in, name);
        }
    }
}

static void draw_ends(struct drawing *g)
{
    for (uint32_t i = 0; i < g->count; i++) {
        bool last = !g->used[i];
        if (g->streams[i].updating && g->streams[i].unique_count == 0) continue; // nothing can show it
        if (last || one_in(g->random, 4)) {
            bool shown = !last && one_in(g->random, 2);
            bool has_table = (!shown || one_in(g->random, 2)) && draw_table(g, &g->streams[i]);
            shown |= has_table;
            if (!shown || !one_in(g->random, g->s->shown ? 4 : 2)) draw_sink(g, &g->streams[i], has_table);
        }
    }
    if (g->s->sink_count + g->s->table_count == 0) draw_sink(g, &g->streams[0], false);
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

bool scenario_draw(struct scenario *s, uint64_t *random, bool shown, struct stats *stats, struct k_buf *why)
{
    *s = (struct scenario){.shards = one_in(random, 5) ? 2 : 1, .idle = one_in(random, 4), .shown = shown};
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
        "not null\" field: \"items json\" }\n"
        "schema { name: \"Item\" field: \"x int64 not null\" field: \"y string at $.z.y\" }\n"
        "schema { name: \"Line\" field: \"k string not null\" field: \"n int64\" field: \"opt string\" }\n"
        "schema { name: \"Buyer\" field: \"k string not null at $.name\" field: \"n int64 at $.age\"\n"
        "         field: \"opt string at $.parent.name\" }\n"
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
