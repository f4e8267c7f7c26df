// What is about order and time, of which reorder.c knows the rest, and flatten.c.
#pragma once
#include "tests/reference/inside.h"

// A row that waits in a union until all that became of one record, or of one row of a window, is there.
struct waiting {
    struct row row; // its values are copies
    uint32_t port;
};

// A column from a schema's text (source.c).
K_CHECKED int read_field(struct k_arena *arena, const char *text, struct column *ret, struct k_error *err);
K_CHECKED int build_flatten(struct reference *r, struct node *node, const Kappa__V1__Flatten *message,
                            struct k_error *err);
K_CHECKED int flatten_take(struct reference *r, struct node *node, const struct row *row, struct k_error *err);
K_CHECKED int build_union(struct reference *r, struct node *node, struct k_error *err);
K_CHECKED int build_event_time(struct reference *r, struct node *node, const Kappa__V1__EventTime *message,
                               struct k_error *err);
K_CHECKED int event_time_take(struct reference *r, struct node *node, const struct row *row, struct k_error *err);
void union_take(struct reference *r, struct node *node, const struct output *from, const struct row *row);
K_CHECKED int union_settle(struct reference *r, struct node *node, struct k_error *err); // hands on what waits
// All that became of one record, or of one row of a window, is there: unions hand it on.
K_CHECKED int settle_unions(struct reference *r, struct k_error *err);
