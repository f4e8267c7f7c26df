// What expressions come to, row by row. Where PostgreSQL has the same types the expectations are its answers.
#include "tests/operators/expr_test.h"

#include <math.h>

#include "base/units.h"

// i 7, j -2, d 2.5, e NaN, s 'héllo,x,', p 'h%', t 2026-01-01 12:34:56.123456, b true, c false, z NULL; userId ''.
static void fill(struct k_value *row)
{
    memset(row, 0, TEST_FIELDS * sizeof *row);
    for (int k = 0; k < TEST_FIELDS; k++) row[k].null = true;
    row[0] = (struct k_value){.i = 7};
    row[1] = (struct k_value){.i = -2};
    row[2] = (struct k_value){.d = 2.5};
    row[3] = (struct k_value){.d = NAN};
    row[4] = (struct k_value){.s = K_STR("héllo,x,")};
    row[5] = (struct k_value){.s = K_STR("h%")};
    assert_true(k_time_parse(K_STR("2026-01-01T12:34:56.123456Z"), &row[6].i));
    row[6].null = false;
    row[7] = (struct k_value){.b = true};
    row[8] = (struct k_value){.b = false};
    row[10] = (struct k_value){.s = K_STR("{\"a\": 1}")};
    row[12] = (struct k_value){.s = K_STR("")};
    row[11] = (struct k_value){.s = K_STR("\x01\x02")};
}

