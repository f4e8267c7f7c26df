// The fast writer of rows says what the plain one says, byte for byte.
#include "tests/base/test.h"

#include <math.h>

#include "base/hash.h"
#include "operators/row_text.h"

enum { ROWS = 64 };

static struct k_field fields[] = {
    {.name = "i", .type = K_INT64},    {.name = "_hidden", .type = K_INT64, .hidden = true},
    {.name = "s\"\\", .type = K_STRING}, {.name = "b", .type = K_BOOL},
    {.name = "d", .type = K_DOUBLE},   {.name = "t", .type = K_TIMESTAMP},
    {.name = "y", .type = K_BYTES},    {.name = "j", .type = K_JSON},
    {.name = "unread", .type = K_INT64},
};
enum { FIELDS = sizeof fields / sizeof fields[0] };

static struct k_str random_text(uint64_t *seed, struct k_arena *arena)
{
    uint32_t length = (uint32_t)k_random_below(seed, 40);
    char *text = k_arena_get(arena, length + 1);
    for (uint32_t i = 0; i < length; i++) text[i] = (char)(' ' + k_random_below(seed, 95));
    // Sometimes one byte, anywhere, that is not plain, or only nearly so.
    static const char odd[] = {'"', '\\', 0x1f, 0,          0x7f,       ' ',        '!',
                               '#', '[',  ']',  (char)0x80, (char)0xff, (char)0xa2, (char)0xdc};
    if (length && k_random_below(seed, 2)) text[k_random_below(seed, length)] = odd[k_random_below(seed, sizeof odd)];
    return (struct k_str){text, length};
}

static int64_t random_int(uint64_t *seed)
{
    static const int64_t edges[] = {0, -1, 9, 10, 99, 100, -100, 101, INT64_MIN, INT64_MAX, 1000000, 99999999};
    if (k_random_below(seed, 3) == 0) return edges[k_random_below(seed, 12)];
    return (int64_t)k_random(seed) >> k_random_below(seed, 64);
}

static void make_column(struct k_column *column, enum k_type type, uint64_t *seed, struct k_arena *arena)
{
    char *data = k_arena_zeroed(arena, ROWS * sizeof(struct k_str));
    uint8_t *valid = k_arena_get(arena, ROWS);
    static const double doubles[] = {0, -0.0, 0.1, 1e300, NAN, INFINITY, 3};
    for (uint32_t r = 0; r < ROWS; r++) {
        valid[r] = k_random_below(seed, 5) != 0;
        switch (type) {
        case K_BOOL: ((uint8_t *)data)[r] = (uint8_t)k_random_below(seed, 2); break;
        case K_DOUBLE: ((double *)data)[r] = doubles[k_random_below(seed, 7)]; break;
        case K_INT64:
        case K_TIMESTAMP: ((int64_t *)data)[r] = random_int(seed); break;
        case K_JSON: ((struct k_str *)data)[r] = K_STR("{\"a\":[1,2]}"); break;
        default: ((struct k_str *)data)[r] = random_text(seed, arena); break;
        }
    }
    *column = (struct k_column){.type = type, .data = data, .valid = k_random_below(seed, 3) ? valid : NULL};
}

static void same_bytes(void **unused)
{
    (void)unused;
    uint64_t seed = 7;
    print_message("seed %llu\n", (unsigned long long)seed);
    struct k_arena arena;
    k_arena_init(&arena);
    struct k_schema schema = {fields, FIELDS};
    for (int round = 0; round < 300; round++) {
        schema.count = 1 + (uint32_t)k_random_below(&seed, FIELDS);
        struct k_row_text *text = k_row_text_make(&arena, &schema);
        struct k_column columns[FIELDS] = {{.type = K_NO_TYPE}};
        for (uint32_t i = 0; i < FIELDS; i++) make_column(&columns[i], fields[i].type, &seed, &arena);
        columns[FIELDS - 1].data = NULL; // not decoded
        struct k_batch batch = {.schema = &schema, .columns = columns, .rows = ROWS};
        struct k_buf fast = {0}, plain = {0};
        for (uint32_t r = 0; r < ROWS; r++) {
            k_row_text_add(text, &fast, &batch, r);
            k_row_json(&plain, &batch, r);
        }
        assert_string_equal(fast.data, plain.data);
        assert_int_equal(fast.length, plain.length);
        k_buf_fini(&fast);
        k_buf_fini(&plain);
        k_arena_reset(&arena);
    }
    struct k_schema nothing = {fields + 1, 1};
    struct k_column column = {.type = K_INT64};
    struct k_batch batch = {.schema = &nothing, .columns = &column, .rows = 1};
    struct k_buf out = {0};
    k_row_text_add(k_row_text_make(&arena, &nothing), &out, &batch, 0);
    assert_string_equal(out.data, "{}");
    k_buf_fini(&out);
    k_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_bytes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
