// What each part of a shard keeps of its own; struct k_shard (shard_private.h) puts them together.
#pragma once
#include "engine/journal.h"
#include "engine/shard.h"

// One input's reader, and what it has handed out but nobody has fed yet.
struct feed {
    struct k_reader *reader; // NULL until first needed
    const struct k_message *const *messages;
    uint32_t count, at; // messages[at .. count) are waiting
    int64_t empty_since_us; // asked since then, the reader had nothing; 0: it had something the last time
    bool verify;        // the first message is the last one that was fed before: compare it, then drop it
    bool embedded;      // the topic is compacted: records go into the journal
    int64_t *times; // in_order: event times of messages[timed .. count); NULL until first needed
    uint32_t timed_count; // messages that times stands for; 0: those here have not been looked at
    uint32_t run;   // in_order: how many of those that wait come before every other input's; 0: all
    uint32_t waited;    // steps that others took at their partitions' ends, while messages wait here
};

// A journal record on its way through the machine.
struct following {
    Kappa__Internal__JournalRecord *record; // NULL: none under way
    uint32_t range;                         // under way
    uint32_t fed;                           // records of that range
    uint64_t hash;
    bool gaps; // of a leadership: what it leaves out is taken first (gaps.c)
    bool cut; // of the range: read from where this generation begins, so its records are not checked
    struct k_journal_point after; // where the journal stands behind the record
};

// What lies before the journal (history.c).
struct history {
    bool under_way; // saved with the state
    bool begun;     // it is known where it ends
    bool complete;  // the journal before had declared the input complete
    int64_t clock_us; // of the journal's record behind which it stands
    int64_t journal_from; // that record's offset; 0: the state began with the journal
    uint32_t fed;     // since the last boundary
    uint64_t records; // up to the last boundary
};

// Who leads the journal at the point where the state stands (leadership.c).
struct leadership {
    Kappa__Internal__JournalRecord *holder;           // owns it
    Kappa__Internal__JournalRecord__Leadership *said; // NULL: nobody yet; or this graph, before leaderships were saved
    int64_t offset;    // behind the first leadership of its control_seq
    uint64_t seq;      // its control_seq
    uint64_t settled;  // the last switch that the journal calls settled
    bool foreign;      // it runs another graph: its units of frontier work are not ours
    bool left;         // its last record says that frontier work is left
    int32_t *sources;  // per input of its list: our source; -1: we do not read it
    uint32_t source_count;
};

// What a follower with an output_suffix does about its outputs (outputs.c has what the phases mean).
enum outputs_phase { OUTPUTS_LOOK, OUTPUTS_WAIT, OUTPUTS_CATCH_UP, OUTPUTS_WRITE, OUTPUTS_OVER };
// Where a follower's outputs stand: a journal offset, and while history is under way (which ends there) how many of its
// records.
struct outputs_place {
    int64_t offset;
    uint64_t history; // UINT64_MAX: none is under way
};
struct outputs {
    enum outputs_phase phase;
    struct k_member *member;     // of the group that names who writes; kept over RESET
    struct k_producer *producer; // CATCH_UP, WRITE
    struct k_reader *reader;     // of the progress topic; NULL in WRITE and OVER
    int64_t start, begin, end;   // of what is read in LOOK and CATCH_UP: the log's start, and [begin, end)
    bool some, held;             // there is a record of progress; nothing may be followed now
    struct outputs_place committed; // up to there outputs are committed
    uint64_t chain;              // the journal's, there
    bool in_transaction;         // since
    int64_t since_us;
    char *topic, *group, *id;
};

// A pass over the beginning of the journal (trim.c).
struct trimming {
    int64_t began_us, listed_us; // this pass, or the last one; the last record that was made to list the inputs
    bool under_way;
    struct k_reader *reader; // of the journal, while under way; messages[at] of its last fetch is judged next
    const struct k_message *const *messages;
    uint32_t at, count;
    int64_t start, cut; // where the journal begins, and where it may
    Kappa__Internal__JournalRecord *lister; // the last record that lists inputs, and its offset
    int64_t listed;
    struct log_start *starts;
    uint32_t start_count;
};
