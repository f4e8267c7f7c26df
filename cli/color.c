#include "cli/color.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FLAG "--color"

static enum { AUTO, ALWAYS, NEVER } when = AUTO;

static int choose(const char *word, const char *from, struct k_error *err)
{
    static const char *const words[] = {"auto", "always", "never"};
    for (int i = 0; i < 3; i++) {
        if (strcmp(word, words[i]) != 0) continue;
        when = i;
        return 0;
    }
    return k_fail(err, K_E_USAGE, "%s: \"%s\" is not auto, always or never", from, word);
}

int color_take(int *argc, char **argv, struct k_error *err)
{
    const char *given = getenv("KAPPA_COLOR");
    int code = given && *given ? choose(given, "KAPPA_COLOR", err) : 0, kept = 1, at = 1;
    for (; at < *argc && !code && strcmp(argv[at], "--") != 0; at++) {
        if (strncmp(argv[at], FLAG "=", sizeof FLAG) == 0) code = choose(argv[at] + sizeof FLAG, FLAG, err);
        else if (strcmp(argv[at], FLAG) != 0) argv[kept++] = argv[at];
        else if (at + 1 == *argc) code = k_fail(err, K_E_USAGE, FLAG " needs a word: auto, always or never");
        else code = choose(argv[++at], FLAG, err);
    }
    while (at < *argc) argv[kept++] = argv[at++];
    argv[kept] = NULL;
    *argc = kept;
    return code;
}

bool color_wanted(FILE *file)
{
    const char *no = getenv("NO_COLOR"), *terminal = getenv("TERM");
    if (when != AUTO) return when == ALWAYS;
    return isatty(fileno(file)) && !(no && *no) && terminal && strcmp(terminal, "dumb") != 0;
}

void color_begin_error(const char *verb)
{
    bool on = color_wanted(stderr);
    fprintf(stderr, "%skappa %s:%s ", on ? K_DIAG_RED : "", verb, on ? K_DIAG_PLAIN : "");
}

void color_diags(struct k_diags *diags, struct k_buf *out)
{
    diags->colored = color_wanted(stderr);
    k_diags_print(diags, out);
}
