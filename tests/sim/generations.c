// Several generations of one pipeline: workers of the others beside those of the first, and people who ask for switches
// and die on the way.
#include <stdio.h>
#include <stdlib.h>

#include "replay/generations.h"
#include "replay/suffixed.h"
#include "tests/sim/lives.h"
#include "tests/sim/sim.h"

enum { SECOND = 1000000 };

bool generations_agree(const struct world *w)
{
    bool agree = true;
    for (uint64_t n = 1; n <= w->generations.count; n++) agree &= generation_agrees(w, n);
    return agree;
}

void generations_fini(struct world *w)
{
    struct generations *g = &w->generations;
    copies_fini(&g->copies);
    marks_fini(w);
    for (uint32_t i = 0; i < GENERATIONS_MAX; i++) generation_fini(&g->each[i]);
}

void generations_add_worker(struct world *w, uint64_t generation, const char *letter)
{
    struct worker *worker = &w->workers[w->worker_count];
    K_ASSERT(w->worker_count < WORKERS_MAX);
    snprintf(worker->name, sizeof worker->name, "%s%u", letter, w->worker_count++);
    worker->generation = generation;
    for (uint32_t s = 0; s < w->scenario.shards; s++) disk_make(w, &worker->disks[s], worker->name, s);
}

int generations_ask(struct world *w, uint64_t number, int64_t now_us, bool faults)
{
    const struct generation *g = generation_of(w, number);
    struct k_error err;
    struct k_control control;
    struct k_new_shadow ask = {.fingerprint = g->plan.fingerprint,
                               .live_fingerprint = generation_of(w, 1)->plan.fingerprint,
                               .suffix = g->suffix,
                               .start = g->beginning.later ? "later" : NULL,
                               .now_us = now_us};
    world_without_faults(w);
    struct k_log *log = k_cloud_connect(w->cloud, "command");
    int code = k_control_prepare(log, "sim", -1, &err);
    if (!code && g->suffix)
        code = k_suffixed_prepare(log, generation_graph(w, number)->plan, number, g->suffix,
                                  &(struct k_topics_options){.create = true, .partitions = 2}, &err);
    K_ASSERT(code == 0);
    if (faults) world_with_faults(w);
    code = k_control_change(log, "sim", k_new_shadow, &ask, &control, &err);
    K_ASSERT(code || ask.number == number);
    log->ops->close(log);
    world_with_faults(w);
    return code;
}

void generations_prepare(struct world *w, bool several)
{
    uint64_t *r = &w->random;
    w->generations.count = 1;
    generation_first(w, several);
    if (!several) return;
    w->generations.there = true;
    w->generations.last_target = 1;
    w->generations.count = 2;
    generation_draw(w, 2, 1);
    w->generations.differences = one_in(r, 2);
    w->generations.difference_rows = (uint32_t)(one_in(r, 2) ? 1 : between(r, 2, 20));
    w->generations.not_before = (uint64_t)(one_in(r, 3) ? 0 : between(r, 10, 60));
    w->own.command = w->single ? 0 : (uint32_t)between(r, 10, 200);
    for (int64_t n = between(r, 1, 2); n > 0; n--) generations_add_worker(w, 2, "x");
    lives_prepare(w);
    int code = generations_ask(w, 2, k_cloud_now(w->cloud), false);
    K_ASSERT(code == 0);
}

static bool report(void *context, uint32_t shard, struct k_shard_report *ret)
{
    const struct worker *worker = context;
    if (!worker->shards[shard]) return false;
    k_shard_report(worker->shards[shard], ret);
    return true;
}

bool generations_start(struct world *w, struct worker *worker)
{
    if (!beginning_draw(w, worker->generation)) return false;
    struct k_overseer_options options = {.log = worker->log,
                                         .graph = "sim",
                                         .generation = worker->generation,
                                         .shards = w->scenario.shards,
                                         .report = report,
                                         .context = worker,
                                         .seed = k_random(&w->random)};
    struct k_error err;
    worker->overseer_at_us = 0;
    int code = k_overseer_create(&options, &worker->overseer, &err);
    if (code && code != K_E_CRASHED && !k_control_again(code)) world_fail(w, "%s: %s", worker->name, err.text);
    return code == 0;
}

int64_t generations_step(struct world *w, struct worker *worker)
{
    int64_t wait_us = 0;
    struct k_error err;
    w->steps++;
    int code = k_overseer_step(worker->overseer, &wait_us, &err);
    if (code == K_E_CRASHED) {
        w->stats.worker_crashed++;
        worker_kill(w, worker);
        return 0;
    }
    if (code && !k_control_again(code)) world_fail(w, "%s: %s", worker->name, err.text);
    if (lives_are_over(worker)) {
        worker_retire(w, worker);
        return 0;
    }
    // Some hear of a newer record late.
    bool slow = !w->healed && one_in(&w->random, 30);
    worker->overseer_at_us = w->elapsed_us + wait_us + (slow ? between(&w->random, 0, 12) * SECOND : 0);
    return 0;
}

