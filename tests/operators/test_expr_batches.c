// How records are cut into batches, and which of them are selected, never matters: the same rows give the same values
// and the same errors one at a time, by seven, and by 4096; and k_expr_filter keeps exactly the rows that are TRUE.
#include "tests/operators/expr_test.h"

#include <math.h>

#include "base/hash.h"

enum { ROWS = 5000 };

struct table {
    struct k_arena arena;
    struct k_column columns[TEST_FIELDS];
    uint8_t valid[TEST_FIELDS][ROWS];
    uint8_t selected[ROWS];
};

static int64_t random_int(uint64_t *seed)
{
    switch (k_random_below(seed, 12)) {
    case 0: return INT64_MAX;
    case 1: return INT64_MIN;
    case 2: return (int64_t)k_random(seed);
    default: return (int64_t)k_random_below(seed, 9) - 4;
    }
}

static double random_double(uint64_t *seed)
{
    static const double special[] = {NAN, INFINITY, -INFINITY, 0.0, -0.0, 1e308, 1e-308, 0x1p63};
    uint64_t at = k_random_below(seed, 24);
    return at < 8 ? special[at] : ((double)k_random_below(seed, 41) - 20) / 4;
}

static struct k_str random_text(uint64_t *seed)
{
    static const char *const texts[] = {"", "a", "ab", "%", "a%", "_b", "ä", "Äb,c", "12", " -7 ", "true", "2026-01-01",
                                        "a,b,c", "héllo", "\\", "abab", "NaN", "1e5", "ß", "%b%"};
    return k_str_of(texts[k_random_below(seed, sizeof texts / sizeof texts[0])]);
}

static void fill_column(struct table *table, uint32_t at, uint64_t *seed)
{
    const struct k_field *field = &test_fields[at];
    char *data = k_arena_zeroed(&table->arena, ROWS * k_type_width(field->type));
    for (uint32_t r = 0; r < ROWS; r++) {
        table->valid[at][r] = field->not_null || k_random_below(seed, 6) != 0;
        switch (field->type) {
        case K_BOOL: ((uint8_t *)data)[r] = (uint8_t)k_random_below(seed, 2); break;
        case K_INT64: ((int64_t *)data)[r] = random_int(seed); break;
        case K_TIMESTAMP: ((int64_t *)data)[r] = (int64_t)(k_random(seed) >> (k_random_below(seed, 40))); break;
        case K_DOUBLE: ((double *)data)[r] = random_double(seed); break;
        default: ((struct k_str *)data)[r] = random_text(seed); break;
        }
        // Values of NULL rows are undefined: a string that must not be looked at.
        if (!table->valid[at][r] && k_type_width(field->type) == sizeof(struct k_str))
            ((struct k_str *)data)[r] = (struct k_str){(const char *)(uintptr_t)16, 1u << 30};
    }
    table->columns[at] = (struct k_column){.type = field->type, .data = data,
                                           .valid = field->not_null ? NULL : table->valid[at]};
}

static struct table *make_table(uint64_t seed)
{
    struct table *table = k_new(struct table);
    k_arena_init(&table->arena);
    for (uint32_t i = 0; i < TEST_FIELDS; i++) fill_column(table, i, &seed);
    for (uint32_t r = 0; r < ROWS; r++) table->selected[r] = k_random_below(&seed, 4) != 0;
    return table;
}

