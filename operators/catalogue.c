// Every operator, in the order of the reference.
#include "operators/catalogue.h"

#include "operators/plant.h"

#ifdef K_PLANTED
enum k_operator_plant k_operator_planted = K_OPERATOR_PLANT_NONE;
#endif

const struct k_operator *const k_operators[] = {
#define X(name) &k_operator_##name,
    K_OPERATORS(X)
#undef X
};
const uint32_t k_operator_count = sizeof k_operators / sizeof k_operators[0];

const struct k_operator *k_operator_find(const char *name)
{
    for (uint32_t i = 0; i < k_operator_count; i++)
        if (strcmp(k_operators[i]->name, name) == 0) return k_operators[i];
    return NULL;
}
