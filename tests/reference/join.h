// The join of a stream and a table, as join.c has it.
#pragma once
#include "tests/reference/reorder.h"

struct joining;

K_CHECKED int build_join(struct reference *r, struct node *node, const Kappa__V1__Join *message, struct k_error *err);
void join_fini(struct joining *joining);
// A row of one of the inputs.
K_CHECKED int join_take(struct reference *r, struct node *node, const struct output *from, const struct row *row,
                        struct k_error *err);
// Takes what lies before the frontier, in order.
K_CHECKED int join_close(struct reference *r, struct node *node, int64_t frontier, struct k_error *err);
