// One row per element of an array.
//
// A row is taken as a whole: if an element does not fit its schema, the row has failed, and none of its elements is
// handed on. So the elements of a row are decoded before the first is handed on: together in one batch, if they fit
// into one; an array that does not is gone through twice, first to judge it, then to hand it on.
// What one batch needs lies in an arena of its own that the next one uses again, so that memory is bounded by a batch
// however long an array is.
#include "operators/flatten.h"

#include <stdlib.h>

#include "operators/plant.h"

// A row of the input that waits for its batch.
struct source_row {
    uint32_t row;
    const char *reason, *text; // why it failed; NULL: it did not
};

enum { NO_ELEMENT = -1 };

struct flatten {
    struct k_host *host;
    const struct k_node *node;
    const struct k_flatten_config *config;
    struct k_decoder *decoder; // of elements that are objects; NULL: nobody reads their fields
    struct k_arena arena;      // of one batch
    struct k_str *cut;         // elements of one array; K_BATCH_ROWS
    // The batch that is being gathered; row r of the output is at place r, and a place may be left free.
    struct source_row *rows; // K_BATCH_ROWS
    uint32_t row_count;
    struct k_str *element; // per place; K_BATCH_ROWS of each
    int32_t *owner;        // per place: which of rows, or NO_ELEMENT for a free place
    bool *null;            // per place: there is no element (outer), or it is null
    uint32_t places;
    struct k_message *messages;
    const struct k_message **pointers;
};

static int flatten_open(void *instance, const struct k_node *node, struct k_host *host, struct k_error *err)
{
    struct flatten *f = instance;
    f->host = host;
    f->node = node;
    f->config = node->config;
    k_arena_init(&f->arena);
    f->cut = k_new_array(struct k_str, K_BATCH_ROWS);
    f->rows = k_new_array(struct source_row, K_BATCH_ROWS);
    f->element = k_new_array(struct k_str, K_BATCH_ROWS);
    f->owner = k_new_array(int32_t, K_BATCH_ROWS);
    f->null = k_new_array(bool, K_BATCH_ROWS);
    const struct k_schema *fields = &f->config->fields;
    if (fields->count == 0) return 0;
    f->messages = k_new_array(struct k_message, K_BATCH_ROWS);
    f->pointers = k_new_array(const struct k_message *, K_BATCH_ROWS);
    for (uint32_t i = 0; i < K_BATCH_ROWS; i++) f->pointers[i] = &f->messages[i];
    // What nobody reads is not validated, as in a source.
    const bool *read = node->outputs[0].read + f->config->first_field;
    struct k_decoder_options options = {.schema = fields, .read = read, .timestamp_unit = K_UNIT_MS};
    return k_decoder_json(&options, &f->decoder, err);
}

static void flatten_close(void *instance)
{
    struct flatten *f = instance;
    k_decoder_destroy(f->decoder);
    k_arena_fini(&f->arena);
    free(f->cut);
    free(f->rows);
    free(f->element);
    free(f->owner);
    free(f->null);
    free(f->messages);
    free(f->pointers);
}

// --- elements that are objects ---

// An element that is null is an object without members: its fields are NULL, or missing.
static void decode(struct flatten *f, const struct k_str *elements, const bool *null, uint32_t count,
                   struct k_decode_result *ret)
{
    for (uint32_t i = 0; i < count; i++) {
        f->messages[i].value = null[i] ? K_STR("{}") : elements[i];
        f->messages[i].has_value = true;
    }
    k_decode(f->decoder, f->pointers, count, &f->arena, ret);
}

static bool is_null(struct k_str element)
{
    return k_str_equal(element, K_STR("null"));
}

