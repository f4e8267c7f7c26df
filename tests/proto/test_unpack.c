// Messages of several records: where each begins and ends, whatever the bytes.
#include "tests/base/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "proto/csv.h"
#include "proto/unpack.h"

static const struct k_packing lines = {.kind = K_PACKING_LINES};
static const struct k_packing csv = {.kind = K_PACKING_CSV, .delimiter = ','};
static const struct k_packing delimited = {.kind = K_PACKING_LENGTHS};
static const struct k_packing headed = {.kind = K_PACKING_CSV, .delimiter = ',', .header = true};

// The records, each in <>, a broken rest in !!.
static const char *unpack(const struct k_packing *packing, struct k_str value, struct k_buf *out)
{
    k_buf_clear(out);
    k_buf_add_text(out, "");
    uint32_t at = 0, before = 0;
    struct k_str record;
    const char *why;
    while (k_unpack(packing, value, &at, &record, &why)) {
        assert_true(at > before && at <= value.length); // it ends
        before = at;
        assert_true(record.data >= value.data && record.data + record.length <= value.data + value.length);
        k_buf_add_char(out, why ? '!' : '<');
        k_buf_add(out, record.data, record.length);
        k_buf_add_char(out, why ? '!' : '>');
    }
    assert_false(k_unpack(packing, value, &at, &record, &why));
    return out->data;
}

static void test_cases(void **state)
{
    (void)state;
    static const struct {
        const struct k_packing *packing;
        const char *value, *records;
    } cases[] = {
        {&lines, "", ""},
        {&lines, "a", "<a>"},
        {&lines, "a\n", "<a>"},
        {&lines, "a\nb", "<a><b>"},
        {&lines, "a\r\nb\r\n", "<a><b>"},
        {&lines, "\n\r\n\na\n\n", "<a>"},
        {&lines, "a\rb\r", "<a\rb\r>"},
        {&lines, " \n", "< >"},
        {&csv, "", ""},
        {&csv, "a,b\nc\n", "<a,b><c>"},
        {&csv, "\"a\nb\",c\r\n\r\nd", "<\"a\nb\",c><d>"},
        {&csv, "a\"b\nc\"d\n", "<a\"b><c\"d>"}, // malformed, but each by itself
        {&csv, "\"a\"b\nc\n", "<\"a\"b><c>"},
        {&csv, "\"a\"\"\nb\",c\nd", "<\"a\"\"\nb\",c><d>"},
        {&csv, "x\n\"a\nb\n", "<x><\"a\nb\n>"}, // never closed: the rest is one record
        {&csv, "\"\"\n\"\"", "<\"\"><\"\">"},
        {&csv,
         "\xEF\xBB\xBF"
         "a\nb",
         "<a><b>"},
        {&headed, "h,i\na,b\nc,d", "<a,b><c,d>"},
        {&headed, "h,\"i\nj\"\r\na,b\r\n", "<a,b>"},
        {&headed, "h,i", ""},
        {&headed, "h,i\n", ""},
        {&headed, "", ""},
        {&headed, "h,\"i\na,b\n", "!h,\"i\na,b\n!"},
        {&headed, "h\"\na\n", "!h\"\na\n!"},
    };
    const struct {
        struct k_str value;
        const char *records;
    } lengths[] = {
        {K_STR(""), ""},
        {K_STR("\x01"
               "a"),
         "<a>"},
        {K_STR("\x00\x02"
               "ab\x00"),
         "<><ab><>"},
        {K_STR("\x82\x00"
               "ab"),
         "<ab>"},
        {K_STR("\x01"
               "a\x02"
               "b"),
         "<a>!\x02"
         "b!"},
        {K_STR("\x01"
               "a\x80"),
         "<a>!\x80!"},
        {K_STR("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "!\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01!"},
    };
    struct k_buf out = {0};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        assert_string_equal(unpack(&delimited, lengths[i].value, &out), lengths[i].records);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(unpack(cases[i].packing, k_str_of(cases[i].value), &out), cases[i].records);
    k_buf_fini(&out);
}

// Records that are written as RFC 4180 wants come back as they were, field by field.
static void test_round_trip(void **state)
{
    (void)state;
    uint64_t seed = 4180;
    static const char bytes[] = "ab,\"\r\n \xff";
    struct k_buf written = {0}, read = {0}, expected = {0};
    for (int round = 0; round < 20000; round++) {
        k_buf_clear(&written), k_buf_clear(&read), k_buf_clear(&expected);
        uint32_t records = (uint32_t)k_random_below(&seed, 4);
        for (uint32_t r = 0; r < records; r++) {
            uint32_t fields = 1 + (uint32_t)k_random_below(&seed, 3);
            for (uint32_t f = 0; f < fields; f++) {
                k_buf_add_text(&written, f ? ",\"" : "\"");
                k_buf_add_char(&expected, '|');
                for (uint64_t n = k_random_below(&seed, 5); n > 0; n--) {
                    char c = bytes[k_random_below(&seed, sizeof bytes - 1)];
                    if (c == '"') k_buf_add_char(&written, c);
                    k_buf_add_char(&written, c);
                    if (c == '"') k_buf_add_char(&expected, c); // fields are compared with their quotes doubled
                    k_buf_add_char(&expected, c);
                }
                k_buf_add_char(&written, '"');
            }
            k_buf_add_char(&expected, '\n');
            if (r + 1 < records || k_random_below(&seed, 2)) k_buf_add_text(&written, round % 2 ? "\n" : "\r\n");
        }
        uint32_t at = 0;
        struct k_str record;
        const char *why;
        while (k_unpack(&csv, k_buf_str(&written), &at, &record, &why)) {
            struct k_csv_field field;
            uint32_t inside = 0;
            do {
                k_csv_field(record, ',', &inside, &field);
                assert_null(field.why);
                k_buf_add_char(&read, '|');
                k_buf_add(&read, field.text.data, field.text.length);
            } while (!field.last);
            assert_int_equal(inside, record.length);
            k_buf_add_char(&read, '\n');
        }
        assert_true(k_str_equal(k_buf_str(&read), k_buf_str(&expected)));
    }
    k_buf_fini(&written), k_buf_fini(&read), k_buf_fini(&expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases), cmocka_unit_test(test_round_trip)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
