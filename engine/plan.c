// From a graph to a plan: names, edges, order, then each source's and operator's own planning.
//
// Every step goes on after an error, so that people see all errors at once. A consumer whose input failed is not
// planned (its errors would only echo), but it still counts as a reader of that input.
#include "engine/plan.h"

#include "base/hash.h"
#include "engine/plan_private.h"
#include "proto/codes.h"

#include <ctype.h>

static struct k_pos at(const struct planning *p, const void *message, const char *field, int index)
{
    return k_graph_pos(p->graph, message, field, index);
}

static bool name_is_valid(const char *name)
{
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '_' && *c != '-') return false;
    return *name != 0 && strlen(name) <= 100;
}

// Sources, nodes, tables and sinks share one namespace.
static void check_names(struct planning *p)
{
    for (uint32_t i = 0; i < p->thing_count; i++) {
        struct thing *t = &p->things[i];
        if (!t->name || !*t->name) {
            k_diag_error(p->diags, at(p, t->message, NULL, -1), K0201,
                         "a %s without a name; names are identity: state is found by them", t->kind);
            t->failed = true;
            continue;
        }
        if (!name_is_valid(t->name)) {
            k_diag_error(p->diags, at(p, t->message, "name", 0), K0201,
                         "%s \"%s\": a name has letters, digits, - and _ only, at most 100", t->kind, t->name);
            t->failed = true;
        }
        for (uint32_t j = 0; j < i; j++) {
            if (!p->things[j].name || strcmp(p->things[j].name, t->name) != 0) continue;
            k_diag_error(
                p->diags, at(p, t->message, "name", 0), K0202,
                "%s \"%s\" has the name of a %s at line %u; sources, nodes, tables and sinks share one namespace",
                t->kind, t->name, p->things[j].kind, at(p, p->things[j].message, "name", 0).line);
            t->failed = true;
            break;
        }
    }
}

static bool is_route(const struct thing *t)
{
    return t->node && t->node->operator_case == KAPPA__V1__NODE__OPERATOR_ROUTE;
}

static bool route_has(const Kappa__V1__Route *route, const char *name)
{
    if (strcmp(name, "else") == 0) return true;
    for (size_t i = 0; i < route->n_case_; i++)
        if (route->case_[i]->name && strcmp(route->case_[i]->name, name) == 0) return true;
    return false;
}

// All names that an input may have, for the nearest one.
static const char *nearest_output(struct planning *p, const char *wanted, const struct thing *reader)
{
    const char **names = NULL;
    uint32_t count = 0, capacity = 0;
    for (uint32_t i = 0; i < p->thing_count; i++) {
        const struct thing *t = &p->things[i];
        if (!t->name || t == reader || t->is_end) continue;
        uint32_t more = 1 + (is_route(t) ? (uint32_t)t->node->route->n_case_ + 1 : 0);
        if (count + more > capacity) {
            capacity = (count + more) * 2;
            names = k_realloc(names, capacity * sizeof *names);
        }
        if (!is_route(t)) {
            names[count++] = t->name;
            continue;
        }
        for (size_t c = 0; c < t->node->route->n_case_; c++)
            if (t->node->route->case_[c]->name)
                names[count++] = k_arena_format(&p->plan->arena, "%s.%s", t->name, t->node->route->case_[c]->name);
        names[count++] = k_arena_format(&p->plan->arena, "%s.else", t->name);
    }
    const char *nearest = k_nearest(wanted, names, count);
    free(names);
    return nearest;
}

