// The states of a shard, as a table that is executed and checked at each move (the diagram is in shard.h).
#include "engine/takeover.h"

#include "base/hash.h"
#include "base/trace.h"

#include <stdio.h>
#include <stdlib.h>

#ifdef K_PLANTED
enum k_plant k_planted = K_PLANT_NONE;
#endif

enum {
    RETRY_US = 200000,
    LAG_US = 1000000,
    TOPICS_US = 30000000,
    IDLE_WAIT_US = 100000,
    QUIET_US = 1000000, // a leader that has had nothing to commit for so long looks round less often
    FOLLOW_WAIT_US = 20000,
    IN_STEP_US = 1000000,
    VAIN_US = 1000000
};

#define TO(state) (1u << (state))
struct behaviour {
    int (*step)(struct k_shard *shard, int64_t *ret_wait_us, struct k_error *err);
    uint32_t moves; // where it may go from here
};
static const struct behaviour behaviours[K_SHARD_STOPPED + 1];

static void move_to(struct k_shard *shard, enum k_shard_state state)
{
    K_ASSERT(behaviours[shard->state].moves & TO(state));
    k_trace(K_TRACE_DEBUG, "shard", "%u: %s -> %s", shard->options.shard, k_shard_state_name(shard->state),
            k_shard_state_name(state));
    shard->state = state;
}

int64_t shard_now(struct k_shard *shard)
{
    return shard->options.log->ops->now_us(shard->options.log);
}

int64_t shard_since(struct k_shard *shard, int64_t then_us)
{
    int64_t passed_us = shard_now(shard) - then_us;
    return passed_us < 0 ? INT64_MAX : passed_us;
}

int64_t shard_left(struct k_shard *shard)
{
    int64_t left_us = shard->retry_at_us - shard_now(shard);
    return left_us < 0 || left_us > SHARD_RETRY_MAX_US ? 0 : left_us;
}

static void close_journal(struct k_shard *shard)
{
    shard->options.log->ops->reader_close(shard->journal);
    shard->journal = NULL;
    shard->journal_at = shard->journal_count = 0;
}

void shard_forget(struct k_shard *shard)
{
    const struct k_log_ops *log = shard->options.log->ops;
    if (shard->producer && shard->in_transaction) {
        // Only frees readers earlier; that memory is dropped is what counts.
        struct k_error ignored = {0};
        (void)log->abort(shard->producer, &ignored);
    }
    log->producer_close(shard->producer);
    shard->producer = NULL;
    shard->in_transaction = shard->announced = shard->moved = shard->crowded = false;
    outputs_forget(shard);
    shard->report.stalled = false;
    shard->output_bytes = 0;
    k_pending_clear(&shard->pending);
    uint32_t count = 0;
    if (shard->machine) k_machine_inputs(shard->machine, &count);
    for (uint32_t i = 0; shard->feeds && i < count; i++) {
        log->reader_close(shard->feeds[i].reader);
        free(shard->feeds[i].times);
    }
    free(shard->feeds);
    shard->feeds = NULL;
    close_journal(shard);
    if (shard->following.record) kappa__internal__journal_record__free_unpacked(shard->following.record, NULL);
    shard->following.record = NULL;
    shard->history = (struct history){0};
    leadership_drop(shard);
    difference_drop(shard);
    takeover_drop(shard);
    trim_drop(shard);
    shard->mark = 0;
    shard->mark_due = false;
    k_machine_close(shard->machine);
    shard->machine = NULL;
    k_state_destroy(shard->store);
    shard->store = NULL;
    free(shard->partitions);
    shard->partitions = NULL;
}

static int step_open(struct k_shard *shard, int64_t *ret_wait_us, struct k_error *err)
{
    *ret_wait_us = 0;
    shard_forget(shard);
    TRY(shard_open(shard, err));
    shard->records_at_open = shard->report.records;
    move_to(shard, shard->history.under_way ? K_SHARD_HISTORY : K_SHARD_FOLLOW);
    return 0;
}

