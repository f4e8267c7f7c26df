// What the files of the in-memory log share: log_memory.c (cloud, connection, faults, time), log_memory_topics.c
// (topics, records, markers), log_memory_reader.c, log_memory_transactions.c (coordinator and producers),
// log_memory_groups.c.
//
// Two sides, as with a real broker: what the cloud holds (topics, coordinators) outlives every worker; what a client
// holds (readers, producers, members, a k_log) is freed by its owner, and freeing it tells the cloud nothing, except
// that a living member says good-bye.
//
// Invariants
// 1. A record or marker takes one offset, for ever; the memory of a record lives as long as the cloud, so messages are
//    handed out without a copy.
// 2. A span is a transaction's part in one partition. It is open from its first record until its marker is written
//    there. The last stable offset is the first record of the earliest open span.
// 3. A transaction is decided once (commit or abort); its markers may then be written late and in any order.
// 4. A transactional id has at most one transaction that is not complete; only the holder of the present epoch adds
//    to it.
#pragma once
#include "base/hash.h"
#include "engine/log_memory.h"

enum outcome { OPEN, COMMITTED, ABORTED };

struct span {
    struct partition *partition;
    int64_t first;         // offset of the transaction's first record there
    enum outcome outcome;  // OPEN until the marker is written
    int64_t marker_due_us; // when it will be, once decided
    struct span *next_open; // of the partition
    struct span *next;      // of the transaction
};

struct partition {
    struct topic *topic;
    int32_t number;
    const struct k_message **messages; // by offset; NULL: a marker, or compacted away
    struct span **spans;               // by offset; NULL: outside any transaction
    int64_t start, end, capacity;
    int64_t may_delete_before; // granted to the faults by k_cloud_allow_retention
    struct span *open;
};

struct topic {
    char *name;
    struct k_topic_info info;
    struct partition *partitions;
    int32_t added; // partitions, since it was made
    struct topic *next;
};

// Offsets of a group that a transaction commits; applied by their own marker.
struct pending_offset {
    struct group *group;
    struct topic *topic;
    int32_t partition;
    int64_t offset;
    struct pending_offset *next;
};

struct transaction {
    struct transactional *owner;
    enum outcome decision;
    int64_t started_us; // by the broker's own clock (cloud->elapsed_us)
    struct span *spans;
    struct pending_offset *offsets;
    int64_t offsets_due_us;
    struct transaction *next; // of the cloud's incomplete ones
};

struct transactional {
    char *id;
    int64_t epoch;
    int64_t timeout_us;
    struct transaction *current; // open, or decided with markers to come; NULL: none
    enum outcome last;           // decision of the last one; OPEN: there was none
    struct transactional *next;
};

// An EndTxn that is still under way.
struct late_request {
    struct transactional *owner;
    int64_t epoch, due_us;
    enum outcome decision;
    struct late_request *next;
};

struct group_member { // as the coordinator knows it
    uint64_t id;
    char *client_id;
    int64_t heard_us;
    bool rejoined; // in the rebalance that is under way
    struct group_member *next;
};

struct group_offset {
    struct topic *topic;
    int32_t partition;
    int64_t offset;
    struct group_offset *next;
};

struct group {
    char *name, *topic;
    int64_t generation;
    bool rebalancing;
    int64_t rebalance_since_us;
    struct group_member *members;
    uint64_t leader; // member id that holds the partition; 0: nobody
    struct group_offset *offsets;
    struct group *next;
};

struct k_cloud {
    uint64_t random;
    int64_t elapsed_us; // since creation: what sessions and timeouts are measured by
    int64_t wall_us;    // what the clock on the wall says
    struct k_fault_rates rates;
    struct k_fault_counts counts;
    uint64_t points, crash_at;
    uint32_t pause_rate;
    k_cloud_pause pause;
    void *pause_context;
    struct k_arena arena; // records, and coordinator structures
    struct topic *topics;
    struct transactional *transactionals;
    struct transaction *incomplete;
    struct late_request *late;
    struct group *groups;
    uint64_t last_member;
};

