// q0, q2, kc, q5, q7 over Nexmark's JSON; a member is looked for where it was in the event before, then by its name.
#include "tests/bench/hand.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum member { AUCTION, BIDDER, PRICE, DATE_TIME };
static const struct {
    const char *text;
    size_t length;
} names[] = {{"\"auction\":", 10}, {"\"bidder\":", 9}, {"\"price\":", 8}, {"\"date_time\":", 12}};

static int64_t number_of(const char *value, size_t length, enum member member)
{
    static size_t places[DATE_TIME + 1];
    const char *name = names[member].text, *at = value + places[member];
    size_t name_length = names[member].length;
    if (places[member] + name_length > length || memcmp(at, name, name_length) != 0) {
        at = memmem(value, length, name, name_length);
        if (!at) return -1;
        places[member] = (size_t)(at - value);
    }
    int64_t n = 0;
    for (at += name_length; *at >= '0' && *at <= '9'; at++) n = n * 10 + (*at - '0');
    return n;
}

static size_t put_number(char *out, int64_t n)
{
    char digits[24];
    size_t count = 0, length = 0;
    do digits[count++] = (char)('0' + n % 10);
    while (n /= 10);
    while (count) out[length++] = digits[--count];
    return length;
}

static bool is_bid(const char *value, size_t length)
{
    return length > 14 && value[14] == '2'; // {"event_type":2
}

static void *nothing(void)
{
    return NULL;
}

static void finish_nothing(void *query, emit_fn emit, void *context)
{
    (void)query, (void)emit, (void)context;
}

// q0: every event, with the three members that it may have.
static void q0(void *query, int partition, const char *value, size_t length, emit_fn emit, void *context)
{
    (void)query, (void)partition;
    static const char *const members[] = {"\"person\":", "\"auction\":", "\"bid\":"};
    char out[4096];
    int type = value[14] - '0';
    size_t at = 16;
    memcpy(out, value, 16); // {"event_type":N,
    for (int i = 0; i < 3; i++) {
        size_t name = strlen(members[i]);
        if (i == type) {
            size_t rest = length - 16 - 1; // without the last brace
            memcpy(out + at, value + 16, rest);
            at += rest;
        } else {
            memcpy(out + at, members[i], name);
            memcpy(out + at + name, "null", 4);
            at += name + 4;
        }
        out[at++] = i < 2 ? ',' : '}';
    }
    emit(context, NULL, 0, out, at);
}

// q2: bids on every 123rd auction.
static void q2(void *query, int partition, const char *value, size_t length, emit_fn emit, void *context)
{
    (void)query, (void)partition;
    if (!is_bid(value, length)) return;
    int64_t auction = number_of(value, length, AUCTION);
    if (auction % 123) return;
    char out[128];
    int n = snprintf(out, sizeof out, "{\"auction\":%lld,\"price\":%lld}", (long long)auction,
                     (long long)number_of(value, length, PRICE));
    emit(context, NULL, 0, out, (size_t)n);
}

// A hash table from numbers to counts, open addressing.
struct slot {
    int64_t key; // 0: free
    int64_t count;
};
struct counts {
    struct slot *slots;
    uint64_t mask, used;
};

static struct counts counts_create(uint64_t capacity)
{
    return (struct counts){calloc(capacity, sizeof(struct slot)), capacity - 1, 0};
}

static int64_t counts_add(struct counts *t, int64_t key, int64_t n)
{
    if (t->used * 2 > t->mask) {
        struct counts larger = counts_create((t->mask + 1) * 2);
        for (uint64_t i = 0; i <= t->mask; i++)
            if (t->slots[i].key) counts_add(&larger, t->slots[i].key, t->slots[i].count);
        free(t->slots);
        *t = larger;
    }
    uint64_t at = ((uint64_t)key * 0x9E3779B97F4A7C15u >> 20) & t->mask;
    while (t->slots[at].key && t->slots[at].key != key) at = (at + 1) & t->mask;
    if (!t->slots[at].key) {
        t->slots[at].key = key;
        t->used++;
    }
    return t->slots[at].count += n;
}

