#include "state/table_walk.h"

#include "proto/internal.pb-c.h"
#include "state/cache.h"
#include "state/table.h"

#include <stdlib.h>

enum { EXPIRY_BASE = 8 };

struct side {
    struct k_store *store;
    Kappa__Internal__TableInfo *info; // NULL: it has no such table
    struct k_store_iterator *iterator;
    char prefix[K_STORE_PREFIX];
    int64_t frontier_us, retention_us;
    struct k_buf key, row; // the present one
    bool there;            // it holds one
};
struct k_table_walk {
    struct side sides[2];
    struct k_buf key, right; // handed out
    bool same_columns, begun;
};

int k_store_note(struct k_store *store, const char *name, struct k_arena *arena, struct k_str *ret,
                 struct k_error *err)
{
    size_t length = strlen(name);
    char *key = k_arena_get(arena, length + 1);
    key[0] = 0;
    memcpy(key + 1, name, length);
    const struct k_str wanted = {key, (uint32_t)length + 1};
    return store->ops->get(store, 1, &wanted, arena, ret, err);
}

static int read_frontier(struct side *side, struct k_arena *arena, struct k_error *err)
{
    struct k_str bytes;
    int code = k_store_note(side->store, "position", arena, &bytes, err);
    side->frontier_us = INT64_MIN;
    if (code || !bytes.data) return code;
    Kappa__Internal__Position *position =
        kappa__internal__position__unpack(NULL, bytes.length, (const uint8_t *)bytes.data);
    if (!position) return k_fail(err, K_E_CORRUPT, "the copy's position cannot be read");
    if (position->has_frontier_us) side->frontier_us = position->frontier_us;
    kappa__internal__position__free_unpacked(position, NULL);
    return 0;
}

static int open_side(struct side *side, struct k_store *store, const char *table, struct k_arena *arena,
                     struct k_error *err)
{
    side->store = store;
    if (!store) return 0;
    struct k_str info, number;
    int code = k_store_note(store, k_arena_format(arena, "table/%s", table), arena, &info, err);
    if (!code) code = k_store_note(store, k_arena_format(arena, "family/table/%s", table), arena, &number, err);
    if (!code) code = read_frontier(side, arena, err);
    if (code || !info.data || !number.data) return code;
    side->info = kappa__internal__table_info__unpack(NULL, info.length, (const uint8_t *)info.data);
    if (!side->info || number.length != 4) return k_fail(err, K_E_CORRUPT, "table \"%s\" cannot be read", table);
    side->retention_us = side->info->has_retention_us ? side->info->retention_us : -1;
    const uint8_t *n = (const uint8_t *)number.data;
    uint32_t family = (uint32_t)n[0] << 24 | (uint32_t)n[1] << 16 | (uint32_t)n[2] << 8 | n[3];
    char to[K_STORE_PREFIX];
    k_store_prefix(side->prefix, family, 0);
    k_store_prefix(to, family, 1);
    return store->ops->iterate(store, (struct k_str){side->prefix, K_STORE_PREFIX},
                               (struct k_str){to, K_STORE_PREFIX}, &side->iterator, err);
}

static bool same_key(const Kappa__Internal__TableInfo *a, const Kappa__Internal__TableInfo *b)
{
    bool same = a->n_key == b->n_key;
    for (size_t i = 0; same && i < a->n_key; i++)
        same = a->key[i] < a->n_column && b->key[i] < b->n_column &&
               a->column[a->key[i]]->type == b->column[b->key[i]]->type;
    return same;
}

static bool same_columns(const Kappa__Internal__TableInfo *a, const Kappa__Internal__TableInfo *b)
{
    bool same = a->n_column == b->n_column;
    for (size_t i = 0; same && i < a->n_column; i++)
        same = a->column[i]->type == b->column[i]->type && a->column[i]->name && b->column[i]->name &&
               strcmp(a->column[i]->name, b->column[i]->name) == 0;
    return same;
}

