// Equal parts of one expression, found once after binding, so that evaluation computes each for a row once: lower(s)
// in four branches of a CASE. A part that reads a slot is not looked at: the same slot is another value elsewhere.
#include "operators/expr/bind.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/hash.h"

struct found {
    uint64_t hash;
    uint32_t number; // in the order of the text
    struct k_expr *node;
};

struct search {
    struct k_arena *arena;
    struct found *found;
    uint32_t count, capacity;
};

static uint32_t count_nodes(const struct k_expr *expr)
{
    uint32_t count = 1;
    for (uint32_t i = 0; i < expr->count; i++) count += count_nodes(expr->args[i]);
    return count;
}

static bool same_value(const struct k_value *a, const struct k_value *b)
{
    if (a->type != b->type || a->null != b->null) return false;
    if (a->null) return true;
    switch (a->type) {
    case K_STRING:
    case K_BYTES:
    case K_JSON: return k_str_equal(a->s, b->s);
    case K_BOOL: return a->b == b->b;
    case K_DOUBLE: return memcmp(&a->d, &b->d, sizeof a->d) == 0; // also by the sign of zero
    case K_INTERVAL:
        return a->interval.months == b->interval.months && a->interval.days == b->interval.days &&
               a->interval.us == b->interval.us;
    default: return a->i == b->i;
    }
}

bool k_expr_same(const struct k_expr *a, const struct k_expr *b)
{
    if (a->kind != b->kind || a->type != b->type || a->count != b->count || a->index != b->index ||
        a->function != b->function || a->set != b->set)
        return false;
    if (a->kind == K_NODE_CONST && !same_value(&a->value, &b->value)) return false;
    for (uint32_t i = 0; i < a->count; i++)
        if (!k_expr_same(a->args[i], b->args[i])) return false;
    return true;
}

// Notes the calls that are worth keeping. *ret_hash is equal for equal parts; false: a slot is read inside.
static bool collect(struct search *search, struct k_expr *expr, uint64_t *ret_hash)
{
    uint64_t *parts = k_arena_array(search->arena, uint64_t, expr->count + 4);
    bool closed = expr->kind != K_NODE_SLOT && expr->kind != K_NODE_LET;
    parts[0] = (uint64_t)expr->kind << 32 | expr->type;
    parts[1] = expr->index;
    parts[2] = (uint64_t)(uintptr_t)expr->function;
    parts[3] = 0;
    if (expr->kind == K_NODE_CONST && !expr->value.null) {
        bool text = expr->type == K_STRING || expr->type == K_BYTES || expr->type == K_JSON;
        if (text) parts[3] = k_hash(expr->value.s.data, expr->value.s.length);
        else if (expr->type == K_BOOL) parts[3] = expr->value.b;
        else parts[3] = (uint64_t)expr->value.i; // or the bits of a double, or an interval's microseconds
    }
    for (uint32_t i = 0; i < expr->count; i++)
        if (!collect(search, expr->args[i], &parts[4 + i])) closed = false;
    *ret_hash = k_hash(parts, (expr->count + 4) * sizeof *parts);
    // A single cheap operation costs less than looking it up.
    if (closed && expr->kind == K_NODE_CALL && expr->cost > 1)
        search->found[search->count++] =
            (struct found){.hash = *ret_hash, .number = search->count, .node = expr};
    return closed;
}

static int by_hash(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

void k_expr_share(struct k_arena *arena, struct k_expr *expr)
{
    struct search search = {.arena = arena, .capacity = count_nodes(expr)};
    uint64_t hash;
    search.found = k_arena_array(arena, struct found, search.capacity);
    collect(&search, expr, &hash);
    K_ASSERT(search.count <= search.capacity);
    qsort(search.found, search.count, sizeof *search.found, by_hash);
    // The dearest first: there is room for few.
    for (uint32_t shared = 1; shared <= K_EXPR_SHARED; shared++) {
        uint32_t best = 0, best_cost = 0;
        for (uint32_t i = 0; i + 1 < search.count; i++) {
            const struct found *at = &search.found[i];
            bool first = i == 0 || at[-1].hash != at->hash;
            if (first && at[1].hash == at->hash && !at->node->share && at->node->cost > best_cost) {
                best = i;
                best_cost = at->node->cost;
            }
        }
        if (best_cost == 0) return;
        const struct k_expr *model = search.found[best].node;
        for (uint32_t i = best; i < search.count && search.found[i].hash == search.found[best].hash; i++)
            if (k_expr_same(model, search.found[i].node)) search.found[i].node->share = shared;
    }
}
