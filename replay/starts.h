// Where a generation begins that does not simply begin with the journal: offsets for partitions of its sources, and
// the journal records behind which it begins, in the topic `<graph>.start.<generation>`, as long as the generation is
// there. Whoever hosts it begins there.
#pragma once
#include "engine/shard.h"

struct k_starts {
    struct k_start *items;
    uint32_t count;
    int64_t *journal_from; // per shard, see k_shard_options; NULL: with the journals' own beginnings
    uint32_t shards;       // of journal_from
    struct k_arena arena; // their topics
};
void k_starts_init(struct k_starts *starts);
void k_starts_fini(struct k_starts *starts);
void k_starts_add(struct k_starts *starts, const char *topic, int32_t partition, int64_t offset);
struct k_start *k_starts_find(const struct k_starts *starts, const char *topic, int32_t partition); // NULL: none

K_CHECKED int k_starts_write(struct k_log *log, const char *graph, uint64_t generation, int32_t replication,
                             const struct k_starts *starts, struct k_error *err);
// K_E_NOT_FOUND: they were never written: whoever made the generation was interrupted. starts: initialized, empty.
K_CHECKED int k_starts_read(struct k_log *log, const char *graph, uint64_t generation, struct k_starts *starts,
                            struct k_error *err);
K_CHECKED int k_starts_remove(struct k_log *log, const char *graph, uint64_t generation, struct k_error *err);
