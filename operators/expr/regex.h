// Regular expressions with bounded work: regex.c is the only user of pcre2 among the operators.
#pragma once
#include "proto/batch.h"

// A compiled pattern: read-only, so that threads may share it; lives in the arena of its compilation.
struct k_regex;
// fold: letters match in either case. NULL, or what is wrong (arena); *ret_offset: at which byte of the pattern.
const char *k_regex_compile(struct k_arena *arena, struct k_str pattern, bool fold, struct k_regex **ret_regex,
                            size_t *ret_offset);
// How many groups the pattern has, without group 0, which is the whole match.
uint32_t k_regex_groups(const struct k_regex *regex);

// What matching needs beside the pattern, for one thread; to be closed.
struct k_regex_run;
struct k_regex_run *k_regex_open(const struct k_regex *regex);
void k_regex_close(struct k_regex_run *run);
// To be called at each new text: what may be done is counted by text.
void k_regex_text(struct k_regex_run *run, struct k_str text);
// Looks for the first match from byte `start` on, which begins a character. 1 if there is one, 0 if there is none, -1
// if it is given up (k_regex_why says why).
int k_regex_search(struct k_regex_run *run, uint32_t start);
const char *k_regex_why(const struct k_regex_run *run);
// The part of the text that a group of the last match has; false if it took no part in it.
bool k_regex_group(const struct k_regex_run *run, uint32_t group, struct k_str *ret_part);
