// Inside the librdkafka side of the log seam (log_kafka*.c): what those files share, and nobody else includes.
// These are the only files of the tree that know librdkafka.
//
// Who owns what: struct k_kafka is the k_log. It owns two handles for questions and administration, opened when first
// needed, and the consumers on which readers live: one consumer per thread that opens readers, so that shards in one
// process do not share librdkafka's thread per broker. A producer and a member each own a handle of their own.
// A handle's callbacks run on librdkafka's threads, so what they write is atomic or behind the handle's lock.
#pragma once
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>

#include "engine/log.h"

struct k_kafka;
struct k_kafka_consumer; // log_kafka_reader.h

// --- properties (log_kafka_conf.c) ---
struct k_kafka_property {
    char *name, *value; // librdkafka's name
    bool secret;
};
struct k_kafka_properties {
    struct k_kafka_property *items;
    size_t count;
};
// Reads the file (NULL: none), then KAPPA_KAFKA_<NAME> from the environment, which wins. Every name is on the
// allow-list, every value one that librdkafka takes. K_E_CONFIG, K_E_NOT_FOUND, K_E_IO; no text holds a secret.
int k_kafka_properties_load(const char *file, struct k_kafka_properties *ret, struct k_error *err);
void k_kafka_properties_fini(struct k_kafka_properties *properties); // wipes the values
const char *k_kafka_properties_get(const struct k_kafka_properties *properties, const char *name); // or NULL

// --- handles (log_kafka.c) ---
struct k_kafka_handle {
    struct k_kafka *kafka;
    rd_kafka_t *rk; // NULL: not open
    pthread_mutex_t lock;
    char said[512];              // the last error that librdkafka reported on this handle; under lock
    atomic_bool refused;         // it was about authentication or TLS: no waiting helps
    atomic_uint disconnects;     // broker connections that failed or went down
    atomic_uint unanswered_ends; // EndTxn requests whose answer never came and that were sent again
};

struct k_kafka_topic_count {
    char *topic;
    int32_t partitions;
};

struct k_kafka {
    struct k_log log;
    char *brokers, *worker;
    struct k_kafka_properties properties;
    uint64_t reader_queue_bytes;
    int64_t session_timeout_us, request_timeout_us, fetch_wait_us;

    pthread_mutex_t lock;                    // of all that follows
    struct k_kafka_handle raw, stable;       // read_uncommitted (and administration); read_committed
    struct k_kafka_consumer *consumers;      // log_kafka_reader.h
    struct k_kafka_topic_count *topic_counts; // partitions of the topics that readers have asked for
    size_t topic_count_count;

    pthread_mutex_t wake_lock; // innermost: librdkafka takes it inside its own queue locks
    pthread_cond_t wake;       // some reader's queue is no longer empty
    uint64_t wakes;
};

static inline struct k_kafka *k_kafka_of(struct k_log *log) { return (struct k_kafka *)log; }

// A configuration with the brokers, the properties, the callbacks and client.id = worker, or `client` when not NULL.
rd_kafka_conf_t *k_kafka_conf(struct k_kafka *kafka, const char *client);
// One of our own settings: librdkafka's refusal is our bug.
void k_kafka_set(rd_kafka_conf_t *conf, const char *name, const char *value);
void k_kafka_set_int(rd_kafka_conf_t *conf, const char *name, int64_t value);
// Takes conf, in every case. The handle must not move in memory while it is open.
int k_kafka_handle_open(struct k_kafka_handle *handle, struct k_kafka *kafka, rd_kafka_type_t type,
                        rd_kafka_conf_t *conf_take, struct k_error *err);
// flags: of rd_kafka_destroy_flags. Also for a zeroed handle.
void k_kafka_handle_close(struct k_kafka_handle *handle, int flags);
// The two shared handles.
int k_kafka_raw(struct k_kafka *kafka, struct k_kafka_handle **ret, struct k_error *err);
int k_kafka_stable(struct k_kafka *kafka, struct k_kafka_handle **ret, struct k_error *err);

