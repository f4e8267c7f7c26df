// A serving table: rows remembered by key. Writes only; people read from the store, through the checkpoint.
//
// The family is write-only: a put overwrites what was there without looking, and leaves memory with the checkpoint.
// A value in memory is its bytes (state/table.h, row_value.h).
#include <stdlib.h>

#include "base/units.h"
#include "operators/common.h"
#include "operators/row_value.h"
#include "operators/table.h"
#include "proto/internal.pb-c.h"
#include "state/table.h"

enum { EXPIRY_BASE = 8 };

static bool plan_key(struct k_planner *planner, struct k_node *node, struct table_config *config)
{
    const Kappa__V1__Table *message = node->message;
    const struct k_edge *input = node->inputs[0];
    bool good = true;
    if (message->n_key == 0) {
        k_plan_error(planner, message, NULL, -1, K0401, "table \"%s\" has no key; add  key: \"COLUMN\"", node->name);
        return false;
    }
    config->key = k_arena_array(planner->arena, uint32_t, message->n_key);
    config->stored_key = k_arena_array(planner->arena, uint32_t, message->n_key);
    for (uint32_t i = 0; i < message->n_key; i++) {
        int32_t column = k_plan_column(planner, message, "key", (int)i, message->key[i], input, "key");
        int32_t stored = k_schema_find(&config->schema, k_str_of(message->key[i]));
        if (column >= 0 && stored < 0)
            k_plan_error(planner, message, "key", (int)i, K0406,
                         "key: \"%s\" is a system column, which tables do not keep; give it a name with  map",
                         message->key[i]);
        if (column < 0 || stored < 0) {
            good = false;
            continue;
        }
        for (uint32_t j = 0; j < config->key_count; j++) {
            if (config->key[j] != (uint32_t)column) continue;
            k_plan_error(planner, message, "key", (int)i, K0404, "key: \"%s\" is named twice", message->key[i]);
            good = false;
        }
        config->key[config->key_count] = (uint32_t)column;
        config->stored_key[config->key_count++] = (uint32_t)stored;
    }
    return good;
}

static bool key_has(const struct table_config *config, uint32_t column)
{
    for (uint32_t i = 0; i < config->key_count; i++)
        if (config->key[i] == column) return true;
    return false;
}

// Whether several rows of the input may share a key, so that the last writer wins, and that is a matter of order.
static bool is_last_writer_wins(const struct table_config *config, const struct k_edge *input)
{
    for (uint32_t i = 0; i < input->unique_count; i++) {
        bool by_end =
            (int32_t)input->unique[i] == input->window_start && key_has(config, (uint32_t)input->window_end);
        if (!key_has(config, input->unique[i]) && !by_end) return true;
    }
    if (input->unique_count > 0) return false;
    // Rows of one key that come from one partition of one source come in one order.
    return input->updating || input->source_count != 1 || !input->keyed_by_partition ||
           !key_has(config, (uint32_t)input->partition_column);
}

static void describe(struct k_planner *planner, struct k_node *node, const struct table_config *config)
{
    const struct k_edge *input = node->inputs[0];
    struct k_buf words = {0};
    k_buf_add_text(&words, "rows by key");
    for (uint32_t i = 0; i < config->key_count; i++)
        k_buf_printf(&words, "%s%s", i ? ", " : " ", input->schema.fields[config->key[i]].name);
    if (config->retention_us >= 0) {
        k_buf_add_text(&words, ", kept ");
        k_duration_print(&words, config->retention_us);
        k_buf_add_text(&words, input->window_end >= 0 ? " after their window's end" : " after their last change");
    } else {
        k_buf_add_text(&words, ", kept for ever");
    }
    // Rows that are replaced carry the time of their last change, and which one is the last is a matter of order.
    bool dated = config->retention_us >= 0 && input->updating && input->window_end < 0;
    if (dated) k_buf_add_text(&words, ", in the journal's order");
    node->journalled = dated || is_last_writer_wins(config, input);
    if (is_last_writer_wins(config, input))
        k_buf_add_text(&words, "; several rows may share a key: the last one wins, in the journal's order");
    node->state = k_arena_copy(planner->arena, words.data, words.length);
    k_buf_fini(&words);
}

