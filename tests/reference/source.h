// Sources: records become rows.
#pragma once
#include "tests/reference/inside.h"

K_CHECKED int build_source(struct reference *r, struct node *node, const Kappa__V1__Source *message, int32_t partitions,
                           struct k_error *err);
K_CHECKED int open_source(struct reference *r, struct node *node, struct k_error *err); // when it is known what is read
// The work on one record.
K_CHECKED int source_take(struct reference *r, struct node *node, const struct reference_record *record,
                          struct k_error *err);
// A message, or one of several in it: its values and its event time. unframed: why it could not be cut out, or NULL.
// Returns why it gives no row, or NULL.
const char *source_read(struct reference *r, const struct node *node, const struct reference_record *record,
                        uint32_t index, const char *unframed, struct value *values, int64_t *ret_time);
