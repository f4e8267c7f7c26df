// What a column asks of a protobuf message: which field it is, and whether it fits. For validation, the decoder and
// the sink.
#pragma once
#include "proto/descriptor.h"
#include "proto/types.h"

// The fields that lead from the message to the column's: its path ("at"), or the field of its name. K_E_CONFIG: there
// is none, or the column cannot hold it; the text says so, with the nearest right name. ret has room for
// K_PATH_KEYS_MAX.
K_CHECKED int k_pb_resolve(const struct k_pb_message *message, const struct k_field *column,
                           const struct k_pb_field **ret, uint32_t *ret_count, struct k_error *err);
// Whether the type is google.protobuf.Timestamp, which a timestamp column reads.
bool k_pb_is_timestamp(const struct k_pb_field *field);
// Whether a column of the type can hold the field, which is not repeated.
bool k_pb_fits(const struct k_pb_field *field, enum k_type type);
