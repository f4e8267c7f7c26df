// The verdict: what the cluster committed against what the reference computes in the order that the journal tells.
//
// The journal is trusted only after it has been checked against the input itself: its ranges follow each other without
// gap or overlap, hold every committed record of every partition, and nothing else.
#include "tests/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/json_out.h"
#include "engine/journal.h"
#include "state/table.h"
#include "tests/reference/reference.h"

typedef Kappa__Internal__JournalRecord Record;

// --- lists of lines, for comparing ---

struct lines {
    char **items;
    size_t count, capacity;
};

static void add_line(struct lines *lines, struct k_buf *text)
{
    if (lines->count == lines->capacity) {
        lines->capacity = lines->capacity ? lines->capacity * 2 : 64;
        lines->items = k_realloc(lines->items, lines->capacity * sizeof *lines->items);
    }
    lines->items[lines->count++] = k_strndup(text->data ? text->data : "", text->length);
    k_buf_clear(text);
}

static void free_lines(struct lines *lines)
{
    for (size_t i = 0; i < lines->count; i++) free(lines->items[i]);
    free(lines->items);
    *lines = (struct lines){0};
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void sort_lines(struct lines *lines)
{
    if (lines->count) qsort(lines->items, lines->count, sizeof *lines->items, by_text);
}

// A line is "key<TAB>value". Sorts by key alone, and keeps the order of each key's lines.
static void sort_by_key(struct lines *lines)
{
    for (size_t i = 1; i < lines->count; i++) { // few and nearly sorted runs: insertion is stable and enough
        char *line = lines->items[i];
        size_t length = strcspn(line, "\t"), at = i;
        while (at > 0) {
            const char *before = lines->items[at - 1];
            size_t other = strcspn(before, "\t");
            int order = strncmp(before, line, other < length ? other : length);
            if (order < 0 || (order == 0 && other <= length)) break;
            lines->items[at] = lines->items[at - 1];
            at--;
        }
        lines->items[at] = line;
    }
}

// Keeps the last line of each key, and of those only the ones with a value.
static void keep_last(struct lines *lines)
{
    sort_by_key(lines);
    size_t kept = 0;
    for (size_t i = 0; i < lines->count; i++) {
        size_t length = strcspn(lines->items[i], "\t");
        bool last = i + 1 == lines->count || strncmp(lines->items[i], lines->items[i + 1], length + 1) != 0;
        bool gone = strcmp(lines->items[i] + length, "\t-") == 0;
        if (last && !gone) lines->items[kept++] = lines->items[i];
        else free(lines->items[i]);
    }
    lines->count = kept;
}

static void say_difference(struct world *w, const char *what, const struct lines *got, const struct lines *wanted,
                           const char *only_got, const char *only_wanted)
{
    world_fail(w, "%s: %zu lines, the reference has %zu:\n  only the engine:    %s\n  only the reference: %s", what,
               got->count, wanted->count, only_got ? only_got : "(nothing)", only_wanted ? only_wanted : "(nothing)");
}

// Both in the same order: the first difference, line by line.
static void compare_in_order(struct world *w, const char *what, const struct lines *got, const struct lines *wanted)
{
    for (size_t i = 0; i < got->count || i < wanted->count; i++) {
        const char *a = i < got->count ? got->items[i] : NULL, *b = i < wanted->count ? wanted->items[i] : NULL;
        if (a && b && strcmp(a, b) == 0) continue;
        say_difference(w, what, got, wanted, a, b);
        return;
    }
}

// As multisets: the first line that only one of both has, of each.
static void compare(struct world *w, const char *what, struct lines *got, struct lines *wanted)
{
    const char *only_got = NULL, *only_wanted = NULL;
    sort_lines(got);
    sort_lines(wanted);
    for (size_t i = 0, j = 0; i < got->count || j < wanted->count;) {
        int order = i == got->count ? 1 : j == wanted->count ? -1 : strcmp(got->items[i], wanted->items[j]);
        if (order < 0 && !only_got) only_got = got->items[i];
        if (order > 0 && !only_wanted) only_wanted = wanted->items[j];
        i += order <= 0;
        j += order >= 0;
    }
    if (only_got || only_wanted) say_difference(w, what, got, wanted, only_got, only_wanted);
}

static void add_message(struct lines *lines, bool has_key, struct k_str key, bool has_value, struct k_str value)
{
    struct k_buf text = {0};
    if (has_key) k_json_string(&text, key);
    else k_buf_add_text(&text, "null");
    k_buf_add_text(&text, "\t");
    if (has_value) k_json_string(&text, value);
    else k_buf_add_text(&text, "-");
    add_line(lines, &text);
    k_buf_fini(&text);
}

// --- the journal, checked and told to the reference ---

struct walk {
    struct world *w;
    uint32_t shard;
    struct reference *reference;
    struct k_journal_point point;
    int64_t next[SOURCES_MAX][PARTITIONS_MAX];
    uint32_t at[SOURCES_MAX][PARTITIONS_MAX]; // among the input's records
    bool final;
};

static void feed(struct walk *walk, uint32_t source, uint32_t partition, const struct record *record)
{
    struct reference_record r = {(int32_t)partition, record->offset, record->timestamp_us, record->key, record->value,
                                 record->has_key, record->has_value, NULL, 0};
    struct k_error err;
    if (reference_feed(walk->reference, walk->w->scenario.sources[source].name, &r, &err))
        world_fail(walk->w, "the reference refuses a record: %s", err.text);
}

static void walk_range(struct walk *walk, const Kappa__Internal__JournalRecord__Range *range, uint64_t sequence)
{
    struct world *w = walk->w;
    uint32_t s = range->input, p = range->partition;
    if (s >= w->scenario.source_count || p >= (uint32_t)w->scenario.sources[s].partitions ||
        p % w->scenario.shards != walk->shard) {
        world_fail(w, "journal record %llu names input %u, partition %u", (unsigned long long)sequence, s, p);
        return;
    }
    const struct records *records = &w->input.records[s][p];
    if (range->first != walk->next[s][p])
        world_fail(w, "journal record %llu continues %s, partition %u at %lld, the one before ended at %lld",
                   (unsigned long long)sequence, w->scenario.sources[s].topic, p, (long long)range->first,
                   (long long)walk->next[s][p]);
    uint32_t count = 0;
    while (walk->at[s][p] < records->count && records->items[walk->at[s][p]].offset < range->next) {
        feed(walk, s, p, &records->items[walk->at[s][p]++]);
        count++;
    }
    if (count != range->count)
        world_fail(w, "journal record %llu: %s, partition %u, offsets %lld to %lld has %u records, not %u",
                   (unsigned long long)sequence, w->scenario.sources[s].topic, p, (long long)range->first,
                   (long long)range->next - 1, count, range->count);
    walk->next[s][p] = range->next;
}

static void walk_boundary(struct walk *walk, const Record *record)
{
    struct world *w = walk->w;
    struct reference_partition ends[SOURCES_MAX * PARTITIONS_MAX];
    uint32_t count = 0;
    for (size_t i = 0; i < record->n_at_end; i++) {
        uint32_t s = record->at_end[i]->input, p = record->at_end[i]->partition;
        const struct records *records = &w->input.records[s][p];
        if (walk->at[s][p] < records->count && records->items[walk->at[s][p]].offset < record->at_end[i]->next)
            world_fail(w, "journal record %llu skips a record of %s, partition %u",
                       (unsigned long long)record->sequence, w->scenario.sources[s].topic, p);
        if (record->at_end[i]->next > walk->next[s][p]) walk->next[s][p] = record->at_end[i]->next;
        ends[count++] = (struct reference_partition){w->scenario.sources[s].name, (int32_t)p};
    }
    if (walk->final) return;
    struct k_error err;
    reference_boundary(walk->reference, record->clock_us, ends, count);
    int code = record->final ? reference_final(walk->reference, &err) : reference_settle(walk->reference, &err);
    if (code) world_fail(w, "the reference stops: %s", err.text);
    walk->final = record->final;
}

static void walk_record(void *context, const struct k_message *message)
{
    struct walk *walk = context;
    struct k_error err;
    Record *record;
    if (walk->w->failure.length) return;
    int code = k_journal_decode(message, "sim", walk->shard, &walk->point, &record, &err);
    if (code) {
        world_fail(walk->w, "the journal of shard %u is broken: %s", walk->shard, err.text);
        return;
    }
    walk->w->stats.journal_records++;
    if (walk->final && record->n_range) world_fail(walk->w, "ranges behind the declared end of the input");
    for (size_t i = 0; i < record->n_range && !walk->w->failure.length; i++)
        walk_range(walk, record->range[i], record->sequence);
    if (!walk->w->failure.length) walk_boundary(walk, record);
    kappa__internal__journal_record__free_unpacked(record, NULL);
}

static void check_ends(struct walk *walk)
{
    struct world *w = walk->w;
    char group[32];
    snprintf(group, sizeof group, "sim.shard.%u", walk->shard);
    for (uint32_t s = 0; s < w->scenario.source_count; s++) {
        for (int32_t p = (int32_t)walk->shard; p < w->scenario.sources[s].partitions;
             p += (int32_t)w->scenario.shards) {
            const char *topic = w->scenario.sources[s].topic;
            if (walk->at[s][p] != w->input.records[s][p].count)
                world_fail(w, "%s, partition %d: %u records of %u are in the journal", topic, p, walk->at[s][p],
                           w->input.records[s][p].count);
            int64_t offset = k_cloud_group_offset(w->cloud, group, topic, p);
            if (offset > walk->next[s][p])
                world_fail(w, "%s, partition %d: the group stands at %lld, ahead of the journal's %lld", topic, p,
                           (long long)offset, (long long)walk->next[s][p]);
        }
    }
    if (!walk->final) world_fail(w, "the journal of shard %u does not say that the input is complete", walk->shard);
}

static struct reference *walk_journal(struct world *w, uint32_t shard, struct walk *walk)
{
    int32_t partitions[SOURCES_MAX];
    struct k_error err;
    *walk = (struct walk){.w = w, .shard = shard};
    for (uint32_t s = 0; s < w->scenario.source_count; s++) partitions[s] = w->scenario.sources[s].partitions;
    if (reference_create(k_graph_message(w->scenario.graph), partitions, &walk->reference, &err)) {
        world_fail(w, "the reference refuses the graph: %s", err.text);
        return NULL;
    }
    for (uint32_t s = 0; s < w->scenario.source_count; s++)
        for (int32_t p = 0; p < partitions[s]; p++)
            if ((uint32_t)p % w->scenario.shards != shard)
                reference_disown(walk->reference, (struct reference_partition){w->scenario.sources[s].name, p});
    char topic[32];
    snprintf(topic, sizeof topic, "sim.journal.%u", shard);
    k_cloud_read(w->cloud, topic, 0, walk_record, walk);
    if (!w->failure.length) check_ends(walk);
    return walk->reference;
}

// --- topics ---

static struct k_str header_of(const struct k_message *message, const char *name)
{
    for (uint32_t i = 0; i < message->header_count; i++)
        if (k_str_equal(message->headers[i].name, k_str_of(name))) return message->headers[i].value;
    return K_STR("-");
}

static void visit_message(void *context, const struct k_message *message)
{
    add_message(context, message->has_key, message->key, message->has_value, message->value);
}

struct letters {
    const struct scenario *scenario;
    struct lines lines;
};

static void visit_dead_letter(void *context, const struct k_message *message)
{
    struct letters *letters = context;
    if (scenario_is_loose(letters->scenario, header_of(message, "kappa.node"))) return;
    static const char *const names[] = {"kappa.node", "kappa.reason", "kappa.topic", "kappa.partition", "kappa.offset"};
    struct k_buf text = {0};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct k_str value = header_of(message, names[i]);
        k_buf_add(&text, value.data, value.length);
        k_buf_add_char(&text, ' ');
    }
    struct lines one = {0};
    visit_message(&one, message);
    k_buf_add_text(&text, one.items[0]);
    free_lines(&one);
    add_line(&letters->lines, &text);
    k_buf_fini(&text);
}

