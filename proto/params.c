// Parameters: looks up their values, puts them into the strings of a graph, and masks the secret ones.
#include "proto/params.h"

#include "base/json_out.h"
#include "proto/print.h"
#include "proto/reading.h"

#include <stdlib.h>

// A declared param and what it is worth.
struct value {
    const Kappa__V1__Param *param;
    const char *text;   // NULL: it has none
    bool is_reported;   // its lack of a value, once is enough
};

struct k_params {
    const char *const *sets;
    size_t set_count;
    const char *(*environment)(const char *name);
    struct value *values;
    size_t value_count;
    char **secrets; // what to mask, the longest first
    size_t secret_count;
};

// One string of the graph under replacement.
struct target {
    struct k_params *params;
    struct k_document *document;
    struct k_diags *diags;
    const ProtobufCMessage *message;
    const ProtobufCFieldDescriptor *field;
    size_t index;
    const struct k_place *place; // NULL in a binary graph
    struct k_str text;
    struct k_buf result;
    struct k_span_maker spans;
};

static bool is_name_char(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (!first && c >= '0' && c <= '9');
}

static size_t name_length(const char *text, size_t length)
{
    size_t at = 0;
    while (at < length && is_name_char(text[at], at == 0)) at++;
    return at;
}

static const char *own_environment(const char *name) { return getenv(name); }

struct k_params *k_params_create(
    const char *const *sets, size_t set_count, const char *(*environment)(const char *name))
{
    struct k_params *params = k_new(struct k_params);
    params->sets = sets;
    params->set_count = set_count;
    params->environment = environment ? environment : own_environment;
    return params;
}

void k_params_destroy(struct k_params *params)
{
    if (!params) return;
    for (size_t i = 0; i < params->secret_count; i++) free(params->secrets[i]);
    free(params->secrets);
    free(params->values);
    free(params);
}

// ---- values ----

static struct value *value_of(const struct k_params *params, struct k_str name)
{
    for (size_t i = 0; i < params->value_count; i++)
        if (k_str_equal(name, k_str_of(params->values[i].param->name))) return &params->values[i];
    return NULL;
}

// The declared name nearest to a wrong one, as the end of an error text: `; did you mean "A"?`, or "".
static char *advice_for(const struct k_params *params, struct k_str name)
{
    const char **names = k_new_array(const char *, params->value_count);
    for (size_t i = 0; i < params->value_count; i++) names[i] = params->values[i].param->name;
    char *wrong = k_strndup(name.data, name.length);
    const char *near = k_nearest(wrong, names, params->value_count);
    char *advice = near ? k_format("; did you mean \"%s\"?", near) : k_strdup("");
    free(wrong);
    free(names);
    return advice;
}

static const char *look_up(const struct k_params *params, const Kappa__V1__Param *param)
{
    size_t length = strlen(param->name);
    for (size_t i = params->set_count; i-- > 0;)
        if (strncmp(params->sets[i], param->name, length) == 0 && params->sets[i][length] == '=')
            return params->sets[i] + length + 1;
    char *variable = k_format("KAPPA_VAR_%s", param->name);
    const char *found = params->environment(variable);
    free(variable);
    return found ? found : param->default_;
}

static void add_secret(struct k_params *params, char *secret_take)
{
    params->secrets = k_realloc(params->secrets, (params->secret_count + 1) * sizeof(char *));
    size_t at = params->secret_count++;
    for (; at > 0 && strlen(params->secrets[at - 1]) < strlen(secret_take); at--)
        params->secrets[at] = params->secrets[at - 1];
    params->secrets[at] = secret_take;
}

// A secret may be shown as it is, or inside a string of JSON or of the text form.
static void remember_secret(struct k_params *params, const char *secret)
{
    if (!*secret) return;
    struct k_buf json = {0}, text = {0};
    k_json_string(&json, k_str_of(secret));
    k_print_text_string(&text, k_str_of(secret), false);
    add_secret(params, k_strdup(secret));
    char *in_json = k_strndup(json.data + 1, json.length - 2), *in_text = k_strndup(text.data + 1, text.length - 2);
    if (strcmp(in_json, secret) != 0) add_secret(params, k_strdup(in_json));
    if (strcmp(in_text, secret) != 0 && strcmp(in_text, in_json) != 0) add_secret(params, k_strdup(in_text));
    free(in_json);
    free(in_text);
    k_buf_fini(&json);
    k_buf_fini(&text);
}

