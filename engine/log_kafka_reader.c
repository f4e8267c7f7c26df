// Readers: one partition each, read_committed, each with a queue of its own.
//
// librdkafka's simple consumer serves them (start, stop, a queue): no group, no rebalance, no assignment that readers
// would share. Which consumer a reader lives on is for log_kafka_consumer.c to say.
//
// Invariants
// 1. raw[0, at) has been handed out or was no message, and is destroyed by the next fetch; raw[at, count) is next.
// 2. position is the offset behind the last message handed out, or beyond it when librdkafka has seen that only
//    markers and aborted records follow; it never passes a message that was not handed out.
// 3. A seek makes a new queue, so nothing that was fetched before it can be seen after it (librdkafka 2.0.2 mixes
//    them up in batches, #4208).
// 4. A lost range is reported by every fetch until a seek.
//
// A reader that has stood at its end for a while rests on a patient consumer, and leaves it with the first message, or
// to seek: a consumer whose readers all rest elsewhere has no question under way, so that it asks at once.
#include "engine/log_kafka_reader.h"
#include "base/units.h"

#include <stdlib.h>
#include <string.h>

enum {
    BATCH = 4096,
    STALL_US = 4000,    // a queue that did not grow for so long may need a wake-up
    LISTEN_US = 100000, // how often an idle reader looks at what its consumer has to say
    REST_US = 2000000,  // at its end for so long, a reader rests
};

// --- open, seek, close ---

static int start(struct k_reader *reader, int64_t offset, struct k_error *err)
{
    rd_kafka_t *rk = reader->consumer->handle.rk;
    reader->queue = rd_kafka_queue_new(rk);
    k_kafka_watch(reader->kafka, reader->queue);
    reader->position = offset;
    reader->end = -1;
    reader->read = false;
    reader->length = 0;
    reader->grown_us = k_clock_us(CLOCK_MONOTONIC);
    if (rd_kafka_consume_start_queue(reader->rkt, reader->partition, offset, reader->queue) == 0) return 0;
    return k_kafka_fail(reader->kafka, NULL, err, rd_kafka_last_error(), NULL,
                        "reading topic \"%s\" partition %d from offset %lld", reader->topic, reader->partition,
                        (long long)offset);
}

static void release(struct k_reader *reader)
{
    for (uint32_t i = 0; i < reader->at; i++) rd_kafka_message_destroy(reader->raw[i]);
    if (reader->at < reader->count && reader->at > 0)
        memmove(reader->raw, reader->raw + reader->at, (reader->count - reader->at) * sizeof reader->raw[0]);
    reader->count -= reader->at;
    reader->at = 0;
    if (reader->headers.used > 0) k_arena_reset(&reader->headers);
}

static void stop(struct k_reader *reader)
{
    reader->at = reader->count;
    release(reader);
    rd_kafka_consume_stop(reader->rkt, reader->partition);
    k_kafka_unwatch(reader->queue);
    rd_kafka_queue_destroy(reader->queue);
    reader->queue = NULL;
}

static void leave(struct k_reader *reader)
{
    rd_kafka_topic_destroy(reader->rkt);
    struct k_reader **link = &reader->consumer->readers;
    while (*link != reader) link = &(*link)->next;
    *link = reader->next;
}

// Puts a reader that is not started on a consumer of this thread. Without one it stays where it was, if anywhere.
static int house(struct k_reader *reader, bool patient, struct k_error *err)
{
    struct k_kafka *kafka = reader->kafka;
    pthread_mutex_lock(&kafka->lock);
    struct k_kafka_consumer *consumer = k_kafka_consumer_for(kafka, reader->topic, reader->partition, patient, err);
    if (consumer != NULL) {
        if (reader->consumer != NULL) leave(reader);
        reader->rkt = rd_kafka_topic_new(consumer->handle.rk, reader->topic, NULL);
        K_ASSERT(reader->rkt != NULL);
        reader->consumer = consumer;
        reader->next = consumer->readers;
        consumer->readers = reader;
    }
    pthread_mutex_unlock(&kafka->lock);
    return consumer != NULL ? 0 : K_E_CONFIG;
}

