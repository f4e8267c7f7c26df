// What came out: as arrays, and as lines of JSON that are equal for equal results.
#include <stdlib.h>

#include "base/json_out.h"
#include "tests/reference/inside.h"

static struct node *find_node(struct reference *r, enum node_kind kind, const char *name)
{
    for (uint32_t n = 0; n < r->node_count; n++)
        if (r->nodes[n]->kind == kind && strcmp(r->nodes[n]->name, name) == 0) return r->nodes[n];
    return NULL;
}

static int by_key(const void *left, const void *right)
{
    const struct reference_row *a = left, *b = right;
    return k_str_compare(a->key_json, b->key_json);
}

const struct reference_row *reference_table(struct reference *r, const char *table, uint32_t *ret_count)
{
    struct node *node = find_node(r, NODE_TABLE, table);
    *ret_count = 0;
    if (!node) return NULL;
    struct store *store = node->store;
    // At its end event time is infinite, and every row with a retention would be gone: a table is read at the frontier
    // that the records themselves had reached.
    int64_t frontier = r->final ? r->final_frontier : r->frontier, last;
    struct reference_row *rows = k_arena_array(&r->arena, struct reference_row, store->map.count);
    for (struct entry *entry = store->map.first; entry; entry = entry->after) {
        const struct stored *stored = map_value(entry);
        bool overflow = __builtin_add_overflow(stored->time, store->retention, &last);
        if (store->retention >= 0 && !overflow && last <= frontier) continue;
        rows[(*ret_count)++] = (struct reference_row){entry->key, stored->row_json, stored->time};
    }
    qsort(rows, *ret_count, sizeof *rows, by_key);
    return rows;
}

const struct reference_message *reference_topic(struct reference *r, const char *topic, uint32_t *ret_count)
{
    *ret_count = 0;
    for (uint32_t i = 0; i < r->topic_count; i++) {
        if (strcmp(r->topics[i].name, topic) != 0) continue;
        *ret_count = r->topics[i].count;
        return r->topics[i].messages;
    }
    return NULL;
}

const char *const *reference_topics(struct reference *r, uint32_t *ret_count)
{
    r->topic_names = k_arena_array(&r->arena, const char *, r->topic_count);
    for (uint32_t i = 0; i < r->topic_count; i++) r->topic_names[i] = r->topics[i].name;
    *ret_count = r->topic_count;
    return r->topic_names;
}

const struct reference_dead_letter *reference_dead_letters(struct reference *r, uint32_t *ret_count)
{
    *ret_count = r->letter_count;
    return r->letters;
}

const struct reference_counters *reference_counters(struct reference *r, uint32_t *ret_count)
{
    if (!r->counters) r->counters = k_arena_array(&r->arena, struct reference_counters, r->node_count);
    for (uint32_t i = 0; i < r->node_count; i++) r->counters[i] = r->by_graph[i]->counters;
    *ret_count = r->node_count;
    return r->counters;
}

// Tables and sinks show what they are given.
static struct output *watched(struct reference *r, const char *name)
{
    struct output *output = find_output(r, name);
    for (uint32_t n = 0; n < r->node_count && !output; n++) {
        struct node *node = r->nodes[n];
        if (node->output_count == 0 && strcmp(node->name, name) == 0) output = node->input;
    }
    return output;
}

int reference_watch(struct reference *r, const char *name, struct k_error *err)
{
    struct output *output = watched(r, name);
    if (!output) return k_fail(err, K_E_NOT_FOUND, "there is no output \"%s\"", name);
    if (output->net) return 0;
    output->net = k_arena_zeroed(&r->arena, sizeof *output->net);
    *output->net = (struct map){.arena = &r->arena, .value_size = sizeof(int64_t)};
    // Whole rows are compared, so whole rows are read; what that means for the nodes before is found by looking again
    // from the readers to the sources.
    for (uint32_t i = 0; i < output->count; i++)
        if (!output->columns[i].hidden) output->read[i] = true;
    for (uint32_t n = r->node_count; n-- > 0;) {
        struct node *node = r->nodes[n];
        for (uint32_t c = 0; node->kind == NODE_MAP && c < node->outputs[0].count; c++)
            if (node->from[c] >= 0 && node->outputs[0].read[c]) node->input->read[node->from[c]] = true;
    }
    return 0;
}

