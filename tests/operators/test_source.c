// Sources: rows, event times and watermarks from messages, and every way in which a message can be no row.
#include "tests/operators/harness.h"

#include <stdio.h>

#include "base/hash.h"
#include "operators/source.h"

#define FIELDS "field: 'a int64 not null' field: 'b double' field: 'ts timestamp' field: 'far string at $.x.y' "
#define SOURCE(kafka, more)                      \
    "name: 'g' schema { name: 'S' " FIELDS "}\n" \
    "source { name: 's' kafka { topic: 't' " kafka "} format { json {} } schema: 'S' " more " }"
#define TIME "time { expr: 'ts' out_of_order: '2s' max_ahead: '1m' } "

static struct k_message message(int64_t offset, const char *value, int64_t timestamp_us)
{
    return (struct k_message){.value = k_str_of(value),
                              .has_value = value != NULL,
                              .partition = 1,
                              .offset = offset,
                              .timestamp_us = timestamp_us};
}

static int feed(struct harness *h, const struct k_message *messages, uint32_t count, uint32_t batch,
                struct k_partition_clock *clock, struct k_error *err)
{
    for (uint32_t at = 0; at < count; at += batch) {
        const struct k_message *pointers[64];
        uint32_t n = count - at < batch ? count - at : batch;
        for (uint32_t i = 0; i < n; i++) pointers[i] = &messages[at + i];
        for (uint32_t done = 0, used; done < n; done += used) {
            int code = k_source_feed(h->instance_source, pointers + done, n - done, 4, clock, &used, err);
            k_arena_reset(&h->arena);
            if (code) return code;
        }
    }
    return 0;
}

// Which columns the graph reads, as consumers' plans would mark them.
static void read_columns(struct harness *h, const char *const *names)
{
    for (; *names; names++) {
        int32_t column = k_schema_find(&h->source.edge.schema, k_str_of(*names));
        assert_true(column >= 0);
        h->source.edge.read[column] = true;
    }
}

static void open(struct harness *h, const char *graph, const char *const *names)
{
    harness_plan(h, graph, NULL);
    if (!h->planned) fail_msg("%s", harness_diags(h));
    read_columns(h, names);
    h->disk = k_memory_disk_create();
    harness_reopen(h);
}

static const char *const all[] = {"a", "b", "ts", "far", NULL};

static void every_message_ends_as_one_thing(void **unused)
{
    (void)unused;
    const struct k_message messages[] = {
        message(0, "{\"a\":1,\"b\":2.5,\"ts\":5000,\"x\":{\"y\":\"z\"}}", 5 * SECOND),
        message(1, "garbage", 5 * SECOND),
        message(2, "{\"a\":\"1\",\"ts\":5000}", 5 * SECOND),
        message(3, "{\"a\":2}", 5 * SECOND),
        message(4, "{\"a\":3,\"ts\":66000}", 5 * SECOND),
        message(5, "{\"a\":4,\"ts\":65000}", 5 * SECOND),
        message(6, NULL, 5 * SECOND),
        message(7, "{\"ts\":7000}", 5 * SECOND),
        message(8, "{\"a\":5,\"ts\":1000}", -1),
    };
    for (uint32_t batch = 1; batch <= 9; batch += 4) {
        struct harness h;
        struct k_error err;
        struct k_partition_clock clock = {INT64_MIN, INT64_MIN};
        open(&h, SOURCE("", TIME), all);
        assert_int_equal(feed(&h, messages, 9, batch, &clock, &err), 0);
        assert_text(&h.emitted, "0 +1 5000000 {\"a\":1,\"b\":2.5,\"ts\":\"1970-01-01T00:00:05Z\",\"far\":\"z\"}\n"
                                "0 +1 65000000 {\"a\":4,\"b\":null,\"ts\":\"1970-01-01T00:01:05Z\",\"far\":null}\n"
                                "0 +1 1000000 {\"a\":5,\"b\":null,\"ts\":\"1970-01-01T00:00:01Z\",\"far\":null}\n");
        assert_text(&h.letters, "json garbage\n"
                                "type {\"a\":\"1\",\"ts\":5000}\n"
                                "no_event_time {\"a\":2}\n"
                                "ahead {\"a\":3,\"ts\":66000}\n"
                                "missing \n"
                                "missing {\"ts\":7000}\n");
        assert_int_equal(clock.max_time_us, 65 * SECOND);
        assert_int_equal(clock.watermark_us, 63 * SECOND);
        harness_check_sums(&h);
        harness_close(&h);
    }
}

