// Topics and records of the in-memory log: appending, markers, the stable end, retention and compaction.
#include "engine/log_memory_private.h"

#include <stdlib.h>

enum {
    MESSAGE_BYTES_MAX = 1048588, // Kafka's default
    SPARE_PARTITIONS = 4,        // made beforehand, as others hold the addresses of partitions
};

struct topic *memory_topic(struct k_cloud *cloud, const char *name)
{
    for (struct topic **link = &cloud->topics; *link; link = &(*link)->next) {
        if (strcmp((*link)->name, name) != 0) continue;
        // To the front: the next record mostly goes to the same topic.
        struct topic *found = *link;
        *link = found->next;
        found->next = cloud->topics;
        return cloud->topics = found;
    }
    return NULL;
}

int memory_partition(struct k_cloud *cloud, const char *topic, int32_t number, struct partition **ret,
                     struct k_error *err)
{
    struct topic *t = memory_topic(cloud, topic);
    if (!t) return k_fail(err, K_E_NOT_FOUND, "topic %s: does not exist", topic);
    if (number < 0 || number >= t->info.partitions)
        return k_fail(err, K_E_NOT_FOUND, "topic %s has no partition %d: it has %d", topic, number,
                      t->info.partitions);
    *ret = &t->partitions[number];
    return 0;
}

int64_t memory_stable_end(const struct partition *partition)
{
    int64_t end = partition->end;
    for (const struct span *span = partition->open; span; span = span->next_open)
        if (span->first < end) end = span->first;
    return end;
}

// --- appending ---

static int64_t append(struct partition *p, const struct k_message *message, struct span *span)
{
    if (p->end == p->capacity) {
        p->capacity = p->capacity ? p->capacity * 2 : 64;
        p->messages = k_realloc(p->messages, (size_t)p->capacity * sizeof *p->messages);
        p->spans = k_realloc(p->spans, (size_t)p->capacity * sizeof *p->spans);
    }
    p->messages[p->end] = message;
    p->spans[p->end] = span;
    return p->end++;
}

static struct k_str copy(struct k_cloud *cloud, struct k_str bytes)
{
    return (struct k_str){k_arena_copy(&cloud->arena, bytes.data, bytes.length), bytes.length};
}

int64_t memory_append(struct k_cloud *cloud, struct partition *p, const struct k_out_message *from, struct span *span)
{
    struct k_message *message = k_arena_zeroed(&cloud->arena, sizeof *message);
    message->has_key = from->has_key;
    message->has_value = from->has_value;
    if (from->has_key) message->key = copy(cloud, from->key);
    if (from->has_value) message->value = copy(cloud, from->value);
    message->partition = p->number;
    message->offset = p->end;
    // Kafka's timestamps are milliseconds.
    int64_t time_us = from->timestamp_us == -1 ? cloud->wall_us : from->timestamp_us;
    int64_t rest = time_us % 1000;
    message->timestamp_us = time_us - rest - (rest < 0 ? 1000 : 0);
    if (from->header_count) {
        struct k_header *headers = k_arena_array(&cloud->arena, struct k_header, from->header_count);
        for (uint32_t i = 0; i < from->header_count; i++)
            headers[i] = (struct k_header){copy(cloud, from->headers[i].name), copy(cloud, from->headers[i].value),
                                           from->headers[i].null};
        message->headers = headers;
        message->header_count = from->header_count;
    }
    return append(p, message, span);
}

void memory_append_marker(struct partition *p, struct span *span, enum outcome decision)
{
    append(p, NULL, span);
    span->outcome = decision;
    for (struct span **link = &p->open; *link; link = &(*link)->next_open) {
        if (*link != span) continue;
        *link = span->next_open;
        return;
    }
    K_ASSERT(!"the span of a marker was open");
}

