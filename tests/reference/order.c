// The order of history: by event time.
#include "tests/reference/decode.h"
#include "tests/reference/inside.h"
#include "tests/reference/source.h"

// Of the index-th row of a message. false: it gives none.
static bool time_of(struct reference *r, const struct node *node, const struct reference_record *record,
                    uint32_t index, const char *unframed, int64_t *ret_us)
{
    struct value *values = k_arena_array(&r->scratch, struct value, node->outputs[0].count);
    return !source_read(r, node, record, index, unframed, values, ret_us);
}

static bool first_time(struct reference *r, const struct node *node, const struct reference_record *record,
                       int64_t *ret_us)
{
    const Kappa__V1__Source__Format *format = node->source->message->format;
    bool packed = format->kind_case == KAPPA__V1__SOURCE__FORMAT__KIND_PACKED;
    if (!packed || !record->has_value) return time_of(r, node, record, 0, NULL, ret_us);
    bool lengths = format->packed->kind_case == KAPPA__V1__SOURCE__FORMAT__PACKED__KIND_PROTOBUF;
    struct reference_record one = *record;
    for (uint32_t at = 0, index = 0;; index++) {
        const char *why = NULL;
        if (lengths ? !cut_lengths(record->value, &at, &one.value, &why)
                    : !cut_record(format->packed, record->value, &at, &one.value))
            return false;
        if (time_of(r, node, &one, index, why, ret_us)) return true;
    }
}

int64_t reference_time(struct reference *r, const char *source, const struct reference_record *record)
{
    int64_t time_us = INT64_MIN;
    for (uint32_t n = 0; n < r->node_count && r->nodes[n]->kind == NODE_SOURCE; n++)
        if (strcmp(r->nodes[n]->name, source) == 0 && !first_time(r, r->nodes[n], record, &time_us))
            time_us = INT64_MIN;
    k_arena_reset(&r->scratch);
    return time_us;
}
