// Watermarks, idleness and the frontier of a shard, against cases worked out by hand from the definitions.
#include "tests/base/test.h"

#include <stdio.h>

#include "engine/machine.h"
#include "tests/engine/graphs.h"

static const int64_t MS = 1000, SECOND = 1000000, NONE = INT64_MIN;

struct fixture {
    struct k_graph *graph;
    struct k_plan *plan;
    struct k_memory_disk *disk;
    struct k_state *state;
    struct k_machine *machine;
    struct k_buf text; // of all outputs
    uint64_t work;     // of the last boundary
};

static int output(void *context, const struct k_output *output, struct k_error *err)
{
    (void)err;
    struct fixture *f = context;
    k_buf_add(&f->text, output->value.data, output->value.length);
    k_buf_add_char(&f->text, ' ');
    return 0;
}

static void open_machine(struct fixture *f, uint32_t partitions)
{
    struct k_error err;
    struct k_store *store;
    struct k_state_options options = {.cache_bytes = 1 << 20};
    struct k_machine_owner owner = {.context = f, .output = output};
    assert_int_equal(k_store_memory_open(f->disk, NULL, NULL, &store, &err), 0);
    assert_int_equal(k_state_open(store, &options, &f->state, &err), 0);
    assert_int_equal(k_machine_open(f->plan, 0, &partitions, f->state, &owner, &f->machine, &err), 0);
    k_machine_want_outputs(f->machine, true);
}

static void begin(struct fixture *f, const char *graph, uint32_t partitions)
{
    struct k_diags diags = {0};
    *f = (struct fixture){.disk = k_memory_disk_create()};
    k_buf_add_text(&f->text, "");
    assert_int_equal(k_graph_read("g", k_str_of(graph), K_FORM_TEXT, &diags, &f->graph), 0);
    assert_int_equal(k_plan_make(f->graph, 1, &diags, &f->plan), 0);
    k_diags_fini(&diags);
    open_machine(f, partitions);
}

static void close_machine(struct fixture *f)
{
    k_machine_close(f->machine);
    k_state_destroy(f->state);
}

static void end(struct fixture *f)
{
    close_machine(f);
    k_memory_disk_destroy(f->disk);
    k_plan_destroy(f->plan);
    k_graph_destroy(f->graph);
    k_buf_fini(&f->text);
}

static void feed(struct fixture *f, uint32_t input, int64_t time_us, const char *value)
{
    uint32_t count;
    struct k_error err;
    struct k_input *in = &k_machine_inputs(f->machine, &count)[input];
    struct k_message m = {.value = k_str_of(value),
                          .has_value = true,
                          .partition = (int32_t)in->partition,
                          .offset = in->next < 0 ? 0 : in->next,
                          .timestamp_us = time_us};
    const struct k_message *list = &m;
    assert_int_equal(k_machine_feed(f->machine, input, &list, 1, &err), 0);
    in->next = m.offset + 1;
}

// A commit boundary at which the inputs of the set (a bit each) stood at their ends. Returns the frontier.
static int64_t boundary(struct fixture *f, int64_t clock_us, uint32_t at_end)
{
    struct k_at_end ends[8];
    uint32_t n = 0;
    struct k_error err;
    for (uint32_t i = 0; i < 8; i++)
        if (at_end >> i & 1) ends[n++] = (struct k_at_end){i, 0};
    assert_int_equal(k_machine_boundary(f->machine, clock_us, ends, n, false, 1000, &f->work, &err), 0);
    return k_machine_frontier(f->machine);
}

static bool due(struct fixture *f, int64_t clock_us, uint32_t at_end)
{
    struct k_at_end ends[8];
    uint32_t n = 0;
    struct k_error err;
    bool due;
    for (uint32_t i = 0; i < 8; i++)
        if (at_end >> i & 1) ends[n++] = (struct k_at_end){i, 0};
    assert_int_equal(k_machine_due(f->machine, clock_us, ends, n, &due, &err), 0);
    return due;
}

static const char *const A = "{\"k\":\"a\"}";

