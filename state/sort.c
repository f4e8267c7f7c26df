// Sorting entries by key: a radix sort over eight bytes of each key, those behind what all keys have in common; what is
// still equal then is compared in full.
#include <stdlib.h>

#include "state/cache.h"

enum {
    PREFIX = 8,
    RADIX_MIN = 192, // below this, comparing is faster
};

static uint32_t common_length(const struct k_family *family, const struct k_sorted_entry *sorted, uint32_t count)
{
    struct k_str first = k_entry_key(family, sorted[0].entry);
    uint32_t common = first.length;
    for (uint32_t i = 1; i < count && common > 0; i++) {
        struct k_str key = k_entry_key(family, sorted[i].entry);
        if (key.length < common) common = key.length;
        uint32_t at = 0;
        while (at < common && key.data[at] == first.data[at]) at++;
        common = at;
    }
    return common;
}

static uint64_t prefix_of(struct k_str key, uint32_t skip)
{
    uint64_t prefix = 0;
    uint32_t length = key.length - skip;
    memcpy(&prefix, key.data + skip, length < PREFIX ? length : PREFIX);
    return __builtin_bswap64(prefix);
}

static int compare(const void *a, const void *b, void *context)
{
    const struct k_sorted_entry *left = a, *right = b;
    if (left->prefix != right->prefix) return left->prefix < right->prefix ? -1 : 1;
    const struct k_family *family = context;
    return k_str_compare(k_entry_key(family, left->entry), k_entry_key(family, right->entry));
}

static void radix_sort(struct k_sorted_entry *sorted, uint32_t count)
{
    uint32_t (*counts)[256] = k_alloc(PREFIX * sizeof *counts);
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t byte = 0; byte < PREFIX; byte++) counts[byte][sorted[i].prefix >> (8 * byte) & 255]++;
    struct k_sorted_entry *other = k_new_array(struct k_sorted_entry, count), *from = sorted, *to = other;
    for (uint32_t byte = 0; byte < PREFIX; byte++) {
        uint32_t shift = 8 * byte;
        if (counts[byte][from[0].prefix >> shift & 255] == count) continue; // all the same
        uint32_t place = 0;
        for (uint32_t value = 0; value < 256; value++) {
            uint32_t here = counts[byte][value];
            counts[byte][value] = place;
            place += here;
        }
        for (uint32_t i = 0; i < count; i++) to[counts[byte][from[i].prefix >> shift & 255]++] = from[i];
        struct k_sorted_entry *swap = from;
        from = to;
        to = swap;
    }
    if (from != sorted) memcpy(sorted, from, count * sizeof *sorted);
    free(other);
    free(counts);
}

void k_entries_sort(const struct k_family *family, struct k_sorted_entry *sorted, uint32_t count)
{
    if (count == 0) return;
    uint32_t skip = common_length(family, sorted, count);
    for (uint32_t i = 0; i < count; i++) sorted[i].prefix = prefix_of(k_entry_key(family, sorted[i].entry), skip);
    if (count < RADIX_MIN) {
        qsort_r(sorted, count, sizeof *sorted, compare, (void *)(uintptr_t)family);
        return;
    }
    radix_sort(sorted, count);
    for (uint32_t from = 0, to; from < count; from = to) {
        for (to = from + 1; to < count && sorted[to].prefix == sorted[from].prefix; to++) continue;
        if (to - from > 1) qsort_r(sorted + from, to - from, sizeof *sorted, compare, (void *)(uintptr_t)family);
    }
}
