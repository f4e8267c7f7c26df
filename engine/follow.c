// Following: journal records, one after the other, through the machine.
//
// A record is taken whole: its ranges in their order, then the boundary with its facts. Between records the state
// stands at a commit boundary and may be saved. What a range says of its records (how many, their hash) is checked;
// records that the broker does not show yet are waited for.
#include "engine/shard_private.h"

#include <stdlib.h>

static const int64_t CLOCK_MAX_US = INT64_C(1) << 61; // leaves room for sums

typedef Kappa__Internal__JournalRecord Record;
typedef Kappa__Internal__JournalRecord__Range Range;

static void drop_record(struct following *f)
{
    if (f->record) kappa__internal__journal_record__free_unpacked(f->record, NULL);
    f->record = NULL;
}

// The topics must be those of the leadership. A state that has been led with as many partitions is checked when it is
// opened; this is for one that begins.
static int check_inputs(struct k_shard *shard, const Kappa__Internal__JournalRecord__Leadership *leadership,
                        struct k_error *err)
{
    const struct k_plan *plan = shard->options.plan;
    if (leadership->n_input != plan->source_count)
        return k_fail(err, K_E_CORRUPT, "a leadership names %zu inputs, the graph has %u", leadership->n_input,
                      plan->source_count);
    for (uint32_t i = 0; i < plan->source_count; i++)
        if (leadership->input[i]->partitions != shard->partitions[i])
            return k_fail(err, K_E_CONFIG,
                          "the pipeline was led with %u partitions of topic %s, which now has %u; partitions were "
                          "added or taken away, which moves keys: start a pipeline with another name that reads the "
                          "topics from their beginning",
                          leadership->input[i]->partitions, plan->sources[i].topic, shard->partitions[i]);
    return 0;
}

// What the running hash cannot tell: a record that fits, and makes no sense. Anyone who may write to the topic could
// have made it.
static int check_record(struct k_shard *shard, const Record *record, struct k_error *err)
{
    bool good = record->clock_us >= k_machine_clock(shard->machine) && record->clock_us < CLOCK_MAX_US;
    for (size_t i = 0; i < record->n_range; i++)
        good &= record->range[i]->first >= 0 && record->range[i]->next >= record->range[i]->first;
    if (good) return 0;
    return k_fail(err, K_E_CORRUPT, "journal record %llu goes back in time, or in a partition: no leader wrote it",
                  (unsigned long long)record->sequence);
}

// The next record of the journal, if there is one.
static int next_record(struct k_shard *shard, struct k_error *err)
{
    struct k_log *log = shard->options.log;
    const struct k_plan *plan = shard->options.plan;
    if (shard->journal_at == shard->journal_count) {
        shard->journal_at = shard->journal_count = 0;
        int code =
            log->ops->fetch(shard->journal, 256, 4u << 20, 0, &shard->journal_messages, &shard->journal_count, err);
        if (code)
            return k_wrap(err, code, "journal %s from offset %lld", shard->journal_topic,
                          (long long)shard->point.offset);
        if (shard->journal_count == 0) return 0;
    }
    struct following *f = &shard->following;
    f->after = shard->point;
    const struct k_message *message = shard->journal_messages[shard->journal_at++];
    TRY(k_journal_decode(message, plan->name, shard->options.shard, &f->after, &f->record, err));
    f->range = f->fed = 0;
    f->hash = 0;
    TRY(check_record(shard, f->record, err));
    if (!f->record->leadership) return 0;
    TRY(k_leadership_check(f->record->leadership, plan, err));
    return check_inputs(shard, f->record->leadership, err);
}

static int range_differs(struct k_shard *shard, const Range *range, uint32_t count, struct k_error *err)
{
    return k_fail(
        err, K_E_LOST_RANGE,
        "topic %s, partition %u, offsets %lld to %lld: the journal knows %u records there, the log now shows %s; "
        "they were deleted, compacted, cut, or the topic was made anew",
        shard->options.plan->sources[range->input].topic, range->partition, (long long)range->first,
        (long long)range->next - 1, range->count, count == range->count ? "others" : "another number");
}

static int range_input(struct k_shard *shard, uint32_t source, uint32_t partition, int32_t *ret, struct k_error *err)
{
    *ret = k_machine_find_input(shard->machine, source, partition);
    if (*ret < 0)
        return k_fail(err, K_E_CORRUPT,
                      "the journal names input %u, partition %u, which does not belong to shard %u here; were "
                      "partitions added or taken away?",
                      source, partition, shard->options.shard);
    return 0;
}

static int feed_embedded(struct k_shard *shard, const Range *range, uint32_t input, struct k_error *err)
{
    struct k_arena arena;
    k_arena_init(&arena);
    const struct k_message **messages = k_arena_array(&arena, const struct k_message *, range->n_record + 1);
    uint64_t hash = 0;
    for (size_t i = 0; i < range->n_record; i++) {
        const Kappa__Internal__JournalRecord__Embedded *e = range->record[i];
        struct k_message *m = k_arena_zeroed(&arena, sizeof *m);
        struct k_header *headers = k_arena_zeroed(&arena, (e->n_header + 1) * sizeof *headers);
        for (size_t h = 0; h < e->n_header; h++)
            headers[h] =
                (struct k_header){k_str_of(e->header[h]->name),
                                  {(const char *)e->header[h]->value.data, (uint32_t)e->header[h]->value.len},
                                  !e->header[h]->has_value};
        *m = (struct k_message){.key = {(const char *)e->key.data, (uint32_t)e->key.len},
                                .has_key = e->has_key,
                                .value = {(const char *)e->value.data, (uint32_t)e->value.len},
                                .has_value = e->has_value,
                                .partition = (int32_t)range->partition,
                                .offset = e->offset,
                                .timestamp_us = e->timestamp_us,
                                .headers = headers,
                                .header_count = (uint32_t)e->n_header};
        hash = k_record_hash(hash, m);
        messages[i] = m;
    }
    int code = range->n_record != range->count || hash != range->hash
                   ? range_differs(shard, range, (uint32_t)range->n_record, err)
                   : 0;
    if (!code) code = k_machine_feed(shard->machine, input, messages, range->count, err);
    k_arena_fini(&arena);
    return code;
}

