// Planning an aggregate: groups, window, calls, and the edge that it gives.
#include <stdlib.h>

#include "base/units.h"
#include "operators/aggregate.h"

enum { CALLS_MAX = 256 };

struct planning {
    struct k_planner *planner;
    struct k_node *node;
    const Kappa__V1__Aggregate *message;
    const struct k_edge *input;
    struct k_aggregate_config *config;
    struct k_scope scope;
    struct k_schema named; // groups, then window columns
    struct k_schema out;
    struct k_column_origin *from; // of out
    int32_t *passed;              // of out: the input's column that it is, or -1
    bool good;
};

static bool plan_span(struct planning *p, const void *message, const char *what, const char *text, int64_t *us)
{
    if (text) return k_plan_duration(p->planner, message, what, text, 1, us);
    if (!k_graph_is_broken(p->planner->graph, message))
        k_plan_error(p->planner, message, NULL, -1, K0401, "the window of \"%s\" needs %s, such as  %s: \"1m\"",
                     p->node->name, what, what);
    return false;
}

static bool plan_hopping(struct planning *p, const Kappa__V1__Aggregate__Window__Hopping *hopping)
{
    struct k_window *window = &p->config->window;
    bool size = plan_span(p, hopping, "size", hopping->size, &window->size_us);
    bool every = plan_span(p, hopping, "every", hopping->every, &window->every_us);
    if (!size || !every) return false;
    if (window->size_us % window->every_us != 0) {
        k_plan_error(p->planner, hopping, "size", 0, K0405, "size \"%s\" is not a multiple of every \"%s\"",
                     hopping->size, hopping->every);
        return false;
    }
    if (window->size_us / window->every_us > K_WINDOWS_MAX) {
        k_plan_error(p->planner, hopping, "every", 0, K0405,
                     "every row would lie in %lld windows; at most %d are allowed",
                     (long long)(window->size_us / window->every_us), K_WINDOWS_MAX);
        return false;
    }
    window->count = (uint32_t)(window->size_us / window->every_us);
    return true;
}

static bool plan_window_kind(struct planning *p, const Kappa__V1__Aggregate__Window *message)
{
    struct k_window *window = &p->config->window;
    window->count = 1;
    switch (message->kind_case) {
    case KAPPA__V1__AGGREGATE__WINDOW__KIND_TUMBLING:
        window->kind = K_WINDOW_TUMBLING;
        if (!plan_span(p, message->tumbling, "size", message->tumbling->size, &window->size_us)) return false;
        window->every_us = window->size_us;
        return true;
    case KAPPA__V1__AGGREGATE__WINDOW__KIND_HOPPING:
        window->kind = K_WINDOW_HOPPING;
        return plan_hopping(p, message->hopping);
    case KAPPA__V1__AGGREGATE__WINDOW__KIND_INHERIT: window->kind = K_WINDOW_INHERIT; return true;
    default:
        if (!k_graph_is_broken(p->planner->graph, message))
            k_plan_error(p->planner, message, NULL, -1, K0401,
                         "the window of \"%s\" has no kind; add  tumbling { size: \"1m\" }, hopping or inherit",
                         p->node->name);
        return false;
    }
}

// Whether the window fits what comes in.
static bool check_window_input(struct planning *p)
{
    const struct k_edge *input = p->input;
    if (p->config->window.kind == K_WINDOW_INHERIT) {
        if (input->window_start >= 0 && input->window_end >= 0) return true;
        k_plan_error(
            p->planner, p->message->window, NULL, -1, K0405,
            "\"%s\" inherits the window of \"%s\", which has none (window_start and window_end must still be there); "
            "use tumbling or hopping",
            p->node->name, input->name);
        return false;
    }
    if (!input->updating || input->window_end >= 0) return true;
    k_plan_error(
        p->planner, p->message->window, NULL, -1, K0405,
        "\"%s\" has a window, but rows of \"%s\" are replaced and taken back at any time, which has no event time; "
        "aggregate by window before that, or leave the window out",
        p->node->name, input->name);
    return false;
}

