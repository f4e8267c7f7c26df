// A source at work: messages of one partition become rows with event time and watermark.
//
// Each message, or each record of a message that holds several, ends as exactly one of: a row, or a failure with one
// reason. Reasons are found column by column for the
// whole batch and told in the order of the offsets, so that nothing shows where a batch was cut.
// The watermark of a row is that of its partition's prefix up to it: rows that failed are no part of the prefix.
#include "operators/source.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/utf8.h"

struct k_source {
    const struct k_source_plan *plan;
    const struct k_source_config *config;
    struct k_host *host;
    struct k_decoder *decoder;
    struct k_unpacking unpacking; // of the message that comes next, if messages hold several records
    // PASS_NULL only: one decoder a column that is read, to tell a malformed field from a malformed record.
    struct k_decoder **single;
    struct k_source_config one_field; // of the decoders in single, which point into it
};

// Instants that leave room for windows and graces on both sides.
#define TIME_MAX (INT64_C(1) << 61)

// One batch on its way.
struct feed {
    struct k_source *source;
    struct k_arena *arena;
    const struct k_message *const *messages;
    uint32_t count;
    struct k_column *columns; // of the edge
    const char **reason;      // per row; NULL: good
    const char **text;
    struct k_batch batch;
};

int k_source_decoder(const struct k_source_config *config, const bool *read, struct k_decoder **ret,
                     struct k_error *err)
{
    struct k_decoder_options options = {
        .schema = &config->declared,
        .read = read,
        .validate_full = config->validate_full,
        .timestamp_unit = config->timestamp_unit,
        .pattern = config->pattern,
        .delimiter = config->delimiter,
        .header = config->header,
        .message = config->message,
    };
    switch (config->format) {
    case K_FORMAT_JSON: return k_decoder_json(&options, ret, err);
    case K_FORMAT_LINE: return k_decoder_line(&options, ret, err);
    case K_FORMAT_RAW: return k_decoder_raw(&options, ret, err);
    case K_FORMAT_CSV: return k_decoder_csv(&options, ret, err);
    case K_FORMAT_PROTOBUF: return k_decoder_protobuf(&options, ret, err);
    }
    K_ASSERT(!"a format outside the list");
}

static int open_single(struct k_source *source, struct k_error *err)
{
    uint32_t count = source->config->declared.count;
    source->one_field = *source->config;
    source->one_field.validate_full = false;
    bool *read = k_new_array(bool, count);
    source->single = k_new_array(struct k_decoder *, count);
    int code = 0;
    for (uint32_t i = 0; i < count && code == 0; i++) {
        if (!source->plan->edge.read[i]) continue;
        read[i] = true;
        code = k_source_decoder(&source->one_field, read, &source->single[i], err);
        read[i] = false;
    }
    free(read);
    return code;
}

int k_source_open(const struct k_source_plan *plan, struct k_host *host, struct k_source **ret, struct k_error *err)
{
    struct k_source *source = k_new(struct k_source);
    source->plan = plan;
    source->config = plan->config;
    source->host = host;
    int code = k_source_decoder(source->config, plan->edge.read, &source->decoder, err);
    if (code == 0 && plan->on_error == K_ON_ERROR_PASS_NULL) code = open_single(source, err);
    if (code) {
        k_source_close(source);
        return code;
    }
    *ret = source;
    return 0;
}

void k_source_close(struct k_source *source)
{
    if (!source) return;
    k_decoder_destroy(source->decoder);
    for (uint32_t i = 0; source->single && i < source->config->declared.count; i++)
        k_decoder_destroy(source->single[i]);
    free(source->single);
    free(source);
}

static void row_fails(struct feed *feed, uint32_t row, const char *reason, const char *text)
{
    if (feed->reason[row]) return; // the first reason is the row's
    feed->reason[row] = reason;
    feed->text[row] = text;
}

