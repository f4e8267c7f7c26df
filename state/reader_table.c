// Tables of a view: what they are, lookups, scans.
#include <stdlib.h>

#include "base/diag.h"
#include "proto/parse_value.h"
#include "state/reader_private.h"

#define TABLE_META "table/"

static int unpack_table(struct k_view *view, struct k_str bytes, const struct k_table_info **ret, struct k_error *err)
{
    Kappa__Internal__TableInfo *message =
        kappa__internal__table_info__unpack(NULL, bytes.length, (const uint8_t *)bytes.data);
    if (!message || !message->name) {
        if (message) kappa__internal__table_info__free_unpacked(message, NULL);
        return k_fail(err, K_E_CORRUPT, "the description of a table is damaged");
    }
    struct k_table_info *table = k_arena_zeroed(&view->arena, sizeof *table);
    table->name = k_arena_copy(&view->arena, message->name, strlen(message->name));
    table->schema.count = (uint32_t)message->n_column;
    table->schema.fields = k_arena_array(&view->arena, struct k_field, message->n_column);
    table->retention_us = message->has_retention_us ? message->retention_us : -1;
    table->key_count = (uint32_t)message->n_key;
    uint32_t *key = k_arena_array(&view->arena, uint32_t, message->n_key);
    int rc = 0;
    for (uint32_t i = 0; i < message->n_column; i++) {
        const Kappa__Internal__TableInfo__Column *column = message->column[i];
        const char *name = column->name ? column->name : "";
        table->schema.fields[i] = (struct k_field){.name = k_arena_copy(&view->arena, name, strlen(name)),
                                                   .type = (enum k_type)column->type, .not_null = column->not_null};
    }
    for (uint32_t i = 0; i < message->n_key; i++) {
        key[i] = message->key[i];
        if (key[i] >= table->schema.count)
            rc = k_fail(err, K_E_CORRUPT, "table \"%s\": its key is damaged", table->name);
    }
    table->key = key;
    kappa__internal__table_info__free_unpacked(message, NULL);
    *ret = table;
    return rc;
}

static void add_table(struct k_view *view, const struct k_table_info *table)
{
    uint32_t at = 0;
    while (at < view->table_count && strcmp(view->tables[at]->name, table->name) < 0) at++;
    if (at < view->table_count && strcmp(view->tables[at]->name, table->name) == 0) return; // another shard has it too
    const struct k_table_info **grown = k_arena_array(&view->arena, const struct k_table_info *, view->table_count + 1);
    if (at > 0) memcpy(grown, view->tables, at * sizeof *grown);
    grown[at] = table;
    if (at < view->table_count) memcpy(grown + at + 1, view->tables + at, (view->table_count - at) * sizeof *grown);
    view->tables = grown;
    view->table_count++;
}

static int read_tables(struct k_view *view, uint32_t shard, struct k_error *err)
{
    const struct k_store_ops *ops = view->reader->shards[shard].store->ops;
    struct k_str begin = K_STR("\0" TABLE_META), key, value;
    struct k_error failure = {0};
    ops->seek(view->iterators[shard], begin);
    while (ops->next(view->iterators[shard], &key, &value, &failure)) {
        if (key.length < begin.length || memcmp(key.data, begin.data, begin.length) != 0) break;
        const struct k_table_info *table = NULL;
        int rc = unpack_table(view, value, &table, err);
        if (rc) return rc;
        add_table(view, table);
    }
    if (failure.code && err) *err = failure;
    return failure.code;
}

int k_view_tables(struct k_view *view, const struct k_table_info *const **ret_tables, uint32_t *ret_count,
                  struct k_error *err)
{
    if (!view->tables) {
        view->tables = k_arena_array(&view->arena, const struct k_table_info *, 1); // even without tables: asked
        view->table_count = 0;
        for (uint32_t i = 0; i < view->reader->shard_count; i++) {
            int rc = read_tables(view, i, err);
            if (!rc) continue;
            view->tables = NULL; // what there is of them is no answer for who asks again
            return rc;
        }
        size_t families = (size_t)view->table_count * view->reader->shard_count;
        view->families = k_arena_zeroed(&view->arena, (families + 1) * sizeof *view->families);
    }
    *ret_tables = view->tables;
    *ret_count = view->table_count;
    return 0;
}