int k_table_walk_open(struct k_store *left, struct k_store *right, const char *table, struct k_table_walk **ret,
                      struct k_error *err)
{
    struct k_table_walk *walk = k_new(struct k_table_walk);
    struct k_arena arena;
    k_arena_init(&arena);
    int code = open_side(&walk->sides[0], left, table, &arena, err);
    if (!code) code = open_side(&walk->sides[1], right, table, &arena, err);
    k_arena_fini(&arena);
    const Kappa__Internal__TableInfo *a = walk->sides[0].info, *b = walk->sides[1].info;
    if (!code && !b) code = k_fail(err, K_E_NOT_FOUND, "the state has no table \"%s\"", table);
    if (!code && a && !same_key(a, b))
        code = k_fail(err, K_E_CONFIG, "table \"%s\" has another key than before", table);
    if (code) {
        k_table_walk_close(walk);
        return code;
    }
    walk->same_columns = a && same_columns(a, b);
    *ret = walk;
    return 0;
}

void k_table_walk_close(struct k_table_walk *walk)
{
    if (!walk) return;
    for (int i = 0; i < 2; i++) {
        struct side *side = &walk->sides[i];
        if (side->iterator) side->store->ops->iterate_end(side->iterator);
        if (side->info) kappa__internal__table_info__free_unpacked(side->info, NULL);
        k_buf_fini(&side->key);
        k_buf_fini(&side->row);
    }
    k_buf_fini(&walk->key);
    k_buf_fini(&walk->right);
    free(walk);
}

// The side's next row that is not expired.
static int advance(struct side *side, struct k_error *err)
{
    struct k_str key, value;
    struct k_error failure = {0};
    side->there = false;
    if (!side->info) return 0;
    for (;;) {
        int64_t base_us;
        if (!side->store->ops->next(side->iterator, &key, &value, &failure)) {
            if (failure.code && err) *err = failure;
            return failure.code;
        }
        if (key.length < K_STORE_PREFIX)
            return k_fail(err, K_E_CORRUPT, "a table holds a key of %u bytes", key.length);
        int code = k_table_row_decode(value, 0, &base_us, NULL, err);
        if (code) return code;
        if (k_table_row_expired(base_us, side->retention_us, side->frontier_us)) continue;
        k_buf_clear(&side->key);
        k_buf_add(&side->key, key.data + K_STORE_PREFIX, key.length - K_STORE_PREFIX);
        k_buf_clear(&side->row);
        k_buf_add(&side->row, value.data, value.length);
        side->there = true;
        return 0;
    }
}

void k_table_walk_seek(struct k_table_walk *walk, struct k_str after)
{
    for (int i = 0; i < 2; i++) {
        struct side *side = &walk->sides[i];
        if (!side->info) continue;
        struct k_buf at = {0};
        k_buf_add(&at, side->prefix, K_STORE_PREFIX);
        k_buf_add(&at, after.data, after.length);
        k_buf_add_char(&at, 0); // the least key behind it
        side->store->ops->seek(side->iterator, k_buf_str(&at));
        k_buf_fini(&at);
    }
    walk->begun = false;
}

// Its columns, behind the expiry base.
static struct k_str columns_of(const struct side *side)
{
    return (struct k_str){side->row.data + EXPIRY_BASE, (uint32_t)side->row.length - EXPIRY_BASE};
}

static int begin(struct k_table_walk *walk, struct k_error *err)
{
    if (walk->begun) return 0;
    walk->begun = true;
    int code = advance(&walk->sides[0], err);
    return code ? code : advance(&walk->sides[1], err);
}

int k_table_walk_next(struct k_table_walk *walk, struct k_table_step *ret, struct k_error *err)
{
    struct side *left = &walk->sides[0], *right = &walk->sides[1];
    *ret = (struct k_table_step){0};
    int code = begin(walk, err);
    if (code) return code;
    ret->end = !left->there && !right->there;
    if (ret->end) return 0;
    int order = !left->there ? 1 : !right->there ? -1 : k_str_compare(k_buf_str(&left->key), k_buf_str(&right->key));
    ret->differs = order != 0 || !walk->same_columns || !k_str_equal(columns_of(left), columns_of(right));
    // What is handed out changes places with what comes next.
    struct side *first = order <= 0 ? left : right;
    struct k_buf key = first->key;
    first->key = walk->key;
    walk->key = key;
    if (order >= 0) {
        struct k_buf row = right->row;
        right->row = walk->right;
        walk->right = row;
        ret->right = k_buf_str(&walk->right);
    }
    ret->key = k_buf_str(&walk->key);
    if (order <= 0) code = advance(left, err);
    return !code && order >= 0 ? advance(right, err) : code;
}
