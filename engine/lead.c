// Leading: poll, decide, compute, commit; and a checkpoint from time to time.
//
// Invariants
// 1. Everything that the machine was fed since the last commit is in `pending`, in order, and its outputs are in the
// open
//    transaction. There is no transaction without a reason for one.
// 2. Any failure of a transactional call ends in RESET (the caller moves there): state in memory is never rewound.
// 3. The state reaches the store only behind a commit that is known (checkpoint.c).
#include "engine/shard_private.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    EMBEDDED_BYTES_MAX = 512 << 10,
    OUTPUT_BYTES_MAX = 16 << 20,
    RANGES_MAX = 4096,
    SKIP_US = 1000000,
    MARKS_MAX = 8
};

static int ensure_transaction(struct k_shard *shard, struct k_error *err)
{
    if (shard->in_transaction) return 0;
    TRY(shard->options.log->ops->begin(shard->producer, err));
    shard->in_transaction = true;
    shard->transaction_since_us = shard_now(shard);
    return 0;
}

int lead_output(void *context, const struct k_output *output, struct k_error *err)
{
    struct k_shard *shard = context;
    bool leads = shard->state == K_SHARD_LEAD;
    if (leads) TRY(ensure_transaction(shard, err));
    // Every message says which generation and which journal record made it.
    struct k_header headers[16];
    K_ASSERT(output->header_count < 16);
    if (output->header_count) memcpy(headers, output->headers, output->header_count * sizeof *headers);
    headers[output->header_count] = (struct k_header){K_STR("kappa"), k_str_of(shard->output_position), false};
    struct k_out_message message = {.topic = output->topic,
                                    .partition = -1,
                                    .key = output->key,
                                    .value = output->value,
                                    .has_key = output->has_key,
                                    .has_value = output->has_value,
                                    .timestamp_us = output->timestamp_us,
                                    .headers = headers,
                                    .header_count = output->header_count + 1};
    shard->output_bytes += output->key.length + output->value.length + 64;
    if (!leads) return outputs_send(shard, &message, err);
    int code = shard->options.log->ops->produce(shard->producer, &message, err);
    return code ? k_wrap(err, code, "topic %s", output->topic) : 0;
}

static int feed_batch(struct k_shard *shard, uint32_t input, struct k_error *err)
{
    uint32_t count;
    struct k_input *in = &k_machine_inputs(shard->machine, &count)[input];
    struct feed *feed = &shard->feeds[input];
    const struct k_message *const *messages = feed->messages + feed->at;
    uint32_t n = feed->count - feed->at;
    if (feed->run && feed->run < n) n = feed->run;
    if (feed->embedded) {
        // What is embedded must fit into one journal record: a large one stands alone there.
        size_t bytes = shard->pending.embedded_bytes;
        uint32_t fit = 0;
        while (fit < n) {
            bytes += k_embedded_bytes(messages[fit]);
            if (bytes > EMBEDDED_BYTES_MAX && (fit > 0 || shard->pending.embedded_bytes > 0)) break;
            fit++;
        }
        shard->crowded = fit < n;
        if (fit == 0) return 0; // after the next commit
        n = fit;
    }
    TRY(ensure_transaction(shard, err));
    int64_t next = messages[n - 1]->offset + 1;
    if (K_PLANT(offset_one_too_many)) next++;
    k_pending_add(&shard->pending, in->source, in->partition, in->next, next, messages, n,
                  feed->embedded && !K_PLANT(not_embedded));
    TRY(feed_machine(shard, input, n, err));
    in->next = next; // also the planted one
    return 0;
}

// Partitions that stand at their end: facts for idleness, and skips over markers. *ret_skip: a skip is among them.
static uint32_t gather_ends(struct k_shard *shard, struct k_at_end *ends, bool *ret_skip)
{
    uint32_t count, n = 0;
    struct k_input *inputs = k_machine_inputs(shard->machine, &count);
    struct k_log *log = shard->options.log;
    *ret_skip = false;
    for (uint32_t i = 0; i < count; i++) {
        struct feed *feed = &shard->feeds[i];
        if (!feed->reader || feed->at < feed->count || feed->verify || !log->ops->at_end(feed->reader)) continue;
        int64_t position = log->ops->position(feed->reader);
        bool skip = inputs[i].next >= 0 && position > inputs[i].next;
        bool idle = shard->options.plan->sources[inputs[i].source].idle_us >= 0;
        if (!skip && !idle) continue;
        *ret_skip |= skip;
        ends[n++] = (struct k_at_end){i, position > inputs[i].next ? position : inputs[i].next};
    }
    return n;
}

