// The verdict: what the cluster committed against what the reference computes in the order that the journal tells.
#include <stdio.h>
#include <stdlib.h>

#include "base/json_out.h"
#include "state/table.h"
#include "tests/sim/readers.h"
#include "tests/sim/change.h"
#include "tests/sim/judge_made.h"
#include "tests/sim/taking.h"

// --- topics ---

static void visit_message(void *context, const struct k_message *message)
{
    lines_add_message(context, message->has_key, message->key, message->has_value, message->value);
}

struct letters {
    const struct scenario *scenario;
    struct lines lines;
};

static void visit_dead_letter(void *context, const struct k_message *message)
{
    struct letters *letters = context;
    if (scenario_is_loose(letters->scenario, lines_header(message, "kappa.node"))) return;
    lines_add_letter(&letters->lines, message);
}

static void read_topic(struct world *w, const char *topic, k_cloud_visit visit, void *context)
{
    for (int32_t p = 0; p < PARTITIONS_MAX; p++) k_cloud_read(w->cloud, topic, p, visit, context);
}

static void read_reference(struct reference **references, uint32_t shards, const char *topic, struct lines *lines)
{
    for (uint32_t i = 0; i < shards; i++) {
        uint32_t count;
        const struct reference_message *messages = reference_topic(references[i], topic, &count);
        for (uint32_t m = 0; m < count; m++)
            lines_add_message(lines, messages[m].has_key, messages[m].key, messages[m].has_value, messages[m].value);
    }
}

static void judge_topic(struct world *w, struct reference **references, const char *topic, bool updating,
                        bool ordered)
{
    struct lines got = {0}, wanted = {0};
    char what[64];
    snprintf(what, sizeof what, "topic %s%s", topic,
             updating  ? " (the last of each key)"
             : ordered ? " (in order)"
                       : "");
    read_topic(w, topic, visit_message, &got);
    w->stats.outputs += got.count;
    read_reference(references, w->scenario.shards, topic, &wanted);
    if (updating) lines_keep_last(&got), lines_keep_last(&wanted);
    if (ordered) {
        lines_sort_by_key(&got);
        lines_sort_by_key(&wanted);
        lines_compare_in_order(w, what, &got, &wanted);
    } else {
        lines_compare(w, what, &got, &wanted);
    }
    lines_free(&got);
    lines_free(&wanted);
}

static void judge_dead_letters(struct world *w, struct reference **references)
{
    struct lines wanted = {0};
    struct letters letters_got = {.scenario = &w->scenario};
    read_topic(w, w->scenario.dead_letters, visit_dead_letter, &letters_got);
    w->stats.features.dead_letters += letters_got.lines.count;
    for (uint32_t i = 0; i < w->scenario.shards; i++) {
        uint32_t count;
        const struct reference_dead_letter *letters = reference_dead_letters(references[i], &count);
        for (uint32_t d = 0; d < count; d++) {
            if (scenario_is_loose(&w->scenario, k_str_of(letters[d].node))) continue;
            lines_add_reference_letter(&wanted, &letters[d]);
        }
    }
    lines_compare(w, "dead letters", &letters_got.lines, &wanted);
    lines_free(&letters_got.lines);
    lines_free(&wanted);
}

// --- tables and counters of one disk ---

static void read_rows(struct reference *reference, const char *table, struct lines *lines)
{
    uint32_t count;
    struct k_buf text = {0};
    const struct reference_row *rows = reference_table(reference, table, &count);
    for (uint32_t i = 0; i < count; i++) {
        k_buf_add(&text, rows[i].row_json.data, rows[i].row_json.length);
        lines_add(lines, &text);
    }
    k_buf_fini(&text);
}

void judge_table(struct world *w, struct reference *reference, struct k_store *store, const char *table,
                        const char *where, int64_t frontier_us)
{
    struct lines got = {0}, wanted = {0};
    char what[64];
    snprintf(what, sizeof what, "table %s of %s", table, where);
    rows_of_store(w, store, table, frontier_us, &got);
    read_rows(reference, table, &wanted);
    w->stats.table_rows += wanted.count;
    lines_compare(w, what, &got, &wanted);
    lines_free(&got);
    lines_free(&wanted);
}

