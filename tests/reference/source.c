// Sources: records become rows with an event time and a watermark.
#include "base/hash.h"
#include "base/json_out.h"
#include "base/units.h"
#include "tests/reference/join.h"
#include "tests/reference/source.h"

// Instants further from 1970 leave no room for windows and graces.
#define TIME_MAX (INT64_C(1) << 61)

enum { SYSTEM_KEY, SYSTEM_TIMESTAMP, SYSTEM_PARTITION, SYSTEM_OFFSET, SYSTEM_HEADERS, SYSTEM_TOMBSTONE, SYSTEM_INDEX,
       SYSTEM_COUNT };

static const struct column system_columns[SYSTEM_COUNT] = {
    {"_key", TYPE_BYTES, false, true, NULL},
    {"_timestamp", TYPE_TIMESTAMP, false, true, NULL},
    {"_partition", TYPE_INT64, true, true, NULL},
    {"_offset", TYPE_INT64, true, true, NULL},
    {"_headers", TYPE_JSON, true, true, NULL},
    {"_tombstone", TYPE_BOOL, true, true, NULL},
    {"_index", TYPE_INT64, true, true, NULL},
};

// --- building -----------------------------------------------------------------------------------------------------

// The next word of a field's text, or its quoted name; NULL at the end.
static char *next_word(struct k_arena *arena, const char **at)
{
    while (**at == ' ' || **at == '\t') ++*at;
    if (!**at) return NULL;
    char *word = k_arena_get(arena, strlen(*at) + 1), *to = word;
    if (**at == '"') {
        for (++*at; **at && (**at != '"' || (*at)[1] == '"'); ++*at) {
            if (**at == '"') ++*at;
            *to++ = **at;
        }
        if (**at) ++*at;
    } else {
        while (**at && **at != ' ' && **at != '\t') *to++ = *(*at)++;
    }
    *to = '\0';
    return word;
}

// "price int64 not null at $.bid.price"
int read_field(struct k_arena *arena, const char *text, struct column *ret, struct k_error *err)
{
    const char *at = text, *type, *word;
    ret->name = next_word(arena, &at);
    type = next_word(arena, &at);
    if (!type || !type_of_name(k_str_of(type), &ret->type)) return k_fail(err, K_E_CONFIG, "field \"%s\"", text);
    word = next_word(arena, &at);
    if (word && strcmp(word, "not") == 0) {
        word = next_word(arena, &at);
        if (!word || strcmp(word, "null") != 0) return k_fail(err, K_E_CONFIG, "field \"%s\"", text);
        ret->not_null = true;
        word = next_word(arena, &at);
    }
    if (!word) return 0;
    if (strcmp(word, "at") != 0) return k_fail(err, K_E_CONFIG, "field \"%s\"", text);
    while (*at == ' ') at++;
    size_t length = strlen(at);
    while (length && at[length - 1] == ' ') length--;
    ret->path = k_arena_copy(arena, at, length);
    return 0;
}

static int read_time(struct reference *r, struct node *node, const Kappa__V1__Source__Time *time, struct k_error *err)
{
    struct source *source = node->source;
    source->idle = -1;
    source->max_ahead = INT64_C(3600) * 1000000;
    if (!time) return 0;
    int code = need_duration(time->out_of_order, &source->out_of_order, err);
    if (!code) code = need_duration(time->idle, &source->idle, err);
    if (!code) code = need_duration(time->max_ahead, &source->max_ahead, err);
    if (code || !time->expr) return code;
    const struct output *output = &node->outputs[0];
    struct scope scope = {output->columns, output->count, output->read};
    const char *name;
    code = expr_compile(&r->arena, time->expr, &scope, &source->time, &name, err);
    if (!code && source->time->type != TYPE_TIMESTAMP) return k_fail(err, K_E_CONFIG, "time is no timestamp");
    return code;
}

static void set_partitions(struct reference *r, struct source *source, int32_t count)
{
    struct partition *partitions = k_arena_zeroed(&r->arena, ((size_t)count + 1) * sizeof *partitions);
    if (source->partition_count)
        memcpy(partitions, source->partitions, (size_t)source->partition_count * sizeof *partitions);
    for (int32_t p = source->partition_count; p < count; p++)
        partitions[p] = (struct partition){.time_max = NO_TIME, .watermark = NO_TIME, .last_clock = NO_TIME};
    source->partitions = partitions;
    source->partition_count = count;
}

