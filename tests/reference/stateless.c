// Operators that remember nothing: filter, map, route.
#include "tests/reference/inside.h"

int filter_take(struct reference *r, struct node *node, const struct row *row, struct k_error *err)
{
    struct value value;
    const char *reason = NULL;
    if (!compute(r, node, node->exprs[0], row->values, &value, &reason))
        return fail(r, node, row, node->input, reason, err);
    if (!value_is_true(value)) {
        node->counters.filtered++;
        return 0;
    }
    node->counters.processed++;
    return emit(r, &node->outputs[0], row, err);
}

int route_take(struct reference *r, struct node *node, const struct row *row, struct k_error *err)
{
    uint32_t taken = 0;
    for (; taken + 1 < node->output_count; taken++) {
        struct value value;
        const char *reason = NULL;
        if (!compute(r, node, node->exprs[taken], row->values, &value, &reason))
            return fail(r, node, row, node->input, reason, err);
        if (value_is_true(value)) break;
    }
    node->counters.processed++;
    return emit(r, &node->outputs[taken], row, err);
}

int map_take(struct reference *r, struct node *node, const struct row *row, struct k_error *err)
{
    uint32_t count = node->outputs[0].count;
    struct value *values = k_arena_array(&r->scratch, struct value, count);
    for (uint32_t i = 0; i < count; i++) {
        const char *reason = NULL;
        if (node->from[i] >= 0) values[i] = row->values[node->from[i]];
        else if (!compute(r, node, node->exprs[i], row->values, &values[i], &reason))
            return fail(r, node, row, node->input, reason, err);
    }
    struct row out = *row;
    out.values = values;
    node->counters.processed++;
    return emit(r, &node->outputs[0], &out, err);
}

// --- building a map -----------------------------------------------------------------------------------------------

struct building {
    struct node *node;
    struct column *columns;
    uint32_t count;
};

static void pass_all(struct building *b)
{
    const struct output *input = b->node->input;
    for (uint32_t i = 0; i < input->count; i++) {
        if (input->columns[i].hidden) continue;
        b->node->input->read[i] = true; // to pass all is to read all
        b->node->from[b->count] = (int32_t)i;
        b->columns[b->count++] = input->columns[i];
    }
}

static void put(struct building *b, uint32_t at, const char *name, struct expr *expr)
{
    b->node->exprs[at] = expr;
    b->node->from[at] = -1;
    b->columns[at] = (struct column){.name = name, .type = expr->type};
    if (at == b->count) b->count++;
}

static bool is_star(const char *text)
{
    while (*text == ' ') text++;
    return *text++ == '*' && strspn(text, " ") == strlen(text);
}

static int add_select(struct reference *r, struct building *b, const char *text, const struct scope *scope,
                      struct k_error *err)
{
    struct expr *expr;
    const char *name;
    if (is_star(text)) {
        pass_all(b);
        return 0;
    }
    int code = expr_compile(&r->arena, text, scope, &expr, &name, err);
    if (code) return code;
    if (!name) return k_fail(err, K_E_CONFIG, "\"%s\" has no name", text);
    put(b, b->count, name, expr);
    return 0;
}

static int add_set(struct reference *r, struct building *b, const char *text, const struct scope *scope,
                   struct k_error *err)
{
    struct expr *expr;
    const char *name;
    int code = expr_compile_set(&r->arena, text, scope, &expr, &name, err);
    if (code) return code;
    uint32_t at = 0;
    while (at < b->count && strcmp(b->columns[at].name, name) != 0) at++;
    put(b, at, name, expr);
    return 0;
}

static void drop(struct building *b, const char *name)
{
    uint32_t to = 0;
    for (uint32_t i = 0; i < b->count; i++) {
        if (strcmp(b->columns[i].name, name) == 0) continue;
        b->columns[to] = b->columns[i];
        b->node->from[to] = b->node->from[i];
        b->node->exprs[to++] = b->node->exprs[i];
    }
    b->count = to;
}

int build_map(struct reference *r, struct node *node, const Kappa__V1__Map *message, struct k_error *err)
{
    const struct output *input = node->input;
    struct scope scope = {input->columns, input->count, input->read};
    size_t most = (message->n_select + 1) * (input->count + 1) + message->n_set;
    struct building b = {.node = node, .columns = k_arena_zeroed(&r->arena, most * sizeof *b.columns)};
    node->from = k_arena_zeroed(&r->arena, most * sizeof *node->from);
    node->exprs = k_arena_zeroed(&r->arena, most * sizeof *node->exprs);
    if (message->n_select == 0) pass_all(&b);
    int code = 0;
    for (size_t i = 0; i < message->n_select && !code; i++) code = add_select(r, &b, message->select[i], &scope, err);
    for (size_t i = 0; i < message->n_set && !code; i++) code = add_set(r, &b, message->set[i], &scope, err);
    for (size_t i = 0; i < message->n_drop && !code; i++) drop(&b, message->drop[i]);
    if (code) return code;
    make_output(r, node, 0, node->name, b.columns, b.count);
    // A bare column keeps what it was.
    for (uint32_t i = 0; i < b.count; i++) {
        int32_t from = node->from[i] >= 0                        ? node->from[i]
                       : node->exprs[i]->kind == E_COLUMN ? node->exprs[i]->index
                                                          : -1;
        if (from >= 0 && from == input->window_end) node->outputs[0].window_end = (int32_t)i;
    }
    return 0;
}
