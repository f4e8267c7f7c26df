// kappa rollback: the generation that lived before takes over again.
#include "cli/generation.h"

enum { REASON = GENERATION_OPTION_COUNT, EMIT_DIFFERENCE, HOLD, TIMEOUT };
static const struct k_option options[] = {
    GENERATION_OPTIONS,
    [REASON] = {.name = "reason",
                .argument = "TEXT",
                .help = "why it is switched; kept in the control record",
                .text = "rollback"},
    [EMIT_DIFFERENCE] = {.name = "emit-difference",
                         .help = "afterwards, write to the keyed sinks the rows in which the two generations' tables "
                                 "differ, as they are then"},
    [HOLD] = {.name = "hold",
              .argument = "DURATION",
              .help = "how long the generation that leads now is kept warm afterwards; 0s: for ever",
              .text = "24h"},
    [TIMEOUT] = {.name = "timeout", .argument = "DURATION", .help = "how long to wait for its end", .text = "2m"},
};

static int run(struct call *call)
{
    struct k_error err = {0};
    struct k_switch ask = {.reason = k_options_text(&call->options, REASON)};
    int64_t hold_us = 24ll * 3600 * 1000000, timeout_us = 120000000;
    int code = k_options_duration(&call->options, HOLD, &hold_us, &err);
    if (!code) code = k_options_flag(&call->options, EMIT_DIFFERENCE, &ask.difference, &err);
    if (!code) code = k_options_duration(&call->options, TIMEOUT, &timeout_us, &err);
    if (code) return command_misused(call, &err);
    ask.hold_us = hold_us;
    struct pipeline pipeline;
    int status = pipeline_open(call, &pipeline);
    if (!status) status = pipeline_switch(call, &pipeline, &ask, timeout_us);
    pipeline_close(&pipeline);
    return status;
}

const struct command command_rollback = {
    .name = "rollback",
    .operands = "GRAPH",
    .doc = "let the generation that led before the last cutover lead again",
    .more = "GRAPH: a pipeline's name, or its graph's file. Also while a cutover is under way. Exit status 1: there "
            "is no\n"
            "warm generation to go back to; 75: it is not complete yet, and goes on without this command.",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .operands_min = 1,
    .operands_max = 1,
    .run = run};
