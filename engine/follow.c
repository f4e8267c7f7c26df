// Following: journal records, one after the other, through the machine.
//
// A record is taken whole: its ranges in their order, then the boundary with its facts. Between records the state
// stands at a commit boundary and may be saved. What a range says of its records (how many, their hash) is checked;
// records that the broker does not show yet are waited for.
#include "engine/takeover.h"

#include <stdlib.h>

enum { RATE_WAIT_US = 100000 }; // orders and the group are looked at that often
static const int64_t CLOCK_MAX_US = INT64_C(1) << 61; // leaves room for sums

typedef Kappa__Internal__JournalRecord Record;
typedef Kappa__Internal__JournalRecord__Range Range;

static void drop_record(struct following *f)
{
    if (f->record) kappa__internal__journal_record__free_unpacked(f->record, NULL);
    f->record = NULL;
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
    f->cut = false;
    f->gaps = f->record->leadership != NULL;
    TRY(check_record(shard, f->record, err));
    const Kappa__Internal__JournalRecord__Leadership *said = f->record->leadership;
    if (!said) return 0;
    if (said->generation && strcmp(said->generation, shard->options.generation) == 0) TRY(outputs_end(shard, err));
    if (said->difference_from && said->control_seq > shard->lead.seq)
        TRY(difference_keep(shard, said->control_seq, err));
    return leadership_adopt(shard, said, f->record->sequence, f->after.offset, err);
}

static int range_differs(struct k_shard *shard, const Range *range, uint32_t count, struct k_error *err)
{
    return k_fail(
        err, K_E_LOST_RANGE,
        "topic %s, partition %u, offsets %lld to %lld: the journal knows %u records there, the log now shows %s; "
        "they were deleted, compacted, cut, or the topic was made anew",
        shard->options.plan->sources[leadership_source(shard, range->input)].topic, range->partition,
        (long long)range->first, (long long)range->next - 1, range->count,
        count == range->count ? "others" : "another number");
}

