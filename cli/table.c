// Opening a state for reading, and saying where an answer comes from.
#include "cli/table.h"

#include "proto/internal.pb-c.h"
#include "base/units.h"

#include <stdlib.h>
#include <time.h>

enum { PAUSE_MS = 20 };

// --- waiting for a position

// One thing that is waited for: a shard's journal offset, or (source) the position of a source's partition.
struct wanted {
    char *source; // NULL: a shard
    uint32_t number;
    int64_t offset;
};
struct wish {
    struct wanted *items;
    uint32_t count;
};

static bool read_number(const char **text, int64_t *ret)
{
    if (**text < '0' || **text > '9') return false;
    char *end;
    *ret = strtoll(*text, &end, 10);
    *text = end;
    return true;
}

// SHARD:OFFSET, SOURCE/PARTITION:OFFSET, or OFFSET alone for the only shard.
static bool read_wanted(const char **at, struct wanted *ret)
{
    const char *slash = strchr(*at, '/'), *comma = strchr(*at, ',');
    int64_t number = 0;
    *ret = (struct wanted){0};
    if (slash && (!comma || slash < comma)) {
        ret->source = k_strndup(*at, (size_t)(slash - *at));
        *at = slash + 1;
        if (!read_number(at, &number) || *(*at)++ != ':') return false;
    } else {
        const char *begin = *at;
        if (!read_number(at, &number)) return false;
        if (**at == ':') ++*at;
        else {
            *at = begin;
            number = 0;
        }
    }
    ret->number = (uint32_t)number;
    return read_number(at, &ret->offset) && (**at == ',' || **at == '\0');
}

static int read_wish(struct call *call, struct wish *wish, struct k_error *err)
{
    const struct k_option_value *value = &call->options.values[TABLE_WAIT_FOR];
    for (uint32_t i = 0; i < value->count; i++) {
        for (const char *at = value->texts[i]; *at;) {
            wish->items = k_realloc(wish->items, (wish->count + 1) * sizeof *wish->items);
            if (!read_wanted(&at, &wish->items[wish->count++]))
                return k_fail(
                    err, K_E_USAGE,
                    "--wait-for: \"%s\" is not SHARD:OFFSET or SOURCE/PARTITION:OFFSET, several with commas",
                    value->texts[i]);
            if (*at == ',') at++;
        }
    }
    return 0;
}

static void wish_fini(struct wish *wish)
{
    for (uint32_t i = 0; i < wish->count; i++) free(wish->items[i].source);
    free(wish->items);
}

// The next source offset of a partition in any shard of the view; -1: no shard has it.
static int source_position(struct k_view *view, const struct wanted *wanted, int64_t *ret, struct k_error *err)
{
    uint32_t count, total;
    struct k_arena arena;
    k_arena_init(&arena);
    k_view_shards(view, &count, &total);
    int code = 0;
    *ret = -1;
    for (uint32_t i = 0; i < count && !code; i++) {
        struct k_str bytes;
        code = k_view_meta(view, i, "position", &arena, &bytes, err);
        if (code || !bytes.data) continue;
        Kappa__Internal__Position *position =
            kappa__internal__position__unpack(NULL, bytes.length, (const uint8_t *)bytes.data);
        for (size_t p = 0; position && p < position->n_partition; p++) {
            const Kappa__Internal__Position__Partition *at = position->partition[p];
            if (at->source && strcmp(at->source, wanted->source) == 0 && at->partition == wanted->number)
                *ret = at->next;
        }
        if (position) kappa__internal__position__free_unpacked(position, NULL);
    }
    k_arena_fini(&arena);
    return code;
}