int memory_choose_partition(struct k_cloud *cloud, const struct k_out_message *message, struct partition **ret,
                            struct k_error *err)
{
    struct topic *topic = memory_topic(cloud, message->topic);
    if (!topic) return k_fail(err, K_E_NOT_FOUND, "topic %s: does not exist", message->topic);
    uint64_t size = (message->has_key ? message->key.length : 0) + (message->has_value ? message->value.length : 0);
    if ((int64_t)size > topic->info.max_message_bytes)
        return k_fail(err, K_E_CONFIG, "topic %s: a record of %llu bytes is larger than its max.message.bytes",
                      message->topic, (unsigned long long)size);
    int32_t count = topic->info.partitions, number = message->partition;
    if (number < 0 && count == 1) number = 0;
    else if (number < 0 && message->has_key) number = k_murmur2_partition(message->key, count);
    else if (number < 0) number = (int32_t)k_random_below(&cloud->random, (uint64_t)count);
    return memory_partition(cloud, message->topic, number, ret, err);
}

int64_t k_cloud_produce(struct k_cloud *cloud, const struct k_out_message *message)
{
    struct partition *p;
    struct k_error err;
    int code = memory_choose_partition(cloud, message, &p, &err);
    K_ASSERT(code == 0);
    return memory_append(cloud, p, message, NULL);
}

void k_cloud_read(struct k_cloud *cloud, const char *topic, int32_t partition, k_cloud_visit visit, void *context)
{
    struct partition *p;
    struct k_error err;
    if (memory_partition(cloud, topic, partition, &p, &err)) return;
    for (int64_t i = 0; i < p->end; i++)
        if (memory_visible(p, i)) visit(context, p->messages[i]);
}

// --- retention ---

void k_cloud_allow_retention(struct k_cloud *cloud, const char *topic, int32_t partition, int64_t before)
{
    struct partition *p;
    struct k_error err;
    if (memory_partition(cloud, topic, partition, &p, &err) == 0 && before > p->may_delete_before)
        p->may_delete_before = before < p->end ? before : p->end;
}

// Compaction keeps the last record of each key, and leaves every other offset empty.
static void compact(struct partition *p, int64_t before)
{
    for (int64_t i = p->start; i < before; i++) {
        if (!p->messages[i] || !p->messages[i]->has_key) continue;
        for (int64_t later = i + 1; later < before; later++) {
            const struct k_message *other = p->messages[later];
            if (!other || !other->has_key || !k_str_equal(other->key, p->messages[i]->key)) continue;
            if (!memory_visible(p, later)) continue;
            p->messages[i] = NULL;
            break;
        }
    }
}

void memory_retention(struct k_cloud *cloud)
{
    for (struct topic *t = cloud->topics; t; t = t->next) {
        for (int32_t i = 0; i < t->info.partitions; i++) {
            struct partition *p = &t->partitions[i];
            int64_t room = p->may_delete_before - p->start;
            if (room <= 0) continue;
            int64_t before = p->start + (int64_t)k_random_below(&cloud->random, (uint64_t)room + 1);
            if (t->info.compacted) compact(p, before);
            else p->start = before;
        }
    }
}

// --- operations ---

int k_cloud_create_topic(struct k_cloud *cloud, const char *name, const struct k_topic_spec *spec,
                         struct k_error *err)
{
    if (memory_topic(cloud, name)) return 0;
    if (spec->partitions == 0 || spec->partitions < -1)
        return k_fail(err, K_E_CONFIG, "topic %s cannot have %d partitions", name, spec->partitions);
    struct topic *t = k_arena_zeroed(&cloud->arena, sizeof *t);
    t->name = k_arena_copy(&cloud->arena, name, strlen(name));
    int64_t week_ms = 7ll * 24 * 3600 * 1000;
    t->info = (struct k_topic_info){.partitions = spec->partitions == -1 ? 1 : spec->partitions,
                                    .compacted = spec->compacted,
                                    .deletes = !spec->compacted,
                                    .retention_bytes = -1,
                                    .retention_ms = spec->retention_ms == 0 ? week_ms : spec->retention_ms,
                                    .max_message_bytes =
                                        spec->max_message_bytes ? spec->max_message_bytes : MESSAGE_BYTES_MAX};
    t->partitions =
        k_arena_zeroed(&cloud->arena, (size_t)(t->info.partitions + SPARE_PARTITIONS) * sizeof *t->partitions);
    for (int32_t i = 0; i < t->info.partitions + SPARE_PARTITIONS; i++) {
        t->partitions[i].topic = t;
        t->partitions[i].number = i;
    }
    t->next = cloud->topics;
    cloud->topics = t;
    return 0;
}