static void test_least_over_partitions(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, GRAPH_WINDOWS("time { out_of_order: \"100ms\" }"), 2);
    assert_true(boundary(&f, 0, 0) == NONE);
    feed(&f, 0, 5 * SECOND, A);
    assert_true(boundary(&f, 0, 0) == NONE); // the other has no watermark
    feed(&f, 1, 2 * SECOND, A);
    assert_int_equal(boundary(&f, 0, 0), 2 * SECOND - 100 * MS);
    feed(&f, 1, SECOND, A); // an older one moves nothing
    assert_int_equal(boundary(&f, 0, 0), 2 * SECOND - 100 * MS);
    assert_string_equal(f.text.data, "");
    feed(&f, 1, 3100 * MS, A); // now [1 s, 2 s) and [2 s, 3 s) are over
    assert_int_equal(boundary(&f, 0, 0), 3 * SECOND);
    assert_string_equal(f.text.data, "{\"k\":\"a\",\"c\":1} {\"k\":\"a\",\"c\":1} ");
    assert_int_equal(f.work, 2);
    end(&f);
}

// W(p) of an idle partition = its largest event time + the wall time since its last record - out_of_order.
static void test_idle(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, GRAPH_WINDOWS("time { out_of_order: \"100ms\" idle: \"10s\" }"), 2);
    feed(&f, 0, 50 * SECOND, A);
    feed(&f, 1, SECOND, A);
    assert_int_equal(boundary(&f, 1000 * SECOND, 3), SECOND - 100 * MS);
    // Nobody says that partition 1 stands at its end: it may have something unread.
    assert_int_equal(boundary(&f, 1020 * SECOND, 1), SECOND - 100 * MS);
    // One microsecond too early, then in time.
    assert_false(due(&f, 1010 * SECOND - 1, 3));
    assert_true(due(&f, 1020 * SECOND, 3));
    assert_int_equal(boundary(&f, 1030 * SECOND, 2), SECOND + 30 * SECOND - 100 * MS);
    assert_string_equal(f.text.data, "{\"k\":\"a\",\"c\":1} "); // of partition 1
    // A record ends the rest, and lateness goes by where the watermark had come to.
    feed(&f, 1, 2 * SECOND, A);
    const char *name;
    assert_int_equal(k_machine_counters(f.machine, 1, &name)->late, 1);
    assert_int_equal(boundary(&f, 1035 * SECOND, 3), 31 * SECOND - 100 * MS); // never back
    // The rest counts from the commit of that record, and the largest event time is still the old one.
    assert_int_equal(boundary(&f, 1044 * SECOND, 3), 31 * SECOND - 100 * MS);
    assert_int_equal(boundary(&f, 1075 * SECOND, 3), 42 * SECOND - 100 * MS);
    end(&f);
}

// The rest of a partition whose records were history begins with the first boundary that speaks of it. That one is due:
// where nothing else comes, it would rest for ever.
static void test_idle_behind_history(void **state)
{
    (void)state;
    struct fixture f;
    uint32_t count;
    begin(&f, GRAPH_WINDOWS("time { idle: \"10s\" }"), 2);
    feed(&f, 0, 50 * SECOND, A);
    feed(&f, 1, SECOND, A);
    struct k_input *in = &k_machine_inputs(f.machine, &count)[1];
    in->until = 1;
    in->touched = false;
    assert_int_equal(boundary(&f, 1000 * SECOND, 1), SECOND);
    assert_false(due(&f, 1100 * SECOND, 1));
    assert_true(due(&f, 1100 * SECOND, 3));
    assert_int_equal(boundary(&f, 1100 * SECOND, 3), SECOND);
    assert_false(due(&f, 1101 * SECOND, 3));
    assert_int_equal(boundary(&f, 1120 * SECOND, 3), 21 * SECOND);
    end(&f);
}

