#include "operators/row_value.h"

#include <stdlib.h>

enum { COUNT_MAX = 5, FIXED_MAX = 11, STRING_GUESS = 32 };

void k_row_value_set(struct k_row_value *value, struct k_str bytes, uint32_t inline_capacity)
{
    char *to = value->in_place;
    if (bytes.length > inline_capacity || value->capacity) {
        if (bytes.length > value->capacity) {
            value->data = k_realloc(value->capacity ? value->data : NULL, bytes.length);
            value->capacity = bytes.length;
        }
        to = value->data;
    }
    memcpy(to, bytes.data, bytes.length);
    value->length = bytes.length;
}

static void encode(const void *value, const void *context, struct k_buf *out)
{
    (void)context;
    struct k_str bytes = k_row_value_bytes(value);
    k_buf_add(out, bytes.data, bytes.length);
}

static int decode(struct k_str bytes, const void *context, void *value, struct k_error *err)
{
    (void)err;
    k_row_value_set(value, bytes, *(const uint32_t *)context);
    return 0;
}

static void fini(void *value, const void *context)
{
    (void)context;
    struct k_row_value *v = value;
    if (v->capacity) free(v->data);
}

static size_t owned(const void *value, const void *context)
{
    (void)context;
    return ((const struct k_row_value *)value)->capacity;
}

uint32_t k_row_inline_capacity(const struct k_schema *schema, uint32_t before)
{
    uint32_t bytes = before + COUNT_MAX;
    for (uint32_t i = 0; i < schema->count && bytes <= K_ROW_INLINE_MAX; i++) {
        enum k_type type = schema->fields[i].type;
        bool fixed = type == K_BOOL || type == K_INT64 || type == K_TIMESTAMP || type == K_DOUBLE;
        bytes += fixed ? FIXED_MAX : STRING_GUESS; // short strings often fit, too
    }
    return bytes < K_ROW_INLINE_MAX ? bytes : K_ROW_INLINE_MAX;
}

struct k_family_type k_row_value_type(const uint32_t *inline_capacity)
{
    return (struct k_family_type){.size = (uint32_t)sizeof(struct k_row_value) + *inline_capacity,
                                  .encode = encode,
                                  .decode = decode,
                                  .fini = fini,
                                  .owned_bytes = owned};
}
