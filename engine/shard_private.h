// What the files of a shard share: shard.c (the states), open.c, follow.c, lead.c, checkpoint.c, feed.c,
// leadership.c, trim.c.
#pragma once
#include "engine/difference.h"
#include "engine/journal.h"
#include "engine/shard.h"
#include "engine/shard_parts.h"

struct k_shard {
    struct k_shard_options options;
    enum k_shard_state state;
    bool stopping;
    struct k_shard_report report;

    // Of one opening; thrown away by RESET.
    struct k_state *store; // the working state
    struct k_machine *machine;
    uint32_t *partitions;
    struct feed *feeds; // per input of the machine
    struct k_reader *journal;
    const struct k_message *const *journal_messages;
    uint32_t journal_count, journal_at;
    struct k_journal_point point; // of the machine's state
    struct following following;
    int64_t journal_end; // E, or the end to be in step with
    int64_t journal_end_at_us; // when it was asked
    uint64_t records_at_open;
    int64_t checkpoint_at_us; // when the last one was taken (or opening)
    uint64_t records_since_checkpoint;
    int64_t saved_offset; // where the last checkpoint stands in the journal
    bool moved; // something was committed or followed since the last checkpoint
    bool had_none_waiting; // since then, it had at some moment taken all that there was: there is no backlog
    struct leadership lead;
    struct history history;
    uint64_t mark;       // the last mark in the journal, and the journal offset behind it
    int64_t mark_offset;
    bool mark_due;       // the state stands behind it, and no copy is kept yet
    struct difference difference;
    Kappa__Internal__Takeover *takeover; // the state stands before what it took over; NULL: no such thing
    uint64_t takeover_mark; // at which that was copied; 0: nothing ever was
    // Leading.
    struct k_producer *producer;
    struct k_pending pending;
    bool in_transaction, announced;
    uint64_t seq; // of the control record acted on since FENCE
    bool crowded; // what comes next does not fit into this transaction's journal record
    int64_t transaction_since_us, commit_at_us;
    uint64_t output_bytes;
    uint32_t next_input;
    struct trimming trimming;

    struct outputs outputs; // of a follower

    // Kept over RESET.
    struct k_member *member;
    uint64_t member_seq; // of the control record under which it joined
    int64_t rate_due_us;   // with a follow_rate: nothing is followed before
    int64_t vain_since_us; // the group gives it the partition, and its generation shall not lead; 0: not so
    int64_t topics_at_us; // when the sources' topics were looked at
    int64_t retry_at_us, lag_at_us; // retry_at_us is never further away than SHARD_RETRY_MAX_US
    uint64_t commits_at_reset;
    int64_t *once_ends; // per input, −1 of an empty one; NULL until asked
    char *journal_topic, *group, *transactional_id;
    char output_position[64];
};

#define TRY K_TRY // half of what a shard does begins with it

enum { SHARD_RETRY_MAX_US = 1000000, SHARD_QUIET_WAIT_US = 250000 };
int64_t shard_now(struct k_shard *shard);
// The clock may be set back; then everything that was waited for is over, rather than far away.
int64_t shard_since(struct k_shard *shard, int64_t then_us); // how long ago; INT64_MAX: the clock stands before it
int64_t shard_left(struct k_shard *shard);                   // until retry_at_us
// Throws away everything of one opening; aborts an open transaction first (best effort).
void shard_forget(struct k_shard *shard);