// A partition that never had a record has no event time to add to: when idle it goes along with the others.
static void test_empty_partitions(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, GRAPH_WINDOWS("time { idle: \"10s\" }"), 3);
    assert_true(boundary(&f, 100 * SECOND, 7) == NONE);
    assert_true(boundary(&f, 200 * SECOND, 7) == NONE); // all are empty: nothing to go along with
    feed(&f, 0, 5 * SECOND, A);
    assert_int_equal(boundary(&f, 201 * SECOND, 7), 5 * SECOND);
    assert_int_equal(boundary(&f, 205 * SECOND, 7), 5 * SECOND);
    // Partition 0 rests for 20 s: its own watermark runs, and the empty ones follow.
    assert_int_equal(boundary(&f, 221 * SECOND, 7), 25 * SECOND);
    // Something lies in partition 2: it holds all back, at what was.
    assert_int_equal(boundary(&f, 300 * SECOND, 3), 25 * SECOND);
    end(&f);
}

// Without `idle` an empty partition holds everything, for ever.
static void test_never_idle(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, GRAPH_WINDOWS(""), 2);
    feed(&f, 0, 5 * SECOND, A);
    assert_true(boundary(&f, 0, 3) == NONE);
    assert_true(boundary(&f, 1000000 * SECOND, 3) == NONE);
    assert_false(due(&f, 2000000 * SECOND, 3));
    end(&f);
}

static void test_final(void **state)
{
    (void)state;
    struct fixture f;
    struct k_error err;
    uint64_t work;
    begin(&f, GRAPH_WINDOWS(""), 2);
    feed(&f, 0, 5 * SECOND, A);
    feed(&f, 0, 7 * SECOND, A);
    assert_int_equal(k_machine_boundary(f.machine, 0, NULL, 0, true, 1, &work, &err), 0);
    assert_int_equal(work, 1);
    assert_true(k_machine_is_final(f.machine));
    assert_false(k_machine_is_settled(f.machine));
    assert_int_equal(k_machine_boundary(f.machine, 0, NULL, 0, false, 1000, &work, &err), 0);
    assert_int_equal(work, 1);
    assert_true(k_machine_is_settled(f.machine));
    assert_string_equal(f.text.data, "{\"k\":\"a\",\"c\":1} {\"k\":\"a\",\"c\":1} ");
    // What comes behind the declared end is late.
    const char *name;
    feed(&f, 1, 9 * SECOND, A);
    assert_int_equal(k_machine_counters(f.machine, 1, &name)->late, 1);
    end(&f);
}

// A leader works in portions, a follower at once; what comes out is the same, and so is what is left.
static void test_portions(void **state)
{
    (void)state;
    struct fixture one, other;
    struct k_error err;
    uint64_t done, sum = 0;
    begin(&one, GRAPH_WINDOWS(""), 1);
    begin(&other, GRAPH_WINDOWS(""), 1);
    for (int i = 0; i < 50; i++) {
        char value[32];
        snprintf(value, sizeof value, "{\"k\":\"%c\"}", 'a' + i % 20);
        feed(&one, 0, i * 100 * MS, value);
        feed(&other, 0, i * 100 * MS, value);
    }
    assert_int_equal(k_machine_boundary(one.machine, 5, NULL, 0, false, 3, &sum, &err), 0);
    while (!k_machine_is_settled(one.machine)) {
        assert_int_equal(k_machine_work(one.machine, 3, &done, &err), 0);
        sum += done;
    }
    assert_int_equal(k_machine_boundary(other.machine, 5, NULL, 0, false, sum, &done, &err), 0);
    assert_int_equal(done, sum);
    assert_true(sum > 30);
    assert_string_equal(one.text.data, other.text.data);
    end(&one);
    end(&other);
}

