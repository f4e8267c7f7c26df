// Colours for people: a flag of every verb, and what stands behind it.
//
//   --color auto|always|never   anywhere in front of "--"; else KAPPA_COLOR; else auto, which colours what goes to a
//                               terminal, unless NO_COLOR is set or the terminal is dumb
#pragma once
#include <stdio.h>

#include "base/diag.h"
#include "base/error.h"

#define COLOR_HELP                                                                                        \
    "--color auto|always|never: whether errors and warnings are coloured, for every verb (default auto: " \
    "on a terminal,\nunless NO_COLOR is set) [KAPPA_COLOR]"

// Takes the flag out of the arguments, wherever it stands. K_E_USAGE: a word that is none of the three.
K_CHECKED int color_take(int *argc, char **argv, struct k_error *err);
bool color_wanted(FILE *file);
// "kappa VERB:", the beginning of an error, on stderr.
void color_begin_error(const char *verb);
// Diagnostics as text for stderr.
void color_diags(struct k_diags *diags, struct k_buf *out);
