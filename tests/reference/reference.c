// The interface: records in, and what all nodes share: handing rows on, failures, messages.
#include <stdlib.h>

#include "base/json_out.h"
#include "tests/reference/join.h"
#include "tests/reference/source.h"

int reference_create(const Kappa__V1__Graph *graph, const int32_t *partitions, struct reference **ret,
                     struct k_error *err)
{
    struct reference *r = k_new(struct reference);
    k_arena_init(&r->arena);
    k_arena_init(&r->scratch);
    r->graph = graph;
    r->frontier = NO_TIME;
    int code = build(r, partitions, err);
    if (code) reference_destroy(r);
    else *ret = r;
    return code;
}

void reference_destroy(struct reference *r)
{
    if (!r) return;
    for (uint32_t n = 0; n < r->node_count; n++) {
        struct node *node = r->nodes[n];
        if (node->source) decoder_destroy(node->source->decoder);
        if (node->aggregation) map_fini(&node->aggregation->map);
        if (node->joining) join_fini(node->joining);
        if (node->store) {
            map_fini(&node->store->map);
            k_buf_fini(&node->store->owed_key);
        }
        for (uint32_t i = 0; i < node->output_count; i++)
            if (node->outputs[i].net) map_fini(node->outputs[i].net);
    }
    for (uint32_t i = 0; i < r->topic_count; i++) free(r->topics[i].messages);
    free(r->topics);
    free(r->letters);
    k_buf_fini(&r->text);
    k_arena_fini(&r->arena);
    k_arena_fini(&r->scratch);
    free(r);
}

void row_json(struct k_buf *out, const struct column *columns, const struct value *values, const uint32_t *only,
              uint32_t count)
{
    k_buf_add_char(out, '{');
    for (uint32_t i = 0; i < count; i++) {
        uint32_t c = only ? only[i] : i;
        if (i) k_buf_add_char(out, ',');
        k_json_string(out, k_str_of(columns[c].name));
        k_buf_add_char(out, ':');
        value_json(out, &values[c]);
    }
    k_buf_add_char(out, '}');
}

bool compute(struct reference *r, const struct node *node, const struct expr *expr, const struct value *values,
             struct value *ret, const char **reason)
{
    *ret = expr_eval(expr, values, &r->scratch, reason);
    if (!*reason) return true;
    *ret = value_null(expr->type);
    if (node->on_error != KAPPA__V1__POLICY__ON_ERROR__PASS_NULL) return false;
    *reason = NULL;
    return true;
}

static void add_net(struct reference *r, struct output *output, const struct row *row)
{
    uint32_t visible = 0, *only = k_arena_array(&r->scratch, uint32_t, output->count);
    for (uint32_t i = 0; i < output->count; i++)
        if (!output->columns[i].hidden) only[visible++] = i;
    bool is_new;
    k_buf_clear(&r->text);
    row_json(&r->text, output->columns, row->values, only, visible);
    int64_t *weight = map_value(map_put(output->net, k_buf_str(&r->text), &is_new));
    *weight += row->weight;
}

int emit(struct reference *r, struct output *output, const struct row *row, struct k_error *err)
{
    output->owner->counters.out++;
    if (output->net) add_net(r, output, row);
    int code = 0;
    for (uint32_t i = 0; i < output->reader_count && !code; i++) {
        struct node *node = output->readers[i];
        for (uint32_t input = 0; input < node->input_count; input++)
            node->counters.in += node->inputs[input] == output;
        switch (node->kind) {
        case NODE_FILTER: code = filter_take(r, node, row, err); break;
        case NODE_MAP: code = map_take(r, node, row, err); break;
        case NODE_ROUTE: code = route_take(r, node, row, err); break;
        case NODE_UNION: union_take(r, node, output, row); break;
        case NODE_FLATTEN: code = flatten_take(r, node, row, err); break;
        case NODE_EVENT_TIME: code = event_time_take(r, node, row, err); break;
        case NODE_JOIN: code = join_take(r, node, output, row, err); break;
        case NODE_AGGREGATE: code = aggregate_take(r, node, row, err); break;
        case NODE_TABLE: code = table_take(r, node, row, err); break;
        case NODE_SINK: code = sink_take(r, node, row, err); break;
        case NODE_SOURCE: K_ASSERT(!"a source reads no output");
        }
    }
    return code;
}

static struct topic *topic_of(struct reference *r, const char *name)
{
    for (uint32_t i = 0; i < r->topic_count; i++)
        if (strcmp(r->topics[i].name, name) == 0) return &r->topics[i];
    r->topics = k_realloc(r->topics, (r->topic_count + 1) * sizeof *r->topics);
    r->topics[r->topic_count] = (struct topic){.name = name};
    return &r->topics[r->topic_count++];
}

static struct k_str keep(struct reference *r, struct k_str text)
{
    return (struct k_str){k_arena_copy(&r->arena, text.data, text.length), text.length};
}

