// Given messages go in one by one, then the clock moves on, then the rows of each named place are compared as a net
// multiset: what was taken back is set off against what was given.
#include "cli/test_run.h"

#include "base/units.h"
#include "engine/rehearsal.h"
#include "proto/codes.h"
#include "proto/format.h"
#include "proto/json_walk.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { PARTITIONS_MAX = 10000, LETTERS_SHOWN = 5, VALUE_SHOWN = 100 };
static const int64_t first_time = 1767225600000000; // 2026-01-01T00:00:00Z

// A row as text, and how often it is there (net).
struct counted {
    char *row;
    int64_t net;
};
struct rows {
    const char *edge;
    struct counted *items;
    uint32_t count, capacity;
};

struct run {
    struct k_graph *graph;
    struct k_plan *plan;
    const Kappa__V1__Test *test;
    struct rows *rows; // by expectation
    struct k_buf *failures;
    struct k_buf text;
    uint32_t letters;
};

static void add_row(struct rows *rows, struct k_str row, int64_t weight)
{
    for (uint32_t i = 0; i < rows->count; i++) {
        if (strlen(rows->items[i].row) != row.length || memcmp(rows->items[i].row, row.data, row.length) != 0)
            continue;
        rows->items[i].net += weight;
        return;
    }
    if (rows->count == rows->capacity) {
        rows->capacity = rows->capacity ? rows->capacity * 2 : 16;
        rows->items = k_realloc(rows->items, rows->capacity * sizeof *rows->items);
    }
    rows->items[rows->count++] = (struct counted){k_strndup(row.data, row.length), weight};
}

static void tap(void *context, const char *edge, const struct k_batch *batch)
{
    struct run *r = context;
    for (size_t e = 0; e < r->test->n_expect; e++) {
        if (!r->rows[e].edge || strcmp(r->rows[e].edge, edge) != 0) continue;
        for (uint32_t i = 0; i < batch->selected; i++) {
            k_buf_clear(&r->text);
            k_row_json(&r->text, batch, batch->selection[i]);
            add_row(&r->rows[e], k_buf_str(&r->text), batch->weight ? batch->weight[batch->selection[i]] : 1);
        }
    }
}

__attribute__((format(printf, 3, 4))) static void fail_at(struct run *r, struct k_pos pos, const char *format, ...)
{
    if (pos.line) k_buf_printf(r->failures, "  %s:%u:%u: ", pos.file, pos.line, pos.column);
    else k_buf_add_text(r->failures, "  ");
    va_list arguments;
    va_start(arguments, format);
    char text[4096];
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    k_buf_add_text(r->failures, text);
    k_buf_add_char(r->failures, '\n');
}

// The edge whose rows an expectation means: an output by its name, or what a table or sink takes in.
static const struct k_edge *edge_of(struct run *r, const char *of)
{
    int32_t source, node;
    uint32_t port;
    if (k_plan_find_output(r->plan, of, &source, &node, &port))
        return source >= 0 ? &r->plan->sources[source].edge : &r->plan->nodes[node].outputs[port];
    for (uint32_t i = 0; i < r->plan->node_count; i++)
        if (r->plan->nodes[i].output_count == 0 && strcmp(r->plan->nodes[i].name, of) == 0)
            return r->plan->nodes[i].inputs[0];
    return NULL;
}

// A member of an expected row that is no column would be overlooked by the decoder: whole rows are compared.
static bool names_are_columns(struct run *r, struct k_pos pos, const struct k_schema *schema, struct k_str row)
{
    struct k_elements members;
    struct k_str key, value;
    uint32_t count = 0;
    bool good = true, object = k_members_begin(row, &members);
    while (object && k_members_next(&members, &key, &value)) {
        struct k_str name = {key.data + 1, key.length - 2};
        int32_t column = k_schema_find(schema, name);
        count++;
        if (column < 0 || schema->fields[column].hidden) {
            fail_at(r, pos, "an expected row has \"%.*s\", which is no column", (int)name.length, name.data);
            good = false;
        }
    }
    uint32_t visible = 0;
    for (uint32_t i = 0; i < schema->count; i++) visible += !schema->fields[i].hidden;
    if (good && count && !members.broken && count < visible) {
        fail_at(r, pos, "an expected row has %u of %u columns; whole rows are compared", count, visible);
        good = false;
    }
    return good;
}

