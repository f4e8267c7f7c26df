// The log on the side. One thread uses it: that of its shard.
#include "replay/aside.h"

#include <stdlib.h>
#include <time.h>

enum { PAUSES_A_SECOND = 10 };

struct window {
    struct k_aside_window bounds;
    bool drained;
};

struct aside {
    struct k_log log;
    struct k_aside_options options;
    struct window *windows;
    int64_t due_us; // with a rate: when the records handed out so far may have been handed out
    uint64_t dropped, checkpoints;
    // The private journal: committed records from offset `start` on.
    struct k_message **records;
    uint32_t count, capacity;
    int64_t start;
};

struct k_reader {
    struct aside *aside;
    struct k_reader *inner; // NULL: of the private journal
    struct window *window;
    int64_t next; // of the private journal
    const struct k_message **handed;
};

struct k_producer {
    struct aside *aside;
    struct k_message **pending;
    uint32_t count;
    int64_t tracked; // index in pending; -1: none
    int64_t tracked_offset;
};

struct k_member {
    struct aside *aside;
};

static struct aside *aside_of(struct k_log *log)
{
    return (struct aside *)log;
}

static struct window *window_of(struct aside *a, const char *topic, int32_t partition)
{
    for (uint32_t i = 0; i < a->options.window_count; i++)
        if (a->windows[i].bounds.partition == partition && strcmp(a->windows[i].bounds.topic, topic) == 0)
            return &a->windows[i];
    return NULL;
}

static bool is_source(const struct aside *a, const char *topic)
{
    for (uint32_t i = 0; i < a->options.window_count; i++)
        if (strcmp(a->windows[i].bounds.topic, topic) == 0) return true;
    return false;
}

static void sleep_us(int64_t us)
{
    struct timespec pause = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    nanosleep(&pause, NULL);
}

// --- what is asked of the real log

static int64_t now_us(struct k_log *log)
{
    struct k_log *inner = aside_of(log)->options.log;
    return inner->ops->now_us(inner);
}

static void wait_for(struct k_log *log, struct k_reader *const *readers, uint32_t count, int64_t timeout_us)
{
    struct aside *a = aside_of(log);
    struct k_reader *inner[257];
    uint32_t n = 0;
    // A reader at the end of its window would wake the shard for records that it does not get.
    for (uint32_t i = 0; i < count && n < 257; i++)
        if (readers[i]->inner && log->ops->position(readers[i]) < readers[i]->window->bounds.until)
            inner[n++] = readers[i]->inner;
    a->options.log->ops->wait(a->options.log, inner, n, timeout_us);
}

static int topic_info(struct k_log *log, const char *topic, struct k_topic_info *ret, struct k_error *err)
{
    struct aside *a = aside_of(log);
    if (is_source(a, topic)) return a->options.log->ops->topic_info(a->options.log, topic, ret, err);
    *ret = (struct k_topic_info){.partitions = 1, .deletes = true, .retention_ms = -1, .retention_bytes = -1,
                                 .max_message_bytes = INT32_MAX};
    return 0;
}

static int topic_create(struct k_log *log, const char *topic, const struct k_topic_spec *spec, struct k_error *err)
{
    (void)log, (void)topic, (void)spec, (void)err;
    return 0;
}

static int topic_delete(struct k_log *log, const char *topic, struct k_error *err)
{
    (void)log;
    return k_fail(err, K_E_BUG, "topic %s cannot be deleted: this log is on the side", topic);
}

static int offsets(struct k_log *log, const char *topic, int32_t partition, bool committed, int64_t *ret_start,
                   int64_t *ret_end, struct k_error *err)
{
    struct aside *a = aside_of(log);
    const struct window *window = window_of(a, topic, partition);
    if (!window && is_source(a, topic)) // added since the windows were made
        return a->options.log->ops->offsets(a->options.log, topic, partition, committed, ret_start, ret_end, err);
    if (ret_start) *ret_start = window ? window->bounds.from : a->start;
    if (ret_end) *ret_end = window ? window->bounds.until : a->start + a->count;
    return 0;
}

static int delete_records(struct k_log *log, const char *topic, int32_t partition, int64_t before, struct k_error *err)
{
    (void)log;
    return k_fail(err, K_E_BUG, "records of topic %s, partition %d, before %lld are not ours to delete", topic,
                  partition, (long long)before);
}

// --- reading

static int reader_open(struct k_log *log, const char *topic, int32_t partition, int64_t offset, struct k_reader **ret,
                       struct k_error *err)
{
    struct aside *a = aside_of(log);
    struct k_reader *reader = k_new(struct k_reader);
    *reader = (struct k_reader){.aside = a, .window = window_of(a, topic, partition), .next = offset};
    int code = 0;
    if (reader->window)
        code = a->options.log->ops->reader_open(a->options.log, topic, partition, offset, &reader->inner, err);
    if (code) {
        free(reader);
        return code;
    }
    *ret = reader;
    return 0;
}