static const struct {
    const char *text, *value;
} cases[] = {
    // Arithmetic.
    {"i + j", "5"}, {"i - j", "9"}, {"i * j", "-14"}, {"i / j", "-3"}, {"j / i", "0"}, {"-7 / 2 + z", "null"},
    {"i % j", "1"}, {"j % i", "-2"}, {"-i", "-7"}, {"+i", "7"}, {"i + d", "9.5"}, {"d / j", "-1.25"}, {"i / 2", "3"},
    {"i / 2.0", "3.5"}, {"7 / i", "1"}, {"d % 2", "0.5"}, {"-d", "-2.5"}, {"d * d", "6.25"}, {"d - i", "-4.5"},
    {"mod(i, 4)", "3"}, {"mod(-7, 4)", "-3"}, {"z + 1", "null"}, {"z / 0", "null"}, {"2 + 3 * 4 - 1", "13"},
    {"i + '5'", "12"}, {"e + 1", "\"NaN\""}, {"'Infinity'::double + d", "\"Infinity\""},
    {"(i - 8 - 9223372036854775807) / -1", "ERROR overflow"}, {"(i - 8 - 9223372036854775807) % -1", "0"},
    {"-(i - 8 - 9223372036854775807)", "ERROR overflow"}, {"i / (j + 2)", "ERROR division_by_zero"},
    {"i % (j + 2)", "ERROR division_by_zero"}, {"mod(i, j + 2)", "ERROR division_by_zero"},
    {"d / (j + 2)", "ERROR division_by_zero"}, {"d % (j + 2)", "ERROR division_by_zero"}, {"e / (j + 2)", "\"NaN\""},
    {"i + 9223372036854775807", "ERROR overflow"}, {"j - 9223372036854775807", "ERROR overflow"},
    {"i * 9223372036854775807", "ERROR overflow"}, {"j + -9223372036854775807", "ERROR overflow"},
    {"d * 1e308", "ERROR overflow"}, {"d * 1e-300 * 1e-300", "ERROR underflow"},
    {"d / 1e-308 / 1e-10", "ERROR overflow"}, {"d / 1e300 / 1e300", "ERROR underflow"}, {"d / 'Infinity'", "0"},
    {"0 * d", "0"}, {"d - d", "0"}, {"1e308 + d * 4e307 * 2", "ERROR overflow"},
    {"'Infinity' - (d + 'Infinity')", "\"NaN\""},
    {"i & 3", "3"}, {"i | 8", "15"}, {"i # 2", "5"}, {"i << 2", "28"}, {"j >> 1", "-1"}, {"~i", "-8"},
    {"i << 65", "14"},
    {"i & z", "null"}, {"i << -1", "-9223372036854775808"}, {"i & 4 = 4", "true"}, {"1 + i & 8", "8"},
    // Comparison.
    {"i = 7", "true"}, {"i <> 7", "false"}, {"i != j", "true"}, {"i < j", "false"}, {"i <= 7", "true"},
    {"7 > i", "false"}, {"i >= 7.5", "false"}, {"d = 2.5", "true"}, {"e = e", "true"}, {"e <> e", "false"},
    {"e > 1e308", "true"}, {"e < 1", "false"}, {"d < e", "true"}, {"e >= e", "true"}, {"e <= d", "false"},
    {"d <= e", "true"}, {"e > e", "false"}, {"s = 'héllo,x,'", "true"}, {"s < 'i'", "true"}, {"s > 'h'", "true"},
    {"'' < s", "true"}, {"s <> p", "true"}, {"t > '2026-01-01'", "true"},
    {"t = '2026-01-01T13:34:56.123456+01:00'", "true"}, {"b > c", "true"}, {"y = y", "true"}, {"z = z", "null"},
    {"z <> 1", "null"}, {"z = 0 OR z <> 0", "null"}, {"i = 7 AND d = 2.5 AND s LIKE p", "true"},
    {"i IS DISTINCT FROM 7", "false"}, {"z IS DISTINCT FROM 7", "true"}, {"z IS NOT DISTINCT FROM NULL", "true"},
    {"e IS DISTINCT FROM 'NaN'", "false"}, {"z IS NULL", "true"}, {"i IS NULL", "false"}, {"z IS NOT NULL", "false"},
    // Forms.
    {"i BETWEEN 1 AND 7", "true"}, {"i BETWEEN 8 AND 9", "false"}, {"i NOT BETWEEN 1 AND 6.5", "true"},
    {"i BETWEEN z AND 6", "false"}, {"i BETWEEN z AND 8", "null"}, {"i + 1 BETWEEN 8 AND 8", "true"},
    {"i BETWEEN 8 AND 1 / (j + 2)", "false"}, {"i BETWEEN 7 AND 1 / (j + 2)", "ERROR division_by_zero"},
    {"i BETWEEN SYMMETRIC 9 AND 7", "true"}, {"i BETWEEN SYMMETRIC 1 AND 7", "true"},
    {"i NOT BETWEEN SYMMETRIC 9 AND 8", "true"}, {"i BETWEEN SYMMETRIC z AND 6", "null"},
    {"i + 1 BETWEEN SYMMETRIC i + 2 AND i - 2", "true"}, {"z BETWEEN SYMMETRIC 1 AND 2", "null"},
    {"i BETWEEN SYMMETRIC 8 AND 1 / (j + 2)", "ERROR division_by_zero"},
    {"greatest(i, j)", "7"}, {"least(i, j, 0)", "-2"}, {"greatest(i, d, 7.5)", "7.5"}, {"greatest(z, j)", "-2"},
    {"greatest(z, NULL)", "null"}, {"least(e, d)", "2.5"}, {"greatest(d, e, 1)", "\"NaN\""}, {"least(z, z)", "null"},
    {"greatest(s, p, 'i')", "\"i\""}, {"least(b, c)", "false"}, {"greatest(b, c, NULL)", "true"},
    {"greatest(t, '2027-01-01') = '2027-01-01'", "true"}, {"greatest(t - t, '1 h'::interval) = '1 h'", "true"},
    {"least(i, 1 / (j + 2))", "ERROR division_by_zero"}, {"greatest(i, z, j, 1, 2, 3, 4, 9, 8)", "9"},
    {"i IN (1, 7, 9)", "true"}, {"i IN (1, 2)", "false"}, {"i IN (1, NULL)", "null"}, {"i IN (7, NULL)", "true"},
    {"i NOT IN (1, NULL)", "null"}, {"j IN (1, NULL)", "null"}, {"z IN (1)", "null"}, {"i IN (1, 7.0)", "true"},
    {"d IN (1, 2.5)", "true"}, {"s IN ('x', 'héllo,x,', 'a')", "true"}, {"t IN ('2026-01-01')", "false"},
    {"e IN (1, 'NaN')", "true"}, {"i + 1 IN (j, i, 8)", "true"}, {"i IN (j, z)", "null"},
    {"i IN (7, 1 / (j + 2))", "true"}, {"i IN (8, 1 / (j + 2))", "ERROR division_by_zero"}, {"b IN (false)", "false"},
    {"NULL IN (1)", "null"}, {"CASE WHEN i > 5 THEN 'big' ELSE 'small' END", "\"big\""},
    {"CASE WHEN z > 5 THEN 'big' END", "null"}, {"CASE i WHEN 1 THEN 'one' WHEN 7 THEN 'seven' END", "\"seven\""},
    {"CASE z WHEN NULL THEN 1 ELSE 2 END", "2"}, {"CASE WHEN c THEN 1 / (j + 2) ELSE 3 END", "3"},
    {"CASE WHEN b THEN 1 ELSE 2.5 END", "1"}, {"CASE i + 1 WHEN 8 THEN CASE d WHEN 2.5 THEN i + 1 END END", "8"},
    {"CASE WHEN b THEN NULL ELSE t END IS NULL", "true"}, {"CASE WHEN c THEN NULL END", "null"},
    {"COALESCE(z, i)", "7"}, {"COALESCE(z, NULL)", "null"}, {"COALESCE(i, 1 / (j + 2))", "7"},
    {"COALESCE(z, 1 / (j + 2))", "ERROR division_by_zero"}, {"COALESCE(z, d)", "2.5"},
    {"concat(s, z::string, '!')", "\"héllo,x,!\""}, {"concat(NULL, NULL)", "\"\""}, {"s ILIKE 'HÉ%'", "true"},
    {"s ILIKE upper(p)", "true"}, {"s NOT ILIKE '%É_LO,x,'", "false"}, {"s ILIKE '!HÉ%' ESCAPE '!'", "true"},
    {"concat_ws('-', s, z::string, '!')", "\"héllo,x,-!\""}, {"concat_ws(z::string, s)", "null"},
    {"concat_ws('-', NULL)", "\"\""}, {"trim(TRAILING ',' FROM s)", "\"héllo,x\""}, {"btrim(s, ',héx')", "\"llo\""},
    {"trim('  ')", "\"\""}, {"left(s, 2)", "\"hé\""}, {"left(s, -7)", "\"h\""}, {"left(s, -8)", "\"\""},
    {"left(s, -9223372036854775807 - 1)", "\"\""}, {"right(s, 3)", "\",x,\""}, {"right(s, -6)", "\"x,\""},
    {"right(s, 99)", "\"héllo,x,\""}, {"right(s, -9223372036854775807 - 1)", "\"\""}, {"right(s, 0)", "\"\""},
    {"position('l' IN s)", "3"}, {"position('' IN s)", "1"}, {"strpos(s, 'z')", "0"}, {"strpos(s, z::string)", "null"},
    {"starts_with(s, 'hé')", "true"}, {"starts_with('h', s)", "false"}, {"replace(s, 'l', 'LL')", "\"héLLLLo,x,\""},
    {"replace(s, '', 'x')", "\"héllo,x,\""}, {"replace(s, s, '')", "\"\""}, {"reverse(s)", "\",x,olléh\""},
    {"repeat(s, 0)", "\"\""}, {"repeat(s, -1)", "\"\""}, {"repeat(s, 9223372036854775807)", "ERROR overflow"},
    {"repeat('', 9223372036854775807) || p", "\"h%\""}, {"octet_length(repeat(p, 8388608))", "16777216"},
    {"octet_length(repeat(p, 8388609))", "ERROR overflow"}, {"lpad(p, 5, 'é,')", "\"é,éh%\""}, {"rpad(p, 1)", "\"h\""},
    {"rpad(p, 9223372036854775807)", "ERROR overflow"}, {"lpad(p, 9223372036854775807, '')", "\"h%\""},
    {"lpad(p, 9223372036854775807, s)", "ERROR overflow"}, {"octet_length(lpad(p, 16777217, 'x'))", "ERROR overflow"},
    {"length(replace(repeat('a', 1000000), 'a', s))", "8000000"}, {"length(y)", "2"}, {"octet_length(y)", "2"},
    {"octet_length(replace(repeat('a', 4000000), 'a', s))", "ERROR overflow"},
    {"octet_length(regexp_replace(repeat('a', 4000), 'a', repeat(s, 1000), 'g'))", "ERROR overflow"},
    {"md5(s)", "\"513985a69feb821b2f7ca3d1ac32a966\""}, {"md5(y)", "\"0cb988d042a7f28dd5fe2b55b3f5ac7a\""},
    {"sha256(y)", "\"a12871fee210fb8619291eaea194581cbd2531e4b23759d225f6806923f63222\""},
    {"xxhash('')", "-1205034819632174695"}, {"xxhash(z::string)", "null"}, {"xxhash(y)", "8827404902424034886"},
    {"z::string ILIKE s", "null"}, {"COALESCE(NULL, 'a') || s", "\"ahéllo,x,\""},
    {"NULLIF(i, 7)", "null"}, {"NULLIF(i, 8)", "7"},
    {"NULLIF(z, 8)", "null"}, {"NULLIF(i, z)", "7"}, {"NULLIF(i + 1, 8)", "null"},
    // Errors are those of the rows that SQL evaluates.
    {"j + 2 <> 0 AND i / (j + 2) > 1", "false"}, {"j + 2 = 0 OR i / (j + 2) > 1", "true"},
    {"z > 0 AND i / (j + 2) > 1", "ERROR division_by_zero"}, {"b AND c AND i / (j + 2) > 1", "false"},
    {"(i / (j + 2)) IS NULL", "ERROR division_by_zero"}, {"NOT (c AND i / (j + 2) > 1)", "true"},
    // The first error of a row is its error.
    {"i / (j + 2) + (i + 9223372036854775807)", "ERROR division_by_zero"},
    {"(i + 9223372036854775807) + i / (j + 2)", "ERROR overflow"},
    // Strings.
    {"s || '!'", "\"héllo,x,!\""}, {"s || NULL", "null"}, {"'' || ''", "\"\""}, {"upper(s)", "\"HÉLLO,X,\""},
    {"lower('ÀÉ' || 'ẞΣ')", "\"àéßσ\""}, {"upper('straße')", "\"STRAßE\""}, {"lower('İ' || s)", "\"ihéllo,x,\""},
    {"upper('ɐ' || 'ı')", "\"ⱯI\""}, {"length(s)", "8"}, {"octet_length(s)", "9"}, {"char_length('')", "0"},
    {"split_part(s, ',', 1)", "\"héllo\""}, {"split_part(s, ',', 2)", "\"x\""}, {"split_part(s, ',', 3)", "\"\""},
    {"split_part(s, ',', 4)", "\"\""}, {"split_part(s, ',', -1)", "\"\""}, {"split_part(s, ',', -2)", "\"x\""},
    {"split_part(s, ',', -3)", "\"héllo\""}, {"split_part(s, ',', -4)", "\"\""},
    {"split_part(s, '', 1)", "\"héllo,x,\""}, {"split_part(s, '', 2)", "\"\""},
    {"split_part(s, '', -1)", "\"héllo,x,\""}, {"split_part(s, 'll', 2)", "\"o,x,\""},
    {"split_part('', ',', 1)", "\"\""}, {"split_part(s, ',', j + 2)", "ERROR argument"},
    {"split_part('aaa', 'aa', -1)", "\"a\""}, {"substring(s FROM 2 FOR 3)", "\"éll\""},
    {"substring(s, 3)", "\"llo,x,\""}, {"substring(s, 0, 2)", "\"h\""}, {"substring(s, -5)", "\"héllo,x,\""},
    {"substring(s, -5, 3)", "\"\""}, {"substring(s, 20)", "\"\""},
    {"substring(s, 2, 9223372036854775807)", "\"éllo,x,\""}, {"substring(s FOR 2)", "\"hé\""},
    {"substring(s, i, 9)", "\"x,\""}, {"substring(s, 1, j)", "ERROR argument"}, {"substring(s, 1, 0)", "\"\""},
    // LIKE.
    {"s LIKE 'h%'", "true"}, {"s LIKE '%x,'", "true"}, {"s LIKE '%llo%'", "true"}, {"s LIKE 'héllo,x,'", "true"},
    {"s LIKE 'h_llo,_,'", "true"}, {"s LIKE 'h__llo%'", "false"}, {"s LIKE '_%_'", "true"}, {"s LIKE ''", "false"},
    {"'' LIKE ''", "true"}, {"'' LIKE '%'", "true"}, {"s LIKE '%'", "true"}, {"s LIKE '%%'", "true"},
    {"s LIKE p", "true"}, {"s NOT LIKE 'H%'", "true"}, {"'a%b' LIKE 'a\\%b'", "true"},
    {"'axb' LIKE 'a\\%b'", "false"}, {"s LIKE NULL", "null"}, {"'a_b' LIKE 'a#_b' ESCAPE '#'", "true"},
    {"'axb' LIKE 'a#_b' ESCAPE '#'", "false"}, {"'a\\b' LIKE 'a\\b' ESCAPE ''", "true"},
    {"'a#b' LIKE 'a##b' ESCAPE '#'", "true"}, {"'aé' LIKE 'aöé' ESCAPE 'ö'", "true"}, {"p LIKE 'h\\' || '%'", "true"},
    {"s LIKE (p || '\\')", "ERROR like"}, {"'abab' LIKE '%ab'", "true"}, {"'ababc' LIKE '%ab_'", "true"},
    {"'ab' LIKE '%b%a%'", "false"}, {"'aXbXc' LIKE 'a%X%c'", "true"}, {"s LIKE '%l_,%'", "true"},
    {"'ab' LIKE 'a%_%b'", "false"},
    // Casts.
    {"i::double", "7"}, {"d::int64", "2"}, {"(d + 1)::bigint", "4"}, {"(-d)::int8", "-2"},
    {"(d * 1e30)::int64", "ERROR cast"}, {"e::int64", "ERROR cast"}, {"i::text", "\"7\""},
    {"(i - 8 - 9223372036854775807)::text", "\"-9223372036854775808\""}, {"d::text", "\"2.5\""},
    {"e::text", "\"NaN\""}, {"(d * 4)::text", "\"10\""}, {"(d * 1e14)::text", "\"250000000000000\""},
    {"(d * 4e14)::text", "\"1e+15\""}, {"(d * 1e-4)::text", "\"0.00025\""}, {"(d * 1e-5)::text", "\"2.5e-05\""},
    {"(d * 5e299)::text", "\"1.25e+300\""}, {"(0 * -d)::text", "\"-0\""}, {"(d / 25)::text", "\"0.1\""},
    {"(d * 40.1)::text", "\"100.25\""}, {"b::text", "\"true\""}, {"b::int", "1"}, {"i::bool", "true"},
    {"(i - 7)::boolean", "false"}, {"js::text", "\"{\\\"a\\\": 1}\""}, {"t::text", "\"2026-01-01 12:34:56.123456\""},
    {"date_trunc('hour', t)::text", "\"2026-01-01 12:00:00\""}, {"(s || \"userId\")::int64", "ERROR cast"},
    {"(' 12 ' || \"userId\")::int64", "12"}, {"('-' || '9223372036854775808')::int64", "-9223372036854775808"},
    {"('9223372036854775808' || \"userId\")::int64", "ERROR cast"}, {"('+5' || \"userId\")::int64", "5"},
    {"('' || \"userId\")::int64", "ERROR cast"}, {"('1_0' || \"userId\")::int64", "ERROR cast"},
    {"(' 1.5e3 ' || \"userId\")::double", "1500"}, {"('-inf' || \"userId\")::double", "\"-Infinity\""},
    {"('nan' || \"userId\")::double", "\"NaN\""},
    {"('+nan' || \"userId\")::double", "\"NaN\""}, {"('1e999' || \"userId\")::double", "ERROR cast"},
    {"('0x10' || \"userId\")::double", "ERROR cast"}, {"(' TRUE ' || \"userId\")::bool", "true"},
    {"('of' || \"userId\")::bool", "false"}, {"('o' || \"userId\")::bool", "ERROR cast"},
    {"('2' || \"userId\")::bool", "ERROR cast"}, {"('2026-02-29' || \"userId\")::timestamp", "ERROR cast"},
    {"('2024-02-29' || \"userId\")::timestamp", "\"2024-02-29T00:00:00Z\""},
    {"(' 2026-01-01 10:20 ' || \"userId\")::timestamptz", "\"2026-01-01T10:20:00Z\""},
    {"('2026-01-01 10:20:30.5+01' || \"userId\")::timestamp", "\"2026-01-01T09:20:30.500Z\""}, {"z::text", "null"},
    {"CAST(i AS double precision)", "7"},
    // Timestamps.
    {"date_trunc('microsecond', t)", "\"2026-01-01T12:34:56.123456Z\""},
    {"date_trunc('milliseconds', t)", "\"2026-01-01T12:34:56.123Z\""},
    {"date_trunc('SECOND', t)", "\"2026-01-01T12:34:56Z\""}, {"date_trunc('minute', t)", "\"2026-01-01T12:34:00Z\""},
    {"date_trunc('day', t)", "\"2026-01-01T00:00:00Z\""}, {"date_trunc('week', t)", "\"2025-12-29T00:00:00Z\""},
    {"date_trunc('month', t)", "\"2026-01-01T00:00:00Z\""}, {"date_trunc('year', t)", "\"2026-01-01T00:00:00Z\""},
    {"date_trunc('decade', t)", "\"2020-01-01T00:00:00Z\""}, {"date_trunc('century', t)", "\"2001-01-01T00:00:00Z\""},
    {"date_trunc('century', TIMESTAMP '2000-12-31' + (t - t))", "\"1901-01-01T00:00:00Z\""},
    {"date_trunc('millennium', TIMESTAMP '0001-01-01' + (t - t))", "\"0001-01-01T00:00:00Z\""},
    {"date_trunc('quarter', t - INTERVAL '1 month')", "\"2025-10-01T00:00:00Z\""},
    {"date_trunc('week', TIMESTAMP '1969-12-31' + (t - t))", "\"1969-12-29T00:00:00Z\""},
    {"date_trunc('hour', TIMESTAMP '1969-12-31 23:59:59' + (t - t))", "\"1969-12-31T23:00:00Z\""},
    {"date_trunc(lower('DAY'), t)", "\"2026-01-01T00:00:00Z\""}, {"date_trunc(p, t)", "ERROR argument"},
    {"t + '1 day'", "\"2026-01-02T12:34:56.123456Z\""},
    {"t + INTERVAL '1.5 hours'", "\"2026-01-01T14:04:56.123456Z\""},
    {"t - INTERVAL '-1 day 00:00:01'", "\"2026-01-02T12:34:55.123456Z\""},
    {"t + INTERVAL '1 year 1 mon'", "\"2027-02-01T12:34:56.123456Z\""},
    {"TIMESTAMP '2024-01-31' + (t - t) + INTERVAL '1 month'", "\"2024-02-29T00:00:00Z\""},
    {"t - TIMESTAMP '2025-12-31' > INTERVAL '36 hours'", "true"}, {"t - '2025-12-31' > '36:30'", "true"},
    {"t + INTERVAL '1000000 years'", "ERROR overflow"},
    // On its way beyond the last timestamp, and back.
    {"t + INTERVAL '106751000 days -9223286400000000000 us'", "\"2026-01-01T12:34:56.123456Z\""},


};

