// Which steps made a value, by hand.
#include "tests/base/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "replay/lineage.h"

// A store key of a family: 0x01, the number, the segment, the key.
static struct k_str key_of(char family, char key)
{
    static char bytes[2][16];
    static int turn;
    char *at = bytes[turn ^= 1];
    memset(at, 0, 16);
    at[0] = 1;
    at[4] = family;
    at[13] = key;
    return (struct k_str){at, 14};
}

// "rA wB": reads key A, writes key B, in families of the same letters.
static void step(struct k_lineage *l, const char *what, int64_t offset)
{
    for (const char *c = what; *c; c += 2 + (c[2] == ' ')) {
        if (c[0] == 'r') k_lineage_read(l, key_of(c[1], c[1]));
        else k_lineage_write(l, key_of(c[1], c[1]));
    }
    k_lineage_step(l, 0, offset, 0);
}

static bool all_feed(void *context, uint32_t read_family, uint32_t written_family)
{
    (void)context, (void)read_family, (void)written_family;
    return true;
}

// S is read for T only.
static bool side_feeds_not(void *context, uint32_t read_family, uint32_t written_family)
{
    (void)context;
    return read_family != 'S' || written_family != 'T';
}

static void assert_traced(struct k_lineage *l, char target, k_lineage_feeds feeds, const char *wanted)
{
    struct k_lineage_touch *touches;
    uint64_t count;
    char got[64] = "";
    k_lineage_trace(l, key_of(target, target), l->step_count - 1, feeds, NULL, &touches, &count);
    for (uint64_t i = 0; i < l->step_count; i++)
        if (l->steps[i].contributes) snprintf(got + strlen(got), 8, "%d ", (int)l->steps[i].offset);
    assert_string_equal(got, wanted);
    free(touches);
}

static void test_through_an_aggregate(void **state)
{
    (void)state;
    struct k_lineage l = {0};
    step(&l, "wA", 1);
    step(&l, "wB", 2);
    step(&l, "rA wA", 3);
    step(&l, "rB wB", 4);
    step(&l, "rA wT", 5); // the window closes
    step(&l, "wA", 6);    // and begins anew
    assert_traced(&l, 'T', all_feed, "1 3 5 ");
    k_lineage_fini(&l);
}

static void test_what_is_overwritten_does_not_count(void **state)
{
    (void)state;
    struct k_lineage l = {0};
    step(&l, "wA", 1);
    step(&l, "wT", 2);
    step(&l, "wA", 3); // without having read it
    step(&l, "rA wT", 4);
    assert_traced(&l, 'T', all_feed, "3 4 ");
    k_lineage_fini(&l);
}

static void test_a_reader_is_no_writer(void **state)
{
    (void)state;
    struct k_lineage l = {0};
    step(&l, "wJ", 1);    // the table's side of a join
    step(&l, "rJ wX", 2); // another row that it was joined to
    step(&l, "rJ wT", 3);
    step(&l, "rJ", 4); // writes nothing, so it is no step
    assert_int_equal(l.step_count, 3);
    assert_traced(&l, 'T', all_feed, "1 3 ");
    k_lineage_fini(&l);
}

static void test_ways_that_do_not_meet(void **state)
{
    (void)state;
    struct k_lineage l = {0};
    step(&l, "wS", 1);
    step(&l, "wA", 2);
    step(&l, "rA wT rS wS", 3); // one record changes the row, and something beside it
    assert_traced(&l, 'T', all_feed, "1 2 3 ");
    assert_traced(&l, 'T', side_feeds_not, "2 3 ");
    assert_traced(&l, 'S', side_feeds_not, "1 2 3 "); // A feeds both
    k_lineage_fini(&l);
}

static void test_many(void **state)
{
    (void)state;
    struct k_lineage l = {0};
    // Each of 200 keys is made of the one before.
    for (int i = 0; i < 200; i++) {
        if (i) k_lineage_read(&l, key_of('A', (char)(i - 1)));
        k_lineage_write(&l, key_of('A', (char)i));
        k_lineage_step(&l, 0, i, 0);
    }
    struct k_lineage_touch *touches;
    uint64_t count;
    k_lineage_trace(&l, key_of('A', (char)199), 199, all_feed, NULL, &touches, &count);
    assert_int_equal(count, 200);
    free(touches);
    k_lineage_trace(&l, key_of('A', (char)50), 199, all_feed, NULL, &touches, &count);
    assert_int_equal(count, 51);
    free(touches);
    assert_true(k_lineage_bytes(&l) > 200 * sizeof(struct k_lineage_step));
    k_lineage_fini(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_through_an_aggregate),
        cmocka_unit_test(test_what_is_overwritten_does_not_count),
        cmocka_unit_test(test_a_reader_is_no_writer),
        cmocka_unit_test(test_ways_that_do_not_meet),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
