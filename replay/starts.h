// Where a generation begins that does not begin with the journal: an offset for every partition of its sources, in the
// topic `<graph>.start.<generation>`, as long as the generation is there. Whoever hosts it begins there.
#pragma once
#include "engine/shard.h"

struct k_starts {
    struct k_start *items;
    uint32_t count;
    struct k_arena arena; // their topics
};
void k_starts_init(struct k_starts *starts);
void k_starts_fini(struct k_starts *starts);
void k_starts_add(struct k_starts *starts, const char *topic, int32_t partition, int64_t offset);

K_CHECKED int k_starts_write(struct k_log *log, const char *graph, uint64_t generation, int32_t replication,
                             const struct k_starts *starts, struct k_error *err);
// K_E_NOT_FOUND: they were never written: whoever made the generation was interrupted. starts: initialized, empty.
K_CHECKED int k_starts_read(struct k_log *log, const char *graph, uint64_t generation, struct k_starts *starts,
                            struct k_error *err);
K_CHECKED int k_starts_remove(struct k_log *log, const char *graph, uint64_t generation, struct k_error *err);
