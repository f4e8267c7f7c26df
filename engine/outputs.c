// Outputs of a follower: a generation that does not lead yet writes them to topics with a suffix, exactly once.
//
// How far they are committed stands in `<graph>.outputs.<generation>`, written in the same transaction as they are.
// One worker writes at a time: the group of that name and the shard says which, and init_transactions with that id
// fences whoever wrote before.
//
// LOOK      reads how far outputs are committed. A state beyond that has led: → OVER. Else → WAIT.
// WAIT      follows up to what the one who writes has committed, and never beyond: outputs of what is followed without
//           writing would be lost. Assigned → init_transactions, and then asks for the topic's end → CATCH_UP.
// CATCH_UP  reads up to that end, and follows up to what is committed, without outputs → WRITE.
// WRITE     outputs go out; a transaction a commit interval, whole journal records only.
// OVER      its generation has led: outputs went to the real topics from there on. They are dropped, for ever.
//
// Invariants
// 1. A checkpoint is never ahead of the commit of what it was made of; so a state that is ahead, has led.
// 2. Any failure of a transactional call ends in RESET, as for a leader.
#include "engine/shard_private.h"

#include "base/hash.h"
#include "proto/protobuf.h"

#include <stdio.h>
#include <stdlib.h>

enum { LOOK_BACK = 64, LOOK_FURTHER = 16, FETCH = 256, RETRY_US = 200000 };

typedef Kappa__Internal__OutputProgress Progress;

void outputs_init(struct k_shard *shard)
{
    struct outputs *o = &shard->outputs;
    const struct k_shard_options *options = &shard->options;
    if (!options->output_suffix) return;
    o->topic = k_format("%s.outputs.%s", options->plan->name, options->generation);
    o->group = k_format("%s.%u", o->topic, options->shard);
    o->id = k_format("%s-%u", o->topic, options->shard);
}

// A new state stands at the very beginning, with history before it or not.
static struct outputs_place place_of(const struct k_shard *shard)
{
    const struct history *h = &shard->history;
    if (!h->under_way && shard->point.offset == 0 && h->records == 0) return (struct outputs_place){0, 0};
    return (struct outputs_place){shard->point.offset, h->under_way ? h->records : UINT64_MAX};
}

// Negative: a comes before b.
static int compare_places(struct outputs_place a, struct outputs_place b)
{
    if (a.offset != b.offset) return a.offset < b.offset ? -1 : 1;
    return a.history < b.history ? -1 : a.history > b.history;
}

static void drop_reader(struct k_shard *shard)
{
    shard->options.log->ops->reader_close(shard->outputs.reader);
    shard->outputs.reader = NULL;
}

static void drop_producer(struct k_shard *shard)
{
    shard->options.log->ops->producer_close(shard->outputs.producer);
    shard->outputs.producer = NULL;
    shard->outputs.in_transaction = false;
}

void outputs_leave(struct k_shard *shard)
{
    shard->options.log->ops->member_leave(shard->outputs.member);
    shard->outputs.member = NULL;
}

void outputs_forget(struct k_shard *shard)
{
    struct outputs *o = &shard->outputs;
    if (o->producer && o->in_transaction) {
        struct k_error ignored = {0};
        (void)shard->options.log->ops->abort(o->producer, &ignored);
    }
    drop_producer(shard);
    drop_reader(shard);
    o->phase = OUTPUTS_LOOK;
    o->some = o->held = false;
    o->committed = (struct outputs_place){0};
}

void outputs_fini(struct k_shard *shard)
{
    struct outputs *o = &shard->outputs;
    outputs_leave(shard);
    free(o->topic);
    free(o->group);
    free(o->id);
}

// --- how far they are committed

static int take_progress(struct k_shard *shard, const struct k_message *message, struct k_error *err)
{
    struct outputs *o = &shard->outputs;
    Progress *p =
        kappa__internal__output_progress__unpack(NULL, message->value.length, (const uint8_t *)message->value.data);
    bool good = p && p->version <= 1 && p->pipeline && strcmp(p->pipeline, shard->options.plan->name) == 0 &&
                p->generation && strcmp(p->generation, shard->options.generation) == 0 &&
                p->shard == shard->options.shard;
    if (good) {
        o->some = true;
        o->committed = (struct outputs_place){p->journal_offset, p->history ? p->history_records : UINT64_MAX};
        o->chain = p->chain;
    }
    if (p) kappa__internal__output_progress__free_unpacked(p, NULL);
    if (good) return 0;
    return k_fail(err, K_E_CORRUPT, "topic %s, offset %lld: this is no note of how far outputs are committed",
                  o->topic, (long long)message->offset);
}

// Reads what is there. Whoever waits calls it again and again.
static int read_progress(struct k_shard *shard, struct k_error *err)
{
    const struct k_message *const *messages;
    uint32_t count = 0;
    TRY(shard->options.log->ops->fetch(shard->outputs.reader, FETCH, 1 << 20, 0, &messages, &count, err));
    for (uint32_t i = 0; i < count; i++)
        if (messages[i]->has_value) TRY(take_progress(shard, messages[i], err));
    return 0;
}

