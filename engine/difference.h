// The difference of a switch in one shard (difference.c, difference_write.c): a part of the shard.
#pragma once
#include "engine/shard.h"

// How far the difference of the last switch is (difference.c). Follows from the journal alone, but for `work`.
struct difference {
    uint64_t seq;      // of the switch; 0: its difference is not wanted
    char *from;        // the generation that led before
    uint64_t sequence; // of the switch's first leadership: the copies stand there
    bool done;
    char *sink;        // whose table is under way; NULL: the first is not begun
    struct k_buf after; // the key up to which it is through
    bool some;         // `after` holds one
    uint64_t compared, written;
    struct difference_work *work; // a leader's; NULL until it has begun
    int64_t waits_at_us;          // when it was last tried in vain; 0: it was not
};

// difference.c: what all who follow note of it
// Whether the leadership that the shard is about to begin is the first of a switch whose difference is wanted: the
// generation that leads until then, else NULL.
const char *difference_wanted(const struct k_shard *shard);
// Keeps the copy that the difference of switch `seq` needs; the state stands before its first leadership.
int difference_keep(struct k_shard *shard, uint64_t seq, struct k_error *err);
// A switch's first leadership is in the journal. from NULL: its difference is not wanted.
void difference_begin(struct k_shard *shard, uint64_t seq, const char *from, uint64_t sequence);
// A journal record says how far it is written.
void difference_note(struct k_shard *shard, const Kappa__Internal__Difference *said);
void difference_fill(const struct k_shard *shard, Kappa__Internal__Difference *ret); // borrows
void difference_load(struct k_shard *shard, const Kappa__Internal__Difference *saved);
void difference_close(struct k_shard *shard); // it is done: the copy is of no more use
void difference_drop(struct k_shard *shard);  // forgets everything
// difference_write.c: a leader's part. Whether some is to be written now; and one portion of it, into the open
// transaction. *ret_moved: there is something to be noted in the journal.
bool difference_is_due(struct k_shard *shard);
int difference_write(struct k_shard *shard, bool *ret_moved, struct k_error *err);
void difference_work_end(struct k_shard *shard);