int build_source(struct reference *r, struct node *node, const Kappa__V1__Source *message, int32_t partitions,
                 struct k_error *err)
{
    struct source *source = node->source = k_arena_zeroed(&r->arena, sizeof *source);
    const Kappa__V1__Schema *schema = NULL;
    source->message = message;
    if (!message->kafka || !message->kafka->topic || !message->format)
        return k_fail(err, K_E_CONFIG, "it has no topic or format");
    source->topic = message->kafka->topic;
    for (size_t i = 0; i < r->graph->n_schema; i++)
        if (message->schema && strcmp(r->graph->schema[i]->name, message->schema) == 0) schema = r->graph->schema[i];
    if (!schema) return k_fail(err, K_E_CONFIG, "it has no schema");
    uint32_t declared = source->declared = (uint32_t)schema->n_field;
    struct column *columns = k_arena_zeroed(&r->arena, (declared + SYSTEM_COUNT) * sizeof *columns);
    for (uint32_t i = 0; i < declared; i++) {
        int code = read_field(&r->arena, schema->field[i], &columns[i], err);
        if (code) return code;
    }
    memcpy(columns + declared, system_columns, sizeof system_columns);
    make_output(r, node, 0, node->name, columns, declared + SYSTEM_COUNT);
    source->partitioned_by = -1;
    if (message->kafka->partitioned_by) {
        source->partitioned_by = find_column(&node->outputs[0], message->kafka->partitioned_by);
        if (source->partitioned_by < 0) return k_fail(err, K_E_CONFIG, "partitioned_by names no column");
        node->outputs[0].read[source->partitioned_by] = true; // each record is checked
    }
    source->key = message->key ? find_column(&node->outputs[0], message->key) : -1;
    if (message->key && source->key < 0) return k_fail(err, K_E_CONFIG, "key names no column");
    if (message->key) node->outputs[0].read[source->key] = true;
    source->grows = partitions < 1;
    set_partitions(r, source, partitions < 1 ? 1 : partitions);
    return read_time(r, node, message->time, err);
}

// What is inside packed { } as a format of its own.
static const Kappa__V1__Source__Format *format_of(struct reference *r, const Kappa__V1__Source__Format *format)
{
    if (format->kind_case != KAPPA__V1__SOURCE__FORMAT__KIND_PACKED) return format;
    const Kappa__V1__Source__Format__Packed *packed = format->packed;
    Kappa__V1__Source__Format *inner = k_arena_get(&r->arena, sizeof *inner);
    kappa__v1__source__format__init(inner);
    switch (packed->kind_case) {
    case KAPPA__V1__SOURCE__FORMAT__PACKED__KIND_JSON:
        inner->kind_case = KAPPA__V1__SOURCE__FORMAT__KIND_JSON;
        inner->json = packed->json;
        break;
    case KAPPA__V1__SOURCE__FORMAT__PACKED__KIND_LINE:
        inner->kind_case = KAPPA__V1__SOURCE__FORMAT__KIND_LINE;
        inner->line = packed->line;
        break;
    case KAPPA__V1__SOURCE__FORMAT__PACKED__KIND_RAW:
        inner->kind_case = KAPPA__V1__SOURCE__FORMAT__KIND_RAW;
        inner->raw = packed->raw;
        break;
    case KAPPA__V1__SOURCE__FORMAT__PACKED__KIND_CSV:
        inner->kind_case = KAPPA__V1__SOURCE__FORMAT__KIND_CSV;
        inner->csv = packed->csv;
        break;
    case KAPPA__V1__SOURCE__FORMAT__PACKED__KIND_PROTOBUF:
        inner->kind_case = KAPPA__V1__SOURCE__FORMAT__KIND_PROTOBUF;
        inner->protobuf = packed->protobuf;
        break;
    default: break; // unknown, as decoder_create will say
    }
    return inner;
}

int open_source(struct reference *r, struct node *node, struct k_error *err)
{
    const struct output *output = &node->outputs[0];
    struct decoder_options options = {.format = format_of(r, node->source->message->format), .columns = output->columns,
                                      .count = node->source->declared, .read = output->read};
    options.validate_full = node->source->message->validate == KAPPA__V1__SOURCE__VALIDATE__FULL;
    if (options.validate_full) {
        bool *all = k_arena_array(&r->arena, bool, options.count);
        memset(all, true, options.count);
        options.read = all;
    }
    return decoder_create(&r->arena, &options, &node->source->decoder, err);
}

// --- records ------------------------------------------------------------------------------------------------------

