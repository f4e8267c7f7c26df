// Producing, consuming and the ends of partitions.
//
// The end of a consumption is fixed at its start: the last stable offset of each partition, as the broker
// gives it to a read_committed reader, once it has come up to the high watermark of the start or settle_ms
// are over (an open transaction holds it back as long as it is open). A message's offset + 1 says nothing:
// transaction markers lie behind it.
#include "tests/tools/json_line.h"
#include "tests/tools/ktool.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// --- producing --------------------------------------------------------------------------------------

struct delivery {
    int64_t delivered, refused;
    rd_kafka_resp_err_t first; // why the first was refused
};

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    (void)rk;
    struct delivery *delivery = opaque;
    if (!message->err) {
        delivery->delivered++;
    } else if (delivery->refused++ == 0) {
        delivery->first = message->err;
    }
}

static void check(rd_kafka_error_t *error, const char *what)
{
    if (error) ktool_fail("%s: %s", what, rd_kafka_error_string(error));
}

static rd_kafka_headers_t *headers_of(const struct line *line)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(line->header_count);
    for (size_t i = 0; i < line->header_count; i++) {
        const struct line_header *header = &line->headers[i];
        rd_kafka_header_add(headers, header->name.data, (ssize_t)header->name.length, header->value.data,
            header->value.data ? (ssize_t)header->value.length : 0);
    }
    return headers;
}

static void produce_line(rd_kafka_t *rk, const char *topic, const struct line *line)
{
    char name[256];
    if (line->topic.data) {
        if (line->topic.length >= sizeof(name)) ktool_fail("a topic's name is too long");
        memcpy(name, line->topic.data, line->topic.length);
        name[line->topic.length] = '\0';
        topic = name;
    }
    if (!topic) ktool_fail("a line names no topic, nor does the command");
    rd_kafka_headers_t *headers = line->header_count ? headers_of(line) : NULL;
    const rd_kafka_vu_t parts[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = topic},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = line->partition},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {line->key.data, line->key.length}},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {line->value.data, line->value.length}},
        {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = line->timestamp >= 0 ? line->timestamp : 0},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    for (;;) {
        rd_kafka_error_t *error = rd_kafka_produceva(rk, parts, sizeof(parts) / sizeof(parts[0]));
        if (!error) return;
        if (rd_kafka_error_code(error) != RD_KAFKA_RESP_ERR__QUEUE_FULL) check(error, topic);
        rd_kafka_error_destroy(error);
        rd_kafka_poll(rk, 10);
    }
}

static void end_transaction(rd_kafka_t *rk, const struct ktool_options *options)
{
    rd_kafka_flush(rk, KTOOL_WAIT_MS); // an abort that outruns the first delivery is fatal in librdkafka 2.0.2
    if (options->abort) check(rd_kafka_abort_transaction(rk, KTOOL_WAIT_MS), "abort_transaction");
    else check(rd_kafka_commit_transaction(rk, KTOOL_WAIT_MS), "commit_transaction");
}

void ktool_produce(const struct ktool_options *options, const char *topic)
{
    struct delivery delivery = {0};
    rd_kafka_conf_t *conf = ktool_conf(options, "linger.ms", "10", "enable.idempotence", "true", "partitioner",
        "murmur2_random", "queue.buffering.max.messages", "500000", "queue.buffering.max.kbytes", "262144",
        "batch.num.messages", "100000", options->transaction ? "transactional.id" : NULL, options->transaction, NULL);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_opaque(conf, &delivery);
    rd_kafka_t *rk = ktool_open(RD_KAFKA_PRODUCER, conf);
    if (options->transaction) {
        check(rd_kafka_init_transactions(rk, KTOOL_WAIT_MS), "init_transactions");
        check(rd_kafka_begin_transaction(rk), "begin_transaction");
    }

    char *text = NULL;
    size_t room = 0;
    ssize_t length;
    int64_t number = 0, pending = 0;
    static struct line line;
    while ((length = getline(&text, &room, stdin)) >= 0) {
        number++;
        while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == '\r')) text[--length] = '\0';
        if (options->plain) {
            line = (struct line){.value = {text, (size_t)length}, .partition = -1, .timestamp = -1};
        } else {
            const char *wrong = line_read(text, (size_t)length, &line);
            if (wrong) ktool_fail("line %lld: %s", (long long)number, wrong);
        }
        if (line.partition < 0) line.partition = options->partition;
        produce_line(rk, topic, &line);
        if (number % 1024 == 0) rd_kafka_poll(rk, 0);
        if (options->transaction && options->every > 0 && ++pending == options->every) {
            end_transaction(rk, options);
            check(rd_kafka_begin_transaction(rk), "begin_transaction");
            pending = 0;
        }
    }
    free(text);
    if (options->transaction) end_transaction(rk, options);
    if (rd_kafka_flush(rk, 2 * KTOOL_WAIT_MS)) ktool_fail("not all messages could be delivered in time");
    if (delivery.refused)
        ktool_fail("%lld of %lld messages were refused: %s", (long long)delivery.refused, (long long)number,
            rd_kafka_err2str(delivery.first));
    rd_kafka_destroy(rk);
    printf("{\"produced\":%lld}\n", (long long)delivery.delivered);
}

