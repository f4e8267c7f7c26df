// Minimal replay: a generation that takes over what did not change from a copy of the live one's state holds, entry by
// entry, what one holds that computed everything; however often it is killed on its way.
#include "tests/base/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "replay/takeover.h"
#include "tests/engine/cluster.h"
#include "tests/replay/entries.h"

enum { SEEDS = 24, RECORDS = 90, NEWS = 20, LIVE = 0, MINIMAL = 1, FULL = 2 };
static const int64_t SECOND = 1000000, MS = 1000;

#define SOURCES(TIME)                                                                                                \
    "name: \"p\" schema { name: \"E\" field: \"k string not null\" field: \"n int64\" }\n"                           \
    "source { name: \"stream\" kafka { topic: \"t\" } format { json {} } schema: \"E\" time { out_of_order: \"" TIME \
    "\" } }\n"                                                                                                       \
    "source { name: \"other\" kafka { topic: \"u\" } format { json {} } schema: \"E\" time { out_of_order: \"3ms\" " \
    "} }\n"
#define ROWS "source { name: \"rows\" kafka { topic: \"v\" } format { json {} } schema: \"E\" key: \"k\" }\n"
#define FILTERED(WHERE)                                                                                         \
    "node { name: \"some\" input: \"stream\" filter { where: \"" WHERE "\" } }\n"                               \
    "node { name: \"sums\" input: \"some\" aggregate { group_by: \"k\" window { tumbling { size: \"5ms\" } }\n" \
    "       select: \"sum(n) AS total\" select: \"count(DISTINCT n) AS many\" } }\n"                            \
    "table { name: \"totals\" input: \"sums\" key: \"k\" key: \"window_start\" }\n"
#define HOPPING(SIZE)                                                                                  \
    "node { name: \"hops\" input: \"stream\" aggregate { group_by: \"k\"\n"                            \
    "       window { hopping { size: \"" SIZE "\" every: \"2ms\" } } select: \"max(n) AS most\" } }\n" \
    "table { name: \"mosts\" input: \"hops\" key: \"k\" key: \"window_start\" }\n"
#define UNBOUNDED                                                                                      \
    "node { name: \"ever\" input: \"other\" aggregate { group_by: \"k\" select: \"sum(n) AS c\" } }\n" \
    "table { name: \"counts\" input: \"ever\" key: \"k\" }\n"
#define JOINED                                                                                              \
    "node { name: \"both\" input: \"stream\" input: \"rows\" join { type: LEFT on: \"stream.k = rows.k\"\n" \
    "       select: \"stream.k\" select: \"stream.n\" select: \"rows.n AS m\" } }\n"                        \
    "table { name: \"joined\" input: \"both\" key: \"k\" }\n"
#define SINK(MORE)                                                                                \
    "node { name: \"shown\" input: \"ever\" map { select: \"k\" select: \"c" MORE " AS c\" } }\n" \
    "sink { name: \"out\" input: \"shown\" key: \"k\" kafka { topic: \"o\" } format { json {} } }\n"
#define BASE SOURCES("3ms") ROWS FILTERED("n % 3 <> 0") HOPPING("10ms") UNBOUNDED JOINED SINK("")
// All go on with the wall clock when they have rested for a while; the last one is empty.
#define REST " time { idle: \"60ms\" } }\n"
#define RESTING                                                                                                   \
    "name: \"p\" schema { name: \"E\" field: \"k string not null\" field: \"n int64\" }\n"                        \
    "source { name: \"stream\" kafka { topic: \"t\" } format { json {} } schema: \"E\"" REST                      \
    "source { name: \"other\" kafka { topic: \"u\" } format { json {} } schema: \"E\"" REST                       \
    "source { name: \"rows\" kafka { topic: \"v\" } format { json {} } schema: \"E\"" REST FILTERED("n % 3 <> 0") \
        UNBOUNDED "table { name: \"seldom\" input: \"rows\" key: \"k\" }\n"