// What following does in every state that follows: a bounded step, a checkpoint at a boundary. While there is no room
// for one, nothing is followed: what cannot be saved stays in memory.
static int follow(struct k_shard *shard, int64_t *ret_wait_us, struct k_error *err)
{
    bool may_follow;
    TRY(outputs_step(shard, &may_follow, err));
    if (shard->report.stalled && (*ret_wait_us = shard_left(shard)) > 0) return 0;
    if (!follow_is_between(shard) && (shard->report.stalled || checkpoint_is_due(shard))) {
        TRY(checkpoint_or_stall(shard, err));
        if (shard->report.stalled) return 0;
    }
    if (shard->mark_due && !follow_is_between(shard)) return checkpoint_keep_mark(shard, err);
    if ((*ret_wait_us = may_follow ? follow_rate_left(shard) : FOLLOW_WAIT_US) > 0) return 0;
    bool progress;
    uint64_t before = shard->report.records;
    TRY(shard->history.under_way ? history_step(shard, &progress, err) : follow_step(shard, &progress, err));
    follow_rate_count(shard, shard->report.records - before);
    if (!progress) shard->had_none_waiting = true;
    *ret_wait_us = progress ? 0 : FOLLOW_WAIT_US;
    return 0;
}

// A follower that is to stop, or that has seen all it was asked for.
static int follower_finish(struct k_shard *shard, bool *ret_finished, struct k_error *err)
{
    *ret_finished = false;
    if (follow_is_between(shard)) {
        // In the middle of a record there is no boundary to save at; the next start follows it again.
        *ret_finished = shard->stopping;
        return 0;
    }
    // A journal that nobody has begun is begun: its first checkpoint is what shows that the tables are there, if empty.
    bool begun = shard->point.sequence > 0 && !shard->history.under_way;
    bool in_place = shard->state == K_SHARD_STANDBY || !orders_lead(shard); // who shall lead is through as a leader
    bool final = k_machine_is_final(shard->machine);
    // Whose generation shall not lead reads no source, and so cannot know that only markers are left there; but behind
    // the end of a complete journal it is through.
    bool reached = shard->once_ends && (feed_once_reached(shard) || (final && !orders_lead(shard)));
    bool once = shard->options.once && in_place && begun && reached && (!shard->options.final || final);
    // Whether work is left is asked of the operators: a follower hears of a frontier only when there was work at it.
    bool due = false;
    if (once)
        TRY(k_machine_due(shard->machine, k_machine_clock(shard->machine), NULL, 0, &due, err));
    // A leader that died behind its last unit has not said so: followers with another graph wait to hear that none is
    // left.
    due |= orders_lead(shard) && shard->lead.left;
    if (!shard->stopping && (!once || due)) return 0;
    int code = checkpoint_take(shard, err);
    *ret_finished = code == 0 || (shard->stopping && code == K_E_DISK_FULL); // the state follows again from before
    return *ret_finished ? 0 : code;
}

static void rank_of(const struct k_shard *shard, uint64_t seq, char *out, size_t size)
{
    // Whoever acts on the newest control record comes first: what remains in the group of another generation does not
    // stand in its way. Then who joined at the lowest journal record: a leader joined before all who joined while it
    // led, so a newcomer never takes a shard from a healthy leader. Among equals a hash, so that shards spread.
    char who[300];
    int length = snprintf(who, sizeof who, "%s/%u", shard->options.worker, shard->options.shard);
    snprintf(out, size, "%010llu-%020llu-%016llx", 9999999999ull - (unsigned long long)seq,
             (unsigned long long)shard->point.sequence,
             (unsigned long long)k_hash(who, (size_t)(length < 299 ? length : 299)));
}

// Joins the group with a rank of the present control record. Who is in it from an earlier one, leaves first; its place
// is then free at once.
static int join(struct k_shard *shard, struct k_error *err)
{
    uint64_t seq = orders_seq(shard);
    if (shard->member && shard->member_seq == seq) return 0;
    shard->options.log->ops->member_leave(shard->member);
    shard->member = NULL;
    shard->member_seq = seq;
    char rank[64];
    rank_of(shard, seq, rank, sizeof rank);
    return shard->options.log->ops->member_join(shard->options.log, shard->group, shard->journal_topic, rank,
                                                &shard->member, err);
}

// A member whose generation shall not lead stays in the group, as its leaving would only disturb who leads; unless the
// group gives it the partition, and nobody takes that from it for a while: then it stands in the way.
static void leave_if_in_vain(struct k_shard *shard, enum k_membership membership)
{
    bool vain = shard->member && membership == K_MEMBER_ASSIGNED && !orders_lead(shard);
    if (!vain) {
        shard->vain_since_us = 0;
    } else if (!shard->vain_since_us) {
        shard->vain_since_us = shard_now(shard);
    } else if (shard_since(shard, shard->vain_since_us) > VAIN_US) {
        shard->options.log->ops->member_leave(shard->member);
        shard->member = NULL;
    }
}