// --- ends -------------------------------------------------------------------------------------------

struct ends {
    int64_t low, stable, high;
};

static rd_kafka_t *consumer_new(const struct ktool_options *options, bool uncommitted)
{
    return ktool_open(RD_KAFKA_CONSUMER, ktool_conf(options, "group.id", "ktool", "enable.auto.commit", "false",
        "isolation.level", uncommitted ? "read_uncommitted" : "read_committed", "enable.partition.eof", "true",
        "auto.offset.reset", "error", "queued.min.messages", "1000000", "queued.max.messages.kbytes", "65536",
        "fetch.message.max.bytes", "4194304", "fetch.wait.max.ms", "10", NULL));
}

static void watermarks(rd_kafka_t *rk, const char *topic, int32_t partition, int64_t *ret_low, int64_t *ret_end)
{
    rd_kafka_resp_err_t err = rd_kafka_query_watermark_offsets(rk, topic, partition, ret_low, ret_end, KTOOL_WAIT_MS);
    if (err) ktool_fail("the ends of %s/%d: %s", topic, partition, rd_kafka_err2str(err));
}

// Waits up to settle_ms for the stable end to come up to the high watermark that there is now.
static struct ends ends_of(rd_kafka_t *committed, rd_kafka_t *uncommitted, const char *topic, int32_t partition,
    int settle_ms)
{
    struct ends ends;
    int64_t low, until = now_ms() + settle_ms;
    watermarks(uncommitted, topic, partition, &ends.low, &ends.high);
    for (;;) {
        watermarks(committed, topic, partition, &low, &ends.stable);
        if (ends.stable >= ends.high || now_ms() >= until) return ends;
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
}

void ktool_offsets(const struct ktool_options *options, const char *topic)
{
    rd_kafka_t *committed = consumer_new(options, false), *uncommitted = consumer_new(options, true);
    int partitions = ktool_partitions(committed, topic);
    for (int32_t p = 0; p < partitions; p++) {
        if (options->partition >= 0 && p != options->partition) continue;
        struct ends ends = ends_of(committed, uncommitted, topic, p, options->settle_ms);
        printf("{\"partition\":%d,\"low\":%lld,\"stable\":%lld,\"high\":%lld}\n", p, (long long)ends.low,
            (long long)ends.stable, (long long)ends.high);
    }
    rd_kafka_destroy(committed);
    rd_kafka_destroy(uncommitted);
}

// --- consuming --------------------------------------------------------------------------------------

// The end of each assigned partition lives in its metadata: partitions are few, and one list says it all.
struct reading {
    rd_kafka_t *rk;
    rd_kafka_topic_partition_list_t *parts; // offset: the end that is still to be reached; -1: reached
    int open;                               // partitions that have not reached their end
    int64_t written, count;                 // count -1: no bound
};

static void reached(struct reading *reading, const char *topic, int32_t partition, int64_t position)
{
    rd_kafka_topic_partition_t *part = rd_kafka_topic_partition_list_find(reading->parts, topic, partition);
    if (!part || part->offset < 0 || position < part->offset) return;
    part->offset = -1;
    reading->open--;
}

static void assign(struct reading *reading, const struct ktool_options *options, char **topics, int count)
{
    rd_kafka_t *other = consumer_new(options, !options->uncommitted);
    rd_kafka_t *committed = options->uncommitted ? other : reading->rk;
    rd_kafka_t *uncommitted = options->uncommitted ? reading->rk : other;
    rd_kafka_topic_partition_list_t *start = rd_kafka_topic_partition_list_new(count);
    reading->parts = rd_kafka_topic_partition_list_new(count);
    for (int t = 0; t < count; t++) {
        int partitions = ktool_partitions(reading->rk, topics[t]);
        for (int32_t p = 0; p < partitions; p++) {
            if (options->partition >= 0 && p != options->partition) continue;
            struct ends ends = ends_of(committed, uncommitted, topics[t], p, options->settle_ms);
            int64_t from = options->from > ends.low ? options->from : ends.low;
            int64_t end = options->uncommitted ? ends.high : ends.stable;
            rd_kafka_topic_partition_list_add(start, topics[t], p)->offset = from;
            bool open = options->count >= 0 || from < end;
            rd_kafka_topic_partition_list_add(reading->parts, topics[t], p)->offset = open ? end : -1;
            reading->open += open;
        }
    }
    rd_kafka_topic_partition_list_sort(reading->parts, NULL, NULL);
    rd_kafka_resp_err_t err = rd_kafka_assign(reading->rk, start);
    if (err) ktool_fail("assign: %s", rd_kafka_err2str(err));
    rd_kafka_topic_partition_list_destroy(start);
    rd_kafka_destroy(other);
}

static void write_message(const rd_kafka_message_t *message)
{
    static struct line line;
    const char *topic = rd_kafka_topic_name(message->rkt);
    line.topic = (struct line_bytes){(char *)(uintptr_t)topic, strlen(topic)};
    line.key = (struct line_bytes){message->key, message->key_len};
    line.value = (struct line_bytes){message->payload, message->len};
    line.partition = message->partition;
    line.timestamp = rd_kafka_message_timestamp(message, NULL);
    line.header_count = 0;
    rd_kafka_headers_t *headers;
    const char *name;
    const void *value;
    size_t length;
    if (!rd_kafka_message_headers(message, &headers)) {
        while (line.header_count < LINE_HEADERS_MAX &&
            !rd_kafka_header_get_all(headers, line.header_count, &name, &value, &length)) {
            line.headers[line.header_count++] = (struct line_header){
                {(char *)(uintptr_t)name, strlen(name)}, {(char *)(uintptr_t)value, length}};
        }
    }
    line_write(stdout, &line, message->offset);
}

static void take_message(struct reading *reading, const rd_kafka_message_t *message, bool bounded)
{
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        if (!bounded) reached(reading, rd_kafka_topic_name(message->rkt), message->partition, message->offset);
        return;
    }
    if (message->err) ktool_fail("consuming: %s", rd_kafka_message_errstr(message));
    const char *topic = rd_kafka_topic_name(message->rkt);
    if (bounded) {
        if (reading->written == reading->count) return;
    } else {
        rd_kafka_topic_partition_t *part =
            rd_kafka_topic_partition_list_find(reading->parts, topic, message->partition);
        if (!part || part->offset < 0 || message->offset >= part->offset) {
            reached(reading, topic, message->partition, message->offset);
            return; // committed after the end was fixed
        }
    }
    write_message(message);
    reading->written++;
    if (!bounded) reached(reading, topic, message->partition, message->offset + 1);
}

void ktool_consume(const struct ktool_options *options, char **topics, int count)
{
    enum { BATCH = 4096 };
    static rd_kafka_message_t *messages[BATCH];
    bool bounded = options->count >= 0;
    struct reading reading = {.rk = consumer_new(options, options->uncommitted), .count = options->count};
    assign(&reading, options, topics, count);
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(reading.rk);
    int64_t until = now_ms() + options->timeout_ms;
    while (bounded ? reading.written < reading.count : reading.open > 0) {
        ssize_t got = rd_kafka_consume_batch_queue(queue, 5, messages, BATCH);
        for (ssize_t i = 0; i < got; i++) {
            take_message(&reading, messages[i], bounded);
            rd_kafka_message_destroy(messages[i]);
        }
        if (got > 0 && bounded) fflush(stdout); // somebody may be waiting for the next message
        if (now_ms() >= until && (bounded ? reading.written < reading.count : reading.open > 0)) {
            fflush(stdout);
            ktool_fail("timed out after %d ms with %lld messages", options->timeout_ms, (long long)reading.written);
        }
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_topic_partition_list_destroy(reading.parts);
    rd_kafka_consumer_close(reading.rk);
    rd_kafka_destroy(reading.rk);
}
