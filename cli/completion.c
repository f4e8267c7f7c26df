// kappa completion: a script for the shell, made from the tables of verbs and options.
//
// What can be completed is read off the tables: verbs of one or two words, flags, the values of a flag whose argument
// lists them ("json|text"), likewise operands; everything else is a file.
#include "cli/command.h"

#include <ctype.h>
#include <stdio.h>

static const struct k_option no_options[1];

// "table" of "table scan"; *ret_second is the second word, NULL for a verb of one.
static struct k_str first_word(const struct command *command, const char **ret_second)
{
    const char *blank = strchr(command->name, ' ');
    *ret_second = blank ? blank + 1 : NULL;
    return (struct k_str){command->name,
                          (uint32_t)(blank ? blank - command->name : (ptrdiff_t)strlen(command->name))};
}

static bool is_first_of_its_family(uint32_t index)
{
    const char *second;
    struct k_str word = first_word(commands[index], &second);
    for (uint32_t i = 0; i < index; i++) {
        struct k_str other = first_word(commands[i], &second);
        if (k_str_equal(word, other)) return false;
    }
    return true;
}

// Values that a text such as "json|text" lists; "FILE", "TIME|OFFSET" and "HOST:PORT,…" list none.
static bool lists_values(const char *text)
{
    if (!text || !strchr(text, '|')) return false;
    for (const char *c = text; *c; c++)
        if (!islower((unsigned char)*c) && *c != '|') return false;
    return true;
}

static void print_values(const char *text, const char *separator)
{
    for (const char *c = text; *c; c++)
        if (*c == '|') fputs(separator, stdout);
        else putchar(*c);
}

// In single quotes, as all three shells read them; what would end the quotes is left out.
static void print_quoted(const char *text)
{
    putchar('\'');
    for (const char *c = text; *c; c++)
        if (*c != '\'' && *c != '\\') putchar(*c);
    putchar('\'');
}

static const struct k_option *table_of(const struct command *command, uint32_t *ret_count)
{
    *ret_count = command->options ? command->option_count : 0;
    return command->options ? command->options : no_options;
}

// --- bash

static void bash_words_of(const struct command *command)
{
    uint32_t count;
    struct k_buf words = {0};
    const struct k_option *table = table_of(command, &count);
    k_options_words(&words, table, count);
    for (size_t i = 0; i < words.length; i++) putchar(words.data[i] == '\n' ? ' ' : words.data[i]);
    k_buf_fini(&words);
    if (lists_values(command->operands)) print_values(command->operands, " ");
}

static void bash_values_of(const struct command *command)
{
    uint32_t count;
    const struct k_option *table = table_of(command, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (table[i].hidden || !table[i].argument) continue;
        printf("    '%s --%s'", command->name, table[i].name);
        if (table[i].letter) printf("|'%s -%c'", command->name, table[i].letter);
        printf(") words='");
        if (lists_values(table[i].argument)) print_values(table[i].argument, " ");
        puts("'; value=yes ;;");
    }
}

