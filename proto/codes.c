// The codes of diagnostics: the strings and their meanings, both from the table in codes.h.
#include "proto/codes.h"

#include <stddef.h>
#include <string.h>

#define X(code, meaning) const char code[] = #code;
K_CODES(X)
#undef X

const char *k_code_meaning(const char *code)
{
    static const struct {
        const char *code, *meaning;
    } table[] = {
#define X(code, meaning) {code, meaning},
        K_CODES(X)
#undef X
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (strcmp(table[i].code, code) == 0) return table[i].meaning;
    return NULL;
}
