// Reading the sources: one reader per input, opened where the machine's state stands.
//
// The first record read, and the first behind every rest, is the last one that was fed before, where the log still
// has it: if it is another one now, the topic was deleted and made anew (or truncated), and nothing in it may be
// trusted.
#include "engine/shard_private.h"

#include <stdlib.h>

enum {
    PATIENCE = 8,     // steps that others take at their ends
    REST_US = 200000, // a topic is deleted, made anew and filled in no less
};

static const char *topic_of(const struct k_shard *shard, const struct k_input *in)
{
    return shard->options.plan->sources[in->source].topic;
}

static int open_reader(struct k_shard *shard, struct feed *feed, struct k_input *in, struct k_error *err)
{
    struct k_log *log = shard->options.log;
    int64_t start;
    TRY(log->ops->offsets(log, topic_of(shard, in), (int32_t)in->partition, true, &start, NULL, err));
    K_ASSERT(in->next >= 0); // the journal has said where it begins
    if (in->next < start)
        return k_fail(
            err, K_E_LOST_RANGE,
            "topic %s, partition %u: the state needs records from offset %lld on, but the log begins at %lld; "
            "offsets %lld to %lld are lost",
            topic_of(shard, in), in->partition, (long long)in->next, (long long)start, (long long)in->next,
            (long long)start - 1);
    int64_t from = in->next;
    feed->verify = !feed->embedded && in->last_offset >= start && in->last_offset < in->next;
    if (feed->verify) from = in->last_offset;
    feed->empty_since_us = 0;
    TRY(log->ops->reader_open(log, topic_of(shard, in), (int32_t)in->partition, from, &feed->reader, err));
    // What is embedded in the journal is whole.
    if (!feed->embedded && !k_source_reads_headers(&shard->options.plan->sources[in->source]))
        log->ops->leave_headers(feed->reader);
    return 0;
}

static int verify_first(struct k_shard *shard, struct feed *feed, const struct k_input *in, struct k_error *err)
{
    const struct k_message *first = feed->messages[feed->at];
    feed->verify = false;
    if (first->offset != in->last_offset || k_record_hash(0, first) != in->last_hash)
        return k_fail(
            err, K_E_LOST_RANGE,
            "topic %s, partition %u: the record at offset %lld is not the one that was read before; the topic was "
            "deleted and made anew, or cut. The state belongs to the old topic: give the graph another name to start "
            "afresh",
            topic_of(shard, in), in->partition, (long long)in->last_offset);
    feed->at++;
    // Records between the last one fed and `next` were skipped on purpose (none are expected).
    while (feed->at < feed->count && feed->messages[feed->at]->offset < in->next) feed->at++;
    return 0;
}

// Of one batch. What a batch makes dirty is several times its size, and is over the limit before anyone can look.
static size_t batch_bytes(const struct k_shard *shard)
{
    uint64_t share = shard->options.state.cache_bytes / 32, least = 64u << 10, most = 4u << 20;
    return share < least ? least : share < most ? share : most;
}

// librdkafka 2.0.2 reads on in a topic that was made anew under the same name as if nothing had happened (#3255).
// That cannot happen while records keep coming, so what comes behind a rest (the reader was asked, and had nothing
// for a while) is held back until the last record before it has been read again.
static int look_back(struct k_shard *shard, struct feed *feed, const struct k_input *in, struct k_error *err)
{
    bool rested = feed->empty_since_us && shard_since(shard, feed->empty_since_us) >= REST_US;
    feed->empty_since_us = 0;
    if (!rested || feed->verify || feed->embedded || in->last_offset < 0 || in->last_offset >= in->next) return 0;
    feed->verify = true;
    feed->count = 0;
    return shard->options.log->ops->seek(feed->reader, in->last_offset, err);
}

int feed_fill(struct k_shard *shard, uint32_t input, uint64_t most, bool *ret_some, struct k_error *err)
{
    struct feed *feed = &shard->feeds[input];
    uint32_t count, rows = most > 0 && most < K_BATCH_ROWS ? (uint32_t)most : K_BATCH_ROWS;
    struct k_input *in = &k_machine_inputs(shard->machine, &count)[input];
    *ret_some = false;
    if (!feed->reader) TRY(open_reader(shard, feed, in, err));
    if (feed->at == feed->count) {
        feed->at = feed->count = feed->timed_count = 0;
        int code = shard->options.log->ops->fetch(feed->reader, rows, batch_bytes(shard), 0,
                                                  &feed->messages, &feed->count, err);
        if (code == K_E_LOST_RANGE && shard->options.log->ops->position(feed->reader) < in->next) {
            // Gone since the reader was opened is only what nobody needs: the record to compare with, or markers that
            // the journal has skipped since.
            feed->verify = false;
            TRY(shard->options.log->ops->seek(feed->reader, in->next, err));
            code = shard->options.log->ops->fetch(feed->reader, rows, batch_bytes(shard), 0,
                                                  &feed->messages, &feed->count, err);
        }
        if (code == K_E_LOST_RANGE)
            return k_wrap(err, code, "topic %s, partition %u: the state needs offset %lld", topic_of(shard, in),
                          in->partition, (long long)in->next);
        if (code) return code;
        if (feed->count) TRY(look_back(shard, feed, in, err));
        else if (!feed->empty_since_us) feed->empty_since_us = shard_now(shard);
        if (feed->count && feed->verify) TRY(verify_first(shard, feed, in, err));
    }
    *ret_some = feed->at < feed->count;
    return 0;
}