#define ADDED                                                                            \
    "source { name: \"new\" kafka { topic: \"x\" } format { json {} } schema: \"E\" }\n" \
    "table { name: \"news\" input: \"new\" key: \"k\" }\n"

static const struct change {
    const char *graph, *want;
} changes[] = {
    // The sink alone.
    {SOURCES("3ms") ROWS FILTERED("n % 3 <> 0") HOPPING("10ms") UNBOUNDED JOINED SINK(" * 2"),
     "begins there: shown out; taken over: some sums hops ever both totals mosts counts joined; whole"},
    {SOURCES("3ms") ROWS FILTERED("n % 3 <> 0") UNBOUNDED JOINED SINK(""),
     "taken over: some sums ever both shown totals counts joined out; whole"},
    // A table more, of a source.
    {BASE "table { name: \"last\" input: \"other\" key: \"k\" }\n",
     "computed: last; taken over: some sums hops ever both shown totals mosts counts joined out; unread: stream; "
     "unread: rows; "},
    // One of what is kept: that must be computed, but not the other table that reads it.
    {BASE "table { name: \"late\" input: \"sums\" key: \"k\" }\n",
     "computed: some sums late; taken over: hops ever both shown totals mosts counts joined out; "},
    {SOURCES("3ms") ROWS FILTERED("n % 5 <> 0") HOPPING("10ms") UNBOUNDED JOINED SINK(""),
     "computed: some sums totals; taken over: hops ever both shown mosts counts joined out; "},
    {SOURCES("3ms") ROWS FILTERED("n % 3 <> 0") HOPPING("14ms") UNBOUNDED JOINED SINK(""),
     "computed: hops mosts; taken over: some sums ever both shown totals counts joined out; "},
    // A source is gone, and with it the frontier is another.
    {SOURCES("3ms") FILTERED("n % 3 <> 0") HOPPING("10ms") UNBOUNDED SINK(""),
     "computed: some sums hops totals mosts; taken over: ever shown counts out; "},
    {SOURCES("9ms") ROWS FILTERED("n % 3 <> 0") HOPPING("10ms") UNBOUNDED JOINED SINK(""),
     "computed: some sums hops both totals mosts joined; taken over: ever shown counts out; "},
    // A source is added: its history comes first, and windows wait for it.
    {BASE ADDED, "computed: some sums hops both totals mosts joined news; taken over: ever shown counts out; "},
};
enum { CHANGES = sizeof changes / sizeof *changes };

// Where the added source stands when the generation is made.
static const struct k_start joins[] = {{.topic = "x", .partition = 0, .joins = true, .join = NEWS}};

struct scene {
    struct cluster c; // worker 0 has the live generation, 1 and 2 the new one
    struct k_graph *graph;
    struct k_plan *two;
    struct k_orders orders[WORKERS];
    struct k_memory_disk *copy; // of the live state at the mark; NULL: not yet
    uint64_t random;
    bool hurried;
    const struct k_start *starts; // of the new generation: one, or NULL
    int64_t time_us;
};

static uint32_t draw(struct scene *s, uint32_t below)
{
    s->random = k_hash(&s->random, sizeof s->random);
    return (uint32_t)(s->random >> 20) % below;
}

// --- the decision

static void read_plan(const char *text, struct k_graph **ret_graph, struct k_plan **ret_plan)
{
    struct k_diags diags = {0};
    struct k_buf why = {0};
    int code = k_graph_read("two.textproto", k_str_of(text), K_FORM_TEXT, &diags, ret_graph);
    if (!code) code = k_plan_make(*ret_graph, 1, &diags, ret_plan);
    k_diags_print(&diags, &why);
    if (code) fail_msg("%s", why.data);
    k_diags_fini(&diags);
    k_buf_fini(&why);
}

static void decide(const struct k_plan *old, const struct k_plan *new, struct k_arena *arena, struct k_taking *ret)
{
    struct k_change change;
    k_change_make(old, new, NULL, arena, &change);
    k_taking_decide(old, new, &change, arena, ret);
}

