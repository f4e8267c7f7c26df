// Encoding of journal records (proto/internal.proto has the fields and what they mean).
//
// The chain: XXH3 of the encoded record without its chain field, seeded with the chain before. The field is set to 0
// and absent while hashing, then the record is encoded again with it.
#include "engine/journal.h"

#include "base/hash.h"
#include "proto/protobuf.h"

#include <stdlib.h>

typedef Kappa__Internal__JournalRecord Record;
typedef Kappa__Internal__JournalRecord__Range Range;
typedef Kappa__Internal__JournalRecord__Embedded Embedded;
typedef Kappa__Internal__JournalRecord__AtEnd AtEnd;

void k_pending_fini(struct k_pending *pending)
{
    free(pending->ranges);
    free(pending->embedded);
    k_arena_fini(&pending->arena);
    *pending = (struct k_pending){0};
}

void k_pending_clear(struct k_pending *pending)
{
    pending->range_count = pending->embedded_count = 0;
    pending->embedded_bytes = 0;
    if (pending->arena.head) k_arena_reset(&pending->arena);
}

static ProtobufCBinaryData copy_bytes(struct k_arena *arena, struct k_str bytes)
{
    return (ProtobufCBinaryData){bytes.length, (uint8_t *)k_arena_copy(arena, bytes.data, bytes.length)};
}

static Embedded *embed_message(struct k_arena *arena, const struct k_message *message)
{
    Embedded *e = k_arena_get(arena, sizeof *e);
    kappa__internal__journal_record__embedded__init(e);
    e->has_offset = e->has_timestamp_us = true;
    e->offset = message->offset;
    e->timestamp_us = message->timestamp_us;
    e->has_key = message->has_key;
    e->has_value = message->has_value;
    if (e->has_key) e->key = copy_bytes(arena, message->key);
    if (e->has_value) e->value = copy_bytes(arena, message->value);
    e->n_header = message->header_count;
    e->header = k_arena_get(arena, (message->header_count + 1) * sizeof *e->header);
    for (uint32_t i = 0; i < message->header_count; i++) {
        Kappa__Internal__JournalRecord__Header *h = e->header[i] = k_arena_get(arena, sizeof *h);
        kappa__internal__journal_record__header__init(h);
        h->name = k_arena_copy(arena, message->headers[i].name.data, message->headers[i].name.length);
        h->has_value = !message->headers[i].null;
        if (h->has_value) h->value = copy_bytes(arena, message->headers[i].value);
    }
    return e;
}

size_t k_embedded_bytes(const struct k_message *message)
{
    size_t bytes = 64 + (size_t)message->key.length + message->value.length;
    for (uint32_t i = 0; i < message->header_count; i++)
        bytes += 16 + (size_t)message->headers[i].name.length + message->headers[i].value.length;
    return bytes;
}

void k_pending_add(struct k_pending *pending, uint32_t source, uint32_t partition, int64_t first, int64_t next,
                   const struct k_message *const *messages, uint32_t count, bool embed)
{
    struct k_range *last = pending->range_count ? &pending->ranges[pending->range_count - 1] : NULL;
    if (!last || last->source != source || last->partition != partition || last->next != first) {
        if (pending->range_count == pending->range_capacity) {
            pending->range_capacity = pending->range_capacity ? pending->range_capacity * 2 : 64;
            pending->ranges = k_realloc(pending->ranges, pending->range_capacity * sizeof *pending->ranges);
        }
        last = &pending->ranges[pending->range_count++];
        *last = (struct k_range){.source = source,
                                 .partition = partition,
                                 .first = first,
                                 .embedded = embed,
                                 .embedded_at = pending->embedded_count};
    }
    last->next = next;
    last->count += count;
    for (uint32_t i = 0; i < count; i++) last->hash = k_record_hash(last->hash, messages[i]);
    if (!embed) return;
    if (!pending->arena.head) k_arena_init(&pending->arena);
    for (uint32_t i = 0; i < count; i++) {
        if (pending->embedded_count == pending->embedded_capacity) {
            pending->embedded_capacity = pending->embedded_capacity ? pending->embedded_capacity * 2 : 256;
            pending->embedded = k_realloc(pending->embedded, pending->embedded_capacity * sizeof(Embedded *));
        }
        pending->embedded[pending->embedded_count++] = embed_message(&pending->arena, messages[i]);
        pending->embedded_bytes += k_embedded_bytes(messages[i]);
    }
}