int k_view_table(struct k_view *view, const char *name, const struct k_table_info **ret, struct k_error *err)
{
    const struct k_table_info *const *tables;
    uint32_t count;
    int rc = k_view_tables(view, &tables, &count, err);
    if (rc) return rc;
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(tables[i]->name, name) != 0) continue;
        *ret = tables[i];
        return 0;
    }
    const char **names = k_new_array(const char *, count + 1);
    char all[400] = "";
    for (uint32_t i = 0; i < count; i++) {
        names[i] = tables[i]->name;
        if (i > 0) k_join_cut(all, sizeof all, strlen(all), ", ");
        k_join_cut(all, sizeof all, strlen(all), names[i]);
    }
    const char *nearest = k_nearest(name, names, count);
    free(names); // what is nearest is the table's own
    if (nearest) return k_fail(err, K_E_NOT_FOUND, "there is no table \"%s\"; did you mean \"%s\"?", name, nearest);
    return k_fail(err, K_E_NOT_FOUND, "there is no table \"%s\"%s%s", name, count ? "; there is: " : "", all);
}

int k_view_key(const struct k_table_info *table, const char *const *texts, uint32_t count, struct k_arena *arena,
               struct k_value *ret_values, struct k_error *err)
{
    if (count > table->key_count)
        return k_fail(err, K_E_USAGE, "the key of table \"%s\" has %u column%s, not %u", table->name, table->key_count,
                      table->key_count == 1 ? "" : "s", count);
    for (uint32_t i = 0; i < count; i++) {
        const struct k_field *field = &table->schema.fields[table->key[i]];
        size_t length = strlen(texts[i]);
        struct k_str text = {k_arena_copy(arena, texts[i], length), (uint32_t)length};
        if (k_value_parse_text(text, field->type, arena, &ret_values[i], err))
            return k_wrap(err, err ? (err->code = K_E_USAGE) : K_E_USAGE, "key column \"%s\" (%s)", field->name,
                          k_type_name(field->type));
    }
    return 0;
}

static int ask_family(struct k_view *view, uint32_t shard, const struct k_table_info *table,
                      struct k_view_family *ret, struct k_error *err)
{
    struct k_buf name = {0}, prefix = {0};
    k_buf_add_char(&name, 0);
    k_buf_add_text(&name, "family/" TABLE_META);
    k_buf_add_text(&name, table->name);
    struct k_str value;
    int rc = k_view_value(view, shard, k_buf_str(&name), &value, err);
    k_buf_fini(&name);
    if (rc) return rc;
    ret->asked = true;
    ret->known = value.length == 4;
    if (!ret->known) return 0;
    k_buf_add_char(&prefix, 1);
    k_buf_add(&prefix, value.data, 4);
    k_key_add_i64(&prefix, 0);
    K_ASSERT(prefix.length == sizeof ret->prefix);
    memcpy(ret->prefix, prefix.data, sizeof ret->prefix);
    k_buf_fini(&prefix);
    return 0;
}

// The store key of a table's family in one shard, asked of the shard once for a view. *ret_known false: the shard does
// not know the table.
static int family_prefix(struct k_view *view, uint32_t shard, const struct k_table_info *table, struct k_buf *out,
                         bool *ret_known, struct k_error *err)
{
    uint32_t at = 0;
    while (at < view->table_count && view->tables[at] != table) at++;
    struct k_view_family own = {0}, *family = &own; // of a table that another view described
    if (at < view->table_count) family = &view->families[(size_t)at * view->reader->shard_count + shard];
    int rc = family->asked ? 0 : ask_family(view, shard, table, family, err);
    if (rc) return rc;
    *ret_known = family->known;
    if (!family->known) return 0;
    k_buf_clear(out);
    k_buf_add(out, family->prefix, sizeof family->prefix);
    return 0;
}