static int step_history(struct k_shard *shard, int64_t *ret_wait_us, struct k_error *err)
{
    // A member since before a reset: its heartbeats go on.
    enum k_membership membership = K_MEMBER_WAITING;
    if (shard->member) TRY(shard->options.log->ops->member_poll(shard->member, &membership, err));
    TRY(follow(shard, ret_wait_us, err));
    bool finished;
    TRY(follower_finish(shard, &finished, err));
    if (finished) move_to(shard, K_SHARD_STOPPED);
    else if (!shard->history.under_way) move_to(shard, K_SHARD_FOLLOW);
    return 0;
}

static int step_follow(struct k_shard *shard, int64_t *ret_wait_us, struct k_error *err)
{
    // A member since before a reset stays one: heartbeats and rebalances go on.
    enum k_membership membership = K_MEMBER_WAITING;
    if (shard->member) TRY(shard->options.log->ops->member_poll(shard->member, &membership, err));
    leave_if_in_vain(shard, membership);
    TRY(follow(shard, ret_wait_us, err));
    bool finished;
    TRY(follower_finish(shard, &finished, err));
    if (finished) {
        move_to(shard, K_SHARD_STOPPED);
        return 0;
    }
    if (!orders_lead(shard) || !follow_is_at(shard, shard->journal_end)) return 0;
    if (shard_since(shard, shard->journal_end_at_us) > IN_STEP_US) {
        // That was the end some time ago. In step is who gets from one end to the next in a moment.
        shard->journal_end_at_us = shard_now(shard);
        return shard->options.log->ops->offsets(shard->options.log, shard->journal_topic, 0, true, NULL,
                                                &shard->journal_end, err);
    }
    TRY(join(shard, err));
    *ret_wait_us = 0;
    move_to(shard, K_SHARD_STANDBY);
    return 0;
}

// Whether the journal has a leadership of a newer control record than this one.
static bool is_behind(const struct k_shard *shard, uint64_t seq)
{
    return shard->lead.seq > seq && !K_PLANT(old_control);
}

static int step_standby(struct k_shard *shard, int64_t *ret_wait_us, struct k_error *err)
{
    enum k_membership membership;
    TRY(shard->options.log->ops->member_poll(shard->member, &membership, err));
    leave_if_in_vain(shard, membership);
    TRY(follow(shard, ret_wait_us, err));
    bool finished;
    TRY(follower_finish(shard, &finished, err));
    if (finished) {
        move_to(shard, K_SHARD_STOPPED);
    } else if (!shard->member || (orders_lead(shard) && shard->member_seq != orders_seq(shard))) {
        *ret_wait_us = 0;
        move_to(shard, K_SHARD_FOLLOW);
    } else if (membership == K_MEMBER_ASSIGNED && shard_left(shard) == 0 && !shard->stopping && orders_lead(shard) &&
               !is_behind(shard, orders_seq(shard))) {
        *ret_wait_us = 0;
        move_to(shard, K_SHARD_FENCE);
    }
    return 0;
}

// Whether there is a newer control record than the one acted on: then this leadership, begun or not, is over.
static bool is_countermanded(const struct k_shard *shard)
{
    if (K_PLANT(old_control)) return false;
    return orders_seq(shard) != shard->seq || !orders_lead(shard);
}

static int step_fence(struct k_shard *shard, int64_t *ret_wait_us, struct k_error *err)
{
    const struct k_log_ops *log = shard->options.log->ops;
    *ret_wait_us = 0;
    char *id = shard->transactional_id;
    if (K_PLANT(id_per_worker)) id = k_format("%s-%s", shard->transactional_id, shard->options.worker);
    if (K_PLANT(id_per_generation)) id = k_format("%s-%s", shard->transactional_id, shard->options.generation);
    shard->seq = orders_seq(shard);
    int code =
        log->producer_open(shard->options.log, id, shard->options.transaction_timeout_us, &shard->producer, err);
    if (id != shard->transactional_id) free(id);
    // Only now: what the predecessor may have committed until it was fenced lies below this end.
    if (!code && !K_PLANT(skip_journal_end))
        // (Another id alone would only make the taker-over wait for the other's transaction; with the stable end, too,
        // it overlooks it.)
        code = log->offsets(shard->options.log, shard->journal_topic, 0,
                            K_PLANT(id_per_worker) || K_PLANT(id_per_generation), NULL, &shard->journal_end, err);
    if (code == K_E_RETRY || code == K_E_UNAVAILABLE) {
        log->producer_close(shard->producer);
        shard->producer = NULL;
        shard->retry_at_us = shard_now(shard) + RETRY_US;
        k_join_cut(shard->report.trouble, sizeof shard->report.trouble, 0, err->text);
        move_to(shard, K_SHARD_STANDBY);
        return 0;
    }
    if (code) return code;
    shard->report.records_followed_after_takeover = shard->report.records;
    move_to(shard, K_SHARD_CATCH_UP);
    return 0;
}

