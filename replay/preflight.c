// The first record of each journal says which graph began it, which topics it reads and from which offsets on.
#include "replay/preflight.h"

#include "engine/journal.h"

#include <stdio.h>
#include <stdlib.h>

enum { FETCH_US = 200000, FETCHES_MAX = 50 };

typedef Kappa__Internal__JournalRecord Record;
typedef Kappa__Internal__JournalRecord__Leadership Leadership;

#define TRY(call)                \
    do {                         \
        int code_ = (call);      \
        if (code_) return code_; \
    } while (0)

static int read_first(struct k_log *log, const char *graph, uint32_t shard, const char *topic, Record **ret,
                      struct k_error *err)
{
    struct k_reader *reader;
    const struct k_message *const *messages;
    uint32_t count = 0;
    TRY(log->ops->reader_open(log, topic, 0, 0, &reader, err));
    int code = 0;
    for (int i = 0; i < FETCHES_MAX && !code && count == 0; i++)
        code = log->ops->fetch(reader, 1, 1 << 20, FETCH_US, &messages, &count, err);
    struct k_journal_point point = {0};
    if (!code && count == 0) code = k_fail(err, K_E_TIMEOUT, "topic %s does not show its first record", topic);
    if (!code) code = k_journal_decode(messages[0], graph, shard, &point, ret, err);
    log->ops->reader_close(reader);
    return code;
}

static int32_t find_source(const struct k_plan *plan, const Kappa__Internal__JournalRecord__Input *input)
{
    for (uint32_t s = 0; s < plan->source_count && input->source && input->topic; s++)
        if (strcmp(plan->sources[s].name, input->source) == 0 && strcmp(plan->sources[s].topic, input->topic) == 0)
            return (int32_t)s;
    return -1;
}

static int check_leadership(const struct k_plan *plan, const Leadership *said, struct k_error *err)
{
    if (said->shards != plan->shards)
        return k_fail(err, K_E_CONFIG,
                      "the pipeline has %u shards, --shards says %u; the number is fixed for the life of its journal",
                      said->shards, plan->shards);
    for (uint32_t s = 0; s < plan->source_count; s++) {
        bool there = false;
        for (size_t i = 0; i < said->n_input; i++) there |= find_source(plan, said->input[i]) == (int32_t)s;
        if (!there)
            return k_fail(err, K_E_CONFIG,
                          "source \"%s\" (topic %s) is new: the pipeline's journal does not order its records. A "
                          "generation can leave sources out, but not yet add any; give the graph another name",
                          plan->sources[s].name, plan->sources[s].topic);
    }
    return 0;
}

static int64_t start_of(const struct k_starts *starts, const char *topic, uint32_t partition)
{
    for (uint32_t i = 0; starts && i < starts->count; i++)
        if (starts->items[i].partition == (int32_t)partition && strcmp(starts->items[i].topic, topic) == 0)
            return starts->items[i].offset;
    return 0;
}

// Where the journal begins in each partition, against what the log still has.
static int check_ranges(struct k_log *log, const struct k_plan *plan, uint32_t shard, const Record *record,
                        const struct k_starts *starts, struct k_preflight *found, struct k_error *err)
{
    for (size_t i = 0; i < record->n_range; i++) {
        const Kappa__Internal__JournalRecord__Range *range = record->range[i];
        if (range->input >= record->leadership->n_input) continue;
        const Kappa__Internal__JournalRecord__Input *input = record->leadership->input[range->input];
        int32_t s = find_source(plan, input);
        int64_t start, end, from = range->first, own;
        if (s < 0) continue;
        own = start_of(starts, plan->sources[s].topic, range->partition);
        if (own > from) from = own;
        TRY(log->ops->offsets(log, plan->sources[s].topic, (int32_t)range->partition, true, &start, &end, err));
        if (start > from && !input->embedded) // what is embedded stands in the journal itself
            return k_fail(err, K_E_LOST_RANGE,
                          "topic %s, partition %u: %s begins at offset %lld, the log now at %lld; offsets %lld "
                          "to %lld are gone",
                          plan->sources[s].topic, range->partition, own ? "the generation" : "the journal",
                          (long long)from, (long long)start, (long long)from, (long long)start - 1);
        if (end < from) end = from;
        found->records += (uint64_t)(end - from);
        found->ranges = k_realloc(found->ranges, (found->range_count + 1) * sizeof *found->ranges);
        found->ranges[found->range_count++] = (struct k_preflight_range){.topic = plan->sources[s].topic,
                                                                         .partition = (int32_t)range->partition,
                                                                         .shard = shard,
                                                                         .from = from,
                                                                         .end = end,
                                                                         .embedded = input->embedded};
    }
    return 0;
}

static int look_at(struct k_log *log, const struct k_plan *plan, uint32_t shard, const struct k_starts *starts,
                   struct k_preflight *found, struct k_error *err)
{
    char topic[300];
    int64_t start, end;
    snprintf(topic, sizeof topic, "%s.journal.%u", plan->name, shard);
    int code = log->ops->offsets(log, topic, 0, true, &start, &end, err);
    if (code == K_E_NOT_FOUND || (!code && end == 0))
        return k_fail(err, K_E_NOT_FOUND,
                      "pipeline \"%s\" has no journal yet, so there is nothing to replay; kappa run begins it",
                      plan->name);
    if (code) return code;
    if (start > 0)
        return k_fail(err, K_E_LOST_RANGE, "topic %s begins at offset %lld: what it ordered before is gone", topic,
                      (long long)start);
    Record *record;
    TRY(read_first(log, plan->name, shard, topic, &record, err));
    if (!record->leadership) code = k_fail(err, K_E_CORRUPT, "topic %s does not begin with a leadership", topic);
    if (!code) code = check_leadership(plan, record->leadership, err);
    if (!code) code = check_ranges(log, plan, shard, record, starts, found, err);
    if (!code && record->leadership->fingerprint)
        snprintf(found->fingerprint, sizeof found->fingerprint, "%s", record->leadership->fingerprint);
    found->journal_records += (uint64_t)end;
    kappa__internal__journal_record__free_unpacked(record, NULL);
    return code;
}

int k_preflight(struct k_log *log, const struct k_plan *plan, const struct k_starts *starts, struct k_preflight *ret,
                struct k_error *err)
{
    *ret = (struct k_preflight){0};
    int code = 0;
    for (uint32_t s = 0; s < plan->shards && !code; s++) code = look_at(log, plan, s, starts, ret, err);
    if (code) k_preflight_fini(ret);
    return code;
}

void k_preflight_fini(struct k_preflight *found)
{
    free(found->ranges);
    found->ranges = NULL;
    found->range_count = 0;
}
