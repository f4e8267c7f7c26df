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

enum {
    SLOW_US = 1000000,
    POLL_EVERY = 1024,                // produced messages, between two looks at delivery reports
    QUEUE_KBYTES = 64 * 1024,         // messages that wait for their delivery report
    QUEUE_MESSAGES = 500000,
    MESSAGE_BYTES = 64 * 1024 * 1024, // the topic's own limit is the one that counts
    ABORT_US = 3000000,
};

struct topic {
    char *name;
    rd_kafka_topic_t *rkt;
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

    // Written by delivery reports, which come inside rd_kafka_poll and rd_kafka_flush on the owner's thread.
    uint64_t failed;      // of this transaction
    rd_kafka_resp_err_t failure;
    char failed_topic[256];
    int64_t tracked_offset;
};

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    (void)rk;
    struct k_kafka_handle *handle = opaque;
    struct k_producer *producer = (struct k_producer *)((char *)handle - offsetof(struct k_producer, handle));
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (producer->failed++ > 0) return;
        producer->failure = message->err;
        snprintf(producer->failed_topic, sizeof producer->failed_topic, "%s", rd_kafka_topic_name(message->rkt));
        return;
    }
    if (message->_private != NULL) producer->tracked_offset = message->offset;
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
    k_kafka_set(conf, "linger.ms", "2");
    k_kafka_set(conf, "partitioner", "murmur2_random"); // as Java's, so that joins with others' topics hold
    // The cheapest codec that all clients read; it costs the engine less than the network and disks that it saves.
    k_kafka_set(conf, "compression.type", "lz4");
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
    int64_t deadline_us = k_kafka_clock_us() + kafka->request_timeout_us;
    for (;;) {
        // A call that timed out is taken up again by the next; in between, refusals are heard.
        int64_t left_us = deadline_us - k_kafka_clock_us();
        int slice_ms = k_kafka_ms(k_kafka_max(1000, k_kafka_min(left_us, 250000)));
        rd_kafka_error_t *error = rd_kafka_init_transactions(producer->handle.rk, slice_ms);
        if (error == NULL) return 0;
        k_kafka_listen(&producer->handle);
        rd_kafka_resp_err_t code = rd_kafka_error_code(error);
        bool again = rd_kafka_error_is_retriable(error) && !atomic_load(&producer->handle.refused) &&
                     k_kafka_clock_us() < deadline_us;
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

void k_kafka_producer_close(struct k_producer *producer)
{
    if (producer == NULL) return;
    if (producer->handle.rk != NULL) {
        // What is still queued belongs to a transaction that nobody will commit.
        rd_kafka_purge(producer->handle.rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
                                                RD_KAFKA_PURGE_F_NON_BLOCKING);
        k_kafka_listen(&producer->handle);
        for (size_t i = 0; i < producer->topic_count; i++) rd_kafka_topic_destroy(producer->topics[i].rkt);
        k_kafka_handle_close(&producer->handle, 0);
    }
    for (size_t i = 0; i < producer->topic_count; i++) free(producer->topics[i].name);
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

// The topic's handle. The first use asks for its metadata, so that the first commit need not wait for it (0.9 s when
// tried), and so that a topic that is not there is named at once.
static int topic_of(struct k_producer *producer, const char *name, rd_kafka_topic_t **ret, struct k_error *err)
{
    for (size_t i = 0; i < producer->topic_count; i++) {
        if (strcmp(producer->topics[i].name, name) != 0) continue;
        *ret = producer->topics[i].rkt;
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
    producer->topics[producer->topic_count++] = (struct topic){k_strdup(name), rkt};
    *ret = rkt;
    return 0;
}

static rd_kafka_headers_t *headers_of(const struct k_out_message *message)
{
    if (message->header_count == 0) return NULL;
    rd_kafka_headers_t *headers = rd_kafka_headers_new(message->header_count);
    for (uint32_t i = 0; i < message->header_count; i++) {
        const struct k_header *header = &message->headers[i];
        rd_kafka_header_add(headers, header->name.data, header->name.length, header->null ? NULL : header->value.data,
                            header->null ? -1 : (ssize_t)header->value.length);
    }
    return headers;
}

static rd_kafka_error_t *enqueue(struct k_producer *producer, rd_kafka_topic_t *rkt,
                                 const struct k_out_message *message)
{
    rd_kafka_vu_t arguments[8];
    size_t count = 0;
    arguments[count].vtype = RD_KAFKA_VTYPE_RKT;
    arguments[count++].u.rkt = rkt;
    arguments[count].vtype = RD_KAFKA_VTYPE_PARTITION;
    arguments[count++].u.i32 = message->partition < 0 ? RD_KAFKA_PARTITION_UA : message->partition;
    arguments[count].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
    arguments[count++].u.i = RD_KAFKA_MSG_F_COPY;
    arguments[count].vtype = RD_KAFKA_VTYPE_VALUE;
    // An empty value is not a null one, which is a tombstone.
    const char *value = message->value.length > 0 ? message->value.data : "";
    arguments[count].u.mem.ptr = message->has_value ? (void *)(uintptr_t)value : NULL;
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
    if (message->tracked) {
        arguments[count].vtype = RD_KAFKA_VTYPE_OPAQUE;
        arguments[count++].u.ptr = producer;
    }
    rd_kafka_headers_t *headers = headers_of(message);
    if (headers != NULL) {
        arguments[count].vtype = RD_KAFKA_VTYPE_HEADERS;
        arguments[count++].u.headers = headers;
    }
    rd_kafka_error_t *error = rd_kafka_produceva(producer->handle.rk, arguments, count);
    if (error != NULL && headers != NULL) rd_kafka_headers_destroy(headers);
    return error;
}

int k_kafka_produce(struct k_producer *producer, const struct k_out_message *message, struct k_error *err)
{
    K_ASSERT(producer->open);
    rd_kafka_topic_t *rkt = NULL;
    int code = topic_of(producer, message->topic, &rkt, err);
    if (code != 0) return code;
    if (++producer->since_poll >= POLL_EVERY) {
        producer->since_poll = 0;
        rd_kafka_poll(producer->handle.rk, 0);
    }
    int64_t deadline_us = 0;
    for (;;) {
        rd_kafka_error_t *error = enqueue(producer, rkt, message);
        if (error == NULL) return 0;
        if (rd_kafka_error_code(error) != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            rd_kafka_resp_err_t answer = rd_kafka_error_code(error);
            if (answer != RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE && answer != RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION)
                return refused(producer, err, error, "writing a message");
            code = k_kafka_fail(producer->kafka, NULL, err, answer, NULL,
                                "writing %u bytes to topic \"%s\" partition %d", message->value.length,
                                message->topic, message->partition);
            rd_kafka_error_destroy(error);
            return code;
        }
        rd_kafka_error_destroy(error);
        if (deadline_us == 0) deadline_us = k_kafka_clock_us() + producer->transaction_timeout_us;
        if (k_kafka_clock_us() >= deadline_us)
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

int k_kafka_commit(struct k_producer *producer, bool *ret_tainted, struct k_error *err)
{
    K_ASSERT(producer->open);
    struct k_kafka_handle *handle = &producer->handle;
    int timeout_ms = k_kafka_ms(producer->transaction_timeout_us);
    // Flushed here and not only inside the commit, so that what fails here has not sent EndTxn.
    rd_kafka_resp_err_t flushed = rd_kafka_flush(handle->rk, timeout_ms);
    if (producer->failed > 0) return undelivered(producer, err);
    if (flushed != RD_KAFKA_RESP_ERR_NO_ERROR)
        return k_fail(err, K_E_ABORTED, "committing as \"%s\": the brokers at %s did not take all messages within "
                      "%d ms", producer->id, producer->kafka->brokers, timeout_ms);

    uint32_t disconnects = atomic_load(&handle->disconnects), unanswered = atomic_load(&handle->unanswered_ends);
    int64_t begun_us = k_kafka_clock_us();
    rd_kafka_error_t *error = rd_kafka_commit_transaction(handle->rk, timeout_ms);
    int64_t took_us = k_kafka_clock_us() - begun_us;
    k_kafka_listen(handle);
    bool copies = atomic_load(&handle->unanswered_ends) != unanswered ||
                  atomic_load(&handle->disconnects) != disconnects;
    if (error != NULL) return failed_commit(producer, error, copies, err);
    producer->open = false;
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
    int64_t deadline_us = k_kafka_clock_us() + timeout_us;
    // An abort before the first delivery report is fatal: the purge races with AddPartitionsToTxn.
    if (rd_kafka_flush(handle->rk, k_kafka_ms(timeout_us)) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return k_fail(err, K_E_DOUBTFUL, "aborting as \"%s\": the brokers at %s do not answer; the next producer of "
                      "this id, or the transaction's time-out, ends it", producer->id, producer->kafka->brokers);
    rd_kafka_error_t *error = rd_kafka_abort_transaction(
        handle->rk, k_kafka_ms(k_kafka_max(500000, deadline_us - k_kafka_clock_us())));
    if (error == NULL) return 0;
    int code = rd_kafka_error_is_fatal(error) ? K_E_FENCED : K_E_DOUBTFUL;
    code = k_fail(err, code, "aborting as \"%s\": %s", producer->id, rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    return code;
}