static int64_t seen_watermarks[16];
static uint32_t seen_count;
static int note_watermarks(struct k_host *host, uint32_t port, const struct k_batch *batch, struct k_error *err)
{
    (void)host, (void)port, (void)err;
    for (uint32_t i = 0; i < batch->selected; i++)
        seen_watermarks[seen_count++] = batch->watermark[batch->selection[i]];
    return 0;
}

static void watermarks_follow_the_prefix(void **unused)
{
    (void)unused;
    const struct k_message messages[] = {
        message(0, "{\"a\":1}", 10 * SECOND),
        message(1, "{\"a\":1}", 7 * SECOND),
        message(2, "bad", 99 * SECOND),
        message(3, "{\"a\":1}", 12 * SECOND),
    };
    for (uint32_t batch = 1; batch <= 4; batch += 3) {
        struct harness h;
        struct k_error err;
        // A watermark that idleness has moved on never goes back.
        struct k_partition_clock clock = {INT64_MIN, 9 * SECOND};
        open(&h, SOURCE("", "time { out_of_order: '2s' }"), (const char *const[]){"a", NULL});
        struct k_host_ops ops = *h.host.ops;
        ops.emit = note_watermarks;
        h.host.ops = &ops;
        seen_count = 0;
        assert_int_equal(feed(&h, messages, 4, batch, &clock, &err), 0);
        assert_int_equal(seen_count, 3);
        assert_int_equal(seen_watermarks[0], 9 * SECOND);
        assert_int_equal(seen_watermarks[1], 9 * SECOND);
        assert_int_equal(seen_watermarks[2], 10 * SECOND);
        assert_int_equal(clock.watermark_us, 10 * SECOND);
        assert_int_equal(clock.max_time_us, 12 * SECOND);
        harness_close(&h);
    }
}

static void only_what_is_read_can_be_malformed(void **unused)
{
    (void)unused;
    const struct k_message messages[] = {message(0, "{\"a\":1,\"b\":\"no\",\"x\":{\"y\":\"z\"}}", SECOND),
                                         message(1, NULL, SECOND), message(2, "{\"b\":1}", -1)};
    struct harness h;
    struct k_error err;
    struct k_partition_clock clock = {INT64_MIN, INT64_MIN};
    open(&h, SOURCE("", ""), (const char *const[]){"far", NULL});
    assert_int_equal(feed(&h, messages, 3, 3, &clock, &err), 0);
    assert_text(&h.emitted, "0 +1 1000000 {\"a\":null,\"b\":null,\"ts\":null,\"far\":\"z\"}\n"
                            "0 +1 1000000 {\"a\":null,\"b\":null,\"ts\":null,\"far\":null}\n");
    assert_text(&h.letters, "no_event_time {\"b\":1}\n");
    harness_check_sums(&h);
    harness_close(&h);
    open(&h, SOURCE("", "validate: FULL"), (const char *const[]){"far", NULL});
    clock = (struct k_partition_clock){INT64_MIN, INT64_MIN};
    assert_int_equal(feed(&h, messages, 1, 1, &clock, &err), 0);
    assert_text(&h.letters, "type {\"a\":1,\"b\":\"no\",\"x\":{\"y\":\"z\"}}\n");
    harness_close(&h);
}