static int is_reached(struct k_view *view, const struct wish *wish, bool *ret, char *why, size_t why_size,
                      struct k_error *err)
{
    uint32_t count, total;
    const struct k_shard_view *shards = k_view_shards(view, &count, &total);
    *ret = true;
    for (uint32_t i = 0; i < wish->count; i++) {
        const struct wanted *wanted = &wish->items[i];
        int64_t at = -1;
        if (wanted->source) {
            int code = source_position(view, wanted, &at, err);
            if (code) return code;
        }
        for (uint32_t s = 0; s < count && !wanted->source; s++)
            if (shards[s].shard == wanted->number) at = shards[s].journal_offset;
        if (at >= wanted->offset) continue;
        *ret = false;
        char name[200];
        snprintf(name, sizeof name, "%s%.150s%s%u", wanted->source ? "partition " : "shard ",
                 wanted->source ? wanted->source : "", wanted->source ? "/" : "", wanted->number);
        if (at < 0) snprintf(why, why_size, "%s has no position here", name);
        else snprintf(why, why_size, "%s stands at %lld of %lld", name, (long long)at, (long long)wanted->offset);
    }
    return 0;
}

static void pause_briefly(void)
{
    struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};
    nanosleep(&pause, NULL);
}

// Views, one after the other, until one stands where it is wanted. A state that is not there yet may still come.
static int wait_for(struct table_call *table, const struct k_reader_options *options, const struct wish *wish,
                    int64_t timeout_us, struct k_error *err)
{
    int64_t until = k_clock_us(CLOCK_MONOTONIC) + timeout_us;
    struct k_reader_options how = *options;
    how.one_view = !wish->count;
    char why[sizeof err->text] = "";
    for (;;) {
        bool reached = false;
        int code = table->reader ? 0 : k_reader_open(&how, &table->reader, err);
        if (!code) code = k_view_open(table->reader, &table->view, err);
        if (!code) code = is_reached(table->view, wish, &reached, why, sizeof why, err);
        if (reached) return 0;
        if (code && (!wish->count || code != K_E_NOT_FOUND)) return code;
        if (code) memcpy(why, err->text, sizeof why);
        k_view_close(table->view);
        table->view = NULL;
        if (k_clock_us(CLOCK_MONOTONIC) >= until)
            return k_fail(err, K_E_TIMEOUT, "the position was not reached in time: %s", why);
        pause_briefly();
    }
}

bool table_open(struct call *call, struct table_call *ret, int *ret_status)
{
    *ret = (struct table_call){.call = call};
    struct k_error err = {0};
    struct wish wish = {0};
    int64_t timeout_us = 30000000;
    struct k_reader_options options = {.state_dir = k_options_text(&call->options, TABLE_STATE_DIR),
                                       .graph = k_options_text(&call->options, TABLE_GRAPH),
                                       .generation = k_options_text(&call->options, TABLE_GENERATION)};
    int code = output_rows_form(call, TABLE_OUTPUT, &ret->form, &err);
    if (!code) code = k_options_duration(&call->options, TABLE_TIMEOUT, &timeout_us, &err);
    if (!code) code = k_options_size(&call->options, TABLE_MEMORY, &options.memory_bytes, &err);
    if (!code) code = read_wish(call, &wish, &err);
    if (code) {
        *ret_status = command_misused(call, &err);
    } else {
        code = wait_for(ret, &options, &wish, timeout_us, &err);
        if (code) *ret_status = code == K_E_USAGE ? command_misused(call, &err) : command_failed(call, code, &err);
    }
    wish_fini(&wish);
    return code == 0;
}

void table_close(struct table_call *table)
{
    k_view_close(table->view);
    k_reader_close(table->reader);
}

// --- where an answer comes from

static void add_position(const struct k_shard_view *shards, uint32_t count, struct k_buf *out)
{
    for (uint32_t i = 0; i < count; i++)
        k_buf_printf(out, "%s%u:%lld", i ? "," : "", shards[i].shard, (long long)shards[i].journal_offset);
}

// Of the oldest shard; -1: not known.
static int64_t age_us(const struct k_shard_view *shards, uint32_t count)
{
    int64_t oldest = INT64_MAX, now = k_clock_us(CLOCK_REALTIME);
    for (uint32_t i = 0; i < count; i++)
        if (shards[i].taken_us < oldest) oldest = shards[i].taken_us;
    if (oldest == INT64_MIN || count == 0) return -1;
    return now > oldest ? now - oldest : 0;
}