static int by_row(const void *left, const void *right)
{
    const struct reference_net *a = left, *b = right;
    return k_str_compare(a->row_json, b->row_json);
}

const struct reference_net *reference_net(struct reference *r, const char *name, uint32_t *ret_count)
{
    struct output *output = watched(r, name);
    *ret_count = 0;
    if (!output || !output->net) return NULL;
    struct reference_net *items = k_arena_array(&r->arena, struct reference_net, output->net->count);
    for (struct entry *entry = output->net->first; entry; entry = entry->after) {
        int64_t weight = *(int64_t *)map_value(entry);
        if (weight) items[(*ret_count)++] = (struct reference_net){entry->key, weight};
    }
    qsort(items, *ret_count, sizeof *items, by_row);
    return items;
}

// --- text ---------------------------------------------------------------------------------------------------------

// Lines, each a piece of one buffer until they are sorted.
struct lines {
    struct k_buf text;
    size_t *starts;
    uint32_t count, capacity;
};

static struct k_buf *new_line(struct lines *lines)
{
    if (lines->count == lines->capacity) {
        lines->capacity = lines->capacity ? lines->capacity * 2 : 64;
        lines->starts = k_realloc(lines->starts, lines->capacity * sizeof *lines->starts);
    }
    lines->starts[lines->count++] = lines->text.length;
    return &lines->text;
}

static void add_bytes(struct k_buf *out, const char *name, bool there, struct k_str bytes)
{
    k_buf_printf(out, ",\"%s", name);
    if (!there) {
        k_buf_add_text(out, "\":null");
    } else if (utf8_valid(bytes)) {
        k_buf_add_text(out, "\":");
        k_json_string(out, bytes);
    } else {
        k_buf_add_text(out, "_base64\":");
        k_json_base64(out, bytes);
    }
}

static void add_word(struct k_buf *out, const char *before, const char *word)
{
    k_buf_add_text(out, before);
    if (word) k_json_string(out, k_str_of(word));
    else k_buf_add_text(out, "null");
}

static void print_tables(struct reference *r, const char *name, struct lines *lines)
{
    for (uint32_t n = 0; n < r->node_count; n++) {
        struct node *node = r->nodes[n];
        if (node->kind != NODE_TABLE || (name && strcmp(name, node->name) != 0)) continue;
        uint32_t count;
        const struct reference_row *rows = reference_table(r, node->name, &count);
        for (uint32_t i = 0; i < count; i++) {
            struct k_buf *line = new_line(lines);
            add_word(line, "{\"table\":", node->name);
            k_buf_add_text(line, ",\"row\":");
            k_buf_add(line, rows[i].row_json.data, rows[i].row_json.length);
            k_buf_add_char(line, '}');
        }
    }
}

static bool is_dead_letter_topic(const struct reference *r, const char *topic)
{
    for (uint32_t n = 0; n < r->node_count; n++)
        if (strcmp(r->nodes[n]->dead_letter_topic, topic) == 0) return true;
    return false;
}

static void print_message(struct lines *lines, const char *kind, const char *topic,
                          const struct reference_message *message)
{
    struct k_buf *line = new_line(lines);
    k_buf_printf(line, "{\"%s\":", kind);
    add_word(line, "", topic);
    add_bytes(line, "key", message->has_key, message->key);
    add_bytes(line, "value", message->has_value, message->value);
    k_buf_add_char(line, '}');
}

