// The decisions. Each says by the record alone whether it is allowed, done already, or to be written.
#include "replay/generations.h"

#include "engine/plants.h"

#include <stdio.h>
#include <string.h>

// Room for one more: the oldest retired one is forgotten. Numbers are never used again, as they only go up.
static bool make_room(struct k_control *control)
{
    if (control->generation_count < K_GENERATIONS_MAX) return true;
    for (uint32_t i = 0; i + 1 < control->generation_count; i++) {
        if (control->generations[i].role != K_ROLE_RETIRED) continue;
        control->generation_count--;
        memmove(&control->generations[i], &control->generations[i + 1],
                (control->generation_count - i) * sizeof *control->generations);
        return true;
    }
    return false;
}

int k_new_shadow(void *context, struct k_control *control, bool *ret_write, struct k_error *err)
{
    struct k_new_shadow *ask = context;
    for (uint32_t i = 0; i < control->generation_count; i++) {
        const struct k_generation *g = &control->generations[i];
        if (g->role != K_ROLE_SHADOW || g->began_us != ask->now_us || strcmp(g->fingerprint, ask->fingerprint) != 0)
            continue;
        ask->number = g->number;
        return 0;
    }
    for (uint32_t i = 0; i < control->generation_count && ask->suffix; i++) {
        const struct k_generation *g = &control->generations[i];
        if (g->role != K_ROLE_RETIRED && strcmp(g->suffix, ask->suffix) == 0)
            return k_fail(err, K_E_CONFIG, "generation %llu has the suffix \"%s\" for its outputs; choose another",
                          (unsigned long long)g->number, ask->suffix);
    }
    if (!make_room(control))
        return k_fail(err, K_E_CONFIG, "there are %d generations already, none of them retired", K_GENERATIONS_MAX);
    // The first record may have been written for another reason, as a mark. Nobody else has led as long as there was no
    // switch.
    struct k_generation *first = &control->generations[0];
    if (ask->live_fingerprint && first->number == 1 && !first->fingerprint[0] && control->seq == 0)
        snprintf(first->fingerprint, sizeof first->fingerprint, "%s", ask->live_fingerprint);
    struct k_generation *g = &control->generations[control->generation_count++];
    *g = (struct k_generation){.number = g[-1].number + 1, .role = K_ROLE_SHADOW, .began_us = ask->now_us};
    snprintf(g->fingerprint, sizeof g->fingerprint, "%s", ask->fingerprint);
    snprintf(g->start, sizeof g->start, "%s", ask->start ? ask->start : "");
    snprintf(g->suffix, sizeof g->suffix, "%s", ask->suffix ? ask->suffix : "");
    ask->number = g->number;
    *ret_write = true;
    return 0;
}

// The generation that a rollback goes to: who lives while a cutover is under way, else the warm one that lived last.
// The same as the present target: it has been asked for already. A rollback undoes a cutover, never a rollback: who
// asks again because no answer came must not turn it round.
static int before(const struct k_control *control, uint64_t *ret, struct k_error *err)
{
    *ret = control->back ? control->target : control->live;
    if (!k_control_is_settled(control) || control->back) return 0;
    for (uint32_t i = 0; i < control->generation_count; i++) {
        const struct k_generation *g = &control->generations[i];
        if (g->role != K_ROLE_WARM || (g->number != control->previous && !K_PLANT(back_to_first))) continue;
        *ret = g->number;
        return 0;
    }
    return k_fail(err, K_E_NOT_FOUND, "there is no warm generation to go back to: %s",
                  control->previous ? "its hold is over" : "none lived before this one");
}

static int check_forward(struct k_control *control, uint64_t to, struct k_error *err)
{
    const struct k_generation *g = k_control_find(control, to);
    if (!g || g->role == K_ROLE_RETIRED)
        return k_fail(err, K_E_NOT_FOUND, "generation %llu %s", (unsigned long long)to,
                      g ? "is retired: its state is gone" : "does not exist");
    if (control->target != to && !k_control_is_settled(control))
        return k_fail(err, K_E_CONFIG,
                      "a switch to generation %llu is under way; wait for its end, or take it back (kappa rollback)",
                      (unsigned long long)control->target);
    return 0;
}

int k_reporting(void *context, struct k_control *control, bool *ret_write, struct k_error *err)
{
    const struct k_parity_report *report = &((const struct k_reporting *)context)->report;
    for (uint32_t i = 0; i < control->parity_count; i++)
        if (control->parities[i].mark == report->mark) return 0;
    for (int i = 0; i < 2; i++) {
        uint64_t number = i ? report->right : report->left;
        const struct k_generation *g = k_control_find(control, number);
        if (!g || g->role == K_ROLE_RETIRED)
            return k_fail(err, K_E_NOT_FOUND, "generation %llu is retired; the report is not kept",
                          (unsigned long long)number);
    }
    if (control->parity_count == K_PARITIES_MAX) {
        control->parity_count--;
        memmove(control->parities, control->parities + 1, control->parity_count * sizeof *control->parities);
    }
    control->parities[control->parity_count++] = *report;
    *ret_write = true;
    return 0;
}

// By its mark: two who compare at once may report in any order.
static const struct k_parity_report *newest_report(const struct k_control *control, uint64_t a, uint64_t b)
{
    const struct k_parity_report *newest = NULL;
    for (uint32_t i = 0; i < control->parity_count; i++) {
        const struct k_parity_report *r = &control->parities[i];
        bool pair = (r->left == a && r->right == b) || (r->left == b && r->right == a);
        if (pair && (!newest || r->mark > newest->mark)) newest = r;
    }
    return newest;
}

