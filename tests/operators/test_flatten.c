// flatten: one row per element, whole rows that fail, arrays longer than any batch.
#include "tests/operators/harness.h"

#include <stdlib.h>

#include "operators/flatten.h"

#define HEAD                                                                                      \
    "name: 'g' schema { name: 'S' field: 'id int64' field: 'items json' field: 'n int64' }\n"     \
    "schema { name: 'Item' field: 'sku string not null' field: 'count int64 at $.more.count' }\n" \
    "source { name: 's' kafka { topic: 't' } format { json {} } schema: 'S' }\n"
#define NODE(fields, more) HEAD "node { name: 'f' input: 's' flatten { " fields " } " more " }"
#define ROW(id, items) "{\"id\":" id ",\"items\":" items ",\"n\":0}"

static const struct row rows[] = {
    {ROW("1", "[1, \"a,]\\\"\" ,{\"b\":[2,3]},[ ] , null]"), 5, 0, 0},
    {ROW("2", "[]"), 6, 0, 0},
    {ROW("3", "null"), 7, 0, 0},
    {ROW("4", "{\"a\":[]}"), 8, 0, 0},
    {ROW("5", "  [ true ]  "), 9, 0, 0},
};

static void elements_become_rows(void **unused)
{
    (void)unused;
    for (uint32_t batch = 1; batch <= 5; batch += 4) {
        struct harness h;
        harness_open(&h, NODE("field: 'items' as: 'item'", ""), NULL);
        assert_int_equal(harness_feed(&h, rows, 5, batch), 0);
        assert_text(&h.emitted, "0 +1 5 {\"id\":1,\"item\":1,\"n\":0}\n"
                                "0 +1 5 {\"id\":1,\"item\":\"a,]\\\"\",\"n\":0}\n"
                                "0 +1 5 {\"id\":1,\"item\":{\"b\":[2,3]},\"n\":0}\n"
                                "0 +1 5 {\"id\":1,\"item\":[ ],\"n\":0}\n"
                                "0 +1 5 {\"id\":1,\"item\":null,\"n\":0}\n"
                                "0 +1 9 {\"id\":5,\"item\":true,\"n\":0}\n");
        assert_text(&h.letters, "type {\"id\":4,\"items\":{\"a\":[]},\"n\":0}\n");
        assert_int_equal(h.counters.processed, 4);
        harness_check_sums(&h);
        harness_close(&h);
    }
}

static void outer_keeps_rows_without_elements(void **unused)
{
    (void)unused;
    struct harness h;
    harness_open(&h, NODE("field: 'items' as: 'item' outer: true", "policy { on_error: PASS_NULL }"), NULL);
    assert_int_equal(harness_feed(&h, rows + 1, 3, 3), 0);
    assert_text(&h.emitted, "0 +1 6 {\"id\":2,\"item\":null,\"n\":0}\n0 +1 7 {\"id\":3,\"item\":null,\"n\":0}\n"
                            "0 +1 8 {\"id\":4,\"item\":null,\"n\":0}\n");
    assert_text(&h.letters, "");
    harness_close(&h);
}

// A row is taken as a whole: one element that does not fit, and none of the row is handed on.
static void objects_become_columns(void **unused)
{
    (void)unused;
    static const struct row objects[] = {
        {ROW("1", "[{\"sku\":\"a\"},{\"more\":{\"count\":7},\"sku\":\"b\"}]"), 1, 0, 0},
        {ROW("2", "[{\"sku\":\"c\"},{\"more\":{\"count\":7}}]"), 2, 0, 0},
        {ROW("3", "[{\"sku\":\"d\",\"more\":{\"count\":\"many\"}}]"), 3, 0, 0},
        {ROW("4", "[null]"), 4, 0, 0},
        {ROW("5", "[{\"sku\":\"e\"}]"), 5, 0, 0},
    };
    struct harness h;
    harness_open(&h, NODE("field: 'items' schema: 'Item'", ""), NULL);
    assert_true(h.node.outputs[0].schema.fields[1].not_null);
    assert_int_equal(harness_feed(&h, objects, 5, 5), 0);
    assert_text(&h.emitted, "0 +1 1 {\"id\":1,\"sku\":\"a\",\"count\":null,\"n\":0}\n"
                            "0 +1 1 {\"id\":1,\"sku\":\"b\",\"count\":7,\"n\":0}\n"
                            "0 +1 5 {\"id\":5,\"sku\":\"e\",\"count\":null,\"n\":0}\n");
    assert_int_equal(h.counters.dead_lettered, 3);
    assert_int_equal(strncmp(h.letters.data, "missing {\"id\":2", 15), 0);
    harness_check_sums(&h);
    harness_close(&h);
    harness_open(&h, NODE("field: 'items' as: 'item' schema: 'Item'", "policy { on_error: PASS_NULL }"), NULL);
    assert_false(h.node.outputs[0].schema.fields[2].not_null);
    assert_int_equal(harness_feed(&h, objects + 1, 3, 3), 0);
    assert_text(&h.emitted,
                "0 +1 2 {\"id\":2,\"item\":{\"sku\":\"c\"},\"sku\":\"c\",\"count\":null,\"n\":0}\n"
                "0 +1 2 {\"id\":2,\"item\":{\"more\":{\"count\":7}},\"sku\":null,\"count\":null,\"n\":0}\n"
                "0 +1 3 {\"id\":3,\"item\":{\"sku\":\"d\",\"more\":{\"count\":\"many\"}},\"sku\":null,\"count\":null,"
                "\"n\":0}\n"
                "0 +1 4 {\"id\":4,\"item\":null,\"sku\":null,\"count\":null,\"n\":0}\n");
    harness_close(&h);
}

