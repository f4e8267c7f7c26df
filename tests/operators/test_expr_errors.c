// What is wrong with an expression, word for word: people read these lines, and other programs search for the codes.
#include "tests/operators/expr_test.h"

#include <pthread.h>

static const struct {
    const char *text, *diagnostics;
} cases[] = {
    // One plain expression, and nothing else.
    {"", "f:1:1: error[K0301]: the expression is empty\n"},
    {"  \n", "f:1:1: error[K0301]: the expression is empty\n"},
    {"1; DROP TABLE x", "f:1:2: error[K0301]: one expression is expected, without \";\"\n"},
    {"i FROM t", "f:1:3: error[K0301]: FROM is not part of an expression\n"},
    {"i WHERE b", "f:1:3: error[K0301]: WHERE is not part of an expression\n"},
    {"i ORDER BY j", "f:1:3: error[K0301]: ORDER BY is not part of an expression\n"},
    {"i GROUP BY j", "f:1:3: error[K0301]: GROUP BY is not part of an expression\n"},
    {"i UNION SELECT 2", "f:1:3: error[K0301]: UNION, INTERSECT or EXCEPT is not part of an expression\n"},
    {"i OFFSET 2", "f:1:3: error[K0301]: OFFSET is not part of an expression\n"},
    {"i INTO x", "f:1:3: error[K0301]: INTO is not part of an expression\n"},
    {"DISTINCT i", "f:1:1: error[K0301]: DISTINCT is not part of an expression\n"},
    {"ALL i", "f:1:1: error[K0301]: ALL is not part of an expression\n"},
    {"(SELECT 1)", "f:1:1: error[K0304]: a subquery is not supported here\n"},
    {"*", "f:1:1: error[K0301]: \"*\" is not one expression\n"},
    {"parsed.*", "f:1:1: error[K0301]: \"*\" is not one expression\n"},
    {"i, j", "f:1:4: error[K0301]: one expression is expected, not 2\n"},
    {"i -- x", "f:1:3: error[K0301]: an expression has no comments; write them in the graph, behind #\n"},
    {"i /* x */", "f:1:3: error[K0301]: an expression has no comments; write them in the graph, behind #\n"},
    {"i j", "f:1:3: error[K0301]: expected an operator, or AS before the name \"j\"\n"},
    {"i AS k", "f:1:6: error[K0306]: no name is needed here; leave out AS \"k\"\n"},
    {"i = \xff", "f:1:5: error[K0301]: the expression is not UTF-8\n"},
    // Syntax, with positions in bytes.
    {"i +", "f:1:4: error[K0300]: syntax error at end of input\n"},
    {"i = = 5", "f:1:5: error[K0300]: syntax error at or near \"=\"\n"},
    {"'é' || )", "f:1:9: error[K0300]: syntax error at or near \")\"\n"},
    {"'abc", "f:1:1: error[K0300]: unterminated quoted string at or near \"'abc\"\n"},
    // Operators of other languages.
    {"i == 5", "f:1:3: error[K0303]: `==` is not an operator; use =\n"},
    {"b && c", "f:1:3: error[K0303]: `&&` is not an operator; use AND\n"},
    {"!b", "f:1:1: error[K0303]: `!` is not an operator; use NOT\n"},
    {"s =~ 'x'", "f:1:3: error[K0303]: `=~` is not an operator; use ~\n"},
    {"s ~ p", "f:1:5: error[K0324]: a regular expression must be a constant: it is compiled once, before the first "
              "record\n"},
    {"s ~ i", "f:1:3: error[K0321]: there is no string ~ int64; there is string ~ string → bool\n"},
    {"s !~* 'a(b'", "f:1:11: error[K0324]: the regular expression is wrong behind \"a(b\": missing closing "
                    "parenthesis\n"},
    {"s ~ '[[:alpa:]]'", "f:1:9: error[K0324]: the regular expression is wrong behind \"[[:\": unknown POSIX class "
                         "name\n"},
    {"s ~ 'it''s (*'", "f:1:5: error[K0324]: the regular expression is wrong behind \"it's (\": quantifier does "
                       "not follow a repeatable item\n"},
    {"s ~ '\\C'", "f:1:8: error[K0324]: the regular expression is wrong behind \"\\C\": using \\C is disabled by the "
                  "application\n"},
    {"regexp_substr(s, '(a)(b)', 3)", "f:1:28: error[K0324]: there is no group 3 in the regular expression, which has "
                                      "2; 0 is the whole match\n"},
    {"regexp_replace(s, 'a', 'b', 'x')",
     "f:1:29: error[K0324]: the flags of regexp_replace are a constant of g (each match, not only the first) and i "
     "(letters in either case)\n"},
    {"regexp_replace(s, 'a', 'b', p)",
     "f:1:29: error[K0324]: the flags of regexp_replace are a constant of g (each match, not only the first) and i "
     "(letters in either case)\n"},
    {"repeat('ab', 9000000)", "f:1:1: error[K0324]: this fails for every row: the result is longer than 16 MiB\n"},
    {"position(i IN s)", "f:1:1: error[K0321]: there is no position(string, int64); there is position(string IN "
                         "string) → int64\n"},
    {"trim(i)", "f:1:1: error[K0321]: there is no btrim(int64); there is btrim(string) → string\n"},
    {"lpad(s, p)", "f:1:1: error[K0321]: there is no lpad(string, string); there is lpad(string, int64) → string\n"},
    {"md5(i)", "f:1:1: error[K0321]: there is no md5(int64); there is md5(string) → string, md5(bytes) → string\n"},
    {"regexp_substr(s, 'a', -1)", "f:1:23: error[K0324]: there is no group -1 in the regular expression, which has "
                                  "0; 0 is the whole match\n"},
    {"i <-> j", "f:1:3: error[K0303]: `<->` is not an operator\n"},
    {"s || i", "f:1:3: error[K0321]: there is no string || int64; there is string || string → string; cast what is no "
               "string, as in x::string\n"},
    // Parts of the grammar that are not for here.
    {"ARRAY[1]", "f:1:1: error[K0304]: ARRAY is not supported here\n"},
    {"s[1]", "f:1:1: error[K0304]: a subscript or field behind a value is not supported here\n"},
    {"i = ANY(j)", "f:1:3: error[K0304]: ANY is not supported here\n"},
    {"$1", "f:1:1: error[K0304]: a parameter such as $1 (graphs have ${NAME}) is not supported here\n"},
    {"s COLLATE \"C\"", "f:1:3: error[K0304]: COLLATE is not supported here\n"},
    {"(1, 2)", "f:1:1: error[K0304]: a row of values is not supported here\n"},
    {"sum(i) OVER ()", "f:1:1: error[K0304]: OVER (a window function) is not supported here\n"},
    {"i::varchar(3)",
     "f:1:4: error[K0304]: a length, precision or field behind the type varchar is not supported here\n"},
    {"i::int[]", "f:1:4: error[K0304]: an array is not supported here\n"},
    // Names.
    {"respnse", "f:1:1: error[K0310]: unknown column \"respnse\"; \"parsed\" offers i, j, d, e, s, p, t, b, …\n"},
    {"i + userIt", "f:1:5: error[K0310]: unknown column \"userit\"; \"parsed\" offers i, j, d, e, s, p, t, b, userId "
                   "(string), …; did you mean \"userId\"?\n"},
    {"userId", "f:1:1: error[K0311]: unknown column \"userid\"; names without quotes are read in lower case: write "
               "\"userId\" in double quotes\n"},
    {"limit + 1", "f:1:1: error[K0311]: \"limit\" is a word of SQL; to name the column, put it in double quotes\n"},
    {"1 + limit", "f:1:5: error[K0311]: \"limit\" is a word of SQL; to name the column, put it in double quotes\n"},
    {"user = 'x'", "f:1:1: error[K0311]: user without quotes is a function of SQL, which is not supported here; if a "
                   "column is meant, write \"user\" in double quotes\n"},
    {"\"\"\"\"\"x\"", "f:1:1: error[K0310]: unknown column \"\"\"x\"; \"parsed\" offers i, j, d, e, s, p, t, b, …\n"},
    {"x + y + w", "f:1:1: error[K0310]: unknown column \"x\"; \"parsed\" offers i, j, d, e, s, p, t, b, …\n"
                  "f:1:9: error[K0310]: unknown column \"w\"; \"parsed\" offers i, j, d, e, s, p, t, b, …\n"},
    {"splitpart(s)", "f:1:1: error[K0320]: there is no function \"splitpart\"; did you mean \"split_part\"?\n"},
    {"zork(s)", "f:1:1: error[K0320]: there is no function \"zork\"; `kappa functions` lists all\n"},
    {"now()", "f:1:1: error[K0320]: there is no function \"now\"; an outcome depends on the records alone, so that a "
              "replay gives the same; use a timestamp of theirs\n"},
    {"\"CASE\"(b)", "f:1:1: error[K0320]: there is no function \"CASE\"; `kappa functions` lists all\n"},
    {"\"+\"(i, i)", "f:1:1: error[K0320]: there is no function \"+\"; `kappa functions` lists all\n"},
    // Types.
    {"split_part(s, 1)", "f:1:1: error[K0321]: there is no split_part(string, int64); there is split_part(string, "
                         "string, int64) → string\n"},
    {"substring(s, d)", "f:1:1: error[K0321]: there is no substring(string, double); there is substring(string, int64) "
                        "→ string\n"},
    {"i + s", "f:1:3: error[K0321]: there is no int64 + string; there is int64 + int64 → int64, double + double → "
              "double, timestamp + interval → timestamp, interval + timestamp → timestamp, interval + "
              "interval → interval\n"},
    {"-s", "f:1:1: error[K0321]: there is no - string; there is - int64 → int64, - double → double, - interval → "
           "interval\n"},
    {"NOT i", "f:1:1: error[K0321]: there is no NOT int64; there is NOT bool → bool\n"},
    {"i IS TRUE", "f:1:3: error[K0321]: there is no int64 IS TRUE; there is bool IS TRUE → bool\n"},
    {"i = s", "f:1:3: error[K0321]: there is no int64 = string; cast one side to the type of the other, as in "
              "x::string\n"},
    {"js = js", "f:1:4: error[K0321]: there is no json = json; json cannot be compared: cast it, as in x::string\n"},
    {"b AND 5", "f:1:7: error[K0322]: each side of AND must be bool, not int64\n"},
    {"s OR b", "f:1:1: error[K0322]: each side of OR must be bool, not string\n"},
    {"CASE WHEN i THEN 1 END", "f:1:11: error[K0322]: the condition of WHEN must be bool, not int64\n"},
    {"CASE WHEN b THEN 1 ELSE s END", "f:1:25: error[K0322]: CASE mixes int64 and string; cast one of them\n"},
    {"COALESCE(i, t)", "f:1:13: error[K0322]: COALESCE mixes int64 and timestamp; cast one of them\n"},
    {"i IN (1, s)", "f:1:10: error[K0322]: IN mixes int64 and string; cast one of them\n"},
    {"greatest(i, s)", "f:1:13: error[K0322]: greatest mixes int64 and string; cast one of them\n"},
    {"least(js)", "f:1:1: error[K0321]: there is no least(json); there is least(comparable, …) → the same type\n"},
    {"i BETWEEN SYMMETRIC s AND j", "f:1:3: error[K0321]: there is no int64 >= string; cast one side to the type of "
                                    "the other, as in x::string\n"},
    {"concat(s, i)", "f:1:1: error[K0321]: there is no concat(string, int64); there is concat(string, …) → string; "
                     "cast what is no string, as in x::string\n"},
    {"concat()", "f:1:1: error[K0321]: there is no concat(); there is concat(string, …) → string\n"},
    {"b & c", "f:1:3: error[K0321]: there is no bool & bool; there is int64 & int64 → int64; of bools, use AND\n"},
    {"i | d", "f:1:3: error[K0321]: there is no int64 | double; there is int64 | int64 → int64\n"},
    {"s ILIKE i", "f:1:3: error[K0321]: there is no string ILIKE int64; there is string ILIKE string → bool\n"},
    {"js IN (js)", "f:1:4: error[K0322]: IN cannot compare values of type json\n"},
    {"i::numeric", "f:1:2: error[K0323]: no type \"numeric\"; decimal is not supported yet; use double, or int64 in "
                   "the smallest unit\n"},
    {"i::strng", "f:1:2: error[K0323]: unknown type \"strng\"; the types are bool, int64, double, string, timestamp, "
                 "interval; did you mean \"string\"?\n"},
    {"t::bool", "f:1:2: error[K0323]: there is no cast from timestamp to bool\n"},
    {"s::bytes", "f:1:2: error[K0323]: there is no cast from string to bytes\n"},
    {"'{'::json", "f:1:1: error[K0305]: \"{\" is not json\n"},
    {"js #>> 'a'", "f:1:8: error[K0324]: a path is written as '{key,0,\"another key\"}'\n"},
    {"js -> d", "f:1:4: error[K0321]: there is no json -> double; there is json -> string → json, json -> int64 → "
                "json\n"},
    {"extract(hours_ FROM t)", "f:1:9: error[K0324]: a timestamp has the fields week, dow, isodow, doy, isoyear, "
                               "julian, microseconds, milliseconds, second, minute, hour, day, month, quarter, year, "
                               "decade, century, millennium and epoch\n"},
    {"date_bin('1 month', t, t)", "f:1:10: error[K0324]: date_bin cannot count in months or years: they differ in "
                                  "length\n"},
    {"sqrt(-1)", "f:1:1: error[K0324]: this fails for every row: sqrt(-1): a negative number has no square root\n"},
    // Literals, and constants that fail.
    {"9223372036854775808", "f:1:1: error[K0305]: 9223372036854775808 is out of the range of int64\n"},
    {"1e999", "f:1:1: error[K0305]: 1e999 is out of the range of double\n"},
    {"t > '2026-13-01'", "f:1:5: error[K0305]: \"2026-13-01\" is not a timestamp such as 2026-01-01 12:30:00\n"},
    {"i = 'x'", "f:1:5: error[K0305]: \"x\" is not an int64\n"},
    {"b = 'perhaps'", "f:1:5: error[K0305]: \"perhaps\" is not a bool\n"},
    {"'1 moon'::interval", "f:1:1: error[K0305]: \"1 moon\" is not an interval such as 1 day 02:30:00\n"},
    {"1 / 0", "f:1:3: error[K0324]: this fails for every row: 1 / 0\n"},
    {"i + 9223372036854775807 * 2",
     "f:1:25: error[K0324]: this fails for every row: 9223372036854775807 * 2 is out of the range of int64\n"},
    {"date_trunc('fortnight', t)", "f:1:12: error[K0324]: date_trunc knows microsecond, millisecond, second, minute, "
                                   "hour, day, week, month, quarter, year, decade, century and "
                                   "millennium\n"},
    {"s LIKE 'a\\'", "f:1:8: error[K0324]: the pattern of LIKE ends with the escape character\n"},
    {"s ILIKE 'a\\'", "f:1:9: error[K0324]: the pattern of LIKE ends with the escape character\n"},
    {"s LIKE p ESCAPE 'ab'", "f:1:17: error[K0324]: ESCAPE takes one character or none\n"},
    {"split_part(s, ',', 0)",
     "f:1:20: error[K0324]: split_part counts fields from 1, or from -1 at the end; 0 is none\n"},
    {"substring(s, 1, -1)", "f:1:17: error[K0324]: the length of a substring cannot be negative\n"},
    // Aggregates in a scalar place.
    {"count(*)",
     "f:1:1: error[K0330]: count is an aggregate function: it belongs in the select of an aggregate node\n"},
    {"1 + sum(i)",
     "f:1:5: error[K0330]: sum is an aggregate function: it belongs in the select of an aggregate node\n"},
    {"lower(*)", "f:1:1: error[K0331]: * is for aggregate functions; lower is none\n"},
    {"lower(DISTINCT s)", "f:1:1: error[K0331]: DISTINCT is for aggregate functions; lower is none\n"},
    {"lower(s) FILTER (WHERE b)", "f:1:1: error[K0331]: FILTER is for aggregate functions; lower is none\n"},
};