static void malformed_fields_pass_as_null(void **unused)
{
    (void)unused;
    const struct k_message messages[] = {
        message(0, "{\"a\":1,\"b\":\"no\",\"x\":{\"y\":\"z\"}}", SECOND),
        message(1, "{\"a\":2,\"b\":3,\"x\":{\"y\":4}}", SECOND),
        message(2, "{\"a\":\"no\",\"b\":3}", SECOND),
        message(3, "{\"a\":3,\"b\":", SECOND),
        message(4, "{\"a\":4,\"b\":5,\"x\":{\"y\":\"w\"}}", SECOND),
    };
    for (uint32_t batch = 1; batch <= 5; batch += 4) {
        struct harness h;
        struct k_error err;
        struct k_partition_clock clock = {INT64_MIN, INT64_MIN};
        open(&h, SOURCE("", "policy { on_error: PASS_NULL }"), (const char *const[]){"a", "b", "far", NULL});
        assert_int_equal(feed(&h, messages, 5, batch, &clock, &err), 0);
        assert_text(&h.emitted, "0 +1 1000000 {\"a\":1,\"b\":null,\"ts\":null,\"far\":\"z\"}\n"
                                "0 +1 1000000 {\"a\":2,\"b\":3,\"ts\":null,\"far\":null}\n"
                                "0 +1 1000000 {\"a\":4,\"b\":5,\"ts\":null,\"far\":\"w\"}\n");
        assert_text(&h.letters, "type {\"a\":\"no\",\"b\":3}\njson {\"a\":3,\"b\":\n");
        harness_check_sums(&h);
        harness_close(&h);
    }
}

static struct k_buf system_row;
static int note_row(struct k_host *host, uint32_t port, const struct k_batch *batch, struct k_error *err)
{
    (void)host, (void)port, (void)err;
    for (uint32_t i = 0; i < batch->selected; i++) {
        for (uint32_t c = 4; c < batch->schema->count; c++) {
            struct k_value value = k_column_value(&batch->columns[c], batch->selection[i]);
            k_buf_printf(&system_row, "%s=", batch->schema->fields[c].name);
            k_value_json(&system_row, &value);
            k_buf_add_char(&system_row, c + 1 < batch->schema->count ? ' ' : '\n');
        }
    }
    return 0;
}

static void messages_speak_of_themselves(void **unused)
{
    (void)unused;
    const struct k_header headers[] = {
        {K_STR("h"), K_STR("v\""), false}, {K_STR("n"), {0}, true}, {K_STR("b"), K_STR("\xff"), false}};
    struct k_message messages[] = {message(7, "{\"a\":1}", SECOND), message(8, NULL, -1)};
    messages[0].headers = headers;
    messages[0].header_count = 3;
    messages[0].key = K_STR("key");
    messages[0].has_key = true;
    struct harness h;
    struct k_error err;
    struct k_partition_clock clock = {INT64_MIN, INT64_MIN};
    open(&h, SOURCE("", "time { expr: \"coalesce(_timestamp, timestamp '1970-01-01T00:00:02Z')\" }"),
         (const char *const[]){"_key", "_timestamp", "_partition", "_offset", "_headers", "_tombstone", "_index",
                               NULL});
    struct k_host_ops ops = *h.host.ops;
    ops.emit = note_row;
    h.host.ops = &ops;
    assert_int_equal(feed(&h, messages, 2, 2, &clock, &err), 0);
    assert_text(&system_row,
                "_key=\"a2V5\" _timestamp=\"1970-01-01T00:00:01Z\" _partition=1 _offset=7 "
                "_headers=[{\"name\":\"h\",\"value\":\"v\\\"\"},{\"name\":\"n\",\"value\":null},"
                "{\"name\":\"b\",\"base64\":\"/w==\"}] _tombstone=false _index=0\n"
                "_key=null _timestamp=null _partition=1 _offset=8 _headers=[] _tombstone=true _index=0\n");
    assert_int_equal(clock.max_time_us, 2 * SECOND);
    k_buf_fini(&system_row);
    harness_close(&h);
}