// What waits in the producer is memory too.
uint64_t lead_output_limit(const struct k_shard *shard)
{
    uint64_t share = shard->options.state.cache_bytes / 4;
    return share < OUTPUT_BYTES_MAX ? share : OUTPUT_BYTES_MAX;
}

static int work_off(struct k_shard *shard, uint64_t *work, struct k_error *err)
{
    int64_t began = shard_now(shard);
    while (!k_machine_is_settled(shard->machine) && shard_since(shard, began) < shard->options.step_budget_us &&
           shard->output_bytes < lead_output_limit(shard)) {
        uint64_t done;
        TRY(k_machine_work(shard->machine, shard->options.work_portion, &done, err));
        *work += done;
        if (k_state_dirty_bytes(shard->store) >= checkpoint_dirty_limit(shard)) break;
    }
    return 0;
}

static int send_journal(struct k_shard *shard, struct k_journal_point *point, const struct k_journal_facts *facts,
                        struct k_error *err)
{
    struct k_log *log = shard->options.log;
    struct k_buf record = {0};
    k_journal_encode(point, &shard->pending, facts, &record);
    struct k_out_message message = {.topic = shard->journal_topic,
                                    .partition = 0,
                                    .value = k_buf_str(&record),
                                    .has_value = true,
                                    .timestamp_us = facts->clock_us,
                                    .tracked = true};
    int code = log->ops->produce(shard->producer, &message, err);
    k_buf_fini(&record);
    if (code) return code;
    uint32_t count;
    struct k_input *inputs = k_machine_inputs(shard->machine, &count);
    struct k_topic_offset *offsets = k_new_array(struct k_topic_offset, count + 1);
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++)
        if (inputs[i].next >= 0)
            offsets[n++] = (struct k_topic_offset){shard->options.plan->sources[inputs[i].source].topic,
                                                   (int32_t)inputs[i].partition, inputs[i].next};
    code = log->ops->send_offsets(shard->producer, shard->member, offsets, n, err);
    free(offsets);
    return code;
}

// The switch that is through in this shard now, and not called so yet: the checkpoint stands behind its leadership. 0:
// none.
static uint64_t settled_switch(const struct k_shard *shard)
{
    const struct leadership *lead = &shard->lead;
    bool passed = shard->saved_offset >= lead->offset || K_PLANT(done_early);
    return lead->seq > lead->settled && passed ? lead->seq : 0;
}

// A mark stands where all work of the frontier is done, so that generations with other units of work agree there. Of
// several that were asked for at once each has its own record, as each has somebody who waits for it; but of those from
// while nobody led, the last are enough.
static uint64_t mark_here(const struct k_shard *shard)
{
    uint64_t mark = orders_mark(shard);
    if (mark <= shard->mark || !k_machine_is_settled(shard->machine)) return 0;
    return mark - shard->mark > MARKS_MAX ? mark - MARKS_MAX + 1 : shard->mark + 1;
}

static void note_commit(struct k_shard *shard, const struct k_journal_facts *facts)
{
    if (facts->difference && facts->difference->done) difference_close(shard);
    if (facts->settled) shard->lead.settled = facts->settled;
    shard->lead.left = facts->work_left;
    if (!facts->mark) return;
    shard->mark = facts->mark;
    shard->mark_offset = shard->point.offset;
    shard->mark_due = true;
}

