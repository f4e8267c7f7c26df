// The pipeline that a verb is about, and switches of its generations.
#include "cli/generation.h"
#include "replay/presence.h"
#include "base/units.h"

#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

enum { LOOK_US = 100000 };
static const int64_t ASK_US = 20000000;

int pipeline_open(struct call *call, struct pipeline *ret)
{
    *ret = (struct pipeline){0};
    struct stat file;
    const char *operand = call->options.operands[0];
    if (stat(operand, &file) == 0 && S_ISREG(file.st_mode)) {
        int status = load_plan(call, operand, GENERATION_SET, 1, &ret->loaded);
        if (status) return status;
        ret->name = ret->loaded.plan->name;
    } else {
        ret->name = operand;
    }
    struct k_error err = {0};
    int code = kafka_open(call, GENERATION_KAFKA, &ret->log, &err);
    return code ? command_failed(call, code, &err) : 0;
}

void pipeline_close(struct pipeline *pipeline)
{
    if (pipeline->log) pipeline->log->ops->close(pipeline->log);
    loaded_fini(&pipeline->loaded);
}

int pipeline_control(struct pipeline *pipeline, struct k_control *ret, struct k_error *err)
{
    int code = k_control_read(pipeline->log, pipeline->name, ret, err);
    for (int i = 0; i < 20 && code == K_E_RETRY; i++) code = k_control_read(pipeline->log, pipeline->name, ret, err);
    if (!code && ret->revision == 0)
        code = k_fail(err, K_E_NOT_FOUND, "pipeline \"%s\" has no other generations (kappa replay start makes one)",
                      pipeline->name);
    return code;
}

int pipeline_await(struct pipeline *pipeline, uint64_t seq, uint64_t target, int64_t timeout_us,
                   struct k_control *ret, struct k_error *err)
{
    int64_t until_us = k_clock_us(CLOCK_MONOTONIC) + timeout_us;
    for (;;) {
        int code = pipeline_control(pipeline, ret, err);
        if (code && !k_control_again(code)) return code;
        enum k_switch_stand stand = code ? K_SWITCH_UNDER_WAY : k_switch_stands(ret, seq);
        if (stand == K_SWITCH_OVERTAKEN)
            return k_fail(err, K_E_NOT_FOUND, "switch %llu was taken back: generation %llu shall lead (%s)",
                          (unsigned long long)seq, (unsigned long long)ret->target,
                          ret->reason[0] ? ret->reason : "another switch was asked for");
        if (stand == K_SWITCH_COMPLETE) return 0;
        if (k_clock_us(CLOCK_MONOTONIC) >= until_us)
            return k_fail(err, K_E_TIMEOUT,
                          "switch %llu to generation %llu is not complete yet; it goes on by itself (kappa replay "
                          "status)",
                          (unsigned long long)seq, (unsigned long long)target);
        struct timespec pause = {.tv_nsec = LOOK_US * 1000};
        nanosleep(&pause, NULL);
    }
}

static int must_be_in_step(uint64_t generation, int64_t behind, struct k_error *err)
{
    if (behind <= K_IN_STEP_OFFSETS) return 0;
    return k_fail(err, K_E_NOT_FOUND, "generation %llu is not in step: it is %lld journal offsets behind",
                  (unsigned long long)generation, (long long)behind);
}

int pipeline_in_step(struct pipeline *pipeline, uint64_t generation, struct k_error *err)
{
    int64_t behind;
    int code = k_presence_behind(pipeline->log, pipeline->name, generation, &behind, err);
    return code ? code : must_be_in_step(generation, behind, err);
}

// Who would lead by this switch must be able to; a switch that is under way already is turned back in any case.
static int check_target(struct pipeline *pipeline, const struct k_switch *ask, const struct k_control *control,
                        struct k_error *err)
{
    struct k_control after = *control;
    struct k_switch trial = *ask;
    bool write = false;
    int code = k_switch(&trial, &after, &write, err);
    if (code || !write || !k_control_is_settled(control)) return code;
    // What it said before it died would cost the pipeline the time until the switch is taken back.
    int64_t behind;
    code = k_presence_hear(pipeline->log, pipeline->name, trial.target, &behind, err);
    return code ? code : must_be_in_step(trial.target, behind, err);
}

int pipeline_switch(struct call *call, struct pipeline *pipeline, struct k_switch *ask, int64_t timeout_us)
{
    struct k_error err = {0};
    struct k_control control;
    int64_t began_us = k_clock_us(CLOCK_MONOTONIC);
    int code = pipeline_control(pipeline, &control, &err);
    if (!code) code = check_target(pipeline, ask, &control, &err);
    if (!code && ask->difference) code = pipeline_check_difference(pipeline, &control, ask, &err);
    if (!code) code = k_control_change_now(pipeline->log, pipeline->name, k_switch, ask, ASK_US, &control, &err);
    if (code) return command_failed(call, code, &err);
    if (!k_control_is_settled(&control))
        code = pipeline_await(pipeline, ask->seq, ask->target, timeout_us, &control, &err);
    if (code) return command_failed(call, code, &err);
    printf("generation %llu is live since switch %llu (%.1f s)\n", (unsigned long long)control.live,
           (unsigned long long)control.done, (double)(k_clock_us(CLOCK_MONOTONIC) - began_us) / 1e6);
    if (ask->difference) // of which others may ask at the same time
        puts(control.difference ? "what differs is being written to its keyed sinks; kappa replay status says how far"
                                : "the switch was asked for before, without its difference: nothing is written");
    return 0;
}
