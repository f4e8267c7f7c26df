// A Kafka topic as sink: each row a message, keyed or not.
//
// A keyed sink of rows that may be taken back shows the net of each change: the new row, or a tombstone for a row
// that went without a successor. The two sides of a change are the neighbouring rows r and r + 1 of one batch (see
// k_edge), so that a -1 need not look further; rows that only happen to come next may lie in another batch another
// time.
#include "base/json_out.h"
#include "base/units.h"
#include "operators/common.h"
#include "operators/row_writer.h"

enum { MESSAGE_BYTES_DEFAULT = 1000000, MESSAGE_BYTES_MAX = 1 << 30 };

struct sink_config {
    const char *topic;
    uint32_t *key; // in the input's columns
    uint32_t key_count;
    bool raw_key; // one string column as it is
    uint64_t message_bytes_max;
    struct k_row_writer *writer;
};

struct sink {
    struct k_host *host;
    const struct k_node *node;
    const struct sink_config *config;
    struct k_buf key, next_key, value;
    bool owes_tombstone; // the old side of a change was left out, and its new side has not been sent yet
};

static bool plan_key(struct k_planner *planner, struct k_node *node, struct sink_config *config)
{
    const Kappa__V1__Sink *message = node->owner;
    const struct k_edge *input = node->inputs[0];
    bool good = true;
    config->key = k_arena_array(planner->arena, uint32_t, message->n_key);
    for (uint32_t i = 0; i < message->n_key; i++) {
        int32_t column = k_plan_column(planner, message, "key", (int)i, message->key[i], input, "key");
        if (column < 0) {
            good = false;
            continue;
        }
        input->read[column] = true;
        config->key[config->key_count++] = (uint32_t)column;
    }
    if (message->n_key == 0 && input->updating) {
        k_plan_error(planner, message, NULL, -1, K0407,
                     "sink \"%s\" has no key, but rows of \"%s\" are replaced and taken back; add  key: \"COLUMN\"",
                     node->name, input->name);
        good = false;
    }
    config->raw_key = config->key_count == 1 && input->schema.fields[config->key[0]].type == K_STRING;
    return good;
}

static bool plan_size(struct k_planner *planner, const Kappa__V1__Sink__Kafka *kafka, struct sink_config *config)
{
    config->message_bytes_max = MESSAGE_BYTES_DEFAULT;
    if (!kafka->max_message_bytes) return true;
    bool read = k_size_parse(k_str_of(kafka->max_message_bytes), &config->message_bytes_max);
    if (read && config->message_bytes_max >= 1 && config->message_bytes_max <= MESSAGE_BYTES_MAX) return true;
    k_plan_error(planner, kafka, "max_message_bytes", 0, K0402, "max_message_bytes: \"%s\" is %s",
                 kafka->max_message_bytes, read ? "not between 1 byte and 1GiB" : "not a size, such as \"1MB\"");
    return false;
}

static bool sink_plan(struct k_planner *planner, struct k_node *node)
{
    const Kappa__V1__Sink *message = node->owner;
    const Kappa__V1__Sink__Kafka *kafka = message->kafka;
    const struct k_edge *input = node->inputs[0];
    struct sink_config *config = k_arena_zeroed(planner->arena, sizeof *config);
    node->config = config;
    for (uint32_t i = 0; i < input->schema.count; i++)
        if (!input->schema.fields[i].hidden) input->read[i] = true;
    bool good = k_plan_need(planner, node, kafka, "topic", kafka->topic, "topic: \"TOPIC\"");
    config->writer = k_row_writer_plan(planner, node);
    good &= config->writer != NULL;
    if (kafka->has_partitions && kafka->partitions < 1) {
        k_plan_error(planner, kafka, "partitions", 0, K0402, "partitions: %d is less than 1", kafka->partitions);
        good = false;
    }
    good &= plan_size(planner, kafka, config);
    good &= plan_key(planner, node, config);
    config->topic = kafka->topic;
    const char **topics = k_arena_array(planner->arena, const char *, 1);
    topics[0] = kafka->topic;
    node->topics = topics;
    node->topic_count = kafka->topic ? 1 : 0;
    return good;
}

static int sink_open(void *instance, const struct k_node *node, struct k_host *host, struct k_error *err)
{
    (void)err;
    *(struct sink *)instance = (struct sink){.host = host, .node = node, .config = node->config};
    return 0;
}