static int commit(struct k_shard *shard, Kappa__Internal__JournalRecord__Leadership *leadership, bool final,
                  struct k_error *err)
{
    uint32_t count;
    struct k_input *inputs = k_machine_inputs(shard->machine, &count);
    struct k_at_end *ends = k_new_array(struct k_at_end, count + 1);
    bool skip;
    struct k_journal_facts facts = {.pipeline = shard->options.plan->name,
                                    .shard = shard->options.shard,
                                    .inputs = inputs,
                                    .ends = ends,
                                    .final = final,
                                    .leadership = leadership};
    facts.clock_us = shard_now(shard);
    if (facts.clock_us < k_machine_clock(shard->machine)) facts.clock_us = k_machine_clock(shard->machine);
    facts.end_count = gather_ends(shard, ends, &skip);
    for (uint32_t i = 0; i < facts.end_count; i++) inputs[ends[i].input].next = ends[i].next;
    struct k_journal_point point = shard->point;
    if (leadership) point.epoch++;
    bool tainted = false, differs = false;
    Kappa__Internal__Difference difference;
    int code = ensure_transaction(shard, err);
    if (!code)
        code = k_machine_boundary(shard->machine, facts.clock_us, ends, facts.end_count, final,
                                  shard->options.work_portion, &facts.work, err);
    if (!code) code = work_off(shard, &facts.work, err);
    if (!code && !leadership) code = difference_write(shard, &differs, err);
    difference_fill(shard, &difference);
    facts.difference = differs ? &difference : NULL;
    facts.settled = leadership ? 0 : settled_switch(shard);
    facts.mark = leadership || code ? 0 : mark_here(shard);
    facts.work_left = !k_machine_is_settled(shard->machine);
    facts.runs = k_machine_work_runs(shard->machine, &facts.run_count);
    struct standing standing;
    leadership_stand(shard, leadership, &facts, &standing);
    if (!code) code = send_journal(shard, &point, &facts, err);
    leadership_stood(&standing);
    free(ends);
    if (!code && K_PLANT(checkpoint_early)) {
        shard->moved = true;
        struct k_journal_point before = shard->point;
        shard->point = point;
        shard->point.offset = before.offset + 1;
        code = checkpoint_take(shard, err);
        shard->point = before;
    }
    if (!code) code = shard->options.log->ops->commit(shard->producer, &tainted, err);
    if (code == K_E_DOUBTFUL && K_PLANT(retry_doubtful))
        code = shard->options.log->ops->commit(shard->producer, &tainted, err);
    if (code) return code;
    shard->in_transaction = shard->crowded = false;
    point.offset = shard->options.log->ops->tracked_offset(shard->producer) + 1;
    // A broker that had the record already, from a request whose answer was lost, does not say where.
    if (point.offset <= 0)
        return k_fail(err, K_E_ABORTED, "the commit is known, but not where its journal record stands");
    shard->point = point;
    shard->moved = true;
    note_commit(shard, &facts);
    if (leadership) TRY(leadership_adopt(shard, leadership, point.sequence - 1, point.offset, err));
    k_pending_clear(&shard->pending);
    shard->output_bytes = 0;
    shard->commit_at_us = shard_now(shard);
    int64_t lasted_us = shard->commit_at_us - shard->transaction_since_us;
    if (lasted_us > shard->report.longest_transaction_us) shard->report.longest_transaction_us = lasted_us;
    shard->report.commits++;
    snprintf(shard->output_position, sizeof shard->output_position, "%s/%u/%llu", shard->options.generation,
             shard->options.shard, (unsigned long long)shard->point.sequence);
    if (tainted && !K_PLANT(retry_doubtful) && !K_PLANT(ignore_disconnect))
        return k_fail(err, K_E_ABORTED, "the commit is known, but a copy of its request may be under way");
    return 0;
}

// Where a partition begins that nobody has read yet is a fact like any other: told here, as a range of no records, so
// that what retention takes before the first record is fed is missed, and all who follow begin at the same offset.
static int note_beginnings(struct k_shard *shard, struct k_error *err)
{
    uint32_t count;
    struct k_input *inputs = k_machine_inputs(shard->machine, &count);
    struct k_log *log = shard->options.log;
    for (uint32_t i = 0; i < count; i++) {
        struct k_input *in = &inputs[i];
        if (in->next >= 0) continue;
        int64_t start;
        TRY(log->ops->offsets(log, shard->options.plan->sources[in->source].topic, (int32_t)in->partition, true,
                              &start, NULL, err));
        k_pending_add(&shard->pending, in->source, in->partition, start, start, NULL, 0, false);
        in->next = start;
    }
    return 0;
}

