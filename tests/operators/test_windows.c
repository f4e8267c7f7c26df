// Windows by brute force: random rows with random watermarks, frontiers that move on between batches, and every kind of
// window, against sets of rows kept by the definitions alone.
//
// The reference knows nothing of panes: for each row and each window that the row lies in, it is late if
// window_end + grace ≤ its watermark, else it counts. What the operator says must be the same, whatever the frontiers
// between the batches were and however the work was portioned, because a frontier never passes a partition's watermark.
#include "tests/operators/harness.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "operators/window.h"

enum { ROWS = 300, KEYS = 4, PARTITIONS = 3, TEXT = 96 };

struct given {
    struct row row;
    char json[TEXT];
    int64_t time_us, value;
    uint32_t key, partition;
};

// A group of the reference: what counts in one window for one key.
struct group {
    int64_t end_us;
    uint32_t key;
    int64_t count, sum, least;
};

static int by_end_and_key(const void *a, const void *b)
{
    const struct group *left = a, *right = b;
    if (left->end_us != right->end_us) return left->end_us < right->end_us ? -1 : 1;
    return left->key < right->key ? -1 : left->key > right->key;
}

static void count_in(struct group *groups, uint32_t *count, int64_t end_us, const struct given *g)
{
    for (uint32_t i = 0; i < *count; i++) {
        if (groups[i].end_us != end_us || groups[i].key != g->key) continue;
        groups[i].count++;
        groups[i].sum += g->value;
        if (g->value < groups[i].least) groups[i].least = g->value;
        return;
    }
    groups[(*count)++] = (struct group){end_us, g->key, 1, g->value, g->value};
}

// Rows of PARTITIONS partitions, interleaved; a watermark is that of the row's own partition.
static void make_rows(struct given *given, uint64_t *seed)
{
    int64_t clock_us = -20 * SECOND, watermark[PARTITIONS];
    for (int p = 0; p < PARTITIONS; p++) watermark[p] = INT64_MIN;
    for (uint32_t i = 0; i < ROWS; i++) {
        struct given *g = &given[i];
        clock_us += (int64_t)k_random_below(seed, 500) * 1000;
        g->partition = (uint32_t)k_random_below(seed, PARTITIONS);
        g->key = (uint32_t)k_random_below(seed, KEYS);
        g->value = (int64_t)k_random_below(seed, 100) - 50;
        g->time_us = clock_us - (int64_t)k_random_below(seed, 12000) * 1000 - (int64_t)k_random_below(seed, 2);
        if (k_random_below(seed, 10) == 0) g->time_us -= g->time_us % SECOND; // exactly at an edge
        int64_t own_us = g->time_us - 3 * SECOND;
        if (own_us > watermark[g->partition]) watermark[g->partition] = own_us;
        snprintf(g->json, sizeof g->json, "{\"k\":%u,\"v\":%lld}", g->key, (long long)g->value);
        g->row = (struct row){g->json, g->time_us, watermark[g->partition], 0};
    }
}

// The frontier after the first n rows: the least watermark of all partitions.
static int64_t frontier_after(const struct given *given, uint32_t n)
{
    int64_t watermark[PARTITIONS], least = INT64_MAX;
    for (int p = 0; p < PARTITIONS; p++) watermark[p] = INT64_MIN;
    for (uint32_t i = 0; i < n; i++) watermark[given[i].partition] = given[i].row.watermark_us;
    for (int p = 0; p < PARTITIONS; p++)
        if (watermark[p] < least) least = watermark[p];
    return least;
}

struct shape {
    const char *window;
    int64_t size_us, every_us, grace_us;
};

static int64_t floor_to(int64_t time_us, int64_t step_us)
{
    int64_t floor = time_us / step_us * step_us;
    return floor > time_us ? floor - step_us : floor;
}

