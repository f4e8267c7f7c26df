// The ways through a JSON record must agree: the same verdict and text, the same values. Random records of a few
// shapes, many of them damaged, go through the template and the full reader, one by one and as a batch, with what this
// processor has and with what every one has. KAPPA_SEED=n repeats a run, KAPPA_ROUNDS=n makes it longer.
#include "tests/proto/decode.h"

#include "base/hash.h"
#include "proto/format_json_template.h"

static uint64_t seed, round_seed;

static uint64_t below(uint64_t n)
{
    return k_random_below(&seed, n);
}

static void put_value(struct k_buf *out, int depth)
{
    static const char *const texts[] = {
        "0", "-0", "7", "-12", "123456", "9223372036854775807", "9223372036854775808", "1.5", "1e3", "-2.25E-2",
        "1e999",
        "true", "false", "null", "nul", "NaN", "01", "\"\"", "\"a\"", "\"abcdefgh\"",
        "\"abcdefghijklmnopqrstuvwxyz0123456789\"",
        "\"\\\"\"", "\"a\\\\\"", "\"\\u00e9x\"", "\"\\ud800\"", "\"\\q\"", "\"caf\xc3\xa9\"", "\"\xff\"", "\"{[,:]}\"",
        "\"2026-01-01T00:00:07Z\"", "\"AQID\"", "\"0123456789abcde\\\"\"", "\"0123456789abcd\\\\\"", "{}", "[]",
        "[1,2]",
        "[\"]\",{\"a\":\"}\"}]", "{\"p\":\"n\"}", "[\\\"]", "[\\\"a\"]", "\"\\\x01\"", "a\"b\"", "1\\"};
    uint64_t pick = below(sizeof texts / sizeof texts[0] + 4);
    if (pick < sizeof texts / sizeof texts[0]) {
        k_buf_add_text(out, texts[pick]);
    } else if (depth < 3) {
        k_buf_add_text(out, pick % 2 ? "[" : "{\"k\":");
        put_value(out, depth + 1);
        if (below(2)) {
            k_buf_add_text(out, pick % 2 ? "," : ",\"p\":");
            put_value(out, depth + 1);
        }
        k_buf_add_char(out, pick % 2 ? ']' : '}');
    } else {
        k_buf_printf(out, "%d", (int)below(100000));
    }
}

// A value that fits what the test reads, most of the time.
static void put_good(struct k_buf *out, const char *key)
{
    if (below(16) == 0) {
        put_value(out, 0);
    } else if (key[0] == 'i' || key[0] == 'p') {
        k_buf_printf(out, "%lld", (long long)k_random(&seed) >> below(64));
    } else if (key[0] == 's') {
        k_buf_printf(out, "\"%.*s%s\"", (int)below(40), "the quick brown fox jumps over the lazy dog",
        below(8) ? "" : "\\n");
    } else if (key[0] == 't') {
        k_buf_printf(out, "\"2026-01-01T00:%02d:07Z\"", (int)below(60));
    } else if (key[0] == 'd') {
        k_buf_printf(out, "%g", (double)below(1000000) / 64);
    } else if (key[0] == 'b') {
        k_buf_add_text(out, below(2) ? "true" : "false");
    } else {
        put_value(out, 0);
    }
}

static const char *const keys[] = {"i", "s", "t", "d", "b", "j", "u", "v", "\\u0069", "o",
"long_key_of_more_than_16_bytes"};
enum { KEYS = sizeof keys / sizeof keys[0] };

// Records of one style share keys, order and spaces.
static void put_record(struct k_buf *out, uint64_t style)
{
    uint64_t random = style, count = k_random_below(&random, KEYS);
    const char *space = style % 3 ? "" : style % 2 ? " " : "\n  ";
    k_buf_add_char(out, '{');
    for (uint64_t i = 0; i < count; i++) {
        const char *key = keys[k_random_below(&random, KEYS)];
        k_buf_printf(out, "%s%s\"%s\":%s", i ? "," : "", space, key, space);
        if (key[0] == 'o' && below(8)) {
            k_buf_printf(out, "{\"u\":[%d],\"p\":", (int)below(1000));
            put_good(out, "p");
            k_buf_add_text(out, style % 2 ? "}" : ",\"q\":{\"r\":\"deep\"}}");
        } else {
            put_good(out, key);
        }
    }
    k_buf_printf(out, "%s}%s", space, style % 5 ? "" : "\n");
}

// Changes, inserts, removes or repeats a few bytes.
static void damage(struct k_buf *text)
{
    static const char bytes[] = "\"\"\"\\\\{}[]::,,  \n\t01-eE.ntfau\xc3\xa9\xff\x01\x1a";
    for (uint64_t times = 1 + below(3); times > 0 && text->length > 0; times--) {
        size_t at = below(text->length), more = below(8), rest = text->length - at;
        if (more > rest) more = rest;
        switch (below(5)) {
        case 0: text->data[at] = bytes[below(sizeof bytes)]; break; // a NUL among them
        case 1: text->data[at] = (char)(text->data[at] ^ 1 << below(8)); break;
        case 2: text->length = at; break;
        case 3:
            memmove(text->data + at, text->data + at + more, rest - more);
            text->length -= more;
            break;
        case 4:
            k_buf_reserve(text, more);
            memmove(text->data + at + more, text->data + at, rest);
            text->length += more;
            break;
        }
    }
}

