// The queries written by hand: one thread, hash tables, no transactions, nothing durable. What the engine's price is
// measured against, so they are as fast as a good C programmer makes them in an afternoon.
#pragma once
#include <stddef.h>

enum { HAND_PARTITIONS = 4 };
typedef void (*emit_fn)(void *context, const char *key, size_t key_length, const char *value, size_t length);

struct hand_query {
    const char *name;
    void *(*create)(void);
    // One message of a partition. Its outputs go through emit.
    void (*take)(void *query, int partition, const char *value, size_t length, emit_fn emit, void *context);
    void (*finish)(void *query, emit_fn emit, void *context);
};
// NULL: there is none of that name.
const struct hand_query *hand_query_find(const char *name);