static void count_fed(void *context, const struct k_message *message)
{
    uint64_t *count = context;
    Kappa__Internal__JournalRecord *record =
        kappa__internal__journal_record__unpack(NULL, message->value.length, (const uint8_t *)message->value.data);
    for (size_t i = 0; record && i < record->n_range; i++) *count += record->range[i]->count;
    ++*count; // a journal that has begun is more than none
    if (record) kappa__internal__journal_record__free_unpacked(record, NULL);
}

static bool has_suffix(const struct world *w)
{
    bool has = false;
    for (uint32_t n = 1; n <= w->generations.count; n++) has |= generation_of(w, n)->suffix != NULL;
    return has;
}

bool generations_may_switch(struct world *w)
{
    if (!w->generations.there) return false;
    struct generations *g = &w->generations;
    if (g->may_switch || (generations_agree(w) && !has_suffix(w))) return true;
    if (w->steps < g->look_again) return false; // it is looked at often
    g->look_again = w->steps + 100;
    // A journal that a graph with fewer sources began has no place for those of the other, and nobody cuts over to a
    // generation that follows nothing. Where there is more, more differs.
    bool begun = true;
    uint64_t fed = 0;
    for (uint32_t s = 0; s < w->scenario.shards; s++) {
        char topic[32];
        uint64_t count = 0;
        snprintf(topic, sizeof topic, "sim.journal.%u", s);
        k_cloud_read(w->cloud, topic, 0, count_fed, &count);
        begun &= count > 0;
        fed += count;
    }
    return g->may_switch = begun && fed >= g->not_before;
}

static const char *table_of_topic(const struct k_plan *plan, const char *topic, bool *ret_sink)
{
    *ret_sink = false;
    for (uint32_t i = 0; i < plan->node_count; i++) {
        const struct k_node *node = &plan->nodes[i];
        if (!k_plan_is_keyed_sink(node) || strcmp(node->topics[0], topic) != 0) continue;
        int32_t table = k_plan_table_of_sink(plan, node);
        *ret_sink = true;
        return table < 0 ? NULL : plan->nodes[table].name;
    }
    return NULL;
}

// What `kappa cutover --emit-difference` wants: each keyed sink stands beside a table, which is the same in all.
static bool may_differ(struct world *w)
{
    bool may = true, there;
    for (uint32_t i = 0; i < w->scenario.sink_count; i++) {
        const char *topic = w->scenario.sinks[i].topic, *before = NULL;
        for (uint32_t n = 1; n <= w->generations.count; n++) {
            const char *table = table_of_topic(generation_graph(w, n)->plan, topic, &there);
            may &= !there || table;
            may &= !before || !table || strcmp(before, table) == 0;
            if (table) before = table;
        }
    }
    return may;
}

// One process that asks once, or a few times as long as it does not know.
void generations_trouble(struct world *w, bool surely)
{
    uint64_t *r = &w->random;
    if (!w->generations.there || w->healed || !w->own.command || !(surely || one_in(r, w->own.command))) return;
    if (!generations_may_switch(w)) return;
    w->own.command = (uint32_t)between(r, 10, w->generations.third ? 80 : 300);
    struct k_log *log = k_cloud_connect(w->cloud, "command");
    struct k_control control;
    struct k_error err;
    bool under_way = w->generations.last_done < w->generations.last_seq;
    uint64_t to = surely         ? (under_way ? 0 : lives_other(w))
                  : one_in(r, 3) ? 0
                                 : (uint64_t)between(r, 1, w->generations.count);
    bool difference = (w->generations.differences || one_in(r, 2)) && may_differ(w);
    struct k_switch ask = {.to = to,
                           .give_up_us = one_in(r, 4) ? between(r, 1, 50) * SECOND / 10 : 6 * SECOND,
                           .hold_us = lives_hold_us(w),
                           .difference = difference};
    int code = K_E_RETRY;
    bool retire = w->generations.holds && !surely && one_in(r, 8);
    for (int64_t n = between(r, 1, 4); n > 0 && k_control_again(code); n--)
        code = retire ? lives_retire(w, log) : k_control_change(log, "sim", k_switch, &ask, &control, &err);
    log->ops->close(log);
    if (code == K_E_CRASHED || k_control_again(code)) w->stats.switch_lost++;
    else if (!code && !retire) w->stats.switch_asked++, w->stats.difference_asked += ask.difference;
    else if (code && code != K_E_CONFIG && code != K_E_NOT_FOUND) world_fail(w, "a command: %s", err.text);
}

bool generations_are_settled(struct world *w)
{
    generations_watch(w);
    return w->generations.last_done == w->generations.last_seq;
}

bool generations_write_on(const struct world *w)
{
    for (uint32_t i = 0; i < w->worker_count; i++)
        for (uint32_t s = 0; s < w->scenario.shards; s++) {
            struct k_shard_report report;
            const struct worker *worker = &w->workers[i];
            if (!worker->log || !worker->shards[s]) continue;
            k_shard_report(worker->shards[s], &report);
            if (report.state == K_SHARD_LEAD && report.difference_seq && !report.difference_done) return true;
        }
    return false;
}
