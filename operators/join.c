// Stream and table: each row of the stream gets what the table says at its event time.
//
// Both inputs go into the sorter as they come. When the frontier has passed them they are taken in order: a row of the
// table changes the state, a row of the stream looks there and comes out.
#include "operators/join.h"
#include "operators/plant.h"
#include "state/encoding.h"

enum {
    SLICE = 1024,
    SIDE_TABLE = 0, // of two rows with one event time, the table's comes first
    SIDE_STREAM = 1,
    SIDE_TABLE_LAST = 2, // of a planted bug
};

struct join {
    struct k_host *host;
    const struct k_node *node;
    const struct k_join_config *config;
    struct k_sorter sorter;
    struct k_family *table;
    struct k_arena arena; // of a slice of frontier work
    struct k_buf scratch;
};

static int join_open(void *instance, const struct k_node *node, struct k_host *host, struct k_error *err)
{
    struct join *join = instance;
    const struct k_join_config *config = node->config;
    join->host = host;
    join->node = node;
    join->config = config;
    k_arena_init(&join->arena);
    int code = k_sorter_open(&join->sorter, host->state, config->sort_family, err);
    if (code) return code;
    return k_state_family(host->state, config->table_family, &config->type, &config->inline_capacity, &join->table,
                          err);
}

// What the stream looks up, by row, and the rows of which that could be computed.
static int look_up_key(struct join *join, const struct k_batch *batch, struct k_column *ret_key,
                       const uint32_t **ret_rows, uint32_t *ret_count, struct k_error *err)
{
    const struct k_join_config *config = join->config;
    struct k_column *columns = k_arena_zeroed(batch->arena, config->both.count * sizeof *columns);
    for (uint32_t i = 0; i < config->both.count; i++)
        if (i < config->first[K_JOIN_TABLE]) columns[i] = batch->columns[i];
        else columns[i].type = config->both.fields[i].type;
    struct k_batch both = *batch;
    both.schema = &config->both;
    both.columns = columns;
    struct k_expr_errors errors = {0};
    *ret_key = k_expr_eval(config->key, &both, batch->selection, batch->selected, &errors);
    return k_drop_failed(join->host, join->node->on_error, batch, &errors, ret_rows, ret_count, err);
}

// Rows that are not late, and that can come to something. Of the table, tombstones without a key have failed before.
static int sort_out(struct join *join, uint32_t port, const struct k_batch *batch, const struct k_column *key,
                    uint32_t *rows, uint32_t *count, struct k_error *err)
{
    struct k_host *host = join->host;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < *count; i++) {
        uint32_t row = rows[i];
        if (k_sorter_late(batch, row)) {
            int code = host->ops->late(host, batch, row, join->config->late_topic, err);
            if (code) return code;
        } else if (port == K_JOIN_STREAM && !join->config->left && k_column_null(key, row)) {
            host->counters->filtered++; // NULL equals nothing
        } else {
            rows[kept++] = row;
        }
    }
    host->counters->processed += kept;
    *count = kept;
    return 0;
}

static int join_on_batch(void *instance, uint32_t port, const struct k_batch *batch, struct k_error *err)
{
    struct join *join = instance;
    const struct k_join_config *config = join->config;
    struct k_column key = port == K_JOIN_TABLE ? batch->columns[config->table_key] : (struct k_column){0};
    const uint32_t *selection = batch->selection;
    uint32_t count = batch->selected, used = 0;
    int code = port == K_JOIN_STREAM ? look_up_key(join, batch, &key, &selection, &count, err) : 0;
    if (code) return code;
    uint32_t *rows = k_arena_array(batch->arena, uint32_t, count + 1);
    memcpy(rows, selection, count * sizeof *rows);
    code = sort_out(join, port, batch, &key, rows, &count, err);
    if (code) return code;
    const struct k_column **columns =
        k_arena_array(batch->arena, const struct k_column *, config->kept_count[port] + 2);
    columns[used++] = &key;
    if (port == K_JOIN_TABLE) columns[used++] = &batch->columns[config->tombstone];
    for (uint32_t i = 0; i < config->kept_count[port]; i++) columns[used++] = &batch->columns[config->kept[port][i]];
    struct k_str *bytes = k_arena_array(batch->arena, struct k_str, count + 1);
    for (uint32_t i = 0; i < count; i++) {
        k_buf_clear(&join->scratch);
        k_row_encode(&join->scratch, columns, used, rows[i]);
        bytes[i].length = (uint32_t)join->scratch.length;
        bytes[i].data = k_arena_copy(batch->arena, join->scratch.data, join->scratch.length);
    }
    uint8_t table = K_OPERATOR_PLANT(join_stream_first) ? SIDE_TABLE_LAST : SIDE_TABLE;
    return k_sorter_add(&join->sorter, port == K_JOIN_TABLE ? table : SIDE_STREAM, batch, rows, bytes, count, err);
}

