// JSON records: what each type reads and refuses, projection, framing, depth, truncation, and how errors read.
#include "tests/proto/decode.h"

static void check(const char *field, const struct decode_case *cases, size_t count)
{
    struct decode d;
    decode_json(&d, (const char *const[]){field, NULL}, false);
    decode_cases(&d, cases, count);
    decode_fini(&d);
}
#define CHECK(field, cases) check(field, cases, sizeof(cases) / sizeof(cases)[0])

static void test_bool(void **state)
{
    (void)state;
    static const struct decode_case cases[] = {
        {"{\"x\":true}", "{\"x\":true}"}, {"{\"x\":false}", "{\"x\":false}"}, {"{\"x\":null}", "{\"x\":null}"},
        {"{}", "{\"x\":null}"}, {"{\"x\" : true }", "{\"x\":true}"}, {"{\"x\":1}", "type"},
        {"{\"x\":\"true\"}", "type"},
        {"{\"x\":True}", "json"}, {"{\"x\":tru}", "json"}, {"{\"x\":truee}", "json"}, {"{\"x\":[true]}", "type"},
        {"{\"x\":{}}", "type"}, {"{\"x\":}", "json"}, {"{\"x\":true false}", "json"}, {"{\"x\":true\x01}", "json"},
    };
    CHECK("x bool", cases);
}

static void test_int64(void **state)
{
    (void)state;
    static const struct decode_case cases[] = {
        {"{\"x\":0}", "{\"x\":0}"}, {"{\"x\":-0}", "{\"x\":0}"}, {"{\"x\":42}", "{\"x\":42}"},
        {"{\"x\":9223372036854775807}", "{\"x\":9223372036854775807}"},
        {"{\"x\":-9223372036854775808}", "{\"x\":-9223372036854775808}"},
        {"{\"x\":9007199254740993}", "{\"x\":9007199254740993}"},
        {"{\"x\":9223372036854775808}", "range"}, {"{\"x\":-9223372036854775809}", "range"},
        {"{\"x\":18446744073709551616}", "range"}, {"{\"x\":99999999999999999999999999999999}", "range"},
        {"{\"x\":1.0}", "type"}, {"{\"x\":1e3}", "type"}, {"{\"x\":\"1\"}", "type"}, {"{\"x\":true}", "type"},
        {"{\"x\":[1]}", "type"}, {"{\"x\":01}", "json"}, {"{\"x\":+1}", "json"}, {"{\"x\":-}", "json"},
        {"{\"x\":1x}", "json"}, {"{\"x\":--1}", "json"}, {"{\"x\":0x10}", "json"}, {"{\"x\":1 2}", "json"},
        {"{\"x\":1\"2\"}", "json"}, {"{\"x\":1,}", "json"}, {"{\"x\":NaN}", "json"}, {"{\"x\":null}", "{\"x\":null}"},
        {"{\"x\":nul}", "json"}, {"{\"x\":nulll}", "json"}, {"{\"x\":\t7\n}", "{\"x\":7}"},
    };
    CHECK("x int64", cases);
}

// Every count of digits, and one wrong byte at every place among them.
static void test_int64_digits(void **state)
{
    (void)state;
    struct decode d;
    decode_json(&d, (const char *const[]){"x int64", NULL}, false);
    for (int digits = 1; digits <= 18; digits++) {
        for (int minus = 0; minus < 2; minus++) {
            char number[32], record[64], wanted[64];
            snprintf(number, sizeof number, "%s%.*s", minus ? "-" : "", digits, "987654321012345678");
            snprintf(record, sizeof record, "{\"x\":%s}", number);
            snprintf(wanted, sizeof wanted, "{\"x\":%lld}", strtoll(number, NULL, 10));
            assert_string_equal(decode_one(&d, k_str_of(record), NULL), wanted);
            for (int at = minus; at < digits + minus; at++) {
                static const char wrong[] = "/;aF.\x80\xb0";
                for (int i = 0; wrong[i]; i++) {
                    char broken[64];
                    strcpy(broken, record);
                    broken[5 + at] = wrong[i];
                    const char *out = decode_one(&d, k_str_of(broken), NULL);
                    if (out[0] == '{') fail_msg("%s gave %s", broken, out);
                }
            }
        }
    }
    decode_fini(&d);
}

