// For tests of the reference: a graph as text, records, and what is printed of the results.
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/reference/reference.h"

struct run {
    struct k_graph *graph;
    struct reference *reference;
    struct k_buf text;
    int64_t next[8]; // offsets, per partition
};

// The schema {"k string", "v int64", "d double", "ts timestamp"} and a source "in" of it with these more words in its
// time { }, then the rest of the graph. partitions: of the topic.
static inline void run_open(struct run *run, const char *time, const char *rest, int32_t partitions)
{
    struct k_diags diags = {0};
    struct k_error err = {0};
    *run = (struct run){0};
    k_buf_printf(&run->text,
                 "name: \"g\" schema { name: \"S\" field: \"k string\" field: \"v int64\" field: \"d double\" "
                 "field: \"ts timestamp\" } source { name: \"in\" kafka { topic: \"in\" } format { json {} } "
                 "schema: \"S\" time { expr: \"ts\" max_ahead: \"365d\" %s } } %s", time, rest);
    if (k_graph_read("test", k_buf_str(&run->text), K_FORM_TEXT, &diags, &run->graph)) {
        struct k_buf wrong = {0};
        k_diags_print(&diags, &wrong);
        fail_msg("%s", wrong.data);
    }
    if (reference_create(k_graph_message(run->graph), &partitions, &run->reference, &err)) fail_msg("%s", err.text);
}

static inline int run_feed(struct run *run, int32_t partition, const char *value)
{
    struct k_error err = {0};
    struct reference_record record = {.partition = partition, .offset = run->next[partition]++, .timestamp_us = 1000000,
                                      .value = k_str_of(value), .has_value = value != NULL};
    return reference_feed(run->reference, "in", &record, &err);
}

// {"k":k,"v":v,"ts":seconds} into a partition.
static inline void run_row(struct run *run, int32_t partition, const char *k, int v, int seconds)
{
    char value[128];
    snprintf(value, sizeof value, "{\"k\":\"%s\",\"v\":%d,\"ts\":%d}", k, v, seconds * 1000);
    assert_int_equal(run_feed(run, partition, value), 0);
}

static inline void run_final(struct run *run)
{
    struct k_error err = {0};
    assert_int_equal(reference_final(run->reference, &err), 0);
}

static inline void run_settle(struct run *run)
{
    struct k_error err = {0};
    assert_int_equal(reference_settle(run->reference, &err), 0);
}

// Compares what is printed; name: of one table or topic, or NULL.
static inline void run_expect(struct run *run, unsigned what, const char *name, const char *expected)
{
    struct k_buf out = {0};
    k_buf_add_text(&out, "");
    reference_print(run->reference, what, name, &out);
    assert_string_equal(out.data, expected);
    k_buf_fini(&out);
}

static inline void run_close(struct run *run)
{
    reference_destroy(run->reference);
    k_graph_destroy(run->graph);
    k_buf_fini(&run->text);
}