static void messages(void **state)
{
    (void)state;
    uint32_t wrong = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct k_arena arena;
        struct k_diags diags = {0};
        k_arena_init(&arena);
        struct k_expr *expr =
            k_expr_compile(&arena, k_str_of(cases[i].text), &test_scope, &test_place, &diags, NULL);
        const char *said = test_print(&arena, &diags);
        if (expr || strcmp(said, cases[i].diagnostics) != 0) {
            print_error("%s\n  expected %s  said     %s\n", cases[i].text, cases[i].diagnostics, said);
            wrong++;
        }
        k_diags_fini(&diags);
        k_arena_fini(&arena);
    }
    assert_int_equal(wrong, 0);
}

static void expect_name(const char *text, const char *name, const char *diagnostics)
{
    struct k_arena arena;
    struct k_diags diags = {0};
    const char *got = NULL;
    k_arena_init(&arena);
    struct k_expr *expr = k_expr_compile(&arena, k_str_of(text), &test_scope, &test_place, &diags, &got);
    if (name) {
        assert_non_null(expr);
        assert_string_equal(got, name);
    } else {
        assert_null(expr);
        assert_string_equal(test_print(&arena, &diags), diagnostics);
    }
    k_diags_fini(&diags);
    k_arena_fini(&arena);
}

