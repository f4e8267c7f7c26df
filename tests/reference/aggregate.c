// Groups, windows, lateness, and what an aggregate says of them.
//
// Windows are closed when someone asks (reference_settle, reference_final), and that may be any time after they could
// have been closed: a row that a closed window would have missed is late by the rule below, which looks at the row's
// own partition and never at what is closed; for F is the least of the watermarks, so whatever F has closed, every
// row's own watermark has passed, too. Hence the order of closing, too, is free; it is ascending by the windows' ends.
//
// A row is late for a window if window_end + grace ≤ the watermark of its own partition, and late for the aggregate if
// late for all its windows. Rows that a window made are never late: by the delay of their edge, the windows that they
// lie in close after all windows that could have made them.
#include <math.h>
#include <stdlib.h>

#include "tests/reference/reorder.h"

struct group {
    struct value *key;  // the group's columns, then the window's
    uint32_t key_count; // without the window's
    int64_t start, end; // of the window
    int64_t rows;       // net
    struct memory **memories;
};

// --- building -----------------------------------------------------------------------------------------------------

static int read_window(struct aggregation *a, const Kappa__V1__Aggregate *message, struct k_error *err)
{
    const Kappa__V1__Aggregate__Window *window = message->window;
    a->windowed = window != NULL;
    a->on_update = message->has_emit ? message->emit == KAPPA__V1__AGGREGATE__EMIT__ON_UPDATE : !window;
    if (!window) return 0;
    int code = 0;
    switch (window->kind_case) {
    case KAPPA__V1__AGGREGATE__WINDOW__KIND_TUMBLING:
        code = need_duration(window->tumbling->size, &a->size, err);
        a->every = a->size;
        break;
    case KAPPA__V1__AGGREGATE__WINDOW__KIND_HOPPING:
        code = need_duration(window->hopping->size, &a->size, err);
        if (!code) code = need_duration(window->hopping->every, &a->every, err);
        break;
    case KAPPA__V1__AGGREGATE__WINDOW__KIND_INHERIT: a->inherit = true; break;
    default: return k_fail(err, K_E_CONFIG, "a window that the reference does not know");
    }
    if (code) return code;
    if (!a->inherit && (a->every <= 0 || a->size < a->every || a->size % a->every))
        return k_fail(err, K_E_CONFIG, "the window's size is no multiple of its step");
    return need_duration(message->grace, &a->grace, err);
}

static int read_groups(struct reference *r, struct node *node, const Kappa__V1__Aggregate *message,
                       struct k_error *err)
{
    struct aggregation *a = node->aggregation;
    struct scope scope = {node->input->columns, node->input->count, node->input->read};
    a->group_count = (uint32_t)message->n_group_by;
    a->named_count = a->group_count + (a->windowed ? 2 : 0);
    a->groups = k_arena_array(&r->arena, struct expr *, a->group_count);
    a->named = k_arena_zeroed(&r->arena, (a->named_count + message->n_select) * sizeof *a->named);
    for (uint32_t i = 0; i < a->group_count; i++) {
        const char *name;
        int code = expr_compile(&r->arena, message->group_by[i], &scope, &a->groups[i], &name, err);
        if (code) return code;
        if (!name) return k_fail(err, K_E_CONFIG, "\"%s\" has no name", message->group_by[i]);
        a->named[i] = (struct column){.name = name, .type = a->groups[i]->type};
    }
    if (!a->windowed) return 0;
    a->named[a->group_count] = (struct column){.name = "window_start", .type = TYPE_TIMESTAMP, .not_null = true};
    a->named[a->group_count + 1] = (struct column){.name = "window_end", .type = TYPE_TIMESTAMP, .not_null = true};
    return 0;
}

