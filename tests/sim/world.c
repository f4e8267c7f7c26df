// One run: a cluster, its schedule and its faults, from the first record to the end of the input.
//
// Phases: work (input comes, faults happen) → end (the input is complete; the workers run once and final, in half of
// the runs with the faults going on) → heal (no more faults; everybody must get through) → judge.
// worker.c has the workers themselves.
#include "engine/topics.h"
#include "tests/sim/lives.h"
#include "tests/sim/readers.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MS = 1000, SECOND = 1000000, STEPS_MAX = 400000 };
static const int64_t START_US = 1767225600000000; // 2026-01-01

void world_fail(struct world *w, const char *format, ...)
{
    if (w->failure.length) return; // the first is what counts
    char text[4000];
    va_list arguments;
    va_start(arguments, format);
    k_format_cut(text, sizeof text, format, arguments);
    va_end(arguments);
    k_buf_add_text(&w->failure, text);
    k_buf_add_char(&w->failure, '\n');
}

void world_without_faults(struct world *w)
{
    static const struct k_fault_rates none;
    k_cloud_set_rates(w->cloud, &none);
    k_cloud_crash_at(w->cloud, 0);
}

void world_with_faults(struct world *w)
{
    k_cloud_set_rates(w->cloud, &w->rates);
    k_cloud_crash_at(w->cloud, w->crash_at);
}

// What may happen to a worker between two steps.
static void trouble(struct world *w, struct worker *worker)
{
    uint64_t *r = &w->random;
    if (!worker->log || worker->in_call || w->healed) return;
    if (one_in(r, w->own.kill)) {
        w->stats.worker_killed++;
        worker_kill(w, worker);
    } else if (one_in(r, w->own.stop)) {
        w->stats.worker_stopped++;
        worker_stop(w, worker);
    } else if (one_in(r, w->own.pause)) {
        w->stats.worker_paused++;
        worker->paused_until_us = w->elapsed_us + between(r, 1, 25) * SECOND;
    } else if (one_in(r, w->own.clock)) {
        w->stats.clock_set++;
        lives_note_clock(w);
        k_cloud_set_clock(w->cloud, k_cloud_now(w->cloud) + between(r, -90, 90) * SECOND);
        lives_note_clock(w);
    }
}

static void pass_time(struct world *w, int64_t us)
{
    w->elapsed_us += us;
    k_cloud_advance(w->cloud, us);
}

// Faults of the log happen to the workers only.
static void write_input(struct world *w, uint32_t count)
{
    struct k_fault_rates only_markers = {.marker_late = w->rates.marker_late};
    world_without_faults(w);
    k_cloud_set_rates(w->cloud, &only_markers);
    input_write(&w->input, count, &w->stats);
    world_with_faults(w);
}

// The least position of a partition among all checkpoints: nobody will read below it again.
static int64_t least_checkpoint(struct world *w, const struct sim_source *source, uint32_t partition)
{
    int64_t least = INT64_MAX;
    for (uint32_t i = 0; i < w->worker_count; i++) {
        const struct worker *worker = &w->workers[i];
        if (worker->gone || !scenario_reads(generation_graph(w, worker->generation), source->name)) continue;
        Kappa__Internal__Position *position = disk_position(&w->workers[i].disks[partition % w->scenario.shards]);
        int64_t next = 0;
        for (size_t j = 0; position && j < position->n_partition; j++)
            if (strcmp(position->partition[j]->source, source->name) == 0 &&
                position->partition[j]->partition == partition)
                next = position->partition[j]->next;
        if (position) kappa__internal__position__free_unpacked(position, NULL);
        // What lies before it begins is passed over unread; but with a journal that may be trimmed no state can begin
        // anew once its sources have lost something.
        int64_t begin = beginning_offset(w, w->workers[i].generation, source->topic, partition);
        if (next < begin && !w->options.trim_interval_us) next = begin;
        if (next < least) least = next;
    }
    return least;
}

// Grants the deletion of what lies below every checkpoint; and the compaction of what the journal has, for it holds the
// records of compacted topics itself.
static void allow_retention(struct world *w)
{
    if (!w->rates.retention) return;
    for (uint32_t s = 0; s < w->scenario.source_count; s++) {
        const struct sim_source *source = &w->scenario.sources[s];
        for (int32_t p = 0; p < source->partitions; p++) {
            int64_t before = 0;
            char group[32];
            snprintf(group, sizeof group, "sim.shard.%u", (uint32_t)p % w->scenario.shards);
            // History cannot come again from a topic that was compacted meanwhile.
            bool history = cut_some(w) || !scenario_reads(generation_graph(w, 1), source->name);
            if (source->compacted && history) continue;
            if (source->compacted) before = k_cloud_group_offset(w->cloud, group, source->topic, p);
            else if (!w->own.lose_disk && !w->rocks) before = least_checkpoint(w, source, (uint32_t)p);
            if (before > 0) k_cloud_allow_retention(w->cloud, source->topic, p, before);
        }
    }
}

