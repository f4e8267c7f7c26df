// Changes of a graph: each takes the message, changes it in one place, and says whether it found such a place. Whether
// a graph came of it is for the reader and the plan to say; what they refuse is tried anew.
#include "tests/sim/change.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/print.h"
#include "proto/protobuf.h"
#include "replay/change.h"

typedef Kappa__V1__Graph Graph;
typedef Kappa__V1__Node Node;

static void put(char **text, char *now)
{
    free(*text); // protobuf-c's own allocator is malloc
    *text = now;
}

// --- expressions

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '\'';
}

// Another number in place of one, or its opposite: a condition that was wrong.
static void correct(uint64_t *random, char **text)
{
    char *digits[16], *old = *text;
    uint32_t count = 0;
    for (char *c = old; *c && count < 16; c++) {
        bool alone = isdigit((unsigned char)*c) && (c == old || !is_word(c[-1])) && !is_word(c[1]) && c[1] != '.';
        if (alone) digits[count++] = c;
    }
    if (!count) {
        put(text, k_format("NOT coalesce(%s, false)", old));
        return;
    }
    char *c = digits[k_random_below(random, count)];
    *c = (char)('1' + (*c - '0' + (int)k_random_below(random, 8)) % 9); // never 0: something may be divided by it
}

static bool change_expression(uint64_t *random, Graph *graph)
{
    char **places[64];
    uint32_t count = 0;
    for (size_t i = 0; i < graph->n_node; i++) {
        Node *node = graph->node[i];
        if (node->operator_case == KAPPA__V1__NODE__OPERATOR_FILTER) places[count++] = &node->filter->where;
        if (node->operator_case == KAPPA__V1__NODE__OPERATOR_ROUTE)
            for (size_t c = 0; c < node->route->n_case_; c++) places[count++] = &node->route->case_[c]->when;
        if (node->operator_case == KAPPA__V1__NODE__OPERATOR_MAP)
            for (size_t c = 0; c < node->map->n_set; c++)
                if (strpbrk(node->map->set[c], "123456789")) places[count++] = &node->map->set[c];
        if (node->operator_case == KAPPA__V1__NODE__OPERATOR_EVENT_TIME) places[count++] = &node->event_time->expr;
        if (count > 48) break;
    }
    if (!count) return false;
    correct(random, places[k_random_below(random, count)]);
    return true;
}

// --- aggregates

static Kappa__V1__Aggregate *find_aggregate(uint64_t *random, const Graph *graph, bool windowed)
{
    Kappa__V1__Aggregate *found = NULL;
    uint32_t count = 0;
    for (size_t i = 0; i < graph->n_node; i++) {
        if (graph->node[i]->operator_case != KAPPA__V1__NODE__OPERATOR_AGGREGATE) continue;
        Kappa__V1__Aggregate *a = graph->node[i]->aggregate;
        if (windowed && (!a->window || a->window->kind_case == KAPPA__V1__AGGREGATE__WINDOW__KIND_INHERIT)) continue;
        if (k_random_below(random, ++count) == 0) found = a;
    }
    return found;
}

static bool add_aggregate(uint64_t *random, Graph *graph)
{
    static const char *const calls[] = {"count(*)", "sum(n)", "max(n)", "count(opt)", "min(k)"};
    Kappa__V1__Aggregate *a = find_aggregate(random, graph, false);
    if (!a) return false;
    a->select = k_realloc(a->select, (a->n_select + 1) * sizeof *a->select);
    a->select[a->n_select++] = k_format("%s AS added", calls[k_random_below(random, 5)]);
    return true;
}

static bool change_window(uint64_t *random, Graph *graph)
{
    Kappa__V1__Aggregate *a = find_aggregate(random, graph, true);
    if (!a) return false;
    Kappa__V1__Aggregate__Window *window = a->window;
    int64_t every = between(random, 1, 8) * 500;
    if (window->kind_case == KAPPA__V1__AGGREGATE__WINDOW__KIND_TUMBLING) {
        put(&window->tumbling->size, k_format("%lldms", (long long)every));
        return true;
    }
    put(&window->hopping->every, k_format("%lldms", (long long)every));
    put(&window->hopping->size, k_format("%lldms", (long long)(every * between(random, 2, 4))));
    return true;
}

// --- what is added

static void read_instead(char **input, const char *name, const char *instead)
{
    if (strcmp(*input, name) == 0) put(input, k_strdup(instead));
}

