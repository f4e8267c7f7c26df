// One partition's records on their way into a capsule's file: those that the journal names, in the order of offsets.
//
// A topic that several sources read is named by each of them, at its own pace. Each record lies in the file once.
#pragma once
#include <stdio.h>

#include "engine/log.h"

// What one source reads of the partition on the way.
struct k_spool_window {
    int64_t from, until;
};
struct k_spool {
    const char *topic; // borrowed
    int32_t partition;
    int64_t start, end; // offsets that the log shall seem to have
    uint64_t records;
    struct k_spool_window *windows; // of each source that reads the topic; owned
    uint32_t window_count;
    struct k_reader *reader; // NULL: nothing was named of it yet
    const struct k_message *const *messages;
    uint32_t count, at;
    FILE *file;
    int64_t written; // of several sources: the file has what they read below this offset
};
// A range as the journal has it: count records from offset first on, all below next.
struct k_spool_range {
    int64_t first, next;
    uint32_t count;
};
// A source reads this, too: before anything is copied.
void k_spool_add_window(struct k_spool *spool, struct k_spool_window window);
// Appends one record to the file, which is made in the folder. K_E_IO.
K_CHECKED int k_spool_put(struct k_spool *spool, const char *folder, const struct k_message *message,
                          struct k_error *err);
// Copies the records of a range from the log. How they hash is checked when the capsule is run. K_E_LOST_RANGE: the log
// has fewer.
K_CHECKED int k_spool_copy(struct k_spool *spool, struct k_log *log, const char *folder, struct k_spool_range range,
                           struct k_error *err);
// Closes file and reader. K_E_IO: not all could be written.
K_CHECKED int k_spool_end(struct k_spool *spool, struct k_log *log, const char *folder, struct k_error *err);