int build_aggregate(struct reference *r, struct node *node, const Kappa__V1__Aggregate *message, struct k_error *err)
{
    struct aggregation *a = node->aggregation = k_arena_zeroed(&r->arena, sizeof *a);
    a->late_topic = message->late_topic;
    a->updating_input = node->input->updating;
    a->map = (struct map){.arena = &r->arena, .value_size = sizeof(struct group)};
    a->least_end = INT64_MAX;
    int code = read_window(a, message, err);
    if (!code) code = read_groups(r, node, message, err);
    if (code) return code;
    struct scope input = {node->input->columns, node->input->count, node->input->read};
    struct scope groups = {a->named, a->named_count, NULL};
    a->select_count = (uint32_t)message->n_select;
    a->selects = k_arena_array(&r->arena, struct expr *, a->select_count);
    for (uint32_t i = 0; i < a->select_count; i++) {
        const char *name;
        code = expr_compile_select(&r->arena, message->select[i], &input, &groups, &a->calls, &a->selects[i], &name,
                                   err);
        if (code) return code;
        if (!name) return k_fail(err, K_E_CONFIG, "\"%s\" has no name", message->select[i]);
        a->named[a->named_count + i] = (struct column){.name = name, .type = a->selects[i]->type};
    }
    for (struct call *call = a->calls; call; call = call->next) a->call_count++;
    // A late row is sent whole.
    for (uint32_t i = 0; a->late_topic && i < node->input->count; i++)
        if (!node->input->columns[i].hidden) node->input->read[i] = true;
    make_output(r, node, 0, node->name, a->named, a->named_count + a->select_count);
    node->outputs[0].updating = a->on_update;
    node->outputs[0].delay = node->input->delay + a->grace;
    node->outputs[0].window_end = a->windowed ? (int32_t)a->group_count + 1 : -1;
    return 0;
}

// --- rows out -----------------------------------------------------------------------------------------------------

// A made row; values NULL: there is none.
struct made {
    struct value *values;
    const char *reason; // why it could not be computed
};

// The group's row as it is now. Under PASS_NULL what fails is NULL.
static struct made make_row(struct reference *r, struct node *node, const struct group *group)
{
    const struct aggregation *a = node->aggregation;
    struct made made = {0};
    if (group->rows <= 0) return made;
    bool pass = node->on_error == KAPPA__V1__POLICY__ON_ERROR__PASS_NULL;
    struct value *inner = k_arena_array(&r->scratch, struct value, a->named_count + a->call_count);
    made.values = k_arena_array(&r->scratch, struct value, a->named_count + a->select_count);
    memcpy(inner, group->key, a->named_count * sizeof *inner);
    memcpy(made.values, group->key, a->named_count * sizeof *inner);
    uint32_t at = a->named_count;
    for (const struct call *call = a->calls; call; call = call->next, at++) {
        const char *reason = NULL;
        inner[at] = memory_result(group->memories[at - a->named_count], call, &reason);
        if (!made.reason && !pass) made.reason = reason;
    }
    for (uint32_t i = 0; i < a->select_count; i++) {
        const char *reason = NULL;
        struct value *value = &made.values[a->named_count + i];
        if (!compute(r, node, a->selects[i], inner, value, &reason) && !made.reason) made.reason = reason;
    }
    return made;
}

static struct row row_of(const struct aggregation *a, const struct group *group, const struct value *values,
                         int weight)
{
    struct row row = {
        .values = values, .weight = weight, .watermark = NO_TIME, .window_start = NO_TIME, .window_end = NO_TIME};
    if (a->windowed) {
        row.time = group->end - 1;
        row.window_start = group->start;
        row.window_end = group->end;
    }
    return row;
}

// A made row that failed was no row that came in; it is counted in, so that each row in ends as exactly one thing.
static int fail_made(struct reference *r, struct node *node, const struct row *row, const char *reason,
                     struct k_error *err)
{
    node->counters.in++;
    return fail(r, node, row, &node->outputs[0], reason, err);
}

static bool same_value(const struct value *a, const struct value *b)
{
    if (a->null || b->null) return a->null && b->null;
    if (a->type == TYPE_DOUBLE) return memcmp(&a->d, &b->d, sizeof a->d) == 0;
    return value_compare(a, b) == 0;
}

static bool same_row(const struct aggregation *a, const struct value *left, const struct value *right)
{
    for (uint32_t i = a->named_count; i < a->named_count + a->select_count; i++)
        if (!same_value(&left[i], &right[i])) return false;
    return true;
}

// The old row goes and the new one comes; nothing is said if they are the same.
static int emit_change(struct reference *r, struct node *node, const struct group *group, const struct made *before,
                       const struct made *after, const struct row *cause, struct k_error *err)
{
    const struct aggregation *a = node->aggregation;
    bool old = before->values && !before->reason, new = after->values && !after->reason;
    const struct made *sides[] = {before, after};
    int code = 0;
    if (old && new &&same_row(a, before->values, after->values)) return 0;
    for (int i = 0; i < 2 && !code; i++) {
        if (!sides[i]->values) continue;
        struct row row = row_of(a, group, sides[i]->values, i ? 1 : -1);
        if (!a->windowed) {
            row.time = cause->time;
            row.watermark = cause->watermark;
        }
        if (!sides[i]->reason) code = emit(r, &node->outputs[0], &row, err);
        else if (i == 1) code = fail_made(r, node, &row, after->reason, err); // the old one was told when it was new
    }
    return code;
}