// --- drawing ---

static uint32_t rate(uint64_t *r, uint32_t low, uint32_t high, uint32_t share)
{
    if (!one_in(r, share)) return 0;
    uint32_t rate = low;
    while (rate < high && !one_in(r, 3)) rate *= 2;
    return rate;
}

static void draw_faults(struct world *w)
{
    uint64_t *r = &w->random;
    if (w->single || one_in(r, 8)) return; // a calm run
    w->rates = (struct k_fault_rates){
        .crash_before_call = rate(r, 100, 20000, 2), .crash_after_call = rate(r, 100, 20000, 2),
        .request_lost = rate(r, 30, 2000, 3), .request_refused = rate(r, 30, 2000, 3),
        .commit_answer_lost = rate(r, 5, 200, 3), .commit_request_lost = rate(r, 5, 200, 3),
        .commit_late = rate(r, 5, 200, 3), .commit_doubled = rate(r, 5, 200, 3), .marker_late = rate(r, 2, 50, 2),
        .fetch_short = rate(r, 2, 20, 2), .rebalance = rate(r, 50, 5000, 3), .session_lost = rate(r, 100, 5000, 3),
        .transaction_timeout = rate(r, 50, 2000, 4), .offsets_expired = rate(r, 50, 5000, 4),
        .retention = rate(r, 20, 500, 3)};
    w->own.kill = rate(r, 100, 5000, 2);
    w->own.stop = rate(r, 200, 5000, 3);
    w->own.pause = rate(r, 200, 5000, 3);
    w->own.call_pause = rate(r, 500, 20000, 2);
    w->own.clock = rate(r, 200, 5000, 4);
    w->own.full = rate(r, 5, 200, 4);
    w->own.error = rate(r, 10, 200, 5);
    w->own.disk_crash = rate(r, 10, 200, 4);
    w->own.lose_disk = w->rates.retention && !one_in(r, 3) ? 0 : rate(r, 3, 20, 3);
}

static void make_topics(struct world *w)
{
    struct k_error err;
    const struct k_topic_need *needs;
    for (uint32_t s = 0; s < w->scenario.source_count; s++) {
        const struct sim_source *source = &w->scenario.sources[s];
        struct k_topic_spec spec = {
            .partitions = source->partitions, .compacted = source->compacted, .retention_ms = -1};
        int code = k_cloud_create_topic(w->cloud, source->topic, &spec, &err);
        K_ASSERT(code == 0);
    }
    uint32_t count = k_plan_topics(w->scenario.plan, &needs);
    for (uint32_t i = 0; i < count; i++) {
        struct k_topic_spec spec = k_topics_spec(&needs[i], &(struct k_topics_options){.partitions = 2});
        spec.retention_ms = -1;
        int code = k_cloud_create_topic(w->cloud, needs[i].topic, &spec, &err);
        K_ASSERT(code == 0);
    }
}

void world_init(struct world *w, uint64_t seed, bool rocks, bool verbose)
{
    *w = (struct world){.seed = seed, .random = seed * 2654435761u + 17, .rocks = rocks, .verbose = verbose};
    k_random(&w->random);
}

static void on_pause(void *context, struct k_log *log);

static bool prepare(struct world *w)
{
    uint64_t *r = &w->random;
    bool two = !w->rocks && one_in(r, 2);
    if (!scenario_draw(&w->scenario, r, two, &w->stats, &w->failure)) return false;
    if (w->verbose) fwrite(w->scenario.text.data, 1, w->scenario.text.length, stdout);
    draw_faults(w);
    if (w->use_each) w->rates.retention = 0; // what it took could not be read again
    uses_prepare(w);
    w->cloud = k_cloud_create(k_random(r), &w->rates, START_US);
    k_cloud_set_pause(w->cloud, w->own.call_pause, on_pause, w);
    k_cloud_crash_at(w->cloud, w->crash_at);
    make_topics(w);
    input_init(&w->input, &w->scenario, w->cloud, r);
    w->options = (struct k_shard_options){.plan = w->scenario.plan, .generation = "1", .open_store = disk_open_store,
        .state = {.cache_bytes = one_in(r, 3) ? 4u << 20 : one_in(r, 2) ? 64u << 10 : 2u << 10},
        .commit_interval_us = between(r, 1, 100) * MS, .checkpoint_interval_us = between(r, 0, 800) * MS,
        .backlog_checkpoint_interval_us = between(r, 0, 2000) * MS,
        .transaction_timeout_us = 10 * SECOND, .step_budget_us = 200 * MS, .work_portion = one_in(r, 2) ? 3 : 1024,
        .dirty_limit_bytes = one_in(r, 4) ? 4096 : 0, .can_lead = true,
        .trim_interval_us = one_in(r, 2) ? between(r, 10, 500) * MS : 0,
        .journal_keep_us = one_in(r, 2) ? between(r, 0, 5) * SECOND : 0,
        .history_portion = one_in(r, 2) ? (uint32_t)between(r, 1, 20) : 0};
    w->worker_count = (uint32_t)between(r, 1, FIRST_WORKERS_MAX);
    for (uint32_t i = 0; i < w->worker_count; i++) {
        struct worker *worker = &w->workers[i];
        snprintf(worker->name, sizeof worker->name, "w%u", i);
        worker->follower = i > 0 && !w->rocks && one_in(r, 5);
        worker->generation = 1;
        for (uint32_t s = 0; s < w->scenario.shards; s++) disk_make(w, &worker->disks[s], worker->name, s);
    }
    generations_prepare(w, two);
    return true;
}