// [{"name":…,"value":…}, …]; a value that is no text as "base64".
static struct k_str headers_json(struct reference *r, const struct reference_record *record)
{
    k_buf_clear(&r->text);
    k_buf_add_char(&r->text, '[');
    for (uint32_t i = 0; i < record->header_count; i++) {
        const struct reference_header *header = &record->headers[i];
        k_buf_add_text(&r->text, i ? ",{\"name\":" : "{\"name\":");
        k_json_string(&r->text, header->name);
        bool text = header->null || utf8_valid(header->value);
        k_buf_add_text(&r->text, text ? ",\"value\":" : ",\"base64\":");
        if (header->null) k_buf_add_text(&r->text, "null");
        else if (text) k_json_string(&r->text, header->value);
        else k_json_base64(&r->text, header->value);
        k_buf_add_char(&r->text, '}');
    }
    k_buf_add_char(&r->text, ']');
    return (struct k_str){k_arena_copy(&r->scratch, r->text.data, r->text.length), (uint32_t)r->text.length};
}

static void system_values(struct reference *r, const struct reference_record *record, uint32_t index,
                          struct value *values)
{
    values[SYSTEM_KEY] = (struct value){.type = TYPE_BYTES, .null = !record->has_key, .s = record->key};
    values[SYSTEM_TIMESTAMP] = value_time(record->timestamp_us);
    values[SYSTEM_TIMESTAMP].null = record->timestamp_us == -1;
    values[SYSTEM_PARTITION] = value_int(record->partition);
    values[SYSTEM_OFFSET] = value_int(record->offset);
    values[SYSTEM_HEADERS] = (struct value){.type = TYPE_JSON, .s = headers_json(r, record)};
    values[SYSTEM_TOMBSTONE] = value_bool(!record->has_value);
    values[SYSTEM_INDEX] = value_int(index);
}

// A message without a value has NULL in every column; where one that is read may not be NULL it is malformed. Not so in
// a table, where it removes the row that its key names.
static const char *tombstone(const struct node *node, const struct reference_record *record, struct value *values)
{
    const struct output *output = &node->outputs[0];
    const char *reason = NULL;
    bool full = node->source->message->validate == KAPPA__V1__SOURCE__VALIDATE__FULL;
    for (uint32_t i = 0; i < node->source->declared; i++) {
        values[i] = value_null(output->columns[i].type);
        if (output->columns[i].not_null && (output->read[i] || full)) reason = "missing";
    }
    int32_t key = node->source->key;
    if (key < 0) return reason;
    struct value value = {.type = output->columns[key].type, .s = record->key};
    bool as_it_is = value.type == TYPE_STRING || value.type == TYPE_BYTES, good = record->has_key;
    if (good && value.type == TYPE_STRING) good = utf8_valid(record->key);
    if (good && !as_it_is) good = value_from_text(record->key, value.type, &value);
    if (good) values[key] = value;
    return good ? NULL : "tombstone_key";
}

static const char *event_time(struct reference *r, const struct node *node, const struct reference_record *record,
                              const struct value *values, int64_t *ret_us)
{
    const struct source *source = node->source;
    *ret_us = record->timestamp_us;
    bool computed = source->time && (source->key < 0 || record->has_value); // a removal has nothing to compute it from
    if (!computed && record->timestamp_us == -1) return "no_event_time";
    if (computed) {
        const char *reason = NULL;
        struct value time = expr_eval(source->time, values, &r->scratch, &reason);
        if (reason) return reason;
        if (time.null) return "no_event_time";
        *ret_us = time.i;
    }
    if (*ret_us > TIME_MAX || *ret_us < -TIME_MAX) return "event_time_range";
    bool comparable = computed && record->timestamp_us != -1 && record->timestamp_us > -TIME_MAX &&
                      record->timestamp_us < TIME_MAX;
    return comparable && *ret_us - record->timestamp_us > source->max_ahead ? "ahead" : NULL;
}

static uint32_t crc32_of(struct k_str data)
{
    uint32_t crc = 0xFFFFFFFF;
    for (uint32_t i = 0; i < data.length; i++) {
        crc ^= (unsigned char)data.data[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320 : 0);
    }
    return ~crc;
}

// Whether the record lies where its producers put its key. *reason: it has none.
static bool is_at_home(struct reference *r, const struct source *source, const struct reference_record *record,
                       const struct value *values, const char **reason)
{
    if (source->partitioned_by < 0) return true;
    const struct value *key = &values[source->partitioned_by];
    if (key->null) {
        *reason = "null_partition_key";
        return true;
    }
    if (source->grows) return true; // then nobody said how many partitions there are
    struct k_str text = key->s;
    k_buf_clear(&r->text);
    if (key->type != TYPE_STRING && key->type != TYPE_BYTES && key->type != TYPE_JSON) {
        value_json(&r->text, key);
        text = k_buf_str(&r->text);
        if (text.data[0] == '"') text = (struct k_str){text.data + 1, text.length - 2};
    }
    int32_t count = source->partition_count;
    bool crc32 = source->message->kafka->partitioner == KAPPA__V1__SOURCE__KAFKA__PARTITIONER__CRC32;
    int32_t home = crc32 ? (int32_t)(crc32_of(text) % (uint32_t)count) : k_murmur2_partition(text, count);
    return home == record->partition;
}