static void partitions_are_as_promised(void **unused)
{
    (void)unused;
    struct harness h;
    struct k_error err;
    // Of these keys, murmur2 puts some into partition 1 of 4 and some elsewhere.
    char value[64];
    int right = 0, wrong = 0;
    for (int64_t a = 0; a < 16; a++) {
        snprintf(value, sizeof value, "{\"a\":%lld}", (long long)a);
        struct k_message one = message(a, value, SECOND);
        struct k_partition_clock clock = {INT64_MIN, INT64_MIN};
        char key[24];
        snprintf(key, sizeof key, "%lld", (long long)a);
        open(&h, SOURCE("partitioned_by: 'a' ", ""), (const char *const[]){NULL});
        assert_true(h.source.edge.read[0]);
        int code = feed(&h, &one, 1, 1, &clock, &err);
        if (k_murmur2_partition(k_str_of(key), 4) == 1) {
            assert_int_equal(code, 0);
            right++;
        } else {
            assert_int_equal(code, K_E_DATA);
            assert_non_null(strstr(err.text, "topic t, partition 1, offset "));
            wrong++;
        }
        harness_close(&h);
    }
    assert_true(right > 0 && wrong > 0);
    open(&h, SOURCE("partitioned_by: 'far' partitioner: CRC32 ", ""), (const char *const[]){NULL});
    struct k_partition_clock clock = {INT64_MIN, INT64_MIN};
    struct k_message null_key = message(0, "{\"a\":1}", SECOND);
    assert_int_equal(feed(&h, &null_key, 1, 1, &clock, &err), 0);
    assert_text(&h.letters, "null_partition_key {\"a\":1}\n");
    harness_close(&h);
}

static void crc32_is_that_of_librdkafka(void **unused)
{
    (void)unused;
    // The check value of CRC-32, and values that zlib gives.
    assert_int_equal(k_crc32_partition(K_STR("123456789"), 1 << 30), 0xcbf43926u % (1u << 30));
    assert_int_equal(k_crc32_partition(K_STR(""), 7), 0);
    assert_int_equal(k_crc32_partition(K_STR("this is another string with more length too"), 100), 35);
    assert_int_equal(k_crc32_partition(K_STR("kappa"), 100), 43);
    assert_int_equal(k_crc32_partition(K_STR("kappa"), 7), 4);
}

static void stops_when_told_to(void **unused)
{
    (void)unused;
    const struct k_message messages[] = {message(0, "{\"a\":1}", SECOND), message(1, "bad", SECOND)};
    struct harness h;
    struct k_error err;
    struct k_partition_clock clock = {INT64_MIN, INT64_MIN};
    open(&h, SOURCE("", "policy { on_error: STOP }"), all);
    assert_int_equal(feed(&h, messages, 2, 2, &clock, &err), K_E_DATA);
    harness_close(&h);
}

#define PACKED(what, more)                       \
    "name: 'g' schema { name: 'S' " FIELDS "}\n" \
    "source { name: 's' kafka { topic: 't' } format { packed { " what " } } schema: 'S' " more " }"

static struct k_buf indices; // "<offset>/<index> " of all rows and letters
static void note_index(const struct k_batch *batch, uint32_t row)
{
    const struct k_message *record = batch->origin[row];
    assert_non_null(record->whole);
    assert_true(record->key.data == record->whole->key.data && record->offset == record->whole->offset);
    k_buf_printf(&indices, "%d/%u ", (int)record->offset, record->index);
}

static int note_emitted(struct k_host *host, uint32_t port, const struct k_batch *batch, struct k_error *err)
{
    (void)host, (void)port, (void)err;
    assert_true(batch->rows <= K_BATCH_ROWS);
    for (uint32_t i = 0; i < batch->selected; i++) note_index(batch, batch->selection[i]);
    return 0;
}

