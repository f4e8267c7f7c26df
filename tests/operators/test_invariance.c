// The laws that hold for every operator, on random rows:
//   a batch of 4096 gives what 4096 batches of one give: the same rows in the same order, dead letters, counters, and
//   the same state;
//   what is given and then taken back leaves nothing, in whatever order it is taken back.
// KAPPA_INPUTS says how many inputs each operator gets (default 4). The join has two sources, and stretches of one and
// of the other in turn, with updates, tombstones and rows that are late; its frontier moves on several times.
#include "tests/operators/harness.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"

enum {
    ROWS = K_BATCH_ROWS,
    FEWER_ROWS = 1200,
    INPUTS = 4,
    LARGE_EVERY = 40,
    TEXT = 240,
    PARTITIONS = 3,
    JOIN_PARTS = 6, // between which the frontier moves
};

#define HEAD                                                                                              \
    "name: 'g' schema { name: 'S' field: 'k int64' field: 's string' field: 'v int64' field: 'd double' " \
    "field: 'ws timestamp not null' field: 'we timestamp not null' field: 'j json' } "                    \
    "source { name: 's' kafka { topic: 't' } format { json {} } schema: 'S' } "
#define SELECTS                                                                                     \
    "select: 'count(*) AS n' select: 'count(v) AS c' select: 'sum(v) AS t' select: 'sum(d) AS td' " \
    "select: 'avg(d) FILTER (WHERE v > 0) AS ad' select: 'min(s) AS l' select: 'max(d) AS g' "      \
    "select: 'var_pop(v) AS vv' select: 'stddev(d) AS sd' "                                         \
    "select: 'arg_min(s, v) AS a' select: 'arg_max(d, s) AS b' select: '100 / count(v) AS q' "

#define DISTINCTS                                                                                  \
    "select: 'count(*) AS n' select: 'count(DISTINCT v) AS dv' select: 'count(DISTINCT d) AS dd' " \
    "select: 'count(DISTINCT s) FILTER (WHERE v > 0) AS ds' select: '100 / count(DISTINCT v % 3) AS q' "

#define ENDS                                                                                             \
    "select: 'first(v) AS fv' select: 'last(s) AS ls' select: 'last(j) AS lj' select: 'first(d) AS fd' " \
    "select: 'first(s) FILTER (WHERE v > 0) AS fs' select: '12 / last(v) AS q' "

#define JOINED                                                                                \
    HEAD "schema { name: 'T' field: 'k int64 not null' field: 's string' field: 'v int64' } " \
         "source { name: 't' kafka { topic: 'u' } format { json {} } schema: 'T' key: 'k' } "
#define JOINS                                                                                         \
    "select: 's.s' select: 's.d AS d' select: 't.s AS name' select: '12 / (s.v + t.v) AS q' select: " \
    "'coalesce(t.v, -1) AS w' late_topic: 'l' "