// "begins there: shown; taken over: some sums; whole"
static char *in_words(const struct k_taking *taking)
{
    struct k_buf out = {0};
    k_buf_add_text(&out, "");
    const enum k_taking_how order[] = {K_TAKING_COMPUTE, K_TAKING_LATER, K_TAKING_OVER};
    if (taking->why_not) k_buf_printf(&out, "everything is computed: %s", taking->why_not);
    for (int o = 0; o < 3 && !taking->why_not; o++) {
        uint32_t found = 0;
        for (uint32_t i = 0; i < taking->count; i++) {
            if (taking->items[i].how != order[o]) continue;
            if (!found++) k_buf_printf(&out, "%s:", k_taking_name(order[o]));
            k_buf_printf(&out, " %s", taking->items[i].name);
        }
        if (found) k_buf_add_text(&out, "; ");
    }
    if (taking->whole && !taking->why_not) k_buf_add_text(&out, "whole");
    for (uint32_t i = 0; i < taking->source_count && !taking->whole && !taking->why_not; i++)
        if (taking->sources[i].how == K_TAKING_OVER) k_buf_printf(&out, "unread: %s; ", taking->sources[i].name);
    return out.data;
}

static void expect_decision(const char *old_text, const char *new_text, const char *want)
{
    struct k_graph *old_graph, *new_graph;
    struct k_plan *old, *new;
    struct k_arena arena;
    struct k_taking taking;
    read_plan(old_text, &old_graph, &old);
    read_plan(new_text, &new_graph, &new);
    k_arena_init(&arena);
    decide(old, new, &arena, &taking);
    char *got = in_words(&taking);
    assert_string_equal(got, want);
    free(got);
    k_arena_fini(&arena);
    k_plan_destroy(old);
    k_plan_destroy(new);
    k_graph_destroy(old_graph);
    k_graph_destroy(new_graph);
}

#define ONE_SOURCE                                                                         \
    "name: \"p\" schema { name: \"E\" field: \"k string not null\" field: \"n int64\" }\n" \
    "source { name: \"one\" kafka { topic: \"t\" } format { json {} } schema: \"E\" }\n"
#define SHARED(WHERE)                                                         \
    ONE_SOURCE                                                                \
    "node { name: \"all\" input: \"one\" filter { where: \"" WHERE "\" } }\n" \
    "table { name: \"last\" input: \"all\" key: \"k\" }\ntable { name: \"two\" input: \"all\" key: \"n\" }\n"

static void test_decisions(void **state)
{
    (void)state;
    for (int i = 0; i < CHANGES; i++) expect_decision(BASE, changes[i].graph, changes[i].want);
    expect_decision(BASE, BASE, "everything is computed: the graph is the same, so that a replay of it is a proof");
    expect_decision(
        SHARED("n > 1"), SHARED("n > 2"),
        "everything is computed: all that has state changes, or something that changes needs what it gave "
        "before");
}

// --- a pipeline

static int copy_all(struct k_store *from, struct k_store *to, struct k_error *err)
{
    struct k_store_iterator *iterator;
    struct k_str key, value;
    struct k_error failure = {0};
    int code = from->ops->iterate(from, K_STR(""), (struct k_str){NULL, 0}, &iterator, err);
    while (!code && from->ops->next(iterator, &key, &value, &failure)) {
        const struct k_write write = {.key = key, .value = value};
        code = to->ops->apply(to, &write, 1, err);
    }
    from->ops->iterate_end(iterator);
    return code;
}

static int keep_mark(void *context, struct k_store *store, uint64_t mark, struct k_error *err)
{
    struct scene *s = context;
    struct k_store *copy;
    (void)mark;
    k_memory_disk_destroy(s->copy); // of an attempt before a crash
    s->copy = k_memory_disk_create();
    int code = k_store_memory_open(s->copy, NULL, NULL, &copy, err);
    if (!code) code = copy_all(store, copy, err);
    if (!code) copy->ops->close(copy);
    return code;
}

