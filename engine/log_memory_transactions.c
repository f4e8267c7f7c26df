// The transaction coordinator of the in-memory log, and its clients, the producers.
//
// A transactional id:  (none) ──add──► open ──EndTxn, timeout, init──► decided ──all markers──► (none)
// add opens a transaction when there is none; EndTxn names only the epoch, so one that comes late ends whatever is
// open by then, and a client that knows nothing of it goes on in a second transaction. While an earlier one is decided
// but not complete, the client of the next is kept waiting: on one thread, the markers are written first.
#include "engine/log_memory_private.h"

#include <stdlib.h>

struct k_producer {
    struct memory_log *log;
    struct transactional *owner;
    int64_t epoch;
    bool begun;
    bool touched;    // the coordinator knows of the transaction
    bool must_abort; // a request was refused: only abort is left
    bool fenced;
    int64_t tracking, tracked; // offset of the tracked message under way, and of the last commit; -1: none
};

// --- the coordinator ---

static struct transactional *transactional(struct k_cloud *cloud, const char *id)
{
    for (struct transactional *t = cloud->transactionals; t; t = t->next)
        if (strcmp(t->id, id) == 0) return t;
    struct transactional *t = k_arena_zeroed(&cloud->arena, sizeof *t);
    t->id = k_arena_copy(&cloud->arena, id, strlen(id));
    t->next = cloud->transactionals;
    return cloud->transactionals = t;
}

static void write_markers(struct k_cloud *cloud, struct transaction *tx, bool only_due)
{
    bool complete = true;
    for (struct span *span = tx->spans; span; span = span->next) {
        if (span->outcome != OPEN) continue;
        if (only_due && span->marker_due_us > cloud->elapsed_us) complete = false;
        else memory_append_marker(span->partition, span, tx->decision);
    }
    if (tx->offsets && only_due && tx->offsets_due_us > cloud->elapsed_us) {
        complete = false;
    } else {
        if (tx->decision == COMMITTED)
            for (const struct pending_offset *o = tx->offsets; o; o = o->next) memory_group_commit(cloud, o);
        tx->offsets = NULL;
    }
    if (!complete) return;
    tx->owner->current = NULL;
    for (struct transaction **link = &cloud->incomplete; *link; link = &(*link)->next) {
        if (*link != tx) continue;
        *link = tx->next;
        return;
    }
}

static void decide(struct k_cloud *cloud, struct transaction *tx, enum outcome decision)
{
    K_ASSERT(tx->decision == OPEN);
    tx->decision = tx->owner->last = decision;
    bool late = FAULT(cloud, marker_late);
    for (struct span *span = tx->spans; span; span = span->next)
        span->marker_due_us = cloud->elapsed_us + (late ? memory_delay(cloud) : 0);
    tx->offsets_due_us = cloud->elapsed_us + (late ? memory_delay(cloud) : 0);
    write_markers(cloud, tx, true);
}

// The transaction of the id to which something is added now.
static struct transaction *add_to(struct k_cloud *cloud, struct transactional *owner)
{
    if (owner->current && owner->current->decision != OPEN) write_markers(cloud, owner->current, false);
    if (owner->current) return owner->current;
    struct transaction *tx = k_arena_zeroed(&cloud->arena, sizeof *tx);
    tx->owner = owner;
    tx->started_us = cloud->elapsed_us;
    tx->next = cloud->incomplete;
    cloud->incomplete = tx;
    return owner->current = tx;
}

static struct span *span_in(struct k_cloud *cloud, struct transaction *tx, struct partition *p)
{
    for (struct span *span = tx->spans; span; span = span->next)
        if (span->partition == p) return span;
    struct span *span = k_arena_zeroed(&cloud->arena, sizeof *span);
    span->partition = p;
    span->first = p->end;
    span->next = tx->spans;
    tx->spans = span;
    span->next_open = p->open;
    return p->open = span;
}

// Answers as the coordinator does: false is INVALID_TXN_STATE.
static bool end_transaction(struct k_cloud *cloud, struct transactional *owner, enum outcome decision)
{
    struct transaction *tx = owner->current;
    if (!tx || tx->decision != OPEN) return owner->last == decision; // asked again: the same answer
    decide(cloud, tx, decision);
    return true;
}

