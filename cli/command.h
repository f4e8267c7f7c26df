// A verb of the command line: one constant at the bottom of its own file, listed in commands.c. Parsing, --help and
// completion come from its table of options.
//
// Data goes to stdout, diagnostics to stderr. A verb returns its exit status: 0 yes, 1 a true "no", else one of
// base/error.h's table.
#pragma once
#include "base/options.h"

struct command;
struct call {
    const struct command *command;
    struct k_options options;
};

struct command {
    const char *name;     // "table scan": a verb may have two words
    const char *operands; // "FILE…"; NULL: none
    const char *doc;      // one phrase for the list of verbs
    const char *more;     // a paragraph or example for --help; NULL: none
    const struct k_option *options;
    uint32_t option_count;
    uint32_t operands_min, operands_max; // how many operands it takes; max 0 with operands NULL
    int (*run)(struct call *call);
};

extern const struct command *const commands[];
extern const uint32_t command_count;

// Prints "kappa VERB: text" to stderr and returns the exit status of the code.
int command_failed(const struct call *call, int code, const struct k_error *err);
// The same for what a person typed wrongly; adds where to find help. Returns 64.
int command_misused(const struct call *call, const struct k_error *err);

// Options that several verbs share; each verb lists them by these macros so that they read the same everywhere.
#define OPTION_SET \
    {.name = "set", .argument = "NAME=VALUE", .help = "value of a parameter of the graph", .repeated = true}
#define OPTION_BROKERS \
    {.name = "brokers", .argument = "HOST:PORT,…", .help = "Kafka's bootstrap servers", .text = "localhost:9092"}
#define OPTION_KAFKA_CONFIG \
    {.name = "kafka-config", .argument = "FILE", .help = "client properties (security), one NAME=VALUE a line"}
#define OPTION_STATE_DIR \
    {.name = "state-dir", .argument = "DIR", .help = "where state is kept", .text = "kappa-state"}
#define OPTION_SHARDS \
    {.name = "shards", .argument = "N", .help = "shards of the pipeline, fixed for its life", .text = "1"}
#define OPTION_TIMEOUT \
    {.name = "request-timeout", .argument = "DURATION", .help = "how long one request to Kafka may take", .text = "8s"}
