// Records of the journal: what is written is read, what does not fit is refused and named.
#include "tests/base/test.h"

#include <stdlib.h>

#include "engine/journal.h"
#include "proto/protobuf.h"

typedef Kappa__Internal__JournalRecord Record;
typedef Kappa__Internal__JournalRecord__Leadership Leadership;

static struct k_message message(int64_t offset, const char *key, const char *value)
{
    return (struct k_message){.key = k_str_of(key), .has_key = key != NULL, .value = k_str_of(value),
                              .has_value = value != NULL, .offset = offset, .timestamp_us = offset * 10};
}

static void add(struct k_pending *pending, uint32_t source, int64_t first, struct k_message *messages, uint32_t count,
                bool embed)
{
    const struct k_message *list[8];
    for (uint32_t i = 0; i < count; i++) list[i] = &messages[i];
    k_pending_add(pending, source, 0, first, messages[count - 1].offset + 1, list, count, embed);
}

static const struct k_input inputs[] = {{.source = 0, .partition = 3}, {.source = 1, .partition = 5}};

// A record with everything in it, into out; *point moves on.
static void encode(struct k_journal_point *point, struct k_buf *out)
{
    struct k_pending pending = {0};
    struct k_header header = {K_STR("h"), K_STR("v"), false}, null = {K_STR("n"), {NULL, 0}, true};
    struct k_header headers[] = {header, null};
    struct k_message plain[] = {message(7, "k", "v"), message(9, NULL, NULL)};
    struct k_message embedded[] = {message(0, "a", ""), message(1, NULL, NULL)};
    embedded[0].headers = headers;
    embedded[0].header_count = 2;
    add(&pending, 0, 7, plain, 1, false);
    add(&pending, 0, 8, plain + 1, 1, false); // the same range goes on
    add(&pending, 1, 0, embedded, 2, true);
    add(&pending, 0, 12, plain, 1, false); // not where it ended: another range
    struct k_at_end ends[] = {{1, 44}};
    struct k_journal_facts facts = {.pipeline = "p", .shard = 2, .clock_us = 1234, .ends = ends, .end_count = 1,
                                    .inputs = inputs, .work = 5, .final = true};
    k_journal_encode(point, &pending, &facts, out);
    k_pending_fini(&pending);
}

static struct k_message stored(const struct k_buf *bytes, int64_t offset)
{
    return (struct k_message){.value = k_buf_str(bytes), .has_value = true, .offset = offset};
}

static void test_round_trip(void **state)
{
    (void)state;
    struct k_journal_point written = {.offset = 3, .sequence = 11, .chain = 99, .epoch = 4}, read = written;
    struct k_buf bytes = {0};
    struct k_error err;
    Record *r;
    encode(&written, &bytes);
    assert_int_equal(written.sequence, 12);
    struct k_message m = stored(&bytes, 8);
    assert_int_equal(k_journal_decode(&m, "p", 2, &read, &r, &err), 0);
    assert_int_equal(read.offset, 9);
    assert_int_equal(read.sequence, 12);
    assert_int_equal(read.epoch, 4);
    assert_true(read.chain == written.chain);
    assert_int_equal(r->clock_us, 1234);
    assert_int_equal(r->work, 5);
    assert_true(r->final);
    assert_int_equal(r->n_range, 3);
    assert_int_equal(r->range[0]->first, 7);
    assert_int_equal(r->range[0]->next, 10);
    assert_int_equal(r->range[0]->count, 2);
    struct k_message plain[] = {message(7, "k", "v"), message(9, NULL, NULL)};
    assert_true(r->range[0]->hash == k_record_hash(k_record_hash(0, &plain[0]), &plain[1]));
    assert_int_equal(r->range[0]->n_record, 0);
    assert_int_equal(r->range[1]->n_record, 2);
    assert_true(r->range[1]->record[0]->has_value && r->range[1]->record[0]->value.len == 0);
    assert_false(r->range[1]->record[1]->has_value || r->range[1]->record[1]->has_key);
    assert_int_equal(r->range[1]->record[0]->n_header, 2);
    assert_string_equal(r->range[1]->record[0]->header[0]->name, "h");
    assert_false(r->range[1]->record[0]->header[1]->has_value);
    assert_int_equal(r->range[2]->first, 12);
    assert_int_equal(r->n_at_end, 1);
    assert_int_equal(r->at_end[0]->input, 1);
    assert_int_equal(r->at_end[0]->partition, 5);
    assert_int_equal(r->at_end[0]->next, 44);
    kappa__internal__journal_record__free_unpacked(r, NULL);
    k_buf_fini(&bytes);
}

static void assert_refused(const struct k_message *m, const char *pipeline, uint32_t shard,
                           const struct k_journal_point *at, const char *said)
{
    struct k_journal_point point = *at;
    struct k_error err = {0};
    Record *r = NULL;
    assert_int_equal(k_journal_decode(m, pipeline, shard, &point, &r, &err), K_E_CORRUPT);
    if (!strstr(err.text, said)) fail_msg("%s", err.text);
    assert_memory_equal(&point, at, sizeof point); // a refused record moves nothing
}