// What a checkpoint saves of the machine is what it goes on with.
static void test_saved_and_loaded(void **state)
{
    (void)state;
    struct fixture f;
    struct k_arena arena;
    struct k_error err;
    k_arena_init(&arena);
    begin(&f, GRAPH_WINDOWS("time { out_of_order: \"100ms\" idle: \"10s\" }"), 3);
    feed(&f, 0, 5 * SECOND, A);
    feed(&f, 0, 7 * SECOND, "garbage");
    feed(&f, 2, 6500 * MS, A);
    boundary(&f, 100 * SECOND, 0);
    boundary(&f, 130 * SECOND, 7);
    Kappa__Internal__Position first, second;
    kappa__internal__position__init(&first);
    kappa__internal__position__init(&second);
    k_machine_save(f.machine, &arena, &first);
    assert_int_equal(k_state_checkpoint(f.state, K_STR("x"), &err), 0);
    close_machine(&f);
    open_machine(&f, 3);
    assert_int_equal(k_machine_load(f.machine, &first, &err), 0);
    k_machine_save(f.machine, &arena, &second);
    size_t size = kappa__internal__position__get_packed_size(&first);
    assert_int_equal(kappa__internal__position__get_packed_size(&second), size);
    uint8_t *a = k_arena_get(&arena, size), *b = k_arena_get(&arena, size);
    kappa__internal__position__pack(&first, a);
    kappa__internal__position__pack(&second, b);
    assert_memory_equal(a, b, size);
    uint32_t count;
    const struct k_input *inputs = k_machine_inputs(f.machine, &count);
    assert_int_equal(inputs[0].next, 2);
    assert_int_equal(inputs[0].last_offset, 1);
    assert_int_equal(inputs[0].records, 2);
    assert_int_equal(inputs[0].clock.max_time_us, 5 * SECOND);
    assert_int_equal(inputs[1].next, -1);
    assert_true(inputs[1].clock.max_time_us == NONE);
    assert_int_equal(k_machine_clock(f.machine), 130 * SECOND);
    assert_int_equal(k_machine_frontier(f.machine), 35 * SECOND - 100 * MS);
    const char *name;
    assert_int_equal(k_machine_counters(f.machine, 0, &name)->dead_lettered, 1);
    assert_int_equal(k_machine_check_sums(f.machine, &err), 0);
    // It goes on: the next second of rest, and no row said twice.
    k_buf_clear(&f.text);
    k_buf_add_text(&f.text, "");
    assert_int_equal(boundary(&f, 131 * SECOND, 7), 36 * SECOND - 100 * MS);
    assert_string_equal(f.text.data, "");
    // A partition that is not there is refused.
    first.partition[0]->partition = 9;
    assert_int_equal(k_machine_load(f.machine, &first, &err), K_E_CORRUPT);
    assert_non_null(strstr(err.text, "partition 9 of source \"in\""));
    k_arena_fini(&arena);
    end(&f);
}

static void test_inputs_of_a_shard(void **state)
{
    (void)state;
    struct fixture f;
    struct k_diags diags = {0};
    struct k_error err;
    begin(&f, GRAPH_SPREAD, 1);
    struct k_memory_disk *disk = k_memory_disk_create();
    struct k_store *store;
    struct k_state *other;
    struct k_state_options options = {.cache_bytes = 1 << 20};
    assert_int_equal(k_store_memory_open(disk, NULL, NULL, &store, &err), 0);
    assert_int_equal(k_state_open(store, &options, &other, &err), 0);
    struct k_plan *plan;
    assert_int_equal(k_plan_make(f.graph, 3, &diags, &plan), 0);
    struct k_machine *m;
    struct k_machine_owner owner = {0};
    uint32_t partitions = 8, count;
    assert_int_equal(k_machine_open(plan, 2, &partitions, other, &owner, &m, &err), 0);
    const struct k_input *inputs = k_machine_inputs(m, &count);
    assert_int_equal(count, 2);
    assert_int_equal(inputs[0].partition, 2);
    assert_int_equal(inputs[1].partition, 5);
    assert_int_equal(k_machine_find_input(m, 0, 5), 1);
    assert_int_equal(k_machine_find_input(m, 0, 3), -1); // another shard's
    assert_int_equal(k_machine_find_input(m, 0, 8), -1); // not there
    assert_int_equal(k_machine_find_input(m, 0, 11), -1);
    assert_int_equal(k_machine_find_input(m, 1, 2), -1);
    k_machine_close(m);
    k_state_destroy(other);
    k_memory_disk_destroy(disk);
    k_plan_destroy(plan);
    k_diags_fini(&diags);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_least_over_partitions),
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_idle_behind_history),
        cmocka_unit_test(test_empty_partitions),
        cmocka_unit_test(test_never_idle),
        cmocka_unit_test(test_final),
        cmocka_unit_test(test_portions),
        cmocka_unit_test(test_saved_and_loaded),
        cmocka_unit_test(test_inputs_of_a_shard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
