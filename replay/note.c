// Notes in topics.
#include "replay/note.h"

enum { FETCH_US = 100000, IDLE_MAX = 50, TIMEOUT_US = 10000000, LOOK_US = 5000, LOOKS_MAX = 1000 };

int k_note_prepare(struct k_log *log, const char *topic, int32_t partitions, int32_t replication, struct k_error *err)
{
    struct k_topic_info info;
    int code = log->ops->topic_info(log, topic, &info, err);
    if (code == K_E_NOT_FOUND) {
        const struct k_topic_spec spec = {
            .partitions = partitions, .replication = replication, .compacted = true, .retention_ms = -1};
        K_TRY(log->ops->topic_create(log, topic, &spec, err));
        code = log->ops->topic_info(log, topic, &info, err);
    }
    if (code || (info.partitions == partitions && info.compacted && !info.deletes)) return code;
    return k_fail(err, K_E_CONFIG, "topic %s must have %d partitions and cleanup.policy=compact, nothing else", topic,
                  partitions);
}

// A broker answers a commit before it writes the markers that show its records. Whoever is told of a note, and looks
// then, must find it: a host that missed what it had just written would begin at another place.
static int await_shown(struct k_log *log, const char *topic, int32_t partition, struct k_error *err)
{
    int64_t end, shown;
    K_TRY(log->ops->offsets(log, topic, partition, false, NULL, &end, err));
    for (int i = 0; i < LOOKS_MAX; i++) {
        K_TRY(log->ops->offsets(log, topic, partition, true, NULL, &shown, err));
        if (shown >= end) return 0;
        int64_t now_us = log->ops->now_us(log);
        log->ops->wait(log, NULL, 0, LOOK_US);
        if (log->ops->now_us(log) == now_us) break; // a simulated log: time stands still for who waits
    }
    return k_fail(err, K_E_RETRY, "what was committed to topic %s does not show yet", topic);
}

int k_note_send(struct k_log *log, struct k_producer *producer, const char *topic, int32_t partition, const char *key,
                struct k_str value, struct k_error *err)
{
    bool tainted;
    const struct k_out_message message = {.topic = topic,
                                          .partition = partition,
                                          .key = k_str_of(key),
                                          .has_key = true,
                                          .value = value,
                                          .has_value = true,
                                          .timestamp_us = -1};
    K_TRY(log->ops->begin(producer, err));
    K_TRY(log->ops->produce(producer, &message, err));
    K_TRY(log->ops->commit(producer, &tainted, err)); // tainted: it is used for nothing more
    return await_shown(log, topic, partition, err);
}

int k_note_write(struct k_log *log, const char *topic, int32_t partition, const char *key, struct k_str value,
                 struct k_error *err)
{
    struct k_producer *producer = NULL;
    int code = log->ops->producer_open(log, topic, TIMEOUT_US, &producer, err);
    if (!code) code = k_note_send(log, producer, topic, partition, key, value, err);
    log->ops->producer_close(producer);
    return code;
}

int k_note_read(struct k_log *log, const char *topic, int32_t partition, struct k_buf *ret, struct k_error *err)
{
    int64_t start, end;
    struct k_reader *reader;
    uint64_t before = ret->length;
    K_TRY(log->ops->offsets(log, topic, partition, true, &start, &end, err));
    if (start == end) return 0;
    K_TRY(log->ops->reader_open(log, topic, partition, start, &reader, err));
    int code = 0;
    for (int idle = 0; idle < IDLE_MAX && !code && log->ops->position(reader) < end;) {
        const struct k_message *const *messages;
        uint32_t count = 0;
        code = log->ops->fetch(reader, 64, 1 << 20, FETCH_US, &messages, &count, err);
        idle = count ? 0 : idle + 1;
        if (code || !count) continue;
        ret->length = before;
        k_buf_add(ret, messages[count - 1]->value.data, messages[count - 1]->value.length);
    }
    if (!code && log->ops->position(reader) < end)
        code = k_fail(err, K_E_TIMEOUT, "topic %s was not read to its end in time", topic);
    log->ops->reader_close(reader);
    return code;
}

int k_note_remove(struct k_log *log, const char *topic, bool dry_run, bool *ret_there, struct k_error *err)
{
    struct k_topic_info info;
    int code = dry_run ? log->ops->topic_info(log, topic, &info, err) : log->ops->topic_delete(log, topic, err);
    if (ret_there) *ret_there = code == 0;
    return code == K_E_NOT_FOUND ? 0 : code;
}
