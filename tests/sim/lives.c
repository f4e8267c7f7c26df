#include "tests/sim/lives.h"

#include <stdio.h>

#include "replay/generations.h"
#include "tests/sim/sim.h"

enum { MS = 1000, SECOND = 1000000 };

void lives_prepare(struct world *w)
{
    struct generations *g = &w->generations;
    uint64_t *r = &w->random;
    g->holds = one_in(r, 3);
    g->third = !w->single && one_in(r, 3);
    if (!g->third) return;
    g->wants_back = !one_in(r, 3);
    generation_draw(w, 3, one_in(r, 2) ? 1 : 2);
    generations_add_worker(w, 3, "y");
}

// Beside a second that leads and a first that is warm; now and then in any other moment.
void lives_step(struct world *w)
{
    struct generations *g = &w->generations;
    uint64_t *r = &w->random;
    if (!g->third || g->count > 2 || w->healed || w->once || !one_in(r, 4)) return;
    bool settled = g->last_done == g->last_seq;
    // Of two that add a source, the later one may lead first.
    uint32_t rare = generation_adds(w, 2) && generation_adds(w, 3) ? 20 : 1000;
    if (!(settled && g->live == 2) && !one_in(r, rare)) return;
    if (!generations_may_switch(w)) return;
    if (!g->third_us) g->third_us = k_cloud_now(w->cloud); // the same in each attempt
    int code = generations_ask(w, 3, g->third_us, true);
    if (code && code != K_E_CRASHED && !k_control_again(code))
        world_fail(w, "a third generation is refused: %s", k_error_name(code));
}

void lives_note_clock(struct world *w)
{
    int64_t now_us = k_cloud_now(w->cloud);
    if (now_us > w->generations.latest_us) w->generations.latest_us = now_us;
}

int64_t lives_hold_us(struct world *w)
{
    uint64_t *r = &w->random;
    return w->generations.holds && one_in(r, 2) ? between(r, 1, 200) * 50 * MS : 0;
}

bool lives_go_on(const struct world *w)
{
    const struct generations *g = &w->generations;
    bool wanted = !g->each[2].lived || (g->wants_back && !g->went_back);
    return g->third && wanted && !g->each[1].retired && !g->each[2].retired;
}

uint64_t lives_other(struct world *w)
{
    struct generations *g = &w->generations;
    if (lives_go_on(w)) return g->live == 3 ? 0 : g->count;
    uint64_t numbers[GENERATIONS_MAX], count = 0;
    for (uint64_t n = 1; n <= g->count; n++)
        if (n != g->last_target && !generation_of(w, n)->retired) numbers[count++] = n;
    return count ? numbers[k_random_below(&w->random, count)] : 0;
}

int lives_retire(struct world *w, struct k_log *log)
{
    struct generations *g = &w->generations;
    struct k_retirement ask = {.number = (uint64_t)between(&w->random, 1, g->count), .now_us = k_cloud_now(w->cloud)};
    struct k_control control;
    struct k_error err;
    g->each[ask.number - 1].asked_to_end = true;
    return k_control_change(log, "sim", k_retirement, &ask, &control, &err);
}

// --- the watch

static void watch_one(struct world *w, const struct k_control *control, const struct k_generation *said)
{
    struct generation *g = &w->generations.each[said->number - 1];
    unsigned long long revision = control->revision, number = said->number;
    bool retired = said->role == K_ROLE_RETIRED;
    if (g->retired && !retired) world_fail(w, "control record %llu: generation %llu is back", revision, number);
    if (retired && (said->number == control->live || said->number == control->target))
        world_fail(w, "control record %llu: generation %llu is retired, and leads or is to lead", revision, number);
    bool over = g->hold_until_us && g->hold_until_us <= w->generations.latest_us;
    if (retired && !g->retired && !g->asked_to_end && !over)
        world_fail(w, "control record %llu: generation %llu is retired before its hold is over", revision, number);
    if (retired && !g->retired && g->asked_to_end) w->stats.retired_asked++;
    else if (retired && !g->retired) w->stats.retired_hold++;
    g->retired = retired;
    g->hold_until_us = said->role == K_ROLE_WARM ? said->hold_until_us : 0;
}

// Where a switch may go: who asks to go back gets whoever lived before, or lives while another is to lead.
static void watch_switch(struct world *w, const struct k_control *control)
{
    struct generations *g = &w->generations;
    bool settled = g->last_done == g->last_seq;
    if (!control->back) return;
    uint64_t wanted = settled ? g->lived_before : g->live;
    if (control->target != wanted)
        world_fail(w, "switch %llu goes back to generation %llu, not to %llu", (unsigned long long)control->seq,
                   (unsigned long long)control->target, (unsigned long long)wanted);
    w->stats.switch_back++;
    g->went_back |= settled && g->live == 3;
    w->stats.switch_back_third += settled && g->live == 3;
}

void lives_watch(struct world *w, const struct k_control *control)
{
    struct generations *g = &w->generations;
    lives_note_clock(w);
    if (control->seq > g->last_seq) watch_switch(w, control);
    for (uint32_t i = 0; i < control->generation_count && !w->failure.length; i++) {
        const struct k_generation *said = &control->generations[i];
        if (said->number != i + 1 || said->number > GENERATIONS_MAX) {
            world_fail(w, "control record %llu: generation %llu has place %u", (unsigned long long)control->revision,
                       (unsigned long long)said->number, i);
            return;
        }
        watch_one(w, control, said);
    }
    if (control->generation_count > g->count) {
        g->count = control->generation_count;
        w->stats.third_began += control->live == 2 && control->generations[0].role == K_ROLE_WARM;
    }
    if (control->live == g->live) return;
    if (g->live) g->lived_before = g->live;
    w->stats.led_again += g->each[control->live - 1].lived;
    w->stats.third_led += control->live == 3;
    g->live = control->live;
    g->each[g->live - 1].lived = true;
}

bool lives_are_over(const struct worker *worker)
{
    const struct k_control *control = k_overseer_control(worker->overseer);
    for (uint32_t i = 0; i < control->generation_count; i++)
        if (control->generations[i].number == worker->generation)
            return control->generations[i].role == K_ROLE_RETIRED;
    return false;
}

void lives_finish(struct world *w)
{
    for (uint32_t i = 0; i < w->worker_count; i++)
        if (w->workers[i].generation > w->generations.count) w->workers[i].done = w->workers[i].gone = true;
}
