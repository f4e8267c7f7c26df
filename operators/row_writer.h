// How a sink turns rows into the values of messages: the other side of the formats that sources read.
#pragma once
#include "operators/common.h"

struct k_row_writer;

// Reads the format of the node's sink and checks it against the visible columns of its input; lies in the plan's arena,
// read-only afterwards. NULL after a report.
struct k_row_writer *k_row_writer_plan(struct k_planner *planner, const struct k_node *node);
// Appends the value that the row becomes. NULL, or the reason word why it cannot be written, *ret_text for people
// (batch arena); what was appended is then void.
const char *k_row_writer_add(const struct k_row_writer *writer, struct k_buf *out, const struct k_batch *batch,
                             uint32_t row, const char **ret_text);

// --- protobuf (row_protobuf.c) ---
struct k_row_protobuf;
struct k_row_protobuf *k_row_protobuf_plan(struct k_planner *planner, const struct k_node *node,
                                           const Kappa__V1__Sink__Format__Protobuf *format);
const char *k_row_protobuf_add(const struct k_row_protobuf *writer, struct k_buf *out, const struct k_batch *batch,
                               uint32_t row, const char **ret_text);