static void send_late(struct k_cloud *cloud, struct transactional *owner, int64_t epoch, enum outcome decision)
{
    struct late_request *late = k_arena_zeroed(&cloud->arena, sizeof *late);
    *late = (struct late_request){owner, epoch, cloud->elapsed_us + memory_delay(cloud), decision, cloud->late};
    cloud->late = late;
}

static void time_out(struct k_cloud *cloud, struct transactional *owner)
{
    owner->epoch++; // Kafka fences the producer whose transaction it aborts
    decide(cloud, owner->current, ABORTED);
}

void memory_transactions_tick(struct k_cloud *cloud)
{
    for (struct late_request **link = &cloud->late; *link;) {
        struct late_request *late = *link;
        if (late->due_us > cloud->elapsed_us) {
            link = &late->next;
            continue;
        }
        *link = late->next;
        if (late->epoch == late->owner->epoch) end_transaction(cloud, late->owner, late->decision);
    }
    struct transaction *next;
    for (struct transaction *tx = cloud->incomplete; tx; tx = next) {
        next = tx->next;
        if (tx->decision != OPEN) write_markers(cloud, tx, true);
        else if (cloud->elapsed_us - tx->started_us > tx->owner->timeout_us) time_out(cloud, tx->owner);
    }
}

void memory_transactions_settle(struct k_cloud *cloud)
{
    for (struct late_request *late = cloud->late; late; late = late->next) {
        bool arrives = k_random_below(&cloud->random, 2);
        if (arrives && late->epoch == late->owner->epoch) end_transaction(cloud, late->owner, late->decision);
    }
    cloud->late = NULL;
    struct transaction *next;
    for (struct transaction *tx = cloud->incomplete; tx; tx = next) {
        next = tx->next;
        if (tx->decision != OPEN) write_markers(cloud, tx, false);
    }
}

void memory_transactions_free(struct k_cloud *cloud)
{
    cloud->transactionals = NULL; // all of it lies in the cloud's arena
    cloud->incomplete = NULL;
    cloud->late = NULL;
}

// --- producers ---

static int producer_open(struct k_log *base, const char *transactional_id, int64_t transaction_timeout_us,
                         struct k_producer **ret, struct k_error *err)
{
    struct memory_log *log = memory_log_of(base);
    struct k_cloud *cloud = log->cloud;
    int code = memory_enter(log, err);
    if (!code) code = memory_request(log, "init_transactions", err);
    if (code) return code;
    struct transactional *owner = transactional(cloud, transactional_id);
    owner->epoch++;
    owner->timeout_us = transaction_timeout_us;
    if (owner->current && owner->current->decision == OPEN) decide(cloud, owner->current, ABORTED);
    if (owner->current) write_markers(cloud, owner->current, false); // what init_transactions waits for
    owner->last = OPEN;
    code = memory_leave(log, 0, err);
    if (code) return code;
    struct k_producer *producer = k_new(struct k_producer);
    producer->log = log;
    producer->owner = owner;
    producer->epoch = owner->epoch;
    producer->tracking = producer->tracked = -1;
    *ret = producer;
    return 0;
}

static int fenced(struct k_producer *producer, struct k_error *err)
{
    producer->fenced = true;
    return k_fail(err, K_E_FENCED, "transactional id %s: a newer producer has taken over, or the transaction timed out",
                  producer->owner->id);
}

// What every transactional request meets first.
static int request(struct k_producer *producer, struct k_error *err)
{
    int code = memory_enter(producer->log, err);
    if (code) return code;
    K_ASSERT(producer->begun);
    if (producer->fenced || producer->epoch != producer->owner->epoch) return fenced(producer, err);
    if (FAULT(producer->log->cloud, request_refused)) producer->must_abort = true;
    if (producer->must_abort)
        return k_fail(err, K_E_ABORTED, "transactional id %s: a request was refused", producer->owner->id);
    return 0;
}

static int begin(struct k_producer *producer, struct k_error *err)
{
    int code = memory_enter(producer->log, err);
    if (code) return code;
    K_ASSERT(!producer->begun);
    if (producer->fenced) return fenced(producer, err);
    producer->begun = true;
    producer->touched = false;
    producer->tracking = producer->tracked = -1;
    return memory_leave(producer->log, 0, err);
}

