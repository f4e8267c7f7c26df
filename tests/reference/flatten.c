// flatten: an array becomes a row per element. A row is taken as a whole: all its elements are read before the first is
// handed on.
#include "tests/reference/reorder.h"

struct flattening {
    uint32_t array; // column of the input
    bool outer;
    uint32_t field_count; // of the schema
    bool has_element;
    struct decoder *decoder; // NULL: no schema
};

static int read_fields(struct reference *r, const char *name, struct column *columns, uint32_t *ret_count,
                       struct k_error *err)
{
    for (size_t i = 0; i < r->graph->n_schema; i++) {
        const Kappa__V1__Schema *schema = r->graph->schema[i];
        if (strcmp(schema->name, name) != 0) continue;
        for (size_t f = 0; f < schema->n_field; f++) {
            int code = read_field(&r->arena, schema->field[f], &columns[f], err);
            if (code) return code;
        }
        *ret_count = (uint32_t)schema->n_field;
        return 0;
    }
    return k_fail(err, K_E_CONFIG, "there is no schema \"%s\"", name);
}

static uint32_t fields_max(const struct reference *r)
{
    size_t most = 0;
    for (size_t i = 0; i < r->graph->n_schema; i++)
        if (r->graph->schema[i]->n_field > most) most = r->graph->schema[i]->n_field;
    return (uint32_t)most;
}

static int open_decoder(struct reference *r, struct flattening *f, const struct output *out, uint32_t first,
                        struct k_error *err)
{
    static Kappa__V1__Source__Format__Json json = KAPPA__V1__SOURCE__FORMAT__JSON__INIT;
    static Kappa__V1__Source__Format format = KAPPA__V1__SOURCE__FORMAT__INIT;
    format.kind_case = KAPPA__V1__SOURCE__FORMAT__KIND_JSON;
    format.json = &json;
    struct decoder_options options = {
        .format = &format, .columns = out->columns + first, .count = f->field_count, .read = out->read + first};
    return decoder_create(&r->arena, &options, &f->decoder, err);
}

int build_flatten(struct reference *r, struct node *node, const Kappa__V1__Flatten *message, struct k_error *err)
{
    struct flattening *f = node->flattening = k_arena_zeroed(&r->arena, sizeof *f);
    const struct output *input = node->input;
    struct column *columns = k_arena_zeroed(&r->arena, (input->count + fields_max(r) + 1) * sizeof *columns);
    node->from = k_arena_zeroed(&r->arena, (input->count + fields_max(r) + 1) * sizeof *node->from);
    int32_t array = message->field ? find_column(input, message->field) : -1;
    if (array < 0 || input->columns[array].type != TYPE_JSON) return k_fail(err, K_E_CONFIG, "no array to flatten");
    f->array = (uint32_t)array;
    input->read[array] = true;
    f->outer = message->outer;
    f->has_element = message->as != NULL;
    uint32_t count = 0, first = 0;
    for (uint32_t c = 0; c < input->count; c++) {
        if (c != f->array) {
            node->from[count] = (int32_t)c;
            columns[count++] = input->columns[c];
            continue;
        }
        if (f->has_element) {
            node->from[count] = -1;
            columns[count++] = (struct column){.name = message->as, .type = TYPE_JSON};
        }
        first = count;
        int code = message->schema ? read_fields(r, message->schema, columns + first, &f->field_count, err) : 0;
        if (code) return code;
        for (uint32_t i = 0; i < f->field_count; i++) node->from[count++] = -1;
    }
    make_output(r, node, 0, node->name, columns, count);
    for (uint32_t c = 0; c < count; c++)
        if (node->from[c] >= 0 && node->from[c] == input->window_end) node->outputs[0].window_end = (int32_t)c;
    return f->field_count ? open_decoder(r, f, &node->outputs[0], first, err) : 0;
}

static bool is_word(struct k_str text, const char *word)
{
    return k_str_equal(text, k_str_of(word));
}

static void skip_blanks(struct k_str text, uint32_t *at)
{
    while (*at < text.length && strchr(" \t\r\n", text.data[*at])) ++*at;
}

// The elements of the array, each a value of its own; *ret_count. NULL, or why there are none.
static const char *elements_of(struct reference *r, struct k_str text, struct k_str **ret, uint32_t *ret_count)
{
    uint32_t at = 0, room = 8;
    skip_blanks(text, &at);
    if (at == text.length || text.data[at] != '[') return "type";
    struct k_str *elements = k_arena_array(&r->scratch, struct k_str, room);
    at++;
    for (skip_blanks(text, &at); at < text.length && text.data[at] != ']'; skip_blanks(text, &at)) {
        if (text.data[at] == ',') {
            at++;
            continue;
        }
        uint32_t start = at;
        const char *why = json_skip(text, &at, 0);
        if (why) return why;
        if (*ret_count == room) {
            struct k_str *more = k_arena_array(&r->scratch, struct k_str, room * 2);
            memcpy(more, elements, room * sizeof *more);
            elements = more;
            room *= 2;
        }
        elements[(*ret_count)++] = (struct k_str){text.data + start, at - start};
    }
    *ret = elements;
    return NULL;
}

// The row of one element; NULL: there is none.
static const char *make_row(struct reference *r, struct node *node, const struct row *row,
                            const struct k_str *element, struct value *values)
{
    const struct flattening *f = node->flattening;
    const struct output *out = &node->outputs[0];
    bool pass = node->on_error == KAPPA__V1__POLICY__ON_ERROR__PASS_NULL;
    uint32_t first = f->array + f->has_element;
    for (uint32_t c = 0; c < out->count; c++)
        values[c] = node->from[c] >= 0 ? row->values[node->from[c]] : value_null(out->columns[c].type);
    if (!element) return NULL;
    bool null = is_word(*element, "null");
    if (f->has_element && !null) values[f->array] = (struct value){.type = TYPE_JSON, .s = *element};
    if (!f->decoder) return NULL;
    struct k_str object = null ? k_str_of("{}") : *element;
    const char *why = decode(f->decoder, object, false, &r->scratch, values + first);
    for (uint32_t i = 0; why && i < f->field_count; i++) values[first + i] = value_null(out->columns[first + i].type);
    return pass ? NULL : why;
}

int flatten_take(struct reference *r, struct node *node, const struct row *row, struct k_error *err)
{
    const struct flattening *f = node->flattening;
    const struct value *array = &row->values[f->array];
    struct k_str *elements = NULL;
    uint32_t count = 0, out_count = node->outputs[0].count;
    const char *why = NULL;
    if (!array->null && !is_word(array->s, "null")) why = elements_of(r, array->s, &elements, &count);
    if (why && node->on_error == KAPPA__V1__POLICY__ON_ERROR__PASS_NULL) why = NULL, count = 0;
    uint32_t rows = count || !f->outer ? count : 1;
    struct value *values = k_arena_array(&r->scratch, struct value, (size_t)rows * out_count);
    for (uint32_t i = 0; i < rows && !why; i++)
        why = make_row(r, node, row, count ? &elements[i] : NULL, values + (size_t)i * out_count);
    if (why) return fail(r, node, row, node->input, why, err);
    node->counters.processed++;
    int code = 0;
    for (uint32_t i = 0; i < rows && !code; i++) {
        struct row one = *row;
        one.values = values + (size_t)i * out_count;
        code = emit(r, &node->outputs[0], &one, err);
    }
    return code;
}
