// Bytes of any length that a group keeps for one call, in memory of their own: the best value, row or end so far.
#pragma once
#include "operators/accumulate.h"

struct k_kept {
    char *data;
    uint32_t length, capacity;
    uint32_t by_length; // pairs: how many of the bytes are what is compared
    bool has;
};

// Copies the bytes in place of those that were there.
void k_kept_put(struct k_kept *slot, struct k_str bytes, uint32_t by_length);
struct k_str k_kept_get(const struct k_kept *slot); // borrowed until the next put

// What accumulators of such a part are made of (accumulate.h).
void k_kept_encode(const struct k_part *part, const void *value, struct k_buf *out);
size_t k_kept_decode(const struct k_part *part, void *value, const char *data, size_t length);
void k_kept_fini(const struct k_part *part, void *value);
size_t k_kept_owned(const struct k_part *part, const void *value);