static void begin(struct scene *s, const char *one, const char *two, uint64_t seed)
{
    memset(s, 0, sizeof *s);
    s->random = seed;
    s->hurried = draw(s, 2);
    s->starts = strstr(two, "\"x\"") ? joins : NULL;
    cluster_init(&s->c, one, 1);
    cluster_topic(&s->c, "t", 2, false);
    cluster_topic(&s->c, "u", 1, false);
    cluster_topic(&s->c, "v", 1, false);
    cluster_topic(&s->c, "x", 1, false);
    cluster_prepare(&s->c);
    read_plan(two, &s->graph, &s->two);
    for (uint32_t w = 0; w < WORKERS; w++) atomic_store(&s->orders[w].order, k_order_of(0, w == LIVE));
}

static void start(struct scene *s, uint32_t w)
{
    s->c.options.starts = w ? s->starts : NULL;
    s->c.options.start_count = w && s->starts ? 1 : 0;
    s->c.options.orders = &s->orders[w];
    s->c.options.generation = w ? "2" : "1";
    s->c.options.plan = w ? s->two : s->c.plan;
    s->c.options.keep_mark = w ? NULL : keep_mark;
    s->c.options.mark_context = s;
    // A leader without patience leaves frontier work over from one record to the next.
    s->c.options.work_portion = s->hurried ? 1 : 0;
    s->c.options.step_budget_us = s->hurried ? 0 : SECOND / 5;
    s->c.options.checkpoint_interval_us = w == MINIMAL && draw(s, 2) ? 0 : SECOND;
    cluster_start(&s->c, w);
}

static void finish(struct scene *s)
{
    cluster_fini(&s->c);
    k_memory_disk_destroy(s->copy);
    k_plan_destroy(s->two);
    k_graph_destroy(s->graph);
}

static int left_over; // steps after which the leader had frontier work left

static void step(struct scene *s)
{
    if (cluster_step(&s->c)) fail_msg("%s", s->c.error.text);
    struct k_machine *machine = s->c.live[LIVE][0] ? k_shard_machine(s->c.live[LIVE][0]) : NULL;
    left_over += machine && !k_machine_is_settled(machine);
}

static void run(struct scene *s, int64_t us)
{
    if (cluster_run(&s->c, us)) fail_msg("%s", s->c.error.text);
}

static void put(struct scene *s)
{
    char value[64];
    const uint32_t which = draw(s, 4);
    s->time_us += draw(s, 900);
    snprintf(value, sizeof value, "{\"k\":\"%c\",\"n\":%u}", 'a' + (char)draw(s, 4), draw(s, 20));
    int64_t time_us = s->time_us - draw(s, 6000); // some are late
    const char *topic = which < 2 ? "t" : which == 2 ? "u" : "v";
    cluster_put(&s->c, topic, which < 2 ? (int32_t)which : 0, time_us < 0 ? 0 : time_us, NULL, value);
}

static void put_news(struct scene *s)
{
    char value[64];
    for (uint32_t i = 0; i < NEWS; i++) {
        snprintf(value, sizeof value, "{\"k\":\"%c\",\"n\":%u}", 'a' + (char)draw(s, 4), draw(s, 20));
        cluster_put(&s->c, "x", 0, i * 1000, NULL, value);
    }
}

static void put_some(struct scene *s, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        put(s);
        if (draw(s, 4) == 0) run(s, 50 * MS);
        else step(s);
    }
}

// The live state as it stands behind a mark that is asked for now.
static void take_copy(struct scene *s)
{
    atomic_store(&s->orders[LIVE].mark, 1);
    for (int n = 0; !s->copy; n++) {
        assert_true(n < 20000);
        step(s);
    }
}

