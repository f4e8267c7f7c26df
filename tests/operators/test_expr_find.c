// Searching, beside the plainest loops: every length around the blocks, every place, texts of few letters. Each text
// is an allocation of its own, so that the sanitizer sees what is read beside it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/memory.h"
#include "operators/expr/find.h"

enum { LENGTH_MAX = 200, LETTERS = 3 };

static uint32_t plain_find(struct k_str text, uint32_t at, struct k_str what)
{
    for (; at + what.length <= text.length; at++)
        if (memcmp(text.data + at, what.data, what.length) == 0) return at;
    return text.length;
}

static struct k_str random_text(uint64_t *seed, uint32_t length)
{
    char *data = length ? malloc(length) : NULL;
    // Mostly one letter, so that there are near misses.
    for (uint32_t i = 0; i < length; i++)
        data[i] = (char)('a' + (k_random_below(seed, 12) < LETTERS ? k_random_below(seed, LETTERS) : 0));
    return (struct k_str){data, length};
}

static void finds(void **state)
{
    (void)state;
    uint64_t seed = 1, found = 0, missed = 0;
    for (uint32_t length = 0; length <= LENGTH_MAX; length++) {
        for (uint32_t turn = 0; turn < 100; turn++) {
            struct k_str text = random_text(&seed, length);
            uint32_t at = (uint32_t)k_random_below(&seed, length + 1);
            struct k_str what = random_text(&seed, 1 + (uint32_t)k_random_below(&seed, turn % 2 ? 4 : 80));
            if (turn % 4 == 0 && what.length <= length) { // one that is there
                uint32_t place = (uint32_t)k_random_below(&seed, length - what.length + 1);
                memcpy((char *)what.data, text.data + place, what.length);
            }
            uint32_t place = k_find(text, at, what);
            assert_int_equal(place, plain_find(text, at, what));
            assert_int_equal(k_find_byte(text, at, 'b'), plain_find(text, at, K_STR("b")));
            if (place < length) found++;
            else missed++;
            free((char *)text.data);
            free((char *)what.data);
        }
    }
    assert_true(found > 1000 && missed > 1000);
}

static void parts(void **state)
{
    (void)state;
    uint64_t seed = 2, found = 0, missed = 0;
    for (uint32_t length = 0; length <= LENGTH_MAX; length++) {
        for (uint32_t turn = 0; turn < 20; turn++) {
            struct k_str text = random_text(&seed, length);
            uint32_t begin = 0, end;
            for (uint64_t n = 1;; n++) {
                struct k_str part = K_STR("not set");
                end = plain_find(text, begin, K_STR("c"));
                assert_true(k_find_part(text, 'c', n, &part));
                assert_ptr_equal(part.data, begin ? text.data + begin : text.data);
                assert_int_equal(part.length, end - begin);
                found++;
                if (end < length) {
                    begin = end + 1;
                    continue;
                }
                assert_false(k_find_part(text, 'c', n + 1, &part));
                assert_false(k_find_part(text, 'c', UINT64_MAX, &part));
                missed++;
                break;
            }
            free((char *)text.data);
        }
    }
    assert_true(found > 1000 && missed > 1000);
}

static void same_bytes(void **state)
{
    (void)state;
    for (uint32_t length = 0; length <= 40; length++) {
        char *a = malloc(length), *b = malloc(length);
        memset(a, 0, length);
        memset(b, 0, length);
        assert_true(k_same_bytes(a, b, length));
        for (uint32_t i = 0; i < length; i++) {
            b[i] = (char)0x80;
            assert_false(k_same_bytes(a, b, length));
            b[i] = 0;
        }
        free(a);
        free(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(finds), cmocka_unit_test(parts),
                                       cmocka_unit_test(same_bytes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
