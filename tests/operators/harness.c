// The harness of operator tests.
#include "tests/operators/harness.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void assert_text(const struct k_buf *buf, const char *expected)
{
    assert_string_equal(buf->data ? buf->data : "", expected);
}

static void add_row(struct k_buf *out, const struct k_batch *batch, uint32_t row)
{
    k_row_json(out, batch, row);
    k_buf_add_char(out, '\n');
}

static int host_emit(struct k_host *host, uint32_t port, const struct k_batch *batch, struct k_error *err)
{
    (void)err;
    struct harness *h = (struct harness *)host;
    assert_true(batch->selected > 0 && batch->selected <= K_BATCH_ROWS && batch->rows <= K_BATCH_ROWS);
    for (uint32_t i = 0; i < batch->selected; i++) {
        uint32_t row = batch->selection[i];
        if (h->counters.out + i < 8)
            h->watermarks[h->counters.out + i] = batch->watermark ? batch->watermark[row] : INT64_MIN;
        bool behind = i > 0 && batch->weight && batch->selection[i - 1] + 1 == row;
        h->pairs += behind && batch->weight[row - 1] < 0 && batch->weight[row] > 0;
    }
    h->counters.out += batch->selected;
    h->batches++;
    if (batch->arena->used > h->most_arena_bytes) h->most_arena_bytes = batch->arena->used;
    if (h->quiet) return 0;
    for (uint32_t i = 0; i < batch->selected; i++) {
        uint32_t row = batch->selection[i];
        assert_true(row < batch->rows && (i == 0 || row > batch->selection[i - 1]));
        k_buf_printf(&h->emitted, "%u %+d %" PRId64 " ", port, batch->weight ? batch->weight[row] : 1,
                     batch->time[row]);
        add_row(&h->emitted, batch, row);
    }
    return 0;
}

static int host_output(struct k_host *host, const struct k_output *output, struct k_error *err)
{
    (void)err;
    struct harness *h = (struct harness *)host;
    assert_true(host->outputs_wanted);
    k_buf_printf(&h->outputs, "%s ", output->topic);
    if (output->has_key) k_buf_add(&h->outputs, output->key.data, output->key.length);
    else k_buf_add_char(&h->outputs, '-');
    k_buf_add_char(&h->outputs, ' ');
    if (output->has_value) k_buf_add(&h->outputs, output->value.data, output->value.length);
    else k_buf_add_char(&h->outputs, '-');
    k_buf_add_char(&h->outputs, '\n');
    return 0;
}

// As the engine does it: the policy decides.
static int host_fail(struct k_host *host, const struct k_batch *batch, uint32_t row, const char *reason,
                     const char *text, struct k_error *err)
{
    struct harness *h = (struct harness *)host;
    enum k_on_error policy = h->instance_source ? h->source.on_error : h->node.on_error;
    assert_true(*text != 0);
    if (policy == K_ON_ERROR_STOP) return k_fail(err, K_E_DATA, "%s: %s", reason, text);
    if (policy == K_ON_ERROR_DROP) {
        h->counters.dropped++;
        return 0;
    }
    h->counters.dead_lettered++;
    k_buf_printf(&h->letters, "%s ", reason);
    if (!h->instance_source) {
        add_row(&h->letters, batch, row);
        return 0;
    }
    struct k_str value = batch->origin[row]->value;
    k_buf_printf(&h->letters, "%.*s\n", (int)value.length, value.data ? value.data : "");
    return 0;
}

static int host_late(struct k_host *host, const struct k_batch *batch, uint32_t row, const char *late_topic,
                     struct k_error *err)
{
    (void)err;
    struct harness *h = (struct harness *)host;
    h->counters.late++;
    k_buf_printf(&h->late, "%s ", late_topic ? late_topic : "-");
    add_row(&h->late, batch, row);
    return 0;
}

static const struct k_host_ops host_ops = {host_emit, host_output, host_fail, host_late};

static enum k_on_error policy_of(const Kappa__V1__Policy *policy)
{
    return policy && policy->has_on_error ? (enum k_on_error)policy->on_error : K_ON_ERROR_DEAD_LETTER;
}

static void input_edge(struct harness *h, const struct harness_input *input)
{
    struct k_edge *edge = &h->source.edge;
    if (!input) return;
    edge->updating = input->updating;
    edge->made = input->made;
    if (input->window_start) edge->window_start = k_schema_find(&edge->schema, k_str_of(input->window_start));
    if (input->window_end) edge->window_end = k_schema_find(&edge->schema, k_str_of(input->window_end));
    if (!input->unique) return;
    uint32_t *unique = k_arena_array(&h->plan_arena, uint32_t, 2);
    const char *names[] = {input->unique, input->unique_too};
    edge->unique = unique;
    for (int i = 0; i < 2 && names[i]; i++)
        unique[edge->unique_count++] = (uint32_t)k_schema_find(&edge->schema, k_str_of(names[i]));
}