static const char *const expressions[] = {
    "i + j", "i - j", "i * j", "i / j", "i % j", "-i", "+d", "d + e", "d - e", "d * e", "d / e", "d % e", "i + d",
    "7 - i", "i - 7", "100 / j", "i / 3", "i * 9223372036854775807", "2 * d", "d / 0", "1.5 - d", "mod(i, j)",
    "-(i + j)", "i = j", "i <> 3", "3 < i", "d <= e", "d > 1", "'NaN' >= d", "s = p", "s < 'b'", "'a' <= p",
    "t > '2026-01-01'", "b = c", "b >= c", "y = y", "i IS NULL", "s IS NOT NULL", "b IS TRUE", "(i > j) IS NOT FALSE",
    "i IS DISTINCT FROM z", "s IS NOT DISTINCT FROM p", "d IS DISTINCT FROM e", "b AND c", "b OR c", "NOT b",
    "b AND i > 0 AND d < 3", "b AND NULL", "j <> 0 AND i / j > 1", "j = 0 OR i / j > 1", "z > 0 AND i / j > 1",
    "b OR s::int64 > 0 OR c", "s LIKE '%b' AND i / j = 1", "CASE WHEN j <> 0 THEN i / j END",
    "CASE WHEN b THEN i / j WHEN c THEN i % j ELSE z END", "CASE i WHEN 1 THEN 'one' WHEN j THEN s ELSE p END",
    "CASE WHEN b THEN i ELSE d END", "CASE WHEN b THEN t - INTERVAL '1 day' END", "COALESCE(z, i / j, 5)",
    "COALESCE(s, p, 'none')", "COALESCE(b, c)", "NULLIF(i, j)", "NULLIF(i + 1, j * 2)", "i BETWEEN -2 AND j",
    "i + j NOT BETWEEN 0 AND 100 / j", "i IN (1, 2, 3)", "s IN ('a', 'ab', NULL)", "i IN (j, 1, z)",
    "d NOT IN (1, 2.5, 'NaN')", "i + 1 IN (1, 100 / j)", "s || p", "s || '!'", "lower(s)", "upper(p)", "length(s)",
    "octet_length(s)", "split_part(s, ',', i)", "split_part(s, p, 1)", "substring(s, i)", "substring(s, 1, j)",
    "s LIKE p", "s LIKE 'a%'", "s LIKE '%b%'", "s LIKE '_b'", "p NOT LIKE '%'", "s LIKE p ESCAPE 'a'", "s::int64",
    "s::double", "s::bool", "s::timestamp", "i::text", "d::text", "t::text", "b::text", "d::int64", "i::bool",
    "b::int64", "date_trunc('week', t)", "date_trunc('month', t)", "date_trunc('hour', t)", "date_trunc(s, t)",
    "t + INTERVAL '1 month -3 days'", "t - TIMESTAMP '2026-01-01' > INTERVAL '1 day'", "js::text", "42", "'x'",
    "NULL::int64", "s", "z", "i", "COALESCE(1 / j, 2) IS NULL OR s::int64 = 12",
    "CASE WHEN (i / j) IS NULL THEN s::double ELSE d / e END", "greatest(i, j, z)", "least(j, 3)",
    "greatest(s, p, 'b')",
    "least(d, e, i)", "greatest(b, c)", "least(t, '2026-01-01')", "greatest(y, y)", "least(i, 1 / j)",
    "i BETWEEN SYMMETRIC j AND 2", "concat(s, p, 'x', NULL, s)", "s ILIKE p", "s ILIKE '%B%'", "s ILIKE 'Ä_,%'",
    "s ~ '^a'", "p !~* 'B|É'", "regexp_substr(s, '[a-z]+')",
    "regexp_substr(s, '(a)(b)?', 2)", "regexp_substr(s, '(a)(b)?', i)",
    "regexp_replace(s, '[ab]', '<\\&>', 'g')", "regexp_replace(s, 'a(b)?', p)", "concat_ws(s, p, 'x', NULL, s)",
    "trim(s)", "trim(LEADING p FROM s)", "rtrim(s, 'bä')", "left(s, i)", "right(s, j)", "position(p IN s)",
    "strpos(s, 'b')", "starts_with(s, p)", "replace(s, p, 'xy')", "reverse(s)", "repeat(s, i)", "lpad(s, j, p)",
    "rpad(s, 7)", "md5(s)", "sha256(y)", "xxhash(s)", "length(y)", "i & j", "i | 5", "7 # i", "i << j", "i >> 3", "~i",
    // Parts that stand several times, for all rows and for some, failing and not.
    "CASE WHEN lower(s) = 'a' THEN 1 WHEN lower(s) = 'ab' THEN length(lower(s)) ELSE octet_length(lower(p)) END",
    "CASE WHEN b THEN 7 / (i - 1) WHEN c THEN 8 / (i - 1) ELSE 7 / (i - 1) + 7 / (i - 1) END",
    "b AND 7 / (i - 1) > 0 OR 7 / (i - 1) < j", "COALESCE(NULLIF(s::int64 + 1, 13), s::int64 + 1, i)",
    "CASE WHEN sqrt(d + 1) > 1 THEN s WHEN sqrt(d + 1) > 0.5 THEN p END || lower(s) || lower(s)",
    "(d + 0.5) * (d + 0.5) > (d + 1.5) * (d - 0.5)", "i BETWEEN abs(j - 2) AND abs(j - 2) + abs(j - 2)",
    "abs(i)", "abs(d)", "sign(d)", "round(d)", "trunc(d)", "floor(d)", "ceil(d)", "sqrt(d)", "cbrt(d)", "exp(d)",
    "ln(d)", "log(d)", "d ^ e", "power(d, 3)", "round(d, j)", "trunc(d, 1)", "round(i, j)", "trunc(i, -2)",
    "extract(hour FROM t)", "extract(week FROM t)", "extract(epoch FROM t - '2026-01-01')", "date_part(s, t)",
    "to_timestamp(d)", "date_bin('7 min', t, '2026-01-01')", "(t - '2026-01-01') * d > '1 day'",
    "js -> s", "js ->> 0", "js #>> '{a,1}'", "js #> s", "json_typeof(js)", "json_array_length(js)", "s::json ->> -1",
};

