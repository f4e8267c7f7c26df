// kappa explain: which records made a row of a table, and what each changed.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/units.h"
#include "base/utf8.h"
#include "cli/explained.h"
#include "cli/kafka.h"
#include "cli/table.h"
#include "replay/explain.h"

enum { FILE_, SET, STATE_DIR, GRAPH, GENERATION, SHARDS, AT, LIMIT, MEMORY, OUTPUT, KAFKA_OPTIONS };
static const struct k_option options[] = {
    [FILE_] = {.name = "file", .argument = "FILE", .help = "the graph; default: the one that the state itself holds"},
    [SET] = OPTION_SET,
    [STATE_DIR] = OPTION_STATE_DIR,
    [GRAPH] = OPTION_GRAPH,
    [GENERATION] = OPTION_GENERATION,
    [SHARDS] = OPTION_SHARDS,
    [AT] = {.name = "at",
            .argument = "POSITION",
            .help = "the row as it was there: an offset of the journal, SHARD:OFFSET as answers name it, or a time; "
                    "default: where the state stands, with --file the journal's end"},
    [LIMIT] = {.name = "limit", .argument = "N", .help = "show the last N of what happened", .text = "100"},
    [MEMORY] = {.name = "memory", .argument = "SIZE", .help = "budget of the notes on what each record did",
                .text = "512MiB"},
    [OUTPUT] = OPTION_OUTPUT_TEXT,
    KAFKA_OPTION_TABLE(KAFKA_OPTIONS),
};
enum { FETCH_TRIES = 30, FETCH_US = 100000 };

struct asking {
    struct call *call;
    struct explained of;
    struct k_log *log;
    bool json;
    uint64_t limit, memory_bytes;
    bool terminal;
};

static volatile sig_atomic_t interrupted;
static void interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

// --at: OFFSET, SHARD:OFFSET, or a time.
static int read_at(struct asking *a, struct k_error *err)
{
    const char *text = k_options_text(&a->call->options, AT);
    if (!text) return 0;
    char *end;
    int64_t time_us, first = strtoll(text, &end, 10), offset = first;
    uint32_t shards = a->of.loaded.plan->shards;
    if (end != text && *end == ':' && end[1] >= '0' && end[1] <= '9') offset = strtoll(end + 1, &end, 10);
    else first = shards == 1 ? 0 : -1;
    if (end != text && !*end && offset >= 0) {
        if (first < 0 || first >= shards)
            return k_options_refuse(&a->call->options, AT, "SHARD:OFFSET with one of the pipeline's shards", err);
        a->of.at[first] = offset;
        return 0;
    }
    if (!k_time_parse(k_str_of(text), &time_us))
        return k_options_refuse(&a->call->options, AT, "an offset, SHARD:OFFSET, or a time", err);
    int code = 0;
    for (uint32_t i = 0; !code && i < shards; i++) {
        char *journal = k_format("%s.journal.%u", a->of.loaded.plan->name, i);
        code = k_log_kafka_offset_at(a->log, journal, 0, time_us, &a->of.at[i], err);
        free(journal);
    }
    return code;
}

// --- the records themselves

// Reads one record again and hands it to print; *ret_found false: it is not to be had any more.
static bool fetch_record(struct asking *a, const struct k_explain_event *event, struct k_reader **ret_reader,
                         const struct k_message **ret)
{
    struct k_error ignored = {0};
    const char *topic = a->of.loaded.plan->sources[event->source].topic;
    *ret_reader = NULL;
    if (a->log->ops->reader_open(a->log, topic, event->partition, event->offset, ret_reader, &ignored)) return false;
    for (int i = 0; i < FETCH_TRIES; i++) {
        const struct k_message *const *messages;
        uint32_t count;
        if (a->log->ops->fetch(*ret_reader, 1, 1u << 20, FETCH_US, &messages, &count, &ignored)) return false;
        if (!count) continue;
        *ret = messages[0];
        return messages[0]->offset == event->offset;
    }
    return false;
}

static void add_bytes(struct k_buf *out, const char *name, bool has, struct k_str bytes)
{
    bool text = !has || k_utf8_valid(bytes.data, bytes.length);
    k_buf_printf(out, ",\"%s%s\":", name, text ? "" : "_base64");
    if (!has) k_buf_add_text(out, "null");
    else if (text) k_json_string(out, bytes);
    else k_json_base64(out, bytes);
}

static void add_row(struct k_buf *out, const struct k_explanation *r, struct k_str row)
{
    struct k_value *values = k_new_array(struct k_value, r->schema.count + 1);
    struct k_error ignored = {0};
    int64_t base;
    if (!row.data || k_table_row_decode(row, r->schema.count, &base, values, &ignored)) k_buf_add_text(out, "null");
    else table_json_row(out, &r->schema, values);
    free(values);
}

