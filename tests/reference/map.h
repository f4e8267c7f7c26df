// A hash table from bytes to a number of bytes that its owner knows, in the order of insertion.
#pragma once
#include "base/bytes.h"
#include "base/memory.h"

struct entry {
    struct k_str key;
    struct entry *next_of_hash;
    struct entry *before, *after; // in the order of insertion
    uint64_t hash;
    // the value follows
};

// Zeroed but for arena and value_size it is empty. All lies in the arena but for the buckets, which map_fini frees.
struct map {
    struct k_arena *arena;
    size_t value_size;
    struct entry **buckets;
    uint32_t bucket_count, count;
    struct entry *first, *last;
};

static inline void *map_value(struct entry *entry) { return entry + 1; }
struct entry *map_find(const struct map *map, struct k_str key);          // NULL: none
struct entry *map_put(struct map *map, struct k_str key, bool *ret_new);  // a new value is zeroed
void map_remove(struct map *map, struct entry *entry);
void map_fini(struct map *map);