// Expected rows are read as records of the edge's schema and printed again, so that both sides have one form.
static void expect_row(struct run *r, struct k_pos pos, const struct k_edge *edge, struct rows *rows,
                       const char *text)
{
    struct k_error err = {0};
    struct k_decoder *decoder;
    bool *read = k_new_array(bool, edge->schema.count + 1);
    for (uint32_t i = 0; i < edge->schema.count; i++) read[i] = !edge->schema.fields[i].hidden;
    // Columns by their own names, wherever the source has them in its records; hidden ones are left out.
    struct k_schema plain = {k_new_array(struct k_field, edge->schema.count + 1), 0};
    for (uint32_t i = 0; i < edge->schema.count; i++) {
        if (edge->schema.fields[i].hidden) continue;
        plain.fields[plain.count] = edge->schema.fields[i];
        plain.fields[plain.count++].json_path = NULL;
    }
    const struct k_decoder_options options = {.schema = &plain, .read = read, .validate_full = true};
    struct k_message message = {.value = k_str_of(text), .has_value = true};
    const struct k_message *messages[] = {&message};
    struct k_arena arena;
    struct k_decode_result result;
    k_arena_init(&arena);
    int code = k_decoder_json(&options, &decoder, &err);
    if (code) fail_at(r, pos, "%s", err.text);
    if (!code && names_are_columns(r, pos, &edge->schema, message.value)) {
        k_decode(decoder, messages, 1, &arena, &result);
        if (result.bad_count) {
            fail_at(r, pos, "an expected row is wrong: %s", result.bad[0].text);
        } else {
            uint32_t row = 0;
            struct k_batch batch = {
                .schema = &plain, .columns = result.columns, .rows = 1, .selection = &row, .selected = 1};
            k_buf_clear(&r->text);
            k_row_json(&r->text, &batch, 0);
            add_row(rows, k_buf_str(&r->text), -1);
        }
    }
    if (!code) k_decoder_destroy(decoder);
    k_arena_fini(&arena);
    free(plain.fields);
    free(read);
}

static void compare(struct run *r, const Kappa__V1__Test__Expect *expect, struct rows *rows)
{
    struct k_pos pos = k_graph_pos(r->graph, expect, "of", 0);
    const struct k_edge *edge = edge_of(r, expect->of);
    for (size_t i = 0; i < expect->n_row && edge; i++)
        expect_row(r, k_graph_pos(r->graph, expect, "row", (int)i), edge, rows, expect->row[i]);
    bool counts_only = expect->n_row == 0 && (expect->has_dead_letters || expect->has_late);
    for (uint32_t i = 0; i < rows->count && !counts_only; i++) {
        if (rows->items[i].net < 0)
            fail_at(r, pos, "\"%s\" did not give (%" PRId64 " times): %s", expect->of, -rows->items[i].net,
                    rows->items[i].row);
        if (rows->items[i].net > 0)
            fail_at(r, pos, "\"%s\" gave, unexpected (%" PRId64 " times): %s", expect->of, rows->items[i].net,
                    rows->items[i].row);
    }
}

static void compare_counts(struct run *r, struct k_machine *machine, const Kappa__V1__Test__Expect *expect)
{
    const struct k_counters *found = NULL;
    for (uint32_t i = 0; i < k_machine_counters_count(machine); i++) {
        const char *name;
        const struct k_counters *c = k_machine_counters(machine, i, &name);
        if (strcmp(name, expect->of) == 0) found = c;
    }
    struct k_pos pos = k_graph_pos(r->graph, expect, "of", 0);
    if (!found && (expect->has_dead_letters || expect->has_late)) {
        fail_at(r, pos, "\"%s\" counts no dead letters and no late rows; name a source or node", expect->of);
        return;
    }
    if (expect->has_dead_letters && (int64_t)found->dead_lettered != expect->dead_letters)
        fail_at(r, pos, "\"%s\" has %" PRIu64 " dead letters, %" PRId64 " are expected", expect->of,
                found->dead_lettered, expect->dead_letters);
    if (expect->has_late && (int64_t)found->late != expect->late)
        fail_at(r, pos, "\"%s\" has %" PRIu64 " late rows, %" PRId64 " are expected", expect->of, found->late,
                expect->late);
}