static void leave_headers(struct k_reader *reader)
{
    if (reader->inner) reader->aside->options.log->ops->leave_headers(reader->inner);
}

static int fetch_journal(struct k_reader *reader, uint32_t max, const struct k_message *const **ret_messages,
                         uint32_t *ret_count)
{
    struct aside *a = reader->aside;
    free(reader->handed);
    int64_t at = reader->next - a->start;
    K_ASSERT(at >= 0 && at <= a->count);
    uint32_t n = a->count - (uint32_t)at < max ? a->count - (uint32_t)at : max;
    reader->handed = k_new_array(const struct k_message *, n + 1);
    for (uint32_t i = 0; i < n; i++) reader->handed[i] = a->records[at + i];
    reader->next += n;
    *ret_messages = reader->handed;
    *ret_count = n;
    return 0;
}

// A rate is kept by waiting here: a tenth of a second's records at most are handed out at once.
static void keep_rate(struct aside *a, uint32_t count)
{
    if (!a->options.rate) return;
    int64_t now = now_us(&a->log);
    if (a->due_us < now - 1000000 || a->due_us > now + 2000000) a->due_us = now;
    a->due_us += (int64_t)((uint64_t)count * 1000000 / a->options.rate);
    if (a->due_us > now) sleep_us(a->due_us - now);
}

static int fetch(struct k_reader *reader, uint32_t max, size_t max_bytes, int64_t timeout_us,
                 const struct k_message *const **ret_messages, uint32_t *ret_count, struct k_error *err)
{
    if (!reader->inner) return fetch_journal(reader, max, ret_messages, ret_count);
    struct aside *a = reader->aside;
    const struct k_log_ops *inner = a->options.log->ops;
    struct window *window = reader->window;
    *ret_count = 0;
    if (inner->position(reader->inner) >= window->bounds.until) {
        window->drained = true;
        return 0;
    }
    uint64_t most = a->options.rate ? (a->options.rate + PAUSES_A_SECOND - 1) / PAUSES_A_SECOND : UINT32_MAX;
    if (a->options.portion && a->options.portion < most) most = a->options.portion;
    if (most > max) most = max;
    int code = inner->fetch(reader->inner, (uint32_t)most, max_bytes, timeout_us, ret_messages, ret_count, err);
    if (code) return code;
    while (*ret_count && (*ret_messages)[*ret_count - 1]->offset >= window->bounds.until) --*ret_count;
    for (uint32_t i = 0; a->options.handed && i < *ret_count; i++)
        a->options.handed(a->options.context, &window->bounds, (*ret_messages)[i]);
    if (*ret_count) keep_rate(a, *ret_count);
    return 0;
}

static int64_t position(struct k_reader *reader)
{
    if (!reader->inner) return reader->next;
    int64_t at = reader->aside->options.log->ops->position(reader->inner);
    return at < reader->window->bounds.until ? at : reader->window->bounds.until;
}

static bool at_end(struct k_reader *reader)
{
    if (!reader->inner) return reader->next == reader->aside->start + reader->aside->count;
    return position(reader) >= reader->window->bounds.until;
}

static int seek(struct k_reader *reader, int64_t offset, struct k_error *err)
{
    reader->next = offset;
    return reader->inner ? reader->aside->options.log->ops->seek(reader->inner, offset, err) : 0;
}

static void reader_close(struct k_reader *reader)
{
    if (!reader) return;
    if (reader->inner) reader->aside->options.log->ops->reader_close(reader->inner);
    free(reader->handed);
    free(reader);
}

// --- the private journal

static int producer_open(struct k_log *log, const char *transactional_id, int64_t transaction_timeout_us,
                         struct k_producer **ret, struct k_error *err)
{
    (void)transactional_id, (void)transaction_timeout_us, (void)err;
    *ret = k_new(struct k_producer);
    **ret = (struct k_producer){.aside = aside_of(log), .tracked = -1, .tracked_offset = -1};
    return 0;
}

static void free_pending(struct k_producer *producer)
{
    for (uint32_t i = 0; i < producer->count; i++) free(producer->pending[i]);
    free(producer->pending);
    producer->pending = NULL;
    producer->count = 0;
    producer->tracked = -1;
}

static int begin(struct k_producer *producer, struct k_error *err)
{
    (void)err;
    free_pending(producer);
    return 0;
}

static int produce(struct k_producer *producer, const struct k_out_message *message, struct k_error *err)
{
    (void)err;
    if (!message->tracked) { // only a journal's records are asked for their offset
        producer->aside->dropped++;
        return 0;
    }
    struct k_message *copy = k_alloc(sizeof *copy + message->value.length);
    memcpy(copy + 1, message->value.data, message->value.length);
    *copy = (struct k_message){.value = {(char *)(copy + 1), message->value.length},
                               .has_value = true,
                               .timestamp_us = message->timestamp_us};
    producer->pending = k_realloc(producer->pending, (producer->count + 1) * sizeof *producer->pending);
    producer->tracked = producer->count;
    producer->pending[producer->count++] = copy;
    return 0;
}

