// Sends each row to the first case whose condition is true, else to the last output, "else".
#include "operators/common.h"

struct route_config {
    struct k_expr **conditions; // one a case
    uint32_t count;
};

struct route {
    struct k_host *host;
    const struct k_node *node;
};

static bool case_name_is_valid(const char *name)
{
    for (const char *c = name; *c; c++)
        if (*c != '_' && *c != '-' && (*c < '0' || *c > '9') && ((*c | 32) < 'a' || (*c | 32) > 'z')) return false;
    return *name != 0;
}

static bool plan_name(struct k_planner *planner, struct k_node *node, size_t index)
{
    const Kappa__V1__Route *message = node->message;
    const Kappa__V1__Route__Case *one = message->case_[index];
    if (!k_plan_need(planner, node, one, "name", one->name, "name: \"NAME\"  to the case")) return false;
    if (strcmp(one->name, "else") == 0 || !case_name_is_valid(one->name)) {
        k_plan_error(planner, one, "name", 0, K0201, "case \"%s\": %s", one->name,
                     strcmp(one->name, "else") == 0 ? "\"else\" is the name of what no case wants"
                                                    : "a name has letters, digits, - and _ only");
        return false;
    }
    for (size_t i = 0; i < index; i++) {
        if (!message->case_[i]->name || strcmp(message->case_[i]->name, one->name) != 0) continue;
        k_plan_error(planner, one, "name", 0, K0202, "there are two cases \"%s\" in \"%s\"", one->name, node->name);
        return false;
    }
    return true;
}

static void make_edges(struct k_planner *planner, struct k_node *node)
{
    const Kappa__V1__Route *message = node->message;
    node->output_count = (uint32_t)message->n_case_ + 1;
    node->outputs = k_arena_array(planner->arena, struct k_edge, node->output_count);
    for (uint32_t i = 0; i < node->output_count; i++) {
        const char *name = i < message->n_case_ ? message->case_[i]->name : "else";
        node->outputs[i] = *node->inputs[0]; // shares the schema and the read flags
        node->outputs[i].name = k_arena_format(planner->arena, "%s.%s", node->name, name ? name : "");
    }
}

static bool route_plan(struct k_planner *planner, struct k_node *node)
{
    const Kappa__V1__Route *message = node->message;
    struct route_config *config = k_arena_zeroed(planner->arena, sizeof *config);
    bool good = true;
    config->conditions = k_arena_array(planner->arena, struct k_expr *, message->n_case_);
    config->count = (uint32_t)message->n_case_;
    node->config = config;
    make_edges(planner, node);
    if (message->n_case_ == 0 && !k_graph_is_broken(planner->graph, message)) {
        k_plan_error(planner, message, NULL, -1, K0401,
                     "route \"%s\" has no case; add  case { name: \"NAME\" when: \"CONDITION\" }", node->name);
        good = false;
    }
    for (size_t i = 0; i < message->n_case_; i++) {
        const Kappa__V1__Route__Case *one = message->case_[i];
        good &= plan_name(planner, node, i);
        if (!k_plan_need(planner, node, one, "when", one->when, "when: \"CONDITION\"  to the case")) {
            good = false;
            continue;
        }
        config->conditions[i] = k_plan_condition(planner, node->inputs[0], one, "when", 0, one->when);
        good &= config->conditions[i] != NULL;
    }
    return good;
}

static int route_open(void *instance, const struct k_node *node, struct k_host *host, struct k_error *err)
{
    (void)err;
    *(struct route *)instance = (struct route){host, node};
    return 0;
}

// Rows of `from` that are not marked.
static uint32_t without(const uint32_t *from, uint32_t count, const uint8_t *marked, uint32_t *ret_rows)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++)
        if (!marked[from[i]]) ret_rows[kept++] = from[i];
    return kept;
}

static int route_on_batch(void *instance, uint32_t port, const struct k_batch *batch, struct k_error *err)
{
    (void)port;
    struct route *route = instance;
    const struct route_config *config = route->node->config;
    struct k_host *host = route->host;
    bool pass_null = route->node->on_error == K_ON_ERROR_PASS_NULL;
    struct k_expr_errors errors = {0};
    uint8_t *marked = k_arena_zeroed(batch->arena, batch->rows); // taken by a case, or failed
    struct k_batch *outs = k_arena_array(batch->arena, struct k_batch, config->count + 1);
    const uint32_t *rest = batch->selection;
    uint32_t rest_count = batch->selected;
    for (uint32_t i = 0; i < config->count; i++) {
        uint32_t *taken = k_arena_array(batch->arena, uint32_t, rest_count);
        uint32_t *left = k_arena_array(batch->arena, uint32_t, rest_count);
        uint32_t errors_before = errors.count;
        outs[i] = *batch;
        outs[i].selection = taken;
        outs[i].selected = k_expr_filter(config->conditions[i], batch, rest, rest_count, taken, &errors);
        for (uint32_t t = 0; t < outs[i].selected; t++) marked[taken[t]] = 1;
        // A condition that failed is NULL under PASS_NULL: not true, so that the next case is asked.
        if (!pass_null && errors.count > errors_before)
            for (uint32_t e = 0; e < errors.count; e++) marked[errors.items[e].row] = 1;
        rest_count = without(rest, rest_count, marked, left);
        rest = left;
    }
    outs[config->count] = *batch;
    outs[config->count].selection = rest;
    outs[config->count].selected = rest_count;
    const uint32_t *good;
    uint32_t good_count;
    int code = k_drop_failed(host, route->node->on_error, batch, &errors, &good, &good_count, err);
    if (code) return code;
    host->counters->processed += good_count;
    for (uint32_t i = 0; i <= config->count && code == 0; i++)
        if (outs[i].selected) code = host->ops->emit(host, i, &outs[i], err);
    return code;
}

static void route_close(void *instance)
{
    (void)instance;
}

const struct k_operator k_operator_route = {
    .name = "route",
    .doc = "Sends each row to the first case whose condition is true, or to \"else\".",
    .plan = route_plan,
    .instance_size = sizeof(struct route),
    .open = route_open,
    .on_batch = route_on_batch,
    .close = route_close,
};
