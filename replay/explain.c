// Following one record at a time. A checkpoint after every step tells the watched store what the step wrote; a cache
// without room makes every read of state a read of that store.
#include "replay/explain.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/diag.h"
#include "base/directory.h"
#include "engine/shard.h"
#include "proto/internal.pb-c.h"
#include "proto/parse_value.h"
#include "replay/aside.h"
#include "replay/watch.h"
#include "state/table.h"

enum { STORE_BYTES = 32 << 20, NEVER_S = 1 << 30, LOOK_EVERY = 1024 };

struct change {
    uint64_t step;
    struct k_str before, after;
};

struct explaining {
    const struct k_explain_options *options;
    struct k_explanation *result;
    char *directory, *journal;
    struct k_log *log; // aside
    struct k_shard *shard;
    struct k_lineage lineage;
    struct k_buf target; // store key of the row
    struct change *changes;
    uint64_t change_count, change_capacity;
    bool touched;        // the step under way wrote the row
    struct k_str row;    // as it is now
    uint64_t *fed;       // per input: records
    struct k_message journal_record; // the one under way: offset and timestamp
    bool opened;
    // Which node each family belongs to, by number (-1: not known), and which node's rows reach which.
    int32_t *family_nodes;
    const char **family_names;
    uint32_t family_limit;
    bool *reaches; // [from * nodes + to]
};

// --- what happens in the state

static void on_read(void *context, struct k_str key)
{
    struct explaining *e = context;
    if (e->opened) k_lineage_read(&e->lineage, key);
}

static void on_write(void *context, struct k_str key, struct k_str value)
{
    struct explaining *e = context;
    if (!e->opened) return;
    k_lineage_write(&e->lineage, key);
    if (!k_str_equal(key, k_buf_str(&e->target))) return;
    e->touched = true;
    e->row = value.data
                 ? (struct k_str){k_arena_copy(&e->result->arena, value.data, value.length), value.length}
                 : (struct k_str){0};
}

static int end_step(struct explaining *e, int32_t input, int64_t offset, int64_t time_us, struct k_error *err)
{
    struct k_state *state = k_shard_working_state(e->shard);
    struct k_str before = e->row;
    int code = k_state_checkpoint(state, k_state_position(state), err);
    if (code) return code;
    k_state_trim(state);
    bool noted = k_lineage_step(&e->lineage, input, offset, time_us);
    if (noted && e->touched) {
        if (e->change_count == e->change_capacity) {
            e->change_capacity = e->change_capacity ? e->change_capacity * 2 : 64;
            e->changes = k_realloc(e->changes, e->change_capacity * sizeof *e->changes);
        }
        e->changes[e->change_count++] = (struct change){e->lineage.step_count - 1, before, e->row};
    }
    e->touched = false;
    if (k_lineage_bytes(&e->lineage) <= e->options->memory_bytes) return 0;
    return k_fail(err, K_E_NO_MEMORY,
                  "the notes on %llu steps take more than %llu MiB; give it more --memory, or an earlier --at",
                  (unsigned long long)e->lineage.step_count, (unsigned long long)(e->options->memory_bytes >> 20));
}

static int on_unit(void *context, struct k_error *err)
{
    struct explaining *e = context;
    return end_step(e, -1, e->journal_record.offset, e->journal_record.timestamp_us, err);
}

static void on_handed(void *context, const struct k_aside_window *window, const struct k_message *message)
{
    struct explaining *e = context;
    if (strcmp(window->topic, e->journal) == 0) {
        e->journal_record.offset = message->offset;
        e->journal_record.timestamp_us = message->timestamp_us;
    }
}

// --- opening

static int open_store(void *context, struct k_store **ret, struct k_error *err)
{
    struct explaining *e = context;
    struct k_store *store;
    const struct k_watcher watcher = {.context = e, .read = on_read, .write = on_write};
    int code = k_store_rocks_open(e->directory, true, STORE_BYTES, &store, err);
    if (code) return code;
    k_store_rocks_be_scratch(store); // every step is written, so that it shows what it read
    *ret = k_watch_store(store, &watcher);
    return 0;
}

static int add_window(struct k_log *log, const char *topic, int32_t partition, struct k_aside_window *windows,
                      uint32_t *count, struct k_error *err)
{
    struct k_aside_window *w = &windows[(*count)++];
    *w = (struct k_aside_window){.topic = topic, .partition = partition};
    // Not only what is stable: what the journal names is committed, and may be followed by what is not.
    int code = log->ops->offsets(log, topic, partition, true, &w->from, NULL, err);
    return code ? code : log->ops->offsets(log, topic, partition, false, NULL, &w->until, err);
}