static bool source_offsets_agree(struct k_shard *shard)
{
    return shard->following.record == NULL && shard->journal_at == shard->journal_count;
}

// The planted bug cut_early: the last entry before the new leadership, is not followed to its end.
static bool overlook_last(struct k_shard *shard)
{
    struct following *f = &shard->following;
    if (shard->seq <= shard->lead.seq || !f->record || f->record->leadership ||
        shard->journal_at < shard->journal_count)
        return false;
    kappa__internal__journal_record__free_unpacked(f->record, NULL);
    f->record = NULL;
    return true;
}

static int step_catch_up(struct k_shard *shard, int64_t *ret_wait_us, struct k_error *err)
{
    enum k_membership membership;
    TRY(shard->options.log->ops->member_poll(shard->member, &membership, err));
    // What has been followed is good in any case; only the producer is of no use.
    if (membership != K_MEMBER_ASSIGNED || shard->stopping || is_countermanded(shard) ||
        is_behind(shard, shard->seq)) {
        shard->options.log->ops->producer_close(shard->producer);
        shard->producer = NULL;
        move_to(shard, K_SHARD_STANDBY);
        return 0;
    }
    TRY(follow(shard, ret_wait_us, err));
    bool at_end = K_PLANT(overlook_ticks) ? source_offsets_agree(shard) : follow_is_at(shard, shard->journal_end);
    if (K_PLANT(cut_early) && overlook_last(shard)) at_end = true;
    if (at_end) TRY(takeover_check_end(shard, err));
    if (!at_end || is_behind(shard, shard->seq)) return 0; // the next step gives up what an old record began
    TRY(outputs_end(shard, err));
    close_journal(shard); // what comes to it now is this shard's own
    shard->report.records_followed_after_takeover = shard->report.records - shard->records_at_open;
    shard->report.leaderships++;
    shard->commit_at_us = shard_now(shard);
    k_machine_want_outputs(shard->machine, !shard->options.mute);
    *ret_wait_us = 0;
    move_to(shard, K_SHARD_LEAD);
    return 0;
}

// The planted bug keep_over_revoke: the transaction is aborted, but what it changed stays in memory.
static void keep_memory(struct k_shard *shard)
{
    struct k_error ignored = {0};
    if (shard->in_transaction) (void)shard->options.log->ops->abort(shard->producer, &ignored);
    shard->options.log->ops->producer_close(shard->producer);
    shard->producer = NULL;
    shard->in_transaction = shard->announced = false;
    shard->output_bytes = 0;
    k_pending_clear(&shard->pending);
    k_machine_want_outputs(shard->machine, false);
    shard->state = K_SHARD_STANDBY;
}

static int step_lead(struct k_shard *shard, int64_t *ret_wait_us, struct k_error *err)
{
    enum k_membership membership;
    TRY(shard->options.log->ops->member_poll(shard->member, &membership, err));
    if (membership != K_MEMBER_ASSIGNED && K_PLANT(keep_over_revoke)) {
        keep_memory(shard);
        return 0;
    }
    if (membership != K_MEMBER_ASSIGNED || is_countermanded(shard)) {
        move_to(shard, K_SHARD_RESET);
        *ret_wait_us = 0;
        return 0;
    }
    TRY(lead_step(shard, ret_wait_us, err));
    if (*ret_wait_us >= IDLE_WAIT_US && !shard->in_transaction &&
        shard_since(shard, shard->commit_at_us) > QUIET_US)
        *ret_wait_us = SHARD_QUIET_WAIT_US;
    return 0;
}