struct pair {
    struct decode fast, full;
};

static void compare(struct pair *pair, struct k_str record)
{
    const char *fast_text = "", *full_text = "";
    const char *fast = decode_one(&pair->fast, record, &fast_text);
    const char *full = decode_one(&pair->full, record, &full_text);
    if (strcmp(fast, full) == 0 && strcmp(fast_text, full_text) == 0) return;
    fail_msg("they differ (KAPPA_SEED=%llu KAPPA_ROUNDS=1):\n%.*s\n template %s (%s)\n full     %s (%s)",
             (unsigned long long)round_seed, (int)record.length, record.data, fast, fast_text, full, full_text);
}

static void pair_init(struct pair *pair, const char *const *fields)
{
    decode_json(&pair->fast, fields, false);
    decode_json(&pair->full, fields, false);
    k_json_full_only(pair->full.decoder);
}

static void pair_fini(struct pair *pair)
{
    decode_fini(&pair->fast);
    decode_fini(&pair->full);
}

enum { BATCH = 40 };
struct batch {
    struct k_message messages[BATCH];
    const struct k_message *pointers[BATCH];
    uint32_t count;
};

static void put_batch(struct batch *batch, struct k_str record)
{
    uint32_t i = batch->count++;
    batch->messages[i] = (struct k_message){.value = {exact_copy(record), record.length}, .has_value = true};
    batch->pointers[i] = &batch->messages[i];
}

// Everything that came out of a batch.
static void batch_text(struct decode *d, const struct batch *batch, struct k_buf *out)
{
    struct k_decode_result result;
    k_arena_reset(&d->arena);
    k_decode(d->decoder, batch->pointers, batch->count, &d->arena, &result);
    for (uint32_t row = 0, bad = 0; row < batch->count; row++) {
        if (bad < result.bad_count && result.bad[bad].row == row) {
            k_buf_printf(out, "%s: %s\n", result.bad[bad].reason, result.bad[bad].text);
            bad++;
            continue;
        }
        for (uint32_t i = 0; i < d->schema.count; i++) {
            struct k_value value = {.null = true};
            if (d->read[i]) value = k_column_value(&result.columns[i], row);
            k_value_json(out, &value);
            k_buf_add_char(out, i + 1 < d->schema.count ? ',' : '\n');
        }
    }
}

// The batch is forgotten.
static void compare_batch(struct pair *pair, struct batch *batch)
{
    struct k_buf fast = {0}, full = {0};
    batch_text(&pair->fast, batch, &fast);
    batch_text(&pair->full, batch, &full);
    uint32_t same = 0;
    while (same < fast.length && same < full.length && fast.data[same] == full.data[same]) same++;
    if (!k_str_equal(k_buf_str(&fast), k_buf_str(&full)))
        fail_msg("batches differ (KAPPA_SEED=%llu KAPPA_ROUNDS=1) from:\n%.200s\n full:\n%.200s",
                 (unsigned long long)round_seed, fast.data + same, full.data + same);
    for (; batch->count > 0; batch->count--) free((char *)batch->messages[batch->count - 1].value.data);
    k_buf_fini(&fast);
    k_buf_fini(&full);
}

static uint64_t matched(const struct pair *pair)
{
    return k_json_template_matched(((struct k_json_decoder *)pair->fast.decoder)->shapes);
}

static uint64_t environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 0) : otherwise;
}

static void test_random(void **state)
{
    (void)state;
    static const char *const schemas[][FIELDS_MAX] = {
        {"i int64", "s string", "t timestamp", "d double", "b bool", NULL},
        {"i int64 not null", "p int64 at $.o.p", NULL},
        {"p int64 at $.o.p", "r string at $.o.q.r", "j json", "-s string", NULL},
        {"o json", "p string at $.o.p", "d int64", NULL},
        {"-i int64", NULL},
        {"x int64 at $.long_key_of_more_than_16_bytes", "s bytes", "t string not null", NULL},
    };
    uint64_t rounds = environment("KAPPA_ROUNDS", 1500), first = environment("KAPPA_SEED", 20260101);
    struct k_buf text = {0};
    for (uint64_t round = 0; round < rounds; round++) {
        seed = round_seed = first + round;
        struct pair pair;
        struct batch batch = {.count = 0};
        pair_init(&pair, schemas[below(sizeof schemas / sizeof schemas[0])]);
        if (round % 2) k_json_plain_only(pair.fast.decoder);
        uint64_t styles[6];
        for (int i = 0; i < 6; i++) styles[i] = k_random(&seed);
        for (int i = 0; i < BATCH; i++) {
            k_buf_clear(&text);
            k_buf_reserve(&text, 1);
            put_record(&text, styles[below(1 + round_seed % 6)]);
            if (below(4) == 0) damage(&text);
            compare(&pair, k_buf_str(&text));
            put_batch(&batch, k_buf_str(&text));
        }
        compare_batch(&pair, &batch);
        pair_fini(&pair);
    }
    k_buf_fini(&text);
}