static Range **encode_ranges(const struct k_pending *pending, struct k_arena *arena)
{
    Range **ranges = k_arena_get(arena, (pending->range_count + 1) * sizeof *ranges);
    for (uint32_t i = 0; i < pending->range_count; i++) {
        const struct k_range *from = &pending->ranges[i];
        Range *r = ranges[i] = k_arena_get(arena, sizeof *r);
        kappa__internal__journal_record__range__init(r);
        r->has_input = r->has_partition = r->has_first = r->has_next = r->has_count = r->has_hash = true;
        r->input = from->source;
        r->partition = from->partition;
        r->first = from->first;
        r->next = from->next;
        r->count = from->count;
        r->hash = from->hash;
        if (!from->embedded) continue;
        r->n_record = from->count;
        r->record = pending->embedded + from->embedded_at;
    }
    return ranges;
}

static AtEnd **encode_ends(const struct k_journal_facts *facts, struct k_arena *arena)
{
    AtEnd **ends = k_arena_get(arena, (facts->end_count + 1) * sizeof *ends);
    for (uint32_t i = 0; i < facts->end_count; i++) {
        AtEnd *e = ends[i] = k_arena_get(arena, sizeof *e);
        kappa__internal__journal_record__at_end__init(e);
        const struct k_input *in = &facts->inputs[facts->ends[i].input];
        e->has_input = e->has_partition = e->has_next = true;
        e->input = in->source;
        e->partition = in->partition;
        e->next = facts->ends[i].next;
    }
    return ends;
}

static void encode_work(const struct k_journal_facts *facts, Record *record, struct k_arena *arena)
{
    record->has_work = facts->work > 0;
    record->work = facts->work;
    if (!facts->work_left) return;
    record->has_work_left = record->work_left = true;
    record->n_work_run = facts->run_count;
    record->work_run = k_arena_get(arena, (facts->run_count + 1) * sizeof *record->work_run);
    for (uint32_t i = 0; i < facts->run_count; i++) {
        const struct k_work_run *from = &facts->runs[i];
        Kappa__Internal__JournalRecord__WorkRun *run = record->work_run[i] = k_arena_get(arena, sizeof *run);
        kappa__internal__journal_record__work_run__init(run);
        run->node = (char *)from->node;
        run->has_units = from->units > 0;
        run->units = from->units;
        run->has_begins = run->begins = from->begins;
    }
}

static uint64_t chain_of(uint64_t before, Record *record, struct k_buf *out)
{
    record->has_chain = false;
    size_t start = out->length;
    k_protobuf_pack(&record->base, out);
    uint64_t chain = k_hash_seeded(out->data + start, out->length - start, before);
    out->length = start;
    return chain;
}

void k_journal_encode(struct k_journal_point *point, const struct k_pending *pending,
                      const struct k_journal_facts *facts, struct k_buf *out)
{
    struct k_arena arena;
    k_arena_init(&arena);
    Record record;
    kappa__internal__journal_record__init(&record);
    record.has_version = record.has_shard = record.has_leader_epoch = record.has_sequence = record.has_clock_us =
        true;
    record.version = K_JOURNAL_VERSION;
    record.pipeline = (char *)facts->pipeline;
    record.shard = facts->shard;
    record.leader_epoch = point->epoch;
    record.sequence = point->sequence;
    record.clock_us = facts->clock_us;
    record.leadership = (Kappa__Internal__JournalRecord__Leadership *)facts->leadership;
    record.n_input = facts->list_count;
    record.input = facts->list;
    record.standing = (Kappa__Internal__JournalRecord__Standing *)facts->standing;
    record.n_range = pending->range_count;
    record.range = encode_ranges(pending, &arena);
    record.n_at_end = facts->end_count;
    record.at_end = encode_ends(facts, &arena);
    encode_work(facts, &record, &arena);
    record.has_final = facts->final;
    record.final = facts->final;
    record.has_settled = facts->settled > 0;
    record.settled = facts->settled;
    record.has_mark = facts->mark > 0;
    record.mark = facts->mark;
    record.difference = (Kappa__Internal__Difference *)facts->difference;
    record.chain = chain_of(point->chain, &record, out);
    record.has_chain = true;
    k_protobuf_pack(&record.base, out);
    point->chain = record.chain;
    point->sequence++;
    k_arena_fini(&arena);
}

