// Comma-separated values: fields and quotes, headers, what is NULL, and what is malformed.
#include "tests/proto/decode.h"

static void decode_csv(struct decode *d, char delimiter, bool header, const char *const *fields)
{
    decode_fields(d, fields);
    d->options.delimiter = delimiter;
    d->options.header = header;
    assert_int_equal(k_decoder_csv(&d->options, &d->decoder, &d->err), 0);
}

static void test_fields(void **state)
{
    (void)state;
    struct decode d;
    decode_csv(&d, ',', false, (const char *const[]){"a string", "-b int64", "c string", NULL});
    static const struct decode_case cases[] = {
        {"x,1,y", "{\"a\":\"x\",\"c\":\"y\"}"},
        {"x,no number,y", "{\"a\":\"x\",\"c\":\"y\"}"}, // nobody reads it
        {"x,1,y\n", "{\"a\":\"x\",\"c\":\"y\"}"},
        {"x,1,y\r\n", "{\"a\":\"x\",\"c\":\"y\"}"},
        {"x,1,y\r", "{\"a\":\"x\",\"c\":\"y\\r\"}"}, // a CR alone ends nothing
        {"x\ry,1,z", "{\"a\":\"x\\ry\",\"c\":\"z\"}"},
        {",,", "{\"a\":null,\"c\":null}"},
        {"\"\",,\"\"\n", "{\"a\":\"\",\"c\":\"\"}"},
        {" x ,1, \"", "csv"},
        {" x ,1, y", "{\"a\":\" x \",\"c\":\" y\"}"}, // spaces are part of a field
        {"\"x,1\",\"2\",\"y\"", "{\"a\":\"x,1\",\"c\":\"y\"}"},
        {"\"x\r\ny\",,\"\n\"\r\n", "{\"a\":\"x\\r\\ny\",\"c\":\"\\n\"}"},
        {"\"\"\"\",,\"a\"\"b\"", "{\"a\":\"\\\"\",\"c\":\"a\\\"b\"}"},
        {"\"\"\"x\"\"\"\"\",,", "{\"a\":\"\\\"x\\\"\\\"\",\"c\":null}"},
        {"\xEF\xBB\xBFx,1,y", "{\"a\":\"x\",\"c\":\"y\"}"}, // a byte order mark
        {"ü,1,€", "{\"a\":\"ü\",\"c\":\"€\"}"},
        {"\xff,1,y", "utf8"},
        {"x,\xff,y", "{\"a\":\"x\",\"c\":\"y\"}"},
        {"x,1", "columns"},
        {"x,1,y,", "columns"},
        {"", "columns"},
        {"\n", "columns"},
        {"x,1,y\nx,1,y\n", "csv"},
        {"x,1,y\n\n", "csv"},
        {"x\"y,1,z", "csv"},
        {"x\",1,z", "csv"},
        {"\"x\"y,1,z", "csv"},
        {"\"x\" ,1,z", "csv"},
        {"\"x\"\r,1,z", "csv"},
        {"\"x,1,z", "csv"},
        {"\"x\"\",1,z", "csv"},
        {"x,1,\"", "csv"},
    };
    DECODE_CASES(&d, cases);
    const char *text;
    assert_string_equal(decode_one(&d, K_STR("x,1"), &text), "columns");
    assert_string_equal(text, "the record has 2 columns, the schema 3: x,1");
    assert_string_equal(decode_one(&d, K_STR("x,1,y\nz"), &text), "csv");
    assert_string_equal(text, "behind the first record there is more; is it  packed { csv {} }? z");
    assert_string_equal(decode_one(&d, K_STR("\"x,1"), &text), "csv");
    assert_string_equal(text, "the record has a quoted field without its closing quote: \"x,1");
    decode_fini(&d);
}

static void test_types(void **state)
{
    (void)state;
    struct decode d;
    decode_csv(
        &d, ';', false,
        (const char *const[]){"n int64 not null", "d double", "b bool", "t timestamp", "j json", "y bytes", NULL});
    static const struct decode_case cases[] = {
        {"1;2.5;t;2026-01-01T00:00:00Z;\"{\"\"a\"\":[1]}\";\xff",
         "{\"n\":1,\"d\":2.5,\"b\":true,\"t\":\"2026-01-01T00:00:00Z\",\"j\":{\"a\":[1]},\"y\":\"/w==\"}"},
        {"1;;;;[1,2];", "{\"n\":1,\"d\":null,\"b\":null,\"t\":null,\"j\":[1,2],\"y\":null}"},
        {"1;;;;\"{\"\"a\"\":\"\";\"\"}\";",
         "{\"n\":1,\"d\":null,\"b\":null,\"t\":null,\"j\":{\"a\":\";\"},\"y\":null}"},
        {" 7 ;-1e3;;;;", "{\"n\":7,\"d\":-1000,\"b\":null,\"t\":null,\"j\":null,\"y\":null}"},
        {";1;;;;", "missing"},
        {"\"\";1;;;;", "type"},
        {"1,5;1;;;;", "type"},
        {"9223372036854775808;1;;;;", "range"},
        {"1;x;;;;", "type"},
        {"1;;maybe;;;", "type"},
        {"1;;;yesterday;;", "type"},
        {"1;;;;{;", "type"},
    };
    DECODE_CASES(&d, cases);
    decode_fini(&d);
}

static void test_header(void **state)
{
    (void)state;
    struct decode d;
    decode_csv(&d, ',', true, (const char *const[]){"a string", "-b int64", "c string", NULL});
    static const struct decode_case cases[] = {
        {"a,b,c\nx,1,y\n", "{\"a\":\"x\",\"c\":\"y\"}"},
        {"c,a\r\ny,x", "{\"a\":\"x\",\"c\":\"y\"}"},     // another order; b is not read, and may lack
        {"c,a\r\ny2,x2", "{\"a\":\"x2\",\"c\":\"y2\"}"}, // the same header again
        {"z,\"c\",,a\n1,y,2,x", "{\"a\":\"x\",\"c\":\"y\"}"},
        {"\"c\",\"a\nb\",a\n\"y\",2,x\n", "{\"a\":\"x\",\"c\":\"y\"}"},
        {"\xEF\xBB\xBF"
         "a,c\nx,y",
         "{\"a\":\"x\",\"c\":\"y\"}"},
        {"a,c,a\nx,y,no", "{\"a\":\"x\",\"c\":\"y\"}"}, // the first of a name
        {"a,b\nx,1", "columns"},
        {"a,c\nx", "columns"},
        {"a,c\nx,y,z", "columns"},
        {"a,c\nx,y\nx,y\n", "csv"},
        {"a,c\n", "csv"},
        {"a,c", "csv"},
        {"a,\"c\nx,y", "csv"},
        {"A,c\nx,y", "columns"},
        {"", "columns"},
    };
    DECODE_CASES(&d, cases);
    const char *text;
    assert_string_equal(decode_one(&d, K_STR("a,C\nx,y"), &text), "columns");
    assert_string_equal(text, "the header does not name the column \"c\": a,C?");
    assert_string_equal(decode_one(&d, K_STR("a,c\nx,y,z"), &text), "columns");
    assert_string_equal(text, "the record has 3 columns, the header 2: x,y,z");
    decode_fini(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