static void read_topic(struct world *w, const char *topic, k_cloud_visit visit, void *context)
{
    for (int32_t p = 0; p < PARTITIONS_MAX; p++) k_cloud_read(w->cloud, topic, p, visit, context);
}

static void read_reference(struct reference **references, uint32_t shards, const char *topic, struct lines *lines)
{
    for (uint32_t i = 0; i < shards; i++) {
        uint32_t count;
        const struct reference_message *messages = reference_topic(references[i], topic, &count);
        for (uint32_t m = 0; m < count; m++)
            add_message(lines, messages[m].has_key, messages[m].key, messages[m].has_value, messages[m].value);
    }
}

static void judge_topic(struct world *w, struct reference **references, const char *topic, bool updating, bool ordered)
{
    struct lines got = {0}, wanted = {0};
    char what[64];
    snprintf(what, sizeof what, "topic %s%s", topic,
             updating  ? " (the last of each key)"
             : ordered ? " (in order)"
                       : "");
    read_topic(w, topic, visit_message, &got);
    w->stats.outputs += got.count;
    read_reference(references, w->scenario.shards, topic, &wanted);
    if (updating) keep_last(&got), keep_last(&wanted);
    if (ordered) {
        sort_by_key(&got);
        sort_by_key(&wanted);
        compare_in_order(w, what, &got, &wanted);
    } else {
        compare(w, what, &got, &wanted);
    }
    free_lines(&got);
    free_lines(&wanted);
}

