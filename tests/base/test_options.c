// Options: parsing by the table, where values come from, what is refused and how, help and words.
#include "tests/base/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"

enum { BROKERS, SET, YES, INTERVAL, MEMORY, SHARDS, OUTPUT, SEED, COUNT };
static const struct k_option table[COUNT] = {
    [BROKERS] = {.name = "brokers", .argument = "LIST", .help = "the brokers to ask first", .text = "localhost:9092"},
    [SET] = {.name = "set", .argument = "NAME=VALUE", .help = "give a parameter", .repeated = true},
    [YES] = {.name = "yes", .help = "do not ask", .letter = 'y'},
    [INTERVAL] = {.name = "commit-interval", .argument = "DURATION", .help = "how often to commit", .text = "100ms"},
    [MEMORY] = {.name = "memory", .argument = "SIZE", .help = "the memory to use"},
    [SHARDS] = {.name = "shards", .argument = "N", .help = "how many shards run", .text = "1"},
    [OUTPUT] = {.name = "output", .argument = "FORMAT", .help = "the form of the output", .text = "table",
                .letter = 'o'},
    [SEED] = {.name = "seed", .argument = "N", .help = "start of random numbers", .hidden = true},
};

static struct k_options options;
static struct k_error err;

static int parse_list(char **words, char *const *environment)
{
    int count = 0;
    while (words[count] != NULL) count++;
    k_options_fini(&options);
    err = (struct k_error){0};
    return k_options_parse(&options, table, COUNT, count, words, environment, &err);
}
// The words behind the command's name.
#define PARSE(...) parse_list((char *[]){"run", ##__VA_ARGS__, NULL}, NULL)
#define PARSE_IN(environment, ...) parse_list((char *[]){"run", ##__VA_ARGS__, NULL}, environment)
#define ENVIRONMENT(...) ((char *[]){__VA_ARGS__, NULL})

static int finish(void **state)
{
    (void)state;
    k_options_fini(&options);
    return 0;
}

static void assert_refused(int code, const char *text)
{
    assert_int_equal(code, K_E_USAGE);
    assert_int_equal(k_error_status(code), 64);
    assert_string_equal(err.text, text);
}

static void test_defaults(void **state)
{
    (void)state;
    assert_int_equal(PARSE(), 0);
    assert_string_equal(k_options_text(&options, BROKERS), "localhost:9092");
    assert_int_equal(options.values[BROKERS].origin, K_OPTION_DEFAULT);
    assert_false(k_options_given(&options, BROKERS));
    assert_null(k_options_text(&options, SET));
    assert_int_equal(options.values[SET].count, 0);
    assert_int_equal(options.operand_count, 0);
    bool yes = true;
    assert_int_equal(k_options_flag(&options, YES, &yes, &err), 0);
    assert_false(yes);
    // No value at all leaves what the caller had.
    uint64_t memory = 5;
    assert_int_equal(k_options_size(&options, MEMORY, &memory, &err), 0);
    assert_int_equal(memory, 5);
}

static void test_flags_and_operands_mix(void **state)
{
    (void)state;
    setenv("POSIXLY_CORRECT", "1", 1); // must not stop at the first operand
    int code = PARSE("a.textproto", "--brokers", "b:1", "-", "--set=X=1", "-y", "--set", "Y=a b", "-ojson", "b", "--",
                     "--yes", "c");
    unsetenv("POSIXLY_CORRECT");
    assert_int_equal(code, 0);
    static const char *const operands[] = {"a.textproto", "-", "b", "--yes", "c"};
    assert_int_equal(options.operand_count, 5);
    for (int i = 0; i < 5; i++) assert_string_equal(options.operands[i], operands[i]);
    assert_string_equal(k_options_text(&options, BROKERS), "b:1");
    assert_int_equal(options.values[SET].count, 2);
    assert_string_equal(options.values[SET].texts[0], "X=1");
    assert_string_equal(options.values[SET].texts[1], "Y=a b");
    assert_string_equal(k_options_text(&options, OUTPUT), "json");
    bool yes = false;
    assert_int_equal(k_options_flag(&options, YES, &yes, &err), 0);
    assert_true(yes);
}

