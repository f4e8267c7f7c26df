// Values and rows as JSON text: what people and output topics see of them.
#include "base/error.h"
#include "base/json_out.h"
#include "proto/batch.h"

// ISO 8601, with the fields that SQL keeps apart: "P1M2DT3.5S". Each part has its own sign.
static void interval_json(struct k_buf *out, struct k_interval interval)
{
    k_buf_add_text(out, "\"P");
    if (interval.months) k_buf_printf(out, "%dM", interval.months);
    if (interval.days) k_buf_printf(out, "%dD", interval.days);
    if (interval.us || (!interval.months && !interval.days)) {
        uint64_t us = interval.us < 0 ? 0 - (uint64_t)interval.us : (uint64_t)interval.us;
        k_buf_printf(out, "T%s%llu", interval.us < 0 ? "-" : "", (unsigned long long)(us / 1000000));
        if (us % 1000000) {
            k_buf_printf(out, ".%06llu", (unsigned long long)(us % 1000000));
            while (out->data[out->length - 1] == '0') out->length--;
        }
        k_buf_add_char(out, 'S');
    }
    k_buf_add_char(out, '"');
}

void k_value_json(struct k_buf *out, const struct k_value *value)
{
    if (value->null) {
        k_buf_add_text(out, "null");
        return;
    }
    switch (value->type) {
    case K_NO_TYPE: k_buf_add_text(out, "null"); return;
    case K_BOOL: k_buf_add_text(out, value->b ? "true" : "false"); return;
    case K_INT64: k_json_int(out, value->i); return;
    case K_DOUBLE: k_json_double(out, value->d); return;
    case K_STRING: k_json_string(out, value->s); return;
    case K_BYTES: k_json_base64(out, value->s); return;
    case K_TIMESTAMP: k_json_time(out, value->i); return;
    case K_JSON: k_buf_add(out, value->s.data, value->s.length); return;
    case K_INTERVAL: interval_json(out, value->interval); return;
    }
    K_ASSERT(!"a type outside the table");
}

void k_row_json(struct k_buf *out, const struct k_batch *batch, uint32_t row)
{
    K_ASSERT(row < batch->rows);
    k_buf_add_char(out, '{');
    bool first = true;
    for (uint32_t i = 0; i < batch->schema->count; i++) {
        if (batch->schema->fields[i].hidden) continue;
        struct k_value value = k_column_value(&batch->columns[i], row);
        if (!first) k_buf_add_char(out, ',');
        first = false;
        k_json_string(out, k_str_of(batch->schema->fields[i].name));
        k_buf_add_char(out, ':');
        k_value_json(out, &value);
    }
    k_buf_add_char(out, '}');
}

struct k_str k_key_text(const struct k_value *value, struct k_buf *scratch)
{
    K_ASSERT(!value->null);
    if (value->type == K_STRING || value->type == K_BYTES || value->type == K_JSON) return value->s;
    k_buf_clear(scratch);
    k_value_json(scratch, value);
    struct k_str text = k_buf_str(scratch);
    // A timestamp, and a double that JSON has no number for, come in quotes, which no producer puts around a key.
    if (text.length >= 2 && text.data[0] == '"') return (struct k_str){text.data + 1, text.length - 2};
    return text;
}