// --- phases ---

// Steps workers in random order; when none has anything to do, time passes until one has.
static void turn(struct world *w)
{
    int64_t wait_us = SECOND;
    bool busy = false;
    for (uint32_t i = 0; i < w->worker_count && !w->failure.length; i++) {
        struct worker *worker = &w->workers[k_random_below(&w->random, w->worker_count)];
        trouble(w, worker);
        for (int64_t n = between(&w->random, 1, 6); n > 0 && !w->failure.length; n--) {
            int64_t wait = worker_step(w, worker);
            busy |= wait <= 0;
            if (wait > 0 && wait < wait_us) wait_us = wait;
            if (wait > 0) break;
        }
    }
    if (w->rocks && !w->failure.length) readers_step(w);
    uses_step(w);
    if (w->generations.there && !w->failure.length) {
        generations_trouble(w, false);
        if (!w->failure.length) lives_step(w);
        if (!w->failure.length) marks_ask(w);
        generations_watch(w);
    }
    if (w->failure.length) return;
    pass_time(w, busy ? between(&w->random, 0, 5 * MS) : wait_us < 100 * MS ? wait_us : 100 * MS);
}

// A worker stands still inside a call; meanwhile the others go on, perhaps for longer than its session.
static void on_pause(void *context, struct k_log *log)
{
    struct world *w = context;
    struct worker *worker = NULL;
    for (uint32_t i = 0; i < w->worker_count; i++)
        if (w->workers[i].log == log) worker = &w->workers[i];
    if (!worker || w->healed) return;
    w->stats.call_paused++;
    worker->in_call = true;
    // Whoever leads may stand still while another generation is asked to lead.
    if (one_in(&w->random, 4)) generations_trouble(w, true);
    int64_t until_us = w->elapsed_us + (one_in(&w->random, 4) ? between(&w->random, 5, 15) * SECOND : 50 * MS);
    for (int n = 0; n < 300 && w->elapsed_us < until_us && !w->failure.length; n++) turn(w);
    worker->in_call = false;
}

static void ask_once(struct world *w, uint64_t *wanted)
{
    if (!generations_may_switch(w)) return;
    generations_trouble(w, true);
    *wanted = 0;
}

static void work(struct world *w)
{
    uint64_t *r = &w->random;
    uint64_t wanted = (uint64_t)between(r, 20, 60) << between(r, 0, 3);
    uint32_t burst = (uint32_t)between(r, 1, 30);
    uint64_t surely = one_in(r, 3) ? 0 : (uint64_t)between(r, 1, (int64_t)wanted - 4); // then some switch is asked for
    for (uint64_t turns = 0; w->input.made < wanted && !w->failure.length && turns < 20000; turns++) {
        if (one_in(r, 3)) write_input(w, (uint32_t)between(r, 1, burst));
        turn(w);
        if (surely && w->input.made >= surely) ask_once(w, &surely);
        if (one_in(r, 20)) allow_retention(w);
    }
    for (int n = 0; n < 200 && surely && w->generations.there && !w->failure.length; n++) turn(w), ask_once(w, &surely);
    for (int n = 0; n < 400 && lives_go_on(w) && generations_may_switch(w) && !w->failure.length; n++) {
        if (one_in(r, 12)) write_input(w, (uint32_t)between(r, 1, burst));
        turn(w);
        if (!w->failure.length && one_in(r, 8) && generations_are_settled(w)) generations_trouble(w, true);
    }
    for (int64_t n = between(r, 0, 200); n > 0 && !w->failure.length; n--) turn(w);
}

