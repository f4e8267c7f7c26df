// History: what lies before the journal that a new state begins with.
//
// A journal is cut off at its beginning once its sources have lost what it names, and a changed graph may have a
// source that the journal orders only from some point on. What the sources still have from before is taken first: of
// all partitions together, by event time, then input, then offset, each up to the offset from which the journal orders
// it. Then the journal is followed, as always. Where that is, is said by the journal's first record, or by the starts
// of the generation.
//
// Invariants
// 1. Whoever does it again gets the same state: order, boundaries and clock depend on nothing but the records, and on
//    what was fixed when the generation was made. (Of a compacted topic records may vanish meanwhile; so the hash of
//    what was taken belongs to the leaderships of the generation, and another one is refused.)
// 2. Boundaries come every so many records (history_portion). Only there the state may be saved; it then says how far
//    it is.
// 3. There is no idleness in history, and no clock: a partition's watermark is that of its records. The rest of one
//    that joins the journal later begins when somebody orders it.
#include "engine/shard_private.h"

static uint32_t portion_of(const struct k_shard *shard)
{
    return shard->options.history_portion ? shard->options.history_portion : 4096;
}

static const struct k_start *start_of(const struct k_shard *shard, const struct k_input *in)
{
    const struct k_shard_options *o = &shard->options;
    for (uint32_t s = 0; s < o->start_count; s++)
        if ((uint32_t)o->starts[s].partition == in->partition &&
            strcmp(o->starts[s].topic, o->plan->sources[in->source].topic) == 0)
            return &o->starts[s];
    return NULL;
}

// A new state leaves out what lies before its starts; one that has been saved knows them.
void history_init(struct k_shard *shard)
{
    uint32_t count;
    struct k_input *inputs = k_machine_inputs(shard->machine, &count);
    int64_t from = shard->options.journal_from;
    shard->history = (struct history){.under_way = from > 0, .clock_us = INT64_MIN, .journal_from = from};
    for (uint32_t i = 0; i < count; i++) {
        const struct k_start *start = start_of(shard, &inputs[i]);
        if (!start) continue;
        inputs[i].begin = start->offset;
        if (start->joins) shard->history.under_way = true;
    }
}

// The journal's first record: the state stands behind it, once its history has been taken. *ret NULL: it does not show
// yet.
static int read_first(struct k_shard *shard, Kappa__Internal__JournalRecord **ret, struct k_error *err)
{
    struct k_log *log = shard->options.log;
    *ret = NULL;
    shard->journal_at = shard->journal_count = 0;
    TRY(log->ops->fetch(shard->journal, 1, 4u << 20, 0, &shard->journal_messages, &shard->journal_count, err));
    if (shard->journal_count == 0) return 0;
    shard->journal_at = 1;
    const struct k_message *first = shard->journal_messages[0];
    if (first->offset != shard->options.journal_from)
        return k_fail(err, K_E_CORRUPT, "%s has no record at offset %lld, where this generation begins",
                      shard->journal_topic, (long long)shard->options.journal_from);
    return k_journal_decode_first(first, shard->options.plan->name, shard->options.shard, &shard->point, ret, err);
}

// Where the record says that a partition stands; -1: it does not read it, or nobody has begun it.
static int64_t stands_at(const struct k_shard *shard, const Kappa__Internal__JournalRecord *record,
                         const struct k_input *in)
{
    const struct k_plan *plan = shard->options.plan;
    size_t count;
    Kappa__Internal__JournalRecord__Input **list = k_journal_inputs(record, &count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t place = in->partition / plan->shards;
        if (leadership_source(shard, i) == (int32_t)in->source && place < list[i]->n_next)
            return list[i]->next[place];
    }
    return -1;
}

static int set_bounds(struct k_shard *shard, struct k_input *in, int64_t until, struct k_error *err)
{
    struct k_log *log = shard->options.log;
    const char *topic = shard->options.plan->sources[in->source].topic;
    const struct k_start *start = start_of(shard, in);
    in->next = until;
    if (until <= in->begin) return 0;
    if (start) in->next = in->begin;
    else TRY(log->ops->offsets(log, topic, (int32_t)in->partition, true, &in->next, NULL, err));
    if (in->next >= until) in->next = until;
    else in->until = until;
    return 0;
}

static int join_of(struct k_shard *shard, const struct k_start *start, int64_t *ret, struct k_error *err)
{
    struct k_log *log = shard->options.log;
    *ret = start->join;
    if (!K_PLANT(history_grows)) return 0;
    return log->ops->offsets(log, start->topic, start->partition, true, NULL, ret, err);
}

