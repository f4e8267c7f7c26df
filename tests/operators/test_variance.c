// variance and stddev: against 113-bit arithmetic in two passes, at the extremes, in any order, and after taking back.
#include "tests/operators/harness.h"

#include <math.h>
#include <stdlib.h>

#include "base/hash.h"
#include "operators/accumulate.h"

__extension__ typedef __float128 quad;

enum { MOST = 60 };

struct sample {
    uint32_t count;
    bool whole; // int64; else double
    int64_t i[MOST];
    double d[MOST];
};

// A group with one part.
struct group {
    struct k_group head;
    char room[512];
} __attribute__((aligned(16)));

static struct k_part part_of(const struct sample *sample, enum k_spread_kind kind)
{
    return (struct k_part){.kind = sample->whole ? &k_accumulate_int_spread : &k_accumulate_double_spread,
                           .offset = sizeof(struct k_group),
                           .type = K_DOUBLE,
                           .spread = kind};
}

static void add(const struct k_part *part, struct group *group, const struct sample *sample, uint32_t row, int weight)
{
    void *value = group;
    int8_t weights[MOST];
    memset(weights, weight, sizeof weights);
    struct k_column column = {.type = sample->whole ? K_INT64 : K_DOUBLE};
    column.data = sample->whole ? (const void *)sample->i : sample->d;
    struct k_hits hits = {.count = 1, .rows = &row, .values = &value, .weight = weights, .arguments = &column};
    part->kind->add(part, &hits);
}

// The result; *ret_null, and false for an overflow.
static bool result(const struct k_part *part, const struct group *group, double *ret, bool *ret_null)
{
    struct k_arena arena;
    struct k_made made;
    k_arena_init(&arena);
    k_made_init(&made, K_DOUBLE, 1, &arena);
    bool fits = part->kind->result(part, group, &arena, &made, 0);
    *ret = ((double *)made.data)[0];
    *ret_null = !made.valid[0];
    k_arena_fini(&arena);
    return fits;
}

static double spread_of(const struct sample *sample, enum k_spread_kind kind)
{
    struct group group = {.head = {0}};
    struct k_part part = part_of(sample, kind);
    double found;
    bool null;
    for (uint32_t i = 0; i < sample->count; i++) add(&part, &group, sample, i, 1);
    assert_true(result(&part, &group, &found, &null));
    assert_false(null);
    k_part_reset(&part, &group);
    return found;
}

static double two_passes(const struct sample *sample, enum k_spread_kind kind)
{
    quad mean = 0, sum = 0;
    bool samp = kind == K_SPREAD_VAR_SAMP || kind == K_SPREAD_STDDEV_SAMP;
    for (uint32_t i = 0; i < sample->count; i++) mean += sample->whole ? (quad)sample->i[i] : (quad)sample->d[i];
    mean /= sample->count;
    for (uint32_t i = 0; i < sample->count; i++) {
        quad off = (sample->whole ? (quad)sample->i[i] : (quad)sample->d[i]) - mean;
        sum += off * off;
    }
    double variance = (double)(sum / (sample->count - samp));
    return kind == K_SPREAD_STDDEV_POP || kind == K_SPREAD_STDDEV_SAMP ? sqrt(variance) : variance;
}

static void draw(struct sample *sample, uint64_t *seed)
{
    *sample =
        (struct sample){.count = 2 + (uint32_t)k_random_below(seed, MOST - 1), .whole = k_random_below(seed, 2)};
    double far = ldexp(1, (int)k_random_below(seed, 60)), near = ldexp(1, -(int)k_random_below(seed, 20));
    bool large = k_random_below(seed, 4) == 0;
    for (uint32_t i = 0; i < sample->count; i++) {
        int64_t some = (int64_t)k_random_below(seed, 2000) - 1000;
        sample->i[i] = large ? (int64_t)k_random(seed) : (int64_t)far + some;
        sample->d[i] = large ? ldexp((double)some, (int)k_random_below(seed, 100) - 50) : far + (double)some * near;
    }
}

static void as_two_passes_in_113_bits(void **unused)
{
    (void)unused;
    static struct sample sample;
    for (uint64_t round = 0; round < 20000; round++) {
        uint64_t seed = round;
        draw(&sample, &seed);
        for (int kind = K_SPREAD_VAR_POP; kind <= K_SPREAD_STDDEV_SAMP; kind++) {
            double found = spread_of(&sample, (enum k_spread_kind)kind),
                   wanted = two_passes(&sample, (enum k_spread_kind)kind);
            if (fabs(found - wanted) > 1e-15 * wanted)
                fail_msg("seed %llu, kind %d: %.17g, wanted %.17g", (unsigned long long)round, kind, found, wanted);
        }
    }
}

