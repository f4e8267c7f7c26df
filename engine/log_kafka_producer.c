// Producers: one transaction at a time, and never a doubt about how it ended that is not told.
//
// States of a transaction, and who moves it: none --begin--> open --produce, send_offsets--> open --commit--> none,
// or dead. After any error but K_E_RETRY, and after a tainted commit, the producer is dead: its owner calls abort
// (which is best effort) and producer_close. Nothing here ever recovers a producer in place, because librdkafka 2.0.2
// stops at EndTxn v1: an EndTxn that is delayed can end the next transaction of the same epoch, and only
// init_transactions by a new producer makes a new epoch.
//
// What a commit answers
//   0              the broker said yes. Tainted when an EndTxn was sent again after its answer was lost, when a
//                  connection broke meanwhile, or when it took longer than SLOW_US: a copy may still be under way.
//   K_E_ABORTED    EndTxn was not sent, or the broker said no.
//   K_E_FENCED     the broker said no, and that this producer is over.
//   K_E_DOUBTFUL   everything else: no answer in time; or a no after a lost answer, which may have been a yes.
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/trace.h"
#include "engine/log_kafka.h"
#include "base/units.h"

enum {
    SLOW_US = 1000000,
    POLL_EVERY = 1024,                // produced messages, between two looks at delivery reports
    QUEUE_KBYTES = 64 * 1024,         // messages that wait for their delivery report
    QUEUE_MESSAGES = 500000,
    MESSAGE_BYTES = 64 * 1024 * 1024, // the topic's own limit is the one that counts
    ABORT_US = 3000000,
    SETTLE_US = 1000000,              // for the answers to requests under way, before a producer is closed
    LINGER_MS = 500,     // longer than a commit interval mostly is; see configuration()
    RUN = 256,           // messages without a key that go to one partition before the next
    SPARE_HEADERS = 65536,
    KICK_MS = 1,         // for how long the broker thread is asked to send all that it can, at first
    KICK_MS_MAX = 500,
    REPORT_MS = 10,      // how long to wait for a delivery report before it is asked to look again
};

struct topic {
    char *name;
    rd_kafka_topic_t *rkt;
    int32_t partitions; // when it was first used
    uint32_t keyless;   // messages without a key so far
};

// What goes along with a message of one header, as its opaque, and comes back with its delivery report.
struct reused {
    rd_kafka_headers_t *headers; // NULL: none
    char *value;                 // the header's, inside of them
    uint32_t value_length, name_length;
    char name[16];
};

struct k_producer {
    struct k_kafka *kafka;
    struct k_kafka_handle handle;
    char *id;
    int64_t transaction_timeout_us;
    struct topic *topics; // in the order of first use
    size_t topic_count;
    uint32_t since_poll;
    bool open; // a transaction has begun and has not ended
    struct k_arena values;        // of the messages of this transaction; librdkafka points into it
    struct reused *reused;        // SPARE_HEADERS of them
    struct reused **spare;        // those that are with no message, the last used on top
    uint32_t spare_count;

    // Written by delivery reports, which come inside rd_kafka_poll and rd_kafka_flush on the owner's thread.
    uint64_t failed;      // of this transaction
    rd_kafka_resp_err_t failure;
    char failed_topic[256];
    int64_t tracked_offset;
};

// Headers are three blocks of malloc each, a tenth of what a small message costs. Nearly all messages have one header,
// of one length, so those of messages that were sent serve again. What they hold is remembered here: their own memory
// is cold by then, and asking librdkafka for it means three cache misses one behind the other.
static void keep_headers(struct k_producer *producer, const rd_kafka_message_t *message)
{
    struct reused *reused = message->_private;
    if (reused == NULL || message->_private == producer) return;
    rd_kafka_headers_t *headers;
    // The message is about to be freed; the report is const for others' sake.
    if (rd_kafka_message_detach_headers((rd_kafka_message_t *)(uintptr_t)message, &headers) != 0) headers = NULL;
    reused->headers = headers;
    producer->spare[producer->spare_count++] = reused;
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    (void)rk;
    struct k_kafka_handle *handle = opaque;
    struct k_producer *producer = (struct k_producer *)((char *)handle - offsetof(struct k_producer, handle));
    keep_headers(producer, message);
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (producer->failed++ > 0) return;
        producer->failure = message->err;
        snprintf(producer->failed_topic, sizeof producer->failed_topic, "%s", rd_kafka_topic_name(message->rkt));
        return;
    }
    if (message->_private == producer) producer->tracked_offset = message->offset;
}