// A column of the decoded messages, spread over the rows of all messages; rows of tombstones are NULL.
static struct k_column spread(struct feed *feed, const struct k_column *decoded, const uint32_t *rows, uint32_t count)
{
    struct k_made made;
    k_made_init(&made, decoded->type, feed->count, feed->arena);
    size_t width = k_type_width(decoded->type);
    memset(made.valid, 0, feed->count);
    made.has_null = true;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(made.data + rows[i] * width, (const char *)decoded->data + i * width, width);
        made.valid[rows[i]] = !k_column_null(decoded, i);
    }
    return k_made_column(&made);
}

// The key of a message, as a value of the key's type. NULL, or what is wrong.
static const char *read_tombstone(const struct k_message *message, enum k_type type, struct k_value *ret)
{
    if (!message->has_key) return "it has no key";
    if (type == K_STRING && !k_utf8_valid(message->key.data, message->key.length)) return "its key is not UTF-8";
    if (type != K_BYTES) return k_text_to_value(message->key, type, ret);
    *ret = (struct k_value){.type = type, .s = message->key};
    return NULL;
}

// A message without a value removes a row of a table, and its key says which.
static void tombstones_remove(struct feed *feed)
{
    struct k_column *column = &feed->columns[feed->source->plan->edge.table_key];
    struct k_made key;
    k_made_init(&key, column->type, feed->count, feed->arena);
    for (uint32_t row = 0; row < feed->count; row++) {
        struct k_value value = {.type = column->type, .null = true};
        const char *wrong = NULL;
        if (feed->messages[row]->has_value) value = k_column_value(column, row);
        else wrong = read_tombstone(feed->messages[row], column->type, &value);
        if (wrong)
            row_fails(feed, row, "tombstone_key",
                      k_arena_format(feed->arena, "a message without a value removes the row of its key; %s", wrong));
        k_made_value(&key, row, &value);
    }
    *column = k_made_column(&key);
}

static void tombstones_fail(struct feed *feed)
{
    const struct k_edge *edge = &feed->source->plan->edge;
    const struct k_field *fields = feed->source->config->declared.fields;
    for (uint32_t c = 0; c < feed->source->config->declared.count; c++) {
        if (!fields[c].not_null || !(edge->read[c] || feed->source->config->validate_full)) continue;
        const char *text =
            k_arena_format(feed->arena, "the message has no value, and \"%s\" is not null", fields[c].name);
        for (uint32_t row = 0; row < feed->count; row++)
            if (!feed->messages[row]->has_value) row_fails(feed, row, "missing", text);
        return;
    }
}

// Whether a decoder's reason speaks of one field, so that the record around it is sound.
static bool is_field_reason(const struct k_source *source, const char *reason)
{
    if (strcmp(reason, "type") == 0 || strcmp(reason, "range") == 0 || strcmp(reason, "missing") == 0) return true;
    enum k_source_format format = source->config->format;
    return format != K_FORMAT_JSON && format != K_FORMAT_LINE && strcmp(reason, "utf8") == 0;
}

// PASS_NULL: reads a bad message again, field by field; those that are malformed become NULL where they may.
static bool mend(struct feed *feed, uint32_t row, struct k_made *made)
{
    struct k_source *source = feed->source;
    for (uint32_t c = 0; c < source->config->declared.count; c++) {
        if (!source->single[c]) continue;
        struct k_decode_result one;
        k_decode(source->single[c], &feed->messages[row], 1, feed->arena, &one);
        bool bad = one.bad_count > 0;
        if (bad && (!is_field_reason(source, one.bad[0].reason) || source->config->declared.fields[c].not_null))
            return false;
        struct k_value value = bad ? (struct k_value){.null = true} : k_column_value(&one.columns[c], 0);
        if (value.null) {
            k_made_null(&made[c], row);
            continue;
        }
        made[c].valid[row] = 1;
        k_made_value(&made[c], row, &value);
    }
    return true;
}

