// Several generations of one pipeline in the simulator: workers of the others beside those of the first, people who ask
// for switches, and a watch over the control record.
#pragma once
#include "replay/overseer.h"
#include "tests/sim/copies.h"
#include "tests/sim/generation.h"
#include "tests/sim/marks.h"

struct worker;
struct generations {
    bool there; // others than the first
    uint32_t count; // how many there are by now
    struct generation each[GENERATIONS_MAX]; // by number - 1; the first is there always
    bool differences; // all switches are asked for with theirs
    uint64_t not_before; // nobody asks before the journals have so many records of the sources, where it matters
    uint32_t difference_rows; // of a difference in one transaction
    struct copies copies;
    struct marks marks;
    bool may_switch; // it makes sense from now on; else it is looked at again at so many steps
    uint64_t look_again;
    uint64_t seen; // messages of its topic
    uint64_t last_revision, last_seq, last_done, last_target; // of the control record, as watched
    uint64_t live, lived_before;                              // so, too; 0: nobody
    bool third, holds;  // there will be a third; those that are relieved are kept for a while only, now and then
    bool wants_back, went_back; // from the third to whoever led before
    int64_t third_us;   // when somebody first asked for it; 0: not yet
    int64_t latest_us;  // the clock has not been beyond it
};
void generations_prepare(struct world *w, bool several);
void generations_fini(struct world *w);
void generations_add_worker(struct world *w, uint64_t generation, const char *letter);
// Somebody asks for a generation that is drawn, with or without the faults of the log. An error of k_control_change.
int generations_ask(struct world *w, uint64_t number, int64_t now_us, bool faults);
bool generations_agree(const struct world *w); // all hold the same where they stand at the same place
bool generations_start(struct world *w, struct worker *worker); // false: not now
int64_t generations_step(struct world *w, struct worker *worker);
void generations_trouble(struct world *w, bool surely); // somebody types a command, perhaps
bool generations_may_switch(struct world *w); // it makes sense already
bool generations_are_settled(struct world *w);
bool generations_write_on(const struct world *w); // a leader has a difference to write
// watch.c
void generations_watch(struct world *w); // fails the world when the control record, or what it says, cannot be
void generations_judge(struct world *w); // at the end
