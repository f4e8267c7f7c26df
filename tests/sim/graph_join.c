// Random joins of a stream and a table, and the table: a source with a key, one in a graph, which all its joins read.
#include <stdio.h>

#include "tests/sim/graph.h"

static struct sim_source *draw_keyed_source(struct drawing *g)
{
    struct scenario *s = g->s;
    for (uint32_t i = 0; i < s->source_count; i++)
        if (s->sources[i].table) return &s->sources[i];
    const struct sim_source *first = &s->sources[0];
    struct sim_source *source = &s->sources[s->source_count++];
    K_ASSERT(s->source_count <= SOURCES_MAX);
    snprintf(source->name, sizeof source->name, "dim");
    snprintf(source->topic, sizeof source->topic, "dims");
    source->table = true;
    source->kind = SOURCE_DIM;
    // With several shards both must lie where their keys say.
    source->partitioned = s->shards > 1;
    source->crc32 = source->partitioned && first->crc32;
    source->partitions = s->shards > 1 ? first->partitions : (int32_t)between(g->random, 1, PARTITIONS_MAX);
    source->number_key = s->shards == 1 && one_in(g->random, 3);
    source->compacted = one_in(g->random, 3);
    if (source->compacted) SEEN(compacted_table);
    if (source->number_key) SEEN(number_key);
    SAY("schema { name: \"Dim\" field: \"id %s not null\" field: \"label string\" field: \"rate int64\"\n"
        "         field: \"ts timestamp not null\" }\n"
        "source { name: \"dim\" kafka { topic: \"dims\"%s } format { json {} } schema: \"Dim\" key: \"id\"",
        source->number_key ? "int64" : "string",
        !source->partitioned ? ""
        : source->crc32      ? " partitioned_by: \"id\" partitioner: CRC32"
                             : " partitioned_by: \"id\"");
    draw_time(g, one_in(g->random, 2));
    draw_policy(g);
    SAY(" }\n");
    return source;
}

static void draw_on(struct drawing *g, const struct stream *in, const struct sim_source *table)
{
    const struct column *n = stream_column(g, in, "i"), *s = stream_column(g, in, "s");
    char text[128];
    if (table->partitioned) snprintf(text, sizeof text, "%s.k", in->name);
    else if (table->number_key && s && (!n || one_in(g->random, 4)))
        snprintf(text, sizeof text, "%s.%s::int64", in->name, s->name); // of most texts there is none
    else if (table->number_key && n)
        snprintf(text, sizeof text, one_in(g->random, 4) ? "%s.%s %% 3" : "%s.%s", in->name, n->name);
    else if (table->number_key) snprintf(text, sizeof text, "length(%s.value)", in->name);
    else if (in->has_k && !one_in(g->random, 3)) snprintf(text, sizeof text, "%s.k", in->name);
    else if (s) snprintf(text, sizeof text, one_in(g->random, 3) ? "lower(%s.%s)" : "%s.%s", in->name, s->name);
    else snprintf(text, sizeof text, "CASE %s.%s %% 2 WHEN 0 THEN 'a' ELSE 'b' END", in->name, n->name);
    if (one_in(g->random, 2)) SAY(" on: \"%s = dim.id\"", text);
    else SAY(" on: \"dim.id = %s\"", text);
}

// What is added to the stream's columns. Names end in the node's, for there may be a join behind a join.
static void draw_columns(struct drawing *g, const struct stream *in, const char *name, struct stream *out)
{
    const struct column *n = stream_column(g, in, "i");
    char column[32];
    for (int i = (int)between(g->random, 1, 3); i > 0; i--) {
        snprintf(column, sizeof column, "%s_%d", name, i);
        char type = 's';
        switch (k_random_below(g->random, 6)) {
        case 0: SAY(" select: \"dim.label AS %s\"", column); break;
        case 1: SAY(" select: \"coalesce(dim.label, 'none') AS %s\"", column); break;
        case 2: type = 'i', SAY(" select: \"dim.rate AS %s\"", column); break;
        case 3: type = 'i', SAY(" select: \"12 / dim.rate AS %s\"", column); break;
        case 4: type = 't', SAY(" select: \"dim.ts AS %s\"", column); break;
        default:
            type = 'i';
            if (n) SAY(" select: \"dim.rate * 2 + %s.%s AS %s\"", in->name, n->name, column);
            else SAY(" select: \"dim._offset AS %s\"", column);
        }
        stream_add(out, column, type, true);
    }
}

void draw_join(struct drawing *g, const struct stream *from, const char *name)
{
    struct stream in = *from, out = *from;
    if (!stream_column(g, &in, "is") || (g->s->shards > 1 && !in.has_k) || in.count + 4 > COLUMNS_MAX) {
        draw_filter(g, from, name);
        return;
    }
    const struct sim_source *table = draw_keyed_source(g);
    bool left = one_in(g->random, 2);
    if (left) SEEN(join_left);
    else SEEN(join_inner);
    if (in.sorted) SEEN(join_behind_join);
    SAY("node { name: \"%s\" input: \"%s\" input: \"dim\" join {", name, in.name);
    if (left) SAY(" type: LEFT");
    draw_on(g, &in, table);
    SAY(" select: \"%s.*\"", in.name);
    draw_columns(g, &in, name, &out);
    if (one_in(g->random, 2) && g->s->late_count < SINKS_MAX) {
        SEEN(join_late_topic);
        char *topic = g->s->late_topics[g->s->late_count++];
        snprintf(topic, 16, "late-%s", name);
        SAY(" late_topic: \"%s\"", topic);
    }
    SAY(" }");
    draw_policy(g);
    SAY(" }\n");
    struct stream *made = stream_like(g, &in, name);
    memcpy(made->columns, out.columns, sizeof made->columns);
    made->count = out.count;
    made->stateless = in.stateless && in.exact;
    made->made |= !in.exact;
    made->exact = false; // rows of several partitions may have one event time
    made->sorted = true;
    for (uint32_t i = 0; i < g->s->source_count; i++)
        if (&g->s->sources[i] == table) made->sources |= 1u << i;
}
