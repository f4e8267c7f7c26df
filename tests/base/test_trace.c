// Traces: the two forms, the level, one write an event.
#include "tests/base/test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/trace.h"
#include "base/units.h"

static int saved_stderr, ends[2];

// A datagram socket keeps writes apart, so a test sees how many there were.
static int catch_stderr(void **state)
{
    (void)state;
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) != 0) return -1;
    saved_stderr = dup(STDERR_FILENO);
    return dup2(ends[1], STDERR_FILENO) < 0;
}

static int release_stderr(void **state)
{
    (void)state;
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    close(ends[0]);
    close(ends[1]);
    k_trace_setup(K_TRACE_WARN, false);
    return 0;
}

// The next write, or NULL when there is none.
static const char *next(void)
{
    static char text[32768];
    ssize_t length = recv(ends[0], text, sizeof text - 1, MSG_DONTWAIT);
    if (length < 0) return NULL;
    text[length] = '\0';
    return text;
}

// "2026-01-01T00:00:00.123Z" at the start of text.
static void assert_time(const char *text)
{
    int64_t us;
    assert_true(k_time_parse((struct k_str){text, 24}, &us));
    assert_int_equal(text[19], '.');
    assert_int_equal(text[23], 'Z');
}

static void test_text_form(void **state)
{
    (void)state;
    k_trace_setup(K_TRACE_INFO, false);
    k_trace(K_TRACE_WARN, "shard 0", "lag is %d\nand\x1b[31m grows", 5);
    const char *line = next();
    assert_non_null(line);
    assert_time(line);
    assert_string_equal(line + 24, " warn shard 0: lag is 5 and [31m grows\n");
    assert_null(next());
}

static void test_json_form(void **state)
{
    (void)state;
    k_trace_setup(K_TRACE_DEBUG, true);
    k_trace(K_TRACE_DEBUG, "a \"b\"", "two\nlines");
    const char *line = next();
    assert_non_null(line);
    assert_memory_equal(line, "{\"time\":\"", 9);
    assert_time(line + 9);
    assert_string_equal(line + 33, "\",\"level\":\"debug\",\"component\":\"a \\\"b\\\"\",\"text\":\"two\\nlines\"}\n");
    assert_null(next());
}

static void test_level_is_a_bound(void **state)
{
    (void)state;
    static const char *const names[] = {"error", "warn", "info", "debug"};
    for (int bound = 0; bound < 4; bound++) {
        enum k_trace_level parsed;
        assert_true(k_trace_level_parse(names[bound], &parsed));
        assert_int_equal(parsed, bound);
        k_trace_setup(parsed, false);
        for (int level = 0; level < 4; level++) {
            k_trace((enum k_trace_level)level, "c", "t");
            assert_int_equal(k_trace_on((enum k_trace_level)level), level <= bound);
            const char *line = next();
            assert_int_equal(line != NULL, level <= bound);
            if (line != NULL) assert_memory_equal(line + 25, names[level], strlen(names[level]));
        }
    }
    enum k_trace_level untouched = K_TRACE_INFO;
    assert_false(k_trace_level_parse("WARN", &untouched));
    assert_false(k_trace_level_parse("", &untouched));
    assert_int_equal(untouched, K_TRACE_INFO);
}

static void test_long_text_is_cut(void **state)
{
    (void)state;
    k_trace(K_TRACE_ERROR, "c", "%05000d", 1);
    const char *line = next();
    assert_non_null(line);
    assert_true(strlen(line) <= 4096);
    assert_string_equal(line + strlen(line) - 4, "…\n");
    assert_null(next());
}

static void test_errno_stays_when_stderr_is_gone(void **state)
{
    (void)state;
    close(STDERR_FILENO);
    errno = ENOSPC;
    k_trace(K_TRACE_ERROR, "c", "nobody hears");
    assert_int_equal(errno, ENOSPC);
}

enum { THREADS = 4, LINES = 50 };

static void *speak(void *name)
{
    for (int i = 0; i < LINES; i++) k_trace(K_TRACE_ERROR, name, "%0100d", i);
    return NULL;
}

static void test_threads_do_not_mix(void **state)
{
    (void)state;
    static char names[THREADS][2] = {"a", "b", "c", "d"};
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, speak, names[i]), 0);
    // Read while they write: the socket holds few datagrams.
    int seen = 0;
    while (seen < THREADS * LINES) {
        char line[4096];
        ssize_t length = recv(ends[0], line, sizeof line, 0);
        assert_int_equal(length, 24 + strlen(" error a: ") + 100 + 1);
        assert_int_equal(line[length - 1], '\n');
        seen++;
    }
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    assert_null(next());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_text_form, catch_stderr, release_stderr),
        cmocka_unit_test_setup_teardown(test_json_form, catch_stderr, release_stderr),
        cmocka_unit_test_setup_teardown(test_level_is_a_bound, catch_stderr, release_stderr),
        cmocka_unit_test_setup_teardown(test_long_text_is_cut, catch_stderr, release_stderr),
        cmocka_unit_test_setup_teardown(test_errno_stays_when_stderr_is_gone, catch_stderr, release_stderr),
        cmocka_unit_test_setup_teardown(test_threads_do_not_mix, catch_stderr, release_stderr),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
