// The rows of a table as they are now, for whoever has to tell them once more.
#include "operators/row_value.h"
#include "operators/table.h"
#include "state/table.h"

// The event time that the row had when it came: its expiry base is the end of its window, or that time.
static int64_t time_of(const struct table *table, int64_t base_us)
{
    if (table->node->inputs[0]->window_end < 0 || base_us == INT64_MIN) return base_us;
    return base_us - 1;
}

// Every cell is NULL until then.
static void put(struct k_made *made, uint32_t row, const struct k_value *value)
{
    if (value->null) return;
    made->valid[row] = 1;
    k_made_value(made, row, value);
}

static int put_present(const struct table *table, struct k_str bytes, uint32_t row, struct k_made *made,
                       struct k_arena *arena, struct k_error *err)
{
    const struct table_config *config = table->config;
    int64_t base_us;
    struct k_value *values = k_arena_array(arena, struct k_value, config->schema.count);
    int code = k_table_row_decode(bytes, config->schema.count, &base_us, values, err);
    for (uint32_t c = 0; c < config->schema.count && !code; c++) put(&made[config->columns[c]], row, &values[c]);
    return code;
}

static int put_key(const struct table *table, struct k_str key, uint32_t row, struct k_made *made,
                   struct k_arena *arena, struct k_error *err)
{
    const struct table_config *config = table->config;
    struct k_value *values = k_arena_array(arena, struct k_value, config->key_count);
    size_t used;
    int code = k_key_decode(key, config->key_count, arena, values, &used, err);
    for (uint32_t c = 0; c < config->key_count && !code; c++) {
        const struct k_field *field = &table->node->inputs[0]->schema.fields[config->key[c]];
        if (!values[c].null && values[c].type != field->type)
            return k_fail(err, K_E_CORRUPT, "a key of table \"%s\" has a %s where its column is a %s",
                          table->node->name, k_type_name(values[c].type), k_type_name(field->type));
        put(&made[config->key[c]], row, &values[c]);
    }
    return code;
}

int k_table_find(struct table *table, const struct k_str *keys, uint32_t count, struct k_arena *arena,
                 struct k_str *ret_rows, struct k_error *err)
{
    void **values = k_arena_array(arena, void *, count);
    int code = k_family_find(table->family, K_FIND, count, NULL, keys, values, NULL, err);
    for (uint32_t i = 0; i < count && !code; i++)
        ret_rows[i] = values[i] ? k_row_value_bytes(values[i]) : (struct k_str){NULL, 0};
    return code;
}

static int put_row(const struct table *table, struct k_str key, struct k_str bytes, uint32_t row, int64_t frontier_us,
                   struct k_made *made, int8_t *ret_weight, int64_t *ret_time, struct k_arena *arena,
                   struct k_error *err)
{
    int64_t base_us = INT64_MIN;
    int code = bytes.data ? k_table_row_decode(bytes, 0, &base_us, NULL, err) : 0;
    if (code) return code;
    bool gone = !bytes.data || k_table_row_expired(base_us, table->config->retention_us, frontier_us);
    *ret_weight = gone ? -1 : 1;
    *ret_time = gone ? -1 : time_of(table, base_us);
    return gone ? put_key(table, key, row, made, arena, err) : put_present(table, bytes, row, made, arena, err);
}

int k_table_rows(const struct table *table, const struct k_str *keys, const struct k_str *rows, uint32_t count,
                 int64_t frontier_us, struct k_arena *arena, struct k_batch *ret, struct k_error *err)
{
    K_ASSERT(count <= K_BATCH_ROWS);
    const struct k_schema *schema = &table->node->inputs[0]->schema;
    struct k_made *made = k_arena_array(arena, struct k_made, schema->count);
    struct k_column *columns = k_arena_array(arena, struct k_column, schema->count);
    int64_t *times = k_arena_array(arena, int64_t, count);
    int8_t *weights = k_arena_array(arena, int8_t, count);
    for (uint32_t c = 0; c < schema->count; c++) {
        k_made_init(&made[c], schema->fields[c].type, count, arena);
        for (uint32_t i = 0; i < count; i++) k_made_null(&made[c], i);
    }
    int code = 0;
    for (uint32_t i = 0; i < count && !code; i++)
        code = put_row(table, keys[i], rows[i], i, frontier_us, made, &weights[i], &times[i], arena, err);
    for (uint32_t c = 0; c < schema->count; c++) columns[c] = k_made_column(&made[c]);
    *ret = (struct k_batch){.schema = schema,
                            .columns = columns,
                            .rows = count,
                            .selection = k_all_rows(arena, count),
                            .selected = count,
                            .time = times,
                            .weight = weights,
                            .arena = arena};
    return code;
}