// The outcome of a row as text: its value, or its error with the text.
struct outcomes {
    struct k_buf text;
    size_t ends[ROWS];
    uint8_t kept[ROWS]; // by k_expr_filter, for bool
};

static void note(struct outcomes *to, uint32_t row, const struct k_column *column, uint32_t at,
                 const struct k_expr_error *error)
{
    if (error) {
        assert_true(k_column_null(column, at));
        k_buf_printf(&to->text, "%u: ERROR %s %s\n", row, error->reason, error->text);
    } else {
        struct k_value value = k_column_value(column, at);
        k_buf_printf(&to->text, "%u: ", row);
        k_value_json(&to->text, &value);
        k_buf_add_char(&to->text, '\n');
    }
}

static void check_filter(struct outcomes *to, const struct k_expr *expr, struct k_batch *batch, uint32_t begin,
                         const struct k_column *column, const struct k_expr_errors *errors)
{
    uint32_t kept[K_BATCH_ROWS], expected[K_BATCH_ROWS], expected_count = 0;
    struct k_expr_errors again = {0};
    uint32_t count = k_expr_filter(expr, batch, batch->selection, batch->selected, kept, &again);
    for (uint32_t k = 0; k < batch->selected; k++) {
        uint32_t at = batch->selection[k];
        if (k_column_null(column, at) || !column->b[at]) continue;
        expected[expected_count++] = at;
        to->kept[begin + at] = 1;
    }
    assert_int_equal(count, expected_count);
    assert_memory_equal(kept, expected, count * sizeof *kept);
    assert_int_equal(again.count, errors->count);
    for (uint32_t k = 0; k < again.count; k++) assert_int_equal(again.items[k].row, errors->items[k].row);
}

// Evaluates the selected rows of the table in batches of `size`.
static void run(const struct table *table, const struct k_expr *expr, uint32_t size, bool all, struct outcomes *to)
{
    struct k_arena arena;
    k_arena_init(&arena);
    for (uint32_t begin = 0; begin < ROWS; begin += size) {
        uint32_t rows = ROWS - begin < size ? ROWS - begin : size;
        struct k_column columns[TEST_FIELDS];
        for (uint32_t i = 0; i < TEST_FIELDS; i++) {
            columns[i] = table->columns[i];
            columns[i].data = (const char *)columns[i].data + begin * k_type_width(columns[i].type);
            if (columns[i].valid) columns[i].valid += begin;
        }
        uint32_t selection[K_BATCH_ROWS], selected = 0;
        for (uint32_t r = 0; r < rows; r++)
            if (all || table->selected[begin + r]) selection[selected++] = r;
        struct k_batch batch = {.schema = &test_schema, .columns = columns, .rows = rows, .selection = selection,
                                .selected = selected, .arena = &arena};
        struct k_expr_errors errors = {0};
        struct k_column column = k_expr_eval(expr, &batch, selection, selected, &errors);
        uint32_t error = 0;
        for (uint32_t k = 0; k < selected; k++) {
            bool bad = error < errors.count && errors.items[error].row == selection[k];
            note(to, begin + selection[k], &column, selection[k], bad ? &errors.items[error++] : NULL);
        }
        assert_int_equal(error, errors.count); // ascending, one a row, selected rows only
        if (k_expr_type(expr) == K_BOOL) check_filter(to, expr, &batch, begin, &column, &errors);
        k_arena_reset(&arena);
    }
    k_arena_fini(&arena);
}