static void test_last_one_wins(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--shards", "2", "-yyyyyyyyyyyyyyyyyyyyy", "--shards=3", "--yes=no"), 0);
    assert_string_equal(k_options_text(&options, SHARDS), "3");
    assert_int_equal(options.values[SHARDS].count, 1);
    bool yes = true;
    assert_int_equal(k_options_flag(&options, YES, &yes, &err), 0);
    assert_false(yes);
    // An empty value is a value.
    assert_int_equal(PARSE("--brokers="), 0);
    assert_string_equal(k_options_text(&options, BROKERS), "");
}

static void test_precedence(void **state)
{
    (void)state;
    char **environment = ENVIRONMENT("KAPPA_BROKERSX=no", "KAPPA_BROKERS=e:1", "KAPPA_COMMIT_INTERVAL=5s",
                                     "KAPPA_YES=on", "KAPPA_MEMORY=", "KAPPA_SHARDS=", "KAPPA_SET=A=1\n\nB=2,3\n");
    assert_int_equal(PARSE_IN(environment), 0);
    assert_string_equal(k_options_text(&options, BROKERS), "e:1");
    assert_int_equal(options.values[BROKERS].origin, K_OPTION_ENVIRONMENT);
    assert_true(k_options_given(&options, BROKERS));
    int64_t us = 0;
    assert_int_equal(k_options_duration(&options, INTERVAL, &us, &err), 0);
    assert_int_equal(us, 5000000);
    bool yes = false;
    assert_int_equal(k_options_flag(&options, YES, &yes, &err), 0);
    assert_true(yes);
    // Empty counts as absent.
    assert_null(k_options_text(&options, MEMORY));
    assert_string_equal(k_options_text(&options, SHARDS), "1");
    assert_int_equal(options.values[SET].count, 2);
    assert_string_equal(options.values[SET].texts[0], "A=1");
    assert_string_equal(options.values[SET].texts[1], "B=2,3");

    assert_int_equal(PARSE_IN(environment, "--brokers=f:1", "--yes=false", "--set", "C=3"), 0);
    assert_string_equal(k_options_text(&options, BROKERS), "f:1");
    assert_int_equal(options.values[BROKERS].origin, K_OPTION_FLAG);
    assert_int_equal(k_options_flag(&options, YES, &yes, &err), 0);
    assert_false(yes);
    // A flag replaces the list of the environment, it does not add to it.
    assert_int_equal(options.values[SET].count, 1);
    assert_string_equal(options.values[SET].texts[0], "C=3");
}

static void test_environment_text_is_owned(void **state)
{
    (void)state;
    char variable[] = "KAPPA_BROKERS=e:1";
    assert_int_equal(PARSE_IN(ENVIRONMENT(variable)), 0);
    memset(variable, 'x', sizeof variable - 1);
    assert_string_equal(k_options_text(&options, BROKERS), "e:1");
}

static void test_unknown_flags(void **state)
{
    (void)state;
    assert_refused(PARSE("--broker", "x"), "unknown flag \"--broker\"; did you mean \"--brokers\"?");
    assert_refused(PARSE("--comit-interval=1s"),
                   "unknown flag \"--comit-interval\"; did you mean \"--commit-interval\"?");
    // An abbreviation is refused, with or without a value, ambiguous or not.
    assert_refused(PARSE("--commit", "1s"), "unknown flag \"--commit\"; did you mean \"--commit-interval\"?");
    assert_refused(PARSE("--commit=1s"), "unknown flag \"--commit\"; did you mean \"--commit-interval\"?");
    assert_refused(PARSE("--commit"), "unknown flag \"--commit\"; did you mean \"--commit-interval\"?");
    assert_refused(PARSE("--hel"), "unknown flag \"--hel\"; did you mean \"--help\"?");
    assert_refused(PARSE("--s", "1"), "unknown flag \"--s\"; did you mean \"--set\"?");
    assert_refused(PARSE("--xyzzy"), "unknown flag \"--xyzzy\"; see --help");
    assert_refused(PARSE("--=1"), "unknown flag \"--\"; see --help");
    assert_refused(PARSE("-x"), "unknown flag \"-x\"; see --help");
    assert_refused(PARSE("-yx"), "unknown flag \"-x\"; see --help");
    // The rest of a refused word is forgotten, also by the next parse.
    assert_refused(PARSE("-xy"), "unknown flag \"-x\"; see --help");
    assert_int_equal(PARSE("a"), 0);
    assert_false(k_options_given(&options, YES));
    assert_refused(PARSE("-é"), "unknown flag \"-é\"; see --help");
    assert_refused(PARSE("-yé"), "unknown flag \"-yé\"; see --help");
    // Advice never gives a hidden name away.
    assert_refused(PARSE("--sed", "1"), "unknown flag \"--sed\"; did you mean \"--set\"?");
    assert_int_equal(PARSE("--seed", "1"), 0);
    assert_string_equal(k_options_text(&options, SEED), "1");
}

