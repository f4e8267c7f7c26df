// Gaps: records that a leader has taken as history, and a follower has not.
//
// A leader may order a source on from another place than where the journal left it: it adds the source, or takes up one
// that the leader before it lacked, and had taken what lies between before it followed. Another generation that reads
// the source stands before that place. What lies between is in no range: it takes these records at the leadership, in
// their order, before all that the record names. So do all processes of that generation, wherever they begin.
//
// (Where a leadership goes on where the journal is, which is nearly always, nothing lies between but transaction
// markers.)
#include "engine/shard_private.h"

typedef Kappa__Internal__JournalRecord Record;

// Where the leader stood before the ranges of its leadership; -1: the record does not say, or does not read it.
static int64_t stood_at(const struct k_shard *shard, const Record *record, const struct k_input *in)
{
    const Kappa__Internal__JournalRecord__Leadership *said = record->leadership;
    uint32_t place = in->partition / shard->options.plan->shards;
    for (size_t i = 0; i < said->n_input; i++) {
        if (leadership_source(shard, (uint32_t)i) != (int32_t)in->source || place >= said->input[i]->n_next) continue;
        for (size_t r = 0; r < record->n_range; r++)
            if (record->range[r]->input == i && record->range[r]->partition == in->partition)
                return record->range[r]->first;
        return said->input[i]->next[place];
    }
    return -1;
}

// The feed of records that are embedded in the journal is not read otherwise.
static void drop_embedded(struct k_shard *shard, struct feed *feed)
{
    if (!feed->embedded) return;
    shard->options.log->ops->reader_close(feed->reader);
    feed->reader = NULL;
    feed->verify = false;
    feed->count = feed->at = feed->timed_count = feed->run = 0;
}

static int take_some(struct k_shard *shard, uint32_t input, int64_t until, bool *ret_progress, struct k_error *err)
{
    uint32_t count, n = 0;
    bool some;
    struct k_input *in = &k_machine_inputs(shard->machine, &count)[input];
    struct feed *feed = &shard->feeds[input];
    TRY(feed_fill(shard, input, K_BATCH_ROWS, &some, err));
    const struct k_message *const *messages = some ? feed->messages + feed->at : NULL;
    while (feed->at + n < feed->count && messages[n]->offset < until) n++;
    bool over = some ? n == 0 : !feed->verify && shard->options.log->ops->position(feed->reader) >= until;
    *ret_progress = n > 0 || over;
    if (over) {
        in->next = until;
        drop_embedded(shard, feed);
    }
    return n ? feed_machine(shard, input, n, err) : 0;
}

static bool is_at_end(const struct k_shard *shard, const Record *record, const struct k_input *in)
{
    for (size_t i = 0; i < record->n_at_end; i++)
        if (leadership_source(shard, record->at_end[i]->input) == (int32_t)in->source &&
            record->at_end[i]->partition == in->partition)
            return true;
    return false;
}

// A leader that stood at the end has passed markers in this very record, and the log may have lost them since.
static int pass_lost(struct k_shard *shard, struct k_input *in, int64_t until, struct k_error *err)
{
    struct k_log *log = shard->options.log;
    const char *topic = shard->options.plan->sources[in->source].topic;
    int64_t start;
    if (!is_at_end(shard, shard->following.record, in)) return 0;
    TRY(log->ops->offsets(log, topic, (int32_t)in->partition, true, &start, NULL, err));
    if (in->next < start) in->next = start < until ? start : until;
    return 0;
}

bool gaps_want(const struct k_shard *shard, uint32_t input)
{
    uint32_t count;
    const struct following *f = &shard->following;
    const struct k_input *in = &k_machine_inputs(shard->machine, &count)[input];
    return f->record && f->gaps && in->next >= 0 && in->next < stood_at(shard, f->record, in);
}

int gaps_step(struct k_shard *shard, bool *ret_progress, struct k_error *err)
{
    uint32_t count;
    struct k_input *inputs = k_machine_inputs(shard->machine, &count);
    for (uint32_t i = 0; i < count; i++) {
        struct k_input *in = &inputs[i];
        if (!gaps_want(shard, i)) continue;
        int64_t until = stood_at(shard, shard->following.record, in);
        if (in->unread || in->begin >= until) in->next = until; // nobody wants it, or it is left out
        else if (in->next < in->begin && !shard->feeds[i].reader) in->next = in->begin;
        else TRY(pass_lost(shard, in, until, err));
        if (in->next < until) return take_some(shard, i, until, ret_progress, err);
    }
    shard->following.gaps = false;
    *ret_progress = true;
    return 0;
}