static int send_offsets(struct k_producer *producer, struct k_member *member, const struct k_topic_offset *offsets_,
                        uint32_t count, struct k_error *err)
{
    (void)producer, (void)member, (void)offsets_, (void)count, (void)err;
    return 0;
}

static int commit(struct k_producer *producer, bool *ret_tainted, struct k_error *err)
{
    (void)err;
    struct aside *a = producer->aside;
    *ret_tainted = false;
    if (a->count + producer->count > a->capacity) {
        a->capacity = 2 * (a->count + producer->count);
        a->records = k_realloc(a->records, a->capacity * sizeof *a->records);
    }
    if (producer->tracked >= 0) producer->tracked_offset = a->start + a->count + producer->tracked;
    for (uint32_t i = 0; i < producer->count; i++) {
        producer->pending[i]->offset = a->start + a->count;
        a->records[a->count++] = producer->pending[i];
    }
    producer->count = 0;
    free_pending(producer);
    return 0;
}

static int64_t tracked_offset(struct k_producer *producer)
{
    return producer->tracked_offset;
}

static int abort_transaction(struct k_producer *producer, struct k_error *err)
{
    return begin(producer, err);
}

static void producer_close(struct k_producer *producer)
{
    if (!producer) return;
    free_pending(producer);
    free(producer);
}

static int member_join(struct k_log *log, const char *group, const char *topic, const char *rank, struct k_member **ret,
                       struct k_error *err)
{
    (void)group, (void)topic, (void)rank, (void)err;
    *ret = k_new(struct k_member);
    (*ret)->aside = aside_of(log);
    return 0;
}

static int member_poll(struct k_member *member, enum k_membership *ret, struct k_error *err)
{
    (void)member, (void)err;
    *ret = K_MEMBER_ASSIGNED;
    return 0;
}

static void member_leave(struct k_member *member)
{
    free(member);
}

// --- the whole

static void close_aside(struct k_log *log)
{
    struct aside *a = aside_of(log);
    for (uint32_t i = 0; i < a->count; i++) free(a->records[i]);
    for (uint32_t i = 0; i < a->options.window_count; i++) free((char *)a->windows[i].bounds.topic);
    free(a->records);
    free(a->windows);
    free(a);
}

static const struct k_log_ops ops = {.now_us = now_us,
                                     .wait = wait_for,
                                     .topic_info = topic_info,
                                     .topic_create = topic_create,
                                     .topic_delete = topic_delete,
                                     .offsets = offsets,
                                     .delete_records = delete_records,
                                     .reader_open = reader_open,
                                     .leave_headers = leave_headers,
                                     .fetch = fetch,
                                     .position = position,
                                     .at_end = at_end,
                                     .seek = seek,
                                     .reader_close = reader_close,
                                     .producer_open = producer_open,
                                     .begin = begin,
                                     .produce = produce,
                                     .send_offsets = send_offsets,
                                     .commit = commit,
                                     .tracked_offset = tracked_offset,
                                     .abort = abort_transaction,
                                     .producer_close = producer_close,
                                     .member_join = member_join,
                                     .member_poll = member_poll,
                                     .member_leave = member_leave,
                                     .close = close_aside};

struct k_log *k_aside_open(const struct k_aside_options *options)
{
    struct aside *a = k_new(struct aside);
    a->log.ops = &ops;
    a->options = *options;
    a->windows = k_new_array(struct window, options->window_count + 1);
    for (uint32_t i = 0; i < options->window_count; i++) {
        a->windows[i].bounds = options->windows[i];
        a->windows[i].bounds.topic = k_strdup(options->windows[i].topic);
    }
    return &a->log;
}

void k_aside_forget(struct k_log *log, int64_t before)
{
    struct aside *a = aside_of(log);
    if (before <= a->start) return;
    uint32_t gone = before - a->start < a->count ? (uint32_t)(before - a->start) : a->count;
    for (uint32_t i = 0; i < gone; i++) free(a->records[i]);
    memmove(a->records, a->records + gone, (a->count - gone) * sizeof *a->records);
    a->count -= gone;
    a->start += gone;
}

bool k_aside_grown(struct k_log *log, uint64_t checkpoints)
{
    struct aside *a = aside_of(log);
    bool grown = checkpoints != a->checkpoints;
    a->checkpoints = checkpoints;
    return grown;
}

uint64_t k_aside_dropped(const struct k_log *log)
{
    return ((const struct aside *)log)->dropped;
}

bool k_aside_drained(const struct k_log *log, const char *topic, int32_t partition)
{
    const struct window *window = window_of((struct aside *)log, topic, partition);
    return window && window->drained;
}
