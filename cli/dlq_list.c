// kappa dlq list: what could not be processed, and why. Reads the dead-letter topics up to the end that they have now:
// each partition in its order, and of those that stand at the front the oldest first.
#include "cli/kafka.h"
#include "cli/load.h"
#include "cli/output.h"

#include "base/units.h"
#include "base/utf8.h"

#include <stdlib.h>

enum { SET, TOPIC, FROM, LIMIT, OUTPUT, KAFKA_OPTIONS };
static const struct k_option options[] = {
    [SET] = OPTION_SET,
    [TOPIC] = {.name = "topic", .argument = "TOPIC", .help = "a dead-letter topic, without a graph"},
    [FROM] = {.name = "from",
              .argument = "TIME|OFFSET",
              .help = "only letters from this time, or from this offset on"},
    [LIMIT] = {.name = "limit", .argument = "N", .help = "at most so many letters", .text = "1000"},
    [OUTPUT] = OPTION_OUTPUT_ROWS,
    KAFKA_OPTION_TABLE(KAFKA_OPTIONS),
};

enum { FETCH_MESSAGES = 500, FETCH_BYTES = 4 << 20, FETCH_WAIT_US = 200000, VALUE_SHOWN = 60 };

struct listing {
    struct call *call;
    struct k_log *log;
    enum output_form form;
    int64_t from_us, from_offset, limit, listed; // from_us INT64_MIN, from_offset -1: from the start
    int64_t patience_us;
    struct columns *columns;
    struct k_buf out;
};

// One partition of a dead-letter topic, and what of it was fetched.
struct stream {
    const char *topic;
    int32_t partition;
    struct k_reader *reader;
    int64_t end;
    const struct k_message *const *messages;
    uint32_t count, at;
    bool done;
};

static struct k_str header(const struct k_message *message, const char *name)
{
    for (uint32_t i = 0; i < message->header_count; i++)
        if (k_str_equal(message->headers[i].name, k_str_of(name)) && !message->headers[i].null)
            return message->headers[i].value;
    return (struct k_str){"", 0};
}

// Fetches until there is a message, or the end is reached.
static int fill(struct listing *l, struct stream *s, struct k_error *err)
{
    int64_t since = l->log->ops->now_us(l->log);
    while (!s->done && s->at == s->count) {
        int64_t before = l->log->ops->position(s->reader);
        if (before >= s->end) {
            s->done = true;
            break;
        }
        int code =
            l->log->ops->fetch(s->reader, FETCH_MESSAGES, FETCH_BYTES, FETCH_WAIT_US, &s->messages, &s->count, err);
        if (code) return k_wrap(err, code, "topic \"%s\" partition %d", s->topic, s->partition);
        s->at = 0;
        int64_t now = l->log->ops->now_us(l->log);
        if (s->count || l->log->ops->position(s->reader) > before) since = now;
        if (now - since > l->patience_us)
            return k_fail(err, K_E_UNAVAILABLE,
                          "topic \"%s\" partition %d: nothing came for %lld s, and the end is not reached", s->topic,
                          s->partition, (long long)(l->patience_us / 1000000));
        while (s->at < s->count &&
               (s->messages[s->at]->offset >= s->end || s->messages[s->at]->timestamp_us < l->from_us)) {
            s->done |= s->messages[s->at]->offset >= s->end;
            s->at++;
        }
    }
    return 0;
}

static int open_stream(struct listing *l, struct stream *s, struct k_error *err)
{
    int64_t start;
    int code = l->log->ops->offsets(l->log, s->topic, s->partition, true, &start, &s->end, err);
    if (code) return code;
    if (l->from_offset > start) start = l->from_offset;
    if (start >= s->end) {
        s->done = true;
        return 0;
    }
    code = l->log->ops->reader_open(l->log, s->topic, s->partition, start, &s->reader, err);
    return code ? code : fill(l, s, err);
}

// A header that is a number; of a message that somebody else put there it may be anything.
static void add_number(struct k_buf *out, const char *name, struct k_str text)
{
    bool number = text.length > 0 && text.length < 19;
    for (uint32_t i = 0; i < text.length; i++) number &= text.data[i] >= '0' && text.data[i] <= '9';
    k_buf_printf(out, ",\"%s\":", name);
    if (number) k_buf_add(out, text.data, text.length);
    else k_buf_add_text(out, "null");
}

static void add_bytes(struct k_buf *out, const char *name, bool has, struct k_str bytes)
{
    bool text = k_utf8_valid(bytes.data, bytes.length);
    k_buf_printf(out, ",\"%s%s\":", name, text ? "" : "_base64");
    if (!has) k_buf_add_text(out, "null");
    else if (text) k_json_string(out, bytes);
    else k_json_base64(out, bytes);
}