static int make(struct scene *s, const struct k_start *starts, uint32_t count, struct k_error *err)
{
    struct k_arena arena;
    struct k_taking taking;
    struct k_store *store;
    k_arena_init(&arena);
    decide(s->c.plan, s->two, &arena, &taking);
    assert_int_equal(k_store_memory_open(s->copy, NULL, NULL, &store, err), 0);
    int code = k_takeover_make(store, s->c.plan, s->two, &taking, starts, count, err);
    store->ops->close(store);
    k_arena_fini(&arena);
    return code;
}

static void take_over(struct scene *s)
{
    struct k_error err = {0};
    if (make(s, s->starts, s->starts ? 1 : 0, &err)) fail_msg("%s", err.text);
    k_memory_disk_destroy(s->c.disks[MINIMAL][0].memory);
    s->c.disks[MINIMAL][0].memory = s->copy;
    s->copy = NULL;
}

// --- what states hold

static char *in_text(const Kappa__Internal__Position__Partition *p)
{
    return k_format("%s %u: next %lld, time %lld, watermark %lld, clock %lld, %llu records, last %lld %llx",
                    p->source, p->partition, (long long)p->next, (long long)p->max_time_us,
                    (long long)p->watermark_us, (long long)p->last_clock_us, (unsigned long long)p->records,
                    (long long)p->last_offset, (unsigned long long)p->last_hash);
}

// What positions say of nodes that did not change, and of where they stand.
static void compare_positions(struct scene *s, const struct k_taking *taking)
{
    Kappa__Internal__Position *one = cluster_position(&s->c, MINIMAL, 0), *other = cluster_position(&s->c, FULL, 0);
    assert_int_equal(one->journal_offset, other->journal_offset);
    assert_int_equal(one->chain, other->chain);
    assert_int_equal(one->frontier_us, other->frontier_us);
    assert_int_equal(one->n_partition, other->n_partition);
    for (size_t i = 0; i < one->n_partition; i++) {
        char *a = in_text(one->partition[i]), *b = in_text(other->partition[i]);
        assert_string_equal(a, b);
        free(a);
        free(b);
    }
    assert_int_equal(one->n_counters, other->n_counters);
    for (size_t i = 0; i < one->n_counters; i++) {
        const Kappa__Internal__Position__Counters *a = one->counters[i], *b = other->counters[i];
        assert_string_equal(a->node, b->node);
        bool begins = false;
        for (uint32_t n = 0; n < taking->count; n++)
            begins |= strcmp(taking->items[n].name, a->node) == 0 && taking->items[n].how == K_TAKING_LATER;
        if (begins) assert_true(a->in < b->in);
        else if (a->in != b->in || a->processed != b->processed || a->late != b->late || a->out != b->out)
            fail_msg("%s: %llu and %llu rows, %llu and %llu late, %llu and %llu given", a->node,
                     (unsigned long long)a->in, (unsigned long long)b->in, (unsigned long long)a->late,
                     (unsigned long long)b->late, (unsigned long long)a->out, (unsigned long long)b->out);
    }
    kappa__internal__position__free_unpacked(one, NULL);
    kappa__internal__position__free_unpacked(other, NULL);
}

static void compare(struct scene *s)
{
    struct k_arena arena;
    struct k_taking taking;
    k_arena_init(&arena);
    decide(s->c.plan, s->two, &arena, &taking);
    char *one = entries_of(s->c.disks[MINIMAL][0].memory), *other = entries_of(s->c.disks[FULL][0].memory);
    assert_string_equal(one, other);
    free(one);
    free(other);
    compare_positions(s, &taking);
    k_arena_fini(&arena);
}

