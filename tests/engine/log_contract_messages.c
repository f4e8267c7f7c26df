// Cases of the contract: topics, and that what is written to them is what is read.
#include "base/hash.h"
#include "base/memory.h"
#include "tests/engine/log_contract_private.h"

void contract_case_topics(struct log_contract *c)
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
    CALL(contract_topic(c, log, 3, &err));
    CALL(contract_topic(c, log, 3, &err)); // a second worker does the same: no error
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

void contract_case_whole_messages(struct log_contract *c)
{
    struct k_error err = {0};
    int code;
    struct k_log *log = c->connect(c, "w");
    struct k_producer *producer = NULL;
    struct k_reader *reader = NULL;
    const struct k_message *const *all;
    uint32_t count = 0;
    bool tainted;
    CALL(contract_topic(c, log, 4, &err));
    CALL(contract_producer(c, log, &producer, &err));
    CALL(log->ops->begin(producer, &err));
    struct k_header headers[] = {{K_STR("generation"), K_STR("7"), false},
                                 {K_STR("empty"), K_STR(""), false},
                                 {K_STR("none"), {NULL, 0}, true}};
    struct k_str key = K_STR("a key");
    int32_t partition = k_murmur2_partition(key, 4);
    struct k_out_message out = {.topic = c->topic,
                                .partition = -1,
                                .key = key,
                                .value = K_STR("v\0w"),
                                .has_key = true,
                                .has_value = true,
                                .timestamp_us = 1234567890123000,
                                .headers = headers,
                                .header_count = 3};
    CALL(log->ops->produce(producer, &out, &err));
    out.has_value = false; // a tombstone
    out.value = (struct k_str){NULL, 0};
    out.header_count = 0;
    CALL(log->ops->produce(producer, &out, &err));
    out = (struct k_out_message){
        .topic = c->topic, .partition = partition, .has_value = true, .value = K_STR(""), .timestamp_us = -1};
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
void contract_case_every_message_has_its_own_header(struct log_contract *c)
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
    CALL(contract_topic(c, log, 1, &err));
    CALL(contract_producer(c, log, &producer, &err));
    for (uint32_t i = 0; i < ALL; i++) {
        char text[16], value[16];
        snprintf(text, sizeof text, "g/%u", i);
        snprintf(value, sizeof value, "v%u", i);
        struct k_header header = {K_STR("kappa"), k_str_of(text), false};
        struct k_out_message out = {.topic = c->topic,
                                    .partition = -1,
                                    .value = k_str_of(value),
                                    .has_value = true,
                                    .timestamp_us = -1,
                                    .headers = &header,
                                    .header_count = i % 7 != 3};
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

void contract_case_markers_at_the_end(struct log_contract *c)
{
    struct k_error err = {0};
    int code;
    char values[256];
    int64_t start, stable, high;
    struct k_log *log = c->connect(c, "w");
    struct k_producer *producer = NULL;
    struct k_reader *reader = NULL;
    CALL(contract_topic(c, log, 1, &err));
    CALL(contract_producer(c, log, &producer, &err));
    CALL(contract_write(c, log, producer, "a b c", &err));
    CALL(contract_write(c, log, producer, "d", &err));
    CALL(contract_await_end(c, log, true, 6, &err)); // four records and two markers
    CALL(log->ops->offsets(log, c->topic, 0, true, &start, &stable, &err));
    CALL(log->ops->offsets(log, c->topic, 0, false, NULL, &high, &err));
    NEED(start == 0 && stable == 6 && high == 6, "%lld %lld", (long long)stable, (long long)high);
    CALL(log->ops->reader_open(log, c->topic, 0, 0, &reader, &err));
    NEED(log->ops->position(reader) == 0);
    CALL(contract_read(c, log, reader, 100, stable, 100, values, sizeof values, &err));
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
    CALL(contract_read(c, log, reader, 100, stable, 100, values, sizeof values, &err));
    NEED(strcmp(values, "d") == 0 && log->ops->position(reader) == 6, "%s %lld", values,
         (long long)log->ops->position(reader));
    CALL(log->ops->seek(reader, 5, &err));
    CALL(contract_read(c, log, reader, 100, stable, 100, values, sizeof values, &err));
    NEED(values[0] == '\0' && log->ops->position(reader) == 6, "%s %lld", values,
         (long long)log->ops->position(reader));
    // What comes later comes.
    CALL(contract_write(c, log, producer, "e", &err));
    CALL(contract_read(c, log, reader, 1, 8, 100, values, sizeof values, &err));
    NEED(strcmp(values, "e") == 0);
done:
    log->ops->reader_close(reader);
    log->ops->producer_close(producer);
    log->ops->close(log);
}

void contract_case_lost_ranges(struct log_contract *c)
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
    CALL(contract_topic(c, log, 1, &err));
    CALL(contract_producer(c, log, &producer, &err));
    CALL(contract_write(c, log, producer, "a b c d e", &err)); // marker 5
    CALL(contract_await_end(c, log, true, 6, &err));
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
    CALL(contract_read(c, log, reader, 2, 6, 100, values, sizeof values, &err));
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

void contract_case_batches_and_seeks(struct log_contract *c)
{
    struct k_error err = {0};
    int code;
    char values[256];
    struct k_log *log = c->connect(c, "w");
    struct k_producer *producer = NULL;
    struct k_reader *reader = NULL, *second = NULL;
    const struct k_message *const *all;
    uint32_t count;
    CALL(contract_topic(c, log, 1, &err));
    CALL(contract_producer(c, log, &producer, &err));
    CALL(contract_write(c, log, producer, "a b c d e f g h i j", &err)); // marker 10
    CALL(log->ops->reader_open(log, c->topic, 0, 4, &reader, &err));
    CALL(log->ops->reader_open(log, c->topic, 0, 0, &second, &err)); // the same partition twice
    CALL(contract_read(c, log, reader, 100, 11, 3, values, sizeof values, &err));
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
    CALL(contract_read(c, log, second, 100, 11, 100, values, sizeof values, &err));
    NEED(strcmp(values, "a b c d e f g h i j") == 0, "%s", values);
done:
    log->ops->reader_close(reader);
    log->ops->reader_close(second);
    log->ops->producer_close(producer);
    log->ops->close(log);
}