// The bytes of a row's key. false: it is NULL, which a raw key cannot say.
static bool make_key(const struct sink *sink, const struct k_batch *batch, uint32_t row, struct k_buf *out)
{
    const struct sink_config *config = sink->config;
    k_buf_clear(out);
    if (config->raw_key) {
        struct k_value value = k_column_value(&batch->columns[config->key[0]], row);
        if (value.null) return false;
        k_buf_add(out, value.s.data, value.s.length);
        return true;
    }
    k_buf_add_char(out, '[');
    for (uint32_t i = 0; i < config->key_count; i++) {
        struct k_value value = k_column_value(&batch->columns[config->key[i]], row);
        if (i) k_buf_add_char(out, ',');
        k_value_json(out, &value);
    }
    k_buf_add_char(out, ']');
    return true;
}

static int send(struct sink *sink, const struct k_batch *batch, uint32_t row, bool has_value, struct k_error *err)
{
    struct k_host *host = sink->host;
    sink->owes_tombstone = false;
    if (!host->outputs_wanted) return 0;
    struct k_output output = {
        .topic = sink->config->topic,
        .has_key = sink->config->key_count > 0,
        .has_value = has_value,
        // Kafka has no message before 1970.
        .timestamp_us = batch->time[row] < 0 ? -1 : batch->time[row],
    };
    if (output.has_key) output.key = k_buf_str(&sink->key);
    if (has_value) output.value = k_buf_str(&sink->value);
    return host->ops->output(host, &output, err);
}

// A row that becomes no message. Of a change, its old side goes all the same.
static int fail_row(struct sink *sink, const struct k_batch *batch, uint32_t row, const char *reason,
                    const char *text, struct k_error *err)
{
    if (sink->owes_tombstone) {
        int code = send(sink, batch, row, false, err);
        if (code) return code;
    }
    return sink->host->ops->fail(sink->host, batch, row, reason, text, err);
}

static int send_row(struct sink *sink, const struct k_batch *batch, uint32_t row, struct k_error *err)
{
    struct k_host *host = sink->host;
    // Encoded whether or not anybody wants it: which rows cannot be written must not depend on who leads.
    const char *reason, *text = "";
    k_buf_clear(&sink->value);
    reason = k_row_writer_add(sink->config->writer, &sink->value, batch, row, &text);
    if (reason) return fail_row(sink, batch, row, reason, text, err);
    uint64_t bytes = sink->value.length + (sink->config->key_count ? sink->key.length : 0);
    if (bytes <= sink->config->message_bytes_max) {
        host->counters->processed++;
        return send(sink, batch, row, true, err);
    }
    text = k_arena_format(batch->arena, "the message would have %llu bytes, and max_message_bytes is %llu",
                          (unsigned long long)bytes, (unsigned long long)sink->config->message_bytes_max);
    return fail_row(sink, batch, row, "too_large", text, err);
}

// Whether the row is the old side of a change whose new side comes next.
static bool is_replaced(struct sink *sink, const struct k_batch *batch, uint32_t position)
{
    uint32_t next = batch->selection[position] + 1;
    if (position + 1 >= batch->selected || batch->selection[position + 1] != next || batch->weight[next] < 0)
        return false;
    return make_key(sink, batch, next, &sink->next_key) &&
           k_str_equal(k_buf_str(&sink->key), k_buf_str(&sink->next_key));
}

static int on_row(struct sink *sink, const struct k_batch *batch, uint32_t position, struct k_error *err)
{
    struct k_host *host = sink->host;
    uint32_t row = batch->selection[position];
    bool gone = batch->weight && batch->weight[row] < 0;
    if (sink->config->key_count && !make_key(sink, batch, row, &sink->key)) {
        if (gone) { // it was refused when it came
            host->counters->dropped++;
            return 0;
        }
        const char *name = batch->schema->fields[sink->config->key[0]].name;
        return host->ops->fail(host, batch, row, "null_key",
                               k_arena_format(batch->arena, "\"%s\" is NULL, and it is the message key", name), err);
    }
    if (!gone) return send_row(sink, batch, row, err);
    host->counters->processed++;
    sink->owes_tombstone = is_replaced(sink, batch, position);
    return sink->owes_tombstone ? 0 : send(sink, batch, row, false, err);
}

static int sink_on_batch(void *instance, uint32_t port, const struct k_batch *batch, struct k_error *err)
{
    (void)port;
    struct sink *sink = instance;
    for (uint32_t i = 0; i < batch->selected; i++) {
        int code = on_row(sink, batch, i, err);
        if (code) return code;
    }
    return 0;
}

static void sink_close(void *instance)
{
    struct sink *sink = instance;
    k_buf_fini(&sink->key);
    k_buf_fini(&sink->next_key);
    k_buf_fini(&sink->value);
}

const struct k_operator k_operator_kafka = {
    .name = "kafka",
    .doc = "Writes rows to a Kafka topic.",
    .plan = sink_plan,
    .instance_size = sizeof(struct sink),
    .open = sink_open,
    .on_batch = sink_on_batch,
    .close = sink_close,
};
