// Where a generation begins, drawn when its first process starts, from what is there then: with the journals; later, as
// by --to-offset and the like; and with history, of a source that the first generation lacks, or of all that a journal
// ordered which was cut off (cut.c).
#pragma once
#include "replay/starts.h"

struct world;
struct beginning {
    bool later; // by offsets that people chose
    bool cut;   // of its journals, some are cut off before it begins
    uint32_t named; // tables that kappa plan says may differ by that: a bit each, as its graph has them
    bool drawn;
    struct k_starts starts;
};
void beginning_init(struct world *w, struct beginning *beginning, bool elsewhere); // draws what it will be
void beginning_fini(struct beginning *beginning); // also of a zeroed struct
// Fixes it, as making the generation would. false: not yet, for there is nothing to begin with.
bool beginning_draw(struct world *w, uint64_t generation);
// 0: its whole topic.
int64_t beginning_offset(const struct world *w, uint64_t generation, const char *topic, uint32_t partition);
// The offset up to which an added source is history; -1: it is none.
int64_t beginning_join(const struct beginning *beginning, const char *topic, uint32_t partition);
// The offset behind which it follows the shard's journal; 0: all of it.
int64_t beginning_journal(const struct beginning *beginning, uint32_t shard);
// cut.c: cuts journals off, somewhere. false: they cannot be yet.
bool cut_journals(struct world *w);
void cut_name(struct world *w, uint64_t generation, struct k_log *log); // notes what may differ
bool cut_some(const struct world *w); // some generation begins behind a cut, or will
bool cut_reaches(struct world *w, uint64_t generation); // a new state of it could follow the journals
struct judging;
void judge_cut(struct judging *j, uint64_t generation); // judge_cut.c: what does not differ
