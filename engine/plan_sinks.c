// What the topics of keyed sinks show, in terms of tables.
#include "engine/plan.h"

#include <string.h>

bool k_plan_is_keyed_sink(const struct k_node *node)
{
    return strcmp(node->type->name, "kafka") == 0 && ((const Kappa__V1__Sink *)node->owner)->n_key > 0;
}

// Whether every one of these columns is among those.
static bool all_in(char *const *these, size_t n, char *const *those, size_t m)
{
    for (size_t i = 0; i < n; i++) {
        size_t j = 0;
        while (j < m && strcmp(these[i], those[j]) != 0) j++;
        if (j == m) return false;
    }
    return true;
}

int32_t k_plan_table_of_sink(const struct k_plan *plan, const struct k_node *sink)
{
    const Kappa__V1__Sink *message = sink->owner;
    for (uint32_t i = 0; i < plan->node_count; i++) {
        const struct k_node *node = &plan->nodes[i];
        if (strcmp(node->type->name, "table") != 0 || node->inputs[0] != sink->inputs[0]) continue;
        const Kappa__V1__Table *table = node->message;
        if (all_in(message->key, message->n_key, table->key, table->n_key) &&
            all_in(table->key, table->n_key, message->key, message->n_key))
            return (int32_t)i;
    }
    return -1;
}