static int open_reader(struct k_shard *shard, int64_t begin, struct k_error *err)
{
    struct outputs *o = &shard->outputs;
    drop_reader(shard);
    o->begin = begin < o->start ? o->start : begin;
    return shard->options.log->ops->reader_open(shard->options.log, o->topic, (int32_t)shard->options.shard, o->begin,
                                                &o->reader, err);
}

// The newest record stands near the end: what is read begins there, and goes further back only if there is none.
static int look(struct k_shard *shard, struct k_error *err)
{
    struct outputs *o = &shard->outputs;
    struct k_log *log = shard->options.log;
    if (!o->reader) {
        // The very end, and not where readers get now: a commit that is known may not be visible yet, and whoever
        // overlooked it would take its own checkpoint behind it for one that has led.
        TRY(log->ops->offsets(log, o->topic, (int32_t)shard->options.shard, false, &o->start, &o->end, err));
        TRY(open_reader(shard, o->end - LOOK_BACK, err));
    }
    TRY(read_progress(shard, err));
    if (log->ops->position(o->reader) < o->end) return 0;
    if (!o->some && o->begin > o->start) return open_reader(shard, o->end - (o->end - o->begin) * LOOK_FURTHER, err);
    if (!o->some && (shard->point.offset > 0 || shard->history.records > 0))
        return k_fail(
            err, K_E_CORRUPT,
            "topic %s does not say how far outputs are committed, and the state stands at offset %lld of %s: "
            "the topic was deleted, or is another one. Retire this generation, and build it anew",
            o->topic, (long long)shard->point.offset, shard->journal_topic);
    o->phase = compare_places(place_of(shard), o->committed) > 0 ? OUTPUTS_OVER : OUTPUTS_WAIT;
    if (o->phase == OUTPUTS_OVER) drop_reader(shard);
    return 0;
}

// --- who writes

static int join(struct k_shard *shard, struct k_error *err)
{
    // Who writes joined when less was committed than who joined while it wrote.
    char rank[64], who[300];
    int length = snprintf(who, sizeof who, "%s/%u", shard->options.worker, shard->options.shard);
    snprintf(rank, sizeof rank, "%020lld-%016llx", (long long)shard->outputs.committed.offset,
             (unsigned long long)k_hash(who, (size_t)(length < 299 ? length : 299)));
    return shard->options.log->ops->member_join(shard->options.log, shard->outputs.group, shard->journal_topic, rank,
                                                &shard->outputs.member, err);
}

static int wait_for_it(struct k_shard *shard, bool assigned, struct k_error *err)
{
    struct outputs *o = &shard->outputs;
    struct k_log *log = shard->options.log;
    TRY(read_progress(shard, err));
    if (!assigned || follow_is_between(shard) || shard_left(shard) > 0) return 0;
    int code = log->ops->producer_open(log, o->id, shard->options.transaction_timeout_us, &o->producer, err);
    // Only now: what was written until it was fenced lies below this end.
    if (!code) code = log->ops->offsets(log, o->topic, (int32_t)shard->options.shard, false, NULL, &o->end, err);
    if (code == K_E_RETRY || code == K_E_UNAVAILABLE) {
        drop_producer(shard);
        shard->retry_at_us = shard_now(shard) + RETRY_US;
        k_join_cut(shard->report.trouble, sizeof shard->report.trouble, 0, err->text);
        return 0;
    }
    if (!code) o->phase = OUTPUTS_CATCH_UP;
    return code;
}

// What the messages of the journal record that is followed next say of who made them; of history: of the record behind
// which the journal is followed then.
static void say_place(struct k_shard *shard)
{
    uint64_t sequence = shard->point.sequence;
    if (shard->history.under_way && sequence) sequence--;
    snprintf(shard->output_position, sizeof shard->output_position, "%s/%u/%llu", shard->options.generation,
             shard->options.shard, (unsigned long long)sequence);
}

static int catch_up(struct k_shard *shard, struct k_error *err)
{
    struct outputs *o = &shard->outputs;
    TRY(read_progress(shard, err));
    if (shard->options.log->ops->position(o->reader) < o->end || follow_is_between(shard)) return 0;
    int order = compare_places(place_of(shard), o->committed);
    if (order < 0) return 0;
    if (order > 0 || (o->some && shard->point.chain != o->chain))
        return k_fail(err, K_E_CORRUPT, "outputs are committed up to offset %lld of %s, but of another journal",
                      (long long)o->committed.offset, shard->journal_topic);
    drop_reader(shard);
    k_machine_want_outputs(shard->machine, true);
    say_place(shard);
    o->phase = OUTPUTS_WRITE;
    return 0;
}

// --- writing

bool outputs_open(const struct k_shard *shard)
{
    return shard->outputs.in_transaction;
}

static int begin(struct k_shard *shard, struct k_error *err)
{
    struct outputs *o = &shard->outputs;
    if (o->in_transaction) return 0;
    TRY(shard->options.log->ops->begin(o->producer, err));
    o->in_transaction = true;
    o->since_us = shard_now(shard);
    return 0;
}