static void plan_window(struct planning *p)
{
    const Kappa__V1__Aggregate *message = p->message;
    struct k_window *window = &p->config->window;
    bool windowed = message->window != NULL;
    p->config->on_update = message->has_emit ? message->emit == KAPPA__V1__AGGREGATE__EMIT__ON_UPDATE : !windowed;
    if (windowed) {
        // A kind that could not be planned is still a window: its columns are there, and only it is reported.
        if (!plan_window_kind(p, message->window)) p->good = false;
        else p->good &= check_window_input(p);
        p->good &= k_plan_duration(p->planner, message, "grace", message->grace, 0, &window->grace_us);
    } else {
        const char *fields[] = {"grace", "late_topic"}, *given[] = {message->grace, message->late_topic};
        for (int i = 0; i < 2; i++) {
            if (!given[i]) continue;
            k_plan_error(p->planner, message, fields[i], -1, K0409,
                         "\"%s\" has no window, so nothing is ever late; leave %s out or add a window", p->node->name,
                         fields[i]);
            p->good = false;
        }
        if (!p->config->on_update) {
            k_plan_error(p->planner, message, "emit", -1, K0409,
                         "\"%s\" has no window, so it never closes; use  emit: ON_UPDATE  or add a window",
                         p->node->name);
            p->good = false;
        }
    }
    p->config->late_topic = message->late_topic;
    p->config->panes = window->kind == K_WINDOW_HOPPING && window->count > 1 && !p->config->on_update;
    p->config->input_window_start = p->input->window_start;
    p->config->input_window_end = p->input->window_end;
    if (window->kind != K_WINDOW_INHERIT) return;
    if (p->input->window_start >= 0) p->input->read[p->input->window_start] = true;
    if (p->input->window_end >= 0) p->input->read[p->input->window_end] = true;
}

static bool is_reserved(struct planning *p, const char *name)
{
    return p->message->window && (strcmp(name, "window_start") == 0 || strcmp(name, "window_end") == 0);
}

static bool add_column(struct planning *p, const char *field, int index, const char *name, const struct k_expr *expr)
{
    if (is_reserved(p, name)) {
        k_plan_error(p->planner, p->message, field, index, K0404,
                     "\"%s\" is reserved: it is the window's own column, which the output has anyway", name);
        return false;
    }
    if (!k_plan_field(p->planner, p->message, field, index, name, expr, p->node->on_error,
                      &p->out.fields[p->out.count]))
        return false;
    p->from[p->out.count] = (struct k_column_origin){field, index};
    p->passed[p->out.count++] = -1;
    return true;
}

static void add_window_columns(struct planning *p)
{
    static const char *const names[] = {"window_start", "window_end"};
    int32_t input[] = {p->config->input_window_start, p->config->input_window_end};
    bool inherit = p->config->window.kind == K_WINDOW_INHERIT;
    for (int i = 0; i < 2; i++) {
        p->from[p->out.count] = (struct k_column_origin){"window", -1};
        p->passed[p->out.count] = inherit ? input[i] : -1;
        p->out.fields[p->out.count++] = (struct k_field){.name = names[i], .type = K_TIMESTAMP, .not_null = true};
    }
}

static void plan_groups(struct planning *p)
{
    const Kappa__V1__Aggregate *message = p->message;
    struct k_planner *planner = p->planner;
    p->config->groups = k_arena_array(planner->arena, struct k_expr *, message->n_group_by);
    for (uint32_t i = 0; i < message->n_group_by; i++) {
        const char *name = NULL;
        struct k_expr *expr =
            k_expr_compile(planner->arena, k_str_of(message->group_by[i]), &p->scope,
                           k_plan_place(planner, message, "group_by", (int)i, 0), planner->diags, &name);
        if (!expr || !add_column(p, "group_by", (int)i, name, expr)) {
            p->good = false;
            continue;
        }
        p->passed[p->out.count - 1] = k_expr_column(expr);
        p->config->groups[p->config->group_count++] = expr;
    }
    if (message->window) add_window_columns(p);
    p->config->named_count = p->out.count;
    p->named = (struct k_schema){p->out.fields, p->out.count};
}