static void counter_line(struct lines *lines, const char *name, const uint64_t c[6])
{
    struct k_buf text = {0};
    static const char *const names[] = {"in", "processed", "filtered", "late", "dropped", "dead_lettered"};
    k_buf_add_text(&text, name);
    for (int i = 0; i < 6; i++) k_buf_printf(&text, " %s=%llu", names[i], (unsigned long long)c[i]);
    lines_add(lines, &text);
    k_buf_fini(&text);
}

static bool is_counted(const struct walk *walk, const struct worker *worker, const char *node)
{
    return !scenario_is_loose(walk->scenario, k_str_of(node)) &&
           !taking_begins_later(walk->w, worker, walk->shard, node);
}

static void judge_counters(const struct walk *walk, const struct worker *worker,
                           const Kappa__Internal__Position *position, const char *where)
{
    struct world *w = walk->w;
    struct lines got = {0}, wanted = {0};
    char what[64];
    uint32_t count;
    snprintf(what, sizeof what, "counters of %s", where);
    for (size_t i = 0; i < position->n_counters; i++) {
        const Kappa__Internal__Position__Counters *c = position->counters[i];
        uint64_t all[6] = {c->in, c->processed, c->filtered, c->late, c->dropped, c->dead_lettered};
        w->stats.features.late_rows += c->late;
        if (is_counted(walk, worker, c->node)) counter_line(&got, c->node, all);
        if (c->in != c->processed + c->filtered + c->late + c->dropped + c->dead_lettered)
            world_fail(w, "%s: the sum of %s does not hold", what, c->node);
    }
    const struct reference_counters *counters = reference_counters(walk->reference, &count);
    for (uint32_t i = 0; i < count; i++) {
        const struct reference_counters *c = &counters[i];
        uint64_t all[6] = {c->in, c->processed, c->filtered, c->late, c->dropped, c->dead_lettered};
        if (is_counted(walk, worker, c->name)) counter_line(&wanted, c->name, all);
    }
    lines_compare(w, what, &got, &wanted);
    lines_free(&got);
    lines_free(&wanted);
}

// Every worker has followed to the end or led there, so every disk must hold the same.
static void judge_disk(struct world *w, const struct walk *walk, struct worker *worker)
{
    struct k_store *store;
    struct k_error err;
    char where[32];
    struct disk *disk = &worker->disks[walk->shard];
    snprintf(where, sizeof where, "%s, shard %u", worker->name, walk->shard);
    Kappa__Internal__Position *position = disk_position(disk);
    if (!position) {
        world_fail(w, "%s has no checkpoint", where);
        return;
    }
    if (position->final && position->sequence <= walk->point.sequence) {
        judge_counters(walk, worker, position, where);
        w->stats.take_judged += worker->taking.from[walk->shard] != 0;
        if (disk_open(disk, false, &store, &err)) {
            world_fail(w, "%s cannot be opened: %s", where, err.text);
        } else {
            int64_t frontier_us = position->has_frontier_us ? position->frontier_us : INT64_MIN;
            for (uint32_t t = 0; t < walk->scenario->table_count && !w->failure.length; t++)
                judge_table(w, walk->reference, store, walk->scenario->tables[t], where, frontier_us);
            store->ops->close(store);
        }
    } else {
        world_fail(w, "%s stands at journal record %llu (%s), the journal ends at %llu", where,
                   (unsigned long long)position->sequence, position->final ? "final" : "not final",
                   (unsigned long long)walk->point.sequence);
    }
    kappa__internal__position__free_unpacked(position, NULL);
}

// --- any other interleaving ---

static void read_letters(struct reference *reference, struct lines *lines)
{
    uint32_t count;
    const struct reference_dead_letter *letters = reference_dead_letters(reference, &count);
    for (uint32_t i = 0; i < count; i++) {
        struct k_buf text = {0};
        if (!letters[i].topic) continue; // of a row on its way to a net: how many there are is open
        k_buf_printf(&text, "%s %s %s %d %lld", letters[i].node, letters[i].reason, letters[i].topic,
                     letters[i].partition, (long long)letters[i].offset);
        lines_add(lines, &text);
        k_buf_fini(&text);
    }
}

static void compare_orders(struct world *w, struct lines *one, struct lines *other, const char *name)
{
    char what[96];
    snprintf(what, sizeof what, "%s in another interleaving (\"engine\": the journal's; \"reference\": the other)",
             name);
    lines_compare(w, what, one, other);
    lines_free(one);
    lines_free(other);
}