static bool all_done(const struct world *w)
{
    for (uint32_t i = 0; i < w->worker_count; i++)
        if (!w->workers[i].done) return false;
    return true;
}

static void end_all(struct world *w)
{
    bool in_order = one_in(&w->random, 2);
    for (uint32_t i = 0; i < w->worker_count; i++) {
        struct worker *worker = &w->workers[i];
        if (!worker->log) continue;
        if (in_order) worker_stop(w, worker);
        else worker_kill(w, worker);
    }
}

static void heal(struct world *w)
{
    w->healed = true;
    w->rates = (struct k_fault_rates){0};
    k_cloud_set_rates(w->cloud, &w->rates);
    k_cloud_set_pause(w->cloud, 0, NULL, NULL);
    for (uint32_t i = 0; i < w->worker_count; i++) w->workers[i].paused_until_us = 0;
}

// Switches are brought to their end before the input is declared complete: with faults, then if need be without.
static void settle_generations(struct world *w)
{
    w->own.command = 0;
    for (int n = 0; n < 300 && !w->failure.length && !generations_are_settled(w); n++) turn(w);
    bool write = w->generations.differences || one_in(&w->random, 2);
    for (int n = 0; n < 400 && write && !w->failure.length && generations_write_on(w); n++) turn(w);
    if (w->failure.length || generations_are_settled(w)) return;
    struct k_fault_rates rates = w->rates;
    w->rates = (struct k_fault_rates){0};
    k_cloud_set_rates(w->cloud, &w->rates);
    w->healed = true;
    uint64_t until = w->steps + STEPS_MAX;
    while (!w->failure.length && !generations_are_settled(w) && w->steps < until) turn(w);
    if (!generations_are_settled(w)) world_fail(w, "a switch of generations does not come to its end");
    w->healed = false;
    w->rates = rates;
    k_cloud_set_rates(w->cloud, &w->rates);
}

static void finish(struct world *w)
{
    if (w->generations.there) settle_generations(w);
    if (w->failure.length) return;
    bool faults = one_in(&w->random, 2);
    world_without_faults(w);
    input_settle(&w->input);
    world_with_faults(w);
    if (!faults) heal(w);
    else w->stats.final_under_faults++;
    lives_finish(w);
    w->once = true; // of every process that starts from now on
    end_all(w);
    for (int64_t n = faults ? between(&w->random, 10, 300) : 0; n > 0 && !w->failure.length && !all_done(w); n--)
        turn(w);
    if (!w->healed) heal(w);
    uint64_t until = w->steps + STEPS_MAX;
    for (uint64_t turns = 0; !all_done(w) && !w->failure.length && w->steps < until; turns++) {
        turn(w);
        for (uint32_t i = 0; i < w->worker_count && turns % 20 == 0; i++) {
            struct worker *worker = &w->workers[i];
            bool stop = worker->follower && worker->log && !worker->stopping && worker_is_through(w, worker);
            if (stop) worker_stop(w, worker);
        }
    }
    if (!all_done(w)) {
        for (uint32_t i = 0; i < w->worker_count; i++) {
            struct worker *worker = &w->workers[i];
            for (uint32_t s = 0; s < w->scenario.shards && worker->log; s++) {
                struct k_shard_report report;
                k_shard_report(worker->shards[s], &report);
                world_fail(w, "after %llu steps without faults worker %s, shard %u is still %s; trouble: %s",
                           (unsigned long long)STEPS_MAX, worker->name, s, k_shard_state_name(report.state),
                           report.trouble);
            }
        }
        world_fail(w, "the run does not come to its end");
    }
    k_cloud_settle(w->cloud);
    w->points = k_cloud_points(w->cloud);
}

bool world_run(struct world *w)
{
    if (prepare(w)) {
        work(w);
        if (!w->failure.length) finish(w);
        if (!w->failure.length) judge(w);
    }
    w->stats.runs = 1;
    w->stats.records = w->input.made;
    w->stats.features.table_removals += w->input.removals;
    w->stats.steps = w->steps;
    if (w->cloud) w->stats.faults = *k_cloud_fault_counts(w->cloud);
    return w->failure.length == 0;
}

void world_fini(struct world *w)
{
    readers_end(w);
    for (uint32_t i = 0; i < w->worker_count; i++) {
        if (w->workers[i].log) worker_end(&w->workers[i], true);
        for (uint32_t s = 0; s < w->scenario.shards; s++) disk_drop(&w->workers[i].disks[s]);
    }
    generations_fini(w);
    uses_fini(w);
    if (w->cloud) {
        input_fini(&w->input);
        k_cloud_destroy(w->cloud);
    }
    scenario_fini(&w->scenario);
    k_buf_fini(&w->failure);
}
