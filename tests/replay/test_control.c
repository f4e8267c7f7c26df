// The control record: as bytes, changed by two at once, and what each decision allows.
#include "tests/base/test.h"

#include <stdio.h>

#include "engine/log_memory.h"
#include "replay/generations.h"
#include "replay/note.h"

static struct k_control record_of_two(void)
{
    struct k_control c;
    k_control_init(&c);
    struct k_new_shadow ask = {.fingerprint = "bbb", .live_fingerprint = "aaa", .now_us = 5};
    bool write = false;
    struct k_error err;
    assert_int_equal(k_new_shadow(&ask, &c, &write, &err), 0);
    assert_true(write);
    assert_int_equal(ask.number, 2);
    c.revision = 1;
    return c;
}

// Whose graph the first generation has is noted with the second, whatever was written before; but not once another led.
static void test_first_graph(void **state)
{
    (void)state;
    for (int switched = 0; switched < 2; switched++) {
        struct k_control c;
        struct k_marking mark = {0};
        struct k_new_shadow ask = {.fingerprint = "bbb", .live_fingerprint = "aaa", .now_us = 5};
        bool write = false;
        struct k_error err;
        k_control_init(&c);
        assert_int_equal(k_marking(&mark, &c, &write, &err), 0);
        c.revision = 1;
        c.seq = (uint64_t)switched;
        assert_int_equal(k_new_shadow(&ask, &c, &write, &err), 0);
        assert_string_equal(c.generations[0].fingerprint, switched ? "" : "aaa");
    }
}

static int decide(k_control_decide decision, void *ask, struct k_control *c, bool wanted_write)
{
    struct k_error err = {0};
    bool write = false;
    int code = decision(ask, c, &write, &err);
    assert_int_equal(write, wanted_write);
    if (code) assert_true(err.text[0]);
    return code;
}

static void switch_to(struct k_control *c, uint64_t to)
{
    struct k_switch ask = {.to = to, .hold_us = 100};
    assert_int_equal(decide(k_switch, &ask, c, true), 0);
    struct k_completion done = {.seq = c->seq, .now_us = 1000};
    assert_int_equal(decide(k_completion, &done, c, true), 0);
}

static void test_as_bytes(void **state)
{
    (void)state;
    struct k_control c = record_of_two(), back;
    struct k_error err;
    struct k_buf bytes = {0};
    switch_to(&c, 2);
    c.mark = 7;
    c.give_up_us = 3;
    snprintf(c.generations[1].start, sizeof c.generations[1].start, "--to-earliest");
    snprintf(c.generations[1].suffix, sizeof c.generations[1].suffix, ".new");
    snprintf(c.reason, sizeof c.reason, "because");
    struct k_reporting r = {{7, 1, 2, 8, 3, 2, 4, 5, 6, "t"}};
    assert_int_equal(decide(k_reporting, &r, &c, true), 0);
    c.report = 7;
    k_control_encode(&c, "p", &bytes);
    assert_int_equal(k_control_decode(k_buf_str(&bytes), "p", &back, &err), 0);
    assert_memory_equal(&c, &back, sizeof c);
    assert_int_equal(k_control_decode(k_buf_str(&bytes), "q", &back, &err), K_E_CORRUPT);
    assert_non_null(strstr(err.text, "pipeline \"p\""));
    struct k_str cut = {bytes.data, bytes.length - 1};
    assert_int_equal(k_control_decode(cut, "p", &back, &err), K_E_CORRUPT);
    k_buf_clear(&bytes);
    c.target = 9; // nobody
    k_control_encode(&c, "p", &bytes);
    assert_int_equal(k_control_decode(k_buf_str(&bytes), "p", &back, &err), K_E_CORRUPT);
    k_buf_fini(&bytes);
}

