// arg_min, arg_max, first and last of rows that are never taken back: of the best row so far what it is compared by,
// then the argument, both as key bytes, whose order is that of the values.
//
// first and last compare by where the row stands: its event time, then source, partition, offset and number of the
// record in its message. Nothing depends on the order in which rows of several partitions come. Of one record (the
// elements of an array, say) rows always come in the same order, so that the first and the last to come are meant.
// Rows that windows and joins made have nothing but their time: of those the value decides, as the sorter does it with
// whole rows. So they need not wait in a sorter: a group keeps one row.
#include "operators/kept.h"
#include "operators/plant.h"
#include "state/encoding.h"

// --- arg_min, arg_max ---
// Of several rows that are equally good the one with the least argument; rows where what is compared is NULL are left
// out.

static void pair_take(const struct k_part *part, struct k_kept *slot, struct k_str pair, uint32_t by_length)
{
    if (slot->has) {
        struct k_str mine = k_kept_get(slot);
        int order = k_str_compare((struct k_str){pair.data, by_length}, (struct k_str){mine.data, slot->by_length});
        if (part->greatest) order = -order;
        if (order == 0) order = k_str_compare(pair, mine); // equal up to the argument
        if (order >= 0) return;
    }
    k_kept_put(slot, pair, by_length);
}

static void pair_add(const struct k_part *part, const struct k_hits *hits)
{
    const struct k_column *argument = &hits->arguments[0], *by = &hits->arguments[1];
    for (uint32_t i = 0; i < hits->count; i++) {
        uint32_t row = hits->rows[i];
        if (k_column_null(by, row)) continue;
        struct k_value key = k_column_value(by, row), carried = k_column_value(argument, row);
        k_buf_clear(hits->scratch);
        k_key_add_value(hits->scratch, &key);
        uint32_t by_length = (uint32_t)hits->scratch->length;
        k_key_add_value(hits->scratch, &carried);
        pair_take(part, k_part_of(part, hits->values[i]), k_buf_str(hits->scratch), by_length);
    }
}

static bool pair_result(const struct k_part *part, const void *value, struct k_arena *arena, struct k_made *out,
                        uint32_t row)
{
    const struct k_kept *slot = k_part_of(part, value);
    struct k_value result = {.type = part->type, .null = true};
    if (slot->has) {
        size_t used;
        uint32_t length = slot->length - slot->by_length;
        struct k_str key = {k_arena_copy(arena, slot->data + slot->by_length, length), length};
        int code = k_key_decode(key, 1, arena, &result, &used, NULL);
        K_ASSERT(code == 0); // our own bytes; what comes from the store was checked when it was decoded
    }
    k_made_value(out, row, &result);
    return true;
}

static void pair_merge(const struct k_part *part, void *to, const void *from)
{
    const struct k_kept *other = k_part_of(part, from);
    if (other->has) pair_take(part, k_part_of(part, to), k_kept_get(other), other->by_length);
}

const struct k_accumulator k_accumulate_least_pair = {
    .name = "least pair",
    .size = sizeof(struct k_kept),
    .add = pair_add,
    .result = pair_result,
    .merge = pair_merge,
    .encode = k_kept_encode,
    .decode = k_kept_decode,
    .fini = k_kept_fini,
    .owned_bytes = k_kept_owned,
};

// --- first, last ---

enum { PLACE = 28 };

static void place_of(const struct k_batch *batch, uint32_t row, char *place)
{
    const struct k_message *message = batch->origin ? batch->origin[row] : NULL;
    uint32_t source = __builtin_bswap32(message ? batch->source : 0);
    uint32_t partition = __builtin_bswap32((message ? (uint32_t)message->partition : UINT32_MAX) ^ 1u << 31);
    uint32_t number = __builtin_bswap32(message ? message->index : 0);
    k_key_put_i64(place, batch->time[row]);
    memcpy(place + 8, &source, 4);
    memcpy(place + 12, &partition, 4);
    k_key_put_i64(place + 16, message ? message->offset : -1);
    memcpy(place + 24, &number, 4);
}

// Whether a row is to be kept in place of the slot's. value: the argument as key bytes.
static bool end_takes(const struct k_part *part, const struct k_kept *slot, const char *place, struct k_str value,
                      bool told_by_value)
{
    if (!slot->has) return true;
    if (K_OPERATOR_PLANT(end_by_arrival)) return part->greatest;
    int order = memcmp(place, slot->data, PLACE);
    if (order == 0 && told_by_value) {
        struct k_str mine = {slot->data + PLACE, slot->length - PLACE};
        order = k_str_compare(value, mine);
    } else if (order == 0) {
        return part->greatest;
    }
    return part->greatest ? order > 0 : order < 0;
}

static void end_add(const struct k_part *part, const struct k_hits *hits)
{
    const struct k_column *argument = &hits->arguments[0];
    for (uint32_t i = 0; i < hits->count; i++) {
        uint32_t row = hits->rows[i];
        struct k_kept *slot = k_part_of(part, hits->values[i]);
        char place[PLACE];
        place_of(hits->batch, row, place);
        // The commonest case: a row that is not the first. Its value need not be looked at.
        if (slot->has && !part->greatest && memcmp(place, slot->data, PLACE) > 0) continue;
        struct k_value value = k_column_value(argument, row);
        k_buf_clear(hits->scratch);
        k_buf_add(hits->scratch, place, PLACE);
        k_key_add_value(hits->scratch, &value);
        struct k_str all = k_buf_str(hits->scratch), carried = {all.data + PLACE, all.length - PLACE};
        bool made = !hits->batch->origin || !hits->batch->origin[row];
        if (end_takes(part, slot, place, carried, made)) k_kept_put(slot, all, PLACE);
    }
}

// Rows of one place are in one pane, or all of them were late for it: equal places do not meet here (aggregate_plan.c).
static void end_merge(const struct k_part *part, void *to, const void *from)
{
    const struct k_kept *other = k_part_of(part, from);
    struct k_kept *slot = k_part_of(part, to);
    if (!other->has) return;
    struct k_str all = k_kept_get(other), carried = {all.data + PLACE, all.length - PLACE};
    if (end_takes(part, slot, all.data, carried, true)) k_kept_put(slot, all, PLACE);
}

static size_t end_decode(const struct k_part *part, void *value, const char *data, size_t length)
{
    size_t used = k_kept_decode(part, value, data, length);
    const struct k_kept *slot = k_part_of(part, value);
    return slot->has && (slot->by_length != PLACE || slot->length == PLACE) ? 0 : used;
}

const struct k_accumulator k_accumulate_end = {
    .name = "end",
    .size = sizeof(struct k_kept),
    .add = end_add,
    .result = pair_result,
    .merge = end_merge,
    .encode = k_kept_encode,
    .decode = end_decode,
    .fini = k_kept_fini,
    .owned_bytes = k_kept_owned,
};
