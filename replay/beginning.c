// Finding the record to begin with, and fixing what is read before it.
#include "replay/beginning.h"

#include "engine/journal.h"

#include <stdio.h>

enum { FETCH = 256, FETCH_US = 200000, IDLE_MAX = 50 };

typedef Kappa__Internal__JournalRecord Record;

void k_beginning_fini(struct k_beginning *b)
{
    if (b->record) kappa__internal__journal_record__free_unpacked(b->record, NULL);
    *b = (struct k_beginning){0};
}

// first: the journal begins with it, and it may be of before records said where inputs stand. K_E_NOT_FOUND: no state
// can begin with it.
static int take(struct k_beginning *b, const struct k_plan *plan, uint32_t shard, const struct k_message *message,
                bool first, struct k_error *err)
{
    struct k_journal_point point = {0};
    int code = first ? k_journal_decode(message, plan->name, shard, &point, &b->record, err)
                     : k_journal_decode_first(message, plan->name, shard, &point, &b->record, err);
    if (code) return code;
    const Kappa__Internal__JournalRecord__Leadership *said = b->record->leadership;
    if (!said && first)
        return k_fail(err, K_E_CORRUPT, "topic %s.journal.%u does not begin with a leadership", plan->name, shard);
    b->from = first ? 0 : message->offset;
    b->inputs = first ? said->input : k_journal_inputs(b->record, &b->input_count);
    if (first) b->input_count = said->n_input;
    if (!said) said = b->record->standing->leadership;
    return k_leadership_check(said, plan, false, err);
}

// The first record that will do from an offset on, or only the one there.
static int find(struct k_log *log, const struct k_plan *plan, uint32_t shard, struct k_reader *reader, int64_t end,
                bool first, bool exactly, struct k_beginning *ret, struct k_error *err)
{
    const struct k_message *const *messages;
    int code = K_E_NOT_FOUND;
    for (int idle = 0; code == K_E_NOT_FOUND && log->ops->position(reader) < end;) {
        uint32_t count = 0;
        K_TRY(log->ops->fetch(reader, exactly || first ? 1 : FETCH, 4u << 20, FETCH_US, &messages, &count, err));
        idle = count ? 0 : idle + 1;
        if (idle > IDLE_MAX)
            return k_fail(err, K_E_TIMEOUT, "%s.journal.%u does not show its records", plan->name, shard);
        for (uint32_t i = 0; i < count && code == K_E_NOT_FOUND; i++)
            code = take(ret, plan, shard, messages[i], first, err);
        if (exactly && count) break;
    }
    return code;
}

static int not_begun(const struct k_plan *plan, struct k_error *err)
{
    return k_fail(err, K_E_NOT_FOUND,
                  "pipeline \"%s\" has no journal yet, so there is nothing to replay; kappa run begins it",
                  plan->name);
}

int k_beginning_read(struct k_log *log, const struct k_plan *plan, uint32_t shard, int64_t from,
                     struct k_beginning *ret, struct k_error *err)
{
    char topic[300];
    int64_t start, end;
    *ret = (struct k_beginning){0};
    snprintf(topic, sizeof topic, "%s.journal.%u", plan->name, shard);
    int code = log->ops->offsets(log, topic, 0, true, &start, &end, err);
    if (code == K_E_NOT_FOUND || (!code && end == 0)) return not_begun(plan, err);
    if (!code && from >= 0 && start > from)
        return k_fail(err, K_E_LOST_RANGE,
                      "topic %s begins at offset %lld, the generation at %lld: what it ordered before is gone", topic,
                      (long long)start, (long long)from);
    if (code) return code;
    if (from < 0) from = start;
    struct k_reader *reader;
    K_TRY(log->ops->reader_open(log, topic, 0, from, &reader, err));
    code = find(log, plan, shard, reader, end, start == 0 && from == 0, from > start, ret, err);
    log->ops->reader_close(reader);
    if (code) k_beginning_fini(ret);
    if (code != K_E_NOT_FOUND) return code;
    if (start == 0 && from == 0) return not_begun(plan, err); // transactions that were aborted
    return k_fail(err, K_E_LOST_RANGE,
                  "topic %s begins at offset %lld, and no record in it says where its inputs stand: what it ordered "
                  "before is gone. When the pipeline was started again there is one",
                  topic, (long long)start);
}