// While it is before the copy's place, nothing reaches what waits. Returns whether it was there.
static bool nothing_reaches_what_waits(struct scene *s, int64_t place)
{
    struct k_machine *machine = s->c.live[MINIMAL][0] ? k_shard_machine(s->c.live[MINIMAL][0]) : NULL;
    if (!machine || cluster_report(&s->c, MINIMAL, 0).offset >= place) return false;
    uint64_t computed = 0;
    for (uint32_t i = 0; i < k_machine_counters_count(machine); i++) {
        const char *name;
        const struct k_counters *counters = k_machine_counters(machine, i, &name);
        if (i < s->two->source_count) continue;
        bool waits = !k_machine_instance(machine, i - s->two->source_count);
        if (waits) assert_int_equal(counters->in, 0);
        else computed += counters->in;
    }
    return computed > 0;
}

static void lead(struct scene *s, uint64_t seq, bool live)
{
    for (uint32_t w = 0; w < WORKERS; w++) atomic_store(&s->orders[w].order, k_order_of(seq, (w == LIVE) == live));
}

// Both of the new generation come to the same place, and hold the same.
static void end_alike(struct scene *s, uint64_t seq)
{
    for (uint32_t w = 0; w < WORKERS; w++) cluster_kill(&s->c, w);
    lead(s, seq, true);
    for (uint32_t w = MINIMAL; w <= FULL; w++) start(s, w);
    run(s, 15 * SECOND); // until the transaction of who led last is over
    cluster_stop(&s->c, MINIMAL);
    cluster_stop(&s->c, FULL);
    compare(s);
}

static void one_pipeline(const char *two, uint64_t seed, bool whole)
{
    struct scene s;
    begin(&s, BASE, two, seed);
    start(&s, LIVE);
    put_news(&s);
    put_some(&s, RECORDS);
    take_copy(&s);
    int64_t place = cluster_report(&s.c, LIVE, 0).offset;
    take_over(&s);
    put_some(&s, draw(&s, 30));
    bool seen = false;
    start(&s, MINIMAL);
    for (int n = 0; n < 400; n++) {
        step(&s);
        seen |= nothing_reaches_what_waits(&s, place);
        if (draw(&s, 12) == 0) {
            cluster_kill(&s.c, MINIMAL);
            start(&s, MINIMAL);
        }
    }
    run(&s, SECOND);
    assert_true(cluster_report(&s.c, MINIMAL, 0).offset >= place);
    assert_int_equal(seen, !whole);
    start(&s, FULL);
    put_some(&s, RECORDS / 2);
    run(&s, 2 * SECOND);
    if (draw(&s, 2)) { // it leads, or the other of its kind
        lead(&s, 1, false);
        run(&s, 2 * SECOND);
        put_some(&s, RECORDS / 2);
        run(&s, 2 * SECOND);
    }
    end_alike(&s, 2);
    finish(&s);
}

static void test_it_holds_the_same(void **state)
{
    (void)state;
    for (int i = 0; i < CHANGES; i++)
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            bool whole = strstr(changes[i].want, "whole") != NULL;
            one_pipeline(changes[i].graph, seed * CHANGES + (uint64_t)i, whole);
        }
    assert_true(left_over > 100);
}

// The new generation led before, from another state directory: its leader did more than a state does that waits.
static void test_it_led_before(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct scene s;
        begin(&s, BASE, changes[seed % (CHANGES - 1)].graph, seed);
        for (uint32_t w = LIVE; w <= FULL; w += FULL - LIVE) start(&s, w);
        put_some(&s, RECORDS / 2);
        lead(&s, 1, false);
        run(&s, 2 * SECOND);
        put_some(&s, RECORDS);
        assert_true(cluster_report(&s.c, FULL, 0).commits > 1);
        lead(&s, 2, true);
        put_some(&s, RECORDS / 2);
        take_copy(&s);
        take_over(&s);
        start(&s, MINIMAL);
        put_some(&s, RECORDS / 2);
        end_alike(&s, 3);
        finish(&s);
    }
}

// What is wrong with a copy is found where it stands.
static void expect_refusal(struct scene *s, const char *want)
{
    int code = 0;
    start(s, MINIMAL);
    for (int n = 0; n < 20000 && !code; n++) code = cluster_step(&s->c);
    assert_int_equal(code, K_E_CORRUPT);
    assert_non_null(strstr(s->c.error.text, want));
    finish(s);
}

