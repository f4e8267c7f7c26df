// The journal, checked against the input and told to the reference.
//
// It is trusted only as far as it agrees with the input itself: its ranges follow each other without gap or overlap,
// hold every committed record of every partition, and nothing else.
#include "tests/sim/walk.h"

#include <stdio.h>
#include <stdlib.h>

typedef Kappa__Internal__JournalRecord Record;

uint32_t walk_topic_count(const struct world *w)
{
    return w->scenario.sink_count + w->scenario.late_count + 1;
}

const char *walk_topic(const struct world *w, uint32_t number)
{
    const struct scenario *s = &w->scenario;
    if (number < s->sink_count) return s->sinks[number].topic;
    number -= s->sink_count;
    return number < s->late_count ? s->late_topics[number] : s->dead_letters;
}

struct reference_record walk_record_of(uint32_t partition, const struct record *record)
{
    return (struct reference_record){(int32_t)partition, record->offset, record->timestamp_us,
                                     record->key,        record->value,  record->has_key,
                                     record->has_value,  NULL,           0};
}

void walk_feed(struct walk *walk, uint32_t source, uint32_t partition, const struct record *record)
{
    if (!walk->read[source]) return;
    const char *topic = walk->w->scenario.sources[source].topic;
    if (record->offset < beginning_offset(walk->w, walk->generation, topic, partition)) {
        walk->w->stats.left_out++;
        return;
    }
    struct reference_record r = walk_record_of(partition, record);
    struct k_error err;
    if (reference_feed(walk->reference, walk->w->scenario.sources[source].name, &r, &err))
        world_fail(walk->w, "the reference refuses a record: %s", err.text);
}

static void walk_range(struct walk *walk, const Kappa__Internal__JournalRecord__Range *range, uint64_t sequence)
{
    struct world *w = walk->w;
    uint32_t s = range->input < walk->input_count ? walk->inputs[range->input] : SOURCES_MAX, p = range->partition;
    if (s >= w->scenario.source_count || p >= (uint32_t)w->scenario.sources[s].partitions ||
        p % w->scenario.shards != walk->shard) {
        world_fail(w, "journal record %llu names input %u, partition %u", (unsigned long long)sequence, range->input,
                   p);
        return;
    }
    const struct records *records = &w->input.records[s][p];
    if (range->first != walk->next[s][p])
        world_fail(w, "journal record %llu continues %s, partition %u at %lld, the one before ended at %lld",
                   (unsigned long long)sequence, w->scenario.sources[s].topic, p, (long long)range->first,
                   (long long)walk->next[s][p]);
    uint32_t count = 0;
    while (walk->at[s][p] < records->count && records->items[walk->at[s][p]].offset < range->next) {
        const struct record *one = &records->items[walk->at[s][p]++];
        if (!walk->from && one->offset >= walk_history_end(walk, s, p)) walk_feed(walk, s, p, one);
        count++;
    }
    if (count != range->count)
        world_fail(w, "journal record %llu: %s, partition %u, offsets %lld to %lld has %u records, not %u",
                   (unsigned long long)sequence, w->scenario.sources[s].topic, p, (long long)range->first,
                   (long long)range->next - 1, count, range->count);
    walk->next[s][p] = range->next;
}

void walk_settle(struct walk *walk, int64_t clock_us, const struct reference_partition *ends, uint32_t count)
{
    struct k_error err;
    reference_boundary(walk->reference, clock_us, ends, count);
    int code = walk->final ? reference_final(walk->reference, &err) : reference_settle(walk->reference, &err);
    if (code) world_fail(walk->w, "the reference stops: %s", err.text);
}

static void walk_boundary(struct walk *walk, const Record *record)
{
    struct world *w = walk->w;
    struct reference_partition ends[SOURCES_MAX * PARTITIONS_MAX];
    uint32_t count = 0;
    for (size_t i = 0; i < record->n_at_end; i++) {
        uint32_t input = record->at_end[i]->input, p = record->at_end[i]->partition;
        uint32_t s = input < walk->input_count ? walk->inputs[input] : SOURCES_MAX;
        if (s >= w->scenario.source_count || p >= (uint32_t)w->scenario.sources[s].partitions) {
            world_fail(w, "journal record %llu names input %u, partition %u", (unsigned long long)record->sequence,
                       input, p);
            return;
        }
        const struct records *records = &w->input.records[s][p];
        if (walk->at[s][p] < records->count && records->items[walk->at[s][p]].offset < record->at_end[i]->next)
            world_fail(w, "journal record %llu skips a record of %s, partition %u",
                       (unsigned long long)record->sequence, w->scenario.sources[s].topic, p);
        if (record->at_end[i]->next > walk->next[s][p]) walk->next[s][p] = record->at_end[i]->next;
        // What was its end when it had what is history here is no rest behind that.
        bool counts = walk->read[s] && record->at_end[i]->next >= walk_history_end(walk, s, p);
        if (counts) ends[count++] = (struct reference_partition){w->scenario.sources[s].name, (int32_t)p};
    }
    if (walk->final && !walk->from) return;
    walk->final |= record->final;
    if (!walk->from) walk_settle(walk, record->clock_us, ends, count);
}

