// The contract of the log seam. Each case has a topic of its own, made by need() with the partitions it asks for; it
// ends at the first thing that is not so, and frees what it opened.
#include "tests/engine/log_contract.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"

enum { SECOND = 1000000, TIMEOUT_US = 10 * SECOND };

static void note(struct log_contract *c, int line, const char *condition, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static void note(struct log_contract *c, int line, const char *condition, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = snprintf(c->failure, sizeof c->failure, "line %d: %s ", line, condition);
    if (length < (int)sizeof c->failure)
        vsnprintf(c->failure + length, sizeof c->failure - (size_t)length, format, arguments);
    va_end(arguments);
}

// Ends the case unless the condition holds; what was opened is closed behind `done`.
#define NEED(condition, ...) \
    do { \
        if (!(condition)) { \
            note(c, __LINE__, #condition, " " __VA_ARGS__); \
            goto done; \
        } \
    } while (0)
#define CALL(call) NEED((code = (call)) == 0, "%s: %s", k_error_name(code), err.text)
#define REFUSED(call, wanted) NEED((code = (call)) == (wanted), "%s: %s", k_error_name(code), code ? err.text : "")

// --- small tools ---

static int new_topic(struct log_contract *c, struct k_log *log, int32_t partitions, struct k_error *err)
{
    return log->ops->topic_create(log, c->topic, &(struct k_topic_spec){.partitions = partitions, .replication = 1,
                                                                        .retention_ms = -1}, err);
}

static struct k_out_message message(struct log_contract *c, int32_t partition, const char *value)
{
    return (struct k_out_message){.topic = c->topic, .partition = partition, .value = k_str_of(value),
                                  .has_value = true, .timestamp_us = 1700000000000000};
}

static int put(struct log_contract *c, struct k_log *log, struct k_producer *producer, int32_t partition,
               const char *value, struct k_error *err)
{
    struct k_out_message out = message(c, partition, value);
    return log->ops->produce(producer, &out, err);
}

// One transaction with the values, which are separated by blanks.
static int write_values(struct log_contract *c, struct k_log *log, struct k_producer *producer, const char *values,
                        struct k_error *err)
{
    int code = log->ops->begin(producer, err);
    char *copy = k_strdup(values), *rest = copy;
    for (char *value; code == 0 && (value = strsep(&rest, " ")) != NULL;) code = put(c, log, producer, 0, value, err);
    free(copy);
    bool tainted = false;
    return code == 0 ? log->ops->commit(producer, &tainted, err) : code;
}

static int open_producer(struct log_contract *c, struct k_log *log, struct k_producer **ret, struct k_error *err)
{
    return log->ops->producer_open(log, c->topic, 10 * SECOND, ret, err);
}

// Reads until `wanted` messages have come or the reader stands at `until`, and joins their values with blanks.
static int read_values(struct log_contract *c, struct k_log *log, struct k_reader *reader, uint32_t wanted,
                       int64_t until, uint32_t batch, char *out, size_t capacity, struct k_error *err)
{
    size_t length = 0;
    uint32_t seen = 0;
    out[0] = '\0';
    int64_t deadline = log->ops->now_us(log) + TIMEOUT_US;
    while (seen < wanted && log->ops->position(reader) < until && log->ops->now_us(log) < deadline) {
        const struct k_message *const *messages;
        uint32_t count;
        int code = log->ops->fetch(reader, batch, 1 << 20, 100000, &messages, &count, err);
        if (code != 0) return code;
        for (uint32_t i = 0; i < count; i++)
            length += (size_t)snprintf(out + length, capacity - length, "%s%.*s", seen++ ? " " : "",
                                       (int)messages[i]->value.length, messages[i]->value.data);
        if (count == 0) c->pass(c, 10000);
    }
    return 0;
}

// The end of partition 0. The last marker may be written some time after the commit was answered.
static int await_end(struct log_contract *c, struct k_log *log, bool committed, int64_t wanted, struct k_error *err)
{
    int64_t end = -1;
    for (int i = 0; i < 200; i++) {
        int code = log->ops->offsets(log, c->topic, 0, committed, NULL, &end, err);
        if (code != 0) return code;
        if (end == wanted) return 0;
        c->pass(c, 10000);
    }
    return k_fail(err, K_E_BUG, "the end is %lld, and should be %lld", (long long)end, (long long)wanted);
}

// --- cases ---

static void topics(struct log_contract *c)
{
    struct k_error err = {0};
    int code;
    struct k_log *log = c->connect(c, "w");
    struct k_topic_info info;
    int64_t start, end;
    struct k_reader *reader = NULL;
    REFUSED(log->ops->topic_info(log, c->topic, &info, &err), K_E_NOT_FOUND);
    NEED(strstr(err.text, c->topic) != NULL, "%s", err.text);
    REFUSED(log->ops->offsets(log, c->topic, 0, true, &start, &end, &err), K_E_NOT_FOUND);
    REFUSED(log->ops->reader_open(log, c->topic, 0, 0, &reader, &err), K_E_NOT_FOUND);
    CALL(new_topic(c, log, 3, &err));
    CALL(new_topic(c, log, 3, &err)); // a second worker does the same: no error
    CALL(log->ops->topic_info(log, c->topic, &info, &err));
    NEED(info.partitions == 3 && !info.compacted && info.deletes && info.retention_ms == -1, "%d %d %d %lld",
         info.partitions, info.compacted, info.deletes, (long long)info.retention_ms);
    NEED(info.max_message_bytes >= 1 << 16);
    REFUSED(log->ops->reader_open(log, c->topic, 3, 0, &reader, &err), K_E_NOT_FOUND);
    REFUSED(log->ops->offsets(log, c->topic, 3, true, &start, &end, &err), K_E_NOT_FOUND);
    CALL(log->ops->offsets(log, c->topic, 2, true, &start, &end, &err));
    NEED(start == 0 && end == 0);

    char other[160];
    snprintf(other, sizeof other, "%s-c", c->topic);
    CALL(log->ops->topic_create(log, other,
                                &(struct k_topic_spec){.partitions = 1,
                                                       .replication = -1,
                                                       .compacted = true,
                                                       .retention_ms = 3600000,
                                                       .max_message_bytes = 2000000},
                                &err));
    CALL(log->ops->topic_info(log, other, &info, &err));
    NEED(info.partitions == 1 && info.compacted && !info.deletes && info.retention_ms == 3600000 &&
         info.max_message_bytes == 2000000);

    CALL(log->ops->topic_delete(log, other, &err));
    int64_t deadline = log->ops->now_us(log) + TIMEOUT_US;
    while ((code = log->ops->topic_info(log, other, &info, &err)) == 0 && log->ops->now_us(log) < deadline)
        c->pass(c, 10000);
    NEED(code == K_E_NOT_FOUND, "%s", k_error_name(code));
    REFUSED(log->ops->topic_delete(log, other, &err), K_E_NOT_FOUND);
    CALL(log->ops->topic_info(log, c->topic, &info, &err));
done:
    log->ops->reader_close(reader);
    log->ops->close(log);
}

static void whole_messages(struct log_contract *c)
{
    struct k_error err = {0};
    int code;
    struct k_log *log = c->connect(c, "w");
    struct k_producer *producer = NULL;
    struct k_reader *reader = NULL;
    const struct k_message *const *all;
    uint32_t count = 0;
    bool tainted;
    CALL(new_topic(c, log, 4, &err));
    CALL(open_producer(c, log, &producer, &err));
    CALL(log->ops->begin(producer, &err));
    struct k_header headers[] = {{K_STR("generation"), K_STR("7"), false}, {K_STR("empty"), K_STR(""), false},
                                 {K_STR("none"), {NULL, 0}, true}};
    struct k_str key = K_STR("a key");
    int32_t partition = k_murmur2_partition(key, 4);
    struct k_out_message out = {.topic = c->topic, .partition = -1, .key = key, .value = K_STR("v\0w"), .has_key = true,
                                .has_value = true, .timestamp_us = 1234567890123000, .headers = headers,
                                .header_count = 3};
    CALL(log->ops->produce(producer, &out, &err));
    out.has_value = false; // a tombstone
    out.value = (struct k_str){NULL, 0};
    out.header_count = 0;
    CALL(log->ops->produce(producer, &out, &err));
    out = (struct k_out_message){.topic = c->topic, .partition = partition, .has_value = true, .value = K_STR(""),
                                 .timestamp_us = -1};
    CALL(log->ops->produce(producer, &out, &err));
    CALL(log->ops->commit(producer, &tainted, &err));
    NEED(!tainted);

    CALL(log->ops->reader_open(log, c->topic, partition, 0, &reader, &err));
    int64_t deadline = log->ops->now_us(log) + TIMEOUT_US;
    while (count < 3 && log->ops->now_us(log) < deadline) {
        CALL(log->ops->seek(reader, 0, &err)); // so that the three come in one batch, sooner or later
        CALL(log->ops->fetch(reader, 10, 1 << 20, 500000, &all, &count, &err));
        if (count < 3) c->pass(c, 10000);
    }
    NEED(count == 3, "%u", count);
    NEED(all[0]->has_key && k_str_equal(all[0]->key, key) && k_str_equal(all[0]->value, K_STR("v\0w")));
    NEED(all[0]->offset == 0 && all[0]->partition == partition && all[0]->timestamp_us == 1234567890123000);
    NEED(all[0]->header_count == 3 && k_str_equal(all[0]->headers[0].name, K_STR("generation")) &&
         k_str_equal(all[0]->headers[0].value, K_STR("7")) && !all[0]->headers[0].null);
    NEED(all[0]->headers[1].value.length == 0 && !all[0]->headers[1].null && all[0]->headers[2].null);
    NEED(all[1]->has_key && !all[1]->has_value && all[1]->header_count == 0 && all[1]->offset == 1);
    NEED(!all[2]->has_key && all[2]->has_value && all[2]->value.length == 0);
    int64_t now = log->ops->now_us(log);
    NEED(all[2]->timestamp_us > now - 60 * SECOND && all[2]->timestamp_us <= now + SECOND, "%lld at %lld",
         (long long)all[2]->timestamp_us, (long long)now);
done:
    log->ops->reader_close(reader);
    log->ops->producer_close(producer);
    log->ops->close(log);
}

// Three transactions of many messages; the header says which message it is, and grows by digits on the way. The value's
// own bytes are overwritten after each call.
static void every_message_has_its_own_header(struct log_contract *c)
{
    enum { TRANSACTIONS = 3, MESSAGES = 600, ALL = TRANSACTIONS * MESSAGES };
    struct k_error err = {0};
    int code;
    struct k_log *log = c->connect(c, "w");
    struct k_producer *producer = NULL;
    struct k_reader *reader = NULL;
    const struct k_message *const *some;
    uint32_t count = 0, seen = 0;
    bool tainted;
    CALL(new_topic(c, log, 1, &err));
    CALL(open_producer(c, log, &producer, &err));
    for (uint32_t i = 0; i < ALL; i++) {
        char text[16], value[16];
        snprintf(text, sizeof text, "g/%u", i);
        snprintf(value, sizeof value, "v%u", i);
        struct k_header header = {K_STR("kappa"), k_str_of(text), false};
        struct k_out_message out = {.topic = c->topic, .partition = -1, .value = k_str_of(value), .has_value = true,
                                    .timestamp_us = -1, .headers = &header, .header_count = i % 7 != 3};
        if (i % MESSAGES == 0) CALL(log->ops->begin(producer, &err));
        CALL(log->ops->produce(producer, &out, &err));
        memset(text, '?', sizeof text);
        memset(value, '?', sizeof value);
        if (i % MESSAGES == MESSAGES - 1) CALL(log->ops->commit(producer, &tainted, &err));
    }
    CALL(log->ops->reader_open(log, c->topic, 0, 0, &reader, &err));
    for (int64_t deadline = log->ops->now_us(log) + TIMEOUT_US; seen < ALL && log->ops->now_us(log) < deadline;) {
        CALL(log->ops->fetch(reader, 4096, 1 << 20, 100000, &some, &count, &err));
        if (count == 0) c->pass(c, 10000);
        for (uint32_t i = 0; i < count; i++, seen++) {
            char text[16], value[16];
            snprintf(text, sizeof text, "g/%u", seen);
            snprintf(value, sizeof value, "v%u", seen);
            NEED(k_str_equal(some[i]->value, k_str_of(value)), "%u", seen);
            NEED(some[i]->header_count == (seen % 7 != 3), "%u", seen);
            NEED(seen % 7 == 3 || k_str_equal(some[i]->headers[0].value, k_str_of(text)), "%u", seen);
        }
    }
    NEED(seen == ALL, "%u", seen);

    log->ops->leave_headers(reader);
    CALL(log->ops->seek(reader, 0, &err));
    count = 0;
    for (int64_t deadline = log->ops->now_us(log) + TIMEOUT_US; count == 0 && log->ops->now_us(log) < deadline;) {
        CALL(log->ops->fetch(reader, 1, 1 << 20, 100000, &some, &count, &err));
        if (count == 0) c->pass(c, 10000);
    }
    NEED(count == 1 && some[0]->header_count == 0 && k_str_equal(some[0]->value, K_STR("v0")));
done:
    log->ops->reader_close(reader);
    log->ops->producer_close(producer);
    log->ops->close(log);
}

static void markers_at_the_end(struct log_contract *c)
{
    struct k_error err = {0};
    int code;
    char values[256];
    int64_t start, stable, high;
    struct k_log *log = c->connect(c, "w");
    struct k_producer *producer = NULL;
    struct k_reader *reader = NULL;
    CALL(new_topic(c, log, 1, &err));
    CALL(open_producer(c, log, &producer, &err));
    CALL(write_values(c, log, producer, "a b c", &err));
    CALL(write_values(c, log, producer, "d", &err));
    CALL(await_end(c, log, true, 6, &err)); // four records and two markers
    CALL(log->ops->offsets(log, c->topic, 0, true, &start, &stable, &err));
    CALL(log->ops->offsets(log, c->topic, 0, false, NULL, &high, &err));
    NEED(start == 0 && stable == 6 && high == 6, "%lld %lld", (long long)stable, (long long)high);
    CALL(log->ops->reader_open(log, c->topic, 0, 0, &reader, &err));
    NEED(log->ops->position(reader) == 0);
    CALL(read_values(c, log, reader, 100, stable, 100, values, sizeof values, &err));
    NEED(strcmp(values, "a b c d") == 0, "%s", values);
    NEED(log->ops->position(reader) == stable, "%lld", (long long)log->ops->position(reader));
    for (int i = 0; i < 100 && !log->ops->at_end(reader); i++) {
        const struct k_message *const *none;
        uint32_t count;
        CALL(log->ops->fetch(reader, 1, 1 << 20, 100000, &none, &count, &err));
        NEED(count == 0);
        c->pass(c, 10000);
    }
    NEED(log->ops->at_end(reader));
    // Read again from the marker in the middle, and from the one at the end.
    CALL(log->ops->seek(reader, 3, &err));
    NEED(log->ops->position(reader) == 3 && !log->ops->at_end(reader));
    CALL(read_values(c, log, reader, 100, stable, 100, values, sizeof values, &err));
    NEED(strcmp(values, "d") == 0 && log->ops->position(reader) == 6, "%s %lld", values,
         (long long)log->ops->position(reader));
    CALL(log->ops->seek(reader, 5, &err));
    CALL(read_values(c, log, reader, 100, stable, 100, values, sizeof values, &err));
    NEED(values[0] == '\0' && log->ops->position(reader) == 6, "%s %lld", values,
         (long long)log->ops->position(reader));
    // What comes later comes.
    CALL(write_values(c, log, producer, "e", &err));
    CALL(read_values(c, log, reader, 1, 8, 100, values, sizeof values, &err));
    NEED(strcmp(values, "e") == 0);
done:
    log->ops->reader_close(reader);
    log->ops->producer_close(producer);
    log->ops->close(log);
}

static void open_and_aborted_are_invisible(struct log_contract *c)
{
    struct k_error err = {0};
    int code;
    char values[256];
    int64_t stable;
    struct k_log *log = c->connect(c, "w");
    struct k_producer *producer = NULL, *other = NULL;
    struct k_reader *reader = NULL;
    const struct k_message *const *all;
    uint32_t count;
    bool tainted;
    CALL(new_topic(c, log, 1, &err));
    CALL(open_producer(c, log, &producer, &err));
    char id[160];
    snprintf(id, sizeof id, "%s-other", c->topic);
    CALL(log->ops->producer_open(log, id, 10 * SECOND, &other, &err));
    CALL(write_values(c, log, producer, "a", &err)); // offset 0, marker 1
    CALL(log->ops->begin(other, &err));
    CALL(put(c, log, other, 0, "hidden", &err)); // 2
    CALL(await_end(c, log, false, 3, &err)); // the broker has it
    CALL(write_values(c, log, producer, "b", &err)); // 3, behind the open transaction
    CALL(await_end(c, log, false, 5, &err));
    CALL(log->ops->offsets(log, c->topic, 0, true, NULL, &stable, &err));
    NEED(stable == 2, "%lld", (long long)stable);
    CALL(log->ops->reader_open(log, c->topic, 0, 0, &reader, &err));
    CALL(read_values(c, log, reader, 100, 2, 100, values, sizeof values, &err));
    NEED(strcmp(values, "a") == 0, "%s", values);
    CALL(log->ops->fetch(reader, 100, 1 << 20, 100000, &all, &count, &err));
    NEED(count == 0 && log->ops->position(reader) == 2);
    CALL(log->ops->abort(other, &err));
    CALL(read_values(c, log, reader, 1, 100, 100, values, sizeof values, &err));
    NEED(strcmp(values, "b") == 0, "%s", values);
    CALL(read_values(c, log, reader, 1, 6, 100, values, sizeof values, &err));
    NEED(values[0] == '\0' && log->ops->position(reader) == 6, "%s %lld", values,
         (long long)log->ops->position(reader)); // b, b's marker, abort's marker
    // A transaction that was aborted before anything was written, and one that is empty.
    log->ops->producer_close(other);
    other = NULL;
    CALL(log->ops->producer_open(log, id, 10 * SECOND, &other, &err));
    CALL(log->ops->begin(other, &err));
    CALL(log->ops->commit(other, &tainted, &err));
    CALL(log->ops->begin(other, &err));
    CALL(put(c, log, other, 0, "never", &err));
    CALL(log->ops->abort(other, &err));
done:
    log->ops->reader_close(reader);
    log->ops->producer_close(producer);
    log->ops->producer_close(other);
    log->ops->close(log);
}

static void tracked_offsets(struct log_contract *c)
{
    struct k_error err = {0};
    int code;
    bool tainted;
    struct k_log *log = c->connect(c, "w");
    struct k_producer *producer = NULL;
    CALL(new_topic(c, log, 2, &err));
    CALL(open_producer(c, log, &producer, &err));
    CALL(log->ops->begin(producer, &err));
    CALL(put(c, log, producer, 0, "a", &err));
    CALL(put(c, log, producer, 1, "b", &err));
    struct k_out_message out = message(c, 1, "tracked");
    out.tracked = true;
    CALL(log->ops->produce(producer, &out, &err));
    CALL(put(c, log, producer, 1, "c", &err));
    CALL(log->ops->commit(producer, &tainted, &err));
    NEED(log->ops->tracked_offset(producer) == 1, "%lld", (long long)log->ops->tracked_offset(producer));
    CALL(write_values(c, log, producer, "d", &err));
    NEED(log->ops->tracked_offset(producer) == -1);
    CALL(log->ops->begin(producer, &err));
    CALL(log->ops->produce(producer, &out, &err));
    CALL(log->ops->commit(producer, &tainted, &err));
    NEED(log->ops->tracked_offset(producer) == 4, "%lld", (long long)log->ops->tracked_offset(producer));
done:
    log->ops->producer_close(producer);
    log->ops->close(log);
}

static void the_predecessor_is_fenced(struct log_contract *c)
{
    struct k_error err = {0};
    int code;
    bool tainted;
    char values[256];
    struct k_log *one = c->connect(c, "one"), *two = c->connect(c, "two");
    struct k_producer *old = NULL, *new = NULL;
    struct k_reader *reader = NULL;
    CALL(new_topic(c, one, 1, &err));
    CALL(open_producer(c, one, &old, &err));
    CALL(write_values(c, one, old, "a", &err)); // 0, marker 1
    CALL(one->ops->begin(old, &err));
    CALL(put(c, one, old, 0, "zombie", &err)); // 2
    CALL(await_end(c, one, false, 3, &err));
    CALL(open_producer(c, two, &new, &err));
    // Its open transaction has ended, so nothing hides what follows.
    CALL(await_end(c, two, true, 4, &err));
    CALL(write_values(c, two, new, "b", &err));
    REFUSED(one->ops->commit(old, &tainted, &err), K_E_FENCED);
    (void)!one->ops->abort(old, &err);
    CALL(write_values(c, two, new, "c", &err));
    CALL(two->ops->reader_open(two, c->topic, 0, 0, &reader, &err));
    CALL(read_values(c, two, reader, 3, 1000, 100, values, sizeof values, &err));
    NEED(strcmp(values, "a b c") == 0, "%s", values);
done:
    two->ops->reader_close(reader);
    one->ops->producer_close(old);
    two->ops->producer_close(new);
    one->ops->close(one);
    two->ops->close(two);
}

static void lost_ranges(struct log_contract *c)
{
    struct k_error err = {0};
    int code;
    int64_t start, high;
    char values[256];
    struct k_log *log = c->connect(c, "w");
    struct k_producer *producer = NULL;
    struct k_reader *reader = NULL;
    const struct k_message *const *all;
    uint32_t count;
    CALL(new_topic(c, log, 1, &err));
    CALL(open_producer(c, log, &producer, &err));
    CALL(write_values(c, log, producer, "a b c d e", &err)); // marker 5
    CALL(await_end(c, log, true, 6, &err));
    CALL(log->ops->delete_records(log, c->topic, 0, 3, &err));
    CALL(log->ops->offsets(log, c->topic, 0, false, &start, &high, &err));
    NEED(start == 3 && high == 6, "%lld %lld", (long long)start, (long long)high);
    CALL(log->ops->reader_open(log, c->topic, 0, 1, &reader, &err));
    code = 0;
    for (int i = 0; i < 100 && code == 0; i++) {
        code = log->ops->fetch(reader, 10, 1 << 20, 100000, &all, &count, &err);
        NEED(code != 0 || count == 0);
        if (code == 0) c->pass(c, 10000);
    }
    NEED(code == K_E_LOST_RANGE && strstr(err.text, c->topic) != NULL, "%s", err.text);
    REFUSED(log->ops->fetch(reader, 10, 1 << 20, 0, &all, &count, &err), K_E_LOST_RANGE); // until a seek
    NEED(log->ops->position(reader) == 1);
    CALL(log->ops->seek(reader, 3, &err));
    CALL(read_values(c, log, reader, 2, 6, 100, values, sizeof values, &err));
    NEED(strcmp(values, "d e") == 0, "%s", values);
    CALL(log->ops->seek(reader, 1000, &err)); // beyond the end
    code = 0;
    for (int i = 0; i < 100 && code == 0; i++) {
        code = log->ops->fetch(reader, 10, 1 << 20, 100000, &all, &count, &err);
        if (code == 0) c->pass(c, 10000);
    }
    NEED(code == K_E_LOST_RANGE, "%s", err.text);
    CALL(log->ops->delete_records(log, c->topic, 0, 6, &err)); // all of it
    CALL(log->ops->offsets(log, c->topic, 0, true, &start, &high, &err));
    NEED(start == 6 && high == 6);
done:
    log->ops->reader_close(reader);
    log->ops->producer_close(producer);
    log->ops->close(log);
}

static void batches_and_seeks(struct log_contract *c)
{
    struct k_error err = {0};
    int code;
    char values[256];
    struct k_log *log = c->connect(c, "w");
    struct k_producer *producer = NULL;
    struct k_reader *reader = NULL, *second = NULL;
    const struct k_message *const *all;
    uint32_t count;
    CALL(new_topic(c, log, 1, &err));
    CALL(open_producer(c, log, &producer, &err));
    CALL(write_values(c, log, producer, "a b c d e f g h i j", &err)); // marker 10
    CALL(log->ops->reader_open(log, c->topic, 0, 4, &reader, &err));
    CALL(log->ops->reader_open(log, c->topic, 0, 0, &second, &err)); // the same partition twice
    CALL(read_values(c, log, reader, 100, 11, 3, values, sizeof values, &err));
    NEED(strcmp(values, "e f g h i j") == 0, "%s", values);
    for (int round = 0; round < 20; round++) {
        int64_t from = (round * 7) % 10;
        CALL(log->ops->seek(reader, from, &err));
        count = 0;
        for (int i = 0; i < 100 && count == 0; i++) {
            CALL(log->ops->fetch(reader, 1 + (uint32_t)round % 3, 1 << 20, 100000, &all, &count, &err));
            if (count == 0) c->pass(c, 10000);
        }
        NEED(count >= 1 && count <= 1 + (uint32_t)round % 3, "%u", count);
        for (uint32_t i = 0; i < count; i++)
            NEED(all[i]->offset == from + i && all[i]->value.data[0] == (char)('a' + from + i));
        NEED(log->ops->position(reader) >= from + count);
    }
    // At most so many bytes, but never nothing.
    CALL(log->ops->seek(reader, 0, &err));
    count = 0;
    for (int i = 0; i < 100 && count == 0; i++) {
        CALL(log->ops->fetch(reader, 100, 1, 100000, &all, &count, &err));
        if (count == 0) c->pass(c, 10000);
    }
    NEED(count == 1, "%u", count);
    CALL(read_values(c, log, second, 100, 11, 100, values, sizeof values, &err));
    NEED(strcmp(values, "a b c d e f g h i j") == 0, "%s", values);
done:
    log->ops->reader_close(reader);
    log->ops->reader_close(second);
    log->ops->producer_close(producer);
    log->ops->close(log);
}

// Polls both members (each may be NULL) until the first is in the state, or patience ends. A LOST is remembered.
static int await(struct log_contract *c, struct k_log *log, struct k_member *member, struct k_member *other,
                 enum k_membership wanted, bool *ret_other_lost, struct k_error *err)
{
    enum k_membership state;
    for (int64_t waited = 0; waited < c->patience_us; waited += 20000) {
        int code;
        if (other != NULL) {
            if ((code = log->ops->member_poll(other, &state, err)) != 0) return code;
            if (state == K_MEMBER_LOST && ret_other_lost != NULL) *ret_other_lost = true;
        }
        if ((code = log->ops->member_poll(member, &state, err)) != 0) return code;
        if (state == wanted) return 0;
        c->pass(c, 20000);
    }
    return k_fail(err, K_E_TIMEOUT, "the member did not come to the state %d", wanted);
}

static void one_member_leads(struct log_contract *c)
{
    struct k_error err = {0};
    int code;
    bool lost = false, tainted;
    enum k_membership state;
    struct k_log *one = c->connect(c, "one"), *two = c->connect(c, "two"), *three = c->connect(c, "three");
    struct k_member *a = NULL, *b = NULL, *d = NULL;
    struct k_producer *producer = NULL;
    CALL(new_topic(c, one, 1, &err));
    CALL(one->ops->member_join(one, c->topic, c->topic, "5", &a, &err));
    CALL(await(c, one, a, NULL, K_MEMBER_ASSIGNED, NULL, &err));
    // The offsets of a transaction, with the leader's membership.
    struct k_topic_offset offset = {c->topic, 0, 0};
    CALL(open_producer(c, one, &producer, &err));
    CALL(one->ops->begin(producer, &err));
    CALL(one->ops->send_offsets(producer, a, &offset, 1, &err));
    CALL(put(c, one, producer, 0, "led", &err));
    CALL(one->ops->commit(producer, &tainted, &err));
    // A higher rank waits.
    CALL(two->ops->member_join(two, c->topic, c->topic, "7", &b, &err));
    for (int i = 0; i < 50; i++) {
        CALL(one->ops->member_poll(a, &state, &err));
        CALL(two->ops->member_poll(b, &state, &err));
        NEED(state == K_MEMBER_WAITING, "%d", state);
        c->pass(c, 40000);
    }
    CALL(await(c, one, a, b, K_MEMBER_ASSIGNED, NULL, &err));
    // The leader leaves: the other leads, and sooner than the session would end.
    one->ops->member_leave(a);
    a = NULL;
    int64_t begun = two->ops->now_us(two);
    CALL(await(c, two, b, NULL, K_MEMBER_ASSIGNED, NULL, &err));
    NEED(two->ops->now_us(two) - begun < c->session_timeout_us * 3 / 4);
    // A lower rank takes over from a healthy one, who is told, and whose offsets are refused.
    CALL(three->ops->member_join(three, c->topic, c->topic, "1", &d, &err));
    CALL(await(c, three, d, b, K_MEMBER_ASSIGNED, &lost, &err));
    NEED(lost);
    CALL(two->ops->member_poll(b, &state, &err));
    NEED(state == K_MEMBER_WAITING, "%d", state);
    CALL(one->ops->begin(producer, &err));
    code = one->ops->send_offsets(producer, b, &offset, 1, &err);
    NEED(code == K_E_ABORTED || code == K_E_FENCED, "%s", k_error_name(code));
    (void)!one->ops->abort(producer, &err);
done:
    one->ops->producer_close(producer);
    one->ops->member_leave(a);
    two->ops->member_leave(b);
    three->ops->member_leave(d);
    one->ops->close(one);
    two->ops->close(two);
    three->ops->close(three);
}

static void a_session_ends(struct log_contract *c)
{
    struct k_error err = {0};
    int code;
    enum k_membership state;
    bool seen = false;
    struct k_log *one = c->connect(c, "one");
    struct k_member *a = NULL;
    CALL(new_topic(c, one, 1, &err));
    CALL(one->ops->member_join(one, c->topic, c->topic, "5", &a, &err));
    CALL(await(c, one, a, NULL, K_MEMBER_ASSIGNED, NULL, &err));
    // A healthy member that is polled keeps its place for longer than a session.
    for (int64_t passed = 0; passed < c->session_timeout_us * 3 / 2; passed += 100000) {
        CALL(one->ops->member_poll(a, &state, &err));
        seen |= state != K_MEMBER_ASSIGNED;
        c->pass(c, 100000);
    }
    NEED(!seen);
done:
    one->ops->member_leave(a);
    one->ops->close(one);
}

static const struct {
    const char *name;
    void (*run)(struct log_contract *c);
} cases[] = {
    {"topics", topics},
    {"whole-messages", whole_messages},
    {"every-message-has-its-own-header", every_message_has_its_own_header},
    {"markers-at-the-end", markers_at_the_end},
    {"open-and-aborted-are-invisible", open_and_aborted_are_invisible},
    {"tracked-offsets", tracked_offsets},
    {"the-predecessor-is-fenced", the_predecessor_is_fenced},
    {"lost-ranges", lost_ranges},
    {"batches-and-seeks", batches_and_seeks},
    {"one-member-leads", one_member_leads},
    {"a-session-ends", a_session_ends},
};

int log_contract_run(struct log_contract *contract)
{
    int failed = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (contract->only != NULL && strstr(cases[i].name, contract->only) == NULL) continue;
        contract->name = cases[i].name;
        contract->failure[0] = '\0';
        snprintf(contract->topic, sizeof contract->topic, "%s-%s", contract->unique, cases[i].name);
        cases[i].run(contract);
        if (contract->failure[0] == '\0') {
            printf("ok %s\n", cases[i].name);
        } else {
            printf("FAIL %s: %s\n", cases[i].name, contract->failure);
            failed++;
        }
        fflush(stdout);
    }
    return failed;
}
