// The rows of a serving table as lines, read from a store and through a view.
#include "state/reader.h"
#include "tests/sim/readers.h"

#include "base/json_out.h"
#include "state/table.h"

static Kappa__Internal__TableInfo *table_info(struct k_store *store, const char *table, struct k_arena *arena,
                                              uint32_t *ret_family)
{
    char *keys[2] = {k_arena_format(arena, "%ctable/%s", 0, table),
                     k_arena_format(arena, "%cfamily/table/%s", 0, table)};
    struct k_str names[2] = {{keys[0], (uint32_t)strlen(table) + 7}, {keys[1], (uint32_t)strlen(table) + 14}},
                 values[2];
    struct k_error err;
    if (store->ops->get(store, 2, names, arena, values, &err) || !values[0].data || values[1].length != 4)
        return NULL;
    memcpy(ret_family, values[1].data, 4); // big-endian, as it is in keys
    return kappa__internal__table_info__unpack(NULL, values[0].length, (const uint8_t *)values[0].data);
}

static void row_add(struct k_buf *text, bool first, const char *name, const struct k_value *value)
{
    k_buf_add_char(text, first ? '{' : ',');
    k_json_string(text, k_str_of(name));
    k_buf_add_char(text, ':');
    k_value_json(text, value);
}

void rows_of_store(struct world *w, struct k_store *store, const char *table, int64_t frontier_us,
                   struct lines *lines)
{
    struct k_arena arena;
    struct k_error err = {0};
    uint32_t family;
    k_arena_init(&arena);
    Kappa__Internal__TableInfo *info = table_info(store, table, &arena, &family);
    if (!info) {
        k_arena_fini(&arena); // never written: an empty table
        return;
    }
    char from[5] = {1}, to[6] = {1};
    memcpy(from + 1, &family, 4);
    memcpy(to + 1, &family, 4);
    memset(to + 5, 0xFF, 1);
    struct k_store_iterator *iterator;
    struct k_str key, bytes, upper = {to, 6};
    struct k_value values[64];
    struct k_buf text = {0};
    K_ASSERT(info->n_column <= 64);
    int code = store->ops->iterate(store, (struct k_str){from, 5}, upper, &iterator, &err);
    while (!code && store->ops->next(iterator, &key, &bytes, &err)) {
        int64_t base_us;
        code = k_table_row_decode(bytes, (uint32_t)info->n_column, &base_us, values, &err);
        for (size_t i = 0; i < info->n_column; i++) values[i].type = (enum k_type)info->column[i]->type;
        bool expired = k_table_row_expired(base_us, info->has_retention_us ? info->retention_us : -1, frontier_us);
        if (code || expired) continue;
        for (size_t i = 0; i < info->n_column; i++) row_add(&text, i == 0, info->column[i]->name, &values[i]);
        k_buf_add_char(&text, '}');
        lines_add(lines, &text);
    }
    if (code || err.code) world_fail(w, "table %s cannot be read: %s", table, err.text);
    store->ops->iterate_end(iterator);
    kappa__internal__table_info__free_unpacked(info, NULL);
    k_buf_fini(&text);
    k_arena_fini(&arena);
}

struct visit {
    const struct k_table_info *table;
    struct lines *lines;
    struct k_buf text;
};

static bool visit_row(void *context, const struct k_value *values, const struct k_shard_view *shard)
{
    (void)shard;
    struct visit *visit = context;
    const struct k_schema *schema = &visit->table->schema;
    for (uint32_t i = 0; i < schema->count; i++) row_add(&visit->text, i == 0, schema->fields[i].name, &values[i]);
    k_buf_add_char(&visit->text, '}');
    lines_add(visit->lines, &visit->text);
    return true;
}

void rows_of_view(struct world *w, struct k_view *view, const char *table, struct lines *lines)
{
    struct visit visit = {.lines = lines};
    struct k_scan all = {0};
    struct k_error err = {0};
    int code = k_view_table(view, table, &visit.table, &err);
    if (code == K_E_NOT_FOUND) return; // never written
    if (!code) code = k_view_scan(view, visit.table, &all, visit_row, &visit, &err);
    if (code) world_fail(w, "a reader cannot read table %s: %s", table, err.text);
    k_buf_fini(&visit.text);
}
