// The reference: what a graph means, computed row at a time by the most obvious code, to judge the engine by.
//
// It shares with the engine the reader of graphs (proto/graph.h) and base, and nothing else: decoders, expressions and
// operators are its own, written from the comments of kappa.proto and not from the engine's code. It has no global
// state and no threads; everything belongs to the struct and is freed with it.
//
// Use: create → (feed | boundary)* → settle or final → read results → destroy. Records may come in any interleaving of
// the partitions; within a partition in ascending offset order. Fed records are processed at once, so that the results
// of a graph that depends on the interleaving (a table that several partitions overwrite) are those of this very order.
#pragma once
#include "base/error.h"
#include "proto/graph.h"

struct reference;

struct reference_header {
    struct k_str name, value;
    bool null; // no value
};

// A record of a source topic. Borrowed for the call.
struct reference_record {
    int32_t partition;
    int64_t offset;
    int64_t timestamp_us; // the message's own; -1: none
    struct k_str key, value;
    bool has_key, has_value;
    const struct reference_header *headers;
    uint32_t header_count;
};

// A partition of a source, by the source's name (not its topic's).
struct reference_partition {
    const char *source;
    int32_t partition;
};

// Makes one for a graph whose parameters are replaced; the graph is borrowed and must outlive it. partitions[i]: how
// many partitions the topic of the graph's i-th source has (a partition without records holds the frontier back);
// NULL: one each, growing to the highest that is fed. A shard of the engine that reads only some of the partitions
// declares the others unowned by reference_disown. K_E_CONFIG: the graph is not one that the reference understands;
// it does not check graphs, it only refuses what it could not compute.
K_CHECKED int reference_create(const Kappa__V1__Graph *graph, const int32_t *partitions, struct reference **ret,
                               struct k_error *err);
void reference_destroy(struct reference *reference); // NULL-safe

// The partition takes no part in the frontier: it belongs to another shard.
void reference_disown(struct reference *reference, struct reference_partition which);

// One record of one source. K_E_DATA: a policy STOP refuses it, or partitioned_by says that it lies elsewhere; nodes
// before the one that refused it have counted it, and the reference may only be read and destroyed. K_E_NOT_FOUND: no
// such source.
K_CHECKED int reference_feed(struct reference *reference, const char *source, const struct reference_record *record,
                             struct k_error *err);
// The same for every source that reads the topic.
K_CHECKED int reference_feed_topic(struct reference *reference, const char *topic,
                                   const struct reference_record *record, struct k_error *err);

// The event time by which somebody might choose what to feed first: that of the message's first row; INT64_MIN: it has
// none, or no such source is there. Changes nothing.
int64_t reference_time(struct reference *reference, const char *source, const struct reference_record *record);

// A fact of the journal: the clock, and which partitions have nothing unread. The rest of a partition counts from the
// clock of the first boundary after its last record; of an empty one from the first boundary of all.
void reference_boundary(struct reference *reference, int64_t clock_us, const struct reference_partition *at_end,
                        uint32_t count);

// A partition that is history so far, and in no journal yet: its rest counts from the first boundary that has it at its
// end, for nobody knew before what comes behind.
void reference_join(struct reference *reference, const char *source, int32_t partition);

// Closes the windows that the frontier allows now. May be called any number of times, also between records; results
// do not depend on it, but on the frontier at the last call. K_E_DATA: a policy STOP.
K_CHECKED int reference_settle(struct reference *reference, struct k_error *err);
// The input is complete: event time runs to its end and every window closes. Feeding after it is a bug.
K_CHECKED int reference_final(struct reference *reference, struct k_error *err);
// The frontier: the least watermark; INT64_MIN: none yet; INT64_MAX: final.
int64_t reference_frontier(const struct reference *reference);

// --- results: valid until the next call that changes the reference, and owned by it -------------------------------

// One row of a table: the key's columns as a JSON array, the row as JSON with its columns in schema order.
struct reference_row {
    struct k_str key_json, row_json;
    int64_t time_us; // from where retention counts: window_end, else the event time of the last change
};
// The rows that retention has not removed, ascending by key_json in byte order. Final input removes nothing: a table
// is then read at the frontier that the records themselves had reached. NULL and 0: no such table.
const struct reference_row *reference_table(struct reference *reference, const char *table, uint32_t *ret_count);

// The messages of a topic (a sink's, a late topic, a dead-letter topic) in the order in which they were made.
struct reference_message {
    const char *sink; // the sink's name; for late rows and dead letters the node's or source's
    struct k_str key, value;
    bool has_key, has_value;
};
const struct reference_message *reference_topic(struct reference *reference, const char *topic, uint32_t *ret_count);
// The topics that messages were made for, each once, in the order of their first message.
const char *const *reference_topics(struct reference *reference, uint32_t *ret_count);

// A dead letter. key and value are the raw message's; of a row that an operator made (a window's close) there is no
// message: source NULL, partition and offset -1, value the row as JSON.
struct reference_dead_letter {
    const char *dead_letter_topic, *node, *reason; // node: the source or node; reason: the stable word
    const char *source, *topic;                    // of the message
    int32_t partition;
    int64_t offset;
    struct k_str key, value;
    bool has_key, has_value;
};
const struct reference_dead_letter *reference_dead_letters(struct reference *reference, uint32_t *ret_count);

// in = processed + filtered + late + dropped + dead_lettered.
struct reference_counters {
    const char *name; // of a source, node, table or sink; sources first, then in the order of the graph
    uint64_t in, processed, filtered, late, dropped, dead_lettered, out;
};
const struct reference_counters *reference_counters(struct reference *reference, uint32_t *ret_count);

// What an output ("parsed", "router.bad") gave, net: each distinct row as JSON (canonical: columns in schema order)
// with the sum of its weights, zeros left out, ascending by JSON. For tables and sinks: of the input. NULL: no such
// output. Collected only when asked for before the first record by reference_watch (a name may be watched twice).
struct reference_net {
    struct k_str row_json;
    int64_t weight;
};
K_CHECKED int reference_watch(struct reference *reference, const char *output, struct k_error *err);
const struct reference_net *reference_net(struct reference *reference, const char *output, uint32_t *ret_count);

// Everything above as lines of JSON, each line's kind first, sorted: equal results give equal bytes. what: a set of
// the bits below.
enum {
    REFERENCE_TABLES = 1,       // {"table":…,"row":{…}}
    REFERENCE_TOPICS = 2,       // {"topic":…,"key":…,"value":…}: every message, in order
    REFERENCE_LAST = 4,         // {"last":topic,"key":…,"value":…}: the last message of each key
    REFERENCE_DEAD_LETTERS = 8, // {"dead_letter":…}
    REFERENCE_COUNTERS = 16,    // {"counters":name,…}
};
// name: of the one table or topic wanted; NULL: all.
void reference_print(struct reference *reference, unsigned what, const char *name, struct k_buf *out);