static const struct subject {
    const char *name, *graph;
    bool updating, windowed, joins;
} subjects[] = {
    {"join", JOINED "node { name: 'n' input: 's' input: 't' join { on: 's.k = t.k' " JOINS "} }", false, false, true},
    {"join, left", JOINED "node { name: 'n' input: 's' input: 't' join { type: LEFT on: 's.k = t.k' " JOINS "} }",
     false, false, true},
    {"join by an expression",
     JOINED "node { name: 'n' input: 's' input: 't' join { on: '6 / s.v = t.k' " JOINS
            "} policy { on_error: DROP } }",
     false, false, true},
    {"join, left, by an expression",
     JOINED "node { name: 'n' input: 's' input: 't' join { type: LEFT on: 't.k = s.k % s.v' " JOINS "} }", false,
     false, true},
    {"filter", HEAD "node { name: 'n' input: 's' filter { where: '12 / v > k' } }", true, false, false},
    {"map", HEAD "node { name: 'n' input: 's' map { select: 'k' set: 'q = 12 / v' set: 'z = upper(s)' } }", true,
     false, false},
    {"route",
     HEAD "node { name: 'n' input: 's' route { case { name: 'a' when: '12 / v > 2' } case { name: 'b' when: "
          "'12 / k > 2' } } }",
     true, false, false},
    {"union", HEAD "node { name: 'n' input: 's' input: 's' union {} }", false, false, false},
    {"union of changes", HEAD "node { name: 'n' input: 's' input: 's' input: 's' union {} }", true, false, false},
    {"flatten", HEAD "node { name: 'n' input: 's' flatten { field: 'j' as: 'e' } }", true, false, false},
    {"flatten, outer",
     HEAD "node { name: 'n' input: 's' flatten { field: 'j' as: 'e' outer: true } policy { on_error: PASS_NULL } }",
     true, false, false},
    {"flatten of objects",
     HEAD "schema { name: 'E' field: 'x int64 not null' field: 'y string at $.z.y' } "
          "node { name: 'n' input: 's' flatten { field: 'j' as: 'e' schema: 'E' } }",
     true, false, false},
    {"event_time",
     HEAD "node { name: 'n' input: 's' event_time { expr: 'CASE WHEN 12 / v > k THEN ws END' behind: '1s' } }", true,
     false, false},
    {"table", HEAD "table { name: 'n' input: 's' key: 'k' key: 's' }", true, true, false},
    {"kafka",
     HEAD "sink { name: 'n' input: 's' kafka { topic: 'o' max_message_bytes: '90' } format { json {} } key: 'k' }",
     true, false, false},
    {"aggregate", HEAD "node { name: 'n' input: 's' aggregate { group_by: 'k' " SELECTS "} }", false, false, false},
    {"aggregate, retracted", HEAD "node { name: 'n' input: 's' aggregate { group_by: 'k' " SELECTS "} }", true, false,
     false},
    {"aggregate, global", HEAD "node { name: 'n' input: 's' aggregate { " SELECTS "} }", true, false, false},
    {"tumbling",
     HEAD
     "node { name: 'n' input: 's' aggregate { group_by: 's' window { tumbling { size: '3s' } } grace: '1s' " SELECTS
     "late_topic: 'l' } }",
     false, false, false},
    {"hopping",
     HEAD
     "node { name: 'n' input: 's' aggregate { group_by: 'k' window { hopping { size: '6s' every: '2s' } } " SELECTS
     "} }",
     false, false, false},
    {"hopping, every update",
     HEAD "node { name: 'n' input: 's' aggregate { group_by: 'k' emit: ON_UPDATE window { hopping { size: "
          "'6s' every: '2s' } } " SELECTS "} }",
     false, false, false},
    {"hopping, retracted",
     HEAD
     "node { name: 'n' input: 's' aggregate { group_by: 'k' window { hopping { size: '6s' every: '2s' } } " SELECTS
     "} }",
     true, true, false},
    {"distinct", HEAD "node { name: 'n' input: 's' aggregate { group_by: 'k' " DISTINCTS "} }", true, false, false},
    {"distinct, global", HEAD "node { name: 'n' input: 's' aggregate { " DISTINCTS "} }", false, false, false},
    {"distinct, tumbling",
     HEAD "node { name: 'n' input: 's' aggregate { group_by: 's' window { tumbling { size: '3s' } } " DISTINCTS "} }",
     true, true, false},
    {"distinct, hopping",
     HEAD
     "node { name: 'n' input: 's' aggregate { group_by: 'k' window { hopping { size: '6s' every: '2s' } } grace: "
     "'1s' " DISTINCTS "} }",
     false, false, false},
    {"distinct, hopping, every update",
     HEAD
     "node { name: 'n' input: 's' aggregate { group_by: 'k' emit: ON_UPDATE window { hopping { size: '6s' every: "
     "'2s' } } " DISTINCTS "} }",
     false, false, false},
    {"ends", HEAD "node { name: 'n' input: 's' aggregate { group_by: 'k' " ENDS "} }", false, false, false},
    {"ends, tumbling",
     HEAD "node { name: 'n' input: 's' aggregate { group_by: 's' window { tumbling { size: '3s' } } " ENDS "} }",
     false, false, false},
    {"ends, hopping",
     HEAD
     "node { name: 'n' input: 's' aggregate { group_by: 'k' window { hopping { size: '6s' every: '2s' } } grace: "
     "'1s' " ENDS "} }",
     false, false, false},
    {"ends, inherit", HEAD "node { name: 'n' input: 's' aggregate { group_by: 'k' window { inherit {} } " ENDS "} }",
     false, true, false},
    {"inherit", HEAD "node { name: 'n' input: 's' aggregate { group_by: 'k' window { inherit {} } " SELECTS "} }",
     true, true, false},
};

