// What sinks write is what sources of the same format read: rows through a sink, and back through the decoder.
#include "tests/operators/harness.h"

#include <stdio.h>

#include "base/hash.h"
#include "base/json_out.h"
#include "proto/descriptor.h"

static const char *types_path;
static struct k_arena arena;
static struct k_pb_set types;

#define FIELDS                                                                                             \
    "field: 'id int64' field: 'price double' field: 'note string' field: 'ok bool' field: 'at timestamp' " \
    "field: 'raw bytes' field: 'color string' field: 'delta int64' field: 'code int64' "
#define HEAD                                     \
    "name: 'g' schema { name: 'S' " FIELDS "}\n" \
    "source { name: 's' kafka { topic: 't' } format { json {} } schema: 'S' }\n"
#define SINK(format) HEAD "sink { name: 'o' input: 's' kafka { topic: 'out' } format { " format " } }"

static const char *protobuf_graph(const char *head, const char *message)
{
    return k_arena_format(
        &arena,
        "%ssink { name: 'o' input: 's' kafka { topic: 'out' } format { protobuf { descriptor_set: '%s' "
        "message: '%s' } } }",
        head, types_path, message);
}

// The value of the one message that the sink has written since the last call.
static struct k_str written(struct harness *h)
{
    static const char before[] = "out - ";
    assert_true(h->outputs.length > sizeof before - 1);
    assert_memory_equal(h->outputs.data, before, sizeof before - 1);
    struct k_str value = {h->outputs.data + sizeof before - 1, (uint32_t)(h->outputs.length - sizeof before)};
    k_buf_clear(&h->outputs);
    return value;
}

// The row that a decoder of the visible columns reads from the value, as JSON.
static void read_back(struct k_decoder *decoder, const struct k_schema *schema, struct k_str value, struct k_buf *out)
{
    struct k_message message = {.value = value, .has_value = true};
    const struct k_message *messages[] = {&message};
    struct k_decode_result result;
    k_decode(decoder, messages, 1, &arena, &result);
    if (result.bad_count) fail_msg("%s: %s", result.bad[0].reason, result.bad[0].text);
    struct k_batch batch = {.schema = schema, .columns = result.columns, .rows = 1};
    k_buf_clear(out);
    k_row_json(out, &batch, 0);
}

static void random_row(struct k_buf *out, uint64_t *seed)
{
    static const char *const texts[] = {"\"\"",       "\"x\"",  "\"a,b\"", "\"\\\"\"", "\"\\\"\\\"a\"", "\"\\n\"",
                                        "\"\\r\\n\"", "\"ü;\"", "\" \"",   "\",\"",    "\"\\r\"",       "null"};
    static const char *const numbers[] = {"0", "-1", "9223372036854775807", "-9223372036854775808", "42", "null"};
    static const char *const small[] = {"0", "-1", "2147483647", "-2147483648", "null"};
    static const char *const codes[] = {"0", "1", "4294967295", "null"};
    static const char *const doubles[] = {"0.5", "-1e+300", "3", "null"};
    static const char *const times[] = {"\"1969-12-31T23:59:59.999999Z\"", "\"2026-01-01T00:00:00Z\"",
                                        "\"1900-01-01T00:00:00.000001Z\"", "null"};
    static const char *const bytes[] = {"\"\"", "\"/w==\"", "\"LCIK\"", "\"AA==\"", "null"};
    static const char *const colors[] = {"\"NONE\"", "\"RED\"", "\"BLUE\""};
#define ANY(list) list[k_random_below(seed, sizeof list / sizeof list[0])]
    k_buf_clear(out);
    k_buf_printf(out, "{\"id\":%s,\"price\":%s,\"note\":%s,\"ok\":%s,\"at\":%s,\"raw\":%s,\"color\":%s,\"delta\":%s,",
                 ANY(numbers), ANY(doubles), ANY(texts), k_random_below(seed, 2) ? "true" : "false", ANY(times),
                 ANY(bytes), ANY(colors), ANY(small));
    k_buf_printf(out, "\"code\":%s}", ANY(codes));
}