// open.c
int shard_open(struct k_shard *shard, struct k_error *err);
// feed.c: makes messages of an input available: if none wait, at most `most` new ones. *ret_some: whether any wait.
int feed_fill(struct k_shard *shard, uint32_t input, uint64_t most, bool *ret_some, struct k_error *err);
// The first n (1 or more) of those that wait go into the machine: the input stands behind them.
int feed_machine(struct k_shard *shard, uint32_t input, uint32_t n, struct k_error *err);
// The input to feed next; -1: nobody has anything.
int feed_choose(struct k_shard *shard, int32_t *ret, struct k_error *err);
// Whether any partition has been read to its end: who has nothing to feed then has no backlog, and does not only wait
// for the broker.
bool feed_some_at_end(const struct k_shard *shard);
// The same of the history's inputs, by event time; feed->run: how many of them at once. *ret_over: there is no more.
int feed_choose_history(struct k_shard *shard, int32_t *ret, bool *ret_over, struct k_error *err);
int feed_check_ends(struct k_shard *shard, struct k_error *err);
int feed_once_ends(struct k_shard *shard, struct k_error *err);
bool feed_once_reached(const struct k_shard *shard);
int feed_lag(struct k_shard *shard, struct k_error *err);
// follow.c: one bounded step. *ret_progress false: nothing to do until more arrives.
int follow_step(struct k_shard *shard, bool *ret_progress, struct k_error *err);
int64_t follow_rate_left(struct k_shard *shard); // to keep the rate; who is to lead hurries
uint32_t follow_portion(const struct k_shard *shard); // records at once: with a rate, a tenth of a second's
void follow_rate_count(struct k_shard *shard, uint64_t records);
bool follow_is_at(const struct k_shard *shard, int64_t journal_end);
// Whether records of this input would be taken now.
bool follow_wants(const struct k_shard *shard, uint32_t input);
// Between two boundaries: in the middle of a record, or of a portion of history. Nothing can be saved there.
bool follow_is_between(const struct k_shard *shard);
// gaps.c: a bounded step at a leadership that goes on elsewhere than the journal; and whether it wants this input.
int gaps_step(struct k_shard *shard, bool *ret_progress, struct k_error *err);
bool gaps_want(const struct k_shard *shard, uint32_t input);
// history.c: a new state that begins in the middle of the journal, or reads a source that joins it later.
void history_init(struct k_shard *shard);
int history_step(struct k_shard *shard, bool *ret_progress, struct k_error *err);
// outputs.c: outputs of a follower. Without an output_suffix all of them do nothing.
void outputs_init(struct k_shard *shard);
void outputs_fini(struct k_shard *shard);
void outputs_forget(struct k_shard *shard);
void outputs_leave(struct k_shard *shard); // the group: somebody else may write
// One bounded step. *ret_follow: the next journal record (or the rest of this one) may be followed.
int outputs_step(struct k_shard *shard, bool *ret_follow, struct k_error *err);
// At a boundary: what was followed up to here is committed; before a checkpoint, because that must not be ahead.
int outputs_commit(struct k_shard *shard, struct k_error *err);
// The generation leads from here on: commits, and there are no more of them.
int outputs_end(struct k_shard *shard, struct k_error *err);
bool outputs_open(const struct k_shard *shard); // a transaction is open: nobody may wait for long
int outputs_send(struct k_shard *shard, struct k_out_message *message, struct k_error *err);
// lead.c
int lead_step(struct k_shard *shard, int64_t *ret_wait_us, struct k_error *err);
uint64_t lead_output_limit(const struct k_shard *shard); // so many bytes of outputs in one transaction
int lead_output(void *context, const struct k_output *output, struct k_error *err);
// leadership.c
uint64_t orders_seq(const struct k_shard *shard);
bool orders_lead(const struct k_shard *shard); // whether this shard's generation shall lead, by the same record
uint64_t orders_mark(const struct k_shard *shard);
// sequence: of its journal record; offset: behind it.
int leadership_adopt(struct k_shard *shard, const Kappa__Internal__JournalRecord__Leadership *said, uint64_t sequence,
                     int64_t offset, struct k_error *err);
// The source of this graph that the leader's list has under this number: -1: this graph does not read it; -2: the list
// has no such number.
int32_t leadership_source(const struct k_shard *shard, uint32_t input);
// Of a record that is about to be written: if it begins a leadership, or is to list the inputs once more, *facts say
// all that a state needs that begins behind it. leadership: the one that it begins; NULL: none.
struct standing {
    struct k_arena arena;
    Kappa__Internal__JournalRecord__Input **inputs; // that tell for now where they stand; borrowed
    size_t input_count;
    Kappa__Internal__JournalRecord__Standing said;
    Kappa__Internal__JournalRecord__Leadership leadership;
    Kappa__Internal__Difference difference;
};
void leadership_stand(struct k_shard *shard, Kappa__Internal__JournalRecord__Leadership *leadership,
                      struct k_journal_facts *facts, struct standing *ret);
void leadership_stood(struct standing *standing); // once the record is written; in every case
// Takes over what a record says behind which the state begins; offset: behind it.
int leadership_begin(struct k_shard *shard, const Kappa__Internal__JournalRecord *record, int64_t offset,
                     struct k_error *err);
// ret_difference: room for what the position then points to.
void leadership_save(const struct k_shard *shard, Kappa__Internal__Position *position,
                     Kappa__Internal__Difference *ret_difference);
int leadership_load(struct k_shard *shard, const Kappa__Internal__Position *position, struct k_error *err);
void leadership_drop(struct k_shard *shard);
uint64_t leadership_start(const struct k_shard *shard); // see Leadership.start; 0: none
void leadership_look_again(struct k_shard *shard); // where the state begins is known only now
// trim.c: a bounded step of a leader without an open transaction, or nothing. Fails by K_E_CRASHED only.
int trim_step(struct k_shard *shard);
void trim_drop(struct k_shard *shard); // ends a pass without its result
bool trim_lists_inputs(struct k_shard *shard, int64_t clock_us); // whether the next record is to; notes that it does
// checkpoint.c
int checkpoint_take(struct k_shard *shard, struct k_error *err);
// The same, but no room on the disk is no error: report.stalled then says so, and retry_at_us when to try again.
int checkpoint_or_stall(struct k_shard *shard, struct k_error *err);
int checkpoint_keep_mark(struct k_shard *shard, struct k_error *err); // when mark_due, at the boundary of the mark
bool checkpoint_is_due(struct k_shard *shard);
uint64_t checkpoint_dirty_limit(const struct k_shard *shard); // at so much dirty state one is due in any case