static int64_t watermark_after(struct source *source, struct partition *partition, int64_t time)
{
    if (time > partition->time_max) partition->time_max = time;
    // Idleness may have moved it further; it never goes back.
    int64_t own = partition->time_max - source->out_of_order;
    if (own > partition->watermark) partition->watermark = own;
    return partition->watermark;
}

const char *source_read(struct reference *r, const struct node *node, const struct reference_record *record,
                        uint32_t index, const char *unframed, struct value *values, int64_t *ret_time)
{
    const struct source *source = node->source;
    bool lenient = node->on_error == KAPPA__V1__POLICY__ON_ERROR__PASS_NULL;
    const char *reason = !record->has_value ? tombstone(node, record, values)
                         : unframed         ? unframed
                                    : decode(source->decoder, record->value, lenient, &r->scratch, values);
    for (uint32_t i = 0; unframed && i < source->declared; i++)
        values[i] = value_null(node->outputs[0].columns[i].type);
    system_values(r, record, index, values + source->declared);
    return reason ? reason : event_time(r, node, record, values, ret_time);
}

static int take_one(struct reference *r, struct node *node, const struct reference_record *record, uint32_t index,
                    const char *unframed, struct k_error *err)
{
    struct source *source = node->source;
    const struct output *output = &node->outputs[0];
    if (source->grows && record->partition >= source->partition_count) set_partitions(r, source, record->partition + 1);
    K_ASSERT(record->partition >= 0 && record->partition < source->partition_count);
    struct partition *partition = &source->partitions[record->partition];
    struct value *values = k_arena_array(&r->scratch, struct value, output->count);
    struct row row = {.values = values, .weight = 1, .window_start = NO_TIME, .window_end = NO_TIME, .origin = record,
                      .source = source, .index = index};
    const char *reason = source_read(r, node, record, index, unframed, values, &row.time);
    partition->touched = true;
    node->counters.in++;
    if (!reason && !is_at_home(r, source, record, values, &reason))
        return k_fail(err, K_E_DATA, "topic %s, partition %d, offset %lld: the record belongs elsewhere", source->topic,
                      record->partition, (long long)record->offset);
    if (reason) return fail(r, node, &row, output, reason, err);
    row.watermark = watermark_after(source, partition, row.time);
    node->counters.processed++;
    return emit(r, &node->outputs[0], &row, err);
}

int source_take(struct reference *r, struct node *node, const struct reference_record *record, struct k_error *err)
{
    const Kappa__V1__Source__Format *format = node->source->message->format;
    if (format->kind_case != KAPPA__V1__SOURCE__FORMAT__KIND_PACKED || !record->has_value)
        return take_one(r, node, record, 0, NULL, err);
    if (node->source->grows && record->partition >= node->source->partition_count)
        set_partitions(r, node->source, record->partition + 1);
    node->source->partitions[record->partition].touched = true; // though there may be no record in it
    bool lengths = format->packed->kind_case == KAPPA__V1__SOURCE__FORMAT__PACKED__KIND_PROTOBUF;
    int code = 0;
    for (uint32_t at = 0, index = 0; !code; index++) {
        struct k_str value;
        const char *why = NULL;
        if (lengths ? !cut_lengths(record->value, &at, &value, &why)
                    : !cut_record(format->packed, record->value, &at, &value))
            break;
        struct reference_record *one = k_arena_get(&r->arena, sizeof *one); // rows may be held back
        *one = *record;
        one->value = value;
        code = take_one(r, node, one, index, why, err);
        if (!code) code = settle_record(r, err);
    }
    return code;
}

// --- the frontier -------------------------------------------------------------------------------------------------

static int64_t minus(int64_t a, int64_t b)
{
    int64_t result;
    return __builtin_sub_overflow(a, b, &result) ? NO_TIME : result;
}

// How long the partition has had nothing, if that is long enough; else -1.
static int64_t idle_for(const struct source *source, const struct partition *partition, int64_t clock)
{
    if (source->idle < 0 || partition->touched || partition->last_clock == NO_TIME) return -1;
    int64_t rest = clock - partition->last_clock;
    return rest >= source->idle ? rest : -1;
}

