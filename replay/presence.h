// Where the processes of a pipeline's generations stand, as they say themselves every second or so in the topic
// `<graph>.progress`. For people and for the commands that need to know whether a generation is in step; nothing that
// must be right depends on it.
#pragma once
#include "engine/shard.h"

enum { K_PRESENCE_SHARDS_MAX = 1024, K_PRESENCE_SAMPLES = 32 };
struct k_presence_shard {
    int64_t offset, saved_offset; // in its journal
    uint64_t records;
    // Where it stood in the last half minute, oldest first.
    struct k_presence_sample {
        int64_t time_us, offset;
    } samples[K_PRESENCE_SAMPLES];
    uint32_t sample_count;
    char state[24], trouble[128];
    uint64_t difference_seq, difference_compared, difference_written; // see k_shard_report
    bool difference_done;
    char difference_waits[128];
    char taken_from[32];
};
struct k_presence_sink { // a keyed sink of its graph
    char *name, *topic;
    char *key;   // its columns, as people write them
    char *table; // that has its rows by its key; NULL: none
};
struct k_presence { // of one process
    uint64_t generation;
    char worker[80];
    int64_t time_us;
    struct k_presence_shard *shards; // by number
    uint32_t shard_count;
    struct k_presence_sink *sinks;
    uint32_t sink_count;
};
struct k_presences {
    struct k_presence *items; // by generation, worker
    uint32_t count;
};

K_CHECKED int k_presence_prepare(struct k_log *log, const char *graph, int32_t replication, struct k_error *err);
// The newest of each process that spoke in the last max_age_us; none if there is no topic.
K_CHECKED int k_presence_read(struct k_log *log, const char *graph, int64_t max_age_us, struct k_presences *ret,
                              struct k_error *err);
void k_presences_fini(struct k_presences *presences);

// Journal offsets a second, as measured; -1: not known, since it was not heard of twice.
double k_presence_rate(const struct k_presence_shard *shard);
// When a shard of a generation will be in step, in seconds from now, by its own rate and that at which the journal
// grows (of whoever leads it). 0: it is; -1: not known; INFINITY: never, at these rates.
double k_presence_eta(const struct k_presences *all, const struct k_presence *presence, uint32_t shard,
                      int64_t behind);

// Says where a process stands; opens the producer when it is needed (*producer NULL), and drops it after an error.
int k_presence_say(struct k_log *log, const struct k_plan *plan, const char *worker, uint64_t generation,
                   const struct k_shard_report *reports, struct k_producer **producer, struct k_error *err);

// How far a generation is behind the journals' ends, in offsets: the process of it that is furthest, in the shard that
// is furthest behind. K_E_NOT_FOUND: no process of it has spoken lately.
K_CHECKED int k_presence_behind(struct k_log *log, const char *graph, uint64_t generation, int64_t *ret,
                                struct k_error *err);
// The same, of processes that speak from now on: waits for one that is in step, for K_PRESENCE_HEAR_US at most. Who
// died a moment ago is not heard. K_E_NOT_FOUND: nobody who is up was heard.
K_CHECKED int k_presence_hear(struct k_log *log, const char *graph, uint64_t generation, int64_t *ret,
                              struct k_error *err);
// At most so far behind is in step: some seconds of commits.
enum { K_IN_STEP_OFFSETS = 500, K_PRESENCE_AGE_US = 10000000, K_PRESENCE_HEAR_US = 3000000 };