static void json_event(struct asking *a, const struct k_explanation *r, const struct k_explain_event *event,
                       struct k_buf *out)
{
    struct k_reader *reader = NULL;
    const struct k_message *message = NULL;
    int64_t time_us = event->time_us;
    if (event->source < 0) {
        k_buf_printf(out, "{\"kind\":\"work\",\"journal_offset\":%lld", (long long)event->offset);
    } else {
        k_buf_add_text(out, "{\"kind\":\"record\",\"source\":");
        k_json_string(out, k_str_of(a->of.loaded.plan->sources[event->source].name));
        k_buf_add_text(out, ",\"topic\":");
        k_json_string(out, k_str_of(a->of.loaded.plan->sources[event->source].topic));
        k_buf_printf(out, ",\"partition\":%d,\"offset\":%lld", event->partition, (long long)event->offset);
        if (!fetch_record(a, event, &reader, &message)) message = NULL;
        if (message) time_us = message->timestamp_us;
        k_buf_printf(out, ",\"found\":%s", message ? "true" : "false");
        if (message) {
            add_bytes(out, "key", message->has_key, message->key);
            add_bytes(out, "value", message->has_value, message->value);
        }
    }
    k_buf_add_text(out, ",\"time\":");
    if (time_us < 0) k_buf_add_text(out, "null");
    else k_json_time(out, time_us);
    k_buf_printf(out, ",\"contributes\":%s,\"wrote\":[", event->contributes ? "true" : "false");
    for (uint32_t i = 0; i < event->family_count; i++) {
        if (i) k_buf_add_char(out, ',');
        k_json_string(out, k_str_of(event->families[i]));
    }
    k_buf_add_char(out, ']');
    if (event->changed) {
        k_buf_add_text(out, ",\"before\":");
        add_row(out, r, event->before);
        k_buf_add_text(out, ",\"after\":");
        add_row(out, r, event->after);
    }
    k_buf_add_char(out, '}');
    if (reader) a->log->ops->reader_close(reader);
}

static void say_event(struct asking *a, const struct k_explanation *r, const struct k_explain_event *event)
{
    struct k_reader *reader = NULL;
    const struct k_message *message = NULL;
    struct k_buf out = {0};
    int64_t time_us = event->time_us;
    bool found = event->source >= 0 && fetch_record(a, event, &reader, &message);
    if (found) time_us = message->timestamp_us;
    char time[K_TIME_TEXT];
    if (time_us >= 0) k_buf_add(&out, time, k_time_print(time, time_us));
    else k_buf_add_text(&out, "(no time)");
    if (event->source < 0) k_buf_printf(&out, "  journal@%lld  frontier work", (long long)event->offset);
    else
        k_buf_printf(&out, "  %s/%d@%lld  ", a->of.loaded.plan->sources[event->source].topic, event->partition,
                     (long long)event->offset);
    if (event->source >= 0 && !found) k_buf_add_text(&out, "(no longer in the log)");
    if (found && !message->has_value) k_buf_add_text(&out, "(a tombstone)");
    if (found && message->has_value && k_utf8_valid(message->value.data, message->value.length))
        k_buf_add(&out, message->value.data, message->value.length);
    else if (found && message->has_value) k_json_base64(&out, message->value);
    printf("%s%s\n", event->contributes ? "* " : "  ", out.data);
    k_buf_clear(&out);
    for (uint32_t i = 0; i < event->family_count; i++)
        k_buf_printf(&out, "%s%s", i ? ", " : "      wrote ", event->families[i]);
    if (event->family_count && !event->changed) puts(out.data);
    k_buf_clear(&out);
    if (event->changed) {
        k_buf_add_text(&out, "    - ");
        add_row(&out, r, event->before);
        k_buf_add_text(&out, "\n    + ");
        add_row(&out, r, event->after);
        puts(out.data);
    }
    k_buf_fini(&out);
    if (reader) a->log->ops->reader_close(reader);
}

// --- the answer

static void print(struct asking *a, uint32_t shard, const struct k_explanation *r)
{
    struct k_buf out = {0};
    uint64_t first = r->event_count > a->limit ? r->event_count - a->limit : 0, records = 0;
    for (uint64_t i = 0; i < r->event_count; i++) records += r->events[i].contributes && r->events[i].source >= 0;
    if (!a->json) {
        for (uint64_t i = first; i < r->event_count; i++) say_event(a, r, &r->events[i]);
        if (first) fprintf(stderr, "%llu before these are not shown; --limit shows more\n", (unsigned long long)first);
        add_row(&out, r, r->row);
        printf("%s\n", r->row.data ? out.data : "there is no such row now");
        fprintf(stderr,
                "shard %u up to journal offset %lld: %llu of %llu records made it (marked *); the others only changed "
                "what was there before\n",
                shard, (long long)r->journal_end, (unsigned long long)records, (unsigned long long)r->records);
    } else {
        k_buf_add_text(&out, "{\"kind\":\"explanation\",\"table\":");
        k_json_string(&out, k_str_of(a->call->options.operands[0]));
        k_buf_add_text(&out, ",\"key\":");
        for (uint32_t i = 0; i < r->key_count; i++) {
            k_buf_add_char(&out, i ? ',' : '{');
            k_json_string(&out, k_str_of(r->schema.fields[r->key[i]].name));
            k_buf_add_char(&out, ':');
            k_value_json(&out, &r->key_values[i]);
        }
        k_buf_printf(&out, "},\"shard\":%u,\"journal_offset\":%lld,\"records_followed\":%llu,\"records\":%llu", shard,
                     (long long)r->journal_end, (unsigned long long)r->records, (unsigned long long)records);
        k_buf_printf(&out, ",\"events_in_all\":%llu,\"row\":", (unsigned long long)r->event_count);
        add_row(&out, r, r->row);
        k_buf_add_text(&out, ",\"events\":[");
        for (uint64_t i = first; i < r->event_count; i++) {
            if (i > first) k_buf_add_char(&out, ',');
            k_buf_add_char(&out, '\n');
            json_event(a, r, &r->events[i], &out);
        }
        k_buf_add_text(&out, "\n]}");
        puts(out.data);
    }
    k_buf_fini(&out);
}

