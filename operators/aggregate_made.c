// Rows that an aggregate makes: from groups and results to the columns of the output.
#include "operators/aggregate.h"

void k_making_init(const struct k_aggregator *aggregate, struct k_making *making, uint32_t rows, struct k_arena *arena)
{
    const struct k_schema *made = &aggregate->config->made;
    making->rows = rows;
    making->columns = k_arena_array(arena, struct k_made, made->count);
    for (uint32_t i = 0; i < made->count; i++) k_made_init(&making->columns[i], made->fields[i].type, rows, arena);
}

void k_aggregate_finish(const struct k_aggregator *aggregate, const struct k_making *making, uint32_t rows,
                        const uint32_t *selection, uint32_t selected, const struct k_misfit *misfits,
                        uint32_t misfit_count, struct k_arena *arena, struct k_batch *ret_batch,
                        struct k_expr_errors *ret_errors)
{
    const struct k_aggregate_config *config = aggregate->config;
    struct k_column *made = k_arena_array(arena, struct k_column, config->made.count);
    for (uint32_t i = 0; i < config->made.count; i++) made[i] = k_made_column(&making->columns[i]);
    struct k_batch inner = {.schema = &config->made, .columns = made, .rows = rows, .selection = selection,
                            .selected = selected, .arena = arena};
    struct k_expr_errors errors = {0};
    struct k_column *columns = k_arena_array(arena, struct k_column, config->named_count + config->select_count);
    for (uint32_t i = 0; i < config->named_count; i++) columns[i] = made[i];
    for (uint32_t i = 0; i < config->select_count; i++)
        columns[config->named_count + i] = k_expr_eval(config->selects[i], &inner, selection, selected, &errors);
    *ret_batch = (struct k_batch){.schema = &aggregate->node->outputs[0].schema, .columns = columns, .rows = rows,
                                  .selection = selection, .selected = selected, .arena = arena};
    *ret_errors = errors;
    if (misfit_count == 0) return;
    // A result that does not fit comes before what expressions make of it.
    struct k_expr_error *all = k_arena_array(arena, struct k_expr_error, misfit_count + errors.count);
    for (uint32_t i = 0; i < misfit_count; i++)
        all[i] = (struct k_expr_error){misfits[i].row, "overflow",
                                       k_arena_format(arena, "the result is beyond the range of %s",
                                                      k_type_name(config->calls[misfits[i].call].type))};
    if (errors.count) memcpy(all + misfit_count, errors.items, errors.count * sizeof *all);
    *ret_errors = (struct k_expr_errors){all, misfit_count + errors.count};
}

int k_aggregate_fail(const struct k_aggregator *aggregate, const struct k_batch *batch,
                     const struct k_expr_error *error, struct k_error *err)
{
    struct k_host *host = aggregate->host;
    host->counters->in++;
    return host->ops->fail(host, batch, error->row, error->reason, error->text, err);
}