// The last message of each key; without a key, every message.
static void print_last(struct lines *lines, const struct topic *topic)
{
    struct k_arena arena;
    k_arena_init(&arena);
    struct map last = {.arena = &arena, .value_size = sizeof(uint32_t)};
    for (uint32_t i = 0; i < topic->count; i++) {
        bool is_new;
        if (topic->messages[i].has_key)
            *(uint32_t *)map_value(map_put(&last, topic->messages[i].key, &is_new)) = i;
        else print_message(lines, "last", topic->name, &topic->messages[i]);
    }
    for (struct entry *entry = last.first; entry; entry = entry->after)
        print_message(lines, "last", topic->name, &topic->messages[*(uint32_t *)map_value(entry)]);
    map_fini(&last);
    k_arena_fini(&arena);
}

static void print_dead_letters(struct reference *r, struct lines *lines)
{
    for (uint32_t i = 0; i < r->letter_count; i++) {
        const struct reference_dead_letter *letter = &r->letters[i];
        struct k_buf *line = new_line(lines);
        add_word(line, "{\"dead_letter\":", letter->dead_letter_topic);
        add_word(line, ",\"node\":", letter->node);
        add_word(line, ",\"reason\":", letter->reason);
        add_word(line, ",\"topic\":", letter->topic);
        k_buf_printf(line, ",\"partition\":%d,\"offset\":%lld", letter->partition, (long long)letter->offset);
        add_bytes(line, "key", letter->has_key, letter->key);
        add_bytes(line, "value", letter->has_value, letter->value);
        k_buf_add_char(line, '}');
    }
}

static void print_counters(struct reference *r, struct lines *lines)
{
    uint32_t count;
    const struct reference_counters *counters = reference_counters(r, &count);
    for (uint32_t i = 0; i < count; i++) {
        const struct reference_counters *c = &counters[i];
        struct k_buf *line = new_line(lines);
        add_word(line, "{\"counters\":", c->name);
        k_buf_printf(line, ",\"in\":%llu,\"processed\":%llu,\"filtered\":%llu,\"late\":%llu,\"dropped\":%llu,"
                     "\"dead_lettered\":%llu,\"out\":%llu}", (unsigned long long)c->in,
                     (unsigned long long)c->processed,
                     (unsigned long long)c->filtered, (unsigned long long)c->late, (unsigned long long)c->dropped,
                     (unsigned long long)c->dead_lettered, (unsigned long long)c->out);
    }
}

static int by_text(const void *left, const void *right)
{
    const struct k_str *a = left, *b = right;
    return k_str_compare(*a, *b);
}

static void add_sorted(struct lines *lines, struct k_buf *out)
{
    struct k_str *sorted = k_new_array(struct k_str, lines->count);
    for (uint32_t i = 0; i < lines->count; i++) {
        size_t end = i + 1 < lines->count ? lines->starts[i + 1] : lines->text.length;
        sorted[i] = (struct k_str){lines->text.data + lines->starts[i], (uint32_t)(end - lines->starts[i])};
    }
    qsort(sorted, lines->count, sizeof *sorted, by_text);
    for (uint32_t i = 0; i < lines->count; i++) {
        k_buf_add(out, sorted[i].data, sorted[i].length);
        k_buf_add_char(out, '\n');
    }
    free(sorted);
    free(lines->starts);
    k_buf_fini(&lines->text);
}

void reference_print(struct reference *r, unsigned what, const char *name, struct k_buf *out)
{
    struct lines lines = {0};
    if (what & REFERENCE_TABLES) print_tables(r, name, &lines);
    for (uint32_t i = 0; i < r->topic_count; i++) {
        const struct topic *topic = &r->topics[i];
        if (name ? strcmp(name, topic->name) != 0 : is_dead_letter_topic(r, topic->name)) continue;
        for (uint32_t m = 0; what & REFERENCE_TOPICS && m < topic->count; m++)
            print_message(&lines, "message", topic->name, &topic->messages[m]);
        if (what & REFERENCE_LAST) print_last(&lines, topic);
    }
    if (what & REFERENCE_DEAD_LETTERS) print_dead_letters(r, &lines);
    if (what & REFERENCE_COUNTERS) print_counters(r, &lines);
    add_sorted(&lines, out);
}