static bool look(void *context, uint64_t records)
{
    struct asking *a = context;
    if (a->terminal) fprintf(stderr, "\r%llu records followed", (unsigned long long)records);
    return interrupted;
}

// The shards one after the other, until one knows the row.
static int explain(struct asking *a)
{
    const struct k_options *o = &a->call->options;
    struct k_error err = {0};
    bool found = false;
    int code = 0;
    for (uint32_t i = 0; !code && !found && i < a->of.loaded.plan->shards; i++) {
        const struct k_explain_options asked = {.log = a->log,
                                                .plan = a->of.loaded.plan,
                                                .shard = i,
                                                .table = o->operands[0],
                                                .key = o->operands + 1,
                                                .key_count = o->operand_count - 1,
                                                .starts = a->of.starts.items,
                                                .start_count = a->of.starts.count,
                                                .journal_from = explained_from(&a->of, i),
                                                .history = a->of.history,
                                                .history_count = a->of.history_count,
                                                .journal_end = a->of.at[i],
                                                .memory_bytes = a->memory_bytes,
                                                .stop = look,
                                                .context = a};
        struct k_explanation explanation;
        code = k_explain(&asked, &explanation, &err);
        if (a->terminal) fputs("\r\033[K", stderr);
        if (code) break;
        found = explanation.event_count > 0;
        if (found) print(a, i, &explanation);
        k_explanation_fini(&explanation);
    }
    fflush(stdout);
    if (code) return code == K_E_USAGE ? command_misused(a->call, &err) : command_failed(a->call, code, &err);
    if (!found) fprintf(stderr, "kappa explain: not found: no record has ever made this row\n");
    return found ? 0 : 1;
}

static int ask(struct asking *a)
{
    const struct k_options *o = &a->call->options;
    const char *file = k_options_text(o, FILE_);
    struct k_error err = {0};
    int64_t limit = 100, shards = 1;
    int code = output_is_json(a->call, OUTPUT, &a->json, &err);
    if (!code) code = k_options_integer(o, LIMIT, 1, INT64_MAX, &limit, &err);
    if (!code) code = k_options_size(o, MEMORY, &a->memory_bytes, &err);
    if (!code) code = k_options_integer(o, SHARDS, 1, EXPLAINED_SHARDS_MAX, &shards, &err);
    if (!code && !file && o->values[SHARDS].origin == K_OPTION_FLAG)
        code = k_fail(&err, K_E_USAGE, "--shards goes with --file; a state knows how many it has");
    if (code) return command_misused(a->call, &err);
    a->limit = (uint64_t)limit;
    if (file) {
        int status = load_plan(a->call, file, SET, (uint32_t)shards, &a->of.loaded);
        if (status) return status;
    } else {
        const struct k_reader_options state = {.state_dir = k_options_text(o, STATE_DIR),
                                               .graph = k_options_text(o, GRAPH),
                                               .generation = k_options_text(o, GENERATION),
                                               .one_view = true};
        code = explained_by_state(&a->of, &state, &err);
    }
    if (!code) code = kafka_open(a->call, KAFKA_OPTIONS, &a->log, &err);
    if (!code) code = explained_read_note(&a->of, a->log, &err);
    if (!code) code = read_at(a, &err);
    if (code) return code == K_E_USAGE ? command_misused(a->call, &err) : command_failed(a->call, code, &err);
    return explain(a);
}

static int run(struct call *call)
{
    struct asking a = {.call = call, .memory_bytes = 512u << 20, .terminal = isatty(STDERR_FILENO)};
    explained_init(&a.of);
    signal(SIGINT, interrupt);
    signal(SIGTERM, interrupt);
    int status = ask(&a);
    if (a.log) a.log->ops->close(a.log);
    explained_fini(&a.of);
    return status;
}

const struct command command_explain = {
    .name = "explain",
    .operands = "TABLE KEY…",
    .doc = "show which records made a row of a table, and what each changed",
    .more = "Follows the pipeline's journal from its start, beside it and without touching it, one record at a time. "
            "Exit status 1:\n"
            "no record has ever made the row.",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .operands_min = 2,
    .operands_max = 64,
    .run = run};
