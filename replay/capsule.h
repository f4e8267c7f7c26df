// Capsules: one file with a graph, a checkpoint (or none: the journal's start), a piece of the journal, exactly the
// records that it names, and the digests of the tables that come of it. Whoever has the file can compute that state
// again, with no broker.
//
// The file is a tar, compressed with zstd. In it:
//   capsule                       lines of text: see capsule_note.c
//   graph                         kappa.v1.Graph, binary, after substitution, without tests
//   SHARD/state/…                 a state directory: the checkpoint; absent when it begins with the journal
//   SHARD/TOPIC.PARTITION         records of sources and of the journal, as replay/shelf.h has them
#pragma once
#include "engine/plan.h"
#include "replay/digest.h"
#include "replay/shelf.h"

struct k_capsule_digest {
    const char *table;
    struct k_digest digest;
};
struct k_capsule_partition {
    uint32_t shard;
    struct k_shelf_partition at; // path: below the unpacked directory
    uint64_t records;
};
// What the note says; also the contents of an unpacked capsule. All in the arena.
struct k_capsule {
    struct k_arena arena;
    const char *graph, *fingerprint;
    uint32_t semantics, shards;
    struct k_shelf_topic *topics;
    uint32_t topic_count;
    struct k_capsule_partition *partitions;
    uint32_t partition_count;
    bool *has_state; // per shard
    struct k_capsule_digest *digests;
    uint32_t digest_count;
};
void k_capsule_init(struct k_capsule *capsule);
void k_capsule_fini(struct k_capsule *capsule);
// The note, written (appended) and read. K_E_CORRUPT.
void k_capsule_note(const struct k_capsule *capsule, struct k_buf *out);
K_CHECKED int k_capsule_read_note(struct k_str note, struct k_capsule *ret, struct k_error *err);

// The file from a directory that holds its contents, and back. The directory of unpack must be empty.
K_CHECKED int k_capsule_pack(const char *directory, const char *file, struct k_error *err);
K_CHECKED int k_capsule_unpack(const char *file, const char *directory, struct k_error *err);

struct k_capsule_making {
    struct k_log *log; // Kafka's
    const struct k_plan *plan;
    struct k_view *end;   // the state that the capsule shall lead to
    struct k_view *begin; // an older checkpoint of it; NULL: from the journal's start
    const char *directory; // scratch, empty
};
// Puts everything but the packing together. *ret says what is in it.
K_CHECKED int k_capsule_gather(const struct k_capsule_making *making, struct k_capsule *ret, struct k_error *err);

// Follows an unpacked capsule's journals to their ends, into DIR/<graph>/capsule/<shard>.
K_CHECKED int k_capsule_follow(const struct k_capsule *capsule, const struct k_plan *plan, const char *unpacked,
                               const char *directory, uint64_t memory_bytes, uint64_t *ret_records,
                               struct k_error *err);