// Everything that the operator should say, and how many rows are late for all their windows.
static void refer(const struct given *given, const struct shape *shape, struct k_buf *out, uint64_t *ret_late)
{
    struct group *groups = calloc(ROWS * 64, sizeof *groups);
    uint32_t count = 0;
    *ret_late = 0;
    for (uint32_t i = 0; i < ROWS; i++) {
        const struct given *g = &given[i];
        bool counted = false;
        for (int64_t start = floor_to(g->time_us, shape->every_us); start > g->time_us - shape->size_us;
             start -= shape->every_us) {
            int64_t end = start + shape->size_us;
            if (end + shape->grace_us <= g->row.watermark_us) continue;
            counted = true;
            count_in(groups, &count, end, g);
        }
        *ret_late += !counted;
    }
    qsort(groups, count, sizeof *groups, by_end_and_key);
    for (uint32_t i = 0; i < count; i++) {
        const struct group *g = &groups[i];
        k_buf_printf(out, "0 +1 %lld {\"k\":%u,\"window_start\":", (long long)g->end_us - 1, g->key);
        struct k_value start = {.type = K_TIMESTAMP, .i = g->end_us - shape->size_us},
                       end = {.type = K_TIMESTAMP, .i = g->end_us};
        k_value_json(out, &start);
        k_buf_add_text(out, ",\"window_end\":");
        k_value_json(out, &end);
        k_buf_printf(out, ",\"n\":%lld,\"t\":%lld,\"m\":%lld}\n", (long long)g->count, (long long)g->sum,
                     (long long)g->least);
    }
    free(groups);
}

static const struct shape shapes[] = {
    {"tumbling { size: '5s' }", 5 * SECOND, 5 * SECOND, 0},
    {"tumbling { size: '5s' }", 5 * SECOND, 5 * SECOND, 2 * SECOND},
    {"hopping { size: '10s' every: '2s' }", 10 * SECOND, 2 * SECOND, 0},
    {"hopping { size: '10s' every: '2s' }", 10 * SECOND, 2 * SECOND, 1500000},
    {"hopping { size: '6s' every: '3s' }", 6 * SECOND, 3 * SECOND, 700001},
    {"hopping { size: '3s' every: '3s' }", 3 * SECOND, 3 * SECOND, 0},
};

static void graph_of(const struct shape *shape, const char *more, char *out, size_t size)
{
    snprintf(out, size,
             "name: 'g' schema { name: 'S' field: 'k int64' field: 'v int64' } "
             "source { name: 's' kafka { topic: 't' } format { json {} } schema: 'S' } "
             "node { name: 'n' input: 's' aggregate { group_by: 'k' window { %s } grace: '%lldus' "
             "select: 'count(*) AS n' select: 'sum(v) AS t' select: 'min(v) AS m' %s } }",
             shape->window, (long long)shape->grace_us, more);
}

static void as_the_definitions_say(void **unused)
{
    (void)unused;
    static struct given given[ROWS];
    uint64_t total_late = 0;
    for (uint64_t round = 0; round < 24; round++) {
        uint64_t seed = 1000 + round;
        const struct shape *shape = &shapes[round % (sizeof shapes / sizeof shapes[0])];
        char graph[800];
        struct k_buf expected = {0};
        uint64_t late;
        make_rows(given, &seed);
        refer(given, shape, &expected, &late);
        graph_of(shape, "", graph, sizeof graph);
        for (uint32_t batch = 1; batch <= 512; batch *= 8) {
            struct harness h;
            harness_open(&h, graph, NULL);
            for (uint32_t at = 0; at < ROWS; at += batch) {
                uint32_t n = ROWS - at < batch ? ROWS - at : batch;
                struct row rows[512];
                for (uint32_t i = 0; i < n; i++) rows[i] = given[at + i].row;
                assert_int_equal(harness_feed(&h, rows, n, n), 0);
                // Sometimes the work is left for later, sometimes it is done unit by unit, sometimes state goes to
                // the store.
                uint64_t what = k_random_below(&seed, 8);
                if (what < 6) harness_frontier(&h, frontier_after(given, at + n), 1 + k_random_below(&seed, 5));
                if (what == 7 && round % 3 == 0) {
                    struct k_buf dump = {0};
                    harness_dump(&h, &dump);
                    harness_reopen(&h);
                    k_buf_fini(&dump);
                }
            }
            harness_frontier(&h, INT64_MAX, 7);
            if (!k_str_equal(k_buf_str(&h.emitted), k_buf_str(&expected)))
                fail_msg("seed %llu, window %s, batches of %u:\n%s\ninstead of\n%s", (unsigned long long)(1000 + round),
                         shape->window, batch, h.emitted.data, expected.data);
            assert_int_equal(h.counters.late, late);
            harness_check_sums(&h);
            // Nothing stays behind.
            k_buf_clear(&expected);
            struct k_buf dump = {0};
            harness_dump(&h, &dump);
            assert_int_equal(dump.length, 0);
            k_buf_fini(&dump);
            harness_close(&h);
            refer(given, shape, &expected, &late);
        }
        total_late += late;
        k_buf_fini(&expected);
    }
    assert_true(total_late > 100); // else the rows showed nothing about lateness
}

