// Regular exports of a shard's state (`run --snapshot-dir`): a hard-linked checkpoint with its position, the last few
// kept. What is older than the sources reach is kept this way, and no other.
#pragma once
#include "engine/shard.h"

struct k_snapshots {
    char *directory; // DIR/<graph>/<generation>; NULL: none are wanted
    uint32_t shard;
    int64_t interval_us, taken_us;
    uint32_t keep;
    uint64_t checkpoints; // at the last export: nothing new, no export
};
void k_snapshots_init(struct k_snapshots *snapshots, const char *directory, const char *graph, const char *generation,
                      uint32_t shard, int64_t interval_us, uint32_t keep);
// Takes one when it is due, between steps of the shard. A failure is traced and tried again after the interval; it
// does not stop the shard.
void k_snapshots_maybe(struct k_snapshots *snapshots, struct k_shard *shard, int64_t now_us);
void k_snapshots_fini(struct k_snapshots *snapshots);
