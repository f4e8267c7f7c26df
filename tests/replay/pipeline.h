// A pipeline with two generations on the in-memory log, for tests of what happens between them.
#pragma once
#include "replay/generations.h"
#include "replay/overseer.h"
#include "tests/engine/cluster.h"

static const int64_t SECOND = 1000000;

// Doubles n, from one of two topics.
#define GRAPH_ONE                                                                          \
    "name: \"p\" schema { name: \"E\" field: \"k string not null\" field: \"n int64\" }\n" \
    "source { name: \"other\" kafka { topic: \"u\" } format { json {} } schema: \"E\" }\n" \
    "source { name: \"in\" kafka { topic: \"t\" } format { json {} } schema: \"E\" }\n"    \
    "node { name: \"both\" input: \"in\" map { select: \"k\" select: \"n * 2 AS n\" } }\n" \
    "table { name: \"last\" input: \"both\" key: \"k\" }\n"                                \
    "table { name: \"others\" input: \"other\" key: \"k\" }\n"                             \
    "sink { name: \"out\" input: \"both\" kafka { topic: \"o\" } format { json {} } }\n"
// The other topic is left out, and the expression is corrected.
#define GRAPH_TWO                                                                          \
    "name: \"p\" schema { name: \"E\" field: \"k string not null\" field: \"n int64\" }\n" \
    "source { name: \"in\" kafka { topic: \"t\" } format { json {} } schema: \"E\" }\n"    \
    "node { name: \"both\" input: \"in\" map { select: \"k\" select: \"n * 3 AS n\" } }\n" \
    "table { name: \"last\" input: \"both\" key: \"k\" }\n"                                \
    "sink { name: \"out\" input: \"both\" kafka { topic: \"o\" } format { json {} } }\n"
// A topic more.
#define GRAPH_MORE                                                                                 \
    GRAPH_ONE "source { name: \"new\" kafka { topic: \"v\" } format { json {} } schema: \"E\" }\n" \
              "table { name: \"news\" input: \"new\" key: \"k\" }\n"

struct generation {
    struct k_graph *graph;
    struct k_plan *plan;
};
struct pipeline;
struct host { // whose shard or overseer asks
    struct pipeline *p;
    uint32_t worker;
};
struct pipeline {
    struct cluster c; // worker 0 hosts generation 1, workers 1 and 2 generation 2
    struct generation two;
    struct k_log *logs[WORKERS];
    struct k_overseer *overseers[WORKERS];
    uint64_t kept[WORKERS]; // the last mark kept
    struct k_buf copies[WORKERS];
    struct host hosts[WORKERS];
};

// Generation 1 has GRAPH_ONE, generation 2 this graph, and is a shadow. Nobody runs yet.
void begin(struct pipeline *p, const char *two);
void finish(struct pipeline *p);
void start(struct pipeline *p, uint32_t worker);
// From this place on; NULL: from the beginning.
void start_from(struct pipeline *p, uint32_t worker, const struct k_start *where);
void end(struct pipeline *p, uint32_t worker); // as kill -9
int step(struct pipeline *p);
void run(struct pipeline *p, int64_t us);
// What the worker's last checkpoint holds of tables and operators, without the notes beside it. The worker is stopped.
char *tables_of(struct pipeline *p, uint32_t worker);
// A record {"k": "a" or "b", "n": n}.
void put(struct pipeline *p, const char *topic, int n);
void ask(struct pipeline *p, k_control_decide decision, void *context);
void switch_to(struct pipeline *p, uint64_t to); // 0: back; returns when it is complete