// A condition before a table and whatever else reads the same.
static bool add_node(uint64_t *random, Graph *graph)
{
    static const char *const conditions[] = {"<> 'a'", "% 2 = 0", "IS NOT NULL AND n > 2"};
    if (!graph->n_table) return false;
    const Kappa__V1__Table *table = graph->table[k_random_below(random, graph->n_table)];
    char *input = k_strdup(table->input);
    char *where = k_format("%s %s", table->key[0], conditions[k_random_below(random, 3)]);
    Node *node = k_alloc(sizeof *node);
    kappa__v1__node__init(node);
    node->name = k_strdup("added");
    node->n_input = 1;
    node->input = k_alloc(sizeof *node->input);
    node->input[0] = k_strdup(input);
    node->operator_case = KAPPA__V1__NODE__OPERATOR_FILTER;
    node->filter = k_alloc(sizeof *node->filter);
    kappa__v1__filter__init(node->filter);
    node->filter->where = where;
    for (size_t i = 0; i < graph->n_table; i++) read_instead(&graph->table[i]->input, input, "added");
    for (size_t i = 0; i < graph->n_sink; i++) read_instead(&graph->sink[i]->input, input, "added");
    graph->node = k_realloc(graph->node, (graph->n_node + 1) * sizeof *graph->node);
    graph->node[graph->n_node++] = node;
    free(input);
    return true;
}

// --- sources

static bool change_idle(uint64_t *random, Graph *graph)
{
    Kappa__V1__Source *source = graph->source[k_random_below(random, graph->n_source)];
    if (!source->time) return false;
    if (source->time->idle && one_in(random, 3)) put(&source->time->idle, NULL);
    else put(&source->time->idle, k_format("%dms", (int)between(random, 100, 20000)));
    return true;
}

// --- what is left out

#define REMOVE(list, count, at, free_it)                                              \
    do {                                                                              \
        free_it((list)[at], NULL);                                                    \
        memmove(&(list)[at], &(list)[(at) + 1], (--(count) - (at)) * sizeof *(list)); \
    } while (0)

// Whether an input is an output of this one: of its name, or a port of it.
static bool reads(const char *input, const char *name)
{
    size_t length = strlen(name);
    return strncmp(input, name, length) == 0 && (!input[length] || input[length] == '.');
}

static void remove_readers(Graph *graph, const char *name);

static void remove_node(Graph *graph, size_t at)
{
    char *name = k_strdup(graph->node[at]->name);
    REMOVE(graph->node, graph->n_node, at, kappa__v1__node__free_unpacked);
    remove_readers(graph, name);
    free(name);
}

// Whoever read it goes, too; a union that still has two other inputs does without it.
static void remove_readers(Graph *graph, const char *name)
{
    for (size_t i = graph->n_table; i-- > 0;)
        if (reads(graph->table[i]->input, name))
            REMOVE(graph->table, graph->n_table, i, kappa__v1__table__free_unpacked);
    for (size_t i = graph->n_sink; i-- > 0;)
        if (reads(graph->sink[i]->input, name)) REMOVE(graph->sink, graph->n_sink, i, kappa__v1__sink__free_unpacked);
    for (size_t i = 0; i < graph->n_node;) {
        Node *node = graph->node[i++];
        bool has = false;
        for (size_t j = node->n_input; j-- > 0;) {
            if (!reads(node->input[j], name)) continue;
            has = true;
            free(node->input[j]);
            memmove(&node->input[j], &node->input[j + 1], (--node->n_input - j) * sizeof *node->input);
        }
        if (!has || (node->operator_case == KAPPA__V1__NODE__OPERATOR_UNION && node->n_input > 1)) continue;
        remove_node(graph, i - 1);
        i = 0; // others may have gone with it
    }
}

static bool remove_source(uint64_t *random, Graph *graph)
{
    if (graph->n_source < 2) return false;
    size_t at = (size_t)k_random_below(random, graph->n_source);
    char *name = k_strdup(graph->source[at]->name);
    REMOVE(graph->source, graph->n_source, at, kappa__v1__source__free_unpacked);
    remove_readers(graph, name);
    free(name);
    return graph->n_table + graph->n_sink > 0;
}

