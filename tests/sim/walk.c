// The journal, checked against the input and told to the reference.
//
// It is trusted only as far as it agrees with the input itself: its ranges follow each other without gap or overlap,
// hold every committed record of every partition, and nothing else.
#include "tests/sim/walk.h"

#include <stdio.h>
#include <stdlib.h>

typedef Kappa__Internal__JournalRecord Record;

static void feed(struct walk *walk, uint32_t source, uint32_t partition, const struct record *record)
{
    struct reference_record r = {(int32_t)partition, record->offset, record->timestamp_us, record->key, record->value,
                                 record->has_key, record->has_value, NULL, 0};
    struct k_error err;
    if (reference_feed(walk->reference, walk->w->scenario.sources[source].name, &r, &err))
        world_fail(walk->w, "the reference refuses a record: %s", err.text);
}

static void walk_range(struct walk *walk, const Kappa__Internal__JournalRecord__Range *range, uint64_t sequence)
{
    struct world *w = walk->w;
    uint32_t s = range->input, p = range->partition;
    if (s >= w->scenario.source_count || p >= (uint32_t)w->scenario.sources[s].partitions ||
        p % w->scenario.shards != walk->shard) {
        world_fail(w, "journal record %llu names input %u, partition %u", (unsigned long long)sequence, s, p);
        return;
    }
    const struct records *records = &w->input.records[s][p];
    if (range->first != walk->next[s][p])
        world_fail(w, "journal record %llu continues %s, partition %u at %lld, the one before ended at %lld",
                   (unsigned long long)sequence, w->scenario.sources[s].topic, p, (long long)range->first,
                   (long long)walk->next[s][p]);
    uint32_t count = 0;
    while (walk->at[s][p] < records->count && records->items[walk->at[s][p]].offset < range->next) {
        feed(walk, s, p, &records->items[walk->at[s][p]++]);
        count++;
    }
    if (count != range->count)
        world_fail(w, "journal record %llu: %s, partition %u, offsets %lld to %lld has %u records, not %u",
                   (unsigned long long)sequence, w->scenario.sources[s].topic, p, (long long)range->first,
                   (long long)range->next - 1, count, range->count);
    walk->next[s][p] = range->next;
}

static void walk_boundary(struct walk *walk, const Record *record)
{
    struct world *w = walk->w;
    struct reference_partition ends[SOURCES_MAX * PARTITIONS_MAX];
    uint32_t count = 0;
    for (size_t i = 0; i < record->n_at_end; i++) {
        uint32_t s = record->at_end[i]->input, p = record->at_end[i]->partition;
        const struct records *records = &w->input.records[s][p];
        if (walk->at[s][p] < records->count && records->items[walk->at[s][p]].offset < record->at_end[i]->next)
            world_fail(w, "journal record %llu skips a record of %s, partition %u",
                       (unsigned long long)record->sequence, w->scenario.sources[s].topic, p);
        if (record->at_end[i]->next > walk->next[s][p]) walk->next[s][p] = record->at_end[i]->next;
        ends[count++] = (struct reference_partition){w->scenario.sources[s].name, (int32_t)p};
    }
    if (walk->final) return;
    struct k_error err;
    reference_boundary(walk->reference, record->clock_us, ends, count);
    int code = record->final ? reference_final(walk->reference, &err) : reference_settle(walk->reference, &err);
    if (code) world_fail(w, "the reference stops: %s", err.text);
    walk->final = record->final;
}

static void note_leader(struct walk *walk, const Record *record)
{
    if (record->leadership)
        walk->leading = record->leadership->generation && strcmp(record->leadership->generation, "2") == 0 ? 2 : 1;
    if (walk->lead_count == walk->lead_capacity) {
        walk->lead_capacity = walk->lead_capacity ? walk->lead_capacity * 2 : 64;
        walk->leads = k_realloc(walk->leads, walk->lead_capacity);
    }
    walk->leads[walk->lead_count++] = walk->leading;
}