static void names_of_outputs(void **state)
{
    (void)state;
    expect_name("i", "i", NULL);
    expect_name("\"userId\"", "userId", NULL);
    expect_name("a.id", "id", NULL);
    expect_name("i + 1 AS k", "k", NULL);
    expect_name("i AS \"K k\"", "K k", NULL);
    expect_name("I As Kk", "kk", NULL);
    expect_name("i + 1", NULL, "f:1:3: error[K0306]: this needs a name; add  AS name\n");
    expect_name("NULL AS n", NULL, "f:1:1: error[K0334]: the type of NULL is not known; write NULL::int64, say\n");
    expect_name("t - t AS n", NULL, "f:1:3: error[K0334]: an interval cannot leave an expression\n");
}

static void add_repeated(struct k_buf *text, const char *part, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) k_buf_add_text(text, part);
}

// Compiles before + many times part + after; returns whether it compiled.
static bool compiles(const char *before, const char *part, uint32_t count, const char *middle, const char *end,
                     uint32_t ends)
{
    struct k_buf text = {0};
    struct k_arena arena;
    struct k_diags diags = {0};
    k_arena_init(&arena);
    k_buf_add_text(&text, before);
    add_repeated(&text, part, count);
    k_buf_add_text(&text, middle);
    add_repeated(&text, end, ends);
    struct k_expr *expr = k_expr_compile(&arena, k_buf_str(&text), &test_scope, &test_place, &diags, NULL);
    assert_true(expr || diags.errors > 0);
    // Too deep (K0302), unless a part that is refused anyway was met first (K0304).
    if (!expr && strcmp(diags.items[0].code, "K0302") != 0 && strcmp(diags.items[0].code, "K0304") != 0)
        fail_msg("%s %s", diags.items[0].code, diags.items[0].text);
    k_diags_fini(&diags);
    k_arena_fini(&arena);
    k_buf_fini(&text);
    return expr != NULL;
}