int outputs_send(struct k_shard *shard, struct k_out_message *message, struct k_error *err)
{
    char topic[600];
    K_ASSERT(shard->outputs.phase == OUTPUTS_WRITE);
    TRY(begin(shard, err));
    int length = snprintf(topic, sizeof topic, "%s%s", message->topic, shard->options.output_suffix);
    K_ASSERT((size_t)length < sizeof topic);
    message->topic = topic;
    int code = shard->options.log->ops->produce(shard->outputs.producer, message, err);
    return code ? k_wrap(err, code, "topic %s", topic) : 0;
}

static int send_progress(struct k_shard *shard, struct k_error *err)
{
    char key[16];
    struct k_buf bytes = {0};
    Progress p;
    kappa__internal__output_progress__init(&p);
    p.has_version = p.has_shard = p.has_journal_offset = p.has_sequence = p.has_chain = true;
    p.version = 1;
    p.pipeline = (char *)shard->options.plan->name;
    p.generation = (char *)shard->options.generation;
    p.shard = shard->options.shard;
    p.journal_offset = shard->point.offset;
    p.sequence = shard->point.sequence;
    p.chain = shard->point.chain;
    p.has_history = p.has_history_records = shard->history.under_way;
    p.history = shard->history.under_way;
    p.history_records = shard->history.records;
    k_protobuf_pack(&p.base, &bytes);
    snprintf(key, sizeof key, "%u", shard->options.shard); // the topic is compacted
    struct k_out_message message = {.topic = shard->outputs.topic,
                                    .partition = (int32_t)shard->options.shard,
                                    .key = k_str_of(key),
                                    .has_key = true,
                                    .value = k_buf_str(&bytes),
                                    .has_value = true,
                                    .timestamp_us = -1};
    int code = shard->options.log->ops->produce(shard->outputs.producer, &message, err);
    k_buf_fini(&bytes);
    return code;
}

int outputs_commit(struct k_shard *shard, struct k_error *err)
{
    struct outputs *o = &shard->outputs;
    bool tainted = false;
    if (o->phase != OUTPUTS_WRITE || compare_places(place_of(shard), o->committed) == 0) return 0;
    K_ASSERT(shard->history.fed == 0);
    K_ASSERT(!shard->following.record || shard->following.range + shard->following.fed == 0);
    TRY(begin(shard, err));
    TRY(send_progress(shard, err));
    TRY(shard->options.log->ops->commit(o->producer, &tainted, err));
    o->in_transaction = false;
    o->committed = place_of(shard);
    shard->output_bytes = 0;
    if (tainted) return k_fail(err, K_E_ABORTED, "the commit is known, but a copy of its request may be under way");
    return 0;
}

int outputs_end(struct k_shard *shard, struct k_error *err)
{
    struct outputs *o = &shard->outputs;
    if (!o->topic || o->phase == OUTPUTS_OVER) return 0;
    TRY(outputs_commit(shard, err));
    k_machine_want_outputs(shard->machine, false);
    drop_producer(shard);
    drop_reader(shard);
    outputs_leave(shard);
    o->phase = OUTPUTS_OVER;
    return 0;
}

static int write_on(struct k_shard *shard, struct k_error *err)
{
    struct outputs *o = &shard->outputs;
    if (follow_is_between(shard)) return 0;
    say_place(shard);
    bool due = o->in_transaction && (shard_since(shard, o->since_us) >= shard->options.commit_interval_us ||
                                     shard->output_bytes >= lead_output_limit(shard));
    return due ? outputs_commit(shard, err) : 0;
}

int outputs_step(struct k_shard *shard, bool *ret_follow, struct k_error *err)
{
    struct outputs *o = &shard->outputs;
    enum k_membership membership = K_MEMBER_WAITING;
    *ret_follow = true;
    if (!o->topic || o->phase == OUTPUTS_OVER) return 0;
    if (o->phase != OUTPUTS_LOOK && !o->member) TRY(join(shard, err));
    if (o->member) TRY(shard->options.log->ops->member_poll(o->member, &membership, err));
    bool assigned = membership == K_MEMBER_ASSIGNED;
    if (o->producer && !assigned)
        return k_fail(err, K_E_ABORTED, "another process of generation %s writes its outputs now",
                      shard->options.generation);
    switch (o->phase) {
    case OUTPUTS_LOOK: TRY(look(shard, err)); break;
    case OUTPUTS_WAIT: TRY(wait_for_it(shard, assigned, err)); break;
    case OUTPUTS_CATCH_UP: TRY(catch_up(shard, err)); break;
    case OUTPUTS_WRITE: TRY(write_on(shard, err)); break;
    case OUTPUTS_OVER: break;
    }
    bool free = o->phase == OUTPUTS_WRITE || o->phase == OUTPUTS_OVER;
    *ret_follow = free || follow_is_between(shard) ||
                  (o->phase != OUTPUTS_LOOK && compare_places(place_of(shard), o->committed) < 0);
    o->held = !*ret_follow;
    return 0;
}
