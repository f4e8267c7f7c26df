// The keys that a comparison of two generations found to differ, kept beside the states with the report's number, so
// that who accepts a report can see what it is about: DIR/.reports/<graph>/<report>.jsonl, of the last 16 reports.
#pragma once
#include "cli/command.h"
#include "base/bytes.h"
#include "base/error.h"

#include <stdio.h>

enum { REPORT_KEYS_MAX = 1000 }; // of each table

struct report_keys {
    char *directory, *path, *part;
    FILE *file; // NULL: nothing is kept
};
// Begins to keep those of a report. What cannot be written is told, and is no reason not to compare.
void report_keys_begin(struct report_keys *keys, const char *state_dir, const char *graph, uint64_t report);
void report_keys_add(struct report_keys *keys, struct k_str line); // without a newline
// whole: the report is kept, and so are its keys; else they are thrown away. Also of a zeroed struct.
void report_keys_end(struct report_keys *keys, bool whole);
// Prints those of a report as lines of JSON: of one table (NULL: all), at most limit of each. K_E_NOT_FOUND.
K_CHECKED int report_keys_print(const char *state_dir, const char *graph, uint64_t report, const char *table,
                                uint64_t limit, struct k_error *err);
