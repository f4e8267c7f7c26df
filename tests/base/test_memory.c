// Memory: copies, and arenas with many sizes and rounds.
#include "tests/base/test.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/memory.h"

static void test_copies(void **state)
{
    (void)state;
    assert_null(k_strdup(NULL));
    char *a = k_strdup("abc"), *b = k_strndup("a\0c", 3), *c = k_format("%s-%d", "x", 5);
    assert_string_equal(a, "abc");
    assert_memory_equal(b, "a\0c\0", 4);
    assert_string_equal(c, "x-5");
    char *none = k_strndup(NULL, 0);
    assert_string_equal(none, "");
    free(a);
    free(b);
    free(c);
    free(none);
}

static void test_alloc_is_zeroed_and_unique(void **state)
{
    (void)state;
    char *a = k_alloc(0), *b = k_alloc(0);
    assert_non_null(a);
    assert_ptr_not_equal(a, b);
    uint64_t *many = k_new_array(uint64_t, 100);
    for (int i = 0; i < 100; i++) assert_int_equal(many[i], 0);
    many = k_realloc(many, 0);
    assert_non_null(many);
    free(a);
    free(b);
    free(many);
}

// Each piece is filled with its own byte and checked at the end of the round: pieces never overlap.
static void test_arena_pieces_are_whole_and_apart(void **state)
{
    (void)state;
    enum { PIECES = 500 };
    static char *pieces[PIECES];
    static size_t sizes[PIECES];
    struct k_arena arena;
    k_arena_init(&arena);
    uint64_t seed = 42;
    for (int round = 0; round < 20; round++) {
        size_t used = 0;
        for (int i = 0; i < PIECES; i++) {
            sizes[i] = (size_t)k_random_below(&seed, i % 50 == 0 ? 100000 : 300);
            pieces[i] = k_arena_get(&arena, sizes[i]);
            assert_int_equal((uintptr_t)pieces[i] % 16, 0);
            memset(pieces[i], i & 0xff, sizes[i]);
            used += (sizes[i] ? sizes[i] + 15 : 16) / 16 * 16;
        }
        assert_int_equal(arena.used, used);
        assert_true(arena.held >= used);
        for (int i = 0; i < PIECES; i++)
            for (size_t j = 0; j < sizes[i]; j++) assert_int_equal((uint8_t)pieces[i][j], i & 0xff);
        k_arena_reset(&arena);
        assert_int_equal(arena.used, 0);
    }
    k_arena_fini(&arena);
}

static void test_arena_reset_keeps_the_largest_block(void **state)
{
    (void)state;
    struct k_arena arena;
    k_arena_init(&arena);
    k_arena_reset(&arena);
    assert_int_equal(arena.held, 0);
    k_arena_get(&arena, 100);
    k_arena_get(&arena, 3 << 20);
    k_arena_get(&arena, 100); // the block behind the large one is smaller again
    size_t held = arena.held;
    k_arena_reset(&arena);
    assert_int_equal(arena.held, 3 << 20);
    assert_true(held > arena.held);
    // The same round again needs nothing more from the system, if it fits.
    k_arena_get(&arena, (3 << 20) - 16);
    k_arena_get(&arena, 16);
    assert_int_equal(arena.held, 3 << 20);
    k_arena_fini(&arena);
    assert_int_equal(arena.held, 0);
}

static void test_arena_ends_well(void **state)
{
    (void)state;
    struct k_arena zeroed = {0};
    k_arena_fini(&zeroed);
    k_arena_fini(NULL);
    // A zeroed arena works without init too, and nothing is a unique pointer.
    void *a = k_arena_get(&zeroed, 0), *b = k_arena_get(&zeroed, 0);
    assert_non_null(a);
    assert_ptr_not_equal(a, b);
    char *copy = k_arena_copy(&zeroed, "a\0b", 3);
    assert_memory_equal(copy, "a\0b\0", 4);
    assert_string_equal(k_arena_copy(&zeroed, NULL, 0), "");
    assert_string_equal(k_arena_format(&zeroed, "%s-%0*d", "x", 5000, 7) + 4999, "007");
    memset(k_arena_get(&zeroed, 64), 0xff, 64);
    k_arena_reset(&zeroed);
    char *clean = k_arena_zeroed(&zeroed, 200);
    for (int i = 0; i < 200; i++) assert_int_equal(clean[i], 0);
    k_arena_fini(&zeroed);
}

// Runs one call that must end the process with a clear message.
static void assert_dies(void (*call)(void))
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        dup2(ends[1], STDERR_FILENO);
        call();
        _exit(0);
    }
    close(ends[1]);
    char said[512] = {0};
    assert_true(read(ends[0], said, sizeof said - 1) > 0);
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(said, "out of memory"));
}

static volatile size_t huge = SIZE_MAX / 4; // volatile: the compiler must not see the product

static void array_overflows(void)
{
    free(k_new_array(uint64_t, huge));
}

static void arena_array_overflows(void)
{
    struct k_arena arena = {0};
    k_arena_array(&arena, uint64_t, huge);
}

static void arena_rounding_overflows(void)
{
    struct k_arena arena = {0};
    k_arena_get(&arena, huge * 4 + 2);
}

static void test_impossible_sizes_die(void **state)
{
    (void)state;
    assert_dies(array_overflows);
    assert_dies(arena_array_overflows);
    assert_dies(arena_rounding_overflows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_alloc_is_zeroed_and_unique),
        cmocka_unit_test(test_arena_pieces_are_whole_and_apart),
        cmocka_unit_test(test_arena_reset_keeps_the_largest_block),
        cmocka_unit_test(test_arena_ends_well),
        cmocka_unit_test(test_impossible_sizes_die),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