static void test_missing_values(void **state)
{
    (void)state;
    assert_refused(PARSE("--brokers"), "--brokers needs a value: --brokers LIST");
    assert_refused(PARSE("-y", "-o"), "--output needs a value: --output FORMAT");
    assert_refused(PARSE("--help=x"), "--help takes no value");
    assert_int_equal(PARSE("--yes"), 0);
    assert_refused(k_options_need(&options, MEMORY, &err),
                   "--memory is missing; give --memory SIZE or set KAPPA_MEMORY");
    assert_int_equal(k_options_need(&options, SHARDS, &err), 0);
}

static void test_help_stops_looking(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--help", "--xyzzy"), 0);
    assert_true(options.help);
    assert_int_equal(PARSE("-h"), 0);
    assert_true(options.help);
    assert_int_equal(PARSE("--", "--help"), 0);
    assert_false(options.help);
}

static void test_wrong_values_say_what_is_wanted(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--commit-interval=10", "--memory=1KB", "--shards=65", "--yes=maybe", "--output=jsn"), 0);
    int64_t number = 42;
    assert_refused(k_options_duration(&options, INTERVAL, &number, &err),
                   "--commit-interval: \"10\" is not a duration like \"100ms\", \"90s\" or \"1h30m\"");
    uint64_t bytes = 42;
    assert_refused(k_options_size(&options, MEMORY, &bytes, &err),
                   "--memory: \"1KB\" is not a size like \"64MiB\", \"500kB\" or \"4096\"");
    assert_refused(k_options_integer(&options, SHARDS, 1, 64, &number, &err),
                   "--shards: \"65\" is not a whole number from 1 to 64");
    assert_refused(k_options_integer(&options, SHARDS, 100, INT64_MAX, &number, &err),
                   "--shards: \"65\" is not a whole number of at least 100");
    bool yes = true;
    assert_refused(k_options_flag(&options, YES, &yes, &err), "--yes: \"maybe\" is not \"true\" or \"false\"");
    static const char *const forms[] = {"table", "json", "jsonl"};
    uint32_t form = 42;
    assert_refused(k_options_choice(&options, OUTPUT, forms, 3, &form, &err),
                   "--output: \"jsn\" is not \"table\", \"json\" or \"jsonl\"; did you mean \"json\"?");
    assert_int_equal(number, 42);
    assert_int_equal(bytes, 42);
    assert_int_equal(form, 42);
    assert_true(yes);
    assert_int_equal(PARSE("-o", "jsonl"), 0);
    assert_int_equal(k_options_choice(&options, OUTPUT, forms, 3, &form, &err), 0);
    assert_int_equal(form, 2);
    // The mistake is named where it was made.
    assert_int_equal(PARSE_IN(ENVIRONMENT("KAPPA_COMMIT_INTERVAL=soon")), 0);
    assert_refused(k_options_duration(&options, INTERVAL, &number, &err),
                   "KAPPA_COMMIT_INTERVAL: \"soon\" is not a duration like \"100ms\", \"90s\" or \"1h30m\"");
}

static void test_integers_are_whole_and_bounded(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"0", 0}, {"-0", 0}, {"007", 7}, {"-5", -5}, {"9223372036854775807", INT64_MAX},
                {"-9223372036854775808", INT64_MIN}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char word[64];
        snprintf(word, sizeof word, "--shards=%s", good[i].text);
        assert_int_equal(PARSE(word), 0);
        int64_t value = 42;
        assert_int_equal(k_options_integer(&options, SHARDS, INT64_MIN, INT64_MAX, &value, &err), 0);
        assert_int_equal(value, good[i].value);
    }
    static const char *const bad[] = {"", "-", "+1", " 1", "1 ", "1.0", "0x1", "1e3", "9223372036854775808",
                                      "-9223372036854775809", "99999999999999999999", "--1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char word[64];
        snprintf(word, sizeof word, "--shards=%s", bad[i]);
        assert_int_equal(PARSE(word), 0);
        int64_t value = 42;
        assert_int_equal(k_options_integer(&options, SHARDS, INT64_MIN, INT64_MAX, &value, &err), K_E_USAGE);
        assert_int_equal(value, 42);
    }
}

