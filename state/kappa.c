// libkappa: the public face of the reader. Converts names, types and lifetimes; all the reading is in reader*.c.
#include "state/kappa.h"

#include <stdlib.h>

#include "state/reader.h"

struct kappa_reader {
    char *state_dir, *graph, *generation;
    bool opened;                   // once
    bool scanning;                 // its rows are being visited
    struct k_state_reader *reader; // NULL: to be opened anew
    struct k_view *view;           // of the last call that read: what was handed out lives in it
    struct k_arena arena;
    struct kappa_answer answer;
    struct k_error error;
};

static int result_of(int code)
{
    switch (code) {
    case 0: return KAPPA_OK;
    case K_E_NOT_FOUND: return KAPPA_NOT_FOUND;
    case K_E_USAGE: return KAPPA_USAGE;
    case K_E_CORRUPT: return KAPPA_CORRUPT;
    case K_E_UNAVAILABLE: return KAPPA_UNAVAILABLE;
    default: return KAPPA_IO;
    }
}

static int open_shards(kappa_reader *reader)
{
    struct k_reader_options options = {
        .state_dir = reader->state_dir, .graph = reader->graph, .generation = reader->generation};
    return k_reader_open(&options, &reader->reader, &reader->error);
}

static void close_shards(kappa_reader *reader)
{
    k_view_close(reader->view);
    k_reader_close(reader->reader);
    reader->view = NULL;
    reader->reader = NULL;
}

int kappa_open(const char *state_dir, const char *graph, const char *generation, kappa_reader **ret_reader)
{
    kappa_reader *reader = *ret_reader = k_new(struct kappa_reader);
    k_arena_init(&reader->arena);
    reader->state_dir = k_strdup(state_dir);
    reader->graph = graph ? k_strdup(graph) : NULL;
    reader->generation = generation ? k_strdup(generation) : NULL;
    int rc = open_shards(reader);
    reader->opened = rc == 0;
    return result_of(rc);
}

void kappa_close(kappa_reader *reader)
{
    if (!reader) return;
    close_shards(reader);
    k_arena_fini(&reader->arena);
    free(reader->state_dir);
    free(reader->graph);
    free(reader->generation);
    free(reader);
}

const char *kappa_error(const kappa_reader *reader) { return reader->error.text; }

const struct kappa_answer *kappa_last_answer(const kappa_reader *reader) { return &reader->answer; }

// A new view in the place of the last one, which all that was handed out before depended on. To open one costs several
// times what a lookup does, so the last one stays while nothing was written. A reader of the live generation goes over
// to the next one.
static int look(kappa_reader *reader)
{
    if (reader->scanning) return k_fail(&reader->error, K_E_USAGE, "the reader is scanning, and asked by a row of it");
    reader->answer = (struct kappa_answer){0};
    k_arena_reset(&reader->arena);
    if (!reader->opened) return k_fail(&reader->error, K_E_USAGE, "the reader is not open");
    if (reader->reader && k_reader_is_past(reader->reader)) close_shards(reader);
    bool moved = true;
    int rc = reader->reader ? 0 : open_shards(reader);
    if (rc) return rc;
    rc = reader->view ? k_view_moved(reader->view, &moved, &reader->error) : 0;
    if (rc || moved) {
        k_view_close(reader->view);
        reader->view = NULL;
        if (rc == 0) rc = k_view_open(reader->reader, &reader->view, &reader->error);
    }
    if (rc) return rc;
    uint32_t count, total;
    const struct k_shard_view *shards = k_view_shards(reader->view, &count, &total);
    struct kappa_shard *out = k_arena_array(&reader->arena, struct kappa_shard, count);
    for (uint32_t i = 0; i < count; i++)
        out[i] = (struct kappa_shard){shards[i].shard, shards[i].generation, shards[i].journal_offset,
                                      shards[i].frontier_us, shards[i].taken_us};
    reader->answer = (struct kappa_answer){out, count, total};
    return 0;
}

static void describe(kappa_reader *reader, const struct k_table_info *table, struct kappa_table *out)
{
    struct kappa_column *columns = k_arena_array(&reader->arena, struct kappa_column, table->schema.count);
    for (uint32_t i = 0; i < table->schema.count; i++) {
        const struct k_field *field = &table->schema.fields[i];
        columns[i] = (struct kappa_column){field->name, (enum kappa_type)field->type, field->not_null};
    }
    size_t *key = k_arena_array(&reader->arena, size_t, table->key_count);
    for (uint32_t i = 0; i < table->key_count; i++) key[i] = table->key[i];
    *out = (struct kappa_table){table->name, columns, table->schema.count, key, table->key_count, table->retention_us};
}