static void mend_bad_rows(struct feed *feed, const struct k_decode_result *decoded, const uint32_t *rows)
{
    uint32_t columns = feed->source->config->declared.count;
    struct k_made *made = k_arena_zeroed(feed->arena, columns * sizeof *made);
    for (uint32_t c = 0; c < columns; c++) {
        struct k_column *column = &feed->columns[c];
        if (!column->data) continue;
        // The decoder's arrays are borrowed as const; what is mended is written into copies.
        k_made_init(&made[c], column->type, feed->count, feed->arena);
        memcpy(made[c].data, column->data, feed->count * k_type_width(column->type));
        if (column->valid) memcpy(made[c].valid, column->valid, feed->count);
        made[c].has_null = column->valid != NULL;
    }
    for (uint32_t i = 0; i < decoded->bad_count; i++) {
        uint32_t row = rows[decoded->bad[i].row];
        if (mend(feed, row, made)) feed->reason[row] = NULL;
    }
    for (uint32_t c = 0; c < columns; c++)
        if (made[c].data) feed->columns[c] = k_made_column(&made[c]);
}

static void decode(struct feed *feed)
{
    struct k_source *source = feed->source;
    uint32_t columns = source->config->declared.count, with_value = 0;
    const struct k_message **messages = k_arena_array(feed->arena, const struct k_message *, feed->count);
    uint32_t *rows = k_arena_array(feed->arena, uint32_t, feed->count);
    for (uint32_t row = 0; row < feed->count; row++) {
        if (!feed->messages[row]->has_value || feed->reason[row]) continue;
        messages[with_value] = feed->messages[row];
        rows[with_value++] = row;
    }
    bool whole = with_value == feed->count;
    struct k_decode_result decoded;
    k_decode(source->decoder, messages, with_value, feed->arena, &decoded);
    for (uint32_t c = 0; c < columns; c++) {
        bool read = decoded.columns[c].data != NULL;
        feed->columns[c] = whole || !read ? decoded.columns[c] : spread(feed, &decoded.columns[c], rows, with_value);
    }
    for (uint32_t i = 0; i < decoded.bad_count; i++)
        row_fails(feed, rows[decoded.bad[i].row], decoded.bad[i].reason, decoded.bad[i].text);
    if (decoded.bad_count && source->single) mend_bad_rows(feed, &decoded, rows);
    if (!whole && source->plan->edge.is_table) tombstones_remove(feed);
    else if (!whole) tombstones_fail(feed);
}

static void add_system_columns(struct feed *feed)
{
    const struct k_edge *edge = &feed->source->plan->edge;
    uint32_t first = feed->source->config->declared.count;
    for (uint32_t i = 0; i < K_SYSTEM_COUNT; i++) {
        struct k_column *column = &feed->columns[first + i];
        if (edge->read[first + i]) *column = k_system_column(i, feed->messages, feed->count, feed->arena);
        else *column = (struct k_column){.type = edge->schema.fields[first + i].type};
    }
}

// The rows that are good so far become the batch's selection.
static void select_good(struct feed *feed)
{
    uint32_t *selection = k_arena_array(feed->arena, uint32_t, feed->count), selected = 0;
    for (uint32_t row = 0; row < feed->count; row++)
        if (!feed->reason[row]) selection[selected++] = row;
    feed->batch.selection = selection;
    feed->batch.selected = selected;
}

static void judge_time(struct feed *feed, uint32_t row, int64_t time_us, bool by_message)
{
    const struct k_source_plan *plan = feed->source->plan;
    int64_t message_us = feed->messages[row]->timestamp_us;
    if (time_us > TIME_MAX || time_us < -TIME_MAX) {
        row_fails(feed, row, "event_time_range", "the event time lies further from 1970 than can be computed with");
        return;
    }
    // A timestamp of -1 is none, and of one that is out of all range nothing can be said.
    bool comparable = !by_message && message_us != -1 && message_us > -TIME_MAX && message_us < TIME_MAX;
    if (comparable && time_us - message_us > plan->max_ahead_us) {
        row_fails(feed, row, "ahead",
                  k_arena_format(feed->arena,
                                 "the event time lies %" PRId64 " s after the message's timestamp, "
                                 "and max_ahead is %" PRId64 " s",
                                 (time_us - message_us) / 1000000, plan->max_ahead_us / 1000000));
    }
}