static void test_switches(void **state)
{
    (void)state;
    struct k_control c = record_of_two();
    struct k_switch back = {.to = 0}, to_three = {.to = 3}, to_two = {.to = 2, .hold_us = 100}, to_one = {.to = 1};
    assert_int_equal(decide(k_switch, &back, &c, false), K_E_NOT_FOUND); // none lived before
    assert_int_equal(decide(k_switch, &to_three, &c, false), K_E_NOT_FOUND);
    assert_int_equal(decide(k_switch, &to_one, &c, false), 0); // it leads
    assert_int_equal(decide(k_switch, &to_two, &c, true), 0);
    assert_int_equal(to_two.seq, 1);
    assert_int_equal(c.live, 1); // until it is complete
    // Again, as who did not hear of it, and as somebody else: nothing more is written.
    assert_int_equal(decide(k_switch, &to_two, &c, false), 0);
    struct k_switch other = {.to = 2};
    assert_int_equal(decide(k_switch, &other, &c, false), 0);
    assert_int_equal(other.seq, 1);
    // An old completion and an old taking back change nothing.
    struct k_completion old = {.seq = 0};
    assert_int_equal(decide(k_completion, &old, &c, false), 0);
    struct k_completion done = {.seq = 1, .now_us = 1000};
    assert_int_equal(decide(k_completion, &done, &c, true), 0);
    assert_int_equal(c.live, 2);
    assert_int_equal(c.done, 1);
    assert_int_equal(c.generations[0].role, K_ROLE_WARM);
    assert_int_equal(c.generations[0].hold_until_us, 1100);
    assert_int_equal(c.generations[1].role, K_ROLE_LIVE);
    assert_int_equal(decide(k_completion, &done, &c, false), 0);
    // Back; asked for twice it is one rollback.
    struct k_switch rollback = {.to = 0}, twice = {.to = 0};
    assert_int_equal(decide(k_switch, &rollback, &c, true), 0);
    assert_int_equal(rollback.target, 1);
    assert_int_equal(decide(k_switch, &twice, &c, false), 0);
    assert_int_equal(c.target, 1);
    struct k_completion again = {.seq = 2};
    assert_int_equal(decide(k_completion, &again, &c, true), 0);
    assert_int_equal(decide(k_switch, &twice, &c, false), 0); // it does not go forth again
    struct k_switch late = {.to = 0}, forth = {.to = 2};
    assert_int_equal(decide(k_switch, &late, &c, false), 0);
    assert_int_equal(c.target, 1);
    assert_int_equal(decide(k_switch, &forth, &c, true), 0);
}

static void test_turned_back(void **state)
{
    (void)state;
    struct k_control c = record_of_two();
    struct k_switch to_two = {.to = 2}, back = {.to = 0};
    assert_int_equal(decide(k_switch, &to_two, &c, true), 0);
    assert_int_equal(decide(k_switch, &back, &c, true), 0); // before anybody has switched
    assert_int_equal(c.seq, 2);
    assert_int_equal(c.target, 1);
    // Whoever did not hear how the first ended hears that another came in between.
    assert_int_equal(decide(k_switch, &to_two, &c, false), K_E_CONFIG);
    struct k_completion done = {.seq = 2};
    assert_int_equal(decide(k_completion, &done, &c, true), 0);
    assert_int_equal(c.live, 1);
    assert_int_equal(c.generations[0].role, K_ROLE_LIVE);
    assert_int_equal(c.generations[1].role, K_ROLE_SHADOW);
    // Taken back by whoever watches, once.
    struct k_switch again = {.to = 2};
    assert_int_equal(decide(k_switch, &again, &c, true), 0);
    struct k_taking_back slow = {.seq = 3};
    assert_int_equal(decide(k_taking_back, &slow, &c, true), 0);
    assert_int_equal(c.seq, 4);
    assert_int_equal(c.target, 1);
    assert_int_equal(decide(k_taking_back, &slow, &c, false), 0);
    struct k_taking_back own = {.seq = 4};
    assert_int_equal(decide(k_taking_back, &own, &c, false), 0); // there is nothing to go back to
}