static void list_json(struct listing *l, const struct stream *s, const struct k_message *m)
{
    static const char *const names[] = {"node", "reason", "error", "topic"};
    struct k_buf *out = &l->out;
    if (l->form == OUTPUT_JSON) k_buf_add_text(out, l->listed ? ",\n" : "\n");
    k_buf_add_text(out, "{\"time\":");
    if (m->timestamp_us < 0) k_buf_add_text(out, "null");
    else k_json_time(out, m->timestamp_us);
    for (uint32_t i = 0; i < 4; i++) {
        char header_name[32];
        snprintf(header_name, sizeof header_name, "kappa.%s", names[i]);
        k_buf_printf(out, ",\"%s\":", names[i]);
        k_json_string(out, header(m, header_name));
    }
    add_number(out, "partition", header(m, "kappa.partition"));
    add_number(out, "offset", header(m, "kappa.offset"));
    if (header(m, "kappa.index").length) add_number(out, "index", header(m, "kappa.index")); // of several in a message
    add_bytes(out, "key", m->has_key, m->key);
    add_bytes(out, "value", m->has_value, m->value);
    k_buf_add_text(out, ",\"dead_letter\":{\"topic\":");
    k_json_string(out, k_str_of(s->topic));
    k_buf_printf(out, ",\"partition\":%d,\"offset\":%lld}}", s->partition, (long long)m->offset);
    if (l->form == OUTPUT_JSONL) k_buf_add_char(out, '\n');
    fwrite(out->data, 1, out->length, stdout);
    k_buf_clear(out);
}

// The beginning of a value: characters are not cut.
static struct k_str start_of(struct k_str value)
{
    if (value.length <= VALUE_SHOWN) return value;
    uint32_t length = VALUE_SHOWN;
    while (length > 0 && ((unsigned char)value.data[length] & 0xc0) == 0x80) length--;
    return (struct k_str){value.data, length};
}

static void list_row(struct listing *l, const struct k_message *m)
{
    char time[K_TIME_TEXT];
    struct k_str topic = header(m, "kappa.topic"), partition = header(m, "kappa.partition");
    struct k_str offset = header(m, "kappa.offset");
    columns_cell(l->columns,
                 (struct k_str){time, m->timestamp_us < 0 ? 0 : (uint32_t)k_time_print(time, m->timestamp_us)});
    columns_cell(l->columns, header(m, "kappa.node"));
    columns_cell(l->columns, header(m, "kappa.reason"));
    k_buf_clear(&l->out);
    if (topic.length)
        k_buf_printf(&l->out, "%.*s/%.*s:%.*s", (int)topic.length, topic.data, (int)partition.length, partition.data,
                     (int)offset.length, offset.data);
    columns_cell(l->columns, k_buf_str(&l->out));
    columns_cell(l->columns, m->has_key ? start_of(m->key) : K_STR("NULL"));
    k_buf_clear(&l->out);
    if (!m->has_value) k_buf_add_text(&l->out, "NULL");
    else {
        struct k_str start = start_of(m->value);
        k_buf_add(&l->out, start.data, start.length);
        if (start.length < m->value.length) k_buf_add_text(&l->out, "…");
    }
    columns_cell(l->columns, k_buf_str(&l->out));
    columns_cell(l->columns, header(m, "kappa.error"));
    k_buf_clear(&l->out);
}

// The stream with the oldest letter at its front; NULL: all are at their ends.
static struct stream *oldest(struct stream *streams, uint32_t count)
{
    struct stream *best = NULL;
    for (uint32_t i = 0; i < count; i++) {
        struct stream *s = &streams[i];
        if (s->at < s->count && (!best || s->messages[s->at]->timestamp_us < best->messages[best->at]->timestamp_us))
            best = s;
    }
    return best;
}

static int list(struct listing *l, struct stream *streams, uint32_t count, bool *ret_more, struct k_error *err)
{
    struct stream *s;
    *ret_more = false;
    while ((s = oldest(streams, count))) {
        if (l->listed == l->limit) {
            *ret_more = true;
            return 0;
        }
        const struct k_message *message = s->messages[s->at];
        if (l->form == OUTPUT_TABLE) list_row(l, message);
        else list_json(l, s, message);
        l->listed++;
        s->at++;
        while (s->at < s->count &&
               (s->messages[s->at]->offset >= s->end || s->messages[s->at]->timestamp_us < l->from_us))
            s->at++;
        int code = fill(l, s, err);
        if (code) return code;
    }
    return 0;
}