static void take_event_times(struct feed *feed)
{
    const struct k_source_config *config = feed->source->config;
    int64_t *time = k_arena_array(feed->arena, int64_t, feed->count);
    for (uint32_t row = 0; row < feed->count; row++) time[row] = feed->messages[row]->timestamp_us;
    feed->batch.time = time;
    if (!config->time) {
        for (uint32_t row = 0; row < feed->count; row++) {
            if (time[row] == -1) row_fails(feed, row, "no_event_time", "the message has no timestamp");
            else judge_time(feed, row, time[row], true);
        }
        return;
    }
    struct k_expr_errors errors = {0};
    // What removes a row of a table has no columns to compute a time from; it happened when its message did.
    bool removals = feed->source->plan->edge.is_table;
    uint32_t *rows = k_arena_array(feed->arena, uint32_t, feed->batch.selected + 1), count = 0;
    for (uint32_t i = 0; i < feed->batch.selected; i++) {
        uint32_t row = feed->batch.selection[i];
        if (!removals || feed->messages[row]->has_value) rows[count++] = row;
        else if (time[row] == -1) row_fails(feed, row, "no_event_time", "the message has no timestamp");
        else judge_time(feed, row, time[row], true);
    }
    struct k_column column = k_expr_eval(config->time, &feed->batch, rows, count, &errors);
    for (uint32_t i = 0; i < errors.count; i++)
        row_fails(feed, errors.items[i].row, errors.items[i].reason, errors.items[i].text);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = rows[i];
        if (k_column_null(&column, row)) {
            row_fails(feed, row, "no_event_time", "the event time is NULL");
            continue;
        }
        time[row] = column.i[row];
        judge_time(feed, row, time[row], false);
    }
}

// partitioned_by is a promise about the source on which the spreading over shards stands: each record is checked.
static int check_partitions(struct feed *feed, uint32_t partitions, struct k_error *err)
{
    const struct k_source_plan *plan = feed->source->plan;
    if (plan->partition_column < 0) return 0;
    const struct k_column *column = &feed->columns[plan->partition_column];
    const char *name = plan->edge.schema.fields[plan->partition_column].name;
    struct k_buf scratch = {0};
    int code = 0;
    for (uint32_t row = 0; row < feed->count && code == 0; row++) {
        if (feed->reason[row]) continue;
        const struct k_message *message = feed->messages[row];
        struct k_value value = k_column_value(column, row);
        if (value.null) {
            row_fails(feed, row, "null_partition_key",
                      k_arena_format(feed->arena, "\"%s\" is NULL, and the source is partitioned by it", name));
            continue;
        }
        struct k_str key = k_key_text(&value, &scratch);
        int32_t expected =
            plan->crc32 ? k_crc32_partition(key, (int32_t)partitions) : k_murmur2_partition(key, (int32_t)partitions);
        if (expected == message->partition) continue;
        code = k_fail(err, K_E_DATA,
                      "topic %s, partition %d, offset %" PRId64 ": with %s \"%.*s\" the record belongs to "
                      "partition %d, for the source says partitioned_by: \"%s\" (%s)",
                      plan->topic, message->partition, message->offset, name, key.length < 60 ? (int)key.length : 60,
                      key.data, expected, name, plan->crc32 ? "CRC32" : "MURMUR2");
    }
    k_buf_fini(&scratch);
    return code;
}

static int tell_failures(struct feed *feed, struct k_error *err)
{
    struct k_host *host = feed->source->host;
    for (uint32_t row = 0; row < feed->count; row++) {
        if (!feed->reason[row]) continue;
        int code = host->ops->fail(host, &feed->batch, row, feed->reason[row], feed->text[row], err);
        if (code) return code;
    }
    return 0;
}

