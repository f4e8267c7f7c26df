// What the files that draw graphs share: graph.c (sources, tables, sinks, the whole), graph_nodes.c (streams, filter,
// map, route), graph_order.c (union, event_time), graph_join.c, graph_aggregate.c.
#pragma once
#include "tests/sim/sim.h"

enum { STREAMS_MAX = 24, COLUMNS_MAX = 24, DEPTH_MAX = 5, DEPTH_NONE = 99 };

struct column {
    char name[32];
    char type; // s, i, d, b, t, j
    bool nullable;
};
struct stream {
    char name[32];
    struct column columns[COLUMNS_MAX];
    uint32_t count;
    bool updating, stateless, has_k, window;
    bool made;  // its rows are made at a window's close, in an order that is open
    bool loose; // only its net is fixed
    bool exact;  // a row is told apart by the record that it comes from, so that a join has one order for it
    bool sorted; // it comes out of a join: rows of several records come when the frontier lets them
    struct column unique[8]; // of an updating or windowed stream: its group's columns
    uint32_t unique_count;
    uint32_t depth;
    uint32_t sources; // from which it comes: a bit each
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

// graph.c
void draw_time(struct drawing *g, bool has_ts); // has_ts: by column ts
// graph_nodes.c
void stream_add(struct stream *s, const char *name, char type, bool nullable);
const struct column *stream_column(struct drawing *g, const struct stream *s, const char *types); // NULL: none
struct stream *stream_new(struct drawing *g, const char *name);
struct stream *stream_like(struct drawing *g, const struct stream *from, const char *name);
void draw_note_loose(struct drawing *g, const struct stream *in, const char *name);
void draw_policy(struct drawing *g);
void draw_condition(struct drawing *g, const struct stream *s, struct k_buf *out);
void draw_filter(struct drawing *g, const struct stream *in, const char *name);
void draw_map(struct drawing *g, const struct stream *in, const char *name);
void draw_route(struct drawing *g, const struct stream *in, const char *name);
// graph_order.c
void draw_union(struct drawing *g, const struct stream *in, const char *name);
void draw_flatten(struct drawing *g, const struct stream *in, const char *name);
void draw_event_time(struct drawing *g, const struct stream *in, const char *name); // in may not be of windows or joins
// graph_join.c
void draw_join(struct drawing *g, const struct stream *in, const char *name); // in may not be updating
// graph_aggregate.c
void draw_aggregate(struct drawing *g, const struct stream *from, const char *name);