// ON_UPDATE: the net of what is said is what ON_CLOSE says.
static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void net_of(struct k_buf *emitted, struct k_buf *out)
{
    char **lines = calloc(ROWS * 32, sizeof *lines);
    uint32_t count = 0;
    for (char *line = strtok(emitted->data, "\n"); line; line = strtok(NULL, "\n")) {
        if (line[2] == '+') {
            lines[count++] = line;
            continue;
        }
        uint32_t at = 0;
        while (at < count && strcmp(lines[at] + 4, line + 4) != 0) at++;
        assert_true(at < count); // only what was given can be taken back
        lines[at] = lines[--count];
    }
    qsort(lines, count, sizeof *lines, by_text);
    for (uint32_t i = 0; i < count; i++) k_buf_printf(out, "%s\n", lines[i]);
    free(lines);
}

static void updates_end_in_the_same_rows(void **unused)
{
    (void)unused;
    static struct given given[ROWS];
    for (uint64_t round = 0; round < 6; round++) {
        uint64_t seed = 77 + round, late;
        const struct shape *shape = &shapes[round];
        char graph[800];
        struct row rows[ROWS];
        struct k_buf expected = {0}, wanted = {0}, net = {0};
        make_rows(given, &seed);
        for (uint32_t i = 0; i < ROWS; i++) rows[i] = given[i].row;
        refer(given, shape, &expected, &late);
        net_of(&expected, &wanted);
        graph_of(shape, "emit: ON_UPDATE", graph, sizeof graph);
        struct harness h;
        harness_open(&h, graph, NULL);
        assert_int_equal(harness_feed(&h, rows, ROWS, 13), 0);
        harness_frontier(&h, INT64_MAX, 5);
        net_of(&h.emitted, &net);
        if (!k_str_equal(k_buf_str(&net), k_buf_str(&wanted))) fail_msg("seed %llu", (unsigned long long)(77 + round));
        assert_int_equal(h.counters.late, late);
        harness_close(&h);
        k_buf_fini(&expected);
        k_buf_fini(&wanted);
        k_buf_fini(&net);
    }
}

static void floors_before_1970(void **unused)
{
    (void)unused;
    struct k_window window = {.kind = K_WINDOW_TUMBLING, .size_us = 10, .every_us = 10, .count = 1};
    static const int64_t cases[][2] = {{0, 10}, {9, 10}, {10, 20}, {-1, 0}, {-10, 0}, {-11, -10}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(k_pane_end(&window, cases[i][0]), cases[i][1]);
    assert_true(k_window_over(INT64_MAX - 1, 5, INT64_MAX));
    assert_false(k_window_over(INT64_MAX - 1, 5, INT64_MAX - 1));
    assert_false(k_window_over(10, 5, 14));
    assert_true(k_window_over(10, 5, 15));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_the_definitions_say),
        cmocka_unit_test(updates_end_in_the_same_rows),
        cmocka_unit_test(floors_before_1970),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