static bool is_end(const struct k_aggregate_call *call)
{
    return call->function == K_AGG_FIRST || call->function == K_AGG_LAST;
}

// Calls that a select has added: what they remember must have a form in the state.
static bool check_calls(struct planning *p, uint32_t first, int index)
{
    for (uint32_t i = first; i < p->config->call_count; i++) {
        const struct k_aggregate_call *call = &p->config->calls[i];
        if (call->function == K_AGG_COUNT) continue;
        if (is_end(call) && p->input->updating) {
            bool first = call->function == K_AGG_FIRST;
            k_plan_error(p->planner, p->message, "select", index, K0407,
                         "rows of \"%s\" are replaced and taken back, so that none stays the %s; say what orders them: "
                         " %s(VALUE, COLUMN)",
                         p->input->name, first ? "first" : "last", first ? "arg_min" : "arg_max");
            return false;
        }
        for (uint32_t a = 0; a < call->argument_count; a++) {
            enum k_type type = k_expr_type(call->arguments[a]);
            if (type != K_INTERVAL && type != K_NO_TYPE) continue;
            k_plan_error(p->planner, p->message, "select", index, K0403,
                         "an aggregate function cannot remember a value of type %s; convert it first",
                         k_type_name(type));
            return false;
        }
    }
    return true;
}

static void plan_selects(struct planning *p)
{
    const Kappa__V1__Aggregate *message = p->message;
    struct k_planner *planner = p->planner;
    struct k_aggregate_config *config = p->config;
    // Selects may name groups and window columns; the array is a copy, because that of the output grows.
    struct k_field *fields = k_arena_array(planner->arena, struct k_field, p->named.count);
    if (p->named.count) memcpy(fields, p->named.fields, p->named.count * sizeof *fields);
    struct k_schema named = {fields, p->named.count};
    config->calls = k_arena_array(planner->arena, struct k_aggregate_call, CALLS_MAX);
    config->selects = k_arena_array(planner->arena, struct k_expr *, message->n_select);
    for (uint32_t i = 0; i < message->n_select; i++) {
        const char *name = NULL;
        uint32_t calls_before = config->call_count;
        struct k_expr *expr =
            k_expr_compile_aggregate(planner->arena, k_str_of(message->select[i]), &p->scope, &named,
                                     k_plan_place(planner, message, "select", (int)i, 0), planner->diags, &name,
                                     config->calls, &config->call_count, CALLS_MAX);
        if (!expr || !check_calls(p, calls_before, (int)i) || !add_column(p, "select", (int)i, name, expr)) {
            p->good = false;
            continue;
        }
        config->selects[config->select_count++] = expr;
    }
    p->good &= k_plan_distinct_names(planner, message, &p->out, p->from);
    if (message->n_select + message->n_group_by == 0 && !k_graph_is_broken(planner->graph, message)) {
        k_plan_error(planner, message, NULL, -1, K0401,
                     "\"%s\" says neither how to group nor what to compute; add  select: \"count(*) AS n\"",
                     p->node->name);
        p->good = false;
    }
}

static uint32_t multiple_of_16(uint32_t size)
{
    return (size + 15) & ~15u;
}