// A node between others: its readers read what it read. Or one with all that hangs on it.
static bool take_node_out(uint64_t *random, Graph *graph)
{
    if (!graph->n_node) return false;
    size_t at = (size_t)k_random_below(random, graph->n_node);
    Node *node = graph->node[at];
    bool passes = node->operator_case == KAPPA__V1__NODE__OPERATOR_FILTER ||
                  node->operator_case == KAPPA__V1__NODE__OPERATOR_EVENT_TIME;
    if (passes) {
        for (size_t i = 0; i < graph->n_node; i++)
            for (size_t j = 0; j < graph->node[i]->n_input; j++)
                if (i != at) read_instead(&graph->node[i]->input[j], node->name, node->input[0]);
        for (size_t i = 0; i < graph->n_table; i++) read_instead(&graph->table[i]->input, node->name, node->input[0]);
        for (size_t i = 0; i < graph->n_sink; i++) read_instead(&graph->sink[i]->input, node->name, node->input[0]);
    }
    remove_node(graph, at);
    return graph->n_table + graph->n_sink > 0;
}

// --- the whole

// A source is added the other way round: the first graph is the whole one without it (change_lacks).
#define CHANGES(X)                                                                          \
    X(change_expression, changed_expression)                                                \
    X(add_aggregate, added_aggregate)                                                       \
    X(add_node, added_node) X(take_node_out, removed_node) X(change_window, changed_window) \
        X(change_idle, changed_idle) X(remove_source, removed_source)

static bool make(struct scenario *s, const Graph *graph)
{
    struct k_diags diags = {0};
    struct k_buf bytes = {0};
    k_protobuf_pack(&graph->base, &bytes);
    int code = k_graph_read("second.binpb", k_buf_str(&bytes), K_FORM_BINARY, &diags, &s->graph);
    if (!code) code = k_plan_make(s->graph, s->shards, &diags, &s->plan);
    if (code) k_graph_destroy(s->graph), s->graph = NULL;
    k_diags_fini(&diags);
    k_buf_fini(&bytes);
    return code == 0;
}

static void keep_what_is_there(struct scenario *s, const Graph *graph)
{
    uint32_t sources = 0, sinks = 0, tables = 0;
    for (uint32_t i = 0; i < s->source_count; i++)
        for (size_t j = 0; j < graph->n_source; j++)
            if (strcmp(s->sources[i].name, graph->source[j]->name) == 0) s->sources[sources++] = s->sources[i];
    for (uint32_t i = 0; i < s->sink_count; i++)
        for (size_t j = 0; j < graph->n_sink; j++)
            if (strcmp(s->sinks[i].name, graph->sink[j]->name) == 0) s->sinks[sinks++] = s->sinks[i];
    for (uint32_t i = 0; i < s->table_count; i++)
        for (size_t j = 0; j < graph->n_table; j++) {
            if (strcmp(s->tables[i], graph->table[j]->name) != 0) continue;
            s->overwritten[tables] = s->overwritten[i];
            memmove(s->tables[tables++], s->tables[i], sizeof s->tables[i]);
        }
    s->source_count = sources;
    s->sink_count = sinks;
    s->table_count = tables;
}

static const struct k_change_item *find(const struct k_change *change, struct k_str name)
{
    for (uint32_t i = 0; i < change->count; i++)
        if (k_str_equal(k_str_of(change->items[i].name), name)) return &change->items[i];
    return NULL;
}

bool change_keeps(const struct scenario *first, const struct scenario *second, const char *name)
{
    struct k_arena arena;
    struct k_change change;
    k_arena_init(&arena);
    k_change_make(first->plan, second->plan, NULL, &arena, &change);
    const struct k_change_item *item = find(&change, k_str_of(name));
    bool keeps = item && item->fate == K_FATE_KEEP;
    for (uint32_t i = 0; i < second->plan->node_count && keeps; i++) {
        const struct k_node *node = &second->plan->nodes[i];
        int32_t table = strcmp(node->name, name) == 0 && k_plan_is_keyed_sink(node)
                            ? k_plan_table_of_sink(second->plan, node)
                            : -1;
        // A difference is of the table, whose rows may expire at another time.
        if (table >= 0) item = find(&change, k_str_of(second->plan->nodes[table].name));
        keeps = item && item->fate == K_FATE_KEEP;
    }
    k_arena_fini(&arena);
    return keeps;
}

// Whether something that a sink is made of was written otherwise, and not only the times that windows wait for.
static bool is_rewritten(const struct k_change *change, const char *name)
{
    const struct k_change_item *item = find(change, k_str_of(name));
    const char *end;
    while (item && item->reason && strncmp(item->reason, "its input \"", 11) == 0 &&
           (end = strchr(item->reason + 11, '"')))
        item = find(change, (struct k_str){item->reason + 11, (uint32_t)(end - item->reason - 11)});
    return item && item->reason && strcmp(item->reason, "its definition is another") == 0 &&
           strcmp(item->kind, "source") != 0;
}