static int restart(struct k_reader *reader, bool patient, int64_t offset, struct k_error *err)
{
    struct k_error unused; // rest is for economy only: who finds no other consumer can stay
    stop(reader);
    if (reader->consumer->patient != patient) (void)house(reader, patient, &unused);
    return start(reader, offset, err);
}

int k_kafka_reader_open(struct k_log *log, const char *topic, int32_t partition, int64_t offset,
                        struct k_reader **ret, struct k_error *err)
{
    K_ASSERT(offset >= 0 && partition >= 0);
    struct k_kafka *kafka = k_kafka_of(log);
    int code = k_kafka_check_partition(kafka, topic, partition, err);
    if (code != 0) return code;

    struct k_reader *reader = k_new(struct k_reader);
    *reader = (struct k_reader){.kafka = kafka, .partition = partition, .mean_bytes = 256, .topic = k_strdup(topic)};
    code = house(reader, false, err);
    if (code != 0) {
        free(reader->topic);
        free(reader);
        return code;
    }
    k_arena_init(&reader->headers);
    reader->asked = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(reader->asked, topic, partition);
    code = start(reader, offset, err);
    if (code != 0) {
        k_kafka_reader_close(reader);
        return code;
    }
    *ret = reader;
    return 0;
}

void k_kafka_reader_close(struct k_reader *reader)
{
    if (reader == NULL) return;
    stop(reader);
    pthread_mutex_lock(&reader->kafka->lock);
    leave(reader);
    pthread_mutex_unlock(&reader->kafka->lock);
    rd_kafka_topic_partition_list_destroy(reader->asked);
    k_arena_fini(&reader->headers);
    free(reader->raw);
    free(reader->messages);
    free(reader->pointers);
    free(reader->topic);
    free(reader);
}

int k_kafka_seek(struct k_reader *reader, int64_t offset, struct k_error *err)
{
    K_ASSERT(offset >= 0);
    reader->lost = 0;
    return restart(reader, false, offset, err);
}

void k_kafka_leave_headers(struct k_reader *reader)
{
    reader->without_headers = true;
}

int64_t k_kafka_position(struct k_reader *reader)
{
    return reader->position;
}

bool k_kafka_at_end(struct k_reader *reader)
{
    return reader->end == reader->position && reader->at == reader->count &&
           rd_kafka_queue_length(reader->queue) == 0;
}

// --- fetching ---

static void grow(struct k_reader *reader, uint32_t wanted)
{
    if (wanted <= reader->capacity) return;
    uint32_t capacity = reader->capacity > 0 ? reader->capacity : 64;
    while (capacity < wanted) capacity *= 2;
    reader->raw = k_realloc(reader->raw, capacity * sizeof reader->raw[0]);
    reader->messages = k_realloc(reader->messages, capacity * sizeof reader->messages[0]);
    reader->pointers = k_realloc(reader->pointers, capacity * sizeof reader->pointers[0]);
    for (uint32_t i = 0; i < capacity; i++) reader->pointers[i] = &reader->messages[i];
    reader->capacity = capacity;
}

// Pops what is there, without waiting: a batch call with a timeout waits for a full batch.
static void pop(struct k_reader *reader, uint32_t max, size_t max_bytes)
{
    size_t fitting = max_bytes / reader->mean_bytes + 1;
    uint32_t wanted = max < BATCH ? max : BATCH;
    if (wanted > fitting) wanted = (uint32_t)fitting;
    grow(reader, wanted);
    int64_t now = k_clock_us(CLOCK_MONOTONIC);
    size_t before = rd_kafka_queue_length(reader->queue);
    if (before > reader->length) reader->grown_us = now;
    ssize_t got = before > 0 ? rd_kafka_consume_batch_queue(reader->queue, 0, reader->raw, wanted) : 0;
    reader->count = got > 0 ? (uint32_t)got : 0;
    reader->length = rd_kafka_queue_length(reader->queue);
    if (now - reader->grown_us > STALL_US && reader->end != reader->position &&
        reader->length * (reader->mean_bytes + K_KAFKA_OP_BYTES) < reader->kafka->reader_queue_bytes / 2)
        k_kafka_wake_brokers(reader, now);
}