// A row's values, checked against the table. *ret_gone: it is expired.
static int decode(const struct k_view *view, uint32_t shard, const struct k_table_info *table, struct k_str bytes,
                  bool *ret_gone, struct k_value *ret_values, struct k_error *err)
{
    int64_t base_us;
    int rc = k_table_row_decode(bytes, table->schema.count, &base_us, ret_values, err);
    if (rc) return k_wrap(err, rc, "table \"%s\"", table->name);
    *ret_gone = k_table_row_expired(base_us, table->retention_us, view->shards[shard].frontier_us);
    for (uint32_t i = 0; i < table->schema.count; i++) {
        const struct k_field *field = &table->schema.fields[i];
        if (ret_values[i].null) ret_values[i].type = field->type;
        if (ret_values[i].type != field->type)
            return k_fail(err, K_E_CORRUPT, "table \"%s\": column \"%s\" of a row is %s, not %s", table->name,
                          field->name, k_type_name(ret_values[i].type), k_type_name(field->type));
    }
    return 0;
}

// A row was not found: is it only that its shard is not here?
static int check_shard(const struct k_view *view, const struct k_table_info *table, const struct k_value *key,
                       struct k_error *err)
{
    uint32_t count, total;
    const struct k_shard_view *shards = k_view_shards(view, &count, &total);
    const Kappa__Internal__Identity *identity = view->reader->shards[0].identity;
    if (!identity || !identity->partitioned_by || identity->partitions == 0 || count >= total) return 0;
    for (uint32_t i = 0; i < table->key_count; i++) {
        if (strcmp(table->schema.fields[table->key[i]].name, identity->partitioned_by) != 0) continue;
        bool crc32 = identity->partitioner == KAPPA__INTERNAL__IDENTITY__PARTITIONER__CRC32;
        int32_t shard = k_table_shard_of(&key[i], crc32, identity->partitions, total);
        for (uint32_t s = 0; s < count; s++)
            if ((int32_t)shards[s].shard == shard) return 0;
        return k_fail(err, K_E_UNAVAILABLE, "the key belongs to shard %d of %u, whose state is not on this machine",
                      shard, total);
    }
    return 0;
}

int k_view_get(struct k_view *view, const struct k_table_info *table, const struct k_value *key, bool *ret_found,
               struct k_value *ret_values, struct k_error *err)
{
    struct k_buf stored = {0};
    bool found = false;
    int rc = 0;
    k_arena_reset(&view->answer);
    for (uint32_t s = 0; rc == 0 && !found && s < view->reader->shard_count; s++) {
        bool known;
        rc = family_prefix(view, s, table, &stored, &known, err);
        if (rc || !known) continue;
        for (uint32_t i = 0; i < table->key_count; i++) k_key_add_value(&stored, &key[i]);
        struct k_str value;
        rc = k_view_value(view, s, k_buf_str(&stored), &value, err);
        if (rc || !value.data) continue;
        // The iterator moves on; the answer stays until the next call.
        struct k_str copy = {k_arena_copy(&view->answer, value.data, value.length), value.length};
        bool gone;
        rc = decode(view, s, table, copy, &gone, ret_values, err);
        found = rc == 0 && !gone;
    }
    k_buf_fini(&stored);
    if (rc == 0 && !found) rc = check_shard(view, table, key, err);
    if (rc == 0) *ret_found = found;
    return rc;
}

// The first key behind all that begin with these bytes; empty: there is none.
static void successor(struct k_buf *key)
{
    while (key->length > 0 && (uint8_t)key->data[key->length - 1] == 0xff) key->length--;
    if (key->length > 0) key->data[key->length - 1]++;
}

