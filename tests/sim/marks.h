// Marks on the way: somebody asks for one, every generation keeps a copy of its state there, and each copy holds what
// the reference of its graph has at that journal record. So generations are compared not only where all ends.
#pragma once
#include <stdint.h>

#include "base/error.h"

struct world;
struct walk;
struct k_store;
struct mark_copy {
    uint64_t mark, generation;
    uint32_t shard;
    struct k_memory_disk *disk;
};
struct marks {
    struct mark_copy *items;
    uint32_t count, capacity;
};
void marks_ask(struct world *w); // perhaps
int marks_keep(void *copy_place, struct k_store *store, uint64_t mark, struct k_error *err); // for k_shard_options
void marks_judge(struct walk *walk, uint64_t mark); // the walk stands behind the record that has it
void marks_fini(struct world *w);