int feed_machine(struct k_shard *shard, uint32_t input, uint32_t n, struct k_error *err)
{
    uint32_t count;
    struct feed *feed = &shard->feeds[input];
    const struct k_message *const *messages = feed->messages + feed->at;
    TRY(k_machine_feed(shard->machine, input, messages, n, err));
    k_machine_inputs(shard->machine, &count)[input].next = messages[n - 1]->offset + 1;
    feed->at += n;
    shard->report.records += n;
    shard->records_since_checkpoint += n;
    return 0;
}

static bool input_reached(const struct k_shard *shard, const struct k_input *in, uint32_t input)
{
    int64_t at = in->next;
    const struct feed *feed = &shard->feeds[input];
    // Markers behind the last record: the consumer's position moves over them.
    if (feed->reader && feed->at == feed->count && !feed->verify) {
        int64_t position = shard->options.log->ops->position(feed->reader);
        if (position > at) at = position;
    }
    return at >= shard->once_ends[input];
}

// The event time of the message that an input would feed next. One that gives no row goes at once.
static int64_t next_time(struct k_shard *shard, uint32_t input)
{
    struct feed *feed = &shard->feeds[input];
    if (feed->timed_count != feed->count) {
        if (!feed->times) feed->times = k_new_array(int64_t, K_BATCH_ROWS);
        k_machine_times(shard->machine, input, feed->messages + feed->at, feed->count - feed->at,
                        feed->times + feed->at);
        feed->timed_count = feed->count;
    }
    return feed->times[feed->at];
}

static bool is_before(int64_t time_a, uint32_t input_a, int64_t time_b, uint32_t input_b)
{
    return time_a < time_b || (time_a == time_b && input_a < input_b);
}

// Whether an input has something to be fed in order. *ret_through: it has not, and never will. history: up to where the
// journal goes on; else up to the ends of the sources.
static int show_next(struct k_shard *shard, uint32_t input, bool history, bool *ret_some, bool *ret_through,
                     struct k_error *err)
{
    uint32_t count;
    struct k_input *in = &k_machine_inputs(shard->machine, &count)[input];
    const struct feed *feed = &shard->feeds[input];
    *ret_some = false;
    *ret_through = history && (in->until == 0 || in->next >= in->until);
    if (*ret_through) return 0;
    TRY(feed_fill(shard, input, K_BATCH_ROWS, ret_some, err));
    if (!history) {
        *ret_through = !*ret_some && input_reached(shard, in, input);
        return 0;
    }
    bool beyond = *ret_some ? feed->messages[feed->at]->offset >= in->until
                            : !feed->verify && shard->options.log->ops->position(feed->reader) >= in->until;
    if (!beyond) return 0;
    in->next = in->until;
    *ret_some = false;
    *ret_through = true;
    return 0;
}

// How many of the messages that wait come before what the other inputs show.
static uint32_t run_of(struct k_shard *shard, uint32_t best, bool history, int64_t second_us, uint32_t second)
{
    uint32_t count, run = 1;
    const struct feed *feed = &shard->feeds[best];
    int64_t until = history ? k_machine_inputs(shard->machine, &count)[best].until : INT64_MAX;
    while (feed->at + run < feed->count && feed->messages[feed->at + run]->offset < until &&
           is_before(feed->times[feed->at + run], best, second_us, second)) run++;
    return run;
}

// By event time, then input, then offset: history that nobody led, in an order that anyone finds again. Until every
// input has shown what comes next, or is through, nothing is fed.
static int choose_in_order(struct k_shard *shard, bool history, int32_t *ret, bool *ret_over, struct k_error *err)
{
    uint32_t count, best = UINT32_MAX, second = UINT32_MAX;
    int64_t best_us = INT64_MAX, second_us = INT64_MAX;
    k_machine_inputs(shard->machine, &count);
    *ret = -1;
    *ret_over = false;
    for (uint32_t i = 0; i < count; i++) {
        bool some, through;
        TRY(show_next(shard, i, history, &some, &through, err));
        if (!some && !through) return 0;
        if (!some) continue;
        int64_t time_us = next_time(shard, i);
        if (history && K_PLANT(history_unmerged)) time_us = 0;
        if (is_before(time_us, i, best_us, best)) {
            second_us = best_us;
            second = best;
            best_us = time_us;
            best = i;
        } else if (is_before(time_us, i, second_us, second)) {
            second_us = time_us;
            second = i;
        }
    }
    *ret_over = best == UINT32_MAX;
    if (*ret_over) return 0;
    shard->feeds[best].run = run_of(shard, best, history, second_us, second);
    *ret = (int32_t)best;
    return 0;
}

