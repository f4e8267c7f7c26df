// Regular expressions: their dialect, and that no text makes them run on.
#include "tests/operators/expr_test.h"

#include "base/memory.h"
#include "base/units.h"

// What an expression comes to where s is the text.
static const char *evaluate(struct k_arena *arena, const char *expression, struct k_str text)
{
    struct k_expr *expr = test_compile(arena, expression);
    struct k_value row[TEST_FIELDS];
    memset(row, 0, sizeof row);
    for (int i = 0; i < TEST_FIELDS; i++) row[i].null = true;
    row[4] = (struct k_value){.s = text};
    struct k_expr_errors errors = {0};
    struct k_value value = k_expr_eval_row(expr, &test_schema, row, arena, &errors);
    return test_value(arena, &value, &errors);
}

static void dialect(void **state)
{
    (void)state;
    static const struct {
        const char *text, *expression, *value;
    } cases[] = {
        {"abc", "s ~ 'b'", "true"},
        {"abc", "s ~ '^b'", "false"},
        {"ABC", "s ~* 'b'", "true"},
        {"ABC", "s !~* 'b'", "false"},
        {"ÄB", "s ~* '^äb$'", "true"},
        {"日本語", "regexp_substr(s, '^.(.)', 1)", "\"本\""},
        {"", "s ~ ''", "true"},
        {"", "regexp_substr(s, 'x*')", "\"\""},
        {"", "regexp_substr(s, 'x')", "null"},
        {"a\n", "s ~ '^a$'", "true"},
        {"a\nb", "s ~ 'a.b'", "false"},
        {"a\nb", "s ~ '(?s)a.b'", "true"},
        {"é", "s ~ '\\w'", "false"},
        {"é", "s ~ '\\p{L}'", "true"},
        {"x", "regexp_substr(s, '(y)|x', 1)", "null"},
        {"x", "regexp_substr(s, '(y)|x', 0)", "\"x\""},
        {"x", "regexp_substr(s, '(y)|x', octet_length(s))", "null"},
        {"xx", "regexp_substr(s, '(y)|x', octet_length(s))", "ERROR argument"},
        {"abab", "s ~ '^(ab)\\1$'", "true"},
        {"ab", "regexp_substr(s, 'a|ab')", "\"a\""},
        {"foobar", "regexp_substr(s, 'foo\\Kbar')", "\"bar\""},
        {"abc", "regexp_replace(s, 'x*', '-', 'g')", "\"-a-b-c-\""},
        {"abxd", "regexp_replace(s, 'x*', '-', 'g')", "\"-a-b--d-\""},
        {"äöü", "regexp_replace(s, '', '.', 'g')", "\".ä.ö.ü.\""},
        {"aBa", "regexp_replace(s, 'b|a$', '<\\&>', 'ig')", "\"a<B><a>\""},
        {"abc", "regexp_replace(s, '(b)(x)?', '\\2\\1\\3\\\\\\z\\')", "\"ab\\\\\\\\z\\\\c\""},
        {"abc", "regexp_replace(s, '^.', '', 'g')", "\"bc\""},
        {"abc", "regexp_replace(s, 'a\\Kb', 'X')", "\"aXc\""},
        {"", "regexp_replace(s, '^$', 'x', 'g')", "\"x\""},
        {"abc", "regexp_replace(s, 'b', NULL)", "null"},
        {"x", "s ~ NULL", "null"},
        {"x", "NULL::string ~ 'x'", "null"},
        {"x", "regexp_substr('a1', '[0-9]') || s", "\"1x\""},
    };
    struct k_arena arena;
    k_arena_init(&arena);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *value = evaluate(&arena, cases[i].expression, k_str_of(cases[i].text));
        if (strcmp(value, cases[i].value) != 0)
            fail_msg("%s of \"%s\" is %s, not %s", cases[i].expression, cases[i].text, value, cases[i].value);
    }
    k_arena_fini(&arena);
}

static struct k_str repeated(struct k_arena *arena, const char *part, uint32_t length, const char *end)
{
    char *text = k_arena_get(arena, length + strlen(end) + 1);
    for (uint32_t i = 0; i < length; i++) text[i] = part[i % strlen(part)];
    memcpy(text + length, end, strlen(end));
    return (struct k_str){text, length + (uint32_t)strlen(end)};
}

// Each of these would run for minutes or more, if pcre2 alone bounded it, or for as long as the sun shines.
static void nothing_runs_on(void **state)
{
    (void)state;
    static const struct {
        const char *expression, *part;
        uint32_t length;
        const char *end, *value;
    } cases[] = {
        {"s ~ '(a+)+$'", "a", 40, "b", "ERROR regex"},
        {"s ~ '(a|aa)+$'", "a", 4000, "b", "ERROR regex"},
        {"s ~ '(?:a|b)*[cd]'", "ab", 400000, "", "ERROR regex"},
        {"s ~ '[a-z]+\\d'", "ab", 4000000, "", "ERROR regex"},
        {"s ~ 'x.*y.*[zw]'", "xy", 4000, "", "ERROR regex"},
        {"regexp_substr(s, '(x+x+)+([yz])', 2)", "x", 3000, "", "ERROR regex"},
        {"s ~ '((?R)|b)'", "a", 10, "", "ERROR regex"},
        {"length(regexp_replace(s, '[a-z]+\\d|x', '', 'g'))", "xab", 1000000, "", "ERROR regex"},
        {"s ~ '(a|b)*c'", "ab", 300000, "c", "ERROR regex"},
        // And these need no more than a look at each character.
        {"s ~ 'needle$'", "hay", 10000000, "needle", "true"},
        {"regexp_substr(s, '[0-9]+')", "hay,", 10000000, "17", "\"17\""},
        {"octet_length(regexp_replace(s, 'hay,', '.', 'g'))", "hay,", 1000000, "", "250000"},
        {"s ~ '^hay.*needle'", "hay", 100000, "needle", "true"},
        {"s ~ '^(\\w+,)*17$'", "hay,", 4000, "17", "true"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct k_arena arena;
        k_arena_init(&arena);
        struct k_str text = repeated(&arena, cases[i].part, cases[i].length, cases[i].end);
        int64_t begin_us = k_clock_us(CLOCK_THREAD_CPUTIME_ID);
        const char *value = evaluate(&arena, cases[i].expression, text);
        double took = (double)(k_clock_us(CLOCK_THREAD_CPUTIME_ID) - begin_us) / 1e6;
        if (strcmp(value, cases[i].value) != 0) fail_msg("%s is %s", cases[i].expression, value);
        // A quarter of a second on an idle machine; the bound leaves room for sanitizers.
        if (took > 10) fail_msg("%s took %.1f s", cases[i].expression, took);
        k_arena_fini(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dialect),
        cmocka_unit_test(nothing_runs_on),
    };
    return cmocka_run_group_tests_name("expr_regex", tests, NULL, NULL);
}