// All that the graphs do here is pure: whatever the interleaving of the partitions, the results are the same. (Not so:
// tables in which the last row wins; and idleness, which moves watermarks by the journal's clock.)
static void judge_interleaving(struct world *w, struct reference *reference)
{
    const struct scenario *s = generation_graph(w, 1);
    if (s->shards > 1 || s->idle) return;
    // What is of a source that another graph lacks may not be in the journal.
    for (uint32_t n = 2; n <= w->generations.count; n++)
        for (uint32_t i = 0; i < s->source_count; i++)
            if (!scenario_reads(generation_graph(w, n), s->sources[i].name)) return;
    struct reference *other = walk_partitions(w);
    for (uint32_t i = 0; i < s->sink_count && other; i++) {
        struct lines a = {0}, b = {0};
        read_reference(&reference, 1, s->sinks[i].topic, &a);
        read_reference(&other, 1, s->sinks[i].topic, &b);
        if (s->sinks[i].updating) lines_keep_last(&a), lines_keep_last(&b);
        compare_orders(w, &a, &b, s->sinks[i].topic);
    }
    for (uint32_t i = 0; i < s->late_count && other; i++) {
        struct lines a = {0}, b = {0};
        read_reference(&reference, 1, s->late_topics[i], &a);
        read_reference(&other, 1, s->late_topics[i], &b);
        compare_orders(w, &a, &b, s->late_topics[i]);
    }
    for (uint32_t i = 0; i < s->table_count && other; i++) {
        struct lines a = {0}, b = {0};
        if (s->overwritten[i]) continue;
        read_rows(reference, s->tables[i], &a);
        read_rows(other, s->tables[i], &b);
        compare_orders(w, &a, &b, s->tables[i]);
    }
    struct lines a = {0}, b = {0};
    if (other) {
        read_letters(reference, &a);
        read_letters(other, &b);
        compare_orders(w, &a, &b, "dead letters");
        w->stats.interleaved++;
    }
    reference_destroy(other);
}

// Whether all generations write the same to this sink.
static bool is_kept(const struct world *w, const char *sink)
{
    bool kept = true;
    for (uint64_t n = 1; n <= w->generations.count && kept; n++) {
        const struct beginning *beginning = &generation_of(w, n)->beginning;
        kept = generation_agrees(w, n) ||
               (!beginning->later && !beginning->cut &&
                change_keeps(generation_graph(w, 1), generation_graph(w, n), sink));
    }
    return kept;
}

void judge(struct world *w)
{
    struct judging *j = k_new(struct judging);
    struct reference *references[SHARDS_MAX] = {0};
    const struct scenario *s = &w->scenario;
    uint64_t generations = w->generations.count;
    j->w = w;
    for (uint64_t g = 1; g <= generations; g++)
        for (uint32_t i = 0; i < s->shards && !w->failure.length; i++)
            references[i] = walk_journal(w, i, g, judging_walk(j, g, i));
    for (uint32_t i = 0; i < s->shards; i++) references[i] = j->walks[0][i].reference;
    bool all = generations_agree(w);
    for (uint32_t i = 0; i < s->sink_count && !w->failure.length; i++)
        if (is_kept(w, s->sinks[i].name))
            judge_topic(w, references, s->sinks[i].topic, s->sinks[i].updating, s->sinks[i].ordered);
    for (uint32_t i = 0; i < s->late_count && !w->failure.length && all; i++)
        judge_topic(w, references, s->late_topics[i], false, false);
    if (!w->failure.length && all) judge_dead_letters(w, references);
    if (!w->failure.length && generations > 1) judge_made(j);
    for (uint64_t g = 1; g <= generations && !w->failure.length; g++)
        if (generation_of(w, g)->suffix) judge_suffixed(j, generation_of(w, g));
    for (uint32_t i = 0; i < s->shards; i++)
        for (uint32_t k = 0; k < w->worker_count && !w->failure.length; k++)
            if (!w->workers[k].gone) judge_disk(w, judging_walk(j, w->workers[k].generation, i), &w->workers[k]);
    if (!w->failure.length) judge_interleaving(w, references[0]);
    if (w->generations.there && !w->failure.length) generations_judge(w);
    if (!w->failure.length) uses_judge(j);
    for (uint64_t g = 2; g <= generations && !w->failure.length; g++) judge_cut(j, g);
    for (uint64_t g = 1; g <= generations; g++)
        for (uint32_t i = 0; i < s->shards; i++) walk_fini(judging_walk(j, g, i));
    free(j);
}
