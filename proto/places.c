// Where things were written: the places of a document, the spans of its strings, and small helpers that
// the parsers share.
#include "base/hash.h"
#include "proto/reading.h"

#include <stdlib.h>

static uint64_t hash_of(const void *message, uint32_t field, int32_t index)
{
    struct {
        uint64_t message;
        uint32_t field;
        int32_t index;
    } key = {(uint64_t)(uintptr_t)message, field, index};
    return k_hash(&key, sizeof(key));
}

static bool is_key(const struct k_place *place, const void *message, uint32_t field, int32_t index)
{
    return place->message == message && place->field == field && place->index == index;
}

// The slot of this key, or the empty one where it belongs.
static uint32_t slot_of(const struct k_places *places, const void *message, uint32_t field, int32_t index)
{
    uint32_t mask = places->slot_count - 1, slot = (uint32_t)hash_of(message, field, index) & mask;
    while (places->slots[slot] && !is_key(&places->items[places->slots[slot] - 1], message, field, index))
        slot = (slot + 1) & mask;
    return slot;
}

static void put(struct k_places *places, uint32_t item)
{
    const struct k_place *place = &places->items[item];
    places->slots[slot_of(places, place->message, place->field, place->index)] = item + 1;
}

struct k_place *k_places_add(struct k_places *places, struct k_place place)
{
    if (places->count == places->capacity) {
        places->capacity = places->capacity ? places->capacity * 2 : 64;
        places->items = k_realloc(places->items, places->capacity * sizeof(*places->items));
        free(places->slots);
        places->slot_count = places->capacity * 2;
        places->slots = k_new_array(uint32_t, places->slot_count);
        for (uint32_t i = 0; i < places->count; i++) put(places, i);
    }
    places->items[places->count] = place;
    put(places, places->count);
    return &places->items[places->count++];
}

struct k_place *k_places_find(
    const struct k_places *places, const void *message, uint32_t field, int32_t index)
{
    if (places->slot_count == 0) return NULL;
    uint32_t item = places->slots[slot_of(places, message, field, index)];
    return item ? &places->items[item - 1] : NULL;
}

void k_places_fini(struct k_places *places)
{
    free(places->items);
    free(places->slots);
    *places = (struct k_places){0};
}

void k_spans_add(struct k_span_maker *maker, uint32_t offset, struct k_spot at, bool folded)
{
    if (maker->count && !folded) {
        const struct k_span *last = &maker->items[maker->count - 1];
        if (!last->folded && last->at.line == at.line && at.column - last->at.column == offset - last->offset) return;
    }
    if (maker->count == maker->capacity) {
        uint32_t capacity = maker->capacity ? maker->capacity * 2 : 4;
        struct k_span *items = k_arena_array(maker->arena, struct k_span, capacity);
        if (maker->count) memcpy(items, maker->items, maker->count * sizeof(*items));
        maker->items = items;
        maker->capacity = capacity;
    }
    maker->items[maker->count++] = (struct k_span){offset, at, folded};
}

struct k_spans k_spans_done(const struct k_span_maker *maker, size_t length, struct k_spot end)
{
    return (struct k_spans){maker->items, maker->count, (uint32_t)length, end};
}

struct k_spot k_spans_at(const struct k_spans *spans, struct k_spot start, size_t offset)
{
    if (spans->count && offset >= spans->length) return spans->end;
    uint32_t low = 0, high = spans->count;
    while (low < high) { // the first span behind offset
        uint32_t middle = low + (high - low) / 2;
        if (spans->items[middle].offset <= offset) low = middle + 1;
        else high = middle;
    }
    if (low == 0) return start;
    const struct k_span *span = &spans->items[low - 1];
    struct k_spot at = span->at;
    if (!span->folded) at.column += (uint32_t)(offset - span->offset);
    return at;
}