// What is under test: a sink, else a table, else a node.
static bool choose(struct harness *h, const Kappa__V1__Graph *graph)
{
    struct k_node *node = &h->node;
    const Kappa__V1__Policy *policy = graph->policy;
    if (graph->n_sink) {
        node->owner = node->message = graph->sink[0];
        node->name = graph->sink[0]->name;
        node->type = k_operator_find("kafka");
    } else if (graph->n_table) {
        node->owner = node->message = graph->table[0];
        node->name = graph->table[0]->name;
        node->type = k_operator_find("table");
    } else if (graph->n_node) {
        const Kappa__V1__Node *one = graph->node[0];
        node->owner = one;
        node->name = one->name;
        if (one->policy) policy = one->policy;
        const ProtobufCMessageDescriptor *d = one->base.descriptor;
        for (unsigned i = 0; i < d->n_fields; i++) {
            const ProtobufCFieldDescriptor *field = &d->fields[i];
            if (!(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) || field->id != (uint32_t)one->operator_case) continue;
            node->message = *(void *const *)((const char *)one + field->offset);
            node->type = k_operator_find(field->name);
        }
    } else {
        return false;
    }
    assert_non_null(node->type);
    node->on_error = policy_of(policy);
    node->input_count = graph->n_sink + graph->n_table ? 1 : (uint32_t)graph->node[0]->n_input;
    node->inputs = k_arena_array(&h->plan_arena, struct k_edge *, node->input_count);
    for (uint32_t i = 0; i < node->input_count; i++)
        node->inputs[i] = i > 0 && h->source_count == 2 ? &h->second.edge : &h->source.edge;
    return true;
}

void harness_plan(struct harness *h, const char *text, const struct harness_input *input)
{
    memset(h, 0, sizeof *h);
    k_arena_init(&h->plan_arena);
    k_arena_init(&h->arena);
    if (k_graph_read("g", k_str_of(text), K_FORM_TEXT, &h->diags, &h->graph) != 0) {
        h->graph = NULL;
        fail_msg("%s", harness_diags(h));
    }
    const Kappa__V1__Graph *graph = k_graph_message(h->graph);
    struct k_planner planner = {.arena = &h->plan_arena,
                                .diags = &h->diags,
                                .graph = h->graph,
                                .graph_name = "g",
                                .shards = input && input->shards ? input->shards : 1};
    h->stride = input && input->spread ? 2 : 1;
    h->source.on_error = policy_of(graph->source[0]->policy ? graph->source[0]->policy : graph->policy);
    h->source_count = (uint32_t)graph->n_source;
    h->planned = k_source_plan(&planner, graph->source[0], &h->source) &&
                 (h->source_count < 2 || k_source_plan(&planner, graph->source[1], &h->second));
    if (h->planned) {
        input_edge(h, input);
        if (choose(h, graph)) h->planned = h->node.type->plan(&planner, &h->node);
        if (h->planned && h->node.type && h->node.type->read_back) {
            for (uint32_t i = 0; i < h->node.outputs[0].schema.count; i++) // what is said is read
                h->node.outputs[0].read[i] = !h->node.outputs[0].schema.fields[i].hidden;
            h->node.type->read_back(&h->node);
        }
    }
    // Whoever refuses says why, and who says so refuses.
    assert_int_equal(h->planned, h->diags.errors == 0);
}

const char *harness_diags(struct harness *h)
{
    struct k_buf out = {0};
    k_diags_print(&h->diags, &out);
    const char *text = k_arena_copy(&h->plan_arena, out.data ? out.data : "", out.length);
    k_buf_fini(&out);
    return text;
}

static void open_instance(struct harness *h)
{
    struct k_error err = {0};
    struct k_store *store;
    struct k_state_options options = {.cache_bytes = 1 << 20};
    assert_int_equal(k_store_memory_open(h->disk, NULL, NULL, &store, &err), 0);
    assert_int_equal(k_state_open(store, &options, &h->state, &err), 0);
    h->host = (struct k_host){
        .ops = &host_ops, .arena = &h->arena, .counters = &h->counters, .state = h->state, .outputs_wanted = true};
    if (!h->node.type) {
        assert_int_equal(k_source_open(&h->source, &h->host, &h->instance_source, &err), 0);
        return;
    }
    h->instance = k_alloc(h->node.type->instance_size);
    int code = h->node.type->open(h->instance, &h->node, &h->host, &err);
    if (code) fail_msg("%s", err.text);
    k_arena_reset(&h->arena);
}

