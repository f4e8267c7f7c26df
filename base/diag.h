// Diagnostics about what a person wrote (a graph, an expression): all of them at once, each with a
// position, a stable code and advice. They are collected, then printed by the command line.
#pragma once
#include "base/bytes.h"
#include "base/memory.h"

struct k_pos {
    const char *file;      // borrowed, outlives the diagnostics; NULL when unknown
    uint32_t line, column; // from 1; columns count bytes; 0 when unknown
};

struct k_diag {
    struct k_pos pos;
    const char *code; // "K0102"
    char *text;
    bool warning;
};

enum { K_DIAG_MAX = 20 };

// Zero-initialised is empty and valid.
struct k_diags {
    struct k_diag items[K_DIAG_MAX];
    uint32_t count;   // items filled
    uint32_t errors;  // errors seen, also those beyond K_DIAG_MAX
    uint32_t dropped; // diagnostics seen beyond K_DIAG_MAX
    bool colored;     // k_diags_print marks places and severities with a terminal's colours
};
#define K_DIAG_RED "\033[1;31m"
#define K_DIAG_YELLOW "\033[1;33m"
#define K_DIAG_BOLD "\033[1m"
#define K_DIAG_PLAIN "\033[0m"

void k_diag_error(struct k_diags *diags, struct k_pos pos, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void k_diag_warning(struct k_diags *diags, struct k_pos pos, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
// Sorted by file, line, column; "file:line:column: error[K0102]: text" a line each, then how many more.
void k_diags_print(struct k_diags *diags, struct k_buf *out);
void k_diags_fini(struct k_diags *diags);

// The candidate nearest to name (Damerau-Levenshtein, at most a third of its length), or NULL. Names are
// compared without regard to case.
const char *k_nearest(const char *name, const char *const *candidates, size_t count);
