// Two generations of one pipeline in the simulator: workers of the second beside those of the first, people who ask for
// switches, and a watch over the control record.
//
// In two thirds of the runs the second has a corrected graph (change.h). In the others both have the same, so that what
// they write adds up to one whole; in half of these the second seems to be another (its fingerprint is), and the units
// of work in a journal then count for their leader only.
#pragma once
#include "engine/plan.h"
#include "replay/overseer.h"
#include "tests/sim/copies.h"
#include "tests/sim/marks.h"

struct world;
struct worker;
struct scenario;
enum { STARTS_MAX = 12 }; // a partition each
struct generations {
    bool there;
    const char *suffix; // of the topics to which generation 2 writes until it leads; NULL: it does not
    bool differences; // all switches are asked for with theirs
    uint64_t not_before; // nobody asks before the journals have so many records of the sources, where it matters
    // Where generation 2 begins, drawn when its first process starts, from what is there.
    bool starts_later, starts_drawn;
    struct k_start starts[STARTS_MAX];
    uint32_t start_count;
    uint32_t difference_rows; // of a difference in one transaction
    struct copies copies;
    struct marks marks;
    struct scenario *changed; // of generation 2, where it differs; else NULL
    struct k_plan other_plan; // of generation 2; shares everything with its scenario's
    bool may_switch; // it makes sense from now on; else it is looked at again at so many steps
    uint64_t look_again;
    uint64_t last_revision, last_seq, last_done, last_target; // of the control record, as watched
};
void generations_prepare(struct world *w);
void generations_fini(struct world *w);
bool generations_differ(const struct world *w);
bool generations_agree(const struct world *w); // they hold the same where they stand at the same place
int64_t generations_begin(const struct world *w, const char *topic, uint32_t partition); // of generation 2; 0: nowhere
const struct scenario *generations_graph(const struct world *w); // of generation 2
bool generations_start(struct world *w, struct worker *worker); // false: not now
int64_t generations_step(struct world *w, struct worker *worker);
void generations_trouble(struct world *w, bool surely); // somebody types a command, perhaps
bool generations_may_switch(struct world *w); // it makes sense already
void generations_watch(struct world *w); // fails the world when the control record, or what it says, cannot be
bool generations_are_settled(struct world *w);
bool generations_write_on(const struct world *w); // a leader has a difference to write
void generations_judge(struct world *w); // at the end
