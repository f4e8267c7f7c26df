// One test block of a graph, run and compared.
#pragma once
#include "engine/plan.h"

// Runs the test. What does not hold is appended to failures, a line each with its position; nothing: it passed. An
// error code when it could not be run at all.
K_CHECKED int test_run(struct k_graph *graph, struct k_plan *plan, const Kappa__V1__Test *test, uint64_t seed,
                       struct k_buf *failures, struct k_error *err);