void k_cloud_add_partition(struct k_cloud *cloud, const char *topic)
{
    struct topic *t = memory_topic(cloud, topic);
    K_ASSERT(t && t->added < SPARE_PARTITIONS);
    t->added++;
    t->info.partitions++;
}

int memory_topic_create(struct k_log *base, const char *topic, const struct k_topic_spec *spec, struct k_error *err)
{
    struct memory_log *log = memory_log_of(base);
    int code = memory_enter(log, err);
    if (!code) code = memory_request(log, topic, err);
    if (code) return code;
    return memory_leave(log, k_cloud_create_topic(log->cloud, topic, spec, err), err);
}

// Who has it open reads on in what is left of it.
int memory_topic_delete(struct k_log *base, const char *topic, struct k_error *err)
{
    struct memory_log *log = memory_log_of(base);
    int code = memory_enter(log, err);
    if (!code) code = memory_request(log, topic, err);
    if (code) return code;
    struct topic *t = memory_topic(log->cloud, topic);
    if (!t) return memory_leave(log, k_fail(err, K_E_NOT_FOUND, "topic %s: does not exist", topic), err);
    t->name = ""; // nobody finds it any more
    return memory_leave(log, 0, err);
}

int memory_topic_info(struct k_log *base, const char *topic, struct k_topic_info *ret, struct k_error *err)
{
    struct memory_log *log = memory_log_of(base);
    int code = memory_enter(log, err);
    if (!code) code = memory_request(log, topic, err);
    if (code) return code;
    const struct topic *t = memory_topic(log->cloud, topic);
    if (!t) return memory_leave(log, k_fail(err, K_E_NOT_FOUND, "topic %s: does not exist", topic), err);
    code = memory_leave(log, 0, err);
    if (!code) *ret = t->info;
    return code;
}

int memory_offsets(struct k_log *base, const char *topic, int32_t partition, bool committed, int64_t *ret_start,
                   int64_t *ret_end, struct k_error *err)
{
    struct memory_log *log = memory_log_of(base);
    struct partition *p;
    int code = memory_enter(log, err);
    if (!code) code = memory_request(log, topic, err);
    if (!code) code = memory_partition(log->cloud, topic, partition, &p, err);
    if (code) return code;
    int64_t start = p->start, end = committed ? memory_stable_end(p) : p->end; // as of now, not of the answer
    code = memory_leave(log, 0, err);
    if (code) return code;
    if (ret_start) *ret_start = start;
    if (ret_end) *ret_end = end;
    return 0;
}

int memory_delete_records(struct k_log *base, const char *topic, int32_t partition, int64_t before,
                          struct k_error *err)
{
    struct memory_log *log = memory_log_of(base);
    struct partition *p;
    int code = memory_enter(log, err);
    if (!code) code = memory_request(log, topic, err);
    if (!code) code = memory_partition(log->cloud, topic, partition, &p, err);
    if (code) return code;
    if (before > p->end)
        return memory_leave(log,
                            k_fail(err, K_E_CONFIG, "topic %s, partition %d: offset %lld is beyond the end %lld",
                                   topic, partition, (long long)before, (long long)p->end),
                            err);
    if (before > p->start) p->start = before;
    return memory_leave(log, 0, err);
}

void memory_topics_free(struct k_cloud *cloud)
{
    for (struct topic *t = cloud->topics; t; t = t->next) {
        for (int32_t i = 0; i < t->info.partitions; i++) {
            free(t->partitions[i].messages);
            free(t->partitions[i].spans);
        }
    }
    cloud->topics = NULL;
}
