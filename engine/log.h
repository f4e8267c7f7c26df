// The log seam: everything that is not deterministic (Kafka, group membership, time) as one struct of function
// pointers. Two implementations: librdkafka (log_kafka*.c) and an in-memory log with a seed (log_memory*.c), on which
// the simulator and `kappa test` run.
//
// A k_log is one worker's connection. Each shard of the worker uses its own readers, producer and member from its own
// thread; k_log itself is safe to share. In the in-memory log everything runs on one thread, and any call may return
// K_E_CRASHED: the simulated worker is dead, and every later call says the same.
//
// Codes: K_E_UNAVAILABLE (broker unreachable), K_E_DENIED, K_E_NOT_FOUND (topic), K_E_CONFIG, K_E_RETRY (nothing
// happened, the same call may succeed later), and of transactions K_E_ABORTED, K_E_FENCED, K_E_DOUBTFUL.
#pragma once
#include "base/error.h"
#include "proto/batch.h"

struct k_log;
struct k_reader;   // one partition, read_committed, one queue
struct k_producer; // one transactional producer
struct k_member;   // membership of one consumer group, whose only job is to name a leader

struct k_topic_info {
    int32_t partitions;
    bool compacted;          // cleanup.policy contains "compact"
    bool deletes;            // cleanup.policy contains "delete"
    int64_t retention_ms;    // -1: for ever
    int64_t retention_bytes; // -1: for ever
    int64_t max_message_bytes;
};
struct k_topic_spec {
    int32_t partitions;
    int32_t replication;   // -1: the broker's default
    bool compacted;        // else delete
    int64_t retention_ms;  // -1: for ever; 0: the broker's default
    int64_t max_message_bytes; // of one record; 0: the broker's default
};

struct k_out_message {
    const char *topic;
    int32_t partition; // -1: murmur2_random by key
    struct k_str key, value;
    bool has_key, has_value;
    int64_t timestamp_us; // -1: now
    const struct k_header *headers;
    uint32_t header_count;
    bool tracked; // k_log_ops.tracked_offset will tell its offset after the commit
};

struct k_topic_offset {
    const char *topic;
    int32_t partition;
    int64_t offset; // the next one to read
};

enum k_membership {
    K_MEMBER_WAITING,  // in the group or joining, without the partition
    K_MEMBER_ASSIGNED, // the group says that this member leads
    K_MEMBER_LOST,     // it had the partition and has lost it since the last poll (revoked, or the session is over)
};

struct k_log_ops {
    // The clock, µs since 1970. May go backwards; the journal does not.
    int64_t (*now_us)(struct k_log *log);
    // Blocks until one of the readers may have something, or timeout_us has passed. May return early. In memory:
    // returns at once.
    void (*wait)(struct k_log *log, struct k_reader *const *readers, uint32_t count, int64_t timeout_us);

    int (*topic_info)(struct k_log *log, const char *topic, struct k_topic_info *ret, struct k_error *err);
    // 0 also when the topic is there already, whatever its settings (two workers may start at once); ask topic_info.
    int (*topic_create)(struct k_log *log, const char *topic, const struct k_topic_spec *spec, struct k_error *err);
    // K_E_NOT_FOUND: there is none. What is written meanwhile may make it anew, if the broker makes topics by itself.
    int (*topic_delete)(struct k_log *log, const char *topic, struct k_error *err);
    // The log's start and its end: read_committed: the last stable offset, transaction markers included; else the
    // high watermark. Asked of the partition's leader, never cached. Either ret may be NULL.
    int (*offsets)(struct k_log *log, const char *topic, int32_t partition, bool committed, int64_t *ret_start,
                   int64_t *ret_end, struct k_error *err);
    int (*delete_records)(struct k_log *log, const char *topic, int32_t partition, int64_t before,
                          struct k_error *err);

    // Reads committed records from `offset` on. K_E_LOST_RANGE from fetch when the offset is below the log's start or
    // beyond its end (auto.offset.reset=error).
    int (*reader_open)(struct k_log *log, const char *topic, int32_t partition, int64_t offset,
                       struct k_reader **ret, struct k_error *err);
    // From now on its messages come without their headers: a fifth of what reading costs, for those who need none.
    void (*leave_headers)(struct k_reader *reader);
    // Up to max messages (and about max_bytes of them) that are there within timeout_us; 0 messages is not an error.
    // The messages are borrowed until the next fetch, seek or close of this reader.
    int (*fetch)(struct k_reader *reader, uint32_t max, size_t max_bytes, int64_t timeout_us,
                 const struct k_message *const **ret_messages, uint32_t *ret_count, struct k_error *err);
    // The consumer's position: the offset behind the last message handed out, moved over transaction markers and
    // aborted records as soon as the client knows of them. Ascends, but by seek.
    int64_t (*position)(struct k_reader *reader);
    // Whether everything up to the partition's stable end, as the client last knew it, has been handed out.
    bool (*at_end)(struct k_reader *reader);
    int (*seek)(struct k_reader *reader, int64_t offset, struct k_error *err);
    void (*reader_close)(struct k_reader *reader); // NULL-safe