int32_t k_beginning_input(const struct k_beginning *b, const struct k_source_plan *source)
{
    for (size_t i = 0; i < b->input_count; i++)
        if (b->inputs[i]->source && b->inputs[i]->topic && strcmp(b->inputs[i]->source, source->name) == 0 &&
            strcmp(b->inputs[i]->topic, source->topic) == 0)
            return (int32_t)i;
    return -1;
}

int64_t k_beginning_next(const struct k_beginning *b, const struct k_plan *plan, int32_t input, uint32_t partition)
{
    const Kappa__Internal__JournalRecord__Input *in = b->inputs[input];
    return partition / plan->shards < in->n_next ? in->next[partition / plan->shards] : -1;
}

// --- a generation that is to be made

static struct k_start *start_at(struct k_starts *starts, const char *topic, int32_t partition, int64_t offset)
{
    struct k_start *there = k_starts_find(starts, topic, partition);
    if (there) return there;
    k_starts_add(starts, topic, partition, offset);
    return &starts->items[starts->count - 1];
}

// What is read before the journal is: all there is, but only if that is how the partition ever began.
static int from_its_start(struct k_log *log, const struct k_plan *plan, uint32_t shard,
                          const struct k_source_plan *source, int32_t partition, bool given, struct k_starts *starts,
                          struct k_error *err)
{
    int64_t start;
    K_TRY(log->ops->offsets(log, source->topic, partition, true, &start, NULL, err));
    if (start > 0 && !given)
        return k_fail(
            err, K_E_LOST_RANGE,
            "topic %s, partition %d: the log begins at offset %lld, and %s.journal.%u was cut off, so that "
            "nobody knows whether the pipeline read offsets 0 to %lld: --to-earliest begins with what is there",
            source->topic, partition, (long long)start, plan->name, shard, (long long)start - 1);
    start_at(starts, source->topic, partition, given ? 0 : start);
    return 0;
}

static int join(struct k_log *log, const struct k_source_plan *source, int32_t partition, struct k_starts *starts,
                struct k_error *err)
{
    int64_t begin, end;
    K_TRY(log->ops->offsets(log, source->topic, partition, true, &begin, &end, err));
    struct k_start *start = start_at(starts, source->topic, partition, begin);
    start->joins = true;
    start->join = end;
    return 0;
}

static int choose(struct k_log *log, const struct k_plan *plan, uint32_t shard, const struct k_beginning *b,
                  bool given, struct k_starts *starts, bool *ret_needed, struct k_error *err)
{
    for (uint32_t s = 0; s < plan->source_count; s++) {
        const struct k_source_plan *source = &plan->sources[s];
        bool known = k_beginning_input(b, source) >= 0;
        struct k_topic_info info;
        if (known && b->from == 0) continue;
        *ret_needed = true;
        int code = log->ops->topic_info(log, source->topic, &info, err);
        if (code) return k_wrap(err, code, "source \"%s\"", source->name);
        for (int32_t p = (int32_t)shard; p < info.partitions; p += (int32_t)plan->shards)
            K_TRY(known ? from_its_start(log, plan, shard, source, p, given, starts, err)
                        : join(log, source, p, starts, err));
    }
    return 0;
}

int k_beginning_choose(struct k_log *log, const struct k_plan *plan, bool given, struct k_starts *starts,
                       bool *ret_needed, struct k_error *err)
{
    int code = 0;
    *ret_needed = false;
    starts->shards = plan->shards;
    starts->journal_from = k_new_array(int64_t, plan->shards);
    for (uint32_t s = 0; s < plan->shards && !code; s++) {
        struct k_beginning b;
        code = k_beginning_read(log, plan, s, -1, &b, err);
        if (!code) starts->journal_from[s] = b.from;
        if (!code) code = choose(log, plan, s, &b, given, starts, ret_needed, err);
        k_beginning_fini(&b);
    }
    return code;
}
