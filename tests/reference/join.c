// join: rows of a stream get what a table says at their event time.
//
// All rows wait. When the frontier has passed some, these are sorted as the comment of Join says and taken one by one:
// a row of the table is put or removed, a row of the stream looks its key up and comes out. Rows that the order does
// not tell apart (those that operators made, or made several of from one record) keep the order in which they came;
// the engine goes by their bytes there, which nobody may rely on.
#include <math.h>
#include <stdlib.h>

#include "tests/reference/join.h"

enum { STREAM, TABLE };

// A row that waits. Its values are copies in the reference's arena.
struct held {
    struct row row; // without origin and source
    bool of_table, removes;
    int64_t partition, offset, index; // partition -1: an operator made the row
    uint64_t arrival;
    struct value key;
};

struct joining {
    bool left;
    const char *late_topic;
    uint32_t stream_count, table_count; // columns of the inputs
    struct column *both;                // the stream's, then the table's, as "input.column"
    uint32_t table_key, tombstone;      // of the table's columns
    struct expr *key;                   // over both: what the stream looks up
    struct expr **selects;              // over both
    uint32_t select_count;
    struct held *held;
    uint32_t held_count, held_room;
    uint64_t arrivals;
    struct map map; // key as JSON → struct value *, the table's row
};

void join_fini(struct joining *joining)
{
    free(joining->held);
    map_fini(&joining->map);
}

// --- rows come in -------------------------------------------------------------------------------------------------

// The row over the columns of both; NULL where an input has none.
static struct value *both_of(struct reference *r, const struct joining *j, const struct value *stream,
                             const struct value *table)
{
    uint32_t count = j->stream_count + j->table_count;
    struct value *both = k_arena_array(&r->scratch, struct value, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct value *own = i < j->stream_count ? stream : table;
        both[i] = own ? own[i < j->stream_count ? i : i - j->stream_count] : value_null(j->both[i].type);
    }
    return both;
}

static void take_late(struct reference *r, struct node *node, const struct output *from, const struct row *row)
{
    node->counters.late++;
    if (!node->joining->late_topic) return;
    struct k_buf json = {0};
    uint32_t visible = 0, *only = k_arena_array(&r->scratch, uint32_t, from->count);
    for (uint32_t i = 0; i < from->count; i++)
        if (!from->columns[i].hidden) only[visible++] = i;
    row_json(&json, from->columns, row->values, only, visible);
    struct k_str value = k_buf_str(&json);
    send(r, node->joining->late_topic, node->name, NULL, &value);
    k_buf_fini(&json);
}

static void hold(struct reference *r, struct node *node, const struct output *from, const struct row *row,
                 bool of_table, const struct value *key)
{
    struct joining *j = node->joining;
    if (j->held_count == j->held_room) {
        j->held_room = j->held_room ? j->held_room * 2 : 64;
        j->held = k_realloc(j->held, j->held_room * sizeof *j->held);
    }
    struct held *held = &j->held[j->held_count++];
    *held = (struct held){.row = *row, .of_table = of_table, .partition = -1, .offset = -1, .arrival = j->arrivals++};
    if (row->origin) {
        held->partition = row->origin->partition;
        held->offset = row->origin->offset;
        held->index = row->index;
    }
    held->removes = of_table && row->values[j->tombstone].b;
    held->key = value_keep(key, &r->arena);
    struct value *values = k_arena_array(&r->arena, struct value, from->count);
    for (uint32_t i = 0; i < from->count; i++) values[i] = value_keep(&row->values[i], &r->arena);
    held->row.values = values;
    held->row.origin = NULL;
    held->row.source = NULL;
}

int join_take(struct reference *r, struct node *node, const struct output *from, const struct row *row,
              struct k_error *err)
{
    struct joining *j = node->joining;
    bool of_table = from == node->inputs[TABLE];
    struct value key = of_table ? row->values[j->table_key] : (struct value){0};
    const char *reason = NULL;
    if (!of_table && !compute(r, node, j->key, both_of(r, j, row->values, NULL), &key, &reason))
        return fail(r, node, row, from, reason, err);
    if (row->watermark != NO_TIME && row->watermark > row->time) {
        take_late(r, node, from, row);
    } else if (!of_table && !j->left && key.null) {
        node->counters.filtered++;
    } else {
        node->counters.processed++;
        hold(r, node, from, row, of_table, &key);
    }
    return 0;
}

// --- rows go out --------------------------------------------------------------------------------------------------