static void test_double(void **state)
{
    (void)state;
    static const struct decode_case cases[] = {
        {"{\"x\":0}", "{\"x\":0}"}, {"{\"x\":1}", "{\"x\":1}"}, {"{\"x\":-0}", "{\"x\":-0.0}"},
        {"{\"x\":0.1}", "{\"x\":0.1}"}, {"{\"x\":-2.5e-3}", "{\"x\":-0.0025}"}, {"{\"x\":1E2}", "{\"x\":100}"},
        {"{\"x\":123456789012345678}", "{\"x\":123456789012345680}"},
        {"{\"x\":9007199254740993}", "{\"x\":9007199254740992}"},
        {"{\"x\":0.30000000000000004}", "{\"x\":0.30000000000000004}"},
        {"{\"x\":1.7976931348623157e308}", "{\"x\":1.7976931348623157e+308}"}, {"{\"x\":1e308}", "{\"x\":1e+308}"},
        {"{\"x\":4.9e-324}", "{\"x\":5e-324}"}, {"{\"x\":1e-400}", "{\"x\":0}"}, {"{\"x\":-1e-400}", "{\"x\":-0.0}"},
        {"{\"x\":0e999999999999999999999}", "{\"x\":0}"}, {"{\"x\":0.000e+400}", "{\"x\":0}"},
        {"{\"x\":2.2250738585072011e-308}", "{\"x\":2.225073858507201e-308}"},
        {"{\"x\":1e-99999999999999999999}", "{\"x\":0}"}, {"{\"x\":1e309}", "range"}, {"{\"x\":-1e309}", "range"},
        {"{\"x\":1e99999999999999999999}", "range"}, {"{\"x\":1.7976931348623159e308}", "range"},
        {"{\"x\":1.}", "json"}, {"{\"x\":.5}", "json"}, {"{\"x\":1e}", "json"}, {"{\"x\":1e+}", "json"},
        {"{\"x\":00.5}", "json"}, {"{\"x\":1.5.5}", "json"}, {"{\"x\":Infinity}", "json"}, {"{\"x\":\"1.5\"}", "type"},
        {"{\"x\":false}", "type"}, {"{\"x\":{}}", "type"}, {"{\"x\":null}", "{\"x\":null}"},
    };
    CHECK("x double", cases);
}