// --- rows in ------------------------------------------------------------------------------------------------------

// An input row with all its expressions computed.
struct hit {
    const struct row *row;
    struct value *key; // groups; room for the window
    struct value (*args)[2];
    bool *passes;
};

static struct value unified(struct value value)
{
    if (value.type == TYPE_DOUBLE && !value.null && value.d == 0) value.d = 0;
    if (value.type == TYPE_DOUBLE && !value.null && isnan(value.d)) value.d = NAN;
    return value;
}

static bool evaluate(struct reference *r, struct node *node, struct hit *hit, const char **reason)
{
    const struct aggregation *a = node->aggregation;
    const struct value *values = hit->row->values;
    hit->key = k_arena_array(&r->scratch, struct value, a->named_count);
    hit->args = k_arena_zeroed(&r->scratch, (a->call_count + 1) * sizeof *hit->args);
    hit->passes = k_arena_zeroed(&r->scratch, (a->call_count + 1) * sizeof *hit->passes);
    for (uint32_t i = 0; i < a->group_count; i++) {
        if (!compute(r, node, a->groups[i], values, &hit->key[i], reason)) return false;
        hit->key[i] = unified(hit->key[i]); // one group must look the same in every row of it
    }
    uint32_t i = 0;
    for (const struct call *call = a->calls; call; call = call->next, i++) {
        struct value filter = value_bool(true);
        if (call->filter && !compute(r, node, call->filter, values, &filter, reason)) return false;
        hit->passes[i] = value_is_true(filter);
        for (int n = 0; n < 2 && hit->passes[i]; n++) // arguments matter where the filter is true, and nowhere else
            if (call->args[n] && !compute(r, node, call->args[n], values, &hit->args[i][n], reason)) return false;
    }
    return true;
}

static struct group *find_group(struct reference *r, struct node *node, const struct hit *hit, int64_t start,
                                int64_t end, struct entry **ret_entry)
{
    struct aggregation *a = node->aggregation;
    bool is_new;
    if (a->windowed) {
        hit->key[a->group_count] = value_time(start);
        hit->key[a->group_count + 1] = value_time(end);
    }
    k_buf_clear(&r->text);
    for (uint32_t i = 0; i < a->named_count; i++) {
        value_json(&r->text, &hit->key[i]);
        k_buf_add_char(&r->text, ',');
    }
    *ret_entry = map_put(&a->map, k_buf_str(&r->text), &is_new);
    struct group *group = map_value(*ret_entry);
    if (!is_new) return group;
    group->start = start;
    group->end = end;
    group->key_count = a->group_count;
    if (end < a->least_end) a->least_end = end;
    group->key = k_arena_array(&r->arena, struct value, a->named_count);
    for (uint32_t i = 0; i < a->named_count; i++) group->key[i] = value_keep(&hit->key[i], &r->arena);
    group->memories = k_arena_array(&r->arena, struct memory *, a->call_count);
    uint32_t i = 0;
    for (const struct call *call = a->calls; call; call = call->next)
        group->memories[i++] = memory_new(&r->arena, call);
    return group;
}

static int add(struct reference *r, struct node *node, const struct hit *hit, int64_t start, int64_t end,
               struct k_error *err)
{
    struct aggregation *a = node->aggregation;
    struct entry *entry;
    struct group *group = find_group(r, node, hit, start, end, &entry);
    struct made before = {0}, after = {0};
    if (a->on_update) before = make_row(r, node, group);
    group->rows += hit->row->weight;
    uint32_t i = 0;
    for (const struct call *call = a->calls; call; call = call->next, i++)
        if (hit->passes[i])
            memory_add(group->memories[i], call, hit->args[i], hit->row, a->updating_input, &r->arena);
    if (a->on_update) after = make_row(r, node, group);
    if (group->rows == 0) map_remove(&a->map, entry);
    return a->on_update ? emit_change(r, node, group, &before, &after, hit->row, err) : 0;
}