static void declare(struct k_params *params, const struct k_graph *graph, struct k_diags *diags)
{
    const Kappa__V1__Graph *message = k_graph_message(graph);
    params->values = k_new_array(struct value, message->n_param);
    for (size_t i = 0; i < message->n_param; i++) {
        const Kappa__V1__Param *param = message->param[i];
        size_t length = param->name ? strlen(param->name) : 0;
        if (length == 0 || name_length(param->name, length) != length) {
            k_diag_error(diags, k_graph_pos(graph, param, "name", 0), K0124,
                "a param needs a name of letters, digits and _ that does not begin with a digit");
        } else if (value_of(params, k_str_of(param->name))) {
            k_diag_error(
                diags, k_graph_pos(graph, param, "name", 0), K0124, "param \"%s\" is declared twice", param->name);
        } else {
            struct value *value = &params->values[params->value_count++];
            *value = (struct value){.param = param, .text = look_up(params, param)};
            if (value->text && param->secret) remember_secret(params, value->text);
            if (!value->text || k_utf8_valid(value->text, strlen(value->text))) continue;
            value->text = NULL;
            value->is_reported = true;
            k_diag_error(diags, k_graph_pos(graph, param, "name", 0), K0108,
                "the value of param \"%s\" is not UTF-8", param->name);
        }
    }
}

static void check_sets(const struct k_params *params, struct k_diags *diags)
{
    struct k_pos nowhere = {0};
    for (size_t i = 0; i < params->set_count; i++) {
        const char *equals = strchr(params->sets[i], '=');
        if (!equals) {
            k_diag_error(diags, nowhere, K0123, "--set %s is not of the form NAME=value", params->sets[i]);
            continue;
        }
        struct k_str name = {params->sets[i], (uint32_t)(equals - params->sets[i])};
        if (value_of(params, name)) continue;
        char *advice = advice_for(params, name);
        k_diag_error(diags, nowhere, K0123, "--set %.*s: the graph has no param of this name%s", (int)name.length,
            name.data, advice);
        free(advice);
    }
}

// ---- replacement ----

static struct k_pos pos_in(const struct target *target, size_t offset)
{
    struct k_spot at = {0, 0};
    if (target->place) at = k_spans_at(&target->place->spans, target->place->value, offset);
    return (struct k_pos){target->document->file, at.line, at.column};
}

static void fail(struct target *target, size_t offset, const char *code, const char *text)
{
    k_diag_error(target->diags, pos_in(target, offset), code, "%s", text);
    struct k_place *message = k_places_find(&target->document->places, target->message, 0, -1);
    if (message) message->broken = true;
}

// Copies bytes of the string as they are, and where they came from.
static void copy(struct target *target, size_t from, size_t to)
{
    uint32_t moved = (uint32_t)target->result.length;
    const struct k_spans *spans = target->place ? &target->place->spans : NULL;
    for (uint32_t i = 0; spans && i < spans->count; i++) {
        size_t start = spans->items[i].offset;
        size_t end = i + 1 < spans->count ? spans->items[i + 1].offset : target->text.length;
        if (end <= from || start >= to) continue;
        if (start < from) start = from;
        struct k_spot at = k_spans_at(spans, target->place->value, start);
        k_spans_add(&target->spans, moved + (uint32_t)(start - from), at, spans->items[i].folded);
    }
    k_buf_add(&target->result, target->text.data + from, to - from);
}

// Once a param: every further use would say the same.
static void fail_without_value(struct target *target, size_t start, struct value *value, struct k_str message)
{
    const char *name = value->param->name;
    if (value->is_reported) return;
    value->is_reported = true;
    char *problem = message.length
        ? k_format("param \"%s\" has no value: %.*s", name, (int)message.length, message.data)
        : k_format("param \"%s\" has no value; give it with --set %s=… or KAPPA_VAR_%s", name, name, name);
    fail(target, start, K0122, problem);
    free(problem);
}

static void fail_undeclared(struct target *target, size_t start, struct k_str name)
{
    char *advice = advice_for(target->params, name);
    char *problem = k_format("the graph has no param \"%.*s\"%s", (int)name.length, name.data, advice);
    fail(target, start, K0121, problem);
    free(problem);
    free(advice);
}

