// The record with which a generation begins says which graph leads there, which topics it reads and where they stand.
#include "replay/preflight.h"

#include "replay/beginning.h"
#include "replay/preflight_records.h"

#include <stdio.h>
#include <stdlib.h>

typedef Kappa__Internal__JournalRecord Record;

static void add(struct k_preflight *found, const struct k_preflight_range *range)
{
    if (range->end <= range->from) return;
    found->records += (uint64_t)(range->end - range->from);
    found->ranges = k_realloc(found->ranges, (found->range_count + 1) * sizeof *found->ranges);
    found->ranges[found->range_count++] = *range;
}

// Where the journal takes up a partition: -1: nobody has begun it.
static int64_t taken_up(const struct k_beginning *b, const struct k_plan *plan, int32_t input, int32_t partition,
                        const struct k_start *start)
{
    if (input < 0) return start->join;
    if (b->from > 0) return k_beginning_next(b, plan, input, (uint32_t)partition);
    for (size_t i = 0; i < b->record->n_range; i++) {
        const Kappa__Internal__JournalRecord__Range *range = b->record->range[i];
        if (range->input == (uint32_t)input && range->partition == (uint32_t)partition) return range->first;
    }
    return -1;
}

static int check_partition(struct k_log *log, const struct k_plan *plan, const struct k_source_plan *source,
                           int32_t partition, uint32_t shard, bool compacted, const struct k_beginning *b,
                           const struct k_start *start, struct k_preflight *found, struct k_error *err)
{
    int32_t input = k_beginning_input(b, source);
    int64_t log_start, end, up = taken_up(b, plan, input, partition, start), own = start ? start->offset : 0;
    bool embedded = input >= 0 && b->inputs[input]->embedded;
    bool past = up >= 0 && (b->from > 0 || input < 0); // what lies before is history
    K_TRY(log->ops->offsets(log, source->topic, partition, true, &log_start, &end, err));
    if (up < 0) up = log_start; // whoever leads next begins it
    int64_t from = past || own > up ? own : up;
    if (log_start > from && (past ? up > from : !embedded)) // what is embedded stands in the journal itself
        return k_fail(
            err, K_E_LOST_RANGE,
            "topic %s, partition %d: %s begins at offset %lld, the log now at %lld; offsets %lld to %lld are "
            "gone",
            source->topic, partition, own || past ? "the generation" : "the journal", (long long)from,
            (long long)log_start, (long long)from, (long long)log_start - 1);
    struct k_preflight_range range = {
        .topic = source->topic, .partition = partition, .shard = shard, .from = from, .compacted = compacted};
    range.history = past;
    range.end = up < end ? up : end;
    if (past) add(found, &range);
    range.history = false;
    range.embedded = embedded;
    range.from = from > up ? from : up;
    range.end = end;
    add(found, &range);
    return 0;
}

static int check_source(struct k_log *log, const struct k_plan *plan, const struct k_source_plan *source,
                        uint32_t shard, const struct k_beginning *b, const struct k_starts *starts,
                        struct k_preflight *found, struct k_error *err)
{
    int32_t input = k_beginning_input(b, source);
    struct k_topic_info info;
    int code = log->ops->topic_info(log, source->topic, &info, err);
    if (code) return k_wrap(err, code, "source \"%s\"", source->name);
    if (input >= 0 && b->inputs[input]->partitions != (uint32_t)info.partitions)
        return k_fail(
            err, K_E_CONFIG,
            "topic %s has %d partitions, and the journal knows %u; partitions were added or taken away, which "
            "moves keys: start a pipeline with another name that reads the topics from their beginning",
            source->topic, info.partitions, b->inputs[input]->partitions);
    for (int32_t p = (int32_t)shard; p < info.partitions; p += (int32_t)plan->shards) {
        const struct k_start *start = starts ? k_starts_find(starts, source->topic, p) : NULL;
        if (input < 0 && (!start || !start->joins))
            return k_fail(err, K_E_CONFIG,
                          "source \"%s\" (topic %s) is new, and nothing says where it joins the pipeline's journal: "
                          "make a new generation (kappa replay start --new)",
                          source->name, source->topic);
        K_TRY(check_partition(log, plan, source, p, shard, info.compacted, b, start, found, err));
    }
    if (input < 0 || !info.compacted || b->inputs[input]->embedded) return 0;
    return k_fail(err, K_E_CONFIG,
                  "topic %s is compacted by now, but the journal from offset %lld on only names its records, which "
                  "vanish: it cannot be followed. Start the pipeline again, so that it holds them from then on, and "
                  "begin behind that",
                  source->topic, (long long)b->from);
}

static int look_at(struct k_log *log, const struct k_plan *plan, uint32_t shard, const struct k_starts *starts,
                   struct k_preflight *found, struct k_error *err)
{
    char topic[300];
    int64_t end;
    struct k_beginning b = {0};
    bool cut = starts && starts->journal_from && starts->journal_from[shard] > 0;
    K_TRY(k_beginning_read(log, plan, shard, cut ? starts->journal_from[shard] : 0, &b, err));
    int code = 0;
    for (uint32_t s = 0; s < plan->source_count && !code; s++)
        code = check_source(log, plan, &plan->sources[s], shard, &b, starts, found, err);
    const Kappa__Internal__JournalRecord__Leadership *said =
        b.record->leadership ? b.record->leadership : b.record->standing->leadership;
    if (!code && said->fingerprint) snprintf(found->fingerprint, sizeof found->fingerprint, "%s", said->fingerprint);
    snprintf(topic, sizeof topic, "%s.journal.%u", plan->name, shard);
    if (!code) code = log->ops->offsets(log, topic, 0, true, NULL, &end, err);
    if (!code) found->journal_records += (uint64_t)(end - b.from);
    if (!code) code = preflight_records(log, plan, shard, b.from, end, starts, err);
    k_beginning_fini(&b);
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