// Whom an input names: the thing's index, and the name of the case for a route.
static int32_t resolve_input(struct planning *p, struct thing *reader, uint32_t index, const char **ret_case)
{
    const char *input = reader->inputs[index];
    struct k_pos pos = at(p, reader->message, "input", (int)index);
    size_t length = strcspn(input, ".");
    for (uint32_t i = 0; i < p->thing_count; i++) {
        struct thing *t = &p->things[i];
        if (!t->name || strlen(t->name) != length || memcmp(t->name, input, length) != 0) continue;
        const char *part = input[length] ? input + length + 1 : NULL;
        if (t->is_end) {
            k_diag_error(p->diags, pos, K0203,
                         "%s \"%s\" reads %s \"%s\", which is an end and gives no rows; read what it reads",
                         reader->kind, reader->name, t->kind, t->name);
            return -1;
        }
        if (is_route(t) && !part) {
            k_diag_error(
                p->diags, pos, K0211,
                "input \"%s\" is ambiguous: it is a route; read one of its cases, such as \"%s.%s\", or \"%s.else\"",
                input, t->name,
                t->node->route->n_case_ && t->node->route->case_[0]->name ? t->node->route->case_[0]->name : "else",
                t->name);
            t->read = true;
            return -1;
        }
        if (part && (!is_route(t) || !route_has(t->node->route, part))) break;
        t->read = true;
        *ret_case = part;
        return (int32_t)i;
    }
    const char *nearest = nearest_output(p, input, reader);
    for (uint32_t i = 0; i < p->thing_count; i++) {
        struct thing *t = &p->things[i];
        if (!t->name) continue;
        // Whom the person most likely meant is not unread as well; and a name that is itself refused is known.
        if (nearest && strncmp(t->name, nearest, strcspn(nearest, ".")) == 0) t->read = true;
        if (strcmp(t->name, input) != 0) continue;
        t->read = true;
        return -1;
    }
    k_diag_error(p->diags, pos, K0203, "%s \"%s\" reads \"%s\", which does not exist%s%s%s", reader->kind,
                 reader->name ? reader->name : "", input, nearest ? "; did you mean \"" : "", nearest ? nearest : "",
                 nearest ? "\"?" : "");
    return -1;
}

static void resolve_inputs(struct planning *p)
{
    for (uint32_t i = 0; i < p->thing_count; i++) {
        struct thing *t = &p->things[i];
        if (t->source) continue;
        if (t->input_count == 0) {
            k_diag_error(p->diags, at(p, t->message, NULL, -1), K0206, "%s \"%s\" has no input", t->kind,
                         t->name ? t->name : "");
            t->failed = true;
        }
        t->from = k_arena_zeroed(&p->plan->arena, (t->input_count + 1) * sizeof *t->from);
        t->from_case = k_arena_zeroed(&p->plan->arena, (t->input_count + 1) * sizeof *t->from_case);
        for (uint32_t j = 0; j < t->input_count; j++) {
            t->from[j] = resolve_input(p, t, j, &t->from_case[j]);
            if (t->from[j] < 0) t->failed = true;
        }
    }
    for (uint32_t i = 0; i < p->thing_count; i++) {
        struct thing *t = &p->things[i];
        if (t->read || t->is_end || !t->name) continue;
        k_diag_error(p->diags, at(p, t->message, "name", 0), K0205,
                     "%s \"%s\" is read by nobody; give it a table, a sink or a node, or take it out", t->kind,
                     t->name);
    }
}

// Depth first in the order of the file: inputs before readers. state: 0 new, 1 on the path, 2 done.
static void order_thing(struct planning *p, uint32_t index)
{
    struct thing *t = &p->things[index];
    if (t->visit == 2) return;
    if (t->visit == 1) {
        if (!t->in_cycle)
            k_diag_error(p->diags, at(p, t->message, "input", 0), K0204,
                         "%s \"%s\" reads, by way of others, its own output; a graph has no cycles", t->kind,
                         t->name ? t->name : "");
        t->in_cycle = t->failed = true;
        return;
    }
    t->visit = 1;
    for (uint32_t j = 0; j < t->input_count; j++)
        if (t->from[j] >= 0) order_thing(p, (uint32_t)t->from[j]);
    t->visit = 2;
    p->order[p->order_count++] = index;
}