static bool is_at_end(const struct node *node, int32_t partition, const struct reference_partition *at_end,
                      uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (at_end[i].partition == partition && strcmp(at_end[i].source, node->name) == 0) return true;
    return false;
}

// Calls the body for each partition that takes part, with node, source, number and partition in scope.
#define EACH_PARTITION(r, BODY)                                                                 \
    for (uint32_t n_ = 0; n_ < (r)->node_count && (r)->nodes[n_]->kind == NODE_SOURCE; n_++) {  \
        struct node *node = (r)->nodes[n_];                                                     \
        struct source *source = node->source;                                                   \
        for (int32_t number = 0; number < source->partition_count; number++) {                  \
            struct partition *partition = &source->partitions[number];                          \
            (void)source;                                                                       \
            if (!partition->disowned) BODY                                                      \
        }                                                                                       \
    }

static void move_frontier(struct reference *r)
{
    int64_t least = INT64_MAX;
    EACH_PARTITION(r, {
        if (partition->watermark < least) least = partition->watermark;
    })
    if (least != INT64_MAX && least > r->frontier) r->frontier = least;
}

void reference_boundary(struct reference *r, int64_t clock, const struct reference_partition *at_end, uint32_t count)
{
    EACH_PARTITION(r, {
        bool begins = partition->last_clock == NO_TIME && (!partition->joins || is_at_end(node, number, at_end, count));
        if (partition->touched || begins) partition->last_clock = clock;
    })
    int64_t others = INT64_MAX; // the least watermark of partitions that have one of their own
    EACH_PARTITION(r, {
        int64_t rest = idle_for(source, partition, clock);
        if (partition->time_max == NO_TIME) continue;
        int64_t moved = rest < 0 ? NO_TIME : minus(partition->time_max, source->out_of_order - rest);
        if (moved > partition->watermark && is_at_end(node, number, at_end, count)) partition->watermark = moved;
        if (partition->watermark < others) others = partition->watermark;
    })
    // An idle partition that never had a record has no event time: it goes along with the others.
    EACH_PARTITION(r, {
        bool idle = partition->time_max == NO_TIME && idle_for(source, partition, clock) >= 0;
        if (!idle || others == INT64_MAX || !is_at_end(node, number, at_end, count)) continue;
        if (others > partition->watermark) partition->watermark = others;
    })
    EACH_PARTITION(r, { partition->touched = false; })
    move_frontier(r);
}

// Between boundaries the frontier moves with the records.
int64_t reference_frontier(const struct reference *r)
{
    return r->final ? INT64_MAX : r->frontier;
}

int reference_settle(struct reference *r, struct k_error *err)
{
    if (!r->final) move_frontier(r);
    for (uint32_t n = 0; n < r->node_count; n++) {
        struct node *node = r->nodes[n];
        int64_t frontier = reference_frontier(r), delay = 0;
        for (uint32_t i = 0; i < node->input_count; i++)
            if (node->inputs[i]->delay > delay) delay = node->inputs[i]->delay;
        if (frontier != INT64_MAX && frontier != NO_TIME) frontier = minus(frontier, delay);
        int code = 0;
        if (node->kind == NODE_AGGREGATE) code = aggregate_close(r, node, frontier, err);
        if (node->kind == NODE_JOIN) code = join_close(r, node, frontier, err);
        if (code) return code;
    }
    for (uint32_t n = 0; n < r->node_count; n++)
        if (r->nodes[n]->kind == NODE_SINK) sink_settle(r, r->nodes[n]);
    return 0;
}

void reference_join(struct reference *r, const char *name, int32_t number)
{
    for (uint32_t n = 0; n < r->node_count && r->nodes[n]->kind == NODE_SOURCE; n++) {
        struct source *source = r->nodes[n]->source;
        if (strcmp(r->nodes[n]->name, name) != 0) continue;
        K_ASSERT(number >= 0 && number < source->partition_count);
        source->partitions[number].joins = true;
        source->partitions[number].touched = false;
        source->partitions[number].last_clock = NO_TIME;
    }
}

void reference_disown(struct reference *r, struct reference_partition which)
{
    for (uint32_t n = 0; n < r->node_count && r->nodes[n]->kind == NODE_SOURCE; n++) {
        struct source *source = r->nodes[n]->source;
        if (strcmp(r->nodes[n]->name, which.source) != 0) continue;
        K_ASSERT(which.partition >= 0 && which.partition < source->partition_count);
        source->partitions[which.partition].disowned = true;
    }
}
