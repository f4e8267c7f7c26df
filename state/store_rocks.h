// What the files that know rocksdb_* share: the writer (store_rocks.c, store_rocks_apply.c) and the reader
// (store_rocks_reader.c); the common half is rocks_common.c. Only these include this, and <rocksdb/c.h>.
#pragma once
#include <rocksdb/c.h>

#include "state/store.h"

struct k_rocks_store {
    struct k_store base;
    char *directory;
    bool iterators_fill_cache;
    uint64_t room_bytes; // must be free on the disk before anything is written
    rocksdb_options_t *options;
    rocksdb_block_based_table_options_t *table_options;
    rocksdb_cache_t *cache;
    rocksdb_readoptions_t *read_options;
    rocksdb_column_family_handle_t *family;      // writer only
    rocksdb_t *db;
    rocksdb_writeoptions_t *scratch; // NULL: what is written lasts
};

// A file that is being made, in the state's directory.
#define K_ROCKS_BUILDING "building.sst"

enum k_rocks_role { K_ROCKS_WRITER, K_ROCKS_READER };

// A store with options for this budget, its database not yet open.
// K_E_CONFIG: the process may not open enough files.
int k_rocks_create(const char *directory, enum k_rocks_role role, uint64_t memory_bytes, struct k_rocks_store **ret,
                 struct k_error *err);
void k_rocks_destroy(struct k_rocks_store *store); // NULL-safe, also half made; closes the database

// Frees RocksDB's message and fills err: its code is what the message says.
int k_rocks_fail(const struct k_rocks_store *store, char *message, struct k_error *err);

// Refused with K_E_CORRUPT: the format is absent or newer than ours. *ret_empty: there is no key at all.
int k_rocks_check_format(struct k_rocks_store *store, bool *ret_empty, struct k_error *err);

// The writer's apply (state/store.h).
int k_rocks_apply(struct k_store *store, const struct k_write *writes, size_t n, struct k_error *err);

// Operations that both have.
int k_rocks_iterate(struct k_store *store, struct k_str from, struct k_str to, struct k_store_iterator **ret,
                  struct k_error *err);
bool k_rocks_next(struct k_store_iterator *iterator, struct k_str *ret_key, struct k_str *ret_value,
                struct k_error *err);
void k_rocks_seek(struct k_store_iterator *iterator, struct k_str key);
void k_rocks_iterate_end(struct k_store_iterator *iterator);
int k_rocks_export(struct k_store *store, const char *directory, struct k_error *err);
void k_rocks_pressure(struct k_store *store, uint32_t *ret_level0_files, uint64_t *ret_debt_bytes);
uint64_t k_rocks_memory_used(struct k_store *store);
uint64_t k_rocks_disk_used(struct k_store *store);
void k_rocks_close(struct k_store *store);
