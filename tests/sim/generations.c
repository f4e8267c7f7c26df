// Two generations of one pipeline: workers of the second beside those of the first, people who ask for switches and die
// on the way, and a watch over the control record: its numbers ascend one by one, and a switch is called complete only
// when every shard has it.
#include <stdio.h>
#include <stdlib.h>

#include "engine/journal.h"
#include "replay/generations.h"
#include "replay/suffixed.h"
#include "tests/sim/change.h"

enum { SECOND = 1000000 };

static void without_faults(struct world *w)
{
    static const struct k_fault_rates none;
    k_cloud_set_rates(w->cloud, &none);
    k_cloud_crash_at(w->cloud, 0);
}

static void with_faults(struct world *w)
{
    k_cloud_set_rates(w->cloud, &w->rates);
    k_cloud_crash_at(w->cloud, w->crash_at);
}

bool generations_differ(const struct world *w) { return w->generations.changed != NULL; }

const struct scenario *generations_graph(const struct world *w)
{
    return w->generations.changed ? w->generations.changed : &w->scenario;
}

bool generations_agree(const struct world *w) { return !w->generations.changed && !w->generations.starts_later; }

int64_t generations_begin(const struct world *w, const char *topic, uint32_t partition)
{
    const struct generations *g = &w->generations;
    for (uint32_t i = 0; i < g->start_count; i++)
        if (strcmp(g->starts[i].topic, topic) == 0 && (uint32_t)g->starts[i].partition == partition)
            return g->starts[i].offset;
    return 0;
}

// As `kappa replay start --to-offset` and the like: one of the records that are there, or behind them all.
static void draw_starts(struct world *w)
{
    struct generations *g = &w->generations;
    const struct scenario *graph = generations_graph(w);
    g->starts_drawn = true;
    for (uint32_t s = 0; s < w->scenario.source_count; s++) {
        const struct sim_source *source = &w->scenario.sources[s];
        bool has = false;
        for (uint32_t i = 0; i < graph->source_count; i++) has |= strcmp(graph->sources[i].name, source->name) == 0;
        for (int32_t p = 0; p < source->partitions && has; p++) {
            const struct records *records = &w->input.records[s][p];
            uint64_t at = k_random_below(&w->random, records->count + 1);
            int64_t offset = at < records->count ? records->items[at].offset
                             : at ? records->items[at - 1].offset + 1 : 0;
            if (!offset || one_in(&w->random, 4)) continue; // from its beginning
            K_ASSERT(g->start_count < STARTS_MAX);
            g->starts[g->start_count++] = (struct k_start){.topic = source->topic, .partition = p, .offset = offset};
            w->stats.started_later++;
        }
    }
}

static void draw_graph(struct world *w)
{
    struct generations *g = &w->generations;
    struct scenario *changed = k_new(struct scenario);
    if (!one_in(&w->random, 3) && change_draw(&w->scenario, &w->random, &w->stats, changed)) {
        g->changed = changed;
        g->other_plan = *changed->plan;
        w->stats.changed_graph++;
        if (w->verbose) printf("--- generation 2:\n%.*s", (int)changed->text.length, changed->text.data);
        return;
    }
    free(changed);
    g->other_plan = *w->scenario.plan;
    if (!one_in(&w->random, 2)) return;
    snprintf(g->other_plan.fingerprint, sizeof g->other_plan.fingerprint, "another");
    w->stats.foreign_graph++;
}

void generations_fini(struct world *w)
{
    struct generations *g = &w->generations;
    copies_fini(&g->copies);
    marks_fini(w);
    if (g->changed) scenario_fini(g->changed);
    free(g->changed);
}