static struct k_str header(const struct k_message *message, const char *name)
{
    for (uint32_t i = 0; i < message->header_count; i++)
        if (k_str_equal(message->headers[i].name, k_str_of(name))) return message->headers[i].value;
    return (struct k_str){"", 0};
}

static void show_letter(void *context, const struct k_message *message)
{
    struct run *r = context;
    struct k_str node = header(message, "kappa.node"), error = header(message, "kappa.error"), value = message->value;
    if (++r->letters > LETTERS_SHOWN) return;
    bool cut = value.length > VALUE_SHOWN;
    k_buf_printf(r->failures, "  dead letter of \"%.*s\": %.*s: %.*s%s\n", (int)node.length, node.data,
                 (int)error.length, error.data, cut ? VALUE_SHOWN : (int)value.length, value.data, cut ? "…" : "");
}

// Where a test fails, what could not be processed is most often why.
static void show_letters(struct run *r, struct k_rehearsal *rehearsal)
{
    if (!r->failures->length) return;
    k_rehearsal_dead_letters(rehearsal, show_letter, r);
    if (r->letters > LETTERS_SHOWN)
        k_buf_printf(r->failures, "  and %u more dead letters\n", r->letters - LETTERS_SHOWN);
}

static int read_time(struct run *r, const void *message, const char *field, const char *text, int64_t *ret_us,
                     struct k_error *err)
{
    if (!text || k_time_parse(k_str_of(text), ret_us)) return 0;
    struct k_pos pos = k_graph_pos(r->graph, message, field, 0);
    return k_fail(err, K_E_CONFIG, "%s:%u:%u: error[%s]: \"%s\" is no time such as 2026-01-01T00:00:07Z", pos.file,
                  pos.line, pos.column, K0212, text);
}

static int send(struct run *r, struct k_rehearsal *rehearsal, const Kappa__V1__Test__Given *given, int64_t at_us,
                struct k_error *err)
{
    int32_t source, node;
    uint32_t port;
    struct k_pos pos = k_graph_pos(r->graph, given, "source", 0);
    if (!given->source || !k_plan_find_output(r->plan, given->source, &source, &node, &port) || source < 0)
        return k_fail(err, K_E_CONFIG, "%s:%u:%u: error[%s]: there is no source \"%s\"", pos.file, pos.line,
                      pos.column, K0212, given->source ? given->source : "");
    if (given->has_value_bytes && (given->value || given->null_value)) {
        pos = k_graph_pos(r->graph, given, "value_bytes", 0);
        return k_fail(err, K_E_CONFIG, "%s:%u:%u: error[%s]: value_bytes and another value: a message has one",
                      pos.file, pos.line, pos.column, K0212);
    }
    struct k_str bytes = {(const char *)given->value_bytes.data, (uint32_t)given->value_bytes.len};
    struct k_header *headers = k_new_array(struct k_header, given->n_header + 1);
    for (size_t i = 0; i < given->n_header; i++)
        headers[i] = (struct k_header){k_str_of(given->header[i]->name), k_str_of(given->header[i]->value),
                                       !given->header[i]->value};
    struct k_out_message message = {.topic = r->plan->sources[source].topic,
                                    .partition = given->has_partition ? given->partition : 0,
                                    .key = k_str_of(given->key),
                                    .has_key = given->key != NULL,
                                    .value = given->has_value_bytes ? bytes : k_str_of(given->value),
                                    .has_value = given->has_value_bytes || (given->value && !given->null_value),
                                    .timestamp_us = at_us,
                                    .headers = headers,
                                    .header_count = (uint32_t)given->n_header};
    k_rehearsal_send(rehearsal, &message);
    free(headers);
    return 0;
}