static void judge_dead_letters(struct world *w, struct reference **references)
{
    struct lines wanted = {0};
    struct letters letters_got = {.scenario = &w->scenario};
    read_topic(w, w->scenario.dead_letters, visit_dead_letter, &letters_got);
    w->stats.features.dead_letters += letters_got.lines.count;
    for (uint32_t i = 0; i < w->scenario.shards; i++) {
        uint32_t count;
        const struct reference_dead_letter *letters = reference_dead_letters(references[i], &count);
        for (uint32_t d = 0; d < count; d++) {
            struct k_buf text = {0};
            struct lines one = {0};
            const struct reference_dead_letter *letter = &letters[d];
            if (scenario_is_loose(&w->scenario, k_str_of(letter->node))) continue;
            k_buf_printf(&text, "%s %s ", letter->node, letter->reason);
            if (letter->topic)
                k_buf_printf(&text, "%s %d %lld ", letter->topic, letter->partition, (long long)letter->offset);
            else k_buf_add_text(&text, "- - - ");
            add_message(&one, letter->has_key, letter->key, letter->has_value, letter->value);
            k_buf_add_text(&text, one.items[0]);
            free_lines(&one);
            add_line(&wanted, &text);
            k_buf_fini(&text);
        }
    }
    compare(w, "dead letters", &letters_got.lines, &wanted);
    free_lines(&letters_got.lines);
    free_lines(&wanted);
}

