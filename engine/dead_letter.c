// What becomes of rows that could not be processed, and of rows that came too late; and how messages get out.
//
// A late row goes out as JSON: it may have been through many nodes, and whoever reads it wants what these made of it.
// A dead letter carries the raw key and value of the message behind the row, untouched, and headers that say where it
// stood and why. Of a message that holds several records it carries the one that is behind the row, and its number in
// the message. A value larger than the topic takes is cut, and a header says so: the original stands in its source.
#include "engine/machine_private.h"

#include "base/json_out.h"

#include <stdio.h>

// The limit lies here and not in a broker's setting, because results may not depend on one.
enum { DEAD_LETTER_MAX = 900000, DEAD_LETTER_CUT = 65536, HEADERS_MAX = 8 };

struct headers {
    struct k_header items[HEADERS_MAX];
    uint32_t count;
};

static void add_header(struct headers *headers, const char *name, const char *value)
{
    K_ASSERT(headers->count < HEADERS_MAX);
    headers->items[headers->count++] = (struct k_header){k_str_of(name), k_str_of(value), false};
}

int machine_output(struct k_host *host, const struct k_output *output, struct k_error *err)
{
    struct k_machine *m = ((struct post *)host)->machine;
    if (!m->outputs_wanted || !m->owner.output) return 0;
    return m->owner.output(m->owner.context, output, err);
}

static void origin_headers(struct k_machine *m, const struct k_message *message, struct headers *headers)
{
    add_header(headers, "kappa.topic", m->plan->sources[m->feeding].topic);
    add_header(headers, "kappa.partition", k_arena_format(&m->arena, "%d", message->partition));
    add_header(headers, "kappa.offset", k_arena_format(&m->arena, "%lld", (long long)message->offset));
    if (message->whole) add_header(headers, "kappa.index", k_arena_format(&m->arena, "%u", message->index));
}

static const struct k_message *origin_of(const struct k_batch *batch, uint32_t row)
{
    return batch->origin ? batch->origin[row] : NULL;
}

// Too large for a topic: what is sent is the beginning, and a header says so.
static void cut(struct k_machine *m, struct k_output *output, struct headers *headers)
{
    if ((uint64_t)output->value.length + (output->has_key ? output->key.length : 0) <= DEAD_LETTER_MAX) return;
    add_header(headers, "kappa.cut-from-bytes", k_arena_format(&m->arena, "%u", output->value.length));
    if (output->value.length > DEAD_LETTER_CUT) output->value.length = DEAD_LETTER_CUT;
    if (output->key.length > DEAD_LETTER_CUT) output->key.length = DEAD_LETTER_CUT;
}

// The row itself as JSON, with where it comes from.
static int send_json(struct post *post, const struct k_batch *batch, uint32_t row, const char *topic,
                     struct headers *headers, struct k_error *err)
{
    const struct k_message *message = origin_of(batch, row);
    struct k_buf json = {0};
    k_row_json(&json, batch, row);
    if (message) origin_headers(post->machine, message, headers);
    struct k_output output = {.topic = topic,
                              .value = k_buf_str(&json),
                              .has_value = true,
                              .timestamp_us = batch->time[row] < 0 ? -1 : batch->time[row]};
    cut(post->machine, &output, headers);
    output.headers = headers->items;
    output.header_count = headers->count;
    int code = machine_output(&post->host, &output, err);
    k_buf_fini(&json);
    return code;
}

// Sends the message behind a row, or the row itself as JSON when an operator made it.
static int send_row(struct post *post, const struct k_batch *batch, uint32_t row, const char *topic,
                    struct headers *headers, struct k_error *err)
{
    struct k_machine *m = post->machine;
    const struct k_message *message = origin_of(batch, row);
    struct k_output output = {.topic = topic};
    output.timestamp_us = batch->time && batch->time[row] >= 0 ? batch->time[row] : -1;
    struct k_buf json = {0};
    if (message) {
        origin_headers(m, message, headers);
        output.key = message->key;
        output.value = message->value;
        output.has_key = message->has_key;
        output.has_value = message->has_value;
        output.timestamp_us = message->timestamp_us;
    } else {
        k_row_json(&json, batch, row);
        output.value = k_buf_str(&json);
        output.has_value = true;
    }
    cut(m, &output, headers);
    output.headers = headers->items;
    output.header_count = headers->count;
    int code = machine_output(&post->host, &output, err);
    k_buf_fini(&json);
    return code;
}

static int stop(struct post *post, const struct k_batch *batch, uint32_t row, const char *reason, const char *text,
                struct k_error *err)
{
    const struct k_message *message = origin_of(batch, row);
    if (!message)
        return k_fail(err, K_E_DATA, "\"%s\" stops at a row (%s: %s), as its policy STOP demands", post->name, reason,
                      text);
    return k_fail(
        err, K_E_DATA, "\"%s\" stops at topic %s, partition %d, offset %lld%s (%s: %s), as its policy STOP demands",
        post->name, post->machine->plan->sources[post->machine->feeding].topic, message->partition,
        (long long)message->offset,
        message->whole ? k_arena_format(&post->machine->arena, ", record %u", message->index) : "", reason, text);
}

int machine_fail(struct k_host *host, const struct k_batch *batch, uint32_t row, const char *reason, const char *text,
                 struct k_error *err)
{
    struct post *post = (struct post *)host;
    if (post->on_error == K_ON_ERROR_STOP) return stop(post, batch, row, reason, text, err);
    if (post->on_error == K_ON_ERROR_DROP) {
        post->counters.dropped++;
        return 0;
    }
    post->counters.dead_lettered++;
    if (!post->machine->outputs_wanted) return 0;
    struct headers headers = {.count = 0};
    add_header(&headers, "kappa.node", post->name);
    add_header(&headers, "kappa.reason", reason);
    add_header(&headers, "kappa.error", text);
    return send_row(post, batch, row, post->dead_letter_topic, &headers, err);
}

int machine_late(struct k_host *host, const struct k_batch *batch, uint32_t row, const char *late_topic,
                 struct k_error *err)
{
    struct post *post = (struct post *)host;
    post->counters.late++;
    if (!late_topic || !post->machine->outputs_wanted) return 0;
    struct headers headers = {.count = 0};
    add_header(&headers, "kappa.node", post->name);
    return send_json(post, batch, row, late_topic, &headers, err);
}