// Whether all elements of a long array can be decoded; else why the first cannot, in the batch's arena.
static bool judge(struct flatten *f, struct k_str array, const struct k_batch *batch, struct source_row *row)
{
    struct k_elements elements;
    bool begun = k_elements_begin(array, &elements);
    K_ASSERT(begun);
    while (elements.more && !row->reason) {
        uint32_t count = k_elements_next(&elements, f->cut, K_BATCH_ROWS);
        if (!f->decoder || f->node->on_error == K_ON_ERROR_PASS_NULL) continue;
        struct k_decode_result result;
        for (uint32_t i = 0; i < count; i++) f->null[i] = is_null(f->cut[i]);
        decode(f, f->cut, f->null, count, &result);
        if (result.bad_count) {
            row->reason = result.bad[0].reason;
            row->text = k_arena_copy(batch->arena, result.bad[0].text, strlen(result.bad[0].text));
        }
        k_arena_reset(&f->arena);
    }
    if (!row->reason && elements.broken) row->reason = "json", row->text = "the array does not end";
    return row->reason == NULL;
}

// --- a batch of elements ---

// Fields of places without an element, and of those whose element failed and may, are NULL.
static void fill_nulls(struct flatten *f, struct k_column *columns, const bool *absent)
{
    for (uint32_t c = 0; c < f->config->fields.count; c++) {
        struct k_column *column = &columns[f->config->first_field + c];
        if (!column->data) continue;
        uint8_t *valid = k_arena_get(&f->arena, f->places);
        for (uint32_t p = 0; p < f->places; p++) valid[p] = !absent[p] && !k_column_null(column, p);
        column->valid = valid;
    }
}

static void decode_places(struct flatten *f, struct k_column *columns)
{
    struct k_decode_result result;
    bool pass_null = f->node->on_error == K_ON_ERROR_PASS_NULL, *absent = k_arena_zeroed(&f->arena, f->places);
    decode(f, f->element, f->null, f->places, &result);
    for (uint32_t c = 0; c < f->config->fields.count; c++) columns[f->config->first_field + c] = result.columns[c];
    for (uint32_t p = 0; p < f->places; p++) absent[p] = f->owner[p] == NO_ELEMENT || !f->element[p].data;
    for (uint32_t b = 0; b < result.bad_count; b++) {
        uint32_t place = result.bad[b].row;
        if (absent[place]) continue;
        struct source_row *row = &f->rows[f->owner[place]];
        absent[place] = true;
        if (pass_null || row->reason) continue;
        row->reason = result.bad[b].reason;
        row->text = result.bad[b].text;
    }
    fill_nulls(f, columns, absent);
}

static struct k_column element_column(struct flatten *f)
{
    struct k_made made;
    k_made_init(&made, K_JSON, f->places, &f->arena);
    for (uint32_t p = 0; p < f->places; p++) {
        if (f->null[p] || f->owner[p] == NO_ELEMENT) k_made_null(&made, p);
        else ((struct k_str *)made.data)[p] = f->element[p];
    }
    return k_made_column(&made);
}

static struct k_column copied_column(struct flatten *f, const struct k_column *from)
{
    struct k_made made;
    size_t width = k_type_width(from->type);
    k_made_init(&made, from->type, f->places, &f->arena);
    for (uint32_t p = 0; p < f->places; p++) {
        if (f->owner[p] == NO_ELEMENT) continue;
        uint32_t row = f->rows[f->owner[p]].row;
        if (k_column_null(from, row)) k_made_null(&made, p);
        else memcpy(made.data + p * width, (const char *)from->data + row * width, width);
    }
    return k_made_column(&made);
}

static struct k_column *make_columns(struct flatten *f, const struct k_batch *batch)
{
    const struct k_edge *edge = &f->node->outputs[0];
    struct k_column *columns = k_arena_zeroed(&f->arena, edge->schema.count * sizeof *columns);
    for (uint32_t c = 0; c < edge->schema.count; c++) columns[c].type = edge->schema.fields[c].type;
    if (f->decoder) decode_places(f, columns);
    for (uint32_t c = 0; c < edge->schema.count; c++) {
        int32_t from = f->config->from[c];
        bool whole = k_edge_whole(edge) && !edge->schema.fields[c].hidden && (from < 0 || batch->columns[from].data);
        if (!edge->read[c] && !whole) continue;
        if ((int32_t)c == f->config->element) columns[c] = element_column(f);
        else if (from >= 0) columns[c] = copied_column(f, &batch->columns[from]);
    }
    return columns;
}

