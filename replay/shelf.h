// A shelf: a log made of files, for reading only. Each partition is a file of length-delimited Embedded messages
// (proto/internal.proto), ascending by offset. On it a shard can follow, with no broker anywhere.
#pragma once
#include "engine/log.h"

struct k_shelf_partition {
    const char *topic;
    int32_t partition;
    const char *path;    // NULL: no records
    int64_t start, end;  // offsets that the log seems to have
};
struct k_shelf_topic {
    const char *topic;
    int32_t partitions;
    bool compacted;
};
// All borrowed until the log is closed.
struct k_log *k_shelf_open(const struct k_shelf_topic *topics, uint32_t topic_count,
                           const struct k_shelf_partition *partitions, uint32_t partition_count);
// Whether a partition's reader was asked for more when all had been handed out.
bool k_shelf_drained(const struct k_log *shelf, const char *topic, int32_t partition);

// One record on its way into such a file, appended; and out of it: *ret lies in the arena. *ret_used 0: bytes are too
// few for a whole one.
void k_shelf_add(struct k_buf *out, const struct k_message *message);
K_CHECKED int k_shelf_get(struct k_str bytes, struct k_arena *arena, struct k_message **ret, size_t *ret_used,
                          struct k_error *err);