void generations_prepare(struct world *w)
{
    uint64_t *r = &w->random;
    w->generations.there = true;
    w->generations.last_target = 1;
    draw_graph(w);
    w->generations.differences = one_in(r, 2);
    w->generations.starts_later = one_in(r, 4);
    w->generations.suffix = one_in(r, 3) ? ".new" : NULL;
    w->stats.suffixed += w->generations.suffix != NULL;
    w->generations.difference_rows = (uint32_t)(one_in(r, 2) ? 1 : between(r, 2, 20));
    w->generations.not_before = (uint64_t)(one_in(r, 3) ? 0 : between(r, 10, 60));
    w->own.command = w->single ? 0 : (uint32_t)between(r, 10, 200);
    uint32_t count = (uint32_t)between(r, 1, 2);
    for (uint32_t i = 0; i < count; i++) {
        struct worker *worker = &w->workers[w->worker_count++];
        K_ASSERT(w->worker_count <= WORKERS_MAX);
        snprintf(worker->name, sizeof worker->name, "x%u", i);
        worker->generation = 2;
        for (uint32_t s = 0; s < w->scenario.shards; s++) disk_make(w, &worker->disks[s], worker->name, s);
    }
    without_faults(w);
    struct k_log *log = k_cloud_connect(w->cloud, "command");
    struct k_error err;
    struct k_control control;
    struct k_new_shadow ask = {.fingerprint = w->generations.other_plan.fingerprint,
                               .live_fingerprint = w->scenario.plan->fingerprint,
                               .suffix = w->generations.suffix,
                               .start = w->generations.starts_later ? "later" : NULL,
                               .now_us = k_cloud_now(w->cloud)};
    int code = k_control_prepare(log, "sim", -1, &err);
    if (!code && w->generations.suffix)
        code = k_suffixed_prepare(log, generations_graph(w)->plan, 2, w->generations.suffix,
                                  &(struct k_topics_options){.create = true, .partitions = 2}, &err);
    if (!code) code = k_control_change(log, "sim", k_new_shadow, &ask, &control, &err);
    K_ASSERT(code == 0 && ask.number == 2);
    log->ops->close(log);
    with_faults(w);
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
    if (worker->generation == 2 && w->generations.starts_later && !w->generations.starts_drawn) {
        if (!w->healed && !w->once && w->input.made < w->generations.not_before) return false;
        draw_starts(w);
    }
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

bool generations_may_switch(struct world *w)
{
    if (!w->generations.there) return false;
    struct generations *g = &w->generations;
    if (g->may_switch || (generations_agree(w) && !g->suffix)) return true;
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

// What `kappa cutover --emit-difference` wants: each keyed sink stands beside a table, which is the same in both.
static bool may_differ(struct world *w)
{
    bool may = true, there[2];
    for (uint32_t i = 0; i < w->scenario.sink_count; i++) {
        const char *topic = w->scenario.sinks[i].topic;
        const char *first = table_of_topic(w->scenario.plan, topic, &there[0]);
        const char *second = table_of_topic(generations_graph(w)->plan, topic, &there[1]);
        may &= (!there[0] || first) && (!there[1] || second);
        may &= !first || !second || strcmp(first, second) == 0;
    }
    return may;
}

// One process that asks once, or a few times as long as it does not know.
void generations_trouble(struct world *w, bool surely)
{
    uint64_t *r = &w->random;
    if (!w->generations.there || w->healed || !w->own.command || !(surely || one_in(r, w->own.command))) return;
    if (!generations_may_switch(w)) return;
    w->own.command = (uint32_t)between(r, 10, 300);
    struct k_log *log = k_cloud_connect(w->cloud, "command");
    struct k_control control;
    struct k_error err;
    bool under_way = w->generations.last_done < w->generations.last_seq;
    uint64_t to = surely         ? (under_way ? 0 : 3 - w->generations.last_target)
                  : one_in(r, 3) ? 0
                                 : (uint64_t)between(r, 1, 2);
    bool difference = (w->generations.differences || one_in(r, 2)) && may_differ(w);
    struct k_switch ask = {.to = to, .give_up_us = 20 * SECOND, .difference = difference};
    int code = K_E_RETRY;
    for (int64_t n = between(r, 1, 4); n > 0 && k_control_again(code); n--)
        code = k_control_change(log, "sim", k_switch, &ask, &control, &err);
    log->ops->close(log);
    if (code == K_E_CRASHED || k_control_again(code)) w->stats.switch_lost++;
    else if (!code) w->stats.switch_asked++, w->stats.difference_asked += ask.difference;
    else if (code != K_E_CONFIG && code != K_E_NOT_FOUND) world_fail(w, "a command: %s", err.text);
}

// --- the watch ---

struct leads { // of one shard's journal
    struct k_journal_point point;
    struct world *w;
    uint32_t shard;
    uint64_t seq, wanted;
    bool had; // the switch that is looked for was settled
};

static void look_at_record(void *context, const struct k_message *message)
{
    struct leads *l = context;
    Kappa__Internal__JournalRecord *record;
    struct k_error err;
    if (l->w->failure.length) return;
    if (k_journal_decode(message, "sim", l->shard, &l->point, &record, &err)) {
        world_fail(l->w, "the journal of shard %u is broken: %s", l->shard, err.text);
        return;
    }
    if (record->leadership && record->leadership->control_seq < l->seq)
        world_fail(l->w, "shard %u: a leadership by control record %llu after one by %llu", l->shard,
                   (unsigned long long)record->leadership->control_seq, (unsigned long long)l->seq);
    if (record->leadership) l->seq = record->leadership->control_seq;
    if (record->settled && record->settled != l->seq)
        world_fail(l->w, "shard %u: switch %llu is called settled under a leadership by %llu", l->shard,
                   (unsigned long long)record->settled, (unsigned long long)l->seq);
    l->had |= record->settled == l->wanted;
    // Where generations of one graph stand at the same place, they hold the same.
    const Kappa__Internal__Difference *difference = record->difference;
    if (difference && difference->written && generations_agree(l->w))
        world_fail(l->w, "shard %u: the difference of switch %llu has %llu rows", l->shard,
                   (unsigned long long)difference->seq, (unsigned long long)difference->written);
    if (difference && difference->done && difference->seq == l->wanted && difference->compared && !difference->written)
        l->w->stats.difference_done++;
    kappa__internal__journal_record__free_unpacked(record, NULL);
}

// Some checkpoint of the generation stands behind the place where it took over by this record.
static bool has_passed(struct world *w, uint64_t generation, uint32_t shard, uint64_t seq)
{
    bool passed = false;
    for (uint32_t i = 0; i < w->worker_count; i++) {
        if (w->workers[i].generation != generation) continue;
        Kappa__Internal__Position *p = disk_position(&w->workers[i].disks[shard]);
        passed |= p && p->leadership && p->leadership->control_seq >= seq;
        if (p) kappa__internal__position__free_unpacked(p, NULL);
    }
    return passed;
}

static void check_done(struct world *w, const struct k_control *control)
{
    w->stats.switch_done++;
    if (control->live != control->target) world_fail(w, "complete, and the target does not live");
    for (uint32_t s = 0; s < w->scenario.shards && !w->failure.length; s++)
        if (!w->own.lose_disk && !has_passed(w, control->live, s, control->done))
            world_fail(w, "switch %llu is called complete; no checkpoint of generation %llu, shard %u, has passed it",
                       (unsigned long long)control->done, (unsigned long long)control->live, s);
}

// At the end, when every marker is written: a leader knows of its commit before others can see it.
static void look_at_done(void *context, const struct k_message *message)
{
    struct world *w = context;
    struct k_control control;
    struct k_error err;
    if (w->failure.length || k_control_decode(message->value, "sim", &control, &err) || !control.done) return;
    for (uint32_t s = 0; s < w->scenario.shards; s++) {
        char topic[32];
        snprintf(topic, sizeof topic, "sim.journal.%u", s);
        struct leads leads = {.w = w, .shard = s, .wanted = control.done};
        k_cloud_read(w->cloud, topic, 0, look_at_record, &leads);
        if (!leads.had)
            world_fail(w, "switch %llu is called complete; shard %u's journal does not say that it is settled",
                       (unsigned long long)control.done, s);
    }
}

void generations_judge(struct world *w)
{
    generations_watch(w);
    k_cloud_read(w->cloud, "sim.control", 0, look_at_done, w);
}

static void look_at_control(void *context, const struct k_message *message)
{
    struct world *w = context;
    struct k_control control;
    struct k_error err;
    if (w->failure.length) return;
    if (k_control_decode(message->value, "sim", &control, &err)) {
        world_fail(w, "%s", err.text);
        return;
    }
    if (control.revision <= w->generations.last_revision) return; // seen
    if (control.revision != w->generations.last_revision + 1 || control.seq < w->generations.last_seq ||
        control.seq > w->generations.last_seq + 1 || control.done < w->generations.last_done)
        world_fail(w, "control record %llu (switch %llu, done %llu) follows %llu (%llu, %llu)",
                   (unsigned long long)control.revision, (unsigned long long)control.seq,
                   (unsigned long long)control.done, (unsigned long long)w->generations.last_revision,
                   (unsigned long long)w->generations.last_seq, (unsigned long long)w->generations.last_done);
    uint32_t living = 0;
    for (uint32_t i = 0; i < control.generation_count; i++) living += control.generations[i].role == K_ROLE_LIVE;
    if (living != 1) world_fail(w, "%u generations live", living);
    if (control.seq > w->generations.last_seq && w->generations.last_done < w->generations.last_seq)
        w->stats.switch_turned++;
    if (strstr(control.reason, "did not come to its end") && control.seq > w->generations.last_seq)
        w->stats.switch_taken_back++;
    bool done = control.done > w->generations.last_done;
    w->generations.last_revision = control.revision;
    w->generations.last_seq = control.seq;
    w->generations.last_done = control.done;
    w->generations.last_target = control.target;
    if (done) check_done(w, &control);
}

static void count_revisions(void *context, const struct k_message *message)
{
    uint64_t *seen = context; // [0]: of the record before, [1]: whether one is not the next
    struct k_control control;
    struct k_error err;
    if (k_control_decode(message->value, "sim", &control, &err)) return;
    seen[1] |= control.revision != seen[0] + 1;
    seen[0] = control.revision;
}

void generations_watch(struct world *w)
{
    uint64_t seen[2] = {0, 0};
    k_cloud_read(w->cloud, "sim.control", 0, count_revisions, seen);
    if (seen[1]) world_fail(w, "the control record's revisions are not in order: one write did not see another");
    if (seen[0] != w->generations.last_revision) k_cloud_read(w->cloud, "sim.control", 0, look_at_control, w);
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