static void convert(const struct k_value *values, uint32_t count, struct kappa_value *out)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct k_value *value = &values[i];
        out[i] = (struct kappa_value){.type = (enum kappa_type)value->type, .is_null = value->null};
        if (value->null) continue;
        switch (value->type) {
        case K_BOOL: out[i].as.boolean = value->b; break;
        case K_INT64:
        case K_TIMESTAMP: out[i].as.integer = value->i; break;
        case K_DOUBLE: out[i].as.real = value->d; break;
        default:
            out[i].as.text.data = value->s.data;
            out[i].as.text.length = value->s.length;
            break;
        }
    }
}

int kappa_tables(kappa_reader *reader, const struct kappa_table **ret_tables, size_t *ret_count)
{
    const struct k_table_info *const *tables;
    uint32_t count;
    int rc = look(reader);
    if (rc == 0) rc = k_view_tables(reader->view, &tables, &count, &reader->error);
    if (rc) return result_of(rc);
    struct kappa_table *out = k_arena_array(&reader->arena, struct kappa_table, count);
    for (uint32_t i = 0; i < count; i++) describe(reader, tables[i], &out[i]);
    *ret_tables = out;
    *ret_count = count;
    return KAPPA_OK;
}

static int parse_key(kappa_reader *reader, const struct k_table_info *table, const char *const *texts, size_t count,
                     const struct k_value **ret_values)
{
    struct k_value *values = k_arena_array(&reader->arena, struct k_value, table->key_count);
    *ret_values = values;
    uint32_t bounded = count > UINT32_MAX ? UINT32_MAX : (uint32_t)count;
    return k_view_key(table, texts, bounded, &reader->arena, values, &reader->error);
}

int kappa_get(kappa_reader *reader, const char *table, const char *const *key, size_t key_count,
              const struct kappa_table **ret_table, const struct kappa_value **ret_values)
{
    const struct k_table_info *info = NULL;
    const struct k_value *parsed = NULL;
    int rc = look(reader);
    if (rc == 0) rc = k_view_table(reader->view, table, &info, &reader->error);
    if (rc == 0) rc = parse_key(reader, info, key, key_count, &parsed);
    if (rc == 0 && key_count != info->key_count)
        rc = k_fail(&reader->error, K_E_USAGE, "the key of table \"%s\" has %u columns, not %zu", info->name,
                    info->key_count, key_count);
    if (rc) return result_of(rc);
    struct k_value *values = k_arena_array(&reader->arena, struct k_value, info->schema.count);
    bool found;
    rc = k_view_get(reader->view, info, parsed, &found, values, &reader->error);
    if (rc == 0 && !found) rc = k_fail(&reader->error, K_E_NOT_FOUND, "table \"%s\" has no such row", info->name);
    if (rc) return result_of(rc);
    struct kappa_table *described = k_arena_get(&reader->arena, sizeof *described);
    struct kappa_value *out = k_arena_array(&reader->arena, struct kappa_value, info->schema.count);
    describe(reader, info, described);
    convert(values, info->schema.count, out);
    *ret_table = described;
    *ret_values = out;
    return KAPPA_OK;
}

struct scanning {
    const struct kappa_table *table;
    struct kappa_value *values;
    kappa_row row;
    void *context;
};

static bool visit(void *context, const struct k_value *values, const struct k_shard_view *shard)
{
    (void)shard;
    struct scanning *scanning = context;
    convert(values, (uint32_t)scanning->table->column_count, scanning->values);
    return scanning->row(scanning->context, scanning->table, scanning->values) != 0;
}

static int parse_range(kappa_reader *reader, const struct k_table_info *table, const struct kappa_range *range,
                       struct k_scan *ret_scan)
{
    struct k_scan scan = {.prefix_begins = range->prefix_begins != 0, .limit = range->limit};
    int rc = parse_key(reader, table, range->prefix, range->prefix_count, &scan.prefix);
    if (rc == 0) rc = parse_key(reader, table, range->from, range->from_count, &scan.from);
    if (rc == 0) rc = parse_key(reader, table, range->to, range->to_count, &scan.to);
    if (rc) return rc;
    scan.prefix_count = (uint32_t)range->prefix_count;
    scan.from_count = (uint32_t)range->from_count;
    scan.to_count = (uint32_t)range->to_count;
    *ret_scan = scan;
    return 0;
}

int kappa_scan(kappa_reader *reader, const char *table, const struct kappa_range *range, kappa_row row, void *context)
{
    const struct k_table_info *info = NULL;
    struct k_scan scan = {0};
    int rc = look(reader);
    if (rc == 0) rc = k_view_table(reader->view, table, &info, &reader->error);
    if (rc == 0 && range) rc = parse_range(reader, info, range, &scan);
    if (rc) return result_of(rc);
    struct kappa_table described;
    describe(reader, info, &described);
    struct scanning scanning = {.table = &described, .row = row, .context = context};
    scanning.values = k_arena_array(&reader->arena, struct kappa_value, info->schema.count);
    reader->scanning = true;
    rc = k_view_scan(reader->view, info, &scan, visit, &scanning, &reader->error);
    reader->scanning = false;
    return result_of(rc);
}