// On a small stack, so that a missing bound is a crash.
static void *nest(void *unused)
{
    (void)unused;
    // Within the bounds.
    assert_true(compiles("", "(", 150, "i", ")", 150)); // parentheses leave no node
    assert_true(compiles("", "-", 0, "i", " + 1", 90));
    assert_true(compiles("i = 1", " OR i = 1", 2000, "", "", 0));
    assert_true(compiles("i IN (1", ", 1", 8000, ")", "", 0));
    assert_true(compiles("", "CASE WHEN b THEN ", 40, "i", " ELSE 1 END", 40));
    // Beyond them: every way that the grammar has to nest.
    for (uint32_t size = 101; size <= 6000; size = size * 3 / 2) {
        assert_false(compiles("", "(", size + 100, "i", ")", size + 100));
        assert_false(compiles("", "- ", size, "i", "", 0));
        assert_false(compiles("", "+ ", size, "i", "", 0));
        assert_false(compiles("", "NOT ", size, "b", "", 0));
        assert_false(compiles("i", "", 0, "", " + 1", size));
        assert_false(compiles("i", "", 0, "", " IS NULL", size));
        assert_false(compiles("s", "", 0, "", "::text", size));
        assert_false(compiles("b", "", 0, "", " BETWEEN b AND b IS NULL", size));
        assert_false(compiles("", "lower(", size, "s", ")", size));
        assert_false(compiles("", "CASE WHEN b THEN ", size, "i", " END", size));
        assert_false(compiles("", "i IN (", size, "i", ")", size));
        assert_false(compiles("", "CASE ", size, "i", " WHEN 1 THEN 1 END", size));
        assert_false(compiles("i", "", 0, "", "[1]", size));
        assert_false(compiles("", "ARRAY[", size, "1", "]", size));
        assert_false(compiles("", "(SELECT ", size, "1", ")", size));
        assert_false(compiles("s", "", 0, "", " COLLATE c", size));
        assert_false(compiles("t", "", 0, "", " AT TIME ZONE 'x'", size));
    }
    assert_true(compiles("", "", 0, "i", " ", 65535));
    assert_false(compiles("", "", 0, "i", " ", 65536));
    return NULL;
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    pthread_attr_t attributes;
    pthread_t thread;
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, 2 << 20), 0);
    assert_int_equal(pthread_create(&thread, &attributes, nest, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(pthread_attr_destroy(&attributes), 0);
}

// Shared operands are computed once, so what nests them does not double at each level.
static void nothing_grows_exponentially(void **state)
{
    (void)state;
    assert_true(compiles("b", "", 0, "", " BETWEEN c AND b = c", 0));
    assert_true(compiles("", "(", 40, "b", " BETWEEN c AND b)", 40));
    assert_true(compiles("", "CASE ", 40, "i", " WHEN 1 THEN 2 ELSE 3 END", 40));
    assert_true(compiles("", "NULLIF(", 40, "i", ", j)", 40));
    assert_true(compiles("", "(", 40, "i", " IN (i, j))::int64", 40));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages),
        cmocka_unit_test(names_of_outputs),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(nothing_grows_exponentially),
    };
    return cmocka_run_group_tests_name("expr_errors", tests, NULL, NULL);
}
