// The deterministic state machine of one shard: the plan's operators, wired, with their state, counters and clocks.
//
// It is fed by whoever leads and by whoever follows, with the same calls: ranges of records (k_machine_feed), and at
// each commit the boundary with the facts of the journal record (k_machine_boundary). Nothing else changes it. It
// knows neither Kafka nor the journal's form.
#pragma once
#include "engine/plan.h"
#include "proto/internal.pb-c.h"

// One partition of one source that belongs to this shard.
struct k_input {
    uint32_t source, partition;
    struct k_partition_clock clock;
    int64_t next;          // next offset to feed; −1: not known yet (nothing fed)
    // Journal clock at the commit of its last record; INT64_MIN: none, or that was history and nothing came since.
    int64_t last_clock_us;
    uint64_t records;      // fed so far
    int64_t last_offset;   // of the last record fed, and its hash: notices a topic that was made anew
    uint64_t last_hash;
    bool touched;          // fed since the last boundary
    int64_t begin;         // records below are left out; 0: none are
    bool unread;           // until k_machine_wake: the journal's ranges of it are passed over
    int64_t until;         // records below are history, taken before the journal; 0: there is none
    uint64_t history_hash; // of the records of the history that was taken so far
};

// What a boundary is told besides its clock.
struct k_at_end {
    uint32_t input; // index among the machine's inputs
    int64_t next;   // the consumer's position there
};

struct k_machine;

// Who runs the machine. Both may be called during feed and boundary only.
struct k_machine_owner {
    void *context;
    // A message for a topic. NULL: outputs are not wanted (following).
    int (*output)(void *context, const struct k_output *output, struct k_error *err);
    // Shows every batch that an output port gives while outputs are wanted, for `kappa test`. NULL: nobody looks.
    void (*tap)(void *context, const char *edge, const struct k_batch *batch);
    void *tap_context;
    // After each single unit of frontier work, for `kappa explain`. NULL: nobody looks, and units are done in bulk.
    int (*unit)(void *context, struct k_error *err);
    void *unit_context;
    // Nodes that are not run until k_machine_wake: no rows reach them, and they do no frontier work. Who reads a node
    // that waits, waits too. Borrowed until then.
    const char *const *waiting;
    uint32_t waiting_count;
};

// partitions[i]: how many partitions the topic of source i has. state is borrowed and outlives the machine. position:
// what the state's checkpoint says (k_state_position), empty for a new state.
K_CHECKED int k_machine_open(const struct k_plan *plan, uint32_t shard, const uint32_t *partitions,
                             struct k_state *state, const struct k_machine_owner *owner, struct k_machine **ret,
                             struct k_error *err);
void k_machine_close(struct k_machine *machine); // NULL-safe
// At a boundary: opens the nodes that wait, over what the state holds of them by now. Their counters are those of the
// position, and so is all of inputs that are unread; where there are such, also the frontier.
K_CHECKED int k_machine_wake(struct k_machine *machine, const Kappa__Internal__Position *position, struct k_error *err);

// Turns outputs on or off; a leader has them on. Off: operators need not make them.
void k_machine_want_outputs(struct k_machine *machine, bool wanted);

struct k_input *k_machine_inputs(struct k_machine *machine, uint32_t *ret_count);
// The index of a source's partition among the inputs, or −1 when it belongs to another shard or does not exist.
int32_t k_machine_find_input(const struct k_machine *machine, uint32_t source, uint32_t partition);

// Feeds records of one input in offset order (any number); those below where it begins are left out. Any error leaves
// the machine void: close it.
K_CHECKED int k_machine_feed(struct k_machine *machine, uint32_t input, const struct k_message *const *messages,
                             uint32_t count, struct k_error *err);

// The event times of records of one input (see k_source_times), at most K_BATCH_ROWS.
void k_machine_times(struct k_machine *machine, uint32_t input, const struct k_message *const *messages,
                     uint32_t count, int64_t *ret_times);

// A commit boundary: moves the watermarks by the clock and by what stood at its end, then does up to max_work units
// of frontier work; *ret_work says how many. A follower passes the journal's number and must get the same.
K_CHECKED int k_machine_boundary(struct k_machine *machine, int64_t clock_us, const struct k_at_end *ends,
                                 uint32_t end_count, bool final, uint64_t max_work, uint64_t *ret_work,
                                 struct k_error *err);
// More work at the same boundary (a leader works in portions and looks at the clock between them).
K_CHECKED int k_machine_work(struct k_machine *machine, uint64_t max_work, uint64_t *ret_work, struct k_error *err);
// What was done since the boundary began, by node: for a follower with another graph.
struct k_work_run {
    const char *node; // NULL: none; only begins
    uint64_t units;
    bool begins; // the work for a new frontier began before it
};
const struct k_work_run *k_machine_work_runs(const struct k_machine *machine, uint32_t *ret_count);
// After a boundary with max_work 0: does what a leader with another graph did, as far as there is such work here.
K_CHECKED int k_machine_work_like(struct k_machine *machine, const struct k_work_run *run, struct k_error *err);
// Whether a boundary with these facts, now, would find work to do: a leader commits only when something is due.
K_CHECKED int k_machine_due(struct k_machine *machine, int64_t clock_us, const struct k_at_end *ends,
                            uint32_t end_count, bool *ret_due, struct k_error *err);
// Nothing is left to do at the present frontier.
bool k_machine_is_settled(const struct k_machine *machine);
// Housekeeping before a checkpoint; invisible in results.
K_CHECKED int k_machine_tidy(struct k_machine *machine, struct k_error *err);
bool k_machine_is_final(const struct k_machine *machine);
int64_t k_machine_frontier(const struct k_machine *machine);
int64_t k_machine_clock(const struct k_machine *machine);

// Writes the machine's part of a position (partitions, counters, frontier) into the message; what it points to lies
// in the arena.
void k_machine_save(const struct k_machine *machine, struct k_arena *arena, Kappa__Internal__Position *position);
// Reads it back into a machine that has just been opened.
K_CHECKED int k_machine_load(struct k_machine *machine, const Kappa__Internal__Position *position,
                             struct k_error *err);

// The operator's instance of one of the plan's nodes; NULL while it waits.
void *k_machine_instance(struct k_machine *machine, uint32_t node);

// Counters by name, sources first, in plan order. Borrowed.
const struct k_counters *k_machine_counters(const struct k_machine *machine, uint32_t index, const char **ret_name);
uint32_t k_machine_counters_count(const struct k_machine *machine);
// in = processed + filtered + late + dropped + dead_lettered at every source and node; K_E_BUG naming the one where
// not.
K_CHECKED int k_machine_check_sums(const struct k_machine *machine, struct k_error *err);

// The hash of one record for ranges: chained, so that a range's hash does not depend on how it was fetched.
uint64_t k_record_hash(uint64_t before, const struct k_message *message);
