// How messages come into a graph: what a source is after planning, and how the engine feeds it.
//
// A source turns messages into batches. It is fed by partition; what it remembers of a partition is here and is part
// of the position that a checkpoint saves.
#pragma once
#include "operators/operator.h"

struct k_partition_clock {
    int64_t max_time_us;  // largest event time of the prefix; INT64_MIN: no record yet
    int64_t watermark_us; // INT64_MIN: none yet; never goes back
};

struct k_source; // planned
struct k_source_plan {
    const char *name;
    const void *message; // Kappa__V1__Source
    const char *topic;
    uint32_t number;         // in the order of the graph
    struct k_edge edge;      // schema: declared columns, then the hidden _key, _timestamp, _partition, _offset,
                             // _headers, _tombstone, _index
    int64_t out_of_order_us, idle_us, max_ahead_us; // idle_us -1: never
    int32_t partition_column; // partitioned_by, or -1
    bool crc32;              // its partitioner; else murmur2
    enum k_on_error on_error;
    const char *dead_letter_topic;
    void *config;            // arena
};
// Plans a source: resolves schema, format, time. The read flags of the edge are filled by the consumers later, so
// that decoders are made in k_source_open.
bool k_source_plan(struct k_planner *planner, const void *message, struct k_source_plan *ret);
int k_source_open(const struct k_source_plan *plan, struct k_host *host, struct k_source **ret, struct k_error *err);
bool k_source_reads_headers(const struct k_source_plan *plan); // whether anything in the graph does
// Feeds up to K_BATCH_ROWS messages of one partition in offset order and emits them on port 0 of the host, one batch at
// most. *ret_used: how many of them are used up. Fewer than count when they hold several records each and these are
// more than a batch takes, 0 when already the first one's are; the next call must then begin with the first that is
// not, of the same partition, and goes on inside it. Between calls the host's arena may be reset.
// partitions: of the topic, to check partitioned_by (a record elsewhere is K_E_DATA naming it).
K_CHECKED int k_source_feed(struct k_source *source, const struct k_message *const *messages, uint32_t count,
                            uint32_t partitions, struct k_partition_clock *clock, uint32_t *ret_used,
                            struct k_error *err);
// The event time of each message as k_source_feed would find it, so that somebody may choose what to feed first. A
// message that gives no row has INT64_MIN; one with several records has the time of its first row. Changes nothing.
void k_source_times(struct k_source *source, const struct k_message *const *messages, uint32_t count,
                    int64_t *ret_times);
void k_source_close(struct k_source *source);