static void what_is_taken_back_is_taken_back_element_by_element(void **unused)
{
    (void)unused;
    static const struct row changes[] = {{ROW("1", "[1,2]"), 1, 0, -1}, {ROW("1", "[3]"), 1, 0, 1}};
    struct harness h;
    struct harness_input input = {.updating = true};
    harness_open(&h, NODE("field: 'items' as: 'item'", ""), &input);
    assert_true(h.node.outputs[0].updating);
    assert_int_equal(harness_feed(&h, changes, 2, 2), 0);
    assert_text(&h.emitted, "0 -1 1 {\"id\":1,\"item\":1,\"n\":0}\n0 -1 1 {\"id\":1,\"item\":2,\"n\":0}\n"
                            "0 +1 1 {\"id\":1,\"item\":3,\"n\":0}\n");
    assert_int_equal(h.pairs, 0); // not the sides of one change: keys may differ
    harness_close(&h);
}

// {"id":1,"items":[{"sku":"x"},…]} with so many elements, the last one as given.
static char *long_row(uint32_t count, const char *last)
{
    struct k_buf text = {0};
    k_buf_add_text(&text, "{\"id\":1,\"items\":[");
    for (uint32_t i = 0; i + 1 < count; i++) k_buf_add_text(&text, "{\"sku\":\"0123456789\"},");
    k_buf_printf(&text, "%s],\"n\":0}", last);
    k_buf_add_char(&text, 0);
    return text.data;
}

static void long_arrays_come_in_many_batches(void **unused)
{
    (void)unused;
    enum { COUNT = 500000 }; // of 22 bytes: 11 MB
    struct harness h;
    char *good = long_row(COUNT, "{\"sku\":\"z\"}"), *bad = long_row(COUNT, "{\"sku\":7}");
    struct row both[] = {{good, 1, 0, 0}, {bad, 2, 0, 0}, {ROW("3", "[{\"sku\":\"y\"}]"), 3, 0, 0}};
    harness_open(&h, NODE("field: 'items' schema: 'Item'", ""), NULL);
    h.quiet = true;
    assert_int_equal(harness_feed(&h, both, 3, 3), 0);
    assert_int_equal(h.counters.out, COUNT + 1);
    assert_int_equal(h.counters.processed, 2);
    assert_int_equal(h.counters.dead_lettered, 1);
    assert_true(h.batches >= COUNT / K_BATCH_ROWS);
    assert_true(h.most_arena_bytes < 2 << 20); // of one batch, however long the array is
    harness_check_sums(&h);
    harness_close(&h);
    free(good);
    free(bad);
}

static uint32_t cut(const char *text, uint32_t max, bool *ret_broken)
{
    struct k_elements elements;
    struct k_str some[16];
    uint32_t count = 0;
    if (!k_elements_begin(k_str_of(text), &elements)) return UINT32_MAX;
    while (elements.more) count += k_elements_next(&elements, some, max);
    *ret_broken = elements.broken;
    return count;
}

static void arrays_are_cut_into_elements(void **unused)
{
    (void)unused;
    bool broken;
    for (uint32_t max = 1; max <= 16; max += 3) {
        assert_int_equal(cut(" [ ] ", max, &broken), 0);
        assert_false(broken);
        assert_int_equal(cut("[1,\"]\\\\\",[2,{\"a\":\",\"}],3 ]", max, &broken), 4);
        assert_false(broken);
        assert_int_equal(cut("{}", max, &broken), UINT32_MAX);
        assert_int_equal(cut("", max, &broken), UINT32_MAX);
        static const char *const ends[] = {"[", "[1", "[1,", "[\"a", "[\"a\\", "[{\"a\":1", "[[1]", "[1,\"]"};
        for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
            cut(ends[i], max, &broken);
            assert_true(broken);
        }
    }
}

static void says_what_is_wrong(void **unused)
{
    (void)unused;
    struct harness h;
    harness_plan(&h, NODE("field: 'n' as: 'id'", ""), NULL);
    assert_string_equal(harness_diags(&h),
                        "g:4:46: error[K0403]: field: \"n\" is of type int64; flatten takes arrays, "
                        "which are of type json\n");
    harness_close(&h);
    harness_plan(&h, NODE("field: 'itmes' schema: 'Itme'", ""), NULL);
    assert_string_equal(
        harness_diags(&h),
        "g:4:46: error[K0406]: field: unknown column \"itmes\"; \"s\" offers id, items, n; did you mean "
        "\"items\"?\n"
        "g:4:62: error[K0221]: flatten \"f\": there is no schema \"Itme\"; did you mean \"Item\"?\n");
    harness_close(&h);
    harness_plan(&h, NODE("field: 'items'", ""), NULL);
    assert_string_equal(
        harness_diags(&h),
        "g:4:29: error[K0401]: \"f\" needs as; add  as: \"NAME\"  for the element, or  schema: \"NAME\""
        "  for the fields of elements that are objects\n");
    harness_close(&h);
    harness_plan(&h, NODE("field: 'items' as: 'id'", ""), NULL);
    assert_string_equal(harness_diags(&h), "g:4:58: error[K0404]: there would be two columns \"id\"; give the "
                                           "element another name\n");
    harness_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_become_rows),
        cmocka_unit_test(outer_keeps_rows_without_elements),
        cmocka_unit_test(objects_become_columns),
        cmocka_unit_test(what_is_taken_back_is_taken_back_element_by_element),
        cmocka_unit_test(long_arrays_come_in_many_batches),
        cmocka_unit_test(arrays_are_cut_into_elements),
        cmocka_unit_test(says_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