static void test_string(void **state)
{
    (void)state;
    static const struct decode_case cases[] = {
        {"{\"x\":\"\"}", "{\"x\":\"\"}"}, {"{\"x\":\"abc\"}", "{\"x\":\"abc\"}"},
        {"{\"x\":\"a longer one, with : { and ] in it\"}", "{\"x\":\"a longer one, with : { and ] in it\"}"},
        {"{\"x\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}", "{\"x\":\"\\\"\\\\/\\b\\f\\n\\r\\t\"}"},
        {"{\"x\":\"ends with \\\\\"}", "{\"x\":\"ends with \\\\\"}"},
        {"{\"x\":\"\\u0041\\u00e9\\u20AC\\ud83d\\ude00\"}", "{\"x\":\"Aé€😀\"}"}, {"{\"x\":\"é€😀\"}", "{\"x\":\"é€😀\"}"},
        {"{\"x\":\"\\ud83d\"}", "utf8"}, {"{\"x\":\"\\ude00\\ud83d\"}", "utf8"}, {"{\"x\":\"\\ud83dx\"}", "utf8"},
        {"{\"x\":\"\\ud83d\\n\"}", "utf8"}, {"{\"x\":\"\\ud83d\\u00e9\"}", "utf8"},
        {"{\"x\":\"\\ud83d\\u12\"}", "json"},
        {"{\"x\":\"\\q\"}", "json"}, {"{\"x\":\"\\u12\"}", "json"}, {"{\"x\":\"\\u12g4\"}", "json"},
        {"{\"x\":\"\\U0041\"}", "json"}, {"{\"x\":\"a\nb\"}", "json"}, {"{\"x\":\"abc}", "json"},
        {"{\"x\":\"abc\\\"}", "json"},
        {"{\"x\":\"\xff\"}", "utf8"}, {"{\"x\":\"12345678\xc3\"}", "utf8"}, {"{\"x\":\"\xc0\xaf\"}", "utf8"},
        {"{\"x\":\"\xed\xa0\x80\"}", "utf8"}, {"{\"x\":\"\xf4\x90\x80\x80\"}", "utf8"},
        {"{\"x\":\"\xf5\x80\x80\x80\"}", "utf8"},
        {"{\"x\":\"\xe2\x82\"}", "utf8"}, {"{\"x\":\"\xe0\x80\x80\"}", "utf8"},
        {"{\"x\":\"\xf0\x80\x80\x80\"}", "utf8"},
        {"{\"x\":1}", "type"}, {"{\"x\":null}", "{\"x\":null}"}, {"{\"x\":\"null\"}", "{\"x\":\"null\"}"},
        {"{\"x\":'a'}", "json"}, {"{\"x\":\"a\"\"b\"}", "json"}, {"{\"x\":x\"a\"}", "json"}, {"{\"x\":\"a\"x}", "json"},
    };
    CHECK("x string", cases);
    // A NUL escape is a character like any other.
    struct decode d;
    decode_json(&d, (const char *const[]){"x string", NULL}, false);
    assert_string_equal(decode_one(&d, K_STR("{\"x\":\"a\\u0000b\"}"), NULL), "{\"x\":\"a\\u0000b\"}");
    assert_string_equal(decode_one(&d, K_STR("{\"x\":\"a\0b\"}"), NULL), "json");
    decode_fini(&d);
}

static void test_bytes(void **state)
{
    (void)state;
    static const struct decode_case cases[] = {
        {"{\"x\":\"\"}", "{\"x\":\"\"}"}, {"{\"x\":\"AA==\"}", "{\"x\":\"AA==\"}"},
        {"{\"x\":\"AAE=\"}", "{\"x\":\"AAE=\"}"},
        {"{\"x\":\"+/+/\"}", "{\"x\":\"+/+/\"}"}, {"{\"x\":\"\\/\\/8=\"}", "{\"x\":\"//8=\"}"},
        {"{\"x\":\"AA\"}", "type"}, {"{\"x\":\"AAA\"}", "type"}, {"{\"x\":\"A===\"}", "type"},
        {"{\"x\":\"====\"}", "type"},
        {"{\"x\":\"AB==\"}", "type"}, {"{\"x\":\"AAF=\"}", "type"}, {"{\"x\":\"AA==AA==\"}", "type"},
        {"{\"x\":\"A-_A\"}", "type"}, {"{\"x\":\"AA A\"}", "type"}, {"{\"x\":7}", "type"}, {"{\"x\":\"\xff\"}", "utf8"},
    };
    CHECK("x bytes", cases);
}

static void test_timestamp(void **state)
{
    (void)state;
    static const struct decode_case cases[] = {
        {"{\"x\":\"2026-01-01T00:00:07Z\"}", "{\"x\":\"2026-01-01T00:00:07Z\"}"},
        {"{\"x\":\"2026-01-01T02:00:07.5+02:00\"}", "{\"x\":\"2026-01-01T00:00:07.500Z\"}"},
        {"{\"x\":1767225607000}", "{\"x\":\"2026-01-01T00:00:07Z\"}"},
        {"{\"x\":-1}", "{\"x\":\"1969-12-31T23:59:59.999Z\"}"},
        {"{\"x\":0}", "{\"x\":\"1970-01-01T00:00:00Z\"}"},
        {"{\"x\":9223372036854775}", "{\"x\":\"+294247-01-10T04:00:54.775Z\"}"},
        {"{\"x\":9223372036854776}", "range"}, {"{\"x\":9223372036854775808}", "range"}, {"{\"x\":1.5}", "type"},
        {"{\"x\":\"yesterday\"}", "type"}, {"{\"x\":\"2026-02-30T00:00:00Z\"}", "type"},
        {"{\"x\":\"1767225607000\"}", "type"},
        {"{\"x\":\"2026-01-01T00:00:07Z\\u0020\"}", "type"}, {"{\"x\":true}", "type"}, {"{\"x\":null}", "{\"x\":null}"},
    };
    CHECK("x timestamp", cases);
}

