// Parity: ranges that differ are read on both sides by cursors that hold a portion of rows each, and merged by key.
#include "replay/parity.h"

#include <stdlib.h>

enum { PORTION = 1024 };

const char *k_difference_name(enum k_difference difference)
{
    static const char *const names[] = {
        [K_ONLY_LEFT] = "only_left", [K_ONLY_RIGHT] = "only_right", [K_CHANGED] = "changed"};
    return names[difference];
}

bool k_parity_equal(const struct k_parity_table *table)
{
    return table->left && table->right && table->same_columns &&
           k_digest_equal(&table->left_digest, &table->right_digest);
}

// --- one side's rows in a range, in the order of their keys

struct row {
    struct k_str key, columns; // encoded
};
struct cursor {
    struct k_view *view;
    const struct k_table_info *table;
    struct k_str from, to; // encoded keys: [from, to); empty: no bound
    struct row *rows;      // PORTION of them
    uint32_t count, at;
    bool more; // behind rows there may be others
    struct k_arena arena; // of rows
    struct k_buf key, columns;
};

static bool keep_row(void *context, const struct k_value *values, const struct k_shard_view *shard)
{
    (void)shard;
    struct cursor *c = context;
    k_buf_clear(&c->key);
    k_buf_clear(&c->columns);
    k_digest_key(c->table, values, &c->key);
    // A portion begins with the last key of the one before.
    if (c->from.length && c->more && k_str_equal(k_buf_str(&c->key), c->from)) return true;
    k_digest_columns(c->table, values, &c->columns);
    c->rows[c->count++] = (struct row){{k_arena_copy(&c->arena, c->key.data, c->key.length), (uint32_t)c->key.length},
                                       {k_arena_copy(&c->arena, c->columns.data, c->columns.length),
                                        (uint32_t)c->columns.length}};
    return c->count < PORTION;
}

static int decode_key(const struct k_table_info *table, struct k_str key, struct k_arena *arena,
                      struct k_value **ret_values, uint32_t *ret_count, struct k_error *err)
{
    size_t used;
    *ret_count = key.length ? table->key_count : 0;
    *ret_values = k_arena_array(arena, struct k_value, table->key_count + 1);
    return key.length ? k_key_decode(key, table->key_count, arena, *ret_values, &used, err) : 0;
}

// Reads the next portion, if the one before is used up.
static int fill(struct cursor *c, struct k_error *err)
{
    if (c->at < c->count || !c->more) return 0;
    struct k_arena arena;
    struct k_buf last = {0};
    k_arena_init(&arena);
    bool first = c->count == 0;
    if (!first) k_buf_add(&last, c->rows[c->count - 1].key.data, c->rows[c->count - 1].key.length);
    k_arena_reset(&c->arena);
    if (!first)
        c->from = (struct k_str){k_arena_copy(&c->arena, last.data, last.length), (uint32_t)last.length};
    k_buf_fini(&last);
    c->more = !first; // for keep_row: only then from has been seen
    c->count = c->at = 0;
    struct k_scan scan = {0};
    struct k_value *from, *to;
    int code = decode_key(c->table, c->from, &arena, &from, &scan.from_count, err);
    if (!code) code = decode_key(c->table, c->to, &arena, &to, &scan.to_count, err);
    if (!code) {
        scan.from = from;
        scan.to = to;
        code = k_view_scan(c->view, c->table, &scan, keep_row, c, err);
    }
    c->more = c->count == PORTION;
    k_arena_fini(&arena);
    return code;
}

static void cursor_init(struct cursor *c, struct k_view *view, const struct k_table_info *table, struct k_str from,
                        struct k_str to)
{
    *c = (struct cursor){
        .view = view, .table = table, .from = from, .to = to, .rows = k_new_array(struct row, PORTION), .more = true};
    k_arena_init(&c->arena);
}

static void cursor_fini(struct cursor *c)
{
    free(c->rows);
    k_arena_fini(&c->arena);
    k_buf_fini(&c->key);
    k_buf_fini(&c->columns);
}

// --- comparing

struct comparing {
    struct k_view *left, *right;
    const struct k_parity_visit *visit;
    struct k_parity_table *table;
    bool silent; // no more keys are wanted
};

static int tell(struct comparing *p, enum k_difference difference, const struct row *left, const struct row *right,
                struct k_error *err)
{
    struct k_parity_table *t = p->table;
    if (difference == K_ONLY_LEFT) t->only_left++;
    else if (difference == K_ONLY_RIGHT) t->only_right++;
    else t->changed++;
    if (p->silent || !p->visit->key) return 0;
    uint32_t count = t->left->schema.count;
    struct k_value *a = k_new_array(struct k_value, count), *b = k_new_array(struct k_value, count);
    int code = left ? k_row_decode(left->columns, count, a, err) : 0;
    if (!code && right) code = k_row_decode(right->columns, count, b, err);
    if (!code) p->silent = !p->visit->key(p->visit->context, t, difference, left ? a : NULL, right ? b : NULL);
    free(a);
    free(b);
    return code;
}