// Whoever waits for a switch may be shown a record from before it.
static void test_how_a_switch_stands(void **state)
{
    (void)state;
    struct k_control c = record_of_two(), before = c;
    struct k_switch to_two = {.to = 2};
    assert_int_equal(decide(k_switch, &to_two, &c, true), 0);
    assert_true(k_control_is_settled(&before));
    assert_int_equal(k_switch_stands(&before, to_two.seq), K_SWITCH_UNDER_WAY);
    assert_int_equal(k_switch_stands(&c, to_two.seq), K_SWITCH_UNDER_WAY);
    struct k_control back = c;
    struct k_completion done = {.seq = to_two.seq};
    assert_int_equal(decide(k_completion, &done, &c, true), 0);
    assert_int_equal(k_switch_stands(&c, to_two.seq), K_SWITCH_COMPLETE);
    struct k_taking_back slow = {.seq = to_two.seq};
    assert_int_equal(decide(k_taking_back, &slow, &back, true), 0);
    assert_int_equal(k_switch_stands(&back, to_two.seq), K_SWITCH_OVERTAKEN);
}

static void test_retirement(void **state)
{
    (void)state;
    struct k_control c = record_of_two();
    struct k_retirement one = {.number = 1}, two = {.number = 2}, three = {.number = 3};
    assert_int_equal(decide(k_retirement, &one, &c, false), K_E_CONFIG); // it lives
    assert_int_equal(decide(k_retirement, &three, &c, false), K_E_NOT_FOUND);
    switch_to(&c, 2);
    struct k_retirement held = {.now_us = 1099}, over = {.now_us = 1100};
    assert_int_equal(decide(k_retirement, &held, &c, false), 0);
    assert_int_equal(decide(k_retirement, &two, &c, false), K_E_CONFIG);
    assert_int_equal(decide(k_retirement, &over, &c, true), 0);
    assert_int_equal(c.generations[0].role, K_ROLE_RETIRED);
    struct k_switch back = {.to = 0}, to_one = {.to = 1};
    assert_int_equal(decide(k_switch, &back, &c, false), K_E_NOT_FOUND);
    assert_int_equal(decide(k_switch, &to_one, &c, false), K_E_NOT_FOUND);
    // Who is to lead by a switch under way is not retired under its feet.
    struct k_new_shadow new = {.fingerprint = "ccc", .now_us = 9};
    assert_int_equal(decide(k_new_shadow, &new, &c, true), 0);
    assert_int_equal(decide(k_new_shadow, &new, &c, false), 0); // asked again: the same one
    struct k_new_shadow own = {.fingerprint = "ccc", .now_us = 10, .suffix = ".o"}, other = own;
    assert_int_equal(decide(k_new_shadow, &own, &c, true), 0);
    other.now_us = 11; // the topics of that suffix are the other's
    assert_int_equal(decide(k_new_shadow, &other, &c, false), K_E_CONFIG);
    struct k_switch to_three = {.to = 3};
    assert_int_equal(decide(k_switch, &to_three, &c, true), 0);
    assert_int_equal(decide(k_retirement, &three, &c, false), K_E_CONFIG);
}

static void test_many_generations(void **state)
{
    (void)state;
    struct k_control c = record_of_two();
    struct k_retirement two = {.number = 2};
    assert_int_equal(decide(k_retirement, &two, &c, true), 0);
    for (int i = 0; i < 2 * K_GENERATIONS_MAX; i++) {
        struct k_new_shadow new = {.fingerprint = "x", .now_us = 100 + i};
        assert_int_equal(decide(k_new_shadow, &new, &c, true), 0);
        assert_int_equal(new.number, 3 + i); // numbers are never used again
        struct k_retirement gone = {.number = new.number};
        assert_int_equal(decide(k_retirement, &gone, &c, true), 0);
    }
    assert_int_equal(c.generations[0].number, 1);
    c.generation_count = K_GENERATIONS_MAX;
    for (uint32_t i = 1; i < K_GENERATIONS_MAX; i++) c.generations[i].role = K_ROLE_WARM;
    struct k_new_shadow full = {.fingerprint = "y", .now_us = 1};
    assert_int_equal(decide(k_new_shadow, &full, &c, false), K_E_CONFIG);
}