static void fill_headers(struct k_reader *reader, const rd_kafka_message_t *raw, struct k_message *message)
{
    rd_kafka_headers_t *headers;
    if (rd_kafka_message_headers(raw, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return;
    size_t count = rd_kafka_header_cnt(headers);
    struct k_header *all = k_arena_array(&reader->headers, struct k_header, count);
    for (size_t i = 0; i < count; i++) {
        const char *name;
        const void *value;
        size_t size;
        rd_kafka_header_get_all(headers, i, &name, &value, &size);
        all[i] = (struct k_header){k_str_of(name), {value, (uint32_t)(value != NULL ? size : 0)}, value == NULL};
    }
    message->headers = all;
    message->header_count = (uint32_t)count;
}

static void fill(struct k_reader *reader, const rd_kafka_message_t *raw, struct k_message *message)
{
    rd_kafka_timestamp_type_t kind;
    int64_t ms = rd_kafka_message_timestamp(raw, &kind);
    *message = (struct k_message){
        .key = {raw->key, (uint32_t)raw->key_len},
        .value = {raw->payload, (uint32_t)raw->len},
        .has_key = raw->key != NULL,
        .has_value = raw->payload != NULL,
        .partition = raw->partition,
        .offset = raw->offset,
        .timestamp_us = kind == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE || ms < 0 ? -1 : ms * 1000,
    };
    // librdkafka parses them by request, with two blocks of malloc even where there are none.
    if (!reader->without_headers) fill_headers(reader, raw, message);
}

// The brokers say that the position is outside of the log. Names what the log has; an offset that is inside after all
// (a replica that lagged behind has become leader and caught up) is simply read again.
static int lost(struct k_reader *reader, struct k_error *err)
{
    int64_t first, next;
    int code = k_kafka_offsets(&reader->kafka->log, reader->topic, reader->partition, false, &first, &next, err);
    if (code != 0) return code;
    if (first <= reader->position && reader->position <= next) return k_kafka_seek(reader, reader->position, err);
    reader->lost = k_fail(&reader->lost_text, K_E_LOST_RANGE,
                          "topic \"%s\" partition %d: offset %lld is not in the log, which has %lld to %lld (brokers "
                          "at %s)",
                          reader->topic, reader->partition, (long long)reader->position, (long long)first,
                          (long long)next, reader->kafka->brokers);
    *err = reader->lost_text;
    return reader->lost;
}

// An entry of the queue that is no message. 0: go on.
static int event(struct k_reader *reader, const rd_kafka_message_t *raw, struct k_error *err)
{
    if (raw->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        reader->end = raw->offset;
        if (raw->offset > reader->position) reader->position = raw->offset;
        return 0;
    }
    if (raw->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET || raw->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE)
        return lost(reader, err);
    return k_kafka_fail(reader->kafka, NULL, err, raw->err, rd_kafka_message_errstr(raw),
                        "reading topic \"%s\" partition %d at offset %lld", reader->topic, reader->partition,
                        (long long)reader->position);
}

// librdkafka's thread, on another core, has just made the messages: fetched one after another while they are needed,
// they would be most of what a filter costs.
static void prefetch(const struct k_reader *reader)
{
    enum { AHEAD = 8, LINE = 64 };
    if (reader->at + AHEAD >= reader->count) return;
    const char *raw = (const char *)reader->raw[reader->at + AHEAD];
    __builtin_prefetch(raw);
    __builtin_prefetch(raw + LINE);
}

// Hands out from raw[at] on. An error waits until the messages before it have been handed out.
static int hand_out(struct k_reader *reader, uint32_t max, size_t max_bytes, uint32_t *ret_count, struct k_error *err)
{
    uint32_t out = 0;
    size_t bytes = 0;
    int code = 0;
    while (code == 0 && reader->at < reader->count && out < max) {
        const rd_kafka_message_t *raw = reader->raw[reader->at];
        prefetch(reader);
        if (raw->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            if (out > 0 && raw->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) break;
            reader->at++;
            rd_kafka_queue_t *queue = reader->queue;
            code = event(reader, raw, err);
            if (queue != reader->queue) break; // sought, so nothing is left of this batch
            continue;
        }
        if (out > 0 && bytes + raw->len + raw->key_len > max_bytes) break;
        bytes += raw->len + raw->key_len;
        reader->at++;
        fill(reader, raw, &reader->messages[out++]);
        reader->position = raw->offset + 1;
        reader->read = true;
    }
    if (out > 0) reader->mean_bytes = (reader->mean_bytes + bytes / out) / 2 + 1;
    *ret_count = out;
    return code;
}

// When all that was popped has been handed out, librdkafka's own position may be further: behind markers.
static void follow_markers(struct k_reader *reader)
{
    if (!reader->read || reader->at < reader->count) return;
    rd_kafka_position(reader->consumer->handle.rk, reader->asked);
    if (reader->asked->elems[0].offset > reader->position) reader->position = reader->asked->elems[0].offset;
}

static int listen_now_and_then(struct k_reader *reader, struct k_error *err)
{
    int64_t now = k_clock_us(CLOCK_MONOTONIC);
    struct k_kafka_consumer *consumer = reader->consumer;
    if (now - atomic_load(&consumer->listened_us) < LISTEN_US) return 0;
    atomic_store(&consumer->listened_us, now);
    k_kafka_listen(&consumer->handle);
    if (!atomic_exchange(&consumer->handle.refused, false)) return 0;
    return k_kafka_fail(reader->kafka, &consumer->handle, err, RD_KAFKA_RESP_ERR__AUTHENTICATION, NULL,
                        "reading topic \"%s\" partition %d", reader->topic, reader->partition);
}

static bool may_rest(struct k_reader *reader)
{
    return reader->kafka->fetch_wait_us == 0 && k_kafka_at_end(reader) &&
           k_clock_us(CLOCK_MONOTONIC) - reader->grown_us >= REST_US;
}

// To rest, or awake from it. (read is false then: librdkafka may remember of another start on that consumer.)
static int move(struct k_reader *reader, struct k_error *err)
{
    int64_t end = reader->end;
    int code = restart(reader, !reader->consumer->patient, reader->position, err);
    reader->end = end;
    return code;
}

int k_kafka_fetch(struct k_reader *reader, uint32_t max, size_t max_bytes, int64_t timeout_us,
                  const struct k_message *const **ret_messages, uint32_t *ret_count, struct k_error *err)
{
    struct k_error local;
    if (err == NULL) err = &local;
    release(reader);
    if (reader->lost != 0) {
        *err = reader->lost_text;
        return reader->lost;
    }
    if (reader->consumer->patient ? reader->read : may_rest(reader)) {
        int code = move(reader, err);
        if (code != 0) return code;
    }
    int64_t deadline_us = timeout_us > 0 ? k_clock_us(CLOCK_MONOTONIC) + timeout_us : 0;
    uint32_t count = 0;
    for (;;) {
        if (reader->at == reader->count) {
            release(reader);
            pop(reader, max, max_bytes);
        }
        int code = hand_out(reader, max, max_bytes, &count, err);
        if (code == 0 && count == 0) code = listen_now_and_then(reader, err);
        if (code != 0) return code;
        follow_markers(reader);
        int64_t left_us = timeout_us > 0 ? deadline_us - k_clock_us(CLOCK_MONOTONIC) : 0;
        if (count > 0 || left_us <= 0) break;
        k_kafka_wait(&reader->kafka->log, &reader, 1, left_us);
    }
    *ret_messages = reader->pointers;
    *ret_count = count;
    return 0;
}