static int list_streams(struct listing *l, struct stream *streams, uint32_t count, struct k_error *err)
{
    static const char *const headings[] = {"time", "node", "reason", "source", "key", "value", "error"};
    bool more = false;
    int code = 0;
    for (uint32_t i = 0; i < count && !code; i++) code = open_stream(l, &streams[i], err);
    if (!code) {
        if (l->form == OUTPUT_TABLE) l->columns = columns_create(stdout, headings, NULL, 7);
        if (l->form == OUTPUT_JSON) fputs("{\"kind\":\"dead_letters\",\"dead_letters\":[", stdout);
        code = list(l, streams, count, &more, err);
        columns_end(l->columns);
        if (l->form == OUTPUT_JSON && !code) printf("\n],\"more\":%s}\n", more ? "true" : "false");
        fflush(stdout);
        if (more)
            fprintf(stderr, "there are more than --limit %lld dead letters; --from goes on\n", (long long)l->limit);
    }
    for (uint32_t i = 0; i < count; i++) l->log->ops->reader_close(streams[i].reader);
    return code;
}

// Every partition of every topic.
static int list_topics(struct listing *l, const char *const *topics, uint32_t topic_count, struct k_error *err)
{
    struct stream *streams = NULL;
    uint32_t count = 0;
    int code = 0;
    for (uint32_t t = 0; t < topic_count && !code; t++) {
        struct k_topic_info info;
        code = l->log->ops->topic_info(l->log, topics[t], &info, err);
        for (int32_t p = 0; !code && p < info.partitions; p++) {
            streams = k_realloc(streams, (count + 1) * sizeof *streams);
            streams[count++] = (struct stream){.topic = topics[t], .partition = p};
        }
    }
    if (!code) code = list_streams(l, streams, count, err);
    free(streams);
    return code;
}

static int read_from(struct listing *l, struct k_error *err)
{
    const char *text = k_options_text(&l->call->options, FROM);
    l->from_us = INT64_MIN;
    l->from_offset = -1;
    if (!text) return 0;
    char *end;
    l->from_offset = strtoll(text, &end, 10);
    if (end != text && *end == '\0' && l->from_offset >= 0) return 0;
    l->from_offset = -1;
    if (k_time_parse(k_str_of(text), &l->from_us)) return 0;
    return k_options_refuse(&l->call->options, FROM, "an offset, or a time such as 2026-01-01T00:00:00Z", err);
}

static int open_and_list(struct listing *l, struct loaded *loaded)
{
    struct k_error err = {0};
    struct k_kafka_options kafka;
    const char *topics[64] = {k_options_text(&l->call->options, TOPIC)};
    uint32_t count = topics[0] ? 1 : 0;
    const struct k_topic_need *needs;
    for (uint32_t i = 0, n = loaded->plan ? k_plan_topics(loaded->plan, &needs) : 0; i < n && count < 64; i++)
        if (needs[i].use == K_TOPIC_DEAD_LETTERS) topics[count++] = needs[i].topic;
    int code = kafka_options(l->call, KAFKA_OPTIONS, &kafka, &err);
    if (code) return command_misused(l->call, &err);
    l->patience_us = kafka.request_timeout_us;
    code = kafka_open(l->call, KAFKA_OPTIONS, &l->log, &err);
    if (!code) code = list_topics(l, topics, count, &err);
    if (l->log) l->log->ops->close(l->log);
    return code ? command_failed(l->call, code, &err) : 0;
}

static int run(struct call *call)
{
    struct listing l = {.call = call};
    struct loaded loaded = {0};
    struct k_error err = {0};
    int status = 0, code = output_rows_form(call, OUTPUT, &l.form, &err);
    if (!code) code = k_options_integer(&call->options, LIMIT, 1, INT64_MAX, &l.limit, &err);
    if (!code) code = read_from(&l, &err);
    bool topic = k_options_given(&call->options, TOPIC);
    if (!code && topic == (call->options.operand_count == 1))
        code =
            k_fail(&err, K_E_USAGE, topic ? "a graph and --topic exclude each other" : "FILE or --topic is missing");
    if (code) return command_misused(call, &err);
    if (!topic) status = load_plan(call, call->options.operands[0], SET, 1, &loaded);
    if (!status) status = open_and_list(&l, &loaded);
    k_buf_fini(&l.out);
    loaded_fini(&loaded);
    return status;
}

const struct command command_dlq_list = {
    .name = "dlq list",
    .operands = "[FILE]",
    .doc = "list dead letters: what could not be processed, where it stood, and why",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .operands_max = 1,
    .run = run};
