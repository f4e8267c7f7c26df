// Keeps the rows for which a condition is true.
#include "operators/common.h"

struct filter {
    struct k_host *host;
    const struct k_node *node;
};

static bool filter_plan(struct k_planner *planner, struct k_node *node)
{
    const Kappa__V1__Filter *message = node->message;
    struct k_edge *out = k_arena_get(planner->arena, sizeof *out);
    *out = *node->inputs[0]; // shares the schema and the read flags: what is read of us is read of our input
    out->name = node->name;
    node->outputs = out;
    node->output_count = 1;
    if (!k_plan_need(planner, node, message, "where", message->where, "where: \"CONDITION\"")) return false;
    node->config = k_plan_condition(planner, node->inputs[0], message, "where", 0, message->where);
    return node->config != NULL;
}

static int filter_open(void *instance, const struct k_node *node, struct k_host *host, struct k_error *err)
{
    (void)err;
    *(struct filter *)instance = (struct filter){host, node};
    return 0;
}

static int filter_on_batch(void *instance, uint32_t port, const struct k_batch *batch, struct k_error *err)
{
    (void)port;
    struct filter *filter = instance;
    struct k_expr_errors errors = {0};
    struct k_batch out = *batch;
    uint32_t *selection = k_arena_array(batch->arena, uint32_t, batch->selected);
    out.selected = k_expr_filter(filter->node->config, batch, batch->selection, batch->selected, selection, &errors);
    out.selection = selection;
    const uint32_t *judged;
    uint32_t judged_count;
    int code = k_drop_failed(filter->host, filter->node->on_error, batch, &errors, &judged, &judged_count, err);
    if (code) return code;
    filter->host->counters->processed += out.selected;
    filter->host->counters->filtered += judged_count - out.selected;
    return out.selected ? filter->host->ops->emit(filter->host, 0, &out, err) : 0;
}

static void filter_close(void *instance)
{
    (void)instance;
}

const struct k_operator k_operator_filter = {
    .name = "filter",
    .doc = "Keeps the rows for which a condition is true.",
    .plan = filter_plan,
    .instance_size = sizeof(struct filter),
    .open = filter_open,
    .on_batch = filter_on_batch,
    .close = filter_close,
};
