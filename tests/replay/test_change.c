// The plan of a change: what is kept, rebuilt, removed, refused, and why.
#include "tests/base/test.h"

#include <string.h>

#include "replay/change.h"

#define SCHEMA "name: \"p\" schema { name: \"E\" field: \"k string not null\" field: \"n int64\" }\n"
#define SOURCE(name, topic, more) \
    "source { name: \"" name "\" kafka { topic: \"" topic "\" } format { json {} } schema: \"E\" " more " }\n"
#define FILTER(where) "node { name: \"some\" input: \"in\" filter { where: \"" where "\" } }\n"
#define MAP(more) "node { name: \"some\" input: \"in\" map { select: \"k\" " more " } }\n"
#define COUNTS(window) \
    "node { name: \"counts\" input: \"in\" aggregate { group_by: \"k\" " window " select: \"count(*) AS c\" } }\n"
#define WINDOW "window { tumbling { size: \"1s\" } }"
#define TABLES \
    "table { name: \"last\" input: \"some\" key: \"k\" }\ntable { name: \"sums\" input: \"counts\" key: \"k\" }\n"
#define WINDOWED_TABLES                                     \
    "table { name: \"last\" input: \"some\" key: \"k\" }\n" \
    "table { name: \"sums\" input: \"counts\" key: \"k\" key: \"window_start\" }\n"
#define BASE SCHEMA SOURCE("in", "t", "") FILTER("n > 1") COUNTS("") TABLES

struct made {
    struct k_graph *graph;
    struct k_plan *plan;
};

static struct made make(const char *text)
{
    struct made made;
    struct k_diags diags = {0};
    struct k_buf why = {0};
    int code = k_graph_read("test.textproto", k_str_of(text), K_FORM_TEXT, &diags, &made.graph);
    if (!code) code = k_plan_make(made.graph, 1, &diags, &made.plan);
    k_diags_print(&diags, &why);
    if (code) fail_msg("%s", k_buf_str(&why).data);
    k_buf_fini(&why);
    k_diags_fini(&diags);
    return made;
}

static void drop(struct made *made)
{
    k_plan_destroy(made->plan);
    k_graph_destroy(made->graph);
}

// "in keep; some rebuild (its definition is another); "
static void expect(const char *old, const char *new, const char *why_all, const char *want)
{
    struct made before = make(old), after = make(new);
    struct k_arena arena;
    struct k_change change;
    struct k_buf got = {0};
    k_arena_init(&arena);
    k_change_make(before.plan, after.plan, why_all, &arena, &change);
    for (uint32_t i = 0; i < change.count; i++) {
        const struct k_change_item *item = &change.items[i];
        k_buf_printf(&got, "%s %s", item->name, k_fate_name(item->fate));
        if (item->reason) k_buf_printf(&got, " (%s)", item->reason);
        k_buf_add_text(&got, "; ");
    }
    k_buf_add(&got, "", 1);
    assert_string_equal(got.data, want);
    k_buf_fini(&got);
    k_arena_fini(&arena);
    drop(&before);
    drop(&after);
}

static void test_what_depends(void **state)
{
    (void)state;
    expect(BASE, BASE, NULL, "in keep; some keep; counts keep; last keep; sums keep; ");
    // A comment is no change; another condition is one, for whoever reads it.
    expect(BASE, SCHEMA SOURCE("in", "t", "comment: \"c\"") FILTER("n > 2") COUNTS("") TABLES, NULL,
           "in keep; some rebuild (its definition is another); counts keep; "
           "last rebuild (its input \"some\" changes); sums keep; ");
    expect(BASE, BASE, "why",
           "in rebuild (why); some rebuild (why); counts rebuild (why); last rebuild (why); "
           "sums rebuild (why); ");
    expect(BASE, SCHEMA SOURCE("in", "t", "") FILTER("n > 1") "table { name: \"last\" input: \"some\" key: \"k\" }\n",
           NULL,
           "in keep; some keep; last keep; counts remove (the new graph does not have it); "
           "sums remove (the new graph does not have it); ");
}

static void test_sources(void **state)
{
    (void)state;
    // Nobody read n of these records before: some of them may have one that is no number.
    expect(SCHEMA SOURCE("in", "t", "") MAP("") COUNTS("") TABLES,
           SCHEMA SOURCE("in", "t", "") MAP("select: \"n\"") COUNTS("") TABLES, NULL,
           "in rebuild (its column n is read now, so that other records may be malformed); "
           "some rebuild (its definition is another); counts rebuild (its input \"in\" changes); "
           "last rebuild (its input \"some\" changes); sums rebuild (its input \"counts\" changes); ");
    expect(BASE, SCHEMA SOURCE("in", "other", "") FILTER("n > 1") COUNTS("") TABLES, NULL,
           "in add (what topic other holds when the generation is made is history, the rest comes when it leads); "
           "some rebuild (its input \"in\" is new); counts rebuild (its input \"in\" is new); "
           "last rebuild (its input \"some\" changes); sums rebuild (its input \"counts\" changes); ");
}

// Windows close at the frontier of all sources: one that is left out changes when, for those who never read it, too.
static void test_frontier(void **state)
{
    (void)state;
    static const char two[] = SCHEMA SOURCE("in", "t", "") SOURCE("more", "u", "") FILTER("n > 1") COUNTS(WINDOW)
        WINDOWED_TABLES "table { name: \"others\" input: \"more\" key: \"k\" }\n";
    expect(two, SCHEMA SOURCE("in", "t", "") FILTER("n > 1") COUNTS(WINDOW) WINDOWED_TABLES, NULL,
           "in keep; some keep; counts rebuild (it waits for every source, and \"more\" is gone); last keep; "
           "sums rebuild (its input \"counts\" changes); more remove (the new graph does not read it); "
           "others remove (the new graph does not have it); ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_depends),
        cmocka_unit_test(test_sources),
        cmocka_unit_test(test_frontier),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