// kc: count per bidder, every update.
static void *kc_create(void)
{
    struct counts *t = malloc(sizeof *t);
    *t = counts_create(1 << 16);
    return t;
}

static void kc(void *query, int partition, const char *value, size_t length, emit_fn emit, void *context)
{
    (void)partition;
    if (!is_bid(value, length)) return;
    int64_t bidder = number_of(value, length, BIDDER);
    int64_t count = counts_add(query, bidder, 1);
    char out[96], key[32];
    size_t key_length = 0, at;
    key[key_length++] = '[';
    key_length += put_number(key + key_length, bidder);
    key[key_length++] = ']';
    memcpy(out, "{\"bidder\":", 10);
    at = 10 + put_number(out + 10, bidder);
    memcpy(out + at, ",\"n\":", 5);
    at += 5;
    at += put_number(out + at, count);
    out[at++] = '}';
    emit(context, key, key_length, out, at);
}

static void kc_finish(void *query, emit_fn emit, void *context)
{
    (void)emit, (void)context;
    struct counts *t = query;
    free(t->slots);
    free(t);
}

// q5: count per auction in panes of 2 s; a window is five panes; the least auction with the highest count of each.
enum { PANE_MS = 2000, PANES = 5, OUT_OF_ORDER_MS = 4000, RING = 4096 };
struct q5 {
    struct counts panes[RING]; // by pane number mod RING
    int64_t first, last;       // panes that exist; last -1: none
    int64_t closed;            // windows with this last pane and before are done
    int64_t latest_ms[HAND_PARTITIONS];
};

static void *q5_create(void)
{
    struct q5 *q = calloc(1, sizeof *q);
    q->last = q->closed = -1;
    return q;
}

static void q5_emit(struct q5 *q, int64_t last_pane, emit_fn emit, void *context)
{
    struct counts sum = counts_create(1 << 12);
    for (int64_t p = last_pane - PANES + 1; p <= last_pane; p++) {
        if (p < q->first || p > q->last) continue;
        struct counts *pane = &q->panes[p % RING];
        for (uint64_t i = 0; pane->slots && i <= pane->mask; i++)
            if (pane->slots[i].key) counts_add(&sum, pane->slots[i].key, pane->slots[i].count);
    }
    int64_t best = 0, auction = 0;
    for (uint64_t i = 0; i <= sum.mask; i++) {
        const struct slot *s = &sum.slots[i];
        if (s->key && (s->count > best || (s->count == best && s->key < auction))) best = s->count, auction = s->key;
    }
    free(sum.slots);
    if (!best) return;
    char out[160];
    int n = snprintf(out, sizeof out, "{\"auction\":%lld,\"num\":%lld}", (long long)auction, (long long)best);
    emit(context, NULL, 0, out, (size_t)n);
}

static void q5_close(struct q5 *q, int64_t watermark_ms, emit_fn emit, void *context)
{
    if (q->last < 0) return;
    if (q->closed < 0) q->closed = q->first - 1;
    while (q->closed < q->last + PANES - 1 && (q->closed + 2) * PANE_MS <= watermark_ms) {
        q5_emit(q, ++q->closed, emit, context);
        int64_t old = q->closed - PANES + 1;
        if (old < q->first || old > q->last) continue;
        free(q->panes[old % RING].slots);
        q->panes[old % RING] = (struct counts){0};
        q->first = old + 1;
    }
}