static int produce(struct k_producer *producer, const struct k_out_message *message, struct k_error *err)
{
    struct k_cloud *cloud = producer->log->cloud;
    struct partition *p;
    int code = request(producer, err);
    if (!code) code = memory_choose_partition(cloud, message, &p, err);
    if (code) return code;
    struct transaction *tx = add_to(cloud, producer->owner);
    int64_t offset = memory_append(cloud, p, message, span_in(cloud, tx, p));
    producer->touched = true;
    if (message->tracked) producer->tracking = offset;
    if (FAULT(cloud, transaction_timeout)) time_out(cloud, producer->owner);
    return memory_leave(producer->log, 0, err);
}

static int send_offsets(struct k_producer *producer, struct k_member *member, const struct k_topic_offset *offsets,
                        uint32_t count, struct k_error *err)
{
    struct k_cloud *cloud = producer->log->cloud;
    int code = request(producer, err);
    if (code) return code;
    if (!memory_group_accepts(member)) {
        producer->must_abort = true;
        return k_fail(err, K_E_ABORTED, "group %s: this member's generation is over", member->group->name);
    }
    for (uint32_t i = 0; i < count && !code; i++) {
        struct partition *p;
        code = memory_partition(cloud, offsets[i].topic, offsets[i].partition, &p, err);
    }
    if (code) return code;
    struct transaction *tx = add_to(cloud, producer->owner);
    producer->touched = true;
    for (uint32_t i = 0; i < count; i++) {
        struct pending_offset *o = k_arena_zeroed(&cloud->arena, sizeof *o);
        *o = (struct pending_offset){member->group, memory_topic(cloud, offsets[i].topic), offsets[i].partition,
                                     offsets[i].offset, tx->offsets};
        tx->offsets = o;
    }
    return memory_leave(producer->log, 0, err);
}

static int doubtful(const struct k_producer *producer, struct k_error *err)
{
    return k_fail(err, K_E_DOUBTFUL, "transactional id %s: no answer to the commit", producer->owner->id);
}

static int commit(struct k_producer *producer, bool *ret_tainted, struct k_error *err)
{
    struct k_cloud *cloud = producer->log->cloud;
    struct transactional *owner = producer->owner;
    int code = request(producer, err);
    if (code) return code;
    bool tainted = false;
    if (producer->touched) {
        if (FAULT(cloud, commit_request_lost)) return doubtful(producer, err);
        if (FAULT(cloud, commit_late)) {
            send_late(cloud, owner, producer->epoch, COMMITTED);
            return doubtful(producer, err);
        }
        if (!end_transaction(cloud, owner, COMMITTED)) {
            producer->fenced = true; // INVALID_TXN_STATE is fatal for the client
            return k_fail(err, K_E_FENCED, "transactional id %s: the transaction was ended by another request",
                          owner->id);
        }
        if (FAULT(cloud, commit_answer_lost)) {
            code = memory_leave(producer->log, 0, err);
            return code ? code : doubtful(producer, err);
        }
        tainted = FAULT(cloud, commit_doubled);
        if (tainted) send_late(cloud, owner, producer->epoch, COMMITTED);
    }
    code = memory_leave(producer->log, 0, err);
    if (code) return code;
    producer->begun = false;
    producer->tracked = producer->tracking;
    *ret_tainted = tainted;
    return 0;
}

static int64_t tracked_offset(struct k_producer *producer) { return producer->tracked; }

static int abort_transaction(struct k_producer *producer, struct k_error *err)
{
    struct k_cloud *cloud = producer->log->cloud;
    int code = memory_enter(producer->log, err);
    if (code) return code;
    if (producer->fenced || producer->epoch != producer->owner->epoch) return fenced(producer, err);
    bool had = producer->begun && producer->touched;
    producer->begun = false;
    producer->fenced = true; // of no more use, whatever comes of the request
    if (!had) return 0;
    code = memory_request(producer->log, "abort", err);
    if (code) return code;
    if (FAULT(cloud, commit_late)) {
        send_late(cloud, producer->owner, producer->epoch, ABORTED);
        return k_fail(err, K_E_UNAVAILABLE, "transactional id %s: no answer to the abort", producer->owner->id);
    }
    end_transaction(cloud, producer->owner, ABORTED);
    return memory_leave(producer->log, 0, err);
}

static void producer_close(struct k_producer *producer) { free(producer); }

void memory_producer_ops(struct k_log_ops *ops)
{
    ops->producer_open = producer_open;
    ops->begin = begin;
    ops->produce = produce;
    ops->send_offsets = send_offsets;
    ops->commit = commit;
    ops->tracked_offset = tracked_offset;
    ops->abort = abort_transaction;
    ops->producer_close = producer_close;
}
