// Keys: memcmp order is the order of values, decoding gives them back. Rows: round trip, older and newer graphs,
// damage. And the worked example of docs/state-format.md, byte for byte.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "state/encoding.h"
#include "state/table.h"
#include "tests/state/support.h"

enum { COLUMNS = 4, TRIALS = 60000, TEXT = 6 };

static const enum k_type types[] = {K_BOOL, K_INT64, K_DOUBLE, K_STRING, K_BYTES, K_TIMESTAMP, K_JSON};
enum { TYPES = sizeof types / sizeof *types };

static int64_t random_int(uint64_t *random)
{
    static const int64_t special[] = {0, 1, -1, INT64_MIN, INT64_MAX, INT64_MIN + 1, 255, 256, -256};
    uint64_t choice = k_random_below(random, 16);
    if (choice < 9) return special[choice];
    return (int64_t)(k_random(random) >> k_random_below(random, 64)) * (choice % 2 ? 1 : -1);
}

static double random_double(uint64_t *random)
{
    static const double special[] = {0, -0.0, 1, -1, INFINITY, -INFINITY, NAN, 5e-324, -5e-324, 1e308};
    uint64_t choice = k_random_below(random, 20);
    if (choice < 10) return special[choice];
    uint64_t bits = k_random(random);
    double value;
    memcpy(&value, &bits, 8);
    return value;
}

static struct k_value random_value(uint64_t *random, enum k_type type, char text[TEXT])
{
    struct k_value value = {.type = type};
    if (k_random_below(random, 8) == 0) return (struct k_value){.null = true};
    switch (type) {
    case K_BOOL: value.b = k_random_below(random, 2); break;
    case K_DOUBLE: value.d = random_double(random); break;
    case K_INT64:
    case K_TIMESTAMP: value.i = random_int(random); break;
    default:
        // Few letters, 00 and ff among them: beginnings of each other and escapes are common.
        value.s = (struct k_str){text, (uint32_t)k_random_below(random, TEXT)};
        for (uint32_t i = 0; i < value.s.length; i++) text[i] = "\0\1\xff" "a"[k_random_below(random, 4)];
    }
    return value;
}

static int compare_doubles(double a, double b)
{
    if (isnan(a) || isnan(b)) return (isnan(a) != 0) - (isnan(b) != 0);
    return (a > b) - (a < b);
}

static int compare_values(const struct k_value *a, const struct k_value *b)
{
    if (a->null || b->null) return (int)b->null - (int)a->null;
    switch (a->type) {
    case K_BOOL: return (int)a->b - (int)b->b;
    case K_DOUBLE: return compare_doubles(a->d, b->d);
    case K_INT64:
    case K_TIMESTAMP: return (a->i > b->i) - (a->i < b->i);
    default: return k_str_compare(a->s, b->s);
    }
}

static int sign(int order) { return (order > 0) - (order < 0); }

static void check_same(const struct k_value *value, const struct k_value *decoded)
{
    assert_int_equal(value->null, decoded->null);
    if (value->null) return;
    assert_int_equal(value->type, decoded->type);
    assert_int_equal(compare_values(value, decoded), 0);
}

static void test_key_order(void **unused)
{
    (void)unused;
    uint64_t random = test_seed("key order");
    struct k_arena arena;
    k_arena_init(&arena);
    struct k_buf a = {0}, b = {0};
    for (int trial = 0; trial < TRIALS; trial++) {
        char texts[2][COLUMNS][TEXT];
        struct k_value left[COLUMNS], right[COLUMNS], decoded[COLUMNS];
        uint32_t count = 1 + (uint32_t)k_random_below(&random, COLUMNS);
        int expected = 0;
        k_buf_clear(&a);
        k_buf_clear(&b);
        for (uint32_t i = 0; i < count; i++) {
            enum k_type type = types[k_random_below(&random, TYPES)];
            left[i] = random_value(&random, type, texts[0][i]);
            right[i] = k_random_below(&random, 2) ? left[i] : random_value(&random, type, texts[1][i]);
            if (expected == 0) expected = compare_values(&left[i], &right[i]);
            k_key_add_value(&a, &left[i]);
            k_key_add_value(&b, &right[i]);
        }
        assert_int_equal(sign(k_str_compare(k_buf_str(&a), k_buf_str(&b))), sign(expected));

        struct k_error err = {0};
        size_t used;
        k_buf_add_char(&a, 'x'); // what follows a key is not its business
        check_ok(k_key_decode(k_buf_str(&a), count, &arena, decoded, &used, &err), &err);
        assert_int_equal(used, a.length - 1);
        for (uint32_t i = 0; i < count; i++) check_same(&left[i], &decoded[i]);
        // Cut short anywhere, it is no key.
        struct k_str cut = {a.data, (uint32_t)k_random_below(&random, a.length - 1)};
        assert_int_equal(k_key_decode(cut, count, &arena, decoded, &used, &err), K_E_CORRUPT);
        k_arena_reset(&arena);
    }
    k_buf_fini(&a);
    k_buf_fini(&b);
    k_arena_fini(&arena);
}

