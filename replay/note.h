// A note in a topic: the last record of a partition counts. For what belongs to a generation and is too long for the
// control record.
#pragma once
#include "engine/log.h"

// Makes the topic if it is absent, compacted. K_E_CONFIG: it is there, and has other partitions or is not compacted.
K_CHECKED int k_note_prepare(struct k_log *log, const char *topic, int32_t partitions, int32_t replication,
                             struct k_error *err);
// In a transaction of its own; the producer is used for nothing more. When it returns 0, whoever reads finds it.
K_CHECKED int k_note_send(struct k_log *log, struct k_producer *producer, const char *topic, int32_t partition,
                          const char *key, struct k_str value, struct k_error *err);
// The same with a producer whose id is the topic's name.
K_CHECKED int k_note_write(struct k_log *log, const char *topic, int32_t partition, const char *key,
                           struct k_str value, struct k_error *err);
// Appends the last one; nothing: there is none. K_E_NOT_FOUND: no topic.
K_CHECKED int k_note_read(struct k_log *log, const char *topic, int32_t partition, struct k_buf *ret,
                          struct k_error *err);
// Removes the topic. dry_run: only looks. *ret_there (NULL: not wanted): it was there.
K_CHECKED int k_note_remove(struct k_log *log, const char *topic, bool dry_run, bool *ret_there,
                            struct k_error *err);
