// Hosting a generation of a pipeline in this process until it is stopped: what `run` and `replay start` have in common.
#pragma once
#include "cli/kafka.h"
#include "cli/load.h"
#include "cli/progress.h"
#include "engine/topics.h"
#include "engine/worker.h"
#include "replay/control.h"
#include "replay/starts.h"

#include <signal.h>

// In a verb's table of options, first of all.
enum {
    HOST_SET,
    HOST_STATE_DIR,
    HOST_MEMORY,
    HOST_COMMIT_INTERVAL,
    HOST_CHECKPOINT_INTERVAL,
    HOST_BACKLOG_CHECKPOINT_INTERVAL,
    HOST_JOURNAL_TRIM_INTERVAL,
    HOST_JOURNAL_KEEP,
    HOST_TRANSACTION_TIMEOUT,
    HOST_SESSION_TIMEOUT,
    HOST_SHARDS,
    HOST_GENERATION,
    HOST_ONCE,
    HOST_REPLICATION,
    HOST_STATS,
    HOST_PROGRESS,
    HOST_LOG_LEVEL,
    HOST_LOG_FORMAT,
    HOST_KAFKA,
    HOST_OPTION_COUNT = HOST_KAFKA + KAFKA_OPTION_COUNT
};
#define HOST_OPTIONS                                                                                                  \
    [HOST_SET] = OPTION_SET, [HOST_STATE_DIR] = OPTION_STATE_DIR,                                                     \
    [HOST_MEMORY] = {.name = "memory",                                                                                \
                     .argument = "SIZE",                                                                              \
                     .help = "budget of cache, RocksDB and Kafka queues together",                                    \
                     .text = "512MiB"},                                                                               \
    [HOST_COMMIT_INTERVAL] = {.name = "commit-interval",                                                              \
                              .argument = "DURATION",                                                                 \
                              .help = "from one transaction to the next",                                             \
                              .text = "100ms"},                                                                       \
    [HOST_CHECKPOINT_INTERVAL] = {.name = "checkpoint-interval",                                                      \
                                  .argument = "DURATION",                                                             \
                                  .help = "from one checkpoint to the next",                                          \
                                  .text = "1s"},                                                                      \
    [HOST_BACKLOG_CHECKPOINT_INTERVAL] = {.name = "backlog-checkpoint-interval",                                      \
                                          .argument = "DURATION",                                                     \
                                          .help = "the same while there is a backlog, if that is longer",             \
                                          .text = "8s"},                                                              \
    [HOST_JOURNAL_TRIM_INTERVAL] = {.name = "journal-trim-interval",                                                  \
                                    .argument = "DURATION",                                                           \
                                    .help = "how often a leader cuts off what nobody can follow any more; 0s: never", \
                                    .text = "0s"},                                                                   \
    [HOST_JOURNAL_KEEP] = {.name = "journal-keep",                                                                    \
                           .argument = "DURATION",                                                                    \
                           .help = "journal records younger than this are never cut off",                             \
                           .text = "24h"},                                                                            \
    [HOST_TRANSACTION_TIMEOUT] = {.name = "transaction-timeout",                                                      \
                                  .argument = "DURATION",                                                             \
                                  .help = "after which the broker aborts a transaction",                              \
                                  .text = "10s"},                                                                     \
    [HOST_SESSION_TIMEOUT] = {.name = "session-timeout",                                                              \
                              .argument = "DURATION",                                                                 \
                              .help = "after which a silent worker loses its shards",                                 \
                              .text = "6s"},                                                                          \
    [HOST_SHARDS] = OPTION_SHARDS,                                                                                    \
    [HOST_GENERATION] = {.name = "generation",                                                                        \
                         .argument = "N",                                                                             \
                         .help = "which generation to host, if several have this graph"},                             \
    [HOST_ONCE] = {.name = "once", .help = "stop when every source has reached the end that it had at the start"},    \
    [HOST_REPLICATION] = {.name = "replication",                                                                      \
                          .argument = "N",                                                                            \
                          .help = "replicas of topics that are made; -1: the broker's default",                       \
                          .text = "-1"},                                                                              \
    [HOST_STATS] = {.name = "stats",                                                                                  \
                    .argument = "FILE",                                                                               \
                    .help = "write counters and figures there as JSON lines, once a second"},                         \
    [HOST_PROGRESS] = {.name = "progress",                                                                            \
                       .argument = "auto|yes|no",                                                                     \
                       .help = "the progress line on stderr",                                                         \
                       .text = "auto"},                                                                               \
    [HOST_LOG_LEVEL] = {.name = "log-level",                                                                          \
                        .argument = "error|warn|info|debug",                                                          \
                        .help = "which diagnostics are shown",                                                        \
                        .text = "warn"},                                                                              \
    [HOST_LOG_FORMAT] = {.name = "log-format", .argument = "text|json", .help = "how they are shown", .text = "text"}, \
    KAFKA_OPTION_TABLE(HOST_KAFKA)

struct hosting {
    struct k_worker_options worker;
    struct k_topics_options topics;
    struct progress_options progress;
    int64_t shards;
    int64_t wanted;     // --generation; 0: not given
    bool stopped;       // by a signal
    struct k_steward *steward; // NULL: no control record is followed
    uint64_t generation;
    char generation_name[24];
    struct k_starts starts;     // where the generation begins, if not with the journal
    char suffix[K_SUFFIX_SIZE]; // of the generation's outputs until it leads; "": none
};

// The option index, a budget of memory that a process with so many shards can keep to.
K_CHECKED int hosting_budget(const struct k_options *options, uint32_t index, uint32_t shards, uint64_t *ret_bytes,
                             struct k_error *err);
// Reads the options above; the rest of worker (final, snapshots) is the verb's.
K_CHECKED int hosting_read(struct call *call, struct hosting *ret, struct k_error *err);
// Blocks SIGINT and SIGTERM in all threads that are made from now on, for hosting_supervise.
void hosting_catch_signals(sigset_t *ret);
// Follows the control record as this generation, and makes the topics that it needs for outputs of its own. log: any
// connection.
K_CHECKED int hosting_begin(struct hosting *h, struct k_log *log, uint64_t generation, struct k_error *err);
// The queue budget of a shard is divided by how many partitions it reads.
K_CHECKED int hosting_count_readers(struct hosting *h, struct k_log *log, struct k_error *err);
// Runs the worker until it stops, by itself, by a signal, or because its generation was retired (then its state is
// removed). Returns the exit status.
int hosting_run(struct call *call, struct hosting *h, const sigset_t *signals);
void hosting_fini(struct hosting *h);

// The generation that `run` hosts, by the control record: the live one if it has this graph, else another that has it.
K_CHECKED int hosting_choose(struct hosting *h, struct k_log *log, uint64_t *ret, struct k_error *err);