// The code of ours for one of librdkafka's.
int k_kafka_code(rd_kafka_resp_err_t code);
// Sets err: "<what>: <why>; <what to try>". detail: librdkafka's own words, NULL: those of the code. handle (may be
// NULL) adds what it said last, and turns a silence that is a refusal into K_E_DENIED.
int k_kafka_fail(struct k_kafka *kafka, struct k_kafka_handle *handle, struct k_error *err, rd_kafka_resp_err_t code,
                 const char *detail, const char *what, ...) __attribute__((format(printf, 6, 7)));
// Serves the handle's callbacks, without blocking, so that what it has to say is known.
void k_kafka_listen(struct k_kafka_handle *handle);
// A call has succeeded, so what was said before is no longer the reason of anything.
void k_kafka_forget(struct k_kafka_handle *handle);

// Milliseconds as librdkafka takes them, rounded up and bounded.
static inline int k_kafka_ms(int64_t us)
{
    return us <= 0 ? 0 : us > 2000000000000 ? 2000000000 : (int)((us + 999) / 1000);
}
static inline int64_t k_kafka_min(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t k_kafka_max(int64_t a, int64_t b) { return a > b ? a : b; }

// --- topics (log_kafka_topics.c) ---
// How many partitions the topic has, asked of the brokers. K_E_NOT_FOUND, K_E_DENIED, K_E_UNAVAILABLE.
int k_kafka_partitions(struct k_kafka *kafka, const char *topic, int32_t *ret, struct k_error *err);
int k_kafka_topic_info(struct k_log *log, const char *topic, struct k_topic_info *ret, struct k_error *err);
int k_kafka_topic_create(struct k_log *log, const char *topic, const struct k_topic_spec *spec, struct k_error *err);
int k_kafka_topic_delete(struct k_log *log, const char *topic, struct k_error *err);
int k_kafka_offsets(struct k_log *log, const char *topic, int32_t partition, bool committed, int64_t *ret_start,
                    int64_t *ret_end, struct k_error *err);
int k_kafka_delete_records(struct k_log *log, const char *topic, int32_t partition, int64_t before,
                           struct k_error *err);

// --- readers (log_kafka_reader.c, log_kafka_consumer.c) ---
void k_kafka_wait(struct k_log *log, struct k_reader *const *readers, uint32_t count, int64_t timeout_us);
int k_kafka_reader_open(struct k_log *log, const char *topic, int32_t partition, int64_t offset,
                        struct k_reader **ret, struct k_error *err);
void k_kafka_leave_headers(struct k_reader *reader);
int k_kafka_fetch(struct k_reader *reader, uint32_t max, size_t max_bytes, int64_t timeout_us,
                  const struct k_message *const **ret_messages, uint32_t *ret_count, struct k_error *err);
int64_t k_kafka_position(struct k_reader *reader);
bool k_kafka_at_end(struct k_reader *reader);
int k_kafka_seek(struct k_reader *reader, int64_t offset, struct k_error *err);
void k_kafka_reader_close(struct k_reader *reader);
void k_kafka_consumers_close(struct k_kafka *kafka);

// --- producers (log_kafka_producer.c) ---
int k_kafka_producer_open(struct k_log *log, const char *transactional_id, int64_t transaction_timeout_us,
                          struct k_producer **ret, struct k_error *err);
int k_kafka_begin(struct k_producer *producer, struct k_error *err);
int k_kafka_produce(struct k_producer *producer, const struct k_out_message *message, struct k_error *err);
int k_kafka_send_offsets(struct k_producer *producer, struct k_member *member, const struct k_topic_offset *offsets,
                         uint32_t count, struct k_error *err);
int k_kafka_commit(struct k_producer *producer, bool *ret_tainted, struct k_error *err);
int64_t k_kafka_tracked_offset(struct k_producer *producer);
int k_kafka_abort(struct k_producer *producer, struct k_error *err);
void k_kafka_producer_close(struct k_producer *producer);

// --- members (log_kafka_member.c) ---
int k_kafka_member_join(struct k_log *log, const char *group, const char *topic, const char *rank,
                        struct k_member **ret, struct k_error *err);
int k_kafka_member_poll(struct k_member *member, enum k_membership *ret, struct k_error *err);
void k_kafka_member_leave(struct k_member *member);
// The group's metadata as of the assignment that this member holds; NULL when it holds none. Borrowed until the next
// poll.
const rd_kafka_consumer_group_metadata_t *k_kafka_member_metadata(const struct k_member *member);
