// Gives rows another event time.
//
// Watermarks stay those of the sources: W(p) is a fact of partition p and its records, and a window closes by the least
// of them. What this node may do is to hold both back by `behind`: the watermark that each row carries, by which it is
// judged late, and the frontier of all nodes behind (the edge's delay). As both move by the same span, a row that is
// not late still finds its window open, whatever its new event time is.
// For a row that was made for a window that would not hold: it is never late, and relies on its event time instead.
#include "operators/common.h"
#include "operators/plant.h"

// As for sources: instants that leave room for windows and graces on both sides.
#define TIME_MAX (INT64_C(1) << 61)

struct event_time_config {
    struct k_expr *time;
    int64_t behind_us;
};

struct event_time {
    struct k_host *host;
    const struct k_node *node;
};

static struct k_expr *plan_expr(struct k_planner *planner, struct k_node *node)
{
    const Kappa__V1__EventTime *message = node->message;
    const struct k_edge *input = node->inputs[0];
    if (!k_plan_need(planner, node, message, "expr", message->expr, "expr: \"COLUMN\"")) return NULL;
    struct k_scope scope = {&input->schema, input->name, input->read};
    struct k_expr *expr = k_expr_compile(planner->arena, k_str_of(message->expr), &scope,
                                         k_plan_place(planner, message, "expr", 0, 0), planner->diags, NULL);
    if (!expr || k_expr_type(expr) == K_TIMESTAMP) return expr;
    k_plan_error(planner, message, "expr", 0, K0403, "the event time must be of type timestamp; \"%s\" is of type %s",
                 message->expr, k_type_name(k_expr_type(expr)));
    return NULL;
}

static bool event_time_plan(struct k_planner *planner, struct k_node *node)
{
    const Kappa__V1__EventTime *message = node->message;
    const struct k_edge *input = node->inputs[0];
    struct event_time_config *config = k_arena_zeroed(planner->arena, sizeof *config);
    struct k_edge *out = k_arena_get(planner->arena, sizeof *out);
    *out = *input; // shares the schema and the read flags
    out->name = node->name;
    node->outputs = out;
    node->output_count = 1;
    node->config = config;
    config->time = plan_expr(planner, node);
    bool good = config->time != NULL;
    good &= k_plan_duration(planner, message, "behind", message->behind, 0, &config->behind_us);
    out->delay_us += config->behind_us;
    if (out->delay_us > K_DURATION_MAX) {
        k_plan_error(planner, message, "behind", 0, K0402,
                     "behind: \"%s\" and the spans before it add up to more than can be computed with",
                     message->behind);
        good = false;
    }
    if (input->made) {
        k_plan_error(
            planner, message, NULL, -1, K0405,
            "\"%s\" dates rows of \"%s\" anew, but an aggregate made them for a window, and the windows that "
            "follow close by that event time; put event_time before the aggregate",
            node->name, input->name);
        good = false;
    }
    return good;
}

static int event_time_open(void *instance, const struct k_node *node, struct k_host *host, struct k_error *err)
{
    (void)err;
    *(struct event_time *)instance = (struct event_time){host, node};
    return 0;
}

// Errors of expressions, and of what they gave, row by row.
struct failures {
    struct k_expr_error *items;
    uint32_t count;
};

static void fails(struct failures *failures, uint32_t row, const char *reason, const char *text)
{
    failures->items[failures->count++] = (struct k_expr_error){row, reason, text};
}

// The new event times; rows that have none keep the old one.
static int64_t *new_times(const struct k_batch *batch, const struct k_column *given, const uint8_t *failed,
                          struct failures *failures)
{
    int64_t *time = k_arena_array(batch->arena, int64_t, batch->rows);
    memcpy(time, batch->time, batch->rows * sizeof *time);
    for (uint32_t i = 0; i < batch->selected; i++) {
        uint32_t row = batch->selection[i];
        if (failed && failed[row]) continue;
        if (k_column_null(given, row)) fails(failures, row, "no_event_time", "the event time is NULL");
        else if (given->i[row] > TIME_MAX || given->i[row] < -TIME_MAX)
            fails(failures, row, "event_time_range",
                  "the event time lies further from 1970 than can be computed with");
        else time[row] = given->i[row];
    }
    return time;
}

static const int64_t *held_back(const struct k_batch *batch, int64_t behind_us)
{
    if (!batch->watermark || behind_us == 0 || K_OPERATOR_PLANT(dated_not_held)) return batch->watermark;
    int64_t *watermark = k_arena_array(batch->arena, int64_t, batch->rows);
    for (uint32_t i = 0; i < batch->selected; i++) {
        uint32_t row = batch->selection[i];
        int64_t own_us = batch->watermark[row];
        bool bounded = own_us > INT64_MIN + K_DURATION_MAX && own_us != INT64_MAX;
        watermark[row] = bounded ? own_us - behind_us : own_us;
    }
    return watermark;
}

static int event_time_on_batch(void *instance, uint32_t port, const struct k_batch *batch, struct k_error *err)
{
    (void)port;
    struct event_time *self = instance;
    const struct event_time_config *config = self->node->config;
    struct k_expr_errors errors = {0};
    struct k_column given = k_expr_eval(config->time, batch, batch->selection, batch->selected, &errors);
    struct failures all = {k_arena_array(batch->arena, struct k_expr_error, errors.count + batch->selected), 0};
    uint8_t *failed = errors.count ? k_arena_zeroed(batch->arena, batch->rows) : NULL;
    for (uint32_t i = 0; i < errors.count; i++) {
        all.items[all.count++] = errors.items[i];
        failed[errors.items[i].row] = 1;
    }
    struct k_batch out = *batch;
    out.time = new_times(batch, &given, failed, &all);
    out.watermark = held_back(batch, config->behind_us);
    struct k_expr_errors every = {all.items, all.count};
    int code = k_drop_failed(self->host, self->node->on_error, batch, &every, &out.selection, &out.selected, err);
    if (code) return code;
    self->host->counters->processed += out.selected;
    return out.selected ? self->host->ops->emit(self->host, 0, &out, err) : 0;
}

static void event_time_close(void *instance)
{
    (void)instance;
}

const struct k_operator k_operator_event_time = {
    .name = "event_time",
    .doc = "Gives rows another event time.",
    .plan = event_time_plan,
    .instance_size = sizeof(struct event_time),
    .open = event_time_open,
    .on_batch = event_time_on_batch,
    .close = event_time_close,
};
