// A worker: one process of a pipeline. It hosts every shard, leading those that the groups give it and following the
// others, a thread each.
#pragma once
#include "engine/log.h"
#include "engine/shard.h"

// For who lets the shards work on something else than the log as it is (replay/). Called on the shard's own thread.
struct k_worker_hooks {
    void *context;
    // The log that the shard gets instead; closed before Kafka's.
    int (*log)(void *context, uint32_t shard, struct k_log *kafka, struct k_log **ret, struct k_error *err);
    // After each step that did not fail.
    void (*stepped)(void *context, struct k_shard *shard, struct k_log *log);
};

struct k_worker_options {
    struct k_plan *plan;       // borrowed
    const char *worker;        // name of this process
    const char *generation;
    const char *state_dir;     // DIR/<graph>/<generation>/<shard>/; copies at marks: DIR/.marks/<mark>/<graph>/…
    uint64_t memory_bytes;     // the one budget: cache, block cache, Kafka queues
    struct k_kafka_options kafka; // queue_bytes and readers_expected are filled by the worker
    int64_t commit_interval_us, checkpoint_interval_us, transaction_timeout_us;
    int64_t backlog_checkpoint_interval_us; // see k_shard_options
    int64_t trim_interval_us, journal_keep_us; // see k_shard_options
    bool once, final;
    const struct k_orders *orders; // who shall lead (borrowed); NULL: there is one generation
    bool lag;                  // ask how far behind the shards are, for progress and statistics
    const char *snapshot_dir;  // NULL: none
    int64_t snapshot_interval_us;
    uint32_t snapshot_keep;
    bool mute, in_order;       // see k_shard_options
    uint64_t follow_rate;      // records a second of all shards together, see k_shard_options; 0: no limit
    const struct k_start *starts; // see k_shard_options; borrowed
    uint32_t start_count;
    const int64_t *journal_from; // per shard, see k_shard_options; NULL: 0; borrowed
    const char *output_suffix; // see k_shard_options
    const struct k_worker_hooks *hooks; // NULL: none; borrowed
};

// How one budget is divided; documented in docs/operations.md and shown by `kappa plan`.
struct k_budget {
    uint64_t cache_bytes, store_bytes, queue_bytes; // of each shard
};
// memory_bytes: at least k_budget_least(shards); shards: at least one.
struct k_budget k_budget_of(uint64_t memory_bytes, uint32_t shards);
// With less than so many bytes a process would not keep to its budget, however little state it keeps in memory.
uint64_t k_budget_least(uint32_t shards);

struct k_worker;
// Starts a thread a shard. plan's topics must have been prepared.
K_CHECKED int k_worker_start(const struct k_worker_options *options, struct k_worker **ret, struct k_error *err);
// Asks all shards to stop in order. Safe from any thread (not from a signal handler).
void k_worker_stop(struct k_worker *worker);
// Waits until every shard has stopped, at most timeout_us. *ret_done. The code is that of the first shard that
// stopped by an error.
int k_worker_wait(struct k_worker *worker, int64_t timeout_us, bool *ret_done, struct k_error *err);
uint32_t k_worker_shards(const struct k_worker *worker);
void k_worker_report(struct k_worker *worker, uint32_t shard, struct k_shard_report *ret);
// Counters of a node or source, summed over the shards, as of each shard's last commit. names: as in the plan.
uint32_t k_worker_counters(struct k_worker *worker, struct k_counters *ret, const char **ret_names, uint32_t max);
void k_worker_destroy(struct k_worker *worker); // after k_worker_wait said done; NULL-safe
