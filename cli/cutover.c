// kappa cutover: a shadow becomes the live generation.
#include "cli/generation.h"

#include <stdio.h>
#include <stdlib.h>

enum { ACCEPT = GENERATION_OPTION_COUNT, REASON, EMIT_DIFFERENCE, HOLD, GIVE_UP, TIMEOUT, DRY_RUN };
static const struct k_option options[] = {
    GENERATION_OPTIONS,
    [ACCEPT] = {.name = "accept",
                .argument = "REPORT",
                .help = "the differences that this report of kappa parity found are right"},
    [REASON] = {.name = "reason",
                .argument = "TEXT",
                .help = "why it is switched, kept in the control record; needed where the two were never compared"},
    [EMIT_DIFFERENCE] = {.name = "emit-difference",
                         .help = "afterwards, write to the keyed sinks the rows in which the two generations' tables "
                                 "differ, as they are then"},
    [HOLD] = {.name = "hold",
              .argument = "DURATION",
              .help = "how long the generation from before is kept warm for a rollback; 0s: for ever",
              .text = "24h"},
    [GIVE_UP] = {.name = "give-up",
                 .argument = "DURATION",
                 .help = "a switch that takes longer is taken back, by any process of the pipeline; 0s: never",
                 .text = "1m"},
    [TIMEOUT] = {.name = "timeout", .argument = "DURATION", .help = "how long to wait for its end", .text = "2m"},
    [DRY_RUN] = {.name = "dry-run", .help = "only say whether it would be asked for"},
};

static bool read_number(const char *text, uint64_t *ret)
{
    char *end;
    if (*text < '1' || *text > '9') return false;
    *ret = strtoull(text, &end, 10);
    return *end == 0;
}

static int try_it(struct call *call, struct pipeline *pipeline, struct k_switch *ask)
{
    struct k_error err = {0};
    struct k_control control;
    bool write = false;
    int code = pipeline_control(pipeline, &control, &err);
    uint64_t live = control.live;
    if (!code && ask->difference) code = pipeline_check_difference(pipeline, &control, ask, &err);
    if (!code) code = k_switch(ask, &control, &write, &err);
    if (code) return command_failed(call, code, &err);
    if (write)
        printf("generation %llu would lead instead of %llu\n", (unsigned long long)ask->to, (unsigned long long)live);
    else printf("generation %llu leads already, or shall\n", (unsigned long long)ask->to);
    return 0;
}

static int run(struct call *call)
{
    struct k_error err = {0};
    struct k_switch ask = {.reason = k_options_text(&call->options, REASON)};
    int64_t hold_us = 24ll * 3600 * 1000000, give_up_us = 60000000, timeout_us = 120000000;
    const char *accept = k_options_text(&call->options, ACCEPT);
    bool dry_run = false;
    int code = k_options_duration(&call->options, HOLD, &hold_us, &err);
    if (!code) code = k_options_duration(&call->options, GIVE_UP, &give_up_us, &err);
    if (!code) code = k_options_duration(&call->options, TIMEOUT, &timeout_us, &err);
    if (!code) code = k_options_flag(&call->options, EMIT_DIFFERENCE, &ask.difference, &err);
    if (!code) code = k_options_flag(&call->options, DRY_RUN, &dry_run, &err);
    if (!code && !read_number(call->options.operands[1], &ask.to))
        code = k_fail(&err, K_E_USAGE, "\"%s\" is no number of a generation", call->options.operands[1]);
    if (!code && accept && !read_number(accept, &ask.accept))
        code = k_options_refuse(&call->options, ACCEPT, "the number of a report, as kappa parity says it", &err);
    if (code) return command_misused(call, &err);
    ask.with_warrant = true;
    ask.hold_us = hold_us;
    ask.give_up_us = give_up_us;
    struct pipeline pipeline;
    int status = pipeline_open(call, &pipeline);
    ask.pipeline = pipeline.name;
    if (!status)
        status = dry_run ? try_it(call, &pipeline, &ask) : pipeline_switch(call, &pipeline, &ask, timeout_us);
    pipeline_close(&pipeline);
    return status;
}

const struct command command_cutover = {
    .name = "cutover",
    .operands = "GRAPH GENERATION",
    .doc = "let a generation that follows lead from now on, and the stable name show it",
    .more =
        "GRAPH: a pipeline's name, or its graph's file. The generation that led stays warm: it follows, and kappa\n"
        "rollback takes it back. Wants that kappa parity found the two equal, or --accept, or --reason where it was "
        "not\n"
        "asked; the report is kept with the switch. Exit status 1: there is no such generation, or the switch was "
        "taken back; 75: it "
        "is\n"
        "not complete yet, and goes on without this command.",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .operands_min = 2,
    .operands_max = 2,
    .run = run};
