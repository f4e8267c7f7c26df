// A log on the side: a shard reads the real sources through it, within bounds, and nothing that it says gets out.
//
// Each source partition shows only a window of its offsets, with an end at which it stays. The journal is private, in
// memory, and forgotten as far as the shard's checkpoint has gone; its transactions always succeed, the only member of
// its group leads, and messages to any other topic are counted and dropped. So bounded replay is a shard that leads as
// any other: there is no second engine.
//
// Or, for who only follows (a window on the journal, too), there is no private journal at all.
#pragma once
#include "engine/log.h"

struct k_aside_window {
    const char *topic;
    int32_t partition;
    int64_t from, until; // offsets: [from, until)
};

struct k_aside_options {
    struct k_log *log; // borrowed
    const struct k_aside_window *windows; // copied, with their texts
    uint32_t window_count;
    uint64_t rate;     // records a second of all sources together; 0: as fast as it goes
    uint32_t portion;  // at most so many records of a source at once; 0: as many as are wanted
    // Told of each source record when it is handed out; borrowed. May be NULL.
    void (*handed)(void *context, const struct k_aside_window *window, const struct k_message *message);
    void *context;
};
struct k_log *k_aside_open(const struct k_aside_options *options);

// The private journal below this offset is of no more use.
void k_aside_forget(struct k_log *aside, int64_t before);
// Whether this number of checkpoints is another one than the last time: then there is something to be forgotten.
bool k_aside_grown(struct k_log *aside, uint64_t checkpoints);
// Messages to other topics than the journal, which nobody gets.
uint64_t k_aside_dropped(const struct k_log *aside);
// Whether a window's reader was asked for more when it had handed out everything: who follows it has then worked off
// all that it got.
bool k_aside_drained(const struct k_log *aside, const char *topic, int32_t partition);
