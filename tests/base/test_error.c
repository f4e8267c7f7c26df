// Errors: codes, their table, and the bounded text.
#include "tests/base/test.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"

static void test_text_reads_from_general_to_particular(void **state)
{
    (void)state;
    struct k_error err = {0};
    assert_int_equal(k_fail(&err, K_E_IO, "broker said %d", 7), K_E_IO);
    assert_int_equal(k_wrap(&err, K_E_IO, "partition %d", 3), K_E_IO);
    assert_int_equal(k_wrap(&err, K_E_UNAVAILABLE, "shard 0"), K_E_UNAVAILABLE);
    assert_string_equal(err.text, "shard 0: partition 3: broker said 7");
    assert_int_equal(err.code, K_E_UNAVAILABLE);
}

static void test_error_may_be_null(void **state)
{
    (void)state;
    assert_int_equal(k_fail(NULL, K_E_DATA, "x"), K_E_DATA);
    assert_int_equal(k_wrap(NULL, K_E_DATA, "x"), K_E_DATA);
}

static void test_wrapping_silence_says_the_meaning(void **state)
{
    (void)state;
    struct k_error err = {0};
    (void)k_wrap(&err, K_E_CORRUPT, "snapshot 4");
    assert_string_equal(err.text, "snapshot 4: stored data is damaged or foreign");
}

static void test_argument_may_be_the_text_itself(void **state)
{
    (void)state;
    struct k_error err = {0};
    (void)k_fail(&err, K_E_IO, "inner");
    (void)k_fail(&err, K_E_IO, "outer (%s)", err.text);
    assert_string_equal(err.text, "outer (inner)");
    (void)k_wrap(&err, K_E_IO, "again %s", err.text);
    assert_string_equal(err.text, "again outer (inner): outer (inner)");
}

// Every length around the bound, with characters of one to four bytes at the cut.
static void test_long_text_is_cut_between_characters(void **state)
{
    (void)state;
    static const char *const characters[] = {"a", "é", "€", "😀"};
    for (size_t c = 0; c < 4; c++) {
        size_t width = strlen(characters[c]);
        for (size_t pad = 1010; pad <= 1030; pad++) {
            char text[2048];
            memset(text, 'x', pad);
            size_t length = pad;
            for (int i = 0; i < 8; i++, length += width) memcpy(text + length, characters[c], width);
            text[length] = '\0';
            struct k_error err = {0};
            (void)k_fail(&err, K_E_IO, "%s", text);
            size_t kept = strlen(err.text);
            if (length < sizeof err.text) {
                assert_string_equal(err.text, text);
                continue;
            }
            assert_true(kept < sizeof err.text && kept >= sizeof err.text - 1 - 3);
            assert_string_equal(err.text + kept - 3, "…");
            // What stands before the mark is a whole number of the characters.
            size_t before = kept - 3;
            assert_memory_equal(err.text, text, before);
            if (before > pad) assert_int_equal((before - pad) % width, 0);
        }
    }
}

static void test_wrap_keeps_the_outside_when_it_cuts(void **state)
{
    (void)state;
    struct k_error err = {0};
    (void)k_fail(&err, K_E_IO, "%01000d", 1);
    for (int i = 0; i < 100; i++) (void)k_wrap(&err, K_E_IO, "layer %d", i);
    assert_memory_equal(err.text, "layer 99: layer 98: ", 20);
    assert_true(strlen(err.text) < sizeof err.text);
    assert_string_equal(err.text + strlen(err.text) - 3, "…");
    // A prefix that fills the whole text leaves no room even for the colon.
    (void)k_wrap(&err, K_E_IO, "%01023d", 1);
    assert_string_equal(err.text + strlen(err.text) - 3, "…");
}

static void test_table_is_whole(void **state)
{
    (void)state;
#define X(name, status, text)                           \
    assert_string_equal(k_error_name(name), #name);     \
    assert_string_equal(k_error_meaning(name), text);   \
    assert_int_equal(k_error_status(name), status);     \
    assert_true(name < 0 && name > K_E_FIRST_);
    K_ERRORS(X)
#undef X
    assert_int_equal(k_error_status(0), 0);
    assert_int_equal(k_error_status(K_E_USAGE), 64);
    assert_int_equal(k_error_status(K_E_CONFIG), 78);
    // Codes outside the table are our bug, and never NULL.
    static const int strangers[] = {1, -1, K_E_FIRST_, K_E_LAST_, -100000};
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++) {
        assert_int_equal(k_error_status(strangers[i]), 70);
        assert_non_null(k_error_name(strangers[i]));
        assert_non_null(k_error_meaning(strangers[i]));
    }
}

static void test_assertion_says_where_and_aborts(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        dup2(ends[1], STDERR_FILENO);
        K_ASSERT(1 + 1 == 2);
        K_ASSERT(ends[0] < 0);
        _exit(0);
    }
    close(ends[1]);
    char said[512] = {0};
    assert_true(read(ends[0], said, sizeof said - 1) > 0);
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(said, "ends[0] < 0"));
    assert_non_null(strstr(said, "test_error.c:"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_reads_from_general_to_particular),
        cmocka_unit_test(test_error_may_be_null),
        cmocka_unit_test(test_wrapping_silence_says_the_meaning),
        cmocka_unit_test(test_argument_may_be_the_text_itself),
        cmocka_unit_test(test_long_text_is_cut_between_characters),
        cmocka_unit_test(test_wrap_keeps_the_outside_when_it_cuts),
        cmocka_unit_test(test_table_is_whole),
        cmocka_unit_test(test_assertion_says_where_and_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
