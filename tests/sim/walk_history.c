// What lies before the journal, told to the reference as docs/journal.md has it: all partitions together, by event
// time, then input, then offset, each up to where the journal orders it.
#include "tests/sim/walk.h"

struct past { // a partition's records [at, end) of the input
    uint32_t source, partition, at, end;
    int64_t time_us; // of the first of them
};

static const struct record *record_at(const struct walk *walk, const struct past *past, uint32_t at)
{
    return &walk->w->input.records[past->source][past->partition].items[at];
}

static void look(const struct walk *walk, struct past *past)
{
    if (past->at == past->end) return;
    const char *source = walk->w->scenario.sources[past->source].name;
    struct reference_record record = walk_record_of(past->partition, record_at(walk, past, past->at));
    past->time_us = reference_time(walk->reference, source, &record);
}

static int64_t join_of(const struct walk *walk, uint64_t generation, uint32_t source, uint32_t partition)
{
    const struct world *w = walk->w;
    return beginning_join(&generation_of(w, generation)->beginning, w->scenario.sources[source].topic, partition);
}

static uint32_t place_of(const struct walk *walk, uint32_t source, uint32_t partition, int64_t offset)
{
    const struct records *records = &walk->w->input.records[source][partition];
    uint32_t at = 0;
    while (at < records->count && records->items[at].offset < offset) at++;
    return at;
}

static void join_one(struct walk *walk, uint32_t source, uint32_t partition, int64_t stands)
{
    struct world *w = walk->w;
    const struct records *records = &w->input.records[source][partition];
    uint32_t *at = &walk->at[source][partition];
    if (stands <= walk->next[source][partition]) return;
    // Nothing but markers lies between, unless the source joins the journal here.
    int64_t join = join_of(walk, walk->leading, source, partition);
    for (; *at < records->count && records->items[*at].offset < stands && !w->failure.length; ++*at) {
        if (records->items[*at].offset >= join)
            world_fail(w, "a leadership skips a record of %s", w->scenario.sources[source].topic);
        bool history = walk->from || records->items[*at].offset < walk_history_end(walk, source, partition);
        if (!history) walk_feed(walk, source, partition, &records->items[*at]);
    }
    walk->next[source][partition] = stands;
}

void walk_join(struct walk *walk, const Kappa__Internal__JournalRecord *record)
{
    const struct world *w = walk->w;
    for (size_t i = 0; i < record->leadership->n_input; i++) {
        const Kappa__Internal__JournalRecord__Input *input = record->leadership->input[i];
        uint32_t source = i < walk->input_count ? walk->inputs[i] : SOURCES_MAX;
        for (size_t n = 0; n < input->n_next && source < w->scenario.source_count; n++) {
            uint32_t partition = (uint32_t)n * w->scenario.shards + walk->shard;
            int64_t stands = input->next[n];
            for (size_t r = record->n_range; r-- > 0;)
                if (record->range[r]->input == i && record->range[r]->partition == partition)
                    stands = record->range[r]->first;
            join_one(walk, source, partition, stands);
        }
    }
}

int64_t walk_history_end(const struct walk *walk, uint32_t source, uint32_t partition)
{
    int64_t join = join_of(walk, walk->generation, source, partition);
    return join >= 0 ? join : walk->history[source][partition];
}

// What the generation leaves out does not count in the order either.
static struct past past_of(struct walk *walk, uint32_t source, uint32_t partition)
{
    const char *topic = walk->w->scenario.sources[source].topic;
    int64_t begin = beginning_offset(walk->w, walk->generation, topic, partition);
    int64_t end = walk_history_end(walk, source, partition);
    struct past past = {.source = source, .partition = partition, .end = place_of(walk, source, partition, end)};
    past.at = place_of(walk, source, partition, begin < end ? begin : end);
    walk->w->stats.left_out += past.at;
    look(walk, &past);
    return past;
}

// Partitions that were added, and have a history.
static void begin_rests(struct walk *walk)
{
    const struct world *w = walk->w;
    for (uint32_t s = 0; s < w->scenario.source_count; s++)
        for (uint32_t p = walk->shard; p < (uint32_t)w->scenario.sources[s].partitions; p += w->scenario.shards)
            if (walk->read[s] && join_of(walk, walk->generation, s, p) >
                                     beginning_offset(w, walk->generation, w->scenario.sources[s].topic, p))
                reference_join(walk->reference, w->scenario.sources[s].name, (int32_t)p);
}

void walk_history(struct walk *walk, int64_t clock_us)
{
    struct world *w = walk->w;
    struct past pasts[SOURCES_MAX * PARTITIONS_MAX], *least;
    uint32_t count = 0;
    memcpy(walk->history, walk->next, sizeof walk->history);
    for (uint32_t s = 0; s < w->scenario.source_count; s++)
        for (uint32_t p = walk->shard; p < (uint32_t)w->scenario.sources[s].partitions; p += w->scenario.shards)
            if (walk->read[s]) pasts[count++] = past_of(walk, s, p);
    do {
        least = NULL;
        for (uint32_t i = 0; i < count; i++)
            if (pasts[i].at < pasts[i].end && (!least || pasts[i].time_us < least->time_us)) least = &pasts[i];
        if (!least) break;
        walk_feed(walk, least->source, least->partition, record_at(walk, least, least->at++));
        look(walk, least);
        w->stats.history_fed++;
    } while (!w->failure.length);
    if (clock_us != INT64_MIN && !w->failure.length) walk_settle(walk, clock_us, NULL, 0);
    begin_rests(walk);
}