static void test_what_does_not_fit(void **state)
{
    (void)state;
    struct k_journal_point start = {.sequence = 11, .chain = 99, .epoch = 4}, end = start, other = start;
    struct k_buf bytes = {0};
    encode(&end, &bytes);
    struct k_message m = stored(&bytes, 8);
    assert_refused(&m, "q", 2, &start, "belongs to pipeline \"p\"");
    assert_refused(&m, "p", 1, &start, "shard 2");
    other.sequence = 12;
    assert_refused(&m, "p", 2, &other, "record 12 was expected, found 11");
    other = start;
    other.chain++;
    assert_refused(&m, "p", 2, &other, "the running hash of record 11 does not fit");
    struct k_message none = {.offset = 8};
    assert_refused(&none, "p", 2, &start, "offset 8 is no journal record");
    struct k_message text = {.value = K_STR("hello"), .has_value = true};
    assert_refused(&text, "p", 2, &start, "is no journal record");
    k_buf_fini(&bytes);
}

// No byte of a record can be changed, and none cut, without being noticed.
static void test_every_byte_counts(void **state)
{
    (void)state;
    struct k_journal_point start = {.sequence = 11, .chain = 99, .epoch = 4}, end = start;
    struct k_buf bytes = {0};
    struct k_error err;
    encode(&end, &bytes);
    for (size_t i = 0; i < bytes.length; i++) {
        struct k_journal_point point = start;
        Record *r = NULL;
        bytes.data[i] ^= 0x01;
        struct k_message m = stored(&bytes, 8);
        if (k_journal_decode(&m, "p", 2, &point, &r, &err) == 0) {
            kappa__internal__journal_record__free_unpacked(r, NULL);
            fail_msg("byte %zu of %zu", i, bytes.length);
        }
        bytes.data[i] ^= 0x01;
        point = start;
        m = stored(&bytes, 8);
        m.value.length = (uint32_t)i;
        assert_int_equal(k_journal_decode(&m, "p", 2, &point, &r, &err), K_E_CORRUPT);
    }
    k_buf_fini(&bytes);
}

static void test_a_newer_version(void **state)
{
    (void)state;
    struct k_journal_point start = {0};
    Record record;
    struct k_buf bytes = {0};
    kappa__internal__journal_record__init(&record);
    record.has_version = true;
    record.version = K_JOURNAL_VERSION + 1;
    record.pipeline = "p";
    k_protobuf_pack(&record.base, &bytes);
    struct k_message m = stored(&bytes, 0);
    assert_refused(&m, "p", 0, &start, "use a newer one");
    k_buf_fini(&bytes);
}

static void test_clear_keeps_nothing(void **state)
{
    (void)state;
    struct k_pending pending = {0};
    struct k_message m = message(5, "k", "v");
    add(&pending, 0, 5, &m, 1, true);
    assert_true(pending.embedded_bytes > 0);
    k_pending_clear(&pending);
    assert_int_equal(pending.range_count + pending.embedded_count + pending.embedded_bytes, 0);
    // What follows is a range of its own, although it goes on where the last one ended.
    struct k_message next = message(6, "k", "v");
    add(&pending, 0, 6, &next, 1, true);
    assert_int_equal(pending.ranges[0].first, 6);
    assert_int_equal(pending.ranges[0].embedded_at, 0);
    assert_true(pending.ranges[0].hash == k_record_hash(0, &next));
    k_pending_fini(&pending);
}

static void test_leadership(void **state)
{
    (void)state;
    struct k_plan plan = {.name = "p", .fingerprint = "0123", .shards = 2};
    struct k_error err;
    Leadership l;
    kappa__internal__journal_record__leadership__init(&l);
    l.semantics = K_SEMANTICS;
    l.fingerprint = "0123";
    l.shards = 2;
    assert_int_equal(k_leadership_check(&l, &plan, true, &err), 0);
    l.semantics++;
    assert_int_equal(k_leadership_check(&l, &plan, true, &err), K_E_CONFIG);
    assert_non_null(strstr(err.text, "semantics version"));
    l.semantics--;
    l.shards = 3;
    assert_int_equal(k_leadership_check(&l, &plan, true, &err), K_E_CONFIG);
    assert_non_null(strstr(err.text, "has 3 shards, --shards says 2"));
    l.shards = 2;
    l.fingerprint = "0124";
    assert_int_equal(k_leadership_check(&l, &plan, true, &err), K_E_CONFIG);
    assert_non_null(strstr(err.text, "runs another graph"));
    assert_int_equal(k_leadership_check(&l, &plan, false, &err), 0); // another generation has another graph
    l.fingerprint = NULL;
    assert_int_equal(k_leadership_check(&l, &plan, true, &err), K_E_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),        cmocka_unit_test(test_what_does_not_fit),
        cmocka_unit_test(test_every_byte_counts), cmocka_unit_test(test_a_newer_version),
        cmocka_unit_test(test_clear_keeps_nothing), cmocka_unit_test(test_leadership),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
