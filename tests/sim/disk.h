// The disks of workers: one for each shard, which stays when the process dies (worker.c); and what reads them beside it
// (readers.c).
#pragma once
#include "engine/shard.h"
#include "proto/internal.pb-c.h"

struct world;
struct disk {
    struct world *world;
    struct k_memory_disk *memory; // NULL with RocksDB
    char directory[64];
    int64_t full_until_us;
    struct moment *moments; // with RocksDB: what was written (readers.c)
    size_t moment_count;
};
struct reading { // of a reader beside the workers
    struct disk *disk; // NULL: there is none
    struct k_state_reader *reader;
    struct k_view *view; // NULL: none is open
};

void disk_make(struct world *w, struct disk *disk, const char *worker, uint32_t shard);
void disk_drop(struct disk *disk); // with what is on it
int disk_fault(void *disk, bool *ret_written); // a k_disk_fault
int disk_open(struct disk *disk, bool with_faults, struct k_store **ret, struct k_error *err);
int disk_open_store(void *context, struct k_store **ret, struct k_error *err); // as k_shard_options wants it
// Reads the position of a disk's last checkpoint; NULL: there is none. Freed with free_unpacked.
Kappa__Internal__Position *store_position(struct k_store *store);
Kappa__Internal__Position *disk_position(struct disk *disk);