static int step_reset(struct k_shard *shard, int64_t *ret_wait_us, struct k_error *err)
{
    (void)err;
    *ret_wait_us = 0;
    int64_t left_us = shard_left(shard);
    if (left_us > 0) {
        // Heartbeats go on while waiting.
        enum k_membership membership;
        if (shard->member) TRY(shard->options.log->ops->member_poll(shard->member, &membership, err));
        *ret_wait_us = left_us < IDLE_WAIT_US ? left_us : IDLE_WAIT_US;
        if (!shard->stopping) return 0;
        shard_forget(shard);
        move_to(shard, K_SHARD_STOPPED);
        return 0;
    }
    shard->report.resets++;
    shard_forget(shard);
    move_to(shard, K_SHARD_OPEN);
    return 0;
}

static int step_stopped(struct k_shard *shard, int64_t *ret_wait_us, struct k_error *err)
{
    (void)shard;
    (void)err;
    *ret_wait_us = IDLE_WAIT_US;
    return 0;
}

static const struct behaviour behaviours[K_SHARD_STOPPED + 1] = {
    [K_SHARD_OPEN] = {step_open, TO(K_SHARD_HISTORY) | TO(K_SHARD_FOLLOW) | TO(K_SHARD_RESET) | TO(K_SHARD_STOPPED)},
    [K_SHARD_HISTORY] = {step_history, TO(K_SHARD_FOLLOW) | TO(K_SHARD_RESET) | TO(K_SHARD_STOPPED)},
    [K_SHARD_FOLLOW] = {step_follow, TO(K_SHARD_STANDBY) | TO(K_SHARD_RESET) | TO(K_SHARD_STOPPED)},
    [K_SHARD_STANDBY] = {step_standby,
                         TO(K_SHARD_FOLLOW) | TO(K_SHARD_FENCE) | TO(K_SHARD_RESET) | TO(K_SHARD_STOPPED)},
    [K_SHARD_FENCE] = {step_fence,
                       TO(K_SHARD_CATCH_UP) | TO(K_SHARD_STANDBY) | TO(K_SHARD_RESET) | TO(K_SHARD_STOPPED)},
    [K_SHARD_CATCH_UP] = {step_catch_up,
                          TO(K_SHARD_LEAD) | TO(K_SHARD_STANDBY) | TO(K_SHARD_RESET) | TO(K_SHARD_STOPPED)},
    [K_SHARD_LEAD] = {step_lead, TO(K_SHARD_RESET) | TO(K_SHARD_STOPPED)},
    [K_SHARD_RESET] = {step_reset, TO(K_SHARD_OPEN) | TO(K_SHARD_STOPPED)},
    [K_SHARD_STOPPED] = {step_stopped, 0},
};

const char *k_shard_state_name(enum k_shard_state state)
{
    static const char *const names[] = {
#define X(name, text) [name] = text,
        K_SHARD_STATES(X)
#undef X
    };
    return names[state];
}

// Which errors pass by themselves: the shard throws its memory away and tries again. The rest is for people.
static bool passes(int code)
{
    switch (code) {
    case K_E_RETRY:
    case K_E_UNAVAILABLE:
    case K_E_TIMEOUT:
    case K_E_ABORTED:
    case K_E_FENCED:
    case K_E_DOUBTFUL:
    case K_E_DISK_FULL: return true;
    default: return false;
    }
}

// Once a second, if anyone wants to know; a broker that does not answer is no reason to stop.
static void look_at_lag(struct k_shard *shard)
{
    // An opening that was refused half way has a machine, but no feeds.
    if (!shard->options.lag || !shard->feeds || shard_since(shard, shard->lag_at_us) < LAG_US) return;
    struct k_error ignored = {0};
    if (feed_lag(shard, &ignored)) shard->report.lag_records = -1;
    shard->lag_at_us = shard_now(shard);
}

