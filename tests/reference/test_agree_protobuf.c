// Two readers of protobuf messages, and two cutters of values into messages, must agree on any bytes: those of the
// engine, one walk for all columns, and those of the reference, which goes the way to each column anew.
#include "tests/base/test.h"

#include <stdio.h>

#include "base/hash.h"
#include "base/json_out.h"
#include "proto/descriptor.h"
#include "proto/format.h"
#include "proto/unpack.h"
#include "tests/reference/decode.h"

#define COLUMNS(X)                                                                                                  \
    X("id", INT64, true, NULL)                                                                                      \
    X("price", DOUBLE, false, NULL) X("buyer", STRING, false, "$.buyer.name") X("age", INT64, false, "$.buyer.age") \
        X("deep", STRING, false, "$.buyer.parent.name") X("color", STRING, false, NULL)                             \
            X("color_number", INT64, false, "$.color") X("at", TIMESTAMP, false, NULL)                              \
                X("note", STRING, false, NULL) X("card", STRING, false, NULL) X("cash", INT64, false, NULL)         \
                    X("friend", STRING, false, "$.friend.name") X("ms", TIMESTAMP, false, NULL)                     \
                        X("ok", BOOL, true, NULL) X("raw", BYTES, false, NULL) X("weight", DOUBLE, false, NULL)     \
                            X("code", INT64, false, NULL) X("delta", INT64, false, NULL)