    // Makes a producer and runs init_transactions: when it returns 0 every earlier producer of this id is fenced and
    // its open transaction has ended.
    int (*producer_open)(struct k_log *log, const char *transactional_id, int64_t transaction_timeout_us,
                         struct k_producer **ret, struct k_error *err);
    int (*begin)(struct k_producer *producer, struct k_error *err);
    // Copies the message. Blocks (polling) while the queue is full, up to the transaction timeout.
    int (*produce)(struct k_producer *producer, const struct k_out_message *message, struct k_error *err);
    // Adds source offsets with the group metadata of the member, so that a stale member is refused.
    int (*send_offsets)(struct k_producer *producer, struct k_member *member, const struct k_topic_offset *offsets,
                        uint32_t count, struct k_error *err);
    // Flushes and commits. 0: committed, known. *ret_tainted: known, but a copy of the request may still be under
    // way; this producer must not be used for another transaction. K_E_DOUBTFUL: not known. K_E_ABORTED, K_E_FENCED:
    // not committed.
    int (*commit)(struct k_producer *producer, bool *ret_tainted, struct k_error *err);
    int64_t (*tracked_offset)(struct k_producer *producer); // of the tracked message of the last commit; -1: none
    // Flushes, then aborts; best effort. After it the producer is closed by its owner in every case.
    int (*abort)(struct k_producer *producer, struct k_error *err);
    void (*producer_close)(struct k_producer *producer); // NULL-safe; never blocks for long; does not commit

    // Joins the group with a client.id that begins with rank: among the members the lowest gets the one partition of
    // the topic (range assignor).
    int (*member_join)(struct k_log *log, const char *group, const char *topic, const char *rank,
                       struct k_member **ret, struct k_error *err);
    // Serves heartbeats and rebalances; must be called at least once a second. Does not block.
    int (*member_poll)(struct k_member *member, enum k_membership *ret, struct k_error *err);
    // True if the broker has refused this group's requests for good (denied, …): err says why.
    void (*member_leave)(struct k_member *member); // NULL-safe

    void (*close)(struct k_log *log);
};

struct k_log {
    const struct k_log_ops *ops;
};

// --- librdkafka ---
struct k_kafka_options {
    const char *brokers;         // NULL: bootstrap.servers of the properties
    const char *worker;          // a name for client.id: letters, digits, -, _
    const char *properties_file; // client properties (security), NULL: none; allow-listed; also KAPPA_KAFKA_<NAME>
    uint64_t queue_bytes;        // of all fetch queues of this worker together
    uint32_t readers_expected;   // partitions that share queue_bytes
    int64_t session_timeout_us;  // group membership; broker's minimum is 6 s by default
    int64_t request_timeout_us;  // metadata, admin calls, init_transactions: how long one call may take
    int64_t fetch_wait_us;       // how long a broker may sit on a fetch that has nothing; 0: the default for sources
};
// Readers share one client per thread that opens them, with a connection and a thread of librdkafka to each broker:
// open a shard's readers on the shard's thread. queue_bytes / readers_expected bounds each reader: 4 to 16 MiB read
// as fast as any more, and the process then holds about queue_bytes and 10 MiB. Does not wait for the broker: the first
// call that needs it does, and says K_E_UNAVAILABLE naming the address.
int k_log_kafka_open(const struct k_kafka_options *options, struct k_log **ret, struct k_error *err);
// The offset of the first record of a partition whose timestamp is at or behind time_us, as the broker finds it by its
// index; the partition's stable end if there is none.
int k_log_kafka_offset_at(struct k_log *log, const char *topic, int32_t partition, int64_t time_us, int64_t *ret,
                          struct k_error *err);
// For preflights. Whether a broker answers this client at all (K_E_UNAVAILABLE: none; K_E_DENIED: it refuses the
// client), and how many brokers there are.
int k_log_kafka_reach(struct k_log *log, uint32_t *ret_brokers, struct k_error *err);
// Whether topic_create would make this topic now: the broker judges rights, replication and its policies, and makes
// nothing. 0 also when the topic is there already.
int k_log_kafka_may_create(struct k_log *log, const char *topic, const struct k_topic_spec *spec, struct k_error *err);
