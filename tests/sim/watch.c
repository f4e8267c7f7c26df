// The watch over the control record, and over what the journals say of it: its numbers ascend one by one, exactly one
// generation lives, and a switch is called complete only when every shard has it.
#include <stdio.h>

#include "engine/journal.h"
#include "replay/control.h"
#include "tests/sim/lives.h"
#include "tests/sim/sim.h"

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
    if (difference && difference->done && difference->seq == l->wanted && difference->compared &&
        !difference->written)
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

static void look_at_control(struct world *w, const struct k_message *message)
{
    struct k_control control;
    struct k_error err;
    if (w->failure.length) return;
    if (k_control_decode(message->value, "sim", &control, &err)) {
        world_fail(w, "%s", err.text);
        return;
    }
    // Unless it is the next, one write did not see another.
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
    lives_watch(w, &control);
    bool done = control.done > w->generations.last_done;
    w->generations.last_revision = control.revision;
    w->generations.last_seq = control.seq;
    w->generations.last_done = control.done;
    w->generations.last_target = control.target;
    if (done) check_done(w, &control);
}

// Messages of the control topic that were not there when it was looked at last.
struct news {
    struct world *w;
    uint64_t count;
};

static void look_at_news(void *context, const struct k_message *message)
{
    struct news *news = context;
    if (news->count++ < news->w->generations.seen) return;
    news->w->generations.seen++;
    look_at_control(news->w, message);
}

void generations_watch(struct world *w)
{
    struct news news = {.w = w};
    k_cloud_read(w->cloud, "sim.control", 0, look_at_news, &news);
}