static void count_partitions(struct run *r, uint32_t *partitions)
{
    for (uint32_t i = 0; i < r->plan->source_count; i++) {
        partitions[i] = 1;
        for (size_t g = 0; g < r->test->n_given; g++) {
            const Kappa__V1__Test__Given *given = r->test->given[g];
            if (given->source && strcmp(given->source, r->plan->sources[i].name) == 0 && given->has_partition &&
                given->partition >= (int32_t)partitions[i])
                partitions[i] = (uint32_t)given->partition + 1;
        }
    }
}

static int play(struct run *r, struct k_rehearsal *rehearsal, int64_t at_us, struct k_error *err)
{
    int code = 0;
    for (size_t g = 0; g < r->test->n_given && !code; g++) {
        const Kappa__V1__Test__Given *given = r->test->given[g];
        code = read_time(r, given, "at", given->at, &at_us, err);
        if (!code) code = k_rehearsal_advance(rehearsal, at_us, err);
        if (!code) code = send(r, rehearsal, given, at_us, err);
    }
    if (!code) code = k_rehearsal_advance(rehearsal, at_us, err);
    if (!code) code = read_time(r, r->test, "advance_to", r->test->advance_to, &at_us, err);
    if (!code) code = k_rehearsal_advance(rehearsal, at_us, err);
    return code;
}

int test_run(struct k_graph *graph, struct k_plan *plan, const Kappa__V1__Test *test, uint64_t seed,
             struct k_buf *failures, struct k_error *err)
{
    struct run r = {.graph = graph, .plan = plan, .test = test, .failures = failures};
    r.rows = k_new_array(struct rows, test->n_expect + 1);
    for (size_t e = 0; e < test->n_expect; e++) {
        const struct k_edge *edge = test->expect[e]->of ? edge_of(&r, test->expect[e]->of) : NULL;
        if (edge) r.rows[e].edge = edge->name;
        else
            fail_at(&r, k_graph_pos(graph, test->expect[e], "of", 0), "error[%s]: there is no \"%s\"", K0212,
                    test->expect[e]->of ? test->expect[e]->of : "");
    }
    int64_t at_us = first_time;
    int code = test->n_given ? read_time(&r, test->given[0], "at", test->given[0]->at, &at_us, err) : 0;
    for (size_t g = 0; g < test->n_given && !code; g++) {
        struct k_pos pos = k_graph_pos(graph, test->given[g], "partition", 0);
        if (!test->given[g]->has_partition ||
            (test->given[g]->partition >= 0 && test->given[g]->partition < PARTITIONS_MAX))
            continue;
        code = k_fail(err, K_E_CONFIG, "%s:%u:%u: error[%s]: partition %d is not between 0 and %d", pos.file,
                      pos.line, pos.column, K0212, test->given[g]->partition, PARTITIONS_MAX - 1);
    }
    uint32_t *partitions = k_new_array(uint32_t, plan->source_count + 1);
    if (!code) count_partitions(&r, partitions);
    struct k_rehearsal *rehearsal = NULL;
    if (!code) code = k_rehearsal_create(plan, seed, at_us, partitions, tap, &r, &rehearsal, err);
    if (!code) code = play(&r, rehearsal, at_us, err);
    for (size_t e = 0; e < test->n_expect && !code; e++) {
        if (!r.rows[e].edge) continue;
        compare(&r, test->expect[e], &r.rows[e]);
        compare_counts(&r, k_rehearsal_machine(rehearsal), test->expect[e]);
    }
    if (!code) show_letters(&r, rehearsal);
    k_rehearsal_destroy(rehearsal);
    for (size_t e = 0; e < test->n_expect; e++) {
        for (uint32_t i = 0; i < r.rows[e].count; i++) free(r.rows[e].items[i].row);
        free(r.rows[e].items);
    }
    free(r.rows);
    free(partitions);
    k_buf_fini(&r.text);
    return code;
}
