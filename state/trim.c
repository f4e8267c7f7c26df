// Eviction: a clock with second chance over slabs, which also compacts.
//
// The hand goes round all slabs. In each it frees the clean entries that nobody used since it last came by, and
// forgives the others once. A slab that is then a third dead is emptied: its survivors move to the slab being filled.
// So memory really goes back, and each byte moved is paid by at least half a byte freed.
#include "state/cache.h"

static void evict(struct k_slab *slab)
{
    struct k_segment *segment = slab->segment;
    const struct k_family *family = segment->family;
    for (uint32_t at = 0; at < slab->used;) {
        struct k_entry *entry = (struct k_entry *)(void *)(slab->data + at);
        at += k_entry_size(family, entry);
        uint32_t flags = k_entry_flags(entry);
        if (flags & K_ENTRY_FREE || entry->dirty_index != K_NOT_DIRTY) continue;
        if (flags & K_ENTRY_REFERENCED) {
            entry->length_flags &= ~(uint32_t)K_ENTRY_REFERENCED;
            continue;
        }
        K_ASSERT(flags & K_ENTRY_IN_STORE);
        segment->complete = false;
        k_segment_free(segment, entry);
    }
}

static void compact(struct k_slab *slab)
{
    struct k_segment *segment = slab->segment;
    for (uint32_t at = 0; at < slab->used;) {
        struct k_entry *entry = (struct k_entry *)(void *)(slab->data + at);
        at += k_entry_size(segment->family, entry);
        if (!(k_entry_flags(entry) & K_ENTRY_FREE)) k_segment_move(segment, entry);
    }
}

static void sweep_slab(struct k_slab *slab)
{
    struct k_segment *segment = slab->segment;
    // A run points at entries: what is being taken goes away by itself.
    if (segment->run) return;
    bool has_clean = slab->dirty < slab->live;
    slab->pinned = true;
    if (has_clean) evict(slab);
    if (slab->used - slab->live >= slab->size / 3) compact(slab);
    k_slab_unpin(slab);
    k_segment_shrink(segment);
}

// Two rounds at most: the first may do no more than forgive.
static void go_round(struct k_state *state)
{
    for (uint64_t left = 2 * state->slab_count; left > 0 && state->held > state->options.cache_bytes && state->hand;
         left--) {
        struct k_slab *slab = state->hand;
        state->hand = slab->ring_next;
        sweep_slab(slab);
    }
}

static bool drop_runs(struct k_state *state)
{
    bool dropped = false;
    for (uint32_t f = 0; f < state->family_count; f++) {
        struct k_family *family = state->families[f];
        for (uint32_t i = 0; i < family->segment_count; i++) {
            if (!family->segments[i]->run) continue;
            k_segment_drop_run(family->segments[i]);
            dropped = true;
        }
    }
    return dropped;
}

void k_state_trim(struct k_state *state)
{
    uint64_t budget = state->options.cache_bytes;
    if (state->held <= budget) return;
    // What is dirty cannot go. Trying again makes sense after a checkpoint, or when much has been added.
    if (state->futile_at && state->held < state->futile_at + budget / 16) return;
    go_round(state);
    if (state->held > budget && drop_runs(state)) go_round(state);
    state->futile_at = state->held > budget ? state->held : 0;
}