void table_say_position(const struct table_call *table)
{
    uint32_t count, total;
    const struct k_shard_view *shards = k_view_shards(table->view, &count, &total);
    struct k_buf out = {0};
    k_buf_printf(&out, "generation %s, position ", shards[0].generation);
    add_position(shards, count, &out);
    int64_t age = age_us(shards, count);
    if (age >= 0) {
        k_buf_add_text(&out, ", as of ");
        output_age(&out, age);
        k_buf_add_text(&out, " ago");
    }
    k_buf_printf(&out, ", %u of %u shard%s", count, total, total == 1 ? "" : "s");
    if (count < total) k_buf_add_text(&out, "; rows of the others are not on this machine");
    fprintf(stderr, "%s\n", out.data);
    k_buf_fini(&out);
}

static void json_time(struct k_buf *out, const char *name, int64_t us)
{
    k_buf_printf(out, ",\"%s\":", name);
    if (us == INT64_MIN) k_buf_add_text(out, "null");
    else if (us == INT64_MAX) k_buf_add_text(out, "\"end\""); // the input was declared complete
    else k_json_time(out, us);
}

void table_json_position(const struct table_call *table, struct k_buf *out)
{
    uint32_t count, total;
    const struct k_shard_view *shards = k_view_shards(table->view, &count, &total);
    k_buf_add_text(out, "\"generation\":");
    k_json_string(out, k_str_of(shards[0].generation));
    k_buf_add_text(out, ",\"position\":\"");
    add_position(shards, count, out);
    int64_t age = age_us(shards, count);
    k_buf_add_text(out, "\",\"age_ms\":");
    if (age < 0) k_buf_add_text(out, "null");
    else k_json_int(out, age / 1000);
    k_buf_add_text(out, ",\"shards\":[");
    for (uint32_t i = 0; i < count; i++) {
        k_buf_printf(out, "%s{\"shard\":%u,\"journal_offset\":%lld,\"sequence\":%llu", i ? "," : "", shards[i].shard,
                     (long long)shards[i].journal_offset, (unsigned long long)shards[i].sequence);
        json_time(out, "frontier", shards[i].frontier_us);
        json_time(out, "taken", shards[i].taken_us);
        k_buf_add_char(out, '}');
    }
    k_buf_printf(out, "],\"shards_total\":%u", total);
}

// --- rows

void table_json_row(struct k_buf *out, const struct k_schema *schema, const struct k_value *values)
{
    for (uint32_t i = 0; i < schema->count; i++) {
        k_buf_add_char(out, i ? ',' : '{');
        k_json_string(out, k_str_of(schema->fields[i].name));
        k_buf_add_char(out, ':');
        k_value_json(out, &values[i]);
    }
    k_buf_add_text(out, schema->count ? "}" : "{}");
}

void table_text_value(struct k_buf *out, const struct k_value *value)
{
    if (value->null) {
        k_buf_add_text(out, "NULL");
    } else if (value->type == K_STRING) {
        k_buf_add(out, value->s.data, value->s.length);
    } else {
        size_t begin = out->length;
        k_value_json(out, value);
        // Times and bytes need no quotes here.
        if (value->type == K_JSON || out->data[begin] != '"') return;
        memmove(out->data + begin, out->data + begin + 1, out->length - begin - 2);
        out->length -= 2;
    }
}

struct columns *table_columns(const struct k_table_info *table, const char ***ret_headings)
{
    uint32_t count = table->schema.count;
    const char **headings = *ret_headings = k_new_array(const char *, count + 1);
    bool *right = k_new_array(bool, count + 1);
    for (uint32_t i = 0; i < count; i++) {
        enum k_type type = table->schema.fields[i].type;
        headings[i] = table->schema.fields[i].name;
        right[i] = type == K_INT64 || type == K_DOUBLE;
    }
    struct columns *columns = columns_create(stdout, headings, right, count);
    free(right);
    return columns;
}

void table_add_row(struct columns *columns, const struct k_schema *schema, const struct k_value *values,
                   struct k_buf *scratch)
{
    for (uint32_t i = 0; i < schema->count; i++) {
        k_buf_clear(scratch);
        table_text_value(scratch, &values[i]);
        columns_cell(columns, k_buf_str(scratch));
    }
}
