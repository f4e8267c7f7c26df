// Our JSON decoder against simdjson's parser: 200,000 random records, a good part of them damaged. Where simdjson reads
// the record, we give the values that it gives to the fields that are read, or refuse for the type it shows; where it
// does not, neither do we when the whole record is to be valid. Three differences are meant:
//   a number too large for 64 bits is an error only in a field that is read (simdjson: anywhere);
//   without validate: FULL what nobody reads may be damaged;
//   an integer that is written -0 keeps its sign in a column of type double.
#include "tests/proto/decode.h"

#include "base/hash.h"
#include "tests/proto/simdjson_judge.h"

static uint64_t seed = 20260101;

static uint64_t below(uint64_t n)
{
    return k_random_below(&seed, n);
}

static void put_value(struct k_buf *out, uint32_t depth)
{
    static const char *const texts[] = {"0",
                                        "-1",
                                        "12345",
                                        "9223372036854775807",
                                        "-9223372036854775808",
                                        "9223372036854775808",
                                        "18446744073709551615",
                                        "1.5",
                                        "-2.25E-2",
                                        "1e3",
                                        "5.0",
                                        "1e-400",
                                        "01",
                                        "1.",
                                        "-",
                                        "+1",
                                        "NaN",
                                        "true",
                                        "false",
                                        "null",
                                        "nul",
                                        "True",
                                        "\"\"",
                                        "\"x\"",
                                        "\"\\n\\u00e9\\\"\"",
                                        "\"\\ud83d\\ude00\"",
                                        "\"\\ud800\"",
                                        "\"\\q\"",
                                        "\"caf\xc3\xa9\"",
                                        "\"\xff\"",
                                        "\"\xc0\x80\"",
                                        "\"\xed\xa0\x80\"",
                                        "\"tab\there\"",
                                        "{}",
                                        "[]",
                                        "[1,\"]\",{}]",
                                        "{\"p\":3}",
                                        "{\"p\":\"x\",\"p\":4}",
                                        "{\"q\":1,\"p\":null}"};
    uint64_t pick = below(sizeof texts / sizeof texts[0] + 4);
    if (pick < sizeof texts / sizeof texts[0]) {
        k_buf_add_text(out, texts[pick]);
        return;
    }
    if (depth > 3) {
        k_buf_add_text(out, "7");
        return;
    }
    k_buf_add_text(out, pick % 2 ? "[" : "{\"p\":");
    put_value(out, depth + 1);
    if (below(2)) {
        k_buf_add_text(out, pick % 2 ? " , " : ",\"k\" : ");
        put_value(out, depth + 1);
    }
    k_buf_add_char(out, pick % 2 ? ']' : '}');
}

// A value of the kind that the column of this key wants, mostly.
static void put_member(struct k_buf *out)
{
    static const char *const keys[] = {"i", "s", "d", "b", "o", "u", "\\u0069", "", "ii"};
    const char *key = keys[below(sizeof keys / sizeof keys[0])];
    k_buf_printf(out, "\"%s\"%s:%s", key, below(8) ? "" : " ", below(8) ? "" : "\n\t");
    uint64_t kind = below(4);
    if (kind == 0) put_value(out, 0);
    else if (key[0] == 's')
        k_buf_printf(out, "\"%.*s\"", (int)below(40), "a text that is longer than one block, or is it");
    else if (key[0] == 'b') k_buf_add_text(out, below(2) ? "true" : "false");
    else if (key[0] == 'd') k_buf_printf(out, "%.*g", (int)below(17) + 1, (double)(int64_t)k_random(&seed) / 4096);
    else if (key[0] == 'o') k_buf_printf(out, "{\"p\":%d}", (int)below(1000));
    else k_buf_printf(out, "%lld", (long long)k_random(&seed) >> below(64));
}

static void damage(struct k_buf *out)
{
    static const char bytes[] = "{}[]\",:\\ \n0a\x80\xff\x01\0";
    size_t at = below(out->length + 1);
    switch (below(4)) {
    case 0: out->length = at; break;
    case 1:
        if (at < out->length) out->data[at] = bytes[below(sizeof bytes - 1)];
        break;
    case 2:
        if (at < out->length) memmove(out->data + at, out->data + at + 1, --out->length - at);
        break;
    default: k_buf_add(out, &(char){bytes[below(sizeof bytes - 1)]}, 1);
    }
}

