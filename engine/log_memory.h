// The in-memory log: one broker (k_cloud) that outlives the workers connected to it, driven by a seed. It has what
// the real one has, also where that is inconvenient: transactions with markers, stable offsets, fencing by epoch,
// groups with generations and sessions, retention, expired group offsets, and answers that are late, lost or doubled.
//
// Time is the cloud's own and moves only by k_cloud_advance. Everything runs on one thread. With all rates 0 it is a
// perfect broker: `kappa test` runs on that.
#pragma once
#include "engine/log.h"

struct k_cloud;

// What can go wrong, each as "one in n calls" (0: never). Every fault that fires is counted under its name.
#define K_FAULTS(X)                                                                                     \
    X(crash_before_call, "the worker dies before a call has any effect")                                \
    X(crash_after_call, "the worker dies after a call has taken effect, before it hears of it")         \
    X(request_lost, "a request fails with K_E_RETRY or K_E_UNAVAILABLE, nothing happened")              \
    X(request_refused, "a transactional request fails with K_E_ABORTED")                                \
    X(commit_answer_lost, "EndTxn takes effect, the answer says K_E_DOUBTFUL")                          \
    X(commit_request_lost, "EndTxn is lost, the answer says K_E_DOUBTFUL")                              \
    X(commit_late, "EndTxn says K_E_DOUBTFUL and takes effect later, if no new epoch came before")      \
    X(commit_doubled, "EndTxn takes effect, is known, and a copy arrives later (tainted)")              \
    X(marker_late, "markers of a transaction become visible some time after the commit was answered")   \
    X(fetch_short, "a fetch returns fewer messages than there are, or none")                            \
    X(rebalance, "the group takes the partition away and gives it to another member, or the same")      \
    X(session_lost, "a member's session ends without its knowing until its next poll")                  \
    X(transaction_timeout, "the coordinator aborts an open transaction")                                \
    X(offsets_expired, "the group's committed offsets vanish")                                          \
    X(retention, "records that nobody needs any more are deleted from a source")

struct k_fault_rates {
#define X(name, text) uint32_t name;
    K_FAULTS(X)
#undef X
};
struct k_fault_counts {
#define X(name, text) uint64_t name;
    K_FAULTS(X)
#undef X
};

struct k_cloud *k_cloud_create(uint64_t seed, const struct k_fault_rates *rates, int64_t now_us);
void k_cloud_destroy(struct k_cloud *cloud);
void k_cloud_advance(struct k_cloud *cloud, int64_t us); // time passes: sessions, timeouts, late requests
int64_t k_cloud_now(const struct k_cloud *cloud);
void k_cloud_set_rates(struct k_cloud *cloud, const struct k_fault_rates *rates);
const struct k_fault_counts *k_cloud_fault_counts(const struct k_cloud *cloud);

// On entry and on return of a worker's calls, one in `rate` (0: never): the worker stands still there, and `pause`
// may let others run and time pass before it goes on. Not called for a worker that stands still already.
typedef void (*k_cloud_pause)(void *context, struct k_log *log);
void k_cloud_set_pause(struct k_cloud *cloud, uint32_t rate, k_cloud_pause pause, void *context);

// For trying every place in turn: calls have two points each, their entry and their return, counted from 1. The worker
// that comes to this point dies there (0: nobody).
void k_cloud_crash_at(struct k_cloud *cloud, uint64_t point);
uint64_t k_cloud_points(const struct k_cloud *cloud); // passed so far

// Writes one record outside any transaction, as other people's producers do. Copies. Returns its offset.
int64_t k_cloud_produce(struct k_cloud *cloud, const struct k_out_message *message);
// Visits committed records of a partition in order, as a read_committed reader would see them when all is settled.
typedef void (*k_cloud_visit)(void *context, const struct k_message *message);
void k_cloud_read(struct k_cloud *cloud, const char *topic, int32_t partition, k_cloud_visit visit, void *context);
int k_cloud_create_topic(struct k_cloud *cloud, const char *topic, const struct k_topic_spec *spec,
                         struct k_error *err);
// Somebody adds a partition to a topic; a few times at most.
void k_cloud_add_partition(struct k_cloud *cloud, const char *topic);
void k_cloud_settle(struct k_cloud *cloud); // every late marker and request takes effect or is dropped
// Sets the clock on the wall, forwards or backwards, without time passing: no session and no timeout notices.
void k_cloud_set_clock(struct k_cloud *cloud, int64_t now_us);
// From now on the fault "retention" may delete (in a compacted topic: compact) records below this offset: nobody
// needs them any more.
void k_cloud_allow_retention(struct k_cloud *cloud, const char *topic, int32_t partition, int64_t before);
// What the group has committed for Kafka's own tools; -1: nothing, or expired.
int64_t k_cloud_group_offset(struct k_cloud *cloud, const char *group, const char *topic, int32_t partition);

// A worker's connection. After K_E_CRASHED, close it and open another: a new process on the same machine. A worker
// that is simply not called for long is a zombie: its session and transactions time out.
struct k_log *k_cloud_connect(struct k_cloud *cloud, const char *worker);
bool k_log_memory_crashed(const struct k_log *log);
void k_log_memory_crash(struct k_log *log); // the worker dies now, between two calls