// Records in a partition that was added while we lead would stand unread until the next start; so the leader looks.
// Only an answer that says so counts: a broker that does not answer is no reason to stop.
static int look_at_topics(struct k_shard *shard, struct k_error *err)
{
    if (shard->state != K_SHARD_LEAD || shard_since(shard, shard->topics_at_us) < TOPICS_US) return 0;
    const struct k_plan *plan = shard->options.plan;
    struct k_log *log = shard->options.log;
    shard->topics_at_us = shard_now(shard);
    for (uint32_t i = 0; i < plan->source_count; i++) {
        struct k_topic_info info;
        struct k_error ignored = {0};
        int code = log->ops->topic_info(log, plan->sources[i].topic, &info, &ignored);
        if (code == K_E_CRASHED) return code;
        if (!code && (uint32_t)info.partitions != shard->partitions[i])
            return k_fail(
                err, K_E_CONFIG,
                "topic %s has %d partitions now, and had %u; partitions were added or taken away, which moves "
                "keys: start a pipeline with another name that reads the topics from their beginning",
                plan->sources[i].topic, info.partitions, shard->partitions[i]);
    }
    return 0;
}

int k_shard_step(struct k_shard *shard, int64_t *ret_wait_us, struct k_error *err)
{
    *ret_wait_us = 0;
    enum k_shard_state before = shard->state;
    int code = behaviours[before].step(shard, ret_wait_us, err);
    if (!code) code = look_at_topics(shard, err);
    if (!code) {
        look_at_lag(shard);
        if (shard->state == K_SHARD_STOPPED && before != K_SHARD_STOPPED) {
            outputs_forget(shard); // in the middle of a record there may be a transaction
            outputs_leave(shard);
            shard->options.log->ops->member_leave(shard->member);
            shard->member = NULL;
        }
        return 0;
    }
    if (code == K_E_CRASHED) return code;
    bool first = shard->report.commits == 0 && shard->report.leaderships == 0 && shard->report.resets == 0;
    if (!passes(code) || (before == K_SHARD_OPEN && first && code == K_E_UNAVAILABLE)) {
        k_wrap(err, code, "shard %u", shard->options.shard);
        shard->state = K_SHARD_STOPPED;
        return code;
    }
    k_join_cut(shard->report.trouble, sizeof shard->report.trouble, 0, err->text);
    k_trace(code == K_E_ABORTED || code == K_E_FENCED ? K_TRACE_INFO : K_TRACE_WARN, "shard",
            "%u: %s; starting again from the last checkpoint", shard->options.shard, err->text);
    if (K_PLANT(keep_after_abort) && before == K_SHARD_LEAD && code == K_E_ABORTED) {
        shard->in_transaction = false;
        return 0;
    }
    // At once only after work that was committed: what is refused time and again is not asked for without a pause.
    if ((code != K_E_ABORTED && code != K_E_FENCED) || shard->report.commits == shard->commits_at_reset)
        shard->retry_at_us = shard_now(shard) + RETRY_US;
    shard->commits_at_reset = shard->report.commits;
    if (shard->state != K_SHARD_RESET) {
        K_ASSERT(shard->state != K_SHARD_STOPPED);
        move_to(shard, K_SHARD_RESET);
    }
    return 0;
}

int k_shard_create(const struct k_shard_options *options, struct k_shard **ret, struct k_error *err)
{
    (void)err;
    K_ASSERT(!options->in_order || options->once); // an order needs ends to be known by
    struct k_shard *shard = k_new(struct k_shard);
    shard->options = *options;
    if (!shard->options.work_portion) shard->options.work_portion = 1024;
    shard->journal_topic = k_format("%s.journal.%u", options->plan->name, options->shard);
    shard->group = k_format("%s.shard.%u", options->plan->name, options->shard);
    shard->transactional_id = k_format("%s-%u", options->plan->name, options->shard);
    outputs_init(shard);
    shard->report.lag_records = -1;
    shard->state = K_SHARD_OPEN;
    *ret = shard;
    return 0;
}

void k_shard_stop(struct k_shard *shard)
{
    shard->stopping = true;
}

enum k_shard_state k_shard_state(const struct k_shard *shard)
{
    return shard->state;
}

struct k_machine *k_shard_machine(struct k_shard *shard)
{
    return shard->machine;
}

struct k_state *k_shard_working_state(struct k_shard *shard)
{
    return shard->store;
}

void k_shard_destroy(struct k_shard *shard)
{
    if (!shard) return;
    shard->in_transaction = shard->outputs.in_transaction = false; // a crash would not abort either
    shard_forget(shard);
    shard->options.log->ops->member_leave(shard->member);
    outputs_fini(shard);
    k_pending_fini(&shard->pending);
    free(shard->once_ends);
    free(shard->journal_topic);
    free(shard->group);
    free(shard->transactional_id);
    free(shard);
}