static void values(void **state)
{
    (void)state;
    uint32_t wrong = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct k_arena arena;
        k_arena_init(&arena);
        struct k_value row[TEST_FIELDS];
        fill(row);
        struct k_expr *expr = test_compile(&arena, cases[i].text);
        struct k_expr_errors errors = {0};
        struct k_value value = k_expr_eval_row(expr, &test_schema, row, &arena, &errors);
        const char *got = test_value(&arena, &value, &errors);
        if (strcmp(got, cases[i].value) != 0 || (value.null && !errors.count && k_expr_not_null(expr))) {
            print_error("%s\n  expected %s\n  is       %s\n", cases[i].text, cases[i].value, got);
            wrong++;
        }
        assert_true(!errors.count || value.null);
        k_arena_fini(&arena);
    }
    assert_int_equal(wrong, 0);
}

// Three-valued logic, all of it: the operands as columns, so that nothing is folded.
static const char *const truth_names[] = {"false", "true", "null"};

static const char *logic(const char *text, int b, int c)
{
    static char kept[16];
    struct k_arena arena;
    k_arena_init(&arena);
    struct k_value row[TEST_FIELDS];
    fill(row);
    row[7] = (struct k_value){.b = b == 1, .null = b == 2};
    row[8] = (struct k_value){.b = c == 1, .null = c == 2};
    struct k_expr_errors errors = {0};
    struct k_value value = k_expr_eval_row(test_compile(&arena, text), &test_schema, row, &arena, &errors);
    snprintf(kept, sizeof kept, "%s", test_value(&arena, &value, &errors));
    k_arena_fini(&arena);
    return kept;
}