#define OF_ENGINE(NAME, TYPE, NOT_NULL, PATH) \
    {.name = NAME, .type = K_##TYPE, .not_null = NOT_NULL, .json_path = PATH},
#define OF_OWN(NAME, TYPE, NOT_NULL, PATH) {NAME, TYPE_##TYPE, NOT_NULL, false, PATH},
static struct k_field fields[] = {COLUMNS(OF_ENGINE)};
static const struct column columns[] = {COLUMNS(OF_OWN)};
enum { COUNT = sizeof fields / sizeof *fields, ROUNDS = 200000 };

static const char *path;
static struct k_decoder *engine;
static struct decoder *own;
static struct k_arena arena, life;
static struct {
    uint32_t good, bad, pieces;
} seen;

static const char *add_engine(struct k_buf *out, struct k_str record)
{
    struct k_message message = {.value = record, .has_value = true};
    const struct k_message *messages[] = {&message};
    struct k_decode_result result;
    k_decode(engine, messages, 1, &arena, &result);
    if (result.bad_count) return result.bad[0].reason;
    for (uint32_t c = 0; c < COUNT; c++) {
        struct k_value value = k_column_value(&result.columns[c], 0);
        k_buf_add_char(out, '|');
        k_value_json(out, &value);
    }
    return NULL;
}

static const char *add_own(struct k_buf *out, struct k_str record)
{
    struct value values[COUNT];
    const char *why = decode(own, record, false, &arena, values);
    for (uint32_t c = 0; c < COUNT && !why; c++) {
        k_buf_add_char(out, '|');
        value_json(out, &values[c]);
    }
    return why;
}

// Of several values that are wrong it is open which one is told.
static bool is_of_value(const char *why)
{
    return strcmp(why, "missing") == 0 || strcmp(why, "range") == 0 || strcmp(why, "utf8") == 0;
}

static void compare(struct k_str record)
{
    struct k_buf a = {0}, b = {0}, hex = {0};
    const char *theirs = add_engine(&a, record), *ours = add_own(&b, record);
    bool same = theirs && ours ? strcmp(theirs, ours) == 0 || (is_of_value(theirs) && is_of_value(ours))
                               : !theirs && !ours && k_str_equal(k_buf_str(&a), k_buf_str(&b));
    for (uint32_t i = 0; i < record.length; i++) k_buf_printf(&hex, "%02x", (uint8_t)record.data[i]);
    if (!same)
        fail_msg("%s\n  engine    %s %s\n  reference %s %s", hex.data ? hex.data : "", theirs ? theirs : "",
                 a.data ? a.data : "", ours ? ours : "", b.data ? b.data : "");
    seen.good += !theirs;
    seen.bad += theirs != NULL;
    k_buf_fini(&a), k_buf_fini(&b), k_buf_fini(&hex);
    k_arena_reset(&arena);
}

static void add_varint(struct k_buf *out, uint64_t value)
{
    for (; value >= 128; value /= 128) k_buf_add_char(out, (char)(value % 128 | 128));
    k_buf_add_char(out, (char)value);
}

static uint64_t number(uint64_t *seed)
{
    static const uint64_t numbers[] = {0, 1, 7, 127, 128, 300, UINT32_MAX, (uint64_t)-2, UINT64_MAX, 1ull << 63};
    uint64_t draw = k_random_below(seed, 14);
    return draw < 10 ? numbers[draw] : draw < 12 ? k_random_below(seed, 3) : k_random(seed);
}

static void add_message(struct k_buf *out, uint64_t *seed, uint32_t depth);

static void add_field(struct k_buf *out, uint64_t *seed, uint32_t depth)
{
    static const char *const texts[] = {"", "a", "ü", "\xff", "longer than that"};
    static const uint8_t numbers[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 100, 63, 64};
    // By field number: how shop.Order has it written; in shop.Buyer and Timestamp the lower numbers mean others.
    static const uint8_t kinds[] = {0, 0, 1, 2, 0, 2, 2, 2, 0, 2, 2, 0, 0, 2, 5, 5};
    uint8_t n = numbers[k_random_below(seed, sizeof numbers)], kind = n < 16 ? kinds[n] : 0;
    bool is_message = n == 3 || n == 5 || n == 9;
    if (depth > 0) {
        n = (uint8_t)(1 + k_random_below(seed, 4));
        kind = n == 1 ? 2 : n == 2 ? 0 : 2;
        is_message = n == 4;
        if (k_random_below(seed, 3) == 0) n = (uint8_t)(1 + k_random_below(seed, 2)), kind = 0; // of a Timestamp
    }
    if (k_random_below(seed, 60) == 0) kind = (uint8_t)k_random_below(seed, 8);
    struct k_buf inner = {0};
    k_buf_add_text(&inner, "");
    add_varint(out, (uint64_t)n << 3 | kind);
    if (kind == 0) add_varint(out, number(seed));
    else if (kind == 1) k_buf_add(out, "\0\0\0\0\0\0\xf0?", 8);
    else if (kind == 5) k_buf_add(out, "\1\0\xc0?", 4);
    else if (kind == 2) {
        if (is_message && depth < 3) add_message(&inner, seed, depth + 1);
        else k_buf_add_text(&inner, texts[k_random_below(seed, 5)]);
        add_varint(out, inner.length);
        k_buf_add(out, inner.data, inner.length);
    } else if (kind == 3 && k_random_below(seed, 2)) {
        add_field(out, seed, 3);
        add_varint(out, (uint64_t)n << 3 | 4);
    }
    k_buf_fini(&inner);
}

static void add_message(struct k_buf *out, uint64_t *seed, uint32_t depth)
{
    for (uint64_t n = k_random_below(seed, 7); n > 0; n--) add_field(out, seed, depth);
    if (out->length && k_random_below(seed, 40) == 0) out->length -= 1 + k_random_below(seed, out->length);
}

// Both cut the same records out of the bytes, and see no record at the same place.
static void compare_pieces(struct k_str value)
{
    static const struct k_packing packing = {.kind = K_PACKING_LENGTHS};
    uint32_t at = 0, own_at = 0;
    struct k_str piece, own_piece;
    const char *why, *own_why;
    while (k_unpack(&packing, value, &at, &piece, &why)) {
        assert_true(cut_lengths(value, &own_at, &own_piece, &own_why));
        assert_int_equal(at, own_at);
        assert_int_equal(!why, !own_why);
        assert_true(k_str_equal(piece, own_piece) && piece.data == own_piece.data);
        seen.pieces++;
    }
    assert_false(cut_lengths(value, &own_at, &own_piece, &own_why));
}

static void open_both(void)
{
    static bool read[COUNT];
    static struct k_pb_set types;
    static Kappa__V1__Source__Format format = KAPPA__V1__SOURCE__FORMAT__INIT;
    static Kappa__V1__Source__Format__Protobuf protobuf = KAPPA__V1__SOURCE__FORMAT__PROTOBUF__INIT;
    struct k_schema schema = {fields, COUNT};
    struct k_error err;
    struct k_buf bytes = {0};
    char part[4096];
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    for (size_t n; (n = fread(part, 1, sizeof part, file)) > 0;) k_buf_add(&bytes, part, n);
    fclose(file);
    for (uint32_t i = 0; i < COUNT; i++) read[i] = true;
    assert_int_equal(k_pb_read(k_buf_str(&bytes), &life, &types, &err), 0);
    struct k_schema *kept = k_arena_get(&life, sizeof *kept);
    *kept = schema;
    struct k_decoder_options options = {
        .schema = kept, .read = read, .message = k_pb_find(&types, "shop.Order"), .timestamp_unit = K_UNIT_MS};
    assert_int_equal(k_decoder_protobuf(&options, &engine, &err), 0);
    format.kind_case = KAPPA__V1__SOURCE__FORMAT__KIND_PROTOBUF;
    format.protobuf = &protobuf;
    protobuf.descriptor_set = (char *)path;
    protobuf.message = (char *)"shop.Order";
    struct decoder_options own_options = {.format = &format, .columns = columns, .count = COUNT, .read = read};
    if (decoder_create(&life, &own_options, &own, &err)) fail_msg("%s", err.text);
    k_buf_fini(&bytes);
}

static void the_same(void **state)
{
    (void)state;
    uint64_t seed = 4;
    struct k_buf record = {0}, packed = {0};
    k_arena_init(&arena);
    k_arena_init(&life);
    open_both();
    for (uint32_t round = 0; round < ROUNDS; round++) {
        k_buf_clear(&record);
        k_buf_add_text(&record, "");
        add_message(&record, &seed, 0);
        compare(k_buf_str(&record));
        if (k_random_below(&seed, 3) == 0) k_buf_clear(&packed);
        add_varint(&packed, record.length + (k_random_below(&seed, 20) == 0));
        k_buf_add(&packed, record.data, record.length);
        compare_pieces(k_buf_str(&packed));
    }
    compare((struct k_str){"\0\0\0\0\7", 5});
    assert_true(seen.good > ROUNDS / 5 && seen.bad > ROUNDS / 5 && seen.pieces > ROUNDS);
    k_decoder_destroy(engine);
    decoder_destroy(own);
    k_arena_fini(&life);
    k_arena_fini(&arena);
    k_buf_fini(&record), k_buf_fini(&packed);
}

int main(int argc, char **argv)
{
    if (argc < 2) return 2;
    path = argv[1];
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_same)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
