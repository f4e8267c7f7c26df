// What a state directory says of itself: whose it is, where each shard stands, what became of every row. For `state
// show` and `status`.
#pragma once
#include "cli/output.h"
#include "proto/internal.pb-c.h"
#include "replay/control.h"
#include "state/reader.h"

struct facts_shard {
    const struct k_shard_view *view;
    const char *directory;
    Kappa__Internal__Identity *identity; // NULL: none yet
    Kappa__Internal__Position *position; // NULL: none yet
    Kappa__Internal__Takeover *takeover; // what it was begun with; NULL: nothing was taken over
    uint64_t disk_bytes;
    int64_t journal_end; // as the broker says; -1: not asked
};
// Where one partition of a source stands, and where its topic ends.
struct facts_partition {
    const Kappa__Internal__Position__Partition *at;
    uint32_t shard; // index in shards
    int64_t end;    // committed; -1: not asked
    // Offsets a second between two measurements (facts_measure): read, and added behind the end. -1: not measured.
    double rate, growth;
};
// Counters of a source or node, over all shards that are here.
struct facts_counters {
    const char *node;
    uint64_t in, processed, filtered, late, dropped, dead_lettered, out;
};
struct facts {
    struct k_state_reader *reader;
    struct k_view *view;
    struct k_arena arena;
    struct facts_shard *shards;
    uint32_t shard_count, shards_total;
    struct facts_partition *partitions;
    uint32_t partition_count;
    struct facts_counters *counters;
    uint32_t counter_count;
    bool sums_hold;
    struct k_generation *generation; // as the control record knows it, freed here; NULL: not asked, or not there
};
K_CHECKED int facts_open(const struct k_reader_options *options, struct facts *ret, struct k_error *err);
void facts_close(struct facts *facts); // also of a zeroed struct

// What has changed since an earlier look at the same state, passed_us before: the rates of the partitions.
void facts_measure(struct facts *facts, const struct facts *earlier, int64_t passed_us);
// Seconds until a partition's end is reached. 0: it is; -1: not known, for want of two measurements; INFINITY: never,
// at these rates.
double facts_eta(const struct facts_partition *partition);

const char *facts_graph(const struct facts *facts);

// Everything for people; as JSON with this kind.
void facts_print_text(const struct facts *facts, FILE *out);
void facts_print_json(const struct facts *facts, const char *kind, FILE *out);