static struct k_str key_of(struct join *join, const struct k_value *value)
{
    k_buf_clear(&join->scratch);
    k_key_add_value(&join->scratch, value);
    return (struct k_str){k_arena_copy(&join->arena, join->scratch.data, join->scratch.length),
                          (uint32_t)join->scratch.length};
}

// Rows of the table, in order.
static int change_table(struct join *join, const struct k_sorted *rows, uint32_t count, struct k_error *err)
{
    const struct k_join_config *config = join->config;
    uint32_t kept = config->kept_count[K_JOIN_TABLE];
    struct k_value *values = k_arena_array(&join->arena, struct k_value, kept + 2);
    for (uint32_t i = 0; i < count; i++) {
        int code = k_row_decode(rows[i].bytes, kept + 2, values, err);
        if (code) return code;
        struct k_str key = key_of(join, &values[0]);
        if (values[1].b) {
            if (K_OPERATOR_PLANT(join_keeps_removed)) continue;
            code = k_family_remove(join->table, 0, key, err);
            if (code) return code;
            continue;
        }
        void *value;
        code = k_family_find(join->table, K_FIND_BLIND, 1, NULL, &key, &value, NULL, err);
        if (code) return code;
        k_buf_clear(&join->scratch);
        k_buf_add_varint(&join->scratch, kept);
        for (uint32_t k = 0; k < kept; k++) k_row_add_value(&join->scratch, &values[2 + k]);
        k_row_value_set(value, k_buf_str(&join->scratch), config->inline_capacity);
        k_family_dirty(join->table, value);
    }
    return 0;
}

// Rows of the stream on their way out.
struct matching {
    struct k_made *both; // of the columns that are kept, by their place in `both`
    int64_t *time;
    uint32_t rows;
};

static void start(struct join *join, struct matching *m)
{
    const struct k_join_config *config = join->config;
    *m = (struct matching){.both = k_arena_zeroed(&join->arena, config->both.count * sizeof(struct k_made)),
                           .time = k_arena_array(&join->arena, int64_t, SLICE)};
    for (uint32_t port = 0; port < K_JOIN_INPUTS; port++)
        for (uint32_t k = 0; k < config->kept_count[port]; k++) {
            uint32_t column = config->first[port] + config->kept[port][k];
            k_made_init(&m->both[column], config->both.fields[column].type, SLICE, &join->arena);
        }
}

static int emit(struct join *join, struct matching *m, struct k_error *err)
{
    if (m->rows == 0) return 0;
    const struct k_join_config *config = join->config;
    struct k_host *host = join->host;
    struct k_column *both = k_arena_zeroed(&join->arena, config->both.count * sizeof *both);
    for (uint32_t i = 0; i < config->both.count; i++)
        if (m->both[i].data) both[i] = k_made_column(&m->both[i]);
        else both[i].type = config->both.fields[i].type;
    const uint32_t *all = k_all_rows(&join->arena, m->rows);
    struct k_batch inner = {.schema = &config->both,
                            .columns = both,
                            .rows = m->rows,
                            .selection = all,
                            .selected = m->rows,
                            .time = m->time,
                            .arena = &join->arena};
    struct k_expr_errors errors = {0};
    struct k_column *columns = k_arena_array(&join->arena, struct k_column, config->output_count);
    for (uint32_t i = 0; i < config->output_count; i++) {
        const struct k_join_output *output = &config->outputs[i];
        columns[i] = output->expr ? k_expr_eval(output->expr, &inner, all, m->rows, &errors) : both[output->column];
    }
    struct k_batch out = inner;
    out.schema = &join->node->outputs[0].schema;
    out.columns = columns;
    uint64_t failed_before = host->counters->dropped + host->counters->dead_lettered;
    int code = k_drop_failed(host, join->node->on_error, &out, &errors, &out.selection, &out.selected, err);
    if (code) return code;
    // What fails now was counted when it came in; it is counted in again, so that each row in ends as one thing.
    host->counters->in += host->counters->dropped + host->counters->dead_lettered - failed_before;
    return out.selected ? host->ops->emit(host, 0, &out, err) : 0;
}

static void put(const struct join *join, struct matching *m, uint32_t port, const struct k_value *values)
{
    const struct k_join_config *config = join->config;
    for (uint32_t k = 0; k < config->kept_count[port]; k++) {
        struct k_made *made = &m->both[config->first[port] + config->kept[port][k]];
        if (!values || values[k].null) k_made_null(made, m->rows);
        else k_made_value(made, m->rows, &values[k]);
    }
}