static void move_clock(struct feed *feed, struct k_partition_clock *clock)
{
    int64_t out_of_order_us = feed->source->plan->out_of_order_us;
    int64_t *watermark = k_arena_array(feed->arena, int64_t, feed->count);
    for (uint32_t i = 0; i < feed->batch.selected; i++) {
        uint32_t row = feed->batch.selection[i];
        if (feed->batch.time[row] > clock->max_time_us) clock->max_time_us = feed->batch.time[row];
        int64_t own_us = clock->max_time_us - out_of_order_us; // both are bounded
        if (own_us > clock->watermark_us) clock->watermark_us = own_us;
        watermark[row] = clock->watermark_us;
    }
    feed->batch.watermark = watermark;
}

// Messages become columns, and rows have their event times; what fails has its reason.
static void read_rows(struct feed *feed)
{
    const struct k_edge *edge = &feed->source->plan->edge;
    feed->columns = k_arena_array(feed->arena, struct k_column, edge->schema.count);
    feed->batch = (struct k_batch){.schema = &edge->schema,
                                   .columns = feed->columns,
                                   .rows = feed->count,
                                   .origin = feed->messages,
                                   .source = feed->source->plan->number,
                                   .arena = feed->arena};
    decode(feed);
    add_system_columns(feed);
    select_good(feed);
    take_event_times(feed);
}

static int feed_rows(struct feed *feed, uint32_t partitions, struct k_partition_clock *clock, struct k_error *err)
{
    struct k_host *host = feed->source->host;
    host->counters->in += feed->count;
    read_rows(feed);
    int code = check_partitions(feed, partitions, err);
    if (code) return code;
    select_good(feed);
    move_clock(feed, clock);
    code = tell_failures(feed, err);
    if (code) return code;
    host->counters->processed += feed->batch.selected;
    return feed->batch.selected ? host->ops->emit(host, 0, &feed->batch, err) : 0;
}

// The rows of messages, from where the source stands: *unpacking moves on. Returns how many messages are used up.
static uint32_t take_rows(struct feed *feed, struct k_unpacking *unpacking)
{
    const struct k_source_config *config = feed->source->config;
    uint32_t used = feed->count;
    if (config->packing.kind == K_PACKING_NONE) {
        feed->reason = k_arena_zeroed(feed->arena, feed->count * sizeof *feed->reason);
        feed->text = k_arena_zeroed(feed->arena, feed->count * sizeof *feed->text);
        return used;
    }
    struct k_unpacked unpacked;
    k_source_unpack(&config->packing, unpacking, feed->messages, feed->count, feed->arena, &unpacked, &used);
    feed->messages = unpacked.records;
    feed->count = unpacked.count;
    feed->reason = unpacked.reasons;
    feed->text = unpacked.texts;
    return used;
}

int k_source_feed(struct k_source *source, const struct k_message *const *messages, uint32_t count,
                  uint32_t partitions, struct k_partition_clock *clock, uint32_t *ret_used, struct k_error *err)
{
    K_ASSERT(count <= K_BATCH_ROWS);
    struct feed feed = {.source = source, .arena = source->host->arena, .messages = messages, .count = count};
    uint32_t used = take_rows(&feed, &source->unpacking);
    int code = feed.count ? feed_rows(&feed, partitions, clock, err) : 0;
    if (code) return code;
    *ret_used = used;
    return 0;
}

void k_source_times(struct k_source *source, const struct k_message *const *messages, uint32_t count,
                    int64_t *ret_times)
{
    struct k_unpacking unpacking = {0};
    for (uint32_t i = 0; i < count; i++) ret_times[i] = INT64_MIN;
    for (uint32_t at = 0; at < count;) {
        struct feed feed = {
            .source = source, .arena = source->host->arena, .messages = messages + at, .count = count - at};
        uint32_t used = take_rows(&feed, &unpacking), message = at;
        if (feed.count) read_rows(&feed);
        for (uint32_t row = 0; row < feed.count; row++) {
            while (messages[message]->offset < feed.messages[row]->offset) message++;
            if (!feed.reason[row] && ret_times[message] == INT64_MIN) ret_times[message] = feed.batch.time[row];
        }
        at += used;
    }
}