// The first transaction of a leadership says what runs.
static int announce(struct k_shard *shard, struct k_error *err)
{
    const struct k_plan *plan = shard->options.plan;
    struct k_arena arena;
    k_arena_init(&arena);
    Kappa__Internal__JournalRecord__Leadership leadership;
    kappa__internal__journal_record__leadership__init(&leadership);
    leadership.has_semantics = leadership.has_shards = true;
    leadership.semantics = K_SEMANTICS;
    leadership.fingerprint = (char *)plan->fingerprint;
    leadership.shards = plan->shards;
    leadership.worker = (char *)shard->options.worker;
    leadership.generation = (char *)shard->options.generation;
    leadership.has_control_seq = shard->seq > 0;
    leadership.control_seq = shard->seq;
    const char *before = difference_wanted(shard); // its owner goes when this leadership is adopted
    leadership.difference_from = before ? k_arena_format(&arena, "%s", before) : NULL;
    leadership.start = leadership_start(shard);
    leadership.has_start = leadership.start != 0;
    leadership.n_input = plan->source_count;
    leadership.input = k_arena_get(&arena, (plan->source_count + 1) * sizeof *leadership.input);
    for (uint32_t i = 0; i < plan->source_count; i++) {
        Kappa__Internal__JournalRecord__Input *input = leadership.input[i] = k_arena_get(&arena, sizeof *input);
        kappa__internal__journal_record__input__init(input);
        input->source = (char *)plan->sources[i].name;
        input->topic = (char *)plan->sources[i].topic;
        input->has_partitions = input->has_embedded = true;
        input->partitions = shard->partitions[i];
        int32_t first = k_machine_find_input(shard->machine, i, shard->options.shard);
        input->embedded = first >= 0 && shard->feeds[first].embedded;
    }
    snprintf(shard->output_position, sizeof shard->output_position, "%s/%u/%llu", shard->options.generation,
             shard->options.shard, (unsigned long long)shard->point.sequence);
    int code = leadership.difference_from ? difference_keep(shard, shard->seq, err) : 0;
    if (!code) code = note_beginnings(shard, err);
    if (!code) code = commit(shard, &leadership, false, err);
    k_arena_fini(&arena);
    if (!code) shard->announced = true;
    return code;
}

static bool commit_is_full(struct k_shard *shard)
{
    return k_state_dirty_bytes(shard->store) >= checkpoint_dirty_limit(shard) ||
           shard->output_bytes >= lead_output_limit(shard) ||
           shard->pending.range_count >= RANGES_MAX || shard->crowded;
}

// Is there a reason to commit now? *ret_wait_us: when to look again.
static int commit_is_due(struct k_shard *shard, bool *ret_due, int64_t *ret_wait_us, struct k_error *err)
{
    int64_t now = shard_now(shard), interval = shard->options.commit_interval_us;
    *ret_due = false;
    *ret_wait_us = interval;
    if (shard->in_transaction) {
        // While frontier work is left over a transaction has one batch only: who feeds faster than the frontier's work
        // goes on piles up rows that wait (of a join, until they no longer fit into the cache, and it is slower still).
        *ret_due = shard_since(shard, shard->transaction_since_us) >= interval || commit_is_full(shard) ||
                   shard->stopping || !k_machine_is_settled(shard->machine);
        *ret_wait_us = shard->transaction_since_us + interval - now;
        return 0;
    }
    if (settled_switch(shard) || mark_here(shard)) {
        *ret_due = true;
        return 0;
    }
    if (!k_machine_is_settled(shard->machine)) {
        // Frontier work that did not fit into the last transaction goes on at once.
        *ret_due = true;
        return 0;
    }
    if (shard_since(shard, shard->commit_at_us) < interval) {
        *ret_wait_us = shard->commit_at_us + interval - now;
        return 0;
    }
    if (difference_is_due(shard)) {
        *ret_due = true;
        return 0;
    }
    uint32_t count;
    k_machine_inputs(shard->machine, &count);
    struct k_at_end *ends = k_new_array(struct k_at_end, count + 1);
    bool skip;
    uint32_t n = gather_ends(shard, ends, &skip);
    int64_t clock = now > k_machine_clock(shard->machine) ? now : k_machine_clock(shard->machine);
    int code = k_machine_due(shard->machine, clock, ends, n, ret_due, err);
    free(ends);
    if (skip && (shard->options.once || shard_since(shard, shard->commit_at_us) >= SKIP_US)) *ret_due = true;
    return code;
}

