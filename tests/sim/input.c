// Random input: what other people's producers write to the sources.
//
// Event time walks on in each partition by itself, with steps back; some partitions stand still for a while. Most
// records are good; some are garbage, tombstones, too far in the future, or lack fields.
#include "tests/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"

enum { SECOND = 1000000 };
static const char *const keys[] = {"a", "b", "c", "d", "e", "7"};

void input_init(struct input *in, const struct scenario *scenario, struct k_cloud *cloud, uint64_t *random)
{
    *in = (struct input){.cloud = cloud, .scenario = scenario, .random = random};
    k_arena_init(&in->arena);
    in->key_count = one_in(random, 4) ? 400 : 6; // few keys meet often, many do not fit into a small cache
    in->coarse = one_in(random, 3);
    in->log = k_cloud_connect(cloud, "foreign");
    for (uint32_t s = 0; s < SOURCES_MAX; s++)
        for (uint32_t p = 0; p < PARTITIONS_MAX; p++)
            in->time_us[s][p] = k_cloud_now(cloud) + between(random, -5, 5) * SECOND;
}

void input_fini(struct input *in)
{
    for (uint32_t s = 0; s < SOURCES_MAX; s++)
        for (uint32_t p = 0; p < PARTITIONS_MAX; p++) free(in->records[s][p].items);
    in->log->ops->close(in->log);
    k_arena_fini(&in->arena);
}

static int64_t event_time(struct input *in, uint32_t s, int32_t p)
{
    int64_t *at = &in->time_us[s][p];
    *at += between(in->random, 0, 800) * 1000;
    if (one_in(in->random, 40)) *at += 20 * SECOND;
    if (one_in(in->random, 200)) return *at + 7200ll * SECOND; // beyond max_ahead
    int64_t time_us = one_in(in->random, 4) ? *at - between(in->random, 0, 9000) * 1000 : *at;
    return in->coarse ? time_us / SECOND * SECOND : time_us;
}

static void json_time(struct input *in, struct k_buf *out, int64_t time_us)
{
    if (one_in(in->random, 2)) {
        k_buf_printf(out, "%lld", (long long)(time_us / 1000));
    } else {
        k_buf_add_char(out, '"');
        char text[K_TIME_TEXT];
        k_buf_add(out, text, k_time_print(text, time_us / 1000 * 1000));
        k_buf_add_char(out, '"');
    }
}

static void json_event(struct input *in, const char *key, int64_t time_us, struct k_buf *out)
{
    uint64_t *r = in->random;
    bool sound = true;
    k_buf_printf(out, "{\"k\":\"%s\"", key);
    if (!one_in(r, 6)) k_buf_printf(out, ",\"k2\":\"%s\"", keys[k_random_below(r, 3)]);
    if (one_in(r, 10)) k_buf_add_text(out, ",\"n\":null");
    else if (one_in(r, 30)) k_buf_add_text(out, ",\"n\":\"many\""), sound = false;
    else k_buf_printf(out, ",\"n\":%lld", (long long)between(r, -4, 10));
    if (!one_in(r, 5)) k_buf_printf(out, ",\"d\":%lld.%s", (long long)between(r, -3, 9), one_in(r, 2) ? "25" : "5");
    if (!one_in(r, 5)) k_buf_printf(out, ",\"b\":%s", one_in(r, 2) ? "true" : "false");
    if (!one_in(r, 3)) k_buf_printf(out, ",\"opt\":\"%s\"", one_in(r, 2) ? "7" : "x y");
    if (one_in(r, 2)) k_buf_printf(out, ",\"x\":{\"deep\":%lld}", (long long)between(r, 0, 5));
    if (sound && one_in(r, 50)) {
        sound = false;
    } else {
        k_buf_add_text(out, ",\"ts\":");
        json_time(in, out, time_us);
    }
    static const char *const items[] = {"null", "[]", "7", "[1]", "[null]",
                                        "[{\"x\":1},{\"x\":2,\"z\":{\"y\":\"a,]\"}}]",
                                        "[{\"x\":1},{\"x\":\"one\"}]", "[{\"x\":3}, {\"z\":{}}]", "[{\"x\":4}]"};
    if (one_in(r, 2)) k_buf_printf(out, ",\"items\":%s", items[k_random_below(r, sizeof items / sizeof *items)]);
    k_buf_add_char(out, '}');
    // Cut off; of several things that are wrong with a record it is open which one is told.
    if (sound && one_in(r, 60)) out->length -= 3;
}

