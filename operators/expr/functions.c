// Every function and operator, in one table: what it takes, what it gives, what computes it, and what people read
// about it. Of several with one name, the first that fits best is taken, so the order matters where types do not
// decide. A new function is one line here and one kernel.
#include "operators/expr/kernels.h"

#include <pthread.h>

// Types by one letter. TYPE_ is for the program, TEXT_ for people.
enum {
    TYPE_B = K_BOOL, TYPE_I = K_INT64, TYPE_D = K_DOUBLE, TYPE_S = K_STRING, TYPE_Y = K_BYTES, TYPE_T = K_TIMESTAMP,
    TYPE_J = K_JSON, TYPE_V = K_INTERVAL, TYPE_A = K_ANY, TYPE_C = K_COMPARABLE, TYPE_F = K_FIRST,
};
#define TEXT_B "bool"
#define TEXT_I "int64"
#define TEXT_D "double"
#define TEXT_S "string"
#define TEXT_Y "bytes"
#define TEXT_T "timestamp"
#define TEXT_J "json"
#define TEXT_V "interval"
#define TEXT_A "any"
#define TEXT_C "comparable"
#define TEXT_F "the same type"

// What fails only by a constant that can be checked, and takes time.
enum { CHECKED = K_FN_FALLIBLE | K_FN_CHECKED | K_FN_COSTLY };

#define ROW(name_, count_, result_, flags_, aggregate_, kernel_, check_, signature_, doc_, example_, ...)           \
    {.name = name_, .args = {__VA_ARGS__}, .count = count_, .result = TYPE_##result_, .flags = flags_,              \
     .aggregate = aggregate_, .kernel = kernel_, .check = check_, .signature = signature_, .doc = doc_,             \
     .example = example_}

// The same with something that is made of constant arguments.
#define PREPARED(name_, count_, result_, flags_, kernel_, prepare_, signature_, doc_, example_, ...)                \
    {.name = name_, .args = {__VA_ARGS__}, .count = count_, .result = TYPE_##result_, .flags = flags_,              \
     .kernel = kernel_, .prepare = prepare_, .signature = signature_, .doc = doc_, .example = example_}