static void q5(void *query, int partition, const char *value, size_t length, emit_fn emit, void *context)
{
    struct q5 *q = query;
    if (!is_bid(value, length)) return;
    int64_t ms = number_of(value, length, DATE_TIME), pane = ms / PANE_MS;
    if (q->last < 0) q->first = pane;
    if (pane > q->last) q->last = pane;
    if (pane < q->first) q->first = pane;
    struct counts *counts = &q->panes[pane % RING];
    if (!counts->slots) *counts = counts_create(1 << 12);
    counts_add(counts, number_of(value, length, AUCTION), 1);
    if (ms <= q->latest_ms[partition]) return;
    q->latest_ms[partition] = ms;
    int64_t least = ms;
    for (int p = 0; p < HAND_PARTITIONS; p++)
        if (q->latest_ms[p] < least) least = q->latest_ms[p];
    if (least) q5_close(q, least - OUT_OF_ORDER_MS, emit, context);
}

static void q5_finish(void *query, emit_fn emit, void *context)
{
    q5_close(query, INT64_MAX / 2, emit, context);
    free(query);
}

// q7: the highest bid of each 10 s; of equal ones the least auction and the least bidder.
enum { WINDOW_MS = 10000, WINDOWS = 1024 };
struct highest {
    int64_t price, auction, bidder; // price 0: no bid
};
struct q7 {
    struct highest windows[WINDOWS]; // by window number mod WINDOWS
    int64_t next, last;              // the next to close, the last that has a bid; last -1: none
    int64_t latest_ms[HAND_PARTITIONS];
};

static void *q7_create(void)
{
    struct q7 *q = calloc(1, sizeof *q);
    q->last = -1;
    return q;
}

static void q7_close(struct q7 *q, int64_t watermark_ms, emit_fn emit, void *context)
{
    for (; q->next <= q->last && (q->next + 1) * WINDOW_MS <= watermark_ms; q->next++) {
        struct highest *h = &q->windows[q->next % WINDOWS];
        if (!h->price) continue;
        char out[160];
        int n = snprintf(out, sizeof out, "{\"price\":%lld,\"auction\":%lld,\"bidder\":%lld}", (long long)h->price,
                         (long long)h->auction, (long long)h->bidder);
        emit(context, NULL, 0, out, (size_t)n);
        *h = (struct highest){0};
    }
}

static void q7(void *query, int partition, const char *value, size_t length, emit_fn emit, void *context)
{
    struct q7 *q = query;
    if (!is_bid(value, length)) return;
    int64_t ms = number_of(value, length, DATE_TIME), window = ms / WINDOW_MS,
            price = number_of(value, length, PRICE);
    if (q->last < 0) q->next = window;
    if (window < q->next) q->next = window; // partitions come one behind the other
    if (window > q->last) q->last = window;
    struct highest *h = &q->windows[window % WINDOWS];
    if (price >= h->price) {
        int64_t auction = number_of(value, length, AUCTION), bidder = number_of(value, length, BIDDER);
        if (price > h->price) *h = (struct highest){price, auction, bidder};
        if (auction < h->auction) h->auction = auction;
        if (bidder < h->bidder) h->bidder = bidder;
    }
    if (ms <= q->latest_ms[partition]) return;
    q->latest_ms[partition] = ms;
    int64_t least = ms;
    for (int p = 0; p < HAND_PARTITIONS; p++)
        if (q->latest_ms[p] < least) least = q->latest_ms[p];
    if (least) q7_close(q, least - OUT_OF_ORDER_MS, emit, context);
}

static void q7_finish(void *query, emit_fn emit, void *context)
{
    q7_close(query, INT64_MAX / 2, emit, context);
    free(query);
}

static const struct hand_query hand_queries[] = {{"q0", nothing, q0, finish_nothing},
                                                 {"q2", nothing, q2, finish_nothing},
                                                 {"kc", kc_create, kc, kc_finish},
                                                 {"q5", q5_create, q5, q5_finish},
                                                 {"q7", q7_create, q7, q7_finish}};

const struct hand_query *hand_query_find(const char *name)
{
    for (size_t i = 0; i < sizeof hand_queries / sizeof *hand_queries; i++)
        if (strcmp(hand_queries[i].name, name) == 0) return &hand_queries[i];
    return NULL;
}