static int compare_range(struct comparing *p, struct k_str from, struct k_str to, struct k_error *err)
{
    struct cursor a, b;
    cursor_init(&a, p->left, p->table->left, from, to);
    cursor_init(&b, p->right, p->table->right, from, to);
    int code = 0;
    while (!code) {
        code = fill(&a, err);
        if (!code) code = fill(&b, err);
        const struct row *left = a.at < a.count ? &a.rows[a.at] : NULL;
        const struct row *right = b.at < b.count ? &b.rows[b.at] : NULL;
        if (code || (!left && !right)) break;
        int order = !left ? 1 : !right ? -1 : k_str_compare(left->key, right->key);
        if (order < 0) code = tell(p, K_ONLY_LEFT, left, NULL, err);
        else if (order > 0) code = tell(p, K_ONLY_RIGHT, NULL, right, err);
        else if (!k_str_equal(left->columns, right->columns)) code = tell(p, K_CHANGED, left, right, err);
        a.at += order <= 0;
        b.at += order >= 0;
    }
    cursor_fini(&a);
    cursor_fini(&b);
    return code;
}

// Walks both lists of ranges to the places where both begin one; what lies between is compared as a whole.
static int compare_ranges(struct comparing *p, const struct k_table_digest *left, const struct k_table_digest *right,
                          struct k_error *err)
{
    uint32_t i = 0, j = 0;
    struct k_str from = {0};
    while (i < left->range_count || j < right->range_count) {
        struct k_digest a = {0}, b = {0};
        uint32_t ranges = 0;
        struct k_str to = {0};
        if (i < left->range_count) k_digest_add(&a, &left->ranges[i++].digest), ranges++;
        if (j < right->range_count) k_digest_add(&b, &right->ranges[j++].digest);
        for (;;) {
            const struct k_str *x = i < left->range_count ? &left->ranges[i].first : NULL;
            const struct k_str *y = j < right->range_count ? &right->ranges[j].first : NULL;
            int order = !x && !y ? 0 : !x ? 1 : !y ? -1 : k_str_compare(*x, *y);
            if (order == 0) {
                if (x) to = *x;
                break;
            }
            if (order < 0) k_digest_add(&a, &left->ranges[i++].digest), ranges++;
            else k_digest_add(&b, &right->ranges[j++].digest);
        }
        if (!k_digest_equal(&a, &b)) {
            p->table->ranges_read += ranges;
            int code = compare_range(p, from, to, err);
            if (code) return code;
        }
        from = to;
    }
    return 0;
}

static bool same_columns(const struct k_table_info *a, const struct k_table_info *b)
{
    if (a->schema.count != b->schema.count || a->key_count != b->key_count) return false;
    for (uint32_t i = 0; i < a->schema.count; i++)
        if (strcmp(a->schema.fields[i].name, b->schema.fields[i].name) != 0 ||
            a->schema.fields[i].type != b->schema.fields[i].type) return false;
    return memcmp(a->key, b->key, a->key_count * sizeof *a->key) == 0;
}

static int compare_table(struct comparing *p, struct k_error *err)
{
    struct k_parity_table *t = p->table;
    struct k_table_digest left = {0}, right = {0};
    int code = t->left ? k_table_digest(p->left, t->left, &left, err) : 0;
    if (code) k_wrap(err, code, "left");
    if (!code && t->right) {
        code = k_table_digest(p->right, t->right, &right, err);
        if (code) k_wrap(err, code, "right");
    }
    if (!code) {
        t->left_digest = left.all;
        t->right_digest = right.all;
        t->ranges = left.range_count;
        t->same_columns = t->left && t->right && same_columns(t->left, t->right);
        if (t->same_columns && !k_digest_equal(&left.all, &right.all)) code = compare_ranges(p, &left, &right, err);
    }
    if (!code && p->visit->table) p->visit->table(p->visit->context, t);
    k_table_digest_fini(&left);
    k_table_digest_fini(&right);
    return code;
}

int k_parity(struct k_view *left, struct k_view *right, const char *name, const struct k_parity_visit *visit,
             struct k_error *err)
{
    const struct k_table_info *const *a, *const *b;
    uint32_t a_count, b_count;
    int code = k_view_tables(left, &a, &a_count, err);
    if (!code) code = k_view_tables(right, &b, &b_count, err);
    bool found = false;
    for (uint32_t i = 0, j = 0; !code && (i < a_count || j < b_count);) {
        int order = i == a_count ? 1 : j == b_count ? -1 : strcmp(a[i]->name, b[j]->name);
        struct k_parity_table table = {.left = order <= 0 ? a[i] : NULL, .right = order >= 0 ? b[j] : NULL};
        table.name = table.left ? table.left->name : table.right->name;
        i += order <= 0;
        j += order >= 0;
        if (name && strcmp(name, table.name) != 0) continue;
        found = true;
        struct comparing comparing = {.left = left, .right = right, .visit = visit, .table = &table};
        code = compare_table(&comparing, err);
    }
    const struct k_table_info *ignored;
    // The reader's own words have the nearest name.
    if (!code && name && !found) code = k_view_table(left, name, &ignored, err);
    return code;
}