static void csv_record(struct input *in, const char *key, struct k_buf *out)
{
    // From the eighth on they are malformed.
    static const char *const options[] = {"", "\"\"", "7", "x y", "\"a;b\"", "\"q\"\"q\"", "\"two\nlines\"",
                                          "a\"b", "\"open", "\"x\"y", "1;2"};
    uint64_t r = k_random_below(in->random, one_in(in->random, 4) ? sizeof options / sizeof *options : 7);
    k_buf_printf(out, one_in(in->random, 3) ? "\"%s\";" : "%s;", one_in(in->random, 40) ? "" : key);
    if (!one_in(in->random, 8)) k_buf_printf(out, "%lld", (long long)between(in->random, -4, 10));
    k_buf_printf(out, ";%s", options[r]);
}

// A row of a table: its key is in the value and, as text, in the message.
static void json_dim(struct input *in, const struct sim_source *source, const char *key, int64_t time_us,
                     struct k_buf *out)
{
    uint64_t *r = in->random;
    k_buf_printf(out, source->number_key ? "{\"id\":%s,\"ts\":" : "{\"id\":\"%s\",\"ts\":", key);
    json_time(in, out, time_us);
    if (!one_in(r, 5)) k_buf_printf(out, ",\"label\":\"%s\"", keys[k_random_below(r, 6)]);
    if (one_in(r, 30)) k_buf_add_text(out, ",\"rate\":\"much\"");
    else if (!one_in(r, 5)) k_buf_printf(out, ",\"rate\":%lld", (long long)between(r, 0, 6));
    k_buf_add_char(out, '}');
}

static void add_varint(struct k_buf *out, uint64_t value)
{
    for (; value >= 128; value /= 128) k_buf_add_char(out, (char)(value % 128 | 128));
    k_buf_add_char(out, (char)value);
}

static void add_field(struct k_buf *out, uint32_t number, const char *bytes, size_t length)
{
    add_varint(out, number * 8 + 2);
    add_varint(out, length);
    k_buf_add(out, bytes, length);
}

// A shop.Buyer: name, age, and its parent's name, which may come in pieces.
static void protobuf_record(struct input *in, const char *key, struct k_buf *out)
{
    uint64_t *r = in->random;
    bool sound = !one_in(r, 25);
    if (!one_in(r, 30)) add_field(out, 1, key, strlen(key));
    if (!sound && one_in(r, 3)) add_field(out, 2, "7", 1); // age is no text
    else if (!one_in(r, 8)) k_buf_add_char(out, 2 * 8), add_varint(out, (uint64_t)between(r, -4, 10));
    if (one_in(r, 4)) add_field(out, 3, "a tag that nobody reads", 23);
    if (one_in(r, 2)) {
        static const char *const names[] = {"\x0a\x01" "7", "\x0a\x03x y", "\x0a\x01" "9\x0a\x02up", "\x10\x05"};
        const char *name = names[k_random_below(r, 4)];
        if (one_in(r, 4)) add_field(out, 4, "\x0a\x03old", 5);
        add_field(out, 4, name, strlen(name));
    }
    if (!sound && out->length && one_in(r, 2)) out->length--; // cut short
}

static void record_of(struct input *in, const struct sim_source *source, const char *key, int64_t time_us,
                      struct k_buf *out)
{
    uint64_t *r = in->random;
    if (one_in(r, 50)) {
        k_buf_add_text(out, one_in(r, 2) ? "garbage" : "");
        return;
    }
    switch (source->kind) {
    case SOURCE_JSON: json_event(in, key, time_us, out); return;
    case SOURCE_DIM: json_dim(in, source, key, time_us, out); return;
    case SOURCE_LINE:
        k_buf_printf(out, "%s %lld", key, (long long)between(r, -4, 10));
        if (one_in(r, 2)) k_buf_add_text(out, one_in(r, 2) ? " 7" : " xy");
        return;
    case SOURCE_RAW: k_buf_printf(out, "%s", keys[k_random_below(r, 6)]); return;
    case SOURCE_CSV: csv_record(in, key, out); return;
    case SOURCE_PROTOBUF: protobuf_record(in, key, out); return;
    }
}

// All records of a message have its key, for they may be spread by it.
static void value_of(struct input *in, const struct sim_source *source, const char *key, int64_t time_us,
                     struct k_buf *out)
{
    struct k_buf record = {0};
    uint64_t count = source->packed ? k_random_below(in->random, 5) : 1;
    for (uint64_t i = 0; i < count; i++) {
        k_buf_clear(&record);
        record_of(in, source, key, time_us + (int64_t)i * 1000, &record);
        if (source->packed && source->kind == SOURCE_PROTOBUF) {
            add_varint(out, record.length + one_in(in->random, 40)); // now and then it is longer than the message
            if (record.length) k_buf_add(out, record.data, record.length);
            continue;
        }
        if (i) k_buf_add_text(out, one_in(in->random, 4) ? "\r\n" : "\n");
        if (record.length) k_buf_add(out, record.data, record.length);
    }
    if (source->packed && source->kind != SOURCE_PROTOBUF && one_in(in->random, 2)) k_buf_add_char(out, '\n');
    k_buf_fini(&record);
}