struct memory_log {
    struct k_log log;
    struct k_cloud *cloud;
    char *worker;
    bool crashed, paused;
};
static inline struct memory_log *memory_log_of(struct k_log *log) { return (struct memory_log *)log; }

struct k_member { // as the client knows it
    struct memory_log *log;
    struct group *group;
    char *client_id;
    uint64_t id;        // at the coordinator
    int64_t generation; // that it last heard of
    bool had;           // it was last told that it holds the partition
};

// Whether the fault fires now; counts it.
#define FAULT(cloud, name) \
    ((cloud)->rates.name && k_random_below(&(cloud)->random, (cloud)->rates.name) == 0 && ++(cloud)->counts.name)
enum { SESSION_TIMEOUT_US = 6000000 };

// --- log_memory.c: every call passes the first on entry, and the second on its way out with what it would return ---
int memory_enter(struct memory_log *log, struct k_error *err);
int memory_leave(struct memory_log *log, int code, struct k_error *err);
// For requests that have no effect when they are lost.
int memory_request(struct memory_log *log, const char *what, struct k_error *err);
int64_t memory_delay(struct k_cloud *cloud); // how late something is: a millisecond to some seconds, short ones mostly

// --- log_memory_topics.c ---
struct topic *memory_topic(struct k_cloud *cloud, const char *name); // NULL: there is none
int memory_partition(struct k_cloud *cloud, const char *topic, int32_t number, struct partition **ret,
                     struct k_error *err);
int64_t memory_stable_end(const struct partition *partition);
// Appends a copy. The span is NULL outside a transaction. Returns the offset.
int64_t memory_append(struct k_cloud *cloud, struct partition *partition, const struct k_out_message *message,
                      struct span *span);
void memory_append_marker(struct partition *partition, struct span *span, enum outcome decision);
// Whether a read_committed reader gets the record at this offset, below the stable end.
static inline bool memory_visible(const struct partition *p, int64_t offset)
{
    return p->messages[offset] && (!p->spans[offset] || p->spans[offset]->outcome == COMMITTED);
}
int memory_choose_partition(struct k_cloud *cloud, const struct k_out_message *message, struct partition **ret,
                            struct k_error *err);
void memory_retention(struct k_cloud *cloud); // the faults' deletions and compactions
int memory_topic_info(struct k_log *log, const char *topic, struct k_topic_info *ret, struct k_error *err);
int memory_topic_create(struct k_log *log, const char *topic, const struct k_topic_spec *spec, struct k_error *err);
int memory_topic_delete(struct k_log *log, const char *topic, struct k_error *err);
int memory_offsets(struct k_log *log, const char *topic, int32_t partition, bool committed, int64_t *ret_start,
                   int64_t *ret_end, struct k_error *err);
int memory_delete_records(struct k_log *log, const char *topic, int32_t partition, int64_t before, struct k_error *err);
void memory_topics_free(struct k_cloud *cloud);

// --- log_memory_reader.c, log_memory_transactions.c, log_memory_groups.c: their parts of the operations ---
void memory_reader_ops(struct k_log_ops *ops);
void memory_producer_ops(struct k_log_ops *ops);
void memory_member_ops(struct k_log_ops *ops);

// --- log_memory_transactions.c ---
void memory_transactions_tick(struct k_cloud *cloud);              // late requests, timeouts and markers that are due
void memory_transactions_settle(struct k_cloud *cloud);            // all of them, due or not
void memory_transactions_free(struct k_cloud *cloud);

// --- log_memory_groups.c ---
struct group *memory_group(struct k_cloud *cloud, const char *name, const char *topic);
void memory_groups_tick(struct k_cloud *cloud); // sessions and rebalances that are over
bool memory_group_accepts(const struct k_member *member); // the request carries the present generation
void memory_group_commit(struct k_cloud *cloud, const struct pending_offset *offset);
void memory_groups_free(struct k_cloud *cloud);
