// Reading a shelf: portions of a file, decoded into an arena that lasts until the next fetch.
#include "replay/shelf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "proto/internal.pb-c.h"
#include "base/units.h"
#include "proto/protobuf.h"

typedef Kappa__Internal__JournalRecord__Embedded Embedded;
typedef Kappa__Internal__JournalRecord__Header Header;

enum { READ_BYTES = 256 << 10 };

struct shelf {
    struct k_log log;
    const struct k_shelf_topic *topics;
    const struct k_shelf_partition *partitions;
    uint32_t topic_count, partition_count;
    bool *drained;
};
struct k_reader {
    struct shelf *shelf;
    uint32_t index;
    FILE *file;         // NULL: there are no records
    struct k_buf bytes; // read, and not decoded yet from `at` on
    size_t at;
    int64_t position;
    struct k_arena arena;
    const struct k_message **handed;
};

void k_shelf_add(struct k_buf *out, const struct k_message *message)
{
    Embedded e;
    kappa__internal__journal_record__embedded__init(&e);
    e.has_offset = e.has_timestamp_us = true;
    e.offset = message->offset;
    e.timestamp_us = message->timestamp_us;
    e.has_key = message->has_key;
    e.key = (ProtobufCBinaryData){message->key.length, (uint8_t *)message->key.data};
    e.has_value = message->has_value;
    e.value = (ProtobufCBinaryData){message->value.length, (uint8_t *)message->value.data};
    Header *headers = k_new_array(Header, message->header_count + 1);
    e.header = k_new_array(Header *, message->header_count + 1);
    e.n_header = message->header_count;
    for (uint32_t i = 0; i < message->header_count; i++) {
        kappa__internal__journal_record__header__init(&headers[i]);
        headers[i].name = k_strndup(message->headers[i].name.data, message->headers[i].name.length);
        headers[i].has_value = !message->headers[i].null;
        headers[i].value =
            (ProtobufCBinaryData){message->headers[i].value.length, (uint8_t *)message->headers[i].value.data};
        e.header[i] = &headers[i];
    }
    k_buf_add_varint(out, protobuf_c_message_get_packed_size(&e.base));
    k_protobuf_pack(&e.base, out);
    for (uint32_t i = 0; i < message->header_count; i++) free(headers[i].name);
    free(headers);
    free(e.header);
}

static struct k_str copied(struct k_arena *arena, ProtobufCBinaryData bytes)
{
    return (struct k_str){k_arena_copy(arena, bytes.data, bytes.len), (uint32_t)bytes.len};
}

int k_shelf_get(struct k_str bytes, struct k_arena *arena, struct k_message **ret, size_t *ret_used,
                struct k_error *err)
{
    uint64_t size;
    size_t head = k_get_varint(bytes.data, bytes.length, &size);
    *ret_used = 0;
    if (head == 0 && bytes.length >= 10) return k_fail(err, K_E_CORRUPT, "a record's length is damaged");
    if (head == 0 || size > bytes.length - head) return 0;
    Embedded *e = (Embedded *)protobuf_c_message_unpack(&kappa__internal__journal_record__embedded__descriptor, NULL,
                                                        size, (const uint8_t *)bytes.data + head);
    if (!e) return k_fail(err, K_E_CORRUPT, "a record is damaged");
    struct k_header *headers = k_arena_zeroed(arena, (e->n_header + 1) * sizeof *headers);
    for (size_t h = 0; h < e->n_header; h++) {
        const char *name = e->header[h]->name ? e->header[h]->name : "";
        headers[h] = (struct k_header){k_str_of(k_arena_copy(arena, name, strlen(name))),
                                       copied(arena, e->header[h]->value), !e->header[h]->has_value};
    }
    *ret = k_arena_zeroed(arena, sizeof **ret);
    **ret = (struct k_message){.key = copied(arena, e->key),
                               .has_key = e->has_key,
                               .value = copied(arena, e->value),
                               .has_value = e->has_value,
                               .offset = e->offset,
                               .timestamp_us = e->timestamp_us,
                               .headers = headers,
                               .header_count = (uint32_t)e->n_header};
    protobuf_c_message_free_unpacked(&e->base, NULL);
    *ret_used = head + size;
    return 0;
}

static struct shelf *shelf_of(struct k_log *log)
{
    return (struct shelf *)log;
}

