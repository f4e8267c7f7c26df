// Runs one operator, or one source, with a host of its own over a state in memory, and writes down all that it says.
//
// A graph in text form has the schema, the source whose columns are the input, and the node, table or sink under test
// (the last one written). Rows are JSON objects of the schema. What the operator says is text, a line each:
//   emitted   "<port> <weight> <event time in µs> <row as JSON>"
//   letters   "<reason> <row as JSON>", from a source "<reason> <value of the message>"
//   late      "<late topic or -> <row as JSON>"
//   outputs   "<topic> <key or -> <value or ->"
#pragma once
#include "tests/base/test.h"

#include "operators/catalogue.h"
#include "operators/sources.h"
#include "proto/format.h"
#include "proto/graph.h"
#include "proto/kappa.pb-c.h"
#include "state/state.h"

// Of the record behind a row; offset 0: none.
struct place {
    int32_t partition;
    int64_t offset;
};

// Of a row for an operator that reads two sources: of which it is, and whether it is a tombstone, whose JSON has only
// the key.
struct side {
    uint32_t source;
    bool tombstone;
};

struct harness {
    struct k_host host; // first: calls get its address
    struct k_arena plan_arena, arena;
    struct k_diags diags;
    struct k_graph *graph;
    struct k_source_plan source, second; // second: only if the graph has two
    uint32_t source_count;
    struct k_node node;
    bool planned;
    struct k_memory_disk *disk;
    struct k_state *state;
    void *instance;
    struct k_source *instance_source;
    struct k_counters counters;
    struct k_buf emitted, letters, late, outputs;
    struct k_decoder *rows[2]; // of each source
    uint32_t stride;
    uint64_t last_units;
    int64_t watermarks[8];      // of the first rows emitted
    const struct place *places; // by number of the row since the opening; NULL: all rows were made
    const struct side *sides;   // likewise; NULL: all are rows of the first source
    uint64_t fed;
    bool quiet;              // what is emitted is counted, but not written down
    uint64_t batches;        // emitted
    size_t most_arena_bytes; // that a batch's arena held
    uint64_t pairs;          // physical neighbours among the emitted rows that read as the two sides of a change
};

// What the input edge is, beyond its schema.
struct harness_input {
    bool updating, made;
    const char *window_start, *window_end; // columns, or NULL
    const char *unique, *unique_too;       // columns, or NULL
    uint32_t shards;                       // 0: 1
    bool spread; // no two rows are physical neighbours, as the two sides of a change would be
};

// Plans only; h->planned says whether it worked, h->diags why not. input may be NULL.
void harness_plan(struct harness *h, const char *graph, const struct harness_input *input);
// The diagnostics as text, in h's arena.
const char *harness_diags(struct harness *h);
// Plans (which must work) and opens the operator under test, or the source if the graph has nothing else.
void harness_open(struct harness *h, const char *graph, const struct harness_input *input);
void harness_close(struct harness *h);
// Closes the operator and its state and opens them again from the last checkpoint.
void harness_reopen(struct harness *h);

struct row {
    const char *json;
    int64_t time_us;
    int64_t watermark_us; // INT64_MIN: never late
    int weight;           // 0 means +1
};
// Feeds rows in batches of at most batch rows, each batch on all ports before the next, as if the graph had divided
// before; returns the first error's code. With one source in the graph all inputs of the operator are that source, and
// which one a row takes is its event time modulo their number. With two the first input is the first and the second
// the second; sides say of which a row is, and a batch ends where the source changes, as the engine's do.
int harness_feed(struct harness *h, const struct row *rows, uint32_t count, uint32_t batch);
// Works until nothing is left at this frontier, in portions of at most portion units.
void harness_frontier(struct harness *h, int64_t frontier_us, uint64_t portion);
// A checkpoint, then everything in the store but the position, in key order, as hexadecimal lines.
void harness_dump(struct harness *h, struct k_buf *out);
// in = processed + filtered + late + dropped + dead_lettered.
void harness_check_sums(const struct harness *h);

void assert_text(const struct k_buf *buf, const char *expected);
#define SECOND INT64_C(1000000)