int feed_choose_history(struct k_shard *shard, int32_t *ret, bool *ret_over, struct k_error *err)
{
    return choose_in_order(shard, true, ret, ret_over, err);
}

// The input whose partition is furthest behind in event time, among those with something to read: windows then stay
// open no longer than they must. It is a decision, and the journal remembers it. But one that has caught up with its
// partition's end brings a little at every step, and would keep the others waiting for ever.
int feed_choose(struct k_shard *shard, int32_t *ret, struct k_error *err)
{
    uint32_t count;
    struct k_input *inputs = k_machine_inputs(shard->machine, &count);
    int32_t least = -1, overdue = -1;
    bool over;
    if (shard->options.in_order) return choose_in_order(shard, false, ret, &over, err);
    for (uint32_t step = 0; step < count; step++) {
        uint32_t i = (shard->next_input + step) % count;
        bool some;
        TRY(feed_fill(shard, i, K_BATCH_ROWS, &some, err));
        if (!some) continue;
        if (least < 0 || inputs[i].clock.watermark_us < inputs[least].clock.watermark_us) least = (int32_t)i;
        if (shard->feeds[i].waited >= PATIENCE &&
            (overdue < 0 || shard->feeds[i].waited > shard->feeds[overdue].waited))
            overdue = (int32_t)i;
    }
    *ret = overdue >= 0 ? overdue : least;
    if (*ret < 0) return 0;
    shard->next_input = (shard->next_input + 1) % count;
    bool at_end = shard->options.log->ops->at_end(shard->feeds[*ret].reader);
    for (uint32_t i = 0; at_end && i < count; i++) shard->feeds[i].waited += shard->feeds[i].at < shard->feeds[i].count;
    shard->feeds[*ret].waited = 0;
    return 0;
}

bool feed_some_at_end(const struct k_shard *shard)
{
    uint32_t count;
    k_machine_inputs(shard->machine, &count);
    for (uint32_t i = 0; i < count; i++)
        if (shard->feeds[i].reader && shard->options.log->ops->at_end(shard->feeds[i].reader)) return true;
    return false;
}

// A source that ends before what the state has read is another one. Its readers would say so only when they ask for
// what is beyond the end, and with --once nobody asks.
int feed_check_ends(struct k_shard *shard, struct k_error *err)
{
    uint32_t count;
    struct k_input *inputs = k_machine_inputs(shard->machine, &count);
    struct k_log *log = shard->options.log;
    for (uint32_t i = 0; i < count; i++) {
        const struct k_input *in = &inputs[i];
        int64_t end;
        if (in->next <= 0) continue;
        TRY(log->ops->offsets(log, topic_of(shard, in), (int32_t)in->partition, false, NULL, &end, err));
        if (in->next > end)
            return k_fail(err, K_E_LOST_RANGE,
                          "topic %s, partition %u: the state has read it up to offset %lld, but it ends at %lld; the "
                          "topic was deleted and made anew, or cut. The state belongs to the old topic: give the graph "
                          "another name to start afresh",
                          topic_of(shard, in), in->partition, (long long)in->next, (long long)end);
    }
    return 0;
}

int feed_once_ends(struct k_shard *shard, struct k_error *err)
{
    if (shard->once_ends) return 0;
    uint32_t count;
    struct k_input *inputs = k_machine_inputs(shard->machine, &count);
    struct k_log *log = shard->options.log;
    int64_t *ends = k_new_array(int64_t, count + 1);
    for (uint32_t i = 0; i < count; i++) {
        int64_t start;
        int code = log->ops->offsets(log, topic_of(shard, &inputs[i]), (int32_t)inputs[i].partition, true, &start,
                                     &ends[i], err);
        if (code) {
            free(ends);
            return code;
        }
        if (start == ends[i]) ends[i] = -1; // nothing in it: it is reached also by who has not opened it
    }
    shard->once_ends = ends;
    return 0;
}

bool feed_once_reached(const struct k_shard *shard)
{
    uint32_t count;
    struct k_input *inputs = k_machine_inputs(shard->machine, &count);
    for (uint32_t i = 0; i < count; i++)
        if (!input_reached(shard, &inputs[i], i)) return false;
    return true;
}

int feed_lag(struct k_shard *shard, struct k_error *err)
{
    uint32_t count;
    struct k_input *inputs = k_machine_inputs(shard->machine, &count);
    struct k_log *log = shard->options.log;
    int64_t lag = 0;
    for (uint32_t i = 0; i < count; i++) {
        int64_t start, end;
        TRY(log->ops->offsets(log, topic_of(shard, &inputs[i]), (int32_t)inputs[i].partition, true, &start, &end,
                              err));
        int64_t at = inputs[i].next > start ? inputs[i].next : start;
        const struct feed *feed = &shard->feeds[i];
        if (feed->reader && feed->at == feed->count && log->ops->position(feed->reader) > at)
            at = log->ops->position(feed->reader);
        if (end > at) lag += end - at;
    }
    shard->report.lag_records = lag;
    return 0;
}