static void print_bash(void)
{
    const char *second;
    puts("# bash completion of kappa; load it with  source <(kappa completion bash)\n"
         "_kappa() {\n"
         "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb=${COMP_WORDS[1]} words= "
         "value=\n"
         "    COMPREPLY=()\n"
         "    case $verb in");
    for (uint32_t i = 0; i < command_count; i++) {
        struct k_str family = first_word(commands[i], &second);
        if (!second || !is_first_of_its_family(i)) continue;
        printf("    %.*s)\n        if [ \"$COMP_CWORD\" -eq 2 ]; then COMPREPLY=($(compgen -W '", (int)family.length,
               family.data);
        for (uint32_t j = i; j < command_count; j++) {
            struct k_str other = first_word(commands[j], &second);
            if (k_str_equal(family, other)) printf("%s ", second);
        }
        puts("' -- \"$cur\")); return; fi\n        verb=\"$verb ${COMP_WORDS[2]}\" ;;");
    }
    fputs("    esac\n"
          "    if [ \"$COMP_CWORD\" -eq 1 ]; then COMPREPLY=($(compgen -W '",
          stdout);
    for (uint32_t i = 0; i < command_count; i++) {
        struct k_str word = first_word(commands[i], &second);
        if (is_first_of_its_family(i)) printf("%.*s ", (int)word.length, word.data);
    }
    puts("--help --version --color' -- \"$cur\")); return; fi\n"
         "    case \"$verb $prev\" in");
    for (uint32_t i = 0; i < command_count; i++) bash_values_of(commands[i]);
    puts("    esac\n"
         "    if [ -z \"$value\" ]; then\n"
         "    case $verb in");
    for (uint32_t i = 0; i < command_count; i++) {
        printf("    '%s') words='", commands[i]->name);
        bash_words_of(commands[i]);
        puts("' ;;");
    }
    puts("    esac\n"
         "    fi\n"
         "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
         "}\n"
         "complete -o default -F _kappa kappa");
}

// --- zsh

// A description inside [] of _arguments.
static void zsh_description(const char *text)
{
    for (const char *c = text; *c; c++)
        if (*c == '[' || *c == ']' || *c == ':') printf("\\%c", *c);
        else if (*c != '\'' && *c != '\\') putchar(*c);
}

static void zsh_option(const struct k_option *option, char letter)
{
    if (option->repeated) fputs(" '*", stdout);
    else fputs(" '", stdout);
    if (letter) printf("-%c", letter);
    else printf("--%s", option->name);
    if (option->argument) putchar(letter ? '+' : '=');
    putchar('[');
    zsh_description(option->help);
    putchar(']');
    if (option->argument) {
        putchar(':');
        zsh_description(option->argument);
        putchar(':');
        if (lists_values(option->argument)) {
            putchar('(');
            print_values(option->argument, " ");
            putchar(')');
        } else {
            fputs("_files", stdout);
        }
    }
    fputs("' \\\n", stdout);
}

static void zsh_command(const struct command *command)
{
    uint32_t count;
    const char *second;
    const struct k_option *table = table_of(command, &count);
    first_word(command, &second);
    printf("    '%s')\n        shift %d words; (( CURRENT -= %d ))\n        _arguments \\\n", command->name,
           second ? 2 : 1, second ? 2 : 1);
    for (uint32_t i = 0; i < count; i++) {
        if (table[i].hidden) continue;
        fputs("           ", stdout);
        zsh_option(&table[i], 0);
        if (!table[i].letter) continue;
        fputs("           ", stdout);
        zsh_option(&table[i], table[i].letter);
    }
    fputs("            '--help[show this help]' '--color[colour errors]:when:(auto always never)' ", stdout);
    if (lists_values(command->operands)) {
        fputs("'*:operand:(", stdout);
        print_values(command->operands, " ");
        fputs(")'", stdout);
    } else {
        fputs("'*:operand:_files'", stdout);
    }
    puts(" ;;");
}

