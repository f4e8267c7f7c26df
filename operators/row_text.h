// Rows as JSON objects, fast: the same bytes as k_row_json, for sinks, where every row that is read may be written
// again.
#pragma once
#include "proto/batch.h"

struct k_row_text;

// Prepares the names of a schema's visible columns; lives in the arena.
struct k_row_text *k_row_text_make(struct k_arena *arena, const struct k_schema *schema);
// Appends the row as k_row_json would.
void k_row_text_add(const struct k_row_text *text, struct k_buf *out, const struct k_batch *batch, uint32_t row);
