// Where the strings of a JSON text begin and end: what every way through a record starts from. A quote begins or ends a
// string unless an odd number of backslashes stands before it.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct k_json_quotes {
    // Offsets of the quotes, ascending: the 1st begins a string, the 2nd ends it, and so on. Behind the last one stands
    // the length of the text, twice.
    uint32_t *at;
    uint32_t count;
    bool escapes; // there is a backslash in the text
    size_t room;  // of at
    const struct k_json_kernel *kernel;
};

void k_json_quotes_init(struct k_json_quotes *quotes);
void k_json_quotes_fini(struct k_json_quotes *quotes);

// Finds the quotes of a text, which belong to *quotes until the next call. Reads no byte beyond the text. Returns NULL,
// or the static sentence why the text is no JSON: a string does not end, or holds a control character.
const char *k_json_quotes_find(struct k_json_quotes *quotes, const char *text, uint32_t length);

// For the tests, which compare them: the kernels, from the widest to the plain one, which every machine has. init takes
// the first that this one has.
enum { K_JSON_KERNELS = 3 };
// false: this machine does not have the i-th one.
bool k_json_quotes_use(struct k_json_quotes *quotes, uint32_t i);
