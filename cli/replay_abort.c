// kappa replay abort: a generation that is not wanted any more.
#include "cli/generation.h"
#include "replay/presence.h"
#include "replay/starts.h"
#include "replay/suffixed.h"

#include <stdio.h>
#include <stdlib.h>

enum { DRY_RUN = GENERATION_OPTION_COUNT };
static const struct k_option options[] = {
    GENERATION_OPTIONS,
    [DRY_RUN] = {.name = "dry-run", .help = "only say whether it would be retired"},
};

// Topics go when nobody writes to them any more: whoever hosts the generation removes them as the last thing; where
// nobody does, this command.
static int remove_topics(struct pipeline *pipeline, uint64_t number, bool dry_run, struct k_error *err)
{
    struct k_buf names = {0};
    int64_t behind;
    int code = k_presence_behind(pipeline->log, pipeline->name, number, &behind, err);
    bool hosted = code == 0;
    if (code == K_E_NOT_FOUND) code = 0;
    if (!code) code = k_suffixed_remove(pipeline->log, pipeline->name, number, dry_run || hosted, &names, err);
    if (!code && names.length)
        printf("%s:\n%.*s",
               dry_run  ? "topics of its outputs that would be removed"
               : hosted ? "whoever hosts it removes the topics of its outputs"
                        : "removed topics of its outputs",
               (int)names.length, names.data);
    if (!code && !dry_run && !hosted) code = k_starts_remove(pipeline->log, pipeline->name, number, err);
    k_buf_fini(&names);
    return code;
}

static int retire(struct call *call, struct pipeline *pipeline, uint64_t number, bool dry_run)
{
    struct k_error err = {0};
    struct k_control control;
    struct k_retirement ask = {.number = number, .now_us = pipeline->log->ops->now_us(pipeline->log)};
    bool write = false;
    int code = pipeline_control(pipeline, &control, &err);
    if (!code && dry_run) code = k_retirement(&ask, &control, &write, &err);
    else if (!code)
        code = k_control_change_now(pipeline->log, pipeline->name, k_retirement, &ask, 20000000, &control, &err);
    if (code) return command_failed(call, code, &err);
    printf("generation %llu %s; whoever hosts it %s and removes its state\n", (unsigned long long)number,
           dry_run ? "would be retired" : "is retired", dry_run ? "would stop" : "stops");
    code = remove_topics(pipeline, number, dry_run, &err);
    return code ? command_failed(call, code, &err) : 0;
}

static int run(struct call *call)
{
    struct k_error err = {0};
    bool dry_run = false;
    char *end;
    uint64_t number = strtoull(call->options.operands[1], &end, 10);
    int code = k_options_flag(&call->options, DRY_RUN, &dry_run, &err);
    if (!code && (*end || number == 0))
        code = k_fail(&err, K_E_USAGE, "\"%s\" is no number of a generation", call->options.operands[1]);
    if (code) return command_misused(call, &err);
    struct pipeline pipeline;
    int status = pipeline_open(call, &pipeline);
    if (!status) status = retire(call, &pipeline, number, dry_run);
    pipeline_close(&pipeline);
    return status;
}

const struct command command_replay_abort = {
    .name = "replay abort",
    .operands = "GRAPH GENERATION",
    .doc = "retire a shadow or warm generation: its processes stop, its state and topics are removed",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .operands_min = 2,
    .operands_max = 2,
    .run = run};