static void order_and_taking_back_leave_no_trace(void **unused)
{
    (void)unused;
    static struct sample sample, other;
    for (uint64_t round = 0; round < 2000; round++) {
        uint64_t seed = 7000 + round;
        draw(&sample, &seed);
        struct group one = {.head = {0}}, two = {.head = {0}}, half = {.head = {0}};
        struct k_part part = part_of(&sample, K_SPREAD_STDDEV_SAMP);
        draw(&other, &seed);
        for (uint32_t i = 0; i < sample.count; i++) add(&part, &one, &sample, i, 1);
        for (uint32_t i = 0; i < other.count; i++) {
            struct sample of_kind = other;
            of_kind.whole = sample.whole;
            add(&part, &two, &of_kind, i, 1);
        }
        for (uint32_t i = sample.count; i-- > 0;) add(&part, i % 2 ? &two : &half, &sample, i, 1);
        for (uint32_t i = other.count; i-- > 0;) {
            struct sample of_kind = other;
            of_kind.whole = sample.whole;
            add(&part, &two, &of_kind, i, -1);
        }
        part.kind->merge(&part, &two, &half);
        struct k_buf a = {0}, b = {0};
        part.kind->encode(&part, &one, &a);
        part.kind->encode(&part, &two, &b);
        assert_true(k_str_equal(k_buf_str(&a), k_buf_str(&b)));
        struct group back = {.head = {0}};
        assert_int_equal(part.kind->decode(&part, &back, a.data, a.length), a.length);
        double first, second;
        bool null;
        assert_true(result(&part, &one, &first, &null));
        assert_true(result(&part, &back, &second, &null));
        assert_memory_equal(&first, &second, sizeof first);
        for (size_t cut = 0; cut < a.length; cut++) {
            struct group damaged = {.head = {0}};
            assert_true(part.kind->decode(&part, &damaged, a.data, cut) <= cut);
            k_part_reset(&part, &damaged);
        }
        struct group *all[] = {&one, &two, &half, &back};
        for (int i = 0; i < 4; i++) k_part_reset(&part, all[i]);
        k_buf_fini(&a);
        k_buf_fini(&b);
    }
}

static void extremes(void **unused)
{
    (void)unused;
    struct sample ints = {.count = 2, .whole = true, .i = {INT64_MIN, INT64_MAX}};
    assert_true(spread_of(&ints, K_SPREAD_VAR_POP) == 0x1p126); // ((2^64 − 1) / 2)², rounded
    for (uint32_t i = 0; i < MOST; i++) ints.i[i] = INT64_MIN;
    ints.count = MOST;
    assert_true(spread_of(&ints, K_SPREAD_VAR_SAMP) == 0);
    // All the same: exactly 0, although a third has no end.
    struct sample same = {.count = MOST};
    for (uint32_t i = 0; i < MOST; i++) same.d[i] = 1.0 / 3;
    assert_true(spread_of(&same, K_SPREAD_STDDEV_SAMP) == 0);
    struct sample wide = {.count = 2, .d = {1e154, -1e154}};
    assert_true(fabs(spread_of(&wide, K_SPREAD_STDDEV_POP) - 1e154) < 1e139);
    struct sample tiny = {.count = 2, .d = {3e-146, 1e-146}};
    assert_true(fabs(spread_of(&tiny, K_SPREAD_STDDEV_POP) - 1e-146) < 1e-158);
}

static void none_one_infinite_and_too_large(void **unused)
{
    (void)unused;
    struct sample sample = {.count = 2, .d = {5, INFINITY, 1e200, 1}};
    for (int kind = K_SPREAD_VAR_POP; kind <= K_SPREAD_STDDEV_SAMP; kind++) {
        struct k_part part = part_of(&sample, (enum k_spread_kind)kind);
        bool samp = kind == K_SPREAD_VAR_SAMP || kind == K_SPREAD_STDDEV_SAMP, null;
        struct group group = {.head = {0}};
        double found;
        assert_true(result(&part, &group, &found, &null) && null);
        add(&part, &group, &sample, 0, 1);
        assert_true(result(&part, &group, &found, &null));
        assert_true(samp ? null : !null && found == 0);
        add(&part, &group, &sample, 1, 1);
        assert_true(result(&part, &group, &found, &null) && !null && isnan(found));
        add(&part, &group, &sample, 1, -1);
        add(&part, &group, &sample, 2, 1);
        assert_false(result(&part, &group, &found, &null));
        assert_true(null);
        add(&part, &group, &sample, 2, -1);
        add(&part, &group, &sample, 3, 1);
        assert_true(result(&part, &group, &found, &null));
        const double wanted[] = {4, 8, 2, sqrt(8)};
        assert_true(found == wanted[kind]);
        k_part_reset(&part, &group);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_two_passes_in_113_bits),
        cmocka_unit_test(order_and_taking_back_leave_no_trace),
        cmocka_unit_test(extremes),
        cmocka_unit_test(none_one_infinite_and_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