// Whether the window is over at this watermark or frontier.
static bool is_over(const struct aggregation *a, int64_t end, int64_t watermark)
{
    int64_t last;
    if (__builtin_add_overflow(end, a->grace, &last)) last = INT64_MAX;
    return last <= watermark;
}

static int take_late(struct reference *r, struct node *node, const struct row *row)
{
    node->counters.late++;
    if (!node->aggregation->late_topic) return 0;
    struct k_buf json = {0};
    uint32_t visible = 0, *only = k_arena_array(&r->scratch, uint32_t, node->input->count);
    for (uint32_t i = 0; i < node->input->count; i++)
        if (!node->input->columns[i].hidden) only[visible++] = i;
    row_json(&json, node->input->columns, row->values, only, visible);
    struct k_str value = k_buf_str(&json);
    send(r, node->aggregation->late_topic, node->name, NULL, &value);
    k_buf_fini(&json);
    return 0;
}

int aggregate_take(struct reference *r, struct node *node, const struct row *row, struct k_error *err)
{
    const struct aggregation *a = node->aggregation;
    struct hit hit = {.row = row};
    const char *reason = NULL;
    if (!evaluate(r, node, &hit, &reason)) return fail(r, node, row, node->input, reason, err);
    if (!a->windowed) {
        node->counters.processed++;
        return add(r, node, &hit, 0, INT64_MAX, err);
    }
    int64_t first = row->window_end, last = row->window_end, step = 1, size = row->window_end - row->window_start;
    if (!a->inherit) {
        int64_t into = row->time % a->every;
        first = row->time - (into < 0 ? into + a->every : into) + a->every;
        last = first + a->size - a->every;
        step = a->every;
        size = a->size;
    }
    bool never = row->watermark == NO_TIME;
    if (!never && is_over(a, last, row->watermark)) return take_late(r, node, row);
    node->counters.processed++;
    int code = 0;
    for (int64_t end = first; end <= last && !code; end += step)
        if (never || !is_over(a, end, row->watermark)) code = add(r, node, &hit, end - size, end, err);
    return code;
}

// --- closing ------------------------------------------------------------------------------------------------------

// By the window's end, then by the groups' values, NULL first: windows that close together speak in this order, which
// shows where the last change of a row counts (a table with a retention behind an aggregate of updates).
static int by_window(const void *left, const void *right)
{
    const struct group *a = map_value(*(struct entry *const *)left), *b = map_value(*(struct entry *const *)right);
    if (a->end != b->end) return a->end < b->end ? -1 : 1;
    for (uint32_t i = 0; i < a->key_count; i++) {
        const struct value *x = &a->key[i], *y = &b->key[i];
        int order = x->null || y->null ? y->null - x->null : value_compare(x, y);
        if (order) return order;
    }
    return (a->start > b->start) - (a->start < b->start);
}

static int close_group(struct reference *r, struct node *node, struct entry *entry, struct k_error *err)
{
    const struct aggregation *a = node->aggregation;
    const struct group *group = map_value(entry);
    map_remove(&node->aggregation->map, entry);
    if (a->on_update || group->rows <= 0) return 0; // it has spoken, or all its rows were taken back
    struct made made = make_row(r, node, group);
    struct row row = row_of(a, group, made.values, 1);
    if (made.reason) return fail_made(r, node, &row, made.reason, err);
    return emit(r, &node->outputs[0], &row, err);
}

int aggregate_close(struct reference *r, struct node *node, int64_t frontier, struct k_error *err)
{
    struct aggregation *a = node->aggregation;
    if (!a->windowed || a->map.count == 0 || !is_over(a, a->least_end, frontier)) return 0;
    struct entry **closing = k_new_array(struct entry *, a->map.count);
    uint32_t count = 0;
    a->least_end = INT64_MAX;
    for (struct entry *entry = a->map.first; entry; entry = entry->after) {
        const struct group *group = map_value(entry);
        if (is_over(a, group->end, frontier)) closing[count++] = entry;
        else if (group->end < a->least_end) a->least_end = group->end;
    }
    qsort(closing, count, sizeof *closing, by_window);
    int code = 0;
    for (uint32_t i = 0; i < count && !code; i++) {
        code = close_group(r, node, closing[i], err);
        if (!code) code = settle_unions(r, err);
        k_arena_reset(&r->scratch);
    }
    free(closing);
    return code;
}
