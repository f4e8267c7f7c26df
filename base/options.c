// Parsing a command line by its table. What --help and the getters say is in options_help.c and
// options_get.c.
//
// getopt_long does the scanning. Three of its habits are turned off here: it may not reorder argv (operands
// come back in order, whatever POSIXLY_CORRECT says), it may not print, and a long flag must be written
// out, because an abbreviation that works today would break when a table grows.
#include "base/options.h"

#include <getopt.h>
#include <stdlib.h>

#include "base/diag.h"

enum { OPERAND = 1, LONG_BASE = 256, HELP = LONG_BASE - 1 };

// What is collected while scanning; lists move to the arena at the end.
struct scan {
    struct k_options *options;
    struct option *longs; // getopt's table: ours, then help, then the end
    char *letters;        // "-:ho:…"
    const char **given;   // of the scanned values: texts in order,
    uint32_t *given_index; //                       and whose they are
    uint32_t given_count;
};

static void scan_init(struct scan *scan, struct k_options *options, int argc, char *const *argv)
{
    uint32_t count = options->count;
    // Letters may share a word ("-xyz"), so a word's length bounds the flags in it.
    size_t flags_max = 1;
    for (int i = 1; i < argc; i++) flags_max += strlen(argv[i]) + 1;
    *scan = (struct scan){
        .options = options,
        .longs = k_arena_zeroed(&options->arena, (count + 2) * sizeof(struct option)),
        .letters = k_arena_zeroed(&options->arena, 3 * (size_t)count + 4),
        .given = k_arena_array(&options->arena, const char *, flags_max),
        .given_index = k_arena_array(&options->arena, uint32_t, flags_max),
    };
    // "-": operands are answered in place; ":": a missing value is told apart from an unknown flag.
    char *letter = stpcpy(scan->letters, "-:h");
    for (uint32_t i = 0; i < count; i++) {
        const struct k_option *option = &options->table[i];
        K_ASSERT(strcmp(option->name, "help") != 0 && option->letter != 'h');
        // A flag takes "=no" too, so that it can overrule the environment.
        int has_argument = option->argument ? required_argument : optional_argument;
        scan->longs[i] = (struct option){option->name, has_argument, NULL, LONG_BASE + (int)i};
        if (option->letter == 0) continue;
        *letter++ = option->letter;
        if (option->argument) *letter++ = ':';
    }
    scan->longs[count] = (struct option){"help", no_argument, NULL, HELP};
}

static int index_of_letter(const struct k_options *options, int letter)
{
    for (uint32_t i = 0; i < options->count; i++)
        if (options->table[i].letter == letter) return (int)i;
    return -1;
}

static int unknown(const struct k_options *options, const char *word, struct k_error *err)
{
    if (word[1] != '-') return k_fail(err, K_E_USAGE, "unknown flag \"%s\"; see --help", word);
    size_t length = strcspn(word, "=");
    char *name = k_strndup(word + 2, length - 2);
    const char **names = k_new_array(const char *, options->count + 1);
    for (uint32_t i = 0; i < options->count; i++)
        if (!options->table[i].hidden) names[i] = options->table[i].name;
    names[options->count] = "help";
    const char *nearest = k_nearest(name, names, options->count + 1);
    // An abbreviation is no typing error, but it has a nearest name as well.
    for (uint32_t i = 0; i <= options->count && nearest == NULL && name[0] != '\0'; i++)
        if (names[i] != NULL && strncmp(names[i], name, length - 2) == 0) nearest = names[i];
    int code = nearest != NULL
                   ? k_fail(err, K_E_USAGE, "unknown flag \"--%s\"; did you mean \"--%s\"?", name, nearest)
                   : k_fail(err, K_E_USAGE, "unknown flag \"--%s\"; see --help", name);
    free(name);
    free(names);
    return code;
}

// The word of argv that a long flag came from: a value of its own makes it the last but one.
static const char *word_of_flag(char *const *argv)
{
    return optarg != NULL && optarg == argv[optind - 1] ? argv[optind - 2] : argv[optind - 1];
}

static bool is_written_out(const char *word, const char *name)
{
    size_t length = strlen(name);
    return strncmp(word + 2, name, length) == 0 && (word[2 + length] == '\0' || word[2 + length] == '=');
}

static int missing_value(const struct k_options *options, int letter, struct k_error *err)
{
    int index = letter >= LONG_BASE ? letter - LONG_BASE : index_of_letter(options, letter);
    K_ASSERT(index >= 0);
    const struct k_option *option = &options->table[index];
    return k_fail(err, K_E_USAGE, "--%s needs a value: --%s %s", option->name, option->name, option->argument);
}