static void remember(struct input *in, uint32_t s, int32_t p, int64_t offset, const struct k_out_message *m)
{
    struct records *records = &in->records[s][p];
    if (records->count == records->capacity) {
        records->capacity = records->capacity ? records->capacity * 2 : 64;
        records->items = k_realloc(records->items, records->capacity * sizeof *records->items);
    }
    records->items[records->count++] =
        (struct record){offset, m->timestamp_us, m->key, m->value, m->has_key, m->has_value};
}

// librdkafka's "consistent": CRC-32, bit by bit.
static int32_t crc32_partition(const char *key, int32_t partitions)
{
    uint32_t crc = 0xFFFFFFFF;
    for (; *key; key++) {
        crc ^= (unsigned char)*key;
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320 : 0);
    }
    return (int32_t)(~crc % (uint32_t)partitions);
}

// Draws one record into the arena. A record that is spread by a column has that column's text as its key.
static struct k_out_message draw(struct input *in, uint32_t s, int32_t *partition)
{
    const struct sim_source *source = &in->scenario->sources[s];
    uint64_t number = k_random_below(in->random, in->key_count);
    const char *key = number < 6 ? keys[number] : k_arena_format(&in->arena, "k%u", (unsigned)number);
    if (source->number_key) key = k_arena_format(&in->arena, "%d", (int)between(in->random, -4, 10));
    if (source->crc32) *partition = crc32_partition(key, source->partitions);
    else if (source->partitioned) *partition = k_murmur2_partition(k_str_of(key), source->partitions);
    struct k_buf value = {0};
    int64_t time_us = event_time(in, s, *partition);
    value_of(in, source, key, time_us, &value);
    int64_t stamp_us = source->kind == SOURCE_JSON && !one_in(in->random, 3) ? k_cloud_now(in->cloud) : time_us;
    struct k_out_message m = {.topic = source->topic, .partition = *partition, .timestamp_us = stamp_us / 1000 * 1000};
    m.has_key = source->partitioned || source->compacted || !one_in(in->random, source->table ? 20 : 4);
    if (m.has_key) m.key = (struct k_str){k_arena_copy(&in->arena, key, strlen(key)), (uint32_t)strlen(key)};
    m.has_value = !one_in(in->random, source->table ? 4 : 60);
    // What a message removes without saying so, or by a key that is none, is a failure.
    if (source->table && !source->partitioned && !source->compacted && one_in(in->random, 30))
        m.key = one_in(in->random, 2) ? K_STR("\xC3 1") : K_STR("");
    in->removals += source->table && !m.has_value;
    if (m.has_value)
        m.value = (struct k_str){k_arena_copy(&in->arena, value.data, value.length), (uint32_t)value.length};
    k_buf_fini(&value);
    in->made++;
    return m;
}

static void write_transaction(struct input *in, uint32_t s, int32_t partition, uint32_t count, struct stats *stats)
{
    struct k_log *log = in->log;
    struct k_producer *producer;
    struct k_error err;
    bool tainted, commits = !one_in(in->random, 4);
    int code = log->ops->producer_open(log, "foreign", 60000000, &producer, &err);
    if (!code) code = log->ops->begin(producer, &err);
    for (uint32_t i = 0; i < count && !code; i++) {
        int32_t at = partition;
        int64_t offset;
        struct k_out_message m = draw(in, s, &at);
        code = log->ops->offsets(log, m.topic, at, false, NULL, &offset, &err);
        if (!code) code = log->ops->produce(producer, &m, &err);
        if (commits) remember(in, s, at, offset, &m);
    }
    if (!commits) stats->foreign_abort++;
    if (!code) code = commits ? log->ops->commit(producer, &tainted, &err) : log->ops->abort(producer, &err);
    K_ASSERT(code == 0);
    log->ops->producer_close(producer);
}

void input_write(struct input *in, uint32_t count, struct stats *stats)
{
    uint32_t s = (uint32_t)k_random_below(in->random, in->scenario->source_count);
    int32_t partition = (int32_t)k_random_below(in->random, (uint64_t)in->scenario->sources[s].partitions);
    if (one_in(in->random, 25)) in->quiet[s][partition] = !in->quiet[s][partition];
    if (in->quiet[s][partition]) return;
    if (one_in(in->random, 5)) {
        write_transaction(in, s, partition, count, stats);
        return;
    }
    while (count--) {
        int32_t at = partition;
        struct k_out_message m = draw(in, s, &at);
        remember(in, s, at, k_cloud_produce(in->cloud, &m), &m);
    }
}

void input_settle(struct input *in)
{
    struct k_producer *producer;
    struct k_error err;
    int code = in->log->ops->producer_open(in->log, "foreign", 60000000, &producer, &err); // waits for all markers
    K_ASSERT(code == 0);
    in->log->ops->producer_close(producer);
}
