// How long does decoding take? Nanoseconds of CPU per record: 3 of 8 fields of Nexmark-like bids of about 300 bytes.
// Run by hand: build/tests/bench/bench_decode [rounds [number of the case]]
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/hash.h"
#include "proto/format.h"

static double cpu_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

struct work {
    struct k_message messages[K_BATCH_ROWS];
    const struct k_message *pointers[K_BATCH_ROWS];
};

static void fill(struct work *work, struct k_arena *arena, bool swapped, size_t *ret_bytes)
{
    uint64_t seed = 42;
    size_t bytes = 0;
    for (uint32_t i = 0; i < K_BATCH_ROWS; i++) {
        char text[512], extra[128];
        uint32_t pad = 80 + (uint32_t)k_random_below(&seed, 20);
        memset(extra, 'x', pad);
        extra[pad] = 0;
        unsigned long auction = 1000 + k_random_below(&seed, 1000000), bidder = 1000 + k_random_below(&seed, 100000),
                      price = 100 + k_random_below(&seed, 10000000), channel = k_random_below(&seed, 10000);
        bool turn = swapped && i % 2;
        int length = snprintf(text, sizeof text,
            "{\"event_type\":2,\"bid\":{\"%s\":%lu,\"%s\":%lu,\"price\":%lu,\"channel\":\"channel-%lu\","
            "\"url\":\"https://www.nexmark.com/ab/cd/item.htm?query=1&channel_id=%lu\","
            "\"dateTime\":\"2026-01-01T00:%02u:%02u.%03uZ\",\"extra\":\"%s\"}}",
            turn ? "bidder" : "auction", turn ? bidder : auction, turn ? "auction" : "bidder", turn ? auction : bidder,
            price, channel, channel, i / 60 % 60, i % 60, i % 1000, extra);
        work->messages[i] = (struct k_message){
            .value = {k_arena_copy(arena, text, (size_t)length), (uint32_t)length}, .has_value = true};
        work->pointers[i] = &work->messages[i];
        bytes += (size_t)length;
    }
    *ret_bytes = bytes / K_BATCH_ROWS;
}

static void run(const char *name, const struct work *work, const char *const *fields, uint32_t count, uint32_t rounds,
                bool full, size_t bytes)
{
    struct k_arena arena, schema_arena;
    k_arena_init(&arena);
    k_arena_init(&schema_arena);
    struct k_field parsed[8];
    bool read[8];
    for (uint32_t i = 0; i < count; i++) {
        size_t offset;
        const char *why;
        if (!k_field_parse(&schema_arena, k_str_of(fields[i]), &parsed[i], &offset, &why)) abort();
        read[i] = true;
    }
    struct k_schema schema = {parsed, count};
    struct k_decoder_options options = {.schema = &schema, .read = read, .validate_full = full};
    struct k_decoder *decoder;
    struct k_error err;
    if (k_decoder_json(&options, &decoder, &err) < 0) abort();
    struct k_decode_result result;
    double best = 1e9;
    for (uint32_t i = 0; i < rounds; i++) {
        k_arena_reset(&arena);
        double begin = cpu_s();
        k_decode(decoder, work->pointers, K_BATCH_ROWS, &arena, &result);
        double s = cpu_s() - begin;
        if (s < best) best = s;
        if (result.bad_count) abort();
    }
    printf("%-44s %7.1f ns per record of %zu bytes\n", name, best * 1e9 / K_BATCH_ROWS, bytes);
    k_decoder_destroy(decoder);
    k_arena_fini(&schema_arena);
    k_arena_fini(&arena);
}

int main(int argc, char **argv)
{
    uint32_t rounds = argc > 1 ? (uint32_t)atoi(argv[1]) : 2000;
    int only = argc > 2 ? atoi(argv[2]) : 0, number = 0;
    static struct work work;
    struct k_arena arena;
    k_arena_init(&arena);
    static const char *const integers[] = {"auction int64 not null at $.bid.auction", "bidder int64 at $.bid.bidder",
                                           "price int64 not null at $.bid.price"};
    static const char *const mixed[] = {"auction int64 not null at $.bid.auction",
                                        "channel string not null at $.bid.channel",
                                        "at timestamp not null at $.bid.dateTime"};
    for (int swapped = 0; swapped < 2; swapped++) {
        size_t bytes;
        fill(&work, &arena, swapped, &bytes);
        printf("%s\n", swapped ? "key order changes with each record" : "one key order");
        if (!only || only == ++number) run("  3 integers", &work, integers, 3, rounds, false, bytes);
        if (!only || only == ++number) run("  integer, string, RFC 3339", &work, mixed, 3, rounds, false, bytes);
        if (!only || only == ++number) run("  3 integers, validate_full", &work, integers, 3, rounds, true, bytes);
    }
    k_arena_fini(&arena);
    return 0;
}