// Rows are made whole: what the operator does not read must not matter, and is not given to it.
static struct k_decoder *open_rows(struct harness *h, const struct k_edge *edge)
{
    struct k_error err = {0};
    struct k_decoder *rows;
    uint32_t declared = 0;
    while (declared < edge->schema.count && !edge->schema.fields[declared].hidden) declared++;
    struct k_schema *schema = k_arena_get(&h->plan_arena, sizeof *schema);
    *schema = (struct k_schema){edge->schema.fields, declared};
    struct k_decoder_options options = {.schema = schema, .read = edge->read};
    assert_int_equal(k_decoder_json(&options, &rows, &err), 0);
    return rows;
}

void harness_open(struct harness *h, const char *graph, const struct harness_input *input)
{
    harness_plan(h, graph, input);
    if (!h->planned) fail_msg("%s", harness_diags(h));
    h->disk = k_memory_disk_create();
    open_instance(h);
    if (!h->node.type) return;
    for (uint32_t i = 0; i < h->source_count; i++) h->rows[i] = open_rows(h, i ? &h->second.edge : &h->source.edge);
}

static void close_instance(struct harness *h)
{
    if (h->instance) h->node.type->close(h->instance);
    free(h->instance);
    k_source_close(h->instance_source);
    k_state_destroy(h->state);
    h->instance = NULL;
    h->instance_source = NULL;
    h->state = NULL;
}

void harness_reopen(struct harness *h)
{
    close_instance(h);
    open_instance(h);
}

void harness_close(struct harness *h)
{
    close_instance(h);
    for (uint32_t i = 0; i < h->source_count; i++) k_decoder_destroy(h->rows[i]);
    k_memory_disk_destroy(h->disk);
    k_graph_destroy(h->graph);
    k_diags_fini(&h->diags);
    k_buf_fini(&h->emitted);
    k_buf_fini(&h->letters);
    k_buf_fini(&h->late);
    k_buf_fini(&h->outputs);
    k_arena_fini(&h->arena);
    k_arena_fini(&h->plan_arena);
}

// The rows of each port in a batch of their own, as ways through a graph that divides would bring them.
static int feed_ports(struct harness *h, const struct row *rows, const struct k_batch *batch, struct k_error *err)
{
    int code = 0;
    for (uint32_t port = 0; port < h->node.input_count && code == 0; port++) {
        struct k_batch some = *batch;
        uint32_t *selection = k_arena_array(batch->arena, uint32_t, batch->selected);
        some.selected = 0;
        for (uint32_t i = 0; i < batch->selected; i++)
            if ((uint64_t)rows[i].time_us % h->node.input_count == port)
                selection[some.selected++] = batch->selection[i];
        some.selection = selection;
        if (some.selected) code = h->node.type->on_batch(h->instance, port, &some, err);
    }
    return code == 0 && h->node.gathers ? h->node.type->on_flush(h->instance, err) : code;
}

static struct side side_of(const struct harness *h, uint64_t fed)
{
    return h->sides ? h->sides[fed] : (struct side){0};
}

// The columns of these messages, each a row. A tombstone has its key in its JSON.
static struct k_column *columns_of(struct harness *h, uint32_t source, const struct k_message *messages,
                                   uint32_t rows)
{
    struct k_arena *arena = &h->arena;
    const struct k_edge *edge = source ? &h->second.edge : &h->source.edge;
    const struct k_message **pointers = k_arena_array(arena, const struct k_message *, rows);
    for (uint32_t i = 0; i < rows; i++) pointers[i] = &messages[i];
    struct k_decode_result decoded;
    k_decode(h->rows[source], pointers, rows, arena, &decoded);
    if (decoded.bad_count) fail_msg("row %s: %s", pointers[decoded.bad[0].row]->value.data, decoded.bad[0].text);
    struct k_column *columns = k_arena_zeroed(arena, edge->schema.count * sizeof *columns);
    for (uint32_t i = 0; i < edge->schema.count; i++) {
        columns[i].type = edge->schema.fields[i].type;
        if (!edge->schema.fields[i].hidden) columns[i] = decoded.columns[i];
    }
    if (edge->is_table) {
        uint8_t *gone = k_arena_array(arena, uint8_t, rows);
        for (uint32_t i = 0; i < rows; i++) gone[i] = side_of(h, h->fed + i / h->stride).tombstone;
        columns[k_schema_find(&edge->schema, K_STR("_tombstone"))].b = gone;
    }
    return columns;
}