static void there_and_back(const char *graph, const char *zero, const struct k_decoder_options *options)
{
    struct harness h;
    struct k_error err;
    struct k_buf row = {0}, back = {0};
    harness_open(&h, graph, NULL);
    struct k_schema schema = {h.source.edge.schema.fields, 9};
    static const bool read[] = {true, true, true, true, true, true, true, true, true};
    struct k_decoder_options own = *options;
    own.schema = &schema, own.read = read;
    struct k_decoder *decoder;
    assert_int_equal(
        options->message ? k_decoder_protobuf(&own, &decoder, &err) : k_decoder_csv(&own, &decoder, &err), 0);
    uint64_t seed = 7;
    for (int round = 0; round < 3000; round++) {
        random_row(&row, &seed);
        struct row one = {row.data, 1, INT64_MIN, 1};
        assert_int_equal(harness_feed(&h, &one, 1, 1), 0);
        read_back(decoder, &schema, written(&h), &back);
        // In proto3 a field without `optional` cannot be absent: what was NULL is zero.
        static const char *const never_absent[] = {"id", "price", "raw", "delta", "code"};
        for (int i = 0; zero && i < 5; i++) {
            char null[32];
            snprintf(null, sizeof null, "\"%s\":null", never_absent[i]);
            char *at = strstr(row.data, null);
            const char *value = i == 2 ? "\"\"" : "0";
            if (!at) continue;
            size_t head = (size_t)(at - row.data) + strlen(null) - 4;
            const char *text = k_arena_format(&arena, "%.*s%s%s", (int)head, row.data, value, row.data + head + 4);
            k_buf_clear(&row);
            k_buf_add_text(&row, text);
        }
        assert_string_equal(back.data, row.data);
        k_arena_reset(&h.arena);
    }
    k_decoder_destroy(decoder);
    harness_close(&h);
    k_buf_fini(&row), k_buf_fini(&back);
}

static void csv_is_read_as_it_was(void **unused)
{
    (void)unused;
    struct k_decoder_options comma = {.delimiter = ','}, semicolon = {.delimiter = ';'};
    there_and_back(SINK("csv {}"), NULL, &comma);
    there_and_back(SINK("csv { delimiter: ';' }"), NULL, &semicolon);
}

static void protobuf_is_read_as_it_was(void **unused)
{
    (void)unused;
    struct k_decoder_options options = {.message = k_pb_find(&types, "shop.Order")};
    there_and_back(protobuf_graph(HEAD, "shop.Order"), "zero", &options);
}

static void csv_is_as_people_know_it(void **unused)
{
    (void)unused;
    static const struct row rows[] = {{"{\"id\":1,\"price\":2.5,\"note\":\"a\\\"b,c\",\"ok\":true,\"at\":\"2026-01-"
                                       "01T00:00:00Z\",\"raw\":\"eA==\"}",
                                       1, INT64_MIN, 1},
                                      {"{\"id\":2,\"note\":\"\"}", 1, INT64_MIN, 1}};
    struct harness h;
    harness_open(&h, SINK("csv {}"), NULL);
    assert_int_equal(harness_feed(&h, rows, 2, 2), 0);
    assert_text(&h.outputs, "out - 1,2.5,\"a\"\"b,c\",true,2026-01-01T00:00:00Z,x,,,\nout - 2,,\"\",,,,,,\n");
    harness_close(&h);
}

#define ONE(type)                                                                \
    "name: 'g' schema { name: 'S' field: 'v " type "' }\n"                       \
    "source { name: 's' kafka { topic: 't' } format { json {} } schema: 'S' }\n" \
    "sink { name: 'o' input: 's' kafka { topic: 'out' } format { raw {} } }"

