// How long does decoding JSON take? Nanoseconds of CPU per record, 3 of 8 fields of Nexmark-like bids of about 300
// bytes, beside simdjson's on-demand parser, which reads the same three integers into columns. The rounds go through
// several batches of different records, in turns, each brought into the caches first; the figures are medians.
// Run by hand: build/tests/bench/bench_decode [rounds [least speed with one order, least speed with any]]: with these,
// in parts of the speed of on-demand in the same run, it fails below them.
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "proto/format.h"
#include "tests/bench/measure.h"
#include "tests/bench/ondemand.h"

enum { BATCHES = 8, KEYS = 7 };

static struct work {
    struct k_message messages[K_BATCH_ROWS];
    const struct k_message *pointers[K_BATCH_ROWS];
    const char *texts[K_BATCH_ROWS];
    uint32_t lengths[K_BATCH_ROWS];
} all_work[BATCHES];

enum order { ONE_ORDER, TWO_ORDERS, ANY_ORDER };

static void put_member(struct k_buf *out, int key, uint32_t i, const uint64_t *values, const char *extra)
{
    static const char *const numbers[] = {"auction", "bidder", "price"};
    unsigned channel = (unsigned)values[3];
    switch (key) {
    case 3: k_buf_printf(out, "\"channel\":\"channel-%u\"", channel); break;
    case 4:
        k_buf_printf(out, "\"url\":\"https://www.nexmark.com/ab/cd/item.htm?query=1&channel_id=%u\"", channel);
        break;
    case 5: k_buf_printf(out, "\"dateTime\":\"2026-01-01T00:%02u:%02u.%03uZ\"", i / 60 % 60, i % 60, i % 1000); break;
    case 6: k_buf_printf(out, "\"extra\":\"%s\"", extra); break;
    default: k_buf_printf(out, "\"%s\":%llu", numbers[key], (unsigned long long)values[key]);
    }
}

static void put_record(struct k_buf *out, uint32_t i, enum order order, uint64_t *seed)
{
    char extra[128] = {0};
    int keys[KEYS];
    memset(extra, 'x', 80 + k_random_below(seed, 20));
    uint64_t values[] = {1000 + k_random_below(seed, 1000000), 1000 + k_random_below(seed, 100000),
                         100 + k_random_below(seed, 10000000), k_random_below(seed, 10000)};
    for (int k = 0; k < KEYS; k++) {
        int other = order == ANY_ORDER ? (int)k_random_below(seed, (uint64_t)k + 1) : k;
        keys[k] = keys[other];
        keys[other] = k;
    }
    if (order == TWO_ORDERS && i % 2) keys[0] = 1, keys[1] = 0;
    k_buf_add_text(out, "{\"event_type\":2,\"bid\":{");
    for (int k = 0; k < KEYS; k++) {
        if (k) k_buf_add_char(out, ',');
        put_member(out, keys[k], i, values, extra);
    }
    k_buf_add_text(out, "}}");
}

static size_t fill(struct k_arena *arena, enum order order)
{
    uint64_t seed = 42;
    size_t bytes = 0;
    struct k_buf text = {0};
    for (uint32_t b = 0; b < BATCHES; b++) {
        struct work *work = &all_work[b];
        for (uint32_t i = 0; i < K_BATCH_ROWS; i++) {
            k_buf_clear(&text);
            put_record(&text, i, order, &seed);
            char *copy = k_arena_zeroed(arena, text.length + ondemand_padding());
            memcpy(copy, text.data, text.length);
            work->texts[i] = copy;
            work->lengths[i] = (uint32_t)text.length;
            work->messages[i] = (struct k_message){.value = {copy, (uint32_t)text.length}, .has_value = true};
            work->pointers[i] = &work->messages[i];
            bytes += text.length;
        }
    }
    k_buf_fini(&text);
    return bytes / BATCHES / K_BATCH_ROWS;
}

// Brings the records into the caches.
static uint64_t touch(const struct work *work)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < K_BATCH_ROWS; i++)
        for (uint32_t at = 0; at < work->lengths[i]; at += 16) sum += (uint64_t)work->texts[i][at];
    return sum;
}

struct figures {
    double ns, ondemand_ns, ratio; // ratio: of the speeds; 0 where on-demand was not asked
};