static int feed_batch(struct harness *h, const struct row *rows, uint32_t count, struct k_error *err)
{
    struct k_arena *arena = &h->arena;
    uint32_t physical = count * h->stride, source = side_of(h, h->fed).source;
    const struct k_edge *edge = source ? &h->second.edge : &h->source.edge;
    struct k_message *messages = k_arena_zeroed(arena, physical * sizeof *messages);
    int64_t *time = k_arena_array(arena, int64_t, physical), *watermark = k_arena_array(arena, int64_t, physical);
    int8_t *weight = k_arena_array(arena, int8_t, physical);
    const struct k_message **origin = k_arena_zeroed(arena, physical * sizeof *origin);
    uint32_t *selection = k_arena_array(arena, uint32_t, count);
    for (uint32_t i = 0; i < physical; i++) {
        const struct row *row = &rows[i / h->stride];
        messages[i].value = k_str_of(row->json);
        messages[i].has_value = true;
        struct place place = h->places ? h->places[h->fed + i / h->stride] : (struct place){0};
        messages[i].partition = place.partition;
        messages[i].offset = place.offset;
        if (place.offset) origin[i] = &messages[i];
        time[i] = row->time_us;
        watermark[i] = row->watermark_us;
        weight[i] =
            row->weight < 0 && i % h->stride == 0 ? -1 : 1; // between rows, what would be a change's other side
        selection[i / h->stride] = i - i % h->stride;
    }
    struct k_column *columns = columns_of(h, source, messages, physical);
    struct k_batch batch = {.schema = &edge->schema,
                            .columns = columns,
                            .rows = physical,
                            .selection = selection,
                            .selected = count,
                            .time = time,
                            .watermark = watermark,
                            .weight = edge->updating ? weight : NULL,
                            .origin = origin,
                            .arena = arena};
    h->counters.in += count;
    h->fed += count;
    int code = h->node.input_count == 1 || h->source_count == 2
                   ? h->node.type->on_batch(h->instance, source, &batch, err)
                   : feed_ports(h, rows, &batch, err);
    k_arena_reset(arena);
    return code;
}

int harness_feed(struct harness *h, const struct row *rows, uint32_t count, uint32_t batch)
{
    struct k_error err = {0};
    int code = 0;
    for (uint32_t at = 0, some; at < count && code == 0; at += some) {
        some = 1;
        while (some < batch && at + some < count && side_of(h, h->fed + some).source == side_of(h, h->fed).source)
            some++;
        code = feed_batch(h, rows + at, some, &err);
        k_state_trim(h->state);
    }
    return code;
}

void harness_frontier(struct harness *h, int64_t frontier_us, uint64_t portion)
{
    struct k_error err = {0};
    uint64_t done = portion;
    h->last_units = 0;
    while (done == portion) {
        int code = h->node.type->on_frontier(h->instance, frontier_us, portion, &done, &err);
        if (code) fail_msg("%s", err.text);
        assert_true(done <= portion);
        h->last_units += done;
        k_arena_reset(&h->arena);
        k_state_trim(h->state);
    }
    int64_t next_us = INT64_MAX;
    if (h->node.type->next_frontier) assert_int_equal(h->node.type->next_frontier(h->instance, &next_us, &err), 0);
    assert_true(next_us > frontier_us || next_us == INT64_MAX);
}

static void add_hex(struct k_buf *out, struct k_str bytes)
{
    for (uint32_t i = 0; i < bytes.length; i++) k_buf_printf(out, "%02x", (uint8_t)bytes.data[i]);
}

void harness_dump(struct harness *h, struct k_buf *out)
{
    struct k_error err = {0};
    assert_int_equal(k_state_checkpoint(h->state, K_STR("here"), &err), 0);
    struct k_store *store = k_state_store(h->state);
    struct k_store_iterator *iterator;
    assert_int_equal(store->ops->iterate(store, K_STR("\x01"), (struct k_str){0}, &iterator, &err), 0);
    struct k_str key, value;
    while (store->ops->next(iterator, &key, &value, &err)) {
        add_hex(out, key);
        k_buf_add_char(out, ' ');
        add_hex(out, value);
        k_buf_add_char(out, '\n');
    }
    assert_int_equal(err.code, 0);
    store->ops->iterate_end(iterator);
}

void harness_check_sums(const struct harness *h)
{
    const struct k_counters *c = &h->counters;
    assert_int_equal(c->in, c->processed + c->filtered + c->late + c->dropped + c->dead_lettered);
}