static int find(const struct shelf *s, const char *topic, int32_t partition, uint32_t *ret, struct k_error *err)
{
    for (uint32_t i = 0; i < s->partition_count; i++)
        if (s->partitions[i].partition == partition && strcmp(s->partitions[i].topic, topic) == 0) {
            *ret = i;
            return 0;
        }
    return k_fail(err, K_E_NOT_FOUND, "topic %s, partition %d, is not in it", topic, partition);
}

static int64_t now_us(struct k_log *log)
{
    (void)log;
    return k_clock_us(CLOCK_REALTIME);
}

static void wait_for(struct k_log *log, struct k_reader *const *readers, uint32_t count, int64_t timeout_us)
{
    (void)log, (void)readers, (void)count, (void)timeout_us; // files do not grow
}

static int topic_info(struct k_log *log, const char *topic, struct k_topic_info *ret, struct k_error *err)
{
    const struct shelf *s = shelf_of(log);
    for (uint32_t i = 0; i < s->topic_count; i++) {
        if (strcmp(s->topics[i].topic, topic) != 0) continue;
        *ret = (struct k_topic_info){.partitions = s->topics[i].partitions,
                                     .compacted = s->topics[i].compacted,
                                     .deletes = true,
                                     .retention_ms = -1,
                                     .retention_bytes = -1,
                                     .max_message_bytes = INT32_MAX};
        return 0;
    }
    return k_fail(err, K_E_NOT_FOUND, "topic %s is not in it", topic);
}

static int topic_create(struct k_log *log, const char *topic, const struct k_topic_spec *spec, struct k_error *err)
{
    (void)log, (void)spec;
    return k_fail(err, K_E_BUG, "topic %s cannot be made: this log is for reading", topic);
}

static int topic_delete(struct k_log *log, const char *topic, struct k_error *err)
{
    (void)log;
    return k_fail(err, K_E_BUG, "topic %s cannot be deleted: this log is for reading", topic);
}

static int offsets(struct k_log *log, const char *topic, int32_t partition, bool committed, int64_t *ret_start,
                   int64_t *ret_end, struct k_error *err)
{
    (void)committed;
    const struct shelf *s = shelf_of(log);
    uint32_t index;
    int code = find(s, topic, partition, &index, err);
    if (code) return code;
    if (ret_start) *ret_start = s->partitions[index].start;
    if (ret_end) *ret_end = s->partitions[index].end;
    return 0;
}

static int delete_records(struct k_log *log, const char *topic, int32_t partition, int64_t before, struct k_error *err)
{
    (void)log, (void)partition, (void)before;
    return k_fail(err, K_E_BUG, "topic %s cannot be cut: this log is for reading", topic);
}

static int open_at(struct k_reader *reader, int64_t offset, struct k_error *err)
{
    const struct k_shelf_partition *p = &reader->shelf->partitions[reader->index];
    if (reader->file) fclose(reader->file);
    reader->file = p->path ? fopen(p->path, "rb") : NULL;
    if (p->path && !reader->file) return k_fail(err, K_E_IO, "%s: %s", p->path, strerror(errno));
    k_buf_clear(&reader->bytes);
    reader->at = 0;
    reader->position = offset;
    return 0;
}

static void reader_close(struct k_reader *reader)
{
    if (!reader) return;
    if (reader->file) fclose(reader->file);
    k_buf_fini(&reader->bytes);
    k_arena_fini(&reader->arena);
    free(reader->handed);
    free(reader);
}

static int reader_open(struct k_log *log, const char *topic, int32_t partition, int64_t offset, struct k_reader **ret,
                       struct k_error *err)
{
    uint32_t index;
    int code = find(shelf_of(log), topic, partition, &index, err);
    if (code) return code;
    struct k_reader *reader = k_new(struct k_reader);
    *reader = (struct k_reader){.shelf = shelf_of(log), .index = index};
    k_arena_init(&reader->arena);
    code = open_at(reader, offset, err);
    if (code) reader_close(reader);
    else *ret = reader;
    return code;
}

static void leave_headers(struct k_reader *reader)
{
    (void)reader; // they are there anyway
}