static void test_key_damage(void **unused)
{
    (void)unused;
    struct k_arena arena;
    k_arena_init(&arena);
    static const struct k_str damaged[] = {
        {"\x00", 1}, {"\x02", 1}, {"\x11\x02", 2}, {"\x14" "a\0\1\0\0", 6}, {"\x1a", 1}, {"\x18\0\0", 3},
        {"\x14" "abc", 4}, {"\x14" "a\0", 3}, {"\x12" "1234567", 8},
    };
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        struct k_value value;
        size_t used;
        struct k_error err;
        assert_int_equal(k_key_decode(damaged[i], 1, &arena, &value, &used, &err), K_E_CORRUPT);
    }
    k_arena_fini(&arena);
}

// The vectorised encoder gives the same bytes as the one for single values.
static void test_keys_of_rows(void **unused)
{
    (void)unused;
    enum { ROWS = 64 };
    uint64_t random = test_seed("keys of rows");
    struct k_arena arena;
    k_arena_init(&arena);
    for (int trial = 0; trial < 500; trial++) {
        uint32_t count = 1 + (uint32_t)k_random_below(&random, COLUMNS), selection[ROWS], selected = 0;
        struct k_column columns[COLUMNS];
        const struct k_column *pointers[COLUMNS];
        for (uint32_t c = 0; c < count; c++) {
            enum k_type type = types[k_random_below(&random, TYPES)];
            char *data = k_arena_zeroed(&arena, ROWS * k_type_width(type));
            uint8_t *valid = k_arena_zeroed(&arena, ROWS);
            bool nullable = k_random_below(&random, 2);
            for (uint32_t r = 0; r < ROWS; r++) {
                struct k_value value = random_value(&random, type, k_arena_get(&arena, TEXT));
                valid[r] = !value.null;
                if (value.null) continue;
                memcpy(data + r * k_type_width(type), type == K_BOOL ? (const void *)&value.b : &value.s,
                       k_type_width(type));
            }
            columns[c] = (struct k_column){.type = type, .valid = nullable ? valid : NULL, .data = data};
            if (k_random_below(&random, 10) == 0) columns[c].data = NULL; // a column that nobody decoded
            pointers[c] = &columns[c];
        }
        for (uint32_t r = 0; r < ROWS; r++)
            if (k_random_below(&random, 3)) selection[selected++] = r;
        struct k_str keys[ROWS];
        k_keys_of_rows(pointers, count, selection, selected, &arena, keys);
        struct k_buf expected = {0};
        for (uint32_t i = 0; i < selected; i++) {
            k_buf_clear(&expected);
            for (uint32_t c = 0; c < count; c++) {
                struct k_value value = k_column_value(pointers[c], selection[i]);
                k_key_add_value(&expected, &value);
            }
            assert_true(k_str_equal(keys[i], k_buf_str(&expected)));
        }
        k_buf_fini(&expected);
        k_arena_reset(&arena);
    }
    k_arena_fini(&arena);
}

static void test_rows(void **unused)
{
    (void)unused;
    uint64_t random = test_seed("rows");
    struct k_buf row = {0};
    for (int trial = 0; trial < TRIALS / 4; trial++) {
        char texts[COLUMNS][TEXT];
        struct k_value values[COLUMNS], decoded[COLUMNS + 2];
        uint32_t count = (uint32_t)k_random_below(&random, COLUMNS + 1);
        k_buf_clear(&row);
        for (uint32_t i = 0; i < count; i++)
            values[i] = random_value(&random, types[k_random_below(&random, TYPES)], texts[i]);
        int64_t base_us = random_int(&random), stored_us;
        k_table_row_encode_values(&row, base_us, values, count);
        // A graph with more columns reads NULLs, one with fewer does not see the rest.
        uint32_t wanted = (uint32_t)k_random_below(&random, COLUMNS + 3);
        struct k_error err = {0};
        check_ok(k_table_row_decode(k_buf_str(&row), wanted, &stored_us, decoded, &err), &err);
        assert_int_equal(stored_us, base_us);
        for (uint32_t i = 0; i < wanted; i++) {
            if (i < count) check_same(&values[i], &decoded[i]);
            else assert_true(decoded[i].null);
        }
        struct k_str cut = {row.data, (uint32_t)k_random_below(&random, row.length)};
        assert_int_equal(k_table_row_decode(cut, count, &stored_us, decoded, &err), K_E_CORRUPT);
        k_buf_add_char(&row, 0);
        assert_int_equal(k_table_row_decode(k_buf_str(&row), count, &stored_us, decoded, &err), K_E_CORRUPT);
    }
    k_buf_fini(&row);
}

