// Judging topics by parts: who led made what is there (judge_made.c), and what a switch's difference added
// (judge_difference.c).
#pragma once
#include "tests/sim/made.h"

enum made_who { MADE_BY_IT, MADE_BY_OTHER, MADE_BY_EITHER };
// Who brought out what the walk's graph makes at this record: its own generation, or not.
enum made_who made_who(const struct walk *walk, uint64_t record);
void made_pick(const struct mades *all, const struct walk *walk, struct mades *ret); // the walk's own; borrows
// The messages of the walk's generation and shard are those of the reference where it led; what is there besides is
// appended to ret_extra (borrowed). *ret_open: of some it was open who brought them out.
typedef enum made_who (*made_who_fn)(const struct walk *walk, uint64_t record);
void judge_parts(struct judging *j, const struct walk *walk, uint32_t topic, const struct mades *all,
                 made_who_fn who, struct mades *ret_extra, bool *ret_open);
// Of one key's lines [from, to) in a list by key: the last value among the topic's first `count`; "-": none.
const char *made_shown(const struct mades *sorted, uint32_t from, uint32_t to, uint64_t count);

// All topics of a run with several generations.
void judge_made(struct judging *j);
// judge_suffix.c: the topics with a suffix, to which this generation writes until it leads.
void judge_suffixed(struct judging *j, const struct generation *generation);

// judge_difference.c
// A keyed sink of which each key's last message counts: part by part it ends where the reference does.
void judge_updates(struct judging *j, const struct walk *walk, uint32_t sink, const struct mades *all);
// What a keyed sink has besides is differences of switches: each row once, as it was then.
void judge_extra(struct judging *j, const struct walk *walk, uint32_t sink, const struct mades *extra, bool open);
// What the journal says of differences, and what who reads a topic has in the end.
void judge_differences(struct judging *j, uint32_t shard);
void judge_consumer(struct judging *j, uint32_t sink, const struct mades *all);