static int note_failed(struct k_host *host, const struct k_batch *batch, uint32_t row, const char *reason,
                       const char *text, struct k_error *err)
{
    (void)text, (void)err;
    host->counters->dead_lettered++;
    k_buf_printf(&indices, "%s:", reason);
    note_index(batch, row);
    return 0;
}

static void a_message_holds_several_records(void **unused)
{
    (void)unused;
    const struct k_message messages[] = {message(4, "{\"a\":1}\n{\"a\":\"x\"}\r\n\n{\"a\":2}\n", SECOND),
                                         message(5, "", SECOND), message(6, "\n \n", SECOND),
                                         message(7, NULL, SECOND), message(8, "{\"a\":3}", -1)};
    for (uint32_t batch = 1; batch <= 5; batch += 2) {
        struct harness h;
        struct k_error err;
        struct k_partition_clock clock = {INT64_MIN, INT64_MIN};
        open(&h, PACKED("json {}", ""), all);
        struct k_host_ops ops = *h.host.ops;
        assert_int_equal(feed(&h, messages, 5, batch, &clock, &err), 0);
        assert_text(&h.emitted, "0 +1 1000000 {\"a\":1,\"b\":null,\"ts\":null,\"far\":null}\n"
                                "0 +1 1000000 {\"a\":2,\"b\":null,\"ts\":null,\"far\":null}\n");
        // Letters come batch by batch, with nothing but what is wrong of each record.
        assert_text(&h.letters, "type {\"a\":\"x\"}\njson  \nmissing \nno_event_time {\"a\":3}\n");
        assert_int_equal(h.counters.in, 6);
        harness_check_sums(&h);
        ops.emit = note_emitted;
        ops.fail = note_failed;
        h.host.ops = &ops;
        if (batch == 1) {
            assert_int_equal(feed(&h, messages, 5, batch, &clock, &err), 0);
            assert_text(&indices, "type:4/1 4/0 4/2 json:6/0 missing:7/0 no_event_time:8/0 ");
            k_buf_fini(&indices);
            indices = (struct k_buf){0};
        }
        harness_close(&h);
    }
}

// One message, ten thousand records: what comes out is what ten thousand messages would give, and no batch is larger
// than batches are.
static void a_large_message_is_many_batches(void **unused)
{
    (void)unused;
    enum { RECORDS = 10000 };
    struct k_buf value = {0};
    uint64_t seed = 11;
    struct harness one, many;
    struct k_error err;
    struct k_partition_clock clock = {INT64_MIN, INT64_MIN}, packed_clock = clock;
    open(&one, SOURCE("", TIME), all);
    open(&many, PACKED("json {}", TIME), all);
    for (uint32_t i = 0; i < RECORDS; i++) {
        uint64_t kind = k_random_below(&seed, 20);
        uint32_t begin = (uint32_t)value.length;
        if (kind == 0) k_buf_add_text(&value, "garbage");
        else if (kind == 1) k_buf_printf(&value, "{\"a\":null,\"ts\":%u}", i);
        else k_buf_printf(&value, "{\"a\":%u,\"ts\":%u,\"x\":{\"y\":\"%u\"}}", i, i + (uint32_t)kind * 100, i);
        struct k_message alone = message(0, "", 5 * SECOND);
        alone.value = (struct k_str){value.data + begin, (uint32_t)value.length - begin};
        assert_int_equal(feed(&one, &alone, 1, 1, &clock, &err), 0);
        k_buf_add_char(&value, '\n');
    }
    struct k_message packed[] = {message(0, "", 5 * SECOND), message(1, "{\"a\":1,\"ts\":1}", 5 * SECOND)};
    packed[0].value = k_buf_str(&value);
    assert_int_equal(feed(&one, &packed[1], 1, 1, &clock, &err), 0);
    assert_int_equal(feed(&many, packed, 2, 2, &packed_clock, &err), 0);
    assert_string_equal(many.emitted.data, one.emitted.data);
    assert_string_equal(many.letters.data, one.letters.data);
    assert_memory_equal(&many.counters, &one.counters, sizeof one.counters);
    assert_int_equal(many.counters.in, RECORDS + 1);
    assert_memory_equal(&clock, &packed_clock, sizeof clock);
    harness_check_sums(&many);
    k_buf_fini(&value);
    harness_close(&one);
    harness_close(&many);
}