// Whether a difference would have something to write: a keyed sink with a table is made of something else.
static bool matters(const struct scenario *first, const struct scenario *second)
{
    struct k_arena arena;
    struct k_change change;
    bool matters = false;
    k_arena_init(&arena);
    k_change_make(first->plan, second->plan, NULL, &arena, &change);
    for (uint32_t i = 0; i < second->plan->node_count && !matters; i++) {
        const struct k_node *node = &second->plan->nodes[i];
        matters = k_plan_is_keyed_sink(node) && k_plan_table_of_sink(second->plan, node) >= 0 &&
                  is_rewritten(&change, node->name);
    }
    k_arena_fini(&arena);
    return matters;
}

typedef bool (*change)(uint64_t *, Graph *);
static const change changes[] = {
#define X(function, count) function,
    CHANGES(X)
#undef X
};
enum { CHANGE_COUNT = sizeof changes / sizeof *changes };

// Without text, graph and plan.
static Graph *copy_of(const struct scenario *from, struct k_str bytes, struct scenario *ret)
{
    *ret = *from;
    ret->text = (struct k_buf){0};
    ret->graph = NULL;
    ret->plan = NULL;
    return kappa__v1__graph__unpack(NULL, bytes.length, (const uint8_t *)bytes.data);
}

// What stands before a table takes the rows that the table took.
static void note_loose(struct scenario *s, const Graph *graph)
{
    for (size_t i = 0; i < graph->n_table; i++) {
        const Kappa__V1__Table *table = graph->table[i];
        if (strcmp(table->input, "added") != 0 || !scenario_is_loose(s, k_str_of(table->name))) continue;
        K_ASSERT(s->loose_count < LOOSE_MAX);
        snprintf(s->loose[s->loose_count++], sizeof s->loose[0], "added");
        return;
    }
}

static bool take(Graph *graph, bool good, struct scenario *ret)
{
    if (good) {
        keep_what_is_there(ret, graph);
        note_loose(ret, graph);
        k_print(k_graph_document(ret->graph), K_FORM_TEXT, &ret->text);
    } else {
        scenario_fini(ret);
        *ret = (struct scenario){0};
    }
    kappa__v1__graph__free_unpacked(graph, NULL);
    return good;
}

bool change_lacks(const struct scenario *from, uint64_t *random, struct scenario *ret)
{
    struct k_buf bytes = {0};
    k_graph_canonical(from->plan->message, &bytes);
    Graph *graph = copy_of(from, k_buf_str(&bytes), ret);
    k_buf_fini(&bytes);
    return take(graph, remove_source(random, graph) && make(ret, graph), ret);
}

// One attempt: at most two changes.
static bool attempt(const struct scenario *from, struct k_str bytes, uint64_t *random, bool *made,
                    struct scenario *ret)
{
    Graph *graph = copy_of(from, bytes, ret);
    bool some = false;
    for (int n = one_in(random, 3) ? 2 : 1; n > 0; n--) {
        // More of the first three, by which most rows come out otherwise.
        uint64_t which = k_random_below(random, one_in(random, 3) ? 3 : CHANGE_COUNT);
        bool one = changes[which](random, graph);
        made[which] |= one;
        some |= one;
    }
    bool good = some && make(ret, graph) && strcmp(ret->plan->fingerprint, from->plan->fingerprint) != 0;
    return take(graph, good, ret);
}

bool change_draw(const struct scenario *from, uint64_t *random, struct stats *stats, struct scenario *ret)
{
    enum { ATTEMPTS = 14 };
    int choosy = one_in(random, 2) ? 8 : 0; // of some attempts: only what differences are about
    struct k_buf bytes = {0};
    bool made[CHANGE_COUNT], good = false;
    k_graph_canonical(from->plan->message, &bytes);
    for (int n = 0; n < ATTEMPTS && !good; n++) {
        memset(made, 0, sizeof made);
        good = attempt(from, k_buf_str(&bytes), random, made, ret);
        if (!good || n >= choosy || matters(from, ret)) continue;
        scenario_fini(ret);
        good = false;
    }
    k_buf_fini(&bytes);
    if (!good) return false;
    uint64_t *counts[] = {
#define X(function, count) &stats->features.count,
        CHANGES(X)
#undef X
    };
    for (int i = 0; i < CHANGE_COUNT; i++) *counts[i] += made[i];
    return true;
}