// Lays out the groups' values, and the made columns that results are written to.
static void plan_values(struct planning *p)
{
    struct k_aggregate_config *config = p->config;
    struct k_arena *arena = p->planner->arena;
    config->parts = k_arena_zeroed(arena, (config->call_count + 1) * sizeof *config->parts);
    config->made.fields = k_arena_array(arena, struct k_field, config->named_count + config->call_count);
    if (config->named_count)
        memcpy(config->made.fields, p->named.fields, config->named_count * sizeof *p->named.fields);
    config->made.count = config->named_count + config->call_count;
    uint32_t size = sizeof(struct k_group);
    for (uint32_t i = 0; i < config->call_count; i++) {
        const struct k_aggregate_call *call = &config->calls[i];
        struct k_part *part = &config->parts[i];
        part->kind = k_accumulator_for(call, p->input->updating, p->node->on_error == K_ON_ERROR_PASS_NULL);
        config->distinct |= part->kind == &k_accumulate_distinct;
        // Rows of one record that came on several ways are late each by itself; a pane would not know which was first.
        if (is_end(call) && p->input->rejoined) config->panes = false;
        part->offset = size;
        part->type = call->type;
        part->greatest =
            call->function == K_AGG_MAX || call->function == K_AGG_ARG_MAX || call->function == K_AGG_LAST;
        if (call->function >= K_AGG_VAR_POP && call->function <= K_AGG_STDDEV_SAMP)
            part->spread = K_SPREAD_VAR_POP + (call->function - K_AGG_VAR_POP);
        if (call->argument_count > 0) part->argument = k_expr_type(call->arguments[0]);
        if (call->argument_count > 1) part->by = k_expr_type(call->arguments[1]);
        size += part->kind->size;
        config->made.fields[config->named_count + i] =
            (struct k_field){.name = k_arena_format(arena, "#%u", i), .type = call->type, .not_null = call->not_null};
    }
    if (config->distinct)
        config->panes = false; // the values of a pane's group may be more than can be merged at once
    config->value_size = multiple_of_16(size);
    config->key_count = config->group_count + (config->window.kind == K_WINDOW_INHERIT ? 1 : 0);
}

static void value_encode(const void *value, const void *context, struct k_buf *out)
{
    const struct k_aggregate_config *config = context;
    k_buf_add_zigzag(out, ((const struct k_group *)value)->rows);
    for (uint32_t i = 0; i < config->call_count; i++)
        if (config->parts[i].kind->size) config->parts[i].kind->encode(&config->parts[i], value, out);
}

static int value_decode(struct k_str bytes, const void *context, void *value, struct k_error *err)
{
    const struct k_aggregate_config *config = context;
    size_t at = k_get_zigzag(bytes.data, bytes.length, &((struct k_group *)value)->rows);
    bool good = at > 0;
    for (uint32_t i = 0; i < config->call_count && good; i++) {
        const struct k_part *part = &config->parts[i];
        if (!part->kind->size) continue;
        size_t used = part->kind->decode(part, value, bytes.data + at, bytes.length - at);
        good = used > 0;
        at += used;
    }
    if (good && at == bytes.length) return 0;
    return k_fail(err, K_E_CORRUPT, "a group of %u bytes is damaged at byte %zu", bytes.length, at);
}

static void value_fini(void *value, const void *context)
{
    const struct k_aggregate_config *config = context;
    for (uint32_t i = 0; i < config->call_count; i++)
        if (config->parts[i].kind->fini) config->parts[i].kind->fini(&config->parts[i], value);
}

static size_t value_owned(const void *value, const void *context)
{
    const struct k_aggregate_config *config = context;
    size_t bytes = 0;
    for (uint32_t i = 0; i < config->call_count; i++)
        if (config->parts[i].kind->owned_bytes) bytes += config->parts[i].kind->owned_bytes(&config->parts[i], value);
    return bytes;
}

static void plan_family(struct planning *p)
{
    struct k_aggregate_config *config = p->config;
    config->type = (struct k_family_type){.size = config->value_size, .encode = value_encode, .decode = value_decode};
    for (uint32_t i = 0; i < config->call_count; i++) {
        if (!config->parts[i].kind->fini) continue;
        config->type.fini = value_fini;
        config->type.owned_bytes = value_owned;
    }
    config->family = k_arena_format(p->planner->arena, "aggregate/%s", p->node->name);
    config->pane_family = k_arena_format(p->planner->arena, "aggregate/%s/panes", p->node->name);
    config->value_family = k_arena_format(p->planner->arena, "aggregate/%s/values", p->node->name);
    p->node->families[0] = config->family;
    p->node->families[1] = config->pane_family;
    p->node->families[2] = config->value_family;
}