// Feeds what is there of the range under way. *ret_done: the range is complete; *ret_progress: something was fed.
static int feed_range(struct k_shard *shard, const Range *range, struct k_input *in, uint32_t input, bool *ret_done,
                      bool *ret_progress, struct k_error *err)
{
    struct feed *feed = &shard->feeds[input];
    struct following *f = &shard->following;
    bool some;
    TRY(feed_fill(shard, input, &some, err));
    uint32_t from = feed->at;
    while (feed->at < feed->count && feed->messages[feed->at]->offset < range->next) {
        f->hash = k_record_hash(f->hash, feed->messages[feed->at]);
        feed->at++;
    }
    uint32_t n = feed->at - from;
    *ret_progress = n > 0;
    if (n) {
        TRY(k_machine_feed(shard->machine, input, feed->messages + from, n, err));
        f->fed += n;
        in->next = feed->messages[feed->at - 1]->offset + 1;
        shard->report.records += n;
        shard->records_since_checkpoint += n;
    }
    bool beyond = feed->at < feed->count || shard->options.log->ops->position(feed->reader) >= range->next ||
                  in->next >= range->next;
    *ret_done = beyond && !feed->verify;
    if (*ret_done && (f->fed != range->count || f->hash != range->hash))
        return range_differs(shard, range, f->fed, err);
    return 0;
}

static int follow_range(struct k_shard *shard, bool *ret_progress, struct k_error *err)
{
    struct following *f = &shard->following;
    const Range *range = f->record->range[f->range];
    int32_t input;
    uint32_t count;
    TRY(range_input(shard, range->input, range->partition, &input, err));
    struct k_input *in = &k_machine_inputs(shard->machine, &count)[input];
    if (f->fed == 0 && in->next >= 0 && in->next != range->first)
        return k_fail(err, K_E_CORRUPT,
                      "journal record %llu continues topic %s, partition %u at offset %lld, the state stands at %lld",
                      (unsigned long long)f->record->sequence, shard->options.plan->sources[range->input].topic,
                      range->partition, (long long)range->first, (long long)in->next);
    if (in->next < 0) in->next = range->first;
    bool done = false;
    if (range->first == range->next) {
        done = true; // says where the partition begins
    } else if (range->n_record) {
        TRY(feed_embedded(shard, range, (uint32_t)input, err));
        shard->report.records += range->count;
        done = *ret_progress = true;
    } else {
        TRY(feed_range(shard, range, in, (uint32_t)input, &done, ret_progress, err));
    }
    if (!done) return 0;
    in->next = range->next;
    f->range++;
    f->fed = 0;
    f->hash = 0;
    *ret_progress = true;
    return 0;
}

static int follow_boundary(struct k_shard *shard, struct k_error *err)
{
    struct following *f = &shard->following;
    const Record *record = f->record;
    uint32_t count;
    struct k_input *inputs = k_machine_inputs(shard->machine, &count);
    struct k_at_end *ends = k_new_array(struct k_at_end, record->n_at_end + 1);
    int code = 0;
    for (size_t i = 0; i < record->n_at_end && !code; i++) {
        int32_t input;
        code = range_input(shard, record->at_end[i]->input, record->at_end[i]->partition, &input, err);
        if (code) break;
        ends[i] = (struct k_at_end){(uint32_t)input, record->at_end[i]->next};
        if (inputs[input].next < ends[i].next) inputs[input].next = ends[i].next;
    }
    uint64_t work = 0;
    if (!code)
        code = k_machine_boundary(shard->machine, record->clock_us, ends, (uint32_t)record->n_at_end, record->final,
                                  record->work, &work, err);
    free(ends);
    if (!code && work != record->work)
        code =
            k_fail(err, K_E_CORRUPT,
                   "journal record %llu did %llu units of work, this state finds %llu: it is not the state that the "
                   "journal made",
                   (unsigned long long)record->sequence, (unsigned long long)record->work, (unsigned long long)work);
    return code;
}

int follow_step(struct k_shard *shard, bool *ret_progress, struct k_error *err)
{
    struct following *f = &shard->following;
    *ret_progress = false;
    if (!f->record) {
        TRY(next_record(shard, err));
        if (!f->record) return 0;
        *ret_progress = true;
    }
    if (K_PLANT(drop_journal_entry) && f->record->sequence % 7 == 3 && f->record->n_range > 1)
        f->range = (uint32_t)f->record->n_range;
    if (f->range < f->record->n_range) return follow_range(shard, ret_progress, err);
    TRY(follow_boundary(shard, err));
    shard->point = f->after;
    shard->moved = true;
    drop_record(f);
    *ret_progress = true;
    return 0;
}

bool follow_wants(const struct k_shard *shard, uint32_t input)
{
    const struct following *f = &shard->following;
    if (!f->record || f->range >= f->record->n_range) return false;
    const Range *range = f->record->range[f->range];
    return k_machine_find_input(shard->machine, range->input, range->partition) == (int32_t)input;
}

bool follow_is_at(const struct k_shard *shard, int64_t journal_end)
{
    if (shard->following.record || shard->journal_at < shard->journal_count) return false;
    return shard->options.log->ops->position(shard->journal) >= journal_end;
}