// What rows are beside their columns: that of the row that each element comes of.
static void make_meta(struct flatten *f, const struct k_batch *batch, struct k_batch *out)
{
    struct k_arena *arena = &f->arena;
    int64_t *time = k_arena_zeroed(arena, f->places * sizeof *time);
    int64_t *watermark = batch->watermark ? k_arena_zeroed(arena, f->places * sizeof *watermark) : NULL;
    int8_t *weight = batch->weight ? k_arena_zeroed(arena, f->places) : NULL;
    uint32_t *cause = k_arena_zeroed(arena, f->places * sizeof *cause);
    const struct k_message **origin = batch->origin ? k_arena_zeroed(arena, f->places * sizeof *origin) : NULL;
    for (uint32_t p = 0; p < f->places; p++) {
        if (f->owner[p] == NO_ELEMENT) continue;
        uint32_t row = f->rows[f->owner[p]].row;
        time[p] = batch->time[row];
        cause[p] = batch->cause ? batch->cause[row] : row;
        if (watermark) watermark[p] = batch->watermark[row];
        if (weight) weight[p] = batch->weight[row];
        if (origin) origin[p] = batch->origin[row];
    }
    out->time = time;
    out->watermark = watermark;
    out->weight = weight;
    out->cause = cause;
    out->origin = origin;
    out->source = batch->source;
}

static int tell_failures(struct flatten *f, const struct k_batch *batch, struct k_error *err)
{
    for (uint32_t i = 0; i < f->row_count; i++) {
        const struct source_row *row = &f->rows[i];
        if (!row->reason) {
            f->host->counters->processed++;
            continue;
        }
        // What is taken back failed when it was given, and was reported then.
        if (batch->weight && batch->weight[row->row] < 0) {
            f->host->counters->dropped++;
            continue;
        }
        int code = f->host->ops->fail(f->host, batch, row->row, row->reason, row->text, err);
        if (code) return code;
    }
    return 0;
}

// Hands on what was gathered. rows_end: the rows end here; else the last one goes on in the next batch, and is counted
// then.
static int flush(struct flatten *f, const struct k_batch *batch, bool rows_end, struct k_error *err)
{
    struct k_batch out = {.schema = &f->node->outputs[0].schema, .rows = f->places, .arena = &f->arena};
    uint32_t *selection = k_arena_array(&f->arena, uint32_t, f->places);
    out.columns = make_columns(f, batch);
    make_meta(f, batch, &out);
    int code = rows_end ? tell_failures(f, batch, err) : 0;
    for (uint32_t p = 0; p < f->places; p++)
        if (f->owner[p] != NO_ELEMENT && (!f->rows[f->owner[p]].reason || K_OPERATOR_PLANT(flatten_in_part)))
            selection[out.selected++] = p;
    out.selection = selection;
    if (code == 0 && out.selected) code = f->host->ops->emit(f->host, 0, &out, err);
    f->places = f->row_count = 0;
    k_arena_reset(&f->arena);
    return code;
}

static int weight_of(const struct k_batch *batch, uint32_t row)
{
    return batch->weight ? batch->weight[row] : 1;
}

// Behind a row that is taken back stays a free place: a +1 there would be read as the other side of its change.
static bool needs_gap(const struct flatten *f, const struct k_batch *batch, uint32_t row)
{
    if (f->places == 0 || weight_of(batch, row) < 0) return false;
    int32_t before = f->owner[f->places - 1];
    return before != NO_ELEMENT && weight_of(batch, f->rows[before].row) < 0;
}

static void put(struct flatten *f, struct k_str element, int32_t owner)
{
    f->element[f->places] = element;
    f->owner[f->places] = owner;
    f->null[f->places++] = !element.data || is_null(element);
}