static void test_timestamp_units(void **state)
{
    (void)state;
    static const struct {
        enum k_time_unit unit;
        const char *record, *out;
    } cases[] = {
        {K_UNIT_S, "{\"x\":7}", "{\"x\":\"1970-01-01T00:00:07Z\"}"}, {K_UNIT_S, "{\"x\":9223372036855}", "range"},
        {K_UNIT_US, "{\"x\":7}", "{\"x\":\"1970-01-01T00:00:00.000007Z\"}"},
        {K_UNIT_NS, "{\"x\":7999}", "{\"x\":\"1970-01-01T00:00:00.000007Z\"}"},
        {K_UNIT_NS, "{\"x\":-1}", "{\"x\":\"1969-12-31T23:59:59.999999Z\"}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct decode d;
        decode_fields(&d, (const char *const[]){"x timestamp", NULL});
        d.options.timestamp_unit = cases[i].unit;
        assert_int_equal(k_decoder_json(&d.options, &d.decoder, &d.err), 0);
        assert_string_equal(decode_one(&d, k_str_of(cases[i].record), NULL), cases[i].out);
        decode_fini(&d);
    }
}

static void test_json(void **state)
{
    (void)state;
    static const struct decode_case cases[] = {
        {"{\"x\":{\"a\": [1, 2.5e3, \"b\"]} }", "{\"x\":{\"a\": [1, 2.5e3, \"b\"]}}"}, {"{\"x\":[]}", "{\"x\":[]}"},
        {"{\"x\":{}}", "{\"x\":{}}"}, {"{\"x\": \"a\\n\" }", "{\"x\":\"a\\n\"}"}, {"{\"x\":-1.5e7}", "{\"x\":-1.5e7}"},
        {"{\"x\":true}", "{\"x\":true}"}, {"{\"x\":null}", "{\"x\":null}"}, {"{\"x\":[null]}", "{\"x\":[null]}"},
        {"{\"x\":[[],{},[{}]]}", "{\"x\":[[],{},[{}]]}"},
        {"{\"x\":[1,]}", "json"}, {"{\"x\":[,1]}", "json"}, {"{\"x\":[1 2]}", "json"}, {"{\"x\":{\"a\"}}", "json"},
        {"{\"x\":{\"a\":}}", "json"}, {"{\"x\":{\"a\":1,}}", "json"}, {"{\"x\":{a:1}}", "json"},
        {"{\"x\":{1:1}}", "json"},
        {"{\"x\":[01]}", "json"}, {"{\"x\":[\"\\q\"]}", "json"}, {"{\"x\":[\"\\ud800\"]}", "utf8"},
        {"{\"x\":[\"\xff\"]}", "utf8"},
        {"{\"x\":[1}", "json"}, {"{\"x\":[1}}", "json"}, {"{\"x\":{\"a\":[1}]}", "json"}, {"{\"x\":[nul]}", "json"},
        {"{\"x\":[1]]}", "json"}, {"{\"x\":{\"a\" 1}}", "json"}, {"{\"x\":[:]}", "json"},
    };
    CHECK("x json", cases);
}

static void test_not_null(void **state)
{
    (void)state;
    static const struct decode_case cases[] = {
        {"{\"x\":1}", "{\"x\":1}"}, {"{\"x\":null}", "missing"}, {"{}", "missing"}, {"{\"y\":1}", "missing"},
        {"{\"X\":1}", "missing"}, {"{\"xx\":1}", "missing"}, {"{\"\":1}", "missing"}, {"{\"y\":{\"x\":1}}", "missing"},
    };
    CHECK("x int64 not null", cases);
}

static void test_framing(void **state)
{
    (void)state;
    static const struct decode_case cases[] = {
        {" \t\r\n{ \"y\" : 1 , \"x\" : 2 } \n", "{\"x\":2}"}, {"{\"x\":1}{\"x\":2}", "json"}, {"{\"x\":1} x", "json"},
        {"{\"x\":1}}", "json"}, {"{\"x\":1},", "json"}, {"", "json"}, {"   ", "json"}, {"[]", "json"},
        {"[{\"x\":1}]", "json"},
        {"1", "json"}, {"\"x\"", "json"}, {"null", "json"}, {"garbage", "json"}, {"{", "json"}, {"}", "json"},
        {"{,}", "json"},
        {"{\"x\"}", "json"}, {"{\"x\":1 \"y\":2}", "json"}, {"{\"x\":1,,\"y\":2}", "json"}, {"{\"x\" 1}", "json"},
        {"{x:1}", "json"}, {"{1:1}", "json"}, {"{\"x\":1;\"y\":2}", "json"}, {"\xef\xbb\xbf{\"x\":1}", "json"},
        {"{\"x\":1,\"y\":[}", "json"}, {"{\"x\":1,\"y\":]}", "json"}, {"{\"x\":1,\"y\":[}]}", "json"},
        {"{\"x\":1,\"y\":\"}", "json"},
        {"{\"x\":1,\"y\":\"\t\"}", "json"}, {"{\"x\":1,\"y\":}", "json"}, {"{\"x\":1]", "json"}, {"{[]:1}", "json"},
        {"{\"x\":1}\x1a", "json"}, {"{\"x\":1,\"y\":2\x1a}", "json"}, {"{\"x\":1,\"y\":2\x0c}", "json"},
    };
    CHECK("x int64", cases);
}

// Nobody reads y: what is in it does not matter, unless the whole record is to be validated.
static const struct decode_case unread[] = {
    {"{\"y\":NaN,\"x\":1}", "{\"x\":1}"}, {"{\"y\":01,\"x\":1}", "{\"x\":1}"}, {"{\"x\":1,\"y\":\xff}", "{\"x\":1}"},
    {"{\"y\":\"\\q\\ud800\",\"x\":1}", "{\"x\":1}"}, {"{\"y\":\"\xff\xfe\",\"x\":1}", "{\"x\":1}"},
    {"{\"y\":[1,,2:3],\"x\":1}", "{\"x\":1}"}, {"{\"y\":{]},\"x\":1}", "json"},
    {"{\"y\":{\"a\" \"b\" nul},\"x\":1}", "{\"x\":1}"},
    {"{\"\xff\":1,\"x\":1}", "{\"x\":1}"}, {"{\"\\q\":1,\"x\":1}", "{\"x\":1}"}, {"{\"y\":a\"b,c\",\"x\":1}", "json"},
    {"{\"y\":[\"\xc3\"],\"x\":1,\"z\":\"\xc3\"}", "{\"x\":1}"},
};

static void test_unread(void **state)
{
    (void)state;
    struct decode d;
    decode_json(&d, (const char *const[]){"x int64", "-y int64 not null", NULL}, false);
    DECODE_CASES(&d, unread);
    decode_fini(&d);
    decode_json(&d, (const char *const[]){"x int64", "-y int64 not null", NULL}, true);
    for (size_t i = 0; i < sizeof unread / sizeof unread[0]; i++) {
        const char *out = decode_one(&d, k_str_of(unread[i].record), NULL);
        if (strcmp(out, "json") != 0 && strcmp(out, "utf8") != 0) fail_msg("%s: %s", unread[i].record, out);
    }
    assert_string_equal(decode_one(&d, K_STR("{\"y\":[1,{\"a\":\"\\u00e9\"}],\"x\":1}"), NULL), "{\"x\":1}");
    decode_fini(&d);
}

static void test_nothing_read(void **state)
{
    (void)state;
    static const struct decode_case cases[] = {{"{\"y\":1}", "{}"}, {"{}", "{}"}, {"{\"y\":1", "json"}, {"[]", "json"}};
    CHECK("-y string not null", cases);
}

static void test_keys(void **state)
{
    (void)state;
    struct decode d;
    decode_json(&d, (const char *const[]){"x int64", "\"a \"\"b\"\"\" int64", "e int64 at $.é", NULL}, false);
    static const struct decode_case cases[] = {
        // The first of equal keys counts, whatever the later ones hold.
        {"{\"x\":1,\"x\":2}", "{\"x\":1,\"a \\\"b\\\"\":null,\"e\":null}"},
        {"{\"x\":null,\"x\":2}", "{\"x\":null,\"a \\\"b\\\"\":null,\"e\":null}"},
        {"{\"x\":1,\"x\":\"two\"}", "{\"x\":1,\"a \\\"b\\\"\":null,\"e\":null}"},
        // Escapes in keys mean what they mean.
        {"{\"\\u0078\":1,\"a \\\"b\\\"\":2,\"\\u00e9\":3}", "{\"x\":1,\"a \\\"b\\\"\":2,\"e\":3}"},
        {"{\"\\u0078\":1,\"x\":2,\"é\":3}", "{\"x\":1,\"a \\\"b\\\"\":null,\"e\":3}"},
        {"{\"\\x\":1}", "{\"x\":null,\"a \\\"b\\\"\":null,\"e\":null}"},
    };
    DECODE_CASES(&d, cases);
    decode_fini(&d);
}

static void test_paths(void **state)
{
    (void)state;
    struct decode d;
    static const char *const fields[] = {"price int64 at $.bid.price", "name string at $.bid.who.name",
                                         "who json at $.bid.who", "bid json", "dot int64 at $.\"a.b\".c",
                                         "again double at $.bid.price", NULL};
    decode_json(&d, fields, false);
    static const struct decode_case cases[] = {
        {"{\"bid\":{\"who\":{\"name\":\"n\"},\"price\":5},\"a.b\":{\"c\":6}}",
         "{\"price\":5,\"name\":\"n\",\"who\":{\"name\":\"n\"},"
         "\"bid\":{\"who\":{\"name\":\"n\"},\"price\":5},\"dot\":6,\"again\":5}"},
        {"{\"bid\":{\"who\":null}}",
         "{\"price\":null,\"name\":null,\"who\":null,\"bid\":{\"who\":null},\"dot\":null,\"again\":null}"},
        {"{\"bid\":null,\"a\":{\"b\":{\"c\":1}}}",
         "{\"price\":null,\"name\":null,\"who\":null,\"bid\":null,\"dot\":null,\"again\":null}"},
        {"{\"bid\":{\"price\":1},\"bid\":{\"who\":{\"name\":\"m\"}}}",
         "{\"price\":1,\"name\":null,\"who\":null,\"bid\":{\"price\":1},\"dot\":null,\"again\":1}"},
        {"{\"bid\":[1]}", "type"}, {"{\"bid\":7}", "type"}, {"{\"bid\":{\"who\":[]}}", "type"},
        {"{\"bid\":{\"who\":nul}}", "json"},
        {"{\"bid\":{\"price\":\"5\"}}", "type"}, {"{\"bid\":{\"price\":5}", "json"},
        {"{\"bid\":{\"price\":5]}", "json"},
        {"{\"a.b\":{\"c\":6},\"bid\":{}} ",
        "{\"price\":null,\"name\":null,\"who\":null,\"bid\":{},\"dot\":6,\"again\":null}"},
    };
    DECODE_CASES(&d, cases);
    decode_fini(&d);
}

// "{"k":" depth times '[' and as many ']' "}".
static const char *nested(struct k_buf *buf, const char *head, uint32_t depth, char open, const char *tail)
{
    k_buf_clear(buf);
    k_buf_add_text(buf, head);
    for (uint32_t i = 0; i < depth; i++) k_buf_add_text(buf, open == '[' ? "[" : i + 1 == depth ? "{" : "{\"a\":");
    for (uint32_t i = 0; i < depth; i++) k_buf_add_char(buf, open == '[' ? ']' : '}');
    k_buf_add_text(buf, tail);
    return buf->data;
}

static void test_depth(void **state)
{
    (void)state;
    struct k_buf text = {0};
    for (int full = 0; full < 2; full++) {
        struct decode d;
        decode_json(&d, (const char *const[]){"x json", "y int64", NULL}, full);
        static const char *const heads[] = {"{\"y\":1,\"x\":", "{\"y\":1,\"unread\":"};
        for (int i = 0; i < 4; i++) {
            char open = i < 2 ? '[' : '{';
            nested(&text, heads[i % 2], K_JSON_DEPTH_MAX - 1, open, "}");
            assert_non_null(strstr(decode_one(&d, k_buf_str(&text), NULL), "\"y\":1"));
            nested(&text, heads[i % 2], K_JSON_DEPTH_MAX, open, "}");
            assert_string_equal(decode_one(&d, k_buf_str(&text), NULL), "depth");
            nested(&text, heads[i % 2], 10000, open, "}");
            assert_string_equal(decode_one(&d, k_buf_str(&text), NULL), "depth");
            nested(&text, heads[i % 2], 1000000, open, "}");
            assert_string_equal(decode_one(&d, k_buf_str(&text), NULL), "depth");
        }
        decode_fini(&d);
    }
    k_buf_fini(&text);
}

static void test_large(void **state)
{
    (void)state;
    enum { MEGABYTES = 10 };
    struct decode d;
    decode_json(&d, (const char *const[]){"x string", "j json", NULL}, false);
    struct k_buf text = {0};
    k_buf_add_text(&text, "{\"x\":\"");
    for (int i = 0; i < MEGABYTES << 17; i++) k_buf_add_text(&text, "abcdefg\\n");
    k_buf_add_text(&text, "\",\"j\":[0");
    for (int i = 0; i < MEGABYTES << 16; i++) k_buf_add_text(&text, ",1234567");
    k_buf_add_text(&text, "]}");
    const char *out = decode_one(&d, k_buf_str(&text), NULL);
    assert_int_equal(strlen(out), text.length);
    assert_memory_equal(out, text.data, text.length);
    // The room for it is given back, and the next small record is read as ever.
    assert_string_equal(decode_one(&d, K_STR("{\"x\":\"s\"}"), NULL), "{\"x\":\"s\",\"j\":null}");
    decode_fini(&d);
    k_buf_fini(&text);
}

static void test_truncated(void **state)
{
    (void)state;
    static const char record[] = "{\"u\":[{\"a\":\"\\\"}\"},2],\"x\":\"caf\xc3\xa9 \\u00e9\",\"i\":-12,\"d\":1.5e2,"
                                 "\"t\":\"2026-01-01T00:00:07Z\",\"b\":true,\"n\":{\"m\":{\"k\":\"deep\"}},"
                                 "\"j\":[1,{\"a\":null}]}";
    static const char *const fields[] = {"x string", "i int64", "d double", "t timestamp", "b bool",
    "k string at $.n.m.k",
                                         "j json", NULL};
    for (int full = 0; full < 2; full++) {
        struct decode d;
        decode_json(&d, fields, full);
        for (uint32_t length = 0; length < sizeof record - 1; length++) {
            const char *out = decode_one(&d, (struct k_str){record, length}, NULL);
            if (out[0] == '{') fail_msg("%u bytes: %s", length, out);
        }
        assert_string_equal(decode_one(&d, K_STR(record), NULL),
                            "{\"x\":\"café é\",\"i\":-12,\"d\":150,\"t\":\"2026-01-01T00:00:07Z\",\"b\":true,"
                            "\"k\":\"deep\",\"j\":[1,{\"a\":null}]}");
        decode_fini(&d);
    }
}

static void test_batch(void **state)
{
    (void)state;
    struct decode d;
    decode_json(&d, (const char *const[]){"x int64 not null", "s string", NULL}, false);
    static const char *const records[] = {"{\"x\":1,\"s\":\"a\"}", "{\"x\":\"1\"}", "{\"x\":3}", "junk",
    "{\"s\":\"e\",\"x\":5}"};
    struct k_message messages[5] = {0};
    const struct k_message *pointers[5];
    for (int i = 0; i < 5; i++) {
        messages[i].value = k_str_of(records[i]);
        messages[i].has_value = true;
        pointers[i] = &messages[i];
    }
    struct k_decode_result result;
    k_decode(d.decoder, pointers, 5, &d.arena, &result);
    assert_int_equal(result.bad_count, 2);
    assert_int_equal(result.bad[0].row, 1);
    assert_string_equal(result.bad[0].reason, "type");
    assert_int_equal(result.bad[1].row, 3);
    assert_string_equal(result.bad[1].reason, "json");
    const struct k_column *x = &result.columns[0], *s = &result.columns[1];
    assert_null(x->valid);
    assert_int_equal(x->i[0], 1);
    assert_int_equal(x->i[2], 3);
    assert_int_equal(x->i[4], 5);
    assert_false(k_column_null(s, 0));
    assert_true(k_column_null(s, 2));
    assert_false(k_column_null(s, 4));
    // A string without escapes is a piece of the message; rows without a value hold zeros.
    assert_ptr_equal(s->s[0].data, records[0] + 12);
    assert_ptr_equal(s->s[4].data, records[4] + 6);
    assert_int_equal(s->s[1].length + s->s[2].length + s->s[3].length, 0);
    assert_int_equal(x->i[1] + x->i[3], 0);
    k_decode(d.decoder, pointers, 0, &d.arena, &result);
    assert_int_equal(result.bad_count, 0);
    decode_fini(&d);
}

static void test_error_texts(void **state)
{
    (void)state;
    struct decode d;
    decode_json(&d, (const char *const[]){"price int64 not null at $.bid.price", NULL}, false);
    static const struct decode_case cases[] = {
        {"{\"bid\":{\"price\":\"dear\"}}", "field \"price\" at $.bid.price: found \"dear\", a string, wanted int64"},
        {"{\"bid\":{\"price\":1e3}}",
         "field \"price\" at $.bid.price: found 1e3, a number with a fraction or an exponent, wanted int64"},
        {"{\"bid\":{\"price\":9223372036854775808}}",
         "field \"price\" at $.bid.price: found 9223372036854775808, an integer, wanted int64 in its range"},
        {"{\"bid\":{}}", "field \"price\" at $.bid.price is missing"},
        {"{\"bid\":{\"price\":null}}", "field \"price\" is null"},
        {"{\"bid\":3}", "key \"bid\": found 3, an integer, wanted an object with the fields below it"},
        {"{\"bid\":{\"price\":1}} x", "at byte 20, found x where the end of the record should be"},
        {"{\"bid\":{\"price\":1}", "the record ends where a comma or a closing brace should be"},
        {"{\"bid", "the record is no JSON object, a string does not end: {\"bid"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *text = "";
        decode_one(&d, k_str_of(cases[i].record), &text);
        assert_string_equal(text, cases[i].out);
    }
    // Never more than 80 bytes of the data, and no broken characters.
    struct k_buf long_text = {0};
    k_buf_add_text(&long_text, "{\"bid\":{\"price\":\"");
    for (int i = 0; i < 1000; i++) k_buf_add_text(&long_text, i % 3 ? "é" : "z");
    k_buf_add_text(&long_text, "\"}}");
    const char *text = "";
    assert_string_equal(decode_one(&d, k_buf_str(&long_text), &text), "type");
    assert_true(strlen(text) < 160);
    assert_non_null(strstr(text, "…"));
    k_buf_fini(&long_text);
    decode_fini(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bool), cmocka_unit_test(test_int64), cmocka_unit_test(test_int64_digits),
        cmocka_unit_test(test_double),
        cmocka_unit_test(test_string), cmocka_unit_test(test_bytes), cmocka_unit_test(test_timestamp),
        cmocka_unit_test(test_timestamp_units), cmocka_unit_test(test_json), cmocka_unit_test(test_not_null),
        cmocka_unit_test(test_framing), cmocka_unit_test(test_unread), cmocka_unit_test(test_nothing_read),
        cmocka_unit_test(test_keys), cmocka_unit_test(test_paths), cmocka_unit_test(test_depth),
        cmocka_unit_test(test_large), cmocka_unit_test(test_truncated), cmocka_unit_test(test_batch),
        cmocka_unit_test(test_error_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