// --- errors ---

// Classes of an error of librdkafka's transactional calls that came before any EndTxn: abortable ones lose the
// transaction, all others the producer, and both lose nothing that was promised.
static int refused(struct k_producer *producer, struct k_error *err, rd_kafka_error_t *error_take, const char *doing)
{
    rd_kafka_resp_err_t code = rd_kafka_error_code(error_take);
    bool fatal = rd_kafka_error_is_fatal(error_take) || code == RD_KAFKA_RESP_ERR__FENCED ||
                 code == RD_KAFKA_RESP_ERR__FATAL;
    int result;
    if (k_kafka_code(code) == K_E_DENIED)
        result = k_kafka_fail(producer->kafka, &producer->handle, err, code, rd_kafka_error_string(error_take),
                              "%s as \"%s\"", doing, producer->id);
    else
        result = k_fail(err, fatal ? K_E_FENCED : K_E_ABORTED, "%s as \"%s\": %s (brokers at %s)", doing, producer->id,
                        rd_kafka_error_string(error_take), producer->kafka->brokers);
    rd_kafka_error_destroy(error_take);
    return result;
}

static int undelivered(struct k_producer *producer, struct k_error *err)
{
    // The same message would be refused again, whoever sends it.
    if (producer->failure == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
        return k_fail(err, K_E_CONFIG, "a message for topic \"%s\" is larger than the topic takes (brokers at %s); "
                      "raise its max.message.bytes", producer->failed_topic, producer->kafka->brokers);
    return k_fail(err, K_E_ABORTED, "%llu messages of a transaction of \"%s\" were not written, the first to topic "
                  "\"%s\": %s (brokers at %s)", (unsigned long long)producer->failed, producer->id,
                  producer->failed_topic, rd_kafka_err2str(producer->failure), producer->kafka->brokers);
}

// --- open and close ---

static rd_kafka_conf_t *configuration(struct k_kafka *kafka, const char *id, int64_t timeout_us)
{
    rd_kafka_conf_t *conf = k_kafka_conf(kafka, NULL);
    k_kafka_set(conf, "transactional.id", id);
    k_kafka_set_int(conf, "transaction.timeout.ms", k_kafka_ms(timeout_us));
    // librdkafka wants one request to end before the transaction does, and has its own default for that.
    const char *socket = k_kafka_properties_get(&kafka->properties, "socket.timeout.ms");
    if (socket != NULL && strtoll(socket, NULL, 10) > k_kafka_ms(timeout_us))
        k_kafka_set_int(conf, "socket.timeout.ms", k_kafka_ms(timeout_us));
    // AddOffsets and EndTxn are tried again after this while the last transaction completes.
    k_kafka_set(conf, "retry.backoff.ms", "5");
    // Nobody sees a message before the commit, which ends all lingering: waiting for full batches costs no time that
    // readers would notice. And librdkafka 2.0.2 spins: its broker thread polls without a pause while a batch's linger
    // is over and the partition's batch before it (an idempotent producer has one under way) is not yet answered.
    k_kafka_set_int(conf, "linger.ms", k_kafka_min(LINGER_MS, k_kafka_ms(timeout_us) / 4));
    k_kafka_set(conf, "partitioner", "murmur2_random"); // as Java's, so that joins with others' topics hold
    // The brokers' and all clients' default. The cheapest codec, lz4, costs as much CPU as decoding the records did.
    const char *codec = k_kafka_properties_get(&kafka->properties, "compression.type");
    k_kafka_set(conf, "compression.type", codec != NULL ? codec : "none");
    k_kafka_set_int(conf, "queue.buffering.max.kbytes", QUEUE_KBYTES);
    k_kafka_set_int(conf, "queue.buffering.max.messages", QUEUE_MESSAGES);
    k_kafka_set_int(conf, "message.max.bytes", MESSAGE_BYTES);
    // The one line of debug=eos that tells of an EndTxn whose answer was lost; a few lines a commit, none a message.
    k_kafka_set(conf, "debug", "eos");
    // Every delivery report, not only errors: else flush looks on a grid of 10 ms.
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    return conf;
}

static int init(struct k_producer *producer, struct k_error *err)
{
    struct k_kafka *kafka = producer->kafka;
    int64_t deadline_us = k_clock_us(CLOCK_MONOTONIC) + kafka->request_timeout_us;
    for (;;) {
        // A call that timed out is taken up again by the next; in between, refusals are heard.
        int64_t left_us = deadline_us - k_clock_us(CLOCK_MONOTONIC);
        int slice_ms = k_kafka_ms(k_kafka_max(1000, k_kafka_min(left_us, 250000)));
        rd_kafka_error_t *error = rd_kafka_init_transactions(producer->handle.rk, slice_ms);
        if (error == NULL) return 0;
        k_kafka_listen(&producer->handle);
        rd_kafka_resp_err_t code = rd_kafka_error_code(error);
        bool again = rd_kafka_error_is_retriable(error) && !atomic_load(&producer->handle.refused) &&
                     k_clock_us(CLOCK_MONOTONIC) < deadline_us;
        if (!again) {
            // What is fatal here is said by the broker about the right to the id, or by a younger producer.
            int result = code == RD_KAFKA_RESP_ERR__FENCED
                             ? k_fail(err, K_E_FENCED, "a younger producer \"%s\" has come: %s", producer->id,
                                      rd_kafka_error_string(error))
                             : k_kafka_fail(kafka, &producer->handle, err, code, rd_kafka_error_string(error),
                                            "opening the transactions of \"%s\"", producer->id);
            rd_kafka_error_destroy(error);
            return result;
        }
        rd_kafka_error_destroy(error);
    }
}

int k_kafka_producer_open(struct k_log *log, const char *transactional_id, int64_t transaction_timeout_us,
                          struct k_producer **ret, struct k_error *err)
{
    struct k_kafka *kafka = k_kafka_of(log);
    struct k_producer *producer = k_new(struct k_producer);
    producer->kafka = kafka;
    producer->id = k_strdup(transactional_id);
    producer->transaction_timeout_us = transaction_timeout_us;
    producer->tracked_offset = -1;
    producer->reused = k_new_array(struct reused, SPARE_HEADERS);
    producer->spare = k_new_array(struct reused *, SPARE_HEADERS);
    while (producer->spare_count < SPARE_HEADERS) {
        producer->spare[producer->spare_count] = &producer->reused[producer->spare_count];
        producer->spare_count++;
    }
    k_arena_init(&producer->values);
    rd_kafka_conf_t *conf = configuration(kafka, transactional_id, transaction_timeout_us);
    int code = k_kafka_handle_open(&producer->handle, kafka, RD_KAFKA_PRODUCER, conf, err);
    if (code == 0) code = init(producer, err);
    if (code != 0) {
        k_kafka_producer_close(producer);
        return code;
    }
    *ret = producer;
    return 0;
}

// What is still queued belongs to a transaction that nobody will commit; what is under way is waited for. librdkafka
// 2.0.2 frees the text of a transaction's error when a handle is destroyed (rd_kafka_txns_term), and once more when a
// produce request is refused behind that: met where a zombie woke, with its requests fenced.
static void settle(rd_kafka_t *rk)
{
    int64_t deadline_us = k_clock_us(CLOCK_MONOTONIC) + SETTLE_US;
    do rd_kafka_purge(rk, RD_KAFKA_PURGE_F_QUEUE);
    while (rd_kafka_flush(rk, REPORT_MS) != RD_KAFKA_RESP_ERR_NO_ERROR && k_clock_us(CLOCK_MONOTONIC) < deadline_us);
    rd_kafka_purge(rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
}

void k_kafka_producer_close(struct k_producer *producer)
{
    if (producer == NULL) return;
    if (producer->handle.rk != NULL) {
        settle(producer->handle.rk);
        k_kafka_listen(&producer->handle);
        for (size_t i = 0; i < producer->topic_count; i++) rd_kafka_topic_destroy(producer->topics[i].rkt);
        k_kafka_handle_close(&producer->handle, 0);
    }
    for (uint32_t i = 0; i < producer->spare_count; i++)
        if (producer->spare[i]->headers != NULL) rd_kafka_headers_destroy(producer->spare[i]->headers);
    for (size_t i = 0; i < producer->topic_count; i++) free(producer->topics[i].name);
    k_arena_fini(&producer->values); // not before the handle is gone
    free(producer->spare);
    free(producer->reused);
    free(producer->topics);
    free(producer->id);
    free(producer);
}

// --- the transaction ---

int k_kafka_begin(struct k_producer *producer, struct k_error *err)
{
    K_ASSERT(!producer->open);
    rd_kafka_error_t *error = rd_kafka_begin_transaction(producer->handle.rk);
    if (error != NULL) return refused(producer, err, error, "beginning a transaction");
    producer->open = true;
    producer->failed = 0;
    producer->tracked_offset = -1;
    return 0;
}

// The topic, borrowed until the next call. The first use asks for its metadata, so that the first commit need not wait
// for it (0.9 s when tried), and so that a topic that is not there is named at once.
static int topic_of(struct k_producer *producer, const char *name, struct topic **ret, struct k_error *err)
{
    for (size_t i = 0; i < producer->topic_count; i++) {
        if (strcmp(producer->topics[i].name, name) != 0) continue;
        *ret = &producer->topics[i];
        return 0;
    }
    int32_t partitions;
    int code = k_kafka_partitions(producer->kafka, name, &partitions, err);
    if (code != 0) return code;
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(producer->handle.rk, name, NULL);
    K_ASSERT(rkt != NULL);
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t answer = rd_kafka_metadata(producer->handle.rk, 0, rkt, &metadata,
                                                   k_kafka_ms(producer->kafka->request_timeout_us));
    if (answer != RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_topic_destroy(rkt);
        return k_kafka_fail(producer->kafka, &producer->handle, err, answer, NULL, "topic \"%s\"", name);
    }
    rd_kafka_metadata_destroy(metadata);
    producer->topics = k_realloc(producer->topics, (producer->topic_count + 1) * sizeof *producer->topics);
    *ret = &producer->topics[producer->topic_count++];
    **ret = (struct topic){k_strdup(name), rkt, partitions, 0};
    return 0;
}

static rd_kafka_headers_t *headers_new(const struct k_out_message *message)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(message->header_count);
    for (uint32_t i = 0; i < message->header_count; i++) {
        const struct k_header *header = &message->headers[i];
        rd_kafka_header_add(headers, header->name.data, header->name.length, header->null ? NULL : header->value.data,
                            header->null ? -1 : (ssize_t)header->value.length);
    }
    return headers;
}

// The next ones' memory is fetched while this message is made.
static struct reused *take_spare(struct k_producer *producer)
{
    uint32_t left = --producer->spare_count;
    if (left >= 8) {
        __builtin_prefetch(producer->spare[left - 8]);
        __builtin_prefetch(producer->spare[left - 4]->value, 1);
    }
    return producer->spare[left];
}

// The headers of a message; *ret_reused: what remembers them, NULL: nothing. Their bytes are their own, so what has the
// same name and length is written over in place.
static rd_kafka_headers_t *headers_of(struct k_producer *producer, const struct k_out_message *message,
                                      struct reused **ret_reused)
{
    *ret_reused = NULL;
    if (message->header_count == 0) return NULL;
    const struct k_header *header = &message->headers[0];
    struct reused *reused;
    if (message->header_count != 1 || message->tracked || header->null || header->value.length == 0 ||
        header->name.length > sizeof reused->name || producer->spare_count == 0)
        return headers_new(message);
    *ret_reused = reused = take_spare(producer);
    if (reused->headers != NULL && reused->value_length == header->value.length &&
        k_str_equal((struct k_str){reused->name, reused->name_length}, header->name)) {
        memcpy(reused->value, header->value.data, header->value.length);
        return reused->headers;
    }
    if (reused->headers != NULL) rd_kafka_headers_destroy(reused->headers); // the position has grown by a digit
    const char *name;
    const void *value = NULL;
    size_t length;
    reused->headers = headers_new(message);
    rd_kafka_resp_err_t code = rd_kafka_header_get_all(reused->headers, 0, &name, &value, &length);
    K_ASSERT(code == RD_KAFKA_RESP_ERR_NO_ERROR && value != NULL && length == header->value.length);
    reused->value = (char *)(uintptr_t)value;
    reused->value_length = header->value.length;
    reused->name_length = header->name.length;
    memcpy(reused->name, header->name.data, header->name.length);
    return reused->headers;
}

// Messages without a key go round all partitions, a short run each. librdkafka's own way, to stay with one for some
// time, adds the partitions to the transaction one after another: each a request, and a millisecond for which its main
// thread spins, because that is what a timer of 1 ms does in 2.0.2.
static int32_t partition_of(struct topic *topic, const struct k_out_message *message)
{
    if (message->partition >= 0) return message->partition;
    if (message->has_key) return RD_KAFKA_PARTITION_UA;
    return (int32_t)(topic->keyless++ / RUN % (uint32_t)topic->partitions);
}

static rd_kafka_error_t *enqueue(struct k_producer *producer, struct topic *topic,
                                 const struct k_out_message *message, int32_t partition, const char *value)
{
    rd_kafka_vu_t arguments[9];
    size_t count = 0;
    arguments[count].vtype = RD_KAFKA_VTYPE_RKT;
    arguments[count++].u.rkt = topic->rkt;
    arguments[count].vtype = RD_KAFKA_VTYPE_PARTITION;
    arguments[count++].u.i32 = partition;
    arguments[count].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
    arguments[count++].u.i = 0; // the value stays in our arena until the transaction has ended
    arguments[count].vtype = RD_KAFKA_VTYPE_VALUE;
    arguments[count].u.mem.ptr = (void *)(uintptr_t)value;
    arguments[count++].u.mem.size = message->has_value ? message->value.length : 0;
    if (message->has_key) {
        arguments[count].vtype = RD_KAFKA_VTYPE_KEY;
        arguments[count].u.mem.ptr = message->key.length ? (void *)(uintptr_t)message->key.data : "";
        arguments[count++].u.mem.size = message->key.length;
    }
    if (message->timestamp_us >= 0) {
        arguments[count].vtype = RD_KAFKA_VTYPE_TIMESTAMP;
        arguments[count++].u.i64 = message->timestamp_us / 1000;
    }
    struct reused *reused;
    rd_kafka_headers_t *headers = headers_of(producer, message, &reused);
    arguments[count].vtype = RD_KAFKA_VTYPE_OPAQUE;
    arguments[count++].u.ptr = message->tracked ? (void *)producer : (void *)reused;
    if (headers != NULL) {
        arguments[count].vtype = RD_KAFKA_VTYPE_HEADERS;
        arguments[count++].u.headers = headers;
    }
    rd_kafka_error_t *error = rd_kafka_produceva(producer->handle.rk, arguments, count);
    if (error != NULL && reused != NULL) producer->spare[producer->spare_count++] = reused; // with its headers
    else if (error != NULL && headers != NULL) rd_kafka_headers_destroy(headers);
    return error;
}

int k_kafka_produce(struct k_producer *producer, const struct k_out_message *message, struct k_error *err)
{
    K_ASSERT(producer->open);
    struct topic *topic = NULL;
    int code = topic_of(producer, message->topic, &topic, err);
    if (code != 0) return code;
    if (++producer->since_poll >= POLL_EVERY) {
        producer->since_poll = 0;
        rd_kafka_poll(producer->handle.rk, 0);
    }
    const char *value = NULL;
    if (message->has_value) {
        // An empty value is not a null one, which is a tombstone.
        value = message->value.length > 0
                    ? k_arena_copy(&producer->values, message->value.data, message->value.length) : "";
    }
    int32_t partition = partition_of(topic, message);
    int64_t deadline_us = 0;
    for (;;) {
        rd_kafka_error_t *error = enqueue(producer, topic, message, partition, value);
        if (error == NULL) return 0;
        if (rd_kafka_error_code(error) != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            rd_kafka_resp_err_t answer = rd_kafka_error_code(error);
            if (answer != RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE && answer != RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION)
                return refused(producer, err, error, "writing a message");
            code = k_kafka_fail(producer->kafka, NULL, err, answer, NULL,
                                "writing %u bytes to topic \"%s\" partition %d", message->value.length,
                                message->topic, partition);
            rd_kafka_error_destroy(error);
            return code;
        }
        rd_kafka_error_destroy(error);
        if (deadline_us == 0) deadline_us = k_clock_us(CLOCK_MONOTONIC) + producer->transaction_timeout_us;
        if (k_clock_us(CLOCK_MONOTONIC) >= deadline_us)
            return k_fail(err, K_E_ABORTED, "writing to topic \"%s\": the brokers at %s take nothing more",
                          message->topic, producer->kafka->brokers);
        rd_kafka_poll(producer->handle.rk, 10);
    }
}

int k_kafka_send_offsets(struct k_producer *producer, struct k_member *member, const struct k_topic_offset *offsets,
                         uint32_t count, struct k_error *err)
{
    K_ASSERT(producer->open);
    // The metadata of the assignment, not of now: a member that has lost the partition must be refused.
    const rd_kafka_consumer_group_metadata_t *metadata = k_kafka_member_metadata(member);
    if (metadata == NULL)
        return k_fail(err, K_E_ABORTED, "adding offsets as \"%s\": the group has given the shard to another member",
                      producer->id);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (uint32_t i = 0; i < count; i++)
        rd_kafka_topic_partition_list_add(list, offsets[i].topic, offsets[i].partition)->offset = offsets[i].offset;
    rd_kafka_flush(producer->handle.rk, KICK_MS); // what is queued goes out meanwhile
    rd_kafka_error_t *error = rd_kafka_send_offsets_to_transaction(
        producer->handle.rk, list, metadata, k_kafka_ms(producer->transaction_timeout_us));
    rd_kafka_topic_partition_list_destroy(list);
    // Timed out, it cannot be taken up again: the transaction is lost.
    return error == NULL ? 0 : refused(producer, err, error, "adding offsets");
}

// The answer of a commit that failed; see the top of the file.
static int failed_commit(struct k_producer *producer, rd_kafka_error_t *error_take, bool copies, struct k_error *err)
{
    rd_kafka_resp_err_t code = rd_kafka_error_code(error_take);
    // "Transaction commit succeeded on the broker but the transaction had already failed locally": it is committed,
    // and this is the only word that librdkafka has for it.
    bool said_no = rd_kafka_error_txn_requires_abort(error_take) || rd_kafka_error_is_fatal(error_take);
    bool succeeded = strstr(rd_kafka_error_string(error_take), "commit succeeded") != NULL;
    bool late = code == RD_KAFKA_RESP_ERR__TIMED_OUT || rd_kafka_error_is_retriable(error_take);
    if (said_no && !copies && !succeeded && !late) return refused(producer, err, error_take, "committing");
    int result = k_fail(err, K_E_DOUBTFUL, "committing as \"%s\": %s (brokers at %s)", producer->id,
                        rd_kafka_error_string(error_take), producer->kafka->brokers);
    rd_kafka_error_destroy(error_take);
    return result;
}

// Ends the lingering of what is queued. Not with one long rd_kafka_flush, for the time of which the broker thread would
// spin (see configuration()): a moment is enough to send what can be sent, and each report may let more be sent.
static rd_kafka_resp_err_t flush(struct k_producer *producer, int64_t timeout_us)
{
    rd_kafka_t *rk = producer->handle.rk;
    int64_t deadline_us = k_clock_us(CLOCK_MONOTONIC) + timeout_us;
    int kick_ms = KICK_MS, waiting = rd_kafka_outq_len(rk);
    while (rd_kafka_flush(rk, kick_ms) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (k_clock_us(CLOCK_MONOTONIC) >= deadline_us) return RD_KAFKA_RESP_ERR__TIMED_OUT;
        rd_kafka_poll(rk, REPORT_MS);
        // One that came to nothing may have been over before the thread had its turn on a busy machine.
        int left = rd_kafka_outq_len(rk);
        kick_ms = left < waiting ? KICK_MS : kick_ms < KICK_MS_MAX ? kick_ms * 2 : kick_ms;
        waiting = left;
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

int k_kafka_commit(struct k_producer *producer, bool *ret_tainted, struct k_error *err)
{
    K_ASSERT(producer->open);
    struct k_kafka_handle *handle = &producer->handle;
    int timeout_ms = k_kafka_ms(producer->transaction_timeout_us);
    // Flushed here and not only inside the commit, so that what fails here has not sent EndTxn.
    rd_kafka_resp_err_t flushed = flush(producer, producer->transaction_timeout_us);
    if (producer->failed > 0) return undelivered(producer, err);
    if (flushed != RD_KAFKA_RESP_ERR_NO_ERROR)
        return k_fail(err, K_E_ABORTED, "committing as \"%s\": the brokers at %s did not take all messages within "
                      "%d ms", producer->id, producer->kafka->brokers, timeout_ms);

    uint32_t disconnects = atomic_load(&handle->disconnects), unanswered = atomic_load(&handle->unanswered_ends);
    int64_t begun_us = k_clock_us(CLOCK_MONOTONIC);
    rd_kafka_error_t *error = rd_kafka_commit_transaction(handle->rk, timeout_ms);
    int64_t took_us = k_clock_us(CLOCK_MONOTONIC) - begun_us;
    k_kafka_listen(handle);
    bool copies = atomic_load(&handle->unanswered_ends) != unanswered ||
                  atomic_load(&handle->disconnects) != disconnects;
    if (error != NULL) return failed_commit(producer, error, copies, err);
    producer->open = false;
    k_arena_reset(&producer->values); // flushed: librdkafka has nothing left of them
    *ret_tainted = copies || took_us > SLOW_US;
    if (*ret_tainted)
        k_trace(K_TRACE_INFO, "kafka", "a commit of \"%s\" took %lld ms%s; its producer is replaced", producer->id,
                (long long)(took_us / 1000), copies ? " and may have been sent more than once" : "");
    return 0;
}

int64_t k_kafka_tracked_offset(struct k_producer *producer)
{
    return producer->tracked_offset;
}

int k_kafka_abort(struct k_producer *producer, struct k_error *err)
{
    if (!producer->open) return 0;
    producer->open = false;
    struct k_kafka_handle *handle = &producer->handle;
    char text[256];
    if (rd_kafka_fatal_error(handle->rk, text, sizeof text) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return k_fail(err, K_E_FENCED, "aborting as \"%s\": %s", producer->id, text);
    int64_t timeout_us = k_kafka_min(producer->transaction_timeout_us, ABORT_US);
    int64_t deadline_us = k_clock_us(CLOCK_MONOTONIC) + timeout_us;
    // An abort before the first delivery report is fatal: the purge races with AddPartitionsToTxn.
    if (rd_kafka_flush(handle->rk, k_kafka_ms(timeout_us)) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return k_fail(err, K_E_DOUBTFUL, "aborting as \"%s\": the brokers at %s do not answer; the next producer of "
                      "this id, or the transaction's time-out, ends it", producer->id, producer->kafka->brokers);
    rd_kafka_error_t *error = rd_kafka_abort_transaction(
        handle->rk, k_kafka_ms(k_kafka_max(500000, deadline_us - k_clock_us(CLOCK_MONOTONIC))));
    if (error == NULL) return 0;
    int code = rd_kafka_error_is_fatal(error) ? K_E_FENCED : K_E_DOUBTFUL;
    code = k_fail(err, code, "aborting as \"%s\": %s", producer->id, rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    return code;
}
