// kappa validate: is the graph right? The same path as run takes.
#include "cli/kafka.h"
#include "cli/load.h"

#include <stdio.h>

enum { SET, SHARDS, OFFLINE, KAFKA_OPTIONS };
static const struct k_option options[] = {
    [SET] = OPTION_SET,
    [SHARDS] = OPTION_SHARDS,
    [OFFLINE] = {.name = "offline", .help = "do not ask the broker whether the topics fit"},
    KAFKA_OPTION_TABLE(KAFKA_OPTIONS),
};

static int check_broker(struct call *call, struct loaded *loaded)
{
    struct k_error err = {0};
    struct k_log *log;
    int code = kafka_open(call, KAFKA_OPTIONS, &log, &err);
    if (code) return command_failed(call, code, &err);
    code = kafka_check_topics(log, loaded->plan, &err);
    log->ops->close(log);
    return code ? command_failed(call, code, &err) : 0;
}

static int run(struct call *call)
{
    int64_t shards = 1;
    bool offline = false;
    struct k_error err = {0};
    int code = k_options_integer(&call->options, SHARDS, 1, 1024, &shards, &err);
    if (!code) code = k_options_flag(&call->options, OFFLINE, &offline, &err);
    if (code) return command_misused(call, &err);
    int worst = 0;
    for (uint32_t i = 0; i < call->options.operand_count; i++) {
        struct loaded loaded;
        int status = load_plan(call, call->options.operands[i], SET, (uint32_t)shards, &loaded);
        if (!status && !offline) status = check_broker(call, &loaded);
        if (!status) printf("%s: valid\n", call->options.operands[i]);
        loaded_fini(&loaded);
        if (status > worst) worst = status;
    }
    return worst;
}

const struct command command_validate = {.name = "validate",
                                         .operands = "FILE…",
                                         .doc = "check graphs: names, types, expressions, and the topics they name",
                                         .options = options,
                                         .option_count = sizeof options / sizeof *options,
                                         .operands_min = 1,
                                         .operands_max = 1000,
                                         .run = run};
