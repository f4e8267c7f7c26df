// Two readers of comma-separated values, and two cutters of messages into records, must agree on any bytes: those of
// the engine, field by field, and those of the reference, an automaton.
#include "tests/base/test.h"

#include "base/hash.h"
#include "base/json_out.h"
#include "proto/format.h"
#include "proto/unpack.h"
#include "tests/reference/decode.h"

enum { COLUMNS = 3 };
static struct k_field fields[COLUMNS] = {{.name = "a", .type = K_STRING},
                                         {.name = "n", .type = K_INT64, .not_null = true},
                                         {.name = "b", .type = K_BYTES}};
static const struct column columns[COLUMNS] = {{"a", TYPE_STRING, false, false, NULL},
                                               {"n", TYPE_INT64, true, false, NULL},
                                               {"b", TYPE_BYTES, false, false, NULL}};
static const bool read[COLUMNS] = {true, true, true};

static struct k_decoder *engine;
static struct decoder *own;
static struct k_arena arena;
static struct {
    uint32_t good, bad, pieces;
} seen;

static void add_engine(struct k_buf *out, struct k_str record)
{
    struct k_message message = {.value = record, .has_value = true};
    const struct k_message *messages[] = {&message};
    struct k_decode_result result;
    k_decode(engine, messages, 1, &arena, &result);
    if (result.bad_count) {
        k_buf_add_text(out, result.bad[0].reason);
        return;
    }
    for (uint32_t c = 0; c < COLUMNS; c++) {
        struct k_value value = k_column_value(&result.columns[c], 0);
        k_buf_add_char(out, '|');
        k_value_json(out, &value);
    }
}

static void add_own(struct k_buf *out, struct k_str record)
{
    struct value values[COLUMNS];
    const char *why = decode(own, record, false, &arena, values);
    if (why) {
        k_buf_add_text(out, why);
        return;
    }
    for (uint32_t c = 0; c < COLUMNS; c++) {
        k_buf_add_char(out, '|');
        value_json(out, &values[c]);
    }
}

static void compare(struct k_str record)
{
    struct k_buf a = {0}, b = {0};
    add_engine(&a, record);
    add_own(&b, record);
    if (strcmp(a.data, b.data) != 0)
        fail_msg("%.*s\n  engine    %s\n  reference %s", (int)record.length, record.data, a.data, b.data);
    seen.good += a.data[0] == '|';
    seen.bad += a.data[0] != '|';
    k_buf_fini(&a), k_buf_fini(&b);
    k_arena_reset(&arena);
}

static void random_bytes(struct k_buf *out, uint64_t *seed)
{
    static const char *const parts[] = {"a", "7",     ",",  ",", "\"",   "\"\"",  "\n",       "\r\n",        "\r",
                                        " ", "\"x\"", "12", "ü", "\xff", "x,1,y", "\"q\",2,", ",3,\"a\nb\"", "\n\n"};
    k_buf_clear(out);
    k_buf_add_text(out, "");
    for (uint64_t n = k_random_below(seed, 9); n > 0; n--)
        k_buf_add_text(out, parts[k_random_below(seed, sizeof parts / sizeof parts[0])]);
}

// Both cut the same records out of the bytes.
static void compare_pieces(struct k_str value, const struct k_packing *packing,
                           const Kappa__V1__Source__Format__Packed *packed)
{
    uint32_t at = 0, own_at = 0;
    struct k_str piece, own_piece;
    const char *why;
    for (;;) {
        bool more = k_unpack(packing, value, &at, &piece, &why);
        assert_int_equal(more, cut_record(packed, value, &own_at, &own_piece));
        if (!more) return;
        assert_null(why);
        if (!k_str_equal(piece, own_piece) || piece.data != own_piece.data)
            fail_msg("%.*s\n  engine    <%.*s>\n  reference <%.*s>", (int)value.length, value.data, (int)piece.length,
                     piece.data, (int)own_piece.length, own_piece.data);
        seen.pieces++;
    }
}

static void the_same(void **state)
{
    (void)state;
    uint64_t seed = 99;
    struct k_error err;
    struct k_schema schema = {fields, COLUMNS};
    struct k_decoder_options options = {.schema = &schema, .read = read, .delimiter = ','};
    Kappa__V1__Source__Format format = KAPPA__V1__SOURCE__FORMAT__INIT;
    Kappa__V1__Source__Format__Csv csv = KAPPA__V1__SOURCE__FORMAT__CSV__INIT;
    Kappa__V1__Source__Format__Packed packed_csv = KAPPA__V1__SOURCE__FORMAT__PACKED__INIT, packed_raw = packed_csv;
    format.kind_case = KAPPA__V1__SOURCE__FORMAT__KIND_CSV;
    format.csv = &csv;
    packed_csv.kind_case = KAPPA__V1__SOURCE__FORMAT__PACKED__KIND_CSV;
    packed_csv.csv = &csv;
    packed_raw.kind_case = KAPPA__V1__SOURCE__FORMAT__PACKED__KIND_RAW;
    struct decoder_options own_options = {.format = &format, .columns = columns, .count = COLUMNS, .read = read};
    struct k_arena life;
    struct k_buf record = {0};
    k_arena_init(&arena);
    k_arena_init(&life);
    assert_int_equal(k_decoder_csv(&options, &engine, &err), 0);
    assert_int_equal(decoder_create(&life, &own_options, &own, &err), 0);
    for (uint32_t round = 0; round < 300000; round++) {
        random_bytes(&record, &seed);
        compare(k_buf_str(&record));
        compare_pieces(k_buf_str(&record), &(struct k_packing){K_PACKING_CSV, ',', false}, &packed_csv);
        compare_pieces(k_buf_str(&record), &(struct k_packing){.kind = K_PACKING_LINES}, &packed_raw);
    }
    assert_true(seen.good > 5000 && seen.bad > 5000 && seen.pieces > 100000);
    k_decoder_destroy(engine);
    decoder_destroy(own);
    k_arena_fini(&life);
    k_arena_fini(&arena);
    k_buf_fini(&record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_same)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
