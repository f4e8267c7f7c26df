// min, max, arg_min and arg_max of rows that may be taken back: every value that is there, and how often.
//
// A sorted array of values as key bytes (state/encoding.h), whose order is that of the values. For arg_* an item is
// what is compared, then the argument. Counts may be negative for the moment between a row's taking back and its
// coming; an item whose count is 0 is gone.
#include <stdlib.h>

#include "operators/accumulate.h"
#include "state/encoding.h"

struct item {
    int64_t count;
    uint32_t length, by_length;
    char *bytes;
};

struct multiset {
    struct item *items;
    uint32_t count, capacity;
    size_t bytes; // of all items
};

static struct k_str item_bytes(const struct item *item)
{
    return (struct k_str){item->bytes, item->length};
}

// Where the bytes are, or would be.
static uint32_t position_of(const struct multiset *set, struct k_str bytes, bool *ret_found)
{
    uint32_t low = 0, high = set->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = k_str_compare(item_bytes(&set->items[middle]), bytes);
        if (order == 0) {
            *ret_found = true;
            return middle;
        }
        if (order < 0) low = middle + 1;
        else high = middle;
    }
    *ret_found = false;
    return low;
}

static void insert(struct multiset *set, uint32_t at, struct k_str bytes, uint32_t by_length, int64_t count)
{
    if (set->count == set->capacity) {
        set->capacity = set->capacity ? set->capacity * 2 : 4;
        set->items = k_realloc(set->items, set->capacity * sizeof *set->items);
    }
    memmove(&set->items[at + 1], &set->items[at], (set->count - at) * sizeof *set->items);
    set->items[at] = (struct item){count, bytes.length, by_length, k_strndup(bytes.data, bytes.length)};
    set->count++;
    set->bytes += bytes.length;
}

static void erase(struct multiset *set, uint32_t at)
{
    set->bytes -= set->items[at].length;
    free(set->items[at].bytes);
    set->count--;
    memmove(&set->items[at], &set->items[at + 1], (set->count - at) * sizeof *set->items);
    if (set->count) return;
    free(set->items);
    *set = (struct multiset){0};
}

static void change(struct multiset *set, struct k_str bytes, uint32_t by_length, int64_t count)
{
    bool found;
    uint32_t at = position_of(set, bytes, &found);
    if (!found) {
        insert(set, at, bytes, by_length, count);
        return;
    }
    set->items[at].count += count;
    if (set->items[at].count == 0) erase(set, at);
}

static void multiset_add(const struct k_part *part, const struct k_hits *hits)
{
    const struct k_column *first = &hits->arguments[0];
    const struct k_column *by = part->by ? &hits->arguments[1] : first;
    for (uint32_t i = 0; i < hits->count; i++) {
        uint32_t row = hits->rows[i];
        if (k_column_null(by, row)) continue;
        struct k_value key = k_column_value(by, row);
        k_buf_clear(hits->scratch);
        k_key_add_value(hits->scratch, &key);
        uint32_t by_length = (uint32_t)hits->scratch->length;
        if (part->by) {
            struct k_value carried = k_column_value(first, row);
            k_key_add_value(hits->scratch, &carried);
        }
        change(k_part_of(part, hits->values[i]), k_buf_str(hits->scratch), by_length,
               hits->weight ? hits->weight[row] : 1);
    }
}

static bool same_by(const struct item *a, const struct item *b)
{
    return k_str_equal((struct k_str){a->bytes, a->by_length}, (struct k_str){b->bytes, b->by_length});
}

// The best item that is there, of equally good ones the first; NULL: none.
static const struct item *best(const struct k_part *part, const struct multiset *set)
{
    if (!part->greatest) {
        for (uint32_t i = 0; i < set->count; i++)
            if (set->items[i].count > 0) return &set->items[i];
        return NULL;
    }
    const struct item *found = NULL;
    for (uint32_t i = set->count; i > 0; i--) {
        const struct item *item = &set->items[i - 1];
        if (item->count <= 0) continue;
        if (found && !same_by(found, item)) break;
        found = item;
    }
    return found;
}

static bool multiset_result(const struct k_part *part, const void *value, struct k_arena *arena, struct k_made *out,
                            uint32_t row)
{
    const struct item *item = best(part, k_part_of(part, value));
    struct k_value result = {.type = part->type, .null = true};
    if (item) {
        uint32_t skip = part->by ? item->by_length : 0;
        struct k_str key = {k_arena_copy(arena, item->bytes + skip, item->length - skip), item->length - skip};
        size_t used;
        int code = k_key_decode(key, 1, arena, &result, &used, NULL);
        K_ASSERT(code == 0);
    }
    k_made_value(out, row, &result);
    return true;
}

static void multiset_merge(const struct k_part *part, void *to, const void *from)
{
    const struct multiset *other = k_part_of(part, from);
    for (uint32_t i = 0; i < other->count; i++) {
        const struct item *item = &other->items[i];
        change(k_part_of(part, to), item_bytes(item), item->by_length, item->count);
    }
}

static void multiset_encode(const struct k_part *part, const void *value, struct k_buf *out)
{
    const struct multiset *set = k_part_of(part, value);
    k_buf_add_varint(out, set->count);
    for (uint32_t i = 0; i < set->count; i++) {
        const struct item *item = &set->items[i];
        k_buf_add_zigzag(out, item->count);
        k_buf_add_varint(out, item->by_length);
        k_buf_add_varint(out, item->length);
        k_buf_add(out, item->bytes, item->length);
    }
}

static size_t multiset_decode(const struct k_part *part, void *value, const char *data, size_t length)
{
    struct multiset *set = k_part_of(part, value);
    uint64_t count;
    size_t at = k_get_varint(data, length, &count), used;
    if (at == 0) return 0;
    for (uint64_t i = 0; i < count; i++) {
        int64_t net;
        uint64_t by_length, bytes;
        if (!(used = k_get_zigzag(data + at, length - at, &net))) return 0;
        at += used;
        if (!(used = k_get_varint(data + at, length - at, &by_length))) return 0;
        at += used;
        if (!(used = k_get_varint(data + at, length - at, &bytes))) return 0;
        at += used;
        if (bytes > length - at || by_length > bytes) return 0;
        insert(set, set->count, (struct k_str){data + at, (uint32_t)bytes}, (uint32_t)by_length, net);
        at += bytes;
    }
    return at;
}

static void multiset_fini(const struct k_part *part, void *value)
{
    struct multiset *set = k_part_of(part, value);
    for (uint32_t i = 0; i < set->count; i++) free(set->items[i].bytes);
    free(set->items);
}

static size_t multiset_owned(const struct k_part *part, const void *value)
{
    const struct multiset *set = k_part_of(part, value);
    return set->capacity * sizeof *set->items + set->bytes;
}

const struct k_accumulator k_accumulate_multiset = {
    .name = "multiset", .size = sizeof(struct multiset), .add = multiset_add, .result = multiset_result,
    .merge = multiset_merge, .encode = multiset_encode, .decode = multiset_decode, .fini = multiset_fini,
    .owned_bytes = multiset_owned,
};