void walk_fini(struct walk *walk)
{
    reference_destroy(walk->reference);
    free(walk->leads);
}

static void walk_record(void *context, const struct k_message *message)
{
    struct walk *walk = context;
    struct k_error err;
    Record *record;
    if (walk->w->failure.length) return;
    int code = k_journal_decode(message, "sim", walk->shard, &walk->point, &record, &err);
    if (code) {
        world_fail(walk->w, "the journal of shard %u is broken: %s", walk->shard, err.text);
        return;
    }
    walk->w->stats.journal_records++;
    note_leader(walk, record);
    if (walk->final && record->n_range) world_fail(walk->w, "ranges behind the declared end of the input");
    for (size_t i = 0; i < record->n_range && !walk->w->failure.length; i++)
        walk_range(walk, record->range[i], record->sequence);
    if (!walk->w->failure.length) walk_boundary(walk, record);
    kappa__internal__journal_record__free_unpacked(record, NULL);
}

static void check_ends(struct walk *walk)
{
    struct world *w = walk->w;
    char group[32];
    snprintf(group, sizeof group, "sim.shard.%u", walk->shard);
    for (uint32_t s = 0; s < w->scenario.source_count; s++) {
        for (int32_t p = (int32_t)walk->shard; p < w->scenario.sources[s].partitions;
             p += (int32_t)w->scenario.shards) {
            const char *topic = w->scenario.sources[s].topic;
            if (walk->at[s][p] != w->input.records[s][p].count)
                world_fail(w, "%s, partition %d: %u records of %u are in the journal", topic, p, walk->at[s][p],
                           w->input.records[s][p].count);
            int64_t offset = k_cloud_group_offset(w->cloud, group, topic, p);
            if (offset > walk->next[s][p])
                world_fail(w, "%s, partition %d: the group stands at %lld, ahead of the journal's %lld", topic, p,
                           (long long)offset, (long long)walk->next[s][p]);
        }
    }
    if (!walk->final) world_fail(w, "the journal of shard %u does not say that the input is complete", walk->shard);
}

static bool open_reference(struct walk *walk)
{
    struct world *w = walk->w;
    int32_t partitions[SOURCES_MAX];
    struct k_error err;
    for (uint32_t s = 0; s < w->scenario.source_count; s++) partitions[s] = w->scenario.sources[s].partitions;
    if (reference_create(k_graph_message(w->scenario.graph), partitions, &walk->reference, &err)) {
        world_fail(w, "the reference refuses the graph: %s", err.text);
        return false;
    }
    for (uint32_t s = 0; s < w->scenario.source_count; s++)
        for (int32_t p = 0; p < partitions[s]; p++)
            if ((uint32_t)p % w->scenario.shards != walk->shard)
                reference_disown(walk->reference, (struct reference_partition){w->scenario.sources[s].name, p});
    return true;
}

struct reference *walk_partitions(struct world *w)
{
    struct walk walk = {.w = w};
    struct k_error err;
    if (!open_reference(&walk)) return NULL;
    for (uint32_t s = 0; s < w->scenario.source_count; s++)
        for (uint32_t p = 0; p < (uint32_t)w->scenario.sources[s].partitions; p++)
            for (uint32_t i = 0; i < w->input.records[s][p].count; i++)
                feed(&walk, s, p, &w->input.records[s][p].items[i]);
    reference_boundary(walk.reference, k_cloud_now(w->cloud), NULL, 0);
    if (reference_final(walk.reference, &err)) world_fail(w, "the reference stops: %s", err.text);
    return walk.reference;
}

struct reference *walk_journal(struct world *w, uint32_t shard, struct walk *walk)
{
    *walk = (struct walk){.w = w, .shard = shard};
    if (!open_reference(walk)) return NULL;
    char topic[32];
    snprintf(topic, sizeof topic, "sim.journal.%u", shard);
    k_cloud_read(w->cloud, topic, 0, walk_record, walk);
    if (!w->failure.length) check_ends(walk);
    return walk->reference;
}
