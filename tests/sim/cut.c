// Journals that somebody cut off: what lies before is history for who begins then. Whoever follows already can go on,
// for the cut is behind none of their checkpoints.
#include "engine/journal.h"
#include "replay/past.h"
#include "tests/sim/sim.h"

#include <stdio.h>

struct cutting {
    uint32_t shard;
    bool begun;
    int64_t last; // record that says where its inputs stand; 0: only the first does
};

static void look_at_record(void *context, const struct k_message *message)
{
    struct cutting *c = context;
    struct k_journal_point point = {0};
    struct k_error err;
    Kappa__Internal__JournalRecord *record;
    c->begun = true;
    if (k_journal_decode_first(message, "sim", c->shard, &point, &record, &err)) return;
    c->last = message->offset;
    kappa__internal__journal_record__free_unpacked(record, NULL);
}

static int64_t least_checkpoint(struct world *w, uint32_t shard)
{
    int64_t least = INT64_MAX;
    for (uint32_t i = 0; i < w->worker_count; i++) {
        const struct worker *worker = &w->workers[i];
        // Who has not begun yet is to begin behind the cut.
        if (worker->gone || !generation_of(w, worker->generation)->beginning.drawn) continue;
        Kappa__Internal__Position *position = disk_position(&w->workers[i].disks[shard]);
        int64_t at = position ? position->journal_offset : 0;
        if (position) kappa__internal__position__free_unpacked(position, NULL);
        if (at < least) least = at;
    }
    return least;
}

bool cut_journals(struct world *w)
{
    int64_t most[SHARDS_MAX], some = 0;
    char topics[SHARDS_MAX][32];
    bool begun = true;
    for (uint32_t s = 0; s < w->scenario.shards; s++) {
        struct cutting c = {.shard = s};
        snprintf(topics[s], sizeof topics[s], "sim.journal.%u", s);
        k_cloud_read(w->cloud, topics[s], 0, look_at_record, &c);
        most[s] = least_checkpoint(w, s);
        if (c.last < most[s]) most[s] = c.last;
        begun &= c.begun;
        some += most[s];
    }
    if (!begun || !some) return false; // a journal in which only the first record will do stays whole
    world_without_faults(w);
    struct k_log *log = k_cloud_connect(w->cloud, "command");
    for (uint32_t s = 0; s < w->scenario.shards; s++) {
        struct k_error err;
        int64_t before = most[s] && one_in(&w->random, 2) ? between(&w->random, 1, most[s]) : most[s];
        if (log->ops->delete_records(log, topics[s], 0, before, &err))
            world_fail(w, "a journal cannot be cut: %s", err.text);
    }
    log->ops->close(log);
    world_with_faults(w);
    w->stats.journal_cut++;
    return true;
}

bool cut_some(const struct world *w)
{
    bool some = false;
    for (uint32_t n = 1; n <= GENERATIONS_MAX; n++) some |= generation_of(w, n)->beginning.cut;
    return some;
}

bool cut_reaches(struct world *w, uint64_t generation)
{
    bool reaches = true;
    struct k_log *log = k_cloud_connect(w->cloud, "another");
    for (uint32_t s = 0; s < w->scenario.shards && reaches; s++) {
        struct k_error err;
        int64_t start = 0;
        char topic[32];
        snprintf(topic, sizeof topic, "sim.journal.%u", s);
        int code = log->ops->offsets(log, topic, 0, true, &start, NULL, &err);
        K_ASSERT(code == 0);
        reaches = start <= beginning_journal(&generation_of(w, generation)->beginning, s);
    }
    log->ops->close(log);
    return reaches;
}

void cut_name(struct world *w, uint64_t generation, struct k_log *log)
{
    const struct scenario *graph = generation_graph(w, generation);
    struct beginning *b = &w->generations.each[generation - 1].beginning;
    struct k_preflight found;
    struct k_past past;
    struct k_arena arena;
    struct k_error err;
    if (k_preflight(log, graph->plan, &b->starts, &found, &err)) {
        world_fail(w, "generation %u would be refused: %s", (unsigned)generation, err.text);
        return;
    }
    k_arena_init(&arena);
    k_past_make(graph->plan, &found, &arena, &past);
    for (uint32_t t = 0; t < graph->table_count; t++)
        for (uint32_t i = 0; i < past.count; i++)
            if (strcmp(past.items[i].name, graph->tables[t]) == 0) b->named |= 1u << t;
    k_arena_fini(&arena);
    k_preflight_fini(&found);
}