static void csv_is_packed_behind_its_header(void **unused)
{
    (void)unused;
    const struct k_message messages[] = {
        message(0, "b,far,ts,a\n1,\"x\ny\",,1\n1,2\n2,,,2\n", SECOND), message(1, "a,b,ts,far\n3,3,,z\n", SECOND),
        message(2, "a,b,ts,fa\n4,4,,\n5,,,\n", SECOND), message(3, "a,\"b\n4,4\n", SECOND)};
    for (uint32_t batch = 1; batch <= 4; batch += 3) {
        struct harness h;
        struct k_error err;
        struct k_partition_clock clock = {INT64_MIN, INT64_MIN};
        harness_plan(&h,
                     "name: 'g' schema { name: 'S' field: 'a int64 not null' field: 'b double' "
                     "field: 'ts timestamp' field: 'far string' }\n"
                     "source { name: 's' kafka { topic: 't' } format { packed { csv { header: true } } } "
                     "schema: 'S' }",
                     NULL);
        assert_true(h.planned);
        read_columns(&h, all);
        h.disk = k_memory_disk_create();
        harness_reopen(&h);
        assert_int_equal(feed(&h, messages, 4, batch, &clock, &err), 0);
        assert_text(&h.emitted, "0 +1 1000000 {\"a\":1,\"b\":1,\"ts\":null,\"far\":\"x\\ny\"}\n"
                                "0 +1 1000000 {\"a\":2,\"b\":2,\"ts\":null,\"far\":null}\n"
                                "0 +1 1000000 {\"a\":3,\"b\":3,\"ts\":null,\"far\":\"z\"}\n");
        assert_text(&h.letters, "columns 1,2\ncolumns 4,4,,\ncolumns 5,,,\npacked a,\"b\n4,4\n\n");
        harness_check_sums(&h);
        harness_close(&h);
    }
}

static void a_registry_frame_is_recognised(void **unused)
{
    (void)unused;
    struct k_message framed = message(0, "", SECOND);
    framed.value = K_STR("\0\0\0\1\2{\"a\":1}");
    for (int full = 0; full < 2; full++) {
        struct harness h;
        struct k_error err;
        struct k_partition_clock clock = {INT64_MIN, INT64_MIN};
        open(&h, full ? SOURCE("", "validate: FULL") : SOURCE("", ""), all);
        assert_int_equal(feed(&h, &framed, 1, 1, &clock, &err), 0);
        assert_memory_equal(h.letters.data, "registry ", 9);
        harness_close(&h);
    }
}

static void refuses(const char *graph, const char *text)
{
    struct harness h;
    harness_plan(&h, graph, NULL);
    assert_false(h.planned);
    assert_string_equal(harness_diags(&h), text);
    harness_close(&h);
}