// --- tables and counters of one disk ---

static Kappa__Internal__TableInfo *table_info(struct k_store *store, const char *table, struct k_arena *arena,
                                              uint32_t *ret_family)
{
    char *keys[2] = {k_arena_format(arena, "%ctable/%s", 0, table),
                     k_arena_format(arena, "%cfamily/table/%s", 0, table)};
    struct k_str names[2] = {{keys[0], (uint32_t)strlen(table) + 7}, {keys[1], (uint32_t)strlen(table) + 14}},
                 values[2];
    struct k_error err;
    if (store->ops->get(store, 2, names, arena, values, &err) || !values[0].data || values[1].length != 4) return NULL;
    memcpy(ret_family, values[1].data, 4); // big-endian, as it is in keys
    return kappa__internal__table_info__unpack(NULL, values[0].length, (const uint8_t *)values[0].data);
}

static void row_line(struct lines *lines, const Kappa__Internal__TableInfo *info, const struct k_value *values)
{
    struct k_buf text = {0};
    for (size_t i = 0; i < info->n_column; i++) {
        k_buf_add_char(&text, i ? ',' : '{');
        k_json_string(&text, k_str_of(info->column[i]->name));
        k_buf_add_char(&text, ':');
        k_value_json(&text, &values[i]);
    }
    k_buf_add_char(&text, '}');
    add_line(lines, &text);
    k_buf_fini(&text);
}