// The elements of a row, of which no more than a batch's fit, at the end of what is gathered.
static int gather(struct flatten *f, const struct k_batch *batch, struct source_row row, uint32_t count,
                  struct k_error *err)
{
    bool gap = count && needs_gap(f, batch, row.row);
    if (f->places + gap + count > K_BATCH_ROWS || f->row_count == K_BATCH_ROWS) {
        int code = flush(f, batch, true, err);
        if (code) return code;
        gap = false;
    }
    if (gap) put(f, (struct k_str){0}, NO_ELEMENT);
    int32_t owner = (int32_t)f->row_count;
    f->rows[f->row_count++] = row;
    for (uint32_t i = 0; i < count; i++) put(f, f->cut[i], owner);
    return 0;
}

// An array that fills more than a batch.
static int gather_long(struct flatten *f, const struct k_batch *batch, struct source_row row, struct k_str array,
                       struct k_error *err)
{
    int code = f->row_count ? flush(f, batch, true, err) : 0;
    if (code) return code;
    if (!judge(f, array, batch, &row)) return gather(f, batch, row, 0, err);
    struct k_elements elements;
    k_elements_begin(array, &elements);
    while (elements.more && code == 0) {
        uint32_t count = k_elements_next(&elements, f->cut, K_BATCH_ROWS);
        code = gather(f, batch, row, count, err);
        if (code == 0 && elements.more) code = flush(f, batch, false, err);
    }
    return code;
}

static const char *kind_of(struct k_str text)
{
    switch (text.length ? *text.data : 0) {
    case '{': return "an object";
    case '"': return "a string";
    case 't':
    case 'f': return "a bool";
    default: return "a number";
    }
}

static int on_row(struct flatten *f, const struct k_batch *batch, uint32_t at, struct k_error *err)
{
    const struct k_flatten_config *config = f->config;
    const struct k_column *column = &batch->columns[config->array];
    struct source_row row = {.row = at};
    struct k_elements elements;
    uint32_t count = 0;
    bool absent = k_column_null(column, at) || is_null(column->s[at]);
    if (!absent && !k_elements_begin(column->s[at], &elements)) {
        absent = f->node->on_error == K_ON_ERROR_PASS_NULL;
        row.reason = absent ? NULL : "type";
        row.text = k_arena_format(batch->arena, "\"%s\" is %s, not an array",
                                  f->node->inputs[0]->schema.fields[config->array].name, kind_of(column->s[at]));
    } else if (!absent) {
        count = k_elements_next(&elements, f->cut, K_BATCH_ROWS);
        if (elements.more) return gather_long(f, batch, row, column->s[at], err);
        if (elements.broken) row.reason = "json", row.text = "the array does not end";
    }
    if (row.reason) count = 0;
    else if (count == 0 && config->outer) f->cut[count++] = (struct k_str){0};
    return gather(f, batch, row, count, err);
}

static int flatten_on_batch(void *instance, uint32_t port, const struct k_batch *batch, struct k_error *err)
{
    (void)port;
    struct flatten *f = instance;
    int code = 0;
    for (uint32_t i = 0; i < batch->selected && code == 0; i++) code = on_row(f, batch, batch->selection[i], err);
    return code == 0 && f->row_count ? flush(f, batch, true, err) : code;
}

static void flatten_read_back(const struct k_node *node)
{
    const struct k_flatten_config *config = node->config;
    const struct k_edge *edge = &node->outputs[0];
    for (uint32_t c = 0; c < edge->schema.count; c++)
        if (edge->read[c] && config->from[c] >= 0) node->inputs[0]->read[config->from[c]] = true;
}

const struct k_operator k_operator_flatten = {
    .name = "flatten",
    .doc = "Makes one row of each element of an array.",
    .plan = k_flatten_plan,
    .read_back = flatten_read_back,
    .instance_size = sizeof(struct flatten),
    .open = flatten_open,
    .on_batch = flatten_on_batch,
    .close = flatten_close,
};
