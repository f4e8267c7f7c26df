// Removing expired rows of tables from the store, a bounded number of keys at a time.
//
// Readers leave expired rows out by themselves, so when a row goes is invisible: this needs no place in the journal.
#include "state/cache.h"
#include "state/table.h"

// Buries a row that the store holds, unless memory has something newer to say about it: then false.
static bool bury(struct k_segment *segment, struct k_str key)
{
    uint32_t hash;
    uint16_t tag;
    k_hash_key(key, &hash, &tag);
    struct k_entry *entry = k_segment_find(segment, key, hash, tag);
    if (entry && entry->dirty_index != K_NOT_DIRTY) return false;
    if (!entry) {
        if (!k_segment_asks_store(segment, key)) return false;
        entry = k_segment_add(segment, key, hash, tag);
        entry->length_flags |= K_ENTRY_IN_STORE;
    }
    k_entry_bury(segment, entry);
    k_entry_dirty(segment, entry);
    return true;
}

int k_state_sweep(struct k_family *family, int64_t frontier_us, int64_t retention_us, uint32_t max_keys,
                  uint32_t *ret_removed, struct k_error *err)
{
    *ret_removed = 0;
    struct k_segment *segment = k_family_segment(family, 0);
    if (retention_us < 0 || max_keys == 0 || !segment) return 0;
    struct k_state *state = family->state;
    struct k_str from, to, key, value;
    k_arena_reset(&state->arena);
    k_segment_store_range(segment, &state->arena, &from, &to);
    if (family->sweep_key.length > 0) from = k_buf_str(&family->sweep_key);
    struct k_store_iterator *iterator;
    int rc = state->store->ops->iterate(state->store, from, to, &iterator, err);
    if (rc) return rc;

    struct k_error failure = {0};
    uint32_t seen = 0;
    bool more = false;
    while (rc == 0 && (more = state->store->ops->next(iterator, &key, &value, &failure)) && seen++ < max_keys) {
        int64_t base_us;
        rc = k_table_row_decode(value, 0, &base_us, NULL, err);
        if (rc || !k_table_row_expired(base_us, retention_us, frontier_us)) continue;
        *ret_removed += bury(segment, (struct k_str){key.data + K_STORE_PREFIX, key.length - K_STORE_PREFIX});
    }
    k_buf_clear(&family->sweep_key); // at the end: from the beginning next time
    if (rc == 0 && more) k_buf_add(&family->sweep_key, key.data, key.length);
    state->store->ops->iterate_end(iterator);
    if (failure.code && err) *err = failure;
    if (failure.code) rc = failure.code;
    return rc ? k_wrap(err, rc, "retention of \"%s\"", family->name) : 0;
}