// A cutover by people: refused without a report that says equal, one that is accepted, or a reason where there is none.
static void test_warrants(void **state)
{
    (void)state;
    struct k_control c = record_of_two(), trial;
    struct k_switch bare = {.to = 2, .with_warrant = true, .pipeline = "p"}, reason = bare, accept = bare,
                    wrong = bare;
    reason.reason = "because";
    accept.accept = 5;
    wrong.accept = 4;
    assert_int_equal(decide(k_switch, &bare, &c, false), K_E_CONFIG);
    assert_int_equal(decide(k_switch, &accept, &c, false), K_E_CONFIG); // there is none
    trial = c;
    assert_int_equal(decide(k_switch, &reason, &trial, true), 0);
    assert_int_equal(trial.report, 0);

    struct k_reporting equal = {{.mark = 4, .left = 1, .right = 2, .tables = 1}};
    struct k_reporting other = {{.mark = 5, .left = 2, .right = 1, .tables = 2, .differing = 1, .first = "t"}};
    assert_int_equal(decide(k_reporting, &equal, &c, true), 0);
    assert_int_equal(decide(k_reporting, &equal, &c, false), 0); // it stands there already
    trial = c;
    struct k_switch again = bare;
    assert_int_equal(decide(k_switch, &again, &trial, true), 0);
    assert_int_equal(trial.report, 4);

    assert_int_equal(decide(k_reporting, &other, &c, true), 0); // the newest counts
    struct k_switch excuse = {.to = 2, .with_warrant = true, .reason = "because", .pipeline = "p"};
    assert_int_equal(decide(k_switch, &bare, &c, false), K_E_CONFIG);
    assert_int_equal(decide(k_switch, &excuse, &c, false), K_E_CONFIG);
    assert_int_equal(decide(k_switch, &wrong, &c, false), K_E_CONFIG);
    assert_int_equal(decide(k_switch, &accept, &c, true), 0);
    assert_int_equal(c.report, 5);
    struct k_switch back = {.to = 0}; // needs nothing
    assert_int_equal(decide(k_switch, &back, &c, true), 0);
    assert_int_equal(c.report, 0);
}

static void test_many_reports(void **state)
{
    (void)state;
    struct k_control c = record_of_two();
    for (uint64_t mark = 1; mark <= 2 * K_PARITIES_MAX; mark++) {
        struct k_reporting r = {{.mark = mark, .left = 1, .right = 2}};
        assert_int_equal(decide(k_reporting, &r, &c, true), 0);
    }
    assert_int_equal(c.parity_count, K_PARITIES_MAX);
    assert_int_equal(c.parities[0].mark, K_PARITIES_MAX + 1);
    struct k_retirement two = {.number = 2};
    assert_int_equal(decide(k_retirement, &two, &c, true), 0);
    struct k_reporting late = {{.mark = 99, .left = 1, .right = 2}};
    assert_int_equal(decide(k_reporting, &late, &c, false), K_E_NOT_FOUND);
}

// --- on a log ---

struct slow { // a writer that is overtaken while it decides
    struct k_log *other;
    bool done;
};

static int overtaken(void *context, struct k_control *control, bool *ret_write, struct k_error *err)
{
    struct slow *slow = context;
    struct k_marking mark = {0};
    struct k_control after;
    if (!slow->done) assert_int_equal(k_control_change(slow->other, "p", k_marking, &mark, &after, err), 0);
    slow->done = true;
    control->mark += 10;
    *ret_write = true;
    return 0;
}