// Operators before, between and behind their operands.
#define BEFORE(name, a, r, flags, kernel, doc, example)                                                             \
    ROW(name, 1, r, K_FN_OPERATOR | (flags), 0, k_kernel_##kernel, NULL, name " " TEXT_##a " → " TEXT_##r, doc,     \
        example, TYPE_##a)
#define BETWEEN(name, a, b, r, flags, kernel, check, doc, example)                                                  \
    ROW(name, 2, r, K_FN_OPERATOR | (flags), 0, k_kernel_##kernel, check,                                           \
        TEXT_##a " " name " " TEXT_##b " → " TEXT_##r, doc, example, TYPE_##a, TYPE_##b)
#define BEHIND(name, a, kernel, doc, example)                                                                       \
    ROW(name, 1, B, K_FN_OPERATOR | K_FN_NULLS, 0, k_kernel_##kernel, NULL, TEXT_##a " " name " → bool", doc,       \
        example, TYPE_##a)
// One comparison for all types; timestamps compare as their microseconds, bytes as strings.
#define COMPARE(name, suffix, doc, e1, e2, e3, e4, e5, e6)                                                          \
    COMPARE1(name, S, string_##suffix, doc, e1), COMPARE1(name, I, int64_##suffix, doc, e2),                        \
    COMPARE1(name, D, double_##suffix, doc, e3), COMPARE1(name, T, int64_##suffix, doc, e4),                        \
    COMPARE1(name, B, bool_##suffix, doc, e5), COMPARE1(name, V, interval_##suffix, doc, e6),                       \
    COMPARE1(name, Y, string_##suffix, doc, NULL)
#define COMPARE1(name, t, kernel, doc, example) BETWEEN(name, t, t, B, K_FN_COMPARISON, kernel, NULL, doc, example)
// name(…) with one, two and three arguments.
#define CALL1(name, a, r, flags, kernel, doc, example)                                                              \
    ROW(name, 1, r, flags, 0, k_kernel_##kernel, NULL, name "(" TEXT_##a ") → " TEXT_##r, doc, example, TYPE_##a)
#define CALL2(name, a, b, r, flags, kernel, check, doc, example)                                                    \
    ROW(name, 2, r, flags, 0, k_kernel_##kernel, check, name "(" TEXT_##a ", " TEXT_##b ") → " TEXT_##r, doc,       \
        example, TYPE_##a, TYPE_##b)
#define CALL3(name, a, b, c, r, flags, kernel, check, doc, example)                                                 \
    ROW(name, 3, r, flags, 0, k_kernel_##kernel, check,                                                             \
        name "(" TEXT_##a ", " TEXT_##b ", " TEXT_##c ") → " TEXT_##r, doc, example, TYPE_##a, TYPE_##b, TYPE_##c)
#define CAST(a, r, flags, kernel, doc, example)                                                                     \
    ROW("CAST", 1, r, K_FN_CAST | K_FN_FORM | (flags), 0, k_kernel_##kernel, NULL,                                  \
        "CAST(" TEXT_##a " AS " TEXT_##r ")", doc, example, TYPE_##a)
// With any number of arguments, the last of which may be repeated.
#define MANY(name, count, r, flags, kernel, signature, doc, example, ...)                                           \
    ROW(name, count, r, K_FN_VARIADIC | (flags), 0, k_kernel_##kernel, NULL, signature, doc, example, __VA_ARGS__)
// Functions of a regular expression, which is their second argument.
#define REGEX(name, count, r, kernel, prepare, signature, doc, example, ...)                                        \
    PREPARED(name, count, r, K_FN_FALLIBLE | K_FN_COSTLY, k_kernel_##kernel, k_prepare_##prepare, signature, doc,   \
             example, __VA_ARGS__)
#define REGEX_OPERATOR(name, prepare, doc, example)                                                                 \
    PREPARED(name, 2, B, K_FN_OPERATOR | K_FN_FALLIBLE | K_FN_COSTLY, k_kernel_regex_match, k_prepare_##prepare,    \
             "string " name " string → bool", doc, example, TYPE_S, TYPE_S)
// Forms with a place of their own in the grammar: described here, compiled by bind.c.
#define FORM(name, signature, doc, example) ROW(name, 0, A, K_FN_FORM, 0, NULL, NULL, signature, doc, example, 0)
#define AGGREGATE(name, count, r, which, flags, signature, doc, example, ...)                                       \
    ROW(name, count, r, K_FN_AGGREGATE | (flags), which, NULL, NULL, signature, doc, example, __VA_ARGS__)

static const struct k_function functions[] = {
    BETWEEN("+", I, I, I, K_FN_FALLIBLE, int64_add, NULL, "The sum.", "1 + 2 → 3"),
    BETWEEN("+", D, D, D, K_FN_FALLIBLE, double_add, NULL, "The sum.", "0.5 + 1 → 1.5"),
    BETWEEN("+", T, V, T, K_FN_FALLIBLE, timestamp_add, NULL, "The moment an interval later.",
            "TIMESTAMP '2026-01-31' + INTERVAL '1 month' → TIMESTAMP '2026-02-28'"),
    BETWEEN("+", V, T, T, K_FN_FALLIBLE, timestamp_add_swapped, NULL, "The moment an interval later.",
            "INTERVAL '90 s' + TIMESTAMP '2026-01-01' → TIMESTAMP '2026-01-01 00:01:30'"),
    BETWEEN("+", V, V, V, K_FN_FALLIBLE, interval_add, NULL, "The sum.",
            "INTERVAL '1 day' + '2 h' = INTERVAL '26 h' → true"),
    BETWEEN("-", I, I, I, K_FN_FALLIBLE, int64_subtract, NULL, "The difference.", "1 - 2 → -1"),
    BETWEEN("-", D, D, D, K_FN_FALLIBLE, double_subtract, NULL, "The difference.", "0.5 - 1 → -0.5"),
    BETWEEN("-", T, V, T, K_FN_FALLIBLE, timestamp_subtract, NULL, "The moment an interval earlier.",
            "TIMESTAMP '2026-01-01' - INTERVAL '1 hour' → TIMESTAMP '2025-12-31 23:00:00'"),
    BETWEEN("-", T, T, V, K_FN_FALLIBLE, timestamp_difference, NULL, "The time between two moments.",
            "TIMESTAMP '2026-01-02' - TIMESTAMP '2026-01-01' = INTERVAL '24 hours' → true"),
    BETWEEN("-", V, V, V, K_FN_FALLIBLE, interval_subtract, NULL, "The difference.",
            "INTERVAL '1 day' - '2 h' = INTERVAL '22 h' → true"),
    BETWEEN("*", I, I, I, K_FN_FALLIBLE, int64_multiply, NULL, "The product.", "2 * 3 → 6"),
    BETWEEN("*", D, D, D, K_FN_FALLIBLE, double_multiply, NULL, "The product.", "0.5 * 3 → 1.5"),
    BETWEEN("*", V, D, V, K_FN_FALLIBLE, interval_multiply, NULL,
            "So many times the interval; a part of a month is days of a month of 30, a part of a day is time.",
            "INTERVAL '1 month' * 1.5 = INTERVAL '1 month 15 days' → true"),
    BETWEEN("*", D, V, V, K_FN_FALLIBLE, interval_multiply_swapped, NULL, "So many times the interval.",
            "90 * INTERVAL '1 s' = INTERVAL '00:01:30' → true"),
    BETWEEN("/", I, I, I, K_FN_FALLIBLE, int64_divide, NULL, "The quotient of integers, cut towards zero.",
            "-7 / 2 → -3"),
    BETWEEN("/", D, D, D, K_FN_FALLIBLE, double_divide, NULL, "The quotient.", "7.0 / 2 → 3.5"),
    BETWEEN("/", V, D, V, K_FN_FALLIBLE, interval_divide, NULL, "The interval in so many parts.",
            "INTERVAL '1 day' / 2 = INTERVAL '12 h' → true"),
    BETWEEN("%", I, I, I, K_FN_FALLIBLE, int64_modulo, NULL, "The rest of the division, with the sign of the first.",
            "-7 % 2 → -1"),
    BETWEEN("%", D, D, D, K_FN_FALLIBLE, double_modulo, NULL, "The rest of the division, with the sign of the first.",
            "5.5 % 2 → 1.5"),
    BEFORE("-", I, I, K_FN_FALLIBLE, int64_negate, "The negative.", "-(1 + 2) → -3"),
    BEFORE("-", D, D, 0, double_negate, "The negative.", "-(0.5 + 1) → -1.5"),
    BEFORE("-", V, V, K_FN_FALLIBLE, interval_negate, "The negative.", "-INTERVAL '1 s' < INTERVAL '0 s' → true"),
    BEFORE("+", I, I, 0, int64_identity, "The number itself.", "+(1 + 2) → 3"),
    BEFORE("+", D, D, 0, int64_identity, "The number itself.", "+(0.5 + 1) → 1.5"),

    COMPARE("=", eq, "Whether both are equal; NaN is equal to NaN.", "'a' = 'a' → true", "1 = 2 → false",
            "'NaN'::double = 'NaN' → true", "TIMESTAMP '2026-01-01' = '2026-01-01T00:00:00Z' → true",
            "true = false → false", "INTERVAL '1 day' = '24:00:00' → true"),
    COMPARE("<>", ne, "Whether both differ; also written !=.", "'a' <> 'b' → true", "1 != 2 → true",
            "0.5 <> 0.5 → false", "TIMESTAMP '2026-01-01' <> '2026-01-02' → true", "true <> false → true",
            "INTERVAL '1 day' <> '1 hour' → true"),
    COMPARE("<", lt, "Whether the first is less; strings by code points, NaN is the greatest number.",
            "'a' < 'b' → true", "1 < 2 → true", "1.5 < 'NaN' → true", "TIMESTAMP '2026-01-01' < '2026-01-02' → true",
            "false < true → true", "INTERVAL '1 hour' < '1 day' → true"),
    COMPARE("<=", le, "Whether the first is less or equal.", "'b' <= 'a' → false", "2 <= 2 → true", "2.5 <= 2 → false",
            "TIMESTAMP '2026-01-01' <= '2026-01-02' → true", "true <= false → false",
            "INTERVAL '1 h' <= '60 min' → true"),
    COMPARE(">", gt, "Whether the first is greater.", "'b' > 'a' → true", "1 > 2 → false",
            "'NaN'::double > 1e300 → true",
            "TIMESTAMP '2026-01-01' > '2026-01-02' → false", "true > false → true",
            "INTERVAL '1 month' > '29 days' → true"),
    COMPARE(">=", ge, "Whether the first is greater or equal.", "'b' >= 'a' → true", "1 >= 2 → false",
            "2.0 >= 2 → true",
            "TIMESTAMP '2026-01-01' >= '2026-01-02' → false", "true >= true → true",
            "INTERVAL '1 h' >= '1 day' → false"),

    BEHIND("IS NULL", A, is_null, "Whether there is no value.", "NULL IS NULL → true"),
    BEHIND("IS NOT NULL", A, is_not_null, "Whether there is a value.", "1 IS NOT NULL → true"),
    BEHIND("IS TRUE", B, is_true, "Whether it is true, not false or NULL.", "NULL IS TRUE → false"),
    BEHIND("IS NOT TRUE", B, is_not_true, "Whether it is false or NULL.", "NULL IS NOT TRUE → true"),
    BEHIND("IS FALSE", B, is_false, "Whether it is false, not true or NULL.", "false IS FALSE → true"),
    BEHIND("IS NOT FALSE", B, is_not_false, "Whether it is true or NULL.", "NULL IS NOT FALSE → true"),
    BEHIND("IS UNKNOWN", B, is_null, "Whether it is NULL.", "NULL IS UNKNOWN → true"),
    BEHIND("IS NOT UNKNOWN", B, is_not_null, "Whether it is true or false.", "true IS NOT UNKNOWN → true"),
    FORM("IS DISTINCT FROM", "any IS DISTINCT FROM the same type → bool",
         "Whether both differ, where NULL is equal to NULL.", "1 IS DISTINCT FROM NULL → true"),

    FORM("AND", "bool AND bool → bool", "True if both are; the second is not looked at where the first is false.",
         "true AND NULL IS NULL → true"),
    FORM("OR", "bool OR bool → bool", "True if one is; the second is not looked at where the first is true.",
         "NULL OR true → true"),
    BEFORE("NOT", B, B, 0, logic_not, "The opposite; of NULL, NULL.", "NOT true → false"),
    FORM("CASE", "CASE WHEN bool THEN any … [ELSE any] END, CASE any WHEN any THEN any … END",
         "The result of the first condition that is true; the others are not looked at.",
         "CASE 2 WHEN 1 THEN 'one' WHEN 2 THEN 'two' ELSE 'many' END → 'two'"),
    FORM("COALESCE", "COALESCE(any, …) → the same type", "The first value that is not NULL.",
         "COALESCE(NULL, 1, 2) → 1"),
    FORM("NULLIF", "NULLIF(any, any) → the first type", "NULL if both are equal, else the first.", "NULLIF(1, 2) → 1"),
    FORM("IN", "any [NOT] IN (any, …) → bool", "Whether the value is one of the list.", "2 IN (1, 2, 3) → true"),
    FORM("BETWEEN", "any [NOT] BETWEEN any AND any → bool",
         "Whether the value lies between two others or is one of them.",
         "2 BETWEEN 1 AND 2 → true"),

    FORM("BETWEEN SYMMETRIC", "any [NOT] BETWEEN SYMMETRIC any AND any → bool",
         "Whether the value lies between two others, whichever of them is less.", "2 BETWEEN SYMMETRIC 3 AND 1 → true"),
    MANY("greatest", 1, F, K_FN_LOOSE, greatest, "greatest(comparable, …) → the same type",
         "The greatest of the values that are not NULL.", "greatest(1, NULL, 3, 2) → 3", TYPE_C),
    MANY("least", 1, F, K_FN_LOOSE, least, "least(comparable, …) → the same type",
         "The least of the values that are not NULL.", "least('b', NULL, 'a') → 'a'", TYPE_C),

    BETWEEN("&", I, I, I, 0, bits_and, NULL, "The bits that both have.", "6 & 3 → 2"),
    BETWEEN("|", I, I, I, 0, bits_or, NULL, "The bits that one of both has.", "6 | 3 → 7"),
    BETWEEN("#", I, I, I, 0, bits_xor, NULL, "The bits that only one of both has.", "6 # 3 → 5"),
    BETWEEN("<<", I, I, I, 0, bits_left, NULL, "The bits, so many places higher (modulo 64).", "3 << 2 → 12"),
    BETWEEN(">>", I, I, I, 0, bits_right, NULL, "The bits, so many places lower (modulo 64), the sign behind them.",
            "-8 >> 1 → -4"),
    BEFORE("~", I, I, 0, bits_not, "The other bits.", "~5 → -6"),

    BETWEEN("LIKE", S, S, B, CHECKED, like, k_check_like,
            "Whether the string matches: % stands for any characters, _ for one, \\ or ESCAPE for a plain one.",
            "'a_b' LIKE '%!_b' ESCAPE '!' → true"),
    BETWEEN("ILIKE", S, S, B, CHECKED, ilike, k_check_like,
            "As LIKE, of both in small letters.", "'ÄB' ILIKE 'äb%' → true"),
    CALL2("like_escape", S, S, S, CHECKED, like_escape, k_check_like_escape,
          "A pattern of LIKE with another escape character, written with backslashes.",
          "like_escape('!%', '!') → '\\%'"),
    BETWEEN("||", S, S, S, K_FN_FALLIBLE | K_FN_COSTLY, string_concat, NULL, "One string behind the other.",
            "'a' || 'b' → 'ab'"),
    MANY("concat", 1, S, K_FN_NULLS | K_FN_FALLIBLE | K_FN_COSTLY, concat, "concat(string, …) → string",
         "One string behind the other; NULL is as if it were empty.", "concat('a', NULL, 'b') → 'ab'", TYPE_S),
    REGEX_OPERATOR("~", regex, "Whether the regular expression, a constant, matches anywhere in the string; also !~.",
                   "'GET /x' ~ '^[A-Z]+ /' → true"),
    REGEX_OPERATOR("~*", regex_fold, "As ~, with letters in either case; also !~*.", "'get /x' ~* '^GET' → true"),
    REGEX("regexp_substr", 2, S, regexp_substr, regex, "regexp_substr(string, string) → string",
          "The first part that the regular expression, a constant, matches; NULL if there is none.",
          "regexp_substr('a12b345', '[0-9]+') → '12'", TYPE_S, TYPE_S),
    REGEX("regexp_substr", 3, S, regexp_substr, regex_group, "regexp_substr(string, string, int64) → string",
          "What a group of the first match has, by its number; NULL if there is no match, or the group has no part in "
          "it.", "regexp_substr('id=17', '(\\w+)=(\\w+)', 2) → '17'", TYPE_S, TYPE_S, TYPE_I),
    REGEX("regexp_replace", 3, S, regexp_replace, regex_replace, "regexp_replace(string, string, string) → string",
          "The string with the third instead of the first match, in which \\1 to \\9 are its groups and \\& all of it.",
          "regexp_replace('b=2, c=3', '(\\w)=(\\w)', '\\2=\\1') → '2=b, c=3'", TYPE_S, TYPE_S, TYPE_S),
    REGEX("regexp_replace", 4, S, regexp_replace, regex_replace,
          "regexp_replace(string, string, string, string) → string",
          "The same with flags, a constant: g for each match, i for letters in either case.",
          "regexp_replace('a1B22', '[a-z]', '', 'gi') → '122'", TYPE_S, TYPE_S, TYPE_S, TYPE_S),
    MANY("concat_ws", 2, S, K_FN_LOOSE | K_FN_FALLIBLE | K_FN_COSTLY, concat_ws,
         "concat_ws(string, string, …) → string",
         "The strings behind the first, with the first between them; NULLs are left out.",
         "concat_ws(', ', 'a', NULL, 'b') → 'a, b'", TYPE_S, TYPE_S),
    FORM("trim", "trim([BOTH | LEADING | TRAILING] [string] FROM string) → string",
         "The string without those characters, or blanks, around it: btrim, ltrim or rtrim.",
         "trim(LEADING '0' FROM '0070') → '70'"),
    CALL1("btrim", S, S, K_FN_COSTLY, trim_both, "Without blanks on both sides; also trim(…).",
          "trim('  a b ') → 'a b'"),
    CALL2("btrim", S, S, S, K_FN_COSTLY, trim_both, NULL, "Without any of these characters on both sides.",
          "btrim('[a]', '[]') → 'a'"),
    CALL1("ltrim", S, S, K_FN_COSTLY, trim_left, "Without blanks on the left.", "ltrim('  a ') → 'a '"),
    CALL2("ltrim", S, S, S, K_FN_COSTLY, trim_left, NULL, "Without any of these characters on the left.",
          "ltrim('éèa', 'èé') → 'a'"),
    CALL1("rtrim", S, S, K_FN_COSTLY, trim_right, "Without blanks on the right.", "rtrim(' a  ') → ' a'"),
    CALL2("rtrim", S, S, S, K_FN_COSTLY, trim_right, NULL, "Without any of these characters on the right.",
          "rtrim('a/;/', '/;') → 'a'"),
    CALL2("left", S, I, S, K_FN_COSTLY, left, NULL, "The first characters; of a negative number, all but the last.",
          "left('äöü', 2) → 'äö'"),
    CALL2("right", S, I, S, K_FN_COSTLY, right, NULL, "The last characters; of a negative number, all but the first.",
          "right('äöü', -1) → 'öü'"),
    ROW("position", 2, I, K_FN_COSTLY, 0, k_kernel_position, NULL, "position(string IN string) → int64",
        "At which character the first stands in the second, from 1; 0 if it does not.", "position('ö' IN 'äöü') → 2",
        TYPE_S, TYPE_S),
    CALL2("strpos", S, S, I, K_FN_COSTLY, position, NULL,
          "At which character the second stands in the first, from 1; 0 if it does not.", "strpos('äöü', 'ö') → 2"),
    CALL2("starts_with", S, S, B, 0, starts_with, NULL, "Whether the first begins with the second.",
          "starts_with('abc', 'ab') → true"),
    CALL3("replace", S, S, S, S, K_FN_FALLIBLE | K_FN_COSTLY, replace, NULL,
          "The first with the third wherever it has the second.", "replace('a.b.c', '.', '--') → 'a--b--c'"),
    CALL1("reverse", S, S, K_FN_COSTLY, reverse, "The characters from the last to the first.",
          "reverse('äbc') → 'cbä'"),
    CALL2("repeat", S, I, S, K_FN_FALLIBLE | K_FN_COSTLY, repeat, NULL, "The string so many times.",
          "repeat('ab', 3) → 'ababab'"),
    CALL2("lpad", S, I, S, K_FN_FALLIBLE | K_FN_COSTLY, pad_left, NULL,
          "With blanks before it to so many characters, or cut off behind them.", "lpad('ab', 4) → '  ab'"),
    CALL3("lpad", S, I, S, S, K_FN_FALLIBLE | K_FN_COSTLY, pad_left, NULL,
          "With this again and again before it to so many characters, or cut off behind them.",
          "lpad('7', 3, '0') → '007'"),
    CALL2("rpad", S, I, S, K_FN_FALLIBLE | K_FN_COSTLY, pad_right, NULL,
          "With blanks behind it to so many characters, or cut off behind them.", "rpad('ab', 4) → 'ab  '"),
    CALL3("rpad", S, I, S, S, K_FN_FALLIBLE | K_FN_COSTLY, pad_right, NULL,
          "With this again and again behind it to so many characters, or cut off behind them.",
          "rpad('ab', 7, '->') → 'ab->->-'"),
    CALL1("md5", S, S, K_FN_FALLIBLE | K_FN_COSTLY, md5, "The MD5 digest of the bytes, in hexadecimal digits.",
          "md5('abc') → '900150983cd24fb0d6963f7d28e17f72'"),
    CALL1("md5", Y, S, K_FN_FALLIBLE | K_FN_COSTLY, md5, "The MD5 digest, in hexadecimal digits.", NULL),
    CALL1("sha256", S, S, K_FN_FALLIBLE | K_FN_COSTLY, sha256,
          "The SHA-256 digest of the bytes, in hexadecimal digits.", "left(sha256('abc'), 16) → 'ba7816bf8f01cfea'"),
    CALL1("sha256", Y, S, K_FN_FALLIBLE | K_FN_COSTLY, sha256, "The SHA-256 digest, in hexadecimal digits.", NULL),
    CALL1("xxhash", S, I, K_FN_COSTLY, xxhash, "XXH64 of the bytes, with seed 0; its highest bit is the sign.",
          "xxhash('abc') → 4952883123889572249"),
    CALL1("xxhash", Y, I, K_FN_COSTLY, xxhash, "XXH64, with seed 0; its highest bit is the sign.", NULL),
    CALL1("lower", S, S, K_FN_COSTLY, string_lower, "In small letters, by Unicode's simple mapping.",
          "lower('ÄB') → 'äb'"),
    CALL1("upper", S, S, K_FN_COSTLY, string_upper, "In capitals, by Unicode's simple mapping.", "upper('äb') → 'ÄB'"),
    CALL1("length", S, I, K_FN_COSTLY, string_length, "How many characters.", "length('äb') → 2"),
    CALL1("char_length", S, I, K_FN_COSTLY, string_length, "How many characters.", "char_length('äb') → 2"),
    CALL1("character_length", S, I, K_FN_COSTLY, string_length, "How many characters.", "character_length('äb') → 2"),
    CALL1("length", Y, I, 0, string_bytes, "How many bytes.", NULL),
    CALL1("octet_length", Y, I, 0, string_bytes, "How many bytes.", NULL),
    CALL1("octet_length", S, I, 0, string_bytes, "How many bytes.", "octet_length('äb') → 3"),
    CALL3("split_part", S, S, I, S, CHECKED, split_part, k_check_split_part,
          "The n-th part between delimiters, from the end if n is negative; empty if there is none.",
          "split_part('a,b', ',', 2) → 'b'"),
    CALL2("substring", S, I, S, K_FN_COSTLY, substring_2, NULL, "The string from a character on, counted from 1.",
          "substring('häuser' FROM 3) → 'user'"),
    CALL3("substring", S, I, I, S, CHECKED, substring_3, k_check_substring,
          "So many characters from a character on, counted from 1.", "substring('häuser' FROM 2 FOR 3) → 'äus'"),
    CALL2("mod", I, I, I, K_FN_FALLIBLE, int64_modulo, NULL, "The rest of the division, with the sign of the first.",
          "mod(7, 4) → 3"),
    CALL1("abs", I, I, K_FN_FALLIBLE, int64_abs, "The number without its sign.", "abs(-7) → 7"),
    CALL1("abs", D, D, 0, double_abs, "The number without its sign.", "abs(-0.5) → 0.5"),
    CALL1("sign", D, D, 0, double_sign, "-1, 0 or 1; of NaN, 0.", "sign(-3) → -1.0"),
    CALL1("round", D, D, 0, double_round, "The nearest whole number, halves to even.", "round(2.5) → 2.0"),
    CALL2("round", D, I, D, K_FN_FALLIBLE | K_FN_COSTLY, double_round_places, NULL,
          "Rounded to so many decimal places, halves away from zero, as the decimal of 15 digits that it means.",
          "round(2.675, 2) → 2.68"),
    CALL2("round", I, I, I, K_FN_FALLIBLE | K_FN_COSTLY, int64_round_places, NULL,
          "Rounded to tens, hundreds, … by negative places, halves away from zero.", "round(-1250, -2) → -1300"),
    CALL1("trunc", D, D, 0, double_trunc, "Without the fraction.", "trunc(-2.7) → -2.0"),
    CALL2("trunc", D, I, D, K_FN_FALLIBLE | K_FN_COSTLY, double_trunc_places, NULL,
          "Cut to so many decimal places, as the decimal of 15 digits that the double means.",
          "trunc(-2.679, 2) → -2.67"),
    CALL2("trunc", I, I, I, K_FN_COSTLY, int64_trunc_places, NULL, "Cut to tens, hundreds, … by negative places.",
          "trunc(-1299, -2) → -1200"),
    CALL1("floor", D, D, 0, double_floor, "The greatest whole number that is not more.", "floor(-2.5) → -3.0"),
    CALL1("ceil", D, D, 0, double_ceil, "The least whole number that is not less.", "ceil(-2.5) → -2.0"),
    CALL1("ceiling", D, D, 0, double_ceil, "The least whole number that is not less.", "ceiling(2.1) → 3.0"),
    BETWEEN("^", D, D, D, K_FN_FALLIBLE | K_FN_COSTLY, double_power, NULL, "The first to the power of the second.",
            "2 ^ 10 → 1024.0"),
    CALL2("power", D, D, D, K_FN_FALLIBLE | K_FN_COSTLY, double_power, NULL, "The first to the power of the second.",
          "power(2, -1) → 0.5"),
    CALL2("pow", D, D, D, K_FN_FALLIBLE | K_FN_COSTLY, double_power, NULL, "The same as power.", "pow(9, 0.5) → 3.0"),
    CALL1("sqrt", D, D, K_FN_FALLIBLE, double_sqrt, "The square root.", "sqrt(2.25) → 1.5"),
    CALL1("cbrt", D, D, K_FN_COSTLY, double_cbrt, "The cube root.", "cbrt(-27) → -3.0"),
    CALL1("exp", D, D, K_FN_FALLIBLE | K_FN_COSTLY, double_exp, "e to the power of the number.", "exp(0) → 1.0"),
    CALL1("ln", D, D, K_FN_FALLIBLE | K_FN_COSTLY, double_ln, "The natural logarithm.", "ln(1) → 0.0"),
    CALL1("log", D, D, K_FN_FALLIBLE | K_FN_COSTLY, double_log, "The logarithm to base 10.", "log(1000) → 3.0"),
    CALL1("log10", D, D, K_FN_FALLIBLE | K_FN_COSTLY, double_log, "The logarithm to base 10.", "log10(0.01) → -2.0"),
    ROW("extract", 2, D, CHECKED, 0, k_kernel_extract_timestamp, k_check_extract_timestamp,
        "extract(string FROM timestamp) → double",
        "One of year, quarter, month, day, hour, minute, second, milliseconds, microseconds (both with the seconds), "
        "epoch (seconds since 1970), dow (Sunday is 0), isodow (Monday is 1), doy, week and isoyear (of ISO 8601), "
        "decade, century, millennium, julian.",
        "extract(hour FROM TIMESTAMP '2026-01-01 12:34:56') → 12.0", TYPE_S, TYPE_T),
    ROW("extract", 2, D, CHECKED, 0, k_kernel_extract_interval, k_check_extract_interval,
        "extract(string FROM interval) → double",
        "A part of an interval; of the whole, epoch: its seconds, with years of 365.25 days and months of 30.",
        "extract(epoch FROM INTERVAL '1 day 1 s') → 86401.0", TYPE_S, TYPE_V),
    CALL2("date_part", S, T, D, CHECKED, extract_timestamp, k_check_extract_timestamp,
          "The same as extract.", "date_part('year', TIMESTAMP '2026-01-01') → 2026.0"),
    CALL2("date_part", S, V, D, CHECKED, extract_interval, k_check_extract_interval,
          "The same as extract.", "date_part('minute', INTERVAL '01:02:03') → 2.0"),
    CALL1("to_timestamp", D, T, K_FN_FALLIBLE, to_timestamp, "So many seconds since 1970.",
          "to_timestamp(1.5) → TIMESTAMP '1970-01-01 00:00:01.5'"),
    CALL3("date_bin", V, T, T, T, K_FN_FALLIBLE, date_bin, k_check_date_bin,
          "The start of the bin of a size in which a timestamp lies, where one bin starts at the origin.",
          "date_bin('15 min', TIMESTAMP '2026-01-01 12:34:56', TIMESTAMP '2026-01-01') → "
          "TIMESTAMP '2026-01-01 12:30:00'"),
    CALL2("date_trunc", S, T, T, K_FN_FALLIBLE | K_FN_COSTLY, date_trunc, k_check_date_trunc,
          "The start of the microsecond, millisecond, second, minute, hour, day, week (Monday), month, quarter, year, "
          "decade, century (2001) or millennium (2001).",
          "date_trunc('hour', TIMESTAMP '2026-01-01 12:34:56') → TIMESTAMP '2026-01-01 12:00:00'"),

    BETWEEN("->", J, S, J, K_FN_FALLIBLE | K_FN_COSTLY | K_FN_PARTIAL, json_member, NULL,
            "The member of an object with this key, the last of several.",
            "('{\"a\": [1, 2]}'::json -> 'a')::string → '[1, 2]'"),
    BETWEEN("->", J, I, J, K_FN_FALLIBLE | K_FN_COSTLY | K_FN_PARTIAL, json_element, NULL,
            "The element of an array, counted from 0, or from the end if negative.",
            "('[1, \"b\"]'::json -> -1)::string → '\"b\"'"),
    BETWEEN("->>", J, S, S, K_FN_FALLIBLE | K_FN_COSTLY | K_FN_PARTIAL, json_member_text, NULL,
            "The member of an object as text: a string without quotes, null as NULL.",
            "'{\"a\": \"x\\n\"}'::json ->> 'a' → E'x\\n'"),
    BETWEEN("->>", J, I, S, K_FN_FALLIBLE | K_FN_COSTLY | K_FN_PARTIAL, json_element_text, NULL,
            "The element of an array as text.", "'[1, \"b\"]'::json ->> 1 → 'b'"),
    BETWEEN("#>", J, S, J, K_FN_FALLIBLE | K_FN_COSTLY | K_FN_PARTIAL, json_path, k_check_json_path,
            "What lies at the end of a path of keys and numbers of elements.",
            "('{\"a\": [1, {\"b\": 2}]}'::json #> '{a,1}')::string → '{\"b\": 2}'"),
    BETWEEN("#>>", J, S, S, K_FN_FALLIBLE | K_FN_COSTLY | K_FN_PARTIAL, json_path_text, k_check_json_path,
            "What lies at the end of a path of keys and numbers of elements, as text.",
            "'{\"a\": [1, {\"b\": \"c\"}]}'::json #>> '{a,1,b}' → 'c'"),
    CALL1("json_typeof", J, S, 0, json_typeof, "object, array, string, number, boolean or null.",
          "json_typeof('[1]'::json) → 'array'"),
    CALL1("json_array_length", J, I, K_FN_FALLIBLE | K_FN_COSTLY, json_array_length, "How many elements an array has.",
          "json_array_length('[1, [2, 3]]'::json) → 2"),

    CAST(B, I, 0, cast_bool_int64, "1 or 0.", "true::int64 → 1"),
    CAST(B, S, 0, cast_bool_string, "'true' or 'false'.", "true::string → 'true'"),
    CAST(I, B, 0, cast_int64_bool, "Whether it is not 0.", "2::bool → true"),
    CAST(I, D, 0, cast_int64_double, "The nearest double.", "1::double / 2 → 0.5"),
    CAST(I, S, K_FN_COSTLY, cast_int64_string, "The digits.", "12::string → '12'"),
    CAST(D, I, K_FN_FALLIBLE, cast_double_int64, "The nearest integer, halves to even.", "2.5::int64 → 2"),
    CAST(D, S, K_FN_COSTLY, cast_double_string, "The shortest digits that mean the same double.",
         "0.10::string → '0.1'"),
    CAST(T, S, K_FN_COSTLY, cast_timestamp_string, "As PostgreSQL prints it, in UTC.",
         "TIMESTAMP '2026-01-01T12:30:00.50Z'::string → '2026-01-01 12:30:00.5'"),
    CAST(J, S, 0, cast_json_string, "The JSON text itself.", "'[1,  2]'::json::string → '[1,  2]'"),
    CAST(S, B, K_FN_FALLIBLE | K_FN_COSTLY, cast_string_any,
         "true, yes, on, 1 and the opposites, or a beginning of them.",
         "lower(' YES ')::bool → true"),
    CAST(S, I, K_FN_FALLIBLE | K_FN_COSTLY, cast_string_any, "From digits.", "lower(' -12 ')::int64 → -12"),
    CAST(S, D, K_FN_FALLIBLE | K_FN_COSTLY, cast_string_any, "From digits, NaN or Infinity.",
         "lower('1E3')::double → 1000.0"),
    CAST(S, T, K_FN_FALLIBLE | K_FN_COSTLY, cast_string_any, "From RFC 3339, a date alone, or PostgreSQL's form.",
         "lower('2026-01-01')::timestamp → TIMESTAMP '2026-01-01'"),
    CAST(S, J, K_FN_FALLIBLE | K_FN_COSTLY, cast_string_any, "The text, which must be one JSON value.",
         "lower('[TRUE]')::json ->> 0 → 'true'"),
    CAST(S, V, K_FN_FALLIBLE | K_FN_COSTLY, cast_string_any, "From numbers with units, or hours:minutes:seconds.",
         "lower('1 day 2h')::interval = INTERVAL '26 hours' → true"),

    AGGREGATE("count", 0, I, K_AGG_COUNT_STAR, K_FN_STAR, "count(*) → int64", "How many rows.", "count(*)", 0),
    AGGREGATE("count", 1, I, K_AGG_COUNT, 0, "count(any) → int64", "How many rows where it is not NULL.", "count(s)",
              TYPE_A),
    FORM("count", "count(DISTINCT any) → int64", "How many different values; NULL is none.", "count(DISTINCT s)"),
    AGGREGATE("sum", 1, I, K_AGG_SUM, 0, "sum(int64) → int64", "The sum; NULL of no values.", "sum(i)", TYPE_I),
    AGGREGATE("sum", 1, D, K_AGG_SUM, 0, "sum(double) → double", "The sum; NULL of no values.", "sum(d)", TYPE_D),
    AGGREGATE("avg", 1, D, K_AGG_AVG, 0, "avg(int64) → double",
              "The mean of integers, whose sum is exact; NULL of no values.", "avg(i)", TYPE_I),
    AGGREGATE("avg", 1, D, K_AGG_AVG, 0, "avg(double) → double", "The mean; NULL of no values.", "avg(d)", TYPE_D),
    AGGREGATE("min", 1, F, K_AGG_MIN, 0, "min(comparable) → the same type", "The least value.", "min(t)", TYPE_C),
    AGGREGATE("max", 1, F, K_AGG_MAX, 0, "max(comparable) → the same type", "The greatest value.", "max(s)", TYPE_C),
    AGGREGATE("arg_min", 2, F, K_AGG_ARG_MIN, 0, "arg_min(any, comparable) → the first type",
              "The first argument in the row where the second is least.", "arg_min(s, t)", TYPE_A, TYPE_C),
    AGGREGATE("arg_max", 2, F, K_AGG_ARG_MAX, 0, "arg_max(any, comparable) → the first type",
              "The first argument in the row where the second is greatest.", "arg_max(s, t)", TYPE_A, TYPE_C),
    AGGREGATE("first", 1, F, K_AGG_FIRST, 0, "first(any) → the same type",
              "The argument in the first row by event time, then source, partition and offset.", "first(s)", TYPE_A),
    AGGREGATE("last", 1, F, K_AGG_LAST, 0, "last(any) → the same type",
              "The argument in the last row by event time, then source, partition and offset.", "last(s)", TYPE_A),
    AGGREGATE("var_pop", 1, D, K_AGG_VAR_POP, 0, "var_pop(int64) → double",
              "The variance of the whole population; NULL of no values.", "var_pop(i)", TYPE_I),
    AGGREGATE("var_pop", 1, D, K_AGG_VAR_POP, 0, "var_pop(double) → double",
              "The variance of the whole population; NULL of no values.", "var_pop(d)", TYPE_D),
    AGGREGATE("var_samp", 1, D, K_AGG_VAR_SAMP, 0, "var_samp(int64) → double",
              "The variance of a sample; NULL of fewer than two values.", "var_samp(i)", TYPE_I),
    AGGREGATE("var_samp", 1, D, K_AGG_VAR_SAMP, 0, "var_samp(double) → double",
              "The variance of a sample; NULL of fewer than two values.", "var_samp(d)", TYPE_D),
    AGGREGATE("variance", 1, D, K_AGG_VAR_SAMP, 0, "variance(int64) → double",
              "The same as var_samp.", "variance(i)", TYPE_I),
    AGGREGATE("variance", 1, D, K_AGG_VAR_SAMP, 0, "variance(double) → double",
              "The same as var_samp.", "variance(d)", TYPE_D),
    AGGREGATE("stddev_pop", 1, D, K_AGG_STDDEV_POP, 0, "stddev_pop(int64) → double",
              "The standard deviation of the whole population; NULL of no values.", "stddev_pop(i)", TYPE_I),
    AGGREGATE("stddev_pop", 1, D, K_AGG_STDDEV_POP, 0, "stddev_pop(double) → double",
              "The standard deviation of the whole population; NULL of no values.", "stddev_pop(d)", TYPE_D),
    AGGREGATE("stddev_samp", 1, D, K_AGG_STDDEV_SAMP, 0, "stddev_samp(int64) → double",
              "The standard deviation of a sample; NULL of fewer than two values.", "stddev_samp(i)", TYPE_I),
    AGGREGATE("stddev_samp", 1, D, K_AGG_STDDEV_SAMP, 0, "stddev_samp(double) → double",
              "The standard deviation of a sample; NULL of fewer than two values.", "stddev_samp(d)", TYPE_D),
    AGGREGATE("stddev", 1, D, K_AGG_STDDEV_SAMP, 0, "stddev(int64) → double",
              "The same as stddev_samp.", "stddev(i)", TYPE_I),
    AGGREGATE("stddev", 1, D, K_AGG_STDDEV_SAMP, 0, "stddev(double) → double",
              "The same as stddev_samp.", "stddev(d)", TYPE_D),
};

enum { COUNT = sizeof functions / sizeof functions[0] };

const struct k_function *k_functions(uint32_t *ret_count)
{
    *ret_count = COUNT;
    return functions;
}

static struct k_function_doc docs[COUNT];

static void fill_docs(void)
{
    for (uint32_t i = 0; i < COUNT; i++) {
        const struct k_function *function = &functions[i];
        docs[i] = (struct k_function_doc){function->name, function->signature, function->doc, function->example};
    }
}

const struct k_function_doc *k_function_docs(uint32_t *ret_count)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fill_docs);
    *ret_count = COUNT;
    return docs;
}
