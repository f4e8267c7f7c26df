// What may be asked of a pipeline's generations, and what any worker may finish for those who asked: each a decision
// for k_control_change (its context is the struct of the same name), so that nothing else ever changes the record.
//
//   (none) --k_new_shadow--> shadow --k_switch, k_completion--> live --k_switch to another, k_completion--> warm
//   warm --k_switch (rollback), k_completion--> live;  shadow --k_retirement (abort)--> retired;
//   warm --k_retirement (its hold is over)--> retired
#pragma once
#include "replay/control.h"

// A new generation, beside what there is. Done already (by an attempt of which that was not known): a shadow that began
// at the same moment with the same graph.
#define K_START_FOUND "the journals, with history before them" // what `start` says where nobody said anything
struct k_new_shadow {
    const char *fingerprint;
    const char *suffix;           // of its outputs' topics; NULL: it makes none. K_E_CONFIG: another has it
    const char *start;            // where it begins, in words; NULL: with the journal
    const char *live_fingerprint; // of generation 1, if no record has it yet; NULL: not known
    int64_t now_us;
    uint64_t number; // out
};
int k_new_shadow(void *context, struct k_control *control, bool *ret_write, struct k_error *err);

// A report of two generations' parity, kept with the record. Done already: there is one of this mark.
// K_E_NOT_FOUND: one of the generations is retired meanwhile.
struct k_reporting {
    struct k_parity_report report;
};
int k_reporting(void *context, struct k_control *control, bool *ret_write, struct k_error *err);

// Who shall lead from now on. With to = 0: the generation that lived before (rollback). While a switch is under way
// another is refused, but for a rollback, which turns it back. What was asked for already is no error.
struct k_switch {
    uint64_t to;
    int64_t give_up_us, hold_us;
    const char *reason; // NULL: none
    bool difference;    // what differs is written to the keyed sinks afterwards
    // To another generation than the one that leads only if the newest report of these two says that they are equal, or
    // is the one accepted; or, where there is none, for a reason. Else K_E_CONFIG.
    bool with_warrant;
    const char *pipeline; // its name, for the message; with a warrant only
    uint64_t accept;      // a report's number; 0: none
    uint64_t seq;         // out: the switch's number, and where it goes
    uint64_t target;
};
int k_switch(void *context, struct k_control *control, bool *ret_write, struct k_error *err);

// What a record says of the switch with this number. One from before it says nothing: where a broker answers with what
// was there a moment ago, it has not been taken back.
enum k_switch_stand { K_SWITCH_UNDER_WAY, K_SWITCH_COMPLETE, K_SWITCH_OVERTAKEN };
enum k_switch_stand k_switch_stands(const struct k_control *control, uint64_t seq);

// Every shard has it: the stable name shows the target from now on.
struct k_completion {
    uint64_t seq;
    int64_t now_us;
};
int k_completion(void *context, struct k_control *control, bool *ret_write, struct k_error *err);

// The switch did not come to its end in time: who lived shall lead again.
struct k_taking_back {
    uint64_t seq;
};
int k_taking_back(void *context, struct k_control *control, bool *ret_write, struct k_error *err);

// number 0: every warm generation whose hold is over. Else this one, a shadow or warm, if no switch wants it.
struct k_retirement {
    uint64_t number;
    int64_t now_us;
};
int k_retirement(void *context, struct k_control *control, bool *ret_write, struct k_error *err);

// A mark in every shard's journal. Done already: last is what the record had before the first attempt.
struct k_marking {
    uint64_t mark; // out; before the first attempt 0
};
int k_marking(void *context, struct k_control *control, bool *ret_write, struct k_error *err);