static void test_compare_and_set(void **state)
{
    (void)state;
    struct k_cloud *cloud = k_cloud_create(1, NULL, 0);
    struct k_log *a = k_cloud_connect(cloud, "a"), *b = k_cloud_connect(cloud, "b");
    struct k_control c;
    struct k_error err;
    assert_int_equal(k_control_read(a, "p", &c, &err), 0); // no topic: there is one generation
    assert_int_equal(c.revision, 0);
    assert_int_equal(c.live, 1);
    assert_int_equal(k_control_prepare(a, "p", 1, &err), 0);
    assert_int_equal(k_control_prepare(b, "p", 1, &err), 0);
    struct slow slow = {.other = b};
    int code = k_control_change(a, "p", overtaken, &slow, &c, &err);
    assert_true(k_control_again(code)); // fenced: the other's write stands, this one's does not
    assert_int_equal(k_control_read(b, "p", &c, &err), 0);
    assert_int_equal(c.revision, 1);
    assert_int_equal(c.mark, 1);
    assert_int_equal(k_control_change(a, "p", overtaken, &slow, &c, &err), 0);
    assert_int_equal(c.revision, 2);
    assert_int_equal(c.mark, 11);
    struct k_control_watch watch = {.log = b, .graph = "p"};
    bool changed;
    assert_int_equal(k_control_poll(&watch, &changed, &err), 0);
    assert_true(changed);
    assert_int_equal(watch.control.mark, 11);
    assert_int_equal(k_control_poll(&watch, &changed, &err), 0);
    assert_false(changed);
    k_control_unwatch(&watch);
    struct k_topic_spec wrong = {.partitions = 2, .compacted = true, .retention_ms = -1};
    assert_int_equal(k_cloud_create_topic(cloud, "q.control", &wrong, &err), 0);
    assert_int_equal(k_control_prepare(a, "q", 1, &err), K_E_CONFIG);
    a->ops->close(a);
    b->ops->close(b);
    k_cloud_destroy(cloud);
}

// What was written since the broker last compacted is all there.
static void test_many_changes(void **state)
{
    (void)state;
    enum { CHANGES = 4000 };
    struct k_cloud *cloud = k_cloud_create(1, NULL, 0);
    struct k_log *log = k_cloud_connect(cloud, "a");
    struct k_control c;
    struct k_error err = {0};
    struct k_buf bytes = {0}, last = {0};
    assert_int_equal(k_control_prepare(log, "p", 1, &err), 0);
    for (int i = 1; i <= CHANGES; i++) {
        k_control_init(&c);
        c.revision = c.mark = (uint64_t)i;
        k_buf_clear(&bytes);
        k_control_encode(&c, "p", &bytes);
        struct k_out_message message = {
            .topic = "p.control", .timestamp_us = 1, .value = k_buf_str(&bytes), .has_value = true};
        assert_true(k_cloud_produce(cloud, &message) >= 0);
    }
    if (k_control_read(log, "p", &c, &err)) fail_msg("%s", err.text);
    assert_int_equal(c.mark, CHANGES);
    if (k_note_read(log, "p.control", 0, &last, &err)) fail_msg("%s", err.text);
    assert_true(k_str_equal(k_buf_str(&last), k_buf_str(&bytes)));
    k_buf_fini(&bytes);
    k_buf_fini(&last);
    log->ops->close(log);
    k_cloud_destroy(cloud);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_graph),
        cmocka_unit_test(test_as_bytes),         cmocka_unit_test(test_switches),
        cmocka_unit_test(test_turned_back),      cmocka_unit_test(test_retirement),
        cmocka_unit_test(test_many_generations), cmocka_unit_test(test_compare_and_set),
        cmocka_unit_test(test_warrants),         cmocka_unit_test(test_many_reports),
        cmocka_unit_test(test_many_changes),     cmocka_unit_test(test_how_a_switch_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