static void three_valued_logic(void **state)
{
    (void)state;
    static const int and[3][3] = {{0, 0, 0}, {0, 1, 2}, {0, 2, 2}};
    static const int or[3][3] = {{0, 1, 2}, {1, 1, 1}, {2, 1, 2}};
    static const int equal[3][3] = {{1, 0, 2}, {0, 1, 2}, {2, 2, 2}};
    static const int not[3] = {1, 0, 2};
    for (int b = 0; b < 3; b++) {
        for (int c = 0; c < 3; c++) {
            assert_string_equal(logic("b AND c", b, c), truth_names[and[b][c]]);
            assert_string_equal(logic("b OR c", b, c), truth_names[or[b][c]]);
            assert_string_equal(logic("b = c", b, c), truth_names[equal[b][c]]);
            assert_string_equal(logic("b IS DISTINCT FROM c", b, c), truth_names[b != c]);
            assert_string_equal(logic("b IS NOT DISTINCT FROM c", b, c), truth_names[b == c]);
            // The same with a constant on one side, and with a side that is costly and so evaluated for fewer rows.
            char text[64];
            snprintf(text, sizeof text, "b AND %s", truth_names[c]);
            assert_string_equal(logic(text, b, c), truth_names[and[b][c]]);
            snprintf(text, sizeof text, "%s OR c", truth_names[b]);
            assert_string_equal(logic(text, b, c), truth_names[or[b][c]]);
            assert_string_equal(logic("b AND lower(c::text)::bool", b, c), truth_names[and[b][c]]);
            assert_string_equal(logic("b OR lower(c::text)::bool", b, c), truth_names[or[b][c]]);
        }
        assert_string_equal(logic("NOT b", b, 0), truth_names[not[b]]);
        assert_string_equal(logic("b IS TRUE", b, 0), truth_names[b == 1]);
        assert_string_equal(logic("b IS NOT TRUE", b, 0), truth_names[b != 1]);
        assert_string_equal(logic("b IS FALSE", b, 0), truth_names[b == 0]);
        assert_string_equal(logic("b IS NOT FALSE", b, 0), truth_names[b != 0]);
        assert_string_equal(logic("b IS UNKNOWN", b, 0), truth_names[b == 2]);
        assert_string_equal(logic("b IS NOT UNKNOWN", b, 0), truth_names[b != 2]);
    }
}