static void says_what_is_wrong(void **unused)
{
    (void)unused;
    refuses("name: 'g' source { name: 's' }",
            "g:1:11: error[K0221]: source \"s\" has no schema; add  schema: \"NAME\"\n"
            "g:1:11: error[K0207]: source \"s\" has no format; add  format { json {} }\n");
    refuses("name: 'g' schema { name: 'Request' field: 'a int64' } source { name: 's' kafka { } format { json {} } "
            "schema: 'Requst' }",
            "g:1:111: error[K0221]: source \"s\": there is no schema \"Requst\"; did you mean \"Request\"?\n");
    refuses("name: 'g' schema { name: 'S' field: 'a int' field: '_key string' field: 'b bool' field: 'b int64' }\n"
            "source { name: 's' kafka { topic: 't' } format { json {} } schema: 'S' }",
            "g:1:40: error[K0220]: field \"a int\" of schema \"S\": the type is written int64\n"
            "g:1:52: error[K0220]: schema \"S\": every source has a system column of the name \"_key\"\n"
            "g:1:89: error[K0220]: schema \"S\": there are two fields named \"b\"\n");
    refuses(SOURCE("", "time { expr: 'a' out_of_order: 'soon' idle: '0s' max_ahead: '-1s' }"),
            "g:2:85: error[K0403]: the event time must be of type timestamp; \"a\" is of type int64\n"
            "g:2:103: error[K0402]: out_of_order: \"soon\" is not a duration, such as \"90s\", \"5m\" or \"1h30m\"\n"
            "g:2:116: error[K0402]: idle: \"0s\" is too short; it must be longer than 0s\n"
            "g:2:132: error[K0402]: max_ahead: \"-1s\" is not a duration, such as \"90s\", \"5m\" or \"1h30m\"\n");
    refuses(SOURCE("partitioned_by: 'aa' ", ""),
            "g:2:55: error[K0406]: partitioned_by: unknown column \"aa\"; \"s\" offers a, b, ts, far\n");
    refuses("name: 'g' schema { name: 'S' field: 'ipp string' field: 'n int64 at $.n' }\n"
            "source { name: 's' kafka { topic: 't' partitioner: CRC32 } format { line { pattern: '^(?<ip>\\\\S+) "
            "(?<n>\\\\d+)$' } } "
            "schema: 'S' }",
            "g:2:39: error[K0409]: source \"s\": partitioner says how partitioned_by is spread, and there is no "
            "partitioned_by\n"
            "g:2:85: error[K0408]: source \"s\": field \"ipp\" of its schema is no named group of the pattern; did "
            "you mean \"ip\"?\n"
            "g:2:124: error[K0408]: source \"s\": field \"n\" of its schema has a path (\"at\"), which the line "
            "format does not know\n");
    refuses(
        "name: 'g' schema { name: 'S' field: 'v bytes' }\n"
        "source { name: 's' kafka { topic: 't' } format { raw {} } schema: 'S' }",
        "g:2:50: error[K0408]: source \"s\": the raw format gives one column; its schema must be \"value bytes\" or "
        "\"value string\"\n");
    refuses(PACKED("", ""),
            "g:2:50: error[K0207]: source \"s\": what is packed? Say so, such as  packed { json {} }\n");
    refuses("name: 'g' schema { name: 'S' field: 'v bytes at $.x' }\n"
            "source { name: 's' kafka { topic: 't' } format { csv { delimiter: ', ' } } schema: 'S' }",
            "g:2:67: error[K0408]: source \"s\": delimiter: \", \" is not one ASCII character other than a quote and "
            "a line break\n"
            "g:2:84: error[K0408]: source \"s\": field \"v\" of its schema has a path (\"at\"), which the csv format "
            "does not know\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_ends_as_one_thing),
        cmocka_unit_test(watermarks_follow_the_prefix),
        cmocka_unit_test(only_what_is_read_can_be_malformed),
        cmocka_unit_test(malformed_fields_pass_as_null),
        cmocka_unit_test(messages_speak_of_themselves),
        cmocka_unit_test(partitions_are_as_promised),
        cmocka_unit_test(crc32_is_that_of_librdkafka),
        cmocka_unit_test(stops_when_told_to),
        cmocka_unit_test(a_message_holds_several_records),
        cmocka_unit_test(a_large_message_is_many_batches),
        cmocka_unit_test(csv_is_packed_behind_its_header),
        cmocka_unit_test(a_registry_frame_is_recognised),
        cmocka_unit_test(says_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
