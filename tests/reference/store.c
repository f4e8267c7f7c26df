// Where rows end: tables and sinks.
#include <stdlib.h>

#include "base/units.h"
#include "tests/reference/inside.h"

static int read_key(struct reference *r, struct node *node, char *const *names, size_t count, struct k_error *err)
{
    struct store *store = node->store;
    store->key = k_arena_array(&r->arena, uint32_t, count);
    store->key_count = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        int32_t column = find_column(node->input, names[i]);
        if (column < 0) return k_fail(err, K_E_CONFIG, "there is no column \"%s\" for the key", names[i]);
        store->key[i] = (uint32_t)column;
        node->input->read[column] = true;
    }
    return 0;
}

static void new_store(struct reference *r, struct node *node)
{
    struct store *store = node->store = k_arena_zeroed(&r->arena, sizeof *store);
    store->visible = k_arena_array(&r->arena, uint32_t, node->input->count);
    for (uint32_t i = 0; i < node->input->count; i++) {
        if (node->input->columns[i].hidden) continue;
        store->visible[store->visible_count++] = i;
        node->input->read[i] = true;
    }
    store->map = (struct map){.arena = &r->arena, .value_size = sizeof(struct stored)};
    store->retention = -1;
}

int build_table(struct reference *r, struct node *node, const Kappa__V1__Table *message, struct k_error *err)
{
    new_store(r, node);
    int code = need_duration(message->retention, &node->store->retention, err);
    return code ? code : read_key(r, node, message->key, message->n_key, err);
}

int build_sink(struct reference *r, struct node *node, const Kappa__V1__Sink *message, struct k_error *err)
{
    new_store(r, node);
    struct store *store = node->store;
    if (!message->kafka || !message->kafka->topic) return k_fail(err, K_E_CONFIG, "it has no topic");
    store->topic = message->kafka->topic;
    store->bytes_max = 1000000;
    const char *most = message->kafka->max_message_bytes;
    if (most && !k_size_parse(k_str_of(most), &store->bytes_max))
        return k_fail(err, K_E_CONFIG, "\"%s\" is no size", most);
    int code = read_key(r, node, message->key, message->n_key, err);
    if (code) return code;
    store->raw_key = store->key_count == 1 && node->input->columns[store->key[0]].type == TYPE_STRING;
    if (node->input->updating && store->key_count == 0) return k_fail(err, K_E_CONFIG, "its input takes rows back");
    return 0;
}

// The key's columns as a JSON array; a zero has no sign in it. false: one of them is NULL.
static bool key_json(struct k_buf *out, const struct store *store, const struct value *values, bool unify)
{
    bool whole = true;
    k_buf_clear(out);
    k_buf_add_char(out, '[');
    for (uint32_t i = 0; i < store->key_count; i++) {
        struct value value = values[store->key[i]];
        if (unify && value.type == TYPE_DOUBLE && !value.null && value.d == 0) value.d = 0;
        if (i) k_buf_add_char(out, ',');
        value_json(out, &value);
        whole = whole && !value.null;
    }
    k_buf_add_char(out, ']');
    return whole;
}

int table_take(struct reference *r, struct node *node, const struct row *row, struct k_error *err)
{
    struct store *store = node->store;
    if (!key_json(&r->text, store, row->values, true)) {
        if (row->weight > 0) return fail(r, node, row, node->input, "null_key", err);
        node->counters.dropped++; // it was refused when it came
        return 0;
    }
    node->counters.processed++;
    struct k_str key = k_buf_str(&r->text);
    if (row->weight < 0) {
        struct entry *entry = map_find(&store->map, key);
        if (entry) map_remove(&store->map, entry);
        return 0;
    }
    bool is_new;
    struct stored *stored = map_value(map_put(&store->map, key, &is_new));
    int32_t window_end = node->input->window_end;
    stored->time = window_end >= 0 ? row->values[window_end].i : row->time;
    k_buf_clear(&r->text);
    row_json(&r->text, node->input->columns, row->values, store->visible, store->visible_count);
    if (is_new || stored->row_json.length < r->text.length)
        stored->row_json.data = k_arena_get(&r->arena, r->text.length * 2);
    memcpy((char *)(uintptr_t)stored->row_json.data, r->text.data, r->text.length);
    stored->row_json.length = (uint32_t)r->text.length;
    return 0;
}

void sink_settle(struct reference *r, struct node *node)
{
    struct store *store = node->store;
    if (!store->owes) return;
    struct k_str key = k_buf_str(&store->owed_key);
    store->owes = false;
    send(r, store->topic, node->name, &key, NULL);
}

// The message key: one string column as it is, else a JSON array. false: a NULL, which a raw key cannot say.
static bool message_key(struct k_buf *out, const struct store *store, const struct value *values)
{
    if (!store->raw_key) {
        key_json(out, store, values, false);
        return true;
    }
    const struct value *value = &values[store->key[0]];
    k_buf_clear(out);
    if (!value->null) k_buf_add(out, value->s.data, value->s.length);
    return !value->null;
}

static int send_row(struct reference *r, struct node *node, const struct row *row, const struct k_str *key,
                    bool replaces, struct k_error *err)
{
    struct store *store = node->store;
    struct k_buf json = {0};
    row_json(&json, node->input->columns, row->values, store->visible, store->visible_count);
    struct k_str value = k_buf_str(&json);
    int code = 0;
    if (json.length + (key ? key->length : 0) > store->bytes_max) {
        if (replaces) send(r, store->topic, node->name, key, NULL);
        code = fail(r, node, row, node->input, "too_large", err);
    } else {
        node->counters.processed++;
        send(r, store->topic, node->name, key, &value);
    }
    k_buf_fini(&json);
    return code;
}

// A row that is gone becomes a tombstone, unless its successor comes next.
int sink_take(struct reference *r, struct node *node, const struct row *row, struct k_error *err)
{
    struct store *store = node->store;
    if (store->key_count == 0) return send_row(r, node, row, NULL, false, err);
    struct k_buf text = {0};
    bool has_key = message_key(&text, store, row->values);
    struct k_str key = k_buf_str(&text);
    bool replaces = store->owes && has_key && row->weight > 0 && k_str_equal(key, k_buf_str(&store->owed_key));
    if (replaces) store->owes = false;
    else sink_settle(r, node);
    int code = 0;
    if (row->weight > 0) {
        code = has_key ? send_row(r, node, row, &key, replaces, err) : fail(r, node, row, node->input, "null_key", err);
    } else if (!has_key) {
        node->counters.dropped++; // it was refused when it came
    } else {
        node->counters.processed++;
        k_buf_clear(&store->owed_key);
        k_buf_add(&store->owed_key, key.data, key.length);
        store->owes = true;
    }
    k_buf_fini(&text);
    return code;
}