static void put_record(struct k_buf *out)
{
    k_buf_clear(out);
    k_buf_add_text(out, below(20) ? "{" : " \n{ ");
    for (uint64_t n = below(8), i = 0; i < n; i++) {
        if (i) k_buf_add_text(out, ",");
        put_member(out);
    }
    k_buf_add_text(out, below(20) ? "}" : " } ");
    for (uint64_t n = below(3); n > 1; n--) damage(out);
}

static void add_name(struct k_buf *out, const char *name)
{
    k_buf_printf(out, "%s\"%s\":", out->length > 1 ? "," : "{", name);
}

// false: the field makes the record malformed.
static bool expect(struct k_buf *out, const char *name, enum k_type type, struct judge_value found)
{
    struct k_value value = {.type = type};
    add_name(out, name);
    switch (found.kind) {
    case JUDGE_ABSENT:
    case JUDGE_NULL: value.null = true; break;
    case JUDGE_BOOL: value.b = found.b; break;
    case JUDGE_INT: value.i = found.i; break;
    case JUDGE_UINT:
    case JUDGE_DOUBLE: break;
    case JUDGE_STRING: value.s = (struct k_str){found.text, (uint32_t)found.length}; break;
    case JUDGE_OTHER: return false;
    }
    if (type == K_DOUBLE) value.d = found.d;
    bool fits =
        value.null || (type == K_BOOL && found.kind == JUDGE_BOOL) || (type == K_INT64 && found.kind == JUDGE_INT) ||
        (type == K_STRING && found.kind == JUDGE_STRING) ||
        (type == K_DOUBLE && (found.kind == JUDGE_INT || found.kind == JUDGE_UINT || found.kind == JUDGE_DOUBLE));
    if (fits) k_value_json(out, &value);
    return fits;
}

// The row as simdjson gives it, or NULL: some field does not fit.
static const char *expected_row(struct k_buf *out)
{
    k_buf_clear(out);
    bool good = expect(out, "i", K_INT64, judge_member(NULL, "i"));
    good &= expect(out, "s", K_STRING, judge_member(NULL, "s"));
    good &= expect(out, "d", K_DOUBLE, judge_member(NULL, "d"));
    good &= expect(out, "b", K_BOOL, judge_member(NULL, "b"));
    good &= expect(out, "p", K_INT64, judge_member("o", "p"));
    k_buf_add_char(out, '}');
    return good ? out->data : NULL;
}

static bool is_frame_reason(const char *out)
{
    return strcmp(out, "json") == 0 || strcmp(out, "utf8") == 0 || strcmp(out, "registry") == 0;
}

static bool has_minus_zero(const struct k_buf *record)
{
    return memmem(record->data, record->length, "-0", 2) != NULL;
}

static void compare(struct decode *d, const struct k_buf *record, bool full, enum judge_verdict verdict,
                    const char *wanted)
{
    const char *text = "", *out = decode_one(d, k_buf_str(record), &text);
    bool same;
    if (verdict == JUDGE_OBJECT) same = wanted ? strcmp(out, wanted) == 0 : out[0] != '{' && !is_frame_reason(out);
    else same = !full || is_frame_reason(out);
    if (!same)
        fail_msg("%s: %.*s\n  gave   %s (%s)\n  simdjson says %s", full ? "full" : "fields", (int)record->length,
                 record->data, out, text, verdict == JUDGE_OBJECT ? wanted ? wanted : "a type" : "no JSON");
}

static void test_same_verdict(void **state)
{
    (void)state;
    static const char *const fields[] = {"i int64", "s string", "d double", "b bool", "p int64 at $.o.p", NULL};
    struct decode read, full;
    struct k_buf record = {0}, row = {0};
    uint32_t objects = 0, malformed = 0, typed = 0;
    decode_json(&read, fields, false);
    decode_json(&full, fields, true);
    for (uint32_t round = 0; round < 200000; round++) {
        put_record(&record);
        enum judge_verdict verdict = judge_read(k_buf_str(&record).data, record.length);
        if (verdict == JUDGE_NUMBER || has_minus_zero(&record)) continue;
        const char *wanted = verdict == JUDGE_OBJECT ? expected_row(&row) : NULL;
        objects += verdict == JUDGE_OBJECT && wanted;
        typed += verdict == JUDGE_OBJECT && !wanted;
        malformed += verdict != JUDGE_OBJECT;
        compare(&read, &record, false, verdict, wanted);
        compare(&full, &record, true, verdict, wanted);
    }
    // Enough of each kind, or the test would not say much.
    assert_true(objects > 20000 && typed > 20000 && malformed > 20000);
    decode_fini(&read);
    decode_fini(&full);
    k_buf_fini(&record);
    k_buf_fini(&row);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_verdict)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