static int open_log(struct explaining *e, struct k_error *err)
{
    const struct k_plan *plan = e->options->plan;
    struct k_log *log = e->options->log;
    struct k_aside_window *windows = NULL, journal;
    uint32_t count = 0, one = 0;
    e->journal = k_format("%s.journal.%u", plan->name, e->options->shard);
    int code = add_window(log, e->journal, 0, &journal, &one, err);
    int64_t end = 0;
    if (!code) code = log->ops->offsets(log, e->journal, 0, true, NULL, &end, err);
    if (!code && e->options->journal_end > end)
        code = k_fail(err, K_E_CONFIG, "--at is offset %lld, but %s ends at %lld", (long long)e->options->journal_end,
                      e->journal, (long long)end);
    int64_t begin = e->options->journal_from;
    if (!code && e->options->journal_end >= 0 && begin > 0 && e->options->journal_end <= begin)
        code = k_fail(err, K_E_CONFIG, "--at is offset %lld, but the generation begins behind offset %lld of %s",
                      (long long)e->options->journal_end, (long long)begin, e->journal);
    if (!code && journal.from > begin)
        code = k_fail(err, K_E_LOST_RANGE, "%s begins at offset %lld: what was before it cannot be explained",
                      e->journal, (long long)journal.from);
    journal.until = e->options->journal_end >= 0 ? e->options->journal_end : end;
    e->result->journal_end = journal.until;
    for (uint32_t s = 0; !code && s < plan->source_count; s++) {
        bool known = false;
        for (uint32_t i = 0; i < s; i++) known |= strcmp(plan->sources[i].topic, plan->sources[s].topic) == 0;
        struct k_topic_info info;
        if (!known) code = log->ops->topic_info(log, plan->sources[s].topic, &info, err);
        if (code || known) continue;
        windows = k_realloc(windows, (count + (uint32_t)info.partitions + 1) * sizeof *windows);
        for (int32_t p = 0; !code && p < info.partitions; p++)
            code = add_window(log, plan->sources[s].topic, p, windows, &count, err);
    }
    windows = k_realloc(windows, (count + 1) * sizeof *windows);
    windows[count++] = journal;
    const struct k_aside_options options = {
        .log = log, .windows = windows, .window_count = count, .portion = 1, .handed = on_handed, .context = e};
    if (!code) e->log = k_aside_open(&options);
    free(windows);
    return code;
}

static int take_table(struct explaining *e, struct k_str bytes, struct k_error *err)
{
    struct k_explanation *r = e->result;
    Kappa__Internal__TableInfo *info =
        kappa__internal__table_info__unpack(NULL, bytes.length, (const uint8_t *)bytes.data);
    if (!info) return k_fail(err, K_E_CORRUPT, "the description of table \"%s\" is damaged", e->options->table);
    r->schema.count = (uint32_t)info->n_column;
    r->schema.fields = k_arena_array(&r->arena, struct k_field, info->n_column + 1);
    for (size_t i = 0; i < info->n_column; i++)
        r->schema.fields[i] =
            (struct k_field){.name = k_arena_copy(&r->arena, info->column[i]->name, strlen(info->column[i]->name)),
                             .type = (enum k_type)info->column[i]->type,
                             .not_null = info->column[i]->not_null};
    r->key_count = (uint32_t)info->n_key;
    uint32_t *key = k_arena_array(&r->arena, uint32_t, info->n_key + 1);
    for (size_t i = 0; i < info->n_key; i++) key[i] = info->key[i];
    r->key = key;
    kappa__internal__table_info__free_unpacked(info, NULL);
    return 0;
}

