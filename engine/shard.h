// A shard of a worker: one journal, one state, and the way from following to leading and back.
//
//   OPEN ------> FOLLOW <-----> STANDBY ------> FENCE ------> CATCH_UP ------> LEAD
//    ^  '-HISTORY-^   in step:    ^  |  group     init_trans-   follow to E      |
//    |   state    |   join group  '--'  assigns   actions       read after it    |
//    |   opened   |                                                              |
//    '------------'--------- RESET <---- refusal, fence, revoke with open work, doubt ...
//
// OPEN      opens the state at its checkpoint, checks whose it is, opens journal and inputs there.
// HISTORY   takes what lies before the journal, merged by event time. At its end → FOLLOW.
// FOLLOW    follows the journal. In step, and its generation shall lead → joins the group → STANDBY.
// STANDBY   in the group, follows. Assigned, and its generation shall lead → FENCE.
// FENCE     init_transactions with the shard's id; then, and only then, asks for the journal's end E → CATCH_UP.
// CATCH_UP  follows read_committed until the position is ≥ E → LEAD.
// LEAD      orders, computes, commits. The first transaction announces the leadership.
// RESET     the one way back: abort, throw producer, machine and state away → OPEN. Membership is kept.
// STOPPED   stopped in order (everything committed and checkpointed), or by an error that people must see.
//
// Several generations of a pipeline, each in its own processes, follow the same journals. Who shall lead is said by the
// control record (k_orders); who does lead is said by the journal: a leadership there names generation and control_seq.
// A shard leads only if the journal, followed to E, has no higher control_seq than the record that it acts on, and it
// falls back (RESET) as soon as it hears of a newer record. leadership.c has what a shard knows of who leads.
//
// The moves are a table in shard.c that is executed and checked. Only lead.c writes to the log, only follow.c reads
// the journal (history.c its first record), only checkpoint.c writes the state.
#pragma once
#include "engine/log.h"
#include "engine/machine.h"
#include "engine/plants.h"

#include <stdatomic.h>

#define K_SHARD_STATES(X)                \
    X(K_SHARD_OPEN, "opening")           \
    X(K_SHARD_HISTORY, "reading history") \
    X(K_SHARD_FOLLOW, "following")       \
    X(K_SHARD_STANDBY, "standby")        \
    X(K_SHARD_FENCE, "taking over")      \
    X(K_SHARD_CATCH_UP, "catching up")   \
    X(K_SHARD_LEAD, "leading")           \
    X(K_SHARD_RESET, "resetting")        \
    X(K_SHARD_STOPPED, "stopped")
enum k_shard_state {
#define X(name, text) name,
    K_SHARD_STATES(X)
#undef X
};
const char *k_shard_state_name(enum k_shard_state state);

// What the control record says to a generation's shards. One thread writes, the shards read. Starting without having
// read it would be safe, but would disturb who leads.
struct k_orders {
    _Atomic uint64_t order; // k_order_of
    _Atomic uint64_t mark;  // the last that was asked for
    _Atomic uint64_t difference; // the seq whose difference is wanted; 0: none. Given before its order.
    _Atomic uint64_t done;  // the last switch that is complete
};
static inline uint64_t k_order_of(uint64_t seq, bool leads) { return seq * 2 + leads; } // leads: this generation shall

// A switch's difference is written at most so many messages a transaction, and so many keys compared for each.
enum { K_DIFFERENCE_ROWS = 4096, K_DIFFERENCE_KEYS_PER_ROW = 16 };
struct k_copies {
    int (*keep)(void *context, struct k_store *store, uint64_t seq, struct k_error *err);
    int (*open)(void *context, uint64_t seq, const char *generation, struct k_store **ret, struct k_error *err);
    void (*drop)(void *context, uint64_t seq);
};

// Where a generation begins in a partition of a topic, if that is later than where the journal does. joins: the journal
// that it begins with does not know the partition, and orders its records from `join` on, some day: what lies before
// is history.
struct k_start {
    const char *topic;
    int32_t partition;
    int64_t offset;
    bool joins;
    int64_t join;
};

