// union and event_time: rows from several inputs in one order, and rows that are dated anew.
#include "tests/reference/reorder.h"

// --- union --------------------------------------------------------------------------------------------------------

// The columns of the first input that all have, by name. Column c of the output is column from[input * n + c] of an
// input, n being the number of columns of the first.
int build_union(struct reference *r, struct node *node, struct k_error *err)
{
    const struct output *first = node->input;
    struct column *columns = k_arena_array(&r->arena, struct column, first->count);
    uint32_t count = 0;
    node->from = k_arena_zeroed(&r->arena, (size_t)node->input_count * first->count * sizeof *node->from);
    for (uint32_t c = 0; c < first->count; c++) {
        bool all = true;
        for (uint32_t i = 0; i < node->input_count; i++) {
            int32_t at = find_column(node->inputs[i], first->columns[c].name);
            all &= at >= 0 && node->inputs[i]->columns[at].type == first->columns[c].type;
            node->from[i * first->count + count] = at;
        }
        if (!all && !first->columns[c].hidden)
            return k_fail(err, K_E_CONFIG, "not all inputs have a column \"%s\"", first->columns[c].name);
        if (all) columns[count++] = first->columns[c];
    }
    make_output(r, node, 0, node->name, columns, count);
    struct output *out = &node->outputs[0];
    for (uint32_t c = 0; c < count; c++) {
        bool all = true;
        for (uint32_t i = 0; i < node->input_count; i++)
            all &=
                node->inputs[i]->window_end >= 0 && node->inputs[i]->window_end == node->from[i * first->count + c];
        if (all) out->window_end = (int32_t)c;
    }
    for (uint32_t i = 0; i < node->input_count; i++) {
        out->updating |= node->inputs[i]->updating;
        if (node->inputs[i]->delay > out->delay) out->delay = node->inputs[i]->delay;
    }
    return 0;
}

// A row comes once for each time that its output is named as input.
void union_take(struct reference *r, struct node *node, const struct output *from, const struct row *row)
{
    uint32_t count = node->outputs[0].count;
    for (uint32_t port = 0; port < node->input_count; port++) {
        if (node->inputs[port] != from) continue;
        if (node->waiting_count == node->waiting_room) {
            uint32_t room = node->waiting_room ? node->waiting_room * 2 : 8;
            struct waiting *larger = k_arena_array(&r->scratch, struct waiting, room);
            if (node->waiting_count) memcpy(larger, node->waiting, node->waiting_count * sizeof *larger);
            node->waiting = larger;
            node->waiting_room = room;
        }
        struct value *values = k_arena_array(&r->scratch, struct value, count);
        for (uint32_t c = 0; c < count; c++)
            values[c] = value_keep(&row->values[node->from[port * node->input->count + c]], &r->scratch);
        struct waiting *waiting = &node->waiting[node->waiting_count++];
        *waiting = (struct waiting){*row, port};
        waiting->row.values = values;
        node->counters.processed++;
    }
}

int union_settle(struct reference *r, struct node *node, struct k_error *err)
{
    int code = 0;
    for (uint32_t port = 0; port < node->input_count && node->waiting_count; port++)
        for (uint32_t i = 0; i < node->waiting_count && !code; i++)
            if (node->waiting[i].port == port) code = emit(r, &node->outputs[0], &node->waiting[i].row, err);
    node->waiting = NULL;
    node->waiting_count = node->waiting_room = 0;
    return code;
}

// --- event_time ---------------------------------------------------------------------------------------------------

int build_event_time(struct reference *r, struct node *node, const Kappa__V1__EventTime *message, struct k_error *err)
{
    struct scope scope = {node->input->columns, node->input->count, node->input->read};
    const char *name;
    make_output(r, node, 0, node->name, node->input->columns, node->input->count);
    node->outputs[0].read = node->input->read;
    node->outputs[0].window_end = node->input->window_end;
    node->exprs = k_arena_array(&r->arena, struct expr *, 1);
    if (!message->expr) return k_fail(err, K_E_CONFIG, "an expression is missing");
    int code = expr_compile(&r->arena, message->expr, &scope, &node->exprs[0], &name, err);
    if (!code && node->exprs[0]->type != TYPE_TIMESTAMP)
        return k_fail(err, K_E_CONFIG, "\"%s\" is no event time", message->expr);
    if (!code) code = need_duration(message->behind, &node->behind, err);
    node->outputs[0].delay += node->behind;
    return code;
}

int event_time_take(struct reference *r, struct node *node, const struct row *row, struct k_error *err)
{
    const int64_t limit = (int64_t)1 << 61;
    const char *reason = NULL;
    struct value time = expr_eval(node->exprs[0], row->values, &r->scratch, &reason);
    if (!reason && time.null) reason = "no_event_time";
    if (!reason && (time.i > limit || time.i < -limit)) reason = "event_time_range";
    bool keeps = reason && node->on_error == KAPPA__V1__POLICY__ON_ERROR__PASS_NULL;
    if (reason && !keeps) return fail(r, node, row, node->input, reason, err);
    struct row out = *row;
    if (!keeps) out.time = time.i;
    // No watermark before the first record, and the end of all time, stay what they are.
    if (out.watermark != NO_TIME && out.watermark != INT64_MAX) out.watermark -= node->behind;
    node->counters.processed++;
    return emit(r, &node->outputs[0], &out, err);
}
