// The control record of a pipeline: which generations it has, who shall lead, whom the stable name shows. One record in
// the compacted topic `<graph>.control`, changed only by compare-and-set.
//
// Rules (proved by the model of a cutover, for all interleavings)
// 1. A change is: init_transactions as `<graph>.control`, which fences every other writer and ends what it had open;
//    read the topic to its end; decide by what was read; write; commit. A writer that is fenced starts again.
// 2. seq counts the switches asked for. A switch is complete when done = seq, and that is written only when in every
//    shard's journal the last leadership has exactly this seq and is settled (a checkpoint has passed it).
// 3. Until then the stable name shows `live`, the generation from before, which follows and stays right.
// 4. Commands only ask. Any worker completes a switch, or takes back one that does not come to its end in time.
#pragma once
#include "engine/log.h"

enum { K_GENERATIONS_MAX = 64, K_PARITIES_MAX = 16, K_SUFFIX_SIZE = 64, K_START_SIZE = 128 };
enum k_role { K_ROLE_SHADOW, K_ROLE_LIVE, K_ROLE_WARM, K_ROLE_RETIRED };
const char *k_role_name(enum k_role role);

struct k_generation {
    uint64_t number;
    char fingerprint[33]; // of its graph; "": not known (the generation of before there was a control record)
    enum k_role role;
    int64_t began_us;      // 0: not known
    int64_t hold_until_us; // of a warm one; 0: for ever
    char start[K_START_SIZE];   // where it begins, in words; "": with the journal
    char suffix[K_SUFFIX_SIZE]; // of the topics that it writes to until it leads; "": it does not
};
// What a comparison of all tables of two generations found. Generations are never changed, so it stays true of them at
// its mark.
struct k_parity_report {
    uint64_t mark; // its number; 0: none
    uint64_t left, right;
    int64_t time_us;
    uint32_t tables, differing;
    uint64_t changed, only_left, only_right; // keys
    char first[64];                          // the first table that differs, cut where it is longer
};
struct k_control {
    uint64_t revision; // records written; 0: there is none, and generation 1 lives
    uint64_t seq, target;
    bool back; // the last switch goes back to who lived
    uint64_t live, done;
    uint64_t previous; // who lived before, and can again while it is warm; 0: nobody
    uint64_t mark;
    int64_t give_up_us; // a switch that takes longer is taken back; 0: never
    int64_t hold_us;    // of the generation that the switch under way relieves; 0: for ever
    char reason[256];
    bool difference; // the last switch wants its difference written to the keyed sinks
    uint64_t report; // the parity report that the last switch was asked for by; 0: none
    struct k_parity_report parities[K_PARITIES_MAX];    // the newest last
    struct k_generation generations[K_GENERATIONS_MAX]; // ascending
    uint32_t generation_count, parity_count;
};
// What holds while nobody has written one: generation 1, and nothing else.
void k_control_init(struct k_control *control);
struct k_generation *k_control_find(struct k_control *control, uint64_t number); // NULL: there is none
static inline bool k_control_is_settled(const struct k_control *control)
{
    return control->done == control->seq;
}

// Makes the topic if it is absent (replication: -1 the broker's default). K_E_CONFIG: it is there, and is not compacted
// or has several partitions.
K_CHECKED int k_control_prepare(struct k_log *log, const char *graph, int32_t replication, struct k_error *err);

// Reads the record as it is now; revision 0 if there is none, or no topic. K_E_RETRY: not to be read to its end now.
K_CHECKED int k_control_read(struct k_log *log, const char *graph, struct k_control *ret, struct k_error *err);

// Decides by what the record says: changes *control and sets *ret_write, or leaves it, or refuses with an error. Must
// take an earlier write of its own for done, because the outcome of a write may not be known.
typedef int (*k_control_decide)(void *context, struct k_control *control, bool *ret_write, struct k_error *err);
// One attempt. *ret is the record afterwards, and whoever reads it then sees it. An error for which k_control_again is
// true says that it is not known whether anything was written: try again after a pause of random length.
K_CHECKED int k_control_change(struct k_log *log, const char *graph, k_control_decide decide, void *context,
                               struct k_control *ret, struct k_error *err);
bool k_control_again(int code);
// Attempts until it is decided, at most timeout_us (then K_E_TIMEOUT); sleeps in between.
K_CHECKED int k_control_change_now(struct k_log *log, const char *graph, k_control_decide decide, void *context,
                                   int64_t timeout_us, struct k_control *ret, struct k_error *err);

// Follows the record. The topic must be there.
struct k_control_watch {
    struct k_log *log; // borrowed
    const char *graph; // borrowed
    struct k_reader *reader;
    struct k_control control;
};
// *ret_changed: there is a newer record in watch->control. Never waits; bounded work.
K_CHECKED int k_control_poll(struct k_control_watch *watch, bool *ret_changed, struct k_error *err);
void k_control_unwatch(struct k_control_watch *watch);

// The record as bytes, for tests and other programs.
void k_control_encode(const struct k_control *control, const char *graph, struct k_buf *out);
K_CHECKED int k_control_decode(struct k_str bytes, const char *graph, struct k_control *ret, struct k_error *err);