static int check_warrant(const struct k_control *control, const struct k_switch *ask, uint64_t *ret_report,
                         struct k_error *err)
{
    unsigned long long from = control->live, to = ask->to;
    const struct k_parity_report *r = newest_report(control, from, to);
    *ret_report = r ? r->mark : 0;
    if (!r && ask->accept)
        return k_fail(err, K_E_CONFIG, "there is no report of generations %llu and %llu to accept", from, to);
    if (!r && !ask->reason)
        return k_fail(
            err, K_E_CONFIG,
            "nobody has compared generations %llu and %llu: kappa parity %s %llu %llu does, or --reason TEXT "
            "says why not",
            from, to, ask->pipeline, from, to);
    if (!r || (r->differing == 0 && !ask->accept) || r->mark == ask->accept) return 0;
    if (ask->accept)
        return k_fail(err, K_E_CONFIG, "the newest report of generations %llu and %llu is %llu, not %llu", from, to,
                      (unsigned long long)r->mark, (unsigned long long)ask->accept);
    return k_fail(err, K_E_CONFIG,
                  "by report %llu, generations %llu and %llu differ in %u of %u tables (%s); --accept %llu if "
                  "that is right",
                  (unsigned long long)r->mark, from, to, r->differing, r->tables, r->first,
                  (unsigned long long)r->mark);
}

int k_switch(void *context, struct k_control *control, bool *ret_write, struct k_error *err)
{
    struct k_switch *ask = context;
    bool back = ask->to == 0;
    uint64_t to = ask->to;
    if (ask->seq && control->seq >= ask->seq) { // it may be ours, of whose outcome we did not hear
        if (control->target == ask->target) return 0;
        return k_fail(err, K_E_CONFIG, "another switch, to generation %llu, came in between",
                      (unsigned long long)control->target);
    }
    int code = back ? before(control, &to, err) : check_forward(control, to, err);
    if (code) return code;
    ask->target = to;
    ask->seq = control->seq;
    if (control->target == to) return 0; // asked for before, or there already
    uint64_t report = 0;
    if (ask->with_warrant && !back) code = check_warrant(control, ask, &report, err);
    if (code) return code;
    control->seq = ++ask->seq;
    control->target = to;
    control->back = back;
    control->report = report;
    control->difference = ask->difference;
    control->give_up_us = ask->give_up_us;
    control->hold_us = ask->hold_us;
    snprintf(control->reason, sizeof control->reason, "%s", ask->reason ? ask->reason : "");
    *ret_write = true;
    return 0;
}

enum k_switch_stand k_switch_stands(const struct k_control *control, uint64_t seq)
{
    if (control->seq > seq) return K_SWITCH_OVERTAKEN;
    return control->seq == seq && k_control_is_settled(control) ? K_SWITCH_COMPLETE : K_SWITCH_UNDER_WAY;
}

int k_completion(void *context, struct k_control *control, bool *ret_write, struct k_error *err)
{
    (void)err;
    const struct k_completion *ask = context;
    if (control->seq != ask->seq || k_control_is_settled(control)) return 0; // there is a newer one, or it is done
    if (control->live != control->target) {
        struct k_generation *old = k_control_find(control, control->live), *new;
        old->role = K_ROLE_WARM;
        old->hold_until_us = control->hold_us ? ask->now_us + control->hold_us : 0;
        new = k_control_find(control, control->target);
        new->role = K_ROLE_LIVE;
        new->hold_until_us = 0;
        control->previous = control->live;
    }
    control->live = control->target;
    control->done = control->seq;
    *ret_write = true;
    return 0;
}

int k_taking_back(void *context, struct k_control *control, bool *ret_write, struct k_error *err)
{
    (void)err;
    const struct k_taking_back *ask = context;
    if (control->seq != ask->seq || k_control_is_settled(control) || control->target == control->live) return 0;
    control->seq++;
    control->target = control->live;
    control->back = true;
    control->report = 0;
    control->difference = false;
    control->give_up_us = 0;
    snprintf(control->reason, sizeof control->reason, "switch %llu did not come to its end in time",
             (unsigned long long)ask->seq);
    *ret_write = true;
    return 0;
}

int k_retirement(void *context, struct k_control *control, bool *ret_write, struct k_error *err)
{
    const struct k_retirement *ask = context;
    struct k_generation *one = ask->number ? k_control_find(control, ask->number) : NULL;
    if (ask->number && !one)
        return k_fail(err, K_E_NOT_FOUND, "generation %llu does not exist", (unsigned long long)ask->number);
    if (one && one->role == K_ROLE_RETIRED) return 0;
    if (one && (one->role == K_ROLE_LIVE || control->target == one->number || control->live == one->number))
        return k_fail(err, K_E_CONFIG, "generation %llu is %s: it is not removed", (unsigned long long)ask->number,
                      one->role == K_ROLE_LIVE ? "live" : "to lead by a switch that is under way");
    for (uint32_t i = 0; i < control->generation_count; i++) {
        struct k_generation *g = &control->generations[i];
        bool over = !ask->number && g->role == K_ROLE_WARM && g->hold_until_us &&
                    (g->hold_until_us <= ask->now_us || K_PLANT(hold_short)) && g->number != control->target;
        if (!over && g != one) continue;
        g->role = K_ROLE_RETIRED;
        *ret_write = true;
    }
    return 0;
}

int k_marking(void *context, struct k_control *control, bool *ret_write, struct k_error *err)
{
    (void)err;
    struct k_marking *ask = context;
    if (ask->mark && control->mark >= ask->mark) return 0;
    ask->mark = ++control->mark;
    *ret_write = true;
    return 0;
}