void send(struct reference *r, const char *topic, const char *sink, const struct k_str *key,
          const struct k_str *value)
{
    struct topic *to = topic_of(r, topic);
    if (to->count == to->capacity) {
        to->capacity = to->capacity ? to->capacity * 2 : 64;
        to->messages = k_realloc(to->messages, to->capacity * sizeof *to->messages);
    }
    struct reference_message *message = &to->messages[to->count++];
    *message = (struct reference_message){.sink = sink, .has_key = key != NULL, .has_value = value != NULL};
    if (key) message->key = keep(r, *key);
    if (value) message->value = keep(r, *value);
}

static struct reference_dead_letter *new_letter(struct reference *r)
{
    if (r->letter_count == r->letter_capacity) {
        r->letter_capacity = r->letter_capacity ? r->letter_capacity * 2 : 64;
        r->letters = k_realloc(r->letters, r->letter_capacity * sizeof *r->letters);
    }
    return &r->letters[r->letter_count++];
}

int fail(struct reference *r, struct node *node, const struct row *row, const struct output *shape,
         const char *reason, struct k_error *err)
{
    const struct reference_record *origin = row->origin;
    if (row->weight < 0) { // what is taken back failed when it was given, and was reported then
        node->counters.dropped++;
        return 0;
    }
    if (node->on_error == KAPPA__V1__POLICY__ON_ERROR__STOP)
        return k_fail(err, K_E_DATA, "\"%s\" stops (%s) at partition %d, offset %lld", node->name, reason,
                      origin ? origin->partition : -1, origin ? (long long)origin->offset : -1);
    if (node->on_error == KAPPA__V1__POLICY__ON_ERROR__DROP) {
        node->counters.dropped++;
        return 0;
    }
    node->counters.dead_lettered++;
    struct reference_dead_letter *letter = new_letter(r);
    *letter = (struct reference_dead_letter){.dead_letter_topic = node->dead_letter_topic,
                                             .node = node->name,
                                             .reason = reason,
                                             .partition = -1,
                                             .offset = -1};
    struct k_buf json = {0};
    if (origin) {
        letter->source = row->source->message->name;
        letter->topic = row->source->topic;
        letter->partition = origin->partition;
        letter->offset = origin->offset;
        letter->has_key = origin->has_key;
        letter->has_value = origin->has_value;
        if (origin->has_key) letter->key = keep(r, origin->key);
        if (origin->has_value) letter->value = keep(r, origin->value);
    } else {
        row_json(&json, shape->columns, row->values, NULL, shape->count);
        letter->value = keep(r, k_buf_str(&json));
        letter->has_value = true;
    }
    k_buf_fini(&json);
    send(r, node->dead_letter_topic, node->name, letter->has_key ? &letter->key : NULL,
         letter->has_value ? &letter->value : NULL);
    return 0;
}

int settle_unions(struct reference *r, struct k_error *err)
{
    int code = 0;
    for (uint32_t n = 0; n < r->node_count && !code; n++)
        if (r->nodes[n]->kind == NODE_UNION) code = union_settle(r, r->nodes[n], err);
    return code;
}

static void settle_sinks(struct reference *r)
{
    for (uint32_t n = 0; n < r->node_count; n++)
        if (r->nodes[n]->kind == NODE_SINK) sink_settle(r, r->nodes[n]);
}

int settle_record(struct reference *r, struct k_error *err)
{
    int code = settle_unions(r, err);
    settle_sinks(r);
    return code;
}

static int feed(struct reference *r, struct node *node, const struct reference_record *record, struct k_error *err)
{
    K_ASSERT(!r->final);
    int code = source_take(r, node, record, err);
    if (!code) code = settle_record(r, err);
    k_arena_reset(&r->scratch);
    return code;
}

int reference_feed(struct reference *r, const char *source, const struct reference_record *record,
                   struct k_error *err)
{
    for (uint32_t n = 0; n < r->node_count && r->nodes[n]->kind == NODE_SOURCE; n++)
        if (strcmp(r->nodes[n]->name, source) == 0) return feed(r, r->nodes[n], record, err);
    return k_fail(err, K_E_NOT_FOUND, "there is no source \"%s\"", source);
}

int reference_feed_topic(struct reference *r, const char *topic, const struct reference_record *record,
                         struct k_error *err)
{
    bool any = false;
    for (uint32_t n = 0; n < r->node_count && r->nodes[n]->kind == NODE_SOURCE; n++) {
        if (strcmp(r->nodes[n]->source->topic, topic) != 0) continue;
        any = true;
        int code = feed(r, r->nodes[n], record, err);
        if (code) return code;
    }
    return any ? 0 : k_fail(err, K_E_NOT_FOUND, "no source reads topic \"%s\"", topic);
}

int reference_final(struct reference *r, struct k_error *err)
{
    if (!r->final) {
        int code = reference_settle(r, err);
        if (code) return code;
        r->final_frontier = r->frontier;
        r->final = true;
    }
    return reference_settle(r, err);
}