static void expect_print(const char *text, const char *printed)
{
    struct k_arena arena;
    struct k_buf out = {0};
    k_arena_init(&arena);
    k_expr_print(test_compile(&arena, text), &out);
    assert_string_equal(out.data, printed);
    k_buf_fini(&out);
    k_arena_fini(&arena);
}

// Fingerprints of graphs are made of it: a change here makes every state foreign.
static void canonical_text(void **state)
{
    (void)state;
    expect_print(" ( I+1 ) ", "+:int64(\"i\"::int64, 1::int64)");
    expect_print("i + (2 - 1)", "+:int64(\"i\"::int64, 1::int64)");
    expect_print("b AND NOT c", "and(\"b\"::bool, NOT:bool(\"c\"::bool))");
    expect_print("t > '2026-01-01'", ">:bool(\"t\"::timestamp, \"2026-01-01T00:00:00Z\"::timestamp)");
    expect_print("i + 1 IN (3, 1, 3, NULL)", "(+:int64(\"i\"::int64, 1::int64)) in [1::int64, 3::int64, null]");
    expect_print("d BETWEEN -d AND 1", "and(>=:bool(\"d\"::double, -:double(\"d\"::double)), "
                                       "<=:bool(\"d\"::double, 1::double))");
    expect_print("NULLIF(i + 1, 2)", "let $0(+:int64(\"i\"::int64, 1::int64), "
                                     "case(=:bool($0, 2::int64), null::int64, $0))");
    expect_print("t + '1 month 2 days'", "+:timestamp(\"t\"::timestamp, 1months 2days 0us::interval)");
}

static void columns_that_are_read(void **state)
{
    (void)state;
    struct k_arena arena;
    struct k_diags diags = {0};
    bool read[TEST_FIELDS] = {false};
    struct k_scope scope = {&test_schema, "parsed", read};
    k_arena_init(&arena);
    struct k_expr *sum = k_expr_compile(&arena, K_STR("i + j"), &scope, &test_place, &diags, NULL);
    assert_true(read[0] && read[1] && !read[2]);
    assert_int_equal(k_expr_column(sum), -1);
    assert_int_equal(k_expr_type(sum), K_INT64);
    assert_false(k_expr_not_null(sum));
    struct k_expr *j = k_expr_compile(&arena, K_STR("j"), &scope, &test_place, &diags, NULL);
    assert_int_equal(k_expr_column(j), 1);
    assert_true(k_expr_not_null(j));
    k_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),
        cmocka_unit_test(three_valued_logic),
        cmocka_unit_test(canonical_text),
        cmocka_unit_test(columns_that_are_read),
    };
    return cmocka_run_group_tests_name("expr_values", tests, NULL, NULL);
}