// A generation that begins later than the one that was copied has never seen what that one counts.
static void test_another_beginning(void **state)
{
    (void)state;
    const struct k_start later[] = {{.topic = "u", .partition = 0, .offset = 7}};
    struct scene s;
    struct k_error err = {0};
    begin(&s, BASE, changes[4].graph, 1);
    start(&s, LIVE);
    put_some(&s, RECORDS);
    take_copy(&s);
    assert_int_equal(make(&s, later, 1, &err), K_E_CONFIG);
    assert_string_equal(err.text, "it begins at another offset in topic u, partition 0");
    take_over(&s); // it has not changed
    s.starts = later;
    expect_refusal(&s, "where it begins is another in it than here");
}

// A copy that was made along another journal is no part of this one.
static void test_another_journal(void **state)
{
    (void)state;
    struct scene s, other;
    begin(&other, BASE, changes[4].graph, 2);
    start(&other, LIVE);
    put_some(&other, RECORDS);
    take_copy(&other);
    begin(&s, BASE, changes[4].graph, 3);
    start(&s, LIVE);
    put_some(&s, RECORDS);
    s.copy = other.copy;
    other.copy = NULL;
    take_over(&s);
    run(&s, 20 * SECOND);
    put_some(&s, RECORDS);
    expect_refusal(&s, "of another journal");
    finish(&other);
}

static void put_at(struct scene *s, const char *topic, char k, int64_t time_us)
{
    char value[64];
    snprintf(value, sizeof value, "{\"k\":\"%c\",\"n\":1}", k);
    cluster_put(&s->c, topic, 0, time_us, NULL, value);
    run(s, 10 * MS);
}

// While sources are not read, the frontier is one of those that are, and they go on without the others where these
// rest: what is taken over must hear nothing of that.
static void test_sources_that_rest(void **state)
{
    (void)state;
    static const struct change resting[] = {
        {RESTING "table { name: \"last\" input: \"other\" key: \"k\" }\n",
         "computed: last; taken over: some sums ever totals counts seldom; unread: stream; unread: rows; "},
        {RESTING "table { name: \"last\" input: \"rows\" key: \"k\" }\n",
         "computed: last; taken over: some sums ever totals counts seldom; unread: stream; unread: other; "},
        {RESTING "table { name: \"last\" input: \"other\" key: \"k\" retention: \"1s\" }\n",
         "computed: last; taken over: some sums ever totals counts seldom; "},
    };
    for (size_t i = 0; i < sizeof resting / sizeof *resting; i++) {
        struct scene s;
        expect_decision(RESTING, resting[i].graph, resting[i].want);
        begin(&s, RESTING, resting[i].graph, i);
        start(&s, LIVE);
        run(&s, SECOND);
        put_at(&s, "t", 'a', 100 * MS);
        put_at(&s, "u", 'a', 100 * SECOND);
        put_at(&s, "u", 'b', 200 * SECOND);
        run(&s, SECOND);
        put_at(&s, "t", 'a', 10 * SECOND);
        take_copy(&s);
        take_over(&s);
        start(&s, MINIMAL);
        start(&s, FULL);
        run(&s, 20 * MS);
        for (int n = 0; n < 20; n++) put_at(&s, "t", 'a' + (char)(n % 2), (20 + n) * SECOND);
        cluster_stop(&s.c, LIVE);
        run(&s, 2 * SECOND);
        cluster_stop(&s.c, MINIMAL);
        cluster_stop(&s.c, FULL);
        compare(&s);
        finish(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decisions),         cmocka_unit_test(test_it_holds_the_same),
        cmocka_unit_test(test_another_beginning), cmocka_unit_test(test_another_journal),
        cmocka_unit_test(test_sources_that_rest),
        cmocka_unit_test(test_it_led_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
