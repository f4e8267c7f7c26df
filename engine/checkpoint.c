// Checkpoints: when one is due, and the one atomic write of dirty state and position.
//
// Only what is known to be committed may be written: the callers stand at a commit boundary, following or leading.
#include "engine/shard_private.h"

#include "proto/protobuf.h"

// Beyond this many files at level 0, or this much compaction debt, checkpoints wait as long as memory allows: ingest is
// not throttled by RocksDB.
enum { LEVEL0_FILES_MAX = 16 };
static const uint64_t DEBT_BYTES_MAX = 4ull << 30;

// A checkpoint holds what is dirty once more until it is written, encoded. With a quarter of the cache the budget has
// room for that, and hot rows are written once for many changes.
enum { DIRTY_SHARE = 4 };

uint64_t checkpoint_dirty_limit(const struct k_shard *shard)
{
    const struct k_shard_options *options = &shard->options;
    return options->dirty_limit_bytes ? options->dirty_limit_bytes : options->state.cache_bytes / DIRTY_SHARE;
}

bool checkpoint_is_due(struct k_shard *shard)
{
    if (!shard->moved) return false;
    if (k_state_dirty_bytes(shard->store) >= checkpoint_dirty_limit(shard)) return true;
    // With a backlog nobody gets fresh tables anyway: fewer checkpoints write a hot row fewer times, and leave less to
    // compact. What a crash then costs is bounded by the dirty state, and following is fast.
    int64_t interval = shard->options.checkpoint_interval_us, backlog = shard->options.backlog_checkpoint_interval_us;
    if (!shard->had_none_waiting && backlog > interval) interval = backlog;
    if (shard_since(shard, shard->checkpoint_at_us) < interval) return false;
    uint32_t files = 0;
    uint64_t debt = 0;
    struct k_store *store = k_state_store(shard->store);
    store->ops->pressure(store, &files, &debt);
    return files <= LEVEL0_FILES_MAX && debt <= DEBT_BYTES_MAX;
}

static void encode_position(struct k_shard *shard, struct k_buf *out)
{
    struct k_arena arena;
    k_arena_init(&arena);
    Kappa__Internal__Position position;
    kappa__internal__position__init(&position);
    k_machine_save(shard->machine, &arena, &position);
    position.has_version = position.has_journal_offset = position.has_sequence = position.has_chain = true;
    position.has_leader_epoch = position.has_taken_us = true;
    position.version = 1;
    position.journal_offset = shard->point.offset;
    position.sequence = shard->point.sequence;
    position.chain = shard->point.chain;
    position.leader_epoch = shard->point.epoch;
    position.taken_us = shard_now(shard);
    const struct history *h = &shard->history;
    position.has_history = position.has_history_complete = h->under_way;
    position.history = h->under_way;
    position.history_complete = h->complete;
    position.has_journal_from = h->journal_from > 0;
    position.journal_from = h->journal_from;
    position.has_history_records = h->records > 0;
    position.history_records = h->records;
    position.has_history_clock_us = h->under_way && h->clock_us != INT64_MIN;
    position.history_clock_us = h->clock_us;
    Kappa__Internal__Difference difference;
    leadership_save(shard, &position, &difference);
    k_protobuf_pack(&position.base, out);
    k_arena_fini(&arena);
}

int checkpoint_take(struct k_shard *shard, struct k_error *err)
{
    if (!shard->moved) return 0;
    TRY(outputs_commit(shard, err));
    struct k_buf position = {0};
    encode_position(shard, &position);
    // Without room for what is there, nothing is added to it.
    int code = shard->report.stalled ? 0 : k_machine_tidy(shard->machine, err);
    if (!code && K_PLANT(checkpoint_torn)) code = k_state_checkpoint(shard->store, k_state_position(shard->store), err);
    if (!code) code = k_state_checkpoint(shard->store, k_buf_str(&position), err);
    k_buf_fini(&position);
    if (code) return k_wrap(err, code, "checkpoint of shard %u", shard->options.shard);
    shard->moved = shard->had_none_waiting = false;
    shard->saved_offset = shard->point.offset;
    shard->checkpoint_at_us = shard_now(shard);
    shard->records_since_checkpoint = 0;
    shard->report.checkpoints++;
    return 0;
}

// A mark wants a copy of exactly this state: nothing may be fed or followed before it is kept.
int checkpoint_keep_mark(struct k_shard *shard, struct k_error *err)
{
    K_ASSERT(shard->point.offset == shard->mark_offset);
    TRY(checkpoint_or_stall(shard, err));
    if (shard->report.stalled) return 0;
    // What waits would be missing in it; and at the mark from which this state began, nobody waits for a copy of it.
    bool wanted = !shard->takeover && shard->mark != shard->takeover_mark;
    if (shard->options.keep_mark && wanted)
        TRY(shard->options.keep_mark(shard->options.mark_context, k_state_store(shard->store), shard->mark, err));
    shard->mark_due = false;
    return 0;
}

int checkpoint_or_stall(struct k_shard *shard, struct k_error *err)
{
    int code = checkpoint_take(shard, err);
    shard->report.stalled = code == K_E_DISK_FULL;
    if (code == K_E_DISK_FULL) {
        // Everything is kept in memory; reading stops until there is room.
        k_join_cut(shard->report.trouble, sizeof shard->report.trouble, 0, err->text);
        shard->retry_at_us = shard_now(shard) + SHARD_RETRY_MAX_US;
        return 0;
    }
    if (!code) shard->report.trouble[0] = 0;
    return code;
}