// The next record of the file at or behind the position; *ret NULL: there is none.
static int next(struct k_reader *reader, struct k_message **ret, struct k_error *err)
{
    *ret = NULL;
    while (reader->file) {
        size_t used;
        struct k_str rest = {reader->bytes.data ? reader->bytes.data + reader->at : "",
                             (uint32_t)(reader->bytes.length - reader->at)};
        int code = k_shelf_get(rest, &reader->arena, ret, &used, err);
        if (code) return k_wrap(err, code, "%s", reader->shelf->partitions[reader->index].path);
        reader->at += used;
        if (used && (*ret)->offset >= reader->position) return 0;
        if (used) continue;
        *ret = NULL;
        if (reader->at) {
            memmove(reader->bytes.data, reader->bytes.data + reader->at, rest.length);
            reader->bytes.length = rest.length;
            reader->at = 0;
        }
        size_t n = fread(k_buf_reserve(&reader->bytes, READ_BYTES), 1, READ_BYTES, reader->file);
        reader->bytes.length += n;
        if (n) continue;
        if (rest.length || ferror(reader->file))
            return k_fail(err, K_E_CORRUPT, "%s ends within a record",
                          reader->shelf->partitions[reader->index].path);
        return 0;
    }
    return 0;
}

static int fetch(struct k_reader *reader, uint32_t max, size_t max_bytes, int64_t timeout_us,
                 const struct k_message *const **ret_messages, uint32_t *ret_count, struct k_error *err)
{
    (void)timeout_us;
    const struct k_shelf_partition *p = &reader->shelf->partitions[reader->index];
    free(reader->handed);
    reader->handed = k_new_array(const struct k_message *, max + 1);
    k_arena_reset(&reader->arena);
    *ret_count = 0;
    *ret_messages = reader->handed;
    for (size_t bytes = 0; *ret_count < max && bytes < max_bytes;) {
        struct k_message *message;
        int code = next(reader, &message, err);
        if (code) return code;
        if (!message) break;
        message->partition = p->partition;
        bytes += message->key.length + message->value.length + 64;
        reader->handed[(*ret_count)++] = message;
        reader->position = message->offset + 1;
    }
    if (*ret_count == 0) {
        reader->shelf->drained[reader->index] = true;
        if (reader->position < p->end) reader->position = p->end;
    }
    return 0;
}

static int64_t position(struct k_reader *reader)
{
    return reader->position;
}

static bool at_end(struct k_reader *reader)
{
    return reader->position >= reader->shelf->partitions[reader->index].end;
}

static int seek(struct k_reader *reader, int64_t offset, struct k_error *err)
{
    return open_at(reader, offset, err);
}

// Nobody leads on a shelf.
static int producer_open(struct k_log *log, const char *transactional_id, int64_t transaction_timeout_us,
                         struct k_producer **ret, struct k_error *err)
{
    (void)log, (void)transaction_timeout_us, (void)ret;
    return k_fail(err, K_E_BUG, "no producer %s: this log is for reading", transactional_id);
}

static int member_join(struct k_log *log, const char *group, const char *topic, const char *rank, struct k_member **ret,
                       struct k_error *err)
{
    (void)log, (void)topic, (void)rank, (void)ret;
    return k_fail(err, K_E_BUG, "no group %s: this log is for reading", group);
}

static void producer_close(struct k_producer *producer)
{
    K_ASSERT(!producer);
}

static void member_leave(struct k_member *member)
{
    K_ASSERT(!member);
}

static void close_shelf(struct k_log *log)
{
    free(shelf_of(log)->drained);
    free(log);
}

struct k_log *k_shelf_open(const struct k_shelf_topic *topics, uint32_t topic_count,
                           const struct k_shelf_partition *partitions, uint32_t partition_count)
{
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
                                         .producer_close = producer_close,
                                         .member_join = member_join,
                                         .member_leave = member_leave,
                                         .close = close_shelf};
    struct shelf *s = k_new(struct shelf);
    *s = (struct shelf){.log.ops = &ops,
                        .topics = topics,
                        .partitions = partitions,
                        .topic_count = topic_count,
                        .partition_count = partition_count,
                        .drained = k_new_array(bool, partition_count + 1)};
    return &s->log;
}

bool k_shelf_drained(const struct k_log *log, const char *topic, int32_t partition)
{
    const struct shelf *s = (const struct shelf *)log;
    struct k_error ignored;
    uint32_t index;
    return find(s, topic, partition, &index, &ignored) == 0 && s->drained[index];
}