static void gather(struct planning *p, const Kappa__V1__Graph *g)
{
    uint32_t n = (uint32_t)(g->n_source + g->n_node + g->n_table + g->n_sink);
    p->things = k_arena_zeroed(&p->plan->arena, (n + 1) * sizeof *p->things);
    p->order = k_arena_array(&p->plan->arena, uint32_t, n + 1);
    struct thing *t = p->things;
    for (size_t i = 0; i < g->n_source; i++, t++)
        *t = (struct thing){
            .kind = "source", .name = g->source[i]->name, .message = g->source[i], .source = g->source[i]};
    for (size_t i = 0; i < g->n_node; i++, t++)
        *t = (struct thing){.kind = "node",
                            .name = g->node[i]->name,
                            .message = g->node[i],
                            .node = g->node[i],
                            .inputs = g->node[i]->input,
                            .input_count = (uint32_t)g->node[i]->n_input};
    for (size_t i = 0; i < g->n_table; i++, t++)
        *t = (struct thing){.kind = "table",
                            .name = g->table[i]->name,
                            .message = g->table[i],
                            .table = g->table[i],
                            .inputs = &g->table[i]->input,
                            .input_count = g->table[i]->input ? 1 : 0,
                            .is_end = true};
    for (size_t i = 0; i < g->n_sink; i++, t++)
        *t = (struct thing){.kind = "sink",
                            .name = g->sink[i]->name,
                            .message = g->sink[i],
                            .sink = g->sink[i],
                            .inputs = &g->sink[i]->input,
                            .input_count = g->sink[i]->input ? 1 : 0,
                            .is_end = true};
    p->thing_count = n;
}

static void take_fingerprint(struct planning *p, const Kappa__V1__Graph *g)
{
    struct k_buf bytes = {0};
    k_graph_canonical(g, &bytes);
    if (p->files.length) k_buf_add(&bytes, p->files.data, p->files.length);
    k_hash128_hex(bytes.data ? bytes.data : "", bytes.length, p->plan->fingerprint);
    k_buf_fini(&bytes);
}

int k_plan_make(struct k_graph *graph, uint32_t shards, struct k_diags *diags, struct k_plan **ret_plan)
{
    struct k_plan *plan = k_new(struct k_plan);
    k_arena_init(&plan->arena);
    const Kappa__V1__Graph *g = plan->message = k_graph_message(graph);
    struct planning p = {.plan = plan, .graph = graph, .diags = diags};
    uint32_t errors_before = diags->errors;
    plan->name = g->name;
    plan->shards = shards;
    if (!g->name || !*g->name)
        k_diag_error(diags, at(&p, g, NULL, -1), K0201, "the graph has no name; add  name: \"…\"");
    else if (!name_is_valid(g->name))
        k_diag_error(diags, at(&p, g, "name", 0), K0201,
                     "graph \"%s\": a name has letters, digits, - and _ only, at most 100", g->name);
    if (g->n_table + g->n_sink == 0)
        k_diag_error(diags, at(&p, g, "name", 0), K0210,
                     "the graph has neither a table nor a sink, so nobody would see a result");
    plan->dead_letter_topic = g->policy && g->policy->dead_letter_topic
                                  ? g->policy->dead_letter_topic
                                  : k_arena_format(&plan->arena, "%s.dead-letters", g->name ? g->name : "");
    gather(&p, g);
    check_names(&p);
    resolve_inputs(&p);
    for (uint32_t i = 0; i < p.thing_count; i++) order_thing(&p, i);
    k_plan_things(&p);
    if (diags->errors != errors_before) {
        k_buf_fini(&p.files);
        k_plan_destroy(plan);
        *ret_plan = NULL;
        return K_E_CONFIG;
    }
    take_fingerprint(&p, g);
    k_buf_fini(&p.files);
    *ret_plan = plan;
    return 0;
}

void k_plan_destroy(struct k_plan *plan)
{
    if (!plan) return;
    k_arena_fini(&plan->arena);
    free(plan);
}
