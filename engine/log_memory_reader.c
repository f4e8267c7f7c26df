// A reader of the in-memory log: one partition, read_committed.
//
// The client knows of markers and aborted records when a fetch has come to them, so the position moves over them in
// fetch only. With the fault fetch_short a fetch may be cut, may find nothing, or may know an older end than the true
// one (its answer was long on the way).
#include "engine/log_memory_private.h"

#include <stdlib.h>

struct k_reader {
    struct memory_log *log;
    struct partition *partition;
    int64_t position;
    bool at_end;
    bool without_headers;
    const struct k_message **batch;
    struct k_message *bare; // what batch points to without headers
    uint32_t capacity;
};

static int reader_open(struct k_log *base, const char *topic, int32_t partition, int64_t offset, struct k_reader **ret,
                       struct k_error *err)
{
    struct memory_log *log = memory_log_of(base);
    struct partition *p;
    int code = memory_enter(log, err);
    if (!code) code = memory_request(log, topic, err);
    if (!code) code = memory_partition(log->cloud, topic, partition, &p, err);
    if (!code) code = memory_leave(log, 0, err);
    if (code) return code;
    struct k_reader *reader = k_new(struct k_reader);
    reader->log = log;
    reader->partition = p;
    reader->position = offset;
    *ret = reader;
    return 0;
}

static const struct k_message **room(struct k_reader *reader, uint32_t count)
{
    if (count > reader->capacity) {
        reader->capacity = count;
        reader->batch = k_realloc(reader->batch, count * sizeof *reader->batch);
        reader->bare = k_realloc(reader->bare, count * sizeof *reader->bare);
    }
    return reader->batch;
}

// Gathers from the position up to `end`; returns how many.
static uint32_t gather(struct k_reader *reader, int64_t end, uint32_t max, size_t max_bytes)
{
    const struct partition *p = reader->partition;
    int64_t span = end - reader->position, at = reader->position;
    const struct k_message **batch = room(reader, span < max ? (uint32_t)span : max);
    uint32_t count = 0;
    size_t bytes = 0;
    // Invisible records behind the last one that fits are passed too, as a client passes them before it asks again.
    for (; at < end; at++) {
        if (!memory_visible(p, at)) continue;
        if (count == max || (bytes >= max_bytes && count)) break;
        const struct k_message *message = p->messages[at];
        bytes += message->key.length + message->value.length;
        if (reader->without_headers) {
            struct k_message *bare = &reader->bare[count];
            *bare = *message;
            bare->headers = NULL;
            bare->header_count = 0;
            message = bare;
        }
        batch[count++] = message;
    }
    reader->position = at;
    reader->at_end = at == end;
    return count;
}

static int fetch(struct k_reader *reader, uint32_t max, size_t max_bytes, int64_t timeout_us,
                 const struct k_message *const **ret_messages, uint32_t *ret_count, struct k_error *err)
{
    (void)timeout_us; // time is the cloud's: waiting changes nothing
    struct memory_log *log = reader->log;
    struct partition *p = reader->partition;
    struct k_cloud *cloud = log->cloud;
    int code = memory_enter(log, err);
    if (!code) code = memory_request(log, p->topic->name, err);
    if (code) return code;
    if (reader->position < p->start || reader->position > p->end)
        return memory_leave(log, k_fail(err, K_E_LOST_RANGE, "topic %s, partition %d: offset %lld is not in the log, "
            "which holds %lld to %lld", p->topic->name, p->number, (long long)reader->position, (long long)p->start,
            (long long)p->end - 1), err);
    int64_t end = memory_stable_end(p);
    bool cut = false;
    if (end < reader->position) end = reader->position;
    if (FAULT(cloud, fetch_short)) {
        end = reader->position + (int64_t)k_random_below(&cloud->random, (uint64_t)(end - reader->position) + 1);
        cut = k_random_below(&cloud->random, 4) != 0; // else: an older end, which the client takes for the end
    }
    uint32_t count = max ? gather(reader, end, max, max_bytes) : 0;
    if (cut) reader->at_end = false;
    code = memory_leave(log, 0, err);
    if (code) return code;
    *ret_messages = reader->batch;
    *ret_count = count;
    return 0;
}

static void leave_headers(struct k_reader *reader) { reader->without_headers = true; }
static int64_t position(struct k_reader *reader) { return reader->position; }
static bool at_end(struct k_reader *reader) { return reader->at_end; }

static int seek(struct k_reader *reader, int64_t offset, struct k_error *err)
{
    int code = memory_enter(reader->log, err);
    if (!code) code = memory_request(reader->log, reader->partition->topic->name, err);
    if (code) return code;
    reader->position = offset;
    reader->at_end = false;
    return memory_leave(reader->log, 0, err);
}

static void reader_close(struct k_reader *reader)
{
    if (!reader) return;
    free(reader->batch);
    free(reader->bare);
    free(reader);
}

void memory_reader_ops(struct k_log_ops *ops)
{
    ops->reader_open = reader_open;
    ops->leave_headers = leave_headers;
    ops->fetch = fetch;
    ops->position = position;
    ops->at_end = at_end;
    ops->seek = seek;
    ops->reader_close = reader_close;
}