static void first_difference(const char *expression, const char *a, const char *b)
{
    while (*a && *a == *b) a++, b++;
    fail_msg("%s: … %.60s … is otherwise … %.60s", expression, a, b);
}

static void batches_do_not_matter(void **state)
{
    (void)state;
    struct table *table = make_table(20260101);
    static struct outcomes by_one, other;
    for (size_t e = 0; e < sizeof expressions / sizeof expressions[0]; e++) {
        struct k_arena arena;
        k_arena_init(&arena);
        struct k_expr *expr = test_compile(&arena, expressions[e]);
        for (int all = 0; all < 2; all++) {
            k_buf_clear(&by_one.text);
            memset(by_one.kept, 0, sizeof by_one.kept);
            run(table, expr, 1, all, &by_one);
            static const uint32_t sizes[] = {7, K_BATCH_ROWS};
            for (int i = 0; i < 2; i++) {
                k_buf_clear(&other.text);
                memset(other.kept, 0, sizeof other.kept);
                run(table, expr, sizes[i], all, &other);
                if (!k_str_equal(k_buf_str(&by_one.text), k_buf_str(&other.text)))
                    first_difference(expressions[e], by_one.text.data, other.text.data);
                assert_memory_equal(by_one.kept, other.kept, ROWS);
            }
        }
        k_arena_fini(&arena);
    }
    k_buf_fini(&by_one.text);
    k_buf_fini(&other.text);
    k_arena_fini(&table->arena);
    free(table);
}

// What evaluation makes faster, beside a form that it does not see through.
static const struct {
    const char *fast, *plain;
} alike[] = {
    {"CASE s WHEN 'a' THEN 1 WHEN 'a,b,c' THEN 2 WHEN 'a' THEN 3 WHEN '' THEN 4 ELSE 5 END",
     "CASE WHEN (s = 'a') IS TRUE THEN 1 WHEN (s = 'a,b,c') IS TRUE THEN 2 WHEN (s = '') IS TRUE THEN 4 ELSE 5 END"},
    {"CASE WHEN lower(s) = 'äb,c' THEN i / j WHEN 'ab' = lower(s) THEN z WHEN lower(p) = 'a' THEN 7 WHEN b THEN 8 "
     "END",
     "CASE WHEN (lower(s) = 'äb,c') IS TRUE THEN i / j WHEN (lower(s) = 'ab') IS TRUE THEN z "
     "WHEN (lower(p) = 'a') IS TRUE THEN 7 WHEN b IS TRUE THEN 8 END"},
    {"CASE split_part(s, ',', i) WHEN 'b' THEN 'x' WHEN 'c' THEN p WHEN 'héllo' THEN s ELSE split_part(p, ',', j) "
     "END",
     "CASE WHEN (split_part(s, ',', i) = 'b') IS TRUE THEN 'x' WHEN (split_part(s, ',', i) = 'c') IS TRUE THEN p "
     "WHEN (split_part(s, ',', i) = 'héllo') IS TRUE THEN s ELSE split_part(p, ',', j) END"},
    {"s IN ('a', 'ab', '2026-01-01', 'the longest of all that are asked for, by far, longer than 64 bytes', '')",
     "s = 'a' OR s = 'ab' OR s = '2026-01-01' OR s = ''"},
    {"s NOT IN ('%b%', NULL, '12')", "NOT (s = '%b%' OR s = NULL OR s = '12')"},
    {"CASE WHEN i > 3 THEN 'x' WHEN d < 1 AND j <> 0 THEN NULL WHEN b THEN 'y' WHEN i < 0 THEN 'x' ELSE 'z' END",
     "CASE WHEN (i > 3) IS TRUE THEN left('xx', j - j + 1) WHEN d < 1 AND j <> 0 THEN NULL "
     "ELSE CASE WHEN i > 3 THEN s WHEN b THEN 'y' WHEN i < 0 THEN 'x' ELSE 'z' END END"},
    {"CASE WHEN 7 / (i - 1) > 1 THEN 1 WHEN 7 / (i - 1) > 0 THEN 2 WHEN c THEN NULL ELSE 3 END",
     "CASE WHEN 7 / (i - 1) > 1 THEN j * 0 + 1 WHEN 7 / (i - 1) > 0 THEN 2 WHEN c THEN NULL ELSE 3 END"},
    {"CASE WHEN i > 3 THEN true WHEN d > 1 THEN false END",
     "CASE WHEN i > 3 THEN (j IS NOT NULL) WHEN d > 1 THEN j IS NULL END"},
    {"CASE WHEN extract(hour FROM t) < 12 AND extract(minute FROM t) >= 30 THEN 0.5 WHEN i / j = 1 THEN 1 ELSE 2 END",
     "CASE WHEN t - date_trunc('day', t) < '12 h' AND t - date_trunc('hour', t) >= '30 min' THEN 0.5 + 0 * j "
     "WHEN i / j = 1 THEN 1 ELSE 2 END"},
    {"CASE WHEN j > 2 THEN 1 WHEN j > 0 THEN 2 WHEN j > 1 THEN 3 ELSE 4 END",
     "CASE WHEN j > 2 THEN j - j + 1 WHEN j > 0 THEN 2 ELSE 4 END"},
    {"0.5 * i > 1 AND 0.5 * i < 2 OR 0.5 * i > 1 AND d > 0", "i > 2 AND (i < 4 OR d > 0)"},
    {"split_part(s, ',', 2)", "split_part(s, ',', length('xx' || s) - length(s))"},
    {"split_part(s, 'b,', 1)", "split_part(s, 'b,', length('x' || s) - length(s))"},
    {"s LIKE '%,c%'", "position(',c' IN s) > 0"},
};