static int compare(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

static int by_order(const void *left, const void *right)
{
    const struct held *a = left, *b = right;
    int order = compare(a->row.time, b->row.time);
    if (!order) order = compare(b->of_table, a->of_table);
    if (!order) order = compare(a->partition, b->partition);
    if (!order) order = compare(a->offset, b->offset);
    if (!order) order = compare(a->index, b->index);
    return order ? order : compare((int64_t)a->arrival, (int64_t)b->arrival);
}

// Equal values give equal texts.
static struct k_str key_text(struct reference *r, struct value key)
{
    if (key.type == TYPE_DOUBLE && key.d == 0) key.d = 0;
    if (key.type == TYPE_DOUBLE && isnan(key.d)) key.d = NAN;
    k_buf_clear(&r->text);
    value_json(&r->text, &key);
    return k_buf_str(&r->text);
}

static void change(struct reference *r, struct joining *j, const struct held *held)
{
    struct k_str key = key_text(r, held->key);
    if (held->removes) {
        struct entry *old = map_find(&j->map, key);
        if (old) map_remove(&j->map, old);
        return;
    }
    bool is_new;
    *(const struct value **)map_value(map_put(&j->map, key, &is_new)) = held->row.values;
}

static int match(struct reference *r, struct node *node, const struct held *held, struct k_error *err)
{
    struct joining *j = node->joining;
    struct entry *found = held->key.null ? NULL : map_find(&j->map, key_text(r, held->key));
    if (!found && !j->left) return 0;
    const struct value *table = found ? *(const struct value **)map_value(found) : NULL;
    const struct value *both = both_of(r, j, held->row.values, table);
    struct value *values = k_arena_array(&r->scratch, struct value, j->select_count);
    const char *first = NULL;
    for (uint32_t i = 0; i < j->select_count; i++) {
        const char *reason = NULL;
        if (!compute(r, node, j->selects[i], both, &values[i], &reason) && !first) first = reason;
    }
    struct row out = held->row;
    out.values = values;
    out.watermark = NO_TIME; // what was put in order is never late
    out.index = 0;
    if (!first) return emit(r, &node->outputs[0], &out, err);
    node->counters.in++; // it was processed when it came in; now it fails, and counts once more
    return fail(r, node, &out, &node->outputs[0], first, err);
}

int join_close(struct reference *r, struct node *node, int64_t frontier, struct k_error *err)
{
    struct joining *j = node->joining;
    int code = 0;
    uint32_t at = 0;
    if (j->held_count) qsort(j->held, j->held_count, sizeof *j->held, by_order);
    for (; at < j->held_count && j->held[at].row.time < frontier && !code; at++) {
        if (j->held[at].of_table) change(r, j, &j->held[at]);
        else code = match(r, node, &j->held[at], err);
        if (!code) code = settle_unions(r, err);
        k_arena_reset(&r->scratch);
    }
    j->held_count -= at;
    if (at) memmove(j->held, j->held + at, j->held_count * sizeof *j->held);
    return code;
}

// --- building -----------------------------------------------------------------------------------------------------

static void name_both(struct reference *r, struct node *node, struct joining *j)
{
    const struct output *inputs[] = {node->inputs[STREAM], node->inputs[TABLE]};
    j->stream_count = inputs[STREAM]->count;
    j->table_count = inputs[TABLE]->count;
    uint32_t count = 0;
    j->both = k_arena_array(&r->arena, struct column, j->stream_count + j->table_count);
    for (int input = STREAM; input <= TABLE; input++)
        for (uint32_t i = 0; i < inputs[input]->count; i++) {
            struct column *column = &j->both[count++];
            *column = inputs[input]->columns[i];
            column->name = k_arena_format(&r->arena, "%s.%s", inputs[input]->name, column->name);
            if (input == TABLE && j->left) column->not_null = false;
        }
}

struct selecting {
    struct node *node;
    struct joining *joining;
    struct column *columns; // of the output
    bool *read;             // of both
};

// "name.*": all columns of an input. false: it is something else.
static bool add_all(struct reference *r, struct selecting *s, const char *text)
{
    struct joining *j = s->joining;
    while (*text == ' ') text++;
    for (int input = STREAM; input <= TABLE; input++) {
        const struct output *from = s->node->inputs[input];
        size_t length = strlen(from->name);
        const char *rest = text + length;
        if (strncmp(text, from->name, length) != 0 || strncmp(rest, ".*", 2) != 0) continue;
        if (strspn(rest + 2, " ") != strlen(rest + 2)) continue;
        for (uint32_t i = 0; i < from->count; i++) {
            if (from->columns[i].hidden) continue;
            uint32_t column = input == STREAM ? i : j->stream_count + i;
            struct expr *expr = expr_node(&r->arena, E_COLUMN, 0);
            expr->index = (int32_t)column;
            expr->type = j->both[column].type;
            s->read[column] = true;
            s->columns[j->select_count] = from->columns[i];
            j->selects[j->select_count++] = expr;
        }
        return true;
    }
    return false;
}

static int add_select(struct reference *r, struct selecting *s, const char *text, struct k_error *err)
{
    struct joining *j = s->joining;
    struct scope scope = {j->both, j->stream_count + j->table_count, s->read};
    struct expr *expr;
    const char *name;
    if (add_all(r, s, text)) return 0;
    int code = expr_compile(&r->arena, text, &scope, &expr, &name, err);
    if (code) return code;
    if (!name) return k_fail(err, K_E_CONFIG, "\"%s\" has no name", text);
    if (expr->kind == E_COLUMN && strcmp(name, j->both[expr->index].name) == 0) name = strrchr(name, '.') + 1;
    s->columns[j->select_count] = (struct column){.name = name, .type = expr->type};
    j->selects[j->select_count++] = expr;
    return 0;
}

// "stream's expression = table.key", either way round.
static int build_on(struct reference *r, struct joining *j, const char *text, bool *read, struct k_error *err)
{
    struct scope scope = {j->both, j->stream_count + j->table_count, read};
    struct expr *expr;
    const char *name;
    if (!text) return k_fail(err, K_E_CONFIG, "it has no condition");
    int code = expr_compile(&r->arena, text, &scope, &expr, &name, err);
    if (code) return code;
    int32_t key = (int32_t)(j->stream_count + j->table_key);
    for (int side = 0; side < 2 && expr->kind == E_COMPARE && expr->op == '='; side++)
        if (expr->args[side]->kind == E_COLUMN && expr->args[side]->index == key) j->key = expr->args[1 - side];
    return j->key ? 0 : k_fail(err, K_E_CONFIG, "\"%s\" does not compare the table's key", text);
}

static int build_output(struct reference *r, struct node *node, const Kappa__V1__Join *message, bool *read,
                        struct k_error *err)
{
    struct joining *j = node->joining;
    size_t most = message->n_select * (j->stream_count + j->table_count + 1) + 1;
    struct selecting s = {node, j, k_arena_zeroed(&r->arena, most * sizeof *s.columns), read};
    j->selects = k_arena_array(&r->arena, struct expr *, most);
    for (size_t i = 0; i < message->n_select; i++) {
        int code = add_select(r, &s, message->select[i], err);
        if (code) return code;
    }
    make_output(r, node, 0, node->name, s.columns, j->select_count);
    struct output *out = &node->outputs[0];
    for (uint32_t i = 0; i < j->select_count; i++)
        if (j->selects[i]->kind == E_COLUMN && j->selects[i]->index == node->inputs[STREAM]->window_end)
            out->window_end = (int32_t)i;
    if (node->inputs[TABLE]->delay > out->delay) out->delay = node->inputs[TABLE]->delay;
    return 0;
}

int build_join(struct reference *r, struct node *node, const Kappa__V1__Join *message, struct k_error *err)
{
    struct joining *j = node->joining = k_arena_zeroed(&r->arena, sizeof *j);
    const struct node *table = node->input_count == 2 ? node->inputs[TABLE]->owner : NULL;
    if (!table || !table->source || table->source->key < 0 || node->inputs[STREAM]->updating)
        return k_fail(err, K_E_CONFIG, "it is no join of a stream and a table");
    j->left = message->has_type && message->type == KAPPA__V1__JOIN__TYPE__LEFT;
    j->late_topic = message->late_topic;
    j->table_key = (uint32_t)table->source->key;
    j->tombstone = (uint32_t)find_column(node->inputs[TABLE], "_tombstone");
    j->map = (struct map){.arena = &r->arena, .value_size = sizeof(struct value *)};
    name_both(r, node, j);
    bool *read = k_arena_zeroed(&r->arena, j->stream_count + j->table_count);
    int code = build_on(r, j, message->on, read, err);
    if (!code) code = build_output(r, node, message, read, err);
    for (uint32_t i = 0; i < j->stream_count + j->table_count; i++) {
        bool of_table = i >= j->stream_count;
        bool *of_input = &node->inputs[of_table]->read[of_table ? i - j->stream_count : i];
        *of_input |= read[i] || (j->late_topic && !j->both[i].hidden); // a late row is sent whole
    }
    node->inputs[TABLE]->read[j->tombstone] = true;
    return code;
}