// *ret: the machine's input; -1: this graph does not read that source.
static int range_input(struct k_shard *shard, uint32_t input, uint32_t partition, int32_t *ret, struct k_error *err)
{
    int32_t source = leadership_source(shard, input);
    *ret = -1;
    if (source == -1) return 0;
    if (source >= 0) *ret = k_machine_find_input(shard->machine, (uint32_t)source, partition);
    if (*ret < 0)
        return k_fail(err, K_E_CORRUPT,
                      "the journal names input %u, partition %u, which does not belong to shard %u here; were "
                      "partitions added or taken away?",
                      input, partition, shard->options.shard);
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

uint32_t follow_portion(const struct k_shard *shard)
{
    uint64_t portion = (shard->options.follow_rate + 9) / 10;
    return portion > 0 && portion < UINT32_MAX ? (uint32_t)portion : UINT32_MAX;
}

// Feeds what is there of the range under way. *ret_done: the range is complete; *ret_progress: something was fed.
static int feed_range(struct k_shard *shard, const Range *range, struct k_input *in, uint32_t input, bool *ret_done,
                      bool *ret_progress, struct k_error *err)
{
    struct feed *feed = &shard->feeds[input];
    struct following *f = &shard->following;
    bool some;
    // No more than the range has left, so that batches are mostly the leader's: what is behind it has to wait for other
    // ranges, and would then be cut off from its own.
    TRY(feed_fill(shard, input, range->count - f->fed, &some, err));
    uint32_t n = 0, most = follow_portion(shard);
    for (; feed->at + n < feed->count && n < most && feed->messages[feed->at + n]->offset < range->next; n++)
        f->hash = k_record_hash(f->hash, feed->messages[feed->at + n]);
    *ret_progress = n > 0;
    if (n) TRY(feed_machine(shard, input, n, err));
    f->fed += n;
    bool more = feed->at < feed->count && feed->messages[feed->at]->offset < range->next;
    bool beyond = feed->at < feed->count || shard->options.log->ops->position(feed->reader) >= range->next ||
                  in->next >= range->next;
    *ret_done = beyond && !more && !feed->verify;
    if (*ret_done && !f->cut && (f->fed != range->count || f->hash != range->hash))
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
    if (input < 0) {
        f->range++;
        *ret_progress = true;
        return 0;
    }
    struct k_input *in = &k_machine_inputs(shard->machine, &count)[input];
    bool joins = in->until > 0 && in->next == in->until && range->first < in->until; // it was in the journal before
    if (f->fed == 0 && !f->cut && joins) in->next = range->first;
    if (f->fed == 0 && !f->cut && in->next >= 0 && in->next != range->first)
        return k_fail(err, K_E_CORRUPT,
                      "journal record %llu continues topic %s, partition %u at offset %lld, the state stands at %lld",
                      (unsigned long long)f->record->sequence, shard->options.plan->sources[in->source].topic,
                      range->partition, (long long)range->first, (long long)in->next);
    if (in->next < 0) in->next = range->first;
    bool done = false;
    if (in->next < in->begin && !range->n_record && range->next > in->begin && !shard->feeds[input].reader) {
        in->next = in->begin; // what lies before may be gone
        f->cut = true;
    }
    if (in->unread || range->first == range->next || (range->next <= in->begin && !range->n_record)) {
        done = true; // says where the partition begins, or lies before where this generation does, or nobody wants it
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
    f->cut = false;
    *ret_progress = true;
    return 0;
}

// Partitions that stood at their end, as this graph's inputs.
static int take_ends(struct k_shard *shard, struct k_at_end *ends, uint32_t *ret_count, struct k_error *err)
{
    const Record *record = shard->following.record;
    uint32_t count, n = 0;
    struct k_input *inputs = k_machine_inputs(shard->machine, &count);
    for (size_t i = 0; i < record->n_at_end; i++) {
        int32_t input;
        TRY(range_input(shard, record->at_end[i]->input, record->at_end[i]->partition, &input, err));
        if (input < 0) continue;
        ends[n] = (struct k_at_end){(uint32_t)input, record->at_end[i]->next};
        if (inputs[input].next < ends[n].next) inputs[input].next = ends[n].next;
        // What was its end, another generation's, when it had what is history here is no rest behind that.
        n += ends[n].next >= inputs[input].until;
    }
    *ret_count = n;
    return 0;
}

// The frontier work of a record whose leader had other work than this shard: as much as it did, if it left some, else
// all.
static int work_like(struct k_shard *shard, struct k_error *err)
{
    const Record *record = shard->following.record;
    uint64_t work;
    if (!record->work_left) return k_machine_work(shard->machine, UINT64_MAX, &work, err);
    for (size_t i = 0; i < record->n_work_run; i++) {
        const struct k_work_run run = {record->work_run[i]->node, record->work_run[i]->units,
                                       record->work_run[i]->begins};
        TRY(k_machine_work_like(shard->machine, &run, err));
    }
    return 0;
}

static int follow_boundary(struct k_shard *shard, struct k_error *err)
{
    const Record *record = shard->following.record;
    struct k_at_end *ends = k_new_array(struct k_at_end, record->n_at_end + 1);
    uint32_t end_count = 0;
    uint64_t work = 0;
    // Nodes that wait for a copy's place do none of the work that the leader did there, of whichever generation it is.
    bool foreign = shard->lead.foreign || shard->takeover;
    // Where the leader left none, asking for more finds that there is none.
    uint64_t most = foreign ? 0 : record->work_left ? record->work : UINT64_MAX;
    int code = take_ends(shard, ends, &end_count, err);
    if (!code)
        code = k_machine_boundary(shard->machine, record->clock_us, ends, end_count, record->final, most, &work, err);
    if (!code && foreign) code = work_like(shard, err);
    free(ends);
    if (!code && !foreign && work != record->work)
        code =
            k_fail(err, K_E_CORRUPT,
                   "journal record %llu did %llu units of work, this state finds %llu: it is not the state that the "
                   "journal made",
                   (unsigned long long)record->sequence, (unsigned long long)record->work, (unsigned long long)work);
    return code;
}

// What a record says besides what the machine is fed: the state stands behind it now.
static void note_facts(struct k_shard *shard)
{
    const struct following *f = &shard->following;
    if (f->record->settled) shard->lead.settled = f->record->settled;
    shard->lead.left = f->record->work_left;
    difference_note(shard, f->record->difference);
    if (!f->record->mark) return;
    shard->mark = f->record->mark;
    shard->mark_offset = f->after.offset;
    shard->mark_due = true;
}

// The planted bug shadow_ahead: reads on in a source where the journal has ended for now.
static int read_ahead(struct k_shard *shard, struct k_error *err)
{
    uint32_t count;
    struct k_input *in = k_machine_inputs(shard->machine, &count);
    struct feed *feed = shard->feeds;
    bool some = false;
    if (!shard->options.orders || orders_lead(shard) || in->next < 0) return 0;
    TRY(feed_fill(shard, 0, 1, &some, err));
    if (!some) return 0;
    in->next = feed->messages[feed->at]->offset + 1;
    return k_machine_feed(shard->machine, 0, feed->messages + feed->at++, 1, err);
}

int follow_step(struct k_shard *shard, bool *ret_progress, struct k_error *err)
{
    struct following *f = &shard->following;
    *ret_progress = false;
    if (!f->record) {
        TRY(next_record(shard, err));
        if (!f->record) return K_PLANT(shadow_ahead) ? read_ahead(shard, err) : 0;
        *ret_progress = true;
    }
    if (K_PLANT(drop_journal_entry) && f->record->sequence % 7 == 3 && f->record->n_range > 1)
        f->range = (uint32_t)f->record->n_range;
    if (K_PLANT(warm_misses) && shard->seq && f->record->sequence % 7 == 3 && f->record->n_range > 0)
        f->range = (uint32_t)f->record->n_range;
    if (f->gaps) return gaps_step(shard, ret_progress, err);
    if (f->range < f->record->n_range) return follow_range(shard, ret_progress, err);
    TRY(follow_boundary(shard, err));
    shard->point = f->after;
    shard->moved = true;
    TRY(takeover_reach(shard, err));
    note_facts(shard);
    drop_record(f);
    *ret_progress = true;
    return 0;
}

bool follow_is_between(const struct k_shard *shard)
{
    return shard->following.record || shard->history.fed > 0;
}

bool follow_wants(const struct k_shard *shard, uint32_t input)
{
    uint32_t count;
    const struct k_input *in = &k_machine_inputs(shard->machine, &count)[input];
    if (shard->history.under_way) return shard->history.begun && in->next < in->until;
    const struct following *f = &shard->following;
    if (f->gaps) return gaps_want(shard, input);
    if (!f->record || f->range >= f->record->n_range) return false;
    const Range *range = f->record->range[f->range];
    int32_t source = leadership_source(shard, range->input);
    return source >= 0 && k_machine_find_input(shard->machine, (uint32_t)source, range->partition) == (int32_t)input;
}

bool follow_is_at(const struct k_shard *shard, int64_t journal_end)
{
    if (follow_is_between(shard) || shard->journal_at < shard->journal_count) return false;
    return shard->options.log->ops->position(shard->journal) >= journal_end;
}

int64_t follow_rate_left(struct k_shard *shard)
{
    // An open transaction has a timeout; what is followed too early is waited for behind the record.
    if (follow_is_between(shard) && outputs_open(shard)) return 0;
    if (!shard->options.follow_rate || orders_lead(shard)) return 0;
    int64_t left_us = shard->rate_due_us - shard_now(shard);
    return left_us <= 0 ? 0 : left_us < RATE_WAIT_US ? left_us : RATE_WAIT_US;
}

void follow_rate_count(struct k_shard *shard, uint64_t records)
{
    if (!shard->options.follow_rate) return;
    int64_t now_us = shard_now(shard);
    if (shard->rate_due_us < now_us) shard->rate_due_us = now_us; // what was not used is not saved up
    shard->rate_due_us += (int64_t)((double)records * 1e6 / (double)shard->options.follow_rate);
}
