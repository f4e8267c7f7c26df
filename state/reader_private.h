// What the files of the reader share. reader_open.c: which directories; reader.c: shards and views; reader_table.c:
// tables, lookups, scans.
#pragma once
#include <sys/stat.h>

#include "proto/internal.pb-c.h"
#include "state/reader.h"

struct k_reader_shard {
    char *directory, *scratch;
    struct k_store *store;
    Kappa__Internal__Identity *identity; // NULL: it has none yet
    uint32_t number;
    int64_t seen_offset; // of the newest view
    uint64_t seen_sequence;
};

// The file that names the live generation, which is replaced by renaming.
struct k_live {
    char *path; // NULL: the reader was opened for a generation, whichever is live
    ino_t number; // 0: there was none
    struct timespec changed;
    bool past; // it names another generation
};

struct k_state_reader {
    char *generation;
    struct k_live live;
    struct k_reader_shard *shards; // ascending by number
    uint32_t shard_count;
    uint32_t views;
    uint64_t moves; // how often something new was seen
};

// A table's family in one shard: families are numbered by each shard for itself.
enum { K_FAMILY_PREFIX = 13 }; // of a store key: 0x01, family, segment
struct k_view_family {
    bool asked, known; // known false: the shard does not know the table
    char prefix[K_FAMILY_PREFIX];
};

struct k_view {
    struct k_state_reader *reader;
    struct k_arena arena;  // tables: as long as the view
    struct k_arena answer; // strings of the last row
    struct k_shard_view *shards;
    struct k_store_iterator **iterators; // one per shard
    const struct k_table_info **tables;  // NULL until asked for
    struct k_view_family *families;      // of each table each shard's
    uint32_t table_count;
    uint64_t moves; // of the reader, when the view was opened
};

// Finds the shard directories: fills generation and shards (directory, number).
int k_reader_find(struct k_state_reader *reader, const struct k_reader_options *options, struct k_error *err);
// The value of a key in one shard of a view, borrowed until the iterator moves; data NULL: absent.
int k_view_value(struct k_view *view, uint32_t shard, struct k_str key, struct k_str *ret_value, struct k_error *err);
// Moves the view's iterator over a shard to `from`. It is the one that the position came from, so that both are of one
// checkpoint.
int k_view_rows(struct k_view *view, uint32_t shard, struct k_str from, struct k_error *err);