static void make_edge(struct planning *p)
{
    const struct k_aggregate_config *config = p->config;
    struct k_arena *arena = p->planner->arena;
    struct k_edge *edge = k_arena_zeroed(arena, sizeof *edge);
    p->node->outputs = edge;
    p->node->output_count = 1;
    *edge = (struct k_edge){.name = p->node->name, .schema = p->out, .read = k_arena_zeroed(arena, p->out.count + 1)};
    k_edge_map(arena, edge, p->input, p->passed);
    edge->updating = config->on_update;
    edge->order = p->input->order;
    edge->made = config->window.kind != K_WINDOW_NONE;
    uint32_t *unique = k_arena_array(arena, uint32_t, config->named_count);
    for (uint32_t i = 0; i < config->named_count; i++) unique[i] = i;
    edge->unique = unique;
    edge->unique_count = config->named_count;
    // All windows of a node have one length: the start says which it is, and the end is no part of the identity.
    if (config->window.kind != K_WINDOW_NONE) edge->unique_count--;
    if (config->window.kind == K_WINDOW_NONE) return;
    edge->window_start = (int32_t)config->group_count;
    edge->window_end = edge->window_start + 1;
    edge->delay_us = p->input->delay_us + config->window.grace_us;
}

static void describe(struct planning *p)
{
    const struct k_window *window = &p->config->window;
    struct k_buf words = {0};
    k_buf_add_text(&words, p->config->group_count ? "one row per" : "one row");
    for (uint32_t i = 0; i < p->config->group_count; i++)
        k_buf_printf(&words, "%s %s", i ? "," : "", p->out.fields[i].name);
    if (p->config->distinct) k_buf_add_text(&words, ", and one per different value that is counted");
    switch (window->kind) {
    case K_WINDOW_NONE: k_buf_add_text(&words, "; never closes"); break;
    case K_WINDOW_INHERIT: k_buf_add_text(&words, " and inherited window"); break;
    case K_WINDOW_TUMBLING:
    case K_WINDOW_HOPPING:
        k_buf_add_text(&words, " and window of ");
        k_duration_print(&words, window->size_us);
        if (window->kind == K_WINDOW_TUMBLING) break;
        k_buf_add_text(&words, " every ");
        k_duration_print(&words, window->every_us);
        break;
    }
    if (window->kind != K_WINDOW_NONE) {
        k_buf_add_text(&words, ", until the window's end + ");
        k_duration_print(&words, window->grace_us);
    }
    p->node->state = k_arena_copy(p->planner->arena, words.data, words.length);
    k_buf_fini(&words);
}

bool k_aggregate_plan(struct k_planner *planner, struct k_node *node)
{
    const Kappa__V1__Aggregate *message = node->message;
    const struct k_edge *input = node->inputs[0];
    struct k_arena *arena = planner->arena;
    struct k_aggregate_config *config = node->config = k_arena_zeroed(arena, sizeof *config);
    struct planning p = {.planner = planner,
                         .node = node,
                         .message = message,
                         .input = input,
                         .config = config,
                         .scope = {&input->schema, input->name, input->read},
                         .good = true};
    size_t most = message->n_group_by + message->n_select + 2;
    p.out.fields = k_arena_array(arena, struct k_field, most);
    p.from = k_arena_array(arena, struct k_column_origin, most);
    p.passed = k_arena_array(arena, int32_t, most);
    plan_window(&p);
    plan_groups(&p);
    plan_selects(&p);
    if (!p.good) return false;
    plan_values(&p);
    plan_family(&p);
    make_edge(&p);
    describe(&p);
    node->frontier = config->window.kind != K_WINDOW_NONE;
    if (config->late_topic) {
        // A late row is sent whole.
        for (uint32_t i = 0; i < input->schema.count; i++)
            if (!input->schema.fields[i].hidden) input->read[i] = true;
        const char **topics = k_arena_array(arena, const char *, 1);
        topics[0] = config->late_topic;
        node->topics = topics;
        node->topic_count = 1;
    }
    return true;
}
