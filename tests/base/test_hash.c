// Hashes: Kafka's known murmur2 vectors, XXH3's own, and splitmix64's.
#include "tests/base/test.h"

#include "base/hash.h"

// The vectors of Kafka's UtilsTest.
static const struct {
    const char *key;
    int32_t hash;
} vectors[] = {
    {"21", -973932308},
    {"foobar", -790332482},
    {"a-little-bit-long-string", -985981536},
    {"a-little-bit-longer-string", -1486304829},
    {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
    {"abc", 479470107},
};

static void test_partition_is_javas(void **state)
{
    (void)state;
    static const int32_t partitions[] = {1, 2, 3, 12, 64, 1000, INT32_MAX};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        for (size_t j = 0; j < sizeof partitions / sizeof *partitions; j++) {
            int32_t expected = (vectors[i].hash & 0x7fffffff) % partitions[j];
            assert_int_equal(k_murmur2_partition(k_str_of(vectors[i].key), partitions[j]), expected);
        }
    }
    assert_in_range(k_murmur2_partition((struct k_str){NULL, 0}, 7), 0, 6);
}

static void test_xxh3_is_fixed(void **state)
{
    (void)state;
    // XXH3_64bits of nothing, from the xxHash sanity tests: stored state depends on these bits.
    assert_true(k_hash("", 0) == 0x2D06800538D394C2u);
    char text[33];
    k_hash128_hex("", 0, text);
    assert_string_equal(text, "99aa06d3014798d86001c324468d497f");
    assert_true(k_hash("abc", 3) == k_hash_seeded("abc", 3, 0));
    assert_true(k_hash_seeded("abc", 3, 1) != k_hash("abc", 3));
}

static void test_random_is_splitmix64(void **state)
{
    (void)state;
    // The first numbers of the published generator from the seed 1234567.
    static const uint64_t expected[] = {6457827717110365317u, 3203168211198807973u, 9817491932198370423u,
                                        4593380528125082431u, 16408922859458223821u};
    uint64_t seed = 1234567;
    for (int i = 0; i < 5; i++) assert_true(k_random(&seed) == expected[i]);
}

static void test_random_below_reaches_all(void **state)
{
    (void)state;
    uint64_t seed = 5;
    int seen[7] = {0};
    for (int i = 0; i < 7000; i++) {
        uint64_t value = k_random_below(&seed, 7);
        assert_true(value < 7);
        seen[value]++;
    }
    for (int i = 0; i < 7; i++) assert_in_range(seen[i], 800, 1200);
    assert_int_equal(k_random_below(&seed, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_partition_is_javas),
        cmocka_unit_test(test_xxh3_is_fixed),
        cmocka_unit_test(test_random_is_splitmix64),
        cmocka_unit_test(test_random_below_reaches_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
