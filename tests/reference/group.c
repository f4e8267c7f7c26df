// What a group remembers of one aggregate call. Nothing depends on how records of several partitions come, and a row of
// weight -1 takes back what the same row of weight +1 added (first and last have no such rows).
#include <math.h>

#include "tests/reference/inside.h"
#include "tests/reference/spread.h"
#include "tests/reference/sum.h"

__extension__ typedef __int128 wide;

// A value that is there so many times; for arg_* what is compared (by) and what is wanted (argument).
struct item {
    struct value by, argument;
    int64_t times;
};

// Where a row stands. Rows of one record (partition and offset of a source) come in an order that means something; rows
// without a record have but their time, and stand before those that have one.
struct place {
    int64_t time;
    int source; // -1: no record
    int32_t partition;
    int64_t offset;
};

struct memory {
    int64_t count; // of rows that count
    wide whole;    // sum, avg of int64: 128 bits hold every sum of 2^64 rows
    struct sum *exact;
    struct spread *spread; // variance, stddev
    struct item *items;    // ascending by (by, argument); of rows that are never taken back only the best
    uint32_t item_count, item_room;
    struct place place; // first, last
    struct value at_place;
};

static bool is_extreme(const struct call *call)
{
    return call->function >= AGG_MIN && call->function <= AGG_ARG_MAX;
}

struct memory *memory_new(struct k_arena *arena, const struct call *call)
{
    struct memory *memory = k_arena_zeroed(arena, sizeof *memory);
    bool adds = call->function == AGG_SUM || call->function == AGG_AVG;
    if (adds && call->args[0]->type == TYPE_DOUBLE) memory->exact = k_arena_zeroed(arena, sizeof *memory->exact);
    if (call->function >= AGG_VAR_POP && call->function <= AGG_STDDEV_SAMP)
        memory->spread = k_arena_zeroed(arena, sizeof *memory->spread);
    return memory;
}

// NULL comes first.
static int compare(const struct value *a, const struct value *b)
{
    if (a->null || b->null) return b->null - a->null;
    return value_compare(a, b);
}

static int compare_items(const struct item *a, const struct item *b)
{
    int order = compare(&a->by, &b->by);
    return order ? order : compare(&a->argument, &b->argument);
}

// Both zeros are one value, and so are all NaN: else the result would depend on which came first.
static struct value unified(struct value value)
{
    if (value.type == TYPE_DOUBLE && !value.null && value.d == 0) value.d = 0;
    if (value.type == TYPE_DOUBLE && !value.null && isnan(value.d)) value.d = NAN;
    return value;
}

// Whether a is better than b: the extreme value to compare by, of equal ones the least argument.
static bool is_better(const struct call *call, const struct item *a, const struct item *b)
{
    bool greatest = call->function == AGG_MAX || call->function == AGG_ARG_MAX;
    int order = compare(&a->by, &b->by);
    if (order) return greatest ? order > 0 : order < 0;
    return compare(&a->argument, &b->argument) < 0;
}

static void insert(struct memory *memory, uint32_t at, const struct item *item, struct k_arena *arena)
{
    if (memory->item_count == memory->item_room) {
        memory->item_room = memory->item_room ? memory->item_room * 2 : 2;
        struct item *items = k_arena_array(arena, struct item, memory->item_room);
        if (memory->item_count) memcpy(items, memory->items, memory->item_count * sizeof *items);
        memory->items = items;
    }
    memmove(memory->items + at + 1, memory->items + at, (memory->item_count++ - at) * sizeof *memory->items);
    memory->items[at] = (struct item){value_keep(&item->by, arena), value_keep(&item->argument, arena), item->times};
}

static void add_item(struct memory *memory, const struct item *item, struct k_arena *arena)
{
    uint32_t low = 0, high = memory->item_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (compare_items(&memory->items[middle], item) < 0) low = middle + 1;
        else high = middle;
    }
    if (low == memory->item_count || compare_items(&memory->items[low], item) != 0) {
        insert(memory, low, item, arena);
        return;
    }
    memory->items[low].times += item->times;
    if (memory->items[low].times == 0)
        memmove(memory->items + low, memory->items + low + 1, (--memory->item_count - low) * sizeof *memory->items);
}

static int compare_places(const struct place *a, const struct place *b)
{
    if (a->time != b->time) return a->time < b->time ? -1 : 1;
    if (a->source != b->source) return a->source < b->source ? -1 : 1;
    if (a->partition != b->partition) return a->partition < b->partition ? -1 : 1;
    return (a->offset > b->offset) - (a->offset < b->offset);
}