static void test_help_is_aligned_and_wrapped(void **state)
{
    (void)state;
    struct k_buf out = {0};
    k_options_help(&out, table, COUNT, 72);
    assert_string_equal(out.data, "      --brokers LIST      the brokers to ask first\n"
                                  "                          (default localhost:9092) [KAPPA_BROKERS]\n"
                                  "      --set NAME=VALUE …  give a parameter [KAPPA_SET]\n"
                                  "  -y, --yes               do not ask [KAPPA_YES]\n"
                                  "      --commit-interval DURATION\n"
                                  "                          how often to commit (default 100ms)\n"
                                  "                          [KAPPA_COMMIT_INTERVAL]\n"
                                  "      --memory SIZE       the memory to use [KAPPA_MEMORY]\n"
                                  "      --shards N          how many shards run (default 1) [KAPPA_SHARDS]\n"
                                  "  -o, --output FORMAT     the form of the output (default table)\n"
                                  "                          [KAPPA_OUTPUT]\n"
                                  "  -h, --help              show this help\n");
    k_buf_fini(&out);
}

// At any width no line is wider, as long as there is room for words at all.
static void test_help_keeps_any_width(void **state)
{
    (void)state;
    for (uint32_t width = 50; width < 140; width++) {
        struct k_buf out = {0};
        k_options_help(&out, table, COUNT, width);
        uint32_t column = 0;
        for (size_t i = 0; i < out.length; i++) {
            if (out.data[i] == '\n') {
                assert_true(column <= width);
                assert_true(out.data[i - 1] != ' ');
                column = 0;
            } else {
                column += ((uint8_t)out.data[i] & 0xC0) != 0x80;
            }
        }
        k_buf_fini(&out);
    }
    struct k_buf out = {0};
    k_options_help(&out, table, COUNT, 0);
    assert_non_null(strstr(out.data, "--brokers"));
    k_buf_fini(&out);
}

static void test_words(void **state)
{
    (void)state;
    struct k_buf out = {0};
    k_options_words(&out, table, COUNT);
    assert_string_equal(out.data, "--brokers\n--set\n--yes\n-y\n--commit-interval\n--memory\n--shards\n--output\n-o\n"
                                  "--help\n-h\n");
    k_buf_fini(&out);
}

static void test_empty_table(void **state)
{
    (void)state;
    char *words[] = {"version", "x", NULL};
    k_options_fini(&options);
    assert_int_equal(k_options_parse(&options, NULL, 0, 2, words, NULL, &err), 0);
    assert_int_equal(options.operand_count, 1);
    k_options_fini(&options);
    k_options_fini(&options);
    k_options_fini(NULL);
    // A NULL error only loses the text.
    char *wrong[] = {"version", "--x", NULL};
    assert_int_equal(k_options_parse(&options, NULL, 0, 2, wrong, NULL, NULL), K_E_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_defaults, finish),
        cmocka_unit_test_teardown(test_flags_and_operands_mix, finish),
        cmocka_unit_test_teardown(test_last_one_wins, finish),
        cmocka_unit_test_teardown(test_precedence, finish),
        cmocka_unit_test_teardown(test_environment_text_is_owned, finish),
        cmocka_unit_test_teardown(test_unknown_flags, finish),
        cmocka_unit_test_teardown(test_missing_values, finish),
        cmocka_unit_test_teardown(test_help_stops_looking, finish),
        cmocka_unit_test_teardown(test_wrong_values_say_what_is_wanted, finish),
        cmocka_unit_test_teardown(test_integers_are_whole_and_bounded, finish),
        cmocka_unit_test(test_help_is_aligned_and_wrapped),
        cmocka_unit_test(test_help_keeps_any_width),
        cmocka_unit_test(test_words),
        cmocka_unit_test_teardown(test_empty_table, finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
