// Diagnostics: order, bound, and the nearest name.
#include "tests/base/test.h"

#include "base/diag.h"

static void assert_prints(struct k_diags *diags, const char *expected)
{
    struct k_buf out = {0};
    k_diags_print(diags, &out);
    assert_string_equal(k_buf_str(&out).data, expected);
    k_buf_fini(&out);
}

static void test_print_is_sorted_and_stable(void **state)
{
    (void)state;
    struct k_diags diags = {0};
    assert_prints(&diags, "");
    k_diag_error(&diags, (struct k_pos){"b.textproto", 1, 1}, "K0001", "fifth");
    k_diag_error(&diags, (struct k_pos){"a.textproto", 9, 41}, "K0310", "third %s", "\"x\"");
    k_diag_warning(&diags, (struct k_pos){"a.textproto", 9, 41}, "K0311", "fourth");
    k_diag_error(&diags, (struct k_pos){"a.textproto", 9, 5}, "K0102", "second");
    k_diag_error(&diags, (struct k_pos){0}, "K0900", "first");
    k_diag_error(&diags, (struct k_pos){"c.json", 0, 0}, "K0002", "seventh");
    k_diag_error(&diags, (struct k_pos){"b.textproto", 10, 0}, "K0003", "sixth");
    assert_int_equal(diags.errors, 6);
    assert_prints(&diags, "error[K0900]: first\n"
                          "a.textproto:9:5: error[K0102]: second\n"
                          "a.textproto:9:41: error[K0310]: third \"x\"\n"
                          "a.textproto:9:41: warning[K0311]: fourth\n"
                          "b.textproto:1:1: error[K0001]: fifth\n"
                          "b.textproto:10: error[K0003]: sixth\n"
                          "c.json: error[K0002]: seventh\n");
    k_diags_fini(&diags);
    k_diags_fini(NULL);
}

static void test_errors_beyond_the_bound_are_counted(void **state)
{
    (void)state;
    struct k_diags diags = {0};
    for (uint32_t i = 1; i <= 25; i++) k_diag_error(&diags, (struct k_pos){"f", i, 1}, "K0001", "e%u", i);
    assert_int_equal(diags.count, K_DIAG_MAX);
    assert_int_equal(diags.errors, 25);
    assert_int_equal(diags.dropped, 5);
    struct k_buf out = {0};
    k_diags_print(&diags, &out);
    assert_non_null(strstr(out.data, "f:20:1: error[K0001]: e20\n… and 5 more\n"));
    assert_null(strstr(out.data, "e21"));
    k_buf_fini(&out);
    k_diags_fini(&diags);
}

static void test_warnings_never_hide_errors(void **state)
{
    (void)state;
    struct k_diags diags = {0};
    for (uint32_t i = 1; i <= 30; i++) k_diag_warning(&diags, (struct k_pos){"f", i, 1}, "K0500", "w%u", i);
    struct k_buf before = {0};
    k_diags_print(&diags, &before);
    assert_non_null(strstr(before.data, "w20\n… and 10 more\n")); // the first ones stay
    k_buf_fini(&before);
    for (uint32_t i = 1; i <= 19; i++) k_diag_error(&diags, (struct k_pos){"g", i, 1}, "K0001", "e%u", i);
    uint32_t errors = 0;
    for (uint32_t i = 0; i < diags.count; i++) errors += !diags.items[i].warning;
    assert_int_equal(errors, 19);
    assert_int_equal(diags.count, K_DIAG_MAX);
    assert_int_equal(diags.dropped, 29);
    // The warning that stays is the first one.
    struct k_buf out = {0};
    k_diags_print(&diags, &out);
    assert_memory_equal(out.data, "f:1:1: warning[K0500]: w1\ng:1:1: ", 33);
    k_buf_fini(&out);
    k_diags_fini(&diags);
}

static const char *nearest(const char *name)
{
    static const char *const names[] = {"filter", NULL, "map", "aggregate", "response", "request", "Route", "id"};
    return k_nearest(name, names, sizeof names / sizeof *names);
}

static void test_nearest(void **state)
{
    (void)state;
    assert_string_equal(nearest("filtre"), "filter");    // neighbours swapped: one edit
    assert_string_equal(nearest("respnse"), "response"); // a letter missing
    assert_string_equal(nearest("mapp"), "map");
    assert_string_equal(nearest("mpa"), "map"); // one edit in three letters is just within
    assert_string_equal(nearest("AGGREGAT"), "aggregate");
    assert_string_equal(nearest("route"), "Route");
    assert_string_equal(nearest("ID"), "id");
    assert_string_equal(nearest("flitre"), "filter"); // two edits in six letters
    assert_null(nearest("xd"));                       // one edit in two is too far
    assert_null(nearest("xyzter"));                   // three edits in six letters
    assert_null(nearest(""));
    assert_null(nearest("window"));
    assert_null(k_nearest("filter", NULL, 0));
}

static void test_nearest_prefers_fewest_edits_then_first(void **state)
{
    (void)state;
    static const char *const names[] = {"prices", "pricey", "price"};
    assert_string_equal(k_nearest("pricex", names, 3), "prices");
    assert_string_equal(k_nearest("price", names, 3), "price");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_print_is_sorted_and_stable),
        cmocka_unit_test(test_errors_beyond_the_bound_are_counted),
        cmocka_unit_test(test_warnings_never_hide_errors),
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_nearest_prefers_fewest_edits_then_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