static void read_table(struct world *w, struct k_store *store, const char *table, int64_t frontier_us,
                       struct lines *lines)
{
    struct k_arena arena;
    struct k_error err = {0};
    uint32_t family;
    k_arena_init(&arena);
    Kappa__Internal__TableInfo *info = table_info(store, table, &arena, &family);
    if (!info) {
        k_arena_fini(&arena); // never written: an empty table
        return;
    }
    char from[5] = {1}, to[6] = {1};
    memcpy(from + 1, &family, 4);
    memcpy(to + 1, &family, 4);
    memset(to + 5, 0xFF, 1);
    struct k_store_iterator *iterator;
    struct k_str key, bytes, upper = {to, 6};
    struct k_value values[64];
    K_ASSERT(info->n_column <= 64);
    int code = store->ops->iterate(store, (struct k_str){from, 5}, upper, &iterator, &err);
    while (!code && store->ops->next(iterator, &key, &bytes, &err)) {
        int64_t base_us;
        code = k_table_row_decode(bytes, (uint32_t)info->n_column, &base_us, values, &err);
        for (size_t i = 0; i < info->n_column; i++) values[i].type = (enum k_type)info->column[i]->type;
        bool expired = k_table_row_expired(base_us, info->has_retention_us ? info->retention_us : -1, frontier_us);
        if (!code && !expired) row_line(lines, info, values);
    }
    if (code || err.code) world_fail(w, "table %s cannot be read: %s", table, err.text);
    store->ops->iterate_end(iterator);
    kappa__internal__table_info__free_unpacked(info, NULL);
    k_arena_fini(&arena);
}

static void judge_table(struct world *w, struct reference *reference, struct k_store *store, const char *table,
                        const char *where, int64_t frontier_us)
{
    struct lines got = {0}, wanted = {0};
    struct k_buf text = {0};
    char what[64];
    uint32_t count;
    snprintf(what, sizeof what, "table %s of %s", table, where);
    read_table(w, store, table, frontier_us, &got);
    const struct reference_row *rows = reference_table(reference, table, &count);
    for (uint32_t i = 0; i < count; i++) {
        k_buf_add(&text, rows[i].row_json.data, rows[i].row_json.length);
        add_line(&wanted, &text);
    }
    k_buf_fini(&text);
    w->stats.table_rows += wanted.count;
    compare(w, what, &got, &wanted);
    free_lines(&got);
    free_lines(&wanted);
}

static void counter_line(struct lines *lines, const char *name, const uint64_t c[6])
{
    struct k_buf text = {0};
    static const char *const names[] = {"in", "processed", "filtered", "late", "dropped", "dead_lettered"};
    k_buf_add_text(&text, name);
    for (int i = 0; i < 6; i++) k_buf_printf(&text, " %s=%llu", names[i], (unsigned long long)c[i]);
    add_line(lines, &text);
    k_buf_fini(&text);
}