struct k_shard_options {
    const struct k_plan *plan; // borrowed
    uint32_t shard;
    struct k_log *log;         // borrowed
    const char *worker;        // name of this process, for the leadership record and the rank
    const char *generation;    // "1"
    // Opens the shard's store; called at every OPEN.
    int (*open_store)(void *context, struct k_store **ret, struct k_error *err);
    void *store_context;
    struct k_state_options state;
    int64_t commit_interval_us;      // 100 ms
    int64_t checkpoint_interval_us;  // 1 s
    int64_t backlog_checkpoint_interval_us; // 8 s; in place of the other, if longer, while there is a backlog
    int64_t transaction_timeout_us;  // 10 s
    int64_t trim_interval_us;        // from one look at the journal's beginning to the next; 0: it is never trimmed
    int64_t journal_keep_us;         // records younger than this are not trimmed
    int64_t step_budget_us;          // frontier work in one transaction: at most about this long; 200 ms
    uint64_t dirty_limit_bytes;      // commit and checkpoint early at this much; 0: an eighth of the cache
    uint64_t work_portion;           // units of frontier work between two looks at the clock
    bool once;                       // stop at the ends that the sources have at the start
    bool final;                      // with once: declare the input complete there
    bool lag;                        // ask the broker every second how far behind it is
    bool can_lead;                   // false: only follow (a standby that must not take over)
    const struct k_orders *orders;   // NULL: there is one generation, which leads
    // Keeps a copy of the state, as the store has it, for the mark; called again after a crash if there is none yet.
    int (*keep_mark)(void *context, struct k_store *store, uint64_t mark, struct k_error *err);
    void *mark_context;
    // Copies of states as they stood before a switch, for its difference. keep makes that of this shard's state, in
    // place of one that may be there; open gives that of any generation's (K_E_NOT_FOUND: there is none yet); drop
    // removes this shard's, of all generations: they are of no use any more. NULL: no difference can be written here.
    const struct k_copies *copies;
    void *copies_context;
    uint32_t difference_rows; // messages of a difference in one transaction, at most; 0: K_DIFFERENCE_ROWS
    void (*tap)(void *context, const char *edge, const struct k_batch *batch);
    void *tap_context;
    int (*unit)(void *context, struct k_error *err); // see k_machine_owner
    void *unit_context;
    bool mute;    // a leader makes no outputs
    uint64_t follow_rate; // records a second, while its generation is not to lead; 0: as fast as it goes
    // While it follows and its generation has not led yet, outputs go to their topics' names with this behind them,
    // exactly once (outputs.c). Needs the topic `<graph>.outputs.<generation>`, a partition a shard. NULL: dropped.
    const char *output_suffix;
    const struct k_start *starts; // of a state that is new; borrowed
    uint32_t start_count;         // 0: it begins with the journal
    uint32_t history_portion;     // records of history between two boundaries; for all who host it; 0: 4096
    // Of a state that is new: the offset of the journal record behind which it begins, with the history up to where the
    // record says that the inputs stand. 0: it follows the journal from its own beginning.
    int64_t journal_from;
    bool in_order; // with once: inputs are merged by event time, then input, then offset
};

// For progress lines and status. Only the thread that steps the shard may ask; worker.c hands it on to others.
struct k_shard_report {
    enum k_shard_state state;
    uint64_t records, commits, checkpoints, leaderships, resets;
    uint64_t trimmed_records; // cut off the journal's beginning, transaction markers among them
    uint64_t records_followed_after_takeover; // between the checkpoint and E
    int64_t longest_transaction_us; // from its beginning until its commit was known
    int64_t lag_records; // to the sources' ends as last asked; −1: not known
    int64_t frontier_us;
    struct k_state_figures figures; // k_shard_figures; a report leaves them zero
    // Who leads, as far as this shard has followed.
    uint64_t lead_seq;     // control_seq of the last leadership
    uint64_t settled_seq;  // the last switch that the journal calls settled
    char lead_generation[32];
    char taken_from[32];   // whose state's copy this one was begun with; empty: all was computed
    int64_t lead_offset;   // the journal's, behind the first leadership with lead_seq
    int64_t offset, saved_offset, journal_end; // stands at; its checkpoint stands at; the end as last asked
    // The difference of the last switch, if it was wanted: how many keys were compared, how many of them written.
    uint64_t difference_seq; // 0: none
    uint64_t difference_compared, difference_written;
    bool difference_done;
    char difference_waits[128]; // for what its leader waits; empty: for nothing
    bool stalled;        // no room on the disk: reading has stopped
    char trouble[256];   // the last error that is being waited on; empty: none
};

struct k_shard;
K_CHECKED int k_shard_create(const struct k_shard_options *options, struct k_shard **ret, struct k_error *err);

// One step: bounded work, one move at most. *ret_wait_us says how long nothing will be due unless a record arrives
// (0: call again at once). Returns 0 while the shard lives; an error when it has stopped by one (the state is then
// STOPPED, nothing is lost). K_E_CRASHED: the simulated process is dead.
int k_shard_step(struct k_shard *shard, int64_t *ret_wait_us, struct k_error *err);

// Asks it to stop in order: finish the batch, commit, checkpoint. Steps go on until the state is STOPPED.
void k_shard_stop(struct k_shard *shard);
enum k_shard_state k_shard_state(const struct k_shard *shard);
void k_shard_report(const struct k_shard *shard, struct k_shard_report *ret);
// Of its state, since that was opened; zero without one. Asks RocksDB, under its locks: not for every step.
void k_shard_figures(const struct k_shard *shard, struct k_state_figures *ret);
struct k_machine *k_shard_machine(struct k_shard *shard); // NULL while there is none; for totals after the end
struct k_state *k_shard_working_state(struct k_shard *shard);
// Blocks until records may have come for one of the shard's readers, at most timeout_us.
void k_shard_wait(struct k_shard *shard, int64_t timeout_us);
void k_shard_destroy(struct k_shard *shard); // no commit, no checkpoint: as a crash would leave it; NULL-safe
