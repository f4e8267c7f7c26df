// The store seam: what the engine needs of a disk, as one struct of function pointers.
//
// Two implementations: RocksDB (store_rocks.c, the only file on the write side that knows rocksdb_*) and an in-memory
// store with a seed (store_memory.c), which can fail or tear any write and dies when the simulated machine dies.
//
// A store is an ordered map from bytes to bytes. It changes only through apply, which is atomic: after a crash all
// writes of one call are there, or none.
#pragma once
#include "base/error.h"
#include "base/bytes.h"
#include "base/memory.h"

// A put of value; or, with remove, the removal of key, or, with `to` too, of every key in [key, to).
struct k_write {
    struct k_str key;
    union {
        struct k_str value;
        struct k_str to; // remove only: data NULL removes just key
    };
    bool remove;
};

struct k_store;
struct k_store_iterator;

struct k_store_ops {
    // Values of n keys; ret_values[i].data is NULL when absent; else the bytes lie in the arena.
    int (*get)(struct k_store *store, uint32_t n, const struct k_str *keys, struct k_arena *arena,
               struct k_str *ret_values, struct k_error *err);
    // Applies n writes atomically. They may come in any order; a key at most once, and removals of ranges come first
    // wherever they stand: a put inside a removed range stays. K_E_DISK_FULL when there is no room: nothing was
    // applied, the store still serves reads, and a later call may succeed.
    int (*apply)(struct k_store *store, const struct k_write *writes, size_t n, struct k_error *err);
    // Iterates keys in [from, to) as of now, in order. to.data NULL: to the end. Sees one apply wholly or not at all.
    int (*iterate)(struct k_store *store, struct k_str from, struct k_str to, struct k_store_iterator **ret,
                   struct k_error *err);
    // True and the borrowed key and value (until the next call), or false at the end or on error (*err filled,
    // err->code != 0).
    bool (*next)(struct k_store_iterator *iterator, struct k_str *ret_key, struct k_str *ret_value,
                 struct k_error *err);
    // Moves on, or back, to the first key at or behind key; the view stays the one of iterate.
    void (*seek)(struct k_store_iterator *iterator, struct k_str key);
    void (*iterate_end)(struct k_store_iterator *iterator); // NULL-safe
    // A consistent copy of the whole store in a new directory (hard links where possible).
    int (*export_to)(struct k_store *store, const char *directory, struct k_error *err);
    // How far compaction is behind: files at level 0, bytes of debt. The engine paces checkpoints by it.
    void (*pressure)(struct k_store *store, uint32_t *ret_level0_files, uint64_t *ret_debt_bytes);
    uint64_t (*memory_used)(struct k_store *store); // bytes held in block cache and table readers
    uint64_t (*disk_used)(struct k_store *store);
    void (*close)(struct k_store *store);
};

struct k_store {
    const struct k_store_ops *ops;
};

// Opens, or with `create` makes, the RocksDB at directory. memory: bytes for block cache, index and filter
// blocks together. Refused with K_E_CORRUPT: damaged, or not a kappa state, or a newer format. K_E_UNAVAILABLE: locked
// by another process (the text names the directory and says how to find the process).
int k_store_rocks_open(const char *directory, bool create, uint64_t memory_bytes, struct k_store **ret,
                       struct k_error *err);

// Whether another process has the RocksDB at directory open for writing, by the lock that it then holds; asked without
// taking it. ret_process: which one; NULL: not wanted. Not for a directory that this process has open for writing: its
// lock would not show, and be gone with the file that is closed here.
bool k_store_rocks_is_open(const char *directory, long *ret_process);

// What is written from now on need not outlive the store: it goes into memory, without a log, and to disk when that is
// full. For thousands of small writes, each of which would else be a file that is synced. Only the one that opened it,
// which then throws the directory away.
void k_store_rocks_be_scratch(struct k_store *store);

// Opens a live or stopped RocksDB for reading only; never disturbs the writer. `scratch` is a private directory for
// RocksDB's own notes. k_store_rocks_catch_up moves it forward to what the writer has written by now. Without `moves`,
// what nobody writes when it is opened stays as it is then, and a damaged file is refused instead of being taken for
// one that is not there yet.
int k_store_rocks_open_reader(const char *directory, const char *scratch, bool moves, uint64_t memory_bytes,
                              struct k_store **ret, struct k_error *err);
// *ret_moved false: nothing was written since the last time, which two system calls tell. K_E_UNAVAILABLE, for ever:
// the directory was removed or made anew since the store was opened.
int k_store_rocks_catch_up(struct k_store *store, bool *ret_moved, struct k_error *err);

// The in-memory store. A k_memory_disk outlives the stores opened on it, as a disk outlives a process; it is one
// directory. fault (may be NULL) is asked before each apply: 0, K_E_DISK_FULL, K_E_IO (nothing written), or K_E_CRASHED
// (the machine dies; written or not as the fault decides through *ret_written).
struct k_memory_disk;
struct k_memory_disk *k_memory_disk_create(void);
void k_memory_disk_destroy(struct k_memory_disk *disk);
typedef int (*k_disk_fault)(void *context, bool *ret_written);
int k_store_memory_open(struct k_memory_disk *disk, k_disk_fault fault, void *context, struct k_store **ret,
                        struct k_error *err);
