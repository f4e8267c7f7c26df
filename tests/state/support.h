// What the tests of the state share: seeds, temporary directories, a small typed family.
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hash.h"
#include "state/state.h"

// The seed of this run: KAPPA_SEED, else a fixed one, so that a run without it always does the same. Printed.
uint64_t test_seed(const char *test);

// A new empty directory below TMPDIR; remove_directory removes it with all it holds.
char *make_directory(void);
void remove_directory(char *directory); // frees the name too

// Fails the test with the text of err unless rc is 0. In a child process it ends that, with status 1.
void check_ok(int rc, const struct k_error *err);

// A value with everything that a family can have: a number in place, text that it owns. Encoded as 8 bytes and text.
struct thing {
    int64_t number;
    char *text; // owned; NULL is empty
    uint32_t length;
};
extern const struct k_family_type thing_type;
void thing_set(struct thing *thing, int64_t number, struct k_str text);
// A value of 16 bytes that owns nothing.
struct plain {
    int64_t a, b;
};
extern const struct k_family_type plain_type;