static void keep_end(struct memory *memory, const struct call *call, const struct value *value, const struct row *row,
                     struct k_arena *arena)
{
    struct value mine = unified(*value);
    struct place place = {row->time, -1, 0, 0};
    if (row->origin)
        place = (struct place){row->time, row->source->number, row->origin->partition, row->origin->offset};
    bool last = call->function == AGG_LAST;
    if (memory->count > 1) {
        int order = compare_places(&place, &memory->place);
        if (order == 0)
            order = row->origin ? 1 : compare(&mine, &memory->at_place); // of one record: the later to come
        if (last ? order < 0 : order >= 0) return;
    }
    memory->place = place;
    memory->at_place = value_keep(&mine, arena);
}

void memory_add(struct memory *memory, const struct call *call, const struct value *args, const struct row *row,
                bool updating, struct k_arena *arena)
{
    int weight = row->weight;
    if (call->function == AGG_FIRST || call->function == AGG_LAST) {
        memory->count++;
        keep_end(memory, call, &args[0], row, arena);
        return;
    }
    bool pair = call->function == AGG_ARG_MIN || call->function == AGG_ARG_MAX;
    if (call->args[0] && args[pair].null) return; // NULL does not count; for arg_* in what is compared
    memory->count += weight;
    if (call->function == AGG_COUNT_DISTINCT) {
        add_item(memory, &(struct item){unified(args[0]), value_null(TYPE_NONE), weight}, arena);
    } else if (is_extreme(call)) {
        struct item item = {unified(args[pair]), pair ? unified(args[0]) : value_null(TYPE_NONE), weight};
        if (updating) add_item(memory, &item, arena);
        else if (memory->item_count == 0) insert(memory, 0, &item, arena);
        else if (is_better(call, &item, &memory->items[0]))
            memory->items[0] = (struct item){value_keep(&item.by, arena), value_keep(&item.argument, arena), 1};
    } else if (memory->spread) {
        if (args[0].type == TYPE_DOUBLE) spread_add_double(memory->spread, args[0].d, weight);
        else spread_add_int(memory->spread, args[0].i, weight);
    } else if (memory->exact) {
        sum_add(memory->exact, args[0].d, weight);
    } else if (call->function != AGG_COUNT) {
        memory->whole += (wide)weight * args[0].i;
    }
}

static struct value best(const struct memory *memory, const struct call *call)
{
    const struct item *best = NULL;
    for (uint32_t i = 0; i < memory->item_count; i++)
        if (memory->items[i].times > 0 && (!best || is_better(call, &memory->items[i], best)))
            best = &memory->items[i];
    bool pair = call->function == AGG_ARG_MIN || call->function == AGG_ARG_MAX;
    return !best ? value_null(call->type) : pair ? best->argument : best->by;
}

static struct value spread_of(const struct spread *spread, const struct call *call, const char **reason)
{
    bool sample = call->function == AGG_VAR_SAMP || call->function == AGG_STDDEV_SAMP;
    if (spread->count < (sample ? 2 : 1)) return value_null(TYPE_DOUBLE);
    double variance = spread_result(spread, sample);
    if (isinf(variance) || (spread->beyond && !spread->infinite)) {
        *reason = "overflow";
        return value_null(TYPE_DOUBLE);
    }
    return value_double(call->function >= AGG_STDDEV_POP ? sqrt(variance) : variance);
}

static int64_t distinct(const struct memory *memory)
{
    int64_t count = 0;
    for (uint32_t i = 0; i < memory->item_count; i++) count += memory->items[i].times > 0;
    return count;
}

struct value memory_result(const struct memory *memory, const struct call *call, const char **reason)
{
    if (call->function == AGG_COUNT) return value_int(memory->count);
    if (call->function == AGG_COUNT_DISTINCT) return value_int(distinct(memory));
    if (is_extreme(call)) return best(memory, call);
    if (memory->count == 0) return value_null(call->type);
    if (call->function == AGG_FIRST || call->function == AGG_LAST) return memory->at_place;
    if (memory->spread) return spread_of(memory->spread, call, reason);
    if (memory->exact) {
        double total = sum_result(memory->exact);
        bool finite = !memory->exact->nan && !memory->exact->plus && !memory->exact->minus;
        if (isinf(total) && finite) { // PostgreSQL's rule: infinite from finite numbers
            *reason = "overflow";
            return value_null(call->type);
        }
        return value_double(call->function == AGG_AVG ? total / (double)memory->count : total);
    }
    if (call->function == AGG_AVG) return value_double((double)memory->whole / (double)memory->count);
    if (memory->whole < INT64_MIN || memory->whole > INT64_MAX) {
        *reason = "overflow";
        return value_null(call->type);
    }
    return value_int((int64_t)memory->whole);
}
