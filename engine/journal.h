// The journal's records: made by the leader, read by everyone. Pure encoding and checking; no I/O.
#pragma once
#include "engine/log.h"
#include "engine/machine.h"

enum { K_JOURNAL_VERSION = 1 };

// The place in the journal that a state stands at: between two records.
struct k_journal_point {
    int64_t offset;    // next journal offset to read
    uint64_t sequence; // of the next record
    uint64_t chain;    // running hash over all before
    uint64_t epoch;    // of the leadership that wrote the last one
};

// A range under construction or being followed.
struct k_range {
    uint32_t source, partition;
    int64_t first, next;
    uint32_t count;
    uint64_t hash;
    bool embedded;        // its records go into the journal: their topic is compacted and they can vanish
    uint32_t embedded_at; // index of the first of them in the pending record
};

// A record on its way out. Zero-initialised is empty; k_pending_clear makes it empty again and keeps the memory.
struct k_pending {
    struct k_range *ranges;
    uint32_t range_count, range_capacity;
    Kappa__Internal__JournalRecord__Embedded **embedded; // all embedded records, in order of their ranges (arena)
    uint32_t embedded_count, embedded_capacity;
    struct k_arena arena; // of embedded records
    size_t embedded_bytes;
};
void k_pending_fini(struct k_pending *pending);
void k_pending_clear(struct k_pending *pending);
// About what a record adds to the journal when it is embedded.
size_t k_embedded_bytes(const struct k_message *message);
// Appends records that were fed: they extend the last range if it is of the same partition. `next` is the consumer's
// position behind them. embed: copies of the records go into the journal.
void k_pending_add(struct k_pending *pending, uint32_t source, uint32_t partition, int64_t first, int64_t next,
                   const struct k_message *const *messages, uint32_t count, bool embed);

// What one record says besides its ranges.
struct k_journal_facts {
    const char *pipeline;
    uint32_t shard;
    int64_t clock_us;
    const struct k_at_end *ends;
    const struct k_input *inputs; // the machine's, to name the partitions of ends
    uint32_t end_count;
    uint64_t work;
    bool final;
    const Kappa__Internal__JournalRecord__Leadership *leadership; // NULL: none
    Kappa__Internal__JournalRecord__Input **list; // the leadership's inputs, once more
    size_t list_count; // 0: not in this record
    const Kappa__Internal__JournalRecord__Standing *standing; // NULL: a state cannot begin with this record
    uint64_t settled, mark; // 0: none
    const struct k_work_run *runs; // when work is left: what was done in this record
    uint32_t run_count;
    bool work_left;
    const Kappa__Internal__Difference *difference; // NULL: nothing of it was written
};
// Encodes the record that follows `point` into out (appended) and moves sequence and chain of *point behind it; the
// offset is known only after the commit.
void k_journal_encode(struct k_journal_point *point, const struct k_pending *pending,
                      const struct k_journal_facts *facts, struct k_buf *out);

// Decodes and checks one message of a journal against the point before it: version, pipeline, shard, sequence,
// chain. On success *point stands behind the record (offset included). The record is freed by
// kappa__internal__journal_record__free_unpacked(record, NULL).
K_CHECKED int k_journal_decode(const struct k_message *message, const char *pipeline, uint32_t shard,
                               struct k_journal_point *point, Kappa__Internal__JournalRecord **ret,
                               struct k_error *err);

// The same of a record with which a state begins whose journal was cut off before it: sequence and chain are taken from
// it. Nobody can know whether that journal began as this one did. K_E_NOT_FOUND: the record does not say where
// its inputs stand.
K_CHECKED int k_journal_decode_first(const struct k_message *message, const char *pipeline, uint32_t shard,
                                     struct k_journal_point *point, Kappa__Internal__JournalRecord **ret,
                                     struct k_error *err);
// The inputs that a record lists, of its leadership or once more; NULL: none, or it does not say where they stand.
Kappa__Internal__JournalRecord__Input **k_journal_inputs(const Kappa__Internal__JournalRecord *record,
                                                         size_t *ret_count);

// Whether a leadership is one that this worker can follow: the same shards, and if it is of the worker's own generation
// also the same semantics and fingerprint. The text of the error says what differs and what to do.
K_CHECKED int k_leadership_check(const Kappa__Internal__JournalRecord__Leadership *leadership,
                                 const struct k_plan *plan, bool own_generation, struct k_error *err);
