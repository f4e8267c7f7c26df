// A hash table that remembers the order of insertion.
#include "tests/reference/map.h"

#include <stdlib.h>

#include "base/hash.h"

struct entry *map_find(const struct map *map, struct k_str key)
{
    if (map->bucket_count == 0) return NULL;
    uint64_t hash = k_hash(key.data, key.length);
    struct entry *entry = map->buckets[hash & (map->bucket_count - 1)];
    while (entry && (entry->hash != hash || !k_str_equal(entry->key, key))) entry = entry->next_of_hash;
    return entry;
}

static void grow(struct map *map)
{
    map->bucket_count = map->bucket_count ? map->bucket_count * 2 : 16;
    free(map->buckets);
    map->buckets = k_new_array(struct entry *, map->bucket_count);
    for (struct entry *entry = map->first; entry; entry = entry->after) {
        struct entry **bucket = &map->buckets[entry->hash & (map->bucket_count - 1)];
        entry->next_of_hash = *bucket;
        *bucket = entry;
    }
}

struct entry *map_put(struct map *map, struct k_str key, bool *ret_new)
{
    struct entry *entry = map_find(map, key);
    *ret_new = !entry;
    if (entry) return entry;
    if (map->count == map->bucket_count) grow(map);
    entry = k_arena_zeroed(map->arena, sizeof *entry + map->value_size);
    entry->key = (struct k_str){k_arena_copy(map->arena, key.data, key.length), key.length};
    entry->hash = k_hash(key.data, key.length);
    struct entry **bucket = &map->buckets[entry->hash & (map->bucket_count - 1)];
    entry->next_of_hash = *bucket;
    *bucket = entry;
    entry->before = map->last;
    *(map->last ? &map->last->after : &map->first) = entry;
    map->last = entry;
    map->count++;
    return entry;
}

void map_remove(struct map *map, struct entry *entry)
{
    struct entry **link = &map->buckets[entry->hash & (map->bucket_count - 1)];
    while (*link != entry) link = &(*link)->next_of_hash;
    *link = entry->next_of_hash;
    *(entry->before ? &entry->before->after : &map->first) = entry->after;
    *(entry->after ? &entry->after->before : &map->last) = entry->before;
    map->count--;
}

void map_fini(struct map *map)
{
    free(map->buckets);
}