static int maybe_checkpoint(struct k_shard *shard, bool must, struct k_error *err)
{
    if (shard->in_transaction || !(must ? shard->moved : checkpoint_is_due(shard))) return 0;
    return checkpoint_or_stall(shard, err);
}

// Markers behind the last record of a partition are skipped before a stop: retention may take what is before them, and
// the next start would miss records that there are none of.
static bool skips_are_left(struct k_shard *shard)
{
    uint32_t count;
    k_machine_inputs(shard->machine, &count);
    struct k_at_end *ends = k_new_array(struct k_at_end, count + 1);
    bool skip;
    (void)gather_ends(shard, ends, &skip);
    free(ends);
    return skip;
}

// What --once and a stop want: everything committed, nothing left to do, checkpointed.
static int finish(struct k_shard *shard, bool *ret_finished, struct k_error *err)
{
    *ret_finished = false;
    if (shard->in_transaction) return 0;
    if (shard->options.once && !shard->stopping) {
        if (!feed_once_reached(shard)) return 0;
        if (shard->options.final && !k_machine_is_final(shard->machine)) return commit(shard, NULL, true, err);
        bool due;
        TRY(k_machine_due(shard->machine, k_machine_clock(shard->machine), NULL, 0, &due, err));
        if (due || !k_machine_is_settled(shard->machine)) return commit(shard, NULL, false, err);
    }
    if (skips_are_left(shard)) return commit(shard, NULL, false, err);
    TRY(maybe_checkpoint(shard, true, err));
    *ret_finished = !shard->moved;
    return 0;
}

int lead_step(struct k_shard *shard, int64_t *ret_wait_us, struct k_error *err)
{
    *ret_wait_us = 0;
    // Nothing moves the state on from a mark before its copy is kept, also no leadership that begins there.
    if (shard->mark_due && !shard->report.stalled) return checkpoint_keep_mark(shard, err);
    if (!shard->announced && !shard->mark_due) return announce(shard, err);
    if (shard->report.stalled) {
        if (shard->stopping) return shard->state = K_SHARD_STOPPED, 0; // what is not saved is in the journal
        *ret_wait_us = shard_left(shard);
        return *ret_wait_us ? 0 : maybe_checkpoint(shard, true, err);
    }
    int32_t input = -1;
    bool full = shard->in_transaction && commit_is_full(shard);
    if (!shard->stopping && !full) {
        TRY(feed_choose(shard, &input, err));
        if (input < 0 && feed_some_at_end(shard)) shard->had_none_waiting = true;
    }
    if (input >= 0) TRY(feed_batch(shard, (uint32_t)input, err));
    bool due;
    TRY(commit_is_due(shard, &due, ret_wait_us, err));
    if (due) TRY(commit(shard, NULL, false, err));
    if (shard->mark_due) return *ret_wait_us = 0, 0;
    // Whoever waits for a switch waits for the checkpoint behind it.
    const struct leadership *lead = &shard->lead;
    TRY(maybe_checkpoint(shard, lead->seq > lead->settled && shard->saved_offset < lead->offset, err));
    if (!shard->in_transaction && !shard->stopping && !shard->options.once) TRY(trim_step(shard));
    if (input >= 0 || due || *ret_wait_us < 0) *ret_wait_us = 0;
    if ((shard->options.once && input < 0) || shard->stopping) {
        bool finished;
        if (shard->in_transaction) TRY(commit(shard, NULL, false, err));
        if (shard->mark_due) return *ret_wait_us = 0, 0;
        TRY(finish(shard, &finished, err));
        if (finished) return shard->state = K_SHARD_STOPPED, 0;
        if (shard->stopping || feed_once_reached(shard)) *ret_wait_us = 0;
    }
    return 0;
}
