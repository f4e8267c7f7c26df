// kappa: finds the verb, reads its options, runs it.
#include "cli/command.h"
#include "cli/color.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/diag.h"

enum { HELP_COLUMNS = 100, NAMES_MAX = 64 };

extern char **environ;

int command_failed(const struct call *call, int code, const struct k_error *err)
{
    color_begin_error(call->command->name);
    fprintf(stderr, "%s\n", err->text[0] ? err->text : k_error_meaning(code));
    return k_error_status(code);
}

int command_misused(const struct call *call, const struct k_error *err)
{
    color_begin_error(call->command->name);
    fprintf(stderr, "%s; see  kappa %s --help\n", err->text, call->command->name);
    return k_error_status(K_E_USAGE);
}

static void print_help(void)
{
    puts("kappa: the stream engine whose state can always be proved by its log\n\nusage: kappa VERB [OPTION…] "
         "[OPERAND…]\n");
    for (uint32_t i = 0; i < command_count; i++) printf("  %-14s %s\n", commands[i]->name, commands[i]->doc);
    puts("\nkappa VERB --help says more of each. Every option is also KAPPA_<OPTION> in the environment.\n" COLOR_HELP);
}

static void print_command_help(const struct command *command)
{
    printf("usage: kappa %s%s%s%s\n\n%s\n", command->name, command->option_count ? " [OPTION…]" : "",
           command->operands ? " " : "", command->operands ? command->operands : "", command->doc);
    if (command->more) printf("\n%s\n", command->more);
    struct k_buf help = {0};
    k_options_help(&help, command->options, command->option_count, HELP_COLUMNS);
    if (help.length) printf("\n%s", help.data);
    k_buf_fini(&help);
}

// The verb of one or two words at the front of the arguments; *ret_words how many.
static const struct command *find_command(int argc, char **argv, int *ret_words)
{
    for (int words = 2; words >= 1; words--) {
        if (argc <= words) continue;
        char name[100];
        snprintf(name, sizeof name, words == 2 ? "%s %s" : "%s", argv[1], argv[2]);
        for (uint32_t i = 0; i < command_count; i++)
            if (strcmp(commands[i]->name, name) == 0) {
                *ret_words = words;
                return commands[i];
            }
    }
    return NULL;
}

static int unknown_verb(int argc, char **argv)
{
    const char *names[NAMES_MAX];
    uint32_t n = 0;
    bool family = false;
    size_t length = strlen(argv[1]);
    for (uint32_t i = 0; i < command_count && n < NAMES_MAX; i++) {
        names[n++] = commands[i]->name;
        family |= strncmp(commands[i]->name, argv[1], length) == 0 && commands[i]->name[length] == ' ';
    }
    if (family) {
        fprintf(stderr, "kappa %s: %s; it has", argv[1], argc > 2 ? "no such verb" : "one word is missing");
        for (uint32_t i = 0; i < command_count; i++)
            if (strncmp(commands[i]->name, argv[1], length) == 0 && commands[i]->name[length] == ' ')
                fprintf(stderr, " %s", commands[i]->name + length + 1);
        fputs("\n", stderr);
        return k_error_status(K_E_USAGE);
    }
    const char *nearest = k_nearest(argv[1], names, n);
    fprintf(stderr, "kappa: no verb \"%s\"%s%s%s; kappa --help lists them\n", argv[1],
            nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    return k_error_status(K_E_USAGE);
}

static int run_command(const struct command *command, int argc, char **argv)
{
    struct call call = {.command = command};
    struct k_error err = {0};
    int status,
        code = k_options_parse(&call.options, command->options, command->option_count, argc, argv, environ, &err);
    uint32_t n = call.options.operand_count;
    if (!code && !call.options.help && (n < command->operands_min || n > command->operands_max))
        code = k_fail(&err, K_E_USAGE, n < command->operands_min ? "%s is missing" : "too many operands; it takes %s",
                      command->operands ? command->operands : "none");
    if (code) {
        status = command_misused(&call, &err);
    } else if (call.options.help) {
        print_command_help(command);
        status = 0;
    } else {
        status = command->run(&call);
    }
    k_options_fini(&call.options);
    // An error of an earlier write is not one of the last flush.
    if ((fflush(stdout) != 0 || ferror(stdout)) && !status) {
        fprintf(stderr, "kappa %s: standard output cannot be written\n", command->name);
        status = k_error_status(K_E_IO);
    }
    return status;
}

int main(int argc, char **argv)
{
    struct k_error err = {0};
    if (argc > 0 && color_take(&argc, argv, &err)) {
        fprintf(stderr, "kappa: %s\n", err.text);
        return k_error_status(K_E_USAGE);
    }
    if (argc < 2) {
        print_help();
        return k_error_status(K_E_USAGE);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || (strcmp(argv[1], "help") == 0 && argc == 2)) {
        print_help();
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) argv[1] = "version";
    int words = 0;
    const struct command *command = find_command(argc, argv, &words);
    if (!command) return unknown_verb(argc, argv);
    return run_command(command, argc - words, argv + words);
}
