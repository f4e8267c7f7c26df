// Following the control record, and finishing what it asks for.
#include "replay/overseer.h"

#include "replay/generations.h"

#include "base/hash.h"
#include "base/trace.h"

#include <stdio.h>
#include <stdlib.h>

// A new control record ends every wait (k_overseer_wait); POLL_US is how often shards are asked how far a switch is.
enum { POLL_US = 100000, SETTLED_US = 500000, PAUSE_US = 200000, STEP_MAX_US = 5000000 };

struct k_overseer {
    struct k_overseer_options options;
    struct k_control_watch watch;
    struct k_orders orders;
    // Since the present seq was first seen: how long this process has looked at it, and when it last did.
    int64_t waited_us, looked_us;
    int64_t retry_us; // not before this; 0: at once
    uint64_t seen_seq, random;
};

static int64_t now_us(struct k_overseer *o)
{
    return o->options.log->ops->now_us(o->options.log);
}

static void give_orders(struct k_overseer *o)
{
    const struct k_control *control = &o->watch.control;
    atomic_store(&o->orders.mark, control->mark);
    atomic_store(&o->orders.difference, control->difference ? control->seq : 0);
    atomic_store(&o->orders.done, control->done);
    atomic_store(&o->orders.order, k_order_of(control->seq, control->target == o->options.generation));
    if (control->seq == o->seen_seq) return;
    o->seen_seq = control->seq;
    o->waited_us = 0;
    o->looked_us = now_us(o);
    k_trace(K_TRACE_INFO, "overseer", "%s: switch %llu: generation %llu shall lead; this is %llu", o->options.graph,
            (unsigned long long)control->seq, (unsigned long long)control->target,
            (unsigned long long)o->options.generation);
}

int k_overseer_create(const struct k_overseer_options *options, struct k_overseer **ret, struct k_error *err)
{
    struct k_control control;
    int code = k_control_read(options->log, options->graph, &control, err);
    if (code) return code;
    struct k_overseer *o = k_new(struct k_overseer);
    o->options = *options;
    o->random = options->seed;
    o->watch = (struct k_control_watch){.log = options->log, .graph = options->graph, .control = control};
    o->seen_seq = control.seq;
    o->looked_us = now_us(o);
    give_orders(o);
    *ret = o;
    return 0;
}

void k_overseer_destroy(struct k_overseer *o)
{
    if (!o) return;
    k_control_unwatch(&o->watch);
    free(o);
}

const struct k_orders *k_overseer_orders(const struct k_overseer *o)
{
    return &o->orders;
}

const struct k_control *k_overseer_control(const struct k_overseer *o)
{
    return &o->watch.control;
}

// Whether all shards' journals say that the switch is through: the last leadership acts on exactly this record, and
// its leader's checkpoint has passed it. (Its generation's name says less: a rollback that comes before the other
// generation has written anything would look complete.)
static bool is_through(struct k_overseer *o)
{
    const struct k_control *control = &o->watch.control;
    char target[24];
    snprintf(target, sizeof target, "%llu", (unsigned long long)control->target);
    for (uint32_t s = 0; s < o->options.shards; s++) {
        struct k_shard_report report;
        if (!o->options.report(o->options.context, s, &report)) return false;
        bool named = strcmp(report.lead_generation[0] ? report.lead_generation : "1", target) == 0;
        bool through = report.lead_seq == control->seq && report.settled_seq == control->seq;
        if (K_PLANT(done_by_name) ? !named : !through) return false;
    }
    return true;
}

// A step comes several times a second. Where much more time has passed, the clock was set, or the machine slept, and
// with it perhaps everybody who should have made the switch.
static bool is_too_slow(struct k_overseer *o)
{
    const struct k_control *control = &o->watch.control;
    int64_t now = now_us(o), passed_us = now - o->looked_us;
    o->looked_us = now;
    if (passed_us > 0) o->waited_us += passed_us < STEP_MAX_US ? passed_us : STEP_MAX_US;
    return control->give_up_us && control->target != control->live && o->waited_us > control->give_up_us;
}

static bool is_hold_over(struct k_overseer *o)
{
    const struct k_control *control = &o->watch.control;
    for (uint32_t i = 0; i < control->generation_count; i++) {
        const struct k_generation *g = &control->generations[i];
        bool over = g->hold_until_us && (g->hold_until_us <= now_us(o) || K_PLANT(hold_short));
        if (g->role == K_ROLE_WARM && over && g->number != control->target) return true;
    }
    return false;
}

// What is to be finished, if anything.
static int finish(struct k_overseer *o, struct k_error *err)
{
    const struct k_control *control = &o->watch.control;
    struct k_log *log = o->options.log;
    struct k_control after = *control;
    int code = 0;
    if (!k_control_is_settled(control) && is_through(o)) {
        struct k_completion completion = {.seq = control->seq, .now_us = now_us(o)};
        code = k_control_change(log, o->options.graph, k_completion, &completion, &after, err);
    } else if (!k_control_is_settled(control) && is_too_slow(o)) {
        struct k_taking_back back = {.seq = control->seq};
        code = k_control_change(log, o->options.graph, k_taking_back, &back, &after, err);
    } else if (k_control_is_settled(control) && is_hold_over(o)) {
        struct k_retirement over = {.now_us = now_us(o)};
        code = k_control_change(log, o->options.graph, k_retirement, &over, &after, err);
    } else {
        return 0;
    }
    // All processes come to it at once, and fence each other: who lost looks again a little later. The record itself
    // comes by the watch.
    o->retry_us = now_us(o) + PAUSE_US / 4 + (int64_t)k_random_below(&o->random, PAUSE_US);
    return code;
}

int k_overseer_step(struct k_overseer *o, int64_t *ret_wait_us, struct k_error *err)
{
    bool changed;
    int code = k_control_poll(&o->watch, &changed, err);
    *ret_wait_us = k_control_is_settled(&o->watch.control) ? SETTLED_US : POLL_US;
    if (!code && changed) give_orders(o);
    if (code) return code;
    int64_t left_us = o->retry_us - now_us(o);
    if (left_us > 0 && left_us <= 2 * PAUSE_US) return 0; // else the clock was set
    return finish(o, err);
}

void k_overseer_wait(struct k_overseer *o, int64_t timeout_us)
{
    struct k_log *log = o->options.log;
    log->ops->wait(log, &o->watch.reader, o->watch.reader ? 1 : 0, timeout_us);
}

bool k_overseer_may_serve(struct k_overseer *o)
{
    const struct k_control *control = &o->watch.control;
    if (control->live != o->options.generation) return false;
    for (uint32_t s = 0; s < o->options.shards; s++) {
        struct k_shard_report report;
        if (!o->options.report(o->options.context, s, &report) || report.lead_seq < control->done ||
            report.saved_offset < report.lead_offset)
            return false;
    }
    return true;
}
