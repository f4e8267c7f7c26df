// Error codes of the whole engine, and the text that goes with one.
//
// A function that can fail returns int: 0, or one of the negative codes below. It either reports an error
// to people or returns it, never both. The place that meets the outside world (a seam, a parser) writes
// the text with k_fail; every layer that knows more wraps it outwards with k_wrap, so the text reads from
// the general to the particular: "shard 0: topic "access" partition 3: broker said …".
#pragma once
#include <stdarg.h>
#include <stddef.h>

// name, exit status of the command line that ends with it, what it means
#define K_ERRORS(X)                                                                            \
    X(K_E_USAGE, 64, "wrong use of a command")                                                 \
    X(K_E_DATA, 65, "bad data")                                                                \
    X(K_E_UNAVAILABLE, 69, "broker or engine unreachable")                                     \
    X(K_E_BUG, 70, "a bug in kappa")                                                           \
    X(K_E_IO, 74, "input or output error")                                                     \
    X(K_E_TIMEOUT, 75, "timed out, work goes on")                                              \
    X(K_E_DENIED, 77, "permission denied")                                                     \
    X(K_E_CONFIG, 78, "bad configuration")                                                     \
    X(K_E_NOT_FOUND, 1, "not found")                                                           \
    X(K_E_NO_MEMORY, 71, "out of memory")                                                      \
    X(K_E_CORRUPT, 65, "stored data is damaged or foreign")                                    \
    X(K_E_LOST_RANGE, 65, "records that the state needs are gone from the log")                \
    X(K_E_DISK_FULL, 74, "no room on the disk")                                                \
    X(K_E_RETRY, 75, "not now, try the same call again")                                       \
    X(K_E_ABORTED, 69, "the transaction must be aborted; the state in memory is void")         \
    X(K_E_FENCED, 69, "another leader has taken over; this producer is dead")                  \
    X(K_E_DOUBTFUL, 69, "the outcome of a commit is not known")                                \
    X(K_E_CRASHED, 70, "the simulated process is dead; every further call says the same")

enum k_error_code {
    K_E_FIRST_ = -1000,
#define X(name, status, text) name,
    K_ERRORS(X)
#undef X
    K_E_LAST_
};

// The text of an error, on its way outwards. Bounded; a longer text is cut with "…".
struct k_error {
    int code;
    char text[1024];
};

#define K_CHECKED __attribute__((warn_unused_result))
#define K_PRINTF(f, a) __attribute__((format(printf, f, a)))

// Sets err (may be NULL) to the code and the formatted text. Returns the code, so that
// `return k_fail(err, K_E_IO, …)` is one line.
int k_fail(struct k_error *err, int code, const char *format, ...) K_PRINTF(3, 4);

// Puts "<formatted>: " before the text that err (may be NULL) already has. Returns code unchanged.
int k_wrap(struct k_error *err, int code, const char *format, ...) K_PRINTF(3, 4);

// The meaning of a code in words, and its name ("K_E_IO"). Static strings; never NULL.
const char *k_error_meaning(int code);
const char *k_error_name(int code);

// The exit status for a code: 0 for 0, the table's second column otherwise.
int k_error_status(int code);

// Goes on only if the call was good; else the function around it returns the call's code.
#define K_TRY(call)              \
    do {                         \
        int code_ = (call);      \
        if (code_) return code_; \
    } while (0)

// A bug stops the process, always, in every build: says where and why on stderr, then aborts.
#define K_ASSERT(condition) \
    ((condition) ? (void)0 : k_assert_failed(#condition, __FILE__, __LINE__))
_Noreturn void k_assert_failed(const char *condition, const char *file, int line);