static bool table_plan(struct k_planner *planner, struct k_node *node)
{
    const Kappa__V1__Table *message = node->message;
    const struct k_edge *input = node->inputs[0];
    struct table_config *config = k_arena_zeroed(planner->arena, sizeof *config);
    node->config = config;
    k_visible_columns(planner->arena, &input->schema, &config->schema, &config->columns);
    for (uint32_t i = 0; i < config->schema.count; i++) input->read[config->columns[i]] = true;
    bool good = plan_key(planner, node, config);
    config->retention_us = -1;
    good &= k_plan_duration(planner, message, "retention", message->retention, 1, &config->retention_us);
    if (!good) return false;
    if (planner->shards > 1 && input->keyed_by_partition && !key_has(config, (uint32_t)input->partition_column)) {
        k_plan_error(planner, message, "key", 0, K0209,
                     "table \"%s\": with several shards its key must contain \"%s\", by which its rows are spread",
                     node->name, input->schema.fields[input->partition_column].name);
        return false;
    }
    config->family = k_arena_format(planner->arena, "table/%s", node->name);
    node->families[0] = config->family;
    config->inline_capacity = k_row_inline_capacity(&config->schema, EXPIRY_BASE);
    config->type = k_row_value_type(&config->inline_capacity);
    describe(planner, node, config);
    return true;
}

// What a reader without the graph needs to know. Written only when it changed: an idle pipeline writes nothing.
static int write_info(struct table *table, struct k_error *err)
{
    const struct table_config *config = table->config;
    struct k_arena *arena = table->host->arena;
    Kappa__Internal__TableInfo info = KAPPA__INTERNAL__TABLE_INFO__INIT;
    info.name = (char *)table->node->name;
    info.n_column = config->schema.count;
    info.column = k_arena_array(arena, Kappa__Internal__TableInfo__Column *, config->schema.count);
    for (uint32_t i = 0; i < config->schema.count; i++) {
        Kappa__Internal__TableInfo__Column *column = info.column[i] = k_arena_get(arena, sizeof *column);
        kappa__internal__table_info__column__init(column);
        column->name = (char *)config->schema.fields[i].name;
        column->has_type = column->has_not_null = true;
        column->type = config->schema.fields[i].type;
        column->not_null = config->schema.fields[i].not_null;
    }
    info.n_key = config->key_count;
    info.key = config->stored_key;
    info.has_retention_us = config->retention_us >= 0;
    info.retention_us = config->retention_us;
    size_t size = kappa__internal__table_info__get_packed_size(&info);
    char *bytes = k_arena_get(arena, size);
    kappa__internal__table_info__pack(&info, (uint8_t *)bytes);
    struct k_str value = {bytes, (uint32_t)size}, stored;
    int code = k_state_get_meta(table->host->state, config->family, arena, &stored, err);
    if (code == 0 && !(stored.data && k_str_equal(stored, value)))
        k_state_put_meta(table->host->state, config->family, value);
    return code;
}

static int table_open(void *instance, const struct k_node *node, struct k_host *host, struct k_error *err)
{
    struct table *table = instance;
    table->host = host;
    table->node = node;
    table->config = node->config;
    int code =
        k_state_family(host->state, table->config->family, &table->config->type,
                              &table->config->inline_capacity, &table->family, err);
    if (code) return code;
    k_family_write_only(table->family);
    return write_info(table, err);
}

// The rows whose key can be stored. What is taken back with a NULL key was never put.
static int drop_null_keys(struct table *table, const struct k_batch *batch, const struct k_column *const *key,
                          const uint32_t **ret_selection, uint32_t *ret_selected, struct k_error *err)
{
    const struct table_config *config = table->config;
    struct k_host *host = table->host;
    bool may_be_null = false;
    for (uint32_t c = 0; c < config->key_count; c++) may_be_null |= key[c]->valid != NULL;
    *ret_selection = batch->selection;
    *ret_selected = batch->selected;
    if (!may_be_null) return 0;
    uint32_t *kept = k_arena_array(batch->arena, uint32_t, batch->selected), count = 0;
    for (uint32_t i = 0; i < batch->selected; i++) {
        uint32_t row = batch->selection[i], c = 0;
        while (c < config->key_count && !k_column_null(key[c], row)) c++;
        if (c == config->key_count) {
            kept[count++] = row;
            continue;
        }
        if (batch->weight && batch->weight[row] < 0) {
            host->counters->dropped++;
            continue;
        }
        const char *text = k_arena_format(batch->arena, "\"%s\" is NULL, and it is part of the key of table \"%s\"",
                                          config->schema.fields[config->stored_key[c]].name, table->node->name);
        int code = host->ops->fail(host, batch, row, "null_key", text, err);
        if (code) return code;
    }
    *ret_selection = kept;
    *ret_selected = count;
    return 0;
}