// What stands for the reference that begins at start: NULL if it is wrong, which is then reported. It may
// be in `held`. *ret_end: behind the reference.
static const char *resolve(struct target *target, size_t start, size_t *ret_end, struct k_buf *held)
{
    const char *text = target->text.data + start + 2;
    size_t left = target->text.length - start - 2, length = name_length(text, left);
    const char *close = memchr(text, '}', left);
    char first = length && length < left ? text[length] : 0, second = length + 1 < left ? text[length + 1] : 0;
    bool is_plain = first == '}', has_more = first == ':' && (second == '-' || second == '?');
    if (!close || (!is_plain && !has_more)) {
        fail(target, start, K0120,
            "a parameter reference is ${NAME}, ${NAME:-default} or ${NAME:?message}; $${ stands for ${ itself");
        *ret_end = start + 2;
        return NULL;
    }
    *ret_end = start + 2 + (size_t)(close - text) + 1;
    struct k_str name = {text, (uint32_t)length}, more = {0};
    if (has_more) more = (struct k_str){text + length + 2, (uint32_t)(close - (text + length + 2))};
    struct value *value = value_of(target->params, name);
    if (!value) {
        fail_undeclared(target, start, name);
        return NULL;
    }
    if (value->text && (is_plain || *value->text)) return value->text;
    if (!has_more || second == '?') {
        fail_without_value(target, start, value, more);
        return NULL;
    }
    k_buf_add(held, more.data, more.length);
    k_buf_add_char(held, 0);
    if (value->param->secret) remember_secret(target->params, held->data);
    return held->data;
}

static void replace_in(struct target *target)
{
    struct k_str text = target->text;
    size_t copied = 0, at = 0;
    bool is_changed = false;
    while (at + 1 < text.length) {
        bool is_literal = at + 2 < text.length && memcmp(text.data + at, "$${", 3) == 0;
        if (!is_literal && (text.data[at] != '$' || text.data[at + 1] != '{')) {
            at++;
            continue;
        }
        copy(target, copied, at);
        if (is_literal) {
            copied = at + 1; // the second $ and what follows
            at += 3;
            is_changed = true;
            continue;
        }
        struct k_buf held = {0};
        size_t end;
        const char *value = resolve(target, at, &end, &held);
        if (value) {
            is_changed = true;
            struct k_pos pos = pos_in(target, at);
            struct k_spot spot = {pos.line, pos.column};
            if (target->place && *value)
                k_spans_add(&target->spans, (uint32_t)target->result.length, spot, true);
            k_buf_add_text(&target->result, value);
        } else {
            copy(target, at, end);
        }
        k_buf_fini(&held);
        copied = at = end;
    }
    if (!is_changed) return;
    copy(target, copied, text.length);
    struct k_arena *arena = &target->document->arena;
    char *replaced = k_arena_copy(arena, k_buf_str(&target->result).data, target->result.length);
    *(char **)k_field_at(target->message, target->field, target->index) = replaced;
    struct k_place *place =
        k_places_find(&target->document->places, target->message, target->field->id, (int32_t)target->index);
    if (place) place->spans = k_spans_done(&target->spans, target->result.length, place->spans.end);
}

static void replace_all(
    struct k_params *params, struct k_document *document, struct k_diags *diags, const ProtobufCMessage *message)
{
    for (unsigned f = 0; f < message->descriptor->n_fields; f++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[f];
        size_t count = k_field_count(message, field);
        for (size_t i = 0; i < count; i++) {
            void *value = k_field_at(message, field, i);
            if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
                const ProtobufCMessage *inner = *(ProtobufCMessage **)value;
                // A param's default is where references end: nothing is replaced in it.
                if (inner->descriptor != &kappa__v1__param__descriptor) replace_all(params, document, diags, inner);
            } else if (field->type == PROTOBUF_C_TYPE_STRING) {
                struct target target = {.params = params, .document = document, .diags = diags, .message = message,
                    .field = field, .index = i, .text = k_str_of(*(char **)value)};
                target.spans.arena = &document->arena;
                target.place = k_places_find(&document->places, message, field->id, (int32_t)i);
                replace_in(&target);
                k_buf_fini(&target.result);
            }
        }
    }
}

int k_params_apply(struct k_params *params, struct k_graph *graph, struct k_diags *diags)
{
    K_ASSERT(!params->values); // once
    uint32_t errors = diags->errors;
    declare(params, graph, diags);
    check_sets(params, diags);
    replace_all(params, k_graph_document(graph), diags, &k_graph_message(graph)->base);
    return diags->errors > errors ? K_E_CONFIG : 0;
}

void k_params_mask(const struct k_params *params, struct k_buf *text)
{
    if (params->secret_count == 0 || text->length == 0) return;
    struct k_buf masked = {0};
    for (size_t at = 0; at < text->length;) {
        size_t secret = 0, length = 0;
        for (; secret < params->secret_count; secret++) {
            length = strlen(params->secrets[secret]);
            if (length <= text->length - at && memcmp(text->data + at, params->secrets[secret], length) == 0) break;
        }
        if (secret < params->secret_count) {
            k_buf_add_text(&masked, "***");
            at += length;
        } else {
            k_buf_add_char(&masked, text->data[at++]);
        }
    }
    k_buf_fini(text);
    *text = masked;
}
