// The options of a command line: one table per command, from which parsing, --help and the completion of
// the shell all come.
//
// A value comes from the flag, else from the environment (KAPPA_ and the name in capitals, "-" as "_"; an
// empty variable counts as absent), else from the default in the table. --help (-h) is part of every
// table without being written there, and must not be.
#pragma once
#include <stdbool.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/memory.h"

struct k_option {
    const char *name;     // "state-dir"
    const char *argument; // what --help calls the value ("DIR"); NULL: a flag, yes or no
    const char *help;     // one phrase without a full stop
    const char *text;     // the default, as one would write it; NULL: none (a flag: no)
    char letter;          // "-o" beside "--output"; 0: none
    bool repeated;        // may be given several times; in the environment, a line each
    bool hidden;          // works, but neither --help nor the completion shows it
};

enum k_option_origin { K_OPTION_ABSENT, K_OPTION_DEFAULT, K_OPTION_ENVIRONMENT, K_OPTION_FLAG };

struct k_option_value {
    enum k_option_origin origin;
    uint32_t count;     // of texts; without repeated at most 1 (the last one given wins)
    const char **texts; // the flag that was given without a value is "true"
};

struct k_options {
    const struct k_option *table; // borrowed
    uint32_t count;               // of table and values
    struct k_option_value *values; // by the table's index
    uint32_t operand_count;
    const char **operands; // what is no flag, in order, wherever it stood; all behind "--"
    bool help;             // --help was given; what stands behind it was not looked at
    struct k_arena arena;  // owns the arrays and the texts from the environment
};

// Reads argv[1] … argv[argc - 1]; argv[0] is the command's own name. environment is NULL-terminated
// "NAME=value" (environ), or NULL for none. The texts of flags and operands point into argv. Values are
// not judged here but by the getters below. Errors: K_E_USAGE (unknown flag, missing value); the options
// are then empty but may be passed to k_options_fini. Not thread-safe (getopt_long).
int k_options_parse(struct k_options *options, const struct k_option *table, uint32_t count, int argc,
                    char *const *argv, char *const *environment, struct k_error *err) K_CHECKED;
void k_options_fini(struct k_options *options); // NULL-safe, also on a zeroed struct

// True when the flag or the environment said something.
bool k_options_given(const struct k_options *options, uint32_t index);

// The text, or NULL when there is none; of a repeated option the last.
const char *k_options_text(const struct k_options *options, uint32_t index);

// The getters below return 0, or K_E_USAGE with flag (or variable), value and what is wanted. Without any
// value they return 0 and leave *ret untouched.

// "true", "yes", "on", "1" and their opposites. A flag without any value is false, here *ret is always set.
int k_options_flag(const struct k_options *options, uint32_t index, bool *ret_on, struct k_error *err) K_CHECKED;
int k_options_duration(const struct k_options *options, uint32_t index, int64_t *ret_us, struct k_error *err)
    K_CHECKED;
int k_options_size(const struct k_options *options, uint32_t index, uint64_t *ret_bytes, struct k_error *err)
    K_CHECKED;
// Decimal, from low to high.
int k_options_integer(const struct k_options *options, uint32_t index, int64_t low, int64_t high,
                      int64_t *ret_value, struct k_error *err) K_CHECKED;
// One of names; *ret_choice is its index.
int k_options_choice(const struct k_options *options, uint32_t index, const char *const *names, uint32_t count,
                     uint32_t *ret_choice, struct k_error *err) K_CHECKED;

// For what only the command can judge: K_E_USAGE with "--name: "value" is not <wanted>"; wanted reads like
// "a duration of at least 1ms".
int k_options_refuse(const struct k_options *options, uint32_t index, const char *wanted, struct k_error *err);
// 0 when there is a value, else K_E_USAGE with how to give one.
int k_options_need(const struct k_options *options, uint32_t index, struct k_error *err) K_CHECKED;

// "KAPPA_STATE_DIR" for "state-dir".
void k_option_variable(struct k_buf *out, const char *name);
// The list for --help: aligned, wrapped at width columns, with defaults and variables.
void k_options_help(struct k_buf *out, const struct k_option *table, uint32_t count, uint32_t width);
// The words for `compgen -W`, a line each: "--name", and "-n" where there is a letter.
void k_options_words(struct k_buf *out, const struct k_option *table, uint32_t count);