// One entry of the sorter, as often as it came; values of its own columns, and of the table's or NULL.
static int give(struct join *join, struct matching *m, const struct k_sorted *entry, const struct k_value *own,
                const struct k_value *table, struct k_error *err)
{
    for (uint64_t t = 0; t < entry->times; t++) {
        if (m->rows == SLICE) {
            int code = emit(join, m, err);
            if (code) return code;
            start(join, m);
        }
        put(join, m, K_JOIN_STREAM, own);
        put(join, m, K_JOIN_TABLE, table);
        m->time[m->rows++] = entry->time_us;
    }
    return 0;
}

// Rows of the stream, in order.
static int match(struct join *join, const struct k_sorted *rows, uint32_t count, struct k_error *err)
{
    const struct k_join_config *config = join->config;
    struct k_arena *arena = &join->arena;
    uint32_t width = config->kept_count[K_JOIN_STREAM] + 1, of_table = config->kept_count[K_JOIN_TABLE], looked = 0;
    struct k_value *values = k_arena_array(arena, struct k_value, (size_t)count * width);
    struct k_value *table = k_arena_array(arena, struct k_value, of_table + 1);
    struct k_str *keys = k_arena_array(arena, struct k_str, count);
    void **found = k_arena_array(arena, void *, count);
    for (uint32_t i = 0; i < count; i++) {
        struct k_value *own = values + (size_t)i * width;
        int code = k_row_decode(rows[i].bytes, width, own, err);
        if (code) return code;
        if (!own[0].null) keys[looked++] = key_of(join, &own[0]);
    }
    int code = looked ? k_family_find(join->table, K_FIND, looked, NULL, keys, found, NULL, err) : 0;
    if (code) return code;
    struct matching m;
    start(join, &m);
    looked = 0;
    for (uint32_t i = 0; i < count && code == 0; i++) {
        const struct k_value *own = values + (size_t)i * width;
        const struct k_row_value *match = own[0].null ? NULL : found[looked++];
        if (!match && !config->left) continue;
        if (K_OPERATOR_PLANT(join_null_key) && own[0].null) continue;
        if (match) code = k_row_decode(k_row_value_bytes(match), of_table, table, err);
        if (code == 0) code = give(join, &m, &rows[i], own + 1, match ? table : NULL, err);
    }
    return code ? code : emit(join, &m, err);
}

static int join_on_frontier(void *instance, int64_t frontier_us, uint64_t max, uint64_t *ret_done,
                            struct k_error *err)
{
    struct join *join = instance;
    *ret_done = 0;
    while (*ret_done < max) {
        uint32_t some = max - *ret_done < SLICE ? (uint32_t)(max - *ret_done) : SLICE, count = 0;
        k_arena_reset(&join->arena);
        struct k_sorted *rows = k_arena_array(&join->arena, struct k_sorted, some);
        int code = k_sorter_take(&join->sorter, frontier_us, some, &join->arena, rows, &count, err);
        for (uint32_t i = 0; K_OPERATOR_PLANT(join_ahead) && i < count && code == 0; i++)
            if (rows[i].side == SIDE_TABLE) code = change_table(join, rows + i, 1, err);
        for (uint32_t at = 0, end; at < count && code == 0; at = end) {
            end = at + 1;
            while (end < count && rows[end].side == rows[at].side) end++;
            code = rows[at].side == SIDE_STREAM ? match(join, rows + at, end - at, err)
                                                : change_table(join, rows + at, end - at, err);
        }
        if (code) return code;
        *ret_done += count;
        if (count < some) return 0;
    }
    return 0;
}

static int join_next_frontier(void *instance, int64_t *ret_us, struct k_error *err)
{
    return k_sorter_next(&((struct join *)instance)->sorter, ret_us, err);
}

static void join_close(void *instance)
{
    struct join *join = instance;
    k_arena_fini(&join->arena);
    k_buf_fini(&join->scratch);
}

const struct k_operator k_operator_join = {
    .name = "join",
    .inputs_min = K_JOIN_INPUTS,
    .inputs_max = K_JOIN_INPUTS,
    .doc = "Adds to each row of a stream what a table says at the row's event time.",
    .plan = k_join_plan,
    .instance_size = sizeof(struct join),
    .open = join_open,
    .on_batch = join_on_batch,
    .on_frontier = join_on_frontier,
    .next_frontier = join_next_frontier,
    .close = join_close,
};