struct given {
    struct row rows[ROWS];
    struct place places[ROWS];
    struct side sides[ROWS];
    int64_t frontier_us[ROWS]; // the largest that may be after each row
    char json[ROWS][TEXT];
    uint32_t count;
};

static void make_row(struct given *given, uint64_t *seed, bool windowed, int64_t *watermark)
{
    static const char *const texts[] = {
        "null", "\"\"", "\"a\"", "\"b\"", "\"a longer text, which makes rows larger\"", "\"\\u0000x\""};
    static const char *const doubles[] = {"null", "0.1", "-0.0", "1e300", "-1e300", "0.3", "7"};
    static const char *const arrays[] = {"null",
                                         "[]",
                                         "[1]",
                                         "[{\"x\":1},{\"x\":2,\"z\":{\"y\":\"[,]\"}}]",
                                         "{\"x\":1}",
                                         "[{\"x\":1},{}]",
                                         " [ null , \"a\\\"]\" , [[],[2]] ] ",
                                         "[{\"x\":3},{\"x\":4},{\"x\":5},{\"x\":6}]"};
    char v[24];
    uint32_t i = given->count++;
    int64_t time_us = (int64_t)i * 20000 + (int64_t)k_random_below(seed, 3000000) - 3000000;
    int64_t end_ms = (int64_t)(1 + k_random_below(seed, 5)) * 3000;
    snprintf(v, sizeof v, "%d", (int)k_random_below(seed, 9) - 3);
    snprintf(given->json[i], TEXT, "{\"k\":%s,\"s\":%s,\"v\":%s,\"d\":%s,\"ws\":%lld,\"we\":%lld,\"j\":%s}",
             k_random_below(seed, 12) ? (const char *[]){"0", "1", "2", "3"}[k_random_below(seed, 4)] : "null",
             texts[k_random_below(seed, 6)], k_random_below(seed, 8) ? v : "null", doubles[k_random_below(seed, 7)],
             (long long)end_ms - 3000, (long long)end_ms, arrays[(i * 7 + i / 9) % 8]);
    if (time_us - SECOND > *watermark) *watermark = time_us - SECOND;
    given->rows[i] =
        (struct row){given->json[i], windowed ? end_ms * 1000 - 1 : time_us, windowed ? INT64_MIN : *watermark, 1};
    given->places[i] =
        (struct place){(int32_t)k_random_below(seed, PARTITIONS), windowed || i % 5 == 0 ? 0 : i / 2 + 1};
    given->sides[i] = (struct side){0};
    given->frontier_us[i] = given->rows[i].watermark_us;
}

// Makes of a row one of the table.
static void make_table_row(struct given *given, uint32_t i, uint64_t *seed)
{
    int key = (int)k_random_below(seed, 5);
    given->sides[i] = (struct side){1, k_random_below(seed, 4) == 0};
    if (given->sides[i].tombstone) snprintf(given->json[i], TEXT, "{\"k\":%d}", key);
    else if (k_random_below(seed, 6) == 0) snprintf(given->json[i], TEXT, "{\"k\":%d,\"s\":\"%u\"}", key, i);
    else snprintf(given->json[i], TEXT, "{\"k\":%d,\"s\":\"of %u\",\"v\":%d}", key, i, (int)(i % 7) - 2);
}

// Rows of both sides, each partition of each with a watermark of its own, and many with one event time.
static void make_join_rows(struct given *given, uint64_t *seed, uint32_t count)
{
    int64_t watermarks[2][PARTITIONS], tick = 20000;
    uint64_t stretch = 1 + k_random_below(seed, k_random_below(seed, 2) ? 8 : 900);
    bool table = true;
    for (int i = 0; i < 2 * PARTITIONS; i++) watermarks[i / PARTITIONS][i % PARTITIONS] = INT64_MIN;
    given->count = 0;
    while (given->count < count) {
        uint32_t i = given->count;
        int64_t unused = INT64_MIN;
        make_row(given, seed, false, &unused);
        if (k_random_below(seed, stretch) == 0) table = !table;
        if (table) make_table_row(given, i, seed);
        int64_t back = (int64_t)k_random_below(seed, k_random_below(seed, 20) ? 45 : 300), least = INT64_MAX;
        int64_t time_us = (i / 3 - back) * tick;
        int64_t *watermark = &watermarks[table][given->places[i].partition];
        if (time_us - SECOND > *watermark) *watermark = time_us - SECOND;
        given->rows[i].time_us = time_us;
        given->rows[i].watermark_us = *watermark;
        for (int w = 0; w < 2 * PARTITIONS; w++)
            if (watermarks[w / PARTITIONS][w % PARTITIONS] < least)
                least = watermarks[w / PARTITIONS][w % PARTITIONS];
        given->frontier_us[i] = least;
    }
}