static int put_rows(struct table *table, const struct k_batch *batch, const struct k_column *const *columns,
                    const uint32_t *rows, const struct k_str *keys, uint32_t count, struct k_error *err)
{
    if (count == 0) return 0;
    const struct table_config *config = table->config;
    int32_t window_end = table->node->inputs[0]->window_end;
    void **values = k_arena_array(batch->arena, void *, count);
    int code = k_family_find(table->family, K_FIND_BLIND, count, NULL, keys, values, NULL, err);
    if (code) return code;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = rows[i];
        k_buf_clear(&table->row);
        int64_t base_us = window_end >= 0 ? batch->columns[window_end].i[row] : batch->time[row];
        k_table_row_encode(&table->row, base_us, columns, config->schema.count, row);
        k_row_value_set(values[i], k_buf_str(&table->row), config->inline_capacity);
        k_family_dirty(table->family, values[i]);
    }
    return 0;
}

// In the order of the rows: runs of puts at once, removals between them. A removal that the very next row makes good is
// no removal.
static int apply(struct table *table, const struct k_batch *batch, const struct k_column *const *columns,
                 const uint32_t *selection, uint32_t selected, struct k_str *keys, struct k_error *err)
{
    uint32_t *rows = k_arena_array(batch->arena, uint32_t, selected);
    uint32_t pending = 0;
    for (uint32_t i = 0; i < selected; i++) {
        if (batch->weight && batch->weight[selection[i]] < 0) {
            bool replaced =
                i + 1 < selected && batch->weight[selection[i + 1]] > 0 && k_str_equal(keys[i], keys[i + 1]);
            if (replaced) continue;
            int code = put_rows(table, batch, columns, rows, keys, pending, err);
            if (code == 0) code = k_family_remove(table->family, 0, keys[i], err);
            if (code) return code;
            pending = 0;
            continue;
        }
        rows[pending] = selection[i];
        keys[pending++] = keys[i]; // never ahead of what is read
    }
    return put_rows(table, batch, columns, rows, keys, pending, err);
}

static int table_on_batch(void *instance, uint32_t port, const struct k_batch *batch, struct k_error *err)
{
    (void)port;
    struct table *table = instance;
    const struct table_config *config = table->config;
    const struct k_column **key = k_arena_array(batch->arena, const struct k_column *, config->key_count);
    const struct k_column **columns = k_arena_array(batch->arena, const struct k_column *, config->schema.count);
    for (uint32_t c = 0; c < config->key_count; c++) key[c] = &batch->columns[config->key[c]];
    for (uint32_t c = 0; c < config->schema.count; c++) columns[c] = &batch->columns[config->columns[c]];
    const uint32_t *selection;
    uint32_t selected;
    int code = drop_null_keys(table, batch, key, &selection, &selected, err);
    if (code) return code;
    struct k_str *keys = k_arena_array(batch->arena, struct k_str, selected);
    k_keys_of_rows(key, config->key_count, selection, selected, batch->arena, keys);
    code = apply(table, batch, columns, selection, selected, keys, err);
    if (code) return code;
    table->host->counters->processed += selected;
    return 0;
}

// Expired rows are invisible already: sweeping them away is nothing that anyone could see, or the journal must know.
static int table_tidy(void *instance, int64_t frontier_us, struct k_error *err)
{
    struct table *table = instance;
    uint32_t removed;
    return k_state_sweep(table->family, frontier_us, table->config->retention_us, K_BATCH_ROWS, &removed, err);
}

static void table_close(void *instance)
{
    struct table *table = instance;
    k_buf_fini(&table->row);
}

const struct k_operator k_operator_table = {
    .name = "table",
    .doc = "Remembers rows by key, to be looked up and scanned.",
    .plan = table_plan,
    .instance_size = sizeof(struct table),
    .open = table_open,
    .on_batch = table_on_batch,
    .tidy = table_tidy,
    .close = table_close,
};