// The keys of a scan in one shard: [from, to).
static void scan_range(const struct k_scan *scan, struct k_str prefix, struct k_buf *from, struct k_buf *to)
{
    k_buf_clear(from);
    k_buf_add(from, prefix.data, prefix.length);
    for (uint32_t i = 0; i < scan->prefix_count; i++) k_key_add_value(from, &scan->prefix[i]);
    if (scan->prefix_begins && scan->prefix_count > 0) from->length -= 2; // without the end of the string
    k_buf_clear(to);
    k_buf_add(to, from->data, from->length);
    successor(to);

    struct k_buf bound = {0};
    k_buf_add(&bound, prefix.data, prefix.length);
    for (uint32_t i = 0; i < scan->from_count; i++) k_key_add_value(&bound, &scan->from[i]);
    if (k_str_compare(k_buf_str(&bound), k_buf_str(from)) > 0) {
        k_buf_clear(from);
        k_buf_add(from, bound.data, bound.length);
    }
    if (scan->to_count > 0) {
        k_buf_clear(&bound);
        k_buf_add(&bound, prefix.data, prefix.length);
        for (uint32_t i = 0; i < scan->to_count; i++) k_key_add_value(&bound, &scan->to[i]);
        if (k_str_compare(k_buf_str(&bound), k_buf_str(to)) < 0) {
            k_buf_clear(to);
            k_buf_add(to, bound.data, bound.length);
        }
    }
    k_buf_fini(&bound);
}

// One shard's part of a scan: where it stands. Shards are merged by key.
struct cursor {
    struct k_buf to;
    struct k_str key, value; // key without the family's prefix
    bool at_row;
};

static int cursor_next(struct k_view *view, uint32_t shard, struct cursor *cursor, struct k_error *err)
{
    const struct k_store_ops *ops = view->reader->shards[shard].store->ops;
    struct k_error failure = {0};
    cursor->at_row = ops->next(view->iterators[shard], &cursor->key, &cursor->value, &failure) &&
                     k_str_compare(cursor->key, k_buf_str(&cursor->to)) < 0;
    if (cursor->at_row) {
        cursor->key.data += K_FAMILY_PREFIX;
        cursor->key.length -= K_FAMILY_PREFIX;
    }
    if (failure.code && err) *err = failure;
    return failure.code;
}

static int cursor_begin(struct k_view *view, uint32_t shard, const struct k_table_info *table,
                        const struct k_scan *scan, struct cursor *cursor, struct k_error *err)
{
    struct k_buf prefix = {0}, from = {0};
    bool known;
    int rc = family_prefix(view, shard, table, &prefix, &known, err);
    if (rc == 0 && known) {
        scan_range(scan, k_buf_str(&prefix), &from, &cursor->to);
        rc = k_view_rows(view, shard, k_buf_str(&from), err);
        if (rc == 0) rc = cursor_next(view, shard, cursor, err);
    }
    k_buf_fini(&prefix);
    k_buf_fini(&from);
    return rc;
}

static uint32_t least(const struct cursor *cursors, uint32_t count)
{
    uint32_t best = count;
    for (uint32_t i = 0; i < count; i++)
        if (cursors[i].at_row && (best == count || k_str_compare(cursors[i].key, cursors[best].key) < 0)) best = i;
    return best;
}

int k_view_scan(struct k_view *view, const struct k_table_info *table, const struct k_scan *scan, k_row_visit visit,
                void *context, struct k_error *err)
{
    uint32_t count = view->reader->shard_count;
    if (scan->prefix_begins && scan->prefix_count > 0) {
        const struct k_value *last = &scan->prefix[scan->prefix_count - 1];
        if (last->null || (last->type != K_STRING && last->type != K_BYTES && last->type != K_JSON))
            return k_fail(err, K_E_USAGE, "only the beginning of a string can be searched for, not of a %s",
                          k_type_name(last->type));
    }
    struct cursor *cursors = k_new_array(struct cursor, count);
    struct k_value *values = k_new_array(struct k_value, table->schema.count);
    k_arena_reset(&view->answer);
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < count; i++) rc = cursor_begin(view, i, table, scan, &cursors[i], err);
    uint64_t left = scan->limit ? scan->limit : UINT64_MAX;
    while (rc == 0 && left > 0) {
        uint32_t at = least(cursors, count);
        if (at == count) break;
        bool gone = false;
        rc = decode(view, at, table, cursors[at].value, &gone, values, err);
        if (rc) break;
        left -= !gone;
        if (!gone && !visit(context, values, &view->shards[at])) break;
        rc = cursor_next(view, at, &cursors[at], err);
    }
    for (uint32_t i = 0; i < count; i++) k_buf_fini(&cursors[i].to);
    free(cursors);
    free(values);
    return rc;
}
