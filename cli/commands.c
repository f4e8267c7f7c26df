// The verbs, in the order of the help: one line each.
#include "cli/command.h"

#define VERBS(X)    \
    X(validate)     \
    X(plan)         \
    X(run)          \
    X(test)         \
    X(replay_start) \
    X(replay_status) \
    X(replay_abort) \
    X(cutover)      \
    X(rollback)     \
    X(fmt)          \
    X(convert)      \
    X(table_list)   \
    X(table_get)    \
    X(table_scan)   \
    X(table_digest) \
    X(parity)       \
    X(explain)      \
    X(capsule_create) \
    X(capsule_run)  \
    X(state_export) \
    X(state_import) \
    X(state_show)   \
    X(status)       \
    X(dlq_list)     \
    X(doctor)       \
    X(operators)    \
    X(functions)    \
    X(version)      \
    X(completion)

#define X(name) extern const struct command command_##name;
VERBS(X)
#undef X

const struct command *const commands[] = {
#define X(name) &command_##name,
    VERBS(X)
#undef X
};
const uint32_t command_count = sizeof commands / sizeof *commands;
