// A small cluster for tests of the shard: workers on one in-memory log, a disk in memory for each of their shards.
// Nothing goes wrong but what a test does; time passes only when every worker waits.
#pragma once
#include "engine/log_memory.h"
#include "engine/plan.h"
#include "engine/shard.h"

enum { WORKERS = 3, SHARDS = 4 };

struct cluster_disk {
    struct k_memory_disk *memory;
    bool full; // every checkpoint fails for want of room
};

struct cluster {
    struct k_cloud *cloud;
    struct k_graph *graph;
    struct k_plan *plan;
    uint32_t shards;
    struct k_shard_options options; // of shards that start from now on
    struct k_log *logs[WORKERS];    // NULL: the process is not there
    struct k_shard *live[WORKERS][SHARDS];
    struct cluster_disk disks[WORKERS][SHARDS];
    struct k_error error; // of the shard that stopped by one
    struct k_buf text;    // of cluster_read
};

// The plan must be without errors. Makes no topic.
void cluster_init(struct cluster *c, const char *graph, uint32_t shards);
void cluster_fini(struct cluster *c);
// Another plan for the workers that start from now on, on the same cloud and disks.
void cluster_plan(struct cluster *c, const char *graph, uint32_t shards);
void cluster_topic(struct cluster *c, const char *topic, int32_t partitions, bool compacted);
// What `kappa run` makes: outputs (one partition each), dead letters, journals.
void cluster_prepare(struct cluster *c);

void cluster_start(struct cluster *c, uint32_t worker);
void cluster_kill(struct cluster *c, uint32_t worker); // as kill -9: nobody is told
void cluster_stop(struct cluster *c, uint32_t worker); // in order; returns when all its shards have stopped
void cluster_lose_disk(struct cluster *c, uint32_t worker);

// Steps every living shard once, in order; if nobody has anything to do, time passes. Returns the code of a shard that
// stopped by an error (its text is in c->error), else 0.
int cluster_step(struct cluster *c);
// Steps for `us` of the cloud's time, which passes only while everybody waits.
int cluster_run(struct cluster *c, int64_t us);
// Steps until the shard is in the state; fails the test if it does not come to that.
void cluster_until(struct cluster *c, uint32_t worker, uint32_t shard, enum k_shard_state state);
struct k_shard_report cluster_report(struct cluster *c, uint32_t worker, uint32_t shard);

// A record of other people's. NULL key or value: none.
int64_t cluster_put(struct cluster *c, const char *topic, int32_t partition, int64_t time_us, const char *key,
                    const char *value);
// The committed values of a partition, in order, each followed by a space ("-" for none). Valid until the next call.
const char *cluster_read(struct cluster *c, const char *topic, int32_t partition);
// Position of the last checkpoint on a disk; NULL: none. Freed with free_unpacked.
Kappa__Internal__Position *cluster_position(struct cluster *c, uint32_t worker, uint32_t shard);
// Every entry of the disk's last checkpoint but the notes beside the state, as one text, for comparisons.
void cluster_dump(struct cluster *c, uint32_t worker, uint32_t shard, struct k_buf *out);
