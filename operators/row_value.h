// A value of a family that is bytes: a row as it lies in the store. Rows of fixed width lie in place; what is longer
// is of the value's own.
#pragma once
#include "proto/types.h"
#include "state/state.h"

enum { K_ROW_INLINE_MAX = 112 };

// In memory; inline_capacity bytes follow.
struct k_row_value {
    uint32_t length;
    uint32_t capacity; // of data; 0: the bytes lie in place
    char *data;
    char in_place[];
};

// What such a row takes at most when its columns are numbers, and a good guess when they are strings.
uint32_t k_row_inline_capacity(const struct k_schema *schema, uint32_t before);
// The type of a family of such values; its context is *inline_capacity, which must outlive the state.
struct k_family_type k_row_value_type(const uint32_t *inline_capacity);

static inline struct k_str k_row_value_bytes(const struct k_row_value *value)
{
    return (struct k_str){value->capacity ? value->data : value->in_place, value->length};
}
void k_row_value_set(struct k_row_value *value, struct k_str bytes, uint32_t inline_capacity);