static void alike_in_each_row(void **state)
{
    (void)state;
    struct table *table = make_table(20260102);
    static struct outcomes fast, plain;
    for (size_t i = 0; i < sizeof alike / sizeof alike[0]; i++) {
        struct k_arena arena;
        k_arena_init(&arena);
        k_buf_clear(&fast.text);
        k_buf_clear(&plain.text);
        run(table, test_compile(&arena, alike[i].fast), K_BATCH_ROWS, false, &fast);
        run(table, test_compile(&arena, alike[i].plain), K_BATCH_ROWS, false, &plain);
        if (!k_str_equal(k_buf_str(&fast.text), k_buf_str(&plain.text)))
            first_difference(alike[i].fast, fast.text.data, plain.text.data);
        k_arena_fini(&arena);
    }
    k_buf_fini(&fast.text);
    k_buf_fini(&plain.text);
    k_arena_fini(&table->arena);
    free(table);
}

// Errors of several expressions over one batch are one list: ascending, the first error of a row stays.
static void errors_are_merged(void **state)
{
    (void)state;
    struct k_arena arena;
    k_arena_init(&arena);
    static const int64_t i[] = {1, 0, 3, 0}, j[] = {0, 0, 5, 7};
    struct k_column columns[TEST_FIELDS] = {{.type = K_INT64, .i = i}, {.type = K_INT64, .i = j}};
    static const uint32_t selection[] = {0, 1, 2, 3};
    struct k_batch batch = {.schema = &test_schema, .columns = columns, .rows = 4, .selection = selection,
                            .selected = 4, .arena = &arena};
    struct k_expr_errors errors = {0};
    k_expr_eval(test_compile(&arena, "10 / i"), &batch, selection, 4, &errors);
    assert_int_equal(errors.count, 2);
    struct k_column column = k_expr_eval(test_compile(&arena, "20 / j"), &batch, selection, 4, &errors);
    assert_int_equal(errors.count, 3);
    assert_int_equal(errors.items[0].row, 0);
    assert_string_equal(errors.items[0].text, "20 / 0");
    assert_string_equal(errors.items[1].text, "10 / 0");
    assert_int_equal(errors.items[2].row, 3);
    assert_true(k_column_null(&column, 0) && k_column_null(&column, 1) && column.i[2] == 4);
    k_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_do_not_matter),
        cmocka_unit_test(alike_in_each_row),
        cmocka_unit_test(errors_are_merged),
    };
    return cmocka_run_group_tests_name("expr_batches", tests, NULL, NULL);
}