static struct k_decoder *open_decoder(const char *const *fields, bool full, struct k_arena *arena)
{
    static const bool read[] = {true, true, true};
    struct k_schema *schema = k_arena_zeroed(arena, sizeof *schema);
    schema->fields = k_arena_array(arena, struct k_field, 3);
    for (; schema->count < 3; schema->count++) {
        size_t offset;
        const char *why;
        if (!k_field_parse(arena, k_str_of(fields[schema->count]), &schema->fields[schema->count], &offset, &why))
            abort();
    }
    struct k_decoder_options options = {.schema = schema, .read = read, .validate_full = full};
    struct k_decoder *decoder;
    struct k_error err;
    if (k_decoder_json(&options, &decoder, &err) < 0) abort();
    return decoder;
}

static void check(const struct k_decode_result *result, int64_t columns[3][K_BATCH_ROWS])
{
    for (int c = 0; c < 3; c++) {
        if (memcmp(result->columns[c].i, columns[c], sizeof columns[c]) == 0) continue;
        fprintf(stderr, "on-demand reads something else\n");
        exit(1);
    }
}

static struct figures run(const char *const *fields, bool full, bool beside, enum order order, uint32_t rounds)
{
    static int64_t columns[3][K_BATCH_ROWS];
    struct k_arena arena, schema_arena;
    k_arena_init(&arena);
    k_arena_init(&schema_arena);
    struct k_decoder *decoder = open_decoder(fields, full, &schema_arena);
    struct k_decode_result result;
    double *ours = k_new_array(double, rounds), *theirs = k_new_array(double, rounds);
    double *ratios = k_new_array(double, rounds);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < rounds; i++) {
        const struct work *work = &all_work[i % BATCHES];
        sum += touch(work);
        k_arena_reset(&arena);
        double begin = cpu_s();
        k_decode(decoder, work->pointers, K_BATCH_ROWS, &arena, &result);
        ours[i] = cpu_s() - begin;
        if (result.bad_count) abort();
        if (!beside) continue;
        sum += touch(work);
        begin = cpu_s();
        ondemand_read(work->texts, work->lengths, K_BATCH_ROWS, order == ONE_ORDER, columns[0], columns[1],
                      columns[2]);
        theirs[i] = cpu_s() - begin;
        ratios[i] = theirs[i] / ours[i];
        check(&result, columns);
    }
    if (sum == 0) abort(); // so that the compiler leaves touch() in
    double scale = 1e9 / K_BATCH_ROWS;
    struct figures figures = {median(ours, rounds) * scale, median(theirs, rounds) * scale, median(ratios, rounds)};
    free(ours);
    free(theirs);
    free(ratios);
    k_decoder_destroy(decoder);
    k_arena_fini(&schema_arena);
    k_arena_fini(&arena);
    return figures;
}

static struct figures show(const char *name, const char *const *fields, bool full, bool beside, enum order order,
                           uint32_t rounds)
{
    struct figures figures = run(fields, full, beside, order, rounds);
    printf("  %-44s %7.1f ns a record", name, figures.ns);
    if (beside) printf(", on-demand %6.1f ns: %.2f of its speed", figures.ondemand_ns, figures.ratio);
    printf("\n");
    return figures;
}

int main(int argc, char **argv)
{
    static const char *const orders[] = {"one key order", "two key orders in turn",
                                         "another key order in each record"};
    static const char *const integers[] = {"auction int64 not null at $.bid.auction", "bidder int64 at $.bid.bidder",
                                           "price int64 not null at $.bid.price"};
    static const char *const mixed[] = {"auction int64 not null at $.bid.auction",
                                        "channel string not null at $.bid.channel",
                                        "at timestamp not null at $.bid.dateTime"};
    uint32_t rounds = argc > 1 && atoi(argv[1]) > 0 ? (uint32_t)atoi(argv[1]) : 1000;
    double least_one = argc > 3 ? atof(argv[2]) : 0, least_any = argc > 3 ? atof(argv[3]) : 0;
    int failures = 0;
    struct k_arena arena;
    k_arena_init(&arena);
    for (enum order order = ONE_ORDER; order <= ANY_ORDER; order++) {
        k_arena_reset(&arena);
        printf("%s, records of %zu bytes\n", orders[order], fill(&arena, order));
        struct figures figures = show("3 integers", integers, false, true, order, rounds);
        double least = order == ONE_ORDER ? least_one : least_any;
        if (figures.ratio < least) {
            printf("FAIL %s: %.2f of the speed of on-demand, at least %.2f is asked for\n", orders[order],
                   figures.ratio, least);
            failures++;
        }
        show("integer, string, RFC 3339", mixed, false, false, order, rounds);
        show("3 integers, validate_full", integers, true, false, order, rounds);
    }
    k_arena_fini(&arena);
    return failures > 0;
}