static void print_zsh(void)
{
    const char *second;
    puts("#compdef kappa\n"
         "# zsh completion of kappa; save it as _kappa in a directory of $fpath, or  source <(kappa completion zsh)\n"
         "_kappa() {\n"
         "    local verb=$words[2]\n"
         "    local -a verbs\n"
         "    if (( CURRENT == 2 )); then\n"
         "        verbs=(");
    for (uint32_t i = 0; i < command_count; i++) {
        if (!is_first_of_its_family(i)) continue;
        struct k_str word = first_word(commands[i], &second);
        printf("            '%.*s:", (int)word.length, word.data);
        zsh_description(second ? "…" : commands[i]->doc);
        puts("'");
    }
    puts("        )\n"
         "        _describe 'verb' verbs\n"
         "        return\n"
         "    fi\n"
         "    case $verb in");
    for (uint32_t i = 0; i < command_count; i++) {
        struct k_str family = first_word(commands[i], &second);
        if (!second || !is_first_of_its_family(i)) continue;
        printf("    %.*s)\n        if (( CURRENT == 3 )); then\n            verbs=(", (int)family.length,
               family.data);
        for (uint32_t j = i; j < command_count; j++) {
            struct k_str other = first_word(commands[j], &second);
            if (!k_str_equal(family, other)) continue;
            printf(" '%s:", second);
            zsh_description(commands[j]->doc);
            putchar('\'');
        }
        puts(" )\n            _describe 'verb' verbs\n            return\n        fi\n"
             "        verb=\"$verb $words[3]\" ;;");
    }
    puts("    esac\n"
         "    case $verb in");
    for (uint32_t i = 0; i < command_count; i++) zsh_command(commands[i]);
    puts("    esac\n"
         "}\n"
         "if [ \"$funcstack[1]\" = _kappa ]; then _kappa \"$@\"; else compdef _kappa kappa; fi");
}

// --- fish

static void fish_command(const struct command *command)
{
    uint32_t count;
    const struct k_option *table = table_of(command, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (table[i].hidden) continue;
        printf("complete -c kappa -n '__kappa_verb %s' -l %s", command->name, table[i].name);
        if (table[i].letter) printf(" -s %c", table[i].letter);
        if (table[i].argument) fputs(" -r", stdout);
        if (lists_values(table[i].argument)) {
            fputs(" -f -a '", stdout);
            print_values(table[i].argument, " ");
            putchar('\'');
        }
        fputs(" -d ", stdout);
        print_quoted(table[i].help);
        putchar('\n');
    }
    if (!lists_values(command->operands)) return;
    printf("complete -c kappa -n '__kappa_verb %s' -f -a '", command->name);
    print_values(command->operands, " ");
    puts("'");
}

static void print_fish(void)
{
    const char *second;
    puts("# fish completion of kappa; load it with  kappa completion fish | source\n"
         "function __kappa_words\n"
         "    set -l words (commandline -opc)\n"
         "    test (count $words) -eq (math (count $argv) + 1); or return 1\n"
         "    test \"$words[2..-1]\" = \"$argv\"\n"
         "end\n"
         "function __kappa_verb\n"
         "    set -l words (commandline -opc)\n"
         "    set -l n (count $argv)\n"
         "    test (count $words) -gt $n; or return 1\n"
         "    test \"$words[2..\"(math $n + 1)\"]\" = \"$argv\"\n"
         "end");
    for (uint32_t i = 0; i < command_count; i++) {
        struct k_str word = first_word(commands[i], &second);
        if (is_first_of_its_family(i)) {
            printf("complete -c kappa -n '__kappa_words' -f -a '%.*s' -d ", (int)word.length, word.data);
            print_quoted(second ? "…" : commands[i]->doc);
            putchar('\n');
        }
        if (second) {
            printf("complete -c kappa -n '__kappa_words %.*s' -f -a '%s' -d ", (int)word.length, word.data, second);
            print_quoted(commands[i]->doc);
            putchar('\n');
        }
        fish_command(commands[i]);
    }
}

static int run(struct call *call)
{
    static const char *const names[] = {"bash", "zsh", "fish"};
    static void (*const print[])(void) = {print_bash, print_zsh, print_fish};
    for (uint32_t i = 0; i < 3; i++) {
        if (strcmp(call->options.operands[0], names[i]) != 0) continue;
        print[i]();
        return 0;
    }
    struct k_error err = {0};
    k_fail(&err, K_E_USAGE, "there is no completion for \"%s\"; there is bash, zsh, fish", call->options.operands[0]);
    return command_misused(call, &err);
}

const struct command command_completion = {.name = "completion",
                                           .operands = "bash|zsh|fish",
                                           .doc = "print a script that teaches the shell verbs and flags",
                                           .operands_min = 1,
                                           .operands_max = 1,
                                           .run = run};