// A row that is there is taken back.
static void take_back(struct given *given, uint32_t *alive, uint32_t *alive_count, uint64_t *seed)
{
    uint32_t at = (uint32_t)k_random_below(seed, *alive_count), i = given->count++;
    given->rows[i] = given->rows[alive[at]];
    given->places[i] = given->places[alive[at]];
    given->sides[i] = given->sides[alive[at]];
    given->frontier_us[i] = given->frontier_us[alive[at]];
    given->rows[i].weight = -1;
    alive[at] = alive[--*alive_count];
}

static void make_rows(struct given *given, uint64_t *seed, const struct subject *subject, uint32_t count,
                      bool all_back)
{
    uint32_t alive[ROWS], alive_count = 0;
    int64_t watermark = INT64_MIN;
    if (subject->joins) {
        make_join_rows(given, seed, count);
        return;
    }
    given->count = 0;
    while (given->count < count) {
        bool must = all_back && given->count + alive_count == count;
        if (alive_count && (must || (subject->updating && k_random_below(seed, 3) == 0))) {
            take_back(given, alive, &alive_count, seed);
        } else {
            alive[alive_count++] = given->count;
            make_row(given, seed, subject->windowed, &watermark);
        }
    }
}

struct result {
    struct k_buf text[5];
    struct k_counters counters;
    const struct k_operator *type;
};

static void add_port(struct k_buf *out, const struct k_buf *emitted, char port)
{
    for (const char *line = emitted->data; line && *line; line = strchr(line, '\n') + 1)
        if (*line == port) k_buf_add(out, line, (size_t)(strchr(line, '\n') + 1 - line));
}

static void run(const struct subject *subject, const struct given *given, uint32_t batch, struct result *ret)
{
    struct harness h;
    struct harness_input input = {.updating = subject->updating, .spread = strcmp(subject->name, "kafka") == 0};
    if (subject->windowed) {
        input.window_start = "ws";
        input.window_end = "we";
    }
    memset(ret, 0, sizeof *ret);
    harness_open(&h, subject->graph, &input);
    h.places = given->places;
    h.sides = given->sides;
    // Where the frontier moves, no batch is cut in any of the runs.
    uint32_t parts = subject->joins ? JOIN_PARTS : 2, fed = 0;
    for (uint32_t part = 1; part <= parts; part++) {
        uint32_t end = (uint32_t)((uint64_t)given->count * part / parts);
        assert_int_equal(harness_feed(&h, given->rows + fed, end - fed, batch), 0);
        fed = end;
        if (h.node.frontier && end > 0 && part < parts)
            harness_frontier(&h, given->frontier_us[end - 1], subject->joins ? batch : 3);
    }
    harness_dump(&h, &ret->text[0]);
    if (h.node.frontier) harness_frontier(&h, INT64_MAX, 1000);
    if (subject->joins) harness_dump(&h, &ret->text[0]); // nothing waits, and the table is what it is
    harness_check_sums(&h);
    struct k_buf *said[] = {&h.letters, &h.late, &h.outputs};
    for (int i = 0; i < 3; i++) k_buf_add(&ret->text[2 + i], said[i]->data ? said[i]->data : "", said[i]->length);
    // Each port has an order of its own; between ports there is none.
    for (char port = '0'; port < '4'; port++) add_port(&ret->text[1], &h.emitted, port);
    ret->counters = h.counters;
    ret->type = h.node.type;
    harness_close(&h);
}

static void result_fini(struct result *result)
{
    for (int i = 0; i < 5; i++) k_buf_fini(&result->text[i]);
}

static struct given given;