// protobuf-c recurses with nesting; our messages nest five levels, so anything deeper is not ours. The records come
// from a topic that others could write to, hence the checks before and after unpacking.
static int decode(const struct k_message *message, const char *pipeline, uint32_t shard, Record **ret,
                  struct k_error *err)
{
    Record *record = message->has_value ? kappa__internal__journal_record__unpack(
                                              NULL, message->value.length, (const uint8_t *)message->value.data)
                                        : NULL;
    *ret = record;
    if (!record)
        return k_fail(err, K_E_CORRUPT, "journal %s.journal.%u offset %lld is no journal record", pipeline, shard,
                      (long long)message->offset);
    if (record->version > K_JOURNAL_VERSION)
        return k_fail(err, K_E_CORRUPT,
                      "the journal is written in version %u; this kappa reads up to %d: use a newer one",
                      record->version, K_JOURNAL_VERSION);
    if (!record->pipeline || strcmp(record->pipeline, pipeline) != 0 || record->shard != shard)
        return k_fail(err, K_E_CORRUPT, "the record belongs to pipeline \"%s\", shard %u",
                      record->pipeline ? record->pipeline : "", record->shard);
    return 0;
}

static int check_place(const struct k_journal_point *point, Record *record, struct k_error *err)
{
    struct k_buf scratch = {0};
    uint64_t chain = record->chain;
    int code = 0;
    if (record->sequence != point->sequence)
        code = k_fail(err, K_E_CORRUPT, "record %llu was expected, found %llu: the state does not fit this journal",
                      (unsigned long long)point->sequence, (unsigned long long)record->sequence);
    else if (chain_of(point->chain, record, &scratch) != chain)
        code = k_fail(err, K_E_CORRUPT,
                      "the running hash of record %llu does not fit: the state belongs to another journal, or the "
                      "journal was changed",
                      (unsigned long long)record->sequence);
    k_buf_fini(&scratch);
    record->chain = chain;
    return code;
}

// Hands the record out and moves the point behind it, or frees it.
static int decoded(const struct k_message *message, const char *pipeline, uint32_t shard, int code, Record *record,
                   struct k_journal_point *point, Record **ret, struct k_error *err)
{
    if (code) {
        if (!record) return code;
        kappa__internal__journal_record__free_unpacked(record, NULL);
        return k_wrap(err, code, "journal %s.journal.%u offset %lld", pipeline, shard, (long long)message->offset);
    }
    *point = (struct k_journal_point){.offset = message->offset + 1,
                                      .sequence = record->sequence + 1,
                                      .chain = record->chain,
                                      .epoch = record->leader_epoch};
    *ret = record;
    return 0;
}

int k_journal_decode(const struct k_message *message, const char *pipeline, uint32_t shard,
                     struct k_journal_point *point, Record **ret, struct k_error *err)
{
    Record *record;
    int code = decode(message, pipeline, shard, &record, err);
    if (!code) code = check_place(point, record, err);
    return decoded(message, pipeline, shard, code, record, point, ret, err);
}

int k_journal_decode_first(const struct k_message *message, const char *pipeline, uint32_t shard,
                           struct k_journal_point *point, Record **ret, struct k_error *err)
{
    Record *record;
    size_t count;
    int code = decode(message, pipeline, shard, &record, err);
    if (!code && !k_journal_inputs(record, &count))
        code = k_fail(err, K_E_NOT_FOUND, "record %llu does not say where its inputs stand: no state can begin with it",
                      (unsigned long long)record->sequence);
    return decoded(message, pipeline, shard, code, record, point, ret, err);
}

Kappa__Internal__JournalRecord__Input **k_journal_inputs(const Record *record, size_t *ret_count)
{
    *ret_count = record->leadership ? record->leadership->n_input : record->n_input;
    if (!record->standing || (!record->leadership && !record->standing->leadership)) return NULL;
    return record->leadership ? record->leadership->input : record->input;
}

int k_leadership_check(const Kappa__Internal__JournalRecord__Leadership *leadership, const struct k_plan *plan,
                       bool own_generation, struct k_error *err)
{
    if (own_generation && leadership->semantics != K_SEMANTICS)
        return k_fail(err, K_E_CONFIG,
                      "the journal was led by operators of semantics version %u, these are version %d; run the same "
                      "version of kappa",
                      leadership->semantics, K_SEMANTICS);
    if (leadership->shards != plan->shards)
        return k_fail(err, K_E_CONFIG,
                      "the pipeline has %u shards, --shards says %u; the number is fixed for the life of its journal",
                      leadership->shards, plan->shards);
    if (!own_generation) return 0;
    if (!leadership->fingerprint || strcmp(leadership->fingerprint, plan->fingerprint) != 0)
        return k_fail(err, K_E_CONFIG,
                      "the pipeline \"%s\" runs another graph (fingerprint %s, this one has %s); build a new "
                      "generation from the changed graph (kappa replay start), give it another name, or run the graph "
                      "that made the state",
                      plan->name, leadership->fingerprint ? leadership->fingerprint : "?", plan->fingerprint);
    return 0;
}