static void test_expiry(void **unused)
{
    (void)unused;
    static const struct { int64_t base, retention, frontier; bool gone; } cases[] = {
        {100, 10, 109, false}, {100, 10, 110, true}, {100, 0, 100, true}, {100, -1, INT64_MAX, false},
        {K_TABLE_NEVER, 0, INT64_MAX, false}, {INT64_MAX - 1, 10, INT64_MAX, false}, {-100, 50, -51, false},
        {-100, 50, -50, true}, {100, 10, INT64_MIN, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(k_table_row_expired(cases[i].base, cases[i].retention, cases[i].frontier), cases[i].gone);
}

// Vectors of other producers: librdkafka's murmur2 and zlib's CRC-32.
static void test_shard_of(void **unused)
{
    (void)unused;
    struct k_value text = {.type = K_STRING, .s = K_STR("123456789")}, number = {.type = K_INT64, .i = 123456789};
    assert_int_equal(k_table_shard_of(&text, true, 1u << 30, 1u << 30), 0xcbf43926 % (1u << 30));
    assert_int_equal(k_table_shard_of(&number, true, 1000, 7), 0xcbf43926 % 1000 % 7);
    struct k_value kafka = {.type = K_STRING, .s = K_STR("kafka")};
    assert_int_equal(k_table_shard_of(&kafka, false, INT32_MAX, INT32_MAX), 0xd067cf64 & 0x7fffffff);
    struct k_value time = {.type = K_TIMESTAMP, .i = 0}, same = {.type = K_STRING, .s = K_STR("1970-01-01T00:00:00Z")};
    assert_int_equal(k_table_shard_of(&time, false, 1000, 1000), k_table_shard_of(&same, false, 1000, 1000));
    assert_int_equal(k_table_shard_of(&(struct k_value){.type = K_STRING, .null = true}, false, 8, 2), -1);
}

static void check_hex(const struct k_buf *bytes, const char *expected)
{
    struct k_buf hex = {0};
    for (size_t i = 0; i < bytes->length; i++) k_buf_printf(&hex, "%02x", (uint8_t)bytes->data[i]);
    k_buf_add_char(&hex, 0);
    assert_string_equal(hex.data, expected);
    k_buf_fini(&hex);
}

// The bytes between ``` and ``` behind a marker in the document, without blanks.
static char *documented(const char *marker)
{
    FILE *file = fopen(getenv("STATE_FORMAT_MD"), "r");
    assert_non_null(file);
    char line[400], *bytes = k_format("%s", "");
    int inside = 0;
    while (fgets(line, sizeof line, file)) {
        if (inside == 0 && strstr(line, marker)) inside = 1;
        else if (inside > 0 && strncmp(line, "```", 3) == 0) inside++;
        else if (inside == 2)
            for (char *word = strtok(line, " \n"); word && strcmp(word, "|"); word = strtok(NULL, " \n")) {
                char *longer = k_format("%s%s", bytes, word);
                free(bytes);
                bytes = longer;
            }
        if (inside == 3) break;
    }
    fclose(file);
    assert_int_equal(inside, 3);
    return bytes;
}

static void test_documented_example(void **unused)
{
    (void)unused;
    struct k_value values[] = {
        {.type = K_STRING, .s = K_STR("/a\0b")}, {.type = K_TIMESTAMP, .i = 1767225600000000},
        {.type = K_INT64, .i = -3},              {.type = K_DOUBLE, .d = -2.5},
        {.type = K_BOOL, .b = true},             {.null = true},
    };
    struct k_buf key = {0}, row = {0};
    k_buf_add_char(&key, 1);
    k_buf_add(&key, "\0\0\0\7", 4);
    k_key_add_i64(&key, 0);
    for (int i = 0; i < 6; i++) k_key_add_value(&key, &values[i]);
    k_table_row_encode_values(&row, 1767225660000000, values, 6);
    char *documented_key = documented("**Key.**"), *documented_row = documented("**Value.**");
    check_hex(&key, documented_key);
    check_hex(&row, documented_row);
    free(documented_key);
    free(documented_row);
    k_buf_fini(&key);
    k_buf_fini(&row);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_order),    cmocka_unit_test(test_key_damage),
        cmocka_unit_test(test_keys_of_rows), cmocka_unit_test(test_rows),
        cmocka_unit_test(test_expiry),       cmocka_unit_test(test_shard_of),
        cmocka_unit_test(test_documented_example),
    };
    return cmocka_run_group_tests_name("encoding", tests, NULL, NULL);
}
