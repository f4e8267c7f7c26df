// See row_writer.h. JSON is written by row_text.c, protobuf by row_protobuf.c, the rest here.
#include "operators/row_writer.h"

#include "operators/row_text.h"

struct k_row_writer {
    struct k_row_text *json; // exactly one of these four
    struct k_row_protobuf *protobuf;
    bool csv, raw;
    char delimiter;
    uint32_t *columns; // csv, raw: the visible ones
    uint32_t count;
};

static bool plan_csv(struct k_planner *planner, const struct k_node *node, const Kappa__V1__Sink__Format__Csv *csv,
                     struct k_row_writer *writer)
{
    writer->csv = true;
    writer->delimiter = ',';
    if (!csv->delimiter) return true;
    writer->delimiter = csv->delimiter[0];
    if (k_csv_delimiter_is_good(csv->delimiter)) return true;
    k_plan_error(planner, csv, "delimiter", 0, K0408,
                 "sink \"%s\": delimiter: \"%s\" is not one ASCII character other than a quote and a line break",
                 node->name, csv->delimiter);
    return false;
}

static bool plan_raw(struct k_planner *planner, const struct k_node *node, const void *raw,
                     struct k_row_writer *writer)
{
    const struct k_schema *schema = &node->inputs[0]->schema;
    enum k_type type = writer->count == 1 ? schema->fields[writer->columns[0]].type : K_NO_TYPE;
    writer->raw = true;
    if (type == K_STRING || type == K_BYTES || type == K_JSON) return true;
    k_plan_error(planner, raw, NULL, -1, K0408,
                 "sink \"%s\": the raw format writes one column of type string, bytes or json, and \"%s\" has %u "
                 "column%s%s%s; choose one with  map { select: \"…\" }",
                 node->name, node->inputs[0]->name, writer->count, writer->count == 1 ? "" : "s",
                 writer->count == 1 ? ", of type " : "", writer->count == 1 ? k_type_name(type) : "");
    return false;
}

struct k_row_writer *k_row_writer_plan(struct k_planner *planner, const struct k_node *node)
{
    const Kappa__V1__Sink *message = node->owner;
    const Kappa__V1__Sink__Format *format = message->format;
    struct k_row_writer *writer = k_arena_zeroed(planner->arena, sizeof *writer);
    struct k_schema visible;
    k_visible_columns(planner->arena, &node->inputs[0]->schema, &visible, &writer->columns);
    writer->count = visible.count;
    switch (format ? format->kind_case : KAPPA__V1__SINK__FORMAT__KIND__NOT_SET) {
    case KAPPA__V1__SINK__FORMAT__KIND_JSON:
        writer->json = k_row_text_make(planner->arena, &node->inputs[0]->schema);
        return writer;
    case KAPPA__V1__SINK__FORMAT__KIND_CSV: return plan_csv(planner, node, format->csv, writer) ? writer : NULL;
    case KAPPA__V1__SINK__FORMAT__KIND_RAW: return plan_raw(planner, node, format->raw, writer) ? writer : NULL;
    case KAPPA__V1__SINK__FORMAT__KIND_PROTOBUF:
        writer->protobuf = k_row_protobuf_plan(planner, node, format->protobuf);
        return writer->protobuf ? writer : NULL;
    default: break;
    }
    if (!k_graph_is_broken(planner->graph, format ? (const void *)format : message))
        k_plan_error(planner, message, NULL, -1, K0207, "sink \"%s\" has no format; add  format { json {} }",
                     node->name);
    return NULL;
}

// Whether a text must stand in quotes. Empty it must: without them it would be NULL.
static bool needs_quotes(struct k_str text, char delimiter)
{
    for (uint32_t i = 0; i < text.length; i++) {
        char c = text.data[i];
        if (c == delimiter || c == '"' || c == '\n' || c == '\r') return true;
    }
    return text.length == 0;
}

static void add_csv_field(struct k_buf *out, struct k_str text, char delimiter)
{
    if (!needs_quotes(text, delimiter)) {
        k_buf_add(out, text.data, text.length);
        return;
    }
    k_buf_add_char(out, '"');
    for (uint32_t i = 0; i < text.length; i++) {
        if (text.data[i] == '"') k_buf_add_char(out, '"');
        k_buf_add_char(out, text.data[i]);
    }
    k_buf_add_char(out, '"');
}

static void add_csv(const struct k_row_writer *writer, struct k_buf *out, const struct k_batch *batch, uint32_t row)
{
    struct k_buf scratch = {0};
    for (uint32_t i = 0; i < writer->count; i++) {
        struct k_value value = k_column_value(&batch->columns[writer->columns[i]], row);
        if (i) k_buf_add_char(out, writer->delimiter);
        if (!value.null) add_csv_field(out, k_key_text(&value, &scratch), writer->delimiter);
    }
    k_buf_fini(&scratch);
}

const char *k_row_writer_add(const struct k_row_writer *writer, struct k_buf *out, const struct k_batch *batch,
                             uint32_t row, const char **ret_text)
{
    if (writer->json) {
        k_row_text_add(writer->json, out, batch, row);
    } else if (writer->protobuf) {
        return k_row_protobuf_add(writer->protobuf, out, batch, row, ret_text);
    } else if (writer->csv) {
        add_csv(writer, out, batch, row);
    } else {
        struct k_value value = k_column_value(&batch->columns[writer->columns[0]], row);
        if (value.null) {
            *ret_text = k_arena_format(batch->arena, "\"%s\" is NULL, and it is the whole message",
                                       batch->schema->fields[writer->columns[0]].name);
            return "null_value";
        }
        if (value.s.length) k_buf_add(out, value.s.data, value.s.length);
    }
    return NULL;
}