// The store key of the row that is asked for.
static int take_key(struct explaining *e, struct k_str family, struct k_error *err)
{
    const struct k_explain_options *o = e->options;
    struct k_explanation *r = e->result;
    if (o->key_count != r->key_count)
        return k_fail(err, K_E_USAGE, "the key of table \"%s\" has %u column%s, not %u", o->table, r->key_count,
                      r->key_count == 1 ? "" : "s", o->key_count);
    k_buf_add_char(&e->target, 1);
    k_buf_add(&e->target, family.data, family.length);
    k_key_add_i64(&e->target, 0);
    r->key_values = k_arena_array(&r->arena, struct k_value, r->key_count + 1);
    for (uint32_t i = 0; i < r->key_count; i++) {
        const struct k_field *field = &r->schema.fields[r->key[i]];
        if (k_value_parse_text(k_str_of(o->key[i]), field->type, &r->arena, &r->key_values[i], err))
            return k_wrap(err, err ? (err->code = K_E_USAGE) : K_E_USAGE, "key column \"%s\" (%s)", field->name,
                          k_type_name(field->type));
        k_key_add_value(&e->target, &r->key_values[i]);
    }
    return 0;
}

static int no_table(const struct explaining *e, struct k_error *err)
{
    const struct k_plan *plan = e->options->plan;
    const char **names = k_new_array(const char *, plan->node_count + 1);
    uint32_t count = 0;
    for (uint32_t i = 0; i < plan->node_count; i++)
        if (strcmp(plan->nodes[i].type->name, "table") == 0) names[count++] = plan->nodes[i].name;
    const char *nearest = k_nearest(e->options->table, names, count);
    int code = k_fail(err, K_E_NOT_FOUND, "graph \"%s\" has no table \"%s\"%s%s%s", plan->name, e->options->table,
                      nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    free(names);
    return code;
}

// The shard is stepped until its state is open; then it knows its tables.
static int open_shard(struct explaining *e, struct k_error *err)
{
    const struct k_shard_options options = {.plan = e->options->plan,
                                            .shard = e->options->shard,
                                            .log = e->log,
                                            .worker = "explain",
                                            .generation = "explain",
                                            .open_store = open_store,
                                            .store_context = e,
                                            .state = {.cache_bytes = 1},
                                            .commit_interval_us = 1000000,
                                            .checkpoint_interval_us = (int64_t)NEVER_S * 1000000,
                                            .transaction_timeout_us = 10000000,
                                            .step_budget_us = 200000,
                                            .dirty_limit_bytes = UINT64_MAX,
                                            .starts = e->options->starts,
                                            .start_count = e->options->start_count,
                                            .journal_from = e->options->journal_from,
                                            .unit = on_unit,
                                            .unit_context = e};
    int64_t wait_us;
    int code = k_shard_create(&options, &e->shard, err);
    if (!code) code = k_shard_step(e->shard, &wait_us, err);
    if (code) return code;
    if (!k_shard_machine(e->shard)) {
        struct k_shard_report report;
        k_shard_report(e->shard, &report);
        return k_fail(err, K_E_UNAVAILABLE, "%s", report.trouble);
    }
    struct k_state *state = k_shard_working_state(e->shard);
    struct k_str table = {0}, family = {0};
    char *name = k_format("table/%s", e->options->table), *number = k_format("family/table/%s", e->options->table);
    code = k_state_checkpoint(state, k_state_position(state), err);
    if (!code) code = k_state_get_meta(state, name, &e->result->arena, &table, err);
    if (!code) code = k_state_get_meta(state, number, &e->result->arena, &family, err);
    if (!code && (!table.data || family.length != 4)) code = no_table(e, err);
    if (!code) code = take_table(e, table, err);
    if (!code) code = take_key(e, family, err);
    free(name);
    free(number);
    uint32_t count;
    k_machine_inputs(k_shard_machine(e->shard), &count);
    e->fed = k_new_array(uint64_t, count + 1);
    e->opened = true;
    return code;
}

// --- following

// The record that the last step fed, if it fed one.
static int note_record(struct explaining *e, struct k_error *err)
{
    uint32_t count;
    struct k_input *inputs = k_machine_inputs(k_shard_machine(e->shard), &count);
    for (uint32_t i = 0; i < count; i++) {
        if (inputs[i].records == e->fed[i]) continue;
        e->fed[i] = inputs[i].records;
        return end_step(e, (int32_t)i, inputs[i].last_offset, INT64_MIN, err);
    }
    return 0;
}

static int follow(struct explaining *e, struct k_error *err)
{
    struct k_shard_report report;
    for (uint64_t n = 0;; n++) {
        int64_t wait_us;
        int code = k_shard_step(e->shard, &wait_us, err);
        if (!code && !k_shard_machine(e->shard)) {
            // The shard would begin again; a half-made list of steps would not.
            k_shard_report(e->shard, &report);
            code = k_fail(err, K_E_UNAVAILABLE, "%s", report.trouble);
        }
        if (!code) code = note_record(e, err);
        if (code) return code;
        if (k_aside_drained(e->log, e->journal, 0)) break;
        if (n % LOOK_EVERY == 0 || wait_us > 0) {
            k_shard_report(e->shard, &report);
            if (e->options->stop && e->options->stop(e->options->context, report.records))
                return k_fail(err, K_E_TIMEOUT, "stopped");
        }
        if (wait_us > 0) k_shard_wait(e->shard, wait_us);
    }
    k_shard_report(e->shard, &report);
    e->result->records = report.records;
    return 0;
}

// What was read as history must be what the state has read. Of a compacted topic, and below where the log begins now,
// records may have vanished since.
static int check_history(struct explaining *e, struct k_error *err)
{
    const struct k_plan *plan = e->options->plan;
    uint32_t count;
    const struct k_input *inputs = k_machine_inputs(k_shard_machine(e->shard), &count);
    for (uint32_t h = 0; h < e->options->history_count; h++) {
        const struct k_explain_history *wanted = &e->options->history[h];
        for (uint32_t i = 0; i < count; i++) {
            if (inputs[i].source != wanted->source || inputs[i].partition != wanted->partition) continue;
            if (inputs[i].until == wanted->until && inputs[i].history_hash == wanted->hash) continue;
            return k_fail(err, K_E_LOST_RANGE,
                          "topic %s, partition %u: the records below offset %lld are not those that the state has "
                          "read before its journal; some are gone since",
                          plan->sources[wanted->source].topic, wanted->partition, (long long)wanted->until);
        }
    }
    return 0;
}

// --- the result

// The node whose state a family is: families are named KIND/NODE, or KIND/NODE/PART.
static int32_t node_of(const struct k_plan *plan, struct k_str name)
{
    const char *begin = memchr(name.data, '/', name.length);
    if (!begin) return -1;
    uint32_t length = name.length - (uint32_t)(++begin - name.data);
    for (uint32_t n = 0; n < plan->node_count; n++) {
        size_t own = strlen(plan->nodes[n].name);
        if (own <= length && memcmp(begin, plan->nodes[n].name, own) == 0 && (own == length || begin[own] == '/'))
            return (int32_t)n;
    }
    return -1;
}

static void learn_family(struct explaining *e, uint32_t number, struct k_str name)
{
    for (; number >= e->family_limit; e->family_limit++) {
        e->family_nodes = k_realloc(e->family_nodes, (e->family_limit + 1) * sizeof *e->family_nodes);
        e->family_names = k_realloc(e->family_names, (e->family_limit + 1) * sizeof *e->family_names);
        e->family_nodes[e->family_limit] = -1;
        e->family_names[e->family_limit] = "?";
    }
    e->family_nodes[number] = node_of(e->options->plan, name);
    e->family_names[number] = k_arena_copy(&e->result->arena, name.data, name.length);
}

static int learn_families(struct explaining *e, struct k_error *err)
{
    struct k_store *store = k_state_store(k_shard_working_state(e->shard));
    struct k_store_iterator *iterator;
    struct k_str from = K_STR("\0family/"), to = K_STR("\0family0"), key, value;
    struct k_error failure = {0};
    int code = store->ops->iterate(store, from, to, &iterator, err);
    if (code) return code;
    while (store->ops->next(iterator, &key, &value, &failure)) {
        const uint8_t *v = (const uint8_t *)value.data;
        if (value.length != 4) continue;
        learn_family(e, (uint32_t)v[0] << 24 | (uint32_t)v[1] << 16 | (uint32_t)v[2] << 8 | v[3],
                     (struct k_str){key.data + from.length, key.length - from.length});
    }
    store->ops->iterate_end(iterator);
    if (failure.code) *err = failure;
    return failure.code;
}

// Inputs come before those who read them, so one pass from the end finds all that a node's rows reach.
static void learn_ways(struct explaining *e)
{
    const struct k_plan *plan = e->options->plan;
    uint32_t n = plan->node_count;
    e->reaches = k_new_array(bool, (size_t)n * n + 1);
    for (uint32_t from = n; from-- > 0;) {
        e->reaches[(size_t)from * n + from] = true;
        for (uint32_t port = 0; port < plan->nodes[from].output_count; port++) {
            const struct k_links *links = &plan->node_links[from][port];
            for (uint32_t l = 0; l < links->count; l++)
                for (uint32_t to = 0; to < n; to++)
                    e->reaches[(size_t)from * n + to] |= e->reaches[(size_t)links->items[l].node * n + to];
        }
    }
}

static bool feeds(void *context, uint32_t read_family, uint32_t written_family)
{
    const struct explaining *e = context;
    int32_t from = read_family < e->family_limit ? e->family_nodes[read_family] : -1;
    int32_t to = written_family < e->family_limit ? e->family_nodes[written_family] : -1;
    if (from < 0 || to < 0) return true; // rather too much than too little
    return e->reaches[(size_t)from * e->options->plan->node_count + (size_t)to];
}

static void name_families(struct explaining *e, const struct k_lineage_touch *touches, uint64_t count,
                          struct k_explain_event *event)
{
    event->families = k_arena_array(&e->result->arena, const char *, count + 1);
    for (uint64_t i = 0; i < count; i++) {
        bool known = false;
        for (uint64_t j = 0; j < i; j++) known |= touches[j].family == touches[i].family;
        if (!known) event->families[event->family_count++] =
                touches[i].family < e->family_limit ? e->family_names[touches[i].family] : "?";
    }
}

static int gather(struct explaining *e, struct k_error *err)
{
    struct k_explanation *r = e->result;
    struct k_lineage_touch *touches = NULL;
    uint64_t touch_count = 0, change = 0;
    r->row = e->row;
    if (!e->change_count) return 0;
    learn_ways(e);
    int code = learn_families(e, err);
    if (code) return code;
    uint64_t last = e->changes[e->change_count - 1].step;
    k_lineage_trace(&e->lineage, k_buf_str(&e->target), last, feeds, e, &touches, &touch_count);
    uint64_t count = 0;
    for (uint64_t s = 0; s <= last; s++) count += e->lineage.steps[s].contributes;
    r->events = k_new_array(struct k_explain_event, count + e->change_count);
    uint32_t inputs;
    const struct k_input *input = k_machine_inputs(k_shard_machine(e->shard), &inputs);
    uint64_t at = touch_count; // touches go backwards
    for (uint64_t s = 0; s <= last; s++) {
        const struct k_lineage_step *step = &e->lineage.steps[s];
        bool changed = change < e->change_count && e->changes[change].step == s;
        uint64_t end = at;
        while (at > 0 && touches[at - 1].step == s) at--;
        if (!step->contributes && !changed) continue;
        struct k_explain_event *event = &r->events[r->event_count++];
        *event = (struct k_explain_event){.source = step->input < 0 ? -1 : (int32_t)input[step->input].source,
                                          .partition = step->input < 0 ? -1 : (int32_t)input[step->input].partition,
                                          .offset = step->offset,
                                          .time_us = step->time_us,
                                          .contributes = step->contributes,
                                          .changed = changed};
        if (changed) {
            event->before = e->changes[change].before;
            event->after = e->changes[change++].after;
        }
        name_families(e, touches + at, end - at, event);
    }
    free(touches);
    return 0;
}

int k_explain(const struct k_explain_options *options, struct k_explanation *ret, struct k_error *err)
{
    struct explaining e = {.options = options, .result = ret};
    *ret = (struct k_explanation){0};
    k_arena_init(&ret->arena);
    const char *base = getenv("TMPDIR");
    e.directory = k_format("%s/kappa-explain-XXXXXX", base && *base ? base : "/tmp");
    bool made = mkdtemp(e.directory) != NULL;
    int code = made ? 0 : k_fail(err, K_E_IO, "cannot make a scratch directory \"%s\"", e.directory);
    if (!code) code = open_log(&e, err);
    if (!code) code = open_shard(&e, err);
    if (!code) code = follow(&e, err);
    if (!code) code = check_history(&e, err);
    if (!code) code = gather(&e, err);
    k_shard_destroy(e.shard);
    if (e.log) e.log->ops->close(e.log);
    if (made) k_tree_remove(e.directory);
    k_lineage_fini(&e.lineage);
    k_buf_fini(&e.target);
    free(e.changes);
    free(e.family_nodes);
    free(e.family_names);
    free(e.reaches);
    free(e.fed);
    free(e.journal);
    free(e.directory);
    if (code) k_explanation_fini(ret);
    return code;
}

void k_explanation_fini(struct k_explanation *explanation)
{
    free(explanation->events);
    k_arena_fini(&explanation->arena);
    *explanation = (struct k_explanation){0};
}