static void take_inputs(struct walk *walk, const Kappa__Internal__JournalRecord__Leadership *said)
{
    const struct scenario *s = &walk->w->scenario;
    walk->input_count = 0;
    for (size_t i = 0; i < said->n_input && i < SOURCES_MAX; i++) {
        uint32_t at = 0;
        while (at < s->source_count && strcmp(s->sources[at].name, said->input[i]->source) != 0) at++;
        walk->inputs[walk->input_count++] = at;
    }
}

static void note_record(struct walk *walk, const Record *record)
{
    const Kappa__Internal__JournalRecord__Leadership *said = record->leadership;
    if (walk->count == walk->capacity) {
        walk->capacity = walk->capacity ? walk->capacity * 2 : 64;
        walk->records = k_realloc(walk->records, walk->capacity * sizeof *walk->records);
    }
    struct walked *noted = &walk->records[walk->count++], *before = walk->count > 1 ? noted - 1 : NULL;
    *noted = (struct walked){.work_left = record->work_left, .control_seq = before ? before->control_seq : 0};
    if (said) {
        walk->leading = said->generation ? (uint8_t)strtoul(said->generation, NULL, 10) : 1;
        take_inputs(walk, said);
        if (said->difference_from && said->control_seq > noted->control_seq)
            noted->difference_from = k_arena_format(&walk->w->input.arena, "%s", said->difference_from);
        noted->control_seq = said->control_seq;
    }
    noted->leader = walk->leading;
    if (record->difference) {
        noted->has_difference = true;
        noted->difference_seq = record->difference->seq;
        noted->compared = record->difference->compared;
        noted->written = record->difference->written;
        noted->difference_done = record->difference->done;
    }
}

static void note_made(struct walk *walk)
{
    uint32_t topics = walk_topic_count(walk->w);
    uint32_t *made = k_arena_get(&walk->w->input.arena, topics * sizeof *made);
    for (uint32_t i = 0; i + 1 < topics; i++)
        (void)reference_topic(walk->reference, walk_topic(walk->w, i), &made[i]);
    (void)reference_dead_letters(walk->reference, &made[topics - 1]);
    walk->records[walk->count - 1].made = made;
}

void walk_fini(struct walk *walk)
{
    reference_destroy(walk->reference);
    free(walk->records);
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
    walk->w->stats.journal_records += walk->generation == 1;
    note_record(walk, record);
    if (record->leadership) walk_join(walk, record);
    if (walk->final && record->n_range) world_fail(walk->w, "ranges behind the declared end of the input");
    for (size_t i = 0; i < record->n_range && !walk->w->failure.length; i++)
        walk_range(walk, record->range[i], record->sequence);
    if (!walk->w->failure.length) walk_boundary(walk, record);
    if (walk->from && message->offset == walk->from && !walk->w->failure.length) {
        walk->from = 0;
        walk_history(walk, record->clock_us);
    }
    note_made(walk);
    if (record->mark && !walk->w->failure.length) marks_judge(walk, record->mark);
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
            // Whoever led in the end did not read a source that its graph does not have.
            bool wanted = false;
            for (uint32_t i = 0; i < walk->input_count; i++) wanted |= walk->inputs[i] == s;
            if (wanted && walk->at[s][p] != w->input.records[s][p].count)
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
    const struct scenario *own = walk->scenario;
    int32_t partitions[SOURCES_MAX];
    struct k_error err;
    for (uint32_t s = 0; s < own->source_count; s++) partitions[s] = own->sources[s].partitions;
    if (reference_create(k_graph_message(own->graph), partitions, &walk->reference, &err)) {
        world_fail(w, "the reference refuses the graph: %s", err.text);
        return false;
    }
    for (uint32_t s = 0; s < own->source_count; s++)
        for (int32_t p = 0; p < partitions[s]; p++)
            if ((uint32_t)p % w->scenario.shards != walk->shard)
                reference_disown(walk->reference, (struct reference_partition){own->sources[s].name, p});
    for (uint32_t s = 0; s < w->scenario.source_count; s++)
        walk->read[s] = scenario_reads(own, w->scenario.sources[s].name);
    return true;
}

struct reference *walk_partitions(struct world *w)
{
    struct walk walk = {.w = w, .generation = 1, .scenario = generation_graph(w, 1)};
    struct k_error err;
    if (!open_reference(&walk)) return NULL;
    for (uint32_t s = 0; s < w->scenario.source_count; s++)
        for (uint32_t p = 0; p < (uint32_t)w->scenario.sources[s].partitions; p++)
            for (uint32_t i = 0; i < w->input.records[s][p].count; i++)
                walk_feed(&walk, s, p, &w->input.records[s][p].items[i]);
    reference_boundary(walk.reference, k_cloud_now(w->cloud), NULL, 0);
    if (reference_final(walk.reference, &err)) world_fail(w, "the reference stops: %s", err.text);
    return walk.reference;
}

struct reference *walk_journal(struct world *w, uint32_t shard, uint64_t generation, struct walk *walk)
{
    *walk = (struct walk){.w = w, .shard = shard, .generation = generation};
    walk->scenario = generation_graph(w, generation);
    if (!open_reference(walk)) return NULL;
    char topic[32];
    walk->from = beginning_journal(&generation_of(w, generation)->beginning, shard);
    if (!walk->from) walk_history(walk, INT64_MIN);
    snprintf(topic, sizeof topic, "sim.journal.%u", shard);
    k_cloud_read(w->cloud, topic, 0, walk_record, walk);
    if (!w->failure.length) check_ends(walk);
    return walk->reference;
}
