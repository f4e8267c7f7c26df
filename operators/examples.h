// The example graph of each operator, as it lies in operators/examples: `kappa operators NAME` shows it, and a test
// runs its test blocks.
#pragma once
#include <stddef.h>

struct k_example {
    const char *name; // of the operator
    const char *text; // of the graph
};
extern const struct k_example k_examples[];
extern const size_t k_example_count;
