// The topics to which a generation writes until it leads: made like the real ones, with a suffix behind their names,
// and removed with it.
//
// Beside them stands `<graph>.outputs.<generation>`: a partition a shard with how far outputs are committed
// (engine/outputs.c), and one more with the names of the topics that were made, written before any of them is. So
// whoever removes them needs no graph, and removes nothing else.
#pragma once
#include "engine/plan.h"
#include "engine/topics.h"

bool k_suffix_is_good(const char *suffix);
#define K_SUFFIX_WORDS "1 to 63 letters, digits, \".\", \"_\" and \"-\""
// Before the generation is there: K_E_CONFIG where one of its topics is there already, or its name would be too long.
// ret (appended): the names, one a line.
K_CHECKED int k_suffixed_check(struct k_log *log, struct k_plan *plan, const char *suffix, struct k_buf *ret,
                               struct k_error *err);
// Makes what is absent; partitions, compaction and retention are those of the real topic, if that is there.
K_CHECKED int k_suffixed_prepare(struct k_log *log, struct k_plan *plan, uint64_t generation, const char *suffix,
                                 const struct k_topics_options *options, struct k_error *err);
// Removes them. ret (appended; NULL: not wanted): the names of those that were there, one a line. dry_run: removes
// none. Nobody may be writing to them, or a broker may make them anew.
K_CHECKED int k_suffixed_remove(struct k_log *log, const char *graph, uint64_t generation, bool dry_run,
                                struct k_buf *ret, struct k_error *err);