// The fast way is really taken: all but the first of equal shapes, also when a few shapes mix; and a damaged record is
// not taken for one of them.
static void test_matches(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, (const char *const[]){"p int64 at $.bid.p", "who string at $.person.who", "kind int64", NULL});
    static const char *const records[] = {
        "{\"kind\":1,\"bid\":{\"p\":12,\"s\":\"abc\"},\"tags\":[1,{\"a\":\"]\"}]}",
        "{\"kind\":2,\"person\":{\"who\":\"me\"}}",
        "{\"kind\":3,\"bid\":null}", "{ \"kind\" : 4 }\n"};
    for (int i = 0; i < 100; i++) compare(&pair, k_str_of(records[i % 4]));
    assert_int_equal(matched(&pair), 96);
    static const char *const others[] = {
        "{\"kind\":1,\"bid\":{\"p\":-1,\"s\":\"ab\\\"c\"},\"tags\":null}", "{\"kind\":[2],\"person\":{\"who\":\"me\"}}",
        "{\"kind\":null,\"bid\":null}", "{ \"kind\" : \"4\" }\n", "{\"kind\":9223372036854775808,\"bid\":null}"};
    for (int i = 0; i < 5; i++) compare(&pair, k_str_of(others[i]));
    assert_int_equal(matched(&pair), 101);
    static const char *const strangers[] = {
        "{\"kind\":3,\"bid\":{\"p\":5}}", "{\"kind\":3,\"bid\":null} ", "{\"kind\":3,\"bid\":null}}",
        "{\"kind\":3,\"bid\":nul}", "{\"kind\":,\"bid\":null}",
        "{ \"kind\" : 4}\n", "{\"kind\":1,\"bid\":{\"p\":12,\"s\":\"abc},\"tags\":[1]}", "{\"kind\":\\3,\"bid\":null}",
        "{\"kind\":\"a\nb\",\"bid\":null}", "{\"kind\":[1},\"bid\":null}", "{\"kind\":[\\\"\"],\"bid\":null}",
        "{\"kind\":[\\\"a\"],\"bid\":null}", "{\"kind\":\"\\\x01\",\"bid\":null}"};
    uint64_t before = matched(&pair);
    for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++) compare(&pair, k_str_of(strangers[i]));
    assert_int_equal(matched(&pair), before);
    pair_fini(&pair);
}

// A topic without stable shapes does not pay for learning with each record, and one that gets stable is learned.
static void test_credit(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, (const char *const[]){"i int64", NULL});
    char text[64];
    for (int i = 0; i < 1000; i++) {
        snprintf(text, sizeof text, "{\"key%d\":1,\"i\":%d}", i, i);
        compare(&pair, k_str_of(text));
    }
    assert_int_equal(matched(&pair), 0);
    for (int i = 0; i < 1000; i++) {
        snprintf(text, sizeof text, "{\"key\":1,\"i\":%d}", i);
        compare(&pair, k_str_of(text));
    }
    assert_true(matched(&pair) > 700);
    pair_fini(&pair);
}

static void test_bounds(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, (const char *const[]){"i int64", "j json", NULL});
    struct k_buf text = {0};
    // More members, longer literals than a shape holds; values at the limit of depth.
    for (int kind = 0; kind < 4; kind++) {
        for (int i = 0; i < 3; i++) {
            k_buf_clear(&text);
            k_buf_add_text(&text, "{\"i\":7");
            for (int j = 0; j < (kind == 0 ? 200 : 0); j++) k_buf_printf(&text, ",\"k%d\":%d", j, i);
            for (int j = 0; j < (kind == 1 ? 10000 : 0); j++) k_buf_add_char(&text, ' ');
            k_buf_add_text(&text, ",\"j\":");
            int depth = i == 0 ? 1 : kind == 2 ? K_JSON_DEPTH_MAX - 1 : kind == 3 ? K_JSON_DEPTH_MAX : 2;
            for (int j = 0; j < depth; j++) k_buf_add_char(&text, '[');
            for (int j = 0; j < depth; j++) k_buf_add_char(&text, ']');
            k_buf_add_char(&text, '}');
            compare(&pair, k_buf_str(&text));
        }
    }
    k_buf_fini(&text);
    pair_fini(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random), cmocka_unit_test(test_matches),
                                       cmocka_unit_test(test_credit), cmocka_unit_test(test_bounds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