// One input of one operator, in batches of 1, 7 and as many as there may be. Returns what the operator is.
static const struct k_operator *compare_batches(const struct subject *subject, uint64_t seed, uint32_t rows)
{
    static const char *const whats[] = {"state", "rows", "dead letters", "late rows", "messages"};
    static const uint32_t sizes[] = {7, K_BATCH_ROWS};
    uint64_t first = seed;
    struct result one, other;
    make_rows(&given, &seed, subject, rows, false);
    run(subject, &given, 1, &one);
    assert_true(rows < 100 || one.counters.processed > 0);
    for (int i = 0; i < 2; i++) {
        run(subject, &given, sizes[i], &other);
        for (int t = 0; t < 5; t++)
            if (!k_str_equal(k_buf_str(&one.text[t]), k_buf_str(&other.text[t])))
                fail_msg("%s, seed %llu: %s differ between batches of 1 and of %u:\n%s\nand\n%s", subject->name,
                         (unsigned long long)first, whats[t], sizes[i], one.text[t].data, other.text[t].data);
        assert_memory_equal(&one.counters, &other.counters, sizeof one.counters);
        result_fini(&other);
    }
    result_fini(&one);
    return one.type;
}

static void batches_do_not_show(void **unused)
{
    (void)unused;
    const char *wanted = getenv("KAPPA_INPUTS");
    uint64_t inputs = wanted ? strtoull(wanted, NULL, 10) : INPUTS;
    bool seen[64] = {0};
    assert_true(inputs > 0 && k_operator_count < 64);
    for (size_t s = 0; s < sizeof subjects / sizeof subjects[0]; s++) {
        for (uint64_t i = 0; i < inputs; i++) {
            uint64_t seed = (i << 16) + 31 + s;
            uint32_t large = wanted ? ROWS : FEWER_ROWS; // sanitizers have no patience
            uint32_t rows = i % LARGE_EVERY == 0 ? large : 2 + (uint32_t)k_random_below(&seed, 150);
            const struct k_operator *type = compare_batches(&subjects[s], seed, rows);
            for (uint32_t o = 0; o < k_operator_count; o++) seen[o] |= k_operators[o] == type;
        }
    }
    for (uint32_t o = 0; o < k_operator_count; o++)
        if (!seen[o]) fail_msg("%s is not tried here", k_operators[o]->name);
    fprintf(stderr, "# %zu graphs, %llu inputs each\n", sizeof subjects / sizeof subjects[0],
            (unsigned long long)inputs);
}

static void taking_all_back_leaves_nothing(void **unused)
{
    (void)unused;
    for (size_t s = 0; s < sizeof subjects / sizeof subjects[0]; s++) {
        if (!subjects[s].updating || strstr(subjects[s].name, "hopping") ||
            strcmp(subjects[s].name, "inherit") == 0 || strcmp(subjects[s].name, "distinct, tumbling") == 0)
            continue;
        for (uint64_t round = 0; round < 10; round++) {
            uint64_t seed = 900 + round;
            make_rows(&given, &seed, &subjects[s], FEWER_ROWS, true);
            struct result result;
            run(&subjects[s], &given, 1 + (uint32_t)k_random_below(&seed, 50), &result);
            if (result.text[0].length > 0)
                fail_msg("%s, seed %llu leaves\n%s", subjects[s].name, (unsigned long long)(900 + round),
                         result.text[0].data);
            // The net of what was said is nothing.
            int64_t net = 0;
            for (const char *line = result.text[1].data; line && *line; line = strchr(line, '\n') + 1)
                net += line[2] == '+' ? 1 : -1;
            if (strcmp(subjects[s].name, "table") != 0) assert_int_equal(net, 0);
            result_fini(&result);
        }
    }
}

// Windows speak at their close: of rows that were all taken back, nothing.
static void windows_of_nothing_are_silent(void **unused)
{
    (void)unused;
    for (size_t s = 0; s < sizeof subjects / sizeof subjects[0]; s++) {
        if (!subjects[s].windowed || !subjects[s].updating || strcmp(subjects[s].name, "table") == 0) continue;
        uint64_t seed = 5;
        make_rows(&given, &seed, &subjects[s], FEWER_ROWS, true);
        struct harness h;
        struct harness_input input = {.updating = true, .window_start = "ws", .window_end = "we"};
        harness_open(&h, subjects[s].graph, &input);
        assert_int_equal(harness_feed(&h, given.rows, given.count, 100), 0);
        harness_frontier(&h, INT64_MAX, 50);
        assert_true(h.last_units > 0);
        assert_text(&h.emitted, "");
        assert_text(&h.letters, "");
        harness_close(&h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_do_not_show),
        cmocka_unit_test(taking_all_back_leaves_nothing),
        cmocka_unit_test(windows_of_nothing_are_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