static void judge_counters(struct world *w, struct reference *reference, const Kappa__Internal__Position *position,
                           const char *where)
{
    struct lines got = {0}, wanted = {0};
    char what[64];
    uint32_t count;
    snprintf(what, sizeof what, "counters of %s", where);
    for (size_t i = 0; i < position->n_counters; i++) {
        const Kappa__Internal__Position__Counters *c = position->counters[i];
        uint64_t all[6] = {c->in, c->processed, c->filtered, c->late, c->dropped, c->dead_lettered};
        w->stats.features.late_rows += c->late;
        if (!scenario_is_loose(&w->scenario, k_str_of(c->node))) counter_line(&got, c->node, all);
        if (c->in != c->processed + c->filtered + c->late + c->dropped + c->dead_lettered)
            world_fail(w, "%s: the sum of %s does not hold", what, c->node);
    }
    const struct reference_counters *counters = reference_counters(reference, &count);
    for (uint32_t i = 0; i < count; i++) {
        const struct reference_counters *c = &counters[i];
        uint64_t all[6] = {c->in, c->processed, c->filtered, c->late, c->dropped, c->dead_lettered};
        if (!scenario_is_loose(&w->scenario, k_str_of(c->name))) counter_line(&wanted, c->name, all);
    }
    compare(w, what, &got, &wanted);
    free_lines(&got);
    free_lines(&wanted);
}

// Every worker has followed to the end or led there, so every disk must hold the same.
static void judge_disk(struct world *w, const struct walk *walk, struct worker *worker)
{
    struct k_store *store;
    struct k_error err;
    char where[32];
    struct disk *disk = &worker->disks[walk->shard];
    snprintf(where, sizeof where, "%s, shard %u", worker->name, walk->shard);
    Kappa__Internal__Position *position = world_position(disk);
    if (!position) {
        world_fail(w, "%s has no checkpoint", where);
        return;
    }
    if (position->final && position->sequence <= walk->point.sequence) {
        judge_counters(w, walk->reference, position, where);
        if (world_open_disk(disk, false, &store, &err)) {
            world_fail(w, "%s cannot be opened: %s", where, err.text);
        } else {
            int64_t frontier_us = position->has_frontier_us ? position->frontier_us : INT64_MIN;
            for (uint32_t t = 0; t < w->scenario.table_count && !w->failure.length; t++)
                judge_table(w, walk->reference, store, w->scenario.tables[t], where, frontier_us);
            store->ops->close(store);
        }
    } else {
        world_fail(w, "%s stands at journal record %llu (%s), the journal ends at %llu", where,
                   (unsigned long long)position->sequence, position->final ? "final" : "not final",
                   (unsigned long long)walk->point.sequence);
    }
    kappa__internal__position__free_unpacked(position, NULL);
}

void judge(struct world *w)
{
    struct walk walks[SHARDS_MAX] = {0};
    struct reference *references[SHARDS_MAX] = {0};
    const struct scenario *s = &w->scenario;
    for (uint32_t i = 0; i < s->shards && !w->failure.length; i++) references[i] = walk_journal(w, i, &walks[i]);
    for (uint32_t i = 0; i < s->sink_count && !w->failure.length; i++)
        judge_topic(w, references, s->sinks[i].topic, s->sinks[i].updating, s->sinks[i].ordered);
    for (uint32_t i = 0; i < s->late_count && !w->failure.length; i++)
        judge_topic(w, references, s->late_topics[i], false, false);
    if (!w->failure.length) judge_dead_letters(w, references);
    for (uint32_t i = 0; i < s->shards; i++)
        for (uint32_t j = 0; j < w->worker_count && !w->failure.length; j++) judge_disk(w, &walks[i], &w->workers[j]);
    for (uint32_t i = 0; i < s->shards; i++) reference_destroy(walks[i].reference);
}