static void raw_is_the_value(void **unused)
{
    (void)unused;
    static const struct row rows[] = {
        {"{\"v\":\"a b\"}", 1, INT64_MIN, 1}, {"{\"v\":null}", 1, INT64_MIN, 1}, {"{\"v\":\"\"}", 1, INT64_MIN, 1}};
    struct harness h;
    harness_open(&h, ONE("string"), NULL);
    assert_int_equal(harness_feed(&h, rows, 3, 3), 0);
    assert_text(&h.outputs, "out - a b\nout - \n");
    assert_text(&h.letters, "null_value {\"v\":null}\n");
    harness_check_sums(&h);
    harness_close(&h);
}

static void what_a_field_cannot_hold_fails(void **unused)
{
    (void)unused;
    static const struct row rows[] = {{"{\"color\":\"GREEN\"}", 1, INT64_MIN, 1},
                                      {"{\"delta\":2147483648}", 1, INT64_MIN, 1},
                                      {"{\"code\":-1}", 1, INT64_MIN, 1},
                                      {"{\"code\":4294967296}", 1, INT64_MIN, 1},
                                      {"{\"id\":7}", 1, INT64_MIN, 1}};
    struct harness h;
    harness_open(&h, protobuf_graph(HEAD, "shop.Order"), NULL);
    assert_int_equal(harness_feed(&h, rows, 5, 5), 0);
    assert_int_equal(h.counters.dead_lettered, 4);
    assert_int_equal(h.counters.processed, 1);
    assert_memory_equal(h.letters.data, "range ", 6);
    assert_true(k_str_equal(written(&h), K_STR("\x08\x07")));
    harness_check_sums(&h);
    harness_close(&h);
}

static void refuses(const char *graph, const char *text)
{
    struct harness h;
    harness_plan(&h, graph, NULL);
    assert_false(h.planned);
    if (!strstr(harness_diags(&h), text)) fail_msg("%s\nwanted %s", harness_diags(&h), text);
    harness_close(&h);
}

static void says_what_does_not_fit(void **unused)
{
    (void)unused;
    refuses(SINK("raw {}"),
            "sink \"o\": the raw format writes one column of type string, bytes or json, and \"s\" has 9 "
            "columns; choose one with  map { select: \"…\" }\n");
    refuses(ONE("int64"), "and \"s\" has 1 column, of type int64; choose one");
    refuses(SINK("csv { delimiter: '\"' }"), "delimiter: \"\"\" is not one ASCII character");
    refuses(protobuf_graph(HEAD, "shop.Buyer"), "sink \"o\": column \"id\": message shop.Buyer has no field \"id\"");
    refuses(protobuf_graph("name: 'g' schema { name: 'S' field: 'card string' field: 'cash int64' }\n"
                           "source { name: 's' kafka { topic: 't' } format { json {} } schema: 'S' }\n",
                           "shop.Order"),
            "columns \"card\" and \"cash\" belong to one oneof");
    refuses(protobuf_graph("name: 'g' schema { name: 'S' field: 'ms timestamp' }\n"
                           "source { name: 's' kafka { topic: 't' } format { json {} } schema: 'S' }\n",
                           "shop.Order"),
            "column \"ms\" of type timestamp cannot be written to field \"ms\" of message shop.Order, of type int64");
}

int main(int argc, char **argv)
{
    assert_int_equal(argc, 2);
    types_path = argv[1];
    struct k_buf file = {0};
    FILE *from = fopen(types_path, "rb");
    if (!from) return 1;
    k_buf_reserve(&file, 1 << 16);
    file.length = fread(file.data, 1, 1 << 16, from);
    fclose(from);
    struct k_error err;
    k_arena_init(&arena);
    if (k_pb_read(k_buf_str(&file), &arena, &types, &err) != 0) {
        fprintf(stderr, "%s: %s\n", argv[1], err.text);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_is_read_as_it_was),          cmocka_unit_test(protobuf_is_read_as_it_was),
        cmocka_unit_test(csv_is_as_people_know_it),       cmocka_unit_test(raw_is_the_value),
        cmocka_unit_test(what_a_field_cannot_hold_fails), cmocka_unit_test(says_what_does_not_fit),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    k_arena_fini(&arena);
    k_buf_fini(&file);
    return failed;
}