static int begin(struct k_shard *shard, bool *ret_begun, struct k_error *err)
{
    Kappa__Internal__JournalRecord *record = NULL;
    uint32_t count;
    struct k_input *inputs = k_machine_inputs(shard->machine, &count);
    int code = shard->options.journal_from ? read_first(shard, &record, err) : 0;
    *ret_begun = record || !shard->options.journal_from;
    if (code || !*ret_begun) return code;
    if (record) code = leadership_begin(shard, record, shard->point.offset, err);
    for (uint32_t i = 0; i < count && !code; i++) {
        const struct k_start *start = start_of(shard, &inputs[i]);
        int64_t until = record ? stands_at(shard, record, &inputs[i]) : -1;
        if (until < 0 && start && start->joins) code = join_of(shard, start, &until, err);
        if (until >= 0 && !code) code = set_bounds(shard, &inputs[i], until, err);
    }
    if (record && !code) {
        shard->history.clock_us = record->clock_us;
        shard->history.complete = record->standing->final;
    }
    shard->history.begun = !code;
    if (record) kappa__internal__journal_record__free_unpacked(record, NULL);
    return code;
}

// Records of one input, as many as come before all others.
static int feed_some(struct k_shard *shard, uint32_t input, struct k_error *err)
{
    uint32_t count, most = portion_of(shard) - shard->history.fed, rate = follow_portion(shard);
    struct k_input *in = &k_machine_inputs(shard->machine, &count)[input];
    struct feed *feed = &shard->feeds[input];
    const struct k_message *const *messages = feed->messages + feed->at;
    uint32_t n = feed->run < most ? feed->run : most;
    if (n > rate) n = rate;
    for (uint32_t i = 0; i < n; i++) in->history_hash = k_record_hash(in->history_hash, messages[i]);
    TRY(feed_machine(shard, input, n, err));
    shard->history.fed += n;
    return 0;
}

// What the feeds hold lies behind the history, and is read again when it is asked for: embedded records come from the
// journal, and a leader goes on behind those.
static void drop_feeds(struct k_shard *shard)
{
    uint32_t count;
    k_machine_inputs(shard->machine, &count);
    for (uint32_t i = 0; i < count; i++) {
        struct feed *feed = &shard->feeds[i];
        shard->options.log->ops->reader_close(feed->reader);
        feed->reader = NULL;
        feed->verify = false;
        feed->count = feed->at = feed->timed_count = feed->run = 0;
    }
}

// Where a source joins the journal, another generation may have read it before: the journal has ranges of it then that
// lie in this history, and are passed over as what lies before a later start is.
static void leave_out(struct k_shard *shard)
{
    uint32_t count;
    struct k_input *inputs = k_machine_inputs(shard->machine, &count);
    for (uint32_t i = 0; i < count; i++)
        if (inputs[i].until > inputs[i].begin) inputs[i].begin = inputs[i].until;
}

// When a partition was last read is asked for idleness. The journal's record has read those that it knows. A source
// that joins later, nobody has: what came of it meanwhile is not known before somebody orders it, and it would be late
// if the time until then were taken for a rest.
static void begin_rests(struct k_shard *shard)
{
    uint32_t count;
    struct k_input *inputs = k_machine_inputs(shard->machine, &count);
    for (uint32_t i = 0; i < count; i++) {
        const struct k_start *start = start_of(shard, &inputs[i]);
        if (inputs[i].until == 0) continue;
        inputs[i].last_clock_us = start && start->joins ? INT64_MIN : k_machine_clock(shard->machine);
    }
}

static int boundary(struct k_shard *shard, bool over, struct k_error *err)
{
    struct history *h = &shard->history;
    uint64_t work;
    int64_t clock_us = k_machine_clock(shard->machine);
    if (over && h->clock_us > clock_us) clock_us = h->clock_us;
    TRY(k_machine_boundary(shard->machine, clock_us, NULL, 0, over && h->complete, UINT64_MAX, &work, err));
    h->records += h->fed;
    h->fed = 0;
    h->under_way = !over;
    shard->moved = true;
    if (!over) return 0;
    drop_feeds(shard);
    begin_rests(shard);
    leave_out(shard);
    leadership_look_again(shard);
    return 0;
}

int history_step(struct k_shard *shard, bool *ret_progress, struct k_error *err)
{
    struct history *h = &shard->history;
    int32_t input = -1;
    bool over = false;
    *ret_progress = true;
    if (!h->begun) return begin(shard, ret_progress, err);
    if (h->fed == portion_of(shard)) return boundary(shard, false, err);
    TRY(feed_choose_history(shard, &input, &over, err));
    *ret_progress = over || input >= 0;
    if (over) return boundary(shard, true, err);
    return input >= 0 ? feed_some(shard, (uint32_t)input, err) : 0;
}
