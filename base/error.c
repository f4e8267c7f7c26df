// Error codes and the bounded text that travels outwards with one.
//
// Invariants: the text always ends in a NUL and is never cut inside a UTF-8 character; the arguments of
// k_fail and k_wrap may point into the very text that is being replaced.
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

struct row {
    const char *name, *meaning;
    int status;
};

// Codes count upwards from K_E_FIRST_ + 1, so the table is indexed by their distance from it.
static const struct row rows[] = {
#define X(name, status, text) {#name, text, status},
    K_ERRORS(X)
#undef X
};

static const struct row *row_of(int code)
{
    if (code <= K_E_FIRST_ || code >= K_E_LAST_) return NULL;
    return &rows[code - K_E_FIRST_ - 1];
}

int k_fail(struct k_error *err, int code, const char *format, ...)
{
    if (err == NULL) return code;
    // Formatted aside, because an argument may be err->text itself.
    char text[sizeof err->text];
    va_list arguments;
    va_start(arguments, format);
    size_t length = k_format_cut(text, sizeof text, format, arguments);
    va_end(arguments);
    memcpy(err->text, text, length + 1);
    err->code = code;
    return code;
}

int k_wrap(struct k_error *err, int code, const char *format, ...)
{
    if (err == NULL) return code;
    char text[sizeof err->text];
    va_list arguments;
    va_start(arguments, format);
    size_t length = k_format_cut(text, sizeof text, format, arguments);
    va_end(arguments);
    // A callee that was silent still leaves a sentence: the meaning of its code.
    const char *inner = err->text[0] != '\0' ? err->text : k_error_meaning(code);
    k_join_cut(text, sizeof text, length, ": ");
    k_join_cut(text, sizeof text, strlen(text), inner);
    memcpy(err->text, text, strlen(text) + 1);
    err->code = code;
    return code;
}

const char *k_error_meaning(int code)
{
    const struct row *row = row_of(code);
    if (row != NULL) return row->meaning;
    return code == 0 ? "no error" : "unknown error";
}

const char *k_error_name(int code)
{
    const struct row *row = row_of(code);
    if (row != NULL) return row->name;
    return code == 0 ? "K_OK" : "K_E_UNKNOWN";
}

int k_error_status(int code)
{
    const struct row *row = row_of(code);
    if (row != NULL) return row->status;
    // A code that the table lacks was never meant to reach a person: our bug.
    return code == 0 ? 0 : k_error_status(K_E_BUG);
}

_Noreturn void k_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "kappa: bug: assertion failed at %s:%d: %s\n", file, line, condition);
    fflush(stderr);
    abort();
}