// Takes one answer of getopt_long.
static int take(struct scan *scan, int letter, char *const *argv, struct k_error *err)
{
    struct k_options *options = scan->options;
    if (letter == OPERAND) {
        options->operands[options->operand_count++] = optarg;
        return 0;
    }
    if (letter == ':' && optopt < LONG_BASE) return missing_value(options, optopt, err);
    if (letter == '?') {
        // A letter that nobody has, a long name that nobody has, or a value for --help.
        if (optopt > 0 && optopt < HELP)
            return k_fail(err, K_E_USAGE, "unknown flag \"-%c\"; see --help", optopt);
        if (optopt == HELP) return k_fail(err, K_E_USAGE, "--help takes no value");
        // A byte beyond ASCII is no letter; getopt may still stand on its word.
        bool passed = optopt == 0 || strchr(argv[optind - 1], optopt) != NULL;
        return unknown(options, argv[passed ? optind - 1 : optind], err);
    }
    int index = letter == ':' ? optopt - LONG_BASE : letter - LONG_BASE;
    if (letter >= HELP || letter == ':') {
        const char *name = letter == HELP ? "help" : options->table[index].name;
        const char *word = word_of_flag(argv);
        if (!is_written_out(word, name)) return unknown(options, word, err);
        if (letter == ':') return missing_value(options, optopt, err);
    }
    if (letter == HELP || letter == 'h') {
        options->help = true;
        return 0;
    }
    if (letter < LONG_BASE) index = index_of_letter(options, letter);
    K_ASSERT(index >= 0);
    scan->given[scan->given_count] = optarg != NULL ? optarg : "true";
    scan->given_index[scan->given_count++] = (uint32_t)index;
    return 0;
}

static int scan_words(struct scan *scan, int argc, char *const *argv, struct k_error *err)
{
    optind = 0; // glibc's way to start anew
    opterr = 0;
    while (!scan->options->help) {
        int letter = getopt_long(argc, argv, scan->letters, scan->longs, NULL);
        if (letter < 0) break;
        int code = take(scan, letter, argv, err);
        if (code < 0) return code;
    }
    for (; optind < argc; optind++) scan->options->operands[scan->options->operand_count++] = argv[optind];
    return 0;
}

static void set(struct k_options *options, uint32_t index, enum k_option_origin origin, const char *text,
                uint32_t room)
{
    struct k_option_value *value = &options->values[index];
    if (value->texts == NULL) value->texts = k_arena_array(&options->arena, const char *, room);
    value->origin = origin;
    if (!options->table[index].repeated) value->count = 0;
    K_ASSERT(value->count < room);
    value->texts[value->count++] = text;
}

static const char *find_variable(char *const *environment, const char *variable)
{
    size_t length = strlen(variable);
    for (; environment != NULL && *environment != NULL; environment++) {
        const char *text = *environment;
        if (strncmp(text, variable, length) == 0 && text[length] == '=') return text + length + 1;
    }
    return NULL;
}

// A repeated option has a line for each value; empty lines do not count.
static void set_from_environment(struct k_options *options, uint32_t index, const char *text)
{
    if (!options->table[index].repeated) {
        set(options, index, K_OPTION_ENVIRONMENT, k_arena_copy(&options->arena, text, strlen(text)), 1);
        return;
    }
    uint32_t lines = 1;
    for (const char *at = text; *at != '\0'; at++) lines += *at == '\n';
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        if (length > 0)
            set(options, index, K_OPTION_ENVIRONMENT, k_arena_copy(&options->arena, text, length), lines);
        text += length + (text[length] == '\n');
    }
}

static void fill(const struct scan *scan, char *const *environment)
{
    struct k_options *options = scan->options;
    for (uint32_t i = 0; i < scan->given_count; i++)
        set(options, scan->given_index[i], K_OPTION_FLAG, scan->given[i], scan->given_count);
    struct k_buf variable = {0};
    for (uint32_t i = 0; i < options->count; i++) {
        if (options->values[i].origin != K_OPTION_ABSENT) continue;
        k_buf_clear(&variable);
        k_option_variable(&variable, options->table[i].name);
        const char *text = find_variable(environment, variable.data);
        if (text != NULL) set_from_environment(options, i, text);
        if (options->values[i].count > 0 && options->values[i].texts[0][0] != '\0') continue;
        options->values[i] = (struct k_option_value){0};
        if (options->table[i].text != NULL) set(options, i, K_OPTION_DEFAULT, options->table[i].text, 1);
    }
    k_buf_fini(&variable);
}

int k_options_parse(struct k_options *options, const struct k_option *table, uint32_t count, int argc,
                    char *const *argv, char *const *environment, struct k_error *err)
{
    K_ASSERT(argc > 0);
    *options = (struct k_options){.table = table, .count = count};
    k_arena_init(&options->arena);
    options->values = k_arena_zeroed(&options->arena, count * sizeof options->values[0]);
    options->operands = k_arena_array(&options->arena, const char *, argc);
    struct scan scan;
    scan_init(&scan, options, argc, argv);
    int code = scan_words(&scan, argc, argv, err);
    if (code < 0) {
        k_options_fini(options);
        return code;
    }
    fill(&scan, environment);
    return 0;
}

void k_options_fini(struct k_options *options)
{
    if (options == NULL) return;
    k_arena_fini(&options->arena);
    *options = (struct k_options){0};
}
